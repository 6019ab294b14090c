//! Names that settings had: an old one is refused, and the error names the new one.

use crate::error::{Error, Result};

/// Old and new key.
const RENAMED: [(&str, &str); 33] = [
    ("state.views", "state.features"),
    ("warm_up.n_trees", "paper.n_trees"),
    ("warm_up.sample_size", "paper.sample_size"),
    ("query.random_share", "query.random_fraction"),
    ("query.review_share", "query.review_fraction"),
    ("query.max_series_share", "query.max_series_fraction"),
    ("query.round_robin", "paper.round_robin"),
    ("propagation.per_round", "paper.propagation.per_round"),
    ("propagation.method", "paper.propagation.method"),
    ("propagation.sigma", "paper.propagation.sigma"),
    ("propagation.alpha", "paper.propagation.alpha"),
    ("propagation.max_iterations", "paper.propagation.max_iterations"),
    ("propagation.tolerance", "paper.propagation.tolerance"),
    ("propagation.max_exact", "paper.propagation.max_exact"),
    ("propagation.n_neighbors", "paper.propagation.n_neighbors"),
    ("propagation.pool", "paper.propagation.pool"),
    ("propagation.weight", "paper.propagation.weight"),
    ("agent.gamma", "paper.gamma"),
    ("agent.epsilon_start", "paper.epsilon_start"),
    ("agent.epsilon_end", "paper.epsilon_end"),
    ("agent.epsilon_steps", "paper.epsilon_steps"),
    ("agent.update", "paper.update"),
    ("agent.target_update", "paper.target_update"),
    ("agent.replay_capacity", "paper.replay_capacity"),
    ("agent.doubt", "agent.label_noise_exponent"),
    ("agent.trees.rarity", "agent.prior.surprisal"),
    ("agent.surprisal", "agent.prior.surprisal"),
    ("threshold.method", "decision.goal"),
    ("agent.trees.row_share", "agent.trees.row_fraction"),
    ("agent.trees.feature_share", "agent.trees.feature_fraction"),
    ("experts.reask_share", "experts.reask_fraction"),
    ("propagation", "paper.propagation"),
    ("views", "state.features"),
];

/// Refuses the first old key of a table, and the old value of `warm_up.scores`.
///
/// # Errors
/// [`Error::Setting`] that names the new key.
pub(super) fn refuse_old_keys(given: &toml::Table) -> Result<()> {
    for (old, new) in RENAMED {
        if at(given, old).is_some() {
            return Err(Error::setting(old, format!("written as `{new}`, which is its name"), format!("`{old}`")));
        }
    }
    if at(given, "warm_up.scores").and_then(toml::Value::as_str) == Some("tails") {
        return Err(Error::setting("warm_up.scores", "`surprisal`, which is the name of these scores", "`tails`"));
    }
    Ok(())
}

/// The value at a dotted key.
fn at<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        Some((first, rest)) => at(table.get(first)?.as_table()?, rest),
        None => table.get(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn an_old_key_is_refused_and_the_new_one_named() {
        for (old, new) in RENAMED {
            let mut table = toml::Table::new();
            let (mut below, keys) = (&mut table, old.split('.').collect::<Vec<_>>());
            for key in &keys[..keys.len() - 1] {
                let entry = below.entry(*key).or_insert_with(|| toml::Table::new().into());
                below = entry.as_table_mut().unwrap();
            }
            below.insert(keys[keys.len() - 1].to_owned(), toml::Value::Integer(1));
            let message = Config::from_toml(&table.to_string()).unwrap_err().to_string();
            assert!(message.contains(&format!("`{new}`")), "{old}: {message}");
        }
        assert!(Config::from_toml("[warm_up]\nscores = 'tails'").unwrap_err().to_string().contains("`surprisal`"));
    }

    #[test]
    fn every_new_name_is_a_setting() {
        let all = toml::Table::try_from(Config::paper()).unwrap();
        for (_, new) in RENAMED {
            assert!(at(&all, new).is_some(), "{new}");
        }
    }
}

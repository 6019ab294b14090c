//! Scores of states: the Q-functions of members, and how their values become a score. The agent scores its pool with it, a model whatever
//! it is given.

use crate::config::{AgentConfig, PriorConfig};
use crate::models::qnet::QNetwork;
use crate::models::trees::{BoostedTrees, log_odds_of_each, probability};

/// The Q-functions of a member: one that it lacks has no part in the score.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    /// The network; `None` where the trees have all the weight, or it has yet to be trained.
    pub(crate) network: Option<QNetwork>,
    /// The trees; `None` where the network has all the weight, or nothing was learned.
    pub(crate) trees: Option<BoostedTrees>,
}

/// [`Scorer`], borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QFunctions<'a> {
    pub(crate) network: Option<&'a QNetwork>,
    pub(crate) trees: Option<&'a BoostedTrees>,
}

impl Scorer {
    /// Its Q-functions.
    pub(crate) const fn q_functions(&self) -> QFunctions<'_> {
        QFunctions { network: self.network.as_ref(), trees: self.trees.as_ref() }
    }
}

/// The prediction of the agent, or of one of its members, for a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prediction {
    /// The log-odds of an anomaly where the agent has a prior; else `Q(anomaly) − Q(normal)`, in units of reward.
    pub(crate) score: f64,
}

impl Prediction {
    /// The probability of an anomaly that the score says, in `[0, 1]`.
    pub(crate) fn probability(self, config: &AgentConfig) -> f64 {
        if config.has_prior() { probability(self.score) } else { probability_of_gap(config, self.score) }
    }
}

/// The scores of `n` states by each member, shape `[members][n]`.
///
/// `q_values`: what a network makes of the states; `tree_rows`: the rows that the trees read, shape `[n, n_tree_features]`; `surprisal`: the
/// mean surprisal of each state.
pub(crate) fn scores(
    config: &AgentConfig,
    members: &[QFunctions<'_>],
    q_values: impl Fn(&QNetwork) -> Vec<[f32; 2]>,
    tree_rows: &[f32],
    surprisal: impl Fn(usize) -> f64,
    n: usize,
) -> Vec<Vec<f32>> {
    let trees: Vec<&BoostedTrees> = members.iter().filter_map(|member| member.trees).collect();
    let mut log_odds = log_odds_of_each(&trees, tree_rows).into_iter();
    let prior: Option<Vec<f64>> =
        config.has_prior().then(|| (0..n).map(|i| prior_log_odds(&config.prior, surprisal(i))).collect());
    let of_member = |member: &QFunctions<'_>| {
        let q_gaps =
            member.network.map(&q_values).map(|q| q.into_iter().map(|q| f64::from(q[1] - q[0])).collect::<Vec<_>>());
        let log_odds = member.trees.and_then(|_| log_odds.next());
        let of_state = |i| {
            let (q_gap, log_odds) = (q_gaps.as_ref().map(|q| q[i]), log_odds.as_ref().map(|odds| odds[i]));
            let score = match &prior {
                Some(prior) => from_prior(config, prior[i], q_gap, log_odds),
                None => q_gap_of(config, q_gap, log_odds),
            };
            score as f32
        };
        (0..n).map(of_state).collect()
    };
    members.iter().map(of_member).collect()
}

/// The mean of the members' scores of one point.
pub(crate) fn mean_score(scores: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = scores.len() as f64;
    scores.sum::<f64>() / n
}

/// The log-odds of an anomaly before any answer, in nats. `surprisal`: the mean over the features, in nats, at least 0.
pub(crate) fn prior_log_odds(prior: &PriorConfig, surprisal: f64) -> f64 {
    prior.log_odds + prior.surprisal * surprisal
}

/// The log-odds of an anomaly by a member: the prior's, and what its trees add; or those that its network's values say; or both by their weights.
fn from_prior(config: &AgentConfig, prior: f64, q_gap: Option<f64>, added: Option<f64>) -> f64 {
    /// A network is not surer than this.
    const SUREST: f64 = 1e-3;
    let by_trees = prior + added.unwrap_or(0.0);
    let Some(q_gap) = q_gap else { return by_trees };
    let p = probability_of_gap(config, q_gap).clamp(SUREST, 1.0 - SUREST);
    let weight = f64::from(config.trees.weight);
    weight * by_trees + (1.0 - weight) * (p / (1.0 - p)).ln()
}

/// `Q(anomaly) − Q(normal)` of a member without a prior: the network's and the trees' by their weights, or that of the one which is there.
///
/// The trees' value is `2 r1 p − 2 r2 (1 − p)`, the difference of the expected rewards where `p` is the probability of an anomaly: the
/// network's values go towards it as well.
fn q_gap_of(config: &AgentConfig, by_network: Option<f64>, log_odds: Option<f64>) -> f64 {
    let by_trees = log_odds.map(|log_odds| {
        let (p, of_normal) = (probability(log_odds), probability(-log_odds));
        2.0 * (f64::from(config.reward_anomaly) * p - f64::from(config.reward_normal) * of_normal)
    });
    let weight = f64::from(config.trees.weight);
    match (by_network, by_trees) {
        (Some(network), Some(trees)) => weight * trees + (1.0 - weight) * network,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0.0,
    }
}

/// The probability of an anomaly at which the expected rewards of the two actions differ by `q_gap`, in `[0, 1]`.
fn probability_of_gap(config: &AgentConfig, q_gap: f64) -> f64 {
    let (anomaly, normal) = (2.0 * f64::from(config.reward_anomaly), 2.0 * f64::from(config.reward_normal));
    ((q_gap + normal) / (anomaly + normal)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::models::trees::TreesConfig;

    #[test]
    fn trees_tell_the_expected_difference_of_the_rewards() {
        let paper = Config::paper().agent;
        let config = AgentConfig { trees: TreesConfig { weight: 1.0, ..paper.trees.clone() }, ..paper.clone() };
        // Even odds: half of 2 · 5, less half of 2 · 1.
        assert!((q_gap_of(&config, None, Some(0.0)) - 4.0).abs() < 1e-6);
        assert!((q_gap_of(&config, None, Some(40.0)) - 10.0).abs() < 1e-6);
        assert!((q_gap_of(&config, None, Some(-40.0)) + 2.0).abs() < 1e-6);
        assert!((probability_of_gap(&config, 4.0) - 0.5).abs() < 1e-12);
        let half = AgentConfig { trees: TreesConfig { weight: 0.5, ..paper.trees.clone() }, ..paper };
        assert!((q_gap_of(&half, Some(2.0), Some(0.0)) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn log_odds_begin_at_the_prior_by_hand() {
        let config = Config::default().agent;
        let prior =
            prior_log_odds(&PriorConfig { log_odds: -7.0, surprisal: 2.0, answers: 1.0, answers_per_series: 0.0 }, 4.0);
        assert!((prior - 1.0).abs() < 1e-12);
        assert!((from_prior(&config, prior, None, None) - 1.0).abs() < 1e-12, "no answer");
        assert!((from_prior(&config, prior, None, Some(-3.0)) + 2.0).abs() < 1e-12);
        assert!((Prediction { score: 0.0 }.probability(&config) - 0.5).abs() < 1e-12);
        // A network that is at even odds, with half of the weight: a value of 4 (see above).
        let half = AgentConfig { trees: TreesConfig { weight: 0.5, ..config.trees.clone() }, ..config };
        assert!((from_prior(&half, prior, Some(4.0), Some(1.0)) - 1.0).abs() < 1e-9);
    }
}

//! What one member of the agent judges a state with: a network, trees, or both.

use crate::config::AgentConfig;
use crate::qnet::QNetwork;
use crate::trees::{BoostedTrees, chance};

/// The Q-functions of a member: what it lacks has no part in the score.
#[derive(Clone, Debug)]
pub(crate) struct Scorer {
    /// The network; `None` where the trees have all the weight, or it has yet to be trained.
    pub(crate) network: Option<QNetwork>,
    /// The trees; `None` where the network has all the weight, or nothing was learned.
    pub(crate) trees: Option<BoostedTrees>,
}

/// `Q(anomaly) − Q(normal)` of a member: the network's and the trees' by their weights, or that of the one which is there.
///
/// `q_values`: the network's; `log_odds`: the trees'. What the trees say is `2 r1 p − 2 r2 (1 − p)`, the difference of the
/// expected rewards where `p` is the chance of an anomaly: what the network's values go towards as well.
pub(crate) fn score(config: &AgentConfig, q_values: Option<[f32; 2]>, log_odds: Option<f64>) -> f32 {
    let by_trees = log_odds.map(|log_odds| {
        let (p, of_normal) = (chance(log_odds), chance(-log_odds));
        2.0 * (f64::from(config.reward_anomaly) * p - f64::from(config.reward_normal) * of_normal)
    });
    let by_network = q_values.map(|q| f64::from(q[1] - q[0]));
    let weight = f64::from(config.trees.weight);
    match (by_network, by_trees) {
        (Some(network), Some(trees)) => (weight * trees + (1.0 - weight) * network) as f32,
        (Some(one), None) | (None, Some(one)) => one as f32,
        (None, None) => 0.0,
    }
}

/// The chance of an anomaly at which the expected rewards of the two actions differ by `score`, in `[0, 1]`.
pub(crate) fn chance_of_score(config: &AgentConfig, score: f64) -> f64 {
    let (anomaly, normal) = (2.0 * f64::from(config.reward_anomaly), 2.0 * f64::from(config.reward_normal));
    ((score + normal) / (anomaly + normal)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, TreesConfig};

    #[test]
    fn trees_tell_the_expected_difference_of_the_rewards() {
        let paper = Config::paper().agent;
        let config = AgentConfig { trees: TreesConfig { weight: 1.0, ..paper.trees.clone() }, ..paper.clone() };
        // Even odds: half of 2 · 5, less half of 2 · 1.
        assert!((score(&config, None, Some(0.0)) - 4.0).abs() < 1e-6);
        assert!((score(&config, None, Some(40.0)) - 10.0).abs() < 1e-6);
        assert!((score(&config, None, Some(-40.0)) + 2.0).abs() < 1e-6);
        assert!((chance_of_score(&config, 4.0) - 0.5).abs() < 1e-12);
        let half = AgentConfig { trees: TreesConfig { weight: 0.5, ..paper.trees.clone() }, ..paper };
        assert!((score(&half, Some([1.0, 3.0]), Some(0.0)) - 3.0).abs() < 1e-6);
    }
}

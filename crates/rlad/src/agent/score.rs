//! Scores of states: the Q-functions of members, and how their values become a score. The agent scores its pool with it, a model whatever
//! it is given.

use crate::config::AgentConfig;
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
    /// `Q(anomaly) − Q(normal)`, as it was learned, in units of reward.
    pub(crate) q_gap: f64,
    /// The mean surprisal of its features in their series, in nats, at least 0; 0 without trees.
    pub(crate) surprisal: f64,
}

impl Prediction {
    /// The score where a nat of surprisal is worth so much (`agent.surprisal`, or `agent.surprisal_unseen`).
    ///
    /// Learned values hardly rank what lies far from every answer, and rank alike all that is surely an anomaly; the scores of the
    /// warm-up, which no answer taught, go on.
    pub(crate) fn score(self, worth_of_surprisal: f64) -> f64 {
        self.q_gap + worth_of_surprisal * self.surprisal
    }

    /// The probability of an anomaly that was learned, in `[0, 1]`.
    pub(crate) fn probability(self, config: &AgentConfig) -> f64 {
        probability_of_gap(config, self.q_gap)
    }
}

/// `Q(anomaly) − Q(normal)` of `n` states by each member, shape `[members][n]`.
///
/// `q_values`: what a network makes of the states; `tree_rows`: the rows that the trees read, shape `[n, n_tree_features]`.
pub(crate) fn q_gaps(
    config: &AgentConfig,
    members: &[QFunctions<'_>],
    q_values: impl Fn(&QNetwork) -> Vec<[f32; 2]>,
    tree_rows: &[f32],
    n: usize,
) -> Vec<Vec<f32>> {
    let trees: Vec<&BoostedTrees> = members.iter().filter_map(|member| member.trees).collect();
    let mut log_odds = log_odds_of_each(&trees, tree_rows).into_iter();
    let of_member = |member: &QFunctions<'_>| {
        let q_values = member.network.map(&q_values);
        let log_odds = member.trees.and_then(|_| log_odds.next());
        let of_state = |i| q_gap(config, q_values.as_ref().map(|q| q[i]), log_odds.as_ref().map(|odds| odds[i]));
        (0..n).map(of_state).collect()
    };
    members.iter().map(of_member).collect()
}

/// The mean of the members' values of one point.
pub(crate) fn mean_q_gap(q_gaps: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = q_gaps.len() as f64;
    q_gaps.sum::<f64>() / n
}

/// `Q(anomaly) − Q(normal)` of a member: the network's and the trees' by their weights, or that of the one which is there.
///
/// `q_values`: the network's; `log_odds`: the trees'. The trees' value is `2 r1 p − 2 r2 (1 − p)`, the difference of the
/// expected rewards where `p` is the probability of an anomaly: the network's values go towards it as well.
fn q_gap(config: &AgentConfig, q_values: Option<[f32; 2]>, log_odds: Option<f64>) -> f32 {
    let by_trees = log_odds.map(|log_odds| {
        let (p, of_normal) = (probability(log_odds), probability(-log_odds));
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
        assert!((q_gap(&config, None, Some(0.0)) - 4.0).abs() < 1e-6);
        assert!((q_gap(&config, None, Some(40.0)) - 10.0).abs() < 1e-6);
        assert!((q_gap(&config, None, Some(-40.0)) + 2.0).abs() < 1e-6);
        assert!((probability_of_gap(&config, 4.0) - 0.5).abs() < 1e-12);
        let half = AgentConfig { trees: TreesConfig { weight: 0.5, ..paper.trees.clone() }, ..paper };
        assert!((q_gap(&half, Some([1.0, 3.0]), Some(0.0)) - 3.0).abs() < 1e-6);
    }

    #[test]
    fn surprisal_adds_to_the_score_and_not_to_the_probability() {
        let config = Config::paper().agent;
        let prediction = Prediction { q_gap: 4.0, surprisal: 3.0 };
        assert!((prediction.score(0.5) - 5.5).abs() < 1e-12 && (prediction.score(0.0) - 4.0).abs() < 1e-12);
        assert!((prediction.probability(&config) - 0.5).abs() < 1e-12);
    }
}

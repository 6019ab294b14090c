//! The agent: several members, each with a Q-network, boosted trees or both, whose Q-functions are averaged.
//!
//! With more than one member, each leaves out its fold of the examples, so that every answer has a member that never saw it. The paper's
//! agent is one member with a network alone ([`dqn`](super::dqn)).

use rayon::prelude::*;

use crate::agent::dqn::{CHUNK, Dqn, Example, mean};
use crate::agent::pool::{Pool, PoolPoint};
use crate::agent::score::{Prediction, QFunctions, Scorer, mean_score, prior_log_odds, scores};
use crate::config::{AgentConfig, Config};
use crate::data::label::Label;
use crate::features::tree_row::{TreeRows, n_tree_features};
use crate::models::qnet::QNetworkShape;
use crate::models::trees::{BoostedTrees, LabelledRows};
use crate::random::{Purpose, mix, stream};

/// A member of the agent.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The network with everything that it learns by.
    pub(crate) dqn: Dqn,
    /// The trees, once they have learned.
    pub(crate) trees: Option<BoostedTrees>,
}

/// The agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    /// Its members.
    pub(crate) members: Vec<Member>,
    /// The gradient steps that each network has taken, restarts included: ε falls with them.
    pub(crate) n_gradient_steps: u64,
    /// Whether the networks' scores count: not where they have yet to be trained (`agent.steps_per_round = 0`).
    pub(crate) uses_networks: bool,
    config: Config,
}

impl Agent {
    /// An agent that has learned nothing.
    pub(crate) fn new(config: &Config, n_features: usize) -> Self {
        let agent = &config.agent;
        let shape =
            QNetworkShape { n_features, n_units: agent.n_units, skip: agent.skip, head_units: agent.head_units };
        let members = (0..agent.n_members).map(|member| Member::new(shape, config, turn(0, member))).collect();
        let uses_networks = agent.learner().has_network();
        Self { members, n_gradient_steps: 0, uses_networks, config: config.clone() }
    }

    /// ε: the probability that the policy takes a random action.
    pub(crate) fn epsilon(&self) -> f64 {
        self.config.paper.epsilon(self.n_gradient_steps)
    }

    /// Learns from examples in `n_gradient_steps` steps of each network, and returns the mean loss over the last tenth of
    /// the steps, or the loss that was not finite; without steps, the mean logistic loss of the trees.
    ///
    /// With `restart` the networks begin anew and the examples are all that they know; else they learn on, and the
    /// examples join what the replay buffer holds. `past`: of points that the pool does not hold any more, for the trees.
    /// `turn_of_run` numbers the calls of a run, from 1: it picks the random streams.
    pub(crate) fn learn(
        &mut self,
        pool: &Pool,
        examples: &[Example],
        past: &PastExamples,
        turn_of_run: u64,
        n_gradient_steps: usize,
    ) -> f32 {
        if examples.is_empty() && past.examples.is_empty() {
            return 0.0;
        }
        let learner = self.config.agent.learner();
        self.uses_networks = learner.has_network() && n_gradient_steps > 0 && !examples.is_empty();
        let (uses_networks, epsilon, n_members) = (self.uses_networks, self.epsilon(), self.members.len());
        let config = &self.config;
        let is_own = |at: PoolPoint, index: usize| n_members == 1 || fold(at, n_members) != index;
        let rows = ExampleRows::of(pool, examples, past, &config.agent);
        let labelled =
            LabelledRows::new(&rows.rows.values, n_tree_features(pool.n_features), &rows.is_anomaly, &rows.weights)
                .with_offsets(&rows.prior_log_odds);
        let evidence = evidence(&config.agent, &rows.weights, pool.series.len());
        let losses: Vec<f32> = self
            .members
            .par_iter_mut()
            .enumerate()
            .map(|(index, member)| {
                let turn = turn(turn_of_run, index);
                let stream = |purpose| stream(config.seed, purpose, turn);
                let mut rng = stream(Purpose::Training);
                if config.agent.restart {
                    *member = Member::new(member.dqn.online.shape(), config, turn);
                }
                let mut loss = 0.0;
                if learner.has_trees() {
                    // The examples that they grow on are all that trees know.
                    let all = examples.iter().chain(&past.examples).enumerate();
                    let own: Vec<usize> =
                        all.filter(|(_, example)| is_own(example.at, index)).map(|(i, _)| i).collect();
                    let rng = &mut stream(Purpose::Trees);
                    let (trees, loss_of_trees) = BoostedTrees::fit(&labelled, &own, &config.agent.trees, rng);
                    member.trees = Some(trees.shrunk(evidence));
                    loss = loss_of_trees;
                }
                if !uses_networks {
                    return loss;
                }
                let own: Vec<Example> = examples.iter().filter(|e| is_own(e.at, index)).copied().collect();
                let rngs = (&mut stream(Purpose::Policy), &mut rng);
                member.dqn.learn(pool, &own, config, epsilon, n_gradient_steps, rngs)
            })
            .collect();
        self.n_gradient_steps += n_gradient_steps as u64;
        losses.iter().copied().find(|loss| !loss.is_finite()).unwrap_or_else(|| mean(&losses))
    }

    /// The predictions of each member, shape `[n_members][points.len()]`.
    pub(crate) fn predictions(&self, pool: &Pool, points: &[PoolPoint]) -> Vec<Vec<Prediction>> {
        let all: Vec<usize> = (0..self.members.len()).collect();
        let chunks: Vec<Vec<Vec<Prediction>>> =
            points.par_chunks(CHUNK).map(|chunk| self.predict_chunk(&all, pool, chunk)).collect();
        let of_member = |member: usize| chunks.iter().flat_map(|chunk| &chunk[member]).copied().collect();
        all.iter().map(|&member| of_member(member)).collect()
    }

    /// The predictions of one member.
    pub(crate) fn predictions_of(&self, member: usize, pool: &Pool, points: &[PoolPoint]) -> Vec<Prediction> {
        points
            .par_chunks(CHUNK)
            .flat_map_iter(|chunk| self.predict_chunk(&[member], pool, chunk).swap_remove(0))
            .collect()
    }

    /// The predictions of some members for a few points: states and rows are made once for all of them.
    fn predict_chunk(&self, members: &[usize], pool: &Pool, chunk: &[PoolPoint]) -> Vec<Vec<Prediction>> {
        let (mut states, mut rows) = (Vec::new(), TreeRows::default());
        if self.uses_networks {
            pool.states(chunk, &mut states);
        }
        if self.config.agent.learner().has_trees() {
            pool.tree_rows(chunk, &mut rows);
        }
        let members: Vec<QFunctions<'_>> = members.iter().map(|&member| self.q_functions(member)).collect();
        let q_values = |network: &crate::models::qnet::QNetwork| network.q_values(&states, self.config.state.n_steps);
        let surprisal = |i| rows.surprisal(i);
        let of_members = scores(&self.config.agent, &members, q_values, &rows.values, surprisal, chunk.len());
        let of_member =
            |scores: Vec<f32>| scores.into_iter().map(|score| Prediction { score: f64::from(score) }).collect();
        of_members.into_iter().map(of_member).collect()
    }

    fn q_functions(&self, member: usize) -> QFunctions<'_> {
        let Member { dqn, trees } = &self.members[member];
        QFunctions { network: self.uses_networks.then_some(&dqn.online), trees: trees.as_ref() }
    }

    /// The Q-functions of its members.
    pub(crate) fn into_scorers(self) -> Vec<Scorer> {
        let uses_networks = self.uses_networks;
        let scorer =
            |member: Member| Scorer { network: uses_networks.then_some(member.dqn.online), trees: member.trees };
        self.members.into_iter().map(scorer).collect()
    }
}

impl Member {
    fn new(shape: QNetworkShape, config: &Config, turn: u64) -> Self {
        let rng = &mut stream(config.seed, Purpose::Training, turn | WEIGHTS);
        Self { dqn: Dqn::new(shape, &config.paper, rng), trees: None }
    }
}

/// Examples as rows for the trees; empty where there are none.
#[derive(Default)]
struct ExampleRows {
    rows: TreeRows,
    is_anomaly: Vec<bool>,
    weights: Vec<f32>,
    /// The log-odds of an anomaly before any answer; empty without a prior.
    prior_log_odds: Vec<f32>,
}

impl ExampleRows {
    fn of(pool: &Pool, examples: &[Example], past: &PastExamples, config: &AgentConfig) -> Self {
        let mut all = Self::default();
        if config.learner().has_trees() {
            let points: Vec<PoolPoint> = examples.iter().map(|example| example.at).collect();
            pool.tree_rows(&points, &mut all.rows);
            all.rows.append(&past.rows);
            let examples = || examples.iter().chain(&past.examples);
            all.is_anomaly = examples().map(|example| example.label == Label::Anomaly).collect();
            all.weights = examples().map(|example| example.weight).collect();
            if config.has_prior() {
                let of_row = |row| prior_log_odds(&config.prior, all.rows.surprisal(row)) as f32;
                all.prior_log_odds = (0..all.rows.len()).map(of_row).collect();
            }
        }
        all
    }
}

/// Examples of points that the pool does not hold any more, with the rows that trees saw of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct PastExamples {
    /// The examples. Their points are those of the pool that held them, and say the fold only.
    pub(crate) examples: Vec<Example>,
    /// Their rows, in the same order.
    pub(crate) rows: TreeRows,
}

/// The share of what trees add to the prior that counts: `n² / (n² + m²)` of `agent.prior` after `n` answers, where `m`
/// is `answers + answers_per_series × n_series`, where an answer that is likely wrong is less than one; 1 without a prior.
fn evidence(config: &AgentConfig, weights: &[f32], n_series: usize) -> f64 {
    if !config.has_prior() {
        return 1.0;
    }
    let of_answer = if config.answer_weight > 0.0 { config.answer_weight } else { 1.0 };
    let n = weights.iter().copied().map(f64::from).sum::<f64>() / of_answer;
    config.prior.evidence(n, n_series)
}

/// The mean prediction of the members for each point.
pub(crate) fn means(of_members: &[Vec<Prediction>]) -> Vec<Prediction> {
    let n_points = of_members.first().map_or(0, Vec::len);
    let of_point =
        |i: usize| Prediction { score: mean_score(of_members.iter().map(|predictions| predictions[i].score)) };
    (0..n_points).map(of_point).collect()
}

/// The member that does not learn from the label of a point, where there are several.
///
/// Stretches of 512 points of a series are left out together, so that a point's neighbours do not give its label away.
pub(crate) fn fold((series, point): PoolPoint, n_members: usize) -> usize {
    const STRETCH: usize = 512;
    (mix((series as u64) << 32 | (point / STRETCH) as u64) % n_members as u64) as usize
}

/// The mark of streams that draw initial weights.
const WEIGHTS: u64 = 1 << 48;

/// The turn of a member's random streams.
const fn turn(turn_of_run: u64, member: usize) -> u64 {
    turn_of_run << 8 | member as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StateConfig;
    use crate::data::series::{Part, Series, TimeFormat};
    use crate::features::Feature;

    #[test]
    fn epsilon_falls_as_the_paper_says() {
        let mut config = Config::paper();
        config.agent.n_units = 2;
        let mut agent = Agent::new(&config, 1);
        assert_eq!(agent.epsilon().to_bits(), 1.0_f64.to_bits());
        agent.n_gradient_steps = 250_000;
        assert!((agent.epsilon() - 0.55).abs() < 1e-12);
        agent.n_gradient_steps = u64::MAX;
        assert!((agent.epsilon() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn every_fold_gets_its_part() {
        let mut counts = [0; 5];
        (0..50_000).for_each(|i| counts[fold((i % 7, i * 512), 5)] += 1);
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
        assert_eq!(fold((3, 512), 5), fold((3, 1023), 5), "a stretch stays together");
    }

    /// A flat series with spikes: after learning from a few labelled points, the greedy action finds every spike.
    fn finds_spikes(mut config: Config) {
        config.agent.n_units = 16;
        config.agent.batch = 64;
        config.state = StateConfig { n_steps: 5, features: vec![Feature::MinMax] };
        let values: Vec<f64> = (0..400).map(|i| if i % 10 == 6 { 1.0 } else { 0.1 * f64::from(i % 2) }).collect();
        let series = Series::new("s", vec!["v".into()], TimeFormat::Index, (0..400).collect(), values, None).unwrap();
        let pool = Pool::new(&[series], Part::ALL, &config.state).unwrap();
        let example = |point: usize| Example {
            at: (0, point),
            label: if point % 10 == 6 { Label::Anomaly } else { Label::Normal },
            weight: 1.0,
        };
        let examples: Vec<Example> = (20..200).map(example).collect();
        let mut agent = Agent::new(&config, 1);
        for turn in 1..=4 {
            agent.learn(&pool, &examples, &PastExamples::default(), turn, 300);
        }
        let points: Vec<PoolPoint> = (200..400).map(|point| (0, point)).collect();
        for (at, prediction) in points.iter().zip(means(&agent.predictions(&pool, &points))) {
            assert_eq!(prediction.score > 0.0, at.1 % 10 == 6, "point {}: {prediction:?}", at.1);
        }
    }

    #[test]
    fn the_paper_s_agent_finds_spikes() {
        finds_spikes(Config::paper());
    }

    #[test]
    fn the_default_agent_finds_spikes() {
        let mut config = Config::default();
        config.agent.noise = 0.01;
        finds_spikes(config);
    }
}

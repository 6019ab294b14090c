//! The agent: Q-networks, their target networks and replay buffers, and how they learn (paper, section 5.2, algorithm 1).
//!
//! What is not the paper's is numbered in `docs/algorithm.md`.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::agent::pool::{Pool, PoolPoint};
use crate::agent::replay::{ReplayBuffer, Transition};
use crate::agent::score::{Prediction, Scorer, q_gap};
use crate::config::{AgentConfig, Update};
use crate::data::label::Label;
use crate::features::tree_row::{mean_surprisal_of, n_tree_features};
use crate::models::qnet::{Adam, Batch, QNetwork, QNetworkShape, Regularisation};
use crate::models::trees::{BoostedTrees, LabelledRows};
use crate::random::{Purpose, mix, stream};

/// A labelled or pseudo-labelled state to learn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Example {
    /// The point at which the state's window ends.
    pub(crate) at: PoolPoint,
    /// Its label.
    pub(crate) label: Label,
    /// Its weight in the loss.
    pub(crate) weight: f32,
}

/// One network with what it needs to learn.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The network (`EvalN`).
    pub(crate) online: QNetwork,
    /// The target network (`TargetN`).
    pub(crate) target: QNetwork,
    /// The optimiser.
    pub(crate) adam: Adam,
    /// The replay buffer.
    pub(crate) replay: ReplayBuffer,
    /// The trees, once they have learned.
    pub(crate) trees: Option<BoostedTrees>,
}

/// The agent.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    /// Its networks.
    pub(crate) members: Vec<Member>,
    /// The gradient steps that each network has taken, restarts included: ε falls with them.
    pub(crate) n_gradient_steps: u64,
    /// Whether the networks' scores count: not where they have yet to be trained (`agent.steps_per_round = 0`).
    pub(crate) uses_networks: bool,
    config: AgentConfig,
    n_steps: usize,
    seed: u64,
}

/// The windows that are scored in one call.
const CHUNK: usize = 2_048;

impl Agent {
    /// An agent that has learned nothing.
    pub(crate) fn new(config: &AgentConfig, n_features: usize, n_steps: usize, seed: u64) -> Self {
        let shape =
            QNetworkShape { n_features, n_units: config.n_units, skip: config.skip, head_units: config.head_units };
        let members = (0..config.n_members).map(|member| Member::new(shape, config, seed, turn(0, member))).collect();
        let uses_networks = config.trees.weight < 1.0;
        Self { members, n_gradient_steps: 0, uses_networks, config: config.clone(), n_steps, seed }
    }

    /// ε: the probability that the policy takes a random action.
    #[expect(clippy::cast_precision_loss, reason = "a number of gradient steps")]
    pub(crate) fn epsilon(&self) -> f64 {
        let AgentConfig { epsilon_start, epsilon_end, epsilon_steps, .. } = self.config;
        let done = (self.n_gradient_steps as f64 / epsilon_steps as f64).min(1.0);
        epsilon_start + (epsilon_end - epsilon_start) * done
    }

    /// Learns from examples in `n_gradient_steps` steps of each network, and returns the mean loss over the last tenth of
    /// the steps, or the loss that was not finite; without steps, the mean logistic loss of the trees.
    ///
    /// With `restart` the networks begin anew and the examples are all that they know; else they learn on, and the
    /// examples join what the replay buffer holds. `turn_of_run` numbers the calls of a run, from 1: it picks the random
    /// streams.
    pub(crate) fn learn(
        &mut self,
        pool: &Pool,
        examples: &[Example],
        turn_of_run: u64,
        n_gradient_steps: usize,
    ) -> f32 {
        if examples.is_empty() {
            return 0.0;
        }
        self.uses_networks = self.config.trees.weight < 1.0 && n_gradient_steps > 0;
        let uses_networks = self.uses_networks;
        let (config, n_steps, seed, epsilon) = (&self.config, self.n_steps, self.seed, self.epsilon());
        let n_members = self.members.len();
        let is_own = |at: PoolPoint, index: usize| n_members == 1 || fold(at, n_members) != index;
        let (mut tree_rows, mut is_anomaly, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        if config.trees.weight > 0.0 {
            let points: Vec<PoolPoint> = examples.iter().map(|example| example.at).collect();
            pool.tree_rows(&points, &mut tree_rows);
            is_anomaly.extend(examples.iter().map(|example| example.label == Label::Anomaly));
            weights.extend(examples.iter().map(|example| example.weight));
        }
        let labelled = LabelledRows::new(&tree_rows, n_tree_features(pool.n_features), &is_anomaly, &weights);
        let losses: Vec<f32> = self
            .members
            .par_iter_mut()
            .enumerate()
            .map(|(index, member)| {
                let mut rng = stream(seed, Purpose::Training, turn(turn_of_run, index));
                if config.restart {
                    *member = Member::new(member.online.shape(), config, seed, turn(turn_of_run, index));
                }
                let mut loss = 0.0;
                if config.trees.weight > 0.0 {
                    // What they grow on is all that trees know.
                    let own: Vec<usize> = (0..examples.len()).filter(|&i| is_own(examples[i].at, index)).collect();
                    let rng = &mut stream(seed, Purpose::Trees, turn(turn_of_run, index));
                    let (trees, loss_of_trees) = BoostedTrees::fit(&labelled, &own, &config.trees, rng);
                    member.trees = Some(trees);
                    loss = loss_of_trees;
                }
                if !uses_networks {
                    return loss;
                }
                let own = examples.iter().filter(|example| is_own(example.at, index));
                let own: Vec<Example> = own.copied().collect();
                let mut policy = stream(seed, Purpose::Policy, turn(turn_of_run, index));
                member.remember(pool, &own, config, n_steps, epsilon, &mut policy);
                member.fit(pool, config, n_steps, n_gradient_steps, &mut rng)
            })
            .collect();
        self.n_gradient_steps += n_gradient_steps as u64;
        losses.iter().copied().find(|loss| !loss.is_finite()).unwrap_or_else(|| mean(&losses))
    }

    /// What each member makes of points, shape `[n_members][points.len()]`.
    pub(crate) fn predictions(&self, pool: &Pool, points: &[PoolPoint]) -> Vec<Vec<Prediction>> {
        let all: Vec<usize> = (0..self.members.len()).collect();
        let chunks: Vec<Vec<Vec<Prediction>>> =
            points.par_chunks(CHUNK).map(|chunk| self.predict_chunk(&all, pool, chunk)).collect();
        let of_member = |member: usize| chunks.iter().flat_map(|chunk| &chunk[member]).copied().collect();
        all.iter().map(|&member| of_member(member)).collect()
    }

    /// What some members make of a few points: what they see is made once for all of them.
    fn predict_chunk(&self, members: &[usize], pool: &Pool, chunk: &[PoolPoint]) -> Vec<Vec<Prediction>> {
        let (mut states, mut tree_rows) = (Vec::new(), Vec::new());
        if self.uses_networks {
            pool.states(chunk, &mut states);
        }
        let has_trees = self.config.trees.weight > 0.0;
        if has_trees {
            pool.tree_rows(chunk, &mut tree_rows);
        }
        let n_features = if has_trees { n_tree_features(pool.n_features) } else { 0 };
        let of_member = |&member: &usize| {
            let member = &self.members[member];
            let q_values = self.uses_networks.then(|| member.online.q_values(&states, self.n_steps));
            let log_odds = member.trees.as_ref().map(|trees| trees.log_odds(&tree_rows));
            let of_point = |i: usize| {
                let (q, odds) = (q_values.as_ref().map(|q| q[i]), log_odds.as_ref().map(|odds| odds[i]));
                let surprisal = f64::from(mean_surprisal_of(&tree_rows[i * n_features..(i + 1) * n_features]));
                Prediction { q_gap: f64::from(q_gap(&self.config, q, odds)), surprisal }
            };
            (0..chunk.len()).map(of_point).collect()
        };
        members.iter().map(of_member).collect()
    }

    /// What one member makes of points.
    pub(crate) fn predictions_of(&self, member: usize, pool: &Pool, points: &[PoolPoint]) -> Vec<Prediction> {
        points
            .par_chunks(CHUNK)
            .flat_map_iter(|chunk| self.predict_chunk(&[member], pool, chunk).swap_remove(0))
            .collect()
    }

    /// What the members judge with.
    pub(crate) fn into_scorers(self) -> Vec<Scorer> {
        let uses_networks = self.uses_networks;
        let scorer = |member: Member| Scorer { network: uses_networks.then_some(member.online), trees: member.trees };
        self.members.into_iter().map(scorer).collect()
    }
}

/// What the members together make of each point.
pub(crate) fn means(of_members: &[Vec<Prediction>]) -> Vec<Prediction> {
    let n_points = of_members.first().map_or(0, Vec::len);
    let of_point = |i: usize| Prediction {
        q_gap: mean_q_gap(of_members.iter().map(|predictions| predictions[i].q_gap)),
        surprisal: of_members[0][i].surprisal,
    };
    (0..n_points).map(of_point).collect()
}

/// The mean of what the members learned of one point.
#[expect(clippy::cast_precision_loss, reason = "a number of members")]
pub(crate) fn mean_q_gap(q_gap: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = q_gap.len() as f64;
    q_gap.sum::<f64>() / n
}

/// The network that does not learn from the label of a point, where there are several.
///
/// Whole stretches of a series are left out together, so that a point's neighbours do not give its label away.
pub(crate) fn fold((series, point): PoolPoint, n_members: usize) -> usize {
    const STRETCH: usize = 512;
    (mix((series as u64) << 32 | (point / STRETCH) as u64) % n_members as u64) as usize
}

impl Member {
    fn new(shape: QNetworkShape, config: &AgentConfig, seed: u64, turn: u64) -> Self {
        let online = QNetwork::new(shape, &mut stream(seed, Purpose::Training, turn | WEIGHTS))
            .expect("a valid config has a valid shape");
        let target = online.clone();
        let adam = Adam::new(shape);
        Self { online, target, adam, replay: ReplayBuffer::new(config.replay_capacity), trees: None }
    }

    /// Stores a transition for each example, with the action that the ε-greedy policy takes there.
    fn remember(
        &mut self,
        pool: &Pool,
        examples: &[Example],
        config: &AgentConfig,
        n_steps: usize,
        epsilon: f64,
        rng: &mut impl Rng,
    ) {
        let greedy: Vec<usize> = match config.update {
            // Both actions are learned from, whichever was taken.
            Update::Both => examples.iter().map(|example| example.label.action()).collect(),
            Update::Taken => {
                let mut states = Vec::new();
                let points: Vec<PoolPoint> = examples.iter().map(|example| example.at).collect();
                let mut actions = Vec::with_capacity(points.len());
                for chunk in points.chunks(CHUNK) {
                    states.clear();
                    pool.states(chunk, &mut states);
                    actions.extend(self.online.q_values(&states, n_steps).iter().map(|q| usize::from(q[1] > q[0])));
                }
                actions
            }
        };
        for (example, greedy) in examples.iter().zip(greedy) {
            let action = if rng.random::<f64>() < epsilon { rng.random_range(0..2) } else { greedy };
            self.replay.push(Transition {
                series: u32::try_from(example.at.0).expect("a series' index fits"),
                point: u32::try_from(example.at.1).expect("a point's index fits"),
                label: example.label,
                action: u8::from(action == 1),
                weight: example.weight,
            });
        }
    }

    /// Gradient steps on mini-batches of the replay buffer; the mean loss over the last tenth of them.
    fn fit(
        &mut self,
        pool: &Pool,
        config: &AgentConfig,
        n_steps: usize,
        n_gradient_steps: usize,
        rng: &mut impl Rng,
    ) -> f32 {
        let regularisation = Regularisation {
            dropout: config.dropout,
            noise: config.noise,
            weight_decay: config.weight_decay,
            clip_norm: None,
        };
        let (mut states, mut losses) = (Vec::new(), Vec::new());
        for step in 0..n_gradient_steps {
            if step % config.target_update == 0 && config.gamma > 0.0 {
                self.target.clone_from(&self.online);
            }
            let batch = self.replay.sample(config.batch, rng);
            if batch.is_empty() {
                return 0.0;
            }
            let next_values = self.next_values(pool, &batch, config.gamma, n_steps);
            let (targets, weights) = targets(&batch, &next_values, config);
            states.clear();
            let points: Vec<PoolPoint> = batch.iter().map(|t| (t.series as usize, t.point as usize)).collect();
            pool.states(&points, &mut states);
            let batch = Batch { states: &states, n_steps, targets: &targets, weights: &weights };
            let rate = learning_rate(config, step, n_gradient_steps);
            let loss = self.online.train_step(&mut self.adam, &batch, &regularisation, rate, rng);
            if !loss.is_finite() {
                return loss;
            }
            losses.push(loss);
        }
        mean(&losses[losses.len() - losses.len().div_ceil(10)..])
    }

    /// `max_a Q'(s', a)` of each transition by the target network; 0 at the end of a series, and for γ = 0.
    fn next_values(&self, pool: &Pool, batch: &[Transition], gamma: f32, n_steps: usize) -> Vec<f32> {
        let mut values = vec![0.0; batch.len()];
        if gamma > 0.0 {
            let next: Vec<(usize, PoolPoint)> = batch
                .iter()
                .enumerate()
                .filter_map(|(i, t)| Some((i, pool.next((t.series as usize, t.point as usize))?)))
                .collect();
            let mut states = Vec::new();
            let points: Vec<PoolPoint> = next.iter().map(|n| n.1).collect();
            pool.states(&points, &mut states);
            for ((i, _), q) in next.iter().zip(self.target.q_values(&states, n_steps)) {
                values[*i] = q[0].max(q[1]);
            }
        }
        values
    }
}

/// The reward of an action where the label is known: r1 or −r1 at an anomaly, r2 or −r2 at a normal point (paper, 5.2).
fn reward(config: &AgentConfig, label: Label, action: usize) -> f32 {
    let size = match label {
        Label::Anomaly => config.reward_anomaly,
        Label::Normal => config.reward_normal,
    };
    if action == label.action() { size } else { -size }
}

/// The target of each action, `r + γ max_a' Q'(s', a')`, and the weight of each in the loss.
fn targets(batch: &[Transition], next_values: &[f32], config: &AgentConfig) -> (Vec<[f32; 2]>, Vec<[f32; 2]>) {
    batch
        .iter()
        .zip(next_values)
        .map(|(transition, next)| {
            let target = [0, 1].map(|action| reward(config, transition.label, action) + config.gamma * next);
            let weight = [0, 1].map(|action| match config.update {
                Update::Both => transition.weight,
                Update::Taken => {
                    if action == transition.action {
                        transition.weight
                    } else {
                        0.0
                    }
                }
            });
            (target, weight)
        })
        .unzip()
}

/// The learning rate of a step: constant, or one cycle (Smith and Topin 2017) that rises from a 25th over the first 30 % of
/// the steps and falls to nothing over the rest, both along a cosine.
#[expect(clippy::cast_precision_loss, reason = "a number of steps")]
fn learning_rate(config: &AgentConfig, step: usize, n_gradient_steps: usize) -> f32 {
    const RISE: f32 = 0.3;
    const START: f32 = 1.0 / 25.0;
    if !config.one_cycle {
        return config.learning_rate;
    }
    let at = (step as f32 + 0.5) / n_gradient_steps as f32;
    let cosine = |done: f32| 0.5 - 0.5 * (std::f32::consts::PI * done).cos();
    let share =
        if at < RISE { START + (1.0 - START) * cosine(at / RISE) } else { 1.0 - cosine((at - RISE) / (1.0 - RISE)) };
    config.learning_rate * share
}

/// Marks the streams that draw initial weights.
const WEIGHTS: u64 = 1 << 48;

/// The turn of a network's random streams.
const fn turn(turn_of_run: u64, member: usize) -> u64 {
    turn_of_run << 8 | member as u64
}

#[expect(clippy::cast_precision_loss, reason = "a number of losses")]
fn mean(values: &[f32]) -> f32 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f32>() / values.len() as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, StateConfig};
    use crate::data::series::{Part, Series, TimeFormat};
    use crate::features::Feature;

    #[test]
    fn targets_follow_the_rewards() {
        let config = Config::paper().agent;
        let transition = |label, action| Transition { series: 0, point: 0, label, action, weight: 0.5 };
        let batch = [transition(Label::Anomaly, 1), transition(Label::Normal, 0)];
        let (target, weight) = targets(&batch, &[10.0, 0.0], &config);
        let expected = [[-5.0 + 9.8, 5.0 + 9.8], [1.0, -1.0]];
        for (got, want) in target.as_flattened().iter().zip(expected.as_flattened()) {
            assert!((got - want).abs() < 1e-5, "{target:?}");
        }
        assert_eq!(weight, [[0.0, 0.5], [0.5, 0.0]]);
        let (_, weight) = targets(&batch, &[0.0; 2], &AgentConfig { update: Update::Both, ..config });
        assert_eq!(weight, [[0.5; 2]; 2]);
    }

    #[test]
    fn one_cycle_rises_and_falls() {
        let config = AgentConfig { one_cycle: true, learning_rate: 1.0, ..Config::paper().agent };
        let rates: Vec<f32> = (0..100).map(|step| learning_rate(&config, step, 100)).collect();
        assert!(rates[0] < 0.05 && rates[99] < 0.001 && rates[29] > 0.99);
        assert!(rates[..29].is_sorted() && rates[30..].iter().rev().is_sorted());
    }

    #[test]
    fn epsilon_falls_as_the_paper_says() {
        let mut agent = Agent::new(&AgentConfig { n_units: 2, ..Config::paper().agent }, 1, 2, 0);
        assert_eq!(agent.epsilon().to_bits(), 1.0_f64.to_bits());
        agent.n_gradient_steps = 250_000;
        assert!((agent.epsilon() - 0.55).abs() < 1e-12);
        agent.n_gradient_steps = u64::MAX;
        assert!((agent.epsilon() - 0.1).abs() < 1e-12);
    }

    #[test]
    fn every_fold_gets_its_share() {
        let mut counts = [0; 5];
        (0..50_000).for_each(|i| counts[fold((i % 7, i * 512), 5)] += 1);
        assert!(counts.iter().all(|count| (9_000..11_000).contains(count)), "{counts:?}");
        assert_eq!(fold((3, 512), 5), fold((3, 1023), 5), "a stretch stays together");
    }

    /// A flat series with spikes: after learning from a few labelled points, the greedy action finds every spike.
    fn finds_spikes(config: &AgentConfig) {
        let values: Vec<f64> = (0..400).map(|i| if i % 10 == 6 { 1.0 } else { 0.1 * f64::from(i % 2) }).collect();
        let series = Series::new("s", vec!["v".into()], TimeFormat::Index, (0..400).collect(), values, None).unwrap();
        let state = StateConfig { n_steps: 5, features: vec![Feature::MinMax] };
        let pool = Pool::new(&[series], Part::ALL, &state).unwrap();
        let example = |point: usize| Example {
            at: (0, point),
            label: if point % 10 == 6 { Label::Anomaly } else { Label::Normal },
            weight: 1.0,
        };
        let examples: Vec<Example> = (20..200).map(example).collect();
        let mut agent = Agent::new(config, 1, 5, 0);
        for turn in 1..=4 {
            agent.learn(&pool, &examples, turn, 300);
        }
        let points: Vec<PoolPoint> = (200..400).map(|point| (0, point)).collect();
        for (at, judgement) in points.iter().zip(means(&agent.predictions(&pool, &points))) {
            assert_eq!(judgement.score(config.trees.surprisal) > 0.0, at.1 % 10 == 6, "point {}: {judgement:?}", at.1);
        }
    }

    #[test]
    fn the_paper_s_agent_finds_spikes() {
        finds_spikes(&AgentConfig { n_units: 16, batch: 64, ..Config::paper().agent });
    }

    #[test]
    fn the_default_agent_finds_spikes() {
        finds_spikes(&AgentConfig { n_units: 16, batch: 64, noise: 0.01, ..Config::default().agent });
    }
}

//! Algorithm 1 of the paper for one member: deep Q-learning with an online network, a target network and a replay buffer.
//!
//! [`Dqn::learn`] is the algorithm, line by line; what it calls stands below it in the order of its calls. The paper's *EvalN* is the
//! online network, its *TargetN* the target network. The book's page *Algorithm* numbers where it departs from the paper.

use rand::{Rng, RngExt};

use crate::agent::pool::{Pool, PoolPoint};
use crate::agent::replay::{ReplayBuffer, Transition};
use crate::config::{AgentConfig, Config, PaperConfig, Update};
use crate::data::label::Label;
use crate::models::qnet::{Adam, Batch, QNetwork, QNetworkShape, Regularisation};

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

/// A Q-network with everything that it learns by.
#[derive(Clone, Debug)]
pub(crate) struct Dqn {
    /// The online network, `Q`.
    pub(crate) online: QNetwork,
    /// The target network, `Q'`.
    pub(crate) target: QNetwork,
    /// The optimiser.
    pub(crate) adam: Adam,
    /// The replay buffer, `D`.
    pub(crate) replay: ReplayBuffer,
}

/// The states that are scored in one call.
pub(super) const CHUNK: usize = 2_048;

impl Dqn {
    /// A network with random weights, and an empty replay buffer.
    pub(crate) fn new(shape: QNetworkShape, config: &PaperConfig, rng: &mut impl Rng) -> Self {
        let online = QNetwork::new(shape, rng).expect("a valid config has a valid shape");
        let target = online.clone();
        Self { online, target, adam: Adam::new(shape), replay: ReplayBuffer::new(config.replay_capacity) }
    }

    /// Algorithm 1 on the labelled states of a round (line 3), and the mean loss over the last tenth of its gradient steps, or the loss
    /// that was not finite.
    ///
    /// The states are all taken before the first gradient step, rather than one a step: each then has its transition in the buffer.
    /// `policy` draws the actions, `rng` the mini-batches, dropout and noise.
    pub(crate) fn learn(
        &mut self,
        pool: &Pool,
        examples: &[Example],
        config: &Config,
        epsilon: f64,
        n_gradient_steps: usize,
        (policy, rng): (&mut impl Rng, &mut impl Rng),
    ) -> f32 {
        // Lines 5 to 10: the state, its Q-values, an action by ε-greedy, the reward (which follows from the label) and the next state.
        let greedy = self.greedy_actions(pool, examples, config);
        for (example, greedy) in examples.iter().zip(greedy) {
            let action = if policy.random::<f64>() < epsilon { policy.random_range(0..2) } else { greedy };
            self.replay.push(Transition::new(example.at, example.label, action, example.weight));
        }
        let mut losses = Vec::with_capacity(n_gradient_steps);
        for step in 0..n_gradient_steps {
            // Lines 14 and 15: the target network follows every `target_update` steps.
            if step % config.paper.target_update == 0 && config.paper.gamma > 0.0 {
                self.target.clone_from(&self.online);
            }
            // Line 11: a mini-batch of the buffer.
            let batch = self.replay.sample(config.agent.batch, rng);
            if batch.is_empty() {
                return 0.0;
            }
            // Line 12: target = r + γ max_a' Q'(s', a').
            let next_values = self.next_values(pool, &batch, config);
            let (targets, weights) = targets(&batch, &next_values, config);
            // Line 13: gradient descent on (Q(s, a) − target)².
            let states = states_of(pool, batch.iter().map(Transition::at));
            let batch = Batch { states: &states, n_steps: config.state.n_steps, targets: &targets, weights: &weights };
            let rate = learning_rate(&config.agent, step, n_gradient_steps);
            let loss = self.online.train_step(&mut self.adam, &batch, &regularisation(&config.agent), rate, rng);
            if !loss.is_finite() {
                return loss;
            }
            losses.push(loss);
        }
        mean(&losses[losses.len() - losses.len().div_ceil(10)..])
    }

    /// The greedy action at each example (line 6). Where both actions are learned from, whichever was taken, it is the right one.
    fn greedy_actions(&self, pool: &Pool, examples: &[Example], config: &Config) -> Vec<usize> {
        if config.paper.update == Update::Both {
            return examples.iter().map(|example| example.label.action()).collect();
        }
        let mut actions = Vec::with_capacity(examples.len());
        for chunk in examples.chunks(CHUNK) {
            let states = states_of(pool, chunk.iter().map(|example| example.at));
            let q_values = self.online.q_values(&states, config.state.n_steps);
            actions.extend(q_values.iter().map(|q| usize::from(q[1] > q[0])));
        }
        actions
    }

    /// `max_a Q'(s', a)` of each transition by the target network; 0 at the end of a series, and for γ = 0.
    fn next_values(&self, pool: &Pool, batch: &[Transition], config: &Config) -> Vec<f32> {
        let mut values = vec![0.0; batch.len()];
        if config.paper.gamma > 0.0 {
            let next: Vec<(usize, PoolPoint)> =
                batch.iter().enumerate().filter_map(|(i, t)| Some((i, pool.next(t.at())?))).collect();
            let states = states_of(pool, next.iter().map(|n| n.1));
            for ((i, _), q) in next.iter().zip(self.target.q_values(&states, config.state.n_steps)) {
                values[*i] = q[0].max(q[1]);
            }
        }
        values
    }
}

/// The states of some points, shape `[n, n_steps, n_features]`.
fn states_of(pool: &Pool, points: impl Iterator<Item = PoolPoint>) -> Vec<f32> {
    let mut states = Vec::new();
    pool.states(&points.collect::<Vec<_>>(), &mut states);
    states
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
fn targets(batch: &[Transition], next_values: &[f32], config: &Config) -> (Vec<[f32; 2]>, Vec<[f32; 2]>) {
    batch
        .iter()
        .zip(next_values)
        .map(|(transition, next)| {
            let reward = |action| reward(&config.agent, transition.label, action);
            let target = [0, 1].map(|action| reward(action) + config.paper.gamma * next);
            let learns = |action| config.paper.update == Update::Both || action == transition.action;
            let weight = [0, 1].map(|action| if learns(action) { transition.weight } else { 0.0 });
            (target, weight)
        })
        .unzip()
}

/// The regularisation of a gradient step.
const fn regularisation(config: &AgentConfig) -> Regularisation {
    Regularisation { dropout: config.dropout, noise: config.noise, weight_decay: config.weight_decay, clip_norm: None }
}

/// The learning rate of a step: constant, or one cycle (Smith and Topin 2017) that rises from a 25th over the first 30 % of
/// the steps and falls to nothing over the rest, both along a cosine.
fn learning_rate(config: &AgentConfig, step: usize, n_gradient_steps: usize) -> f32 {
    const RISE: f32 = 0.3;
    const START: f32 = 1.0 / 25.0;
    if !config.one_cycle {
        return config.learning_rate;
    }
    let at = (step as f32 + 0.5) / n_gradient_steps as f32;
    let cosine = |done: f32| 0.5 - 0.5 * (std::f32::consts::PI * done).cos();
    let fraction =
        if at < RISE { START + (1.0 - START) * cosine(at / RISE) } else { 1.0 - cosine((at - RISE) / (1.0 - RISE)) };
    config.learning_rate * fraction
}

/// The mean; 0 of nothing.
pub(super) fn mean(values: &[f32]) -> f32 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f32>() / values.len() as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_follow_the_rewards() {
        let mut config = Config::paper();
        let transition = |label, action| Transition::new((0, 0), label, action, 0.5);
        let batch = [transition(Label::Anomaly, 1), transition(Label::Normal, 0)];
        let (target, weight) = targets(&batch, &[10.0, 0.0], &config);
        let expected = [[-5.0 + 9.8, 5.0 + 9.8], [1.0, -1.0]];
        for (got, want) in target.as_flattened().iter().zip(expected.as_flattened()) {
            assert!((got - want).abs() < 1e-5, "{target:?}");
        }
        assert_eq!(weight, [[0.0, 0.5], [0.5, 0.0]]);
        config.paper.update = Update::Both;
        let (_, weight) = targets(&batch, &[0.0; 2], &config);
        assert_eq!(weight, [[0.5; 2]; 2]);
    }

    #[test]
    fn one_cycle_rises_and_falls() {
        let config = AgentConfig { one_cycle: true, learning_rate: 1.0, ..Config::paper().agent };
        let rates: Vec<f32> = (0..100).map(|step| learning_rate(&config, step, 100)).collect();
        assert!(rates[0] < 0.05 && rates[99] < 0.001 && rates[29] > 0.99);
        assert!(rates[..29].is_sorted() && rates[30..].iter().rev().is_sorted());
    }
}

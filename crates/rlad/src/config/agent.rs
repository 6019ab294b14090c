//! The settings of the agent: its networks, its trees and how they learn.

use serde::{Deserialize, Serialize};

use super::check;
use crate::error::Result;
use crate::models::trees::TreesConfig;

/// The Q-network and how it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The number of members, each a network, trees or both, whose scores are averaged, in `1..=64`; with more than one, each
    /// leaves out its share of the questions, so that each answer has a member that never saw it.
    pub n_members: usize,
    /// The LSTM's units, at least 1.
    pub n_units: usize,
    /// Whether the head also sees the last step's features.
    pub skip: bool,
    /// Units of a hidden layer in the head; 0 for a linear head.
    pub head_units: usize,
    /// The share of the head's inputs that is dropped in training, in `[0, 1)`.
    pub dropout: f32,
    /// The deviation of the normal noise that is added to the features in training, at least 0.
    pub noise: f32,
    /// Decoupled weight decay (AdamW), at least 0.
    pub weight_decay: f32,
    /// Adam's learning rate, above 0; the highest one where `one_cycle` is set.
    pub learning_rate: f32,
    /// Whether the learning rate rises and falls over the steps of a round (Smith and Topin 2017).
    pub one_cycle: bool,
    /// Transitions of a mini-batch, at least 1.
    pub batch: usize,
    /// Gradient steps of a round, at least 1 without trees. With trees, 0 leaves the questions to them, and the networks are
    /// trained after the last answer only.
    pub steps_per_round: usize,
    /// Gradient steps after the last answer, at least 1 where `restart` is set.
    pub final_steps: usize,
    /// Whether each round trains new networks on all answers, rather than the old ones on.
    pub restart: bool,
    /// r1: the reward of a true positive; a false negative costs as much. Above 0.
    pub reward_anomaly: f32,
    /// r2: the reward of a true negative; a false positive costs as much. Above 0.
    pub reward_normal: f32,
    /// How much an answer loses by what speaks against it: its weight in the loss is the probability that it is right, as the members
    /// that never saw it judge, to this power; at least 0. At 0, every answer weighs the same.
    pub label_noise_exponent: f64,
    /// The weight in the loss that the points of one span of an answer share, each at most 1; at least 0, where 0 gives each point the
    /// weight 1. The points of a span are neighbours of one label, and worth a few observations, not as many as they are.
    pub answer_weight: f64,
    /// The detector before any answer.
    pub prior: PriorConfig,
    /// The trees that stand beside each network.
    pub trees: TreesConfig,
}

/// The detector before any answer, from which trees learn on.
///
/// The log-odds of an anomaly are `log_odds + surprisal × s`, where `s` is the mean surprisal of the point's features in their series, in
/// nats. Trees add to them (boosting from an offset), and what they add counts by the share
/// `n² / (n² + m²)` after `n` answers, where `m = answers + answers_per_series × series`: few answers move the detector little, many make it
/// theirs. The defaults were chosen on all of WSD, its judged half too, and on KPI (D15 on the book's page *Algorithm*).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriorConfig {
    /// The log-odds of an anomaly at a surprisal of 0.
    pub log_odds: f64,
    /// The log-odds that a nat of surprisal adds; at least 0. At 0, or without trees, there is no prior, and a score is
    /// `Q(anomaly) − Q(normal)` in units of reward.
    pub surprisal: f64,
    /// The number of answers at which what they teach has half its weight, beside those of the series; at least 0.
    pub answers: f64,
    /// The number of answers, for each series that is trained on, by which that number is larger; at least 0.
    pub answers_per_series: f64,
}

impl PriorConfig {
    /// The number of answers at which what they teach has half its weight.
    pub(crate) fn answers_for_half(&self, n_series: usize) -> f64 {
        self.answers + self.answers_per_series * n_series as f64
    }

    /// The mean surprisal of a point at which it is as likely an anomaly as not before any answer, in nats.
    pub(crate) fn even_surprisal(&self) -> f64 {
        if self.surprisal > 0.0 { -self.log_odds / self.surprisal } else { f64::INFINITY }
    }

    /// The share of what answers add to the prior that counts after `n_answers`, in `[0, 1]`.
    pub(crate) fn evidence(&self, n_answers: f64, n_series: usize) -> f64 {
        let against = self.answers_for_half(n_series);
        let (n, m) = (n_answers * n_answers, against * against);
        n / (n + m).max(f64::MIN_POSITIVE)
    }
}

/// The Q-functions that a member has, by the weight of its trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learner {
    /// A Q-network alone.
    Network,
    /// Boosted trees alone.
    Trees,
    /// A Q-network and boosted trees.
    Both,
}

impl Learner {
    /// Whether it has a network.
    #[must_use]
    pub const fn has_network(self) -> bool {
        matches!(self, Self::Network | Self::Both)
    }

    /// Whether it has trees.
    #[must_use]
    pub const fn has_trees(self) -> bool {
        matches!(self, Self::Trees | Self::Both)
    }
}

impl AgentConfig {
    /// The Q-functions of each member.
    #[must_use]
    pub fn learner(&self) -> Learner {
        if self.trees.weight <= 0.0 {
            Learner::Network
        } else if self.trees.weight < 1.0 {
            Learner::Both
        } else {
            Learner::Trees
        }
    }

    /// Whether scores are log-odds that begin at the prior.
    #[must_use]
    pub fn has_prior(&self) -> bool {
        self.prior.surprisal > 0.0 && self.learner().has_trees()
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting that is outside of its range.
    pub(super) fn validate(&self) -> Result<()> {
        let a = self;
        check((1..=64).contains(&a.n_members), "agent.n_members", "in 1..=64", a.n_members)?;
        check((1..=4096).contains(&a.n_units), "agent.n_units", "in 1..=4096", a.n_units)?;
        check(a.head_units <= 4096, "agent.head_units", "at most 4096", a.head_units)?;
        check((0.0..1.0).contains(&a.dropout), "agent.dropout", "in [0, 1)", a.dropout)?;
        check(a.noise >= 0.0 && a.noise.is_finite(), "agent.noise", "at least 0", a.noise)?;
        check(a.weight_decay >= 0.0 && a.weight_decay < 1.0, "agent.weight_decay", "in [0, 1)", a.weight_decay)?;
        check(a.learning_rate > 0.0 && a.learning_rate.is_finite(), "agent.learning_rate", "above 0", a.learning_rate)?;
        check(a.batch >= 1, "agent.batch", "at least 1", a.batch)?;
        let can_learn = a.steps_per_round >= 1 || a.learner().has_trees();
        check(can_learn, "agent.steps_per_round", "at least 1 without trees", a.steps_per_round)?;
        check(!a.restart || a.final_steps >= 1, "agent.final_steps", "at least 1 with `restart`", a.final_steps)?;
        check(
            a.reward_anomaly > 0.0 && a.reward_anomaly.is_finite(),
            "agent.reward_anomaly",
            "above 0",
            a.reward_anomaly,
        )?;
        check(a.reward_normal > 0.0 && a.reward_normal.is_finite(), "agent.reward_normal", "above 0", a.reward_normal)?;
        check(
            a.label_noise_exponent >= 0.0 && a.label_noise_exponent.is_finite(),
            "agent.label_noise_exponent",
            "at least 0",
            a.label_noise_exponent,
        )?;
        let t = &a.trees;
        let share = |share: f64| share > 0.0 && share <= 1.0;
        check((0.0..=1.0).contains(&t.weight), "agent.trees.weight", "in [0, 1]", t.weight)?;
        check((1..=10_000).contains(&t.n_trees), "agent.trees.n_trees", "in 1..=10000", t.n_trees)?;
        check((2..=1_024).contains(&t.n_leaves), "agent.trees.n_leaves", "in 2..=1024", t.n_leaves)?;
        check(share(t.learning_rate), "agent.trees.learning_rate", "in (0, 1]", t.learning_rate)?;
        check(share(t.row_fraction), "agent.trees.row_fraction", "in (0, 1]", t.row_fraction)?;
        check(share(t.feature_fraction), "agent.trees.feature_fraction", "in (0, 1]", t.feature_fraction)?;
        check(t.min_rows >= 1, "agent.trees.min_rows", "at least 1", t.min_rows)?;
        check(t.l2 >= 0.0 && t.l2.is_finite(), "agent.trees.l2", "at least 0", t.l2)?;
        let is_amount = |amount: f64| amount >= 0.0 && amount.is_finite();
        check(is_amount(a.answer_weight), "agent.answer_weight", "at least 0", a.answer_weight)?;
        check(a.prior.log_odds.is_finite(), "agent.prior.log_odds", "a number", a.prior.log_odds)?;
        check(is_amount(a.prior.surprisal), "agent.prior.surprisal", "at least 0", a.prior.surprisal)?;
        check(is_amount(a.prior.answers), "agent.prior.answers", "at least 0", a.prior.answers)?;
        let of_series = a.prior.answers_per_series;
        check(is_amount(of_series), "agent.prior.answers_per_series", "at least 0", of_series)
    }
}

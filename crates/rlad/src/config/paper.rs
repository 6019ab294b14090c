//! The settings of the paper's method that the `default` preset leaves idle.

use serde::{Deserialize, Serialize};

use super::check;
use crate::error::Result;

/// The settings that only the paper's method uses: of the isolation forest, of propagation, of what Q-learning does beyond the reward,
/// and of rounds that are about one series. With the values of the `default` preset they change nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperConfig {
    /// The number of trees of the warm-up's isolation forest, at least 1.
    pub n_trees: usize,
    /// The number of windows that each of them sees, at least 2.
    pub sample_size: usize,
    /// Whether a round asks about one series only, the series taking turns (paper: an episode is one series).
    pub round_robin: bool,
    /// Discount γ, in `[0, 1]`.
    pub gamma: f32,
    /// ε at the first step, in `[0, 1]`.
    pub epsilon_start: f64,
    /// ε at the last step of its decay, in `[0, epsilon_start]`.
    pub epsilon_end: f64,
    /// The number of steps over which ε falls, at least 1.
    pub epsilon_steps: u64,
    /// The actions that a transition teaches.
    pub update: Update,
    /// The target network is copied every this many steps, at least 1 (`r` of algorithm 1).
    pub target_update: usize,
    /// The replay buffer's capacity in transitions, at least 1.
    pub replay_capacity: usize,
    /// The propagation of answers to similar windows.
    pub propagation: PropagationConfig,
}

/// For which actions a transition teaches a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Update {
    /// For the action that was taken (paper, algorithm 1).
    Taken,
    /// For both: the label tells the reward of each.
    Both,
}

/// How labels spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropagationMethod {
    /// Label propagation with hard clamping (paper, equations 6 and 7).
    Propagation,
    /// Label spreading (Zhou et al. 2004).
    Spreading,
}

/// The propagation of answers to similar windows (paper, section 5.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropagationConfig {
    /// N_lp, the pseudo-labels of a round; 0 switches propagation off.
    pub per_round: usize,
    /// The method.
    pub method: PropagationMethod,
    /// σ of equation 6, in units of the state's distance, above 0.
    pub sigma: f64,
    /// α of Zhou et al., how far a label may move from the one given, in `(0, 1)`; only for spreading.
    pub alpha: f64,
    /// The largest number of passes, at least 1.
    pub max_iterations: usize,
    /// The passes end when no entry changes by more than this in sum, above 0.
    pub tolerance: f64,
    /// Up to this many windows the kernel is exact; above, each window is joined to its nearest ones only.
    pub max_exact: usize,
    /// The number of nearest windows in the graph above `max_exact`, at least 1.
    pub n_neighbors: usize,
    /// The number of unlabelled windows of a series that take part, drawn anew each round.
    pub pool: usize,
    /// The weight of a pseudo-label in the loss, in `[0, 1]`, where an expert's is 1.
    pub weight: f32,
}

impl PaperConfig {
    /// ε after so many gradient steps: the probability that the policy takes a random action.
    pub(crate) fn epsilon(&self, n_gradient_steps: u64) -> f64 {
        let done = (n_gradient_steps as f64 / self.epsilon_steps as f64).min(1.0);
        self.epsilon_start + (self.epsilon_end - self.epsilon_start) * done
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting that is outside of its range.
    pub(super) fn validate(&self) -> Result<()> {
        let a = self;
        check(a.n_trees >= 1, "paper.n_trees", "at least 1", a.n_trees)?;
        check(a.sample_size >= 2, "paper.sample_size", "at least 2", a.sample_size)?;
        check((0.0..=1.0).contains(&a.gamma), "paper.gamma", "in [0, 1]", a.gamma)?;
        check((0.0..=1.0).contains(&a.epsilon_start), "paper.epsilon_start", "in [0, 1]", a.epsilon_start)?;
        let falls = (0.0..=a.epsilon_start).contains(&a.epsilon_end);
        check(falls, "paper.epsilon_end", "in [0, epsilon_start]", a.epsilon_end)?;
        check(a.epsilon_steps >= 1, "paper.epsilon_steps", "at least 1", a.epsilon_steps)?;
        check(a.target_update >= 1, "paper.target_update", "at least 1", a.target_update)?;
        check(a.replay_capacity >= 1, "paper.replay_capacity", "at least 1", a.replay_capacity)?;
        let p = &a.propagation;
        check(p.sigma > 0.0 && p.sigma.is_finite(), "paper.propagation.sigma", "above 0", p.sigma)?;
        check(p.alpha > 0.0 && p.alpha < 1.0, "paper.propagation.alpha", "in (0, 1)", p.alpha)?;
        check(p.max_iterations >= 1, "paper.propagation.max_iterations", "at least 1", p.max_iterations)?;
        check(p.tolerance > 0.0, "paper.propagation.tolerance", "above 0", p.tolerance)?;
        check(p.n_neighbors >= 1, "paper.propagation.n_neighbors", "at least 1", p.n_neighbors)?;
        check((0.0..=1.0).contains(&p.weight), "paper.propagation.weight", "in [0, 1]", p.weight)
    }
}

//! The settings of DAGMM.

use serde::{Deserialize, Serialize};

use super::mixture::EnergyForm;
use crate::baselines::training::{check, check_training};
use crate::error::Result;

/// Settings of DAGMM; the defaults are those of `DeepADoTS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DagmmConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The values of the autoencoder's code for one channel, in `1..=256`; each 20 channels add one.
    pub n_hidden: usize,
    /// K: the components of the mixture, in `1..=64`.
    pub n_components: usize,
    /// The units of the estimation network, in `1..=4096`.
    pub n_units: usize,
    /// The fraction of those that is dropped while training, in `[0, 1)`.
    pub dropout: f32,
    /// λ₁: the weight of the energy in the loss, at least 0.
    pub energy_weight: f64,
    /// λ₂: the weight of the covariances' penalty, at least 0.
    pub penalty_weight: f64,
    /// How often each window is learned from, at least 1.
    pub n_epochs: usize,
    /// Windows in a gradient step, in `1..=65_536`.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f32,
    /// The gradient is scaled down to this norm where it is longer, above 0.
    pub clip_norm: f32,
    /// The addition to the diagonals of the covariances, above 0.
    pub jitter: f64,
    /// The addition to the density before its logarithm is taken, at least 0; `-ln floor` bounds the energy.
    pub floor: f64,
    /// Whether densities are divided by `det(2π Σ)^¼` in place of `det(2π Σ)^½`, as danieltan07/dagmm does by mistake.
    pub compat_determinant: bool,
    /// The most windows that are learned from, drawn at random; 0 for no bound.
    pub max_windows: usize,
}

impl Default for DagmmConfig {
    fn default() -> Self {
        Self {
            n_steps: 30,
            n_hidden: 5,
            n_components: 3,
            n_units: 10,
            dropout: 0.5,
            energy_weight: 0.1,
            penalty_weight: 0.005,
            n_epochs: 10,
            batch_size: 50,
            learning_rate: 1e-3,
            clip_norm: 5.0,
            jitter: 1e-6,
            floor: 1e-12,
            compat_determinant: false,
            max_windows: 200_000,
        }
    }
}

impl DagmmConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        check((1..=10_000).contains(&self.n_steps), "dagmm.n_steps", "in 1..=10000", self.n_steps)?;
        check((1..=256).contains(&self.n_hidden), "dagmm.n_hidden", "in 1..=256", self.n_hidden)?;
        check((1..=64).contains(&self.n_components), "dagmm.n_components", "in 1..=64", self.n_components)?;
        check((1..=4096).contains(&self.n_units), "dagmm.n_units", "in 1..=4096", self.n_units)?;
        check((0.0..1.0).contains(&self.dropout), "dagmm.dropout", "in [0, 1)", self.dropout)?;
        for (name, weight) in
            [("energy_weight", self.energy_weight), ("penalty_weight", self.penalty_weight), ("floor", self.floor)]
        {
            check(weight >= 0.0 && weight.is_finite(), &format!("dagmm.{name}"), "at least 0", weight)?;
        }
        check_training("dagmm", self.n_epochs, self.batch_size, self.learning_rate)?;
        check(self.clip_norm > 0.0, "dagmm.clip_norm", "above 0", self.clip_norm)?;
        check(self.jitter > 0.0 && self.jitter.is_finite(), "dagmm.jitter", "above 0", self.jitter)
    }

    pub(super) const fn energy_form(&self) -> EnergyForm {
        EnergyForm { jitter: self.jitter, floor: self.floor, compat_determinant: self.compat_determinant }
    }
}

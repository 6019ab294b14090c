//! DAGMM: an autoencoder and a Gaussian mixture over its code and its errors, learned together.

mod mixture;
mod model;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::fitted::WindowDetector;
use super::scoring::score_covering;
use super::training::{batches, check, check_finite, check_training, draw_windows, gather};
use super::windows::{Arrays, Corpus, Scaled};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};
use mixture::{EnergyForm, Mixture, Samples};
use model::{Model, Trainer, Work};

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
    /// The share of those that is dropped while training, in `[0, 1)`.
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
    /// What is added to the diagonals of the covariances, above 0.
    pub jitter: f64,
    /// What is added to the density before its logarithm is taken, at least 0; `-ln floor` bounds the energy.
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
    /// [`Error::Setting`] for the first setting that is outside of its range.
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

    const fn energy_form(&self) -> EnergyForm {
        EnergyForm { jitter: self.jitter, floor: self.floor, compat_determinant: self.compat_determinant }
    }
}

/// A fitted DAGMM.
///
/// An autoencoder (30-16-5-16-30, tanh) gives a code and a reconstruction of a window. The code, the relative distance
/// `‖x − x'‖ / ‖x‖` and the cosine of `x` and `x'` are the sample z, whose memberships γ of the mixture's components a second
/// network estimates (tanh, dropout, softmax). The loss is the mean squared error, .1 times the mean energy of z under the
/// mixture that the batch's z and γ make, and .005 times that mixture's penalty. The score of a window is the energy of its z
/// under the mixture of all training windows, and that of a point the mean over the windows that cover it, so that it also
/// depends on the points that follow. Higher is more anomalous; the energy may be below 0.
///
/// Source: Zong et al., *Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection*, 2018, in the form of
/// `DeepADoTS`' `DAGMM`. Deviations:
///
/// 1. Values are standardised, and `‖x‖` is taken as at least .01 a value, without which a series that does not change would
///    be infinitely far from its reconstruction.
/// 2. The derivatives go through the inverse and the determinant of the covariances, as in the paper; `DeepADoTS` takes them
///    as constants.
/// 3. 1e-6 is added to the covariances' diagonals, 1e-12 in `DeepADoTS`.
/// 4. The mixture that scores is that of all training windows, as in the paper; in `DeepADoTS` it is that of the last batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dagmm {
    n_steps: usize,
    model: Model,
    mixture: Mixture,
}

impl Dagmm {
    /// Fits networks and mixture on the windows of `corpus`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting outside of its range, [`Error::Empty`] where there is nothing to learn from,
    /// [`Error::Diverged`] where loss or weights do not stay finite.
    pub(crate) fn fit(corpus: &Corpus, config: &DagmmConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let mut rng = stream(seed, Purpose::Training, 0);
        let mut windows = draw_windows(corpus, config.n_steps, config.max_windows, &mut rng)?;
        let model = Model::new(corpus.n_channels(), config, &mut rng);
        let mut trainer = Trainer::new(model);
        let mut rows = Vec::new();
        for epoch in 1..=config.n_epochs {
            for batch in batches(&mut windows, config.batch_size, &mut rng) {
                gather(corpus, batch, config.n_steps, &mut rows);
                trainer.draw_dropout(batch.len(), config.dropout, &mut rng);
                trainer.step(&rows, config).ok_or(Error::Diverged { network: "dagmm", epoch })?;
            }
            check_finite("dagmm", epoch, trainer.model.weights())?;
        }

        let model = trainer.model;
        let mut work = Work::default();
        let mut samples = Samples { n_components: config.n_components, ..Samples::default() };
        for batch in windows.chunks(256) {
            gather(corpus, batch, config.n_steps, &mut rows);
            model.forward(&rows, None, &mut work);
            samples.z.extend(&work.samples.z);
            samples.memberships.extend(&work.samples.memberships);
        }
        let diverged = Error::Diverged { network: "dagmm", epoch: config.n_epochs };
        let mixture = Mixture::fit(&samples, config.energy_form()).ok_or(diverged)?;
        Ok(Self { n_steps: config.n_steps, model, mixture })
    }
}

impl WindowDetector for Dagmm {
    /// The points on which a score depends, its own included: those of all windows that cover it.
    fn context(&self) -> usize {
        2 * self.n_steps - 1
    }

    /// The score of each point of a series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        score_covering(series, self.n_steps, |rows| {
            let (mut work, mut parts) = (Work::default(), Vec::new());
            self.model.forward(rows, None, &mut work);
            let energies =
                work.samples.z.chunks_exact(self.model.n_variables()).map(|z| self.mixture.energy(z, &mut parts));
            energies.flat_map(|energy| std::iter::repeat_n(energy, self.n_steps)).collect()
        })
    }

    /// The weights, to be stored beside the record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        self.model.arrays()
    }

    /// Takes back what [`Self::arrays`] gave.
    ///
    /// # Errors
    /// [`Error::Tensor`] where an array is missing or not what is expected.
    fn set_arrays(&mut self, arrays: &Arrays) -> Result<()> {
        self.model.set_arrays(arrays)
    }
}

//! DAGMM: an autoencoder and a Gaussian mixture over its code and its errors, learned together.

mod config;
mod mixture;
mod model;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::scoring::score_covering;
use super::training::{batches, check_finite, draw_windows, gather};
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};
pub use config::DagmmConfig;
use mixture::{Mixture, Samples};
use model::{Model, Trainer, Work};

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

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`] where the record is something else, [`Error::Tensor`] where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &DagmmConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        agrees(self.n_steps == config.n_steps, "the windows of its settings")?;
        self.model.restore(n_channels, config, arrays)?;
        let fits = self.mixture.fits(config.n_components, self.model.n_variables());
        agrees(fits, "a mixture of the components and the variables of its settings")
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
}

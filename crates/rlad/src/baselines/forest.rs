//! The isolation forest on windows, as a user would try it first.

use serde::{Deserialize, Serialize};

use super::sample::{check_n_steps, sample_windows};
use super::scoring::score_ends;
use super::training::check;
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees, array};
use crate::error::Result;
use crate::models::iforest::IsolationForest;
use crate::random::{Purpose, stream};

/// The settings of the isolation forest on windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WindowForestConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The number of trees, in `1..=10_000`.
    pub n_trees: usize,
    /// ψ, the number of windows that each tree sees, in `2..=10_000`.
    pub sample_size: usize,
}

impl Default for WindowForestConfig {
    fn default() -> Self {
        Self { n_steps: 25, n_trees: 100, sample_size: 256 }
    }
}

impl WindowForestConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        check_n_steps(self.n_steps)?;
        check((1..=10_000).contains(&self.n_trees), "n_trees", "in 1..=10000", self.n_trees)?;
        check((2..=10_000).contains(&self.sample_size), "sample_size", "in 2..=10000", self.sample_size)
    }
}

/// An [`IsolationForest`] of the training windows.
///
/// The score of a point is that of its window, in `(0, 1)`; higher is more anomalous. The trees draw from at most
/// `n_trees * sample_size` of the training windows. A forest follows from its windows and its seed, so these are what is
/// saved of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowForest {
    config: WindowForestConfig,
    seed: u64,
    n_dims: usize,
    n_windows: usize,
    /// Shape `[n_windows, n_dims]`.
    #[serde(skip)]
    windows: Vec<f32>,
}

impl WindowForest {
    /// Takes the windows that the trees draw from.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) and [`Error::Empty`](crate::Error::Empty).
    pub(crate) fn fit(corpus: &Corpus, config: &WindowForestConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let windows = sample_windows(corpus, config.n_steps, config.n_trees * config.sample_size, seed)?;
        let n_dims = config.n_steps * corpus.n_channels();
        Ok(Self { config: config.clone(), seed, n_dims, n_windows: windows.len() / n_dims, windows })
    }

    fn grow(&self) -> IsolationForest {
        let mut rng = stream(self.seed, Purpose::Forest, 0);
        IsolationForest::fit(&self.windows, self.n_dims, self.config.n_trees, self.config.sample_size, &mut rng)
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the record is something else, [`Error::Tensor`](crate::Error::Tensor) where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &WindowForestConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        let is_of = self.config == *config && self.n_dims == config.n_steps * n_channels;
        agrees(is_of, "the settings of its method and windows of its channels")?;
        let most = config.n_trees * config.sample_size;
        agrees((1..=most).contains(&self.n_windows), "as many windows as its trees draw")?;
        self.windows = array(arrays, "windows", self.n_windows * self.n_dims)?;
        Ok(())
    }
}

impl WindowDetector for WindowForest {
    /// The number of points that one score depends on.
    fn context(&self) -> usize {
        self.config.n_steps
    }

    /// The score of each point; higher is more anomalous.
    ///
    /// # Panics
    /// If the series has other channels than the training series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let (forest, n_steps) = (self.grow(), self.config.n_steps);
        match series.values_of_windows(n_steps) {
            Some(values) => forest.score_windows(&values),
            None => score_ends(series, n_steps, |windows| forest.score(windows)),
        }
    }

    /// The arrays that are saved beside its record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("windows", &self.windows)]
    }
}

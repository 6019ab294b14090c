//! Principal components: how far a window lies from the training windows in the directions in which these vary.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::sample::{check_n_steps, sample_windows};
use super::scoring::score_ends;
use super::training::check;
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees, array};
use crate::error::Result;
use crate::models::matrix::{Matrix, multiply};

/// Windows whose products are added to the covariance together.
const BLOCK: usize = 1_024;
/// The least variance of a component, as a fraction of the largest: `f32` tells it apart from none.
const LEAST_VARIANCE: f64 = 1e-6;

/// The score of the principal components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PcaScore {
    /// The distance in all components, each in units of its deviation over the training windows (Mahalanobis distance).
    Standardised,
    /// The distance of a window from its projection on the first components (reconstruction error).
    Residual,
}

/// The settings of the principal components.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PcaConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// The score: `standardised` or `residual`.
    pub score: PcaScore,
    /// For the residual: the fraction of the variance of the training windows that the first components explain at least, in
    /// `[0, 1)`.
    pub explained: f64,
    /// The number of training windows that are fitted, in `1..=10_000_000`.
    pub n_windows: usize,
}

impl Default for PcaConfig {
    fn default() -> Self {
        Self { n_steps: 25, score: PcaScore::Standardised, explained: 0.9, n_windows: 100_000 }
    }
}

impl PcaConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        check_n_steps(self.n_steps)?;
        check((0.0..1.0).contains(&self.explained), "explained", "in [0, 1)", self.explained)?;
        check((1..=10_000_000).contains(&self.n_windows), "n_windows", "in 1..=10000000", self.n_windows)
    }
}

/// The principal components of the training windows: the eigenvectors `v_j` of their covariance, with the mean `μ` and the
/// variances `λ_1 >= λ_2 >= …`.
///
/// The score of a point is, for its window `x` of `d` values, at least 0 and higher for what is more anomalous,
///
/// * standardised: `sqrt(Σ (v_j · (x - μ))² / λ_j / d)` over all components, about 1 for a usual window. A variance below
///   10⁻⁶ of the largest is taken as that; where all are 0, as 1;
/// * residual: the root mean square of `x - μ - Σ v_j v_j · (x - μ)` over the first components, as few as explain the fraction of
///   the variance that was asked for, in deviations of the channels.
///
/// Source: Shyu, Chen, Sarinnapakorn and Chang, *A Novel Anomaly Detection Scheme Based on Principal Component Classifier*,
/// 2003; Jackson and Mudholkar, *Control Procedures for Residuals Associated with Principal Component Analysis*,
/// 1979, whose Q is the sum of squares. Deviation: none of the training windows is trimmed first. PyOD's `PCA`
/// names the first source too, but adds up distances between windows and eigenvectors, which depend on the eigenvectors' signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pca {
    config: PcaConfig,
    n_dims: usize,
    n_components: usize,
    /// μ, shape `[n_dims]`.
    #[serde(skip)]
    mean: Vec<f32>,
    /// The components, that with the largest variance first, shape `[n_components, n_dims]`; divided by their deviations for
    /// the standardised score.
    #[serde(skip)]
    components: Vec<f32>,
}

impl Pca {
    /// Finds the components of the training windows, or of a sample of them where there are very many.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) and [`Error::Empty`](crate::Error::Empty).
    pub(crate) fn fit(corpus: &Corpus, config: &PcaConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let windows = sample_windows(corpus, config.n_steps, config.n_windows, seed)?;
        Ok(Self::of_windows(&windows, config.n_steps * corpus.n_channels(), config.clone()))
    }

    fn of_windows(windows: &[f32], n_dims: usize, config: PcaConfig) -> Self {
        let (mean, covariance) = moments(windows, n_dims);
        let eigen = SymmetricEigen::new(covariance);
        let variances = eigen.eigenvalues.map(|value| value.max(0.0));
        let mut order: Vec<usize> = (0..n_dims).collect();
        order.sort_by(|a, b| variances[*b].total_cmp(&variances[*a]));
        let least = match variances.max() * LEAST_VARIANCE {
            least if least > 0.0 => least,
            _ => 1.0,
        };
        let divisor = |component: usize| match config.score {
            PcaScore::Standardised => variances[component].max(least).sqrt(),
            PcaScore::Residual => 1.0,
        };
        if config.score == PcaScore::Residual {
            order.truncate(n_explaining(order.iter().map(|component| variances[*component]), config.explained));
        }
        let components = order
            .iter()
            .flat_map(|at| {
                eigen.eigenvectors.column(*at).iter().map(|value| (value / divisor(*at)) as f32).collect::<Vec<_>>()
            })
            .collect();
        let mean = mean.iter().map(|value| *value as f32).collect();
        Self { config, n_dims, n_components: order.len(), mean, components }
    }

    fn score_windows(&self, windows: &[f32]) -> Vec<f64> {
        let (n, n_dims) = (windows.len() / self.n_dims, self.n_dims);
        let centred: Vec<f32> = windows
            .chunks_exact(n_dims)
            .flat_map(|window| window.iter().zip(&self.mean).map(|(value, mean)| value - mean))
            .collect();
        let components = Matrix::new(&self.components, self.n_components, n_dims);
        let mut coordinates = vec![0.0; n * self.n_components];
        multiply(&mut coordinates, Matrix::new(&centred, n, n_dims), components.transposed());
        match self.config.score {
            PcaScore::Standardised => coordinates.chunks_exact(n_dims).map(root_mean_square).collect(),
            PcaScore::Residual => {
                let mut residuals = vec![0.0; n * n_dims];
                multiply(&mut residuals, Matrix::new(&coordinates, n, self.n_components), components);
                for (residual, value) in residuals.iter_mut().zip(&centred) {
                    *residual = value - *residual;
                }
                residuals.chunks_exact(n_dims).map(root_mean_square).collect()
            }
        }
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the record is something else, [`Error::Tensor`](crate::Error::Tensor) where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &PcaConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        let is_of = self.config == *config && self.n_dims == config.n_steps * n_channels;
        agrees(is_of, "the settings of its method and windows of its channels")?;
        agrees(self.n_components <= self.n_dims, "no more components than values of a window")?;
        self.mean = array(arrays, "mean", self.n_dims)?;
        self.components = array(arrays, "components", self.n_components * self.n_dims)?;
        Ok(())
    }
}

impl WindowDetector for Pca {
    /// The number of points that one score depends on.
    fn context(&self) -> usize {
        self.config.n_steps
    }

    /// The score of each point; higher is more anomalous.
    ///
    /// # Panics
    /// If the series has other channels than the training series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        score_ends(series, self.config.n_steps, |windows| self.score_windows(windows))
    }

    /// The arrays that are saved beside its record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("mean", &self.mean), ("components", &self.components)]
    }
}

/// How many of the components, given by their variances in descending order, explain a fraction of all variance.
fn n_explaining(variances: impl Iterator<Item = f64> + Clone, fraction: f64) -> usize {
    let wanted = fraction * variances.clone().sum::<f64>();
    let explained = variances.scan(0.0, |sum, variance| {
        let before = *sum;
        *sum += variance;
        Some(before)
    });
    explained.take_while(|before| *before < wanted).count()
}

fn root_mean_square(values: &[f32]) -> f64 {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    (squares.sum::<f64>() / values.len() as f64).sqrt()
}

/// The mean and the population covariance of windows, shape `[n, n_dims]`, n at least 1.
fn moments(windows: &[f32], n_dims: usize) -> (DVector<f64>, DMatrix<f64>) {
    let n = (windows.len() / n_dims) as f64;
    let mut mean = DVector::zeros(n_dims);
    for window in windows.chunks_exact(n_dims) {
        for (sum, value) in mean.iter_mut().zip(window) {
            *sum += f64::from(*value);
        }
    }
    mean /= n;
    let mut covariance = DMatrix::zeros(n_dims, n_dims);
    for block in windows.chunks(BLOCK * n_dims) {
        // A window is a column.
        let mut centred =
            DMatrix::from_iterator(n_dims, block.len() / n_dims, block.iter().map(|value| f64::from(*value)));
        for mut window in centred.column_iter_mut() {
            window -= &mean;
        }
        covariance.gemm(1.0 / n, &centred, &centred.transpose(), 1.0);
    }
    (mean, covariance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of windows of two values.
    fn scores(windows: &[f32], queries: &[f32], score: PcaScore, explained: f64) -> Vec<f64> {
        let config = PcaConfig { n_steps: 1, score, explained, ..Default::default() };
        let detector = Pca::of_windows(windows, 2, config);
        detector.score(&Scaled { values: queries.to_vec(), n_channels: 2 })
    }

    fn assert_near(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        assert!(
            got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5 * want.max(1.0)),
            "{got:?}, not {want:?}"
        );
    }

    /// Mean (1, 0), variances 2 and 1/2.
    const CROSS: [f32; 8] = [3.0, 0.0, -1.0, 0.0, 1.0, 1.0, 1.0, -1.0];

    #[test]
    fn the_standardised_score_counts_deviations() {
        let queries = [3.0, 0.0, 1.0, 1.0, 1.0, 0.0, 3.0, 2.0];
        let want = [(4.0_f64 / 2.0 / 2.0).sqrt(), (1.0_f64 / 0.5 / 2.0).sqrt(), 0.0, ((2.0_f64 + 8.0) / 2.0).sqrt()];
        assert_near(&scores(&CROSS, &queries, PcaScore::Standardised, 0.9), &want);
    }

    #[test]
    fn the_residual_is_what_the_first_components_leave_out() {
        let queries = [9.0, 0.0, 1.0, 3.0, 9.0, -3.0];
        let root = |square: f64| (square / 2.0).sqrt();
        // The first component explains 4/5 of the variance.
        assert_near(&scores(&CROSS, &queries, PcaScore::Residual, 0.79), &[0.0, root(9.0), root(9.0)]);
        assert_near(&scores(&CROSS, &queries, PcaScore::Residual, 0.81), &[0.0, 0.0, 0.0]);
        assert_near(&scores(&CROSS, &queries, PcaScore::Residual, 0.0), &[root(64.0), root(9.0), root(73.0)]);
    }

    #[test]
    fn where_nothing_varies_the_unit_is_that_of_the_channels() {
        for score in [PcaScore::Standardised, PcaScore::Residual] {
            assert_near(&scores(&[2.0; 6], &[2.0, 2.0, 2.0, 4.0], score, 0.9), &[0.0, 2.0_f64.sqrt()]);
        }
    }

    #[test]
    fn a_direction_without_variance_has_a_thousandth_of_the_largest_deviation() {
        // Deviation 1 along (1, 1): 2 in variance, so 2e-6 across.
        let windows = [1.0, 1.0, -1.0, -1.0];
        let want = [1.0 / 2.0_f64.sqrt(), (2.0_f64 / 2e-6 / 2.0).sqrt()];
        assert_near(&scores(&windows, &[1.0, 1.0, 1.0, -1.0], PcaScore::Standardised, 0.9), &want);
    }
}

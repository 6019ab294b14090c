//! Two detectors by neighbours: how far the nearest training windows are, and how much sparser it is around a window than
//! around those.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sample::{check_n_steps, sample_windows};
use super::scoring::score_ends;
use super::training::check;
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees, array};
use crate::error::Result;
use crate::models::nearest::{Neighbor, Search};

/// Reference windows whose neighbours one task looks for together.
const BLOCK: usize = 256;
/// The addition to a mean reachability distance, so that the density among equal windows is finite.
const LEAST_REACH: f64 = 1e-10;

/// Which distance to the nearest windows is the score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NeighborDistance {
    /// Their mean distance (Angiulli and Pizzuti 2002).
    Mean,
    /// The distance of the k-th (Ramaswamy et al. 2000).
    Largest,
}

/// The settings of the k nearest neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NearestNeighborsConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// k, at least 1; all reference windows where there are fewer.
    pub n_neighbors: usize,
    /// Which distance is the score.
    pub distance: NeighborDistance,
    /// The number of training windows that are compared with, in `1..=1_000_000`.
    pub n_windows: usize,
}

impl Default for NearestNeighborsConfig {
    fn default() -> Self {
        Self { n_steps: 25, n_neighbors: 5, distance: NeighborDistance::Mean, n_windows: 5_000 }
    }
}

impl NearestNeighborsConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        check_neighborhood(self.n_steps, self.n_neighbors, self.n_windows)
    }
}

/// The distance to the nearest of a sample of the training windows.
///
/// The score of a point is the mean Euclidean distance of its window to the `k` nearest reference windows, or that of the
/// k-th, in deviations of the channels, at least 0. A window that is itself in the sample finds itself at distance 0, as in
/// the decision function of PyOD's `KNN`.
///
/// Source: Ramaswamy, Rastogi and Shim, *Efficient Algorithms for Mining Outliers from Large Data Sets*, 2000; Angiulli and
/// Pizzuti, *Fast Outlier Detection in High Dimensional Spaces*, 2002, whose sum is divided by `k` here. Deviation: the
/// reference is a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NearestNeighbors {
    config: NearestNeighborsConfig,
    n_dims: usize,
    n_windows: usize,
    /// Shape `[n_windows, n_dims]`.
    #[serde(skip)]
    windows: Vec<f32>,
}

impl NearestNeighbors {
    /// Takes a sample of the training windows.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) and [`Error::Empty`](crate::Error::Empty).
    pub(crate) fn fit(corpus: &Corpus, config: &NearestNeighborsConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let windows = sample_windows(corpus, config.n_steps, config.n_windows, seed)?;
        Ok(Self::of_windows(windows, config.n_steps * corpus.n_channels(), config.clone()))
    }

    fn of_windows(windows: Vec<f32>, n_dims: usize, config: NearestNeighborsConfig) -> Self {
        Self { config, n_dims, n_windows: windows.len() / n_dims, windows }
    }

    fn score_windows(&self, search: &Search<'_>, windows: &[f32]) -> Vec<f64> {
        let distance = |nearest: Vec<Neighbor>| match self.config.distance {
            NeighborDistance::Mean => mean(nearest.iter().map(|neighbor| neighbor.distance), nearest.len() as f64),
            NeighborDistance::Largest => nearest.last().map_or(0.0, |neighbor| neighbor.distance),
        };
        search.nearest(windows, self.config.n_neighbors, None).into_iter().map(distance).collect()
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the record is something else, [`Error::Tensor`](crate::Error::Tensor) where an array does
    /// not fit it.
    pub(super) fn restore(
        &mut self,
        config: &NearestNeighborsConfig,
        n_channels: usize,
        arrays: &Arrays,
    ) -> Result<()> {
        let is_of = self.config == *config && self.n_dims == config.n_steps * n_channels;
        agrees(is_of, "the settings of its method and windows of its channels")?;
        agrees((1..=config.n_windows).contains(&self.n_windows), "as many windows as its settings allow")?;
        self.windows = array(arrays, "windows", self.n_windows * self.n_dims)?;
        Ok(())
    }
}

impl WindowDetector for NearestNeighbors {
    /// The number of points that one score depends on.
    fn context(&self) -> usize {
        self.config.n_steps
    }

    /// The score of each point; higher is more anomalous.
    ///
    /// # Panics
    /// If the series has other channels than the training series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let search = Search::new(&self.windows, self.n_dims);
        score_ends(series, self.config.n_steps, |windows| self.score_windows(&search, windows))
    }

    /// The arrays that are saved beside its record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("windows", &self.windows)]
    }
}

/// The settings of the local outlier factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LocalOutlierFactorConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// k, at least 1; all other reference windows where there are fewer.
    pub n_neighbors: usize,
    /// The number of training windows that are compared with, in `1..=1_000_000`.
    pub n_windows: usize,
}

impl Default for LocalOutlierFactorConfig {
    fn default() -> Self {
        Self { n_steps: 25, n_neighbors: 20, n_windows: 5_000 }
    }
}

impl LocalOutlierFactorConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        check_neighborhood(self.n_steps, self.n_neighbors, self.n_windows)
    }
}

/// The local outlier factor of a window among a sample of the training windows.
///
/// With the distance `d_k(b)` of a reference window to its k-th nearest other one, the reachability of `a` from `b` is
/// `max(d_k(b), d(a, b))`, the density `lrd(a)` is 1 over its mean to the `k` nearest `b` of `a`, and the score of a window is
/// the mean of `lrd(b) / lrd(a)` over them: about 1 where it is as dense as around its neighbours, higher is more anomalous.
/// 10⁻¹⁰ is added to a mean reachability, so that the score is finite among equal windows. Where there is no more than one
/// reference window, every score is 1.
///
/// Source: Breunig, Kriegel, Ng and Sander, *LOF: Identifying Density-Based Local Outliers*, 2000, definitions 3 to 7; the
/// form for new windows and the 10⁻¹⁰ as in scikit-learn. Deviation: a neighbourhood has exactly `k` windows, of equally
/// far ones the earlier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LocalOutlierFactor {
    config: LocalOutlierFactorConfig,
    n_dims: usize,
    n_windows: usize,
    /// Shape `[n_windows, n_dims]`.
    #[serde(skip)]
    windows: Vec<f32>,
    /// `d_k` of each window.
    #[serde(skip)]
    distances: Vec<f32>,
    /// `lrd` of each window, at most 10¹⁰.
    #[serde(skip)]
    densities: Vec<f32>,
}

impl LocalOutlierFactor {
    /// Takes a sample of the training windows, and the density around each.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) and [`Error::Empty`](crate::Error::Empty).
    pub(crate) fn fit(corpus: &Corpus, config: &LocalOutlierFactorConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let windows = sample_windows(corpus, config.n_steps, config.n_windows, seed)?;
        Ok(Self::of_windows(windows, config.n_steps * corpus.n_channels(), config.clone()))
    }

    fn of_windows(windows: Vec<f32>, n_dims: usize, config: LocalOutlierFactorConfig) -> Self {
        let search = Search::new(&windows, n_dims);
        let nearest: Vec<Vec<Neighbor>> = windows
            .par_chunks(BLOCK * n_dims)
            .enumerate()
            .flat_map_iter(|(block, queries)| search.nearest(queries, config.n_neighbors, Some(block * BLOCK)))
            .collect();
        let distances: Vec<f32> =
            nearest.iter().map(|nearest| nearest.last().map_or(0.0, |last| last.distance as f32)).collect();
        let densities = nearest.iter().map(|nearest| density(nearest, &distances) as f32).collect();
        Self { config, n_dims, n_windows: nearest.len(), distances, densities, windows }
    }

    fn score_windows(&self, search: &Search<'_>, windows: &[f32]) -> Vec<f64> {
        // No window has more neighbours than a reference window has others.
        let n_neighbors = self.config.n_neighbors.min(self.n_windows - 1);
        if n_neighbors == 0 {
            return vec![1.0; windows.len() / self.n_dims];
        }
        let factor = |nearest: Vec<Neighbor>| {
            let densities = nearest.iter().map(|neighbor| f64::from(self.densities[neighbor.at]));
            mean(densities, nearest.len() as f64) / density(&nearest, &self.distances)
        };
        search.nearest(windows, n_neighbors, None).into_iter().map(factor).collect()
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the record is something else, [`Error::Tensor`](crate::Error::Tensor) where an array does
    /// not fit it.
    pub(super) fn restore(
        &mut self,
        config: &LocalOutlierFactorConfig,
        n_channels: usize,
        arrays: &Arrays,
    ) -> Result<()> {
        let is_of = self.config == *config && self.n_dims == config.n_steps * n_channels;
        agrees(is_of, "the settings of its method and windows of its channels")?;
        agrees((1..=config.n_windows).contains(&self.n_windows), "as many windows as its settings allow")?;
        self.windows = array(arrays, "windows", self.n_windows * self.n_dims)?;
        self.distances = array(arrays, "distances", self.n_windows)?;
        self.densities = array(arrays, "densities", self.n_windows)?;
        Ok(())
    }
}

impl WindowDetector for LocalOutlierFactor {
    /// The number of points that one score depends on.
    fn context(&self) -> usize {
        self.config.n_steps
    }

    /// The score of each point; higher is more anomalous.
    ///
    /// # Panics
    /// If the series has other channels than the training series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let search = Search::new(&self.windows, self.n_dims);
        score_ends(series, self.config.n_steps, |windows| self.score_windows(&search, windows))
    }

    /// The arrays that are saved beside its record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("windows", &self.windows), ("distances", &self.distances), ("densities", &self.densities)]
    }
}

/// Checks the settings that both detectors have.
fn check_neighborhood(n_steps: usize, n_neighbors: usize, n_windows: usize) -> Result<()> {
    check_n_steps(n_steps)?;
    check(n_neighbors >= 1, "n_neighbors", "at least 1", n_neighbors)?;
    check((1..=1_000_000).contains(&n_windows), "n_windows", "in 1..=1000000", n_windows)
}

/// The local reachability density of a window from its nearest ones and the `d_k` of all reference windows.
fn density(nearest: &[Neighbor], distances: &[f32]) -> f64 {
    let reach = nearest.iter().map(|neighbor| neighbor.distance.max(f64::from(distances[neighbor.at])));
    1.0 / (mean(reach, nearest.len() as f64) + LEAST_REACH)
}

/// The mean of `n` values, 0 of none.
fn mean(values: impl Iterator<Item = f64>, n: f64) -> f64 {
    values.sum::<f64>() / n.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scores of windows of one value.
    fn scores_by_distance(
        windows: &[f32],
        queries: &[f32],
        n_neighbors: usize,
        distance: NeighborDistance,
    ) -> Vec<f64> {
        let config = NearestNeighborsConfig { n_steps: 1, n_neighbors, distance, ..Default::default() };
        let detector = NearestNeighbors::of_windows(windows.to_vec(), 1, config);
        detector.score(&Scaled { values: queries.to_vec(), n_channels: 1 })
    }

    fn scores_by_density(windows: &[f32], queries: &[f32], n_neighbors: usize) -> Vec<f64> {
        let config = LocalOutlierFactorConfig { n_steps: 1, n_neighbors, ..Default::default() };
        let detector = LocalOutlierFactor::of_windows(windows.to_vec(), 1, config);
        detector.score(&Scaled { values: queries.to_vec(), n_channels: 1 })
    }

    fn assert_near(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        assert!(
            got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6 * want.max(1.0)),
            "{got:?}, not {want:?}"
        );
    }

    #[test]
    fn the_distance_is_the_mean_of_the_nearest_or_the_largest_of_them() {
        let windows = [0.0, 1.0, 3.0];
        // 2 is at 1, 1, 2 from the windows; 10 is at 7, 9, 10.
        assert_near(&scores_by_distance(&windows, &[2.0, 10.0], 2, NeighborDistance::Mean), &[1.0, 8.0]);
        assert_near(&scores_by_distance(&windows, &[2.0, 10.0], 3, NeighborDistance::Largest), &[2.0, 10.0]);
        assert_near(&scores_by_distance(&windows, &[2.0, 10.0], 5, NeighborDistance::Largest), &[2.0, 10.0]);
        assert_near(&scores_by_distance(&windows, &[2.0], 5, NeighborDistance::Mean), &[4.0 / 3.0]);
    }

    #[test]
    fn the_factor_is_the_density_of_the_neighbors_over_the_own() {
        // k = 1: the windows are 1 apart, so each has d_1 = 1 and lrd = 1. 4 is 2 from its neighbour: lrd = 1/2.
        assert_near(&scores_by_density(&[0.0, 1.0, 2.0], &[4.0, 1.0, 2.5], 1), &[2.0, 1.0, 1.0]);
        // k = 2: d_2 = 2, 1, 2 and the mean reaches are (1 + 2) / 2, (2 + 2) / 2, (1 + 2) / 2. 4 is 2 and 3 from 2 and 1,
        // whose lrd are 2/3 and 1/2: (2/3 + 1/2) / 2 times the mean reach of 5/2.
        assert_near(&scores_by_density(&[0.0, 1.0, 2.0], &[4.0], 2), &[7.0 / 12.0 * 2.5]);
    }

    #[test]
    fn among_equal_windows_the_factor_stays_finite() {
        // The density is 10^10 among the windows and 1 at distance 1 from them.
        assert_near(&scores_by_density(&[5.0; 10], &[5.0, 6.0], 3), &[1.0, 1e10]);
    }

    #[test]
    fn one_window_has_no_density() {
        assert_near(&scores_by_density(&[5.0], &[5.0, 6.0], 3), &[1.0, 1.0]);
    }
}

//! The spectral residual (SR): how much the last point of a window stands out, by the saliencies of its points.
//!
//! Source: Ren, Xu, Wang, Yi, Huang, Kou, Xing, Yang, Tong and Zhang, *Time-Series Anomaly Detection Service at Microsoft*,
//! KDD 2019, equation 9, with the choices of microsoft/anomalydetector (MIT) where the two differ: the saliency of a point is
//! compared with the mean of the last 40 points, itself included (the paper: 21 points before it), and the score is a tenth
//! of the relative distance, at most 1; the threshold .3 is the paper's τ = 3.
//!
//! Deviation: a constant window scores 0, where rounding errors would be compared with each other.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::saliency::{LEAST_AMPLITUDE, N_ADDED, Saliency, extended};
use crate::error::{Error, Result};

/// The fewest points of a window.
const LEAST_WINDOW: usize = 12;
/// Windows that one thread takes at a time.
const WINDOWS_PER_TASK: usize = 1024;

/// The settings of the SR detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralResidualConfig {
    /// The length of a window in points, at least 12. The paper has 1440 for the KPI data, 64 for Yahoo's.
    pub window: usize,
    /// The number of points whose mean saliency a point is compared with, at least 1.
    pub n_mean: usize,
    /// The score above which a point is an anomaly, in `[0, 1]`.
    pub threshold: f64,
}

impl Default for SpectralResidualConfig {
    fn default() -> Self {
        Self { window: 1440, n_mean: 40, threshold: 0.3 }
    }
}

impl SpectralResidualConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        if self.window < LEAST_WINDOW {
            return Err(Error::setting("window", format!("at least {LEAST_WINDOW}"), self.window));
        }
        if self.n_mean == 0 {
            return Err(Error::setting("n_mean", "at least 1", self.n_mean));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(Error::setting("threshold", "in [0, 1]", self.threshold));
        }
        Ok(())
    }
}

/// The score of each point, in `[0, 1]`; higher is more anomalous.
///
/// A point is scored as the last one of the window of [`SpectralResidualConfig::window`] points that ends there, so that no
/// score depends on what comes after it. At the start of the series the window is as long as the series is by then; the
/// first 11 points score 0.
///
/// `values`: the finite values of one channel in time order.
///
/// # Errors
/// [`Error::Setting`] for settings outside of their ranges.
pub(crate) fn spectral_residual(values: &[f64], config: &SpectralResidualConfig) -> Result<Vec<f64>> {
    config.validate()?;
    let mut scores = vec![0.0; values.len()];
    scores.par_chunks_mut(WINDOWS_PER_TASK).enumerate().for_each_init(
        || Saliency::new(config.window + N_ADDED),
        |saliency, (task, scores)| {
            for (index, score) in scores.iter_mut().enumerate() {
                let end = task * WINDOWS_PER_TASK + index + 1;
                *score = last_score(&values[end.saturating_sub(config.window)..end], config.n_mean, saliency);
            }
        },
    );
    Ok(scores)
}

/// The score of the last point of a window, with points added after it.
fn last_score(window: &[f64], n_mean: usize, saliency: &mut Saliency) -> f64 {
    if window.len() < LEAST_WINDOW || is_constant(window) {
        return 0.0;
    }
    let end = window.len();
    relative(&saliency.of_points(&extended(window), end.saturating_sub(n_mean)..end))
}

/// A tenth of the distance of the last value from the mean of all, relative to that mean, at most 1.
fn relative(saliency: &[f64]) -> f64 {
    let last = saliency.last().copied().unwrap_or(0.0);
    let mean = saliency.iter().sum::<f64>() / saliency.len() as f64;
    ((last - mean).abs() / mean.max(LEAST_AMPLITUDE) / 10.0).min(1.0)
}

fn is_constant(window: &[f64]) -> bool {
    window.iter().all(|value| value.total_cmp(&window[0]).is_eq())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::reference::{numbers, of_statistics};

    fn assert_close(got: &[f64], want: &[f64], what: &str) {
        assert_eq!(got.len(), want.len(), "{what}");
        for (point, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= 1e-10, "{what} at {point}: {got} != {want}");
        }
    }

    /// The scores of all points of one window, each seen with the points after it: what the published program computes.
    fn window_scores(window: &[f64], n_mean: usize) -> Vec<f64> {
        let values = Saliency::new(window.len() + N_ADDED).of(&extended(window));
        (1..=window.len()).map(|end| relative(&values[end.saturating_sub(n_mean)..end])).collect()
    }

    #[test]
    fn saliencies_and_scores_are_those_of_the_published_program() {
        let reference = of_statistics();
        let x = numbers(&reference["x"]);
        for case in reference["spectral_residual"].as_array().unwrap() {
            let [first, last] = ["first", "last"].map(|name| case[name].as_u64().unwrap() as usize);
            let window = &x[first..last];
            let extended = extended(window);
            assert_close(&extended[window.len()..], &[case["added"].as_f64().unwrap(); 5], "added");
            let saliency = Saliency::new(7).of(&extended);
            assert_close(&saliency[..window.len()], &numbers(&case["saliency"]), "saliency");
            assert_close(&window_scores(window, 40), &numbers(&case["scores"]), "score");
        }
    }

    #[test]
    fn a_point_is_scored_as_the_last_one_of_its_window() {
        let reference = of_statistics();
        let x = numbers(&reference["x"]);
        for case in reference["last_scores"].as_array().unwrap() {
            let window = case["window"].as_u64().unwrap() as usize;
            let config = SpectralResidualConfig { window, ..Default::default() };
            let scores = spectral_residual(&x, &config).unwrap();
            assert_eq!(scores[..11], [0.0; 11], "before the shortest window");
            for point in case["points"].as_array().unwrap() {
                let index = point["point"].as_u64().unwrap() as usize;
                let want = point["score"].as_f64().unwrap();
                assert!((scores[index] - want).abs() <= 1e-10, "{window}, {index}: {} != {want}", scores[index]);
            }
        }
    }

    #[test]
    fn a_spike_stands_out_when_it_comes() {
        let mut values: Vec<f64> = (0..300).map(|point| (f64::from(point) / 5.0).sin()).collect();
        values[250] += 5.0;
        let config = SpectralResidualConfig { window: 100, ..Default::default() };
        let scores = spectral_residual(&values, &config).unwrap();
        assert!(scores[250] > config.threshold, "{}", scores[250]);
        assert_eq!(scores[..250], spectral_residual(&values[..250], &config).unwrap(), "nothing after a point matters");
    }

    #[test]
    fn short_and_constant_series_score_zero() {
        let config = SpectralResidualConfig { window: 12, ..Default::default() };
        assert_eq!(spectral_residual(&[], &config).unwrap(), [] as [f64; 0]);
        assert_eq!(spectral_residual(&[1.0, 5.0, 2.0], &config).unwrap(), [0.0; 3]);
        assert_eq!(spectral_residual(&[1e12 / 3.0; 50], &config).unwrap(), [0.0; 50]);
        assert!(spectral_residual(&[1.0], &SpectralResidualConfig { window: 11, ..config }).is_err());
    }
}

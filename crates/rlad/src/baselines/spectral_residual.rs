//! Spectral residual (SR): what stands out of a window once its spectrum is levelled.
//!
//! The logarithm of the amplitude spectrum less its own moving average is the *spectral residual*; transformed back with the
//! phase as it was, it is the saliency of each point.
//!
//! Source: Ren, Xu, Wang, Yi, Huang, Kou, Xing, Yang, Tong and Zhang, *Time-Series Anomaly Detection Service at Microsoft*,
//! KDD 2019, equations 1 to 9, with the choices of microsoft/anomalydetector (MIT) where the two differ:
//! 1. The average of the spectrum is a trailing one over 3 frequencies, of fewer at the start, and not centred.
//! 2. The saliency of a point is compared with the mean of the last 40 points, itself included (the paper: 21 points before
//!    it), and the score is a tenth of the relative distance, at most 1; the threshold .3 is the paper's τ = 3.
//! 3. The points that are added behind the window are all the same, and the newest value is left out of their slope.
//! 4. A frequency whose amplitude is at most 1e-8 has no residual and is left out of the saliency.
//!
//! Deviation: a constant window scores 0, where rounding errors would be compared with each other.

use std::fmt;
use std::sync::Arc;

use rayon::prelude::*;
use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Frequencies that the spectrum is averaged over, `q`.
const N_FREQUENCIES: usize = 3;
/// Points that are added behind a window, `κ`.
const N_ADDED: usize = 5;
/// Points before the last one that the slope is taken from, `m`.
const N_LOOK_BACK: usize = 5;
/// Amplitudes up to this are 0.
const LEAST_AMPLITUDE: f64 = 1e-8;
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
                *score = saliency.last_score(&values[end.saturating_sub(config.window)..end], config.n_mean);
            }
        },
    );
    Ok(scores)
}

/// A window with five points added behind it, each `x_(n-m) + Σ_i (x_(n-1) − x_(n-1-i)) / i` over the `m = 5` points before
/// the last but one: the values go on along their mean slope. Fewer points where the window is shorter than seven; a window
/// of fewer than three points goes on as its last value.
pub(crate) fn extended(window: &[f64]) -> Vec<f64> {
    let mut extended = window.to_vec();
    let known = &window[window.len().saturating_sub(N_LOOK_BACK + 2)..window.len().saturating_sub(1)];
    let next = match known {
        [before @ .., last] if !before.is_empty() => {
            let slopes = before.iter().rev().enumerate().map(|(index, value)| (last - value) / (index + 1) as f64);
            known[1] + slopes.sum::<f64>()
        }
        _ => window.last().copied().unwrap_or(0.0),
    };
    extended.resize(window.len() + N_ADDED, next);
    extended
}

/// Transforms windows to saliencies; what a length needs is kept for the next window of that length.
pub(crate) struct Saliency {
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
    spectrum: Vec<Complex64>,
    scratch: Vec<Complex64>,
    logarithms: Vec<f64>,
}

impl fmt::Debug for Saliency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saliency").field("len", &self.forward.len()).finish_non_exhaustive()
    }
}

impl Saliency {
    /// For windows of `len` points, the added ones included; other lengths work as well, and are planned when they come.
    pub(crate) fn new(len: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let n_scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let scratch = vec![Complex64::ZERO; n_scratch];
        Self { forward, inverse, spectrum: Vec::with_capacity(len), scratch, logarithms: Vec::with_capacity(len) }
    }

    /// The saliency of each value, at least 0: the whole window is transformed, and nothing is added to it.
    pub(crate) fn of(&mut self, window: &[f64]) -> Vec<f64> {
        if window.is_empty() {
            return Vec::new();
        }
        self.transform(window);
        self.spectrum.iter().map(|value| amplitude(*value) / window.len() as f64).collect()
    }

    /// The score of the last point of a window, with points added behind it.
    fn last_score(&mut self, window: &[f64], n_mean: usize) -> f64 {
        if window.len() < LEAST_WINDOW || is_constant(window) {
            return 0.0;
        }
        self.transform(&extended(window));
        let end = window.len();
        let last: Vec<f64> =
            self.spectrum[end.saturating_sub(n_mean)..end].iter().map(|value| amplitude(*value)).collect();
        // The factor of the transform cancels, but not against the least divisor.
        relative(&last, LEAST_AMPLITUDE * (end + N_ADDED) as f64)
    }

    /// Leaves the transformed window, of at least one value, in `spectrum`, each value too large by the length of the window.
    fn transform(&mut self, window: &[f64]) {
        if window.len() != self.forward.len() {
            *self = Self::new(window.len());
        }
        self.spectrum.clear();
        self.spectrum.extend(window.iter().map(|&value| Complex64::new(value, 0.0)));
        self.forward.process_with_scratch(&mut self.spectrum, &mut self.scratch);
        // The spectrum of real values is its own mirror image, and so are the logarithms.
        let (n, n_half) = (window.len(), window.len() / 2);
        self.logarithms.clear();
        self.logarithms.extend(self.spectrum[..=n_half].iter().map(|value| logarithm(amplitude(*value))));
        for frequency in n_half + 1..n {
            self.logarithms.push(self.logarithms[n - frequency]);
        }
        for (frequency, value) in self.spectrum.iter_mut().enumerate() {
            // exp(log a − mean log) / a is exp(−mean log).
            let logarithms = &self.logarithms[(frequency + 1).saturating_sub(N_FREQUENCIES)..=frequency];
            *value = if self.logarithms[frequency] == 0.0 && amplitude(*value) <= LEAST_AMPLITUDE {
                Complex64::ZERO
            } else {
                *value * (-logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp()
            };
        }
        self.inverse.process_with_scratch(&mut self.spectrum, &mut self.scratch);
    }
}

/// The absolute value of a complex number, for values below 1e150: `norm` guards against an overflow and is slow.
fn amplitude(value: Complex64) -> f64 {
    value.norm_sqr().sqrt()
}

/// The logarithm of an amplitude, 0 where there is none.
fn logarithm(amplitude: f64) -> f64 {
    if amplitude <= LEAST_AMPLITUDE { 0.0 } else { amplitude.ln() }
}

/// A tenth of the distance of the last value from the mean of all, relative to that mean (at least `least`), at most 1.
fn relative(saliency: &[f64], least: f64) -> f64 {
    let last = saliency.last().copied().unwrap_or(0.0);
    let mean = saliency.iter().sum::<f64>() / saliency.len() as f64;
    ((last - mean).abs() / mean.max(least) / 10.0).min(1.0)
}

fn is_constant(window: &[f64]) -> bool {
    window.iter().all(|value| value.total_cmp(&window[0]).is_eq())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn reference() -> Value {
        serde_json::from_str(include_str!("../../tests/reference/baselines_statistics.json")).unwrap()
    }

    fn numbers(values: &Value) -> Vec<f64> {
        values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    }

    fn assert_close(got: &[f64], want: &[f64], what: &str) {
        assert_eq!(got.len(), want.len(), "{what}");
        for (point, (got, want)) in got.iter().zip(want).enumerate() {
            assert!((got - want).abs() <= 1e-10, "{what} at {point}: {got} != {want}");
        }
    }

    /// The scores of all points of one window, each seen with the points after it: what the published program computes.
    fn window_scores(window: &[f64], n_mean: usize) -> Vec<f64> {
        let values = Saliency::new(window.len() + N_ADDED).of(&extended(window));
        (1..=window.len()).map(|end| relative(&values[end.saturating_sub(n_mean)..end], LEAST_AMPLITUDE)).collect()
    }

    #[test]
    fn saliencies_and_scores_are_those_of_the_published_program() {
        let reference = reference();
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
        let reference = reference();
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

    #[test]
    fn added_points_go_on_along_the_mean_slope() {
        // A line of slope 2 up to the last point but one, which has the value 10: five points before it stands 0.
        assert_eq!(extended(&[0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 99.0])[7..], [12.0; 5]);
        assert_eq!(extended(&[3.0])[1..], [3.0; 5]);
        assert_eq!(extended(&[]), [0.0; 5]);
        assert!(Saliency::new(8).of(&[]).is_empty());
    }
}

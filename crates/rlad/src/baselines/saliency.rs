//! The saliency of each point of a window: what stands out once its spectrum is levelled.
//!
//! The logarithm of the amplitude spectrum less its own moving average is the *spectral residual*; transformed back with the
//! phase as it was, it is the saliency: `S = |F⁻¹(exp(ln A − h(ln A) + iP))|`, where `A exp(iP)` is the spectrum and `h` the
//! average.
//!
//! Source: Ren, Xu, Wang, Yi, Huang, Kou, Xing, Yang, Tong and Zhang, *Time-Series Anomaly Detection Service at Microsoft*,
//! KDD 2019, equations 1 to 8, with the choices of microsoft/anomalydetector (MIT) where the two differ:
//! 1. The average of the spectrum is a trailing one over 3 frequencies, of fewer at the start, and not centred.
//! 2. The points that are added after a window are all the same, and the newest value is left out of their slope: it is
//!    scored, and takes no part in what is expected.
//! 3. A frequency whose amplitude is at most 1e-8 has no residual and is left out of the saliency.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rustfft::num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

/// Points that are added after a window, `κ`.
pub(super) const N_ADDED: usize = 5;
/// Amplitudes up to this are 0.
pub(super) const LEAST_AMPLITUDE: f64 = 1e-8;
/// Frequencies that the spectrum is averaged over, `q`.
const N_FREQUENCIES: usize = 3;
/// Points before the last one that the slope is taken from, `m`.
const N_LOOK_BACK: usize = 5;

/// A window with five points added after it, each `x_(n-m) + Σ_i (x_(n-1) − x_(n-1-i)) / i` over the `m = 5` points before
/// the last but one: the values go on along their mean slope. Fewer points where the window is shorter than seven; a window
/// of fewer than three points goes on as its last value.
pub(super) fn extended(window: &[f64]) -> Vec<f64> {
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
#[derive(Clone)]
pub(super) struct Saliency {
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
    pub(super) fn new(len: usize) -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(len), planner.plan_fft_inverse(len));
        let n_scratch = forward.get_inplace_scratch_len().max(inverse.get_inplace_scratch_len());
        let scratch = vec![Complex64::ZERO; n_scratch];
        Self { forward, inverse, spectrum: Vec::with_capacity(len), scratch, logarithms: Vec::with_capacity(len) }
    }

    /// The saliency of each point of a window, at least 0, that does not change with the window's scale. The whole window is
    /// transformed, and nothing is added to it.
    pub(super) fn of(&mut self, window: &[f64]) -> Vec<f64> {
        self.of_points(window, 0..window.len())
    }

    /// The saliency of some points of a window.
    ///
    /// # Panics
    /// If the points are not in the window.
    pub(super) fn of_points(&mut self, window: &[f64], points: Range<usize>) -> Vec<f64> {
        if window.is_empty() {
            return Vec::new();
        }
        self.transform(window);
        self.spectrum[points].iter().map(|value| amplitude(*value) / window.len() as f64).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saliency_of_an_impulse_is_an_impulse() {
        // All amplitudes are equal, so that nothing but 1 is left of them.
        let mut values = vec![0.0; 16];
        values[5] = 3.0;
        for (point, saliency) in Saliency::new(16).of(&values).into_iter().enumerate() {
            let want = if point == 5 { 1.0 } else { 0.0 };
            assert!((saliency - want).abs() < 1e-12, "{point}: got {saliency}, want {want}");
        }
    }

    #[test]
    fn the_saliency_of_a_constant_is_finite() {
        for value in [0.0, 3.0, 1e6] {
            assert!(Saliency::new(32).of(&[value; 32]).iter().all(|saliency| saliency.is_finite()));
        }
    }

    #[test]
    fn the_saliencies_of_some_points_are_those_among_all_and_every_length_is_planned() {
        let values: Vec<f64> = (0..40).map(|point| (f64::from(point) * 1.7).sin()).collect();
        let mut saliency = Saliency::new(8);
        for len in [1, 2, 7, 40, 13] {
            let all = Saliency::new(len).of(&values[..len]);
            assert_eq!(saliency.of_points(&values[..len], len / 2..len), all[len / 2..], "{len} points");
        }
        assert!(saliency.of(&[]).is_empty());
    }

    #[test]
    fn a_line_goes_on() {
        // The slope is 2 everywhere; the second of the six known values is 4 (points 0 to 5 are 2 to 12), and 5 steps on is 14.
        let values: Vec<f64> = (1..=7).map(|k| 2.0 * f64::from(k)).collect();
        assert_eq!(extended(&values)[7..], [14.0; 5]);
    }

    #[test]
    fn added_points_go_on_along_the_mean_slope() {
        // A line of slope 2 up to the last point but one, which has the value 10: five points before it stands 0.
        assert_eq!(extended(&[0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 99.0])[7..], [12.0; 5]);
        assert_eq!(extended(&[3.0])[1..], [3.0; 5]);
        assert_eq!(extended(&[]), [0.0; 5]);
    }
}

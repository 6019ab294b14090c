//! The saliency map of a window: the spectral residual, back in time.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

/// Amplitudes up to this count as 0.
const EPSILON: f64 = 1e-8;

/// The points over which logarithms of amplitudes, values and saliencies are averaged.
const N_AVERAGED: usize = 3;

/// How many points a window is continued by before its transform.
pub(super) const N_EXTRAPOLATED: usize = 5;

/// The spectral residual of windows of one length.
///
/// With the spectrum `A exp(iP)` of the window: `S = |F⁻¹(exp(ln A − h(ln A) + iP))|`, where `h` is the mean over a frequency
/// and the two below it, fewer at the start; frequencies whose amplitude is 0 stay so, with 0 for `ln A`.
///
/// Source: Ren et al., *Time-Series Anomaly Detection Service at Microsoft*, 2019, with the trailing mean of
/// microsoft/anomalydetector. The map does not change with the scale of the window.
pub(super) struct Saliency {
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Saliency {
    /// That of windows of `n_steps` values.
    pub(super) fn new(n_steps: usize) -> Self {
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(n_steps), inverse: planner.plan_fft_inverse(n_steps) }
    }

    /// The saliency of each of a window's values, at least 0.
    pub(super) fn map(&self, values: &[f64]) -> Vec<f64> {
        let mut wave: Vec<Complex<f64>> = values.iter().map(|&value| Complex::new(value, 0.0)).collect();
        self.forward.process(&mut wave);
        let logarithms: Vec<f64> =
            wave.iter().map(|z| z.norm()).map(|a| if a > EPSILON { a.ln() } else { 0.0 }).collect();
        for (z, (log, mean)) in wave.iter_mut().zip(logarithms.iter().zip(trailing_mean(&logarithms))) {
            let amplitude = z.norm();
            *z = if amplitude > EPSILON { *z * ((log - mean).exp() / amplitude) } else { Complex::ZERO };
        }
        self.inverse.process(&mut wave);
        #[expect(clippy::cast_precision_loss, reason = "the length of a window")]
        let n = values.len() as f64;
        wave.iter().map(|z| z.norm() / n).collect()
    }
}

/// The mean of each value and the two before it, of fewer at the start.
pub(super) fn trailing_mean(values: &[f64]) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "at most three")]
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (0..values.len()).map(|end| mean(&values[(end + 1).saturating_sub(N_AVERAGED)..=end])).collect()
}

/// Continues a window of at least seven values by [`N_EXTRAPOLATED`] values, all the same: `x_{n−m+1} + m g`, where `g` is the
/// mean slope from each of the `m = 5` points before `x_n` to it, and `x_n` is the last but one: the last value, which is judged,
/// takes no part in what is expected.
///
/// Source: Ren et al. 2019, with the points of microsoft/anomalydetector.
pub(super) fn extrapolate(values: &mut Vec<f64>) {
    let known = &values[values.len() - N_EXTRAPOLATED - 2..values.len() - 1];
    let last = known[N_EXTRAPOLATED];
    let slopes = known[..N_EXTRAPOLATED].iter().zip([5.0, 4.0, 3.0, 2.0, 1.0]).map(|(x, steps)| (last - x) / steps);
    let next = known[1] + slopes.sum::<f64>();
    values.extend([next; N_EXTRAPOLATED]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saliency_of_an_impulse_is_an_impulse() {
        // All amplitudes are equal, so that nothing but 1 is left of them.
        let mut values = vec![0.0; 16];
        values[5] = 3.0;
        for (point, saliency) in Saliency::new(16).map(&values).into_iter().enumerate() {
            let want = if point == 5 { 1.0 } else { 0.0 };
            assert!((saliency - want).abs() < 1e-12, "{point}: got {saliency}, want {want}");
        }
    }

    #[test]
    fn the_saliency_of_a_constant_is_finite() {
        for value in [0.0, 3.0, 1e6] {
            assert!(Saliency::new(32).map(&[value; 32]).iter().all(|saliency| saliency.is_finite()));
        }
    }

    #[test]
    fn a_line_goes_on() {
        // The slope is 2 everywhere; the second of the six known values is 4 (points 0 to 5 are 2 to 12), and 5 steps on is 14.
        let mut values: Vec<f64> = (1..=7).map(|k| 2.0 * f64::from(k)).collect();
        extrapolate(&mut values);
        assert_eq!(values[7..], [14.0; 5]);
    }

    #[test]
    fn a_trailing_mean_starts_with_what_there_is() {
        assert_eq!(trailing_mean(&[1.0, 3.0, 5.0, 7.0]), [1.0, 2.0, 3.0, 5.0]);
    }
}

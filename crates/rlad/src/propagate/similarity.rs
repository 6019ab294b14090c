//! The weights of one window against many, as plain arithmetic that compiles to vector instructions.

use crate::matrix::{Kernel, vectorised};

/// Windows that are compared side by side.
const LANES: usize = 32;

/// Windows dimension by dimension, so that many are compared with one at once.
#[derive(Debug)]
pub(super) struct Columns {
    n: usize,
    n_dims: usize,
    /// Shape `[n / LANES, n_dims, LANES]`; 0 behind the last window.
    values: Vec<f64>,
}

impl Columns {
    /// `windows` has the shape `[n, n_dims]`.
    pub(super) fn of(windows: &[f32], n_dims: usize) -> Self {
        let n = windows.len() / n_dims;
        let mut values = vec![0.0; n.div_ceil(LANES) * n_dims * LANES];
        let blocks = values.chunks_exact_mut(n_dims * LANES).zip(windows.chunks(LANES * n_dims));
        for (block, windows) in blocks {
            for (lane, window) in windows.chunks_exact(n_dims).enumerate() {
                window.iter().enumerate().for_each(|(dim, value)| block[dim * LANES + lane] = f64::from(*value));
            }
        }
        Self { n, n_dims, values }
    }

    /// Writes `exp(-d² / σ²)` for the distance d of `window` from each window; 0 where it is not a number.
    pub(super) fn similarities(&self, window: &[f32], sigma: f64, out: &mut [f64]) {
        debug_assert_eq!(out.len(), self.n, "a weight a window");
        vectorised(Similarities { columns: self, window, rate: 1.0 / (sigma * sigma), out });
    }
}

struct Similarities<'a> {
    columns: &'a Columns,
    window: &'a [f32],
    rate: f64,
    out: &'a mut [f64],
}

impl Kernel for Similarities<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let blocks = self.columns.values.chunks_exact(self.columns.n_dims * LANES);
        for (out, block) in self.out.chunks_mut(LANES).zip(blocks) {
            let mut squares = [0.0; LANES];
            for (value, column) in self.window.iter().zip(block.as_chunks::<LANES>().0) {
                let value = f64::from(*value);
                for (square, other) in squares.iter_mut().zip(column) {
                    *square += (value - other) * (value - other);
                }
            }
            // In place, since a `map` of the array would be a function of its own, without these vectors.
            for square in &mut squares {
                *square = exp_of_minus(*square * self.rate);
            }
            out.copy_from_slice(&squares[..out.len()]);
        }
    }
}

/// `exp(-x)` with a relative error below 2e-15, for `x` of at least 0; 0 from 708 on, where it is below 1e-307, and for NaN.
///
/// With `-x = k ln 2 + r`, `|r| <= ln 2 / 2`, it is `2^k` times the series of `exp r` up to `r¹³`.
#[inline(always)]
fn exp_of_minus(x: f64) -> f64 {
    /// Adding it rounds a small number to a whole one, which then stands in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// ln 2 in two parts, the first with zeros in its last bits.
    const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    let is_far = x.is_nan() || x >= 708.0;
    let x = if is_far { 0.0 } else { x };
    let rounded = -x * std::f64::consts::LOG2_E + ROUND;
    let k = rounded - ROUND;
    let r = (-x - k * LN_2_HIGH) - k * LN_2_LOW;
    let mut series = 1.0 / 6_227_020_800.0;
    for factor in [479_001_600.0, 39_916_800.0, 3_628_800.0, 362_880.0, 40_320.0, 5_040.0, 720.0, 120.0, 24.0, 6.0, 2.0]
    {
        series = series * r + 1.0 / factor;
    }
    let series = (series * r + 1.0) * r + 1.0;
    let power = f64::from_bits(rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023) << 52);
    if is_far { 0.0 } else { series * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_near_the_exact_one() {
        for x in (0..70_000).map(|i| f64::from(i) * 0.010_1).chain([1e-300, 1e-9, 0.5, 707.999]) {
            let exact = (-x).exp();
            assert!((exp_of_minus(x) - exact).abs() <= 2e-15 * exact, "exp(-{x}): {} and {exact}", exp_of_minus(x));
        }
        assert_eq!(
            [0.0, 708.0, 1e300, f64::INFINITY, f64::NAN].map(|x| exp_of_minus(x).to_bits()),
            [1.0_f64, 0.0, 0.0, 0.0, 0.0].map(f64::to_bits)
        );
    }

    #[test]
    fn the_weights_by_hand() {
        // 33 windows of two numbers, so that the second block has one: (i, 0) against (0, 1).
        let windows: Vec<f32> = (0..33_u8).flat_map(|i| [f32::from(i), 0.0]).collect();
        let mut out = vec![f64::NAN; 33];
        Columns::of(&windows, 2).similarities(&[0.0, 1.0], 2.0, &mut out);
        for (i, weight) in (0_u8..).zip(&out) {
            let exact = (-(f64::from(i).powi(2) + 1.0) / 4.0).exp();
            assert!((weight - exact).abs() <= 1e-14 * exact, "{i}: {weight} and {exact}");
        }
    }
}

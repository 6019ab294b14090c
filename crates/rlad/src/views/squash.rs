//! The last function of each view, for all views of a point at once, as plain arithmetic that compiles to vector instructions.

use crate::matrix::{Kernel, vectorised};

/// No view but `min-max` goes further from 0 than this.
const LIMIT: f64 = 10.0;
/// Beyond this, and below one over it, both functions are at the limit.
const FAR: f64 = 1e5;
/// The views that are finished together.
pub(super) const LANES: usize = 8;

/// Some views of a point before their last function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    distances: [f64; LANES],
    units: [f64; LANES],
    weights: [f64; LANES],
    /// 1 where the function is the logarithm, 0 where it is asinh.
    is_log: [f64; LANES],
}

impl Raw {
    pub(super) const NOTHING: Self =
        Self { distances: [0.0; LANES], units: [0.0; LANES], weights: [0.0; LANES], is_log: [0.0; LANES] };

    /// `weight` times `asinh(distance / unit)` within the limit; 0 where the unit is 0.
    pub(super) const fn squash(&mut self, at: usize, distance: f64, unit: f64, weight: f64) {
        self.distances[at] = distance;
        self.units[at] = unit;
        self.weights[at] = weight;
    }

    /// `ln(size / unit)` within the limit; 0 where the unit is 0. Sizes are not negative.
    pub(super) const fn log(&mut self, at: usize, size: f64, unit: f64) {
        self.squash(at, size, unit, 1.0);
        self.is_log[at] = 1.0;
    }

    /// The views.
    pub(super) fn finish(self) -> [f64; LANES] {
        let mut out = [0.0; LANES];
        vectorised(Finish { raw: &self, out: &mut out });
        out
    }
}

/// `asinh(distance / unit)` within the limit; 0 where the unit is 0.
pub(super) fn squash(distance: f64, unit: f64) -> f64 {
    let mut raw = Raw::NOTHING;
    raw.squash(0, distance, unit, 1.0);
    raw.finish()[0]
}

struct Finish<'a> {
    raw: &'a Raw,
    out: &'a mut [f64; LANES],
}

impl Kernel for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Raw { distances, units, weights, is_log } = self.raw;
        for lane in 0..LANES {
            let (unit, log) = (units[lane], is_log[lane] > 0.0);
            let ratio = if unit > 0.0 { distances[lane] / unit } else { is_log[lane] };
            let size = ratio.abs().min(FAR);
            // asinh |x| = ln(1 + |x| + x² / (1 + √(1 + x²))), which loses nothing near 0.
            let square = size * size;
            let above = if log { size.max(1.0 / FAR) - 1.0 } else { size + square / (1.0 + (1.0 + square).sqrt()) };
            let value = ln_of_1_and(above).clamp(-LIMIT, LIMIT);
            self.out[lane] = weights[lane] * if log { value } else { value.copysign(ratio) };
        }
    }
}

/// `ln(1 + above)` within 1e-12 of the larger of 1 and itself, for numbers above -1.
///
/// With `1 + above = 2^k m`, m from √½ to √2, it is `k ln 2 + 2 artanh z`, `z = (m - 1) / (m + 1)`, whose series is cut behind `z¹⁵`.
#[inline(always)]
fn ln_of_1_and(above: f64) -> f64 {
    const ROOT_OF_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    let number = 1.0 + above;
    let steps = (number.to_bits().wrapping_sub(ROOT_OF_HALF) as i64) >> 52;
    let within = f64::from_bits(number.to_bits().wrapping_sub((steps << 52) as u64));
    let over = if steps == 0 { above } else { within - 1.0 };
    let z = over / (within + 1.0);
    let s = z * z;
    let series = 1.0 / 15.0;
    let series = series * s + 1.0 / 13.0;
    let series = series * s + 1.0 / 11.0;
    let series = series * s + 1.0 / 9.0;
    let series = series * s + 1.0 / 7.0;
    let series = series * s + 1.0 / 5.0;
    let series = series * s + 1.0 / 3.0;
    (steps as i32 as f64) * std::f64::consts::LN_2 + 2.0 * z * (series * s + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_functions_are_near_the_exact_ones(distance in -1e6..1e6_f64, exponent in -12..12_i32) {
            let unit = 10_f64.powi(exponent);
            let exact = (distance / unit).asinh().clamp(-LIMIT, LIMIT);
            prop_assert!((squash(distance, unit) - exact).abs() <= 1e-12 * exact.abs(), "{distance} {unit}");
            let mut raw = Raw::NOTHING;
            raw.log(3, distance.abs(), unit);
            let exact = (distance.abs() / unit).ln().clamp(-LIMIT, LIMIT);
            prop_assert!((raw.finish()[3] - exact).abs() <= 1e-11, "{distance} {unit}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "values that are exact")]
    fn the_ends_and_0_are_exact() {
        assert_eq!(
            [squash(0.0, 1.0), squash(5.0, 0.0), squash(1e300, 1e-300), squash(-1e300, 1e-300)],
            [0.0, 0.0, LIMIT, -LIMIT]
        );
        let mut raw = Raw::NOTHING;
        raw.log(0, 0.0, 1.0);
        raw.log(1, 7.0, 7.0);
        raw.log(2, 7.0, 0.0);
        raw.log(3, 1e300, 1e-300);
        raw.squash(4, 3.0, 1.0, 0.5);
        let out = raw.finish();
        assert_eq!(out[..4], [-LIMIT, 0.0, 0.0, LIMIT]);
        assert!((out[4] - 0.5 * 3.0_f64.asinh()).abs() < 1e-12);
    }
}

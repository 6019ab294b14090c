//! The last function of each feature, for many features at once, as plain arithmetic that compiles to vector instructions.

use crate::models::matrix::{Kernel, vectorised};

/// No feature but `min-max` goes further from 0 than this.
const LIMIT: f64 = 10.0;
/// Beyond this, and below one over it, both functions are at the limit.
const FAR: f64 = 1e5;
/// The features that are finished together: several points of a batch, and all of most points of a stream.
const N_TOGETHER: usize = 64;
/// A buffer is finished in pieces of as many.
const LANES: usize = 8;

/// The parts of a feature, which is the value of its last function at `distance / unit`, times `weight`; 0 where the unit is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    distance: f64,
    unit: f64,
    weight: f64,
    function: Function,
}

/// The last function of a feature.
#[derive(Clone, Copy, Debug)]
enum Function {
    Asinh,
    Log,
    Identity,
}

impl Measured {
    /// `asinh(distance / unit)` within the limit.
    pub(super) const fn squashed(distance: f64, unit: f64) -> Self {
        Self { distance, unit, weight: 1.0, function: Function::Asinh }
    }

    /// `ln(size / unit)` within the limit. Sizes are not negative.
    pub(super) const fn log(size: f64, unit: f64) -> Self {
        Self { distance: size, unit, weight: 1.0, function: Function::Log }
    }

    /// A number as it is.
    pub(super) const fn plain(value: f64) -> Self {
        Self { distance: value, unit: 1.0, weight: 1.0, function: Function::Identity }
    }

    /// The same, `weight` times.
    pub(super) const fn times(self, weight: f64) -> Self {
        Self { weight, ..self }
    }
}

/// Makes features of what they are measured by, one after the other, many at once: a processor that reads into a vector what it
/// has just written number by number waits for it.
#[derive(Debug)]
pub(super) struct Finish<'a> {
    lanes: Lanes,
    n: usize,
    out: &'a mut [f32],
}

/// Some features before their last function.
#[derive(Clone, Debug)]
struct Lanes {
    distances: [f64; N_TOGETHER],
    units: [f64; N_TOGETHER],
    weights: [f64; N_TOGETHER],
    functions: [f64; N_TOGETHER],
}

impl<'a> Finish<'a> {
    /// The features are written to `out`, in their order.
    pub(super) const fn new(out: &'a mut [f32]) -> Self {
        let nothing = [0.0; N_TOGETHER];
        Self { lanes: Lanes { distances: nothing, units: nothing, weights: nothing, functions: nothing }, n: 0, out }
    }

    /// The next feature; those before it may be written first.
    pub(super) fn put(&mut self, Measured { distance, unit, weight, function }: Measured) {
        let at = self.n;
        self.lanes.distances[at] = distance;
        self.lanes.units[at] = unit;
        self.lanes.weights[at] = weight;
        self.lanes.functions[at] = f64::from(function as u8);
        self.n += 1;
        if self.n == N_TOGETHER {
            self.flush();
        }
    }

    /// Writes the features that were put and are not yet written.
    ///
    /// # Panics
    /// If `out` has no place for them.
    pub(super) fn flush(&mut self) {
        let (out, rest) = std::mem::take(&mut self.out).split_at_mut(self.n);
        vectorised(Flush { lanes: &mut self.lanes, n: self.n });
        for (out, &value) in out.iter_mut().zip(&self.lanes.distances) {
            *out = value as f32;
        }
        self.out = rest;
        self.n = 0;
    }
}

/// Writes the first `n` features over their distances.
struct Flush<'a> {
    lanes: &'a mut Lanes,
    n: usize,
}

impl Kernel for Flush<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::float_cmp, reason = "which function it is, a small whole number")]
    fn call(self) {
        let Lanes { distances, units, weights, functions } = self.lanes;
        let (distances, _) = distances.as_chunks_mut::<LANES>();
        let (units, _) = units.as_chunks::<LANES>();
        let (weights, _) = weights.as_chunks::<LANES>();
        let (functions, _) = functions.as_chunks::<LANES>();
        let lanes = distances.iter_mut().zip(units).zip(weights).zip(functions);
        for (((distances, units), weights), functions) in lanes.take(self.n.div_ceil(LANES)) {
            for lane in 0..LANES {
                let distance = distances[lane];
                let (unit, weight, function) = (units[lane], weights[lane], functions[lane]);
                let is_log = function == const { Function::Log as u8 as f64 };
                // What has no unit is 0 by both functions.
                let ratio = if unit > 0.0 { distance / unit } else { function };
                let size = ratio.abs().min(FAR);
                // asinh |x| = ln(1 + |x| + x² / (1 + √(1 + x²))), which loses nothing near 0.
                let square = size * size;
                let above =
                    if is_log { size.max(1.0 / FAR) - 1.0 } else { size + square / (1.0 + (1.0 + square).sqrt()) };
                let value = ln_of_1_and(above).clamp(-LIMIT, LIMIT);
                let value = weight * if is_log { value } else { value.copysign(ratio) };
                distances[lane] = if function == const { Function::Identity as u8 as f64 } { distance } else { value };
            }
        }
    }
}

/// `ln(1 + above)` within 1e-12 of the larger of 1 and itself, for numbers above -1.
///
/// With `1 + above = 2^k m`, m from √½ to √2, it is `k ln 2 + 2 artanh z`, `z = (m - 1) / (m + 1)`, whose series is cut after `z¹⁵`.
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
    f64::from(steps as i32) * std::f64::consts::LN_2 + 2.0 * z * (series * s + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finished<const N: usize>(put: impl FnOnce(&mut Finish<'_>)) -> [f32; N] {
        let mut out = [f32::NAN; N];
        let mut finish = Finish::new(&mut out);
        put(&mut finish);
        finish.flush();
        out
    }

    /// One value by both functions, in full precision.
    fn exactly(distance: f64, unit: f64) -> (f64, f64) {
        let mut out = [];
        let mut finish = Finish::new(&mut out);
        finish.put(Measured::squashed(distance, unit));
        finish.put(Measured::log(distance.abs(), unit));
        vectorised(Flush { lanes: &mut finish.lanes, n: finish.n });
        (finish.lanes.distances[0], finish.lanes.distances[1])
    }

    proptest! {
        #[test]
        fn both_functions_are_near_the_exact_ones(distance in -1e6..1e6_f64, exponent in -12..12_i32) {
            let unit = 10_f64.powi(exponent);
            let (squashed, logarithm) = exactly(distance, unit);
            let exact = (distance / unit).asinh().clamp(-LIMIT, LIMIT);
            prop_assert!((squashed - exact).abs() <= 1e-12 * exact.abs(), "{distance} {unit}");
            let exact = (distance.abs() / unit).ln().clamp(-LIMIT, LIMIT);
            prop_assert!((logarithm - exact).abs() <= 1e-11, "{distance} {unit}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "values that are exact")]
    fn the_ends_and_0_are_exact() {
        let out = finished::<9>(|finish| {
            finish.put(Measured::squashed(0.0, 1.0));
            finish.put(Measured::squashed(5.0, 0.0));
            finish.put(Measured::squashed(1e300, 1e-300));
            finish.put(Measured::squashed(-1e300, 1e-300));
            finish.put(Measured::log(0.0, 1.0));
            finish.put(Measured::log(7.0, 7.0));
            finish.put(Measured::log(7.0, 0.0));
            finish.put(Measured::log(1e300, 1e-300));
            finish.put(Measured::plain(-3.0));
        });
        assert_eq!(out, [0.0, 0.0, 10.0, -10.0, -10.0, 0.0, 0.0, 10.0, -3.0]);
    }

    #[test]
    fn many_are_finished_in_their_order() {
        let out = finished::<{ 2 * N_TOGETHER + 5 }>(|finish| {
            for at in 0..2 * N_TOGETHER + 5 {
                finish.put(Measured::squashed(at as f64, 1.0).times(0.5));
            }
        });
        for (at, value) in out.into_iter().enumerate() {
            assert!((f64::from(value) - 0.5 * (at as f64).asinh()).abs() < 1e-6, "{at}");
        }
    }
}

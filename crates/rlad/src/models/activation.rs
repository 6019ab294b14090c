//! The logistic function and tanh as plain arithmetic, which compiles to vector instructions.

/// tanh is ±1 in `f32` from here on.
const BOUND: f32 = 9.0;

/// The coefficients of `P` and `Q` from the lowest power of x² up, printed by `bench/reference/tanh_coefficients.py`.
const P: [f32; 5] = [1.0, 0.133_839_71, 0.003_498_986, 2.066_109_1e-5, 1.341_957_7e-8];
const Q: [f32; 5] = [1.0, 0.467_172_92, 0.025_890_168, 0.000_329_102_16, 7.804_631e-7];

/// tanh `x` as `x P(x²) / Q(x²)`, within 4e-7 of the exact value, in `[-1, 1]`, odd; NaN for NaN.
///
/// The coefficients are a least-maximum fit of the relative error on `|x| <= 9`; beyond, `x` is clamped.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let x = x.clamp(-BOUND, BOUND);
    let square = x * x;
    let top = (((P[4] * square + P[3]) * square + P[2]) * square + P[1]) * square + P[0];
    let bottom = (((Q[4] * square + Q[3]) * square + Q[2]) * square + Q[1]) * square + Q[0];
    (x * top / bottom).clamp(-1.0, 1.0)
}

/// The logistic function `1 / (1 + exp(-x))` as `(1 + tanh(x / 2)) / 2`, within 3e-7, in `[0, 1]`; NaN for NaN.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    0.5 * tanh(0.5 * x) + 0.5
}

/// `max(x, 0)`; NaN for NaN, which `f32::max` would hide.
#[inline(always)]
pub(crate) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points() -> impl Iterator<Item = f32> {
        (-400_000..=400_000_i32).map(|k| k as f32 * 5e-5).chain([1e-30, -1e-30, 1e4, -1e4, f32::MAX, f32::MIN])
    }

    #[test]
    fn tanh_and_the_logistic_function_are_near_the_exact_ones() {
        for x in points() {
            let exact = f64::from(x);
            assert!((f64::from(tanh(x)) - exact.tanh()).abs() < 4e-7, "tanh({x})");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-exact).exp())).abs() < 3e-7, "sigmoid({x})");
            if x.abs() < 0.1 {
                assert!((f64::from(tanh(x)) - exact.tanh()).abs() <= 3e-7 * exact.abs(), "relatively, tanh({x})");
            }
        }
    }

    #[test]
    fn they_saturate_stay_in_range_and_are_symmetric() {
        for x in points() {
            assert!((-1.0..=1.0).contains(&tanh(x)) && (0.0..=1.0).contains(&sigmoid(x)));
            assert_eq!(tanh(-x).to_bits(), (-tanh(x)).to_bits(), "tanh is odd at {x}");
        }
        for (x, limit) in [(f32::INFINITY, 1.0), (100.0, 1.0), (f32::NEG_INFINITY, -1.0), (-100.0, -1.0)] {
            assert!((tanh(x) - limit).abs() < 2e-7 && (sigmoid(x) - limit.max(0.0)).abs() < 2e-7);
        }
    }

    #[test]
    fn nan_stays_nan() {
        assert!(tanh(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan() && relu(f32::NAN).is_nan());
    }
}

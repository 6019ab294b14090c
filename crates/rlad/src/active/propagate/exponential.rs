//! The exponential of a weight, as plain arithmetic that compiles to vector instructions.

/// `exp(-x)` with a relative error below 2e-15, for `x` of at least 0; 0 from 708 on, where it is below 1e-307, and for NaN.
///
/// With `-x = k ln 2 + r`, `|r| <= ln 2 / 2`, it is `2^k` times the series of `exp r` up to `r¹³`.
#[inline(always)]
pub(super) fn exp_of_minus(x: f64) -> f64 {
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
}

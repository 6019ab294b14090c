//! The training examples of SR-CNN: saliency maps of windows into which anomalies were put.

use rand::{Rng, RngExt};

use crate::baselines::saliency::Saliency;

/// Windows are brought to `[0, TOP]`.
const TOP: f64 = 3.0;

/// The addition to the range of a window, so that a constant one has a scale.
const LEAST_RANGE: f64 = 1e-5;

/// The points over which values and saliencies are averaged.
const N_AVERAGED: usize = 3;

/// Saliencies below this are nobody's.
const LEAST_SALIENCY: f64 = 0.001;

/// Brings the values of a window to `[0, 3]`.
pub(super) fn normalise(values: &mut [f64]) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    values.iter_mut().for_each(|value| *value = TOP * (*value - least) / (most - least + LEAST_RANGE));
}

/// Puts 1 to `max_anomalies - 1` anomalies into a normalised window and returns where they are: at random points, a value `x`
/// becomes `x + (local mean + mean) r min(1 + variance, 10)` with a standard normal `r`.
///
/// Source: Ren et al. 2019, with the factor's bound of microsoft/anomalydetector, and the local mean of three
/// points.
pub(super) fn inject(values: &mut [f64], max_anomalies: usize, rng: &mut impl Rng) -> Vec<bool> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let local_means = trailing_mean(values);
    let mut is_anomaly = vec![false; values.len()];
    let n_anomalies = rng.random_range(1..max_anomalies).min(values.len());
    for point in rand::seq::index::sample(rng, values.len(), n_anomalies) {
        values[point] += (local_means[point] + mean) * normal(rng) * (1.0 + variance).min(10.0);
        is_anomaly[point] = true;
    }
    is_anomaly
}

/// Takes the anomalies back that do not stand out of a saliency map: those below the mean of their own and the two values
/// before, and those where both are below .001.
///
/// Source: microsoft/anomalydetector. Its rules that make points anomalies, where the saliency is more than five times that
/// mean, are left out: three times is the most that a mean of three allows.
pub(super) fn correct(is_anomaly: &mut [bool], saliency: &[f64]) {
    for (is_anomaly, (value, mean)) in is_anomaly.iter_mut().zip(saliency.iter().zip(trailing_mean(saliency))) {
        let none = *value < LEAST_SALIENCY && mean < LEAST_SALIENCY;
        *is_anomaly &= !none && *value >= mean;
    }
}

/// A window's saliency map and where it has anomalies.
pub(super) fn example(
    values: &mut [f64],
    max_anomalies: usize,
    saliency: &mut Saliency,
    rng: &mut impl Rng,
) -> (Vec<f64>, Vec<bool>) {
    normalise(values);
    let mut is_anomaly = inject(values, max_anomalies, rng);
    let map = saliency.of(values);
    correct(&mut is_anomaly, &map);
    (map, is_anomaly)
}

/// The mean of each value and the two before it, of fewer at the start.
fn trailing_mean(values: &[f64]) -> Vec<f64> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (0..values.len()).map(|end| mean(&values[(end + 1).saturating_sub(N_AVERAGED)..=end])).collect()
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    // In (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_window_is_brought_to_0_to_3_and_a_constant_to_0() {
        let mut values = [5.0, 7.0, 6.0];
        normalise(&mut values);
        for (got, want) in values.iter().zip([0.0, 3.0, 1.5]) {
            assert!((got - want).abs() < 2e-5, "got {got}, want {want}");
        }
        let mut constant = [4.0; 3];
        normalise(&mut constant);
        assert!(constant.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn points_change_where_anomalies_are_and_nowhere_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let before: Vec<f64> = (0..32).map(|k| 1.0 + f64::from(k % 5)).collect();
            let mut values = before.clone();
            let is_anomaly = inject(&mut values, 4, &mut rng);
            for ((before, after), is_anomaly) in before.iter().zip(&values).zip(&is_anomaly) {
                assert_eq!(before.to_bits() != after.to_bits(), *is_anomaly);
            }
            counts.insert(is_anomaly.iter().filter(|&&is_anomaly| is_anomaly).count());
        }
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn an_anomaly_that_does_not_stand_out_is_taken_back() {
        let mut is_anomaly = [true, true, true, false, true];
        correct(&mut is_anomaly, &[1.0, 4.0, 0.5, 9.0, 0.0001]);
        assert_eq!(is_anomaly, [true, true, false, false, false]);
        let mut nothing = [true, true];
        correct(&mut nothing, &[1e-4, 2e-4]);
        assert_eq!(nothing, [false, false]);
    }

    #[test]
    fn a_trailing_mean_starts_with_what_there_is() {
        assert_eq!(trailing_mean(&[1.0, 3.0, 5.0, 7.0]), [1.0, 2.0, 3.0, 5.0]);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let numbers: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}

//! Reference values of the baselines, and the series that several of their tests take.

use serde_json::Value;

use super::windows::{Arrays, Corpus, Scaled};

/// The values of the statistics of one channel, written by `bench/reference/baselines_statistics.py`.
pub(super) fn of_statistics() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/baselines_statistics.json")).unwrap()
}

/// The values of the networks, written by `bench/reference/baselines_networks.py`.
pub(super) fn of_networks() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/baselines_networks.json")).unwrap()
}

/// The values of the classic detectors, written by `bench/reference/baselines_classic.py`.
pub(super) fn of_classics() -> Value {
    serde_json::from_str(include_str!("../../tests/reference/baselines_classic.json")).unwrap()
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

pub(super) fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|value| value as f32).collect()
}

/// Asserts that each element is within `tolerance` of the reference, relative to the largest element.
pub(super) fn assert_near(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= tolerance * largest, "{what}[{k}]: got {got}, want {want}, of {largest}");
    }
}

/// The same for values of the networks' own precision.
pub(super) fn assert_floats_near(what: &str, got: &[f32], want: &Value, tolerance: f64) {
    let got: Vec<f64> = got.iter().copied().map(f64::from).collect();
    assert_near(what, &got, &numbers(want), tolerance);
}

/// Weight k, counted over the weights of all networks in order, becomes .3 sin(1 + k), as in the reference.
pub(super) fn fill<'a>(weights: impl IntoIterator<Item = &'a mut [f32]>) {
    let weights = weights.into_iter().flatten();
    weights.enumerate().for_each(|(k, weight)| *weight = (0.3 * (1.0 + k as f64).sin()) as f32);
}

/// A sine of period 20, where one period before the last 90 points is upside down; and the odd points.
pub(super) fn sine_with_an_odd_period(n_points: usize) -> (Scaled, std::ops::Range<usize>) {
    let odd = n_points - 110..n_points - 90;
    let sine = |point: usize| (std::f32::consts::TAU * point as f32 / 20.0).sin() * 1.4;
    let values = (0..n_points).map(|point| if odd.contains(&point) { -sine(point) } else { sine(point) }).collect();
    (Scaled { values, n_channels: 1 }, odd)
}

/// A corpus of one series of which the first points are learned from.
pub(super) fn corpus(series: Scaled, n_training: usize) -> Corpus {
    Corpus { series: vec![series], points: (0..n_training).map(|point| (0, point)).collect() }
}

/// Series that hold nothing to learn from, or nothing but extremes; none is longer than `n_points`.
pub(super) fn bad_series(n_points: usize) -> Vec<Scaled> {
    let values: [Vec<f32>; 4] = [
        vec![0.0; n_points],
        vec![1e6; n_points],
        (0..n_points).map(|point| if point % 2 == 0 { 1e6 } else { -1e6 }).collect(),
        vec![0.5; 3],
    ];
    let one = values.map(|values| Scaled { values, n_channels: 1 });
    let two = Scaled {
        values: (0..2 * n_points).map(|k| if k % 2 == 0 { 0.0 } else { (k as f32).sin() }).collect(),
        n_channels: 2,
    };
    one.into_iter().chain([two]).collect()
}

/// The arrays of a fitted baseline as they come back from a file.
pub(super) fn stored(arrays: Vec<(&'static str, &[f32])>) -> Arrays {
    arrays.into_iter().map(|(name, array)| (name.to_owned(), array.to_vec())).collect()
}

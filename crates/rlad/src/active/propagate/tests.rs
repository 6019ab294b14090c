use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::f64::consts::LN_2;

use super::*;
use crate::config::Config;

const ANOMALY: Option<Label> = Some(Label::Anomaly);
const NORMAL: Option<Label> = Some(Label::Normal);

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/propagate.json")).unwrap()
}

fn windows(reference: &Value) -> Vec<f32> {
    reference["windows"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn spreading() -> PropagationConfig {
    PropagationConfig { method: PropagationMethod::Spreading, max_iterations: 30, ..Config::paper().paper.propagation }
}

fn propagation() -> PropagationConfig {
    PropagationConfig { method: PropagationMethod::Propagation, ..spreading() }
}

fn close(got: f64, want: f64, tolerance: f64, what: impl std::fmt::Display) {
    assert!((got - want).abs() <= tolerance, "{what}: got {got}, want {want}");
}

#[test]
fn every_case_is_scikit_learns() {
    let reference = reference();
    let windows = windows(&reference);
    for case in reference["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let n_neighbors = count(&case["n_neighbors"]);
        let config = PropagationConfig {
            method: serde_json::from_value(case["method"].clone()).unwrap(),
            sigma: case["sigma"].as_f64().unwrap(),
            alpha: case["alpha"].as_f64().unwrap(),
            tolerance: case["tolerance"].as_f64().unwrap(),
            max_iterations: count(&case["max_iterations"]),
            max_exact: if n_neighbors == 0 { 200 } else { 0 },
            n_neighbors,
            ..spreading()
        };
        let labels = case["labels"].as_array().unwrap().iter().map(|label| match label.as_i64().unwrap() {
            0 => NORMAL,
            1 => ANOMALY,
            _ => None,
        });
        let got = propagate(&windows, 25, &labels.collect::<Vec<_>>(), &config);
        assert_eq!(got.n_iterations, count(&case["n_iterations"]), "{name}");
        for (window, p) in got.p_anomaly.iter().enumerate() {
            let reached = case["reached"][window].as_bool().unwrap();
            let want = if reached { case["p_anomaly"][window].as_f64().unwrap() } else { 0.5 };
            close(*p, want, 1e-9, format_args!("{name}, window {window}"));
        }
        if let Some(want) = case["entropy_sum"].as_f64() {
            close(got.p_anomaly.iter().map(|p| entropy(*p)).sum(), want, 1e-7, name);
        }
    }
}

#[test]
fn rounding_the_windows_to_single_precision_costs_little() {
    let reference = reference();
    let case = &reference["double_precision"];
    let mut labels = vec![None; 200];
    for window in [5, 40, 90, 150] {
        labels[window] = NORMAL;
    }
    for window in [97, 98, 100, 104] {
        labels[window] = ANOMALY;
    }
    let got = propagate(&windows(&reference), 25, &labels, &spreading());
    assert_eq!(got.n_iterations, count(&case["n_iterations"]));
    for (window, want) in case["p_anomaly"].as_object().unwrap() {
        close(got.p_anomaly[window.parse::<usize>().unwrap()], want.as_f64().unwrap(), 2e-6, window);
    }
    let entropies: Vec<f64> = got.p_anomaly.iter().map(|p| entropy(*p)).collect();
    close(entropies.iter().sum(), case["entropy_sum"].as_f64().unwrap(), 1e-4, "entropy");
    let mut unlabelled: Vec<usize> = (0..200).filter(|window| labels[*window].is_none()).collect();
    unlabelled.sort_by(|a, b| entropies[*a].total_cmp(&entropies[*b]));
    assert!(case["most_certain"].as_array().unwrap().iter().map(count).eq(unlabelled[..10].iter().copied()));
}

#[test]
fn three_windows_by_hand() {
    // Windows 0, 1 and 3, σ = 1: w01 = e^-1, w02 = e^-9, w12 = e^-4. Hard clamping leaves the window between to the ratio
    // of its weights: p = w12 / (w01 + w12) = 1 / (1 + e^3), after any number of passes, since its own share cancels out.
    let config = PropagationConfig { sigma: 1.0, max_iterations: 200, tolerance: 1e-14, ..propagation() };
    let got = propagate(&[0.0, 1.0, 3.0], 1, &[NORMAL, None, ANOMALY], &config);
    close(got.p_anomaly[1], 1.0 / (1.0 + 3.0_f64.exp()), 1e-12, "between");
    assert!(got.converged);
    assert_eq!((got.p_anomaly[0].to_bits(), got.p_anomaly[2].to_bits()), (0.0_f64.to_bits(), 1.0_f64.to_bits()));
}

#[test]
fn spreading_settles_where_its_equation_holds() {
    // Two windows, S = [[0, 1], [1, 0]] at any distance. F = α S F + (1 - α) Y with Y = (1, 0) for window 0 normal and
    // (0, 1) for window 1 anomalous: p of window 0 is α / (1 + α).
    let config = PropagationConfig { max_iterations: 1_000, tolerance: 1e-15, ..spreading() };
    let got = propagate(&[0.0, 0.3], 1, &[NORMAL, ANOMALY], &config);
    close(got.p_anomaly[0], 0.2 / 1.2, 1e-14, "normal");
    close(got.p_anomaly[1], 1.0 / 1.2, 1e-14, "anomaly");
}

#[test]
fn where_no_label_reaches_all_is_open() {
    for method in [PropagationMethod::Propagation, PropagationMethod::Spreading] {
        for max_exact in [0, 100] {
            let config = PropagationConfig { method, max_exact, ..spreading() };
            let none = propagate(&[0.0, 0.1, 5.0], 1, &[None; 3], &config);
            assert_eq!(none, Propagation { p_anomaly: vec![0.5; 3], n_iterations: 0, converged: true });
            assert!(propagate(&[], 3, &[], &config).p_anomaly.is_empty());

            // The third is so far that exp(-d² / σ²) underflows, the fourth and fifth resemble nothing.
            let windows = [0.0, 0.1, 1_000.0, f32::NAN, f32::INFINITY];
            let far = propagate(&windows, 1, &[NORMAL, None, None, None, None], &config);
            assert!(far.p_anomaly[1].abs() < 1e-12);
            assert_eq!(&far.p_anomaly[2..], [0.5; 3]);
            // A label counts where it stands, even where it reaches nothing.
            let alone = propagate(&windows, 1, &[NORMAL, None, ANOMALY, ANOMALY, None], &config);
            assert_eq!(&alone.p_anomaly[2..], [1.0, 1.0, 0.5]);
        }
    }
    close(entropy(0.5), LN_2, 1e-16, "entropy");
}

#[test]
fn one_class_alone_takes_all_that_it_reaches() {
    for (label, want) in [(NORMAL, 0.0), (ANOMALY, 1.0)] {
        for config in [spreading(), propagation()] {
            let got = propagate(&[0.0, 0.1, 0.2, 0.3], 1, &[None, label, None, None], &config);
            assert!(got.p_anomaly.iter().all(|p| (p - want).abs() < 1e-15), "{:?}", got.p_anomaly);
        }
    }
}

#[test]
fn identical_windows_share_their_labels() {
    for max_exact in [0, 100] {
        let config = PropagationConfig { max_iterations: 500, tolerance: 1e-12, max_exact, ..propagation() };
        let mut labels = vec![None; 60];
        labels[0] = ANOMALY;
        labels[1] = ANOMALY;
        labels[2] = NORMAL;
        let got = propagate(&[0.5; 60 * 3], 3, &labels, &config);
        assert!(got.p_anomaly[3..].iter().all(|p| (p - 2.0 / 3.0).abs() < 1e-6), "{:?}", got.p_anomaly);
    }
}

#[test]
fn entropy_is_0_when_certain_and_highest_in_doubt() {
    close(entropy(0.0), 0.0, 0.0, "normal");
    close(entropy(1.0), 0.0, 0.0, "anomaly");
    close(entropy(0.25), 0.25 * 4.0_f64.ln() + 0.75 * (4.0_f64 / 3.0).ln(), 1e-15, "a quarter");
}

#[test]
fn near_windows_are_enough_for_two_clusters() {
    // Two clouds of 400 windows each, one label in each: the exact kernel and the graph of near windows agree on all,
    // given enough passes for the labels to cross the graph.
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let windows: Vec<f32> = (0..800_u16)
        .flat_map(|window| [f32::from(window % 2), 0.0].map(|middle| middle + 0.2 * rng.random::<f32>()))
        .collect();
    let mut labels = vec![None; 800];
    labels[0] = NORMAL;
    labels[1] = ANOMALY;
    let exact = PropagationConfig { sigma: 0.1, max_iterations: 200, tolerance: 1e-200, ..spreading() };
    let near = PropagationConfig { max_exact: 0, ..exact.clone() };
    for config in [exact, near] {
        let got = propagate(&windows, 2, &labels, &config);
        let right = got.p_anomaly.iter().enumerate().filter(|(window, p)| (**p > 0.5) == (window % 2 == 1)).count();
        assert_eq!(right, 800, "max_exact {}", config.max_exact);
    }
}

proptest! {
    #[test]
    fn swapping_the_classes_swaps_the_probabilities(
        points in prop::collection::vec((-2.0_f32..2.0, 0_u8..5), 1..40),
        max_exact in prop_oneof![Just(0), Just(100)],
        method in prop_oneof![Just(PropagationMethod::Propagation), Just(PropagationMethod::Spreading)],
    ) {
        let windows: Vec<f32> = points.iter().map(|point| point.0).collect();
        let labels = |normal, anomaly| -> Vec<Option<Label>> {
            points.iter().map(|point| if point.1 == 0 { normal } else if point.1 == 1 { anomaly } else { None }).collect()
        };
        let config = PropagationConfig { method, max_exact, n_neighbors: 3, ..spreading() };
        let one = propagate(&windows, 1, &labels(NORMAL, ANOMALY), &config);
        let other = propagate(&windows, 1, &labels(ANOMALY, NORMAL), &config);
        for (p, q) in one.p_anomaly.iter().zip(&other.p_anomaly) {
            prop_assert!((0.0..=1.0).contains(p) && (p + q - 1.0).abs() < 1e-12, "{p} and {q}");
        }
    }
}

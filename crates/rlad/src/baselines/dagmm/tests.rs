//! Tests of DAGMM against PyTorch, and whether it learns.

use crate::baselines::window_detector::WindowDetector;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::mixture::EnergyForm;
use super::*;
use crate::baselines::reference::{
    assert_floats_near, assert_near, bad_series, corpus, fill, floats, numbers, of_networks, sine_with_an_odd_period,
    stored,
};

#[test]
fn energies_and_their_derivatives_are_pytorchs() {
    for case in of_networks()["energies"].as_array().unwrap() {
        let form = EnergyForm {
            jitter: case["jitter"].as_f64().unwrap(),
            floor: case["floor"].as_f64().unwrap(),
            compat_determinant: case["compat_determinant"].as_bool().unwrap(),
        };
        let samples = Samples { z: numbers(&case["z"]), memberships: numbers(&case["memberships"]), n_components: 2 };
        let mixture = Mixture::fit(&samples, form).unwrap();
        let energies: Vec<f64> = samples.z.chunks_exact(3).map(|z| mixture.energy(z, &mut Vec::new())).collect();
        assert_near("energies", &energies, &numbers(&case["energies"]), 1e-9);
        assert_near("penalty", &[mixture.penalty()], &[case["penalty"].as_f64().unwrap()], 1e-9);
        let mut gradient = Samples::default();
        let mean = mixture.backward(&samples, 0.1, 0.005, &mut gradient);
        assert_near("mean energy", &[mean], &[case["mean_energy"].as_f64().unwrap()], 1e-9);
        assert_near("by z", &gradient.z, &numbers(&case["d_z"]), 1e-8);
        assert_near("by γ", &gradient.memberships, &numbers(&case["d_memberships"]), 1e-8);
    }
}

#[test]
fn samples_gradients_and_steps_are_pytorchs() {
    for case in of_networks()["dagmm"].as_array().unwrap() {
        let config = DagmmConfig {
            compat_determinant: case["compat_determinant"].as_bool().unwrap(),
            jitter: case["jitter"].as_f64().unwrap(),
            ..DagmmConfig::default()
        };
        let mut model = Model::new(1, &config, &mut ChaCha8Rng::seed_from_u64(1));
        fill(model.networks_mut().map(|(_, network)| network.weights_mut()));
        let (rows, dropout) = (floats(&case["rows"]), floats(&case["dropout"]));
        let (mut work, mut gradient) = (Work::default(), Samples::default());
        model.forward(&rows, Some(&dropout), &mut work);
        assert_near("z", &work.samples.z, &numbers(&case["z"]), 1e-6);
        assert_near("γ", &work.samples.memberships, &numbers(&case["memberships"]), 1e-6);
        model.backward(&rows, Some(&dropout), &config, &mut gradient, &mut work).unwrap();
        assert_floats_near("gradient", &work.gradients().concat(), &case["gradient"], 1e-5);

        let mut trainer = Trainer::new(model);
        trainer.dropout = dropout;
        let losses: Vec<f64> = (0..3).map(|_| trainer.step(&rows, &config).unwrap()).collect();
        assert_near("losses", &losses, &numbers(&case["losses"]), 1e-5);
    }
}

#[test]
fn one_component_of_one_variable_has_the_energy_of_a_normal_distribution() {
    // Mean 0, variance 1.
    let samples = Samples { z: vec![-1.0, 1.0], memberships: vec![1.0, 1.0], n_components: 1 };
    let form = EnergyForm { jitter: 0.0, floor: 0.0, compat_determinant: false };
    let half = 0.5 * std::f64::consts::TAU.ln();
    let energy = |form| Mixture::fit(&samples, form).unwrap().energy(&[3.0], &mut Vec::new());
    assert!((energy(form) - half - 4.5).abs() < 1e-12);
    // A fourth of ln det in place of the half.
    let compat = EnergyForm { compat_determinant: true, ..form };
    assert!((energy(compat) - half / 2.0 - 4.5).abs() < 1e-12);
    // The floor bounds the energy.
    let floor = EnergyForm { floor: (-2.0_f64).exp(), ..form };
    assert!(energy(floor) < 2.0);
    let far = Mixture::fit(&samples, form).unwrap().energy(&[1e6], &mut Vec::new());
    assert!((far - half - 5e11).abs() < 1e-3, "no density is too small for its logarithm: {far}");
}

#[test]
fn samples_on_a_line_need_jitter() {
    let samples = Samples { z: vec![1.0, 1.0, 2.0, 2.0], memberships: vec![1.0, 1.0], n_components: 1 };
    let form = |jitter| EnergyForm { jitter, floor: 0.0, compat_determinant: false };
    assert!(Mixture::fit(&samples, form(0.0)).is_none());
    assert!(Mixture::fit(&samples, form(1e-6)).is_some());
}

#[test]
fn it_finds_the_odd_period_of_a_sine() {
    let (series, odd) = sine_with_an_odd_period(1500);
    let config = DagmmConfig { n_epochs: 5, ..DagmmConfig::default() };
    let fitted = Dagmm::fit(&corpus(series.clone(), 1300), &config, 1).unwrap();
    let scores = fitted.score(&series);
    let highest = |points: std::ops::Range<usize>| scores[points].iter().copied().fold(f64::MIN, f64::max);
    assert!(highest(odd) > highest(100..1300) + 3.0, "{} and {}", highest(1390..1410), highest(100..1300));
}

#[test]
fn the_same_seed_gives_the_same_scores_and_so_does_a_stored_model() {
    let (series, _) = sine_with_an_odd_period(500);
    let config = DagmmConfig { n_epochs: 1, max_windows: 200, ..DagmmConfig::default() };
    let fit = |seed| Dagmm::fit(&corpus(series.clone(), 300), &config, seed).unwrap();
    let (fitted, scores) = (fit(1), fit(1).score(&series));
    assert_eq!(scores, fitted.score(&series));
    assert_ne!(scores, fit(2).score(&series));
    let mut restored: Dagmm = serde_json::from_value(serde_json::to_value(&fitted).unwrap()).unwrap();
    restored.restore(&config, 1, &stored(fitted.arrays())).unwrap();
    assert_eq!(scores, restored.score(&series));
}

#[test]
fn series_without_sense_have_finite_scores() {
    for series in bad_series(100) {
        let n_points = series.len();
        match Dagmm::fit(&corpus(series.clone(), n_points), &DagmmConfig::default(), 1) {
            Ok(fitted) => assert!(fitted.score(&series).iter().all(|score| score.is_finite())),
            Err(error) => assert!(matches!(error, Error::Diverged { .. }), "{error}"),
        }
    }
    let nothing = Dagmm::fit(&corpus(bad_series(9).remove(0), 0), &DagmmConfig::default(), 1);
    assert!(matches!(nothing, Err(Error::Empty { .. })));
}

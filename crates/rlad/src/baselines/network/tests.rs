//! Tests of the networks against PyTorch and by finite differences.

use crate::error::Error;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::*;
use crate::baselines::reference::{assert_floats_near, assert_near, fill, floats, of_networks};
use crate::models::optimiser::{Moments, Momentum};

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn network(case: &Value) -> Network {
    let sizes: Vec<usize> = serde_json::from_value(case["sizes"].clone()).unwrap();
    let activations: Vec<Activation> = serde_json::from_value(case["activations"].clone()).unwrap();
    let normalised: Vec<usize> = serde_json::from_value(case["normalised"].clone()).unwrap();
    let layer = |(index, pair): (usize, &[usize])| Layer {
        n_inputs: pair[0],
        n_outputs: pair[1],
        bias: case["bias"].as_bool().unwrap(),
        normalised: normalised.contains(&index),
        activation: activations[index],
    };
    let mut network = Network::new(sizes.windows(2).enumerate().map(layer).collect(), &mut rng());
    fill([network.weights_mut()]);
    network
}

/// Sends a batch forward, and back from the sum of squared errors.
fn there_and_back(network: &mut Network, inputs: &[f32], targets: &[f32], pass: &mut Pass) {
    network.forward_training(inputs, pass);
    let d: Vec<f32> = pass.outputs().iter().zip(targets).map(|(output, target)| 2.0 * (output - target)).collect();
    network.backward_to_inputs(inputs, &d, pass);
}

#[test]
fn outputs_gradients_and_running_statistics_are_pytorchs() {
    for case in of_networks()["networks"].as_array().unwrap() {
        let what = |part: &str| format!("{part} of {} {}", case["sizes"], case["activations"]);
        let mut network = network(case);
        let (inputs, targets) = (floats(&case["inputs"]), floats(&case["targets"]));
        let mut pass = Pass::default();
        // The second time round, the buffers hold the leavings of the first.
        for _ in 0..2 {
            network.running =
                network.layers.iter().flat_map(|l| [0.0, 1.0].map(|v| vec![v; l.n_running() / 2])).flatten().collect();
            there_and_back(&mut network, &inputs, &targets, &mut pass);
            assert_floats_near(&what("outputs"), pass.outputs(), &case["outputs"], 1e-6);
            assert_floats_near(&what("gradient"), pass.gradient(), &case["gradient"], 1e-5);
            assert_floats_near(&what("derivatives by the inputs"), pass.d_inputs(), &case["d_inputs"], 1e-5);
        }
        assert_floats_near(&what("running statistics"), network.running(), &case["running"], 1e-6);
        network.forward(&inputs, &mut pass);
        assert_floats_near(&what("outputs after training"), pass.outputs(), &case["outputs_after"], 1e-6);
    }
}

#[test]
fn optimisers_step_as_pytorchs_do() {
    let waves = |scale: f64, start: f64| -> Vec<f32> {
        (0..5).map(|k| (scale * (start + f64::from(k)).sin()) as f32).collect()
    };
    let reference = of_networks();
    let (mut by_adam, mut by_momentum) = (waves(1.0, 1.0), waves(1.0, 1.0));
    let (mut adam, mut momentum) = (Moments::new(5), Momentum::new(5, 0.9));
    for step in 0..3 {
        let gradient = waves(2.0, 3.0 * step as f64);
        adam.step(&mut by_adam, &gradient, 1.0, 0.01);
        momentum.step(&mut by_momentum, &gradient, 0.01);
        assert_floats_near("adam", &by_adam, &reference["optimisers"]["adam"][step], 1e-6);
        assert_floats_near("momentum", &by_momentum, &reference["optimisers"]["momentum"][step], 1e-6);
    }
}

#[test]
fn a_gradient_is_what_finite_differences_are() {
    let layers = vec![
        Layer { bias: false, normalised: true, ..Layer::new(4, 5, Activation::LeakyRelu) },
        Layer::new(5, 4, Activation::Tanh),
        Layer::new(4, 2, Activation::Linear),
    ];
    let mut network = Network::new(layers, &mut rng());
    let inputs: Vec<f32> = (0..28).map(|k| (1.3 * k as f32).sin()).collect();
    let targets: Vec<f32> = (0..14).map(|k| (0.7 * k as f32).cos()).collect();
    let mut pass = Pass::default();
    there_and_back(&mut network, &inputs, &targets, &mut pass);
    let gradient = pass.gradient().to_vec();
    let mut loss = |network: &Network| -> f64 {
        network.clone().forward_training(&inputs, &mut pass);
        pass.outputs().iter().zip(&targets).map(|(o, t)| (f64::from(*o) - f64::from(*t)).powi(2)).sum()
    };
    let step = 2e-3;
    let differences: Vec<f64> = (0..gradient.len())
        .map(|k| {
            let (mut above, mut below) = (network.clone(), network.clone());
            above.weights[k] += step;
            below.weights[k] -= step;
            (loss(&above) - loss(&below)) / f64::from(above.weights[k] - below.weights[k])
        })
        .collect();
    let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
    assert_near("gradient", &gradient, &differences, 2e-3);
}

#[test]
fn new_weights_are_within_their_bound_and_reach_both_ends() {
    let network = Network::new(vec![Layer::new(16, 64, Activation::Tanh)], &mut rng());
    let (least, most) = network.weights().iter().fold((0.0_f32, 0.0_f32), |(a, b), w| (a.min(*w), b.max(*w)));
    assert!((-0.25..-0.24).contains(&least) && (0.24..=0.25).contains(&most), "from {least} to {most}");
}

#[test]
fn the_first_layers_are_a_network_with_the_same_outputs() {
    let whole = network(&of_networks()["networks"][4]);
    let mut pass = Pass::default();
    let inputs = [0.5, -1.0, 2.0, 0.0, 1.0];
    whole.forward(&inputs, &mut pass);
    let between = pass.layers[1].outputs.clone();
    let first = whole.first_layers(2);
    first.forward(&inputs, &mut pass);
    assert_eq!((pass.outputs(), first.n_outputs()), (&between[..], 4));
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let layers = [Layer::new(1, 1, Activation::Linear)];
    let mut network = Network::new(layers.to_vec(), &mut rng());
    for (array, found) in [(None, "none"), (Some(vec![1.0]), "1"), (Some(vec![1.0, f32::NAN]), "NaN")] {
        let arrays = array.into_iter().map(|array| ("w".to_owned(), array)).collect();
        let Err(Error::Tensor { found: got, .. }) = network.restore_weights(&layers, &arrays, "w") else {
            panic!("refused")
        };
        assert_eq!(got, found);
    }
    let arrays = [("w".to_owned(), vec![1.0, 2.0])].into();
    assert!(matches!(network.restore_weights(&[], &arrays, "w"), Err(Error::Shape { .. })), "other layers");
    network.restore_weights(&layers, &arrays, "w").unwrap();
    assert_eq!(network.weights(), [1.0, 2.0]);
}

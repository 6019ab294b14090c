//! Tests of the whole network: against PyTorch, for the laws it keeps, and whether it learns.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use super::work::Work;
use super::*;
use crate::error::Error;
use crate::models::tensor_file::Tensor;

const PLAIN: Regularisation = Regularisation { dropout: 0.0, noise: 0.0, weight_decay: 0.0, clip_norm: None };

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn network(shape: QNetworkShape) -> QNetwork {
    QNetwork::new(shape, &mut rng(1)).unwrap()
}

fn shape(n_features: usize, n_units: usize, skip: bool, head_units: usize) -> QNetworkShape {
    QNetworkShape { n_features, n_units, skip, head_units }
}

fn uniform(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = rng(seed);
    (0..len).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn pairs(values: &[f32]) -> Vec<[f32; 2]> {
    values.as_chunks().0.to_vec()
}

fn bits(q: &[[f32; 2]]) -> Vec<[u32; 2]> {
    q.iter().map(|q| q.map(f32::to_bits)).collect()
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/qnet.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// A network with the weights that stand in the reference file.
fn with_weights(shape: QNetworkShape, weights: &Value) -> QNetwork {
    let tensor = |(name, shape): (&str, Vec<usize>)| Tensor { name: name.into(), shape, data: numbers(&weights[name]) };
    let tensors: Vec<Tensor> = shape.tensors().into_iter().map(tensor).collect();
    QNetwork::from_tensors(shape, &tensors).unwrap()
}

/// Asserts that each element is within `tolerance` of the reference, relative to the tensor's largest element.
fn assert_near(what: &str, got: &[f32], want: &Value, tolerance: f32) {
    let want = numbers(want);
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (k, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= tolerance * largest, "{what}[{k}]: got {got}, want {want}");
    }
}

#[test]
fn q_values_losses_gradients_and_steps_are_pytorchs() {
    for case in reference()["cases"].as_array().unwrap() {
        let shape: QNetworkShape = serde_json::from_value(case["shape"].clone()).unwrap();
        let mut network = with_weights(shape, &case["weights_before"]);
        let states = numbers(&case["states"]);
        let n_steps = case["n_steps"].as_u64().unwrap() as usize;
        let (targets, weights) = (pairs(&numbers(&case["targets"])), pairs(&numbers(&case["weights"])));
        let batch = Batch { states: &states, n_steps, targets: &targets, weights: &weights };
        let regularisation = Regularisation {
            weight_decay: case["weight_decay"].as_f64().unwrap() as f32,
            clip_norm: case["clip_norm"].as_f64().map(|norm| norm as f32),
            ..PLAIN
        };

        assert_near("q", network.q_values(&states, n_steps).as_flattened(), &case["q"], 2e-6);
        let mut work = Work::default();
        let weight_sum = weights.as_flattened().iter().map(|&weight| f64::from(weight)).sum();
        network.loss_and_gradient(&mut work, &batch, &PLAIN, None, weight_sum);
        for tensor in shape.to_tensors("", work.gradient()) {
            assert_near(&tensor.name, &tensor.data, &case["gradients"][&tensor.name], 1e-5);
        }
        let mut optimiser = Adam::new(shape);
        let losses: Vec<f32> =
            (0..3).map(|_| network.train_step(&mut optimiser, &batch, &regularisation, 0.01, &mut rng(0))).collect();
        assert_near("losses", &losses, &case["losses"], 2e-6);
        for tensor in network.tensors() {
            assert_near(&tensor.name, &tensor.data, &case["weights_after"][&tensor.name], 2e-5);
        }
    }
}

/// PyTorch has two biases, which get the same gradient and so move by the same step: their sum moves by twice ours.
#[test]
fn with_its_bias_moved_twice_it_follows_pytorch_with_two_biases() {
    let case = &reference()["released"];
    let shape = shape(2, 8, false, 0);
    let mut network = with_weights(shape, &case["weights_before"]);
    let values = numbers(&case["values"]);
    let states = |action: f32| -> Vec<f32> {
        values
            .windows(25)
            .flat_map(|window| (0..25).flat_map(move |k| [window[k], if k == 24 { action } else { 0.0 }]))
            .collect()
    };
    let (normal, anomaly) = (states(0.0), states(1.0));
    let q = network.q_values(&normal, 25);
    assert_eq!(q.len(), 64);
    assert_near("row 0", &q[0], &case["q_row_0"], 2e-6);
    assert_near("row 16", &q[16], &case["q_row_16"], 2e-6);
    let q_anomaly = network.q_values(&anomaly, 25);
    assert_near("row 16 after an anomaly", &q_anomaly[16], &case["q_row_16_after_anomaly"], 2e-6);
    let best = |q: &[f32; 2]| q[0].max(q[1]);
    let target = [-5.0 + 0.8 * best(&q[17]), 5.0 + 0.8 * best(&q_anomaly[17])];
    assert_near("target of row 16", &target, &case["target_row_16"], 1e-6);

    let (targets, weights) = (pairs(&numbers(&case["targets"])), vec![[1.0; 2]; 64]);
    let batch = Batch { states: &normal, n_steps: 25, targets: &targets, weights: &weights };
    let mut work = Work::default();
    network.loss_and_gradient(&mut work, &batch, &PLAIN, None, 128.0);
    for tensor in shape.to_tensors("", work.gradient()) {
        let norm = tensor.data.iter().map(|g| g * g).sum::<f32>().sqrt();
        let want = case["gradient_norms"][&tensor.name].as_f64().unwrap() as f32;
        assert!((norm - want).abs() < 1e-5 * want, "{}: got {norm}, want {want}", tensor.name);
    }
    let mut optimiser = Adam::new(shape);
    let mut losses = Vec::new();
    for _ in 0..3 {
        let before = network.clone();
        losses.push(network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng(0)));
        network.update(|shape, weights| {
            let before = shape.split(&before.weights).bias;
            for (bias, before) in shape.split_mut(weights).bias.iter_mut().zip(before) {
                *bias += *bias - before;
            }
        });
    }
    assert_near("losses", &losses, &case["losses"], 2e-6);
    assert_near("row 16 after three steps", &network.q_values(&normal, 25)[16], &case["q_row_16_after"], 1e-5);
}

#[test]
fn a_window_has_the_same_q_values_in_every_company() {
    let mut rng = rng(7);
    for shape in [shape(1, 64, false, 0), shape(3, 9, true, 5), shape(10, 48, true, 48), shape(2, 7, false, 0)] {
        let network = network(shape);
        for n_steps in [1, 25] {
            let width = n_steps * shape.n_features;
            let states = uniform(1000 * width, 2);
            let all = bits(&network.q_values(&states, n_steps));
            for n in [1, 3, 31, 32, 33, 100] {
                for _ in 0..8 {
                    let first = rng.random_range(0..=1000 - n);
                    let some = network.q_values(&states[first * width..(first + n) * width], n_steps);
                    assert_eq!(bits(&some), all[first..first + n], "{shape:?}, {n} from {first}");
                }
            }
            let reversed: Vec<f32> = states.chunks_exact(width).rev().flatten().copied().collect();
            let mut reversed = bits(&network.q_values(&reversed, n_steps));
            reversed.reverse();
            assert_eq!(reversed, all, "{shape:?} in reverse");
        }
    }
}

#[test]
fn a_series_has_the_q_values_of_its_windows() {
    for shape in [shape(1, 64, false, 0), shape(3, 9, true, 5), shape(10, 48, true, 48)] {
        let network = network(shape);
        let n_features = shape.n_features;
        let rows = uniform(700 * n_features, 3);
        for n_steps in [1, 2, 25, 300] {
            let row = |point: usize| &rows[point * n_features..(point + 1) * n_features];
            for points in [0..700, 0..1, 5..38, 300..700, 699..700, 600..632, 10..10] {
                let windows: Vec<f32> = points
                    .clone()
                    .flat_map(|end: usize| (0..n_steps).flat_map(move |k| row((end + k + 1).saturating_sub(n_steps))))
                    .copied()
                    .collect();
                let want = network.q_values(&windows, n_steps);
                let got = network.q_values_series(&rows, points.clone(), n_steps);
                assert_eq!(bits(&got), bits(&want), "{shape:?}, {n_steps} steps, {points:?}");
            }
        }
    }
}

/// Tiles of all sizes, beside full ones, of networks on both sides of the longest chain.
#[test]
fn a_window_has_the_same_q_values_among_any_number_of_others() {
    for shape in [shape(22, 48, true, 48), shape(39, 128, false, 0), shape(2, 130, false, 0)] {
        let (network, width) = (network(shape), 5 * shape.n_features);
        let states = uniform(100 * width, 8);
        let all = bits(&network.q_values(&states, 5));
        for n in (1..=60).chain([95, 96, 97]) {
            assert_eq!(bits(&network.q_values(&states[..n * width], 5)), all[..n], "{shape:?}, {n} windows");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let shape = shape(3, 20, true, 12);
    let (states, targets) = (uniform(203 * 15 * 3, 4), pairs(&uniform(203 * 2, 5)));
    let batch = Batch { states: &states, n_steps: 15, targets: &targets, weights: &vec![[1.0, 0.5]; 203] };
    let regularisation = Regularisation { dropout: 0.2, noise: 0.1, weight_decay: 0.01, clip_norm: Some(1.0) };
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let (mut network, mut optimiser, mut rng) = (network(shape), Adam::new(shape), rng(6));
            let losses =
                [(); 5].map(|()| network.train_step(&mut optimiser, &batch, &regularisation, 0.01, &mut rng).to_bits());
            let series = network.q_values_series(&states, 0..states.len() / 3, 15);
            (losses, network.tensors(), bits(&network.q_values(&states, 15)), bits(&series))
        })
    };
    let one = run(1);
    assert_eq!(run(2), one);
    assert_eq!(run(5), one);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_of_weight_zero_have_no_influence(seed in 0_u64..1000, n in 2_usize..40, n_steps in 1_usize..6) {
        let shape = shape(2, 6, true, 4);
        let mut rng = rng(seed);
        let ignored: Vec<bool> = (0..n).map(|row| row > 0 && rng.random_bool(0.4)).collect();
        let weights: Vec<[f32; 2]> = ignored.iter().map(|&ignored| if ignored { [0.0; 2] } else { [1.0, 0.3] }).collect();
        let (mut states, mut targets) = (uniform(n * n_steps * 2, seed), pairs(&uniform(n * 2, seed + 1)));
        let run = |states: &[f32], targets: &[[f32; 2]]| {
            let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
            let batch = Batch { states, n_steps, targets, weights: &weights };
            let loss = network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut ChaCha8Rng::seed_from_u64(0));
            (loss, network.tensors(), optimiser.tensors())
        };
        let before = run(&states, &targets);
        for row in (0..n).filter(|&row| ignored[row]) {
            states[row * n_steps * 2..(row + 1) * n_steps * 2].fill(3.0);
            targets[row] = [1e30, f32::NAN];
        }
        prop_assert_eq!(run(&states, &targets), before);
    }
}

#[test]
fn what_is_not_finite_teaches_nothing() {
    let shape = shape(1, 4, false, 0);
    for (state, target) in [(0.5, f32::NAN), (0.5, f32::INFINITY), (f32::NAN, 1.0), (0.5, 3e38)] {
        let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
        let before = (network.tensors(), optimiser.tensors());
        let batch =
            Batch { states: &[0.1, state], n_steps: 1, targets: &[[0.0, 1.0], [target; 2]], weights: &[[1.0; 2]; 2] };
        let loss = network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng(0));
        assert!(!loss.is_finite(), "{state}, {target}: {loss}");
        assert_eq!((network.tensors(), optimiser.tensors(), optimiser.n_steps()), (before.0, before.1, 0));
    }
}

#[test]
fn a_batch_without_weight_teaches_nothing() {
    let shape = shape(1, 4, false, 0);
    let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
    let before = network.tensors();
    for n in [0, 3] {
        let batch =
            Batch { states: &vec![0.1; n], n_steps: 1, targets: &vec![[1.0; 2]; n], weights: &vec![[0.0; 2]; n] };
        assert_eq!(network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng(0)).to_bits(), 0.0_f32.to_bits());
    }
    assert_eq!((network.tensors(), optimiser.n_steps()), (before, 0));
}

#[test]
fn weight_decay_takes_its_share_of_the_weights_and_leaves_biases() {
    let shape = shape(2, 3, true, 4);
    let batch = Batch { states: &uniform(4, 1), n_steps: 1, targets: &[[3.0; 2]; 2], weights: &[[1.0; 2]; 2] };
    let step = |weight_decay: f32| {
        let (mut network, regularisation) = (network(shape), Regularisation { weight_decay, ..PLAIN });
        network.train_step(&mut Adam::new(shape), &batch, &regularisation, 0.1, &mut rng(0));
        network.tensors()
    };
    for ((before, plain), decayed) in network(shape).tensors().iter().zip(step(0.0)).zip(step(0.5)) {
        let fraction = if before.shape.len() == 1 { 0.0 } else { 0.05 };
        for ((before, plain), decayed) in before.data.iter().zip(&plain.data).zip(&decayed.data) {
            assert!((plain - decayed - fraction * before).abs() < 1e-6, "{before}: {plain} and {decayed}");
        }
    }
}

#[test]
fn noise_and_dropout_have_the_strength_that_is_asked_for() {
    let mut values = vec![1.0; 40_001];
    train::add_noise(&mut values, 0.5, &mut rng(3));
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
    assert!((mean - 1.0).abs() < 0.01 && (deviation - 0.5).abs() < 0.01, "{mean}, {deviation}");
    let beyond = values.iter().filter(|value| (*value - 1.0).abs() > 0.98).count() as f32 / values.len() as f32;
    assert!((beyond - 0.05).abs() < 0.005, "a normal variable is beyond 1.96 deviations in 5 %, found {beyond}");

    // All weights of the head are 1, so Q is the sum of the inputs that stay, each scaled by 4 / 3.
    let shape = shape(400, 1, true, 0);
    let mut network = network(shape);
    network.update(|shape, weights| {
        let parts = shape.split_mut(weights);
        parts.head.out.weight.fill(1.0);
        parts.head.out.bias.fill(0.0);
        parts.weight_ih.fill(0.0);
    });
    let states = vec![1.0; 64 * 400];
    let batch = Batch { states: &states, n_steps: 1, targets: &[[0.0; 2]; 64], weights: &[[1.0; 2]; 64] };
    let loss = |dropout: f32, seed: u64| {
        let regularisation = Regularisation { dropout, ..PLAIN };
        network.clone().train_step(&mut Adam::new(shape), &batch, &regularisation, 0.1, &mut rng(seed))
    };
    // E Q² = 400² + 400 p / (1 − p).
    assert!((loss(0.0, 1) - 160_000.0).abs() < 1.0);
    assert!((loss(0.25, 1) / 160_133.0 - 1.0).abs() < 0.02, "{}", loss(0.25, 1));
    assert_eq!(loss(0.25, 1).to_bits(), loss(0.25, 1).to_bits(), "one seed, one result");
    assert_ne!(loss(0.25, 1).to_bits(), loss(0.25, 2).to_bits());
}

#[test]
fn saved_and_restored_it_goes_on_as_if_nothing_had_happened() {
    let shape = shape(2, 6, true, 4);
    let (states, targets) = (uniform(30 * 5 * 2, 4), pairs(&uniform(60, 5)));
    let batch = Batch { states: &states, n_steps: 5, targets: &targets, weights: &[[1.0; 2]; 30] };
    let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
    let step = |network: &mut QNetwork, optimiser: &mut Adam| {
        network.train_step(optimiser, &batch, &PLAIN, 0.01, &mut rng(0)).to_bits()
    };
    for _ in 0..3 {
        step(&mut network, &mut optimiser);
    }
    let mut restored = QNetwork::from_tensors(shape, &network.tensors()).unwrap();
    let mut restored_optimiser = Adam::from_tensors(shape, &optimiser.tensors(), optimiser.n_steps()).unwrap();
    for _ in 0..3 {
        assert_eq!(step(&mut network, &mut optimiser), step(&mut restored, &mut restored_optimiser));
    }
    assert_eq!(network.tensors(), restored.tensors());
    assert_eq!(optimiser.tensors(), restored_optimiser.tensors());
    assert_eq!(optimiser.n_steps(), 6);
    assert_eq!(restored_optimiser.n_steps(), 6);
}

#[test]
fn the_buffers_of_a_step_are_kept() {
    let shape = shape(2, 6, true, 4);
    let (states, targets) = (uniform(30 * 5 * 2, 4), pairs(&uniform(60, 5)));
    let batch = Batch { states: &states, n_steps: 5, targets: &targets, weights: &[[1.0; 2]; 30] };
    let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
    network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng(0));
    let before = optimiser.work.buffers();
    network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng(0));
    assert_eq!(optimiser.work.buffers(), before);
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let shape = shape(2, 3, false, 0);
    let good = network(shape).tensors();
    let problem = |change: &dyn Fn(&mut Vec<Tensor>)| {
        let mut tensors = good.clone();
        change(&mut tensors);
        QNetwork::from_tensors(shape, &tensors).unwrap_err().to_string()
    };
    insta::assert_snapshot!(problem(&|tensors| { tensors.remove(1); }), @"tensor `lstm.weight_hh_l0` must have the shape [12, 3], found none");
    insta::assert_snapshot!(problem(&|tensors| { tensors.remove(2); }), @"tensor `lstm.bias_l0` must have the shape [12], found none");
    insta::assert_snapshot!(problem(&|tensors| tensors[3].shape = vec![3, 2]), @"tensor `out.weight` must have the shape [2, 3], found the shape [3, 2]");
    insta::assert_snapshot!(problem(&|tensors| tensors[3].data = vec![0.0; 5]), @"tensor `out.weight` must have the shape [2, 3], found 5 elements");
    insta::assert_snapshot!(problem(&|tensors| tensors[0].data[4] = f32::NAN), @"tensor `lstm.weight_ih_l0` must have finite elements, found NaN");
}

#[test]
fn pytorchs_two_biases_are_added() {
    let shape = shape(2, 3, false, 0);
    let network = network(shape);
    let mut tensors = network.tensors();
    tensors[2].name = "lstm.bias_ih_l0".into();
    let data = uniform(12, 8);
    tensors.push(Tensor { name: "lstm.bias_hh_l0".into(), shape: vec![12], data: data.clone() });
    let sum: Vec<f32> = tensors[2].data.iter().zip(&data).map(|(a, b)| a + b).collect();
    assert_eq!(QNetwork::from_tensors(shape, &tensors).unwrap().tensors()[2].data, sum);
}

#[test]
fn a_new_network_has_bounded_weights_and_open_forget_gates() {
    let network = network(shape(3, 4, true, 5));
    let tensors = network.tensors();
    let limits =
        [(6.0_f32 / 23.0).sqrt(), (6.0_f32 / 23.0).sqrt(), 1.0, 7.0_f32.sqrt().recip(), 7.0_f32.sqrt().recip()];
    for (tensor, limit) in tensors.iter().zip(limits) {
        let largest = tensor.data.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        assert!(largest <= limit && largest > 0.5 * limit, "{}: {largest} and {limit}", tensor.name);
    }
    assert_eq!(tensors[2].data, [[0.0; 4], [1.0; 4], [0.0; 4], [0.0; 4]].concat());
}

#[test]
fn a_shape_outside_of_its_range_is_refused() {
    for wrong in [shape(0, 1, true, 0), shape(1, 0, true, 0), shape(1, 4097, true, 0), shape(1, 1, true, 5000)] {
        assert!(matches!(QNetwork::new(wrong, &mut rng(0)), Err(Error::Setting { .. })), "{wrong:?}");
        assert!(matches!(Adam::from_tensors(wrong, &[], 0), Err(Error::Setting { .. })), "{wrong:?}");
    }
}

/// The mean loss of the last tenth of `n` steps on fresh batches of 64 states that `draw` makes.
fn learn(
    shape: QNetworkShape,
    n: usize,
    n_steps: usize,
    draw: impl Fn(&mut ChaCha8Rng) -> (Vec<f32>, [f32; 2]),
) -> f32 {
    let mut rng = rng(11);
    let (mut network, mut optimiser) = (network(shape), Adam::new(shape));
    let losses: Vec<f32> = (0..n)
        .map(|_| {
            let (states, targets): (Vec<_>, Vec<_>) = (0..64).map(|_| draw(&mut rng)).unzip();
            let batch = Batch { states: &states.concat(), n_steps, targets: &targets, weights: &[[1.0; 2]; 64] };
            network.train_step(&mut optimiser, &batch, &PLAIN, 0.01, &mut rng)
        })
        .collect();
    losses[n - n / 10..].iter().sum::<f32>() / (n / 10) as f32
}

/// Twelve values in ±.2, one of them 1 in half of the windows; those are anomalies.
fn spike(at: usize) -> impl Fn(&mut ChaCha8Rng) -> (Vec<f32>, [f32; 2]) {
    move |rng| {
        let mut state: Vec<f32> = (0..12).map(|_| rng.random_range(-0.2..0.2)).collect();
        if rng.random_bool(0.5) {
            state[at] = 1.0;
            return (state, [-1.0, 1.0]);
        }
        (state, [1.0, -1.0])
    }
}

#[test]
fn it_learns_to_see_a_spike_at_the_end() {
    let loss = learn(shape(1, 8, false, 0), 300, 12, spike(11));
    assert!(loss < 0.02, "{loss}");
}

#[test]
fn it_learns_to_remember_a_spike_ten_steps_back() {
    let loss = learn(shape(1, 8, false, 0), 400, 12, spike(1));
    assert!(loss < 0.02, "{loss}");
    // The same spike where no step but the last is shown.
    let blind = learn(shape(1, 8, false, 0), 400, 1, |rng| {
        let (state, targets) = spike(1)(rng);
        (vec![state[11]], targets)
    });
    assert!(blind > 0.9, "{blind}");
}

#[test]
fn only_the_skip_lets_one_unit_tell_two_values_of_the_last_step() {
    // The two Q-values are two features: one unit alone passes on one number.
    let draw = |rng: &mut ChaCha8Rng| {
        let state: Vec<f32> = (0..6).map(|_| rng.random_range(-1.0..1.0)).collect();
        let targets = [state[4], state[5]];
        (state, targets)
    };
    let (with, without) = (learn(shape(2, 1, true, 0), 400, 3, draw), learn(shape(2, 1, false, 0), 400, 3, draw));
    assert!(with < 0.003 && without > 0.1, "{with} with, {without} without");
}

//! Speed of the Q-network: one DQN step (forward, target forward, backward, Adam) and scoring.
//!
//! `cargo bench -p rlad-bench`; one thread: `RAYON_NUM_THREADS=1`.

use divan::Bencher;
use divan::counter::ItemsCount;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rlad::internals::{Adam, Batch, QNetwork, QNetworkShape, Regularisation};

const N_STEPS: usize = 25;
const BATCH: usize = 256;
/// One feature with 64 units and with 128, the paper's; ten features and 39 with a skip and a hidden layer.
const SHAPES: [QNetworkShape; 4] = [shape(1, 64, 0), shape(1, 128, 0), shape(10, 48, 48), shape(39, 48, 48)];

const fn shape(n_features: usize, n_units: usize, head_units: usize) -> QNetworkShape {
    QNetworkShape { n_features, n_units, skip: head_units > 0, head_units }
}

fn main() {
    divan::main();
}

#[divan::bench(args = [0, 1, 2, 3])]
fn dqn_step(bencher: Bencher<'_, '_>, index: usize) {
    let shape = SHAPES[index];
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut network = QNetwork::new(shape, &mut rng).expect("a good shape");
    let target = network.clone();
    let mut optimiser = Adam::new(shape);
    let states: Vec<f32> = (0..BATCH * N_STEPS * shape.n_features).map(|_| rng.random()).collect();
    let weights = vec![[1.0; 2]; BATCH];
    bencher.bench_local(|| {
        let targets = target.q_values(&states, N_STEPS);
        let batch = Batch { states: &states, n_steps: N_STEPS, targets: &targets, weights: &weights };
        network.train_step(&mut optimiser, &batch, &Regularisation::default(), 1e-3, &mut rng)
    });
}

#[divan::bench(args = [0, 1, 2, 3])]
fn score_series(bencher: Bencher<'_, '_>, index: usize) {
    let shape = SHAPES[index];
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let network = QNetwork::new(shape, &mut rng).expect("a good shape");
    let n_points = 2048;
    let rows: Vec<f32> = (0..n_points * shape.n_features).map(|_| rng.random()).collect();
    let bencher = bencher.counter(ItemsCount::new(n_points));
    bencher.bench_local(|| network.q_values_series(&rows, 0..n_points, N_STEPS));
}

#[divan::bench(args = [0, 1, 2, 3])]
fn score_one_window(bencher: Bencher<'_, '_>, index: usize) {
    let shape = SHAPES[index];
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let network = QNetwork::new(shape, &mut rng).expect("a good shape");
    let state: Vec<f32> = (0..N_STEPS * shape.n_features).map(|_| rng.random()).collect();
    bencher.bench_local(|| network.q_values(&state, N_STEPS));
}

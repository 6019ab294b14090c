//! One gradient step.

use std::ops::Range;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::adam::Adam;
use super::head::{N_ACTIONS, sum_rows};
use super::network::QNetwork;
use super::score::join_rows;
use super::work::{Chunk, Work};
use crate::models::matrix::{Matrix, add, multiply};

/// A batch is cut into this many parts, whose gradients are summed in order, whatever the number of threads.
const N_CHUNKS: usize = 8;

/// The examples of one step.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The states, `[n, n_steps, n_features]`.
    pub states: &'a [f32],
    /// The length of a state in steps, at least 1.
    pub n_steps: usize,
    /// The values to learn, of normal and of anomaly, `[n]`.
    pub targets: &'a [[f32; 2]],
    /// How much each of the targets counts, at least 0, `[n]`: 0 for an action that was not taken, below 1 for a
    /// pseudo-label.
    pub weights: &'a [[f32; 2]],
}

/// Regularisation of a step, so that the batch is not learned by heart. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Regularisation {
    /// The fraction of the head's inputs that is dropped, in `[0, 1)`; those that stay are scaled by `1 / (1 − dropout)`.
    pub dropout: f32,
    /// The deviation of the normal noise that is added to the states, at least 0.
    pub noise: f32,
    /// λ: each step takes away the fraction `α λ` of the weights, at least 0; biases keep theirs.
    ///
    /// Source: Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019, algorithm 2.
    pub weight_decay: f32,
    /// The gradient is scaled down to this norm over all weights where it is longer, above 0.
    pub clip_norm: Option<f32>,
}

impl QNetwork {
    /// Takes one step down the gradient of the loss and returns the loss before it.
    ///
    /// The loss is `Σ w (Q − target)² / Σ w` over the batch and both actions: the mean squared error where all weights are
    /// equal. Noise and dropout are drawn from `rng`, which is read only where one of them is above 0. The result does not
    /// depend on the number of threads.
    ///
    /// A loss that is not finite is returned as it is, and where only the gradient is not, NaN is: nothing is learned then.
    /// A batch whose weights are all 0 has the loss 0 and teaches nothing.
    ///
    /// # Panics
    /// Where the lengths of the batch differ, or the optimiser is one of another shape.
    pub fn train_step(
        &mut self,
        optimiser: &mut Adam,
        batch: &Batch<'_>,
        regularisation: &Regularisation,
        learning_rate: f32,
        rng: &mut impl Rng,
    ) -> f32 {
        let n = batch.targets.len();
        assert_eq!(self.shape, optimiser.shape(), "the optimiser's shape is the network's");
        assert_eq!(n, batch.weights.len(), "each target has its weight");
        assert_eq!(n * batch.n_steps * self.shape.n_features, batch.states.len(), "each target has its state");
        let seed = (regularisation.noise > 0.0 || regularisation.dropout > 0.0).then(|| rng.next_u64());
        let weight_sum: f64 = batch.weights.as_flattened().iter().map(|&weight| f64::from(weight)).sum();
        if weight_sum == 0.0 {
            return 0.0;
        }

        let mut work = std::mem::take(&mut optimiser.work);
        let loss = self.loss_and_gradient(&mut work, batch, regularisation, seed, weight_sum);
        let finite = loss.is_finite() && work.gradient.iter().all(|g| g.is_finite());
        if finite {
            let scale = match regularisation.clip_norm {
                Some(limit) => (limit / norm(&work.gradient)).min(1.0),
                None => 1.0,
            };
            let keep = 1.0 - learning_rate * regularisation.weight_decay;
            self.update(|shape, weights| {
                let parts = shape.split_mut(weights);
                let hidden = parts.head.hidden.map(|layer| layer.weight);
                for part in [parts.weight_ih, parts.weight_hh, parts.head.out.weight].into_iter().chain(hidden) {
                    part.iter_mut().for_each(|weight| *weight *= keep);
                }
                optimiser.step(weights, &work.gradient, scale, learning_rate);
            });
        }
        optimiser.work = work;
        if loss.is_finite() && !finite { f32::NAN } else { loss }
    }

    /// Leaves the gradient in `work.gradient` and returns the loss.
    pub(super) fn loss_and_gradient(
        &self,
        work: &mut Work,
        batch: &Batch<'_>,
        regularisation: &Regularisation,
        seed: Option<u64>,
        weight_sum: f64,
    ) -> f32 {
        let n = batch.targets.len();
        let size = n.div_ceil(N_CHUNKS);
        let n_chunks = n.div_ceil(size);
        work.chunks.resize_with(n_chunks.max(work.chunks.len()), Chunk::default);
        let chunks = &mut work.chunks[..n_chunks];
        chunks.par_iter_mut().enumerate().for_each(|(index, chunk)| {
            let rng = seed.map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(index as u64);
                rng
            });
            chunk.run(self, batch, index * size..((index + 1) * size).min(n), regularisation, rng, weight_sum);
        });
        work.gradient.clear();
        work.gradient.resize(self.shape.n_parameters(), 0.0);
        for chunk in &*chunks {
            add(&mut work.gradient, &chunk.gradient);
        }
        (chunks.iter().map(|chunk| chunk.loss).sum::<f64>() / weight_sum) as f32
    }
}

impl Chunk {
    /// Computes the loss and the gradient of the windows `range` of the batch.
    fn run(
        &mut self,
        network: &QNetwork,
        batch: &Batch<'_>,
        range: Range<usize>,
        regularisation: &Regularisation,
        mut rng: Option<ChaCha8Rng>,
        weight_sum: f64,
    ) {
        self.gather(network, batch, range.clone());
        if let Some(rng) = &mut rng
            && regularisation.noise > 0.0
        {
            add_noise(&mut self.inputs, regularisation.noise, rng);
        }
        self.draw_dropout(network, range.len(), regularisation.dropout, rng.as_mut());
        self.forward(network, range.len(), batch.n_steps);
        self.differentiate_loss(&batch.targets[range.clone()], &batch.weights[range.clone()], weight_sum);
        self.backward(network, range.len(), batch.n_steps);
    }

    /// Copies the states time-major.
    fn gather(&mut self, network: &QNetwork, batch: &Batch<'_>, range: Range<usize>) {
        let (n_features, n_steps) = (network.shape.n_features, batch.n_steps);
        let width = n_steps * n_features;
        self.inputs.resize(range.len() * width, 0.0);
        let states = &batch.states[range.start * width..range.end * width];
        for (step, block) in self.inputs.chunks_exact_mut(range.len() * n_features).enumerate() {
            for (row, state) in block.chunks_exact_mut(n_features).zip(states.chunks_exact(width)) {
                row.copy_from_slice(&state[step * n_features..][..n_features]);
            }
        }
    }

    fn draw_dropout(&mut self, network: &QNetwork, n: usize, dropout: f32, rng: Option<&mut ChaCha8Rng>) {
        self.kept.clear();
        self.kept.resize(n * network.shape.n_head_inputs(), 1.0);
        if let Some(rng) = rng
            && dropout > 0.0
        {
            for kept in &mut self.kept {
                *kept = if rng.random::<f32>() < dropout { 0.0 } else { 1.0 / (1.0 - dropout) };
            }
        }
    }

    fn forward(&mut self, network: &QNetwork, n: usize, n_steps: usize) {
        let (shape, lstm) = (network.shape, network.lstm());
        let (n_gates, n_cells) = (n * 4 * shape.n_units, n * shape.n_units);
        self.gates.resize(n_steps * n_gates, 0.0);
        for states in [&mut self.cells, &mut self.hidden] {
            states.resize((1 + n_steps) * n_cells, 0.0);
            states[..n_cells].fill(0.0);
        }
        lstm.project(&self.inputs, &mut self.gates);
        for (step, gates) in self.gates.chunks_exact_mut(n_gates).enumerate() {
            let (hidden_before, hidden) = self.hidden[step * n_cells..][..2 * n_cells].split_at_mut(n_cells);
            let (cells_before, cells) = self.cells[step * n_cells..][..2 * n_cells].split_at_mut(n_cells);
            if step > 0 {
                lstm.recur(hidden_before, gates);
            }
            lstm.activate(gates, cells_before, cells, hidden);
        }

        self.head_inputs.resize(n * shape.n_head_inputs(), 0.0);
        let last_hidden = &self.hidden[n_steps * n_cells..];
        let last_inputs = &self.inputs[(n_steps - 1) * n * shape.n_features..];
        join_rows(&mut self.head_inputs, last_hidden, shape.n_units, last_inputs, shape.n_features);
        for (input, kept) in self.head_inputs.iter_mut().zip(&self.kept) {
            *input *= kept;
        }
        self.head_hidden.resize(n * shape.head_units, 0.0);
        self.q.resize(n * N_ACTIONS, 0.0);
        network.head().forward(&self.head_inputs, &mut self.head_hidden, &mut self.q);
    }

    /// Turns the Q-values into the derivatives of the loss by them. A weight of 0 has no influence, whatever its target.
    fn differentiate_loss(&mut self, targets: &[[f32; 2]], weights: &[[f32; 2]], weight_sum: f64) {
        self.loss = 0.0;
        let targets = targets.as_flattened().iter().zip(weights.as_flattened());
        for (q, (&target, &weight)) in self.q.iter_mut().zip(targets) {
            let (error, weight) = (f64::from(*q) - f64::from(target), f64::from(weight));
            *q = 0.0;
            if weight != 0.0 {
                self.loss += weight * error * error;
                *q = (2.0 * weight * error / weight_sum) as f32;
            }
        }
    }

    fn backward(&mut self, network: &QNetwork, n: usize, n_steps: usize) {
        let (shape, lstm) = (network.shape, network.lstm());
        let (n_gates, n_cells) = (n * 4 * shape.n_units, n * shape.n_units);
        self.gradient.resize(shape.n_parameters(), 0.0);
        let gradient = shape.split_mut(&mut self.gradient);

        self.d_head_inputs.resize(self.head_inputs.len(), 0.0);
        self.d_head_hidden.resize(self.head_hidden.len(), 0.0);
        network.head().backward(
            &self.head_inputs,
            &self.head_hidden,
            &self.q,
            gradient.head,
            &mut self.d_head_hidden,
            &mut self.d_head_inputs,
        );
        self.d_cells.clear();
        self.d_cells.resize(n_cells, 0.0);
        self.d_hidden.resize(n_cells, 0.0);
        let (width, n_units) = (shape.n_head_inputs(), shape.n_units);
        let rows = self.d_head_inputs.chunks_exact(width).zip(self.kept.chunks_exact(width));
        for (d_hidden, (d_inputs, kept)) in self.d_hidden.chunks_exact_mut(n_units).zip(rows) {
            for (d, (d_input, kept)) in d_hidden.iter_mut().zip(d_inputs.iter().zip(kept)) {
                *d = d_input * kept;
            }
        }

        for (step, gates) in self.gates.chunks_exact_mut(n_gates).enumerate().rev() {
            let (before, cells) = self.cells[step * n_cells..][..2 * n_cells].split_at(n_cells);
            lstm.differentiate(gates, before, cells, &self.d_hidden, &mut self.d_cells);
            if step > 0 {
                lstm.differentiate_recurrence(gates, &mut self.d_hidden);
            }
        }
        let d_gates = Matrix::new(&self.gates, n_steps * n, 4 * n_units).transposed();
        multiply(gradient.weight_ih, d_gates, Matrix::new(&self.inputs, n_steps * n, shape.n_features));
        let hidden_before = &self.hidden[..n_steps * n_cells];
        multiply(gradient.weight_hh, d_gates, Matrix::new(hidden_before, n_steps * n, n_units));
        sum_rows(&self.gates, gradient.bias);
    }
}

/// Adds normal noise, made two at a time (Box and Muller 1958).
pub(super) fn add_noise(values: &mut [f32], deviation: f32, rng: &mut ChaCha8Rng) {
    for pair in values.chunks_mut(2) {
        // In (0, 1], so that the logarithm is finite.
        let radius = deviation * (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sine, cosine) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        for (value, direction) in pair.iter_mut().zip([cosine, sine]) {
            *value += radius * direction;
        }
    }
}

/// The Euclidean norm.
fn norm(values: &[f32]) -> f32 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt() as f32
}

//! Dense networks: layers over one flat vector of weights, forward and backward, a mini-batch at a time.

mod batch_norm;
#[cfg(test)]
mod tests;
mod units;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::windows::{Arrays, agrees, array};
use crate::error::Result;
use crate::models::matrix::{Matrix, add, multiply, multiply_add};
use batch_norm::BatchNorm;
pub(crate) use units::Activation;
#[cfg(test)]
pub(crate) use units::staircase;

/// One layer: `activation(norm(W x + b))`, where bias and batch normalisation may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub(crate) n_inputs: usize,
    pub(crate) n_outputs: usize,
    /// Whether there is a `b`.
    pub(crate) bias: bool,
    /// Whether the sums of each unit are brought to mean 0 and deviation 1: those of the batch while training, the running
    /// ones after.
    pub(crate) normalised: bool,
    pub(crate) activation: Activation,
}

impl Layer {
    /// A layer with biases and without batch normalisation.
    pub(crate) const fn new(n_inputs: usize, n_outputs: usize, activation: Activation) -> Self {
        Self { n_inputs, n_outputs, bias: true, normalised: false, activation }
    }

    const fn n_weights(&self) -> usize {
        self.n_outputs * (self.n_inputs + self.bias as usize)
    }

    const fn n_running(&self) -> usize {
        if self.normalised { 2 * self.n_outputs } else { 0 }
    }

    /// The layer's `W`, `[n_outputs, n_inputs]`, and `b`, empty where it has none.
    fn split<'a>(&self, weights: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        weights.split_at(self.n_outputs * self.n_inputs)
    }

    /// Writes `W x + b` of each row of `inputs`.
    fn sum(&self, weights: &[f32], inputs: &[f32], sums: &mut [f32]) {
        let (weight, bias) = self.split(weights);
        let inputs = Matrix::new(inputs, sums.len() / self.n_outputs, self.n_inputs);
        let weight = Matrix::new(weight, self.n_outputs, self.n_inputs).transposed();
        if self.bias {
            sums.chunks_exact_mut(self.n_outputs).for_each(|row| row.copy_from_slice(bias));
            multiply_add(sums, inputs, weight);
        } else {
            multiply(sums, inputs, weight);
        }
    }
}

/// A chain of layers with its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Network {
    layers: Vec<Layer>,
    /// For each layer its `W` row by row, then its `b`.
    #[serde(skip)]
    weights: Vec<f32>,
    /// For each normalised layer its units' running means, then their running variances.
    #[serde(skip)]
    running: Vec<f32>,
}

/// The values and derivatives of one batch on its way through a network and back. The buffers grow in the first pass and stay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    layers: Vec<LayerPass>,
    gradient: Vec<f32>,
    d_inputs: Vec<f32>,
}

/// One layer's part of a [`Pass`].
#[derive(Clone, Debug, Default)]
struct LayerPass {
    /// The inputs of the activation, `[n_rows, n_outputs]`.
    sums: Vec<f32>,
    /// `[n_rows, n_outputs]`
    outputs: Vec<f32>,
    /// The derivatives of the loss by the outputs, turned into those by `W x + b`, `[n_rows, n_outputs]`.
    d: Vec<f32>,
    /// The batch's statistics, `[n_outputs]`; empty where the layer is not normalised.
    norm: BatchNorm,
}

impl Pass {
    /// The network's outputs for each row of the batch, `[n_rows, n_outputs]`.
    pub(crate) fn outputs(&self) -> &[f32] {
        &self.layers.last().expect("a network has layers").outputs
    }

    /// The derivatives of the loss by the weights, in the order of the weights.
    pub(crate) fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// The same, to be changed: decayed, scaled.
    pub(crate) fn gradient_mut(&mut self) -> &mut [f32] {
        &mut self.gradient
    }

    /// The derivatives of the loss by the inputs, `[n_rows, n_inputs]`, after [`Network::backward_to_inputs`].
    pub(crate) fn d_inputs(&self) -> &[f32] {
        &self.d_inputs
    }
}

impl Network {
    /// A network with random weights and biases, uniform in `±1 / √n_inputs` of their layer, as in PyTorch's `Linear`.
    pub(crate) fn new(layers: Vec<Layer>, rng: &mut impl Rng) -> Self {
        let mut weights = Vec::new();
        let mut running = Vec::new();
        for layer in &layers {
            let limit = 1.0 / (layer.n_inputs as f32).sqrt();
            weights.extend((0..layer.n_weights()).map(|_| rng.random_range(-limit..=limit)));
            running.extend((0..layer.n_running()).map(|k| if k < layer.n_outputs { 0.0 } else { 1.0 }));
        }
        Self { layers, weights, running }
    }

    /// The weights and biases of all layers.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The same, to be learned.
    pub(crate) fn weights_mut(&mut self) -> &mut [f32] {
        &mut self.weights
    }

    /// The running means and variances of normalised layers.
    pub(crate) fn running(&self) -> &[f32] {
        &self.running
    }

    /// The number of values that an input has.
    pub(crate) fn n_inputs(&self) -> usize {
        self.layers[0].n_inputs
    }

    /// The number of values that an output has.
    pub(crate) fn n_outputs(&self) -> usize {
        self.layers.last().expect("a network has layers").n_outputs
    }

    /// The network of the first layers only, with their weights.
    pub(crate) fn first_layers(mut self, n_layers: usize) -> Self {
        self.layers.truncate(n_layers);
        self.weights.truncate(self.layers.iter().map(Layer::n_weights).sum());
        self.running.truncate(self.layers.iter().map(Layer::n_running).sum());
        self
    }

    /// Takes the weights out of stored arrays, after the layers were read, which must be those that are expected.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for other layers; [`Error::Tensor`](crate::Error::Tensor) where the array is missing, has another
    /// length, or holds a value that is not finite.
    pub(crate) fn restore_weights(&mut self, layers: &[Layer], arrays: &Arrays, name: &str) -> Result<()> {
        agrees(self.layers == layers, "the layers of its settings")?;
        self.weights = array(arrays, name, self.layers.iter().map(Layer::n_weights).sum())?;
        Ok(())
    }

    /// Takes the running means and variances out of stored arrays, after [`Self::restore_weights`].
    ///
    /// # Errors
    /// [`Error::Tensor`](crate::Error::Tensor) as there; [`Error::Shape`](crate::Error::Shape) for a variance below 0.
    pub(crate) fn restore_running(&mut self, arrays: &Arrays, name: &str) -> Result<()> {
        self.running = array(arrays, name, self.layers.iter().map(Layer::n_running).sum())?;
        let mut rest = &self.running[..];
        for layer in &self.layers {
            let (of_layer, after) = rest.split_at(layer.n_running());
            rest = after;
            let variances = &of_layer[of_layer.len() / 2..];
            agrees(variances.iter().all(|variance| *variance >= 0.0), "variances of at least 0")?;
        }
        Ok(())
    }

    /// Leaves the outputs of `inputs`, `[n_rows, n_inputs]`, in `pass`; normalised layers go by their running statistics.
    pub(crate) fn forward(&self, inputs: &[f32], pass: &mut Pass) {
        let mut running = &self.running[..];
        run(&self.layers, &self.weights, inputs, pass, |layer, pass| {
            let (of_layer, rest) = running.split_at(layer.n_running());
            running = rest;
            batch_norm::apply(&mut pass.sums, of_layer);
        });
    }

    /// As [`Self::forward`], but normalised layers go by the statistics of the batch and move their running ones.
    pub(crate) fn forward_training(&mut self, inputs: &[f32], pass: &mut Pass) {
        let mut running = &mut self.running[..];
        run(&self.layers, &self.weights, inputs, pass, |layer, pass| {
            let (of_layer, rest) = std::mem::take(&mut running).split_at_mut(layer.n_running());
            running = rest;
            pass.norm.forward(&mut pass.sums, of_layer);
        });
    }

    /// Leaves the derivatives of the loss by the weights in `pass`, given those by the outputs, `[n_rows, n_outputs]`, and
    /// what [`Self::forward_training`] left of the same inputs.
    pub(crate) fn backward(&self, inputs: &[f32], d_outputs: &[f32], pass: &mut Pass) {
        self.backward_layers(inputs, d_outputs, pass);
    }

    /// As [`Self::backward`], and the derivatives by the inputs as well.
    pub(crate) fn backward_to_inputs(&self, inputs: &[f32], d_outputs: &[f32], pass: &mut Pass) {
        self.backward_layers(inputs, d_outputs, pass);
        let (layer, d) = (&self.layers[0], &pass.layers[0].d);
        pass.d_inputs.resize(inputs.len(), 0.0);
        let weight = Matrix::new(layer.split(&self.weights[..layer.n_weights()]).0, layer.n_outputs, layer.n_inputs);
        multiply(&mut pass.d_inputs, Matrix::new(d, d.len() / layer.n_outputs, layer.n_outputs), weight);
    }

    fn backward_layers(&self, inputs: &[f32], d_outputs: &[f32], pass: &mut Pass) {
        let n_rows = inputs.len() / self.n_inputs();
        let last = pass.layers.last_mut().expect("a network has layers");
        last.d.clear();
        last.d.extend_from_slice(d_outputs);
        pass.gradient.resize(self.weights.len(), 0.0);
        let mut end = self.weights.len();
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let start = end - layer.n_weights();
            let (before, from_here) = pass.layers.split_at_mut(index);
            let LayerPass { sums, outputs, d, norm } = &mut from_here[0];
            layer.activation.differentiate(sums, outputs, d);
            if layer.normalised {
                norm.backward(sums, d);
            }
            let layer_inputs = before.last().map_or(inputs, |before| &before.outputs);
            let (d_weight, d_bias) = pass.gradient[start..end].split_at_mut(layer.n_outputs * layer.n_inputs);
            if layer.bias {
                d_bias.fill(0.0);
                d.chunks_exact(layer.n_outputs).for_each(|row| add(d_bias, row));
            }
            let d = Matrix::new(d, n_rows, layer.n_outputs);
            multiply(d_weight, d.transposed(), Matrix::new(layer_inputs, n_rows, layer.n_inputs));
            if let Some(before) = before.last_mut() {
                before.d.resize(before.outputs.len(), 0.0);
                let weight = layer.split(&self.weights[start..end]).0;
                multiply(&mut before.d, d, Matrix::new(weight, layer.n_outputs, layer.n_inputs));
            }
            end = start;
        }
    }
}

/// Sends a batch through the layers; `normalise` is called where a layer is normalised.
fn run(
    layers: &[Layer],
    mut weights: &[f32],
    inputs: &[f32],
    pass: &mut Pass,
    mut normalise: impl FnMut(&Layer, &mut LayerPass),
) {
    let n_rows = inputs.len() / layers[0].n_inputs;
    pass.layers.resize_with(layers.len(), LayerPass::default);
    for (index, layer) in layers.iter().enumerate() {
        let (of_layer, rest) = weights.split_at(layer.n_weights());
        weights = rest;
        let (before, from_here) = pass.layers.split_at_mut(index);
        let here = &mut from_here[0];
        here.sums.resize(n_rows * layer.n_outputs, 0.0);
        here.outputs.resize(n_rows * layer.n_outputs, 0.0);
        layer.sum(of_layer, before.last().map_or(inputs, |before| &before.outputs), &mut here.sums);
        if layer.normalised {
            normalise(layer, here);
        }
        layer.activation.apply(&here.sums, &mut here.outputs);
    }
}

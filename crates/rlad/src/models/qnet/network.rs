//! The network's weights, and how they are drawn, saved and read.

use rand::{Rng, RngExt};

use super::head::Head;
use super::lstm::Lstm;
use super::parameters::QNetworkShape;
use crate::error::Result;
use crate::models::matrix::transpose;
use crate::models::tensor_file::Tensor;

/// The Q-network of the agent (paper, section 5.2): Q-values of normal and of anomaly for a state.
///
/// A state is `[n_steps, n_features]`, oldest step first. The LSTM (Hochreiter and Schmidhuber 1997, with the forget gate
/// of Gers et al. 2000) has the gates i, f, g, o in this order, and one bias. Its last output, joined with the last step's
/// features where the shape says `skip`, goes through a linear layer, or through a layer of rectified units and a linear one.
///
/// Deviations from the paper: `skip` and the hidden layer, both of which may be off.
#[derive(Clone, Debug)]
pub struct QNetwork {
    pub(super) shape: QNetworkShape,
    /// All weights, in the order of [`QNetworkShape::tensors`].
    pub(super) weights: Vec<f32>,
    /// The LSTM's matrices once more, transposed: `[n_features, 4 n_units]` and `[n_units, 4 n_units]`.
    weight_ih_transposed: Vec<f32>,
    weight_hh_transposed: Vec<f32>,
}

impl QNetwork {
    /// A network with random weights.
    ///
    /// The LSTM's are uniform in `±√(6 / (n_features + n_units + 4 n_units))` (Glorot and Bengio 2010, equation 16, for its
    /// two matrices side by side, as TensorFlow 1 has them), its biases 0, those of the forget gate 1 (Jozefowicz et al.
    /// 2015). The head's weights and biases are uniform in `±1 / √n_inputs` of their layer, as in PyTorch's `Linear`.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a shape outside of its range.
    pub fn new(shape: QNetworkShape, rng: &mut impl Rng) -> Result<Self> {
        shape.validate()?;
        let mut weights = vec![0.0; shape.n_parameters()];
        let parts = shape.split_mut(&mut weights);
        let mut draw = |values: &mut [f32], limit: f32| {
            values.iter_mut().for_each(|value| *value = rng.random_range(-limit..=limit));
        };
        let glorot = (6.0 / (shape.n_features + 5 * shape.n_units) as f32).sqrt();
        draw(parts.weight_ih, glorot);
        draw(parts.weight_hh, glorot);
        parts.bias[shape.n_units..2 * shape.n_units].fill(1.0);
        for layer in parts.head.hidden.into_iter().chain([parts.head.out]) {
            let limit = 1.0 / ((layer.weight.len() / layer.bias.len()) as f32).sqrt();
            draw(layer.weight, limit);
            draw(layer.bias, limit);
        }
        Ok(Self::from_flat(shape, weights))
    }

    /// Its shape.
    #[must_use]
    pub const fn shape(&self) -> QNetworkShape {
        self.shape
    }

    /// The weights, to be saved: `lstm.weight_ih_l0` `[4 n_units, n_features]`, `lstm.weight_hh_l0` `[4 n_units, n_units]`,
    /// `lstm.bias_l0`, with hidden units `hidden.weight` and `hidden.bias`, then `out.weight` and `out.bias`.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        self.shape.to_tensors("", &self.weights)
    }

    /// The network that [`Self::tensors`] has saved, or PyTorch: in place of `lstm.bias_l0`, the sum of `lstm.bias_ih_l0`
    /// and `lstm.bias_hh_l0` is taken. Other tensors are passed over.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a shape outside of its range, [`Error::Tensor`](crate::Error::Tensor)
    /// where a tensor is missing, has another shape, or holds a value that is not finite.
    pub fn from_tensors(shape: QNetworkShape, tensors: &[Tensor]) -> Result<Self> {
        shape.validate()?;
        Ok(Self::from_flat(shape, shape.read_tensors("", tensors)?))
    }

    fn from_flat(shape: QNetworkShape, weights: Vec<f32>) -> Self {
        let n_gates = 4 * shape.n_units;
        let mut network = Self {
            shape,
            weights,
            weight_ih_transposed: vec![0.0; shape.n_features * n_gates],
            weight_hh_transposed: vec![0.0; shape.n_units * n_gates],
        };
        network.update(|_, _| ());
        network
    }

    /// Changes the weights, and all that is derived from them.
    pub(super) fn update(&mut self, change: impl FnOnce(&QNetworkShape, &mut [f32])) {
        change(&self.shape, &mut self.weights);
        let parts = self.shape.split(&self.weights);
        transpose(&mut self.weight_ih_transposed, parts.weight_ih, self.shape.n_features);
        transpose(&mut self.weight_hh_transposed, parts.weight_hh, self.shape.n_units);
    }

    pub(super) fn lstm(&self) -> Lstm<'_> {
        let parts = self.shape.split(&self.weights);
        Lstm {
            n_features: self.shape.n_features,
            n_units: self.shape.n_units,
            weight_ih_transposed: &self.weight_ih_transposed,
            weight_hh_transposed: &self.weight_hh_transposed,
            weight_hh: parts.weight_hh,
            bias: parts.bias,
        }
    }

    pub(super) fn head(&self) -> Head<'_> {
        self.shape.split(&self.weights).head
    }
}

//! The layers after the LSTM, from its last output to the two Q-values.

use crate::models::activation::relu;
use crate::models::matrix::{Matrix, add, multiply, multiply_add};

/// The number of actions: normal and anomaly.
pub(super) const N_ACTIONS: usize = 2;

/// A layer `W x + b`: `weight` is `[n_outputs, n_inputs]`, `bias` `[n_outputs]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear<'a> {
    pub(super) weight: &'a [f32],
    pub(super) bias: &'a [f32],
}

/// Where a layer's gradient goes, in the same shapes.
#[derive(Debug)]
pub(super) struct LinearGradient<'a> {
    pub(super) weight: &'a mut [f32],
    pub(super) bias: &'a mut [f32],
}

impl Linear<'_> {
    const fn n_outputs(&self) -> usize {
        self.bias.len()
    }

    const fn n_inputs(&self) -> usize {
        self.weight.len() / self.bias.len()
    }

    /// Writes the outputs, `[n_rows, n_outputs]`, of `inputs`, `[n_rows, n_inputs]`.
    fn forward(&self, inputs: &[f32], outputs: &mut [f32]) {
        for row in outputs.chunks_exact_mut(self.n_outputs()) {
            row.copy_from_slice(self.bias);
        }
        let n_rows = outputs.len() / self.n_outputs();
        let weight = Matrix::new(self.weight, self.n_outputs(), self.n_inputs());
        multiply_add(outputs, Matrix::new(inputs, n_rows, self.n_inputs()), weight.transposed());
    }

    /// Writes the derivatives by the weights and by the inputs, given those by the outputs.
    fn backward(&self, inputs: &[f32], d_outputs: &[f32], gradient: LinearGradient<'_>, d_inputs: &mut [f32]) {
        let LinearGradient { weight, bias } = gradient;
        let n_rows = d_outputs.len() / self.n_outputs();
        let d = Matrix::new(d_outputs, n_rows, self.n_outputs());
        multiply(weight, d.transposed(), Matrix::new(inputs, n_rows, self.n_inputs()));
        sum_rows(d_outputs, bias);
        multiply(d_inputs, d, Matrix::new(self.weight, self.n_outputs(), self.n_inputs()));
    }
}

/// Writes the sum of the rows of `matrix`, `[n_rows, sums.len()]`.
pub(super) fn sum_rows(matrix: &[f32], sums: &mut [f32]) {
    sums.fill(0.0);
    for row in matrix.chunks_exact(sums.len()) {
        add(sums, row);
    }
}

/// The head: one linear layer, or one with rectified units before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    pub(super) hidden: Option<Linear<'a>>,
    pub(super) out: Linear<'a>,
}

/// Where the head's gradient goes.
#[derive(Debug)]
pub(super) struct HeadGradient<'a> {
    pub(super) hidden: Option<LinearGradient<'a>>,
    pub(super) out: LinearGradient<'a>,
}

impl Head<'_> {
    /// Writes the Q-values, `[n_rows, 2]`, of `inputs`, `[n_rows, n_inputs]`; `hidden`, `[n_rows, head_units]`, keeps the
    /// values of the units between.
    pub(super) fn forward(&self, inputs: &[f32], hidden: &mut [f32], q: &mut [f32]) {
        let Some(layer) = self.hidden else { return self.out.forward(inputs, q) };
        layer.forward(inputs, hidden);
        for value in hidden.iter_mut() {
            *value = relu(*value);
        }
        self.out.forward(hidden, q);
    }

    /// Writes the derivatives by the weights and the inputs, given those by the Q-values and what [`Self::forward`] left.
    pub(super) fn backward(
        &self,
        inputs: &[f32],
        hidden: &[f32],
        d_q: &[f32],
        gradient: HeadGradient<'_>,
        d_hidden: &mut [f32],
        d_inputs: &mut [f32],
    ) {
        let (Some(layer), Some(hidden_gradient)) = (self.hidden, gradient.hidden) else {
            return self.out.backward(inputs, d_q, gradient.out, d_inputs);
        };
        self.out.backward(hidden, d_q, gradient.out, d_hidden);
        for (d, value) in d_hidden.iter_mut().zip(hidden) {
            if *value <= 0.0 {
                *d = 0.0;
            }
        }
        layer.backward(inputs, d_hidden, hidden_gradient, d_inputs);
    }
}

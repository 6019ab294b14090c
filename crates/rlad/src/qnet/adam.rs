//! The optimiser.

use super::matrix::{Kernel, vectorised};
use super::parameters::{QNetworkShape, Tensor};
use super::train::Work;
use crate::error::Result;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// Adam with bias correction, `β1 = .9`, `β2 = .999`, `ε = 1e-8`, and the buffers of the steps.
///
/// `m ← β1 m + (1 − β1) g`, `v ← β2 v + (1 − β2) g²`, `θ ← θ − α m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β1ᵗ)` and
/// `v̂ = v / (1 − β2ᵗ)`.
///
/// Source: Kingma and Ba, *Adam*, 2015, algorithm 1.
#[derive(Debug)]
pub struct Adam {
    shape: QNetworkShape,
    n_steps: u64,
    /// m and v, flat as the network's weights are.
    mean: Vec<f32>,
    square: Vec<f32>,
    /// The buffers of a step; they hold nothing from one step to the next.
    pub(super) work: Work,
}

impl Clone for Adam {
    /// The same moments; the buffers are not copied.
    fn clone(&self) -> Self {
        Self { mean: self.mean.clone(), square: self.square.clone(), work: Work::default(), ..*self }
    }
}

impl Adam {
    /// The optimiser of a network of this shape, before its first step.
    #[must_use]
    pub fn new(shape: QNetworkShape) -> Self {
        let zeros = vec![0.0; shape.n_parameters()];
        Self { shape, n_steps: 0, mean: zeros.clone(), square: zeros, work: Work::default() }
    }

    /// The shape of the network that it is for.
    #[must_use]
    pub const fn shape(&self) -> QNetworkShape {
        self.shape
    }

    /// t: the number of steps taken.
    #[must_use]
    pub const fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// The moments, to be saved with [`Self::n_steps`]: the network's names after `m.` and `v.`.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = self.shape.to_tensors("m.", &self.mean);
        tensors.extend(self.shape.to_tensors("v.", &self.square));
        tensors
    }

    /// The optimiser that [`Self::tensors`] and [`Self::n_steps`] have saved; its next step is the same to the bit.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a shape outside of its range, [`Error::Tensor`](crate::Error::Tensor)
    /// where a tensor is missing, has another shape, or holds a value that is not finite.
    pub fn from_tensors(shape: QNetworkShape, tensors: &[Tensor], n_steps: u64) -> Result<Self> {
        shape.validate()?;
        let (mean, square) = (shape.read_tensors("m.", tensors)?, shape.read_tensors("v.", tensors)?);
        Ok(Self { shape, n_steps, mean, square, work: Work::default() })
    }

    /// Moves the weights one step against `scale` times the gradient.
    #[expect(clippy::cast_possible_truncation, reason = "the arithmetic of the weights is in `f32`")]
    pub(super) fn step(&mut self, weights: &mut [f32], gradient: &[f32], scale: f32, learning_rate: f32) {
        self.n_steps += 1;
        #[expect(clippy::cast_precision_loss, reason = "both corrections are 1 long before 2^53 steps")]
        let t = self.n_steps as f64;
        let rate = (f64::from(learning_rate) / (1.0 - BETA_1.powf(t))) as f32;
        let root = (1.0 / (1.0 - BETA_2.powf(t)).sqrt()) as f32;
        let (mean, square) = (&mut self.mean, &mut self.square);
        vectorised(Step { weights, gradient, mean, square, scale, rate, root });
    }
}

struct Step<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    /// The factor of the gradient.
    scale: f32,
    /// `α / (1 − β1ᵗ)`
    rate: f32,
    /// `1 / √(1 − β2ᵗ)`
    root: f32,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the arithmetic of the weights is in `f32`")]
    fn call(self) {
        let (keep_1, keep_2) = (BETA_1 as f32, BETA_2 as f32);
        let (take_1, take_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        let moments = self.mean.iter_mut().zip(self.square.iter_mut());
        for ((weight, g), (m, v)) in self.weights.iter_mut().zip(self.gradient).zip(moments) {
            let g = self.scale * g;
            *m = keep_1 * *m + take_1 * g;
            *v = keep_2 * *v + take_2 * g * g;
            *weight -= self.rate * *m / (v.sqrt() * self.root + EPSILON);
        }
    }
}

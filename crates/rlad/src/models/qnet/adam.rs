//! The optimiser.

use super::parameters::QNetworkShape;
use super::work::Work;
use crate::error::Result;
use crate::models::optimiser::Moments;
use crate::models::tensor_file::Tensor;

/// Adam with bias correction, `β1 = .9`, `β2 = .999`, `ε = 1e-8`, and the buffers of the steps.
///
/// `m ← β1 m + (1 − β1) g`, `v ← β2 v + (1 − β2) g²`, `θ ← θ − α m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β1ᵗ)` and
/// `v̂ = v / (1 − β2ᵗ)`.
///
/// Source: Kingma and Ba, *Adam*, 2015, algorithm 1.
#[derive(Debug)]
pub struct Adam {
    shape: QNetworkShape,
    /// Flat as the network's weights are.
    moments: Moments,
    /// The buffers of a step; they hold nothing from one step to the next.
    pub(super) work: Work,
}

impl Clone for Adam {
    /// The same moments; the buffers are not copied.
    fn clone(&self) -> Self {
        Self { moments: self.moments.clone(), work: Work::default(), ..*self }
    }
}

impl Adam {
    /// The optimiser of a network of this shape, before its first step.
    #[must_use]
    pub fn new(shape: QNetworkShape) -> Self {
        Self { shape, moments: Moments::new(shape.n_parameters()), work: Work::default() }
    }

    /// The shape of the network that it is for.
    #[must_use]
    pub const fn shape(&self) -> QNetworkShape {
        self.shape
    }

    /// t: the number of steps taken.
    #[must_use]
    pub const fn n_steps(&self) -> u64 {
        self.moments.n_steps
    }

    /// The moments, to be saved with [`Self::n_steps`]: the network's names after `m.` and `v.`.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = self.shape.to_tensors("m.", &self.moments.mean);
        tensors.extend(self.shape.to_tensors("v.", &self.moments.square));
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
        Ok(Self { shape, moments: Moments { n_steps, mean, square }, work: Work::default() })
    }

    /// Moves the weights one step against `scale` times the gradient.
    pub(super) fn step(&mut self, weights: &mut [f32], gradient: &[f32], scale: f32, learning_rate: f32) {
        self.moments.step(weights, gradient, scale, learning_rate);
    }
}

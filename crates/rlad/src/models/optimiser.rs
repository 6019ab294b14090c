//! Optimisers over flat vectors of weights.

use crate::models::matrix::{Kernel, vectorised};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-8;

/// Adam's moments and the number of its steps, with bias correction, `β1 = .9`, `β2 = .999`, `ε = 1e-8`.
///
/// `m ← β1 m + (1 − β1) g`, `v ← β2 v + (1 − β2) g²`, `θ ← θ − α m̂ / (√v̂ + ε)` with `m̂ = m / (1 − β1ᵗ)` and
/// `v̂ = v / (1 − β2ᵗ)`.
///
/// Source: Kingma and Ba, *Adam*, 2015, algorithm 1.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    /// t: the number of steps taken.
    pub(crate) n_steps: u64,
    /// m, one a weight.
    pub(crate) mean: Vec<f32>,
    /// v, one a weight.
    pub(crate) square: Vec<f32>,
}

impl Moments {
    /// Those before the first step.
    pub(crate) fn new(n_weights: usize) -> Self {
        Self { n_steps: 0, mean: vec![0.0; n_weights], square: vec![0.0; n_weights] }
    }

    /// Moves the weights one step against `scale` times the gradient.
    pub(crate) fn step(&mut self, weights: &mut [f32], gradient: &[f32], scale: f32, learning_rate: f32) {
        self.n_steps += 1;
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

/// Stochastic gradient descent with momentum μ.
///
/// `b ← μ b + g`, `θ ← θ − α b`.
///
/// Source: Polyak, *Some methods of speeding up the convergence of iteration methods*, 1964, with the learning rate outside
/// of the velocity, as in PyTorch's `SGD`.
#[cfg(feature = "baselines")]
#[derive(Clone, Debug)]
pub(crate) struct Momentum {
    momentum: f32,
    /// b, one a weight.
    velocity: Vec<f32>,
}

#[cfg(feature = "baselines")]
impl Momentum {
    /// That before the first step.
    pub(crate) fn new(n_weights: usize, momentum: f32) -> Self {
        Self { momentum, velocity: vec![0.0; n_weights] }
    }

    /// Moves the weights one step against the gradient.
    pub(crate) fn step(&mut self, weights: &mut [f32], gradient: &[f32], learning_rate: f32) {
        let (velocity, momentum) = (&mut self.velocity, self.momentum);
        vectorised(Roll { weights, gradient, velocity, momentum, learning_rate });
    }
}

/// See [`Momentum::step`].
#[cfg(feature = "baselines")]
struct Roll<'a> {
    weights: &'a mut [f32],
    gradient: &'a [f32],
    velocity: &'a mut [f32],
    momentum: f32,
    learning_rate: f32,
}

#[cfg(feature = "baselines")]
impl Kernel for Roll<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((weight, g), b) in self.weights.iter_mut().zip(self.gradient).zip(self.velocity) {
            *b = self.momentum * *b + g;
            *weight -= self.learning_rate * *b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_of_adam_is_the_learning_rate_long_whatever_the_gradient() {
        let mut weights = [1.0, 1.0, 1.0];
        Moments::new(3).step(&mut weights, &[3.0, -0.02, 0.0], 1.0, 0.125);
        for (got, want) in weights.iter().zip([0.875_f32, 1.125, 1.0]) {
            assert!((got - want).abs() < 1e-6, "got {got}, want {want}");
        }
    }

    #[test]
    fn momentum_sums_a_constant_gradient() {
        // Velocities 1, 1.5 and 1.75.
        let (mut weights, mut optimiser) = ([0.0], Momentum::new(1, 0.5));
        for want in [-0.5_f32, -1.25, -2.125] {
            optimiser.step(&mut weights, &[1.0], 0.5);
            assert_eq!(weights[0].to_bits(), want.to_bits());
        }
    }
}

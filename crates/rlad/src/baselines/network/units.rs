//! The activations of a layer's units.

use serde::{Deserialize, Serialize};

use crate::models::activation::{relu, tanh};
use crate::models::matrix::{Kernel, vectorised};

/// The slope of a leaky rectified unit below 0.
const LEAK: f32 = 0.01;

/// N: the steps of the staircase.
const N_STAIRS: i32 = 4;

/// a₃: how steep they are.
const STEEPNESS: f64 = 100.0;

/// The function of a layer's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Activation {
    /// The sum itself.
    Linear,
    /// The hyperbolic tangent.
    Tanh,
    /// `max(x, 0)`
    Relu,
    /// `x` above 0, `x / 100` below.
    LeakyRelu,
    /// See [`staircase`].
    Staircase,
}

/// The staircase of a replicator network, `S(x) = 1/2 + Σ tanh(a₃ (x − j/N)) / (2 (N − 1))` over `j` from 1 to `N − 1`, with
/// `N = 4` and `a₃ = 100`: near 0, 1/3, 2/3 and 1, with steps at 1/4, 1/2 and 3/4; and its slope.
///
/// Source: Hawkins, He, Williams and Baxter, *Outlier Detection Using Replicator Neural Networks*, 2002.
pub(crate) fn staircase(x: f64) -> (f64, f64) {
    let scale = 1.0 / (2.0 * f64::from(N_STAIRS - 1));
    let (mut value, mut slope) = (0.5, 0.0);
    for stair in 1..N_STAIRS {
        let tangent = (STEEPNESS * (x - f64::from(stair) / f64::from(N_STAIRS))).tanh();
        value += scale * tangent;
        slope += scale * STEEPNESS * (1.0 - tangent * tangent);
    }
    (value, slope)
}

impl Activation {
    /// Writes the outputs of some sums.
    pub(super) fn apply(self, sums: &[f32], outputs: &mut [f32]) {
        vectorised(Apply { activation: self, sums, outputs });
    }

    /// Turns the derivatives by the outputs into those by the sums.
    pub(super) fn differentiate(self, sums: &[f32], outputs: &[f32], d: &mut [f32]) {
        vectorised(Differentiate { activation: self, sums, outputs, d });
    }
}

struct Apply<'a> {
    activation: Activation,
    sums: &'a [f32],
    outputs: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let pairs = self.outputs.iter_mut().zip(self.sums);
        match self.activation {
            Activation::Linear => pairs.for_each(|(output, sum)| *output = *sum),
            Activation::Tanh => pairs.for_each(|(output, sum)| *output = tanh(*sum)),
            Activation::Relu => pairs.for_each(|(output, sum)| *output = relu(*sum)),
            Activation::LeakyRelu => {
                pairs.for_each(|(output, sum)| *output = if *sum < 0.0 { LEAK * sum } else { *sum });
            }
            Activation::Staircase => pairs.for_each(|(output, sum)| *output = staircase(f64::from(*sum)).0 as f32),
        }
    }
}

struct Differentiate<'a> {
    activation: Activation,
    sums: &'a [f32],
    outputs: &'a [f32],
    d: &'a mut [f32],
}

impl Kernel for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (sums, outputs) = (self.d.iter_mut().zip(self.sums), self.outputs);
        match self.activation {
            Activation::Linear => {}
            Activation::Tanh => sums.zip(outputs).for_each(|((d, _), output)| *d *= 1.0 - output * output),
            Activation::Relu => sums.for_each(|(d, sum)| *d = if *sum > 0.0 { *d } else { 0.0 }),
            Activation::LeakyRelu => sums.for_each(|(d, sum)| *d = if *sum > 0.0 { *d } else { LEAK * *d }),
            Activation::Staircase => sums.for_each(|(d, sum)| *d *= staircase(f64::from(*sum)).1 as f32),
        }
    }
}

//! The network's shape, and where each weight stands in the one flat vector that holds them all.

use serde::{Deserialize, Serialize};

use super::head::{Head, HeadGradient, Linear, LinearGradient, N_ACTIONS};
use crate::error::{Error, Result};
use crate::models::tensor_file::Tensor;

/// The sizes of a [`QNetwork`](super::QNetwork).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QNetworkShape {
    /// The values of one step of a state, in `1..=65_536`.
    pub n_features: usize,
    /// The LSTM's units, in `1..=4096`.
    pub n_units: usize,
    /// Whether the head also sees the last step's features.
    pub skip: bool,
    /// Units of a hidden layer in the head, at most 4096; 0 for a linear head.
    pub head_units: usize,
}

/// The weights as parts of the flat vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) weight_ih: &'a [f32],
    pub(super) weight_hh: &'a [f32],
    pub(super) bias: &'a [f32],
    pub(super) head: Head<'a>,
}

/// The same parts, to be written.
#[derive(Debug)]
pub(super) struct PartsMut<'a> {
    pub(super) weight_ih: &'a mut [f32],
    pub(super) weight_hh: &'a mut [f32],
    pub(super) bias: &'a mut [f32],
    pub(super) head: HeadGradient<'a>,
}

impl QNetworkShape {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first size that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        let check = |good: bool, name: &str, expected: &str, found: usize| {
            if good { Ok(()) } else { Err(Error::setting(name, expected, found)) }
        };
        check((1..=65_536).contains(&self.n_features), "n_features", "in 1..=65536", self.n_features)?;
        check((1..=4096).contains(&self.n_units), "n_units", "in 1..=4096", self.n_units)?;
        check(self.head_units <= 4096, "head_units", "at most 4096", self.head_units)
    }

    /// The number of the head's inputs.
    pub(super) const fn n_head_inputs(&self) -> usize {
        self.n_units + if self.skip { self.n_features } else { 0 }
    }

    /// The number of the last layer's inputs.
    const fn n_out_inputs(&self) -> usize {
        if self.head_units > 0 { self.head_units } else { self.n_head_inputs() }
    }

    /// The name and shape of each tensor, in the order of the flat vector.
    pub(super) fn tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let n_gates = 4 * self.n_units;
        let mut tensors = vec![
            ("lstm.weight_ih_l0", vec![n_gates, self.n_features]),
            ("lstm.weight_hh_l0", vec![n_gates, self.n_units]),
            ("lstm.bias_l0", vec![n_gates]),
        ];
        if self.head_units > 0 {
            tensors.push(("hidden.weight", vec![self.head_units, self.n_head_inputs()]));
            tensors.push(("hidden.bias", vec![self.head_units]));
        }
        tensors.push(("out.weight", vec![N_ACTIONS, self.n_out_inputs()]));
        tensors.push(("out.bias", vec![N_ACTIONS]));
        tensors
    }

    /// The length of the flat vector.
    pub(super) const fn n_parameters(&self) -> usize {
        let lstm = 4 * self.n_units * (self.n_features + self.n_units + 1);
        let hidden = self.head_units * (self.n_head_inputs() + 1);
        lstm + hidden + N_ACTIONS * (self.n_out_inputs() + 1)
    }

    /// The parts of a flat vector.
    pub(super) fn split<'a>(&self, flat: &'a [f32]) -> Parts<'a> {
        let mut rest = flat;
        let mut next = |len: usize| {
            let (part, after) = rest.split_at(len);
            rest = after;
            part
        };
        let n_gates = 4 * self.n_units;
        Parts {
            weight_ih: next(n_gates * self.n_features),
            weight_hh: next(n_gates * self.n_units),
            bias: next(n_gates),
            head: Head {
                hidden: (self.head_units > 0).then(|| Linear {
                    weight: next(self.head_units * self.n_head_inputs()),
                    bias: next(self.head_units),
                }),
                out: Linear { weight: next(N_ACTIONS * self.n_out_inputs()), bias: next(N_ACTIONS) },
            },
        }
    }

    /// The parts of a flat vector, to be written.
    pub(super) fn split_mut<'a>(&self, flat: &'a mut [f32]) -> PartsMut<'a> {
        let mut rest = flat;
        let mut next = |len: usize| rest.split_off_mut(..len).expect("the flat vector holds every part");
        let n_gates = 4 * self.n_units;
        PartsMut {
            weight_ih: next(n_gates * self.n_features),
            weight_hh: next(n_gates * self.n_units),
            bias: next(n_gates),
            head: HeadGradient {
                hidden: (self.head_units > 0).then(|| LinearGradient {
                    weight: next(self.head_units * self.n_head_inputs()),
                    bias: next(self.head_units),
                }),
                out: LinearGradient { weight: next(N_ACTIONS * self.n_out_inputs()), bias: next(N_ACTIONS) },
            },
        }
    }

    /// A flat vector as named tensors, each name after `prefix`.
    pub(super) fn to_tensors(self, prefix: &str, flat: &[f32]) -> Vec<Tensor> {
        let mut rest = flat;
        self.tensors()
            .into_iter()
            .map(|(name, shape)| {
                let (data, after) = rest.split_at(shape.iter().product());
                rest = after;
                Tensor { name: format!("{prefix}{name}"), shape, data: data.to_vec() }
            })
            .collect()
    }

    /// The flat vector of named tensors; other tensors than the network's are passed over.
    ///
    /// # Errors
    /// [`Error::Tensor`] where one is missing, has another shape, or holds a value that is not finite.
    pub(super) fn read_tensors(&self, prefix: &str, tensors: &[Tensor]) -> Result<Vec<f32>> {
        let mut flat = Vec::new();
        for (name, shape) in self.tensors() {
            let name = format!("{prefix}{name}");
            match tensors.iter().find(|tensor| tensor.name == name) {
                Some(tensor) => flat.extend_from_slice(checked(tensor, &shape)?),
                // PyTorch's two biases are only ever added.
                None if name == "lstm.bias_l0" => {
                    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
                    let (Some(first), Some(second)) = (find("lstm.bias_ih_l0"), find("lstm.bias_hh_l0")) else {
                        return Err(Error::tensor(name, describe(&shape), "none"));
                    };
                    let pairs = checked(first, &shape)?.iter().zip(checked(second, &shape)?);
                    flat.extend(pairs.map(|(first, second)| first + second));
                }
                None => return Err(Error::tensor(name, describe(&shape), "none")),
            }
        }
        Ok(flat)
    }
}

fn checked<'a>(tensor: &'a Tensor, shape: &[usize]) -> Result<&'a [f32]> {
    if tensor.shape != shape {
        return Err(Error::tensor(&tensor.name, describe(shape), describe(&tensor.shape)));
    }
    if tensor.data.len() != shape.iter().product::<usize>() {
        return Err(Error::tensor(&tensor.name, describe(shape), format!("{} elements", tensor.data.len())));
    }
    match tensor.data.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::tensor(&tensor.name, "finite elements", format!("{value}"))),
        None => Ok(&tensor.data),
    }
}

fn describe(shape: &[usize]) -> String {
    format!("the shape {shape:?}")
}

//! The Q-network: an LSTM over the window, and a head on its last output that gives a value to each action.
//!
//! Forward and backward passes are written out here, on matrix products of the `gemm` crate.

mod adam;
mod head;
mod lstm;
mod network;
mod parameters;
mod score;
#[cfg(test)]
mod tests;
mod train;
mod work;

pub use adam::Adam;
pub use network::QNetwork;
pub use parameters::QNetworkShape;
pub use train::{Batch, Regularisation};

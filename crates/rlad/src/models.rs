//! The models: the Q-network, boosted trees and the isolation forest, with the matrix kernels and optimisers under them.
//!
//! Nothing here knows of series or of answers: rows of numbers and labels in, numbers out.

pub(crate) mod activation;
pub(crate) mod iforest;
pub(crate) mod matrix;
pub(crate) mod nearest;
pub(crate) mod optimiser;
pub(crate) mod qnet;
pub(crate) mod tensor_file;
pub(crate) mod trees;

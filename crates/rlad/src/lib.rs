//! Answer a few questions about your time series, get a detector that fits them.

pub mod active;
mod agent;
#[cfg(feature = "baselines")]
pub mod baselines;
pub mod config;
pub mod data;
pub mod detect;
mod error;
pub mod features;
pub mod metrics;
mod models;
mod random;
mod saved;

pub use active::{Oracle, Query, RoundSummary, Session, TruthOracle};
pub use config::Config;
pub use data::{Answer, Label, Series, Span, read};
pub use detect::{Detector, Model, Stream};
pub use error::{Cause, Error, Result};
pub use metrics::evaluate;
pub use saved::Saved;

/// Parts that the project's own benchmarks time one by one. No promise is made of them: they change with any release.
#[doc(hidden)]
pub mod internals {
    pub use crate::active::propagate::{Propagation, entropy, propagate};
    pub use crate::features::{Encoded, Scale, encode};
    pub use crate::models::iforest::{IsolationForest, average_path_length};
    pub use crate::models::qnet::{Adam, Batch, QNetwork, QNetworkShape, Regularisation};
    pub use crate::models::tensor_file::Tensor;
}

//! Answer a few questions about your time series, get a detector that fits them.
//!
//! A [`Session`] asks an expert about single points of your [`Series`] and learns from the answers: the surprisal of their features chooses
//! the first questions, boosted trees (or LSTM Q-networks) the later ones, about the points that they are least sure of. Out of it comes a
//! [`Model`], a [`Detector`] that scores whole series, or a [`Stream`] point by point with the same result. The method is that of Wu and
//! Ortiz, *RLAD*, 2021; the page *Algorithm* of the book (`docs/`) numbers the deviations.
//!
//! # Fifteen lines
//!
//! ```
//! use rlad::data::{TimeFormat, Truth};
//! use rlad::{Config, Detector, Label, Series, Session, TruthOracle};
//!
//! # fn main() -> rlad::Result<()> {
//! // A series of your own, or `rlad::read(&paths, &options)?` for CSV and Parquet files.
//! let is_spike = |i: i64| i % 97 == 31;
//! let values = (0..900).map(|i| (i % 24) as f64 + if is_spike(i) { 40.0 } else { 0.0 }).collect();
//! let series = Series::new("cpu", vec!["value".into()], TimeFormat::Index, (0..900).collect(), values, None)?;
//!
//! // An expert: here one who knows the truth. Implement `Oracle` for one of your own.
//! let label = |i| Some(if is_spike(i) { Label::Anomaly } else { Label::Normal });
//! let truths = [Some(Truth::new((0..900).map(label).collect()))];
//!
//! let mut session = Session::new(Config { questions: 40, ..small() }, vec![series.clone()])?;
//! session.run(&mut TruthOracle::new(&truths))?; // asks and learns until the questions are spent
//! let model = session.finish()?;
//!
//! let events = model.detect(&series)?.events();
//! assert_eq!(events.len(), 9, "every spike, and nothing else");
//! # Ok(())
//! # }
//! # /// The default preset with a smaller agent, so that the example is quick.
//! # fn small() -> Config {
//! #     let mut config = Config::default();
//! #     (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
//! #     config
//! # }
//! ```
//!
//! # Where to go on
//!
//! | module | holds |
//! |---|---|
//! | [`data`] | series, labels and truth; files in, scores out; published data sets, other tools' labels |
//! | [`features`] | the causal features of a point |
//! | [`config`] | every setting, two presets, TOML |
//! | [`active`] | sessions, questions, oracles, consensus of several experts |
//! | [`detect`] | the [`Detector`] trait, models, streams |
//! | [`baselines`] | the systems that the paper compares with, and the classic detectors |
//! | [`metrics`] | scores against truth |
//!
//! Runnable programs stand in `examples/`: `quickstart`, `custom_oracle`, `stream`, `long_run`, `fleet` and `evaluate`.
//!
//! # Conventions
//!
//! A point is an index into its series; a window belongs to its last point. A higher score is more anomalous, and a point is an anomaly
//! where its score is above the threshold. Points without a value are never scored, asked about or learned from. The same seed and data
//! give the same bytes, at any number of threads. The library prints nothing, reads no clock and holds no async runtime.

pub mod active;
mod agent;
mod archive;
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
    pub use crate::features::scale::Scale;
    pub use crate::features::state::{Encoded, encode};
    pub use crate::models::iforest::{IsolationForest, average_path_length};
    pub use crate::models::qnet::{Adam, Batch, QNetwork, QNetworkShape, Regularisation};
    pub use crate::models::tensor_file::Tensor;
}

/// The code in the README and in the book's page *Library* compiles.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/src/library.md")]
    mod library {}
}

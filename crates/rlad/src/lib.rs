//! Answer a few questions about your time series, get a detector that fits them.

mod config;
mod error;
mod label;
mod query;
mod series;
mod views;

pub use config::{
    AgentConfig, Config, Preset, PropagationConfig, PropagationMethod, QueryConfig, QueryStrategy, StateConfig,
    ThresholdConfig, ThresholdMethod, Update, WarmUpConfig,
};
pub use error::{Cause, Error, Result};
pub use label::{Answer, Label, Labels, Span, Truth, events};
pub use query::{Query, Reason};
pub use series::{Clock, NANOS_PER_DAY, NANOS_PER_SECOND, Part, Series, TimeFormat};
pub use views::{Encoded, Scale, Trailing, View, ViewState, encode, n_features};

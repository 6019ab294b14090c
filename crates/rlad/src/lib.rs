//! Answer a few questions about your time series, get a detector that fits them.

mod config;
mod error;
mod import;
mod label;
mod query;
mod read;
mod scores;
mod series;
mod views;
mod write;

pub use config::{
    AgentConfig, Config, Preset, PropagationConfig, PropagationMethod, QueryConfig, QueryStrategy, StateConfig,
    ThresholdConfig, ThresholdMethod, Update, WarmUpConfig,
};
pub use error::{Cause, Error, Result};
pub use import::{Source, import};
pub use label::{Answer, Label, Labels, Span, Truth, events};
pub use query::{Query, Reason};
pub use read::{Columns, DataSet, Member, ReadOptions, read};
pub use scores::{Event, SeriesScores, read_scores, write_events, write_scores};
pub use series::{Clock, NANOS_PER_DAY, NANOS_PER_SECOND, Part, Series, TimeFormat};
pub use views::View;
pub use write::write_dataset;

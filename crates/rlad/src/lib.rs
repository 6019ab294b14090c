//! Answer a few questions about your time series, get a detector that fits them.
//!
//! A [`Session`] asks about single points of your [`Series`] and learns from the answers: an isolation forest chooses the
//! first questions, boosted trees and LSTM Q-networks the later ones, about the points that they are least sure of. What comes out is a
//! [`Model`], a [`Detector`] that scores whole series, or a [`Stream`] point by point with the same result. The method is
//! that of Wu and Ortiz, *RLAD*, 2021; `docs/algorithm.md` numbers the deviations.

mod activation;
mod agent;
mod baselines;
mod config;
mod consensus;
mod detector;
mod error;
mod exchange;
mod iforest;
mod import;
mod known_answers;
mod label;
mod matrix;
mod metrics;
mod model;
mod nearest;
mod optimiser;
mod oracle;
mod pool;
mod propagate;
mod qnet;
mod query;
mod random;
mod read;
mod replay;
mod saved;
mod scorer;
mod scores;
mod scoring;
mod series;
mod session;
mod statics;
mod stream;
mod tails;
mod tensor_file;
mod threshold;
mod trees;
mod views;
mod warm_up;
mod write;
mod write_views;

pub use baselines::{
    AutoencoderConfig, Baseline, CodeUnits, DagmmConfig, DeepSadConfig, EsdConfig, LocalOutlierFactorConfig, Method,
    NearestNeighborsConfig, NeighborDistance, OneClassSvmConfig, PcaConfig, PcaScore, SpectralResidualConfig,
    SpotConfig, SrCnnConfig, TailFit, WindowForestConfig,
};
pub use config::{
    AgentConfig, AnswerKind, Config, Conflict, Expected, ExpertsConfig, Preset, PropagationConfig, PropagationMethod,
    QueryConfig, QueryStrategy, StateConfig, ThresholdConfig, ThresholdMethod, TreesConfig, Update, WarmUpConfig,
    WarmUpScores,
};
pub use consensus::{Agreement, Opinion, agreements, resolve};
pub use detector::Detector;
pub use error::{Cause, Error, Result};
pub use exchange::{
    Imported, LabelFormat, LabelSpan, SeriesLabels, SpanLabel, Uncovered, export_labels, import_labels, write_labels,
};
pub use iforest::{IsolationForest, average_path_length};
pub use import::{Source, import};
pub use label::{Answer, Label, Labels, Span, Truth, events};
pub use metrics::{
    Best, BestQuality, DelayQuality, EvaluateOptions, Evaluation, Goal, Judged, Nab, NabBest, NabOptions, NabScore,
    PerSeriesMean, Quality, Volume, affiliation, best_threshold, evaluate,
};
pub use model::Model;
pub use oracle::{FileOracle, Oracle, Question, Reply, TruthOracle};
pub use propagate::{Propagation, entropy, propagate};
pub use qnet::{Adam, Batch, QNetwork, QNetworkShape, Regularisation, Tensor};
pub use query::{Query, Reason, random_questions};
pub use read::{Catalogue, Columns, DataSet, ListedSeries, Member, ReadOptions, read};
pub use saved::Saved;
pub use scores::{Event, ScoresWriter, SeriesScores, read_scores, write_events, write_scores};
pub use series::{Clock, NANOS_PER_DAY, NANOS_PER_SECOND, Part, Series, TimeFormat};
pub use session::{ExpectedQuality, FreeSpan, Interval, Progress, Session, SimilarWindow, SimilarWindows, Statement};
pub use stream::{Arrival, Stream, push_all};
pub use views::{Encoded, Scale, Trailing, View, ViewState, encode};
pub use warm_up::WarmUpDetector;
pub use write::{write_dataset, write_file};
pub use write_views::write_views;

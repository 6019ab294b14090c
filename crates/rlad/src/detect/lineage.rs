//! What a model learned from, and the models before it.

use serde::{Deserialize, Serialize};

/// What a model learned from: one training over one state of the data. A session over data that grew adds one.
///
/// No entry has a time of day or a machine in it: its times are those of the data, so that the same seed and data give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineageEntry {
    /// The version of this library.
    pub version: String,
    /// The SHA-256 of the model before, in hexadecimal; `None` where there was none.
    pub previous: Option<String>,
    /// The questions that were answered so far, those for models before included.
    pub questions: usize,
    /// The points that experts labelled so far and that are still in the data.
    pub labelled_points: usize,
    /// The series of the data.
    pub series: usize,
    /// Their training points, missing ones included.
    pub points: usize,
    /// Whether `first` and `last` are times: nanoseconds since 1970; else they are indices.
    pub has_timestamps: bool,
    /// The timestamp of the first training point of all series.
    pub first: i64,
    /// The timestamp of the last one.
    pub last: i64,
    /// The training points that the entry before did not have: those later than the last one of their series then, and those of new series;
    /// `None` for the first entry, and where the model before does not say how far it reached.
    pub new_points: Option<usize>,
    /// The series that the entry before did not have; `None` as in `new_points`.
    pub new_series: Option<usize>,
    /// The score above which a point may be an alarm, as it was trained.
    pub threshold: f64,
}

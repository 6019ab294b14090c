//! The entries of a log.

use rlad::active::Reason;
use serde::{Deserialize, Serialize};

use super::annotation::Annotated;

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The expert.
    pub(crate) who: String,
    /// When it was done.
    pub(crate) time: jiff::Timestamp,
    /// The round that learns from it.
    pub(crate) taught: usize,
    /// The time that the expert took, in seconds.
    pub(crate) seconds: f64,
    /// The key that the client gave to its request; no two entries have the same.
    pub(crate) client: Option<String>,
    /// The action.
    pub(crate) action: LogAction,
}

impl Entry {
    /// Whether it answers a question.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(&self.action, LogAction::Annotate(logged) if logged.question.is_some())
    }
}

/// An action of an expert.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LogAction {
    /// Annotated something.
    Annotate(Box<LoggedAnnotation>),
    /// Took back a step of their own, by its first entry.
    Undo {
        /// The entry.
        target: i64,
    },
    /// Brought back a step that was taken back.
    Redo {
        /// The entry.
        target: i64,
    },
    /// Took back every answer to a question, to be asked again.
    Withdraw {
        /// The question.
        question: u64,
    },
}

/// An annotation with where it came from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LoggedAnnotation {
    /// Where it came from.
    pub(crate) source: AnnotationSource,
    /// The question that it answers, if it answers one.
    pub(crate) question: Option<AnsweredQuestion>,
    /// The name of the series.
    pub(crate) series: String,
    /// The timestamps of the first and the last point that it is about: nanoseconds since 1970, or indices.
    pub(crate) times: (i64, i64),
    /// The annotation itself.
    pub(crate) annotation: Annotated,
    /// A remark.
    pub(crate) comment: Option<String>,
    /// The first entry of those that were made at once, and are taken back together; `None` for that one itself.
    pub(crate) step: Option<i64>,
    /// Whether its points are in the data. Not in the log: [`move_to`](super::move_to) finds it.
    pub(crate) presence: Presence,
}

/// Where an annotation came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnnotationSource {
    /// A question was asked.
    Question,
    /// Nobody asked.
    Unprompted,
    /// The window is like one that was answered.
    Similar,
    /// It stood in a file.
    Import,
}

/// The question that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AnsweredQuestion {
    /// Its number in its session, from 0.
    pub(crate) id: u64,
    /// The round that asked it; 0 is the warm-up.
    pub(crate) round: usize,
    /// The point.
    pub(crate) point: usize,
    /// Why it was asked about.
    pub(crate) reason: Reason,
    /// The detector's score of the point when it was asked about.
    pub(crate) score: f64,
    /// The hash of that detector; `None` in the warm-up.
    pub(crate) model: Option<String>,
    /// Whether the question was asked once more, to see whether the answer is the same.
    pub(crate) again: bool,
}

/// Whether the points that an annotation is about are in the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    /// All of them.
    #[default]
    Whole,
    /// Some are not there any more, or others stand between them.
    Part,
    /// None of them.
    Gone,
}

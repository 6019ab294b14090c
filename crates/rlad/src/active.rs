//! Active learning: a [`Session`] asks an [`Oracle`] about the points that the agent is least sure of, and learns from the answers.

pub(crate) mod consensus;
pub(crate) mod mark;
pub(crate) mod oracle;
pub(crate) mod propagate;
pub(crate) mod query;
pub(crate) mod session;

pub use consensus::{Agreement, Opinion, agreements, resolve};
pub use mark::{Mark, deviations, extent};
pub use oracle::{AnswerStyle, FileOracle, Oracle, Question, Reply, TruthOracle};
pub use query::{Query, Reason, random_questions};
pub use session::{
    AlarmToAsk, ChangedAnswer, ExpectedQuality, Feedback, Grounds, Growth, InUse, Interval, RoundAnswers, RoundSummary,
    RunSummary, Session, SimilarWindow, SimilarWindows, ask,
};

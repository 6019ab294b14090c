//! The answer log of a session: every answer that an expert ever gave, in one SQLite file that only grows.
//!
//! A row is never changed or removed; taking an answer back is a row too. So the file is the audit trail (who labelled what,
//! when, and how sure the detector was at that moment), and the present labels can always be worked out from it again.
//!
//! An entry that [`AnswerLog::append`] has returned is on disk: the file is in write-ahead mode with `synchronous=FULL`,
//! which syncs at each commit.

mod annotation;
mod entry;
mod feedback;
mod file;
mod moved;
mod schema;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use self::annotation::{Annotated, allowed, bounds, times};
pub(crate) use self::entry::{AnnotationSource, AnsweredQuestion, Entry, LogAction, LoggedAnnotation, Presence};
pub(crate) use self::feedback::{Reading, index_of};
pub(crate) use self::file::AnswerLog;
pub(crate) use self::moved::move_to;
pub(crate) use self::state::AnnotationState;

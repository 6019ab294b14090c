//! The hint with an error: the flag or command that helps, where the program has one; else the library's own hint.

use rlad::Error;

use crate::advice::Advice;

/// The advice on an error or one of its causes, where there is something to say.
pub(crate) fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| match cause.downcast_ref::<Advice>() {
        Some(advice) => Some(advice.hint()),
        None => of_library(cause.downcast_ref::<Error>()?),
    })
}

/// The hint with an error of the library.
fn of_library(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Columns { .. } => {
            "name the columns with `--time-column`, `--value-column`, `--series-column` and `--label-column`"
        }
        Error::DuplicateTimestamp { .. } => {
            "keep one of the two rows; if the file holds several series, name their column with `--series-column`"
        }
        Error::Version { .. } => "train again with this program, or use the program that wrote the file",
        Error::Damaged { .. } => {
            "restore the file from a copy, or train again; a session's answers are safe in its `labels.sqlite`"
        }
        Error::RoundDiverged { .. } => "set a smaller `agent.learning_rate` in the config; the answers are kept",
        error => return error.hint(),
    })
}

//! The hint with an error: the flag or command that helps, where the program has one; else the library's own hint.

use rlad::Error;

use crate::advice::Advice;

/// The advice on an error or one of its causes, where there is something to say. `has_data_flags`: whether the command has those that say how
/// data are written.
pub(crate) fn hint(error: &anyhow::Error, has_data_flags: bool) -> Option<&str> {
    error.chain().find_map(|cause| match cause.downcast_ref::<Advice>() {
        Some(advice) => Some(advice.hint()),
        None => of_library(cause.downcast_ref::<Error>()?, has_data_flags),
    })
}

/// The hint with an error of the library.
fn of_library(error: &Error, has_data_flags: bool) -> Option<&'static str> {
    if let Some(hint) = of_data(error) {
        return has_data_flags.then_some(hint);
    }
    Some(match error {
        Error::Version { .. } => "train again with this program, or use the program that wrote the file",
        Error::Damaged { .. } => {
            "restore the file from a copy, or train again; a session's answers are safe in its `labels.sqlite`"
        }
        Error::RoundDiverged { .. } => "set a smaller `agent.learning_rate` in the config; the answers are kept",
        error => return error.hint(),
    })
}

/// The flag that helps where data are written in a way that is not found.
fn of_data(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::Columns { expected, .. } if expected.contains("the day and the month") => {
            "say how they are written: `--time-format '%d/%m/%Y %H:%M'` or `--time-format '%m/%d/%Y %H:%M'`"
        }
        Error::Columns { expected, .. } if expected.contains("decimal mark") => {
            "say which mark it is: `--decimal comma` or `--decimal point`"
        }
        Error::Columns { expected, .. } if expected.contains("may be the anomaly") => {
            "write 0 for normal and 1 for an anomaly, or leave the column out with `--no-labels`"
        }
        Error::Columns { expected, .. } if expected.contains("for the time") => "name it with `--time-column`",
        Error::Columns { expected, .. } if expected.contains("for the series") => "name it with `--series-column`",
        Error::Columns { expected, .. } if expected.contains("for the label") => "name it with `--label-column`",
        Error::Columns { .. } => {
            "name the columns with `--time-column`, `--value-column`, `--series-column` and `--label-column`"
        }
        Error::DuplicateTimestamp { .. } => {
            "if several series share these times, name what tells them apart with `--series-column`; else keep one row of \
             each with `--duplicates last` or `mean`; an hour that comes twice in autumn needs `--time-zone`"
        }
        Error::Cell { expected, .. } if expected == "a number" => {
            "if it stands for a missing value, name it with `--missing`; if it is a number, say its mark with `--decimal`"
        }
        Error::Cell { expected, .. } if expected.starts_with("a timestamp") => {
            "say how times are written with `--time-format` or `--time-unit`, or name their column with `--time-column`"
        }
        Error::Format { expected, .. } if expected.contains("first line names the columns") => {
            "if the first line is one of data, say `--no-header`"
        }
        Error::Format { expected, .. } if expected.starts_with("a CSV file of ") => {
            "if lines stand before the header, pass over them with `--skip`"
        }
        _ => return None,
    })
}

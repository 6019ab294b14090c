//! Errors, one variant per thing that a caller can do about it.

use std::path::{Path, PathBuf};

/// The cause below an error, of whatever library it comes from.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error of this library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not of the form that its name or the command says.
    #[error("`{}` is not {expected}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The form that it should have, with its article: "a Parquet file".
        expected: String,
        /// The words of the reader of that form, where it has any.
        source: Option<Cause>,
    },
    /// One cell cannot be understood.
    #[error("`{}`, row {row}, column `{column}`: expected {expected}, found `{found}`", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// The row, 1 for the first row of data under the header.
        row: usize,
        /// The column's name.
        column: String,
        /// A description of the right value.
        expected: String,
        /// The cell as it stands in the file.
        found: String,
    },
    /// The columns are not there, or cannot be told apart.
    #[error("`{}`: {expected}, found the columns {}", path.display(), list(found))]
    Columns {
        /// The file.
        path: PathBuf,
        /// The column that was looked for, as a clause: "no column named `cpu`".
        expected: String,
        /// The columns of the file.
        found: Vec<String>,
    },
    /// Two rows of one series have the same timestamp.
    #[error("`{}`: series `{series}` has the timestamp {timestamp} twice, in rows {first} and {second}", path.display())]
    DuplicateTimestamp {
        /// The file.
        path: PathBuf,
        /// The series.
        series: String,
        /// The timestamp as it stands in the file.
        timestamp: String,
        /// The first of the two rows, 1 for the first row of data.
        first: usize,
        /// The second of the two rows.
        second: usize,
    },
    /// Two files have a point of one series with the same timestamp.
    #[error("series `{series}` has the timestamp {timestamp} in `{}` and in `{}`", first.display(), second.display())]
    Overlap {
        /// The series.
        series: String,
        /// The timestamp as it stands in the files; the number of the row where they have none.
        timestamp: String,
        /// One of the files.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A place in a JSON file cannot be understood.
    #[error("`{}`, at `{at}`: expected {expected}, found {found}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The place, as a path from the root `$`.
        at: String,
        /// A description of the right value.
        expected: String,
        /// The value there, in backticks where it is text of the file.
        found: String,
    },
    /// A file of labels is not of the form that was named, or does not fit the data.
    #[error("`{}` is no file of labels in the form `{form}`: {problem}", path.display())]
    LabelFile {
        /// The file.
        path: PathBuf,
        /// The name of the form.
        form: &'static str,
        /// The problem, as a sentence about "it".
        problem: String,
        /// The form of such a file, or where to get it.
        hint: &'static str,
    },
    /// A row of a calendar of expected events cannot be understood.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Calendar {
        /// The file.
        path: PathBuf,
        /// The line in the file, 1 for the header.
        line: u64,
        /// What was expected and what was found.
        problem: String,
    },
    /// There is nothing to work on.
    #[error("{what} holds no points")]
    Empty {
        /// The file, folder or series, in backticks where it is a name.
        what: String,
    },
    /// A setting is outside of its range.
    #[error("`{name}` must be {expected}, got {found}")]
    Setting {
        /// The setting's path in the config file, such as `agent.gamma`.
        name: String,
        /// The range.
        expected: String,
        /// The value.
        found: String,
    },
    /// Parts that belong together do not fit: a series, its truth, or its scores.
    #[error("{what} must have {expected}, found {found}")]
    Shape {
        /// The thing, with its article or with its name in backticks: "series `cpu`".
        what: String,
        /// The shape or order that was expected: "10 labels, one a point".
        expected: String,
        /// The one that was found.
        found: String,
    },
    /// A series has other channels than the model was trained on.
    #[error("series `{series}` has {found} value channels, but {expected} are expected")]
    Channels {
        /// The series.
        series: String,
        /// How many were expected.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A stream cannot go on with another model.
    #[error(
        "the stream of series `{series}` cannot go on with model {model}: its {what} must be {expected}, found {found}"
    )]
    Swap {
        /// The series.
        series: String,
        /// The first digits of the hash of the model that was to be taken in.
        model: String,
        /// What does not fit: "`state.features`".
        what: &'static str,
        /// The stream's.
        expected: String,
        /// The model's.
        found: String,
    },
    /// Bytes are no state of a stream, or not the one that was written.
    #[error("the bytes are no state of a stream: expected {expected}, found {found}")]
    StreamBytes {
        /// What was expected, such as a checksum.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The state of a stream was written by another version of the format.
    #[error("the state of a stream has format version {found}, but this program reads version {expected}")]
    StreamVersion {
        /// The version that this library reads.
        expected: u16,
        /// The version of the bytes.
        found: u16,
    },
    /// The state of a stream is that of another model.
    #[error("the state of series `{series}` is that of a stream of model {expected}, but model {found} is given")]
    StreamModel {
        /// The series.
        series: String,
        /// The hash of the model that the state was made with.
        expected: String,
        /// The hash of the model that was given.
        found: String,
    },
    /// A model or checkpoint was written by another version of the format.
    #[error("`{}` has format version {found}, but this program reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that this library reads.
        expected: u32,
        /// The version in the file.
        found: String,
    },
    /// A model or checkpoint is not what was written.
    #[error("`{}` is damaged: its content hash is {found}, but {expected} was recorded", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The hash that the file records.
        expected: String,
        /// The hash of its content.
        found: String,
    },
    /// A tensor of a network is not what the network's shape asks for.
    #[error("tensor `{name}` must have {expected}, found {found}")]
    Tensor {
        /// Its name.
        name: String,
        /// The shape that it should have: "the shape [2, 64]".
        expected: String,
        /// The shape that it has, "none" where there is no such tensor.
        found: String,
    },
    /// The training of a network came to values that are not finite.
    #[error("the training of `{network}` diverged in epoch {epoch}")]
    Diverged {
        /// The network's name.
        network: &'static str,
        /// The epoch, 1 for the first.
        epoch: usize,
    },
    /// The training of a session did not converge.
    #[error("the training diverged in round {round}: the loss is {loss}")]
    RoundDiverged {
        /// The round, 0 for the warm-up.
        round: usize,
        /// The loss, infinite or not a number.
        loss: f32,
    },
    /// An oracle cannot answer.
    #[error("there is no answer to question {question}")]
    Oracle {
        /// The question's number.
        question: u64,
        /// Why.
        source: Cause,
    },
    /// An answer does not fit the question that it answers.
    #[error("the answer to question {question} {problem}")]
    Answer {
        /// The question's number.
        question: u64,
        /// The problem, as a clause: "paints points that were not shown".
        problem: String,
    },
    /// Scores and truth have no point in common, or something that was asked for is not in the data.
    #[error("{what} is not in {place}")]
    NotFound {
        /// The thing that was looked for.
        what: String,
        /// Where.
        place: String,
    },
}

/// The result of a call into this library.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A cell that cannot be understood.
    pub(crate) fn cell(
        path: &Path,
        row: usize,
        column: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Cell {
            path: path.to_owned(),
            row,
            column: column.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// A place in a JSON file that cannot be understood.
    pub(crate) fn json(path: &Path, at: String, expected: &str, found: impl Into<String>) -> Self {
        Self::Json { path: path.to_owned(), at, expected: expected.to_owned(), found: found.into() }
    }

    /// A setting that is outside of its range.
    pub(crate) fn setting(name: impl Into<String>, expected: impl Into<String>, found: impl std::fmt::Display) -> Self {
        Self::Setting { name: name.into(), expected: expected.into(), found: found.to_string() }
    }

    /// Of a file whose columns are fixed by its kind, wrong columns mean that it is not of that kind: `expected`, with its
    /// article. Other errors stay as they are.
    pub(crate) fn unlike(self, expected: &str) -> Self {
        match self {
            Self::Columns { ref path, .. } => {
                Self::Format { path: path.clone(), expected: expected.to_owned(), source: Some(Box::new(self)) }
            }
            other => other,
        }
    }

    /// Parts that do not fit.
    pub(crate) fn shape(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Shape { what: what.into(), expected: expected.into(), found: found.into() }
    }

    /// A tensor that is not what a network's shape asks for.
    pub(crate) fn tensor(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Tensor { name: name.into(), expected: expected.into(), found: found.into() }
    }

    /// Advice on what to do about it in terms of this library, where there is something to say. A program has its own words for flags
    /// and commands.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Columns { .. } => {
                "name the columns in `ReadOptions::columns`: `time`, `values`, `series` and `label`"
            }
            Self::DuplicateTimestamp { .. } => {
                "keep one of the two rows; if the file holds several series, name their column in `Columns::series`"
            }
            Self::Overlap { .. } => "name one of the two files only, or rename it if it holds another series",
            Self::Cell { expected, .. } if expected == "a number" => {
                "an empty cell, `NaN` or `null` is a missing value; correct the cell or remove the row"
            }
            Self::Cell { .. } => "correct the cell, or remove the row",
            Self::Json { .. } => "correct the value, or remove the entry that it belongs to",
            Self::LabelFile { hint, .. } => hint,
            Self::Calendar { .. } => {
                "a row has `from` and `to`, or a rule in `every`: `daily 02:00-02:30`, `weekly Sat 22:00-Sun 04:00`, \
                 `monthly 1 00:00-06:00` or `yearly 12-24..12-26`"
            }
            Self::Swap { .. } => "train the model with the same `state` settings, or begin a new stream with it",
            Self::StreamBytes { .. } => "restore the bytes from a copy, or begin a new stream",
            Self::StreamVersion { .. } => "begin a new stream, or use the version that wrote the bytes",
            Self::StreamModel { .. } => {
                "restore the stream with the model that it was made with, and then `Stream::swap` it"
            }
            Self::Empty { .. } => "data are `.csv` and `.parquet` files with at least one row under their header",
            Self::Version { .. } => "train again, or use the version that wrote the file",
            Self::Damaged { .. } => "restore the file from a copy, or train again",
            Self::Diverged { .. } => "lower its `learning_rate`",
            Self::RoundDiverged { .. } => "set a smaller `agent.learning_rate`, and teach the same answers again",
            Self::Shape { .. } => {
                "sort the points by time and keep one of each; a point has one value a channel, and one label where there is a truth"
            }
            Self::Channels { .. } => "score data of the form that the model was trained on",
            _ => return None,
        })
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! Writing a scores file, whole or one series after another.

use std::io;
use std::path::{Path, PathBuf};
#[cfg(feature = "parquet")]
use std::sync::Arc;

#[cfg(feature = "parquet")]
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
#[cfg(feature = "parquet")]
use arrow_schema::Schema;
#[cfg(feature = "parquet")]
use parquet::arrow::ArrowWriter;

use super::SeriesScores;
use crate::data::read::{Form, form_of};
use crate::data::series::TimeFormat;
#[cfg(feature = "parquet")]
use crate::data::write::parquet::{floats, properties, schema};
use crate::data::write::{TimeColumn, WholeFile, has_timestamps, number};
use crate::error::{Error, Result};

/// Writes scores as CSV or Parquet, by the extension of `path`.
///
/// The columns are `series, timestamp, score, threshold, anomaly, model`, one row a point; `index` stands in place of
/// `timestamp` where the series have no timestamps. A point that is not scored has an empty cell (null) for its score.
/// Timestamps are written as in the data; in Parquet integers as `Int64` in their own unit, RFC 3339 as `Timestamp(ns, UTC)`,
/// civil ones as `Timestamp(ns)`, and as text where series differ in this. The file takes its place whole.
///
/// # Errors
/// [`Error::Format`] for another extension, or if some series have timestamps and some have none;
/// [`Error::Shape`] if a series has not one score a timestamp; [`Error::Write`].
pub fn write_scores(path: &Path, scores: &[SeriesScores]) -> Result<()> {
    let forms: Vec<_> = scores.iter().map(|series| (series.series.as_str(), series.time_format)).collect();
    let mut writer = ScoresWriter::create(path, &forms)?;
    for series in scores {
        writer.write(series)?;
    }
    writer.finish()
}

/// Writes a scores file series by series, so that not all scores need to be held: the bytes are those of [`write_scores`].
///
/// The file takes its place with [`Self::finish`]; where the writer is dropped before, nothing is left of it.
#[derive(Debug)]
pub struct ScoresWriter {
    path: PathBuf,
    time_column: TimeColumn,
    form: Rows,
}

/// Where the rows go.
#[derive(Debug)]
enum Rows {
    Csv(Box<csv::Writer<WholeFile>>),
    #[cfg(feature = "parquet")]
    Parquet(Arc<Schema>, Box<ArrowWriter<WholeFile>>),
}

impl ScoresWriter {
    /// Begins a file. `series`: the name of every series that will be written, and how its timestamps are.
    ///
    /// # Errors
    /// Those of [`write_scores`].
    pub fn create(path: &Path, series: &[(&str, TimeFormat)]) -> Result<Self> {
        let form = form_of(path)?;
        let is_timed = series.is_empty() || has_timestamps(path, series)?;
        let time = if is_timed { "timestamp" } else { "index" };
        let names = ["series", time, "score", "threshold", "anomaly", "model"].map(str::to_owned);
        let time_column = TimeColumn::of(series.iter().map(|(_, format)| *format));
        let begin = || -> io::Result<Rows> {
            let file = WholeFile::create(path)?;
            Ok(match form {
                Form::Csv => {
                    let mut writer = csv::Writer::from_writer(file);
                    writer.write_record(&names)?;
                    Rows::Csv(Box::new(writer))
                }
                #[cfg(feature = "parquet")]
                Form::Parquet => {
                    let schema = schema(&names, &columns(time_column, &nothing()));
                    let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties()))?;
                    Rows::Parquet(schema, Box::new(writer))
                }
            })
        };
        let form = begin().map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), time_column, form })
    }

    /// Writes the scores of one series.
    ///
    /// # Errors
    /// [`Error::Write`]; then the file cannot be finished. [`Error::Shape`] if it has not one score a timestamp, or timestamps of a form
    /// that no series was announced with.
    pub fn write(&mut self, scores: &SeriesScores) -> Result<()> {
        scores.check()?;
        if !self.time_column.holds(scores.time_format) {
            let what = format!("the scores of series `{}`", scores.series);
            let found = scores.time_format.describe();
            return Err(Error::shape(what, "timestamps of a form that was announced", found));
        }
        let written = match &mut self.form {
            Rows::Csv(writer) => write_rows(writer, scores).map_err(io::Error::from),
            #[cfg(feature = "parquet")]
            Rows::Parquet(schema, writer) => {
                let batch = RecordBatch::try_new(schema.clone(), columns(self.time_column, scores));
                writer.write(&batch.expect("columns of one length and type")).map_err(io::Error::from)
            }
        };
        written.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(self) -> Result<()> {
        let finish = || match self.form {
            Rows::Csv(writer) => writer.into_inner().map_err(csv::IntoInnerError::into_error)?.finish(),
            #[cfg(feature = "parquet")]
            Rows::Parquet(_, writer) => writer.into_inner()?.finish(),
        };
        finish().map_err(|source| Error::Write { path: self.path, source })
    }
}

/// The rows of one series in a CSV file.
fn write_rows(writer: &mut csv::Writer<WholeFile>, series: &SeriesScores) -> csv::Result<()> {
    let threshold = number(series.threshold);
    for ((&timestamp, &score), alarm) in series.timestamps.iter().zip(&series.scores).zip(&series.alarms) {
        let anomaly = if alarm.is_raised() { "true" } else { "false" };
        let timestamp = series.time_format.format(timestamp);
        writer.write_record([&series.series, &*timestamp, &number(score), &threshold, anomaly, &series.model])?;
    }
    Ok(())
}

/// The columns of one series in a Parquet file.
#[cfg(feature = "parquet")]
fn columns(time_column: TimeColumn, series: &SeriesScores) -> Vec<ArrayRef> {
    let n_points = series.scores.len();
    vec![
        Arc::new(StringArray::from(vec![&*series.series; n_points])),
        time_column.array(series.time_format, &series.timestamps),
        floats(series.scores.iter().copied()),
        Arc::new(Float64Array::from(vec![series.threshold; n_points])),
        Arc::new(BooleanArray::from(series.anomalies())),
        Arc::new(StringArray::from(vec![&*series.model; n_points])),
    ]
}

/// A series without points, whose columns tell the types.
#[cfg(feature = "parquet")]
const fn nothing() -> SeriesScores {
    SeriesScores {
        series: String::new(),
        time_format: TimeFormat::Seconds,
        timestamps: Vec::new(),
        scores: Vec::new(),
        alarms: Vec::new(),
        threshold: 0.0,
        model: String::new(),
    }
}

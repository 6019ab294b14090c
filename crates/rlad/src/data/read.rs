//! Reading: CSV and Parquet files, and folders of them, in long form: one row a point, several series in one file told
//! apart by a column.
//!
//! A file is read into a table (`csv`, `parquet`) whose columns are found by name (`columns`); its rows are parted into
//! series, sorted, and joined with the rows of the same series in other files. What is repaired on the way is told in a
//! bounded number of sentences (`notes`); what cannot be understood is an error that names the file, the row and the column.
//!
//! Where files are larger than memory, a first pass lists which series lie in which blocks of rows (`listing`), and then some
//! series at a time are read from their blocks (`catalogue`), by the same code and with the same notes and errors.

mod catalogue;
mod columns;
mod csv;
mod files;
mod listing;
mod notes;
#[cfg(feature = "parquet")]
mod parquet;
mod pieces;
mod table;
mod time;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use catalogue::{Catalogue, ListedSeries};
pub use columns::Columns;
pub(crate) use columns::{Find, Kind, Roles, Wanted, find as find_columns};
pub(crate) use csv::{delimiter, shorten};
use files::DataFile;
pub(crate) use files::{Form, form_of};
use listing::Pick;
pub(crate) use notes::{Note, Notes};
pub(crate) use pieces::Duplicates;
use pieces::{Piece, join, pieces};
pub(crate) use table::{Table, label_of_text, number_of};
pub(crate) use time::{Trouble, civil, integral, read_integer, read_timestamp};

use crate::data::dataset::DataSet;
use crate::data::label::Truth;
use crate::data::series::Series;
use crate::error::{Error, Result};

/// How to read data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// The columns that are not found by their usual names.
    pub columns: Columns,
    /// The time between two points in nanoseconds, at least 1; found for each series where it is not given.
    pub step: Option<i64>,
}

/// Reads files and folders.
///
/// A path ending in `.csv`, `.tsv` or `.txt` is a CSV file, one in `.parquet` or `.pq` a Parquet file; of a folder, all such
/// files (`.txt` excepted) in it and below are read, in the order of their paths. A file without a column for the series is
/// one series, named after the file without its extension, with the folders below the one that was given
/// (`realKnownCause/nyc_taxi`). Rows of one series in several files are joined.
///
/// **Columns** are found by [`ReadOptions::columns`].
/// **Timestamps** are integers (seconds since 1970 below 10¹¹, ms below 10¹⁴, µs below 10¹⁷, else ns), RFC 3339,
/// `YYYY-MM-DD HH:MM:SS` with or without `T` and fraction, plain dates, or Parquet's own timestamps and dates: one form a
/// series. Without a zone they are taken as UTC. Without a column for them the timestamp is the number of the row in its
/// series, from 0. Rows need not be sorted; gaps stay gaps.
/// **Values** are numbers; an empty cell, `NaN`, `null`, `NA`, `N/A` or `None` in any case is a missing value, and so is an
/// infinity.
/// **Labels** are 0 or `false`, 1 or `true`; -1, or what is a missing value, for unknown.
///
/// # Errors
/// [`Error::Read`] and [`Error::Format`] for a file that cannot be read or is not what its name says, [`Error::Empty`] where
/// there are no rows at all, [`Error::Columns`] and [`Error::Cell`] for what cannot be understood,
/// [`Error::DuplicateTimestamp`] and [`Error::Overlap`] for two rows of one series with one timestamp, in one file or in two,
/// [`Error::Setting`] for a step below 1.
pub fn read(paths: &[PathBuf], options: &ReadOptions) -> Result<DataSet> {
    let mut notes = Notes::default();
    let files = files::find(paths, &mut notes)?;
    let wanted = Wanted::from(&options.columns);
    let (data, notes) = read_files(&files, &what_is_read(paths), &wanted, Duplicates::Refuse, options.step, notes)?;
    Ok(DataSet { notes: notes.sentences(), ..data })
}

/// The name of these files and folders in messages.
fn what_is_read(paths: &[PathBuf]) -> String {
    match paths {
        [path] => format!("`{}`", path.display()),
        paths => format!("all of the {} files and folders", paths.len()),
    }
}

/// Reads a file or folder as one kind of data set, whose notes are still to be told.
pub(crate) fn read_as(path: &Path, wanted: &Wanted, duplicates: Duplicates) -> Result<(DataSet, Notes)> {
    read_files_as(path, wanted, duplicates, |_| true)
}

/// Reads those files of a folder (or the one file) of which `keep` holds as one kind of data set, whose notes are still to be
/// told.
pub(crate) fn read_files_as(
    path: &Path,
    wanted: &Wanted,
    duplicates: Duplicates,
    keep: impl Fn(&Path) -> bool,
) -> Result<(DataSet, Notes)> {
    let mut notes = Notes::default();
    let mut files = files::find(&[path.to_owned()], &mut notes)?;
    files.retain(|file| keep(&file.path));
    read_files(&files, &format!("`{}`", path.display()), wanted, duplicates, None, notes)
}

fn read_files(
    files: &[DataFile],
    what: &str,
    wanted: &Wanted,
    duplicates: Duplicates,
    step: Option<i64>,
    mut notes: Notes,
) -> Result<(DataSet, Notes)> {
    let mut all: Vec<Piece> = Vec::new();
    let mut clock = OneClock::default();
    for (index, file) in files.iter().enumerate() {
        let table = match read_table(&file.path, wanted) {
            Err(Error::Empty { what }) => {
                notes.add(Note::NoRows, what);
                continue;
            }
            table => table?,
        };
        let is_timed = table.timestamps.is_some();
        clock.check(&file.path, is_timed, &table.columns)?;
        tell_columns(&file.path, is_timed, &table.left_out, &mut notes);
        all.extend(pieces(&table, &file.name, duplicates, |id, _| (index, id), &mut notes)?);
    }
    let data = data_set(all, step, |index, _| index, &mut notes)?;
    if data.series.is_empty() {
        return Err(Error::Empty { what: what.to_owned() });
    }
    Ok((data, notes))
}

/// Files of which all have a column for the time, or none has.
#[derive(Debug, Default)]
struct OneClock {
    timed: Option<PathBuf>,
    timeless: Option<PathBuf>,
}

impl OneClock {
    /// Refuses a file that is unlike those before it.
    fn check(&mut self, path: &Path, is_timed: bool, columns: &[String]) -> Result<()> {
        let place = if is_timed { &mut self.timed } else { &mut self.timeless };
        place.get_or_insert_with(|| path.to_owned());
        let (Some(timed), Some(timeless)) = (&self.timed, &self.timeless) else { return Ok(()) };
        let expected = if is_timed {
            format!("expected no column for the time, as in `{}`", timeless.display())
        } else {
            format!("expected a column for the time, as in `{}`", timed.display())
        };
        Err(Error::Columns { path: path.to_owned(), expected, found: columns.to_vec() })
    }
}

/// Notes what is odd about the columns of a file.
fn tell_columns(path: &Path, is_timed: bool, left_out: &[String], notes: &mut Notes) {
    for column in left_out {
        notes.add(Note::LeftOut, format!("`{column}` of `{}`", path.display()));
    }
    if !is_timed {
        notes.add(Note::NoTime, format!("`{}`", path.display()));
    }
}

/// Joins pieces to series, sorted by name. `place` is where the notes of a series stand, by its number among these and its
/// name.
fn data_set(
    pieces: Vec<Piece>,
    step: Option<i64>,
    place: impl Fn(usize, &str) -> usize,
    notes: &mut Notes,
) -> Result<DataSet> {
    let mut data = DataSet::default();
    for (index, (name, series_pieces)) in group(pieces).enumerate() {
        let Piece { format, channels, timestamps, values, labels, .. } = join(&name, series_pieces)?;
        let series = Series::new(&*name, channels, format, timestamps, values, step)?;
        notes.observe(place(index, &name), &series);
        let truth = labels.filter(|labels| labels.iter().any(Option::is_some)).map(Truth::new);
        data.push(series, truth);
    }
    Ok(data)
}

/// Reads one file, by its extension.
///
/// # Errors
/// Those of [`read`]; [`Error::Empty`] without rows.
pub(crate) fn read_table(path: &Path, wanted: &Wanted) -> Result<Table> {
    let table = read_rows(path, wanted, None)?;
    if table.n_rows == 0 {
        return Err(Error::Empty { what: format!("`{}`", path.display()) });
    }
    Ok(table)
}

/// Reads one file, or some series of it.
fn read_rows(path: &Path, wanted: &Wanted, pick: Option<&Pick<'_>>) -> Result<Table> {
    match form_of(path)? {
        Form::Csv => csv::read(path, wanted, pick),
        #[cfg(feature = "parquet")]
        Form::Parquet => parquet::read(path, wanted, pick),
    }
}

/// The pieces of each series in the order in which they were read; series by name.
fn group(pieces: Vec<Piece>) -> impl Iterator<Item = (String, Vec<Piece>)> {
    let mut by_name = BTreeMap::<String, Vec<Piece>>::new();
    for mut piece in pieces {
        by_name.entry(std::mem::take(&mut piece.series)).or_default().push(piece);
    }
    by_name.into_iter()
}

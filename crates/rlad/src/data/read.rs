//! Reading: CSV and Parquet files, and folders of them, in long form: one row a point, several series in one file told
//! apart by a column.
//!
//! A file is opened (`source`: unpacked and in UTF-8; `layout`: where its rows begin) and read into a table (`csv`, `parquet`) whose
//! columns are found by their names and by a sample of their cells (`columns`, `sample`); its rows are parted into series, sorted, and
//! joined with the rows of the same series in other files. What is repaired on the way is told in a bounded number of sentences (`notes`),
//! and so is what each column was taken for; what cannot be understood is an error that names the file, the row and the column.
//!
//! Where files are larger than memory, a first pass lists which series lie in which blocks of rows (`listing`), and then some
//! series at a time are read from their blocks (`catalogue`), by the same code and with the same notes and errors.

mod catalogue;
mod cell;
mod columns;
mod csv;
mod files;
mod form;
mod layout;
mod listing;
mod notes;
mod number;
#[cfg(feature = "parquet")]
mod parquet;
mod pieces;
mod rate;
mod sample;
mod source;
mod table;
mod time;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use catalogue::{Catalogue, ListedSeries};
pub(crate) use cell::shorten;
pub use columns::Columns;
pub(crate) use columns::{Find, Kinds, Roles, Wanted, find as find_columns};
use files::DataFile;
pub(crate) use files::{Form, form_of};
pub use form::{DecimalMark, Duplicates, FileForm, TimeUnit};
pub(crate) use layout::delimiter;
use listing::Listing;
pub(crate) use notes::{Note, Notes};
pub(crate) use number::number_of;
pub(crate) use pieces::Repeated;
use pieces::{Piece, by_channel, join, pieces};
pub(crate) use sample::Kind;
pub(crate) use table::{Table, label_of_text};
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
    /// How the files are written, as far as that is not to be found from their rows.
    pub form: FileForm,
    /// The time between two points in nanoseconds, at least 1; found for each series where it is not given.
    pub step: Option<i64>,
}

/// Reads files and folders.
///
/// A path ending in `.parquet` or `.pq` is a Parquet file, any other a CSV file; either may be compressed (`.gz`, `.zst`), a pipe, or `-`
/// for standard input, and text may be in UTF-8, UTF-16 or Latin-1. Of a folder, all files ending in `.csv`, `.tsv`, `.parquet` or `.pq` in
/// it and below are read, in the order of their paths; one that cannot be read is left out with a note. A path with `*`, `?` or `[…]` stands
/// for the files that it matches. A file without a column for the series is one series, named after the file without its extension, with
/// the folders below the one that was given (`realKnownCause/nyc_taxi`), or after its partition (`host=h0`). Rows of one series in several
/// files are joined.
///
/// **Columns** are found by [`ReadOptions::columns`], then by their usual names, then by what a sample of their cells looks like; what was
/// found is told in [`DataSet::roles`].
/// **Timestamps** are numbers (seconds since 1970 below 10¹¹, ms below 10¹⁴, µs below 10¹⁷, else ns), RFC 3339, dates with or without a
/// time of day in any usual form that has one meaning, or Parquet's own timestamps and dates: one form a series. A date and a time of day
/// may stand in two columns. Without a zone they are taken as UTC ([`FileForm::time_zone`]). Without a column for them the timestamp is the
/// number of the row in its series, from 0. Rows need not be sorted; gaps stay gaps; of a few rows with one timestamp the last stays
/// ([`FileForm::duplicates`]).
/// **Values** are numbers, with a decimal point or comma, or `true` and `false`; an empty cell, `NaN`, `null`, `NA`, `N/A` or `None` in any case
/// is a missing value, and so is an infinity.
/// **Labels** are 0, `false` or `normal`, 1, `true` or `anomaly`; -1, or what is a missing value, for unknown.
///
/// # Errors
/// [`Error::Read`] and [`Error::Format`] for a file that cannot be read or is not what its name says, [`Error::Empty`] where
/// there are no rows at all, [`Error::Columns`] and [`Error::Cell`] for what cannot be understood,
/// [`Error::DuplicateTimestamp`] and [`Error::Overlap`] for two rows of one series with one timestamp, in one file or in two,
/// [`Error::Setting`] for a step below 1 or a zone that is not known.
pub fn read(paths: &[PathBuf], options: &ReadOptions) -> Result<DataSet> {
    let mut notes = Notes::default();
    let wanted = Wanted::of(&options.columns, &options.form)?;
    let files = files::find(paths, &mut notes)?;
    let repeated = options.form.duplicates.into();
    let (data, notes) = read_files(&files, &what_is_read(paths), &wanted, repeated, options.step, notes)?;
    Ok(DataSet { notes: notes.sentences(), roles: notes.roles(), ..data })
}

/// The name of these files and folders in messages.
fn what_is_read(paths: &[PathBuf]) -> String {
    match paths {
        [path] => format!("`{}`", path.display()),
        paths => format!("all of the {} files and folders", paths.len()),
    }
}

/// Reads a file or folder as one kind of data set, whose notes are still to be told.
pub(crate) fn read_as(path: &Path, wanted: &Wanted, duplicates: Repeated) -> Result<(DataSet, Notes)> {
    read_files_as(path, wanted, duplicates, |_| true)
}

/// Reads those files of a folder (or the one file) of which `keep` holds as one kind of data set, whose notes are still to be
/// told.
pub(crate) fn read_files_as(
    path: &Path,
    wanted: &Wanted,
    duplicates: Repeated,
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
    duplicates: Repeated,
    step: Option<i64>,
    mut notes: Notes,
) -> Result<(DataSet, Notes)> {
    let mut all: Vec<Piece> = Vec::new();
    let mut clock = OneClock::default();
    let mut bad = BadFiles::default();
    for (index, file) in files.iter().enumerate() {
        let mut read = || {
            let table = not_empty(read_rows(file, wanted, None)?)?;
            clock.check(&file.path, table.timestamps.is_some(), &table.columns)?;
            let found = pieces(&table, &file.name, duplicates, |id, _| (index, id), &mut notes)?;
            notes.read_as(&file.path, &table.roles, table.timestamps.is_some(), wanted);
            Ok((table.series.is_some(), found))
        };
        let (is_named, found) = match read() {
            Err(Error::Empty { what }) => {
                notes.add(Note::NoRows, what);
                continue;
            }
            Err(error) => {
                bad.leave_out(file, error, wanted, &mut notes)?;
                continue;
            }
            Ok(found) => found,
        };
        if wanted.form.wide {
            all.extend(found.iter().flat_map(|piece| by_channel(piece, is_named || files.len() > 1)));
        } else {
            all.extend(found);
        }
    }
    let data = data_set(all, &wanted.form, step, |index, _| index, &mut notes)?;
    if data.series.is_empty() {
        return Err(bad.first.unwrap_or_else(|| Error::Empty { what: what.to_owned() }));
    }
    Ok((data, notes))
}

/// Files of folders that cannot be read: they are left out, unless nothing else is there.
#[derive(Debug, Default)]
struct BadFiles {
    first: Option<Error>,
}

impl BadFiles {
    /// Leaves out a file of a folder.
    ///
    /// # Errors
    /// The error of a file that was named itself, or is one of a data set of a fixed form.
    fn leave_out(&mut self, file: &DataFile, error: Error, wanted: &Wanted, notes: &mut Notes) -> Result<()> {
        if !file.is_of_folder || !wanted.by_content {
            return Err(error);
        }
        notes.add(Note::NotRead, format!("{error}"));
        self.first.get_or_insert(error);
        Ok(())
    }
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

/// Joins pieces to series, sorted by name. `place` is where the notes of a series stand, by its number among these and its
/// name.
fn data_set(
    pieces: Vec<Piece>,
    form: &FileForm,
    step: Option<i64>,
    place: impl Fn(usize, &str) -> usize,
    notes: &mut Notes,
) -> Result<DataSet> {
    let mut data = DataSet::default();
    for (index, (name, series_pieces)) in group(pieces).enumerate() {
        let Piece { format, channels, timestamps, mut values, labels, .. } = join(&name, series_pieces)?;
        rate::to_rates(form, &name, &channels, format, &timestamps, &mut values);
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
    not_empty(read_rows(&DataFile::new(path, String::new(), false), wanted, None)?)
}

fn not_empty(table: Table) -> Result<Table> {
    if table.n_rows == 0 {
        return Err(Error::Empty { what: format!("`{}`", table.path.display()) });
    }
    Ok(table)
}

/// Reads one file, or, of one that was listed, some series.
fn read_rows(file: &DataFile, wanted: &Wanted, listed: Option<(&Listing, &[usize])>) -> Result<Table> {
    match file.form()? {
        Form::Csv => csv::read(file, wanted, listed),
        #[cfg(feature = "parquet")]
        Form::Parquet => parquet::read(file, wanted, listed),
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

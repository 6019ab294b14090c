//! Writing: whole files or none, and the forms that values and timestamps have in them.

#[cfg(feature = "parquet")]
pub(crate) mod parquet;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::data::dataset::DataSet;
use crate::data::label::Label;
use crate::data::read::{Form, Kind, Kinds, Roles, Wanted, find_columns, form_of};
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// Writes a data set as CSV or Parquet, by the extension of `path`, in the long form that [`read`](crate::data::read()) takes.
///
/// The columns are `series`, `timestamp` (left out where series have no timestamps), the value channels under their own
/// names, and `label` (0, 1, or -1 for unknown; left out where no series has a truth). Reading it again gives the same
/// series and truths, bit for bit, but for a step that is not the most common difference of the timestamps.
///
/// # Errors
/// [`Error::Format`] for another extension, if the series differ in their channels, if some have timestamps and some have
/// none, or if the name of a channel would be taken for another column; [`Error::Empty`] without a series; [`Error::Shape`] where a truth has not the
/// length of its series; [`Error::Write`].
pub fn write_dataset(path: &Path, data: &DataSet) -> Result<()> {
    let form = form_of(path)?;
    data.check()?;
    let channels = one_set_of_channels(path, data)?;
    let forms = data.series.iter().map(|series| (series.name(), series.time_format()));
    let timed = has_timestamps(path, &forms.collect::<Vec<_>>())?;
    let has_truth = data.has_truth();

    let mut names = vec!["series".to_owned()];
    names.extend(timed.then(|| "timestamp".to_owned()));
    names.extend(channels.iter().cloned());
    names.extend(has_truth.then(|| "label".to_owned()));
    let first_channel = 1 + usize::from(timed);
    let last = first_channel + channels.len();
    let wanted = Roles {
        series: vec![0],
        time: timed.then_some(1).into_iter().collect(),
        values: (first_channel..last).collect(),
        label: has_truth.then_some(last),
        ..Roles::default()
    };
    let found = find_columns(path, &names, &Wanted::default(), &mut Kinds(vec![Kind::Number; names.len()]));
    if found.ok() != Some(wanted) {
        let list = channels.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let expected =
            format!("able to hold the channels {list}: one of these names would be taken for another column");
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }

    match form {
        Form::Csv => write_atomically(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(&names)?;
            for (series, truth) in data.iter() {
                for (point, &timestamp) in series.timestamps().iter().enumerate() {
                    writer.write_field(series.name())?;
                    if timed {
                        writer.write_field(series.time_format().format(timestamp))?;
                    }
                    for &value in series.row(point) {
                        writer.write_field(number(value))?;
                    }
                    if has_truth {
                        let label = truth.and_then(|truth| truth.labels()[point]);
                        writer.write_field(
                            label.map_or_else(String::new, |label| label_number(Some(label)).to_string()),
                        )?;
                    }
                    writer.write_record(None::<&[u8]>)?;
                }
            }
            writer.flush()
        }),
        #[cfg(feature = "parquet")]
        Form::Parquet => parquet::write_dataset(path, &names, data, timed),
    }
}

/// The channels of the series of a data set.
///
/// # Errors
/// [`Error::Empty`] without a series; [`Error::Format`] where they differ: then one file cannot hold them.
pub(crate) fn one_set_of_channels<'a>(path: &Path, data: &'a DataSet) -> Result<&'a [String]> {
    let Some(first) = data.series.first() else {
        return Err(Error::Empty { what: "the data set".to_owned() });
    };
    let channels = first.channels();
    if let Some(other) = data.series.iter().find(|series| series.channels() != channels) {
        let expected = format!(
            "able to hold series with different channels, and `{}` differs from `{}`: write them to files of their own",
            other.name(),
            first.name()
        );
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }
    Ok(channels)
}

/// Whether series have timestamps.
///
/// # Errors
/// [`Error::Format`] where some have and some have not: then one file cannot hold them.
pub(crate) fn has_timestamps(path: &Path, series: &[(&str, TimeFormat)]) -> Result<bool> {
    let timeless = series.iter().find(|(_, format)| *format == TimeFormat::Index);
    let timed = series.iter().find(|(_, format)| *format != TimeFormat::Index);
    if let (Some((timeless, _)), Some((timed, _))) = (timeless, timed) {
        let expected = format!(
            "able to hold series with and without timestamps, as `{timed}` and `{timeless}`: write them to files of their own"
        );
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }
    Ok(timeless.is_none())
}

/// Writes the bytes of a file, whole or not at all: into a file beside it that takes its place when it is on the disk.
///
/// # Errors
/// [`Error::Write`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, |file| file.write_all(bytes))
}

/// Writes a file whole, as [`WholeFile`] does.
///
/// # Errors
/// [`Error::Write`].
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let attempt = || {
        let mut file = WholeFile::create(path)?;
        write(&mut file.file)?;
        file.finish()
    };
    attempt().map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// A file that is written whole: into a file beside it, `.NAME.partial`, which takes its place when it is complete and on the
/// disk, and is removed where it is dropped before. So a run that is killed leaves what was there before. What is no regular
/// file (a pipe, `/dev/stdout`) is written to directly.
#[derive(Debug)]
pub(crate) struct WholeFile {
    file: BufWriter<File>,
    target: PathBuf,
    /// The file beside it, as long as it is there.
    partial: Option<PathBuf>,
}

impl WholeFile {
    /// Begins to write a file.
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        // A link stays a link: what it leads to is replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if std::fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file()) {
            let file = BufWriter::new(File::options().write(true).open(&target)?);
            return Ok(Self { file, target, partial: None });
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(".partial");
        let partial = target.with_file_name(name);
        let file = BufWriter::new(File::create(&partial)?);
        Ok(Self { file, target, partial: Some(partial) })
    }

    /// Puts the file in its place.
    pub(crate) fn finish(mut self) -> std::io::Result<()> {
        self.file.flush()?;
        let Some(partial) = &self.partial else { return Ok(()) };
        self.file.get_ref().sync_all()?;
        std::fs::rename(partial, &self.target)?;
        self.partial = None;
        // The new name is on the disk when the folder is.
        #[cfg(unix)]
        match self.target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all()?,
            _ => File::open(".")?.sync_all()?,
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // An error came before, and is the one to tell.
            let _ = std::fs::remove_file(partial);
        }
    }
}

/// The type of a column of timestamps that has one type: in CSV all are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeColumn {
    /// Integers in the user's own unit, or indices.
    Integer,
    /// Nanoseconds in UTC, for RFC 3339.
    Zoned,
    /// Nanoseconds without a zone.
    Civil,
    /// Text as the user writes it, where series differ.
    Text,
}

impl TimeColumn {
    /// The type that holds timestamps of these forms.
    pub(crate) fn of(formats: impl Iterator<Item = TimeFormat>) -> Self {
        let kinds: BTreeSet<u8> = formats
            .map(|format| match format {
                TimeFormat::Rfc3339 => 1,
                TimeFormat::Civil => 2,
                TimeFormat::DecimalSeconds => 3,
                _ => 0,
            })
            .collect();
        match kinds.into_iter().collect::<Vec<_>>()[..] {
            [] | [0] => Self::Integer,
            [1] => Self::Zoned,
            [2] => Self::Civil,
            _ => Self::Text,
        }
    }

    /// Whether timestamps of this form can stand in it as they are.
    pub(crate) const fn holds(self, format: TimeFormat) -> bool {
        match self {
            Self::Integer => !matches!(format, TimeFormat::Rfc3339 | TimeFormat::Civil | TimeFormat::DecimalSeconds),
            Self::Zoned => matches!(format, TimeFormat::Rfc3339),
            Self::Civil => matches!(format, TimeFormat::Civil),
            Self::Text => true,
        }
    }
}

/// The shortest text that reads as the same number; empty for NaN.
pub(crate) fn number(number: f64) -> String {
    if number.is_nan() {
        return String::new();
    }
    let mut text = format!("{number:?}");
    if text.ends_with(".0") {
        text.truncate(text.len() - 2);
    }
    text
}

const fn label_number(label: Option<Label>) -> i8 {
    match label {
        None => -1,
        Some(Label::Normal) => 0,
        Some(Label::Anomaly) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_short_and_exact() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(0.1), "0.1");
        assert_eq!(number(1e300), "1e300");
        assert_eq!(number(-0.0), "-0");
        assert_eq!(number(f64::INFINITY), "inf");
        assert_eq!(number(f64::NAN), "");
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, "old").unwrap();
        let failed = write_atomically(&path, |file| {
            file.write_all(b"new")?;
            Err(std::io::Error::other("killed"))
        });
        assert!(matches!(failed, Err(Error::Write { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write_atomically(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn timestamps_of_different_forms_are_written_as_text() {
        let of = |formats: &[TimeFormat]| TimeColumn::of(formats.iter().copied());
        assert_eq!(of(&[TimeFormat::Seconds, TimeFormat::Milliseconds]), TimeColumn::Integer);
        assert_eq!(of(&[TimeFormat::Civil]), TimeColumn::Civil);
        assert_eq!(of(&[TimeFormat::Civil, TimeFormat::Rfc3339]), TimeColumn::Text);
    }
}

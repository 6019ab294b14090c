//! The table of one file, column by column, before it is parted into series.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::columns::Roles;
use super::time::ReadTime;
use crate::data::label::Label;
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// The rows of one file.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    /// All columns of the file, for messages.
    pub(crate) columns: Vec<String>,
    /// The columns that are read as nothing.
    pub(crate) left_out: Vec<String>,
    pub(crate) n_rows: usize,
    pub(super) row_numbers: RowNumbers,
    /// The series of each row, where there is a column for it.
    pub(crate) series: Option<Texts>,
    /// The form of the timestamps, by series (one entry where there is no column for the series).
    pub(crate) formats: Vec<TimeFormat>,
    /// Nanoseconds since 1970, where there is a column for the time.
    pub(crate) timestamps: Option<Vec<i64>>,
    /// The names of the value channels, at least one.
    pub(crate) channels: Vec<String>,
    /// Shape `[n_rows, channels.len()]`; infinities stand as they are.
    pub(crate) values: Vec<f64>,
    pub(crate) labels: Option<Vec<Option<Label>>>,
    pub(crate) tags: Option<Texts>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(path: &Path, columns: &[String], roles: &Roles) -> Self {
        let names = |indices: &[usize]| indices.iter().map(|&index| columns[index].clone()).collect();
        Self {
            path: path.to_owned(),
            columns: columns.to_vec(),
            left_out: names(&roles.left_out),
            n_rows: 0,
            row_numbers: RowNumbers::default(),
            series: roles.series.map(|_| Texts::default()),
            formats: Vec::new(),
            timestamps: roles.time.map(|_| Vec::new()),
            channels: names(&roles.values),
            values: Vec::new(),
            labels: roles.label.map(|_| Vec::new()),
            tags: roles.tag.map(|_| Texts::default()),
        }
    }

    /// Adds the time of a row, whose number and series stand in the table already.
    ///
    /// `found` is the cell as it stands in the file.
    pub(crate) fn push_time(&mut self, column: &str, read: ReadTime, found: impl FnOnce() -> String) -> Result<()> {
        let timestamps = self.timestamps.as_mut().expect("there is a column for the time");
        let row = timestamps.len();
        let number = self.row_numbers.get(row);
        let wrong = |expected: String, found: String| Error::cell(&self.path, number, column, expected, found);
        let (format, timestamp) = match read {
            Ok(read) => read,
            Err(trouble) => return Err(wrong(trouble.expected().to_owned(), found())),
        };
        let series = self.series.as_ref().map_or(0, |series| series.of_row[row] as usize);
        match self.formats.get(series) {
            Some(&first) if first != format => {
                return Err(wrong(format!("{}, as in the rows before", first.describe()), found()));
            }
            Some(_) => {}
            None => self.formats.push(format),
        }
        timestamps.push(timestamp);
        Ok(())
    }
}

/// Which row of its file each row of a table is.
#[derive(Debug, Default)]
pub(super) struct RowNumbers {
    /// The first row of each run of rows that follow each other in the file: as the table counts, then as the file does.
    runs: Vec<(usize, usize)>,
}

impl RowNumbers {
    /// Notes that the row `row` of the table, from 0, is the row `number` of the file, from 1. Rows come in rising order.
    pub(super) fn push(&mut self, row: usize, number: usize) {
        let goes_on = self.runs.last().is_some_and(|&(first, of_first)| of_first + (row - first) == number);
        if !goes_on {
            self.runs.push((row, number));
        }
    }

    /// The number of a row in the file, 1 for the first row of data.
    pub(super) fn get(&self, row: usize) -> usize {
        let run = self.runs.partition_point(|&(first, _)| first <= row) - 1;
        let (first, of_first) = self.runs[run];
        of_first + (row - first)
    }
}

/// A column of text of which many cells are the same.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// The texts, each once, in the order in which they come.
    pub(crate) texts: Vec<String>,
    /// The index of each row's text.
    pub(crate) of_row: Vec<u32>,
    index: HashMap<String, u32>,
    /// The index of the text that came last.
    last: u32,
}

impl Texts {
    pub(crate) fn push(&mut self, text: &str) {
        let id = self.id(text);
        self.of_row.push(id);
    }

    /// The index of a text, which is kept where it is new.
    pub(crate) fn id(&mut self, text: &str) -> u32 {
        if self.texts.get(self.last as usize).is_none_or(|last| last != text) {
            self.last = self.index.get(text).copied().unwrap_or_else(|| {
                let id = u32::try_from(self.texts.len()).expect("fewer than 2³² texts fit in memory");
                self.texts.push(text.to_owned());
                self.index.insert(text.to_owned(), id);
                id
            });
        }
        self.last
    }

    /// The text of a row.
    pub(crate) fn get(&self, row: usize) -> &str {
        &self.texts[self.of_row[row] as usize]
    }
}

/// The forms of a label, for messages.
pub(crate) const EXPECTED_LABEL: &str = "the label 0, 1, or an empty cell or -1 where it is unknown";

/// The label that a number stands for: 0 normal, 1 anomaly, -1 and NaN unknown; `None` for any other.
pub(crate) fn label_of(number: f64) -> Option<Option<Label>> {
    if number.is_nan() {
        return Some(None);
    }
    match super::time::integral(number)? {
        0 => Some(Some(Label::Normal)),
        1 => Some(Some(Label::Anomaly)),
        -1 => Some(None),
        _ => None,
    }
}

/// The label that a text stands for: as its number, or `true` or `false`.
pub(crate) fn label_of_text(text: &str) -> Option<Option<Label>> {
    match text {
        text if text.eq_ignore_ascii_case("true") => Some(Some(Label::Anomaly)),
        text if text.eq_ignore_ascii_case("false") => Some(Some(Label::Normal)),
        text => label_of(number_of(text)?),
    }
}

/// The number that a text stands for: NaN for the usual ways to write that it is missing, `None` if it is no number.
pub(crate) fn number_of(text: &str) -> Option<f64> {
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) if is_missing(text) => Some(f64::NAN),
        Err(_) => None,
    }
}

fn is_missing(text: &str) -> bool {
    ["", "nan", "null", "na", "n/a", "none"].iter().any(|missing| text.eq_ignore_ascii_case(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_are_written_in_many_ways() {
        for text in ["", "NaN", "nan", "-nan", "null", "NULL", "NA", "N/A", "None"] {
            assert!(number_of(text).is_none_or(f64::is_nan), "{text}");
        }
        for text in ["1,5", "0x10", "12 kB", "-", "e5"] {
            assert_eq!(number_of(text), None, "{text}");
        }
        assert_eq!(number_of("1e-3"), Some(1e-3));
        assert_eq!(number_of("-inf"), Some(f64::NEG_INFINITY));
    }

    #[test]
    fn a_label_is_one_of_three() {
        assert_eq!(label_of_text("1.0"), Some(Some(Label::Anomaly)));
        assert_eq!(label_of_text("False"), Some(Some(Label::Normal)));
        assert_eq!(label_of_text("-1"), Some(None));
        assert_eq!(label_of_text(""), Some(None));
        for text in ["2", "0.5", "yes", "inf"] {
            assert_eq!(label_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn rows_are_numbered_as_in_their_file() {
        let mut numbers = RowNumbers::default();
        for (row, number) in [1, 2, 5, 6, 7, 20].into_iter().enumerate() {
            numbers.push(row, number);
        }
        assert_eq!(numbers.runs.len(), 3);
        assert_eq!((0..6).map(|row| numbers.get(row)).collect::<Vec<_>>(), [1, 2, 5, 6, 7, 20]);
    }

    #[test]
    fn texts_are_kept_once() {
        let mut texts = Texts::default();
        for text in ["a", "a", "b", "a"] {
            texts.push(text);
        }
        assert_eq!((texts.texts.len(), &texts.of_row[..], texts.get(3)), (2, &[0, 0, 1, 0][..], "a"));
    }
}

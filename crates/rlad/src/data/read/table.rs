//! The content of one file, column by column, before it is parted into series.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use super::columns::{Repeats, Roles};
use super::number::number_of;
use crate::data::label::Label;
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// The rows of one file.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) path: PathBuf,
    /// All columns of the file, for messages.
    pub(crate) columns: Vec<String>,
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
    /// What the column of the label was seen to hold.
    pub(super) label_signs: LabelSigns,
    /// The roles of the columns, in words.
    pub(crate) roles: String,
    /// The time of the row before of each series, where a clock that is set back may need it.
    last_times: Vec<i64>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(path: &Path, columns: &[String], roles: &Roles) -> Self {
        let names = |indices: &[usize]| indices.iter().map(|&index| columns[index].clone()).collect();
        Self {
            path: path.to_owned(),
            columns: columns.to_vec(),
            n_rows: 0,
            row_numbers: RowNumbers::default(),
            series: (!roles.series.is_empty()).then(Texts::default),
            formats: Vec::new(),
            timestamps: (!roles.time.is_empty()).then(Vec::new),
            channels: names(&roles.values),
            values: Vec::new(),
            labels: roles.label.map(|_| Vec::new()),
            tags: roles.tag.map(|_| Texts::default()),
            label_signs: LabelSigns::default(),
            roles: roles.told(columns),
            last_times: Vec::new(),
        }
    }

    /// Adds the time of a row, whose number and series stand in the table already.
    ///
    /// `later` is the second of the two times that it may stand for where a clock is set back: that one holds after the first.
    /// `found` is the cell as it stands in the file.
    pub(crate) fn push_time(
        &mut self,
        column: &str,
        (format, mut timestamp): (TimeFormat, i64),
        later: impl FnOnce() -> Option<i64>,
        found: impl FnOnce() -> String,
    ) -> Result<()> {
        let timestamps = self.timestamps.as_mut().expect("there is a column for the time");
        let row = timestamps.len();
        let series = self.series.as_ref().map_or(0, |series| series.of_row[row] as usize);
        match self.formats.get_mut(series) {
            Some(first) if *first == format => {}
            // Some of the numbers have a fraction.
            Some(first @ (TimeFormat::Seconds | TimeFormat::DecimalSeconds))
                if matches!(format, TimeFormat::Seconds | TimeFormat::DecimalSeconds) =>
            {
                *first = TimeFormat::DecimalSeconds;
            }
            Some(first) => {
                let expected = format!("{}, as in the rows before", first.describe());
                return Err(Error::cell(&self.path, self.row_numbers.get(row), column, expected, found()));
            }
            None => self.formats.push(format),
        }
        match self.last_times.get_mut(series) {
            Some(last) => {
                if timestamp <= *last
                    && let Some(later) = later().filter(|later| later > last)
                {
                    timestamp = later;
                }
                *last = timestamp;
            }
            None => self.last_times.push(timestamp),
        }
        timestamps.push(timestamp);
        Ok(())
    }

    /// The table, where its labels say which of them is the anomaly.
    ///
    /// # Errors
    /// [`Error::Columns`] where they are −1 and 1.
    pub(super) fn checked(self, names: &[String], roles: &Roles) -> Result<Self> {
        match roles.label {
            Some(label) if self.label_signs.is_signed() => Err(Error::Columns {
                path: self.path,
                expected: format!(
                    "expected the labels 0 and 1 in `{}`, where -1 and 1 stand, of which either may be the anomaly",
                    names[label]
                ),
                found: names.to_vec(),
            }),
            _ => Ok(self),
        }
    }
}

/// How often a column was seen to hold each label.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LabelSigns {
    n_minus_one: usize,
    n_zero: usize,
    n_one: usize,
}

impl LabelSigns {
    /// `label` is what `text` stands for.
    pub(super) fn see(&mut self, text: &str, label: Option<Label>) {
        match label {
            Some(Label::Normal) => self.n_zero += 1,
            Some(Label::Anomaly) => self.n_one += 1,
            None => self.n_minus_one += usize::from(text.starts_with('-')),
        }
    }

    /// Whether −1 and 1 stand there and 0 does not, and −1 is the rarer: then it is not the unknown, but may be the anomaly.
    const fn is_signed(self) -> bool {
        self.n_zero == 0 && 0 < self.n_minus_one && self.n_minus_one < self.n_one
    }
}

/// Keys that were seen, by their hashes.
#[derive(Debug)]
pub(super) struct Keys {
    hashes: HashSet<u64>,
    of_columns: Vec<HashSet<u64>>,
    pub(super) found: Repeats,
}

impl Keys {
    /// Different cells of a column that are counted.
    const MAX_DISTINCT: usize = 1_000_000;

    pub(super) fn new(n_columns: usize) -> Self {
        let found = Repeats { n_distinct: vec![0; n_columns], ..Repeats::default() };
        Self { hashes: HashSet::new(), of_columns: vec![HashSet::new(); n_columns], found }
    }

    pub(super) fn see<'a>(&mut self, cells: impl Iterator<Item = &'a [u8]>) {
        let mut of_row = DefaultHasher::new();
        for (column, cell) in cells.enumerate() {
            cell.hash(&mut of_row);
            let seen = &mut self.of_columns[column];
            if seen.len() < Self::MAX_DISTINCT {
                let mut of_cell = DefaultHasher::new();
                cell.hash(&mut of_cell);
                seen.insert(of_cell.finish());
                self.found.n_distinct[column] = seen.len();
            }
        }
        self.found.n_rows += 1;
        self.found.n_repeated += usize::from(!self.hashes.insert(of_row.finish()));
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

/// The looks of a label, for messages.
pub(crate) const EXPECTED_LABEL: &str =
    "the label 0 or 1, `normal` or `anomaly`, or an empty cell or -1 where it is unknown";

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

/// The label that a text stands for: as its number, `true` or `false`, or a usual word for it.
pub(crate) fn label_of_text(text: &str) -> Option<Option<Label>> {
    match text {
        text if text.eq_ignore_ascii_case("true") => Some(Some(Label::Anomaly)),
        text if text.eq_ignore_ascii_case("false") => Some(Some(Label::Normal)),
        text if is_one_of(text, &["anomaly", "anomalous", "abnormal", "outlier", "attack", "fault"]) => {
            Some(Some(Label::Anomaly))
        }
        text if is_one_of(text, &["normal", "inlier", "ok"]) => Some(Some(Label::Normal)),
        text if is_one_of(text, &["unknown", "unlabelled", "unlabeled"]) => Some(None),
        text => label_of(number_of(text)?),
    }
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! The rows of a CSV file of labels, one at a time.

use std::borrow::Cow;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::format::{LabelFormat, annotation_of_word};
use crate::data::label::Annotation;
use crate::data::label::Label;
use crate::data::read::{delimiter, label_of_text, shorten};
use crate::error::{Error, Result};

/// The rows of a file, of which one is at hand.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    format: LabelFormat,
    path: &'a Path,
    names: Vec<String>,
    reader: Reader<&'a [u8]>,
    record: ByteRecord,
    row: usize,
    /// Whether cells too many belong to the first one: it holds commas and is not quoted.
    first_may_be_unquoted: bool,
    n_too_many: usize,
}

impl<'a> Rows<'a> {
    /// Reads the header.
    pub(super) fn open(format: LabelFormat, path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let delimiter = delimiter(bytes);
        let mut reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes);
        let mut record = ByteRecord::new();
        if !next(&mut reader, &mut record) {
            return Err(format.wrong(path, "it is empty"));
        }
        let names = record.iter().map(|cell| std::str::from_utf8(cell).map(|name| name.trim().to_owned()));
        let names: Vec<String> = names
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| format.wrong(path, "its first line is not in UTF-8"))?;
        Ok(Self { format, path, names, reader, record, row: 0, first_may_be_unquoted: false, n_too_many: 0 })
    }

    /// Takes cells too many as parts of the first one.
    pub(super) const fn take_an_unquoted_first_cell(&mut self) {
        self.first_may_be_unquoted = true;
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The column with one of these names, in any case.
    pub(super) fn column(&self, usual: &[&str]) -> Result<usize> {
        let found = self.names.iter().position(|name| usual.iter().any(|usual| name.eq_ignore_ascii_case(usual)));
        found.ok_or_else(|| {
            let names: Vec<String> = self.names.iter().map(|name| format!("`{}`", shorten(name))).collect();
            let problem = format!("it has no column `{}`, only {}", usual[0], names.join(", "));
            self.format.wrong(self.path, problem)
        })
    }

    /// Goes to the next row, if there is one.
    pub(super) fn next(&mut self) -> Result<bool> {
        if !next(&mut self.reader, &mut self.record) {
            return Ok(false);
        }
        self.row += 1;
        let (n_cells, n_columns) = (self.record.len(), self.names.len());
        self.n_too_many = n_cells.saturating_sub(n_columns);
        if n_cells < n_columns || (self.n_too_many > 0 && !self.first_may_be_unquoted) {
            let problem = format!("its row {} has {n_cells} cells, and its first line {n_columns}", self.row);
            return Err(self.format.wrong(self.path, problem));
        }
        Ok(true)
    }

    /// The number of the row, 1 for the first under the header.
    pub(super) const fn row(&self) -> usize {
        self.row
    }

    /// A cell of the row.
    pub(super) fn text(&self, column: usize) -> Result<Cow<'_, str>> {
        let text =
            |cell: usize| std::str::from_utf8(&self.record[cell]).map_err(|_| self.wrong(column, "text in UTF-8"));
        if self.n_too_many == 0 {
            return Ok(Cow::Borrowed(text(column)?));
        }
        if column > 0 {
            return Ok(Cow::Borrowed(text(column + self.n_too_many)?));
        }
        let parts: Vec<&str> = (0..=self.n_too_many).map(text).collect::<Result<_>>()?;
        Ok(Cow::Owned(parts.join(",")))
    }

    /// The label in a cell of the row: a word, 1, 0, or what is written of a value that is unknown.
    pub(super) fn label(&self, column: usize) -> Result<Option<Annotation>> {
        let text = self.text(column)?;
        if let Some(label) = annotation_of_word(&text) {
            return Ok(Some(label));
        }
        match label_of_text(text.trim()) {
            Some(label) => Ok(label.map(|label| match label {
                Label::Normal => Annotation::Normal,
                Label::Anomaly => Annotation::Anomaly,
            })),
            None => Err(self.wrong(
                column,
                "`anomaly` (or 1), `normal` (or 0), `expected`, or an empty cell where the label is unknown",
            )),
        }
    }

    /// The cell cannot be understood.
    pub(super) fn wrong(&self, column: usize, expected: &str) -> Error {
        let cell = if column == 0 { 0 } else { column + self.n_too_many };
        let found = shorten(&String::from_utf8_lossy(&self.record[cell]));
        Error::cell(self.path, self.row, &self.names[column], expected, found)
    }

    /// The file as a whole is wrong.
    pub(super) fn refuse(&self, problem: impl Into<String>) -> Error {
        self.format.wrong(self.path, problem)
    }
}

fn next(reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> bool {
    reader.read_byte_record(record).expect("bytes in memory can be read, and rows may be of any length")
}

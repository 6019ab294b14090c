//! CSV files: any of `,`, `;` and tab between the cells, quoted cells, a byte order mark, any line ending.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::columns::{self, Kind, Roles, Wanted};
use super::listing::{BLOCK, Listing, Pick};
use super::table::{EXPECTED_LABEL, Table, label_of_text, number_of};
use super::time::{ReadTime, Trouble, read_timestamp};
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// Bytes that are read at once.
const CHUNK: usize = 65_536;

/// Reads a CSV file, or some series of it, row by row.
///
/// # Errors
/// [`Error::Read`], [`Error::Empty`] without a header or without rows, [`Error::Format`] if it is no CSV file in UTF-8 with
/// a header and as many cells in each row, [`Error::Columns`], [`Error::Cell`].
pub(super) fn read(path: &Path, wanted: &Wanted, pick: Option<&Pick<'_>>) -> Result<Table> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_file() {
        return Csv::open(path, wanted, file)?.read(pick);
    }
    // A pipe can be read once only, so it is kept.
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    Csv::open(path, wanted, Cursor::new(bytes))?.read(pick)
}

/// Lists the series of a CSV file; one without a column for the series is the series `name`.
///
/// # Errors
/// Those of [`read`] as far as they concern the columns, the number of cells, the names and the first time of each series.
pub(super) fn list(path: &Path, name: &str, wanted: &Wanted) -> Result<Listing> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Csv::open(path, wanted, file)?.list(name)
}

/// A CSV file whose header is read.
struct Csv<'a, R> {
    path: &'a Path,
    source: R,
    delimiter: u8,
    names: Vec<String>,
    roles: Roles,
    /// The byte behind the header.
    first_byte: u64,
}

impl<'a, R: Read + Seek> Csv<'a, R> {
    fn open(path: &'a Path, wanted: &Wanted, mut source: R) -> Result<Self> {
        let format = |expected: String| Error::Format { path: path.to_owned(), expected, source: None };
        let unreadable = |source| Error::Read { path: path.to_owned(), source };
        let head = head(&mut source).map_err(unreadable)?;
        if head.starts_with(b"PAR1") {
            return Err(format(
                "a CSV file: it begins like a Parquet file, so it should be named `….parquet`".to_owned(),
            ));
        }
        if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
            return Err(format("a CSV file in UTF-8: it begins like a file in UTF-16".to_owned()));
        }
        let text = without_mark(&head);
        let delimiter = delimiter(text);
        let start = (head.len() - text.len()) as u64;

        let mut record = ByteRecord::new();
        source.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut reader = open(&mut source, delimiter);
        if !next(path, &mut reader, &mut record)? {
            return Err(Error::Empty { what: format!("`{}`", path.display()) });
        }
        let first_byte = start + reader.position().byte();
        let header = |cell: &[u8]| std::str::from_utf8(cell).map(|name| name.trim().to_owned());
        let names: Vec<String> = record
            .iter()
            .map(header)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| format("a CSV file in UTF-8: its first line has other bytes".to_owned()))?;
        if names.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err(format(format!("a CSV file whose first line names the columns: it has `{}` there", names[0])));
        }
        let roles = columns::find(path, &names, wanted, || {
            source.seek(SeekFrom::Start(first_byte)).map_err(unreadable)?;
            kinds(path, &mut open(&mut source, delimiter), names.len())
        })?;
        Ok(Self { path, source, delimiter, names, roles, first_byte })
    }

    fn read(mut self, pick: Option<&Pick<'_>>) -> Result<Table> {
        let mut table = Table::new(self.path, &self.names, &self.roles);
        let pieces: Vec<(usize, Range<u64>)> = match pick {
            Some(pick) => pick.bytes().collect(),
            None => vec![(0, self.first_byte..u64::MAX)],
        };
        for (first_row, bytes) in pieces {
            self.each_row(first_row, bytes, |row, _| {
                let name = row.series()?;
                let is_wanted = pick.is_none_or(|pick| name.is_some_and(|name| pick.has(name)));
                if is_wanted { row.push(&mut table) } else { Ok(()) }
            })?;
        }
        Ok(table)
    }

    fn list(mut self, name: &str) -> Result<Listing> {
        let mut listing = Listing::new(&self.names, &self.roles);
        let first_byte = self.first_byte;
        let mut n_rows = 0;
        let mut starts = Vec::new();
        let end = self.each_row(0, first_byte..u64::MAX, |row, byte| {
            if n_rows % BLOCK == 0 {
                starts.push(byte);
            }
            listing.add(n_rows, row.series()?.unwrap_or(name), || {
                let time =
                    row.time().map(|(column, read)| read.map_err(|trouble| row.wrong(column, trouble.expected())));
                Ok(time.transpose()?.map_or(TimeFormat::Index, |(format, _)| format))
            })?;
            n_rows += 1;
            Ok(())
        })?;
        starts.push(end);
        listing.block_bytes = starts;
        Ok(listing)
    }

    /// Calls `each` with the rows in a piece of the file and the bytes at which they begin. The byte behind the last.
    fn each_row(
        &mut self,
        first_row: usize,
        bytes: Range<u64>,
        mut each: impl FnMut(&Row<'_>, u64) -> Result<()>,
    ) -> Result<u64> {
        let seek = self.source.seek(SeekFrom::Start(bytes.start));
        seek.map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        let mut reader = open(self.source.by_ref().take(bytes.end - bytes.start), self.delimiter);
        let mut record = ByteRecord::new();
        let mut number = first_row;
        loop {
            let byte = bytes.start + reader.position().byte();
            if !next(self.path, &mut reader, &mut record)? {
                return Ok(byte);
            }
            number += 1;
            if record.len() != self.names.len() {
                let (n_columns, n_cells) = (self.names.len(), record.len());
                let plural = |n: usize| if n == 1 { "" } else { "s" };
                let expected = format!(
                    "a CSV file of {n_columns} column{}: row {number} has {n_cells} cell{}",
                    plural(n_columns),
                    plural(n_cells)
                );
                return Err(Error::Format { path: self.path.to_owned(), expected, source: None });
            }
            let (path, names, roles) = (self.path, &self.names, &self.roles);
            each(&Row { path, names, roles, record: &record, number }, byte)?;
        }
    }
}

/// A row with as many cells as there are columns.
struct Row<'a> {
    path: &'a Path,
    names: &'a [String],
    roles: &'a Roles,
    record: &'a ByteRecord,
    /// 1 for the first row under the header.
    number: usize,
}

impl Row<'_> {
    fn text(&self, column: usize) -> Option<&str> {
        std::str::from_utf8(&self.record[column]).ok()
    }

    fn shown(&self, column: usize) -> String {
        shorten(&String::from_utf8_lossy(&self.record[column]))
    }

    fn wrong(&self, column: usize, expected: &str) -> Error {
        Error::cell(self.path, self.number, &self.names[column], expected, self.shown(column))
    }

    /// The name of its series, where there is a column for it.
    fn series(&self) -> Result<Option<&str>> {
        let name = |column: usize| match self.text(column) {
            Some("") => Err(self.wrong(column, "the name of a series")),
            Some(name) => Ok(name),
            None => Err(self.wrong(column, "the name of a series in UTF-8")),
        };
        self.roles.series.map(name).transpose()
    }

    /// The column of the time and what it holds, where there is one.
    fn time(&self) -> Option<(usize, ReadTime)> {
        self.roles.time.map(|column| (column, self.text(column).map_or(Err(Trouble::Form), read_timestamp)))
    }

    /// Adds the row to a table.
    fn push(&self, table: &mut Table) -> Result<()> {
        table.row_numbers.push(table.n_rows, self.number);
        if let (Some(series), Some(name)) = (&mut table.series, self.series()?) {
            series.push(name);
        }
        if let Some((column, read)) = self.time() {
            table.push_time(&self.names[column], read, || self.shown(column))?;
        }
        for &column in &self.roles.values {
            match self.text(column).and_then(|text| number_of(text.trim())) {
                Some(number) => table.values.push(number),
                None => return Err(self.wrong(column, "a number")),
            }
        }
        if let (Some(labels), Some(column)) = (&mut table.labels, self.roles.label) {
            match self.text(column).and_then(|text| label_of_text(text.trim())) {
                Some(label) => labels.push(label),
                None => return Err(self.wrong(column, EXPECTED_LABEL)),
            }
        }
        if let (Some(tags), Some(column)) = (&mut table.tags, self.roles.tag) {
            match self.text(column) {
                Some(tag) => tags.push(tag),
                None => return Err(self.wrong(column, "text in UTF-8")),
            }
        }
        table.n_rows += 1;
        Ok(())
    }
}

/// The beginning of a file, at least as far as the first line that is not empty goes.
fn head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let mut head = Vec::new();
    loop {
        let n_read = source.by_ref().take(CHUNK as u64).read_to_end(&mut head)?;
        let has_line = without_mark(&head).iter().skip_while(|byte| is_end(byte)).any(is_end);
        if has_line || n_read == 0 {
            return Ok(head);
        }
    }
}

/// A text without the byte order mark that it may begin with.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
}

fn open<R: Read>(text: R, delimiter: u8) -> Reader<R> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true).buffer_capacity(CHUNK).from_reader(text)
}

fn next<R: Read>(path: &Path, reader: &mut Reader<R>, record: &mut ByteRecord) -> Result<bool> {
    let read = reader.read_byte_record(record);
    read.map_err(|source| Error::Read { path: path.to_owned(), source: source.into() })
}

/// The separator that stands most often in the first line, outside of quotes.
pub(crate) fn delimiter(text: &[u8]) -> u8 {
    let first_line = text.split(|&byte| byte == b'\n' || byte == b'\r').find(|line| !line.is_empty());
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for &byte in first_line.unwrap_or_default() {
        quoted ^= byte == b'"';
        for (separator, count) in &mut counts {
            *count += usize::from(!quoted && byte == *separator);
        }
    }
    counts.into_iter().reduce(|best, other| if other.1 > best.1 { other } else { best }).expect("three of them").0
}

/// The kind of each column, by its first cell that is not missing.
fn kinds<R: Read>(path: &Path, reader: &mut Reader<R>, n_columns: usize) -> Result<Vec<Kind>> {
    let mut kinds = vec![Kind::Blank; n_columns];
    let mut record = ByteRecord::new();
    while kinds.contains(&Kind::Blank) && next(path, reader, &mut record)? {
        for (kind, cell) in kinds.iter_mut().zip(&record) {
            if *kind == Kind::Blank {
                *kind = match std::str::from_utf8(cell).ok().and_then(|text| number_of(text.trim())) {
                    Some(number) if number.is_nan() => Kind::Blank,
                    Some(_) => Kind::Number,
                    None => Kind::Other,
                };
            }
        }
    }
    Ok(kinds)
}

/// The beginning of a cell, as much as a message can hold.
pub(crate) fn shorten(cell: &str) -> String {
    const MAX: usize = 60;
    let line: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX).collect();
    if cell.chars().nth(MAX).is_some() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_one_that_stands_most_often_in_the_header() {
        assert_eq!(delimiter(b"a;b;c,d\n1,2,3"), b';');
        assert_eq!(delimiter(b"\"a;b;c\",d\n"), b',');
        assert_eq!(delimiter(b"\n\na\tb"), b'\t');
        assert_eq!(delimiter(b"value"), b',');
    }

    #[test]
    fn a_column_is_what_its_first_cell_is() {
        let mut reader = open(&b"1,,x,\n2,nan,3,\n3,4,5,\n"[..], b',');
        let kinds = kinds(Path::new("x.csv"), &mut reader, 4).unwrap();
        assert_eq!(kinds, [Kind::Number, Kind::Number, Kind::Other, Kind::Blank]);
    }
}

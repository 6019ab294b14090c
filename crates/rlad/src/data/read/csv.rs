//! CSV files: any of `,`, `;`, `|` and tab between the cells, quoted cells, a byte order mark, any line ending.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::cell::shorten;
use super::columns::{self, Repeats, Roles, Rows, Wanted};
use super::files::DataFile;
use super::layout::Layout;
use super::listing::{BLOCK, Found, Listing, Pick};
use super::number::{Marks, NumberForm};
use super::sample::{ColumnSample, Look, SAMPLE_ROWS, decimal_mark, looks};
use super::table::{EXPECTED_LABEL, Keys, Table, label_of_text};
use super::time::{ReadTime, Trouble};
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// Bytes that are read at once.
const CHUNK: usize = 65_536;

/// Reads a CSV file, or some series of it, row by row.
///
/// # Errors
/// [`Error::Read`], [`Error::Empty`] without a header or without rows, [`Error::Format`] if it is no CSV file in UTF-8 with
/// a header and as many cells in each row, [`Error::Columns`], [`Error::Cell`].
pub(super) fn read(file: &DataFile, wanted: &Wanted, listed: Option<(&Listing, &[usize])>) -> Result<Table> {
    let Some((listing, series)) = listed else { return Csv::open(&file.path, wanted, file.open()?)?.read(None) };
    Csv { path: &file.path, source: file.open()?, found: listing.found.clone() }.read(listing.pick(series).as_ref())
}

/// Lists the series of a CSV file; one without a column for the series is the series that its file names.
///
/// # Errors
/// Those of [`read`] as far as they concern the columns, the number of cells, the names and the first time of each series.
pub(super) fn list(file: &DataFile, wanted: &Wanted) -> Result<Listing> {
    Csv::open(&file.path, wanted, file.open()?)?.list(&file.name)
}

/// A CSV file whose header is read.
struct Csv<'a, R> {
    path: &'a Path,
    source: R,
    found: Found,
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
        if let Some(other) = other_form(&head) {
            return Err(format(format!("a CSV file: it begins like {other}")));
        }
        let text = without_mark(&head);
        let mark = (head.len() - text.len()) as u64;
        let mut layout = Layout::of(text, &wanted.form);
        if !wanted.by_content {
            layout.has_header = true;
        }

        let mut record = ByteRecord::new();
        let start = mark + layout.start as u64;
        source.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut reader = open(&mut source, &layout);
        if !next(path, &mut reader, &mut record)? {
            return Err(Error::Empty { what: format!("`{}`", path.display()) });
        }
        let first_byte = if layout.has_header { start + reader.position().byte() } else { start };
        let header = |cell: &[u8]| std::str::from_utf8(cell).map(|name| name.trim().to_owned());
        let names: Vec<String> = if layout.has_header {
            let names = record.iter().map(header).collect::<std::result::Result<_, _>>();
            names.map_err(|_| format("a CSV file in UTF-8: its first line has other bytes".to_owned()))?
        } else {
            (1..=record.len()).map(|number| format!("column {number}")).collect()
        };
        if layout.has_header && !wanted.form.no_header && names.iter().all(|name| name.parse::<f64>().is_ok()) {
            return Err(format(format!("a CSV file whose first line names the columns: it has `{}` there", names[0])));
        }
        let mut rows =
            CsvRows { path, source: &mut source, layout: &layout, names: &names, first_byte, sample: Vec::new() };
        let numbers = if wanted.by_content { rows.number_form(wanted)? } else { NumberForm::default() };
        let roles = columns::find(path, &names, wanted, &mut Sampled { rows, numbers: &numbers })?;
        let found = Found { names, roles, numbers, layout: Some((layout, first_byte)) };
        Ok(Self { path, source, found })
    }

    fn read(mut self, pick: Option<&Pick<'_>>) -> Result<Table> {
        let found = self.found.clone();
        let mut table = Table::new(self.path, &found.names, &found.roles);
        let pieces: Vec<(usize, Range<u64>)> = match pick {
            Some(pick) => pick.bytes().collect(),
            None => vec![(0, self.first_byte()..u64::MAX)],
        };
        for (first_row, bytes) in pieces {
            self.each_row(first_row, bytes, |row, _| {
                let name = row.series()?;
                let is_wanted = pick.is_none_or(|pick| name.as_deref().is_some_and(|name| pick.has(name)));
                if is_wanted { row.push(&mut table) } else { Ok(()) }
            })?;
        }
        // Some of the series say nothing of what the column of all of them holds.
        if pick.is_some() { Ok(table) } else { table.checked(&found.names, &found.roles) }
    }

    fn list(mut self, name: &str) -> Result<Listing> {
        let mut listing = Listing::new(self.found.clone());
        let first_byte = self.first_byte();
        let mut n_rows = 0;
        let mut starts = Vec::new();
        let end = self.each_row(0, first_byte..u64::MAX, |row, byte| {
            if n_rows % BLOCK == 0 {
                starts.push(byte);
            }
            listing.add(n_rows, row.series()?.as_deref().unwrap_or(name), || {
                let time = row.time().map(|(column, read)| read.map_err(|trouble| row.wrong_time(column, trouble)));
                Ok(time.transpose()?.map_or(TimeFormat::Index, |(format, _)| format))
            })?;
            n_rows += 1;
            Ok(())
        })?;
        starts.push(end);
        listing.block_bytes = starts;
        Ok(listing)
    }

    /// The byte after the header.
    fn first_byte(&self) -> u64 {
        self.found.layout.as_ref().map_or(0, |(_, first_byte)| *first_byte)
    }

    /// Calls `each` with the rows in a piece of the file and the bytes at which they begin. The byte after the last.
    fn each_row(
        &mut self,
        first_row: usize,
        bytes: Range<u64>,
        mut each: impl FnMut(&Row<'_>, u64) -> Result<()>,
    ) -> Result<u64> {
        let seek = self.source.seek(SeekFrom::Start(bytes.start));
        seek.map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        let Found { names, roles, numbers, layout } = &self.found;
        let (layout, _) = layout.as_ref().expect("a CSV file has a layout");
        let mut reader = open(self.source.by_ref().take(bytes.end - bytes.start), layout);
        let mut record = ByteRecord::new();
        let mut number = first_row;
        loop {
            let byte = bytes.start + reader.position().byte();
            if !next(self.path, &mut reader, &mut record)? {
                return Ok(byte);
            }
            number += 1;
            if is_blank(&record, names.len()) || layout.has_header && repeats_header(&record, names) {
                continue;
            }
            drop_empty_end(&mut record, names.len());
            if record.len() != names.len() {
                let (n_columns, n_cells) = (names.len(), record.len());
                let plural = |n: usize| if n == 1 { "" } else { "s" };
                let expected = format!(
                    "a CSV file of {n_columns} column{}: row {number} has {n_cells} cell{}",
                    plural(n_columns),
                    plural(n_cells)
                );
                return Err(Error::Format { path: self.path.to_owned(), expected, source: None });
            }
            each(&Row { path: self.path, names, roles, numbers, record: &record, number }, byte)?;
        }
    }
}

/// A row with as many cells as there are columns.
struct Row<'a> {
    path: &'a Path,
    names: &'a [String],
    roles: &'a Roles,
    numbers: &'a NumberForm,
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

    fn wrong_time(&self, column: usize, trouble: Trouble) -> Error {
        let expected = self.roles.times.told().filter(|_| trouble == Trouble::Form);
        match expected {
            Some(form) => self.wrong(column, &format!("a timestamp {form}, as in the rows before")),
            None => self.wrong(column, trouble.expected()),
        }
    }

    /// The name of its series, where there is a column for it; of several parts, with a `/` between them.
    fn series(&self) -> Result<Option<Cow<'_, str>>> {
        let part = |&column: &usize| match self.text(column) {
            Some("") => Err(self.wrong(column, "the name of a series")),
            Some(name) => Ok(name),
            None => Err(self.wrong(column, "the name of a series in UTF-8")),
        };
        match &self.roles.series[..] {
            [] => Ok(None),
            [one] => part(one).map(|name| Some(Cow::Borrowed(name))),
            several => {
                let parts: Vec<&str> = several.iter().map(part).collect::<Result<_>>()?;
                Ok(Some(Cow::Owned(parts.join("/"))))
            }
        }
    }

    /// The text of its time, where there is a column for it: of a date and a time of day, both.
    fn time_text(&self) -> Option<(usize, Option<Cow<'_, str>>)> {
        match self.roles.time[..] {
            [] => None,
            [one] => Some((one, self.text(one).map(Cow::Borrowed))),
            [date, clock, ..] => {
                let joined = self
                    .text(date)
                    .zip(self.text(clock))
                    .map(|(date, clock)| format!("{} {}", date.trim(), clock.trim()));
                Some((date, joined.map(Cow::Owned)))
            }
        }
    }

    /// The column of the time and what it holds, where there is one.
    fn time(&self) -> Option<(usize, ReadTime)> {
        let read = |text: Option<Cow<'_, str>>| text.map_or(Err(Trouble::Form), |text| self.roles.times.read(&text));
        self.time_text().map(|(column, text)| (column, read(text)))
    }

    /// Adds the row to a table.
    fn push(&self, table: &mut Table) -> Result<()> {
        table.row_numbers.push(table.n_rows, self.number);
        if let (Some(series), Some(name)) = (&mut table.series, self.series()?) {
            series.push(&name);
        }
        if let Some((column, read)) = self.time() {
            let read = read.map_err(|trouble| self.wrong_time(column, trouble))?;
            let later = || self.time_text().and_then(|(_, text)| self.roles.times.read_later(&text?));
            table.push_time(&self.names[column], read, later, || self.shown(column))?;
        }
        for &column in &self.roles.values {
            match self.text(column).and_then(|text| self.numbers.read(text)) {
                Some(number) => table.values.push(number),
                None => return Err(self.wrong(column, "a number")),
            }
        }
        if let (Some(labels), Some(column)) = (&mut table.labels, self.roles.label) {
            match self.text(column).and_then(|text| label_of_text(text.trim())) {
                Some(label) => {
                    table.label_signs.see(self.text(column).unwrap_or_default().trim(), label);
                    labels.push(label);
                }
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

/// What a file is that is no text with cells, by its beginning.
fn other_form(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"PK\x03\x04", "a spreadsheet or a zip archive: export the sheet as CSV, or unpack it"),
        (b"\xD0\xCF\x11\xE0", "an old spreadsheet: export the sheet as CSV"),
        (b"ARROW1", "an Arrow file: write it as Parquet"),
        (b"SQLite format 3", "a database: export the table as CSV"),
        (b"\x89HDF", "an HDF5 file: write its table as CSV or Parquet"),
        (b"BZh", "a file that bzip2 compressed: unpack it, or compress it with gzip or zstd"),
    ];
    let of_magic = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what);
    of_magic.or_else(|| match head.trim_ascii_start() {
        [b'{', ..] | [b'[', b'{' | b'[', ..] => Some("JSON: write its records as CSV"),
        _ if head.contains(&0) => Some("no text at all: it holds bytes of zero"),
        _ => None,
    })
}

/// The first rows of a CSV file as columns, and passes over all of its rows.
struct CsvRows<'s, R> {
    path: &'s Path,
    source: &'s mut R,
    layout: &'s Layout,
    names: &'s [String],
    first_byte: u64,
    sample: Vec<ColumnSample>,
}

impl<R: Read + Seek> CsvRows<'_, R> {
    /// Calls `each` with the records until it says no.
    fn each(&mut self, mut each: impl FnMut(&ByteRecord) -> bool) -> Result<()> {
        let seek = self.source.seek(SeekFrom::Start(self.first_byte));
        seek.map_err(|source| Error::Read { path: self.path.to_owned(), source })?;
        let mut reader = open(&mut *self.source, self.layout);
        let mut record = ByteRecord::new();
        while next(self.path, &mut reader, &mut record)? {
            if !is_blank(&record, self.names.len()) && !repeats_header(&record, self.names) && !each(&record) {
                break;
            }
        }
        Ok(())
    }

    fn sample(&mut self) -> Result<&[ColumnSample]> {
        if self.sample.is_empty() {
            let mut columns = vec![ColumnSample::default(); self.names.len()];
            let mut n_rows = 0;
            self.each(|record| {
                for (column, cell) in columns.iter_mut().zip(record) {
                    column.cells.push(String::from_utf8_lossy(cell).into_owned());
                }
                n_rows += 1;
                n_rows < SAMPLE_ROWS
            })?;
            self.sample = columns;
        }
        Ok(&self.sample)
    }

    /// How the numbers are written: as the user says, or as the sample tells.
    fn number_form(&mut self, wanted: &Wanted) -> Result<NumberForm> {
        let missing = wanted.form.missing.clone();
        if wanted.form.decimal.is_some() {
            return Ok(NumberForm { decimal: wanted.form.decimal, missing });
        }
        let is_comma_cell_mark = self.layout.delimiter == b',';
        let decimal = match decimal_mark(self.sample()?, is_comma_cell_mark) {
            (Marks::Plain, _) => None,
            (Marks::Decimal(mark), _) => Some(mark),
            (Marks::Either, open) => {
                let (column, cell) = open.unwrap_or_default();
                let mark = if cell.contains(',') { "comma" } else { "point" };
                let expected = format!(
                    "expected numbers in `{}` whose decimal mark can be told, found `{}`, where the {mark} may also part thousands",
                    self.names[column],
                    shorten(&cell)
                );
                return Err(Error::Columns { path: self.path.to_owned(), expected, found: self.names.to_vec() });
            }
        };
        Ok(NumberForm { decimal, missing })
    }
}

/// The rows of a CSV file whose numbers are understood.
struct Sampled<'s, R> {
    rows: CsvRows<'s, R>,
    numbers: &'s NumberForm,
}

impl<R: Read + Seek> Rows for Sampled<'_, R> {
    fn looks(&mut self) -> Result<Vec<Look>> {
        Ok(looks(self.rows.sample()?, self.numbers))
    }

    fn cells(&mut self, column: usize) -> Result<Vec<String>> {
        Ok(self.rows.sample()?[column].cells.clone())
    }

    fn repeats(&mut self, key: &[usize]) -> Result<Repeats> {
        let mut keys = Keys::new(key.len());
        self.rows.each(|record| {
            keys.see(key.iter().map(|&column| record.get(column).unwrap_or_default()));
            true
        })?;
        Ok(keys.found)
    }
}

/// Whether a row has nothing in it: a line of spaces among rows of several cells.
fn is_blank(record: &ByteRecord, n_columns: usize) -> bool {
    n_columns > 1 && record.len() == 1 && record[0].trim_ascii().is_empty()
}

/// Whether a row is the header once more, as where files were put together.
fn repeats_header(record: &ByteRecord, names: &[String]) -> bool {
    record.len() == names.len()
        && record.iter().zip(names).all(|(cell, name)| cell.trim_ascii() == name.as_bytes())
        && names.iter().any(|name| !name.is_empty())
}

/// Drops empty cells after the last column: a mark at the end of the line.
fn drop_empty_end(record: &mut ByteRecord, n_columns: usize) {
    if record.len() > n_columns && record.iter().skip(n_columns).all(<[u8]>::is_empty) {
        record.truncate(n_columns);
    }
}

fn open<R: Read>(text: R, layout: &Layout) -> Reader<R> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(layout.delimiter).comment(layout.has_remarks.then_some(b'#'));
    builder.has_headers(false).flexible(true).buffer_capacity(CHUNK).from_reader(text)
}

fn next<R: Read>(path: &Path, reader: &mut Reader<R>, record: &mut ByteRecord) -> Result<bool> {
    let read = reader.read_byte_record(record);
    read.map_err(|source| Error::Read { path: path.to_owned(), source: source.into() })
}

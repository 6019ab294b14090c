//! CSV files: any of `,`, `;` and tab between the cells, quoted cells, a byte order mark, any line ending.

use std::path::Path;

use ::csv::{ByteRecord, Reader, ReaderBuilder};

use super::columns::{self, Kind, Wanted};
use super::table::{EXPECTED_LABEL, Table, label_of_text, number_of};
use super::time::{Trouble, read_timestamp};
use crate::error::{Error, Result};

/// Reads a CSV file.
///
/// # Errors
/// [`Error::Read`], [`Error::Empty`] without a header or without rows, [`Error::Format`] if it is no CSV file in UTF-8 with
/// a header and as many cells in each row, [`Error::Columns`], [`Error::Cell`].
pub(super) fn read(path: &Path, wanted: &Wanted) -> Result<Table> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let format = |expected: String| Error::Format { path: path.to_owned(), expected, source: None };
    if bytes.starts_with(b"PAR1") {
        return Err(format("a CSV file: it begins like a Parquet file, so it should be named `….parquet`".to_owned()));
    }
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(format("a CSV file in UTF-8: it begins like a file in UTF-16".to_owned()));
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut reader = open(text);

    let mut record = ByteRecord::new();
    if !next(&mut reader, &mut record) {
        return Err(Error::Empty { what: format!("`{}`", path.display()) });
    }
    let header = |cell: &[u8]| std::str::from_utf8(cell).map(|name| name.trim().to_owned());
    let names: Vec<String> = record
        .iter()
        .map(header)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| format("a CSV file in UTF-8: its first line has other bytes".to_owned()))?;
    if names.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(format(format!("a CSV file whose first line names the columns: it has `{}` there", names[0])));
    }
    let roles = columns::find(path, &names, wanted, || Ok(kinds(text, names.len())))?;
    let mut table = Table::new(path, &names, &roles);

    while next(&mut reader, &mut record) {
        let row = table.n_rows + 1;
        if record.len() != names.len() {
            let (n_columns, n_cells) = (names.len(), record.len());
            let plural = |n: usize| if n == 1 { "" } else { "s" };
            return Err(format(format!(
                "a CSV file of {n_columns} column{}: row {row} has {n_cells} cell{}",
                plural(n_columns),
                plural(n_cells)
            )));
        }
        let wrong = |column: usize, expected: &str| {
            Error::cell(path, row, &names[column], expected, shorten(&String::from_utf8_lossy(&record[column])))
        };
        let text = |column: usize| std::str::from_utf8(&record[column]).ok();
        if let (Some(series), Some(column)) = (&mut table.series, roles.series) {
            match text(column) {
                Some("") => return Err(wrong(column, "the name of a series")),
                Some(name) => series.push(name),
                None => return Err(wrong(column, "the name of a series in UTF-8")),
            }
        }
        if let Some(column) = roles.time {
            let read = text(column).map_or(Err(Trouble::Form), read_timestamp);
            table.push_time(&names[column], read, || shorten(&String::from_utf8_lossy(&record[column])))?;
        }
        for &column in &roles.values {
            match text(column).and_then(|text| number_of(text.trim())) {
                Some(number) => table.values.push(number),
                None => return Err(wrong(column, "a number")),
            }
        }
        if let (Some(labels), Some(column)) = (&mut table.labels, roles.label) {
            match text(column).and_then(|text| label_of_text(text.trim())) {
                Some(label) => labels.push(label),
                None => return Err(wrong(column, EXPECTED_LABEL)),
            }
        }
        if let (Some(tags), Some(column)) = (&mut table.tags, roles.tag) {
            match text(column) {
                Some(tag) => tags.push(tag),
                None => return Err(wrong(column, "text in UTF-8")),
            }
        }
        table.n_rows += 1;
    }
    Ok(table)
}

fn open(text: &[u8]) -> Reader<&[u8]> {
    ReaderBuilder::new().delimiter(delimiter(text)).has_headers(false).flexible(true).from_reader(text)
}

fn next(reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> bool {
    reader.read_byte_record(record).expect("bytes in memory can be read, and rows may be of any length")
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

/// What each column holds, by its first cell that is not missing.
fn kinds(text: &[u8], n_columns: usize) -> Vec<Kind> {
    let mut kinds = vec![Kind::Blank; n_columns];
    let mut reader = open(text);
    let mut record = ByteRecord::new();
    next(&mut reader, &mut record);
    while kinds.contains(&Kind::Blank) && next(&mut reader, &mut record) {
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
    kinds
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
        let kinds = kinds(b"a,b,c,d\n1,,x,\n2,nan,3,\n3,4,5,\n", 4);
        assert_eq!(kinds, [Kind::Number, Kind::Number, Kind::Other, Kind::Blank]);
    }
}

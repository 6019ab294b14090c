//! Where the rows of a CSV file begin, what parts their cells, and whether the first row names the columns.

use super::form::FileForm;
use super::number::number_of;
use super::time::{TimeLook, look};

/// The layout of a CSV file, by its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The byte at which the header begins, or the first row where there is none.
    pub(super) start: usize,
    pub(super) delimiter: u8,
    /// Whether the first row names the columns; else they are `column 1`, `column 2`, …
    pub(super) has_header: bool,
    /// Whether lines that begin with `#` are remarks.
    pub(super) has_remarks: bool,
}

impl Layout {
    /// The layout of a text, of which this is the beginning, without its byte order mark.
    pub(super) fn of(head: &[u8], form: &FileForm) -> Self {
        let mut lines = Lines { text: head, at: 0 };
        for _ in 0..form.skip {
            lines.next();
        }
        // A spreadsheet's line says what parts the cells.
        let mut said = None;
        let mut has_remarks = false;
        let mut last_remark = None;
        let start = loop {
            let before = lines.at;
            let Some(line) = lines.next() else { break before };
            let text = line.trim_ascii();
            if let Some(rest) = text.strip_prefix(b"sep=").filter(|rest| rest.len() == 1) {
                said = Some(rest[0]);
            } else if text.starts_with(b"#") {
                has_remarks = true;
                last_remark = Some((before, line));
            } else if !text.is_empty() {
                break before;
            }
        };
        let rest = &head[start..];
        let delimiter = said.unwrap_or_else(|| delimiter(rest));
        let mut rows = rows(rest, delimiter);
        let first = rows.next().unwrap_or_default();
        let second = rows.next();
        let has_header = !form.no_header && !is_data(&first, second.as_deref());
        // A remark with as many names as the rows have cells is their header.
        if let (false, false, Some((remark_start, line))) = (has_header, form.no_header, last_remark) {
            let names = cells(line, delimiter);
            if names.len() == first.len() && names.len() > 1 {
                let mark = line.iter().position(|&byte| byte == b'#').unwrap_or(0);
                return Self { start: remark_start + mark + 1, delimiter, has_header: true, has_remarks };
            }
        }
        Self { start, delimiter, has_header, has_remarks }
    }
}

/// Whether a first row is one of data: it holds a number or a time, and is like the second in every cell.
fn is_data(first: &[String], second: Option<&[String]>) -> bool {
    let kinds = |row: &[String]| row.iter().map(|cell| CellKind::of(cell)).collect::<Vec<_>>();
    let first = kinds(first);
    if !first.iter().any(|kind| matches!(kind, CellKind::Number | CellKind::Time)) {
        return false;
    }
    second.is_none_or(|second| {
        let second = kinds(second);
        let is_like = |(a, b): (&CellKind, &CellKind)| a == b || *a == CellKind::Empty || *b == CellKind::Empty;
        first.len() == second.len() && first.iter().zip(&second).all(is_like)
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellKind {
    Empty,
    Number,
    Time,
    Text,
}

impl CellKind {
    fn of(cell: &str) -> Self {
        let cell = cell.trim();
        let is_marked_number = || {
            cell.bytes().any(|b| b.is_ascii_digit())
                && cell.bytes().all(|b| b.is_ascii_digit() || b",.-+'".contains(&b))
        };
        match number_of(cell) {
            Some(number) if number.is_nan() => Self::Empty,
            Some(_) => Self::Number,
            None if !matches!(look(&[cell]), TimeLook::No) => Self::Time,
            None if is_marked_number() => Self::Number,
            None => Self::Text,
        }
    }
}

/// The lines of a text and the byte after each.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r').unwrap_or(rest.len());
        let after = match rest.get(end..) {
            Some([b'\r', b'\n', ..]) => end + 2,
            Some([_, ..]) => end + 1,
            _ => end,
        };
        self.at += after;
        Some(&rest[..end])
    }
}

/// The rows of a text.
fn rows(text: &[u8], delimiter: u8) -> impl Iterator<Item = Vec<String>> {
    let mut builder = csv::ReaderBuilder::new();
    let reader = builder.delimiter(delimiter).has_headers(false).flexible(true).comment(Some(b'#')).from_reader(text);
    let cells =
        |record: csv::ByteRecord| record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    reader.into_byte_records().map_while(Result::ok).map(cells)
}

/// The cells of one line.
fn cells(line: &[u8], delimiter: u8) -> Vec<String> {
    rows(line.strip_prefix(b"#").unwrap_or(line), delimiter).next().unwrap_or_default()
}

/// The separator that stands most often in the first line, outside of quotes.
pub(crate) fn delimiter(text: &[u8]) -> u8 {
    let first_line = text.split(|&byte| byte == b'\n' || byte == b'\r').find(|line| !line.is_empty());
    // A comma may also be a decimal mark, so it is the last choice of several that stand as often.
    let mut counts = [(b';', 0), (b'\t', 0), (b'|', 0), (b',', 0)];
    let mut quoted = false;
    for &byte in first_line.unwrap_or_default() {
        quoted ^= byte == b'"';
        for (separator, count) in &mut counts {
            *count += usize::from(!quoted && byte == *separator);
        }
    }
    let none = (b',', 0);
    counts.into_iter().fold(none, |best, other| if other.1 > best.1 { other } else { best }).0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (usize, u8, bool) {
        let Layout { start, delimiter, has_header, .. } = Layout::of(text.as_bytes(), &FileForm::default());
        (start, delimiter, has_header)
    }

    #[test]
    fn what_stands_before_the_header_is_passed_over() {
        assert_eq!(of("time,value\n1,2\n"), (0, b',', true));
        assert_eq!(of("sep=;\r\ntime;value\r\n1;2\r\n"), (7, b';', true));
        assert_eq!(of("# a logger\n# unit: C\n\n  \ntime,value\n1,2\n"), (25, b',', true));
        let skip = FileForm { skip: 2, ..FileForm::default() };
        assert_eq!(Layout::of(b"Report\nof May\ntime,value\n", &skip).start, 14);
    }

    #[test]
    fn a_first_row_like_the_second_is_no_header() {
        assert_eq!(of("2024-03-01 00:00:00,49.7\n2024-03-01 00:05:00,55.5\n"), (0, b',', false));
        assert_eq!(of("h1,2024-03-01,5\nh1,2024-03-02,6\n"), (0, b',', false));
        assert_eq!(of("  4.97e1\n  5.55e1\n"), (0, b',', false));
        assert_eq!(of("series,2024-03-01,2024-03-02\na,1,2\n"), (0, b',', true), "a column a day");
        assert_eq!(of("id,1h,2h\na,1,2\n"), (0, b',', true));
        assert_eq!(of("01.03.2024 00:00;49,7\n01.03.2024 00:05;55,5\n"), (0, b';', false));
    }

    #[test]
    fn a_remark_may_name_the_columns() {
        assert_eq!(of("# made by x\n# time\tvalue\n0\t1\n1\t2\n"), (13, b'\t', true));
        assert_eq!(of("# time value\n0\n1\n"), (13, b',', false));
    }

    #[test]
    fn the_separator_is_the_one_that_stands_most_often_in_the_header() {
        assert_eq!(delimiter(b"a;b;c,d\n1,2,3"), b';');
        assert_eq!(delimiter(b"\"a;b;c\",d\n"), b',');
        assert_eq!(delimiter(b"\n\na\tb"), b'\t');
        assert_eq!(delimiter(b"value"), b',');
    }
}

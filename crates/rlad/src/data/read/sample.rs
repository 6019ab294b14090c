//! What the columns of a file look like, by a sample of its rows.

use std::collections::HashSet;

use super::number::{Marks, NumberForm, marks, number_of};
use super::time::{TimeLook, look};

/// Rows that are looked at.
pub(super) const SAMPLE_ROWS: usize = 2_000;
/// The share of the cells that must be numbers in a column of numbers: what else stands there is then told as an error of that cell.
const MOSTLY: f64 = 0.9;

/// The kind of cells in a column, as far as it matters for its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Numbers.
    Number,
    /// No cell at all, so it may be anything.
    Blank,
    /// Several values in a cell, which nothing can read.
    Nested,
    /// Anything else.
    Other,
}

/// What a column is known to hold by its type, where the file has types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet files have types"))]
pub(super) enum Typed {
    Number,
    Time,
    Text,
    /// Nothing that can be read.
    Other,
}

/// Some cells of a column, as text.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSample {
    pub(super) cells: Vec<String>,
    pub(super) typed: Option<Typed>,
}

/// What a column looks like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Look {
    /// What its cells are.
    pub(crate) kind: Kind,
    /// What they are as times.
    pub(crate) time: TimeLook,
    /// Whether each is 0 or 1, or `true` or `false`.
    pub(crate) is_binary: bool,
    /// Whether some are −1 and the others 1.
    pub(crate) is_signed: bool,
    /// How many different cells there are.
    pub(crate) n_distinct: usize,
    /// How many are not empty.
    pub(crate) n_filled: usize,
    /// Whether the type of the column is that of a time.
    pub(crate) is_typed_time: bool,
}

impl From<Kind> for Look {
    fn from(kind: Kind) -> Self {
        let (is_binary, is_signed, n_distinct, n_filled) = (false, false, 0, 0);
        Self { kind, time: TimeLook::No, is_binary, is_signed, n_distinct, n_filled, is_typed_time: false }
    }
}

/// The decimal mark of a file's numbers, by all of its columns; [`Marks::Either`] where it cannot be told, with the column and a cell that leave
/// it open.
pub(super) fn decimal_mark(columns: &[ColumnSample], is_comma_cell_mark: bool) -> (Marks, Option<(usize, String)>) {
    let mut open = None;
    for (index, column) in columns.iter().enumerate() {
        let cells = || column.cells.iter().map(|cell| cell.trim()).filter(|cell| looks_like_number(cell));
        let n_filled = column.cells.iter().filter(|cell| !is_missing(cell)).count();
        if column.typed.is_some() || (cells().count() as f64) < MOSTLY * n_filled as f64 || n_filled == 0 {
            continue;
        }
        match marks(cells(), is_comma_cell_mark) {
            Marks::Plain => {}
            Marks::Either => {
                let marked = cells().find(|cell| cell.contains([',', '.'])).unwrap_or_default();
                open.get_or_insert_with(|| (index, marked.to_owned()));
            }
            told @ Marks::Decimal(_) => return (told, None),
        }
    }
    if open.is_some() { (Marks::Either, open) } else { (Marks::Plain, None) }
}

/// Whether a cell may be a number in some country.
fn looks_like_number(cell: &str) -> bool {
    let digits = cell.bytes().filter(u8::is_ascii_digit).count();
    digits > 0
        && cell.chars().all(|c| {
            c.is_ascii_digit()
                || matches!(c, '.' | ',' | '-' | '+' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}' | 'e' | 'E')
        })
        && cell.matches(['-', ':']).count() < 2
}

fn is_missing(cell: &str) -> bool {
    number_of(cell.trim()).is_some_and(f64::is_nan)
}

/// What each column looks like.
pub(super) fn looks(columns: &[ColumnSample], numbers: &NumberForm) -> Vec<Look> {
    columns.iter().map(|column| look_of(column, numbers)).collect()
}

fn look_of(column: &ColumnSample, numbers: &NumberForm) -> Look {
    let of_number = |cell: &str| numbers.read(cell);
    let filled: Vec<&str> =
        column.cells.iter().map(|cell| cell.trim()).filter(|cell| !of_number(cell).is_some_and(f64::is_nan)).collect();
    let n_numbers = filled.iter().filter(|cell| of_number(cell).is_some()).count();
    let kind = match column.typed {
        Some(Typed::Number) => Kind::Number,
        Some(Typed::Other) => Kind::Nested,
        Some(Typed::Time) => Kind::Other,
        _ if filled.is_empty() => Kind::Blank,
        _ if n_numbers as f64 >= MOSTLY * filled.len() as f64 => Kind::Number,
        _ => Kind::Other,
    };
    let distinct: HashSet<&str> = filled.iter().copied().collect();
    let all_numbers =
        |is_one: fn(f64) -> bool| !filled.is_empty() && filled.iter().all(|cell| of_number(cell).is_some_and(is_one));
    let is_other = matches!(column.typed, Some(Typed::Other | Typed::Time));
    let time = if filled.is_empty() || is_other { TimeLook::No } else { look(&filled) };
    Look {
        kind,
        time,
        is_binary: all_numbers(|number| number.abs() < f64::EPSILON || (number - 1.0).abs() < f64::EPSILON),
        is_signed: all_numbers(|number| (number.abs() - 1.0).abs() < f64::EPSILON)
            && filled.iter().any(|cell| of_number(cell) < Some(0.0))
            && filled.iter().any(|cell| of_number(cell) > Some(0.0)),
        n_distinct: distinct.len(),
        n_filled: filled.len(),
        is_typed_time: column.typed == Some(Typed::Time),
    }
}

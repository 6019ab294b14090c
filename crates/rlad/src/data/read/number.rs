//! Numbers as people and their programs write them.

use super::form::DecimalMark;

/// How the numbers of a file are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumberForm {
    /// The decimal mark; where it is none, a point, and nothing else stands between digits.
    pub(crate) decimal: Option<DecimalMark>,
    /// Texts that stand for a missing value, besides the usual ones.
    pub(crate) missing: Vec<String>,
}

impl NumberForm {
    /// The number that a cell holds: NaN where it is missing, 0 and 1 for `false` and `true`; `None` if it is no number.
    pub(crate) fn read(&self, text: &str) -> Option<f64> {
        let text = text.trim();
        // A quote before a number keeps spreadsheets from reading it as a formula.
        let text = text.strip_prefix('\'').unwrap_or(text);
        if self.missing.iter().any(|missing| missing == text) {
            return Some(f64::NAN);
        }
        match self.decimal {
            Some(DecimalMark::Comma) if text.contains([',', '.']) => ungrouped(text, ',')?.parse().ok(),
            Some(_) if !text.is_ascii() || text.contains([',', ' ', '\'']) => {
                let mark = if self.decimal == Some(DecimalMark::Comma) { ',' } else { '.' };
                ungrouped(text, mark)?.parse().ok()
            }
            _ => number_of(text).or_else(|| truth_of(text)),
        }
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

fn truth_of(text: &str) -> Option<f64> {
    match text {
        text if text.eq_ignore_ascii_case("true") => Some(1.0),
        text if text.eq_ignore_ascii_case("false") => Some(0.0),
        _ => None,
    }
}

/// A number without the marks between groups of three digits, and with a point as its decimal mark; `None` where the groups
/// are not of three.
fn ungrouped(text: &str, decimal: char) -> Option<String> {
    let is_group_mark =
        |mark: char| mark != decimal && matches!(mark, ',' | '.' | ' ' | '\'' | '’' | '\u{a0}' | '\u{202f}');
    let (sign, rest) = match text.strip_prefix(['-', '+', '−']) {
        Some(rest) => (if text.starts_with('+') { "" } else { "-" }, rest),
        None => ("", text),
    };
    let (whole, fraction) = rest.split_once(decimal).unwrap_or((rest, ""));
    let mut groups = whole.split(is_group_mark);
    let first = groups.next().unwrap_or_default();
    let mut number = format!("{sign}{first}");
    let mut has_groups = false;
    for group in groups {
        has_groups = true;
        if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        number.push_str(group);
    }
    if has_groups && (first.is_empty() || first.len() > 3) {
        return None;
    }
    if !fraction.is_empty() {
        number.push('.');
        number.push_str(fraction);
    }
    Some(number)
}

/// What the marks in a file's numbers say of the decimal mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marks {
    /// No mark but points that are decimal ones.
    Plain,
    /// This is the decimal mark.
    Decimal(DecimalMark),
    /// A mark that may be the decimal one, or stand between thousands.
    Either,
}

/// Finds the decimal mark from the cells of a column, all of which look like numbers.
///
/// Both marks in one number, or one of them twice, tell; so does a mark that not exactly three digits follow. Where neither is there, a
/// comma beside `is_comma_cell_mark = false` (cells are parted by something else, as in countries that write the comma) is a decimal one.
pub(crate) fn marks<'a>(cells: impl Iterator<Item = &'a str> + Clone, is_comma_cell_mark: bool) -> Marks {
    let mut has_comma = false;
    for cell in cells.clone() {
        let (commas, points) = (cell.matches(',').count(), cell.matches('.').count());
        has_comma |= commas > 0;
        let told = match (commas, points) {
            (0, 0 | 1) => None,
            (0, _) => Some(DecimalMark::Comma),
            (1, 0) => {
                let (whole, fraction) = cell.split_once(',').unwrap_or_default();
                let whole = whole.trim_start_matches(['-', '+', '\'']);
                let is_group = fraction.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
                (!is_group).then_some(DecimalMark::Comma)
            }
            (_, 0) => Some(DecimalMark::Point),
            _ if cell.rfind(',') > cell.rfind('.') => Some(DecimalMark::Comma),
            _ => Some(DecimalMark::Point),
        };
        if let Some(mark) = told {
            return Marks::Decimal(mark);
        }
    }
    if has_comma {
        let has_point = cells.clone().any(|cell| cell.contains('.'));
        return match (has_point, is_comma_cell_mark) {
            (true, _) => Marks::Decimal(DecimalMark::Point),
            (false, false) => Marks::Decimal(DecimalMark::Comma),
            (false, true) => Marks::Either,
        };
    }
    if !is_comma_cell_mark && may_be_thousands(cells) { Marks::Either } else { Marks::Plain }
}

/// Whether points may part thousands: each has three digits after it and one to three before, beside whole numbers in the hundreds.
fn may_be_thousands<'a>(cells: impl Iterator<Item = &'a str>) -> bool {
    let (mut n_marked, mut n_hundreds) = (0, 0);
    for cell in cells {
        let cell = cell.trim_start_matches(['-', '+']);
        match cell.split_once('.') {
            Some((whole, rest)) if rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0') => {
                n_marked += 1;
            }
            None if cell.len() <= 3 => n_hundreds += usize::from(cell.len() == 3),
            _ => return false,
        }
    }
    n_marked > 0 && n_hundreds > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(decimal: Option<DecimalMark>, text: &str) -> Option<f64> {
        NumberForm { decimal, missing: vec!["-".to_owned(), "Bad Input".to_owned()] }.read(text)
    }

    #[test]
    fn numbers_by_hand() {
        for (decimal, text, number) in [
            (None, " 1.5 ", 1.5),
            (None, "'-0.26", -0.26),
            (None, "True", 1.0),
            (None, "false", 0.0),
            (Some(DecimalMark::Comma), "1,5", 1.5),
            (Some(DecimalMark::Comma), "-1.234.567,25", -1_234_567.25),
            (Some(DecimalMark::Comma), "1.492", 1492.0),
            (Some(DecimalMark::Comma), "12", 12.0),
            (Some(DecimalMark::Comma), "1 234,5", 1234.5),
            (Some(DecimalMark::Point), "49,744.12", 49_744.12),
            (Some(DecimalMark::Point), "1'234'567", 1_234_567.0),
            (Some(DecimalMark::Point), "−1\u{202f}234.5", -1234.5),
            (Some(DecimalMark::Point), "1.5", 1.5),
        ] {
            assert_eq!(read(decimal, text), Some(number), "{text}");
        }
        for (decimal, text) in [
            (None, "1,5"),
            (None, "12 kB"),
            (Some(DecimalMark::Point), "1,5"),
            (Some(DecimalMark::Point), "1234,567"),
            (Some(DecimalMark::Comma), "1.49"),
            (Some(DecimalMark::Comma), "x,5"),
        ] {
            assert_eq!(read(decimal, text), None, "{text}");
        }
        for text in ["-", "Bad Input", "", "NaN"] {
            assert!(read(None, text).is_some_and(f64::is_nan), "{text}");
        }
    }

    #[test]
    fn the_decimal_mark_is_told_where_it_can_be() {
        let of = |cells: &[&str], comma_parts_cells| marks(cells.iter().copied(), comma_parts_cells);
        assert_eq!(of(&["1.5", "2"], true), Marks::Plain);
        assert_eq!(of(&["1,234.5"], false), Marks::Decimal(DecimalMark::Point));
        assert_eq!(of(&["1.234,5"], false), Marks::Decimal(DecimalMark::Comma));
        assert_eq!(of(&["1,234,567"], true), Marks::Decimal(DecimalMark::Point));
        assert_eq!(of(&["49,744", "12"], false), Marks::Decimal(DecimalMark::Comma));
        assert_eq!(of(&["49,744", "0,5"], true), Marks::Decimal(DecimalMark::Comma));
        assert_eq!(of(&["49,744", "999"], true), Marks::Either);
        assert_eq!(of(&["49,744", "999.5"], true), Marks::Decimal(DecimalMark::Point));
        assert_eq!(of(&["1.492", "1.665", "999"], false), Marks::Either);
        assert_eq!(of(&["1.492", "1.665", "2"], false), Marks::Plain);
        assert_eq!(of(&["0.492", "999"], false), Marks::Plain);
    }

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
}

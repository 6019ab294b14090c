//! How the times of one column are written: found from a sample of its cells, or said by the user.

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::{NANOS_PER_MICRO, ReadTime, Trouble, civil, read_timestamp};
use crate::data::read::form::TimeUnit;
use crate::data::series::{NANOS_PER_DAY, NANOS_PER_SECOND, TimeFormat};

/// The days from the day 0 of spreadsheets to 1970.
const EXCEL_EPOCH_DAYS: i64 = 25_569;

/// How the times of a column are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TimeSyntax {
    form: Form,
    /// The zone of times without one; UTC if there is none.
    zone: Option<TimeZone>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Form {
    /// As [`read_timestamp`] reads it.
    #[default]
    Usual,
    /// A number in this unit.
    Unit(TimeUnit),
    /// As `strptime` reads it.
    Pattern(String),
}

/// What the cells of a column are as times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TimeLook {
    /// None.
    No,
    /// A number: a time only where its column says so. `is_regular` where each looks like a number of seconds (or ms, µs, ns) since 2001, and
    /// they rise with one step mostly.
    Number { syntax: TimeSyntax, is_regular: bool },
    /// Dates, or dates and times.
    Calendar { syntax: TimeSyntax, has_clock: bool },
    /// Times of day.
    Clock,
    /// Dates of which the day and the month cannot be told apart.
    Ambiguous,
}

impl TimeSyntax {
    /// That of a pattern of `strptime`.
    pub(crate) fn pattern(pattern: &str) -> Self {
        Self { form: Form::Pattern(pattern.to_owned()), zone: None }
    }

    /// That of a number in a unit.
    pub(crate) const fn unit(unit: TimeUnit) -> Self {
        Self { form: Form::Unit(unit), zone: None }
    }

    /// The same in a zone.
    pub(crate) fn in_zone(self, zone: Option<TimeZone>) -> Self {
        Self { zone, ..self }
    }

    /// Whether times are read as without a sample.
    pub(crate) fn is_usual(&self) -> bool {
        self.form == Form::Usual && self.zone.is_none()
    }

    /// What somebody should know of it: nothing where it is usual.
    pub(crate) fn told(&self) -> Option<String> {
        if let Form::Pattern(pattern) = &self.form { Some(format!("as `{pattern}`")) } else { None }
    }

    /// The form and value of a time.
    pub(crate) fn read(&self, text: &str) -> ReadTime {
        let text = text.trim();
        let read = match &self.form {
            Form::Usual => read_timestamp(text),
            Form::Unit(unit) => in_unit(text, *unit),
            Form::Pattern(pattern) => by_pattern(text, pattern),
        };
        read.and_then(|(format, timestamp)| self.zoned(format, timestamp))
    }

    /// A time of this form in the zone of the column, where it has none itself: the first of two that it may stand for.
    pub(crate) fn zoned(&self, format: TimeFormat, timestamp: i64) -> ReadTime {
        match &self.zone {
            Some(zone) if format == TimeFormat::Civil => {
                let timestamp = zone.to_timestamp(civil(timestamp)).map_err(|_| Trouble::Range)?;
                nanos_of(timestamp).map(|nanos| (TimeFormat::Rfc3339, nanos))
            }
            _ => Ok((format, timestamp)),
        }
    }

    /// The second of the two instants that a time stands for where the clock of its zone is set back.
    pub(crate) fn read_later(&self, text: &str) -> Option<i64> {
        let zone = self.zone.as_ref()?;
        let (format, nanos) = Self { zone: None, ..self.clone() }.read(text).ok()?;
        if format != TimeFormat::Civil {
            return None;
        }
        let ambiguous = zone.to_ambiguous_timestamp(civil(nanos));
        if !ambiguous.is_ambiguous() {
            return None;
        }
        nanos_of(ambiguous.later().ok()?).ok()
    }
}

fn nanos_of(timestamp: jiff::Timestamp) -> Result<i64, Trouble> {
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| Trouble::Range)
}

fn in_unit(text: &str, unit: TimeUnit) -> ReadTime {
    let (format, nanos) = match unit {
        TimeUnit::Seconds => (TimeFormat::Seconds, NANOS_PER_SECOND),
        TimeUnit::Milliseconds => (TimeFormat::Milliseconds, 1_000_000),
        TimeUnit::Microseconds => (TimeFormat::Microseconds, 1_000),
        TimeUnit::Nanoseconds => (TimeFormat::Nanoseconds, 1),
        TimeUnit::Days | TimeUnit::Excel => (TimeFormat::Civil, NANOS_PER_DAY),
    };
    let offset = if unit == TimeUnit::Excel { EXCEL_EPOCH_DAYS } else { 0 };
    if let Ok(integer) = text.parse::<i64>() {
        let timestamp = integer.checked_sub(offset).and_then(|integer| integer.checked_mul(nanos));
        return timestamp.map(|timestamp| (format, timestamp)).ok_or(Trouble::Range);
    }
    let number: f64 = text.parse().map_err(|_| Trouble::Form)?;
    // A fraction of days is meant to the second, one of seconds to the microsecond.
    let grid = if format == TimeFormat::Civil { NANOS_PER_SECOND as f64 } else { NANOS_PER_MICRO };
    let timestamp = ((number - offset as f64) * nanos as f64 / grid).round() * grid;
    if !timestamp.is_finite() {
        return Err(Trouble::Form);
    }
    if timestamp.abs() > 9.2e18 {
        return Err(Trouble::Range);
    }
    let timestamp = timestamp as i64;
    // A fraction is kept, so it needs a form that can write it.
    let format =
        if timestamp % nanos != 0 && format != TimeFormat::Civil { TimeFormat::DecimalSeconds } else { format };
    Ok((format, timestamp))
}

fn by_pattern(text: &str, pattern: &str) -> ReadTime {
    let mut parsed = BrokenDownTime::parse(pattern, text).map_err(|_| Trouble::Form)?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        let timestamp = parsed.to_timestamp().map_err(|_| Trouble::Form)?;
        return nanos_of(timestamp).map(|nanos| (TimeFormat::Rfc3339, nanos));
    }
    if parsed.day().is_none() && parsed.month().is_some() && parsed.day_of_year().is_none() {
        parsed.set_day(Some(1)).map_err(|_| Trouble::Form)?;
    }
    let civil: DateTime = parsed.to_datetime().map_err(|_| Trouble::Form)?;
    let timestamp = TimeZone::UTC.to_timestamp(civil).map_err(|_| Trouble::Range)?;
    nanos_of(timestamp).map(|nanos| (TimeFormat::Civil, nanos))
}

/// Dates that have one meaning.
const DATES: [&str; 17] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d/%b/%Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%a, %d %b %Y",
    "%a %b %d %Y",
    "%d.%m.%y",
    "%d-%b-%y",
    "%Y-%m",
    "%Y/%m",
];
/// Dates by the place of the day: these have it first, those second.
const DAY_OR_MONTH_FIRST: [(&str, &str); 4] =
    [("%d/%m/%Y", "%m/%d/%Y"), ("%d-%m-%Y", "%m-%d-%Y"), ("%d/%m/%y", "%m/%d/%y"), ("%d-%m-%y", "%m-%d-%y")];
const SEPARATORS: [&str; 5] = [" ", "T", ", ", "  ", ":"];
const CLOCKS: [&str; 5] = ["%H:%M:%S%.f", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%H:%M:%S,%f"];
const ZONES: [&str; 5] = ["", " %z", "%z", " UTC", "Z"];
/// Dates and times without a mark between their parts, by their number of digits.
const COMPACT: [(usize, &str); 3] = [(8, "%Y%m%d"), (12, "%Y%m%d%H%M"), (14, "%Y%m%d%H%M%S")];

/// What cells are as times, none of them empty; at least one.
pub(crate) fn look(cells: &[&str]) -> TimeLook {
    let first = cells[0].trim();
    if cells.iter().all(|cell| cell.trim().parse::<f64>().is_ok_and(f64::is_finite)) {
        return look_of_numbers(cells);
    }
    if !first.bytes().any(|byte| byte.is_ascii_digit()) {
        return TimeLook::No;
    }
    let all = |syntax: &TimeSyntax| cells.iter().all(|cell| !matches!(syntax.read(cell), Err(Trouble::Form)));
    let usual = TimeSyntax::default();
    if all(&usual) {
        return TimeLook::Calendar { has_clock: first.len() > 10, syntax: usual };
    }
    if CLOCKS.iter().any(|clock| cells.iter().all(|cell| is_clock(cell, clock))) {
        return TimeLook::Clock;
    }
    for date in DATES {
        if let Some((syntax, has_clock)) = with_clock(date, first, &all) {
            return TimeLook::Calendar { syntax, has_clock };
        }
    }
    for (day_first, month_first) in DAY_OR_MONTH_FIRST {
        match (with_clock(day_first, first, &all), with_clock(month_first, first, &all)) {
            (Some(_), Some(_)) => return TimeLook::Ambiguous,
            (Some((syntax, has_clock)), None) | (None, Some((syntax, has_clock))) => {
                return TimeLook::Calendar { syntax, has_clock };
            }
            (None, None) => {}
        }
    }
    TimeLook::No
}

fn is_clock(cell: &str, clock: &str) -> bool {
    BrokenDownTime::parse(clock, cell.trim()).is_ok_and(|parsed| parsed.to_time().is_ok())
}

/// The syntax of a date alone, or with a time of day and a zone, that reads all cells; and whether it has a time.
fn with_clock(date: &str, first: &str, all: &impl Fn(&TimeSyntax) -> bool) -> Option<(TimeSyntax, bool)> {
    // Two digits of a year are little to tell a date from another number with points in it.
    if date.ends_with("%y") && first.len() < "01.02.24".len() {
        return None;
    }
    let fits = |pattern: &str| {
        let syntax = TimeSyntax::pattern(pattern);
        (syntax.read(first).is_ok() && all(&syntax)).then_some(syntax)
    };
    if let Some(syntax) = fits(date) {
        return Some((syntax, false));
    }
    // A date that does not begin as the cell does need not be tried with each time: there are many, and a file may have many columns.
    if first.bytes().filter(u8::is_ascii_digit).count() < 5 || BrokenDownTime::parse_prefix(date, first).is_err() {
        return None;
    }
    for separator in SEPARATORS {
        for clock in CLOCKS {
            for zone in ZONES {
                if let Some(syntax) = fits(&format!("{date}{separator}{clock}{zone}")) {
                    return Some((syntax, true));
                }
            }
        }
    }
    None
}

fn look_of_numbers(cells: &[&str]) -> TimeLook {
    let n_digits = cells[0].trim().len();
    if let Some((_, pattern)) = COMPACT.iter().find(|(n, _)| *n == n_digits) {
        let syntax = TimeSyntax::pattern(pattern);
        let is_date = |cell: &&str| {
            let cell = cell.trim();
            let year: u32 = cell.get(..4).and_then(|year| year.parse().ok()).unwrap_or(0);
            cell.len() == n_digits && (1900..2100).contains(&year) && syntax.read(cell).is_ok()
        };
        if cells.iter().all(is_date) {
            return TimeLook::Calendar { has_clock: n_digits > 8, syntax };
        }
    }
    let syntax = TimeSyntax::default();
    let times: Vec<i64> = cells.iter().filter_map(|cell| syntax.read(cell).ok()).map(|(_, time)| time).collect();
    TimeLook::Number { is_regular: times.len() == cells.len() && are_regular(&times), syntax }
}

/// Whether times lie in the years 2001 to 2099, and rise by one step mostly.
fn are_regular(times: &[i64]) -> bool {
    const FROM: i64 = 978_307_200 * NANOS_PER_SECOND;
    const UNTIL: i64 = 4_102_444_800 * NANOS_PER_SECOND;
    if times.len() < 3 || times.iter().any(|time| !(FROM..UNTIL).contains(time)) {
        return false;
    }
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step != 0).collect();
    steps.sort_unstable();
    let n_usual = steps.chunk_by(|a, b| a == b).map(<[i64]>::len).max().unwrap_or(0);
    let n_falling = steps.iter().filter(|step| **step < 0).count();
    2 * n_usual >= steps.len() && n_usual > 0 && n_falling * 10 <= steps.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(cells: &[&str]) -> Option<(TimeFormat, String)> {
        let (TimeLook::Calendar { syntax, .. } | TimeLook::Number { syntax, .. }) = look(cells) else { return None };
        let (format, nanos) = syntax.read(cells[0]).ok()?;
        Some((format, TimeFormat::Civil.format(nanos)))
    }

    #[test]
    fn forms_of_times_that_have_one_meaning() {
        let at = "2024-03-01 00:05:00";
        for cell in [
            "2024-03-01 00:05:00",
            "2024-3-1 0:05",
            "2024/03/01 00:05",
            "2024.03.01 00:05:00",
            "01.03.2024 00:05",
            "1 Mar 2024 00:05:00",
            "01-Mar-2024 12:05 AM",
            "Mar 1, 2024 12:05:00 AM",
            "March 1, 2024, 00:05",
            "01/Mar/2024:00:05:00",
            "20240301000500",
            "202403010005",
        ] {
            assert_eq!(seen(&[cell]), Some((TimeFormat::Civil, at.to_owned())), "{cell}");
        }
        for cell in [
            "2024-03-01 01:05:00 +0100",
            "01/Mar/2024:01:05:00 +0100",
            "2024-03-01T00:05:00Z",
            "2024-03-01 00:05:00 UTC",
        ] {
            let (_, text) = seen(&[cell]).unwrap_or_else(|| panic!("{cell}"));
            assert_eq!(text, at, "{cell}");
        }
        assert_eq!(seen(&["20240301"]), Some((TimeFormat::Civil, "2024-03-01 00:00:00".to_owned())));
        assert_eq!(seen(&["2000-01", "2000-02"]), Some((TimeFormat::Civil, "2000-01-01 00:00:00".to_owned())));
    }

    #[test]
    fn the_place_of_the_day_is_told_by_a_day_above_twelve() {
        assert_eq!(look(&["03/01/2024 00:00", "03/02/2024 00:00"]), TimeLook::Ambiguous);
        assert_eq!(seen(&["03/01/2024 00:00", "03/13/2024 00:00"]).unwrap().1, "2024-03-01 00:00:00");
        assert_eq!(seen(&["03/01/2024 00:00", "13/01/2024 00:00"]).unwrap().1, "2024-01-03 00:00:00");
    }

    #[test]
    fn what_is_no_time_is_not_taken_for_one() {
        for cells in [&["h1", "h2"][..], &["", ""], &["1.2.3"], &["2024-13-01"], &["a 2024-03-01"]] {
            assert_eq!(look(cells), TimeLook::No, "{cells:?}");
        }
        assert_eq!(look(&["00:00:00", "00:05:00"]), TimeLook::Clock);
    }

    #[test]
    fn numbers_are_times_by_themselves_only_where_they_are_regular() {
        let is_regular = |cells: &[&str]| matches!(look(cells), TimeLook::Number { is_regular: true, .. });
        assert!(is_regular(&["1709251200", "1709251500", "1709251800"]));
        assert!(is_regular(&["1709251200.585", "1709251500.585", "1709251800.585"]));
        assert!(!is_regular(&["1709251200", "1709251205", "1709291800", "1709291801"]));
        assert!(!is_regular(&["1", "2", "3"]));
        assert!(!is_regular(&["49.7", "55.5", "58.4"]));
        let (format, _) = seen(&["0.004", "0.008", "1"]).unwrap();
        assert_eq!(format, TimeFormat::DecimalSeconds);
    }

    #[test]
    fn a_unit_is_what_the_user_says() {
        let read = |unit, text: &str| {
            TimeSyntax::unit(unit).read(text).map(|(format, nanos)| (format, TimeFormat::Civil.format(nanos)))
        };
        let civil = |text: &str| Ok((TimeFormat::Civil, text.to_owned()));
        assert_eq!(read(TimeUnit::Excel, "45352"), civil("2024-03-01 00:00:00"));
        assert_eq!(read(TimeUnit::Excel, "45352.00347222222"), civil("2024-03-01 00:05:00"));
        assert_eq!(read(TimeUnit::Days, "1"), civil("1970-01-02 00:00:00"));
        assert_eq!(read(TimeUnit::Milliseconds, "1000").unwrap().1, "1970-01-01 00:00:01");
        assert_eq!(read(TimeUnit::Seconds, "x"), Err(Trouble::Form));
        assert_eq!(read(TimeUnit::Days, "1e30"), Err(Trouble::Range));
    }

    #[test]
    fn an_hour_that_comes_twice_is_told_by_its_order() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let syntax = TimeSyntax::default().in_zone(Some(zone));
        let (format, first) = syntax.read("2024-10-27 02:30:00").unwrap();
        assert_eq!((format, format.format(first)), (TimeFormat::Rfc3339, "2024-10-27T00:30:00Z".to_owned()));
        let later = syntax.read_later("2024-10-27 02:30:00").unwrap();
        assert_eq!(later - first, 3600 * NANOS_PER_SECOND);
        assert_eq!(syntax.read_later("2024-10-27 04:30:00"), None);
    }
}

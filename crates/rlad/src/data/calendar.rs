//! Calendars of expected events: times in which what happens is expected, so that it is no alarm and teaches nothing.
//!
//! ```csv
//! series,from,to,every,note
//! ,2024-12-24,2024-12-26,,Christmas
//! web-*,2024-03-05T09:30:00Z,2024-03-05T10:15:00Z,,deploy 1.4
//! db,,,weekly Sat 22:00-Sun 04:00 +01:00,maintenance
//! ```

mod rule;

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim, WriterBuilder};

use self::rule::Rule;
use super::read::read_timestamp;
use super::series::{Clock, NANOS_PER_DAY, Series, is_named};
use super::write::write_file;
use crate::error::{Error, Result};

/// The columns of a calendar's file.
const COLUMNS: [&str; 5] = ["series", "from", "to", "every", "note"];

/// Times in which what happens is expected, such as holidays, deploys and maintenance: stretches of time, and rules that recur.
///
/// A file is CSV in UTF-8 with a header of some of the columns `series`, `from`, `to`, `every` and `note`, in any order. A row is
///
/// - a stretch, `from` until before `to`, both in any form in which data have their times (without a zone: UTC). A date without a time of
///   day stands for the whole day: as `to` it is inside, and alone in `from` it is that day. Whole numbers are indices in a series without
///   timestamps, from `from` until before `to`, and times since 1970 in others;
/// - or a rule in `every`: `daily 02:00-02:30`, `weekly Sat 22:00-Sun 04:00`, `weekly Sat-Sun`, `monthly 1 00:00-06:00`,
///   `yearly 12-24..12-26` (whole days, the last one inside). A time of day is inside until before its end; an end that is not after its
///   beginning is that of the next day. They are in UTC, or in a fixed offset that stands at the end (`daily 02:00-02:30 +01:00`); `from`
///   and `to` bound the time in which the rule holds. In a series without timestamps no rule applies.
///
/// `series` is a name, in which `*` stands for any text; without one the row is about every series.
///
/// ```
/// use std::path::Path;
/// use rlad::data::{Calendar, NANOS_PER_SECOND};
///
/// # fn main() -> rlad::Result<()> {
/// let calendar = Calendar::parse(Path::new("calendar.csv"), "series,every\nweb-*,daily 02:00-02:30\n")?;
/// let at = |hour: i64, minute: i64| (hour * 3600 + minute * 60) * NANOS_PER_SECOND;
/// assert!(calendar.contains("web-1", at(2, 29)));
/// assert!(!calendar.contains("web-1", at(2, 30)) && !calendar.contains("db", at(2, 0)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    entries: Vec<Entry>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// The names of the series; empty for all.
    series: String,
    /// As they stand in the file.
    from: String,
    to: String,
    note: String,
    rule: Option<Rule>,
    /// The stretch, or the bounds of the rule: nanoseconds since 1970, the end not inside.
    times: (i64, i64),
    /// The stretch as indices, where both ends are whole numbers.
    indices: Option<(i64, i64)>,
}

/// What a calendar says of one series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesCalendar {
    /// The stretches, rising and apart; the end is not inside.
    stretches: Vec<(i64, i64)>,
    /// The rules with their bounds.
    rules: Vec<((i64, i64), Rule)>,
}

impl SeriesCalendar {
    /// The memory that it takes, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.stretches.capacity() * size_of::<(i64, i64)>()
            + self.rules.capacity() * size_of::<((i64, i64), Rule)>()
    }
}

/// An end of a stretch as it is read.
struct End {
    nanos: i64,
    index: Option<i64>,
    is_date: bool,
}

impl Calendar {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Read`] where there is none, and those of [`Self::parse`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|source| Error::Format {
            path: path.to_owned(),
            expected: "a calendar, a CSV file in UTF-8".to_owned(),
            source: Some(source.into()),
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file; `path` is for errors.
    ///
    /// # Errors
    /// [`Error::Calendar`] with the first line that cannot be understood.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let wrong = |line: u64, problem: String| Error::Calendar { path: path.to_owned(), line, problem };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.as_bytes());
        let of_csv = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            wrong(line, format!("expected a row of CSV: {error}"))
        };
        let header = reader.headers().map_err(of_csv)?.clone();
        let mut places = Vec::with_capacity(header.len());
        for name in &header {
            let place = COLUMNS.iter().position(|column| name.eq_ignore_ascii_case(column));
            let place = place.filter(|place| !places.contains(place));
            places.push(place.ok_or_else(|| {
                wrong(
                    1,
                    format!(
                        "expected the columns {}, each once, found `{name}`",
                        COLUMNS.map(|name| format!("`{name}`")).join(", ")
                    ),
                )
            })?);
        }
        if !places.iter().any(|place| matches!(COLUMNS[*place], "from" | "every")) {
            return Err(wrong(1, "expected a column `from` or `every`, found neither".to_owned()));
        }
        let mut entries = Vec::new();
        let mut record = StringRecord::new();
        while reader.read_record(&mut record).map_err(of_csv)? {
            let line = record.position().map_or(1, csv::Position::line);
            if record.len() != places.len() {
                let expected = places.len();
                return Err(wrong(
                    line,
                    format!("expected {expected} cells, as the header has, found {}", record.len()),
                ));
            }
            let mut cells = [""; COLUMNS.len()];
            places.iter().zip(&record).for_each(|(place, cell)| cells[*place] = cell);
            entries.push(Entry::parse(cells).map_err(|problem| wrong(line, problem))?);
        }
        Ok(Self { entries })
    }

    /// Writes it, whole or not at all, in the form that [`Self::read`] reads.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_file(path.as_ref(), self.to_csv().as_bytes())
    }

    /// The text of its file.
    ///
    /// # Panics
    /// Never: rows of text are CSV.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut writer = WriterBuilder::new().from_writer(Vec::new());
        let rows = self.entries.iter().map(|entry| {
            let every = entry.rule.as_ref().map_or("", Rule::text);
            [&*entry.series, &*entry.from, &*entry.to, every, &*entry.note]
        });
        for row in std::iter::once(COLUMNS).chain(rows) {
            writer.write_record(row).expect("rows of one length go into memory");
        }
        String::from_utf8(writer.into_inner().expect("memory can be written")).expect("what was text is text")
    }

    /// Whether nothing is expected.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The number of its stretches and rules.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether what happens in a series at a time is expected. `timestamp`: nanoseconds since 1970.
    #[must_use]
    pub fn contains(&self, series: &str, timestamp: i64) -> bool {
        self.of(series, Clock { step: 1, has_days: true }).contains(timestamp)
    }

    /// What it says of a series of this name and clock.
    #[must_use]
    pub fn of(&self, series: &str, clock: Clock) -> SeriesCalendar {
        let mut of_series = SeriesCalendar::default();
        for entry in self.entries.iter().filter(|entry| entry.series.is_empty() || is_named(&entry.series, series)) {
            match &entry.rule {
                Some(rule) if clock.has_days => of_series.rules.push((entry.times, rule.clone())),
                Some(_) => {}
                None if clock.has_days => of_series.stretches.push(entry.times),
                None => of_series.stretches.extend(entry.indices),
            }
        }
        of_series.stretches.sort_unstable();
        of_series.stretches.dedup_by(|next, last| {
            let overlaps = next.0 <= last.1;
            if overlaps {
                last.1 = last.1.max(next.1);
            }
            overlaps
        });
        of_series
    }

    /// Of each point of a series, whether what happens there is expected; empty where nothing is at any time.
    pub(crate) fn expected(&self, series: &Series) -> Vec<bool> {
        let of_series = self.of(series.name(), series.clock());
        if of_series.is_empty() {
            return Vec::new();
        }
        series.timestamps().iter().map(|timestamp| of_series.contains(*timestamp)).collect()
    }
}

impl SeriesCalendar {
    /// Whether nothing is expected at any time.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stretches.is_empty() && self.rules.is_empty()
    }

    /// Whether what happens at a time is expected. `timestamp`: nanoseconds since 1970, or an index where the clock has no days.
    #[must_use]
    pub fn contains(&self, timestamp: i64) -> bool {
        let n_begun = self.stretches.partition_point(|stretch| stretch.0 <= timestamp);
        let is_in_last = n_begun.checked_sub(1).is_some_and(|last| timestamp < self.stretches[last].1);
        let holds = |(from, to): (i64, i64)| (from..to).contains(&timestamp);
        is_in_last || self.rules.iter().any(|(bounds, rule)| holds(*bounds) && rule.contains(timestamp))
    }
}

impl Entry {
    /// The row with these cells, in the order of [`COLUMNS`].
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    fn parse([series, from, to, every, note]: [&str; COLUMNS.len()]) -> std::result::Result<Self, String> {
        let rule = if every.is_empty() { None } else { Some(Rule::parse(every)?) };
        let [begin, end] = [end_of("from", from)?, end_of("to", to)?];
        let after = |end: &End| if end.is_date { end.nanos.saturating_add(NANOS_PER_DAY) } else { end.nanos };
        let times = match (&begin, &end, &rule) {
            (Some(begin), Some(end), _) => (begin.nanos, after(end)),
            (Some(begin), None, None) if begin.is_date => (begin.nanos, after(begin)),
            (None, None, None) => {
                return Err("expected `from` and `to`, or a rule in `every`, found none of them".to_owned());
            }
            (begin, end, None) => {
                let missing = if begin.is_none() { "from" } else { "to" };
                let given = if end.is_none() { from } else { to };
                return Err(format!("expected a time in `{missing}` beside `{given}`, found an empty cell"));
            }
            (begin, end, Some(_)) => {
                (begin.as_ref().map_or(i64::MIN, |begin| begin.nanos), end.as_ref().map_or(i64::MAX, after))
            }
        };
        if times.0 >= times.1 {
            return Err(format!("expected `to` after `from` (`{from}`), found `{to}`"));
        }
        let index = |end: &Option<End>| end.as_ref().and_then(|end| end.index);
        let indices = index(&begin).zip(index(&end)).filter(|_| rule.is_none());
        let [series, from, to, note] = [series, from, to, note].map(str::to_owned);
        Ok(Self { series, from, to, note, rule, times, indices })
    }
}

/// The time in a cell; `None` for an empty one.
fn end_of(column: &str, text: &str) -> std::result::Result<Option<End>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let (_, nanos) = read_timestamp(text)
        .map_err(|trouble| format!("expected {} in `{column}`, found `{text}`", trouble.expected()))?;
    let is_date = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
    Ok(Some(End { nanos, index: text.parse().ok(), is_date }))
}

#[cfg(test)]
mod tests;

//! Rules of expected events that recur: every day, week, month or year.

use jiff::civil::Date;

use crate::data::read::civil;
use crate::data::series::{NANOS_PER_DAY, NANOS_PER_SECOND, NANOS_PER_WEEK};

const MINUTE: i64 = 60 * NANOS_PER_SECOND;
/// 1970 begins on a Thursday, three days after a Monday.
const FIRST_DAY: i64 = 3 * NANOS_PER_DAY;
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// As it stands in the file.
    text: String,
    /// What is added to a time in UTC, in nanoseconds.
    offset: i64,
    every: Every,
}

/// How it recurs. Stretches are in nanoseconds, and the end is not inside; one that ends where it begins, or before, goes on past the
/// end of its day or week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Every {
    /// A time of the day.
    Day { from: i64, to: i64 },
    /// A time since Monday.
    Week { from: i64, to: i64 },
    /// A time of a day of the month, from 1.
    Month { day: i8, from: i64, to: i64 },
    /// Months and days, both inside.
    Year { first: (i8, i8), last: (i8, i8) },
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let offset = match words.last() {
            Some(last) if last.starts_with(['+', '-']) => Some(offset(last)?),
            Some(&("UTC" | "Z")) => Some(0),
            _ => None,
        };
        if offset.is_some() {
            words.pop();
        }
        let (kind, rest) = words.split_first().map_or(("", String::new()), |(kind, rest)| (*kind, rest.join(" ")));
        let every = match kind.to_ascii_lowercase().as_str() {
            "daily" => {
                let (from, to) = stretch(&rest)?;
                Every::Day { from, to }
            }
            "weekly" => weekly(&rest)?,
            "monthly" => monthly(&rest)?,
            "yearly" => yearly(&rest)?,
            _ => return Err(format!("expected `daily`, `weekly`, `monthly` or `yearly` in `every`, found `{text}`")),
        };
        Ok(Self { text: text.to_owned(), offset: offset.unwrap_or(0), every })
    }

    /// The rule as it was read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a time is inside. `timestamp`: nanoseconds since 1970.
    pub(super) fn contains(&self, timestamp: i64) -> bool {
        let local = timestamp.saturating_add(self.offset);
        let of_day = local.rem_euclid(NANOS_PER_DAY);
        let is_in = |(from, to): (i64, i64), time: i64| {
            if from < to { (from..to).contains(&time) } else { time >= from || time < to }
        };
        match self.every {
            Every::Day { from, to } => is_in((from, to), of_day),
            Every::Week { from, to } => {
                is_in((from, to), (local.rem_euclid(NANOS_PER_WEEK) + FIRST_DAY).rem_euclid(NANOS_PER_WEEK))
            }
            Every::Month { day, from, to } if from < to => {
                (from..to).contains(&of_day) && civil(local).date().day() == day
            }
            Every::Month { day, from, to } => {
                let is_of = |time: i64| civil(time).date().day() == day;
                of_day >= from && is_of(local) || of_day < to && is_of(local.saturating_sub(NANOS_PER_DAY))
            }
            Every::Year { first, last } => {
                let date = civil(local).date();
                let day = (date.month(), date.day());
                if first <= last { first <= day && day <= last } else { day >= first || day <= last }
            }
        }
    }
}

fn weekly(text: &str) -> Result<Every, String> {
    let (first, last) = text.split_once('-').map_or((text, None), |(first, last)| (first.trim(), Some(last.trim())));
    let (day, time) = first.split_once(' ').unwrap_or((first, ""));
    let day = weekday(day)?;
    let (from, to) = match (time, last) {
        ("", None) => (day, day + NANOS_PER_DAY),
        ("", Some(last)) => (day, weekday(last)? + NANOS_PER_DAY),
        (_, None) => return Err(format!("expected a stretch such as `Sat 22:00-Sun 04:00`, found `{text}`")),
        (from, Some(last)) => {
            let from = day + time_of_day(from)?;
            let to = match last.split_once(' ') {
                Some((of, to)) => weekday(of)? + time_of_day(to)?,
                None => {
                    let to = day + time_of_day(last)?;
                    if to <= from { to + NANOS_PER_DAY } else { to }
                }
            };
            (from, to)
        }
    };
    let to = if to > NANOS_PER_WEEK { to - NANOS_PER_WEEK } else { to };
    if from % NANOS_PER_WEEK == to % NANOS_PER_WEEK && (from, to) != (0, NANOS_PER_WEEK) {
        return Err(format!("expected a stretch that ends at another time than it begins, found `{text}`"));
    }
    Ok(Every::Week { from, to })
}

fn monthly(text: &str) -> Result<Every, String> {
    let (day, rest) = text.split_once(' ').unwrap_or((text, "00:00-24:00"));
    let day = day.parse().ok().filter(|day| (1..=31).contains(day));
    let day = day.ok_or_else(|| format!("expected a day of the month from 1 to 31, found `{text}`"))?;
    let (from, to) = stretch(rest)?;
    Ok(Every::Month { day, from, to })
}

fn yearly(text: &str) -> Result<Every, String> {
    let date = |text: &str| {
        let (month, day) = text.trim().split_once('-')?;
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        // A leap year has every day.
        Date::new(2000, month, day).ok().map(|_| (month, day))
    };
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let days = date(first).zip(date(last));
    let (first, last) =
        days.ok_or_else(|| format!("expected days such as `12-24..12-26` or `05-01`, found `{text}`"))?;
    Ok(Every::Year { first, last })
}

/// A stretch of a day, `HH:MM-HH:MM`.
fn stretch(text: &str) -> Result<(i64, i64), String> {
    let wrong = || format!("expected times of the day such as `22:00-04:00`, found `{text}`");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (time_of_day(from.trim())?, time_of_day(to.trim())?);
    // An end at midnight is one of this day or the next, as its beginning has it.
    if from % NANOS_PER_DAY == to % NANOS_PER_DAY && (from, to) != (0, NANOS_PER_DAY) {
        return Err(format!("expected a stretch that ends at another time than it begins, found `{text}`"));
    }
    Ok((from, to))
}

/// A time of the day from `00:00` to `24:00`, in nanoseconds.
fn time_of_day(text: &str) -> Result<i64, String> {
    let time = hours_and_minutes(text).filter(|minutes| *minutes <= 24 * 60);
    time.map(|minutes| minutes * MINUTE)
        .ok_or_else(|| format!("expected a time of the day such as `22:00`, found `{text}`"))
}

/// An offset from UTC such as `+01:00`, in nanoseconds.
fn offset(text: &str) -> Result<i64, String> {
    let minutes = hours_and_minutes(&text[1..]).filter(|minutes| *minutes < 24 * 60);
    let nanos =
        minutes.ok_or_else(|| format!("expected an offset from UTC such as `+01:00`, found `{text}`"))? * MINUTE;
    Ok(if text.starts_with('-') { -nanos } else { nanos })
}

/// `HH:MM` in minutes.
fn hours_and_minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { digits.parse::<i64>().ok() } else { None }
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    Some(hours * 60 + minutes)
}

/// The beginning of a day of the week, in nanoseconds since Monday.
fn weekday(text: &str) -> Result<i64, String> {
    let name = text.to_ascii_lowercase();
    let day = WEEKDAYS.iter().position(|day| name.len() >= 3 && day.starts_with(&name));
    let day = day.ok_or_else(|| format!("expected a day of the week such as `Sat`, found `{text}`"))?;
    Ok(day as i64 * NANOS_PER_DAY)
}

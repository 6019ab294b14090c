//! A series: its points in time order, and the only index arithmetic of this library.
//!
//! A **point** is an index into its series; a window belongs to its last point. Points stand on a grid of **slots**, one
//! per step of the series' clock, so that features can look back by the clock (*the same time yesterday*) as well as by points.
//!
//! **Gaps.** Nothing is written into a gap: a slot without a point stays empty, a window of the last 25 points reaches
//! over it, and a feature that looks back by the clock and finds nothing there is 0, which means *as usual*. So a gap has no
//! points that could be scored, asked about or learned from, and no value is invented. A point whose every channel is NaN
//! (missing) keeps its row in the output but is never an anomaly, never asked about and never learned from.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Nanoseconds in a day.
pub const NANOS_PER_DAY: i64 = 86_400 * NANOS_PER_SECOND;
/// Nanoseconds in a week.
pub const NANOS_PER_WEEK: i64 = 7 * NANOS_PER_DAY;

/// How the timestamps of a series are written, so that scores are written the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// No timestamps: the timestamp is the index of the point, and there is no clock.
    Index,
    /// Integer seconds since 1970.
    Seconds,
    /// Seconds since 1970 with a fraction, written as a decimal number.
    DecimalSeconds,
    /// Integer milliseconds since 1970.
    Milliseconds,
    /// Integer microseconds since 1970.
    Microseconds,
    /// Integer nanoseconds since 1970.
    Nanoseconds,
    /// RFC 3339, written in UTC.
    Rfc3339,
    /// `YYYY-MM-DD HH:MM:SS`, taken as UTC, as NAB writes it.
    Civil,
}

/// One time series: its points in strictly increasing time order.
///
/// A clone shares the points, so that it costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Series(Arc<Points>);

/// The points of a series, and all that is known of them.
#[derive(Debug, PartialEq)]
struct Points {
    name: String,
    channels: Vec<String>,
    time_format: TimeFormat,
    timestamps: Vec<i64>,
    step: i64,
    values: Vec<f64>,
}

impl Series {
    /// A series of `timestamps.len()` points.
    ///
    /// `timestamps`: nanoseconds since 1970, strictly increasing (indices where `time_format` is [`TimeFormat::Index`]).
    /// `values`: shape `[n_points, channels.len()]`, row-major; NaN and infinities are missing values and are stored as NaN.
    /// `step`: the time between two points, in nanoseconds (1 for [`TimeFormat::Index`]); found from the timestamps where
    /// it is not given, as the most common difference (the smallest of those, where several are as common), and 1 second
    /// for a series of one point.
    ///
    /// # Errors
    /// [`Error::Empty`] without points or channels; [`Error::Shape`] if the shapes do not agree, the timestamps do not increase, or the
    /// step is to be found from two timestamps that are further apart than 2⁶³ ns (292 years); [`Error::Setting`] if the step is below 1.
    pub fn new(
        name: impl Into<String>,
        channels: Vec<String>,
        time_format: TimeFormat,
        timestamps: Vec<i64>,
        mut values: Vec<f64>,
        step: Option<i64>,
    ) -> Result<Self> {
        let name = name.into();
        let (n_points, n_channels) = (timestamps.len(), channels.len());
        if n_points == 0 || n_channels == 0 {
            return Err(Error::Empty { what: format!("series `{name}`") });
        }
        let wrong = |expected: String, found: String| Error::shape(format!("series `{name}`"), expected, found);
        if values.len() != n_points * n_channels {
            let expected = format!(
                "{} values, one for each of its {n_points} points in each of its {n_channels} channels",
                n_points * n_channels
            );
            return Err(wrong(expected, values.len().to_string()));
        }
        if let Some(point) = (1..n_points).find(|&point| timestamps[point] <= timestamps[point - 1]) {
            let [before, found] = [point - 1, point].map(|point| time_format.format(timestamps[point]));
            return Err(wrong(
                "timestamps that increase".to_owned(),
                format!("{found} after {before} at point {point}"),
            ));
        }
        let step = match step {
            Some(step) if step < 1 => return Err(Error::setting("step", "at least 1", step)),
            Some(step) => step,
            None => match most_common_difference(&timestamps) {
                Some(step) => i64::try_from(step).map_err(|_| {
                    let [first, last] = [0, n_points - 1].map(|point| time_format.format(timestamps[point]));
                    wrong(
                        "a step below 292 years, or one that is given".to_owned(),
                        format!("only the times {first} and {last}"),
                    )
                })?,
                None if time_format == TimeFormat::Index => 1,
                None => NANOS_PER_SECOND,
            },
        };
        for value in &mut values {
            if !value.is_finite() {
                *value = f64::NAN;
            }
        }
        Ok(Self(Arc::new(Points { name, channels, time_format, timestamps, step, values })))
    }

    /// The name, unique within a data set.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The names of the value channels, at least one.
    #[must_use]
    pub fn channels(&self) -> &[String] {
        &self.0.channels
    }

    /// The number of value channels.
    #[must_use]
    pub fn n_channels(&self) -> usize {
        self.0.channels.len()
    }

    /// The number of points, at least one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.timestamps.len()
    }

    /// False: a series has at least one point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.timestamps.is_empty()
    }

    /// How its timestamps are written.
    #[must_use]
    pub fn time_format(&self) -> TimeFormat {
        self.0.time_format
    }

    /// The timestamps, strictly increasing: nanoseconds since 1970, or indices.
    #[must_use]
    pub fn timestamps(&self) -> &[i64] {
        &self.0.timestamps
    }

    /// The step of its clock, in nanoseconds (or in indices).
    #[must_use]
    pub fn step(&self) -> i64 {
        self.0.step
    }

    /// All values, shape `[n_points, n_channels]`; NaN where one is missing.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.0.values
    }

    /// The values of one point, shape `[n_channels]`.
    #[must_use]
    pub fn row(&self, point: usize) -> &[f64] {
        &self.0.values[point * self.n_channels()..(point + 1) * self.n_channels()]
    }

    /// Whether every channel of a point is missing: such a point is never an anomaly, asked about, or learned from.
    #[must_use]
    pub fn is_missing(&self, point: usize) -> bool {
        self.row(point).iter().all(|value| value.is_nan())
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock { step: self.0.step, has_days: !matches!(self.0.time_format, TimeFormat::Index) }
    }

    /// The points of a window of `n_steps` points that ends at `point`; shorter where the series begins within it.
    #[must_use]
    pub const fn window(&self, point: usize, n_steps: usize) -> Range<usize> {
        (point + 1).saturating_sub(n_steps)..point + 1
    }

    /// The points that are shown with a question about `point`: `before` points before it and `after` after it, as far as
    /// the series goes.
    #[must_use]
    pub fn around(&self, point: usize, before: usize, after: usize) -> Range<usize> {
        around(point, before, after, &(0..self.len()))
    }

    /// The `n_shown` points around `point`, one more after it than before where they are even, as far as they lie `within`.
    #[must_use]
    pub fn shown(&self, point: usize, n_shown: usize, within: &Range<usize>) -> Range<usize> {
        shown(point, n_shown, within)
    }

    /// The part of the series' points between two fractions of its length, rounded to the nearest point.
    #[must_use]
    pub fn part(&self, part: Part) -> Range<usize> {
        let at = |fraction: f64| ((fraction * self.len() as f64).round() as usize).min(self.len());
        at(part.from).min(at(part.to))..at(part.to)
    }
}

/// The clock of a series: a grid of slots, one a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Clock {
    /// The step, in nanoseconds where the clock has days, in indices otherwise; at least 1.
    pub step: i64,
    /// Whether timestamps are times, so that there are days and weeks.
    pub has_days: bool,
}

impl Clock {
    /// The slot of a timestamp: the nearest multiple of the step, in steps since 1970.
    #[must_use]
    pub const fn slot(self, timestamp: i64) -> i64 {
        // The sum of a timestamp and half a step need not fit.
        let is_nearer_to_next = timestamp.rem_euclid(self.step) >= self.step - self.step / 2;
        timestamp.div_euclid(self.step) + is_nearer_to_next as i64
    }

    /// The number of slots in a day, where there are days and a day has at least two slots.
    #[must_use]
    pub fn slots_per_day(self) -> Option<usize> {
        let slots = NANOS_PER_DAY / self.step;
        (self.has_days && slots >= 2).then(|| usize::try_from(slots).expect("a day's slots fit"))
    }

    /// The usual largest delay of the delay-adjusted metric in points: 3 where the step is an hour or longer, 7 otherwise.
    ///
    /// Source: Ren et al., *Time-Series Anomaly Detection Service at Microsoft*, 2019: 7 for minutes, 3 for hours; their 1
    /// for days is left out. Without days there is no unit of time, and it is 7.
    #[must_use]
    pub const fn default_delay(self) -> usize {
        if self.has_days && self.step >= NANOS_PER_DAY / 24 { 3 } else { 7 }
    }

    /// The time of the day of a timestamp as a fraction in `[0, 1)`, in UTC.
    #[must_use]
    pub const fn day_fraction(timestamp: i64) -> f64 {
        timestamp.rem_euclid(NANOS_PER_DAY) as f64 / NANOS_PER_DAY as f64
    }

    /// The day of the week of a timestamp, in UTC: 0 for Thursday, the first day of 1970.
    #[must_use]
    pub const fn weekday(timestamp: i64) -> usize {
        timestamp.div_euclid(NANOS_PER_DAY).rem_euclid(7) as usize
    }
}

/// [`Series::shown`], where only the points are at hand.
pub(crate) fn shown(point: usize, n_shown: usize, within: &Range<usize>) -> Range<usize> {
    let after = n_shown / 2;
    around(point, n_shown.saturating_sub(1 + after), after, within)
}

/// The points from `before` points before `point` to `after` after it, as far as they lie `within`.
fn around(point: usize, before: usize, after: usize, within: &Range<usize>) -> Range<usize> {
    point.saturating_sub(before).max(within.start)..point.saturating_add(after).saturating_add(1).min(within.end)
}

/// Of rising timestamps; none of fewer than two.
fn most_common_difference(timestamps: &[i64]) -> Option<u64> {
    let mut differences: Vec<u64> = timestamps.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
    differences.sort_unstable();
    differences
        .chunk_by(|a, b| a == b)
        .map(|run| (run.len(), run[0]))
        .reduce(|best, run| if run.0 > best.0 { run } else { best })
        .map(|(_, difference)| difference)
}

/// A part of every series, between two fractions of its points: `0.8..` is the last fifth.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Part {
    /// Where it begins, in `[0, to)`.
    pub from: f64,
    /// Where it ends, in `(from, 1]`.
    pub to: f64,
}

impl Part {
    /// Every point.
    pub const ALL: Self = Self { from: 0.0, to: 1.0 };
}

impl Default for Part {
    fn default() -> Self {
        Self::ALL
    }
}

impl std::str::FromStr for Part {
    type Err = Error;

    /// `FROM..TO`, each a fraction of the points of a series, each may be left out: `..0.8`, `0.8..`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::setting(
                "part",
                "two fractions with `0 <= FROM < TO <= 1`, as in `..0.8` or `0.8..`",
                format!("`{text}`"),
            )
        };
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let fraction = |text: &str, default: f64| match text.trim() {
            "" => Ok(default),
            text => text.parse::<f64>().map_err(|_| wrong()),
        };
        let part = Self { from: fraction(from, 0.0)?, to: fraction(to, 1.0)? };
        if part.from >= 0.0 && part.from < part.to && part.to <= 1.0 { Ok(part) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Part {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.to_string()
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.from, self.to)
    }
}

/// Whether a series' name is as a pattern says, in which `*` stands for any text, none included.
#[must_use]
pub fn is_named(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The first place of each part leaves most room for the others.
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(timestamps: &[i64]) -> Series {
        let values = vec![1.0; timestamps.len()];
        Series::new("s", vec!["value".into()], TimeFormat::Seconds, timestamps.to_vec(), values, None).unwrap()
    }

    #[test]
    fn the_step_is_the_most_common_difference() {
        assert_eq!(series(&[0, 60, 120, 480, 540]).step(), 60);
        assert_eq!(series(&[0, 60, 120, 420, 720]).step(), 60, "as common: the smaller");
        assert_eq!(series(&[5]).step(), NANOS_PER_SECOND);
    }

    #[test]
    fn what_is_no_series_is_an_error() {
        let of = |timestamps: &[i64], n_values: usize| {
            let timestamps = timestamps.iter().map(|second| second * NANOS_PER_SECOND).collect();
            let (channels, values) = (vec!["a".into(), "b".into()], vec![0.0; n_values]);
            Series::new("s", channels, TimeFormat::Seconds, timestamps, values, None).unwrap_err().to_string()
        };
        assert_eq!(
            of(&[0, 60], 3),
            "series `s` must have 4 values, one for each of its 2 points in each of its 2 channels, found 3"
        );
        assert_eq!(of(&[0, 60, 60], 6), "series `s` must have timestamps that increase, found 60 after 60 at point 2");
        assert_eq!(of(&[], 0), "series `s` holds no points");
    }

    #[test]
    fn a_step_that_no_number_of_nanoseconds_is_must_be_given() {
        let series = |timestamps: &[i64], step| {
            let values = vec![0.0; timestamps.len()];
            Series::new("s", vec!["a".into()], TimeFormat::Civil, timestamps.to_vec(), values, step)
        };
        let at = |text: &str| TimeFormat::Civil.parse(text).unwrap();
        let [early, middle, late] = ["1900-01-01", "1950-01-01", "2200-01-01"].map(at);
        assert_eq!(
            series(&[early, late], None).unwrap_err().to_string(),
            "series `s` must have a step below 292 years, or one that is given, found only the times 1900-01-01 00:00:00 and \
             2200-01-01 00:00:00"
        );
        assert!(series(&[i64::MIN, i64::MAX], None).is_err());
        assert_eq!(series(&[i64::MIN, i64::MAX], Some(7)).unwrap().step(), 7);
        assert_eq!(series(&[early, middle, late], None).unwrap().step(), middle - early, "as common: the smaller");
    }

    #[test]
    fn a_slot_is_the_nearest_multiple_of_the_step_at_any_time() {
        let clock = |step| Clock { step, has_days: true };
        assert_eq!([-8, -7, -3, -2, 2, 3, 7, 8].map(|at| clock(5).slot(at)), [-2, -1, -1, 0, 0, 1, 1, 2]);
        assert_eq!([-3, -2, -1, 0, 1, 2].map(|at| clock(4).slot(at)), [-1, 0, 0, 0, 0, 1]);
        for step in [1, 2, 3, 1 << 40, i64::MAX] {
            for at in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
                let nearest = (i128::from(at) + i128::from(step / 2)).div_euclid(i128::from(step));
                assert_eq!(i128::from(clock(step).slot(at)), nearest, "{at} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_part_that_is_none_lies_within_the_series() {
        let series = series(&[0, 1, 2, 3]);
        assert_eq!(series.part(Part { from: 0.75, to: 0.25 }), 1..1);
        assert_eq!(series.part(Part { from: 0.5, to: 7.0 }), 2..4);
        assert_eq!(series.shown(2, 0, &(0..4)), 2..3);
    }

    #[test]
    fn a_window_ends_at_its_point() {
        let series = series(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(series.window(5, 3), 3..6);
        assert_eq!(series.window(1, 3), 0..2);
    }

    #[test]
    fn parts_cover_a_series_without_overlap() {
        let series = series(&[0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(series.part("..0.8".parse().unwrap()), 0..6);
        assert_eq!(series.part("0.8..".parse().unwrap()), 6..7);
        for wrong in ["0.8", "0.9..0.1", "-1..", "..2", "a..b", "NaN.."] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_delay_is_shorter_for_hours() {
        let delay = |seconds: i64, has_days| Clock { step: seconds * NANOS_PER_SECOND, has_days }.default_delay();
        assert_eq!([60, 300, 3_599, 3_600, 86_400].map(|step| delay(step, true)), [7, 7, 7, 3, 3]);
        assert_eq!(delay(86_400, false), 7);
    }

    #[test]
    fn infinities_are_missing() {
        let series =
            Series::new("s", vec!["value".into()], TimeFormat::Seconds, vec![0, 1], vec![f64::INFINITY, 1.0], None)
                .unwrap();
        assert!(series.is_missing(0) && !series.is_missing(1));
    }
}

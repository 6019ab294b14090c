//! Views: what the network sees of a point.
//!
//! A **view** is a causal channel of the state: a number made of a point and what came before it in its series. All but
//! [`View::MinMax`] need no fit: they measure in units of running statistics of the series itself, so one model judges
//! series that it never saw, from their first points on, and follows them as they change. Batch and stream are the same
//! code: [`encode`] is the loop over [`ViewState::push`].
//!
//! **Units.** The *usual step* `u` is the running size of the difference between two values in a row, a power mean of order
//! 1/2 over about a week. `s(x, unit) = asinh(x / unit)`, kept in [-10, 10], 0 where the unit is 0. A unit is never below
//! 1e-12 of the value itself, so that the rounding of constants is no signal. Statistics that serve as units include the
//! point itself, which keeps ratios finite; windows end before it.
//!
//! **Missing values.** Where a channel is missing, its views are 0, *as usual*, but for [`View::MinMax`] and
//! [`View::Value`], which stay where they were. Missing values enter no statistic: a window of 60 points holds the last 60
//! values that are there, over any gap. Windows of a day and seasons go by the clock; where it finds nothing, they are 0.
//!
//! **Memory.** Bounded, see [`ViewState::bytes`]: a ring of the longest window in points, 24 blocks for the last day, and a
//! profile of at most 144 slots a day and 168 hours a week.
//!
//! **Numbers.** Values are held as `f32`, measured from an origin that follows the series when it goes far, so that a small
//! change of a large value is not lost. Distances from the origin are kept within ±1e30.

mod running;
mod season;
mod trailing;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::running::{Level, Spread};
use self::season::{Judged, Season};
use self::trailing::{Day, Recent, Summary};
use crate::error::{Error, Result};
use crate::series::{Clock, Series};

/// The longest window in points.
const MAX_POINTS: u8 = 240;
/// No view but `min-max` goes further from 0 than this.
const LIMIT: f64 = 10.0;
/// No value goes further from the origin than this.
const FAR: f64 = 1e30;

/// A trailing window of one channel; it ends before the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trailing {
    /// The last values, in `1..=240`.
    Points(u8),
    /// The last day: 24 hours by the clock in blocks of an hour, 24 slots where the step is longer than an hour, 288 slots
    /// where there are no days or a day has one slot.
    Day,
}

/// A causal channel of the state; `u`, `s` and the treatment of missing values are defined with the module.
///
/// Written as `median:60`, `median:1d` or `value` in a config file and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// `min-max`: `(x - min) / (max - min)` with the range of its [`Scale`], kept in [-1, 2]; .5 for a constant.
    MinMax,
    /// `value`: `s(x - level, spread)` with a slow level and its typical distance, both over about a week.
    Value,
    /// `difference:K`: `s(x - x[K values ago], u)`, K in `1..=240`.
    Difference(u8),
    /// `median:W`: `s(x - median of W, u)`.
    Median(Trailing),
    /// `z-score:W`: `s(x - mean of W, deviation of W)`; the deviation holds one usual step besides the values.
    ZScore(Trailing),
    /// `deviation:W`: `ln(deviation of W / u)`, the same deviation.
    Deviation(Trailing),
    /// `range:W`: `s(x - max of W, u)` above the maximum, `s(x - min of W, u)` (negative) below the minimum, else 0.
    Range(Trailing),
    /// `season`: `s(x - level of the time of the day, u)`, times `days / (days + 1)` for the days that the profile has seen.
    Season,
    /// `season-score`: the same in units of the typical residual at this time of the day.
    SeasonScore,
    /// `season-step`: `s(x - last x, usual step at this time of the day)`, times `days / (days + 1)`.
    SeasonStep,
    /// `week`: `s(residual - usual residual at this hour of the week, typical residual)`, times `days / (days + 1)`.
    Week,
    /// `residual:W`: the seasonal residual, averaged over about W points with weights that fade exponentially, in units of the
    /// typical residual, times `days / (days + 1)`. W in `1..=240`.
    Residual(u8),
    /// `days`: `min(days, 7) / 7` for the days that the profile of this time of the day has seen.
    Days,
    /// `gap`: `ln(slots since the last value)`, 0 where the last value is one slot old.
    Gap,
    /// `unchanged`: `ln(1 + values in a row that equal this one, this one left out)`.
    Unchanged,
}

impl View {
    /// The views of the `default` preset.
    pub const DEFAULT: [Self; 1] = [Self::MinMax];

    /// Checks the range of its parameter.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is outside of its range.
    pub fn validate(self) -> Result<()> {
        let points = match self {
            Self::Difference(points) | Self::Residual(points) => points,
            _ => match self.trailing() {
                Some(Trailing::Points(points)) => points,
                _ => return Ok(()),
            },
        };
        if (1..=MAX_POINTS).contains(&points) {
            Ok(())
        } else {
            Err(Error::setting("state.views", format!("views of 1 to {MAX_POINTS} points"), format!("`{self}`")))
        }
    }

    const fn trailing(self) -> Option<Trailing> {
        match self {
            Self::Median(window) | Self::ZScore(window) | Self::Deviation(window) | Self::Range(window) => Some(window),
            _ => None,
        }
    }

    const fn is_seasonal(self) -> bool {
        matches!(
            self,
            Self::Season | Self::SeasonScore | Self::SeasonStep | Self::Week | Self::Residual(_) | Self::Days
        )
    }
}

impl fmt::Display for Trailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points(points) => write!(f, "{points}"),
            Self::Day => f.write_str("1d"),
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("min-max"),
            Self::Value => f.write_str("value"),
            Self::Difference(lag) => write!(f, "difference:{lag}"),
            Self::Median(window) => write!(f, "median:{window}"),
            Self::ZScore(window) => write!(f, "z-score:{window}"),
            Self::Deviation(window) => write!(f, "deviation:{window}"),
            Self::Range(window) => write!(f, "range:{window}"),
            Self::Season => f.write_str("season"),
            Self::SeasonScore => f.write_str("season-score"),
            Self::SeasonStep => f.write_str("season-step"),
            Self::Week => f.write_str("week"),
            Self::Residual(points) => write!(f, "residual:{points}"),
            Self::Days => f.write_str("days"),
            Self::Gap => f.write_str("gap"),
            Self::Unchanged => f.write_str("unchanged"),
        }
    }
}

impl FromStr for View {
    type Err = Error;

    /// The form that `Display` writes.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name, or a parameter that is missing, not wanted, or out of range.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |expected: &str| Error::setting("state.views", expected, format!("`{text}`"));
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let points = || {
            let points = parameter.and_then(|parameter| parameter.parse().ok());
            points.ok_or_else(|| wrong("a view with 1 to 240 points, as in `difference:1`"))
        };
        let window = || match parameter {
            Some("1d") => Ok(Trailing::Day),
            Some(parameter) if parameter.parse::<u8>().is_ok() => points().map(Trailing::Points),
            _ => Err(wrong("a view with a window of 1 to 240 points or a day, as in `median:60` or `median:1d`")),
        };
        let view = match name {
            "difference" => Self::Difference(points()?),
            "residual" => Self::Residual(points()?),
            "median" => Self::Median(window()?),
            "z-score" => Self::ZScore(window()?),
            "deviation" => Self::Deviation(window()?),
            "range" => Self::Range(window()?),
            _ => {
                let plain = [
                    Self::MinMax,
                    Self::Value,
                    Self::Season,
                    Self::SeasonScore,
                    Self::SeasonStep,
                    Self::Week,
                    Self::Days,
                    Self::Gap,
                    Self::Unchanged,
                ];
                plain.into_iter().find(|view| view.to_string() == text).ok_or_else(|| {
                    wrong(
                        "one of min-max, value, difference:K, median:W, z-score:W, deviation:W, range:W, season, season-score, \
                         season-step, week, residual:W, days, gap and unchanged",
                    )
                })?
            }
        };
        view.validate()?;
        Ok(view)
    }
}

impl Serialize for View {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for View {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The range of each channel that [`View::MinMax`] scales by: fitted, or the minimum and maximum so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// A minimum and a maximum a channel; None for those so far.
    ranges: Vec<Option<(f64, f64)>>,
}

impl Scale {
    /// The minimum and maximum of each channel among the `training` points of a series.
    ///
    /// A channel without a value there gets the range so far, as with [`Scale::running`].
    ///
    /// # Panics
    /// If `training` ends behind the series.
    #[must_use]
    pub fn fit(series: &Series, training: Range<usize>) -> Self {
        let mut ranges = vec![None; series.n_channels()];
        for point in training {
            for (range, &value) in ranges.iter_mut().zip(series.row(point)) {
                widen(range, value);
            }
        }
        Self { ranges }
    }

    /// The minimum and maximum so far, for a series that was never trained on: causal, and without a fit.
    #[must_use]
    pub const fn running() -> Self {
        Self { ranges: Vec::new() }
    }
}

fn widen(range: &mut Option<(f64, f64)>, value: f64) {
    if value.is_finite() {
        let (min, max) = range.unwrap_or((value, value));
        *range = Some((min.min(value), max.max(value)));
    }
}

/// The number of views of a point: `views.len() * n_channels`.
#[must_use]
pub const fn n_features(views: &[View], n_channels: usize) -> usize {
    views.len() * n_channels
}

/// What the views of one series remember.
///
/// One state belongs to one series and is pushed its points in time order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewState {
    views: Vec<View>,
    clock: Clock,
    channels: Vec<Channel>,
}

impl ViewState {
    /// The state before the first point.
    ///
    /// # Panics
    /// If a view is not valid, or a fitted `scale` has another number of channels.
    #[must_use]
    pub fn new(views: &[View], clock: Clock, n_channels: usize, scale: &Scale) -> Self {
        let fitted = !scale.ranges.is_empty();
        assert!(!fitted || scale.ranges.len() == n_channels, "a scale has one range a channel");
        for view in views {
            assert!(view.validate().is_ok(), "views were validated");
        }
        let range = |channel: usize| if fitted { scale.ranges[channel] } else { None };
        let channels = (0..n_channels).map(|channel| Channel::new(views, clock, range(channel))).collect();
        Self { views: views.to_vec(), clock, channels }
    }

    /// Writes the views of the next point to `out`, shape `[n_features]`: channel 0's views, channel 1's, ….
    ///
    /// `timestamp`: as in [`Series::new`], later than that of the last point. `values`: one a channel, missing where not finite.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn push(&mut self, timestamp: i64, values: &[f64], out: &mut [f32]) {
        assert_eq!(values.len(), self.channels.len(), "one value a channel");
        assert_eq!(out.len(), n_features(&self.views, values.len()), "one number a channel and view");
        if self.views.is_empty() {
            return;
        }
        let rows = out.chunks_exact_mut(self.views.len());
        for ((channel, &value), row) in self.channels.iter_mut().zip(values).zip(rows) {
            channel.push(&self.views, self.clock, timestamp, value, row);
        }
    }

    /// The memory that it takes, in bytes: constant once the windows have filled.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.views.capacity() * size_of::<View>()
            + self.channels.capacity() * size_of::<Channel>()
            + self.channels.iter().map(Channel::heap_bytes).sum::<usize>()
    }
}

/// The memory of one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Channel {
    /// Whether `range` was fitted and stays.
    fitted: bool,
    range: Option<(f64, f64)>,
    origin: Option<f64>,
    last: Option<Last>,
    /// The points that running statistics remember.
    memory: u32,
    level: Level,
    step: Spread,
    recent: Recent,
    /// The lengths of the windows in points, in the order of `recent`.
    lengths: Vec<u8>,
    day: Option<Day>,
    season: Option<Season>,
    /// Window and running mean of each `residual` view.
    residuals: Vec<(u8, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    value: f64,
    slot: i64,
    /// Values in a row that equal this one, this one included.
    run: u32,
}

/// What the views of a point are made of.
struct Point<'a> {
    value: f64,
    unit: f64,
    difference: f64,
    windows: &'a [Option<Summary>],
    day: Option<Summary>,
    season: Option<Judged>,
    slots_passed: i64,
}

/// The most windows of different length in points.
const MAX_WINDOWS: usize = 16;

impl Channel {
    fn new(views: &[View], clock: Clock, range: Option<(f64, f64)>) -> Self {
        let mut lengths = Vec::new();
        let mut residuals = Vec::new();
        let mut reach = 1;
        for &view in views {
            match view {
                View::Difference(lag) => reach = reach.max(lag),
                View::Residual(points) => residuals.push((points, 0.0)),
                _ => {}
            }
            match view.trailing() {
                Some(Trailing::Points(points)) if !lengths.contains(&points) => lengths.push(points),
                _ => {}
            }
        }
        let day_slots = clock.slots_per_day().map_or(288, |slots| slots.max(24));
        let day_slots = i64::try_from(day_slots).expect("a day's slots fit");
        let memory = u32::try_from(day_slots.saturating_mul(7).clamp(1_000, 20_000)).expect("within the bounds");
        Self {
            fitted: range.is_some(),
            range,
            origin: None,
            last: None,
            memory,
            level: Level::default(),
            step: Spread::default(),
            recent: Recent::new(&lengths, reach),
            lengths,
            day: views.iter().any(|view| view.trailing() == Some(Trailing::Day)).then(|| Day::new(day_slots)),
            season: if views.iter().any(|view| view.is_seasonal()) { Season::new(clock) } else { None },
            residuals,
        }
    }

    fn push(&mut self, views: &[View], clock: Clock, timestamp: i64, value: f64, out: &mut [f32]) {
        if !value.is_finite() {
            for (view, out) in views.iter().zip(out) {
                *out = match (view, self.last) {
                    (View::MinMax, None) => 0.5,
                    (View::MinMax, Some(last)) => self.min_max(last.value) as f32,
                    (View::Value, Some(last)) => self.value(last.value) as f32,
                    _ => 0.0,
                };
            }
            return;
        }
        if !self.fitted {
            widen(&mut self.range, value);
        }
        let origin = *self.origin.get_or_insert(value);
        let centred = ((value - origin).clamp(-FAR, FAR)) as f32;
        let x = f64::from(centred);
        let slot = clock.slot(timestamp);
        let difference = self.recent.back(1).map_or(0.0, |last| x - last);
        if self.last.is_some() {
            self.step.push(difference, self.memory);
        }
        self.level.push(x, self.memory);
        let season = self.season.as_mut().and_then(|season| season.push(timestamp, x, difference, self.memory));
        if let Some(season) = season {
            for (points, mean) in &mut self.residuals {
                *mean += (season.residual - *mean) * 2.0 / (f64::from(*points) + 1.0);
            }
        }
        if let Some(day) = &mut self.day {
            day.advance(slot);
        }
        let run = match self.last {
            #[expect(clippy::float_cmp, reason = "a value that stays is the same to the last bit")]
            Some(last) if last.value == value => last.run.saturating_add(1),
            _ => 1,
        };
        let slots_passed = self.last.map_or(1, |last| slot.saturating_sub(last.slot));
        self.last = Some(Last { value, slot, run });

        let mut windows = [None; MAX_WINDOWS];
        for (index, window) in windows.iter_mut().enumerate().take(self.lengths.len()) {
            *window = self.recent.summary(index);
        }
        let point = Point {
            value: x,
            unit: self.step.get().max(1e-12 * value.abs()),
            difference,
            windows: &windows,
            day: self.day.as_ref().and_then(Day::summary),
            season,
            slots_passed,
        };
        for (&view, out) in views.iter().zip(out) {
            *out = self.view(view, &point) as f32;
        }

        let gone_round = self.recent.push(centred);
        if let Some(day) = &mut self.day {
            day.push(centred);
        }
        if gone_round {
            self.follow();
        }
    }

    fn view(&self, view: View, point: &Point<'_>) -> f64 {
        let &Point { value: x, unit, .. } = point;
        let seasonal = |of: &dyn Fn(&Judged) -> f64| point.season.as_ref().map_or(0.0, |s| of(s) * s.days / (s.days + 1.0));
        let trailing = |window: Trailing, of: &dyn Fn(&Summary) -> f64| {
            let summary = match window {
                Trailing::Day => point.day.as_ref(),
                Trailing::Points(points) => {
                    let index = self.lengths.iter().position(|&length| length == points);
                    point.windows[index.expect("each window of a view is kept")].as_ref()
                }
            };
            summary.map_or(0.0, of)
        };
        let deviation = |window: &Summary| ((window.squares + unit * unit) / window.n).sqrt();
        match view {
            View::MinMax => self.min_max(self.last.map_or(0.0, |last| last.value)),
            View::Value => squash(x - self.level.centre(), self.level.spread()),
            View::Difference(lag) => self.recent.back(lag).map_or(0.0, |before| squash(x - before, unit)),
            View::Median(window) => trailing(window, &|w| squash(x - w.median, unit)),
            View::ZScore(window) => trailing(window, &|w| squash(x - w.mean, deviation(w))),
            View::Deviation(window) => trailing(window, &|w| if unit > 0.0 { limited((deviation(w) / unit).ln()) } else { 0.0 }),
            View::Range(window) => trailing(window, &|w| squash((x - w.max).max(0.0) + (x - w.min).min(0.0), unit)),
            View::Season => seasonal(&|season| squash(season.residual, unit)),
            View::SeasonScore => seasonal(&|season| squash(season.residual, season.spread)),
            View::SeasonStep => seasonal(&|season| squash(point.difference, season.step)),
            View::Week => seasonal(&|season| squash(season.weekly, season.any_spread)),
            View::Residual(points) => seasonal(&|season| {
                let mean = self.residuals.iter().find(|(window, _)| *window == points).map_or(0.0, |(_, mean)| *mean);
                squash(mean, season.any_spread)
            }),
            View::Days => point.season.map_or(0.0, |season| season.days.min(7.0) / 7.0),
            View::Gap => limited((point.slots_passed.max(1) as f64).ln()),
            View::Unchanged => limited(f64::from(self.last.map_or(1, |last| last.run)).ln()),
        }
    }

    fn min_max(&self, value: f64) -> f64 {
        let (min, max) = self.range.unwrap_or((value, value));
        // Halves, since the distance of two finite numbers need not be finite.
        let (value, min, max) = (value / 2.0, min / 2.0, max / 2.0);
        if max > min { ((value - min) / (max - min)).clamp(-1.0, 2.0) } else { 0.5 }
    }

    /// The `value` view of the last value, for a point where it is missing.
    fn value(&self, value: f64) -> f64 {
        let x = (value - self.origin.unwrap_or(value)).clamp(-FAR, FAR);
        squash(x - self.level.centre(), self.level.spread())
    }

    /// Moves the origin to where the series is, if it has gone so far that rounding would show.
    fn follow(&mut self) {
        let by = self.recent.median();
        if by.abs() <= 65_536.0 * self.step.get() {
            return;
        }
        self.origin = self.origin.map(|origin| origin + by);
        self.level.shift(by);
        self.recent.shift(by);
        if let Some(day) = &mut self.day {
            day.shift(by);
        }
        if let Some(season) = &mut self.season {
            season.shift(by);
        }
    }

    fn heap_bytes(&self) -> usize {
        self.recent.bytes()
            + self.lengths.capacity()
            + self.day.as_ref().map_or(0, Day::bytes)
            + self.season.as_ref().map_or(0, Season::bytes)
            + self.residuals.capacity() * size_of::<(u8, f64)>()
    }
}

/// `asinh(x / unit)` within the limit; 0 where the unit is 0.
fn squash(x: f64, unit: f64) -> f64 {
    if unit > 0.0 { limited((x / unit).asinh()) } else { 0.0 }
}

const fn limited(x: f64) -> f64 {
    x.clamp(-LIMIT, LIMIT)
}

/// The views of every point of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    n_features: usize,
    rows: Vec<f32>,
}

/// The views of every point of a series: the loop over [`ViewState::push`].
///
/// # Panics
/// As [`ViewState::new`].
#[must_use]
pub fn encode(series: &Series, views: &[View], scale: &Scale) -> Encoded {
    let n_features = n_features(views, series.n_channels());
    let mut state = ViewState::new(views, series.clock(), series.n_channels(), scale);
    let mut rows = vec![0.0; series.len() * n_features];
    for (point, &timestamp) in series.timestamps().iter().enumerate() {
        state.push(timestamp, series.row(point), &mut rows[point * n_features..(point + 1) * n_features]);
    }
    Encoded { n_features, rows }
}

impl Encoded {
    /// The number of views of a point.
    #[must_use]
    pub const fn n_features(&self) -> usize {
        self.n_features
    }

    /// All rows, shape `[n_points, n_features]`.
    #[must_use]
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The views of one point, shape `[n_features]`.
    #[must_use]
    pub fn row(&self, point: usize) -> &[f32] {
        &self.rows[point * self.n_features..(point + 1) * self.n_features]
    }

    /// Appends the windows that end at `points` to `out`, shape `[points.len(), n_steps, n_features]`.
    ///
    /// A window is that of [`Series::window`]; where the series begins within it, the first row is repeated before it.
    ///
    /// # Panics
    /// If a point is not in the series.
    pub fn gather(&self, points: &[usize], n_steps: usize, out: &mut Vec<f32>) {
        out.reserve(points.len() * n_steps * self.n_features);
        for &point in points {
            let n_before = n_steps.saturating_sub(point + 1);
            for _ in 0..n_before {
                out.extend_from_slice(self.row(0));
            }
            let first = point + 1 + n_before - n_steps;
            out.extend_from_slice(&self.rows[first * self.n_features..(point + 1) * self.n_features]);
        }
    }
}

impl View {
    /// Whether any of some views reads a [`Scale`].
    #[must_use]
    pub(crate) fn any_needs_scale(views: &[Self]) -> bool {
        views.contains(&Self::MinMax)
    }
}

impl Encoded {
    /// Forgets the points from `n_points` on.
    pub(crate) fn truncate(&mut self, n_points: usize) {
        self.rows.truncate(n_points * self.n_features);
        self.rows.shrink_to_fit();
    }
}

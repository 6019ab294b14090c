//! The state of a series' features, which is pushed its points one by one; encoding a whole series is a loop over it.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::day::Day;
use super::feature::{Feature, Trailing};
use super::running::{Level, Spread};
use super::scale::{Extent, Scale};

use super::season::{Season, SlotComparison};
use super::squash::{Finish, Measured};
use super::trailing::{Line, Recent, Summary, TOGETHER};
use crate::archive::{Archive, Misfit};
use crate::data::series::{Clock, Series};

/// No value goes further from the origin than this.
const FAR: f64 = 1e30;

/// The number of features of a point: `features.len() * n_channels`.
#[must_use]
pub(crate) const fn n_features(features: &[Feature], n_channels: usize) -> usize {
    features.len() * n_channels
}

/// The memory of the features of one series.
///
/// One state belongs to one series and is pushed its points in time order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeatureState {
    features: Box<[Feature]>,
    clock: Clock,
    channels: Box<[Channel]>,
}

impl FeatureState {
    /// The state before the first point.
    ///
    /// # Panics
    /// If a feature is not valid, or a fitted `scale` has another number of channels.
    #[must_use]
    pub fn new(features: &[Feature], clock: Clock, n_channels: usize, scale: &Scale) -> Self {
        for feature in features {
            assert!(feature.validate().is_ok(), "features were validated");
        }
        let extents = scale.extents(n_channels);
        let channels = extents.into_iter().map(|extent| Channel::new(features, clock, extent)).collect();
        Self { features: features.into(), clock, channels }
    }

    /// Goes on with another scale: its ranges where they are fitted, else the ranges so far, to which one that was fitted belongs.
    ///
    /// # Panics
    /// If a fitted `scale` has another number of channels.
    pub(crate) fn set_scale(&mut self, scale: &Scale) {
        let extents = scale.extents(self.channels.len());
        self.channels.iter_mut().zip(extents).for_each(|(channel, extent)| channel.extent.go_on_with(extent));
    }

    /// Writes the features of the next point to `out`, shape `[n_features]`: channel 0's features, channel 1's, ….
    ///
    /// `timestamp`: as in [`Series::new`], later than that of the last point. `values`: one a channel, missing where not finite.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn push(&mut self, timestamp: i64, values: &[f64], out: &mut [f32]) {
        self.extend(&[timestamp], values, out);
    }

    /// Writes the features of the next points to `out`, shape `[n_points, n_features]`: [`Self::push`] of each, bit for bit, but faster.
    ///
    /// `values`: shape `[n_points, n_channels]`.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub fn extend(&mut self, timestamps: &[i64], values: &[f64], out: &mut [f32]) {
        let n_channels = self.channels.len();
        assert_eq!(values.len(), timestamps.len() * n_channels, "one value a point and channel");
        let n_features = n_features(&self.features, n_channels);
        assert_eq!(out.len(), timestamps.len() * n_features, "one number a point, channel and feature");
        if n_features == 0 {
            return;
        }
        let mut finish = Finish::new(out);
        for (&timestamp, values) in timestamps.iter().zip(values.chunks_exact(n_channels)) {
            for (channel, &value) in self.channels.iter_mut().zip(values) {
                channel.push(&self.features, self.clock, timestamp, value, &mut finish);
            }
        }
        finish.flush();
    }

    /// The memory that it takes, in bytes: all of it is taken at the start.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.features)
            + size_of_val(&*self.channels)
            + self.channels.iter().map(Channel::heap_bytes).sum::<usize>()
    }

    /// What it remembers; features, clock and fitted ranges are those that it was made with.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        self.channels.iter_mut().try_for_each(|channel| channel.archive(archive))
    }
}

/// The memory of one channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Channel {
    extent: Extent,
    origin: Option<f64>,
    last: Option<Last>,
    /// The points that running statistics remember.
    memory: u32,
    level: Level,
    step: Spread,
    recent: Recent,
    day: Option<Day>,
    season: Option<Season>,
    /// Window and running mean of each `residual` feature.
    residuals: Box<[(u8, f64)]>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Last {
    value: f64,
    /// Values in a row that equal this one, this one included.
    run: u32,
}

/// The sums and windows that the features of a point are made of.
struct Point<'a> {
    line: &'a Line,
    /// As it was given, and as it is measured from the origin.
    given: f64,
    value: f64,
    unit: f64,
    difference: f64,
    /// The first windows; more of them are looked at again for each feature.
    windows: [Option<Summary>; TOGETHER],
    day: Option<Summary>,
    season: Option<SlotComparison>,
}

impl Channel {
    fn new(features: &[Feature], clock: Clock, extent: Extent) -> Self {
        let mut lengths = Vec::new();
        let mut residuals = Vec::new();
        let mut reach = 1;
        for &feature in features {
            match feature {
                Feature::Difference(lag) => reach = reach.max(lag),
                Feature::Residual(points) => residuals.push((points, 0.0)),
                _ => {}
            }
            match feature.trailing() {
                Some(Trailing::Points(points)) if !lengths.contains(&points) => lengths.push(points),
                _ => {}
            }
        }
        let day_slots = clock.slots_per_day().map_or(288, |slots| slots.max(24));
        let day_slots = i64::try_from(day_slots).expect("a day's slots fit");
        let memory = u32::try_from(day_slots.saturating_mul(7).clamp(1_000, 20_000)).expect("within the bounds");
        Self {
            extent,
            origin: None,
            last: None,
            memory,
            level: Level::default(),
            step: Spread::default(),
            recent: Recent::new(&lengths, reach),
            day: features.iter().any(|feature| feature.trailing() == Some(Trailing::Day)).then(|| Day::new(day_slots)),
            season: if features.iter().any(|feature| feature.is_seasonal()) { Season::new(clock) } else { None },
            residuals: residuals.into(),
        }
    }

    fn push(&mut self, features: &[Feature], clock: Clock, timestamp: i64, value: f64, finish: &mut Finish<'_>) {
        if !value.is_finite() {
            for feature in features {
                finish.put(match (feature, self.last) {
                    (Feature::MinMax, None) => Measured::plain(0.5),
                    (Feature::MinMax, Some(last)) => Measured::plain(self.extent.place(last.value)),
                    (Feature::Value, Some(last)) => {
                        let x = (last.value - self.origin.unwrap_or(last.value)).clamp(-FAR, FAR);
                        Measured::squashed(x - self.level.centre(), self.level.spread())
                    }
                    _ => Measured::plain(0.0),
                });
            }
            return;
        }
        self.extent.see(value);
        let origin = *self.origin.get_or_insert(value);
        let centred = ((value - origin).clamp(-FAR, FAR)) as f32;
        let x = f64::from(centred);
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
            day.advance(clock.slot(timestamp));
        }
        let run = match self.last {
            #[expect(clippy::float_cmp, reason = "a value that stays is the same to the last bit")]
            Some(last) if last.value == value => last.run.saturating_add(1),
            _ => 1,
        };
        self.last = Some(Last { value, run });

        let line = self.recent.line();
        let point = Point {
            line: &line,
            given: value,
            value: x,
            // Beyond `FAR` a value is taken as if it were there.
            unit: self.step.get().max(1e-12 * value.abs().min(FAR)),
            difference,
            windows: self.recent.summaries(&line, 0),
            day: self.day.as_mut().and_then(Day::summary),
            season,
        };
        for &feature in features {
            finish.put(self.measured(feature, &point).unwrap_or(Measured::plain(0.0)));
        }

        let gone_round = self.recent.push(&line, centred);
        if let Some(day) = &mut self.day {
            day.push(centred);
        }
        if gone_round {
            self.follow();
        }
    }

    /// The parts of a feature of a point; `None` where the point has too little before it.
    fn measured(&self, feature: Feature, point: &Point<'_>) -> Option<Measured> {
        let &Point { value: x, unit, season, .. } = point;
        let trailing = |window| self.trailing(window, point);
        let deviation = |window: &Summary| ((window.squares + unit * unit) / window.n).sqrt();
        let seasonal = |of: &dyn Fn(&SlotComparison) -> (f64, f64)| {
            season.map(|season| {
                let (distance, unit) = of(&season);
                Measured::squashed(distance, unit).times(season.days / (season.days + 1.0))
            })
        };
        match feature {
            Feature::MinMax => Some(Measured::plain(self.extent.place(point.given))),
            Feature::Value => Some(Measured::squashed(x - self.level.centre(), self.level.spread())),
            Feature::Difference(lag) => self.recent.back(lag).map(|before| Measured::squashed(x - before, unit)),
            Feature::Median(window) => trailing(window).map(|w| Measured::squashed(x - w.median, unit)),
            Feature::ZScore(window) => trailing(window).map(|w| Measured::squashed(x - w.mean, deviation(&w))),
            Feature::Deviation(window) => trailing(window).map(|w| Measured::log(deviation(&w), unit)),
            Feature::Range(window) => {
                trailing(window).map(|w| Measured::squashed((x - w.max).max(0.0) + (x - w.min).min(0.0), unit))
            }
            Feature::Season => seasonal(&|season| (season.residual, unit)),
            Feature::SeasonScore => seasonal(&|season| (season.residual, season.spread)),
            Feature::SeasonStep => seasonal(&|season| (point.difference, season.step)),
            Feature::Week => seasonal(&|season| (season.weekly, season.any_spread)),
            Feature::Residual(points) => seasonal(&|season| {
                let mean = self.residuals.iter().find(|(window, _)| *window == points).map_or(0.0, |(_, mean)| *mean);
                (mean, season.any_spread)
            }),
            Feature::Unchanged => Some(Measured::log(f64::from(self.last.map_or(1, |last| last.run)), 1.0)),
        }
    }

    /// The summary of a trailing window.
    fn trailing(&self, window: Trailing, point: &Point<'_>) -> Option<Summary> {
        let Trailing::Points(points) = window else { return point.day };
        let index = self.recent.index(points).expect("each window of a feature is kept");
        point.windows.get(index).copied().unwrap_or_else(|| self.recent.summaries(point.line, index)[0])
    }

    /// Moves the origin to where the series is, if it has gone so far that rounding would show.
    fn follow(&mut self) {
        let by = self.recent.median();
        if by.abs() > 4_096.0 * self.step.get() {
            self.shift(by);
        }
    }

    fn shift(&mut self, by: f64) {
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
            + self.day.as_ref().map_or(0, Day::bytes)
            + self.season.as_ref().map_or(0, Season::bytes)
            + size_of_val(&*self.residuals)
    }

    fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        self.extent.archive(archive)?;
        archive.option(&mut self.origin, Default::default, |origin, archive| archive.f64(origin))?;
        archive.option(
            &mut self.last,
            || Last { value: 0.0, run: 0 },
            |last, archive| {
                archive.f64(&mut last.value)?;
                archive.u32(&mut last.run)
            },
        )?;
        self.level.archive(archive)?;
        self.step.archive(archive)?;
        self.recent.archive(archive)?;
        self.day.iter_mut().try_for_each(|day| day.archive(archive))?;
        self.season.iter_mut().try_for_each(|season| season.archive(archive))?;
        self.residuals.iter_mut().try_for_each(|(_, mean)| archive.f64(mean))
    }
}

/// The features of every point of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    n_features: usize,
    rows: Vec<f32>,
}

/// The features of every point of a series: the loop over [`FeatureState::push`].
///
/// # Panics
/// As [`FeatureState::new`].
#[must_use]
pub fn encode(series: &Series, features: &[Feature], scale: &Scale) -> Encoded {
    let n_features = n_features(features, series.n_channels());
    let mut state = FeatureState::new(features, series.clock(), series.n_channels(), scale);
    let mut rows = vec![0.0; series.len() * n_features];
    state.extend(series.timestamps(), series.values(), &mut rows);
    Encoded { n_features, rows }
}

impl Encoded {
    /// The number of features of a point.
    #[must_use]
    pub const fn n_features(&self) -> usize {
        self.n_features
    }

    /// All rows, shape `[n_points, n_features]`.
    #[must_use]
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The features of one point, shape `[n_features]`.
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

    /// Forgets the points from `n_points` on.
    pub(crate) fn truncate(&mut self, n_points: usize) {
        self.rows.truncate(n_points * self.n_features);
        self.rows.shrink_to_fit();
    }
}

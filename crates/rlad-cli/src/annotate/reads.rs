//! JSON reads of what is shown around a question: the data, other series, labels and answers.

use std::ops::Range;

use rlad::active::{deviations, extent};
use rlad::data::NANOS_PER_SECOND;
use rlad::detect::usual_range;
use rlad::{Detector, Series};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::overview::overview;
use super::runs::LabelRuns;
use super::server::LabellingServer;
use crate::log::{LogAction, Presence, bounds};

/// The most buckets of a request.
const MAX_BUCKETS: usize = 4_000;
/// The most points for which values are told one by one.
const MAX_POINTS: usize = 100_000;
/// The most rows of a table.
const MAX_ROWS: usize = 500;
/// The most runs of labels that are told at once.
const MAX_RUNS: usize = 5_000;
/// The buckets of a sibling, and the most siblings.
const SIBLING_BUCKETS: usize = 300;
const MAX_SIBLINGS: usize = 32;
/// The most similar windows.
const MAX_SIMILAR: usize = 100;
/// The most series or answers of a page.
const MAX_PAGE: usize = 1_000;
/// A longer series takes too long to be scored while somebody looks at it: it is scored from its first point on.
const MAX_SCORED_LENGTH: usize = 300_000;
/// The most points whose scores are told one by one, and the most events of a request.
const MAX_SCORES: usize = 5_000;
const MAX_EVENTS: usize = 5_000;
/// The most gaps of a tile: of more the longest.
const MAX_GAPS: usize = 1_000;

/// Some points of a series.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct SeriesRange {
    /// The series.
    pub(crate) series: usize,
    /// The first point.
    pub(crate) from: usize,
    /// The point after the last one.
    pub(crate) to: usize,
}

/// The order of a list of series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// By name.
    #[default]
    Name,
    /// Those with most labelled points first.
    Labelled,
}

/// Another series at the same time.
struct Sibling {
    index: usize,
    points: Range<usize>,
    /// The channel that deviates most at the time that is asked about, and by how much.
    deviation: Option<(usize, f64)>,
}

/// The channel of a series that deviates most at a time, and its deviation: of the last point until then among some `points`.
fn deviation_at(series: &Series, time: i64, points: &Range<usize>) -> Option<(usize, f64)> {
    let after = series.timestamps().partition_point(|timestamp| *timestamp <= time).clamp(points.start, points.end);
    let point = after.checked_sub(1).filter(|point| points.contains(point))?;
    let found = deviations(series, point, points)?.into_iter().enumerate().filter(|(_, deviation)| !deviation.is_nan());
    found.reduce(|most, next| if next.1.abs() > most.1.abs() { next } else { most })
}

impl LabellingServer {
    /// A series by its index.
    pub(super) fn series(&self, index: usize) -> Result<&Series, ApiError> {
        let n = self.data.series.len();
        self.data.series.get(index).ok_or_else(|| ApiError::not_found(format!("there are {n} series, none is {index}")))
    }

    /// The points of a range, as far as the series goes.
    fn points(&self, range: SeriesRange, at_most: usize) -> Result<(&Series, Range<usize>), ApiError> {
        let series = self.series(range.series)?;
        let points = range.from..range.to.min(series.len());
        if points.start >= points.end {
            return Err(ApiError::bad_request(format!("`from..to` must hold a point of 0..{}", series.len())));
        }
        if points.len() > at_most {
            return Err(ApiError::bad_request(format!("`from..to` may hold {at_most} points, found {}", points.len())));
        }
        Ok((series, points))
    }

    /// A range in at most `n` buckets.
    pub(crate) fn tiles_json(&self, range: SeriesRange, n: usize) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, usize::MAX)?;
        if n == 0 || n > MAX_BUCKETS {
            return Err(ApiError::bad_request(format!("`n` must be in 1..={MAX_BUCKETS}, found {n}")));
        }
        let tile = overview(series, || self.data.pyramid(range.series), points.clone(), n);
        let times: Vec<i64> = tile.first.iter().map(|point| self.millis(range.series, *point)).collect();
        Ok(json!({
            "step_ms": series.clock().has_days.then(|| series.step() as f64 / 1e6),
            "gaps": self.gaps(range.series, points.clone()),
            "from": points.start,
            "to": points.end,
            "step": tile.step,
            "times": times,
            "low": tile.low,
            "high": tile.high,
        }))
    }

    /// The longest gaps among some points, in time order, each as the point after it, and the times of the points before and after it,
    /// in milliseconds.
    fn gaps(&self, index: usize, points: Range<usize>) -> Vec<(usize, i64, i64)> {
        let series = &self.data.series[index];
        let (timestamps, least) = (series.timestamps(), series.step().saturating_add(series.step() / 2));
        if !series.clock().has_days {
            return Vec::new();
        }
        let length = |point: usize| timestamps[point].saturating_sub(timestamps[point - 1]);
        let mut after: Vec<usize> = (points.start + 1..points.end).filter(|point| length(*point) > least).collect();
        if after.len() > MAX_GAPS {
            after.sort_by_key(|point| std::cmp::Reverse(length(*point)));
            after.truncate(MAX_GAPS);
            after.sort_unstable();
        }
        after.into_iter().map(|point| (point, self.millis(index, point - 1), self.millis(index, point))).collect()
    }

    /// The events of some points by the detector that asks, and the score of each of them where they are few. `reason` tells why there
    /// are none: in the warm-up, before there is a detector, and of a series that is too long.
    pub(crate) fn scores_json(&self, range: SeriesRange) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, usize::MAX)?;
        let (detector, round) = {
            let state = self.lock();
            (state.detector.clone(), state.round)
        };
        let none = |reason: &str| Ok(json!({ "round": round, "scores": null, "events": [], "reason": reason }));
        let Some(detector) = detector else { return none("there is no detector before the second round") };
        if series.len() > MAX_SCORED_LENGTH {
            return none("the series is too long to be scored while you wait");
        }
        let scored = self.scored.get(&detector, range.series, series)?;
        let within = scored.events.iter().filter(|event| event.start < points.end && event.end > points.start);
        let event = |event: &Range<usize>| json!({ "first": event.start, "last": event.end - 1 });
        Ok(json!({
            "round": round,
            "threshold": detector.threshold(),
            "scores": (points.len() <= MAX_SCORES).then(|| &scored.scores[points.clone()]),
            "events": within.take(MAX_EVENTS).map(event).collect::<Vec<_>>(),
            "reason": null,
        }))
    }

    /// The usual range of each channel.
    pub(crate) fn usual_json(&self, range: SeriesRange) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, MAX_BUCKETS)?;
        let ranges = usual_range(series, points);
        let side = |side: fn((f64, f64)) -> f64| {
            let of_channel = |range: &Vec<Option<(f64, f64)>>| range.iter().map(|of| of.map(side)).collect::<Vec<_>>();
            ranges.iter().map(of_channel).collect::<Vec<_>>()
        };
        Ok(json!({ "low": side(|range| range.0), "high": side(|range| range.1) }))
    }

    /// The values at the same clock times a while before.
    pub(crate) fn before_json(&self, range: SeriesRange, lag_s: i64) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, MAX_POINTS)?;
        let lag = lag_s.checked_mul(NANOS_PER_SECOND).filter(|lag| *lag > 0);
        let lag = lag.ok_or_else(|| ApiError::bad_request("`lag_s` must be a number of seconds above 0"))?;
        let clock = series.clock();
        let timestamps = series.timestamps();
        let mut values = vec![vec![None; points.len()]; series.n_channels()];
        if clock.has_days {
            // None before the first time that there is.
            let slot = |point: usize| timestamps[point].checked_sub(lag).map(|then| clock.slot(then));
            let mut then = timestamps.partition_point(|timestamp| Some(clock.slot(*timestamp)) < slot(points.start));
            for (i, point) in points.enumerate() {
                while then < timestamps.len() && Some(clock.slot(timestamps[then])) < slot(point) {
                    then += 1;
                }
                if then < timestamps.len() && Some(clock.slot(timestamps[then])) == slot(point) {
                    for (channel, value) in series.row(then).iter().enumerate() {
                        values[channel][i] = Some(*value);
                    }
                }
            }
        }
        Ok(json!({ "values": values }))
    }

    /// Other series at the same time: those that deviate most at the time of a point first, then those with the most similar names.
    /// Each is told by the channel that deviates most.
    pub(crate) fn siblings_json(
        &self,
        range: SeriesRange,
        point: Option<usize>,
        limit: usize,
    ) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, usize::MAX)?;
        if point.is_some_and(|point| !points.contains(&point)) {
            return Err(ApiError::bad_request(format!("`point` must be in {}..{}", points.start, points.end)));
        }
        let timestamps = series.timestamps();
        let (from, to) = (timestamps[points.start], timestamps[points.end - 1]);
        let shared = |name: &str| name.bytes().zip(series.name().bytes()).take_while(|(a, b)| a == b).count();
        let others: Vec<(usize, Range<usize>)> = self
            .data
            .series
            .iter()
            .enumerate()
            .filter(|(index, other)| *index != range.series && other.clock().has_days == series.clock().has_days)
            .filter_map(|(index, other)| {
                let begin = other.timestamps().partition_point(|timestamp| *timestamp < from);
                let end = other.timestamps().partition_point(|timestamp| *timestamp <= to);
                (begin < end).then_some((index, begin..end))
            })
            .collect();
        let mut others: Vec<Sibling> = others
            .into_iter()
            .map(|(index, points)| {
                let at = point.map(|point| timestamps[point]);
                let deviation = at.and_then(|at| deviation_at(&self.data.series[index], at, &points));
                Sibling { index, points, deviation }
            })
            .collect();
        let size = |of: &Sibling| of.deviation.map_or(0.0, |(_, deviation)| deviation.abs());
        others.sort_by(|a, b| {
            let name = |of: &Sibling| shared(self.data.series[of.index].name());
            size(b).total_cmp(&size(a)).then_with(|| name(b).cmp(&name(a)))
        });
        let siblings: Vec<Value> = others
            .into_iter()
            .take(limit.min(MAX_SIBLINGS))
            .map(|Sibling { index, points, deviation }| {
                let other = &self.data.series[index];
                let channel = deviation.map_or(0, |(channel, _)| channel);
                let tile = overview(other, || self.data.pyramid(index), points, SIBLING_BUCKETS);
                let times: Vec<i64> = tile.first.iter().map(|point| self.millis(index, *point)).collect();
                json!({
                    "series": index,
                    "name": other.name(),
                    "channel": other.channels()[channel],
                    "deviation": deviation.map(|(_, deviation)| deviation),
                    "times": times,
                    "low": tile.low[channel],
                    "high": tile.high[channel],
                })
            })
            .collect();
        Ok(json!({ "siblings": siblings }))
    }

    /// Points one by one.
    pub(crate) fn rows_json(&self, range: SeriesRange) -> Result<Value, ApiError> {
        let (series, points) = self.points(range, MAX_ROWS)?;
        let label_runs = self.current_labels();
        let row = |point: usize| {
            json!({
                "point": point,
                "time": self.time(range.series, point),
                "values": series.row(point),
                "label": label_runs.series[range.series].get(point),
            })
        };
        Ok(json!({ "channels": series.channels(), "rows": points.map(row).collect::<Vec<_>>() }))
    }

    /// The present labels of a range.
    pub(crate) fn labels_json(&self, range: SeriesRange) -> Result<Value, ApiError> {
        let (_, points) = self.points(range, usize::MAX)?;
        let label_runs = self.current_labels();
        let runs: Vec<_> = label_runs.series[range.series].within(points.start, points.end).take(MAX_RUNS).collect();
        Ok(json!({ "spans": runs }))
    }

    /// Series whose names hold a text.
    pub(crate) fn series_json(&self, search: &str, offset: usize, limit: usize, order: Order) -> Value {
        let label_runs = self.current_labels();
        let words: Vec<String> = search.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let names = self.data.small_names.iter().enumerate();
        let mut found: Vec<usize> =
            names.filter(|(_, name)| words.iter().all(|word| name.contains(word))).map(|(index, _)| index).collect();
        if order == Order::Labelled {
            found.sort_by_cached_key(|index| std::cmp::Reverse(label_runs.series[*index].counts().0));
        }
        let series: Vec<Value> = found
            .iter()
            .skip(offset)
            .take(limit.min(MAX_PAGE))
            .map(|&index| self.listed_json(index, &label_runs))
            .collect();
        json!({ "total": found.len(), "series": series })
    }

    /// A series as it is listed.
    pub(super) fn listed_json(&self, index: usize, label_runs: &LabelRuns) -> Value {
        let series = &self.data.series[index];
        let (n_labelled, n_anomalous) = label_runs.series[index].counts();
        json!({
            "start": self.start,
            "index": index,
            "name": series.name(),
            "n_points": series.len(),
            "n_labelled": n_labelled,
            "n_anomalous": n_anomalous,
            "from": self.time(index, 0),
            "to": self.time(index, series.len() - 1),
        })
    }

    /// The unlabelled windows that are most like the one that ends at a point.
    pub(crate) fn similar_json(&self, index: usize, point: usize, n: usize) -> Result<Value, ApiError> {
        let n_points = self.series(index)?.len();
        if point >= n_points {
            return Err(ApiError::bad_request(format!("`point` must be in 0..{n_points}, found {point}")));
        }
        let Some(similar) = &self.similar else {
            return Err(ApiError::conflict(
                "windows are compared by the features of a session, and there is none",
                "begin a session: open the data without `--browse`",
            ));
        };
        let label_runs = self.current_labels();
        let is_open = |series: usize, point: usize| label_runs.series[series].get(point).is_none();
        let nearest = similar.nearest(index, point, n.min(MAX_SIMILAR), is_open);
        let windows: Vec<Value> = nearest
            .into_iter()
            .map(|found| {
                let mut window = self.window_json(found.series, found.point);
                window["likeness"] = json!(found.likeness);
                window
            })
            .collect();
        Ok(json!({ "reference": self.window_json(index, point), "windows": windows }))
    }

    /// The window of a point with as much again on each side.
    fn window_json(&self, index: usize, point: usize) -> Value {
        let series = &self.data.series[index];
        let shown = series.shown(point, self.settings.shown, &series.part(self.settings.part));
        let context = series.around(point, 2 * self.settings.shown, 2 * self.settings.shown);
        let channel = |channel| context.clone().map(|at| series.row(at)[channel]).collect::<Vec<_>>();
        json!({
            "series": { "index": index, "name": series.name() },
            "point": point,
            "proposed": extent(series, point, &shown).map(|(first, last)| json!({ "first": first, "last": last })),
            "first": shown.start,
            "last": shown.end.saturating_sub(1).max(shown.start),
            "time": self.time(index, point),
            "from": context.start,
            "times": context.clone().map(|at| self.millis(index, at)).collect::<Vec<_>>(),
            "values": (0..series.n_channels()).map(channel).collect::<Vec<_>>(),
        })
    }

    /// Annotations, the last first: by one expert or by all, before an entry.
    pub(crate) fn answers_json(&self, who: Option<&str>, before: Option<i64>, limit: usize) -> Value {
        let state = self.lock();
        let answers: Vec<Value> = state
            .annotations
            .latest_first()
            .filter(|(number, entry)| {
                before.is_none_or(|before| *number < before) && who.is_none_or(|who| entry.who == who)
            })
            .filter_map(|(number, entry)| {
                let LogAction::Annotate(logged) = &entry.action else { return None };
                let index = *self.data.index.get(&logged.series)?;
                if logged.presence == Presence::Gone {
                    return None;
                }
                let series = &self.data.series[index];
                let point = logged.question.as_ref().map_or(0, |question| question.point);
                let (first, last) = bounds(&logged.annotation, series, point);
                Some(json!({
                    "entry": number,
                    "who": entry.who,
                    "time": entry.time.to_string(),
                    "question": logged.question.as_ref().map(|question| question.id),
                    "source": logged.source,
                    "series": { "index": index, "name": logged.series },
                    "first": first,
                    "last": last,
                    "from": self.time(index, first),
                    "to": self.time(index, last),
                    "annotation": logged.annotation,
                    "taught": logged.question.as_ref().and_then(|of| self.taught_by(&logged.annotation, state.questions.get(&of.id)?)),
                    "comment": logged.comment,
                    "current": state.is_latest(number),
                }))
            })
            .take(limit.min(MAX_PAGE))
            .collect();
        json!({ "answers": answers })
    }
}

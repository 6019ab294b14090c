//! What is shown around a question: the data, other series, what was labelled, and what was said.

use std::ops::Range;

use rlad::Series;
use rlad::data::NANOS_PER_SECOND;
use serde_json::{Value, json};

use super::api_error::Refusal;
use super::overview::tiles;
use super::runs::Run;
use super::{Desk, Marks};
use crate::log::Act;

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

/// Some points of a series.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(crate) struct Stretch {
    /// The series.
    pub(crate) series: usize,
    /// The first point.
    pub(crate) from: usize,
    /// The point behind the last one.
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

impl Desk {
    /// A series by its index.
    pub(super) fn series(&self, index: usize) -> Result<&Series, Refusal> {
        let n = self.data.series.len();
        self.data.series.get(index).ok_or_else(|| Refusal::missing(format!("there are {n} series, none is {index}")))
    }

    /// The points of a stretch, as far as the series goes.
    fn points(&self, stretch: Stretch, at_most: usize) -> Result<(&Series, Range<usize>), Refusal> {
        let series = self.series(stretch.series)?;
        let points = stretch.from..stretch.to.min(series.len());
        if points.start >= points.end {
            return Err(Refusal::wrong(format!("`from..to` must hold a point of 0..{}", series.len())));
        }
        if points.len() > at_most {
            return Err(Refusal::wrong(format!("`from..to` may hold {at_most} points, found {}", points.len())));
        }
        Ok((series, points))
    }

    /// A stretch in at most `n` buckets.
    pub(crate) fn tiles_json(&self, stretch: Stretch, n: usize) -> Result<Value, Refusal> {
        let (series, points) = self.points(stretch, usize::MAX)?;
        if n == 0 || n > MAX_BUCKETS {
            return Err(Refusal::wrong(format!("`n` must be in 1..={MAX_BUCKETS}, found {n}")));
        }
        let tiles = tiles(series, || self.data.pyramid(stretch.series), points.clone(), n);
        let times: Vec<i64> = tiles.first.iter().map(|point| self.millis(stretch.series, *point)).collect();
        Ok(json!({
            "from": points.start,
            "to": points.end,
            "step": tiles.step,
            "times": times,
            "low": tiles.low,
            "high": tiles.high,
        }))
    }

    /// The values at the same clock times a while before.
    pub(crate) fn before_json(&self, stretch: Stretch, lag_s: i64) -> Result<Value, Refusal> {
        let (series, points) = self.points(stretch, MAX_POINTS)?;
        let lag = lag_s.checked_mul(NANOS_PER_SECOND).filter(|lag| *lag > 0);
        let lag = lag.ok_or_else(|| Refusal::wrong("`lag_s` must be a number of seconds above 0"))?;
        let clock = series.clock();
        let timestamps = series.timestamps();
        let mut values = vec![vec![None; points.len()]; series.n_channels()];
        if clock.has_days {
            let slot = |point: usize| clock.slot(timestamps[point].saturating_sub(lag));
            let mut then = timestamps.partition_point(|timestamp| clock.slot(*timestamp) < slot(points.start));
            for (i, point) in points.enumerate() {
                while then < timestamps.len() && clock.slot(timestamps[then]) < slot(point) {
                    then += 1;
                }
                if then < timestamps.len() && clock.slot(timestamps[then]) == slot(point) {
                    for (channel, value) in series.row(then).iter().enumerate() {
                        values[channel][i] = Some(*value);
                    }
                }
            }
        }
        Ok(json!({ "values": values }))
    }

    /// Other series at the same time, those with the most similar names first.
    pub(crate) fn siblings_json(&self, stretch: Stretch, limit: usize) -> Result<Value, Refusal> {
        let (series, points) = self.points(stretch, usize::MAX)?;
        let timestamps = series.timestamps();
        let (from, to) = (timestamps[points.start], timestamps[points.end - 1]);
        let shared = |name: &str| name.bytes().zip(series.name().bytes()).take_while(|(a, b)| a == b).count();
        let mut others: Vec<(usize, Range<usize>)> = self
            .data
            .series
            .iter()
            .enumerate()
            .filter(|(index, other)| *index != stretch.series && other.clock().has_days == series.clock().has_days)
            .filter_map(|(index, other)| {
                let begin = other.timestamps().partition_point(|timestamp| *timestamp < from);
                let end = other.timestamps().partition_point(|timestamp| *timestamp <= to);
                (begin < end).then_some((index, begin..end))
            })
            .collect();
        others.sort_by_key(|(index, _)| std::cmp::Reverse(shared(self.data.series[*index].name())));
        let siblings: Vec<Value> = others
            .into_iter()
            .take(limit.min(MAX_SIBLINGS))
            .map(|(index, points)| {
                let other = &self.data.series[index];
                let tiles = tiles(other, || self.data.pyramid(index), points, SIBLING_BUCKETS);
                let times: Vec<i64> = tiles.first.iter().map(|point| self.millis(index, *point)).collect();
                let (low, high) = (tiles.low.first(), tiles.high.first());
                json!({ "series": index, "name": other.name(), "times": times, "low": low, "high": high })
            })
            .collect();
        Ok(json!({ "siblings": siblings }))
    }

    /// Points one by one.
    pub(crate) fn rows_json(&self, stretch: Stretch) -> Result<Value, Refusal> {
        let (series, points) = self.points(stretch, MAX_ROWS)?;
        let marks = self.present_marks();
        let row = |point: usize| {
            json!({
                "point": point,
                "time": self.time(stretch.series, point),
                "values": series.row(point),
                "label": marks.series[stretch.series].get(point),
            })
        };
        Ok(json!({ "channels": series.channels(), "rows": points.map(row).collect::<Vec<_>>() }))
    }

    /// What stands of a stretch.
    pub(crate) fn labels_json(&self, stretch: Stretch) -> Result<Value, Refusal> {
        let (_, points) = self.points(stretch, usize::MAX)?;
        let marks = self.present_marks();
        let runs: Vec<Run> = marks.series[stretch.series].within(points.start, points.end).take(MAX_RUNS).collect();
        Ok(json!({ "spans": runs }))
    }

    /// Series whose names hold a text.
    pub(crate) fn series_json(&self, search: &str, offset: usize, limit: usize, order: Order) -> Value {
        let marks = self.present_marks();
        let words: Vec<String> = search.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let names = self.data.small_names.iter().enumerate();
        let mut found: Vec<usize> =
            names.filter(|(_, name)| words.iter().all(|word| name.contains(word))).map(|(index, _)| index).collect();
        if order == Order::Labelled {
            found.sort_by_cached_key(|index| std::cmp::Reverse(marks.series[*index].counts().0));
        }
        let series: Vec<Value> = found
            .iter()
            .skip(offset)
            .take(limit.min(MAX_PAGE))
            .map(|&index| {
                let series = &self.data.series[index];
                let (n_labelled, n_anomalous) = marks.series[index].counts();
                json!({
                    "index": index,
                    "name": series.name(),
                    "n_points": series.len(),
                    "n_labelled": n_labelled,
                    "n_anomalous": n_anomalous,
                    "from": self.time(index, 0),
                    "to": self.time(index, series.len() - 1),
                })
            })
            .collect();
        json!({ "total": found.len(), "series": series })
    }

    /// The unlabelled windows that are most like the one that ends at a point.
    pub(crate) fn similar_json(&self, index: usize, point: usize, n: usize) -> Result<Value, Refusal> {
        let n_points = self.series(index)?.len();
        if point >= n_points {
            return Err(Refusal::wrong(format!("`point` must be in 0..{n_points}, found {point}")));
        }
        let Some(similar) = &self.similar else {
            return Err(Refusal::conflict(
                "windows are compared by what a session sees of them, and there is none",
                "begin a session: open the data without `--browse`",
            ));
        };
        let marks = self.present_marks();
        let is_open = |series: usize, point: usize| marks.series[series].get(point).is_none();
        let nearest = similar.nearest(index, point, n.min(MAX_SIMILAR), is_open);
        let windows: Vec<Value> = nearest
            .into_iter()
            .map(|found| {
                let series = &self.data.series[found.series];
                let shown = series.shown(found.point, self.settings.shown, &series.part(self.settings.part));
                let context = series.around(found.point, 2 * self.settings.shown, 2 * self.settings.shown);
                let channel = |channel| context.clone().map(|at| series.row(at)[channel]).collect::<Vec<_>>();
                json!({
                    "series": { "index": found.series, "name": series.name() },
                    "point": found.point,
                    "first": shown.start,
                    "last": shown.end - 1,
                    "time": self.time(found.series, found.point),
                    "distance": found.distance,
                    "from": context.start,
                    "values": (0..series.n_channels()).map(channel).collect::<Vec<_>>(),
                })
            })
            .collect();
        Ok(json!({ "windows": windows }))
    }

    /// What was said, the last first: by one expert or by all, before an entry.
    pub(crate) fn answers_json(&self, who: Option<&str>, before: Option<i64>, limit: usize) -> Value {
        let state = self.lock();
        let answers: Vec<Value> = state
            .standing
            .latest_first()
            .filter(|(number, entry)| {
                before.is_none_or(|before| *number < before) && who.is_none_or(|who| entry.who == who)
            })
            .filter_map(|(number, entry)| {
                let Act::Said(saying) = &entry.act else { return None };
                let index = *self.data.index.get(&saying.series)?;
                let series = &self.data.series[index];
                let spans = saying.said.spans();
                let point = saying.asked.as_ref().map_or(0, |asked| asked.point);
                let first = spans.iter().map(|span| span.0).min().unwrap_or(point).min(series.len() - 1);
                let last = spans.iter().map(|span| span.1).max().unwrap_or(point).min(series.len() - 1);
                Some(json!({
                    "entry": number,
                    "who": entry.who,
                    "time": entry.time.to_string(),
                    "question": saying.asked.as_ref().map(|asked| asked.question),
                    "source": saying.source,
                    "series": { "index": index, "name": saying.series },
                    "first": first,
                    "last": last,
                    "from": self.time(index, first),
                    "to": self.time(index, last),
                    "said": saying.said,
                    "comment": saying.comment,
                    "standing": state.is_last_word(number),
                }))
            })
            .take(limit.min(MAX_PAGE))
            .collect();
        json!({ "answers": answers })
    }

    /// What stands at present.
    pub(crate) fn present_marks(&self) -> std::sync::Arc<Marks> {
        let mut state = self.lock();
        self.marks(&mut state)
    }
}

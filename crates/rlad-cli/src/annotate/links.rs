//! Links that open a point: a series by its name, and a time.

use rlad::active::extent;
use rlad::data::TimeFormat;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::reads::SeriesRange;
use super::server::LabellingServer;

/// The largest number of seconds, of milliseconds and of microseconds since 1970; beyond it is the next unit.
const UNITS: [(u64, TimeFormat); 3] = [
    (100_000_000_000, TimeFormat::DecimalSeconds),
    (100_000_000_000_000, TimeFormat::Milliseconds),
    (100_000_000_000_000_000, TimeFormat::Microseconds),
];

/// The nanoseconds since 1970 of a time in RFC 3339, or of a number of seconds, milliseconds, microseconds or nanoseconds.
fn timestamp(text: &str) -> Option<i64> {
    if let Some(timestamp) = TimeFormat::Rfc3339.parse(text).or_else(|| TimeFormat::Civil.parse(text)) {
        return Some(timestamp);
    }
    let whole: i64 = text.trim().split('.').next()?.parse().ok()?;
    let unit = UNITS.into_iter().find(|(below, _)| whole.unsigned_abs() < *below);
    unit.map_or(TimeFormat::Nanoseconds, |(_, unit)| unit).parse(text)
}

impl LabellingServer {
    /// The series with a name, and the point of it at a time, with the question about the alarm there if there is one, the question that
    /// asks about that very point (`asked`), and the points that one key would label: the detector's event, else what stands out around
    /// the point.
    ///
    /// # Errors
    /// If there is no such series, or it has no data at that time.
    pub(crate) fn point_json(&self, name: &str, at: &str) -> Result<Value, ApiError> {
        let index = self.data.index.get(name);
        let index = *index.ok_or_else(|| ApiError::not_found(format!("there is no series {name} in the data")))?;
        let point = self.point_at(index, at)?;
        let (first, last) = self.event_at(index, point);
        Ok(json!({
            "series": self.listed_json(index, &self.current_labels()),
            "point": point,
            "time": self.time(index, point),
            "question": self.alarm_at(index, point),
            "asked": self.question_at(index, &self.time(index, point), None),
            "first": first,
            "last": last,
        }))
    }

    /// The point at a time: the last one until then, or the first one where the time falls on its step.
    fn point_at(&self, index: usize, at: &str) -> Result<usize, ApiError> {
        let series = &self.data.series[index];
        let is_index = series.time_format() == TimeFormat::Index;
        let time = if is_index { at.trim().parse().ok() } else { timestamp(at) };
        let expected = if is_index { "an index" } else { "RFC 3339, or seconds or milliseconds since 1970" };
        let time = time.ok_or_else(|| ApiError::bad_request(format!("expected a time ({expected}), found `{at}`")))?;
        let timestamps = series.timestamps();
        let (first, last, step) = (timestamps[0], timestamps[timestamps.len() - 1], series.step().max(1));
        if time < first.saturating_sub(step) || time > last.saturating_add(step) {
            let bounds = [0, timestamps.len() - 1].map(|point| match self.time(index, point) {
                Value::String(time) => time,
                time => time.to_string(),
            });
            return Err(ApiError::not_found(format!(
                "{} has no data at {at}: they go from {} to {}",
                series.name(),
                bounds[0],
                bounds[1]
            )));
        }
        Ok(timestamps.partition_point(|timestamp| *timestamp <= time).saturating_sub(1))
    }

    /// The question about an alarm that a point belongs to, one without an answer before others.
    fn alarm_at(&self, index: usize, point: usize) -> Option<u64> {
        let state = self.lock();
        let covers = |id: &u64| {
            let question = &state.questions[id];
            question.query.series == index && question.alarm.as_ref().is_some_and(|alarm| alarm.contains(&point))
        };
        let found = state.questions.keys().copied().filter(covers);
        found.max_by_key(|id| (!state.is_answered(*id), *id))
    }

    /// The event of the detector at a point; else the points around that stand out like it.
    fn event_at(&self, index: usize, point: usize) -> (usize, usize) {
        let range = SeriesRange { series: index, from: point, to: point + 1 };
        let events = self.scores_json(range).map(|told| told["events"].clone()).unwrap_or_default();
        let end = |name: &str| usize::try_from(events[0][name].as_u64()?).ok();
        if let (Some(first), Some(last)) = (end("first"), end("last")) {
            return (first, last);
        }
        let series = &self.data.series[index];
        let shown = series.shown(point, self.settings.shown, &(0..series.len()));
        extent(series, point, &shown).unwrap_or((point, point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_of_links() {
        for (text, expected) in [
            ("2023-11-14T22:13:20Z", Some(1_700_000_000_000_000_000)),
            ("2023-11-14T23:13:20+01:00", Some(1_700_000_000_000_000_000)),
            ("1700000000", Some(1_700_000_000_000_000_000)),
            ("1700000000.25", Some(1_700_000_000_250_000_000)),
            ("1700000000250", Some(1_700_000_000_250_000_000)),
            ("-60", Some(-60_000_000_000)),
            ("1700000000000000000", Some(1_700_000_000_000_000_000)),
            ("", None),
            ("now", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(timestamp(text), expected, "{text}");
        }
    }
}

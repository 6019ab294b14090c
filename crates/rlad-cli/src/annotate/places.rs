//! Where the points of a request are. Numbers of series, points and questions are those of one start of the labelling server; a page
//! that was opened before tells names and times beside them, by which they are found again.

use rlad::Span;
use rlad::data::{Annotation, TimeFormat};
use serde::Deserialize;
use serde_json::Value;

use super::api_error::ApiError;
use super::server::LabellingServer;
use crate::log::Annotated;

/// The names and times of a request's points.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// The start of the server that the numbers are of.
    pub(crate) start: String,
    /// The name of the series.
    pub(crate) series: String,
    /// The time of the point that was asked about, as the question told it.
    #[serde(default)]
    pub(crate) time: Value,
    /// The times of the first and the last point of each span: milliseconds since 1970, or indices.
    #[serde(default)]
    pub(crate) times: Vec<(i64, i64)>,
}

impl LabellingServer {
    /// The place of a request whose numbers are those of another start.
    pub(super) fn elsewhere<'a>(&self, place: Option<&'a Place>) -> Option<&'a Place> {
        place.filter(|place| place.start != self.start)
    }

    /// The series of a place by its present number, and spans of it where their times are now.
    ///
    /// # Errors
    /// If the series is not there any more, or none of the points.
    pub(super) fn found(
        &self,
        place: &Place,
        spans: &[Span<Annotation>],
    ) -> Result<(usize, Vec<Span<Annotation>>), ApiError> {
        let gone = |what: String| ApiError::conflict(what, "the data are others since it was made; look at them again");
        let index = self.data.index.get(&place.series);
        let index = *index.ok_or_else(|| gone(format!("the series {} is not in the data any more", place.series)))?;
        if place.times.len() != spans.len() {
            return Err(ApiError::bad_request("expected in `place.times` one pair of times for each span"));
        }
        let pairs = spans.iter().zip(&place.times);
        let now: Vec<Span<Annotation>> = pairs
            .filter_map(|(span, &(from, to))| {
                let (first, last) = self.points_between(index, self.begin_of(index, from), self.end_of(index, to))?;
                Some(Span { first, last, label: span.label })
            })
            .collect();
        if now.is_empty() && !spans.is_empty() {
            return Err(gone(format!("the points of {} are not in the data any more", place.series)));
        }
        Ok((index, now))
    }

    /// The first and the last point of a series that lie between two timestamps, both inside.
    pub(super) fn points_between(&self, index: usize, from: i64, to: i64) -> Option<(usize, usize)> {
        let timestamps = self.data.series[index].timestamps();
        let first = timestamps.partition_point(|time| *time < from);
        let after = timestamps.partition_point(|time| *time <= to);
        (first < after).then(|| (first, after - 1))
    }

    /// The first timestamp that is told as a number of milliseconds, or as an index.
    fn begin_of(&self, index: usize, told: i64) -> i64 {
        match self.data.series[index].time_format() {
            TimeFormat::Index => told,
            _ => told.saturating_mul(1_000_000),
        }
    }

    /// The last timestamp that is told so.
    fn end_of(&self, index: usize, told: i64) -> i64 {
        match self.data.series[index].time_format() {
            TimeFormat::Index => told,
            _ => told.saturating_mul(1_000_000).saturating_add(999_999),
        }
    }

    /// The question about a point: the one with a number that it had, else the last one, if possible without an answer.
    pub(super) fn question_at(&self, index: usize, time: &Value, number: Option<u64>) -> Option<u64> {
        let state = self.lock();
        let is_it = |id: &u64| {
            let query = &state.questions[id].query;
            query.series == index && self.time(index, query.point) == *time
        };
        let about_it = state.questions.keys().copied().filter(is_it);
        about_it.max_by_key(|id| (Some(*id) == number, !state.is_answered(*id), *id))
    }
}

impl Annotated {
    /// The same kind of annotation of other points; `spans` are as many where the kind has one.
    pub(super) fn of_spans(&self, spans: Vec<Span<Annotation>>) -> Self {
        match (self, spans.as_slice()) {
            (Self::Marked { .. }, &[span]) => Self::Marked { spans: [span] },
            (Self::Painted { .. }, &[span]) => Self::Painted { spans: [span] },
            (Self::Late { .. }, &[span]) => Self::Late { spans: [span] },
            (Self::Unsure, _) => Self::Unsure,
            (Self::Skip, _) => Self::Skip,
            (Self::Spans { .. } | Self::Marked { .. } | Self::Painted { .. } | Self::Late { .. }, _) => {
                Self::Spans { spans }
            }
        }
    }
}

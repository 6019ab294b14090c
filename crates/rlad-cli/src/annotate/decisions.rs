//! Suggestions as the page shows them, and what people say of them.

use std::sync::PoisonError;

use rlad::Span;
use rlad::data::TimeFormat;
use serde::Deserialize;
use serde_json::{Value, json};

use super::actions::{LabelItem, check_who};
use super::api_error::ApiError;
use super::places::Place;
use super::runs::LabelRuns;
use super::server::LabellingServer;
use super::suggestions::Suggestion;
use crate::log::AnnotationSource;

/// The longest comment of a label that comes of a suggestion, in characters.
const MAX_COMMENT: usize = 2_000;

/// What a person says of a suggestion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    /// The expert.
    pub(crate) who: String,
    /// Whether it is a label now.
    pub(crate) accept: bool,
    /// The first and the last point that the label is of, where they are others than the suggested ones.
    #[serde(default)]
    pub(crate) points: Option<(usize, usize)>,
    /// Where these points are.
    #[serde(default)]
    pub(crate) place: Option<Place>,
    /// The time that it took.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Repeated with a request that is sent once more.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

impl LabellingServer {
    /// The suggestions that wait for a person, each with the points that it is about, or with why it cannot be accepted.
    pub(crate) fn suggestions_json(&self) -> Value {
        let open = self.suggestions.as_ref().map(|store| store.open()).unwrap_or_default();
        let label_runs = self.current_labels();
        json!({ "suggestions": open.iter().map(|of| self.suggestion_json(of, &label_runs)).collect::<Vec<_>>() })
    }

    fn suggestion_json(&self, of: &Suggestion, label_runs: &LabelRuns) -> Value {
        let found = self.points_of(of);
        let time = |timestamp: i64| TimeFormat::Rfc3339.format(timestamp);
        json!({
            "id": of.id,
            "kind": of.kind,
            "series": of.series,
            "from": time(of.from_ns),
            "to": of.to_ns.map(time),
            "source": of.source,
            "who": of.who,
            "comment": of.comment,
            "url": of.url,
            "first": found.as_ref().ok().map(|(_, points)| points.0),
            "last": found.as_ref().ok().map(|(_, points)| points.1),
            "listed": found.as_ref().ok().map(|(index, _)| self.listed_json(*index, label_runs)),
            "obstacle": found.err(),
        })
    }

    /// The series of a suggestion and its first and last point there, or why there is none.
    fn points_of(&self, of: &Suggestion) -> Result<(usize, (usize, usize)), &'static str> {
        let index = *self.data.index.get(&of.series).ok_or("its series is not in the data")?;
        if self.data.series[index].time_format() == TimeFormat::Index {
            return Err("its series has no times");
        }
        let points = self.points_between(index, of.from_ns, of.to_ns.unwrap_or(i64::MAX));
        points.map(|points| (index, points)).ok_or("its series has no point in that time")
    }

    /// Makes a suggestion a label of a person, or drops it.
    ///
    /// # Errors
    /// If there is none such, it cannot be a label, or that cannot be written.
    pub(crate) fn decide(&self, id: &str, decision: &Decision) -> Result<Value, ApiError> {
        let Some(store) = &self.suggestions else {
            return Err(ApiError::not_found("there are no suggestions here"));
        };
        check_who(&decision.who)?;
        // One after the other, so that of two people one decides.
        let _turn = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let key = decision.key.as_ref();
        if let Some(entry) = key.map(|key| self.lock_log().of_client(key)).transpose()?.flatten() {
            // The label is in the log; whether the store knows it is not.
            if self.lock().annotations.is_current(entry) && store.open().iter().any(|of| of.id == id) {
                store.decide(id, Some(entry), &decision.who)?;
            }
            return Ok(json!({ "entry": entry, "accepted": true }));
        }
        let open = store.open();
        let suggestion = open.iter().find(|of| of.id == id).ok_or_else(|| {
            ApiError::conflict("this suggestion does not wait any more", "somebody has decided it already")
        })?;
        let entry = if decision.accept { Some(self.accept(suggestion, decision)?) } else { None };
        store.decide(id, entry, &decision.who)?;
        self.notify();
        Ok(json!({ "entry": entry, "accepted": decision.accept }))
    }

    fn accept(&self, suggestion: &Suggestion, decision: &Decision) -> Result<i64, ApiError> {
        let obstacle = |why: &str| ApiError::conflict("this suggestion cannot be accepted", why);
        let (series, points) = self.points_of(suggestion).map_err(obstacle)?;
        let span = |(first, last)| Span { first, last, label: suggestion.kind.label() };
        let spans = vec![span(decision.points.unwrap_or(points))];
        let (series, spans) = match self.elsewhere(decision.place.as_ref()).filter(|_| decision.points.is_some()) {
            Some(place) if place.series == suggestion.series => self.found(place, &spans)?,
            Some(_) => return Err(ApiError::bad_request("`place.series` must be the series of the suggestion")),
            None => (series, spans),
        };
        let comment: String = suggestion.told().chars().take(MAX_COMMENT).collect();
        let items = [LabelItem { series, spans, place: None }];
        let (source, key) = (AnnotationSource::Unprompted, decision.key.as_ref());
        let entries = self.label_all(&decision.who, source, &items, Some(&comment), decision.seconds, key)?;
        Ok(entries[0])
    }

    /// Lets the suggestions follow the labels of the log: one whose label was taken back waits again.
    pub(super) fn suggestions_follow(&self) {
        let Some(store) = &self.suggestions else { return };
        // Not between a label and what the store knows of it.
        let _turn = self.deciding.lock().unwrap_or_else(PoisonError::into_inner);
        let has_changed = {
            let state = self.lock();
            store.follow(&|label| state.annotations.is_current(label))
        };
        if has_changed {
            self.notify();
        }
    }

    /// Tells every page that the store has others.
    pub(crate) fn suggestions_changed(&self) {
        self.notify();
    }
}

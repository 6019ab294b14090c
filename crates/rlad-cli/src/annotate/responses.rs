//! JSON responses: the session, its state and its questions.

use rlad::active::{deviations, extent};
use rlad::config::AnswerKind;
use rlad::data::{Annotation, TimeFormat};
use rlad::{Answer, Span};
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::server::{LabellingServer, ShownQuestion, State};
use crate::log::{Annotated, allowed};
use crate::terminal::Taught;

/// The labels that an expert may give to a question.
const LABELS: [Annotation; 3] = [Annotation::Anomaly, Annotation::Normal, Annotation::Expected];

impl LabellingServer {
    /// The facts of the session, which do not change.
    pub(crate) fn session_json(&self) -> Value {
        let settings = &self.settings;
        let first = self.data.series.first();
        json!({
            "name": settings.name,
            "who": settings.who,
            "preset": settings.preset,
            "budget": self.lock().budget,
            "answers": settings.kind,
            "shown": settings.shown,
            "strategy": settings.strategy,
            "n_series": self.data.series.len(),
            "n_points": self.data.series.iter().map(rlad::Series::len).sum::<usize>(),
            "channels": first.map(|series| series.channels().to_vec()).unwrap_or_default(),
            "mode": if settings.browses { "browse" } else { "session" },
            "conflict": settings.experts.conflict,
            "reask_fraction": settings.experts.reask_fraction,
            "version": env!("CARGO_PKG_VERSION"),
            "start": self.start,
            "suggests": self.suggestions.is_some(),
        })
    }

    /// The state of the session.
    pub(crate) fn state_json(&self) -> Value {
        let suggestions = self.suggestions.as_ref().map(|store| store.open().len());
        let mut state = self.lock();
        let label_runs = self.label_runs(&mut state);
        let answered = |id: &&u64| state.is_answered(**id);
        let experts: Vec<Value> = {
            let mut names = state.annotations.experts();
            state.last_seen.keys().for_each(|who| _ = names.entry(who).or_default());
            let seen = |who: &str| state.last_seen.get(who).map(|seen| seen.elapsed().as_secs());
            let expert = |(who, answers)| json!({ "name": who, "answers": answers, "last_seen_s": seen(who) });
            names.into_iter().map(expert).collect()
        };
        json!({
            "start": self.start,
            "suggestions": suggestions,
            "phase": state.phase,
            "message": state.message,
            "round": state.round,
            "round_questions": state.pending.len(),
            "round_answered": state.pending.iter().filter(answered).count(),
            "questions": state.questions.keys().filter(answered).count(),
            "budget": state.budget,
            "labelled_points": label_runs.n_points,
            "labelled_anomalies": label_runs.n_anomalies,
            "experts": experts,
            "rounds": state.history.iter().map(|line| self.round_json(line)).collect::<Vec<_>>(),
            "settled": state.settled,
            "grounds": state.grounds,
            "random_needed": state.random_needed,
            "changed": state.changed,
            "experts_agreement": { "within": label_runs.within, "between": label_runs.between },
            "model": state.model,
        })
    }

    /// The next question for an expert; nothing where there is none at present.
    ///
    /// # Errors
    /// If the name is none.
    pub(crate) fn next(&self, who: &str) -> Result<Value, ApiError> {
        if who.trim().is_empty() || who.chars().count() > 100 {
            return Err(ApiError::bad_request("`who` must be a name of 1 to 100 characters"));
        }
        let mut state = self.lock();
        let assigned = self.assign(&mut state, who);
        Ok(json!({ "question": assigned.map(|(id, again)| self.question_json(&state, id, again)) }))
    }

    /// What each answer to a question would teach, of a range that is painted: as the round that learns from it reads it.
    ///
    /// # Errors
    /// If there is no such question.
    pub(crate) fn taught(&self, id: u64, painted: (usize, usize)) -> Result<Value, ApiError> {
        let state = self.lock();
        let question = state.questions.get(&id);
        let question = question.ok_or_else(|| ApiError::not_found(format!("there is no question {id}")))?;
        Ok(json!({ "teaches": self.teaches(question, Some(painted)) }))
    }

    /// Of each label, what an answer with it teaches: the numbers of points, and their spans; nothing where it labels none.
    fn teaches(&self, question: &ShownQuestion, painted: Option<(usize, usize)>) -> Value {
        let point = question.query.point;
        let told = |annotation: Annotated| {
            let (taught, spans) = self.told(&annotation, question)?;
            let mut told = json!(taught);
            told["spans"] = json!(spans);
            Some(told)
        };
        let (first, last) = painted.unwrap_or((point, point));
        let of = |label: Annotation| {
            let span = Span { first, last, label };
            told(match (label, painted) {
                (Annotation::Expected, _) => Annotated::Spans { spans: vec![span] },
                (_, Some(_)) => Annotated::Painted { spans: [span] },
                (_, None) => Annotated::Marked { spans: [span] },
            })
        };
        let [anomaly, normal, expected] = LABELS.map(of);
        let late = || told(Annotated::late(first, last));
        let mut teaches = json!({ "anomaly": anomaly, "normal": normal, "expected": expected });
        if question.alarm.is_some() {
            teaches["late"] = json!(late());
        }
        teaches
    }

    /// The numbers of points that an annotation teaches to label; nothing of one that labels none.
    pub(super) fn taught_by(&self, annotation: &Annotated, question: &ShownQuestion) -> Option<Taught> {
        self.told(annotation, question).map(|(counts, _)| counts)
    }

    /// The numbers of points that an annotation labels, and the spans. Points of an expected event count as such, whatever they teach.
    fn told(&self, annotation: &Annotated, question: &ShownQuestion) -> Option<(Taught, Vec<Span<Annotation>>)> {
        let ShownQuestion { query, shown, .. } = question;
        let allowed = allowed(query.point, shown.clone(), self.settings.kind);
        let Answer::Spans(spans) = self.reading().answer(annotation, &(query, shown.clone())).ok()? else {
            return None;
        };
        let of = |span: &Span| Span { first: span.first, last: span.last, label: Annotation::from(span.label) };
        let Some(event) = annotation.spans().iter().find(|span| span.label == Annotation::Expected) else {
            let told: Vec<Span<Annotation>> = spans.iter().map(of).collect();
            return Some((Taught::of(&Answer::Spans(spans), &allowed)?, told));
        };
        let beside: Vec<Span> = spans
            .iter()
            .flat_map(|span| {
                let before = (span.first < event.first).then(|| Span { last: span.last.min(event.first - 1), ..*span });
                let after = (span.last > event.last).then(|| Span { first: span.first.max(event.last + 1), ..*span });
                before.into_iter().chain(after)
            })
            .collect();
        let told = beside.iter().map(of).chain([*event]).collect();
        let mut taught = Taught::of(&Answer::Spans(beside), &allowed)?;
        taught.expected = event.last - event.first + 1;
        taught.open = taught.open.saturating_sub(taught.expected);
        Some((taught, told))
    }

    /// A question with the present answer of an expert.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn question(&self, id: u64, who: &str) -> Result<Value, ApiError> {
        let state = self.lock();
        if !state.questions.contains_key(&id) {
            return Err(ApiError::not_found(format!("there is no question {id}")));
        }
        Ok(json!({ "question": self.answered_question_json(&state, id, false, who)? }))
    }

    /// A question as an expert sees it, with their present answer.
    ///
    /// # Errors
    /// If the answer cannot be written as JSON.
    pub(super) fn answered_question_json(
        &self,
        state: &State,
        id: u64,
        again: bool,
        who: &str,
    ) -> Result<Value, ApiError> {
        let mut question = self.question_json(state, id, again);
        if let Some((.., logged)) = state.annotations.answers_to(id).filter(|(_, by, _)| *by == who).last() {
            question["answer"] = serde_json::to_value(&logged.annotation).map_err(anyhow::Error::from)?;
            question["comment"] = json!(logged.comment);
        }
        Ok(question)
    }

    /// A question as an expert sees it, without anybody's answer and without the score.
    pub(super) fn question_json(&self, state: &State, id: u64, again: bool) -> Value {
        let Some(question) = state.questions.get(&id) else { return Value::Null };
        let query = &question.query;
        let series = &self.data.series[query.series];
        let proposed = match self.settings.kind {
            AnswerKind::Point => None,
            AnswerKind::Range => extent(series, query.point, &question.shown),
        };
        json!({
            "start": self.start,
            "id": id,
            "again": again,
            "round": query.round,
            "reason": query.reason,
            "series": { "index": query.series, "name": series.name(), "n_points": series.len() },
            "point": query.point,
            "time": self.time(query.series, query.point),
            "shown": { "first": question.shown.start, "last": question.shown.end - 1 },
            "proposed": proposed.map(|(first, last)| json!({ "first": first, "last": last })),
            "teaches": self.teaches(question, None),
            "alarm": question.alarm.as_ref().map(|alarm| json!({ "first": alarm.start, "last": alarm.end - 1 })),
            "deviations": deviations(series, query.point, &question.shown),
            "kind": match self.settings.kind { AnswerKind::Point => "point", AnswerKind::Range => "range" },
            "number": id + 1,
            "budget": state.budget,
            "step_ns": (series.time_format() != TimeFormat::Index).then(|| series.step()),
            "answer": null,
            "comment": null,
        })
    }

    /// The time of a point: in RFC 3339, or its index.
    pub(super) fn time(&self, series: usize, point: usize) -> Value {
        let series = &self.data.series[series];
        let timestamp = series.timestamps()[point.min(series.len() - 1)];
        match series.time_format() {
            TimeFormat::Index => json!(timestamp),
            _ => json!(TimeFormat::Rfc3339.format(timestamp)),
        }
    }

    /// The time of a point in milliseconds since 1970, or its index.
    pub(super) fn millis(&self, series: usize, point: usize) -> i64 {
        let series = &self.data.series[series];
        let timestamp = series.timestamps()[point];
        match series.time_format() {
            TimeFormat::Index => timestamp,
            _ => timestamp.div_euclid(1_000_000),
        }
    }
}

impl LabellingServer {
    fn round_json(&self, line: &Value) -> Value {
        let mut in_use = line["in_use"].clone();
        if let Some(until) = in_use["until"].as_i64() {
            let has_times = self.data.series.first().is_some_and(|series| series.time_format() != TimeFormat::Index);
            in_use["until"] = if has_times { json!(TimeFormat::Rfc3339.format(until)) } else { json!(until) };
        }
        json!({
            "round": line["round"],
            "questions": line["questions"],
            "labelled_points": line["labelled_points"],
            "expected": line["expected"],
            "agreement": line["agreement"],
            "in_use": in_use,
        })
    }
}

//! Actions of experts. Each action is on disk before it is confirmed.

use rlad::data::Annotation;
use rlad::{Detector, Span};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api_error::ApiError;
use super::places::Place;
use super::server::{LabellingServer, Phase, State};
use super::source::DataSource;
use crate::log::{
    Annotated, AnnotationSource, AnswerLog, AnsweredQuestion, Entry, LogAction, LoggedAnnotation, Presence, times,
};

/// The longest name of an expert, and of a client's key.
const MAX_NAME: usize = 100;
/// The longest comment.
const MAX_COMMENT: usize = 10_000;
/// The most spans of a request.
const MAX_SPANS: usize = 100_000;
/// No answer took longer.
const MAX_SECONDS: f64 = 86_400.0;

/// An answer to a question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerRequest {
    /// The expert.
    pub(crate) who: String,
    /// The question's number.
    pub(crate) question: u64,
    /// Their answer.
    pub(crate) annotation: Annotated,
    /// A remark.
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// The time that they took.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Whether the question was asked once more.
    #[serde(default)]
    pub(crate) again: bool,
    /// Where its points are.
    #[serde(default)]
    pub(crate) place: Option<Place>,
    /// Repeated with a request that is sent once more.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// Labels that nobody asked for: of one series, or of several at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelRequest {
    /// The expert.
    pub(crate) who: String,
    /// `unprompted` or `similar`.
    pub(crate) source: AnnotationSource,
    /// The series.
    #[serde(default)]
    pub(crate) series: Option<usize>,
    /// The painted runs of points.
    #[serde(default)]
    pub(crate) spans: Vec<Span<Annotation>>,
    /// Labels of several series.
    #[serde(default)]
    pub(crate) items: Option<Vec<LabelItem>>,
    /// Where the points of the one series are.
    #[serde(default)]
    pub(crate) place: Option<Place>,
    /// A remark.
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// The time that they took.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Repeated with a request that is sent once more.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// Labels of one series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelItem {
    /// The series.
    pub(crate) series: usize,
    /// The painted runs of points.
    pub(crate) spans: Vec<Span<Annotation>>,
    /// Where they are.
    #[serde(default)]
    pub(crate) place: Option<Place>,
}

/// The part of a request that each of its entries has.
struct Request<'a> {
    who: &'a str,
    seconds: f64,
    key: Option<&'a String>,
}

impl Request<'_> {
    fn check(&self, comment: Option<&String>) -> Result<(), ApiError> {
        check_who(self.who)?;
        if self.key.is_some_and(|key| key.is_empty() || key.len() > MAX_NAME) {
            return Err(ApiError::bad_request(format!("`key` must have 1 to {MAX_NAME} characters")));
        }
        if comment.is_some_and(|comment| comment.len() > MAX_COMMENT) {
            return Err(ApiError::bad_request(format!("a comment may have {MAX_COMMENT} bytes")));
        }
        Ok(())
    }

    fn entry(&self, state: &State, action: LogAction) -> Entry {
        Entry {
            who: self.who.to_owned(),
            time: jiff::Timestamp::now(),
            taught: state.taught,
            seconds: if self.seconds.is_finite() { self.seconds.clamp(0.0, MAX_SECONDS) } else { 0.0 },
            client: self.key.cloned(),
            action,
        }
    }
}

/// Why a question is not known yet, while the session is being opened.
fn not_yet(state: &State) -> Option<ApiError> {
    (state.phase == Phase::Preparing).then(|| ApiError::unavailable("the questions are still being chosen"))
}

/// Refuses a name that is none.
pub(super) fn check_who(who: &str) -> Result<(), ApiError> {
    if who.trim().is_empty() || who.chars().count() > MAX_NAME {
        return Err(ApiError::bad_request(format!("`who` must be a name of 1 to {MAX_NAME} characters")));
    }
    Ok(())
}

impl LabellingServer {
    /// Takes an answer in.
    ///
    /// # Errors
    /// If it does not fit, or cannot be written.
    pub(crate) fn answer(&self, request: &AnswerRequest) -> Result<Value, ApiError> {
        let by = Request { who: &request.who, seconds: request.seconds, key: request.key.as_ref() };
        by.check(request.comment.as_ref())?;
        if let Some(place) = self.elsewhere(request.place.as_ref()) {
            return self.answer_from(place, request);
        }
        let written = self.write(by.key, |state| {
            let question = state.questions.get(&request.question).ok_or_else(|| {
                let no_question = ApiError::not_found(format!("there is no question {}", request.question));
                not_yet(state).unwrap_or(no_question)
            })?;
            let query = &question.query;
            let series = &self.data.series[query.series];
            let logged = LoggedAnnotation {
                source: AnnotationSource::Question,
                times: times(&request.annotation, series, query.point),
                question: Some(AnsweredQuestion {
                    id: query.id,
                    round: query.round,
                    point: query.point,
                    reason: query.reason,
                    score: query.score,
                    model: if query.round == state.round {
                        state.detector.as_ref().map(|detector| detector.hash().to_owned())
                    } else {
                        None
                    },
                    again: request.again,
                }),
                series: series.name().to_owned(),
                annotation: request.annotation.clone(),
                comment: request.comment.clone().filter(|comment| !comment.is_empty()),
                step: None,
                presence: Presence::Whole,
            };
            self.reading().answer(&logged.annotation, &(query, question.shown.clone()))?;
            Ok(vec![by.entry(state, LogAction::Annotate(Box::new(logged)))])
        })?;
        let mut state = self.lock();
        Self::release(&mut state, by.who, request.question);
        let next = self.assign(&mut state, by.who).map(|(id, again)| self.question_json(&state, id, again));
        let question = state.questions.get(&request.question);
        let score = question.map(|question| question.query.score).filter(|score| score.is_finite());
        let taught = question.and_then(|question| self.taught_by(&request.annotation, question));
        let of_round = question.is_some_and(|question| question.query.round == state.round);
        let threshold = state.detector.as_ref().map(|detector| detector.threshold()).filter(|_| of_round);
        Ok(json!({
            "entry": written[0],
            "taught": taught,
            "score": score,
            "threshold": threshold,
            "n_similar_hint": null,
            "next": next,
        }))
    }

    /// Takes an answer in whose numbers are those of another start: to the question about its point, or as labels where that is not
    /// asked any more.
    fn answer_from(&self, place: &Place, request: &AnswerRequest) -> Result<Value, ApiError> {
        let (series, spans) = self.found(place, request.annotation.spans())?;
        if let Some(question) = self.question_at(series, &place.time, Some(request.question)) {
            let annotation = request.annotation.of_spans(spans);
            return self.answer(&AnswerRequest { question, annotation, place: None, ..request.clone() });
        }
        if let Some(not_yet) = not_yet(&self.lock()) {
            return Err(not_yet);
        }
        let AnswerRequest { who, comment, seconds, key, .. } = request;
        // Who is unsure labels nothing.
        let entries = if spans.is_empty() {
            Vec::new()
        } else {
            let items = [LabelItem { series, spans, place: None }];
            self.label_all(who, AnnotationSource::Unprompted, &items, comment.as_ref(), *seconds, key.as_ref())?
        };
        let mut state = self.lock();
        let next = self.assign(&mut state, who).map(|(id, again)| self.question_json(&state, id, again));
        Ok(
            json!({ "entry": entries.first(), "taught": null, "score": null, "threshold": null, "n_similar_hint": null, "next": next }),
        )
    }

    /// Takes labels in that nobody asked for.
    ///
    /// # Errors
    /// If they do not fit, or cannot be written.
    pub(crate) fn label(&self, request: &LabelRequest) -> Result<Value, ApiError> {
        if !matches!(request.source, AnnotationSource::Unprompted | AnnotationSource::Similar) {
            return Err(ApiError::bad_request("`source` must be `unprompted` or `similar`"));
        }
        let items = match (&request.items, request.series) {
            (Some(items), None) if request.spans.is_empty() => items.clone(),
            (None, Some(series)) => {
                vec![LabelItem { series, spans: request.spans.clone(), place: request.place.clone() }]
            }
            _ => return Err(ApiError::bad_request("expected either `series` and `spans`, or `items` of them")),
        };
        let found = |item: LabelItem| match self.elsewhere(item.place.as_ref()) {
            Some(place) => {
                let (series, spans) = self.found(place, &item.spans)?;
                Ok(LabelItem { series, spans, place: None })
            }
            None => Ok(item),
        };
        let items: Vec<LabelItem> = items.into_iter().map(found).collect::<Result<_, ApiError>>()?;
        let entries = self.label_all(
            &request.who,
            request.source,
            &items,
            request.comment.as_ref(),
            request.seconds,
            request.key.as_ref(),
        )?;
        Ok(json!({ "entry": entries[0], "entries": entries }))
    }

    /// Takes labels in, all of them or none; they are one step.
    ///
    /// # Errors
    /// If they do not fit, or cannot be written.
    pub(crate) fn label_all(
        &self,
        who: &str,
        source: AnnotationSource,
        items: &[LabelItem],
        comment: Option<&String>,
        seconds: f64,
        key: Option<&String>,
    ) -> Result<Vec<i64>, ApiError> {
        let by = Request { who, seconds, key };
        by.check(comment)?;
        let n_spans: usize = items.iter().map(|item| item.spans.len()).sum();
        if items.iter().any(|item| item.spans.is_empty()) || n_spans == 0 {
            return Err(ApiError::bad_request("expected at least one span of each series"));
        }
        if n_spans > MAX_SPANS && source != AnnotationSource::Import {
            return Err(ApiError::bad_request(format!(
                "at most {MAX_SPANS} spans may be painted at once, found {n_spans}"
            )));
        }
        let written = self.write(by.key, |state| {
            let mut entries = Vec::with_capacity(items.len());
            for item in items {
                let series = self.series(item.series)?;
                let n = series.len();
                if let Some(span) = item.spans.iter().find(|span| span.first > span.last || span.last >= n) {
                    let found = format!("{}..={}", span.first, span.last);
                    return Err(ApiError::bad_request(format!("a span must lie in 0..{n}, found {found}")));
                }
                let annotation = Annotated::Spans { spans: item.spans.clone() };
                let logged = LoggedAnnotation {
                    source,
                    question: None,
                    series: series.name().to_owned(),
                    times: times(&annotation, series, 0),
                    annotation,
                    comment: comment.cloned().filter(|comment| !comment.is_empty()),
                    step: None,
                    presence: Presence::Whole,
                };
                let mut entry = by.entry(state, LogAction::Annotate(Box::new(logged)));
                // A key is of the first of the entries.
                entry.client = entry.client.filter(|_| entries.is_empty());
                entries.push(entry);
            }
            Ok(entries)
        })?;
        Ok(written)
    }

    /// Takes back an expert's last step, or brings back the last one that was taken back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn step(&self, who: &str, back: bool, key: Option<&String>) -> Result<Value, ApiError> {
        let by = Request { who, seconds: 0.0, key };
        by.check(None)?;
        let written = self.write(key, |state| {
            let step = if back { state.annotations.next_undo(who) } else { state.annotations.next_redo(who) };
            let action_on = |target| if back { LogAction::Undo { target } } else { LogAction::Redo { target } };
            Ok(step.map(|target| by.entry(state, action_on(target))).into_iter().collect())
        })?;
        let mut state = self.lock();
        let entry = written.first().and_then(|number| state.annotations.entry(*number));
        let Some(LogAction::Undo { target } | LogAction::Redo { target }) = entry.map(|entry| &entry.action) else {
            return Ok(json!({ "entry": null }));
        };
        let Some(LogAction::Annotate(logged)) = state.annotations.entry(*target).map(|entry| entry.action.clone())
        else {
            return Ok(json!({ "entry": written[0] }));
        };
        let question = logged.question.as_ref().filter(|question| state.questions.contains_key(&question.id));
        let question = question.map(|question| {
            if back {
                self.hold(&mut state, who, question.id);
            }
            self.answered_question_json(&state, question.id, question.again, who)
        });
        let reply = json!({
            "entry": written[0],
            "what": if logged.question.is_some() { "answer" } else { "label" },
            "question": question.transpose()?,
            "series": self.data.index.get(&logged.series),
        });
        drop(state);
        self.suggestions_follow();
        Ok(reply)
    }

    /// Allows more questions. It takes effect with the next round.
    ///
    /// # Errors
    /// If nobody is asked, it is no more, or it cannot be written.
    pub(crate) fn raise_budget(&self, questions: usize) -> Result<Value, ApiError> {
        if self.settings.browses {
            return Err(ApiError::conflict("nobody is asked here", "open the session without `--browse`"));
        }
        let mut source = self.source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.check_open()?;
        let budget = self.lock().budget;
        if questions < budget || questions > 10_000_000 {
            return Err(ApiError::bad_request(format!(
                "`questions` must be in {budget}..=10000000, found {questions}"
            )));
        }
        let raised = DataSource { questions: Some(questions), ..source.clone() };
        raised.write(&self.folder)?;
        *source = raised;
        self.lock().budget = questions;
        self.notify();
        Ok(json!({ "budget": questions }))
    }

    /// Writes entries. `make` sees the state that they are made from; nothing else is written between.
    fn write(
        &self,
        key: Option<&String>,
        make: impl FnOnce(&State) -> Result<Vec<Entry>, ApiError>,
    ) -> Result<Vec<i64>, ApiError> {
        let mut log = self.lock_log();
        if let Some(number) = key.map(|key| log.of_client(key)).transpose()?.flatten() {
            return Ok(self.step_of(number));
        }
        self.check_open()?;
        let entries = make(&self.lock())?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.append(&mut log, entries)
    }

    fn append(&self, log: &mut AnswerLog, mut entries: Vec<Entry>) -> Result<Vec<i64>, ApiError> {
        let numbers = log.append_all(&entries)?;
        let mut state = self.lock();
        let first = numbers[0];
        for (number, entry) in numbers.iter().zip(entries.drain(..)) {
            let mut entry = entry;
            if let LogAction::Annotate(logged) = &mut entry.action
                && *number != first
            {
                logged.step = Some(first);
            }
            state.add(*number, entry);
        }
        drop(state);
        self.notify();
        Ok(numbers)
    }

    /// The entries of the step of an entry.
    fn step_of(&self, number: i64) -> Vec<i64> {
        let state = self.lock();
        let of_step = |(other, entry): (i64, &Entry)| {
            let is_of = matches!(&entry.action, LogAction::Annotate(logged) if logged.step == Some(number));
            (other == number || is_of).then_some(other)
        };
        let mut entries: Vec<i64> =
            state.annotations.latest_first().take_while(|(other, _)| *other >= number).filter_map(of_step).collect();
        entries.sort_unstable();
        entries
    }
}

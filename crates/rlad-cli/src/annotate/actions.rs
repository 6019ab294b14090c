//! What experts do. Each action is on disk before it is confirmed.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api_error::Refusal;
use super::{Desk, State};
use crate::log::{Act, AnswerLog, Asked, Entry, PlainSpan, Said, SaidLabel, SaidSpan, Saying, Source, times};

/// The longest name of an expert, and of a client's key.
const MAX_NAME: usize = 100;
/// The longest comment.
const MAX_COMMENT: usize = 10_000;
/// The most spans that are said at once.
const MAX_SPANS: usize = 100_000;
/// No answer took longer.
const MAX_SECONDS: f64 = 86_400.0;

/// An answer to a question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerRequest {
    /// The expert.
    pub(crate) who: String,
    /// The question's number.
    pub(crate) question: u64,
    /// What they say.
    pub(crate) said: Said,
    /// A remark.
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// The time that they took.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Whether the question was asked once more.
    #[serde(default)]
    pub(crate) again: bool,
    /// Repeated with a request that is sent once more.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// Labels that nobody asked for: of one series, or of several stretches at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelRequest {
    /// The expert.
    pub(crate) who: String,
    /// `free` or `similar`.
    pub(crate) source: Source,
    /// The series.
    #[serde(default)]
    pub(crate) series: Option<usize>,
    /// What is painted.
    #[serde(default)]
    pub(crate) spans: Vec<FreeLabel>,
    /// Several of these.
    #[serde(default)]
    pub(crate) items: Option<Vec<LabelItem>>,
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
    /// What is painted.
    pub(crate) spans: Vec<FreeLabel>,
}

/// A run of points that is labelled without a question.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreeLabel {
    first: usize,
    last: usize,
    label: FreeName,
}

/// What a run of points may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FreeName {
    Anomaly,
    Normal,
    Unknown,
    Expected,
}

impl FreeLabel {
    /// A run of points with a label; `None` is an expected event.
    pub(crate) const fn new(first: usize, last: usize, label: Option<rlad::Label>) -> Self {
        let label = match label {
            Some(rlad::Label::Anomaly) => FreeName::Anomaly,
            Some(rlad::Label::Normal) => FreeName::Normal,
            None => FreeName::Expected,
        };
        Self { first, last, label }
    }
}

impl Entry {
    /// Whether it answers a question.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(&self.act, Act::Said(saying) if saying.asked.is_some())
    }
}

/// What is the same in every entry of a request.
struct Request<'a> {
    who: &'a str,
    seconds: f64,
    key: Option<&'a String>,
}

impl Request<'_> {
    fn check(&self, comment: Option<&String>) -> Result<(), Refusal> {
        if self.who.trim().is_empty() || self.who.chars().count() > MAX_NAME {
            return Err(Refusal::wrong(format!("`who` must be a name of 1 to {MAX_NAME} characters")));
        }
        if self.key.is_some_and(|key| key.is_empty() || key.len() > MAX_NAME) {
            return Err(Refusal::wrong(format!("`key` must have 1 to {MAX_NAME} characters")));
        }
        if comment.is_some_and(|comment| comment.len() > MAX_COMMENT) {
            return Err(Refusal::wrong(format!("a comment may have {MAX_COMMENT} bytes")));
        }
        Ok(())
    }

    fn entry(&self, state: &State, act: Act) -> Entry {
        Entry {
            who: self.who.to_owned(),
            time: jiff::Timestamp::now(),
            taught: state.taught,
            seconds: if self.seconds.is_finite() { self.seconds.clamp(0.0, MAX_SECONDS) } else { 0.0 },
            client: self.key.cloned(),
            act,
        }
    }
}

impl Desk {
    /// Takes an answer in.
    ///
    /// # Errors
    /// If it does not fit, or cannot be written.
    pub(crate) fn answer(&self, request: &AnswerRequest) -> Result<Value, Refusal> {
        let by = Request { who: &request.who, seconds: request.seconds, key: request.key.as_ref() };
        by.check(request.comment.as_ref())?;
        let written = self.write(by.key, |state| {
            let asked = state
                .questions
                .get(&request.question)
                .ok_or_else(|| Refusal::missing(format!("there is no question {}", request.question)))?;
            let query = &asked.query;
            let series = &self.data.series[query.series];
            let saying = Saying {
                source: Source::Question,
                times: times(&request.said, series, query.point),
                asked: Some(Asked {
                    question: query.id,
                    round: query.round,
                    point: query.point,
                    reason: query.reason,
                    score: query.score,
                    model: if query.round == state.round {
                        state.detector.as_ref().map(|(hash, _)| hash.clone())
                    } else {
                        None
                    },
                    again: request.again,
                }),
                series: series.name().to_owned(),
                said: request.said.clone(),
                comment: request.comment.clone().filter(|comment| !comment.is_empty()),
                step: None,
            };
            self.reading().answer(&saying, &(query, asked.shown.clone()))?;
            Ok(vec![by.entry(state, Act::Said(Box::new(saying)))])
        })?;
        let mut state = self.lock();
        Self::release(&mut state, by.who, request.question);
        let next = self.deal(&mut state, by.who).map(|(id, again)| self.question_json(&state, id, again));
        let asked = state.questions.get(&request.question);
        let score = asked.map(|asked| asked.query.score).filter(|score| score.is_finite());
        let of_round = asked.is_some_and(|asked| asked.query.round == state.round);
        let threshold = state.detector.as_ref().map(|(_, threshold)| *threshold).filter(|_| of_round);
        Ok(json!({
            "entry": written[0],
            "score": score,
            "threshold": threshold,
            "n_similar_hint": null,
            "next": next,
        }))
    }

    /// Takes labels in that nobody asked for.
    ///
    /// # Errors
    /// If they do not fit, or cannot be written.
    pub(crate) fn label(&self, request: &LabelRequest) -> Result<Value, Refusal> {
        if !matches!(request.source, Source::Free | Source::Similar) {
            return Err(Refusal::wrong("`source` must be `free` or `similar`"));
        }
        let items = match (&request.items, request.series) {
            (Some(items), None) if request.spans.is_empty() => items.clone(),
            (None, Some(series)) => vec![LabelItem { series, spans: request.spans.clone() }],
            _ => return Err(Refusal::wrong("expected either `series` and `spans`, or `items` of them")),
        };
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
        source: Source,
        items: &[LabelItem],
        comment: Option<&String>,
        seconds: f64,
        key: Option<&String>,
    ) -> Result<Vec<i64>, Refusal> {
        let by = Request { who, seconds, key };
        by.check(comment)?;
        let n_spans: usize = items.iter().map(|item| item.spans.len()).sum();
        if items.iter().any(|item| item.spans.is_empty()) || n_spans == 0 {
            return Err(Refusal::wrong("expected at least one span of each series"));
        }
        if n_spans > MAX_SPANS && source != Source::Import {
            return Err(Refusal::wrong(format!("at most {MAX_SPANS} spans may be painted at once, found {n_spans}")));
        }
        let written = self.write(by.key, |state| {
            let mut entries = Vec::with_capacity(items.len());
            for item in items {
                for said in self.said_of(item)? {
                    let series = &self.data.series[item.series];
                    let saying = Saying {
                        source,
                        asked: None,
                        series: series.name().to_owned(),
                        times: times(&said, series, 0),
                        said,
                        comment: comment.cloned().filter(|comment| !comment.is_empty()),
                        step: None,
                    };
                    let mut entry = by.entry(state, Act::Said(Box::new(saying)));
                    // A key is of the first of the entries.
                    entry.client = entry.client.filter(|_| entries.is_empty());
                    entries.push(entry);
                }
            }
            Ok(entries)
        })?;
        Ok(written)
    }

    /// Takes back an expert's last step, or brings back the last one that was taken back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn step(&self, who: &str, back: bool, key: Option<&String>) -> Result<Value, Refusal> {
        let by = Request { who, seconds: 0.0, key };
        by.check(None)?;
        let written = self.write(key, |state| {
            let step = if back { state.standing.next_undo(who) } else { state.standing.next_redo(who) };
            let act = |target| if back { Act::Undo { target } } else { Act::Redo { target } };
            Ok(step.map(|target| by.entry(state, act(target))).into_iter().collect())
        })?;
        let mut state = self.lock();
        let entry = written.first().and_then(|number| state.standing.entry(*number));
        let Some(Act::Undo { target } | Act::Redo { target }) = entry.map(|entry| &entry.act) else {
            return Ok(json!({ "entry": null }));
        };
        let Some(Act::Said(saying)) = state.standing.entry(*target).map(|entry| entry.act.clone()) else {
            return Ok(json!({ "entry": written[0] }));
        };
        let question = saying.asked.as_ref().filter(|asked| state.questions.contains_key(&asked.question));
        let question = question.map(|asked| {
            if back {
                self.hold(&mut state, who, asked.question);
            }
            self.answered_question_json(&state, asked.question, asked.again, who)
        });
        Ok(json!({
            "entry": written[0],
            "what": if saying.asked.is_some() { "answer" } else { "label" },
            "question": question.transpose()?,
            "series": self.data.index.get(&saying.series),
        }))
    }

    /// Allows more questions. It takes effect with the next round.
    ///
    /// # Errors
    /// If nobody is asked, it is no more, or it cannot be written.
    pub(crate) fn raise_budget(&self, questions: usize) -> Result<Value, Refusal> {
        if self.settings.browses {
            return Err(Refusal::conflict("nobody is asked here", "open the session without `--browse`"));
        }
        let mut recorded = self.recorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let budget = self.lock().budget;
        if questions < budget || questions > 10_000_000 {
            return Err(Refusal::wrong(format!("`questions` must be in {budget}..=10000000, found {questions}")));
        }
        let raised = super::Recorded { questions: Some(questions), ..recorded.clone() };
        raised.write(&self.folder)?;
        *recorded = raised;
        self.lock().budget = questions;
        self.tell();
        Ok(json!({ "budget": questions }))
    }

    /// Writes entries. `make` sees the state that they are made from; nothing else is written between.
    fn write(
        &self,
        key: Option<&String>,
        make: impl FnOnce(&State) -> Result<Vec<Entry>, Refusal>,
    ) -> Result<Vec<i64>, Refusal> {
        let mut log = self.lock_log();
        if let Some(number) = key.map(|key| log.of_client(key)).transpose()?.flatten() {
            return Ok(self.step_of(number));
        }
        let entries = make(&self.lock())?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.append(&mut log, entries)
    }

    fn append(&self, log: &mut AnswerLog, mut entries: Vec<Entry>) -> Result<Vec<i64>, Refusal> {
        let numbers = log.append_all(&entries)?;
        let mut state = self.lock();
        let first = numbers[0];
        for (number, entry) in numbers.iter().zip(entries.drain(..)) {
            let mut entry = entry;
            if let Act::Said(saying) = &mut entry.act
                && *number != first
            {
                saying.step = Some(first);
            }
            state.add(*number, entry);
        }
        drop(state);
        self.tell();
        Ok(numbers)
    }

    /// The entries of the step of an entry.
    fn step_of(&self, number: i64) -> Vec<i64> {
        let state = self.lock();
        let of_step = |(other, entry): (i64, &Entry)| {
            let is_of = matches!(&entry.act, Act::Said(saying) if saying.step == Some(number));
            (other == number || is_of).then_some(other)
        };
        let mut entries: Vec<i64> =
            state.standing.latest_first().take_while(|(other, _)| *other >= number).filter_map(of_step).collect();
        entries.sort_unstable();
        entries
    }

    /// What labels of a series say: marks, and expected events.
    fn said_of(&self, item: &LabelItem) -> Result<Vec<Said>, Refusal> {
        let n = self.series(item.series)?.len();
        if let Some(span) = item.spans.iter().find(|span| span.first > span.last || span.last >= n) {
            let found = format!("{}..={}", span.first, span.last);
            return Err(Refusal::wrong(format!("a span must lie in 0..{n}, found {found}")));
        }
        let mut said = Vec::new();
        // Spans of a kind stay together, in their order: what was painted last stands.
        for run in item.spans.chunk_by(|a, b| (a.label == FreeName::Expected) == (b.label == FreeName::Expected)) {
            said.push(if run[0].label == FreeName::Expected {
                Said::Expected { spans: run.iter().map(|of| PlainSpan { first: of.first, last: of.last }).collect() }
            } else {
                let label = |name| match name {
                    FreeName::Anomaly => SaidLabel::Anomaly,
                    FreeName::Normal => SaidLabel::Normal,
                    FreeName::Unknown | FreeName::Expected => SaidLabel::Unknown,
                };
                let span = |of: &FreeLabel| SaidSpan { first: of.first, last: of.last, label: label(of.label) };
                Said::Spans { spans: run.iter().map(span).collect() }
            });
        }
        Ok(said)
    }
}

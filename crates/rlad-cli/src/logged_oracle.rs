//! An expert whose answers are in the log of the session before the next question is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use rlad::active::{Feedback, Question, Reply};
use rlad::config::ExpertsConfig;
use rlad::{Answer, Cause, Oracle, Query, Series, Session};

use crate::log::{
    Annotated, AnnotationSource, AnnotationState, AnswerLog, AnsweredQuestion, Entry, LogAction, LoggedAnnotation,
    Presence, Reading, index_of, move_to, times,
};

/// The log of a session, with its entries.
#[derive(Debug)]
pub(crate) struct SessionLog {
    log: AnswerLog,
    entries: Vec<(i64, Entry)>,
    index: BTreeMap<String, usize>,
}

impl SessionLog {
    /// Opens the log in a file, or makes it.
    ///
    /// # Errors
    /// Those of [`AnswerLog::open`] and [`AnswerLog::entries`].
    pub(crate) fn open(path: &Path, series: &[Series]) -> anyhow::Result<Self> {
        let log = AnswerLog::open(path)?;
        let (mut entries, index) = (log.entries()?, index_of(series));
        move_to(&mut entries, series, &index);
        Ok(Self { entries, log, index })
    }

    /// Whether the log has answers to questions that the session has not learned from.
    pub(crate) fn has_answers_since(&self, session: &Session) -> bool {
        let first = session.next_question();
        self.state(usize::MAX).iter().any(|(.., logged)| answered_since(logged, first).is_some())
    }

    /// Makes the questions that the log has answers to those of the session's round, where they are not those that the round would ask:
    /// they were asked before the data grew, or about alarms.
    pub(crate) fn restore_round(&self, session: &mut Session) {
        let first = session.next_question();
        let state = self.state(usize::MAX);
        let mut asked: Vec<(Query, Range<usize>)> = Vec::new();
        for (_, _, logged) in state.iter() {
            let Some(question) = answered_since(logged, first) else { continue };
            let Some(&series) = self.index.get(&logged.series) else { continue };
            let AnsweredQuestion { id, round, point, reason, score, .. } = *question;
            let query = Query { id, round, series, point, reason, score };
            let spans = logged.annotation.spans();
            let mut shown = session.shown(&query);
            shown.start = spans.iter().map(|span| span.first).fold(shown.start, usize::min);
            shown.end = spans.iter().map(|span| span.last + 1).fold(shown.end, usize::max);
            asked.push((query, shown));
        }
        asked.sort_by_key(|(query, _)| query.id);
        asked.dedup_by_key(|(query, _)| query.id);
        if asked.is_empty() {
            return;
        }
        // The round of a copy: choosing questions leaves traces.
        let mut copy = session.clone();
        let mut is_of_round = |query: &Query| {
            let of_round = copy.query().iter().find(|other| other.id == query.id);
            of_round.is_some_and(|other| (other.series, other.point) == (query.series, query.point))
        };
        if !asked.iter().all(|(query, _)| is_of_round(query)) {
            session.restore_round(asked);
        }
    }

    /// The feedback of experts that the session's round learns from.
    ///
    /// # Errors
    /// If an entry does not fit the series.
    pub(crate) fn feedback(&self, session: &mut Session) -> anyhow::Result<Vec<Feedback>> {
        let state = self.state(session.round());
        let pending = session.query().to_vec();
        let config = session.config();
        let reading = Reading {
            series: session.series(),
            index: &self.index,
            kind: config.query.answers,
            experts: &config.experts,
        };
        reading.feedback(&state, session, &pending)
    }

    /// The state of the annotations that a round learns from.
    fn state(&self, round: usize) -> AnnotationState {
        AnnotationState::of(self.entries.iter().filter(|(_, entry)| entry.taught <= round).cloned())
    }

    fn append(&mut self, entry: Entry) -> anyhow::Result<()> {
        let number = self.log.append(&entry)?;
        self.entries.push((number, entry));
        Ok(())
    }
}

/// An expert whose answers are logged. A question that the log has an answer to is not asked, unless the expert takes that
/// answer back.
pub(crate) struct LoggedOracle<'a> {
    log: &'a mut SessionLog,
    expert: &'a mut dyn Oracle,
    /// The name under which answers are logged.
    name: &'a str,
    series: &'a [Series],
    experts: &'a ExpertsConfig,
    /// The round whose questions are asked, and the annotations before its first question.
    round: Option<(usize, AnnotationState)>,
    /// The questions of the round that have an answer, in order.
    answered: Vec<u64>,
    /// The questions whose answers were looked for in the log.
    looked_up: BTreeSet<u64>,
}

impl<'a> LoggedOracle<'a> {
    /// An expert of this name, whose answers about these series are logged.
    pub(crate) fn new(
        log: &'a mut SessionLog,
        expert: &'a mut dyn Oracle,
        name: &'a str,
        series: &'a [Series],
        experts: &'a ExpertsConfig,
    ) -> Self {
        Self { log, expert, name, series, experts, round: None, answered: Vec::new(), looked_up: BTreeSet::new() }
    }

    /// The answer of the log to a question, where it has one and was not asked for it before.
    fn logged(&mut self, question: &Question<'_>) -> anyhow::Result<Option<Answer>> {
        let round = question.query.round;
        if self.round.as_ref().is_none_or(|(of, _)| *of != round) {
            self.round = Some((round, self.log.state(round)));
            self.answered.clear();
        }
        if !self.looked_up.insert(question.query.id) {
            return Ok(None);
        }
        let Some((_, state)) = &self.round else { return Ok(None) };
        let reading =
            Reading { series: self.series, index: &self.log.index, kind: question.kind, experts: self.experts };
        let resolved = reading.resolved(state, &(question.query, question.shown.clone()))?;
        Ok(resolved.map(|(_, answer)| answer))
    }

    fn append(&mut self, round: usize, asked: Instant, action: LogAction) -> anyhow::Result<()> {
        self.log.append(Entry {
            who: self.name.to_owned(),
            time: jiff::Timestamp::now(),
            taught: round,
            seconds: asked.elapsed().as_secs_f64(),
            client: None,
            action,
        })
    }
}

impl Oracle for LoggedOracle<'_> {
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause> {
        if let Some(answer) = self.logged(question)? {
            self.answered.push(question.query.id);
            return Ok(Reply::Answer(answer));
        }
        let asked = Instant::now();
        let reply = self.expert.answer(question)?;
        let round = question.query.round;
        let said = match &reply {
            Reply::Answer(answer) => Some(Annotated::from(answer)),
            Reply::Mark(mark) => Some(Annotated::from(mark)),
            Reply::Undo | Reply::Stop => None,
        };
        if let Some(said) = said {
            self.append(round, asked, LogAction::Annotate(Box::new(logged(question, said))))?;
            self.answered.push(question.query.id);
        }
        match reply {
            Reply::Answer(_) | Reply::Mark(_) | Reply::Stop => {}
            // The answers of an earlier round are learned; there is nothing of this round to take back before its first
            // question.
            Reply::Undo => {
                if let Some(question) = self.answered.pop() {
                    self.append(round, asked, LogAction::Withdraw { question })?;
                }
            }
        }
        Ok(reply)
    }
}

/// The question that an annotation answers, where it is a later one than those before `first`.
fn answered_since(logged: &LoggedAnnotation, first: u64) -> Option<&AnsweredQuestion> {
    logged.question.as_ref().filter(|question| question.id >= first)
}

/// The annotation of a question as the log has it.
fn logged(question: &Question<'_>, annotation: Annotated) -> LoggedAnnotation {
    let query = question.query;
    LoggedAnnotation {
        source: AnnotationSource::Question,
        question: Some(AnsweredQuestion {
            id: query.id,
            round: query.round,
            point: query.point,
            reason: query.reason,
            score: query.score,
            model: None,
            again: false,
        }),
        series: question.series.name().to_owned(),
        times: times(&annotation, question.series, query.point),
        annotation,
        comment: None,
        step: None,
        presence: Presence::Whole,
    }
}

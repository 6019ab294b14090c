//! An expert whose answers are in the log of the session before the next question is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use rlad::active::{Feedback, Question, Reply};
use rlad::config::ExpertsConfig;
use rlad::{Answer, Cause, Oracle, Series, Session};

use crate::log::{
    Annotated, AnnotationSource, AnnotationState, AnswerLog, AnsweredQuestion, Entry, LogAction, LoggedAnnotation,
    Reading, index_of, times,
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
        Ok(Self { entries: log.entries()?, log, index: index_of(series) })
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
        let queries = session.answered().iter().map(|(query, _)| query).chain(&pending);
        reading.feedback(&state, queries.map(|query| (query, session.shown(query))))
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
    }
}

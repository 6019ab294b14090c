//! Putting questions to an expert: an answer is in the log before the next question is asked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use rlad::active::{Feedback, Question, Reply};
use rlad::config::{AnswerKind, ExpertsConfig};
use rlad::{Answer, Oracle, Query, Series, Session};

use crate::log::{
    Act, AnnotationState, AnswerLog, Asked as AskedAbout, Entry, Reading, Said, Saying, Source, index_of, times,
};

/// What came of asking some questions.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Each has its answer.
    All(Vec<(u64, Answer)>),
    /// The expert stopped after these.
    Stopped(Vec<(u64, Answer)>),
}

/// What stays the same from question to question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    /// The series that the questions are about.
    pub(crate) series: &'a [Series],
    /// What an answer labels.
    pub(crate) kind: AnswerKind,
    /// The questions that were answered before.
    pub(crate) n_answered: usize,
    /// The questions that may be asked in all.
    pub(crate) budget: usize,
    /// The name under which answers are logged.
    pub(crate) who: &'a str,
    /// What is made of the answers of people.
    pub(crate) experts: &'a ExpertsConfig,
}

/// The log of a session, and what stands of it.
#[derive(Debug)]
pub(crate) struct Log {
    log: AnswerLog,
    entries: Vec<(i64, Entry)>,
    index: BTreeMap<String, usize>,
}

impl Log {
    /// Opens the log in a file, or makes it.
    pub(crate) fn open(path: &Path, series: &[Series]) -> anyhow::Result<Self> {
        let log = AnswerLog::open(path)?;
        Ok(Self { entries: log.entries()?, log, index: index_of(series) })
    }

    /// The answers to questions: those that the log holds already, and the expert's to the rest. `shown` tells the points that
    /// are shown with a question.
    pub(crate) fn ask(
        &mut self,
        queries: &[Query],
        oracle: &mut dyn Oracle,
        about: About<'_>,
        shown: impl Fn(&Query) -> Range<usize>,
    ) -> anyhow::Result<Asked> {
        let known = queries.first().map_or_else(AnnotationState::default, |query| self.standing(query.round));
        let reading = Reading { series: about.series, index: &self.index, kind: about.kind, experts: about.experts };
        let mut known = queries
            .iter()
            .map(|query| Ok(reading.resolved(&known, &(query, shown(query)))?.map(|(_, answer)| answer)))
            .collect::<anyhow::Result<Vec<Option<Answer>>>>()?;
        let mut answers: Vec<(u64, Answer)> = Vec::with_capacity(queries.len());
        while let Some(query) = queries.get(answers.len()) {
            if let Some(answer) = known[answers.len()].take() {
                answers.push((query.id, answer));
                continue;
            }
            let question = Question {
                query,
                series: &about.series[query.series],
                shown: shown(query),
                kind: about.kind,
                n_answered: about.n_answered + answers.len(),
                budget: about.budget,
            };
            let asked = Instant::now();
            let reply = oracle.answer(&question).map_err(anyhow::Error::from_boxed)?;
            let entry = |act: Act| Entry {
                who: about.who.to_owned(),
                time: jiff::Timestamp::now(),
                taught: query.round,
                seconds: asked.elapsed().as_secs_f64(),
                client: None,
                act,
            };
            match reply {
                Reply::Answer(answer) => {
                    let said = Said::from(&answer);
                    let series = &about.series[query.series];
                    let saying = Saying {
                        source: Source::Question,
                        asked: Some(AskedAbout {
                            question: query.id,
                            round: query.round,
                            point: query.point,
                            reason: query.reason,
                            score: query.score,
                            model: None,
                            again: false,
                        }),
                        series: series.name().to_owned(),
                        times: times(&said, series, query.point),
                        said,
                        comment: None,
                        step: None,
                    };
                    self.append(entry(Act::Said(Box::new(saying))))?;
                    answers.push((query.id, answer));
                }
                // What an earlier round has taught is learned; there is nothing of this round to take back before its first
                // question.
                Reply::Undo => {
                    if answers.pop().is_some() {
                        self.append(entry(Act::Withdraw { question: queries[answers.len()].id }))?;
                    }
                }
                Reply::Stop => return Ok(Asked::Stopped(answers)),
            }
        }
        Ok(Asked::All(answers))
    }

    /// All that stands of what a session's round learns from.
    pub(crate) fn feedback(&self, session: &mut Session, series: &[Series]) -> anyhow::Result<Vec<Feedback>> {
        let standing = self.standing(session.round());
        let pending = session.query().to_vec();
        let config = session.config();
        let reading = Reading { series, index: &self.index, kind: config.query.answers, experts: &config.experts };
        let queries = session.answered().iter().map(|(query, _)| query).chain(&pending);
        reading.feedback(&standing, queries.map(|query| (query, session.shown(query))))
    }

    /// What stands of the entries that a round learns from.
    fn standing(&self, round: usize) -> AnnotationState {
        AnnotationState::of(self.entries.iter().filter(|(_, entry)| entry.taught <= round).cloned())
    }

    fn append(&mut self, entry: Entry) -> anyhow::Result<()> {
        let number = self.log.append(&entry)?;
        self.entries.push((number, entry));
        Ok(())
    }
}

//! Putting questions to an expert: an answer is in the log before the next question is asked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use rlad::{Answer, AnswerKind, Oracle, Query, Question, Reply, Series};

use crate::Advice;
use crate::log::{AnswerLog, Entry};

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
}

/// The log of a session, and the answers that stood in it when it was opened.
#[derive(Debug)]
pub(crate) struct Log {
    log: AnswerLog,
    known: BTreeMap<u64, Entry>,
}

impl Log {
    /// Opens the log in a file, or makes it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let log = AnswerLog::open(path)?;
        let known = log.answers()?.into_iter().map(|entry| (entry.question, entry)).collect();
        Ok(Self { log, known })
    }

    /// The answers to questions: those that the log holds already, and the expert's to the rest. `shown` tells the points that
    /// are shown with a question.
    pub(crate) fn ask(
        &self,
        queries: &[Query],
        oracle: &mut dyn Oracle,
        about: About<'_>,
        shown: impl Fn(&Query) -> Range<usize>,
    ) -> anyhow::Result<Asked> {
        let mut answers: Vec<(u64, Answer)> = Vec::with_capacity(queries.len());
        let mut from_log = true;
        while let Some(query) = queries.get(answers.len()) {
            let series = &about.series[query.series];
            if let Some(entry) = self.known.get(&query.id).filter(|_| from_log) {
                if entry.series != series.name() || entry.point != query.point {
                    return Err(misfit(entry, query, series));
                }
                if let Some(answer) = &entry.answer {
                    answers.push((query.id, answer.clone()));
                    continue;
                }
            }
            from_log = false;
            let question = Question {
                query,
                series,
                shown: shown(query),
                kind: about.kind,
                n_answered: about.n_answered + answers.len(),
                budget: about.budget,
            };
            let asked = Instant::now();
            let reply = oracle.answer(&question).map_err(anyhow::Error::from_boxed)?;
            let entry = |query: &Query, answer: Option<Answer>| Entry {
                who: about.who.to_owned(),
                time: jiff::Timestamp::now(),
                question: query.id,
                round: query.round,
                series: about.series[query.series].name().to_owned(),
                point: query.point,
                reason: query.reason,
                timestamp: about.series[query.series].timestamps()[query.point],
                answer,
                seconds: asked.elapsed().as_secs_f64(),
                score: query.score,
            };
            match reply {
                Reply::Answer(answer) => {
                    self.log.append(&entry(query, Some(answer.clone())))?;
                    answers.push((query.id, answer));
                }
                // What an earlier round has taught is learned; there is nothing of this round to take back before its first
                // question.
                Reply::Undo => {
                    if answers.pop().is_some() {
                        self.log.append(&entry(&queries[answers.len()], None))?;
                    }
                }
                Reply::Stop => return Ok(Asked::Stopped(answers)),
            }
        }
        Ok(Asked::All(answers))
    }
}

fn misfit(entry: &Entry, query: &Query, series: &Series) -> anyhow::Error {
    Advice::error(
        format!(
            "the answer log does not fit the session: question {} is about point {} of `{}`, but the log has an answer about \
             point {} of `{}`",
            query.id,
            query.point,
            series.name(),
            entry.point,
            entry.series
        ),
        "the data, the settings or the program have changed; begin a new session in another folder".to_owned(),
    )
}

//! Rounds that an oracle answers.

use std::sync::Arc;

use super::{RoundSummary, Session};
use crate::active::oracle::{Oracle, Question, Reply};
use crate::active::query::Query;
use crate::data::label::Answer;
use crate::data::series::Series;
use crate::error::{Error, Result};

/// An oracle's answers to the questions of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundAnswers {
    /// By question number, in the order of the questions; the rest have none where the oracle stopped.
    pub answers: Vec<(u64, Answer)>,
    /// Whether the oracle ended the session.
    pub is_stopped: bool,
}

/// The rounds of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// Each round that was learned from, in order.
    pub rounds: Vec<RoundSummary>,
    /// Whether the oracle ended the session; else the budget is spent, or nothing is left to ask.
    pub is_stopped: bool,
}

impl Session {
    /// Asks an oracle and learns from its answers, round by round, until the budget is spent, nothing is left to ask, or the oracle
    /// stops. What it answered before it stopped is learned from. The same budget with more calls, or with [`Self::set_questions`]
    /// between them, goes on.
    ///
    /// # Errors
    /// [`Error::Oracle`] if the oracle cannot answer, and those of [`Self::teach`]; whole rounds before that stand.
    pub fn run<O: Oracle + ?Sized>(&mut self, oracle: &mut O) -> Result<RunSummary> {
        let mut run = RunSummary::default();
        while !run.is_stopped {
            let RoundAnswers { answers, is_stopped } = self.ask(oracle)?;
            if answers.is_empty() {
                return Ok(RunSummary { is_stopped, ..run });
            }
            run.rounds.push(self.teach(&answers)?);
            run.is_stopped = is_stopped;
        }
        Ok(run)
    }

    /// Asks an oracle the questions of the round, in order, and learns nothing yet: [`Self::teach`] takes the answers. No answers where
    /// [`Self::query`] has no questions.
    ///
    /// # Errors
    /// [`Error::Oracle`] if the oracle cannot answer.
    pub fn ask<O: Oracle + ?Sized>(&mut self, oracle: &mut O) -> Result<RoundAnswers> {
        let queries = self.query().to_vec();
        let series = Arc::clone(&self.series);
        let question = |(at, query): (usize, _)| self.question(at, query, &series);
        let questions: Vec<Question<'_>> = queries.iter().enumerate().map(question).collect();
        ask(oracle, &questions)
    }

    fn question<'a>(&self, at: usize, query: &'a Query, series: &'a [Series]) -> Question<'a> {
        Question {
            query,
            series: &series[query.series],
            shown: self.shown(query),
            kind: self.config.query.answers,
            n_answered: self.n_answered() + at,
            budget: self.config.questions,
        }
    }
}

/// Asks an oracle questions, in order.
///
/// An oracle that takes an answer back is asked that question again; there is nothing to take back before the first question.
///
/// # Errors
/// [`Error::Oracle`] if the oracle cannot answer.
pub fn ask<O: Oracle + ?Sized>(oracle: &mut O, questions: &[Question<'_>]) -> Result<RoundAnswers> {
    let mut answers: Vec<(u64, Answer)> = Vec::with_capacity(questions.len());
    while let Some(question) = questions.get(answers.len()) {
        let id = question.query.id;
        match oracle.answer(question).map_err(|source| Error::Oracle { question: id, source })? {
            Reply::Answer(answer) => answers.push((id, answer)),
            Reply::Mark(mark) => answers.push((id, mark.answer(question.series, &question.allowed()))),
            Reply::Undo => drop(answers.pop()),
            Reply::Stop => return Ok(RoundAnswers { answers, is_stopped: true }),
        }
    }
    Ok(RoundAnswers { answers, is_stopped: false })
}

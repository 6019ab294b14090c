//! Experts' annotations that nobody asked for: labels of any points, and other answers to questions that were learned from.
//!
//! All that stands is taught anew in each round, in the order in which it was said, so that what was said last holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{RoundSummary, Session};
use crate::active::query::Query;
use crate::data::label::{Answer, Label, Labels, Span};
use crate::error::{Error, Result};

/// One thing that experts said, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    /// The answer to a question of the round, or of an earlier one.
    Answer {
        /// The question's number.
        question: u64,
        /// The answer.
        answer: Answer,
    },
    /// Labels that nobody asked for. Points outside of the training part, and missing ones, are passed over.
    Unprompted {
        /// The index of the series in the session's data.
        series: usize,
        /// The spans that were painted; a later span stands over an earlier one.
        spans: Vec<Span<Option<Label>>>,
    },
}

impl Session {
    /// Learns from all that experts said so far, in the order in which it was said: answers to the questions of the round and
    /// of earlier ones, each question once, and labels that nobody asked for. A question of an earlier round that is missing
    /// counts as skipped; one of this round is dropped. The round ends.
    ///
    /// With the answers alone, in the order of their questions, it does what [`Self::teach`] does, to the same bytes.
    ///
    /// # Errors
    /// [`Error::Answer`] if an answer does not fit its question, [`Error::NotFound`] if a series is not one of the session's;
    /// [`Error::RoundDiverged`] if the loss is not finite; nothing is learned then, and the round goes on.
    pub fn teach_all(&mut self, feedback: &[Feedback]) -> Result<RoundSummary> {
        let pending = self.query().to_vec();
        let answers = self.checked_answers(&pending, feedback)?;
        self.transact(|session| {
            let before = session.predictions_before();
            let answer = |query: &Query| answers.get(&query.id).map(|answer| (*answer).clone());
            let mut answered: Vec<(Query, Answer)> = Vec::with_capacity(session.answered.len() + pending.len());
            for (query, _) in std::mem::take(&mut session.answered) {
                let answer = answer(&query).unwrap_or(Answer::Skip);
                answered.push((query, answer));
            }
            for query in pending {
                if let Some(answer) = answer(&query) {
                    session.asked.insert(query.series, query.point);
                    answered.push((query, answer));
                }
            }
            session.answered = answered;
            session.labels = session.labels_of(feedback);
            let is_unprompted = |item: &Feedback| matches!(item, Feedback::Unprompted { .. });
            let says_more =
                feedback.iter().any(is_unprompted) || session.labels_of(&session.as_feedback()) != session.labels;
            session.feedback = if says_more { feedback.to_vec() } else { Vec::new() };
            session.end_round(before)
        })
    }

    /// The feedback so far, with answers to the questions of the round.
    pub(super) fn with(&self, answers: &[(u64, Answer)]) -> Vec<Feedback> {
        let answers = answers.iter().map(|(question, answer)| (*question, answer));
        let of_round = answers.map(|(question, answer)| Feedback::Answer { question, answer: answer.clone() });
        self.feedback.iter().cloned().chain(of_round).collect()
    }

    pub(super) fn as_feedback(&self) -> Vec<Feedback> {
        let answered = self.answered.iter();
        answered.map(|(query, answer)| Feedback::Answer { question: query.id, answer: answer.clone() }).collect()
    }

    /// The answers by question, once all of what was said is found to fit.
    pub(super) fn checked_answers<'a>(
        &self,
        pending: &[Query],
        feedback: &'a [Feedback],
    ) -> Result<BTreeMap<u64, &'a Answer>> {
        let earlier = self.answered.iter().map(|(query, _)| query);
        let queries: BTreeMap<u64, &Query> = earlier.chain(pending).map(|query| (query.id, query)).collect();
        let mut answers = BTreeMap::new();
        for item in feedback {
            match item {
                Feedback::Answer { question, answer } => {
                    let wrong = |problem: &str| Error::Answer { question: *question, problem: problem.to_owned() };
                    let query = queries.get(question).ok_or_else(|| wrong("is to a question that was not asked"))?;
                    self.check(query, answer)?;
                    if answers.insert(*question, answer).is_some() {
                        return Err(wrong("is not the only one that stands"));
                    }
                }
                Feedback::Unprompted { series, .. } if *series >= self.pool.series.len() => {
                    let what = format!("series {series}");
                    return Err(Error::NotFound { what, place: "the session's data".to_owned() });
                }
                Feedback::Unprompted { .. } => {}
            }
        }
        Ok(answers)
    }

    /// The labels that feedback come to. What was withdrawn is known as skipped, under all that was said.
    pub(super) fn labels_of(&self, feedback: &[Feedback]) -> Vec<Labels> {
        let mut labels = vec![Labels::default(); self.pool.series.len()];
        let queries: BTreeMap<u64, &Query> = self.answered.iter().map(|(query, _)| (query.id, query)).collect();
        let said: std::collections::BTreeSet<u64> = feedback
            .iter()
            .filter_map(|item| match item {
                Feedback::Answer { question, .. } => Some(*question),
                Feedback::Unprompted { .. } => None,
            })
            .collect();
        for (query, _) in self.answered.iter().filter(|(query, _)| !said.contains(&query.id)) {
            labels[query.series].teach(query.point, &Answer::Skip);
        }
        for item in feedback {
            match item {
                Feedback::Answer { question, answer } => {
                    if let Some(query) = queries.get(question) {
                        labels[query.series].teach(query.point, answer);
                    }
                }
                Feedback::Unprompted { series, spans } => {
                    let training = &self.pool.series[*series].training;
                    for span in spans {
                        let points = span.first.max(training.start)..span.last.saturating_add(1).min(training.end);
                        for point in points.filter(|point| self.pool.has((*series, *point))) {
                            labels[*series].set(point, span.label);
                        }
                    }
                }
            }
        }
        labels
    }
}

//! What a session's detector rests on.

use serde::Serialize;

use super::Session;
use super::quality::MIN_RANDOM;
use crate::active::query::Reason;
use crate::data::label::{Answer, Label, Labels};

/// What the detector of a session rests on: how much its answers count, and what they leave open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Grounds {
    /// The answers that labelled a point: neither *unsure* nor *skip*.
    pub answers: usize,
    /// The points that are labelled as anomalies.
    pub anomalies: usize,
    /// The points that are labelled as normal.
    pub normal: usize,
    /// The share of what was learned that counts, in `[0, 1]`; the rest is what is rare in each series. 1 without a prior.
    pub evidence: f64,
    /// The number of answers at which that share is a half; 0 without a prior.
    pub answers_for_half: usize,
    /// The series that are trained on.
    pub series: usize,
    /// Those of them without a labelled point.
    pub series_without_answer: usize,
    /// The answers to questions that were drawn at random, on which the expected quality rests.
    pub random_answers: usize,
    /// The number of them below which no quality is expected.
    pub random_answers_needed: usize,
}

impl Grounds {
    /// Whether what was learned decides: both kinds of label, and nine tenths of its weight.
    ///
    /// Below that the detector moves little from one round to the next because its answers count little, not because it knows.
    #[must_use]
    pub fn is_firm(&self) -> bool {
        self.anomalies > 0 && self.normal > 0 && self.evidence >= 0.9
    }
}

impl Session {
    /// What the detector rests on, as the session stands.
    #[must_use]
    pub fn grounds(&self) -> Grounds {
        let agent = &self.config.agent;
        let n_series = self.pool.series.len();
        let labelled = self.answered.iter().filter(|(_, answer)| matches!(answer, Answer::Spans(_)));
        Grounds {
            answers: self.n_labelling(),
            anomalies: self.count(Label::Anomaly),
            normal: self.count(Label::Normal),
            evidence: if agent.has_prior() { self.evidence() } else { 1.0 },
            answers_for_half: if agent.has_prior() {
                agent.prior.answers_for_half(n_series).ceil() as usize
            } else {
                0
            },
            series: n_series,
            series_without_answer: self.labels.iter().filter(|labels| Labels::len(labels) == 0).count(),
            random_answers: labelled.filter(|(query, _)| query.reason == Reason::Random).count(),
            random_answers_needed: MIN_RANDOM,
        }
    }
}

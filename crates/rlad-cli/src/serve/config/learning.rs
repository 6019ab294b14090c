//! Settings of when models are made, from what and by whose answers.

use rlad::config::{Config, DecisionConfig, Direction, Goal, Length};
use serde::{Deserialize, Serialize};

use super::units::Period;
use super::{Problem, check, check_count, check_time};

/// When values are asked for and models are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SchedulerConfig {
    /// The time between two questions to the database, above 0; the step of each query where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub infer_every: Option<Period>,
    /// The time after which a model is made anew, above 0.
    pub fit_every: Period,
    /// How much of the past a model is made from.
    pub fit_window: Period,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self { infer_every: None, fit_every: Period::from_secs(86_400), fit_window: Period::from_secs(14 * 86_400) }
    }
}

impl SchedulerConfig {
    /// `sampling_period` is the time between two points.
    pub(super) fn check(&self, sampling_period: Period) -> Result<(), Problem> {
        self.infer_every.map_or(Ok(()), |every| check_time("scheduler.infer_every", every))?;
        check_time("scheduler.fit_every", self.fit_every)?;
        check(self.fit_window.millis() / 100 >= sampling_period.millis(), || {
            let hint = "a model needs some days of values, better two weeks".to_owned();
            let expected = format!("at least 100 times the sampling period of `{sampling_period}`");
            Problem::new("scheduler.fit_window".to_owned(), expected, format!("`{}`", self.fit_window), hint)
        })
    }
}

/// Whether and how much is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LearningConfig {
    /// Whether models are made while the service runs.
    pub enabled: bool,
    /// The most series that a model is made from, at least 1.
    pub max_series: usize,
    /// A round has so many questions, after whose answers a model is made; at least 1.
    pub after_answers: usize,
    /// How far behind other work of the machine it stands, at most 19.
    pub nice: u8,
    /// The questions that may be asked at the start.
    pub questions: usize,
    /// The questions that may be added each day.
    pub questions_per_day: usize,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self { enabled: true, max_series: 2_000, after_answers: 20, nice: 19, questions: 50, questions_per_day: 5 }
    }
}

impl LearningConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_count("learning.max_series", self.max_series)?;
        check_count("learning.after_answers", self.after_answers)?;
        check(self.nice <= 19, || {
            let hint = "19 lets all other work go first".to_owned();
            Problem::new("learning.nice".to_owned(), "at most 19".to_owned(), self.nice.to_string(), hint)
        })
    }
}

/// The decision of a session that says nothing else.
pub(super) fn decision() -> DecisionConfig {
    Config::default().decision
}

/// The library's settings of the decision, each of which may be left out.
#[derive(Serialize, Deserialize)]
#[serde(remote = "DecisionConfig", default = "decision", deny_unknown_fields)]
pub(super) struct Decision {
    goal: Goal,
    alarms_per_week: f64,
    direction: Direction,
    min_deviation: f64,
    min_relative_deviation: f64,
    merge_within: Length,
    hold: Length,
    transfer_share: f64,
}

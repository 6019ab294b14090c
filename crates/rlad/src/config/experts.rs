//! Settings for the answers of people.

use serde::{Deserialize, Serialize};

use super::check;
use crate::error::Result;

/// Which answer is learned from where several experts answered one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conflict {
    /// The last one.
    #[default]
    Latest,
    /// The label of most of them, point by point.
    Majority,
    /// None where they differ.
    Unsure,
}

/// The lesson of an expected event, which is unusual but wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedEvents {
    /// No alarm is wanted.
    #[default]
    Normal,
    /// An alarm is wanted.
    Anomaly,
    /// Nothing is learned from the answer.
    Unsure,
}

/// Settings for the answers of people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpertsConfig {
    /// Which answer is learned from where several experts answered one question.
    pub conflict: Conflict,
    /// The share of questions that is asked once more, of another expert where there is one, to measure agreement; in `[0, 1]`.
    pub reask_fraction: f64,
    /// The lesson of an expected event.
    pub expected: ExpectedEvents,
}

impl Default for ExpertsConfig {
    fn default() -> Self {
        Self { conflict: Conflict::Latest, reask_fraction: 0.05, expected: ExpectedEvents::Normal }
    }
}

impl ExpertsConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] for the first setting that is outside of its range.
    pub(super) fn validate(&self) -> Result<()> {
        check((0.0..=1.0).contains(&self.reask_fraction), "experts.reask_fraction", "in [0, 1]", self.reask_fraction)
    }
}

//! The decision: from which score on a point is an alarm.

use serde::{Deserialize, Serialize};

use super::AgentConfig;

/// Where the line between normal and anomaly is drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionConfig {
    /// The quality that alarms shall be best at.
    pub goal: Goal,
}

/// The quality that alarms shall be best at. Each goal is a log-odds of an anomaly from which on an alarm is worth it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// Points: about as many false alarms as misses.
    #[default]
    F1,
    /// Events, each counted once whatever its length: false alarms are mostly short, so surer alarms.
    Events,
    /// Few false alarms.
    Precision,
    /// Few misses.
    Recall,
}

impl Goal {
    /// The log-odds of an anomaly above which a point is an alarm, in nats.
    #[must_use]
    pub const fn log_odds(self) -> f64 {
        match self {
            Self::F1 => 0.35,
            Self::Events | Self::Precision => 1.5,
            Self::Recall => -1.0,
        }
    }
}

impl DecisionConfig {
    /// The score above which a point is an alarm: the goal's log-odds, or, for an agent without a prior, 0, at which the greedy action
    /// changes.
    #[must_use]
    pub fn threshold(&self, agent: &AgentConfig) -> f64 {
        if agent.has_prior() { self.goal.log_odds() } else { 0.0 }
    }
}

//! The decision: which points are alarms, and which alarms are one event.

use serde::{Deserialize, Serialize};

use super::length::Length;
use super::{AgentConfig, check};
use crate::data::series::Clock;
use crate::error::{Error, Result};

/// Which points are alarms, and which alarms are one event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionConfig {
    /// The quality that alarms shall be best at.
    pub goal: Goal,
    /// The most events that are opened a week, in each series; 0 for any number, else in `[0.01, 10_000]`. Below 1 it is one event in
    /// as many weeks.
    #[serde(default)]
    pub alarms_per_week: f64,
    /// The side of the expected value on which a point may be an alarm.
    #[serde(default)]
    pub direction: Direction,
    /// The smallest distance from the expected value of an alarm, in units of the value, at least 0.
    #[serde(default)]
    pub min_deviation: f64,
    /// The smallest distance from the expected value of an alarm, as a fraction of that value's size, at least 0.
    #[serde(default)]
    pub min_relative_deviation: f64,
    /// Alarms that follow an alarm within this are of its event: at most so many other points, or no more than this time, lie between.
    #[serde(default = "no_points")]
    pub merge_within: Length,
    /// An event is opened by the last of so many points in a row above the threshold, at least 1, or of as many as cover the time.
    #[serde(default = "one_point")]
    pub hold: Length,
    /// In a series of which no expert called a point an anomaly: the share of the last half day's points (at least 720) that are alarms only
    /// by what answers about other series taught, up to which it counts in full, in `[0.001, 1]`; 1 for no limit. Without a prior
    /// (`agent.prior`) there is none.
    #[serde(default = "few_points")]
    pub transfer_share: f64,
}

const fn few_points() -> f64 {
    0.03
}

const fn no_points() -> Length {
    Length::Points(0)
}

const fn one_point() -> Length {
    Length::Points(1)
}

/// The answers from which on they tell where an event ends.
const N_ANSWERS_THAT_TELL_THE_END: usize = 100;
/// The log-odds above which an event stays open without an answer, with the goal `f1`.
const TO_GO_ON_WITHOUT_ANSWERS: f64 = -1.0;

/// The quality that alarms shall be best at. Each goal is a log-odds of an anomaly from which on an alarm is worth it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Points: about as many false alarms as misses.
    #[default]
    F1,
    /// Events, each counted once whatever its length: false alarms are mostly short, so surer alarms; an event that is open stays open
    /// as long as an anomaly is likelier than not.
    Events,
    /// Few false alarms.
    Precision,
    /// Few misses.
    Recall,
    /// The least cost, where a missed point costs as much as this many false alarms, in `[1e-6, 1e6]`: log-odds of minus its
    /// logarithm.
    MissCost(f64),
}

/// The side of the expected value on which a point may be an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Either side.
    #[default]
    Both,
    /// Where the value is higher.
    Above,
    /// Where the value is lower.
    Below,
}

impl Goal {
    /// The log-odds of an anomaly above which a point is an alarm, in nats.
    #[must_use]
    pub fn log_odds(self) -> f64 {
        match self {
            Self::F1 => 0.35,
            Self::Events | Self::Precision => 1.5,
            Self::Recall => -1.0,
            Self::MissCost(ratio) => -ratio.ln(),
        }
    }

    /// The log-odds above which a point that follows an alarm is one too, at most those of [`Self::log_odds`], in nats.
    ///
    /// With `events`, an event is open as long as an anomaly is likelier than not: opening one costs attention, staying open nothing. With
    /// `f1`, it is open down to −1 while no question is answered, since what is known of any series alone tells the begin of an event better
    /// than its end; the more answers there are, the nearer to the threshold, and with 100 there. `n_answers`: the questions that were
    /// answered. Measured in `docs/src/algorithm.md`, D23.
    #[must_use]
    pub fn log_odds_to_go_on(self, n_answers: usize) -> f64 {
        match self {
            Self::Events => 0.0,
            Self::F1 => {
                let unknown = 1.0 - (n_answers as f64 / N_ANSWERS_THAT_TELL_THE_END as f64).min(1.0);
                unknown.mul_add(TO_GO_ON_WITHOUT_ANSWERS - self.log_odds(), self.log_odds())
            }
            Self::Precision | Self::Recall | Self::MissCost(_) => self.log_odds(),
        }
    }
}

impl DecisionConfig {
    /// Alarms where the score is above the threshold of a goal, whatever else is known of the point.
    #[must_use]
    pub const fn of_goal(goal: Goal) -> Self {
        Self {
            goal,
            alarms_per_week: 0.0,
            direction: Direction::Both,
            min_deviation: 0.0,
            min_relative_deviation: 0.0,
            merge_within: no_points(),
            hold: one_point(),
            transfer_share: few_points(),
        }
    }

    /// The score above which a point is an alarm: the goal's log-odds, or, for an agent without a prior, 0, at which the greedy action
    /// changes.
    #[must_use]
    pub fn threshold(&self, agent: &AgentConfig) -> f64 {
        if agent.has_prior() { self.goal.log_odds() } else { 0.0 }
    }

    /// The score above which a point that follows an alarm is one too, after so many answers: at most [`Self::threshold`].
    #[must_use]
    pub fn threshold_to_go_on(&self, agent: &AgentConfig, n_answers: usize) -> f64 {
        if agent.has_prior() { self.goal.log_odds_to_go_on(n_answers) } else { 0.0 }
    }

    /// Whether an alarm depends on what value was expected.
    #[must_use]
    pub fn needs_expected(&self) -> bool {
        self.direction != Direction::Both || self.min_deviation > 0.0 || self.min_relative_deviation > 0.0
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        if let Goal::MissCost(ratio) = self.goal {
            check((1e-6..=1e6).contains(&ratio), "decision.goal.miss_cost", "in [1e-6, 1e6]", ratio)?;
        }
        let budget = self.alarms_per_week;
        let is_budget = budget == 0.0 || (0.01..=10_000.0).contains(&budget);
        check(is_budget, "decision.alarms_per_week", "0 for any number, or in [0.01, 10000]", budget)?;
        let is_size = |size: f64| size.is_finite() && size >= 0.0;
        check(is_size(self.min_deviation), "decision.min_deviation", "at least 0", self.min_deviation)?;
        let relative = self.min_relative_deviation;
        check(is_size(relative), "decision.min_relative_deviation", "at least 0", relative)?;
        check(self.hold != Length::Points(0), "decision.hold", "at least 1 point, or a time", self.hold)?;
        let share = self.transfer_share;
        check((0.001..=1.0).contains(&share), "decision.transfer_share", "in [0.001, 1]", share)
    }

    /// Refuses settings in units of time for a series that has no timestamps.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first such setting.
    pub(crate) fn check_clock(&self, clock: Clock) -> Result<()> {
        if clock.has_days {
            return Ok(());
        }
        let points = "a number of points for a series without timestamps";
        for (name, length) in [("decision.merge_within", self.merge_within), ("decision.hold", self.hold)] {
            check(matches!(length, Length::Points(_)), name, points, length)?;
        }
        if self.alarms_per_week > 0.0 {
            let expected = "0 for a series without timestamps, which has no weeks";
            return Err(Error::setting("decision.alarms_per_week", expected, self.alarms_per_week));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_miss_cost_is_minus_its_logarithm() {
        let decision = |text: &str| Config::from_toml(text).unwrap().decision;
        let costly = decision("[decision]\ngoal = { miss_cost = 5 }");
        assert_eq!(costly, DecisionConfig::of_goal(Goal::MissCost(5.0)));
        assert!((costly.goal.log_odds() + 1.609_437_912_434_1).abs() < 1e-12);
        assert_eq!(Goal::MissCost(1.0).log_odds().abs().to_bits(), 0);
        let all = Config { decision: costly, ..Config::default() };
        assert_eq!(Config::from_toml(&all.to_toml()).unwrap(), all);
        assert_eq!(decision("[decision]\ngoal = 'events'").goal, Goal::Events);
    }

    #[test]
    fn every_setting_is_read_and_survives_toml_and_json() {
        let text = "[decision]\nalarms_per_week = 2\ndirection = 'below'\nmin_deviation = 1\nmin_relative_deviation = 0.1\n\
            merge_within = '10m'\nhold = 3\ntransfer_share = 0.5";
        let config = Config::from_toml(text).unwrap();
        let want = DecisionConfig {
            alarms_per_week: 2.0,
            direction: Direction::Below,
            min_deviation: 1.0,
            min_relative_deviation: 0.1,
            merge_within: Length::Time(600_000_000_000),
            hold: Length::Points(3),
            transfer_share: 0.5,
            ..DecisionConfig::of_goal(Goal::F1)
        };
        assert_eq!(config.decision, want);
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        let json = serde_json::to_string(&config.decision).unwrap();
        assert_eq!(serde_json::from_str::<DecisionConfig>(&json).unwrap(), want);
    }

    #[test]
    fn a_record_of_before_these_settings_is_read_as_none_of_them() {
        let old: DecisionConfig = serde_json::from_str(r#"{"goal":"precision"}"#).unwrap();
        assert_eq!(old, DecisionConfig::of_goal(Goal::Precision));
    }

    #[test]
    fn wrong_settings_are_named() {
        for (setting, expected) in [
            ("goal = { miss_cost = 0 }", "`decision.goal.miss_cost` must be in [1e-6, 1e6], got 0"),
            (
                "alarms_per_week = -1",
                "`decision.alarms_per_week` must be 0 for any number, or in [0.01, 10000], got -1",
            ),
            ("min_deviation = inf", "`decision.min_deviation` must be at least 0, got inf"),
            ("min_relative_deviation = -0.1", "`decision.min_relative_deviation` must be at least 0"),
            ("transfer_share = 0", "`decision.transfer_share` must be in [0.001, 1], got 0"),
            ("hold = 0", "`decision.hold` must be at least 1 point, or a time, got 0"),
        ] {
            let message = Config::from_toml(&format!("[decision]\n{setting}")).unwrap_err().to_string();
            assert!(message.starts_with(expected), "{message}");
        }
        for setting in ["hold = '5 parsecs'", "goal = 'best'", "direction = 'up'", "held = 3"] {
            assert!(Config::from_toml(&format!("[decision]\n{setting}")).is_err(), "{setting}");
        }
    }

    #[test]
    fn a_series_without_timestamps_has_no_time() {
        let check = |decision: &DecisionConfig, has_days| decision.check_clock(Clock { step: 1, has_days });
        let plain = DecisionConfig::of_goal(Goal::F1);
        assert!(check(&plain, false).is_ok());
        for timed in [
            DecisionConfig { hold: Length::Time(1), ..plain.clone() },
            DecisionConfig { merge_within: Length::Time(1), ..plain.clone() },
            DecisionConfig { alarms_per_week: 1.0, ..plain },
        ] {
            assert!(check(&timed, true).is_ok());
            assert!(check(&timed, false).unwrap_err().to_string().contains("without timestamps"));
        }
    }
}

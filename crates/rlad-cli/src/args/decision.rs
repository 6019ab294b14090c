//! The flags of the decision: which points are alarms, and which alarms are one event.

use clap::Args;
use rlad::config::{DecisionConfig, Direction, Goal, Length};

use super::named;

const GOALS: &[&str] = &["f1", "events", "precision", "recall"];

/// What is wanted of alarms, over the settings of a model or of a new session.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Decision")]
pub(crate) struct DecisionArgs {
    /// What alarms shall be best at [default: the model's own, or f1]
    #[arg(long, value_name = "GOAL", value_parser = named::<Goal>(GOALS))]
    pub(crate) goal: Option<Goal>,
    /// In place of a goal: a missed point costs as much as this many false alarms
    #[arg(long, value_name = "RATIO", conflicts_with = "goal", value_parser = number)]
    pub(crate) miss_cost: Option<f64>,
    /// Open at most this many events a week in each series, the highest; 0 for any number
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) alarms_per_week: Option<f64>,
    /// Alarm only where the value is `above` or `below` the expected one, or at `both` sides
    #[arg(long, value_name = "SIDE", value_parser = named::<Direction>(&["both", "above", "below"]))]
    pub(crate) direction: Option<Direction>,
    /// Alarm only at least this far from the expected value, in units of the value
    #[arg(long, value_name = "SIZE", value_parser = number)]
    pub(crate) min_deviation: Option<f64>,
    /// Alarm only at least this fraction of the expected value away from it
    #[arg(long, value_name = "FRACTION", value_parser = number)]
    pub(crate) min_relative_deviation: Option<f64>,
    /// Alarms no further than this after an alarm are of its event: points (`3`) or time (`10m`)
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    pub(crate) merge_within: Option<Length>,
    /// Open an event only after this many points in a row above the threshold, or after a time such as `10m`
    #[arg(long, value_name = "LENGTH", value_parser = length)]
    pub(crate) hold: Option<Length>,
    /// In a series of which nobody called a point an anomaly, alarms that only answers about others make are believed in full up to this
    /// fraction of half a day; 1 for no limit
    #[arg(long, value_name = "FRACTION", value_parser = number)]
    pub(crate) transfer_share: Option<f64>,
}

impl DecisionArgs {
    /// Puts what was given over a decision.
    pub(crate) fn change(&self, decision: &mut DecisionConfig) {
        let goal = self.miss_cost.map(Goal::MissCost).or(self.goal);
        decision.goal = goal.unwrap_or(decision.goal);
        decision.alarms_per_week = self.alarms_per_week.unwrap_or(decision.alarms_per_week);
        decision.direction = self.direction.unwrap_or(decision.direction);
        decision.min_deviation = self.min_deviation.unwrap_or(decision.min_deviation);
        decision.min_relative_deviation = self.min_relative_deviation.unwrap_or(decision.min_relative_deviation);
        decision.merge_within = self.merge_within.unwrap_or(decision.merge_within);
        decision.hold = self.hold.unwrap_or(decision.hold);
        decision.transfer_share = self.transfer_share.unwrap_or(decision.transfer_share);
    }

    /// The first flag that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--goal", self.goal.is_some()),
            ("--miss-cost", self.miss_cost.is_some()),
            ("--alarms-per-week", self.alarms_per_week.is_some()),
            ("--direction", self.direction.is_some()),
            ("--min-deviation", self.min_deviation.is_some()),
            ("--min-relative-deviation", self.min_relative_deviation.is_some()),
            ("--merge-within", self.merge_within.is_some()),
            ("--hold", self.hold.is_some()),
            ("--transfer-share", self.transfer_share.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(flag, _)| flag)
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number of at least 0".to_owned())
}

fn length(text: &str) -> Result<Length, String> {
    text.parse().map_err(|_| {
        "expected a number of points, or a whole number above 0 with its unit, as in `3`, `60s`, `10m` or `1h`"
            .to_owned()
    })
}

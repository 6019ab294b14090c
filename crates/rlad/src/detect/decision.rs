//! The decision about each point of a series, in time order: the one place where a score becomes an alarm, in a batch and in a stream.

use std::ops::Range;
use std::sync::Arc;

use super::budget::Budget;
use super::transfer::Transfer;
use crate::archive::{Archive, Misfit};
use crate::config::{DecisionConfig, Direction, Length};
use crate::data::alarm::Alarm;
use crate::data::calendar::SeriesCalendar;
use crate::data::label::Label;
use crate::data::series::{Clock, Series};
use crate::features::expected::{Deviation, Expected};

/// The decision about one series: a state machine that is pushed its points in time order.
///
/// A point *calls* where its score, or what [`Transfer`] leaves of it, is above the threshold (a lower one after an alarm, for some goals) and it lies as far from the expected value, and on the side, that the settings
/// ask for. A point that does not call, or has no score, is no alarm and ends the run of those that do. A run opens an event
/// at the point where it is as long as `hold`, if the budget lets it, or at a later one where its score has risen enough for the
/// budget; it goes on as long as its points call. The points before the one that opened stay as they were, in a batch too. A run
/// that follows an alarm within `merge_within` goes on with its event, and so opens none and is not counted in the budget.
///
/// **Labels of experts win**: a point that was called an anomaly is an alarm and opens its run at once, whatever its score, its value
/// and the budget, in which it is not counted; one that was called normal is none, and ends the run.
///
/// **What a calendar expects wins over all of it**: such a point is no alarm, ends the run, and no event goes on after it: a run that follows
/// opens one of its own, however near the alarm before is.
#[derive(Clone, Debug)]
pub(crate) struct Decider {
    thresholds: Thresholds,
    rule: Option<Box<Rule>>,
    n_hold: u32,
    merge_within: Length,
    budget: Option<Box<Budget>>,
    /// In a series of which no expert called a point an anomaly, by a model that learned from others.
    transfer: Option<Transfer>,
    /// The score that the decision about the last point went by; NaN where it had none.
    score: f64,
    /// The points in a row that call, up to the last one.
    n_in_row: u32,
    /// Whether these are alarms.
    is_open: bool,
    /// Points since the last alarm, and its timestamp.
    last_alarm: Option<(u32, i64)>,
    /// What is expected, where something is.
    calendar: Option<Arc<SeriesCalendar>>,
}

/// The scores above which a point calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thresholds {
    /// Where the point before is no alarm.
    pub(crate) open: f64,
    /// Where it is one; at most `open`.
    pub(crate) go_on: f64,
}

/// The score of a point, as the decision about it needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    /// NaN where it has none.
    pub(crate) score: f64,
    /// What its score was before any answer: read only where what other series taught has a limit.
    pub(crate) prior: f64,
}

/// The rule on how far a point must be from the expected value.
#[derive(Clone, Debug)]
struct Rule {
    expected: Expected,
    direction: Direction,
    min_deviation: f64,
    min_relative_deviation: f64,
}

impl Decider {
    /// The decision before the first point, for a series whose clock fits the settings.
    pub(crate) fn new(config: &DecisionConfig, thresholds: Thresholds, clock: Clock, n_channels: usize) -> Self {
        Self {
            thresholds,
            rule: config.needs_expected().then(|| {
                Box::new(Rule {
                    expected: Expected::new(clock, n_channels),
                    direction: config.direction,
                    min_deviation: config.min_deviation,
                    min_relative_deviation: config.min_relative_deviation,
                })
            }),
            n_hold: config.hold.points(clock).max(1),
            merge_within: config.merge_within,
            budget: (config.alarms_per_week > 0.0).then(|| Box::new(Budget::new(config.alarms_per_week))),
            transfer: None,
            score: f64::NAN,
            n_in_row: 0,
            is_open: false,
            last_alarm: None,
            calendar: None,
        }
    }

    /// The same decision where what a calendar says of the series is expected.
    pub(crate) fn with_calendar(mut self, calendar: Option<SeriesCalendar>) -> Self {
        self.calendar = calendar.filter(|calendar| !calendar.is_empty()).map(Arc::new);
        self
    }

    /// The same decision where what answers about other series taught counts in full up to a limit only.
    pub(crate) fn with_transfer(self, transfer: Option<Transfer>) -> Self {
        Self { transfer, ..self }
    }

    /// This decision with what was decided so far, for a series that goes on with it; `None` where it rests on expected values and the one
    /// before did not follow them.
    pub(crate) fn following(mut self, before: Self) -> Option<Self> {
        match (&mut self.rule, &before.rule) {
            (Some(_), None) => return None,
            (Some(rule), Some(known)) => rule.expected = known.expected.clone(),
            (None, _) => {}
        }
        if let (Some(budget), Some(known)) = (&mut self.budget, before.budget) {
            budget.go_on_from(*known);
        }
        if let (Some(transfer), Some(known)) = (&mut self.transfer, before.transfer) {
            transfer.go_on_from(known);
        }
        Some(Self { n_in_row: before.n_in_row, is_open: before.is_open, last_alarm: before.last_alarm, ..self })
    }

    /// Whether it follows expected values.
    pub(crate) const fn follows_expected(&self) -> bool {
        self.rule.is_some()
    }

    /// The score that the decision about the last point went by; NaN before the first point and where it had none.
    pub(crate) const fn score(&self) -> f64 {
        self.score
    }

    /// The memory that it takes on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rule = self.rule.as_ref().map_or(0, |rule| size_of::<Rule>() + rule.expected.heap_bytes());
        let budget = self.budget.as_ref().map_or(0, |budget| size_of::<Budget>() + budget.heap_bytes());
        rule + budget + self.calendar.as_ref().map_or(0, |calendar| calendar.bytes())
    }

    /// What was decided so far; settings and calendar are no part of the bytes. `knows_transfer`: whether the bytes have what a limit on
    /// transfer rests on, which begins anew otherwise. `expected`: those of another decision, which followed them where this one does not.
    pub(crate) fn archive(
        &mut self,
        archive: &mut Archive<'_>,
        knows_transfer: bool,
        expected: Option<&mut Expected>,
    ) -> Result<(), Misfit> {
        archive.u32(&mut self.n_in_row)?;
        archive.flag(&mut self.is_open)?;
        archive.option(&mut self.last_alarm, Default::default, |(n_since, last), archive| {
            archive.u32(n_since)?;
            archive.i64(last)
        })?;
        // What these settings have no use for is passed over, and what they have no past of begins anew.
        let mut has_budget = self.budget.is_some();
        archive.flag(&mut has_budget)?;
        if has_budget {
            self.budget.as_deref_mut().unwrap_or(&mut Budget::new(1.0)).archive(archive)?;
        }
        if knows_transfer {
            self.archive_transfer(archive)?;
        }
        match (&mut self.rule, expected) {
            (Some(rule), _) => rule.expected.archive(archive),
            (None, Some(expected)) => expected.archive(archive),
            (None, None) => Ok(()),
        }
    }

    fn archive_transfer(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        let mut score = Some(self.score).filter(|score| !score.is_nan());
        archive.option(&mut score, Default::default, |score, archive| archive.f64(score))?;
        self.score = score.unwrap_or(f64::NAN);
        let mut has_transfer = self.transfer.is_some();
        archive.flag(&mut has_transfer)?;
        if has_transfer {
            let clock = Clock { step: 1, has_days: false };
            self.transfer.as_mut().unwrap_or(&mut Transfer::new(1.0, clock)).archive(archive)?;
        }
        Ok(())
    }

    /// Follows expected values from here on, whatever the settings ask for.
    pub(crate) fn follow_expected(&mut self, clock: Clock, n_channels: usize) {
        self.rule.get_or_insert_with(|| {
            let expected = Expected::new(clock, n_channels);
            let (direction, min_deviation, min_relative_deviation) = (Direction::Both, 0.0, 0.0);
            Box::new(Rule { expected, direction, min_deviation, min_relative_deviation })
        });
    }

    /// Takes in a point before the first one that is decided about: what is expected later rests on it.
    pub(crate) fn pass(&mut self, timestamp: i64, values: &[f64]) {
        if let Some(rule) = &mut self.rule {
            rule.expected.push(timestamp, values);
        }
    }

    /// Decides about the next point. `label`: of an expert, where one gave it.
    pub(crate) fn push(&mut self, timestamp: i64, values: &[f64], scored: Scored, label: Option<Label>) -> Alarm {
        let is_far = self.rule.as_mut().is_none_or(|rule| rule.allows(timestamp, values));
        self.score = scored.score;
        if self.calendar.as_ref().is_some_and(|calendar| calendar.contains(timestamp)) {
            self.end_run();
            self.last_alarm = None;
            return Alarm::None;
        }
        if let Some(transfer) = self.transfer.as_mut().filter(|_| !scored.score.is_nan()) {
            self.score = transfer.push(scored.score, scored.prior, self.thresholds.open, is_far);
        }
        let alarm = self.decide(timestamp, self.score, is_far, label);
        self.last_alarm = if alarm.is_raised() {
            Some((0, timestamp))
        } else {
            self.last_alarm.map(|(n_since, last)| (n_since.saturating_add(1), last))
        };
        alarm
    }

    fn decide(&mut self, timestamp: i64, score: f64, is_far: bool, label: Option<Label>) -> Alarm {
        let threshold = if self.is_open { self.thresholds.go_on } else { self.thresholds.open };
        let calls = match label {
            Some(label) => label == Label::Anomaly,
            None => is_far && score > threshold,
        };
        if !calls {
            self.end_run();
            return Alarm::None;
        }
        self.n_in_row = self.n_in_row.saturating_add(1);
        let is_sure = label.is_some();
        if self.is_open {
            if let Some(budget) = self.budget.as_mut().filter(|budget| !is_sure && budget.has_candidate()) {
                budget.follow(timestamp, score);
            }
            return Alarm::Continues;
        }
        if !is_sure && self.n_in_row < self.n_hold {
            return Alarm::None;
        }
        let goes_on = self.last_alarm.is_some_and(|(n_between, last)| match self.merge_within {
            Length::Points(n) => n_between <= n,
            Length::Time(time) => timestamp.saturating_sub(last) <= time,
        });
        if !goes_on && !is_sure && self.budget.as_mut().is_some_and(|budget| !budget.opens(timestamp, score)) {
            return Alarm::None;
        }
        self.is_open = true;
        if goes_on { Alarm::Continues } else { Alarm::Opens }
    }

    fn end_run(&mut self) {
        self.n_in_row = 0;
        self.is_open = false;
        if let Some(budget) = &mut self.budget {
            budget.end();
        }
    }
}

impl Rule {
    fn allows(&mut self, timestamp: i64, values: &[f64]) -> bool {
        let Some(Deviation { distance, expected, .. }) = self.expected.push(timestamp, values) else { return false };
        let is_on_side = match self.direction {
            Direction::Both => true,
            Direction::Above => distance > 0.0,
            Direction::Below => distance < 0.0,
        };
        let size = distance.abs();
        is_on_side && size >= self.min_deviation && size >= self.min_relative_deviation * expected.abs()
    }
}

/// The decision about some points of a series: [`Decider::push`] of each, after [`Decider::pass`] of those before.
///
/// `scores`: of these points. `priors`: what these were before any answer, asked for only where it matters. `labels`: of any points of the
/// series, in time order.
pub(crate) fn decide(
    mut decider: Decider,
    series: &Series,
    points: Range<usize>,
    scores: &[f64],
    priors: impl FnOnce() -> Vec<f64>,
    labels: &[(usize, Label)],
) -> Vec<Alarm> {
    let open = decider.thresholds.open;
    decider.transfer = decider.transfer.filter(|transfer| transfer.may_limit(scores, open));
    let priors = decider.transfer.map(|_| priors());
    if decider.rule.is_some() {
        for point in 0..points.start {
            decider.pass(series.timestamps()[point], series.row(point));
        }
    }
    let first = points.start;
    let mut labels = labels.iter().skip_while(|(point, _)| *point < first).copied().peekable();
    let of_point = |(point, &score): (usize, &f64)| {
        let prior = priors.as_ref().map_or(f64::NAN, |priors| priors[point - first]);
        let label = labels.next_if(|(labelled, _)| *labelled == point).map(|(_, label)| label);
        decider.push(series.timestamps()[point], series.row(point), Scored { score, prior }, label)
    };
    points.zip(scores).map(of_point).collect()
}

#[cfg(test)]
mod tests;

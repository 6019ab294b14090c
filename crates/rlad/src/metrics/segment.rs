//! Counts that see a true segment as a whole.

use super::points::Points;
use super::quality::{Counts, Fractions};
use crate::data::label::Label;

/// Point counts of one series after each segment is found whole or missed whole: found is one with an alarm within its first
/// `delay + 1` points.
pub(super) fn adjusted(points: &Points<'_>, delay: usize) -> Counts {
    let false_alarms = points.known().filter(|(point, label)| *label == Label::Normal && points.alarms[*point]).count();
    let mut counts = Counts { false_alarms, ..Counts::default() };
    for segment in &points.segments {
        let n_points = segment.len();
        if segment.clone().take(delay.saturating_add(1)).any(|point| points.alarms[point]) {
            counts.hits += n_points;
        } else {
            counts.misses += n_points;
        }
    }
    counts
}

/// The events of one series: true segments are hit or missed, runs of alarms are right or wrong.
pub(super) fn by_event(points: &Points<'_>) -> Fractions {
    let mut fractions = Fractions::default();
    for run in &points.alarm_runs {
        let right = points.truth[run.clone()].contains(&Some(Label::Anomaly));
        fractions.precision.add(if right { 1.0 } else { 0.0 });
    }
    for segment in &points.segments {
        let hit = points.alarms[segment.clone()].contains(&true);
        fractions.recall.add(if hit { 1.0 } else { 0.0 });
    }
    fractions
}

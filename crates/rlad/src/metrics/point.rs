//! Strict counts, point by point.

use super::points::Points;
use super::quality::Counts;
use crate::data::label::Label;

/// The counts of one series.
pub(super) fn strict(points: &Points<'_>) -> Counts {
    let mut counts = Counts::default();
    for (point, label) in points.known() {
        match (label, points.alarms[point]) {
            (Label::Anomaly, true) => counts.hits += 1,
            (Label::Anomaly, false) => counts.misses += 1,
            (Label::Normal, true) => counts.false_alarms += 1,
            (Label::Normal, false) => {}
        }
    }
    counts
}

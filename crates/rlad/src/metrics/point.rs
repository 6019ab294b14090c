//! Strict counts, point by point.

use super::{Counts, Points, mean};
use crate::label::Label;

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

/// The mean F1 of the series that hold an anomaly.
pub(super) fn per_series_mean_f1(judged: &[Points<'_>]) -> Option<f64> {
    let with_anomalies = judged.iter().map(strict).filter(|counts| counts.hits + counts.misses > 0);
    mean(&with_anomalies.map(|counts| counts.quality().f1).collect::<Vec<_>>())
}

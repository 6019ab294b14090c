//! Counts that see a true segment as a whole.

use super::{Counts, Points, Quality, share};
use crate::label::Label;

/// Point counts of one series after each segment is found whole or missed whole: found is one with an alarm within its first
/// `delay + 1` points.
pub(super) fn adjusted(points: &Points<'_>, delay: usize) -> Counts {
    let false_alarms = points.known().filter(|(point, label)| *label == Label::Normal && points.alarms[*point]).count();
    let mut counts = Counts { false_alarms, ..Counts::default() };
    for segment in points.segments() {
        let n_points = segment.len();
        if segment.take(delay.saturating_add(1)).any(|point| points.alarms[point]) {
            counts.hits += n_points;
        } else {
            counts.misses += n_points;
        }
    }
    counts
}

/// Quality by events: true segments are hit or missed, runs of alarms are right or wrong.
pub(super) fn by_event(judged: &[Points<'_>]) -> Quality {
    let (mut n_segments, mut n_hit, mut n_runs, mut n_right) = (0, 0, 0, 0);
    for points in judged {
        let (segments, runs) = (points.segments(), points.alarm_runs());
        n_segments += segments.len();
        n_hit += segments.into_iter().filter(|segment| points.alarms[segment.clone()].contains(&true)).count();
        n_runs += runs.len();
        n_right += runs.into_iter().filter(|run| points.truth[run.clone()].contains(&Some(Label::Anomaly))).count();
    }
    let (precision, recall) = (share(n_right, n_runs), share(n_hit, n_segments));
    let f1 = match (precision, recall) {
        (Some(precision), Some(recall)) if precision + recall > 0.0 => 2.0 * precision * recall / (precision + recall),
        _ => 0.0,
    };
    Quality { precision, recall, f1 }
}

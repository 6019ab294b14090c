//! Range-based precision and recall.

use std::ops::Range;

use super::points::Points;
use super::quality::{Fraction, Fractions};

/// The weight α of having found anything of a segment at all, in recall; the rest is for how much of it was found.
const EXISTENCE: f64 = 0.2;

/// Precision over the runs of alarms and recall over the segments of one series.
pub(super) fn by_range(points: &Points<'_>) -> Fractions {
    Fractions {
        precision: rewards(&points.alarm_runs, &points.segments, 0.0),
        recall: rewards(&points.segments, &points.alarm_runs, EXISTENCE),
    }
}

/// The reward of each range for what the others, in time order, cover of it: `α E + (1 - α) ω / c`.
fn rewards(ranges: &[Range<usize>], others: &[Range<usize>], alpha: f64) -> Fraction {
    let mut fraction = Fraction::default();
    for range in ranges {
        let first = others.partition_point(|other| other.end <= range.start);
        let overlapping = others[first..].iter().take_while(|other| other.start < range.end);
        let (mut n_overlapping, mut n_covered) = (0_usize, 0_usize);
        for other in overlapping {
            n_overlapping += 1;
            n_covered += other.end.min(range.end) - other.start.max(range.start);
        }
        fraction.add(if n_overlapping == 0 {
            0.0
        } else {
            alpha + (1.0 - alpha) * (n_covered as f64 / range.len() as f64) / n_overlapping as f64
        });
    }
    fraction
}

//! Affiliation: precision and recall by distances in time.
//!
//! A point stands for the interval from it to the next, so that a run is an interval, and all means are integrals over
//! time. Within the zone E of a segment J, an alarm at distance d from J is worth the probability that a point drawn
//! evenly from E lies at least as far from J, `1 - (|J| + min(d, l) + min(d, r)) / |E|` outside of J and 1 inside, where l
//! and r are what E has left and right of J. A point y of J with the nearest alarm at distance d is worth the probability
//! that a point drawn evenly from E lies at least as far from y, `1 - (min(d, y - E₀) + min(d, E₁ - y)) / |E|`. Both are
//! linear in time between few places, where the integrals are cut; so they are exact.

use std::ops::Range;

use super::points::Points;
use super::quality::Fractions;

/// From a time to a later one, in points.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start: f64,
    end: f64,
}

impl Interval {
    const fn new(range: &Range<usize>) -> Self {
        Self { start: range.start as f64, end: range.end as f64 }
    }

    const fn length(self) -> f64 {
        self.end - self.start
    }

    const fn within(self, other: Self) -> Self {
        Self { start: self.start.max(other.start), end: self.end.min(other.end) }
    }

    /// How far a time outside lies from the interval; 0 and less inside.
    const fn distance(self, time: f64) -> f64 {
        (self.start - time).max(time - self.end)
    }

    /// The integral of a function that is linear between the ends and the `cuts`, which are in time order.
    fn integral(self, cuts: [f64; 4], of: impl Fn(f64) -> f64) -> f64 {
        let mut start = self.start;
        let mut sum = 0.0;
        for end in cuts.into_iter().chain([self.end]).map(|cut| cut.min(self.end)) {
            if end > start {
                sum += (end - start) * of(f64::midpoint(start, end));
                start = end;
            }
        }
        sum
    }
}

/// Precision over the segments with an alarm in their zone, recall over all segments of one series.
pub(super) fn by_distance(points: &Points<'_>) -> Fractions {
    let mut fractions = Fractions::default();
    let Some((first, _)) = points.known().next() else { return fractions };
    let end = points.truth.iter().rposition(Option::is_some).expect("a first known point is there") + 1;
    let series = Interval::new(&(first..end));
    let segments: Vec<Interval> = points.segments.iter().map(Interval::new).collect();
    let runs: Vec<Interval> = points.alarm_runs.iter().map(Interval::new).collect();
    for (number, segment) in segments.iter().enumerate() {
        let before = number.checked_sub(1).map(|number| f64::midpoint(segments[number].end, segment.start));
        let after = segments.get(number + 1).map(|next| f64::midpoint(segment.end, next.start));
        let zone = Interval { start: before.unwrap_or(series.start), end: after.unwrap_or(series.end) };
        let first = runs.partition_point(|run| run.end <= zone.start);
        let alarms: Vec<Interval> =
            runs[first..].iter().take_while(|run| run.start < zone.end).map(|run| run.within(zone)).collect();
        if alarms.is_empty() {
            fractions.recall.add(0.0);
        } else {
            fractions.precision.add(precision(*segment, zone, &alarms));
            fractions.recall.add(recall(*segment, zone, &alarms));
        }
    }
    fractions
}

/// The mean worth of the times of alarm within the zone of a segment.
fn precision(segment: Interval, zone: Interval, alarms: &[Interval]) -> f64 {
    let (left, right) = (segment.start - zone.start, zone.end - segment.end);
    let worth = |time| {
        let distance = segment.distance(time);
        if distance <= 0.0 {
            1.0
        } else {
            1.0 - (segment.length() + distance.min(left) + distance.min(right)) / zone.length()
        }
    };
    let nearer_end = left.min(right);
    let cuts = [segment.start - nearer_end, segment.start, segment.end, segment.end + nearer_end];
    let worths: f64 = alarms.iter().map(|alarm| alarm.integral(cuts, worth)).sum();
    worths / alarms.iter().map(|alarm| alarm.length()).sum::<f64>()
}

/// The mean worth of the times of a segment, of which each belongs to the nearest run of alarms in the zone.
fn recall(segment: Interval, zone: Interval, alarms: &[Interval]) -> f64 {
    let mut worths = 0.0;
    for (number, alarm) in alarms.iter().enumerate() {
        let before = number.checked_sub(1).map(|number| f64::midpoint(alarms[number].end, alarm.start));
        let after = alarms.get(number + 1).map(|next| f64::midpoint(alarm.end, next.start));
        let nearest = Interval { start: before.unwrap_or(zone.start), end: after.unwrap_or(zone.end) };
        let worth = |time: f64| {
            let distance = alarm.distance(time).max(0.0);
            1.0 - (distance.min(time - zone.start) + distance.min(zone.end - time)) / zone.length()
        };
        let cuts = [f64::midpoint(zone.start, alarm.start), alarm.start, alarm.end, f64::midpoint(alarm.end, zone.end)];
        worths += segment.within(nearest).integral(cuts, worth);
    }
    worths / segment.length()
}

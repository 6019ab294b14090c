//! The metric of the code that was released with the paper.

use super::points::Points;
use super::quality::{Quality, mean};
use crate::data::label::Label;

/// How far from a hit a miss or a false alarm is forgiven, in points.
const TOLERANCE: usize = 5;

/// The outcome of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Unknown,
    Hit,
    Rest,
    FalseAlarm,
    Miss,
}

/// The mean over series of smoothed precision, recall and F1; a series without a point of known truth is left out.
pub(super) fn official(scored: &[Points<'_>]) -> Quality {
    let scored: Vec<[f64; 3]> = scored
        .iter()
        .filter(|points| points.known().next().is_some())
        .map(|points| smoothed(&repaired(points)))
        .collect();
    let mean_of = |metric: usize| mean(&scored.iter().map(|series| series[metric]).collect::<Vec<_>>());
    Quality { precision: mean_of(0), recall: mean_of(1), f1: mean_of(2).unwrap_or(0.0) }
}

/// The outcomes of a series after what is wrong near a hit is forgiven, from left to right and in place: a repaired miss is
/// a hit for the points after it, so a hit repairs its segment to the right without limit, but only 5 points to the left.
fn repaired(points: &Points<'_>) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Unknown; points.truth.len()];
    for (point, label) in points.known() {
        outcomes[point] = match (label, points.alarms[point]) {
            (Label::Anomaly, true) => Outcome::Hit,
            (Label::Anomaly, false) => Outcome::Miss,
            (Label::Normal, true) => Outcome::FalseAlarm,
            (Label::Normal, false) => Outcome::Rest,
        };
    }
    for point in 0..outcomes.len() {
        let near = point.saturating_sub(TOLERANCE)..(point + TOLERANCE + 1).min(outcomes.len());
        let forgiven = match outcomes[point] {
            Outcome::Miss => Outcome::Hit,
            Outcome::FalseAlarm => Outcome::Rest,
            _ => continue,
        };
        if outcomes[near].contains(&Outcome::Hit) {
            outcomes[point] = forgiven;
        }
    }
    outcomes
}

/// Precision, recall and F1 with one hit added.
fn smoothed(outcomes: &[Outcome]) -> [f64; 3] {
    let count = |outcome| outcomes.iter().filter(|other| **other == outcome).count() as f64;
    let hits = count(Outcome::Hit) + 1.0;
    let precision = hits / (hits + count(Outcome::FalseAlarm));
    let recall = hits / (hits + count(Outcome::Miss));
    [precision, recall, 2.0 * precision * recall / (precision + recall)]
}

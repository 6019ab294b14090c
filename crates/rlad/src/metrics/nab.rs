//! The score of the Numenta Anomaly Benchmark.
//!
//! Each window (true segment) that is found is worth up to the weight `A_TP`, the earlier its first alarm the more; each that
//! is missed costs `A_FN`; each alarm outside costs up to `A_FP`, less soon after a window. The worth of a place y, in widths
//! from the end of a window, is `σ(y) = 2 / (1 + exp(5 y)) - 1` up to y = 3 and -1 beyond, before the first window too; inside,
//! from y = -1 at the first point to -1 / width at the last, it is divided by `σ(-1)`. The sum S becomes
//! `100 (S - S₀) / (S₁ - S₀)`, where S₀ is that of silence and S₁ that of one alarm at the first point of each window.

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::points::Points;

/// How NAB's score is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NabOptions {
    /// Whether the first points of each series are a probation, as in NAB: its first 15 %, at most 750 points, count nowhere.
    /// For whole NAB files only; a part that begins later has no probation. Off by default.
    pub probation: bool,
}

/// The score of the Numenta Anomaly Benchmark under its three profiles: 100 is perfect, 0 what silence gets, and it has no
/// lower bound.
///
/// Windows are the true segments; points of unknown truth are left out. Source: Lavin and Ahmad, *Evaluating Real-time Anomaly
/// Detection Algorithms – the Numenta Anomaly Benchmark*, 2015, and the benchmark's scorer. Deviations: a window that lies
/// wholly in the probation counts nowhere, where NAB counts it in the perfect sum (its corpus has none); after a window of
/// one point, for which NAB's position is undefined, alarms cost in full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nab {
    /// Whether the probation was left out.
    pub probation: bool,
    /// `A_TP` 1, `A_FN` 1, `A_FP` .11.
    pub standard: NabScore,
    /// False alarms cost double: `A_TP` 1, `A_FN` 1, `A_FP` .22.
    #[serde(rename = "reward_low_FP_rate")]
    pub reward_low_fp_rate: NabScore,
    /// Missed windows cost double: `A_TP` 1, `A_FN` 2, `A_FP` .11.
    #[serde(rename = "reward_low_FN_rate")]
    pub reward_low_fn_rate: NabScore,
}

/// The score under one profile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NabScore {
    /// The score at the detector's own thresholds.
    pub score: f64,
    /// The best score that one threshold for all series gives.
    pub best: NabBest,
}

/// The score at the threshold at which it is highest: an **oracle** threshold, since only the truth tells it. It is what NAB's
/// optimiser picks, and what its published scores are computed at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NabBest {
    /// The threshold, placed as that of [`BestQuality`](super::BestQuality); `None` where there are no scores.
    pub threshold: Option<f64>,
    /// The score at it.
    pub score: f64,
}

/// The weights of a right alarm, a wrong alarm and a missed window.
#[derive(Clone, Copy, Debug)]
struct Profile {
    hit: f64,
    false_alarm: f64,
    miss: f64,
}

const STANDARD: Profile = Profile { hit: 1.0, false_alarm: 0.11, miss: 1.0 };
const REWARD_LOW_FP_RATE: Profile = Profile { hit: 1.0, false_alarm: 0.22, miss: 1.0 };
const REWARD_LOW_FN_RATE: Profile = Profile { hit: 1.0, false_alarm: 0.11, miss: 2.0 };

/// A point that counts.
#[derive(Clone, Copy, Debug)]
struct Place {
    score: f64,
    is_alarm: bool,
    /// The window that it lies in, counted over all series.
    window: Option<usize>,
    /// The worth of an alarm there before weighting: positive in a window, negative outside.
    worth: f64,
}

/// The scores over all series; `None` without windows.
pub(super) fn nab(scored: &[Points<'_>], options: NabOptions) -> Option<Nab> {
    let (mut places, mut n_windows) = (Vec::new(), 0);
    for points in scored {
        n_windows += add_places(points, options, n_windows, &mut places);
    }
    if n_windows == 0 {
        return None;
    }
    // The sort is stable, so that sums are taken in the same order at any number of threads.
    places.par_sort_by(|a, b| b.score.partial_cmp(&a.score).expect("NaN is left out"));
    let score = |profile: Profile| profile.score(&places, n_windows);
    Some(Nab {
        probation: options.probation,
        standard: score(STANDARD),
        reward_low_fp_rate: score(REWARD_LOW_FP_RATE),
        reward_low_fn_rate: score(REWARD_LOW_FN_RATE),
    })
}

/// Adds the places of a series that a threshold can be below; returns how many windows it has.
fn add_places(points: &Points<'_>, options: NabOptions, n_windows_before: usize, places: &mut Vec<Place>) -> usize {
    let n_points = points.truth.len();
    let probation = if options.probation { (0.15 * n_points as f64).min(0.15 * 5000.0) as usize } else { 0 };
    let windows = &points.segments;
    let n_in_probation = windows.partition_point(|window| window.end <= probation);
    let worth_of_first = sigmoid(-1.0);
    // The number of windows that begin at or before the point.
    let mut n_begun = 0;
    for (point, _) in points.known() {
        while windows.get(n_begun).is_some_and(|window| window.start <= point) {
            n_begun += 1;
        }
        let score = points.scores[point];
        if point < probation || score.is_nan() || score <= f64::NEG_INFINITY {
            continue;
        }
        let last: Option<&Range<usize>> = n_begun.checked_sub(1).map(|number| &windows[number]);
        let (window, worth) = match last {
            Some(last) if point < last.end => {
                let position = -((last.end - point) as f64) / last.len() as f64;
                (Some(n_windows_before + n_begun - 1 - n_in_probation), sigmoid(position) / worth_of_first)
            }
            Some(last) => (None, sigmoid((point - (last.end - 1)) as f64 / (last.len() - 1) as f64)),
            None => (None, -1.0),
        };
        places.push(Place { score, is_alarm: points.alarms[point], window, worth });
    }
    windows.len() - n_in_probation
}

/// The worth σ of a place, in widths from the end of a window.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

impl Profile {
    /// The scores of places that are sorted by their score, the highest first.
    fn score(self, places: &[Place], n_windows: usize) -> NabScore {
        let silent = -self.miss * n_windows as f64;
        let perfect = self.hit * n_windows as f64;
        let normalised = |sum: f64| 100.0 * (sum - silent) / (perfect - silent);

        let mut own = Sum::new(self, silent, n_windows);
        places.iter().filter(|place| place.is_alarm).for_each(|place| own.add(place));

        let mut sum = Sum::new(self, silent, n_windows);
        let mut best = NabBest { threshold: places.first().map(|place| place.score), score: silent };
        let mut steps = places.chunk_by(|a, b| a.score <= b.score).peekable();
        while let Some(equal) = steps.next() {
            equal.iter().for_each(|place| sum.add(place));
            if sum.value > best.score {
                let threshold = steps.peek().map_or_else(|| equal[0].score.next_down(), |next| next[0].score);
                best = NabBest { threshold: Some(threshold), score: sum.value };
            }
        }
        NabScore { score: normalised(own.value), best: NabBest { score: normalised(best.score), ..best } }
    }
}

/// The sum S of a growing set of alarms.
#[derive(Debug)]
struct Sum {
    profile: Profile,
    value: f64,
    windows: Vec<f64>,
}

impl Sum {
    fn new(profile: Profile, silent: f64, n_windows: usize) -> Self {
        Self { profile, value: silent, windows: vec![-profile.miss; n_windows] }
    }

    fn add(&mut self, alarm: &Place) {
        match alarm.window {
            Some(window) => {
                let worth = alarm.worth * self.profile.hit;
                if worth > self.windows[window] {
                    self.value += worth - self.windows[window];
                    self.windows[window] = worth;
                }
            }
            None => self.value += alarm.worth * self.profile.false_alarm,
        }
    }
}

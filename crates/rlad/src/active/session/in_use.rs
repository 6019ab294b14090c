//! How a detector does in use: over the points that came since the session's data grew.

use serde::Serialize;

use super::Session;
use crate::active::query::{Query, Reason};
use crate::agent::pool::PoolPoint;
use crate::data::label::{Label, events};
use crate::random::{Purpose, stream};

/// A series has left its range where more of its new points than this are more surprising than all but [`USUAL`] of those before.
const LEFT: f64 = 0.25;
const USUAL: f64 = 0.99;
/// The points of a series that are looked at, before and new.
const N_LOOKED_AT: usize = 1_000;
/// Of fewer new points, or fewer before, nothing is said.
const FEWEST: usize = 20;

/// How the detector did over the points that came since the session's data grew, before it learned from a round of answers about them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InUse {
    /// The timestamp of the last new point of all series: nanoseconds since 1970, or an index.
    pub until: i64,
    /// The new points.
    pub points: usize,
    /// The fraction of them that are alarms.
    pub alarm_share: f64,
    /// The alarms: points in a row.
    pub alarms: usize,
    /// The fraction of the alarms that have an answer; `None` without alarms.
    pub answered_share: Option<f64>,
    /// The fraction of the answers about new points that say what the detector said there; `None` without answers.
    pub agreement: Option<f64>,
    /// The fraction of the series that left the range of what they were trained on.
    pub out_of_range_share: f64,
    /// Those series.
    pub out_of_range: Vec<String>,
}

impl Session {
    /// How the detector did over the new points; `None` where there are none, or the round asked about none of them.
    pub(super) fn in_use(&self) -> Option<InUse> {
        let is_new = |query: &Query| self.recent.get(query.series).is_some_and(|new| new.contains(&query.point));
        if !self.answered.iter().any(|(query, _)| query.round == self.round && is_new(query)) {
            return None;
        }
        let points: usize = self.recent.iter().map(std::ops::Range::len).sum();
        let until = self.recent.iter().zip(self.series.iter()).filter(|(new, _)| !new.is_empty());
        let until = until.map(|(new, series)| series.timestamps()[new.end - 1]).max()?;
        let threshold = self.threshold();
        let (mut n_alarm_points, mut n_alarms, mut n_answered) = (0, 0, 0);
        for series in 0..self.recent.len() {
            let is_alarm: Vec<bool> = self.recent_scores(series).iter().map(|score| *score > threshold).collect();
            n_alarm_points += is_alarm.iter().filter(|alarm| **alarm).count();
            let first = self.recent[series].start;
            let of_series = events(&is_alarm);
            n_alarms += of_series.len();
            let has_answer = |event: &&std::ops::Range<usize>| {
                (*event).clone().any(|point| !self.labels[series].is_open(first + point))
            };
            n_answered += of_series.iter().filter(has_answer).count();
        }
        let share = |n: usize, of: usize| (of > 0).then(|| n as f64 / of as f64);
        let said: Vec<bool> = self
            .answered
            .iter()
            .filter(|(query, _)| is_new(query) && query.reason != Reason::Review)
            .filter_map(|(query, answer)| {
                Some((query.score > threshold) == (answer.label_at(query.point)? == Label::Anomaly))
            })
            .collect();
        let out_of_range = self.out_of_range();
        Some(InUse {
            until,
            points,
            alarm_share: share(n_alarm_points, points).unwrap_or(0.0),
            alarms: n_alarms,
            answered_share: share(n_answered, n_alarms),
            agreement: share(said.iter().filter(|same| **same).count(), said.len()),
            out_of_range_share: out_of_range.len() as f64 / self.series.len().max(1) as f64,
            out_of_range,
        })
    }

    /// The series that left the range of what they were trained on: more than a quarter of their new points are more surprising than
    /// 99 % of those before.
    pub(super) fn out_of_range(&self) -> Vec<String> {
        if !self.config.agent.learner().has_trees() {
            return Vec::new();
        }
        let has_left = |(series, new): (usize, &std::ops::Range<usize>)| {
            let training = &self.pool.series[series].training;
            let mut rng = stream(self.config.seed, Purpose::Quality, (series as u64) << 20 | 1 << 44);
            let mut row = Vec::new();
            let mut surprisals = |points: std::ops::Range<usize>| -> Vec<f64> {
                let n = N_LOOKED_AT.min(points.len());
                let at = (0..n).map(|i| {
                    let stretch = points.start + i * points.len() / n..points.start + (i + 1) * points.len() / n;
                    (series, rand::RngExt::random_range(&mut rng, stretch))
                });
                let at: Vec<PoolPoint> = at.filter(|at| self.pool.has(*at)).collect();
                at.into_iter().map(|at| self.pool.surprisal(at, &mut row)).collect()
            };
            let (mut before, after) = (surprisals(training.start..new.start), surprisals(new.clone()));
            if before.len() < FEWEST || after.len() < FEWEST {
                return false;
            }
            before.sort_by(f64::total_cmp);
            let usual = before[((before.len() - 1) as f64 * USUAL) as usize];
            after.iter().filter(|surprisal| **surprisal > usual).count() as f64 > LEFT * after.len() as f64
        };
        let left = self.recent.iter().enumerate().filter(|one| has_left(*one));
        left.map(|(series, _)| self.series[series].name().to_owned()).collect()
    }
}

//! Offsets: how much likelier an anomaly is in one series than the detector says, by the answers about what it did there in use.
//!
//! Of an answer about a point with the score `z` (log-odds) the model is `P(anomaly) = σ(z + b)` with one `b` a series and the prior
//! `b ~ N(0, τ²)`: a logistic regression with an intercept a series, whose mode Newton's method finds. A question is chosen by its score,
//! which is in the model, so the choice does no harm. The scores are those that the points had when they were asked about: no answer judges
//! what learned from it.

use std::collections::BTreeMap;

use super::Session;
use crate::active::query::Reason;
use crate::data::label::{Answer, Label};
use crate::models::trees::probability;

/// Steps of Newton's method; it settles within a few.
const N_STEPS: usize = 25;
/// An offset is changed by at most this in a step, in nats.
const LONGEST_STEP: f64 = 2.0;
/// Scores are not taken to be surer than this, in nats.
const SUREST: f64 = 8.0;

/// An answer about a point: its score, whether it is an anomaly, and its weight.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Observation {
    score: f64,
    is_anomaly: bool,
    weight: f64,
}

impl Session {
    /// The offset of each series that has one, in nats, with answers that are not yet learned from.
    pub(super) fn offsets_with(&self, more: &[(u64, Answer)]) -> BTreeMap<usize, f64> {
        let mut of_series: BTreeMap<usize, Vec<Observation>> = BTreeMap::new();
        let deviation = self.config.drift.series_deviation;
        let Some(since) = self.live_since.filter(|_| deviation > 0.0 && self.config.agent.has_prior()) else {
            return BTreeMap::new();
        };
        let pending = self.pending.iter().flatten();
        let more: BTreeMap<u64, &Answer> = more.iter().map(|(id, answer)| (*id, answer)).collect();
        let pending = pending.filter_map(|query| Some((query, *more.get(&query.id)?)));
        let answered = self.answered.iter().map(|(query, answer)| (query, answer));
        for (query, answer) in answered.chain(pending) {
            let is_live = query.reason == Reason::Alarm || query.round >= since;
            let Some(label) = answer.label_at(query.point).filter(|_| is_live) else { continue };
            let times = self.series[query.series].timestamps();
            let last = times[self.pool.series_end(query.series).max(1) - 1];
            of_series.entry(query.series).or_default().push(Observation {
                score: query.score.clamp(-SUREST, SUREST),
                is_anomaly: label == Label::Anomaly,
                weight: self.config.drift.fade(last.saturating_sub(times[query.point])),
            });
        }
        of_series.into_iter().map(|(series, observations)| (series, mode(&observations, deviation))).collect()
    }

    /// The offset of each series that has one, in nats.
    pub(super) fn offsets(&self) -> BTreeMap<usize, f64> {
        self.offsets_with(&[])
    }

    /// The score of the agent above which a point of a series is an alarm.
    pub(super) fn threshold_of(&self, series: usize) -> f64 {
        self.threshold() - self.offsets.get(&series).copied().unwrap_or(0.0)
    }
}

/// The mode of the offset of one series.
fn mode(observations: &[Observation], deviation: f64) -> f64 {
    let mut offset = 0.0;
    for _ in 0..N_STEPS {
        let (mut slope, mut curvature) = (-offset / (deviation * deviation), 1.0 / (deviation * deviation));
        for Observation { score, is_anomaly, weight } in observations {
            let p = probability(score + offset);
            slope += weight * (f64::from(u8::from(*is_anomaly)) - p);
            curvature += weight * p * (1.0 - p);
        }
        let step = (slope / curvature).clamp(-LONGEST_STEP, LONGEST_STEP);
        offset += step;
        if step.abs() < 1e-9 {
            break;
        }
    }
    offset
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn observed(score: f64, is_anomaly: bool) -> Observation {
        Observation { score, is_anomaly, weight: 1.0 }
    }

    #[test]
    fn the_mode_by_hand() {
        assert!(mode(&[], 1.0).abs() < 1e-12);
        // One false alarm at even odds: −b = σ(b), so b = −0.4010581375.
        let one = mode(&[observed(0.0, false)], 1.0);
        assert!((one + 0.401_058_137_5).abs() < 1e-9, "{one}");
        // A prior so wide that it says nothing: three of four are anomalies at even odds, ln 3.
        let four = [true, true, true, false].map(|is_anomaly| observed(0.0, is_anomaly));
        assert!((mode(&four, 1e6) - 3.0_f64.ln()).abs() < 1e-6);
        // What weighs nothing says nothing.
        assert!(mode(&[Observation { weight: 0.0, ..observed(3.0, false) }], 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn more_false_alarms_lower_it(scores in proptest::collection::vec(-4.0..6.0, 1..20), more in -4.0..6.0) {
            let observations: Vec<Observation> = scores.iter().map(|score| observed(*score, false)).collect();
            let before = mode(&observations, 1.0);
            let after = mode(&[observations, vec![observed(more, false)]].concat(), 1.0);
            prop_assert!(before < 0.0 && after < before);
        }

        #[test]
        fn the_mode_has_no_slope(
            observations in proptest::collection::vec((-8.0..8.0, any::<bool>(), 0.0..1.0), 1..30),
            deviation in 0.1..5.0,
        ) {
            let observations: Vec<Observation> = observations
                .into_iter()
                .map(|(score, is_anomaly, weight)| Observation { score, is_anomaly, weight })
                .collect();
            let b: f64 = mode(&observations, deviation);
            let residual = |o: &Observation| o.weight * (f64::from(u8::from(o.is_anomaly)) - probability(o.score + b));
            let slope = observations.iter().map(residual).sum::<f64>() - b / (deviation * deviation);
            prop_assert!(slope.abs() < 1e-6, "{slope}");
        }
    }
}

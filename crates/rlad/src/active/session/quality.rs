//! Expected quality without a test set, and whether more questions are likely to pay.
//!
//! Questions that are chosen by score say nothing of the whole: the share of anomalies among them is the choice's. Those that
//! are drawn at random do. Points that chosen questions labelled are known; the random ones stand for the rest.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::active::query::{Query, Reason};
use crate::agent::ensemble::fold;
use crate::agent::pool::PoolPoint;
use crate::agent::score::Prediction;
use crate::data::label::{Answer, Label};
use crate::random::{Purpose, stream};

/// A share with a 95 % interval of what the draw of random questions leaves open, and of how much the next data may differ.
///
/// It is of points far from what was labelled, as those of the next data are; how often it holds what comes, says `docs/src/algorithm.md`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The median.
    pub expected: f64,
    /// The lower end, the 2.5th percentile.
    pub low: f64,
    /// The upper end, the 97.5th percentile.
    pub high: f64,
}

/// Strict point-wise quality over all training points, each judged by the member that never learned from its stretch.
///
/// The detector itself, all of whose members know most stretches, does better there: on long events of which a part was labelled
/// much better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedQuality {
    /// The share of alarms that are anomalies.
    pub precision: Interval,
    /// The share of anomalies that have an alarm.
    pub recall: Interval,
    /// Their harmonic mean.
    pub f1: Interval,
    /// The random questions that it rests on.
    pub random_questions: usize,
}

/// Points that are alarms and anomalies, alarms only, and anomalies only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Confusion([f64; 3]);

/// The evidence of one answer to a random question on the detector.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RandomAnswer {
    /// Where the answer is right.
    sums: Confusion,
    /// Where it is wrong, and every label of it the opposite.
    if_wrong: Confusion,
    /// The probability that it is wrong.
    p_wrong: f64,
}

impl RandomAnswer {
    /// `n_points`: the points that the answer labelled.
    fn new(sums: Confusion, n_points: usize, p_wrong: f64) -> Self {
        let [found, false_alarms, missed] = sums.0;
        let silent = n_points as f64 - found - false_alarms - missed;
        Self { sums, if_wrong: Confusion([false_alarms, found, silent]), p_wrong }
    }
}

/// An agent's predictions of the sample of points on which rounds are compared.
#[derive(Clone, Debug)]
pub(super) struct PoolPredictions {
    threshold: f64,
    alarms: Vec<bool>,
    /// The mean probability of an anomaly; 0 without a prior.
    pub(super) mean_probability: f64,
    /// Of each answer, the probability that it is wrong.
    p_wrong: Vec<f64>,
}

impl PoolPredictions {
    /// Cohen's κ between the alarms of two rounds.
    pub(super) fn agreement(&self, other: &Self) -> f64 {
        agreement(&self.alarms, &other.alarms)
    }
}

/// Random questions below which nothing is said.
pub(super) const MIN_RANDOM: usize = 20;
/// Draws of the three sums.
const N_DRAWS: usize = 2_000;
/// The deviation of the logarithm of the points found, of false alarms and of points missed, each by itself, between a part of data and the
/// next. The share of anomalies alone changed by up to a factor of nine between parts of KPI and WSD; with .5 the interval holds what comes
/// next there also after 1,500 questions, where the draw alone leaves little open.
const BETWEEN_PARTS: f64 = 0.5;
/// The points on which two rounds are compared.
const N_COMPARED: usize = 20_000;
/// κ above which two rounds say the same.
const STABLE: f64 = 0.99;
/// Rounds in a row that must say the same.
const STABLE_ROUNDS: usize = 3;

impl Session {
    /// The quality to be expected of the agent as it stands; `None` with too few random questions to say, or one
    /// member only.
    pub(super) fn expected_quality(&self, last_predictions: &PoolPredictions) -> Option<ExpectedQuality> {
        let PoolPredictions { threshold, p_wrong, .. } = last_predictions;
        let random = self.answered.iter().zip(p_wrong.iter().copied());
        let last: BTreeMap<PoolPoint, &Answer> =
            self.answered.iter().map(|(query, answer)| ((query.series, query.point), answer)).collect();
        // An expert who was asked again and is not sure any more has said nothing of the detector.
        let still_says = |query: &Query| matches!(last[&(query.series, query.point)], Answer::Spans(_));
        let random: Vec<(&Query, &Answer, f64)> = random
            .filter(|((query, _), _)| query.reason == Reason::Random && still_says(query))
            .map(|((query, answer), p_wrong)| (query, answer, p_wrong))
            .collect();
        // A single member learned from every answer: there is none to judge them.
        if random.len() < MIN_RANDOM || self.agent.members.len() < 2 {
            return None;
        }
        let mut clusters: Vec<(Vec<(PoolPoint, Label)>, f64)> = Vec::with_capacity(random.len());
        let mut by_random = vec![BTreeSet::new(); self.pool.series.len()];
        for (query, answer, p_wrong) in &random {
            let Answer::Spans(spans) = answer else { continue };
            // What stands of the answer: a later one may have said something else.
            let points = spans.iter().flat_map(|span| span.first..=span.last);
            let of_question: Vec<(PoolPoint, Label)> = points
                .filter(|point| self.pool.has((query.series, *point)) && by_random[query.series].insert(*point))
                .filter_map(|point| Some(((query.series, point), self.labels[query.series].get(point)?)))
                .collect();
            clusters.push((of_question, *p_wrong));
        }
        let likely_wrong = self.points_likely_wrong(p_wrong);
        let known: Vec<(PoolPoint, Label)> =
            self.labelled().filter(|(at, _)| !by_random[at.0].contains(&at.1) && !likely_wrong.contains(at)).collect();
        let n_random: usize = clusters.iter().map(|(points, _)| points.len()).sum();
        if n_random == 0 {
            return None;
        }
        let weight = self.pool.n_points().saturating_sub(known.len()) as f64 / n_random as f64;
        let known = self.confusion(&known, *threshold);
        let of_question = |(points, p_wrong): &(Vec<(PoolPoint, Label)>, f64)| {
            RandomAnswer::new(self.confusion(points, *threshold), points.len(), *p_wrong)
        };
        let clusters: Vec<RandomAnswer> = clusters.iter().map(of_question).collect();
        let mut rng = stream(self.config.seed, Purpose::Quality, self.round as u64);
        let quality = estimate(known, &clusters, weight, BETWEEN_PARTS, &mut rng);
        Some(ExpectedQuality { random_questions: random.len(), ..quality })
    }

    /// Hits, false alarms and misses of the members that never learned from these points' stretches.
    fn confusion(&self, labelled: &[(PoolPoint, Label)], threshold: f64) -> Confusion {
        let n_members = self.agent.members.len();
        let mut sums = Confusion::default();
        for member in 0..n_members {
            let own: Vec<&(PoolPoint, Label)> =
                labelled.iter().filter(|(at, _)| fold(*at, n_members) == member).collect();
            let points: Vec<PoolPoint> = own.iter().map(|(at, _)| *at).collect();
            for (prediction, (_, label)) in self.agent.predictions_of(member, &self.pool, &points).into_iter().zip(own)
            {
                match (prediction.score > threshold, *label == Label::Anomaly) {
                    (true, true) => sums.0[0] += 1.0,
                    (true, false) => sums.0[1] += 1.0,
                    (false, true) => sums.0[2] += 1.0,
                    (false, false) => {}
                }
            }
        }
        sums
    }

    /// A sample of training points, as many of each series, the same in every round.
    pub(super) fn sample(&self) -> Vec<PoolPoint> {
        let n_series = self.pool.series.len();
        let mut rng = stream(self.config.seed, Purpose::Quality, super::FINAL_TURN);
        let of_series = |series| {
            let drawn = self.pool.draw(series, N_COMPARED.div_ceil(n_series), &mut rng);
            drawn.into_iter().map(move |point| (series, point))
        };
        (0..n_series).flat_map(of_series).collect()
    }

    /// The agent's predictions of [`Self::sample`].
    pub(super) fn pool_predictions(&self) -> PoolPredictions {
        let predictions = self.predictions_in_use(&self.sample());
        let threshold = self.threshold();
        let alarms = predictions.iter().map(|prediction| prediction.score > threshold).collect();
        let mean_probability = self.mean_probability(&predictions);
        PoolPredictions { threshold, alarms, mean_probability, p_wrong: self.p_wrong() }
    }

    /// The mean probability of an anomaly over points of [`Self::sample`]; 0 without a prior.
    pub(super) fn mean_probability(&self, predictions: &[Prediction]) -> f64 {
        if !self.config.agent.has_prior() {
            return 0.0;
        }
        let probabilities = predictions.iter().map(|prediction| prediction.probability(&self.config.agent));
        probabilities.sum::<f64>() / predictions.len().max(1) as f64
    }

    /// The probability that each answer is wrong, as the agent stands.
    pub(super) fn last_p_wrong(&self) -> Vec<f64> {
        let known = self.last_predictions.as_ref().map(|last_predictions| &last_predictions.p_wrong);
        known.filter(|p_wrong| p_wrong.len() == self.answered.len()).map_or_else(|| self.p_wrong(), Clone::clone)
    }

    /// Whether more questions are unlikely to pay: the last three rounds hardly changed which points are alarms, κ ≥ .99
    /// between one round and the next on the same sample of points, and the answers decide ([`Grounds::is_firm`](super::Grounds::is_firm)).
    ///
    /// Source: Bloodgood and Vijay-Shanker, *A Method for Stopping Active Learning Based on Stabilizing Predictions and the
    /// Need for User-Adjustable Stopping*, 2009, whose measure, level and three rounds these are.
    #[must_use]
    pub fn has_settled(&self) -> bool {
        let last = self.agreements.iter().rev().take(STABLE_ROUNDS);
        self.grounds().is_firm()
            && last.clone().count() == STABLE_ROUNDS
            && last.sum::<f64>() >= STABLE * STABLE_ROUNDS as f64
    }
}

/// Cohen's κ between two predictions of the same points: 1 for the same, 0 for what probability would give. 1 where both say the
/// same of every point.
fn agreement(a: &[bool], b: &[bool]) -> f64 {
    let n = a.len().max(1) as f64;
    let same = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / n;
    let share = |of: &[bool]| of.iter().filter(|alarm| **alarm).count() as f64 / n;
    let (of_a, of_b) = (share(a), share(b));
    let by_chance = of_a * of_b + (1.0 - of_a) * (1.0 - of_b);
    if by_chance < 1.0 { (same - by_chance) / (1.0 - by_chance) } else { 1.0 }
}

/// The quality from the sums over known points and over each random question's points, each of which stands for `weight`.
///
/// The points of one question are alike, so it is questions that are drawn anew: the Bayesian bootstrap (Rubin 1981), in which
/// each question has a weight from the exponential distribution. In each draw an answer is wrong with the probability that it is: one wrong
/// answer that is taken for right would stand for thousands of points. To each kind of point half a question more is added, as
/// large as usual, so that what was never seen is not thought impossible; and the three sums are taken to another part of the data, each
/// times a number from the log-normal distribution (as [`BETWEEN_PARTS`]).
fn estimate(
    known: Confusion,
    questions: &[RandomAnswer],
    weight: f64,
    between_parts: f64,
    rng: &mut impl Rng,
) -> ExpectedQuality {
    let total = |power: i32| questions.iter().flat_map(|answer| answer.sums.0).map(|n| n.powi(power)).sum::<f64>();
    let usual_size = if total(1) > 0.0 { total(2) / total(1) } else { 1.0 };
    let mut drawn: [Vec<f64>; 3] = Default::default();
    for _ in 0..N_DRAWS {
        // The square of a normal number, halved, has the gamma distribution of shape 1/2.
        let mut sums: [f64; 3] = std::array::from_fn(|_| 0.5 * normal(rng).powi(2) * usual_size);
        for answer in questions {
            let is_wrong = answer.p_wrong > 0.0 && rng.random::<f64>() < answer.p_wrong;
            let counted = if is_wrong { answer.if_wrong } else { answer.sums };
            if counted.0.iter().any(|n| *n > 0.0) {
                let share = -rng.random::<f64>().max(f64::MIN_POSITIVE).ln();
                sums.iter_mut().zip(counted.0).for_each(|(sum, n)| *sum += share * n);
            }
        }
        let of_next = |kind: usize| (known.0[kind] + weight * sums[kind]) * log_normal(between_parts, rng);
        let [found, false_alarms, missed] = [0, 1, 2].map(of_next);
        drawn[0].push(found / (found + false_alarms));
        drawn[1].push(found / (found + missed));
        drawn[2].push(2.0 * found / (2.0 * found + false_alarms + missed));
    }
    let [precision, recall, f1] = drawn.map(|mut values| {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values[(values.len() - 1) * share / 1_000];
        Interval { expected: at(500), low: at(25), high: at(975) }
    });
    ExpectedQuality { precision, recall, f1, random_questions: questions.len() }
}

/// A draw from the log-normal distribution of the median 1; 1 where the deviation of its logarithm is 0.
fn log_normal(deviation: f64, rng: &mut impl Rng) -> f64 {
    if deviation > 0.0 { (deviation * normal(rng)).exp() } else { 1.0 }
}

/// A draw from the standard normal distribution (Box and Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let u: f64 = rng.random::<f64>().max(f64::MIN_POSITIVE);
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn agreement_by_hand() {
        let (a, b) = ([true, true, false, false], [true, false, false, false]);
        // Three of four the same; by probability 1/2 · 1/4 + 1/2 · 3/4 = 1/2.
        assert!((agreement(&a, &b) - 0.5).abs() < 1e-12);
        assert!((agreement(&a, &a) - 1.0).abs() < 1e-12);
        assert!((agreement(&[false; 4], &[false; 4]) - 1.0).abs() < 1e-12);
    }

    /// How often, in 300 made worlds, the interval holds the world's own F1. `size` draws the points of an event, and `answered` what
    /// an expert says of a stretch.
    fn n_held(
        between_parts: f64,
        size: impl Fn(&mut ChaCha8Rng) -> f64,
        answered: impl Fn(Confusion, &mut ChaCha8Rng) -> RandomAnswer,
    ) -> usize {
        let is_held = |&seed: &u64| {
            let mut rng = stream(seed, Purpose::Quality, 7);
            // Stretches with an event that is found, a false one, a missed one, and most with nothing.
            let world: Vec<Confusion> = (0..4_000)
                .map(|_| {
                    let n = size(&mut rng);
                    match rng.random::<f64>() {
                        u if u < 0.03 => Confusion([n, 0.0, 0.0]),
                        u if u < 0.045 => Confusion([0.0, n, 0.0]),
                        u if u < 0.06 => Confusion([0.0, 0.0, n]),
                        _ => Confusion::default(),
                    }
                })
                .collect();
            let asked: Vec<RandomAnswer> = (0..150)
                .map(|_| {
                    let stretch = world[rng.random_range(0..world.len())];
                    answered(stretch, &mut rng)
                })
                .collect();
            let weight = world.len() as f64 / asked.len() as f64;
            let next: [f64; 3] = std::array::from_fn(|kind| {
                world.iter().map(|c| c.0[kind]).sum::<f64>() * log_normal(between_parts, &mut rng)
            });
            let truth = 2.0 * next[0] / (2.0 * next[0] + next[1] + next[2]);
            let f1 = estimate(Confusion::default(), &asked, weight, between_parts, &mut rng).f1;
            f1.low <= truth && truth <= f1.high
        };
        (0..300).filter(is_held).count()
    }

    #[test]
    fn the_interval_holds_the_truth() {
        let size = |rng: &mut ChaCha8Rng| f64::from(rng.random_range(1_u8..=9));
        let answered = |stretch: Confusion, _: &mut ChaCha8Rng| RandomAnswer::new(stretch, 25, 0.0);
        for between_parts in [0.0, BETWEEN_PARTS] {
            let n_held = n_held(between_parts, size, answered);
            assert!(n_held >= 270, "{n_held} of 300");
        }
    }

    /// One answer in ten is wrong. Who believes them all is mistaken in nine worlds of ten at least.
    #[test]
    fn the_interval_holds_the_truth_where_answers_are_wrong() {
        const ERROR_RATE: f64 = 0.1;
        // Of the alarms two thirds are right, and of the silent stretches .015 in .955 should have one.
        let answered = |believed: bool| {
            move |stretch: Confusion, rng: &mut ChaCha8Rng| {
                let right = RandomAnswer::new(stretch, 5, 0.0);
                let is_wrong = rng.random::<f64>() < ERROR_RATE;
                let [sums, if_wrong] =
                    if is_wrong { [right.if_wrong, right.sums] } else { [right.sums, right.if_wrong] };
                let is_alarm = sums.0[0] + sums.0[1] > 0.0;
                let chance_of_event = if is_alarm { 2.0 / 3.0 } else { 0.015 / 0.955 };
                let says_event = sums.0[0] + sums.0[2] > 0.0;
                let prior = if says_event { chance_of_event } else { 1.0 - chance_of_event };
                let p_wrong = ERROR_RATE * (1.0 - prior) / (ERROR_RATE * (1.0 - prior) + (1.0 - ERROR_RATE) * prior);
                RandomAnswer { sums, if_wrong, p_wrong: if believed { 0.0 } else { p_wrong } }
            }
        };
        let (weighed, believed) = (n_held(0.0, |_| 5.0, answered(false)), n_held(0.0, |_| 5.0, answered(true)));
        assert!(weighed >= 270 && believed < 30, "{weighed} and {believed} of 300");
    }

    #[test]
    fn a_wrong_answer_by_hand() {
        // 25 points: 3 alarms on 2 anomalies and 1 normal point, 4 missed, 18 silent on normal points.
        let answer = RandomAnswer::new(Confusion([2.0, 1.0, 4.0]), 25, 0.5);
        assert_eq!(answer.if_wrong, Confusion([1.0, 2.0, 18.0]));
    }
}

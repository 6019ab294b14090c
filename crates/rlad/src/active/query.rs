//! Questions: which points to ask an expert about.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::config::{QueryConfig, QueryStrategy};
use crate::data::series::{Part, Series};
use crate::random::{Purpose, fraction_of, stream};

/// Why a point is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Among the highest scores of its series (warm-up).
    Highest,
    /// Among the lowest scores of its series (warm-up).
    Lowest,
    /// Among the scores of its series nearest to the middle (warm-up).
    Middle,
    /// The query strategy ranked it first.
    Strategy,
    /// Drawn at random.
    Random,
    /// A point of an alarm of the detector in use.
    Alarm,
    /// Asked a second time: what the agent makes of it speaks against the first answer.
    Review,
}

/// One question: what is this point?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The question's number in its session, from 0.
    pub id: u64,
    /// The round that asks it; 0 is the warm-up.
    pub round: usize,
    /// The index of the series in the session's data.
    pub series: usize,
    /// The point.
    pub point: usize,
    /// Why it is asked about.
    pub reason: Reason,
    /// The detector's score of the point when it was chosen: the warm-up's, the agent's after it.
    pub score: f64,
}

/// Questions about `n` points of a part of the series, drawn at random without repetition; fewer where there are fewer points.
/// Missing points are never asked about. The scores are 0. The first questions are the same whatever `n`, so that more can be
/// asked later.
///
/// They are what a detector that cannot choose its questions learns from, and an unbiased sample of the part.
#[must_use]
pub fn random_questions(series: &[Series], part: Part, n: usize, seed: u64) -> Vec<Query> {
    let points: Vec<(usize, usize)> = series
        .iter()
        .enumerate()
        .flat_map(|(at, series)| {
            series.part(part).filter(|&point| !series.is_missing(point)).map(move |point| (at, point))
        })
        .collect();
    let mut rng = stream(seed, Purpose::Query, u64::MAX >> 8);
    // A shuffle of which only the places that were exchanged are kept.
    let mut moved: BTreeMap<usize, usize> = BTreeMap::new();
    let drawn = (0..n.min(points.len())).map(|at| {
        let other = rng.random_range(at..points.len());
        let drawn = moved.get(&other).copied().unwrap_or(other);
        moved.insert(other, moved.get(&at).copied().unwrap_or(at));
        points[drawn]
    });
    drawn
        .zip(0..)
        .map(|((series, point), id)| Query { id, round: 0, series, point, reason: Reason::Random, score: 0.0 })
        .collect()
}

/// A point that may be asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// The series.
    pub(crate) series: usize,
    /// The point.
    pub(crate) point: usize,
    /// The agent's score.
    pub(crate) score: f64,
    /// The probability of an anomaly that the score says, in `[0, 1]`.
    pub(crate) probability: f64,
    /// The points of its series that it stands for.
    pub(crate) n_points: f64,
}

/// The points of each series that were asked about, so that no two questions are near to each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedPoints {
    points: Vec<BTreeSet<usize>>,
    min_distance: usize,
}

impl AskedPoints {
    /// Nothing asked yet.
    pub(crate) fn new(n_series: usize, min_distance: usize) -> Self {
        Self { points: vec![BTreeSet::new(); n_series], min_distance }
    }

    /// Whether a point is far enough from every question of its series.
    pub(crate) fn allows(&self, series: usize, point: usize) -> bool {
        let distance = self.min_distance.saturating_sub(1);
        self.points[series].range(point.saturating_sub(distance)..=point + distance).next().is_none()
    }

    /// Records a question.
    pub(crate) fn insert(&mut self, series: usize, point: usize) {
        self.points[series].insert(point);
    }
}

/// The least uncertainty of a probability: where every score is sure, draws are still in proportion to something.
const LEAST_UNCERTAINTY: f64 = 1e-9;

/// Ranks candidates, the first to ask about first.
///
/// With two actions, the softmax of the Q-values is a sigmoid of their difference, which is the score; so least confidence
/// and entropy both rank by `|score|`, and margin by `|score − threshold|`. The three differ only where the threshold is
/// not 0. Ties keep the candidates' order.
pub(crate) fn rank(candidates: &mut [Candidate], strategy: QueryStrategy, threshold: f64, rng: &mut impl Rng) {
    match strategy {
        QueryStrategy::Margin => {
            candidates.sort_by(|a, b| (a.score - threshold).abs().total_cmp(&(b.score - threshold).abs()));
        }
        QueryStrategy::LeastConfidence => {
            candidates.sort_by(|a, b| least_confidence(b.score).total_cmp(&least_confidence(a.score)));
        }
        QueryStrategy::Entropy => candidates.sort_by(|a, b| entropy(b.score).total_cmp(&entropy(a.score))),
        QueryStrategy::Random => candidates.shuffle(rng),
        QueryStrategy::Proportional => {
            // The order of ln w + Gumbel noise is that of draws in proportion to w (Efraimidis and Spirakis 2006).
            let mut keyed: Vec<(f64, Candidate)> = candidates
                .iter()
                .map(|c| {
                    let weight = c.n_points * (c.probability * (1.0 - c.probability)).max(LEAST_UNCERTAINTY);
                    (weight.ln() - (-rng.random::<f64>().ln()).ln(), *c)
                })
                .collect();
            keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
            candidates.iter_mut().zip(keyed).for_each(|(candidate, (_, ranked))| *candidate = ranked);
        }
        QueryStrategy::Extremes => {
            candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
            let n = candidates.len();
            let order: Vec<Candidate> =
                (0..n).map(|i| candidates[if i % 2 == 0 { i / 2 } else { n - 1 - i / 2 }]).collect();
            candidates.copy_from_slice(&order);
        }
    }
}

/// `1 − max P` for a softmax over the two Q-values with difference `score` (paper, equation 1), in `(0, 0.5]`.
fn least_confidence(score: f64) -> f64 {
    1.0 / (1.0 + score.abs().exp())
}

/// The entropy in nats of a softmax over the two Q-values with difference `score` (paper, equation 3), in `[0, ln 2]`.
///
/// `ln(1 + e^-d) + d / (1 + e^d)` for `d = |score|`, which keeps its precision where one action is all but certain.
fn entropy(score: f64) -> f64 {
    let d = score.abs();
    (-d).exp().ln_1p() + d * least_confidence(score)
}

/// Takes the first `n` of the ranked candidates that are far enough from each other and from what was asked before, at
/// most [`QueryConfig::max_series_fraction`] of them from one series; where so few series are left that this would leave
/// questions unasked, an even share of each.
pub(crate) fn take(
    ranked: &[Candidate],
    n: usize,
    asked: &mut AskedPoints,
    n_series: usize,
    config: &QueryConfig,
) -> Vec<Candidate> {
    let share = fraction_of(n, config.max_series_fraction).max(n.div_ceil(n_series.max(1))).max(1);
    let mut counts = vec![0; asked.points.len()];
    let mut taken = Vec::new();
    for &candidate in ranked {
        if taken.len() == n {
            break;
        }
        if counts[candidate.series] < share && asked.allows(candidate.series, candidate.point) {
            counts[candidate.series] += 1;
            asked.insert(candidate.series, candidate.point);
            taken.push(candidate);
        }
    }
    taken
}

/// A share of `n`, rounded to the nearest.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::series::TimeFormat;
    use crate::random::{Purpose, stream};

    fn at(series: usize, point: usize, score: f64) -> Candidate {
        Candidate { series, point, score, probability: 0.5, n_points: 1.0 }
    }

    fn candidates(scores: &[f64]) -> Vec<Candidate> {
        scores.iter().enumerate().map(|(point, &score)| at(0, point, score)).collect()
    }

    fn ranked(scores: &[f64], strategy: QueryStrategy, threshold: f64) -> Vec<usize> {
        let mut candidates = candidates(scores);
        rank(&mut candidates, strategy, threshold, &mut stream(0, Purpose::Query, 0));
        candidates.iter().map(|c| c.point).collect()
    }

    #[test]
    fn random_questions_are_different_points_of_the_part_and_more_of_them_begin_alike() {
        let values = (0..20).map(|i| if i == 3 { f64::NAN } else { f64::from(i) }).collect();
        let new = |name: &str, values| {
            Series::new(name, vec!["value".into()], TimeFormat::Index, (0..20).collect(), values, None).unwrap()
        };
        let series = [new("a", values), new("b", vec![0.0; 20])];
        let part = Part { from: 0.0, to: 0.5 };
        let all = random_questions(&series, part, 100, 7);
        let mut points: Vec<(usize, usize)> = all.iter().map(|query| (query.series, query.point)).collect();
        assert_eq!(random_questions(&series, part, 5, 7), all[..5]);
        assert_ne!(random_questions(&series, part, 5, 8), all[..5]);
        points.sort_unstable();
        let expected = (0..2).flat_map(|of| (0..10).map(move |point| (of, point))).filter(|at| *at != (0, 3));
        assert!(points.into_iter().eq(expected));
    }

    #[test]
    fn strategies_rank_by_their_formulas() {
        let scores = [-3.0, 0.5, 2.0, 40.0, -0.1];
        assert_eq!(ranked(&scores, QueryStrategy::Margin, 0.0), [4, 1, 2, 0, 3]);
        assert_eq!(ranked(&scores, QueryStrategy::Margin, 2.0), [2, 1, 4, 0, 3]);
        assert_eq!(ranked(&scores, QueryStrategy::LeastConfidence, 0.0), [4, 1, 2, 0, 3]);
        assert_eq!(ranked(&scores, QueryStrategy::Entropy, 0.0), [4, 1, 2, 0, 3]);
        assert_eq!(ranked(&scores, QueryStrategy::Extremes, 0.0), [3, 0, 2, 4, 1]);
        let mut random = ranked(&scores, QueryStrategy::Random, 0.0);
        random.sort_unstable();
        assert_eq!(random, [0, 1, 2, 3, 4]);
    }

    /// Of two kinds of points, one a hundred times as uncertain in total, about one draw in a hundred is of the other.
    #[test]
    fn proportional_draws_are_in_proportion_to_uncertainty() {
        let of = |point: usize| if point < 500 { (0.5, 4.0) } else { (0.01 / 0.99, 1.0) };
        let candidate = |point| Candidate { probability: of(point).0, n_points: of(point).1, ..at(0, point, 0.0) };
        let mut rng = stream(3, Purpose::Query, 0);
        let n_rare = (0..2_000).filter(|_| {
            let mut candidates: Vec<Candidate> = (0..1_000).map(candidate).collect();
            rank(&mut candidates, QueryStrategy::Proportional, 0.0, &mut rng);
            candidates[0].point >= 500
        });
        let n_rare = n_rare.count();
        assert!((10..=32).contains(&n_rare), "{n_rare} of 2000, expected 20");
    }

    #[test]
    fn the_entropy_of_even_odds_is_ln_2() {
        assert!((entropy(0.0) - std::f64::consts::LN_2).abs() < 1e-15);
        let p = 1.0 / (1.0 + (-1.5_f64).exp());
        assert!((entropy(1.5) + p * p.ln() + (1.0 - p) * (1.0 - p).ln()).abs() < 1e-15);
        assert!(entropy(800.0) >= 0.0 && least_confidence(800.0) >= 0.0);
    }

    #[test]
    fn questions_keep_their_distance_and_share() {
        let config = QueryConfig { min_distance: 3, max_series_fraction: 0.5, ..Config::default().query };
        let mut asked = AskedPoints::new(2, 3);
        asked.insert(0, 0);
        let mut all: Vec<Candidate> = (0..20).map(|point| at(0, point, 0.0)).collect();
        all.extend((0..4).map(|point| at(1, point, 0.0)));
        let taken = take(&all, 4, &mut asked, 2, &config);
        let points: Vec<(usize, usize)> = taken.iter().map(|c| (c.series, c.point)).collect();
        assert_eq!(points, [(0, 3), (0, 6), (1, 0), (1, 3)]);
    }

    #[test]
    fn a_single_series_fills_a_round() {
        let config = QueryConfig { min_distance: 1, max_series_fraction: 0.2, ..Config::default().query };
        assert_eq!(take(&candidates(&[0.0; 10]), 5, &mut AskedPoints::new(1, 1), 1, &config).len(), 5);
    }
}

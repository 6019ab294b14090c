//! The questions of a round: the extremes of the warm-up's scores, what the agent is least sure of after it.

use rand::seq::index;

use super::{FINAL_TURN, Session};
use crate::active::query::{Candidate, Query, Reason, rank, take};
use crate::agent::pool::{PoolPoint, PoolSeries};
use crate::agent::score::Prediction;
use crate::config::{Config, WarmUpScores};
use crate::detect::warm_up::{WarmUpDetector, WarmUpKind, forest_scores};
use crate::models::iforest::IsolationForest;
use crate::random::{Purpose, fraction_of, stream};

/// The kinds of questions of the warm-up.
const REASONS: [Reason; 3] = [Reason::Highest, Reason::Lowest, Reason::Middle];

impl Session {
    /// The scores of the warm-up as a detector, and those of every training point of each series.
    pub(super) fn warm_up_scores(&self) -> (WarmUpDetector, Vec<Vec<f64>>) {
        let Config { warm_up, state, .. } = &self.config;
        let (kind, scores): (WarmUpKind, Vec<Vec<f64>>) = if warm_up.scores == WarmUpScores::Surprisal {
            let surprisal = |series: usize| {
                let points = self.pool.series[series].training.clone();
                let mut row = Vec::new();
                points.map(|point| self.pool.surprisal((series, point), &mut row)).collect()
            };
            (WarmUpKind::Surprisal(self.pool.ecdfs_by_series()), (0..self.pool.series.len()).map(surprisal).collect())
        } else {
            let forest = self.forest();
            let n_steps = warm_up.scores.n_steps(state);
            let of_series =
                |series: &PoolSeries| forest_scores(&forest, &series.encoded, series.training.clone(), n_steps);
            let scores = self.pool.series.iter().map(of_series).collect();
            (WarmUpKind::Forest(forest, warm_up.scores), scores)
        };
        let mut all: Vec<f64> = scores.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        let detector = WarmUpDetector {
            kind,
            state: state.clone(),
            scales: self.pool.scales.clone(),
            n_channels: self.pool.n_channels,
            threshold: all[all.len() - 1 - fraction_of(all.len() - 1, 0.01)],
        };
        (detector, scores)
    }

    /// A forest fitted to a sample of the training points.
    fn forest(&self) -> IsolationForest {
        let Config { paper, seed, .. } = &self.config;
        let mut rng = stream(*seed, Purpose::Forest, 0);
        let all: Vec<PoolPoint> = self.every_point().collect();
        let n = all.len().min(paper.n_trees.saturating_mul(paper.sample_size));
        let sample: Vec<PoolPoint> = index::sample(&mut rng, all.len(), n).iter().map(|i| all[i]).collect();
        let rows = self.forest_rows(&sample);
        IsolationForest::fit(&rows, rows.len() / n, paper.n_trees, paper.sample_size, &mut rng)
    }

    fn forest_rows(&self, points: &[PoolPoint]) -> Vec<f32> {
        let mut rows = Vec::new();
        if self.config.warm_up.scores == WarmUpScores::ForestWindow {
            self.pool.states(points, &mut rows);
        } else {
            self.pool.last_steps(points, &mut rows);
        }
        rows
    }

    pub(super) fn every_point(&self) -> impl Iterator<Item = PoolPoint> {
        let series = self.pool.series.iter().enumerate();
        series.flat_map(|(series, s)| s.training.clone().map(move |point| (series, point)))
    }

    /// The warm-up's questions: of each series the highest scores, the lowest, and those nearest to the middle, at most `n` in all.
    /// Series with the highest scores come first, so that a small budget is spent on them.
    pub(super) fn warm_up(&mut self, n: usize) -> Vec<Query> {
        let n_of = [self.config.warm_up.n_highest, self.config.warm_up.n_lowest, self.config.warm_up.n_middle];
        let n_ranks = n_of.into_iter().max().unwrap_or(0);
        if n_ranks == 0 {
            return self.choose(n.min(self.round_size()));
        }
        let most = fraction_of(self.config.questions, self.config.warm_up.max_fraction).max(1);
        let n = n.min(most).min(self.config.warm_up.max_questions);
        let (detector, scores) = self.warm_up_scores();
        // What is neither usual nor clearly not.
        let middle = if self.config.warm_up.scores == WarmUpScores::Surprisal { detector.threshold } else { 0.5 };
        // What is picked and not asked about keeps nothing away from the rounds after.
        let mut asked = self.asked.clone();
        // [series][kind][rank]
        let mut picked: Vec<[Vec<Candidate>; 3]> = Vec::with_capacity(scores.len());
        for (series, scores) in scores.iter().enumerate() {
            let first = self.pool.series[series].training.start;
            let candidates: Vec<Candidate> = scores
                .iter()
                .enumerate()
                .map(|(i, &score)| self.candidate((series, first + i), Prediction { score }))
                .filter(|candidate| self.pool.has((series, candidate.point)))
                .collect();
            picked.push(std::array::from_fn(|kind| {
                let key = |candidate: &Candidate| match REASONS[kind] {
                    Reason::Highest => -candidate.score,
                    Reason::Lowest => candidate.score,
                    _ => (candidate.score - middle).abs(),
                };
                let mut ranked = candidates.clone();
                ranked.sort_by(|a, b| key(a).total_cmp(&key(b)));
                ranked.retain({
                    let (asked, mut n) = (&mut asked, 0);
                    move |candidate| {
                        // A distance of 0 does not keep a point from being asked about twice.
                        let open = n < n_of[kind] && asked.allows(series, candidate.point);
                        if open {
                            asked.insert(series, candidate.point);
                            n += 1;
                        }
                        open
                    }
                });
                ranked
            }));
        }
        let highest =
            |series: &usize| picked[*series][0].first().map_or(f64::NEG_INFINITY, |candidate| candidate.score);
        let mut order: Vec<usize> = (0..picked.len()).collect();
        order.sort_by(|a, b| highest(b).total_cmp(&highest(a)));
        let queue: Vec<(Candidate, Reason)> = (0..n_ranks)
            .flat_map(|rank| (0..3).map(move |kind| (rank, kind)))
            .flat_map(|(rank, kind)| order.iter().map(move |&series| (rank, kind, series)))
            .filter_map(|(rank, kind, series)| Some((*picked[series][kind].get(rank)?, REASONS[kind])))
            .take(n)
            .collect();
        queue.iter().for_each(|(candidate, _)| self.asked.insert(candidate.series, candidate.point));
        self.number(queue)
    }

    /// The questions of a round: few at first, so that an answer is soon seen to count, and more as there are more answers.
    pub(super) fn round_size(&self) -> usize {
        let query = &self.config.query;
        (self.n_answered() / 4).max(query.first_round).min(query.per_round)
    }

    /// The questions of a round after the warm-up.
    pub(super) fn choose(&mut self, n: usize) -> Vec<Query> {
        let config = self.config.query.clone();
        let turn = self.round as u64;
        let points = self.ranked_points(turn);
        let predictions = self.predictions_in_use(&points);
        let mut candidates: Vec<Candidate> = points
            .iter()
            .zip(predictions)
            .map(|(&at, prediction)| self.candidate(at, prediction))
            .filter(|candidate| self.is_open((candidate.series, candidate.point)))
            .collect();
        let mut rng = stream(self.config.seed, Purpose::Query, turn | 1 << 40);
        rank(&mut candidates, config.strategy, self.even_score(), &mut rng);
        let n_random = fraction_of(n, config.random_fraction);
        let n_series = if self.config.paper.round_robin { 1 } else { self.pool.series.len() };
        let again = self.likely_wrong(fraction_of(n, config.review_fraction));
        let n_by_strategy = n - n_random - again.len();
        let by_strategy = take(&candidates, n_by_strategy, &mut self.asked, n_series, &config);
        let mut chosen: Vec<(Candidate, Reason)> = by_strategy.into_iter().map(|c| (c, Reason::Strategy)).collect();
        // Random questions do not heed the share of a series: every training point is as likely as any other, which is what
        // an unbiased estimate needs.
        let mut random = Vec::new();
        for _ in 0..100 * n_random {
            if random.len() == n_random {
                break;
            }
            let (series, point) = self.pool.draw_one(&mut rng);
            if self.is_open((series, point)) && self.asked.allows(series, point) {
                self.asked.insert(series, point);
                random.push((series, point));
            }
        }
        let predictions = self.predictions_in_use(&random);
        chosen.extend(again.into_iter().map(|candidate| (candidate, Reason::Review)));
        chosen.extend(
            random.iter().zip(predictions).map(|(&at, prediction)| (self.candidate(at, prediction), Reason::Random)),
        );
        self.number(chosen)
    }

    /// At most `n` questions whose answers are more likely wrong than right and were not asked again, the likeliest first.
    fn likely_wrong(&self, n: usize) -> Vec<Candidate> {
        if n == 0 {
            return Vec::new();
        }
        let mut likely_wrong: Vec<(f64, PoolPoint)> = self
            .answered
            .iter()
            .zip(self.last_p_wrong().into_iter().zip(self.asked_once()))
            .filter(|(_, (p_wrong, is_once))| *p_wrong > 0.5 && *is_once)
            .map(|((query, _), (p_wrong, _))| (p_wrong, (query.series, query.point)))
            .collect();
        likely_wrong.sort_by(|a, b| b.0.total_cmp(&a.0));
        let points: Vec<PoolPoint> = likely_wrong.into_iter().take(n).map(|likely_wrong| likely_wrong.1).collect();
        let predictions = self.predictions_in_use(&points);
        points.into_iter().zip(predictions).map(|(at, prediction)| self.candidate(at, prediction)).collect()
    }

    pub(super) fn candidate(&self, (series, point): PoolPoint, prediction: Prediction) -> Candidate {
        let n_drawn = self.n_ranked_of_series(self.pool.series.len()).min(self.pool.series[series].training.len());
        let n_points = self.weight_of(series) / n_drawn.max(1) as f64;
        let probability = prediction.probability(&self.config.agent);
        Candidate { series, point, score: prediction.score, probability, n_points }
    }

    pub(super) fn is_open(&self, (series, point): PoolPoint) -> bool {
        self.pool.has((series, point)) && self.labels[series].is_open(point)
    }

    pub(super) fn number(&self, chosen: Vec<(Candidate, Reason)>) -> Vec<Query> {
        let first = self.next_id();
        chosen
            .into_iter()
            .zip(first..)
            .map(|((Candidate { series, point, score, .. }, reason), id)| Query {
                id,
                round: self.round,
                series,
                point,
                reason,
                score,
            })
            .collect()
    }

    /// The number of the next question: questions are numbered in the order in which they are asked.
    pub(super) fn next_id(&self) -> u64 {
        let past = self.past_answers.iter().map(|answer| answer.question).max();
        let last = self.answered.last().map(|(query, _)| query.id);
        last.max(past).map_or(0, |id| id + 1)
    }

    /// The points that are ranked in a round: a sample of each series, or of the one whose turn it is.
    pub(super) fn ranked_points(&self, turn: u64) -> Vec<PoolPoint> {
        let n_series = self.pool.series.len();
        let series = if self.config.paper.round_robin && turn != FINAL_TURN {
            let at = self.turn_of_series();
            at..at + 1
        } else {
            0..n_series
        };
        let n = self.n_ranked_of_series(series.len());
        let mut rng = stream(self.config.seed, Purpose::Query, turn);
        series.flat_map(|s| self.pool.draw(s, n, &mut rng).into_iter().map(move |point| (s, point))).collect()
    }

    /// The most points of a series that are ranked in a round about so many series.
    pub(super) fn n_ranked_of_series(&self, n_series: usize) -> usize {
        self.config.query.pool.min(self.config.query.max_pool.div_ceil(n_series))
    }

    /// The series that a round of a round robin asks about: the next one that still has something to ask.
    fn turn_of_series(&self) -> usize {
        let n = self.pool.series.len();
        let turns = (0..n).map(|k| (self.round + k + n - 1) % n);
        let open = |series: &usize| {
            let s = &self.pool.series[*series];
            s.training.clone().any(|point| self.is_open((*series, point)))
        };
        turns.clone().find(open).unwrap_or_else(|| (self.round + n - 1) % n)
    }
}

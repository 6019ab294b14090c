//! A training run: `query` gives questions, `teach` learns from their answers. It does no input or output.
//!
//! A round is a query and what is taught for it. Round 0 is the warm-up: the extremes of an isolation forest (paper,
//! section 5.1). Everything random in a round comes from the seed and the round's number, so a session that is resumed from
//! the checkpoint of a round goes on to the same bytes as one that was never stopped.

mod checkpoint;

use std::ops::Range;

use rand::seq::index;
use serde::Serialize;

use crate::agent::{Agent, Example, fold, mean_scores};
use crate::config::{AnswerKind, Config, QueryStrategy, ThresholdMethod};
use crate::detector::ForestDetector;
use crate::error::{Error, Result};
use crate::iforest::IsolationForest;
use crate::label::{Answer, Label, Labels};
use crate::model::{Model, Record};
use crate::pool::{Pool, PoolPoint};
use crate::propagate::{entropy, propagate};
use crate::query::{Asked, Candidate, Query, Reason, rank, share_of, take};
use crate::random::{Purpose, stream};
use crate::series::{Series, around};
use crate::threshold::calibrate;

/// The turn of random streams for what follows the last round.
const FINAL_TURN: u64 = 1 << 32;

/// What a round came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The round, from 0 for the warm-up.
    pub round: usize,
    /// The questions that were answered so far, *unsure* and *skip* included.
    pub questions: usize,
    /// The points that experts labelled so far.
    pub labelled_points: usize,
    /// Those of them that are anomalies.
    pub labelled_anomalies: usize,
    /// The pseudo-labels of this round.
    pub pseudo_labels: usize,
    /// The mean loss over the last tenth of the round's gradient steps; not finite if the training diverged.
    pub loss: f32,
    /// ε at the end of the round.
    pub epsilon: f64,
}

/// A training run.
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    fingerprint: String,
    pool: Pool,
    labels: Vec<Labels>,
    asked: Asked,
    answered: Vec<(Query, Answer)>,
    agent: Agent,
    round: usize,
    pending: Option<Vec<Query>>,
}

impl Session {
    /// A session on the configured part of each series.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is outside of its range, [`Error::Empty`] without training points,
    /// [`Error::Channels`] if the series differ in their number of channels.
    pub fn new(config: Config, series: &[Series]) -> Result<Self> {
        config.validate()?;
        let pool = Pool::new(series, config.part, &config.state)?;
        let agent = Agent::new(&config.agent, pool.n_features, config.state.n_steps, config.seed);
        Ok(Self {
            fingerprint: checkpoint::fingerprint(series, config.part),
            labels: vec![Labels::default(); pool.series.len()],
            asked: Asked::new(pool.series.len(), config.query.min_distance),
            answered: Vec::new(),
            round: 0,
            pending: None,
            config,
            pool,
            agent,
        })
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The round that is next, or under way.
    #[must_use]
    pub const fn round(&self) -> usize {
        self.round
    }

    /// The questions that were answered and learned from, in order, with their answers.
    #[must_use]
    pub fn answered(&self) -> &[(Query, Answer)] {
        &self.answered
    }

    /// The points that are shown with a question, which a range answer may paint: training points only.
    #[must_use]
    pub fn shown(&self, query: &Query) -> Range<usize> {
        let after = self.config.query.shown / 2;
        let before = self.config.query.shown - 1 - after;
        around(query.point, before, after, &self.pool.series[query.series].training)
    }

    /// The questions of the round; none if the budget is spent or nothing is left to ask. The same until they are taught.
    pub fn query(&mut self) -> &[Query] {
        if self.pending.is_none() {
            let n = self.config.questions.saturating_sub(self.answered.len());
            let queries = if n == 0 {
                Vec::new()
            } else if self.round == 0 {
                self.warm_up(n)
            } else {
                self.choose(n.min(self.config.query.per_round))
            };
            self.pending = Some(queries);
        }
        self.pending.as_deref().unwrap_or_default()
    }

    /// Learns from answers to the questions of the round, by question number. Questions that are left without an answer are
    /// dropped. The round ends.
    ///
    /// # Errors
    /// [`Error::Answer`] if an answer does not fit its question; nothing is learned then.
    pub fn teach(&mut self, answers: &[(u64, Answer)]) -> Result<Progress> {
        let pending = self.query().to_vec();
        let mut taught = Vec::with_capacity(answers.len());
        for (id, answer) in answers {
            let query = pending.iter().find(|query| query.id == *id).ok_or_else(|| Error::Answer {
                question: *id,
                problem: "is to a question that was not asked in this round".to_owned(),
            })?;
            self.check(query, answer)?;
            taught.push((query.clone(), answer.clone()));
        }
        for (query, answer) in taught {
            self.take_in(query, answer);
        }
        let pseudo_labels = self.pseudo_labels();
        let examples = self.examples(&pseudo_labels);
        let turn = self.round as u64 + 1;
        let loss = self.agent.learn(&self.pool, &examples, turn, self.config.agent.steps_per_round);
        let progress = Progress {
            round: self.round,
            questions: self.answered.len(),
            labelled_points: self.labels.iter().map(Labels::len).sum(),
            labelled_anomalies: self.count(Label::Anomaly),
            pseudo_labels: pseudo_labels.len(),
            loss,
            epsilon: self.agent.epsilon(),
        };
        self.round += 1;
        self.pending = None;
        Ok(progress)
    }

    /// The detector that the answers so far give, trained for the last time (`agent.final_steps`). The session can go on
    /// after it.
    #[must_use]
    pub fn finish(&self) -> Model {
        let mut agent = self.agent.clone();
        let n_steps = self.config.agent.final_steps;
        if n_steps > 0 {
            let pseudo_labels = self.pseudo_labels();
            agent.learn(&self.pool, &self.examples(&pseudo_labels), FINAL_TURN, n_steps);
        }
        self.model(agent)
    }

    /// The detector that the last round left, as it stands.
    #[must_use]
    pub fn detector(&self) -> Model {
        self.model(self.agent.clone())
    }

    fn model(&self, agent: Agent) -> Model {
        let threshold = match self.config.threshold.method {
            ThresholdMethod::Own => 0.0,
            ThresholdMethod::Calibrated => {
                let points = self.ranked_points(FINAL_TURN);
                self.threshold(&agent, &points, &agent.member_scores(&self.pool, &points))
            }
        };
        let record = Record {
            config: self.config.clone(),
            shape: agent.members[0].online.shape(),
            n_channels: self.pool.n_channels,
            scales: self.pool.scales.clone(),
            threshold,
            n_questions: self.answered.len(),
            n_labelled_points: self.labels.iter().map(Labels::len).sum(),
        };
        Model::new(agent.members.into_iter().map(|member| member.online).collect(), record)
    }

    /// The isolation forest over the training states, as a detector: what is known without a question.
    #[must_use]
    pub fn forest(&self) -> ForestDetector {
        let (mut forest, scores) = self.forest_and_scores();
        let mut all: Vec<f64> = scores.into_iter().flatten().collect();
        all.sort_by(f64::total_cmp);
        forest.threshold = all[all.len() - 1 - share_of(all.len() - 1, 0.01)];
        forest
    }

    /// A fitted forest and its score of every training point of each series.
    fn forest_and_scores(&self) -> (ForestDetector, Vec<Vec<f64>>) {
        let Config { warm_up, state, seed, .. } = &self.config;
        let mut rng = stream(*seed, Purpose::Forest, 0);
        let all: Vec<PoolPoint> = self.every_point().collect();
        let n = all.len().min(warm_up.n_trees.saturating_mul(warm_up.sample_size));
        let sample: Vec<PoolPoint> = index::sample(&mut rng, all.len(), n).iter().map(|i| all[i]).collect();
        let rows = self.forest_rows(&sample);
        let forest = IsolationForest::fit(&rows, rows.len() / n, warm_up.n_trees, warm_up.sample_size, &mut rng);
        let scores = (0..self.pool.series.len()).map(|series| {
            let points: Vec<PoolPoint> = self.pool.series[series].training.clone().map(|point| (series, point)).collect();
            points.chunks(16_384).flat_map(|points| forest.score(&self.forest_rows(points))).collect()
        });
        let scores = scores.collect();
        let detector = ForestDetector {
            forest,
            state: state.clone(),
            input: warm_up.input,
            scales: self.pool.scales.clone(),
            n_channels: self.pool.n_channels,
            threshold: 0.5,
        };
        (detector, scores)
    }

    fn forest_rows(&self, points: &[PoolPoint]) -> Vec<f32> {
        let mut rows = Vec::new();
        match self.config.warm_up.input {
            crate::config::ForestInput::Window => self.pool.states(points, &mut rows),
            crate::config::ForestInput::LastStep => self.pool.last_steps(points, &mut rows),
        }
        rows
    }

    fn every_point(&self) -> impl Iterator<Item = PoolPoint> {
        let series = self.pool.series.iter().enumerate();
        series.flat_map(|(series, s)| s.training.clone().map(move |point| (series, point)))
    }

    /// The warm-up's questions: of each series the N_w highest scores of the forest, the N_w lowest, and the N_w nearest to
    /// .5, at most `n` in all. Series with the highest scores come first, so that a small budget is spent on them.
    fn warm_up(&mut self, n: usize) -> Vec<Query> {
        let n_extremes = self.config.warm_up.n_extremes;
        if n_extremes == 0 {
            return self.choose(n.min(self.config.query.per_round));
        }
        let (_, scores) = self.forest_and_scores();
        // [series][reason][rank]
        let mut picked: Vec<[Vec<Candidate>; 3]> = Vec::with_capacity(scores.len());
        for (series, scores) in scores.iter().enumerate() {
            let first = self.pool.series[series].training.start;
            let candidates: Vec<Candidate> = scores
                .iter()
                .enumerate()
                .map(|(i, &score)| Candidate { series, point: first + i, score })
                .filter(|candidate| self.pool.has((series, candidate.point)))
                .collect();
            picked.push([Reason::Highest, Reason::Lowest, Reason::Middle].map(|reason| {
                let key = |candidate: &Candidate| match reason {
                    Reason::Highest => -candidate.score,
                    Reason::Lowest => candidate.score,
                    _ => (candidate.score - 0.5).abs(),
                };
                let mut ranked = candidates.clone();
                ranked.sort_by(|a, b| key(a).total_cmp(&key(b)));
                ranked.retain({
                    let (asked, mut n) = (&mut self.asked, 0);
                    move |candidate| {
                        // A distance of 0 does not keep a point from being asked about twice.
                        let open = n < n_extremes && asked.allows(series, candidate.point);
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
        let highest = |series: &usize| picked[*series][0].first().map_or(f64::NEG_INFINITY, |candidate| candidate.score);
        let mut order: Vec<usize> = (0..picked.len()).collect();
        order.sort_by(|a, b| highest(b).total_cmp(&highest(a)));
        let reasons = [Reason::Highest, Reason::Lowest, Reason::Middle];
        let queue = (0..n_extremes)
            .flat_map(|rank| (0..3).map(move |kind| (rank, kind)))
            .flat_map(|(rank, kind)| order.iter().map(move |&series| (rank, kind, series)))
            .filter_map(|(rank, kind, series)| Some((*picked[series][kind].get(rank)?, reasons[kind])))
            .take(n)
            .collect();
        self.number(queue)
    }

    /// The questions of a round after the warm-up.
    fn choose(&mut self, n: usize) -> Vec<Query> {
        let config = self.config.query.clone();
        let turn = self.round as u64;
        let points = self.ranked_points(turn);
        let scores = self.agent.member_scores(&self.pool, &points);
        let threshold = match (self.config.threshold.method, config.strategy) {
            (ThresholdMethod::Calibrated, QueryStrategy::Margin) => self.threshold(&self.agent, &points, &scores),
            _ => 0.0,
        };
        let mut candidates: Vec<Candidate> = points
            .iter()
            .zip(mean_scores(&scores))
            .map(|(&(series, point), score)| Candidate { series, point, score })
            .filter(|candidate| self.is_open((candidate.series, candidate.point)))
            .collect();
        let mut rng = stream(self.config.seed, Purpose::Query, turn | 1 << 40);
        rank(&mut candidates, config.strategy, threshold, &mut rng);
        let n_random = share_of(n, config.random_share);
        let n_series = if config.round_robin { 1 } else { self.pool.series.len() };
        let by_strategy = take(&candidates, n - n_random, &mut self.asked, n_series, &config);
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
        let scores = mean_scores(&self.agent.member_scores(&self.pool, &random));
        chosen.extend(random.iter().zip(scores).map(|(&(series, point), score)| (Candidate { series, point, score }, Reason::Random)));
        self.number(chosen)
    }

    fn is_open(&self, (series, point): PoolPoint) -> bool {
        self.pool.has((series, point)) && self.labels[series].is_open(point)
    }

    fn number(&self, chosen: Vec<(Candidate, Reason)>) -> Vec<Query> {
        let first = self.next_id();
        chosen
            .into_iter()
            .zip(first..)
            .map(|((Candidate { series, point, score }, reason), id)| Query { id, round: self.round, series, point, reason, score })
            .collect()
    }

    /// The number of the next question: questions are numbered in the order in which they are asked.
    fn next_id(&self) -> u64 {
        self.answered.last().map_or(0, |(query, _)| query.id + 1)
    }

    /// The points that are ranked in a round: a sample of each series, or of the one whose turn it is.
    fn ranked_points(&self, turn: u64) -> Vec<PoolPoint> {
        let config = &self.config.query;
        let n_series = self.pool.series.len();
        let series = if config.round_robin && turn != FINAL_TURN {
            let at = self.turn_of_series();
            at..at + 1
        } else {
            0..n_series
        };
        let n = config.pool.min(config.max_pool.div_ceil(series.len()));
        let mut rng = stream(self.config.seed, Purpose::Query, turn);
        series.flat_map(|s| self.pool.draw(s, n, &mut rng).into_iter().map(move |point| (s, point))).collect()
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

    /// The threshold of an agent whose scores of a sample of training points are known (see `threshold.rs`).
    fn threshold(&self, agent: &Agent, points: &[PoolPoint], member_scores: &[Vec<f32>]) -> f64 {
        let n_members = agent.members.len();
        let mut drawn = vec![0.0; self.pool.series.len()];
        points.iter().for_each(|point| drawn[point.0] += 1.0);
        let pool: Vec<(f64, f64)> = points
            .iter()
            .enumerate()
            .map(|(i, &at)| {
                let score = f64::from(member_scores[fold(at, n_members)][i]);
                (score, self.weight_of(at.0) / drawn[at.0])
            })
            .collect();
        let labelled: Vec<(PoolPoint, Label)> = self.labelled().collect();
        let mut scored = Vec::with_capacity(labelled.len());
        for member in 0..n_members {
            let own: Vec<&(PoolPoint, Label)> = labelled.iter().filter(|(at, _)| fold(*at, n_members) == member).collect();
            let points: Vec<PoolPoint> = own.iter().map(|(at, _)| *at).collect();
            let scores = agent.scores_of(member, &self.pool, &points);
            scored.extend(own.iter().zip(scores).map(|((_, label), score)| (f64::from(score), *label == Label::Anomaly)));
        }
        calibrate(&scored, &pool).unwrap_or(0.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "a number of points")]
    fn weight_of(&self, series: usize) -> f64 {
        self.pool.series[series].training.len() as f64
    }

    fn labelled(&self) -> impl Iterator<Item = (PoolPoint, Label)> {
        let labels = self.labels.iter().enumerate();
        labels.flat_map(|(series, labels)| labels.iter().map(move |(point, label)| ((series, point), label)))
    }

    fn count(&self, label: Label) -> usize {
        self.labelled().filter(|labelled| labelled.1 == label).count()
    }

    /// The series that a round learns from: all of them, or in a round robin after the warm-up the one whose turn it was.
    fn learned_series(&self) -> Range<usize> {
        if self.config.query.round_robin && !self.config.agent.restart && self.round > 0 {
            let at = self.answered.last().map_or(0, |(query, _)| query.series);
            at..at + 1
        } else {
            0..self.pool.series.len()
        }
    }

    /// The labelled and pseudo-labelled states that a round learns from.
    fn examples(&self, pseudo_labels: &[Example]) -> Vec<Example> {
        let series = self.learned_series();
        let expert = self.labelled().filter(|(at, _)| series.contains(&at.0));
        let expert = expert.filter(|(at, _)| self.pool.has(*at)).map(|(at, label)| Example { at, label, weight: 1.0 });
        expert.chain(pseudo_labels.iter().copied()).collect()
    }

    /// The pseudo-labels of a round (paper, section 5.4): of each series that the round learns from, the unlabelled states
    /// to which the labelled ones of that series spread with the least entropy.
    fn pseudo_labels(&self) -> Vec<Example> {
        let config = &self.config.propagation;
        if config.per_round == 0 || config.weight <= 0.0 {
            return Vec::new();
        }
        let mut pseudo_labels = Vec::new();
        for series in self.learned_series().filter(|&series| !self.labels[series].is_empty()) {
            let turn = ((self.round as u64) << 28) | series as u64;
            let mut rng = stream(self.config.seed, Purpose::Propagation, turn);
            let labelled: Vec<(usize, Label)> =
                self.labels[series].iter().filter(|(point, _)| self.pool.has((series, *point))).collect();
            let unlabelled: Vec<usize> =
                self.pool.draw(series, config.pool, &mut rng).into_iter().filter(|p| self.labels[series].is_open(*p)).collect();
            let points: Vec<PoolPoint> =
                labelled.iter().map(|l| l.0).chain(unlabelled.iter().copied()).map(|point| (series, point)).collect();
            let labels: Vec<Option<Label>> =
                labelled.iter().map(|l| Some(l.1)).chain(unlabelled.iter().map(|_| None)).collect();
            let mut states = Vec::new();
            self.pool.states(&points, &mut states);
            let spread = propagate(&states, states.len() / points.len().max(1), &labels, config);
            let mut ranked: Vec<(f64, usize, f64)> = unlabelled
                .iter()
                .zip(&spread.p_anomaly[labelled.len()..])
                .map(|(&point, &p)| (entropy(p), point, p))
                .filter(|(entropy, ..)| *entropy < std::f64::consts::LN_2)
                .collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            pseudo_labels.extend(ranked.into_iter().take(config.per_round).map(|(_, point, p)| Example {
                at: (series, point),
                label: if p > 0.5 { Label::Anomaly } else { Label::Normal },
                weight: config.weight,
            }));
        }
        pseudo_labels
    }

    /// Refuses an answer that labels nothing, or a point twice, or one that was not asked about or shown.
    fn check(&self, query: &Query, answer: &Answer) -> Result<()> {
        let Answer::Spans(spans) = answer else { return Ok(()) };
        let wrong = |problem: &str| Err(Error::Answer { question: query.id, problem: problem.to_owned() });
        let allowed = match self.config.query.answers {
            AnswerKind::Point => query.point..query.point + 1,
            AnswerKind::Range => self.shown(query),
        };
        if spans.is_empty() {
            return wrong("labels no point; `unsure` and `skip` say so");
        }
        let mut sorted: Vec<_> = spans.iter().collect();
        sorted.sort_by_key(|span| span.first);
        if sorted.iter().any(|span| span.first > span.last) {
            return wrong("has a span that ends before it begins");
        }
        if sorted.windows(2).any(|pair| pair[1].first <= pair[0].last) {
            return wrong("labels a point twice");
        }
        if !sorted.iter().all(|span| allowed.contains(&span.first) && allowed.contains(&span.last)) {
            return wrong("labels a point that was not asked about");
        }
        Ok(())
    }

    fn take_in(&mut self, query: Query, answer: Answer) {
        self.labels[query.series].teach(query.point, &answer);
        self.asked.insert(query.series, query.point);
        self.answered.push((query, answer));
    }
}

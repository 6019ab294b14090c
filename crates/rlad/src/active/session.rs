//! A training run: `query` gives questions, `teach` learns from their answers, `run` does both with an oracle. It does no input or output.
//!
//! A round is a query and the answers that are taught for it. Round 0 is the warm-up: of every series the points with the highest, the
//! lowest and the middle scores of what is known without a question (paper, section 5.1). Everything random in a round comes from the
//! seed and the round's number, so a session that is resumed from the checkpoint of a round goes on to the same bytes as one that was
//! never stopped.

mod calendar;
mod checkpoint;
mod examples;
mod feedback;
mod grounds;
mod growth;
mod in_use;
mod label_noise;
mod lineage;
mod past;
mod quality;
mod questions;
mod recent;
mod residuals;
mod rounds;
mod similar;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

pub use self::feedback::Feedback;
pub use self::grounds::Grounds;
pub use self::growth::{ChangedAnswer, Growth};
pub use self::in_use::InUse;
use self::lineage::Previous;
use self::past::PastAnswer;
use self::quality::PoolPredictions;
pub use self::quality::{ExpectedQuality, Interval};
pub use self::recent::AlarmToAsk;
pub use self::rounds::{RoundAnswers, RunSummary, ask};
pub use self::similar::{SimilarWindow, SimilarWindows};
use crate::active::query::{AskedPoints, Query};
use crate::agent::ensemble::{Agent, PastExamples, means};
use crate::agent::pool::{KnownEcdfs, Pool, PoolPoint};
use crate::agent::residual::Residual;
use crate::config::{AnswerKind, Config, DecisionConfig, Goal};
use crate::data::calendar::Calendar;
use crate::data::label::{Answer, Label, Labels};
use crate::data::series::{Series, shown};
use crate::detect::model::{Model, ModelRecord};
use crate::detect::warm_up::WarmUpDetector;
use crate::error::{Error, Result};
use crate::features::surprisal::EcdfsBySeries;

/// The turn of random streams for what follows the last round.
const FINAL_TURN: u64 = 1 << 32;

/// The figures of a round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RoundSummary {
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
    /// The mean loss over the last tenth of the round's gradient steps.
    pub loss: f32,
    /// ε at the end of the round.
    pub epsilon: f64,
    /// κ between the alarms after this round and those after the one before, in `[-1, 1]`; `None` for the first.
    pub agreement: Option<f64>,
    /// The quality to be expected; `None` with too few random questions to say.
    pub expected: Option<ExpectedQuality>,
    /// How the detector did over the points that are new since the data grew, before this round was learned; `None` where the round asked
    /// about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_use: Option<InUse>,
}

/// A training run: asks about single points of series, and learns from the answers.
///
/// ```
/// use rlad::{Config, Label, Series, Session, TruthOracle};
/// use rlad::data::{NANOS_PER_SECOND, TimeFormat, Truth};
///
/// # fn main() -> rlad::Result<()> {
/// // An hourly series with a spike at every 97th point, and an oracle who knows that.
/// let times = (0..600).map(|i| i * 3600 * NANOS_PER_SECOND).collect();
/// let values = (0..600).map(|i| f64::from(i % 24) + if i % 97 == 31 { 40.0 } else { 0.0 }).collect();
/// let series = Series::new("cpu", vec!["value".into()], TimeFormat::Seconds, times, values, None)?;
/// let label = |i| Some(if i % 97 == 31 { Label::Anomaly } else { Label::Normal });
/// let truths = [Some(Truth::new((0..600).map(label).collect()))];
///
/// let mut config = Config::default();
/// config.questions = 10;
/// # (config.agent.n_members, config.agent.trees.weight) = (2, 1.0);
/// let mut session = Session::new(config, vec![series])?;
/// let summary = session.run(&mut TruthOracle::new(&truths))?;
/// assert_eq!(summary.rounds.last().unwrap().questions, 10);
/// let model = session.finish()?;
/// # assert_eq!(model.n_questions(), 10);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    config: Config,
    series: Arc<[Series]>,
    fingerprint: String,
    pool: Arc<Pool>,
    labels: Vec<Labels>,
    asked: AskedPoints,
    answered: Vec<(Query, Answer)>,
    /// All feedback of experts, in order; empty where `answered` is all of it.
    feedback: Vec<Feedback>,
    /// Answers about points that left the data, and what trees learn from them.
    past_answers: Vec<PastAnswer>,
    past: Arc<PastExamples>,
    /// The points that were shown with questions where those shown now are others: the training part has grown.
    shown_then: BTreeMap<u64, Range<usize>>,
    growth: Option<Growth>,
    /// The points of the alarms that questions of the round are about.
    alarms: BTreeMap<u64, Range<usize>>,
    /// Of each series, the points that are new since the data grew; empty where they did not.
    recent: Vec<Range<usize>>,
    /// The first round whose answers are about what the detector did in use.
    live_since: Option<usize>,
    /// The residual of each series that has one.
    residuals: BTreeMap<usize, Residual>,
    agent: Agent,
    /// κ between each round and the one before it.
    agreements: Vec<f64>,
    /// The predictions that the last round left, where they are not to be computed anew.
    last_predictions: Option<PoolPredictions>,
    round: usize,
    pending: Option<Vec<Query>>,
    /// What is expected, where something is.
    calendar: Option<Arc<Calendar>>,
    /// The model that the next one follows, where there is one.
    previous: Option<Arc<Previous>>,
}

impl Session {
    /// A session on the configured part of each series. The series are shared, not copied: a `Vec<Series>` or an `Arc<[Series]>`.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is outside of its range, [`Error::Empty`] without training points,
    /// [`Error::Channels`] if the series differ in their number of channels.
    pub fn new(config: Config, series: impl Into<Arc<[Series]>>) -> Result<Self> {
        Self::over(config, series.into(), None)
    }

    /// A session that knows the distributions of data before these.
    fn over(config: Config, series: Arc<[Series]>, known: Option<&KnownEcdfs>) -> Result<Self> {
        config.validate()?;
        let pool = Arc::new(Pool::over(&series, config.part, &config.state, known)?);
        let agent = Agent::new(&config, pool.n_features);
        Ok(Self {
            fingerprint: checkpoint::fingerprint(&series, config.part),
            labels: vec![Labels::default(); pool.series.len()],
            asked: AskedPoints::new(pool.series.len(), config.query.min_distance),
            answered: Vec::new(),
            feedback: Vec::new(),
            past_answers: Vec::new(),
            past: Arc::default(),
            shown_then: BTreeMap::new(),
            growth: None,
            alarms: BTreeMap::new(),
            recent: Vec::new(),
            live_since: None,
            residuals: BTreeMap::new(),
            agreements: Vec::new(),
            last_predictions: None,
            round: 0,
            pending: None,
            calendar: None,
            previous: None,
            config,
            series,
            pool,
            agent,
        })
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The series that it was begun on.
    #[must_use]
    pub const fn series(&self) -> &Arc<[Series]> {
        &self.series
    }

    /// The round that is next, or under way.
    #[must_use]
    pub const fn round(&self) -> usize {
        self.round
    }

    /// Allows more questions, so that a session whose budget is spent goes on. A budget below what was answered is one that is
    /// spent. Questions that were given and not yet taught stay as they are.
    pub fn set_questions(&mut self, questions: usize) {
        self.config.questions = questions;
        self.pending = self.pending.take().filter(|pending| !pending.is_empty());
    }

    /// The number of questions that were answered and learned from: those of [`Self::answered`], and those about points that left the data.
    #[must_use]
    pub fn n_answered(&self) -> usize {
        self.past_answers.len() + self.answered.len()
    }

    /// The questions that were answered and learned from, in order, with their answers; those about points that left the data are not
    /// among them.
    #[must_use]
    pub fn answered(&self) -> &[(Query, Answer)] {
        &self.answered
    }

    /// The points that are shown with a question, which a range answer may paint: training points only.
    #[must_use]
    pub fn shown(&self, query: &Query) -> Range<usize> {
        let shown_now = || shown(query.point, self.config.query.shown, &self.pool.series[query.series].training);
        self.shown_then.get(&query.id).cloned().unwrap_or_else(shown_now)
    }

    /// The training points of a series.
    ///
    /// # Panics
    /// If there is no such series.
    #[must_use]
    pub fn training(&self, series: usize) -> Range<usize> {
        self.pool.series[series].training.clone()
    }

    /// Whether a point has a label of an expert, or an answer that labels nothing.
    #[must_use]
    pub fn has_label(&self, series: usize, point: usize) -> bool {
        self.labels.get(series).is_some_and(|labels| !labels.is_open(point))
    }

    /// The questions of the round; none if the budget is spent or nothing is left to ask. The same until they are taught.
    pub fn query(&mut self) -> &[Query] {
        if self.pending.is_none() {
            let n = self.config.questions.saturating_sub(self.n_answered());
            let queries = if n == 0 {
                Vec::new()
            } else if self.round == 0 {
                self.warm_up(n)
            } else {
                let n = n.min(self.round_size());
                self.choose_recent(n).unwrap_or_else(|| self.choose(n))
            };
            self.pending = Some(queries);
        }
        self.pending.as_deref().unwrap_or_default()
    }

    /// Learns from answers to the questions of the round, by question number. Questions that are left without an answer are
    /// dropped. The round ends.
    ///
    /// # Errors
    /// [`Error::Answer`] if an answer does not fit its question, [`Error::RoundDiverged`] if the loss is not finite; nothing is learned then, and
    /// the round goes on.
    pub fn teach(&mut self, answers: &[(u64, Answer)]) -> Result<RoundSummary> {
        if !self.feedback.is_empty() {
            return self.teach_all(&self.with(answers));
        }
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
        self.transact(|session| {
            let before = session.predictions_before();
            for (query, answer) in taught {
                session.take_in(query, answer);
            }
            session.end_round(before)
        })
    }

    /// Does something that may fail; if it does, the session is as it was before.
    fn transact(&mut self, act: impl FnOnce(&mut Self) -> Result<RoundSummary>) -> Result<RoundSummary> {
        let before = self.clone();
        let outcome = act(self);
        if outcome.is_err() {
            *self = before;
        }
        outcome
    }

    /// The agent's predictions before it learns from a round; `None` before it knows anything.
    fn predictions_before(&mut self) -> Option<PoolPredictions> {
        (self.round > 0).then(|| self.last_predictions.take().unwrap_or_else(|| self.pool_predictions()))
    }

    /// Learns from the labels as they stand. The round ends.
    fn end_round(&mut self, before: Option<PoolPredictions>) -> Result<RoundSummary> {
        self.drop_expected_labels();
        let in_use = self.in_use();
        let pseudo_labels = self.pseudo_labels();
        let examples = self.examples(&pseudo_labels);
        let turn = self.round as u64 + 1;
        let loss = self.agent.learn(&self.pool, &examples, &self.past, turn, self.config.agent.steps_per_round);
        self.converged(loss)?;
        self.residuals = self.residuals();
        self.round += 1;
        self.pending = None;
        self.alarms.clear();
        // What was shown with questions that were dropped.
        let answered: BTreeSet<u64> = self.answered.iter().map(|(query, _)| query.id).collect();
        self.shown_then.retain(|question, _| answered.contains(question));
        let last_predictions = self.pool_predictions();
        let agreement = before.map(|before| before.agreement(&last_predictions));
        self.agreements.extend(agreement);
        let expected = self.expected_quality(&last_predictions);
        self.last_predictions = Some(last_predictions);
        Ok(RoundSummary {
            round: self.round - 1,
            questions: self.n_answered(),
            labelled_points: self.labels.iter().map(Labels::len).sum(),
            labelled_anomalies: self.count(Label::Anomaly),
            pseudo_labels: pseudo_labels.len(),
            loss,
            epsilon: self.agent.epsilon(),
            agreement,
            expected,
            in_use,
        })
    }

    /// Refuses a loss that is not finite.
    fn converged(&self, loss: f32) -> Result<()> {
        if loss.is_finite() { Ok(()) } else { Err(Error::RoundDiverged { round: self.round, loss }) }
    }

    /// The detector that the answers so far give, trained for the last time (`agent.final_steps`). The session can go on
    /// after it.
    ///
    /// # Errors
    /// [`Error::RoundDiverged`] if the loss is not finite.
    pub fn finish(&self) -> Result<Model> {
        let mut agent = self.agent.clone();
        let n_steps = self.config.agent.final_steps;
        if n_steps > 0 {
            let pseudo_labels = self.pseudo_labels();
            let examples = self.examples(&pseudo_labels);
            let loss = agent.learn(&self.pool, &examples, &self.past, FINAL_TURN, n_steps);
            self.converged(loss)?;
        }
        let mean_probability = if n_steps > 0 { None } else { self.last_mean_probability() };
        Ok(self.model(agent, mean_probability, &self.residuals))
    }

    /// The detector that the last round left, as it stands.
    #[must_use]
    pub fn detector(&self) -> Model {
        self.model(self.agent.clone(), self.last_mean_probability(), &self.residuals)
    }

    /// What the last round found, which the agent as it stands would find again.
    fn last_mean_probability(&self) -> Option<f64> {
        self.last_predictions.as_ref().map(|predictions| predictions.mean_probability)
    }

    /// `mean_probability`: that of this agent over the sample of training points, where it is known.
    fn model(&self, agent: Agent, mean_probability: Option<f64>, residuals: &BTreeMap<usize, Residual>) -> Model {
        let ecdfs = self.ecdfs_by_series();
        let mean_probability = mean_probability
            .unwrap_or_else(|| self.mean_probability(&means(&agent.predictions(&self.pool, &self.sample()))));
        let record = ModelRecord {
            config: Box::new(self.config.clone()),
            shape: agent.members[0].dqn.online.shape(),
            n_channels: self.pool.n_channels,
            scales: self.pool.scales.clone(),
            ecdfs_of: ecdfs.names().to_vec(),
            threshold: self.threshold(),
            label_overrides: self.pool.label_overrides(self.labelled().filter(|(at, _)| self.pool.has(*at))),
            n_questions: self.n_answered(),
            n_labelled_points: self.labels.iter().map(Labels::len).sum(),
            mean_probability,
            evidence: self.evidence(),
            residuals: self.by_name(residuals),
            lineage: self.lineage(),
            trained_until: self.trained_until(),
        };
        self.with_calendar(Model::new(agent.into_scorers(), record, ecdfs))
    }

    /// Residuals by the names of their series.
    fn by_name(&self, residuals: &BTreeMap<usize, Residual>) -> BTreeMap<String, Residual> {
        let named =
            |(series, residual): (&usize, &Residual)| (self.series[*series].name().to_owned(), residual.clone());
        residuals.iter().map(named).collect()
    }

    /// The detector that the last round left, with what these answers to questions of the round say of their series too
    /// (`drift.series_deviation`, `drift.alike_deviation`). It costs next to nothing: what the answers teach beside that comes with the round.
    #[must_use]
    pub fn detector_after(&self, answers: &[(u64, Answer)]) -> Model {
        self.model(self.agent.clone(), self.last_mean_probability(), &self.residuals_with(answers))
    }

    /// The share of what was learned that counts, in `[0, 1]`; 0 without a prior.
    fn evidence(&self) -> f64 {
        let agent = &self.config.agent;
        let n_labelling = self.n_labelling();
        if agent.has_prior() { agent.prior.evidence(n_labelling as f64, self.pool.series.len()) } else { 0.0 }
    }

    /// The answers that labelled a point, those about points that left the data among them.
    fn n_labelling(&self) -> usize {
        let past = self.past_answers.iter().filter(|answer| answer.is_labelling).count();
        past + self.answered.iter().filter(|(_, answer)| matches!(answer, Answer::Spans(_))).count()
    }

    fn ecdfs_by_series(&self) -> EcdfsBySeries {
        if self.config.agent.learner().has_trees() { self.pool.ecdfs_by_series() } else { EcdfsBySeries::default() }
    }

    /// The scores of the warm-up as a detector: all that is known without a question.
    #[must_use]
    pub fn warm_up_detector(&self) -> WarmUpDetector {
        self.warm_up_scores().0
    }

    /// The score above which a point is an alarm.
    fn threshold(&self) -> f64 {
        self.config.decision.threshold(&self.config.agent)
    }

    /// The score at which an answer is least sure, whatever is wanted of alarms: the threshold of the goal `f1`. Answers about the sure points
    /// beside the threshold of a choosy goal would teach less, and a model may be decided with by any goal.
    fn even_score(&self) -> f64 {
        DecisionConfig::of_goal(Goal::F1).threshold(&self.config.agent)
    }

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

    /// Refuses an answer that labels nothing, or a point twice, or one that was not asked about or shown.
    fn check(&self, query: &Query, answer: &Answer) -> Result<()> {
        let allowed = match self.config.query.answers {
            AnswerKind::Point => query.point..query.point + 1,
            AnswerKind::Range => self.shown(query),
        };
        answer.check(query.id, &allowed)
    }

    fn take_in(&mut self, query: Query, answer: Answer) {
        self.labels[query.series].teach(query.point, &answer);
        self.asked.insert(query.series, query.point);
        self.answered.push((query, answer));
    }
}

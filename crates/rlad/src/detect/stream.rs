//! Scores of series point by point, as their points arrive.

mod bytes;
mod swap;

use std::sync::Arc;

use crate::data::alarm::Alarm;
use crate::data::series::Clock;
use crate::detect::decision::{Decider, Scored};
use crate::detect::model::Model;
use crate::error::{Error, Result};
use crate::features::FeatureState;
use crate::features::surprisal::Ecdfs;
use crate::features::tree_row::TreeRows;

/// The state of one series that is scored as it arrives.
///
/// Scores and alarms equal those of the whole series scored at once, bit for bit, but for the labels of experts, which a stream does not
/// look up. Its memory is bounded ([`Self::memory_bytes`]), but for the peaks of a week where alarms have a budget. Streams of one model share
/// it.
///
/// ```
/// # use std::sync::Arc;
/// # use rlad::{Config, Detector, Series, Session, Stream, TruthOracle};
/// # use rlad::data::{Alarm, TimeFormat, Truth, NANOS_PER_SECOND};
/// # fn main() -> rlad::Result<()> {
/// # let values: Vec<f64> = (0..600).map(|i| (i % 24) as f64 + if i % 97 == 31 { 40.0 } else { 0.0 }).collect();
/// # let times: Vec<i64> = (0..600).map(|i| i * 3600 * NANOS_PER_SECOND).collect();
/// # let series = Series::new("cpu", vec!["value".into()], TimeFormat::Seconds, times, values, None)?;
/// # let label = |i: usize| Some(if i % 97 == 31 { rlad::Label::Anomaly } else { rlad::Label::Normal });
/// # let truths = [Some(Truth::new((0..600).map(label).collect()))];
/// # let mut config = Config::default();
/// # (config.questions, config.agent.n_members, config.agent.trees.weight) = (20, 2, 1.0);
/// # let mut session = Session::new(config, vec![series.clone()])?;
/// # session.run(&mut TruthOracle::new(&truths))?;
/// let model = Arc::new(session.finish()?);
/// let mut stream = Stream::new(Arc::clone(&model), "cpu", series.clock());
/// for point in 0..series.len() {
///     let score = stream.push(series.timestamps()[point], series.row(point))?;
///     if stream.alarm() == Alarm::Opens {
///         println!("an event begins at point {point}, score {score:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Stream {
    model: Arc<Model>,
    name: Box<str>,
    features: FeatureState,
    /// The distributions of its features for the trees; `None` without trees.
    ecdfs: Option<Ecdfs>,
    /// The rows of the last window, oldest first, shape `[n_steps, n_features]`; of the last step only, where no network reads more.
    window: Box<[f32]>,
    is_empty: bool,
    last_timestamp: i64,
    clock: Clock,
    decider: Decider,
    alarm: Alarm,
}

/// A point of a stream that has arrived.
#[derive(Debug)]
pub struct Arrival<'s> {
    /// The series.
    pub stream: &'s mut Stream,
    /// As in [`Stream::push`].
    pub timestamp: i64,
    /// As in [`Stream::push`].
    pub values: &'s [f64],
}

impl Stream {
    /// The stream of a series of this name and clock.
    #[must_use]
    pub fn new(model: Arc<Model>, name: &str, clock: Clock) -> Self {
        let state = &model.record.config.state;
        let n_channels = model.record.n_channels;
        let features = FeatureState::new(&state.features, clock, n_channels, &model.scale(name));
        let n_rows = if model.has_networks() { state.n_steps } else { 1 };
        let window = vec![0.0; n_rows * model.record.shape.n_features].into_boxed_slice();
        let ecdfs = model.has_trees().then(|| model.ecdfs(name, clock));
        let decider = model.decider(name, clock);
        Self {
            name: name.into(),
            features,
            ecdfs,
            window,
            is_empty: true,
            last_timestamp: i64::MIN,
            clock,
            decider,
            alarm: Alarm::None,
            model,
        }
    }

    /// The model that it is scored with.
    #[must_use]
    pub const fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// What was decided about the last point that was taken in: an alarm or none; none before the first.
    #[must_use]
    pub const fn alarm(&self) -> Alarm {
        self.alarm
    }

    /// The score that the decision about the last point went by; `None` before the first point and where it had none. It is that of
    /// [`Self::push`], save in a series of which no expert called a point an anomaly: once what other series taught has passed its limit
    /// there (`decision.transfer_share`), it is lower.
    #[must_use]
    pub fn decided_score(&self) -> Option<f64> {
        Some(self.decider.score()).filter(|score| !score.is_nan())
    }

    /// The memory that it takes, in bytes: all of it, but for the model, which streams share.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() - size_of::<FeatureState>()
            + self.features.bytes()
            + self.name.len()
            + size_of_val(&*self.window)
            + self.ecdfs.as_ref().map_or(0, Ecdfs::own_bytes)
            + self.decider.heap_bytes()
    }

    /// Follows from here on what value is expected, as decisions with a `direction` or deviations ask for: [`Self::swap`] to a model with
    /// such a decision succeeds then. Expected values begin anew; all else stays. Nothing changes where they are followed already.
    pub fn follow_expected(&mut self) {
        self.decider.follow_expected(self.clock, self.model.record.n_channels);
    }

    /// Takes in the next point and returns its score; `None` where every value is missing (NaN or infinite).
    ///
    /// `timestamp`: nanoseconds since 1970 (an index where the clock has no days), later than the one before.
    /// `values`: shape `[n_channels]`.
    ///
    /// Points of many series that arrive together are scored faster by [`push_all`].
    ///
    /// # Errors
    /// [`Error::Channels`] for a wrong number of values; [`Error::Setting`] for a timestamp that is not later than the one
    /// before, or where the decision has settings in units of time and the clock no days. The point is then not taken in.
    pub fn push(&mut self, timestamp: i64, values: &[f64]) -> Result<Option<f64>> {
        push_all(vec![Arrival { stream: self, timestamp, values }]).remove(0)
    }

    /// Takes in the next point and appends its row for the trees; false where every value is missing.
    fn take_in(&mut self, timestamp: i64, values: &[f64], tree_rows: &mut TreeRows) -> Result<bool> {
        let expected = self.model.record.n_channels;
        if values.len() != expected {
            return Err(Error::Channels { series: self.name.to_string(), expected, found: values.len() });
        }
        if !self.is_empty && timestamp <= self.last_timestamp {
            let last = self.last_timestamp;
            return Err(Error::setting("timestamp", format!("later than {last}, the one before"), timestamp));
        }
        self.model.decision().check_clock(self.clock)?;
        self.last_timestamp = timestamp;
        let n_features = self.model.record.shape.n_features;
        let n_before = self.window.len() - n_features;
        self.window.copy_within(n_features.., 0);
        self.features.push(timestamp, values, &mut self.window[n_before..]);
        if std::mem::take(&mut self.is_empty) {
            let (before, row) = self.window.split_at_mut(n_before);
            before.chunks_exact_mut(n_features).for_each(|step| step.copy_from_slice(row));
        }
        if let Some(ecdfs) = &mut self.ecdfs {
            tree_rows.push_next(&self.window[n_before..], ecdfs);
        }
        Ok(values.iter().any(|value| value.is_finite()))
    }
}

/// Takes in the next point of each of several series, and returns their scores, in order: those of [`Stream::push`], bit for bit, but all
/// streams of one model in one pass through it.
///
/// Each has the error that [`Stream::push`] would give; the others are taken in all the same.
pub fn push_all(arrivals: Vec<Arrival<'_>>) -> Vec<Result<Option<f64>>> {
    let mut outcomes: Vec<Result<Option<f64>>> = Vec::with_capacity(arrivals.len());
    let mut arrivals = arrivals.into_iter().peekable();
    while let Some(first) = arrivals.next() {
        // Neighbours that share a model are one batch.
        let mut batch = Batch::of(Arc::clone(&first.stream.model));
        batch.take_in(first);
        while let Some(next) = arrivals.next_if(|arrival| Arc::ptr_eq(&arrival.stream.model, &batch.model)) {
            batch.take_in(next);
        }
        outcomes.extend(batch.scores());
    }
    outcomes
}

/// Points that are scored together.
struct Batch<'s> {
    model: Arc<Model>,
    states: Vec<f32>,
    tree_rows: TreeRows,
    n: usize,
    /// The points, and whether each has a score, or why it was not taken in.
    outcomes: Vec<(Arrival<'s>, Result<bool>)>,
}

impl<'s> Batch<'s> {
    const fn of(model: Arc<Model>) -> Self {
        let tree_rows = TreeRows::new();
        Self { model, states: Vec::new(), tree_rows, n: 0, outcomes: Vec::new() }
    }

    fn take_in(&mut self, arrival: Arrival<'s>) {
        let n_rows = self.tree_rows.len();
        let Arrival { stream, timestamp, values } = arrival;
        let outcome = stream.take_in(timestamp, values, &mut self.tree_rows);
        if matches!(outcome, Ok(true)) {
            if self.model.has_networks() {
                self.states.extend_from_slice(&stream.window);
            }
            self.n += 1;
        } else {
            self.tree_rows.truncate(n_rows);
        }
        self.outcomes.push((Arrival { stream, timestamp, values }, outcome));
    }

    /// The scores of the points; each stream decides about its own.
    fn scores(self) -> impl Iterator<Item = Result<Option<f64>>> {
        let mut scores = self.model.score_states(&self.states, &self.tree_rows, self.n).into_iter().enumerate();
        self.outcomes.into_iter().map(move |(Arrival { stream, timestamp, values }, outcome)| {
            let scored = if outcome? { scores.next() } else { None };
            let scored = scored.map(|(row, score)| Scored {
                score: score + self.model.residual(&stream.name, &self.tree_rows, row),
                prior: self.model.prior(self.tree_rows.surprisal(row)),
            });
            let none = Scored { score: f64::NAN, prior: f64::NAN };
            stream.alarm = stream.decider.push(timestamp, values, scored.unwrap_or(none), None);
            Ok(scored.map(|scored| scored.score))
        })
    }
}

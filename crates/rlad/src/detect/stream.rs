//! Scoring series point by point, as their points arrive.

use crate::data::series::Clock;
use crate::detect::model::Model;
use crate::error::{Error, Result};
use crate::features::FeatureState;
use crate::features::tree_row::SeriesContext;

/// The state of one series that is scored as it arrives.
///
/// The scores equal those of the whole series scored at once, bit for bit. Its memory does not grow.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    model: &'a Model,
    name: Box<str>,
    features: FeatureState,
    /// What the trees know of the series; `None` without trees.
    context: Option<SeriesContext>,
    /// The rows of the last window, oldest first, shape `[n_steps, n_features]`; of the last step only, where no network reads more.
    window: Box<[f32]>,
    is_empty: bool,
    last_timestamp: i64,
}

/// A point of a stream that has arrived.
#[derive(Debug)]
pub struct Arrival<'s, 'm> {
    /// The series.
    pub stream: &'s mut Stream<'m>,
    /// As in [`Stream::push`].
    pub timestamp: i64,
    /// As in [`Stream::push`].
    pub values: &'s [f64],
}

impl<'a> Stream<'a> {
    /// The stream of a series of this name and clock.
    #[must_use]
    pub fn new(model: &'a Model, name: &str, clock: Clock) -> Self {
        let state = &model.record.config.state;
        let n_channels = model.record.n_channels;
        let features = FeatureState::new(&state.features, clock, n_channels, &model.scale(name));
        let n_rows = if model.has_networks() { state.n_steps } else { 1 };
        let window = vec![0.0; n_rows * model.record.shape.n_features].into_boxed_slice();
        let context = model.has_trees().then(|| model.series_context(name));
        Self { model, name: name.into(), features, context, window, is_empty: true, last_timestamp: i64::MIN }
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
    /// before. The point is then not taken in.
    pub fn push(&mut self, timestamp: i64, values: &[f64]) -> Result<Option<f64>> {
        push_all(vec![Arrival { stream: self, timestamp, values }]).remove(0)
    }

    /// Takes in the next point and appends what the trees see of it; false where every value is missing.
    fn take_in(&mut self, timestamp: i64, values: &[f64], tree_rows: &mut Vec<f32>) -> Result<bool> {
        let expected = self.model.record.n_channels;
        if values.len() != expected {
            return Err(Error::Channels { series: self.name.to_string(), expected, found: values.len() });
        }
        if !self.is_empty && timestamp <= self.last_timestamp {
            let last = self.last_timestamp;
            return Err(Error::setting("timestamp", format!("later than {last}, the one before"), timestamp));
        }
        self.last_timestamp = timestamp;
        let n_features = self.model.record.shape.n_features;
        let n_before = self.window.len() - n_features;
        self.window.copy_within(n_features.., 0);
        self.features.push(timestamp, values, &mut self.window[n_before..]);
        if std::mem::take(&mut self.is_empty) {
            let (before, row) = self.window.split_at_mut(n_before);
            before.chunks_exact_mut(n_features).for_each(|step| step.copy_from_slice(row));
        }
        if let Some(context) = &mut self.context {
            context.push_next(&self.window[n_before..], tree_rows);
        }
        Ok(values.iter().any(|value| value.is_finite()))
    }
}

/// Takes in the next point of each of several series of one model, and returns their scores, in order: what [`Stream::push`] gives for
/// each, bit for bit, but all in one pass through the model.
///
/// # Panics
/// If two of the streams are of different models.
pub fn push_all(arrivals: Vec<Arrival<'_, '_>>) -> Vec<Result<Option<f64>>> {
    let Some(first) = arrivals.first() else { return Vec::new() };
    let model = first.stream.model;
    let (mut states, mut tree_rows, mut is_seen) = (Vec::new(), Vec::new(), Vec::new());
    let mut outcomes: Vec<Result<bool>> = Vec::with_capacity(arrivals.len());
    for Arrival { stream, timestamp, values } in arrivals {
        assert!(std::ptr::eq(stream.model, model), "streams of one model");
        let n_features = tree_rows.len();
        let outcome = stream.take_in(timestamp, values, &mut tree_rows);
        if matches!(outcome, Ok(true)) {
            if model.has_networks() {
                states.extend_from_slice(&stream.window);
            }
            is_seen.push(stream.context.as_ref().is_none_or(SeriesContext::is_fitted));
        } else {
            tree_rows.truncate(n_features);
        }
        outcomes.push(outcome);
    }
    let mut scores = model.score_states(&states, &tree_rows, &is_seen).into_iter();
    outcomes.into_iter().map(|outcome| Ok(if outcome? { scores.next() } else { None })).collect()
}

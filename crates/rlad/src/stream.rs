//! Scoring a series point by point, as its points arrive.

use crate::agent::mean_score;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::scorer::score;
use crate::series::Clock;
use crate::trees::Known;
use crate::views::ViewState;

/// The state of one series that is scored as it arrives.
///
/// The scores equal those of the whole series scored at once, bit for bit. Its memory does not grow.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    model: &'a Model,
    name: String,
    views: ViewState,
    /// What the trees know of the series; `None` without trees.
    known: Option<Known>,
    /// The rows of the last window, oldest first, shape `[n_steps, n_features]`.
    window: Vec<f32>,
    row: Vec<f32>,
    last_timestamp: Option<i64>,
}

impl<'a> Stream<'a> {
    /// The stream of a series of this name and clock.
    #[must_use]
    pub fn new(model: &'a Model, name: &str, clock: Clock) -> Self {
        let state = &model.record.config.state;
        let n_channels = model.record.n_channels;
        let views = ViewState::new(&state.views, clock, n_channels, &model.scale(name));
        let row = vec![0.0; model.record.shape.n_features];
        let has_trees = model.record.config.agent.trees.weight > 0.0;
        let known = has_trees.then(|| model.known(name));
        Self { model, name: name.to_owned(), views, known, window: Vec::new(), row, last_timestamp: None }
    }

    /// Takes in the next point and returns its score; `None` where every value is missing (NaN or infinite).
    ///
    /// `timestamp`: nanoseconds since 1970 (an index where the clock has no days), later than the one before.
    /// `values`: shape `[n_channels]`.
    ///
    /// # Errors
    /// [`Error::Channels`] for a wrong number of values; [`Error::Setting`] for a timestamp that is not later than the one
    /// before. The point is then not taken in.
    pub fn push(&mut self, timestamp: i64, values: &[f64]) -> Result<Option<f64>> {
        let expected = self.model.record.n_channels;
        if values.len() != expected {
            return Err(Error::Channels { series: self.name.clone(), expected, found: values.len() });
        }
        if let Some(last) = self.last_timestamp.filter(|&last| timestamp <= last) {
            return Err(Error::setting("timestamp", format!("later than {last}, the one before"), timestamp));
        }
        self.last_timestamp = Some(timestamp);
        let values: Vec<f64> = values.iter().map(|value| if value.is_finite() { *value } else { f64::NAN }).collect();
        self.views.push(timestamp, &values, &mut self.row);
        let n_steps = self.model.record.config.state.n_steps;
        if self.window.is_empty() {
            self.window = self.row.repeat(n_steps);
        } else {
            self.window.drain(..self.row.len());
            self.window.extend_from_slice(&self.row);
        }
        let mut features = Vec::new();
        if let Some(known) = &mut self.known {
            known.push_next(&self.row, &mut features);
        }
        if values.iter().all(|value| value.is_nan()) {
            return Ok(None);
        }
        let of_members = self.model.members.iter().map(|member| {
            let q_values = member.network.as_ref().map(|network| network.q_values(&self.window, n_steps)[0]);
            let log_odds = member.trees.as_ref().map(|trees| trees.log_odds(&features)[0]);
            score(&self.model.record.config.agent, q_values, log_odds)
        });
        Ok(Some(mean_score(of_members)))
    }
}

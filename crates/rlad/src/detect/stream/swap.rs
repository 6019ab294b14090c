//! Another model for a stream that goes on.

use std::sync::Arc;

use super::Stream;
use crate::detect::detector::ID_DIGITS;
use crate::detect::model::Model;
use crate::error::{Error, Result};
use crate::features::Feature;

impl Stream {
    /// Goes on with another model from the next point on: features, windows, an open event, `decision.hold`, the budget and expected values
    /// stay as they are. The streams of many series are swapped one by one.
    ///
    /// With the model that the stream has, nothing changes. With another one
    ///
    /// - **distributions** that the new model fitted to the series take the place of those before; what a stream counted on itself
    ///   (`drift.absorb_days`) begins anew, as the fit knows it, and goes on only where the fit is the same. Of a series that the new
    ///   model does not know, the points that were counted so far go on counting, before them the new model's average series; where its
    ///   bins are others they are dealt out between the new edges in proportion, which is not exact;
    /// - the **range** of `min-max` is the new model's where it fitted one, else it goes on from the one before. Rows of the
    ///   window that a network sees keep the range that they were made with;
    /// - threshold, residuals, decision and calendar are the new model's.
    ///
    /// So where the new model fitted the series, its distributions do not learn on, and no network reads `min-max`, the scores that follow
    /// are those of the new model over the whole series, bit for bit. Alarms go on from what was decided before.
    ///
    /// # Errors
    /// [`Error::Channels`] where the new model has another number of channels; [`Error::Swap`] where it needs what the stream did not keep:
    /// other `state.features`, windows of another length, expected values that the decision before did not ask for;
    /// [`Error::Setting`] where its decision has settings in units of time and the clock no days. The stream then stays on its model.
    pub fn swap(&mut self, model: Arc<Model>) -> Result<()> {
        let (old, new) = (&self.model.record, &model.record);
        if new.n_channels != old.n_channels {
            let series = self.name.to_string();
            return Err(Error::Channels { series, expected: old.n_channels, found: new.n_channels });
        }
        let misfit = |what: &'static str, expected: String, found: String| {
            let (series, model) = (self.name.to_string(), model.hash()[..ID_DIGITS].to_owned());
            Err(Error::Swap { series, model, what, expected, found })
        };
        let (features, new_features) = (&old.config.state.features, &new.config.state.features);
        if features != new_features {
            return misfit("`state.features`", "those of the stream".to_owned(), difference(features, new_features));
        }
        let n_features = new.shape.n_features;
        let n_kept = self.window.len() / n_features.max(1);
        let n_rows = if model.has_networks() { new.config.state.n_steps } else { 1 };
        if n_rows > n_kept {
            let expected = format!("{n_kept}, as many as the stream keeps");
            return misfit("window (`state.n_steps` where networks read it)", expected, n_rows.to_string());
        }
        model.decision().check_clock(self.clock)?;
        let Some(decider) = model.decider(&self.name, self.clock).following(self.decider.clone()) else {
            return Err(no_expected_values(&self.name, &model));
        };
        self.ecdfs = model.has_trees().then(|| {
            let ecdfs = model.ecdfs(&self.name, self.clock);
            match self.ecdfs.take() {
                Some(before) => ecdfs.going_on_from(before, model.has_fitted(&self.name)),
                None => ecdfs,
            }
        });
        self.decider = decider;
        self.features.set_scale(&model.scale(&self.name));
        self.window = self.window[(n_kept - n_rows) * n_features..].into();
        self.model = model;
        Ok(())
    }
}

/// That a decision rests on expected values which a stream did not follow.
pub(super) fn no_expected_values(series: &str, model: &Model) -> Error {
    Error::Swap {
        series: series.to_owned(),
        model: model.hash()[..ID_DIGITS].to_owned(),
        what: "decision",
        expected: "one without `direction` and deviations, since the stream followed no expected values".to_owned(),
        found: "one with them".to_owned(),
    }
}

/// How the features of a model differ from those of a stream, in words.
fn difference(of_stream: &[Feature], of_model: &[Feature]) -> String {
    let without = |features: &[Feature], others: &[Feature]| {
        let names: Vec<String> =
            features.iter().filter(|feature| !others.contains(feature)).map(|feature| format!("`{feature}`")).collect();
        names.join(", ")
    };
    match (without(of_stream, of_model), without(of_model, of_stream)) {
        (missing, more) if !missing.is_empty() && !more.is_empty() => format!("{more} in place of {missing}"),
        (missing, _) if !missing.is_empty() => format!("them without {missing}"),
        (_, more) if !more.is_empty() => format!("{more} beside them"),
        _ => format!("the same in another order or number, {} of them", of_model.len()),
    }
}

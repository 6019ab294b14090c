//! What the trees see of a state: its last step, what is usual in its series, and how rare the last step is there.

use crate::features::statistics::{Statics, n_statics};
use crate::features::surprisal::{Tails, mean_rarity};

/// The number of features of a state with `n_views` numbers a step.
pub(crate) const fn n_tree_features(n_views: usize) -> usize {
    2 * n_views + n_statics(n_views) + 1
}

/// What is known of one series beside its views.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its static covariates.
    pub(crate) statics: Statics,
    /// The distributions of its views.
    pub(crate) tails: Tails,
}

impl Known {
    /// Whether it is the same at all points.
    pub(crate) const fn is_fitted(&self) -> bool {
        self.statics.is_fitted() && self.tails.is_fitted()
    }

    /// Appends the features of a state of a fitted series: the views of its last step, shape `[n_views]`; the static covariates, shape
    /// `[2 n_views]`; how rare each view is in the series, shape `[n_views]`; and the mean of that.
    pub(crate) fn push(&self, last_step: &[f32], features: &mut Vec<f32>) {
        features.extend_from_slice(last_step);
        self.statics.push(features);
        self.tails.push(last_step, features);
        push_mean(last_step.len(), features);
    }

    /// Takes in the views of the next point where it learns from them, and appends what [`Self::push`] does.
    pub(crate) fn push_next(&mut self, last_step: &[f32], features: &mut Vec<f32>) {
        features.extend_from_slice(last_step);
        self.statics.take_in(last_step);
        self.statics.push(features);
        self.tails.push_next(last_step, features);
        push_mean(last_step.len(), features);
    }
}

/// How rare the views are in their series, on average, in nats: the last of the features of a state; 0 without features.
pub(crate) fn mean_rarity_of(features: &[f32]) -> f32 {
    features.last().copied().unwrap_or(0.0)
}

fn push_mean(n_views: usize, features: &mut Vec<f32>) {
    let mean = mean_rarity(&features[features.len() - n_views..]);
    features.push(mean as f32);
}

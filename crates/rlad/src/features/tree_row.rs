//! What the trees see of a state: its last step, what is usual in its series, and how rare the last step is there.

use crate::features::statistics::{SeriesStatistics, n_statistics};
use crate::features::surprisal::{Ecdfs, mean_surprisal};

/// The number of tree_rows of a state with `n_features` numbers a step.
pub(crate) const fn n_tree_features(n_features: usize) -> usize {
    2 * n_features + n_statistics(n_features) + 1
}

/// What is known of one series beside its features.
#[derive(Clone, Debug)]
pub(crate) struct SeriesContext {
    /// Its static covariates.
    pub(crate) statistics: SeriesStatistics,
    /// The distributions of its features.
    pub(crate) ecdfs: Ecdfs,
}

impl SeriesContext {
    /// Whether it is the same at all points.
    pub(crate) const fn is_fitted(&self) -> bool {
        self.statistics.is_fitted() && self.ecdfs.is_fitted()
    }

    /// Appends the tree_rows of a state of a fitted series: the features of its last step, shape `[n_features]`; the static covariates, shape
    /// `[2 n_features]`; how rare each feature is in the series, shape `[n_features]`; and the mean of that.
    pub(crate) fn push(&self, last_step: &[f32], tree_rows: &mut Vec<f32>) {
        tree_rows.extend_from_slice(last_step);
        self.statistics.push(tree_rows);
        self.ecdfs.push(last_step, tree_rows);
        push_mean(last_step.len(), tree_rows);
    }

    /// Takes in the features of the next point where it learns from them, and appends what [`Self::push`] does.
    pub(crate) fn push_next(&mut self, last_step: &[f32], tree_rows: &mut Vec<f32>) {
        tree_rows.extend_from_slice(last_step);
        self.statistics.take_in(last_step);
        self.statistics.push(tree_rows);
        self.ecdfs.push_next(last_step, tree_rows);
        push_mean(last_step.len(), tree_rows);
    }
}

/// How rare the features are in their series, on average, in nats: the last of the tree_rows of a state; 0 without tree_rows.
pub(crate) fn mean_surprisal_of(tree_rows: &[f32]) -> f32 {
    tree_rows.last().copied().unwrap_or(0.0)
}

fn push_mean(n_features: usize, tree_rows: &mut Vec<f32>) {
    let mean = mean_surprisal(&tree_rows[tree_rows.len() - n_features..]);
    tree_rows.push(mean as f32);
}

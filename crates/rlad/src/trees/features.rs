//! What the trees see of a state: its last step, and what is usual in its series.

use crate::statics::n_statics;

/// The number of features of a state with `n_views` numbers a step.
pub(crate) const fn n_tree_features(n_views: usize) -> usize {
    n_views + n_statics(n_views)
}

/// Appends the features of a state: the views of its last step, shape `[n_views]`, then the static covariates of the series,
/// shape `[2 n_views]`.
pub(crate) fn push_tree_features(last_step: &[f32], statics: &[f32], features: &mut Vec<f32>) {
    debug_assert_eq!(statics.len(), n_statics(last_step.len()), "two numbers a view");
    features.extend_from_slice(last_step);
    features.extend_from_slice(statics);
}

//! The settings of boosted trees.

use serde::{Deserialize, Serialize};

/// Gradient-boosted trees on the last step of a state and the static covariates of its series: the second Q-function of each
/// member of the agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreesConfig {
    /// Their weight in a member's score, where the network has the rest, in `[0, 1]`: at 0 no trees are grown, at 1 no network
    /// is trained.
    pub weight: f32,
    /// The number of trees of a member, in `1..=10_000`.
    pub n_trees: usize,
    /// The most leaves of a tree, in `2..=1_024`.
    pub n_leaves: usize,
    /// The fraction of a leaf's step that is taken, in `(0, 1]`.
    pub learning_rate: f64,
    /// The fraction of the labelled points that each tree sees, in `(0, 1]`.
    pub row_fraction: f64,
    /// The fraction of the features that each tree sees, in `(0, 1]`.
    pub feature_fraction: f64,
    /// The least labelled points of a leaf, at least 1.
    pub min_rows: usize,
    /// The addition to a leaf's curvature, so that a leaf of a few points takes a small step; at least 0.
    pub l2: f64,
}

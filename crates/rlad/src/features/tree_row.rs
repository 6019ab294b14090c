//! Rows for the boosted trees: the last step of a state, and its surprisal in its series.

use crate::features::surprisal::Ecdfs;

/// The numbers of a row for a state with `n_features` features a step.
pub(crate) const fn n_tree_features(n_features: usize) -> usize {
    2 * n_features + 1
}

/// Rows for the trees, one a state, and beside each the surprisal of its state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TreeRows {
    /// The rows, shape `[n, n_tree_features]`: the features of the last step, shape `[n_features]`; the surprisal of each feature, shape `[n_features]`; and their mean.
    pub(crate) values: Vec<f32>,
    surprisals: Vec<f32>,
}

impl TreeRows {
    /// No rows.
    pub(crate) const fn new() -> Self {
        Self { values: Vec::new(), surprisals: Vec::new() }
    }

    /// The mean surprisal of the features of a state, in nats, at least 0; 0 without rows.
    pub(crate) fn surprisal(&self, row: usize) -> f64 {
        f64::from(self.surprisals.get(row).copied().unwrap_or(0.0))
    }

    /// The number of rows.
    pub(crate) const fn len(&self) -> usize {
        self.surprisals.len()
    }

    /// Appends the row of a state by the features of its last step, in a series of these distributions.
    pub(crate) fn push(&mut self, last_step: &[f32], ecdfs: &Ecdfs) {
        self.values.extend_from_slice(last_step);
        ecdfs.push(last_step, &mut self.values);
        self.push_mean(last_step.len(), ecdfs);
    }

    /// Lets the distributions take in the features of the next point where they learn from them, and appends what [`Self::push`] does.
    pub(crate) fn push_next(&mut self, last_step: &[f32], ecdfs: &mut Ecdfs) {
        self.values.extend_from_slice(last_step);
        ecdfs.push_next(last_step, &mut self.values);
        self.push_mean(last_step.len(), ecdfs);
    }

    fn push_mean(&mut self, n_features: usize, ecdfs: &Ecdfs) {
        let mean = ecdfs.mean(&self.values[self.values.len() - n_features..]) as f32;
        self.values.push(mean);
        self.surprisals.push(mean);
    }

    /// Appends a row that was made before, shape `[n_tree_features]`: its last number is the mean surprisal.
    pub(crate) fn push_row(&mut self, row: &[f32]) {
        self.values.extend_from_slice(row);
        self.surprisals.push(row.last().copied().unwrap_or(0.0));
    }

    /// Appends the rows of others.
    pub(crate) fn append(&mut self, others: &Self) {
        self.values.extend_from_slice(&others.values);
        self.surprisals.extend_from_slice(&others.surprisals);
    }

    /// Keeps the first `n` rows.
    pub(crate) fn truncate(&mut self, n: usize) {
        let width = self.values.len().checked_div(self.len()).unwrap_or(0);
        self.values.truncate(n * width);
        self.surprisals.truncate(n);
    }
}

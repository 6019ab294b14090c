//! The spreading of labels to similar windows, which gives pseudo-labels.
//!
//! Windows are the nodes of a graph whose edges weigh `exp(-d² / σ²)`, d their Euclidean distance; labels flow along the
//! edges until they settle. What settles at a node is a distribution over normal and anomaly, and its entropy says how sure
//! the graph is: the windows of least entropy get pseudo-labels first.

mod exponential;
mod graph;
mod neighbors;
mod tiles;

use crate::config::{PropagationConfig, PropagationMethod};
use crate::data::label::Label;
use graph::Graph;

/// Labels after they have spread over all windows.
#[derive(Clone, Debug, PartialEq)]
pub struct Propagation {
    /// The probability of an anomaly of each window, in `[0, 1]`; .5 where no label reaches.
    pub p_anomaly: Vec<f64>,
    /// The number of passes.
    pub n_iterations: usize,
    /// Whether the passes ended because the labels had settled, and not because there were `max_iterations` of them.
    pub converged: bool,
}

/// Spreads labels to similar windows.
///
/// `windows` has the shape `[n, n_dims]`, `labels` the shape `[n]`. With Y the given labels (a row of zeros where there is
/// none), W the weights of equation 6 and D their row sums, a pass is
///
/// * for [`PropagationMethod::Propagation`]: `F ← D⁻¹ W F`, each row divided by its sum, the labelled rows set back to Y;
/// * for [`PropagationMethod::Spreading`]: `F ← α D^-½ W D^-½ F + (1 - α) Y`, W without its diagonal.
///
/// Passes end when F changes by less than `tolerance` in sum, or after `max_iterations`; a row of F divided by its sum is the
/// distribution of its window. Up to `max_exact` windows this equals scikit-learn's `LabelPropagation` and `LabelSpreading`
/// with `gamma = 1 / σ²`. Above it, W keeps the edges from each window to its `n_neighbors` nearest ones, in both
/// directions; a label then reaches no further than `n_iterations` edges, and memory grows with n, not n².
///
/// A window that no label reaches, since none is given or its weights underflow to 0, has `p = .5`, where scikit-learn gives
/// 0 for each class. So has a window with a value that is not finite, which resembles nothing. Where labels of one class
/// only are given, whatever they reach is of that class: a caller that wants both must see to it that both are given.
///
/// Deviation from the paper: equation 7 divides a weight by the sum of its *column*, as Zhu and Ghahramani do, and only then
/// are the rows of F divided by their sums. That is not the same as dividing by the sum of the *row*: with columns, a
/// window in a crowd speaks more softly than one that stands alone. Rows are used here, as in scikit-learn. The paper names
/// label propagation, with the labelled rows set back; its released code runs label spreading.
///
/// Sources: Zhu and Ghahramani, *Learning from Labeled and Unlabeled Data with Label Propagation*, 2002; Zhou, Bousquet,
/// Lal, Weston and Schölkopf, *Learning with Local and Global Consistency*, 2004; Wu and Ortiz, *RLAD*, 2021, equations 6
/// and 7.
///
/// # Panics
/// If `n_dims` is 0 or `windows` does not have `n_dims` values for each label.
#[must_use]
pub fn propagate(windows: &[f32], n_dims: usize, labels: &[Option<Label>], config: &PropagationConfig) -> Propagation {
    assert!(n_dims > 0 && windows.len() == n_dims * labels.len(), "windows have the shape [n, n_dims]");
    let given: Vec<[f64; 2]> = labels.iter().map(|label| one_hot(*label)).collect();
    let mut graph = if labels.len() <= config.max_exact {
        Graph::dense(windows, n_dims, config.sigma)
    } else {
        Graph::nearest(windows, n_dims, config.sigma, config.n_neighbors)
    };
    match config.method {
        PropagationMethod::Propagation => graph.normalize_rows(),
        PropagationMethod::Spreading => graph.normalize_both_sides(),
    }
    let mut current = given.clone();
    let mut previous = vec![[0.0; 2]; labels.len()];
    let mut n_iterations = 0;
    let mut converged = false;
    while n_iterations < config.max_iterations {
        converged = change(&current, &previous) < config.tolerance;
        if converged {
            break;
        }
        previous = current;
        current = graph.multiply(&previous);
        for ((row, given), label) in current.iter_mut().zip(&given).zip(labels) {
            *row = match (config.method, label) {
                (PropagationMethod::Propagation, None) => shares(*row),
                (PropagationMethod::Propagation, Some(_)) => *given,
                (PropagationMethod::Spreading, _) => {
                    [0, 1].map(|class| config.alpha * row[class] + (1.0 - config.alpha) * given[class])
                }
            };
        }
        n_iterations += 1;
    }
    let p_anomaly = current.into_iter().map(|row| if row[0] + row[1] > 0.0 { shares(row)[1] } else { 0.5 }).collect();
    Propagation { p_anomaly, n_iterations, converged }
}

/// The entropy of a distribution over normal and anomaly in nats, in `[0, ln 2]`; 0 is certain.
///
/// It is `-Σ p ln p` with `0 ln 0 = 0`. Source: Wu and Ortiz, *RLAD*, 2021, equation 8.
#[must_use]
pub fn entropy(p_anomaly: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p_anomaly) + term(1.0 - p_anomaly)
}

const fn one_hot(label: Option<Label>) -> [f64; 2] {
    match label {
        None => [0.0, 0.0],
        Some(Label::Normal) => [1.0, 0.0],
        Some(Label::Anomaly) => [0.0, 1.0],
    }
}

/// A row divided by its sum; a row of zeros as it is.
fn shares(row: [f64; 2]) -> [f64; 2] {
    let sum = row[0] + row[1];
    if sum > 0.0 { [row[0] / sum, row[1] / sum] } else { row }
}

fn change(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a[0] - b[0]).abs() + (a[1] - b[1]).abs()).sum()
}

#[cfg(test)]
mod tests;

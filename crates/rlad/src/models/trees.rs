//! Gradient-boosted trees: the agent's second Q-function, which needs fewer answers than a network.
//!
//! Fitted Q iteration (Ernst, Geurts and Wehenkel 2005) fits trees to `r + γ max_a Q(s', a)`. Here the action does not move
//! the series, so the second term is the same for both actions, and what decides, `Q(anomaly) − Q(normal)`, is the expected
//! difference of the rewards: the probability of an anomaly, which one fit gives (`docs/src/algorithm.md`).

mod bins;
mod config;
mod grow;
mod node;
mod paths;
#[cfg(test)]
mod tests;

use rand::Rng;
use rand::seq::index;
use rayon::prelude::*;

use crate::models::tensor_file::Tensor;
use crate::random::fraction_of;
use bins::Bins;
pub use config::TreesConfig;
use grow::{Gradient, Growth};
use node::{Node, leaf};
use paths::{AllPaths, Columns};

/// Rows that one thread takes through all trees.
const ROWS_PER_CHUNK: usize = 512;
/// Rows below which each goes down the trees by itself.
const FEWEST_COLUMNS: usize = 24;

/// Boosted trees that tell the log-odds of an anomaly from a row of features.
///
/// Each tree is a Newton step on the logistic loss: a leaf with gradients `G = Σ w (p − y)` and curvatures
/// `H = Σ w p (1 − p)` adds `−rate G / (H + l2)` to the log-odds of its rows, and a split gains
/// `G_l² / (H_l + l2) + G_r² / (H_r + l2) − G² / (H + l2)`. The leaf whose split gains most is split next, until there are
/// `n_leaves` or no split gains anything. Features are cut into at most [`bins::MAX_BINS`] bins of about as many rows each.
///
/// Source: Friedman, *Greedy Function Approximation*, 2001; Chen and Guestrin, *`XGBoost`*, 2016, equations 5 to 7; growth by
/// leaf and histograms as in Ke et al., *`LightGBM`*, 2017. Values equal `LightGBM`'s where its bins are the same.
///
/// A row goes right where its value is *above* the threshold; a NaN goes left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BoostedTrees {
    n_features: usize,
    /// The log-odds before the first tree.
    bias: f32,
    /// The first node of each tree.
    roots: Vec<u32>,
    /// All nodes; the two children of a node are neighbours.
    nodes: Vec<Node>,
    /// The same trees in the form that scores many rows; `None` where a tree has too many leaves for it.
    paths: Option<AllPaths>,
}

/// Labelled rows, made ready for one or several fits.
#[derive(Debug)]
pub(crate) struct LabelledRows<'a> {
    n_features: usize,
    rows: &'a [f32],
    is_anomaly: &'a [bool],
    weights: &'a [f32],
    /// The log-odds that each row has before the first tree; empty where they are the bias.
    offsets: &'a [f32],
    bins: Bins,
    columns: Columns,
}

impl<'a> LabelledRows<'a> {
    /// `rows`: shape `[n, n_features]`; `is_anomaly` and `weights`: shape `[n]`, weights above 0.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub(crate) fn new(rows: &'a [f32], n_features: usize, is_anomaly: &'a [bool], weights: &'a [f32]) -> Self {
        let n = is_anomaly.len();
        assert!(rows.len() == n * n_features && weights.len() == n, "a label and a weight a row");
        let (bins, columns) = (Bins::of(rows, n_features), Columns::of(rows, n_features));
        Self { n_features, rows, is_anomaly, weights, offsets: &[], bins, columns }
    }

    /// The same rows, each with log-odds of its own to which trees add, shape `[n]`; none where it is empty.
    ///
    /// # Panics
    /// If the shapes do not agree.
    pub(crate) fn with_offsets(self, offsets: &'a [f32]) -> Self {
        assert!(offsets.is_empty() || offsets.len() == self.is_anomaly.len(), "an offset a row");
        Self { offsets, ..self }
    }
}

impl BoostedTrees {
    /// Fits trees to some of the labelled rows, `own`, rising; and the mean logistic loss of those rows.
    ///
    /// Where rows have offsets, the log-odds of the trees are what is added to them, and the bias is 0.
    ///
    /// Without offsets, where all labels are of one kind there is nothing to tell apart: no tree is grown, and the odds are those of one more half row
    /// of each kind. Bins are those of all labelled rows, whichever are fitted: they are made without a label.
    pub(crate) fn fit(data: &LabelledRows<'_>, own: &[usize], config: &TreesConfig, rng: &mut impl Rng) -> (Self, f32) {
        let LabelledRows { n_features, is_anomaly, weights, .. } = *data;
        let weight_of = |kind: bool| -> f64 {
            own.iter().filter(|&&row| is_anomaly[row] == kind).map(|&row| f64::from(weights[row])).sum()
        };
        let (anomalies, normals) = (weight_of(true), weight_of(false));
        let has_offsets = !data.offsets.is_empty();
        if own.is_empty() || !has_offsets && (anomalies <= 0.0 || normals <= 0.0) {
            let bias = ((anomalies + 0.5) / (normals + 0.5)).ln() as f32;
            let fitted = Self::new(n_features, bias, Vec::new(), Vec::new());
            let loss = data.mean_loss(own, &vec![f64::from(bias); is_anomaly.len()]);
            return (fitted, loss);
        }
        let bias = if has_offsets { 0.0 } else { (anomalies / normals).ln() as f32 };
        let mut fitted = Self::new(n_features, bias, Vec::new(), Vec::new());
        let mut log_odds = vec![f64::from(fitted.bias); is_anomaly.len()];
        log_odds.iter_mut().zip(data.offsets).for_each(|(odds, offset)| *odds += f64::from(*offset));
        let mut gradients = vec![Gradient::default(); is_anomaly.len()];
        let n_rows = fraction_of(own.len(), config.row_fraction).clamp(1, own.len());
        let n_used = fraction_of(n_features, config.feature_fraction).clamp(1, n_features);
        for _ in 0..config.n_trees {
            for &row in own {
                let (p, weight) = (probability(log_odds[row]), f64::from(weights[row]));
                let slope = weight * (p - f64::from(u8::from(is_anomaly[row])));
                gradients[row] = Gradient { slope, curvature: weight * p * (1.0 - p) };
            }
            let sample = draw(own.len(), n_rows, rng).into_iter().map(|at| own[at]).collect();
            let features = draw(n_features, n_used, rng);
            let tree = Growth::new(&data.bins, &gradients, &features, config).grow(sample);
            let nodes = tree.with_thresholds(&data.bins);
            match AllPaths::of(&[0], &nodes) {
                Some(paths) => paths.add(&data.columns, &mut log_odds),
                None => log_odds.iter_mut().zip(data.rows.chunks_exact(n_features)).for_each(|(odds, row)| {
                    *odds += f64::from(leaf(&nodes, 0, row));
                }),
            }
            fitted.append(&nodes);
        }
        fitted.paths = AllPaths::of(&fitted.roots, &fitted.nodes);
        let loss = data.mean_loss(own, &log_odds);
        (fitted, loss)
    }

    fn new(n_features: usize, bias: f32, roots: Vec<u32>, nodes: Vec<Node>) -> Self {
        let paths = AllPaths::of(&roots, &nodes);
        Self { n_features, bias, roots, nodes, paths }
    }

    /// The same trees, all of whose values count by a share.
    pub(crate) fn shrunk(self, share: f64) -> Self {
        let value = |value: f32| (f64::from(value) * share) as f32;
        let of_node = |node: Node| if node.left == 0 { Node { value: value(node.value), ..node } } else { node };
        let nodes = self.nodes.into_iter().map(of_node).collect();
        Self::new(self.n_features, value(self.bias), self.roots, nodes)
    }

    /// Appends a tree whose nodes are counted from its own root.
    fn append(&mut self, tree: &[Node]) {
        let root = u32::try_from(self.nodes.len()).expect("the number of nodes fits");
        self.roots.push(root);
        let moved = |node: &Node| Node { left: if node.left == 0 { 0 } else { node.left + root }, ..*node };
        self.nodes.extend(tree.iter().map(moved));
    }

    /// The log-odds of an anomaly for each row; `rows` has the shape `[n, n_features]`.
    ///
    /// # Panics
    /// If `rows` is not a whole number of rows.
    #[cfg(test)]
    fn log_odds(&self, rows: &[f32]) -> Vec<f64> {
        log_odds_of_each(&[self], rows).swap_remove(0)
    }

    /// Adds the sum of all trees' values of each row. `columns`: the same rows, where they are many.
    fn add(&self, rows: &[f32], columns: Option<&Columns>, log_odds: &mut [f64]) {
        if let (Some(paths), Some(columns)) = (&self.paths, columns) {
            return paths.add(columns, log_odds);
        }
        for &root in &self.roots {
            for (odds, row) in log_odds.iter_mut().zip(rows.chunks_exact(self.n_features)) {
                *odds += f64::from(leaf(&self.nodes, root, row));
            }
        }
    }

    /// The trees as named tensors: `bias`, shape `[1]`; `roots`, shape `[n_trees]`, and `nodes`, shape `[n_nodes, 3]`: feature,
    /// left child and value. Whole numbers stand as the bits of a float.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let roots: Vec<f32> = self.roots.iter().map(|root| f32::from_bits(*root)).collect();
        let nodes: Vec<f32> = self
            .nodes
            .iter()
            .flat_map(|node| [f32::from_bits(node.feature), f32::from_bits(node.left), node.value])
            .collect();
        vec![
            Tensor { name: "bias".to_owned(), shape: vec![1], data: vec![self.bias] },
            Tensor { name: "roots".to_owned(), shape: vec![roots.len()], data: roots },
            Tensor { name: "nodes".to_owned(), shape: vec![nodes.len() / 3, 3], data: nodes },
        ]
    }

    /// The trees of named tensors.
    ///
    /// # Errors
    /// A sentence on the tensors where one is missing, or where a walk through them would not end at a leaf.
    pub(crate) fn from_tensors(n_features: usize, tensors: &[Tensor]) -> Result<Self, String> {
        let named = |name: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            tensor.map(|tensor| &tensor.data).ok_or_else(|| format!("no tensor `{name}` of the trees"))
        };
        let bias = *named("bias")?.first().ok_or("the trees have no bias")?;
        let roots: Vec<u32> = named("roots")?.iter().map(|root| root.to_bits()).collect();
        let (rows, rest) = named("nodes")?.as_chunks::<3>();
        let nodes: Vec<Node> =
            rows.iter().map(|row| Node { feature: row[0].to_bits(), left: row[1].to_bits(), value: row[2] }).collect();
        if !rest.is_empty() {
            return Err("the nodes of the trees are cut off".to_owned());
        }
        if !bias.is_finite() {
            return Err(format!("the trees begin at {bias}"));
        }
        check_nodes(n_features, &roots, &nodes)?;
        Ok(Self::new(n_features, bias, roots, nodes))
    }
}

/// Refuses nodes that are no trees: each is a root or the child of one node before it, so that a walk ends, and all walks together are no
/// longer than the nodes are many.
fn check_nodes(n_features: usize, roots: &[u32], nodes: &[Node]) -> Result<(), String> {
    let mut is_reached = vec![false; nodes.len()];
    let mut reach = |at: usize| match is_reached.get_mut(at) {
        Some(false) => {
            is_reached[at] = true;
            Ok(())
        }
        Some(true) => Err(format!("node {at} of the trees is reached in two ways")),
        None => Err(format!("the trees name node {at}, but have {}", nodes.len())),
    };
    roots.iter().try_for_each(|root| reach(*root as usize))?;
    for (at, node) in nodes.iter().enumerate() {
        let left = node.left as usize;
        if left == 0 {
            if !node.value.is_finite() {
                return Err(format!("leaf {at} of the trees adds {}", node.value));
            }
            continue;
        }
        if left <= at {
            return Err(format!("node {at} of the trees has a child before it, node {left}"));
        }
        if node.feature as usize >= n_features {
            return Err(format!(
                "node {at} of the trees looks at feature {}, but there are {n_features}",
                node.feature
            ));
        }
        if node.value.is_nan() {
            return Err(format!("node {at} of the trees has a threshold that is no number"));
        }
        reach(left)?;
        reach(left + 1)?;
    }
    match is_reached.iter().position(|is_reached| !is_reached) {
        Some(at) => Err(format!("node {at} of the trees is reached from nowhere")),
        None => Ok(()),
    }
}

/// The log-odds of an anomaly by each of several forests with the same features, for each row; `rows` has the shape `[n, n_features]`.
///
/// # Panics
/// If `rows` is not a whole number of rows.
pub(crate) fn log_odds_of_each(forests: &[&BoostedTrees], rows: &[f32]) -> Vec<Vec<f64>> {
    let Some(n_features) = forests.first().map(|forest| forest.n_features) else { return Vec::new() };
    assert_eq!(rows.len() % n_features, 0, "rows have {n_features} features");
    let of_chunk = |rows: &[f32]| -> Vec<Vec<f64>> {
        let n = rows.len() / n_features;
        let columns = (n >= FEWEST_COLUMNS).then(|| Columns::of(rows, n_features));
        let of_forest = |forest: &&BoostedTrees| {
            let mut log_odds = vec![f64::from(forest.bias); n];
            forest.add(rows, columns.as_ref(), &mut log_odds);
            log_odds
        };
        forests.iter().map(of_forest).collect()
    };
    if rows.len() <= ROWS_PER_CHUNK * n_features {
        return of_chunk(rows);
    }
    let chunks: Vec<Vec<Vec<f64>>> = rows.par_chunks(ROWS_PER_CHUNK * n_features).map(of_chunk).collect();
    let of_forest = |forest: usize| chunks.iter().flat_map(|chunk| &chunk[forest]).copied().collect();
    (0..forests.len()).map(of_forest).collect()
}

impl LabelledRows<'_> {
    /// The mean logistic loss of some rows.
    fn mean_loss(&self, rows: &[usize], log_odds: &[f64]) -> f32 {
        let of_row = |&row: &usize| {
            let odds = if self.is_anomaly[row] { log_odds[row] } else { -log_odds[row] };
            -probability(odds).ln()
        };
        (rows.iter().map(of_row).sum::<f64>() / rows.len().max(1) as f64) as f32
    }
}

/// The probability of given log-odds.
pub(crate) fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// `k` of `n`, drawn without replacement, rising.
fn draw(n: usize, k: usize, rng: &mut impl Rng) -> Vec<usize> {
    if k == n {
        return (0..n).collect();
    }
    let mut drawn = index::sample(rng, n, k).into_vec();
    drawn.sort_unstable();
    drawn
}

//! One isolation tree: how it grows from a sample of the rows, and how rows go down it.

use std::collections::BTreeSet;

use rand::{Rng, RngExt};

/// Euler's constant γ.
pub(super) const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// Rows that walk down a tree side by side, so that their memory reads overlap.
pub(super) const ROWS_PER_WALK: usize = 8;

/// One tree in flat arrays: node 0 is the root, the two children of a node are neighbours.
///
/// A leaf is its own left child with an infinite threshold, so that a walk of `height` steps ends at a leaf without asking.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    /// The path length of each node that is a leaf: its depth and `average_path_length` of its rows; 0 for an inner node.
    pub(super) path_lengths: Vec<f64>,
    pub(super) height: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) threshold: f32,
    pub(super) feature: u32,
    pub(super) left: u32,
}

impl Tree {
    pub(super) fn fit(rows: &[f32], n_features: usize, sample_size: usize, rng: &mut impl Rng) -> Self {
        let mut sample = sample_without_replacement(rows.len() / n_features, sample_size, rng);
        let limit = if sample_size > 1 { (sample_size - 1).ilog2() as usize + 1 } else { 0 };
        let mut tree = Self::single_leaf();
        let mut open = vec![(0, 0..sample_size, 0)];
        let mut features: Vec<usize> = (0..n_features).collect();
        while let Some((node, range, depth)) = open.pop() {
            let split = if depth < limit && range.len() > 1 {
                draw_split(rows, &sample[range.clone()], &mut features, rng)
            } else {
                None
            };
            let Some((feature, threshold)) = split else {
                tree.close(node, depth, range.len());
                continue;
            };
            let middle = range.start
                + partition(&mut sample[range.clone()], |row| !goes_right(rows[row * n_features + feature], threshold));
            let left = tree.split(node, feature, threshold);
            open.push((left, range.start..middle, depth + 1));
            open.push((left + 1, middle..range.end, depth + 1));
        }
        tree
    }

    pub(super) fn single_leaf() -> Self {
        Self { nodes: vec![leaf(0)], path_lengths: vec![0.0], height: 0 }
    }

    /// Turns a leaf into an inner node and returns its left child; the right one stands next to it.
    pub(super) fn split(&mut self, node: usize, feature: usize, threshold: f32) -> usize {
        let left = self.nodes.len();
        self.nodes.extend([leaf(left), leaf(left + 1)]);
        self.path_lengths.extend([0.0, 0.0]);
        self.nodes[node] = Node { threshold, feature: index(feature), left: index(left) };
        left
    }

    /// Makes a node the leaf of `n_rows` rows.
    pub(super) fn close(&mut self, node: usize, depth: usize, n_rows: usize) {
        self.path_lengths[node] = depth as f64 + average_path_length(n_rows);
        self.height = self.height.max(depth);
    }

    /// Adds to each row's sum its path length in this tree, for at most [`ROWS_PER_WALK`] rows.
    pub(super) fn add_path_lengths(&self, rows: &[f32], n_features: usize, sums: &mut [f64]) {
        let mut at = [0_usize; ROWS_PER_WALK];
        if let Ok(sums) = <&mut [f64; ROWS_PER_WALK]>::try_from(&mut *sums) {
            for _ in 0..self.height {
                for (row, at) in at.iter_mut().enumerate() {
                    *at = self.step(*at, &rows[row * n_features..]);
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += self.path_lengths[at];
            }
        } else {
            for (row, sum) in rows.chunks_exact(n_features).zip(sums) {
                let leaf = (0..self.height).fold(0, |at, _| self.step(at, row));
                *sum += self.path_lengths[leaf];
            }
        }
    }

    #[inline]
    fn step(&self, at: usize, row: &[f32]) -> usize {
        let node = self.nodes[at];
        node.left as usize + usize::from(goes_right(row[node.feature as usize], node.threshold))
    }
}

pub(super) const fn goes_right(value: f32, threshold: f32) -> bool {
    value > threshold
}

fn leaf(at: usize) -> Node {
    Node { threshold: f32::INFINITY, feature: 0, left: index(at) }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a tree has fewer than 2^32 nodes and features")
}

/// Draws one of the features that are not constant in the sample, and a threshold between its lowest value and its highest.
///
/// At least one row goes each way: the lowest value is not above the threshold, and the highest is.
pub(super) fn draw_split(
    rows: &[f32],
    sample: &[usize],
    features: &mut [usize],
    rng: &mut impl Rng,
) -> Option<(usize, f32)> {
    let n_features = features.len();
    for drawn in 0..n_features {
        let at = rng.random_range(drawn..n_features);
        features.swap(drawn, at);
        let feature = features[drawn];
        let values = sample.iter().map(|row| rows[row * n_features + feature]);
        let (low, high) =
            values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low < high && low.is_finite() && high.is_finite() {
            let fraction: f64 = rng.random();
            let threshold = (f64::from(low) + fraction * (f64::from(high) - f64::from(low))) as f32;
            return Some((feature, if threshold < high { threshold.max(low) } else { low }));
        }
    }
    None
}

/// Moves the rows for which `is_left` holds to the front and returns how many they are.
fn partition(rows: &mut [usize], is_left: impl Fn(usize) -> bool) -> usize {
    let mut n_left = 0;
    for at in 0..rows.len() {
        if is_left(rows[at]) {
            rows.swap(at, n_left);
            n_left += 1;
        }
    }
    n_left
}

/// Draws `amount` of the numbers below `length`, each set equally likely (Floyd's method), in ascending order.
pub(super) fn sample_without_replacement(length: usize, amount: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut sample = BTreeSet::new();
    for last in length - amount..length {
        let drawn = rng.random_range(0..=last);
        if !sample.insert(drawn) {
            sample.insert(last);
        }
    }
    sample.into_iter().collect()
}

/// The mean depth of an unsuccessful search in a binary search tree of `n` samples, `c(n)`.
///
/// It is `2 H(n-1) - 2 (n-1) / n` for `n > 2`, 1 for 2 and 0 below; `H(i)` is taken as `ln i + γ`.
///
/// Source: Liu, Ting and Zhou, *Isolation Forest*, 2008, equation 1; the values for `n <= 2` as in scikit-learn.
#[must_use]
pub fn average_path_length(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

//! The isolation forest, which finds the first points to ask about: points that random splits cut off early are unusual.

mod sliding;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Euler's constant γ.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// Rows that one thread takes through all trees, so that rows and one tree stay in its nearest cache.
const ROWS_PER_CHUNK: usize = 256;

/// Windows that one thread takes through all trees, so that their ranks and sums stay in its nearest cache.
const WINDOWS_PER_CHUNK: usize = 2_048;

/// Fewer windows are not worth laying the trees out: they go down as rows.
const FEW_WINDOWS: usize = 4_096;

/// Rows that walk down a tree side by side, so that their memory reads overlap.
const ROWS_PER_WALK: usize = 8;

/// A fitted isolation forest.
///
/// Each tree sees a random sample of ψ rows, drawn without replacement, and splits it at a random value of a random feature
/// until every row stands alone, the rows of a node are equal, or the tree is `ceil(log2 ψ)` deep. The score of a row is
/// `2^(-E h / c(ψ))`, where `E h` is its mean depth over the trees, each depth completed by
/// [`average_path_length`] of the leaf's rows.
///
/// Source: Liu, Ting and Zhou, *Isolation Forest*, 2008, algorithms 1 to 3 and equation 2. Deviation: a split is drawn among
/// the features that are not constant in the node, as in scikit-learn, so a constant feature never uses up depth.
///
/// Values are `f32`. A row goes right where its value is *above* the threshold, which is the complement of scikit-learn's
/// `value <= threshold`; a NaN goes left everywhere, and a feature whose range in a node is not finite is not split on.
#[derive(Clone, Debug, PartialEq)]
pub struct IsolationForest {
    n_features: usize,
    /// c(ψ); 0 where a tree sees fewer than two rows.
    normalizer: f64,
    trees: Vec<Tree>,
}

/// One tree in flat arrays: node 0 is the root, the two children of a node are neighbours.
///
/// A leaf is its own left child with an infinite threshold, so that a walk of `height` steps ends at a leaf without asking.
#[derive(Clone, Debug, PartialEq)]
struct Tree {
    nodes: Vec<Node>,
    /// The path length of each node that is a leaf: its depth and `average_path_length` of its rows; 0 for an inner node.
    path_lengths: Vec<f64>,
    height: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    threshold: f32,
    feature: u32,
    left: u32,
}

impl IsolationForest {
    /// Fits `n_trees` trees, each on `sample_size` of the rows, or on all of them where there are fewer.
    ///
    /// `rows` has the shape `[n, n_features]`. The trees grow in parallel, each from a seed that is drawn beforehand, so
    /// that the same `rng` gives the same forest at any number of threads. Without rows every score is .5.
    ///
    /// # Panics
    /// If `n_features`, `n_trees` or `sample_size` is 0, or `rows` is not a whole number of rows.
    pub fn fit(rows: &[f32], n_features: usize, n_trees: usize, sample_size: usize, rng: &mut impl Rng) -> Self {
        assert!(n_features > 0 && n_trees > 0 && sample_size > 0, "a forest has features, trees and samples");
        assert_eq!(rows.len() % n_features, 0, "rows have {n_features} features");
        let sample_size = sample_size.min(rows.len() / n_features);
        let seeds: Vec<u64> = (0..n_trees).map(|_| rng.random()).collect();
        let trees = seeds
            .into_par_iter()
            .map(|seed| Tree::fit(rows, n_features, sample_size, &mut ChaCha8Rng::seed_from_u64(seed)))
            .collect();
        Self { n_features, normalizer: average_path_length(sample_size), trees }
    }

    /// The score of each row, in `(0, 1)`; higher is more anomalous, and .5 is a row of average depth.
    ///
    /// `rows` has the shape `[n, n_features]`. Rows that no split tells apart, such as constant data, score .5, and so does
    /// everything where the trees saw fewer than two rows.
    ///
    /// # Panics
    /// If `rows` is not a whole number of rows of the forest's features.
    #[must_use]
    pub fn score(&self, rows: &[f32]) -> Vec<f64> {
        assert_eq!(rows.len() % self.n_features, 0, "rows have {} features", self.n_features);
        let mut scores = vec![0.0; rows.len() / self.n_features];
        scores
            .par_chunks_mut(ROWS_PER_CHUNK)
            .zip(rows.par_chunks(ROWS_PER_CHUNK * self.n_features))
            .for_each(|(scores, rows)| self.score_chunk(rows, scores));
        scores
    }

    /// The score of each window of a series of one channel, as [`score`](Self::score) gives for the windows as rows, bit for bit; the
    /// windows are never made.
    ///
    /// `values`: shape `[n + n_features - 1]`, the window of score `i` being the values from `i` on. No scores for fewer values than
    /// one window has.
    #[must_use]
    pub fn score_windows(&self, values: &[f32]) -> Vec<f64> {
        let n = (values.len() + 1).saturating_sub(self.n_features);
        let layouts = if n < FEW_WINDOWS { None } else { sliding::Layouts::of(&self.trees, self.n_features) };
        let mut scores = vec![0.0; n];
        scores.par_chunks_mut(WINDOWS_PER_CHUNK).enumerate().for_each(|(chunk, scores)| {
            let first = chunk * WINDOWS_PER_CHUNK;
            let values = &values[first..first + scores.len() + self.n_features - 1];
            if let Some(layouts) = &layouts {
                layouts.add_path_lengths(values, scores);
                self.finish(scores);
            } else {
                let rows: Vec<f32> = values.windows(self.n_features).flatten().copied().collect();
                self.score_chunk(&rows, scores);
            }
        });
        scores
    }

    fn score_chunk(&self, rows: &[f32], scores: &mut [f64]) {
        for tree in &self.trees {
            let walks = rows.chunks(ROWS_PER_WALK * self.n_features).zip(scores.chunks_mut(ROWS_PER_WALK));
            for (rows, path_lengths) in walks {
                tree.add_path_lengths(rows, self.n_features, path_lengths);
            }
        }
        self.finish(scores);
    }

    /// Turns sums of path lengths into scores.
    fn finish(&self, scores: &mut [f64]) {
        let denominator = self.normalizer * self.trees.len() as f64;
        for score in scores {
            *score = if denominator > 0.0 { (-*score / denominator).exp2() } else { 0.5 };
        }
    }
}

impl Tree {
    fn fit(rows: &[f32], n_features: usize, sample_size: usize, rng: &mut impl Rng) -> Self {
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

    fn single_leaf() -> Self {
        Self { nodes: vec![leaf(0)], path_lengths: vec![0.0], height: 0 }
    }

    /// Turns a leaf into an inner node and returns its left child; the right one stands next to it.
    fn split(&mut self, node: usize, feature: usize, threshold: f32) -> usize {
        let left = self.nodes.len();
        self.nodes.extend([leaf(left), leaf(left + 1)]);
        self.path_lengths.extend([0.0, 0.0]);
        self.nodes[node] = Node { threshold, feature: index(feature), left: index(left) };
        left
    }

    /// Makes a node the leaf of `n_rows` rows.
    fn close(&mut self, node: usize, depth: usize, n_rows: usize) {
        self.path_lengths[node] = depth as f64 + average_path_length(n_rows);
        self.height = self.height.max(depth);
    }

    /// Adds to each row's sum its path length in this tree, for at most [`ROWS_PER_WALK`] rows.
    fn add_path_lengths(&self, rows: &[f32], n_features: usize, sums: &mut [f64]) {
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

const fn goes_right(value: f32, threshold: f32) -> bool {
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
fn draw_split(rows: &[f32], sample: &[usize], features: &mut [usize], rng: &mut impl Rng) -> Option<(usize, f32)> {
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
fn sample_without_replacement(length: usize, amount: usize, rng: &mut impl Rng) -> Vec<usize> {
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

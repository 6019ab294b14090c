//! The isolation forest, which finds the first points to ask about: points that random splits cut off early are unusual.

use std::collections::BTreeSet;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Euler's constant γ.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;

/// Rows that one thread takes through all trees, so that rows and one tree stay in its nearest cache.
const ROWS_PER_CHUNK: usize = 256;

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

    fn score_chunk(&self, rows: &[f32], scores: &mut [f64]) {
        for tree in &self.trees {
            let walks = rows.chunks(ROWS_PER_WALK * self.n_features).zip(scores.chunks_mut(ROWS_PER_WALK));
            for (rows, path_lengths) in walks {
                tree.add_path_lengths(rows, self.n_features, path_lengths);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "the number of trees is far below 2^53")]
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
    #[expect(clippy::cast_precision_loss, reason = "a depth is far below 2^53")]
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
            #[expect(clippy::cast_possible_truncation, reason = "a value between two f32, rounded to one")]
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
        #[expect(clippy::cast_precision_loss, reason = "a number of rows is below 2^53")]
        _ => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn reference() -> Value {
        serde_json::from_str(include_str!("../tests/reference/iforest.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    }

    #[expect(clippy::cast_possible_truncation, reason = "the file holds multiples of 1/256")]
    fn rows(value: &Value) -> Vec<f32> {
        numbers(value).into_iter().map(|number| number as f32).collect()
    }

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(1)
    }

    /// The largest `f32` that is not above a scikit-learn threshold: the same `f32` values are `<=` both.
    #[expect(clippy::cast_possible_truncation, reason = "rounded down in the next line")]
    fn round_down(threshold: f64) -> f32 {
        let rounded = threshold as f32;
        if f64::from(rounded) > threshold { rounded.next_down() } else { rounded }
    }

    /// A forest of trees that scikit-learn grew, in its arrays `children_left`, `children_right`, `feature`, `threshold`
    /// and `n_node_samples`.
    fn forest_of(trees: &Value, n_features: usize, sample_size: usize) -> IsolationForest {
        let trees = trees.as_array().unwrap().iter().map(|arrays| {
            let at = |array: &str, node: i64| arrays[array][usize::try_from(node).unwrap()].clone();
            let mut tree = Tree::single_leaf();
            let mut open = vec![(0, 0, 0)];
            while let Some((theirs, ours, depth)) = open.pop() {
                let left = at("children_left", theirs).as_i64().unwrap();
                if left < 0 {
                    let n_rows = usize::try_from(at("n_node_samples", theirs).as_u64().unwrap()).unwrap();
                    tree.close(ours, depth, n_rows);
                } else {
                    let right = at("children_right", theirs).as_i64().unwrap();
                    let feature = usize::try_from(at("feature", theirs).as_u64().unwrap()).unwrap();
                    let child = tree.split(ours, feature, round_down(at("threshold", theirs).as_f64().unwrap()));
                    open.extend([(left, child, depth + 1), (right, child + 1, depth + 1)]);
                }
            }
            tree
        });
        IsolationForest { n_features, normalizer: average_path_length(sample_size), trees: trees.collect() }
    }

    /// Ranks from 0, the mean rank for equal values.
    #[expect(clippy::cast_precision_loss, reason = "hundreds of ranks")]
    fn ranks(values: &[f64]) -> Vec<f64> {
        let rank = |value: f64| {
            let below = values.iter().filter(|other| **other < value).count();
            let equal = values.iter().filter(|other| other.total_cmp(&value).is_eq()).count();
            below as f64 + (equal as f64 - 1.0) / 2.0
        };
        values.iter().map(|&value| rank(value)).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "hundreds of values")]
    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mean_a, mean_b) = (mean(a), mean(b));
        let product =
            |f: &dyn Fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| f(a - mean_a, b - mean_b)).sum() };
        product(&|a, b| a * b) / (product(&|a, _| a * a) * product(&|_, b| b * b)).sqrt()
    }

    #[test]
    fn average_path_length_is_scikit_learns() {
        for case in reference()["average_path_length"].as_array().unwrap() {
            let n = usize::try_from(case["n"].as_u64().unwrap()).unwrap();
            let want = case["c"].as_f64().unwrap();
            let got = average_path_length(n);
            assert!((got - want).abs() <= 1e-12 * want, "c({n}): got {got}, want {want}");
        }
    }

    #[test]
    fn trees_of_scikit_learn_score_as_there() {
        let reference = reference();
        let case = &reference["trees"];
        let forest = forest_of(&case["trees"], 4, 64);
        let want = numbers(&case["scores"]);
        for (row, (got, want)) in forest.score(&rows(&reference["rows"])).into_iter().zip(&want).enumerate() {
            assert!((got - want).abs() < 1e-9, "row {row}: got {got}, want {want}");
        }
        assert_eq!(want.len(), 403, "a number that walks of eight do not divide");
    }

    #[test]
    fn a_forest_ranks_as_scikit_learns() {
        let reference = reference();
        let rows = rows(&reference["rows"]);
        let got = IsolationForest::fit(&rows, 4, 500, 256, &mut rng()).score(&rows);
        let want = numbers(&reference["forest"]["scores"]);
        let spearman = correlation(&ranks(&got), &ranks(&want));
        let pearson = correlation(&got, &want);
        assert!(spearman > 0.98 && pearson > 0.99, "Spearman {spearman}, Pearson {pearson}");
        let difference = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f64::max);
        assert!(difference < 0.03, "largest difference {difference}");
    }

    #[test]
    fn two_different_rows_stand_at_depth_one() {
        // ψ = 2: height limit 1, c(2) = 1, each row alone at depth 1, so the score is 2^-1.
        let forest = IsolationForest::fit(&[0.0, 1.0], 1, 3, 2, &mut rng());
        assert!(forest.trees.iter().all(|tree| tree.nodes.len() == 3 && tree.path_lengths == [0.0, 1.0, 1.0]));
        assert_eq!(forest.score(&[0.0, 1.0]), [0.5, 0.5]);
    }

    #[test]
    fn a_hand_made_tree_gives_the_score_of_equation_2() {
        // ψ = 4. Root: feature 0 above 10 is a leaf of one row at depth 1; the other three rows share a leaf at depth 1:
        // h = 1 and 1 + c(3); c(3) = 2 (ln 2 + γ) - 4/3, c(4) = 2 (ln 3 + γ) - 3/2.
        let mut tree = Tree::single_leaf();
        let left = tree.split(0, 0, 10.0);
        tree.close(left, 1, 3);
        tree.close(left + 1, 1, 1);
        let forest = IsolationForest { n_features: 1, normalizer: average_path_length(4), trees: vec![tree] };
        let c3 = 2.0 * (2.0_f64.ln() + EULER_GAMMA) - 4.0 / 3.0;
        let c4 = 2.0 * (3.0_f64.ln() + EULER_GAMMA) - 1.5;
        let scores = forest.score(&[10.0, 10.000_001, f32::NAN]);
        let want = [2.0_f64.powf(-(1.0 + c3) / c4), 2.0_f64.powf(-1.0 / c4), 2.0_f64.powf(-(1.0 + c3) / c4)];
        for (got, want) in scores.iter().zip(want) {
            assert!((got - want).abs() < 1e-15, "got {got}, want {want}");
        }
    }

    #[test]
    fn an_outlier_scores_highest() {
        let mut rows: Vec<f32> = (0_u8..100).map(|i| f32::from(i % 10)).collect();
        rows.push(60.0);
        let scores = IsolationForest::fit(&rows, 1, 100, 64, &mut rng()).score(&rows);
        assert!(scores[..100].iter().all(|score| *score < scores[100]), "{scores:?}");
    }

    #[test]
    fn what_cannot_be_told_apart_scores_a_half() {
        let half = |rows: &[f32], n_features| {
            let scores = IsolationForest::fit(rows, n_features, 10, 256, &mut rng()).score(rows);
            assert_eq!(scores.len(), rows.len() / n_features);
            assert!(scores.iter().all(|score| (score - 0.5).abs() < 1e-15), "{scores:?}");
        };
        half(&[3.0; 300], 3);
        half(&[1.0, 2.0], 2);
        half(&[], 2);
        half(&[f32::NAN; 40], 4);
        half(&[f32::INFINITY, 1.0, f32::NEG_INFINITY, 1.0], 1);
    }

    #[test]
    fn constant_features_are_not_split_on() {
        let rows: Vec<f32> = (0_u8..64).flat_map(|i| [7.0, f32::from(i), f32::MAX]).collect();
        let forest = IsolationForest::fit(&rows, 3, 20, 32, &mut rng());
        let inner = forest.trees.iter().flat_map(|tree| &tree.nodes).filter(|node| node.threshold.is_finite());
        assert!(inner.clone().count() > 0 && inner.clone().all(|node| node.feature == 1));
    }

    #[test]
    fn a_tree_is_no_deeper_than_its_limit() {
        // Powers of two: a split cuts off little more than the largest value, so only the limit ends the growth.
        let rows: Vec<f32> = (0_i16..100).map(|i| 2.0_f32.powi(i32::from(i))).collect();
        for (sample_size, limit) in [(2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7)] {
            let forest = IsolationForest::fit(&rows, 1, 50, sample_size, &mut rng());
            let height = forest.trees.iter().map(|tree| tree.height).max();
            assert_eq!(height, Some(limit), "ψ = {sample_size}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let rows = rows(&reference()["rows"]);
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| {
                let forest = IsolationForest::fit(&rows, 4, 30, 128, &mut rng());
                let scores = forest.score(&rows);
                (forest, scores)
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn samples_are_drawn_without_replacement_and_evenly() {
        let mut rng = rng();
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            let sample = sample_without_replacement(10, 3, &mut rng);
            assert!(sample.len() == 3 && sample.is_sorted_by(|a, b| a < b));
            for number in sample {
                counts[number] += 1;
            }
        }
        // Binomial(10,000, .3): the deviation is 46.
        assert!(counts.iter().all(|count| count.abs_diff(3_000) < 230), "{counts:?}");
    }

    proptest! {
        #[test]
        fn a_split_sends_rows_both_ways_and_scores_lie_inside_0_and_1(
            rows in prop::collection::vec(prop_oneof![-3.0_f32..3.0, Just(f32::MAX), Just(f32::MIN), Just(0.0)], 1..200),
            seed: u64,
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let sample: Vec<usize> = (0..rows.len()).collect();
            if let Some((feature, threshold)) = draw_split(&rows, &sample, &mut [0], &mut rng) {
                let n_right = rows.iter().filter(|value| goes_right(**value, threshold)).count();
                prop_assert!(feature == 0 && n_right > 0 && n_right < rows.len());
            } else {
                prop_assert!(rows.iter().all(|value| value.total_cmp(&rows[0]).is_eq()));
            }
            let scores = IsolationForest::fit(&rows, 1, 5, 32, &mut rng).score(&rows);
            prop_assert!(scores.iter().all(|score| *score > 0.0 && *score < 1.0), "{:?}", scores);
        }
    }
}

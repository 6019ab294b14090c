//! The isolation forest, which finds the first points to ask about: points that random splits cut off early are unusual.

mod sliding;
#[cfg(test)]
mod tests;
mod tree;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

pub use tree::average_path_length;
use tree::{ROWS_PER_WALK, Tree};

/// Rows that one thread takes through all trees, so that rows and one tree stay in its nearest cache.
const ROWS_PER_CHUNK: usize = 256;

/// Windows that one thread takes through all trees, so that their ranks and sums stay in its nearest cache.
const WINDOWS_PER_CHUNK: usize = 2_048;

/// Fewer windows are not worth laying the trees out: they go down as rows.
const FEW_WINDOWS: usize = 4_096;

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

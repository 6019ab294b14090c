//! The nearest of a set of windows, by comparing each window with all of them.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::models::matrix::{Matrix, multiply};

/// Windows that are compared at a time: the distances of a block of them stay in the second-level cache.
const CANDIDATES: usize = 512;
/// Windows that are kept beyond the number asked for, since single precision may swap distances that are nearly equal.
const SPARE: usize = 8;
/// Distances that are looked at together.
const LANES: usize = 32;

/// One of the nearest windows of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Neighbor {
    /// Its place in the set.
    pub(crate) at: usize,
    /// Its Euclidean distance, at least 0.
    pub(crate) distance: f64,
}

/// A set of windows in which the nearest ones are looked for.
///
/// Candidates are found in single precision from `|a - b|² - |a|² = |b|² - 2 a·b` of centred windows, a few more than asked
/// for, and ranked by their distance in double precision: the result is exact but for ties within rounding.
#[derive(Clone, Debug)]
pub(crate) struct Search<'a> {
    windows: Cow<'a, [f32]>,
    n_dims: usize,
    centre: Vec<f32>,
    /// `(b, |b|²)` of each window after centring, shape `[n, n_dims + 1]`.
    candidates: Vec<f32>,
}

impl<'a> Search<'a> {
    /// A search among `windows`, shape `[n, n_dims]`, every value finite.
    ///
    /// # Panics
    /// If `n_dims` is 0 or `windows` is not a whole number of windows.
    pub(crate) fn new(windows: impl Into<Cow<'a, [f32]>>, n_dims: usize) -> Self {
        let windows = windows.into();
        assert!(n_dims > 0 && windows.len().is_multiple_of(n_dims), "windows of {n_dims} values");
        let centre = centre(&windows, n_dims);
        let candidates = windows
            .par_chunks(n_dims)
            .flat_map_iter(|window| {
                let centred = window.iter().zip(&centre).map(|(value, centre)| value - centre);
                let square = centred.clone().map(|value| value * value).sum();
                centred.chain([square])
            })
            .collect();
        Self { windows, n_dims, centre, candidates }
    }

    /// The `n_neighbors` nearest windows of each query, nearest first, of equally near ones the earlier; fewer where the set
    /// holds fewer.
    ///
    /// `queries` has the shape `[n, n_dims]`, every value finite; a few hundred are compared fastest. Where the queries are
    /// the windows of the set from `among` on, none is its own neighbour.
    ///
    /// # Panics
    /// If `queries` is not a whole number of windows.
    pub(crate) fn nearest(&self, queries: &[f32], n_neighbors: usize, among: Option<usize>) -> Vec<Vec<Neighbor>> {
        assert!(queries.len().is_multiple_of(self.n_dims), "windows of {} values", self.n_dims);
        let window = |at: usize| &self.windows[at * self.n_dims..(at + 1) * self.n_dims];
        self.candidates_of(queries, n_neighbors, among)
            .into_iter()
            .zip(queries.chunks_exact(self.n_dims))
            .map(|(kept, query)| {
                // They are ranked before the root is taken, which makes some distances equal that are not.
                let mut nearest: Vec<(f64, usize)> =
                    kept.into_iter().map(|(_, at)| (squared_distance(query, window(at)), at)).collect();
                nearest.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                nearest.truncate(n_neighbors);
                nearest.into_iter().map(|(square, at)| Neighbor { at, distance: square.sqrt() }).collect()
            })
            .collect()
    }

    /// The Euclidean distance of a window from one of the set.
    ///
    /// # Panics
    /// If `query` is no window, or `at` is not in the set.
    pub(crate) fn distance(&self, query: &[f32], at: usize) -> f64 {
        squared_distance(query, &self.windows[at * self.n_dims..(at + 1) * self.n_dims]).sqrt()
    }

    /// For each query the windows that are nearest in single precision.
    fn candidates_of(&self, queries: &[f32], n_neighbors: usize, among: Option<usize>) -> Vec<Vec<(f32, usize)>> {
        let (n_dims, n_terms) = (self.n_dims, self.n_dims + 1);
        let n_queries = queries.len() / n_dims;
        // A query is (-2 a, 1), so that its product with a candidate is the squared distance but for |a|².
        let terms: Vec<f32> = queries
            .chunks_exact(n_dims)
            .flat_map(|query| {
                query.iter().zip(&self.centre).map(|(value, centre)| -2.0 * (value - centre)).chain([1.0])
            })
            .collect();
        let terms = Matrix::new(&terms, n_queries, n_terms);
        let n_kept = n_neighbors.saturating_add(SPARE).min(self.windows.len() / n_dims);
        let mut kept = vec![Kept::new(n_kept); n_queries];
        let mut distances = vec![0.0; n_queries * CANDIDATES];
        for (block, candidates) in self.candidates.chunks(CANDIDATES * n_terms).enumerate() {
            let n_candidates = candidates.len() / n_terms;
            let distances = &mut distances[..n_queries * n_candidates];
            multiply(distances, terms, Matrix::new(candidates, n_candidates, n_terms).transposed());
            for (query, (kept, distances)) in kept.iter_mut().zip(distances.chunks_exact(n_candidates)).enumerate() {
                kept.offer(distances, block * CANDIDATES, among.map(|first| first + query));
            }
        }
        kept.into_iter().map(|kept| kept.nearest).collect()
    }
}

/// The nearest windows so far, nearest first.
#[derive(Clone)]
struct Kept {
    nearest: Vec<(f32, usize)>,
    n_kept: usize,
    /// The distance below which a window is kept.
    limit: f32,
}

impl Kept {
    fn new(n_kept: usize) -> Self {
        Self { nearest: Vec::with_capacity(n_kept + 1), n_kept, limit: f32::INFINITY }
    }

    /// Takes in the distances of the windows from `first` on, all but that of `itself`.
    fn offer(&mut self, distances: &[f32], first: usize, itself: Option<usize>) {
        for (lanes, distances) in distances.chunks(LANES).enumerate() {
            let limit = self.limit;
            if !distances.iter().fold(false, |any, distance| any | (*distance < limit)) {
                continue;
            }
            for (lane, &distance) in distances.iter().enumerate() {
                let at = first + lanes * LANES + lane;
                if distance < self.limit && Some(at) != itself {
                    self.insert(distance, at);
                }
            }
        }
    }

    fn insert(&mut self, distance: f32, at: usize) {
        let place = self.nearest.partition_point(|(other, _)| *other <= distance);
        self.nearest.insert(place, (distance, at));
        self.nearest.truncate(self.n_kept);
        if self.nearest.len() == self.n_kept {
            self.limit = self.nearest[self.n_kept - 1].0;
        }
    }
}

/// The median of each dimension: distances are the same around it, squares are small, and a few huge values do not move it.
fn centre(windows: &[f32], n_dims: usize) -> Vec<f32> {
    if windows.is_empty() {
        return vec![0.0; n_dims];
    }
    (0..n_dims)
        .into_par_iter()
        .map(|dim| {
            let mut values: Vec<f32> = windows.iter().skip(dim).step_by(n_dims).copied().collect();
            let middle = values.len() / 2;
            *values.select_nth_unstable_by(middle, f32::total_cmp).1
        })
        .collect()
}

/// The squared Euclidean distance of two windows.
pub(crate) fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b)).map(|difference| difference * difference).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(n: usize, n_dims: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n * n_dims).map(|_| rng.random::<f32>() + 100.0).collect()
    }

    fn by_sorting(windows: &[f32], query: &[f32], n_neighbors: usize, itself: Option<usize>) -> Vec<Neighbor> {
        let mut all: Vec<(f64, usize)> = windows
            .chunks(query.len())
            .enumerate()
            .filter(|(at, _)| Some(*at) != itself)
            .map(|(at, window)| (squared_distance(query, window), at))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.truncate(n_neighbors);
        all.into_iter().map(|(square, at)| Neighbor { at, distance: square.sqrt() }).collect()
    }

    #[test]
    fn neighbors_are_those_found_by_sorting() {
        for (n, n_dims, n_neighbors) in [(1, 2, 3), (5, 3, 10), (300, 25, 10), (1_100, 3, 1), (513, 4, 600)] {
            let (windows, queries) = (random(n, n_dims, 3), random(70, n_dims, 4));
            let found = Search::new(&windows, n_dims).nearest(&queries, n_neighbors, None);
            for (query, found) in queries.chunks(n_dims).zip(found) {
                assert_eq!(found, by_sorting(&windows, query, n_neighbors, None), "{n} windows");
            }
        }
    }

    #[test]
    fn a_window_of_the_set_is_not_its_own_neighbor() {
        let windows = random(600, 5, 3);
        let found = Search::new(&windows, 5).nearest(&windows[510 * 5..590 * 5], 4, Some(510));
        for (query, found) in found.into_iter().enumerate() {
            let query = 510 + query;
            assert_eq!(found, by_sorting(&windows, &windows[query * 5..query * 5 + 5], 4, Some(query)), "{query}");
        }
    }

    #[test]
    fn equal_windows_have_the_earliest_as_neighbors() {
        let found = Search::new(&[0.25; 60], 2).nearest(&[0.25, 0.25, 0.25, 1.25], 2, None);
        let places: Vec<Vec<usize>> =
            found.iter().map(|found| found.iter().map(|neighbor| neighbor.at).collect()).collect();
        assert_eq!(places, [[0, 1], [0, 1]]);
        assert_eq!(found[1][0].distance.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn an_empty_set_has_no_neighbors() {
        assert_eq!(Search::new(&[], 2).nearest(&[1.0, 2.0], 3, None), [vec![]]);
        assert_eq!(Search::new(&[1.0, 2.0], 2).nearest(&[1.0, 2.0], 3, Some(0)), [vec![]]);
    }

    proptest! {
        #[test]
        fn distances_are_exact_to_single_precision_whatever_the_values(
            windows in prop::collection::vec(prop_oneof![-3.0_f32..3.0, Just(1e6), Just(-1e6), Just(0.0)], 2..120),
        ) {
            let windows = &windows[..windows.len() / 2 * 2];
            let found = Search::new(windows, 2).nearest(windows, 3, None);
            for (query, found) in windows.chunks(2).zip(found) {
                // Of windows that are 10^6 away from the centre the nearest cannot be told from those that are as near to
                // within the rounding of their squares, at most 8 * 10^12 around a centre that is as far.
                let within = |want: f64| want * want + 8e12 * 4.0 * f64::from(f32::EPSILON);
                let is_huge = query.iter().any(|value| value.abs() > 3.0) || windows.iter().any(|value| value.abs() > 3.0);
                for (found, want) in found.iter().zip(by_sorting(windows, query, 3, None)) {
                    prop_assert!(found.distance >= want.distance);
                    if is_huge {
                        prop_assert!(found.distance.powi(2) <= within(want.distance));
                    } else {
                        prop_assert!(found.distance <= want.distance + 1e-9);
                    }
                }
            }
        }
    }
}

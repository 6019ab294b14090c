//! The nearest windows of each window, by comparing all with all.

use rayon::prelude::*;

use super::graph::squared_distance;

/// Windows whose neighbours one task looks for together.
const QUERIES: usize = 256;
/// Windows that they are compared with at a time: the distances of a block stay in the second-level cache.
const CANDIDATES: usize = 512;
/// Windows that are kept beyond the number asked for, since single precision may swap distances that are nearly equal.
const SPARE: usize = 8;
/// Distances that are looked at together.
const LANES: usize = 32;

/// The `n_neighbors` nearest other windows of each window by Euclidean distance, nearest first; of equal ones the earlier.
///
/// `windows` has the shape `[n, n_dims]`. Candidates are found in single precision from `|a - b|² - |a|² = |b|² - 2 a·b` of
/// centred windows, a few more than asked for, and ranked in double precision: the result is exact but for ties within
/// rounding. A window has fewer neighbours where there are no more windows; one with a value that is not finite, or whose
/// square is not, has none and is nobody's.
///
/// It takes `n²` products of `n_dims` terms and memory for one more copy of the windows. Blocks are fixed, so that the
/// number of threads changes nothing.
pub(super) fn nearest(windows: &[f32], n_dims: usize, n_neighbors: usize) -> Vec<Vec<u32>> {
    let centre = centre(windows, n_dims);
    let n_terms = n_dims + 1;
    // A query is (-2 a, 1) and a candidate is (b, |b|²), so that their product is the distance but for |a|².
    let candidates: Vec<f32> = windows
        .par_chunks(n_dims)
        .flat_map_iter(|window| {
            let centred = window.iter().zip(&centre).map(|(value, centre)| value - centre);
            let square = centred.clone().map(|value| value * value).sum();
            centred.chain([square])
        })
        .collect();
    let n = windows.len() / n_dims;
    let blocks: Vec<usize> = (0..n).step_by(QUERIES).collect();
    blocks
        .into_par_iter()
        .flat_map_iter(|first| {
            let block = &candidates[first * n_terms..n.min(first + QUERIES) * n_terms];
            let mut found = nearest_of_block(first, block, &candidates, n_terms, n_neighbors.min(n) + SPARE);
            for (offset, found) in found.iter_mut().enumerate() {
                let window = |at: usize| &windows[at * n_dims..(at + 1) * n_dims];
                let exact = |at: u32| squared_distance(window(first + offset), window(at as usize));
                let square = block[(offset + 1) * n_terms - 1];
                if !square.is_finite() {
                    found.clear();
                }
                found.sort_by(|a, b| exact(*a).total_cmp(&exact(*b)).then(a.cmp(b)));
                found.truncate(n_neighbors);
            }
            found
        })
        .collect()
}

/// The `n_kept` nearest windows of each window of a block whose first window is `first`.
fn nearest_of_block(first: usize, block: &[f32], candidates: &[f32], n_terms: usize, n_kept: usize) -> Vec<Vec<u32>> {
    let mut queries = block.to_vec();
    for query in queries.chunks_exact_mut(n_terms) {
        let (last, values) = query.split_last_mut().expect("a query has at least the term of its square");
        values.iter_mut().for_each(|value| *value *= -2.0);
        *last = 1.0;
    }
    let mut kept = vec![Kept::new(n_kept); queries.len() / n_terms];
    let mut distances = vec![0.0; kept.len() * CANDIDATES];
    for (block, candidates) in candidates.chunks(CANDIDATES * n_terms).enumerate() {
        let n_columns = candidates.len() / n_terms;
        let distances = &mut distances[..kept.len() * n_columns];
        products(&queries, candidates, n_terms, distances);
        for (row, (kept, distances)) in kept.iter_mut().zip(distances.chunks(n_columns)).enumerate() {
            kept.offer(distances, block * CANDIDATES, first + row);
        }
    }
    kept.into_iter().map(|kept| kept.nearest.into_iter().map(|(_, at)| at).collect()).collect()
}

/// The nearest windows so far, nearest first.
#[derive(Clone)]
struct Kept {
    nearest: Vec<(f32, u32)>,
    n_kept: usize,
    /// What a distance must be below to be kept.
    limit: f32,
}

impl Kept {
    fn new(n_kept: usize) -> Self {
        Self { nearest: Vec::with_capacity(n_kept + 1), n_kept, limit: f32::INFINITY }
    }

    /// Takes in the distances of the windows from `first` on, all but that of `itself`.
    fn offer(&mut self, distances: &[f32], first: usize, itself: usize) {
        for (lanes, distances) in distances.chunks(LANES).enumerate() {
            let limit = self.limit;
            if !distances.iter().fold(false, |any, distance| any | (*distance < limit)) {
                continue;
            }
            for (lane, &distance) in distances.iter().enumerate() {
                let at = first + lanes * LANES + lane;
                if distance < self.limit && at != itself {
                    let at = u32::try_from(at).expect("fewer than 2^32 windows fit in memory");
                    self.insert(distance, at);
                }
            }
        }
    }

    fn insert(&mut self, distance: f32, at: u32) {
        let place = self.nearest.partition_point(|(other, _)| *other <= distance);
        self.nearest.insert(place, (distance, at));
        self.nearest.truncate(self.n_kept);
        if self.nearest.len() == self.n_kept {
            self.limit = self.nearest[self.n_kept - 1].0;
        }
    }
}

/// The median of the finite values of each dimension: distances are the same around it, squares are small, and a few huge
/// values do not move it.
fn centre(windows: &[f32], n_dims: usize) -> Vec<f32> {
    (0..n_dims)
        .into_par_iter()
        .map(|dim| {
            let values = windows.iter().skip(dim).step_by(n_dims);
            let mut values: Vec<f32> = values.copied().filter(|value| value.is_finite()).collect();
            let middle = values.len() / 2;
            if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
        })
        .collect()
}

/// Writes the products of each row of `a` with each row of `b`, shapes `[n, n_terms]` and `[m, n_terms]`, to `out`, `[n, m]`.
#[expect(unsafe_code, reason = "gemm takes raw pointers; the lengths are checked")]
fn products(a: &[f32], b: &[f32], n_terms: usize, out: &mut [f32]) {
    let (n, m) = (a.len() / n_terms, b.len() / n_terms);
    assert!(a.len() == n * n_terms && b.len() == m * n_terms && out.len() == n * m, "the shapes fit");
    let stride = |length: usize| isize::try_from(length).expect("a slice is no longer than isize::MAX");
    // SAFETY: with `a` and `out` row by row and `b` column by column, every element that gemm reads or writes lies within
    // the n × n_terms, n_terms × m and n × m elements that the assertion above counts; `out` is borrowed mutably, so it
    // overlaps neither input, and gemm does not read it, as `read_dst` is false.
    unsafe {
        gemm::gemm(
            n,
            m,
            n_terms,
            out.as_mut_ptr(),
            1,
            stride(m),
            false,
            a.as_ptr(),
            1,
            stride(n_terms),
            b.as_ptr(),
            stride(n_terms),
            1,
            0.0_f32,
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn random(n: usize, n_dims: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        (0..n * n_dims).map(|_| rng.random::<f32>() + 100.0).collect()
    }

    /// Sorts all other windows by distance.
    fn by_sorting(windows: &[f32], n_dims: usize, n_neighbors: usize) -> Vec<Vec<u32>> {
        let window = |at: u32| &windows[at as usize * n_dims..(at as usize + 1) * n_dims];
        let n = u32::try_from(windows.len() / n_dims).unwrap();
        (0..n)
            .map(|a| {
                let mut others: Vec<u32> = (0..n).filter(|b| *b != a).collect();
                others.sort_by(|b, c| {
                    let distance = |other| squared_distance(window(a), window(other));
                    distance(*b).total_cmp(&distance(*c))
                });
                others.truncate(n_neighbors);
                others
            })
            .collect()
    }

    #[test]
    fn products_are_those_of_the_rows() {
        let mut out = [0.0; 6];
        products(&[1.0, 2.0, 3.0, 4.0], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2, &mut out);
        assert_eq!(out.map(f32::to_bits), [1.0_f32, 2.0, 3.0, 3.0, 4.0, 7.0].map(f32::to_bits));
    }

    #[test]
    fn neighbors_are_those_found_by_sorting() {
        for (n, n_dims, n_neighbors) in [(1, 2, 3), (2, 1, 3), (5, 3, 10), (300, 25, 10), (1_100, 3, 1), (513, 4, 600)]
        {
            let windows = random(n, n_dims);
            assert_eq!(
                nearest(&windows, n_dims, n_neighbors),
                by_sorting(&windows, n_dims, n_neighbors),
                "{n} windows"
            );
        }
    }

    #[test]
    fn equal_windows_have_the_earliest_as_neighbors() {
        let found = nearest(&[0.25; 60], 2, 2);
        assert_eq!((&found[0], &found[1], &found[20]), (&vec![1, 2], &vec![0, 2], &vec![0, 1]));
    }

    #[test]
    fn windows_that_are_not_finite_have_no_neighbors() {
        let found = nearest(&[0.0, f32::NAN, 1.0, f32::INFINITY, f32::MAX, 3.0], 1, 5);
        assert_eq!(found, [vec![2, 5], vec![], vec![0, 5], vec![], vec![], vec![2, 0]]);
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let windows = random(700, 5);
        let run = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| nearest(&windows, 5, 7))
        };
        assert_eq!(run(1), run(3));
    }
}

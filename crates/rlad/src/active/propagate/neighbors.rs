//! The nearest windows of each window, by comparing all with all.

use rayon::prelude::*;

use crate::models::nearest::Search;

/// Windows whose neighbours one task looks for together.
const QUERIES: usize = 256;

/// The `n_neighbors` nearest other windows of each window by Euclidean distance, nearest first; of equal ones the earlier.
///
/// `windows` has the shape `[n, n_dims]`. It is as exact as a [`Search`]. A window has fewer neighbours where there are no
/// more windows; one with a value that is not finite, or whose squares have no finite sum, has none and is nobody's.
///
/// It takes `n²` products of `n_dims` terms and memory for two more copies of the windows. Blocks are fixed, so that the
/// number of threads changes nothing.
pub(super) fn nearest(windows: &[f32], n_dims: usize, n_neighbors: usize) -> Vec<Vec<u32>> {
    let is_finite = |window: &[f32]| window.iter().map(|value| value * value).sum::<f32>().is_finite();
    let (places, finite): (Vec<u32>, Vec<&[f32]>) =
        (0..).zip(windows.chunks_exact(n_dims)).filter(|(_, window)| is_finite(window)).unzip();
    let finite = finite.concat();
    let search = Search::new(&finite, n_dims);
    let found: Vec<Vec<u32>> = finite
        .par_chunks(QUERIES * n_dims)
        .enumerate()
        .flat_map_iter(|(block, queries)| search.nearest(queries, n_neighbors, Some(block * QUERIES)))
        .map(|found| found.iter().map(|neighbor| places[neighbor.at]).collect())
        .collect();
    let mut nearest = vec![Vec::new(); windows.len() / n_dims];
    for (place, found) in places.into_iter().zip(found) {
        nearest[place as usize] = found;
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::nearest::squared_distance;
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

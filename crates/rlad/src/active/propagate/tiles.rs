//! The weights between all windows: a symmetric matrix, of which one half is computed and stored, in square tiles.
//!
//! A tile's windows and sums stay in the nearest cache, and each weight is read once a product for its row and for its column.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::exponential::exp_of_minus;

/// The windows on a side of a tile.
const SIDE: usize = 64;
/// The vectors of sums that are kept in registers; those of a row of a tile are a multiple.
const VECTORS: usize = 8;

/// The weights `exp(-d² / σ²)` between windows, d their distance; 0 between a window and itself.
#[derive(Debug)]
pub(super) struct Tiles {
    n: usize,
    /// Of each block of `SIDE` windows the tiles with itself and with the blocks after it, each of the shape `[SIDE, SIDE]`; 0 after
    /// the last window. The first have the most tiles, so threads take them one at a time.
    rows: Vec<Vec<f64>>,
}

/// One for each class.
type Classes<T> = [T; 2];

impl Tiles {
    /// `windows` has the shape `[n, n_dims]`.
    pub(super) fn of(windows: &[f32], n_dims: usize, sigma: f64) -> Self {
        let n = windows.len() / n_dims;
        let blocks: Vec<Vec<f64>> = windows.chunks(SIDE * n_dims).map(|windows| columns_of(windows, n_dims)).collect();
        let rate = 1.0 / (sigma * sigma);
        let row_of_tiles = |of: usize| {
            let mut tiles = vec![0.0; (blocks.len() - of) * SIDE * SIDE];
            for ((after, tile), columns) in tiles.chunks_exact_mut(SIDE * SIDE).enumerate().zip(&blocks[of..]) {
                let n_columns = SIDE.min(n - (of + after) * SIDE);
                let windows = &windows[of * SIDE * n_dims..((of + 1) * SIDE).min(n) * n_dims];
                Arch::new().dispatch(Fill { windows, n_dims, columns, rate, tile });
                for (row, weights) in tile.chunks_exact_mut(SIDE).enumerate() {
                    weights[n_columns..].fill(0.0);
                    if after == 0 {
                        weights[row] = 0.0;
                    }
                }
            }
            tiles
        };
        Self { n, rows: (0..blocks.len()).into_par_iter().with_max_len(1).map(row_of_tiles).collect() }
    }

    pub(super) const fn len(&self) -> usize {
        self.n
    }

    /// The product with a matrix of two columns, shape `[n, 2]`.
    pub(super) fn multiply(&self, by: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let n_padded = self.rows.len() * SIDE;
        let of_class = |class: usize| {
            let mut of = vec![0.0; n_padded];
            of.iter_mut().zip(by).for_each(|(of, by)| *of = by[class]);
            of
        };
        let by = [of_class(0), of_class(1)];
        let of_row = |(block, tiles): (usize, &Vec<f64>)| {
            let first = block * SIDE;
            let mut sums = [0, 1].map(|_| vec![0.0; n_padded - first]);
            for (after, tile) in tiles.chunks_exact(SIDE * SIDE).enumerate() {
                let by = [0, 1].map(|class: usize| &by[class][first..]);
                Arch::new().dispatch(Product { tile, after, by, sums: &mut sums });
            }
            sums
        };
        let parts: Vec<Classes<Vec<f64>>> = self.rows.par_iter().enumerate().with_max_len(1).map(of_row).collect();
        let mut product = vec![[0.0; 2]; self.n];
        for (block, part) in parts.iter().enumerate() {
            for (class, sums) in part.iter().enumerate() {
                product[block * SIDE..].iter_mut().zip(sums).for_each(|(product, sum)| product[class] += sum);
            }
        }
        product
    }
}

/// At most `SIDE` windows dimension by dimension, shape `[n_dims, SIDE]`; 0 after the last window.
fn columns_of(windows: &[f32], n_dims: usize) -> Vec<f64> {
    let mut columns = vec![0.0; n_dims * SIDE];
    for (at, window) in windows.chunks_exact(n_dims).enumerate() {
        window.iter().enumerate().for_each(|(dim, value)| columns[dim * SIDE + at] = f64::from(*value));
    }
    columns
}

/// Writes the weights of some windows with the windows of a block.
struct Fill<'a> {
    /// Shape `[at most SIDE, n_dims]`.
    windows: &'a [f32],
    n_dims: usize,
    /// Shape `[n_dims, SIDE]`.
    columns: &'a [f64],
    /// `1 / σ²`.
    rate: f64,
    /// Shape `[SIDE, SIDE]`.
    tile: &'a mut [f64],
}

impl WithSimd for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (window, weights) in self.windows.chunks_exact(self.n_dims).zip(self.tile.chunks_exact_mut(SIDE)) {
            let (squares, _) = S::as_mut_simd_f64s(weights);
            for (at, squares) in squares.chunks_exact_mut(VECTORS).enumerate() {
                let mut sums = [simd.splat_f64s(0.0); VECTORS];
                for (value, column) in window.iter().zip(self.columns.chunks_exact(SIDE)) {
                    let value = simd.splat_f64s(f64::from(*value));
                    let column = &S::as_simd_f64s(column).0[at * VECTORS..(at + 1) * VECTORS];
                    for (sum, other) in sums.iter_mut().zip(column) {
                        let difference = simd.sub_f64s(value, *other);
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(difference, difference));
                    }
                }
                squares.copy_from_slice(&sums);
            }
            for weight in weights {
                *weight = exp_of_minus(*weight * self.rate);
            }
        }
    }
}

/// Adds the products of a tile's weights to the sums of its rows, and where it is not on the diagonal to those of its columns.
struct Product<'a> {
    /// Shape `[SIDE, SIDE]`.
    tile: &'a [f64],
    /// How many blocks the columns lie after the rows.
    after: usize,
    /// The factors of the weights, from the tile's first row on.
    by: Classes<&'a [f64]>,
    /// From the tile's first row on, like `by`.
    sums: &'a mut Classes<Vec<f64>>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.after * SIDE..(self.after + 1) * SIDE;
        for (row, weights) in self.tile.chunks_exact(SIDE).enumerate() {
            let (weights, _) = S::as_simd_f64s(weights);
            for (by, sums) in self.by.iter().zip(&mut *self.sums) {
                let (of_columns, _) = S::as_simd_f64s(&by[columns.clone()]);
                // Eight sums whatever the width of the vectors, so that each width adds in the same order.
                let n_vectors = 8 / S::F64_LANES;
                let mut lanes = [simd.splat_f64s(0.0); 8];
                for (weights, by) in weights.chunks_exact(n_vectors).zip(of_columns.chunks_exact(n_vectors)) {
                    for ((lane, weight), by) in lanes[..n_vectors].iter_mut().zip(weights).zip(by) {
                        *lane = simd.add_f64s(*lane, simd.mul_f64s(*weight, *by));
                    }
                }
                let mut eight = [0.0; 8];
                S::as_mut_simd_f64s(&mut eight).0.copy_from_slice(&lanes[..n_vectors]);
                let [a, b, c, d, e, f, g, h] = eight;
                sums[row] += ((a + e) + (c + g)) + ((b + f) + (d + h));
                if self.after > 0 {
                    let by = simd.splat_f64s(by[row]);
                    for (sum, weight) in S::as_mut_simd_f64s(&mut sums[columns.clone()]).0.iter_mut().zip(weights) {
                        *sum = simd.add_f64s(*sum, simd.mul_f64s(*weight, by));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Against every weight one by one, for numbers of windows around the side of a tile.
    #[test]
    fn the_product_is_that_of_every_weight() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for n in [0, 1, 2, 63, 64, 65, 130, 200] {
            let windows: Vec<f32> = (0..n * 3).map(|_| rng.random()).collect();
            let by: Vec<[f64; 2]> = (0..n).map(|_| [rng.random(), rng.random()]).collect();
            let value = |at: usize| f64::from(windows[at]);
            let weight = |a: usize, b: usize| {
                let square: f64 = (0..3).map(|dim| (value(a * 3 + dim) - value(b * 3 + dim)).powi(2)).sum();
                if a == b { 0.0 } else { (-square / 0.25).exp() }
            };
            let tiles = Tiles::of(&windows, 3, 0.5);
            let product = tiles.multiply(&by);
            assert_eq!((tiles.len(), product.len()), (n, n));
            for (row, sums) in product.iter().enumerate() {
                for class in 0..2 {
                    let want: f64 = (0..n).map(|column| weight(row, column) * by[column][class]).sum();
                    assert!((sums[class] - want).abs() <= 1e-13 * want, "{n}, {row}: {} {want}", sums[class]);
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_has_no_weight() {
        let product = Tiles::of(&[0.0, f32::NAN, 0.0, f32::INFINITY], 1, 1.0).multiply(&[[1.0, 2.0]; 4]);
        assert_eq!(product, [[1.0, 2.0], [0.0; 2], [1.0, 2.0], [0.0; 2]]);
    }
}

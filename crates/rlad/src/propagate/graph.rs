//! The weights between windows: all of them, or those between near ones only.

use rayon::prelude::*;

use super::neighbors::nearest;
use crate::nearest::squared_distance;

/// A matrix of weights, symmetric until it is normalised, with 1 on the diagonal.
#[derive(Debug)]
pub(super) enum Graph {
    /// Every weight, row by row.
    Dense { n: usize, weights: Vec<f64> },
    /// The weights of row i are `weights[starts[i]..starts[i + 1]]`, in the columns of the same places, in ascending order.
    Sparse { starts: Vec<usize>, columns: Vec<u32>, weights: Vec<f64> },
}

impl Graph {
    /// The weights `exp(-d² / σ²)` between all windows.
    pub(super) fn dense(windows: &[f32], n_dims: usize, sigma: f64) -> Self {
        let n = windows.len() / n_dims;
        let mut weights = vec![0.0; n * n];
        weights.par_chunks_mut(n.max(1)).zip(windows.par_chunks(n_dims)).enumerate().for_each(|(row, (weights, a))| {
            for (column, (weight, b)) in weights.iter_mut().zip(windows.chunks(n_dims)).enumerate() {
                *weight = if row == column { 1.0 } else { similarity(squared_distance(a, b), sigma) };
            }
        });
        Self::Dense { n, weights }
    }

    /// The weights `exp(-d² / σ²)` between windows of which at least one is among the `n_neighbors` nearest of the other.
    pub(super) fn nearest(windows: &[f32], n_dims: usize, sigma: f64, n_neighbors: usize) -> Self {
        let n = windows.len() / n_dims;
        let mut edges: Vec<(u32, u32)> = (0..index(n)).map(|window| (window, window)).collect();
        for (a, neighbors) in nearest(windows, n_dims, n_neighbors).into_iter().enumerate() {
            for b in neighbors {
                edges.extend([(index(a), b), (b, index(a))]);
            }
        }
        edges.par_sort_unstable();
        edges.dedup();
        let window = |at: u32| &windows[at as usize * n_dims..(at as usize + 1) * n_dims];
        let weights = edges
            .par_iter()
            .map(|&(a, b)| if a == b { 1.0 } else { similarity(squared_distance(window(a), window(b)), sigma) })
            .collect();
        let starts = (0..=n).map(|row| edges.partition_point(|edge| (edge.0 as usize) < row)).collect();
        Self::Sparse { starts, columns: edges.into_iter().map(|edge| edge.1).collect(), weights }
    }

    /// Divides each row by its sum.
    pub(super) fn normalize_rows(&mut self) {
        self.for_each_row(|_, _, weights| {
            let sum: f64 = weights.iter().sum();
            for weight in weights {
                *weight /= sum;
            }
        });
    }

    /// Removes the diagonal and divides each weight by the root of the sums of its row and of its column.
    pub(super) fn normalize_both_sides(&mut self) {
        self.for_each_row(|row, columns, weights| weights[columns.place_of(row)] = 0.0);
        let roots: Vec<f64> = self
            .multiply(&vec![[1.0, 0.0]; self.len()])
            .into_iter()
            .map(|sum| if sum[0] > 0.0 { sum[0].sqrt() } else { 1.0 })
            .collect();
        self.for_each_row(|row, columns, weights| {
            for (place, weight) in weights.iter_mut().enumerate() {
                *weight = *weight / roots[columns.at(place)] / roots[row];
            }
        });
    }

    /// The product with a matrix of two columns, shape `[n, 2]`.
    pub(super) fn multiply(&self, by: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let add = |[a, b]: [f64; 2], (weight, of): (&f64, &[f64; 2])| [a + weight * of[0], b + weight * of[1]];
        match self {
            Self::Dense { n, weights } => {
                weights.par_chunks((*n).max(1)).map(|row| row.iter().zip(by).fold([0.0; 2], add)).collect()
            }
            Self::Sparse { starts, columns, weights } => starts
                .par_windows(2)
                .map(|row| {
                    let of = columns[row[0]..row[1]].iter().map(|column| &by[*column as usize]);
                    weights[row[0]..row[1]].iter().zip(of).fold([0.0; 2], add)
                })
                .collect(),
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Dense { n, .. } => *n,
            Self::Sparse { starts, .. } => starts.len() - 1,
        }
    }

    fn for_each_row(&mut self, f: impl Fn(usize, Columns<'_>, &mut [f64]) + Sync) {
        match self {
            Self::Dense { n, weights } => {
                weights.par_chunks_mut((*n).max(1)).enumerate().for_each(|(row, weights)| f(row, Columns::All, weights))
            }
            Self::Sparse { starts, columns, weights } => {
                for (row, range) in starts.windows(2).enumerate() {
                    let range = range[0]..range[1];
                    f(row, Columns::Some(&columns[range.clone()]), &mut weights[range]);
                }
            }
        }
    }
}

/// The columns of a row's weights.
#[derive(Clone, Copy)]
enum Columns<'a> {
    All,
    Some(&'a [u32]),
}

impl Columns<'_> {
    const fn at(self, place: usize) -> usize {
        match self {
            Self::All => place,
            Self::Some(columns) => columns[place] as usize,
        }
    }

    fn place_of(self, column: usize) -> usize {
        match self {
            Self::All => column,
            Self::Some(columns) => columns.binary_search(&index(column)).expect("every row has its diagonal"),
        }
    }
}

/// Equation 6; 0 where the distance is not a number.
fn similarity(squared_distance: f64, sigma: f64) -> f64 {
    let weight = (-squared_distance / (sigma * sigma)).exp();
    if weight.is_nan() { 0.0 } else { weight }
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^32 windows fit in memory")
}

//! The weights between windows: all of them, or those between near ones only.

use rayon::prelude::*;

use super::neighbors::nearest;
use super::similarity::Columns as Windows;
use crate::matrix::{Kernel, vectorised};
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
        let columns = Windows::of(windows, n_dims);
        let mut weights = vec![0.0; n * n];
        weights.par_chunks_mut(n.max(1)).zip(windows.par_chunks(n_dims)).enumerate().for_each(
            |(row, (weights, window))| {
                columns.similarities(window, sigma, weights);
                weights[row] = 1.0;
            },
        );
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
        let shares: Vec<f64> = roots.iter().map(|root| 1.0 / root).collect();
        self.for_each_row(|row, columns, weights| match columns {
            Columns::All => vectorised(Scale { weights, by: &shares, share: shares[row] }),
            Columns::Some(_) => {
                for (place, weight) in weights.iter_mut().enumerate() {
                    *weight *= shares[columns.at(place)] * shares[row];
                }
            }
        });
    }

    /// The product with a matrix of two columns, shape `[n, 2]`.
    pub(super) fn multiply(&self, by: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let add = |[a, b]: [f64; 2], (weight, of): (&f64, &[f64; 2])| [a + weight * of[0], b + weight * of[1]];
        match self {
            Self::Dense { n, weights } => {
                let of_class = |class: usize| by.iter().map(|of| of[class]).collect::<Vec<f64>>();
                let classes = [of_class(0), of_class(1)];
                let product = |weights: &[f64]| {
                    let mut sums = [0.0; 2];
                    vectorised(Products { weights, classes: &classes, sums: &mut sums });
                    sums
                };
                weights.par_chunks((*n).max(1)).map(product).collect()
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

/// Multiplies each weight of a row with a number of its column and with one of the row.
struct Scale<'a> {
    weights: &'a mut [f64],
    by: &'a [f64],
    share: f64,
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (weight, by) in self.weights.iter_mut().zip(self.by) {
            *weight *= by * self.share;
        }
    }
}

/// The sums over a row of the weights times the numbers of either class.
struct Products<'a> {
    weights: &'a [f64],
    classes: &'a [Vec<f64>; 2],
    sums: &'a mut [f64; 2],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut lanes = [[0.0; 16]; 2];
        let (weights, rest) = self.weights.as_chunks::<16>();
        for (class, lanes) in self.classes.iter().zip(&mut lanes) {
            for (weights, of) in weights.iter().zip(class.as_chunks::<16>().0) {
                for ((lane, weight), of) in lanes.iter_mut().zip(weights).zip(of) {
                    *lane += weight * of;
                }
            }
        }
        for ((sum, class), lanes) in self.sums.iter_mut().zip(self.classes).zip(lanes) {
            let last = rest.iter().zip(&class[class.len() - rest.len()..]).map(|(weight, of)| weight * of);
            *sum = lanes.iter().sum::<f64>() + last.sum::<f64>();
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

//! The weights between windows: all of them, or those between near ones only.

use rayon::prelude::*;

use super::exponential::exp_of_minus;
use super::neighbors::nearest;
use super::tiles::Tiles;
use crate::models::nearest::squared_distance;

/// A symmetric matrix of weights, normalised by a number of each row and one of each column.
#[derive(Debug)]
pub(super) struct Graph {
    edges: Edges,
    /// The weight of each window with itself.
    diagonal: f64,
    /// The factor of each row.
    left: Vec<f64>,
    /// The factor of each column.
    right: Vec<f64>,
}

/// The weights between two windows.
#[derive(Debug)]
enum Edges {
    All(Tiles),
    /// The weights of row i are `weights[starts[i]..starts[i + 1]]`, in the columns of the same places, in ascending order.
    Some {
        starts: Vec<usize>,
        columns: Vec<u32>,
        weights: Vec<f64>,
    },
}

impl Graph {
    /// The weights `exp(-d² / σ²)` between all windows.
    pub(super) fn dense(windows: &[f32], n_dims: usize, sigma: f64) -> Self {
        Self::new(Edges::All(Tiles::of(windows, n_dims, sigma)))
    }

    /// The weights `exp(-d² / σ²)` between windows of which at least one is among the `n_neighbors` nearest of the other.
    pub(super) fn nearest(windows: &[f32], n_dims: usize, sigma: f64, n_neighbors: usize) -> Self {
        let n = windows.len() / n_dims;
        let mut edges: Vec<(u32, u32)> = Vec::new();
        for (a, neighbors) in nearest(windows, n_dims, n_neighbors).into_iter().enumerate() {
            edges.extend(neighbors.into_iter().flat_map(|b| [(index(a), b), (b, index(a))]));
        }
        edges.par_sort_unstable();
        edges.dedup();
        let window = |at: u32| &windows[at as usize * n_dims..(at as usize + 1) * n_dims];
        let weights =
            edges.par_iter().map(|&(a, b)| similarity(squared_distance(window(a), window(b)), sigma)).collect();
        let starts = (0..=n).map(|row| edges.partition_point(|edge| (edge.0 as usize) < row)).collect();
        let columns = edges.into_iter().map(|edge| edge.1).collect();
        Self::new(Edges::Some { starts, columns, weights })
    }

    fn new(edges: Edges) -> Self {
        let ones = vec![1.0; edges.len()];
        Self { edges, diagonal: 1.0, left: ones.clone(), right: ones }
    }

    /// Divides each row by its sum.
    pub(super) fn normalize_rows(&mut self) {
        self.left = self.row_sums().into_iter().map(|sum| 1.0 / sum).collect();
    }

    /// Removes the diagonal and divides each weight by the root of the sums of its row and of its column.
    pub(super) fn normalize_both_sides(&mut self) {
        self.diagonal = 0.0;
        self.left = self.row_sums().into_iter().map(|sum| if sum > 0.0 { 1.0 / sum.sqrt() } else { 1.0 }).collect();
        self.right.clone_from(&self.left);
    }

    fn row_sums(&self) -> Vec<f64> {
        self.multiply(&vec![[1.0, 0.0]; self.edges.len()]).into_iter().map(|sums| sums[0]).collect()
    }

    /// The product with a matrix of two columns, shape `[n, 2]`.
    pub(super) fn multiply(&self, by: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let scaled: Vec<[f64; 2]> = by.iter().zip(&self.right).map(|(by, right)| by.map(|by| by * right)).collect();
        let mut product = self.edges.multiply(&scaled);
        for ((row, by), left) in product.iter_mut().zip(&scaled).zip(&self.left) {
            *row = [0, 1].map(|class| left * (row[class] + self.diagonal * by[class]));
        }
        product
    }
}

impl Edges {
    const fn len(&self) -> usize {
        match self {
            Self::All(tiles) => tiles.len(),
            Self::Some { starts, .. } => starts.len() - 1,
        }
    }

    fn multiply(&self, by: &[[f64; 2]]) -> Vec<[f64; 2]> {
        let add = |[a, b]: [f64; 2], (weight, of): (&f64, &[f64; 2])| [a + weight * of[0], b + weight * of[1]];
        match self {
            Self::All(tiles) => tiles.multiply(by),
            Self::Some { starts, columns, weights } => starts
                .par_windows(2)
                .map(|row| {
                    let of = columns[row[0]..row[1]].iter().map(|column| &by[*column as usize]);
                    weights[row[0]..row[1]].iter().zip(of).fold([0.0; 2], add)
                })
                .collect(),
        }
    }
}

/// Equation 6; 0 where the distance is not a number.
fn similarity(squared_distance: f64, sigma: f64) -> f64 {
    exp_of_minus(squared_distance / (sigma * sigma))
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("fewer than 2^32 windows fit in memory")
}

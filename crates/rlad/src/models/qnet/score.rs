//! Q-values of many windows, in tiles.
//!
//! The order of the additions in a matrix product may depend on the product's size. A tile therefore has whole columns of the
//! products' kernels, where each number is one chain of multiplications and additions over the units, whatever the number of columns;
//! of networks whose chains may be cut, since they are long, every tile is full. What is left of a tile is filled up with zeros. So the
//! Q-values of a window depend on nothing but the window, and a stream that scores one at a time gets a batch's numbers bit for bit.

use std::ops::Range;

use rayon::prelude::*;

use super::head::N_ACTIONS;
use super::network::QNetwork;

/// The windows of a full tile, a multiple of [`COLUMNS`].
const TILE: usize = 48;
/// The columns that the kernels of the products have, or a multiple of it.
const COLUMNS: usize = 6;
/// The units above which every tile is full.
const LONG: usize = 128;

/// The points whose input products are shared, a multiple of [`TILE`]; also the points that one thread takes at a time.
const BLOCK: usize = 8 * TILE;

/// The buffers of one tile.
struct Tile<'a> {
    network: &'a QNetwork,
    gates: Vec<f32>,
    hidden: Vec<f32>,
    cells: Vec<f32>,
    cells_before: Vec<f32>,
    head_inputs: Vec<f32>,
    head_hidden: Vec<f32>,
    q: Vec<f32>,
}

impl<'a> Tile<'a> {
    fn new(network: &'a QNetwork) -> Self {
        Self {
            network,
            gates: Vec::new(),
            hidden: Vec::new(),
            cells: Vec::new(),
            cells_before: Vec::new(),
            head_inputs: Vec::new(),
            head_hidden: Vec::new(),
            q: Vec::new(),
        }
    }

    /// Makes room for a tile of `n_rows` windows.
    fn resize(&mut self, n_rows: usize) {
        let shape = self.network.shape;
        self.gates.resize(n_rows * 4 * shape.n_units, 0.0);
        for states in [&mut self.hidden, &mut self.cells, &mut self.cells_before] {
            states.resize(n_rows * shape.n_units, 0.0);
        }
        self.head_inputs.resize(n_rows * shape.n_head_inputs(), 0.0);
        self.head_hidden.resize(n_rows * shape.head_units, 0.0);
        self.q.resize(n_rows * N_ACTIONS, 0.0);
    }

    /// Writes the Q-values of the tile's first windows. `project` writes the input products of a step, `[n_rows, 4 n_units]`; `last` are
    /// the features of the last step, `[n_rows, n_features]`, and tell the size of the tile.
    fn score(&mut self, n_steps: usize, mut project: impl FnMut(usize, &mut [f32]), last: &[f32], q: &mut [[f32; 2]]) {
        let shape = self.network.shape;
        self.resize(last.len() / shape.n_features);
        let lstm = self.network.lstm();
        self.cells.fill(0.0);
        for step in 0..n_steps {
            project(step, &mut self.gates);
            if step > 0 {
                lstm.recur(&self.hidden, &mut self.gates);
            }
            std::mem::swap(&mut self.cells, &mut self.cells_before);
            lstm.activate(&mut self.gates, &self.cells_before, &mut self.cells, &mut self.hidden);
        }
        join_rows(&mut self.head_inputs, &self.hidden, shape.n_units, last, shape.n_features);
        self.network.head().forward(&self.head_inputs, &mut self.head_hidden, &mut self.q);
        for (q, row) in q.iter_mut().zip(self.q.chunks_exact(N_ACTIONS)) {
            q.copy_from_slice(row);
        }
    }
}

/// Writes the head's inputs: the rows of `hidden`, each followed by the row of `last` where there is room for it.
pub(super) fn join_rows(joined: &mut [f32], hidden: &[f32], n_units: usize, last: &[f32], n_features: usize) {
    let width = joined.len() / (hidden.len() / n_units);
    let rows = hidden.chunks_exact(n_units).zip(last.chunks_exact(n_features));
    for (joined, (hidden, last)) in joined.chunks_exact_mut(width).zip(rows) {
        let (front, back) = joined.split_at_mut(n_units);
        front.copy_from_slice(hidden);
        if !back.is_empty() {
            back.copy_from_slice(last);
        }
    }
}

impl QNetwork {
    /// The rows of the tile for `n` windows, at most [`TILE`].
    const fn tile_rows(&self, n: usize) -> usize {
        if self.shape.n_units > LONG { TILE } else { n.next_multiple_of(COLUMNS) }
    }

    /// The Q-values of normal and of anomaly for each state of `states`, `[n, n_steps, n_features]`.
    ///
    /// They depend, bit for bit, on the state alone: not on the other states, their number or order, or the threads.
    ///
    /// # Panics
    /// Where `n_steps` is 0 or `states` is not a whole number of states.
    #[must_use]
    pub fn q_values(&self, states: &[f32], n_steps: usize) -> Vec<[f32; 2]> {
        let n_features = self.shape.n_features;
        let width = n_steps * n_features;
        assert!(
            width > 0 && states.len().is_multiple_of(width),
            "states have {n_steps} steps of {n_features} features"
        );
        let mut q = vec![[0.0; 2]; states.len() / width];
        let score = |(tile, step_inputs): &mut (Tile<'_>, Vec<f32>), (states, q): (&[f32], &mut [[f32; 2]])| {
            let n_rows = self.tile_rows(q.len());
            step_inputs.resize(n_rows * n_features, 0.0);
            let gather = |step: usize, inputs: &mut [f32]| {
                inputs.fill(0.0);
                for (row, state) in inputs.chunks_exact_mut(n_features).zip(states.chunks_exact(width)) {
                    row.copy_from_slice(&state[step * n_features..][..n_features]);
                }
            };
            let mut last = vec![0.0; n_rows * n_features];
            gather(n_steps - 1, &mut last);
            let project = |step: usize, gates: &mut [f32]| {
                gather(step, step_inputs);
                self.lstm().project(step_inputs, gates);
            };
            tile.score(n_steps, project, &last, q);
        };
        let buffers = || (Tile::new(self), Vec::new());
        if q.len() <= TILE {
            // A single tile is not worth a change of threads.
            if !q.is_empty() {
                score(&mut buffers(), (states, &mut q));
            }
        } else {
            let tiles = states.par_chunks(TILE * width).zip(q.par_chunks_mut(TILE));
            tiles.for_each_init(buffers, score);
        }
        q
    }

    /// The Q-values of the windows of `n_steps` rows that end at `points`; `rows` is `[n_points, n_features]`.
    ///
    /// Where the series begins within a window, its first row is repeated. The values are those of
    /// [`Self::q_values`], bit for bit, but each row's input product is made once for all the windows that hold it.
    ///
    /// # Panics
    /// Where `n_steps` is 0, `rows` is not a whole number of rows, or `points` reaches beyond them.
    #[must_use]
    pub fn q_values_series(&self, rows: &[f32], points: Range<usize>, n_steps: usize) -> Vec<[f32; 2]> {
        let n_features = self.shape.n_features;
        let n_points = rows.len() / n_features;
        assert!(n_steps > 0 && rows.len().is_multiple_of(n_features), "rows have {n_features} features");
        assert!(points.end <= n_points, "points {points:?} of {n_points}");
        let n_gates = 4 * self.shape.n_units;
        let mut q = vec![[0.0; 2]; points.len()];
        let score = |(tile, inputs, products): &mut (Tile<'_>, Vec<f32>, Vec<f32>),
                     (block, q): (usize, &mut [[f32; 2]])| {
            // Row 0 of the block is the first row of its first window.
            let first = points.start + block * BLOCK;
            let n_rows = (q.len().next_multiple_of(TILE) + n_steps - 1).next_multiple_of(TILE);
            inputs.resize(n_rows * n_features, 0.0);
            products.resize(n_rows * n_gates, 0.0);
            for (row, input) in inputs.chunks_exact_mut(n_features).enumerate() {
                let point = (first + row).saturating_sub(n_steps - 1);
                match rows.get(point * n_features..(point + 1) * n_features) {
                    Some(values) => input.copy_from_slice(values),
                    None => input.fill(0.0),
                }
            }
            let tiles = inputs.chunks_exact(TILE * n_features).zip(products.chunks_exact_mut(TILE * n_gates));
            for (inputs, products) in tiles {
                self.lstm().project(inputs, products);
            }
            for (start, q) in (0..).step_by(TILE).zip(q.chunks_mut(TILE)) {
                let n_rows = self.tile_rows(q.len());
                let project = |step: usize, gates: &mut [f32]| {
                    gates.copy_from_slice(&products[(start + step) * n_gates..][..n_rows * n_gates]);
                };
                let last = &inputs[(start + n_steps - 1) * n_features..][..n_rows * n_features];
                tile.score(n_steps, project, last, q);
            }
        };
        let buffers = || (Tile::new(self), Vec::new(), Vec::new());
        if q.len() <= TILE {
            if !q.is_empty() {
                score(&mut buffers(), (0, &mut q));
            }
        } else {
            q.par_chunks_mut(BLOCK).enumerate().for_each_init(buffers, score);
        }
        q
    }
}

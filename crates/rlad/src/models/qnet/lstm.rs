//! The recurrent layer: one step forward and one step back, for a block of windows at once.
//!
//! A row of gates is `[i, f, g, o]`, each of `n_units`. Blocks are time-major: the rows of one step follow one another, so
//! that a step is one matrix product.

use crate::models::activation::{sigmoid, tanh};
use crate::models::matrix::{Kernel, Matrix, multiply, multiply_add, vectorised};

/// The LSTM's weights, some in both orientations, since a product reads its rows of gates contiguously.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lstm<'a> {
    pub(super) n_features: usize,
    pub(super) n_units: usize,
    /// `[n_features, 4 n_units]`
    pub(super) weight_ih_transposed: &'a [f32],
    /// `[n_units, 4 n_units]`
    pub(super) weight_hh_transposed: &'a [f32],
    /// `[4 n_units, n_units]`
    pub(super) weight_hh: &'a [f32],
    /// `[4 n_units]`
    pub(super) bias: &'a [f32],
}

impl Lstm<'_> {
    /// Writes `W_ih x + b` of each row of `inputs`, `[n_rows, n_features]`, to `gates`, `[n_rows, 4 n_units]`.
    pub(super) fn project(&self, inputs: &[f32], gates: &mut [f32]) {
        for row in gates.chunks_exact_mut(self.bias.len()) {
            row.copy_from_slice(self.bias);
        }
        let n_rows = gates.len() / self.bias.len();
        let weight = Matrix::new(self.weight_ih_transposed, self.n_features, self.bias.len());
        multiply_add(gates, Matrix::new(inputs, n_rows, self.n_features), weight);
    }

    /// Adds `W_hh h` of each row of `hidden`, `[n_rows, n_units]`, to `gates`, `[n_rows, 4 n_units]`.
    pub(super) fn recur(&self, hidden: &[f32], gates: &mut [f32]) {
        let weight = Matrix::new(self.weight_hh_transposed, self.n_units, self.bias.len());
        multiply_add(gates, Matrix::new(hidden, hidden.len() / self.n_units, self.n_units), weight);
    }

    /// Turns the sums in `gates` into the gates' values, and gives the step's cells and outputs, each `[n_rows, n_units]`:
    /// `c = σ(f) c' + σ(i) tanh(g)`, `h = σ(o) tanh(c)`, with `c'` the step's before.
    pub(super) fn activate(&self, gates: &mut [f32], cells_before: &[f32], cells: &mut [f32], hidden: &mut [f32]) {
        vectorised(Activate { n_units: self.n_units, gates, cells_before, cells, hidden });
    }

    /// Turns the values in `gates` into the derivatives of the loss by the gates' sums, given those by the outputs; those by
    /// the cells go one step back, from `cells` to `cells_before`. All as in [`Self::activate`].
    pub(super) fn differentiate(
        &self,
        gates: &mut [f32],
        cells_before: &[f32],
        cells: &[f32],
        d_hidden: &[f32],
        d_cells: &mut [f32],
    ) {
        vectorised(Differentiate { n_units: self.n_units, gates, cells_before, cells, d_hidden, d_cells });
    }

    /// Writes the derivatives by the outputs of the step before, `W_hhᵀ d`, given those by the gates' sums.
    pub(super) fn differentiate_recurrence(&self, d_gates: &[f32], d_hidden: &mut [f32]) {
        let n_gates = self.bias.len();
        let weight = Matrix::new(self.weight_hh, n_gates, self.n_units);
        multiply(d_hidden, Matrix::new(d_gates, d_gates.len() / n_gates, n_gates), weight);
    }
}

/// See [`Lstm::activate`].
struct Activate<'a> {
    n_units: usize,
    gates: &'a mut [f32],
    cells_before: &'a [f32],
    cells: &'a mut [f32],
    hidden: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n = self.n_units;
        let rows = self.gates.chunks_exact_mut(4 * n).zip(self.cells_before.chunks_exact(n));
        let rows = rows.zip(self.cells.chunks_exact_mut(n).zip(self.hidden.chunks_exact_mut(n)));
        for ((gates, before), (cells, hidden)) in rows {
            let (i, f, g, o) = split_gates(gates, n);
            activate_row(i, f, g, o, before, cells, hidden);
        }
    }
}

/// See [`Lstm::differentiate`].
struct Differentiate<'a> {
    n_units: usize,
    gates: &'a mut [f32],
    cells_before: &'a [f32],
    cells: &'a [f32],
    d_hidden: &'a [f32],
    d_cells: &'a mut [f32],
}

impl Kernel for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n = self.n_units;
        let rows = self.gates.chunks_exact_mut(4 * n).zip(self.cells_before.chunks_exact(n));
        let rows = rows.zip(self.cells.chunks_exact(n));
        let rows = rows.zip(self.d_hidden.chunks_exact(n).zip(self.d_cells.chunks_exact_mut(n)));
        for (((gates, before), cells), (d_hidden, d_cells)) in rows {
            let (i, f, g, o) = split_gates(gates, n);
            differentiate_row(i, f, g, o, before, cells, d_hidden, d_cells);
        }
    }
}

/// The gates i, f, g and o of one row, each of `n` units.
#[inline(always)]
fn split_gates(row: &mut [f32], n: usize) -> (&mut [f32], &mut [f32], &mut [f32], &mut [f32]) {
    let (i, row) = row.split_at_mut(n);
    let (f, row) = row.split_at_mut(n);
    let (g, row) = row.split_at_mut(n);
    (i, f, g, &mut row[..n])
}

/// One row of [`Activate`]. As arguments of a function, the parts of a row are known not to overlap, on which the compiler's
/// vectors depend.
#[inline(always)]
fn activate_row(
    i: &mut [f32],
    f: &mut [f32],
    g: &mut [f32],
    o: &mut [f32],
    before: &[f32],
    cells: &mut [f32],
    hidden: &mut [f32],
) {
    let n = i.len();
    let (f, g, o) = (&mut f[..n], &mut g[..n], &mut o[..n]);
    let (before, cells, hidden) = (&before[..n], &mut cells[..n], &mut hidden[..n]);
    for k in 0..n {
        let (i_k, f_k, g_k, o_k) = (sigmoid(i[k]), sigmoid(f[k]), tanh(g[k]), sigmoid(o[k]));
        let cell = f_k * before[k] + i_k * g_k;
        (i[k], f[k], g[k], o[k]) = (i_k, f_k, g_k, o_k);
        cells[k] = cell;
        hidden[k] = o_k * tanh(cell);
    }
}

/// One row of [`Differentiate`], a function for the same reason.
#[expect(clippy::too_many_arguments, reason = "four gates, two cells and two derivatives make one row")]
#[inline(always)]
fn differentiate_row(
    i: &mut [f32],
    f: &mut [f32],
    g: &mut [f32],
    o: &mut [f32],
    before: &[f32],
    cells: &[f32],
    d_hidden: &[f32],
    d_cells: &mut [f32],
) {
    let n = i.len();
    let (f, g, o) = (&mut f[..n], &mut g[..n], &mut o[..n]);
    let (before, cells, d_hidden, d_cells) = (&before[..n], &cells[..n], &d_hidden[..n], &mut d_cells[..n]);
    for k in 0..n {
        let (i_k, f_k, g_k, o_k) = (i[k], f[k], g[k], o[k]);
        let squashed = tanh(cells[k]);
        let d_cell = d_cells[k] + d_hidden[k] * o_k * (1.0 - squashed * squashed);
        i[k] = d_cell * g_k * i_k * (1.0 - i_k);
        f[k] = d_cell * before[k] * f_k * (1.0 - f_k);
        g[k] = d_cell * i_k * (1.0 - g_k * g_k);
        o[k] = d_hidden[k] * squashed * o_k * (1.0 - o_k);
        d_cells[k] = d_cell * f_k;
    }
}

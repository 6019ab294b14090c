//! The one-class support vector machine: the side of a surface on which most of the training windows lie.
//!
//! The solver stands here, since it is short, and since the kernel is then computed in single precision by matrix products,
//! in fitting as in scoring. `linfa-svm`, whose solutions are the same, takes `ndarray`'s types and one window at a time.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::sample::{check_n_steps, sample_windows};
use super::scoring::score_ends;
use super::training::check;
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, Scaled, agrees, array};
use crate::error::Result;
use crate::models::matrix::{Matrix, multiply};

/// How far the gradients of two weights may differ at the optimum, where the weights are at most 1.
const TOLERANCE: f64 = 1e-4;
/// Steps of the solver per window, of which a few are usual: an end for data on which rounding keeps it from the tolerance.
const MAX_STEPS_PER_WINDOW: usize = 1_000;
/// The curvature that is taken between two equal windows.
const LEAST_CURVATURE: f64 = 1e-12;
/// Windows whose kernel one task computes together.
const BLOCK: usize = 256;

/// The settings of the one-class support vector machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneClassSvmConfig {
    /// The window length in points, in `1..=10_000`.
    pub n_steps: usize,
    /// ν, in `(0, 1]`: at most this fraction of the fitted windows lies outside, at least this fraction are support vectors.
    pub nu: f64,
    /// The number of training windows that are fitted, in `1..=10_000`; memory grows with its square.
    pub n_windows: usize,
}

impl Default for OneClassSvmConfig {
    fn default() -> Self {
        Self { n_steps: 25, nu: 0.5, n_windows: 3_000 }
    }
}

impl OneClassSvmConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        check_n_steps(self.n_steps)?;
        check(self.nu > 0.0 && self.nu <= 1.0, "nu", "in (0, 1]", self.nu)?;
        check((1..=10_000).contains(&self.n_windows), "n_windows", "in 1..=10000", self.n_windows)
    }
}

/// A one-class support vector machine with the kernel `k(a, b) = exp(-γ |a - b|²)`.
///
/// The score of a point is `ρ - Σ α_i k(x_i, x)` of its window `x`, in `[-1, 1]`: above 0 outside of the surface, higher is
/// more anomalous, and ρ for whatever is far from every training window. The weights solve the dual problem, the least
/// `Σ α_i α_j k(x_i, x_j) / 2` with `0 <= α_i <= 1 / (ν n)` and `Σ α_i = 1`. γ is 1 over the number of values of a window and
/// their variance over the fitted windows, scikit-learn's `scale`; 1 where they are all the same.
///
/// Source: Schölkopf et al., *Estimating the Support of a High-Dimensional Distribution*, 2001; solved by
/// sequential minimal optimisation with the choice of the pair of Fan, Chen and Lin, *Working Set Selection Using Second
/// Order Information*, 2005. scikit-learn's decision function is `-ν n` times this score, and its ν is .5 as here. Deviation: a
/// sample of the training windows is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct OneClassSvm {
    config: OneClassSvmConfig,
    n_dims: usize,
    n_vectors: usize,
    gamma: f64,
    rho: f64,
    /// The windows with a weight above 0, shape `[n_vectors, n_dims]`.
    #[serde(skip)]
    vectors: Vec<f32>,
    /// Their weights α.
    #[serde(skip)]
    weights: Vec<f32>,
}

impl OneClassSvm {
    /// Fits a sample of the training windows.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) and [`Error::Empty`](crate::Error::Empty).
    pub(crate) fn fit(corpus: &Corpus, config: &OneClassSvmConfig, seed: u64) -> Result<Self> {
        config.validate()?;
        let windows = sample_windows(corpus, config.n_steps, config.n_windows, seed)?;
        Ok(Self::of_windows(&windows, config.n_steps * corpus.n_channels(), config.clone()))
    }

    fn of_windows(windows: &[f32], n_dims: usize, config: OneClassSvmConfig) -> Self {
        let n = windows.len() / n_dims;
        let gamma = scale(windows, n_dims);
        let kernel = kernel_of_all(windows, n_dims, gamma);
        let total = config.nu * n as f64;
        let Solution { weights, rho } = solve(&kernel, n, total);
        let (mut vectors, mut kept) = (Vec::new(), Vec::new());
        for (window, weight) in windows.chunks_exact(n_dims).zip(weights) {
            if weight > 0.0 {
                vectors.extend_from_slice(window);
                kept.push((weight / total) as f32);
            }
        }
        Self { config, n_dims, n_vectors: kept.len(), gamma, rho: rho / total, vectors, weights: kept }
    }

    fn score_windows(&self, kernel: &Kernel, windows: &[f32]) -> Vec<f64> {
        let mut similarities = vec![0.0; windows.len() / self.n_dims * self.n_vectors];
        kernel.of(windows, &mut similarities);
        let weighted = |similarities: &[f32]| -> f64 {
            similarities.iter().zip(&self.weights).map(|(k, weight)| f64::from(k * weight)).sum()
        };
        similarities.chunks_exact(self.n_vectors).map(|similarities| self.rho - weighted(similarities)).collect()
    }

    /// Takes the arrays that were stored beside its record, which must be what fitting makes.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the record is something else, [`Error::Tensor`](crate::Error::Tensor) where an array does
    /// not fit it.
    pub(super) fn restore(&mut self, config: &OneClassSvmConfig, n_channels: usize, arrays: &Arrays) -> Result<()> {
        let is_of = self.config == *config && self.n_dims == config.n_steps * n_channels;
        agrees(is_of, "the settings of its method and windows of its channels")?;
        agrees((1..=config.n_windows).contains(&self.n_vectors), "as many vectors as its settings allow")?;
        agrees(self.gamma > 0.0, "a γ above 0")?;
        self.vectors = array(arrays, "vectors", self.n_vectors * self.n_dims)?;
        self.weights = array(arrays, "weights", self.n_vectors)?;
        Ok(())
    }
}

impl WindowDetector for OneClassSvm {
    /// The number of points that one score depends on.
    fn context(&self) -> usize {
        self.config.n_steps
    }

    /// The score of each point; higher is more anomalous.
    ///
    /// # Panics
    /// If the series has other channels than the training series.
    fn score(&self, series: &Scaled) -> Vec<f64> {
        let kernel = Kernel::new(&self.vectors, self.n_dims, self.gamma);
        score_ends(series, self.config.n_steps, |windows| self.score_windows(&kernel, windows))
    }

    /// The arrays that are saved beside its record.
    fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        vec![("vectors", &self.vectors), ("weights", &self.weights)]
    }
}

/// γ: 1 over the number of values of a window and their variance, 1 where that is 0.
fn scale(windows: &[f32], n_dims: usize) -> f64 {
    let n = windows.len() as f64;
    let mean = windows.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
    let variance = windows.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n;
    if variance > 0.0 { 1.0 / (n_dims as f64 * variance) } else { 1.0 }
}

/// `exp(-γ |a - b|²)` of any windows with fixed ones.
#[derive(Clone, Debug)]
struct Kernel {
    n_dims: usize,
    centre: Vec<f32>,
    /// The fixed windows after centring and multiplication by `sqrt(2 γ)`, shape `[n, n_dims]`.
    windows: Vec<f32>,
    factor: f32,
    /// `-|b|² / 2` of each of these.
    halves: Vec<f32>,
}

impl Kernel {
    fn new(windows: &[f32], n_dims: usize, gamma: f64) -> Self {
        let n = windows.len() / n_dims;
        let mean =
            |dim| windows.iter().skip(dim).step_by(n_dims).map(|value| f64::from(*value)).sum::<f64>() / n as f64;
        let centre = (0..n_dims).map(|dim| mean(dim) as f32).collect();
        let empty = Self { n_dims, centre, windows: vec![], factor: (2.0 * gamma).sqrt() as f32, halves: vec![] };
        let (windows, halves) = empty.scaled(windows);
        Self { windows, halves, ..empty }
    }

    /// Windows in the units of the kernel, in which it is `exp(a·b - |a|²/2 - |b|²/2)`, and `-|a|² / 2` of each.
    fn scaled(&self, windows: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let scaled: Vec<f32> = windows
            .chunks_exact(self.n_dims)
            .flat_map(|window| window.iter().zip(&self.centre).map(|(value, centre)| self.factor * (value - centre)))
            .collect();
        let square = |window: &[f32]| window.iter().map(|value| value * value).sum::<f32>();
        let halves = scaled.chunks_exact(self.n_dims).map(|window| -0.5 * square(window)).collect();
        (scaled, halves)
    }

    /// Writes the kernel of `windows`, shape `[m, n_dims]`, with the fixed ones to `out`, `[m, n]`.
    fn of(&self, windows: &[f32], out: &mut [f32]) {
        let (windows, halves) = self.scaled(windows);
        let (m, n) = (halves.len(), self.halves.len());
        let fixed = Matrix::new(&self.windows, n, self.n_dims);
        multiply(out, Matrix::new(&windows, m, self.n_dims), fixed.transposed());
        for (row, a) in out.chunks_exact_mut(n).zip(halves) {
            for (value, b) in row.iter_mut().zip(&self.halves) {
                *value = (*value + a + b).min(0.0).exp();
            }
        }
    }
}

/// The kernel between all windows, shape `[n, n]`, symmetric to the bit, with ones on its diagonal.
fn kernel_of_all(windows: &[f32], n_dims: usize, gamma: f64) -> Vec<f32> {
    let n = windows.len() / n_dims;
    let kernel = Kernel::new(windows, n_dims, gamma);
    let mut all = vec![0.0; n * n];
    all.par_chunks_mut(BLOCK * n)
        .zip(windows.par_chunks(BLOCK * n_dims))
        .for_each(|(rows, windows)| kernel.of(windows, rows));
    for row in 0..n {
        for column in 0..row {
            all[column * n + row] = all[row * n + column];
        }
        all[row * n + row] = 1.0;
    }
    all
}

/// The solution of the dual problem with weights `β = ν n α`.
#[derive(Debug)]
struct Solution {
    weights: Vec<f64>,
    rho: f64,
}

/// The least `βᵀ K β / 2` with `0 <= β_i <= 1` and `Σ β_i = total`, for a kernel of `n` windows.
///
/// Each step moves weight between two windows: to the one with the least gradient `K β` that may have more, from the one
/// that may have less and promises the largest gain to second order. It ends where no two such gradients differ by more than
/// the tolerance.
fn solve(kernel: &[f32], n: usize, total: f64) -> Solution {
    let row = |at: usize| &kernel[at * n..(at + 1) * n];
    // The first windows have all the weight.
    let mut left = total;
    let mut weights: Vec<f64> = (0..n)
        .map(|_| {
            let weight = left.clamp(0.0, 1.0);
            left -= weight;
            weight
        })
        .collect();
    let mut gradients = vec![0.0; n];
    for (at, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        add(&mut gradients, *weight, row(at));
    }
    for _ in 0..n.saturating_mul(MAX_STEPS_PER_WINDOW) {
        let may_rise = (0..n).filter(|at| weights[*at] < 1.0);
        let Some(to) = may_rise.min_by(|a, b| gradients[*a].total_cmp(&gradients[*b])) else { break };
        let similarities = row(to);
        let (mut most, mut best) = (0.0, None);
        let mut largest_gain = 0.0;
        for from in 0..n {
            let difference = gradients[from] - gradients[to];
            if weights[from] <= 0.0 || difference <= 0.0 {
                continue;
            }
            most = difference.max(most);
            let gain = difference * difference / curvature(similarities[from]);
            if gain > largest_gain {
                (largest_gain, best) = (gain, Some((from, difference)));
            }
        }
        let Some((from, difference)) = best.filter(|_| most > TOLERANCE) else { break };
        let wanted = difference / curvature(similarities[from]);
        let moved = wanted.min(1.0 - weights[to]).min(weights[from]);
        // At a bound a weight is exactly 0 or 1.
        weights[to] = if moved < 1.0 - weights[to] { weights[to] + moved } else { 1.0 };
        weights[from] = if moved < weights[from] { weights[from] - moved } else { 0.0 };
        add(&mut gradients, moved, similarities);
        add(&mut gradients, -moved, row(from));
    }
    let rho = offset(&weights, &gradients);
    Solution { weights, rho }
}

/// The second derivative along a move of weight between two windows.
fn curvature(similarity: f32) -> f64 {
    (2.0 - 2.0 * f64::from(similarity)).max(LEAST_CURVATURE)
}

fn add(gradients: &mut [f64], factor: f64, similarities: &[f32]) {
    for (gradient, similarity) in gradients.iter_mut().zip(similarities) {
        *gradient += factor * f64::from(*similarity);
    }
}

/// ρ: the gradient of the windows on the surface, whose weights are between the bounds; where there are none, the middle of
/// what the others allow.
fn offset(weights: &[f64], gradients: &[f64]) -> f64 {
    let with = |is_meant: fn(f64) -> bool| {
        weights.iter().zip(gradients).filter(move |(weight, _)| is_meant(**weight)).map(|(_, gradient)| *gradient)
    };
    let on_surface: Vec<f64> = with(|weight| weight > 0.0 && weight < 1.0).collect();
    if !on_surface.is_empty() {
        return on_surface.iter().sum::<f64>() / on_surface.len() as f64;
    }
    let outside = with(|weight| weight >= 1.0).reduce(f64::max);
    let inside = with(|weight| weight <= 0.0).reduce(f64::min);
    match (outside, inside) {
        (Some(outside), Some(inside)) => f64::midpoint(outside, inside),
        (one, other) => one.or(other).unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fit(windows: &[f32], nu: f64) -> OneClassSvm {
        OneClassSvm::of_windows(windows, 1, OneClassSvmConfig { n_steps: 1, nu, ..Default::default() })
    }

    fn scores(machine: &OneClassSvm, queries: &[f32]) -> Vec<f64> {
        machine.score(&Scaled { values: queries.to_vec(), n_channels: 1 })
    }

    fn assert_near(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6), "{got:?}, not {want:?}");
    }

    #[test]
    fn of_two_windows_each_has_half_the_weight() {
        // Variance 1, so γ = 1, and k(-1, 1) = exp(-4): ρ = (1 + exp(-4)) / 2.
        let rho = (1.0 + (-4.0_f64).exp()) / 2.0;
        for nu in [0.6, 0.8, 1.0] {
            let machine = fit(&[-1.0, 1.0], nu);
            let want = [0.0, 0.0, rho - (-1.0_f64).exp(), rho];
            assert_near(&scores(&machine, &[-1.0, 1.0, 0.0, 1e6]), &want);
        }
    }

    #[test]
    fn equal_windows_are_on_the_surface() {
        // γ = 1.
        for n in [1, 2, 50] {
            assert_near(&scores(&fit(&vec![3.0; n], 0.3), &[3.0, 4.0]), &[0.0, 1.0 - (-1.0_f64).exp()]);
        }
    }

    #[test]
    fn a_kernel_of_all_windows_is_symmetric_and_that_of_its_definition() {
        let windows: Vec<f32> = (0..600_i16).map(|k| f32::from(k).sin() + 50.0).collect();
        let n = windows.len() / 2;
        let kernel = kernel_of_all(&windows, 2, 0.7);
        for row in 0..n {
            for column in 0..n {
                let square = |dim| f64::from(windows[row * 2 + dim] - windows[column * 2 + dim]).powi(2);
                let want = (-0.7 * (square(0) + square(1))).exp();
                let got = kernel[row * n + column];
                assert!((f64::from(got) - want).abs() < 1e-5, "{row} {column}: {got}, not {want}");
                assert_eq!(got.to_bits(), kernel[column * n + row].to_bits());
            }
        }
    }

    proptest! {
        #[test]
        fn a_solution_is_optimal_and_nu_bounds_the_windows_outside(
            windows in prop::collection::vec(-3.0_f32..3.0, 2..60),
            nu in 0.01_f64..=1.0,
        ) {
            let n = windows.len();
            let kernel = kernel_of_all(&windows, 1, scale(&windows, 1));
            let total = nu * n as f64;
            let Solution { weights, rho } = solve(&kernel, n, total);
            prop_assert!((weights.iter().sum::<f64>() - total).abs() < 1e-9);
            prop_assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            // The conditions of Karush, Kuhn and Tucker.
            for (at, weight) in weights.iter().enumerate() {
                let gradient: f64 = (0..n).map(|other| weights[other] * f64::from(kernel[at * n + other])).sum();
                prop_assert!(*weight >= 1.0 || gradient >= rho - 2.0 * TOLERANCE, "{} has more to gain", at);
                prop_assert!(*weight <= 0.0 || gradient <= rho + 2.0 * TOLERANCE, "{} has too much", at);
            }
            let at_bound = weights.iter().filter(|weight| **weight >= 1.0).count();
            let with_weight = weights.iter().filter(|weight| **weight > 0.0).count();
            prop_assert!(at_bound as f64 <= total + 1e-9 && with_weight as f64 >= total - 1e-9);
        }
    }
}

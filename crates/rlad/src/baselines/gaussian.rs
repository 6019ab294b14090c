//! The normal distribution of several variables.

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// A normal distribution of `d` variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gaussian {
    pub(crate) mean: Vec<f64>,
    /// `Σ⁻¹`, `[d, d]`.
    pub(crate) inverse: Vec<f64>,
    /// `ln det(2π Σ)`
    pub(crate) log_determinant: f64,
}

impl Gaussian {
    /// That of a mean, `[d]`, and a covariance `Σ`, `[d, d]`, to whose diagonal `jitter` is added. None where that is not
    /// positive definite, or something is not finite.
    pub(crate) fn new(mean: Vec<f64>, covariance: &[f64], jitter: f64) -> Option<Self> {
        let n = mean.len();
        let mut covariance = DMatrix::from_row_slice(n, n, covariance);
        covariance.as_mut_slice().iter_mut().step_by(n + 1).for_each(|variance| *variance += jitter);
        let cholesky = covariance.cholesky()?;
        let log_determinant = n as f64 * std::f64::consts::TAU.ln() + cholesky.ln_determinant();
        let inverse = cholesky.inverse().as_slice().to_vec();
        let finite = log_determinant.is_finite() && inverse.iter().chain(&mean).all(|value| value.is_finite());
        finite.then_some(Self { mean, inverse, log_determinant })
    }

    /// Whether it is one of so many variables.
    pub(crate) fn fits(&self, n_variables: usize) -> bool {
        self.mean.len() == n_variables && self.inverse.len() == n_variables * n_variables
    }

    /// `−ln N(x)`
    pub(crate) fn surprise(&self, x: &[f64]) -> f64 {
        let n = self.mean.len();
        let mut distance = 0.0;
        for ((row, x_row), mean_row) in self.inverse.chunks_exact(n).zip(x).zip(&self.mean) {
            let product: f64 = row.iter().zip(x.iter().zip(&self.mean)).map(|(a, (x, mean))| a * (x - mean)).sum();
            distance += (x_row - mean_row) * product;
        }
        0.5 * (self.log_determinant + distance)
    }
}

/// The sums from which a [`Gaussian`] is fitted.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    n_rows: f64,
    sums: Vec<f64>,
    /// `[d, d]`
    products: Vec<f64>,
}

impl Sums {
    /// Those of no rows of `d` values.
    pub(crate) fn new(d: usize) -> Self {
        Self { n_rows: 0.0, sums: vec![0.0; d], products: vec![0.0; d * d] }
    }

    /// Takes in one row.
    pub(crate) fn add(&mut self, row: &[f64]) {
        self.n_rows += 1.0;
        for ((sum, products), x) in self.sums.iter_mut().zip(self.products.chunks_exact_mut(row.len())).zip(row) {
            *sum += x;
            products.iter_mut().zip(row).for_each(|(product, y)| *product += x * y);
        }
    }

    /// The distribution of the rows' mean and covariance, the latter with `n − 1` in its denominator; see [`Gaussian::new`].
    pub(crate) fn fit(&self, jitter: f64) -> Option<Gaussian> {
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / self.n_rows).collect();
        let pairs = self.sums.iter().flat_map(|sum| mean.iter().map(move |mean| sum * mean));
        let freedom = (self.n_rows - 1.0).max(1.0);
        let covariance: Vec<f64> =
            self.products.iter().zip(pairs).map(|(product, pair)| (product - pair) / freedom).collect();
        Gaussian::new(mean, &covariance, jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_variable_it_is_the_normal_distribution() {
        let mut sums = Sums::new(1);
        [1.0, 2.0, 3.0].iter().for_each(|&x| sums.add(&[x]));
        // Mean 2, variance 1.
        let gaussian = sums.fit(0.0).unwrap();
        let want = 0.5 * std::f64::consts::TAU.ln();
        assert!((gaussian.surprise(&[2.0]) - want).abs() < 1e-15);
        assert!((gaussian.surprise(&[5.0]) - want - 4.5).abs() < 1e-12);
    }

    #[test]
    fn variables_that_are_always_the_same_need_jitter() {
        let mut sums = Sums::new(2);
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]].iter().for_each(|row| sums.add(row));
        assert_eq!(sums.fit(0.0), None);
        assert!(sums.fit(1e-6).unwrap().surprise(&[0.0, 1.0]) > 1e5, "off the line is surprising");
        assert_eq!(Gaussian::new(vec![f64::NAN], &[1.0], 0.0), None);
    }
}

//! A Gaussian mixture from soft memberships: the energy of samples, and how it depends on samples and memberships.

use serde::{Deserialize, Serialize};

use crate::baselines::gaussian::Gaussian;

/// The form of the energy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct EnergyForm {
    /// The addition to the covariances' diagonals.
    pub(super) jitter: f64,
    /// The addition to the density before its logarithm is taken.
    pub(super) floor: f64,
    /// Whether the density is divided by `det(2π Σ)^¼` in place of the root of the determinant.
    pub(super) compat_determinant: bool,
}

/// Samples with their memberships, of which a mixture is made.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// z, `[n, d]`.
    pub(super) z: Vec<f64>,
    /// γ, `[n, K]`; each row sums to 1.
    pub(super) memberships: Vec<f64>,
    /// K
    pub(super) n_components: usize,
}

impl Samples {
    const fn n(&self) -> usize {
        self.memberships.len() / self.n_components
    }

    const fn d(&self) -> usize {
        self.z.len() / self.n()
    }

    /// The samples' z, each with its membership of one component.
    fn of(&self, component: usize) -> impl Iterator<Item = (&[f64], f64)> {
        let memberships = self.memberships[component..].iter().step_by(self.n_components);
        self.z.chunks_exact(self.d()).zip(memberships.copied())
    }
}

/// A mixture of `K` Gaussians of `d` variables.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Mixture {
    form: EnergyForm,
    /// φ: the weight of each component.
    weights: Vec<f64>,
    components: Vec<Gaussian>,
    /// Σ of each component, `[d, d]`, without jitter.
    covariances: Vec<Vec<f64>>,
}

impl Mixture {
    /// Whether it has so many components of so many variables.
    pub(super) fn fits(&self, n_components: usize, n_variables: usize) -> bool {
        let n_squares = n_variables * n_variables;
        let lens = [self.weights.len(), self.components.len(), self.covariances.len()];
        lens == [n_components; 3]
            && self.components.iter().all(|component| component.fits(n_variables))
            && self.covariances.iter().all(|covariance| covariance.len() == n_squares)
    }

    /// `φ_k = Σ_n γ_nk / n`, `μ_k = Σ_n γ_nk z_n / Σ_n γ_nk`, `Σ_k = Σ_n γ_nk (z_n − μ_k)(z_n − μ_k)ᵀ / Σ_n γ_nk`. None where a
    /// covariance is singular in spite of the jitter, or something is not finite.
    ///
    /// Source: Zong et al., *Deep Autoencoding Gaussian Mixture Model*, 2018, equation 5.
    pub(super) fn fit(samples: &Samples, form: EnergyForm) -> Option<Self> {
        let d = samples.d();
        let mut mixture = Self { form, weights: Vec::new(), components: Vec::new(), covariances: Vec::new() };
        let mut centred = vec![0.0; d];
        for k in 0..samples.n_components {
            let weight: f64 = samples.of(k).map(|(_, membership)| membership).sum();
            let mut mean = vec![0.0; d];
            for (z, membership) in samples.of(k) {
                mean.iter_mut().zip(z).for_each(|(mean, z)| *mean += membership * z / weight);
            }
            let mut covariance = vec![0.0; d * d];
            for (z, membership) in samples.of(k) {
                subtract(z, &mean, &mut centred);
                add_square(&mut covariance, membership / weight, &centred);
            }
            mixture.weights.push(weight / samples.n() as f64);
            mixture.components.push(Gaussian::new(mean, &covariance, form.jitter)?);
            mixture.covariances.push(covariance);
        }
        Some(mixture)
    }

    /// `Σ_k Σ_i 1 / (Σ_k)_ii`, which keeps the covariances from collapsing; jitter counts.
    ///
    /// Source: Zong et al. 2018, section 3.4.
    pub(super) fn penalty(&self) -> f64 {
        let variances = self.covariances.iter().zip(&self.components).flat_map(|(c, g)| diagonal(c, g.mean.len()));
        variances.map(|variance| 1.0 / (variance + self.form.jitter)).sum()
    }

    /// The energy of a sample, `E(z) = −ln(Σ_k φ_k exp(−½ (z − μ_k)ᵀ Σ_k⁻¹ (z − μ_k)) / √det(2π Σ_k) + floor)`. The summands of
    /// the components, as fractions of the logarithm's argument, go to `parts`.
    ///
    /// Source: Zong et al. 2018, equation 6. Deviation: the floor, which danieltan07/dagmm and `DeepADoTS` have.
    pub(super) fn energy(&self, z: &[f64], parts: &mut Vec<f64>) -> f64 {
        parts.clear();
        for (weight, gaussian) in self.weights.iter().zip(&self.components) {
            let excess = if self.form.compat_determinant { 0.25 * gaussian.log_determinant } else { 0.0 };
            parts.push(weight.ln() - gaussian.surprise(z) + excess);
        }
        let floor = self.form.floor.ln();
        let top = parts.iter().copied().fold(floor, f64::max);
        parts.iter_mut().for_each(|part| *part = (*part - top).exp());
        let sum = parts.iter().sum::<f64>() + (floor - top).exp();
        parts.iter_mut().for_each(|part| *part /= sum);
        -top - sum.ln()
    }

    /// The mean energy of the samples that the mixture was fitted on. Writes to `gradient` the derivatives of
    /// `energy_weight` times that and `penalty_weight` times the penalty by z and γ, of which φ, μ and Σ are functions.
    pub(super) fn backward(
        &self,
        samples: &Samples,
        energy_weight: f64,
        penalty_weight: f64,
        gradient: &mut Samples,
    ) -> f64 {
        let n = samples.n() as f64;
        let mut energy = 0.0;
        let mut parts = Vec::new();
        // By the logarithm of each component's summand, `[n, K]`.
        let mut d_parts = Vec::with_capacity(samples.memberships.len());
        for z in samples.z.chunks_exact(samples.d()) {
            energy += self.energy(z, &mut parts);
            d_parts.extend(parts.iter().map(|part| -energy_weight * part / n));
        }
        gradient.n_components = samples.n_components;
        for (values, len) in [(&mut gradient.z, samples.z.len()), (&mut gradient.memberships, d_parts.len())] {
            values.clear();
            values.resize(len, 0.0);
        }
        for k in 0..samples.n_components {
            self.backward_component(k, samples, &d_parts, penalty_weight, gradient);
        }
        energy / n
    }

    /// The part of one component in [`Self::backward`].
    fn backward_component(
        &self,
        k: usize,
        samples: &Samples,
        d_parts: &[f64],
        penalty_weight: f64,
        gradient: &mut Samples,
    ) {
        let (gaussian, covariance, d) = (&self.components[k], &self.covariances[k], samples.d());
        let n = samples.n() as f64;
        let weight = self.weights[k] * n;
        let d_parts = || d_parts[k..].iter().step_by(samples.n_components).copied();
        let (mut centred, mut product) = (vec![0.0; d], vec![0.0; d]);

        // Those by φ, μ and Σ, and those by z where it stands in the exponent.
        let d_sum: f64 = d_parts().sum();
        let power = if self.form.compat_determinant { 0.25 } else { 0.5 };
        let mut d_mean = vec![0.0; d];
        let mut d_covariance: Vec<f64> = gaussian.inverse.iter().map(|a| -power * d_sum * a).collect();
        for (d_variance, variance) in d_covariance.iter_mut().step_by(d + 1).zip(diagonal(covariance, d)) {
            *d_variance -= penalty_weight / (variance + self.form.jitter).powi(2);
        }
        for ((z, d_z), d_part) in samples.z.chunks_exact(d).zip(gradient.z.chunks_exact_mut(d)).zip(d_parts()) {
            subtract(z, &gaussian.mean, &mut centred);
            apply(&gaussian.inverse, &centred, &mut product);
            add_square(&mut d_covariance, 0.5 * d_part, &product);
            for (product, (d_mean, d_z)) in product.iter().zip(d_mean.iter_mut().zip(d_z)) {
                *d_mean += d_part * product;
                *d_z -= d_part * product;
            }
        }

        // From there to z and γ. Σ does not depend on z through μ, from which the weighted deviations sum to 0.
        let trace: f64 = d_covariance.iter().zip(covariance).map(|(a, b)| a * b).sum();
        let d_memberships = gradient.memberships[k..].iter_mut().step_by(samples.n_components);
        for (((z, membership), d_z), d_membership) in
            samples.of(k).zip(gradient.z.chunks_exact_mut(d)).zip(d_memberships)
        {
            subtract(z, &gaussian.mean, &mut centred);
            apply(&d_covariance, &centred, &mut product);
            let (by_mean, by_covariance) = (dot(&d_mean, &centred), dot(&product, &centred) - trace);
            *d_membership = d_sum / weight + (by_mean + by_covariance) / weight;
            for (d_z, (d_mean, product)) in d_z.iter_mut().zip(d_mean.iter().zip(&product)) {
                *d_z += membership / weight * (d_mean + 2.0 * product);
            }
        }
    }
}

fn diagonal(matrix: &[f64], d: usize) -> impl Iterator<Item = f64> {
    matrix.iter().step_by(d + 1).copied()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Writes `a − b`.
fn subtract(a: &[f64], b: &[f64], difference: &mut [f64]) {
    difference.iter_mut().zip(a.iter().zip(b)).for_each(|(difference, (a, b))| *difference = a - b);
}

/// Writes the product of a matrix, `[d, d]`, and a vector.
fn apply(matrix: &[f64], vector: &[f64], product: &mut [f64]) {
    for (product, row) in product.iter_mut().zip(matrix.chunks_exact(vector.len())) {
        *product = dot(row, vector);
    }
}

/// Adds `factor` times the outer product of a vector with itself to a matrix, `[d, d]`.
fn add_square(matrix: &mut [f64], factor: f64, vector: &[f64]) {
    for (row, x) in matrix.chunks_exact_mut(vector.len()).zip(vector) {
        row.iter_mut().zip(vector).for_each(|(element, y)| *element += factor * x * y);
    }
}

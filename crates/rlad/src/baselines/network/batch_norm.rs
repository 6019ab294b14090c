//! Batch normalisation without weights of its own.

use crate::models::matrix::add;

/// The addition to a variance before its root is taken, as in Deep SAD.
const EPSILON: f32 = 1e-4;

/// The weight of a batch in the running statistics.
const SHARE: f32 = 0.1;

/// The statistics of one batch, and the buffers of its way back.
///
/// `ẑ = (z − mean) / √(variance + ε)` with the mean and the population variance of each unit over the batch, `ε = 1e-4`. The
/// running statistics move by a tenth towards those of the batch, the variance there with `n − 1` in its denominator, as in
/// PyTorch's `BatchNorm1d`; of a batch of one row it is 0.
///
/// Source: Ioffe and Szegedy, *Batch Normalization*, 2015, algorithm 1 with `γ = 1`, `β = 0`.
#[derive(Clone, Debug, Default)]
pub(super) struct BatchNorm {
    mean: Vec<f32>,
    /// `1 / √(variance + ε)`
    scale: Vec<f32>,
}

/// Brings sums, `[n_rows, n_units]`, to the running means and variances, `[2, n_units]`.
pub(super) fn apply(sums: &mut [f32], running: &[f32]) {
    let (mean, variance) = running.split_at(running.len() / 2);
    for row in sums.chunks_exact_mut(mean.len()) {
        for (sum, (mean, variance)) in row.iter_mut().zip(mean.iter().zip(variance)) {
            *sum = (*sum - mean) / (variance + EPSILON).sqrt();
        }
    }
}

impl BatchNorm {
    /// Normalises sums, `[n_rows, n_units]`, in place, and moves the running statistics, `[2, n_units]`.
    pub(super) fn forward(&mut self, sums: &mut [f32], running: &mut [f32]) {
        let (running_mean, running_variance) = running.split_at_mut(running.len() / 2);
        let n_units = running_mean.len();
        let n_rows = (sums.len() / n_units) as f32;
        self.mean.clear();
        self.mean.resize(n_units, 0.0);
        sums.chunks_exact(n_units).for_each(|row| add(&mut self.mean, row));
        self.mean.iter_mut().for_each(|mean| *mean /= n_rows);
        self.scale.clear();
        self.scale.resize(n_units, 0.0);
        for row in sums.chunks_exact_mut(n_units) {
            for ((sum, mean), squares) in row.iter_mut().zip(&self.mean).zip(&mut self.scale) {
                *sum -= mean;
                *squares += *sum * *sum;
            }
        }
        let unbiased = 1.0 / (n_rows - 1.0).max(1.0);
        let running = running_mean.iter_mut().zip(running_variance);
        for ((mean, scale), (running_mean, running_variance)) in self.mean.iter().zip(&mut self.scale).zip(running) {
            *running_mean += SHARE * (mean - *running_mean);
            *running_variance += SHARE * (*scale * unbiased - *running_variance);
            *scale = 1.0 / (*scale / n_rows + EPSILON).sqrt();
        }
        for row in sums.chunks_exact_mut(n_units) {
            row.iter_mut().zip(&self.scale).for_each(|(sum, scale)| *sum *= scale);
        }
    }

    /// Turns the derivatives by the normalised sums into those by the sums: `(d − mean(d) − ẑ mean(d ẑ)) / √(variance + ε)`.
    pub(super) fn backward(&self, normalised: &[f32], d: &mut [f32]) {
        let n_units = self.scale.len();
        let n_rows = (d.len() / n_units) as f32;
        let (mut means, mut products) = (vec![0.0; n_units], vec![0.0; n_units]);
        for (d, normalised) in d.chunks_exact(n_units).zip(normalised.chunks_exact(n_units)) {
            add(&mut means, d);
            for ((product, d), normalised) in products.iter_mut().zip(d).zip(normalised) {
                *product += d * normalised;
            }
        }
        for (d, normalised) in d.chunks_exact_mut(n_units).zip(normalised.chunks_exact(n_units)) {
            let sums = means.iter().zip(&products).zip(&self.scale);
            for ((d, normalised), ((mean, product), scale)) in d.iter_mut().zip(normalised).zip(sums) {
                *d = (*d - mean / n_rows - normalised * product / n_rows) * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_brought_to_mean_0_and_deviation_1_and_moves_the_running_statistics_by_a_tenth() {
        // Two units; the first is 1 and 3, the second constant.
        let (mut sums, mut running) = ([1.0, 5.0, 3.0, 5.0], [0.0, 0.0, 1.0, 1.0]);
        BatchNorm::default().forward(&mut sums, &mut running);
        let wants = [[-1.0 / 1.0001_f32.sqrt(), 0.0, 1.0 / 1.0001_f32.sqrt(), 0.0], [0.2, 0.5, 1.1, 0.9]];
        for (got, want) in sums.iter().chain(&running).zip(wants.as_flattened()) {
            assert!((got - want).abs() < 1e-6, "got {got}, want {want}");
        }
    }

    #[test]
    fn one_row_is_brought_to_0() {
        let (mut sums, mut running) = ([7.0], [0.0, 1.0]);
        BatchNorm::default().forward(&mut sums, &mut running);
        assert_eq!(sums[0].to_bits(), 0);
        assert!(running.iter().all(|value| value.is_finite()));
    }
}

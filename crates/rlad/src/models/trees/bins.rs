//! Features cut into bins, so that a split is searched among a few thresholds rather than all values.

use rayon::prelude::*;

/// The most bins of a feature.
pub(super) const MAX_BINS: usize = 128;

/// The bin of every value of some rows.
#[derive(Clone, Debug)]
pub(super) struct Bins {
    n_features: usize,
    /// Shape `[n_rows, n_features]`.
    of_rows: Vec<u8>,
    /// Of each feature the thresholds between its bins, rising: bin `b` holds the values above `thresholds[b - 1]` up to
    /// `thresholds[b]`.
    thresholds: Vec<Vec<f32>>,
}

impl Bins {
    /// Bins with about as many rows each; every value its own bin where there are at most [`MAX_BINS`] of them.
    ///
    /// `rows`: shape `[n, n_features]`. A NaN is in the lowest bin.
    pub(super) fn of(rows: &[f32], n_features: usize) -> Self {
        let thresholds: Vec<Vec<f32>> = (0..n_features)
            .into_par_iter()
            .map(|feature| {
                let mut values: Vec<f32> =
                    rows.iter().skip(feature).step_by(n_features).copied().filter(|value| !value.is_nan()).collect();
                values.sort_unstable_by(f32::total_cmp);
                between(&values)
            })
            .collect();
        let bin = |(value, thresholds): (&f32, &Vec<f32>)| {
            let bin = thresholds.partition_point(|threshold| value > threshold);
            u8::try_from(bin).expect("there are at most 256 bins")
        };
        let of_rows = rows.par_chunks_exact(n_features).flat_map_iter(|row| row.iter().zip(&thresholds).map(bin));
        let of_rows = of_rows.collect();
        Self { n_features, of_rows, thresholds }
    }

    /// The bins of a row, shape `[n_features]`.
    pub(super) fn row(&self, row: usize) -> &[u8] {
        &self.of_rows[row * self.n_features..(row + 1) * self.n_features]
    }

    /// The number of bins of a feature, at least 1.
    pub(super) fn n_bins(&self, feature: usize) -> usize {
        self.thresholds[feature].len() + 1
    }

    /// The threshold above a bin, which is not the highest of its feature.
    pub(super) fn threshold(&self, feature: usize, bin: u8) -> f32 {
        self.thresholds[feature][usize::from(bin)]
    }
}

/// Thresholds halfway between neighbouring values, such that the parts hold about as many of the sorted `values` each.
fn between(values: &[f32]) -> Vec<f32> {
    let groups: Vec<&[f32]> = values.chunk_by(|a, b| a >= b).collect();
    let mut thresholds = Vec::new();
    let (mut in_bin, mut before) = (0, 0);
    for pair in groups.windows(2) {
        in_bin += pair[0].len();
        let is_full = groups.len() <= MAX_BINS || in_bin * (MAX_BINS - thresholds.len()) >= values.len() - before;
        if is_full && thresholds.len() + 1 < MAX_BINS {
            before += in_bin;
            in_bin = 0;
            let (below, above) = (pair[0][0], pair[1][0]);
            let middle = below.midpoint(above);
            // The middle of two neighbouring floats may be the upper one.
            thresholds.push(if middle < above { middle } else { below });
        }
    }
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_values_have_a_bin_each() {
        let bins = Bins::of(&[3.0, 1.0, f32::NAN, 2.0, 1.0, 3.0], 1);
        assert_eq!(bins.thresholds, [[1.5, 2.5]]);
        let rows: Vec<u8> = (0..6).map(|row| bins.row(row)[0]).collect();
        assert_eq!(rows, [2, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn many_values_share_bins_evenly() {
        let values: Vec<f32> = (0..10_000_u16).map(f32::from).collect();
        let bins = Bins::of(&values, 1);
        assert_eq!(bins.n_bins(0), MAX_BINS);
        let mut counts = [0; MAX_BINS];
        (0..values.len()).for_each(|row| counts[usize::from(bins.row(row)[0])] += 1);
        assert!(counts.iter().all(|count| (70..=90).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_value_that_half_of_the_rows_have_leaves_bins_for_the_others() {
        let values: Vec<f32> = (0..2_000_u16).map(|i| if i < 1_000 { 0.0 } else { f32::from(i) }).collect();
        assert!(Bins::of(&values, 1).n_bins(0) > MAX_BINS / 2);
    }

    #[test]
    fn a_threshold_parts_neighbouring_floats() {
        let (below, above) = (1.0_f32, 1.0_f32.next_up());
        let bins = Bins::of(&[above, below], 1);
        assert_eq!([bins.row(0)[0], bins.row(1)[0]], [1, 0]);
        assert!(below <= bins.threshold(0, 0) && bins.threshold(0, 0) < above);
    }
}

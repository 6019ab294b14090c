//! Static covariates: what is usual in a series, in numbers that are the same at all of its points.
//!
//! Which points experts call anomalous differs between series: one is noisy and nobody minds, in another the same jump
//! matters. The mean and the deviation of each feature over the training part tell series apart without a label, and tell
//! which series are alike. For a series that was never trained on they are learned as its points come.

use serde::{Deserialize, Serialize};

/// The points of the average series that stand before the first point of one that was not trained on.
const PRIOR_POINTS: f64 = 1_000.0;

/// The number of static covariates of a series with `n_features` numbers a step.
pub(crate) const fn n_statistics(n_features: usize) -> usize {
    2 * n_features
}

/// The static covariates of a series: fitted, or those so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SeriesStatistics {
    /// The mean of each feature, then the deviation of each feature; shape `[2 n_features]`.
    Fitted(Vec<f32>),
    /// Sums that grow point by point.
    Running(Moments),
}

/// Sums over the points of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    n: f64,
    /// Of each feature, the mean and the sum of squared distances from it.
    of_features: Box<[(f64, f64)]>,
}

/// The static covariates of all series that were trained on, and their average.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StatisticsBySeries {
    /// The series' names, rising.
    names: Vec<String>,
    /// Shape `[names, 2 n_features]`.
    values: Vec<f32>,
    /// Shape `[2 n_features]`.
    average: Vec<f32>,
}

impl Moments {
    fn new(n_features: usize) -> Self {
        Self { n: 0.0, of_features: vec![(0.0, 0.0); n_features].into_boxed_slice() }
    }

    /// Welford's update.
    fn push(&mut self, row: &[f32]) {
        self.n += 1.0;
        for ((mean, squares), &value) in self.of_features.iter_mut().zip(row) {
            let distance = f64::from(value) - *mean;
            *mean += distance / self.n;
            *squares += distance * (f64::from(value) - *mean);
        }
    }

    /// Appends the means, then the deviations.
    fn append_to(&self, out: &mut Vec<f32>) {
        out.extend(self.of_features.iter().map(|(mean, _)| *mean as f32));
        out.extend(self.of_features.iter().map(|(_, squares)| (squares / self.n.max(1.0)).sqrt() as f32));
    }
}

impl SeriesStatistics {
    /// Those of the rows of a series, shape `[n, n_features]`; 0 without rows.
    pub(crate) fn fit(rows: &[f32], n_features: usize) -> Self {
        let mut moments = Moments::new(n_features);
        rows.chunks_exact(n_features).for_each(|row| moments.push(row));
        let mut values = Vec::with_capacity(n_statistics(n_features));
        moments.append_to(&mut values);
        Self::Fitted(values)
    }

    /// Takes in the features of the next point where they are not fitted.
    pub(crate) fn take_in(&mut self, row: &[f32]) {
        if let Self::Running(moments) = self {
            moments.push(row);
        }
    }

    /// Appends the covariates: of a fitted series, or those so far of another.
    pub(crate) fn push(&self, out: &mut Vec<f32>) {
        match self {
            Self::Fitted(values) => out.extend_from_slice(values),
            Self::Running(moments) => moments.append_to(out),
        }
    }

    /// Whether they are the same at all points.
    pub(crate) const fn is_fitted(&self) -> bool {
        matches!(self, Self::Fitted(_))
    }

    /// Those of a fitted series; nothing of another.
    fn fitted(&self) -> &[f32] {
        match self {
            Self::Fitted(values) => values,
            Self::Running(_) => &[],
        }
    }
}

impl StatisticsBySeries {
    /// The statistics of series by name. The average is over series, each counted once.
    pub(crate) fn new<'a>(series: impl IntoIterator<Item = (&'a str, &'a SeriesStatistics)>) -> Self {
        let mut series: Vec<(&str, &SeriesStatistics)> = series.into_iter().collect();
        series.sort_by_key(|one| one.0);
        let n_values = series.first().map_or(0, |one| one.1.fitted().len());
        let average = |i: usize| {
            let sum: f64 = series.iter().map(|one| f64::from(one.1.fitted()[i])).sum();
            (sum / series.len() as f64) as f32
        };
        Self {
            average: (0..n_values).map(average).collect(),
            names: series.iter().map(|one| one.0.to_owned()).collect(),
            values: series.iter().flat_map(|one| one.1.fitted().iter().copied()).collect(),
        }
    }

    /// Those of a series: fitted where it was trained on, else the average's before its first point.
    pub(crate) fn of(&self, name: &str) -> SeriesStatistics {
        let n_values = self.average.len();
        if let Ok(at) = self.names.binary_search_by(|known| known.as_str().cmp(name)) {
            return SeriesStatistics::Fitted(self.values[at * n_values..(at + 1) * n_values].to_vec());
        }
        let (means, deviations) = self.average.split_at(n_values / 2);
        let of_feature =
            |(mean, deviation): (&f32, &f32)| (f64::from(*mean), f64::from(*deviation).powi(2) * PRIOR_POINTS);
        SeriesStatistics::Running(Moments {
            n: PRIOR_POINTS,
            of_features: means.iter().zip(deviations).map(of_feature).collect(),
        })
    }

    /// Whether they are of states with `n_features` numbers a step.
    pub(crate) fn fits(&self, n_features: usize) -> bool {
        let n_values = n_statistics(n_features);
        self.average.len() == n_values && self.values.len() == self.names.len() * n_values && self.names.is_sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(statistics: &SeriesStatistics) -> Vec<f32> {
        let mut out = Vec::new();
        statistics.push(&mut out);
        out
    }

    #[test]
    fn mean_and_deviation_by_hand() {
        let statistics = SeriesStatistics::fit(&[1.0, 5.0, 3.0, 5.0, 5.0, 5.0], 2);
        let expected = [3.0, 5.0, (8.0_f32 / 3.0).sqrt(), 0.0];
        assert!(
            values(&statistics).iter().zip(expected).all(|(got, want)| (got - want).abs() < 1e-6),
            "{statistics:?}"
        );
    }

    #[test]
    fn a_known_series_keeps_its_own_and_another_goes_from_the_average_to_its_own() {
        let (a, b) = (SeriesStatistics::fit(&[1.0, 3.0], 1), SeriesStatistics::fit(&[5.0, 5.0], 1));
        let known = StatisticsBySeries::new([("b", &b), ("a", &a)]);
        assert!(known.fits(1) && !known.fits(2));
        assert_eq!(known.of("a"), a);
        let mut of_b = known.of("b");
        of_b.take_in(&[100.0]);
        assert_eq!(values(&of_b), [5.0, 0.0]);
        let mut unseen = known.of("c");
        assert_eq!(values(&unseen), [3.5, 0.5]);
        (0..100_000).for_each(|_| unseen.take_in(&[7.0]));
        let [mean, deviation] = values(&unseen)[..] else { panic!("a mean and a deviation") };
        assert!((mean - 7.0).abs() < 0.05 && deviation < 0.4, "{mean} {deviation}");
    }
}

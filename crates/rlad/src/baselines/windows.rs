//! Standardised values and the windows of them: what the baselines that compare windows see.
//!
//! Every channel is brought to mean 0 and deviation 1 over the training points of its series. A missing value is the last
//! one before it, 0 where there is none.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::data::series::Series;
use crate::error::{Error, Result};

/// The arrays of a fitted baseline by name, as they are stored beside its record.
pub(crate) type Arrays = BTreeMap<String, Vec<f32>>;

/// The array of a name, if it has the right length and every value is finite.
///
/// # Errors
/// [`Error::Tensor`] where it is not so.
pub(crate) fn array(arrays: &Arrays, name: &str, len: usize) -> Result<Vec<f32>> {
    let expected = format!("{len} finite values");
    let array = arrays.get(name).ok_or_else(|| Error::tensor(name, &expected, "none"))?;
    if array.len() != len {
        return Err(Error::tensor(name, expected, array.len().to_string()));
    }
    match array.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(Error::tensor(name, expected, value.to_string())),
        None => Ok(array.clone()),
    }
}

/// Refuses a record of a baseline in which something is not as fitting would have made it.
///
/// `expected`: the part with its article: "the layers of its settings".
///
/// # Errors
/// [`Error::Shape`] where it does not agree.
pub(crate) fn agrees(agrees: bool, expected: &str) -> Result<()> {
    if agrees { Ok(()) } else { Err(Error::shape("the record of a baseline", expected, "something else")) }
}

/// The mean and the deviation of each channel of one series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standard {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standard {
    /// Whether it is one for series of so many channels.
    pub(crate) fn fits(&self, n_channels: usize) -> bool {
        let are_right = self.mean.iter().all(|mean| mean.is_finite())
            && self.deviation.iter().all(|deviation| *deviation > 0.0 && deviation.is_finite());
        self.mean.len() == n_channels && self.deviation.len() == n_channels && are_right
    }

    /// The mean and the population deviation over some points of a series, missing values left out. A deviation of 0 is
    /// taken as 1.
    pub(crate) fn fit(series: &Series, points: Range<usize>) -> Self {
        let n_channels = series.n_channels();
        let (mut mean, mut deviation) = (vec![0.0; n_channels], vec![1.0; n_channels]);
        for channel in 0..n_channels {
            let values: Vec<f64> =
                points.clone().map(|point| series.row(point)[channel]).filter(|value| !value.is_nan()).collect();
            if values.is_empty() {
                continue;
            }
            let n = values.len() as f64;
            let sum = values.iter().sum::<f64>();
            // The sum of huge values may overflow where their mean does not.
            mean[channel] = if sum.is_finite() { sum / n } else { values.iter().map(|value| value / n).sum() };
            let variance = values.iter().map(|value| (value - mean[channel]).powi(2)).sum::<f64>() / n;
            if variance > 0.0 && variance.is_finite() {
                deviation[channel] = variance.sqrt();
            }
        }
        Self { mean, deviation }
    }
}

/// One series as the baselines' networks and neighbours see it.
#[derive(Clone, Debug)]
pub(crate) struct Scaled {
    /// Standardised values, shape `[n_points, n_channels]`, every one finite.
    pub(crate) values: Vec<f32>,
    /// The number of channels.
    pub(crate) n_channels: usize,
}

impl Scaled {
    /// A series in the units of `standard`.
    pub(crate) fn new(series: &Series, standard: &Standard) -> Self {
        let n_channels = series.n_channels();
        let mut values = Vec::with_capacity(series.values().len());
        let mut last = vec![0.0; n_channels];
        for point in 0..series.len() {
            for (channel, value) in series.row(point).iter().enumerate() {
                if !value.is_nan() {
                    let scaled = (value - standard.mean[channel]) / standard.deviation[channel];
                    last[channel] = scaled.clamp(-1e6, 1e6) as f32;
                }
            }
            values.extend_from_slice(&last);
        }
        Self { values, n_channels }
    }

    /// The number of points.
    pub(crate) const fn len(&self) -> usize {
        self.values.len() / self.n_channels
    }

    /// Appends the window of `n_steps` points that ends at `point`, `[n_steps, n_channels]`, oldest first. Before the start
    /// of the series stands its first point.
    pub(crate) fn window(&self, point: usize, n_steps: usize, rows: &mut Vec<f32>) {
        let n_missing = n_steps.saturating_sub(point + 1);
        for _ in 0..n_missing {
            rows.extend_from_slice(&self.values[..self.n_channels]);
        }
        let first = point + 1 - (n_steps - n_missing);
        rows.extend_from_slice(&self.values[first * self.n_channels..(point + 1) * self.n_channels]);
    }

    /// Of a series of one channel the values that the windows of all of its points reach, each window being the one before it, moved on
    /// by a step; `None` for several channels or no points.
    pub(crate) fn values_of_windows(&self, n_steps: usize) -> Option<Vec<f32>> {
        if self.n_channels != 1 || self.values.is_empty() {
            return None;
        }
        let mut values = Vec::with_capacity(self.len() + n_steps - 1);
        self.window(0, n_steps, &mut values);
        values.extend_from_slice(&self.values[1..]);
        Some(values)
    }
}

/// The series that a baseline is fitted on.
#[derive(Clone, Debug)]
pub(crate) struct Corpus {
    /// The series, whole.
    pub(crate) series: Vec<Scaled>,
    /// The points that may be learned from, as (series, point) in order: the training part, without missing points.
    pub(crate) points: Vec<(usize, usize)>,
}

impl Corpus {
    /// The number of channels, the same for all series.
    pub(crate) fn n_channels(&self) -> usize {
        self.series[0].n_channels
    }

    /// The windows that end at some points, shape `[points.len(), n_steps * n_channels]`.
    pub(crate) fn windows(&self, points: &[(usize, usize)], n_steps: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(points.len() * n_steps * self.n_channels());
        for &(series, point) in points {
            self.series[series].window(point, n_steps, &mut rows);
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::TimeFormat;

    fn series(values: &[f64]) -> Series {
        let timestamps = (0..values.len() as i64).collect();
        Series::new("s", vec!["value".into()], TimeFormat::Index, timestamps, values.to_vec(), None).unwrap()
    }

    #[test]
    fn values_are_standardised_by_the_training_points() {
        let series = series(&[1.0, 3.0, f64::NAN, 7.0]);
        let scaled = Scaled::new(&series, &Standard::fit(&series, 0..3));
        assert_eq!(scaled.values, [-1.0, 1.0, 1.0, 5.0]);
    }

    #[test]
    fn a_constant_keeps_its_unit() {
        let series = series(&[2.0, 2.0, 3.0]);
        assert_eq!(Scaled::new(&series, &Standard::fit(&series, 0..2)).values, [0.0, 0.0, 1.0]);
    }

    #[test]
    fn before_its_start_a_series_is_as_at_its_first_point() {
        let scaled = Scaled { values: vec![1.0, 2.0, 3.0], n_channels: 1 };
        let corpus = Corpus { series: vec![scaled], points: vec![] };
        assert_eq!(corpus.windows(&[(0, 0), (0, 2)], 2), [1.0, 1.0, 2.0, 3.0]);
    }
}

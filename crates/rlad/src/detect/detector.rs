//! Detectors: what scores the points of a series.

use std::ops::Range;

use crate::data::series::Series;
use crate::error::{Error, Result};

/// Something that scores the points of a series. A higher score is more anomalous.
pub trait Detector {
    /// The number of points, its own included, that the network sees when it scores one. The features of these points may
    /// reach further back.
    fn context(&self) -> usize;

    /// The score above which a point is an anomaly.
    fn threshold(&self) -> f64;

    /// The score of each point; NaN for a missing one, which is never an anomaly.
    ///
    /// # Errors
    /// [`Error::Channels`] if the series has other channels than the detector was made for.
    fn score(&self, series: &Series) -> Result<Vec<f64>> {
        self.score_points(series, 0..series.len())
    }

    /// The score of some points of a series, the same as in [`Self::score`]; what lies around them is read as context.
    ///
    /// # Errors
    /// As [`Self::score`].
    ///
    /// # Panics
    /// If the points are not in the series.
    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>>;

    /// Puts what experts said of some of these points, when the detector was trained, in the place of their scores; nothing for a
    /// detector that no one taught. [`Self::score_points`] and [`Self::score`] leave it out: they say what the detector makes of points.
    ///
    /// # Panics
    /// If the points are not in the series, or `scores` is not theirs.
    fn apply_labels(&self, series: &Series, points: Range<usize>, scores: &mut [f64]) {
        let _ = (series, points, scores);
    }
}

/// Refuses a series with other channels than were trained on.
pub(crate) fn check_channels(series: &Series, expected: usize) -> Result<()> {
    let found = series.n_channels();
    if found == expected { Ok(()) } else { Err(Error::Channels { series: series.name().to_owned(), expected, found }) }
}

/// Takes the scores of missing points back; the first score is that of the point `first`.
pub(crate) fn leave_out_missing(series: &Series, first: usize, scores: &mut [f64]) {
    for (i, score) in scores.iter_mut().enumerate() {
        if series.is_missing(first + i) {
            *score = f64::NAN;
        }
    }
}

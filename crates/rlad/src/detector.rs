//! Detectors: what scores the points of a series.

use std::ops::Range;

use crate::config::{ForestInput, StateConfig};
use crate::error::{Error, Result};
use crate::iforest::IsolationForest;
use crate::series::Series;
use crate::views::{Encoded, Scale, encode};

/// Something that scores the points of a series. A higher score is more anomalous.
pub trait Detector {
    /// The number of points, its own included, that the network sees when it scores one. The views of these points may
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
}

/// The isolation forest of the warm-up as a detector: what is known before the first question.
///
/// Its threshold is the score that one training point in a hundred exceeds (the released code's contamination of .01).
#[derive(Clone, Debug)]
pub struct ForestDetector {
    pub(crate) forest: IsolationForest,
    pub(crate) state: StateConfig,
    pub(crate) input: ForestInput,
    pub(crate) scales: std::collections::BTreeMap<String, Scale>,
    pub(crate) n_channels: usize,
    pub(crate) threshold: f64,
}

impl ForestDetector {
    /// What the forest sees of some points of a series.
    pub(crate) fn rows(encoded: &Encoded, points: Range<usize>, input: ForestInput, n_steps: usize) -> Vec<f32> {
        let n_steps = match input {
            ForestInput::Window => n_steps,
            ForestInput::LastStep => 1,
        };
        let mut rows = Vec::new();
        let points: Vec<usize> = points.collect();
        encoded.gather(&points, n_steps, &mut rows);
        rows
    }
}

impl Detector for ForestDetector {
    fn context(&self) -> usize {
        match self.input {
            ForestInput::Window => self.state.n_steps,
            ForestInput::LastStep => 1,
        }
    }

    fn threshold(&self) -> f64 {
        self.threshold
    }

    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>> {
        const CHUNK: usize = 16_384;
        check_channels(series, self.n_channels)?;
        let scale = self.scales.get(series.name()).cloned().unwrap_or_else(Scale::running);
        let encoded = encode(series, &self.state.views, &scale);
        let mut scores = Vec::with_capacity(points.len());
        for first in points.clone().step_by(CHUNK) {
            let chunk = first..(first + CHUNK).min(points.end);
            scores.extend(self.forest.score(&Self::rows(&encoded, chunk, self.input, self.state.n_steps)));
        }
        leave_out_missing(series, points.start, &mut scores);
        Ok(scores)
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

//! The warm-up: the scores that seed the agent before the first question, as a detector.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::config::{StateConfig, WarmUpScores};
use crate::data::series::Series;
use crate::detect::detector::{Detector, check_channels, leave_out_missing};
use crate::error::Result;
use crate::features::surprisal::EcdfsBySeries;
use crate::features::{Encoded, Scale, encode};
use crate::models::iforest::IsolationForest;

/// The scores of the warm-up as a detector: what is known without a question.
///
/// Its threshold is the score that one training point in a hundred exceeds (the released code's contamination of .01).
#[derive(Clone, Debug)]
pub struct WarmUpDetector {
    pub(crate) kind: WarmUpKind,
    pub(crate) state: StateConfig,
    pub(crate) scales: BTreeMap<String, Scale>,
    pub(crate) n_channels: usize,
    pub(crate) threshold: f64,
}

/// Where the scores come from.
#[derive(Clone, Debug)]
pub(crate) enum WarmUpKind {
    /// An isolation forest on the whole window, or on the features of its last step.
    Forest(IsolationForest, WarmUpScores),
    /// The mean over the features of how rare each is in its series.
    Surprisal(EcdfsBySeries),
}

impl WarmUpDetector {
    /// The scores of some points of a series whose features are known.
    fn score_encoded(&self, encoded: &Encoded, name: &str, points: Range<usize>) -> Vec<f64> {
        match &self.kind {
            WarmUpKind::Forest(forest, input) => forest_scores(forest, encoded, points, input.n_steps(&self.state)),
            WarmUpKind::Surprisal(known) => {
                let mut ecdfs = known.of(name);
                let first = if ecdfs.is_fitted() { points.start } else { 0 };
                let mut row = Vec::new();
                let of_point = |point| {
                    row.clear();
                    ecdfs.push_next(encoded.row(point), &mut row);
                    ecdfs.mean(&row)
                };
                (first..points.end).map(of_point).skip(points.start - first).collect()
            }
        }
    }
}

impl Detector for WarmUpDetector {
    fn context(&self) -> usize {
        match &self.kind {
            WarmUpKind::Forest(_, WarmUpScores::ForestWindow) => self.state.n_steps,
            WarmUpKind::Forest(..) | WarmUpKind::Surprisal(_) => 1,
        }
    }

    fn threshold(&self) -> f64 {
        self.threshold
    }

    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>> {
        check_channels(series, self.n_channels)?;
        let scale = self.scales.get(series.name()).cloned().unwrap_or_else(Scale::running);
        let encoded = encode(series, &self.state.features, &scale);
        let mut scores = self.score_encoded(&encoded, series.name(), points.clone());
        leave_out_missing(series, points.start, &mut scores);
        Ok(scores)
    }
}

impl WarmUpScores {
    /// The steps that an isolation forest sees.
    pub(crate) const fn n_steps(self, state: &StateConfig) -> usize {
        if matches!(self, Self::ForestWindow) { state.n_steps } else { 1 }
    }
}

/// A forest's scores of the windows that end at some points in a row.
pub(crate) fn forest_scores(
    forest: &IsolationForest,
    encoded: &Encoded,
    points: Range<usize>,
    n_steps: usize,
) -> Vec<f64> {
    const CHUNK: usize = 16_384;
    let mut rows = Vec::new();
    if encoded.n_features() == 1 && !points.is_empty() {
        // One number a step: each window is the one before it, moved on by a step.
        encoded.gather(&[points.start], n_steps, &mut rows);
        rows.extend(points.skip(1).map(|point| encoded.row(point)[0]));
        return forest.score_windows(&rows);
    }
    let mut scores = Vec::with_capacity(points.len());
    for first in points.clone().step_by(CHUNK) {
        let chunk: Vec<usize> = (first..(first + CHUNK).min(points.end)).collect();
        rows.clear();
        encoded.gather(&chunk, n_steps, &mut rows);
        scores.extend(forest.score(&rows));
    }
    scores
}

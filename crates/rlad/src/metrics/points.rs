//! Series with truth and scores, and their points as the metrics see them.

use std::ops::Range;

use crate::data::label::{Label, events};
use crate::error::{Error, Result};

/// A series with its truth and its scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoredSeries<'a> {
    pub(super) truth: &'a [Option<Label>],
    pub(super) scores: &'a [f64],
    pub(super) threshold: f64,
    pub(super) alarms: Option<&'a [bool]>,
}

impl<'a> ScoredSeries<'a> {
    /// A series whose points have these true labels and scores.
    ///
    /// `truth`: the label of each point, `None` where it is unknown. `scores`: the score of each point, higher is more anomalous, NaN
    /// where there is none. `threshold`: the score above which a point is an alarm.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one score for each label.
    pub fn new(truth: &'a [Option<Label>], scores: &'a [f64], threshold: f64) -> Result<Self> {
        if truth.len() == scores.len() {
            return Ok(Self { truth, scores, threshold, alarms: None });
        }
        let expected = format!("{} scores, one for each true label", truth.len());
        Err(Error::shape("a scored series", expected, scores.len().to_string()))
    }

    /// The same series where these points are the alarms, whatever their scores.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one for each label.
    pub fn with_alarms(self, alarms: &'a [bool]) -> Result<Self> {
        if self.truth.len() == alarms.len() {
            return Ok(Self { alarms: Some(alarms), ..self });
        }
        let expected = format!("{} alarms or none, one for each true label", self.truth.len());
        Err(Error::shape("a scored series", expected, alarms.len().to_string()))
    }

    /// The label of each point; `None` where it is unknown.
    #[must_use]
    pub const fn truth(&self) -> &'a [Option<Label>] {
        self.truth
    }
}

/// The points of one series as the metrics see them.
#[derive(Debug)]
pub(super) struct Points<'a> {
    pub(super) truth: &'a [Option<Label>],
    pub(super) scores: &'a [f64],
    pub(super) alarms: Vec<bool>,
    /// The true segments: maximal runs of anomalous points.
    pub(super) segments: Vec<Range<usize>>,
    /// The maximal runs of alarms at points of known truth.
    pub(super) alarm_runs: Vec<Range<usize>>,
}

impl<'a> Points<'a> {
    pub(super) fn new(series: &ScoredSeries<'a>) -> Self {
        let ScoredSeries { truth, scores, threshold, alarms } = *series;
        let alarms = match alarms {
            Some(alarms) => alarms.to_vec(),
            None => scores.iter().map(|score| *score > threshold).collect(),
        };
        let known_alarms: Vec<bool> =
            alarms.iter().zip(truth).map(|(alarm, label)| *alarm && label.is_some()).collect();
        let segments = events(&truth.iter().map(|label| *label == Some(Label::Anomaly)).collect::<Vec<_>>());
        Self { truth, scores, alarms, segments, alarm_runs: events(&known_alarms) }
    }

    /// The points of known truth.
    pub(super) fn known(&self) -> impl Iterator<Item = (usize, Label)> + '_ {
        self.truth.iter().enumerate().filter_map(|(point, label)| label.map(|label| (point, label)))
    }

    pub(super) fn n_anomalies(&self) -> usize {
        self.segments.iter().map(ExactSizeIterator::len).sum()
    }
}

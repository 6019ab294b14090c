//! Detectors: what scores the points of a series.

use std::ops::Range;

use crate::data::alarm::Alarm;
use crate::data::explanation::Explanation;
use crate::data::label::Label;
use crate::data::scores::{Event, SeriesScores};
use crate::data::series::{Part, Series};
use crate::detect::departure::departures;
use crate::error::{Error, Result};

/// Something that scores the points of a series. A higher score is more anomalous.
pub trait Detector {
    /// The number of points, its own included, that the network sees when it scores one. The features of these points may
    /// reach further back.
    fn context(&self) -> usize;

    /// The score above which a point may be an alarm; [`Self::decide`] says whether it is one.
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

    /// Puts experts' labels of some of these points, given when the detector was trained, in the place of their scores; nothing for a
    /// detector that no one taught. [`Self::score_points`] and [`Self::score`] leave it out: they are the detector's own scores.
    ///
    /// # Panics
    /// If the points are not in the series, or `scores` is not theirs.
    fn apply_labels(&self, series: &Series, points: Range<usize>, scores: &mut [f64]) {
        let _ = (series, points, scores);
    }

    /// Experts' labels of points of this series, given when the detector was trained, in time order.
    fn labels(&self, series: &Series) -> Vec<(usize, Label)> {
        let _ = series;
        Vec::new()
    }

    /// Which of some points of a series are alarms, and which of these open an event: where the score is above the threshold, unless the
    /// detector knows a finer rule. A rule that remembers begins at the first of the points, as a stream does.
    ///
    /// `scores`: of [`Self::score_points`], or with labels in their place. `labels`: those that stand over the scores, in time order;
    /// none where the detector itself is measured.
    ///
    /// # Errors
    /// [`Error::Channels`] as in [`Self::score`]; [`Error::Setting`] where a rule in units of time meets a series without timestamps.
    ///
    /// # Panics
    /// If the points are not in the series, or `scores` is not theirs.
    fn decide(
        &self,
        series: &Series,
        points: Range<usize>,
        scores: &[f64],
        labels: &[(usize, Label)],
    ) -> Result<Vec<Alarm>> {
        let _ = (series, points, labels);
        Ok(Alarm::above(scores, self.threshold()))
    }

    /// Why each event of a series was called: how far its values went, and, for a model, which features speak and what answers added.
    ///
    /// `events`: of [`SeriesScores::events`] of this series, in time order. It costs about as much as scoring the series.
    ///
    /// # Errors
    /// [`Error::Channels`] as in [`Self::score`].
    fn explain(&self, series: &Series, events: &[Event]) -> Result<Vec<Explanation>> {
        let explanation = |departure| Explanation { departure, ..Explanation::default() };
        Ok(departures(series, events).into_iter().map(explanation).collect())
    }

    /// The name that scores have of it: the first 16 digits of the hash of its file; empty for one that has no file.
    fn id(&self) -> &str {
        ""
    }

    /// The scores of a series as `rlad detect` writes them: [`Self::score`], with experts' labels in the place of the scores of the points
    /// that they labelled, the threshold, and the alarms ([`Self::decide`]).
    ///
    /// # Errors
    /// As [`Self::decide`].
    fn detect(&self, series: &Series) -> Result<SeriesScores> {
        self.detect_part(series, Part::ALL)
    }

    /// [`Self::detect`] of a part of a series; what lies around it is read as context.
    ///
    /// # Errors
    /// As [`Self::decide`].
    fn detect_part(&self, series: &Series, part: Part) -> Result<SeriesScores> {
        let points = series.part(part);
        let mut scores = self.score_points(series, points.clone())?;
        self.apply_labels(series, points.clone(), &mut scores);
        let alarms = self.decide(series, points.clone(), &scores, &self.labels(series))?;
        Ok(SeriesScores {
            series: series.name().to_owned(),
            time_format: series.time_format(),
            timestamps: series.timestamps()[points].to_vec(),
            scores,
            alarms,
            threshold: self.threshold(),
            model: self.id().to_owned(),
        })
    }
}

/// The digits of a detector's hash that make its [`id`](Detector::id).
pub(crate) const ID_DIGITS: usize = 16;

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

//! Metrics: how well scores and thresholds match the truth, computed from nothing but what a scores file holds.
//!
//! A point is an *alarm* where its score is above the threshold of its series; a point without a score (NaN) never is.
//! Counts are pooled over all series, except where a metric is a mean over series. Points of unknown truth are left out:
//! they count nowhere, and a true segment or a run of alarms ends before them.
//!
//! Where nothing was predicted, precision is undefined; where nothing is anomalous, recall is: both are then `None` (`null`
//! in JSON), and F1 is 0, so that a detector that stays silent gains nothing.

mod official;
mod point;
mod ranking;
mod segment;

use std::ops::Range;

use serde::Serialize;

use crate::label::{Label, events};

/// A series with its truth and its scores.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The true label of each point; `None` where it is unknown.
    pub truth: &'a [Option<Label>],
    /// The score of each point, higher is more anomalous; NaN where there is none.
    pub scores: &'a [f64],
    /// The score above which a point is an alarm.
    pub threshold: f64,
}

/// Precision, recall and F1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// The share of what was predicted that is right, in `[0, 1]`; `None` where nothing was predicted.
    pub precision: Option<f64>,
    /// The share of what is anomalous that was found, in `[0, 1]`; `None` where nothing is.
    pub recall: Option<f64>,
    /// The harmonic mean of the two, in `[0, 1]`; 0 where either is undefined.
    pub f1: f64,
}

/// [`Quality`] after a delay of at most `k` points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DelayQuality {
    /// The largest delay in points: an alarm must fall within the first `k + 1` points of a segment.
    pub k: usize,
    /// The quality.
    #[serde(flatten)]
    pub quality: Quality,
}

/// [`Quality`] at the threshold at which F1 is highest: an **oracle** threshold, since only the truth tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct BestQuality {
    /// The threshold, one for all series. Every score is tried as the lowest that is still an alarm, and of equally good ones
    /// the highest is taken; the threshold is the next lower score that could change the counts, or the number next below
    /// where there is none. `None` where there are no scores.
    pub threshold: Option<f64>,
    /// The quality at this threshold.
    #[serde(flatten)]
    pub quality: Quality,
}

/// The oracle thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The best for [`Evaluation::strict`].
    pub strict: BestQuality,
    /// The best for [`Evaluation::delay`].
    pub delay: BestQuality,
}

/// Every metric of a set of series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of points of known truth.
    pub points: usize,
    /// The number of anomalous points.
    pub anomalies: usize,
    /// Point by point: precision `tp / (tp + fp)`, recall `tp / (tp + fn)`, F1 `2 tp / (2 tp + fp + fn)`.
    pub strict: Quality,
    /// Point by point, after each true segment with an alarm within its first `k + 1` points is taken as found whole, and
    /// every other one as missed whole, its later alarms included.
    ///
    /// Source: the AIOps challenge of 2018; Ren et al., *Time-Series Anomaly Detection Service at Microsoft*, 2019.
    pub delay: DelayQuality,
    /// Point by point, after each true segment with any alarm is taken as found whole. It flatters: random alarms score high
    /// where segments are long (Kim et al., *Towards a Rigorous Evaluation of Time-Series Anomaly Detection*, 2022).
    ///
    /// Source: Xu et al., *Unsupervised Anomaly Detection via Variational Auto-Encoder for Seasonal KPIs*, 2018.
    pub point_adjusted: Quality,
    /// By events: precision is the share of runs of alarms that touch a true segment, recall the share of true segments that
    /// are touched by an alarm, F1 their harmonic mean.
    ///
    /// Source: the overlap rule of Hundman et al., *Detecting Spacecraft Anomalies*, 2018. Deviation: several runs of alarms
    /// in one segment are all counted as right, where there only one is counted.
    pub event: Quality,
    /// What the paper's released code computes: misses and false alarms within 5 points of a hit are forgiven, from left to
    /// right, each repaired miss counting as a hit for the next; then `P = (tp + 1) / (tp + fp + 1)` and
    /// `R = (tp + 1) / (tp + fn + 1)`; each of P, R and F1 is the mean over series, so that F1 is not the harmonic mean of
    /// the other two. For comparison with published numbers only: a detector that never alarms scores 1 on a series without
    /// anomalies.
    pub official: Quality,
    /// Average precision, `Σ (R_n - R_(n-1)) P_n` over the distinct scores from the highest down, R recall and P precision
    /// at each: the area under the precision-recall curve without interpolation, in `[0, 1]`; `None` without anomalies.
    ///
    /// It ranks the scores of all series together. Source: scikit-learn's `average_precision_score`; anomalies without a
    /// score are never found.
    pub auc_pr: Option<f64>,
    /// The mean over series of their strict F1; a series without anomalies, whose F1 is 0 whatever was predicted, is left
    /// out. `None` where that leaves none.
    pub per_series_mean_f1: Option<f64>,
    /// The oracle thresholds.
    pub best: Best,
}

/// Computes every metric, with a largest delay of `delay` points.
///
/// # Panics
/// If a series has not one score for each true label.
#[must_use]
pub fn evaluate(judged: &[Judged<'_>], delay: usize) -> Evaluation {
    let judged: Vec<Points> = judged.iter().map(Points::new).collect();
    let judged = judged.as_slice();
    let strict_ranking = ranking::by_point(judged);
    Evaluation {
        points: judged.iter().map(|points| points.known().count()).sum(),
        anomalies: judged.iter().map(Points::n_anomalies).sum(),
        strict: judged.iter().map(point::strict).sum::<Counts>().quality(),
        delay: DelayQuality {
            k: delay,
            quality: judged.iter().map(|points| segment::adjusted(points, delay)).sum::<Counts>().quality(),
        },
        point_adjusted: judged.iter().map(|points| segment::adjusted(points, usize::MAX)).sum::<Counts>().quality(),
        event: segment::by_event(judged),
        official: official::official(judged),
        auc_pr: strict_ranking.average_precision(),
        per_series_mean_f1: point::per_series_mean_f1(judged),
        best: Best { strict: strict_ranking.best(), delay: ranking::by_segment(judged, delay).best() },
    }
}

/// The points of one series as the metrics see them.
#[derive(Debug)]
struct Points<'a> {
    truth: &'a [Option<Label>],
    scores: &'a [f64],
    alarms: Vec<bool>,
}

impl<'a> Points<'a> {
    fn new(judged: &Judged<'a>) -> Self {
        assert_eq!(judged.truth.len(), judged.scores.len(), "a series has one score for each true label");
        let alarms = judged.scores.iter().map(|score| *score > judged.threshold).collect();
        Self { truth: judged.truth, scores: judged.scores, alarms }
    }

    /// The points of known truth.
    fn known(&self) -> impl Iterator<Item = (usize, Label)> + '_ {
        self.truth.iter().enumerate().filter_map(|(point, label)| label.map(|label| (point, label)))
    }

    fn n_anomalies(&self) -> usize {
        self.known().filter(|(_, label)| *label == Label::Anomaly).count()
    }

    /// The true segments: maximal runs of anomalous points.
    fn segments(&self) -> Vec<Range<usize>> {
        events(&self.truth.iter().map(|label| *label == Some(Label::Anomaly)).collect::<Vec<_>>())
    }

    /// The maximal runs of alarms at points of known truth.
    fn alarm_runs(&self) -> Vec<Range<usize>> {
        let alarms = self.alarms.iter().zip(self.truth);
        events(&alarms.map(|(alarm, label)| *alarm && label.is_some()).collect::<Vec<_>>())
    }
}

/// Alarms that are right, alarms that are wrong, and anomalies that are missed.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    hits: usize,
    false_alarms: usize,
    misses: usize,
}

impl Counts {
    fn quality(self) -> Quality {
        let Self { hits, false_alarms, misses } = self;
        Quality {
            precision: share(hits, hits + false_alarms),
            recall: share(hits, hits + misses),
            f1: share(2 * hits, 2 * hits + false_alarms + misses).unwrap_or(0.0),
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |a, b| Self {
            hits: a.hits + b.hits,
            false_alarms: a.false_alarms + b.false_alarms,
            misses: a.misses + b.misses,
        })
    }
}

/// A part of a whole; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of points are far below 2^53")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean; `None` of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of series are far below 2^53")]
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests;

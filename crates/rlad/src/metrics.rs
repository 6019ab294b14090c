//! Metrics: how well scores and thresholds match the truth, computed from nothing but what a scores file holds.
//!
//! A point is an *alarm* where its score is above the threshold of its series; a point without a score (NaN) never is.
//! Counts are pooled over all series, except where a metric is a mean over series. Points of unknown truth are left out:
//! they count nowhere, and a true segment or a run of alarms ends before them; where a metric measures distances in time
//! (affiliation, volumes, NAB), they keep their place.
//!
//! Where nothing was predicted, precision is undefined; where nothing is anomalous, recall is: both are then `None` (`null`
//! in JSON), and F1 is 0, so that a detector that stays silent gains nothing.
//!
//! `docs/metrics.md` says what each metric is good for, and what it hides.

mod affiliation;
mod nab;
mod official;
mod point;
mod range;
mod ranking;
mod segment;
mod volume;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use nab::{Nab, NabBest, NabOptions, NabScore};

use crate::data::label::{Label, events};

/// A series with its truth and its scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoredSeries<'a> {
    /// The true label of each point; `None` where it is unknown.
    pub truth: &'a [Option<Label>],
    /// The score of each point, higher is more anomalous; NaN where there is none.
    pub scores: &'a [f64],
    /// The score above which a point is an alarm.
    pub threshold: f64,
}

/// Precision, recall and F1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The share of what was predicted that is right, in `[0, 1]`; `None` where nothing was predicted.
    pub precision: Option<f64>,
    /// The share of what is anomalous that was found, in `[0, 1]`; `None` where nothing is.
    pub recall: Option<f64>,
    /// The harmonic mean of the two, in `[0, 1]`; 0 where either is undefined.
    pub f1: f64,
}

/// [`Quality`] after a delay of at most `k` points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DelayQuality {
    /// The largest delay in points: an alarm must fall within the first `k + 1` points of a segment.
    pub k: usize,
    /// The quality.
    #[serde(flatten)]
    pub quality: Quality,
}

/// [`Quality`] at the threshold at which F1 is highest: an **oracle** threshold, since only the truth tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The best for [`Evaluation::strict`].
    pub strict: BestQuality,
    /// The best for [`Evaluation::delay`].
    pub delay: BestQuality,
}

/// What a threshold is best for, in [`best_threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The highest F1 of [`Evaluation::strict`].
    Strict,
    /// The highest F1 of [`Evaluation::delay`].
    Delay {
        /// The largest delay in points.
        k: usize,
    },
}

/// The area under a curve that forgives a bounded distance in time, as a mean over all bounds: the volume under the surface.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    /// The volume: the mean over the series with both anomalous and normal points of the volume of each.
    pub value: f64,
    /// The longest buffer ℓ in points, half of it on each side of a segment. Values with different buffers do not compare.
    pub buffer: usize,
}

/// Means over the series that hold an anomaly, each series counting the same, however long it is. A series without
/// anomalies, whose F1 is 0 whatever was predicted, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerSeriesMean {
    /// The number of series with an anomaly.
    pub series: usize,
    /// F1 of [`Evaluation::strict`].
    pub strict_f1: f64,
    /// F1 of [`Evaluation::delay`].
    pub delay_f1: f64,
    /// F1 of [`Evaluation::event`].
    pub event_f1: f64,
    /// F1 of [`Evaluation::range`].
    pub range_f1: f64,
    /// F1 of [`Evaluation::affiliation`].
    pub affiliation_f1: f64,
    /// [`Evaluation::auc_pr`].
    pub auc_pr: f64,
}

/// How to evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateOptions {
    /// The largest delay in points of [`Evaluation::delay`]; 7 is usual for steps of minutes, 3 for hours.
    pub delay: usize,
    /// The longest buffer in points of the volumes under the surfaces; `None` leaves them out.
    ///
    /// The default is 100, that of TSB-AD's `get_metrics`, for all series: a buffer found from the values, as TSB-AD's own
    /// runs take it (the period by auto-correlation), would make a metric of scores and truth depend on a third thing.
    pub vus_buffer: Option<usize>,
    /// How NAB's score is computed; `None` leaves it out.
    pub nab: Option<NabOptions>,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self { delay: 7, vus_buffer: Some(100), nab: Some(NabOptions::default()) }
    }
}

impl EvaluateOptions {
    /// All but the volumes and NAB's score: what is cheap enough to be computed after every round.
    #[must_use]
    pub const fn quick(delay: usize) -> Self {
        Self { delay, vus_buffer: None, nab: None }
    }
}

/// Every metric of a set of series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Source: Xu et al., *Unsupervised Anomaly Detection via Variational Auto-Encoder for Seasonal KPIs in Web
    /// Applications*, 2018.
    pub point_adjusted: Quality,
    /// By events: precision is the share of runs of alarms that touch a true segment, recall the share of true segments that
    /// are touched by an alarm, F1 their harmonic mean.
    ///
    /// Source: the overlap rule of Hundman et al., *Detecting Spacecraft Anomalies Using LSTMs and Nonparametric
    /// Dynamic Thresholding*, 2018. Deviation: several runs of alarms in one segment are all counted as right, where there
    /// only one is counted.
    pub event: Quality,
    /// By ranges: recall is the mean over true segments of `α E + (1 - α) ω / c`, precision the mean over runs of alarms of
    /// `ω / c`. E is 1 where anything of the segment is found, ω the share of its points that is, and c the number of runs on
    /// the other side that it overlaps, at least 1; α = .2. F1 is their harmonic mean.
    ///
    /// Source: Tatbul et al., *Precision and Recall for Time Series*, 2018, with flat bias, reciprocal cardinality and the α of
    /// TSB-AD's `R-based-F1`. Deviation from TSB-AD: where all points are alarms or all anomalous, they are one range, not
    /// none.
    pub range: Quality,
    /// By distances in time: each true segment has the zone of the points that are nearer to it than to any other.
    /// Precision is the mean, over the segments with an alarm in their zone, of the mean probability that a random point of
    /// the zone lies no nearer to the segment than the alarm does; recall the mean over all segments of the mean probability
    /// that a random point of the zone lies no nearer to a point of the segment than the alarms do, 0 where the zone has none.
    /// An alarm at every point has precision .5, recall 1 and F1 .67, so that it cannot stand alone.
    ///
    /// A point is the interval from it to the next. Alarms in series without anomalies count nowhere. Segments are pooled over
    /// all series. Source: Huet, Navarro and Rossi, *Local Evaluation of Time Series Anomaly Detection Algorithms*, 2022.
    pub affiliation: Quality,
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
    /// The probability that an anomalous point scores higher than a normal one, ties counting half: the area under the
    /// receiver operating characteristic, in `[0, 1]`; `None` without anomalies or without normal points.
    ///
    /// It ranks the scores of all series together, points without a score below all others. Where anomalies are rare, it is
    /// high even for detectors that are of no use. Source: scikit-learn's `roc_auc_score`.
    pub auc_roc: Option<f64>,
    /// The volume under the precision-recall surface (VUS-PR): the area under the precision-recall curve where points up to
    /// ℓ / 2 from a segment count in part, as the mean over ℓ from 0 to the buffer. `None` where it was not asked for, or no
    /// series has both anomalous and normal points.
    ///
    /// A point at distance d from a segment weighs `sqrt(1 - d / ℓ)`; recall is scaled by the share of segments that are
    /// touched. Scores are ranked within each series, at 250 thresholds.
    /// Source: Paparrizos et al., *Volume Under the Surface*, 2022, as TSB-AD's `generate_curve` with `version="opt"`
    /// computes it.
    pub vus_pr: Option<Volume>,
    /// The volume under the receiver operating characteristic (VUS-ROC), as [`Evaluation::vus_pr`].
    pub vus_roc: Option<Volume>,
    /// The score of the Numenta Anomaly Benchmark; `None` where it was not asked for, or there is no segment to find.
    pub nab: Option<Nab>,
    /// Means over series; `None` where no series holds an anomaly.
    pub per_series_mean: Option<PerSeriesMean>,
    /// The oracle thresholds.
    pub best: Best,
}

/// [`Evaluation::affiliation`] alone.
///
/// # Panics
/// If a series has not one score for each true label.
#[must_use]
pub fn affiliation(judged: &[ScoredSeries<'_>]) -> Quality {
    let of_series: Vec<Shares> = judged.par_iter().map(|one| affiliation::by_distance(&Points::new(one))).collect();
    affiliation_of(of_series.into_iter())
}

/// Segments are pooled over all series.
fn affiliation_of(of_series: impl Iterator<Item = Shares>) -> Quality {
    of_series.sum::<Shares>().quality()
}

/// Computes every metric that the options ask for.
///
/// # Panics
/// If a series has not one score for each true label.
#[must_use]
pub fn evaluate(judged: &[ScoredSeries<'_>], options: &EvaluateOptions) -> Evaluation {
    let judged: Vec<Points<'_>> = judged.par_iter().map(Points::new).collect();
    let judged = judged.as_slice();
    let series: Vec<OfSeries> = judged.par_iter().map(|points| OfSeries::new(points, options)).collect();
    let by_point = ranking::by_point(judged);
    let volumes: Vec<volume::Volumes> = series.iter().filter_map(|series| series.volumes).collect();
    let volume = |of: fn(&volume::Volumes) -> f64| {
        let value = mean(&volumes.iter().map(of).collect::<Vec<_>>())?;
        Some(Volume { value, buffer: options.vus_buffer? })
    };
    Evaluation {
        points: judged.iter().map(|points| points.known().count()).sum(),
        anomalies: judged.iter().map(Points::n_anomalies).sum(),
        strict: series.iter().map(|series| series.strict).sum::<Counts>().quality(),
        delay: DelayQuality {
            k: options.delay,
            quality: series.iter().map(|series| series.delay).sum::<Counts>().quality(),
        },
        point_adjusted: series.iter().map(|series| series.point_adjusted).sum::<Counts>().quality(),
        event: series.iter().map(|series| series.event).sum::<Shares>().quality(),
        range: series.iter().map(|series| series.range).sum::<Shares>().quality(),
        affiliation: affiliation_of(series.iter().map(|series| series.affiliation)),
        official: official::official(judged),
        auc_pr: by_point.average_precision(),
        auc_roc: by_point.area_under_roc(),
        vus_pr: volume(|volumes| volumes.precision_recall),
        vus_roc: volume(|volumes| volumes.roc),
        nab: options.nab.and_then(|options| nab::nab(judged, options)),
        per_series_mean: PerSeriesMean::new(&series),
        best: Best { strict: by_point.best(), delay: ranking::by_segment(judged, options.delay).best() },
    }
}

/// The threshold, one for all series, at which F1 is highest over the given labels; the thresholds of `judged` are not read.
///
/// On **training** labels, it is how a method that gives only scores gets a threshold. The paper tunes such methods by a
/// Bayesian search for the highest F1; this finds what that search approximates, exactly, with one sort of the scores:
/// F1 changes only where the threshold passes a score, so that trying each score tries every threshold. On the labels that
/// it is then judged by, it is an oracle threshold.
///
/// # Panics
/// If a series has not one score for each true label.
#[must_use]
pub fn best_threshold(judged: &[ScoredSeries<'_>], goal: Goal) -> BestQuality {
    let judged: Vec<Points<'_>> = judged.par_iter().map(Points::new).collect();
    match goal {
        Goal::Strict => ranking::by_point(&judged).best(),
        Goal::Delay { k } => ranking::by_segment(&judged, k).best(),
    }
}

/// What is computed for each series on its own.
#[derive(Debug)]
struct OfSeries {
    strict: Counts,
    delay: Counts,
    point_adjusted: Counts,
    event: Shares,
    range: Shares,
    affiliation: Shares,
    auc_pr: Option<f64>,
    volumes: Option<volume::Volumes>,
}

impl OfSeries {
    fn new(points: &Points<'_>, options: &EvaluateOptions) -> Self {
        Self {
            strict: point::strict(points),
            delay: segment::adjusted(points, options.delay),
            point_adjusted: segment::adjusted(points, usize::MAX),
            event: segment::by_event(points),
            range: range::by_range(points),
            affiliation: affiliation::by_distance(points),
            auc_pr: ranking::by_point(std::slice::from_ref(points)).average_precision(),
            volumes: options.vus_buffer.and_then(|buffer| volume::volumes(points, buffer)),
        }
    }
}

impl PerSeriesMean {
    fn new(series: &[OfSeries]) -> Option<Self> {
        // A series has an area exactly where it has an anomaly.
        let series: Vec<(&OfSeries, f64)> = series.iter().filter_map(|series| Some((series, series.auc_pr?))).collect();
        let mean_of = |of: fn(&OfSeries) -> f64| mean(&series.iter().map(|(series, _)| of(series)).collect::<Vec<_>>());
        Some(Self {
            series: series.len(),
            strict_f1: mean_of(|series| series.strict.quality().f1)?,
            delay_f1: mean_of(|series| series.delay.quality().f1)?,
            event_f1: mean_of(|series| series.event.quality().f1)?,
            range_f1: mean_of(|series| series.range.quality().f1)?,
            affiliation_f1: mean_of(|series| series.affiliation.quality().f1)?,
            auc_pr: mean(&series.iter().map(|(_, auc_pr)| *auc_pr).collect::<Vec<_>>())?,
        })
    }
}

/// The points of one series as the metrics see them.
#[derive(Debug)]
struct Points<'a> {
    truth: &'a [Option<Label>],
    scores: &'a [f64],
    alarms: Vec<bool>,
    /// The true segments: maximal runs of anomalous points.
    segments: Vec<Range<usize>>,
    /// The maximal runs of alarms at points of known truth.
    alarm_runs: Vec<Range<usize>>,
}

impl<'a> Points<'a> {
    fn new(judged: &ScoredSeries<'a>) -> Self {
        let ScoredSeries { truth, scores, threshold } = *judged;
        assert_eq!(truth.len(), scores.len(), "a series has one score for each true label");
        let alarms: Vec<bool> = scores.iter().map(|score| *score > threshold).collect();
        let known_alarms: Vec<bool> =
            alarms.iter().zip(truth).map(|(alarm, label)| *alarm && label.is_some()).collect();
        let segments = events(&truth.iter().map(|label| *label == Some(Label::Anomaly)).collect::<Vec<_>>());
        Self { truth, scores, alarms, segments, alarm_runs: events(&known_alarms) }
    }

    /// The points of known truth.
    fn known(&self) -> impl Iterator<Item = (usize, Label)> + '_ {
        self.truth.iter().enumerate().filter_map(|(point, label)| label.map(|label| (point, label)))
    }

    fn n_anomalies(&self) -> usize {
        self.segments.iter().map(ExactSizeIterator::len).sum()
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

/// Precision and recall as means over parts of series, such as runs of alarms and segments.
#[derive(Clone, Copy, Debug, Default)]
struct Shares {
    precision: Share,
    recall: Share,
}

/// The sum of what each of `n` parts is worth, each in `[0, 1]`.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    sum: f64,
    n: usize,
}

impl Share {
    fn add(&mut self, worth: f64) {
        self.sum += worth;
        self.n += 1;
    }

    fn mean(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

impl Shares {
    fn quality(self) -> Quality {
        let (precision, recall) = (self.precision.mean(), self.recall.mean());
        let f1 = match (precision, recall) {
            (Some(precision), Some(recall)) if precision + recall > 0.0 => {
                2.0 * precision * recall / (precision + recall)
            }
            _ => 0.0,
        };
        Quality { precision, recall, f1 }
    }
}

impl std::iter::Sum for Shares {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        let add = |a: Share, b: Share| Share { sum: a.sum + b.sum, n: a.n + b.n };
        shares.fold(Self::default(), |a, b| Self {
            precision: add(a.precision, b.precision),
            recall: add(a.recall, b.recall),
        })
    }
}

/// A part of a whole; `None` of nothing.
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean; `None` of nothing.
fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests;

//! Metrics: how well scores and thresholds match the truth, computed from nothing but what a scores file holds.
//!
//! A point is an *alarm* where the scores say so: where its score is above the threshold of its series, unless the detector's decision
//! has a finer rule; a point without a score (NaN) never is.
//! Counts are pooled over all series, except where a metric is a mean over series. Points of unknown truth are left out:
//! they count nowhere, and a true segment or a run of alarms ends before them; where a metric measures distances in time
//! (affiliation, volumes, NAB), they keep their place.
//!
//! Where nothing was predicted, precision is undefined; where nothing is anomalous, recall is: both are then `None` (`null`
//! in JSON), and F1 is 0, so that a detector that stays silent gains nothing.
//!
//! `docs/metrics.md` says what each metric is good for, and what it hides.

mod affiliation;
mod join;
mod nab;
mod official;
mod point;
mod points;
mod quality;
mod range;
mod ranking;
mod segment;
mod volume;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use join::{Joined, JoinedSeries, join, usual_delay};
pub use nab::{Nab, NabBest, NabOptions, NabScore};
use points::Points;
pub use points::ScoredSeries;
pub use quality::{BestQuality, Quality};
use quality::{Counts, Fractions, mean};

/// [`Quality`] after a delay of at most `k` points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DelayQuality {
    /// The largest delay in points: an alarm must fall within the first `k + 1` points of a segment.
    pub k: usize,
    /// The quality.
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

/// The figure that a threshold is best for, in [`best_threshold`].
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
    /// All but the volumes and NAB's score: the metrics that are cheap enough to be computed after every round.
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
    /// By events: precision is the fraction of runs of alarms that touch a true segment, recall the fraction of true segments that
    /// are touched by an alarm, F1 their harmonic mean.
    ///
    /// Source: the overlap rule of Hundman et al., *Detecting Spacecraft Anomalies Using LSTMs and Nonparametric
    /// Dynamic Thresholding*, 2018. Deviation: several runs of alarms in one segment are all counted as right, where there
    /// only one is counted.
    pub event: Quality,
    /// By ranges: recall is the mean over true segments of `α E + (1 - α) ω / c`, precision the mean over runs of alarms of
    /// `ω / c`. E is 1 where anything of the segment is found, ω the fraction of its points that is, and c the number of runs on
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
    /// The figures of the paper's released code: misses and false alarms within 5 points of a hit are forgiven, from left to
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
    /// A point at distance d from a segment weighs `sqrt(1 - d / ℓ)`; recall is scaled by the fraction of segments that are
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
#[must_use]
pub fn affiliation(scored: &[ScoredSeries<'_>]) -> Quality {
    let of_series: Vec<Fractions> = scored.par_iter().map(|one| affiliation::by_distance(&Points::new(one))).collect();
    affiliation_of(of_series.into_iter())
}

/// Segments are pooled over all series.
fn affiliation_of(of_series: impl Iterator<Item = Fractions>) -> Quality {
    of_series.sum::<Fractions>().quality()
}

/// Every metric that the options ask for.
///
/// [`join()`] makes the scored series of a scores file and a data set; here they are at hand.
///
/// ```
/// use rlad::Label::{Anomaly, Normal};
/// use rlad::metrics::{EvaluateOptions, ScoredSeries, evaluate};
///
/// let truth = [Normal, Normal, Anomaly, Anomaly, Normal].map(Some);
/// let scored = ScoredSeries::new(&truth, &[0.1, 0.9, 0.2, 0.8, 0.3], 0.5)?;
/// let evaluation = evaluate(&[scored], &EvaluateOptions::default());
/// // Two alarms, one of them right; one of two anomalous points found.
/// assert_eq!(evaluation.strict.precision, Some(0.5));
/// assert_eq!(evaluation.strict.recall, Some(0.5));
/// // Found one point after the event began, so with a delay all of it counts.
/// assert_eq!(evaluation.delay.quality.recall, Some(1.0));
/// # Ok::<(), rlad::Error>(())
/// ```
#[must_use]
pub fn evaluate(scored: &[ScoredSeries<'_>], options: &EvaluateOptions) -> Evaluation {
    let scored: Vec<Points<'_>> = scored.par_iter().map(Points::new).collect();
    let scored = scored.as_slice();
    let series: Vec<OfSeries> = scored.par_iter().map(|points| OfSeries::new(points, options)).collect();
    let by_point = ranking::by_point(scored);
    let volumes: Vec<volume::Volumes> = series.iter().filter_map(|series| series.volumes).collect();
    let volume = |of: fn(&volume::Volumes) -> f64| {
        let value = mean(&volumes.iter().map(of).collect::<Vec<_>>())?;
        Some(Volume { value, buffer: options.vus_buffer? })
    };
    Evaluation {
        points: scored.iter().map(|points| points.known().count()).sum(),
        anomalies: scored.iter().map(Points::n_anomalies).sum(),
        strict: series.iter().map(|series| series.strict).sum::<Counts>().quality(),
        delay: DelayQuality {
            k: options.delay,
            quality: series.iter().map(|series| series.delay).sum::<Counts>().quality(),
        },
        point_adjusted: series.iter().map(|series| series.point_adjusted).sum::<Counts>().quality(),
        event: series.iter().map(|series| series.event).sum::<Fractions>().quality(),
        range: series.iter().map(|series| series.range).sum::<Fractions>().quality(),
        affiliation: affiliation_of(series.iter().map(|series| series.affiliation)),
        official: official::official(scored),
        auc_pr: by_point.average_precision(),
        auc_roc: by_point.area_under_roc(),
        vus_pr: volume(|volumes| volumes.precision_recall),
        vus_roc: volume(|volumes| volumes.roc),
        nab: options.nab.and_then(|options| nab::nab(scored, options)),
        per_series_mean: PerSeriesMean::new(&series),
        best: Best { strict: by_point.best(), delay: ranking::by_segment(scored, options.delay).best() },
    }
}

/// The threshold, one for all series, at which F1 is highest over the given labels; the thresholds of `scored` are not read.
///
/// On **training** labels, it is how a method that gives only scores gets a threshold. The paper tunes such methods by a
/// Bayesian search for the highest F1; this finds what that search approximates, exactly, with one sort of the scores:
/// F1 changes only where the threshold passes a score, so that trying each score tries every threshold. On the labels that
/// it is then scored by, it is an oracle threshold.
#[must_use]
pub fn best_threshold(scored: &[ScoredSeries<'_>], goal: Goal) -> BestQuality {
    let scored: Vec<Points<'_>> = scored.par_iter().map(Points::new).collect();
    match goal {
        Goal::Strict => ranking::by_point(&scored).best(),
        Goal::Delay { k } => ranking::by_segment(&scored, k).best(),
    }
}

/// The metrics that are computed for each series on its own.
#[derive(Debug)]
struct OfSeries {
    strict: Counts,
    delay: Counts,
    point_adjusted: Counts,
    event: Fractions,
    range: Fractions,
    affiliation: Fractions,
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

#[cfg(test)]
mod tests;

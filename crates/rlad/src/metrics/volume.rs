//! The volumes under the surfaces that a growing buffer around the segments spans (VUS).
//!
//! For each buffer length ℓ, each point has a weight: 1 in a segment, `sqrt(1 - d / ℓ)` at distance d ≤ ℓ / 2 from one (the
//! sum of these, at most 1, near several), 0 elsewhere. With the alarms at a threshold, `TP` is the sum of their weights;
//! `P = |segments| + B / 2`, where B is the part of `TP` outside of the segments; recall is `min(TP / P, 1)` times the
//! fraction of buffered segments with an alarm (buffers that meet are one); precision is `TP / alarms`; the rate of false
//! alarms `(alarms - TP) / (n - P)`. The areas under the curves over 250 thresholds are averaged over ℓ.
//!
//! Only points near a segment change with ℓ, and what is needed of each threshold is what it adds to the one above. So each
//! length costs one pass over the points near segments and one over the thresholds.

use std::ops::Range;

use super::points::Points;
use crate::data::label::Label;

/// The number of thresholds, evenly spread over the ranks of the points, the highest and the lowest score included.
const N_THRESHOLDS: usize = 250;

/// The two volumes of one series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Volumes {
    pub(super) precision_recall: f64,
    pub(super) roc: f64,
}

/// The volumes of a series with a longest buffer of `buffer` points; `None` without anomalous or without normal points.
pub(super) fn volumes(points: &Points<'_>, buffer: usize) -> Option<Volumes> {
    let n_known = points.known().count();
    if points.segments.is_empty() || points.n_anomalies() == n_known {
        return None;
    }
    let thresholds = Thresholds::new(points, n_known);
    let mut weights = vec![0.0; points.truth.len()];
    let mut sum = Volumes { precision_recall: 0.0, roc: 0.0 };
    for length in 0..=buffer {
        let areas = thresholds.areas(points, length, &mut weights);
        sum.precision_recall += areas.precision_recall;
        sum.roc += areas.roc;
    }
    let n_lengths = buffer as f64 + 1.0;
    Some(Volumes { precision_recall: sum.precision_recall / n_lengths, roc: sum.roc / n_lengths })
}

/// The thresholds from the highest down, and what becomes an alarm at each.
#[derive(Debug)]
struct Thresholds {
    /// The number of points of known truth.
    n_known: f64,
    /// The number of anomalous points.
    n_anomalies: f64,
    /// For each point, the first threshold at which it is an alarm; [`N_THRESHOLDS`] where it never is.
    first_of: Vec<usize>,
    /// The number of points that are new alarms at each threshold.
    alarms: Vec<f64>,
    /// The number of anomalous points among them.
    hits: Vec<f64>,
}

impl Thresholds {
    fn new(points: &Points<'_>, n_known: usize) -> Self {
        // Points that can be above no threshold rank last.
        let mut ranked: Vec<f64> =
            points.known().map(|(point, _)| points.scores[point].max(f64::NEG_INFINITY)).collect();
        ranked.sort_unstable_by(|a, b| b.total_cmp(a));
        // Ranks are cut, not rounded, from multiples of one step, as NumPy's `linspace(...).astype(int)` does.
        let last = n_known - 1;
        let step = last as f64 / (N_THRESHOLDS - 1) as f64;
        let thresholds: Vec<f64> = (0..N_THRESHOLDS)
            .map(|number| if number + 1 == N_THRESHOLDS { last } else { (number as f64 * step) as usize })
            .map(|rank| ranked[rank])
            .collect();

        let mut first_of = vec![N_THRESHOLDS; points.truth.len()];
        let (mut alarms, mut hits) = (vec![0.0; N_THRESHOLDS], vec![0.0; N_THRESHOLDS]);
        for (point, label) in points.known() {
            let score = points.scores[point];
            if score > f64::NEG_INFINITY {
                let first = thresholds.partition_point(|threshold| *threshold > score);
                first_of[point] = first;
                alarms[first] += 1.0;
                if label == Label::Anomaly {
                    hits[first] += 1.0;
                }
            }
        }
        Self { n_known: n_known as f64, n_anomalies: points.n_anomalies() as f64, first_of, alarms, hits }
    }

    /// The areas under the two curves with buffers of `length` points; `weights` is all 0 before and after.
    fn areas(&self, points: &Points<'_>, length: usize, weights: &mut [f64]) -> Volumes {
        let (n_points, reach) = (points.truth.len(), length / 2);
        for distance in 1..=reach {
            let weight = (1.0 - distance as f64 / length as f64).sqrt();
            for segment in &points.segments {
                if let Some(point) = segment.start.checked_sub(distance) {
                    weights[point] += weight;
                }
                if let Some(weight_after) = weights.get_mut(segment.end - 1 + distance) {
                    *weight_after += weight;
                }
            }
        }
        let buffered = buffered(&points.segments, reach, n_points);
        let mut near = [0.0; N_THRESHOLDS];
        let mut touched = [0.0; N_THRESHOLDS];
        for range in &buffered {
            let mut first_of_range = N_THRESHOLDS;
            for point in range.clone() {
                let weight = std::mem::take(&mut weights[point]).min(1.0);
                let first = self.first_of[point];
                first_of_range = first_of_range.min(first);
                if first < N_THRESHOLDS && points.truth[point] != Some(Label::Anomaly) {
                    near[first] += weight;
                }
            }
            if first_of_range < N_THRESHOLDS {
                touched[first_of_range] += 1.0;
            }
        }
        self.sweep(&near, &touched, buffered.len() as f64)
    }

    /// The areas under the curves, from what each threshold adds: weights near segments, and buffered segments touched.
    fn sweep(&self, near: &[f64], touched: &[f64], n_buffered: f64) -> Volumes {
        let (mut n_alarms, mut n_hits, mut n_near, mut n_touched) = (0.0, 0.0, 0.0, 0.0);
        let (mut recall_before, mut rate_before) = (0.0, 0.0);
        let mut area = Volumes { precision_recall: 0.0, roc: 0.0 };
        for number in 0..N_THRESHOLDS {
            n_alarms += self.alarms[number];
            n_hits += self.hits[number];
            n_near += near[number];
            n_touched += touched[number];
            let true_alarms: f64 = n_hits + n_near;
            let n_positive = self.n_anomalies + n_near / 2.0;
            let recall = (true_alarms / n_positive).min(1.0) * (n_touched / n_buffered);
            let rate = (n_alarms - true_alarms) / (self.n_known - n_positive);
            if n_alarms > 0.0 {
                area.precision_recall += (recall - recall_before) * (true_alarms / n_alarms);
            }
            area.roc += (rate - rate_before) * f64::midpoint(recall, recall_before);
            (recall_before, rate_before) = (recall, rate);
        }
        area.roc += (1.0 - rate_before) * f64::midpoint(1.0, recall_before);
        area
    }
}

/// The segments with `reach` more points on either side; those that then share a point are one.
fn buffered(segments: &[Range<usize>], reach: usize, n_points: usize) -> Vec<Range<usize>> {
    let mut buffered: Vec<Range<usize>> = Vec::with_capacity(segments.len());
    for segment in segments {
        let (start, end) = (segment.start.saturating_sub(reach), (segment.end + reach).min(n_points));
        match buffered.last_mut() {
            Some(last) if start < last.end => last.end = end,
            _ => buffered.push(start..end),
        }
    }
    buffered
}

//! Over all thresholds: the best of them, and the average precision.

use rayon::prelude::*;

use super::points::Points;
use super::quality::{BestQuality, Counts, fraction};
use crate::data::label::Label;

/// The change of counts when the threshold falls below a score.
#[derive(Clone, Copy, Debug)]
struct Gain {
    score: f64,
    hits: usize,
    false_alarms: usize,
}

/// All gains, the highest score first. A score of NaN or -∞ is above no threshold and gains nothing.
#[derive(Debug)]
pub(super) struct Ranking {
    gains: Vec<Gain>,
    n_anomalies: usize,
    n_normal: usize,
}

/// The gains of strict counts: each point on its own.
pub(super) fn by_point(scored: &[Points<'_>]) -> Ranking {
    let gains = scored.iter().flat_map(|points| {
        points.known().map(|(point, label)| Gain {
            score: points.scores[point],
            hits: usize::from(label == Label::Anomaly),
            false_alarms: usize::from(label == Label::Normal),
        })
    });
    Ranking::new(gains, scored)
}

/// The gains of delay-adjusted counts: a segment gains all of its points at the highest score of its first `delay + 1`.
pub(super) fn by_segment(scored: &[Points<'_>], delay: usize) -> Ranking {
    let normal = scored.iter().flat_map(|points| {
        let normal = points.known().filter(|(_, label)| *label == Label::Normal);
        normal.map(|(point, _)| Gain { score: points.scores[point], hits: 0, false_alarms: 1 })
    });
    let segments = scored.iter().flat_map(|points| {
        points.segments.iter().map(move |segment| {
            let hits = segment.len();
            let scores = segment.clone().take(delay.saturating_add(1)).map(|point| points.scores[point]);
            Gain { score: scores.fold(f64::NEG_INFINITY, f64::max), hits, false_alarms: 0 }
        })
    });
    Ranking::new(normal.chain(segments), scored)
}

impl Ranking {
    fn new(gains: impl Iterator<Item = Gain>, scored: &[Points<'_>]) -> Self {
        let mut gains: Vec<Gain> = gains.filter(|gain| gain.score > f64::NEG_INFINITY).collect();
        gains.par_sort_unstable_by(|a, b| b.score.partial_cmp(&a.score).expect("NaN is left out"));
        let n_anomalies = scored.iter().map(Points::n_anomalies).sum();
        let n_known: usize = scored.iter().map(|points| points.known().count()).sum();
        Self { gains, n_anomalies, n_normal: n_known - n_anomalies }
    }

    /// Each distinct score from the highest down, with the counts when it and all above it are alarms.
    fn steps(&self) -> impl Iterator<Item = (f64, Counts)> + '_ {
        let mut counts = Counts { misses: self.n_anomalies, ..Counts::default() };
        self.gains.chunk_by(|a, b| a.score <= b.score).map(move |equal| {
            for gain in equal {
                counts.hits += gain.hits;
                counts.false_alarms += gain.false_alarms;
                counts.misses -= gain.hits;
            }
            (equal[0].score, counts)
        })
    }

    /// The cut with the highest F1, the highest of equally good ones; [`BestQuality::threshold`] says where it lies.
    pub(super) fn best(&self) -> BestQuality {
        let no_alarm = Counts { misses: self.n_anomalies, ..Counts::default() }.quality();
        let mut best = BestQuality { threshold: self.gains.first().map(|gain| gain.score), quality: no_alarm };
        let mut steps = self.steps().peekable();
        while let Some((score, counts)) = steps.next() {
            let quality = counts.quality();
            if quality.f1 > best.quality.f1 {
                let threshold = steps.peek().map_or_else(|| score.next_down(), |(next, _)| *next);
                best = BestQuality { threshold: Some(threshold), quality };
            }
        }
        best
    }

    /// `Σ (R_n - R_(n-1)) P_n`; `None` without anomalies.
    pub(super) fn average_precision(&self) -> Option<f64> {
        let mut last_hits = 0;
        let mut sum = 0.0;
        for (_, Counts { hits, false_alarms, .. }) in self.steps() {
            sum += (hits - last_hits) as f64 * fraction(hits, hits + false_alarms).unwrap_or(0.0);
            last_hits = hits;
        }
        (self.n_anomalies > 0).then(|| sum / self.n_anomalies as f64)
    }

    /// The fraction of pairs of an anomalous and a normal point that are ranked right, a tie counting half; `None` without
    /// pairs. Points above no threshold come last, all tied.
    pub(super) fn area_under_roc(&self) -> Option<f64> {
        let last = Counts { hits: self.n_anomalies, false_alarms: self.n_normal, misses: 0 };
        let mut before = Counts::default();
        let mut twice_the_pairs = 0.0;
        for counts in self.steps().map(|(_, counts)| counts).chain([last]) {
            let false_alarms = counts.false_alarms - before.false_alarms;
            twice_the_pairs += false_alarms as f64 * (counts.hits + before.hits) as f64;
            before = counts;
        }
        let n_pairs = self.n_anomalies as f64 * self.n_normal as f64;
        (n_pairs > 0.0).then(|| twice_the_pairs / 2.0 / n_pairs)
    }
}

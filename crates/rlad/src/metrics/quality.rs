//! Precision, recall and F1, and the counts and fractions that they come from.

use serde::{Deserialize, Serialize};

/// Precision, recall and F1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The fraction of what was predicted that is right, in `[0, 1]`; `None` where nothing was predicted.
    pub precision: Option<f64>,
    /// The fraction of what is anomalous that was found, in `[0, 1]`; `None` where nothing is.
    pub recall: Option<f64>,
    /// The harmonic mean of the two, in `[0, 1]`; 0 where either is undefined.
    pub f1: f64,
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

/// Alarms that are right, alarms that are wrong, and anomalies that are missed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: usize,
    pub(super) false_alarms: usize,
    pub(super) misses: usize,
}

impl Counts {
    pub(super) fn quality(self) -> Quality {
        let Self { hits, false_alarms, misses } = self;
        Quality {
            precision: fraction(hits, hits + false_alarms),
            recall: fraction(hits, hits + misses),
            f1: fraction(2 * hits, 2 * hits + false_alarms + misses).unwrap_or(0.0),
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
pub(super) struct Fractions {
    pub(super) precision: Fraction,
    pub(super) recall: Fraction,
}

/// The sum of what each of `n` parts is worth, each in `[0, 1]`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fraction {
    sum: f64,
    n: usize,
}

impl Fraction {
    pub(super) fn add(&mut self, worth: f64) {
        self.sum += worth;
        self.n += 1;
    }

    pub(super) fn mean(self) -> Option<f64> {
        (self.n > 0).then(|| self.sum / self.n as f64)
    }
}

impl Fractions {
    pub(super) fn quality(self) -> Quality {
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

impl std::iter::Sum for Fractions {
    fn sum<I: Iterator<Item = Self>>(fractions: I) -> Self {
        let add = |a: Fraction, b: Fraction| Fraction { sum: a.sum + b.sum, n: a.n + b.n };
        fractions.fold(Self::default(), |a, b| Self {
            precision: add(a.precision, b.precision),
            recall: add(a.recall, b.recall),
        })
    }
}

/// A part of a whole; `None` of nothing.
pub(super) fn fraction(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean; `None` of nothing.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

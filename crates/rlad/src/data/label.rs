//! Labels, answers and truth.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::data::series::Series;
use crate::error::{Error, Result};

/// The label of a point. A point without a label is unknown, which is not the same as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Anomaly,
}

impl Label {
    /// The index of the action that is right for this label: 0 for normal, 1 for anomaly.
    #[must_use]
    pub const fn action(self) -> usize {
        match self {
            Self::Normal => 0,
            Self::Anomaly => 1,
        }
    }
}

/// A person's word for points: a [`Label`], or one of two things that are none.
///
/// An *expected* event is unusual but wanted; [`ExpectedEvents`](crate::config::ExpectedEvents) says which label it teaches. *Unknown*
/// takes back what was said before: a point without a label is unknown, which is not the same as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Annotation {
    /// Not as it should be.
    Anomaly,
    /// As it should be.
    Normal,
    /// Unusual, but wanted: an expected event.
    Expected,
    /// Without a label.
    Unknown,
}

impl Annotation {
    /// Its word: `anomaly`, `normal`, `expected` or `unknown`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anomaly => "anomaly",
            Self::Normal => "normal",
            Self::Expected => "expected",
            Self::Unknown => "unknown",
        }
    }
}

impl From<Label> for Annotation {
    fn from(label: Label) -> Self {
        match label {
            Label::Normal => Self::Normal,
            Label::Anomaly => Self::Anomaly,
        }
    }
}

/// Points of one series in a row, both ends included, with one label: a [`Label`] in an answer, an [`Annotation`] where people may say
/// more, `Option<Label>` where labels are taken away too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span<L = Label> {
    /// The first point.
    pub first: usize,
    /// The last point, at least `first`.
    pub last: usize,
    /// The label of each of them.
    pub label: L,
}

/// An expert's answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Labels of some of the points that were shown; a point answer is one span of length one. Spans do not overlap.
    Spans(Vec<Span>),
    /// The expert cannot tell. The point is not asked about again and never learned from.
    Unsure,
    /// The expert does not want to say. The point is not asked about again and never learned from.
    Skip,
}

impl Answer {
    /// Its label of a point; `None` where it does not label the point.
    #[must_use]
    pub fn label_at(&self, point: usize) -> Option<Label> {
        let Self::Spans(spans) = self else { return None };
        spans.iter().find(|span| (span.first..=span.last).contains(&point)).map(|span| span.label)
    }

    /// Refuses an answer that labels nothing, or a point twice, or one that is not `allowed`. `question` is for the error.
    ///
    /// # Errors
    /// [`Error::Answer`] with what is wrong.
    pub fn check(&self, question: u64, allowed: &Range<usize>) -> Result<()> {
        let Self::Spans(spans) = self else { return Ok(()) };
        let wrong = |problem: &str| Err(Error::Answer { question, problem: problem.to_owned() });
        if spans.is_empty() {
            return wrong("labels no point; `unsure` and `skip` say so");
        }
        let mut sorted: Vec<_> = spans.iter().collect();
        sorted.sort_by_key(|span| span.first);
        if sorted.iter().any(|span| span.first > span.last) {
            return wrong("has a span that ends before it begins");
        }
        if sorted.windows(2).any(|pair| pair[1].first <= pair[0].last) {
            return wrong("labels a point twice");
        }
        if !sorted.iter().all(|span| allowed.contains(&span.first) && allowed.contains(&span.last)) {
            return wrong("labels a point that was not asked about");
        }
        Ok(())
    }
}

/// The true labels of one series, for oracles and metrics only: nothing that learns takes this type.
///
/// A clone shares the labels, so that it costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    labels: Arc<[Option<Label>]>,
}

impl Truth {
    /// The truth of a series, one entry a point; `None` where it is unknown.
    #[must_use]
    pub fn new(labels: Vec<Option<Label>>) -> Self {
        Self { labels: labels.into() }
    }

    /// The label of each point; `None` where it is unknown.
    #[must_use]
    pub fn labels(&self) -> &[Option<Label>] {
        &self.labels
    }

    /// Refuses a series of another length.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub(crate) fn check(&self, series: &Series) -> Result<()> {
        let (n_labels, n_points) = (self.labels.len(), series.len());
        if n_labels == n_points {
            return Ok(());
        }
        let truth = format!("the truth of series `{}`", series.name());
        Err(Error::shape(truth, format!("{n_points} labels, one a point"), n_labels.to_string()))
    }

    /// The number of anomalous points.
    #[must_use]
    pub fn n_anomalies(&self) -> usize {
        self.labels.iter().filter(|label| **label == Some(Label::Anomaly)).count()
    }
}

/// The labels that experts gave to the points of one series, and the points that they would not label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    labels: BTreeMap<usize, Label>,
    declined: BTreeMap<usize, ()>,
}

impl Labels {
    /// Takes in an answer to a question about `point`. A later label of a point replaces an earlier one.
    pub fn teach(&mut self, point: usize, answer: &Answer) {
        match answer {
            Answer::Spans(spans) => {
                for span in spans {
                    for point in span.first..=span.last {
                        self.labels.insert(point, span.label);
                        self.declined.remove(&point);
                    }
                }
            }
            Answer::Unsure | Answer::Skip => {
                self.declined.insert(point, ());
                self.labels.remove(&point);
            }
        }
    }

    /// Gives a point a label, or takes away what was said of it.
    pub(crate) fn set(&mut self, point: usize, label: Option<Label>) {
        self.declined.remove(&point);
        match label {
            Some(label) => self.labels.insert(point, label),
            None => self.labels.remove(&point),
        };
    }

    /// The label of a point, where an expert gave one.
    #[must_use]
    pub fn get(&self, point: usize) -> Option<Label> {
        self.labels.get(&point).copied()
    }

    /// Whether a point may be asked about: it has no label, and no expert declined to give one.
    #[must_use]
    pub fn is_open(&self, point: usize) -> bool {
        !self.labels.contains_key(&point) && !self.declined.contains_key(&point)
    }

    /// The labelled points in time order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, Label)> + '_ {
        self.labels.iter().map(|(&point, &label)| (point, label))
    }

    /// The number of labelled points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether no point is labelled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The maximal runs of one label among labelled points, rising.
pub(crate) fn spans(labelled: impl Iterator<Item = (usize, Label)>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for (point, label) in labelled {
        match spans.last_mut() {
            Some(span) if span.label == label && span.last + 1 == point => span.last = point,
            _ => spans.push(Span { first: point, last: point, label }),
        }
    }
    spans
}

/// The maximal runs of points for which `is_anomaly` holds, in time order: the events of a series.
#[must_use]
pub fn events(is_anomaly: &[bool]) -> Vec<Range<usize>> {
    let mut events = Vec::new();
    let mut start = None;
    for (point, &anomaly) in is_anomaly.iter().enumerate() {
        match (anomaly, start) {
            (true, None) => start = Some(point),
            (false, Some(first)) => {
                events.push(first..point);
                start = None;
            }
            _ => {}
        }
    }
    events.extend(start.map(|first| first..is_anomaly.len()));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_maximal_runs() {
        assert_eq!(events(&[true, false, true, true]), [0..1, 2..4]);
        assert!(events(&[false, false]).is_empty());
        assert!(events(&[]).is_empty());
    }

    #[test]
    fn a_declined_point_is_closed_and_unlabelled() {
        let mut labels = Labels::default();
        labels.teach(3, &Answer::Unsure);
        assert!(!labels.is_open(3) && labels.is_empty());
        labels.teach(4, &Answer::Spans(vec![Span { first: 2, last: 4, label: Label::Anomaly }]));
        assert_eq!(labels.iter().map(|(point, _)| point).collect::<Vec<_>>(), [2, 3, 4]);
    }
}

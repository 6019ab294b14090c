//! Labels by series: of the data, and as a file of another tool has them.

use crate::data::label::{Annotation, Span};
use crate::data::series::Series;

/// The labels of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesLabels {
    /// The index of the series in the data.
    pub series: usize,
    /// Its spans. Where two overlap, the later one stands; [`Annotation::Unknown`] leaves points without a label.
    pub spans: Vec<Span<Annotation>>,
}

/// A stretch of a file that no point of its series lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// The name of the series.
    pub series: String,
    /// Where the stretch begins, as the file says it.
    pub from: String,
    /// Where it ends, as the file says it.
    pub to: String,
    /// Its label.
    pub label: Annotation,
}

/// The labels in a file that are of some series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The labels of the series that have any, by index; spans in time order, without overlap, neighbours of one label joined.
    pub labels: Vec<SeriesLabels>,
    /// The series (or files) that the file has labels of and the data have not, by name.
    pub unknown_series: Vec<String>,
    /// The stretches that lie between the points of their series, or before or after them: they label nothing.
    pub uncovered: Vec<Uncovered>,
}

impl Imported {
    /// The number of spans of all series.
    #[must_use]
    pub fn n_spans(&self) -> usize {
        self.labels.iter().map(|labels| labels.spans.len()).sum()
    }

    /// The number of labelled points of all series.
    #[must_use]
    pub fn n_points(&self) -> usize {
        let spans = self.labels.iter().flat_map(|labels| &labels.spans);
        spans.map(|span| span.last - span.first + 1).sum()
    }
}

/// A series and its spans in time order.
pub(super) type LabelledSeries<'a> = (&'a Series, Vec<Span<Annotation>>);

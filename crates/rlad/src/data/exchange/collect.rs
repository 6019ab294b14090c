//! Labels gathered while a file of labels is read.

use std::collections::{BTreeMap, BTreeSet};

use super::spans::Spans;
use super::{Imported, SeriesLabels, Uncovered};
use crate::data::label::{Annotation, Span};
use crate::data::series::Series;

/// The labels so far.
#[derive(Debug)]
pub(super) struct Collected<'a> {
    series: &'a [Series],
    spans: BTreeMap<usize, Spans>,
    unknown: BTreeSet<String>,
    uncovered: Vec<Uncovered>,
    /// The run of the last rows, where rows are read one by one.
    run: Run,
}

#[derive(Debug)]
enum Run {
    /// Nothing that the next row could go on with.
    None,
    /// Points of this series.
    Points(usize, Span<Annotation>),
    /// Rows of this series that are no points of it; they are the last of those that cover nothing.
    Between(usize),
}

impl<'a> Collected<'a> {
    pub(super) const fn new(series: &'a [Series]) -> Self {
        Self { series, spans: BTreeMap::new(), unknown: BTreeSet::new(), uncovered: Vec::new(), run: Run::None }
    }

    /// Labels the points of a series within two timestamps, both included. `texts` are the two as the file has them.
    pub(super) fn stretch(&mut self, series: usize, [from, to]: [i64; 2], label: Annotation, texts: [&str; 2]) {
        let timestamps = self.series[series].timestamps();
        let first = timestamps.partition_point(|&timestamp| timestamp < from);
        let behind = timestamps.partition_point(|&timestamp| timestamp <= to);
        if first < behind {
            self.paint(series, Span { first, last: behind - 1, label });
        } else {
            let [from, to] = texts.map(str::to_owned);
            self.uncovered.push(Uncovered { series: self.series[series].name().to_owned(), from, to, label });
        }
    }

    /// A row labels the point of a series at a timestamp. `text` is the timestamp as the file has it.
    pub(super) fn row_at(&mut self, series: usize, timestamp: i64, label: Annotation, text: &str) {
        let timestamps = self.series[series].timestamps();
        // It is usually the point behind that of the row before.
        let next = match self.run {
            Run::Points(of, span) if of == series => Some(span.last + 1),
            _ => None,
        };
        let next = next.filter(|&point| timestamps.get(point) == Some(&timestamp));
        match next.or_else(|| timestamps.binary_search(&timestamp).ok()) {
            Some(point) => self.row(series, point, Some(label)),
            None => self.row_between_points(series, label, text),
        }
    }

    /// A row is of a point and says its label, or that it has none.
    pub(super) fn row(&mut self, series: usize, point: usize, label: Option<Annotation>) {
        match (&mut self.run, label) {
            (Run::Points(of, span), Some(label)) if *of == series && span.label == label && span.last + 1 == point => {
                span.last = point;
            }
            (_, Some(label)) => {
                self.end_run();
                self.run = Run::Points(series, Span { first: point, last: point, label });
            }
            (_, None) => self.end_run(),
        }
    }

    /// A row labels no point; rows of one label that follow each other are told as one stretch.
    fn row_between_points(&mut self, series: usize, label: Annotation, text: &str) {
        if matches!(self.run, Run::Between(of) if of == series)
            && let Some(last) = self.uncovered.last_mut()
            && last.label == label
        {
            text.clone_into(&mut last.to);
            return;
        }
        self.end_run();
        self.run = Run::Between(series);
        let (from, to) = (text.to_owned(), text.to_owned());
        self.uncovered.push(Uncovered { series: self.series[series].name().to_owned(), from, to, label });
    }

    /// The next row begins anew.
    pub(super) fn end_run(&mut self) {
        if let Run::Points(series, span) = std::mem::replace(&mut self.run, Run::None) {
            self.paint(series, span);
        }
    }

    fn paint(&mut self, series: usize, span: Span<Annotation>) {
        self.spans.entry(series).or_default().paint(span);
    }

    /// Notes a series that the data have not.
    pub(super) fn unknown(&mut self, name: &str) {
        if !self.unknown.contains(name) {
            self.unknown.insert(name.to_owned());
        }
    }

    pub(super) fn finish(mut self) -> Imported {
        self.end_run();
        let labels =
            self.spans.into_iter().map(|(series, spans)| SeriesLabels { series, spans: spans.into_vec() }).collect();
        Imported { labels, unknown_series: self.unknown.into_iter().collect(), uncovered: self.uncovered }
    }
}

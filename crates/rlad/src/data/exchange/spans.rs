//! Spans of one series that do not overlap.

use std::collections::BTreeMap;

use crate::data::label::{Annotation, Span};

/// Spans without overlap, by their first points.
#[derive(Debug, Default)]
pub(super) struct Spans {
    by_first: BTreeMap<usize, (usize, Annotation)>,
}

impl Spans {
    /// Lays a span over those that are there.
    pub(super) fn paint(&mut self, span: Span<Annotation>) {
        let Span { first, last, label } = span;
        let before = self.by_first.range(..first).next_back().map(|(&from, &(to, old))| (from, to, old));
        if let Some((from, to, old)) = before
            && to >= first
        {
            self.by_first.insert(from, (first - 1, old));
            if to > last {
                self.by_first.insert(last + 1, (to, old));
            }
        }
        while let Some((&from, &(to, old))) = self.by_first.range(first..=last).next() {
            self.by_first.remove(&from);
            if to > last {
                self.by_first.insert(last + 1, (to, old));
            }
        }
        if label != Annotation::Unknown {
            self.by_first.insert(first, (last, label));
        }
    }

    /// The spans in time order, neighbours of one label joined.
    pub(super) fn into_vec(self) -> Vec<Span<Annotation>> {
        let mut spans: Vec<Span<Annotation>> = Vec::with_capacity(self.by_first.len());
        for (first, (last, label)) in self.by_first {
            match spans.last_mut() {
                Some(before) if before.label == label && before.last + 1 == first => before.last = last,
                _ => spans.push(Span { first, last, label }),
            }
        }
        spans
    }
}

/// The label of each point in turn, of spans in time order.
pub(super) fn labels(spans: &[Span<Annotation>]) -> impl FnMut(usize) -> Option<Annotation> + '_ {
    let mut rest = spans;
    move |point| {
        while let [span, after @ ..] = rest
            && span.last < point
        {
            rest = after;
        }
        rest.first().filter(|span| span.first <= point).map(|span| span.label)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_later_span_stands_where_two_overlap(
            given in proptest::collection::vec((0_usize..30, 0_usize..10, 0_usize..4), 0..12),
        ) {
            let all = [Annotation::Anomaly, Annotation::Normal, Annotation::Expected, Annotation::Unknown];
            let (mut spans, mut points) = (Spans::default(), [None; 40]);
            for (first, length, label) in given {
                let span = Span { first, last: first + length, label: all[label] };
                spans.paint(span);
                points[span.first..=span.last].fill((span.label != Annotation::Unknown).then_some(span.label));
            }
            let spans = spans.into_vec();
            let mut label = labels(&spans);
            for (point, want) in points.into_iter().enumerate() {
                prop_assert_eq!(label(point), want, "{}", point);
            }
            for pair in spans.windows(2) {
                prop_assert!(pair[0].last < pair[1].first);
                prop_assert!(pair[0].label != pair[1].label || pair[0].last + 1 < pair[1].first, "neighbours are joined");
            }
        }
    }
}

//! Labels of series as runs of points, for people to look at.

use std::collections::BTreeMap;

use rlad::Span;
use rlad::active::Agreement;
use rlad::data::Annotation;

/// The present labels of all series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LabelRuns {
    /// Of each series.
    pub(crate) series: Vec<Runs>,
    /// The points with a label.
    pub(crate) n_points: usize,
    /// Those of them that are anomalies.
    pub(crate) n_anomalies: usize,
    /// How often an expert gives the same answer twice.
    pub(crate) within: Agreement,
    /// How often two experts give the same answer.
    pub(crate) between: Agreement,
}

/// The labels of a series: runs that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// By their first point, the last point and the label, which is never *unknown*.
    runs: BTreeMap<usize, (usize, Annotation)>,
}

impl Runs {
    /// Labels the points of a span, over whatever was there; *unknown* takes labels away.
    pub(crate) fn paint(&mut self, span: Span<Annotation>) {
        let Span { first, last, label } = span;
        if first > last {
            return;
        }
        // What overlaps is cut back, and grown over where it is the same.
        let (mut from, mut to) = (first, last);
        let begins = self.runs.range(..=last.saturating_add(1)).rev();
        let near: Vec<(usize, usize, Annotation)> = begins
            .take_while(|(_, (end, _))| end.saturating_add(1) >= first)
            .map(|(&start, &(end, label))| (start, end, label))
            .collect();
        for (start, end, other) in near {
            self.runs.remove(&start);
            if other == label {
                (from, to) = (from.min(start), to.max(end));
                continue;
            }
            if start < first {
                self.runs.insert(start, (end.min(first - 1), other));
            }
            if end > last {
                self.runs.insert(start.max(last + 1), (end, other));
            }
        }
        if label != Annotation::Unknown {
            self.runs.insert(from, (to, label));
        }
    }

    /// The label of a point.
    pub(crate) fn get(&self, point: usize) -> Option<Annotation> {
        let (_, &(last, label)) = self.runs.range(..=point).next_back()?;
        (point <= last).then_some(label)
    }

    /// The runs in time order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Span<Annotation>> + '_ {
        self.runs.iter().map(|(&first, &(last, label))| Span { first, last, label })
    }

    /// The runs with points in `from..to`, cut to it.
    pub(crate) fn within(&self, from: usize, to: usize) -> impl Iterator<Item = Span<Annotation>> + '_ {
        let before = self.runs.range(..from).next_back();
        let runs = before.into_iter().chain(self.runs.range(from..to.max(from)));
        runs.filter(move |(_, (last, _))| *last >= from).map(move |(&first, &(last, label))| Span {
            first: first.max(from),
            last: last.min(to.saturating_sub(1)),
            label,
        })
    }

    /// The points with a label, and those of them that are anomalies.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.iter().fold((0, 0), |(all, anomalies), run| {
            let n = run.last - run.first + 1;
            (all + n, anomalies + if run.label == Annotation::Anomaly { n } else { 0 })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_is_as_painting_each_point() {
        let labels = [Annotation::Normal, Annotation::Anomaly, Annotation::Expected, Annotation::Unknown];
        let (mut runs, mut points) = (Runs::default(), [None; 40]);
        let mut seed = 7_usize;
        for _ in 0..3_000 {
            seed = (seed * 1_103_515_245 + 12_345) % (1 << 31);
            let (first, n, label) = (seed / 16 % 40, seed / 1_024 % 9, labels[seed / 65_536 % 4]);
            let last = (first + n).min(39);
            runs.paint(Span { first, last, label });
            points[first..=last].fill(Some(label).filter(|label| *label != Annotation::Unknown));
            for (point, label) in points.iter().enumerate() {
                assert_eq!(runs.get(point), *label);
            }
            let all: Vec<Span<Annotation>> = runs.iter().collect();
            assert!(all.windows(2).all(|pair| pair[1].first > pair[0].last + 1 || pair[1].label != pair[0].label));
            let labelled = points.iter().flatten();
            let n_anomalies = labelled.clone().filter(|label| **label == Annotation::Anomaly).count();
            assert_eq!(runs.counts(), (labelled.count(), n_anomalies));
            let part: usize = runs.within(10, 20).map(|run| run.last - run.first + 1).sum();
            assert_eq!(part, points[10..20].iter().flatten().count());
        }
    }
}

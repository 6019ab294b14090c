//! Labels of a series as runs of points.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a point is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mark {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Anomaly,
    /// Unusual but wanted.
    Expected,
}

/// A maximal run of points with one mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Run {
    /// The first point.
    pub(crate) first: usize,
    /// The last point.
    pub(crate) last: usize,
    /// What they are.
    pub(crate) label: Mark,
}

/// The marks of a series: runs that do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// By their first point, the last point and the mark.
    runs: BTreeMap<usize, (usize, Mark)>,
}

impl Runs {
    /// Marks the points `first..=last`, over whatever was there; `None` takes marks away.
    pub(crate) fn paint(&mut self, first: usize, last: usize, mark: Option<Mark>) {
        if first > last {
            return;
        }
        // What overlaps is cut back, and grown over where it is the same.
        let (mut from, mut to) = (first, last);
        let begins = self.runs.range(..=last.saturating_add(1)).rev();
        let near: Vec<(usize, usize, Mark)> = begins
            .take_while(|(_, (end, _))| end.saturating_add(1) >= first)
            .map(|(&start, &(end, mark))| (start, end, mark))
            .collect();
        for (start, end, other) in near {
            self.runs.remove(&start);
            if Some(other) == mark {
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
        if let Some(mark) = mark {
            self.runs.insert(from, (to, mark));
        }
    }

    /// The mark of a point.
    pub(crate) fn get(&self, point: usize) -> Option<Mark> {
        let (_, &(last, mark)) = self.runs.range(..=point).next_back()?;
        (point <= last).then_some(mark)
    }

    /// The runs in time order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().map(|(&first, &(last, label))| Run { first, last, label })
    }

    /// The runs with points in `from..to`, cut to it.
    pub(crate) fn within(&self, from: usize, to: usize) -> impl Iterator<Item = Run> + '_ {
        let before = self.runs.range(..from).next_back();
        let runs = before.into_iter().chain(self.runs.range(from..to.max(from)));
        runs.filter(move |(_, (last, _))| *last >= from).map(move |(&first, &(last, label))| Run {
            first: first.max(from),
            last: last.min(to.saturating_sub(1)),
            label,
        })
    }

    /// The points with a mark, and those of them that are anomalies.
    pub(crate) fn counts(&self) -> (usize, usize) {
        self.iter().fold((0, 0), |(all, anomalies), run| {
            let n = run.last - run.first + 1;
            (all + n, anomalies + if run.label == Mark::Anomaly { n } else { 0 })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn painting_is_as_painting_each_point() {
        let marks = [Some(Mark::Normal), Some(Mark::Anomaly), Some(Mark::Expected), None];
        let (mut runs, mut points) = (Runs::default(), [None; 40]);
        let mut seed = 7_usize;
        for _ in 0..3_000 {
            seed = (seed * 1_103_515_245 + 12_345) % (1 << 31);
            let (first, n, mark) = (seed / 16 % 40, seed / 1_024 % 9, marks[seed / 65_536 % 4]);
            let last = (first + n).min(39);
            runs.paint(first, last, mark);
            points[first..=last].fill(mark);
            for (point, mark) in points.iter().enumerate() {
                assert_eq!(runs.get(point), *mark);
            }
            let all: Vec<Run> = runs.iter().collect();
            assert!(all.windows(2).all(|pair| pair[1].first > pair[0].last + 1 || pair[1].label != pair[0].label));
            let marked = points.iter().flatten();
            assert_eq!(runs.counts(), (marked.clone().count(), marked.filter(|mark| **mark == Mark::Anomaly).count()));
            let part: usize = runs.within(10, 20).map(|run| run.last - run.first + 1).sum();
            assert_eq!(part, points[10..20].iter().flatten().count());
        }
    }
}

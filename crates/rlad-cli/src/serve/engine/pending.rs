//! Points that are safe in the journal and wait to be scored, so that no request waits for the scores of another one.

use std::collections::VecDeque;

use super::super::intake::Point;
use super::Engine;

/// The points, by the journal records that they are of.
#[derive(Debug, Default)]
pub(super) struct Pending {
    records: VecDeque<(u64, VecDeque<(u32, Point)>)>,
    n: usize,
}

impl Pending {
    pub(super) fn add(&mut self, number: u64, points: Vec<(u32, Point)>) {
        if !points.is_empty() {
            self.n += points.len();
            self.records.push_back((number, points.into()));
        }
    }

    /// The oldest points, at most `n`, with the number of the first one's record.
    fn take(&mut self, n: usize) -> Option<(u64, Vec<(u32, Point)>)> {
        let number = self.first()?;
        let mut taken = Vec::with_capacity(n.min(self.n));
        while let Some((_, points)) = self.records.front_mut().filter(|_| taken.len() < n) {
            taken.extend(points.drain(..points.len().min(n - taken.len())));
            if points.is_empty() {
                self.records.pop_front();
            }
        }
        self.n -= taken.len();
        Some((number, taken))
    }

    /// The number of the oldest record with points.
    pub(super) fn first(&self) -> Option<u64> {
        self.records.front().map(|(number, _)| *number)
    }
}

impl Engine {
    /// How many points wait to be scored.
    pub(crate) const fn n_pending(&self) -> usize {
        self.pending.n
    }

    /// Scores the oldest points that wait, at most `n`.
    ///
    /// # Errors
    /// If a point cannot be kept, or a score be told.
    pub(crate) fn score_pending(&mut self, n: usize) -> anyhow::Result<()> {
        match self.pending.take(n) {
            Some((number, points)) => self.score(points, number),
            None => Ok(()),
        }
    }

    /// Scores all points that wait.
    ///
    /// # Errors
    /// As of [`Self::score_pending`].
    pub(crate) fn catch_up(&mut self) -> anyhow::Result<()> {
        self.score_pending(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_leave_in_their_order_over_the_borders_of_records() {
        let point = |at: i64| (at as u32, Point { at, value: 0.5 });
        let mut pending = Pending::default();
        pending.add(7, vec![point(1), point(2), point(3)]);
        pending.add(8, Vec::new());
        pending.add(9, vec![point(4), point(5)]);
        assert_eq!((pending.n, pending.first()), (5, Some(7)));
        assert_eq!(pending.take(2), Some((7, vec![point(1), point(2)])));
        assert_eq!((pending.n, pending.first()), (3, Some(7)), "a record is told once all of it is scored");
        assert_eq!(pending.take(2), Some((7, vec![point(3), point(4)])));
        assert_eq!(pending.take(usize::MAX), Some((9, vec![point(5)])));
        assert_eq!((pending.n, pending.first(), pending.take(1)), (0, None, None));
    }
}

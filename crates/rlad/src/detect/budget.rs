//! A budget of events a week, which raises the score that an event must have to be opened.

use std::collections::VecDeque;

use crate::archive::{Archive, Misfit};
use crate::data::series::NANOS_PER_WEEK;

/// A budget of `n` events in any window of time: a week, or longer where it is less than one a week.
///
/// A *candidate* is what would open an event without a budget. It opens one if fewer than `n` were opened in the window that ends at
/// it, and if its score is above the n-th highest peak of the candidates before it in that window, whether these opened an event
/// or not. So a window never has more than `n` events, and the first trifles do not use it up where much comes close to the threshold.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    n: usize,
    window: i64,
    /// When the last events were opened, at most `n`.
    opened: VecDeque<i64>,
    /// The peaks of candidates in time order, but for those below `n` later ones.
    peaks: VecDeque<Peak>,
    /// The candidate that goes on.
    candidate: Option<(i64, f64)>,
}

#[derive(Clone, Copy, Debug)]
struct Peak {
    timestamp: i64,
    score: f64,
    /// Later peaks that are at least as high.
    n_above: usize,
}

impl Budget {
    /// `events_per_week`: above 0. Where it is no whole number, it is the next lower one (at least 1) in a window of as many weeks as
    /// that gives the rate.
    pub(super) fn new(events_per_week: f64) -> Self {
        let n = events_per_week.floor().max(1.0);
        let window = (n / events_per_week * NANOS_PER_WEEK as f64) as i64;
        Self { n: n as usize, window, opened: VecDeque::new(), peaks: VecDeque::new(), candidate: None }
    }

    /// Takes over what another budget counted so far, whose size may be another. One that is larger than that was does not know the peaks
    /// that were too low for it.
    pub(super) fn go_on_from(&mut self, before: Self) {
        (self.opened, self.peaks, self.candidate) = (before.opened, before.peaks, before.candidate);
    }

    /// The memory that it takes on the heap, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.opened.capacity() * size_of::<i64>() + self.peaks.capacity() * size_of::<Peak>()
    }

    /// What it counted so far; its size is no part of the bytes.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        let n_opened = archive.len(self.opened.len())?;
        self.opened.resize(n_opened, 0);
        self.opened.iter_mut().try_for_each(|opened| archive.i64(opened))?;
        let n_peaks = archive.len(self.peaks.len())?;
        self.peaks.resize(n_peaks, Peak { timestamp: 0, score: 0.0, n_above: 0 });
        for peak in &mut self.peaks {
            archive.i64(&mut peak.timestamp)?;
            archive.f64(&mut peak.score)?;
            let mut n_above = peak.n_above as u64;
            archive.u64(&mut n_above)?;
            peak.n_above = usize::try_from(n_above).map_err(|_| Misfit("a smaller number"))?;
        }
        archive.option(&mut self.candidate, Default::default, |(timestamp, peak), archive| {
            archive.i64(timestamp)?;
            archive.f64(peak)
        })
    }

    /// Whether a candidate may open an event at a point, whose score is part of its peak from then on.
    pub(super) fn opens(&mut self, timestamp: i64, score: f64) -> bool {
        let begin = timestamp.saturating_sub(self.window);
        while self.opened.front().is_some_and(|&opened| opened <= begin) {
            self.opened.pop_front();
        }
        while self.peaks.front().is_some_and(|peak| peak.timestamp <= begin) {
            self.peaks.pop_front();
        }
        let opens = self.opened.len() < self.n && self.nth_highest().is_none_or(|peak| score > peak);
        if opens {
            self.opened.push_back(timestamp);
        }
        self.follow(timestamp, score);
        opens
    }

    /// Whether a candidate goes on.
    pub(super) const fn has_candidate(&self) -> bool {
        self.candidate.is_some()
    }

    /// Takes in a further point of the candidate.
    pub(super) fn follow(&mut self, timestamp: i64, score: f64) {
        let peak = self.candidate.map_or(score, |(_, peak)| peak.max(score));
        self.candidate = Some((timestamp, peak));
    }

    /// Ends the candidate, if there is one.
    pub(super) fn end(&mut self) {
        let Some((timestamp, score)) = self.candidate.take() else { return };
        for peak in &mut self.peaks {
            peak.n_above = peak.n_above.saturating_add(usize::from(score >= peak.score));
        }
        self.peaks.retain(|peak| peak.n_above < self.n);
        self.peaks.push_back(Peak { timestamp, score, n_above: 0 });
    }

    /// The n-th highest peak before the candidate, where there are as many.
    fn nth_highest(&self) -> Option<f64> {
        let mut scores: Vec<f64> = self.peaks.iter().map(|peak| peak.score).collect();
        (scores.len() >= self.n).then(|| *scores.select_nth_unstable_by(self.n - 1, |a, b| b.total_cmp(a)).1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = crate::data::series::NANOS_PER_DAY;

    /// Which candidates of one point, each with its day, open an event.
    fn opened(per_week: f64, candidates: &[(i64, f64)]) -> Vec<bool> {
        let mut budget = Budget::new(per_week);
        let open = |&(day, score): &(i64, f64)| {
            let opens = budget.opens(day * DAY, score);
            budget.end();
            opens
        };
        candidates.iter().map(open).collect()
    }

    #[test]
    fn a_candidate_must_be_among_the_highest_of_its_week() {
        // The third is below the second highest; the fourth is above it, but two were opened; at day 7 the first is forgotten.
        let got = opened(2.0, &[(0, 1.0), (1, 2.0), (2, 0.5), (3, 9.0), (7, 3.0), (7, 1.5)]);
        assert_eq!(got, [true, true, false, false, true, false]);
    }

    #[test]
    fn less_than_one_a_week_is_one_in_several_weeks() {
        let got = opened(0.5, &[(0, 1.0), (7, 2.0), (13, 3.0), (14, 2.5), (28, 1.0)]);
        // Day 14: the first is two weeks old, but there were higher ones since.
        assert_eq!(got, [true, false, false, false, true]);
    }

    #[test]
    fn a_candidate_that_rises_opens_late() {
        let mut budget = Budget::new(1.0);
        assert!(budget.opens(0, 2.0));
        budget.follow(1, 5.0);
        budget.end();
        let later = 7 * DAY + 1;
        assert!(!budget.opens(later - 1, 4.0), "the peak of the first was a week ago at the next point only");
        assert!(budget.opens(later, 4.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_window_has_more_events_than_the_budget(
            passed in proptest::collection::vec(0..5_i64, 1..200),
            scores in proptest::collection::vec(0..50_u8, 200),
            n in 1..6_u8,
        ) {
            let mut day = 0;
            let candidates: Vec<(i64, f64)> =
                passed.iter().zip(&scores).map(|(passed, score)| { day += passed; (day, f64::from(*score)) }).collect();
            let got = opened(f64::from(n), &candidates);
            for (at, &(day, score)) in candidates.iter().enumerate() {
                let recent = || (0..at).filter(|&other| day - candidates[other].0 < 7);
                let n_opened = recent().filter(|&other| got[other]).count();
                // The definition, without what is forgotten early.
                let n_higher = recent().filter(|&other| candidates[other].1 >= score).count();
                let n = usize::from(n);
                prop_assert_eq!(got[at], n_opened < n && n_higher < n, "{} of {:?}", at, candidates);
            }
        }
    }
}

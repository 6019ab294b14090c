//! Distributions of a series that goes on with those of another model.

use std::sync::Arc;

use super::own::OwnCounts;
use super::{Counts, Ecdfs, Edges, Memory, N_BINS};

impl Ecdfs {
    /// These, which no point was counted in, for a series that goes on. `before`: those so far, of a series of the same features.
    /// `is_fitted`: whether these were fitted to the series; the points that were counted before are in them then, and
    /// go on counting only where the fit is the same.
    pub(crate) fn going_on_from(self, before: Self, is_fitted: bool) -> Self {
        let (
            Counts::Running { prior, memory, .. },
            Counts::Running { prior: prior_before, own, memory: Memory { prior_weight, n_own, n_rare, .. } },
        ) = (&self.counts, before.counts)
        else {
            return self;
        };
        let memory = Memory { prior_weight, n_own, n_rare, ..*memory };
        let has_same_edges = Arc::ptr_eq(&self.edges, &before.edges) || self.edges == before.edges;
        let own = match (is_fitted, has_same_edges) {
            (true, true) if *prior == prior_before => own,
            (true, _) => return self,
            (false, true) => own,
            (false, false) if self.edges.values.len() != before.edges.values.len() => return self,
            (false, false) => dealt_out(&own, &before.edges, &self.edges),
        };
        Self { counts: Counts::Running { prior: prior.clone(), own, memory }, edges: self.edges }
    }
}

/// Counts in bins with other edges: the points of a bin lie evenly between its edges, those of the first and of the last bin at its one
/// edge. As many points of each feature as before, unless a bin is too full: then all are halved.
fn dealt_out(own: &OwnCounts, before: &Edges, after: &Edges) -> OwnCounts {
    const N_EDGES: usize = N_BINS - 1;
    let edges = before.values.as_chunks::<N_EDGES>().0.iter().zip(after.values.as_chunks::<N_EDGES>().0);
    let of_feature = |(counts, (before, after)): ([u16; N_BINS], (&[f32; N_EDGES], &[f32; N_EDGES]))| {
        let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        // The points up to each of the new edges, rounded, so that the sum stays.
        let up_to = |edge: f32| {
            let bin = before.partition_point(|before| *before < edge);
            let whole: u64 = counts[..bin].iter().map(|count| u64::from(*count)).sum();
            let part = match (bin.checked_sub(1).map(|below| before[below]), before.get(bin)) {
                // Before the first edge: its points lie at the edge itself.
                (None, Some(first)) => {
                    if edge >= *first {
                        1.0
                    } else {
                        0.0
                    }
                }
                // After the last edge: its points lie right after it.
                (_, None) => 1.0,
                (Some(low), Some(high)) => f64::from(edge - low) / f64::from(high - low),
            };
            whole + (part * f64::from(counts[bin])).round() as u64
        };
        let mut ends: Vec<u64> = after.iter().map(|edge| up_to(*edge).min(total)).collect();
        ends.push(total);
        let mut begin = 0;
        let mut dealt: Vec<u64> = ends.into_iter().map(|end| end - std::mem::replace(&mut begin, end)).collect();
        while dealt.iter().any(|count| *count > u64::from(u16::MAX)) {
            dealt.iter_mut().for_each(|count| *count /= 2);
        }
        std::array::from_fn(|bin| u16::try_from(dealt[bin]).unwrap_or(u16::MAX))
    };
    let dealt: Vec<[u16; N_BINS]> = own.iter().zip(edges).map(of_feature).collect();
    OwnCounts::of(&dealt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::LearningOn;
    use super::*;

    /// Edges of one feature, as many steps apart.
    fn edges(first: f32, step: f32) -> Edges {
        Edges { values: (0..N_BINS - 1).map(|i| first + i as f32 * step).collect(), n_channels: 1 }
    }

    fn counts(in_bins: &[(usize, u16)]) -> OwnCounts {
        let mut counts = [0; N_BINS];
        in_bins.iter().for_each(|&(bin, count)| counts[bin] = count);
        OwnCounts::of(&[counts])
    }

    #[test]
    fn points_are_dealt_out_in_proportion_by_hand() {
        let own = counts(&[(0, 3), (1, 8), (2, 2), (31, 5)]);
        // Edges 0, 1, 2, …, 30 become 0.5, 1.5, …, 30.5: of the 8 points in (0, 1] four lie up to 0.5, with the 3 at 0.
        let got = dealt_out(&own, &edges(0.0, 1.0), &edges(0.5, 1.0));
        assert_eq!(got, counts(&[(0, 7), (1, 5), (2, 1), (30, 5)]));
        assert_eq!(dealt_out(&own, &edges(0.0, 1.0), &edges(0.0, 1.0)), own);
        // All below the first of the new edges, or after the last one.
        assert_eq!(dealt_out(&own, &edges(0.0, 1.0), &edges(100.0, 1.0)), counts(&[(0, 18)]));
        assert_eq!(dealt_out(&own, &edges(0.0, 1.0), &edges(-100.0, 1.0)), counts(&[(31, 18)]));
        // More than a bin holds.
        let full = counts(&[(3, 60_000), (4, 20_000)]);
        assert_eq!(dealt_out(&full, &edges(0.0, 1.0), &edges(100.0, 1.0)), counts(&[(0, 40_000)]));
    }

    #[test]
    fn a_fit_that_is_new_begins_anew_and_the_same_one_goes_on() {
        let rows = [0.1, 0.2, 0.7, 1.5, 2.5];
        let learning_on = LearningOn { n_remembered: 100, n_to_absorb: 0 };
        let fitted = |rows: &[f32]| Ecdfs::fit(Arc::new(edges(0.0, 0.1)), rows).that_learn_on(learning_on, 4.0);
        let mut before = fitted(&rows);
        before.push_next(&[0.4], &mut Vec::new());
        assert_eq!(fitted(&rows).going_on_from(before.clone(), true), before);
        let other = fitted(&rows[..3]);
        assert_eq!(other.clone().going_on_from(before.clone(), true), other);
        // Of a series that is known to neither model, what was counted goes on.
        assert_ne!(other.clone().going_on_from(before.clone(), false), other);
        let frozen = Ecdfs::fit(Arc::new(edges(0.0, 0.1)), &rows);
        assert_eq!(frozen.clone().going_on_from(before, true), frozen);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_point_is_lost(
            own in prop::collection::vec(0_u16..1_000, N_BINS),
            mut before in prop::collection::vec(-10.0_f32..10.0, N_BINS - 1),
            mut after in prop::collection::vec(-10.0_f32..10.0, N_BINS - 1),
        ) {
            before.sort_by(f32::total_cmp);
            after.sort_by(f32::total_cmp);
            let edges = |values| Edges { values, n_channels: 1 };
            let own = OwnCounts::of(own.as_chunks::<N_BINS>().0);
            let got = dealt_out(&own, &edges(before.clone()), &edges(after));
            let n = |counts: &OwnCounts| counts.iter().flatten().map(u32::from).sum::<u32>();
            prop_assert_eq!(n(&got), n(&own));
            prop_assert_eq!(dealt_out(&own, &edges(before.clone()), &edges(before)), own);
        }
    }
}

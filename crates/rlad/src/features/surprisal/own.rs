//! The points of a series' own in each bin, in little memory.

use std::ops::Range;

use super::N_BINS;
use crate::archive::{Archive, Misfit};

/// The points in each bin of each feature, up to 65,535: a byte a bin, and a second one where a bin has more than it holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OwnCounts {
    /// Shape `[n_features, N_BINS]`.
    low: Box<[u8]>,
    /// The bins of each feature that have a second byte, one bit a bin; shape `[n_features]`.
    is_wide: Box<[u32]>,
    /// The second bytes, one after the other.
    high: Vec<u8>,
}

impl OwnCounts {
    /// No points yet.
    pub(super) fn new(n_features: usize) -> Self {
        Self { low: vec![0; n_features * N_BINS].into(), is_wide: vec![0; n_features].into(), high: Vec::new() }
    }

    pub(super) fn of(counts: &[[u16; N_BINS]]) -> Self {
        let mut own = Self::new(counts.len());
        let all = counts.as_flattened();
        let wide = || all.iter().filter(|count| **count > u16::from(u8::MAX));
        own.high = Vec::with_capacity(wide().count());
        own.high.extend(wide().map(|count| (count >> 8) as u8));
        own.low.iter_mut().zip(all).for_each(|(low, count)| *low = *count as u8);
        for (is_wide, counts) in own.is_wide.iter_mut().zip(counts) {
            let bits = counts.iter().enumerate().map(|(bin, count)| u32::from(*count > u16::from(u8::MAX)) << bin);
            *is_wide = bits.sum();
        }
        own
    }

    /// The counts of each feature.
    pub(super) fn iter(&self) -> impl Iterator<Item = [u16; N_BINS]> {
        let mut high = self.high.iter();
        self.low.as_chunks::<N_BINS>().0.iter().zip(&self.is_wide).map(move |(low, &is_wide)| {
            let mut counts = low.map(u16::from);
            let mut left = is_wide;
            while left != 0 {
                counts[left.trailing_zeros() as usize] |= u16::from(high.next().copied().unwrap_or(0)) << 8;
                left &= left - 1;
            }
            counts
        })
    }

    /// Counts a point that lies in one bin of each feature. Where a bin is full, all of its feature are halved first: what is long ago fades.
    pub(super) fn count(&mut self, bins: impl Iterator<Item = usize>) {
        let mut n_high_before = 0;
        for (feature, bin) in bins.enumerate() {
            let place = |is_wide: u32| n_high_before + (is_wide & ((1 << bin) - 1)).count_ones() as usize;
            let is_wide = |own: &Self| own.is_wide[feature] >> bin & 1 == 1;
            let at = feature * N_BINS + bin;
            if is_wide(self) && (self.low[at], self.high[place(self.is_wide[feature])]) == (u8::MAX, u8::MAX) {
                self.halve(feature..feature + 1);
            }
            self.low[at] = self.low[at].wrapping_add(1);
            if self.low[at] == 0 {
                let place = place(self.is_wide[feature]);
                if is_wide(self) {
                    self.high[place] += 1;
                } else {
                    self.high.reserve_exact(1);
                    self.high.insert(place, 1);
                    self.is_wide[feature] |= 1 << bin;
                }
            }
            n_high_before += self.is_wide[feature].count_ones() as usize;
        }
    }

    /// Halves the counts of all features.
    pub(super) fn halve_all(&mut self) {
        self.halve(0..self.is_wide.len());
    }

    fn halve(&mut self, features: Range<usize>) {
        let mut counts: Vec<[u16; N_BINS]> = self.iter().collect();
        counts[features].as_flattened_mut().iter_mut().for_each(|count| *count /= 2);
        *self = Self::of(&counts);
    }

    /// The memory that it takes on the heap, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.low.len() + size_of_val(&*self.is_wide) + self.high.capacity()
    }

    /// The counts, most of them in one byte.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        let mut counts: Vec<[u16; N_BINS]> = self.iter().collect();
        for count in counts.as_flattened_mut() {
            let mut wide = u64::from(*count);
            archive.u64(&mut wide)?;
            *count = u16::try_from(wide).map_err(|_| Misfit("a number of 16 bits"))?;
        }
        if archive.is_read() {
            *self = Self::of(&counts);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn they_count_as_numbers_of_16_bits(
            begin in prop::collection::vec(prop_oneof![0..3_u16, 250..260_u16, 65_530..=65_535_u16], 3 * N_BINS),
            points in prop::collection::vec([0..4_usize, 0..2_usize, 30..N_BINS], 1..60),
            halve_at in 0..120_usize,
        ) {
            let mut want: Vec<[u16; N_BINS]> = begin.as_chunks::<N_BINS>().0.to_vec();
            let mut own = OwnCounts::of(&want);
            for (at, point) in points.into_iter().enumerate() {
                if at == halve_at {
                    own.halve_all();
                    want.as_flattened_mut().iter_mut().for_each(|count| *count /= 2);
                }
                own.count(point.into_iter());
                for (counts, bin) in want.iter_mut().zip(point) {
                    if counts[bin] == u16::MAX {
                        counts.iter_mut().for_each(|count| *count /= 2);
                    }
                    counts[bin] += 1;
                }
                prop_assert_eq!(own.iter().collect::<Vec<_>>(), want.clone());
            }
            let mut archive = Archive::Out(Vec::new());
            own.clone().archive(&mut archive).unwrap();
            let Archive::Out(bytes) = archive else { unreachable!("it is written") };
            let mut read = OwnCounts::new(3);
            read.archive(&mut Archive::In(&bytes)).unwrap();
            prop_assert_eq!(&read, &own);
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn a_bin_of_few_points_takes_one_byte() {
        let mut own = OwnCounts::new(2);
        let empty = own.heap_bytes();
        assert_eq!(empty, 2 * (N_BINS + 4));
        (0..255).for_each(|_| own.count([5, 6].into_iter()));
        assert_eq!(own.heap_bytes(), empty);
        own.count([5, 7].into_iter());
        assert_eq!(own.heap_bytes(), empty + 1, "one bin has 256");
    }
}

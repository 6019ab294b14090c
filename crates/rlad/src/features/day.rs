//! The last day of a channel, in blocks of an hour.

use serde::{Deserialize, Serialize};

use super::trailing::Summary;
use crate::archive::{Archive, Misfit};

/// The number of blocks in a day.
const N_BLOCKS: usize = 24;

/// The last day of a channel in blocks of an hour.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Day {
    n_slots: i64,
    newest: i64,
    blocks: Box<[Block]>,
    /// The sums of all blocks but the newest, made at the first question for them.
    #[serde(skip)]
    others: Option<Others>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Block {
    n: f32,
    mean: f32,
    squares: f32,
    min: f32,
    max: f32,
}

/// The blocks before the newest, which stay as they are until the next one begins.
#[derive(Clone, Copy, Debug)]
struct Others {
    n_blocks: usize,
    n: f64,
    mean: f64,
    squares: f64,
    min: f64,
    max: f64,
    /// The blocks' means around the middle: with a mean more, those of the two middle places are each between two of these.
    around: [(f32, f32); 2],
}

impl Day {
    /// A day of `n_slots` slots, at least [`N_BLOCKS`].
    pub(super) fn new(n_slots: i64) -> Self {
        Self { n_slots, newest: i64::MIN, blocks: vec![Block::default(); N_BLOCKS].into(), others: None }
    }

    /// Forgets what is a day old at a slot.
    pub(super) fn advance(&mut self, slot: i64) {
        let block = match slot.checked_mul(N_BLOCKS as i64) {
            Some(blocks) => blocks.div_euclid(self.n_slots),
            None => (i128::from(slot) * N_BLOCKS as i128).div_euclid(i128::from(self.n_slots)) as i64,
        };
        if block <= self.newest {
            return;
        }
        let passed = block.saturating_sub(self.newest).min(N_BLOCKS as i64);
        for back in 0..passed {
            self.blocks[(block - back).rem_euclid(N_BLOCKS as i64) as usize] = Block::default();
        }
        self.newest = block;
        self.others = None;
    }

    /// The last day, with the median of its blocks' means for its median.
    pub(super) fn summary(&mut self) -> Option<Summary> {
        let newest = self.position();
        let others = *self.others.get_or_insert_with(|| Others::of(&self.blocks, newest));
        let block = self.blocks[newest];
        if block.n == 0.0 {
            return others.alone();
        }
        let n = others.n + f64::from(block.n);
        let distance = f64::from(block.mean) - others.mean;
        let fraction = f64::from(block.n) / n;
        let place = |(below, above): (f32, f32)| f64::from(block.mean.min(above).max(below));
        Some(Summary {
            n,
            median: f64::midpoint(place(others.around[0]), place(others.around[1])),
            mean: others.mean + distance * fraction,
            squares: others.squares + f64::from(block.squares) + distance * distance * others.n * fraction,
            min: others.min.min(f64::from(block.min)),
            max: others.max.max(f64::from(block.max)),
        })
    }

    fn position(&self) -> usize {
        self.newest.rem_euclid(N_BLOCKS as i64) as usize
    }

    /// Adds a value to the newest block.
    pub(super) fn push(&mut self, value: f32) {
        let newest = self.position();
        let block = &mut self.blocks[newest];
        if block.n == 0.0 {
            *block = Block { n: 1.0, mean: value, squares: 0.0, min: value, max: value };
            return;
        }
        let deviation = f64::from(value) - f64::from(block.mean);
        block.n += 1.0;
        block.mean = (f64::from(block.mean) + deviation / f64::from(block.n)) as f32;
        let squares = f64::from(block.squares) + deviation * (f64::from(value) - f64::from(block.mean));
        block.squares = squares.min(f64::from(f32::MAX)) as f32;
        block.min = block.min.min(value);
        block.max = block.max.max(value);
    }

    /// Moves the origin that values are measured from.
    pub(super) fn shift(&mut self, by: f64) {
        for block in self.blocks.iter_mut().filter(|block| block.n > 0.0) {
            for value in [&mut block.mean, &mut block.min, &mut block.max] {
                *value = (f64::from(*value) - by) as f32;
            }
        }
        self.others = None;
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.blocks)
    }

    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.i64(&mut self.newest)?;
        for block in &mut self.blocks {
            let mut n = block.n as u32;
            archive.u32(&mut n)?;
            block.n = n as f32;
            if n > 0 {
                for number in [&mut block.mean, &mut block.squares, &mut block.min, &mut block.max] {
                    archive.f32(number)?;
                }
            }
        }
        self.others = None;
        Ok(())
    }
}

impl Others {
    fn of(blocks: &[Block], newest: usize) -> Self {
        let others =
            || blocks.iter().enumerate().filter(|(at, block)| *at != newest && block.n > 0.0).map(|(_, block)| block);
        let (mut n, mut total, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        let (mut means, mut n_blocks) = ([f32::INFINITY; N_BLOCKS], 0);
        for block in others() {
            means[n_blocks] = block.mean;
            n_blocks += 1;
            n += f64::from(block.n);
            total += f64::from(block.n) * f64::from(block.mean);
            min = min.min(f64::from(block.min));
            max = max.max(f64::from(block.max));
        }
        let mean = if n > 0.0 { total / n } else { 0.0 };
        let squares =
            |block: &Block| f64::from(block.squares) + f64::from(block.n) * (f64::from(block.mean) - mean).powi(2);
        means.sort_unstable_by(f32::total_cmp);
        let between = |place: usize| (if place == 0 { f32::NEG_INFINITY } else { means[place - 1] }, means[place]);
        let around = [between(n_blocks / 2), between(n_blocks.div_ceil(2))];
        Self { n_blocks, n, mean, squares: others().map(squares).sum(), min, max, around }
    }

    /// The day while its newest block is empty.
    fn alone(&self) -> Option<Summary> {
        let Self { n_blocks, n, mean, squares, min, max, around: [(below, above), _] } = *self;
        let lower = if n_blocks.is_multiple_of(2) { below } else { above };
        let median = f64::midpoint(f64::from(lower), f64::from(above));
        (n_blocks > 0).then_some(Summary { n, median, mean, squares, min, max })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a median is one of its values, or half-way between two")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_day_is_that_of_the_definition(points in proptest::collection::vec((0..9_i64, -1e3..1e3_f32), 1..300)) {
            let mut day = Day::new(96);
            let mut slot = -50;
            // Block and value.
            let mut kept: Vec<(i64, f32)> = Vec::new();
            for (passed, value) in points {
                slot += passed;
                let block = slot.div_euclid(4);
                day.advance(slot);
                let of_day: Vec<(i64, f64)> =
                    kept.iter().filter(|(other, _)| block - other < 24).map(|&(other, value)| (other, value.into())).collect();
                let Some(got) = day.summary() else {
                    prop_assert!(of_day.is_empty());
                    day.push(value);
                    kept.push((block, value));
                    continue;
                };
                let n = of_day.len() as f64;
                let mean = of_day.iter().map(|(_, value)| value).sum::<f64>() / n;
                let squares = of_day.iter().map(|(_, value)| (value - mean).powi(2)).sum::<f64>();
                let ends = of_day.iter().fold((f64::MAX, f64::MIN), |(min, max), &(_, v)| (v.min(min), v.max(max)));
                prop_assert_eq!((got.n, got.min, got.max), (n, ends.0, ends.1));
                prop_assert!((got.mean - mean).abs() < 1e-3, "{} {mean}", got.mean);
                prop_assert!((got.squares - squares).abs() <= 1e-4 * squares + 1e-3, "{} {squares}", got.squares);
                let mut means: Vec<f32> = day.blocks.iter().filter(|block| block.n > 0.0).map(|block| block.mean).collect();
                means.sort_by(f32::total_cmp);
                let middle = [means[(means.len() - 1) / 2], means[means.len() / 2]].map(f64::from);
                prop_assert_eq!(got.median, f64::midpoint(middle[0], middle[1]));
                day.push(value);
                kept.push((block, value));
            }
        }
    }
}

//! Trailing windows: the last points of a channel, exact.

use serde::{Deserialize, Serialize};

use super::feature::MAX_POINTS;
use crate::archive::{Archive, Misfit};
use crate::models::matrix::{Kernel, vectorised};

/// The summary of a trailing window: the values before the point, not the point itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) n: f64,
    pub(super) median: f64,
    pub(super) mean: f64,
    /// The sum of squared deviations from the mean.
    pub(super) squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

/// The fewest values that are held, so that a few outliers do not make their median.
const LEAST: u8 = 15;

/// The last values of a channel, with windows of several lengths kept in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recent {
    /// A ring; it grows up to `capacity`.
    values: Vec<f32>,
    capacity: u8,
    /// Where the next value goes.
    next: u8,
    windows: Box<[Window]>,
    /// Of each window, room for its points: positions in the ring, in ascending order of their values.
    orders: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Window {
    n_points: u8,
    /// The points so far.
    n: u8,
}

impl Recent {
    /// Windows of `lengths`, each in `1..=240`, and values as far back as `reach`.
    pub(super) fn new(lengths: &[u8], reach: u8) -> Self {
        let capacity = lengths.iter().copied().fold(reach.max(LEAST), u8::max);
        let windows = lengths.iter().map(|&n_points| Window { n_points, n: 0 }).collect();
        let orders = vec![0; lengths.iter().copied().map(usize::from).sum()].into();
        Self { values: Vec::with_capacity(usize::from(capacity)), capacity, next: 0, windows, orders }
    }

    /// Which of the windows has a length.
    pub(super) fn index(&self, length: u8) -> Option<usize> {
        self.windows.iter().position(|window| window.n_points == length)
    }

    /// The windows of `lengths[first..]`, each as its points in the order of their values.
    fn ordered(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.orders;
        let of_window = move |window: &Window| {
            let (room, after) = rest.split_at(usize::from(window.n_points));
            rest = after;
            &room[..usize::from(window.n)]
        };
        self.windows.iter().map(of_window).skip(first)
    }

    /// The value `lag` values ago: 1 is the last one.
    pub(super) fn back(&self, lag: u8) -> Option<f64> {
        (usize::from(lag) <= self.values.len()).then(|| f64::from(self.values[self.position(lag)]))
    }

    /// Where the value `lag` values ago is, of at least as many.
    fn position(&self, lag: u8) -> usize {
        position(usize::from(self.next), self.values.len(), usize::from(lag))
    }

    /// All values that are held, in the order of their time: a kilobyte, inlined so that it is made where it stays.
    #[inline(always)]
    pub(super) fn line(&self) -> Line {
        let mut line = Line([0.0; LINE]);
        let (newer, older) = self.values.split_at(usize::from(self.next));
        let (before, last) = line.0.split_at_mut(LINE - newer.len());
        last.copy_from_slice(newer);
        let before_older = before.len() - older.len();
        before[before_older..].copy_from_slice(older);
        line
    }

    /// The windows of `lengths[first..]`, [`TOGETHER`] at most, each shorter while it fills. `line`: of this state.
    pub(super) fn summaries(&self, line: &Line, first: usize) -> [Option<Summary>; TOGETHER] {
        let value = |order: &[u8], rank: usize| f64::from(self.values[usize::from(order[rank])]);
        let mut moments = [Moments::default(); TOGETHER];
        for (moments, order) in moments.iter_mut().zip(self.ordered(first)) {
            moments.n = order.len();
            if moments.n > 0 {
                moments.centre = f64::midpoint(value(order, (moments.n - 1) / 2), value(order, moments.n / 2));
            }
        }
        vectorised(Sum { line, of: &mut moments });
        let mut summaries = [None; TOGETHER];
        for ((summary, moments), order) in summaries.iter_mut().zip(&moments).zip(self.ordered(first)) {
            if moments.n > 0 {
                let n = moments.n as f64;
                let off = moments.sum / n;
                *summary = Some(Summary {
                    n,
                    median: moments.centre,
                    mean: moments.centre + off,
                    squares: (moments.squares - moments.sum * off).max(0.0),
                    min: value(order, 0),
                    max: value(order, moments.n - 1),
                });
            }
        }
        summaries
    }

    /// Adds a value. True whenever the ring has gone round. `line`: of this state.
    pub(super) fn push(&mut self, line: &Line, value: f32) -> bool {
        let (next, n_values) = (usize::from(self.next), self.values.len());
        let mut rest = &mut *self.orders;
        for windows in self.windows.chunks_mut(TOGETHER) {
            let mut ranks = [Ranks::default(); TOGETHER];
            for (ranks, window) in ranks.iter_mut().zip(&*windows) {
                ranks.n = usize::from(window.n);
            }
            vectorised(Count { line, value, of: &mut ranks });
            for (ranks, Window { n_points, n }) in ranks.into_iter().zip(windows) {
                let n_points = usize::from(*n_points);
                let order;
                (order, rest) = rest.split_at_mut(n_points);
                if ranks.n < n_points {
                    order.copy_within(ranks.up_to..ranks.n, ranks.up_to + 1);
                    order[ranks.up_to] = self.next;
                    *n += 1;
                    continue;
                }
                let leaves = position(next, n_values, n_points) as u8;
                // Equal values stand in the order of their time, but where a moved origin has made them equal.
                let from = Some(ranks.below).filter(|&below| order[below] == leaves);
                let from = from.or_else(|| order.iter().position(|&other| other == leaves));
                let from = from.expect("the oldest position is in the order");
                let to = ranks.up_to - usize::from(line.oldest(ranks.n) <= value);
                if to >= from {
                    order.copy_within(from + 1..=to, from);
                } else {
                    order.copy_within(to..from, to + 1);
                }
                order[to] = self.next;
            }
        }
        if next == n_values {
            self.values.push(value);
        } else {
            self.values[next] = value;
        }
        self.next = if self.next + 1 == self.capacity { 0 } else { self.next + 1 };
        self.next == 0
    }

    /// The median of all values that are held.
    pub(super) fn median(&self) -> f64 {
        let mut values = self.values.clone();
        let middle = values.len() / 2;
        f64::from(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
    }

    /// Moves the origin that values are measured from.
    ///
    /// Rounding keeps the order of any two values, or makes them equal.
    pub(super) fn shift(&mut self, by: f64) {
        for value in &mut self.values {
            *value = (f64::from(*value) - by) as f32;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<f32>() + size_of_val(&*self.windows) + self.orders.len()
    }

    /// Values, and the order of the longest window; those of the others are parts of it, since what is in a window is in all longer ones.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        let mut n_values = self.values.len() as u8;
        archive.u8(&mut n_values)?;
        archive.u8(&mut self.next)?;
        let is_next = if n_values < self.capacity { self.next == n_values } else { self.next < self.capacity };
        if n_values > self.capacity || !is_next {
            return Err(Misfit("a ring of values"));
        }
        self.values.resize(usize::from(n_values), 0.0);
        for value in &mut self.values {
            archive.f32(value)?;
        }
        let longest = self.windows.iter().enumerate().max_by_key(|(_, window)| window.n_points).map(|(at, _)| at);
        let Some(longest) = longest else { return Ok(()) };
        let n_longest = usize::from(self.windows[longest].n_points.min(n_values));
        let mut order = [0; MAX_POINTS as usize];
        let order = &mut order[..n_longest];
        if !archive.is_read() {
            order.copy_from_slice(self.ordered(longest).next().unwrap_or_default());
        }
        archive.bytes(order)?;
        // How long ago the value at a position was, 1 for the last one.
        let (next, n_values) = (usize::from(self.next), usize::from(n_values));
        let lag = |position: u8| match usize::from(position) {
            position if position < next => next - position,
            position => next + n_values - position,
        };
        let mut is_there = [false; MAX_POINTS as usize];
        for &position in &*order {
            let is_known = usize::from(position) < n_values && lag(position) <= n_longest;
            if !is_known || std::mem::replace(&mut is_there[usize::from(position)], true) {
                return Err(Misfit("an order of values"));
            }
        }
        let mut rest = &mut *self.orders;
        for Window { n_points, n } in &mut self.windows {
            let room;
            (room, rest) = rest.split_at_mut(usize::from(*n_points));
            *n = (*n_points).min(n_values as u8);
            let of_window = order.iter().filter(|position| lag(**position) <= usize::from(*n));
            room.iter_mut().zip(of_window).for_each(|(to, position)| *to = *position);
        }
        Ok(())
    }
}

/// Where the value `lag` values ago is in a ring of `n_values`, the next one going to `next`.
const fn position(next: usize, n_values: usize, lag: usize) -> usize {
    if next >= lag { next - lag } else { next + n_values - lag }
}

/// The windows that are looked at together.
pub(super) const TOGETHER: usize = 4;
/// Values that are looked at together.
const BLOCK: usize = 64;
/// The values of a line: blocks for the longest window.
const LINE: usize = (MAX_POINTS as usize).next_multiple_of(BLOCK);
/// Values that are summed at once.
const LANES: usize = 8;

/// The values of a ring in the order of their time, the newest at the end, so that each window is the end of it.
pub(super) struct Line([f32; LINE]);

impl Line {
    /// The oldest of the last `n` values.
    fn oldest(&self, n: usize) -> f32 {
        self.0[LINE - n]
    }

    /// The blocks that hold the last `n` values, and how many of the first block's values are none of them.
    #[inline(always)]
    fn blocks(&self, n: usize) -> (&[[f32; BLOCK]], usize) {
        let (blocks, _) = self.0.as_chunks::<BLOCK>();
        let n_blocks = n.div_ceil(BLOCK);
        (&blocks[blocks.len() - n_blocks..], n_blocks * BLOCK - n)
    }
}

/// Sum and sum of squares of the last `n` values' distances from `centre`.
///
/// With the median for a centre, the mean is no further from it than the standard deviation, so that the squares about the
/// mean, which are `squares - sum² / n`, are at least half of these: the difference loses no more than one bit.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    n: usize,
    centre: f64,
    sum: f64,
    squares: f64,
}

struct Sum<'a> {
    line: &'a Line,
    of: &'a mut [Moments; TOGETHER],
}

impl Kernel for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for moments in self.of.iter_mut().filter(|moments| moments.n > 0) {
            let (blocks, mut n_out) = self.line.blocks(moments.n);
            let centre = moments.centre;
            let (mut sums, mut squares) = ([0.0; LANES], [0.0; LANES]);
            for block in blocks {
                let mut distances = [0.0; BLOCK];
                for (at, (distance, &value)) in distances.iter_mut().zip(block).enumerate() {
                    *distance = if at < n_out { 0.0 } else { f64::from(value) - centre };
                }
                n_out = 0;
                let (chunks, _) = distances.as_chunks::<LANES>();
                for chunk in chunks {
                    for (sum, &distance) in sums.iter_mut().zip(chunk) {
                        *sum += distance;
                    }
                }
                for chunk in chunks {
                    for (square, &distance) in squares.iter_mut().zip(chunk) {
                        *square += distance * distance;
                    }
                }
            }
            moments.sum = total(sums);
            moments.squares = total(squares);
        }
    }
}

/// The sum of the lanes, in pairs.
#[inline(always)]
fn total(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// How many of the last `n` values are below the oldest of them, and how many are not above another.
#[derive(Clone, Copy, Debug, Default)]
struct Ranks {
    n: usize,
    below: usize,
    up_to: usize,
}

struct Count<'a> {
    line: &'a Line,
    value: f32,
    of: &'a mut [Ranks; TOGETHER],
}

impl Kernel for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ranks in self.of.iter_mut().filter(|ranks| ranks.n > 0) {
            let (blocks, n_out) = self.line.blocks(ranks.n);
            let mut n_out = n_out as i32;
            let (oldest, value) = (self.line.oldest(ranks.n), self.value);
            for block in blocks {
                let (mut below, mut up_to) = (0_i32, 0_i32);
                for (at, &other) in block.iter().enumerate() {
                    let is_in = at as i32 >= n_out;
                    below += i32::from(is_in & (other < oldest));
                    up_to += i32::from(is_in & (other <= value));
                }
                n_out = 0;
                ranks.below += below as usize;
                ranks.up_to += up_to as usize;
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "places in an order are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// More windows than are looked at together, and longer ones than a block.
    const LENGTHS: [u8; 6] = [10, 1, 60, 7, 130, 240];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn windows_are_those_of_the_definition(
            values in proptest::collection::vec(prop_oneof![(0..9_u8).prop_map(f32::from), -1e6..1e6_f32], 1..400),
            shift_at in 0..400_usize,
            shift in prop_oneof![Just(0.0), Just(1e6), Just(1e12)],
        ) {
            let mut recent = Recent::new(&LENGTHS, 5);
            let mut kept: Vec<f32> = Vec::new();
            for (at, &value) in values.iter().enumerate() {
                let line = recent.line();
                for (index, &length) in LENGTHS.iter().enumerate() {
                    let mut window = kept[kept.len().saturating_sub(usize::from(length))..].to_vec();
                    let got = recent.summaries(&line, index)[0];
                    prop_assert_eq!(recent.summaries(&line, 0).get(index).copied().unwrap_or(got), got);
                    window.sort_by(f32::total_cmp);
                    let (Some(got), false) = (got, window.is_empty()) else {
                        prop_assert!(got.is_none() && window.is_empty());
                        continue;
                    };
                    let n = window.len();
                    let window: Vec<f64> = window.into_iter().map(f64::from).collect();
                    prop_assert_eq!(got.n, n as f64);
                    prop_assert_eq!((got.min, got.max), (window[0], window[n - 1]));
                    prop_assert_eq!(got.median, f64::midpoint(window[(n - 1) / 2], window[n / 2]));
                    let mean = window.iter().sum::<f64>() / n as f64;
                    let squares = window.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
                    let size = window[0].abs().max(window[n - 1].abs());
                    prop_assert!((got.mean - mean).abs() <= 1e-12 * size, "{} {mean}", got.mean);
                    prop_assert!((got.squares - squares).abs() <= 1e-9 * squares + 1e-20 * size * size, "{} {squares}", got.squares);
                }
                recent.push(&line, value);
                kept.push(value);
                if at == shift_at {
                    recent.shift(shift);
                    kept.iter_mut().for_each(|value| *value = (f64::from(*value) - shift) as f32);
                }
            }
        }
    }

    #[test]
    fn a_window_of_one_value_has_no_spread() {
        let mut recent = Recent::new(&[60], 1);
        for _ in 0..90 {
            recent.push(&recent.line(), 0.1);
        }
        let summary = recent.summaries(&recent.line(), 0)[0].unwrap();
        assert_eq!((summary.mean, summary.squares), (f64::from(0.1_f32), 0.0));
    }
}

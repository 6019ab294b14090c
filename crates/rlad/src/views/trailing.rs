//! Trailing windows: the last points of a channel, exact, and its last day, in blocks.

use serde::{Deserialize, Serialize};

use crate::matrix::{Kernel, vectorised};

/// What a trailing window holds: the values before the point, not the point itself.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Recent {
    /// A ring; it grows up to `capacity`.
    values: Vec<f32>,
    capacity: u8,
    /// Where the next value goes.
    next: u8,
    windows: Vec<Window>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Window {
    n_points: u8,
    /// Positions in the ring, in ascending order of their values.
    order: Vec<u8>,
}

impl Recent {
    /// Windows of `lengths`, each in `1..=240`, and values as far back as `reach`.
    pub(super) fn new(lengths: &[u8], reach: u8) -> Self {
        let capacity = lengths.iter().copied().fold(reach.max(LEAST), u8::max);
        let window = |&n_points| Window { n_points, order: Vec::with_capacity(usize::from(n_points)) };
        let windows = lengths.iter().map(window).collect();
        Self { values: Vec::with_capacity(usize::from(capacity)), capacity, next: 0, windows }
    }

    /// The value `lag` values ago: 1 is the last one.
    pub(super) fn back(&self, lag: u8) -> Option<f64> {
        (usize::from(lag) <= self.values.len()).then(|| f64::from(self.values[self.position(lag)]))
    }

    fn position(&self, lag: u8) -> usize {
        let (next, lag) = (usize::from(self.next), usize::from(lag));
        if next >= lag { next - lag } else { next + self.values.len() - lag }
    }

    /// The window of `lengths[index]`, shorter while it fills.
    pub(super) fn summary(&self, index: usize) -> Option<Summary> {
        let window = &self.windows[index];
        let value = |rank: usize| f64::from(self.values[usize::from(window.order[rank])]);
        let n = window.order.len();
        if n == 0 {
            return None;
        }
        let start = self.position(u8::try_from(n).expect("a window fits the ring"));
        let end = start + n;
        let (head, tail) = if end <= self.values.len() {
            (&self.values[start..end], &self.values[..0])
        } else {
            (&self.values[start..], &self.values[..end - self.values.len()])
        };
        let mut moments = (0.0, 0.0);
        vectorised(Moments { head, tail, moments: &mut moments });
        Some(Summary {
            n: n as f64,
            median: f64::midpoint(value((n - 1) / 2), value(n / 2)),
            mean: moments.0,
            squares: moments.1,
            min: value(0),
            max: value(n - 1),
        })
    }

    /// Adds a value. True whenever the ring has gone round.
    pub(super) fn push(&mut self, value: f32) -> bool {
        let position = usize::from(self.next);
        for index in 0..self.windows.len() {
            let n_points = self.windows[index].n_points;
            if self.windows[index].order.len() == usize::from(n_points) {
                let leaves = self.position(n_points) as u8;
                let order = &mut self.windows[index].order;
                let at = order.iter().position(|&other| other == leaves).expect("the oldest position is in the order");
                order.remove(at);
            }
        }
        if position == self.values.len() {
            self.values.push(value);
        } else {
            self.values[position] = value;
        }
        let values = &self.values;
        for window in &mut self.windows {
            let at = window.order.partition_point(|&other| values[usize::from(other)] <= value);
            window.order.insert(at, self.next);
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
        self.values.capacity() * size_of::<f32>()
            + self.windows.capacity() * size_of::<Window>()
            + self.windows.iter().map(|window| window.order.capacity()).sum::<usize>()
    }
}

/// The mean of the values in two slices, and the sum of squared deviations from it.
struct Moments<'a> {
    head: &'a [f32],
    tail: &'a [f32],
    moments: &'a mut (f64, f64),
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let n = (self.head.len() + self.tail.len()) as f64;
        let mean = (sum(self.head, 0.0, 1) + sum(self.tail, 0.0, 1)) / n;
        *self.moments = (mean, sum(self.head, mean, 2) + sum(self.tail, mean, 2));
    }
}

/// The sum of values less `centre`, or of its squares where `power` is 2, in eight lanes, which the compiler can keep in vectors.
#[inline(always)]
fn sum(values: &[f32], centre: f64, power: u8) -> f64 {
    let of = |value: f32| {
        let distance = f64::from(value) - centre;
        if power == 2 { distance * distance } else { distance }
    };
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    for &value in rest {
        total += of(value);
    }
    total
}

/// The median of the first `n` of some finite values, behind which are infinities.
fn middle(values: &[f32; N_BLOCKS], n: usize) -> f64 {
    let mut found = [0.0; 2];
    vectorised(Middle { values, n, found: &mut found });
    f64::midpoint(f64::from(found[0]), f64::from(found[1]))
}

/// The two values in the middle: a value's places in the order are known from the numbers of those below it and of its equals, which
/// takes no branches.
struct Middle<'a> {
    values: &'a [f32; N_BLOCKS],
    n: usize,
    found: &'a mut [f32; 2],
}

impl Kernel for Middle<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (mut below, mut up_to) = ([0_i32; N_BLOCKS], [0_i32; N_BLOCKS]);
        for &other in self.values {
            for ((below, up_to), &value) in below.iter_mut().zip(&mut up_to).zip(self.values) {
                *below += i32::from(other < value);
                *up_to += i32::from(other <= value);
            }
        }
        for (place, found) in [(self.n - 1) / 2, self.n / 2].into_iter().zip(self.found) {
            let place = place as i32;
            for ((below, up_to), value) in below.iter().zip(&up_to).zip(self.values) {
                *found = if *below <= place && place < *up_to { *value } else { *found };
            }
        }
    }
}

/// The last day of a channel in blocks of an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Day {
    n_slots: i64,
    newest: i64,
    blocks: Vec<Block>,
}

/// The number of blocks in a day.
const N_BLOCKS: usize = 24;

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    n: f32,
    mean: f32,
    squares: f32,
    min: f32,
    max: f32,
}

impl Day {
    /// A day of `n_slots` slots, at least [`N_BLOCKS`].
    pub(super) fn new(n_slots: i64) -> Self {
        Self { n_slots, newest: i64::MIN, blocks: vec![Block::default(); N_BLOCKS] }
    }

    /// Forgets what is a day old at a slot.
    pub(super) fn advance(&mut self, slot: i64) {
        let block = (i128::from(slot) * N_BLOCKS as i128).div_euclid(i128::from(self.n_slots)) as i64;
        let passed = block.saturating_sub(self.newest).clamp(0, N_BLOCKS as i64);
        for back in 0..passed {
            self.blocks[(block - back).rem_euclid(N_BLOCKS as i64) as usize] = Block::default();
        }
        self.newest = self.newest.max(block);
    }

    /// The last day, with the median of its blocks' means for its median.
    pub(super) fn summary(&self) -> Option<Summary> {
        let mut means = [f32::INFINITY; N_BLOCKS];
        let mut n_means = 0;
        let (mut n, mut total, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for block in self.blocks.iter().filter(|block| block.n > 0.0) {
            means[n_means] = block.mean;
            n_means += 1;
            n += f64::from(block.n);
            total += f64::from(block.n) * f64::from(block.mean);
            min = min.min(f64::from(block.min));
            max = max.max(f64::from(block.max));
        }
        if n_means == 0 {
            return None;
        }
        let mean = total / n;
        let between = |block: &Block| f64::from(block.n) * (f64::from(block.mean) - mean).powi(2);
        let squares =
            self.blocks.iter().filter(|block| block.n > 0.0).map(|block| f64::from(block.squares) + between(block));
        let squares = squares.sum();
        let median = middle(&means, n_means);
        Some(Summary { n, median, mean, squares, min, max })
    }

    /// Adds a value to the newest block.
    pub(super) fn push(&mut self, value: f32) {
        let block = &mut self.blocks[self.newest.rem_euclid(N_BLOCKS as i64) as usize];
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
    }

    pub(super) fn bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Block>()
    }
}

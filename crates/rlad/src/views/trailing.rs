//! Trailing windows: the last points of a channel, exact, and its last day, in blocks.

use serde::{Deserialize, Serialize};

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
        let count = n as f64;
        let mean = (sum(head, |value| value) + sum(tail, |value| value)) / count;
        let square = |value: f64| (value - mean) * (value - mean);
        Some(Summary {
            n: count,
            median: f64::midpoint(value((n - 1) / 2), value(n / 2)),
            mean,
            squares: sum(head, square) + sum(tail, square),
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

/// A sum in eight lanes, which the compiler can keep in vector registers.
fn sum(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(f64::from(value));
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&value| of(f64::from(value))).sum::<f64>()
}

/// The median of the first `n` of some finite values, behind which are infinities: a value's place in the order is the number of
/// those below it, which takes no branches.
fn middle(values: &[f32; N_BLOCKS], n: usize) -> f64 {
    let (mut low, mut high) = (0.0, 0.0);
    for (i, value) in values[..n].iter().enumerate() {
        let mut place = 0;
        for (j, other) in values.iter().enumerate() {
            place += u32::from(other < value) + u32::from(other == value && j < i);
        }
        let place = place as usize;
        low = if place == (n - 1) / 2 { *value } else { low };
        high = if place == n / 2 { *value } else { high };
    }
    f64::midpoint(f64::from(low), f64::from(high))
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

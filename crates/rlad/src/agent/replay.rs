//! The replay buffer: what the agent remembers and learns from (paper, section 5.1).

use rand::{Rng, RngExt};

use crate::agent::pool::PoolPoint;
use crate::data::label::Label;

/// A transition `<s, a, r, s'>` of the paper, by what determines it.
///
/// The state `s` is the window that ends at the point, and the next state `s'` the window that ends at the next point of
/// the series: the action does not move the series. The reward of either action follows from the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Transition {
    /// The series, by its index in the pool.
    pub(crate) series: u32,
    /// The point.
    pub(crate) point: u32,
    /// The label, an expert's or a pseudo-label, from which the rewards follow.
    pub(crate) label: Label,
    /// The action that was taken.
    pub(crate) action: usize,
    /// The weight in the loss.
    pub(crate) weight: f32,
}

impl Transition {
    /// The transition of a labelled point in which an action was taken.
    pub(crate) fn new((series, point): PoolPoint, label: Label, action: usize, weight: f32) -> Self {
        Self {
            series: u32::try_from(series).expect("a series' index fits"),
            point: u32::try_from(point).expect("a point's index fits"),
            label,
            action: usize::from(action == 1),
            weight,
        }
    }

    /// The point at which the state's window ends.
    pub(crate) const fn at(&self) -> PoolPoint {
        (self.series as usize, self.point as usize)
    }
}

/// A ring of the latest transitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReplayBuffer {
    transitions: Vec<Transition>,
    capacity: usize,
    next: usize,
}

impl ReplayBuffer {
    /// An empty buffer for `capacity` transitions, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { transitions: Vec::new(), capacity: capacity.max(1), next: 0 }
    }

    /// A buffer of which the oldest of `transitions` stands at `next` once it is full.
    pub(crate) fn restore(capacity: usize, transitions: Vec<Transition>, next: usize) -> Self {
        Self { transitions, capacity, next }
    }

    /// Stores a transition, in place of the oldest one where the buffer is full.
    pub(crate) fn push(&mut self, transition: Transition) {
        if self.transitions.len() < self.capacity {
            self.transitions.push(transition);
        } else {
            self.transitions[self.next] = transition;
        }
        self.next = (self.next + 1) % self.capacity;
    }

    /// Draws `n` transitions with replacement; none from an empty buffer.
    pub(crate) fn sample(&self, n: usize, rng: &mut impl Rng) -> Vec<Transition> {
        if self.transitions.is_empty() {
            return Vec::new();
        }
        (0..n).map(|_| self.transitions[rng.random_range(0..self.transitions.len())]).collect()
    }

    /// The transitions in the buffer, in storage order.
    pub(crate) fn transitions(&self) -> &[Transition] {
        &self.transitions
    }

    /// Where the next transition goes.
    pub(crate) const fn next(&self) -> usize {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn transition(point: u32) -> Transition {
        Transition { series: 0, point, label: Label::Normal, action: 0, weight: 1.0 }
    }

    #[test]
    fn a_full_buffer_forgets_the_oldest() {
        let mut buffer = ReplayBuffer::new(3);
        for point in 0..5 {
            buffer.push(transition(point));
        }
        let mut points: Vec<u32> = buffer.transitions().iter().map(|t| t.point).collect();
        points.sort_unstable();
        assert_eq!(points, [2, 3, 4]);
        let restored = ReplayBuffer::restore(3, buffer.transitions().to_vec(), buffer.next());
        assert_eq!(restored, buffer);
    }

    #[test]
    fn a_sample_draws_from_the_whole_buffer() {
        let mut buffer = ReplayBuffer::new(4);
        let mut rng = stream(0, Purpose::Training, 0);
        assert!(buffer.sample(5, &mut rng).is_empty());
        (0..4).for_each(|point| buffer.push(transition(point)));
        let mut counts = [0_u32; 4];
        for drawn in buffer.sample(4000, &mut rng) {
            counts[drawn.point as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }
}

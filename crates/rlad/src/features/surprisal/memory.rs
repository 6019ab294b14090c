//! How long running distributions remember, and what counts in them.

use crate::archive::{Archive, Misfit};

/// How long running distributions remember.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Memory {
    /// What a point of the prior weighs now, in `(0, 1]`.
    pub(super) prior_weight: f32,
    /// The series' own points since the start, or since they were halved last, what was left then among them.
    pub(super) n_own: u32,
    /// As many points of its own a series has at most: then they and the prior are halved.
    pub(super) n_most: u32,
    /// The rare points that came and did not yet count, less the usual ones that came since, at least 0.
    pub(super) n_rare: u32,
    /// What is rare does not count until it has been so for as many points; 0 where every point counts.
    pub(super) n_to_absorb: u32,
    /// A point of more than this mean surprisal is rare, in nats.
    pub(super) rare: f64,
}

/// How many points running distributions remember, and when what is rare begins to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LearningOn {
    /// What was known weighs as so many points, and a series' own are as many at most; at least 1.
    pub(crate) n_remembered: u32,
    /// What is rare counts once it has been so for as many points.
    pub(crate) n_to_absorb: u32,
}

impl Memory {
    pub(super) const fn new(LearningOn { n_remembered, n_to_absorb }: LearningOn, rare: f64) -> Self {
        Self { prior_weight: 1.0, n_own: 0, n_most: n_remembered, n_rare: 0, n_to_absorb, rare }
    }

    /// Whether a point counts that is so surprising.
    pub(super) fn takes_in(&mut self, surprisal: impl FnOnce() -> f64) -> bool {
        if self.n_to_absorb == 0 {
            return true;
        }
        if surprisal() <= self.rare {
            self.n_rare = self.n_rare.saturating_sub(1);
            return true;
        }
        self.n_rare = self.n_rare.saturating_add(1).min(self.n_to_absorb);
        self.n_rare == self.n_to_absorb
    }

    /// What came so far; how long it is remembered is no part of the bytes.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.f32(&mut self.prior_weight)?;
        archive.u32(&mut self.n_own)?;
        archive.u32(&mut self.n_rare)
    }
}

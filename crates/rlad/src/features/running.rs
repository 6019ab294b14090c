//! Running statistics with a bounded memory: what is usual for a channel, without a fit.

use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Misfit};

/// The typical size of deviations: their power mean of order 1/2, `(mean √|d|)²`, over about the last `memory` of them.
///
/// Deviations weigh alike until `memory` of them were seen, and fade exponentially after that. The square root keeps an
/// outlier of a thousand times the usual size from moving the scale by more than a few percent, and unlike a median it is
/// not 0 where most deviations are 0. For normal deviations it is .68 standard deviations. However large, one deviation at most
/// doubles the root, so that what follows a value of 1e300 is still measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    root: f64,
    n: u32,
}

impl Spread {
    pub(super) fn push(&mut self, deviation: f64, memory: u32) {
        self.n = self.n.saturating_add(1);
        let change = (deviation.abs().sqrt() - self.root) / f64::from(self.n.min(memory));
        self.root += if self.root > 0.0 { change.min(self.root) } else { change };
    }

    /// The typical size, 0 before the first deviation that is not 0.
    pub(super) fn get(&self) -> f64 {
        self.root * self.root
    }

    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.f64(&mut self.root)?;
        archive.u32(&mut self.n)
    }
}

/// A slow level and the typical distance from it.
///
/// The level is a mean with the memory of [`Spread`], that no value moves by more than if it were four typical distances away.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    centre: f64,
    n: u32,
    spread: Spread,
}

impl Level {
    pub(super) fn push(&mut self, value: f64, memory: u32) {
        if self.n == 0 {
            self.centre = value;
        }
        self.n = self.n.saturating_add(1);
        let deviation = value - self.centre;
        self.spread.push(deviation, memory);
        let limit = 4.0 * self.spread.get();
        self.centre += deviation.clamp(-limit, limit) / f64::from(self.n.min(memory));
    }

    pub(super) const fn centre(&self) -> f64 {
        self.centre
    }

    pub(super) fn spread(&self) -> f64 {
        self.spread.get()
    }

    /// Moves the origin that values are measured from.
    pub(super) fn shift(&mut self, by: f64) {
        self.centre -= by;
    }

    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        archive.f64(&mut self.centre)?;
        archive.u32(&mut self.n)?;
        self.spread.archive(archive)
    }
}

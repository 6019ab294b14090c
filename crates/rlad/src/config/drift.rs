//! How a detector follows data that change.

use serde::{Deserialize, Serialize};

use super::check;
use crate::data::series::Clock;
use crate::error::Result;
use crate::features::surprisal::LearningOn;

/// How a detector follows data that change: what a series shows for long becomes usual for it, newer answers overrule older ones, and
/// answers about what a series did while the detector was in use move the log-odds of that series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftConfig {
    /// What is usual in a series is learned on while it is scored, and remembered for about so many days, in `(0, 10_000]`, or 0: it stays
    /// what it was in training. At least 2,000 points are remembered, so that what is rare can be told; a series without timestamps has
    /// 1,000 points a day.
    pub memory_days: f64,
    /// A level, scale or season that is rare in a series begins to be learned when it has stayed for so many days, in `[0, 10_000]`: before
    /// that it is an event.
    pub absorb_days: f64,
    /// An answer that a newer one contradicts, about a point of the same series that looks the same, loses half of its weight in so many
    /// days between the two, and so does its part in the log-odds of its series with its age; in `(0, 10_000]`, or 0: never. In use only
    /// once the data of a session have grown.
    pub half_life_days: f64,
    /// The standard deviation of the log-odds of one series beside what the detector says, in nats, in `[0, 10]`: how far answers about its
    /// alarms, and about what came after the session began, move those of all its points. 0: not at all.
    pub series_deviation: f64,
    /// The same of points of one series that look alike: how far such an answer moves those that look like its own, in `[0, 10]`.
    pub alike_deviation: f64,
}

/// The points of a day where a series has no clock.
const POINTS_PER_DAY: usize = 1_000;
/// What is usual is known by so many points at least.
const FEWEST_POINTS: f64 = 2_000.0;

impl DriftConfig {
    /// A detector that follows nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { memory_days: 0.0, absorb_days: 0.0, half_life_days: 0.0, series_deviation: 0.0, alike_deviation: 0.0 }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting that is outside of its range.
    pub(super) fn validate(&self) -> Result<()> {
        let is_days = |days: f64| days == 0.0 || (days > 0.0 && days <= 10_000.0);
        let expected = "0 for never, or in (0, 10000]";
        check(is_days(self.memory_days), "drift.memory_days", expected, self.memory_days)?;
        let absorb_days = self.absorb_days;
        check((0.0..=10_000.0).contains(&absorb_days), "drift.absorb_days", "in [0, 10000]", absorb_days)?;
        check(is_days(self.half_life_days), "drift.half_life_days", expected, self.half_life_days)?;
        for (name, deviation) in
            [("drift.series_deviation", self.series_deviation), ("drift.alike_deviation", self.alike_deviation)]
        {
            check((0.0..=10.0).contains(&deviation), name, "in [0, 10]", deviation)?;
        }
        Ok(())
    }

    /// How the distributions of a series learn on; `None` where what is usual stays what it was.
    pub(crate) fn memory(&self, clock: Clock) -> Option<LearningOn> {
        let points = |days: f64| days * clock.slots_per_day().unwrap_or(POINTS_PER_DAY) as f64;
        (self.memory_days > 0.0).then(|| LearningOn {
            n_remembered: points(self.memory_days).max(FEWEST_POINTS) as u32,
            n_to_absorb: self.points_to_absorb(clock),
        })
    }

    /// For how many points what is rare in a series has to stay until it counts.
    pub(crate) fn points_to_absorb(&self, clock: Clock) -> u32 {
        (self.absorb_days * clock.slots_per_day().unwrap_or(POINTS_PER_DAY) as f64) as u32
    }

    /// What is left of a weight after some nanoseconds, in `[0, 1]`.
    pub(crate) fn fade(&self, nanoseconds: i64) -> f64 {
        if self.half_life_days == 0.0 {
            return 1.0;
        }
        let days = nanoseconds.max(0) as f64 / crate::data::series::NANOS_PER_DAY as f64;
        0.5_f64.powf(days / self.half_life_days)
    }
}

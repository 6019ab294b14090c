//! How a detector follows data that change.

use serde::{Deserialize, Serialize};

use super::check;
use crate::data::series::Clock;
use crate::error::Result;

/// How a detector follows data that change: what a series shows for long becomes usual for it, newer answers overrule older ones, and
/// answers about what a series did while the detector was in use move the log-odds of that series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftConfig {
    /// What is usual in a series is learned on while it is scored; what was known of it before the first point that is scored weighs as so
    /// many days of points, in `(0, 10_000]`, or 0: it stays what it was in training. A level, scale or season that stays is half absorbed
    /// after about as many days. A series without timestamps has 1,000 points a day.
    pub absorb_days: f64,
    /// An answer that a newer one contradicts, about a point of the same series that looks the same, loses half of its weight in so many
    /// days between the two, and so does its part in the log-odds of its series with its age; in `(0, 10_000]`, or 0: never. In use only
    /// once the data of a session have grown.
    pub half_life_days: f64,
    /// The standard deviation of the log-odds of one series beside what the detector says, in nats, in `[0, 10]`: how far answers about its
    /// alarms, and about what came after the session began, move them. 0: not at all.
    pub series_deviation: f64,
}

/// The points of a day where a series has no clock.
const POINTS_PER_DAY: usize = 1_000;

impl DriftConfig {
    /// A detector that follows nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { absorb_days: 0.0, half_life_days: 0.0, series_deviation: 0.0 }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for the first setting that is outside of its range.
    pub(super) fn validate(&self) -> Result<()> {
        let is_days = |days: f64| days == 0.0 || (days > 0.0 && days <= 10_000.0);
        let expected = "0 for never, or in (0, 10000]";
        check(is_days(self.absorb_days), "drift.absorb_days", expected, self.absorb_days)?;
        check(is_days(self.half_life_days), "drift.half_life_days", expected, self.half_life_days)?;
        let deviation = self.series_deviation;
        check((0.0..=10.0).contains(&deviation), "drift.series_deviation", "in [0, 10]", deviation)
    }

    /// The points of a series as which what was known before weighs; `None` where it stays what it was.
    pub(crate) fn absorb_points(&self, clock: Clock) -> Option<f32> {
        let per_day = clock.slots_per_day().unwrap_or(POINTS_PER_DAY);
        (self.absorb_days > 0.0).then(|| (self.absorb_days * per_day as f64).max(1.0) as f32)
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

//! Features: the numbers that the learners see of a point.
//!
//! A **feature** is a causal channel of the state: a number made of a point and what came before it in its series. All but
//! [`Feature::MinMax`] need no fit: they measure in units of running statistics of the series itself, so one model judges
//! series that it never saw, from their first points on, and follows them as they change. Batch and stream are the same
//! code: a series is encoded by a loop over its points.
//!
//! **Units.** The *usual step* `u` is the running size of the difference between two values in a row, a power mean of order
//! 1/2 over about a week. `s(x, unit) = asinh(x / unit)`, kept in [-10, 10], 0 where the unit is 0. A unit is never below
//! 1e-12 of the value itself, so that the rounding of constants is no signal. Statistics that serve as units include the
//! point itself, which keeps ratios finite; windows end before it.
//!
//! **Missing values.** Where a channel is missing, its features are 0, *as usual*, but for [`Feature::MinMax`] and
//! [`Feature::Value`], which stay where they were. Missing values enter no statistic: a window of 60 points holds the last 60
//! values that are there, over any gap. Windows of a day and seasons go by the clock; where it finds nothing, they are 0.
//!
//! **Memory.** Bounded: a ring of the longest window in points, 24 blocks for the last day, and a
//! profile of at most 96 slots a day and 168 hours a week. With the default features a channel takes less than 4 KiB.
//!
//! **Numbers.** Values are held as `f32`, measured from an origin that follows the series when it goes far, so that a small
//! change of a large value is not lost. Distances from the origin are kept within ±1e30.

mod day;
pub(crate) mod expected;
mod feature;
mod running;
pub(crate) mod scale;
mod season;
mod squash;
pub(crate) mod state;
pub(crate) mod surprisal;
mod trailing;
pub(crate) mod tree_row;
#[cfg(feature = "parquet")]
pub(crate) mod write;

pub use self::feature::{Feature, Trailing};
pub use self::scale::Scale;
pub use self::state::FeatureState;
pub(crate) use self::state::{Encoded, encode, n_features};
#[cfg(feature = "parquet")]
pub use self::write::write_features;

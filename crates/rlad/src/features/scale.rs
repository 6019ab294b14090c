//! The range of a channel, fitted or running.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Misfit};
use crate::data::series::Series;

/// The range of each channel that [`Feature::MinMax`](super::Feature::MinMax) scales by: fitted, or the minimum and maximum so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// One a channel; empty where every channel's range is that so far.
    extents: Vec<Extent>,
}

impl Scale {
    /// The minimum and maximum of each channel among the `training` points of a series.
    ///
    /// A channel without a value there gets the range so far, as with [`Scale::running`].
    ///
    /// # Panics
    /// If `training` ends after the series.
    #[must_use]
    pub fn fit(series: &Series, training: Range<usize>) -> Self {
        let mut extents = vec![Extent::default(); series.n_channels()];
        for point in training {
            for (extent, &value) in extents.iter_mut().zip(series.row(point)) {
                if value.is_finite() {
                    extent.see(value);
                }
            }
        }
        for extent in &mut extents {
            extent.is_fitted = extent.ends.is_some();
        }
        Self { extents }
    }

    /// The minimum and maximum so far, for a series that was never trained on: causal, and without a fit.
    #[must_use]
    pub const fn running() -> Self {
        Self { extents: Vec::new() }
    }

    /// Whether it is one for series of so many channels: of each a range of finite numbers, or none.
    pub(crate) fn fits(&self, n_channels: usize) -> bool {
        let is_range = |extent: &Extent| match extent.ends {
            Some((min, max)) => min.is_finite() && max.is_finite() && min <= max,
            None => !extent.is_fitted,
        };
        (self.extents.is_empty() || self.extents.len() == n_channels) && self.extents.iter().all(is_range)
    }

    /// The extents of `n_channels` channels before the first point.
    pub(super) fn extents(&self, n_channels: usize) -> Vec<Extent> {
        if self.extents.is_empty() {
            return vec![Extent::default(); n_channels];
        }
        assert_eq!(self.extents.len(), n_channels, "a scale has one range a channel");
        self.extents.clone()
    }
}

/// The range of one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Extent {
    is_fitted: bool,
    ends: Option<(f64, f64)>,
}

impl Extent {
    /// Goes on with another range: as it is where it was fitted, else from this one.
    pub(super) fn go_on_with(&mut self, other: Self) {
        if other.is_fitted {
            *self = other;
        } else {
            self.is_fitted = false;
        }
    }

    /// Widens a range that was not fitted.
    pub(super) fn see(&mut self, value: f64) {
        if !self.is_fitted {
            let (min, max) = self.ends.unwrap_or((value, value));
            self.ends = Some((min.min(value), max.max(value)));
        }
    }

    /// `(value - min) / (max - min)` in [-1, 2]; .5 where the range is empty or one value.
    pub(super) fn place(&self, value: f64) -> f64 {
        let (min, max) = self.ends.unwrap_or((value, value));
        // Halves, since the distance of two finite numbers need not be finite.
        let (value, min, max) = (value / 2.0, min / 2.0, max / 2.0);
        if max > min { ((value - min) / (max - min)).clamp(-1.0, 2.0) } else { 0.5 }
    }

    /// The range so far; one that was fitted is no part of the bytes.
    pub(super) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        if self.is_fitted {
            return Ok(());
        }
        archive.option(&mut self.ends, Default::default, |(min, max), archive| {
            archive.f64(min)?;
            archive.f64(max)
        })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "places that are exact")]
mod tests {
    use super::*;
    use crate::data::series::TimeFormat;

    #[test]
    fn a_fitted_range_stays_and_reaches_one_length_over_its_ends() {
        let values = vec![0.0, 7.0, 4.0, 7.0, 100.0, 7.0];
        let channels = vec!["a".into(), "b".into()];
        let series = Series::new("s", channels, TimeFormat::Index, vec![0, 1, 2], values, None).unwrap();
        let mut extents = Scale::fit(&series, 0..2).extents(2);
        extents[0].see(100.0);
        let places = [0.0, 1.0, 4.0, 6.0, -3.0, 100.0, -100.0].map(|value| extents[0].place(value));
        assert_eq!(places, [0.0, 0.25, 1.0, 1.5, -0.75, 2.0, -1.0]);
        assert_eq!(extents[1].place(7.0), 0.5, "constant");
        assert_eq!(extents[1].place(1000.0), 0.5, "constant");
    }

    #[test]
    fn a_channel_without_training_values_gets_the_range_so_far() {
        let series =
            Series::new("s", vec!["a".into()], TimeFormat::Index, vec![0, 1], vec![f64::NAN, 3.0], None).unwrap();
        assert_eq!(Scale::fit(&series, 0..1).extents(1), Scale::running().extents(1));
        let mut extent = Extent::default();
        for (value, place) in [(3.0, 0.5), (5.0, 1.0), (4.0, 0.5), (1.0, 0.0), (4.0, 0.75)] {
            extent.see(value);
            assert_eq!(extent.place(value), place);
        }
    }

    #[test]
    fn a_range_goes_on_as_another_one_that_was_fitted_or_from_itself() {
        let fitted = |ends| Extent { is_fitted: true, ends: Some(ends) };
        let mut extent = fitted((0.0, 4.0));
        extent.go_on_with(Extent::default());
        extent.see(8.0);
        assert_eq!(extent.place(2.0), 0.25, "from 0 to 8");
        extent.go_on_with(fitted((0.0, 2.0)));
        extent.see(8.0);
        assert_eq!(extent.place(2.0), 1.0);
    }

    #[test]
    fn the_largest_numbers_have_a_place() {
        let mut extent = Extent::default();
        extent.see(f64::MAX);
        extent.see(f64::MIN);
        assert_eq!([f64::MIN, 0.0, f64::MAX].map(|value| extent.place(value)), [0.0, 0.5, 1.0]);
    }
}

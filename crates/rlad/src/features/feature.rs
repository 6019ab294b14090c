//! The features that there are, and how they are written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};

/// The longest window in points.
pub(super) const MAX_POINTS: u8 = 240;

/// A trailing window of one channel; it ends before the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trailing {
    /// The last values, in `1..=240`.
    Points(u8),
    /// The last day: 24 hours by the clock in blocks of an hour, 24 slots where the step is longer than an hour, 288 slots
    /// where there are no days or a day has one slot.
    Day,
}

/// A causal channel of the state; `u`, `s` and the treatment of missing values are defined with the module.
///
/// Written as `median:60`, `median:1d` or `value` in a config file and on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feature {
    /// `min-max`: `(x - min) / (max - min)` with the range of its [`Scale`](crate::features::Scale), kept in [-1, 2]; .5 for a constant.
    MinMax,
    /// `value`: `s(x - level, spread)` with a slow level and its typical distance, both over about a week.
    Value,
    /// `difference:K`: `s(x - x[K values ago], u)`, K in `1..=240`.
    Difference(u8),
    /// `median:W`: `s(x - median of W, u)`.
    Median(Trailing),
    /// `z-score:W`: `s(x - mean of W, deviation of W)`; the deviation holds one usual step besides the values.
    ZScore(Trailing),
    /// `deviation:W`: `ln(deviation of W / u)`, the same deviation.
    Deviation(Trailing),
    /// `range:W`: `s(x - max of W, u)` above the maximum, `s(x - min of W, u)` (negative) below the minimum, else 0.
    Range(Trailing),
    /// `season`: `s(x - level of the time of the day, u)`, times `days / (days + 1)` for the days that the profile has seen.
    Season,
    /// `season-score`: the same in units of the typical residual at this time of the day.
    SeasonScore,
    /// `season-step`: `s(x - last x, usual step at this time of the day)`, times `days / (days + 1)`.
    SeasonStep,
    /// `week`: `s(residual - usual residual at this hour of the week, typical residual)`, times `days / (days + 1)`.
    Week,
    /// `residual:W`: the seasonal residual, averaged over about W points with weights that fade exponentially, in units of the
    /// typical residual, times `days / (days + 1)`. W in `1..=240`.
    Residual(u8),
    /// `unchanged`: `ln(1 + values in a row that equal this one, this one left out)`.
    Unchanged,
}

impl Feature {
    /// The features of the `default` preset.
    ///
    /// Chosen on the AIOps KPI data (`bench/reference/features_lightgbm.py`).
    pub const DEFAULT: [Self; 22] = [
        Self::MinMax,
        Self::Value,
        Self::Difference(1),
        Self::Difference(5),
        Self::Median(Trailing::Points(10)),
        Self::Median(Trailing::Points(60)),
        Self::Median(Trailing::Day),
        Self::ZScore(Trailing::Points(30)),
        Self::ZScore(Trailing::Day),
        Self::Deviation(Trailing::Points(10)),
        Self::Deviation(Trailing::Points(30)),
        Self::Deviation(Trailing::Points(60)),
        Self::Deviation(Trailing::Day),
        Self::Range(Trailing::Points(60)),
        Self::Season,
        Self::SeasonScore,
        Self::SeasonStep,
        Self::Week,
        Self::Residual(5),
        Self::Residual(30),
        Self::Residual(120),
        Self::Unchanged,
    ];

    /// Whether any of some features reads a [`Scale`](crate::features::Scale).
    #[must_use]
    pub(crate) fn any_needs_scale(features: &[Self]) -> bool {
        features.contains(&Self::MinMax)
    }

    /// Checks the range of its parameter.
    ///
    /// # Errors
    /// [`Error::Setting`] if it is outside of its range.
    pub fn validate(self) -> Result<()> {
        let points = match self {
            Self::Difference(points) | Self::Residual(points) => points,
            _ => match self.trailing() {
                Some(Trailing::Points(points)) => points,
                _ => return Ok(()),
            },
        };
        if (1..=MAX_POINTS).contains(&points) {
            Ok(())
        } else {
            Err(Error::setting("state.features", format!("features of 1 to {MAX_POINTS} points"), format!("`{self}`")))
        }
    }

    /// The trailing window that it looks at.
    pub(super) const fn trailing(self) -> Option<Trailing> {
        match self {
            Self::Median(window) | Self::ZScore(window) | Self::Deviation(window) | Self::Range(window) => Some(window),
            _ => None,
        }
    }

    /// Whether it needs the profile of a day.
    pub(super) const fn is_seasonal(self) -> bool {
        matches!(self, Self::Season | Self::SeasonScore | Self::SeasonStep | Self::Week | Self::Residual(_))
    }
}

/// The kinds of features: what of a point they look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Where the value is.
    Level,
    /// How far it moved.
    Change,
    /// How much the values before it moved.
    Spread,
    /// Where it is for the time of the day or the week.
    Season,
    /// That it does not move.
    Unchanged,
}

impl Feature {
    /// What of a point it looks at.
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::MinMax | Self::Value | Self::Median(_) | Self::ZScore(_) | Self::Range(_) => Kind::Level,
            Self::Difference(_) | Self::SeasonStep => Kind::Change,
            Self::Deviation(_) => Kind::Spread,
            Self::Season | Self::SeasonScore | Self::Week | Self::Residual(_) => Kind::Season,
            Self::Unchanged => Kind::Unchanged,
        }
    }
}

impl fmt::Display for Trailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points(points) => write!(f, "{points}"),
            Self::Day => f.write_str("1d"),
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinMax => f.write_str("min-max"),
            Self::Value => f.write_str("value"),
            Self::Difference(lag) => write!(f, "difference:{lag}"),
            Self::Median(window) => write!(f, "median:{window}"),
            Self::ZScore(window) => write!(f, "z-score:{window}"),
            Self::Deviation(window) => write!(f, "deviation:{window}"),
            Self::Range(window) => write!(f, "range:{window}"),
            Self::Season => f.write_str("season"),
            Self::SeasonScore => f.write_str("season-score"),
            Self::SeasonStep => f.write_str("season-step"),
            Self::Week => f.write_str("week"),
            Self::Residual(points) => write!(f, "residual:{points}"),
            Self::Unchanged => f.write_str("unchanged"),
        }
    }
}

impl FromStr for Feature {
    type Err = Error;

    /// The form that `Display` writes.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name, or a parameter that is missing, not wanted, or out of range.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |expected: &str| Error::setting("state.features", expected, format!("`{text}`"));
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let points = || {
            let points = parameter.and_then(|parameter| parameter.parse().ok());
            points.ok_or_else(|| wrong("a feature with 1 to 240 points, as in `difference:1`"))
        };
        let window = || match parameter {
            Some("1d") => Ok(Trailing::Day),
            Some(parameter) if parameter.parse::<u8>().is_ok() => points().map(Trailing::Points),
            _ => Err(wrong("a feature with a window of 1 to 240 points or a day, as in `median:60` or `median:1d`")),
        };
        let feature = match name {
            "difference" => Self::Difference(points()?),
            "residual" => Self::Residual(points()?),
            "median" => Self::Median(window()?),
            "z-score" => Self::ZScore(window()?),
            "deviation" => Self::Deviation(window()?),
            "range" => Self::Range(window()?),
            _ => {
                let plain = [
                    Self::MinMax,
                    Self::Value,
                    Self::Season,
                    Self::SeasonScore,
                    Self::SeasonStep,
                    Self::Week,
                    Self::Unchanged,
                ];
                plain.into_iter().find(|feature| feature.to_string() == text).ok_or_else(|| {
                    wrong(
                        "one of min-max, value, difference:K, median:W, z-score:W, deviation:W, range:W, season, season-score, \
                         season-step, week, residual:W and unchanged",
                    )
                })?
            }
        };
        feature.validate()?;
        Ok(feature)
    }
}

impl Serialize for Feature {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

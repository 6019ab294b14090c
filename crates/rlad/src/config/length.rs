//! A stretch of a series, in points or in time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::series::{Clock, NANOS_PER_DAY, NANOS_PER_SECOND};
use crate::error::{Error, Result};

/// The units of a time, the longest first, with their nanoseconds.
const UNITS: [(&str, i64); 5] = [
    ("d", NANOS_PER_DAY),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("s", NANOS_PER_SECOND),
    ("ms", NANOS_PER_SECOND / 1_000),
];

/// A stretch of a series: a number of points, as in `3`, or a time, as in `"10m"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Length {
    /// Points in a row.
    Points(u32),
    /// Nanoseconds, above 0; a series without timestamps has none.
    Time(i64),
}

/// How a length stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Points(u32),
    Time(String),
}

impl Length {
    /// The points that it holds on a clock: a time is as many steps, rounded up.
    #[must_use]
    pub const fn points(self, clock: Clock) -> u32 {
        match self {
            Self::Points(n) => n,
            Self::Time(nanos) => {
                let steps = nanos / clock.step + (nanos % clock.step != 0) as i64;
                if steps > u32::MAX as i64 { u32::MAX } else { steps as u32 }
            }
        }
    }
}

impl FromStr for Length {
    type Err = Error;

    /// A whole number of points, or a whole number above 0 with the unit `ms`, `s`, `m` (or `min`), `h` or `d`.
    fn from_str(text: &str) -> Result<Self> {
        let expected =
            "a number of points, or a whole number above 0 with its unit, as in `500ms`, `60s`, `5m`, `1h` or `1d`";
        let wrong = || Error::setting("length", expected, format!("`{text}`"));
        let Some(at) = text.find(|c: char| !c.is_ascii_digit()) else {
            return text.parse().map(Self::Points).map_err(|_| wrong());
        };
        let (number, unit) = text.split_at(at);
        let unit = if unit == "min" { "m" } else { unit };
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let time = number.parse::<i64>().ok().and_then(|number| number.checked_mul(*nanos));
        time.filter(|time| *time > 0).map(Self::Time).ok_or_else(wrong)
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points(n) => write!(f, "{n}"),
            Self::Time(time) => {
                let fits = UNITS.iter().find(|(_, nanos)| time % nanos == 0);
                // A time that was parsed is whole in milliseconds.
                let (unit, nanos) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
                write!(f, "{}{unit}", time / nanos)
            }
        }
    }
}

impl TryFrom<Written> for Length {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        match written {
            Written::Points(n) => Ok(Self::Points(n)),
            Written::Time(text) => text.parse(),
        }
    }
}

impl From<Length> for Written {
    fn from(length: Length) -> Self {
        match length {
            Length::Points(n) => Self::Points(n),
            Length::Time(_) => Self::Time(length.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_it_is_read() {
        for text in ["0", "3", "500ms", "90s", "5m", "1h", "36h", "2d"] {
            assert_eq!(text.parse::<Length>().unwrap().to_string(), text);
        }
        assert_eq!("60s".parse::<Length>().unwrap(), "1min".parse().unwrap());
        for text in ["", "-1", "0s", "5", "1w", "m", "1.5h", "99999999999d", "99999999999"] {
            assert_eq!(text.parse::<Length>().is_ok(), text == "5", "{text}");
        }
    }

    #[test]
    fn a_time_is_as_many_points_as_cover_it() {
        let clock = Clock { step: 60 * NANOS_PER_SECOND, has_days: true };
        let points = |text: &str| text.parse::<Length>().unwrap().points(clock);
        assert_eq!(["7", "1s", "1m", "61s", "10m"].map(points), [7, 1, 1, 2, 10]);
        assert_eq!(Length::Time(i64::MAX).points(Clock { step: 1, ..clock }), u32::MAX);
    }
}

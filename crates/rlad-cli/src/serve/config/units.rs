//! Times and sizes with their units.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The units of a time, the longest first, with their milliseconds. A year is 365 days, as in Prometheus.
const TIMES: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The units of a size, the largest first, with their bytes.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// The longest time, a hundred years.
const MAX_TIME: u64 = 100 * TIMES[0].1;

/// A time in whole milliseconds, written as in Prometheus: `15s`, `1m`, `1h30m`, `2w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Period(u64);

/// A number of bytes, written with its unit: `32MiB`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Size(u64);

impl Period {
    /// A time of so many seconds, at most a hundred years.
    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(if seconds > MAX_TIME / 1_000 { MAX_TIME } else { seconds * 1_000 })
    }

    /// The milliseconds.
    pub(crate) const fn millis(self) -> i64 {
        // At most a hundred years.
        self.0.cast_signed()
    }

    /// The time as the standard library has it.
    pub(crate) const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl Size {
    /// So many MiB.
    pub(crate) const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// The bytes.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }
}

/// The sum of numbers with units, each unit at most once and the larger first.
fn sum(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (mut rest, mut from, mut sum) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, next) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let at = from + units[from..].iter().position(|(name, _)| *name == unit.trim_start())?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(units[at].1)?)?;
        (rest, from) = (next, at + 1);
    }
    (!text.is_empty()).then_some(sum)
}

/// A number in the largest unit in which it is whole.
fn write(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)], zero: &str) -> fmt::Result {
    match units.iter().find(|(_, of)| number > 0 && number.is_multiple_of(*of)) {
        Some((unit, of)) => write!(f, "{}{unit}", number / of),
        None => f.write_str(zero),
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = sum(text, &TIMES).filter(|time| *time <= MAX_TIME).map(Self);
        time.ok_or_else(|| format!("expected a time such as `15s`, `1m`, `1h30m` or `2w`, found `{text}`"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = sum(text, &SIZES).filter(|size| *size <= 1 << 50).map(Self);
        size.ok_or_else(|| format!("expected a size such as `64KiB`, `32MiB` or `1GiB`, found `{text}`"))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years are read, not written: people count 365 days as days.
        write(f, self.0, &TIMES[1..], "0s")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZES, "0B")
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_a_sum_of_units() {
        for (text, millis, written) in [
            ("15s", 15_000, "15s"),
            ("1m", 60_000, "1m"),
            ("90s", 90_000, "90s"),
            ("1h30m", 5_400_000, "90m"),
            ("24h", 86_400_000, "1d"),
            ("14d", 1_209_600_000, "2w"),
            ("1y", 31_536_000_000, "365d"),
            ("1500ms", 1_500, "1500ms"),
            ("0s", 0, "0s"),
        ] {
            let time = text.parse::<Period>().unwrap();
            assert_eq!((time.millis(), time.to_string().as_str()), (millis, written), "{text}");
            assert_eq!(time.duration().as_millis(), u128::from(millis.cast_unsigned()));
        }
        for text in ["", "5", "s", "1.5h", "-1s", "1m1h", "1m1m", "101y", "99999999999999999999s", "1x", "1s ", "é"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
        assert_eq!(Period::from_secs(u64::MAX).to_string(), "36500d");
    }

    #[test]
    fn a_size_has_a_unit() {
        for (text, bytes, written) in [
            ("32MiB", 33_554_432, "32MiB"),
            ("2048KiB", 2_097_152, "2MiB"),
            ("1 GiB", 1 << 30, "1GiB"),
            ("7B", 7, "7B"),
        ] {
            let size = text.parse::<Size>().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, written), "{text}");
        }
        assert!(["32", "32MB", "1TiB", "MiB", "9999999GiB"].iter().all(|text| text.parse::<Size>().is_err()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(number in 0..MAX_TIME) {
            prop_assert_eq!(Period(number).to_string().parse(), Ok(Period(number)));
            prop_assert_eq!(Size(number).to_string().parse(), Ok(Size(number)));
        }
    }
}

//! Timestamps as text and as integers, in the forms that users write them.

mod syntax;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(crate) use self::syntax::{TimeLook, TimeSyntax, look};
use crate::data::series::{NANOS_PER_SECOND, TimeFormat};

/// The digits of a number of seconds that matter: microseconds are all that a double has of the seconds since 1970.
const NANOS_PER_MICRO: f64 = 1_000.0;

/// The looks of a timestamp in a file, for messages.
pub(crate) const EXPECTED: &str = "a timestamp (seconds, ms, µs or ns since 1970, RFC 3339, or `YYYY-MM-DD HH:MM:SS`)";

/// Why a cell is no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It has none of the forms.
    Form,
    /// It has one of the forms, but is outside of what nanoseconds in an `i64` hold.
    Range,
}

/// The form and value of a cell of a column of times.
pub(crate) type ReadTime = Result<(TimeFormat, i64), Trouble>;

impl Trouble {
    /// A description of a right timestamp.
    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Form => EXPECTED,
            Self::Range => "a timestamp in the years 1678 to 2261",
        }
    }
}

impl TimeFormat {
    /// Writes a timestamp as its users write it.
    ///
    /// `timestamp`: nanoseconds since 1970, or the index for [`TimeFormat::Index`]. The integer forms round down to their
    /// unit, which changes nothing for a timestamp that was read in that form. [`TimeFormat::Rfc3339`] and
    /// [`TimeFormat::Civil`] have as many digits of the second's fraction as the timestamp needs.
    #[must_use]
    pub fn format(self, timestamp: i64) -> String {
        match self {
            Self::Rfc3339 => jiff::Timestamp::from_nanosecond(i128::from(timestamp))
                .expect("64 bits of nanoseconds are within the calendar")
                .to_string(),
            Self::Civil => civil(timestamp).strftime("%Y-%m-%d %H:%M:%S%.f").to_string(),
            Self::DecimalSeconds => {
                let (sign, nanos) = (if timestamp < 0 { "-" } else { "" }, timestamp.unsigned_abs());
                let second = NANOS_PER_SECOND.unsigned_abs();
                let fraction = format!("{:09}", nanos % second);
                let fraction = fraction.trim_end_matches('0');
                format!("{sign}{}.{}", nanos / second, if fraction.is_empty() { "0" } else { fraction })
            }
            integer => integer.to_unit(timestamp).to_string(),
        }
    }

    /// Reads a timestamp that is written in this form: nanoseconds since 1970, or the index; `None` where `text` has another
    /// form or the timestamp does not fit.
    ///
    /// [`TimeFormat::Civil`] also takes a `T` in place of the space, a fraction of the second, minutes without seconds, and a
    /// plain date. The integer forms also take a decimal number whose value is an integer (`1.5e9`).
    #[must_use]
    pub fn parse(self, text: &str) -> Option<i64> {
        let text = text.trim();
        match self {
            Self::Rfc3339 | Self::Civil => {
                parse_calendar(text).ok().filter(|(format, _)| *format == self).map(|(_, timestamp)| timestamp)
            }
            Self::DecimalSeconds => decimal_seconds(text).ok(),
            integer => integer_of(text)?.checked_mul(integer.nanos()),
        }
    }

    /// Whether series of these forms can be one and the same: a number of seconds may have a fraction or not.
    pub(crate) fn is_like(self, other: Self) -> bool {
        let is_seconds = |format| matches!(format, Self::Seconds | Self::DecimalSeconds);
        self == other || is_seconds(self) && is_seconds(other)
    }

    /// The unit of an integer form, in nanoseconds; 1 for an index.
    const fn nanos(self) -> i64 {
        match self {
            Self::Seconds | Self::DecimalSeconds => NANOS_PER_SECOND,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Index | Self::Nanoseconds | Self::Rfc3339 | Self::Civil => 1,
        }
    }

    /// A timestamp in the unit of this form, rounded down.
    pub(crate) const fn to_unit(self, timestamp: i64) -> i64 {
        timestamp.div_euclid(self.nanos())
    }

    /// The name of this form in messages.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Index => "no timestamps",
            Self::Seconds => "integer seconds",
            Self::DecimalSeconds => "seconds with a fraction",
            Self::Milliseconds => "integer milliseconds",
            Self::Microseconds => "integer microseconds",
            Self::Nanoseconds => "integer nanoseconds",
            Self::Rfc3339 => "RFC 3339 timestamps",
            Self::Civil => "`YYYY-MM-DD HH:MM:SS` timestamps",
        }
    }
}

/// The form and value of a timestamp as it stands in a file.
pub(crate) fn read_timestamp(text: &str) -> ReadTime {
    let text = text.trim();
    match integer_of(text) {
        Some(integer) => read_integer(integer),
        None if text.parse::<f64>().is_ok_and(f64::is_finite) => read_decimal(text),
        None => parse_calendar(text),
    }
}

/// The form and value of a number with a fraction; its magnitude tells the unit, as that of an integer does.
fn read_decimal(text: &str) -> ReadTime {
    let number: f64 = text.parse().map_err(|_| Trouble::Form)?;
    let (format, _) = read_integer(integral(number.trunc()).ok_or(Trouble::Range)?)?;
    let nanos = match format {
        TimeFormat::Seconds => decimal_seconds(text)?,
        format => integral((number * format.nanos() as f64 / NANOS_PER_MICRO).round() * NANOS_PER_MICRO)
            .ok_or(Trouble::Range)?,
    };
    Ok((TimeFormat::DecimalSeconds, nanos))
}

/// The form and value of a floating-point number.
#[cfg(feature = "parquet")]
pub(crate) fn read_float(number: f64) -> ReadTime {
    match integral(number) {
        Some(integer) => read_integer(integer),
        None if number.is_finite() => read_decimal(&number.to_string()),
        None => Err(Trouble::Form),
    }
}

/// The nanoseconds of a decimal number of seconds, exactly where it has at most nine decimals.
pub(super) fn decimal_seconds(text: &str) -> Result<i64, Trouble> {
    let (is_negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        let number: f64 = text.parse().map_err(|_| Trouble::Form)?;
        let nanos = (number * NANOS_PER_SECOND as f64 / NANOS_PER_MICRO).round() * NANOS_PER_MICRO;
        let fits = nanos.abs() < 9.2e18;
        return if fits { Ok(nanos as i64) } else { Err(if nanos.is_nan() { Trouble::Form } else { Trouble::Range }) };
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Trouble::Range)? };
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: i64 = digits.parse().map_err(|_| Trouble::Form)?;
    let nanos = whole.checked_mul(NANOS_PER_SECOND).and_then(|whole| whole.checked_add(nanos)).ok_or(Trouble::Range)?;
    Ok(if is_negative { -nanos } else { nanos })
}

/// The form and value of an integer timestamp. Its magnitude tells the unit: below 10¹¹ seconds (until the year 5138), below
/// 10¹⁴ milliseconds, below 10¹⁷ microseconds, else nanoseconds (from March 1973 on, each).
pub(crate) fn read_integer(integer: i64) -> ReadTime {
    let format = match integer.unsigned_abs() {
        0..100_000_000_000 => TimeFormat::Seconds,
        100_000_000_000..100_000_000_000_000 => TimeFormat::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => TimeFormat::Microseconds,
        _ => TimeFormat::Nanoseconds,
    };
    integer.checked_mul(format.nanos()).map(|timestamp| (format, timestamp)).ok_or(Trouble::Range)
}

/// The integer that a floating-point number is, if it is one.
pub(crate) fn integral(number: f64) -> Option<i64> {
    let is_integer = number.fract().abs() < f64::MIN_POSITIVE && number.abs() < 9.2e18;
    is_integer.then_some(number as i64)
}

fn integer_of(text: &str) -> Option<i64> {
    text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().and_then(integral))
}

/// Reads `YYYY-MM-DD`, which may be followed by `T` or a space and a time, which may be followed by a zone.
fn parse_calendar(text: &str) -> ReadTime {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' || !bytes[0].is_ascii_digit() {
        return Err(Trouble::Form);
    }
    let has_zone = bytes[10..].iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-' | b'['));
    let (format, timestamp) = if has_zone {
        // The last days of the year 9999, a usual way to write "never", are outside of the calendar of the parser.
        let trouble = |_| if text.starts_with("9999-12-3") { Trouble::Range } else { Trouble::Form };
        (TimeFormat::Rfc3339, text.parse::<jiff::Timestamp>().map_err(trouble)?)
    } else {
        let civil = text.parse::<DateTime>().map_err(|_| Trouble::Form)?;
        (TimeFormat::Civil, TimeZone::UTC.to_timestamp(civil).map_err(|_| Trouble::Range)?)
    };
    let nanos = i64::try_from(timestamp.as_nanosecond()).map_err(|_| Trouble::Range)?;
    Ok((format, nanos))
}

/// A timestamp as a date and time in UTC.
pub(crate) fn civil(timestamp: i64) -> DateTime {
    let timestamp = jiff::Timestamp::from_nanosecond(i128::from(timestamp))
        .expect("64 bits of nanoseconds are within the calendar");
    TimeZone::UTC.to_datetime(timestamp)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_magnitude_tells_the_unit_of_an_integer() {
        let at = 1_491_041_280 * NANOS_PER_SECOND;
        for (text, format) in [
            ("1491041280", TimeFormat::Seconds),
            ("1491041280000", TimeFormat::Milliseconds),
            ("1491041280000000", TimeFormat::Microseconds),
            ("1491041280000000000", TimeFormat::Nanoseconds),
            ("1491041280.0", TimeFormat::Seconds),
            ("1.49104128e9", TimeFormat::Seconds),
        ] {
            assert_eq!(read_timestamp(text), Ok((format, at)), "{text}");
        }
    }

    #[test]
    fn calendar_forms_are_told_apart_by_their_zone() {
        let at = 1_404_172_800 * NANOS_PER_SECOND; // 2014-07-01 in UTC
        for (text, format, nanos) in [
            ("2014-07-01 00:00:00", TimeFormat::Civil, at),
            ("2014-07-01T00:00:00.000000", TimeFormat::Civil, at),
            ("2014-07-01 00:00", TimeFormat::Civil, at),
            ("2014-07-01", TimeFormat::Civil, at),
            ("2014-07-01 00:00:00.25", TimeFormat::Civil, at + NANOS_PER_SECOND / 4),
            ("2014-07-01T00:00:00Z", TimeFormat::Rfc3339, at),
            ("2014-07-01T02:00:00+02:00", TimeFormat::Rfc3339, at),
            ("2014-06-30 19:00:00-05:00", TimeFormat::Rfc3339, at),
        ] {
            assert_eq!(read_timestamp(text), Ok((format, nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_timestamp_is_told_from_what_does_not_fit() {
        for text in ["", "yesterday", "2014-13-01", "07/01/2014", "2014-07-01T25:00:00Z", "NaN", "2014-07-01 é"] {
            assert_eq!(read_timestamp(text), Err(Trouble::Form), "{text}");
        }
        for text in ["9999-12-31 00:00:00", "9999-12-31T00:00:00Z", "99999999999", "0001-01-01"] {
            assert_eq!(read_timestamp(text), Err(Trouble::Range), "{text}");
        }
    }

    #[test]
    fn a_timestamp_is_written_as_its_form_says() {
        let at = 1_404_172_800 * NANOS_PER_SECOND;
        assert_eq!(TimeFormat::Index.format(7), "7");
        assert_eq!(TimeFormat::Milliseconds.format(at), "1404172800000");
        assert_eq!(TimeFormat::Rfc3339.format(at), "2014-07-01T00:00:00Z");
        assert_eq!(TimeFormat::Civil.format(at), "2014-07-01 00:00:00");
        assert_eq!(TimeFormat::Civil.format(at + 1_500_000), "2014-07-01 00:00:00.0015");
    }

    #[test]
    fn a_form_refuses_the_others() {
        assert_eq!(TimeFormat::Civil.parse("2014-07-01T00:00:00Z"), None);
        assert_eq!(TimeFormat::Rfc3339.parse("2014-07-01 00:00:00"), None);
        assert_eq!(TimeFormat::Seconds.parse("2014-07-01"), None);
        assert_eq!(TimeFormat::Seconds.parse("9223372037"), None);
    }

    #[test]
    fn seconds_keep_their_fraction() {
        for (text, nanos) in [
            ("1709251200.585", 1_709_251_200_585_000_000),
            ("0.004", 4_000_000),
            ("-1.5", -1_500_000_000),
            ("3", 3_000_000_000),
            ("1.5e3", 1_500_000_000_000),
        ] {
            assert_eq!(decimal_seconds(text), Ok(nanos), "{text}");
        }
        for text in ["", "x", "-", "."] {
            assert_eq!(decimal_seconds(text), Err(Trouble::Form), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_survives_its_form(nanos: i64) {
            for format in [TimeFormat::Index, TimeFormat::Nanoseconds, TimeFormat::DecimalSeconds, TimeFormat::Rfc3339, TimeFormat::Civil] {
                prop_assert_eq!(format.parse(&format.format(nanos)), Some(nanos));
            }
            for format in [TimeFormat::Seconds, TimeFormat::Milliseconds, TimeFormat::Microseconds] {
                let whole = format.to_unit(nanos / 2) * format.nanos();
                prop_assert_eq!(format.parse(&format.format(whole)), Some(whole));
            }
        }
    }
}

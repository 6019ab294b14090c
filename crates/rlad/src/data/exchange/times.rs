//! Times between this library's points and the files of other tools.
//!
//! A series without timestamps is written as one with a point a second since 1970, for tools that ask for times.

use crate::data::read::{Trouble, read_integer, read_timestamp};
use crate::data::series::{NANOS_PER_SECOND, Series, TimeFormat};

/// Which end of a stretch a time is: it tells to which side a time between two indices is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    From,
    To,
}

/// The time of a point in nanoseconds since 1970; of a series without timestamps, its index in seconds.
pub(super) fn nanos(series: &Series, point: usize) -> i64 {
    let timestamp = series.timestamps()[point];
    match series.time_format() {
        TimeFormat::Index => timestamp.saturating_mul(NANOS_PER_SECOND),
        _ => timestamp,
    }
}

/// The timestamp of a series, or its index, that a text stands for: in the form of the data where that lies within the series,
/// otherwise in the form that it looks like.
pub(super) fn of_text(series: &Series, text: &str, end: End) -> Result<i64, Trouble> {
    let text = text.trim();
    let own = series.time_format().parse(text);
    let usual = || match (text.parse::<f64>(), read_timestamp(text)) {
        // A calendar's time, or an integer whose size tells its unit.
        (_, Ok((format, timestamp))) => Ok(match (series.time_format(), format) {
            (TimeFormat::Index, TimeFormat::Civil | TimeFormat::Rfc3339) => to_index(timestamp, end),
            (TimeFormat::Index, _) => timestamp.div_euclid(NANOS_PER_SECOND),
            _ => timestamp,
        }),
        (Ok(number), Err(_)) if number.is_finite() => of_float(series, number, None, end),
        (_, Err(trouble)) => Err(trouble),
    };
    match own {
        Some(own) if series.time_format() == TimeFormat::Index || is_within(series, own) => Ok(own),
        Some(own) => Ok(usual().ok().filter(|&usual| is_within(series, usual)).unwrap_or(own)),
        None => usual(),
    }
}

/// The unit of the times of a Label Studio task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Index,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    const ALL: [Self; 5] = [Self::Index, Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.name() == name)
    }

    /// The unit in which the timestamps of a series are integers that a browser holds exactly: milliseconds where they do.
    pub(super) fn of(series: &Series) -> Self {
        let all_are = |nanos: i64| series.timestamps().iter().all(|timestamp| timestamp % nanos == 0);
        match series.time_format() {
            TimeFormat::Index => Self::Index,
            _ if all_are(1_000_000) => Self::Milliseconds,
            _ if all_are(1_000) => Self::Microseconds,
            _ => Self::Nanoseconds,
        }
    }

    pub(super) const fn nanos(self) -> i64 {
        match self {
            Self::Index | Self::Nanoseconds => 1,
            Self::Seconds => NANOS_PER_SECOND,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
        }
    }
}

/// The timestamp of a series, or its index, that a number stands for; its size tells the unit where none is given, unless
/// only the unit of the data lies within the series.
pub(super) fn of_number(
    series: &Series,
    number: &serde_json::Number,
    unit: Option<Unit>,
    end: End,
) -> Result<i64, Trouble> {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => of_integer(series, integer, unit),
        (None, Some(float)) => of_float(series, float, unit, end),
        (None, None) => Err(Trouble::Range),
    }
}

fn of_integer(series: &Series, integer: i64, unit: Option<Unit>) -> Result<i64, Trouble> {
    if series.time_format() == TimeFormat::Index {
        return Ok(integer);
    }
    if let Some(unit) = unit {
        return integer.checked_mul(unit.nanos()).ok_or(Trouble::Range);
    }
    let usual = read_integer(integer).map(|(_, timestamp)| timestamp);
    let own = own_unit(series).and_then(|unit| integer.checked_mul(unit.nanos()));
    choose(series, usual, own)
}

fn of_float(series: &Series, float: f64, unit: Option<Unit>, end: End) -> Result<i64, Trouble> {
    if series.time_format() == TimeFormat::Index {
        return integral(match end {
            End::From => float.ceil(),
            End::To => float.floor(),
        });
    }
    let in_unit = |unit: Unit| decimal(float, unit);
    if let Some(unit) = unit {
        return in_unit(unit);
    }
    let usual = read_integer(integral(float.trunc())?).and_then(|(format, _)| {
        in_unit(match format {
            TimeFormat::Milliseconds => Unit::Milliseconds,
            TimeFormat::Microseconds => Unit::Microseconds,
            TimeFormat::Nanoseconds => Unit::Nanoseconds,
            _ => Unit::Seconds,
        })
    });
    choose(series, usual, own_unit(series).and_then(|unit| in_unit(unit).ok()))
}

fn choose(series: &Series, usual: Result<i64, Trouble>, own: Option<i64>) -> Result<i64, Trouble> {
    match (usual, own) {
        (Ok(usual), _) if is_within(series, usual) => Ok(usual),
        (_, Some(own)) if is_within(series, own) => Ok(own),
        (usual, _) => usual,
    }
}

/// The unit in which the data themselves have their times, where these are numbers.
fn own_unit(series: &Series) -> Option<Unit> {
    match series.time_format() {
        TimeFormat::Seconds | TimeFormat::DecimalSeconds => Some(Unit::Seconds),
        TimeFormat::Milliseconds => Some(Unit::Milliseconds),
        TimeFormat::Microseconds => Some(Unit::Microseconds),
        TimeFormat::Nanoseconds => Some(Unit::Nanoseconds),
        TimeFormat::Index | TimeFormat::Rfc3339 | TimeFormat::Civil => None,
    }
}

fn is_within(series: &Series, timestamp: i64) -> bool {
    let timestamps = series.timestamps();
    timestamps[0] <= timestamp && timestamp <= timestamps[timestamps.len() - 1]
}

const fn to_index(nanos: i64, end: End) -> i64 {
    let below = nanos.div_euclid(NANOS_PER_SECOND);
    match end {
        End::From if nanos.rem_euclid(NANOS_PER_SECOND) > 0 => below + 1,
        _ => below,
    }
}

fn integral(float: f64) -> Result<i64, Trouble> {
    crate::data::read::integral(float).ok_or(Trouble::Range)
}

/// A number of a unit in nanoseconds, by its shortest decimal digits, so that `0.951` s is 951 ms and not a little less; digits
/// below a nanosecond are dropped.
fn decimal(float: f64, unit: Unit) -> Result<i64, Trouble> {
    let text = float.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut nanos =
        whole.parse::<i64>().ok().and_then(|whole| whole.checked_mul(unit.nanos())).ok_or(Trouble::Range)?;
    let mut place = unit.nanos();
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        place /= 10;
        nanos = nanos.checked_add(i64::from(digit) * place).ok_or(Trouble::Range)?;
    }
    Ok(if float < 0.0 { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(format: TimeFormat, timestamps: Vec<i64>) -> Series {
        let values = vec![0.0; timestamps.len()];
        Series::new("s", vec!["v".into()], format, timestamps, values, None).unwrap()
    }

    #[test]
    fn a_number_is_in_the_unit_that_its_size_tells_or_that_of_the_data() {
        let at = 1_592_250_751_951_000_000;
        let civil = series(TimeFormat::Civil, vec![at, at + 1_000_000_000]);
        let read = |series: &Series, json: &str| of_number(series, &json.parse().unwrap(), None, End::From);
        assert_eq!(read(&civil, "1592250751951"), Ok(at));
        assert_eq!(read(&civil, "1592250751951.5"), Ok(at + 500_000));
        assert_eq!(read(&civil, "1592250751.951"), Ok(at));
        let early = series(TimeFormat::Milliseconds, vec![0, 60_000_000, 120_000_000]);
        assert_eq!(read(&early, "60"), Ok(60_000_000), "60 s would be after the series");
        let index = series(TimeFormat::Index, vec![0, 1, 2, 3]);
        assert_eq!(read(&index, "1.5"), Ok(2));
        assert_eq!(of_number(&index, &"1.5".parse().unwrap(), None, End::To), Ok(1));
        assert_eq!(of_number(&civil, &"1e300".parse().unwrap(), None, End::To), Err(Trouble::Range));
    }

    #[test]
    fn a_text_is_read_in_the_form_of_the_data_or_its_own() {
        let seconds = series(TimeFormat::Seconds, vec![60_000_000_000, 120_000_000_000]);
        assert_eq!(of_text(&seconds, "60", End::From), Ok(60_000_000_000));
        assert_eq!(of_text(&seconds, "1970-01-01T00:01:00Z", End::From), Ok(60_000_000_000));
        assert_eq!(of_text(&seconds, "60.5", End::From), Ok(60_500_000_000));
        assert_eq!(of_text(&seconds, "soon", End::From), Err(Trouble::Form));
        let index = series(TimeFormat::Index, vec![0, 1, 2, 3]);
        assert_eq!(of_text(&index, "2", End::From), Ok(2));
        assert_eq!(of_text(&index, "1970-01-01 00:00:02.000000", End::From), Ok(2));
        assert_eq!(of_text(&index, "1970-01-01 00:00:01.5", End::From), Ok(2));
        assert_eq!(of_text(&index, "1970-01-01 00:00:01.5", End::To), Ok(1));
    }
}

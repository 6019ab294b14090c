//! Numbers, times and counts as people read them.

use rlad::data::TimeFormat;

/// A value to four digits, without more zeros than it takes: `0.03123`, `94.23`, `152,300`, `1.5e9`.
pub(crate) fn figure(value: f64) -> String {
    to_digits(value, 4)
}

/// A value to three digits, where it is rough by itself.
pub(crate) fn rough(value: f64) -> String {
    to_digits(value, 3)
}

/// A value to `n_digits`, at least 1; whole numbers have all of theirs.
fn to_digits(value: f64, n_digits: usize) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".to_owned();
    }
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        let text = format!("{value:.*e}", n_digits - 1);
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", without_zeros(digits));
    }
    // The power of ten of its first digit.
    let power = if size > 0.0 { size.log10().floor() as i64 } else { 0 };
    let n_after = usize::try_from(n_digits as i64 - 1 - power).unwrap_or(0);
    let text = format!("{value:.n_after$}");
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole.to_owned(), fraction.trim_end_matches('0')),
        None => (text.clone(), ""),
    };
    let whole = grouped(&whole);
    if fraction.is_empty() { if whole == "-0" { "0".to_owned() } else { whole } } else { format!("{whole}.{fraction}") }
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A whole number: `14,000`.
pub(crate) fn whole(n: usize) -> String {
    grouped(&n.to_string())
}

/// A number with its noun: `1 event`, `2 events`; *series* is both.
pub(crate) fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 || noun.ends_with('s') { "" } else { "s" };
    format!("{} {noun}{plural}", whole(n))
}

/// A time: `2016-08-04 21:40` in UTC, with seconds where they are not 0; `point 812` of a series without timestamps.
pub(crate) fn moment(time_format: TimeFormat, timestamp: i64) -> String {
    if time_format == TimeFormat::Index {
        return format!("point {timestamp}");
    }
    // Every number of nanoseconds in 64 bits is a time that there is.
    let Ok(time) = jiff::Timestamp::from_nanosecond(i128::from(timestamp)) else {
        return time_format.format(timestamp);
    };
    let form = match (time.subsec_nanosecond(), time.as_second() % 60) {
        (0, 0) => "%Y-%m-%d %H:%M",
        (0, _) => "%Y-%m-%d %H:%M:%S",
        _ => "%Y-%m-%d %H:%M:%S%.f",
    };
    time.strftime(form).to_string()
}

/// The time from a first to a last point: `2016-08-04 21:40 to 22:05`.
pub(crate) fn stretch(time_format: TimeFormat, start: i64, end: i64) -> String {
    let (from, to) = (moment(time_format, start), moment(time_format, end));
    if from == to {
        return from;
    }
    let day = |text: &str| text.split_once(' ').map(|(day, _)| day.to_owned());
    let until = match to.split_once(' ') {
        Some((of, rest)) if day(&from).as_deref() == Some(of) => rest.to_owned(),
        _ => to,
    };
    format!("{from} to {until}")
}

#[cfg(test)]
mod tests {
    use rlad::data::NANOS_PER_SECOND;

    use super::*;

    #[test]
    fn values_have_four_digits_and_no_more_zeros_than_they_need() {
        let values = [0.0, 1.0, -1.5, 94.2345, 0.031_234, 12345.6, 152_300.4, 1.5e9, 1e-9, -0.000_000_1, f64::NAN];
        let texts: Vec<String> = values.into_iter().map(figure).collect();
        assert_eq!(texts.join(" "), "0 1 -1.5 94.23 0.03123 12,346 152,300 1.5e9 1e-9 -1e-7 –");
        assert_eq!([63.77, -0.7691, 1234.6].map(rough), ["63.8", "-0.769", "1,235"]);
        assert_eq!((figure(0.5), figure(999.96), figure(0.999_96)), ("0.5".into(), "1,000".into(), "1".into()));
        assert_eq!(
            (count(1, "event"), count(12_000, "point"), count(1, "series")),
            ("1 event".into(), "12,000 points".into(), "1 series".into())
        );
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let at = |seconds: i64| seconds * NANOS_PER_SECOND;
        let of = |start, end| stretch(TimeFormat::Seconds, at(start), at(end));
        assert_eq!(of(1_470_346_800, 1_470_346_800), "2016-08-04 21:40");
        assert_eq!(of(1_470_346_800, 1_470_348_330), "2016-08-04 21:40 to 22:05:30");
        assert_eq!(of(1_470_346_800, 1_470_366_000), "2016-08-04 21:40 to 2016-08-05 03:00");
        assert_eq!(stretch(TimeFormat::Index, 7, 9), "point 7 to 9");
        assert_eq!(moment(TimeFormat::Nanoseconds, i64::MIN), "1677-09-21 00:12:43.145224192");
    }
}

//! Times as Alertmanager writes them.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer};

/// Milliseconds since 1970 of a time in RFC 3339; `None` for the year 1, which stands for no time.
///
/// # Errors
/// If it is no such time.
pub(super) fn parse(text: &str) -> Result<Option<i64>, String> {
    let time = text.parse::<Timestamp>();
    let time = time.map_err(|_| format!("expected a time such as `2026-11-29T10:14:49Z`, found `{text}`"))?;
    Ok(Some(time.as_millisecond()).filter(|_| !text.starts_with("0001-")))
}

/// The time in RFC 3339; the nearest that has a name where there is none.
pub(super) fn written(millis: i64) -> String {
    let nearest = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(millis).unwrap_or(nearest).to_string()
}

/// A time that may be absent.
pub(super) fn read_optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map_or(Ok(None), |text| parse(&text)).map_err(serde::de::Error::custom)
}

/// A time that must be there.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    read_optional(from)?.ok_or_else(|| serde::de::Error::custom("expected a time, found none"))
}

/// Writes a time.
pub(super) fn write<S: Serializer>(millis: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&written(*millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        for (text, millis) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01T01:00:01.500+01:00", Some(1_500)),
            ("2026-11-29T10:14:49.504Z", Some(1_795_947_289_504)),
            ("2026-11-29T10:14:49.504999999Z", Some(1_795_947_289_504)),
            ("0001-01-01T00:00:00Z", None),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
        assert!(parse("yesterday").is_err() && parse("").is_err());
        assert_eq!(written(1_795_947_289_504), "2026-11-29T10:14:49.504Z");
        assert_eq!(written(1_000), "1970-01-01T00:00:01Z");
        assert!(written(i64::MAX).starts_with("9999") && written(i64::MIN).starts_with("-009999"));
    }
}

//! How the text of a file is to be read, where that cannot be told from the text.

use serde::{Deserialize, Serialize};

/// How files are written, as far as a user says it; what is not said is found from a sample of each file's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileForm {
    /// The first row of a CSV file is one of data: its columns are `column 1`, `column 2`, …
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_header: bool,
    /// Lines of a CSV file before its header that are passed over.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: usize,
    /// The decimal mark of numbers; what else stands between digits in groups of three is passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
    /// Texts, besides the usual ones, that stand for a missing value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The form of the times as `strptime` writes it, such as `%d/%m/%Y %H:%M`; the directives are those of the library `jiff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// What a time that is a number counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<TimeUnit>,
    /// The zone of times that have none, a name of the IANA database such as `Europe/Berlin`; UTC where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of rows of one series with one timestamp; by default the last of them stays where they are few, at most one in a
    /// hundred, and more are an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicates: Option<Duplicates>,
    /// The channels that are counters, which become rates per second; in wide files the series.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<String>,
    /// Each value column is a series by itself, named after it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wide: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// What stands between the whole part of a number and its fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecimalMark {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

/// What a time that is a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeUnit {
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// Days since 1970.
    Days,
    /// Days as spreadsheets count them: 25569 is 1970-01-01.
    Excel,
}

/// What becomes of rows of one series that have the same timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// The last of them stays.
    Last,
    /// Their mean stays; a label is that of an anomaly if one of theirs is.
    Mean,
    /// They are an error.
    Error,
}

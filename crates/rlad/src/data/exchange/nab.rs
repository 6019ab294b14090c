//! NAB: `combined_windows.json`, an object from each file of data to its windows of anomalies.
//!
//! NAB says nothing else: what lies outside of the windows is taken as normal. Normal stretches and expected events that an
//! expert named are kept in further keys, `rlad normal START/END FILE`, with an empty list: NAB's own program goes on to the
//! next file at an empty list, without a look at its name.
//!
//! Source: `getWindows` in NAB's `labeler.py`, and `strf` in its `util.py` for the form of the times.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::collect::Collected;
use super::names::Names;
use super::times::{self, End};
use super::{Imported, LabelFormat, Member, annotation_of_word};
use crate::data::label::Annotation;
use crate::data::read::{Trouble, civil, shorten};
use crate::data::series::{NANOS_PER_SECOND, Series};
use crate::error::{Error, Result};

/// How a key begins that keeps what NAB's form cannot say.
const KEPT: &str = "rlad ";

pub(super) fn write(members: &[Member<'_>], out: &mut impl Write) -> std::io::Result<()> {
    let mut is_first = true;
    let mut key = |out: &mut dyn Write, key: &str| {
        let separator = if std::mem::replace(&mut is_first, false) { "{\n" } else { ",\n" };
        write!(out, "{separator}    {}: [", serde_json::to_string(key)?)
    };
    for (series, spans) in members {
        let file = format!("{}.csv", series.name());
        key(out, &file)?;
        let anomalies = || spans.iter().filter(|span| span.label == Annotation::Anomaly);
        for (number, span) in anomalies().enumerate() {
            let [first, last] = [span.first, span.last].map(|point| time(times::nanos(series, point), ' '));
            let separator = if number == 0 { "\n" } else { ",\n" };
            write!(out, "{separator}        [\"{first}\", \"{last}\"]")?;
        }
        out.write_all(if anomalies().next().is_some() { b"\n    ]" } else { b"]" })?;
        for span in spans.iter().filter(|span| span.label != Annotation::Anomaly) {
            let [first, last] = [span.first, span.last].map(|point| time(times::nanos(series, point), 'T'));
            key(out, &format!("{KEPT}{} {first}/{last} {file}", span.label.word()))?;
            out.write_all(b"]")?;
        }
    }
    out.write_all(if members.is_empty() { b"{}\n" } else { b"\n}\n" })
}

/// A time as NAB writes it, with six digits of the second's fraction; nine where they are needed.
fn time(nanos: i64, separator: char) -> String {
    let digits = if nanos.rem_euclid(NANOS_PER_SECOND) % 1_000 == 0 { 6 } else { 9 };
    civil(nanos).strftime(&format!("%Y-%m-%d{separator}%H:%M:%S%.{digits}f")).to_string()
}

pub(super) fn read(path: &Path, bytes: &[u8], series: &[Series]) -> Result<Imported> {
    let Entries(entries) = serde_json::from_slice(bytes).map_err(|source| {
        LabelFormat::Nab.wrong(path, format!("an object from each file to its windows is expected: {source}"))
    })?;
    let names = Names::new(series);
    let mut collected = Collected::new(series);
    let (kept, windows): (Vec<_>, Vec<_>) = entries
        .iter()
        .map(|(key, windows)| (key, windows, if names.of_file(key).is_some() { None } else { Kept::of(key) }))
        .partition(|(_, windows, kept)| windows.is_empty() && kept.is_some());

    let files: Vec<&str> = windows.iter().map(|(key, ..)| key.as_str()).collect();
    let found: HashMap<&str, Option<usize>> = files.iter().copied().zip(names.of_files(&files)).collect();
    let series_of = |file: &str| found.get(file).copied().unwrap_or_else(|| names.of_file(file));
    for kept in kept.into_iter().filter_map(|(key, _, kept)| kept.map(|kept| (key, kept))) {
        let (key, Kept { label, from, to, file }) = kept;
        match series_of(file) {
            Some(index) => window(&mut collected, path, series, index, [from, to], label, || at(key, None))?,
            None => collected.unknown(file),
        }
    }
    for (file, windows, _) in windows {
        let Some(index) = series_of(file) else {
            collected.unknown(file);
            continue;
        };
        for (number, of_file) in windows.iter().enumerate() {
            let [from, to] = &of_file[..] else {
                let found = format!("{} values", of_file.len());
                return Err(Error::json(path, at(file, Some(number)), "the start and the end of a window", found));
            };
            let place = || at(file, Some(number));
            window(&mut collected, path, series, index, [from, to], Annotation::Anomaly, place)?;
        }
    }
    Ok(collected.finish())
}

fn window(
    collected: &mut Collected<'_>,
    path: &Path,
    series: &[Series],
    index: usize,
    texts: [&str; 2],
    label: Annotation,
    place: impl Fn() -> String,
) -> Result<()> {
    let wrong =
        |text: &str, trouble: Trouble| Error::json(path, place(), trouble.expected(), format!("`{}`", shorten(text)));
    let time = |text, end| times::of_text(&series[index], text, end).map_err(|trouble| wrong(text, trouble));
    let times = [time(texts[0], End::From)?, time(texts[1], End::To)?];
    // An end rounded into the stretch may pass the other one, which only says that no point lies within.
    let bounds = [time(texts[0], End::To)?, time(texts[1], End::From)?];
    if bounds[0] > bounds[1] {
        let found = format!("one from `{}` to `{}`", shorten(texts[0]), shorten(texts[1]));
        return Err(Error::json(path, place(), "a window that ends after it begins", found));
    }
    collected.stretch(index, times, label, texts);
    Ok(())
}

/// The place of a window in the file.
fn at(key: &str, number: Option<usize>) -> String {
    let number = number.map_or_else(String::new, |number| format!("[{number}]"));
    format!("$[\"{}\"]{number}", shorten(key))
}

/// A window under a key.
#[derive(Debug)]
struct Kept<'a> {
    label: Annotation,
    from: &'a str,
    to: &'a str,
    file: &'a str,
}

impl<'a> Kept<'a> {
    fn of(key: &'a str) -> Option<Self> {
        let (word, rest) = key.strip_prefix(KEPT)?.split_once(' ')?;
        let (times, file) = rest.split_once(' ')?;
        let (from, to) = times.split_once('/')?;
        Some(Self { label: annotation_of_word(word)?, from, to, file })
    }
}

/// The keys of the file in their order.
struct Entries(Vec<(String, Vec<Vec<String>>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OfMap;

        impl<'de> Visitor<'de> for OfMap {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object from each file to its windows")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(OfMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_or_nine() {
        let at = 1_404_172_800 * NANOS_PER_SECOND;
        assert_eq!(time(at, ' '), "2014-07-01 00:00:00.000000");
        assert_eq!(time(at + 250_000_000, 'T'), "2014-07-01T00:00:00.250000");
        assert_eq!(time(at + 1, ' '), "2014-07-01 00:00:00.000000001");
    }

    #[test]
    fn a_key_that_keeps_a_span_ends_in_any_file() {
        let kept = Kept::of("rlad expected 2014-07-01T00:00:00.000000/2014-07-02T00:00:00.000000 a / b.csv").unwrap();
        assert_eq!((kept.label, kept.file), (Annotation::Expected, "a / b.csv"));
        assert!(Kept::of("rlad/normal.csv").is_none());
    }
}

//! Label Studio: JSON, a task a series, a `timeserieslabels` result a span.
//!
//! The values stand in the task (`valueType="json"`), so that the file needs no server beside it. Times are integers of
//! `data.time_unit`, milliseconds where these are exact; a browser holds them exactly unless they are nanoseconds.
//!
//! Source: Label Studio's template for time series and the tags `TimeSeries` and `TimeSeriesLabels`.

use std::fmt;
use std::io::Write;
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::collect::Collected;
use super::names::Names;
use super::times::{self, End, Unit};
use super::{Imported, LabelFormat, Member, annotation_of_word};
use crate::data::label::{Annotation, Span};
use crate::data::read::shorten;
use crate::data::series::Series;
use crate::error::{Error, Result};

pub(super) fn write(members: &[Member<'_>], out: &mut impl Write) -> std::io::Result<()> {
    let mut separator = "[";
    for (series, spans) in members {
        let unit = Unit::of(series);
        let name = serde_json::to_string(series.name())?;
        write!(out, "{separator}\n{{\"data\": {{\"series\": {name}, \"time_unit\": \"{}\", \"ts\": {{", unit.name())?;
        separator = ",";
        out.write_all(b"\"time\": [")?;
        list(out, (0..series.len()).map(|point| (series.timestamps()[point] / unit.nanos()).to_string()))?;
        for (channel, name) in columns(series).iter().enumerate() {
            write!(out, "], {}: [", serde_json::to_string(name)?)?;
            let values = (0..series.len()).map(|point| series.row(point)[channel]);
            list(out, values.map(|value| if value.is_nan() { "null".to_owned() } else { format!("{value:?}") }))?;
        }
        out.write_all(b"]}},\n \"annotations\": [")?;
        if !spans.is_empty() {
            out.write_all(b"{\"result\": [")?;
            for (number, span) in spans.iter().enumerate() {
                out.write_all(if number == 0 { b"\n  " } else { b",\n  " })?;
                result(out, series, unit, number, *span)?;
            }
            out.write_all(b"\n ]}")?;
        }
        out.write_all(b"]}")?;
    }
    out.write_all(if members.is_empty() { b"[]\n" } else { b"\n]\n" })
}

fn result(
    out: &mut impl Write,
    series: &Series,
    unit: Unit,
    number: usize,
    span: Span<Annotation>,
) -> std::io::Result<()> {
    let Span { first, last, label } = span;
    let [start, end] = [first, last].map(|point| series.timestamps()[point] / unit.nanos());
    write!(
        out,
        "{{\"id\": \"{number}\", \"from_name\": \"label\", \"to_name\": \"ts\", \"type\": \"timeserieslabels\", \
         \"value\": {{\"start\": {start}, \"end\": {end}, \"instant\": {}, \"timeserieslabels\": [\"{}\"]}}}}",
        first == last,
        label.word()
    )
}

fn list(out: &mut impl Write, items: impl Iterator<Item = String>) -> std::io::Result<()> {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        out.write_all(item.as_bytes())?;
    }
    Ok(())
}

/// The names of the channels in the task: in lower case, as Label Studio looks for them, and each once.
fn columns(series: &Series) -> Vec<String> {
    let mut names = vec!["time".to_owned()];
    for channel in series.channels() {
        let name = channel.to_lowercase();
        let free = |name: &String| !names.contains(name);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let name = std::iter::once(name.clone()).chain(numbered).find(free);
        names.extend(name);
    }
    names.remove(0);
    names
}

/// A task, as far as it is read.
#[derive(Deserialize)]
#[serde(expecting = "a task, an object with `data` and `annotations`")]
struct Task {
    #[serde(default)]
    data: Texts,
    annotations: Option<Vec<StudioAnnotation>>,
    /// The annotations, by their name in versions before 1.0.
    completions: Option<Vec<StudioAnnotation>>,
    file_upload: Option<String>,
}

#[derive(Deserialize)]
struct StudioAnnotation {
    was_cancelled: Option<bool>,
    result: Option<Vec<Region>>,
}

#[derive(Deserialize)]
struct Region {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<RegionValue>,
}

#[derive(Deserialize)]
struct RegionValue {
    start: Option<Value>,
    end: Option<Value>,
    timeserieslabels: Option<Vec<String>>,
}

/// The values of an object that are texts; the others, which may be a whole series, are passed over.
#[derive(Default)]
struct Texts(Vec<(String, String)>);

impl Texts {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str())
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OfMap;

        impl<'de> Visitor<'de> for OfMap {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the data of a task")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if let TextOrOther(Some(text)) = map.next_value()? {
                        texts.push((key, text));
                    }
                }
                Ok(Texts(texts))
            }
        }

        deserializer.deserialize_map(OfMap)
    }
}

struct TextOrOther(Option<String>);

impl<'de> Deserialize<'de> for TextOrOther {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = TextOrOther;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_str<E>(self, text: &str) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(Some(text.to_owned())))
            }

            fn visit_bool<E>(self, _: bool) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(None))
            }

            fn visit_i64<E>(self, _: i64) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(None))
            }

            fn visit_u64<E>(self, _: u64) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(None))
            }

            fn visit_f64<E>(self, _: f64) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(None))
            }

            fn visit_unit<E>(self) -> std::result::Result<TextOrOther, E> {
                Ok(TextOrOther(None))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<TextOrOther, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TextOrOther(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<TextOrOther, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(TextOrOther(None))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

pub(super) fn read(path: &Path, bytes: &[u8], series: &[Series]) -> Result<Imported> {
    let is_one = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let tasks =
        if is_one { serde_json::from_slice(bytes).map(|task| vec![task]) } else { serde_json::from_slice(bytes) };
    let tasks: Vec<Task> = tasks
        .map_err(|source| LabelFormat::LabelStudio.wrong(path, format!("a list of tasks is expected: {source}")))?;
    let names = Names::new(series);
    let found = series_of_tasks(&tasks, &names, series.len());
    let mut collected = Collected::new(series);
    for (number, (task, found)) in tasks.iter().zip(found).enumerate() {
        let place = if is_one { "$".to_owned() } else { format!("$[{number}]") };
        let index = match found {
            Ok(index) => index,
            Err(name) => {
                collected.unknown(&name.unwrap_or_else(|| format!("task {place}")));
                continue;
            }
        };
        let (key, annotations) = match (&task.annotations, &task.completions) {
            (Some(annotations), _) => ("annotations", annotations),
            (None, Some(completions)) => ("completions", completions),
            (None, None) => {
                let problem = format!("the task at `{place}` has neither `annotations` nor `completions`");
                return Err(LabelFormat::LabelStudio.wrong(path, problem));
            }
        };
        let unit = match task.data.get("time_unit") {
            None => None,
            Some(name) => Some(Unit::of_name(name).ok_or_else(|| {
                let expected = "`index`, `s`, `ms`, `us` or `ns`";
                Error::json(path, format!("{place}.data.time_unit"), expected, format!("`{}`", shorten(name)))
            })?),
        };
        for (number, annotation) in annotations.iter().enumerate() {
            if annotation.was_cancelled == Some(true) {
                continue;
            }
            let results = annotation.result.as_deref().unwrap_or_default();
            for (region, Region { kind, value }) in results.iter().enumerate() {
                let place = format!("{place}.{key}[{number}].result[{region}].value");
                let is_ours = kind.as_deref() == Some("timeserieslabels");
                match value {
                    Some(value) if is_ours || value.timeserieslabels.is_some() => {
                        read_region(&mut collected, path, &series[index], index, unit, value, &place)?;
                    }
                    _ if is_ours => return Err(Error::json(path, place, "a value", "none")),
                    _ => {}
                }
            }
        }
    }
    Ok(collected.finish())
}

fn read_region(
    collected: &mut Collected<'_>,
    path: &Path,
    series: &Series,
    index: usize,
    unit: Option<Unit>,
    value: &RegionValue,
    place: &str,
) -> Result<()> {
    let labels = value.timeserieslabels.as_deref().unwrap_or_default();
    let mut known: Vec<Annotation> = labels.iter().filter_map(|label| annotation_of_word(label)).collect();
    known.dedup();
    let [label] = known[..] else {
        let found: Vec<String> = labels.iter().map(|label| format!("`{}`", shorten(label))).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        let expected = "one of the labels `anomaly`, `normal` and `expected`";
        return Err(Error::json(path, format!("{place}.timeserieslabels"), expected, found));
    };
    let time = |key: &str, value: &Option<Value>, end: End| {
        let wrong = |expected: &str, found: String| Error::json(path, format!("{place}.{key}"), expected, found);
        let read = match value {
            Some(Value::Number(number)) => times::of_number(series, number, unit, end),
            Some(Value::String(text)) => times::of_text(series, text, end),
            Some(other) => return Err(wrong("a time", format!("`{}`", shorten(&other.to_string())))),
            None => return Err(wrong("a time", "none".to_owned())),
        };
        read.map_err(|trouble| wrong(trouble.expected(), format!("`{}`", shorten(&text_of(value)))))
    };
    let bounds = [time("start", &value.start, End::To)?, time("end", &value.end, End::From)?];
    let texts = [text_of(&value.start), text_of(&value.end)];
    if bounds[0] > bounds[1] {
        let found = format!("one from `{}` to `{}`", texts[0], texts[1]);
        return Err(Error::json(path, place.to_owned(), "a region that ends after it begins", found));
    }
    let times = [time("start", &value.start, End::From)?, time("end", &value.end, End::To)?];
    collected.stretch(index, times, label, [&texts[0], &texts[1]]);
    Ok(())
}

fn text_of(value: &Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// The series of each task: the one that `data.series` names, or whose file its data or its upload name. The one task of a
/// file that names none is of the one series that there is. What is not found is told by its name, where it has one.
fn series_of_tasks(
    tasks: &[Task],
    names: &Names<'_>,
    n_series: usize,
) -> Vec<std::result::Result<usize, Option<String>>> {
    let files: Vec<Option<String>> = tasks
        .iter()
        .map(|task| {
            let texts = task.data.0.iter().map(|(_, text)| text).chain(&task.file_upload);
            texts.map(|text| file_of_url(text)).find(|file| is_data_file(file))
        })
        .collect();
    let mut distinct: Vec<&str> = files.iter().flatten().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let found = names.of_files(&distinct);
    let of_file = |file: &str| distinct.binary_search(&file).ok().and_then(|at| found[at]);
    let of_task = |(task, file): (&Task, &Option<String>)| match (task.data.get("series"), file) {
        (Some(name), file) => {
            let by_file = || file.as_deref().and_then(of_file);
            names.get(name).or_else(by_file).ok_or_else(|| Some(name.to_owned()))
        }
        (None, Some(file)) => of_file(file).ok_or_else(|| Some(file.clone())),
        (None, None) if n_series == 1 && tasks.len() == 1 => Ok(0),
        (None, None) => Err(None),
    };
    tasks.iter().zip(&files).map(of_task).collect()
}

fn is_data_file(path: &str) -> bool {
    [".csv", ".tsv", ".txt", ".json", ".parquet"].iter().any(|extension| path.to_lowercase().ends_with(extension))
}

/// The path in an address: without the host's part that looks like an upload's mark, without query, and decoded.
fn file_of_url(url: &str) -> String {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let local = query.split('&').find_map(|part| part.strip_prefix("d="));
    let path = decoded(local.unwrap_or(before));
    // Label Studio puts eight hexadecimal digits before the name of a file that is uploaded.
    let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
    match name.split_at_checked(9) {
        Some((mark, rest)) if mark.ends_with('-') && mark[..8].bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
        }
        _ => path,
    }
}

/// A text with its `%20` and the like decoded.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_in_an_address() {
        for (url, file) in [
            ("/data/upload/1/42d46c4c-my%20cpu.csv", "/data/upload/1/my cpu.csv"),
            ("/data/local-files/?d=real/x.csv", "real/x.csv"),
            ("s3://bucket/x.csv?signature=%2F", "s3://bucket/x.csv"),
            ("42d46c4c-x.csv", "x.csv"),
            ("100%.csv", "100%.csv"),
            ("é%C3%A9%", "éé%"),
        ] {
            assert_eq!(file_of_url(url), file);
        }
    }

    #[test]
    fn channels_have_names_of_their_own_in_lower_case() {
        let channels = ["Time", "CPU", "cpu"].map(str::to_owned).to_vec();
        let format = crate::data::series::TimeFormat::Index;
        let series = Series::new("s", channels, format, vec![0], vec![0.0; 3], None).unwrap();
        assert_eq!(columns(&series), ["time_2", "cpu", "cpu_2"]);
    }
}

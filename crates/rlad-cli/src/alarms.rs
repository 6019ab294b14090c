//! The alarms that `rlad label --alarms` asks about: those of a file of events, or those of the detector in use.

use std::path::Path;

use anyhow::Context;
use rlad::active::AlarmToAsk;
use rlad::data::{Alarm, NANOS_PER_WEEK, TimeFormat};
use rlad::{Detector, Error, Model, Series, Session};
use serde_json::Value;

/// The points of a week of a series without timestamps.
const POINTS_WITHOUT_TIME: usize = 7_000;

/// The alarms of a file of events, as `rlad detect --events` writes it, that nobody answered: the last first, at most `most`. Those of
/// series that the data do not have are left out.
///
/// # Errors
/// If the file cannot be read, or lacks a column.
pub(crate) fn of_file(path: &Path, session: &Session, most: usize) -> anyhow::Result<Vec<AlarmToAsk>> {
    let series = session.series();
    let rows = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        json_rows(path)?
    } else {
        csv_rows(path)?
    };
    let mut alarms: Vec<(i64, AlarmToAsk)> = Vec::new();
    for (place, row) in rows {
        let Some(at) = series.iter().position(|series| series.name() == row.series) else { continue };
        let alarm = row.alarm(at, &series[at]).with_context(|| format!("cannot use `{}`, {place}", path.display()))?;
        let is_open = |alarm: &AlarmToAsk| alarm.points.clone().any(|point| !session.has_label(at, point));
        alarms.extend(alarm.filter(is_open).map(|alarm| (series[at].timestamps()[alarm.points.start], alarm)));
    }
    Ok(latest(alarms, most))
}

/// The alarms of the detector in use that nobody answered: among what is new since the session's data grew, else in the last week of
/// each series; the last first, at most `most`.
///
/// # Errors
/// Those of scoring.
pub(crate) fn of_detector(detector: &Model, session: &Session, most: usize) -> anyhow::Result<Vec<AlarmToAsk>> {
    let mut alarms: Vec<(i64, AlarmToAsk)> = Vec::new();
    for (at, series) in session.series().iter().enumerate() {
        let training = session.training(at);
        let points = match session.new_points(at) {
            Some(new) => new,
            None => last_week(series, training.end).max(training.start)..training.end,
        };
        if points.is_empty() {
            continue;
        }
        let scores = detector.score_points(series, points.clone())?;
        let of = |point: usize| scores[point - points.start];
        for event in Alarm::events(&detector.decide(series, points.clone(), &scores, &[])?) {
            let event = points.start + event.start..points.start + event.end;
            let open = event.clone().filter(|point| !session.has_label(at, *point));
            let Some(peak) = open.max_by(|a, b| of(*a).total_cmp(&of(*b)).then(b.cmp(a))) else { continue };
            let first = series.timestamps()[event.start];
            alarms.push((first, AlarmToAsk { series: at, peak, score: of(peak), points: event }));
        }
    }
    Ok(latest(alarms, most))
}

/// The first point of the last week before `end`.
fn last_week(series: &Series, end: usize) -> usize {
    let times = &series.timestamps()[..end];
    match (series.time_format(), times.last()) {
        (TimeFormat::Index, _) | (_, None) => end.saturating_sub(POINTS_WITHOUT_TIME),
        (_, Some(last)) => times.partition_point(|time| *time <= last.saturating_sub(NANOS_PER_WEEK)),
    }
}

fn latest(mut alarms: Vec<(i64, AlarmToAsk)>, most: usize) -> Vec<AlarmToAsk> {
    alarms.sort_by_key(|alarm| std::cmp::Reverse(alarm.0));
    alarms.into_iter().take(most).map(|alarm| alarm.1).collect()
}

/// A row of a file of events.
#[derive(Debug, Default)]
struct EventRow {
    series: String,
    start: String,
    end: String,
    peak_timestamp: String,
    peak: String,
}

impl EventRow {
    const COLUMNS: [&str; 3] = ["series", "start", "end"];

    /// By what stands in a column.
    fn of(cell: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let of = |name: &str| cell(name).unwrap_or_default();
        for name in Self::COLUMNS {
            if of(name).is_empty() {
                return Err(format!("expected `series`, `start` and `end`, but `{name}` is missing"));
            }
        }
        let [series, start, end, peak_timestamp, peak] = ["series", "start", "end", "peak_timestamp", "peak"].map(of);
        Ok(Self { series, start, end, peak_timestamp, peak })
    }

    /// The alarm; `None` where the series has no points there.
    fn alarm(&self, at: usize, series: &Series) -> anyhow::Result<Option<AlarmToAsk>> {
        let times = series.timestamps();
        let time = |text: &str| {
            series.time_format().parse(text).or_else(|| TimeFormat::Rfc3339.parse(text)).ok_or_else(|| {
                let like = series.time_format().format(times[0]);
                anyhow::anyhow!("expected a time as `{like}` is one of the series `{}`, found `{text}`", series.name())
            })
        };
        let (start, end) = (time(&self.start)?, time(&self.end)?);
        let first = times.partition_point(|time| *time < start);
        let points = first..times.partition_point(|time| *time <= end).max(first);
        if points.is_empty() {
            return Ok(None);
        }
        let peak = time(&self.peak_timestamp).ok().and_then(|peak| times.binary_search(&peak).ok());
        let peak = peak.filter(|peak| points.contains(peak)).unwrap_or(points.start);
        Ok(Some(AlarmToAsk { series: at, points, peak, score: self.peak.parse().unwrap_or(f64::NAN) }))
    }
}

/// The error of a file that holds no events.
fn no_events(path: &Path, problem: String) -> Error {
    let expected = "events as `rlad detect --events` writes them".to_owned();
    Error::Format { path: path.to_owned(), expected, source: Some(problem.into()) }
}

/// The rows of a CSV file, each with its place.
fn csv_rows(path: &Path) -> anyhow::Result<Vec<(String, EventRow)>> {
    let text = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut reader = csv::Reader::from_reader(&text[..]);
    let wrong = |problem: String| no_events(path, problem);
    let header = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let place = format!("line {}", record.position().map_or(0, csv::Position::line));
        let cell = |name: &str| record.get(header.iter().position(|column| column == name)?).map(str::to_owned);
        let row = EventRow::of(cell).map_err(|problem| wrong(format!("{place}: {problem}")))?;
        rows.push((place, row));
    }
    Ok(rows)
}

/// The objects of a JSON array, each with its place.
fn json_rows(path: &Path) -> anyhow::Result<Vec<(String, EventRow)>> {
    let text = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let wrong = |problem: String| no_events(path, problem);
    let array: Vec<Value> = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
    let mut rows = Vec::new();
    for (i, object) in array.iter().enumerate() {
        let place = format!("event {}", i + 1);
        let cell = |name: &str| match &object[name] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let row = EventRow::of(cell).map_err(|problem| wrong(format!("{place}: {problem}")))?;
        rows.push((place, row));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use rlad::data::NANOS_PER_SECOND;

    use super::*;

    fn hourly(name: &str, n: i64) -> Series {
        let times = (0..n).map(|i| i * 3_600 * NANOS_PER_SECOND).collect();
        Series::new(name, vec!["v".into()], TimeFormat::Seconds, times, vec![0.0; n as usize], None).unwrap()
    }

    #[test]
    fn events_of_a_file_are_alarms_the_last_first() {
        let dir = tempfile::tempdir().unwrap();
        let session = Session::new(rlad::Config::default(), vec![hourly("a", 100), hourly("b", 100)]).unwrap();
        let rows =
            [("a", 36_000, 39_600, "2.5"), ("b", 72_000, 72_000, ""), ("c", 0, 0, "1"), ("a", 720_000, 720_000, "1")];
        let csv: String =
            rows.iter().map(|(series, start, end, peak)| format!("{series},{start},{end},{peak}\n")).collect();
        let json: Vec<Value> = rows
            .iter()
            .map(|(series, start, end, peak)| serde_json::json!({"series": series, "start": start, "end": end, "peak": peak.parse::<f64>().ok()}))
            .collect();
        for (name, text) in
            [("e.csv", format!("series,start,end,peak\n{csv}")), ("e.json", serde_json::to_string(&json).unwrap())]
        {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let alarms = of_file(&path, &session, 10).unwrap();
            let found: Vec<_> = alarms.iter().map(|alarm| (alarm.series, alarm.points.clone(), alarm.peak)).collect();
            assert_eq!(found, [(1, 20..21, 20), (0, 10..12, 10)], "{name}");
            assert!(alarms[0].score.is_nan() && (alarms[1].score - 2.5).abs() < 1e-12);
            assert_eq!(of_file(&path, &session, 1).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_file_that_holds_no_events_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("e.csv");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let session = Session::new(rlad::Config::default(), vec![hourly("a", 10)]).unwrap();
            let error = of_file(&path, &session, 10).unwrap_err();
            format!("{error:#}").replace(&*path.to_string_lossy(), "e.csv")
        };
        let told = [error("series,start\na,1\n"), error("series,start,end\na,noon,3600\n")];
        insta::assert_snapshot!(told.join("\n"), @r"
        `e.csv` is not events as `rlad detect --events` writes them: line 2: expected `series`, `start` and `end`, but `end` is missing
        cannot use `e.csv`, line 2: expected a time as `0` is one of the series `a`, found `noon`
        ");
    }
}

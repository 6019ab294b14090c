//! The file of events: a row an event, with why it was called.

use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::Event;
use crate::data::explanation::{Departure, Explanation, Likeness, Reason, Side};
use crate::data::label::Label;
use crate::data::series::TimeFormat;
use crate::data::write::{number, write_atomically};
use crate::error::{Cause, Error, Result};

const COLUMNS: [&str; 18] = [
    "series",
    "start",
    "end",
    "n_points",
    "peak",
    "peak_timestamp",
    "direction",
    "channel",
    "value",
    "value_timestamp",
    "expected",
    "usual_low",
    "usual_high",
    "features",
    "answers",
    "like",
    "like_label",
    "why",
];

/// Writes events as CSV or as a JSON array, by the extension of `path`: `series, start, end, n_points, peak,
/// peak_timestamp`, where `start` and `end` are the timestamps of the first and of the last point, and then the explanation.
///
/// `direction` is `above` or `below` the usual range, `usual_low` to `usual_high`, and empty within it; `channel`, `value` and
/// `value_timestamp` are of the value that is the furthest out, `features` the kinds of features with the largest part in the
/// highest score, `answers` what answers added to it in log-odds, `like` and `like_label` the labelled point that is the most like
/// it, and `why` all this in words. What is not known is empty, in JSON `null`.
///
/// In JSON, integer timestamps are numbers, and `features` are objects with their share. The file takes its place whole.
///
/// # Errors
/// [`Error::Format`] for another extension, [`Error::Write`].
pub fn write_events(path: &Path, events: &[Event]) -> Result<()> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("csv") => write_atomically(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(COLUMNS)?;
            for event in events {
                writer.write_record(cells(event))?;
            }
            writer.flush()
        }),
        Some("json") => {
            let array: Value = events.iter().map(object).collect();
            write_atomically(path, |file| {
                use std::io::Write;
                serde_json::to_writer_pretty(&mut *file, &array)?;
                file.write_all(b"\n")
            })
        }
        _ => Err(Error::Format {
            path: path.to_owned(),
            expected: "a file whose name ends in `.csv` or `.json`".to_owned(),
            source: None::<Cause>,
        }),
    }
}

/// The cells of a row.
fn cells(event: &Event) -> [String; COLUMNS.len()] {
    let nothing = Explanation::default();
    let Explanation { departure, reasons, learned, likeness } = event.explanation.as_ref().unwrap_or(&nothing);
    let time = |timestamp| event.time_format.format(timestamp);
    let of_value = |figure: fn(&Departure) -> f64| departure.as_ref().map_or_else(String::new, |of| number(figure(of)));
    let features: Vec<String> =
        reasons.iter().map(|Reason { channel, feature, .. }| format!("{channel}.{feature}")).collect();
    [
        event.series.clone(),
        time(event.start),
        time(event.end),
        event.n_points.to_string(),
        number(event.peak),
        time(event.peak_timestamp),
        departure.as_ref().and_then(Departure::side).map_or("", Side::word).to_owned(),
        departure.as_ref().map_or_else(String::new, |of| of.channel.clone()),
        of_value(|of| of.value),
        departure.as_ref().map_or_else(String::new, |of| time(of.timestamp)),
        of_value(|of| of.expected),
        of_value(|of| of.low),
        of_value(|of| of.high),
        features.join(" "),
        learned.map_or_else(String::new, number),
        likeness.map_or_else(String::new, |like| time(like.timestamp)),
        likeness.map_or("", |like| label_word(like.label)).to_owned(),
        event.why.clone(),
    ]
}

/// The object of an event.
fn object(event: &Event) -> Value {
    let time = |timestamp| match event.time_format {
        TimeFormat::Rfc3339 | TimeFormat::Civil | TimeFormat::DecimalSeconds => {
            event.time_format.format(timestamp).into()
        }
        integer => Value::from(integer.to_unit(timestamp)),
    };
    let explanation = event.explanation.as_ref();
    let departure = explanation.and_then(|of| of.departure.as_ref());
    let likeness: Option<Likeness> = explanation.and_then(|of| of.likeness);
    let feature =
        |Reason { channel, feature, share }: &Reason| json!({ "channel": channel, "feature": feature, "share": share });
    json!({
        "series": event.series,
        "start": time(event.start),
        "end": time(event.end),
        "n_points": event.n_points,
        "peak": event.peak,
        "peak_timestamp": time(event.peak_timestamp),
        "direction": departure.and_then(Departure::side).map(Side::word),
        "channel": departure.map(|of| &of.channel),
        "value": departure.map(|of| of.value),
        "value_timestamp": departure.map(|of| time(of.timestamp)),
        "expected": departure.map(|of| of.expected),
        "usual_low": departure.map(|of| of.low),
        "usual_high": departure.map(|of| of.high),
        "features": explanation.map(|of| of.reasons.iter().map(feature).collect::<Value>()),
        "answers": explanation.and_then(|of| of.learned),
        "like": likeness.map(|of| time(of.timestamp)),
        "like_label": likeness.map(|of| label_word(of.label)),
        "why": Some(&event.why).filter(|why| !why.is_empty()),
    })
}

/// The object that the file of events has, and the same without a file.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        object(self).serialize(serializer)
    }
}

const fn label_word(label: Label) -> &'static str {
    match label {
        Label::Normal => "normal",
        Label::Anomaly => "anomaly",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::series::NANOS_PER_SECOND;

    fn event(series: &str, time_format: TimeFormat, peak: f64) -> Event {
        let at = 1_491_041_280 * NANOS_PER_SECOND;
        let series = series.to_owned();
        let (explanation, why) = (None, String::new());
        Event { series, time_format, start: at, end: at, n_points: 1, peak, peak_timestamp: at, explanation, why }
    }

    #[test]
    fn events_are_written_as_csv_and_json() {
        let departure = Departure {
            channel: "cpu".to_owned(),
            timestamp: 1_491_041_280 * NANOS_PER_SECOND,
            value: 9.5,
            expected: 3.0,
            low: 1.5,
            high: 4.5,
        };
        let reason = Reason { channel: "cpu".to_owned(), feature: "difference:1".to_owned(), share: 0.75 };
        let likeness =
            Likeness { timestamp: 1_491_000_000 * NANOS_PER_SECOND, label: Label::Anomaly, is_within: false };
        let explained = Event {
            explanation: Some(Explanation {
                departure: Some(departure),
                reasons: vec![reason],
                learned: Some(-0.5),
                likeness: Some(likeness),
            }),
            why: "cpu 9.5, usually 1.5 to 4.5".to_owned(),
            ..event("a", TimeFormat::Seconds, 2.0)
        };
        let events = [explained, event("b", TimeFormat::Rfc3339, 3.5)];
        let folder = tempfile::tempdir().unwrap();
        let text = |name: &str| {
            let path = folder.path().join(name);
            write_events(&path, &events).unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        assert_eq!(
            text("events.csv"),
            "series,start,end,n_points,peak,peak_timestamp,direction,channel,value,value_timestamp,expected,usual_low,\
             usual_high,features,answers,like,like_label,why\n\
             a,1491041280,1491041280,1,2,1491041280,above,cpu,9.5,1491041280,3,1.5,4.5,cpu.difference:1,-0.5,1491000000,\
             anomaly,\"cpu 9.5, usually 1.5 to 4.5\"\n\
             b,2017-04-01T10:08:00Z,2017-04-01T10:08:00Z,1,3.5,2017-04-01T10:08:00Z,,,,,,,,,,,,\n"
        );
        let json: Value = serde_json::from_str(&text("events.json")).unwrap();
        assert_eq!((&json[0]["start"], &json[0]["direction"]), (&json!(1_491_041_280), &json!("above")));
        assert_eq!(json[0]["features"], json!([{ "channel": "cpu", "feature": "difference:1", "share": 0.75 }]));
        assert_eq!(json[1]["peak_timestamp"], "2017-04-01T10:08:00Z");
        assert!(json[1]["features"].is_null() && json[1]["why"].is_null());
        assert!(write_events(&folder.path().join("x.txt"), &events).is_err());
    }
}

//! Labels go out to the forms of other tools and come back as they were, and files as those tools write them are understood.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use rlad::data::{
    Annotation, Imported, LabelFormat, NANOS_PER_SECOND, SeriesLabels, Span, TimeFormat, Uncovered, export_labels,
    import_labels, write_labels,
};
use rlad::{Error, Series};

use Annotation::{Anomaly, Expected, Normal};

const fn span(first: usize, last: usize, label: Annotation) -> Span<Annotation> {
    Span { first, last, label }
}

fn series(name: &str, format: TimeFormat, timestamps: Vec<i64>) -> Series {
    let values = timestamps.iter().map(|&timestamp| 0.5 + (timestamp % 7) as f64).collect();
    Series::new(name, vec!["value".into()], format, timestamps, values, None).unwrap()
}

/// Ten points of a series, one each five minutes from 2014-07-01 on.
fn ten(name: &str) -> Series {
    let at = 1_404_172_800;
    series(name, TimeFormat::Civil, (0..10).map(|i| (at + 300 * i) * NANOS_PER_SECOND).collect())
}

fn import(format: LabelFormat, text: &str, data: &[Series]) -> Imported {
    let path = Path::new(match format {
        LabelFormat::Trainset => "cpu-labeled.csv",
        LabelFormat::TsbAd => "cpu.csv",
        LabelFormat::Nab | LabelFormat::LabelStudio => "labels.json",
    });
    import_labels(format, path, text.as_bytes(), data).unwrap()
}

fn of_one(imported: &Imported) -> &[Span<Annotation>] {
    let [labels] = &imported.labels[..] else { panic!("labels of one series: {imported:?}") };
    &labels.spans
}

/// A few series, of all forms of time, with gaps, missing values and names that are hard to write.
fn data() -> impl Strategy<Value = Vec<Series>> {
    let parts = [
        "a",
        "B",
        ",",
        "\"",
        "/",
        " ",
        "é",
        "温",
        "\n",
        "\r\n",
        ";",
        "\t",
        ".csv",
        "%20",
        "'",
        "\\",
        "-",
        "1",
        "{",
        "rlad normal ",
    ];
    let name =
        proptest::collection::vec(proptest::sample::select(parts.to_vec()), 1..6).prop_map(|parts| parts.concat());
    proptest::collection::btree_set(name, 1..4).prop_flat_map(|names: BTreeSet<String>| {
        let all: Vec<_> = names.into_iter().map(one_series).collect();
        all
    })
}

fn one_series(name: String) -> impl Strategy<Value = Series> {
    let formats = [
        (TimeFormat::Index, 1),
        (TimeFormat::Seconds, NANOS_PER_SECOND),
        (TimeFormat::Milliseconds, 1_000_000),
        (TimeFormat::Microseconds, 1_000),
        (TimeFormat::Nanoseconds, 1),
        (TimeFormat::Rfc3339, 1),
        (TimeFormat::Rfc3339, NANOS_PER_SECOND / 4),
        (TimeFormat::Civil, 1_000),
        (TimeFormat::Civil, 300 * NANOS_PER_SECOND),
    ];
    let format = proptest::sample::select(formats.to_vec());
    let points = proptest::collection::vec((1_i64..20, -1e9..1e9, 0..10), 1..40);
    (format, points, 1_usize..4, 0_i64..2_000_000_000).prop_map(move |((format, unit), points, n_channels, start)| {
        let mut at = start * NANOS_PER_SECOND / unit * unit;
        let mut timestamps = Vec::new();
        let mut values = Vec::new();
        for (index, (step, value, kind)) in points.into_iter().enumerate() {
            // Some points are as far apart as days.
            at += unit * if step == 1 { 90_000 } else { step };
            timestamps.push(if format == TimeFormat::Index { i64::try_from(index).unwrap() } else { at });
            values.extend((0..n_channels).map(|_| if kind == 0 { f64::NAN } else { value }));
        }
        let channels = ["value", "Label", "time"][..n_channels].iter().map(|&name| name.to_owned()).collect();
        Series::new(name.clone(), channels, format, timestamps, values, None).unwrap()
    })
}

/// Data and labels of some of them, spans joined and in order.
fn labelled() -> impl Strategy<Value = (Vec<Series>, Vec<SeriesLabels>)> {
    let label = proptest::sample::select(vec![None, None, Some(Anomaly), Some(Normal), Some(Expected)]);
    data().prop_flat_map(move |data| {
        let points: Vec<_> = data.iter().map(|series| proptest::collection::vec(label.clone(), series.len())).collect();
        (Just(data), points).prop_map(|(data, points)| {
            let labels = points.iter().enumerate().map(|(series, points)| {
                let mut spans: Vec<Span<Annotation>> = Vec::new();
                for (point, label) in points.iter().enumerate() {
                    match (spans.last_mut(), *label) {
                        (_, None) => {}
                        (Some(last), Some(label)) if last.label == label && last.last + 1 == point => last.last = point,
                        (_, Some(label)) => spans.push(span(point, point, label)),
                    }
                }
                SeriesLabels { series, spans }
            });
            let labels = labels.collect();
            (data, labels)
        })
    })
}

proptest! {
    #[test]
    fn a_round_trip_changes_nothing((data, labels) in labelled()) {
        let with_spans: Vec<_> = labels.iter().filter(|labels| !labels.spans.is_empty()).cloned().collect();
        for format in LabelFormat::ALL {
            let text = export_labels(format, &data, &labels).unwrap();
            let imported = import_labels(format, Path::new("file"), text.as_bytes(), &data).unwrap();
            prop_assert_eq!(&imported.labels, &with_spans, "{}:\n{}", format, text);
            prop_assert!(imported.unknown_series.is_empty() && imported.uncovered.is_empty(), "{:?}", imported);

            let again = export_labels(format, &data, &imported.labels).unwrap();
            let imported_again = import_labels(format, Path::new("file"), again.as_bytes(), &data);
            prop_assert_eq!(imported_again.unwrap(), imported);
        }
    }

    #[test]
    fn what_is_written_keeps_the_rules_of_the_other_tool((data, labels) in labelled()) {
        let text = export_labels(LabelFormat::Trainset, &data, &labels).unwrap();
        for row in csv_rows(&text).iter().skip(1) {
            prop_assert!(trainset_takes(row), "{row:?}");
        }
        let text = export_labels(LabelFormat::Nab, &data, &labels).unwrap();
        let windows: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        let files: BTreeSet<String> = data.iter().map(|series| format!("{}.csv", series.name())).collect();
        for (key, windows) in &windows {
            // NAB goes on to the next key at an empty list, and takes every other key as a file of its data.
            prop_assert!(files.contains(key) || windows.as_array().unwrap().is_empty(), "{key}");
        }
        let text = export_labels(LabelFormat::TsbAd, &data[..1], &labels[..1]).unwrap();
        let rows = csv_rows(&text);
        prop_assert_eq!(rows[0].last().unwrap(), "Label");
        prop_assert_eq!(rows[0].iter().filter(|name| *name == "Label").count(), 1);
        prop_assert_eq!((rows.len() - 1, rows[0].len() - 1), (data[0].len(), data[0].n_channels()));
    }

    #[test]
    fn no_file_makes_the_import_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..400, with: u8) {
        let data = [ten("cpu"), ten("disk")];
        let labels = [SeriesLabels { series: 0, spans: vec![span(1, 3, Anomaly), span(5, 5, Normal)] }];
        for format in LabelFormat::ALL {
            let _ = import_labels(format, Path::new("file"), &bytes, &data);
            let mut damaged = export_labels(format, &data, &labels).unwrap().into_bytes();
            let at = at % damaged.len();
            damaged[at] = with;
            let _ = import_labels(format, Path::new("file"), &damaged, &data);
            let _ = import_labels(format, Path::new("file"), &damaged[..at], &data);
        }
    }
}

fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            character => cell.push(character),
        }
    }
    rows
}

/// TRAINSET's rules for a row, but for the number of digits of a fraction, of which it takes three.
fn trainset_takes(row: &[String]) -> bool {
    let [_, time, value, label] = row else { return false };
    let time = time.strip_suffix('Z').unwrap_or_default();
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let shape: String = seconds.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.strip_prefix('-').unwrap_or(value);
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let word = label.len() <= 16 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    shape == "0000-00-00T00:00:00"
        && digits(fraction)
        && fraction.len() % 3 == 0
        && digits(whole)
        && digits(part)
        && word
}

#[test]
fn the_forms_look_as_the_documents_show_them() {
    let at = 1_404_172_800;
    let times: Vec<i64> = (0..5).map(|i| (at + 300 * i) * NANOS_PER_SECOND).collect();
    let values = vec![1.0, f64::NAN, 2.5, 9.0, 3.0];
    let data = [
        Series::new("eu/cpu", vec!["value".into()], TimeFormat::Civil, times, values, None).unwrap(),
        series("x, y", TimeFormat::Index, vec![0, 1, 2]),
    ];
    let labels = [
        SeriesLabels { series: 0, spans: vec![span(0, 1, Normal), span(3, 3, Anomaly), span(4, 4, Expected)] },
        SeriesLabels { series: 1, spans: vec![span(0, 1, Anomaly)] },
    ];
    let mut all = String::new();
    for format in LabelFormat::ALL {
        for n_series in [1, 2] {
            let text = export_labels(format, &data[..n_series], &labels[..n_series]).unwrap();
            all += &format!("# {format}, {n_series} series: {}\n{text}\n", format.file_name("data"));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn trainsets_own_files_are_read() {
    let data = [ten("cpu"), ten("a,b")];
    // As its program writes it: a fraction in each time, nothing quoted, the zone of the file that was opened.
    let text = "series,timestamp,value,label\n\
        cpu,2014-07-01T00:00:00.000Z,1,\n\
        cpu,2014-07-01T00:05:00.000Z,1,anomaly\n\
        cpu,2014-07-01T02:10:00.000+02:00,1,anomaly\n\
        cpu,2014-07-01T00:15:00.000Z,1,Normal\n\
        cpu,2014-07-01T00:17:00.000Z,1,anomaly\n\
        cpu,2014-07-01T00:18:00.000Z,1,anomaly\n\
        a,b,2014-07-01T00:45:00.000Z,1,expected\n\
        disk,2014-07-01T00:45:00.000Z,1,anomaly\n";
    let imported = import(LabelFormat::Trainset, text, &data);
    assert_eq!(imported.labels[0].spans, [span(1, 2, Anomaly), span(3, 3, Normal)]);
    assert_eq!(imported.labels[1], SeriesLabels { series: 1, spans: vec![span(9, 9, Expected)] });
    assert_eq!(imported.unknown_series, ["disk"]);
    let [Uncovered { series, from, to, label: Anomaly }] = &imported.uncovered[..] else { panic!("{imported:?}") };
    let (from, to) = (from.as_str(), to.as_str());
    assert_eq!((series.as_str(), from, to), ("cpu", "2014-07-01T00:17:00.000Z", "2014-07-01T00:18:00.000Z"));
    assert_eq!((imported.n_spans(), imported.n_points()), (3, 4));

    // Its first version has another first column, and 0 and 1 for the labels.
    let text = "filename,timestamp,value,label\ncpu,2014-07-01T00:00:00+00:00,1,0\ncpu,2014-07-01T00:05:00+00:00,1,1\n";
    assert_eq!(of_one(&import(LabelFormat::Trainset, text, &data)), [span(0, 0, Normal), span(1, 1, Anomaly)]);
}

#[test]
fn a_row_labels_its_own_point_only() {
    let text = "series,timestamp,value,label\n\
        cpu,2014-07-01T00:00:00Z,1,anomaly\ncpu,2014-07-01T00:45:00Z,1,anomaly\n";
    let imported = import(LabelFormat::Trainset, text, &[ten("cpu")]);
    assert_eq!(of_one(&imported), [span(0, 0, Anomaly), span(9, 9, Anomaly)], "rows between may have been removed");
}

#[test]
fn nabs_own_files_are_read() {
    let data = [ten("realKnownCause/cpu"), ten("disk")];
    let text = r#"{
    "artificialNoAnomaly/art_flatline.csv": [],
    "realKnownCause/cpu.csv": [
        ["2014-07-01 00:05:00.000000", "2014-07-01 00:10:00.000000"],
        ["2014-07-01 00:16:00.000000", "2014-07-01 00:19:00.000000"],
        ["2014-06-01 00:00:00.000000", "2014-07-01 00:01:00.000000"],
        ["2014-07-01 00:21:00.000000", "2014-08-01 00:00:00.000000"]
    ],
    "realTraffic/disk.csv": [["2014-07-01 00:05:00", "2014-07-01T00:05:00"]]
}"#;
    let imported = import(LabelFormat::Nab, text, &data);
    assert_eq!(imported.labels[0].spans, [span(0, 2, Anomaly), span(5, 9, Anomaly)], "what is outside stays unknown");
    assert_eq!(imported.labels[1].spans, [span(1, 1, Anomaly)], "a file in a folder that the data do not have");
    assert_eq!(imported.unknown_series, ["artificialNoAnomaly/art_flatline.csv"]);
    let [one] = &imported.uncovered[..] else { panic!("{imported:?}") };
    assert_eq!((one.series.as_str(), one.from.as_str()), ("realKnownCause/cpu", "2014-07-01 00:16:00.000000"));
}

#[test]
fn tsb_ads_own_files_are_read() {
    let data = [series("001_NAB_id_1_tr_2_1st_3", TimeFormat::Index, (0..6).collect()), ten("cpu")];
    let text = b"Data,Label\n1.5,0\n2.5,0\n2,1.0\n,1\n3,\n4,-1\n";
    let path = Path::new("TSB-AD-U/001_NAB_id_1_tr_2_1st_3.csv");
    let imported = import_labels(LabelFormat::TsbAd, path, text, &data).unwrap();
    assert_eq!(of_one(&imported), [span(0, 1, Normal), span(2, 3, Anomaly)]);
    let imported = import_labels(LabelFormat::TsbAd, Path::new("else.csv"), text, &data).unwrap();
    assert_eq!((imported.labels.len(), &imported.unknown_series[..]), (0, &["else".to_owned()][..]));
    let imported = import_labels(LabelFormat::TsbAd, Path::new("else.csv"), text, &data[..1]).unwrap();
    assert_eq!(imported.n_points(), 4, "there is one series only");
}

#[test]
fn label_studios_own_files_are_read() {
    let data = [ten("cpu"), ten("my disk")];
    // An export of a project whose series are addresses of files; the times are those of its mouse, in milliseconds.
    let text = r#"[
 {"id": 7, "data": {"csv": "/data/upload/2/42d46c4c-cpu.csv", "n": 3}, "file_upload": "42d46c4c-cpu.csv",
  "annotations": [
   {"id": 1, "was_cancelled": true, "result": [
     {"value": {"start": 1404172800000, "end": 1404175500000, "instant": false, "timeserieslabels": ["anomaly"]},
      "id": "x", "from_name": "label", "to_name": "ts", "type": "timeserieslabels"}]},
   {"id": 2, "was_cancelled": false, "ground_truth": false, "result": [
     {"value": {"start": 1404173012345.678, "end": 1404173500000.5, "instant": false, "timeserieslabels": ["Anomaly"]},
      "id": "y", "from_name": "label", "to_name": "ts", "type": "timeserieslabels", "origin": "manual"},
     {"value": {"start": 1404174000000, "end": 1404174000000, "instant": true, "timeserieslabels": ["Expected", "deploy"]},
      "id": "z", "from_name": "label", "to_name": "ts", "type": "timeserieslabels"},
     {"value": {"start": 1404174000001, "end": 1404174000001, "instant": true, "timeserieslabels": ["anomaly"]},
      "id": "w", "from_name": "label", "to_name": "ts", "type": "timeserieslabels"},
     {"value": {"choices": ["busy"]}, "id": "c", "from_name": "load", "to_name": "ts", "type": "choices"}]}],
  "predictions": [], "meta": {}},
 {"id": 8, "data": {"csv": "http://localhost/files/my%20disk.csv?token=1"}, "annotations": [{"result": [
     {"value": {"start": "2014-07-01T00:05:00.000Z", "end": "2014-07-01 00:10:00", "timeserieslabels": ["normal"]},
      "type": "timeserieslabels"}]}]},
 {"id": 9, "data": {"csv": "http://localhost/files/net.csv"}, "annotations": []}
]"#;
    let imported = import(LabelFormat::LabelStudio, text, &data);
    assert_eq!(imported.labels[0].spans, [span(1, 2, Anomaly), span(4, 4, Expected)]);
    assert_eq!(imported.labels[1].spans, [span(1, 2, Normal)]);
    assert_eq!(imported.unknown_series, ["http://localhost/files/net.csv"]);
    let [one] = &imported.uncovered[..] else { panic!("{imported:?}") };
    assert_eq!((one.series.as_str(), one.from.as_str()), ("cpu", "1404174000001"));

    // The older form, one task, times in seconds, values in the task itself.
    let text = r#"{"completions": [{"result": [
        {"value": {"start": 1404173100, "end": 1404173400.0, "instant": false, "timeserieslabels": ["outlier"]},
         "type": "timeserieslabels"}]}],
        "data": {"ts": {"time": [1404172800, 1404173100], "value": [1, [2, {"a": null}]]}}, "id": 0}"#;
    assert_eq!(of_one(&import(LabelFormat::LabelStudio, text, &data[..1])), [span(1, 2, Anomaly)]);
}

#[test]
fn times_that_are_numbers_are_in_the_unit_of_the_data_where_no_other_fits() {
    let data = [series("cpu", TimeFormat::Milliseconds, (0..10).map(|i| i * 60 * NANOS_PER_SECOND).collect())];
    let text = r#"[{"data": {"csv": "cpu.csv"}, "annotations": [{"result": [
        {"value": {"start": 60000, "end": 120000, "timeserieslabels": ["anomaly"]}, "type": "timeserieslabels"}]}]}]"#;
    assert_eq!(of_one(&import(LabelFormat::LabelStudio, text, &data)), [span(1, 2, Anomaly)]);
}

#[test]
fn a_later_stretch_stands_where_two_overlap() {
    let text = r#"[{"data": {"series": "cpu"}, "annotations": [
        {"result": [{"value": {"start": 1404172800000, "end": 1404175500000, "timeserieslabels": ["normal"]}}]},
        {"result": [{"value": {"start": 1404173100000, "end": 1404173100000, "timeserieslabels": ["anomaly"]}}]}]}]"#;
    let imported = import(LabelFormat::LabelStudio, text, &[ten("cpu")]);
    assert_eq!(of_one(&imported), [span(0, 0, Normal), span(1, 1, Anomaly), span(2, 9, Normal)]);
    let labels = [SeriesLabels { series: 0, spans: vec![span(0, 9, Normal), span(1, 1, Anomaly)] }];
    let text = export_labels(LabelFormat::Nab, &[ten("cpu")], &labels).unwrap();
    assert_eq!(import(LabelFormat::Nab, &text, &[ten("cpu")]), imported);
}

#[test]
fn series_without_labels_are_in_the_file_too() {
    let data = [ten("cpu")];
    let labels = [SeriesLabels { series: 0, spans: vec![] }];
    assert_eq!(export_labels(LabelFormat::Nab, &data, &labels).unwrap(), "{\n    \"cpu.csv\": []\n}\n");
    for format in LabelFormat::ALL {
        assert_eq!(import(format, &export_labels(format, &data, &labels).unwrap(), &data), Imported::default());
        assert_eq!(import(format, &export_labels(format, &data, &[]).unwrap(), &data[..0]).n_spans(), 0);
    }
}

#[test]
fn a_span_that_the_data_have_not_is_refused() {
    let data = [ten("cpu")];
    let labels = |series, span| [SeriesLabels { series, spans: vec![span] }];
    for labels in [labels(1, span(0, 0, Normal)), labels(0, span(3, 2, Normal)), labels(0, span(9, 10, Normal))] {
        assert!(matches!(export_labels(LabelFormat::Nab, &data, &labels), Err(Error::NotFound { .. })), "{labels:?}");
    }
}

#[test]
fn a_file_holds_what_the_text_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.csv");
    let (data, labels) = ([ten("cpu")], [SeriesLabels { series: 0, spans: vec![span(2, 4, Anomaly)] }]);
    for format in LabelFormat::ALL {
        write_labels(format, &data, &labels, &path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), export_labels(format, &data, &labels).unwrap());
    }
}

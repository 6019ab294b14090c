//! Reading and writing whole files: the shipped data, Parquet files of every type, edge cases, and round trips.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::File;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rlad::data::{
    Alarm, Columns, DataSet, NANOS_PER_SECOND, ReadOptions, SeriesScores, Source, TimeFormat, Truth, import,
    read_scores, write_dataset, write_scores,
};
use rlad::{Error, Label, Series, read};
use serde_json::Value;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn reference(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(format!("{name}.json"));
    serde_json::from_reader(File::open(path).unwrap()).unwrap()
}

fn read_one(path: &Path) -> rlad::Result<DataSet> {
    read(&[path.to_owned()], &ReadOptions::default())
}

/// Reads a CSV file of this content, named `x.csv`.
fn read_text(text: impl AsRef<[u8]>) -> rlad::Result<DataSet> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, text).unwrap();
    read_one(&path)
}

fn assert_as_pandas_reads(data: &DataSet, expected: &Value) {
    let expected = expected.as_object().unwrap();
    let names: Vec<&str> = data.series.iter().map(Series::name).collect();
    let mut expected_names: Vec<&String> = expected.keys().collect();
    expected_names.sort();
    assert_eq!(names, expected_names);
    for (series, truth) in data.iter() {
        let want = &expected[series.name()];
        let got = serde_json::json!({
            "n_points": series.len(),
            "first": series.timestamps()[0],
            "last": series.timestamps()[series.len() - 1],
            "step": series.step(),
            "max": series.values().iter().copied().fold(f64::MIN, f64::max),
            "n_anomalies": truth.unwrap().n_anomalies(),
        });
        for (key, got) in got.as_object().unwrap() {
            assert_eq!(got, &want[key], "{key} of {}", series.name());
        }
        let (sum, want) = (series.values().iter().sum::<f64>(), want["sum"].as_f64().unwrap());
        assert!((sum - want).abs() <= 1e-9 * want.abs(), "sum of {}: got {sum}, want {want}", series.name());
    }
}

#[test]
fn the_shipped_data_are_what_pandas_reads() {
    let expected = reference("shipped");
    assert_as_pandas_reads(&import(Source::Nab, &root("data/nab")).unwrap(), &expected["nab"]);
    let kpi = read_one(&root("crates/rlad-cli/data/kpi")).unwrap();
    assert_as_pandas_reads(&kpi, &expected["kpi"]);
    assert_eq!(kpi, {
        let imported = import(Source::Kpi, &root("crates/rlad-cli/data/kpi")).unwrap();
        DataSet { notes: kpi.notes.clone(), roles: kpi.roles.clone(), ..imported }
    });
}

#[test]
fn the_shipped_kpi_series_have_gaps_and_anomalies_to_train_and_to_test_on() {
    for (series, truth) in read_one(&root("crates/rlad-cli/data/kpi")).unwrap() {
        assert!(series.timestamps().windows(2).any(|pair| pair[1] - pair[0] > series.step()), "{}", series.name());
        let cut = series.len() * 4 / 5;
        let (train, test) = truth.as_ref().unwrap().labels().split_at(cut);
        for part in [train, test] {
            let anomalous: Vec<bool> = part.iter().map(|label| *label == Some(Label::Anomaly)).collect();
            assert!(rlad::data::events(&anomalous).len() >= 2, "{}", series.name());
        }
    }
}

#[test]
fn a_folder_is_read_by_path_and_tells_what_it_left_out() {
    let data = read_one(&root("data/nab")).unwrap();
    let names: Vec<&str> = data.series.iter().map(Series::name).collect();
    assert_eq!(names[3], "data/realKnownCause/nyc_taxi");
    assert!(data.notes.iter().any(|note| note.contains("LICENSE.txt") && note.contains("combined_windows.json")));
    assert!(data.notes.iter().any(|note| note.contains("constant") && note.contains("art_flatline")));
}

#[test]
fn every_parquet_type_means_what_pyarrow_means() {
    let expected = reference("types");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/types.parquet");
    let with = |time: &str, value: &str, label: &str| {
        let columns = Columns {
            time: vec![format!("time {time}")],
            values: vec![format!("value {value}")],
            label: Some(label.to_owned()),
            ..Columns::default()
        };
        read(std::slice::from_ref(&path), &ReadOptions { columns, ..ReadOptions::default() })
            .unwrap()
            .into_iter()
            .next()
            .unwrap()
    };
    let nanoseconds: Vec<i64> = serde_json::from_value(expected["nanoseconds"].clone()).unwrap();
    for time in expected["times"].as_array().unwrap() {
        let time = time.as_str().unwrap();
        let (series, _) = with(time, "double", "label int");
        assert_eq!(series.name(), "x", "{time}");
        assert_eq!(series.timestamps(), nanoseconds, "{time}");
        let zoned = time.contains("UTC") || time.contains("Berlin") || time.contains("dictionary");
        assert_eq!(series.time_format() == TimeFormat::Rfc3339, zoned, "{time}");
    }
    for (value, want) in expected["values"].as_object().unwrap() {
        let got = with("int64 seconds", value, "label int").0;
        for (got, want) in got.values().iter().zip(want.as_array().unwrap()) {
            assert_eq!(got.to_bits(), want.as_f64().unwrap_or(f64::NAN).to_bits(), "{value}");
        }
    }
    for label in expected["labels"].as_array().unwrap() {
        let truth = with("int64 seconds", "double", label.as_str().unwrap()).1.unwrap();
        assert_eq!(truth.labels(), [Some(Label::Normal), Some(Label::Anomaly), None], "{label}");
    }
}

#[test]
fn separators_quotes_line_ends_and_byte_order_marks_change_nothing() {
    let want = read_text("timestamp,value,label\n60,1.5,0\n120,2.5,1\n").unwrap();
    for text in [
        "\u{FEFF}timestamp,value,label\n60,1.5,0\n120,2.5,1\n",
        "timestamp,value,label\r\n60,1.5,0\r\n120,2.5,1\r\n",
        "Timestamp;Value;Is_Anomaly\n60;1.5;false\n120;2.5;True\n",
        "timestamp\tvalue\tlabel\n60\t1.5\t0\n120\t2.5\t1",
        "\"timestamp\",\"value\",\"label\"\n\"60\",\"1.5\",\"0\"\n\"120\",\"2.5\",\"1\"\n",
        "timestamp, value, label\n60, 1.5, 0\n\n120, 2.5, 1\n\n",
        "\nlabel,timestamp,value\n0,6e1,1.5\n1,120.0,25e-1\n",
        ",timestamp,value,label\n0,60,1.5,0\n1,120,2.5,1\n",
        "timestamp,value,label\n120,2.5,1\n60,1.5,0\n",
    ] {
        let mut got = read_text(text).unwrap();
        let series = &got.series[0];
        if series.channels() == ["Value"] {
            let (timestamps, values) = (series.timestamps().to_vec(), series.values().to_vec());
            got.series[0] =
                Series::new("x", vec!["value".into()], TimeFormat::Seconds, timestamps, values, None).unwrap();
        }
        assert!(got.iter().eq(want.iter()), "{text:?}");
    }
    let sorted = read_text("timestamp,value,label\n120,2.5,1\n60,1.5,0\n").unwrap();
    assert_eq!(repairs(&sorted), ["rows sorted by time: `x`"]);
}

/// The notes but the one that times so near to 1970 have in common.
fn repairs(data: &DataSet) -> Vec<&str> {
    data.notes.iter().map(String::as_str).filter(|note| !note.starts_with("times taken as seconds")).collect()
}

#[test]
fn odd_series_have_defined_answers() {
    let constant = read_text("timestamp,value\n60,1\n120,1\n180,1\n").unwrap();
    assert_eq!(repairs(&constant), ["constant, so nothing can stand out: `x`"]);

    let one = read_text("timestamp,value\n60,1").unwrap();
    assert_eq!((one.series[0].len(), one.series[0].step()), (1, NANOS_PER_SECOND));
    assert_eq!(repairs(&one), ["one point only: `x`"]);

    let missing = read_text("timestamp,value\n60,\n120,NaN\n180,null\n").unwrap();
    assert!((0..3).all(|point| missing.series[0].is_missing(point)));
    assert_eq!(repairs(&missing), ["no value at all in a channel: `x`"]);

    let infinite = read_text("timestamp,value\n60,1\n120,inf\n180,-Infinity\n240,2\n").unwrap();
    assert!(infinite.series[0].is_missing(1) && infinite.series[0].is_missing(2));
    assert_eq!(repairs(&infinite), ["infinite values taken as missing: `x` (2)"]);

    let mixed = read_text("timestamp,value\n0,1\n60,2\n120,3\n150,4\n210,5\n").unwrap();
    assert_eq!(mixed.series[0].step(), 60 * NANOS_PER_SECOND);
    assert_eq!(repairs(&mixed), ["timestamps off the grid of the step: `x` (25.0 %)"]);

    let unlabelled = read_text("timestamp,value,label\n60,1,\n120,2,-1\n").unwrap();
    assert_eq!(unlabelled.truths, [None]);

    let timeless = read_text("cpu,ram\n1,2\n3,4\n").unwrap();
    let series = &timeless.series[0];
    assert_eq!((series.time_format(), series.timestamps(), series.n_channels()), (TimeFormat::Index, &[0, 1][..], 2));
    assert_eq!(series.values(), [1.0, 2.0, 3.0, 4.0]);
    assert!(timeless.notes[0].starts_with("no column for the time"));
}

#[test]
fn a_series_in_several_files_is_joined() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let tuesday = write("2.csv", "series,date,value,label\na,2014-07-02,2,1\nb,2014-07-02,5,0\n");
    let monday = write("1.csv", "series,date,value\na,2014-07-01,1\na,2014-07-03,3\n");
    let data = read(&[tuesday, monday], &ReadOptions::default()).unwrap();
    let [a, b] = &data.series[..] else { panic!("two series") };
    assert_eq!(a.values(), [1.0, 2.0, 3.0]);
    assert_eq!(data.truths[0], Some(Truth::new(vec![None, Some(Label::Anomaly), None])));
    assert_eq!(b.len(), 1);
}

#[test]
fn a_given_step_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    std::fs::write(&path, "timestamp,value\n0,1\n60,2\n180,3\n").unwrap();
    let data = read(&[path], &ReadOptions { step: Some(30 * NANOS_PER_SECOND), ..ReadOptions::default() }).unwrap();
    assert_eq!(data.series[0].step(), 30 * NANOS_PER_SECOND);
}

#[test]
fn imported_data_survive_a_file() {
    let data = import(Source::Nab, &root("data/nab")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["nab.csv", "nab.parquet"] {
        let path = folder.path().join(name);
        write_dataset(&path, &data).unwrap();
        assert!(read_one(&path).unwrap().iter().eq(data.iter()), "{name}");
    }
}

#[test]
fn series_that_do_not_fit_one_file_are_refused() {
    let timed = read_text("timestamp,value\n60,1\n").unwrap();
    let timeless = read_text("series,value\ny,1\n").unwrap();
    let two_channels = read_text("series,timestamp,a,b\nz,60,1,2\n").unwrap();
    for other in [timeless, two_channels] {
        let data = timed.clone().into_iter().chain(other).collect();
        assert!(matches!(write_dataset(Path::new("never.csv"), &data), Err(Error::Format { .. })));
    }
}

/// Bits of all kinds: zeros of both signs, subnormals, the largest, NaN.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let any = any::<u64>().prop_map(f64::from_bits).prop_map(|value| if value.is_finite() { value } else { f64::NAN });
    let plain = (-1000..1000).prop_map(|value| f64::from(value) / 8.0);
    proptest::collection::vec(prop_oneof![any, plain], 1..40)
}

fn time_format() -> impl Strategy<Value = TimeFormat> {
    proptest::sample::select(vec![
        TimeFormat::Index,
        TimeFormat::Seconds,
        TimeFormat::Milliseconds,
        TimeFormat::Microseconds,
        TimeFormat::Nanoseconds,
        TimeFormat::Rfc3339,
        TimeFormat::Civil,
    ])
}

/// Timestamps a minute apart with some left out, from 2014 on.
fn timestamps(format: TimeFormat, n_points: usize) -> Vec<i64> {
    let unit = if format == TimeFormat::Index { 1 } else { 60 * NANOS_PER_SECOND };
    let first = if format == TimeFormat::Index { 0 } else { 1_404_172_800 * NANOS_PER_SECOND };
    let skipped = |point: i64| if format == TimeFormat::Index { 0 } else { point / 7 };
    (0..).map(|point| first + unit * (point + skipped(point))).take(n_points).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_data_set_survives_a_file_bit_for_bit(values in values(), format in time_format(), name in "\\PC{1,12}", seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let n_points = values.len();
        let labels = (0..n_points).map(|point| match (seed >> (point % 61)) % 3 {
            0 => Some(Label::Normal),
            1 => Some(Label::Anomaly),
            _ => None,
        });
        let truth = Some(Truth::new(labels.collect())).filter(|truth| truth.labels().iter().any(Option::is_some));
        let channels = vec!["value".to_owned()];
        let series = Series::new(&*name, channels, format, timestamps(format, n_points), values, None).unwrap();
        let data: DataSet = [(series, truth)].into_iter().collect();
        for file in ["x.csv", "x.parquet"] {
            let path = folder.path().join(file);
            write_dataset(&path, &data).unwrap();
            let read = read_one(&path).unwrap();
            let (got, want) = (&read.series[0], &data.series[0]);
            prop_assert_eq!(got.name(), want.name());
            prop_assert_eq!(got.time_format(), format);
            prop_assert_eq!(got.timestamps(), want.timestamps());
            prop_assert_eq!(bits(got.values()), bits(want.values()));
            prop_assert_eq!(&read.truths, &data.truths);
        }
    }

    #[test]
    fn scores_survive_a_file_bit_for_bit(scores in values(), format in time_format(), threshold: f64, model in "\\PC{0,12}") {
        let folder = tempfile::tempdir().unwrap();
        let timestamps = timestamps(format, scores.len());
        let alarms = Alarm::above(&scores, threshold);
        let series = "a/b, c".to_owned();
        let want = SeriesScores { series, time_format: format, timestamps, scores, alarms, threshold, model };
        for file in ["x.csv", "x.parquet"] {
            let path = folder.path().join(file);
            write_scores(&path, std::slice::from_ref(&want)).unwrap();
            let got = read_scores(&path).unwrap().remove(0);
            prop_assert_eq!(bits(&got.scores), bits(&want.scores));
            prop_assert_eq!(got.threshold.to_bits(), want.threshold.to_bits());
            let without = |scores: &SeriesScores| SeriesScores { scores: Vec::new(), ..scores.clone() };
            prop_assert_eq!(without(&got), without(&want));
        }
    }
}

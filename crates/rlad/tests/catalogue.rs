//! Reading some series of files gives what reading all of them and picking gives, and reads no more than it must.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{Float64Array, Int8Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use rlad::data::{Catalogue, Columns, DataSet, Duplicates, FileForm, ReadOptions, Truth};
use rlad::{Error, Series, read};

/// A row of a file.
#[derive(Clone, Debug)]
struct Row {
    series: String,
    time: i64,
    value: f64,
    label: i8,
}

fn row(series: &str, time: i64) -> Row {
    let value = (time % 7) as f64 + f64::from(series.as_bytes()[0]);
    Row { series: series.to_owned(), time, value, label: i8::from(time % 11 == 3) }
}

/// Series whose rows follow each other.
fn clustered(n_rows: i64) -> Vec<Row> {
    ["c", "a", "d", "b"].iter().flat_map(|series| (0..n_rows).map(move |time| row(series, time * 60))).collect()
}

/// Series whose rows take turns.
fn interleaved(n_rows: i64) -> Vec<Row> {
    (0..n_rows).flat_map(|time| ["c", "a", "d", "b"].map(|series| row(series, time * 60))).collect()
}

fn write_csv(path: &Path, rows: &[Row]) {
    let mut text = String::from("series,timestamp,value,label\n");
    for Row { series, time, value, label } in rows {
        writeln!(text, "{series},{time},{value},{label}").unwrap();
    }
    std::fs::write(path, text).unwrap();
}

fn write_parquet(path: &Path, rows: &[Row], rows_of_group: usize) {
    let batch = RecordBatch::try_from_iter([
        ("series", Arc::new(rows.iter().map(|row| Some(row.series.as_str())).collect::<StringArray>()) as _),
        ("timestamp", Arc::new(rows.iter().map(|row| row.time).collect::<Int64Array>()) as _),
        ("value", Arc::new(rows.iter().map(|row| row.value).collect::<Float64Array>()) as _),
        ("label", Arc::new(rows.iter().map(|row| row.label).collect::<Int8Array>()) as _),
    ])
    .unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_of_group)).build();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn list(paths: &[PathBuf]) -> Catalogue {
    Catalogue::of(paths, &ReadOptions::default()).unwrap()
}

fn names(data: &DataSet) -> Vec<&str> {
    data.series.iter().map(Series::name).collect()
}

/// A series whose values are zeros, and the bits of its values.
type SeriesBits = (Series, Vec<u64>);

/// Series and truths with the bits of the values, of which NaN equals itself.
fn bits(data: &DataSet) -> Vec<(SeriesBits, Option<&Truth>)> {
    let with_bits = |series: &Series| {
        let (name, channels, timestamps) = (series.name(), series.channels().to_vec(), series.timestamps().to_vec());
        let zeros = vec![0.0; series.values().len()];
        let step = Some(series.step());
        let series_of_zeros = Series::new(name, channels, series.time_format(), timestamps, zeros, step).unwrap();
        let values = series.values().iter().map(|value| value.to_bits()).collect();
        (series_of_zeros, values)
    };
    data.iter().map(|(series, truth)| (with_bits(series), truth)).collect()
}

/// Reads all that is listed in groups of `n` series, and compares with what reading everything gives.
fn assert_as_read(paths: &[PathBuf], n: usize) {
    let whole = read(paths, &ReadOptions::default()).unwrap();
    let mut catalogue = list(paths);
    let listed = catalogue.series().to_vec();
    for (listed, series) in listed.iter().zip(&whole.series) {
        assert_eq!((listed.name.as_str(), listed.n_points), (series.name(), series.len()));
        assert_eq!((listed.n_channels, listed.time_format), (series.n_channels(), series.time_format()));
    }
    let mut groups_read = Vec::new();
    // The order in which they are read is not that of the notes.
    let mut groups: Vec<_> = listed.chunks(n).collect();
    groups.reverse();
    for group in groups {
        let names: Vec<&str> = group.iter().map(|series| series.name.as_str()).collect();
        groups_read.push(catalogue.read(&names).unwrap());
    }
    let data: DataSet = groups_read.into_iter().rev().flatten().collect();
    assert!(bits(&data) == bits(&whole), "{:?} in groups of {n}", names(&data));
    assert_eq!(catalogue.notes(), whole.notes);
}

#[test]
fn series_are_read_by_name_wherever_their_rows_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, rows) in [("clustered", clustered(20_000)), ("interleaved", interleaved(10_000))] {
        let (csv, parquet) = (path(&format!("{name}.csv")), path(&format!("{name}.parquet")));
        write_csv(&csv, &rows);
        write_parquet(&parquet, &rows, 30_000);
        for file in [csv, parquet] {
            for n in [1, 3, 4] {
                assert_as_read(std::slice::from_ref(&file), n);
            }
        }
    }
}

#[test]
fn a_series_may_stand_in_several_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let later = |row: Row| Row { time: row.time + 10_000_000, ..row };
    write_csv(&path("1.csv"), &clustered(100));
    write_parquet(&path("2.parquet"), &interleaved(100).into_iter().map(later).collect::<Vec<_>>(), 64);
    std::fs::write(path("e.csv"), "timestamp,value,label\n0,1,0\n60,2,1\n").unwrap();
    std::fs::write(path("f.csv"), "timestamp,value,label\n").unwrap();
    std::fs::write(path("notes.md"), "hello").unwrap();
    for n in 1..5 {
        assert_as_read(&[folder.path().to_owned()], n);
    }
}

#[test]
fn the_notes_of_all_groups_together_are_those_of_one_reading() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let mut text = String::from("host;series;timestamp;value\n");
    for series in ["f", "b", "e", "a", "d", "c"] {
        writeln!(text, "h;{series};180;inf\nh;{series};60;1\nh;{series};120;1").unwrap();
    }
    text.push_str("h;one;60;1\nh;odd;0;1\nh;odd;60;2\nh;odd;90;\n");
    std::fs::write(&path, text).unwrap();
    for n in [1, 2, 5, 8] {
        assert_as_read(std::slice::from_ref(&path), n);
    }
    let mut twice = list(std::slice::from_ref(&path));
    twice.read(&["a", "one"]).unwrap();
    let once = twice.notes();
    twice.read(&["a", "one"]).unwrap();
    assert_eq!(twice.notes(), once, "what is told is told once");
    assert!(once.contains(&"rows sorted by time: `a`".to_owned()), "{once:?}");
}

#[test]
fn files_of_every_form_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    for (i, text) in [
        "cpu,ram\n1,2\n3,4\n",
        "series,value\nb,1\na,2\nb,3\n",
        "\u{FEFF}series;date;value\r\nb;2014-07-02;1\r\n\r\na;2014-07-01;2\r\nb;2014-07-01;3",
        "series,time,value\nb,2014-07-02T00:00:00Z,1\na,2014-07-01T00:00:00Z,2\n",
        "series,time,value\nb,\"1404172800000\",1\n\"a, \"\"x\"\"\ny\",1404172800000,2\nb,1404172860000,1\n",
        "series\ttime\tcpu\tram\rb\t60\t1\t2\rb\t120\t1\t2\ra\t60\t2\t3\r",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{i}.csv"));
        std::fs::write(&path, text).unwrap();
        assert_as_read(&[path], 1);
    }
    let types = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/types.parquet");
    for time in [
        "int64 seconds",
        "uint64 milliseconds",
        "double seconds",
        "timestamp[ns]",
        "timestamp[ms, UTC]",
        "date32",
        "string",
    ] {
        let columns = Columns {
            time: vec![format!("time {time}")],
            values: vec!["value double".to_owned()],
            label: Some("label int".to_owned()),
            ..Columns::default()
        };
        let options = ReadOptions { columns, ..ReadOptions::default() };
        let whole = read(std::slice::from_ref(&types), &options).unwrap();
        let mut catalogue = Catalogue::of(std::slice::from_ref(&types), &options).unwrap();
        assert_eq!(catalogue.series()[0].time_format, whole.series[0].time_format(), "{time}");
        assert_eq!(bits(&catalogue.read(&["x"]).unwrap()), bits(&whole), "{time}");
    }
}

#[test]
fn row_groups_without_a_wanted_series_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    // Two blocks a series, and a row group a series.
    write_parquet(&path, &clustered(32_768), 32_768);
    let whole = read(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    let mut catalogue = list(std::slice::from_ref(&path));

    // What holds the values of `c` and `d`, the first and the third row group, becomes noise.
    let mut bytes = std::fs::read(&path).unwrap();
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    for group in [0, 2] {
        for column in 0..4 {
            let (start, length) = reader.metadata().row_group(group).column(column).byte_range();
            let start = usize::try_from(start).unwrap();
            bytes[start..start + usize::try_from(length).unwrap()].fill(0xAA);
        }
    }
    std::fs::write(&path, bytes).unwrap();
    assert!(catalogue.read(&["a", "b"]).unwrap().iter().eq(whole.iter().take(2)));
    let error = catalogue.read(&["d"]).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    assert!(read(std::slice::from_ref(&path), &ReadOptions::default()).is_err());
}

#[test]
fn what_is_not_listed_or_not_as_listed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    write_csv(&path, &clustered(10));
    let mut catalogue = list(std::slice::from_ref(&path));
    assert_eq!(catalogue.read(&["e"]).unwrap_err().to_string(), "series `e` is not in the files that were listed");
    assert_eq!(catalogue.read(&[""; 0]).unwrap(), DataSet::default());
    write_csv(&path, &clustered(9));
    for names in [&["a"][..], &["a", "b", "c", "d"]] {
        let error = catalogue.read(names).unwrap_err().to_string();
        assert!(
            error.ends_with("the file that it was when its series were listed: it was changed meanwhile"),
            "{error}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(catalogue.read(&["a"]), Err(Error::Read { .. })));
}

#[test]
fn an_error_names_the_row_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let mut text = String::from("series,timestamp,value\n");
    for time in 0..40_000 {
        writeln!(text, "a,{time},1\nb,{time},{}", if time == 39_000 { "broken" } else { "2" }).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let whole = read(std::slice::from_ref(&path), &ReadOptions::default()).unwrap_err().to_string();
    let mut catalogue = list(std::slice::from_ref(&path));
    assert_eq!(catalogue.read(&["a"]).unwrap().series[0].len(), 40_000);
    assert_eq!(catalogue.read(&["b"]).unwrap_err().to_string(), whole);
    assert!(whole.contains("row 78002, column `value`"), "{whole}");

    text = text.replace("broken", "2") + "a,7,1\n";
    std::fs::write(&path, &text).unwrap();
    let form = FileForm { duplicates: Some(Duplicates::Error), ..FileForm::default() };
    let options = ReadOptions { form, ..ReadOptions::default() };
    let whole = read(std::slice::from_ref(&path), &options).unwrap_err().to_string();
    let mut catalogue = Catalogue::of(std::slice::from_ref(&path), &options).unwrap();
    assert_eq!(catalogue.read(&["a"]).unwrap_err().to_string(), whole);
    assert!(whole.ends_with("in rows 15 and 80001"), "{whole}");
}

#[test]
fn a_series_whose_labels_are_unknown_or_anomalies_is_read_alone_as_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.csv");
    let mut text = String::from("series,timestamp,value,label\n");
    for time in 0..30 {
        writeln!(text, "a,{time},1,{}\nb,{time},2,0", if time == 7 { -1 } else { 1 }).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let whole = read(std::slice::from_ref(&path), &ReadOptions::default()).unwrap();
    let mut catalogue = list(std::slice::from_ref(&path));
    assert_eq!(catalogue.read(&["a"]).unwrap().truths[0], whole.truths[0]);
}

#[test]
fn seconds_with_and_without_a_fraction_are_one_series() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["1.csv", "2.csv"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], "series,time,value\na,1709251200,1\na,1709251201,2\n").unwrap();
    std::fs::write(&paths[1], "series,time,value\na,1709251202.5,3\n").unwrap();
    let data = read(&paths, &ReadOptions::default()).unwrap();
    let series = &data.series[0];
    let times: Vec<String> = series.timestamps().iter().map(|time| series.time_format().format(*time)).collect();
    assert_eq!(times, ["1709251200.0", "1709251201.0", "1709251202.5"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_order_of_rows_is_read_in_any_groups(series in proptest::collection::vec("[a-d]", 1..200), n in 1_usize..4) {
        let folder = tempfile::tempdir().unwrap();
        let rows: Vec<Row> = (0..).zip(&series).map(|(time, series)| row(series, (time * 37) % 211)).collect();
        for (name, half) in [("1", &rows[..rows.len() / 2]), ("2", &rows[rows.len() / 2..])] {
            if !half.is_empty() {
                write_csv(&folder.path().join(format!("{name}.csv")), half);
            }
        }
        let path = folder.path().join("all.parquet");
        write_parquet(&path, &rows, 16);
        assert_as_read(std::slice::from_ref(&path), n);
        std::fs::remove_file(path).unwrap();
        assert_as_read(&[folder.path().to_owned()], n);
    }
}

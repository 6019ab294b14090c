//! Messages about data that cannot be read: every message with its causes and its hint, in one snapshot.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rlad::data::{
    Annotation, Columns, FileForm, LabelFormat, ReadOptions, SeriesLabels, Source, Span, TimeFormat, export_labels,
    import, import_labels, read_scores, write_dataset,
};
use rlad::{Error, Series, read};

/// The files of a case, and how they are read.
struct Case {
    what: &'static str,
    files: Vec<(&'static str, Vec<u8>)>,
    given: Vec<&'static str>,
    options: ReadOptions,
}

fn case(what: &'static str, file: &'static str, content: impl AsRef<[u8]>) -> Case {
    let files = vec![(file, content.as_ref().to_vec())];
    Case { what, files, given: vec![file], options: ReadOptions::default() }
}

impl Case {
    fn and(mut self, file: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((file, content.as_ref().to_vec()));
        self.given.push(file);
        self
    }

    fn given(mut self, given: &[&'static str]) -> Self {
        self.given = given.to_vec();
        self
    }

    fn columns(mut self, columns: Columns) -> Self {
        self.options.columns = columns;
        self
    }
}

fn cases() -> Vec<Case> {
    let parquet = parquet_bytes();
    let step = |step| ReadOptions { step: Some(step), ..ReadOptions::default() };
    vec![
        // Files
        case("a file that is not there", "a.csv", "").given(&["b.csv"]),
        case("a file taken for a folder", "a.csv", "value\n1\n").given(&["a.csv/b.csv"]),
        case("a folder without data", "folder/notes.md", "hello").given(&["folder"]),
        case("an empty folder named like a file", "x.csv/y/.keep", "").given(&["x.csv"]),
        case("another extension", "a.xlsx", "PK"),
        case("a CSV file without a byte", "a.csv", ""),
        case("a header without rows", "a.csv", "timestamp,value\n"),
        case("text in a Parquet file", "a.parquet", "timestamp,value\n60,1\n"),
        case("a Parquet file cut in half", "a.parquet", &parquet[..parquet.len() / 2]),
        case("a Parquet file with damage inside", "a.parquet", damaged(&parquet)),
        case("a Parquet file by Brotli", "a.parquet", include_bytes!("reference/brotli.parquet")),
        case("a Parquet file named as CSV", "a.csv", &parquet),
        case("UTF-16", "a.csv", b"\xFF\xFEt\0i\0m\0e\0"),
        case("a database", "a.csv", b"SQLite format 3\0"),
        case("JSON", "a.csv", "[{\"time\": 60, \"value\": 1}]\n"),
        case("no file for a pattern", "a.csv", "value\n1\n").given(&["*.parquet"]),
        case("a row with too few cells", "a.csv", "timestamp,value\n60,1\n120\n"),
        case("a row with too many cells", "a.csv", "timestamp,value\n60,1\n120,2,3\n"),
        case("a quote that never closes", "a.csv", "timestamp,value\n60,\"1\n120,2\n180,3\n"),
        // Columns
        case("a named column that is not there", "a.csv", "timestamp,value\n60,1\n")
            .columns(Columns { values: vec!["cpu".to_owned()], ..Columns::default() }),
        case("one column for two things", "a.csv", "timestamp,value\n60,1\n").columns(Columns {
            time: vec!["value".to_owned()],
            values: vec!["value".to_owned()],
            ..Columns::default()
        }),
        case("two columns that could be the time", "a.csv", "date,time,value\n2014-07-01,2014-07-02,1\n"),
        case(
            "two columns of times without a usual name",
            "a.csv",
            "from,until,value\n2014-07-01,2014-07-02,1\n2014-07-03,2014-07-04,2\n",
        ),
        case("labels of which either may be the anomaly", "a.csv", "time,value,label\n60,1,1\n120,2,-1\n180,3,1\n"),
        case("numbers whose mark may part thousands", "a.csv", "time;value\n60;1.492\n120;1.665\n180;999\n"),
        case("two columns of one name", "a.csv", "timestamp,value,value\n60,1,2\n"),
        case("no column of numbers", "a.csv", "timestamp,host\n60,web\n"),
        case("values that are text in Parquet", "a.parquet", &parquet)
            .columns(Columns { values: vec!["series".to_owned()], ..Columns::default() }),
        // Cells
        case("text among the values", "a.csv", "timestamp,value\n60,1\n120,broken\n"),
        case("bytes that are no UTF-8 in a value", "a.csv", b"timestamp,value\n60,1\xFF\n"),
        case("a series without a name", "a.csv", "series,timestamp,value\na,60,1\n,60,1\n"),
        case("the label 2", "a.csv", "timestamp,value,label\n60,1,0\n120,1,2\n"),
        case("a label in unknown words", "a.csv", "timestamp,value,label\n60,1,gut\n"),
        case("a very long cell", "a.csv", format!("timestamp,value\n60,{}\n", "x".repeat(10_000))),
        // Times
        case("no timestamp in a cell", "a.csv", "timestamp,value\n60,1\n,2\n"),
        case("a date with slashes", "a.csv", "date,value\n07/01/2014,1\n"),
        case("a thirteenth month", "a.csv", "date,value\n2014-13-01,1\n"),
        case("the year 9999", "a.csv", "time,value\n2014-07-01 00:00:00,1\n9999-12-31 23:59:59,2\n"),
        case("the year 9999 with a zone", "a.csv", "time,value\n9999-12-31T23:59:59Z,2\n"),
        case("seconds too large", "a.csv", "time,value\n99999999999,2\n"),
        case("seconds, then milliseconds", "a.csv", "time,value\n1491041280,1\n1491041340000,2\n"),
        case("civil, then RFC 3339", "a.csv", "time,value\n2014-07-01 00:00:00,1\n2014-07-01T00:05:00Z,2\n"),
        case("a timestamp twice", "a.csv", "timestamp,value\n120,1\n60,2\n120,3\n"),
        case("several series without a column for them", "a.csv", "time,host,cpu\n2014-07-01,a,1\n2014-07-01,b,2\n"),
        case("a series in two files at the same time", "jan/a.csv", "series,timestamp,value\na,60,1\na,120,2\n")
            .and("feb/a.csv", "series,timestamp,value\na,120,3\n"),
        case("a series in two files without time", "jan/a.csv", "series,value\na,1\n")
            .and("feb/a.csv", "series,value\na,2\n"),
        Case {
            options: ReadOptions {
                form: FileForm { time_zone: Some("Europe/Berlinn".to_owned()), ..FileForm::default() },
                ..ReadOptions::default()
            },
            ..case("a zone that is not there", "a.csv", "timestamp,value\n60,1\n")
        },
        case("files with and without time", "a.csv", "timestamp,value\n60,1\n").and("b.csv", "zeit,value\n60,1\n"),
        case("a series with two sets of channels", "1.csv", "series,timestamp,cpu\na,60,1\n")
            .and("2.csv", "series,timestamp,ram\na,120,1\n"),
        case("a series with two forms of time", "1.csv", "series,timestamp,cpu\na,60,1\n")
            .and("2.csv", "series,timestamp,cpu\na,2014-07-01,1\n"),
        Case { options: step(0), ..case("a step of nothing", "a.csv", "timestamp,value\n60,1\n") },
    ]
}

/// A small whole Parquet file, long enough that half of it lacks its end.
fn parquet_bytes() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (csv, parquet) = (folder.path().join("s.csv"), folder.path().join("s.parquet"));
    let rows: String = (0..500).map(|row| format!("{},{}\n", 60 * row, f64::from(row).sin())).collect();
    std::fs::write(&csv, format!("timestamp,value\n{rows}")).unwrap();
    write_dataset(&parquet, &read(&[csv], &ReadOptions::default()).unwrap()).unwrap();
    std::fs::read(parquet).unwrap()
}

/// The same with bytes overwritten behind the head.
fn damaged(parquet: &[u8]) -> Vec<u8> {
    let mut bytes = parquet.to_vec();
    bytes[4..300].fill(0xAA);
    bytes
}

/// The message, its causes and its hint, as the program prints them.
fn report(error: &Error, folder: &Path) -> String {
    let mut text = format!("error: {error}\n");
    let mut cause = error.source();
    while let Some(source) = cause {
        writeln!(text, "  because: {source}").unwrap();
        cause = source.source();
    }
    if let Some(hint) = error.hint() {
        writeln!(text, "hint: {hint}").unwrap();
    }
    text.replace(folder.to_str().unwrap(), "DIR").replace(std::path::MAIN_SEPARATOR, "/")
}

#[test]
fn bad_input_is_told_so_that_it_can_be_put_right() {
    let mut all = String::new();
    for Case { what, files, given, options } in cases() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let paths: Vec<PathBuf> = given.iter().map(|name| folder.path().join(name)).collect();
        let error = read(&paths, &options).expect_err(what);
        writeln!(all, "# {what}\n{}", report(&error, folder.path())).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn bad_public_data_and_scores_are_told_too() {
    let mut all = String::new();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut tell = |what: &str, error: &Error| writeln!(all, "# {what}\n{}", report(error, folder.path())).unwrap();
    tell("NAB without labels", &import(Source::Nab, folder.path()).unwrap_err());
    write("labels/combined_windows.json", "{\"x.csv\": [[\"2014-07-01\"]]}");
    tell("NAB with a window of one end", &import(Source::Nab, folder.path()).unwrap_err());
    let path = write("yahoo/real_1.csv", "timestamp,value\n1,2\n");
    tell("Yahoo S5 without labels", &import(Source::YahooS5, &path).unwrap_err());
    tell("the test set of KPI", &import(Source::Kpi, &folder.path().join("phase2_ground_truth.hdf")).unwrap_err());
    let path = write("tsb/001_tr_5.csv", "Data,Klasse\n1,0\n");
    tell("TSB-AD without labels", &import(Source::TsbAd, &path).unwrap_err());
    tell("another source", &"nasa".parse::<Source>().unwrap_err());
    let path = write("scores.csv", "series,timestamp,score\na,60,1\n");
    tell("scores without a threshold", &read_scores(&path).unwrap_err());
    let path = write("scores.csv", "series,timestamp,score,threshold,anomaly,model\na,60,1,0,1,m\na,120,1,2,1,m\n");
    tell("scores with two thresholds", &read_scores(&path).unwrap_err());
    let path = write("a.csv", "timestamp,name,value\n60,web,2\n");
    let mut data = read(&[path], &ReadOptions::default()).unwrap();
    let series = &data.series[0];
    let (format, timestamps) = (series.time_format(), series.timestamps().to_vec());
    let channels = vec!["id".to_owned(), "name".to_owned()];
    data.series[0] = rlad::Series::new("a", channels, format, timestamps, vec![1.0, 2.0], None).unwrap();
    tell("channels that would be taken for others", &write_dataset(&folder.path().join("x.csv"), &data).unwrap_err());
    tell(
        "a folder that is not there",
        &write_dataset(&folder.path().join("no/x.parquet"), &{
            data.series[0] = rlad::Series::new("a", vec!["cpu".to_owned()], format, vec![60], vec![1.0], None).unwrap();
            data
        })
        .unwrap_err(),
    );
    insta::assert_snapshot!(all);
}

#[test]
fn bad_files_of_labels_are_told_too() {
    let times = || (0..4).map(|i| (1_404_172_800 + 300 * i) * rlad::data::NANOS_PER_SECOND).collect();
    let one = |name: &str| Series::new(name, vec!["v".into()], TimeFormat::Civil, times(), vec![0.0; 4], None).unwrap();
    let data = [one("cpu"), one("disk")];
    let task = |data: &str, value: &str| {
        let result = format!(r#"{{"value": {value}, "type": "timeserieslabels"}}"#);
        format!(r#"[{{"data": {{"series": "cpu"{data}}}, "annotations": [{{"result": [{result}]}}]}}]"#)
    };
    let cases: Vec<(&str, LabelFormat, Vec<u8>)> = [
        ("an empty file", LabelFormat::Trainset, ""),
        ("no column for the label", LabelFormat::Trainset, "series,timestamp,value\ncpu,2014-07-01T00:00:00Z,1\n"),
        (
            "a label of other words",
            LabelFormat::Trainset,
            "series,timestamp,value,label\ncpu,2014-07-01T00:00:00Z,1,label_1\n",
        ),
        ("a time with slashes", LabelFormat::Trainset, "series,timestamp,value,label\ncpu,07/01/2014,1,anomaly\n"),
        ("a row with too few cells", LabelFormat::Trainset, "series,timestamp,value,label\ncpu,2014-07-01T00:00:00Z\n"),
        ("a JSON file", LabelFormat::Trainset, "[{}]"),
        ("no JSON", LabelFormat::Nab, "series,timestamp,value,label\n"),
        ("a list", LabelFormat::Nab, "[]"),
        ("a file cut in half", LabelFormat::Nab, "{\"cpu.csv\": [[\"2014-07-01"),
        ("single times", LabelFormat::Nab, "{\"cpu.csv\": [\"2014-07-01 00:00:00\"]}"),
        ("a window of one end", LabelFormat::Nab, "{\"cpu.csv\": [[\"2014-07-01 00:00:00\"]]}"),
        ("a window of words", LabelFormat::Nab, "{\"cpu.csv\": [[\"2014-07-01 00:00:00\", \"soon\"]]}"),
        ("a window the wrong way round", LabelFormat::Nab, "{\"cpu.csv\": [[\"2014-07-02\", \"2014-07-01\"]]}"),
        ("no column Label", LabelFormat::TsbAd, "Data,Klasse\n1,0\n"),
        ("the label 2", LabelFormat::TsbAd, "Data,Label\n1,0\n1,2\n"),
        ("too few rows", LabelFormat::TsbAd, "Data,Label\n1,0\n1,1\n"),
        ("too many rows", LabelFormat::TsbAd, "Data,Label\n1,0\n1,1\n1,0\n1,0\n1,0\n"),
        ("too few rows of one of two series", LabelFormat::TsbAd, "series,Data,Label\ndisk,1,0\n"),
        ("a row with too many cells", LabelFormat::TsbAd, "Data,Label\n1,2,0\n"),
        ("text", LabelFormat::LabelStudio, "hello"),
        ("a list of numbers", LabelFormat::LabelStudio, "[1]"),
        (
            "an export as JSON-MIN",
            LabelFormat::LabelStudio,
            r#"[{"csv": "cpu.csv", "label": [], "data": {"csv": "cpu.csv"}}]"#,
        ),
    ]
    .map(|(what, format, text)| (what, format, text.as_bytes().to_vec()))
    .into_iter()
    .chain([
        ("UTF-16", LabelFormat::Trainset, b"\xFF\xFEs\0e\0".to_vec()),
        (
            "bytes that are no UTF-8",
            LabelFormat::Trainset,
            b"series,timestamp,value,label\n\xE9,2014-07-01,1,1\n".to_vec(),
        ),
    ])
    .chain(
        [
            (
                "another label",
                task("", r#"{"start": 1404172800000, "end": 1404172800000, "timeserieslabels": ["Run"]}"#),
            ),
            ("two labels", task("", r#"{"start": 0, "end": 1, "timeserieslabels": ["normal", "anomaly"]}"#)),
            ("no label", task("", r#"{"start": 1404172800000, "end": 1404172800000}"#)),
            ("no end", task("", r#"{"start": 1404172800000, "timeserieslabels": ["normal"]}"#)),
            ("a start that is a list", task("", r#"{"start": [1], "end": 2, "timeserieslabels": ["normal"]}"#)),
            ("a start in words", task("", r#"{"start": "soon", "end": 2, "timeserieslabels": ["normal"]}"#)),
            ("an end out of range", task("", r#"{"start": 1, "end": 1e300, "timeserieslabels": ["normal"]}"#)),
            (
                "a region the wrong way round",
                task("", r#"{"start": 1404172800000, "end": 1, "timeserieslabels": ["normal"]}"#),
            ),
            (
                "another unit",
                task(r#", "time_unit": "h""#, r#"{"start": 1, "end": 1, "timeserieslabels": ["normal"]}"#),
            ),
        ]
        .map(|(what, text)| (what, LabelFormat::LabelStudio, text.into_bytes())),
    )
    .collect();
    let mut all = String::new();
    for (what, format, bytes) in cases {
        let path = Path::new(if format == LabelFormat::TsbAd { "cpu.csv" } else { "labels" });
        let error = import_labels(format, path, &bytes, &data).expect_err(what);
        writeln!(all, "# {format}: {what}\n{}", report(&error, Path::new("no such folder"))).unwrap();
    }
    let mut tell = |what: &str, error: &Error| {
        writeln!(all, "# {what}\n{}", report(error, Path::new("no such folder"))).unwrap();
    };
    tell("another form", &"curve".parse::<LabelFormat>().unwrap_err());
    let spans = vec![Span { first: 2, last: 4, label: Annotation::Normal }];
    let labels = [SeriesLabels { series: 0, spans }];
    tell("a point that is not there", &export_labels(LabelFormat::Nab, &data, &labels).unwrap_err());
    insta::assert_snapshot!(all);
}

#[test]
fn a_parquet_file_at_which_its_decoder_panics_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    // Found by the fuzz target: the definition levels of a column end before its rows do.
    std::fs::write(&path, include_bytes!("files/levels_that_end.parquet")).unwrap();
    let error = read(&[path], &ReadOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("a.parquet` is not a whole Parquet file"), "{error}");
}

#[test]
fn files_without_sense_end_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let columns: String = (0..100_000).map(|column| format!(",c{column}")).collect();
    let wide = format!("time{columns}\n60{}\n120{}\n", ",1".repeat(100_000), ",2".repeat(100_000));
    let long = format!("time,value\n60,{}\n", "1".repeat(4_000_000));
    let quotes = format!("time,value\n60,{}\n", "\"".repeat(2_000_001));
    for (what, text, is_read) in [
        ("a hundred thousand columns", wide.as_str(), true),
        ("a line of millions of digits", &long, true),
        ("quotes that never close", &quotes, false),
        ("zeros", &"\0".repeat(1_000_000), false),
    ] {
        std::fs::write(&path, text).unwrap();
        let begun = std::time::Instant::now();
        let got = read(std::slice::from_ref(&path), &ReadOptions::default());
        assert_eq!(
            got.is_ok(),
            is_read,
            "{what}: {:?}",
            got.err().map(|error| error.to_string().chars().take(200).collect::<String>())
        );
        assert!(begun.elapsed().as_secs() < 15, "{what} took {:?}", begun.elapsed());
    }
}

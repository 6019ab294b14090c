//! The seeds: small valid files of each kind, which the targets begin with.

use std::path::{Path, PathBuf};

use rlad::baselines::{Baseline, Method};
use rlad::data::{
    Annotation, LabelFormat, Part, ReadOptions, SeriesLabels, Span, TimeFormat, Truth, export_labels, read,
    write_dataset, write_scores,
};
use rlad::{Config, Detector, Label, Session, TruthOracle};

use crate::detectors::{data, parts, small};

/// Writes the seeds of every target into `fuzz/corpus`.
///
/// # Panics
/// If one cannot be made or written.
pub fn write() {
    csv();
    parquet();
    compressed();
    calendar();
    scores();
    detectors();
    answer_log();
    labels();
    times();
    for (name, config) in [("default", Config::default()), ("paper", Config::paper())] {
        seed("config", name, config.to_toml().as_bytes());
    }
}

fn seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join(format!("seed-{name}")), bytes).expect("a seed can be written");
}

const TABLES: [(&str, &str); 10] = [
    ("plain", "0timestamp,value\n60,1\n120,2.5\n180,\n240,4\n"),
    ("series", "0series,time,cpu,disk,label\na,2024-03-01 00:00:00,1,2,0\na,2024-03-01 00:05:00,2,3,1\nb,2024-03-01 00:00:00,1,2,0\n"),
    ("no-header", "12024-03-01T00:00:00Z,1\n2024-03-01T00:05:00Z,2\n"),
    ("wide", "2date,web,db\n01.03.2024,1,2\n02.03.2024,2,3\n"),
    ("comma", "3date;value\n2024-03-01;1,5\n2024-03-02;1.234,5\n"),
    ("mean", "4timestamp,value\n60,1\n60,2\n120,3\n"),
    ("counter", "5timestamp,value\n60,1\n120,200\n180,3\n"),
    ("zone", "6time,value\n2024-10-27 02:00:00,1\n2024-10-27 02:30:00,2\n2024-10-27 02:00:00,3\n"),
    ("skip", "7# made by hand\ntime\tvalue\tlabel\n1709251200\t1\t0\n1709251500\t\"2\"\t1\n"),
    ("excel", "8day,value\n45352,1\n45353.5,2\n"),
];

fn csv() {
    for (name, text) in TABLES {
        seed("csv", name, text.as_bytes());
    }
    seed("csv", "quoted", b"0time,\"a \"\"name\"\"\"\n2024-03-01,\"1,5\"\n\"2024-03-02\",2\n");
    seed("csv", "wide-counter", b"9time,web\n60,1\n120,2\n");
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

fn bytes_of(path: PathBuf) -> Vec<u8> {
    std::fs::read(path).expect("what was written can be read")
}

fn parquet() {
    let folder = temporary();
    for (name, text) in &TABLES[..2] {
        let (csv, parquet) = (folder.path().join("s.csv"), folder.path().join("s.parquet"));
        std::fs::write(&csv, &text[1..]).expect("a file can be written");
        let data = read(&[csv], &ReadOptions::default()).expect("a seed is valid");
        write_dataset(&parquet, &data).expect("a seed can be written");
        seed("parquet", name, &bytes_of(parquet));
    }
}

fn compressed() {
    use std::io::Write;
    let text = &TABLES[1].1[1..];
    seed("compressed", "gzip-text", format!("g{text}").as_bytes());
    seed("compressed", "zstd-text", format!("z{text}").as_bytes());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("memory can be written to");
    let gzip = encoder.finish().expect("memory can be written to");
    seed("compressed", "gzip", &gzip);
    seed("compressed", "gzip-of-gzip", &[b"g", &gzip[..]].concat());
    seed("compressed", "zstd", &zstd::encode_all(text.as_bytes(), 3).expect("memory can be written to"));
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    seed("compressed", "utf-16", &[&[0xFF, 0xFE], &utf16[..]].concat());
    seed("compressed", "latin-1", b"time,gr\xFC\xDFe\n60,1\n120,2\n");
}

/// A session that has learned once, on the data of the targets.
fn taught(config: Config) -> Session {
    let data = data();
    let label = |i: usize| Some(if i % 37 == 31 { Label::Anomaly } else { Label::Normal });
    let truths: Vec<Option<Truth>> =
        data.iter().map(|series| Some(Truth::new((0..series.len()).map(label).collect()))).collect();
    let mut session = Session::new(config, data).expect("the config is valid");
    session.run(&mut TruthOracle::new(&truths)).expect("the session can be run");
    session
}

/// The paper's preset with a small network.
fn paper() -> Config {
    let mut config = Config { questions: 6, ..Config::paper() };
    config.state.n_steps = 4;
    (config.agent.n_units, config.agent.head_units) = (2, 0);
    (config.agent.steps_per_round, config.agent.final_steps) = (2, 2);
    config
}

fn detectors() {
    for (name, config) in [("default", small()), ("paper", paper())] {
        let session = taught(config);
        let model = session.finish().expect("the session has learned");
        seed("model", name, &parts(model.to_bytes()));
        seed("checkpoint", name, &parts(&session.checkpoint()));
    }
    for name in Method::NAMES {
        let settings = match *name {
            "autoencoder" | "dagmm" | "deep-sad" => "n_steps = 3\nn_epochs = 1",
            "sr-cnn" => "n_steps = 16\nn_epochs = 1",
            "lof" | "nearest-neighbors" | "one-class-svm" => "n_steps = 3\nn_windows = 8",
            "isolation-forest" => "n_steps = 3\nn_trees = 2\nsample_size = 4",
            "pca" => "n_steps = 3",
            _ => "",
        };
        let settings = settings.parse().expect("settings are TOML");
        let method = Method::from_settings(name, &settings).unwrap_or_else(|error| panic!("{error}"));
        let labels = vec![rlad::data::Labels::default(); 1];
        let fitted = Baseline::fit(&method, &data(), Part::ALL, &labels, 0, 1).unwrap_or_else(|error| panic!("{error}"));
        seed("model", name, &parts(fitted.to_bytes()));
    }
}

fn calendar() {
    let text = "series,from,to,every,note\n,2024-12-24,2024-12-26,,Christmas\nweb-*,1704107000,2024-03-05T10:15:00Z,,deploy\n\
                db,2024-06-01,,weekly Sat 22:00-Sun 04:00 +01:00,\n,,,monthly 1 00:00-06:00,\n,,,yearly 12-30..01-02,\n";
    seed("calendar", "csv", text.as_bytes());
}

fn scores() {
    let session = taught(small());
    let scores: Vec<_> = data()
        .iter()
        .map(|series| session.detector().detect_part(series, "0.8..".parse().expect("it is a part")).expect("it scores"))
        .collect();
    let folder = temporary();
    let path = folder.path().join("scores.csv");
    write_scores(&path, &scores).expect("scores can be written");
    seed("scores", "csv", &bytes_of(path));
}

fn answer_log() {
    let mut session = Session::new(small(), data()).expect("the config is valid");
    let row = |at: usize, action: &str, source: &str, question: Option<(u64, usize)>, annotation: &str, target: Option<i64>| {
        let is_annotation = action == "annotate";
        let point = question.map(|(_, point)| point);
        serde_json::json!([
            at, "ada", "2026-03-04T05:06:07.5Z", action, is_annotation.then_some(source), 0,
            question.map(|(id, _)| id), point.map(|_| 0), is_annotation.then_some("cpu"), point,
            point.map(|_| "highest"), 0, 0, is_annotation.then_some(annotation), null, 1.5, null,
            0.25, 0, null, null, target,
        ])
        .as_array()
        .expect("it is a list")
        .iter()
        .take(crate::answer_log::N_COLUMNS)
        .cloned()
        .collect::<Vec<_>>()
    };
    let queries = session.query().to_vec();
    let mut lines = Vec::new();
    for (at, query) in queries.iter().enumerate() {
        let point = query.point;
        let annotation = match at % 4 {
            0 => format!(r#"{{"kind":"marked","spans":[{{"first":{point},"last":{point},"label":"anomaly"}}]}}"#),
            1 => format!(r#"{{"kind":"painted","spans":[{{"first":{point},"last":{point},"label":"normal"}}]}}"#),
            2 => format!(r#"{{"kind":"spans","spans":[{{"first":{point},"last":{point},"label":"expected"}}]}}"#),
            _ => r#"{"kind":"unsure"}"#.to_owned(),
        };
        lines.push(row(at + 1, "annotate", "question", Some((query.id, point)), &annotation, None));
    }
    let spans = r#"{"kind":"spans","spans":[{"first":3,"last":9,"label":"anomaly"}]}"#;
    lines.push(row(21, "annotate", "unprompted", None, spans, None));
    lines.push(row(22, "undo", "", None, "", Some(21)));
    lines.push(row(23, "redo", "", None, "", Some(21)));
    lines.push(row(24, "withdraw", "", Some((0, 0)), "", None));
    let text: Vec<String> = lines.iter().map(|row| serde_json::to_string(row).expect("it is JSON")).collect();
    seed("answer_log", "rows", text.join("\n").as_bytes());
    for (at, line) in text.iter().enumerate() {
        seed("answer_log", &format!("row-{at}"), line.as_bytes());
    }
}

fn labels() {
    let timed = [crate::series("cpu", TimeFormat::Civil, 12), crate::series("disk", TimeFormat::Rfc3339, 7)];
    let span = |first, last, label| Span { first, last, label };
    let spans = vec![span(1, 3, Annotation::Anomaly), span(4, 4, Annotation::Normal), span(6, 6, Annotation::Expected)];
    let labels = [SeriesLabels { series: 0, spans }];
    for (format, target) in [
        (LabelFormat::Trainset, "labels_trainset"),
        (LabelFormat::Nab, "labels_nab"),
        (LabelFormat::TsbAd, "labels_tsb_ad"),
        (LabelFormat::LabelStudio, "labels_label_studio"),
    ] {
        let index = [crate::series("cpu", TimeFormat::Index, 12)];
        for (name, data) in [("timed", &timed[..]), ("one", &timed[..1]), ("index", &index[..])] {
            let text = export_labels(format, data, &labels).expect("labels can be written");
            seed(target, name, text.as_bytes());
        }
    }
}

fn times() {
    for (name, text) in [
        ("usual", "\n2024-03-01 00:00:00\n2024-03-01T00:05:00Z\n1709251200\n1709251200000\n"),
        ("pattern", "%d/%m/%Y %H:%M\n01/03/2024 00:05\n02/03/2024 00:05\n"),
        ("zone", "%d/%b/%Y:%H:%M:%S %z\n01/Mar/2024:01:05:00 +0100\n"),
        ("far", "\n1900-01-01 00:00:00\n2200-01-01 00:00:00\n"),
        ("ends", "\n-9223372036854775808\n9223372036854775807\n"),
        ("decimal", "\n1709251200.585\n1.5e9\n0.004\n"),
        ("length", "\n10m\n500ms\n0.5..0.8\n"),
    ] {
        seed("times", name, text.as_bytes());
    }
}

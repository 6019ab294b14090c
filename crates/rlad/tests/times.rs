//! Times at the ends of what nanoseconds in 64 bits hold, and centuries between two points: each result is right, or an error says why there is
//! none. Sums that overflow panic in these builds.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::path::PathBuf;
use std::sync::Arc;

use rlad::baselines::{Baseline, Method};
use rlad::config::Length;
use rlad::data::{
    Annotation, FileForm, LabelFormat, Labels, NANOS_PER_DAY, Part, ReadOptions, SeriesLabels, Span, TimeFormat, Truth,
    export_labels, import_labels, read_scores, write_dataset, write_scores,
};
use rlad::{Config, Detector, Label, Series, Session, Stream, TruthOracle, read};

const YEAR: i64 = 365 * NANOS_PER_DAY;

/// Series of 60 points whose times lie at the ends, or with centuries between them.
fn all() -> Vec<Series> {
    let n = 60;
    let hour = NANOS_PER_DAY / 24;
    let runs: [(&str, Vec<i64>); 5] = [
        (
            "both ends",
            (0..n / 2).map(|i| i64::MIN + i * hour).chain((0..n / 2).rev().map(|i| i64::MAX - i * hour)).collect(),
        ),
        ("the first", (0..n).map(|i| i64::MIN + i).collect()),
        ("the last", (0..n).rev().map(|i| i64::MAX - i).collect()),
        ("nine years a step", (0..n).map(|i| (i - n / 2) * 9 * YEAR).collect()),
        (
            "a gap of centuries",
            (0..n).map(|i| (i - n / 2) * hour + if i < n / 2 { -280 * YEAR } else { 280 * YEAR }).collect(),
        ),
    ];
    let values: Vec<f64> = (0..n).map(|i| (i % 7) as f64 + if i % 20 == 15 { 40.0 } else { 0.0 }).collect();
    let of = |(name, times): (&str, Vec<i64>)| {
        let mut all = Vec::new();
        for format in [TimeFormat::Nanoseconds, TimeFormat::Civil, TimeFormat::Index] {
            for step in [None, Some(1), Some(i64::MAX)] {
                let name = format!("{name} {format:?} {step:?}");
                all.push(Series::new(name, vec!["value".into()], format, times.clone(), values.clone(), step).unwrap());
            }
        }
        all
    };
    runs.into_iter().flat_map(of).collect()
}

fn small() -> Config {
    let mut config = Config { questions: 6, ..Config::default() };
    (config.agent.n_members, config.agent.trees.n_trees, config.agent.trees.weight) = (1, 2, 1.0);
    config
}

#[test]
fn whatever_the_times_a_detector_scores_them_and_a_stream_does_the_same() {
    let all = all();
    let label = |i: usize| Some(if i % 20 == 15 { Label::Anomaly } else { Label::Normal });
    let truth = || Some(Truth::new((0..60).map(label).collect()));
    let truths: Vec<Option<Truth>> = all.iter().map(|_| truth()).collect();
    let mut session = Session::new(small(), all.clone()).unwrap();
    session.run(&mut TruthOracle::new(&truths)).unwrap();
    let model = session.finish().unwrap().without_answers();
    let mut decision = model.decision().clone();
    (decision.merge_within, decision.alarms_per_week) = (Length::Time(i64::MAX), 0.01);
    let patient = Arc::new(model.clone().with_decision(decision).unwrap());
    for series in &all {
        let scores = model.detect(series).unwrap();
        model.explain(series, &scores.events()).unwrap();
        if series.clock().has_days {
            patient.detect(series).unwrap();
        }
        let mut stream = Stream::new(Arc::new(model.clone()), series.name(), series.clock());
        for (point, score) in scores.scores.iter().enumerate() {
            let got = stream.push(series.timestamps()[point], series.row(point)).unwrap().unwrap_or(f64::NAN);
            assert_eq!(got.to_bits(), score.to_bits(), "{} at {point}", series.name());
        }
    }
}

#[test]
fn whatever_the_times_files_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let all = all();
    let model = {
        let mut session = Session::new(Config { questions: 0, ..small() }, all[..1].to_vec()).unwrap();
        session.query();
        session.detector()
    };
    // An index in a file is the number of a row, and the size of a number tells its unit.
    for series in all.iter().filter(|series| series.time_format() == TimeFormat::Civil) {
        let scores = vec![model.detect(series).unwrap()];
        let path = folder.path().join("scores.csv");
        write_scores(&path, &scores).unwrap();
        assert_eq!(read_scores(&path).unwrap()[0].timestamps, series.timestamps(), "{}", series.name());
        let labels = [SeriesLabels { series: 0, spans: vec![Span { first: 0, last: 59, label: Annotation::Anomaly }] }];
        let one = std::slice::from_ref(series);
        for format in LabelFormat::ALL {
            let Ok(text) = export_labels(format, one, &labels) else { continue };
            let imported = import_labels(format, "cpu.csv".as_ref(), text.as_bytes(), one);
            let imported = imported.unwrap_or_else(|error| panic!("{} as {format}: {error}\n{text}", series.name()));
            assert_eq!(imported.labels[0].spans, labels[0].spans, "{} as {format}", series.name());
        }
    }
}

#[test]
fn methods_score_whatever_the_times_are() {
    let all: Vec<Series> = all().into_iter().step_by(4).collect();
    for name in ["s-h-esd", "spectral-residual", "luminol", "pca"] {
        let method = Method::from_settings(name, &toml_of(name)).unwrap();
        let labels = vec![Labels::default(); all.len()];
        let baseline = Baseline::fit(&method, &all, Part::ALL, &labels, 0, 1).unwrap();
        all.iter().for_each(|series| drop(baseline.detect(series).unwrap()));
    }
}

fn toml_of(name: &str) -> toml::Table {
    if name == "pca" { "n_steps = 3".parse().unwrap() } else { toml::Table::new() }
}

fn written(text: &str) -> (tempfile::TempDir, [PathBuf; 1]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).unwrap();
    (folder, [path])
}

#[test]
fn a_file_with_centuries_between_two_rows_says_what_is_missing() {
    let (folder, paths) = written("time,value\n1900-01-01,1\n2200-01-01,2\n");
    let error = read(&paths, &ReadOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "series `a` must have a step below 292 years, or one that is given, found only the times 1900-01-01 00:00:00 and \
         2200-01-01 00:00:00"
    );
    let given = ReadOptions { step: Some(NANOS_PER_DAY), ..ReadOptions::default() };
    assert_eq!(read(&paths, &given).unwrap().series[0].step(), NANOS_PER_DAY);
    drop(folder);
    // A third row has a step that there is.
    let (_folder, paths) = written("time,value\n1900-01-01,1\n2200-01-01,2\n2200-01-02,3\n");
    let data = read(&paths, &ReadOptions::default()).unwrap();
    assert_eq!(data.series[0].step(), NANOS_PER_DAY);
    write_dataset(&paths[0], &data).unwrap();
    assert_eq!(read(&paths, &ReadOptions::default()).unwrap().series, data.series);
}

#[test]
fn a_counter_over_centuries_has_a_rate() {
    let (_folder, paths) = written("time,value\n1900-01-01,0\n2200-01-01,9467107200\n2200-01-02,9467107200\n");
    let form = FileForm { counters: vec!["value".to_owned()], ..FileForm::default() };
    let data = read(&paths, &ReadOptions { form, ..ReadOptions::default() }).unwrap();
    let rate = data.series[0].values()[1];
    assert!((rate - 1.0).abs() < 1e-3, "300 years are 9,467,107,200 s: {rate}");
}

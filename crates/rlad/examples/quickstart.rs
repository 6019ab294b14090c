//! From a file to a detector: read series, ask an expert, learn, save, load, score.
//!
//! ```sh
//! cargo run --release --example quickstart
//! cargo run --release --example quickstart -- my.csv
//! ```
//!
//! Without a file it makes a series of its own. The expert answers from the labels of the data; `custom_oracle` shows one of your own.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::path::PathBuf;

use rlad::data::{DataSet, NANOS_PER_SECOND, ReadOptions, TimeFormat, Truth};
use rlad::{Config, Detector, Label, Model, Series, Session, TruthOracle, read};

fn main() -> rlad::Result<()> {
    // 1. Series in: CSV and Parquet files, or values that you have.
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let data = if files.is_empty() { made_up()? } else { read(&files, &ReadOptions::default())? };
    for note in &data.notes {
        eprintln!("note: {note}");
    }

    // 2. Settings: a preset, and what is changed of it.
    let mut config = Config { questions: 60, ..Config::default() };
    config.query.per_round = 20;

    // 3. Questions and answers. The session shares the series, it does not copy them.
    let mut session = Session::new(config, &data.series[..])?;
    let summary = session.run(&mut TruthOracle::new(&data.truths))?;
    for round in &summary.rounds {
        println!(
            "round {}: {} questions, {} labelled points, {} of them anomalous",
            round.round, round.questions, round.labelled_points, round.labelled_anomalies
        );
    }

    // 4. A detector, as a file.
    let path = std::env::temp_dir().join("rlad-quickstart.safetensors");
    session.finish()?.save(&path)?;
    let model = Model::load(&path)?;

    // 5. Scores and events.
    for series in &data.series {
        let scores = model.detect(series)?;
        println!("{}: {} points, {} events", series.name(), series.len(), scores.events().len());
        for event in scores.events().iter().take(5) {
            println!("  from {} on, {} points, peak score {:.2}", event.start, event.n_points, event.peak);
        }
    }
    Ok(())
}

/// Two hourly series with a daily wave and a few bursts, and their truth.
fn made_up() -> rlad::Result<DataSet> {
    let is_burst = |hour: i64, phase: i64| (hour + phase).rem_euclid(211) < 3;
    let of = |(name, phase): (&str, i64)| {
        let noise = |hour: i64| ((hour * 7919 + phase) % 13) as f64 / 13.0;
        let wave = |hour: i64| 10.0 + 4.0 * (hour as f64 / 24.0 * std::f64::consts::TAU).sin() + noise(hour);
        let values = (0..1500).map(|hour| wave(hour) + if is_burst(hour, phase) { 9.0 } else { 0.0 }).collect();
        let times = (0..1500).map(|hour| hour * 3600 * NANOS_PER_SECOND).collect();
        let label = |hour| Some(if is_burst(hour, phase) { Label::Anomaly } else { Label::Normal });
        let series = Series::new(name, vec!["value".into()], TimeFormat::Seconds, times, values, None)?;
        Ok((series, Some(Truth::new((0..1500).map(label).collect()))))
    };
    [("web", 17), ("db", 90)].into_iter().map(of).collect()
}

//! Scores against truth: train on the first part of each series, score the last, and measure there.
//!
//! ```sh
//! cargo run --release --example evaluate
//! cargo run --release --example evaluate -- labelled.csv
//! ```
//!
//! Without a file it makes a series of its own.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::path::PathBuf;

use rlad::data::{DataSet, Part, ReadOptions, SeriesScores, TimeFormat, Truth};
use rlad::metrics::{EvaluateOptions, join};
use rlad::{Config, Detector, Label, Result, Series, Session, TruthOracle, evaluate, read};

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let data = if files.is_empty() { made_up()? } else { read(&files, &ReadOptions::default())? };

    // Learn from the first 70 %. No threshold sees a label of the rest.
    let (train, test) = (Part { from: 0.0, to: 0.7 }, Part { from: 0.7, to: 1.0 });
    let mut session = Session::new(Config { questions: 60, part: train, ..Config::default() }, &data.series[..])?;
    let before = session.finish()?;
    session.run(&mut TruthOracle::new(&data.truths))?;
    let after = session.finish()?;

    for (name, detector) in [("before any question", &before as &dyn Detector), ("after 60 questions", &after)] {
        let scores: Vec<SeriesScores> =
            data.series.iter().map(|series| detector.detect_part(series, test)).collect::<Result<_>>()?;
        // Scores meet truth by series and timestamp.
        let joined = join(&scores, &data, test)?;
        let evaluation = evaluate(&joined.scored(), &EvaluateOptions::default());
        println!(
            "{name}: strict F1 {:.3}, after a delay of at most {} points {:.3}, by events {:.3}",
            evaluation.strict.f1, evaluation.delay.k, evaluation.delay.quality.f1, evaluation.event.f1
        );
    }
    Ok(())
}

/// A series with level shifts of a few points, and its truth.
fn made_up() -> Result<DataSet> {
    let is_shift = |i: i64| i % 170 >= 120 && i % 170 < 126;
    let noise = |i: i64| ((i * 2_654_435_761) % 1_000) as f64 / 1_000.0;
    let values = (0..3000).map(|i| 5.0 + noise(i) + if is_shift(i) { 4.0 } else { 0.0 }).collect();
    let series = Series::new("latency", vec!["ms".into()], TimeFormat::Index, (0..3000).collect(), values, None)?;
    let label = |i| Some(if is_shift(i) { Label::Anomaly } else { Label::Normal });
    Ok(std::iter::once((series, Some(Truth::new((0..3000).map(label).collect())))).collect())
}

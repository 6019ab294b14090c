//! Points as they arrive: one stream a series, all of them on one model.
//!
//! ```sh
//! cargo run --release --example stream
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::sync::Arc;

use rlad::data::{NANOS_PER_SECOND, TimeFormat, Truth};
use rlad::detect::{Arrival, push_all};
use rlad::{Config, Detector, Label, Series, Session, Stream, TruthOracle};

const MINUTE: i64 = 60 * NANOS_PER_SECOND;

/// The value of a minute: a slow wave, and a drop of three minutes now and then.
fn value(minute: i64) -> f64 {
    let wave = 50.0 + 10.0 * (minute as f64 / 240.0 * std::f64::consts::TAU).sin();
    if is_drop(minute) { wave - 30.0 } else { wave }
}

const fn is_drop(minute: i64) -> bool {
    minute % 500 >= 400 && minute % 500 < 403
}

fn main() -> rlad::Result<()> {
    // A model of the first day and a half.
    let n = 2160;
    let (times, values) = ((0..n).map(|i| i * MINUTE).collect(), (0..n).map(value).collect());
    let series = Series::new("orders", vec!["value".into()], TimeFormat::Seconds, times, values, None)?;
    let label = |i| Some(if is_drop(i) { Label::Anomaly } else { Label::Normal });
    let truths = [Some(Truth::new((0..n).map(label).collect()))];
    let mut session = Session::new(Config { questions: 60, ..Config::default() }, vec![series.clone()])?;
    session.run(&mut TruthOracle::new(&truths))?;
    let model = Arc::new(session.finish()?);

    // One stream that has seen the past. A stream owns its share of the model, so it can be kept anywhere.
    let mut stream = Stream::new(Arc::clone(&model), series.name(), series.clock());
    for point in 0..series.len() {
        stream.push(series.timestamps()[point], series.row(point))?;
    }
    for minute in n..n + 300 {
        let Some(score) = stream.push(minute * MINUTE, &[value(minute)])? else { continue };
        if stream.alarm().is_raised() {
            println!("minute {minute}: {:.1} scores {score:.2}, above {:.2}", value(minute), model.threshold());
        }
    }

    // Many series at once, which is faster than one by one and gives the same scores.
    let names = ["north", "south", "east"];
    let mut streams = names.map(|name| Stream::new(Arc::clone(&model), name, series.clock()));
    let values = [[50.0], [f64::NAN], [55.0]];
    let arrivals = streams.iter_mut().zip(&values);
    let arrivals = arrivals.map(|(stream, values)| Arrival { stream, timestamp: n * MINUTE, values }).collect();
    for (name, score) in names.iter().zip(push_all(arrivals)) {
        println!("{name}: {:?}", score?);
    }
    Ok(())
}

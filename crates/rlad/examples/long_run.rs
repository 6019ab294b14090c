//! Streams that run for long: one a series, fed minute by minute, with another model each day. Memory and the time of a day stay.
//!
//! `cargo run --release --example long_run -- 1000 365` takes the number of series and of days; without them it is a short run.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Instant;

use rlad::data::{NANOS_PER_SECOND, TimeFormat, Truth};
use rlad::detect::{Arrival, push_all};
use rlad::{Config, Detector, Label, Model, Series, Session, Stream, TruthOracle};

const MINUTES: usize = 1_440;

/// The value of a series in a minute: a daily wave, a level that moves over weeks, and now and then a spike.
fn value(series: usize, minute: usize) -> f64 {
    let wave = (minute as f64 / MINUTES as f64 * std::f64::consts::TAU).sin();
    let noise = ((minute * 7_919 + series * 104_729) % 997) as f64 / 997.0;
    let drift = (minute / MINUTES / 20) as f64;
    10.0 * wave + noise + drift + if is_spike(series, minute) { 40.0 } else { 0.0 }
}

const fn is_spike(series: usize, minute: usize) -> bool {
    (minute + 131 * series) % 2_003 < 3
}

/// A detector of five series, from their first two days.
fn trained() -> rlad::Result<Model> {
    let label = |series, minute| Some(if is_spike(series, minute) { Label::Anomaly } else { Label::Normal });
    let (mut all, mut truths) = (Vec::new(), Vec::new());
    for series in 0..5 {
        let minutes = 0..2 * MINUTES;
        let times = minutes.clone().map(|minute| minute as i64 * 60 * NANOS_PER_SECOND).collect();
        let values = minutes.clone().map(|minute| value(series, minute)).collect();
        all.push(Series::new(format!("{series}"), vec!["value".into()], TimeFormat::Seconds, times, values, None)?);
        truths.push(Some(Truth::new(minutes.map(|minute| label(series, minute)).collect())));
    }
    let mut config = Config { questions: 40, ..Config::default() };
    config.drift.memory_days = 30.0;
    let mut session = Session::new(config, all)?;
    session.run(&mut TruthOracle::new(&truths))?;
    session.finish()
}

/// The memory of this program in MiB, where the system tells.
fn memory() -> Option<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4 / 1024)
}

fn main() -> rlad::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |usual| numbers.next().and_then(Result::ok).unwrap_or(usual);
    let (n_series, n_days) = (next(20), next(3));
    let mut model = Arc::new(trained()?);
    let clock = Series::new(
        "0",
        vec!["value".into()],
        TimeFormat::Seconds,
        vec![0, 60 * NANOS_PER_SECOND],
        vec![0.0; 2],
        None,
    )?
    .clock();
    let mut streams: Vec<Stream> =
        (0..n_series).map(|series| Stream::new(Arc::clone(&model), &format!("{series}"), clock)).collect();
    println!("day  alarms  seconds  MiB");
    for day in 0..n_days {
        let (begun, mut n_alarms) = (Instant::now(), 0);
        for minute in day * MINUTES..(day + 1) * MINUTES {
            let values: Vec<[f64; 1]> = (0..n_series).map(|series| [value(series, minute)]).collect();
            let timestamp = minute as i64 * 60 * NANOS_PER_SECOND;
            let arrivals = streams.iter_mut().zip(&values);
            let arrivals = arrivals.map(|(stream, values)| Arrival { stream, timestamp, values }).collect();
            for score in push_all(arrivals) {
                n_alarms += usize::from(score?.is_some_and(|score| score > model.threshold()));
            }
        }
        if day % n_days.div_ceil(20) == 0 {
            let memory = memory().map_or_else(String::new, |memory| memory.to_string());
            println!("{day:3}  {n_alarms:6}  {:7.2}  {memory:>3}", begun.elapsed().as_secs_f64());
        }
        // A model that was loaded anew, as after a night of learning.
        model = Arc::new(Model::from_bytes(std::path::Path::new("model"), model.to_bytes().to_vec())?);
        for stream in &mut streams {
            stream.swap(Arc::clone(&model))?;
        }
    }
    Ok(())
}

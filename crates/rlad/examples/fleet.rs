//! Many streams of one model: what each takes in memory and as bytes, and how fast it is written and restored.
//!
//! `cargo run --release --example fleet -- 5000 100000 2` takes the number of streams that are fed minute by minute, of those that are
//! restored from their bytes, and of days; without them it is a short run.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;
use std::time::Instant;

use rlad::data::{NANOS_PER_SECOND, TimeFormat};
use rlad::detect::{Arrival, push_all};
use rlad::{Config, Model, Series, Session, Stream};

const MINUTES: usize = 1_440;
/// The streams whose points arrive together.
const TOGETHER: usize = 100;
const MINUTE: i64 = 60 * NANOS_PER_SECOND;

/// The value of a series in a minute: a daily wave, which is another one for each series, and noise.
fn value(series: usize, minute: usize) -> f64 {
    let phase = (minute + 97 * series) as f64 / MINUTES as f64 * std::f64::consts::TAU;
    let noise = ((minute * 7_919 + series * 104_729) % 997) as f64 / 997.0;
    (10.0 + series as f64 % 7.0) * phase.sin() + noise
}

/// A detector of five series, from their first two days, that knows no answer.
fn trained() -> rlad::Result<(Model, Vec<Series>)> {
    let of_series = |series: usize| {
        let times = (0..2 * MINUTES as i64).map(|minute| minute * MINUTE).collect();
        let values = (0..2 * MINUTES).map(|minute| value(series, minute)).collect();
        Series::new(format!("{series}"), vec!["value".into()], TimeFormat::Seconds, times, values, None)
    };
    let all = (0..5).map(of_series).collect::<rlad::Result<Vec<Series>>>()?;
    let session = Session::new(Config { questions: 0, ..Config::default() }, all.clone())?;
    Ok((session.finish()?, all))
}

/// The memory of this program in bytes, where the system tells.
fn resident() -> Option<usize> {
    let pages: usize = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

/// What this many streams more take each, in bytes.
fn each(before: Option<usize>, n: usize) -> String {
    let grown = before.zip(resident()).map(|(before, after)| after.saturating_sub(before) / n.max(1));
    grown.map_or_else(|| "unknown".to_owned(), |bytes| bytes.to_string())
}

fn main() -> rlad::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut next = |usual| numbers.next().and_then(Result::ok).unwrap_or(usual);
    let (n_fed, n_restored, n_days) = (next(20), next(1_000), next(2));
    let (model, series) = trained()?;
    let (model, clock) = (Arc::new(model), series[0].clock());

    let before = resident();
    let mut streams: Vec<Stream> =
        (0..n_fed).map(|series| Stream::new(Arc::clone(&model), &format!("series {series}"), clock)).collect();
    let begun = Instant::now();
    for (chunk, streams) in streams.chunks_mut(TOGETHER).enumerate() {
        for minute in 0..n_days * MINUTES {
            let value = |at: usize| [value(chunk * TOGETHER + at, minute)];
            let values: Vec<[f64; 1]> = (0..streams.len()).map(value).collect();
            let timestamp = minute as i64 * MINUTE;
            let arrivals = streams.iter_mut().zip(&values);
            let arrivals = arrivals.map(|(stream, values)| Arrival { stream, timestamp, values }).collect();
            for score in push_all(arrivals) {
                score?;
            }
        }
    }
    let n_points = n_fed * n_days * MINUTES;
    println!("{:.2} µs a point", begun.elapsed().as_secs_f64() * 1e6 / n_points as f64);
    let of_each: usize = streams.iter().map(Stream::memory_bytes).sum();
    println!("fed: {} bytes of memory a stream, {} resident", of_each / n_fed, each(before, n_fed));

    let begun = Instant::now();
    let saved: Vec<Vec<u8>> = (0..n_restored).map(|at| streams[at % n_fed].to_bytes()).collect();
    let of_all: usize = saved.iter().map(Vec::len).sum();
    let elapsed = begun.elapsed().as_secs_f64() * 1e6 / n_restored as f64;
    println!("as bytes: {} a stream, written in {elapsed:.2} µs", of_all / n_restored);

    let (before, begun) = (resident(), Instant::now());
    let restored =
        saved.iter().map(|bytes| Stream::from_bytes(Arc::clone(&model), bytes)).collect::<rlad::Result<Vec<_>>>()?;
    let elapsed = begun.elapsed().as_secs_f64() * 1e6 / n_restored as f64;
    println!("restored in {elapsed:.2} µs, {} bytes resident a stream", each(before, restored.len()));
    Ok(())
}

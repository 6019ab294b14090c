//! Puts a load on `rlad serve`: sends samples by `remote_write` 1.0 at a steady rate, takes the scores that are written back, and tells
//! what the receiver, the scores and the memory did meanwhile.
//!
//! ```text
//! cargo run --release -p rlad-bench --bin serve-load -- --url http://127.0.0.1:8490/api/v1/write \
//!     --series 34000 --step 1 --samples-per-second 17000 --seconds 60 --pid PID --sink 8499
//! ```

#![expect(clippy::print_stdout, reason = "the figures are read from here")]

mod observed;
mod send;
mod series;
mod sink;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

use self::observed::{Observed, Process};
use self::send::{Load, Sent};
use self::series::Fleet;
use self::sink::Sink;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The load.
#[derive(Debug, Parser)]
struct Args {
    /// The address that takes `remote_write`.
    #[arg(long, default_value = "http://127.0.0.1:8490/api/v1/write")]
    url: String,
    /// How many series there are.
    #[arg(long, default_value_t = 10_000)]
    series: usize,
    /// The first part of the names of the metrics.
    #[arg(long, default_value = "load")]
    metric: String,
    /// The time between two points of a series, in seconds.
    #[arg(long, default_value_t = 60.0)]
    step: f64,
    /// Samples a second; one of each series a step if it is not given.
    #[arg(long)]
    samples_per_second: Option<f64>,
    /// How long, in seconds.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Connections, each with a thread.
    #[arg(long, default_value_t = 2)]
    senders: usize,
    /// Samples of a request.
    #[arg(long, default_value_t = 2_000)]
    batch: usize,
    /// First sends so many past points of the first `--prefilled` series, as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    prefill: usize,
    /// The series that have a past.
    #[arg(long, default_value_t = 50)]
    prefilled: usize,
    /// Takes scores that are written back at this port of loopback, and counts them.
    #[arg(long)]
    sink: Option<u16>,
    /// The process of the service, whose memory and processor time is told.
    #[arg(long)]
    pid: Option<u32>,
    /// How often a line is told meanwhile, in seconds.
    #[arg(long, default_value_t = 10.0)]
    every: f64,
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let sink = args.sink.map(Sink::open).transpose()?;
    let fleet = Arc::new(Fleet::new(args.series, &args.metric));
    if args.prefill > 0 {
        let begun = Instant::now();
        let past = send::prefill(&args.url, &fleet, args.prefilled.min(args.series), args.prefill, args.step)?;
        println!("{past} past samples sent in {:.1} s", begun.elapsed().as_secs_f64());
    }
    if args.seconds <= 0.0 {
        return Ok(());
    }
    let rate = args.samples_per_second.unwrap_or(args.series as f64 / args.step);
    let load = Load {
        url: args.url.clone(),
        batch: args.batch,
        rate: rate / args.senders as f64,
        time: Duration::from_secs_f64(args.seconds),
    };
    let process = args.pid.map(Process);
    let before = Observed::of(&args.url, process.as_ref())?;
    let sunk_before = sink.as_ref().map_or(0, Sink::taken);
    let begun = Instant::now();
    let is_over = Arc::new(AtomicBool::new(false));
    let mut sent = Sent::default();
    std::thread::scope(|scope| -> Outcome<()> {
        let watcher = scope.spawn({
            let (is_over, sink) = (Arc::clone(&is_over), sink.as_ref());
            let (url, before, every) = (&args.url, &before, Duration::from_secs_f64(args.every));
            let process = process.as_ref();
            move || watch(url, process, sink, before, every, &is_over)
        });
        let senders: Vec<_> = (0..args.senders)
            .map(|k| {
                let (load, fleet) = (&load, &fleet);
                let range = args.series * k / args.senders..args.series * (k + 1) / args.senders;
                scope.spawn(move || send::send(load, fleet, range))
            })
            .collect();
        for sender in senders {
            sent.add(sender.join().map_err(|_| "a sender failed")??);
        }
        is_over.store(true, Ordering::Relaxed);
        watcher.join().map_err(|_| "the watcher failed".into())
    })?;
    let passed = begun.elapsed().as_secs_f64();
    println!("{}", sent.told(passed));
    // What waits for the engine is scored before the end is looked at.
    std::thread::sleep(Duration::from_secs(3));
    let after = Observed::of(&args.url, process.as_ref())?;
    println!("{}", after.told_since(&before, passed));
    if let Some(sink) = &sink {
        let n = sink.taken() - sunk_before;
        println!("sink: {n} scores came back, {:.0} a second", n as f64 / passed);
    }
    Ok(())
}

/// Tells a line now and then until the load is over.
fn watch(
    url: &str,
    process: Option<&Process>,
    sink: Option<&Sink>,
    first: &Observed,
    every: Duration,
    is_over: &AtomicBool,
) {
    let begun = Instant::now();
    let (mut next, mut last, mut last_at) = (every, first.clone(), begun);
    while !is_over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        if begun.elapsed() < next {
            continue;
        }
        next += every;
        if let Ok(now) = Observed::of(url, process) {
            let sunk = sink.map_or_else(String::new, |sink| format!(", {} in the sink", sink.taken()));
            let passed = last_at.elapsed().as_secs_f64();
            println!("{:5.0} s: {}{sunk}", begun.elapsed().as_secs_f64(), now.line_since(&last, passed));
            (last, last_at) = (now, Instant::now());
        }
    }
}

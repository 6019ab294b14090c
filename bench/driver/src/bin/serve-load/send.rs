//! Senders: each a connection that is kept, with a share of the series, in its turn.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use crate::Outcome;
use crate::series::{Fleet, value};

/// What each sender does.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) url: String,
    /// Samples of a request.
    pub(crate) batch: usize,
    /// Samples a second of one sender.
    pub(crate) rate: f64,
    pub(crate) time: Duration,
}

/// What became of requests.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    samples: usize,
    bytes: usize,
    /// The times of requests that were taken, in microseconds.
    times: Vec<u64>,
    /// Requests that were not, by status; 0 where there was no answer.
    errors: BTreeMap<u16, usize>,
    /// How far behind its time the last request was.
    behind: Duration,
}

impl Sent {
    pub(crate) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.bytes += other.bytes;
        self.times.extend(other.times);
        for (status, n) in other.errors {
            *self.errors.entry(status).or_default() += n;
        }
        self.behind = self.behind.max(other.behind);
    }

    /// One line.
    pub(crate) fn told(&self, passed: f64) -> String {
        let mut times = self.times.clone();
        times.sort_unstable();
        let quantile = |q: f64| times.get(((times.len() as f64 * q) as usize).min(times.len().saturating_sub(1)));
        let ms = |q: f64| quantile(q).map_or(f64::NAN, |time| *time as f64 / 1_000.0);
        format!(
            "sent: {} samples in {passed:.1} s, {:.0} a second, {:.0} bytes each; {} requests: p50 {:.1} ms, p99 {:.1} ms, \
             max {:.1} ms; errors {:?}; {:.1} s behind at the end",
            self.samples,
            self.samples as f64 / passed,
            self.bytes as f64 / self.samples.max(1) as f64,
            times.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            self.errors,
            self.behind.as_secs_f64(),
        )
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(60))).build().into()
}

/// The status of the answer; 0 where there is none.
fn post(agent: &ureq::Agent, url: &str, body: &[u8]) -> u16 {
    let request = agent.post(url).header("Content-Encoding", "snappy").header("Content-Type", "application/x-protobuf");
    match request.header("X-Prometheus-Remote-Write-Version", "0.1.0").send(body) {
        Ok(mut answer) => {
            let _ = answer.body_mut().read_to_vec();
            answer.status().as_u16()
        }
        Err(_) => 0,
    }
}

fn now_ms() -> i64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    passed.map_or(0, |passed| i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
}

/// Sends samples of the present at a steady rate; a request that is refused is not sent again.
pub(crate) fn send(load: &Load, fleet: &Fleet, range: Range<usize>) -> Outcome<Sent> {
    let agent = agent();
    let mut snappy = snap::raw::Encoder::new();
    let mut sent = Sent::default();
    let mut series = range.clone().cycle();
    let begun = Instant::now();
    let (mut request, mut n) = (Vec::new(), 0_usize);
    while begun.elapsed() < load.time {
        let due = Duration::from_secs_f64(n as f64 / load.rate);
        let wait = due.saturating_sub(begun.elapsed());
        std::thread::sleep(wait);
        sent.behind = begun.elapsed().saturating_sub(due);
        request.clear();
        let now = now_ms();
        for at in series.by_ref().take(load.batch) {
            fleet.put(at, &[(now, value(at, now))], &mut request);
        }
        let body = snappy.compress_vec(&request)?;
        let asked = Instant::now();
        let status = post(&agent, &load.url, &body);
        n += load.batch;
        if status == 204 {
            sent.times.push(u64::try_from(asked.elapsed().as_micros())?);
            sent.samples += load.batch;
            sent.bytes += body.len();
        } else {
            *sent.errors.entry(status).or_default() += 1;
        }
    }
    Ok(sent)
}

/// Sends `n` past points of the first series, up to now; returns how many samples these were.
pub(crate) fn prefill(url: &str, fleet: &Fleet, n_series: usize, n: usize, step: f64) -> Outcome<usize> {
    let agent = agent();
    let mut snappy = snap::raw::Encoder::new();
    let now = now_ms();
    for at in 0..n_series {
        let times = (1..=n).rev().map(|back| now - (back as f64 * step * 1_000.0) as i64);
        let samples: Vec<_> = times.map(|time| (time, value(at, time))).collect();
        let mut request = Vec::new();
        fleet.put(at, &samples, &mut request);
        let body = snappy.compress_vec(&request)?;
        while post(&agent, url, &body) != 204 {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok(n_series * n)
}

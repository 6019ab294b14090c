//! Samples on their way to the database: kept on disk until they are stored there.

mod delivery;
mod spool;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use delivery::{Delivery, Outcome, Reason, Series};
use spool::{Batch, Spool};

use super::client::Client;
use super::fault::reach;
use super::labels::Labels;
use super::wire::{self, Sample, encode_v1};

/// Samples that wait in memory while the spool cannot be written, at most.
const MOST_UNWRITTEN: usize = 200_000;
/// How long it waits before it writes to the spool again.
const RETRY: Duration = Duration::from_secs(1);

/// How samples are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `remote_write` 2.0 where the server says that it wrote, else 1.0.
    Auto,
    /// `remote_write` 1.0.
    V1,
    /// `remote_write` 2.0.
    V2,
    /// Lines of JSON, as VictoriaMetrics imports them.
    VmImport,
}

/// Where samples are sent, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The server, or the full address of its endpoint.
    pub url: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Samples of a request, at least 1.
    pub batch: usize,
    /// The longest that a sample waits in memory for others.
    pub flush_every: Duration,
    /// The most bytes on disk; above it the oldest samples are dropped.
    pub max_bytes: u64,
    /// The shortest and the longest wait before a request is sent again.
    pub back_off: (Duration, Duration),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            url: String::new(),
            protocol: Protocol::Auto,
            batch: 2000,
            flush_every: Duration::from_secs(5),
            max_bytes: 1 << 30,
            back_off: (Duration::from_millis(30), Duration::from_secs(5)),
        }
    }
}

/// A sample to be sent.
#[derive(Clone, Debug)]
pub(crate) struct OutSample {
    /// Its series.
    pub labels: Arc<Labels>,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The value.
    pub value: f64,
}

/// Samples that will not be stored, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// Too old for the server, or older than what it has of the series.
    pub late: u64,
    /// Another value stands at this time, in the server or later in the same batch.
    pub duplicate: u64,
    /// Refused by the server for any other reason.
    pub refused: u64,
    /// The spool was full: the oldest.
    pub spool_full: u64,
    /// The spool could not be written for long: the newest.
    pub unwritten: u64,
    /// In the spool, and not readable.
    pub broken: u64,
}

/// What an outbox has done since it was opened, and what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Samples that the server has taken.
    pub sent: u64,
    /// Samples that it will never take.
    pub dropped: Dropped,
    /// Requests, with those sent again.
    pub n_requests: u64,
    /// Requests that had to be sent again.
    pub n_retried: u64,
    /// Requests that were refused and sent in two parts.
    pub n_split: u64,
    /// Samples that wait, in memory and on disk.
    pub backlog: u64,
    /// Bytes on disk.
    pub spool_bytes: u64,
    /// Records that a kill or a full disk had cut off, found at the start.
    pub n_torn: u64,
    /// When the server last took a request.
    pub last_success: Option<SystemTime>,
    /// What went wrong last, if nothing went right since.
    pub last_error: Option<String>,
    /// The protocol spoken, once it is known.
    pub protocol: Option<Protocol>,
}

/// The samples on their way, and the thread that sends them.
///
/// What [`Self::flush`] was told to keep survives a kill and a loss of power. A sample that was only pushed is written
/// when [`Options::batch`] of them wait, or after [`Options::flush_every`]; from then on it survives a kill. A sample
/// is removed from disk after the server has answered: after a kill the last batch is sent again, with the same times
/// and values.
#[derive(Debug)]
pub(crate) struct Outbox {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    state: Mutex<State>,
    /// Told when there is something to send, when the thread is to stop and when it has stopped.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    spool: Spool,
    /// Pushed, and not yet on disk.
    buffer: Vec<OutSample>,
    /// When the first of them came.
    since: Instant,
    /// When what is in memory could last not be written, and why, if it could not.
    failed: Option<(Instant, String)>,
    counts: Counts,
    stop: Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// When nothing waits any more.
    WhenEmpty,
    /// At once.
    AtOnce,
    /// The thread has ended.
    Done,
}

/// The thread is to end.
struct Stopped;

impl Outbox {
    /// Opens the spool in a folder and starts to send what is in it.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or a setting cannot be.
    pub(crate) fn open(folder: &Path, options: Options, client: Client) -> anyhow::Result<Self> {
        if options.batch == 0 || options.url.is_empty() {
            bail!(
                "expected an address and a batch of at least 1 sample, found `{}` and {}",
                options.url,
                options.batch
            );
        }
        let spool = Spool::open(folder, options.max_bytes)?;
        let delivery = Delivery::new(&options.url, options.protocol, client);
        let counts = Counts { protocol: delivery.spoken(), ..Counts::default() };
        let state = State { spool, buffer: Vec::new(), since: Instant::now(), failed: None, counts, stop: Stop::No };
        let shared = Arc::new(Shared { options, state: Mutex::new(state), changed: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("outbox".to_owned()).spawn(move || {
            Sender { shared: &of_thread, delivery }.run();
            of_thread.state().stop = Stop::Done;
            of_thread.changed.notify_all();
        });
        Ok(Self { shared, thread: Some(thread.context("cannot start the thread that sends")?) })
    }

    /// Takes samples to be sent. It waits for the disk at most, never for the server.
    pub(crate) fn push(&self, samples: Vec<OutSample>) {
        let mut state = self.shared.state();
        if state.buffer.is_empty() {
            state.since = Instant::now();
        }
        state.buffer.extend(samples);
        if self.shared.is_due(&state) {
            state.write(self.shared.options.batch);
            self.shared.changed.notify_all();
        }
    }

    /// Writes what was pushed to the disk, and waits until it is there.
    ///
    /// # Errors
    /// If it cannot be written. It waits in memory, as much of it as there is room for, and is written once it can be.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        let mut state = self.shared.state();
        state.write(self.shared.options.batch);
        reach("spooled");
        state.spool.sync().context("cannot write the spool of the scores to the disk")?;
        self.shared.changed.notify_all();
        state.failed.as_ref().map_or(Ok(()), |(_, why)| bail!("{why}"))
    }

    /// What was done, and what waits.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.shared.state();
        let mut counts = state.counts.clone();
        counts.backlog = state.spool.n_waiting() + state.buffer.len() as u64;
        counts.spool_bytes = state.spool.n_bytes();
        counts.n_torn = state.spool.lost.torn;
        counts.dropped.spool_full = state.spool.lost.full;
        counts.dropped.broken += state.spool.lost.broken;
        counts
    }

    /// Writes what was pushed to the disk and ends the thread, after all is sent or so much time. What is left is sent
    /// when the folder is opened again.
    ///
    /// # Errors
    /// As of [`Self::flush`].
    pub(crate) fn close(mut self, wait: Duration) -> anyhow::Result<Counts> {
        let flushed = self.flush();
        let until = Instant::now() + wait;
        let mut state = self.shared.state();
        if state.stop == Stop::No {
            state.stop = Stop::WhenEmpty;
        }
        self.shared.changed.notify_all();
        while state.stop != Stop::Done {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.wait(state, left);
        }
        let is_done = state.stop == Stop::Done;
        if !is_done {
            state.stop = Stop::AtOnce;
        }
        drop(state);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take().filter(|_| is_done) {
            _ = thread.join();
        }
        flushed.map(|()| self.counts())
    }
}

impl Drop for Outbox {
    /// As a kill: what is in memory is lost, and a request that is under way is sent again by the next one who opens
    /// the folder.
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.stop != Stop::Done {
            state.stop = Stop::AtOnce;
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether what is in memory is to be written.
    fn is_due(&self, state: &State) -> bool {
        if state.failed.as_ref().is_some_and(|(at, _)| at.elapsed() < RETRY) {
            return false;
        }
        let is_old = state.since.elapsed() >= self.options.flush_every;
        state.buffer.len() >= self.options.batch || (is_old && !state.buffer.is_empty())
    }
}

impl State {
    /// Moves what is in memory to the spool, in records of at most a batch.
    fn write(&mut self, batch: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut n_written = 0;
        self.failed = None;
        for part in buffer.chunks(batch) {
            let samples: Vec<_> =
                part.iter().map(|of| Sample { timestamp_ms: of.timestamp_ms, value: of.value }).collect();
            let series: Vec<_> =
                part.iter().zip(&samples).map(|(of, sample)| (&*of.labels, std::slice::from_ref(sample))).collect();
            if let Err(error) = self.spool.append(&encode_v1(&series), part.len() as u32) {
                let why = format!("cannot write the spool of the scores: {error}");
                self.counts.last_error = Some(why.clone());
                self.failed = Some((Instant::now(), why));
                break;
            }
            n_written += part.len();
        }
        buffer.drain(..n_written);
        self.counts.dropped.unwritten += buffer.len().saturating_sub(MOST_UNWRITTEN) as u64;
        buffer.truncate(MOST_UNWRITTEN);
        self.buffer = buffer;
    }
}

/// The thread that sends.
struct Sender<'a> {
    shared: &'a Shared,
    delivery: Delivery,
}

impl Sender<'_> {
    fn run(&mut self) {
        while let Ok(batch) = self.next() {
            let (series, n_doubled, n_broken) = unpack(&batch);
            let mut state = self.shared.state();
            state.counts.dropped.duplicate += n_doubled;
            state.counts.dropped.broken += n_broken;
            drop(state);
            if self.deliver(&series).is_err() {
                return;
            }
            let mut state = self.shared.state();
            if state.stop == Stop::AtOnce {
                return;
            }
            reach("sent");
            state.spool.remove(&batch);
        }
    }

    /// The next samples to send, as soon as there are any.
    fn next(&self) -> Result<Batch, Stopped> {
        let options = &self.shared.options;
        let mut state = self.shared.state();
        loop {
            if state.stop == Stop::AtOnce {
                return Err(Stopped);
            }
            if self.shared.is_due(&state) {
                state.write(options.batch);
            }
            if let Some(batch) = state.spool.read(options.batch as u64) {
                return Ok(batch);
            }
            if state.stop != Stop::No {
                return Err(Stopped);
            }
            let wait = options.flush_every.saturating_sub(state.since.elapsed());
            let wait = match &state.failed {
                Some((at, _)) => RETRY.saturating_sub(at.elapsed()),
                None if state.buffer.is_empty() => options.flush_every,
                None => wait,
            };
            state = self.shared.wait(state, wait.max(Duration::from_millis(1)));
        }
    }

    /// Sends until the server has taken or refused each sample: a request that is refused is sent in two parts.
    fn deliver(&mut self, series: &[Series]) -> Result<(), Stopped> {
        let n_samples: usize = series.iter().map(|(_, samples)| samples.len()).sum();
        if n_samples == 0 {
            return Ok(());
        }
        let (first_wait, last_wait) = self.shared.options.back_off;
        let mut wait = first_wait;
        loop {
            let outcome = self.delivery.send(series);
            let mut state = self.shared.state();
            if state.stop == Stop::AtOnce {
                return Err(Stopped);
            }
            let counts = &mut state.counts;
            counts.n_requests += 1;
            counts.protocol = self.delivery.spoken();
            match outcome {
                Outcome::Stored { n_dropped, reason } => {
                    counts.sent += (n_samples - n_dropped) as u64;
                    counts.drop(n_dropped, reason);
                    counts.last_success = Some(SystemTime::now());
                    counts.last_error = None;
                    return Ok(());
                }
                Outcome::Refused { reason, message } if n_samples == 1 => {
                    counts.drop(1, reason);
                    counts.last_error = Some(message);
                    return Ok(());
                }
                Outcome::Refused { .. } => {
                    counts.n_split += 1;
                    drop(state);
                    if let [(labels, samples)] = series {
                        let (first, second) = samples.split_at(samples.len() / 2);
                        self.deliver(&[(labels.clone(), first.to_vec())])?;
                        return self.deliver(&[(labels.clone(), second.to_vec())]);
                    }
                    let (first, second) = series.split_at(series.len() / 2);
                    self.deliver(first)?;
                    return self.deliver(second);
                }
                Outcome::Again(message) => {
                    counts.n_retried += 1;
                    counts.last_error = Some(message);
                    self.pause(state, wait)?;
                    wait = (wait * 2).min(last_wait);
                }
            }
        }
    }

    /// Waits, unless the thread is to end at once.
    fn pause(&self, mut state: MutexGuard<'_, State>, wait: Duration) -> Result<(), Stopped> {
        let until = Instant::now() + wait;
        loop {
            if state.stop == Stop::AtOnce {
                return Err(Stopped);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.shared.is_due(&state) {
                state.write(self.shared.options.batch);
            }
            state = self.shared.wait(state, left);
        }
    }
}

impl Counts {
    fn drop(&mut self, n: usize, reason: Reason) {
        let count = match reason {
            Reason::Late => &mut self.dropped.late,
            Reason::Duplicate => &mut self.dropped.duplicate,
            Reason::Refused => &mut self.dropped.refused,
        };
        *count += n as u64;
    }
}

/// The samples of a batch by series and rising in time, how many had the time of a later one, and how many cannot be
/// read.
fn unpack(batch: &Batch) -> (Vec<Series>, u64, u64) {
    let limits = wire::Limits {
        body: usize::MAX,
        decoded: usize::MAX,
        series: usize::MAX,
        samples: usize::MAX,
        symbols: usize::MAX,
    };
    let mut by_labels: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    let (mut n_doubled, mut n_broken) = (0, 0);
    for block in &batch.blocks {
        match wire::decode(None, None, block, &limits) {
            Ok(received) => {
                n_broken += received.n_malformed as u64;
                for series in received.series {
                    by_labels.entry(series.labels).or_default().extend(series.samples);
                }
            }
            Err(_) => n_broken += 1,
        }
    }
    for samples in by_labels.values_mut() {
        samples.sort_by_key(|sample| sample.timestamp_ms);
        let n = samples.len();
        samples.reverse();
        samples.dedup_by_key(|sample| sample.timestamp_ms);
        samples.reverse();
        n_doubled += (n - samples.len()) as u64;
    }
    (by_labels.into_iter().collect(), n_doubled, n_broken)
}

#[cfg(test)]
mod tests;

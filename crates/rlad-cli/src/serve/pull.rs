//! The reader: asks a database for the values of queries, at the start for all of the window, then for what is new.

use std::collections::BTreeMap;
use std::time::Duration;

use super::client::Client;
use super::clock::{Ending, now_ms};
use super::config::{QueryConfig, ServeConfig};
use super::datasource::Datasource;
use super::engine::{Batch, Incoming};
use super::labels::{Labels, NAME};
use super::shared::Shared;
use super::telemetry::{Telemetry, What};
use super::watched::Watched;
use super::wire::Sample;
use super::worker::{NotTaken, Worker};
use crate::output::tell;

/// The past is asked for in pieces of so long, so that all series come along together.
const PIECE_MS: i64 = 24 * 3_600_000;
/// The samples of a batch for the engine.
const BATCH: usize = 20_000;
/// How long it waits after an error.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// How far the reader is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Whether the past of every query is there.
    pub(crate) is_complete: bool,
    /// What it does, in a sentence.
    pub(crate) doing: String,
}

/// The reader of the queries of a configuration.
#[derive(Debug)]
pub(crate) struct Puller {
    pub(crate) config: Shared<ServeConfig>,
    pub(crate) worker: Worker,
    pub(crate) telemetry: Telemetry,
    pub(crate) progress: Shared<Progress>,
    pub(crate) ending: Ending,
    /// The time of the last step that was asked for, by query, in milliseconds.
    pub(crate) until: BTreeMap<String, i64>,
}

impl Puller {
    /// Asks until the service ends.
    pub(crate) fn run(mut self) {
        let mut last_error = String::new();
        while !self.ending.is_now() {
            let config = self.config.get();
            let wait = match self.turn(&config) {
                Ok(wait) => {
                    if !std::mem::take(&mut last_error).is_empty() {
                        tell("the database answers again");
                    }
                    wait
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    self.count("failed");
                    if error != last_error {
                        tell(&format!("warning: {error}; asked again every {} s", AFTER_ERROR.as_secs()));
                    }
                    last_error = error;
                    AFTER_ERROR
                }
            };
            if self.ending.wait(wait) {
                return;
            }
        }
    }

    /// Asks for what is new of each query; returns how long to wait for more.
    fn turn(&mut self, config: &ServeConfig) -> anyhow::Result<Duration> {
        self.until.retain(|name, _| config.reader.queries.contains_key(name));
        let Some(url) = config.reader.base_url() else {
            self.progress.set(Progress { is_complete: true, doing: String::new() });
            return Ok(Duration::from_secs(1));
        };
        let datasource = Datasource::new(&url, Client::new(&config.reader.options())?)?;
        let mut wait = i64::MAX;
        for (name, query) in &config.reader.queries {
            let step = query.step.unwrap_or(config.reader.sampling_period).millis();
            let every = config.scheduler.infer_every.map_or(step, |every| every.millis()).max(1_000);
            let end = align(now_ms() - config.reader.offset.millis(), step);
            let begin = align(end - config.scheduler.fit_window.millis(), step);
            let mut from = self.until.get(name).map_or(begin, |until| (until + step).max(begin));
            while from <= end && !self.ending.is_now() {
                let to = (align(from + PIECE_MS, step) - step).clamp(from, end);
                if !self.progress.get().is_complete {
                    let days = (end - from) / 86_400_000 + 1;
                    self.progress.set(Progress {
                        is_complete: false,
                        doing: format!("the past of `{name}` is read: {days} days are left"),
                    });
                }
                self.ask(config, &datasource, name, query, from..=to, step)?;
                self.until.insert(name.clone(), to);
                from = to + step;
            }
            wait = wait.min(every - (now_ms() - config.reader.offset.millis()).rem_euclid(every));
        }
        if !self.progress.get().is_complete {
            self.progress.set(Progress { is_complete: true, doing: String::new() });
        }
        Ok(Duration::from_millis(wait.clamp(50, 60_000) as u64))
    }

    fn ask(
        &self,
        config: &ServeConfig,
        datasource: &Datasource,
        name: &str,
        query: &QueryConfig,
        range: std::ops::RangeInclusive<i64>,
        step: i64,
    ) -> anyhow::Result<()> {
        let pulled = datasource.query_range(&query.expr, *range.start(), *range.end(), step)?;
        self.count("answered");
        for warning in &pulled.warnings {
            tell(&format!("note: the database says about `{name}`: {warning}"));
        }
        let most = config.limits.max_series_per_query;
        if pulled.series.len() > most {
            tell(&format!("warning: `{name}` gives {} series; the first {most} are watched", pulled.series.len()));
        }
        let named = |(labels, samples): (Labels, Vec<Sample>)| {
            let labels = labels.with([(NAME, name)]);
            Incoming { name: labels.series_name(), labels, kind: None, samples }
        };
        let series: Vec<Incoming> = pulled.series.into_iter().take(most).map(named).collect();
        for batch in in_batches(series) {
            self.give(batch)?;
        }
        Ok(())
    }

    fn give(&self, batch: Batch) -> anyhow::Result<()> {
        let tally = self.worker.take_blocking(batch).map_err(|not_taken| match not_taken {
            NotTaken::Busy => anyhow::anyhow!("the engine has ended"),
            NotTaken::Failed(error) => anyhow::anyhow!(error),
        })?;
        self.telemetry.count(&tally, "query_range");
        Ok(())
    }

    fn count(&self, result: &str) {
        self.telemetry.pulls.get_or_create(&What { result: result.to_owned() }).inc();
    }
}

/// The last multiple of a step that is not after a time.
const fn align(at: i64, step: i64) -> i64 {
    at - at.rem_euclid(step)
}

/// Series in batches of no more than so many samples, but for those that have more by themselves.
fn in_batches(series: Vec<Incoming>) -> Vec<Batch> {
    let mut batches = vec![Batch::default()];
    let mut n = 0;
    for series in series {
        if n > 0 && n + series.samples.len() > BATCH {
            batches.push(Batch::default());
            n = 0;
        }
        n += series.samples.len();
        if let Some(batch) = batches.last_mut() {
            batch.series.push(series);
        }
    }
    batches
}

/// The progress of a reader that has not begun.
pub(crate) fn begun() -> Shared<Progress> {
    Shared::new(Progress { is_complete: false, doing: "the database is asked for the past".to_owned() })
}

/// Where the reader of a service that was stopped goes on: at the last point of the series of each query.
pub(crate) fn until_of<'a>(config: &ServeConfig, watched: impl Iterator<Item = &'a Watched>) -> BTreeMap<String, i64> {
    let mut until = BTreeMap::new();
    for watched in watched {
        let Ok(labels) = Labels::parse(&watched.name) else { continue };
        let query = config.reader.queries.keys().find(|name| name.as_str() == labels.metric());
        if let (Some(query), Some(at)) = (query, watched.intake.last_at()) {
            let of_query = until.entry(query.clone()).or_insert(at);
            *of_query = at.max(*of_query);
        }
    }
    until
}

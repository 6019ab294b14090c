//! The engine: takes samples in, keeps the state of every watched series, scores each point, and tells what it decided.
//!
//! One thread owns it. What changes the state is in the journal before it is confirmed, and what follows from it is computed from the
//! journal's records alone: an engine that was killed and opened again is the engine that was never stopped, bit for bit.

mod open;
mod pending;
mod score;
mod snapshots;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rlad::{Model, Stream};

pub(crate) use self::open::Opening;
use self::pending::Pending;
pub(crate) use self::score::{AlarmChange, Outputs, ScoredPoint, Written, anomaly_score};
use super::config::ReadAs;
use super::fault::reach;
use super::history::History;
use super::intake::{Intake, MAX_AHEAD_MS, Point, Reason, Taken};
use super::journal::{Journal, Record};
use super::labels::Labels;
use super::rules::{Nature, Rules, family};
use super::snapshot::Snapshot;
use super::watched::Watched;
use super::wire::{MetricKind, Sample};

/// The points that wait for the first detector, at most; older ones are left to the history.
const MOST_BACKLOG: usize = 4_000_000;

/// The sizes that the engine keeps to, and where its files are.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The series that are watched at once.
    pub(crate) series: usize,
    /// New series in a minute.
    pub(crate) new_a_minute: usize,
    /// Series whose points are kept to be learned from.
    pub(crate) kept: usize,
    /// How long a series without a sample is watched, in milliseconds.
    pub(crate) idle: i64,
    /// Between two snapshots.
    pub(crate) snapshot_every: Duration,
}

/// The samples of a series as they came.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    /// Its name.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: Labels,
    /// What its sender says that it is.
    pub(crate) kind: Option<MetricKind>,
    /// In time order, as far as the sender kept to it.
    pub(crate) samples: Vec<Sample>,
}

/// The samples of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// The series.
    pub(crate) series: Vec<Incoming>,
    /// What metrics are, by family.
    pub(crate) kinds: Vec<(String, MetricKind)>,
}

/// What became of the samples of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Samples that were taken in.
    pub(crate) accepted: usize,
    /// Samples that were left out, by the place of the reason in [`Reason::ALL`].
    pub(crate) dropped: [usize; Reason::ALL.len()],
}

impl Tally {
    fn drop(&mut self, reason: Reason, n: usize) {
        let at = Reason::ALL.iter().position(|of| *of == reason).unwrap_or(0);
        self.dropped[at] += n;
    }
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Engine {
    journal: Journal,
    history: History,
    snapshots: PathBuf,
    limits: Limits,
    rules: Rules,
    /// The detector, and that of each rule: the same with the rule's decision.
    model: Option<Arc<Model>>,
    by_rule: Vec<Arc<Model>>,
    series: Vec<Option<Watched>>,
    free: BTreeSet<u32>,
    index: HashMap<Arc<str>, u32>,
    kinds: HashMap<String, MetricKind>,
    n_kept: usize,
    /// Points that wait to be scored.
    pending: Pending,
    /// The points of series that wait for the first detector.
    backlog: Vec<(u32, Point)>,
    snapshot: Option<Snapshot>,
    last_snapshot: Instant,
    /// Whether what was scored is told: not while the first detector is not in a snapshot yet.
    is_quiet: bool,
    /// The journal record from which on what is scored was not told yet.
    told_before: u64,
    /// The last commit failed: what was taken in waits.
    has_failed: bool,
    minute: i64,
    new_in_minute: usize,
    outputs: Box<dyn Outputs>,
}

/// A detector with the states of series in it.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The detector.
    pub(crate) model: Arc<Model>,
    /// The series by name, their streams, and the times of their last points in milliseconds.
    pub(crate) streams: Vec<(String, Stream, i64)>,
}

impl Engine {
    /// Takes in the samples of requests, puts them into the journal and confirms them by `confirm`; their points then wait to be scored.
    /// `now`: in milliseconds since 1970.
    ///
    /// Where the journal cannot be written nothing is confirmed, and what was taken in is written by the next call that can.
    pub(crate) fn take(&mut self, batches: Vec<Batch>, now: i64, confirm: impl FnOnce(Result<&[Tally], &str>)) {
        if self.has_failed && self.journal.commit().is_err() {
            return confirm(Err("the journal cannot be written: is the disk full?"));
        }
        self.has_failed = false;
        let (mut samples, mut points) = (Vec::new(), Vec::new());
        let tallies: Vec<Tally> =
            batches.into_iter().map(|batch| self.take_in(batch, now, &mut samples, &mut points)).collect();
        let number = self.journal.next();
        if !samples.is_empty() {
            self.journal.add(&Record::Samples(samples));
        }
        match self.journal.commit() {
            Ok(()) => confirm(Ok(&tallies)),
            Err(error) => {
                self.has_failed = true;
                confirm(Err(&format!("the journal cannot be written: {error}")));
            }
        }
        self.pending.add(number, points);
    }

    fn take_in(
        &mut self,
        batch: Batch,
        now: i64,
        samples: &mut Vec<(u32, i64, f64)>,
        points: &mut Vec<(u32, Point)>,
    ) -> Tally {
        for (family, kind) in batch.kinds {
            // Names come from outside: as many are remembered as there may be series.
            if self.kinds.len() < self.limits.series || self.kinds.contains_key(&family) {
                self.kinds.insert(family, kind);
            }
        }
        let mut tally = Tally::default();
        let mut made = Vec::new();
        for incoming in batch.series {
            let n = incoming.samples.len();
            if n == 0 {
                continue;
            }
            let id = match self.index.get(incoming.name.as_str()) {
                Some(id) => *id,
                None => match self.admit(&incoming, now) {
                    Ok(id) => id,
                    Err(reason) => {
                        tally.drop(reason, n);
                        continue;
                    }
                },
            };
            let Some(watched) = self.series.get_mut(id as usize).and_then(Option::as_mut) else { continue };
            for sample in incoming.samples {
                if sample.timestamp_ms > now.saturating_add(MAX_AHEAD_MS) {
                    tally.drop(Reason::Ahead, 1);
                    continue;
                }
                match watched.intake.take(sample.timestamp_ms, sample.value, sample.is_stale(), &mut made) {
                    Taken::Dropped(reason) => tally.drop(reason, 1),
                    Taken::Points | Taken::Waits | Taken::Gap => {
                        tally.accepted += 1;
                        samples.push((id, sample.timestamp_ms, sample.value));
                    }
                }
                points.extend(made.drain(..).map(|point| (id, point)));
            }
        }
        tally
    }

    /// Watches a new series, if a rule does and there is room.
    fn admit(&mut self, incoming: &Incoming, now: i64) -> Result<u32, Reason> {
        let rule = self.rules.of(&incoming.labels).ok_or(Reason::Unwatched)?;
        let metric = incoming.labels.metric();
        let kind = incoming.kind.or_else(|| self.kinds.get(metric).or_else(|| self.kinds.get(family(metric))).copied());
        let of_rule = &self.rules.0[rule];
        let is_rate = match (of_rule.read_as, Nature::of(metric, kind)) {
            (ReadAs::Rate, _) => true,
            (ReadAs::Value, _) => false,
            (ReadAs::Auto, Nature::Bucket) => return Err(Reason::Bucket),
            (ReadAs::Auto, nature) => nature == Nature::Counter,
        };
        let minute = now.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.new_in_minute) = (minute, 0);
        }
        if self.index.len() >= self.limits.series || self.new_in_minute >= self.limits.new_a_minute {
            return Err(Reason::TooMany);
        }
        self.new_in_minute += 1;
        let id = self.free.first().copied().unwrap_or(self.series.len() as u32);
        let record = Record::Series {
            id,
            name: incoming.name.clone(),
            is_rate,
            step: of_rule.step,
            is_kept: self.n_kept < self.limits.kept,
        };
        self.journal.add(&record);
        self.apply_series(record, rule);
        Ok(id)
    }

    fn apply_series(&mut self, record: Record, rule: usize) {
        let Record::Series { id, name, is_rate, step, is_kept } = record else { return };
        self.remove(id);
        let watched = Watched::new(name.into(), rule, Intake::new(is_rate, step), is_kept);
        self.put(id, watched);
    }

    fn put(&mut self, id: u32, watched: Watched) {
        let at = id as usize;
        while self.series.len() <= at {
            self.free.insert(self.series.len() as u32);
            self.series.push(None);
        }
        self.free.remove(&id);
        self.n_kept += usize::from(watched.is_kept);
        self.index.insert(Arc::clone(&watched.name), id);
        self.series[at] = Some(watched);
    }

    /// Forgets a series.
    fn remove(&mut self, id: u32) {
        let Some(watched) = self.series.get_mut(id as usize).and_then(Option::take) else { return };
        self.index.remove(&watched.name);
        self.n_kept -= usize::from(watched.is_kept);
        self.free.insert(id);
    }

    /// Begins to prepare the first detector: what is in the history from here on need not wait.
    ///
    /// # Errors
    /// If the history cannot be written.
    pub(crate) fn begin_preparing(&mut self) -> anyhow::Result<()> {
        self.catch_up()?;
        self.backlog.clear();
        self.history.flush()
    }

    /// Goes on with a first detector, in which series were prepared from their history. It stands in no record of the journal: what was
    /// prepared is safe with the snapshot that is begun here, and is prepared anew where that is not whole.
    ///
    /// # Errors
    /// If the snapshot cannot be written.
    pub(crate) fn install(&mut self, prepared: Prepared) -> anyhow::Result<()> {
        self.catch_up()?;
        self.set_model(&prepared.model)?;
        let mut known: HashMap<u32, i64> = HashMap::new();
        for (name, stream, last) in prepared.streams {
            let Some(id) = self.index.get(name.as_str()).copied() else { continue };
            if let Some(watched) = self.series[id as usize].as_mut() {
                watched.stream = Some(Box::new(stream));
                known.insert(id, last);
            }
        }
        let backlog = std::mem::take(&mut self.backlog);
        let is_new = |(id, point): &(u32, Point)| known.get(id).is_none_or(|last| point.at > *last);
        self.is_quiet = true;
        self.advance(backlog.into_iter().filter(is_new).collect(), self.journal.next())?;
        reach("installing");
        self.begin_snapshot()
    }

    /// Goes on with another detector; each series at its next point.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub(crate) fn swap(&mut self, model: &Arc<Model>) -> anyhow::Result<()> {
        self.catch_up()?;
        if self.is_quiet {
            // The detector before is in no snapshot yet.
            self.set_model(model)?;
            return self.begin_snapshot();
        }
        self.set_model(model)?;
        self.journal.add(&Record::Model(model.hash().to_owned()));
        // Where it cannot be written now, it is with what is taken in next.
        self.journal.commit()?;
        reach("swap");
        Ok(())
    }

    /// Goes on with other rules. A series that none of them watches is forgotten.
    ///
    /// # Errors
    /// If the journal cannot be written, or a rule's decision is none.
    pub(crate) fn set_rules(&mut self, rules: Rules, limits: Limits) -> anyhow::Result<()> {
        self.catch_up()?;
        self.rules = rules;
        self.limits = limits;
        let mut unwatched = Vec::new();
        for (id, slot) in self.series.iter_mut().enumerate() {
            let Some(watched) = slot else { continue };
            match Labels::parse(&watched.name).ok().and_then(|labels| self.rules.of(&labels)) {
                Some(rule) => watched.rule = rule,
                None => unwatched.push(id as u32),
            }
        }
        self.forget(&unwatched)?;
        self.model.clone().map_or(Ok(()), |model| self.set_model(&model))
    }

    fn set_model(&mut self, model: &Arc<Model>) -> anyhow::Result<()> {
        let with = |decision: &rlad::config::DecisionConfig| {
            if decision == model.decision() {
                return Ok(Arc::clone(model));
            }
            Ok(Arc::new(Model::clone(model).with_decision(decision.clone())?))
        };
        self.by_rule = self.rules.0.iter().map(|rule| with(&rule.decision)).collect::<anyhow::Result<_>>()?;
        self.model = Some(Arc::clone(model));
        Ok(())
    }

    /// Forgets series, whose open events end.
    fn forget(&mut self, ids: &[u32]) -> anyhow::Result<()> {
        for id in ids {
            self.journal.add(&Record::Forget(*id));
            self.close_event(*id);
            self.remove(*id);
        }
        Ok(self.journal.commit()?)
    }

    /// Whether it has a detector.
    pub(crate) const fn model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
    }

    /// The series that are watched.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &Watched> {
        self.series.iter().flatten()
    }

    /// The number of watched series.
    pub(crate) fn n_series(&self) -> usize {
        self.index.len()
    }

    /// The name of a rule, where it has one.
    pub(crate) fn rule_name(&self, rule: usize) -> Option<&str> {
        self.rules.0.get(rule).and_then(|rule| rule.name.as_deref())
    }

    /// The size of the journal on disk, in bytes.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// What is done from time to time: tells what was decided, forgets idle series and old points, begins a snapshot.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn tick(&mut self, now: i64) -> anyhow::Result<()> {
        let kept = self.history.flush();
        self.outputs.flush()?;
        kept?;
        let next = self.pending.first().unwrap_or(self.journal.next());
        if !self.has_failed && self.told_before != next {
            self.told_before = next;
            reach("telling");
            open::write_told(&self.snapshots, next)?;
        }
        if self.snapshot.is_none() && self.last_snapshot.elapsed() >= self.limits.snapshot_every {
            self.catch_up()?;
            let is_idle = |watched: &Watched| watched.intake.last_at().is_none_or(|at| now - at > self.limits.idle);
            let slots = self.series.iter().enumerate();
            let idle = slots.filter(|(_, slot)| slot.as_ref().is_some_and(is_idle)).map(|(id, _)| id as u32);
            let idle: Vec<u32> = idle.collect();
            self.forget(&idle)?;
            self.history.forget_old(now)?;
            self.begin_snapshot()?;
        }
        Ok(())
    }
}

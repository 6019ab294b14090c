//! The thread of the engine, and the handle by which others ask it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rlad::Model;
use tokio::sync::oneshot;

use super::clock::now_ms;
use super::engine::{Batch, Engine, Limits, Prepared, Tally};
use super::rules::Rules;
use super::telemetry::Telemetry;
use super::watched::{Event, Last};
use crate::output::tell;

/// Requests that wait for the engine, at most.
const MOST_WAITING: usize = 256;
/// Requests that are put into the journal at once, and the samples of them.
const MOST_AT_ONCE: usize = 256;
const MOST_SAMPLES: usize = 10_000;
/// How often it tells what was decided, and looks whether a snapshot is due.
const TICK: Duration = Duration::from_secs(1);
/// The points that wait to be scored, at most: more samples are not taken before.
const MOST_PENDING: usize = 10_000;
/// Points that are scored between two looks for requests.
const SCORED_AT_ONCE: usize = 512;
/// How long a piece of a snapshot may wait until no point waits to be scored.
const LATEST_PIECE: Duration = Duration::from_millis(100);
/// How long it waits for a command between two pieces of a snapshot.
const BETWEEN_PIECES: Duration = Duration::from_millis(1);
/// How long a request may wait for room.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long it waits between two looks for room.
const RETRY: Duration = Duration::from_millis(5);

/// A series as others see it.
#[derive(Clone, Debug)]
pub(crate) struct SeriesView {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The value of the label `for` of its scores, where its rule has one.
    pub(crate) rule: Option<String>,
    /// The last point that was scored.
    pub(crate) last: Option<Last>,
    /// The event that is open.
    pub(crate) event: Option<Event>,
    /// Whether its points are the rate of a counter.
    pub(crate) is_rate: bool,
    /// The time between two points, in milliseconds.
    pub(crate) step: Option<i64>,
    /// Whether its points are kept to be learned from.
    pub(crate) is_kept: bool,
}

/// Which series are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Part of the name.
    pub(crate) part: String,
    /// Whether those with an open event alone.
    pub(crate) is_open: bool,
    /// How many, at most.
    pub(crate) limit: usize,
}

type Reply<T> = oneshot::Sender<T>;

/// What the engine is asked.
#[derive(Debug)]
enum Command {
    Take(Batch, Reply<Result<Tally, String>>),
    Series(Filter, Reply<Vec<SeriesView>>),
    BeginPreparing(Reply<anyhow::Result<()>>),
    Install(Box<Prepared>, Reply<anyhow::Result<()>>),
    Swap(Arc<Model>, Reply<anyhow::Result<()>>),
    Rules(Rules, Limits, Reply<anyhow::Result<()>>),
    End(Reply<()>),
}

/// Why samples were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// There is more than it can do.
    Busy,
    /// The journal cannot be written.
    Failed(String),
}

/// The handle of the engine.
#[derive(Clone, Debug)]
pub(crate) struct Worker(SyncSender<Command>);

impl Worker {
    /// Runs an engine in a thread of its own.
    pub(crate) fn run(engine: Engine, telemetry: Telemetry) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = sync_channel(MOST_WAITING);
        let thread = std::thread::spawn(move || work(engine, &receiver, &telemetry));
        (Self(sender), thread)
    }

    /// Gives it samples; returns once they are safe.
    ///
    /// # Errors
    /// Where it has too much to do, or the samples cannot be made safe: they are to be sent again.
    pub(crate) async fn take(&self, batch: Batch) -> Result<Tally, NotTaken> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Take(batch, reply)).await.ok_or(NotTaken::Busy)?;
        answer.await.map_err(|_| NotTaken::Busy)?.map_err(NotTaken::Failed)
    }

    /// [`Self::take`] for a thread that may wait as long as it takes.
    pub(crate) fn take_blocking(&self, batch: Batch) -> Result<Tally, NotTaken> {
        self.ask(|reply| Command::Take(batch, reply)).map_err(|_| NotTaken::Busy)?.map_err(NotTaken::Failed)
    }

    /// The watched series that fit a filter, in the order of their numbers.
    pub(crate) async fn series(&self, filter: Filter) -> Vec<SeriesView> {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Series(filter, reply)).await.is_none() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// [`Self::series`] for a thread.
    pub(crate) fn series_blocking(&self, filter: Filter) -> Vec<SeriesView> {
        self.ask(|reply| Command::Series(filter, reply)).unwrap_or_default()
    }

    /// [`Engine::begin_preparing`].
    ///
    /// # Errors
    /// As there, and where the engine has ended.
    pub(crate) fn begin_preparing(&self) -> anyhow::Result<()> {
        self.ask(Command::BeginPreparing)?
    }

    /// [`Engine::install`].
    ///
    /// # Errors
    /// As there, and where the engine has ended.
    pub(crate) fn install(&self, prepared: Prepared) -> anyhow::Result<()> {
        self.ask(|reply| Command::Install(Box::new(prepared), reply))?
    }

    /// [`Engine::swap`].
    ///
    /// # Errors
    /// As there, and where the engine has ended.
    pub(crate) fn swap(&self, model: Arc<Model>) -> anyhow::Result<()> {
        self.ask(|reply| Command::Swap(model, reply))?
    }

    /// [`Engine::set_rules`].
    ///
    /// # Errors
    /// As there, and where the engine has ended.
    pub(crate) fn set_rules(&self, rules: Rules, limits: Limits) -> anyhow::Result<()> {
        self.ask(|reply| Command::Rules(rules, limits, reply))?
    }

    /// Ends it: a snapshot of everything is on disk then.
    pub(crate) fn end(&self) {
        let _ = self.ask(Command::End);
    }

    /// Sends a command once there is room; `None` where there is none in time.
    async fn send(&self, mut command: Command) -> Option<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.0.try_send(command) {
                Ok(()) => return Some(()),
                Err(TrySendError::Full(back)) if Instant::now() < until => command = back,
                Err(_) => return None,
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> anyhow::Result<T> {
        let (reply, answer) = oneshot::channel();
        let ended = || anyhow::anyhow!("the engine has ended");
        self.0.send(command(reply)).map_err(|_| ended())?;
        answer.blocking_recv().map_err(|_| ended())
    }
}

fn work(mut engine: Engine, commands: &Receiver<Command>, telemetry: &Telemetry) {
    let (mut last_tick, mut last_piece) = (Instant::now(), Instant::now());
    let mut trouble = Trouble::default();
    tell_model(&engine, telemetry);
    telemetry.alarms_open.set(engine.watched().filter(|watched| watched.event.is_some()).count() as i64);
    loop {
        let is_behind = engine.n_pending() > 0;
        if last_tick.elapsed() >= TICK {
            last_tick = Instant::now();
            tick(&mut engine, telemetry, &mut trouble);
        }
        if engine.has_snapshot() && (!is_behind || last_piece.elapsed() >= LATEST_PIECE) {
            last_piece = Instant::now();
            match engine.step_snapshot() {
                Ok(None) => {}
                Ok(Some(took)) => {
                    telemetry.set_snapshot(took, now_ms());
                    trouble.note(Work::Snapshot, &Ok(()), telemetry);
                }
                Err(error) => trouble.note(Work::Snapshot, &Err(error), telemetry),
            }
        }
        let pause = if engine.n_pending() > 0 {
            Duration::ZERO
        } else if engine.has_snapshot() {
            BETWEEN_PIECES
        } else {
            TICK.saturating_sub(last_tick.elapsed())
        };
        let mut next = None;
        if engine.n_pending() < MOST_PENDING {
            next = match commands.recv_timeout(pause) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
        }
        let (mut batches, mut n_samples) = (Vec::new(), 0);
        while let Some(Command::Take(batch, reply)) = next {
            n_samples += batch.series.iter().map(|series| series.samples.len()).sum::<usize>();
            batches.push((batch, reply));
            let has_room = batches.len() < MOST_AT_ONCE && n_samples < MOST_SAMPLES;
            next = if has_room { commands.try_recv().ok() } else { None };
        }
        if !batches.is_empty() {
            take(&mut engine, batches, telemetry, &mut trouble);
        }
        if engine.n_pending() > 0 {
            trouble.note(Work::Scores, &engine.score_pending(SCORED_AT_ONCE), telemetry);
        }
        match next {
            Some(Command::End(reply)) => {
                trouble.note(Work::Snapshot, &engine.close(now_ms()), telemetry);
                let _ = reply.send(());
                return;
            }
            Some(command) => other(&mut engine, command, telemetry),
            None => {}
        }
    }
}

/// What is written to the state.
#[derive(Clone, Copy, Debug)]
enum Work {
    Intake,
    Scores,
    Upkeep,
    Snapshot,
}

/// The work that could not be written last. Each is told once until all of it can be written again.
#[derive(Debug, Default)]
struct Trouble([bool; 4]);

impl Trouble {
    fn note(&mut self, work: Work, result: &anyhow::Result<()>, telemetry: &Telemetry) {
        let before = std::mem::replace(&mut self.0[work as usize], result.is_err());
        let works = self.0 == [false; 4];
        telemetry.state_works.set(i64::from(works));
        match result {
            Err(error) if !before => tell(&format!("warning: {error:#}")),
            Ok(()) if before && works => tell("the state can be written again"),
            _ => {}
        }
    }
}

fn tick(engine: &mut Engine, telemetry: &Telemetry, trouble: &mut Trouble) {
    trouble.note(Work::Upkeep, &engine.tick(now_ms()), telemetry);
    telemetry.series.set(engine.n_series() as i64);
    telemetry.journal_bytes.set(i64::try_from(engine.journal_bytes()).unwrap_or(i64::MAX));
}

fn take(
    engine: &mut Engine,
    batches: Vec<(Batch, Reply<Result<Tally, String>>)>,
    telemetry: &Telemetry,
    trouble: &mut Trouble,
) {
    let (batches, replies): (Vec<_>, Vec<_>) = batches.into_iter().unzip();
    let mut outcome = Ok(());
    engine.take(batches, now_ms(), |tallies| match tallies {
        Ok(tallies) => {
            for (reply, tally) in replies.into_iter().zip(tallies) {
                let _ = reply.send(Ok(tally.clone()));
            }
        }
        Err(error) => {
            outcome = Err(anyhow::anyhow!("{error}"));
            replies.into_iter().for_each(|reply| _ = reply.send(Err(error.to_owned())));
        }
    });
    trouble.note(Work::Intake, &outcome, telemetry);
}

fn other(engine: &mut Engine, command: Command, telemetry: &Telemetry) {
    match command {
        Command::Take(..) | Command::End(_) => {}
        Command::Series(filter, reply) => {
            let views = engine
                .watched()
                .filter(|watched| (!filter.is_open || watched.event.is_some()) && watched.name.contains(&filter.part));
            let view = |watched: &super::watched::Watched| SeriesView {
                name: Arc::clone(&watched.name),
                rule: engine.rule_name(watched.rule).map(str::to_owned),
                last: watched.last,
                event: watched.event,
                is_rate: watched.intake.is_rate(),
                step: watched.intake.step(),
                is_kept: watched.is_kept,
            };
            let _ = reply.send(views.take(filter.limit).map(view).collect());
        }
        Command::BeginPreparing(reply) => _ = reply.send(engine.begin_preparing()),
        Command::Install(prepared, reply) => {
            let installed = engine.install(*prepared);
            tell_model(engine, telemetry);
            let _ = reply.send(installed);
        }
        Command::Swap(model, reply) => {
            let swapped = engine.swap(&model);
            tell_model(engine, telemetry);
            let _ = reply.send(swapped);
        }
        Command::Rules(rules, limits, reply) => _ = reply.send(engine.set_rules(rules, limits)),
    }
}

fn tell_model(engine: &Engine, telemetry: &Telemetry) {
    if let Some(model) = engine.model() {
        telemetry.set_model(model.hash());
    }
}

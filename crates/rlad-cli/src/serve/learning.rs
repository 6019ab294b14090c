//! Learning: a session over the last weeks of the series, its labelling page, and the detectors that come of it.
//!
//! A *turn* takes what is in the history, opens the session over it, and lets people answer until there is a reason for the next one: the
//! time for it, or an alarm that is newer than the data of this one. All of it runs in one thread of low priority; nothing that scores
//! waits for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rlad::data::{DataSet, TimeFormat, write_dataset};
use rlad::{Config, Model, Series, Session, Stream};

use super::clock::{Ending, now_ms};
use super::config::ServeConfig;
use super::engine::Prepared;
use super::fault::reach;
use super::history;
use super::intake::Point;
use super::models::{Models, objection, short};
use super::outlets::AlertDesk;
use super::pull::Progress;
use super::shared::Shared;
use super::telemetry::{Telemetry, set};
use super::worker::{Filter, SeriesView, Worker};
use crate::alarms;
use crate::annotate::{
    DataSource, Gate, LabellingServer, Learner, Opening, PageSlot, Suggestions, page_router, waiting_router,
};
use crate::expert::user_name;
use crate::figures::count;
use crate::folder::{self, Folder};
use crate::output::tell;
use crate::training::{begin, resume, teach_rest};

/// A series with fewer points is not learned from.
const MIN_POINTS: usize = 100;
/// The first detector waits for a series with so many points.
const FIRST_POINTS: usize = 300;
/// It waits as well while a past that is sent grows by more than this part between two looks.
const STILL_COMING: usize = 20;
/// The points that are learned from, at most.
const MAX_POINTS: usize = 5_000_000;
/// How often it looks what there is to do.
const LOOK: Duration = Duration::from_millis(250);
/// A turn lasts at least so long, and as long as somebody answers.
const SHORTEST_TURN: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(15);
/// How long it waits after a turn that failed.
const AFTER_ERROR: Duration = Duration::from_secs(60);
const NANOS_PER_MS: i64 = 1_000_000;
/// The file that tells when the session was begun.
const BEGUN: &str = "session-begun";

/// The learning of the service.
#[derive(Debug)]
pub(crate) struct Learning {
    pub(crate) config: Shared<ServeConfig>,
    pub(crate) folder: PathBuf,
    pub(crate) worker: Worker,
    pub(crate) models: Arc<Models>,
    pub(crate) telemetry: Telemetry,
    pub(crate) progress: Shared<Progress>,
    pub(crate) desk: AlertDesk,
    pub(crate) suggestions: Arc<dyn Suggestions>,
    pub(crate) slot: PageSlot,
    pub(crate) gate: Gate,
    /// What the page says while there is nothing to answer.
    pub(crate) message: Shared<String>,
    pub(crate) ending: Ending,
    /// The detector in use.
    pub(crate) current: Option<Arc<Model>>,
    /// Whether a detector was named at the start, which stays in use then.
    pub(crate) is_pinned: bool,
    /// The points that there were when it last looked for the first detector.
    pub(crate) n_seen: usize,
}

impl Learning {
    /// Learns until the service ends.
    pub(crate) fn run(mut self) {
        while !self.ending.is_now() {
            let begun = Instant::now();
            let turned = self.pool().and_then(|pool| pool.install(|| self.turn()));
            let wait = match turned {
                Ok(wait) => {
                    self.telemetry.learning_works.set(1);
                    wait
                }
                Err(error) => {
                    self.telemetry.learning_works.set(0);
                    tell(&format!("warning: learning failed: {error:#}; it is tried again"));
                    self.say("learning failed, and is tried again; the program's output says why");
                    AFTER_ERROR
                }
            };
            self.telemetry.learning_seconds.set(begun.elapsed().as_secs_f64());
            if self.ending.wait(wait) {
                return;
            }
        }
    }

    /// One thread of low priority.
    fn pool(&self) -> anyhow::Result<rayon::ThreadPool> {
        let nice = self.config.get().learning.nice;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).start_handler(move |_| step_back(nice)).build();
        pool.context("cannot start the thread that learns")
    }

    fn say(&self, message: &str) {
        self.message.set(message.to_owned());
        let message = self.message.clone();
        self.slot.set(waiting_router(self.gate.clone(), Arc::new(move || String::clone(&message.get()))));
    }

    /// One turn; returns how long to wait for the next one.
    fn turn(&mut self) -> anyhow::Result<Duration> {
        let config = self.config.get();
        let progress = self.progress.get();
        if !progress.is_complete {
            self.say(&progress.doing);
            return Ok(LOOK);
        }
        if self.current.is_none() {
            self.worker.begin_preparing()?;
        }
        let from = now_ms() - config.scheduler.fit_window.millis();
        let points = history::read(&self.folder.join("history"), from)?;
        let longest = points.values().map(Vec::len).max().unwrap_or(0);
        if longest < FIRST_POINTS && self.current.is_none() {
            self.say(&format!(
                "values come in: {} so far, the longest has {longest} of the {FIRST_POINTS} points that a first detector needs",
                count(points.len(), "series")
            ));
            return Ok(Duration::from_secs(2));
        }
        let n_points = points.values().map(Vec::len).sum::<usize>();
        if self.current.is_none() && n_points > self.n_seen + self.n_seen / STILL_COMING {
            self.n_seen = n_points;
            self.say("the past comes in; a first detector is made once it is there");
            return Ok(Duration::from_secs(2));
        }
        let series = self.series_of(&points)?;
        if series.is_empty() {
            self.say(&format!("no series has {MIN_POINTS} points yet"));
            return Ok(Duration::from_secs(5));
        }
        self.say("the session takes in what is new; the page comes back by itself");
        let data_end = points.values().filter_map(|points| points.last()).map(|last| last.at).max().unwrap_or(0);
        let (session, folder) = self.session(&config, &series)?;
        if self.current.is_none() {
            self.first_detector(&session, &folder, &series, &points)?;
        } else if let path = folder.file(folder::MODEL)
            && path.exists()
        {
            // One that was learned when the service was stopped.
            self.take_over(&path, &series)?;
        }
        drop(points);
        if !config.learning.enabled {
            self.say("learning is switched off (`[learning] enabled = false`): points are scored, and nobody is asked");
            self.ending.wait(Duration::from_secs(3_600));
            return Ok(LOOK);
        }
        self.ask(&config, session, folder, series, data_end)
    }

    /// The series that are learned from, rising by name. Of more points than there may be, those with an open event come first, then
    /// any, by a hash of their names: the same ones in each turn.
    fn series_of(&self, points: &history::Points) -> anyhow::Result<Vec<Series>> {
        let views = self.worker.series_blocking(Filter { limit: usize::MAX, ..Filter::default() });
        let of_name: HashMap<&str, &SeriesView> = views.iter().map(|view| (&*view.name, view)).collect();
        let mut names: Vec<&String> = points.keys().filter(|name| points[*name].len() >= MIN_POINTS).collect();
        names.sort_by_cached_key(|name| {
            let is_open = of_name.get(name.as_str()).is_some_and(|view| view.event.is_some());
            (!is_open, crc32fast::hash(name.as_bytes()), (*name).clone())
        });
        let mut n_points = 0;
        names.retain(|name| {
            let n = points[*name].len();
            let has_room = n_points + n <= MAX_POINTS;
            n_points += if has_room { n } else { 0 };
            has_room
        });
        names.sort();
        let series = |name: &String| {
            let points = &points[name];
            let times = points.iter().map(|point| point.at * NANOS_PER_MS).collect();
            let values = points.iter().map(|point| point.value).collect();
            let step = of_name.get(name.as_str()).and_then(|view| view.step).map(|step| step * NANOS_PER_MS);
            Ok(Series::new(name, vec!["value".to_owned()], TimeFormat::Rfc3339, times, values, step)?)
        };
        names.into_iter().map(series).collect()
    }

    /// When the session was begun, in milliseconds since 1970; now, where nobody knows.
    fn begun_at(&self) -> anyhow::Result<i64> {
        let path = self.folder.join(BEGUN);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().unwrap_or_else(|_| now_ms())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(now_ms()),
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }

    fn session_folder(&self) -> PathBuf {
        self.folder.join("session")
    }

    /// The session over these series, begun or resumed, and its budget brought up to date.
    fn session(&self, config: &ServeConfig, series: &[Series]) -> anyhow::Result<(Session, Folder)> {
        let path = self.session_folder();
        if !Folder::has_session(&path) {
            let mut of_session =
                Config { questions: config.learning.questions, decision: config.decision.clone(), ..Config::default() };
            of_session.query.per_round = config.learning.after_answers;
            let session = begin(of_session, series, None)?;
            let folder = Folder::begin(&path, session.config(), None)?;
            reach("session-begun");
            rlad::data::write_file(&self.folder.join(BEGUN), now_ms().to_string().as_bytes())?;
            return Ok((session, folder));
        }
        let (folder, of_session) = Folder::open(&path)?;
        let mut session = resume(&folder, &of_session, series, None)?;
        teach_rest(&mut session, &folder)?;
        let days = (now_ms() - self.begun_at()?) / 86_400_000;
        let allowed =
            config.learning.questions + config.learning.questions_per_day * usize::try_from(days).unwrap_or(0);
        if allowed > session.config().questions {
            session.set_questions(allowed);
        }
        Ok((session, folder))
    }

    /// Goes on with the detector that the session's folder has, or with one that knows no answer, in which the series stand where their
    /// history ends.
    fn first_detector(
        &mut self,
        session: &Session,
        folder: &Folder,
        series: &[Series],
        points: &history::Points,
    ) -> anyhow::Result<()> {
        let path = folder.file(folder::MODEL);
        let model = if path.exists() {
            Model::load(&path)?
        } else {
            let mut without_answers = session.clone();
            without_answers.set_questions(0);
            without_answers.finish()?
        };
        let model = Arc::new(model);
        self.models.keep(&model)?;
        reach("first-model-kept");
        self.say(&format!("a first detector is made for {}", count(series.len(), "series")));
        let streams = series.iter().map(|series| prepared(&model, series, &points[series.name()]));
        let streams = streams.collect::<anyhow::Result<_>>()?;
        self.worker.install(Prepared { model: Arc::clone(&model), streams })?;
        let (name, n) = (short(model.hash()), count(series.len(), "series"));
        let known = count(model.n_questions(), "answer");
        tell(&format!("detector {name} scores from here on; it was made from {n}, and knows {known}"));
        self.current = Some(model);
        Ok(())
    }

    /// Lets people answer until the next turn is due.
    fn ask(
        &mut self,
        config: &ServeConfig,
        mut session: Session,
        folder: Folder,
        series: Vec<Series>,
        data_end: i64,
    ) -> anyhow::Result<Duration> {
        if self.desk.last_opened() > 0
            && let Some(current) = &self.current
        {
            let alarms = alarms::of_detector(current, &session, session.config().query.per_round)?;
            let before = session.config().questions;
            if session.ask_about(&alarms)?.is_empty() {
                session.set_questions(before);
            }
        }
        let data = self.folder.join("session-data.parquet");
        let mut data_set = DataSet::default();
        series.iter().for_each(|series| data_set.push(series.clone(), None));
        write_dataset(&data, &data_set)?;
        reach("turn");
        drop(data_set);
        let source = DataSource { paths: vec![std::path::absolute(&data)?], ..DataSource::default() };
        let last_points = series.clone();
        let opening = Opening {
            session,
            folder,
            series,
            source,
            who: user_name(),
            check: None,
            ends: false,
            suggestions: Some(Arc::clone(&self.suggestions)),
        };
        let (server, learner) = opening.open()?;
        self.slot.set(page_router(Arc::clone(&server), self.gate.clone()));
        let learning = run(learner, &server, config.learning.nice)?;
        let begun = Instant::now();
        let model_path = self.session_folder().join(folder::MODEL);
        let mut known = modified(&model_path);
        let mut shown = self.suggestions.open();
        while !self.ending.is_now() && !learning.is_finished() {
            let now = modified(&model_path);
            if now != known {
                known = now;
                self.take_over(&model_path, &last_points)?;
            }
            self.tell_state(&server);
            let open = self.suggestions.open();
            if open != shown {
                shown = open;
                server.suggestions_changed();
            }
            if self.is_due(config, &server, begun, data_end) {
                break;
            }
            self.ending.wait(LOOK);
        }
        self.say("the session takes in what is new; the page comes back by itself");
        server.stop();
        let ended = learning.join().map_err(|_| anyhow::anyhow!("the learner failed; the answers are kept"))?;
        if modified(&model_path) != known {
            self.take_over(&model_path, &last_points)?;
        }
        self.tell_state(&server);
        ended?;
        Ok(Duration::ZERO)
    }

    /// Whether the next turn is due: it is time, or an alarm is newer than the data of this one and nobody answers now.
    fn is_due(&self, config: &ServeConfig, server: &LabellingServer, begun: Instant, data_end: i64) -> bool {
        let passed = begun.elapsed();
        if server.idle() < QUIET || passed < SHORTEST_TURN {
            return false;
        }
        passed.as_millis() >= u128::try_from(config.scheduler.fit_every.millis()).unwrap_or(0)
            || self.desk.last_opened() > data_end
    }

    /// Goes on with the detector that the session has written, if it passes.
    fn take_over(&mut self, path: &Path, series: &[Series]) -> anyhow::Result<()> {
        let model = Arc::new(Model::load(path)?);
        if self.current.as_ref().is_some_and(|current| current.hash() == model.hash()) {
            return Ok(());
        }
        let name = short(model.hash()).to_owned();
        if self.is_pinned {
            tell(&format!("detector {name} was learned and is kept; the one that was named stays in use"));
            return self.models.keep(&model);
        }
        if let Some(why) = objection(&model, self.current.as_deref(), series)? {
            tell(&format!("warning: detector {name} is not used: {why}"));
            self.telemetry.learning_works.set(0);
            return Ok(());
        }
        self.models.keep(&model)?;
        reach("model-kept");
        self.worker.swap(Arc::clone(&model))?;
        tell(&format!("detector {name} scores from here on; it knows {}", count(model.n_questions(), "answer")));
        let before = self.current.replace(Arc::clone(&model));
        let in_use = [model.hash(), before.as_ref().map_or("", |before| before.hash())];
        self.models.prune(self.config.get().state.keep_models, &in_use)
    }

    fn tell_state(&self, server: &LabellingServer) {
        let state = server.state_json();
        let of = |name: &str| state[name].as_i64().unwrap_or(0);
        self.telemetry.questions_open.set(of("round_questions") - of("round_answered"));
        set(&self.telemetry.answers, of("questions").unsigned_abs());
        set(&self.telemetry.learning_rounds, of("round").unsigned_abs());
        self.telemetry.suggestions_open.set(i64::try_from(self.suggestions.open().len()).unwrap_or(i64::MAX));
    }
}

/// Runs a learner in a thread of low priority.
fn run(
    learner: Learner,
    server: &Arc<LabellingServer>,
    nice: u8,
) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<()>>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).start_handler(move |_| step_back(nice)).build();
    let pool = pool.context("cannot start the thread that learns")?;
    let server = Arc::clone(server);
    Ok(std::thread::spawn(move || pool.install(|| learner.run(&server)).map(|_| ())))
}

/// The stream of a series where its history ends, and the time of its last point in milliseconds.
fn prepared(model: &Arc<Model>, series: &Series, points: &[Point]) -> anyhow::Result<(String, Stream, i64)> {
    let mut stream = Stream::new(Arc::clone(model), series.name(), series.clock());
    for point in points {
        stream.push(point.at * NANOS_PER_MS, &[point.value])?;
    }
    Ok((series.name().to_owned(), stream, points.last().map_or(i64::MIN, |last| last.at)))
}

/// When a file was written last.
fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

/// Lets other work of the machine go before that of this thread.
fn step_back(nice: u8) {
    #[cfg(target_os = "linux")]
    {
        // Of Linux a thread has a priority of its own. Where it may not be changed, it learns as others do.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), i32::from(nice));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

//! The service as a whole: what is begun, in which order, and how it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rlad::Model;

use super::alerting::Alerting;
use super::client::Client;
use super::clock::{Ending, now_ms};
use super::config::{Fsync, Protocol, ServeConfig};
use super::engine::{Engine, Limits, Opening};
use super::http::{self, App, Reload};
use super::learning::Learning;
use super::models::{Models, short};
use super::outbox::{self, Outbox};
use super::outlets::{AlertDesk, Outlets};
use super::pull::{self, Progress, Puller};
use super::rules::Rules;
use super::shared::Shared;
use super::suggested::SuggestionStore;
use super::telemetry::Telemetry;
use super::worker::Worker;
use crate::advice::Advice;
use crate::annotate::{Bound, Listening, Options, PageSlot, listen, waiting_router};
use crate::figures::count;
use crate::folder;
use crate::hint::hint;
use crate::output::tell;

/// How long the end waits for scores that are on their way.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How often the outbox is looked at for the metrics.
const LOOK: Duration = Duration::from_secs(1);
/// The kinds of trouble with scores that are told, until all is well again.
const MOST_TOLD: usize = 10;

/// How the service is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The configuration.
    pub(crate) config: ServeConfig,
    /// Its file, which a reload reads anew; none where flags said everything.
    pub(crate) path: Option<PathBuf>,
    /// The detector to go on with: the hash of one that is kept, its beginning, or a file.
    pub(crate) model: Option<String>,
    /// Called with the address of the page once it answers.
    pub(crate) opened: fn(&str),
}

/// Runs the service until the user ends the program.
///
/// # Errors
/// If it cannot be started: its address or its folder is in use, or its state cannot be read.
pub(crate) fn run(start: Start) -> anyhow::Result<()> {
    let Start { config, path, model, opened } = start;
    let state = config.state.dir.clone();
    std::fs::create_dir_all(&state).with_context(|| format!("cannot make `{}`", state.display()))?;
    let _lock = folder::lock_for(&state, "the state", "used")?;
    let secret = config.server.page_secret_file.as_deref().map(secret_of).transpose()?;
    let bound = Bound::open(&Options { bind: config.server.bind, secret })?;
    let gate = known_as(bound.gate()?, &config);
    let listening = listening(&config)?;
    let scheme = if config.server.tls_cert_file.is_some() { "https://" } else { "http://" };
    let url = bound.url().replacen("http://", scheme, 1);
    let telemetry = Telemetry::default();
    telemetry.reload_timestamp.set(now_ms() as f64 / 1_000.0);
    let (models, named) = open_models(&state, model.as_deref())?;
    let models = Arc::new(models);
    let rules = Rules::of_config(&config)?;
    let limits = limits(&config);
    let outbox = open_outbox(&config, &state)?.map(Arc::new);
    let desk = AlertDesk::open(&state.join("alerts.json"))?;
    let suggestions = Arc::new(SuggestionStore::open(&state.join("suggestions.json"))?);
    let shared = Shared::new(config.clone());
    let outlets = Outlets {
        config: shared.clone(),
        outbox: outbox.clone(),
        desk: desk.clone(),
        telemetry: telemetry.clone(),
        has_changed: false,
    };
    let opening = Opening {
        folder: &state,
        window: config.scheduler.fit_window.millis(),
        syncs: config.state.fsync == Fsync::Batch,
        limits,
        rules,
        outputs: Box::new(outlets),
    };
    let mut engine = Engine::open(opening, |hash| models.of(hash))?;
    let is_pinned = named.is_some();
    if let Some(model) = named
        && engine.model().is_none_or(|current| current.hash() != model.hash())
    {
        engine.swap(&model)?;
        tell(&format!("detector {} scores from here on", short(model.hash())));
    }
    let current = engine.model().cloned();
    let n_series = engine.n_series();
    let until = pull::until_of(&config, engine.watched());
    let (worker, thread) = Worker::run(engine, telemetry.clone());

    let ending = Ending::default();
    let has_queries = !config.reader.queries.is_empty();
    let progress =
        if has_queries { pull::begun() } else { Shared::new(Progress { is_complete: true, doing: String::new() }) };
    let message = Shared::new("the service begins".to_owned());
    let first_message = message.clone();
    let waiting = waiting_router(gate.clone(), Arc::new(move || String::clone(&first_message.get())));
    let slot = PageSlot::new(waiting);
    let puller = Puller {
        config: shared.clone(),
        worker: worker.clone(),
        telemetry: telemetry.clone(),
        progress: progress.clone(),
        ending: ending.clone(),
        until,
    };
    let alerting = Alerting {
        config: shared.clone(),
        desk: desk.clone(),
        suggestions: Arc::clone(&suggestions),
        worker: worker.clone(),
        ending: ending.clone(),
    };
    let learning = Learning {
        config: shared.clone(),
        folder: state,
        worker: worker.clone(),
        models,
        telemetry: telemetry.clone(),
        progress: progress.clone(),
        desk,
        suggestions: Arc::clone(&suggestions) as _,
        slot: slot.clone(),
        gate,
        message,
        ending: ending.clone(),
        current,
        is_pinned,
        n_seen: 0,
    };
    let threads = vec![
        std::thread::spawn(move || puller.run()),
        std::thread::spawn(move || alerting.run()),
        std::thread::spawn(move || learning.run()),
        std::thread::spawn({
            let (outbox, telemetry, ending) = (outbox.clone(), telemetry.clone(), ending.clone());
            move || watch_outbox(outbox.as_deref(), &telemetry, &ending)
        }),
    ];
    let reload = reload(path, shared.clone(), worker.clone(), telemetry.clone());
    on_hangup(reload.clone());
    let app = App {
        config: shared,
        worker: worker.clone(),
        telemetry,
        progress,
        suggestions,
        reload,
        decoding: http::decoding(),
        is_ready: Arc::new(AtomicBool::new(true)),
    };
    let is_ready = Arc::clone(&app.is_ready);
    let (end, ended) = tokio::sync::oneshot::channel();
    let begun = || {
        tell_start(&config, n_series, &url);
        opened(&url);
    };
    let listened = listen(bound, http::router(app, &slot), listening, ended, begun);
    drop(end);
    tell("ending: what was taken in is written");
    is_ready.store(false, Ordering::Release);
    ending.end();
    for thread in threads {
        let _ = thread.join();
    }
    worker.end();
    let _ = thread.join();
    if let Some(outbox) = outbox.and_then(|outbox| Arc::try_unwrap(outbox).ok()) {
        outbox.close(LAST_WAIT)?;
    }
    listened
}

/// Refuses a configuration that could not be used: a rule, a client, a file with a secret or a certificate.
///
/// # Errors
/// The first thing that is wrong, with its key.
pub(crate) fn check(config: &ServeConfig) -> anyhow::Result<()> {
    Rules::of_config(config)?;
    Client::new(&config.reader.options()).context("cannot use `[reader]`")?;
    Client::new(&config.writer.options()).context("cannot use `[writer]`")?;
    Client::new(&config.alertmanager.options()).context("cannot use `[alertmanager]`")?;
    let secrets = [
        ("server.page_secret_file", &config.server.page_secret_file),
        ("server.ingest_token_file", &config.server.ingest_token_file),
        ("server.read_token_file", &config.server.read_token_file),
        ("alertmanager.webhook_token_file", &config.alertmanager.webhook_token_file),
    ];
    for (key, file) in secrets {
        file.as_deref().map(secret_of).transpose().with_context(|| format!("cannot use `{key}`"))?;
    }
    listening(config).map(|_| ())
}

fn limits(config: &ServeConfig) -> Limits {
    Limits {
        series: config.limits.max_series,
        new_a_minute: config.limits.max_new_series_per_minute,
        kept: config.learning.max_series,
        idle: config.limits.idle_series.millis(),
        snapshot_every: Duration::from_millis(config.state.snapshot_every.millis().unsigned_abs()),
    }
}

fn listening(config: &ServeConfig) -> anyhow::Result<Listening> {
    let server = &config.server;
    let tls = match (&server.tls_cert_file, &server.tls_key_file) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        _ => None,
    };
    let head_timeout = Duration::from_millis(server.header_timeout.millis().unsigned_abs());
    Listening::new(server.max_connections, head_timeout, tls)
}

/// The gate of the page, which people may know by another address.
fn known_as(gate: crate::annotate::Gate, config: &ServeConfig) -> crate::annotate::Gate {
    let external = config.server.external_url.as_deref().and_then(|url| url.split_once("://"));
    let host = external.map(|(_, rest)| rest.split('/').next().unwrap_or_default().to_owned());
    host.map_or(gate.clone(), |host| gate.known_as(&host))
}

fn secret_of(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let secret = text.trim().to_owned();
    if secret.is_empty() {
        return Err(Advice::error(
            format!("`{}` is empty", path.display()),
            format!("put a secret into it, as by `head -c 16 /dev/urandom | xxd -p > {}`", path.display()),
        ));
    }
    Ok(secret)
}

/// The detectors of the state, and the one that the command line names.
fn open_models(state: &Path, named: Option<&str>) -> anyhow::Result<(Models, Option<Arc<Model>>)> {
    let models = Models::open(&state.join("models"))?;
    let Some(named) = named else { return Ok((models, None)) };
    let path = Path::new(named);
    let model = if path.exists() {
        let file = if path.is_dir() { path.join(folder::MODEL) } else { path.to_owned() };
        Arc::new(Model::load(file)?)
    } else {
        models.of(named)?
    };
    models.keep(&model)?;
    Ok((models, Some(model)))
}

fn open_outbox(config: &ServeConfig, state: &Path) -> anyhow::Result<Option<Outbox>> {
    let writer = &config.writer;
    let (protocol, url) = match writer.protocol {
        Protocol::Auto => (outbox::Protocol::Auto, writer.write_url()),
        Protocol::V1 => (outbox::Protocol::V1, writer.write_url()),
        Protocol::V2 => (outbox::Protocol::V2, writer.write_url()),
        Protocol::VmImport => (outbox::Protocol::VmImport, writer.import_url()),
    };
    let Some(url) = url else { return Ok(None) };
    let options = outbox::Options {
        url,
        protocol,
        batch: writer.batch,
        flush_every: Duration::from_millis(writer.flush_every.millis().unsigned_abs()),
        max_bytes: writer.spool_max.bytes(),
        ..outbox::Options::default()
    };
    Ok(Some(Outbox::open(&state.join("spool"), options, Client::new(&writer.options())?)?))
}

/// Tells the metrics what the outbox has done.
fn watch_outbox(outbox: Option<&Outbox>, telemetry: &Telemetry, ending: &Ending) {
    let Some(outbox) = outbox else { return };
    // Trouble of several kinds comes in turn: each is told once until all is well.
    let mut told: Vec<String> = Vec::new();
    while !ending.wait(LOOK) {
        let counts = outbox.counts();
        telemetry.tell_outbox(&counts);
        match counts.last_error {
            Some(error) if told.len() < MOST_TOLD && !told.contains(&error) => {
                tell(&format!("warning: scores wait on disk: {error}"));
                told.push(error);
            }
            None if !told.is_empty() => {
                tell("the database takes scores again");
                told.clear();
            }
            _ => {}
        }
    }
}

fn tell_start(config: &ServeConfig, n_series: usize, url: &str) {
    match &config.server.page_secret_file {
        None => tell(&format!("rlad serve listens at {url}")),
        // What was told may be kept in logs.
        Some(file) => {
            tell(&format!("rlad serve listens at {}", url.split('?').next().unwrap_or_default()));
            tell(&format!("the page is opened with `?secret=` and what stands in `{}`", file.display()));
        }
    }
    if n_series > 0 {
        tell(&format!("{} go on from the state in `{}`", count(n_series, "series"), config.state.dir.display()));
    }
    if config.writer.url.is_some() {
        tell(
            "each watched series has one more in the database, its score; `[writer] scores = \"anomalous\"` writes few",
        );
    }
}

/// Reads the configuration anew, and puts it in the place of the one in use.
fn reload(path: Option<PathBuf>, shared: Shared<ServeConfig>, worker: Worker, telemetry: Telemetry) -> Reload {
    Reload(Arc::new(move || {
        let Some(path) = &path else { return Ok(vec!["there is no file: flags said everything".to_owned()]) };
        let apply = || {
            let new = ServeConfig::read(path)?;
            check(&new)?;
            worker.set_rules(Rules::of_config(&new)?, limits(&new))?;
            let notes = shared.get().changes_needing_restart(&new);
            shared.set(new);
            anyhow::Ok(notes)
        };
        match apply() {
            Ok(notes) => {
                telemetry.reload_works.set(1);
                telemetry.reload_timestamp.set(now_ms() as f64 / 1_000.0);
                tell(&format!("`{}` was read anew", path.display()));
                Ok(notes.into_iter().map(|key| format!("`{key}` takes effect at the next start")).collect())
            }
            Err(error) => {
                telemetry.reload_works.set(0);
                let told = format!("`{}` is not used, the one before stays: {error:#}", path.display());
                tell(&format!("warning: {told}"));
                Err(hint(&error, false).map_or(told.clone(), |hint| format!("{told}\nhint: {hint}")))
            }
        }
    }))
}

/// Reads the configuration anew at SIGHUP.
fn on_hangup(reload: Reload) {
    #[cfg(unix)]
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let kind = tokio::signal::unix::SignalKind::hangup();
            let Ok(mut hangup) = tokio::signal::unix::signal(kind) else { return };
            while hangup.recv().await.is_some() {
                let reload = reload.clone();
                let _ = tokio::task::spawn_blocking(move || (reload.0)()).await;
            }
        });
    });
    #[cfg(not(unix))]
    drop(reload);
}

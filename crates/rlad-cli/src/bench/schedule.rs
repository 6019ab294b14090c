//! Which runs are to be made, and their making: each a program of its own, several at once if wanted.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rlad::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::run::{OUTCOME, Outcome, Scored, Task, write_outcome};
use super::suite::{Suite, What, slug};
use crate::progress::Progress;

/// The file in which a run's task stands.
const TASK: &str = "task.json";
/// The file that a run's stderr goes to.
const LOG: &str = "log.txt";
/// The file in which a script says what it did.
const PEER: &str = "peer.json";

/// One run of a suite: what is to be done, and the position of its detector in the suite.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The index of its entry.
    pub(crate) entry: usize,
    /// What it is to do.
    pub(crate) task: Task,
}

/// What a suite's data are on disk.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The data in the program's own form.
    pub(crate) data: PathBuf,
    /// Their views, where a script wants them.
    pub(crate) views: Option<PathBuf>,
    /// The SHA-256 of the data's file.
    pub(crate) data_hash: String,
    /// The program that runs scripts.
    pub(crate) python: PathBuf,
}

/// The runs of a suite, those of the entries that `is_wanted` names.
pub(crate) fn plan(suite: &Suite, data: &Path, out: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<Planned> {
    let mut planned = Vec::new();
    for (at, entry) in suite.run.iter().enumerate().filter(|(_, entry)| is_wanted(&entry.name)) {
        for &seed in suite.seeds_of(entry) {
            let task = Task {
                entry: entry.clone(),
                seed,
                budgets: suite.budgets_of(entry),
                data: data.to_owned(),
                train: suite.train,
                test: suite.test,
                validation: suite.validation,
                out: out.join("runs").join(format!("{}-seed-{seed}", slug(&entry.name))),
            };
            planned.push(Planned { entry: at, task });
        }
    }
    planned
}

/// The outcome of a run that was made with this task on these data, if there is one.
pub(crate) fn outcome(task: &Task, prepared: &Prepared) -> anyhow::Result<Option<Outcome>> {
    let made = match fs::read_to_string(task.out.join(TASK)) {
        Ok(text) => text == stamp(task, prepared)?,
        Err(_) => false,
    };
    let path = task.out.join(OUTCOME);
    match fs::read_to_string(&path) {
        Ok(text) if made => Ok(serde_json::from_str(&text).ok()),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }.into()),
    }
}

/// What a run's results depend on: its task and the data. Where it lies does not count.
fn stamp(task: &Task, prepared: &Prepared) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Stamp<'a> {
        data_sha256: &'a str,
        task: Task,
    }
    let entry = super::suite::Entry { paper_f1: None, seeds: None, budgets: None, ..task.entry.clone() };
    let task = Task { entry, data: PathBuf::new(), out: PathBuf::new(), ..task.clone() };
    Ok(serde_json::to_string_pretty(&Stamp { data_sha256: &prepared.data_hash, task })?)
}

/// Makes runs, `n_at_once` at a time, each with `n_threads` threads. A run that fails leaves an outcome that says so.
pub(crate) fn make(
    planned: &[&Planned],
    prepared: &Prepared,
    timeout: Duration,
    n_at_once: usize,
    n_threads: usize,
) -> anyhow::Result<()> {
    let queue: Mutex<VecDeque<&Planned>> = Mutex::new(planned.iter().copied().collect());
    let bar = Mutex::new((Progress::new("running", planned.len() as u64), 0));
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                let next = queue.lock().expect("no thread panicked with the queue").pop_front();
                let Some(planned) = next else { return Ok(()) };
                make_one(&planned.task, prepared, timeout, n_threads)?;
                let mut bar = bar.lock().expect("no thread panicked with the bar");
                bar.1 += 1;
                let n_done = bar.1;
                bar.0.set(n_done);
                bar.0.set_message(planned.task.entry.name.clone());
            }
        };
        let workers: Vec<_> = (0..n_at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

fn make_one(task: &Task, prepared: &Prepared, timeout: Duration, n_threads: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    let _ = fs::remove_file(task.out.join(OUTCOME));
    let create = |path: &Path| File::create(path).map_err(|source| Error::Write { path: path.to_owned(), source });
    fs::create_dir_all(&task.out).map_err(|source| Error::Write { path: task.out.clone(), source })?;
    rlad::write_file(&task.out.join(TASK), stamp(task, prepared)?.as_bytes())?;
    let log = task.out.join(LOG);
    let what = task.entry.what()?;
    let mut command = match what {
        What::Agent(_) | What::Method(_) => {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("bench-run").arg(serde_json::to_string(task)?);
            command
        }
        What::Peer(peer) => script(task, peer, prepared),
    };
    let stderr = create(&log)?;
    let stdout = stderr.try_clone()?;
    let spawned = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .env("OMP_NUM_THREADS", n_threads.to_string())
        .env("RAYON_NUM_THREADS", n_threads.to_string())
        .spawn();
    let error = match spawned {
        Ok(child) => wait(child, timeout)?,
        Err(error) => Some(format!("cannot start `{}`: {error}", command.get_program().display())),
    };
    let error = error.map(|error| match last_line(&log) {
        Some(line) => format!("{error}: {line}"),
        None => error,
    });
    let outcome = match (error, what) {
        (None, What::Peer(_)) => peer_outcome(&task.out).unwrap_or_else(|error| failed(format!("{error:#}"), begun)),
        (None, _) if task.out.join(OUTCOME).exists() => return Ok(()),
        (None, _) => failed("the run left no outcome".to_owned(), begun),
        (Some(error), _) => failed(error, begun),
    };
    write_outcome(&task.out, &Outcome { seconds: begun.elapsed().as_secs_f64(), ..outcome })
}

fn failed(error: String, begun: Instant) -> Outcome {
    Outcome {
        results: Vec::new(),
        error: Some(error),
        peak_memory: None,
        seconds: begun.elapsed().as_secs_f64(),
        made_by: String::new(),
    }
}

/// The call of a script, as `bench/peers/README.md` has it.
fn script(task: &Task, peer: &super::suite::Peer, prepared: &Prepared) -> Command {
    let mut command = Command::new(&prepared.python);
    command.arg(Path::new("bench/peers").join(&peer.script));
    command.arg("--data").arg(&prepared.data);
    if let Some(views) = prepared.views.as_ref().filter(|_| peer.views) {
        command.arg("--views").arg(views);
    }
    command
        .args(["--train", &task.train.to_string(), "--test", &task.test.to_string(), "--seed", &task.seed.to_string()])
        .arg("--out")
        .arg(&task.out);
    if !task.budgets.is_empty() {
        let budgets: Vec<String> = task.budgets.iter().map(usize::to_string).collect();
        command.arg("--budgets").arg(budgets.join(","));
    }
    command.args(&peer.flags);
    command
}

/// Waits for a run to end; what went wrong, if something did. A run that takes too long is ended.
fn wait(mut child: Child, timeout: Duration) -> anyhow::Result<Option<String>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((!status.success()).then(|| format!("ended with {status}")));
        }
        if begun.elapsed() > timeout {
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!("took longer than {} minutes", timeout.as_secs() / 60)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn last_line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// What a script says that it did.
#[derive(Debug, Deserialize)]
struct PeerReport {
    versions: Value,
    runs: Vec<PeerRun>,
    peak_memory_bytes: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct PeerRun {
    budget: Option<usize>,
    scores: String,
    questions: usize,
    labelled_points: usize,
    fit_seconds: f64,
    score_seconds: f64,
    threshold_rule: String,
}

fn peer_outcome(folder: &Path) -> anyhow::Result<Outcome> {
    let path = folder.join(PEER);
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let report: PeerReport = serde_json::from_str(&text).map_err(|source| Error::Format {
        path,
        expected: "what a script of bench/peers says that it did".to_owned(),
        source: Some(source.into()),
    })?;
    let results = report.runs.into_iter().map(|run| Scored {
        budget: run.budget,
        scores: run.scores,
        questions: run.questions,
        labelled_points: run.labelled_points,
        threshold_rule: run.threshold_rule,
        validation: None,
        fit_seconds: run.fit_seconds,
        score_seconds: run.score_seconds,
    });
    Ok(Outcome {
        results: results.collect(),
        error: None,
        peak_memory: report.peak_memory_bytes,
        seconds: 0.0,
        made_by: report.versions.to_string(),
    })
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn file_hash(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

//! The runs that are still to be made, and their making: each a program of its own, several at once if wanted.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rlad::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::problem::last_words;
use super::process::{self, Ended, this_program};
use super::run::{Machine, OUTCOME, Outcome, RunScores, Task, write_outcome};
use super::suite::{DetectorKind, PeerEntry, RunEntry, Suite, slug};
use crate::progress::Progress;

/// The file in which a run's task stands.
const TASK: &str = "task.json";
/// The file that a run's stderr goes to.
const LOG: &str = "log.txt";
/// The file of a script's own report.
const PEER: &str = "peer.json";

/// One run of a suite: what is to be done, and the position of its detector in the suite.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRun {
    /// The index of its entry.
    pub(crate) entry: usize,
    /// The task.
    pub(crate) task: Task,
}

/// A suite's data on disk.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The data in the program's own form.
    pub(crate) data: PathBuf,
    /// Their features, where a script wants them.
    pub(crate) features: Option<PathBuf>,
    /// The SHA-256 of the data's file.
    pub(crate) data_hash: String,
    /// The program that runs scripts.
    pub(crate) python: PathBuf,
}

/// The runs of a suite.
pub(crate) fn plan(suite: &Suite, data: &Path, out: &Path) -> Vec<PlannedRun> {
    let mut planned = Vec::new();
    for (at, entry) in suite.run.iter().enumerate() {
        for &seed in suite.seeds_of(entry) {
            let task = Task {
                entry: entry.clone(),
                seed,
                budgets: suite.budgets_of(entry),
                data: data.to_owned(),
                train: suite.train,
                test: suite.test,
                validation: suite.validation.filter(|_| entry.method.is_some()),
                out: out.join("runs").join(format!("{}-seed-{seed}", slug(&entry.name))),
            };
            planned.push(PlannedRun { entry: at, task });
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

/// The parts of a task and its data that a run's results depend on. Where it lies does not count.
fn stamp(task: &Task, prepared: &Prepared) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Stamp<'a> {
        data_sha256: &'a str,
        task: Task,
    }
    let entry = RunEntry { paper_f1: None, seeds: None, budgets: None, ..task.entry.clone() };
    let task = Task { entry, data: PathBuf::new(), out: PathBuf::new(), ..task.clone() };
    Ok(serde_json::to_string_pretty(&Stamp { data_sha256: &prepared.data_hash, task })?)
}

/// Makes runs, several at a time, which share the cores. A run that fails leaves an outcome that says so.
pub(crate) fn make(
    planned: &[&PlannedRun],
    prepared: &Prepared,
    timeout: Duration,
    machine: Machine,
) -> anyhow::Result<()> {
    let queue: Mutex<VecDeque<&PlannedRun>> = Mutex::new(planned.iter().copied().collect());
    let bar = Mutex::new((Progress::new("running", planned.len() as u64), 0));
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                let next = queue.lock().expect("no thread panicked with the queue").pop_front();
                let Some(planned) = next else { return Ok(()) };
                make_one(&planned.task, prepared, timeout, machine)?;
                let mut bar = bar.lock().expect("no thread panicked with the bar");
                bar.1 += 1;
                let n_done = bar.1;
                bar.0.set(n_done);
                bar.0.set_message(planned.task.entry.name.clone());
            }
        };
        let workers: Vec<_> = (0..machine.n_at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

fn make_one(task: &Task, prepared: &Prepared, timeout: Duration, machine: Machine) -> anyhow::Result<()> {
    let begun = Instant::now();
    begin(task, prepared)?;
    let detector = task.entry.detector()?;
    let ended = match detector {
        DetectorKind::Agent(_) | DetectorKind::Method(_) => call(&mut own(task)?, task, timeout, machine)?,
        DetectorKind::Peer(peer) => match script(task, peer, prepared) {
            Ok(mut command) => call(&mut command, task, timeout, machine)?,
            Err(error) => Err(error),
        },
    };
    let made = ended.and_then(|()| match detector {
        DetectorKind::Agent(_) | DetectorKind::Method(_) => own_outcome(&task.out),
        DetectorKind::Peer(_) => {
            let made = peer_outcome(&task.out).map_err(|error| format!("{error:#}"))?;
            Ok(Outcome { seconds: begun.elapsed().as_secs_f64(), ..made })
        }
    });
    let outcome = made.unwrap_or_else(|error| failed(error, begun));
    write_outcome(&task.out, &Outcome { machine: Some(machine), ..outcome })
}

/// Clears a run's folder of an earlier run's files, and writes the task.
fn begin(task: &Task, prepared: &Prepared) -> anyhow::Result<()> {
    for old in [OUTCOME, PEER] {
        let path = task.out.join(old);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Write { path, source }.into());
            }
            _ => {}
        }
    }
    fs::create_dir_all(&task.out).map_err(|source| Error::Write { path: task.out.clone(), source })?;
    Ok(rlad::data::write_file(&task.out.join(TASK), stamp(task, prepared)?.as_bytes())?)
}

/// Calls a program, whose output goes to the run's log; the problem, if there was one.
fn call(command: &mut Command, task: &Task, timeout: Duration, machine: Machine) -> anyhow::Result<Result<(), String>> {
    let log = task.out.join(LOG);
    let create = || -> std::io::Result<(File, File)> {
        let stderr = File::create(&log)?;
        Ok((stderr.try_clone()?, stderr))
    };
    let (stdout, stderr) = create().map_err(|source| Error::Write { path: log.clone(), source })?;
    let n_threads = (machine.n_cores / machine.n_at_once).max(1).to_string();
    command.stdout(stdout).stderr(stderr).env("OMP_NUM_THREADS", &n_threads).env("RAYON_NUM_THREADS", &n_threads);
    Ok(match process::run(command, timeout) {
        Ok(Ended::Itself(status)) if status.success() => Ok(()),
        Ok(Ended::Itself(status)) => Err(match last_words(&log) {
            Some(words) => format!("ended with {status}: {words}"),
            None => format!("ended with {status}"),
        }),
        Ok(Ended::TooLong) => Err(format!("took longer than the suite's {} min", timeout.as_secs() / 60)),
        Err(error) => Err(format!("cannot start `{}`: {error}", command.get_program().display())),
    })
}

/// The call of this program for one of its own detectors.
fn own(task: &Task) -> anyhow::Result<Command> {
    let mut command = Command::new(this_program()?);
    command.arg("bench-run").arg(serde_json::to_string(task)?);
    Ok(command)
}

fn own_outcome(folder: &Path) -> Result<Outcome, String> {
    let text = fs::read_to_string(folder.join(OUTCOME)).map_err(|_| "the run left no outcome".to_owned())?;
    serde_json::from_str(&text).map_err(|error| format!("the run's outcome is broken: {error}"))
}

fn failed(error: String, begun: Instant) -> Outcome {
    Outcome {
        results: Vec::new(),
        is_partial: false,
        error: Some(error),
        peak_memory: None,
        seconds: begun.elapsed().as_secs_f64(),
        made_by: String::new(),
        machine: None,
    }
}

/// The call of a script, as `bench/peers/README.md` has it.
fn script(task: &Task, peer: &PeerEntry, prepared: &Prepared) -> Result<Command, String> {
    let path = Path::new("bench/peers").join(&peer.script);
    if !path.is_file() {
        return Err(format!("there is no `{}`: scripts are found from the folder of the project", path.display()));
    }
    let mut command = Command::new(&prepared.python);
    command.arg(path);
    command.arg("--data").arg(&prepared.data);
    if let Some(features) = prepared.features.as_ref().filter(|_| peer.features) {
        command.arg("--features").arg(features);
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
    Ok(command)
}

/// A script's own report.
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
    let results = report.runs.into_iter().map(|run| RunScores {
        budget: run.budget,
        scores: run.scores,
        questions: run.questions,
        labelled_points: run.labelled_points,
        threshold_rule: run.threshold_rule,
        validation: None,
        fit_seconds: run.fit_seconds,
        score_seconds: run.score_seconds,
        expected: None,
    });
    Ok(Outcome {
        results: results.collect(),
        is_partial: false,
        error: None,
        peak_memory: report.peak_memory_bytes,
        seconds: 0.0,
        made_by: report.versions.to_string(),
        machine: None,
    })
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn file_hash(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

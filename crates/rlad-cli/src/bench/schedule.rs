//! The runs that are still to be made, and their making: each a program of its own, several at once if wanted.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rlad::Error;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::last_words;
use super::process::{self, Ended, this_program};
use super::run::{Machine, OUTCOME, Outcome, Task, write_outcome};
use super::script::{PEER, Part, ScriptData, command, together};
use super::suite::{DetectorKind, PeerEntry, RunEntry, Suite, slug};
use crate::progress::Progress;

/// The file in which a run's task stands.
const TASK: &str = "task.json";
/// The file that a run's stderr goes to.
const LOG: &str = "log.txt";

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
    /// The data as a script takes them: all series, or one after the other where each is run alone; none without a script.
    pub(crate) of_scripts: Vec<ScriptData>,
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
                questions: suite.questions,
                data: data.to_owned(),
                train: suite.train,
                test: suite.test,
                validation: suite.validation.filter(|_| entry.method.is_some()),
                each_series_alone: suite.each_series_alone,
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
    let entry = RunEntry { paper_f1: None, seeds: None, budgets: None, weekly: None, ..task.entry.clone() };
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
                bar.0.set_message(&planned.task.entry.name);
            }
        };
        let workers: Vec<_> = (0..machine.n_at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })
}

fn make_one(task: &Task, prepared: &Prepared, timeout: Duration, machine: Machine) -> anyhow::Result<()> {
    let begun = Instant::now();
    begin(task, prepared)?;
    let made = match task.entry.detector()? {
        DetectorKind::Agent(_) | DetectorKind::Method(_) => {
            call(&mut own(task)?, &task.out, timeout, machine)?.and_then(|()| own_outcome(&task.out))
        }
        DetectorKind::Peer(peer) => {
            let made = scripts(task, peer, prepared, timeout, machine)?;
            made.map(|made| Outcome { seconds: begun.elapsed().as_secs_f64(), ..made })
        }
    };
    let outcome = made.unwrap_or_else(|error| failed(error, begun));
    write_outcome(&task.out, &Outcome { machine: Some(machine), ..outcome })
}

/// Calls a script, with each series by itself where the suite has it so, within the time for all of them.
fn scripts(
    task: &Task,
    peer: &PeerEntry,
    prepared: &Prepared,
    timeout: Duration,
    machine: Machine,
) -> anyhow::Result<Result<Outcome, String>> {
    let begun = Instant::now();
    let mut parts = Vec::new();
    for (i, data) in prepared.of_scripts.iter().enumerate() {
        let out = if task.each_series_alone { task.out.join("series").join(i.to_string()) } else { task.out.clone() };
        let part = Part { series: data.series.as_deref(), out };
        clear(&part.out, &[PEER])?;
        let left = timeout.saturating_sub(begun.elapsed());
        let ended = match command(task, peer, data, &prepared.python, &part.out) {
            Ok(mut command) => call(&mut command, &part.out, left, machine)?,
            Err(error) => return Ok(Err(error)),
        };
        if let Err(error) = ended {
            let is_late = begun.elapsed() >= timeout;
            let error = if is_late { too_long(timeout) } else { error };
            return Ok(Err(part.told(&error)));
        }
        parts.push(part);
    }
    Ok(together(task, &parts).map_err(|error| format!("{error:#}")))
}

/// Clears a run's folder of an earlier run's files, and writes the task.
fn begin(task: &Task, prepared: &Prepared) -> anyhow::Result<()> {
    clear(&task.out, &[OUTCOME, PEER])?;
    Ok(rlad::data::write_file(&task.out.join(TASK), stamp(task, prepared)?.as_bytes())?)
}

/// Makes a folder that has none of some files.
fn clear(folder: &Path, files: &[&str]) -> anyhow::Result<()> {
    for old in files {
        let path = folder.join(old);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Write { path, source }.into());
            }
            _ => {}
        }
    }
    Ok(fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })?)
}

/// Calls a program, whose output goes to a log in a folder; the problem, if there was one.
fn call(command: &mut Command, out: &Path, timeout: Duration, machine: Machine) -> anyhow::Result<Result<(), String>> {
    let log = out.join(LOG);
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
        Ok(Ended::TooLong) => Err(too_long(timeout)),
        Err(error) => Err(format!("cannot start `{}`: {error}", command.get_program().display())),
    })
}

fn too_long(timeout: Duration) -> String {
    format!("took longer than the suite's {} min", timeout.as_secs() / 60)
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

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn file_hash(path: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

//! `rlad bench`: runs a suite and writes its tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rlad::{Config, DataSet, Error};

use crate::Advice;
use crate::args::{BenchArgs, BenchRunArgs, DataArgs};
use crate::bench::row::{Row, rows};
use crate::bench::run::{Outcome, Task, has_anomalies, run as run_task};
use crate::bench::schedule::{Planned, Prepared, file_hash, make, outcome, plan};
use crate::bench::suite::{Entry, Suite, What};
use crate::bench::{page, table};
use crate::commands::demo::unpack;
use crate::commands::evaluate::usual_delay;
use crate::commands::{print, read, tell};
use crate::progress::Progress;

/// The path in a suite that stands for the data in the program.
const SHIPPED: &str = "shipped";

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    let suite = Suite::open(&args.suite)?;
    if let Some(name) = args.only.iter().find(|name| !suite.run.iter().any(|entry| is_named(entry, name))) {
        let known: Vec<&str> = suite.run.iter().map(|entry| entry.name.as_str()).collect();
        return Err(Advice::error(
            format!("the suite `{}` has no detector `{name}`", suite.name),
            format!("name one of: {}", known.join("; ")),
        ));
    }
    let data = open_data(&suite, args)?;
    fs::create_dir_all(&args.out).map_err(|source| Error::Write { path: args.out.clone(), source })?;
    let prepared = prepare(&suite, &data, args)?;
    let planned = plan(&suite, &prepared.data, &args.out, |_| true);
    let wanted = |planned: &&Planned| {
        args.only.is_empty() || args.only.iter().any(|name| is_named(&suite.run[planned.entry], name))
    };
    let mut missing = Vec::new();
    for planned in planned.iter().filter(wanted) {
        let failed = |outcome: &Outcome| outcome.error.is_some();
        if outcome(&planned.task, &prepared)?.is_none_or(|outcome| args.retry && failed(&outcome)) {
            missing.push(planned);
        }
    }
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let n_threads = (n_cores / args.jobs.get()).max(1);
    let timeout = Duration::from_secs(60 * suite.timeout_minutes);
    make(&missing, &prepared, timeout, args.jobs.get(), n_threads)?;

    let found = measure(&suite, &planned, &prepared, &data)?;
    write_results(&suite, args, &data, &found)?;
    let n_failed = found.iter().filter(|row| row.error.is_some()).count();
    let n_open = planned.iter().filter(|planned| matches!(outcome(&planned.task, &prepared), Ok(None))).count();
    print(&format!(
        "{} runs made, {} in all, {n_failed} failed, {n_open} still to be made: {}",
        missing.len(),
        planned.len(),
        args.out.join("results.md").display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes one run.
pub(crate) fn run_one(args: &BenchRunArgs) -> anyhow::Result<ExitCode> {
    let task: Task = serde_json::from_str(&args.task).map_err(|error| {
        Advice::error(
            format!("this is not a run's task: {error}"),
            "call `rlad bench`, which makes the runs".to_owned(),
        )
    })?;
    run_task(&task)?;
    Ok(ExitCode::SUCCESS)
}

fn is_named(entry: &Entry, name: &str) -> bool {
    entry.name.eq_ignore_ascii_case(name)
}

/// The data of a suite, where they are.
fn open_data(suite: &Suite, args: &BenchArgs) -> anyhow::Result<DataSet> {
    let paths: &[PathBuf] = if args.data.is_empty() { &suite.data.paths } else { &args.data };
    let data = match paths {
        [path] if path == Path::new(SHIPPED) => unpack(tempfile::tempdir()?.path())?,
        paths => {
            if let Some(path) = paths.iter().find(|path| !path.exists()) {
                return Err(Advice::error(
                    format!("the data of the suite `{}` are not at `{}`", suite.name, path.display()),
                    format!("name your copy with `--data`; {}", suite.data.hint),
                ));
            }
            match suite.data.source.as_deref().map(str::parse).transpose()? {
                Some(source) => {
                    let mut data = DataSet::default();
                    for path in paths {
                        let part = rlad::import(source, path)?;
                        data.members.extend(part.members);
                        data.notes.extend(part.notes);
                    }
                    tell(&data.notes);
                    data
                }
                None => read(paths, &DataArgs::default())?,
            }
        }
    };
    if !has_anomalies(&data) {
        return Err(Advice::error(
            format!("the data of the suite `{}` have no label that says anomaly", suite.name),
            "a suite needs labelled data to judge on".to_owned(),
        ));
    }
    Ok(data)
}

/// Writes the data, and their views where a script wants them, unless they are there.
fn prepare(suite: &Suite, data: &DataSet, args: &BenchArgs) -> anyhow::Result<Prepared> {
    let out = &args.out;
    let fresh = out.join(".data.parquet");
    rlad::write_dataset(&fresh, data)?;
    let data_hash = file_hash(&fresh)?;
    let path = out.join("data.parquet");
    let is_same = path.exists() && file_hash(&path)? == data_hash;
    fs::rename(&fresh, &path).map_err(|source| Error::Write { path: path.clone(), source })?;
    let views = out.join("views.parquet");
    let wants_views = suite.run.iter().any(|entry| matches!(entry.what(), Ok(What::Peer(peer)) if peer.views));
    if wants_views && !(is_same && views.exists()) {
        let n_points = data.members.iter().map(|member| member.series.len() as u64).sum();
        let mut bar = Progress::new("views", n_points);
        rlad::write_views(&views, data, &Config::default().state.views, suite.train, |n| bar.set(n as u64))?;
    }
    // Scripts run in the project's folder, runs in this one: paths that hold in both.
    let whole = |path: &Path| fs::canonicalize(path).map_err(|source| Error::Read { path: path.to_owned(), source });
    let views = if wants_views { Some(whole(&views)?) } else { None };
    Ok(Prepared { data: whole(&path)?, views, data_hash, python: args.python.clone() })
}

/// The rows of all runs that were made.
fn measure(suite: &Suite, planned: &[Planned], prepared: &Prepared, data: &DataSet) -> anyhow::Result<Vec<Row>> {
    let delay = suite.delay.unwrap_or_else(|| usual_delay(data.members.iter().map(|member| &member.series)));
    let mut bar = Progress::new("measuring", planned.len() as u64);
    let mut found = Vec::new();
    for (i, planned) in planned.iter().enumerate() {
        if let Some(outcome) = outcome(&planned.task, prepared)? {
            found.extend(rows(suite, planned, &outcome, data, delay)?);
        }
        bar.set(i as u64 + 1);
    }
    Ok(found)
}

/// Writes the tables and the page.
fn write_results(suite: &Suite, args: &BenchArgs, data: &DataSet, found: &[Row]) -> anyhow::Result<()> {
    let head = head(suite, data, found);
    let command = format!("rlad bench {} --out DIR", args.suite);
    let file = |name: &str, bytes: &[u8]| rlad::write_file(&args.out.join(name), bytes);
    file("results.csv", &table::csv(found)?)?;
    file("results.md", table::markdown(suite, found, &head, &command).as_bytes())?;
    file("results.html", page::html(suite, found, &head, &command).as_bytes())?;
    Ok(())
}

/// What the tables are about, a line each.
fn head(suite: &Suite, data: &DataSet, found: &[Row]) -> Vec<String> {
    let n_points: usize = data.members.iter().map(|member| member.series.len()).sum();
    let mut lines = vec![
        format!("{} series, {n_points} points", data.members.len()),
        format!("learned from the part {} of each series, judged on the part {}", suite.train, suite.test),
    ];
    if let Some(part) = suite.validation {
        lines.push(format!("*best F1 on training labels*: of the part {part}, every label of which is read"));
    }
    let number = |pointer: &str| found.iter().find_map(|row| row.metrics.pointer(pointer)?.as_u64());
    if let (Some(points), Some(anomalies)) = (number("/points"), number("/anomalies")) {
        lines.push(format!("judged: {points} points with a label, {anomalies} of them anomalous"));
    }
    if let Some(k) = number("/delay/k") {
        lines.push(format!("delay F1: alarms within {k} points of a segment's first count"));
    }
    if let Some(buffer) = number("/vus_pr/buffer") {
        lines.push(format!("VUS: buffer of {buffer} points"));
    }
    lines
}

//! `rlad bench`: runs a suite and writes its tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rlad::data::{DataSet, ReadOptions};
use rlad::{Config, Error};

use crate::advice::Advice;
use crate::args::{BenchArgs, BenchRunArgs};
use crate::bench::problem::for_others;
use crate::bench::row::{Row, has_failed, rows};
use crate::bench::run::{Machine, Outcome, Task, run as run_task};
use crate::bench::schedule::{PlannedRun, Prepared, file_hash, make, outcome, plan};
use crate::bench::script::{SCRIPTS, ScriptData, are_there};
use crate::bench::selection::{each_alone, has_anomalies, select};
use crate::bench::suite::{DetectorKind, RunEntry, Suite};
use crate::bench::{alone_table, live, live_table, page, table};
use crate::folder::lock_for;
use crate::interrupt;
use crate::output::{print, print_notes};
use crate::progress::Progress;
use crate::shipped::unpack;

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
    let _lock = lock_for(&args.out, "the folder", "being filled")?;
    let prepared = prepare(&suite, &data, args)?;
    let (mut planned, mut skipped) = (Vec::new(), BTreeSet::new());
    for one in plan(&suite, &prepared.data, &args.out) {
        if lacks_script(&one.task)? && outcome(&one.task, &prepared)?.is_none() {
            skipped.insert(one.entry);
        } else {
            planned.push(one);
        }
    }
    let skipped: Vec<&str> = skipped.into_iter().map(|entry| suite.run[entry].name.as_str()).collect();
    let mut missing = Vec::new();
    for planned in planned.iter().filter(|planned| is_wanted(&suite.run[planned.entry], args)) {
        let task = &planned.task;
        let again = |outcome: Outcome| outcome.is_partial || (args.retry && has_failed(task, &outcome, &data));
        if outcome(task, &prepared)?.is_none_or(again) {
            missing.push(planned);
        }
    }
    let n_cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let timeout = Duration::from_secs(60 * suite.timeout_minutes);
    interrupt::leave_at_next(Some("runs that were made are kept; the same command goes on".to_owned()));
    make(&missing, &prepared, timeout, Machine { n_cores, n_at_once: args.jobs.get() })?;

    let mut results = measure(&suite, &planned, &prepared, &data)?;
    results.skipped = told_of_skipped(&skipped);
    print_notes(results.skipped.as_slice());
    write_results(&suite, args, &data, &results)?;
    print(&format!("{} runs made; {}: {}", missing.len(), results.told(), args.out.join("results.md").display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The results of a suite's runs.
#[derive(Debug)]
struct Results {
    /// The runs that the suite wants.
    n_planned: usize,
    /// Those that were made.
    outcomes: Vec<Outcome>,
    /// Those of them of which at least one row says that it failed.
    n_failed: usize,
    rows: Vec<Row>,
    /// The detectors that cannot be run here, a sentence.
    skipped: Option<String>,
}

impl Results {
    /// How many runs there are, have failed and are missing.
    fn told(&self) -> String {
        let n_made = self.outcomes.iter().filter(|outcome| !outcome.is_partial).count();
        format!(
            "{n_made} of {} runs are there, {} failed, {} still to be made",
            self.n_planned,
            self.n_failed,
            self.n_planned - n_made
        )
    }
}

/// Makes one run.
pub(crate) fn run_one(args: &BenchRunArgs) -> anyhow::Result<ExitCode> {
    let task: Task = serde_json::from_str(&args.task).map_err(|error| {
        Advice::error(
            format!("this is not a run's task: {error}"),
            "call `rlad bench`, which makes the runs".to_owned(),
        )
    })?;
    match task.entry.live {
        Some(live) => live::run(&task, live)?,
        None => run_task(&task)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a run is that of a script which is not there.
fn lacks_script(task: &Task) -> anyhow::Result<bool> {
    Ok(matches!(task.entry.detector()?, DetectorKind::Peer(_)) && !are_there())
}

/// The sentence on detectors whose scripts are not there.
fn told_of_skipped(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!("skipped, as `{SCRIPTS}` is not in this folder (a clone of the project has it): {}", names.join("; "))
    })
}

/// Whether `--only` leaves a detector to be run.
fn is_wanted(entry: &RunEntry, args: &BenchArgs) -> bool {
    args.only.is_empty() || args.only.iter().any(|name| is_named(entry, name))
}

fn is_named(entry: &RunEntry, name: &str) -> bool {
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
                        let part = rlad::data::import(source, path)?;
                        data.notes.extend_from_slice(&part.notes);
                        data.extend(part);
                    }
                    print_notes(&data.notes);
                    data
                }
                None => {
                    let data = rlad::read(paths, &ReadOptions::default())?;
                    print_notes(&data.notes);
                    data
                }
            }
        }
    };
    let data = select(data, &suite.data)?;
    if !has_anomalies(&data) {
        return Err(Advice::error(
            format!("the data of the suite `{}` have no label that says anomaly", suite.name),
            "a suite needs labelled data to measure on".to_owned(),
        ));
    }
    Ok(data)
}

/// Writes the data, those of scripts too where one is wanted.
fn prepare(suite: &Suite, data: &DataSet, args: &BenchArgs) -> anyhow::Result<Prepared> {
    let fresh = args.out.join(".data.parquet");
    rlad::data::write_dataset(&fresh, data)?;
    let data_hash = file_hash(&fresh)?;
    let path = args.out.join("data.parquet");
    fs::rename(&fresh, &path).map_err(|source| Error::Write { path: path.clone(), source })?;
    // Scripts run in the project's folder, runs in this one: paths that hold in both.
    let whole = |path: &Path| fs::canonicalize(path).map_err(|source| Error::Read { path: path.to_owned(), source });
    let (mut is_script, mut reads_features) = (false, false);
    for entry in suite.run.iter().filter(|entry| is_wanted(entry, args)) {
        if let Ok(DetectorKind::Peer(peer)) = entry.detector() {
            (is_script, reads_features) = (true, reads_features || peer.features);
        }
    }
    let of_script = |series: Option<&str>, folder: &Path, path: &Path, data: &DataSet| -> anyhow::Result<ScriptData> {
        let features = match reads_features {
            true => Some(whole(&prepare_features(suite, data, folder, &data_hash)?)?),
            false => None,
        };
        Ok(ScriptData { series: series.map(str::to_owned), data: whole(path)?, features })
    };
    let mut of_scripts = Vec::new();
    if is_script && suite.each_series_alone {
        for (i, one) in each_alone(data).iter().enumerate() {
            let folder = args.out.join("series").join(i.to_string());
            fs::create_dir_all(&folder).map_err(|source| Error::Write { path: folder.clone(), source })?;
            let path = folder.join("data.parquet");
            rlad::data::write_dataset(&path, one)?;
            of_scripts.push(of_script(Some(one.series[0].name()), &folder, &path, one)?);
        }
    } else if is_script {
        of_scripts.push(of_script(None, &args.out, &path, data)?);
    }
    Ok(Prepared { data: whole(&path)?, of_scripts, data_hash, python: args.python.clone() })
}

/// The file of the features in a folder, which is written anew where it was made of other data, another part, or other
/// features.
fn prepare_features(suite: &Suite, data: &DataSet, folder: &Path, data_hash: &str) -> anyhow::Result<PathBuf> {
    let features = Config::default().state.features;
    let made_of = serde_json::json!({"data_sha256": data_hash, "train": suite.train, "features": features}).to_string();
    let (path, record) = (folder.join("features.parquet"), folder.join("features.json"));
    let is_there = path.exists() && fs::read_to_string(&record).is_ok_and(|text| text == made_of);
    if !is_there {
        let n_points = data.n_points() as u64;
        let mut bar = Progress::new("features", n_points);
        // Until its record is written, the file is one that nobody knows.
        let _ = fs::remove_file(&record);
        rlad::features::write_features(&path, data, &features, suite.train, |n| bar.set(n as u64))?;
        rlad::data::write_file(&record, made_of.as_bytes())?;
    }
    Ok(path)
}

/// The rows of all runs that were made.
fn measure(suite: &Suite, planned: &[PlannedRun], prepared: &Prepared, data: &DataSet) -> anyhow::Result<Results> {
    let delay = suite.delay.unwrap_or_else(|| rlad::metrics::usual_delay(&data.series));
    let here = std::env::current_dir().unwrap_or_default();
    let mut bar = Progress::new("measuring", planned.len() as u64);
    let mut results =
        Results { n_planned: planned.len(), outcomes: Vec::new(), n_failed: 0, rows: Vec::new(), skipped: None };
    for (i, planned) in planned.iter().enumerate() {
        if let Some(outcome) = outcome(&planned.task, prepared)? {
            let mut rows = rows(suite, planned, &outcome, data, delay)?;
            results.n_failed += usize::from(rows.iter().any(|row| row.error.is_some()));
            for row in &mut rows {
                row.error = row.error.take().map(|error| for_others(&error, &here));
            }
            results.rows.append(&mut rows);
            results.outcomes.push(outcome);
        }
        bar.set(i as u64 + 1);
    }
    Ok(results)
}

/// Writes the tables and the page.
fn write_results(suite: &Suite, args: &BenchArgs, data: &DataSet, results: &Results) -> anyhow::Result<()> {
    let head = head(suite, data, results);
    let here = std::env::current_dir().unwrap_or_default();
    let command = format!("rlad bench {} --out DIR", for_others(&args.suite, &here));
    let file = |name: &str, bytes: &[u8]| rlad::data::write_file(&args.out.join(name), bytes);
    file("results.csv", &table::csv(&results.rows)?)?;
    let markdown = match (suite.each_series_alone, suite.is_live()) {
        (true, _) => alone_table::markdown,
        (false, true) => live_table::markdown,
        (false, false) => table::markdown,
    };
    file("results.md", markdown(suite, &results.rows, &head, &command).as_bytes())?;
    if suite.each_series_alone {
        file("per_series.csv", &alone_table::csv(&results.rows)?)?;
    }
    if suite.is_live() {
        file("weeks.csv", &live_table::csv(suite, &results.rows)?)?;
    }
    file("results.html", page::html(suite, &results.rows, &head, &command).as_bytes())?;
    Ok(())
}

/// The head of the tables: their data and parts, a line each.
fn head(suite: &Suite, data: &DataSet, results: &Results) -> Vec<String> {
    let mut lines = vec![
        format!("{} series, {} points", data.series.len(), data.n_points()),
        format!("trained on the part {} of each series, measured on the part {}", suite.train, suite.test),
    ];
    let names = |counts: bool| -> Vec<&str> {
        let row = results.rows.iter().find(|row| !row.series.is_empty());
        let series = row.map_or(&[][..], |row| row.series.as_slice());
        series.iter().filter(|one| one.is_counted() == counts).map(|one| one.series.as_str()).collect()
    };
    if suite.each_series_alone {
        let (counted, left_out) = (names(true), names(false));
        let list = if left_out.is_empty() { String::new() } else { format!(": {}", left_out.join(", ")) };
        lines.push(format!(
            "{} series count in the means, {} are left out for want of an anomaly in the judged part{list}",
            counted.len(),
            left_out.len()
        ));
    }
    if let Some(part) = suite.validation {
        lines.push(format!("“best F1 on training labels”: of the part {part}, every label of which is read"));
    }
    let number = |pointer: &str| results.rows.iter().find_map(|row| row.metrics.pointer(pointer)?.as_u64());
    if let (Some(points), Some(anomalies)) = (number("/points"), number("/anomalies")) {
        lines.push(format!("measured on {points} points with a label, {anomalies} of them anomalous"));
    }
    if let Some(k) = number("/delay/k") {
        lines.push(format!("delay F1: alarms within {k} points of a segment's first count"));
    }
    if let Some(buffer) = number("/vus_pr/buffer") {
        lines.push(format!("VUS: buffer of {buffer} points"));
    }
    lines.push(results.told());
    lines.extend(results.skipped.clone());
    lines.push(made_by(&results.outcomes));
    lines.extend(times(&results.outcomes));
    lines
}

/// The program that wrote the tables, and by which builds of the program the runs were made.
fn made_by(outcomes: &[Outcome]) -> String {
    let builds: BTreeSet<&str> = outcomes.iter().filter_map(Outcome::build).collect();
    let version = env!("CARGO_PKG_VERSION");
    match builds.len() {
        0 | 1 => format!("rlad {version}"),
        n => format!("tables by rlad {version}, runs made by {n} builds of the program"),
    }
}

/// The machine that the times were taken on.
fn times(outcomes: &[Outcome]) -> Option<String> {
    let machines: BTreeSet<Option<Machine>> = outcomes.iter().map(|outcome| outcome.machine).collect();
    let told = |machine: &Option<Machine>| match machine {
        Some(Machine { n_cores: 1, n_at_once }) => format!("{n_at_once} at once on 1 core"),
        Some(Machine { n_cores, n_at_once }) => format!("{n_at_once} at once on {n_cores} cores"),
        None => "an unknown number at once".to_owned(),
    };
    let alone = |machine: &Option<Machine>| machine.is_some_and(|machine| machine.n_at_once == 1);
    let caution = if machines.len() == 1 && machines.iter().all(alone) {
        ""
    } else {
        "; times are comparable only of runs made 1 at once on like machines"
    };
    let list: Vec<String> = machines.iter().map(told).collect();
    (!list.is_empty()).then(|| format!("runs made {}{caution}", list.join(", and ")))
}

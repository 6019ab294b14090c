//! Scripts of `bench/peers`: their call, their report, and several reports as one where each series is run alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rlad::Error;
use serde::Deserialize;
use serde_json::Value;

use super::run::{Outcome, RunScores, Task};
use super::suite::PeerEntry;

/// The file of a script's own report.
pub(super) const PEER: &str = "peer.json";

/// The folder of the scripts, from that of the project.
pub(crate) const SCRIPTS: &str = "bench/peers";

/// Data as a script takes them.
#[derive(Clone, Debug)]
pub(crate) struct ScriptData {
    /// The name of the series, where it is one by itself.
    pub(crate) series: Option<String>,
    /// The data in the program's own form.
    pub(crate) data: PathBuf,
    /// Their features, where a script wants them.
    pub(crate) features: Option<PathBuf>,
}

/// One call of a script.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// The series, where it is one by itself.
    pub(super) series: Option<&'a str>,
    /// The folder of its results.
    pub(super) out: PathBuf,
}

impl Part<'_> {
    /// A problem of the call, with the series that it was with.
    pub(super) fn told(&self, problem: &str) -> String {
        self.series.map_or_else(|| problem.to_owned(), |series| format!("series `{series}`: {problem}"))
    }
}

/// Whether there are scripts here: the program may run outside of the folder of the project.
pub(crate) fn are_there() -> bool {
    Path::new(SCRIPTS).is_dir()
}

/// The call of a script, as `bench/peers/README.md` has it.
pub(super) fn command(
    task: &Task,
    peer: &PeerEntry,
    data: &ScriptData,
    python: &Path,
    out: &Path,
) -> Result<Command, String> {
    let path = Path::new(SCRIPTS).join(&peer.script);
    if !path.is_file() {
        return Err(format!("there is no `{}`: scripts are found from the folder of the project", path.display()));
    }
    let mut command = Command::new(python);
    command.arg(path);
    command.arg("--data").arg(&data.data);
    if let Some(features) = data.features.as_ref().filter(|_| peer.features) {
        command.arg("--features").arg(features);
    }
    command
        .args(["--train", &task.train.to_string(), "--test", &task.test.to_string(), "--seed", &task.seed.to_string()])
        .arg("--out")
        .arg(out);
    if !task.budgets.is_empty() {
        let budgets = task.budgets.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        match task.questions {
            Some(questions) => command.args(["--budgets", &questions.to_string(), "--weekly", &budgets]),
            None => command.args(["--budgets", &budgets]),
        };
    }
    command.args(&peer.flags);
    Ok(command)
}

/// The outcome of the calls of a script: of one as it is, of one a series with their scores in one file a budget.
pub(super) fn together(task: &Task, parts: &[Part<'_>]) -> anyhow::Result<Outcome> {
    let outcomes: Vec<Outcome> = parts.iter().map(|part| outcome(&part.out)).collect::<anyhow::Result<_>>()?;
    let Some(first) = outcomes.first() else { anyhow::bail!("there are no data for scripts") };
    if !task.each_series_alone {
        return Ok(first.clone());
    }
    let mut results = Vec::new();
    for of_first in &first.results {
        let budget = of_first.budget;
        let name = budget.map_or_else(|| "scores.parquet".to_owned(), |budget| format!("scores-{budget}.parquet"));
        let mut sum =
            RunScores { questions: 0, labelled_points: 0, fit_seconds: 0.0, score_seconds: 0.0, ..of_first.clone() };
        let (mut rules, mut scores) = (Vec::new(), Vec::new());
        for (part, outcome) in parts.iter().zip(&outcomes) {
            let Some(run) = outcome.results.iter().find(|run| run.budget == budget) else {
                anyhow::bail!(part.told(&format!("it gave no scores for `{name}`")));
            };
            scores.extend(rlad::data::read_scores(&part.out.join(&run.scores))?);
            rules.push(run.threshold_rule.as_str());
            sum.questions += run.questions;
            sum.labelled_points += run.labelled_points;
            sum.fit_seconds += run.fit_seconds;
            sum.score_seconds += run.score_seconds;
        }
        rlad::data::write_scores(&task.out.join(&name), &scores)?;
        rules.sort_unstable();
        rules.dedup();
        results.push(RunScores {
            scores: name,
            questions: sum.questions / parts.len(),
            labelled_points: sum.labelled_points / parts.len(),
            threshold_rule: rules.join("; "),
            ..sum
        });
    }
    let peak_memory = outcomes.iter().filter_map(|outcome| outcome.peak_memory).max();
    Ok(Outcome { results, peak_memory, ..first.clone() })
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

/// The outcome of one call, as its report has it.
fn outcome(folder: &Path) -> anyhow::Result<Outcome> {
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

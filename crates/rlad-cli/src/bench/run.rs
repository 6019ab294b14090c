//! One run: one detector with one seed on a suite's data, as a program of its own.
//!
//! It reads a [`Task`] and leaves in its folder the scores of the test part, one file a budget, and an [`Outcome`], which
//! is written last: a folder without one is a run that is still to be made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rlad::active::{Question, Reply};
use rlad::baselines::Baseline;
use rlad::config::AnswerKind;
use rlad::data::{DataSet, Labels, Part, SeriesScores, Truth};
use rlad::metrics::{Goal, ScoredSeries};
use rlad::{Answer, Detector, Label, Oracle, Query, Series, Session, TruthOracle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::process::this_program;
use super::suite::{Entry, What, agent};
use crate::commands::detect::score_series;

/// The file in which a run's outcome stands.
pub(crate) const OUTCOME: &str = "run.json";
/// What a simulated expert is shown around a question, for baselines; the agent has its own setting.
const SHOWN: usize = 25;

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The detector.
    pub(crate) entry: Entry,
    /// The seed.
    pub(crate) seed: u64,
    /// The budgets, none for a detector that does not ask.
    pub(crate) budgets: Vec<usize>,
    /// The data, a file of the program's own form.
    pub(crate) data: PathBuf,
    /// The part that is learned from.
    pub(crate) train: Part,
    /// The part that is scored.
    pub(crate) test: Part,
    /// The part whose labels give a threshold to what has scores only.
    pub(crate) validation: Option<Part>,
    /// The folder of the run.
    pub(crate) out: PathBuf,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The results, one a budget; empty where the run failed.
    pub(crate) results: Vec<Scored>,
    /// Whether the run is under way, or was ended before its last budget: it is made again then.
    #[serde(default)]
    pub(crate) is_partial: bool,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// The largest memory that it held, in bytes; `None` where the system does not tell.
    pub(crate) peak_memory: Option<u64>,
    /// How long it took in all, in seconds.
    pub(crate) seconds: f64,
    /// What made it: the SHA-256 of the program, or the versions of a script's libraries.
    pub(crate) made_by: String,
    /// What it shared the machine with; `None` where that was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<Machine>,
}

impl Outcome {
    /// The build of this program that made it; `None` for a script's run and for one that failed.
    pub(crate) fn build(&self) -> Option<&str> {
        let is_hash = self.made_by.len() == 64 && self.made_by.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then_some(self.made_by.as_str())
    }
}

/// What a run's times depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The cores that the system offered.
    pub(crate) n_cores: usize,
    /// The runs that were made at the same time.
    pub(crate) n_at_once: usize,
}

/// Scores, and what was read to get them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scored {
    /// The budget, for a detector that asks.
    pub(crate) budget: Option<usize>,
    /// The file of scores, in the run's folder.
    pub(crate) scores: String,
    /// The questions that were asked, the warm-up's included.
    pub(crate) questions: usize,
    /// The labels that were read to fit it, the warm-up's included.
    pub(crate) labelled_points: usize,
    /// How the threshold in the file came about.
    pub(crate) threshold_rule: String,
    /// A second threshold, fixed by the labels of the validation part.
    pub(crate) validation: Option<Validation>,
    /// How long it took to fit, in seconds since the run began.
    pub(crate) fit_seconds: f64,
    /// How long it took to score the test part.
    pub(crate) score_seconds: f64,
    /// What an agent expected of itself after its last question, and what the truth says of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<Expected>,
}

/// The F1 that an agent expected where nothing near is labelled, with its 95 % interval, and what it is on the training part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// The median.
    pub(crate) f1: f64,
    /// The lower end.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
    /// What the interval is to hold.
    pub(crate) truth: f64,
    /// Whether it does: 0 or 1.
    pub(crate) held: u8,
}

/// A threshold that labels of the training part gave.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Validation {
    /// The threshold.
    pub(crate) threshold: f64,
    /// The labels that were read for it.
    pub(crate) labelled_points: usize,
}

/// Makes a run of the program's own detectors, and writes its outcome.
pub(crate) fn run(task: &Task) -> anyhow::Result<()> {
    let begun = Instant::now();
    let data = rlad::read(std::slice::from_ref(&task.data), &rlad::data::ReadOptions::default())?;
    let results = match task.entry.what()? {
        What::Agent(table) => agent_run(task, table, &data, |results| {
            write_outcome(&task.out, &own_outcome(results.to_vec(), begun, true)?)
        })?,
        What::Method(baseline) => baseline_run(task, baseline, &data)?,
        What::Peer(peer) => anyhow::bail!("`{}` is not a detector of this program", peer.script.display()),
    };
    write_outcome(&task.out, &own_outcome(results, begun, false)?)
}

fn own_outcome(results: Vec<Scored>, begun: Instant, is_partial: bool) -> anyhow::Result<Outcome> {
    Ok(Outcome {
        results,
        is_partial,
        error: None,
        peak_memory: peak_memory(),
        seconds: begun.elapsed().as_secs_f64(),
        made_by: program_hash()?,
        machine: None,
    })
}

/// Writes the outcome of a run.
pub(crate) fn write_outcome(folder: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    Ok(rlad::data::write_file(&folder.join(OUTCOME), serde_json::to_string_pretty(outcome)?.as_bytes())?)
}

/// Sessions whose budget is raised from one budget to the next, as `rlad train --resume --questions` does it: one, or one for
/// each fold of series that are left out. `scored` is told the results so far after each budget but the last.
fn agent_run(
    task: &Task,
    table: &toml::Table,
    data: &DataSet,
    scored: impl Fn(&[Scored]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Scored>> {
    let mut config = agent(table)?;
    (config.seed, config.part) = (task.seed, task.train);
    let n = data.series.len();
    let mut folds: Vec<Fold<'_>> = match task.entry.unseen_folds {
        None => vec![Fold::new(task, &config, data, &|_| true, (0..n).collect())?],
        Some(k) => (0..k.min(n))
            .map(|fold| {
                let unseen = (0..n).filter(|series| series % k == fold).collect();
                Fold::new(task, &config, data, &|series| series % k != fold, unseen)
            })
            .collect::<anyhow::Result<_>>()?,
    };
    let (mut fit_seconds, mut results) = (0.0, Vec::new());
    for &budget in &task.budgets {
        let mut of_series: Vec<Option<SeriesScores>> = vec![None; n];
        let (mut questions, mut labelled_points, mut score_seconds) = (0, 0, 0.0);
        let mut threshold_rule = "";
        let mut expected = None;
        for fold in &mut folds {
            let fitting = Instant::now();
            let fitted = fold.fit(budget)?;
            fit_seconds += fitting.elapsed().as_secs_f64();
            let scoring = Instant::now();
            for &series in &fold.scored {
                of_series[series] =
                    Some(score_series(fitted.detector.as_ref(), &fitted.name, &data.series[series], task.test)?);
            }
            score_seconds += scoring.elapsed().as_secs_f64();
            questions += fitted.questions;
            labelled_points += fitted.labelled_points;
            threshold_rule = fitted.threshold_rule;
            expected = fitted.expected;
        }
        let name = format!("scores-{budget}.parquet");
        let of_series: Vec<SeriesScores> = of_series.into_iter().flatten().collect();
        rlad::data::write_scores(&task.out.join(&name), &of_series)?;
        results.push(Scored {
            budget: Some(budget),
            scores: name,
            questions: questions / folds.len().max(1),
            labelled_points: labelled_points / folds.len().max(1),
            threshold_rule: threshold_rule.to_owned(),
            validation: None,
            fit_seconds,
            score_seconds,
            expected,
        });
        if results.len() < task.budgets.len() {
            scored(&results)?;
        }
    }
    Ok(results)
}

/// A session on some of the series, and the series that its detector scores.
struct Fold<'a> {
    task: &'a Task,
    session: Session,
    truths: Vec<Option<Truth>>,
    scored: Vec<usize>,
}

/// A detector of a session.
struct Fitted {
    detector: Box<dyn Detector>,
    name: String,
    questions: usize,
    labelled_points: usize,
    threshold_rule: &'static str,
    expected: Option<Expected>,
}

impl<'a> Fold<'a> {
    fn new(
        task: &'a Task,
        config: &rlad::Config,
        data: &DataSet,
        is_trained_on: &dyn Fn(usize) -> bool,
        scored: Vec<usize>,
    ) -> anyhow::Result<Self> {
        let trained = data.iter().enumerate().filter(|(at, _)| is_trained_on(*at));
        let (series, truths): (Vec<Series>, Vec<Option<Truth>>) =
            trained.map(|(_, (series, truth))| (series.clone(), truth.cloned())).unzip();
        Ok(Self { task, session: Session::new(config.clone(), series)?, truths, scored })
    }

    /// Asks until `budget` questions are answered, and fits the detector: the warm-up's scores where none may be asked.
    fn fit(&mut self, budget: usize) -> anyhow::Result<Fitted> {
        let Self { task, session, truths, .. } = self;
        if budget == 0 {
            return Ok(Fitted {
                detector: Box::new(session.warm_up_detector()),
                name: "warm-up".to_owned(),
                questions: 0,
                labelled_points: 0,
                threshold_rule: "1 % of training points",
                expected: None,
            });
        }
        session.set_questions(budget);
        let (error_rate, unsure_rate) = (task.entry.error_rate.unwrap_or(0.0), task.entry.unsure_rate.unwrap_or(0.0));
        let mut oracle = TruthOracle::new(truths).with_mistakes(error_rate, unsure_rate, task.seed);
        let run = session.run(&mut oracle)?;
        let expected = run.rounds.last().and_then(|round| round.expected).map(|expected| {
            let (f1, truth) = (expected.f1, session.true_quality(truths).f1);
            let held = u8::from((f1.low..=f1.high).contains(&truth));
            Expected { f1: f1.expected, low: f1.low, high: f1.high, truth, held }
        });
        let model = session.finish()?;
        Ok(Fitted {
            name: model.hash()[..16].to_owned(),
            questions: model.n_questions(),
            labelled_points: model.n_labelled_points(),
            threshold_rule: match model.config().threshold.method {
                rlad::config::ThresholdMethod::Own => "Q difference 0",
                rlad::config::ThresholdMethod::Calibrated => "calibrated on the answers",
            },
            expected,
            detector: Box::new(model),
        })
    }
}

/// A baseline; one that learns from labels gets those of random questions, as many as each budget allows.
fn baseline_run(task: &Task, baseline: &super::suite::Baseline, data: &DataSet) -> anyhow::Result<Vec<Scored>> {
    let series = &data.series;
    let method = baseline.method()?;
    let budgets: Vec<Option<usize>> = match task.budgets.as_slice() {
        [] => vec![None],
        budgets => budgets.iter().copied().map(Some).collect(),
    };
    let mut results = Vec::new();
    for budget in budgets {
        let begun = Instant::now();
        let mut labels = vec![Labels::default(); series.len()];
        if let Some(n) = budget {
            let kind = baseline.answers.unwrap_or(AnswerKind::Range);
            let mut oracle = TruthOracle::new(&data.truths);
            for query in rlad::active::random_questions(series, task.train, n, task.seed) {
                let of = &series[query.series];
                let shown = of.shown(query.point, SHOWN, &of.part(task.train));
                labels[query.series].teach(query.point, &ask(&mut oracle, &query, of, shown, kind)?);
            }
        }
        let fitted = Baseline::fit(&method, series, task.train, &labels, budget.unwrap_or(0), task.seed)?;
        let fit_seconds = begun.elapsed().as_secs_f64();
        let scoring = Instant::now();
        let hash = &fitted.hash()[..16];
        let name = budget.map_or_else(|| "scores.parquet".to_owned(), |budget| format!("scores-{budget}.parquet"));
        let mut of_test = scores(&fitted, data, task.test, hash)?;
        let_labels_stand(&mut of_test, &labels, series, task.test);
        rlad::data::write_scores(&task.out.join(&name), &of_test)?;
        let score_seconds = scoring.elapsed().as_secs_f64();
        results.push(Scored {
            budget,
            scores: name,
            questions: fitted.n_questions(),
            labelled_points: fitted.n_labelled_points(),
            threshold_rule: method.threshold_rule(),
            validation: match task.validation.filter(|_| method.has_scores()) {
                Some(part) => validation(&scores(&fitted, data, part, hash)?, data, part),
                None => None,
            },
            fit_seconds,
            score_seconds,
            expected: None,
        });
    }
    Ok(results)
}

/// Puts labels that a baseline learned from in the place of its scores of the same points, as the agent's answers stand: above or below
/// all other scores.
fn let_labels_stand(scores: &mut [SeriesScores], labels: &[Labels], series: &[Series], part: Part) {
    if labels.iter().all(Labels::is_empty) {
        return;
    }
    let finite = scores.iter().flat_map(|of| &of.scores).filter(|score| score.is_finite());
    let (lowest, highest) = finite.fold((0.0_f64, 0.0_f64), |(low, high), &score| (low.min(score), high.max(score)));
    for ((scores, labels), series) in scores.iter_mut().zip(labels).zip(series) {
        let first = series.part(part).start;
        let threshold = scores.threshold;
        for (point, label) in labels.iter().filter(|(point, _)| !series.is_missing(*point)) {
            let Some(score) = point.checked_sub(first).and_then(|at| scores.scores.get_mut(at)) else { continue };
            *score = match label {
                Label::Anomaly => highest.max(threshold) + 1.0,
                Label::Normal => lowest.min(threshold) - 1.0,
            };
        }
    }
}

/// The threshold with the best strict F1 on a part.
fn validation(scores: &[SeriesScores], data: &DataSet, part: Part) -> Option<Validation> {
    let judged: Vec<ScoredSeries<'_>> = data
        .iter()
        .zip(scores)
        .filter_map(|((series, truth), scores)| {
            let truth = &truth?.labels()[series.part(part)];
            Some(ScoredSeries { truth, scores: &scores.scores, threshold: 0.0 })
        })
        .collect();
    let threshold = rlad::metrics::best_threshold(&judged, Goal::Strict).threshold?;
    let labelled_points = judged.iter().flat_map(|judged| judged.truth).filter(|label| label.is_some()).count();
    Some(Validation { threshold, labelled_points })
}

/// The answer of a simulated expert, who neither stops nor takes back.
fn ask(
    oracle: &mut TruthOracle<'_>,
    query: &Query,
    series: &Series,
    shown: std::ops::Range<usize>,
    kind: AnswerKind,
) -> anyhow::Result<Answer> {
    let question = Question { query, series, shown, kind, n_answered: 0, budget: 0 };
    match oracle.answer(&question).map_err(anyhow::Error::from_boxed)? {
        Reply::Answer(answer) => Ok(answer),
        Reply::Undo | Reply::Stop => anyhow::bail!("the simulated expert gave no answer"),
    }
}

/// The scores of a part of each series.
fn scores(detector: &dyn Detector, data: &DataSet, part: Part, model: &str) -> anyhow::Result<Vec<SeriesScores>> {
    data.series.iter().map(|series| Ok(score_series(detector, model, series, part)?)).collect()
}

/// The largest memory that this program held, where the system tells: Linux's `VmHWM`.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The SHA-256 of this program's file, so that results of different builds can be told apart.
pub(crate) fn program_hash() -> anyhow::Result<String> {
    let digest = Sha256::digest(std::fs::read(this_program()?)?);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether any point of the data is labelled as an anomaly.
pub(crate) fn has_anomalies(data: &DataSet) -> bool {
    data.truths.iter().flatten().any(|truth| truth.n_anomalies() > 0)
}

#[cfg(test)]
mod tests {
    use rlad::Span;
    use rlad::data::TimeFormat;

    use super::*;

    #[test]
    fn labels_stand_above_and_below_all_scores_where_they_are_in_the_part() {
        let values = vec![0.0, 0.0, 0.0, f64::NAN, 0.0, 0.0];
        let times: Vec<i64> = (0..6).collect();
        let series = Series::new("s", vec!["v".into()], TimeFormat::Index, times.clone(), values, None).unwrap();
        let mut labels = Labels::default();
        let span = |first, last, label| Span { first, last, label };
        let spans = vec![span(1, 3, Label::Anomaly), span(4, 4, Label::Normal)];
        labels.teach(2, &Answer::Spans(spans));
        let part = Part { from: 1.0 / 3.0, to: 1.0 };
        let mut scores = [SeriesScores {
            series: "s".into(),
            time_format: TimeFormat::Index,
            timestamps: times[2..].to_vec(),
            scores: vec![0.25, f64::NAN, 0.75, 0.5],
            threshold: 0.9,
            model: "m".into(),
        }];
        let_labels_stand(&mut scores, &[labels], &[series], part);
        let [first, missing, third, last] = scores[0].scores[..] else { panic!("four scores") };
        assert!(first > 0.9 && third < 0.0 && missing.is_nan() && last.to_bits() == 0.5_f64.to_bits());
    }
}

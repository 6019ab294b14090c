//! One run: one detector with one seed on a suite's data, as a program of its own.
//!
//! It reads a [`Task`] and leaves in its folder the scores of the test part, one file a budget, and an [`Outcome`], which
//! is written last: a folder without one is a run that is still to be made.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rlad::active::{AnswerStyle, Interval, Question, ask, random_questions};
use rlad::baselines::{Baseline, Method};
use rlad::config::AnswerKind;
use rlad::data::{Alarm, DataSet, Labels, Part, SeriesScores, Truth};
use rlad::metrics::{Goal, ScoredSeries, join};
use rlad::{Detector, Label, Query, Series, Session, TruthOracle};
use serde::{Deserialize, Serialize};

use super::process::{peak_memory, program_hash};
use super::selection::each_alone;
use super::suite::{DetectorKind, MethodEntry, RunEntry, agent};

/// The file in which a run's outcome stands.
pub(crate) const OUTCOME: &str = "run.json";
/// The points that a simulated expert is shown around a question, for baselines; the agent has its own setting.
const SHOWN: usize = 25;

/// The task of a run: a detector and a seed, and the data and budgets for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The detector.
    pub(crate) entry: RunEntry,
    /// The seed.
    pub(crate) seed: u64,
    /// The budgets, none for a detector that does not ask; in a live run the questions a week.
    pub(crate) budgets: Vec<usize>,
    /// The questions before the first week of a live run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) questions: Option<usize>,
    /// The data, a file of the program's own form.
    pub(crate) data: PathBuf,
    /// The part that is learned from.
    pub(crate) train: Part,
    /// The part that is scored.
    pub(crate) test: Part,
    /// The part whose labels give a threshold to what has scores only.
    pub(crate) validation: Option<Part>,
    /// Whether each series is learned from and scored by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) each_series_alone: bool,
    /// The folder of the run.
    pub(crate) out: PathBuf,
}

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The results, one a budget; empty where the run failed.
    pub(crate) results: Vec<RunScores>,
    /// Whether the run is under way, or was ended before its last budget: it is made again then.
    #[serde(default)]
    pub(crate) is_partial: bool,
    /// Why it failed, if it did.
    pub(crate) error: Option<String>,
    /// The largest memory that it held, in bytes; `None` where the system does not tell.
    pub(crate) peak_memory: Option<u64>,
    /// How long it took in all, in seconds.
    pub(crate) seconds: f64,
    /// Its maker: the SHA-256 of the program, or the versions of a script's libraries.
    pub(crate) made_by: String,
    /// The machine, and what else ran on it; `None` where that was not written down.
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

/// The conditions that a run's times depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The cores that the system offered.
    pub(crate) n_cores: usize,
    /// The runs that were made at the same time.
    pub(crate) n_at_once: usize,
}

/// Scores, and what was read to get them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunScores {
    /// The budget, for a detector that asks.
    pub(crate) budget: Option<usize>,
    /// The file of scores, in the run's folder.
    pub(crate) scores: String,
    /// The questions that were asked, the warm-up's included; the mean over series where each is run alone.
    pub(crate) questions: usize,
    /// The labels that were read to fit it, the warm-up's included; the mean over series where each is run alone.
    pub(crate) labelled_points: usize,
    /// How the threshold in the file came about.
    pub(crate) threshold_rule: String,
    /// A second threshold, fixed by the labels of the validation part.
    pub(crate) validation: Option<Validation>,
    /// How long it took to fit, in seconds since the run began.
    pub(crate) fit_seconds: f64,
    /// How long it took to score the test part.
    pub(crate) score_seconds: f64,
    /// The F1 that an agent expected of itself after its last question, and the true one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<ExpectedF1>,
}

/// The strict F1 that an agent expected, with its 95 % interval, and what it is on the part that was measured, which comes next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExpectedF1 {
    /// The median.
    pub(crate) f1: f64,
    /// The lower end.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
    /// The F1 of the measured part at the agent's own threshold, which the interval is to hold.
    pub(crate) next: f64,
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

/// Takes the results so far, after each budget but the last.
pub(super) type Scored<'a> = &'a dyn Fn(&[RunScores]) -> anyhow::Result<()>;

/// Makes a run of the program's own detectors, and writes its outcome.
pub(crate) fn run(task: &Task) -> anyhow::Result<()> {
    with_outcome(task, |data, scored| match task.entry.detector()? {
        DetectorKind::Agent(table) => agent_run(task, table, data, scored),
        DetectorKind::Method(baseline) => baseline_run(task, baseline, data),
        DetectorKind::Peer(peer) => anyhow::bail!("`{}` is not a detector of this program", peer.script.display()),
    })
}

/// Reads the data of a run, makes it, and writes its outcome: after each budget, and at the end.
pub(super) fn with_outcome(
    task: &Task,
    make: impl FnOnce(&DataSet, Scored<'_>) -> anyhow::Result<Vec<RunScores>>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let data = rlad::read(std::slice::from_ref(&task.data), &rlad::data::ReadOptions::default())?;
    let write =
        |results: Vec<RunScores>, is_partial| write_outcome(&task.out, &own_outcome(results, begun, is_partial)?);
    let results = make(&data, &|results| write(results.to_vec(), true))?;
    write(results, false)
}

fn own_outcome(results: Vec<RunScores>, begun: Instant, is_partial: bool) -> anyhow::Result<Outcome> {
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

/// Sessions whose budget is raised from one budget to the next, as `rlad train --resume --questions` does it: one, one for
/// each series by itself, or one for each fold of series that are left out. `scored` is told the results so far after each budget but the last.
fn agent_run(task: &Task, table: &toml::Table, data: &DataSet, scored: Scored<'_>) -> anyhow::Result<Vec<RunScores>> {
    let mut config = agent(table)?;
    (config.seed, config.part) = (task.seed, task.train);
    let n = data.series.len();
    let mut folds: Vec<Fold> = match task.entry.unseen_folds {
        None if task.each_series_alone => (0..n)
            .map(|alone| Fold::new(task, &config, data, &|series| series == alone, vec![alone]))
            .collect::<anyhow::Result<_>>()?,
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
            let fitted = fold.fit(budget, task.entry.adapt.then_some((data, task.test)))?;
            fit_seconds += fitting.elapsed().as_secs_f64();
            let scoring = Instant::now();
            for &series in &fold.scored {
                let scores = fitted.detector.detect_part(&data.series[series], task.test)?;
                of_series[series] = Some(SeriesScores { model: fitted.name.clone(), ..scores });
            }
            score_seconds += scoring.elapsed().as_secs_f64();
            questions += fitted.questions;
            labelled_points += fitted.labelled_points;
            threshold_rule = fitted.threshold_rule;
            // Of one series it says nothing of the others.
            expected = fitted.expected.filter(|_| !task.each_series_alone);
        }
        let name = format!("scores-{budget}.parquet");
        let expected = expected.map(|expected: Interval| {
            let next = judged_f1(&of_series, data, task.test);
            let held = u8::from((expected.low..=expected.high).contains(&next));
            ExpectedF1 { f1: expected.expected, low: expected.low, high: expected.high, next, held }
        });
        let of_series: Vec<SeriesScores> = of_series.into_iter().flatten().collect();
        rlad::data::write_scores(&task.out.join(&name), &of_series)?;
        results.push(RunScores {
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
struct Fold {
    session: Session,
    truths: Vec<Option<Truth>>,
    /// How the expert answers, its rates of wrong and unsure answers, and its seed.
    expert: (AnswerStyle, f64, f64, u64),
    scored: Vec<usize>,
}

/// A detector of a session.
struct Fitted {
    detector: Box<dyn Detector>,
    name: String,
    questions: usize,
    labelled_points: usize,
    threshold_rule: &'static str,
    expected: Option<Interval>,
}

/// Strict F1 over the points of a part whose label is known, by the index of the series, at the thresholds in the scores; 0 where nothing was found.
fn judged_f1(of_series: &[Option<SeriesScores>], data: &DataSet, part: Part) -> f64 {
    let (mut found, mut wrong) = (0.0, 0.0);
    for (scores, (series, truth)) in of_series.iter().zip(data.iter()) {
        let (Some(scores), Some(truth)) = (scores, truth) else { continue };
        for (alarm, point) in scores.anomalies().into_iter().zip(series.part(part)) {
            match truth.labels()[point].filter(|_| !series.is_missing(point)) {
                Some(Label::Anomaly) if alarm => found += 1.0,
                Some(Label::Normal) if !alarm => {}
                Some(_) => wrong += 1.0,
                None => {}
            }
        }
    }
    if found > 0.0 { 2.0 * found / (2.0 * found + wrong) } else { 0.0 }
}

impl Fold {
    fn new(
        task: &Task,
        config: &rlad::Config,
        data: &DataSet,
        is_trained_on: &dyn Fn(usize) -> bool,
        scored: Vec<usize>,
    ) -> anyhow::Result<Self> {
        let trained = data.iter().enumerate().filter(|(at, _)| is_trained_on(*at));
        let member = |(_, (series, truth)): (usize, (&Series, Option<&Truth>))| (series.clone(), truth.cloned());
        let (series, truths): (Vec<Series>, Vec<Option<Truth>>) = trained.map(member).unzip();
        let (error_rate, unsure_rate) = (task.entry.error_rate.unwrap_or(0.0), task.entry.unsure_rate.unwrap_or(0.0));
        let session = Session::new(config.clone(), series)?;
        let expert = (task.entry.expert.unwrap_or_default(), error_rate, unsure_rate, task.seed);
        Ok(Self { session, truths, expert, scored })
    }

    /// Asks until `budget` questions are answered, and fits the detector: without a prior the warm-up's scores where none may be asked.
    /// With data to adapt to, the threshold is moved for the share of anomalies in a part of them, without labels.
    fn fit(&mut self, budget: usize, adapt_to: Option<(&DataSet, Part)>) -> anyhow::Result<Fitted> {
        let Self { session, truths, expert: (style, error_rate, unsure_rate, seed), scored } = self;
        if budget == 0 && !session.config().agent.has_prior() {
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
        let mut oracle = TruthOracle::new(truths).with_style(*style).with_mistakes(*error_rate, *unsure_rate, *seed);
        let last = session.run(&mut oracle)?.rounds.pop();
        let expected = last.and_then(|summary| summary.expected).map(|expected| expected.f1);
        let mut model = session.finish()?;
        if let Some((data, part)) = adapt_to {
            let mut scores = Vec::new();
            for series in scored.iter().map(|&series| &data.series[series]) {
                scores.extend(model.score_points(series, series.part(part))?);
            }
            model = model.adapted(&scores);
        }
        Ok(Fitted {
            name: model.id().to_owned(),
            questions: model.n_questions(),
            labelled_points: model.n_labelled_points(),
            threshold_rule: if model.config().agent.has_prior() { "log-odds of the goal" } else { "Q difference 0" },
            expected,
            detector: Box::new(model),
        })
    }
}

/// A baseline; one that learns from labels gets those of random questions, as many as each budget allows.
fn baseline_run(task: &Task, baseline: &MethodEntry, data: &DataSet) -> anyhow::Result<Vec<RunScores>> {
    let method = baseline.method()?;
    let alone = if task.each_series_alone { each_alone(data) } else { Vec::new() };
    let groups = if task.each_series_alone { alone.as_slice() } else { std::slice::from_ref(data) };
    let budgets: Vec<Option<usize>> = match task.budgets.as_slice() {
        [] => vec![None],
        budgets => budgets.iter().copied().map(Some).collect(),
    };
    let mut results = Vec::new();
    for budget in budgets {
        let name = budget.map_or_else(|| "scores.parquet".to_owned(), |budget| format!("scores-{budget}.parquet"));
        let mut result = RunScores {
            budget,
            scores: name.clone(),
            questions: 0,
            labelled_points: 0,
            threshold_rule: method.threshold_rule(),
            validation: None,
            fit_seconds: 0.0,
            score_seconds: 0.0,
            expected: None,
        };
        let mut of_all = Vec::new();
        for data in groups {
            let fitting = Instant::now();
            let (fitted, labels) = fit(task, baseline, &method, data, budget)?;
            result.fit_seconds += fitting.elapsed().as_secs_f64();
            let scoring = Instant::now();
            let mut of_test = scores(&fitted, data, task.test)?;
            apply_labels(&mut of_test, &labels, &data.series, task.test);
            of_all.append(&mut of_test);
            result.score_seconds += scoring.elapsed().as_secs_f64();
            result.questions += fitted.n_questions();
            result.labelled_points += fitted.n_labelled_points();
            // A suite whose series are run alone has no such part.
            if let Some(part) = task.validation.filter(|_| method.has_scores()) {
                result.validation = validation(&scores(&fitted, data, part)?, data, part);
            }
        }
        rlad::data::write_scores(&task.out.join(&name), &of_all)?;
        result.questions /= groups.len().max(1);
        result.labelled_points /= groups.len().max(1);
        results.push(result);
    }
    Ok(results)
}

/// A baseline fitted, and the labels that it learned from.
fn fit(
    task: &Task,
    baseline: &MethodEntry,
    method: &Method,
    data: &DataSet,
    budget: Option<usize>,
) -> anyhow::Result<(Baseline, Vec<Labels>)> {
    let series = &data.series;
    let mut labels = vec![Labels::default(); series.len()];
    if let Some(n) = budget {
        let kind = baseline.answers.unwrap_or(AnswerKind::Range);
        let queries = random_questions(series, task.train, n, task.seed);
        let question = |(n_answered, query): (usize, _)| question(query, series, task.train, kind, n_answered, n);
        let questions: Vec<Question<'_>> = queries.iter().enumerate().map(question).collect();
        let answers = ask(&mut TruthOracle::new(&data.truths), &questions)?.answers;
        for (query, (_, answer)) in queries.iter().zip(&answers) {
            labels[query.series].teach(query.point, answer);
        }
    }
    let fitted = Baseline::fit(method, series, task.train, &labels, budget.unwrap_or(0), task.seed)?;
    Ok((fitted, labels))
}

/// Puts labels that a baseline learned from in the place of its scores of the same points, as an agent's label overrides stand: above or below all other
/// scores.
fn apply_labels(scores: &mut [SeriesScores], labels: &[Labels], series: &[Series], part: Part) {
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
        scores.alarms = Alarm::above(&scores.scores, threshold);
    }
}

/// The threshold with the best strict F1 on a part.
fn validation(scores: &[SeriesScores], data: &DataSet, part: Part) -> Option<Validation> {
    let joined = join(scores, data, part).ok()?;
    let scored = joined.scored();
    let threshold = rlad::metrics::best_threshold(&scored, Goal::Strict).threshold?;
    let labelled_points = scored.iter().flat_map(ScoredSeries::truth).filter(|label| label.is_some()).count();
    Some(Validation { threshold, labelled_points })
}

/// A question to a simulated expert about a point of the training part.
fn question<'a>(
    query: &'a Query,
    series: &'a [Series],
    train: Part,
    kind: AnswerKind,
    n_answered: usize,
    budget: usize,
) -> Question<'a> {
    let series = &series[query.series];
    let shown = series.shown(query.point, SHOWN, &series.part(train));
    Question { query, series, shown, kind, n_answered, budget }
}

/// The scores of a part of each series.
fn scores(detector: &dyn Detector, data: &DataSet, part: Part) -> anyhow::Result<Vec<SeriesScores>> {
    data.series.iter().map(|series| Ok(detector.detect_part(series, part)?)).collect()
}

#[cfg(test)]
mod tests {
    use rlad::data::TimeFormat;
    use rlad::{Answer, Span};

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
            alarms: vec![Alarm::None; 4],
            threshold: 0.9,
            model: "m".into(),
        }];
        apply_labels(&mut scores, &[labels], &[series], part);
        let [first, missing, third, last] = scores[0].scores[..] else { panic!("four scores") };
        assert!(first > 0.9 && third < 0.0 && missing.is_nan() && last.to_bits() == 0.5_f64.to_bits());
    }
}

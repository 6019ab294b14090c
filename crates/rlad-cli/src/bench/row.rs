//! Rows: the metrics of runs, and their mean and spread over seeds.

use rlad::data::DataSet;
use rlad::metrics::{EvaluateOptions, Joined, NabOptions, ScoredSeries, join};
use serde::Serialize;
use serde_json::Value;

use super::per_series::{SeriesQuality, in_each_series, means};
use super::run::{Outcome, RunScores, Task};
use super::schedule::PlannedRun;
use super::suite::Suite;
use super::weeks::{WeekQuality, alarm_share, in_each_week};

/// One detector with one seed, after one budget, at one threshold.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// The detector's name.
    pub(crate) name: String,
    /// The index of its entry in the suite.
    #[serde(skip)]
    pub(crate) entry: usize,
    /// The seed.
    pub(crate) seed: u64,
    /// The budget, for a detector that asks.
    pub(crate) budget: Option<usize>,
    /// How the threshold came about.
    pub(crate) threshold_rule: String,
    /// The questions that were asked.
    pub(crate) questions: usize,
    /// The labels that were read, for the threshold too.
    pub(crate) labelled_points: usize,
    /// Seconds to fit, and to score the test part.
    pub(crate) fit_seconds: f64,
    /// Seconds to score the test part.
    pub(crate) score_seconds: f64,
    /// The largest memory of the run, in bytes.
    pub(crate) peak_memory: Option<u64>,
    /// The metrics, as `rlad evaluate --json` has them; null where the run failed.
    pub(crate) metrics: Value,
    /// The quality in each series, where each is run alone; empty otherwise.
    #[serde(skip)]
    pub(crate) series: Vec<SeriesQuality>,
    /// The quality in each week of a live run; empty otherwise.
    #[serde(skip)]
    pub(crate) weeks: Vec<WeekQuality>,
    /// Why the run failed, if it did.
    pub(crate) error: Option<String>,
}

/// The rows of one run. A result that cannot be measured is a row that says why: a run that failed, a budget without a result, scores
/// that cannot be read or that lack points.
pub(crate) fn rows(
    suite: &Suite,
    planned: &PlannedRun,
    outcome: &Outcome,
    data: &DataSet,
    delay: usize,
) -> anyhow::Result<Vec<Row>> {
    let task = &planned.task;
    let row = |budget: Option<usize>, scored: Option<&RunScores>, result: Result<Measured<'_>, String>| {
        let (measured, error) = match result {
            Ok(measured) => (measured, None),
            Err(error) => (Measured::default(), Some(error)),
        };
        Row {
            name: task.entry.name.clone(),
            entry: planned.entry,
            seed: task.seed,
            budget,
            threshold_rule: measured.threshold_rule.to_owned(),
            questions: scored.map_or(0, |scored| scored.questions),
            labelled_points: measured.labelled_points,
            fit_seconds: scored.map_or(outcome.seconds, |scored| scored.fit_seconds),
            score_seconds: scored.map_or(0.0, |scored| scored.score_seconds),
            peak_memory: outcome.peak_memory,
            metrics: measured.metrics,
            series: measured.series,
            weeks: measured.weeks,
            error,
        }
    };
    if let Some(error) = &outcome.error {
        return Ok(vec![row(None, None, Err(error.clone()))]);
    }
    let mut rows = Vec::new();
    for budget in budgets(task) {
        let scored = outcome.results.iter().find(|scored| scored.budget == budget);
        if scored.is_none() && outcome.is_partial {
            continue;
        }
        let (scored, scores) = match (scored, scores(task, outcome, budget, data)) {
            (Some(scored), Ok(scores)) => (scored, scores),
            (scored, scores) => {
                rows.push(row(budget, scored, Err(scores.err().unwrap_or_default())));
                continue;
            }
        };
        let series = if suite.each_series_alone { in_each_series(&scores, delay)? } else { Vec::new() };
        let mut metrics_at_own = match suite.each_series_alone {
            true => means(&series, delay),
            false => metrics(suite, &scores.scored(), delay)?,
        };
        if let Some(expected) = scored.expected {
            metrics_at_own["expected"] = serde_json::to_value(expected)?;
        }
        let weeks = if suite.is_live() { in_each_week(&scores, task.test, delay)? } else { Vec::new() };
        if suite.is_live() {
            metrics_at_own["alarm_share"] = alarm_share(&scores).into();
        }
        let own = Measured {
            threshold_rule: &scored.threshold_rule,
            labelled_points: scored.labelled_points,
            metrics: metrics_at_own,
            series,
            weeks,
        };
        rows.push(row(budget, Some(scored), Ok(own)));
        if let Some(validation) = scored.validation {
            let best = Measured {
                threshold_rule: "best F1 on training labels",
                labelled_points: scored.labelled_points + validation.labelled_points,
                metrics: metrics(suite, &scores.at_threshold(validation.threshold), delay)?,
                series: Vec::new(),
                weeks: Vec::new(),
            };
            rows.push(row(budget, Some(scored), Ok(best)));
        }
    }
    Ok(rows)
}

/// Whether a run, or one of its budgets, came to nothing that can be measured.
pub(crate) fn has_failed(task: &Task, outcome: &Outcome, data: &DataSet) -> bool {
    let lacks = |budget| scores(task, outcome, budget, data).is_err();
    outcome.error.is_some() || (!outcome.is_partial && budgets(task).into_iter().any(lacks))
}

/// The budgets of which a run owes results; `None` alone for what does not ask.
fn budgets(task: &Task) -> Vec<Option<usize>> {
    if task.budgets.is_empty() { vec![None] } else { task.budgets.iter().copied().map(Some).collect() }
}

/// The metrics of scores at one threshold.
#[derive(Debug, Default)]
struct Measured<'a> {
    threshold_rule: &'a str,
    labelled_points: usize,
    metrics: Value,
    series: Vec<SeriesQuality>,
    weeks: Vec<WeekQuality>,
}

/// The scores after one budget: one a series of the data, of the points of the test part, in their order. A point that the
/// file names without a score is no alarm.
///
/// # Errors
/// In words, if there are none, or not of all series and points.
fn scores<'a>(task: &Task, outcome: &Outcome, budget: Option<usize>, data: &'a DataSet) -> Result<Joined<'a>, String> {
    let Some(scored) = outcome.results.iter().find(|scored| scored.budget == budget) else {
        return Err(match budget {
            Some(budget) => format!("it gave no scores after {budget} questions"),
            None => "it gave no scores".to_owned(),
        });
    };
    let found = rlad::data::read_scores(&task.out.join(&scored.scores))
        .map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    let lacks = |name: &str| format!("`{}` lacks the series `{name}`", scored.scores);
    if let Some(series) = data.series.iter().find(|series| found.iter().all(|scores| scores.series != series.name())) {
        return Err(lacks(series.name()));
    }
    let joined = join(&found, data, task.test).map_err(|error| error.to_string())?;
    if let Some(name) = joined.without_scores.first() {
        return Err(lacks(name));
    }
    match joined.series.iter().find(|one| one.n_unscored > 0) {
        Some(one) => Err(format!(
            "`{}` lacks {} of the {} points of the series `{}`",
            scored.scores,
            one.n_unscored,
            one.scores.len(),
            one.series.name()
        )),
        None => Ok(joined),
    }
}

/// The metrics of scores of the test part.
fn metrics(suite: &Suite, scored: &[ScoredSeries<'_>], delay: usize) -> anyhow::Result<Value> {
    let nab = Some(NabOptions { probation: suite.nab_probation });
    let options = EvaluateOptions { delay, nab, ..EvaluateOptions::default() };
    Ok(serde_json::to_value(rlad::evaluate(scored, &options))?)
}

/// The rows of one detector, budget and threshold rule: one a seed.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    /// The rows, at least one.
    pub(crate) rows: Vec<&'a Row>,
}

/// A mean over seeds and the sample deviation, which needs two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The mean.
    pub(crate) mean: f64,
    /// The sample standard deviation.
    pub(crate) deviation: Option<f64>,
}

/// The groups of rows, in the order of the suite, of the budgets, and of the rows.
pub(crate) fn groups(rows: &[Row]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in rows {
        let same = |other: &Row| {
            (other.entry, other.budget, &other.threshold_rule, &other.error)
                == (row.entry, row.budget, &row.threshold_rule, &row.error)
        };
        match groups.iter_mut().find(|group| same(group.rows[0])) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { rows: vec![row] }),
        }
    }
    groups.sort_by_key(|group| (group.rows[0].entry, group.rows[0].budget));
    groups
}

impl Group<'_> {
    /// The first row, which has name, budget and threshold rule of all.
    pub(crate) fn first(&self) -> &Row {
        self.rows[0]
    }

    /// A metric over the seeds, by its JSON pointer (`/strict/f1`); `None` where no row has it.
    pub(crate) fn metric(&self, pointer: &str) -> Option<Spread> {
        self.spread(|row| row.metrics.pointer(pointer).and_then(Value::as_f64))
    }

    /// Any number over the seeds.
    pub(crate) fn spread(&self, of: impl Fn(&Row) -> Option<f64>) -> Option<Spread> {
        let values: Vec<f64> = self.rows.iter().copied().filter_map(of).collect();
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Spread { mean, deviation: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(entry: usize, seed: u64, budget: Option<usize>, f1: f64) -> Row {
        Row {
            name: format!("detector {entry}"),
            entry,
            seed,
            budget,
            threshold_rule: "own".to_owned(),
            questions: 0,
            labelled_points: 0,
            fit_seconds: 0.0,
            score_seconds: 0.0,
            peak_memory: None,
            metrics: json!({"strict": {"f1": f1}}),
            series: Vec::new(),
            weeks: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn seeds_are_one_group_with_mean_and_deviation() {
        let rows = [row(1, 0, None, 0.5), row(0, 0, Some(20), 0.2), row(0, 0, Some(10), 0.1), row(1, 1, None, 0.7)];
        let groups = groups(&rows);
        assert_eq!(groups.iter().map(|group| group.rows.len()).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(groups[0].first().budget, Some(10));
        assert_eq!(groups[0].metric("/strict/f1"), Some(Spread { mean: 0.1, deviation: None }));
        let spread = groups[2].metric("/strict/f1").unwrap();
        assert!((spread.mean - 0.6).abs() < 1e-12 && (spread.deviation.unwrap() - 0.02_f64.sqrt()).abs() < 1e-12);
        assert_eq!(groups[2].metric("/strict/f2"), None);
    }
}

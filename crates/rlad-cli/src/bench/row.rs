//! Rows: what the scores of runs come to, and their mean and spread over seeds.

use std::collections::HashMap;

use rlad::{DataSet, EvaluateOptions, Judged, Label, NabOptions, SeriesScores};
use serde::Serialize;
use serde_json::Value;

use super::run::{Outcome, Scored};
use super::schedule::Planned;
use super::suite::Suite;

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
    /// Why the run failed, if it did.
    pub(crate) error: Option<String>,
}

/// The rows of one run.
pub(crate) fn rows(
    suite: &Suite,
    planned: &Planned,
    outcome: &Outcome,
    data: &DataSet,
    delay: usize,
) -> anyhow::Result<Vec<Row>> {
    let row =
        |scored: Option<&Scored>, rule: &str, labelled_points: usize, metrics: Value, error: Option<String>| Row {
            name: planned.task.entry.name.clone(),
            entry: planned.entry,
            seed: planned.task.seed,
            budget: scored.and_then(|scored| scored.budget),
            threshold_rule: rule.to_owned(),
            questions: scored.map_or(0, |scored| scored.questions),
            labelled_points,
            fit_seconds: scored.map_or(outcome.seconds, |scored| scored.fit_seconds),
            score_seconds: scored.map_or(0.0, |scored| scored.score_seconds),
            peak_memory: outcome.peak_memory,
            metrics,
            error,
        };
    if let Some(error) = &outcome.error {
        return Ok(vec![row(None, "", 0, Value::Null, Some(error.clone()))]);
    }
    let mut rows = Vec::new();
    for scored in &outcome.results {
        let scores = rlad::read_scores(&planned.task.out.join(&scored.scores))?;
        let own = metrics(suite, data, &scores, None, delay)?;
        rows.push(row(Some(scored), &scored.threshold_rule, scored.labelled_points, own, None));
        if let Some(validation) = scored.validation {
            let metrics = metrics(suite, data, &scores, Some(validation.threshold), delay)?;
            let n_read = scored.labelled_points + validation.labelled_points;
            rows.push(row(Some(scored), "best F1 on training labels", n_read, metrics, None));
        }
    }
    Ok(rows)
}

/// The metrics of scores on the test part, at their own threshold or another. A point without a score is no alarm.
fn metrics(
    suite: &Suite,
    data: &DataSet,
    scores: &[SeriesScores],
    threshold: Option<f64>,
    delay: usize,
) -> anyhow::Result<Value> {
    let by_name: HashMap<&str, &SeriesScores> = scores.iter().map(|scores| (scores.series.as_str(), scores)).collect();
    // [series](truth, scores, threshold)
    let mut joined: Vec<(&[Option<Label>], Vec<f64>, f64)> = Vec::new();
    for member in &data.members {
        let Some(truth) = &member.truth else { continue };
        let points = member.series.part(suite.test);
        let timestamps = &member.series.timestamps()[points.clone()];
        let (found, own) = match by_name.get(member.series.name()) {
            Some(scores) if scores.timestamps == timestamps => (scores.scores.clone(), scores.threshold),
            Some(scores) => {
                let at: HashMap<i64, f64> =
                    scores.timestamps.iter().copied().zip(scores.scores.iter().copied()).collect();
                (timestamps.iter().map(|time| at.get(time).copied().unwrap_or(f64::NAN)).collect(), scores.threshold)
            }
            None => (vec![f64::NAN; timestamps.len()], 0.0),
        };
        joined.push((&truth.labels()[points], found, threshold.unwrap_or(own)));
    }
    let judged: Vec<Judged<'_>> =
        joined.iter().map(|(truth, scores, threshold)| Judged { truth, scores, threshold: *threshold }).collect();
    let nab = Some(NabOptions { probation: suite.nab_probation });
    let options = EvaluateOptions { delay, nab, ..EvaluateOptions::default() };
    Ok(serde_json::to_value(rlad::evaluate(&judged, &options))?)
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
            (other.entry, other.budget, &other.threshold_rule, other.error.is_some())
                == (row.entry, row.budget, &row.threshold_rule, row.error.is_some())
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
    /// What all rows have in common.
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

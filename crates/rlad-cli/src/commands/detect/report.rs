//! The report of scored data: what `report` draws, from a detector, its data and its session.

use std::collections::HashMap;
use std::path::Path;

use rlad::data::{DataSet, Event, Part, SeriesScores, events};
use rlad::metrics::{Evaluation, Quality};
use rlad::{Detector, Label, Saved, Series};
use serde_json::Value;

use crate::evaluation::{Check, quality_line, rows};
use crate::findings::Findings;
use crate::folder::{self, read_history};
use crate::log::{AnnotationState, AnswerLog, times};
use crate::report::{CurvePoint, MetricRow, ModelFacts, Report, ReportQuestion, ReportSeries};

/// The rows of a table of metrics that are at the best threshold, at its end.
const N_BEST: usize = 2;
/// The digits of a model's hash that a report shows.
const HASH_DIGITS: usize = 16;

/// Said where nothing tells the quality.
const UNKNOWN: &str =
    "These data have no labels, and too few answers were about points drawn at random to say how good the detector is.";

/// One of the numbers of a metric.
type Figure = fn(Quality) -> Option<f64>;

/// Scored data, and what was found in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoredPart<'a> {
    /// The detector.
    pub(crate) saved: &'a Saved,
    /// The data.
    pub(crate) data: &'a DataSet,
    /// The scores of the same part of each series.
    pub(crate) scores: &'a [SeriesScores],
    /// The events in them, of one series after another.
    pub(crate) events: &'a [Event],
    /// The findings.
    pub(crate) findings: &'a Findings,
    /// The quality that its session expects, in words; `None` where it expects none.
    pub(crate) expected: Option<&'a str>,
}

/// Writes the report of a detector on scored data. `measured`: the part on which quality is measured. `session` is the folder that
/// holds the questions and the history; `before` is a detector to compare with: what was known before the questions.
pub(crate) fn write_report(
    path: &Path,
    of: &ScoredPart<'_>,
    measured: Part,
    session: Option<&Path>,
    before: Option<&dyn Detector>,
) -> anyhow::Result<()> {
    let ScoredPart { saved, data, scores: all, events: found, findings, expected } = *of;
    let mut questions = match session {
        Some(folder) => questions(folder, data)?,
        None => HashMap::new(),
    };
    // What was learned from other data is no part of the story of these.
    let is_of_session = data.has_truth() || !questions.is_empty();
    let history = session.filter(|_| is_of_session).map(read_history).transpose()?.unwrap_or_default();
    let measured_on =
        if measured == Part::ALL { "every point".to_owned() } else { format!("the part {measured} of each series") };
    let (metrics, after) = metrics(saved.detector(), data, measured, before)?;
    let quality = match (after, expected) {
        (Some(after), _) => format!("Against the labels, on {measured_on}: {}.", quality_line(&after)),
        (None, Some(expected)) => format!("{}.", capitalised(expected)),
        (None, None) => UNKNOWN.to_owned(),
    };
    let mut left = found;
    let series = data
        .iter()
        .zip(all)
        .map(|((series, truth), scored)| {
            let truth = truth.map(|truth| {
                let anomalous: Vec<bool> = truth.labels().iter().map(|label| *label == Some(Label::Anomaly)).collect();
                events(&anomalous)
            });
            let first = scored.timestamps.first().map_or(0, |first| series.timestamps().partition_point(|t| t < first));
            let mut scores = vec![f64::NAN; series.len()];
            scores[first..first + scored.scores.len()].copy_from_slice(&scored.scores);
            let points = scored.event_points();
            let (of_series, rest) = left.split_at(points.len().min(left.len()));
            left = rest;
            ReportSeries {
                n_alarms: scored.alarms.iter().filter(|alarm| alarm.is_raised()).count(),
                series,
                scores,
                events: points.into_iter().map(|points| points.start + first..points.end + first).collect(),
                why: of_series.iter().map(|event| event.why.clone()).collect(),
                truth,
                questions: questions.remove(series.name()).unwrap_or_default(),
            }
        })
        .collect();
    let report = Report {
        title: title(data),
        findings,
        quality,
        created: jiff::Timestamp::now(),
        model: ModelFacts {
            hash: saved.hash()[..HASH_DIGITS].to_owned(),
            method: match saved {
                Saved::Model(model) => format!("the agent, preset {}", model.config().preset),
                Saved::Baseline(baseline) => baseline.method().name().to_owned(),
            },
            seed: saved.seed(),
            n_questions: saved.n_questions(),
            n_labelled: saved.n_labelled_points(),
            threshold: saved.detector().threshold(),
        },
        measured_on,
        metrics,
        curve: history.iter().map(curve_point).collect(),
        series,
    };
    Ok(crate::report::write(path, &report)?)
}

/// A text with a large first letter.
fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The title of a report, in a few words.
fn title(data: &DataSet) -> String {
    match data.series.as_slice() {
        [only] => only.name().to_owned(),
        series => format!("{} series", series.len()),
    }
}

/// The metrics on a part of the data, and the detector's evaluation, where there is truth.
fn metrics(
    detector: &dyn Detector,
    data: &DataSet,
    part: Part,
    before: Option<&dyn Detector>,
) -> anyhow::Result<(Vec<MetricRow>, Option<Evaluation>)> {
    if !data.has_truth() {
        return Ok((Vec::new(), None));
    }
    let check = Check { part, data };
    let after = check.evaluate(detector)?;
    let before = before.map(|detector| check.evaluate(detector)).transpose()?;
    let mut table = Vec::new();
    let earlier = before.as_ref().map(rows);
    let n_own = rows(&after).len() - N_BEST;
    for (i, (name, metric)) in rows(&after).into_iter().take(n_own).enumerate() {
        let earlier = earlier.as_ref().map(|rows| rows[i].1);
        let best = |evaluation: &Evaluation| match i {
            0 => Some(evaluation.best.strict.quality),
            1 => Some(evaluation.best.delay.quality),
            _ => None,
        };
        let (oracle_before, oracle_after) = (before.as_ref().and_then(best), best(&after));
        let what: [(&str, Figure); 3] =
            [("precision", |q| q.precision), ("recall", |q| q.recall), ("F1", |q| Some(q.f1))];
        table.extend(what.map(|(what, of)| MetricRow {
            name: format!("{name}: {what}"),
            before: earlier.and_then(of),
            after: of(metric),
            oracle_before: oracle_before.and_then(of),
            oracle_after: oracle_after.and_then(of),
        }));
    }
    Ok((table, Some(after)))
}

/// A round of the history as a point of the learning curve.
fn curve_point(round: &Value) -> CurvePoint {
    CurvePoint {
        n_questions: round["questions"].as_u64().map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
        f1: round["check"]["strict"]["f1"].as_f64(),
        expected: round["expected"]["f1"]["expected"].as_f64(),
        expected_low: round["expected"]["f1"]["low"].as_f64(),
        expected_high: round["expected"]["f1"]["high"].as_f64(),
        loss: round["loss"].as_f64(),
    }
}

/// The questions of a session about points of these data, with the answers that stand, by the name of their series.
fn questions(folder: &Path, data: &DataSet) -> anyhow::Result<HashMap<String, Vec<ReportQuestion>>> {
    let mut questions: HashMap<String, Vec<ReportQuestion>> = HashMap::new();
    let path = folder.join(folder::LABELS);
    let by_name: HashMap<&str, &Series> = data.series.iter().map(|series| (series.name(), series)).collect();
    if path.exists() {
        let annotations = AnnotationState::of(AnswerLog::open(&path)?.entries()?);
        for id in annotations.questions() {
            let Some((_, _, logged)) = annotations.answers_to(id).last() else { continue };
            let Some(asked) = &logged.question else { continue };
            // Data of the same name may be others: new ones, or a file that begins later.
            let is_of = |series: &Series| {
                let ends = logged.annotation.spans().iter().map(|span| span.last).max().unwrap_or(0);
                asked.point.max(ends) < series.len() && times(&logged.annotation, series, asked.point) == logged.times
            };
            if !by_name.get(&*logged.series).is_some_and(|series| is_of(series)) {
                continue;
            }
            questions.entry(logged.series.clone()).or_default().push(ReportQuestion {
                id,
                round: asked.round,
                point: asked.point,
                reason: asked.reason,
                answer: logged.annotation.as_answer(),
            });
        }
    }
    Ok(questions)
}

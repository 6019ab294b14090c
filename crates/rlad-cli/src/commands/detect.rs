//! `rlad detect`: scores data with a trained detector, or by a method that needs no training of its own.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rlad::baselines::Baseline;
use rlad::data::{Catalogue, DataSet, Event, ListedSeries, Part, ScoresWriter, SeriesScores, events};
use rlad::metrics::{Evaluation, Quality};
use rlad::{Detector, Label, Saved};
use serde_json::Value;

use crate::advice::Advice;
use crate::args::DetectArgs;
use crate::evaluation::{Check, rows};
use crate::folder::{self, read_history};
use crate::input::{open_saved, read};
use crate::log::{AnnotationState, AnswerLog};
use crate::memory::give_back;
use crate::output::{print, print_notes, print_roles};
use crate::progress::Progress;
use crate::report::{CurvePoint, MetricRow, ModelFacts, Report, ReportQuestion, ReportSeries};
use crate::settings::{method, use_threads};

/// The exit code of `--check` where a point is anomalous.
const ANOMALOUS: u8 = 1;
/// The rows of a table of metrics that are at the best threshold, at its end.
const N_BEST: usize = 2;
/// The digits of a model's hash that a report shows.
const HASH_DIGITS: usize = 16;

/// One of the numbers of a metric.
type Figure = fn(Quality) -> Option<f64>;

/// Points times channels that are read at once, where the data are read in groups of series.
const GROUP: usize = 1_000_000;

/// Data to score.
enum ScoredData {
    /// All of them in memory.
    Whole(DataSet),
    /// Where they are.
    Listed(Catalogue),
}

/// Runs the command.
pub(crate) fn run(args: &DetectArgs) -> anyhow::Result<ExitCode> {
    use_threads(args.threads)?;
    let (mut detector, mut data) = open(args)?;
    if args.without_answers {
        detector = detector.without_answers();
    }
    if args.decision.given().is_some() {
        detector = detector.with_decision(|decision| args.decision.change(decision))?;
    }
    let part = args.form.part.unwrap_or_default();
    if args.adapt {
        let scores = own_scores(detector.detector(), &mut data, part)?;
        detector = detector.adapted(&scores);
    }
    let found = Found { events: args.events.is_some().then(Vec::new), ..Found::default() };
    let found = match &mut data {
        ScoredData::Whole(data) => score_whole(&detector, data, part, &args.out, found)?,
        ScoredData::Listed(catalogue) => score_in_groups(&detector, catalogue, part, &args.out, GROUP, found)?,
    };
    if let (Some(path), Some(events)) = (&args.events, &found.events) {
        rlad::data::write_events(path, events)?;
    }
    if let (Some(path), ScoredData::Whole(data)) = (&args.report, &data) {
        let session =
            args.paths.first().filter(|path| args.method.name.is_none() && path.join(folder::LABELS).exists());
        write_report(path, &detector, data, part, session.map(PathBuf::as_path), None)?;
    }
    print(&format!(
        "{} series, {} points, {} anomalous in {} events: {}",
        found.n_series,
        found.n_points,
        found.n_anomalous,
        found.n_events,
        args.out.display()
    ))?;
    Ok(if args.check && found.n_anomalous > 0 { ExitCode::from(ANOMALOUS) } else { ExitCode::SUCCESS })
}

/// The detector and the data: a trained one and what stands after it, or a method that is fitted on the data.
fn open(args: &DetectArgs) -> anyhow::Result<(Saved, ScoredData)> {
    match &args.method.name {
        Some(name) => {
            let data = read(&args.paths, &args.form)?;
            let method = method(name, &args.method.settings)?;
            if method.learns_from_labels() {
                return Err(Advice::error(
                    format!("`{name}` learns from labels, so it must be trained first"),
                    format!(
                        "train it with `rlad train DATA… --session DIR --method {name}`, then `rlad detect DIR DATA…`"
                    ),
                ));
            }
            let part = args.method.fit_part.unwrap_or_default();
            let baseline = Baseline::fit(&method, &data.series, part, &[], 0, args.method.seed.unwrap_or(0))?;
            Ok((Saved::Baseline(baseline), ScoredData::Whole(data)))
        }
        None => {
            let [model, data @ ..] = args.paths.as_slice() else { unreachable!("a path is required") };
            if data.is_empty() {
                return Err(Advice::error(
                    format!("there are no data to score after `{}`", model.display()),
                    "name the model first, then the data; or a `--method` that needs no model".to_owned(),
                ));
            }
            let detector = open_saved(model)?;
            // A report shows all series, and a pipe can be read once only.
            let is_whole = args.report.is_some() || data.iter().any(|path| is_pipe(path));
            let data = if is_whole {
                ScoredData::Whole(read(data, &args.form)?)
            } else {
                let catalogue = Catalogue::of(data, &args.form.options())?;
                print_roles(&catalogue.roles());
                ScoredData::Listed(catalogue)
            };
            Ok((detector, data))
        }
    }
}

/// The findings in the series that were scored.
#[derive(Debug, Default, PartialEq)]
struct Found {
    n_series: usize,
    n_points: usize,
    n_anomalous: usize,
    n_events: usize,
    /// The events themselves, where they are to be written: many of them take memory.
    events: Option<Vec<Event>>,
}

impl Found {
    fn add(&mut self, scores: &SeriesScores) {
        self.n_series += 1;
        self.n_points += scores.scores.len();
        let events = scores.events();
        self.n_anomalous += events.iter().map(|event| event.n_points).sum::<usize>();
        self.n_events += events.len();
        if let Some(all) = &mut self.events {
            all.extend(events);
        }
    }
}

/// The detector's own scores of the points that are to be scored, of all series.
fn own_scores(detector: &dyn Detector, data: &mut ScoredData, part: Part) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    match data {
        ScoredData::Whole(data) => {
            for series in &data.series {
                all.extend(detector.score_points(series, series.part(part))?);
            }
        }
        ScoredData::Listed(catalogue) => {
            let series = catalogue.series().to_vec();
            for group in groups(&series, GROUP) {
                let names: Vec<&str> = series[group].iter().map(|series| series.name.as_str()).collect();
                for series in catalogue.read(&names)?.series {
                    all.extend(detector.score_points(&series, series.part(part))?);
                }
            }
        }
    }
    Ok(all)
}

/// Scores data that are in memory, writes the scores and adds to what was found.
fn score_whole(detector: &Saved, data: &DataSet, part: Part, out: &Path, mut found: Found) -> anyhow::Result<Found> {
    let scores = score(detector.detector(), data, part)?;
    rlad::data::write_scores(out, &scores)?;
    scores.iter().for_each(|scores| found.add(scores));
    Ok(found)
}

/// Reads, scores and writes data in groups of series, so that no more than a group is held: of at most `max_cells` points
/// times channels, or of one series. The file and what is found are those of [`score_whole`].
fn score_in_groups(
    detector: &Saved,
    catalogue: &mut Catalogue,
    part: Part,
    out: &Path,
    max_cells: usize,
    mut found: Found,
) -> anyhow::Result<Found> {
    let series = catalogue.series().to_vec();
    let mut bar = Progress::new("scoring", series.iter().map(|series| series.n_points as u64).sum());
    let mut n_done = 0;
    let forms: Vec<_> = series.iter().map(|series| (series.name.as_str(), series.time_format)).collect();
    let mut writer = ScoresWriter::create(out, &forms)?;
    for group in groups(&series, max_cells) {
        let names: Vec<&str> = series[group].iter().map(|series| series.name.as_str()).collect();
        for series in catalogue.read(&names)?.series {
            let scored = detector.detector().detect_part(&series, part);
            let written = scored.and_then(|scores| {
                found.add(&scores);
                writer.write(&scores)
            });
            if let Err(error) = written {
                // What is odd about the data may be why.
                print_notes(&catalogue.notes());
                return Err(error.into());
            }
            n_done += series.len() as u64;
            bar.set(n_done);
        }
        give_back();
    }
    drop(bar);
    print_notes(&catalogue.notes());
    writer.finish()?;
    Ok(found)
}

/// Parts series into groups of at most `max_cells` points times channels, each of at least one series.
fn groups(series: &[ListedSeries], max_cells: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut n_cells = 0;
    for (index, series) in series.iter().enumerate() {
        let of_series = series.n_points.saturating_mul(series.n_channels);
        match groups.last_mut() {
            Some(last) if of_series <= max_cells - n_cells => last.end = index + 1,
            _ => {
                groups.push(index..index + 1);
                n_cells = 0;
            }
        }
        n_cells = n_cells.saturating_add(of_series).min(max_cells);
    }
    groups
}

/// Whether a path leads to something that can be read once only.
fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// The scores of a part of each series; what lies before the part is read for context.
pub(crate) fn score(detector: &dyn Detector, data: &DataSet, part: Part) -> anyhow::Result<Vec<SeriesScores>> {
    let mut bar = Progress::new("scoring", data.n_points() as u64);
    let mut n_done = 0;
    let mut all = Vec::with_capacity(data.series.len());
    for series in &data.series {
        all.push(detector.detect_part(series, part)?);
        n_done += series.len() as u64;
        bar.set(n_done);
    }
    Ok(all)
}

/// Writes the report of a model on a part of data. `session` is the folder that holds the questions and the history;
/// `before` is a detector to compare with: what was known before the questions.
pub(crate) fn write_report(
    path: &Path,
    saved: &Saved,
    data: &DataSet,
    part: Part,
    session: Option<&Path>,
    before: Option<&dyn Detector>,
) -> anyhow::Result<()> {
    let all = score(saved.detector(), data, Part::ALL)?;
    let mut questions = match session {
        Some(folder) => questions(folder)?,
        None => HashMap::new(),
    };
    let history = session.map(read_history).transpose()?.unwrap_or_default();
    let series = data
        .iter()
        .zip(&all)
        .map(|((series, truth), scores)| {
            let truth = truth.map(|truth| {
                let anomalous: Vec<bool> = truth.labels().iter().map(|label| *label == Some(Label::Anomaly)).collect();
                events(&anomalous)
            });
            let found = scores.event_points();
            ReportSeries {
                n_alarms: scores.alarms.iter().filter(|alarm| alarm.is_raised()).count(),
                series,
                scores: &scores.scores,
                events: found,
                truth,
                questions: questions.remove(series.name()).unwrap_or_default(),
            }
        })
        .collect();
    let report = Report {
        title: title(data),
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
        measured_on: if part == Part::ALL {
            "every point".to_owned()
        } else {
            format!("the part {part} of each series")
        },
        metrics: metrics(saved.detector(), data, part, before)?,
        curve: history.iter().map(curve_point).collect(),
        series,
    };
    Ok(crate::report::write(path, &report)?)
}

/// The title of a report, in a few words.
fn title(data: &DataSet) -> String {
    match data.series.as_slice() {
        [only] => only.name().to_owned(),
        series => format!("{} series", series.len()),
    }
}

/// The metrics on a part of the data, where there is truth.
fn metrics(
    detector: &dyn Detector,
    data: &DataSet,
    part: Part,
    before: Option<&dyn Detector>,
) -> anyhow::Result<Vec<MetricRow>> {
    if !data.has_truth() {
        return Ok(Vec::new());
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
    Ok(table)
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

/// The questions of a session with the answers that stand, by the name of their series.
fn questions(folder: &Path) -> anyhow::Result<HashMap<String, Vec<ReportQuestion>>> {
    let mut questions: HashMap<String, Vec<ReportQuestion>> = HashMap::new();
    let path = folder.join(folder::LABELS);
    if path.exists() {
        let annotations = AnnotationState::of(AnswerLog::open(&path)?.entries()?);
        for id in annotations.questions() {
            let Some((_, _, logged)) = annotations.answers_to(id).last() else { continue };
            let Some(asked) = &logged.question else { continue };
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

#[cfg(test)]
mod tests;

//! `rlad detect`: scores data with a trained detector, or by a method that needs no training of its own.

mod report;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rlad::baselines::Baseline;
use rlad::data::{Calendar, Catalogue, DataSet, Event, ListedSeries, Part, ScoresWriter, SeriesScores};
use rlad::{Detector, Model, Saved, Series};
use serde_json::{Value, json};

pub(crate) use self::report::{ScoredPart, write_report};
use crate::advice::Advice;
use crate::annotate::DataSource;
use crate::args::{DataArgs, DetectArgs};
use crate::commands::ending::{evaluate_command, label_command, lines_of, next, same_command_with};
use crate::findings::Findings;
use crate::folder::{self, Folder};
use crate::grounds::expected_line;
use crate::input::{calendar_beside, is_data, open_saved, read};
use crate::memory::give_back;
use crate::output::{print, print_json, print_notes, print_roles};
use crate::outputs::check_outputs;
use crate::plot::{make_plots_folder, write_plot};
use crate::progress::Progress;
use crate::settings::{method, use_threads};

/// The exit code of `--check` where a point is anomalous.
const ANOMALOUS: u8 = 1;
/// Points times channels that are read at once, where the data are read in groups of series.
const GROUP: usize = 1_000_000;

/// Data to score.
enum ScoredData {
    /// All of them in memory.
    Whole(DataSet),
    /// Where they are.
    Listed(Box<Catalogue>),
}

/// Runs the command.
pub(crate) fn run(args: &DetectArgs) -> anyhow::Result<ExitCode> {
    use_threads(args.threads)?;
    let outputs = [
        ("--out", Some(args.out.as_path())),
        ("--events", args.events.as_deref()),
        ("--report", args.report.as_deref()),
        ("--plots", args.plots.as_deref()),
    ];
    let inputs: Vec<PathBuf> = args.paths.iter().chain(&args.calendar).cloned().collect();
    check_outputs(&outputs, &inputs)?;
    let calendar = args.calendar.as_ref().map(Calendar::read).transpose()?;
    let (mut detector, mut data) = open(args)?;
    if let Some(calendar) = calendar {
        detector = detector.with_calendar(calendar);
    } else if let Some(path) =
        args.paths.first().filter(|_| args.method.name.is_none()).and_then(|path| calendar_beside(path))
    {
        print_notes(&[format!("what `{}` expects is no alarm", path.display())]);
    }
    if args.without_answers {
        detector = detector.without_answers();
    }
    if args.decision.given().is_some() {
        detector = detector.with_decision(|decision| args.decision.change(decision))?;
    }
    let part = args.form.part.unwrap_or_default();
    if args.adapt
        && let Saved::Model(model) = &detector
    {
        let scores = own_scores(model, &mut data, part)?;
        detector = detector.adapted(&scores);
    }
    let session = args.paths.first().filter(|path| args.method.name.is_none() && path.join(folder::LABELS).exists());
    let wanted = Wanted {
        explains: args.json || args.events.is_some() || args.report.is_some() || args.plots.is_some(),
        knows_answers: session.is_some(),
        keeps_events: args.events.is_some() || args.report.is_some(),
        plots: args.plots.as_deref(),
    };
    if let Some(folder) = wanted.plots {
        make_plots_folder(folder)?;
    }
    let found = Found::new(wanted);
    // The session's figures are of the decision that it was trained with.
    let is_as_trained = args.decision.given().is_none() && !args.adapt;
    let history = session.filter(|_| is_as_trained).map(|folder| folder::read_history(folder)).transpose()?;
    let expected = history.as_ref().and_then(|history| history.last()).map_or(&Value::Null, |round| &round["expected"]);
    let (found, scores) = match &mut data {
        ScoredData::Whole(data) => score_whole(&detector, data, part, &args.out, found)?,
        ScoredData::Listed(catalogue) => {
            (score_in_groups(&detector, catalogue, part, &args.out, GROUP, found)?, Vec::new())
        }
    };
    if let Some(path) = &args.events {
        rlad::data::write_events(path, &found.events)?;
    }
    if let (Some(path), ScoredData::Whole(data)) = (&args.report, &data) {
        let in_words = expected_line(expected);
        let of = ScoredPart {
            saved: &detector,
            data,
            scores: &scores,
            events: &found.events,
            findings: &found.findings,
            expected: in_words.as_deref(),
        };
        write_report(path, &of, part, session.map(PathBuf::as_path), None)?;
    }
    tell(args, &found.findings, &data, session, expected)?;
    Ok(if args.check && found.findings.n_anomalous > 0 { ExitCode::from(ANOMALOUS) } else { ExitCode::SUCCESS })
}

/// Tells what was found, what quality to expect, where everything lies, and what to do next.
fn tell(
    args: &DetectArgs,
    findings: &Findings,
    data: &ScoredData,
    session: Option<&PathBuf>,
    expected: &Value,
) -> anyhow::Result<()> {
    let files = [
        ("scores", Some(&args.out)),
        ("events", args.events.as_ref()),
        ("report", args.report.as_ref()),
        ("plots", args.plots.as_ref()),
        ("detector", args.paths.first().filter(|_| args.method.name.is_none())),
    ];
    let files = files.into_iter().filter_map(|(name, path)| Some((name, path?)));
    if args.json {
        let mut result = findings.json();
        for (name, path) in files {
            result[name] = json!(path);
        }
        result["expected"] = expected.clone();
        return print_json(&result);
    }
    for line in lines_of(findings).iter().chain(&expected_line(expected)) {
        print(line)?;
    }
    let files: Vec<String> = files.map(|(name, path)| format!("{name} {}", path.display())).collect();
    print(&files.join(", "))?;
    let has_truth = matches!(data, ScoredData::Whole(data) if data.has_truth());
    let of_data = if args.method.name.is_some() { &args.paths[..] } else { &args.paths[1..] };
    let command = if args.report.is_none() && !of_data.iter().any(|path| is_pipe(path)) {
        Some(same_command_with("--report report.html"))
    } else if has_truth && args.form == DataArgs::default() {
        Some(evaluate_command(&args.out, of_data))
    } else {
        let can_ask = session
            .filter(|folder| Folder::has_session(folder) && DataSource::read(folder).is_ok_and(|of| of.is_some()));
        can_ask.map(|folder| label_command(folder))
    };
    command.map_or(Ok(()), |command| print(&next(&command)))
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
            if is_data(model) {
                return Err(Advice::error(
                    format!("`{}` is no detector, but data", model.display()),
                    "the detector comes before the data: `rlad detect MODEL DATA…`".to_owned(),
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
                ScoredData::Listed(Box::new(catalogue))
            };
            Ok((detector, data))
        }
    }
}

/// What is wanted of a detection beside the scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wanted<'a> {
    /// Why each event was called, in full.
    explains: bool,
    /// That the answers of a session may be named.
    knows_answers: bool,
    /// The events themselves: many of them take memory.
    keeps_events: bool,
    /// A picture of each event in this folder.
    plots: Option<&'a Path>,
}

/// The findings in the series that were scored.
#[derive(Debug, Default, PartialEq)]
struct Found<'a> {
    wanted: Wanted<'a>,
    findings: Findings,
    /// All events, where they are wanted.
    events: Vec<Event>,
}

impl<'a> Found<'a> {
    fn new(wanted: Wanted<'a>) -> Self {
        Self { wanted, ..Self::default() }
    }

    fn add(&mut self, detector: &Saved, series: &Series, scores: &SeriesScores) -> rlad::Result<()> {
        let Wanted { explains, knows_answers, keeps_events, plots } = self.wanted;
        let events = self.findings.add(detector.detector(), series, scores, explains, knows_answers)?;
        if let Some(folder) = plots {
            for event in &events {
                write_plot(folder, series, event)?;
            }
        }
        if keeps_events {
            self.events.extend(events);
        }
        Ok(())
    }
}

/// The detector's own scores of the points that are to be scored, of all series; NaN where its calendar expects something.
fn own_scores(model: &Model, data: &mut ScoredData, part: Part) -> anyhow::Result<Vec<f64>> {
    let mut all = Vec::new();
    let mut add = |series: &Series| -> anyhow::Result<()> {
        let points = series.part(part);
        let mut scores = model.score_points(series, points.clone())?;
        if let Some(calendar) = model.calendar() {
            let expected = calendar.of(series.name(), series.clock());
            let at = series.timestamps()[points].iter();
            let is_expected = scores.iter_mut().zip(at).filter(|(_, timestamp)| expected.contains(**timestamp));
            is_expected.for_each(|(score, _)| *score = f64::NAN);
        }
        all.extend(scores);
        Ok(())
    };
    match data {
        ScoredData::Whole(data) => data.series.iter().try_for_each(&mut add)?,
        ScoredData::Listed(catalogue) => {
            let series = catalogue.series().to_vec();
            for group in groups(&series, GROUP) {
                let names: Vec<&str> = series[group].iter().map(|series| series.name.as_str()).collect();
                catalogue.read(&names)?.series.iter().try_for_each(&mut add)?;
            }
        }
    }
    Ok(all)
}

/// Scores data that are in memory, writes the scores and adds to what was found.
fn score_whole<'a>(
    detector: &Saved,
    data: &DataSet,
    part: Part,
    out: &Path,
    mut found: Found<'a>,
) -> anyhow::Result<(Found<'a>, Vec<SeriesScores>)> {
    let scores = score(detector.detector(), data, part)?;
    rlad::data::write_scores(out, &scores)?;
    for (series, scores) in data.series.iter().zip(&scores) {
        found.add(detector, series, scores)?;
    }
    Ok((found, scores))
}

/// Reads, scores and writes data in groups of series, so that no more than a group is held: of at most `max_cells` points
/// times channels, or of one series. The file and what is found are those of [`score_whole`].
fn score_in_groups<'a>(
    detector: &Saved,
    catalogue: &mut Catalogue,
    part: Part,
    out: &Path,
    max_cells: usize,
    mut found: Found<'a>,
) -> anyhow::Result<Found<'a>> {
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
                found.add(detector, &series, &scores)?;
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

#[cfg(test)]
mod tests;

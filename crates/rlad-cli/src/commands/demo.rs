//! `rlad demo`: the whole loop on the data that ship with the program, with a simulated expert.
//!
//! The data are in the program, so it runs from any folder: two series of the AIOps KPI data. (NAB's labels are windows of
//! which most points look as ever, so that strict figures on them say little.) Each series' first 80 % is learned from;
//! what is printed is measured on the rest.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use rlad::data::Part;
use rlad::{Config, Detector, Saved, Session, TruthOracle};
use serde_json::json;

use crate::advice::Advice;
use crate::args::DemoArgs;
use crate::commands::detect::{ScoredPart, score, write_report};
use crate::commands::ending::{begin_command, next};
use crate::evaluation::{Check, quality_line};
use crate::findings::Findings;
use crate::folder::Folder;
use crate::output::{print, print_json};
use crate::shipped::unpack;
use crate::training::Training;

/// The file in a folder that an earlier demo wrote, so that a later one may replace it.
const MARK: &str = "made-by-rlad-demo";
/// The folders of the data, of the demo's session, and of the session that the user is shown how to begin.
const DATA: &str = "data";
const SESSION: &str = "session";
const MINE: &str = "mine";
/// The questions of the user's first session.
const N_TRIED: usize = 30;
/// The part of each series that is learned from, and the part on which quality is measured.
const TRAINED: Part = Part { from: 0.0, to: 0.8 };
const CHECKED: Part = Part { from: 0.8, to: 1.0 };

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let out = &args.out;
    prepare(out)?;
    let data = unpack(&out.join(DATA))?;
    let config = Config { part: TRAINED, questions: args.n_questions.get(), ..Config::default() };
    let session = Session::new(config.clone(), &data.series[..])?;
    let unasked = session.finish()?;
    let check = Check { part: CHECKED, data: &data };
    let before = check.evaluate(&unasked)?;
    if !args.json {
        print(&format!(
            "{} series, {} points; the first 80 % of each is learned from, the rest is measured on",
            data.series.len(),
            data.n_points()
        ))?;
        print(&format!("before any question: {}", quality_line(&before)))?;
    }

    let folder = Folder::create(&out.join(SESSION), &config)?;
    let expert_name = "truth".to_owned();
    let training = Training { session, folder: &folder, check: Some(check), expert_name, shows_progress: true };
    let trained = training.run(&mut TruthOracle::new(&data.truths))?;
    let model = &trained.model;
    let after = check.evaluate(model)?;
    let (scores, report) = (out.join("scores.csv"), out.join("report.html"));
    let all = score(model, &data, Part::ALL)?;
    rlad::data::write_scores(&scores, &all)?;
    let (mut findings, mut events) = (Findings::default(), Vec::new());
    for (series, scores) in data.series.iter().zip(&all) {
        events.extend(findings.add(model, series, scores, true, true)?);
    }
    let saved = Saved::Model(model.clone());
    let of =
        ScoredPart { saved: &saved, data: &data, scores: &all, events: &events, findings: &findings, expected: None };
    write_report(&report, &of, CHECKED, Some(folder.path()), Some(&unasked))?;

    if args.json {
        let result = json!({
            "before": before,
            "after": after,
            "questions": model.n_questions(),
            "labelled_points": model.n_labelled_points(),
            "hash": model.hash(),
            "threshold": model.threshold(),
            "seconds": trained.seconds,
            "out": args.out,
        });
        print_json(&result)?;
    } else {
        print(&format!(
            "after {} questions ({} labels): {}",
            model.n_questions(),
            model.n_labelled_points(),
            quality_line(&after)
        ))?;
        print(&format!("scores {}, report {}", scores.display(), report.display()))?;
        print(&next(&begin_command(&out.join(MINE), &out.join(DATA), N_TRIED)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder for what is kept, or removes the session of an earlier demo from it; a session that the user began there stays.
fn prepare(out: &Path) -> anyhow::Result<()> {
    let failed = |source| rlad::Error::Write { path: out.to_owned(), source };
    if out.exists() && !out.join(MARK).exists() && out.read_dir().map_err(failed)?.next().is_some() {
        return Err(Advice::error(
            format!("`{}` is there already and no demo made it", out.display()),
            "name a folder that is not there yet by `--out`".to_owned(),
        ));
    }
    let session = out.join(SESSION);
    if session.exists() {
        fs::remove_dir_all(&session).map_err(failed)?;
    }
    fs::create_dir_all(out).map_err(failed)?;
    fs::write(
        out.join(MARK),
        "`rlad demo` replaces `data`, `session`, `scores.csv` and `report.html` in this folder.\n",
    )
    .map_err(failed)
    .map_err(Into::into)
}

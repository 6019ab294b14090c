//! `rlad demo`: the whole loop on the data that ship with the program, with a simulated expert.
//!
//! The data are in the program, so it runs from any folder: two series of the AIOps KPI data. (NAB's labels are windows of
//! which most points look as ever, so that strict figures on them say little.) Each series' first 80 % is learned from;
//! what is printed is measured on the rest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rlad::data::{DataSet, Part};
use rlad::{Config, Detector, Saved, Session, TruthOracle};
use serde_json::json;

use crate::Advice;
use crate::args::{DataArgs, DemoArgs};
use crate::commands::detect::{score, write_report};
use crate::commands::train::{Check, Training, strict_line};
use crate::commands::{print, read};
use crate::folder::Folder;

/// The data: a path under the folder of the demo's data, and the file.
macro_rules! shipped {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../../data/", $path)))),*]
    };
}

const DATA: &[(&str, &[u8])] = shipped![
    "kpi/a8c06b47-cc41-3738-9110-12df0ee4c721.csv",
    "kpi/adb2fde9-8589-3f5b-a410-5fe14386c7af.csv",
    "kpi/LICENSE",
];

/// What a folder holds that an earlier demo wrote, so that a later one may replace it.
const MARK: &str = "made-by-rlad-demo";
/// The part of each series that is learned from, and the part on which quality is measured.
const TRAINED: Part = Part { from: 0.0, to: 0.8 };
const CHECKED: Part = Part { from: 0.8, to: 1.0 };

/// Runs the command.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let temporary = tempfile::tempdir()?;
    let out = match &args.out {
        Some(out) => {
            prepare(out)?;
            out.clone()
        }
        None => temporary.path().to_owned(),
    };
    let data = unpack(&out.join("data"))?;
    let mut config = Config { part: TRAINED, questions: args.n_questions.get(), ..Config::default() };
    // A demo is waited for: fewer steps than a detector in earnest would get.
    config.agent.steps_per_round = 200;
    config.agent.final_steps = 600;

    let session = Session::new(config.clone(), &data.series[..])?;
    let warm_up = session.warm_up_detector();
    let check = || Check { part: CHECKED, data: &data };
    let before = check().evaluate(&warm_up)?;
    if !args.json {
        print(&format!(
            "{} series, {} points; the first 80 % of each is learned from, the rest is measured on",
            data.series.len(),
            data.n_points()
        ))?;
        print(&format!("before the questions (how rare the features are): {}", strict_line(&before)))?;
    }

    let folder = Folder::create(&out.join("session"), &config)?;
    let mut oracle = TruthOracle::new(&data.truths);
    let mut training = Training {
        session,
        folder: &folder,
        series: &data.series,
        check: Some(check()),
        bar: None,
        history: Vec::new(),
        who: "truth".to_owned(),
    };
    let trained = training.run(&mut oracle, false)?;
    let model = &trained.model;
    let after = check().evaluate(model)?;
    let (scores, report) = (out.join("scores.csv"), out.join("report.html"));
    rlad::data::write_scores(&scores, &score(model, model.hash(), &data, Part::ALL)?)?;
    write_report(&report, &Saved::Model(model.clone()), &data, CHECKED, Some(folder.path()), Some(&warm_up))?;

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
        print(&serde_json::to_string_pretty(&result)?)?;
    } else {
        print(&format!(
            "after {} questions ({} labelled points):    {}",
            model.n_questions(),
            model.n_labelled_points(),
            strict_line(&after)
        ))?;
        if args.out.is_some() {
            print(&format!("scores {}, report {}", scores.display(), report.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the folder for what is kept, or empties one that an earlier demo made.
fn prepare(out: &Path) -> anyhow::Result<()> {
    let failed = |source| rlad::Error::Write { path: out.to_owned(), source };
    if out.exists() {
        if !out.join(MARK).exists() && out.read_dir().map_err(failed)?.next().is_some() {
            return Err(Advice::error(
                format!("`{}` is there already and no demo made it", out.display()),
                "name a folder that is not there yet".to_owned(),
            ));
        }
        fs::remove_dir_all(out).map_err(failed)?;
    }
    fs::create_dir_all(out).map_err(failed)?;
    fs::write(out.join(MARK), "`rlad demo --out` replaces this folder.\n").map_err(failed)?;
    Ok(())
}

/// Writes the data in the program into a folder, and reads them as any data are read.
pub(crate) fn unpack(folder: &Path) -> anyhow::Result<DataSet> {
    for (path, bytes) in DATA {
        let path = folder.join(path);
        let written = fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| fs::write(&path, bytes));
        written.map_err(|source| rlad::Error::Write { path, source })?;
    }
    let csv = |path: &&PathBuf| path.extension().is_some_and(|of| of == "csv");
    let paths: Vec<PathBuf> = DATA.iter().map(|(path, _)| folder.join(path)).collect();
    read(&paths.iter().filter(csv).cloned().collect::<Vec<_>>(), &DataArgs::default())
}

//! `rlad train --method`: fits a baseline, on the answers to random questions where it learns from labels.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use rlad::active::random_questions;
use rlad::baselines::{Baseline, Method};
use rlad::config::AnswerKind;
use rlad::data::{Labels, Part};
use rlad::{Answer, Config, Label, Query};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::{OracleArg, TrainArgs};
use crate::commands::asking::{About, Asked, Log};
use crate::commands::detect::method;
use crate::commands::train::{Check, oracle, strict_line, who};
use crate::commands::{print, read};
use crate::folder::{self, Folder};
use crate::terminal::Terminal;

/// What the folder of a session records of a method's training.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    seed: u64,
    part: Part,
    questions: usize,
    answers: AnswerKind,
    /// The points that are shown with a question.
    shown: usize,
    method: Method,
}

/// Begins a session of the method of this name.
pub(crate) fn begin(args: &TrainArgs, name: &str) -> anyhow::Result<ExitCode> {
    let method = method(name, &args.settings)?;
    let usual = Config::default();
    let record = Record {
        seed: args.seed.unwrap_or(usual.seed),
        part: args.form.part.unwrap_or_default(),
        questions: if method.learns_from_labels() {
            args.questions.asked.n_questions.map_or(usual.questions, NonZeroUsize::get)
        } else {
            0
        },
        answers: args.questions.asked.answers.unwrap_or(usual.query.answers),
        shown: usual.query.shown,
        method,
    };
    Folder::check_free(&args.session)?;
    let text = toml::to_string_pretty(&record)?;
    train(args, &record, || Folder::create_for_method(&args.session, &text))
}

/// Goes on with the session in a folder.
pub(crate) fn resume(args: &TrainArgs, folder: Folder, record: &str) -> anyhow::Result<ExitCode> {
    let mut record: Record = toml::from_str(record).map_err(|error| rlad::Error::Format {
        path: folder.path().to_owned(),
        expected: "the session of a method that this program trains".to_owned(),
        source: Some(error.into()),
    })?;
    if record.method.learns_from_labels() {
        record.questions = args.questions.asked.n_questions.map_or(record.questions, NonZeroUsize::get);
    }
    train(args, &record, || Ok(folder))
}

/// Asks, fits and writes the model. The folder is made when nothing else can go wrong.
fn train(
    args: &TrainArgs,
    record: &Record,
    folder: impl FnOnce() -> anyhow::Result<Folder>,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let Record { seed, part, method, .. } = record;
    let asks = method.learns_from_labels();
    if asks && matches!(args.questions.oracle, OracleArg::Terminal) {
        Terminal::check()?;
    }
    let data = read(&args.data, &args.form)?;
    let series = &data.series;
    let mut oracle = if asks { Some(oracle(args, &data, *seed)?) } else { None };
    let folder = folder()?;
    let mut labels = vec![Labels::default(); series.len()];
    let (mut n_asked, mut stopped) = (0, false);
    if let Some(oracle) = &mut oracle {
        let mut log = Log::open(&folder.file(folder::LABELS), series)?;
        let queries = random_questions(series, *part, record.questions, *seed);
        let (who, usual) = (who(args), Config::default());
        let about = About {
            series,
            kind: record.answers,
            n_answered: 0,
            budget: queries.len(),
            who: &who,
            experts: &usual.experts,
        };
        let shown = |query: &Query| {
            let series = &series[query.series];
            series.shown(query.point, record.shown, &series.part(*part))
        };
        let answers: Vec<(u64, Answer)> = match log.ask(&queries, oracle.as_mut(), about, shown)? {
            Asked::All(answers) => answers,
            Asked::Stopped(answers) => {
                stopped = true;
                answers
            }
        };
        // Answers come in the order of the questions.
        for (query, (_, answer)) in queries.iter().zip(&answers) {
            labels[query.series].teach(query.point, answer);
        }
        n_asked = answers.len();
    }
    drop(oracle);
    let baseline = Baseline::fit(method, series, *part, &labels, n_asked, *seed)?;
    folder.write_model(baseline.to_bytes())?;
    let check = args.check_part.map(|part| Check { part, data: &data }.evaluate(&baseline)).transpose()?;
    let labelled = labels.iter().flat_map(Labels::iter);
    let n_anomalies = labelled.filter(|(_, label)| *label == Label::Anomaly).count();
    let path = Path::new(&args.session).join(folder::MODEL);
    if args.json {
        let result = json!({
            "model": path,
            "hash": baseline.hash(),
            "method": baseline.method(),
            "questions": baseline.n_questions(),
            "labelled_points": baseline.n_labelled_points(),
            "labelled_anomalies": n_anomalies,
            "threshold": rlad::Detector::threshold(&baseline),
            "stopped": stopped,
            "seconds": begun.elapsed().as_secs_f64(),
            "check": check,
        });
        print(&serde_json::to_string_pretty(&result)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{}: {n_asked} questions, {} labelled points ({n_anomalies} anomalous), {:.0} s",
        method.name(),
        baseline.n_labelled_points(),
        begun.elapsed().as_secs_f64()
    ))?;
    if let Some(check) = &check {
        print(&format!("checked on {}: {}", args.check_part.unwrap_or_default(), strict_line(check)))?;
    }
    print(&format!("model {} ({})", path.display(), &baseline.hash()[..16]))?;
    if stopped {
        print("stopped before the last question; the same command with `--resume` goes on")?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `rlad train --method`: fits a baseline, on the answers to random questions where it learns from labels.

use std::process::ExitCode;
use std::time::Instant;

use rlad::active::{Question, RoundAnswers, ask, random_questions};
use rlad::baselines::{Baseline, Method};
use rlad::config::AnswerKind;
use rlad::data::{Labels, Part};
use rlad::{Config, Label};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::annotate::DataSource;
use crate::args::{OracleArg, TrainArgs};
use crate::commands::ending::{detect_command, findings_in, lines_of, next};
use crate::evaluation::{Check, quality_line};
use crate::expert::oracle;
use crate::folder::{self, Folder};
use crate::input::read;
use crate::logged_oracle::{LoggedOracle, SessionLog};
use crate::output::{print, print_json};
use crate::settings::method;
use crate::terminal::Terminal;

/// The settings of a method's training, as the folder of its session records them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MethodSession {
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
    let method = method(name, &args.method_settings)?;
    let usual = Config::default();
    let record = MethodSession {
        seed: args.settings.seed.unwrap_or(usual.seed),
        part: args.settings.form.part.unwrap_or_default(),
        questions: if method.learns_from_labels() {
            args.settings.questions.n_questions.map_or(usual.questions, |budget| budget.in_all(0))
        } else {
            0
        },
        answers: args.settings.questions.answers.unwrap_or(usual.query.answers),
        shown: usual.query.shown,
        method,
    };
    Folder::check_free(&args.session())?;
    let text = toml::to_string_pretty(&record)?;
    train(args, &record, || Folder::create_for_method(&args.session(), &text))
}

/// Goes on with the session in a folder.
pub(crate) fn resume(args: &TrainArgs, folder: Folder, record: &str) -> anyhow::Result<ExitCode> {
    let mut record: MethodSession = toml::from_str(record).map_err(|error| rlad::Error::Format {
        path: folder.path().to_owned(),
        expected: "the session of a method that this program trains".to_owned(),
        source: Some(error.into()),
    })?;
    if record.method.learns_from_labels() {
        record.questions =
            args.settings.questions.n_questions.map_or(record.questions, |budget| budget.in_all(record.questions));
    }
    train(args, &record, || Ok(folder))
}

/// Asks, fits and writes the model. The folder is made when nothing else can go wrong.
fn train(
    args: &TrainArgs,
    record: &MethodSession,
    folder: impl FnOnce() -> anyhow::Result<Folder>,
) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let MethodSession { seed, part, method, .. } = record;
    let asks = method.learns_from_labels();
    if asks && matches!(args.expert.oracle, OracleArg::Terminal) {
        Terminal::check()?;
    }
    let data = read(&args.data, &args.settings.form)?;
    let series = &data.series;
    let mut oracle = if asks { Some(oracle(&args.expert, &data, *seed)?) } else { None };
    let folder = folder()?;
    let mut labels = vec![Labels::default(); series.len()];
    let (mut n_asked, mut stopped) = (0, false);
    if let Some(oracle) = &mut oracle {
        let mut log = SessionLog::open(&folder.file(folder::LABELS), series)?;
        let queries = random_questions(series, *part, record.questions, *seed);
        let questions: Vec<Question<'_>> = queries
            .iter()
            .enumerate()
            .map(|(n_answered, query)| {
                let of = &series[query.series];
                let shown = of.shown(query.point, record.shown, &of.part(*part));
                Question { query, series: of, shown, kind: record.answers, n_answered, budget: queries.len() }
            })
            .collect();
        let (name, usual) = (args.expert.name(), Config::default());
        let mut logged = LoggedOracle::new(&mut log, oracle.as_mut(), &name, series, &usual.experts);
        let RoundAnswers { answers, is_stopped } = ask(&mut logged, &questions)?;
        stopped = is_stopped;
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
    let path = args.session().join(folder::MODEL);
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
        print_json(&result)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{}: {n_asked} questions, {} labelled points ({n_anomalies} anomalous), {:.0} s",
        method.name(),
        baseline.n_labelled_points(),
        begun.elapsed().as_secs_f64()
    ))?;
    if let Some(check) = &check {
        print(&format!("checked on {}: {}", args.check_part.unwrap_or_default(), quality_line(check)))?;
    }
    for line in lines_of(&findings_in(&baseline, series)?) {
        print(&line)?;
    }
    print(&format!("detector {} ({})", path.display(), &baseline.hash()[..16]))?;
    if stopped {
        print("stopped before the last question; the same command with `--resume` goes on")?;
    }
    print(&next(&detect_command(&args.session(), &DataSource::new(&args.data, &args.settings.form))))?;
    Ok(ExitCode::SUCCESS)
}

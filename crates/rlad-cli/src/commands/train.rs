//! `rlad train`: asks an expert, learns, and writes the detector.

use std::process::ExitCode;

use rlad::{Detector, Series};
use serde_json::json;

use crate::advice::Advice;
use crate::annotate::DataSource;
use crate::args::{OracleArg, TrainArgs};
use crate::commands::ending::{detect_command, findings_in, label_command, lines_of, next, resume_command};
use crate::commands::{label, train_method};
use crate::evaluation::{Check, quality_line};
use crate::expert::oracle;
use crate::folder::{self, Folder};
use crate::grounds::{expected_line, no_quality, sentences};
use crate::input::read;
use crate::interrupt;
use crate::output::{print, print_json, print_notes};
use crate::terminal::Terminal;
use crate::training::{Trained, Training, begin, resume};

/// The exit code of a run that ended well without a detector worth its name: no answer was an anomaly.
const NOTHING_FOUND: u8 = 1;

/// Runs the command.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<ExitCode> {
    args.settings.use_threads()?;
    if args.session.is_none() {
        print_notes(&[format!("the session is in `{}`", args.session().display())]);
    }
    if let Some(name) = &args.method {
        return train_method::begin(args, name);
    }
    if args.resume
        && let Some((folder, record)) = Folder::open_for_method(&args.session())?
    {
        if args.settings.calendar.is_some() {
            return Err(Advice::error(
                format!("`{}` is the session of a method, which takes no calendar", args.session().display()),
                "name it where the method scores: `rlad detect … --calendar FILE`".to_owned(),
            ));
        }
        return train_method::resume(args, folder, &record);
    }
    let is_at_terminal = matches!(args.expert.oracle, OracleArg::Terminal);
    if is_at_terminal {
        Terminal::check()?;
    }
    let opened = if args.resume { Some(Folder::open(&args.session())?) } else { None };
    let config = match &opened {
        Some((_, config)) => config.clone(),
        None => {
            Folder::check_free(&args.session())?;
            args.settings.config()?
        }
    };
    let calendar = args.settings.calendar()?;
    let data = read(&args.data, &args.settings.form)?;
    let series = data.series.clone();
    let session = match &opened {
        Some((folder, config)) => {
            calendar.iter().try_for_each(|calendar| folder.write_calendar(calendar))?;
            resume(folder, config, &data.series, args.settings.questions.n_questions)?
        }
        None => begin(config, &data.series, calendar.as_ref())?,
    };
    // The folder is made when nothing else can go wrong, so that a mistyped command leaves nothing behind.
    let folder = |config| match opened {
        Some((folder, _)) => Ok(folder),
        None => Folder::begin(&args.session(), config, calendar.as_ref()),
    };
    if args.expert.oracle == OracleArg::Page {
        let folder = folder(session.config())?;
        let Some(trained) = label::train(args, session, folder, data)? else { return Ok(ExitCode::SUCCESS) };
        return end(args, &trained, &series);
    }
    let mut oracle = oracle(&args.expert, &data, session.config().seed)?;
    let folder = folder(session.config())?;
    if DataSource::read(&args.session())?.is_none() {
        DataSource::new(&args.data, &args.settings.form).write(&args.session())?;
    }
    let check = args.check_part.map(|part| Check { part, data: &data });
    if !is_at_terminal {
        let source = DataSource::new(&args.data, &args.settings.form);
        let command = resume_command(&args.session(), &source, args.expert.oracle.path());
        interrupt::leave_at_next(Some(format!("every answer is kept; go on with `{command}`")));
    }
    let training =
        Training { session, folder: &folder, check, expert_name: args.expert.name(), shows_progress: !is_at_terminal };
    let trained = training.run(oracle.as_mut())?;
    drop(oracle);
    end(args, &trained, &series)
}

/// Tells what came of the run, and whether it is worth its name.
fn end(args: &TrainArgs, trained: &Trained, series: &[Series]) -> anyhow::Result<ExitCode> {
    report(args, trained, series)?;
    Ok(if trained.n_anomalies == 0 { ExitCode::from(NOTHING_FOUND) } else { ExitCode::SUCCESS })
}

/// Tells the user what came of the run.
fn report(args: &TrainArgs, trained: &Trained, series: &[Series]) -> anyhow::Result<()> {
    let model = &trained.model;
    let findings = findings_in(model, series)?;
    let path = args.session().join(folder::MODEL);
    if args.json {
        let result = json!({
            "model": path,
            "hash": model.hash(),
            "questions": model.n_questions(),
            "labelled_points": model.n_labelled_points(),
            "labelled_anomalies": trained.n_anomalies,
            "rounds": trained.last["round"].as_u64().map_or(0, |round| round + 1),
            "threshold": model.threshold(),
            "stopped": trained.stopped,
            "seconds": trained.seconds,
            "check": trained.check,
            "expected": trained.last["expected"],
            "settled": trained.has_settled,
            "grounds": trained.grounds,
            "found": findings.json(),
        });
        return print_json(&result);
    }
    print(&format!(
        "{} questions, {} labelled points ({} anomalous), {:.0} s",
        model.n_questions(),
        model.n_labelled_points(),
        trained.n_anomalies,
        trained.seconds
    ))?;
    if let Some(check) = &trained.check {
        print(&format!("checked on {}: {}", args.check_part.unwrap_or_default(), quality_line(check)))?;
    }
    let expected = expected_line(&trained.last["expected"]).or_else(|| no_quality(&trained.grounds));
    for line in sentences(&trained.grounds).iter().chain(&expected) {
        print(line)?;
    }
    if trained.has_settled {
        print("the last three rounds hardly changed which points are alarms: more questions are unlikely to pay")?;
    }
    for line in lines_of(&findings) {
        print(&line)?;
    }
    print(&format!("detector {} ({})", path.display(), &model.hash()[..16]))?;
    if trained.stopped {
        print(&format!("stopped before the last question; go on with `{}`", label_command(&args.session())))?;
    }
    let source = DataSource::new(&args.data, &args.settings.form);
    print(&next(&detect_command(&args.session(), &source)))
}

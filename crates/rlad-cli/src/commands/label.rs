//! `rlad label`: a session's questions at a page or at the terminal, and any data to be labelled.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use rlad::data::DataSet;
use rlad::{Config, Model, Session};
use serde_json::json;

use crate::advice::Advice;
use crate::alarms;
use crate::annotate::{
    Bound, Data, DataSource, LabellingServer, Learner, Opening, Options, SessionStart, Settings, at_terminal, serve,
};
use crate::args::{LabelArgs, PageArgs, TrainArgs};
use crate::browser;
use crate::commands::ending::{detect_command, findings_in, label_command, lines_of, next};
use crate::expert::user_name;
use crate::figures::count;
use crate::folder::{self, Folder};
use crate::grounds::expected_line;
use crate::input::{is_data, open_saved};
use crate::interrupt;
use crate::log::AnswerLog;
use crate::output::{print, print_notes, print_roles, tell};
use crate::terminal::Terminal;
use crate::training::{Trained, begin as begin_session, resume, teach_rest};

/// How long the end of the program waits for the detector.
const LAST_WAIT: Duration = Duration::from_secs(20);
/// Points times channels in which events are looked for when a session ends; of more it would keep people waiting.
const MAX_CELLS: usize = 2_000_000;
const LEARNER_FAILED: &str = "the learner failed; the answers are kept";

/// Runs the command.
pub(crate) fn run(args: &LabelArgs) -> anyhow::Result<ExitCode> {
    if is_data(&args.session) && !args.session.is_dir() {
        let args = beside_data(args);
        print_notes(&[format!("the session is in `{}`", args.session.display())]);
        return run(&args);
    }
    args.settings.use_threads()?;
    if args.terminal {
        Terminal::check()?;
    }
    let path = &args.session;
    if Folder::is_of_method(path) {
        return Err(Advice::error(
            format!("`{}` is the session of a method, which asks once", path.display()),
            "go on with it by `rlad train … --resume`, or name another folder".to_owned(),
        ));
    }
    let mut source = data_source(args)?;
    if args.browse {
        return browse(args, source);
    }
    let opened = if Folder::has_session(path) { Some(open(args)?) } else { None };
    let config = match &opened {
        Some((_, config)) => config.clone(),
        None => args.settings.config()?,
    };
    let calendar = args.settings.calendar()?;
    let series = read(&source)?.series;
    let mut session = match &opened {
        Some((folder, config)) => {
            calendar.iter().try_for_each(|calendar| folder.write_calendar(calendar))?;
            resume(folder, config, &series, None)?
        }
        None => begin_session(config, &series, calendar.as_ref())?,
    };
    let folder = match opened {
        Some((folder, _)) => folder,
        None => Folder::begin(path, session.config(), calendar.as_ref())?,
    };
    if let Some(events) = &args.alarms {
        ask_about_alarms(&mut session, &folder, events.as_deref())?;
    }
    if let Some(n) = args.settings.questions.n_questions {
        source.questions = Some(n.in_all(session.n_answered()).max(source.questions.unwrap_or(0)));
    }
    let who = who(&args.page);
    let (server, learner) =
        Opening { session, folder, series, source, who, check: None, ends: false, suggestions: None }.open()?;
    if args.terminal {
        let who = server.settings.who.clone();
        let for_learner = Arc::clone(&server);
        let thread = std::thread::spawn(move || learner.run(&for_learner));
        let begun = std::cell::OnceCell::new();
        let is_over = || thread.is_finished() || begun.get_or_init(Instant::now).elapsed() > LAST_WAIT;
        let has_waited = at_terminal(&server, &who, is_over)?;
        if !thread.is_finished() {
            server.seal();
        } else if thread.join().is_err() {
            bail!(LEARNER_FAILED);
        }
        return end(path, &server, args.json, has_waited);
    } else {
        at_page(&server, Some(learner), false, &args.page, args.json)?;
    }
    end(path, &server, args.json, true)
}

/// Makes alarms the questions of the round: those of a file, or those of the session's detector. What was answered of a round before is
/// learned first.
fn ask_about_alarms(session: &mut Session, folder: &Folder, events: Option<&Path>) -> anyhow::Result<()> {
    if session.round() == 0 {
        return Err(Advice::error(
            "the session has no detector yet, and so no alarm to answer".to_owned(),
            format!("answer its first questions: `{}`", label_command(folder.path())),
        ));
    }
    teach_rest(session, folder)?;
    let most = session.config().query.per_round;
    let alarms = match events {
        Some(path) => alarms::of_file(path, session, most)?,
        // What was seen in use are the alarms of the detector in the folder: that of the session knows the new points already.
        None => {
            let detector = Model::load(folder.file(folder::MODEL)).unwrap_or_else(|_| session.detector());
            alarms::of_detector(&detector, session, most)?
        }
    };
    let n = session.ask_about(&alarms)?.len();
    print_notes(&[match n {
        0 => "no alarm waits for an answer; the usual questions come".to_owned(),
        _ => format!("{} to answer, the last first: right, false, expected or late", count(n, "alarm")),
    }]);
    if n == 0 {
        session.set_questions(session.config().questions);
    }
    Ok(())
}

/// The arguments where data stand in the place of the session: it lies beside them, and goes on where it was begun.
fn beside_data(args: &LabelArgs) -> LabelArgs {
    let data = std::iter::once(&args.session).chain(&args.data).cloned().collect();
    LabelArgs { session: folder::beside(&args.session), data, ..args.clone() }
}

/// `rlad train --oracle page`: the page until the budget is spent.
pub(crate) fn train(
    args: &TrainArgs,
    session: Session,
    folder: Folder,
    data: DataSet,
) -> anyhow::Result<Option<Trained>> {
    let check = args.check_part.map(|part| (part, data.clone()));
    let path = args.session();
    let source = match DataSource::read(&path)? {
        Some(source) => DataSource { questions: source.questions, ..DataSource::new(&args.data, &args.settings.form) },
        None => DataSource::new(&args.data, &args.settings.form),
    };
    let (series, who) = (data.series, who(&args.page));
    let (server, learner) =
        Opening { session, folder, series, source, who, check, ends: true, suggestions: None }.open()?;
    let trained = at_page(&server, Some(learner), true, &args.page, args.json)?;
    if trained.is_none() {
        end(&path, &server, args.json, true)?;
    }
    Ok(trained)
}

/// Data to be looked at and labelled.
fn browse(args: &LabelArgs, source: DataSource) -> anyhow::Result<ExitCode> {
    let _lock = locked(&args.session)?;
    let server = without_learner(&args.session, source, who(&args.page))?;
    at_page(&Arc::new(server), None, false, &args.page, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps a folder from other programs; it is made if it is not there.
pub(crate) fn locked(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(path).map_err(|source| rlad::Error::Write { path: path.to_owned(), source })?;
    folder::lock_for(path, "the session", "being trained")
}

/// The labelling server of the session in a folder, without its learner. `who` labels; the user where it is not given.
pub(crate) fn server_without_learner(path: &Path, who: Option<&str>) -> anyhow::Result<LabellingServer> {
    let source = DataSource::read(path)?.ok_or_else(|| {
        Advice::error(
            format!("`{}` does not say where its data are", path.display()),
            format!("name the data once: `rlad label {} DATA…`", path.display()),
        )
    })?;
    without_learner(path, source, who.map_or_else(user_name, str::to_owned))
}

fn without_learner(path: &Path, source: DataSource, who: String) -> anyhow::Result<LabellingServer> {
    let series = read(&source)?.series;
    let config = if Folder::has_session(path) { Some(folder::config_of(path)?) } else { None };
    // The round that is next learns from what is labelled here.
    let round = folder::read_history(path)?.len();
    source.write(path)?;
    let log = AnswerLog::open(&path.join(folder::LABELS))?;
    let settings = Settings::new(path, config.as_ref(), who, true);
    LabellingServer::new(
        path.to_owned(),
        Data::new(series),
        settings,
        source,
        log,
        SessionStart { round, ..SessionStart::default() },
    )
}

/// Shows the page until the user ends the program, or the training ends where `ends`.
fn at_page(
    server: &Arc<LabellingServer>,
    learner: Option<Learner>,
    ends: bool,
    page: &PageArgs,
    json: bool,
) -> anyhow::Result<Option<Trained>> {
    let bound = Bound::open(&Options { bind: page.bind, secret: page.secret.clone() })?;
    let url = bound.url();
    tell(&format!("the labelling page is at {url}"));
    tell("Ctrl-C ends it; every answer is kept");
    if json {
        print(&json!({ "url": url }).to_string())?;
        io::stdout().flush()?;
    } else if !page.no_open && page.secret.is_none() && page.bind.ip().is_loopback() {
        browser::open(&format!("{url}{}", name_for_page(&who(page))));
    }
    let (done, end) = tokio::sync::oneshot::channel();
    let mut done = Some(done);
    let thread = learner.map(|learner| {
        let server = Arc::clone(server);
        let done = if ends { done.take() } else { None };
        std::thread::spawn(move || {
            let end = learner.run(&server);
            drop(done);
            end
        })
    });
    serve(bound, server, end)?;
    drop(done);
    match thread {
        Some(thread) => wait_for_end(server, thread),
        None => {
            server.stop();
            Ok(None)
        }
    }
}

/// Ends the learner, or leaves it where it stands: a session can be stopped between any two files that it writes. Tells what it waits
/// for; Ctrl-C once more ends the program at once.
fn wait_for_end(
    server: &LabellingServer,
    thread: std::thread::JoinHandle<anyhow::Result<Option<Trained>>>,
) -> anyhow::Result<Option<Trained>> {
    interrupt::leave_at_next(None);
    let begun = Instant::now();
    let leaving = server.stop();
    if let Some(doing) = leaving.doing.filter(|_| !thread.is_finished()) {
        tell(&format!("{doing}; Ctrl-C leaves at once, every answer is in the log"));
    }
    while leaving.is_worth_waiting && !thread.is_finished() && begun.elapsed() < LAST_WAIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    if !thread.is_finished() {
        server.seal();
        return Ok(None);
    }
    match thread.join() {
        Ok(end) => end,
        Err(_) => bail!(LEARNER_FAILED),
    }
}

/// Tells how the session stands, what its detector finds, and how to go on. `looks`: whether the user waits for what it finds.
fn end(path: &Path, server: &LabellingServer, json: bool, looks: bool) -> anyhow::Result<ExitCode> {
    let state = server.state_json();
    let of = |name: &str| state[name].as_u64().unwrap_or(0);
    let mut lines = vec![format!(
        "{} of {} questions answered, {} points labelled ({} anomalous); go on with `{}`",
        of("questions"),
        of("budget"),
        of("labelled_points"),
        of("labelled_anomalies"),
        label_command(path)
    )];
    let file = path.join(folder::MODEL);
    if file.exists() {
        let model = open_saved(path)?;
        let n_cells: usize = server.data.series.iter().map(|series| series.len() * series.n_channels()).sum();
        if looks && n_cells <= MAX_CELLS {
            lines.extend(lines_of(&findings_in(model.detector(), &server.data.series)?));
        }
        let history = folder::read_history(path)?;
        lines.extend(history.last().and_then(|round| expected_line(&round["expected"])));
        lines.push(format!("detector {} ({})", file.display(), &model.hash()[..16]));
        lines.extend(DataSource::read(path)?.map(|source| next(&detect_command(path, &source))));
    } else {
        lines.push("no detector yet: it is made from the first answers".to_owned());
        lines.push(next(&label_command(path)));
    }
    for line in lines {
        if json {
            tell(&line);
        } else {
            print(&line)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The session in the folder, which keeps its settings.
fn open(args: &LabelArgs) -> anyhow::Result<(Folder, Config)> {
    if let Some(flag) = args.settings.flag_of_a_new_session() {
        return Err(Advice::error(
            format!("`{}` holds a session with settings of its own, but `{flag}` is given", args.session.display()),
            "leave the flag out, or name another folder for a new session".to_owned(),
        ));
    }
    Folder::open(&args.session)
}

/// The data source: as named, or that of the session when it was begun.
fn data_source(args: &LabelArgs) -> anyhow::Result<DataSource> {
    let known = DataSource::read(&args.session)?;
    if !args.data.is_empty() {
        let questions = known.and_then(|known| known.questions);
        return Ok(DataSource { questions, ..DataSource::new(&args.data, &args.settings.form) });
    }
    known.ok_or_else(|| {
        let dir = args.session.display();
        let what = if Folder::has_session(&args.session) {
            format!("the session `{dir}` does not say where its data are")
        } else {
            format!("`{dir}` holds no session")
        };
        Advice::error(what, format!("name the data: `rlad label {dir} DATA…`"))
    })
}

fn read(source: &DataSource) -> anyhow::Result<DataSet> {
    let data = rlad::read(&source.paths, &source.options())?;
    print_roles(&data.roles);
    print_notes(&data.notes);
    Ok(data)
}

/// What stands after the page's address, so that it need not ask for the name of who opened it; nothing for an odd name.
fn name_for_page(who: &str) -> String {
    let is_plain = !who.is_empty() && who.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_plain { format!("?who={who}") } else { String::new() }
}

fn who(page: &PageArgs) -> String {
    page.who.clone().unwrap_or_else(user_name)
}

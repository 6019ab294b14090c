//! `rlad label`: a session's questions at a page or at the terminal, and any data to be labelled.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use rlad::data::DataSet;
use rlad::{Config, Series, Session};
use serde_json::json;

use crate::advice::Advice;
use crate::annotate::{Begun, Bound, Data, Desk, Learner, Options, Recorded, Settings, at_terminal, serve};
use crate::args::{LabelArgs, PageArgs, TrainArgs};
use crate::expert::user_name;
use crate::folder::{self, Folder};
use crate::log::AnswerLog;
use crate::output::{print, print_notes};
use crate::terminal::Terminal;
use crate::training::{Trained, resume};

/// How long the end of the program waits for the detector as it stands.
const LAST_WAIT: Duration = Duration::from_secs(20);

/// Runs the command.
pub(crate) fn run(args: &LabelArgs) -> anyhow::Result<ExitCode> {
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
    let recorded = recorded(args)?;
    if args.browse {
        return browse(args, recorded);
    }
    let opened = if Folder::has_session(path) { Some(open(args)?) } else { None };
    let config = match &opened {
        Some((_, config)) => config.clone(),
        None => args.settings.config()?,
    };
    let series = read(&recorded)?.series;
    let session = match &opened {
        Some((folder, config)) => resume(folder, config, &series, None)?,
        None => Session::new(config, &series[..])?,
    };
    let folder = match opened {
        Some((folder, _)) => folder,
        None => Folder::create(path, session.config())?,
    };
    let mut recorded = recorded;
    if let Some(n) = args.settings.questions.n_questions {
        recorded.questions = Some(n.get().max(recorded.questions.unwrap_or(0)));
    }
    let (desk, learner) = begin(session, folder, series, None, recorded, false, &args.page)?;
    if args.terminal {
        let who = who(&args.page);
        let at_desk = Arc::clone(&desk);
        let thread = std::thread::spawn(move || learner.run(&at_desk));
        at_terminal(&desk, &who)?;
        wait_for_end(&desk, thread)?;
    } else {
        at_page(&desk, Some(learner), false, &args.page, args.json)?;
    }
    say_what_is_there(path, &desk, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// `rlad train --oracle page`: the page until the budget is spent.
pub(crate) fn train(
    args: &TrainArgs,
    session: Session,
    folder: Folder,
    data: DataSet,
) -> anyhow::Result<Option<Trained>> {
    let check = args.check_part.map(|part| (part, data.clone()));
    let path = args.session.clone();
    let recorded = match Recorded::read(&path)? {
        Some(recorded) => Recorded { questions: recorded.questions, ..Recorded::new(&args.data, &args.settings.form) },
        None => Recorded::new(&args.data, &args.settings.form),
    };
    let (desk, learner) = begin(session, folder, data.series, check, recorded, true, &args.page)?;
    let trained = at_page(&desk, Some(learner), true, &args.page, args.json)?;
    if trained.is_none() {
        say_what_is_there(&path, &desk, args.json)?;
    }
    Ok(trained)
}

/// Data to be looked at and labelled.
fn browse(args: &LabelArgs, recorded: Recorded) -> anyhow::Result<ExitCode> {
    let _lock = locked(&args.session)?;
    let desk = looking_at(&args.session, recorded, who(&args.page))?;
    at_page(&Arc::new(desk), None, false, &args.page, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps a folder from other programs; it is made if it is not there.
pub(crate) fn locked(path: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(path).map_err(|source| rlad::Error::Write { path: path.to_owned(), source })?;
    folder::lock_for(path, "the session", "being trained")
}

/// The desk of the session in a folder, without its learner. `who` labels at it; else the user.
pub(crate) fn desk_to_look_at(path: &Path, who: Option<&str>) -> anyhow::Result<Desk> {
    let recorded = Recorded::read(path)?.ok_or_else(|| {
        Advice::error(
            format!("`{}` does not say where its data are", path.display()),
            format!("name the data once: `rlad label {} DATA…`", path.display()),
        )
    })?;
    looking_at(path, recorded, who.map_or_else(user_name, str::to_owned))
}

fn looking_at(path: &Path, recorded: Recorded, who: String) -> anyhow::Result<Desk> {
    let series = read(&recorded)?.series;
    let config = if Folder::has_session(path) { Some(folder::config_of(path)?) } else { None };
    // What is said here is learned from by the round that is next.
    let round = folder::read_history(path)?.len();
    recorded.write(path)?;
    let log = AnswerLog::open(&path.join(folder::LABELS))?;
    let settings = settings(path, config.as_ref(), who, true);
    Desk::new(path.to_owned(), Data::new(series), settings, recorded, log, Begun { round, ..Begun::default() })
}

/// The desk of a session, and what learns for it.
fn begin(
    session: Session,
    folder: Folder,
    series: Vec<Series>,
    check: Option<(rlad::data::Part, DataSet)>,
    recorded: Recorded,
    ends: bool,
    page: &PageArgs,
) -> anyhow::Result<(Arc<Desk>, Learner)> {
    let path = folder.path().to_owned();
    recorded.write(&path)?;
    let log = AnswerLog::open(&path.join(folder::LABELS))?;
    let settings = settings(&path, Some(session.config()), who(page), false);
    let begun =
        Begun { similar: Some(session.similar_windows()), round: session.round(), budget: session.config().questions };
    let desk = Desk::new(path, Data::new(series), settings, recorded, log, begun)?;
    Ok((Arc::new(desk), Learner::new(session, folder, check, ends)?))
}

/// Shows the page until the user ends the program, or the training ends where `ends`.
fn at_page(
    desk: &Arc<Desk>,
    learner: Option<Learner>,
    ends: bool,
    page: &PageArgs,
    json: bool,
) -> anyhow::Result<Option<Trained>> {
    let bound = Bound::open(&Options { bind: page.bind, secret: page.secret.clone() })?;
    let url = bound.url();
    // There is nobody to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "the desk is at {url}\nCtrl-C ends it; every answer is kept");
    if json {
        print(&json!({ "url": url }).to_string())?;
        io::stdout().flush()?;
    }
    let (done, end) = tokio::sync::oneshot::channel();
    let mut done = Some(done);
    let thread = learner.map(|learner| {
        let desk = Arc::clone(desk);
        let done = if ends { done.take() } else { None };
        std::thread::spawn(move || {
            let end = learner.run(&desk);
            drop(done);
            end
        })
    });
    serve(bound, desk, end)?;
    drop(done);
    match thread {
        Some(thread) => wait_for_end(desk, thread),
        None => {
            desk.stop();
            Ok(None)
        }
    }
}

/// Ends the learner, or leaves it where it stands: a session can be stopped between any two files that it writes.
fn wait_for_end(
    desk: &Desk,
    thread: std::thread::JoinHandle<anyhow::Result<Option<Trained>>>,
) -> anyhow::Result<Option<Trained>> {
    let is_waiting = desk.stop();
    let begun = Instant::now();
    while is_waiting && !thread.is_finished() && begun.elapsed() < LAST_WAIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    if !thread.is_finished() {
        desk.seal();
        return Ok(None);
    }
    match thread.join() {
        Ok(end) => end,
        Err(_) => bail!("the learner failed; the answers are kept"),
    }
}

fn say_what_is_there(path: &Path, desk: &Desk, json: bool) -> anyhow::Result<()> {
    let state = desk.state_json();
    let of = |name: &str| state[name].as_u64().unwrap_or(0);
    let told = format!(
        "{} of {} questions answered, {} points labelled ({} anomalous); go on with `rlad label {}`",
        of("questions"),
        of("budget"),
        of("labelled_points"),
        of("labelled_anomalies"),
        path.display()
    );
    if json { Ok(_ = writeln!(io::stderr(), "{told}")) } else { print(&told) }
}

fn settings(path: &Path, config: Option<&Config>, who: String, browses: bool) -> Settings {
    let usual = Config::default();
    let of = config.unwrap_or(&usual);
    let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let strategy = serde_json::to_value(of.query.strategy).ok();
    Settings {
        name: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
        who,
        preset: config.map(|config| config.preset.to_string()),
        strategy: strategy.filter(|_| config.is_some()).and_then(|name| name.as_str().map(str::to_owned)),
        seed: of.seed,
        kind: of.query.answers,
        shown: of.query.shown,
        part: of.part,
        experts: of.experts.clone(),
        browses,
    }
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

/// Where the data are: as named, or as they were when the session was begun.
fn recorded(args: &LabelArgs) -> anyhow::Result<Recorded> {
    let known = Recorded::read(&args.session)?;
    if !args.data.is_empty() {
        let questions = known.and_then(|known| known.questions);
        return Ok(Recorded { questions, ..Recorded::new(&args.data, &args.settings.form) });
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

fn read(recorded: &Recorded) -> anyhow::Result<DataSet> {
    let data = rlad::read(&recorded.paths, &recorded.options())?;
    print_notes(&data.notes);
    Ok(data)
}

fn who(page: &PageArgs) -> String {
    page.who.clone().unwrap_or_else(user_name)
}

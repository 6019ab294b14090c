//! A session that is trained in its folder: asks, learns, and writes what a resumed session needs after each round.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Instant;

use rlad::active::{Grounds, RoundAnswers};
use rlad::data::Calendar;
use rlad::metrics::Evaluation;
use rlad::{Config, Model, Oracle, RoundSummary, Series, Session};
use serde_json::Value;

use crate::args::Budget;
use crate::evaluation::Check;
use crate::folder::{self, Folder};
use crate::growth;
use crate::logged_oracle::{LoggedOracle, SessionLog};
use crate::output::{print_notes, tell};
use crate::progress::Progress;

/// A session under way.
#[derive(Debug)]
pub(crate) struct Training<'a> {
    /// The session.
    pub(crate) session: Session,
    /// Where it is kept.
    pub(crate) folder: &'a Folder,
    /// Where quality is measured after each round, if it is.
    pub(crate) check: Option<Check<'a>>,
    /// The name under which answers are logged.
    pub(crate) expert_name: String,
    /// Whether a bar shows the progress: not where somebody answers at the terminal.
    pub(crate) shows_progress: bool,
}

/// The end of a training run.
#[derive(Debug)]
pub(crate) struct Trained {
    /// The detector.
    pub(crate) model: Model,
    /// The last round, as in the history.
    pub(crate) last: Value,
    /// Whether the expert stopped before the budget was spent.
    pub(crate) stopped: bool,
    /// The points that were labelled as anomalies.
    pub(crate) n_anomalies: usize,
    /// The detector's quality on the part that is checked.
    pub(crate) check: Option<Evaluation>,
    /// What the detector rests on.
    pub(crate) grounds: Grounds,
    /// Whether more questions are unlikely to change it.
    pub(crate) has_settled: bool,
    /// How long it took, in seconds.
    pub(crate) seconds: f64,
}

impl Training<'_> {
    /// Asks and learns until the budget is spent, nothing is left to ask, or the expert stops; then writes the model.
    ///
    /// # Errors
    /// Those of asking, of learning and of writing; the answers are kept.
    pub(crate) fn run(mut self, oracle: &mut dyn Oracle) -> anyhow::Result<Trained> {
        let begun = Instant::now();
        let series = Arc::clone(self.session.series());
        let mut log = SessionLog::open(&self.folder.file(folder::LABELS), &series)?;
        let mut history = rounds_before(self.folder, &self.session)?;
        let n_done = self.session.n_answered() as u64;
        let n_questions = self.session.config().questions as u64;
        let mut bar = self.shows_progress.then(|| Progress::going_on("training", n_done, n_questions));
        // A log has a line a round in place of the bar.
        let is_log = self.shows_progress && !io::stderr().is_terminal();
        let stopped = loop {
            let experts = self.session.config().experts.clone();
            let mut logged = LoggedOracle::new(&mut log, oracle, &self.expert_name, &series, &experts);
            let RoundAnswers { answers, is_stopped } = self.session.ask(&mut logged)?;
            if !answers.is_empty() {
                let summary = teach(&mut self.session, &log)?;
                let mut line = serde_json::to_value(&summary)?;
                if let Some(check) = &self.check {
                    line["check"] = serde_json::to_value(check.evaluate(&self.session.detector())?)?;
                }
                if let Some(bar) = &mut bar {
                    bar.set(summary.questions as u64);
                    bar.set_message(&told(&summary));
                }
                if is_log {
                    tell(&format!("{} of {n_questions} questions, {}", summary.questions, told(&summary)));
                }
                history.push(line);
            }
            // The checkpoint stays that of the last whole round, so that a resumed session asks the rest of this one.
            if is_stopped || answers.is_empty() {
                break is_stopped;
            }
            // A line of a round that the checkpoint does not know is written anew.
            self.folder.write_history(&history)?;
            self.folder.write_checkpoint(&self.session.checkpoint())?;
        };
        if let Some(bar) = &mut bar {
            bar.set_message("fitting the detector");
        }
        let model = self.session.finish()?;
        self.folder.write_model(model.to_bytes())?;
        let check = self.check.as_ref().map(|check| check.evaluate(&model)).transpose()?;
        drop(bar);
        Ok(Trained::new(&self.session, model, history.pop(), stopped, check, begun))
    }
}

impl Trained {
    /// The end of a run that gave this model. `last` is its last round, as in the history.
    pub(crate) fn new(
        session: &Session,
        model: Model,
        last: Option<Value>,
        stopped: bool,
        check: Option<Evaluation>,
        begun: Instant,
    ) -> Self {
        let last = last.unwrap_or(Value::Null);
        Self {
            n_anomalies: last["labelled_anomalies"].as_u64().map_or(0, |n| usize::try_from(n).unwrap_or(usize::MAX)),
            seconds: begun.elapsed().as_secs_f64(),
            model,
            last,
            stopped,
            check,
            grounds: session.grounds(),
            has_settled: session.has_settled(),
        }
    }
}

/// The history of a session's rounds so far.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn rounds_before(folder: &Folder, session: &Session) -> anyhow::Result<Vec<Value>> {
    let round = session.round() as u64;
    let mut history = folder::read_history(folder.path())?;
    history.retain(|line| line["round"].as_u64().is_some_and(|of| of < round));
    Ok(history)
}

/// Learns from the answers of a round, and whatever else the log holds.
fn teach(session: &mut Session, log: &SessionLog) -> anyhow::Result<RoundSummary> {
    let feedback = log.feedback(session)?;
    Ok(session.teach_all(&feedback)?)
}

/// Learns from those answers of the log that the session does not know yet, and writes what came of it.
///
/// # Errors
/// Those of learning and of writing.
pub(crate) fn teach_rest(session: &mut Session, folder: &Folder) -> anyhow::Result<()> {
    let log = SessionLog::open(&folder.file(folder::LABELS), session.series())?;
    if !log.has_answers_since(session) {
        return Ok(());
    }
    let mut history = rounds_before(folder, session)?;
    let summary = teach(session, &log)?;
    history.push(serde_json::to_value(&summary)?);
    folder.write_history(&history)?;
    folder.write_checkpoint(&session.checkpoint())
}

/// The figures of a round that stand after the bar.
fn told(summary: &RoundSummary) -> String {
    let expected = summary.expected.map_or_else(String::new, |expected| {
        let f1 = expected.f1;
        format!(", expected F1 {:.2} ({:.2} to {:.2})", f1.expected, f1.low, f1.high)
    });
    format!("round {} loss {:.3}{expected}", summary.round, summary.loss)
}

/// A new session, with a calendar of expected events where there is one.
///
/// # Errors
/// Those of [`Session::new`].
pub(crate) fn begin(config: Config, series: &[Series], calendar: Option<&Calendar>) -> anyhow::Result<Session> {
    let mut session = Session::new(config, series)?;
    if let Some(calendar) = calendar {
        session.set_calendar(calendar.clone());
    }
    Ok(session)
}

/// The session of a folder: that of its checkpoint, or a new one where no round was ended.
/// `questions` is a new number of questions. Over data that grew it tells how, and the checkpoint is written for them.
///
/// # Errors
/// If the checkpoint cannot be read or is of other data, and those of [`Session::new`].
pub(crate) fn resume(
    folder: &Folder,
    config: &Config,
    series: &[Series],
    questions: Option<Budget>,
) -> anyhow::Result<Session> {
    let mut session = match folder.checkpoint()? {
        (path, Some(bytes)) => Session::resume(&path, &bytes, series, Some(config.questions))?,
        (_, None) => Session::new(config.clone(), series)?,
    };
    let n = questions.map(|budget| budget.in_all(session.n_answered()));
    if let Some(n) = n.filter(|n| *n != config.questions) {
        session.set_questions(n);
        folder.write_config(session.config())?;
    }
    folder.complete(&mut session)?;
    if let Some(growth) = session.growth() {
        print_notes(&growth::sentences(growth, series));
        // The next run finds the data that it was written for.
        folder.write_checkpoint(&session.checkpoint())?;
    }
    SessionLog::open(&folder.file(folder::LABELS), series)?.restore_round(&mut session);
    Ok(session)
}

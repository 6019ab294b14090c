//! The learner: owns the session, publishes its questions and learns from a round once each of them has an answer. It never
//! keeps anybody who answers waiting.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rlad::active::{Feedback, Reason};
use rlad::data::{Alarm, DataSet, Part};
use rlad::{Answer, Detector, Model, Query, Session};
use serde_json::{Value, json};

use super::server::{LabellingServer, Phase, ShownQuestion, State};
use crate::evaluation::Check;
use crate::folder::{self, Folder};
use crate::grounds::{no_quality, sentences};
use crate::log::LogAction;
use crate::training::{Trained, rounds_before};

/// Once the budget is spent, an annotation is learned from when no other came for so long.
const QUIET: Duration = Duration::from_secs(5);
/// The most series and points of each on which two detectors are compared, and the most events that are listed.
const COMPARED_SERIES: usize = 12;
const COMPARED_POINTS: usize = 20_000;
const MAX_EVENTS: usize = 50;
/// The features of a longer series take too long for a comparison that nobody waits for.
const MAX_COMPARED_LENGTH: usize = 2_000_000;

/// The learner of a session.
#[derive(Debug)]
pub(crate) struct Learner {
    session: Session,
    folder: Folder,
    /// Labelled data of which a part is measured on after each round.
    check: Option<(Part, DataSet)>,
    /// Whether it ends when the budget is spent.
    ends: bool,
    history: Vec<Value>,
    detector: Option<Arc<Model>>,
    has_finished: bool,
    /// The answers about alarms of the round that the detector knows: the question and the entry of each.
    adapted: Vec<(u64, i64)>,
}

/// The next step of the learner.
enum Next {
    /// The program ends.
    Stop,
    /// Learn from all of this.
    Teach(Vec<Feedback>),
    /// Adapt the detector to the answers about alarms so far, by their entries, and to the others of the round.
    Adapt(Vec<(u64, i64)>, Vec<(u64, Answer)>),
    /// Make the detector.
    Finish,
    /// More questions are allowed.
    AskMore,
}

impl Learner {
    /// A learner for a session that is kept in a folder.
    pub(crate) fn new(
        session: Session,
        folder: Folder,
        check: Option<(Part, DataSet)>,
        ends: bool,
    ) -> anyhow::Result<Self> {
        let history = rounds_before(&folder, &session)?;
        Ok(Self { session, folder, check, ends, history, detector: None, has_finished: false, adapted: Vec::new() })
    }

    /// Asks and learns until the program ends, or the budget is spent where that is the end. Returns what the training came
    /// to, if it came to its end.
    ///
    /// # Errors
    /// Those of learning and of writing. The server's state tells them, too.
    pub(crate) fn run(mut self, server: &Arc<LabellingServer>) -> anyhow::Result<Option<Trained>> {
        let begun = Instant::now();
        let end = self.turns(server, begun);
        if let Err(error) = &end {
            let mut state = server.lock();
            state.phase = Phase::Failed;
            state.message = Some(format!("{error:#}"));
            drop(state);
            server.notify();
        }
        end
    }

    fn turns(&mut self, server: &Arc<LabellingServer>, begun: Instant) -> anyhow::Result<Option<Trained>> {
        // Alarms are asked about before the first round where a detector without answers is in use.
        let is_in_use = self.session.query().iter().any(|query| query.reason == Reason::Alarm);
        if self.session.round() > 0 || is_in_use {
            self.detector = Some(Arc::new(self.session.detector()));
        }
        {
            let mut state = server.lock();
            state.history.clone_from(&self.history);
            for (query, _) in self.session.answered() {
                let shown = self.session.shown(query);
                let alarm = self.session.alarm(query);
                let question = ShownQuestion { query: query.clone(), shown, alarm };
                state.questions.insert(query.id, question);
            }
            // The labels are those of the questions that are known.
            state.label_runs = None;
        }
        loop {
            self.allow_more(server)?;
            let pending = self.session.query().to_vec();
            self.publish(server, &pending);
            match self.wait(server, &pending)? {
                Next::Stop => {
                    self.leave(server, &pending)?;
                    return Ok(None);
                }
                Next::AskMore => self.has_finished = false,
                Next::Adapt(about_alarms, answers) => {
                    self.adapted = about_alarms;
                    self.adapt(server, &pending, &answers)?;
                }
                Next::Teach(feedback) => {
                    let detector = self.teach(server, &feedback)?;
                    self.has_finished = false;
                    self.adapted.clear();
                    self.compare(server, &pending, Arc::new(detector));
                }
                Next::Finish => {
                    let trained = self.finish(server, begun)?;
                    self.has_finished = true;
                    if self.ends {
                        return Ok(trained);
                    }
                }
            }
        }
    }

    /// Takes a raised budget over, where no answer of the round was given yet: its questions depend on the budget.
    fn allow_more(&mut self, server: &LabellingServer) -> anyhow::Result<()> {
        let round = self.session.round();
        let budget = {
            let state = server.lock();
            let is_of_round = |entry: &crate::log::Entry| match &entry.action {
                LogAction::Annotate(logged) => logged.question.as_ref().is_some_and(|question| question.round >= round),
                _ => false,
            };
            let is_begun = state.annotations.latest_first().any(|(_, entry)| is_of_round(entry));
            if is_begun { self.session.config().questions } else { state.budget }
        };
        if budget > self.session.config().questions {
            self.session.set_questions(budget);
            // What is on disk tells a resumed session how many questions the round asks.
            let _files = server.files.lock().unwrap_or_else(PoisonError::into_inner);
            self.folder.write_config(self.session.config())?;
        }
        Ok(())
    }

    /// Tells what the detector rests on, and why no quality is expected of it, if none is.
    fn tell_grounds(&self, state: &mut State) {
        let grounds = self.session.grounds();
        state.settled = self.session.has_settled();
        state.random_needed = grounds.random_answers_needed.saturating_sub(grounds.random_answers);
        state.grounds = sentences(&grounds).into_iter().chain(no_quality(&grounds)).collect();
    }

    fn publish(&self, server: &LabellingServer, pending: &[Query]) {
        let mut state = server.lock();
        state.round = self.session.round();
        state.pending = pending.iter().map(|query| query.id).collect();
        for query in pending {
            let shown = self.session.shown(query);
            let alarm = self.session.alarm(query);
            let question = ShownQuestion { query: query.clone(), shown, alarm };
            state.questions.insert(query.id, question);
        }
        state.detector.clone_from(&self.detector);
        self.tell_grounds(&mut state);
        state.history.clone_from(&self.history);
        if !pending.is_empty() {
            state.phase = Phase::Asking;
        }
        drop(state);
        server.notify();
    }

    /// Waits until there is something to do.
    fn wait(&self, server: &LabellingServer, pending: &[Query]) -> anyhow::Result<Next> {
        loop {
            // Nothing is being written while the log is held, so that a round learns from all entries that carry its number.
            let log = server.lock_log();
            let mut state = server.lock();
            if state.stops {
                return Ok(Next::Stop);
            }
            let round = self.session.round();
            let is_late = state.taught > round;
            let all_answered = !pending.is_empty() && pending.iter().all(|query| state.is_answered(query.id));
            let has_news = pending.is_empty() && state.latest_taught() == Some(round);
            let quiet_in = QUIET.saturating_sub(state.last_entry.elapsed());
            if is_late || all_answered || (has_news && quiet_in.is_zero() && !self.ends) {
                state.taught = state.taught.max(round + 1);
                state.phase = Phase::Learning;
                let feedback = self.feedback(server, &state, pending)?;
                drop(state);
                drop(log);
                server.notify();
                return Ok(Next::Teach(feedback));
            }
            let about_alarms = state.answers_about_alarms(pending);
            if self.detector.is_some() && about_alarms != self.adapted {
                let feedback = self.feedback(server, &state, pending)?;
                return Ok(Next::Adapt(about_alarms, answers_to(pending, feedback)));
            }
            drop(log);
            if pending.is_empty() && state.budget > self.session.config().questions {
                return Ok(Next::AskMore);
            }
            if pending.is_empty() && !self.has_finished && (!has_news || self.ends) {
                state.phase = Phase::Finishing;
                drop(state);
                server.notify();
                return Ok(Next::Finish);
            }
            let wait = if has_news { quiet_in.max(Duration::from_millis(10)) } else { Duration::from_secs(3600) };
            drop(server.turn.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Lets the detector know the answers about alarms of a round under way: like points of their series are judged otherwise at once.
    fn adapt(
        &mut self,
        server: &Arc<LabellingServer>,
        pending: &[Query],
        answers: &[(u64, Answer)],
    ) -> anyhow::Result<()> {
        let is_answered = |query: &&Query| answers.iter().any(|(id, _)| *id == query.id);
        let detector = Arc::new(self.session.detector_after(answers));
        {
            let _files = server.files.lock().unwrap_or_else(PoisonError::into_inner);
            self.folder.write_model(detector.to_bytes())?;
        }
        server.lock().detector = Some(Arc::clone(&detector));
        let answered: Vec<Query> = pending.iter().filter(is_answered).cloned().collect();
        self.compare(server, &answered, detector);
        Ok(())
    }

    /// The feedback that the round learns from.
    fn feedback(&self, server: &LabellingServer, state: &State, pending: &[Query]) -> anyhow::Result<Vec<Feedback>> {
        let annotations = state.annotations.until(self.session.round());
        server.reading().feedback(&annotations, &self.session, pending)
    }

    /// Learns from the answers of a round, and writes what came of it; returns the detector as it stands.
    fn teach(&mut self, server: &LabellingServer, feedback: &[Feedback]) -> anyhow::Result<Model> {
        let begun = Instant::now();
        let summary = self.session.teach_all(feedback)?;
        server.lock().learned_in = Some(begun.elapsed());
        let (detector, checkpoint) = (self.session.detector(), self.session.checkpoint());
        let mut line = serde_json::to_value(&summary)?;
        if let Some((part, data)) = &self.check {
            line["check"] = serde_json::to_value(Check { part: *part, data }.evaluate(&detector)?)?;
        }
        self.history.push(line);
        let _files = server.files.lock().unwrap_or_else(PoisonError::into_inner);
        // A line of a round that the checkpoint does not know is written anew.
        self.folder.write_history(&self.history)?;
        // The detector as it stands, for `rlad detect` while people answer. It is older than the checkpoint, so that it is not taken for
        // the one that the session ends with.
        self.folder.write_model(detector.to_bytes())?;
        self.folder.write_checkpoint(&checkpoint)?;
        Ok(detector)
    }

    /// Works out what a round changed, in the background: the events of the series that were asked about that appeared or went.
    fn compare(&mut self, server: &Arc<LabellingServer>, pending: &[Query], after: Arc<Model>) {
        let before = self.detector.replace(Arc::clone(&after));
        let Some(before) = before else { return };
        let mut asked: Vec<(usize, usize)> = Vec::new();
        for query in pending {
            if !asked.iter().any(|(series, _)| *series == query.series) {
                asked.push((query.series, query.point));
            }
        }
        asked.retain(|(series, _)| server.data.series[*series].len() <= MAX_COMPARED_LENGTH);
        asked.truncate(COMPARED_SERIES);
        let (server, round, n_answers) = (Arc::clone(server), self.session.round(), pending.len());
        std::thread::spawn(move || {
            let (mut changed, mut by_series) = (Vec::new(), Vec::new());
            for (index, point) in asked {
                if server.lock().round > round || server.lock().stops {
                    return;
                }
                let of_series = server.changes_of(index, point, &before, &after);
                by_series.extend(counted(&of_series));
                changed.extend(of_series);
            }
            changed.truncate(MAX_EVENTS);
            let mut state = server.lock();
            if state.round <= round {
                state.changed = Some(json!({
                    "round": round - 1,
                    "answers": n_answers,
                    "series": by_series,
                    "events": changed,
                }));
                drop(state);
                server.notify();
            }
        });
    }

    fn finish(&self, server: &LabellingServer, begun: Instant) -> anyhow::Result<Option<Trained>> {
        let written = if self.ends || self.has_finished { None } else { self.written_model() };
        let hash = match written {
            Some(hash) => hash,
            None => {
                let model = self.session.finish()?;
                {
                    let _files = server.files.lock().unwrap_or_else(PoisonError::into_inner);
                    self.folder.write_model(model.to_bytes())?;
                }
                let hash = model.hash().to_owned();
                if self.ends {
                    self.publish_done(server, hash);
                    return Ok(Some(self.trained(model, begun)?));
                }
                hash
            }
        };
        self.publish_done(server, hash);
        Ok(None)
    }

    /// Writes the detector where the program ends amid a round: fitted with what was answered of it. The checkpoint stays that of the
    /// last whole round, so that the session goes on as if nobody had left.
    fn leave(&self, server: &LabellingServer, pending: &[Query]) -> anyhow::Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        let fitted = self.with_the_rest(server, pending)?.map(Arc::new);
        // Where nothing was answered, the one that is there stays: its alarms are those that were seen.
        let unchanged = || self.detector.as_ref().filter(|_| !self.folder.file(folder::MODEL).exists());
        if let Some(detector) = fitted.as_ref().or_else(unchanged) {
            let _files = server.files.lock().unwrap_or_else(PoisonError::into_inner);
            self.folder.write_model(detector.to_bytes())?;
        }
        Ok(())
    }

    /// The detector that knows the answers of a round that is not whole; `None` without any, or where nothing can be learned from them.
    fn with_the_rest(&self, server: &LabellingServer, pending: &[Query]) -> anyhow::Result<Option<Model>> {
        let feedback = {
            let state = server.lock();
            if !pending.iter().any(|query| state.is_answered(query.id)) {
                return Ok(None);
            }
            self.feedback(server, &state, pending)?
        };
        let mut session = self.session.clone();
        let taught = session.teach_all(&feedback).and_then(|_| session.finish());
        Ok(taught.ok())
    }

    fn publish_done(&self, server: &LabellingServer, hash: String) {
        let mut state = server.lock();
        state.phase = Phase::Done;
        state.model = Some(hash);
        self.tell_grounds(&mut state);
        drop(state);
        server.notify();
    }

    /// The hash of the detector in the folder, where it was made from the last checkpoint.
    fn written_model(&self) -> Option<String> {
        let modified =
            |name: &str| -> Option<SystemTime> { std::fs::metadata(self.folder.file(name)).ok()?.modified().ok() };
        let path = self.folder.file(folder::MODEL);
        let is_newer = modified(folder::MODEL)? > modified(folder::CHECKPOINT)?;
        let model = Model::from_bytes(&path, std::fs::read(&path).ok()?).ok()?;
        let fits = model.n_questions() == self.session.n_answered();
        (is_newer && fits).then(|| model.hash().to_owned())
    }

    fn trained(&self, model: Model, begun: Instant) -> anyhow::Result<Trained> {
        let check = self.check.as_ref();
        let check = check.map(|(part, data)| Check { part: *part, data }.evaluate(&model)).transpose()?;
        Ok(Trained::new(&self.session, model, self.history.last().cloned(), false, check, begun))
    }
}

/// The answers to some questions, as feedback has them.
fn answers_to(queries: &[Query], feedback: Vec<Feedback>) -> Vec<(u64, Answer)> {
    let answer = |item| match item {
        Feedback::Answer { question, answer } => Some((question, answer)),
        Feedback::Unprompted { .. } => None,
    };
    let is_of = |(id, _): &(u64, Answer)| queries.iter().any(|query| query.id == *id);
    feedback.into_iter().filter_map(answer).filter(is_of).collect()
}

impl State {
    /// Of the questions about alarms that have an answer, each with its last entry.
    fn answers_about_alarms(&self, pending: &[Query]) -> Vec<(u64, i64)> {
        let alarms = pending.iter().filter(|query| query.reason == Reason::Alarm);
        alarms.filter_map(|query| Some((query.id, self.annotations.answers_to(query.id).last()?.0))).collect()
    }

    /// The round that learns from the last entry.
    fn latest_taught(&self) -> Option<usize> {
        self.annotations.latest_first().next().map(|(_, entry)| entry.taught)
    }
}

impl LabellingServer {
    /// The events near a point that one of two detectors finds and the other does not.
    fn changes_of(&self, index: usize, point: usize, before: &Model, after: &Model) -> Vec<Value> {
        let series = &self.data.series[index];
        let half = COMPARED_POINTS / 2;
        let points = if series.len() <= COMPARED_POINTS { 0..series.len() } else { series.around(point, half, half) };
        let found = |model: &Model| {
            let scores = model.score_points(series, points.clone()).ok()?;
            Some(Alarm::events(&model.decide(series, points.clone(), &scores, &[]).ok()?))
        };
        let (Some(before), Some(after)) = (found(before), found(after)) else { return Vec::new() };
        let mut changes = Vec::new();
        for (here, there, what) in [(&after, &before, "appeared"), (&before, &after, "gone")] {
            for event in here {
                if there.iter().any(|other| other.start < event.end && event.start < other.end) {
                    continue;
                }
                let (first, last) = (points.start + event.start, points.start + event.end - 1);
                changes.push(json!({
                    "series": index,
                    "name": series.name(),
                    "first": first,
                    "last": last,
                    "from": self.time(index, first),
                    "to": self.time(index, last),
                    "what": what,
                }));
            }
        }
        changes
    }
}

/// The events of one series that appeared and that went, counted; nothing where there is neither.
fn counted(changes: &[Value]) -> Option<Value> {
    let n = |what: &str| changes.iter().filter(|change| change["what"] == what).count();
    let first = changes.first()?;
    Some(json!({ "series": first["series"], "name": first["name"], "appeared": n("appeared"), "gone": n("gone") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changes_of_a_series_are_counted() {
        let change = |what: &str| json!({ "series": 3, "name": "cpu", "what": what, "first": 1 });
        assert_eq!(counted(&[]), None);
        assert_eq!(
            counted(&[change("appeared"), change("gone"), change("gone")]),
            Some(json!({ "series": 3, "name": "cpu", "appeared": 1, "gone": 2 }))
        );
    }
}

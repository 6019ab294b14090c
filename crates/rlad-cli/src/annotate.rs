//! The expert's desk: one session's questions, answers and labels, shared by everybody who works on it.
//!
//! A learner ([`learner`]) owns the session and publishes the questions of a round; experts, at the page ([`server`]) or the
//! terminal ([`twin`]), answer them. What anybody does is an entry of the log, on disk before it is confirmed; what stands is
//! always worked out from the entries. Each entry carries the round that learns from it, so that a session that is killed
//! learns the same from the same log.
//!
//! Two locks: the log's is held while an entry is written, the state's only for moments, and never the other way round.

mod actions;
mod api_error;
mod assignment;
mod exchange;
mod label_runs;
mod learner;
mod overview;
mod page;
mod reads;
mod responses;
mod runs;
mod server;
mod source;
mod terminal_client;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use rlad::active::SimilarWindows;
use rlad::config::{AnswerKind, ExpertsConfig};
use rlad::data::Part;
use rlad::{Query, Series};
use serde_json::Value;
use tokio::sync::watch;

use self::assignment::Lease;
use self::label_runs::Marks;
pub(crate) use self::learner::Learner;
use self::overview::Pyramid;
pub(crate) use self::server::{Bound, Options, serve};
pub(crate) use self::source::Recorded;
pub(crate) use self::terminal_client::at_terminal;
use crate::log::{Act, AnnotationState, AnswerLog, Asked, Entry, Reading, index_of, times};

/// The data of a session, and what is made of them to be shown.
#[derive(Debug)]
pub(crate) struct Data {
    /// The series.
    pub(crate) series: Vec<Series>,
    /// The index of each by its name.
    index: BTreeMap<String, usize>,
    /// Their names in small letters, to be searched.
    small_names: Vec<String>,
    /// Made when a series is first looked at from afar.
    pyramids: Vec<OnceLock<Pyramid>>,
}

impl Data {
    /// The data of these series.
    pub(crate) fn new(series: Vec<Series>) -> Self {
        Self {
            index: index_of(&series),
            small_names: series.iter().map(|series| series.name().to_lowercase()).collect(),
            pyramids: series.iter().map(|_| OnceLock::new()).collect(),
            series,
        }
    }

    fn pyramid(&self, series: usize) -> &Pyramid {
        self.pyramids[series].get_or_init(|| Pyramid::new(&self.series[series]))
    }
}

/// What does not change while the desk is open.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the session is called.
    pub(crate) name: String,
    /// The expert who says no other name.
    pub(crate) who: String,
    /// The preset of its settings; nothing where nobody is asked.
    pub(crate) preset: Option<String>,
    /// The query strategy.
    pub(crate) strategy: Option<String>,
    /// The seed.
    pub(crate) seed: u64,
    /// What an answer is about.
    pub(crate) kind: AnswerKind,
    /// The points that are shown with a question.
    pub(crate) shown: usize,
    /// The part of each series that is asked about.
    pub(crate) part: Part,
    /// What is made of the answers of people.
    pub(crate) experts: ExpertsConfig,
    /// Whether data are looked at and labelled, and nobody is asked.
    pub(crate) browses: bool,
}

/// Where a session stands when its desk is opened.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// What finds similar windows, where a session has views.
    pub(crate) similar: Option<SimilarWindows>,
    /// The round that is next.
    pub(crate) round: usize,
    /// The questions in all.
    pub(crate) budget: usize,
}

/// What the session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// The first questions are chosen.
    Preparing,
    /// Questions wait for answers.
    Asking,
    /// The answers of a round are learned from.
    Learning,
    /// The detector is made.
    Finishing,
    /// The budget is spent and the detector written.
    Done,
    /// The learner cannot go on.
    Failed,
}

/// A question that was asked at some time.
#[derive(Clone, Debug)]
struct AskedQuestion {
    query: Query,
    shown: Range<usize>,
}

/// What changes.
#[derive(Debug)]
struct State {
    standing: AnnotationState,
    /// Grows with each entry.
    n_entries: u64,
    /// The round that learns from what is said at present.
    taught: usize,
    /// Every question that was asked so far, by its number.
    questions: BTreeMap<u64, AskedQuestion>,
    /// The questions of the round.
    pending: Vec<u64>,
    round: usize,
    phase: Phase,
    message: Option<String>,
    budget: usize,
    /// The hash and the threshold of the detector that asks.
    detector: Option<(String, f64)>,
    /// The hash of the detector that was written.
    model: Option<String>,
    history: Vec<Value>,
    changed: Option<Value>,
    settled: bool,
    leases: BTreeMap<u64, Lease>,
    last_seen: BTreeMap<String, Instant>,
    last_entry: Instant,
    marks: Option<std::sync::Arc<Marks>>,
    /// The program ends.
    stops: bool,
}

/// The desk.
#[derive(Debug)]
pub(crate) struct Desk {
    /// The data.
    pub(crate) data: Data,
    /// What does not change.
    pub(crate) settings: Settings,
    /// The session's folder.
    folder: PathBuf,
    recorded: Mutex<Recorded>,
    similar: Option<SimilarWindows>,
    log: Mutex<AnswerLog>,
    state: Mutex<State>,
    /// Told whenever the state changes.
    turn: Condvar,
    /// Held while files of the session are replaced.
    files: Mutex<()>,
    version: watch::Sender<u64>,
}

impl Desk {
    /// A desk on data, with the entries of its log.
    pub(crate) fn new(
        folder: PathBuf,
        data: Data,
        settings: Settings,
        recorded: Recorded,
        log: AnswerLog,
        begun: Begun,
    ) -> anyhow::Result<Self> {
        let Begun { similar, round, budget } = begun;
        let entries = log.entries()?;
        check_times(&data, &entries)?;
        let taught = entries.iter().map(|(_, entry)| entry.taught).max().unwrap_or(0).max(round);
        let state = State {
            n_entries: entries.len() as u64,
            standing: AnnotationState::of(entries),
            taught,
            questions: BTreeMap::new(),
            pending: Vec::new(),
            round,
            phase: if settings.browses { Phase::Done } else { Phase::Preparing },
            message: None,
            budget: recorded.questions.unwrap_or(0).max(budget),
            detector: None,
            model: None,
            history: Vec::new(),
            changed: None,
            settled: false,
            leases: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            last_entry: Instant::now(),
            marks: None,
            stops: false,
        };
        let desk = Self {
            folder,
            data,
            settings,
            recorded: Mutex::new(recorded),
            similar,
            log: Mutex::new(log),
            state: Mutex::new(state),
            turn: Condvar::new(),
            files: Mutex::new(()),
            version: watch::Sender::new(0),
        };
        if desk.settings.browses {
            desk.remember_questions();
        }
        Ok(desk)
    }

    /// Knows the questions that were answered from the log, where no session tells them.
    fn remember_questions(&self) {
        let mut state = self.lock();
        let mut questions = BTreeMap::new();
        for (_, _, saying) in state.standing.sayings() {
            let (Some(asked), Some(&series)) = (&saying.asked, self.data.index.get(&saying.series)) else { continue };
            let Asked { question: id, round, point, reason, score, .. } = *asked;
            if point < self.data.series[series].len() {
                let query = Query { id, round, series, point, reason, score };
                questions.insert(id, AskedQuestion { shown: self.shown(&query), query });
            }
        }
        state.questions = questions;
    }

    /// Ends the learner's work where it stands: what was answered is in the log. Returns whether it ends at once: it waits for
    /// answers, or has ended.
    pub(crate) fn stop(&self) -> bool {
        let mut state = self.lock();
        state.stops = true;
        let ends = !matches!(state.phase, Phase::Preparing | Phase::Learning | Phase::Finishing);
        drop(state);
        self.tell();
        ends
    }

    /// Waits until no file of the session is being replaced, and lets none be replaced after that. The program must end then.
    pub(crate) fn seal(&self) {
        std::mem::forget(self.files.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The number of the state's last change, to wait for the next one.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics leaves the state half changed: entries are added whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_log(&self) -> MutexGuard<'_, AnswerLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who waits that the state has changed.
    fn tell(&self) {
        self.version.send_modify(|version| *version += 1);
        self.turn.notify_all();
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            series: &self.data.series,
            index: &self.data.index,
            kind: self.settings.kind,
            experts: &self.settings.experts,
        }
    }

    /// The points that are shown with a question.
    fn shown(&self, query: &Query) -> Range<usize> {
        let series = &self.data.series[query.series];
        series.shown(query.point, self.settings.shown, &series.part(self.settings.part))
    }
}

/// Refuses data other than those that labels were painted on: the points would be others.
fn check_times(data: &Data, entries: &[(i64, Entry)]) -> anyhow::Result<()> {
    for (number, entry) in entries {
        let Act::Said(saying) = &entry.act else { continue };
        // An answer's question tells itself whether it fits.
        if saying.asked.is_some() {
            continue;
        }
        let series = data.index.get(&saying.series).map(|index| &data.series[*index]);
        let fits = series.is_some_and(|series| {
            let is_within = saying.said.spans().iter().all(|span| span.1 < series.len());
            is_within && times(&saying.said, series, 0) == saying.times
        });
        if !fits {
            return Err(crate::advice::Advice::error(
                format!(
                    "the data have changed: entry {number} of the log labels points of `{}` that are not there any more, or are others",
                    saying.series
                ),
                "open the data that the labels were painted on, or begin in another folder".to_owned(),
            ));
        }
    }
    Ok(())
}

impl State {
    fn add(&mut self, number: i64, entry: Entry) {
        self.last_seen.insert(entry.who.clone(), Instant::now());
        self.standing.add(number, entry);
        self.n_entries += 1;
        self.last_entry = Instant::now();
        self.marks = None;
    }

    /// Whether something that was said stands, and the same expert did not answer the question otherwise since.
    fn is_last_word(&self, number: i64) -> bool {
        let Some(Entry { who, act: Act::Said(saying), .. }) = self.standing.entry(number) else { return false };
        let later = saying
            .asked
            .as_ref()
            .and_then(|asked| self.standing.answers_to(asked.question).filter(|(_, by, _)| by == who).last());
        self.standing.stands(number) && later.is_none_or(|(last, ..)| last == number)
    }

    fn is_answered(&self, question: u64) -> bool {
        self.standing.answers_to(question).next().is_some()
    }
}

//! The state that everybody at the labelling server shares.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rlad::active::SimilarWindows;
use rlad::config::{AnswerKind, ExpertsConfig};
use rlad::data::Part;
use rlad::{Model, Query, Series};
use serde_json::Value;
use tokio::sync::watch;

use super::api_error::ApiError;
use super::overview::Pyramid;
use super::random::random_text;
use super::runs::LabelRuns;
use super::scored::ScoredSeries;
use super::source::DataSource;
use super::suggestions::Suggestions;
use crate::advice::Advice;
use crate::figures::count;
use crate::log::{
    AnnotationState, AnswerLog, AnsweredQuestion, Entry, LogAction, Presence, Reading, index_of, move_to,
};

/// The data of a session, with what is made of them to be shown.
#[derive(Debug)]
pub(crate) struct Data {
    /// The series.
    pub(crate) series: Vec<Series>,
    /// The index of each by its name.
    pub(super) index: BTreeMap<String, usize>,
    /// Their names in small letters, to be searched.
    pub(super) small_names: Vec<String>,
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

    pub(super) fn pyramid(&self, series: usize) -> &Pyramid {
        self.pyramids[series].get_or_init(|| Pyramid::new(&self.series[series]))
    }
}

/// Facts that do not change while the labelling server is open.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The name of the session.
    pub(crate) name: String,
    /// The expert who gives no other name.
    pub(crate) who: String,
    /// The preset of its settings; nothing where nobody is asked.
    pub(crate) preset: Option<String>,
    /// The query strategy.
    pub(crate) strategy: Option<String>,
    /// The seed.
    pub(crate) seed: u64,
    /// Whether an answer labels one point or a range.
    pub(crate) kind: AnswerKind,
    /// The points that are shown with a question.
    pub(crate) shown: usize,
    /// The part of each series that is asked about.
    pub(crate) part: Part,
    /// How the answers of people are used.
    pub(crate) experts: ExpertsConfig,
    /// Whether data are looked at and labelled, and nobody is asked.
    pub(crate) browses: bool,
}

/// The session when its labelling server is opened.
#[derive(Debug, Default)]
pub(crate) struct SessionStart {
    /// The search for similar windows, where there is a session.
    pub(crate) similar: Option<SimilarWindows>,
    /// The round that is next.
    pub(crate) round: usize,
    /// The questions in all.
    pub(crate) budget: usize,
    /// What other programs suggest, where there is a store of it.
    pub(crate) suggestions: Option<Arc<dyn Suggestions>>,
}

/// The phase of the session.
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

/// A question with the points that are shown with it.
#[derive(Clone, Debug)]
pub(super) struct ShownQuestion {
    pub(super) query: Query,
    pub(super) shown: Range<usize>,
    /// The points of the alarm that it is about, where it is about one.
    pub(super) alarm: Option<Range<usize>>,
}

/// A question that somebody works on.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) who: String,
    pub(super) until: Instant,
    pub(super) again: bool,
}

/// The part of the server that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) annotations: AnnotationState,
    /// Grows with each entry.
    pub(super) n_entries: u64,
    /// The round that learns from the next entry.
    pub(super) taught: usize,
    /// Every question that was asked so far, by its number.
    pub(super) questions: BTreeMap<u64, ShownQuestion>,
    /// The questions of the round.
    pub(super) pending: Vec<u64>,
    pub(super) round: usize,
    pub(super) phase: Phase,
    pub(super) message: Option<String>,
    pub(super) budget: usize,
    /// The detector that asks; none in the warm-up.
    pub(super) detector: Option<Arc<Model>>,
    /// The hash of the detector that was written.
    pub(super) model: Option<String>,
    pub(super) history: Vec<Value>,
    pub(super) changed: Option<Value>,
    pub(super) settled: bool,
    /// What the detector rests on, in sentences.
    pub(super) grounds: Vec<String>,
    /// The answers to random questions that are still needed to expect a quality.
    pub(super) random_needed: usize,
    pub(super) leases: BTreeMap<u64, Lease>,
    pub(super) last_seen: BTreeMap<String, Instant>,
    pub(super) last_entry: Instant,
    pub(super) label_runs: Option<Arc<LabelRuns>>,
    /// The program ends.
    pub(super) stops: bool,
    /// How long the last round was learned from.
    pub(super) learned_in: Option<Duration>,
}

/// What the learner still does when it is told to stop.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// Whether it ends soon, and a detector may come of it.
    pub(crate) is_worth_waiting: bool,
    /// What it does and how long, in words; `None` where it ends in a moment.
    pub(crate) doing: Option<String>,
}

/// The labelling server of one session.
///
/// It has two locks: the log's is held while an entry is written, the state's only for moments, and never the other way round.
#[derive(Debug)]
pub(crate) struct LabellingServer {
    /// The data.
    pub(crate) data: Data,
    /// The fixed parts.
    pub(crate) settings: Settings,
    /// Another one for each labelling server: numbers of series, points and questions are those of one start.
    pub(super) start: String,
    pub(super) suggestions: Option<Arc<dyn Suggestions>>,
    /// Held while a suggestion is decided.
    pub(super) deciding: Mutex<()>,
    /// The session's folder.
    pub(super) folder: PathBuf,
    pub(super) source: Mutex<DataSource>,
    pub(super) similar: Option<SimilarWindows>,
    pub(super) scored: ScoredSeries,
    pub(super) log: Mutex<AnswerLog>,
    state: Mutex<State>,
    /// Notified whenever the state changes.
    pub(super) turn: Condvar,
    /// Held while files of the session are replaced.
    pub(super) files: Mutex<()>,
    version: watch::Sender<u64>,
}

impl LabellingServer {
    /// A labelling server on data, with the entries of its log.
    pub(crate) fn new(
        folder: PathBuf,
        data: Data,
        settings: Settings,
        source: DataSource,
        log: AnswerLog,
        begun: SessionStart,
    ) -> anyhow::Result<Self> {
        let SessionStart { similar, round, budget, suggestions } = begun;
        let mut entries = log.entries()?;
        move_to(&mut entries, &data.series, &data.index);
        check_presence(&entries)?;
        let taught = entries.iter().map(|(_, entry)| entry.taught).max().unwrap_or(0).max(round);
        let state = State {
            n_entries: entries.len() as u64,
            annotations: AnnotationState::of(entries),
            taught,
            questions: BTreeMap::new(),
            pending: Vec::new(),
            round,
            phase: if settings.browses { Phase::Done } else { Phase::Preparing },
            message: None,
            budget: source.questions.unwrap_or(0).max(budget),
            detector: None,
            model: None,
            history: Vec::new(),
            changed: None,
            settled: false,
            grounds: Vec::new(),
            random_needed: 0,
            leases: BTreeMap::new(),
            last_seen: BTreeMap::new(),
            last_entry: Instant::now(),
            label_runs: None,
            stops: false,
            learned_in: None,
        };
        let server = Self {
            folder,
            data,
            settings,
            start: random_text()?,
            suggestions,
            deciding: Mutex::new(()),
            source: Mutex::new(source),
            similar,
            scored: ScoredSeries::default(),
            log: Mutex::new(log),
            state: Mutex::new(state),
            turn: Condvar::new(),
            files: Mutex::new(()),
            version: watch::Sender::new(0),
        };
        if server.settings.browses {
            server.remember_questions();
        }
        server.suggestions_follow();
        Ok(server)
    }

    /// Knows the questions that were answered from the log, where no session tells them.
    fn remember_questions(&self) {
        let mut state = self.lock();
        let mut questions = BTreeMap::new();
        for (_, _, logged) in state.annotations.iter() {
            let (Some(question), Some(&series)) = (&logged.question, self.data.index.get(&logged.series)) else {
                continue;
            };
            let AnsweredQuestion { id, round, point, reason, score, .. } = *question;
            if point < self.data.series[series].len() {
                let query = Query { id, round, series, point, reason, score };
                questions.insert(id, ShownQuestion { shown: self.shown(&query), query, alarm: None });
            }
        }
        state.questions = questions;
    }

    /// Ends the learner's work: what was answered is in the log, and nothing is added to it any more. Streams of states end. Returns
    /// what the learner still does.
    pub(crate) fn stop(&self) -> Leaving {
        let (_log, _source) = (self.lock_log(), self.source.lock().unwrap_or_else(PoisonError::into_inner));
        let mut state = self.lock();
        state.stops = true;
        let n_answered = state.pending.iter().filter(|question| state.is_answered(**question)).count();
        let doing = match state.phase {
            Phase::Preparing | Phase::Done | Phase::Failed => None,
            Phase::Learning => Some("learning from the answers of the round, then writing the detector".to_owned()),
            Phase::Finishing => Some("fitting the detector and writing it".to_owned()),
            Phase::Asking if n_answered > 0 => {
                Some(format!("fitting the detector with the last {} too, and writing it", count(n_answered, "answer")))
            }
            Phase::Asking if state.detector.is_some() => Some("writing the detector".to_owned()),
            Phase::Asking => None,
        };
        let is_worth_waiting = state.phase != Phase::Preparing;
        let time = state.learned_in.map_or_else(
            || "some seconds".to_owned(),
            |time| format!("about {:.0} s, as the last round took", time.as_secs_f64().ceil().max(1.0)),
        );
        drop(state);
        self.notify();
        Leaving { is_worth_waiting, doing: doing.map(|doing| format!("{doing}: {time}")) }
    }

    /// Whether it was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stops
    }

    /// Refuses to write once it was stopped: another server may have read the log already.
    pub(super) fn check_open(&self) -> Result<(), ApiError> {
        if self.is_stopped() {
            return Err(ApiError::unavailable(
                "the session is opened anew in a moment; what was sent is to be sent again",
            ));
        }
        Ok(())
    }

    /// Waits until no file of the session is being replaced, and lets none be replaced after that. The program must end then.
    pub(crate) fn seal(&self) {
        std::mem::forget(self.files.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How long ago the last answer or label was given; since the start, where there was none.
    pub(crate) fn idle(&self) -> Duration {
        self.lock().last_entry.elapsed()
    }

    /// The number of the state's last change, to wait for the next one.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics leaves the state half changed: entries are added whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_log(&self) -> MutexGuard<'_, AnswerLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who waits that the state has changed.
    pub(super) fn notify(&self) {
        self.version.send_modify(|version| *version += 1);
        self.turn.notify_all();
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading {
            series: &self.data.series,
            index: &self.data.index,
            kind: self.settings.kind,
            experts: &self.settings.experts,
        }
    }

    /// The points that are shown with a question.
    pub(super) fn shown(&self, query: &Query) -> Range<usize> {
        let series = &self.data.series[query.series];
        series.shown(query.point, self.settings.shown, &series.part(self.settings.part))
    }
}

/// Refuses data that have none of the points that labels were painted on: they are others.
fn check_presence(entries: &[(i64, Entry)]) -> anyhow::Result<()> {
    let annotations = || {
        entries.iter().filter_map(|(number, entry)| match &entry.action {
            LogAction::Annotate(logged) => Some((number, logged)),
            _ => None,
        })
    };
    let is_here = annotations().any(|(_, logged)| logged.presence != Presence::Gone);
    match annotations().next().filter(|_| !is_here) {
        None => Ok(()),
        Some((number, logged)) => Err(Advice::error(
            format!(
                "the data are others: of all that the log labels nothing is there, such as the points of `{}` in its entry {number}",
                logged.series
            ),
            "open the data that the labels were painted on, or what grew out of them; or begin in another folder"
                .to_owned(),
        )),
    }
}

impl State {
    pub(super) fn add(&mut self, number: i64, entry: Entry) {
        self.last_seen.insert(entry.who.clone(), Instant::now());
        self.annotations.add(number, entry);
        self.n_entries += 1;
        self.last_entry = Instant::now();
        self.label_runs = None;
    }

    /// Whether an annotation was not taken back, and the same expert did not answer the question otherwise since.
    pub(super) fn is_latest(&self, number: i64) -> bool {
        let Some(Entry { who, action: LogAction::Annotate(logged), .. }) = self.annotations.entry(number) else {
            return false;
        };
        let later = logged
            .question
            .as_ref()
            .and_then(|question| self.annotations.answers_to(question.id).filter(|(_, by, _)| by == who).last());
        self.annotations.is_current(number) && later.is_none_or(|(last, ..)| last == number)
    }

    pub(super) fn is_answered(&self, question: u64) -> bool {
        self.annotations.answers_to(question).next().is_some()
    }
}

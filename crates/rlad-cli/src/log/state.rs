//! The state of a log's annotations: which of them were not taken back, and which step each expert can take back or bring back
//! next.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, LogAction, LoggedAnnotation, Presence};

/// Which annotations hold, worked out from the entries in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnotationState {
    entries: BTreeMap<i64, Entry>,
    current: BTreeSet<i64>,
    /// Of each question, the entries that answer it.
    of_question: BTreeMap<u64, Vec<i64>>,
    /// Of each step, its entries: those that were posted at once.
    steps: BTreeMap<i64, Vec<i64>>,
    experts: BTreeMap<String, History>,
}

/// The steps of one expert.
#[derive(Clone, Debug, Default)]
struct History {
    done: Vec<i64>,
    undone: Vec<i64>,
}

impl AnnotationState {
    /// The state after some entries.
    pub(crate) fn of(entries: impl IntoIterator<Item = (i64, Entry)>) -> Self {
        let mut state = Self::default();
        entries.into_iter().for_each(|(number, entry)| state.add(number, entry));
        state
    }

    /// The state after those entries that a round learns from.
    pub(crate) fn until(&self, round: usize) -> Self {
        let entries = self.entries.iter().filter(|(_, entry)| entry.taught <= round);
        Self::of(entries.map(|(number, entry)| (*number, entry.clone())))
    }

    /// Takes in the next entry.
    pub(crate) fn add(&mut self, number: i64, entry: Entry) {
        match &entry.action {
            LogAction::Annotate(logged) => {
                if let Some(question) = &logged.question {
                    self.of_question.entry(question.id).or_default().push(number);
                }
                self.current.insert(number);
                let step = logged.step.unwrap_or(number);
                self.steps.entry(step).or_default().push(number);
                if step == number {
                    let history = self.experts.entry(entry.who.clone()).or_default();
                    history.done.push(step);
                    history.undone.clear();
                }
            }
            LogAction::Undo { target } => {
                let history = self.experts.entry(entry.who.clone()).or_default();
                history.done.retain(|step| step != target);
                history.undone.push(*target);
                for number in self.steps.get(target).into_iter().flatten() {
                    self.current.remove(number);
                }
            }
            LogAction::Redo { target } => {
                let history = self.experts.entry(entry.who.clone()).or_default();
                history.undone.retain(|step| step != target);
                history.done.push(*target);
                self.current.extend(self.steps.get(target).into_iter().flatten());
            }
            LogAction::Withdraw { question } => {
                let answers = self.of_question.get(question).cloned().unwrap_or_default();
                for history in self.experts.values_mut() {
                    history.done.retain(|step| !answers.contains(step));
                }
                answers.iter().for_each(|number| _ = self.current.remove(number));
            }
        }
        self.entries.insert(number, entry);
    }

    /// The step that an expert takes back next, by its first entry.
    pub(crate) fn next_undo(&self, who: &str) -> Option<i64> {
        self.experts.get(who)?.done.last().copied()
    }

    /// The step that an expert brings back next.
    pub(crate) fn next_redo(&self, who: &str) -> Option<i64> {
        self.experts.get(who)?.undone.last().copied()
    }

    /// Whether an entry was not taken back.
    pub(crate) fn is_current(&self, entry: i64) -> bool {
        self.current.contains(&entry)
    }

    /// An entry.
    pub(crate) fn entry(&self, number: i64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// All entries, the last one first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.entries.iter().rev().map(|(number, entry)| (*number, entry))
    }

    /// The annotations that hold, in order, with the number of the entry and the expert; without those whose points are gone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &str, &LoggedAnnotation)> {
        let here = |logged: &LoggedAnnotation| logged.presence != Presence::Gone;
        self.current.iter().filter_map(|number| self.annotation(*number)).filter(move |(.., logged)| here(logged))
    }

    /// The answers to a question that hold, in order, those whose points are gone among them.
    pub(crate) fn answers_to(&self, question: u64) -> impl Iterator<Item = (i64, &str, &LoggedAnnotation)> {
        let numbers = self.of_question.get(&question).into_iter().flatten();
        numbers.filter(|number| self.is_current(**number)).filter_map(|number| self.annotation(*number))
    }

    /// The questions that were ever answered.
    pub(crate) fn questions(&self) -> impl Iterator<Item = u64> + '_ {
        self.of_question.keys().copied()
    }

    /// The experts with the number of their answers that hold.
    pub(crate) fn experts(&self) -> BTreeMap<&str, usize> {
        let mut experts: BTreeMap<&str, usize> = self.experts.keys().map(|who| (who.as_str(), 0)).collect();
        for (_, who, logged) in self.current.iter().filter_map(|number| self.annotation(*number)) {
            if logged.question.is_some() {
                *experts.entry(who).or_default() += 1;
            }
        }
        experts
    }

    fn annotation(&self, number: i64) -> Option<(i64, &str, &LoggedAnnotation)> {
        let entry = self.entries.get(&number)?;
        match &entry.action {
            LogAction::Annotate(logged) => Some((number, entry.who.as_str(), logged)),
            _ => None,
        }
    }
}

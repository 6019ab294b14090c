//! What stands of a log: which answers and labels were not taken back, and what each expert can take back or bring back next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Entry, Saying};

/// What stands, worked out from the entries in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnotationState {
    entries: BTreeMap<i64, Entry>,
    standing: BTreeSet<i64>,
    /// Of each question, the entries that answer it.
    of_question: BTreeMap<u64, Vec<i64>>,
    /// Of each step, its entries: those that were posted at once.
    steps: BTreeMap<i64, Vec<i64>>,
    experts: BTreeMap<String, History>,
}

/// What one expert did, in steps.
#[derive(Clone, Debug, Default)]
struct History {
    done: Vec<i64>,
    undone: Vec<i64>,
}

impl AnnotationState {
    /// What stands of entries.
    pub(crate) fn of(entries: impl IntoIterator<Item = (i64, Entry)>) -> Self {
        let mut standing = Self::default();
        entries.into_iter().for_each(|(number, entry)| standing.add(number, entry));
        standing
    }

    /// What stands of those entries that a round learns from.
    pub(crate) fn until(&self, round: usize) -> Self {
        let entries = self.entries.iter().filter(|(_, entry)| entry.taught <= round);
        Self::of(entries.map(|(number, entry)| (*number, entry.clone())))
    }

    /// Takes in the next entry.
    pub(crate) fn add(&mut self, number: i64, entry: Entry) {
        match &entry.act {
            Act::Said(saying) => {
                if let Some(about) = &saying.asked {
                    self.of_question.entry(about.question).or_default().push(number);
                }
                self.standing.insert(number);
                let step = saying.step.unwrap_or(number);
                self.steps.entry(step).or_default().push(number);
                if step == number {
                    let history = self.experts.entry(entry.who.clone()).or_default();
                    history.done.push(step);
                    history.undone.clear();
                }
            }
            Act::Undo { target } => {
                let history = self.experts.entry(entry.who.clone()).or_default();
                history.done.retain(|step| step != target);
                history.undone.push(*target);
                for number in self.steps.get(target).into_iter().flatten() {
                    self.standing.remove(number);
                }
            }
            Act::Redo { target } => {
                let history = self.experts.entry(entry.who.clone()).or_default();
                history.undone.retain(|step| step != target);
                history.done.push(*target);
                self.standing.extend(self.steps.get(target).into_iter().flatten());
            }
            Act::Withdraw { question } => {
                let answers = self.of_question.get(question).cloned().unwrap_or_default();
                for history in self.experts.values_mut() {
                    history.done.retain(|step| !answers.contains(step));
                }
                answers.iter().for_each(|number| _ = self.standing.remove(number));
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
    pub(crate) fn stands(&self, entry: i64) -> bool {
        self.standing.contains(&entry)
    }

    /// An entry.
    pub(crate) fn entry(&self, number: i64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    /// All entries, the last one first.
    pub(crate) fn latest_first(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.entries.iter().rev().map(|(number, entry)| (*number, entry))
    }

    /// What was said and stands, in order, with the number and the expert.
    pub(crate) fn sayings(&self) -> impl Iterator<Item = (i64, &str, &Saying)> {
        self.standing.iter().filter_map(|number| self.saying(*number))
    }

    /// The answers to a question that stand, in order.
    pub(crate) fn answers_to(&self, question: u64) -> impl Iterator<Item = (i64, &str, &Saying)> {
        let numbers = self.of_question.get(&question).into_iter().flatten();
        numbers.filter(|number| self.stands(**number)).filter_map(|number| self.saying(*number))
    }

    /// The questions that were ever answered.
    pub(crate) fn questions(&self) -> impl Iterator<Item = u64> + '_ {
        self.of_question.keys().copied()
    }

    /// The experts with the number of their answers that stand.
    pub(crate) fn experts(&self) -> BTreeMap<&str, usize> {
        let mut experts: BTreeMap<&str, usize> = self.experts.keys().map(|who| (who.as_str(), 0)).collect();
        for (_, who, saying) in self.sayings() {
            if saying.asked.is_some() {
                *experts.entry(who).or_default() += 1;
            }
        }
        experts
    }

    fn saying(&self, number: i64) -> Option<(i64, &str, &Saying)> {
        let entry = self.entries.get(&number)?;
        match &entry.act {
            Act::Said(saying) => Some((number, entry.who.as_str(), saying)),
            _ => None,
        }
    }
}

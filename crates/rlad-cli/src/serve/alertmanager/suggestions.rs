//! The suggestions that are open, and what people said of the others.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::evidence::Suggestion;
use crate::advice::Advice;

/// The most suggestions that are kept.
const MAX: usize = 1_000;

/// The most answered ones that are remembered, so that their sources do not bring them again.
const MAX_ANSWERED: usize = 10_000;

/// The suggestions, in memory and in a file that is replaced as a whole.
#[derive(Debug)]
pub(crate) struct Suggestions {
    path: PathBuf,
    kept: Kept,
    is_changed: bool,
}

/// What stands in the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    entries: Vec<Entry>,
    /// The answered ones, the oldest answer first.
    answered: VecDeque<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    suggestion: Suggestion,
    verdict: Option<Verdict>,
}

/// What a person said of a suggestion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    /// Whether it is so.
    pub is_accepted: bool,
    /// Who said so.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The entry of the log that it became, where it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<i64>,
    /// Whether the label was taken back, so that the suggestion waits again; the log knows it.
    #[serde(skip)]
    pub is_taken_back: bool,
}

impl Entry {
    fn is_open(&self) -> bool {
        self.verdict.as_ref().is_none_or(|verdict| verdict.is_taken_back)
    }
}

impl Suggestions {
    /// The suggestions of a file; none where there is no file yet.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold suggestions.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let kept = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let message = format!("expected suggestions in `{}`: {error}", path.display());
                Advice::error(message, "move the file away: suggestions come again from their sources".to_owned())
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        Ok(Self { path: path.to_owned(), kept, is_changed: false })
    }

    /// Takes suggestions. One that is there is brought up to date unless it was answered; of more than a thousand the
    /// longest answered leave, then those that began first. With `only_known`, as for a silence that is over, none is
    /// new.
    pub(crate) fn offer(&mut self, suggestions: impl IntoIterator<Item = Suggestion>, only_known: bool) {
        for suggestion in suggestions {
            if let Some(entry) = self.kept.entries.iter_mut().find(|entry| entry.suggestion.id == suggestion.id) {
                if entry.is_open() && entry.suggestion != suggestion {
                    entry.suggestion = suggestion;
                    self.is_changed = true;
                }
            } else if !only_known && !self.kept.answered.contains(&suggestion.id) {
                self.kept.entries.push(Entry { suggestion, verdict: None });
                self.is_changed = true;
            }
        }
        while self.kept.entries.len() > MAX {
            let age = |entry: &Entry| match &entry.verdict {
                Some(verdict) if !entry.is_open() => (false, verdict.at_ms),
                _ => (true, entry.suggestion.from_ms),
            };
            let first = self.kept.entries.iter().enumerate().min_by_key(|(_, entry)| age(entry));
            let Some((at, _)) = first else { break };
            self.kept.entries.remove(at);
        }
    }

    /// The suggestions that nobody has answered, or whose label was taken back, the latest first.
    pub(crate) fn open_ones(&self) -> Vec<&Suggestion> {
        let open = self.kept.entries.iter().filter(|entry| entry.is_open());
        let mut open: Vec<_> = open.map(|entry| &entry.suggestion).collect();
        open.sort_by_key(|suggestion| (std::cmp::Reverse(suggestion.from_ms), &suggestion.id));
        open
    }

    /// A suggestion, and what a person said of it.
    #[cfg(test)]
    pub(crate) fn get(&self, id: &str) -> Option<(&Suggestion, Option<&Verdict>)> {
        let entry = self.kept.entries.iter().find(|entry| entry.suggestion.id == id)?;
        Some((&entry.suggestion, entry.verdict.as_ref()))
    }

    /// A person says of an open suggestion whether it is so. It is on disk when this returns, and never comes again. An
    /// accepted one is given back, to be made a label.
    ///
    /// # Errors
    /// If there is no such open suggestion, or the file cannot be written; then nothing was said.
    pub(crate) fn answer(&mut self, id: &str, verdict: Verdict) -> anyhow::Result<Suggestion> {
        let before = self.kept.clone();
        let mut entries = self.kept.entries.iter_mut();
        let Some(entry) = entries.find(|entry| entry.suggestion.id == id && entry.is_open()) else {
            let hint = "it was answered already, or newer ones took its place: read the list again";
            return Err(Advice::error(format!("expected an open suggestion, found `{id}`"), hint.to_owned()));
        };
        entry.verdict = Some(verdict);
        let suggestion = entry.suggestion.clone();
        if !self.kept.answered.iter().any(|answered| answered == id) {
            self.kept.answered.push_back(id.to_owned());
        }
        if self.kept.answered.len() > MAX_ANSWERED {
            self.kept.answered.pop_front();
        }
        if let Err(error) = self.write() {
            self.kept = before;
            return Err(error);
        }
        Ok(suggestion)
    }

    /// Opens each accepted suggestion again whose label does not hold, and closes it again where it does. Says whether others are open now.
    pub(crate) fn follow(&mut self, holds: impl Fn(i64) -> bool) -> bool {
        let mut has_changed = false;
        for verdict in self.kept.entries.iter_mut().filter_map(|entry| entry.verdict.as_mut()) {
            let is_taken_back = verdict.label.is_some_and(|label| !holds(label));
            has_changed |= is_taken_back != verdict.is_taken_back;
            verdict.is_taken_back = is_taken_back;
        }
        has_changed
    }

    /// Writes the file if something changed.
    ///
    /// # Errors
    /// If it cannot be written; the one before is still there.
    pub(crate) fn save(&mut self) -> anyhow::Result<()> {
        if self.is_changed { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(&self.kept)?;
        write_whole(&self.path, &bytes).with_context(|| format!("cannot write `{}`", self.path.display()))?;
        self.is_changed = false;
        Ok(())
    }
}

/// Replaces a file, so that at each moment it is the one before or this one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

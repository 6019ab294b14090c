//! Suggestions of Alertmanager, for the labelling page.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::alertmanager::{Kind, Source, Suggestion as Evidence, Suggestions as Store, Verdict};
use super::clock::now_ms;
use super::labels::Labels;
use super::worker::SeriesView;
use crate::annotate::{SuggestedKind, Suggestion, Suggestions};

const NANOS_PER_MS: i64 = 1_000_000;

/// The suggestions, kept in a file.
#[derive(Debug)]
pub(crate) struct SuggestionStore(Mutex<Store>);

impl SuggestionStore {
    /// The suggestions of a file.
    ///
    /// # Errors
    /// If it cannot be read, or holds something else.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self(Mutex::new(Store::open(path)?)))
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes suggestions. With `only_known` none is new.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(crate) fn offer(&self, suggestions: Vec<Evidence>, only_known: bool) -> anyhow::Result<()> {
        let mut store = self.lock();
        store.offer(suggestions, only_known);
        store.save()
    }

    /// The watched series with their labels.
    #[expect(clippy::unused_self, reason = "names of the store's series are those of the engine")]
    pub(crate) fn watched(&self, views: &[SeriesView]) -> Vec<(Arc<str>, Labels)> {
        views.iter().filter_map(|view| Some((Arc::clone(&view.name), Labels::parse(&view.name).ok()?))).collect()
    }
}

impl Suggestions for SuggestionStore {
    fn open(&self) -> Vec<Suggestion> {
        let shown = |of: &Evidence| {
            let others = of.series.len().saturating_sub(1);
            let comment = match others {
                0 => of.comment.clone(),
                _ => format!("{} (and {others} other series)", of.comment),
            };
            Some(Suggestion {
                id: of.id.clone(),
                kind: match of.kind {
                    Kind::Anomaly => SuggestedKind::Anomaly,
                    Kind::Normal => SuggestedKind::Normal,
                    Kind::Expected => SuggestedKind::Expected,
                },
                series: of.series.first()?.clone(),
                from_ns: of.from_ms.saturating_mul(NANOS_PER_MS),
                to_ns: of.to_ms.map(|to| to.saturating_mul(NANOS_PER_MS)),
                source: match of.source {
                    Source::Alert => "alert".to_owned(),
                    Source::Silence => "silence".to_owned(),
                },
                who: of.author.clone(),
                comment,
                url: Some(of.url.clone()).filter(|url| !url.is_empty()),
            })
        };
        self.lock().open_ones().into_iter().filter_map(shown).collect()
    }

    fn decide(&self, id: &str, label: Option<i64>, who: &str) -> anyhow::Result<()> {
        let (is_accepted, who) = (label.is_some(), who.to_owned());
        let verdict = Verdict { is_accepted, who, at_ms: now_ms(), label, is_taken_back: false };
        self.lock().answer(id, verdict).map(|_| ())
    }

    fn follow(&self, holds: &dyn Fn(i64) -> bool) -> bool {
        self.lock().follow(holds)
    }
}

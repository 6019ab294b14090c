//! Suggestions: labels that another program has reason for, such as a silence of Alertmanager. They are labels once a person says so.

use std::fmt::Debug;

use rlad::data::Annotation;

/// The label that is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SuggestedKind {
    /// An anomaly.
    Anomaly,
    /// Normal.
    Normal,
    /// An expected event.
    Expected,
}

impl SuggestedKind {
    /// The label that an accepted suggestion gives.
    pub(crate) const fn label(self) -> Annotation {
        match self {
            Self::Anomaly => Annotation::Anomaly,
            Self::Normal => Annotation::Normal,
            Self::Expected => Annotation::Expected,
        }
    }
}

/// A suggestion that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// Its name in the store.
    pub(crate) id: String,
    /// The label.
    pub(crate) kind: SuggestedKind,
    /// The name of the series.
    pub(crate) series: String,
    /// The beginning, in nanoseconds since 1970.
    pub(crate) from_ns: i64,
    /// The end, itself inside; `None` where it goes on.
    pub(crate) to_ns: Option<i64>,
    /// What it comes from, as in `silence`.
    pub(crate) source: String,
    /// Who made that.
    pub(crate) who: String,
    /// What they wrote.
    pub(crate) comment: String,
    /// Where it can be looked at.
    pub(crate) url: Option<String>,
}

impl Suggestion {
    /// The comment of the label that comes of it: it names the source.
    pub(crate) fn told(&self) -> String {
        let by = if self.who.is_empty() { String::new() } else { format!(" by {}", self.who) };
        let what = if self.comment.is_empty() { String::new() } else { format!(": {}", self.comment) };
        format!("{}{by}{what}", self.source)
    }
}

/// The store of suggestions.
pub(crate) trait Suggestions: Send + Sync + Debug {
    /// Those that wait for a person, in the order in which they are shown.
    fn open(&self) -> Vec<Suggestion>;

    /// Takes note of what a person said of one. `label`: the entry of the log that it became, where it was accepted.
    ///
    /// # Errors
    /// If it cannot be kept.
    fn decide(&self, id: &str, label: Option<i64>, who: &str) -> anyhow::Result<()>;

    /// Takes note of which labels of the log hold: a suggestion whose label was taken back waits again. Says whether others wait now. The
    /// log knows it anyway, so that nothing of it is kept.
    fn follow(&self, holds: &dyn Fn(i64) -> bool) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_tells_where_it_comes_from() {
        let suggestion = |who: &str, comment: &str| Suggestion {
            id: "1".into(),
            kind: SuggestedKind::Expected,
            series: "up".into(),
            from_ns: 0,
            to_ns: None,
            source: "silence".into(),
            who: who.into(),
            comment: comment.into(),
            url: None,
        };
        assert_eq!(suggestion("eve", "deploy 1.4").told(), "silence by eve: deploy 1.4");
        assert_eq!(suggestion("", "").told(), "silence");
    }
}

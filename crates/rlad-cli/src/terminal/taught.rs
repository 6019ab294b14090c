//! The labels that an answer teaches, counted and in words.

use std::fmt::{self, Display};
use std::ops::Range;

use rlad::{Answer, Label};
use serde::{Deserialize, Serialize};

/// The numbers of points that an answer labels, and leaves open, among those that it may label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taught {
    /// The anomalous points.
    pub(crate) anomaly: usize,
    /// The normal points.
    pub(crate) normal: usize,
    /// The points of an expected event, which are in none of the others, whatever they teach.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) expected: usize,
    /// The points without a label.
    pub(crate) open: usize,
}

/// Whether there are no such points.
const fn is_none(n: &usize) -> bool {
    *n == 0
}

impl Taught {
    /// Of an answer that may label the points `allowed`; `None` where it labels none.
    pub(crate) fn of(answer: &Answer, allowed: &Range<usize>) -> Option<Self> {
        let Answer::Spans(spans) = answer else { return None };
        let n = |label: Label| {
            let of_label = spans.iter().filter(|span| span.label == label);
            of_label.map(|span| span.last + 1 - span.first).sum::<usize>()
        };
        let (anomaly, normal) = (n(Label::Anomaly), n(Label::Normal));
        Some(Self { anomaly, normal, expected: 0, open: allowed.len().saturating_sub(anomaly + normal) })
    }

    /// From the server's reply.
    pub(crate) fn from_json(reply: &serde_json::Value) -> Option<Self> {
        Self::deserialize(reply).ok()
    }
}

impl Display for Taught {
    /// Such as "anomaly, 6 points; 14 normal; 5 left open".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { anomaly, normal, expected, open } = *self;
        let points = |n: usize| if n == 1 { "1 point".to_owned() } else { format!("{n} points") };
        let mut parts = Vec::new();
        for (name, n) in [("expected event", expected), ("anomaly", anomaly), ("normal", normal)] {
            match n {
                0 => {}
                n if parts.is_empty() => parts.push(format!("{name}, {}", points(n))),
                n => parts.push(format!("{n} {name}")),
            }
        }
        if open > 0 {
            parts.push(format!("{open} left open"));
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use rlad::Span;

    use super::*;

    #[test]
    fn an_answer_is_counted_and_said() {
        let span = |first, last, label| Span { first, last, label };
        let said = |spans: Vec<Span>| Taught::of(&Answer::Spans(spans), &(0..25)).unwrap().to_string();
        let around = vec![span(0, 9, Label::Normal), span(12, 17, Label::Anomaly), span(21, 24, Label::Normal)];
        assert_eq!(said(around), "anomaly, 6 points; 14 normal; 5 left open");
        assert_eq!(said(vec![span(0, 24, Label::Normal)]), "normal, 25 points");
        assert_eq!(said(vec![span(3, 3, Label::Anomaly)]), "anomaly, 1 point; 24 left open");
        assert_eq!(Taught::of(&Answer::Unsure, &(0..25)), None);
        let event = Taught { anomaly: 0, normal: 24, expected: 1, open: 0 };
        assert_eq!(event.to_string(), "expected event, 1 point; 24 normal");
        assert_eq!(Taught::from_json(&serde_json::json!(event)), Some(event));
    }
}

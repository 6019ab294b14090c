//! What a person says: of a question, or of points that nobody asked about.

use std::ops::Range;

use rlad::config::{AnswerKind, ExpectedEvents};
use rlad::{Answer, Label, Series, Span};
use serde::{Deserialize, Serialize};

/// What a person says. In JSON an object with `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Said {
    /// What these points are.
    Spans {
        /// At least one.
        spans: Vec<SaidSpan>,
    },
    /// The expert cannot tell.
    Unsure,
    /// The expert does not want to say.
    Skip,
    /// These points are unusual but wanted; the rest of what is shown is normal.
    Expected {
        /// At least one.
        spans: Vec<PlainSpan>,
    },
}

/// A run of points with what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SaidSpan {
    /// The first point.
    pub(crate) first: usize,
    /// The last point.
    pub(crate) last: usize,
    /// What they are.
    pub(crate) label: SaidLabel,
}

/// A run of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlainSpan {
    /// The first point.
    pub(crate) first: usize,
    /// The last point.
    pub(crate) last: usize,
}

/// What a person calls a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SaidLabel {
    /// As it should be.
    Normal,
    /// Not as it should be.
    Anomaly,
    /// Nothing is known of it: takes a label away.
    Unknown,
}

impl SaidLabel {
    /// The label to learn; `None` takes one away.
    pub(crate) const fn label(self) -> Option<Label> {
        match self {
            Self::Normal => Some(Label::Normal),
            Self::Anomaly => Some(Label::Anomaly),
            Self::Unknown => None,
        }
    }
}

impl From<Label> for SaidLabel {
    fn from(label: Label) -> Self {
        match label {
            Label::Normal => Self::Normal,
            Label::Anomaly => Self::Anomaly,
        }
    }
}

impl From<&Answer> for Said {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Spans(spans) => Self::Spans {
                spans: spans
                    .iter()
                    .map(|span| SaidSpan { first: span.first, last: span.last, label: span.label.into() })
                    .collect(),
            },
            Answer::Unsure => Self::Unsure,
            Answer::Skip => Self::Skip,
        }
    }
}

impl Said {
    /// The runs of points that it is about, with the label of each; an expected event has none.
    pub(crate) fn spans(&self) -> Vec<(usize, usize, Option<SaidLabel>)> {
        match self {
            Self::Spans { spans } => spans.iter().map(|span| (span.first, span.last, Some(span.label))).collect(),
            Self::Expected { spans } => spans.iter().map(|span| (span.first, span.last, None)).collect(),
            Self::Unsure | Self::Skip => Vec::new(),
        }
    }

    /// The answer that it is to a question about `point`, of which the points `allowed` may be labelled; `expected` is what an
    /// expected event teaches.
    ///
    /// # Errors
    /// What is wrong with it, as a clause.
    pub(crate) fn answer(
        &self,
        question: u64,
        point: usize,
        allowed: &Range<usize>,
        expected: ExpectedEvents,
    ) -> Result<Answer, rlad::Error> {
        let wrong = |problem: &str| rlad::Error::Answer { question, problem: problem.to_owned() };
        let answer = match self {
            Self::Unsure => Answer::Unsure,
            Self::Skip => Answer::Skip,
            Self::Spans { spans } => {
                let span = |span: &SaidSpan| {
                    let label = span.label.label().ok_or_else(|| {
                        wrong("calls points unknown; take the answer back, or say `unsure` or `skip`")
                    })?;
                    Ok(Span { first: span.first, last: span.last, label })
                };
                Answer::Spans(spans.iter().map(span).collect::<Result<_, rlad::Error>>()?)
            }
            Self::Expected { spans } => {
                let spans = around(spans, allowed, Label::Anomaly);
                Answer::Spans(spans).check(question, allowed)?;
                return Ok(match expected {
                    ExpectedEvents::Unsure => Answer::Unsure,
                    ExpectedEvents::Anomaly => Answer::Spans(around(self.plain(), allowed, Label::Anomaly)),
                    ExpectedEvents::Normal if allowed.contains(&point) => {
                        Answer::Spans(vec![Span { first: allowed.start, last: allowed.end - 1, label: Label::Normal }])
                    }
                    ExpectedEvents::Normal => Answer::Unsure,
                });
            }
        };
        answer.check(question, allowed)?;
        Ok(answer)
    }

    /// The labels that it is where nobody asked; `expected` is what an expected event teaches.
    pub(crate) fn free(&self, expected: ExpectedEvents) -> Vec<Span<Option<Label>>> {
        let taught = match expected {
            ExpectedEvents::Normal => Some(Label::Normal),
            ExpectedEvents::Anomaly => Some(Label::Anomaly),
            ExpectedEvents::Unsure => None,
        };
        self.spans()
            .into_iter()
            .map(|(first, last, label)| Span { first, last, label: label.map_or(taught, SaidLabel::label) })
            .collect()
    }

    /// The answer as it was said, for people to look at: an expected event is normal, and what is unknown is left out.
    pub(crate) fn as_answer(&self) -> Answer {
        match self {
            Self::Unsure => Answer::Unsure,
            Self::Skip => Answer::Skip,
            Self::Spans { .. } | Self::Expected { .. } => {
                let spans = self.free(ExpectedEvents::Normal).into_iter();
                let span =
                    |span: Span<Option<Label>>| Some(Span { first: span.first, last: span.last, label: span.label? });
                Answer::Spans(spans.filter_map(span).collect())
            }
        }
    }

    fn plain(&self) -> &[PlainSpan] {
        match self {
            Self::Expected { spans } => spans,
            _ => &[],
        }
    }
}

/// Spans with a label, and what lies around and between them within `allowed` as normal.
fn around(spans: &[PlainSpan], allowed: &Range<usize>, label: Label) -> Vec<Span> {
    let mut sorted = spans.to_vec();
    sorted.sort_by_key(|span| span.first);
    let (mut all, mut next) = (Vec::with_capacity(2 * spans.len() + 1), allowed.start);
    for PlainSpan { first, last } in sorted {
        if next < first {
            all.push(Span { first: next, last: first - 1, label: Label::Normal });
        }
        all.push(Span { first, last, label });
        next = last.saturating_add(1);
    }
    if !spans.is_empty() && next < allowed.end {
        all.push(Span { first: next, last: allowed.end - 1, label: Label::Normal });
    }
    all
}

/// The timestamps of the first and the last point that something was said about: of `point` where no span was.
pub(crate) fn times(said: &Said, series: &Series, point: usize) -> (i64, i64) {
    let spans = said.spans();
    let first = spans.iter().map(|span| span.0).min().unwrap_or(point).min(series.len() - 1);
    let last = spans.iter().map(|span| span.1).max().unwrap_or(point).min(series.len() - 1);
    (series.timestamps()[first], series.timestamps()[last])
}

/// The points that an answer may label.
pub(crate) const fn allowed(point: usize, shown: Range<usize>, kind: AnswerKind) -> Range<usize> {
    match kind {
        AnswerKind::Point => point..point + 1,
        AnswerKind::Range => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: &str) -> Said {
        serde_json::from_str(json).unwrap()
    }

    fn span(first: usize, last: usize, label: Label) -> Span {
        Span { first, last, label }
    }

    #[test]
    fn what_is_said_survives_json() {
        for json in [
            r#"{"kind":"spans","spans":[{"first":1,"last":2,"label":"anomaly"}]}"#,
            r#"{"kind":"unsure"}"#,
            r#"{"kind":"skip"}"#,
            r#"{"kind":"expected","spans":[{"first":1,"last":2}]}"#,
        ] {
            assert_eq!(serde_json::to_string(&parsed(json)).unwrap(), json);
        }
        assert!(serde_json::from_str::<Said>(r#"{"kind":"perhaps"}"#).is_err());
    }

    #[test]
    fn an_expected_event_teaches_by_the_rule() {
        let said = parsed(r#"{"kind":"expected","spans":[{"first":4,"last":5}]}"#);
        let of = |rule| said.answer(0, 5, &(2..9), rule).unwrap();
        assert_eq!(of(ExpectedEvents::Normal), Answer::Spans(vec![span(2, 8, Label::Normal)]));
        let around = vec![span(2, 3, Label::Normal), span(4, 5, Label::Anomaly), span(6, 8, Label::Normal)];
        assert_eq!(of(ExpectedEvents::Anomaly), Answer::Spans(around));
        assert_eq!(of(ExpectedEvents::Unsure), Answer::Unsure);
        assert_eq!(said.free(ExpectedEvents::Normal)[0].label, Some(Label::Normal));
        assert!(said.answer(0, 5, &(5..9), ExpectedEvents::Normal).is_err(), "it begins before what is shown");
    }

    #[test]
    fn answers_that_label_nothing_or_take_away_are_refused() {
        for json in [
            r#"{"kind":"spans","spans":[]}"#,
            r#"{"kind":"expected","spans":[]}"#,
            r#"{"kind":"spans","spans":[{"first":5,"last":5,"label":"unknown"}]}"#,
            r#"{"kind":"spans","spans":[{"first":5,"last":4,"label":"normal"}]}"#,
        ] {
            assert!(parsed(json).answer(0, 5, &(2..9), ExpectedEvents::Normal).is_err(), "{json}");
        }
    }
}

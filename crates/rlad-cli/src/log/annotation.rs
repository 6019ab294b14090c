//! An annotation: what a person said of points. A mark is kept as it was said; the labels that it teaches follow from it and the
//! data ([`rlad::active::Mark`]).

use std::ops::Range;

use rlad::active::Mark;
use rlad::config::{AnswerKind, ExpectedEvents};
use rlad::data::Annotation;
use rlad::{Answer, Label, Series, Span};
use serde::{Deserialize, Serialize};

/// The annotation of some points, of a question or without one. In JSON an object with `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Annotated {
    /// Labels of these points, and of no others.
    Spans {
        /// At least one.
        spans: Vec<Span<Annotation>>,
    },
    /// A mark on the point that was asked about.
    Marked {
        /// The point.
        spans: [Span<Annotation>; 1],
    },
    /// A mark on a range that was painted.
    Painted {
        /// The range.
        spans: [Span<Annotation>; 1],
    },
    /// An alarm that was right and late: the anomaly began before it.
    Late {
        /// The points of the alarm, as an anomaly.
        spans: [Span<Annotation>; 1],
    },
    /// The expert cannot tell.
    Unsure,
    /// The expert does not want to say.
    Skip,
}

impl From<&Answer> for Annotated {
    fn from(answer: &Answer) -> Self {
        let span = |span: &Span| Span { first: span.first, last: span.last, label: span.label.into() };
        match answer {
            Answer::Spans(spans) => Self::Spans { spans: spans.iter().map(span).collect() },
            Answer::Unsure => Self::Unsure,
            Answer::Skip => Self::Skip,
        }
    }
}

impl From<&Mark> for Annotated {
    fn from(mark: &Mark) -> Self {
        let label = mark.label.into();
        match mark.painted {
            Some((first, last)) => Self::Painted { spans: [Span { first, last, label }] },
            None => Self::Marked { spans: [Span { first: mark.point, last: mark.point, label }] },
        }
    }
}

impl Annotated {
    /// The annotation of some points as an expected event.
    pub(crate) fn expected(first: usize, last: usize) -> Self {
        Self::Spans { spans: vec![Span { first, last, label: Annotation::Expected }] }
    }

    /// The annotation of an alarm as right and late.
    pub(crate) const fn late(first: usize, last: usize) -> Self {
        Self::Late { spans: [Span { first, last, label: Annotation::Anomaly }] }
    }

    /// The mark that it is on a question about `point`.
    pub(crate) fn mark(&self, point: usize) -> Option<Mark> {
        let (span, painted) = match self {
            Self::Marked { spans: [span] } => (span, None),
            Self::Painted { spans: [span] } | Self::Late { spans: [span] } => (span, Some((span.first, span.last))),
            Self::Spans { .. } | Self::Unsure | Self::Skip => return None,
        };
        let label = match span.label {
            Annotation::Normal => Label::Normal,
            Annotation::Anomaly => Label::Anomaly,
            Annotation::Expected | Annotation::Unknown => return None,
        };
        Some(Mark { point, painted, label })
    }

    /// The runs of points that were said to have a label.
    pub(crate) fn spans(&self) -> &[Span<Annotation>] {
        match self {
            Self::Spans { spans } => spans,
            Self::Marked { spans } | Self::Painted { spans } | Self::Late { spans } => spans,
            Self::Unsure | Self::Skip => &[],
        }
    }

    /// Whether an expected event is among its labels.
    pub(crate) fn has_expected(&self) -> bool {
        self.spans().iter().any(|span| span.label == Annotation::Expected)
    }

    /// The labels that were said in answer to a question of which the points `allowed` may be labelled; `expected` is what an
    /// expected event teaches. Of an answer with an expected event, the points that have no label are normal.
    ///
    /// # Errors
    /// [`rlad::Error::Answer`] where it does not fit the question.
    pub(crate) fn answer(
        &self,
        question: u64,
        allowed: &Range<usize>,
        expected: ExpectedEvents,
    ) -> Result<Answer, rlad::Error> {
        let spans = match self {
            Self::Unsure => return Ok(Answer::Unsure),
            Self::Skip => return Ok(Answer::Skip),
            Self::Spans { .. } | Self::Marked { .. } | Self::Painted { .. } | Self::Late { .. } => self.spans(),
        };
        if spans.iter().any(|span| span.label == Annotation::Unknown) {
            let problem = "calls points unknown; take the answer back, or say `unsure` or `skip`".to_owned();
            return Err(rlad::Error::Answer { question, problem });
        }
        let labelled =
            |rule: ExpectedEvents| spans.iter().filter_map(|span| taught(*span, rule)).collect::<Vec<Span>>();
        // Any label stands for an expected event where only its place is looked at.
        Answer::Spans(labelled(ExpectedEvents::Normal)).check(question, allowed)?;
        Ok(match (self.has_expected(), expected) {
            (false, _) => Answer::Spans(labelled(expected)),
            (true, ExpectedEvents::Unsure) => Answer::Unsure,
            (true, ExpectedEvents::Normal | ExpectedEvents::Anomaly) => {
                Answer::Spans(filled(labelled(expected), allowed))
            }
        })
    }

    /// The labels that it is where nobody asked; `expected` is what an expected event teaches.
    pub(crate) fn unprompted(&self, expected: ExpectedEvents) -> Vec<Span<Option<Label>>> {
        let label = |span: &Span<Annotation>| taught(*span, expected).map(|span| span.label);
        self.spans().iter().map(|span| Span { first: span.first, last: span.last, label: label(span) }).collect()
    }

    /// The answer for people to look at: an expected event is normal, and what is unknown is left out.
    pub(crate) fn as_answer(&self) -> Answer {
        match self {
            Self::Unsure => Answer::Unsure,
            Self::Skip => Answer::Skip,
            Self::Spans { .. } | Self::Marked { .. } | Self::Painted { .. } | Self::Late { .. } => {
                Answer::Spans(self.spans().iter().filter_map(|span| taught(*span, ExpectedEvents::Normal)).collect())
            }
        }
    }
}

/// The span with the label that is learned, where it has one.
fn taught(span: Span<Annotation>, expected: ExpectedEvents) -> Option<Span> {
    let label = match (span.label, expected) {
        (Annotation::Normal, _) | (Annotation::Expected, ExpectedEvents::Normal) => Label::Normal,
        (Annotation::Anomaly, _) | (Annotation::Expected, ExpectedEvents::Anomaly) => Label::Anomaly,
        (Annotation::Unknown, _) | (Annotation::Expected, ExpectedEvents::Unsure) => return None,
    };
    Some(Span { first: span.first, last: span.last, label })
}

/// Spans that do not overlap, rising, with all else within `allowed` as normal; normal points in a row are one span.
fn filled(mut spans: Vec<Span>, allowed: &Range<usize>) -> Vec<Span> {
    spans.sort_by_key(|span| span.first);
    let (mut all, mut next) = (Vec::<Span>::with_capacity(2 * spans.len() + 1), allowed.start);
    let mut add = |first: usize, last: usize, label: Label| match all.last_mut() {
        Some(before) if (before.label, label) == (Label::Normal, Label::Normal) => before.last = last,
        _ => all.push(Span { first, last, label }),
    };
    for span in spans {
        if next < span.first {
            add(next, span.first - 1, Label::Normal);
        }
        add(span.first, span.last, span.label);
        next = span.last + 1;
    }
    if next < allowed.end {
        add(next, allowed.end - 1, Label::Normal);
    }
    all
}

/// The first and the last point that is labelled, as far as the series goes: twice `point` where none is.
pub(crate) fn bounds(annotation: &Annotated, series: &Series, point: usize) -> (usize, usize) {
    let spans = annotation.spans();
    let first = spans.iter().map(|span| span.first).min().unwrap_or(point).min(series.len() - 1);
    let last = spans.iter().map(|span| span.last).max().unwrap_or(point).min(series.len() - 1);
    (first, last)
}

/// The timestamps of the first and the last point that is labelled: of `point` where none is.
pub(crate) fn times(annotation: &Annotated, series: &Series, point: usize) -> (i64, i64) {
    let (first, last) = bounds(annotation, series, point);
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

    fn parsed(json: &str) -> Annotated {
        serde_json::from_str(json).unwrap()
    }

    fn span(first: usize, last: usize, label: Label) -> Span {
        Span { first, last, label }
    }

    #[test]
    fn an_annotation_survives_json() {
        for json in [
            r#"{"kind":"spans","spans":[{"first":1,"last":2,"label":"anomaly"}]}"#,
            r#"{"kind":"spans","spans":[{"first":1,"last":2,"label":"expected"}]}"#,
            r#"{"kind":"unsure"}"#,
            r#"{"kind":"skip"}"#,
        ] {
            assert_eq!(serde_json::to_string(&parsed(json)).unwrap(), json);
        }
        assert!(serde_json::from_str::<Annotated>(r#"{"kind":"perhaps"}"#).is_err());
    }

    #[test]
    fn an_expected_event_teaches_by_the_rule() {
        let expected = Annotated::expected(4, 5);
        let of = |rule| expected.answer(0, &(2..9), rule).unwrap();
        assert_eq!(of(ExpectedEvents::Normal), Answer::Spans(vec![span(2, 8, Label::Normal)]));
        let around = vec![span(2, 3, Label::Normal), span(4, 5, Label::Anomaly), span(6, 8, Label::Normal)];
        assert_eq!(of(ExpectedEvents::Anomaly), Answer::Spans(around));
        assert_eq!(of(ExpectedEvents::Unsure), Answer::Unsure);
        let labels = [ExpectedEvents::Normal, ExpectedEvents::Anomaly, ExpectedEvents::Unsure]
            .map(|rule| expected.unprompted(rule)[0].label);
        assert_eq!(labels, [Some(Label::Normal), Some(Label::Anomaly), None]);
        assert!(expected.answer(0, &(5..9), ExpectedEvents::Normal).is_err(), "it begins before what is shown");
    }

    #[test]
    fn an_expected_event_may_stand_beside_an_anomaly() {
        let mixed = parsed(
            r#"{"kind":"spans","spans":[{"first":7,"last":7,"label":"anomaly"},{"first":4,"last":5,"label":"expected"}]}"#,
        );
        let of = |rule| mixed.answer(0, &(2..9), rule).unwrap();
        let normal = vec![span(2, 6, Label::Normal), span(7, 7, Label::Anomaly), span(8, 8, Label::Normal)];
        assert_eq!(of(ExpectedEvents::Normal), Answer::Spans(normal));
        assert_eq!(of(ExpectedEvents::Unsure), Answer::Unsure);
    }

    #[test]
    fn a_mark_is_one_span_and_spans_are_no_mark() {
        let of = |json: &str| parsed(json).mark(5);
        let mark = Mark { point: 5, painted: Some((4, 6)), label: Label::Anomaly };
        for mark in [mark, Mark::of_point(5, Label::Normal)] {
            let annotation = Annotated::from(&mark);
            assert_eq!(of(&serde_json::to_string(&annotation).unwrap()), Some(mark));
            assert_eq!(annotation.spans().len(), 1);
        }
        // The logs of programs that knew no marks.
        assert_eq!(of(r#"{"kind":"spans","spans":[{"first":5,"last":5,"label":"anomaly"}]}"#), None);
        assert_eq!(of(r#"{"kind":"painted","spans":[{"first":4,"last":6,"label":"expected"}]}"#), None);
    }

    #[test]
    fn answers_that_label_nothing_or_take_away_are_refused() {
        for json in [
            r#"{"kind":"spans","spans":[]}"#,
            r#"{"kind":"spans","spans":[{"first":5,"last":5,"label":"unknown"}]}"#,
            r#"{"kind":"spans","spans":[{"first":5,"last":4,"label":"normal"}]}"#,
            r#"{"kind":"spans","spans":[{"first":4,"last":5,"label":"expected"},{"first":5,"last":5,"label":"anomaly"}]}"#,
        ] {
            assert!(parsed(json).answer(0, &(2..9), ExpectedEvents::Normal).is_err(), "{json}");
        }
    }
}

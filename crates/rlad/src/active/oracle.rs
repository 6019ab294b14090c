//! Experts: who answers the questions.

use std::ops::Range;

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::active::mark::Mark;
use crate::active::query::Query;
use crate::config::AnswerKind;
use crate::data::label::{Answer, Label, Span, Truth, events, spans};
use crate::data::series::Series;
use crate::error::Cause;
use crate::random::{Purpose, stream};

/// A question as an expert sees it.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The question.
    pub query: &'a Query,
    /// The series that it is about.
    pub series: &'a Series,
    /// The points around the question that may be painted in a range answer; the question's point is among them.
    pub shown: Range<usize>,
    /// Whether an answer is about the point alone or about the points that are shown.
    pub kind: AnswerKind,
    /// How many questions were answered before this one.
    pub n_answered: usize,
    /// The number of questions that may be asked in all.
    pub budget: usize,
}

impl Question<'_> {
    /// The points that an answer may label.
    #[must_use]
    pub fn allowed(&self) -> Range<usize> {
        match self.kind {
            AnswerKind::Point => self.query.point..self.query.point + 1,
            AnswerKind::Range => self.shown.clone(),
        }
    }
}

/// An expert's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
    /// A mark, which stands for the answer [`Mark::answer`] of the points that may be labelled.
    Mark(Mark),
    /// The expert takes back the answer before this one, and wants to be asked again.
    Undo,
    /// The expert ends the session; what was answered stands.
    Stop,
}

/// An expert.
pub trait Oracle {
    /// Answers a question.
    ///
    /// # Errors
    /// Any cause that keeps this expert from answering.
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause>;
}

/// How a simulated expert answers, of the points that may be labelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerStyle {
    /// Gives every point its label.
    #[default]
    Paints,
    /// Gives the point that was asked about its label, by a [`Mark`] without paint.
    MarksThePoint,
    /// Paints the middle half of the segment under the point, at least 1 point, as a [`Mark`]: widened to the point, as every painted
    /// range is.
    PaintsTooLittle,
    /// Paints the segment under the point and half its length, at least 2 points, on each side, as a [`Mark`].
    PaintsTooMuch,
    /// Paints the segment under the point as a [`Mark`], and no other.
    OneOfEqual,
}

impl AnswerStyle {
    /// The range that is painted for the segment `first..=last` under `point`.
    fn painted(self, first: usize, last: usize, point: usize) -> Option<(usize, usize)> {
        let n = last + 1 - first;
        match self {
            Self::Paints | Self::MarksThePoint => None,
            Self::PaintsTooLittle => {
                let half = n.div_ceil(2);
                let begin = first + (n - half) / 2;
                Some((begin.min(point), (begin + half - 1).max(point)))
            }
            Self::PaintsTooMuch => {
                let more = n.div_ceil(2).max(2);
                Some((first.saturating_sub(more), last + more))
            }
            Self::OneOfEqual => Some((first, last)),
        }
    }
}

/// A simulated expert who knows the truth, and may be wrong or unsure at set rates.
///
/// Its answer to a question depends on the seed and the question's number alone, so a resumed run gets the same answers.
#[derive(Clone, Debug)]
pub struct TruthOracle<'a> {
    truths: &'a [Option<Truth>],
    style: AnswerStyle,
    error_rate: f64,
    unsure_rate: f64,
    seed: u64,
}

impl<'a> TruthOracle<'a> {
    /// An expert for series with these truths, by the index of the series, who is never wrong.
    #[must_use]
    pub const fn new(truths: &'a [Option<Truth>]) -> Self {
        Self { truths, style: AnswerStyle::Paints, error_rate: 0.0, unsure_rate: 0.0, seed: 0 }
    }

    /// The same expert who answers in this style. About a normal point, each style but [`AnswerStyle::Paints`] says *normal* without
    /// paint.
    #[must_use]
    pub const fn with_style(self, style: AnswerStyle) -> Self {
        Self { style, ..self }
    }

    /// The same expert with mistakes.
    ///
    /// `error_rate`, `unsure_rate`: the fractions of answers, each in `[0, 1]`, that are wrong (every label of the answer is
    /// turned round) and that are *unsure*.
    #[must_use]
    pub const fn with_mistakes(self, error_rate: f64, unsure_rate: f64, seed: u64) -> Self {
        Self { error_rate, unsure_rate, seed, ..self }
    }
}

impl Oracle for TruthOracle<'_> {
    /// The truth of the point, or of the points that are shown; *skip* where the truth of the point is unknown.
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause> {
        let mut rng = stream(self.seed, Purpose::Expert, question.query.id);
        let (unsure, wrong) = (rng.random::<f64>() < self.unsure_rate, rng.random::<f64>() < self.error_rate);
        let point = question.query.point;
        let truth = self.truths.get(question.query.series).and_then(Option::as_ref).map_or(&[][..], Truth::labels);
        let Some(true_label) = truth.get(point).copied().flatten() else {
            return Ok(Reply::Answer(Answer::Skip));
        };
        if unsure {
            return Ok(Reply::Answer(Answer::Unsure));
        }
        let said = |label: Label| match (label, wrong) {
            (label, false) => label,
            (Label::Normal, true) => Label::Anomaly,
            (Label::Anomaly, true) => Label::Normal,
        };
        let points = question.allowed();
        if self.style != AnswerStyle::Paints {
            let is_anomaly = |point: usize| truth.get(point).copied().flatten() == Some(Label::Anomaly);
            let all: Vec<bool> = points.clone().map(is_anomaly).collect();
            let segment = events(&all).into_iter().find(|segment| segment.contains(&(point - points.start)));
            let painted = segment.filter(|_| !wrong).and_then(|segment| {
                self.style.painted(points.start + segment.start, points.start + segment.end - 1, point)
            });
            return Ok(Reply::Mark(Mark { point, painted, label: said(true_label) }));
        }
        let label_of = |point: usize| truth.get(point).copied().flatten().map(said);
        Ok(Reply::Answer(Answer::Spans(spans(labelled(points, label_of)))))
    }
}

/// An expert whose answers stand in a file: labelled stretches of series, in time.
#[derive(Clone, Debug, Default)]
pub struct FileOracle {
    /// For each series of the session: first point, last point, label; a later one stands over an earlier one.
    spans: Vec<Vec<Span>>,
}

impl FileOracle {
    /// An expert with these spans for each series, by the index of the series; where spans overlap, the last one stands.
    #[must_use]
    pub const fn new(spans: Vec<Vec<Span>>) -> Self {
        Self { spans }
    }
}

impl Oracle for FileOracle {
    /// The file's label of the point, or of the points that are shown; *skip* where it does not hold the point.
    fn answer(&mut self, question: &Question<'_>) -> Result<Reply, Cause> {
        let known = self.spans.get(question.query.series).map_or(&[][..], Vec::as_slice);
        let label_of = |point: usize| {
            known.iter().rev().find(|span| (span.first..=span.last).contains(&point)).map(|span| span.label)
        };
        let point = question.query.point;
        Ok(Reply::Answer(match label_of(point) {
            Some(_) => Answer::Spans(spans(labelled(question.allowed(), label_of))),
            None => Answer::Skip,
        }))
    }
}

/// Those of some points that have a label, with it.
fn labelled(points: Range<usize>, label_of: impl Fn(usize) -> Option<Label>) -> impl Iterator<Item = (usize, Label)> {
    points.filter_map(move |point| Some((point, label_of(point)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::active::query::Reason;
    use crate::data::series::TimeFormat;

    fn series() -> Series {
        Series::new("s", vec!["value".into()], TimeFormat::Index, (0..10).collect(), vec![0.0; 10], None).unwrap()
    }

    fn ask(oracle: &mut impl Oracle, id: u64, point: usize, kind: AnswerKind) -> Reply {
        let query = Query { id, round: 0, series: 0, point, reason: Reason::Random, score: 0.0 };
        let series = series();
        let shown = series.around(point, 2, 2);
        let question = Question { query: &query, series: &series, shown, kind, n_answered: 0, budget: 1 };
        oracle.answer(&question).unwrap()
    }

    fn truth() -> Truth {
        Truth::new((0..10).map(|i| (i != 9).then_some(if i == 5 { Label::Anomaly } else { Label::Normal })).collect())
    }

    #[test]
    fn a_range_answer_paints_what_is_shown() {
        let truths = [Some(truth())];
        let mut oracle = TruthOracle::new(&truths);
        let span = |first, last, label| Span { first, last, label };
        assert_eq!(
            ask(&mut oracle, 0, 4, AnswerKind::Range),
            Reply::Answer(Answer::Spans(vec![
                span(2, 4, Label::Normal),
                span(5, 5, Label::Anomaly),
                span(6, 6, Label::Normal),
            ]))
        );
        assert_eq!(
            ask(&mut oracle, 0, 5, AnswerKind::Point),
            Reply::Answer(Answer::Spans(vec![span(5, 5, Label::Anomaly)]))
        );
        assert_eq!(ask(&mut oracle, 0, 9, AnswerKind::Range), Reply::Answer(Answer::Skip));
    }

    #[test]
    fn mistakes_come_at_their_rates_and_repeat() {
        let truths = [Some(truth())];
        let mut oracle = TruthOracle::new(&truths).with_mistakes(0.2, 0.1, 7);
        let replies: Vec<Reply> = (0..2000).map(|id| ask(&mut oracle, id, 5, AnswerKind::Point)).collect();
        let count = |answer: &Answer| replies.iter().filter(|r| **r == Reply::Answer(answer.clone())).count();
        let wrong = Answer::Spans(vec![Span { first: 5, last: 5, label: Label::Normal }]);
        assert!((150..250).contains(&count(&Answer::Unsure)), "{}", count(&Answer::Unsure));
        assert!((300..420).contains(&count(&wrong)), "{}", count(&wrong));
        assert_eq!(ask(&mut oracle, 3, 5, AnswerKind::Point), replies[3]);
    }

    #[test]
    fn experts_answer_as_people_do() {
        let label = |i| if matches!(i, 2..=5 | 8) { Label::Anomaly } else { Label::Normal };
        let truths = [Some(Truth::new((0..10).map(|i| Some(label(i))).collect()))];
        let series = series();
        let painted = |style, point, kind| {
            let query = Query { id: 0, round: 0, series: 0, point, reason: Reason::Random, score: 0.0 };
            let question = Question { query: &query, series: &series, shown: 0..10, kind, n_answered: 0, budget: 1 };
            let reply = TruthOracle::new(&truths).with_style(style).answer(&question).unwrap();
            let Reply::Mark(mark) = reply else { panic!("a mark") };
            assert_eq!((mark.point, mark.label), (point, label(point)));
            mark.painted
        };
        for (style, range) in [
            (AnswerStyle::MarksThePoint, None),
            (AnswerStyle::PaintsTooLittle, Some((2, 4))),
            (AnswerStyle::PaintsTooMuch, Some((0, 7))),
            (AnswerStyle::OneOfEqual, Some((2, 5))),
        ] {
            assert_eq!(painted(style, 2, AnswerKind::Range), range, "{style:?}");
            assert_eq!(painted(style, 7, AnswerKind::Range), None, "{style:?}");
        }
        assert_eq!(painted(AnswerStyle::PaintsTooLittle, 3, AnswerKind::Range), Some((3, 4)));
        assert_eq!(painted(AnswerStyle::PaintsTooLittle, 8, AnswerKind::Range), Some((8, 8)));
        assert_eq!(painted(AnswerStyle::PaintsTooMuch, 8, AnswerKind::Point), Some((6, 10)), "cut by the mark");
    }

    #[test]
    fn a_file_answers_where_it_has_the_point() {
        let mut oracle = FileOracle::new(vec![vec![
            Span { first: 0, last: 8, label: Label::Normal },
            Span { first: 3, last: 3, label: Label::Anomaly },
        ]]);
        let Reply::Answer(Answer::Spans(spans)) = ask(&mut oracle, 0, 3, AnswerKind::Range) else { panic!() };
        assert_eq!(spans.len(), 3);
        assert_eq!(ask(&mut oracle, 0, 9, AnswerKind::Point), Reply::Answer(Answer::Skip));
    }
}

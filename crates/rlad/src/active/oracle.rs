//! Experts: who answers the questions.

use std::ops::Range;

use rand::RngExt;

use crate::active::query::Query;
use crate::config::AnswerKind;
use crate::data::label::{Answer, Label, Span, Truth, spans};
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

/// An expert's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer.
    Answer(Answer),
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

/// A simulated expert who knows the truth, and may be wrong or unsure at set rates.
///
/// Its answer to a question depends on the seed and the question's number alone, so a resumed run gets the same answers.
#[derive(Clone, Debug)]
pub struct TruthOracle<'a> {
    truths: &'a [Option<Truth>],
    error_rate: f64,
    unsure_rate: f64,
    seed: u64,
}

impl<'a> TruthOracle<'a> {
    /// An expert for series with these truths, by the index of the series, who is never wrong.
    #[must_use]
    pub const fn new(truths: &'a [Option<Truth>]) -> Self {
        Self { truths, error_rate: 0.0, unsure_rate: 0.0, seed: 0 }
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
        if truth.get(point).copied().flatten().is_none() {
            return Ok(Reply::Answer(Answer::Skip));
        }
        if unsure {
            return Ok(Reply::Answer(Answer::Unsure));
        }
        let points = match question.kind {
            AnswerKind::Point => point..point + 1,
            AnswerKind::Range => question.shown.clone(),
        };
        let label_of = |point: usize| {
            truth.get(point).copied().flatten().map(|label| match (label, wrong) {
                (label, false) => label,
                (Label::Normal, true) => Label::Anomaly,
                (Label::Anomaly, true) => Label::Normal,
            })
        };
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
        let points = match question.kind {
            AnswerKind::Point => point..point + 1,
            AnswerKind::Range => question.shown.clone(),
        };
        Ok(Reply::Answer(match label_of(point) {
            Some(_) => Answer::Spans(spans(labelled(points, label_of))),
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

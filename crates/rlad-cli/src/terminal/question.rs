//! A question at the terminal.

use std::ops::Range;

use rlad::Series;
use rlad::config::AnswerKind;

/// One question as the expert sees it: without the detector's score, so that nothing can show it.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// The series.
    pub(crate) series: &'a Series,
    /// The point that is asked about.
    pub(crate) point: usize,
    /// The points that are shown, and may be painted where an answer is a range; `point` is one of them.
    pub(crate) shown: Range<usize>,
    /// The first and the last point of the alarm that it is about, where it is about one.
    pub(crate) alarm: Option<(usize, usize)>,
    /// Whether an answer labels one point or a range.
    pub(crate) kind: AnswerKind,
    /// The number of this question among all of the session, from 1.
    pub(crate) number: usize,
    /// The questions of the session in all.
    pub(crate) budget: usize,
    /// A remark beside it.
    pub(crate) remark: String,
}

//! Feedback of a log: of each question the answer that its experts' come to, and the annotations that nobody asked for, in the
//! order in which they were made.

use std::collections::BTreeMap;
use std::ops::Range;

use rlad::active::{Feedback, Opinion, extent, resolve};
use rlad::config::{AnswerKind, ExpertsConfig};
use rlad::{Answer, Query, Series, Session};

use super::annotation::{Annotated, allowed};
use super::entry::{LoggedAnnotation, Presence};
use super::state::AnnotationState;

/// The context in which answers are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    /// The data.
    pub(crate) series: &'a [Series],
    /// The index of each series by its name.
    pub(crate) index: &'a BTreeMap<String, usize>,
    /// The points that an answer labels.
    pub(crate) kind: AnswerKind,
    /// The rules for the answers of people.
    pub(crate) experts: &'a ExpertsConfig,
}

/// The index of each series by its name.
pub(crate) fn index_of(series: &[Series]) -> BTreeMap<String, usize> {
    series.iter().enumerate().map(|(index, series)| (series.name().to_owned(), index)).collect()
}

/// A question with the points that are shown with it.
pub(crate) type Shown<'a> = (&'a Query, Range<usize>);

impl Reading<'_> {
    /// The answer that an annotation is: of a mark, the labels that it teaches.
    ///
    /// # Errors
    /// [`rlad::Error::Answer`] where it does not fit the question.
    pub(crate) fn answer(&self, annotation: &Annotated, (query, shown): &Shown<'_>) -> Result<Answer, rlad::Error> {
        let allowed = allowed(query.point, shown.clone(), self.kind);
        let said = annotation.answer(query.id, &allowed, self.experts.expected)?;
        let Some(mut mark) = annotation.mark(query.point) else { return Ok(said) };
        if mark.painted.is_none() && said.label_at(query.point).is_none() {
            let problem = "marks another point than the one that was asked about".to_owned();
            return Err(rlad::Error::Answer { question: query.id, problem });
        }
        let series = &self.series[query.series];
        if let (Annotated::Late { .. }, Some((first, last))) = (annotation, mark.painted) {
            // By the data, where they tell; else from the point before.
            let before = extent(series, first.max(allowed.start), &allowed).map_or(first, |extent| extent.0);
            mark.painted = Some((before.min(first.saturating_sub(1)).max(allowed.start), last));
        }
        Ok(mark.answer(series, &allowed))
    }

    /// The answers to a question that hold, in order, with the number of the last entry among them; without those that the data have no
    /// place for any more.
    pub(crate) fn opinions<'s>(
        &self,
        annotations: &'s AnnotationState,
        shown: &Shown<'_>,
    ) -> anyhow::Result<(Vec<(&'s str, Answer)>, i64)> {
        let (mut opinions, mut last) = (Vec::new(), 0);
        for (number, who, logged) in annotations.answers_to(shown.0.id) {
            match logged.presence {
                Presence::Gone => continue,
                Presence::Part => {
                    let Ok(answer) = self.answer(&logged.annotation, shown) else { continue };
                    opinions.push((who, answer));
                }
                Presence::Whole => {
                    self.check(logged, shown.0)?;
                    opinions.push((who, self.answer(&logged.annotation, shown)?));
                }
            }
            last = number;
        }
        Ok((opinions, last))
    }

    /// The answer that those to a question come to; `None` where there is none.
    pub(crate) fn resolved(
        &self,
        annotations: &AnnotationState,
        shown: &Shown<'_>,
    ) -> anyhow::Result<Option<(i64, Answer)>> {
        let (opinions, last) = self.opinions(annotations, shown)?;
        let opinions: Vec<Opinion<'_>> = opinions.iter().map(|(who, answer)| Opinion { who, answer }).collect();
        Ok(resolve(&opinions, shown.0.point, self.experts.conflict).map(|answer| (last, answer)))
    }

    /// Feedback on the questions of a session, those of the round among them, and without a question. Of an answer whose points are not
    /// all in the data the session knows what is left.
    pub(crate) fn feedback(
        &self,
        annotations: &AnnotationState,
        session: &Session,
        pending: &[Query],
    ) -> anyhow::Result<Vec<Feedback>> {
        let mut feedback: Vec<(i64, Feedback)> = Vec::new();
        let answered = session.answered().iter().map(|(query, answer)| (query, Some(answer)));
        for (query, known) in answered.chain(pending.iter().map(|query| (query, None))) {
            let question = query.id;
            let last = annotations.answers_to(question).last();
            let answer = match (known, last.filter(|(.., logged)| logged.presence != Presence::Whole)) {
                (Some(known), Some((last, ..))) => Some((last, known.clone())),
                _ => self.resolved(annotations, &(query, session.shown(query)))?,
            };
            feedback.extend(answer.map(|(last, answer)| (last, Feedback::Answer { question, answer })));
        }
        for (number, _, logged) in annotations.iter().filter(|(_, _, logged)| logged.question.is_none()) {
            let Some(&series) = self.index.get(&logged.series) else { continue };
            feedback.push((
                number,
                Feedback::Unprompted { series, spans: logged.annotation.unprompted(self.experts.expected) },
            ));
        }
        feedback.sort_by_key(|(number, _)| *number);
        Ok(feedback.into_iter().map(|(_, item)| item).collect())
    }

    /// Refuses an answer of the log that is to another question than the session's of the same number.
    fn check(&self, logged: &LoggedAnnotation, query: &Query) -> anyhow::Result<()> {
        let name = self.series[query.series].name();
        let fits =
            logged.series == name && logged.question.as_ref().is_some_and(|question| question.point == query.point);
        if fits {
            return Ok(());
        }
        let point = logged.question.as_ref().map_or(0, |question| question.point);
        Err(crate::advice::Advice::error(
            format!(
                "the answer log does not fit the session: question {} is about point {} of `{name}`, but the log has an answer about \
                 point {point} of `{}`",
                query.id, query.point, logged.series
            ),
            "the data, the settings or the program have changed; begin a new session in another folder".to_owned(),
        ))
    }
}

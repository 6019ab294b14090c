//! The residual of each series ([`Residual`]), by the answers about what the detector did there in use.
//!
//! A question is chosen by its score, which is in the model, so the choice does no harm. The scores are those of the member that did not
//! learn from the answer: no answer is counted twice. Only alarms speak: what is said of them is about what the detector does. An anomaly
//! that it missed mostly looks usual, and would raise all that looks usual; trees learn from it with the round.

use std::collections::BTreeMap;

use super::Session;
use crate::active::query::{Query, Reason};
use crate::agent::ensemble::{fold, means};
use crate::agent::pool::PoolPoint;
use crate::agent::residual::{Deviations, Observation, Residual, signed_surprisals};
use crate::agent::score::Prediction;
use crate::data::label::{Answer, Label};
use crate::features::tree_row::{TreeRows, n_tree_features};

/// Of an answer the point that was asked about speaks, and so many more of its span.
const POINTS_OF_ANSWER: usize = 4;
/// The residual of a series rests on the last so many answers about it.
const MOST_ANSWERS: usize = 32;

impl Session {
    /// The residual of each series that has one, with answers to questions of the round that are not yet learned from.
    pub(super) fn residuals_with(&self, more: &[(u64, Answer)]) -> BTreeMap<usize, Residual> {
        let drift = &self.config.drift;
        let deviations = Deviations { series: drift.series_deviation, alike: drift.alike_deviation };
        let is_off = deviations.series == 0.0 && deviations.alike == 0.0;
        let Some(since) = self.live_since.filter(|_| !is_off && self.has_residuals()) else {
            return BTreeMap::new();
        };
        let more: BTreeMap<u64, &Answer> = more.iter().map(|(id, answer)| (*id, answer)).collect();
        let pending = self.pending.iter().flatten().filter_map(|query| Some((query, *more.get(&query.id)?)));
        let answered = self.answered.iter().map(|(query, answer)| (query, answer));
        let mut of_series: BTreeMap<usize, Vec<(&Query, &Answer)>> = BTreeMap::new();
        for (query, answer) in answered.chain(pending) {
            if query.reason == Reason::Alarm || query.round >= since {
                of_series.entry(query.series).or_default().push((query, answer));
            }
        }
        let fit = |(series, answers): (usize, Vec<(&Query, &Answer)>)| {
            let last = &answers[answers.len().saturating_sub(MOST_ANSWERS)..];
            let points: Vec<Spokesman> = last.iter().flat_map(|(query, answer)| spokesmen(query, answer)).collect();
            let observations = self.observations(series, &points);
            (!observations.is_empty()).then(|| (series, Residual::fit(&observations, deviations)))
        };
        of_series.into_iter().filter_map(fit).collect()
    }

    /// The residual of each series that has one.
    pub(super) fn residuals(&self) -> BTreeMap<usize, Residual> {
        self.residuals_with(&[])
    }

    /// The mean predictions of the agent for some points, with the residuals of their series.
    pub(super) fn predictions_in_use(&self, points: &[PoolPoint]) -> Vec<Prediction> {
        let mut predictions = means(&self.agent.predictions(&self.pool, points));
        if self.residuals.is_empty() {
            return predictions;
        }
        let mut row = TreeRows::new();
        for (prediction, at) in predictions.iter_mut().zip(points) {
            let Some(residual) = self.residuals.get(&at.0) else { continue };
            row.truncate(0);
            self.pool.tree_rows(&[*at], &mut row);
            prediction.score += residual.at(&row.values);
        }
        predictions
    }

    /// Whether scores are log-odds of states that have surprisals.
    fn has_residuals(&self) -> bool {
        self.config.agent.has_prior() && self.config.agent.learner().has_trees()
    }

    /// What was answered about points of a series, each with its label.
    fn observations(&self, series: usize, points: &[Spokesman]) -> Vec<Observation> {
        let at: Vec<PoolPoint> = points.iter().map(|spokesman| (series, spokesman.point)).collect();
        let mut rows = TreeRows::new();
        self.pool.tree_rows(&at, &mut rows);
        let of_members = self.agent.predictions(&self.pool, &at);
        let (means, first_open) = (means(&of_members), self.next_id());
        let times = self.series[series].timestamps();
        let last = times[self.pool.series_end(series).max(1) - 1];
        let threshold = self.threshold();
        let rows = rows.values.chunks_exact(n_tree_features(self.pool.n_features));
        points
            .iter()
            .zip(rows)
            .enumerate()
            .filter_map(|(i, (Spokesman { question, point, label }, row))| {
                // Of an answer that is not yet learned from, all members may judge.
                let of_fold = fold((series, *point), of_members.len());
                let is_learned = *question < first_open;
                let score = if is_learned { of_members[of_fold][i].score } else { means[i].score };
                (score > threshold).then(|| Observation {
                    score,
                    is_anomaly: *label == Label::Anomaly,
                    weight: self.config.drift.fade(last.saturating_sub(times[*point])),
                    signed: signed_surprisals(row).collect(),
                })
            })
            .collect()
    }
}

/// A point that may speak for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spokesman {
    question: u64,
    point: usize,
    label: Label,
}

/// The points that may speak for an answer: the one that was asked about, and others of its span, evenly over it.
fn spokesmen(query: &Query, answer: &Answer) -> Vec<Spokesman> {
    let Answer::Spans(spans) = answer else { return Vec::new() };
    let asked = spans.iter().find(|span| (span.first..=span.last).contains(&query.point));
    let Some(span) = asked else { return Vec::new() };
    let n = span.last + 1 - span.first;
    let mut points = vec![query.point];
    points.extend((0..POINTS_OF_ANSWER.min(n)).map(|i| span.first + (2 * i + 1) * n / (2 * POINTS_OF_ANSWER.min(n))));
    points.sort_unstable();
    points.dedup();
    let spokesman = |point| Spokesman { question: query.id, point, label: span.label };
    points.into_iter().map(spokesman).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::label::Span;

    #[test]
    fn points_of_an_answer_speak_for_it() {
        let query = Query { id: 0, round: 3, series: 1, point: 17, reason: Reason::Alarm, score: 2.0 };
        let span = |first, last, label| Span { first, last, label };
        let long = Answer::Spans(vec![span(0, 9, Label::Normal), span(10, 49, Label::Anomaly)]);
        let points: Vec<usize> = spokesmen(&query, &long).iter().map(|spokesman| spokesman.point).collect();
        assert_eq!(points, [15, 17, 25, 35, 45]);
        let one = Answer::Spans(vec![span(17, 17, Label::Normal)]);
        assert_eq!(spokesmen(&query, &one), [Spokesman { question: 0, point: 17, label: Label::Normal }]);
        assert_eq!(spokesmen(&query, &Answer::Unsure), []);
    }
}

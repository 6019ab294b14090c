//! Which answers are likely_wrong: those that speak against what the members that never saw them make of their points.
//!
//! An expert who is wrong at a share ε of the questions says the opposite of the truth there. The points of one answer are alike,
//! so what they say together counts as one observation: the mean over them of the log-odds of the opposite. With ε that is the
//! probability that the answer is wrong (Bayes), and the mean of these probabilities is ε in turn (EM; Dawid and Skene 1979). Where a question
//! was asked again, the last answer that labels its point stands, and each answer that says the same, or something else, is one more
//! observation for it, or against it: asked again, an expert errs as before.

use std::collections::{BTreeMap, BTreeSet};

use super::Session;
use crate::active::query::Query;
use crate::agent::ensemble::fold;
use crate::agent::pool::PoolPoint;
use crate::data::label::{Answer, Label};

/// No probability is thought nearer than this to 0 or 1: members are not surer than that of points that they never saw.
const LEAST_PROBABILITY: f64 = 0.01;
/// The prior of ε: as if so many answers had been right, and one wrong.
const PRIOR_RIGHT: f64 = 19.0;
/// Passes of the EM algorithm; it settles within a few.
const N_PASSES: usize = 20;

/// The answers about one point that label it.
#[derive(Debug, Default)]
struct Opinions {
    /// The questions, by their place among the answered ones, in order.
    answers: Vec<usize>,
    /// Those that say what the last one says, itself included.
    n_for: f64,
    /// The others.
    n_against: f64,
}

impl Session {
    /// The probability that each answer is wrong, in `[0, 1]`: of answers about the same point, that the last one is; 0 for what labels
    /// nothing.
    pub(super) fn p_wrong(&self) -> Vec<f64> {
        let mut p_wrong = vec![0.0; self.answered.len()];
        if self.agent.members.len() < 2 {
            // A single member learned from every answer: there is none to judge them.
            return p_wrong;
        }
        let opinions = self.opinions();
        let latest: Vec<usize> = opinions.iter().filter_map(|of_point| of_point.answers.last().copied()).collect();
        let against = self.evidence_against(&latest);
        let n = opinions.iter().map(|of_point| of_point.answers.len()).sum::<usize>() as f64 + PRIOR_RIGHT + 1.0;
        let mut error_rate: f64 = 1.0 / (PRIOR_RIGHT + 1.0);
        for _ in 0..N_PASSES {
            let mut sum = 1.0;
            for (of_point, against) in opinions.iter().zip(&against) {
                let Opinions { answers, n_for, n_against } = of_point;
                let p = probability_wrong(error_rate, *n_for, *n_against, *against);
                answers.iter().for_each(|&answer| p_wrong[answer] = p);
                sum += n_for * p + n_against * (1.0 - p);
            }
            error_rate = sum / n;
        }
        p_wrong
    }

    /// The labelled points whose last answer is more likely wrong than right. `p_wrong`: of each answer.
    pub(super) fn points_likely_wrong(&self, p_wrong: &[f64]) -> BTreeSet<PoolPoint> {
        let mut likely_wrong = BTreeSet::new();
        for ((query, answer), p_wrong) in self.answered.iter().zip(p_wrong) {
            let Answer::Spans(spans) = answer else { continue };
            for point in spans.iter().flat_map(|span| span.first..=span.last) {
                if *p_wrong > 0.5 {
                    likely_wrong.insert((query.series, point))
                } else {
                    likely_wrong.remove(&(query.series, point))
                };
            }
        }
        likely_wrong
    }

    /// Whether each answered question was asked once only.
    pub(super) fn asked_once(&self) -> Vec<bool> {
        let mut n_asked: BTreeMap<PoolPoint, usize> = BTreeMap::new();
        let point = |query: &Query| (query.series, query.point);
        self.answered.iter().for_each(|(query, _)| *n_asked.entry(point(query)).or_default() += 1);
        self.answered.iter().map(|(query, _)| n_asked[&point(query)] == 1).collect()
    }

    /// The answers about each point that was asked about and labelled.
    fn opinions(&self) -> Vec<Opinions> {
        let mut of_points: BTreeMap<PoolPoint, Opinions> = BTreeMap::new();
        for (i, (query, answer)) in self.answered.iter().enumerate() {
            if matches!(answer, Answer::Spans(_)) {
                of_points.entry((query.series, query.point)).or_default().answers.push(i);
            }
        }
        for ((_, point), opinions) in &mut of_points {
            let said = |i: &usize| self.answered[*i].1.label_at(*point);
            let last = opinions.answers.last().and_then(said);
            opinions.n_for = opinions.answers.iter().filter(|i| said(i) == last).count() as f64;
            opinions.n_against = opinions.answers.len() as f64 - opinions.n_for;
        }
        of_points.into_values().collect()
    }

    /// The mean over an answer's points of the log-odds of the opposite label by the member that never saw it, of some answers.
    fn evidence_against(&self, answers: &[usize]) -> Vec<f64> {
        let n_members = self.agent.members.len();
        // [member] of (place among `answers`, point, label)
        let mut of_members: Vec<Vec<(usize, PoolPoint, Label)>> = vec![Vec::new(); n_members];
        for (at, &i) in answers.iter().enumerate() {
            let (query, Answer::Spans(spans)) = &self.answered[i] else { continue };
            for span in spans {
                for point in (span.first..=span.last).map(|point| (query.series, point)) {
                    if self.pool.has(point) {
                        of_members[fold(point, n_members)].push((at, point, span.label));
                    }
                }
            }
        }
        let mut sums = vec![(0.0, 0.0); answers.len()];
        for (member, points) in of_members.iter().enumerate() {
            let at: Vec<PoolPoint> = points.iter().map(|p| p.1).collect();
            for (prediction, (i, _, label)) in
                self.agent.predictions_of(member, &self.pool, &at).into_iter().zip(points)
            {
                let p = prediction.probability(&self.config.agent).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
                let odds = (p / (1.0 - p)).ln();
                sums[*i].0 += if *label == Label::Anomaly { -odds } else { odds };
                sums[*i].1 += 1.0;
            }
        }
        sums.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { f64::NEG_INFINITY }).collect()
    }
}

/// The probability that an answer is wrong that so many answers speak for, itself included, and so many against, with ε the share of wrong
/// answers and `against` the log-odds of its opposite by those who never saw it.
fn probability_wrong(error_rate: f64, n_for: f64, n_against: f64, against: f64) -> f64 {
    let odds = (error_rate / (1.0 - error_rate)).powf(n_for - n_against) * against.exp();
    odds / (1.0 + odds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chance_of_a_wrong_answer_by_hand() {
        let probability = |n_for, n_against, odds: f64| probability_wrong(0.1, n_for, n_against, odds.ln());
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} and {b}");
        // One in ten is wrong, and the opposite is nine times as likely: nothing is known.
        close(probability(1.0, 0.0, 9.0), 0.5);
        // Said twice: 1/81 · 9 = 1/9.
        close(probability(2.0, 0.0, 9.0), 0.1);
        // Yes and no: the others alone tell.
        close(probability(1.0, 1.0, 9.0), 0.9);
        close(probability(1.0, 1.0, 1.0 / 9.0), 0.1);
    }
}

//! Which answers are doubted: those that speak against what the members that never saw them make of their points.
//!
//! An expert who is wrong at a share ε of the questions says the opposite of the truth there. The points of one answer are alike,
//! so what they say together counts as one observation: the mean over them of the log-odds of the opposite. With ε that is the
//! chance that the answer is wrong (Bayes), and the mean of these chances is ε in turn (EM; Dawid and Skene 1979).

use std::collections::BTreeMap;

use super::Session;
use crate::agent::fold;
use crate::label::{Answer, Label};
use crate::pool::PoolPoint;
use crate::scorer::chance_of_score;

/// No chance is thought nearer than this to 0 or 1: members are not surer than that of points that they never saw.
const LEAST_CHANCE: f64 = 0.01;
/// What is known of ε before the first answer: as if so many answers had been right, and one wrong.
const PRIOR_RIGHT: f64 = 19.0;
/// Passes of the EM algorithm; it settles within a few.
const N_PASSES: usize = 20;

/// Whether an answer is the last one about its point, and what a later one said of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Standing {
    /// The point was asked about once.
    Open,
    /// It was asked about again, and this is the last answer; or it labels nothing.
    Final,
    /// A later answer about the same point said the same.
    Confirmed,
    /// A later answer about the same point said something else.
    Contradicted,
}

impl Session {
    /// The chance that each answer is wrong, in `[0, 1]`; 0 for what was asked twice: the later answer stands.
    pub(super) fn doubts(&self) -> Vec<f64> {
        let standings = self.standings();
        if self.agent.members.len() < 2 {
            // A single member learned from every answer: there is none to judge them.
            return vec![0.0; standings.len()];
        }
        let against = self.evidence_against(&standings);
        let n_known = standings.iter().filter(|s| matches!(s, Standing::Confirmed | Standing::Contradicted)).count();
        let n_wrong = standings.iter().filter(|s| **s == Standing::Contradicted).count();
        let open: Vec<usize> = (0..standings.len()).filter(|&i| standings[i] == Standing::Open).collect();
        let n = (open.len() + n_known) as f64 + PRIOR_RIGHT + 1.0;
        let mut error_rate = 1.0 / (PRIOR_RIGHT + 1.0);
        let mut doubts = vec![0.0; standings.len()];
        for _ in 0..N_PASSES {
            let mut sum = 1.0 + n_wrong as f64;
            for &i in &open {
                let odds = error_rate / (1.0 - error_rate) * against[i].exp();
                doubts[i] = odds / (1.0 + odds);
                sum += doubts[i];
            }
            error_rate = sum / n;
        }
        doubts
    }

    fn standings(&self) -> Vec<Standing> {
        let mut last: BTreeMap<PoolPoint, usize> = BTreeMap::new();
        let mut standings = vec![Standing::Open; self.answered.len()];
        for (i, (query, answer)) in self.answered.iter().enumerate() {
            if !matches!(answer, Answer::Spans(_)) {
                standings[i] = Standing::Final;
            }
            if let Some(before) = last.insert((query.series, query.point), i) {
                let said = |i: usize| self.answered[i].1.label_at(query.point);
                standings[before] = if said(before) == said(i) { Standing::Confirmed } else { Standing::Contradicted };
                standings[i] = Standing::Final;
            }
        }
        standings
    }

    /// The mean over an open answer's points of the log-odds of the opposite label by the member that never saw it.
    fn evidence_against(&self, standings: &[Standing]) -> Vec<f64> {
        let n_members = self.agent.members.len();
        // [member] of (answer, point, label)
        let mut of_members: Vec<Vec<(usize, PoolPoint, Label)>> = vec![Vec::new(); n_members];
        for (i, (query, answer)) in self.answered.iter().enumerate() {
            let (Standing::Open, Answer::Spans(spans)) = (standings[i], answer) else { continue };
            for span in spans {
                for point in (span.first..=span.last).map(|point| (query.series, point)) {
                    if self.pool.has(point) {
                        of_members[fold(point, n_members)].push((i, point, span.label));
                    }
                }
            }
        }
        let mut sums = vec![(0.0, 0.0); standings.len()];
        for (member, points) in of_members.iter().enumerate() {
            let at: Vec<PoolPoint> = points.iter().map(|p| p.1).collect();
            for (score, (i, _, label)) in self.agent.scores_of(member, &self.pool, &at).into_iter().zip(points) {
                let p = chance_of_score(&self.config.agent, f64::from(score)).clamp(LEAST_CHANCE, 1.0 - LEAST_CHANCE);
                let odds = (p / (1.0 - p)).ln();
                sums[*i].0 += if *label == Label::Anomaly { -odds } else { odds };
                sums[*i].1 += 1.0;
            }
        }
        sums.into_iter().map(|(sum, n)| if n > 0.0 { sum / n } else { f64::NEG_INFINITY }).collect()
    }
}

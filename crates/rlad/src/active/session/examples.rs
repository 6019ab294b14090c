//! The training examples of a round: experts' labels, and pseudo-labels of states that are like theirs.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Session;
use crate::active::propagate::{entropy, propagate};
use crate::agent::dqn::Example;
use crate::agent::pool::PoolPoint;
use crate::agent::residual::{likeness, signed_surprisals};
use crate::data::label::{Answer, Label};
use crate::features::tree_row::TreeRows;
use crate::random::{Purpose, stream};

/// No weight is less than this part of what it was: a point that is asked about has a part in the bins of the trees.
const LEAST_LEFT: f64 = 1e-3;

/// An answer that labels its point.
struct Said {
    /// Its place among the answers.
    answer: usize,
    /// The timestamp of the point.
    time: i64,
    label: Label,
    /// What the point looks like (`agent/residual.rs`).
    signed: Vec<f32>,
}

impl Session {
    /// The series that a round learns from: all of them, or in a round robin after the warm-up the one whose turn it was.
    fn learned_series(&self) -> Range<usize> {
        if self.config.paper.round_robin && !self.config.agent.restart && self.round > 0 {
            let at = self.answered.last().map_or(0, |(query, _)| query.series);
            at..at + 1
        } else {
            0..self.pool.series.len()
        }
    }

    /// The labelled and pseudo-labelled states that a round learns from.
    pub(super) fn examples(&self, pseudo_labels: &[Example]) -> Vec<Example> {
        let (series, p_right) = (self.learned_series(), self.p_right());
        let expert = self.expert_examples().into_iter().filter(|example| series.contains(&example.at.0));
        let weighted = |example: Example| {
            let p_right = p_right.get(&example.at).copied().unwrap_or(1.0);
            Example { weight: example.weight * p_right, ..example }
        };
        expert.map(weighted).chain(pseudo_labels.iter().copied()).collect()
    }

    /// The labelled states with the weights of their answers.
    pub(super) fn expert_examples(&self) -> Vec<Example> {
        let weights = self.weights_of_answers();
        // Labels that no question asked for are worth as much as those of a whole window.
        let unasked = self.weight_of_point(self.config.query.shown);
        let weight = |at: PoolPoint| weights.get(&at).copied().unwrap_or(unasked);
        let labelled = self.labelled().filter(|(at, _)| self.pool.has(*at));
        labelled.map(|(at, label)| Example { at, label, weight: weight(at) }).collect()
    }

    /// The weight of each point of a span of `n_points`: its part of `agent.answer_weight`, at most 1.
    fn weight_of_point(&self, n_points: usize) -> f32 {
        let of_answer = self.config.agent.answer_weight;
        if of_answer > 0.0 { (of_answer / n_points.max(1) as f64).min(1.0) as f32 } else { 1.0 }
    }

    /// The weights of the labelled points by the answers that labelled them, the last one where there are several.
    fn weights_of_answers(&self) -> BTreeMap<PoolPoint, f32> {
        let mut weights = BTreeMap::new();
        for ((query, answer), left) in self.answered.iter().zip(self.left_by_newer_answers()) {
            let Answer::Spans(spans) = answer else { continue };
            for span in spans {
                let weight = left * self.weight_of_point(span.last + 1 - span.first);
                weights.extend((span.first..=span.last).map(|point| ((query.series, point), weight)));
            }
        }
        weights
    }

    /// What newer answers leave of the weight of each answer, in `(0, 1]`, once the data of the session have grown: one that a newer answer
    /// about the same series contradicts loses half of it in `drift.half_life_days` between their points, to the power of how alike
    /// the points look (`agent/residual.rs`).
    fn left_by_newer_answers(&self) -> Vec<f32> {
        let mut left = vec![1.0; self.answered.len()];
        let drift = &self.config.drift;
        if self.live_since.is_none() || drift.half_life_days == 0.0 || !self.config.agent.learner().has_trees() {
            return left;
        }
        let mut of_series: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
        let mut row = TreeRows::new();
        for (i, (query, answer)) in self.answered.iter().enumerate() {
            let at = (query.series, query.point);
            let Some(label) = answer.label_at(query.point).filter(|_| self.pool.has(at)) else { continue };
            row.truncate(0);
            self.pool.tree_rows(&[at], &mut row);
            let time = self.series[at.0].timestamps()[at.1];
            let signed = signed_surprisals(&row.values).collect();
            of_series.entry(at.0).or_default().push(Said { answer: i, time, label, signed });
        }
        for answers in of_series.values() {
            for said in answers {
                let newer = answers.iter().filter(|newer| newer.time > said.time && newer.label != said.label);
                let by = |newer: &Said| {
                    drift.fade(newer.time - said.time).powf(likeness(said.signed.iter().copied(), &newer.signed))
                };
                left[said.answer] = newer.map(by).fold(1.0, f64::min).max(LEAST_LEFT) as f32;
            }
        }
        left
    }

    /// What is left of the weights of labelled points whose answer is likely wrong: the probability that it is right, to the power of
    /// `agent.label_noise_exponent`.
    fn p_right(&self) -> BTreeMap<PoolPoint, f32> {
        /// No weight is less: a point that is asked about has a part in the bins of the trees.
        const LEAST: f64 = 1e-3;
        let power = self.config.agent.label_noise_exponent;
        let mut weights = BTreeMap::new();
        if power <= 0.0 || self.round == 0 {
            return weights;
        }
        for ((query, answer), p_wrong) in self.answered.iter().zip(self.p_wrong()) {
            let Answer::Spans(spans) = answer else { continue };
            let weight = (1.0 - p_wrong).powf(power).max(LEAST) as f32;
            let points = spans.iter().flat_map(|span| span.first..=span.last);
            weights.extend(points.map(|point| ((query.series, point), weight)));
        }
        weights
    }

    /// The pseudo-labels of a round (paper, section 5.4): of each series that the round learns from, the unlabelled states
    /// to which the labelled ones of that series spread with the least entropy.
    pub(super) fn pseudo_labels(&self) -> Vec<Example> {
        let config = &self.config.paper.propagation;
        if config.per_round == 0 || config.weight <= 0.0 {
            return Vec::new();
        }
        let mut pseudo_labels = Vec::new();
        for series in self.learned_series() {
            // Where every label is of one kind, there is nothing to tell apart.
            let both = [Label::Normal, Label::Anomaly]
                .iter()
                .all(|l| self.labels[series].iter().any(|(_, label)| label == *l));
            if !both {
                continue;
            }
            let turn = ((self.round as u64) << 28) | series as u64;
            let mut rng = stream(self.config.seed, Purpose::Propagation, turn);
            let labelled: Vec<(usize, Label)> =
                self.labels[series].iter().filter(|(point, _)| self.pool.has((series, *point))).collect();
            let unlabelled: Vec<usize> = self
                .pool
                .draw(series, config.pool, &mut rng)
                .into_iter()
                .filter(|p| self.labels[series].is_open(*p))
                .collect();
            let points: Vec<PoolPoint> =
                labelled.iter().map(|l| l.0).chain(unlabelled.iter().copied()).map(|point| (series, point)).collect();
            let labels: Vec<Option<Label>> =
                labelled.iter().map(|l| Some(l.1)).chain(unlabelled.iter().map(|_| None)).collect();
            let mut states = Vec::new();
            self.pool.states(&points, &mut states);
            let spread = propagate(&states, states.len() / points.len().max(1), &labels, config);
            let mut ranked: Vec<(f64, usize, f64)> = unlabelled
                .iter()
                .zip(&spread.p_anomaly[labelled.len()..])
                .map(|(&point, &p)| (entropy(p), point, p))
                .filter(|(entropy, ..)| *entropy < std::f64::consts::LN_2)
                .collect();
            ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            pseudo_labels.extend(ranked.into_iter().take(config.per_round).map(|(_, point, p)| Example {
                at: (series, point),
                label: if p > 0.5 { Label::Anomaly } else { Label::Normal },
                weight: config.weight,
            }));
        }
        pseudo_labels
    }
}

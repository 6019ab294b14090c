//! The scores of a model: of a series, piece by piece, so that memory does not grow with its length, and of states that are at hand.

use std::ops::Range;

use rayon::prelude::*;

use crate::agent::score::prior_log_odds;
use crate::data::alarm::Alarm;
use crate::data::explanation::Explanation;
use crate::data::label::Label;
use crate::data::scores::Event;
use crate::data::series::Series;
use crate::detect::decision::decide;
use crate::detect::detector::{Detector, ID_DIGITS, check_channels, leave_out_missing};
use crate::detect::explain::explain;
use crate::detect::model::Model;
use crate::detect::walk::{Piece, Walk};
use crate::error::Result;
use crate::features::tree_row::{TreeRows, n_tree_features};
use crate::models::qnet::QNetwork;

/// The log-odds of a point that an expert labelled.
const SURE_LOG_ODDS: f64 = 20.0;
/// The points that one thread scores together.
const BATCH: usize = 768;

impl Model {
    /// The scores of a piece.
    fn score_piece(&self, Piece { rows, points, tree_rows }: &Piece) -> Vec<f64> {
        let n_steps = self.record.config.state.n_steps;
        let n_tree_features = n_tree_features(self.record.shape.n_features);
        let batches: Vec<Range<usize>> =
            (0..points.len()).step_by(BATCH).map(|first| first..(first + BATCH).min(points.len())).collect();
        let of_batch = |batch: Range<usize>| {
            let of_rows = points.start + batch.start..points.start + batch.end;
            let q_values = |network: &QNetwork| network.q_values_series(rows, of_rows.clone(), n_steps);
            let of_trees = if self.has_trees() {
                &tree_rows.values[batch.start * n_tree_features..batch.end * n_tree_features]
            } else {
                &[]
            };
            let surprisal = |i| tree_rows.surprisal(batch.start + i);
            self.combine(q_values, of_trees, surprisal, batch.len())
        };
        batches.into_par_iter().flat_map_iter(of_batch).collect()
    }

    /// The log-odds of some points of a series before any answer (`agent.prior`), in nats.
    fn priors(&self, series: &Series, points: Range<usize>) -> Vec<f64> {
        let of_piece = |piece: Piece| -> Vec<f64> {
            (0..piece.points.len()).map(|row| self.prior(piece.tree_rows.surprisal(row))).collect()
        };
        Walk::new(self, series, points).flat_map(of_piece).collect()
    }

    /// The log-odds of a point of this mean surprisal before any answer, in nats.
    pub(super) fn prior(&self, surprisal: f64) -> f64 {
        prior_log_odds(&self.record.config.agent.prior, surprisal)
    }

    /// The scores of some states, shape `[n, n_steps, n_features]` (read by networks only), and their rows for the trees (read by trees
    /// only); `n`: how many.
    pub(crate) fn score_states(&self, states: &[f32], tree_rows: &TreeRows, n: usize) -> Vec<f64> {
        let n_steps = self.record.config.state.n_steps;
        let q_values = |network: &QNetwork| network.q_values(states, n_steps);
        self.combine(q_values, &tree_rows.values, |i| tree_rows.surprisal(i), n)
    }
}

impl Detector for Model {
    fn context(&self) -> usize {
        self.record.config.state.n_steps
    }

    fn threshold(&self) -> f64 {
        self.thresholds().open
    }

    fn id(&self) -> &str {
        &self.hash()[..ID_DIGITS]
    }

    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>> {
        check_channels(series, self.record.n_channels)?;
        let first = points.start;
        let mut scores = Vec::with_capacity(points.len());
        let mut walk = Walk::new(self, series, points);
        let mut piece = walk.next();
        while let Some(current) = piece {
            // The next piece is made while this one is scored.
            let (scored, next) = rayon::join(|| self.score_piece(&current), || walk.next());
            let residual = |row| self.residual(series.name(), &current.tree_rows, row);
            scores.extend(scored.into_iter().enumerate().map(|(row, score)| score + residual(row)));
            piece = next;
        }
        leave_out_missing(series, first, &mut scores);
        Ok(scores)
    }

    /// A point that was called an anomaly has log-odds of 20, one that was called normal of −20; without a prior twice the value of a sure
    /// anomaly, `4 r1`, and the value of a sure normal point, `−2 r2`. Both lie on their side of the threshold.
    fn apply_labels(&self, series: &Series, points: Range<usize>, scores: &mut [f64]) {
        assert_eq!(points.len(), scores.len(), "a score a point");
        let agent = &self.record.config.agent;
        let threshold = self.threshold();
        let (sure_anomaly, sure_normal) = if agent.has_prior() {
            (SURE_LOG_ODDS, -SURE_LOG_ODDS)
        } else {
            (4.0 * f64::from(agent.reward_anomaly), -2.0 * f64::from(agent.reward_normal))
        };
        let (anomaly, normal) = (sure_anomaly.max(threshold.next_up()), sure_normal.min(threshold));
        for (point, label) in self.labels(series) {
            let Some(score) = point.checked_sub(points.start).and_then(|at| scores.get_mut(at)) else { continue };
            *score = match label {
                Label::Anomaly => anomaly,
                Label::Normal => normal,
            };
        }
    }

    fn labels(&self, series: &Series) -> Vec<(usize, Label)> {
        let mut labels = self.record.label_overrides.of(series);
        if let Some(calendar) = self.calendar().filter(|_| !labels.is_empty()) {
            let calendar = calendar.of(series.name(), series.clock());
            labels.retain(|(point, _)| !calendar.contains(series.timestamps()[*point]));
        }
        labels
    }

    /// By the settings of its decision ([`Model::decision`]); labels win over all of them, and what is expected
    /// ([`Model::with_calendar`]) over labels.
    fn decide(
        &self,
        series: &Series,
        points: Range<usize>,
        scores: &[f64],
        labels: &[(usize, Label)],
    ) -> Result<Vec<Alarm>> {
        assert_eq!(points.len(), scores.len(), "a score a point");
        check_channels(series, self.record.n_channels)?;
        let clock = series.clock();
        self.decision().check_clock(clock)?;
        let priors = || self.priors(series, points.clone());
        Ok(decide(self.decider(series.name(), clock), series, points.clone(), scores, priors, labels))
    }

    fn explain(&self, series: &Series, events: &[Event]) -> Result<Vec<Explanation>> {
        check_channels(series, self.record.n_channels)?;
        Ok(explain(self, series, events))
    }
}

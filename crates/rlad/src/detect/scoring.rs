//! The scores of a model: of a series, piece by piece, so that memory does not grow with its length, and of states that are at hand.

use std::ops::Range;

use rayon::prelude::*;

use crate::agent::ensemble::mean_q_gap;
use crate::agent::score::{Prediction, q_gap};
use crate::data::label::Label;
use crate::data::series::Series;
use crate::detect::detector::{Detector, check_channels, leave_out_missing};
use crate::detect::model::Model;
use crate::error::Result;
use crate::features::FeatureState;
use crate::features::tree_row::{SeriesContext, mean_surprisal_of, n_tree_features};
use crate::models::qnet::QNetwork;
use crate::models::trees::{BoostedTrees, log_odds_of_each};

/// The points whose states are held at once.
const PIECE: usize = 8_192;
/// The points that one thread scores together.
const SHARE: usize = 768;

/// The states of some points in a row.
struct Piece {
    /// The rows of the points and, before them, those that their windows reach back to.
    rows: Vec<f32>,
    /// Where in `rows` the points to be scored are.
    points: Range<usize>,
    /// What the trees see of them; empty without trees.
    tree_rows: Vec<f32>,
    /// Whether the model was trained on their series.
    is_seen: bool,
}

/// A way along a series, piece by piece.
struct Walk<'a> {
    series: &'a Series,
    /// The points to be scored; those before them are walked through.
    points: Range<usize>,
    next: usize,
    features: FeatureState,
    series_context: Option<SeriesContext>,
    n_features: usize,
    n_steps: usize,
    /// The last rows so far, as many as a window reaches back.
    context: Vec<f32>,
}

impl<'a> Walk<'a> {
    fn new(model: &Model, series: &'a Series, points: Range<usize>) -> Self {
        let state = &model.record.config.state;
        let name = series.name();
        Self {
            features: FeatureState::new(&state.features, series.clock(), series.n_channels(), &model.scale(name)),
            series_context: model.has_trees().then(|| model.series_context(name)),
            n_features: model.record.shape.n_features,
            n_steps: state.n_steps,
            next: 0,
            context: Vec::new(),
            series,
            points,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let of_piece = self.next..(self.next + PIECE).min(self.points.end);
        if of_piece.is_empty() {
            return None;
        }
        self.next = of_piece.end;
        let n_features = self.n_features;
        let mut rows = std::mem::take(&mut self.context);
        let n_before = rows.len() / n_features;
        rows.resize((n_before + of_piece.len()) * n_features, 0.0);
        let (mut tree_rows, mut unused) = (Vec::new(), Vec::new());
        let new_rows = &mut rows[n_before * n_features..];
        let n_channels = self.series.n_channels();
        let values = &self.series.values()[of_piece.start * n_channels..of_piece.end * n_channels];
        self.features.extend(&self.series.timestamps()[of_piece.clone()], values, new_rows);
        for (point, row) in of_piece.clone().zip(new_rows.chunks_exact(n_features)) {
            let Some(series_context) = &mut self.series_context else { continue };
            if self.points.contains(&point) {
                series_context.push_next(row, &mut tree_rows);
            } else if !series_context.is_fitted() {
                unused.clear();
                series_context.push_next(row, &mut unused);
            }
        }
        let n_rows = rows.len() / n_features;
        self.context = rows[(n_rows - n_rows.min(self.n_steps - 1)) * n_features..].to_vec();
        let n_passed = self.points.start.saturating_sub(of_piece.start).min(of_piece.len());
        Some(Piece {
            rows,
            points: n_before + n_passed..n_rows,
            tree_rows,
            is_seen: self.series_context.as_ref().is_none_or(SeriesContext::is_fitted),
        })
    }
}

impl Model {
    /// The scores of a piece.
    fn score_piece(&self, Piece { rows, points, tree_rows, is_seen }: &Piece) -> Vec<f64> {
        let n_steps = self.record.config.state.n_steps;
        let n_tree_features = n_tree_features(self.record.shape.n_features);
        let shares: Vec<Range<usize>> =
            (0..points.len()).step_by(SHARE).map(|first| first..(first + SHARE).min(points.len())).collect();
        let of_share = |share: Range<usize>| {
            let of_rows = points.start + share.start..points.start + share.end;
            let q_values = |network: &QNetwork| network.q_values_series(rows, of_rows.clone(), n_steps);
            let tree_rows = if self.has_trees() {
                &tree_rows[share.start * n_tree_features..share.end * n_tree_features]
            } else {
                &[]
            };
            self.combine(q_values, tree_rows, &vec![*is_seen; share.len()])
        };
        shares.into_par_iter().flat_map_iter(of_share).collect()
    }

    /// The scores of some states, shape `[n, n_steps, n_features]` (read by networks only), of which the trees see `tree_rows`, shape
    /// `[n, n_tree_features]` (read by trees only). `is_seen`: of each, whether the model was trained on its series.
    pub(crate) fn score_states(&self, states: &[f32], tree_rows: &[f32], is_seen: &[bool]) -> Vec<f64> {
        let n_steps = self.record.config.state.n_steps;
        self.combine(|network| network.q_values(states, n_steps), tree_rows, is_seen)
    }

    /// The mean over the members of what their networks and trees say of some states, and what surprisal adds.
    fn combine(&self, q_values: impl Fn(&QNetwork) -> Vec<[f32; 2]>, tree_rows: &[f32], is_seen: &[bool]) -> Vec<f64> {
        let n = is_seen.len();
        let trees: Vec<&BoostedTrees> = self.members.iter().filter_map(|member| member.trees.as_ref()).collect();
        let mut log_odds = log_odds_of_each(&trees, tree_rows).into_iter();
        let of_members: Vec<Vec<f32>> = self
            .members
            .iter()
            .map(|member| {
                let q_values = member.network.as_ref().map(&q_values);
                let log_odds = member.trees.as_ref().and_then(|_| log_odds.next());
                let of_point = |i| {
                    let (q, odds) = (q_values.as_ref().map(|q| q[i]), log_odds.as_ref().map(|odds| odds[i]));
                    q_gap(&self.record.config.agent, q, odds)
                };
                (0..n).map(of_point).collect()
            })
            .collect();
        let n_features = tree_rows.len().checked_div(n).unwrap_or(0);
        let of_point = |i: usize| {
            let q_gap = mean_q_gap(of_members.iter().map(|q_gap| f64::from(q_gap[i])));
            let surprisal = f64::from(mean_surprisal_of(&tree_rows[i * n_features..(i + 1) * n_features]));
            let judged = Prediction { q_gap, surprisal };
            let worth = &self.record.config.agent.trees;
            if is_seen[i] {
                judged.score(worth.surprisal)
            } else {
                judged.score(worth.surprisal_unseen) + self.record.unseen_shift
            }
        };
        (0..n).map(of_point).collect()
    }
}

impl Detector for Model {
    fn context(&self) -> usize {
        self.record.config.state.n_steps
    }

    fn threshold(&self) -> f64 {
        self.record.threshold
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
            scores.extend(scored);
            piece = next;
        }
        leave_out_missing(series, first, &mut scores);
        Ok(scores)
    }

    /// What was called an anomaly scores twice what is surely one, `4 r1`, so that surprisal alone does not rank above it; what was called
    /// normal scores what is surely normal, `−2 r2`. Both lie on their side of the threshold.
    fn apply_labels(&self, series: &Series, points: Range<usize>, scores: &mut [f64]) {
        assert_eq!(points.len(), scores.len(), "a score a point");
        let agent = &self.record.config.agent;
        let threshold = self.record.threshold;
        let anomaly = (4.0 * f64::from(agent.reward_anomaly)).max(threshold.next_up());
        let normal = (-2.0 * f64::from(agent.reward_normal)).min(threshold);
        for (point, label) in self.record.label_overrides.of(series) {
            let Some(score) = point.checked_sub(points.start).and_then(|at| scores.get_mut(at)) else { continue };
            *score = match label {
                Label::Anomaly => anomaly,
                Label::Normal => normal,
            };
        }
    }
}

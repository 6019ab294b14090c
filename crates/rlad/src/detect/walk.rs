//! The way of a model along a series, piece by piece, so that memory does not grow with its length; and the score of what is met there.

use std::ops::Range;

use crate::agent::score::{QFunctions, Scorer, mean_score, scores};
use crate::data::series::Series;
use crate::detect::model::Model;
use crate::features::FeatureState;
use crate::features::surprisal::Ecdfs;
use crate::features::tree_row::TreeRows;
use crate::models::qnet::QNetwork;

/// The points whose states are held at once.
const PIECE: usize = 8_192;

/// The states of some points in a row.
pub(super) struct Piece {
    /// The rows of the points and, before them, those that their windows reach back to.
    pub(super) rows: Vec<f32>,
    /// Where in `rows` the points to be scored are.
    pub(super) points: Range<usize>,
    /// Their rows for the trees; empty without trees.
    pub(super) tree_rows: TreeRows,
}

/// A way along a series, piece by piece.
pub(super) struct Walk<'a> {
    series: &'a Series,
    /// The points to be scored; those before them are walked through.
    points: Range<usize>,
    next: usize,
    features: FeatureState,
    ecdfs: Option<Ecdfs>,
    n_features: usize,
    n_steps: usize,
    /// The last rows so far, as many as a window reaches back.
    context: Vec<f32>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(model: &Model, series: &'a Series, points: Range<usize>) -> Self {
        let state = &model.record.config.state;
        let name = series.name();
        Self {
            features: FeatureState::new(&state.features, series.clock(), series.n_channels(), &model.scale(name)),
            ecdfs: model.has_trees().then(|| model.ecdfs(name, series.clock()).with_table()),
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
        let (mut tree_rows, mut unused) = (TreeRows::default(), TreeRows::default());
        let new_rows = &mut rows[n_before * n_features..];
        let n_channels = self.series.n_channels();
        let values = &self.series.values()[of_piece.start * n_channels..of_piece.end * n_channels];
        self.features.extend(&self.series.timestamps()[of_piece.clone()], values, new_rows);
        for (point, row) in of_piece.clone().zip(new_rows.chunks_exact(n_features)) {
            let Some(ecdfs) = &mut self.ecdfs else { continue };
            if self.points.contains(&point) {
                tree_rows.push_next(row, ecdfs);
            } else if !ecdfs.is_fitted() {
                unused.truncate(0);
                unused.push_next(row, ecdfs);
            }
        }
        let n_rows = rows.len() / n_features;
        self.context = rows[(n_rows - n_rows.min(self.n_steps - 1)) * n_features..].to_vec();
        let n_passed = self.points.start.saturating_sub(of_piece.start).min(of_piece.len());
        Some(Piece { rows, points: n_before + n_passed..n_rows, tree_rows })
    }
}

impl Model {
    /// The mean over the members of their Q-functions' values of some states, and what their surprisal adds.
    pub(super) fn combine(
        &self,
        q_values: impl Fn(&QNetwork) -> Vec<[f32; 2]>,
        tree_rows: &[f32],
        surprisal: impl Fn(usize) -> f64,
        n: usize,
    ) -> Vec<f64> {
        let agent = &self.record.config.agent;
        let members: Vec<QFunctions<'_>> = self.members.iter().map(Scorer::q_functions).collect();
        let of_members = scores(agent, &members, q_values, tree_rows, surprisal, n);
        (0..n).map(|i| mean_score(of_members.iter().map(|scores| f64::from(scores[i])))).collect()
    }
}

//! Explanations by a model: the features that make the highest score of an event, what answers added to it, and the labelled point that is
//! the most like it.
//!
//! The prior's log-odds are a constant and a factor times the mean surprisal of the features, so that each feature's part in them is its
//! share of the sum, of several channels with the weight of its channel: nothing is estimated. What answers added is the rest of the score.

use std::collections::BTreeMap;

use crate::agent::score::prior_log_odds;
use crate::data::explanation::{Explanation, Likeness, Reason};
use crate::data::label::Label;
use crate::data::scores::Event;
use crate::data::series::Series;
use crate::detect::departure::departures;
use crate::detect::model::Model;
use crate::detect::walk::Walk;
use crate::features::surprisal::channel_weights;
use crate::features::tree_row::n_tree_features;
use crate::models::qnet::QNetwork;

/// The most reasons that an event has.
const N_REASONS: usize = 3;
/// A kind of features with a smaller share is no reason.
const LEAST_SHARE: f64 = 0.1;
/// Points are alike where their features, which are inverse hyperbolic sines, differ by less than this on average (root mean square).
const ALIKE: f64 = 1.0;
/// Events times labelled points that are compared in a series at most; of more, every n-th labelled point is.
const MAX_COMPARED: usize = 4_000_000;

/// What is known of a point that is explained, or that was labelled.
struct Met {
    features: Vec<f32>,
    surprisals: Vec<f32>,
    score: f64,
    surprisal: f64,
}

/// The explanation of each event of a series with the channels of the model.
pub(super) fn explain(model: &Model, series: &Series, events: &[Event]) -> Vec<Explanation> {
    let timestamps = series.timestamps();
    let found = departures(series, events);
    let peaks: Vec<Option<usize>> =
        events.iter().map(|event| timestamps.binary_search(&event.peak_timestamp).ok()).collect();
    let labelled = if model.has_trees() { compared_labels(model, series, events) } else { Vec::new() };
    let met = meet(model, series, peaks.iter().flatten().copied().chain(labelled.iter().map(|one| one.0)));
    let of_event = |((event, peak), departure): ((&Event, Option<usize>), _)| {
        let Some(peak) = peak.and_then(|peak| met.get(&peak)) else {
            return Explanation { departure, ..Explanation::default() };
        };
        let agent = &model.record.config.agent;
        let learned = agent.has_prior().then(|| peak.score - prior_log_odds(&agent.prior, peak.surprisal));
        Explanation {
            departure,
            reasons: reasons(model, series, &peak.surprisals),
            learned: learned.filter(|learned| learned.is_finite()),
            likeness: likeness(series, event, peak, &labelled, &met),
        }
    };
    events.iter().zip(peaks).zip(found).map(of_event).collect()
}

/// The labelled points that events are compared with: all, or every n-th of too many.
fn compared_labels(model: &Model, series: &Series, events: &[Event]) -> Vec<(usize, Label)> {
    let labelled = crate::detect::detector::Detector::labels(model, series);
    let every = (labelled.len() * events.len() / MAX_COMPARED).max(1);
    labelled.into_iter().step_by(every).collect()
}

/// Goes along the series and keeps what is known of some points.
fn meet(model: &Model, series: &Series, points: impl Iterator<Item = usize>) -> BTreeMap<usize, Met> {
    let mut points: Vec<usize> = points.collect();
    points.sort_unstable();
    points.dedup();
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return BTreeMap::new() };
    let n_features = model.record.shape.n_features;
    let (n_steps, width) = (model.record.config.state.n_steps, n_tree_features(n_features));
    let mut wanted = points.into_iter().peekable();
    let mut met = BTreeMap::new();
    let mut next = first;
    for piece in Walk::new(model, series, first..last + 1) {
        let end = next + piece.points.len();
        while let Some(point) = wanted.next_if(|&point| point < end) {
            let (at, row) = (point - next, piece.points.start + point - next);
            let tree_row = piece.tree_rows.values.get(at * width..(at + 1) * width).unwrap_or_default();
            let surprisal = piece.tree_rows.surprisal(at);
            let q_values = |network: &QNetwork| network.q_values_series(&piece.rows, row..row + 1, n_steps);
            let score = model.combine(q_values, tree_row, |_| surprisal, 1)[0];
            let features = piece.rows[row * n_features..][..n_features].to_vec();
            let surprisals = tree_row.get(n_features..2 * n_features).unwrap_or_default().to_vec();
            met.insert(point, Met { features, surprisals, score, surprisal });
        }
        next = end;
    }
    met
}

/// The kinds of features with the largest shares in the surprisal of a point, whose features have these surprisals.
fn reasons(model: &Model, series: &Series, surprisals: &[f32]) -> Vec<Reason> {
    let features = &model.record.config.state.features;
    let weights = channel_weights(surprisals, series.n_channels());
    let of_channel = |of: &[f32]| of.iter().copied().map(f64::from).sum::<f64>();
    let total: f64 =
        surprisals.chunks(features.len().max(1)).zip(&weights).map(|(of, weight)| weight * of_channel(of)).sum();
    if features.is_empty() || total <= 0.0 {
        return Vec::new();
    }
    // Of each channel and kind: the sum, and the feature with the largest part.
    let mut sums = BTreeMap::new();
    for ((channel, of_channel), weight) in surprisals.chunks(features.len()).enumerate().zip(&weights) {
        for (feature, &surprisal) in features.iter().zip(of_channel) {
            let (sum, most) = sums.entry((channel, feature.kind())).or_insert((0.0, (surprisal, *feature)));
            *sum += weight * f64::from(surprisal);
            if surprisal > most.0 {
                *most = (surprisal, *feature);
            }
        }
    }
    let mut found: Vec<Reason> = sums
        .into_iter()
        .map(|((channel, _), (sum, (_, feature)))| Reason {
            channel: series.channels()[channel].clone(),
            feature: feature.to_string(),
            share: sum / total,
        })
        .filter(|reason| reason.share >= LEAST_SHARE)
        .collect();
    found.sort_by(|a, b| b.share.total_cmp(&a.share));
    found.truncate(N_REASONS);
    found
}

/// The labelled point that is the most like the peak of an event: the first anomaly in the event itself, or else the nearest one.
fn likeness(
    series: &Series,
    event: &Event,
    peak: &Met,
    labelled: &[(usize, Label)],
    met: &BTreeMap<usize, Met>,
) -> Option<Likeness> {
    let time = |point: usize| series.timestamps()[point];
    let is_own = |(point, label): &&(usize, Label)| {
        *label == Label::Anomaly && (event.start..=event.end).contains(&time(*point))
    };
    if let Some(&(point, label)) = labelled.iter().find(is_own) {
        return Some(Likeness { timestamp: time(point), label, is_within: true });
    }
    let distance = |of: &Met| {
        let squares = of.features.iter().zip(&peak.features).map(|(a, b)| f64::from(a - b).powi(2));
        (squares.sum::<f64>() / peak.features.len().max(1) as f64).sqrt()
    };
    let of_labelled = labelled.iter().filter_map(|(point, label)| Some((distance(met.get(point)?), *point, *label)));
    let nearest = of_labelled.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|nearest| nearest.0 < ALIKE);
    nearest.map(|(_, point, label)| Likeness { timestamp: time(point), label, is_within: false })
}

//! Label shift: another share of anomalies in new data than in those that a model learned on, estimated without labels.
//!
//! Source: Saerens, Latinne and Decaestecker, *Adjusting the Outputs of a Classifier to New a Priori Probabilities: A Simple Procedure*,
//! Neural Computation 14, 2002, section 2.2.

use crate::models::trees::probability;

/// The most rounds of the iteration.
const MAX_ROUNDS: usize = 200;
/// The iteration ends where the share changes by less than this part of itself.
const TOLERANCE: f64 = 1e-6;
/// Shares of anomalies are kept this far from 0 and 1.
const LEAST_SHARE: f64 = 1e-9;

/// The part of the estimated change that a threshold is moved by. Undamped it did harm where a detector had learned from few answers.
const DAMPING: f64 = 0.5;

/// The change of a threshold, in log-odds: the damped change of the share of anomalies with its sign turned, by the cube of the evidence.
///
/// `training_share`, `evidence`: as in the record of a model; `scores`: the log-odds of new points, NaN for those without one.
pub(super) fn threshold_shift(training_share: f64, evidence: f64, scores: &[f64]) -> f64 {
    if training_share <= 0.0 || evidence <= 0.0 {
        return 0.0;
    }
    let probabilities: Vec<f64> =
        scores.iter().filter(|score| !score.is_nan()).map(|&score| probability(score)).collect();
    -DAMPING * evidence.powi(3) * shift(training_share, share_of_anomalies(training_share, &probabilities))
}

/// The share of anomalies among new points, in (0, 1), by expectation and maximisation: the share under which the new points' probabilities,
/// each corrected for it, have that share as their mean.
///
/// `training_share`: the mean probability of an anomaly over the points that the model learned on, in (0, 1); `probabilities`: those of the
/// new points under the model, in `[0, 1]`. It is the training share where there is no new point.
fn share_of_anomalies(training_share: f64, probabilities: &[f64]) -> f64 {
    let before = training_share.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
    if probabilities.is_empty() {
        return before;
    }
    let mut share = before;
    for _ in 0..MAX_ROUNDS {
        let (of_anomaly, of_normal) = (share / before, (1.0 - share) / (1.0 - before));
        let corrected = |p: &f64| p * of_anomaly / (p * of_anomaly + (1.0 - p) * of_normal);
        let next = probabilities.iter().map(corrected).sum::<f64>() / probabilities.len() as f64;
        let next = next.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
        let has_converged = (next - share).abs() < TOLERANCE * share;
        share = next;
        if has_converged {
            break;
        }
    }
    share
}

/// The change of the log-odds of an anomaly from one share to another.
fn shift(from: f64, to: f64) -> f64 {
    let log_odds = |share: f64| (share / (1.0 - share)).ln();
    log_odds(to.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE)) - log_odds(from.clamp(LEAST_SHARE, 1.0 - LEAST_SHARE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A model that tells two kinds of points apart: of the training points a share `of_high` has the probability `high`, the others `low`.
    /// The kinds' shares among anomalies and among normal points follow, and so does the share of anomalies among new points, of which
    /// `new_high` have `high`: it solves one linear equation.
    fn by_hand(of_high: f64, high: f64, low: f64, new_high: f64) -> (f64, f64) {
        let training = of_high * high + (1.0 - of_high) * low;
        let (of_anomalies, of_normals) = (of_high * high / training, of_high * (1.0 - high) / (1.0 - training));
        (training, (new_high - of_normals) / (of_anomalies - of_normals))
    }

    #[test]
    fn two_kinds_of_points_by_hand() {
        // A tenth at .8, the rest at .02: 9.8 % anomalous. Of new points one in twenty is of the first kind.
        let (training, expected) = by_hand(0.1, 0.8, 0.02, 0.05);
        let new: Vec<f64> = (0..1_000).map(|i| if i < 50 { 0.8 } else { 0.02 }).collect();
        let share = share_of_anomalies(training, &new);
        assert!((training - 0.098).abs() < 1e-12 && (expected - 0.0350).abs() < 5e-4, "{training} {expected}");
        assert!((share - expected).abs() < 1e-4, "{share}, expected {expected}");
        assert!((shift(training, share) + 1.10).abs() < 0.01, "{}", shift(training, share));
        assert!((share_of_anomalies(0.03, &[]) - 0.03).abs() < 1e-12);
    }

    #[test]
    fn a_threshold_moves_by_half_of_what_changed_where_much_was_learned() {
        let log_odds = |p: f64| (p / (1.0 - p)).ln();
        let (training, expected) = by_hand(0.1, 0.8, 0.02, 0.05);
        let new: Vec<f64> = (0..1_000).map(|i| log_odds(if i < 50 { 0.8 } else { 0.02 })).chain([f64::NAN]).collect();
        let moved = |evidence| threshold_shift(training, evidence, &new);
        let by_half = 0.5 * (log_odds(training) - log_odds(expected));
        assert!(by_half > 0.5 && (moved(1.0) - by_half).abs() < 1e-3, "{} {by_half}", moved(1.0));
        assert!((moved(0.5) - by_half / 8.0).abs() < 1e-3);
        assert!(moved(0.0) == 0.0 && threshold_shift(0.0, 1.0, &new) == 0.0);
    }

    proptest! {
        #[test]
        fn a_share_that_did_not_change_stays(of_high in 1_usize..200, high in 0.5..0.99, low in 0.001..0.3) {
            let probabilities: Vec<f64> = (0..200).map(|i| if i < of_high { high } else { low }).collect();
            let mean = probabilities.iter().sum::<f64>() / 200.0;
            prop_assert!((share_of_anomalies(mean, &probabilities) - mean).abs() < 1e-6);
        }

        #[test]
        fn more_sure_points_are_a_larger_share(n in 1_usize..100, more in 1_usize..100) {
            let of = |n: usize| (0..200).map(|i| if i < n { 0.9 } else { 0.05 }).collect::<Vec<f64>>();
            prop_assert!(share_of_anomalies(0.2, &of(n)) <= share_of_anomalies(0.2, &of(n + more)) + 1e-9);
        }
    }
}

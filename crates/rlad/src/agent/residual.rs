//! The residual of a series: how much likelier an anomaly is at one of its points than the detector says, by the answers about what the
//! detector did there in use.
//!
//! The log-odds of an anomaly at a point `x` are `z(x) + g(x)`, with the detector's score `z` and, for each series, a Gaussian process `g` of
//! mean 0 and covariance `τ² + λ² exp(−d²/4)`: `τ` is how far the whole series may be off, `λ` how far points may be that look alike, and
//! `d²` is the mean over the features of the squared difference of their signed surprisals, in nats². What is kept is the mode of `g` at
//! the answered points (Rasmussen and Williams 2006, algorithm 3.1): there `g = K a` with `aᵢ = wᵢ (yᵢ − σ(zᵢ + gᵢ))`, which Newton's
//! method finds; at any other point `g(x) = k(x)ᵀ a`. So one answer that an alarm was false quiets the points of its series that look like
//! it, and hardly the others.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use crate::models::trees::probability;

/// Steps of Newton's method, halvings of a step, and the change of the residual at which it has settled, in nats.
const MOST_STEPS: usize = 60;
const MOST_HALVINGS: usize = 20;
const SETTLED: f64 = 1e-9;
/// Scores are not taken to be surer than this, in nats.
const SUREST: f64 = 8.0;

/// The residual of one series, in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Residual {
    /// What is added at every point.
    constant: f64,
    /// What is added at points like the answered ones, of each.
    of_alike: Vec<f64>,
    /// The signed surprisals of the answered points, shape `[of_alike.len(), n_features]`.
    signed: Vec<f32>,
}

/// The standard deviations of the residual, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deviations {
    /// Of what all points of the series share.
    pub(crate) series: f64,
    /// Of what points share that look alike.
    pub(crate) alike: f64,
}

/// What was answered about a point.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    /// The detector's score of the point, which has not learned from the answer.
    pub(crate) score: f64,
    pub(crate) is_anomaly: bool,
    pub(crate) weight: f64,
    /// Its signed surprisals, shape `[n_features]`.
    pub(crate) signed: Vec<f32>,
}

/// The surprisal of each feature with the sign of the feature, by a row for the trees.
pub(crate) fn signed_surprisals(tree_row: &[f32]) -> impl Iterator<Item = f32> {
    let n_features = tree_row.len() / 2;
    let (features, surprisals) = (&tree_row[..n_features], &tree_row[n_features..2 * n_features]);
    features.iter().zip(surprisals).map(|(feature, surprisal)| if *feature < 0.0 { -surprisal } else { *surprisal })
}

/// `exp(−d²/4)` of two points by their signed surprisals, in `[0, 1]`.
pub(crate) fn likeness(a: impl Iterator<Item = f32>, b: &[f32]) -> f64 {
    let squares: f64 = a.zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (-0.25 * squares / b.len().max(1) as f64).exp()
}

impl Residual {
    /// The residual by what was answered. Without answers, or where both deviations are 0, nothing is added.
    pub(crate) fn fit(observations: &[Observation], Deviations { series, alike }: Deviations) -> Self {
        let (of_series, of_alike) = (series * series, alike * alike);
        let a = mode(observations, |a, b| of_series + of_alike * likeness(a.signed.iter().copied(), &b.signed));
        Self {
            constant: of_series * a.iter().sum::<f64>(),
            of_alike: a.iter().map(|a| of_alike * a).collect(),
            signed: observations.iter().flat_map(|observation| observation.signed.iter().copied()).collect(),
        }
    }

    /// What is added to the score of a point, in nats, by its row for the trees.
    pub(crate) fn at(&self, tree_row: &[f32]) -> f64 {
        let width = (tree_row.len() / 2).max(1);
        let of_alike = self.of_alike.iter().zip(self.signed.chunks_exact(width));
        let alike: f64 = of_alike.map(|(by, signed)| by * likeness(signed_surprisals(tree_row), signed)).sum();
        self.constant + alike
    }

    /// Whether all of its numbers are finite, and are those of states with so many features.
    pub(crate) fn fits(&self, n_features: usize) -> bool {
        self.signed.len() == self.of_alike.len() * n_features
            && self.constant.is_finite()
            && self.of_alike.iter().all(|by| by.is_finite())
            && self.signed.iter().all(|signed| signed.is_finite())
    }
}

impl Observation {
    /// The probability of an anomaly that the detector and the residual say.
    fn probability(&self, residual: f64) -> f64 {
        probability(self.score.clamp(-SUREST, SUREST) + residual)
    }

    /// The logarithm of the probability of what was answered, times its weight.
    fn log_likelihood(&self, residual: f64) -> f64 {
        let p = self.probability(residual);
        self.weight * if self.is_anomaly { p } else { 1.0 - p }.max(f64::MIN_POSITIVE).ln()
    }
}

/// The coefficients `a` of the mode.
fn mode(observations: &[Observation], covariance: impl Fn(&Observation, &Observation) -> f64) -> Vec<f64> {
    let n = observations.len();
    let k = DMatrix::from_fn(n, n, |i, j| covariance(&observations[i], &observations[j]));
    let of_each = |of: &dyn Fn(usize) -> f64| DVector::from_fn(n, |i, _| of(i));
    let objective = |a: &DVector<f64>, g: &DVector<f64>| {
        let likelihood: f64 = observations.iter().zip(g.iter()).map(|(of, g)| of.log_likelihood(*g)).sum();
        likelihood - 0.5 * a.dot(g)
    };
    let (mut a, mut g) = (DVector::zeros(n), DVector::zeros(n));
    for _ in 0..MOST_STEPS {
        let p = of_each(&|i| observations[i].probability(g[i]));
        let curvature = of_each(&|i| observations[i].weight * p[i] * (1.0 - p[i]));
        let root = curvature.map(f64::sqrt);
        let slope = of_each(&|i| observations[i].weight * (f64::from(u8::from(observations[i].is_anomaly)) - p[i]));
        let b = curvature.component_mul(&g) + slope;
        // I + W^½ K W^½ has no eigenvalue below 1.
        let Some(cholesky) = (DMatrix::identity(n, n) + (&root * root.transpose()).component_mul(&k)).cholesky() else {
            break;
        };
        let full = &b - root.component_mul(&cholesky.solve(&root.component_mul(&(&k * &b))));
        let before = objective(&a, &g);
        let mut step = &full - &a;
        let mut next = (&a + &step, &k * &full);
        for _ in 0..MOST_HALVINGS {
            if objective(&next.0, &next.1) >= before {
                break;
            }
            step /= 2.0;
            let shorter = &a + &step;
            next = (shorter.clone(), &k * shorter);
        }
        let change = (&next.1 - &g).amax();
        (a, g) = next;
        if change < SETTLED {
            break;
        }
    }
    a.as_slice().to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USUAL: Deviations = Deviations { series: 1.0, alike: 3.0 };

    fn observed(score: f64, is_anomaly: bool, signed: &[f32]) -> Observation {
        Observation { score, is_anomaly, weight: 1.0, signed: signed.to_vec() }
    }

    /// The row for the trees of a point with these signed surprisals.
    fn row(signed: &[f32]) -> Vec<f32> {
        let features = signed.iter().map(|signed| signed.signum());
        features.chain(signed.iter().map(|signed| signed.abs())).chain([0.0]).collect()
    }

    #[test]
    fn the_mode_by_hand() {
        let none = Residual::fit(&[], USUAL);
        assert!(none.at(&row(&[1.0, 2.0])).abs() < 1e-12);
        // One false alarm at even odds and a deviation of 1: −g = σ(g), so g = −0.4010581375.
        let alone = Deviations { series: 1.0, alike: 0.0 };
        let one = Residual::fit(&[observed(0.0, false, &[5.0])], alone).at(&row(&[-1.0]));
        assert!((one + 0.401_058_137_5).abs() < 1e-9, "{one}");
        // The same by what is alike alone: nothing is added where nothing is.
        let alike = Residual::fit(&[observed(0.0, false, &[5.0])], Deviations { series: 0.0, alike: 1.0 });
        assert!((alike.at(&row(&[5.0])) + 0.401_058_137_5).abs() < 1e-9);
        assert!(alike.at(&row(&[-5.0])).abs() < 1e-9);
        // Two features that differ by 1 and by 3: d² = 5.
        let at = Residual::fit(&[observed(0.0, false, &[5.0, 2.0])], Deviations { series: 0.0, alike: 1.0 });
        assert!((at.at(&row(&[4.0, -1.0])) + 0.401_058_137_5 * (-1.25_f64).exp()).abs() < 1e-9);
        // A prior so wide that it says nothing: three of four are anomalies at even odds, ln 3.
        let four = [true, true, true, false].map(|is_anomaly| observed(0.0, is_anomaly, &[1.0]));
        let wide = Residual::fit(&four, Deviations { series: 30.0, alike: 0.0 }).at(&row(&[1.0]));
        assert!((wide - 3.0_f64.ln()).abs() < 0.01, "{wide}");
    }

    #[test]
    fn a_false_alarm_quiets_what_is_like_it_and_hardly_the_rest() {
        let false_alarm = [6.0, 5.0, -7.0, 0.5];
        let residual = Residual::fit(&[observed(3.0, false, &false_alarm)], USUAL);
        assert!(3.0 + residual.at(&row(&false_alarm)) < 0.0);
        assert!(3.0 + residual.at(&row(&[5.5, 5.5, -6.5, 0.2])) < 0.0, "on a like point");
        assert!(residual.at(&row(&[-6.0, 5.0, 7.0, 0.5])).abs() < 0.5, "on another");
    }

    #[test]
    fn signs_are_those_of_the_features() {
        assert_eq!(signed_surprisals(&[-1.0, 2.0, 3.0, 4.0, 9.0]).collect::<Vec<_>>(), [-3.0, 4.0]);
    }

    proptest! {
        #[test]
        fn coefficients_are_the_residuals_of_the_mode(
            observations in proptest::collection::vec(
                (-9.0..9.0, any::<bool>(), 0.0..1.0, proptest::collection::vec(-8.0_f32..8.0, 3)), 1..20),
            series in 0.0..10.0,
            alike in 0.0..10.0,
        ) {
            let observations: Vec<Observation> = observations
                .into_iter()
                .map(|(score, is_anomaly, weight, signed)| Observation { score, is_anomaly, weight, signed })
                .collect();
            let residual = Residual::fit(&observations, Deviations { series, alike });
            let mut sum = 0.0;
            for (observation, of_alike) in observations.iter().zip(&residual.of_alike) {
                let score = observation.score.clamp(-SUREST, SUREST) + residual.at(&row(&observation.signed));
                let y = f64::from(u8::from(observation.is_anomaly));
                let a = observation.weight * (y - probability(score));
                prop_assert!((of_alike - alike * alike * a).abs() < 1e-4, "{} and {}", of_alike, alike * alike * a);
                sum += a;
            }
            prop_assert!((residual.constant - series * series * sum).abs() < 1e-3);
        }

        #[test]
        fn one_more_false_alarm_lowers_every_point_of_its_kind(
            scores in proptest::collection::vec(-4.0..6.0, 1..10), more in -4.0..6.0,
        ) {
            let observations: Vec<Observation> = scores.iter().map(|score| observed(*score, false, &[4.0])).collect();
            let before = Residual::fit(&observations, USUAL).at(&row(&[4.0]));
            let all = [observations, vec![observed(more, false, &[4.0])]].concat();
            prop_assert!(Residual::fit(&all, USUAL).at(&row(&[4.0])) < before);
        }
    }
}

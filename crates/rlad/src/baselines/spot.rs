//! SPOT and DSPOT: a point is an anomaly where extreme value theory says that so extreme a value comes once in `1/q` points.
//!
//! The excesses of a series over a high threshold `t` follow a generalised Pareto distribution, whatever the series. It is
//! fitted to the first points of the series (the calibration), and gives the value `z_q` that is exceeded with probability
//! `q`. Then the series is read once: a value above `z_q` is an alarm and changes nothing, a value between `t` and `z_q` is
//! one more excess and moves the fit, any other value counts. DSPOT takes away the mean of the last `depth` values that were
//! no alarms before.
//!
//! Source: Siffer, Fouque, Termier and Largouët, *Anomaly Detection in Streams with Extreme Value Theory*, KDD 2017,
//! algorithms 1 to 3 and equations 1 to 3.
//!
//! Deviations:
//! 1. The score is a probability (see [`spot`]), where the paper only has alarms.
//! 2. The shape of the tail is at least −1/2, and the likelihoods of all tails are right ([`TailFit`]).
//! 3. All roots of the likelihood equation are compared when a quarter more excesses are there; between two comparisons the
//!    best one is followed.

mod tail;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use tail::{Excesses, Pareto};

pub use tail::TailFit;

/// The score where the fitted probability is below `10^-300`, or 0.
const MOST: f64 = 300.0;

/// The settings of SPOT and DSPOT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpotConfig {
    /// The probability `q` of an alarm at a normal point, in `(0, 1 - level)`.
    pub q: f64,
    /// The quantile of the calibration that is the initial threshold `t`, in `(0, 1)`; of two-sided SPOT `1 - level` is the
    /// other one.
    pub level: f64,
    /// Whether values that are too low are anomalies as well.
    pub two_sided: bool,
    /// DSPOT only: the number of values whose mean is taken away, at least 1.
    pub depth: usize,
    /// How the tail is fitted.
    pub fit: TailFit,
}

impl Default for SpotConfig {
    fn default() -> Self {
        Self { q: 1e-4, level: 0.98, two_sided: false, depth: 10, fit: TailFit::Exact }
    }
}

impl SpotConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::setting("level", "in (0, 1)", self.level));
        }
        if !(self.q > 0.0 && self.q < 1.0 - self.level) {
            return Err(Error::setting("q", "in (0, 1 - level)", self.q));
        }
        if self.depth == 0 {
            return Err(Error::setting("depth", "at least 1", self.depth));
        }
        Ok(())
    }

    /// The score above which a point is an alarm: `-log10 q`.
    #[must_use]
    pub fn threshold(&self) -> f64 {
        -self.q.log10()
    }
}

/// The scores of SPOT, one a value, at least 0; higher is more anomalous.
///
/// A score is `-log10` of the probability of a more extreme value, under the tail as it was before the value was seen: 3 is
/// one point in a thousand. So it is above [`SpotConfig::threshold`] exactly where the value is beyond `z_q`. Within
/// the initial threshold it is taken from the calibration's values instead, and where the tail gives a probability of 0 it
/// is between 300 and 301, rising with the value. Two-sided, it is the larger one of the two sides.
///
/// `values`: the finite values of one channel in time order. The first `n_calibration` of them are the calibration, which is
/// scored by the tail that was fitted to it; a calibration without an excess (a constant) makes every larger value an alarm.
///
/// # Errors
/// [`Error::Setting`] for settings outside of their ranges, [`Error::Empty`] without a calibration.
pub(crate) fn spot(values: &[f64], n_calibration: usize, config: &SpotConfig) -> Result<Vec<f64>> {
    config.validate()?;
    let calibration = &values[..n_calibration.min(values.len())];
    if calibration.is_empty() {
        return Err(Error::Empty { what: "the calibration of SPOT".to_owned() });
    }
    let mut spot = Spot::new(calibration, config);
    let mut scores: Vec<f64> = calibration.iter().map(|&value| spot.score(value)).collect();
    scores.extend(values[calibration.len()..].iter().map(|&value| spot.step(value).score));
    Ok(scores)
}

/// The scores of DSPOT, as of [`spot`], of each value less the mean of the [`SpotConfig::depth`] values before it that were
/// no alarms.
///
/// The calibration has no alarms; its first `depth` values have no such mean and score 0.
///
/// # Errors
/// [`Error::Setting`] for settings outside of their ranges, [`Error::Empty`] where the calibration has no point after its
/// first `depth`.
pub(crate) fn dspot(values: &[f64], n_calibration: usize, config: &SpotConfig) -> Result<Vec<f64>> {
    config.validate()?;
    let n_calibration = n_calibration.min(values.len());
    if n_calibration <= config.depth {
        return Err(Error::Empty { what: format!("the calibration of DSPOT after its first {} values", config.depth) });
    }
    let (calibration, stream) = values.split_at(n_calibration);
    let mut drift = Drift::new(&calibration[..config.depth]);
    let residuals: Vec<f64> = calibration[config.depth..]
        .iter()
        .map(|&value| {
            let residual = value - drift.mean();
            drift.push(value);
            residual
        })
        .collect();
    let mut spot = Spot::new(&residuals, config);
    let mut scores = vec![0.0; config.depth];
    scores.extend(residuals.iter().map(|&residual| spot.score(residual)));
    scores.extend(stream.iter().map(|&value| {
        let scored = spot.step(value - drift.mean());
        if !scored.alarm {
            drift.push(value);
        }
        scored.score
    }));
    Ok(scores)
}

/// The score of one value, and whether it is an alarm.
#[derive(Clone, Copy, Debug)]
struct SpotStep {
    score: f64,
    alarm: bool,
}

/// SPOT after its calibration.
#[derive(Clone, Debug)]
struct Spot {
    /// The upper side, and the lower one where there are two.
    sides: Vec<Side>,
    /// The number of values that were no alarms, calibration included: `k` of the paper.
    n_values: usize,
    q: f64,
}

impl Spot {
    fn new(calibration: &[f64], config: &SpotConfig) -> Self {
        let signs: &[f64] = if config.two_sided { &[1.0, -1.0] } else { &[1.0] };
        let sides = signs.iter().map(|&sign| Side::new(sign, calibration, config)).collect();
        Self { sides, n_values: calibration.len(), q: config.q }
    }

    fn score(&self, value: f64) -> f64 {
        self.sides.iter().map(|side| side.score(value, self.q)).fold(0.0, f64::max)
    }

    /// Scores a value, then learns from it.
    fn step(&mut self, value: f64) -> SpotStep {
        let score = self.score(value);
        let alarm = self.sides.iter().any(|side| side.sign * value > side.alarm_above);
        if !alarm {
            self.n_values += 1;
            for side in &mut self.sides {
                side.learn(value, self.n_values, self.q);
            }
        }
        SpotStep { score, alarm }
    }
}

/// One side of the distribution; the lower one is the upper one of the values with the other sign.
#[derive(Clone, Debug)]
struct Side {
    sign: f64,
    /// The calibration's values in rising order.
    calibration: Vec<f64>,
    /// `t`.
    threshold: f64,
    excesses: Excesses,
    /// The tail at the last excess.
    pareto: Pareto,
    /// The fraction of the values above `t` at the last excess, `N_t / k`.
    fraction_above: f64,
    /// `z_q`.
    alarm_above: f64,
}

impl Side {
    fn new(sign: f64, calibration: &[f64], config: &SpotConfig) -> Self {
        let mut sorted: Vec<f64> = calibration.iter().map(|value| sign * value).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        // The ranks ⌊level n⌋ and ⌊(1 − level) n⌋ in the order of the values.
        let n = sorted.len() as f64;
        let rank = if sign > 0.0 { config.level * n } else { n - 1.0 - ((1.0 - config.level) * n).floor() };
        let threshold = sorted[(rank as usize).min(sorted.len() - 1)];
        let excesses: Vec<f64> = calibration
            .iter()
            .map(|value| sign * value)
            .filter(|&value| value > threshold)
            .map(|value| value - threshold)
            .collect();
        let mut side = Self {
            sign,
            calibration: sorted,
            threshold,
            excesses: Excesses::new(excesses, config.fit),
            pareto: Pareto { shape: 0.0, scale: 0.0 },
            fraction_above: 0.0,
            alarm_above: threshold,
        };
        side.update(calibration.len(), config.q);
        side
    }

    /// Takes a value that is no alarm.
    fn learn(&mut self, value: f64, n_values: usize, q: f64) {
        let excess = self.sign * value - self.threshold;
        if excess > 0.0 {
            self.excesses.push(excess);
            self.update(n_values, q);
        }
    }

    fn update(&mut self, n_values: usize, q: f64) {
        self.pareto = self.excesses.pareto();
        self.fraction_above = self.excesses.len() as f64 / n_values as f64;
        // Where a smaller fraction than q exceeds `t`, `z_q` is below it, and the tail says nothing there.
        self.alarm_above = if self.fraction_above > q {
            self.threshold + self.pareto.quantile(q / self.fraction_above)
        } else {
            self.threshold
        };
    }

    fn score(&self, value: f64, q: f64) -> f64 {
        let value = self.sign * value;
        let excess = value - self.threshold;
        let score = if excess > 0.0 {
            let score = -(self.fraction_above.ln() + self.pareto.log_survival(excess)) * std::f64::consts::LOG10_E;
            if score < MOST { score } else { MOST + 1.0 / (1.0 + self.pareto.scale / excess) }
        } else {
            let n = self.calibration.len();
            let n_above = n - self.calibration.partition_point(|&other| other <= value);
            -(n_above.max(1) as f64 / n as f64).max(self.fraction_above).min(1.0).log10()
        };
        // Rounding never moves a value over the limit.
        let limit = -q.log10();
        if value > self.alarm_above { score.max(limit.next_up()) } else { score.clamp(0.0, limit) }
    }
}

/// The mean of the last values.
#[derive(Clone, Debug)]
struct Drift {
    values: VecDeque<f64>,
    sum: f64,
    /// The number of values that were exchanged since the sum was taken anew, which keeps rounding errors from adding up.
    n_exchanged: usize,
}

impl Drift {
    fn new(values: &[f64]) -> Self {
        Self { values: values.iter().copied().collect(), sum: values.iter().sum(), n_exchanged: 0 }
    }

    fn mean(&self) -> f64 {
        self.sum / self.values.len() as f64
    }

    /// Takes in the newest value for the oldest one.
    fn push(&mut self, value: f64) {
        let oldest = self.values.pop_front().expect("a drift has at least one value");
        self.values.push_back(value);
        self.n_exchanged += 1;
        if self.n_exchanged == self.values.len() {
            self.sum = self.values.iter().sum();
            self.n_exchanged = 0;
        } else {
            self.sum += value - oldest;
        }
    }
}

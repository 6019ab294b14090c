//! Twitter's S-H-ESD: extreme studentised deviates of a series without its season.
//!
//! The season is taken away by STL, then the most deviant value is removed again and again; the last removal that was more
//! extreme than it could be by probability, and all before it, are the anomalies. Mean and deviation are themselves moved by
//! anomalies, so *hybrid* ESD measures with the median and the median absolute deviation (MAD).
//!
//! It looks at the **whole series** at once: at its season, its median and its most extreme values.
//!
//! Source: Hochenbaum, Vallis and Kejariwal, *Automatic Anomaly Detection in the Cloud Via Statistical Learning*, 2017,
//! sections 3 and 4; Rosner, *Percentage Points for a Generalized ESD Many-Outlier Procedure*, 1983; Cleveland, Cleveland,
//! McRae and Terpenning, *STL*, 1990.
//!
//! Deviations:
//! 1. There is a score (see [`esd`]), where the paper only has anomalies.
//! 2. MAD is multiplied by 1.4826, which makes it the deviation of a normal distribution, as the critical values assume; the
//!    paper's formula leaves the factor out.
//! 3. The season is that of the whole series; the paper's windows of two weeks for long series are not there.

use distrs::StudentsT;
use serde::{Deserialize, Serialize};
use stlrs::StlParams;

use crate::error::{Error, Result};

/// The deviation of a normal distribution whose median absolute deviation is 1.
const DEVIATION_PER_MAD: f64 = 1.482_602_218_505_602;

/// The settings of ESD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EsdConfig {
    /// The most anomalies, as a fraction of the points, in `(0, 0.5)`; at least one point is tried.
    pub max_anomalies: f64,
    /// The probability α of an anomaly in a series that has none, in `(0, 1)`.
    pub alpha: f64,
    /// The season in points, at least 2; none takes no season away, and nor does a series shorter than two seasons.
    pub period: Option<usize>,
    /// Whether values are measured with median and MAD (S-H-ESD), or with mean and standard deviation (S-ESD).
    pub hybrid: bool,
}

impl Default for EsdConfig {
    fn default() -> Self {
        Self { max_anomalies: 0.02, alpha: 0.05, period: None, hybrid: true }
    }
}

impl EsdConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting outside of its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.max_anomalies > 0.0 && self.max_anomalies < 0.5) {
            return Err(Error::setting("max_anomalies", "in (0, 0.5)", self.max_anomalies));
        }
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(Error::setting("alpha", "in (0, 1)", self.alpha));
        }
        match self.period {
            Some(period) if period < 2 => Err(Error::setting("period", "at least 2", period)),
            _ => Ok(()),
        }
    }
}

/// The score of each point, at least 0: above 1 exactly where ESD declares an anomaly; higher is more anomalous.
///
/// The value that is removed at turn `i` has the deviate `R_i = |x − centre| / spread` and the critical value `λ_i`. With
/// the last `i` at which `R_i > λ_i` being `l`, its score is the largest `R_j / λ_j` from `i` to `l` up to turn `l`, and
/// `R_i / λ_i` after it. A value that is never removed has its deviate at the last turn, divided by the larger one of
/// `R_i` and `λ_i` of that turn, so at most 1.
///
/// Turns end early where the spread is 0. Where it is 0 from the start there are no anomalies, and a score is the distance
/// from the centre as a fraction of the largest distance.
///
/// `values`: the finite values of one channel in time order.
///
/// # Errors
/// [`Error::Setting`] for settings outside of their ranges.
pub(crate) fn esd(values: &[f64], config: &EsdConfig) -> Result<Vec<f64>> {
    config.validate()?;
    let season = match config.period {
        Some(period) if values.len() >= 2 * period => seasonal(values, period),
        _ => vec![0.0; values.len()],
    };
    let residuals: Vec<f64> = values.iter().zip(&season).map(|(value, season)| value - season).collect();
    let n_turns = ((config.max_anomalies * values.len() as f64) as usize).max(1);
    Ok(deviates(&residuals, n_turns, config.alpha, config.hybrid))
}

/// The periodic season of a series of at least two periods, one value a point.
///
/// STL with robust weights and a seasonal smoother over ten times the number of points, of degree 0; then every place in the
/// period takes the mean over its cycles, so that the season is the same in each.
fn seasonal(values: &[f64], period: usize) -> Vec<f64> {
    let fit = StlParams::new()
        .seasonal_length(10 * values.len() + 1)
        .seasonal_degree(0)
        .robust(true)
        .fit(values, period)
        .expect("a period of at least 2 points, twice in the series");
    let mut profile = vec![0.0; period];
    for (place, mean) in profile.iter_mut().enumerate() {
        let cycle = fit.seasonal()[place..].iter().step_by(period);
        *mean = cycle.clone().sum::<f64>() / cycle.count() as f64;
    }
    (0..values.len()).map(|point| profile[point % period]).collect()
}

/// The generalised ESD test with at most `n_turns` outliers: scores as [`esd`] says.
fn deviates(values: &[f64], n_turns: usize, alpha: f64, hybrid: bool) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut rest = Rest::new(order.iter().map(|&point| values[point]).collect(), hybrid);
    let mut scores = vec![0.0; values.len()];
    let mut removed: Vec<(usize, f64)> = Vec::with_capacity(n_turns);
    let (mut centre, mut unit) = (0.0, 0.0);
    // Two values must stay: the critical value has n − i − 1 degrees of freedom.
    for _ in 0..n_turns.min(values.len().saturating_sub(2)) {
        let (at, spread) = rest.centre_and_spread();
        if spread.is_nan() || spread <= 0.0 {
            break;
        }
        let critical = critical_value(rest.len(), alpha);
        let (rank, distance) = rest.remove_farthest(at);
        (centre, unit) = (at, spread * critical.max(distance / spread));
        removed.push((order[rank], distance / spread / critical));
    }
    if removed.is_empty() {
        let (at, _) = rest.centre_and_spread();
        (centre, unit) = (at, values.iter().map(|value| (value - at).abs()).fold(0.0, f64::max));
    }
    if unit > 0.0 {
        for &point in &order[rest.low..rest.high] {
            // Rounding never moves a tie with the last removal over 1.
            scores[point] = ((values[point] - centre).abs() / unit).min(1.0);
        }
    }
    let mut largest = 0.0_f64;
    for &(point, ratio) in removed.iter().rev() {
        if ratio > 1.0 || largest > 1.0 {
            largest = largest.max(ratio);
            scores[point] = largest;
        } else {
            scores[point] = ratio;
        }
    }
    scores
}

/// The critical value λ of `n` remaining values: `(n − 1) t / √((n − 2 + t²) n)`, where `t` is the quantile of Student's
/// distribution with `n − 2` degrees of freedom at `1 − α / 2n`.
///
/// Source: Rosner, 1983, equation 2.5, with `n` for his `n − i + 1`.
fn critical_value(n: usize, alpha: f64) -> f64 {
    let n = n as f64;
    let t = StudentsT::ppf(1.0 - alpha / (2.0 * n), n - 2.0);
    (n - 1.0) * t / ((n - 2.0 + t * t) * n).sqrt()
}

/// The values that are left, in rising order: removals of the farthest value come from the two ends.
#[derive(Debug)]
struct Rest {
    sorted: Vec<f64>,
    low: usize,
    high: usize,
    /// For mean and deviation: the sums of the distances to the middle value and of their squares, from the middle outwards
    /// up to each value, so that what is far out is never subtracted again. Empty for median and MAD.
    sums: Vec<(f64, f64)>,
}

impl Rest {
    fn new(sorted: Vec<f64>, hybrid: bool) -> Self {
        let (high, middle) = (sorted.len(), sorted.len() / 2);
        let mut sums = Vec::new();
        if !hybrid {
            let (below, from) = sorted.split_at(middle);
            let add = |sum: &mut (f64, f64), value: &f64| {
                let distance = value - sorted[middle];
                *sum = (sum.0 + distance, sum.1 + distance * distance);
                Some(*sum)
            };
            sums.extend(below.iter().rev().scan((0.0, 0.0), add));
            sums.reverse();
            sums.extend(from.iter().scan((0.0, 0.0), add));
        }
        Self { sorted, low: 0, high, sums }
    }

    fn len(&self) -> usize {
        self.high - self.low
    }

    /// Median and scaled MAD, or mean and sample standard deviation; zeros where nothing is left.
    fn centre_and_spread(&self) -> (f64, f64) {
        if self.len() == 0 {
            return (0.0, 0.0);
        }
        if self.sums.is_empty() {
            let median = self.median();
            return (median, DEVIATION_PER_MAD * self.median_distance(median));
        }
        let middle = self.sorted.len() / 2;
        let below = if self.low < middle { self.sums[self.low] } else { (0.0, 0.0) };
        let from = self.sums[self.high - 1];
        let (sum, squares) = (below.0 + from.0, below.1 + from.1);
        let n = self.len() as f64;
        (self.sorted[middle] + sum / n, ((squares - sum * sum / n) / (n - 1.0)).max(0.0).sqrt())
    }

    fn median(&self) -> f64 {
        let upper = self.low + self.len() / 2;
        if self.len() % 2 == 1 { self.sorted[upper] } else { f64::midpoint(self.sorted[upper - 1], self.sorted[upper]) }
    }

    /// The median distance from the median.
    fn median_distance(&self, median: f64) -> f64 {
        let n = self.len();
        if n % 2 == 1 {
            self.nth_distance(median, n / 2)
        } else {
            f64::midpoint(self.nth_distance(median, n / 2 - 1), self.nth_distance(median, n / 2))
        }
    }

    /// The distance from the median that `nth` distances are at most as large as.
    ///
    /// Distances rise from the median to both ends, so that this is a search in two sorted lists for how many of the
    /// `nth + 1` smallest are in the lower one.
    fn nth_distance(&self, median: f64, nth: usize) -> f64 {
        let split = self.low + self.len() / 2;
        let below = |index: usize| median - self.sorted[split - 1 - index];
        let above = |index: usize| self.sorted[split + index] - median;
        let (n_below, n_above) = (split - self.low, self.high - split);
        let n = nth + 1;
        let (mut least, mut most) = (n.saturating_sub(n_above), n.min(n_below));
        while least < most {
            let taken = usize::midpoint(least, most);
            if above(n - taken - 1) <= below(taken) {
                most = taken;
            } else {
                least = taken + 1;
            }
        }
        let last_below = if least > 0 { below(least - 1) } else { 0.0 };
        let last_above = if n > least { above(n - least - 1) } else { 0.0 };
        last_below.max(last_above)
    }

    /// Removes the value farthest from a centre, and gives its place in the order and its distance.
    fn remove_farthest(&mut self, centre: f64) -> (usize, f64) {
        let (below, above) = (centre - self.sorted[self.low], self.sorted[self.high - 1] - centre);
        if below > above {
            self.low += 1;
            (self.low - 1, below)
        } else {
            self.high -= 1;
            (self.high, above)
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact is so to the last bit")]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::baselines::reference::{numbers, of_statistics};

    /// Rosner's example, as in the NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.17.3.
    const ROSNER: [f64; 54] = [
        -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69, 1.70,
        1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40,
        2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
    ];

    #[test]
    fn mean_and_deviation_find_rosners_three_outliers() {
        // The handbook's table: R and λ of the ten removals, cut to three digits.
        let table = [
            (3.118, 3.158),
            (2.942, 3.151),
            (3.179, 3.143),
            (2.810, 3.136),
            (2.815, 3.128),
            (2.848, 3.120),
            (2.279, 3.111),
            (2.310, 3.103),
            (2.101, 3.094),
            (2.067, 3.085),
        ];
        let mut rest = Rest::new(ROSNER.to_vec(), false);
        for (deviate, critical) in table {
            let (centre, spread) = rest.centre_and_spread();
            let found = critical_value(rest.len(), 0.05);
            assert!((found - critical).abs() < 1e-3, "{found} != {critical}");
            let found = rest.remove_farthest(centre).1 / spread;
            assert!((found - deviate).abs() < 1e-3, "{found} != {deviate}");
        }
        let scores = deviates(&ROSNER, 10, 0.05, false);
        let outliers: Vec<f64> = (0..54).filter(|&point| scores[point] > 1.0).map(|point| ROSNER[point]).collect();
        assert_eq!(outliers, [5.34, 5.42, 6.01]);
        // The first two are masked: alone, neither would be one. They take the third one's ratio.
        assert!((scores[53] - 3.179 / 3.143).abs() < 1e-3 && scores[53] == scores[52] && scores[52] == scores[51]);
    }

    #[test]
    fn the_season_is_that_of_statsmodels() {
        let reference = of_statistics();
        let x = numbers(&reference["x"]);
        let period = reference["season"]["period"].as_u64().unwrap() as usize;
        let season = seasonal(&x, period);
        for (place, want) in numbers(&reference["season"]["profile"]).into_iter().enumerate() {
            assert!((season[place] - want).abs() < 1e-6, "{place}: {} != {want}", season[place]);
            assert_eq!(season[place], season[place + period]);
        }
    }

    #[test]
    fn removals_are_those_of_a_test_that_starts_anew_each_time() {
        let reference = of_statistics();
        let x = numbers(&reference["x"]);
        let profile = numbers(&reference["season"]["profile"]);
        let residuals: Vec<f64> = x.iter().enumerate().map(|(point, value)| value - profile[point % 24]).collect();
        let want = reference["esd"].as_array().unwrap();
        let mut sorted = residuals.clone();
        sorted.sort_by(f64::total_cmp);
        let mut rest = Rest::new(sorted.clone(), true);
        for want in want {
            let (centre, spread) = rest.centre_and_spread();
            let critical = critical_value(rest.len(), 0.05);
            assert!((critical - want["critical"].as_f64().unwrap()).abs() < 1e-6, "{critical}");
            let (rank, distance) = rest.remove_farthest(centre);
            assert_eq!(sorted[rank], residuals[want["point"].as_u64().unwrap() as usize]);
            assert!((distance / spread - want["deviate"].as_f64().unwrap()).abs() < 1e-12, "{}", distance / spread);
        }
        let ratio = |want: &Value| want["deviate"].as_f64().unwrap() / want["critical"].as_f64().unwrap();
        let n_outliers = want.iter().rposition(|want| ratio(want) > 1.0).map_or(0, |last| last + 1);
        let scores = deviates(&residuals, want.len(), 0.05, true);
        assert!(n_outliers > 0 && scores.iter().filter(|&&score| score > 1.0).count() == n_outliers);
    }

    #[test]
    fn median_and_mad_of_what_is_left_are_found_by_hand() {
        let mut rest = Rest::new(vec![1.0, 2.0, 4.0, 8.0, 16.0, 64.0], true);
        // Median 6; the distances are 2, 2, 4, 5, 10, 58.
        assert_eq!(rest.centre_and_spread(), (6.0, 4.5 * DEVIATION_PER_MAD));
        assert_eq!(rest.remove_farthest(6.0), (5, 58.0));
        // Median 4; the distances are 0, 2, 3, 4, 12.
        assert_eq!(rest.centre_and_spread(), (4.0, 3.0 * DEVIATION_PER_MAD));
    }

    #[test]
    fn a_season_hides_no_anomaly() {
        let mut values: Vec<f64> = (0..200).map(|point| [0.0, 5.0, 9.0, 5.0, 1.0][point % 5]).collect();
        for (point, value) in values.iter_mut().enumerate() {
            *value += 0.1 * ((point * 7919) % 13) as f64 / 13.0;
        }
        values[100] = 9.0; // as high as the peak of the season, at its lowest place
        let config = EsdConfig { period: Some(5), ..Default::default() };
        let scores = esd(&values, &config).unwrap();
        assert_eq!((0..200).filter(|&point| scores[point] > 1.0).collect::<Vec<_>>(), [100]);
        assert!(esd(&values, &EsdConfig { period: None, ..config }).unwrap()[100] <= 1.0);
    }

    #[test]
    fn without_spread_nothing_is_an_anomaly() {
        let mut values = vec![0.5; 50];
        values[7] = 2.5;
        values[9] = 1.5;
        let scores = esd(&values, &EsdConfig::default()).unwrap();
        assert_eq!((scores[7], scores[9], scores[8]), (1.0, 0.5, 0.0));
        for n in 0..4 {
            assert_eq!(esd(&values[..n], &EsdConfig { period: Some(3), ..Default::default() }).unwrap(), vec![0.0; n]);
        }
    }

    proptest! {
        #[test]
        fn the_median_distance_is_that_of_sorted_distances(values in prop::collection::vec(-10_i32..10, 1..40)) {
            let mut sorted: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            sorted.sort_by(f64::total_cmp);
            let rest = Rest::new(sorted.clone(), true);
            let (median, spread) = rest.centre_and_spread();
            let mut distances: Vec<f64> = sorted.iter().map(|value| (value - median).abs()).collect();
            distances.sort_by(f64::total_cmp);
            let n = distances.len();
            let want = f64::midpoint(distances[(n - 1) / 2], distances[n / 2]);
            prop_assert_eq!(spread, want * DEVIATION_PER_MAD);
        }

        #[test]
        fn unit_and_origin_do_not_matter(values in prop::collection::vec(-50_i32..50, 0..60), hybrid: bool) {
            let config = EsdConfig { max_anomalies: 0.2, hybrid, ..Default::default() };
            let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
            // All of this is exact in binary fractions, so that no tie is broken in another way; but not a moved mean.
            let origin = if hybrid { 4096.0 } else { 0.0 };
            let moved: Vec<f64> = values.iter().map(|value| value * 1024.0 - origin).collect();
            let scores = esd(&values, &config).unwrap();
            prop_assert!(scores.iter().all(|score| score.is_finite() && *score >= 0.0), "{:?}", scores);
            prop_assert_eq!(scores, esd(&moved, &config).unwrap());
        }
    }
}

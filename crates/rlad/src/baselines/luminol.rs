//! Luminol's detectors: LinkedIn's library for light-weight anomaly detection, which the paper compares with.
//!
//! Every one of them looks at the **whole series** before it scores a point: at its deviation, at its largest and smallest
//! value, and at its largest score, of which the threshold is a fraction. So these scores cannot be had from a stream, and the
//! score of a point depends on what comes after it.
//!
//! Source: linkedin/luminol 0.4 (Apache-2.0), with its default settings; for the bitmaps, Wei, Kumar, Lolla, Keogh, Lonardi
//! and Ratanamahatana, *Assumption-Free Anomaly Detection in Time Series*, 2005.
//!
//! Deviations:
//! 1. Points are one unit of time apart, whatever their timestamps, which matters to the derivative beside a gap.
//! 2. A constant series scores 0, where luminol divides rounding errors by a deviation that is a rounding error.
//! 3. A series of one point scores 0, where luminol's derivative fails.

/// A detector's scores of one series, with the threshold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LuminolScores {
    /// One a point, at least 0; higher is more anomalous.
    pub(crate) scores: Vec<f64>,
    /// Luminol's own threshold: a point is an anomaly where its score is *above* it.
    pub(crate) threshold: f64,
}

/// The number of levels that values are sorted into.
const N_LEVELS: usize = 4;
/// The kinds of chunks: pairs of levels.
const N_CHUNKS: usize = N_LEVELS * N_LEVELS;
/// The length of the lagging and of the leading window, as a fraction of the series.
const WINDOW_FRACTION: f64 = 0.2 / 16.0;
/// The fewest points of both windows together.
const LEAST_WINDOWS: usize = 50;
/// The most points of one window.
const MOST_WINDOW: usize = 200;
/// The weight of the newest value in a moving average.
const SMOOTHING: f64 = 0.2;
/// The threshold where there is none of its own, as a fraction of the largest score.
const THRESHOLD_FRACTION: f64 = 0.2;
/// The threshold of the exponential average and of the default detector.
const THRESHOLD: f64 = 3.0;
/// Scores below this fraction of the largest one are 0.
const NOISE_FRACTION: f64 = 0.001;
/// The weight of the exponential average in the default detector.
const AVERAGE_WEIGHT: f64 = 0.65;
/// The score of the exponential average above which the derivative's score counts by itself.
const SIGNIFICANT: f64 = 0.94;

/// `AnomalyDetector` with its defaults: the bitmap detector, or the default detector where a series is too short for it,
/// which is below 2000 points.
pub(crate) fn luminol(values: &[f64]) -> LuminolScores {
    luminol_bitmap(values).unwrap_or_else(|| luminol_default(values))
}

/// The bitmap detector: how differently pairs of neighbouring levels are distributed before and after a point.
///
/// The range of the series is cut into four levels of equal height; the score is `Σ (f_after − f_before)²` over the 16 pairs
/// of levels, whose numbers `f` are counted in the window that ends before the point and in the one that begins at it, each
/// 1/80 of the series and at most 200 points long. Points without both windows score 0; the threshold is a fifth of the
/// largest score. None where both windows together have fewer than 50 points.
pub(crate) fn luminol_bitmap(values: &[f64]) -> Option<LuminolScores> {
    let n_points = values.len();
    let n_window = (n_points as f64 * WINDOW_FRACTION) as usize;
    if 2 * n_window < LEAST_WINDOWS {
        return None;
    }
    let n_window = n_window.min(MOST_WINDOW);
    let levels = levels(values);
    // The chunk of a point is the pair that begins with it.
    let chunks: Vec<usize> = levels.windows(2).map(|pair| pair[0] * N_LEVELS + pair[1]).collect();
    let mut difference = [0_i64; N_CHUNKS];
    for chunk in &chunks[..n_window - 1] {
        difference[*chunk] -= 1;
    }
    for chunk in &chunks[n_window..2 * n_window - 1] {
        difference[*chunk] += 1;
    }
    let mut scores = vec![0.0; n_points];
    for point in n_window..=n_points - n_window {
        scores[point] = difference.iter().map(|difference| difference * difference).sum::<i64>() as f64;
        if point < n_points - n_window {
            difference[chunks[point - n_window]] += 1;
            difference[chunks[point - 1]] -= 1;
            difference[chunks[point]] -= 1;
            difference[chunks[point + n_window - 1]] += 1;
        }
    }
    Some(with_relative_threshold(scores))
}

/// The default detector: the exponential average's score, mixed with the derivative's where that is larger.
///
/// It is `max(a, .65 a + .35 d)`, and at least `d` where `a > .94`; the threshold is 3.
pub(crate) fn luminol_default(values: &[f64]) -> LuminolScores {
    let average = luminol_average(values).scores;
    let derivative = luminol_derivative(values).scores;
    let mut scores: Vec<f64> = average
        .iter()
        .zip(&derivative)
        .map(|(&average, &derivative)| {
            let mixed = average.max(average * AVERAGE_WEIGHT + derivative * (1.0 - AVERAGE_WEIGHT));
            if average > SIGNIFICANT { mixed.max(derivative) } else { mixed }
        })
        .collect();
    remove_noise(&mut scores);
    LuminolScores { scores, threshold: THRESHOLD }
}

/// The exponential average detector: `|x − ema| / deviation`, where the moving average includes the point itself, with a
/// weight of .2, and the population deviation is that of the series. The threshold is 3.
pub(crate) fn luminol_average(values: &[f64]) -> LuminolScores {
    let mut scores = distances_to_average(values);
    divide(&mut scores, deviation(values));
    remove_noise(&mut scores);
    LuminolScores { scores, threshold: THRESHOLD }
}

/// The derivative detector: the distance of the absolute step from its moving average, divided by the deviation of those
/// distances. The first point has the step of the second one; the threshold is a fifth of the largest score.
pub(crate) fn luminol_derivative(values: &[f64]) -> LuminolScores {
    let mut steps: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let first = steps.first().copied().unwrap_or(0.0);
    steps.insert(0, first);
    steps.truncate(values.len());
    let mut scores = distances_to_average(&steps);
    let deviation = deviation(&scores);
    divide(&mut scores, deviation);
    with_relative_threshold(scores)
}

/// The level of each value, 0 to 3: the number of the last of four equal parts of the range whose lower end it reaches.
fn levels(values: &[f64]) -> Vec<usize> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let height = (most - least) / N_LEVELS as f64;
    let level = |value: f64| (1..N_LEVELS).take_while(|&level| value >= least + level as f64 * height).count();
    values.iter().map(|&value| level(value)).collect()
}

/// The absolute distance of each value from the exponential moving average up to it.
fn distances_to_average(values: &[f64]) -> Vec<f64> {
    let mut average = values.first().copied().unwrap_or(0.0);
    let mut distances = Vec::with_capacity(values.len());
    for (point, &value) in values.iter().enumerate() {
        if point > 0 {
            average = SMOOTHING * value + (1.0 - SMOOTHING) * average;
        }
        distances.push((value - average).abs());
    }
    distances
}

/// The population standard deviation, exactly 0 for a constant.
fn deviation(values: &[f64]) -> f64 {
    if values.windows(2).all(|pair| pair[0].total_cmp(&pair[1]).is_eq()) {
        return 0.0;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Divides by a deviation, unless that is 0.
fn divide(scores: &mut [f64], deviation: f64) {
    for score in scores {
        *score = if deviation > 0.0 { *score / deviation } else { 0.0 };
    }
}

/// Sets what is far below the largest score to 0, and gives the largest score.
fn remove_noise(scores: &mut [f64]) -> f64 {
    let most = scores.iter().copied().fold(0.0, f64::max);
    for score in scores {
        if *score < NOISE_FRACTION * most {
            *score = 0.0;
        }
    }
    most
}

fn with_relative_threshold(mut scores: Vec<f64>) -> LuminolScores {
    let threshold = THRESHOLD_FRACTION * remove_noise(&mut scores);
    LuminolScores { scores, threshold }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact is so to the last bit")]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::baselines::reference::{numbers, of_statistics};

    /// Luminol by the name of a detector, which falls back in the same way where the bitmap is asked for by name.
    fn by_name(name: &str, values: &[f64]) -> LuminolScores {
        match name {
            "luminol" | "bitmap_detector" => luminol(values),
            "default_detector" => luminol_default(values),
            "exp_avg_detector" => luminol_average(values),
            "derivative_detector" => luminol_derivative(values),
            other => panic!("no detector `{other}`"),
        }
    }

    fn assert_is_luminol(case: &Value, values: &[f64]) {
        for want in case["detectors"].as_array().unwrap() {
            let name = want["detector"].as_str().unwrap();
            let what = format!("{name} on {} values", values.len());
            let got = by_name(name, values);
            let close = |got: f64, want: f64| (got - want).abs() <= 1e-11 * want.abs();
            assert_eq!(got.scores.len(), values.len(), "{what}");
            assert!(close(got.threshold, want["threshold"].as_f64().unwrap()), "{what}: {}", got.threshold);
            let sum: f64 = got.scores.iter().sum();
            assert!(close(sum, want["sum"].as_f64().unwrap()), "{what}: sum {sum}");
            for (index, want) in numbers(&want["every_29"]).into_iter().enumerate() {
                assert!(close(got.scores[29 * index], want), "{what}, {index}: {} != {want}", got.scores[29 * index]);
            }
            let n_above = got.scores.iter().filter(|&&score| score > got.threshold).count();
            assert_eq!(n_above as u64, want["n_above"].as_u64().unwrap(), "{what}");
        }
    }

    #[test]
    fn scores_and_thresholds_are_those_of_luminol() {
        let reference = of_statistics();
        let x = numbers(&reference["x"]);
        for case in reference["luminol"].as_array().unwrap() {
            let [first, last] = ["first", "last"].map(|name| case[name].as_u64().unwrap() as usize);
            assert_is_luminol(case, &x[first..last]);
        }
    }

    #[test]
    fn windows_of_long_series_have_200_points() {
        let reference = of_statistics();
        let (x, h) = (numbers(&reference["x"]), numbers(&reference["h"]));
        let long: Vec<f64> =
            (0..20_000).map(|i| x[i % 3000] * (1.0 + 0.125 * (i / 3000) as f64) + 0.0625 * h[i * 7 % 3000]).collect();
        assert_is_luminol(&reference["luminol_long"][0], &long);
    }

    #[test]
    fn the_bitmap_needs_2000_points() {
        assert!(luminol_bitmap(&vec![1.0; 1999]).is_none());
        assert_eq!(luminol_bitmap(&vec![1.0; 2000]).unwrap().scores, vec![0.0; 2000]);
    }

    #[test]
    fn a_bitmap_counts_pairs_before_and_after() {
        // The level 0 up to 1999, then the level 3: at the step the 24 pairs before are (0, 0), the 24 after are (3, 3).
        let values: Vec<f64> = (0..2000).map(|point| if point < 1000 { 0.0 } else { 1.0 }).collect();
        let scores = luminol_bitmap(&values).unwrap().scores;
        assert_eq!(scores[1000], 2.0 * 24.0 * 24.0);
        // A point later the window before holds 23 pairs (0, 0) and one (0, 3).
        assert_eq!(scores[1001], 23.0 * 23.0 + 1.0 + 24.0 * 24.0);
        assert_eq!(scores[1100], 0.0);
    }

    #[test]
    fn short_and_constant_series_score_zero() {
        assert_eq!(luminol(&[]).scores, [] as [f64; 0]);
        assert_eq!(luminol(&[3.0]).scores, [0.0]);
        // A tenth is no binary fraction: its mean over many points is not exactly itself.
        assert_eq!(luminol(&[0.1; 77]).scores, [0.0; 77]);
    }
}

//! The threshold of the `default` preset: the lowest score above which the expected F1 over the training points is all but the best.
//!
//! A score says a probability of an anomaly: it is the expected difference of the rewards of the two actions. The number of training points
//! with a score is counted; times the probability it is the number of anomalies to be expected there, and from these sums over all scores
//! comes the expected F1 of any threshold. Each point is scored by the member that learned nothing near it, else the probabilities would be
//! those of points known by heart.
//!
//! The labelled points themselves are not counted: questions are chosen near the threshold, and what is shown around them lies near
//! events, so among labelled points of a score more are anomalous than among all points of that score.

/// A training point's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PoolScore {
    /// The score.
    pub(crate) score: f64,
    /// The probability of an anomaly there, in `[0, 1]`.
    pub(crate) probability: f64,
    /// The points of its series that it stands for.
    pub(crate) n_points: f64,
}

/// The share of the best expected F1 that may be given up for earlier alarms.
pub(crate) const SLACK: f64 = 1e-3;

/// The lowest threshold whose expected F1 is within the share `slack` of the best one; `None` without points.
///
/// The expected F1 is flat around its best, and what is sampled there is noise; a lower threshold alarms earlier in an event.
///
/// `least_probability`: no alarm is worth its cost at a score where the probability of an anomaly is below this; where anomalies can hardly be
/// told apart, the best F1 alone would alarm nearly everywhere.
pub(crate) fn best_expected_f1(mut pool: Vec<PoolScore>, least_probability: f64, slack: f64) -> Option<f64> {
    pool.sort_by(|a, b| b.score.total_cmp(&a.score));
    never_rising(&mut pool);
    let n_anomalies: f64 = pool.iter().map(|p| p.n_points * p.probability).sum();
    let (mut n_alarms, mut n_found) = (0.0, 0.0);
    // F1 and threshold, the highest threshold first.
    let mut thresholds: Vec<(f64, f64)> = Vec::new();
    for (i, &PoolScore { score, probability, n_points }) in pool.iter().enumerate() {
        if probability < least_probability && !thresholds.is_empty() {
            break;
        }
        n_alarms += n_points;
        n_found += n_points * probability;
        let below = pool.get(i + 1).map_or(score - 1.0, |next| next.score);
        // Only what parts two scores is a threshold.
        if below < score {
            thresholds.push((2.0 * n_found / (n_alarms + n_anomalies), f64::midpoint(score, below)));
        }
    }
    let best = thresholds.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
    thresholds.iter().rev().find(|t| t.0 >= best * (1.0 - slack)).map(|t| t.1)
}

/// Makes the probabilities of points never rise along their order: neighbours whose probabilities do are given their mean (pool adjacent violators:
/// Ayer et al. 1955). The surprisal of a point counts in its score and not in its probability, so that a higher score can say a lower probability.
fn never_rising(pool: &mut [PoolScore]) {
    // The sums of probabilities and of weights of each run of points with one probability, and where it ends.
    let mut runs: Vec<(f64, f64, usize)> = Vec::new();
    for (i, PoolScore { probability, n_points, .. }) in pool.iter().enumerate() {
        runs.push((probability * n_points, *n_points, i + 1));
        while let [.., (sum, n, _), (next_sum, next_n, end)] = runs[..]
            && next_sum * n > sum * next_n
        {
            runs.truncate(runs.len() - 2);
            runs.push((sum + next_sum, n + next_n, end));
        }
    }
    let mut first = 0;
    for (sum, n, end) in runs {
        // A run of one point keeps its probability to the bit.
        if end - first > 1 {
            pool[first..end].iter_mut().for_each(|point| point.probability = sum / n);
        }
        first = end;
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::random::{Purpose, stream};

    fn pool(scores: impl Iterator<Item = f64>, probability: impl Fn(f64) -> f64) -> Vec<PoolScore> {
        scores.map(|score| PoolScore { score, probability: probability(score), n_points: 1.0 }).collect()
    }

    #[test]
    fn the_best_threshold_by_hand() {
        // Chances .9, .8, .2, .1: 2 anomalies to be expected. One alarm: 1.8 / 3; two: 3.4 / 4; three: 3.8 / 5; four: 4 / 6.
        let probabilities = [0.9, 0.8, 0.2, 0.1];
        let of = |score: f64| probabilities[probabilities.len() - score as usize];
        let threshold = best_expected_f1(pool([1.0, 2.0, 3.0, 4.0].into_iter(), of), 0.0, 0.0);
        assert_eq!(threshold, Some(2.5));
        // Within a tenth of 3.4 / 4 is 3.8 / 5 no more, within a ninth it is.
        let lower = |slack| best_expected_f1(pool([1.0, 2.0, 3.0, 4.0].into_iter(), of), 0.0, slack);
        assert_eq!((lower(0.1), lower(0.11)), (Some(2.5), Some(1.5)));
        assert_eq!(best_expected_f1(Vec::new(), 0.0, 0.0), None);
    }

    #[test]
    fn chances_that_rise_are_pooled_by_hand() {
        let pool = |probabilities: &[(f64, f64)]| -> Vec<PoolScore> {
            let points = probabilities.iter().zip((0..probabilities.len()).rev());
            points
                .map(|(&(probability, n_points), score)| PoolScore { score: score as f64, probability, n_points })
                .collect()
        };
        let pooled = |probabilities: &[(f64, f64)]| -> Vec<f64> {
            let mut points = pool(probabilities);
            never_rising(&mut points);
            points.iter().map(|point| point.probability).collect()
        };
        let close = |a: Vec<f64>, b: &[f64]| {
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} and {b:?}");
        };
        // .1 and .7, which stands for three points: (.1 + 2.1) / 4 = .55, above .5: (.5 + 2.2) / 5 = .54.
        close(pooled(&[(0.9, 1.0), (0.5, 1.0), (0.1, 1.0), (0.7, 3.0), (0.2, 1.0)]), &[0.9, 0.54, 0.54, 0.54, 0.2]);
        close(pooled(&[(0.3, 2.0), (0.3, 1.0), (0.1, 1.0)]), &[0.3, 0.3, 0.1]);
        close(pooled(&[]), &[]);
        // One point that is rare but surely normal does not end the alarms below it.
        let threshold =
            best_expected_f1(pool(&[(0.9, 1.0), (0.0, 1.0), (0.9, 1.0), (0.9, 1.0), (0.0, 9.0)]), 1.0 / 6.0, 0.0);
        assert_eq!(threshold, Some(0.5));
    }

    #[test]
    fn equal_scores_are_not_parted() {
        let threshold = best_expected_f1(pool([1.0, 1.0, 1.0].into_iter(), |_| 0.9), 0.0, 0.0);
        assert!(threshold.is_some_and(|threshold| threshold < 1.0));
    }

    /// One point in ten is anomalous whatever its score: the best F1 is to alarm at every point, which no one wants.
    #[test]
    fn where_nothing_can_be_told_apart_there_are_few_alarms() {
        let n_alarms = |least| {
            let scores = || (0..1000).map(f64::from);
            let threshold = best_expected_f1(pool(scores(), |_| 0.1), least, 0.0).unwrap();
            scores().filter(|score| *score > threshold).count()
        };
        assert!(n_alarms(0.0) > 900 && n_alarms(1.0 / 6.0) < 50, "{} and {}", n_alarms(0.0), n_alarms(1.0 / 6.0));
    }

    /// Where the probabilities are right, so is the threshold: its F1 on labels drawn by them is all but the best one.
    #[test]
    fn right_chances_give_the_best_f1() {
        let mut rng = stream(1, Purpose::Query, 0);
        let probability = |score: f64| 1.0 / (1.0 + (-4.0 * (score - 2.0)).exp());
        let scores: Vec<f64> = (0..20_000).map(|_| rng.random::<f64>().powi(4) * 4.0).collect();
        let labels: Vec<bool> = scores.iter().map(|score| rng.random_bool(probability(*score))).collect();
        let f1 = |threshold: f64| {
            let alarms = scores.iter().filter(|score| **score > threshold).count();
            let hits = scores.iter().zip(&labels).filter(|(score, anomaly)| **score > threshold && **anomaly).count();
            2.0 * hits as f64 / (alarms + labels.iter().filter(|l| **l).count()) as f64
        };
        let best = (0..400).map(|t| f1(f64::from(t) / 100.0)).fold(0.0, f64::max);
        let threshold = best_expected_f1(pool(scores.iter().copied(), probability), 0.0, SLACK).unwrap();
        assert!(f1(threshold) > best - 0.02, "F1 {} at {threshold}, best {best}", f1(threshold));
    }
}

//! The threshold of the `default` preset: the score above which the expected F1 over the training points is best.
//!
//! A round asks about as many anomalies as normal points, so the share of anomalies among the labelled points says little
//! about the series, and neither does the threshold that is best on them. But a question is chosen by its score, so among
//! the points of one score the labelled ones are much like the others: the chance of an anomaly *given the score* can be
//! learned from labelled points, and how many points have that score can be counted over all training points. Their
//! product is the expected number of anomalies above any threshold, and from it comes the expected F1.
//!
//! The scores of labelled points come from networks that never saw their labels ([`crate::Session`] trains each network
//! on a share of the questions), else the chance would be that of points known by heart.

/// A labelled point's score and whether it is an anomaly.
pub(crate) type Labelled = (f64, bool);

/// The share of the best expected F1 that is given for a lower threshold: about the best, F1 hardly depends on the threshold, but
/// how early an event is seen does.
const TOLERANCE: f64 = 0.01;

/// The lowest threshold whose expected F1 is all but the best, or `None` where the labels are all of one kind.
///
/// `pool`: the scores of training points and how many points each stands for. `least_chance`: no alarm is worth its cost at
/// a score where the chance of an anomaly is below this; where anomalies can hardly be told apart, the best F1 alone would
/// alarm nearly everywhere.
pub(crate) fn calibrate(labelled: &[Labelled], pool: &[(f64, f64)], least_chance: f64) -> Option<f64> {
    if labelled.iter().all(|l| l.1) || !labelled.iter().any(|l| l.1) || pool.is_empty() {
        return None;
    }
    let chance = isotonic(labelled);
    let mut pool: Vec<(f64, f64, f64)> =
        pool.iter().map(|&(score, n)| (score, n, n * chance_at(&chance, score))).collect();
    pool.sort_by(|a, b| b.0.total_cmp(&a.0));
    let n_anomalies: f64 = pool.iter().map(|p| p.2).sum();
    let (mut n_alarms, mut n_found) = (0.0, 0.0);
    // Of each threshold that parts two scores, from the highest down: the expected F1.
    let mut thresholds: Vec<(f64, f64)> = Vec::new();
    for (i, &(score, n, found)) in pool.iter().enumerate() {
        if found < least_chance * n && !thresholds.is_empty() {
            break;
        }
        n_alarms += n;
        n_found += found;
        let below = pool.get(i + 1).map_or(score - 1.0, |next| next.0);
        let f1 = 2.0 * n_found / (n_alarms + n_anomalies);
        if below < score {
            thresholds.push((f1, f64::midpoint(score, below)));
        }
    }
    let best = thresholds.iter().fold(0.0_f64, |best, threshold| best.max(threshold.0));
    thresholds.iter().rev().find(|threshold| threshold.0 >= (1.0 - TOLERANCE) * best).map(|threshold| threshold.1)
}

/// The chance of an anomaly as a non-decreasing function of the score, by pooling adjacent violators (Ayer et al. 1955):
/// the mean score of each block and the share of anomalies in it, both increasing.
fn isotonic(labelled: &[Labelled]) -> Vec<(f64, f64)> {
    let mut sorted = labelled.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut blocks: Vec<Block> = Vec::new();
    for (score, anomaly) in sorted {
        let mut block = Block { n: 1.0, score, anomalies: f64::from(u8::from(anomaly)) };
        while let Some(last) = blocks.last().filter(|last| last.share() >= block.share()) {
            block = Block {
                n: last.n + block.n,
                score: last.score + block.score,
                anomalies: last.anomalies + block.anomalies,
            };
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks.iter().map(|block| (block.score / block.n, block.share())).collect()
}

struct Block {
    n: f64,
    score: f64,
    anomalies: f64,
}

impl Block {
    fn share(&self) -> f64 {
        self.anomalies / self.n
    }
}

/// The chance at a score: linear between the blocks' means, constant outside.
fn chance_at(chance: &[(f64, f64)], score: f64) -> f64 {
    let above = chance.partition_point(|block| block.0 < score);
    match (above.checked_sub(1).map(|below| chance[below]), chance.get(above)) {
        (Some(a), Some(&b)) if b.0 > a.0 => a.1 + (b.1 - a.1) * (score - a.0) / (b.0 - a.0),
        (_, Some(block)) => block.1,
        (Some(block), None) => block.1,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    #[test]
    fn adjacent_violators_are_pooled() {
        let labelled = [(1.0, false), (2.0, true), (3.0, false), (4.0, true)];
        assert_eq!(isotonic(&labelled), [(1.0, 0.0), (2.5, 0.5), (4.0, 1.0)]);
    }

    #[test]
    fn labels_of_one_kind_give_no_threshold() {
        assert_eq!(calibrate(&[(1.0, true)], &[(1.0, 1.0)], 0.0), None);
        assert_eq!(calibrate(&[(1.0, false)], &[(1.0, 1.0)], 0.0), None);
    }

    /// One point in ten is anomalous whatever its score: the best F1 is to alarm at every point, which no one wants.
    #[test]
    fn where_nothing_can_be_told_apart_there_are_few_alarms() {
        let labelled: Vec<Labelled> = (0..1000).map(|i| (f64::from(i), i % 10 == 0)).collect();
        let pool: Vec<(f64, f64)> = (0..1000).map(|i| (f64::from(i), 1.0)).collect();
        let n_alarms = |least| {
            let threshold = calibrate(&labelled, &pool, least).unwrap();
            pool.iter().filter(|p| p.0 > threshold).count()
        };
        assert!(n_alarms(0.0) > 900 && n_alarms(1.0 / 6.0) < 50, "{} and {}", n_alarms(0.0), n_alarms(1.0 / 6.0));
    }

    /// Anomalies are rare, yet half of the questions are about them: the threshold must be that of the series.
    #[test]
    fn the_choice_of_questions_does_not_move_the_threshold() {
        let mut rng = stream(1, Purpose::Query, 0);
        let chance = |score: f64| 1.0 / (1.0 + (-4.0 * (score - 2.0)).exp());
        let pool: Vec<(f64, f64)> = (0..20_000).map(|_| (rng.random::<f64>().powi(4) * 4.0, 1.0)).collect();
        let labels: Vec<bool> = pool.iter().map(|p| rng.random_bool(chance(p.0))).collect();
        let f1 = |threshold: f64| {
            let alarms = pool.iter().filter(|p| p.0 > threshold).count();
            let hits = pool.iter().zip(&labels).filter(|(p, anomaly)| p.0 > threshold && **anomaly).count();
            2.0 * hits as f64 / (alarms + labels.iter().filter(|l| **l).count()) as f64
        };
        let best = (0..400).map(|t| f1(f64::from(t) / 100.0)).fold(0.0, f64::max);
        let mut by_margin: Vec<usize> = (0..pool.len()).collect();
        by_margin.sort_by(|&a, &b| (pool[a].0 - 2.0).abs().total_cmp(&(pool[b].0 - 2.0).abs()));
        let asked: Vec<Labelled> = by_margin[..1500].iter().map(|&i| (pool[i].0, labels[i])).collect();
        let threshold = calibrate(&asked, &pool, 0.0).unwrap();
        assert!(f1(threshold) > best - 0.02, "F1 {} at {threshold}, best {best}", f1(threshold));
    }
}

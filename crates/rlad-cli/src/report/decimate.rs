//! Which points of a long series are drawn: enough to look the same, few enough to stay quick.

/// The points to draw, in order, of the curves `columns` over the same points.
///
/// All points where there are at most `max`. Otherwise the points are cut into buckets of the same length, and of each
/// bucket the lowest and the highest point of each column are kept, so that no peak is lost; about `max` points in all.
/// Every point of `always` is kept besides, in any order and as many as they are.
///
/// # Panics
/// If the columns differ in length, or a point of `always` is not in them.
pub(super) fn points_to_draw(columns: &[Vec<f64>], always: &[usize], max: usize) -> Vec<usize> {
    let n_points = columns.first().map_or(0, Vec::len);
    assert!(columns.iter().all(|column| column.len() == n_points), "the columns are of one length");
    assert!(always.iter().all(|&point| point < n_points), "points that are always kept are in the series");
    if n_points <= max {
        return (0..n_points).collect();
    }
    let n_buckets = (max / (2 * columns.len())).max(1);
    let mut kept = always.to_vec();
    kept.extend([0, n_points - 1]);
    for bucket in 0..n_buckets {
        let points = bucket * n_points / n_buckets..(bucket + 1) * n_points / n_buckets;
        for column in columns {
            let finite = || points.clone().filter(|&point| column[point].is_finite());
            let by_value = |a: &usize, b: &usize| column[*a].total_cmp(&column[*b]);
            kept.extend(finite().min_by(by_value));
            kept.extend(finite().max_by(by_value));
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// One point in each of the `n` longest runs of missing values of a column: where its curve breaks.
pub(super) fn longest_gaps(column: &[f64], n: usize) -> Vec<usize> {
    let is_missing: Vec<bool> = column.iter().map(|value| !value.is_finite()).collect();
    let mut gaps = rlad::data::events(&is_missing);
    gaps.sort_by_key(|gap| std::cmp::Reverse(gap.len()));
    gaps.into_iter().take(n).map(|gap| gap.start).collect()
}

/// The points on both sides of the `n` longest stretches of time without a point, of at least two slots.
///
/// `slots`: the slot of each point on its series' clock, increasing.
pub(super) fn longest_silences(slots: &[i64], n: usize) -> Vec<usize> {
    let mut silences: Vec<usize> =
        (1..slots.len()).filter(|&point| slots[point].abs_diff(slots[point - 1]) > 1).collect();
    silences.sort_by_key(|&point| std::cmp::Reverse(slots[point].abs_diff(slots[point - 1])));
    silences.into_iter().take(n).flat_map(|point| [point - 1, point]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A deterministic noise of `n` values in `[0, 1)`.
    fn noise(n: usize, factor: u64) -> Vec<f64> {
        (0..n as u64).map(|i| (i.wrapping_mul(factor) % 10_007) as f64 / 10_007.0).collect()
    }

    #[test]
    fn a_short_series_is_drawn_whole() {
        assert_eq!(points_to_draw(&[noise(100, 7919)], &[], 100), (0..100).collect::<Vec<_>>());
        assert_eq!(points_to_draw(&[Vec::new()], &[], 100), Vec::<usize>::new());
    }

    #[test]
    fn a_long_series_keeps_each_buckets_extremes_in_order() {
        let columns = [noise(10_000, 7919), noise(10_000, 104_729)];
        let kept = points_to_draw(&columns, &[], 400);
        assert!(kept.is_sorted_by(|a, b| a < b));
        assert!((300..=402).contains(&kept.len()), "{}", kept.len());
        for column in &columns {
            for bucket in column.chunks(100).enumerate() {
                let in_bucket = || kept.iter().filter(|&&point| point / 100 == bucket.0).map(|&point| column[point]);
                let extremes = |values: &mut dyn Iterator<Item = f64>| {
                    values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)))
                };
                assert_eq!(extremes(&mut in_bucket()), extremes(&mut bucket.1.iter().copied()), "bucket {}", bucket.0);
            }
        }
    }

    #[test]
    fn a_single_spike_survives() {
        for spike in [0, 1, 149_999, 299_998, 299_999] {
            let mut column = vec![0.0; 300_000];
            column[spike] = 1.0;
            let kept = points_to_draw(&[column, noise(300_000, 7919)], &[], 8_000);
            assert!(kept.contains(&spike) && kept.len() <= 8_002, "{spike}: {}", kept.len());
        }
    }

    #[test]
    fn what_is_always_kept_is_there_once() {
        let kept = points_to_draw(&[noise(5_000, 7919)], &[4_321, 17, 17, 4_999], 100);
        for point in [17, 4_321, 4_999] {
            assert_eq!(kept.iter().filter(|&&other| other == point).count(), 1);
        }
    }

    #[test]
    fn the_longest_gaps_stay_breaks() {
        let mut column = noise(5_000, 7919);
        column[1_000..1_030].fill(f64::NAN);
        column[2_000] = f64::NAN;
        column[3_000..3_002].fill(f64::NAN);
        assert_eq!(longest_gaps(&column, 2), [1_000, 3_000]);
        let always = longest_gaps(&column, 9);
        let kept = points_to_draw(&[column.clone()], &always, 100);
        let breaks = kept.iter().filter(|&&point| column[point].is_nan()).count();
        assert_eq!(breaks, 3);
        let gap = kept.iter().position(|&point| point == 1_000).unwrap();
        assert!(kept[gap - 1] < 1_000 && kept[gap + 1] >= 1_030, "finite on both sides");
    }

    #[test]
    fn a_column_without_values_keeps_its_ends() {
        assert_eq!(points_to_draw(&[vec![f64::NAN; 1_000]], &[], 10), [0, 999]);
    }

    #[test]
    fn silences_keep_both_sides() {
        assert_eq!(longest_silences(&[0, 1, 5, 6, 9, 10, 12], 2), [1, 2, 3, 4]);
        assert!(longest_silences(&[3, 4, 5], 9).is_empty());
        assert!(longest_silences(&[], 9).is_empty());
    }
}

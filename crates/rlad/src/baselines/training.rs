//! The common part of the networks' training: the windows that are learned from, and their order.

use std::slice::ChunksExact;

use rand::Rng;
use rand::seq::{SliceRandom, index};

use super::windows::Corpus;
use crate::error::{Error, Result};

/// Refuses a setting that is outside of its range.
pub(crate) fn check(ok: bool, name: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, expected, found)) }
}

/// Checks the settings that the training of every network has.
pub(crate) fn check_training(baseline: &str, n_epochs: usize, batch_size: usize, learning_rate: f32) -> Result<()> {
    check(n_epochs >= 1, &format!("{baseline}.n_epochs"), "at least 1", n_epochs)?;
    check((1..=65_536).contains(&batch_size), &format!("{baseline}.batch_size"), "in 1..=65536", batch_size)?;
    let ok = learning_rate > 0.0 && learning_rate.is_finite();
    check(ok, &format!("{baseline}.learning_rate"), "above 0", learning_rate)
}

/// The windows to be learned from, by their last points and in their order: those that lie within their series, or all where
/// none does; `max_windows` of them at random where there are more, 0 for no bound.
///
/// # Errors
/// [`Error::Empty`] where there are no points to learn from.
pub(crate) fn draw_windows(
    corpus: &Corpus,
    n_steps: usize,
    max_windows: usize,
    rng: &mut impl Rng,
) -> Result<Vec<(usize, usize)>> {
    let mut windows: Vec<_> = corpus.points.iter().copied().filter(|&(_, point)| point + 1 >= n_steps).collect();
    if windows.is_empty() {
        windows.clone_from(&corpus.points);
    }
    if windows.is_empty() {
        return Err(Error::Empty { what: "the training part".to_owned() });
    }
    bound(&mut windows, max_windows, rng);
    Ok(windows)
}

/// Leaves `max_windows` of the windows, drawn at random and in their order; 0 for no bound.
pub(crate) fn bound(windows: &mut Vec<(usize, usize)>, max_windows: usize, rng: &mut impl Rng) {
    if max_windows > 0 && windows.len() > max_windows {
        let mut drawn = index::sample(rng, windows.len(), max_windows).into_vec();
        drawn.sort_unstable();
        *windows = drawn.into_iter().map(|index| windows[index]).collect();
    }
}

/// The batches of one epoch: the windows in a new order, `batch_size` at a time. A last batch that is smaller is left out,
/// unless it is the only one, as in the networks' sources.
pub(crate) fn batches<'a, T>(windows: &'a mut [T], batch_size: usize, rng: &mut impl Rng) -> ChunksExact<'a, T> {
    windows.shuffle(rng);
    windows.chunks_exact(batch_size.min(windows.len()))
}

/// Puts the windows that end at some points into `rows`, `[points.len(), n_steps * n_channels]`.
pub(crate) fn gather(corpus: &Corpus, points: &[(usize, usize)], n_steps: usize, rows: &mut Vec<f32>) {
    rows.clear();
    for &(series, point) in points {
        corpus.series[series].window(point, n_steps, rows);
    }
}

/// Refuses a training whose loss or weights are not finite.
///
/// # Errors
/// [`Error::Diverged`]
pub(crate) fn check_finite(network: &'static str, epoch: usize, mut values: impl Iterator<Item = f32>) -> Result<()> {
    if values.all(f32::is_finite) { Ok(()) } else { Err(Error::Diverged { network, epoch }) }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::baselines::windows::Scaled;

    fn corpus(n_points: usize) -> Corpus {
        let scaled = Scaled { values: vec![0.0; n_points], n_channels: 1 };
        Corpus { series: vec![scaled], points: (0..n_points).map(|point| (0, point)).collect() }
    }

    #[test]
    fn windows_lie_within_their_series_where_one_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(draw_windows(&corpus(5), 4, 0, &mut rng).unwrap(), [(0, 3), (0, 4)]);
        assert_eq!(draw_windows(&corpus(2), 4, 0, &mut rng).unwrap(), [(0, 0), (0, 1)]);
        assert!(matches!(draw_windows(&corpus(0), 4, 0, &mut rng), Err(Error::Empty { .. })));
    }

    #[test]
    fn a_bound_draws_that_many_windows_each_at_most_once() {
        let drawn = draw_windows(&corpus(100), 1, 30, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
        assert_eq!(drawn.len(), 30);
        assert!(drawn.is_sorted_by(|a, b| a < b), "in order, and none twice");
        assert_ne!(drawn, draw_windows(&corpus(100), 1, 30, &mut ChaCha8Rng::seed_from_u64(2)).unwrap());
    }

    #[test]
    fn an_epoch_has_each_window_once_but_for_a_last_small_batch() {
        let mut windows: Vec<usize> = (0..10).collect();
        let mut seen: Vec<usize> =
            batches(&mut windows, 3, &mut ChaCha8Rng::seed_from_u64(1)).flatten().copied().collect();
        assert_eq!(seen.len(), 9);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 9);
        assert_eq!(batches(&mut [1, 2], 3, &mut ChaCha8Rng::seed_from_u64(1)).count(), 1, "the only batch stays");
    }
}

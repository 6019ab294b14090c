//! Scores of a series' points from the scores of its windows, in parallel.
//!
//! Windows are scored in chunks that depend on the series alone, so that the result is the same at any number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::windows::Scaled;

/// The windows that are scored at once.
const CHUNK: usize = 256;

/// The score of each point from the window that ends there. `score` is given windows, `[n, n_steps * n_channels]`, and gives
/// a score to each.
pub(crate) fn score_ends(series: &Scaled, n_steps: usize, score: impl Fn(&[f32]) -> Vec<f64> + Sync) -> Vec<f64> {
    let chunks: Vec<Vec<f64>> = chunks(0, series.len()).map(|ends| score(&rows(series, n_steps, ends))).collect();
    chunks.concat()
}

/// The score of each point as the mean over the windows that cover it. `score` is given windows,
/// `[n, n_steps * n_channels]`, and gives scores to each of their steps, `[n, n_steps]`.
///
/// Windows lie within the series; where it is shorter than one, the one window is filled up before its start.
pub(crate) fn score_covering(series: &Scaled, n_steps: usize, score: impl Fn(&[f32]) -> Vec<f64> + Sync) -> Vec<f64> {
    let n_points = series.len();
    if n_points == 0 {
        return Vec::new();
    }
    let first = n_points.min(n_steps) - 1;
    // The sums of a chunk's scores at the points from `ends.start + 1 - n_steps` on.
    let sums: Vec<Vec<f64>> = chunks(first, n_points)
        .map(|ends| {
            let scores = score(&rows(series, n_steps, ends.clone()));
            let mut sums = vec![0.0; ends.len() + n_steps - 1];
            for (window, scores) in scores.chunks_exact(n_steps).enumerate() {
                sums[window..].iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
            }
            sums
        })
        .collect();
    let mut scores = vec![0.0; n_points];
    for (chunk, sums) in sums.iter().enumerate() {
        for (step, sum) in sums.iter().enumerate() {
            if let Some(point) = (first + chunk * CHUNK + 1 + step).checked_sub(n_steps) {
                scores[point] += sum;
            }
        }
    }
    for (point, score) in scores.iter_mut().enumerate() {
        let n_windows = (point + n_steps - 1).min(n_points - 1) - point.max(first) + 1;
        *score /= n_windows as f64;
    }
    scores
}

/// The slice of a series of `n_points` points in which `points` have the scores that they have in the whole series, to the
/// bit: it ends `context` points away from them or farther, and the windows that matter stand in it in the same chunks. The
/// rounding of a matrix product may depend on its number of rows, and that of a mean on the order of its terms.
pub(crate) fn whole_chunks(points: &Range<usize>, context: usize, n_points: usize) -> Range<usize> {
    let start = points.start.saturating_sub(context) / CHUNK * CHUNK;
    let end = (points.end + context).next_multiple_of(CHUNK) + context;
    start..end.min(n_points)
}

fn chunks(first: usize, n_points: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let n_chunks = (n_points - first).div_ceil(CHUNK);
    (0..n_chunks).into_par_iter().map(move |chunk| {
        let start = first + chunk * CHUNK;
        start..(start + CHUNK).min(n_points)
    })
}

fn rows(series: &Scaled, n_steps: usize, ends: Range<usize>) -> Vec<f32> {
    let mut rows = Vec::with_capacity(ends.len() * n_steps * series.n_channels);
    ends.for_each(|end| series.window(end, n_steps, &mut rows));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(n_points: usize) -> Scaled {
        Scaled { values: (0..n_points).map(|point| point as f32).collect(), n_channels: 1 }
    }

    #[test]
    fn a_point_has_the_mean_score_of_the_windows_that_cover_it() {
        // The score of a window's step k is 10^k; four points, windows of three: point 1 is step 1 of the first window and
        // step 0 of the second.
        let got = score_covering(&scaled(4), 3, |rows| [1.0, 10.0, 100.0].repeat(rows.len() / 3));
        assert_eq!(got, [1.0, 5.5, 55.0, 100.0]);
    }

    #[test]
    fn steps_that_score_their_own_value_give_it_back_at_every_length() {
        for n_points in [0, 1, 2, 5, 255, 256, 257, 258, 259, 600] {
            let series = scaled(n_points);
            let own = |rows: &[f32]| rows.iter().map(|&value| f64::from(value)).collect();
            let want: Vec<f64> = own(&series.values);
            assert_eq!(score_covering(&series, 4, own), want, "{n_points} points");
            let last = |rows: &[f32]| rows.chunks_exact(4).map(|window| f64::from(window[3])).collect();
            assert_eq!(score_ends(&series, 4, last), want, "{n_points} points");
        }
    }
}

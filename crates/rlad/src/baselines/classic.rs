//! What the classic detectors share: they are fitted on a sample of the training windows, and they score a series window by
//! window, in blocks.

use std::collections::BTreeMap;

use rand::seq::index;
use rayon::prelude::*;

use super::windows::{Corpus, Scaled};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// Points whose windows one task scores together.
const BLOCK: usize = 256;

/// At most `n_windows` training windows, each as likely as any other, in the order of their points, shape
/// `[n, n_steps * n_channels]`.
///
/// # Errors
/// [`Error::Empty`] without points that may be learned from.
pub(super) fn draw_windows(corpus: &Corpus, n_steps: usize, n_windows: usize, seed: u64) -> Result<Vec<f32>> {
    let n_points = corpus.points.len();
    if n_points == 0 {
        return Err(Error::Empty { what: "the part to learn from".to_owned() });
    }
    if n_points <= n_windows {
        return Ok(corpus.windows(&corpus.points, n_steps));
    }
    let mut drawn = index::sample(&mut stream(seed, Purpose::Windows, 0), n_points, n_windows).into_vec();
    drawn.sort_unstable();
    let points: Vec<(usize, usize)> = drawn.into_iter().map(|at| corpus.points[at]).collect();
    Ok(corpus.windows(&points, n_steps))
}

/// The score of each point of a series by the window that ends there.
///
/// `score` turns windows, shape `[n, n_steps * n_channels]`, into `n` scores. Blocks are fixed, so that the number of
/// threads changes nothing.
pub(super) fn score_by_window(series: &Scaled, n_steps: usize, score: impl Fn(&[f32]) -> Vec<f64> + Sync) -> Vec<f64> {
    let blocks: Vec<usize> = (0..series.len()).step_by(BLOCK).collect();
    blocks
        .into_par_iter()
        .flat_map_iter(|first| {
            let mut windows = Vec::with_capacity(BLOCK * n_steps * series.n_channels);
            for point in first..series.len().min(first + BLOCK) {
                series.window(point, n_steps, &mut windows);
            }
            score(&windows)
        })
        .collect()
}

/// An array of a saved detector among those that were read.
///
/// # Errors
/// [`Error::Tensor`] where there is none of that name, or it has another length.
pub(super) fn array(arrays: &BTreeMap<String, Vec<f32>>, name: &str, len: usize) -> Result<Vec<f32>> {
    match arrays.get(name) {
        Some(values) if values.len() == len => Ok(values.clone()),
        other => {
            let found = other.map_or("none".to_owned(), |values| values.len().to_string());
            Err(Error::tensor(name, format!("{len} values"), found))
        }
    }
}

/// A setting outside of its range is an error.
pub(super) fn check(ok: bool, name: &str, expected: &str, found: impl std::fmt::Display) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, expected, found)) }
}

/// What every classic detector is asked of its window length.
pub(super) fn check_n_steps(n_steps: usize) -> Result<()> {
    check((1..=10_000).contains(&n_steps), "n_steps", "in 1..=10000", n_steps)
}

#[cfg(test)]
mod tests;

//! A sample of the training windows, which the classic detectors are fitted on.

use rand::seq::index;

use super::training::check;
use super::windows::Corpus;
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// At most `n_windows` training windows, each as likely as any other, in the order of their points, shape
/// `[n, n_steps * n_channels]`.
///
/// # Errors
/// [`Error::Empty`] without points that may be learned from.
pub(super) fn sample_windows(corpus: &Corpus, n_steps: usize, n_windows: usize, seed: u64) -> Result<Vec<f32>> {
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

/// Checks the window length of a classic detector.
pub(super) fn check_n_steps(n_steps: usize) -> Result<()> {
    check((1..=10_000).contains(&n_steps), "n_steps", "in 1..=10000", n_steps)
}

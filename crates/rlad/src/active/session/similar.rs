//! Windows that are like one: what propagation does, made visible.

use std::sync::{Arc, OnceLock};

use super::Session;
use crate::agent::pool::{Pool, PoolPoint};
use crate::models::nearest::Search;
use crate::random::{Purpose, stream};

/// The values of all windows of the sample.
const MAX_VALUES: usize = 8_000_000;
/// The windows of the sample.
const MAX_WINDOWS: usize = 20_000;
/// The nearest windows that are looked at for each one that is wanted: most of a window's neighbours overlap it or each other.
const LOOKED_AT: usize = 40;
/// The windows whose median distance tells how far off windows usually are.
const MEASURED: usize = 512;
/// A window that is less alike does not look like the other one.
const LEAST_LIKENESS: f64 = 0.4;

/// A window that is like another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SimilarWindow {
    /// The index of its series in the session's data.
    pub series: usize,
    /// The point at which it ends.
    pub point: usize,
    /// The Euclidean distance of the two states, at least 0.
    pub distance: f64,
    /// How alike the two are, in `[0, 1]`: 1 for the same state, 0 for one that is as far off as half of all windows are.
    pub likeness: f64,
}

/// The windows of a sample of every series' training points, in which those are looked for that are like one.
///
/// It shares the session's features and holds none of its state, so it can be used while the session learns.
#[derive(Clone, Debug)]
pub struct SimilarWindows {
    pool: Arc<Pool>,
    n_steps: usize,
    seed: u64,
    sample: Arc<OnceLock<Sample>>,
}

#[derive(Debug)]
struct Sample {
    points: Vec<PoolPoint>,
    search: Search<'static>,
}

impl Session {
    /// A search for windows that are like one.
    #[must_use]
    pub fn similar_windows(&self) -> SimilarWindows {
        SimilarWindows {
            pool: Arc::clone(&self.pool),
            n_steps: self.config.state.n_steps,
            seed: self.config.seed,
            sample: Arc::default(),
        }
    }
}

impl SimilarWindows {
    /// The `n` windows of the sample that are most like the one that ends at a point, nearest first, among those of which
    /// `is_open` holds, with a likeness of at least 0.4: none where nothing else looks like it. None overlaps the window itself or
    /// another of them. None where the point is not a training point.
    #[must_use]
    pub fn nearest(
        &self,
        series: usize,
        point: usize,
        n: usize,
        is_open: impl Fn(usize, usize) -> bool,
    ) -> Vec<SimilarWindow> {
        if !self.pool.has((series, point)) || n == 0 {
            return Vec::new();
        }
        let sample = self.sample.get_or_init(|| self.draw());
        let mut state = Vec::new();
        self.pool.states(&[(series, point)], &mut state);
        let usual = sample.usual_distance(&state);
        let likeness = |distance: f64| if usual > 0.0 { (1.0 - distance / usual).max(0.0) } else { 1.0 };
        let nearest = sample.search.nearest(&state, n.saturating_mul(LOOKED_AT), None);
        let mut found: Vec<SimilarWindow> = Vec::with_capacity(n);
        for neighbor in nearest.into_iter().flatten() {
            let at = sample.points[neighbor.at];
            let likeness = likeness(neighbor.distance);
            if likeness < LEAST_LIKENESS {
                break;
            }
            let overlaps = |other: PoolPoint| other.0 == at.0 && other.1.abs_diff(at.1) < self.n_steps;
            let is_new = !overlaps((series, point)) && !found.iter().any(|of| overlaps((of.series, of.point)));
            if is_new && is_open(at.0, at.1) {
                found.push(SimilarWindow { series: at.0, point: at.1, distance: neighbor.distance, likeness });
                if found.len() == n {
                    break;
                }
            }
        }
        found
    }

    fn draw(&self) -> Sample {
        let n_dims = self.n_steps * self.pool.n_features;
        let n_series = self.pool.series.len();
        let n = (MAX_VALUES / n_dims).clamp(1, MAX_WINDOWS).div_ceil(n_series);
        let mut rng = stream(self.seed, Purpose::Quality, u64::MAX >> 8);
        let points: Vec<PoolPoint> = (0..n_series)
            .flat_map(|series| self.pool.draw(series, n, &mut rng).into_iter().map(move |point| (series, point)))
            .collect();
        let mut states = Vec::with_capacity(points.len() * n_dims);
        self.pool.states(&points, &mut states);
        Sample { points, search: Search::new(states, n_dims) }
    }
}

impl Sample {
    /// The median distance of a state from windows of the sample; 0 without any.
    fn usual_distance(&self, state: &[f32]) -> f64 {
        let every = self.points.len().div_ceil(MEASURED).max(1);
        let at = (0..self.points.len()).step_by(every);
        let mut distances: Vec<f64> = at.map(|at| self.search.distance(state, at)).collect();
        let middle = distances.len() / 2;
        if distances.is_empty() { 0.0 } else { *distances.select_nth_unstable_by(middle, f64::total_cmp).1 }
    }
}

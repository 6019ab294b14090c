//! The training pool: the features of every series' training part, from which states are cut.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use rand::{Rng, RngExt};

use crate::config::{DriftConfig, StateConfig};
use crate::data::label::Label;
use crate::data::label_overrides::{LabelOverrides, point_hash};
use crate::data::series::{Part, Series};
use crate::error::{Error, Result};
use crate::features::surprisal::{Ecdfs, EcdfsBySeries, Edges};
use crate::features::tree_row::TreeRows;
use crate::features::{Encoded, Feature, Scale, encode, n_features};

/// A point of a series of the pool.
pub(crate) type PoolPoint = (usize, usize);

/// The features of one series up to the end of its training part.
#[derive(Clone, Debug)]
pub(crate) struct PoolSeries {
    /// Its training points.
    pub(crate) training: Range<usize>,
    /// The timestamp from which its distributions count: that of its first training point, or an earlier one that left the data.
    pub(crate) counted_from: i64,
    name: String,
    pub(crate) encoded: Encoded,
    ecdfs: Ecdfs,
    missing: Vec<bool>,
    /// Of each point of the series, whether what happens there is expected; empty where nothing is.
    expected: Vec<bool>,
    /// Of each point, by which it is known again.
    point_hashes: Vec<u64>,
}

impl PoolSeries {
    /// Takes in at which of its points what happens is expected; an empty list where nothing is.
    pub(crate) fn set_expected(&mut self, expected: Vec<bool>) {
        self.expected = expected;
    }

    /// Whether what happens at a point is expected.
    pub(crate) fn is_expected(&self, point: usize) -> bool {
        self.expected.get(point).copied().unwrap_or(false)
    }
}

/// The training pool.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// Its series, in the order of the data.
    pub(crate) series: Vec<PoolSeries>,
    /// The scales of each series, by name; empty where no feature needs one.
    pub(crate) scales: BTreeMap<String, Scale>,
    /// The number of value channels of every series.
    pub(crate) n_channels: usize,
    /// The number of features of a step.
    pub(crate) n_features: usize,
    n_steps: usize,
    edges: Arc<Edges>,
}

/// The points from which the edges of the ecdfs are taken, about.
const EDGE_POINTS: usize = 400_000;

/// The distributions that are known of data before these.
#[derive(Clone, Debug)]
pub(crate) struct KnownEcdfs {
    pub(crate) ecdfs: EcdfsBySeries,
    /// Of each series, the timestamps of the first and the last point that they count.
    pub(crate) seen: BTreeMap<String, (i64, i64)>,
    /// How they go on.
    pub(crate) drift: DriftConfig,
    /// A point of more than this mean surprisal is rare, in nats.
    pub(crate) rare: f64,
}

impl Pool {
    /// The pool of the given part of each series.
    ///
    /// # Errors
    /// [`Error::Empty`] without training points; [`Error::Channels`] if the series differ in their number of channels.
    #[cfg(test)]
    pub(crate) fn new(series: &[Series], part: Part, state: &StateConfig) -> Result<Self> {
        Self::over(series, part, state, None)
    }

    /// The pool of the given part of each series, over data that follow others: the edges of the distributions stay, and those of a
    /// series go on counting.
    ///
    /// # Errors
    /// [`Error::Empty`] without training points; [`Error::Channels`] if the series differ in their number of channels.
    pub(crate) fn over(series: &[Series], part: Part, state: &StateConfig, known: Option<&KnownEcdfs>) -> Result<Self> {
        let first = series.first().ok_or_else(|| Error::Empty { what: "the data".to_owned() })?;
        let n_channels = first.n_channels();
        let mut pool = Self {
            series: Vec::with_capacity(series.len()),
            scales: BTreeMap::new(),
            n_channels,
            n_features: n_features(&state.features, n_channels),
            n_steps: state.n_steps,
            edges: Arc::default(),
        };
        for series in series {
            if series.n_channels() != n_channels {
                let (series, found) = (series.name().to_owned(), series.n_channels());
                return Err(Error::Channels { series, expected: n_channels, found });
            }
            let training = series.part(part);
            let scale = Scale::fit(series, training.clone());
            let mut encoded = encode(series, &state.features, &scale);
            encoded.truncate(training.end);
            if Feature::any_needs_scale(&state.features) {
                pool.scales.insert(series.name().to_owned(), scale);
            }
            let missing = (0..training.end).map(|point| series.is_missing(point)).collect();
            let point_hashes = (0..training.end).map(|point| point_hash(series, point)).collect();
            pool.series.push(PoolSeries {
                counted_from: series.timestamps()[training.start.min(series.len() - 1)],
                training,
                name: series.name().to_owned(),
                encoded,
                ecdfs: Ecdfs::fit(Arc::default(), &[]),
                missing,
                expected: Vec::new(),
                point_hashes,
            });
        }
        match known {
            None => pool.fit_ecdfs(),
            Some(known) => pool.go_on_with_ecdfs(series, known),
        }
        if pool.n_points() == 0 {
            return Err(Error::Empty { what: format!("the part `{part}` of the data") });
        }
        Ok(pool)
    }

    /// The number of training points, missing ones included.
    pub(crate) fn n_points(&self) -> usize {
        self.series.iter().map(|series| series.training.len()).sum()
    }

    /// The point after the last training point of a series; 0 for one that is not in it.
    pub(crate) fn series_end(&self, series: usize) -> usize {
        self.series.get(series).map_or(0, |series| series.training.end)
    }

    /// Appends the states of some points, shape `[points.len(), n_steps, n_features]`.
    pub(crate) fn states(&self, points: &[PoolPoint], states: &mut Vec<f32>) {
        for &(series, point) in points {
            self.series[series].encoded.gather(&[point], self.n_steps, states);
        }
    }

    /// Appends the last steps of the states of some points, shape `[points.len(), n_features]`.
    pub(crate) fn last_steps(&self, points: &[PoolPoint], rows: &mut Vec<f32>) {
        for &(series, point) in points {
            self.series[series].encoded.gather(&[point], 1, rows);
        }
    }

    /// Appends what trees see of some points, shape `[points.len(), n_tree_features]`.
    pub(crate) fn tree_rows(&self, points: &[PoolPoint], rows: &mut TreeRows) {
        for &(series, point) in points {
            let series = &self.series[series];
            let row = series.encoded.row(point);
            rows.push(row, &series.ecdfs);
        }
    }

    /// The ecdfs of the features of each series; the edges are quantiles over a sample of every series' points.
    fn fit_ecdfs(&mut self) {
        let rows_of =
            |series: &PoolSeries| series.training.start * self.n_features..series.training.end * self.n_features;
        let step = self.n_points().div_ceil(EDGE_POINTS).max(1);
        let mut sample = Vec::new();
        for series in &self.series {
            let rows = &series.encoded.rows()[rows_of(series)];
            rows.chunks_exact(self.n_features).step_by(step).for_each(|row| sample.extend_from_slice(row));
        }
        let edges = Arc::new(Edges::fit(&sample, self.n_features, self.n_channels));
        let ecdfs: Vec<Ecdfs> = self
            .series
            .iter()
            .map(|series| Ecdfs::fit(edges.clone(), &series.encoded.rows()[rows_of(series)]))
            .collect();
        self.series.iter_mut().zip(ecdfs).for_each(|(series, ecdfs)| series.ecdfs = ecdfs);
        self.edges = edges;
    }

    /// The ecdfs of the features of each series: of a known one those that are known, with the points that came since, save what is rare and
    /// has not stayed for `drift.absorb_days`; of another all of its points, by the edges that are known.
    fn go_on_with_ecdfs(&mut self, data: &[Series], known: &KnownEcdfs) {
        let n_features = self.n_features;
        for (series, data) in self.series.iter_mut().zip(data) {
            let rows =
                |points: Range<usize>| &series.encoded.rows()[points.start * n_features..points.end * n_features];
            series.ecdfs = match known.seen.get(&series.name) {
                None => Ecdfs::fit(known.ecdfs.edges(), rows(series.training.clone())),
                Some(&(first, last)) => {
                    let times = &data.timestamps()[..series.training.end];
                    let new = times.partition_point(|time| *time <= last).max(series.training.start);
                    let n_to_absorb = known.drift.points_to_absorb(data.clock());
                    // What stayed before the new points counts for them.
                    let before = new.saturating_sub(2 * n_to_absorb as usize).max(series.training.start);
                    series.counted_from = series.counted_from.min(first);
                    let ecdfs = known.ecdfs.of(&series.name);
                    ecdfs.counted_on(rows(before..new), rows(new..series.training.end), n_to_absorb, known.rare)
                }
            };
        }
        self.edges = known.ecdfs.edges();
    }

    /// The mean surprisal of the features of a point. `row` is room for them.
    pub(crate) fn surprisal(&self, (series, point): PoolPoint, row: &mut Vec<f32>) -> f64 {
        let series = &self.series[series];
        row.clear();
        series.ecdfs.push(series.encoded.row(point), row);
        series.ecdfs.mean(row)
    }

    /// The ecdfs of its series by name.
    pub(crate) fn ecdfs_by_series(&self) -> EcdfsBySeries {
        EcdfsBySeries::new(self.edges.clone(), self.series.iter().map(|series| (series.name.as_str(), &series.ecdfs)))
    }

    /// Labelled points, rising, as they are kept with a detector.
    pub(crate) fn label_overrides(&self, labelled: impl Iterator<Item = (PoolPoint, Label)>) -> LabelOverrides {
        let mut of_series: Vec<Vec<(usize, Label)>> = vec![Vec::new(); self.series.len()];
        labelled.for_each(|((series, point), label)| of_series[series].push((point, label)));
        let mut known = LabelOverrides::default();
        for (series, labelled) in self.series.iter().zip(of_series) {
            known.add(&series.name, labelled.into_iter(), &series.point_hashes);
        }
        known
    }

    /// The state of the next point of the series, where it has one in the training part.
    pub(crate) fn next(&self, (series, point): PoolPoint) -> Option<PoolPoint> {
        (point + 1 < self.series[series].training.end).then_some((series, point + 1))
    }

    /// Whether a point is a training point with a value, at which nothing is expected.
    pub(crate) fn has(&self, (series, point): PoolPoint) -> bool {
        let has = |s: &PoolSeries| s.training.contains(&point) && !s.missing[point] && !s.is_expected(point);
        self.series.get(series).is_some_and(has)
    }

    /// At most `n` training points of a series that it [has](Self::has), one drawn from each of `n` stretches of equal length, in time order:
    /// no event that is as long as a stretch is passed over.
    pub(crate) fn draw(&self, series: usize, n: usize, rng: &mut impl Rng) -> Vec<usize> {
        let pool = &self.series[series];
        let mut points: Vec<usize> = if pool.training.len() <= n {
            pool.training.clone().collect()
        } else {
            let (first, len) = (pool.training.start, pool.training.len());
            let stretch = |i: usize| first + i * len / n..first + (i + 1) * len / n;
            (0..n).map(|i| rng.random_range(stretch(i))).collect()
        };
        points.retain(|&point| self.has((series, point)));
        points
    }

    /// One training point, every point of every series as likely as any other.
    pub(crate) fn draw_one(&self, rng: &mut impl Rng) -> PoolPoint {
        let mut at = rng.random_range(0..self.n_points());
        for (i, series) in self.series.iter().enumerate() {
            if at < series.training.len() {
                return (i, series.training.start + at);
            }
            at -= series.training.len();
        }
        unreachable!("a number below the number of points lies in some series")
    }
}

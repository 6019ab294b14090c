//! Surprisal: `−ln` of a tail probability, in nats, by the empirical distributions (ECDFs) of each series' own features.
//!
//! A jump that happens every hour in one series happens never in another. The fraction of a series' points whose feature is at least as far
//! out says which, needs no label, and means the same in every series: that is what lets a detector carry over an expert's answers on
//! one series to another. Their mean over the features is a detector by itself, the warm-up's, in which nothing is random.
//!
//! Source: Li et al., *ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions*, 2022, whose scores are
//! sums over dimensions of `−ln` of a tail probability. Here each series has its own distributions, in bins whose edges are the same for
//! all; both ECDFs count, the smaller one doubled; and the score is the mean, not the largest of three sums. Of several channels the odds
//! are averaged: what one of a hundred channels shows is not lost among the others.

mod memory;
mod own;
mod swap;

use std::sync::Arc;

pub(crate) use self::memory::LearningOn;
use self::memory::Memory;
use self::own::OwnCounts;
use crate::archive::{Archive, Misfit};
use crate::models::tensor_file::Tensor;

/// The bins of a feature.
pub(crate) const N_BINS: usize = 32;
/// The points of the average series that stand before the first point of one that was not trained on.
const PRIOR_POINTS: f32 = 1_000.0;
/// The most points that a bin is taken to hold: counts in 32 bits add up without loss as far as this.
const MOST_POINTS: f32 = 16_777_216.0;
/// The smallest tail probability of all series' points that has an edge of its own, as a power of 1/2 below one half.
const LAST_TAIL: f64 = 13.0;

/// The edges between the bins of each feature: quantiles over all series, half of them far out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Edges {
    /// Shape `[n_features, N_BINS - 1]`, rising in each row.
    values: Vec<f32>,
    /// The channels that the features are of, as many features each, one channel after the other.
    n_channels: usize,
}

impl Edges {
    /// The edges for rows of features, shape `[n, n_features]`, of some channels; all 0 without rows.
    pub(crate) fn fit(rows: &[f32], n_features: usize, n_channels: usize) -> Self {
        const HALF: usize = N_BINS / 2;
        let tail = |step: usize| 0.5 * 0.5_f64.powf(LAST_TAIL * step as f64 / (HALF - 1) as f64);
        let fractions: Vec<f64> = (0..HALF).rev().map(tail).chain((1..HALF).map(|step| 1.0 - tail(step))).collect();
        let values = (0..n_features).flat_map(|feature| {
            let mut column: Vec<f32> = rows.iter().skip(feature).step_by(n_features).copied().collect();
            column.sort_by(f32::total_cmp);
            let last = column.len().saturating_sub(1) as f64;
            let at = |fraction: &f64| column.get((fraction * last).round() as usize).copied().unwrap_or(0.0);
            fractions.iter().map(at).collect::<Vec<f32>>()
        });
        Self { values: values.collect(), n_channels }
    }

    fn n_features(&self) -> usize {
        self.values.len() / (N_BINS - 1)
    }

    /// The bin of a value of a feature: the number of edges below it.
    fn bin(&self, feature: usize, value: f32) -> usize {
        self.values[feature * (N_BINS - 1)..][..N_BINS - 1].partition_point(|edge| *edge < value)
    }
}

/// The distributions of the features of one series: fitted, or those so far.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ecdfs {
    edges: Arc<Edges>,
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq)]
enum Counts {
    /// The points in each bin, and the surprisal of each bin where there is a table of them; both of shape `[n_features, N_BINS]`.
    Fitted { counts: Arc<[f32]>, table: Option<Box<[f32]>> },
    /// The points that stand before the first, and the series' own.
    Running { prior: Prior, own: OwnCounts, memory: Memory },
}

/// The points in each bin that stand before the first of a series.
#[derive(Clone, Debug)]
struct Prior {
    /// Shape `[n_features, N_BINS]`.
    counts: Arc<[f32]>,
    /// What the counts of each feature are multiplied by, shape `[n_features]`; `None` where that is 1.
    scales: Option<Box<[f32]>>,
}

impl Prior {
    /// The counts of a feature, and what they are multiplied by.
    fn of_feature(&self, feature: usize) -> (&[f32], f32) {
        (&self.counts[feature * N_BINS..][..N_BINS], self.scales.as_ref().map_or(1.0, |scales| scales[feature]))
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        let of_feature = |feature| {
            let (counts, scale) = self.of_feature(feature);
            counts.iter().map(move |count| count * scale)
        };
        (0..self.counts.len() / N_BINS).flat_map(of_feature)
    }
}

/// Whether they stand for the same points.
impl PartialEq for Prior {
    fn eq(&self, other: &Self) -> bool {
        let is_shared = Arc::ptr_eq(&self.counts, &other.counts) && self.scales == other.scales;
        is_shared || self.values().eq(other.values())
    }
}

impl Ecdfs {
    /// Those of the rows of a series, shape `[n, n_features]`.
    pub(crate) fn fit(edges: Arc<Edges>, rows: &[f32]) -> Self {
        let counts = vec![0.0; edges.n_features() * N_BINS];
        Self::of_more(edges, counts, rows)
    }

    /// The same with more rows of a fitted series, shape `[n, n_features]`. What is more surprising than `rare` on the mean, in nats, is left
    /// out until it has outnumbered the rest by `n_to_absorb` points; `before` are the rows before them, of which this is known. Where
    /// there are too many points for a count, all are halved.
    pub(crate) fn counted_on(self, before: &[f32], rows: &[f32], n_to_absorb: u32, rare: f64) -> Self {
        let n_features = self.edges.n_features().max(1);
        let mut memory = Memory::new(LearningOn { n_remembered: u32::MAX, n_to_absorb }, rare);
        let mut surprisals = Vec::with_capacity(n_features);
        let mut takes_in = |row: &[f32]| {
            surprisals.clear();
            self.push(row, &mut surprisals);
            memory.takes_in(|| self.mean(&surprisals))
        };
        before.chunks_exact(n_features).for_each(|row| _ = takes_in(row));
        let taken: Vec<f32> = rows.chunks_exact(n_features).filter(|row| takes_in(row)).flatten().copied().collect();
        if taken.is_empty() {
            return self;
        }
        let mut counts: Vec<f32> = self.fitted_counts().to_vec();
        let n_points = counts.iter().take(N_BINS).sum::<f32>() + (taken.len() / n_features) as f32;
        if n_points > MOST_POINTS / 2.0 {
            counts.iter_mut().for_each(|count| *count /= 2.0);
        }
        Self::of_more(self.edges, counts, &taken)
    }

    fn of_more(edges: Arc<Edges>, mut counts: Vec<f32>, rows: &[f32]) -> Self {
        for row in rows.chunks_exact(edges.n_features().max(1)) {
            for (feature, value) in row.iter().enumerate() {
                counts[feature * N_BINS + edges.bin(feature, *value)] += 1.0;
            }
        }
        Self { edges, counts: Counts::Fitted { counts: counts.into(), table: None } }.with_table()
    }

    /// The same, faster for many points: those of a fitted series get a table of surprisals.
    pub(crate) fn with_table(mut self) -> Self {
        if let Counts::Fitted { counts, table } = &mut self.counts {
            *table = Some(counts.as_chunks::<N_BINS>().0.iter().flat_map(surprisals).collect());
        }
        self
    }

    /// Appends the surprisal of each feature of a point of a fitted series, shape `[n_features]`, at least 0; higher is rarer.
    pub(crate) fn push(&self, row: &[f32], out: &mut Vec<f32>) {
        let binned = row.iter().enumerate().map(|(feature, value)| (feature, self.edges.bin(feature, *value)));
        match &self.counts {
            Counts::Fitted { table: Some(table), .. } => {
                out.extend(binned.map(|(feature, bin)| table[feature * N_BINS + bin]));
            }
            Counts::Fitted { counts, table: None } => {
                let counts = counts.as_chunks::<N_BINS>().0;
                out.extend(binned.map(|(feature, bin)| surprisal(&counts[feature], bin)));
            }
            Counts::Running { prior, own, memory } => {
                out.extend(binned.zip(own.iter()).map(|((feature, bin), own)| {
                    let (prior, scale) = prior.of_feature(feature);
                    let mut counts = [0.0; N_BINS];
                    let count = |(prior, own): (&f32, u16)| prior * scale * memory.prior_weight + f32::from(own);
                    counts.iter_mut().zip(prior.iter().zip(own)).for_each(|(sum, both)| *sum = count(both));
                    surprisal(&counts, bin)
                }));
            }
        }
    }

    /// Takes in the features of the next point where it learns from them, and appends what [`Self::push`] does.
    pub(crate) fn push_next(&mut self, row: &[f32], out: &mut Vec<f32>) {
        let begin = out.len();
        self.push(row, out);
        let (Self { edges, counts }, surprisals) = (self, &out[begin..]);
        if let Counts::Running { own, memory, .. } = counts
            && memory.takes_in(|| mean_of_channels(surprisals, edges.n_channels))
        {
            if memory.n_own >= memory.n_most {
                own.halve_all();
                memory.prior_weight = (memory.prior_weight / 2.0).max(f32::MIN_POSITIVE);
                memory.n_own /= 2;
            }
            memory.n_own += 1;
            own.count(row.iter().enumerate().map(|(feature, value)| edges.bin(feature, *value)));
        }
    }

    /// The mean of the surprisals of the features of a point; of several channels, [`mean_of_channels`].
    pub(crate) fn mean(&self, surprisals: &[f32]) -> f64 {
        mean_of_channels(surprisals, self.edges.n_channels)
    }

    /// Those of a fitted series that learn on; those of another, which learn on anyway, as they are. A point of more than the mean
    /// surprisal `rare`, in nats, is rare.
    pub(crate) fn that_learn_on(mut self, learning_on: LearningOn, rare: f64) -> Self {
        if let Counts::Fitted { counts, .. } = self.counts {
            let scale = |counts: &[f32; N_BINS]| learning_on.n_remembered as f32 / counts.iter().sum::<f32>().max(1.0);
            let scales = Some(counts.as_chunks::<N_BINS>().0.iter().map(scale).collect());
            let own = OwnCounts::new(counts.len() / N_BINS);
            let memory = Memory::new(learning_on, rare);
            self.counts = Counts::Running { prior: Prior { counts, scales }, own, memory };
        }
        self
    }

    /// Whether they are the same at all points.
    pub(crate) const fn is_fitted(&self) -> bool {
        matches!(self.counts, Counts::Fitted { .. })
    }

    /// The points in each bin of a fitted series; nothing of another.
    fn fitted_counts(&self) -> &[f32] {
        match &self.counts {
            Counts::Fitted { counts, .. } => counts,
            Counts::Running { .. } => &[],
        }
    }

    /// The memory that is not shared with the model, in bytes.
    pub(crate) fn own_bytes(&self) -> usize {
        match &self.counts {
            Counts::Fitted { table, .. } => table.as_ref().map_or(0, |table| size_of_val(&**table)),
            Counts::Running { prior, own, .. } => {
                prior.scales.as_ref().map_or(0, |scales| size_of_val(&**scales)) + own.heap_bytes()
            }
        }
    }

    /// What was counted since they were made.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), Misfit> {
        let Counts::Running { own, memory, .. } = &mut self.counts else { return Ok(()) };
        own.archive(archive)?;
        memory.archive(archive)
    }
}

/// The log-odds of the prior that a nat of surprisal is worth, by which the odds of channels are averaged.
const LOG_ODDS_OF_NAT: f64 = 2.0;

/// The surprisal of a point, in nats, by those of its features, shape `[n_channels, n_features / n_channels]`.
///
/// With the means `s` of `C` channels it is `½ ln(Σ exp(2 s) / C)`: the mean where they agree, and near the largest less `½ ln C` where one
/// stands out. A nat of surprisal is two of the prior's log-odds, so that this is the mean of the channels' odds, which like the harmonic
/// mean of p-values (Wilson 2019) holds however the channels depend on each other.
fn mean_of_channels(surprisals: &[f32], n_channels: usize) -> f64 {
    if n_channels <= 1 {
        return mean(surprisals);
    }
    let most = means(surprisals, n_channels).fold(0.0, f64::max);
    let odds = means(surprisals, n_channels).map(|mean| (LOG_ODDS_OF_NAT * (mean - most)).exp());
    let share = odds.sum::<f64>() / n_channels as f64;
    if share > 0.0 { (most + share.ln() / LOG_ODDS_OF_NAT).max(0.0) } else { 0.0 }
}

/// The weight of each channel in [`mean_of_channels`], its derivatives by their means: shape `[n_channels]`, sums to 1.
pub(crate) fn channel_weights(surprisals: &[f32], n_channels: usize) -> Vec<f64> {
    let most = means(surprisals, n_channels).fold(0.0, f64::max);
    let odds: Vec<f64> = means(surprisals, n_channels).map(|mean| (LOG_ODDS_OF_NAT * (mean - most)).exp()).collect();
    let sum: f64 = odds.iter().sum();
    odds.into_iter().map(|odds| odds / sum).collect()
}

/// The mean surprisal of the features of each channel.
fn means(surprisals: &[f32], n_channels: usize) -> impl Iterator<Item = f64> {
    surprisals.chunks((surprisals.len() / n_channels.max(1)).max(1)).map(mean)
}

fn mean(of: &[f32]) -> f64 {
    f64::from(of.iter().sum::<f32>()) / of.len().max(1) as f64
}

/// `−ln min(1, 2 (k + 1) / (n + 1))` of a bin, where `k` of `n` points are in it or further out on the side with fewer of them.
fn surprisal(counts: &[f32; N_BINS], bin: usize) -> f32 {
    let n: f32 = counts.iter().sum();
    let before: f32 = counts[..bin].iter().sum();
    let (low, high) = (before + counts[bin], n - before);
    -(2.0 * (low.min(high) + 1.0) / (n + 1.0)).min(1.0).ln()
}

/// [`surprisal`] of every bin.
fn surprisals(counts: &[f32; N_BINS]) -> [f32; N_BINS] {
    std::array::from_fn(|bin| surprisal(counts, bin))
}

/// The distributions of all series that were trained on, and their average.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EcdfsBySeries {
    edges: Arc<Edges>,
    /// The series' names, rising.
    names: Vec<String>,
    /// Of each series, shape `[n_features, N_BINS]`.
    counts: Vec<Arc<[f32]>>,
    /// The points of the average series that stand before the first of another one: of each feature, the fraction of points in each bin,
    /// every series counted once, times [`PRIOR_POINTS`]; shape `[n_features, N_BINS]`.
    prior: Arc<[f32]>,
}

impl EcdfsBySeries {
    /// The distributions of series by name.
    pub(crate) fn new<'a>(edges: Arc<Edges>, series: impl IntoIterator<Item = (&'a str, &'a Ecdfs)>) -> Self {
        let mut series: Vec<(&str, &Ecdfs)> = series.into_iter().collect();
        series.sort_by_key(|one| one.0);
        let names = series.iter().map(|one| one.0.to_owned()).collect();
        let counts = series.iter().map(|one| one.1.fitted_counts().into()).collect();
        Self::of_counts(edges, names, counts)
    }

    fn of_counts(edges: Arc<Edges>, names: Vec<String>, counts: Vec<Arc<[f32]>>) -> Self {
        let mut average = vec![0.0; edges.n_features() * N_BINS];
        if !average.is_empty() {
            for counts in &counts {
                let features = average.as_chunks_mut::<N_BINS>().0.iter_mut().zip(counts.as_chunks::<N_BINS>().0);
                for (average, counts) in features {
                    let n = counts.iter().sum::<f32>().max(1.0) * names.len() as f32;
                    average.iter_mut().zip(counts).for_each(|(fraction, count)| *fraction += count / n);
                }
            }
        }
        average.iter_mut().for_each(|count| *count *= PRIOR_POINTS);
        Self { edges, names, counts, prior: average.into() }
    }

    /// The edges between the bins.
    pub(crate) fn edges(&self) -> Arc<Edges> {
        Arc::clone(&self.edges)
    }

    /// The names of the series, rising.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The distributions of a series: its own where it was trained on, else those so far, beginning at the average.
    pub(crate) fn of(&self, series: &str) -> Ecdfs {
        self.shared(series).with_table()
    }

    /// [`Self::of`] without a table, in little memory of its own.
    pub(crate) fn shared(&self, series: &str) -> Ecdfs {
        let counts = match self.names.binary_search_by(|name| name.as_str().cmp(series)) {
            Ok(at) => Counts::Fitted { counts: self.counts[at].clone(), table: None },
            Err(_) => {
                let all = LearningOn { n_remembered: u32::MAX, n_to_absorb: 0 };
                Counts::Running {
                    prior: Prior { counts: self.prior.clone(), scales: None },
                    own: OwnCounts::new(self.edges.n_features()),
                    memory: Memory::new(all, f64::INFINITY),
                }
            }
        };
        Ecdfs { edges: self.edges.clone(), counts }
    }

    /// As named tensors: `edges`, shape `[n_features, N_BINS - 1]`, and `counts`, shape `[names, n_features, N_BINS]`.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let n_features = self.edges.n_features();
        let edges =
            Tensor { name: "edges".to_owned(), shape: vec![n_features, N_BINS - 1], data: self.edges.values.clone() };
        let shape = vec![self.names.len(), n_features, N_BINS];
        vec![
            edges,
            Tensor {
                name: "counts".to_owned(),
                shape,
                data: self.counts.iter().flat_map(|counts| counts.iter()).copied().collect(),
            },
        ]
    }

    /// The distributions of series by name, from named tensors.
    ///
    /// # Errors
    /// A sentence on the tensors, where they do not fit states of so many features or each other.
    pub(crate) fn from_tensors(
        n_features: usize,
        n_channels: usize,
        names: Vec<String>,
        tensors: &[Tensor],
    ) -> Result<Self, String> {
        let named = |name: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            tensor.map(|tensor| tensor.data.clone()).ok_or_else(|| format!("no tensor `{name}` of the ecdfs"))
        };
        let (edges, counts) = (named("edges")?, named("counts")?);
        let is_ok = edges.len() == n_features * (N_BINS - 1)
            && edges.chunks_exact(N_BINS - 1).all(<[f32]>::is_sorted)
            && counts.len() == names.len() * n_features * N_BINS
            && counts.iter().all(|count| (0.0..=MOST_POINTS).contains(count))
            && names.is_sorted();
        if is_ok {
            let counts = if n_features == 0 {
                names.iter().map(|_| Arc::default()).collect()
            } else {
                counts.chunks_exact(n_features * N_BINS).map(Arc::from).collect()
            };
            Ok(Self::of_counts(Arc::new(Edges { values: edges, n_channels }), names, counts))
        } else {
            Err("the ecdfs do not fit the features or the series".to_owned())
        }
    }
}

#[cfg(test)]
mod tests;

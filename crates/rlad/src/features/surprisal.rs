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
mod swap;

use std::sync::Arc;

pub(crate) use self::memory::LearningOn;
use self::memory::Memory;
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
    /// The points in each bin, and the surprisal of each bin; both of shape `[n_features, N_BINS]`.
    Fitted { counts: Vec<f32>, surprisals: Vec<f32> },
    /// The points that stand before the first, and the series' own. Where a bin is full, all of its feature are halved: what is long
    /// ago fades. Both of shape `[n_features, N_BINS]`.
    Running { prior: Arc<Vec<f32>>, own: Box<[u16]>, memory: Memory },
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
        let mut counts = self.fitted_counts().to_vec();
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
        Self::of(edges, counts)
    }

    fn of(edges: Arc<Edges>, counts: Vec<f32>) -> Self {
        let surprisals = counts.as_chunks::<N_BINS>().0.iter().flat_map(surprisals).collect();
        Self { edges, counts: Counts::Fitted { counts, surprisals } }
    }

    /// Appends the surprisal of each feature of a point of a fitted series, shape `[n_features]`, at least 0; higher is rarer.
    pub(crate) fn push(&self, row: &[f32], out: &mut Vec<f32>) {
        let of_feature = |(feature, value): (usize, &f32)| {
            let bin = self.edges.bin(feature, *value);
            match &self.counts {
                Counts::Fitted { surprisals, .. } => surprisals[feature * N_BINS + bin],
                Counts::Running { prior, own, memory } => {
                    let of_feature = feature * N_BINS..(feature + 1) * N_BINS;
                    let mut counts = [0.0; N_BINS];
                    let both = prior[of_feature.clone()].iter().zip(&own[of_feature]);
                    let count = |(prior, own): (&f32, &u16)| prior * memory.prior_weight + f32::from(*own);
                    counts.iter_mut().zip(both).for_each(|(sum, both)| *sum = count(both));
                    surprisal(&counts, bin)
                }
            }
        };
        out.extend(row.iter().enumerate().map(of_feature));
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
                own.iter_mut().for_each(|count| *count /= 2);
                memory.prior_weight = (memory.prior_weight / 2.0).max(f32::MIN_POSITIVE);
                memory.n_own /= 2;
            }
            memory.n_own += 1;
            for ((feature, value), own) in row.iter().enumerate().zip(own.as_chunks_mut::<N_BINS>().0) {
                let bin = edges.bin(feature, *value);
                if own[bin] == u16::MAX {
                    own.iter_mut().for_each(|count| *count /= 2);
                }
                own[bin] += 1;
            }
        }
    }

    /// The mean of the surprisals of the features of a point; of several channels, [`mean_of_channels`].
    pub(crate) fn mean(&self, surprisals: &[f32]) -> f64 {
        mean_of_channels(surprisals, self.edges.n_channels)
    }

    /// Those of a fitted series that learn on; those of another, which learn on anyway, as they are. A point of more than the mean
    /// surprisal `rare`, in nats, is rare.
    pub(crate) fn that_learn_on(mut self, learning_on: LearningOn, rare: f64) -> Self {
        if let Counts::Fitted { counts, .. } = &mut self.counts {
            let mut prior = std::mem::take(counts);
            for counts in prior.as_chunks_mut::<N_BINS>().0 {
                let scale = learning_on.n_remembered as f32 / counts.iter().sum::<f32>().max(1.0);
                counts.iter_mut().for_each(|count| *count *= scale);
            }
            let own = vec![0; prior.len()].into_boxed_slice();
            self.counts = Counts::Running { prior: Arc::new(prior), own, memory: Memory::new(learning_on, rare) };
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
    /// Shape `[names, n_features, N_BINS]`.
    counts: Vec<f32>,
    /// The points of the average series that stand before the first of another one: of each feature, the fraction of points in each bin,
    /// every series counted once, times [`PRIOR_POINTS`]; shape `[n_features, N_BINS]`.
    prior: Arc<Vec<f32>>,
}

impl EcdfsBySeries {
    /// The distributions of series by name.
    pub(crate) fn new<'a>(edges: Arc<Edges>, series: impl IntoIterator<Item = (&'a str, &'a Ecdfs)>) -> Self {
        let mut series: Vec<(&str, &Ecdfs)> = series.into_iter().collect();
        series.sort_by_key(|one| one.0);
        let names = series.iter().map(|one| one.0.to_owned()).collect();
        let counts = series.iter().flat_map(|one| one.1.fitted_counts()).copied().collect();
        Self::of_counts(edges, names, counts)
    }

    fn of_counts(edges: Arc<Edges>, names: Vec<String>, counts: Vec<f32>) -> Self {
        let mut average = vec![0.0; edges.n_features() * N_BINS];
        if !average.is_empty() {
            for counts in counts.chunks_exact(average.len()) {
                let features = average.as_chunks_mut::<N_BINS>().0.iter_mut().zip(counts.as_chunks::<N_BINS>().0);
                for (average, counts) in features {
                    let n = counts.iter().sum::<f32>().max(1.0) * names.len() as f32;
                    average.iter_mut().zip(counts).for_each(|(fraction, count)| *fraction += count / n);
                }
            }
        }
        average.iter_mut().for_each(|count| *count *= PRIOR_POINTS);
        Self { edges, names, counts, prior: Arc::new(average) }
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
        let size = self.prior.len();
        match self.names.binary_search_by(|name| name.as_str().cmp(series)) {
            Ok(at) => Ecdfs::of(self.edges.clone(), self.counts[at * size..][..size].to_vec()),
            Err(_) => {
                let own = vec![0; size].into_boxed_slice();
                let all = LearningOn { n_remembered: u32::MAX, n_to_absorb: 0 };
                let counts =
                    Counts::Running { prior: self.prior.clone(), own, memory: Memory::new(all, f64::INFINITY) };
                Ecdfs { edges: self.edges.clone(), counts }
            }
        }
    }

    /// As named tensors: `edges`, shape `[n_features, N_BINS - 1]`, and `counts`, shape `[names, n_features, N_BINS]`.
    pub(crate) fn tensors(&self) -> Vec<Tensor> {
        let n_features = self.edges.n_features();
        let edges =
            Tensor { name: "edges".to_owned(), shape: vec![n_features, N_BINS - 1], data: self.edges.values.clone() };
        let shape = vec![self.names.len(), n_features, N_BINS];
        vec![edges, Tensor { name: "counts".to_owned(), shape, data: self.counts.clone() }]
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
            Ok(Self::of_counts(Arc::new(Edges { values: edges, n_channels }), names, counts))
        } else {
            Err("the ecdfs do not fit the features or the series".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rising ramp: every bin of the lower half holds what its edges say.
    fn ramp(n: u16) -> Vec<f32> {
        (0..n).map(f32::from).collect()
    }

    #[test]
    fn the_tail_of_a_point_by_hand() {
        // Four points of one feature, each in a bin of its own: edges at every quantile of four values.
        let edges = Arc::new(Edges::fit(&ramp(4), 1, 1));
        let ecdfs = Ecdfs::fit(edges, &ramp(4));
        let mut got = Vec::new();
        (0..4_u8).for_each(|value| ecdfs.push(&[f32::from(value)], &mut got));
        // k = 1, 2, 2, 1 of n = 4 are as far out: 2 (k + 1) / 5, at most 1.
        let want = [-(4.0_f32 / 5.0).ln(), 0.0, 0.0, -(4.0_f32 / 5.0).ln()];
        assert!(got.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-6), "{got:?}");
    }

    #[test]
    fn what_is_further_out_is_rarer_and_nothing_is_rarer_than_once() {
        let rows = ramp(10_000);
        let ecdfs = Ecdfs::fit(Arc::new(Edges::fit(&rows, 1, 1)), &rows);
        let surprisal = |value: f32| {
            let mut out = Vec::new();
            ecdfs.push(&[value], &mut out);
            out[0]
        };
        let high: Vec<f32> = [5_000.0, 7_600.0, 9_000.0, 9_900.0, 9_990.0, 1e9].map(surprisal).to_vec();
        assert!(high.is_sorted() && high[0] < 0.1, "{high:?}");
        assert!((surprisal(1e9) - surprisal(-1e9)).abs() < 1.0, "both sides count");
        // One point in a thousand on one side, doubled.
        assert!((surprisal(9_990.0) - 500.0_f32.ln()).abs() < 0.5, "{}", surprisal(9_990.0));
        assert!(surprisal(1e9) <= (10_001.0_f32 / 2.0).ln());
    }

    #[test]
    fn one_channel_of_many_is_not_lost_by_hand() {
        let of = mean_of_channels;
        assert!((of(&[3.0, 1.0, 2.0, 2.0], 1) - 2.0).abs() < 1e-9, "one channel: the mean");
        assert!((of(&[3.0, 1.0, 2.0, 2.0], 2) - 2.0).abs() < 1e-9, "channels that agree");
        // ½ ln((e¹⁰ + 3) / 4): one of four channels has a surprisal of 5, the others none.
        let want = ((10.0_f64.exp() + 3.0) / 4.0).ln() / 2.0;
        assert!((of(&[0.0, 0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0], 4) - want).abs() < 1e-6);
        let weights = channel_weights(&[0.0, 5.0], 2);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9 && weights[1] > 0.99, "{weights:?}");
        assert!(of(&[], 0).abs() < 1e-9);
    }

    #[test]
    fn another_series_goes_from_the_average_to_its_own() {
        let rows = ramp(2_000);
        let edges = Arc::new(Edges::fit(&rows, 1, 1));
        let (a, b) = (Ecdfs::fit(edges.clone(), &rows[..1_000]), Ecdfs::fit(edges.clone(), &rows[1_000..]));
        let known = EcdfsBySeries::new(edges, [("b", &b), ("a", &a)]);
        assert_eq!(known.of("a"), a);
        let surprisal = |ecdfs: &mut Ecdfs, value: f32| {
            let mut out = Vec::new();
            ecdfs.push_next(&[value], &mut out);
            out[0]
        };
        let mut unseen = known.of("c");
        let first = surprisal(&mut unseen, 1_990.0);
        (0..200_000).for_each(|_| _ = surprisal(&mut unseen, 1_990.0));
        assert!(first > 3.0 && surprisal(&mut unseen, 1_990.0) < 0.1, "{first}");
        assert!(surprisal(&mut known.of("a"), 1_990.0) > 5.0, "a fitted series learns nothing more");
    }

    #[test]
    fn they_survive_tensors() {
        let rows = ramp(300);
        let edges = Arc::new(Edges::fit(&rows, 3, 1));
        let known = EcdfsBySeries::new(edges.clone(), [("a", &Ecdfs::fit(edges, &rows))]);
        let read = |n_features, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            EcdfsBySeries::from_tensors(n_features, 1, names, &known.tensors())
        };
        assert_eq!(read(3, &["a"]).as_ref(), Ok(&known));
        assert!(read(2, &["a"]).is_err() && read(3, &["a", "b"]).is_err());
    }

    /// Those of a thousand points from 0 to 9, learning on.
    fn learning_on(n_remembered: u32, n_to_absorb: u32, rare: f64) -> Ecdfs {
        let rows: Vec<f32> = (0..1_000_u16).map(|i| f32::from(i % 10)).collect();
        let edges = Arc::new(Edges { values: (0..31_u8).map(f32::from).collect(), n_channels: 1 });
        Ecdfs::fit(edges, &rows).that_learn_on(LearningOn { n_remembered, n_to_absorb }, rare)
    }

    fn surprisal_of(ecdfs: &Ecdfs, value: f32) -> f32 {
        let mut out = Vec::new();
        ecdfs.push(&[value], &mut out);
        out[0]
    }

    #[test]
    fn a_level_that_stays_is_learned_and_an_old_one_fades() {
        let mut ecdfs = learning_on(1_000, 0, f64::INFINITY);
        let before = surprisal_of(&ecdfs, 20.0);
        // 1 of 1001 at the end of the tail, twice.
        assert!((before + (2.0_f32 / 1_001.0).ln()).abs() < 1e-4, "{before}");
        let mut out = Vec::new();
        let mut after = |n: usize, ecdfs: &mut Ecdfs| {
            (0..n).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
            (surprisal_of(ecdfs, 20.0), surprisal_of(ecdfs, 5.0))
        };
        // As many points as are remembered: half of all, so neither level is rare.
        let (new, old) = after(1_000, &mut ecdfs);
        assert!(new < 0.01 && old < 1.0, "{new} and {old}");
        // Ten times as many: the old level is forgotten.
        let (new, old) = after(9_000, &mut ecdfs);
        assert!(new < 0.01 && old > 5.0, "{new} and {old}");
    }

    #[test]
    fn what_is_rare_counts_once_it_has_stayed() {
        let mut ecdfs = learning_on(1_000, 300, 4.0);
        let before = surprisal_of(&ecdfs, 20.0);
        let mut out = Vec::new();
        (0..299).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
        assert!((surprisal_of(&ecdfs, 20.0) - before).abs() < 1e-6, "an event is not learned");
        // Usual points between them count at once, and put it off.
        (0..100).for_each(|_| ecdfs.push_next(&[5.0], &mut out));
        (0..100).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
        assert!(surprisal_of(&ecdfs, 20.0) >= before, "nor one that was interrupted");
        (0..400).for_each(|_| ecdfs.push_next(&[20.0], &mut out));
        assert!(surprisal_of(&ecdfs, 20.0) < 2.0, "a level that stays is");
    }
}

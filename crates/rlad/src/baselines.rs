//! The systems that the paper compares with, and the classic detectors that a user would try first.
//!
//! A [`Method`] is a name with its settings; fitted on series it is a [`Baseline`], a [`Detector`] like the agent's model.
//! Two kinds: *statistics* of one channel (Luminol, SPOT, the spectral residual, S-H-ESD) look at the series that they
//! score and keep nothing of others; of several channels a point has the highest score. Methods that compare *windows* (networks,
//! neighbours, PCA, the one-class SVM, the isolation forest) are fitted once for all series, on standardised values.

mod autoencoder;
mod dagmm;
mod deep_sad;
mod esd;
mod fitted;
mod forest;
mod gaussian;
mod luminol;
mod method;
mod neighbors;
mod network;
mod one_class_svm;
mod pca;
#[cfg(test)]
mod reference;
mod saliency;
mod sample;
mod scoring;
mod spectral_residual;
mod spot;
mod sr_cnn;
#[cfg(test)]
mod tests;
mod training;
mod window_detector;
mod windows;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rand::seq::index;
use serde::{Deserialize, Serialize};

pub use self::autoencoder::{AutoencoderConfig, CodeUnits};
pub use self::dagmm::DagmmConfig;
pub use self::deep_sad::DeepSadConfig;
pub use self::esd::EsdConfig;
use self::fitted::Fitted;
pub use self::forest::WindowForestConfig;
pub use self::method::Method;
pub use self::neighbors::{LocalOutlierFactorConfig, NearestNeighborsConfig, NeighborDistance};
pub use self::one_class_svm::OneClassSvmConfig;
pub use self::pca::{PcaConfig, PcaScore};
use self::scoring::whole_chunks;
pub use self::spectral_residual::SpectralResidualConfig;
pub use self::spot::{SpotConfig, TailFit};
pub use self::sr_cnn::SrCnnConfig;
use self::window_detector::WindowDetector;
use self::windows::{Arrays, Corpus, Scaled, Standard, agrees};
use crate::data::alarm::Alarm;
use crate::data::calendar::Calendar;
use crate::data::label::{Label, Labels};
use crate::data::series::{Part, Series};
use crate::detect::detector::{Detector, ID_DIGITS, check_channels, leave_out_missing};
use crate::error::{Error, Result};
use crate::models::tensor_file::{self, Tensors};
use crate::random::{Purpose, stream};

/// The kind of file that a baseline is saved as.
pub(crate) const KIND: &str = "baseline";
/// Of a method without a threshold of its own, this fraction of the training points is above it (the released code's
/// contamination of .01).
const CONTAMINATION: f64 = 0.01;
/// The training points that are scored to find that threshold, about, in blocks of [`BLOCK`].
const N_SCORED: usize = 100_000;
const BLOCK: usize = 256;

/// A fitted baseline.
#[derive(Clone, Debug)]
pub struct Baseline {
    record: BaselineRecord,
    /// What is expected, where something is; no part of the file.
    calendar: Option<Arc<Calendar>>,
    bytes: Vec<u8>,
    hash: String,
}

/// The record of a baseline's file, beside its arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct BaselineRecord {
    method: Method,
    seed: u64,
    part: Part,
    n_channels: usize,
    threshold: f64,
    n_questions: usize,
    n_labelled_points: usize,
    standards: BTreeMap<String, Standard>,
    fitted: Fitted,
}

/// The most channels of series that a baseline is read for.
const MOST_CHANNELS: usize = 65_536;

impl BaselineRecord {
    /// Takes in the arrays, and refuses a record that fitting would not have made: nothing that scores need look at it again.
    fn restore(&mut self, arrays: &Arrays) -> Result<()> {
        self.method.validate()?;
        agrees((1..=MOST_CHANNELS).contains(&self.n_channels), &format!("from 1 to {MOST_CHANNELS} channels"))?;
        agrees(self.threshold.is_finite(), "a threshold that is a number")?;
        let fits = self.standards.values().all(|standard| standard.fits(self.n_channels));
        agrees(fits, "a mean and a deviation above 0 for each channel of a series")?;
        self.fitted.restore(&self.method, self.n_channels, arrays)
    }
}

impl Baseline {
    /// Fits a method on a part of each series.
    ///
    /// `labels`: an expert's labels of the points of each series, or nothing; `n_questions`: how many questions gave them.
    /// Only a method that [learns from labels](Method::learns_from_labels) uses them, and only those of the part.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting is outside of its range, [`Error::Empty`] without training points,
    /// [`Error::Channels`] if the series differ in their number of channels, [`Error::Diverged`] if a network's training
    /// came to numbers that are not finite.
    pub fn fit(
        method: &Method,
        series: &[Series],
        part: Part,
        labels: &[Labels],
        n_questions: usize,
        seed: u64,
    ) -> Result<Self> {
        method.validate()?;
        let first = series.first().ok_or_else(|| Error::Empty { what: "the data set".to_owned() })?;
        let n_channels = first.n_channels();
        series.iter().try_for_each(|series| check_channels(series, n_channels))?;
        let mut record = BaselineRecord {
            method: method.clone(),
            seed,
            part,
            n_channels,
            threshold: method.own_threshold().unwrap_or(0.0),
            n_questions: 0,
            n_labelled_points: 0,
            standards: BTreeMap::new(),
            fitted: Fitted::Nothing,
        };
        if method.compares_windows() {
            let corpus = corpus(series, part, &mut record.standards)?;
            let labels: Vec<((usize, usize), Label)> = labels
                .iter()
                .enumerate()
                .flat_map(|(at, labels)| labels.iter().map(move |(point, label)| ((at, point), label)))
                .filter(|(at, _)| corpus.points.binary_search(at).is_ok())
                .collect();
            if method.learns_from_labels() {
                (record.n_questions, record.n_labelled_points) = (n_questions, labels.len());
            }
            record.fitted = Fitted::fit(method, &corpus, &labels, seed)?;
            if let Some(detector) = record.fitted.detector().filter(|_| method.own_threshold().is_none()) {
                record.threshold = quantile(detector, &corpus, seed);
            }
        }
        Ok(Self::new(record))
    }

    fn new(record: BaselineRecord) -> Self {
        let arrays = record.fitted.detector().map_or_else(Vec::new, WindowDetector::arrays);
        let tensors: Tensors =
            arrays.iter().map(|(name, values)| ((*name).to_owned(), (vec![values.len()], values.to_vec()))).collect();
        let (bytes, hash) = tensor_file::write(KIND, &tensors, &record);
        Self { record, calendar: None, bytes, hash }
    }

    /// Reads the bytes of a baseline's file; `path` is for errors.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Version`] or [`Error::Damaged`] where the bytes are not a whole baseline of this version, or its parts do
    /// not fit each other.
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let (tensors, mut record, hash): (Tensors, BaselineRecord, _) = tensor_file::read(path, KIND, &bytes)?;
        let arrays = tensors.into_iter().map(|(name, (_, values))| (name, values)).collect();
        record.restore(&arrays).map_err(|problem| tensor_file::misfit(path, KIND, problem))?;
        Ok(Self { record, calendar: None, bytes, hash })
    }

    /// The same detector with a calendar of expected events, in the place of the one that it had: a point inside has its score and is no
    /// alarm, and ends an event. Its bytes and its hash are still those of the file, which holds no calendar.
    #[must_use]
    pub fn with_calendar(mut self, calendar: impl Into<Arc<Calendar>>) -> Self {
        self.calendar = Some(calendar.into());
        self
    }

    /// The bytes of its file.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The SHA-256 of its content, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The method and its settings.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.record.method
    }

    /// The seed that it was fitted with.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.record.seed
    }

    /// The questions that were answered for it.
    #[must_use]
    pub const fn n_questions(&self) -> usize {
        self.record.n_questions
    }

    /// The labelled points that it learned from.
    #[must_use]
    pub const fn n_labelled_points(&self) -> usize {
        self.record.n_labelled_points
    }
}

impl Detector for Baseline {
    fn context(&self) -> usize {
        self.record.fitted.detector().map_or(1, WindowDetector::context)
    }

    fn threshold(&self) -> f64 {
        self.record.threshold
    }

    fn id(&self) -> &str {
        &self.hash()[..ID_DIGITS]
    }

    fn score_points(&self, series: &Series, points: Range<usize>) -> Result<Vec<f64>> {
        check_channels(series, self.record.n_channels)?;
        let mut scores = if let Some(detector) = self.record.fitted.detector() {
            let standard = self.record.standards.get(series.name()).cloned();
            let standard = standard.unwrap_or_else(|| Standard::fit(series, 0..series.len()));
            let slice = whole_chunks(&points, detector.context(), series.len());
            score_slice(detector, &Scaled::new(series, &standard), slice, points.clone())
        } else {
            // SPOT's calibration ends with the training part.
            self.record.method.score(series, series.part(self.record.part).end, points.clone())?
        };
        leave_out_missing(series, points.start, &mut scores);
        Ok(scores)
    }

    /// Where the score is above the threshold, and nothing is expected ([`Baseline::with_calendar`]).
    fn decide(
        &self,
        series: &Series,
        points: Range<usize>,
        scores: &[f64],
        _: &[(usize, Label)],
    ) -> Result<Vec<Alarm>> {
        assert_eq!(points.len(), scores.len(), "a score a point");
        let Some(calendar) = &self.calendar else { return Ok(Alarm::above(scores, self.threshold())) };
        let calendar = calendar.of(series.name(), series.clock());
        let is_alarm = |(timestamp, score): (&i64, &f64)| *score > self.threshold() && !calendar.contains(*timestamp);
        Ok(Alarm::of_runs(series.timestamps()[points].iter().zip(scores).map(is_alarm)))
    }
}

/// The standardised series and the training points that are not missing. Means and deviations are added to `standards`.
fn corpus(series: &[Series], part: Part, standards: &mut BTreeMap<String, Standard>) -> Result<Corpus> {
    let mut corpus = Corpus { series: Vec::with_capacity(series.len()), points: Vec::new() };
    for (at, series) in series.iter().enumerate() {
        let training = series.part(part);
        let standard = Standard::fit(series, training.clone());
        corpus.series.push(Scaled::new(series, &standard));
        corpus.points.extend(training.filter(|&point| !series.is_missing(point)).map(|point| (at, point)));
        standards.insert(series.name().to_owned(), standard);
    }
    if corpus.points.is_empty() {
        return Err(Error::Empty { what: format!("the part `{part}` of the series") });
    }
    Ok(corpus)
}

/// The scores of some points, from a slice of the series that holds them with the context on both sides of them.
fn score_slice(detector: &dyn WindowDetector, series: &Scaled, slice: Range<usize>, points: Range<usize>) -> Vec<f64> {
    let values = series.values[slice.start * series.n_channels..slice.end * series.n_channels].to_vec();
    let mut scores = detector.score(&Scaled { values, n_channels: series.n_channels });
    scores.truncate(points.end - slice.start);
    scores.drain(..points.start - slice.start);
    scores
}

/// The score that a fraction of [`CONTAMINATION`] of the training points is above, from blocks of points that are drawn.
fn quantile(detector: &dyn WindowDetector, corpus: &Corpus, seed: u64) -> f64 {
    let n_blocks = corpus.points.len().div_ceil(BLOCK);
    let mut rng = stream(seed, Purpose::Windows, u64::MAX >> 8);
    let mut blocks = index::sample(&mut rng, n_blocks, n_blocks.min(N_SCORED.div_ceil(BLOCK))).into_vec();
    blocks.sort_unstable();
    let mut scores: Vec<f64> = blocks
        .into_iter()
        .flat_map(|block| {
            let points = &corpus.points[block * BLOCK..((block + 1) * BLOCK).min(corpus.points.len())];
            points.chunk_by(|a, b| a.0 == b.0).flat_map(|run| {
                let (first, last) = (run[0].1, run[run.len() - 1].1);
                let series = &corpus.series[run[0].0];
                // A threshold need not be a score to the bit, so that no whole chunks are scored for it.
                let context = detector.context();
                let slice = first.saturating_sub(context)..(last + 1 + context).min(series.len());
                let scores = score_slice(detector, series, slice, first..last + 1);
                run.iter().map(move |&(_, point)| scores[point - first]).collect::<Vec<_>>()
            })
        })
        .collect();
    scores.sort_by(f64::total_cmp);
    let last = scores.len() - 1;
    let n_above = (CONTAMINATION * last as f64).round() as usize;
    scores[last - n_above]
}

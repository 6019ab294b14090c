//! Tests of all classic detectors: they score as the reference does, are read back as they were written, and take any data.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::forest::{WindowForest, WindowForestConfig};
use super::neighbors::{
    LocalOutlierFactor, LocalOutlierFactorConfig, NearestNeighbors, NearestNeighborsConfig, NeighborDistance,
};
use super::one_class_svm::{OneClassSvm, OneClassSvmConfig};
use super::pca::{Pca, PcaConfig, PcaScore};
use super::reference::{numbers, of_classics};
use super::sample::sample_windows;
use super::window_detector::WindowDetector;
use super::windows::{Corpus, Scaled};
use crate::error::Result;

/// The series of `bench/reference/baselines_classic.py` and its scores.
struct Reference {
    corpus: Corpus,
    scores: Value,
}

fn reference() -> Reference {
    let file = of_classics();
    let n_training = usize::try_from(file["n_training"].as_u64().unwrap()).unwrap();
    let values = numbers(&file["series"]).into_iter().map(|value| value as f32).collect();
    Reference { corpus: corpus(values, 2, n_training), scores: file["scores"].clone() }
}

/// One series, whose first points may be learned from.
fn corpus(values: Vec<f32>, n_channels: usize, n_training: usize) -> Corpus {
    Corpus { series: vec![Scaled { values, n_channels }], points: (0..n_training).map(|point| (0, point)).collect() }
}

impl Reference {
    /// Compares the scores of every point with those of the file, relative to the larger of 1 and these.
    fn assert_scores(&self, name: &str, got: &[f64], tolerance: f64) {
        let want = numbers(&self.scores[name]);
        assert_eq!(got.len(), want.len());
        for (point, (got, want)) in got.iter().zip(&want).enumerate() {
            assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{name}, point {point}: {got}, not {want}");
        }
    }
}

/// The detectors with their usual settings, fitted on a corpus and scoring its first series.
fn scores_of_all(corpus: &Corpus, n_steps: usize) -> Vec<(&'static str, Vec<f64>)> {
    let series = &corpus.series[0];
    let neighbors = NearestNeighborsConfig { n_steps, ..Default::default() };
    let outliers = LocalOutlierFactorConfig { n_steps, ..Default::default() };
    let machine = OneClassSvmConfig { n_steps, ..Default::default() };
    let components = PcaConfig { n_steps, ..Default::default() };
    let residual = PcaConfig { n_steps, score: PcaScore::Residual, ..Default::default() };
    let forest = WindowForestConfig { n_steps, ..Default::default() };
    vec![
        ("k nearest neighbours", NearestNeighbors::fit(corpus, &neighbors, 1).unwrap().score(series)),
        ("local outlier factor", LocalOutlierFactor::fit(corpus, &outliers, 1).unwrap().score(series)),
        ("one-class SVM", OneClassSvm::fit(corpus, &machine, 1).unwrap().score(series)),
        ("PCA, standardised", Pca::fit(corpus, &components, 1).unwrap().score(series)),
        ("PCA, residual", Pca::fit(corpus, &residual, 1).unwrap().score(series)),
        ("isolation forest", WindowForest::fit(corpus, &forest, 1).unwrap().score(series)),
    ]
}

#[test]
fn nearest_neighbors_are_at_the_distances_of_scikit_learn() {
    let reference = reference();
    for (name, distance) in
        [("nearest_neighbors_mean", NeighborDistance::Mean), ("nearest_neighbors_largest", NeighborDistance::Largest)]
    {
        let config = NearestNeighborsConfig { distance, ..Default::default() };
        let got = NearestNeighbors::fit(&reference.corpus, &config, 1).unwrap().score(&reference.corpus.series[0]);
        reference.assert_scores(name, &got, 1e-11);
    }
}

#[test]
fn the_local_outlier_factor_is_scikit_learns() {
    let reference = reference();
    let detector = LocalOutlierFactor::fit(&reference.corpus, &LocalOutlierFactorConfig::default(), 1).unwrap();
    reference.assert_scores("local_outlier_factor", &detector.score(&reference.corpus.series[0]), 2e-7);
}

#[test]
fn the_one_class_svm_decides_as_scikit_learns() {
    let reference = reference();
    for (name, nu) in [("one_class_svm_0.1", 0.1), ("one_class_svm_0.5", 0.5)] {
        let config = OneClassSvmConfig { nu, ..Default::default() };
        let got = OneClassSvm::fit(&reference.corpus, &config, 1).unwrap().score(&reference.corpus.series[0]);
        reference.assert_scores(name, &got, 2e-6);
    }
}

#[test]
fn principal_components_are_numpys() {
    let reference = reference();
    for (name, score) in [("pca_standardised", PcaScore::Standardised), ("pca_residual", PcaScore::Residual)] {
        let config = PcaConfig { score, ..Default::default() };
        let got = Pca::fit(&reference.corpus, &config, 1).unwrap().score(&reference.corpus.series[0]);
        reference.assert_scores(name, &got, 2e-6);
    }
}

#[test]
fn every_detector_finds_what_stands_out() {
    let reference = reference();
    for (name, scores) in scores_of_all(&reference.corpus, 25) {
        let mut usual = scores[..260].to_vec();
        usual.sort_by(f64::total_cmp);
        // Values that are 4 too low at one point, and 1.5 too high at six.
        for anomaly in [335, 366] {
            assert!(scores[anomaly] > usual[usual.len() * 9 / 10], "{name}: {} at {anomaly}", scores[anomaly]);
        }
    }
}

/// Writes a detector as the record and arrays of a model's file are written, and reads it.
fn assert_reads_back<D: Serialize + DeserializeOwned + PartialEq + Debug>(
    detector: &D,
    arrays: &[(&'static str, &[f32])],
    restore: impl Fn(&mut D, &BTreeMap<String, Vec<f32>>) -> Result<()>,
) {
    let record = serde_json::to_string(detector).unwrap();
    assert!(record.len() < 400, "arrays are no part of the record: {record}");
    let mut read: D = serde_json::from_str(&record).unwrap();
    let arrays = arrays.iter().map(|(name, values)| ((*name).into(), values.to_vec()));
    let arrays: BTreeMap<String, Vec<f32>> = arrays.collect();
    restore(&mut read, &arrays).unwrap();
    assert_eq!(read, *detector);
    for name in arrays.keys() {
        let mut lacking = arrays.clone();
        lacking.get_mut(name).unwrap().pop();
        let message = restore(&mut read, &lacking).unwrap_err().to_string();
        assert!(message.starts_with(&format!("tensor `{name}` must have")), "{message}");
        lacking.remove(name);
        let message = restore(&mut read, &lacking).unwrap_err().to_string();
        assert!(message.ends_with("found none"), "{message}");
    }
}

#[test]
fn detectors_read_back_as_they_were_written() {
    let Reference { corpus, .. } = reference();
    let n_channels = corpus.n_channels();
    let config = NearestNeighborsConfig::default();
    let detector = NearestNeighbors::fit(&corpus, &config, 1).unwrap();
    assert_reads_back(&detector, &detector.arrays(), |read: &mut NearestNeighbors, arrays| {
        read.restore(&config, n_channels, arrays)
    });
    let config = LocalOutlierFactorConfig::default();
    let detector = LocalOutlierFactor::fit(&corpus, &config, 1).unwrap();
    assert_reads_back(&detector, &detector.arrays(), |read: &mut LocalOutlierFactor, arrays| {
        read.restore(&config, n_channels, arrays)
    });
    let config = OneClassSvmConfig::default();
    let detector = OneClassSvm::fit(&corpus, &config, 1).unwrap();
    assert_reads_back(&detector, &detector.arrays(), |read: &mut OneClassSvm, arrays| {
        read.restore(&config, n_channels, arrays)
    });
    for score in [PcaScore::Standardised, PcaScore::Residual] {
        let config = PcaConfig { score, ..Default::default() };
        let detector = Pca::fit(&corpus, &config, 1).unwrap();
        assert_reads_back(&detector, &detector.arrays(), |read: &mut Pca, arrays| {
            read.restore(&config, n_channels, arrays)
        });
    }
    let config = WindowForestConfig::default();
    let detector = WindowForest::fit(&corpus, &config, 1).unwrap();
    assert_reads_back(&detector, &detector.arrays(), |read: &mut WindowForest, arrays| {
        read.restore(&config, n_channels, arrays)
    });
}

#[test]
fn nothing_to_learn_from_is_an_error() {
    let nothing = corpus(vec![1.0, 2.0], 1, 0);
    let message = NearestNeighbors::fit(&nothing, &NearestNeighborsConfig::default(), 1).unwrap_err().to_string();
    assert_eq!(message, "the part to learn from holds no points");
}

#[test]
fn settings_out_of_range_are_named() {
    fn message(result: Result<()>) -> String {
        result.unwrap_err().to_string()
    }
    let config = NearestNeighborsConfig { n_steps: 0, ..Default::default() };
    assert_eq!(message(config.validate()), "`n_steps` must be in 1..=10000, got 0");
    let config = LocalOutlierFactorConfig { n_neighbors: 0, ..Default::default() };
    assert_eq!(message(config.validate()), "`n_neighbors` must be at least 1, got 0");
    for nu in [0.0, 1.1, f64::NAN] {
        let config = OneClassSvmConfig { nu, ..Default::default() };
        assert_eq!(message(config.validate()), format!("`nu` must be in (0, 1], got {nu}"));
    }
    let config = PcaConfig { explained: 1.0, ..Default::default() };
    assert_eq!(message(config.validate()), "`explained` must be in [0, 1), got 1");
    let config = WindowForestConfig { sample_size: 1, ..Default::default() };
    assert_eq!(message(config.validate()), "`sample_size` must be in 2..=10000, got 1");
    assert!(serde_json::from_str::<PcaConfig>(r#"{"explaned": 0.5}"#).is_err(), "a setting that does not exist");
}

#[test]
fn the_seed_draws_the_windows() {
    let Reference { corpus, .. } = reference();
    let draw = |seed| sample_windows(&corpus, 3, 100, seed).unwrap();
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    let all = corpus.windows(&corpus.points, 3);
    let places: Vec<usize> = draw(7)
        .chunks(6)
        .map(|window| all.chunks(6).position(|other| other == window).expect("a training window"))
        .collect();
    assert!(places.len() == 100 && places.is_sorted_by(|a, b| a < b), "without replacement, in order: {places:?}");
    assert_eq!(sample_windows(&corpus, 3, 260, 7).unwrap(), all);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let Reference { corpus, .. } = reference();
    let run = |n_threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| scores_of_all(&corpus, 25))
    };
    assert_eq!(run(1), run(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_data_gives_finite_scores(
        values in prop::collection::vec(prop_oneof![-3.0_f32..3.0, Just(1e6), Just(-1e6), Just(0.0)], 1..80),
        n_training in 1_usize..80,
        n_steps in 1_usize..30,
    ) {
        let n = values.len();
        let corpus = corpus(values, 1, n_training.min(n));
        for (name, scores) in scores_of_all(&corpus, n_steps) {
            prop_assert_eq!(scores.len(), n);
            prop_assert!(scores.iter().all(|score| score.is_finite()), "{}: {:?}", name, scores);
        }
    }

    #[test]
    fn all_points_of_a_constant_score_the_same(value in -3.0_f32..3.0, n in 1_usize..60, n_steps in 1_usize..30) {
        for (name, scores) in scores_of_all(&corpus(vec![value; n], 1, n), n_steps) {
            prop_assert!(scores.iter().all(|score| (score - scores[0]).abs() < 1e-6), "{}: {:?}", name, scores);
        }
    }
}

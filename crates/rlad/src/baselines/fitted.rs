//! The fitted methods that compare windows, one variant each.

use serde::{Deserialize, Serialize};

use super::autoencoder::Autoencoder;
use super::dagmm::Dagmm;
use super::deep_sad::DeepSad;
use super::forest::WindowForest;
use super::method::Method;
use super::neighbors::{LocalOutlierFactor, NearestNeighbors};
use super::one_class_svm::OneClassSvm;
use super::pca::Pca;
use super::sr_cnn::SrCnn;
use super::window_detector::WindowDetector;
use super::windows::{Arrays, Corpus, agrees};
use crate::data::label::Label;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

/// A fitted method.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fitted {
    /// Nothing: the method looks only at the series that it scores.
    Nothing,
    SrCnn(SrCnn),
    Dagmm(Box<Dagmm>),
    Autoencoder(Autoencoder),
    DeepSad(DeepSad),
    NearestNeighbors(NearestNeighbors),
    Lof(LocalOutlierFactor),
    IsolationForest(WindowForest),
    OneClassSvm(OneClassSvm),
    Pca(Pca),
}

impl Fitted {
    /// Fits a method that compares windows; nothing for the others.
    pub(super) fn fit(method: &Method, corpus: &Corpus, labels: &[((usize, usize), Label)], seed: u64) -> Result<Self> {
        Ok(match method {
            Method::SrCnn(config) => Self::SrCnn(SrCnn::fit(corpus, config, seed)?),
            Method::Dagmm(config) => Self::Dagmm(Box::new(Dagmm::fit(corpus, config, seed)?)),
            Method::Autoencoder(config) => Self::Autoencoder(Autoencoder::fit(corpus, config, seed)?),
            Method::DeepSad(config) => Self::DeepSad(DeepSad::fit(corpus, labels, config, seed)?),
            Method::NearestNeighbors(config) => Self::NearestNeighbors(NearestNeighbors::fit(corpus, config, seed)?),
            Method::Lof(config) => Self::Lof(LocalOutlierFactor::fit(corpus, config, seed)?),
            Method::IsolationForest(config) => Self::IsolationForest(WindowForest::fit(corpus, config, seed)?),
            Method::OneClassSvm(config) => Self::OneClassSvm(OneClassSvm::fit(corpus, config, seed)?),
            Method::Pca(config) => Self::Pca(Pca::fit(corpus, config, seed)?),
            _ => Self::Nothing,
        })
    }

    /// The fitted detector; `None` where there is nothing to learn.
    pub(super) fn detector(&self) -> Option<&dyn WindowDetector> {
        Some(match self {
            Self::Nothing => return None,
            Self::SrCnn(detector) => detector,
            Self::Dagmm(detector) => detector.as_ref(),
            Self::Autoencoder(detector) => detector,
            Self::DeepSad(detector) => detector,
            Self::NearestNeighbors(detector) => detector,
            Self::Lof(detector) => detector,
            Self::IsolationForest(detector) => detector,
            Self::OneClassSvm(detector) => detector,
            Self::Pca(detector) => detector,
        })
    }

    /// Takes the arrays that were stored beside the record, after it was read.
    ///
    /// # Errors
    /// [`Error::Shape`] where the record is not what fitting this method to series of so many channels makes, [`Error::Tensor`] where an
    /// array does not fit it.
    pub(super) fn restore(&mut self, method: &Method, n_channels: usize, arrays: &Arrays) -> Result<()> {
        match (self, method) {
            (Self::SrCnn(detector), Method::SrCnn(config)) => detector.restore(config, arrays),
            (Self::Dagmm(detector), Method::Dagmm(config)) => detector.restore(config, n_channels, arrays),
            (Self::Autoencoder(detector), Method::Autoencoder(config)) => detector.restore(config, n_channels, arrays),
            (Self::DeepSad(detector), Method::DeepSad(config)) => detector.restore(config, n_channels, arrays),
            (Self::NearestNeighbors(detector), Method::NearestNeighbors(config)) => {
                detector.restore(config, n_channels, arrays)
            }
            (Self::Lof(detector), Method::Lof(config)) => detector.restore(config, n_channels, arrays),
            (Self::IsolationForest(detector), Method::IsolationForest(config)) => {
                detector.restore(config, n_channels, arrays)
            }
            (Self::OneClassSvm(detector), Method::OneClassSvm(config)) => detector.restore(config, n_channels, arrays),
            (Self::Pca(detector), Method::Pca(config)) => detector.restore(config, n_channels, arrays),
            (Self::Nothing, method) => agrees(!method.compares_windows(), "a fitted method"),
            (_, method) => agrees(false, &format!("a fitted `{}`", method.name())),
        }
    }
}

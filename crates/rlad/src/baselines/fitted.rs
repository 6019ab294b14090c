//! What is learned of windows, whatever the method.

use std::collections::BTreeMap;

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
use super::windows::{Corpus, Scaled};
use crate::error::Result;
use crate::label::Label;

/// What a method has learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fitted {
    /// Nothing: the method looks only at the series that it scores.
    Nothing,
    SrCnn(SrCnn),
    Dagmm(Dagmm),
    Autoencoder(Autoencoder),
    DeepSad(DeepSad),
    NearestNeighbors(NearestNeighbors),
    Lof(LocalOutlierFactor),
    IsolationForest(WindowForest),
    OneClassSvm(OneClassSvm),
    Pca(Pca),
}

/// Calls one thing of whatever was fitted.
macro_rules! each {
    ($fitted:expr, $nothing:expr, $it:ident => $call:expr) => {
        match $fitted {
            Fitted::Nothing => $nothing,
            Fitted::SrCnn($it) => $call,
            Fitted::Dagmm($it) => $call,
            Fitted::Autoencoder($it) => $call,
            Fitted::DeepSad($it) => $call,
            Fitted::NearestNeighbors($it) => $call,
            Fitted::Lof($it) => $call,
            Fitted::IsolationForest($it) => $call,
            Fitted::OneClassSvm($it) => $call,
            Fitted::Pca($it) => $call,
        }
    };
}

impl Fitted {
    /// Fits a method that compares windows; nothing for the others.
    pub(super) fn fit(
        method: &Method,
        corpus: &Corpus,
        labels: &[((usize, usize), Label)],
        seed: u64,
    ) -> Result<Self> {
        Ok(match method {
            Method::SrCnn(config) => Self::SrCnn(SrCnn::fit(corpus, config, seed)?),
            Method::Dagmm(config) => Self::Dagmm(Dagmm::fit(corpus, config, seed)?),
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

    /// The score of each point of a series.
    pub(super) fn score(&self, series: &Scaled) -> Vec<f64> {
        each!(self, vec![0.0; series.len()], it => it.score(series))
    }

    /// The points on which a score depends, its own included.
    pub(super) fn context(&self) -> usize {
        each!(self, 1, it => it.context())
    }

    /// The arrays that are stored beside the record.
    pub(super) fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        each!(self, Vec::new(), it => it.arrays())
    }

    /// Takes the arrays in again.
    pub(super) fn set_arrays(&mut self, arrays: &BTreeMap<String, Vec<f32>>) -> Result<()> {
        each!(self, Ok(()), it => it.set_arrays(arrays))
    }
}

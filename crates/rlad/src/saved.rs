//! A detector read from a file: a model or a baseline.

use std::path::Path;

#[cfg(feature = "baselines")]
use crate::baselines::{self, Baseline};
use crate::config::DecisionConfig;
use crate::detect::detector::Detector;
use crate::detect::model::Model;
use crate::error::Result;
#[cfg(feature = "baselines")]
use crate::models::tensor_file;

/// A detector from a file.
#[derive(Clone, Debug)]
pub enum Saved {
    /// The agent's.
    Model(Model),
    /// A baseline; only with the feature `baselines`.
    #[cfg(feature = "baselines")]
    Baseline(Baseline),
}

impl Saved {
    /// Reads the bytes of a detector's file; `path` is for errors.
    ///
    /// # Errors
    /// Those of [`Model::from_bytes`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        #[cfg(feature = "baselines")]
        if tensor_file::is(baselines::KIND, &bytes) {
            return Baseline::from_bytes(path, bytes).map(Self::Baseline);
        }
        Model::from_bytes(path, bytes).map(Self::Model)
    }

    /// The detector.
    #[must_use]
    pub const fn detector(&self) -> &dyn Detector {
        match self {
            Self::Model(model) => model,
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline,
        }
    }

    /// The same detector, under which no answer stands ([`Model::without_answers`]).
    #[must_use]
    pub fn without_answers(self) -> Self {
        match self {
            Self::Model(model) => Self::Model(model.without_answers()),
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => baseline,
        }
    }

    /// The same detector with another decision ([`Model::with_decision`]): its present one, changed by `change`; a baseline keeps its
    /// own threshold.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a setting that is outside of its range.
    pub fn with_decision(self, change: impl FnOnce(&mut DecisionConfig)) -> Result<Self> {
        match self {
            Self::Model(model) => {
                let mut decision = model.decision().clone();
                change(&mut decision);
                model.with_decision(decision).map(Self::Model)
            }
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => Ok(baseline),
        }
    }

    /// The same detector with its threshold moved for another share of anomalies among new points ([`Model::adapted`]); a baseline keeps its
    /// own.
    #[must_use]
    pub fn adapted(self, scores: &[f64]) -> Self {
        match self {
            Self::Model(model) => Self::Model(model.adapted(scores)),
            #[cfg(feature = "baselines")]
            baseline @ Self::Baseline(_) => baseline,
        }
    }

    /// The SHA-256 of its content, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> &str {
        match self {
            Self::Model(model) => model.hash(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.hash(),
        }
    }

    /// The seed that it was fitted with.
    #[must_use]
    pub fn seed(&self) -> u64 {
        match self {
            Self::Model(model) => model.config().seed,
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.seed(),
        }
    }

    /// The questions that were answered for it.
    #[must_use]
    pub const fn n_questions(&self) -> usize {
        match self {
            Self::Model(model) => model.n_questions(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.n_questions(),
        }
    }

    /// The points that experts labelled for it.
    #[must_use]
    pub const fn n_labelled_points(&self) -> usize {
        match self {
            Self::Model(model) => model.n_labelled_points(),
            #[cfg(feature = "baselines")]
            Self::Baseline(baseline) => baseline.n_labelled_points(),
        }
    }
}

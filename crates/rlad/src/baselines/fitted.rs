//! What is learned of windows, whatever the method.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::method::Method;
use super::windows::{Corpus, Scaled};
use crate::error::Result;
use crate::label::Label;

/// What a method has learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fitted {
    /// Nothing: the method looks only at the series that it scores.
    Nothing,
}

impl Fitted {
    pub(super) fn fit(
        method: &Method,
        corpus: &Corpus,
        labels: &[((usize, usize), Label)],
        seed: u64,
    ) -> Result<Self> {
        let _ = (method, corpus, labels, seed);
        Ok(Self::Nothing)
    }

    pub(super) fn score(&self, series: &Scaled) -> Vec<f64> {
        vec![0.0; series.len()]
    }

    pub(super) fn context(&self) -> usize {
        1
    }

    pub(super) fn arrays(&self) -> Vec<(&'static str, &[f32])> {
        Vec::new()
    }

    pub(super) fn set_arrays(&mut self, arrays: BTreeMap<String, Vec<f32>>) -> Result<()> {
        let _ = arrays;
        Ok(())
    }
}

//! Causal channels of a state.
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// A causal channel of the state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// min-max.
    MinMax,
}

impl View {
    /// The views of the `default` preset.
    pub const DEFAULT: [Self; 1] = [Self::MinMax];

    /// Checks the range of its parameter.
    pub(crate) fn validate(self) -> Result<()> {
        Ok(())
    }
}

//! The baselines by name, with their settings.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::series::Series;

/// A baseline's name and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "settings", rename_all = "kebab-case")]
pub enum Method {
    /// Never alarms: what doing nothing scores.
    Never,
    /// Alarms at every point: what a table's prevalence alone scores.
    Always,
}

impl Method {
    /// The names of all methods, as they are written.
    pub const NAMES: &[&str] = &["never", "always"];

    /// A method by its name, with settings over its defaults.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name, and for a setting that is unknown, or outside of its range.
    pub fn from_settings(name: &str, settings: &toml::Table) -> Result<Self> {
        let _ = settings;
        match name {
            "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            _ => Err(Error::setting("method", "a known method", name)),
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it is fitted on labels.
    #[must_use]
    pub const fn learns_from_labels(&self) -> bool {
        false
    }

    /// Whether its scores tell more than whether they are above the threshold.
    #[must_use]
    pub const fn has_scores(&self) -> bool {
        false
    }

    /// How its threshold comes about, in a few words.
    #[must_use]
    pub const fn threshold_rule(&self) -> &'static str {
        "none"
    }

    pub(super) const fn compares_windows(&self) -> bool {
        false
    }

    pub(super) const fn own_threshold(&self) -> Option<f64> {
        Some(0.5)
    }

    pub(super) fn score(&self, series: &Series, n_training: usize, points: Range<usize>) -> Result<Vec<f64>> {
        let _ = (series, n_training);
        let score = match self {
            Self::Never => 0.0,
            Self::Always => 1.0,
        };
        Ok(vec![score; points.len()])
    }
}

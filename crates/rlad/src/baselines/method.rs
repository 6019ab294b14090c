//! The baselines by name, with their settings.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::autoencoder::AutoencoderConfig;
use super::dagmm::DagmmConfig;
use super::deep_sad::DeepSadConfig;
use super::esd::{EsdConfig, esd};
use super::forest::WindowForestConfig;
use super::luminol::{LuminolScores, luminol, luminol_average, luminol_bitmap, luminol_default, luminol_derivative};
use super::neighbors::{LocalOutlierFactorConfig, NearestNeighborsConfig};
use super::one_class_svm::OneClassSvmConfig;
use super::pca::PcaConfig;
use super::spectral_residual::{SpectralResidualConfig, spectral_residual};
use super::spot::{SpotConfig, dspot, spot};
use super::sr_cnn::SrCnnConfig;
use crate::data::series::Series;
use crate::error::{Error, Result};

/// SPOT's calibration where it is not to be the training part: the original's number of points.
const N_CALIBRATION: usize = 1000;

/// A baseline's name and settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", content = "settings", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// Never alarms: what doing nothing scores.
    Never,
    /// Alarms at every point: what a table's prevalence alone scores.
    Always,
    /// Luminol as it comes: [`Self::LuminolBitmap`], or [`Self::LuminolDefault`] where a series is too short for it.
    Luminol,
    /// Luminol's bitmap detector; a series that is too short for it scores 0.
    LuminolBitmap,
    /// Luminol's default detector: the exponential average and the derivative.
    LuminolDefault,
    /// Luminol's derivative detector.
    LuminolDerivative,
    /// Luminol's exponential average detector.
    LuminolExponentialAverage,
    /// SPOT, calibrated on the training part; where that is the whole series or has no value, on the first 1000 values, at
    /// most half of them.
    Spot(SpotConfig),
    /// DSPOT, calibrated as SPOT is.
    Dspot(SpotConfig),
    /// The spectral residual.
    SpectralResidual(SpectralResidualConfig),
    /// Twitter's S-H-ESD. Where it names no period, a day is taken, if the series has one.
    SHEsd(EsdConfig),
    /// The spectral residual with a network that judges it.
    SrCnn(SrCnnConfig),
    /// The deep autoencoding Gaussian mixture model.
    Dagmm(DagmmConfig),
    /// The replicator network.
    Autoencoder(AutoencoderConfig),
    /// Deep semi-supervised anomaly detection.
    DeepSad(DeepSadConfig),
    /// The distance to the nearest training windows.
    NearestNeighbors(NearestNeighborsConfig),
    /// The local outlier factor.
    Lof(LocalOutlierFactorConfig),
    /// The isolation forest.
    IsolationForest(WindowForestConfig),
    /// The one-class support vector machine.
    OneClassSvm(OneClassSvmConfig),
    /// Principal components.
    Pca(PcaConfig),
}

impl Method {
    /// The names of all methods.
    pub const NAMES: &[&str] = &[
        "never",
        "always",
        "luminol",
        "luminol-bitmap",
        "luminol-default",
        "luminol-derivative",
        "luminol-exponential-average",
        "spot",
        "dspot",
        "spectral-residual",
        "s-h-esd",
        "sr-cnn",
        "dagmm",
        "autoencoder",
        "deep-sad",
        "nearest-neighbors",
        "lof",
        "isolation-forest",
        "one-class-svm",
        "pca",
    ];

    /// Its name, as it is written.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
            Self::Luminol => "luminol",
            Self::LuminolBitmap => "luminol-bitmap",
            Self::LuminolDefault => "luminol-default",
            Self::LuminolDerivative => "luminol-derivative",
            Self::LuminolExponentialAverage => "luminol-exponential-average",
            Self::Spot(_) => "spot",
            Self::Dspot(_) => "dspot",
            Self::SpectralResidual(_) => "spectral-residual",
            Self::SHEsd(_) => "s-h-esd",
            Self::SrCnn(_) => "sr-cnn",
            Self::Dagmm(_) => "dagmm",
            Self::Autoencoder(_) => "autoencoder",
            Self::DeepSad(_) => "deep-sad",
            Self::NearestNeighbors(_) => "nearest-neighbors",
            Self::Lof(_) => "lof",
            Self::IsolationForest(_) => "isolation-forest",
            Self::OneClassSvm(_) => "one-class-svm",
            Self::Pca(_) => "pca",
        }
    }

    /// A method by its name, with settings over its defaults.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name, and for a setting that is unknown, of the wrong type, or outside of its range.
    pub fn from_settings(name: &str, settings: &toml::Table) -> Result<Self> {
        if !Self::NAMES.contains(&name) {
            let known: Vec<String> = Self::NAMES.iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::setting("method", format!("one of {}", known.join(", ")), format!("`{name}`")));
        }
        let read = |settings: Option<toml::Table>| {
            let mut table = toml::Table::from_iter([("name".to_owned(), name.into())]);
            table.extend(settings.map(|settings| ("settings".to_owned(), settings.into())));
            table.try_into::<Self>()
        };
        // A method without settings has no table for them.
        let method = match read(None) {
            Ok(method) if settings.is_empty() => method,
            Ok(_) => return Err(Error::setting(name, "without settings", settings)),
            Err(_) => read(Some(settings.clone()))
                .map_err(|error| Error::setting(name, "a method with other settings", error.message()))?,
        };
        method.validate()?;
        Ok(method)
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first setting that is outside of its range.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Never
            | Self::Always
            | Self::Luminol
            | Self::LuminolBitmap
            | Self::LuminolDefault
            | Self::LuminolDerivative
            | Self::LuminolExponentialAverage => Ok(()),
            Self::Spot(config) | Self::Dspot(config) => config.validate(),
            Self::SpectralResidual(config) => config.validate(),
            Self::SHEsd(config) => config.validate(),
            Self::SrCnn(config) => config.validate(),
            Self::Dagmm(config) => config.validate(),
            Self::Autoencoder(config) => config.validate(),
            Self::DeepSad(config) => config.validate(),
            Self::NearestNeighbors(config) => config.validate(),
            Self::Lof(config) => config.validate(),
            Self::IsolationForest(config) => config.validate(),
            Self::OneClassSvm(config) => config.validate(),
            Self::Pca(config) => config.validate(),
        }
    }

    /// Whether it is fitted on labels.
    #[must_use]
    pub const fn learns_from_labels(&self) -> bool {
        matches!(self, Self::DeepSad(_))
    }

    /// Whether its scores tell more than whether they are above the threshold.
    #[must_use]
    pub const fn has_scores(&self) -> bool {
        !matches!(self, Self::Never | Self::Always)
    }

    /// How its threshold comes about, in a few words.
    #[must_use]
    pub fn threshold_rule(&self) -> String {
        match self {
            Self::Never | Self::Always => "none".to_owned(),
            Self::Luminol | Self::LuminolBitmap | Self::LuminolDerivative => ".2 of the largest score".to_owned(),
            Self::LuminolDefault | Self::LuminolExponentialAverage => "3".to_owned(),
            Self::Spot(config) | Self::Dspot(config) => format!("q = {}", config.q),
            Self::SHEsd(config) => format!("α = {}", config.alpha),
            _ => match self.own_threshold() {
                Some(threshold) => format!("{threshold}"),
                None => "1 % of training points".to_owned(),
            },
        }
    }

    /// Whether it is fitted once on the windows of all series.
    pub(super) const fn compares_windows(&self) -> bool {
        matches!(
            self,
            Self::SrCnn(_)
                | Self::Dagmm(_)
                | Self::Autoencoder(_)
                | Self::DeepSad(_)
                | Self::NearestNeighbors(_)
                | Self::Lof(_)
                | Self::IsolationForest(_)
                | Self::OneClassSvm(_)
                | Self::Pca(_)
        )
    }

    /// The threshold that its source gives; `None` where there is none.
    pub(super) fn own_threshold(&self) -> Option<f64> {
        match self {
            Self::Never | Self::Always => Some(0.5),
            // Their scores are divided by their thresholds, which differ from series to series.
            Self::Luminol
            | Self::LuminolBitmap
            | Self::LuminolDefault
            | Self::LuminolDerivative
            | Self::LuminolExponentialAverage
            | Self::SHEsd(_) => Some(1.0),
            Self::Spot(config) | Self::Dspot(config) => Some(config.threshold()),
            Self::SpectralResidual(config) => Some(config.threshold),
            Self::SrCnn(config) => Some(config.threshold),
            _ => None,
        }
    }

    /// The scores of some points of a series by a method that keeps nothing: the largest of the channels'. NaN where every
    /// channel is missing. `n_training`: where the training part of the series ends.
    pub(super) fn score(&self, series: &Series, n_training: usize, points: Range<usize>) -> Result<Vec<f64>> {
        let trivial = |score: f64| Ok(vec![score; points.len()]);
        match self {
            Self::Never => return trivial(0.0),
            Self::Always => return trivial(1.0),
            _ => {}
        }
        let mut highest = vec![f64::NAN; points.len()];
        for channel in 0..series.n_channels() {
            let present: Vec<usize> = (0..series.len()).filter(|&point| !series.row(point)[channel].is_nan()).collect();
            // Only the spectral residual can do without what lies far before the points.
            let first = match self {
                Self::SpectralResidual(config) => {
                    present.partition_point(|&point| point < points.start).saturating_sub(config.window)
                }
                _ => 0,
            };
            let present = &present[first..];
            let values: Vec<f64> = present.iter().map(|&point| series.row(point)[channel]).collect();
            if values.is_empty() {
                continue;
            }
            let n_calibration = match present.partition_point(|&point| point < n_training) {
                n if n == 0 || n == values.len() => N_CALIBRATION.min(values.len().div_ceil(2)),
                n => n,
            };
            let scores = self.score_channel(series, &values, n_calibration)?;
            for (&point, score) in present.iter().zip(scores).filter(|(point, _)| points.contains(point)) {
                let highest = &mut highest[point - points.start];
                *highest = highest.max(score);
            }
        }
        Ok(highest)
    }

    fn score_channel(&self, series: &Series, values: &[f64], n_calibration: usize) -> Result<Vec<f64>> {
        match self {
            Self::Luminol => Ok(relative(luminol(values))),
            Self::LuminolBitmap => Ok(luminol_bitmap(values).map_or_else(|| vec![0.0; values.len()], relative)),
            Self::LuminolDefault => Ok(relative(luminol_default(values))),
            Self::LuminolDerivative => Ok(relative(luminol_derivative(values))),
            Self::LuminolExponentialAverage => Ok(relative(luminol_average(values))),
            Self::Spot(config) => spot(values, n_calibration, config),
            Self::Dspot(config) => {
                // A series that ends within the first values of its mean has nothing to score.
                if values.len() <= config.depth {
                    Ok(vec![0.0; values.len()])
                } else {
                    dspot(values, n_calibration.max(config.depth + 1), config)
                }
            }
            Self::SpectralResidual(config) => spectral_residual(values, config),
            Self::SHEsd(config) => {
                let period = config.period.or_else(|| series.clock().slots_per_day());
                esd(values, &EsdConfig { period, ..config.clone() })
            }
            _ => unreachable!("methods that compare windows are fitted"),
        }
    }
}

/// Scores in units of their threshold, so that 1 is the threshold of every series.
fn relative(found: LuminolScores) -> Vec<f64> {
    let LuminolScores { mut scores, threshold } = found;
    if threshold > 0.0 {
        scores.iter_mut().for_each(|score| *score /= threshold);
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> toml::Table {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn every_name_is_a_method_that_is_written_with_its_name() {
        for name in Method::NAMES {
            let method = Method::from_settings(name, &toml::Table::new()).unwrap();
            assert_eq!(serde_json::to_value(&method).unwrap()["name"], *name);
            assert_eq!(method.name(), *name);
            assert!(!method.threshold_rule().is_empty());
        }
    }

    #[test]
    fn settings_stand_over_the_defaults_and_wrong_ones_are_refused() {
        let method = Method::from_settings("spot", &table("q = 1e-3")).unwrap();
        assert_eq!(method, Method::Spot(SpotConfig { q: 1e-3, ..SpotConfig::default() }));
        for (name, settings, expected) in [
            ("spot", "q = 2.0", "`q` must be in"),
            ("spot", "p = 1e-3", "unknown field `p`"),
            ("luminol", "q = 1e-3", "without settings"),
            ("sport", "", "one of `never`"),
        ] {
            let error = Method::from_settings(name, &table(settings)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

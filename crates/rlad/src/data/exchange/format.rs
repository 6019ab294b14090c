//! The forms in which other tools keep labels, and their words for labels.

use std::path::Path;

use crate::data::label::Annotation;
use crate::error::{Error, Result};

/// A form in which another tool keeps labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LabelFormat {
    /// TRAINSET: CSV, `series,timestamp,value,label`, a row a point.
    Trainset,
    /// The Numenta Anomaly Benchmark: `combined_windows.json`, the windows of each file.
    Nab,
    /// TSB-AD: CSV, the channels and `Label`, a row a point.
    TsbAd,
    /// Label Studio: JSON, a task a series with `timeserieslabels` results.
    LabelStudio,
}

impl LabelFormat {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Trainset, Self::Nab, Self::TsbAd, Self::LabelStudio];

    /// Its name: `trainset`, `nab`, `tsb-ad` or `label-studio`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trainset => "trainset",
            Self::Nab => "nab",
            Self::TsbAd => "tsb-ad",
            Self::LabelStudio => "label-studio",
        }
    }

    /// The name that a file in this form usually has, for labels of data that are called `data`.
    #[must_use]
    pub fn file_name(self, data: &str) -> String {
        match self {
            Self::Trainset if data.ends_with("-labeled") => format!("{data}.csv"),
            Self::Trainset => format!("{data}-labeled.csv"),
            Self::Nab => "combined_windows.json".to_owned(),
            Self::TsbAd => format!("{data}.csv"),
            Self::LabelStudio => format!("{data}.json"),
        }
    }

    /// The media type of a file in this form.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Trainset | Self::TsbAd => "text/csv; charset=utf-8",
            Self::Nab | Self::LabelStudio => "application/json",
        }
    }

    /// The error that a file is not of this form, with advice.
    pub(super) fn wrong(self, path: &Path, problem: impl Into<String>) -> Error {
        let hint = match self {
            Self::Trainset => "a TRAINSET file has the columns `series,timestamp,value,label`, a row a point",
            Self::Nab => "a file like NAB's `combined_windows.json` is `{\"FILE.csv\": [[\"START\", \"END\"], …], …}`",
            Self::TsbAd => "a TSB-AD file has the columns `Data,Label`, a row for every point of one series",
            Self::LabelStudio => "export the project in Label Studio's form `JSON`, not as `JSON-MIN` or `CSV`",
        };
        Error::LabelFile { path: path.to_owned(), form: self.name(), problem: problem.into(), hint }
    }
}

impl std::fmt::Display for LabelFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for LabelFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|format| format.name() == text);
        named.ok_or_else(|| {
            Error::setting("format", "one of `trainset`, `nab`, `tsb-ad`, `label-studio`", format!("`{text}`"))
        })
    }
}

/// The annotation that a word stands for, in any case; a few other words that tools have for anomalies are taken too.
pub(super) fn annotation_of_word(word: &str) -> Option<Annotation> {
    Some(match word.trim().to_lowercase().as_str() {
        "anomaly" | "anomalous" | "outlier" | "abnormal" => Annotation::Anomaly,
        "normal" => Annotation::Normal,
        "expected" => Annotation::Expected,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_named_as_they_are_written() {
        for format in LabelFormat::ALL {
            assert_eq!(format.to_string().parse::<LabelFormat>().unwrap(), format);
        }
        assert!("curve".parse::<LabelFormat>().unwrap_err().to_string().contains("label-studio"));
    }

    #[test]
    fn trainsets_files_are_named_labeled_once() {
        assert_eq!(LabelFormat::Trainset.file_name("cpu"), "cpu-labeled.csv");
        assert_eq!(LabelFormat::Trainset.file_name("cpu-labeled"), "cpu-labeled.csv");
    }
}

//! Labels out and in, in the forms of other tools.

use std::path::Path;

use rlad::data::{LabelFormat, SeriesLabels, export_labels, import_labels};
use serde_json::{Value, json};

use super::actions::LabelItem;
use super::api_error::ApiError;
use super::runs::Runs;
use super::server::LabellingServer;
use crate::log::AnnotationSource;

/// A file to be sent.
#[derive(Debug)]
pub(crate) struct Exported {
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// Its text.
    pub(crate) text: String,
}

impl LabellingServer {
    /// The present labels, of the series that have some.
    pub(crate) fn labels(&self) -> Vec<SeriesLabels> {
        let of = |(series, runs): (usize, &Runs)| {
            let spans: Vec<_> = runs.iter().collect();
            (!spans.is_empty()).then_some(SeriesLabels { series, spans })
        };
        self.current_labels().series.iter().enumerate().filter_map(of).collect()
    }

    /// The present labels in the form of another tool.
    ///
    /// # Errors
    /// If there is no such form.
    pub(crate) fn export(&self, format: &str) -> Result<Exported, ApiError> {
        let format: LabelFormat = format.parse()?;
        let text = export_labels(format, &self.data.series, &self.labels())?;
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let name = format.file_name(&self.settings.name).chars().map(plain).collect();
        Ok(Exported { name, kind: format.media_type(), text })
    }

    /// Takes in the labels of a file; they are one step.
    ///
    /// # Errors
    /// If the file cannot be understood, or they cannot be written.
    pub(crate) fn import(&self, who: &str, format: &str, name: &str, bytes: &[u8]) -> Result<Value, ApiError> {
        let format: LabelFormat = format.parse()?;
        let imported = import_labels(format, Path::new(name), bytes, &self.data.series)?;
        let items: Vec<LabelItem> = imported
            .labels
            .iter()
            .filter(|labels| !labels.spans.is_empty())
            .map(|labels| LabelItem { series: labels.series, spans: labels.spans.clone(), place: None })
            .collect();
        let entries = if items.is_empty() {
            Vec::new()
        } else {
            self.label_all(who, AnnotationSource::Import, &items, None, 0.0, None)?
        };
        Ok(json!({
            "entries": entries,
            "spans": imported.n_spans(),
            "unknown_series": imported.unknown_series,
            "uncovered": imported.uncovered.len(),
        }))
    }
}

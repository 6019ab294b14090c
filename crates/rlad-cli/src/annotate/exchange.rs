//! Labels out and in, in the forms of other tools.

use std::path::Path;

use rlad::Label;
use rlad::data::{Annotation, LabelFormat, SeriesLabels, Span, export_labels, import_labels};
use serde_json::{Value, json};

use super::Desk;
use super::actions::{FreeLabel, LabelItem};
use super::api_error::Refusal;
use super::runs::{Mark, Run};
use crate::log::Source;

/// A file to be sent.
#[derive(Debug)]
pub(crate) struct Exported {
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    pub(crate) kind: &'static str,
    /// What it holds.
    pub(crate) text: String,
}

impl Desk {
    /// What stands, of the series that have labels.
    pub(crate) fn labels(&self) -> Vec<SeriesLabels> {
        let marks = self.present_marks();
        let of = |(series, runs): (usize, &super::runs::Runs)| {
            let spans: Vec<Span<Annotation>> = runs.iter().map(span_of).collect();
            (!spans.is_empty()).then_some(SeriesLabels { series, spans })
        };
        marks.series.iter().enumerate().filter_map(of).collect()
    }

    /// What stands, in the form of another tool.
    ///
    /// # Errors
    /// If there is no such form.
    pub(crate) fn export(&self, format: &str) -> Result<Exported, Refusal> {
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
    pub(crate) fn import(&self, who: &str, format: &str, name: &str, bytes: &[u8]) -> Result<Value, Refusal> {
        let format: LabelFormat = format.parse()?;
        let imported = import_labels(format, Path::new(name), bytes, &self.data.series)?;
        let items: Vec<LabelItem> = imported
            .labels
            .iter()
            .filter(|labels| !labels.spans.is_empty())
            .map(|labels| LabelItem {
                series: labels.series,
                spans: labels
                    .spans
                    .iter()
                    .map(|span| FreeLabel::new(span.first, span.last, label_of(span.label)))
                    .collect(),
            })
            .collect();
        let entries =
            if items.is_empty() { Vec::new() } else { self.label_all(who, Source::Import, &items, None, 0.0, None)? };
        Ok(json!({
            "entries": entries,
            "spans": imported.n_spans(),
            "unknown_series": imported.unknown_series,
            "uncovered": imported.uncovered.len(),
        }))
    }
}

const fn span_of(run: Run) -> Span<Annotation> {
    let label = match run.label {
        Mark::Normal => Annotation::Normal,
        Mark::Anomaly => Annotation::Anomaly,
        Mark::Expected => Annotation::Expected,
    };
    Span { first: run.first, last: run.last, label }
}

/// The label that is learned; `None` for an expected event.
const fn label_of(label: Annotation) -> Option<Label> {
    match label {
        Annotation::Normal => Some(Label::Normal),
        Annotation::Anomaly => Some(Label::Anomaly),
        Annotation::Expected | Annotation::Unknown => None,
    }
}

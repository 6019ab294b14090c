//! Labels in the forms of other tools: TRAINSET, NAB, TSB-AD and Label Studio, out and in.
//!
//! Each form keeps what is known of a point (an anomaly, normal, an expected event, or nothing), and what is written is read
//! again as the same spans. `docs/labels.md` shows the forms.

mod collect;
mod label_studio;
mod nab;
mod names;
mod rows;
mod spans;
mod times;
mod trainset;
mod tsb_ad;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::data::label::{Annotation, Span};
use crate::data::series::Series;
use crate::data::write::write_atomically;
use crate::error::{Error, Result};

use spans::Spans;

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

    /// The error of a file that is not in this format, with a hint.
    fn wrong(self, path: &Path, problem: impl Into<String>) -> Error {
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
        let known = Self::ALL.into_iter().find(|format| format.name() == text);
        known.ok_or_else(|| {
            Error::setting("format", "one of `trainset`, `nab`, `tsb-ad`, `label-studio`", format!("`{text}`"))
        })
    }
}

/// The annotation that a word stands for, in any case; a few other words that tools have for anomalies are taken too.
fn annotation_of_word(word: &str) -> Option<Annotation> {
    Some(match word.trim().to_lowercase().as_str() {
        "anomaly" | "anomalous" | "outlier" | "abnormal" => Annotation::Anomaly,
        "normal" => Annotation::Normal,
        "expected" => Annotation::Expected,
        _ => return None,
    })
}

/// The labels of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesLabels {
    /// The index of the series in the data.
    pub series: usize,
    /// Its spans. Where two overlap, the later one stands; [`Annotation::Unknown`] leaves points without a label.
    pub spans: Vec<Span<Annotation>>,
}

/// A stretch of a file that no point of its series lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncovered {
    /// The name of the series.
    pub series: String,
    /// Where the stretch begins, as the file says it.
    pub from: String,
    /// Where it ends, as the file says it.
    pub to: String,
    /// Its label.
    pub label: Annotation,
}

/// The labels of some series in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The labels of the series that have any, by index; spans in time order, without overlap, neighbours of one label joined.
    pub labels: Vec<SeriesLabels>,
    /// The series (or files) that the file has labels of and the data have not, by name.
    pub unknown_series: Vec<String>,
    /// The stretches that lie between the points of their series, or before or after them: they label nothing.
    pub uncovered: Vec<Uncovered>,
}

impl Imported {
    /// The number of spans of all series.
    #[must_use]
    pub fn n_spans(&self) -> usize {
        self.labels.iter().map(|labels| labels.spans.len()).sum()
    }

    /// The number of labelled points of all series.
    #[must_use]
    pub fn n_points(&self) -> usize {
        let spans = self.labels.iter().flat_map(|labels| &labels.spans);
        spans.map(|span| span.last - span.first + 1).sum()
    }
}

/// Writes labels in the form of another tool.
///
/// Every series that `labels` names is in the file, one without spans too, so that it can be labelled in that tool. A file as
/// TSB-AD itself reads it is of data of one series: give a slice of one.
///
/// # Errors
/// [`Error::NotFound`] for a series or point that is not in the data.
pub fn export_labels(format: LabelFormat, series: &[Series], labels: &[SeriesLabels]) -> Result<String> {
    let members = members(series, labels)?;
    let mut bytes = Vec::new();
    write(format, &members, series.len(), &mut bytes).expect("memory can be written to");
    Ok(String::from_utf8(bytes).expect("every form is made of texts"))
}

/// [`export_labels`] into a file, which is written whole or not at all.
///
/// # Errors
/// Those of [`export_labels`], and [`Error::Write`].
pub fn write_labels(format: LabelFormat, series: &[Series], labels: &[SeriesLabels], path: &Path) -> Result<()> {
    let members = members(series, labels)?;
    write_atomically(path, |file| write(format, &members, series.len(), file))
}

/// Reads labels in the form of another tool, about series of the data.
///
/// `path` is what messages call the file; where the form has no names in it ([`LabelFormat::TsbAd`]) it tells the series.
/// A stretch between two times covers the points within them, both included; a time need not be that of a point. One that
/// covers no point is told in [`Imported::uncovered`]. Where stretches overlap, the later one in the file stands.
///
/// # Errors
/// [`Error::LabelFile`] if the file is not of that form, [`Error::Cell`] and [`Error::Json`] for a place in it that cannot be
/// understood.
pub fn import_labels(format: LabelFormat, path: &Path, bytes: &[u8], series: &[Series]) -> Result<Imported> {
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(format.wrong(path, "it begins like a file in UTF-16, and UTF-8 is expected"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match format {
        LabelFormat::Trainset => trainset::read(path, bytes, series),
        LabelFormat::Nab => nab::read(path, bytes, series),
        LabelFormat::TsbAd => tsb_ad::read(path, bytes, series),
        LabelFormat::LabelStudio => label_studio::read(path, bytes, series),
    }
}

/// A series and its spans in time order.
type Member<'a> = (&'a Series, Vec<Span<Annotation>>);

fn members<'a>(series: &'a [Series], labels: &[SeriesLabels]) -> Result<Vec<Member<'a>>> {
    let mut all = BTreeMap::<usize, Spans>::new();
    for of_one in labels {
        let Some(one) = series.get(of_one.series) else {
            return Err(Error::NotFound { what: format!("series {}", of_one.series), place: "the data".to_owned() });
        };
        let spans = all.entry(of_one.series).or_default();
        for &span in &of_one.spans {
            if span.first > span.last || span.last >= one.len() {
                let what = format!("a span from point {} to point {}", span.first, span.last);
                return Err(Error::NotFound { what, place: format!("series `{}`", one.name()) });
            }
            spans.paint(span);
        }
    }
    Ok(all.into_iter().map(|(index, spans)| (&series[index], spans.into_vec())).collect())
}

fn write(format: LabelFormat, members: &[Member<'_>], n_series: usize, out: &mut impl Write) -> std::io::Result<()> {
    match format {
        LabelFormat::Trainset => trainset::write(members, out),
        LabelFormat::Nab => nab::write(members, out),
        LabelFormat::TsbAd => tsb_ad::write(members, n_series > 1, out),
        LabelFormat::LabelStudio => label_studio::write(members, out),
    }
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

//! Labels in the forms of other tools: TRAINSET, NAB, TSB-AD and Label Studio, out and in.
//!
//! Each form keeps a point's annotation (an anomaly, normal, an expected event, or nothing), and what is written is read again as
//! the same spans. `docs/labels.md` shows the forms.

mod collect;
mod format;
mod label_studio;
mod nab;
mod names;
mod rows;
mod series_labels;
mod spans;
mod times;
mod trainset;
mod tsb_ad;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

pub use format::LabelFormat;
use series_labels::LabelledSeries;
pub use series_labels::{Imported, SeriesLabels, Uncovered};
use spans::Spans;

use crate::data::series::Series;
use crate::data::write::write_atomically;
use crate::error::{Error, Result};

/// Writes labels in the form of another tool.
///
/// Every series that `labels` names is in the file, one without spans too, so that it can be labelled in that tool. A file as
/// TSB-AD itself reads it is of data of one series: give a slice of one.
///
/// # Errors
/// [`Error::NotFound`] for a series or point that is not in the data.
pub fn export_labels(format: LabelFormat, series: &[Series], labels: &[SeriesLabels]) -> Result<String> {
    let labelled = labelled_series(series, labels)?;
    let mut bytes = Vec::new();
    write(format, &labelled, series.len(), &mut bytes).expect("memory can be written to");
    Ok(String::from_utf8(bytes).expect("every form is made of texts"))
}

/// [`export_labels`] into a file, which is written whole or not at all.
///
/// # Errors
/// Those of [`export_labels`], and [`Error::Write`].
pub fn write_labels(format: LabelFormat, series: &[Series], labels: &[SeriesLabels], path: &Path) -> Result<()> {
    let labelled = labelled_series(series, labels)?;
    write_atomically(path, |file| write(format, &labelled, series.len(), file))
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

fn labelled_series<'a>(series: &'a [Series], labels: &[SeriesLabels]) -> Result<Vec<LabelledSeries<'a>>> {
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

fn write(
    format: LabelFormat,
    labelled: &[LabelledSeries<'_>],
    n_series: usize,
    out: &mut impl Write,
) -> std::io::Result<()> {
    match format {
        LabelFormat::Trainset => trainset::write(labelled, out),
        LabelFormat::Nab => nab::write(labelled, out),
        LabelFormat::TsbAd => tsb_ad::write(labelled, n_series > 1, out),
        LabelFormat::LabelStudio => label_studio::write(labelled, out),
    }
}

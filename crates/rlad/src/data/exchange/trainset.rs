//! TRAINSET: `series,timestamp,value,label`, a row a point, the label empty where it is unknown.
//!
//! Its program takes timestamps of whole seconds or with three digits of a fraction, with a zone, and no empty values. So a
//! missing value is left out with its row where the point has no label, and is written as the value before where it has one:
//! rows are read by their times, and values are not read at all.
//!
//! Source: the form as Geocene's TRAINSET checks it when a file is opened, and as it writes it.

use std::io::Write;
use std::path::Path;

use super::collect::Collected;
use super::format::LabelFormat;
use super::names::Names;
use super::rows::Rows;
use super::series_labels::{Imported, LabelledSeries};
use super::spans;
use super::times::{self, End};
use crate::data::label::Annotation;
use crate::data::read::civil;
use crate::data::series::{NANOS_PER_SECOND, Series};
use crate::error::Result;

pub(super) fn write(labelled: &[LabelledSeries<'_>], out: &mut impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["series", "timestamp", "value", "label"])?;
    for (series, spans) in labelled {
        let mut label = spans::labels(spans);
        let mut shown = 0.0;
        for point in 0..series.len() {
            let label = label(point);
            let value = series.row(point).iter().copied().find(|value| !value.is_nan());
            if value.is_none() && label.is_none() {
                continue;
            }
            shown = value.unwrap_or(shown);
            let time = timestamp(times::nanos(series, point));
            // Without an exponent, which TRAINSET does not take.
            writer.write_record([series.name(), &time, &shown.to_string(), label.map_or("", Annotation::word)])?;
        }
    }
    writer.flush()
}

/// As few digits of the second's fraction as keep the time, none or at least the three that TRAINSET takes.
fn timestamp(nanos: i64) -> String {
    let fraction = nanos.rem_euclid(NANOS_PER_SECOND);
    let form = match fraction {
        0 => "%Y-%m-%dT%H:%M:%SZ",
        _ if fraction % 1_000_000 == 0 => "%Y-%m-%dT%H:%M:%S%.3fZ",
        _ if fraction % 1_000 == 0 => "%Y-%m-%dT%H:%M:%S%.6fZ",
        _ => "%Y-%m-%dT%H:%M:%S%.9fZ",
    };
    civil(nanos).strftime(form).to_string()
}

pub(super) fn read(path: &Path, bytes: &[u8], series: &[Series]) -> Result<Imported> {
    let mut rows = Rows::open(LabelFormat::Trainset, path, bytes)?;
    // Older versions call the first column by another name.
    let name_column = rows.column(&["series", "filename"])?;
    let time_column = rows.column(&["timestamp"])?;
    let label_column = rows.column(&["label"])?;
    if name_column == 0 && rows.names().len() == 4 {
        // TRAINSET quotes nothing that it writes.
        rows.take_an_unquoted_first_cell();
    }
    let names = Names::new(series);
    let mut collected = Collected::new(series);
    while rows.next()? {
        let Some(label) = rows.label(label_column)? else {
            collected.end_run();
            continue;
        };
        let name = rows.text(name_column)?;
        let Some(index) = names.get(&name) else {
            collected.unknown(&name);
            continue;
        };
        let text = rows.text(time_column)?;
        let time = times::of_text(&series[index], &text, End::From)
            .map_err(|trouble| rows.wrong(time_column, trouble.expected()))?;
        collected.row_at(index, time, label, text.trim());
    }
    Ok(collected.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_none_three_six_or_nine_digits() {
        let at = 1_404_172_800 * NANOS_PER_SECOND;
        assert_eq!(timestamp(at), "2014-07-01T00:00:00Z");
        assert_eq!(timestamp(at + 250_000_000), "2014-07-01T00:00:00.250Z");
        assert_eq!(timestamp(at + 1_000), "2014-07-01T00:00:00.000001Z");
        assert_eq!(timestamp(at + 1), "2014-07-01T00:00:00.000000001Z");
        assert_eq!(timestamp(-1_000_000), "1969-12-31T23:59:59.999Z");
    }
}

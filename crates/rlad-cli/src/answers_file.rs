//! An expert's answers in a CSV file: `series,start,end,label`, a span of a series a row.
//!
//! `start` and `end` are timestamps in any form that data may have, both inclusive; a row without an `end` is one point.
//! `series` may be left out where the data are one series. `label` is `anomaly` or `normal` (1 or 0). Where spans
//! overlap, the later row stands, so that a file may say *normal* of a day and *anomaly* of an hour in it. A row whose span covers
//! no point of its series is left out, with a note.

use std::path::Path;

use rlad::active::FileOracle;
use rlad::{Error, Label, Series, Span};

use crate::output::print_notes;

/// Reads the answers about some series, and notes on stderr how many rows cover no point.
///
/// # Errors
/// [`Error::Read`], [`Error::Columns`], or [`Error::Cell`] for the first cell that cannot be understood.
pub(crate) fn read(path: &Path, series: &[Series]) -> anyhow::Result<FileOracle> {
    let (oracle, uncovered) = read_rows(path, series)?;
    print_notes(uncovered.note(path).as_slice());
    Ok(oracle)
}

/// Rows whose spans cover no point of their series.
#[derive(Debug, Default)]
struct Uncovered {
    n_rows: usize,
    /// The first of them, as it stands in the file: its number, series, start and end.
    first: Option<(usize, String, String, String)>,
}

impl Uncovered {
    fn note(&self, path: &Path) -> Option<String> {
        let (row, series, start, end) = self.first.as_ref()?;
        let span = if end.is_empty() { start.clone() } else { format!("{start} to {end}") };
        Some(format!(
            "`{}`: {} rows cover no point of their series and are left out, the first is row {row}: series `{series}`, {span}",
            path.display(),
            self.n_rows
        ))
    }
}

fn read_rows(path: &Path, series: &[Series]) -> anyhow::Result<(FileOracle, Uncovered)> {
    let wrong = |error: csv::Error| Error::Format {
        path: path.to_owned(),
        expected: "a CSV file of answers".to_owned(),
        source: Some(error.into()),
    };
    let file = std::fs::File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header: Vec<String> = reader.headers().map_err(wrong)?.iter().map(str::to_lowercase).collect();
    let column = |name: &str| header.iter().position(|column| column == name);
    let (Some(start), Some(label)) = (column("start").or_else(|| column("timestamp")), column("label")) else {
        let expected = "an answers file has the columns `series`, `start`, `end` and `label`".to_owned();
        return Err(Error::Columns { path: path.to_owned(), expected, found: header }.into());
    };
    let (end, name) = (column("end"), column("series"));
    let mut spans = vec![Vec::new(); series.len()];
    let mut uncovered = Uncovered::default();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(wrong)?;
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|cell| !cell.is_empty());
        let refuse = |column: &str, expected: &str, found: &str| Error::Cell {
            path: path.to_owned(),
            row: row + 1,
            column: column.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
        };
        let index = match cell(name) {
            Some(name) => series
                .iter()
                .position(|series| series.name() == name)
                .ok_or_else(|| refuse("series", "the name of a series of the data", name))?,
            None if series.len() == 1 => 0,
            None => return Err(refuse("series", "the name of a series of the data", "").into()),
        };
        let series = &series[index];
        let time = |at: Option<usize>, column: &str| match cell(at) {
            Some(text) => series
                .time_format()
                .parse(text)
                .ok_or_else(|| refuse(column, "a timestamp in the form of the data", text)),
            None => Err(refuse(column, "a timestamp in the form of the data", "")),
        };
        let first_time = time(Some(start), "start")?;
        let last_time = if cell(end).is_some() { time(end, "end")? } else { first_time };
        let text = record.get(label).unwrap_or_default();
        let label = label_of(text).ok_or_else(|| refuse("label", "`anomaly` or `normal`", text))?;
        let timestamps = series.timestamps();
        let first = timestamps.partition_point(|timestamp| *timestamp < first_time);
        let after = timestamps.partition_point(|timestamp| *timestamp <= last_time);
        if first < after {
            spans[index].push(Span { first, last: after - 1, label });
        } else {
            uncovered.n_rows += 1;
            let text = |at: Option<usize>| cell(at).unwrap_or_default().to_owned();
            uncovered.first.get_or_insert_with(|| (row + 1, series.name().to_owned(), text(Some(start)), text(end)));
        }
    }
    Ok((FileOracle::new(spans), uncovered))
}

/// The label of a text in a file of answers.
fn label_of(text: &str) -> Option<Label> {
    match text.trim().to_ascii_lowercase().as_str() {
        "anomaly" | "1" | "true" => Some(Label::Anomaly),
        "normal" | "0" | "false" => Some(Label::Normal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rlad::data::TimeFormat;

    use super::*;

    fn answers(text: &str) -> anyhow::Result<(FileOracle, Uncovered)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("answers.csv");
        std::fs::write(&path, text).unwrap();
        let times = (0..10).map(|i| i * 60 * rlad::data::NANOS_PER_SECOND).collect();
        let series = Series::new("cpu", vec!["v".into()], TimeFormat::Seconds, times, vec![0.0; 10], None).unwrap();
        read_rows(&path, &[series])
    }

    #[test]
    fn spans_of_time_become_spans_of_points() {
        let (oracle, _) = answers("series,start,end,label\ncpu,60,170,anomaly\ncpu,540,,normal\n,0,0,1\n").unwrap();
        let debug = format!("{oracle:?}");
        assert!(debug.contains("first: 1, last: 2, label: Anomaly"), "{debug}");
        assert!(debug.contains("first: 9, last: 9, label: Normal"), "{debug}");
        assert!(debug.contains("first: 0, last: 0, label: Anomaly"), "{debug}");
    }

    #[test]
    fn rows_that_cover_no_point_are_counted() {
        let text = "series,start,end,label\ncpu,61,119,anomaly\ncpu,60,,normal\ncpu,9000,,anomaly\ncpu,120,60,normal\n";
        let (_, uncovered) = answers(text).unwrap();
        let note = uncovered.note(Path::new("a.csv")).unwrap();
        assert!(note.contains("3 rows cover no point") && note.ends_with("row 1: series `cpu`, 61 to 119"), "{note}");
        assert_eq!(answers("start,label\n60,normal\n").unwrap().1.note(Path::new("a.csv")), None);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for (text, expected) in [
            ("start,label\nsoon,anomaly\n", "row 1, column `start`"),
            ("start,label\n60,perhaps\n", "expected `anomaly` or `normal`, found `perhaps`"),
            ("series,start,label\ndisk,60,anomaly\n", "found `disk`"),
            ("a,b\n1,2\n", "found the columns `a`, `b`"),
        ] {
            let message = answers(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}

//! Parting the rows of a file into series, and joining the rows of one series from several files.

use std::path::{Path, PathBuf};

use super::notes::{Note, Notes, Place};
use super::table::Table;
use crate::data::label::Label;
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// The treatment of rows of one series in one file that have the same timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duplicates {
    /// They are an error.
    Refuse,
    /// The first in the file is kept.
    KeepFirst,
}

/// The points of one series in one file, in strictly increasing time order.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) series: String,
    pub(super) format: TimeFormat,
    pub(super) channels: Vec<String>,
    pub(super) timestamps: Vec<i64>,
    /// Shape `[timestamps.len(), channels.len()]`.
    pub(super) values: Vec<f64>,
    pub(super) labels: Option<Vec<Option<Label>>>,
}

/// Parts a table into its series; one without a column for the series is the series `name`. `place` is where the notes of a
/// series stand, by its number in the table and its name.
///
/// # Errors
/// [`Error::DuplicateTimestamp`].
pub(super) fn pieces(
    table: &Table,
    name: &str,
    duplicates: Duplicates,
    place: impl Fn(usize, &str) -> Place,
    notes: &mut Notes,
) -> Result<Vec<Piece>> {
    let Some(series) = &table.series else {
        let rows = (0..table.n_rows).collect();
        return Ok(vec![piece(table, name, 0, rows, duplicates, &mut |note, case| {
            notes.add_at(note, place(0, name), case);
        })?]);
    };
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); series.texts.len()];
    for (row, &id) in series.of_row.iter().enumerate() {
        rows[id as usize].push(row);
    }
    let named = series.texts.iter().zip(rows).enumerate();
    named
        .map(|(id, (name, rows))| {
            piece(table, name, id, rows, duplicates, &mut |note, case| notes.add_at(note, place(id, name), case))
        })
        .collect()
}

fn piece(
    table: &Table,
    name: &str,
    id: usize,
    mut rows: Vec<usize>,
    duplicates: Duplicates,
    add: &mut impl FnMut(Note, String),
) -> Result<Piece> {
    let (format, timestamps) = match &table.timestamps {
        None => (TimeFormat::Index, (0..).take(rows.len()).collect()),
        Some(timestamps) => {
            let format = table.formats[id];
            if !rows.is_sorted_by_key(|&row| timestamps[row]) {
                // A stable sort: of rows with the same timestamp, the first in the file stays the first.
                rows.sort_by_key(|&row| timestamps[row]);
                add(Note::Sorted, format!("`{name}`"));
            }
            match duplicates {
                Duplicates::Refuse => {
                    if let Some(pair) = rows.windows(2).find(|pair| timestamps[pair[0]] == timestamps[pair[1]]) {
                        return Err(Error::DuplicateTimestamp {
                            path: table.path.clone(),
                            series: name.to_owned(),
                            timestamp: format.format(timestamps[pair[0]]),
                            first: table.row_numbers.get(pair[0]),
                            second: table.row_numbers.get(pair[1]),
                        });
                    }
                }
                Duplicates::KeepFirst => {
                    let n_rows = rows.len();
                    rows.dedup_by_key(|row| timestamps[*row]);
                    if rows.len() < n_rows {
                        add(Note::Dropped, format!("`{name}` ({})", n_rows - rows.len()));
                    }
                }
            }
            (format, rows.iter().map(|&row| timestamps[row]).collect())
        }
    };
    let n_channels = table.channels.len();
    let mut values = Vec::with_capacity(rows.len() * n_channels);
    for &row in &rows {
        values.extend_from_slice(&table.values[row * n_channels..(row + 1) * n_channels]);
    }
    let n_infinite = values.iter().filter(|value| value.is_infinite()).count();
    if n_infinite > 0 {
        add(Note::Infinite, format!("`{name}` ({n_infinite})"));
    }
    let labels = table.labels.as_ref().map(|labels| rows.iter().map(|&row| labels[row]).collect());
    let (path, channels) = (table.path.clone(), table.channels.clone());
    Ok(Piece { path, series: name.to_owned(), format, channels, timestamps, values, labels })
}

/// Joins the pieces of one series, at least one, into one. Where only some of them have labels, the labels of the others are
/// unknown.
///
/// # Errors
/// [`Error::Format`] if the pieces differ in their channels or in the form of their timestamps; [`Error::Overlap`] if two have
/// a timestamp in common.
pub(super) fn join(name: &str, mut pieces: Vec<Piece>) -> Result<Piece> {
    if pieces.len() == 1 {
        return Ok(pieces.remove(0));
    }
    let first = &pieces[0];
    for other in &pieces[1..] {
        let unlike = |what: &str, of_first: &str, of_other: &str| Error::Format {
            path: other.path.clone(),
            expected: format!(
                "like `{}`: series `{name}` has {what} {of_first} there, but {of_other} here",
                first.path.display()
            ),
            source: None,
        };
        if other.channels != first.channels {
            return Err(unlike("the channels", &list(&first.channels), &list(&other.channels)));
        }
        if other.format != first.format {
            return Err(unlike("timestamps as", first.format.describe(), other.format.describe()));
        }
    }
    pieces.sort_by_key(|piece| piece.timestamps[0]);
    let of_piece = |piece: usize| (0..pieces[piece].timestamps.len()).map(move |row| (piece, row));
    let mut order: Vec<(usize, usize)> = (0..pieces.len()).flat_map(of_piece).collect();
    let timestamp = |&(piece, row): &(usize, usize)| pieces[piece].timestamps[row];
    order.sort_by_key(timestamp);
    if let Some(pair) = order.windows(2).find(|pair| timestamp(&pair[0]) == timestamp(&pair[1])) {
        let path = |(piece, _): (usize, usize)| -> &Path { &pieces[piece].path };
        let (one, other) = (path(pair[0]), path(pair[1]));
        return Err(Error::Overlap {
            series: name.to_owned(),
            timestamp: pieces[0].format.format(timestamp(&pair[0])),
            first: one.min(other).to_owned(),
            second: one.max(other).to_owned(),
        });
    }
    let n_channels = pieces[0].channels.len();
    let has_labels = pieces.iter().any(|piece| piece.labels.is_some());
    let mut joined = Piece {
        path: pieces[0].path.clone(),
        series: name.to_owned(),
        format: pieces[0].format,
        channels: pieces[0].channels.clone(),
        timestamps: order.iter().map(timestamp).collect(),
        values: Vec::with_capacity(order.len() * n_channels),
        labels: has_labels.then(|| Vec::with_capacity(order.len())),
    };
    for (piece, row) in order {
        joined.values.extend_from_slice(&pieces[piece].values[row * n_channels..(row + 1) * n_channels]);
        if let Some(labels) = &mut joined.labels {
            labels.push(pieces[piece].labels.as_ref().and_then(|labels| labels[row]));
        }
    }
    Ok(joined)
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

//! Parting the rows of a file into series, and joining the rows of one series from several files.

use std::path::{Path, PathBuf};

use super::form::Duplicates;
use super::notes::{Note, Notes, Place};
use super::table::Table;
use crate::data::label::Label;
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// The treatment of rows of one series in one file that have the same timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// They are an error.
    Refuse,
    /// The first in the file is kept.
    KeepFirst,
    /// The last in the file is kept, where they are few.
    KeepLastOfFew,
    /// The last in the file is kept.
    KeepLast,
    /// Their mean is kept.
    Mean,
}

impl From<Option<Duplicates>> for Repeated {
    fn from(said: Option<Duplicates>) -> Self {
        match said {
            None => Self::KeepLastOfFew,
            Some(Duplicates::Last) => Self::KeepLast,
            Some(Duplicates::Mean) => Self::Mean,
            Some(Duplicates::Error) => Self::Refuse,
        }
    }
}

/// The share of a series' rows that may repeat a timestamp and count as few is one in this number; one row always does, but of a series
/// that is very short.
const FEW: usize = 100;
const SHORT: usize = 20;

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
    /// The rows that it was read from, those that repeat a timestamp among them.
    pub(super) n_rows: usize,
}

/// Parts a table into its series; one without a column for the series is the series `name`. `place` is where the notes of a
/// series stand, by its number in the table and its name.
///
/// # Errors
/// [`Error::DuplicateTimestamp`].
pub(super) fn pieces(
    table: &Table,
    name: &str,
    duplicates: Repeated,
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
    duplicates: Repeated,
    add: &mut impl FnMut(Note, String),
) -> Result<Piece> {
    let n_rows = rows.len();
    let (format, timestamps) = match &table.timestamps {
        None => (TimeFormat::Index, (0..).take(rows.len()).collect()),
        Some(timestamps) => {
            let format = table.formats[id];
            if !rows.is_sorted_by_key(|&row| timestamps[row]) {
                // A stable sort: of rows with the same timestamp, the first in the file stays the first.
                rows.sort_by_key(|&row| timestamps[row]);
                add(Note::Sorted, format!("`{name}`"));
            }
            let repeats = |pair: &[usize]| timestamps[pair[0]] == timestamps[pair[1]];
            let n_repeated = rows.windows(2).filter(|pair| repeats(pair)).count();
            let is_refused = match duplicates {
                Repeated::Refuse => true,
                Repeated::KeepLastOfFew => n_repeated > (rows.len() / FEW).max(usize::from(rows.len() >= SHORT)),
                _ => false,
            };
            if let Some(pair) = rows.windows(2).find(|pair| is_refused && repeats(pair)) {
                return Err(Error::DuplicateTimestamp {
                    path: table.path.clone(),
                    series: name.to_owned(),
                    timestamp: format.format(timestamps[pair[0]]),
                    first: table.row_numbers.get(pair[0]),
                    second: table.row_numbers.get(pair[1]),
                });
            }
            if n_repeated > 0 {
                let note = match duplicates {
                    Repeated::KeepFirst => Note::Dropped,
                    Repeated::Mean => Note::Averaged,
                    _ => Note::KeptLast,
                };
                add(note, format!("`{name}` ({n_repeated})"));
                if duplicates == Repeated::Mean {
                    return Ok(averaged(table, name, format, &rows));
                }
                rows.dedup_by(|later, kept| {
                    let is_same = timestamps[*later] == timestamps[*kept];
                    if is_same && duplicates != Repeated::KeepFirst {
                        *kept = *later;
                    }
                    is_same
                });
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
    Ok(Piece { path, series: name.to_owned(), format, channels, timestamps, values, labels, n_rows })
}

/// The points of rows in time order, of which those of one timestamp become their mean; missing values are none of it.
fn averaged(table: &Table, name: &str, format: TimeFormat, rows: &[usize]) -> Piece {
    let timestamps = table.timestamps.as_deref().unwrap_or_default();
    let n_channels = table.channels.len();
    let mut piece = Piece {
        path: table.path.clone(),
        series: name.to_owned(),
        format,
        channels: table.channels.clone(),
        timestamps: Vec::new(),
        values: Vec::new(),
        labels: table.labels.as_ref().map(|_| Vec::new()),
        n_rows: rows.len(),
    };
    for same in rows.chunk_by(|a, b| timestamps[*a] == timestamps[*b]) {
        piece.timestamps.push(timestamps[same[0]]);
        for channel in 0..n_channels {
            let values =
                same.iter().map(|row| table.values[row * n_channels + channel]).filter(|value| !value.is_nan());
            let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
            piece.values.push(if n > 0.0 { sum / n } else { f64::NAN });
        }
        if let (Some(of_piece), Some(labels)) = (&mut piece.labels, &table.labels) {
            of_piece.push(same.iter().filter_map(|&row| labels[row]).max());
        }
    }
    piece
}

/// The name of a series of which each channel is one: that of the channel, after that of the rows where files or rows have several.
pub(super) fn name_of_channel(rows: Option<&str>, channel: &str) -> String {
    rows.map_or_else(|| channel.to_owned(), |rows| format!("{rows}/{channel}"))
}

/// Each channel of a piece as a series by itself. `has_name`: whether its name tells it from others.
pub(super) fn by_channel(piece: &Piece, has_name: bool) -> impl Iterator<Item = Piece> {
    let n_channels = piece.channels.len();
    let rows = has_name.then_some(piece.series.as_str());
    piece.channels.iter().enumerate().map(move |(channel, name)| Piece {
        path: piece.path.clone(),
        series: name_of_channel(rows, name),
        format: piece.format,
        channels: vec!["value".to_owned()],
        timestamps: piece.timestamps.clone(),
        values: piece.values[channel..].iter().step_by(n_channels).copied().collect(),
        labels: piece.labels.clone(),
        n_rows: piece.n_rows,
    })
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
        if !other.format.is_like(first.format) {
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
        format: pieces
            .iter()
            .map(|piece| piece.format)
            .find(|format| *format == TimeFormat::DecimalSeconds)
            .unwrap_or(pieces[0].format),
        channels: pieces[0].channels.clone(),
        timestamps: order.iter().map(timestamp).collect(),
        values: Vec::with_capacity(order.len() * n_channels),
        labels: has_labels.then(|| Vec::with_capacity(order.len())),
        n_rows: pieces.iter().map(|piece| piece.n_rows).sum(),
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

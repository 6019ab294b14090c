//! Which series a file holds and in which blocks of its rows they lie, so that some of them can be read without the others.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::columns::Roles;
use super::layout::Layout;
use super::number::NumberForm;
use super::table::Texts;
use crate::data::series::TimeFormat;
use crate::error::Result;

/// Rows in a block, the unit in which a file remembers where a series lies.
pub(super) const BLOCK: usize = 16_384;
/// Runs of blocks that are remembered of one series; the last one grows where there are more.
const MAX_RUNS: usize = 64;

/// The series of one file and their rows.
#[derive(Debug)]
pub(super) struct Listing {
    /// All columns of the file, for messages.
    pub(super) columns: Vec<String>,
    /// The roles of the columns, in words.
    pub(super) roles: String,
    /// Whether it has a column for the time.
    pub(super) is_timed: bool,
    /// Whether it has a column for the series; without, it holds one.
    pub(super) is_named: bool,
    /// The names of the value channels, at least one.
    pub(super) channels: Vec<String>,
    /// The series in the order in which they come; none where the file has no rows.
    pub(super) series: Vec<Listed>,
    /// Of a CSV file, the byte at which each block begins, and the end.
    pub(super) block_bytes: Vec<u64>,
    /// What was found of the file's form, so that it need not be found again.
    pub(super) found: Found,
    names: Texts,
}

/// The form of a file.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) names: Vec<String>,
    pub(super) roles: Roles,
    pub(super) numbers: NumberForm,
    /// Of a CSV file, its layout and the byte after its header.
    pub(super) layout: Option<(Layout, u64)>,
}

/// One series in one file.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) n_rows: usize,
    pub(super) time_format: TimeFormat,
    /// The blocks that hold its rows, as runs that rise and do not touch.
    runs: Vec<Range<usize>>,
}

impl Listing {
    /// The listing of a file before its first row.
    pub(super) fn new(found: Found) -> Self {
        let (columns, roles) = (&found.names, &found.roles);
        Self {
            columns: columns.to_vec(),
            roles: roles.told(columns),
            is_timed: !roles.time.is_empty(),
            is_named: !roles.series.is_empty(),
            channels: roles.values.iter().map(|&index| columns[index].clone()).collect(),
            series: Vec::new(),
            block_bytes: Vec::new(),
            found,
            names: Texts::default(),
        }
    }

    /// Adds a row of a series, the `row`-th of the file from 0; rows come in rising order. `time_format` is asked for at the
    /// first row of each series.
    pub(super) fn add(
        &mut self,
        row: usize,
        name: &str,
        time_format: impl FnOnce() -> Result<TimeFormat>,
    ) -> Result<()> {
        let id = self.names.id(name) as usize;
        if id == self.series.len() {
            let time_format = time_format()?;
            self.series.push(Listed { name: name.to_owned(), n_rows: 0, time_format, runs: Vec::new() });
        }
        let listed = &mut self.series[id];
        listed.n_rows += 1;
        let block = row / BLOCK;
        let is_full = listed.runs.len() == MAX_RUNS;
        match listed.runs.last_mut() {
            Some(last) if block <= last.end || is_full => last.end = last.end.max(block + 1),
            _ => listed.runs.push(block..block + 1),
        }
        Ok(())
    }

    /// The rows to read for the series at these places; `None` for all of the file.
    pub(super) fn pick(&self, series: &[usize]) -> Option<Pick<'_>> {
        if !self.is_named || series.len() == self.series.len() {
            return None;
        }
        let blocks: BTreeSet<usize> =
            series.iter().flat_map(|&id| self.series[id].runs.iter().cloned().flatten()).collect();
        let mut runs: Vec<Range<usize>> = Vec::new();
        for block in blocks {
            match runs.last_mut() {
                Some(last) if last.end == block => last.end += 1,
                _ => runs.push(block..block + 1),
            }
        }
        let names = series.iter().map(|&id| self.series[id].name.as_str()).collect();
        Some(Pick { names, runs, block_bytes: &self.block_bytes })
    }
}

/// Some series of a file, and where in it they lie.
#[derive(Debug)]
pub(super) struct Pick<'a> {
    names: HashSet<&'a str>,
    /// The blocks that hold all of their rows, as runs that rise and do not touch.
    runs: Vec<Range<usize>>,
    block_bytes: &'a [u64],
}

impl Pick<'_> {
    /// Whether a series is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The rows to read, from 0; the last may lie after the end of the file.
    #[cfg(any(feature = "parquet", test))]
    pub(super) fn rows(&self) -> impl Iterator<Item = Range<usize>> {
        self.runs.iter().map(|run| run.start * BLOCK..run.end * BLOCK)
    }

    /// The first row and the bytes of each piece of a CSV file to read.
    pub(super) fn bytes(&self) -> impl Iterator<Item = (usize, Range<u64>)> {
        self.runs.iter().map(|run| (run.start * BLOCK, self.block_bytes[run.start]..self.block_bytes[run.end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(rows: impl Iterator<Item = (usize, &'static str)>) -> Listing {
        let roles = Roles { series: vec![0], values: vec![1], ..Roles::default() };
        let names = vec!["series".to_owned(), "value".to_owned()];
        let mut listing = Listing::new(Found { names, roles, numbers: NumberForm::default(), layout: None });
        for (row, name) in rows {
            listing.add(row, name, || Ok(TimeFormat::Index)).unwrap();
        }
        listing
    }

    #[test]
    fn a_series_is_read_from_the_blocks_that_hold_it() {
        let rows = [(0, "a"), (1, "b"), (BLOCK, "b"), (3 * BLOCK, "a"), (4 * BLOCK - 1, "c")];
        let listing = listing(rows.into_iter());
        let rows = |series: &[usize]| listing.pick(series).unwrap().rows().collect::<Vec<_>>();
        assert_eq!(rows(&[0]), [0..BLOCK, 3 * BLOCK..4 * BLOCK]);
        assert_eq!(rows(&[1]), [0..2 * BLOCK; 1]);
        assert_eq!(rows(&[1, 2]), [0..2 * BLOCK, 3 * BLOCK..4 * BLOCK]);
        assert!(listing.pick(&[0, 1, 2]).is_none(), "all of the file");
        assert_eq!(listing.series[1].n_rows, 2);
    }

    #[test]
    fn what_is_remembered_of_a_series_is_bounded() {
        let scattered = (0..1000).flat_map(|i| [(2 * i * BLOCK, "a"), ((2 * i + 1) * BLOCK, "b")]);
        let listing = listing(scattered);
        let runs = &listing.series[0].runs;
        assert_eq!((runs.len(), runs.last().unwrap().end), (MAX_RUNS, 1999));
    }
}

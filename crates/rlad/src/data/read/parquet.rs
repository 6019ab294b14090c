//! Parquet files; only the columns that are needed are decoded, and of some series only the pages that may hold them.

mod cells;
mod decode;

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use ::parquet::basic::Compression;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, LargeStringArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema, TimeUnit};
use arrow_select::filter::{filter, filter_record_batch};

use self::cells::{display, is_number, is_text, texts};
use self::decode::{Batches, decoded, not_parquet};
use super::columns::{self, Repeats, Roles, Rows, Wanted};
use super::files::DataFile;
use super::listing::{Found, Listing};
use super::number::NumberForm;
use super::sample::{ColumnSample, Look, SAMPLE_ROWS, Typed, looks};
use super::table::{EXPECTED_LABEL, Keys, Table, label_of, label_of_text};
use super::time::{ReadTime, TimeSyntax, Trouble, read_float, read_integer};
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

/// Rows that are decoded at once.
const BATCH: usize = 65_536;

/// Reads a Parquet file, or some series of it.
///
/// # Errors
/// [`Error::Read`], [`Error::Format`] if it is no Parquet file or damaged, [`Error::Columns`], [`Error::Cell`].
pub(super) fn read(file: &DataFile, wanted: &Wanted, listed: Option<(&Listing, &[usize])>) -> Result<Table> {
    let path = &file.path;
    let (parquet, mut builder) = Parquet::open(file, wanted, listed.map(|(listing, _)| &listing.found))?;
    let pick = listed.and_then(|(listing, series)| listing.pick(series));
    let pick = pick.as_ref();
    let mut rows: Vec<Range<usize>> = Vec::new();
    match pick {
        None => rows.push(0..usize::MAX),
        Some(pick) => {
            rows.extend(pick.rows());
            builder = select(builder, &rows);
        }
    }
    let mut rows = rows.into_iter().flatten();
    let roles = &parquet.roles;
    let mut needed = roles.values.clone();
    needed.extend(roles.series.iter().chain(&roles.time).copied().chain(roles.label).chain(roles.tag));

    let mut table = Table::new(path, &parquet.names, roles);
    let (columns, reader) = parquet.reader(builder, needed)?;
    for batch in reader {
        let mut batch = batch?;
        let mut numbers: Vec<usize> = rows.by_ref().take(batch.num_rows()).map(|row| row + 1).collect();
        let mut series = parquet.series(&columns, &batch, |i| numbers[i])?;
        if let (Some(pick), Some(names)) = (pick, &mut series) {
            let is_wanted: Vec<bool> = names.iter().map(|name| name.is_some_and(|name| pick.has(name))).collect();
            let mut kept = is_wanted.iter();
            numbers.retain(|_| kept.next().is_some_and(|&kept| kept));
            let is_wanted = BooleanArray::from(is_wanted);
            batch = filter_record_batch(&batch, &is_wanted).map_err(|source| parquet.damaged(source))?;
            let filtered = filter(&*names, &is_wanted).map_err(|source| parquet.damaged(source))?;
            *names = filtered.as_string::<i64>().clone();
        }
        for (i, &number) in numbers.iter().enumerate() {
            table.row_numbers.push(table.n_rows + i, number);
        }
        if let (Some(of_table), Some(names)) = (&mut table.series, &series) {
            names.iter().flatten().for_each(|name| of_table.push(name));
        }
        parquet.push(&mut table, &columns, &batch, &numbers)?;
    }
    // Some of the series say nothing of what the column of all of them holds.
    if pick.is_some() { Ok(table) } else { table.checked(&parquet.names, &parquet.roles) }
}

/// Lists the series of a Parquet file; one without a column for the series is the series that its file names.
///
/// # Errors
/// Those of [`read`] as far as they concern the columns, the names and the first time of each series.
pub(super) fn list(file: &DataFile, wanted: &Wanted) -> Result<Listing> {
    let (path, name) = (&file.path, file.name.as_str());
    let (parquet, builder) = Parquet::open(file, wanted, None)?;
    let roles = &parquet.roles;
    let (names, numbers) = (parquet.names.clone(), parquet.numbers.clone());
    let mut listing = Listing::new(Found { names, roles: roles.clone(), numbers, layout: None });
    let (columns, reader) = parquet.reader(builder, roles.series.iter().chain(&roles.time).copied().collect())?;
    let mut n_rows = 0;
    for batch in reader {
        let batch = batch?;
        let series = parquet.series(&columns, &batch, |i| n_rows + i + 1)?;
        for i in 0..batch.num_rows() {
            let name = series.as_ref().map_or(name, |names| names.value(i));
            listing.add(n_rows, name, || match roles.time.first() {
                None => Ok(TimeFormat::Index),
                Some(&time) => {
                    let cells = columns.of(&batch, time);
                    let first = parquet.times(&columns, &batch, i..i + 1).remove(0);
                    let wrong = |trouble: Trouble| {
                        let (column, found) = (&parquet.names[time], display(cells, i));
                        Error::cell(path, n_rows + 1, column, trouble.expected(), found)
                    };
                    Ok(first.map_err(wrong)?.0)
                }
            })?;
            n_rows += 1;
        }
    }
    Ok(listing)
}

/// A Parquet file whose columns are found.
struct Parquet<'a> {
    path: &'a Path,
    names: Vec<String>,
    roles: Roles,
    /// How numbers in columns of text are written.
    numbers: NumberForm,
}

impl<'a> Parquet<'a> {
    /// `known`: what was found of the file before.
    fn open(
        file: &'a DataFile,
        wanted: &Wanted,
        known: Option<&Found>,
    ) -> Result<(Self, ParquetRecordBatchReaderBuilder<File>)> {
        let path = &file.path;
        let open = || decoded(path, |file| Ok(ParquetRecordBatchReaderBuilder::try_new(file)?), file.open()?);
        let builder = open()?;
        let schema = builder.schema().clone();
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut rows = ParquetRows { open: &open, path, schema: &schema, sample: Vec::new() };
        let roles = match known {
            Some(known) if known.names == names => known.roles.clone(),
            _ => columns::find(path, &names, wanted, &mut rows)?,
        };
        let check = |column: usize, ok: fn(&DataType) -> bool, what: &str| {
            let found = schema.field(column).data_type();
            if ok(found) {
                return Ok(());
            }
            let expected = format!("expected {what} in the column `{}`, which is of the type {found}", names[column]);
            Err(Error::Columns { path: path.to_owned(), expected, found: names.clone() })
        };
        for &column in &roles.values {
            check(column, |ty| is_number(ty) || is_text(ty), "numbers")?;
        }
        for &column in &roles.time {
            check(column, is_time, "timestamps")?;
        }
        if let Some(column) = roles.label {
            check(column, |ty| is_number(ty) || is_text(ty), "labels")?;
        }
        for column in roles.series.iter().copied().chain(roles.tag) {
            check(column, |ty| is_text(ty) || ty.is_integer(), "text")?;
        }
        let numbers = NumberForm { decimal: wanted.form.decimal, missing: wanted.form.missing.clone() };
        Ok((Self { path, names, roles, numbers }, builder))
    }

    /// The batches of some columns.
    fn reader(
        &self,
        builder: ParquetRecordBatchReaderBuilder<File>,
        mut needed: Vec<usize>,
    ) -> Result<(Projected, Batches<'a>)> {
        needed.sort_unstable();
        let mask = ProjectionMask::roots(builder.parquet_schema(), needed.iter().copied());
        refuse_codec(self.path, &builder, &mask)?;
        Ok((Projected(needed), Batches::of(self.path, builder.with_projection(mask).with_batch_size(BATCH))?))
    }

    fn damaged(&self, source: ArrowError) -> Error {
        not_parquet(self.path, source)
    }

    /// The names of the series in a batch, none of them null or empty, where there is a column for them. `number` is that of
    /// a row in the file.
    fn series(
        &self,
        columns: &Projected,
        batch: &RecordBatch,
        number: impl Fn(usize) -> usize,
    ) -> Result<Option<LargeStringArray>> {
        if self.roles.series.is_empty() {
            return Ok(None);
        }
        let mut parts = Vec::with_capacity(self.roles.series.len());
        for &index in &self.roles.series {
            let texts = texts(columns.of(batch, index));
            if let Some(i) = texts.iter().position(|text| text.is_none_or(str::is_empty)) {
                let found = if texts.is_null(i) { "null" } else { "" };
                return Err(Error::cell(self.path, number(i), &self.names[index], "the name of a series", found));
            }
            parts.push(texts);
        }
        if parts.len() == 1 {
            return Ok(parts.pop());
        }
        let joined = |i: usize| parts.iter().map(|part| part.value(i)).collect::<Vec<_>>().join("/");
        Ok(Some((0..batch.num_rows()).map(|i| Some(joined(i))).collect()))
    }

    /// The timestamps of some rows of a batch, where there is a column for them: of a date and a time of day, both.
    fn times(&self, columns: &Projected, batch: &RecordBatch, rows: Range<usize>) -> Vec<ReadTime> {
        let cells = |column: usize| columns.of(batch, column).slice(rows.start, rows.len());
        match self.roles.time[..] {
            [] => Vec::new(),
            [one] => times(&cells(one), &self.roles.times),
            [date, clock, ..] => {
                let (dates, clocks) = (cells(date), cells(clock));
                let joined = |i: usize| format!("{} {}", display(&dates, i), display(&clocks, i));
                (0..rows.len()).map(|i| self.roles.times.read(&joined(i))).collect()
            }
        }
    }

    /// Adds a batch to a table that knows the numbers and series of its rows already.
    fn push(&self, table: &mut Table, columns: &Projected, batch: &RecordBatch, numbers: &[usize]) -> Result<()> {
        let roles = &self.roles;
        if let (Some(tags), Some(index)) = (&mut table.tags, roles.tag) {
            texts(columns.of(batch, index)).iter().for_each(|text| tags.push(text.unwrap_or_default()));
        }
        if let (Some(labels), Some(index)) = (&mut table.labels, roles.label) {
            let cells = columns.of(batch, index);
            let wrong =
                |i: usize| Error::cell(self.path, numbers[i], &self.names[index], EXPECTED_LABEL, display(cells, i));
            if is_text(cells.data_type()) {
                for (i, text) in texts(cells).iter().enumerate() {
                    let text = text.unwrap_or_default().trim();
                    let label = label_of_text(text).ok_or_else(|| wrong(i))?;
                    table.label_signs.see(text, label);
                    labels.push(label);
                }
            } else {
                for (i, number) in cells::numbers(cells).into_iter().enumerate() {
                    let label = label_of(number.unwrap_or(f64::NAN)).ok_or_else(|| wrong(i))?;
                    table.label_signs.see(if number < Some(0.0) && number.is_some() { "-" } else { "" }, label);
                    labels.push(label);
                }
            }
        }
        let n_channels = roles.values.len();
        let first = table.values.len();
        table.values.resize(first + batch.num_rows() * n_channels, f64::NAN);
        for (channel, &index) in roles.values.iter().enumerate() {
            let column = columns.of(batch, index);
            let numbers = if is_text(column.data_type()) {
                let wrong =
                    |i: usize| Error::cell(self.path, numbers[i], &self.names[index], "a number", display(column, i));
                let read = |(i, text): (usize, Option<&str>)| {
                    text.map(|text| self.numbers.read(text).ok_or_else(|| wrong(i))).transpose()
                };
                texts(column).iter().enumerate().map(read).collect::<Result<_>>()?
            } else {
                cells::numbers(column)
            };
            let cells = table.values[first..].iter_mut().skip(channel).step_by(n_channels);
            for (cell, number) in cells.zip(numbers) {
                *cell = number.unwrap_or(f64::NAN);
            }
        }
        if let Some(&index) = roles.time.first() {
            let cells = columns.of(batch, index);
            for (i, read) in self.times(columns, batch, 0..batch.num_rows()).into_iter().enumerate() {
                let wrong = |trouble: Trouble| {
                    Error::cell(self.path, numbers[i], &self.names[index], trouble.expected(), display(cells, i))
                };
                let later = || roles.times.read_later(&display(cells, i));
                table.push_time(&self.names[index], read.map_err(wrong)?, later, || display(cells, i))?;
            }
        }
        table.n_rows += batch.num_rows();
        Ok(())
    }
}

/// The columns of a file that are decoded, rising.
struct Projected(Vec<usize>);

impl Projected {
    /// A column of a batch, by its index in the file.
    fn of<'b>(&self, batch: &'b RecordBatch, column: usize) -> &'b ArrayRef {
        batch.column(self.0.binary_search(&column).expect("a needed column"))
    }
}

/// Refuses columns that are compressed in a way that cannot be read.
fn refuse_codec(path: &Path, builder: &ParquetRecordBatchReaderBuilder<File>, mask: &ProjectionMask) -> Result<()> {
    let mut chunks = builder.metadata().row_groups().iter().flat_map(|group| group.columns().iter().enumerate());
    let codec = chunks.find_map(|(leaf, chunk)| {
        let codec = chunk.compression();
        (mask.leaf_included(leaf) && matches!(codec, Compression::BROTLI(_) | Compression::LZO)).then_some(codec)
    });
    if let Some(codec) = codec {
        let expected = format!(
            "a Parquet file that can be read: it is compressed with {}, expected Snappy, Zstandard, gzip, LZ4 or \
             none; write it anew, for example with `pandas.read_parquet(…).to_parquet(…)`",
            if codec == Compression::LZO { "LZO" } else { "Brotli" }
        );
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }
    Ok(())
}

/// Selects some rows, as ranges that rise and do not touch: row groups without any of them are not read, and pages without
/// any not decoded.
fn select(
    builder: ParquetRecordBatchReaderBuilder<File>,
    rows: &[Range<usize>],
) -> ParquetRecordBatchReaderBuilder<File> {
    let n_rows = |group: i64| usize::try_from(group).unwrap_or(0);
    let sizes: Vec<usize> = builder.metadata().row_groups().iter().map(|group| n_rows(group.num_rows())).collect();
    let (mut groups, mut selected) = (Vec::new(), Vec::new());
    let (mut start, mut n_before) = (0, 0);
    for (group, size) in sizes.into_iter().enumerate() {
        let end = start + size;
        let within = rows.iter().map(|rows| rows.start.max(start)..rows.end.min(end)).filter(|rows| !rows.is_empty());
        let n_selected = selected.len();
        selected.extend(within.map(|rows| rows.start - start + n_before..rows.end - start + n_before));
        if selected.len() > n_selected {
            groups.push(group);
            n_before += size;
        }
        start = end;
    }
    let selection = RowSelection::from_consecutive_ranges(selected.into_iter(), n_before);
    builder.with_row_groups(groups).with_row_selection(selection)
}

/// The timestamps in cells.
fn times(cells: &ArrayRef, syntax: &TimeSyntax) -> Vec<ReadTime> {
    match cells.data_type() {
        ty if is_text(ty) => {
            let read = |text: Option<&str>| text.map_or(Err(Trouble::Form), |text| syntax.read(text));
            texts(cells).iter().map(read).collect()
        }
        ty if is_number(ty) && !syntax.is_usual() => {
            let read = |i: usize| if cells.is_null(i) { Err(Trouble::Form) } else { syntax.read(&display(cells, i)) };
            (0..cells.len()).map(read).collect()
        }
        ty if ty.is_floating() => {
            let read = |number: Option<f64>| number.map_or(Err(Trouble::Form), read_float);
            cells::numbers(cells).into_iter().map(read).collect()
        }
        ty => {
            // The integers of a date are days or milliseconds, those of a timestamp its units, whatever its zone.
            let (format, nanos) = match ty {
                DataType::Timestamp(unit, zone) => {
                    let format = if zone.is_some() { TimeFormat::Rfc3339 } else { TimeFormat::Civil };
                    (Some(format), nanos(*unit))
                }
                DataType::Date32 => (Some(TimeFormat::Civil), crate::data::series::NANOS_PER_DAY),
                DataType::Date64 => (Some(TimeFormat::Civil), nanos(TimeUnit::Millisecond)),
                _ => (None, 1),
            };
            let read = |integer: Option<i64>| match (integer, format) {
                (None, _) => Err(Trouble::Form),
                (Some(integer), None) => read_integer(integer),
                (Some(integer), Some(format)) => {
                    let timestamp = integer.checked_mul(nanos).ok_or(Trouble::Range)?;
                    syntax.zoned(format, timestamp)
                }
            };
            cells::integers(cells).into_iter().map(read).collect()
        }
    }
}

/// The rows of a Parquet file, for what its columns' names do not tell.
struct ParquetRows<'p, F> {
    open: &'p F,
    path: &'p Path,
    schema: &'p Schema,
    sample: Vec<ColumnSample>,
}

impl<F: Fn() -> Result<ParquetRecordBatchReaderBuilder<File>>> ParquetRows<'_, F> {
    /// Calls `each` with the batches of some columns until it says no.
    fn each(&self, columns: &[usize], n_rows: usize, mut each: impl FnMut(&RecordBatch)) -> Result<()> {
        let builder = (self.open)()?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        refuse_codec(self.path, &builder, &mask)?;
        let builder = builder.with_projection(mask).with_batch_size(BATCH.min(n_rows)).with_limit(n_rows);
        for batch in Batches::of(self.path, builder)? {
            each(&batch?);
        }
        Ok(())
    }

    fn sample(&mut self) -> Result<&[ColumnSample]> {
        if self.sample.is_empty() {
            let typed = |ty: &DataType| match ty {
                DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Typed::Time,
                ty if is_number(ty) => Typed::Number,
                // Numbers may be written as texts.
                ty if is_text(ty) => Typed::Text,
                _ => Typed::Other,
            };
            let fields = self.schema.fields().iter();
            let mut columns: Vec<ColumnSample> =
                fields.map(|field| ColumnSample { cells: Vec::new(), typed: Some(typed(field.data_type())) }).collect();
            let readable: Vec<usize> = (0..columns.len()).filter(|&i| columns[i].typed != Some(Typed::Other)).collect();
            self.each(&readable, SAMPLE_ROWS, |batch| {
                for (&column, cells) in readable.iter().zip(batch.columns()) {
                    let cell = |i: usize| if cells.is_null(i) { String::new() } else { display(cells, i) };
                    columns[column].cells.extend((0..cells.len()).map(cell));
                }
            })?;
            self.sample = columns;
        }
        Ok(&self.sample)
    }
}

impl<F: Fn() -> Result<ParquetRecordBatchReaderBuilder<File>>> Rows for ParquetRows<'_, F> {
    fn looks(&mut self) -> Result<Vec<Look>> {
        Ok(looks(self.sample()?, &NumberForm::default()))
    }

    fn cells(&mut self, column: usize) -> Result<Vec<String>> {
        Ok(self.sample()?[column].cells.clone())
    }

    fn repeats(&mut self, key: &[usize]) -> Result<Repeats> {
        let mut sorted = key.to_vec();
        sorted.sort_unstable();
        let places: Vec<usize> = key.iter().map(|column| sorted.binary_search(column).unwrap_or_default()).collect();
        let mut keys = Keys::new(key.len());
        self.each(&sorted, usize::MAX, |batch| {
            let columns: Vec<LargeStringArray> = places.iter().map(|&i| key_texts(batch.column(i))).collect();
            for row in 0..batch.num_rows() {
                keys.see(columns.iter().map(|column| column.value(row).as_bytes()));
            }
        })?;
        Ok(keys.found)
    }
}

/// The cells of a column as texts that are the same where the cells are.
fn key_texts(cells: &ArrayRef) -> LargeStringArray {
    match cells.data_type() {
        ty if is_text(ty) || ty.is_integer() => texts(cells),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
            cells::integers(cells).into_iter().map(|integer| integer.map(|integer| integer.to_string())).collect()
        }
        _ => cells::numbers(cells).into_iter().map(|number| number.map(|number| number.to_string())).collect(),
    }
}

const fn nanos(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn is_time(ty: &DataType) -> bool {
    is_number(ty) || is_text(ty) || matches!(ty, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

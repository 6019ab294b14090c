//! Parquet files; only the columns that are needed are decoded.

use std::fs::File;
use std::path::Path;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;

use super::columns::{self, Kind, Wanted};
use super::table::{EXPECTED_LABEL, Table, label_of, label_of_text};
use super::time::{Trouble, integral, read_integer, read_timestamp};
use crate::error::{Cause, Error, Result};
use crate::series::TimeFormat;

/// Rows that are decoded at once.
const BATCH: usize = 65_536;

/// Reads a Parquet file.
///
/// # Errors
/// [`Error::Read`], [`Error::Format`] if it is no Parquet file or damaged, [`Error::Columns`], [`Error::Cell`].
pub(super) fn read(path: &Path, wanted: &Wanted) -> Result<Table> {
    let not_parquet = |source: Cause| Error::Format {
        path: path.to_owned(),
        expected: "a whole Parquet file".to_owned(),
        source: Some(source),
    };
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|source| not_parquet(source.into()))?;

    let schema = builder.schema().clone();
    let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let roles = columns::find(path, &names, wanted, || {
        Ok(schema.fields().iter().map(|field| kind(field.data_type())).collect())
    })?;
    let check = |column: usize, ok: fn(&DataType) -> bool, what: &str| {
        let found = schema.field(column).data_type();
        if ok(found) {
            return Ok(());
        }
        let expected = format!("expected {what} in the column `{}`, which is of the type {found}", names[column]);
        Err(Error::Columns { path: path.to_owned(), expected, found: names.clone() })
    };
    for &column in &roles.values {
        check(column, is_number, "numbers")?;
    }
    if let Some(column) = roles.time {
        check(column, is_time, "timestamps")?;
    }
    if let Some(column) = roles.label {
        check(column, |ty| is_number(ty) || is_text(ty) || *ty == DataType::Boolean, "labels")?;
    }
    for column in roles.series.into_iter().chain(roles.tag) {
        check(column, |ty| is_text(ty) || ty.is_integer(), "text")?;
    }

    let mut table = Table::new(path, &names, &roles);
    let mut needed: Vec<usize> = roles.values.clone();
    needed.extend([roles.series, roles.time, roles.label, roles.tag].into_iter().flatten());
    needed.sort_unstable();
    let mask = ProjectionMask::roots(builder.parquet_schema(), needed.iter().copied());
    let reader =
        builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|source| not_parquet(source.into()))?;
    for batch in reader {
        let batch = batch.map_err(|source| not_parquet(source.into()))?;
        let column = |column: usize| batch.column(needed.binary_search(&column).expect("a needed column"));
        let row = |i: usize| table.n_rows + i + 1;
        let damaged = |source: ArrowError| not_parquet(source.into());

        if let (Some(series), Some(index)) = (&mut table.series, roles.series) {
            let texts = cast(column(index), &DataType::LargeUtf8).map_err(damaged)?;
            for (i, text) in texts.as_string::<i64>().iter().enumerate() {
                match text {
                    Some(text) if !text.is_empty() => series.push(text),
                    text => {
                        let found = text.unwrap_or("null");
                        return Err(Error::cell(path, row(i), &names[index], "the name of a series", found));
                    }
                }
            }
        }
        if let (Some(tags), Some(index)) = (&mut table.tags, roles.tag) {
            let texts = cast(column(index), &DataType::LargeUtf8).map_err(damaged)?;
            texts.as_string::<i64>().iter().for_each(|text| tags.push(text.unwrap_or_default()));
        }
        if let (Some(labels), Some(index)) = (&mut table.labels, roles.label) {
            let cells = column(index);
            let wrong = |i| Error::cell(path, row(i), &names[index], EXPECTED_LABEL, display(cells, i));
            if is_text(cells.data_type()) {
                let texts = cast(cells, &DataType::LargeUtf8).map_err(damaged)?;
                for (i, text) in texts.as_string::<i64>().iter().enumerate() {
                    labels.push(label_of_text(text.unwrap_or_default().trim()).ok_or_else(|| wrong(i))?);
                }
            } else {
                let numbers = cast(cells, &DataType::Float64).map_err(damaged)?;
                for (i, number) in numbers.as_primitive::<Float64Type>().iter().enumerate() {
                    labels.push(label_of(number.unwrap_or(f64::NAN)).ok_or_else(|| wrong(i))?);
                }
            }
        }
        let n_channels = roles.values.len();
        let first = table.values.len();
        table.values.resize(first + batch.num_rows() * n_channels, f64::NAN);
        for (channel, &index) in roles.values.iter().enumerate() {
            let numbers = cast(column(index), &DataType::Float64).map_err(damaged)?;
            let cells = table.values[first + channel..].iter_mut().step_by(n_channels);
            for (cell, number) in cells.zip(numbers.as_primitive::<Float64Type>()) {
                *cell = number.unwrap_or(f64::NAN);
            }
        }
        if let Some(index) = roles.time {
            push_times(&mut table, &names[index], column(index)).map_err(|trouble| match trouble {
                Ok(error) => error,
                Err(source) => damaged(source),
            })?;
        }
        table.n_rows += batch.num_rows();
    }
    Ok(table)
}

/// Adds a batch of timestamps. Its error is the cell's, or that of the conversion.
fn push_times(
    table: &mut Table,
    column: &str,
    cells: &ArrayRef,
) -> std::result::Result<(), std::result::Result<Error, ArrowError>> {
    type Read = std::result::Result<(TimeFormat, i64), Trouble>;
    let cast = |ty: &DataType| cast(cells, ty).map_err(Err);
    let mut push = |i: usize, read: Read| table.push_time(column, read, || display(cells, i)).map_err(Ok);
    match cells.data_type() {
        ty if is_text(ty) => {
            let texts = cast(&DataType::LargeUtf8)?;
            let read = |text: Option<&str>| text.map_or(Err(Trouble::Form), read_timestamp);
            texts.as_string::<i64>().iter().enumerate().try_for_each(|(i, text)| push(i, read(text)))
        }
        ty if ty.is_floating() => {
            let numbers = cast(&DataType::Float64)?;
            let read = |number: Option<f64>| number.and_then(integral).map_or(Err(Trouble::Form), read_integer);
            numbers.as_primitive::<Float64Type>().iter().enumerate().try_for_each(|(i, number)| push(i, read(number)))
        }
        ty => {
            // The integers of a date are days or milliseconds, those of a timestamp its units, whatever its zone.
            let (format, nanos) = match ty {
                DataType::Timestamp(unit, zone) => {
                    let format = if zone.is_some() { TimeFormat::Rfc3339 } else { TimeFormat::Civil };
                    (Some(format), nanos(*unit))
                }
                DataType::Date32 => (Some(TimeFormat::Civil), crate::series::NANOS_PER_DAY),
                DataType::Date64 => (Some(TimeFormat::Civil), nanos(TimeUnit::Millisecond)),
                _ => (None, 1),
            };
            let integers = if *ty == DataType::Date32 { cast(&DataType::Int32)? } else { cells.clone() };
            let integers = arrow::compute::cast(&integers, &DataType::Int64).map_err(Err)?;
            let read = |integer: Option<i64>| match (integer, format) {
                (None, _) => Err(Trouble::Form),
                (Some(integer), None) => read_integer(integer),
                (Some(integer), Some(format)) => {
                    integer.checked_mul(nanos).map(|timestamp| (format, timestamp)).ok_or(Trouble::Range)
                }
            };
            integers.as_primitive::<Int64Type>().iter().enumerate().try_for_each(|(i, integer)| push(i, read(integer)))
        }
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

fn kind(ty: &DataType) -> Kind {
    if is_number(ty) { Kind::Number } else { Kind::Other }
}

fn is_number(ty: &DataType) -> bool {
    ty.is_integer() || ty.is_floating()
}

fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn is_time(ty: &DataType) -> bool {
    is_number(ty) || is_text(ty) || matches!(ty, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// A cell for a message.
fn display(cells: &ArrayRef, i: usize) -> String {
    if cells.is_null(i) {
        return "null".to_owned();
    }
    array_value_to_string(cells, i).unwrap_or_else(|_| format!("a value of the type {}", cells.data_type()))
}

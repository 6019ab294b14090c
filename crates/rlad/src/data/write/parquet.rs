//! Writing Parquet files: their columns, and how they are compressed.

use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow_array::{
    Array, ArrayRef, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{Field, Schema};

use super::{TimeColumn, label_number, write_atomically};
use crate::data::dataset::DataSet;
use crate::data::label::Truth;
use crate::data::series::{Series, TimeFormat};
use crate::error::Result;

/// Writes a data set, a batch a series. `timed`: whether series have timestamps.
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
pub(super) fn write_dataset(path: &Path, names: &[String], data: &DataSet, timed: bool) -> Result<()> {
    let has_truth = data.has_truth();
    let time_column = TimeColumn::of(data.series.iter().map(Series::time_format));
    let batch = |(series, truth): (&Series, Option<&Truth>)| {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![series.name(); series.len()]))];
        if timed {
            columns.push(time_column.array(series.time_format(), series.timestamps()));
        }
        for channel in 0..series.n_channels() {
            let values = series.values()[channel..].iter().step_by(series.n_channels());
            columns.push(floats(values.copied()));
        }
        if has_truth {
            columns
                .push(Arc::new(Int8Array::from_iter(labels(series, truth).map(|label| (label >= 0).then_some(label)))));
        }
        columns
    };
    write_batches(path, names, data.iter().map(batch))
}

/// Writes a Parquet file of record batches; the first tells the types, and there is at least one.
///
/// # Errors
/// [`Error::Write`](crate::Error::Write).
fn write_batches(path: &Path, names: &[String], mut batches: impl Iterator<Item = Vec<ArrayRef>>) -> Result<()> {
    let first = batches.next().expect("at least one batch");
    let schema = schema(names, &first);
    write_atomically(path, |file| {
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties()))?;
        for columns in std::iter::once(first).chain(batches) {
            let batch = RecordBatch::try_new(schema.clone(), columns).expect("columns of one length and type");
            writer.write(&batch)?;
        }
        writer.close()?;
        Ok(())
    })
}

/// The schema of a file with columns like these.
pub(crate) fn schema(names: &[String], columns: &[ArrayRef]) -> Arc<Schema> {
    let fields = names.iter().zip(columns).map(|(name, column)| Field::new(name, column.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How Parquet files are written.
pub(crate) fn properties() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build()
}

impl TimeColumn {
    /// Timestamps in nanoseconds (or indices) as a column of this type.
    pub(crate) fn array(self, format: TimeFormat, timestamps: &[i64]) -> ArrayRef {
        let nanos = || TimestampNanosecondArray::from(timestamps.to_vec());
        match self {
            Self::Integer => {
                let units = timestamps.iter().map(|&timestamp| format.to_unit(timestamp));
                Arc::new(Int64Array::from_iter_values(units))
            }
            Self::Zoned => Arc::new(nanos().with_timezone("UTC")),
            Self::Civil => Arc::new(nanos()),
            Self::Text => {
                Arc::new(StringArray::from_iter_values(timestamps.iter().map(|&timestamp| format.format(timestamp))))
            }
        }
    }
}

/// Numbers as a column; NaN is null.
pub(crate) fn floats(numbers: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(numbers.map(|number| (!number.is_nan()).then_some(number)).collect::<Float64Array>())
}

/// The label of each point as a number: 0, 1, or -1 for unknown.
pub(crate) fn labels(series: &Series, truth: Option<&Truth>) -> impl Iterator<Item = i8> {
    let label = move |point: usize| truth.and_then(|truth| truth.labels()[point]);
    (0..series.len()).map(move |point| label_number(label(point)))
}

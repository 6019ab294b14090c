//! Decoding a Parquet file, which may be damaged in a way at which the crate that decodes it panics.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use arrow_array::RecordBatch;

use crate::error::{Cause, Error, Result};

pub(super) fn not_parquet(path: &Path, source: impl Into<Cause>) -> Error {
    let expected = "a whole Parquet file".to_owned();
    Error::Format { path: path.to_owned(), expected, source: Some(source.into()) }
}

/// What decoding a part of a Parquet file gives. The crate that decodes panics at some damaged files, which are errors like others.
///
/// # Errors
/// [`Error::Format`].
pub(super) fn decoded<T, S>(
    path: &Path,
    decode: impl FnOnce(S) -> std::result::Result<T, Cause>,
    part: S,
) -> Result<T> {
    // What is decoded halfway is dropped.
    match catch_unwind(AssertUnwindSafe(|| decode(part))) {
        Ok(decoded) => decoded.map_err(|source| not_parquet(path, source)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be decoded");
            Err(not_parquet(path, text))
        }
    }
}

/// The batches of a file, up to the first that is damaged.
pub(super) struct Batches<'a> {
    path: &'a Path,
    reader: Option<ParquetRecordBatchReader>,
}

impl<'a> Batches<'a> {
    pub(super) fn of(path: &'a Path, builder: ParquetRecordBatchReaderBuilder<File>) -> Result<Self> {
        Ok(Self {
            path,
            reader: Some(decoded(
                path,
                |builder: ParquetRecordBatchReaderBuilder<File>| Ok(builder.build()?),
                builder,
            )?),
        })
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut reader = self.reader.take()?;
        let decode = |reader: &mut ParquetRecordBatchReader| Ok(reader.next().transpose()?);
        let batch = decoded(self.path, decode, &mut reader).transpose();
        if matches!(batch, Some(Ok(_))) {
            self.reader = Some(reader);
        }
        batch
    }
}

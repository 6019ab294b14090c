//! The features of a data set as a file, so that other programs learn from what the agent sees.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int8Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;

use crate::data::dataset::DataSet;
use crate::data::label::Truth;
use crate::data::read::{Form, form_of};
use crate::data::series::{Part, Series};
use crate::data::write::parquet::{labels, properties};
use crate::data::write::{TimeColumn, has_timestamps, one_set_of_channels, write_atomically};
use crate::error::{Error, Result};
use crate::features::feature::Feature;
use crate::features::scale::Scale;
use crate::features::state::encode;

/// Writes the features of every point of a data set to a Parquet file, as an agent sees them that is trained on the part
/// `training` of each series.
///
/// The columns are `series`, `timestamp` (`index` where series have no timestamps), one a feature, and `label` (0, 1, or -1 for
/// unknown; left out where no series has a truth). A feature's column is a 32-bit float named as the feature is written
/// (`median:60`), after its channel and a dot where there are several channels (`cpu.median:60`). Each row is that of
/// `encode`, bit for bit; a missing point has a row too. Series stand in the order of the data, each in row groups of
/// its own, and only one series' features are held at a time. After each series `written` is told how many points are done.
///
/// # Errors
/// [`Error::Setting`] for a feature that is out of its range, that stands twice, or if there is none; [`Error::Empty`] without a
/// series; [`Error::Format`] if `path` does not end in `.parquet`, if the series differ in their channels, or if some have
/// timestamps and some have none; [`Error::Shape`] where a truth has not the length of its series; [`Error::Write`].
pub fn write_features(
    path: &Path,
    data: &DataSet,
    features: &[Feature],
    training: Part,
    mut written: impl FnMut(usize),
) -> Result<()> {
    if form_of(path).ok() != Some(Form::Parquet) {
        let expected = "a file whose name ends in `.parquet`".to_owned();
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }
    check(features)?;
    data.check()?;
    let channels = one_set_of_channels(path, data)?;
    let forms: Vec<_> = data.series.iter().map(|series| (series.name(), series.time_format())).collect();
    let time = if has_timestamps(path, &forms)? { "timestamp" } else { "index" };
    let time_column = TimeColumn::of(forms.iter().map(|(_, format)| *format));
    let has_truth = data.has_truth();

    let mut names = vec!["series".to_owned(), time.to_owned()];
    names.extend(channels.iter().flat_map(|channel| {
        features
            .iter()
            .map(move |feature| if channels.len() == 1 { feature.to_string() } else { format!("{channel}.{feature}") })
    }));
    names.extend(has_truth.then(|| "label".to_owned()));

    let columns = |(series, truth): (&Series, Option<&Truth>)| {
        let encoded = encode(series, features, &Scale::fit(series, series.part(training)));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![series.name(); series.len()])),
            time_column.array(series.time_format(), series.timestamps()),
        ];
        columns.extend((0..encoded.n_features()).map(|feature| -> ArrayRef {
            let values = encoded.rows()[feature..].iter().step_by(encoded.n_features());
            Arc::new(Float32Array::from_iter_values(values.copied()))
        }));
        if has_truth {
            columns.push(Arc::new(Int8Array::from_iter_values(labels(series, truth))));
        }
        columns
    };
    let mut batches = data.iter().map(columns);
    let first = batches.next().expect("a data set with channels has a series");
    let fields = names.iter().zip(&first).map(|(name, column)| Field::new(name, column.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    write_atomically(path, |file| {
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties()))?;
        let mut n_written = 0;
        for columns in std::iter::once(first).chain(batches) {
            let batch = RecordBatch::try_new(schema.clone(), columns).expect("columns of one length and type");
            writer.write(&batch)?;
            writer.flush()?;
            n_written += batch.num_rows();
            written(n_written);
        }
        writer.close()?;
        Ok(())
    })
}

/// Refuses features that cannot be encoded or told apart by their names.
fn check(features: &[Feature]) -> Result<()> {
    if features.is_empty() {
        return Err(Error::setting("state.features", "at least one feature", "none"));
    }
    for (i, feature) in features.iter().enumerate() {
        feature.validate()?;
        if features[..i].contains(feature) {
            return Err(Error::setting(
                "state.features",
                "features that differ, for a file with a column each",
                format!("`{feature}` twice"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::slice;

    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float32Type, Int8Type, Int64Type};
    use arrow_schema::DataType;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::data::label::Label;
    use crate::data::series::TimeFormat;
    use crate::features::feature::Trailing;

    const FEATURES: [Feature; 3] = [Feature::MinMax, Feature::Difference(1), Feature::Median(Trailing::Points(10))];

    /// A series of some values a second apart, one row a point, and its truth.
    type Member = (Series, Option<Truth>);

    fn member(name: &str, channels: &[&str], format: TimeFormat, rows: &[f64], truth: Option<Truth>) -> Member {
        let n_points = i64::try_from(rows.len() / channels.len()).unwrap();
        let step = if format == TimeFormat::Index { 1 } else { crate::data::NANOS_PER_SECOND };
        let timestamps = (0..n_points).map(|point| point * step).collect();
        let channels = channels.iter().map(|channel| (*channel).to_owned()).collect();
        (Series::new(name, channels, format, timestamps, rows.to_vec(), None).unwrap(), truth)
    }

    fn written(members: Vec<Member>, training: Part) -> (Vec<RecordBatch>, usize, Vec<usize>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.parquet");
        let mut progress = Vec::new();
        write_features(&path, &members.into_iter().collect(), &FEATURES, training, |n| progress.push(n)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let n_row_groups = builder.metadata().num_row_groups();
        (builder.build().unwrap().map(|batch| batch.unwrap()).collect(), n_row_groups, progress)
    }

    fn floats(batch: &RecordBatch, name: &str) -> Vec<f32> {
        let column = batch.column_by_name(name).unwrap();
        assert_eq!((column.data_type(), column.null_count()), (&DataType::Float32, 0), "{name}");
        column.as_primitive::<Float32Type>().values().to_vec()
    }

    #[test]
    fn every_point_has_the_views_that_the_agent_sees() {
        let rows: Vec<f64> = (0..40).map(|i| f64::from(i * i % 17)).chain([f64::NAN, 99.0]).collect();
        let truth = Truth::new((0..42).map(|i| [Some(Label::Normal), Some(Label::Anomaly), None][i % 3]).collect());
        let a = member("a", &["x"], TimeFormat::Seconds, &rows, Some(truth));
        let b = member("b", &["x"], TimeFormat::Milliseconds, &rows[..5], None);
        let training = "..0.5".parse().unwrap();
        let (batches, n_row_groups, progress) = written(vec![a.clone(), b], training);
        assert_eq!((n_row_groups, progress), (2, vec![42, 47]));
        let names: Vec<String> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["series", "timestamp", "min-max", "difference:1", "median:10", "label"]);

        let all = arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap();
        let series = all.column(0).as_string::<i32>();
        assert_eq!((series.value(41), series.value(42)), ("a", "b"));
        let timestamps = all.column(1).as_primitive::<Int64Type>();
        assert_eq!((timestamps.value(41), timestamps.value(46)), (41, 4_000), "each in its own unit");
        let labels = all.column(5).as_primitive::<Int8Type>();
        assert_eq!(labels.values()[..4], [0, 1, -1, 0]);
        assert!(labels.values()[42..].iter().all(|label| *label == -1), "no truth is unknown");

        let encoded = encode(&a.0, &FEATURES, &Scale::fit(&a.0, 0..21));
        for (index, feature) in FEATURES.iter().enumerate() {
            let column = floats(&all, &feature.to_string());
            let expected: Vec<f32> = (0..42).map(|point| encoded.row(point)[index]).collect();
            assert_eq!(column[..42], expected, "{feature}");
        }
        // The training part ends before the 99, so its range is 0 to 16.
        assert_eq!(floats(&all, "min-max")[41].to_bits(), 2.0_f32.to_bits());
    }

    #[test]
    fn features_of_several_channels_are_named_after_them() {
        let (batches, ..) = written(vec![member("a", &["x", "y"], TimeFormat::Index, &[0.0; 8], None)], Part::ALL);
        let names: Vec<String> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
        let expected = ["x.min-max", "x.difference:1", "x.median:10", "y.min-max", "y.difference:1", "y.median:10"];
        assert_eq!(
            (names[0].as_str(), names[1].as_str(), &names[2..]),
            ("series", "index", &expected.map(str::to_owned)[..])
        );
    }

    #[test]
    fn what_one_table_cannot_hold_is_refused() {
        let path = Path::new("never.parquet");
        let refuse = |path: &Path, members: &[Member], features: &[Feature]| {
            let data = members.iter().cloned().collect();
            let error = write_features(path, &data, features, Part::ALL, |_| {}).unwrap_err();
            assert!(!path.exists());
            error
        };
        let one = |name, channel, format| member(name, &[channel], format, &[1.0, 2.0], None);
        let a = one("a", "x", TimeFormat::Seconds);
        assert!(matches!(refuse(Path::new("never.csv"), slice::from_ref(&a), &FEATURES), Error::Format { .. }));
        assert!(matches!(refuse(path, &[], &FEATURES), Error::Empty { .. }));
        for other in [one("b", "y", TimeFormat::Seconds), one("b", "x", TimeFormat::Index)] {
            assert!(matches!(refuse(path, &[a.clone(), other], &FEATURES), Error::Format { .. }));
        }
        for features in [&[][..], &[Feature::Difference(0)], &[Feature::Value, Feature::Season, Feature::Value]] {
            assert!(matches!(refuse(path, slice::from_ref(&a), features), Error::Setting { .. }), "{features:?}");
        }
    }
}

//! Yahoo Webscope S5.

use std::path::Path;

use crate::data::dataset::DataSet;
use crate::data::read::{Find, Note, Notes, Repeated, Wanted, read_files_as};
use crate::data::series::{NANOS_PER_SECOND, Series, TimeFormat};
use crate::error::Result;

/// The timestamps of A1 count hours and stay below this; those of the others are seconds since 1970 and stay above.
const MAX_HOURS: i64 = 1_000_000 * NANOS_PER_SECOND;

pub(super) fn import(path: &Path) -> Result<(DataSet, Notes)> {
    let wanted = Wanted {
        series: Find::Absent,
        time: Find::Required,
        values: vec!["value".to_owned()],
        label: Find::Required,
        ..Wanted::default()
    };
    let keep = |file: &Path| !file.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_all"));
    let (mut data, mut notes) = read_files_as(path, &wanted, Repeated::Refuse, keep)?;
    // Hours that begin at 1 are how the data set is.
    notes.leave_out(Note::EarlyTimes);
    // Where the folder of one benchmark, or a file in it, was given, the name of that folder is missing.
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    let folder = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let folder = folder.filter(|name| name.starts_with('A') && name.ends_with("Benchmark"));
    for series in &mut data.series {
        let name =
            folder.as_ref().map_or_else(|| series.name().to_owned(), |folder| format!("{folder}/{}", series.name()));
        let in_hours = series.time_format() == TimeFormat::Seconds
            && series.timestamps().iter().all(|t| (0..MAX_HOURS).contains(t));
        let unit = if in_hours { 3_600 } else { 1 };
        let timestamps = series.timestamps().iter().map(|timestamp| timestamp * unit).collect();
        let (channels, values) = (series.channels().to_vec(), series.values().to_vec());
        *series = Series::new(name, channels, series.time_format(), timestamps, values, None)?;
    }
    Ok((data, notes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows in the form of the data set; none of its values.
    #[test]
    fn hours_become_seconds_and_both_forms_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("A1Benchmark")).unwrap();
        std::fs::create_dir(path("A3Benchmark")).unwrap();
        std::fs::write(path("A1Benchmark/real_1.csv"), "timestamp,value,is_anomaly\n1,0.5,0\n2,0.25,1\n3,0.5,0\n")
            .unwrap();
        let header = "timestamps,value,anomaly,changepoint,trend,noise,seasonality1,seasonality2,seasonality3\n";
        let rows = "1416726000,1.5,0,0,1,2,3,4,5\n1416729600,2.5,1,0,1,2,3,4,5\n";
        for name in ["A3Benchmark/A3Benchmark-TS1.csv", "A3Benchmark/A3Benchmark_all.csv"] {
            std::fs::write(path(name), format!("{header}{rows}")).unwrap();
        }
        let (data, notes) = import(folder.path()).unwrap();
        assert!(notes.sentences().is_empty(), "{:?}", notes.sentences());
        let [a1, a3] = &data.series[..] else { panic!("two series") };
        assert_eq!((a1.name(), a1.step()), ("A1Benchmark/real_1", 3_600 * NANOS_PER_SECOND));
        assert_eq!(a1.clock().slots_per_day(), Some(24));
        assert_eq!(data.truths[0].as_ref().unwrap().n_anomalies(), 1);
        assert_eq!((a3.name(), a3.values()), ("A3Benchmark/A3Benchmark-TS1", &[1.5, 2.5][..]));
        assert_eq!(a3.timestamps()[0], 1_416_726_000 * NANOS_PER_SECOND);
        for given in ["A1Benchmark", "A1Benchmark/real_1.csv"] {
            assert_eq!(import(&path(given)).unwrap().0.series[0], *a1);
        }
    }
}

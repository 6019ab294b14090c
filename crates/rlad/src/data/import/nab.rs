//! The Numenta Anomaly Benchmark.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::dataset::DataSet;
use crate::data::label::{Label, Truth};
use crate::data::read::{Find, Note, Notes, Repeated, Wanted, read_as};
use crate::data::series::TimeFormat;
use crate::error::{Error, Result};

pub(super) fn import(path: &Path) -> Result<(DataSet, Notes)> {
    let windows = windows(&path.join("labels").join("combined_windows.json"))?;
    let wanted = Wanted { series: Find::Absent, time: Find::Required, label: Find::Absent, ..Wanted::default() };
    let (mut data, mut notes) = read_as(&path.join("data"), &wanted, Repeated::KeepFirst)?;
    // NAB keeps a text about its files among them.
    notes.leave_out(Note::OtherFile);
    for (series, truth) in data.series.iter().zip(&mut data.truths) {
        let Some(windows) = windows.get(&format!("{}.csv", series.name())) else {
            notes.add(Note::NoTruth, format!("`{}`", series.name()));
            continue;
        };
        let label = |timestamp| {
            let inside = windows.iter().any(|&[first, last]| first <= timestamp && timestamp <= last);
            Some(if inside { Label::Anomaly } else { Label::Normal })
        };
        *truth = Some(Truth::new(series.timestamps().iter().copied().map(label).collect()));
    }
    Ok((data, notes))
}

/// The windows of each file, as timestamps in nanoseconds, both ends included.
fn windows(path: &Path) -> Result<BTreeMap<String, Vec<[i64; 2]>>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let format = |expected: &str| Error::Format { path: path.to_owned(), expected: expected.to_owned(), source: None };
    let of_file: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&text).map_err(|source| Error::Format {
        path: path.to_owned(),
        expected: "a JSON object from each file to its windows, `[[start, end], …]`".to_owned(),
        source: Some(source.into()),
    })?;
    let timestamp = |text: &String| {
        TimeFormat::Civil.parse(text).ok_or_else(|| {
            format(&format!("a file of windows between `YYYY-MM-DD HH:MM:SS` timestamps: it has `{text}`"))
        })
    };
    let window = |[first, last]: &[String; 2]| {
        let window = [timestamp(first)?, timestamp(last)?];
        if window[0] <= window[1] {
            return Ok(window);
        }
        Err(format(&format!("a file of windows that end after they begin: it has one from {first} to {last}")))
    };
    of_file.into_iter().map(|(file, windows)| Ok((file, windows.iter().map(window).collect::<Result<_>>()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_window_are_anomalous() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("data/real")).unwrap();
        std::fs::create_dir(path("labels")).unwrap();
        let rows = "timestamp,value\n2014-11-02 01:00:00,1\n2014-11-02 01:05:00,2\n2014-11-02 01:00:00,3\n\
                    2014-11-02 01:10:00,4\n2014-11-02 01:15:00,5\n";
        std::fs::write(path("data/real/x.csv"), rows).unwrap();
        std::fs::write(path("data/real/unlabelled.csv"), rows).unwrap();
        std::fs::write(path("data/README.md"), "").unwrap();
        let labels = path("labels/combined_windows.json");
        std::fs::write(&labels, r#"{"real/x.csv": [["2014-11-02 01:05:00.000000", "2014-11-02 01:10:00.000000"]]}"#)
            .unwrap();
        let (data, notes) = import(folder.path()).unwrap();
        let x = &data.series[1];
        let [None, Some(truth)] = &data.truths[..] else { panic!("two series, one with labels") };
        assert_eq!((x.name(), x.values()), ("real/x", &[1.0, 2.0, 4.0, 5.0][..]));
        let anomalous = truth.labels().iter().map(|label| *label == Some(Label::Anomaly));
        assert_eq!(anomalous.collect::<Vec<_>>(), [false, true, true, false]);
        assert_eq!(
            notes.sentences(),
            [
                "no labels: `real/unlabelled`",
                "rows sorted by time: `real/unlabelled`, `real/x`",
                "rows dropped that repeat a timestamp, the first kept: `real/unlabelled` (1), `real/x` (1)",
            ]
        );

        for (text, problem) in [
            ("[]", "is not a JSON object from each file to its windows"),
            (r#"{"x.csv": [["2014-11-02", "soon"]]}"#, "it has `soon`"),
            (r#"{"x.csv": [["2014-11-02", "2014-11-01"]]}"#, "that end after they begin"),
        ] {
            std::fs::write(&labels, text).unwrap();
            let message = import(folder.path()).unwrap_err().to_string();
            assert!(message.contains(problem), "{message}");
        }
    }
}

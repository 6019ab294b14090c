//! Importing the public data sets of this field, in the forms in which they are given out.

mod nab;
mod yahoo;

use std::path::Path;

use crate::data::dataset::DataSet;
use crate::data::read::{Find, Note, Notes, Repeated, Wanted, read_as};
use crate::error::{Error, Result};

/// A public data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Numenta Anomaly Benchmark: a folder with `data/` and `labels/combined_windows.json`.
    Nab,
    /// The KPI data of the AIOps challenge 2018: a CSV file with the columns `timestamp,value,label,KPI ID`, or the same as
    /// Parquet, or a folder of such files.
    Kpi,
    /// Yahoo Webscope S5: the folder with `A1Benchmark` to `A4Benchmark`, one of these, or one file. It may be had from its
    /// owner only.
    YahooS5,
    /// TSB-AD: a file or folder of `Data,Label` (univariate) or many columns and `Label` (multivariate).
    TsbAd,
}

impl Source {
    /// All sources.
    pub const ALL: [Self; 4] = [Self::Nab, Self::Kpi, Self::YahooS5, Self::TsbAd];
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nab => "nab",
            Self::Kpi => "kpi",
            Self::YahooS5 => "yahoo-s5",
            Self::TsbAd => "tsb-ad",
        })
    }
}

impl std::str::FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|source| source.to_string() == text);
        named.ok_or_else(|| Error::setting("source", "one of `nab`, `kpi`, `yahoo-s5`, `tsb-ad`", format!("`{text}`")))
    }
}

/// Reads a public data set as it was given out.
///
/// * [`Source::Nab`]: the points in a window, both ends included, are anomalous, all others normal. A series is named by its
///   path below `data/`, without `.csv`. Some files repeat an hour where summer time ends: of rows with one timestamp the
///   first is kept, and a note says so.
/// * [`Source::Kpi`]: as [`read`](crate::data::read()) reads it; each row has a label.
/// * [`Source::YahooS5`]: a series is named by its path with the benchmark's folder (`A1Benchmark/real_1`). The timestamps of
///   A1 count hours from 1; they become seconds, so that there are days. The files `…_all.csv`, which repeat the others, are
///   left out.
/// * [`Source::TsbAd`]: a series is named after its file and has no timestamps. The number of points for training, which
///   stands in the name (`…_tr_1007_…`), is told in the notes.
///
/// # Errors
/// Those of [`read`](crate::data::read()); [`Error::Format`] if a file lacks a column, if the labels of NAB are no such labels, or for the HDF5 file in which
/// the test set of KPI comes.
pub fn import(source: Source, path: &Path) -> Result<DataSet> {
    let imported = match source {
        Source::Nab => nab::import(path),
        Source::Kpi => kpi(path),
        Source::YahooS5 => yahoo::import(path),
        Source::TsbAd => tsb_ad(path),
    };
    let (data, notes) = imported.map_err(|error| error.unlike(&format!("a file of `{source}`")))?;
    Ok(DataSet { notes: notes.sentences(), ..data })
}

fn kpi(path: &Path) -> Result<(DataSet, Notes)> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if matches!(extension.as_str(), "hdf" | "h5" | "hdf5") {
        let expected =
            "a CSV or Parquet file: convert it, for example with `pandas.read_hdf(…).to_parquet(…)`".to_owned();
        return Err(Error::Format { path: path.to_owned(), expected, source: None });
    }
    let wanted = Wanted { time: Find::Required, label: Find::Required, ..Wanted::default() };
    read_as(path, &wanted, Repeated::Refuse)
}

fn tsb_ad(path: &Path) -> Result<(DataSet, Notes)> {
    let wanted = Wanted {
        series: Find::Absent,
        time: Find::Absent,
        label: Find::Named(vec!["Label".to_owned()]),
        ..Wanted::default()
    };
    let (data, mut notes) = read_as(path, &wanted, Repeated::Refuse)?;
    // That there is no column for the time is how the data set is.
    notes.leave_out(Note::NoTime);
    for series in &data.series {
        let name = series.name();
        if let Some(length) = training_length(name) {
            notes.add(Note::TrainingLength, format!("the first {length} of `{name}`"));
        }
    }
    Ok((data, notes))
}

/// The number of training points in a name like `001_NAB_id_1_Facility_tr_1007_1st_2014`.
fn training_length(name: &str) -> Option<usize> {
    let (_, tail) = name.rsplit_once("_tr_")?;
    tail.split('_').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::label::Label;
    use crate::data::series::{Series, TimeFormat};

    #[test]
    fn sources_are_named_as_they_are_written() {
        for source in Source::ALL {
            assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        }
        assert!("yahoo".parse::<Source>().unwrap_err().to_string().contains("yahoo-s5"));
    }

    #[test]
    fn tsb_ad_has_no_time_and_tells_the_training_length() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("001_NAB_id_1_Facility_tr_1007_1st_2014.csv", "Data,Label\n1.5,0\n2.5,1\n");
        write("002_SMD_id_1_Facility_tr_2_1st_9.csv", "time,id,Label\n1,2,0\n3,4,1\n");
        let data = import(Source::TsbAd, folder.path()).unwrap();
        let [uni, multi] = &data.series[..] else { panic!("two series") };
        assert_eq!(uni.name(), "001_NAB_id_1_Facility_tr_1007_1st_2014");
        assert_eq!((uni.time_format(), uni.values()), (TimeFormat::Index, &[1.5, 2.5][..]));
        assert_eq!(data.truths[0].as_ref().unwrap().labels(), [Some(Label::Normal), Some(Label::Anomaly)]);
        assert_eq!(multi.channels(), ["time", "id"]);
        assert_eq!(
            data.notes,
            [
                "points for training by the file's name: the first 1007 of `001_NAB_id_1_Facility_tr_1007_1st_2014`, the first \
             2 of `002_SMD_id_1_Facility_tr_2_1st_9`"
            ]
        );
    }

    #[test]
    fn kpi_has_labels_and_says_what_to_do_with_hdf() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.csv");
        std::fs::write(
            &path,
            "timestamp,value,label,KPI ID\n1476460800,0.01,0,b\n1476460860,0.02,1,b\n1476460800,3,0,a\n",
        )
        .unwrap();
        let data = import(Source::Kpi, &path).unwrap();
        assert_eq!(data.series.iter().map(Series::name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(data.truths[1].as_ref().unwrap().n_anomalies(), 1);
        let message = import(Source::Kpi, Path::new("ground_truth.hdf")).unwrap_err().to_string();
        assert!(message.contains("read_hdf"), "{message}");
        std::fs::write(&path, "timestamp,value\n1476460800,0.01\n").unwrap();
        assert!(matches!(import(Source::Kpi, &path), Err(Error::Format { .. })));
    }
}

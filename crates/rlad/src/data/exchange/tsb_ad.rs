//! TSB-AD: the channels and `Label`, a row a point, without names and times.
//!
//! `Label` is 1 or 0; it is empty where it is unknown, and TSB-AD's own reader drops such a row as it drops one with a missing
//! value. An expected event is 0.25, which that reader takes as 0 when it turns labels into integers. Data of one series are a
//! file just as TSB-AD has it; of data of several, they are one below the other, told apart by a first column `series`, which
//! TSB-AD does not read: it takes one series a file. That column is there too where only one of several has labels, so that
//! the file tells which one.
//!
//! Source: the files that are given out with TSB-AD, and its `Run_Custom_Detector.py`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use super::collect::Collected;
use super::names::Names;
use super::rows::Rows;
use super::{Imported, LabelFormat, Member, spans};
use crate::data::label::Annotation;
use crate::data::read::number_of;
use crate::data::series::Series;
use crate::data::write::number;
use crate::error::Result;

/// The value of an expected event. It is rounded and cut off to 0 everywhere.
const EXPECTED_EVENT: &str = "0.25";

pub(super) fn write(members: &[Member<'_>], with_names: bool, out: &mut impl Write) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let n_channels = members.iter().map(|(series, _)| series.n_channels()).max().unwrap_or(1);
    let header =
        with_names.then(|| "series".to_owned()).into_iter().chain(channels(members)).chain(["Label".to_owned()]);
    writer.write_record(header)?;
    for (series, spans) in members {
        let mut label = spans::labels(spans);
        for point in 0..series.len() {
            if with_names {
                writer.write_field(series.name())?;
            }
            let row = series.row(point);
            for channel in 0..n_channels {
                writer.write_field(row.get(channel).map_or_else(String::new, |&value| number(value)))?;
            }
            writer.write_field(match label(point) {
                None | Some(Annotation::Unknown) => "",
                Some(Annotation::Normal) => "0",
                Some(Annotation::Anomaly) => "1",
                Some(Annotation::Expected) => EXPECTED_EVENT,
            })?;
            writer.write_record(None::<&[u8]>)?;
        }
    }
    writer.flush()
}

/// The names of the columns of values: as TSB-AD has them where there is one channel, the channels' own where all series have
/// the same, and `Data 1`, `Data 2` and so on where they differ or a name would be taken for another column.
fn channels(members: &[Member<'_>]) -> Vec<String> {
    let n_channels = members.iter().map(|(series, _)| series.n_channels()).max().unwrap_or(1);
    if n_channels == 1 {
        return vec!["Data".to_owned()];
    }
    let first = members[0].0.channels();
    let same = members.iter().all(|(series, _)| series.channels() == first);
    let mut seen = BTreeSet::from(["series".to_owned(), "label".to_owned()]);
    if same && first.iter().all(|name| seen.insert(name.to_lowercase())) {
        return first.to_vec();
    }
    (1..=n_channels).map(|number| format!("Data {number}")).collect()
}

pub(super) fn read(path: &Path, bytes: &[u8], series: &[Series]) -> Result<Imported> {
    let mut rows = Rows::open(LabelFormat::TsbAd, path, bytes)?;
    let label_column = rows.column(&["Label"])?;
    let has_names = rows.names()[0].eq_ignore_ascii_case("series") && label_column > 0;
    let names = Names::new(series);
    let mut collected = Collected::new(series);
    let mut n_rows = BTreeMap::<usize, usize>::new();
    let of_file = if has_names { None } else { of_path(path, series, &names) };
    while rows.next()? {
        let label = label(&rows, label_column)?;
        let index = if has_names { names.get(&rows.text(0)?) } else { of_file };
        let Some(index) = index else {
            if has_names {
                collected.unknown(&rows.text(0)?);
            }
            continue;
        };
        let point = n_rows.entry(index).or_default();
        if *point == series[index].len() {
            let (name, len) = (series[index].name(), series[index].len());
            let problem = format!("its row {} is one too many for the {len} points of series `{name}`", rows.row());
            return Err(rows.refuse(problem));
        }
        collected.row(index, *point, label);
        *point += 1;
    }
    if let Some((&index, n_rows)) = n_rows.iter().find(|&(&index, &n_rows)| n_rows < series[index].len()) {
        let (name, len) = (series[index].name(), series[index].len());
        return Err(rows.refuse(format!("it has {n_rows} of the {len} rows for the points of series `{name}`")));
    }
    if !has_names && of_file.is_none() {
        collected.unknown(&stem(path));
    }
    Ok(collected.finish())
}

fn label(rows: &Rows<'_>, column: usize) -> Result<Option<Annotation>> {
    let text = rows.text(column)?;
    let is_expected = number_of(text.trim()).is_some_and(|number| number.to_string() == EXPECTED_EVENT);
    if is_expected { Ok(Some(Annotation::Expected)) } else { rows.label(column) }
}

/// The series that a file without names is of: that of its name, or the only one.
fn of_path(path: &Path, series: &[Series], names: &Names<'_>) -> Option<usize> {
    let path = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
    let by_name = names.of_files(&[&path])[0].or_else(|| names.of_file(&stem(Path::new(&path))));
    by_name.or_else(|| (series.len() == 1).then_some(0))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

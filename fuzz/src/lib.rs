//! What the fuzz targets do with bytes, and the seeds that they begin with.
//!
//! A target takes the bytes of a file that somebody else made. Whatever they are, what reads them ends with a value or an error: it does
//! not panic (sums that overflow do, in these builds), hang, or take memory without bound; and what was read can be used.

#[path = "../../crates/rlad-cli/src/advice.rs"]
#[allow(dead_code, reason = "a part of the program")]
mod advice;
mod answer_log;
mod detectors;
pub mod seeds;

pub use answer_log::answer_log;
pub use detectors::{checkpoint, model};

use std::io::Write;
use std::path::{Path, PathBuf};

use rlad::data::{
    Calendar, Catalogue, DataSet, DecimalMark, Duplicates, FileForm, LabelFormat, NANOS_PER_SECOND, ReadOptions, TimeFormat,
    TimeUnit, export_labels, import_labels, read, read_scores, write_dataset, write_scores,
};
use rlad::{Config, Series};

/// A folder of its own for each process, in memory where the system has such a place.
fn folder() -> &'static Path {
    static FOLDER: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let make = || {
        let memory = Path::new("/dev/shm");
        let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        made.expect("a folder can be made")
    };
    FOLDER.get_or_init(make).path()
}

/// A file with these bytes.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("a file can be written");
    path
}

/// Hourly series for what needs data.
fn series(name: &str, format: TimeFormat, n_points: i64) -> Series {
    let unit = if format == TimeFormat::Index { 1 } else { 3_600 * NANOS_PER_SECOND };
    let times = (0..n_points).map(|i| (if format == TimeFormat::Index { 0 } else { 390_048 } + i) * unit).collect();
    let values = (0..n_points).map(|i| (i % 24) as f64 + if i % 37 == 31 { 40.0 } else { 0.0 }).collect();
    Series::new(name, vec!["value".to_owned()], format, times, values, None).expect("it is a series")
}

/// Both ways of reading a file, whose results must be the same, and what is done with series.
fn read_both_ways(name: &str, bytes: &[u8], options: &ReadOptions) {
    let paths = [file(name, bytes)];
    let whole = read(&paths, options);
    let by_name = Catalogue::of(&paths, options).and_then(|mut catalogue| {
        let names: Vec<String> = catalogue.series().iter().map(|series| series.name.clone()).collect();
        catalogue.read(&names)
    });
    let Ok(data) = whole else { return };
    let by_name = by_name.expect("what can be read can be read by name");
    assert_eq!(format!("{:?}", data.series), format!("{:?}", by_name.series), "both ways of reading give the same");
    assert_eq!(data.truths, by_name.truths);
    use_series(&data);
}

fn use_series(data: &DataSet) {
    for series in &data.series {
        let (format, clock) = (series.time_format(), series.clock());
        assert!(series.step() > 0);
        for &timestamp in [series.timestamps().first(), series.timestamps().last()].into_iter().flatten() {
            let text = format.format(timestamp);
            assert_eq!(format.parse(&text).map(|read| format.format(read)), Some(text));
            clock.slot(timestamp);
        }
    }
    // A name of a channel that would be taken for another column is an error.
    let path = folder().join("again.csv");
    if write_dataset(&path, data).is_ok() {
        read(&[path], &ReadOptions::default()).ok();
    }
    if data.series.iter().map(Series::len).sum::<usize>() <= 200 && data.series.len() <= 4 {
        let config = Config { questions: 2, ..detectors::small() };
        if let Ok(mut session) = rlad::Session::new(config, data.series.clone()) {
            session.query();
        }
    }
}

/// Options by the first byte, and the rest.
fn options(bytes: &[u8]) -> (ReadOptions, &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return (ReadOptions::default(), bytes) };
    let mut form = FileForm::default();
    match choice {
        b'1' => form.no_header = true,
        b'2' => form.wide = true,
        b'3' => form.decimal = Some(DecimalMark::Comma),
        b'4' => form.duplicates = Some(Duplicates::Mean),
        b'5' => form.counters = vec!["value".to_owned(), "cpu".to_owned()],
        b'6' => form.time_zone = Some("Europe/Berlin".to_owned()),
        b'7' => form.skip = 1,
        b'8' => form.time_unit = Some(TimeUnit::Excel),
        b'9' => (form.wide, form.counters) = (true, vec!["value".to_owned(), "cpu".to_owned()]),
        _ => {}
    }
    (ReadOptions { form, ..ReadOptions::default() }, rest)
}

/// A CSV file: the first byte says how it is read.
pub fn csv(bytes: &[u8]) {
    let (options, text) = options(bytes);
    read_both_ways("s.csv", text, &options);
}

/// A Parquet file.
pub fn parquet(bytes: &[u8]) {
    // A panic of the crate that decodes, which is caught, ends no run; one of our own still does.
    static QUIET: std::sync::Once = std::sync::Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| ())));
    read_both_ways("s.parquet", bytes, &ReadOptions::default());
}

/// A compressed file: as it is, by its first bytes; else what stands behind the first byte, compressed, so that the sums in the file are
/// right.
pub fn compressed(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice {
        b'g' => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(rest).expect("memory can be written to");
            let bytes = encoder.finish().expect("memory can be written to");
            read_both_ways("s.csv.gz", &bytes, &ReadOptions::default());
        }
        b'z' => {
            let bytes = zstd::encode_all(rest, 1).expect("memory can be written to");
            read_both_ways("s.csv.zst", &bytes, &ReadOptions::default());
        }
        _ => read_both_ways("s.csv", bytes, &ReadOptions::default()),
    }
}

/// A calendar of expected events: what was read is written, and read again as it was.
pub fn calendar(bytes: &[u8]) {
    let Ok(calendar) = Calendar::read(file("calendar.csv", bytes)) else { return };
    for hour in (-400_000..400_000).step_by(99_991).chain([i64::MIN / 3_600_000_000_000, i64::MAX / 3_600_000_000_000]) {
        calendar.contains("cpu", hour * 3_600 * NANOS_PER_SECOND);
    }
    for timestamp in [i64::MIN, i64::MAX] {
        calendar.contains("cpu", timestamp);
    }
    let again = folder().join("again.csv");
    calendar.write(&again).expect("a calendar can be written");
    assert_eq!(Calendar::read(&again).expect("what was written is read"), calendar);
}

/// A file of scores.
pub fn scores(bytes: &[u8]) {
    let Ok(scores) = read_scores(&file("scores.csv", bytes)) else { return };
    for one in &scores {
        one.events();
    }
    write_scores(&folder().join("again.csv"), &scores).ok();
}

/// Times: the first line is a pattern of `strptime` or empty, each other one a time.
pub fn times(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (pattern, cells) = text.split_once('\n').unwrap_or(("", text));
    for cell in cells.lines().take(8) {
        for format in [
            TimeFormat::Index,
            TimeFormat::Seconds,
            TimeFormat::DecimalSeconds,
            TimeFormat::Milliseconds,
            TimeFormat::Microseconds,
            TimeFormat::Nanoseconds,
            TimeFormat::Rfc3339,
            TimeFormat::Civil,
        ] {
            if let Some(timestamp) = format.parse(cell) {
                assert_eq!(format.parse(&format.format(timestamp)), Some(timestamp), "{format:?} `{cell}`");
            }
        }
        cell.parse::<rlad::config::Length>().ok();
        cell.parse::<rlad::data::Part>().ok();
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["time", "value"]).expect("memory can be written to");
    for (at, cell) in cells.lines().enumerate() {
        writer.write_record([cell, &at.to_string()]).expect("memory can be written to");
    }
    let bytes = writer.into_inner().expect("memory can be written to");
    let form = FileForm { time_format: (!pattern.is_empty()).then(|| pattern.to_owned()), ..FileForm::default() };
    read_both_ways("t.csv", &bytes, &ReadOptions { form, ..ReadOptions::default() });
}

/// A config.
pub fn config(bytes: &[u8]) {
    let Ok(config) = std::str::from_utf8(bytes).map_err(drop).and_then(|text| Config::from_toml(text).map_err(drop))
    else {
        return;
    };
    assert_eq!(Config::from_toml(&config.to_toml()).ok(), Some(config));
}

/// Labels in a form of another tool: what was read is written, and read again as the same.
fn labels(format: LabelFormat, bytes: &[u8]) {
    let timed = [series("cpu", TimeFormat::Civil, 12), series("disk", TimeFormat::Rfc3339, 7)];
    let one = [series("cpu", TimeFormat::Index, 12)];
    for data in [&timed[..], &one[..]] {
        let Ok(imported) = import_labels(format, Path::new("cpu.csv"), bytes, data) else { continue };
        let Ok(text) = export_labels(format, data, &imported.labels) else { continue };
        let again = import_labels(format, Path::new("cpu.csv"), text.as_bytes(), data);
        let again = again.unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(export_labels(format, data, &again.labels).ok(), Some(text));
    }
}

/// Labels of TRAINSET.
pub fn labels_trainset(bytes: &[u8]) {
    labels(LabelFormat::Trainset, bytes);
}

/// Windows of NAB.
pub fn labels_nab(bytes: &[u8]) {
    labels(LabelFormat::Nab, bytes);
}

/// Labels of TSB-AD.
pub fn labels_tsb_ad(bytes: &[u8]) {
    labels(LabelFormat::TsbAd, bytes);
}

/// Tasks of Label Studio.
pub fn labels_label_studio(bytes: &[u8]) {
    labels(LabelFormat::LabelStudio, bytes);
}

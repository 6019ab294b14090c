//! Scoring in groups gives the bytes that scoring everything at once gives.

use std::fmt::Write as _;
use std::fs;

use tempfile::TempDir;

use super::*;

const POINTS: usize = 300;

/// Rows of five series, one after another or by turns; one jumps once.
fn write_data(folder: &TempDir, name: &str, by_turns: bool) -> PathBuf {
    let names = ["e", "b", "c", "a", "d"];
    let row = |of: usize, point: usize| {
        let value = if (of, point) == (2, 200) { 50 } else { point * (of + 2) % 7 };
        format!("{},{},{value}\n", names[of], 60 * point)
    };
    let mut text = String::from("series,timestamp,value\n");
    for i in 0..names.len() * POINTS {
        let (of, point) = if by_turns { (i % names.len(), i / names.len()) } else { (i / POINTS, i % POINTS) };
        text.push_str(&row(of, point));
    }
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn whole(path: &Path) -> DataSet {
    rlad::read(&[path.to_owned()], &rlad::data::ReadOptions::default()).unwrap()
}

fn list(path: &Path) -> Catalogue {
    Catalogue::of(&[path.to_owned()], &rlad::data::ReadOptions::default()).unwrap()
}

fn nothing() -> Found<'static> {
    Found::new(Wanted { explains: true, keeps_events: true, ..Wanted::default() })
}

fn detector(data: &DataSet) -> Saved {
    let method = method("pca", &[]).unwrap();
    Saved::Baseline(Baseline::fit(&method, &data.series, Part::ALL, &[], 0, 0).unwrap())
}

#[test]
fn groups_of_series_are_scored_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let csv = [write_data(&folder, "clustered.csv", false), write_data(&folder, "scattered.csv", true)];
    let detector = detector(&whole(&csv[0]));
    let part: Part = "0.25..0.75".parse().unwrap();
    for csv in csv {
        let parquet = csv.with_extension("parquet");
        rlad::data::write_dataset(&parquet, &whole(&csv)).unwrap();
        for path in [csv, parquet] {
            for (out, part) in [("out.csv", Part::ALL), ("out.parquet", Part::ALL), ("part.csv", part)] {
                let (one, other) = (folder.path().join(out), folder.path().join(format!("groups-{out}")));
                let (found, _) = score_whole(&detector, &whole(&path), part, &one, nothing()).unwrap();
                assert_eq!((found.findings.n_series, found.findings.n_events > 0), (5, true));
                assert_eq!(found.events.len(), found.findings.n_events);
                assert!(found.events.iter().all(|event| event.why.contains(" the usual ")), "{:?}", found.events);
                for max_cells in [1, POINTS, 2 * POINTS, usize::MAX] {
                    let grouped =
                        score_in_groups(&detector, &mut list(&path), part, &other, max_cells, nothing()).unwrap();
                    assert_eq!(grouped, found);
                    let bytes = [&one, &other].map(|path| fs::read(path).unwrap());
                    assert!(bytes[0] == bytes[1], "{} to {out} in groups of {max_cells}", path.display());
                }
            }
        }
    }
}

#[test]
fn a_group_is_bounded_but_holds_a_series() {
    let series = [3, 4, 3, 20, 1, 1, 8].map(|n_points| ListedSeries {
        name: "s".to_owned(),
        n_points,
        n_channels: 2,
        time_format: rlad::data::TimeFormat::Index,
    });
    assert_eq!(groups(&series, 20), [0..3, 3..4, 4..7]);
    assert_eq!(groups(&series, 14), [0..2, 2..3, 3..4, 4..6, 6..7]);
    assert_eq!(groups(&series, 0), (0..7).map(|i| i..i + 1).collect::<Vec<_>>());
    assert!(groups(&[], 20).is_empty());
}

#[test]
fn an_error_within_the_data_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_data(&folder, "x.csv", false);
    let detector = detector(&whole(&path));
    let mut text = fs::read_to_string(&path).unwrap();
    // The last series by name has a cell that is no number, far behind rows that are scored before.
    writeln!(text, "d,1000000,broken").unwrap();
    fs::write(&path, text).unwrap();
    for name in ["out.csv", "out.parquet"] {
        let out = folder.path().join(name);
        fs::write(&out, "old").unwrap();
        let error = score_in_groups(&detector, &mut list(&path), Part::ALL, &out, 1, nothing()).unwrap_err();
        assert!(error.to_string().contains("row 1501, column `value`: expected a number, found `broken`"), "{error}");
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

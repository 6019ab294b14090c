//! Names and cells that a terminal would obey, and that would break out of a page or a folder.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Clears the screen, turns the order of letters round, goes to the line's beginning and on to the next one, and leaves folder and page.
const NAME: &str = "../../x\u{1b}[2J\u{202e}\u{9b}31m\r\nhint: run this </script><script>alert(1)</script>";

fn rlad(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(folder).args(args).output().unwrap()
}

/// What was printed on both, where nothing is left that a terminal obeys.
fn printed(output: &Output) -> String {
    let text =
        [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).concat();
    let is_obeyed = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!text.contains(is_obeyed), "{text:?}");
    assert!(text.lines().all(|line| !line.starts_with("hint: run this")), "a name is no line of its own: {text}");
    text
}

fn write_data(path: &Path, name: &str) {
    let mut text = format!("series,timestamp,\"cpu {}\"\n", name.replace('"', "\"\""));
    for (series, spike) in [(name, 150), ("b\u{1b}[31m", 170)] {
        for i in 0..200 {
            let value = f64::from(i % 24) + if i == spike { 90.0 } else { 0.0 };
            writeln!(text, "\"{series}\",{},{value}", 1_600_000_000 + i * 3600).unwrap();
        }
    }
    fs::write(path, text).unwrap();
}

#[test]
fn names_are_shown_escaped_and_kept_as_they_are_in_data() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b/c");
    fs::create_dir_all(&inner).unwrap();
    write_data(&inner.join("data.csv"), NAME);
    let line =
        ["detect", "--method", "pca", "data.csv", "--out", "scores.csv", "--report", "report.html", "--plots", "plots"];
    let output = rlad(&inner, &[&line[..], &["--events", "events.csv"]].concat());
    let text = printed(&output);
    assert_ne!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(r"b\u{1b}[31m") && text.contains(r"\u{202e}"), "{text}");
    let mut scores = csv::Reader::from_path(inner.join("scores.csv")).unwrap();
    assert!(scores.records().any(|row| &row.unwrap()[0] == NAME), "data keep the true name");

    let report = fs::read_to_string(inner.join("report.html")).unwrap();
    assert!(!report.contains("<script>alert(1)"), "a name is no markup");
    let plots: Vec<_> = fs::read_dir(inner.join("plots")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!plots.is_empty());
    for plot in &plots {
        let svg = fs::read_to_string(plot).unwrap();
        assert!(!svg.contains("<script") && !svg.contains(|c: char| c.is_control() && c != '\n'), "{svg}");
    }
    for outside in [dir.path().to_owned(), dir.path().join("a"), dir.path().join("a/b")] {
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1, "nothing is written outside of the folder: {outside:?}");
    }

    let output = rlad(&inner, &[&line[..], &["--json"]].concat());
    printed(&output);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> =
        json["worst"].as_array().unwrap().iter().filter_map(|event| event["series"].as_str()).collect();
    assert!(names.contains(&NAME), "JSON keeps the true name: {json}");
}

#[test]
fn errors_show_cells_and_paths_escaped() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.csv"), "timestamp,value\n60,1\n120,\"\u{1b}]0;\u{202e}x\r\nhint: run this\"\n")
        .unwrap();
    let output = rlad(dir.path(), &["detect", "--method", "pca", "a.csv", "--out", "scores.csv"]);
    assert_eq!(output.status.code(), Some(2));
    let text = printed(&output);
    assert!(text.contains(r"]0;\u{202e}x"), "{text}");
    let output = rlad(dir.path(), &["detect", "--method", "pca", "\u{1b}[2J\r.csv", "--out", "scores.csv"]);
    assert!(printed(&output).contains(r"\u{1b}[2J\r.csv"));
}

//! A calendar of expected events from `rlad train` to `rlad detect`, and what `rlad show` tells of the detector.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "questions = 12\n[agent]\nn_members = 2\n[agent.trees]\nweight = 1.0\n";
/// The spikes at every 60th hour from the 40th on, up to the tenth day.
const CALENDAR: &str = "series,from,to,every,note\nhost,1970-01-01,1970-01-10,daily 00:00-24:00,begin\n";

fn write_data(folder: &Path) {
    let mut text = String::from("timestamp,cpu,label\n");
    for i in 0..600 {
        let jump = i % 60 == 40;
        let value = f64::from(i % 24) + if jump { 90.0 } else { 0.0 };
        writeln!(text, "{},{value},{}", i * 3600, u8::from(jump)).unwrap();
    }
    fs::write(folder.join("host.csv"), text).unwrap();
    fs::write(folder.join("small.toml"), CONFIG).unwrap();
    fs::write(folder.join("calendar.csv"), CALENDAR).unwrap();
    fs::write(folder.join("wrong.csv"), "series,every\nhost,hourly 00:00-00:10\n").unwrap();
}

fn rlad(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(folder).args(line.split(' ')).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.code() != Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The hours of the alarms in a file of scores.
fn alarms(folder: &Path) -> Vec<i64> {
    let text = fs::read_to_string(folder.join("scores.csv")).unwrap();
    let rows = text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
    rows.filter(|row| row[4] == "true").map(|row| row[1].parse::<i64>().unwrap() / 3600).collect()
}

#[test]
fn a_threshold_is_adapted_to_what_nobody_expects() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    fs::write(dir.join("none.csv"), "series,every\nother,daily 00:00-24:00\n").unwrap();
    // All spikes but the last two.
    let mut spikes = String::from("series,from,to,every,note\n");
    for i in (40..480).step_by(60) {
        writeln!(spikes, "host,1970-01-{0:02}T{1:02}:00:00Z,1970-01-{0:02}T{1:02}:30:00Z,,spike", i / 24 + 1, i % 24)
            .unwrap();
    }
    fs::write(dir.join("spikes.csv"), spikes).unwrap();
    printed(&rlad(dir, "train host.csv --session s --config small.toml --oracle truth --questions 30"));
    let threshold = |line: &str| {
        printed(&rlad(dir, &format!("detect s host.csv --out scores.csv --without-answers {line}")));
        let text = fs::read_to_string(dir.join("scores.csv")).unwrap();
        text.lines().nth(1).unwrap().split(',').nth(3).unwrap().parse::<f64>().unwrap()
    };
    let (all, unexpected) = (threshold("--adapt --calendar none.csv"), threshold("--adapt --calendar spikes.csv"));
    assert!(unexpected > all + 1e-6, "fewer anomalies without the spikes that are expected: {unexpected}, {all}");
    assert_eq!(threshold("--calendar none.csv").to_bits(), threshold("--calendar spikes.csv").to_bits());
}

#[test]
fn a_session_keeps_its_calendar_and_its_detector_heeds_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let wrong = rlad(dir, "train host.csv --session s --config small.toml --oracle truth --calendar wrong.csv");
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        told.contains("`wrong.csv`, line 2: expected `daily`") && told.contains("hint: a row has `from`"),
        "{told}"
    );
    assert!(!dir.join("s").exists(), "a mistyped calendar leaves nothing behind");

    printed(&rlad(dir, "train host.csv --session s --config small.toml --oracle truth --calendar calendar.csv"));
    assert_eq!(fs::read_to_string(dir.join("s/calendar.csv")).unwrap(), CALENDAR);
    let is_expected = |hour: &i64| *hour < 240;
    for model in ["s", "s/model.safetensors"] {
        let detected =
            rlad(dir, &format!("detect {model} host.csv --out scores.csv --without-answers --miss-cost 1000"));
        let note = String::from_utf8_lossy(&detected.stderr);
        assert!(note.contains("calendar.csv` expects is no alarm"), "{note}");
        printed(&detected);
        assert!(!alarms(dir).iter().any(is_expected), "{:?}", alarms(dir));
        assert!(!alarms(dir).is_empty());
    }
    // Another calendar in its place.
    fs::write(dir.join("none.csv"), "series,every\nother,daily 00:00-24:00\n").unwrap();
    printed(&rlad(dir, "detect s host.csv --out scores.csv --without-answers --miss-cost 1000 --calendar none.csv"));
    assert!(alarms(dir).iter().any(is_expected));
    let same = rlad(dir, "detect s host.csv --out calendar.csv --calendar calendar.csv");
    assert!(String::from_utf8_lossy(&same.stderr).contains("would replace the data that are read"));

    // The session goes on with its copy, and the lineage stays that of one training.
    let show = |json: &str| printed(&rlad(dir, &format!("show s{json}")));
    printed(&rlad(dir, "train host.csv --session s --resume --oracle truth --questions 20"));
    let json: serde_json::Value = serde_json::from_str(&show(" --json")).unwrap();
    let entries = json["lineage"].as_array().unwrap();
    assert_eq!((entries.len(), entries[0]["points"].as_u64()), (1, Some(600)), "{json}");
    assert_eq!(json["config"]["preset"], "default");
    let words = show("");
    assert!(words.contains("1. 600 points from 1 series, 1970-01-01 00:00 to 1970-01-25 23:00"), "{words}");
    printed(&rlad(dir, "detect s host.csv --out scores.csv --without-answers --miss-cost 1000"));
    assert!(!alarms(dir).iter().any(is_expected));

    // Data that grew add an entry, which follows the detector before.
    let more: String = (600..700).map(|i| format!("{},{},0\n", i * 3600, i % 24)).collect();
    let text = fs::read_to_string(dir.join("host.csv")).unwrap();
    fs::write(dir.join("host.csv"), text + &more).unwrap();
    printed(&rlad(dir, "train host.csv --session s --resume --oracle truth --questions 24"));
    let grown: serde_json::Value = serde_json::from_str(&show(" --json")).unwrap();
    let last = &grown["lineage"][1];
    assert_eq!((&last["new_points"], &last["previous"]), (&100.into(), &json["hash"]), "{grown}");
}

#[test]
fn a_method_heeds_a_calendar_where_it_scores() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let detect = "detect --method isolation-forest host.csv --out scores.csv";
    printed(&rlad(dir, detect));
    assert!(alarms(dir).iter().any(|hour| *hour < 240));
    printed(&rlad(dir, &format!("{detect} --calendar calendar.csv")));
    assert!(!alarms(dir).iter().any(|hour| *hour < 240));
    printed(&rlad(dir, "train host.csv --session m --method isolation-forest"));
    let words = printed(&rlad(dir, "show m"));
    assert!(words.contains("method: ") && words.contains("isolation-forest"), "{words}");
}

//! `rlad bench` on a small live suite: what is asked week by week, and what of it counts.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The last 70 % of the data in the program are three weeks of one series and one of the other.
const SUITE: &str = r#"
name = "small-live"
about = "Every kind of live row, in seconds."
train = "..0.3"
test = "0.3.."
seeds = [0]
questions = 40
weekly = [0, 6]
timeout_minutes = 5

[data]
paths = ["shipped"]
hint = "they are in the program"

[[run]]
name = "Never alarm"
method = { name = "never" }

[[run]]
name = "frozen"
agent = { agent = { n_members = 2 } }
live = "frozen"

[[run]]
name = "thresholds"
agent = { agent = { n_members = 2 } }
live = "thresholds"

[[run]]
name = "all"
agent = { agent = { n_members = 2 } }
live = "all"

[[run]]
name = "random"
agent = { agent = { n_members = 2 }, query = { strategy = "random" } }
live = "all"
weekly = [6]

[[run]]
name = "random thresholds"
agent = { agent = { n_members = 2 }, query = { strategy = "random" } }
live = "thresholds"
weekly = [6]

[[run]]
name = "A script"
peer = { script = "script.sh", asks = true }
"#;

/// The records of a CSV file, by their heads.
fn records(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let heads = reader.headers().unwrap().clone();
    let named =
        |record: csv::StringRecord| heads.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect();
    reader.records().map(|record| named(record.unwrap())).collect()
}

#[test]
fn weeks_are_scored_before_they_are_asked_about_and_every_answer_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, out) = (dir.path(), dir.path().join("out"));
    fs::write(dir.join("live.toml"), SUITE).unwrap();
    fs::create_dir_all(dir.join("bench/peers")).unwrap();
    // A script is told the questions before the first week and those of each.
    fs::write(dir.join("bench/peers/script.sh"), "echo \"error: $*\" >&2; exit 3").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rlad"))
        .current_dir(dir)
        .args(["bench", "live.toml", "--out", "out", "--python", "sh"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.starts_with("7 runs made; 7 of 7 runs are there, 1 failed"), "{told} {output:?}");

    let results = records(&out.join("results.csv"));
    let script = results.iter().find(|row| row["detector"] == "A script").unwrap();
    assert!(script["error"].contains("--budgets 40 --weekly 0,6"), "{}", script["error"]);
    // Of three weeks, two are asked about.
    let questions: Vec<(&str, &str, &str)> = results
        .iter()
        .map(|row| (row["detector"].as_str(), row["budget"].as_str(), row["questions"].as_str()))
        .filter(|row| row.0 != "A script")
        .collect();
    let expected = [
        ("Never alarm", "", "0"),
        ("frozen", "0", "40"),
        ("thresholds", "0", "40"),
        ("thresholds", "6", "52"),
        ("all", "0", "40"),
        ("all", "6", "52"),
        ("random", "6", "52"),
        ("random thresholds", "6", "52"),
    ];
    assert_eq!(questions, expected);
    let labels = |name: &str, weekly: &str| -> usize {
        let row = results.iter().find(|row| row["detector"] == name && row["budget"] == weekly).unwrap();
        row["labelled_points"].parse().unwrap()
    };
    assert_eq!(labels("frozen", "0"), labels("thresholds", "0"));
    for name in ["thresholds", "all"] {
        let more = labels(name, "6") - labels(name, "0");
        assert!((12..=12 * 8 * 25).contains(&more), "{name}: {more}");
    }

    let weeks = records(&out.join("weeks.csv"));
    let of = |name: &str, weekly: &str, figure: &str| -> Vec<String> {
        let row = |week: &&BTreeMap<String, String>| week["row"] == name && week["weekly"] == weekly;
        weeks.iter().filter(row).map(|week| week[figure].clone()).collect()
    };
    assert_eq!(of("Never alarm", "", "week"), ["1", "2", "3"]);
    let points: usize = of("all", "6", "n_points").iter().map(|n| n.parse::<usize>().unwrap()).sum();
    assert_eq!(points, 4_200 + 5_600, "each point of the measured part is in one week");

    // The first week is that of the detector before any answer about it, whatever is asked later.
    let scores = |run: &str, weekly: usize| {
        let path = out.join(format!("runs/{run}-seed-0/scores-{weekly}.parquet"));
        rlad::data::read_scores(&path).unwrap()
    };
    let bits = |scores: &[rlad::data::SeriesScores], days: i64| -> Vec<u64> {
        let of_series = scores.iter().flat_map(|of| {
            let end = of.timestamps[0] + days * rlad::data::NANOS_PER_DAY;
            of.scores.iter().zip(&of.timestamps).filter(move |(_, time)| **time < end)
        });
        of_series.map(|(score, _)| score.to_bits()).collect()
    };
    let (frozen, thresholds, all) = (scores("frozen", 0), scores("thresholds", 6), scores("all", 6));
    assert!(bits(&frozen, 7) == bits(&thresholds, 7) && bits(&frozen, 7) == bits(&all, 7));
    let whole = |scores: &[rlad::data::SeriesScores]| bits(scores, 1_000);
    assert!(whole(&frozen).len() == 9_800 && bits(&frozen, 7).len() < 9_800);
    assert!(whole(&thresholds) != whole(&scores("thresholds", 0)), "answers move what comes after them");
    assert!(whole(&all) != whole(&thresholds), "what the agent learns is more than that");
    assert!(whole(&all) != whole(&scores("random", 6)));
    // Without answers there is nothing for the agent to learn.
    assert!(whole(&scores("all", 0)) == whole(&scores("thresholds", 0)));

    let text = fs::read_to_string(out.join("results.md")).unwrap();
    for part in ["| all | 6 | 52 |", "### Strict F1 by week", "### False-alarm points of the four worst series by week"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(fs::read_to_string(out.join("results.html")).unwrap().contains("\"weeks\""));
}

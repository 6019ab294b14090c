//! The commands as a user runs them: what they print, write and exit with.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "
questions = 20
[query]
per_round = 10
min_distance = 5
[warm_up]
n_highest = 2
n_lowest = 2
n_middle = 2
[agent]
n_members = 2
n_units = 8
head_units = 8
steps_per_round = 100
final_steps = 300
learning_rate = 0.01
batch = 64
";

/// Two channels of a daily wave at a step of an hour; the second one jumps at each 60th point.
fn write_data(folder: &Path) {
    let mut text = String::from("timestamp,cpu,memory,label\n");
    for i in 0..1500 {
        let wave = (f64::from(i) / 24.0 * std::f64::consts::TAU).sin();
        let jump = i % 60 == 40;
        let memory = wave * 0.5 + if jump { 9.0 } else { 0.0 };
        writeln!(text, "{},{wave:.4},{memory:.4},{}", 1_600_000_000 + i * 3600, u8::from(jump)).unwrap();
    }
    fs::write(folder.join("host.csv"), text).unwrap();
    fs::write(folder.join("small.toml"), CONFIG).unwrap();
}

fn rlad(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(folder).args(line.split(' ')).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.code() != Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn from_a_file_to_a_judged_detector() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let trained = rlad(
        dir,
        "train host.csv --session s --config small.toml --oracle truth --part ..0.8 --check-part 0.8.. --json",
    );
    let json: serde_json::Value = serde_json::from_str(&stdout(&trained)).unwrap();
    assert_eq!((json["questions"].as_u64(), json["stopped"].as_bool()), (Some(20), Some(false)), "{json}");
    assert!(json["labelled_anomalies"].as_u64() > Some(0));
    for file in ["config.toml", "labels.sqlite", "checkpoint", "history.jsonl", "model.safetensors"] {
        assert!(dir.join("s").join(file).exists(), "{file}");
    }

    let detected = rlad(
        dir,
        "detect s host.csv --out scores.parquet --events events.csv --plots plots --report report.html --check",
    );
    assert_eq!(detected.status.code(), Some(1), "{}", String::from_utf8_lossy(&detected.stderr));
    check_events(dir);
    let report = fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(report.contains("host") && report.contains("Content-Security-Policy"));

    let line = "evaluate scores.parquet --truth host.csv --part 0.8.. --model s --json";
    let evaluated: serde_json::Value = serde_json::from_str(&stdout(&rlad(dir, line))).unwrap();
    assert_eq!((evaluated["points"].as_u64(), evaluated["anomalies"].as_u64()), (Some(300), Some(5)), "{evaluated}");
    assert_eq!(evaluated["questions"], json["questions"]);
    assert_eq!(evaluated["strict"], json["check"]["strict"], "scored from a file as in training");
    assert_eq!(evaluated["delay"]["k"].as_u64(), Some(3), "the step is an hour");
    assert!(evaluated["strict"]["f1"].as_f64() > Some(0.8), "{evaluated}");

    // CSV scores say the same.
    assert_eq!(rlad(dir, "detect s/model.safetensors host.csv --out scores.csv").status.code(), Some(0));
    let csv = rlad(dir, "evaluate scores.csv --truth host.csv --part 0.8.. --model s --json");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout(&csv)).unwrap(), evaluated);

    // More questions of the same session.
    let more = rlad(dir, "train host.csv --session s --resume --oracle truth --questions 30 --json");
    let more: serde_json::Value = serde_json::from_str(&stdout(&more)).unwrap();
    assert_eq!(more["questions"].as_u64(), Some(30));
    assert_ne!(more["hash"], json["hash"]);
}

/// Each event tells why it was called, and has a picture.
fn check_events(dir: &Path) {
    let text = fs::read_to_string(dir.join("events.csv")).unwrap();
    let mut rows = text.lines();
    assert_eq!(
        rows.next().unwrap(),
        "series,start,end,n_points,peak,peak_timestamp,direction,channel,value,value_timestamp,expected,usual_low,usual_high,\
         features,answers,like,like_label,why"
    );
    let rows: Vec<Vec<&str>> = rows.map(|row| row.splitn(18, ',').collect()).collect();
    assert!(!rows.is_empty());
    let jumps: Vec<_> = rows.iter().filter(|row| row[7] == "memory" && row[6] == "above").collect();
    assert!(jumps.len() * 2 > rows.len(), "most events are jumps of the memory: {text}");
    for row in &rows {
        assert!(row[17].contains(" the usual ") && row[13].contains('.'), "{row:?}");
        let plot = fs::read_to_string(dir.join(format!("plots/host-{}.svg", row[1]))).unwrap();
        assert!(plot.starts_with("<svg") && plot.trim_end().ends_with("</svg>"), "{plot}");
    }
    assert_eq!(fs::read_dir(dir.join("plots")).unwrap().count(), rows.len());
    assert!(text.contains("you marked it as an anomaly"), "the expert was asked about some: {text}");
}

/// The data of a report, as its script reads them.
fn data_of(report: &str) -> serde_json::Value {
    let (_, after) = report.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(after.split_once("</script").unwrap().0).unwrap()
}

#[test]
fn a_report_tells_what_the_command_prints_and_no_training_on_other_data() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    let trained = stdout(&rlad(dir, "train host.csv --session s --config small.toml --oracle truth"));
    // The next command works as it is printed.
    let next = trained.lines().last().unwrap().strip_prefix("next: rlad ").unwrap();
    assert_eq!(next, "detect s host.csv --out scores.csv --report report.html");
    let detected = stdout(&rlad(dir, next));
    let found = |text: &str| text.lines().find(|line| line.contains(" events in ")).map(str::to_owned);
    assert!(found(&trained).is_some() && found(&trained) == found(&detected), "{trained}{detected}");
    // A new file of the same series: shorter, other values, no labels.
    let mut text = String::from("timestamp,cpu,memory\n");
    for i in 0..300 {
        let memory = if i == 200 { 20.0 } else { f64::from(i % 5) / 5.0 };
        writeln!(text, "{},{},{memory}", 1_700_000_000 + i * 3600, f64::from(i % 24) / 24.0).unwrap();
    }
    fs::create_dir(dir.join("new")).unwrap();
    fs::write(dir.join("new/host.csv"), text).unwrap();
    let report = |line: &str| {
        let printed = stdout(&rlad(dir, &format!("detect s {line} --out x.csv --report r.html")));
        let json = stdout(&rlad(dir, &format!("detect s {line} --out x.csv --report r.html --json")));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let told = data_of(&fs::read_to_string(dir.join("r.html")).unwrap());
        assert_eq!(told["n_events"], json["n_events"], "{line}");
        let headline = told["headline"].as_str().unwrap().to_owned();
        assert!(printed.starts_with(&format!("{headline} (")), "{printed}");
        let of_series = told["series"][0]["events"].as_array().unwrap().len() as u64;
        assert_eq!(Some(of_series), json["n_events"].as_u64(), "{line}");
        assert!(printed.lines().last().unwrap().starts_with("next: rlad "), "{printed}");
        told
    };
    let n = |told: &serde_json::Value, of: &str| told[of].as_array().unwrap().len();
    let new = report("new/host.csv");
    assert_eq!((n(&new, "curve"), n(&new, "metrics"), n(&new["series"][0], "questions")), (0, 0, 0), "{new}");
    let known = report("host.csv --part 0.5..");
    assert!(n(&known, "curve") > 0 && n(&known, "metrics") > 0 && n(&known["series"][0], "questions") == 20);
    assert!(known["quality"].as_str().unwrap().starts_with("Against the labels, on the part 0.5..1"), "{known}");
}

#[test]
fn what_was_said_of_a_point_decides_over_its_score() {
    let dir = tempfile::tempdir().unwrap();
    write_data(dir.path());
    let line = "train host.csv --session s --config small.toml --oracle truth --json";
    let json: serde_json::Value = serde_json::from_str(&stdout(&rlad(dir.path(), line))).unwrap();
    // The rows whose score is the log-odds of a point that an expert called an anomaly, or normal.
    let answered = |line: &str| {
        stdout(&rlad(dir.path(), line));
        let scores = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
        let n = |score: &str, anomaly: &str| {
            let is_row = |row: &&str| row.split(',').nth(2) == Some(score) && row.split(',').nth(4) == Some(anomaly);
            scores.lines().filter(is_row).count() as u64
        };
        (n("20", "true"), n("-20", "false"))
    };
    let (anomalies, normals) = answered("detect s host.csv --out scores.csv");
    assert_eq!(Some(anomalies), json["labelled_anomalies"].as_u64(), "{json}");
    assert_eq!(Some(anomalies + normals), json["labelled_points"].as_u64(), "{json}");
    assert_eq!(answered("detect s host.csv --out scores.csv --without-answers"), (0, 0));
}

#[test]
fn a_threshold_is_adapted_to_the_data_that_are_scored() {
    let dir = tempfile::tempdir().unwrap();
    write_data(dir.path());
    stdout(&rlad(dir.path(), "train host.csv --session s --config small.toml --oracle truth --part ..0.8"));
    // The scores, and the threshold above which they are alarms.
    let detected = |line: &str| {
        stdout(&rlad(dir.path(), &format!("detect s host.csv --out scores.csv --part 0.8..{line}")));
        let text = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
        let cell = |row: &str, column: usize| row.split(',').nth(column).unwrap().to_owned();
        let scores: Vec<String> = text.lines().skip(1).map(|row| cell(row, 2)).collect();
        (scores, cell(text.lines().nth(1).unwrap(), 3).parse::<f64>().unwrap())
    };
    let (as_trained, adapted) = (detected(""), detected(" --adapt"));
    assert_eq!(as_trained.0, adapted.0, "the scores stay");
    assert!(as_trained.1.to_bits() != adapted.1.to_bits() && (as_trained.1 - adapted.1).abs() < 5.0, "{}", adapted.1);
}

#[test]
fn answers_may_stand_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    write_data(dir.path());
    let mut text = String::from("start,end,label\n1600000000,1700000000,normal\n");
    for i in (40..1500).step_by(60) {
        writeln!(text, "{},,anomaly", 1_600_000_000 + i * 3600).unwrap();
    }
    fs::write(dir.path().join("answers.csv"), text).unwrap();
    let models = ["answers.csv", "truth"].map(|oracle| {
        let line = format!("train host.csv --session {oracle}-s --config small.toml --oracle {oracle} --json");
        let json: serde_json::Value = serde_json::from_str(&stdout(&rlad(dir.path(), &line))).unwrap();
        json["hash"].clone()
    });
    assert_eq!(models[0], models[1], "the same answers give the same model");
}

#[test]
fn features_are_written_for_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    fs::write(dir.join("two.toml"), "[state]\nfeatures = ['difference:1', 'min-max']").unwrap();
    let told = stdout(&rlad(dir, "features host.csv --out features.parquet --config two.toml --part ..0.02"));
    assert_eq!(told, "1 series, 1500 points, 2 features: features.parquet\n");
    let values = ["memory.difference:1", "memory.min-max"].map(str::to_owned).to_vec();
    let columns = rlad::data::Columns { values, ..Default::default() };
    let options = rlad::data::ReadOptions { columns, ..Default::default() };
    let written = rlad::read(&[dir.join("features.parquet")], &options).unwrap();
    let ([series], [Some(truth)]) = (&written.series[..], &written.truths[..]) else {
        panic!("one series with labels")
    };
    assert_eq!((series.len(), truth.n_anomalies()), (1500, 25));
    let of = |point: usize, feature: usize| format!("{:?}", series.row(point)[feature]);
    assert_eq!(of(0, 0), "0.0");
    assert_eq!(of(40, 1), "2.0", "the range is that of the first 30 points, before the first jump");

    let told = stdout(&rlad(dir, "features host.csv --out paper.parquet --preset paper"));
    assert_eq!(told, "1 series, 1500 points, 1 features: paper.parquet\n");
    for line in ["features host.csv --out v.csv", "features host.csv --out v.parquet --config two.toml --preset paper"]
    {
        assert_eq!(rlad(dir, line).status.code(), Some(2), "{line}");
    }
}

#[test]
fn what_cannot_be_done_is_told_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_data(dir);
    fs::write(dir.join("unlabelled.csv"), "timestamp,value\n0,1\n60,2\n").unwrap();
    fs::write(dir.join("one.csv"), "timestamp,value,label\n0,1,0\n60,2,0\n").unwrap();
    fs::write(dir.join("wrong.toml"), "[paper]\ngamma = 2").unwrap();
    fs::write(dir.join("odd.toml"), "[agent]\ngama = 2").unwrap();
    fs::write(dir.join("text.safetensors"), "not a model").unwrap();
    fs::create_dir(dir.join("empty")).unwrap();
    assert_eq!(rlad(dir, "train host.csv --session s --config small.toml --oracle truth").status.code(), Some(0));
    let model = fs::read(dir.join("s/model.safetensors")).unwrap();
    fs::write(dir.join("cut.safetensors"), &model[..model.len() - 100]).unwrap();
    let mut changed = model.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(dir.join("changed.safetensors"), changed).unwrap();
    let lines = [
        "train host.csv --session s --oracle truth",
        "train host.csv --session none --resume --oracle truth",
        "train host.csv --session t",
        "train unlabelled.csv --session t --oracle truth",
        "train host.csv --session t --oracle answers.csv",
        "train host.csv --session t --oracle truth --config wrong.toml",
        "train host.csv --session t --oracle truth --config odd.toml",
        "train host.csv --session t --oracle truth --config none.toml",
        "train nowhere --session t --oracle truth",
        "train empty --session t --oracle truth",
        "train host.csv --session t --oracle truth --value-column disk",
        "train unlabelled.csv --session s --oracle truth --resume",
        "detect nowhere host.csv --out x.csv",
        "detect empty host.csv --out x.csv",
        "detect text.safetensors host.csv --out x.csv",
        "detect cut.safetensors host.csv --out x.csv",
        "detect changed.safetensors host.csv --out x.csv",
        "detect s unlabelled.csv --out x.csv",
        "detect s host.csv --out no/such/folder/x.csv",
        "evaluate host.csv --truth host.csv",
        "evaluate nowhere.csv --truth host.csv",
        "import nab empty --out x.csv",
    ];
    let mut table = String::new();
    for line in lines {
        let output = rlad(dir, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let told = String::from_utf8(output.stderr).unwrap();
        // The hash of the damaged file depends on the weights, which may differ in their last bits between processors.
        let told: Vec<String> =
            told.split(' ').map(|word| if is_hash(word) { "HASH".to_owned() } else { word.to_owned() }).collect();
        writeln!(table, "$ rlad {line}\n{}", told.join(" ")).unwrap();
    }
    assert!(!dir.join("t").exists(), "a command that fails leaves no session behind");
    insta::assert_snapshot!(table);
    let nothing_found = rlad(dir, "train one.csv --session u --config small.toml --oracle truth");
    assert_eq!(nothing_found.status.code(), Some(1), "a run without a single anomaly is a negative answer");
}

fn is_hash(word: &str) -> bool {
    let word = word.trim_end_matches([',', '\n']);
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

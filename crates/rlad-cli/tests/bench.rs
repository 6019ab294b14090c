//! `rlad bench` on small suites: what it runs, leaves, and runs again.
#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Trivial rows, a detector with a threshold of its own and one by labels, an agent of two budgets, and two scripts.
const SUITE: &str = r#"
name = "small"
about = "Every kind of row, in seconds."
train = "..0.8"
test = "0.8.."
validation = "0.6..0.8"
seeds = [0, 1]
budgets = [15, 25]
timeout_minutes = 2

[data]
paths = ["shipped"]
hint = "they are in the program"

[[run]]
name = "Never alarm"
method = { name = "never" }
seeds = [0]

[[run]]
name = "Alarm everywhere"
method = { name = "always" }
seeds = [0]

[[run]]
name = "SPOT"
method = { name = "spot" }
seeds = [0]

[[run]]
name = "Small agent"

[run.agent]
query = { per_round = 10, pool = 500 }
warm_up = { n_highest = 2, n_lowest = 2, n_middle = 2 }
agent = { n_members = 2, n_units = 8, head_units = 8, steps_per_round = 30, final_steps = 60, batch = 32 }

[[run]]
name = "A script"
peer = { script = "none.py", asks = true }
seeds = [0]
"#;

/// The runs of the suite, by their folders.
const RUNS: [&str; 6] = [
    "a-script-seed-0",
    "alarm-everywhere-seed-0",
    "never-alarm-seed-0",
    "small-agent-seed-0",
    "small-agent-seed-1",
    "spot-seed-0",
];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), SUITE).unwrap();
    fs::create_dir_all(dir.path().join("bench/peers")).unwrap();
    dir
}

fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.current_dir(folder).arg("bench").args(line.split_whitespace().map(|word| word.replace('_', " ")));
    command
}

/// Calls `rlad bench`; in the line, `_` stands for a space within a name.
fn bench(folder: &Path, line: &str) -> Output {
    command(folder, line).output().unwrap()
}

/// The output of `rlad bench`.
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// When each run of a folder was made.
fn made(out: &Path) -> BTreeMap<String, SystemTime> {
    let mut made = BTreeMap::new();
    for run in fs::read_dir(out.join("runs")).unwrap() {
        let run = run.unwrap();
        let outcome = run.path().join("run.json");
        // That of a run which was ended between two budgets is only what it came to so far.
        if fs::read_to_string(&outcome).is_ok_and(|text| text.contains("\"is_partial\": false")) {
            made.insert(run.file_name().into_string().unwrap(), fs::metadata(&outcome).unwrap().modified().unwrap());
        }
    }
    made
}

/// The runs that were made between two looks at a folder.
fn made_between(before: &BTreeMap<String, SystemTime>, after: &BTreeMap<String, SystemTime>) -> Vec<String> {
    after.iter().filter(|(run, time)| before.get(*run) != Some(*time)).map(|(run, _)| run.clone()).collect()
}

/// The rows of `results.csv` without times and memory, which differ from run to run.
fn results(out: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    let heads = reader.headers().unwrap().clone();
    let stays = |head: &str| !head.ends_with("seconds") && head != "peak_memory_bytes";
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.unwrap();
        let cells = heads.iter().zip(&record).filter(|(head, _)| stays(head)).map(|(_, cell)| cell);
        rows.push(cells.collect::<Vec<_>>().join(","));
    }
    rows
}

#[test]
fn a_suite_is_run_once_and_only_what_changed_is_run_again() {
    let dir = folder();
    let (dir, out) = (dir.path(), dir.path().join("out"));

    // One detector of the suite.
    let one = told(&bench(dir, "small.toml --out out --only never_alarm"));
    assert_eq!(one, "1 runs made; 1 of 6 runs are there, 0 failed, 5 still to be made: out/results.md\n");
    assert!(fs::read_to_string(out.join("results.md")).unwrap().contains("5 still to be made"));
    let first = made(&out);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["never-alarm-seed-0"]);

    // The others; the script that is missing is a row.
    let all = told(&bench(dir, "small.toml --out out --jobs 2"));
    assert_eq!(all, "5 runs made; 6 of 6 runs are there, 1 failed, 0 still to be made: out/results.md\n");
    let whole = made(&out);
    assert_eq!(whole.keys().collect::<Vec<_>>(), RUNS);
    assert_eq!(
        made_between(&first, &whole),
        ["a-script-seed-0", "alarm-everywhere-seed-0", "small-agent-seed-0", "small-agent-seed-1", "spot-seed-0"]
    );
    let rows = results(&out);
    assert_eq!(rows.len(), 2 + 2 + 4 + 1, "trivial, SPOT at two thresholds, two seeds and budgets, and the failed one");
    let text = fs::read_to_string(out.join("results.md")).unwrap();
    assert!(text.contains("**failed**: there is no `bench/peers/none.py`"), "{text}");
    assert!(text.contains("1 at once on") && text.contains("2 at once on"), "{text}");
    assert!(!text.contains("builds of the program") && !text.contains(dir.to_str().unwrap()), "{text}");
    assert!(fs::read_to_string(out.join("results.html")).unwrap().contains("Content-Security-Policy"));

    // Nothing is left to be run, and the tables stay.
    assert!(told(&bench(dir, "small.toml --out out")).starts_with("0 runs made; 6 of 6"));
    assert_eq!((made_between(&whole, &made(&out)), results(&out)), (Vec::new(), rows.clone()));

    // The failed run again, and no other.
    assert!(
        told(&bench(dir, "small.toml --out out --retry")).starts_with("1 runs made; 6 of 6 runs are there, 1 failed")
    );
    let retried = made(&out);
    assert_eq!(made_between(&whole, &retried), ["a-script-seed-0"]);

    // A changed entry is run again; its old results are not shown before it is.
    fs::write(dir.join("small.toml"), SUITE.replace("\"spot\" }", "\"spot\", settings = { q = 1e-3 } }")).unwrap();
    let other = told(&bench(dir, "small.toml --out out --only never_alarm"));
    assert!(other.starts_with("0 runs made; 5 of 6 runs are there"), "{other}");
    assert!(told(&bench(dir, "small.toml --out out")).starts_with("1 runs made; 6 of 6"));
    assert_eq!(made_between(&retried, &made(&out)), ["spot-seed-0"]);
    assert_ne!(results(&out), rows);
}

#[test]
fn scripts_are_skipped_outside_of_the_folder_of_the_project() {
    let dir = folder();
    let (dir, out) = (dir.path(), dir.path().join("out"));
    fs::remove_dir(dir.join("bench/peers")).unwrap();
    let output = bench(dir, "small.toml --out out --only never_alarm --only a_script");
    assert_eq!(told(&output), "1 runs made; 1 of 5 runs are there, 0 failed, 4 still to be made: out/results.md\n");
    let skipped = "skipped, as `bench/peers` is not in this folder (a clone of the project has it): A script";
    assert!(String::from_utf8_lossy(&output.stderr).contains(skipped));
    assert!(fs::read_to_string(out.join("results.md")).unwrap().contains(skipped));
}

#[test]
fn a_killed_bench_goes_on_and_comes_to_the_same_results() {
    let dir = folder();
    let (dir, out) = (dir.path(), dir.path().join("killed"));
    told(&bench(dir, "small.toml --out undisturbed"));
    let mut child = command(dir, "small.toml --out killed").stdout(Stdio::null()).spawn().unwrap();
    let agent = out.join("runs/small-agent-seed-0");
    wait_for(&mut child, || agent.join("task.json").exists());
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    #[cfg(unix)]
    #[cfg(target_os = "linux")]
    assert!(is_gone(agent.to_str().unwrap()), "what it had started has ended with it");
    let before = made(&out);
    assert!(before.contains_key("spot-seed-0") && !before.contains_key("small-agent-seed-1"), "{before:?}");

    told(&bench(dir, "small.toml --out killed"));
    let after = made(&out);
    assert!(before.iter().all(|(run, time)| after[run] == *time), "what was made before is not made again");
    assert_eq!(results(&out), results(&dir.join("undisturbed")));
}

/// Whether no process is left, after five seconds at most, whose command line has a text.
#[cfg(target_os = "linux")]
fn is_gone(text: &str) -> bool {
    let is_there = || {
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
        // A process may end while it is looked at.
        processes.filter_map(|path| fs::read(path).ok()).any(|line| String::from_utf8_lossy(&line).contains(text))
    };
    (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !is_there()
    })
}

/// Waits until something holds, while a program runs.
fn wait_for(child: &mut Child, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its time");
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to pass");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder with a script in `bench/peers` that is run by a shell, and a suite that calls it with each of some flags.
#[cfg(unix)]
fn with_script(script: &str, flags: &[&str]) -> tempfile::TempDir {
    let dir = folder();
    fs::write(dir.path().join("bench/peers/script.sh"), script).unwrap();
    let mut suite = SUITE.split_once("[[run]]").unwrap().0.to_owned();
    for flag in flags {
        let script = format!("{{ script = \"script.sh\", flags = [\"{flag}\"], asks = {} }}", flag.contains("budget"));
        writeln!(suite, "[[run]]\nname = \"{flag}\"\npeer = {script}\nseeds = [0]").unwrap();
    }
    fs::write(dir.path().join("scripts.toml"), suite).unwrap();
    dir
}

#[cfg(unix)]
#[test]
fn whatever_a_script_does_is_a_row() {
    // The flags of a script come last, and `--out DIR` is before them, after `--budgets` where there are some.
    let script = r#"
while [ $# -gt 1 ]; do [ "$1" = --out ] && out=$2; shift; done
run() { printf '{"budget": %s, "scores": "%s", "questions": 3, "labelled_points": 4, "fit_seconds": 1, "score_seconds": 1, "threshold_rule": "own"}' "$1" "$2"; }
report() { printf '{"versions": {}, "runs": [%s], "peak_memory_bytes": null}' "$1" > "$out/peer.json"; }
scores=../never-alarm-seed-0/scores.parquet
case $1 in
  whole) report "$(run null $scores)" ;;
  one-budget) report "$(run 15 $scores)" ;;
  no-report) ;;
  broken-report) echo '{"versions": ' > "$out/peer.json" ;;
  no-scores-file) report "$(run null scores.parquet)" ;;
  broken-scores) echo 'series,timestamp' > "$out/scores.csv"; report "$(run null scores.csv)" ;;
  lacks-series) echo 'series,timestamp,score,threshold,anomaly,model
nobody,1,0.5,1,0,x' > "$out/scores.csv"; report "$(run null scores.csv)" ;;
  lacks-points) sed 2d "$out/../../all.csv" > "$out/scores.csv"; report "$(run null scores.csv)" ;;
  fails) echo "error: cannot read $out/features" >&2; echo "hint: none" >&2; exit 3 ;;
  is-killed) kill -KILL $$ ;;
esac
"#;
    let flags = [
        "whole",
        "one-budget",
        "no-report",
        "broken-report",
        "no-scores-file",
        "broken-scores",
        "lacks-series",
        "lacks-points",
        "fails",
        "is-killed",
    ];
    let dir = with_script(script, &flags);
    let (dir, out) = (dir.path(), dir.path().join("out"));
    // The scores of a detector, for scripts to give as theirs.
    told(&bench(dir, "small.toml --out out --only never_alarm"));
    let scores = rlad::data::read_scores(&out.join("runs/never-alarm-seed-0/scores.parquet")).unwrap();
    rlad::data::write_scores(&out.join("all.csv"), &scores).unwrap();

    let line = "scripts.toml --out out --python sh";
    assert!(told(&bench(dir, line)).starts_with("10 runs made; 10 of 10 runs are there, 9 failed"));
    let mut reader = csv::Reader::from_path(out.join("results.csv")).unwrap();
    let mut table = String::new();
    for record in reader.records() {
        let record = record.unwrap();
        let error = if record[9].is_empty() { "measured" } else { &record[9] };
        writeln!(table, "{} {}: {error}", &record[0], &record[2]).unwrap();
    }
    insta::assert_snapshot!("scripts", table);
    let here = dir.to_str().unwrap();
    for file in ["results.csv", "results.md", "results.html"] {
        assert!(!fs::read_to_string(out.join(file)).unwrap().contains(here), "{file} tells where it was made");
    }
    // All of them failed but one, and are made again.
    assert!(told(&bench(dir, &format!("{line} --retry"))).starts_with("9 runs made"));
}

#[cfg(unix)]
#[test]
fn each_series_alone_is_one_run_with_the_scores_of_all() {
    // The script is called once a series, in the order of the data; the second call of `fails` comes to nothing.
    let script = r#"
while [ $# -gt 1 ]; do [ "$1" = --out ] && out=$2; shift; done
at=${out##*/}
[ $1$at = fails1 ] && { echo "error: no luck" >&2; exit 3; }
cp "$out/../../../../one-$at.parquet" "$out/scores.parquet"
printf '{"versions": {}, "peak_memory_bytes": null, "runs": [{"budget": null, "scores": "scores.parquet", "questions": 0, "labelled_points": 0, "fit_seconds": 1, "score_seconds": 1, "threshold_rule": "own"}]}' > "$out/peer.json"
"#;
    let dir = with_script(script, &["copies", "fails"]);
    let (dir, out) = (dir.path(), dir.path().join("out"));
    let suite = fs::read_to_string(dir.join("scripts.toml")).unwrap();
    let (head, scripts) = suite.split_once("[[run]]").unwrap();
    let head = head.replace("validation = \"0.6..0.8\"", "each_series_alone = true").replace("[15, 25]", "[0, 2, 5]");
    let own = SUITE.split_once("[[run]]").unwrap().1.split_once("[[run]]\nname = \"A script\"").unwrap().0;
    fs::write(dir.join("alone.toml"), format!("{head}[[run]]{own}[[run]]{scripts}")).unwrap();

    told(&bench(dir, "alone.toml --out out --only SPOT --only Small_agent"));
    let spot = rlad::data::read_scores(&out.join("runs/spot-seed-0/scores.parquet")).unwrap();
    let n_series = spot.len();
    assert!(n_series > 1, "the data in the program are several series");
    for (i, one) in spot.iter().enumerate() {
        rlad::data::write_scores(&out.join(format!("one-{i}.parquet")), std::slice::from_ref(one)).unwrap();
    }
    let line = "alone.toml --out out --python sh";
    assert!(told(&bench(dir, line)).contains("7 of 7 runs are there, 1 failed"));
    assert!(told(&bench(dir, line)).starts_with("0 runs made"));
    let text = fs::read_to_string(out.join("results.md")).unwrap();
    assert!(text.contains("**failed**: series `") && text.contains("no luck"), "{text}");
    // The script gave the scores of SPOT, and so has its figures.
    let mut reader = csv::Reader::from_path(out.join("per_series.csv")).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
    let of = |row: &str| -> Vec<Vec<String>> {
        let of_row = records.iter().filter(|record| &record[0] == row);
        of_row.map(|record| record.iter().skip(1).map(str::to_owned).collect()).collect()
    };
    assert_eq!((of("copies"), of("SPOT").len(), of("fails").len()), (of("SPOT"), n_series, 0));
    // Two seeds and three budgets.
    assert_eq!(of("Small agent").len(), 2 * 3 * n_series);
    let outcome = fs::read_to_string(out.join("runs/small-agent-seed-0/run.json")).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(&outcome).unwrap();
    let questions: Vec<u64> =
        outcome["results"].as_array().unwrap().iter().map(|one| one["questions"].as_u64().unwrap()).collect();
    assert_eq!(questions, [0, 2, 5], "of each series");
}

#[test]
fn a_folder_is_filled_by_one_program_at_a_time() {
    let dir = folder();
    let dir = dir.path();
    let mut first = command(dir, "small.toml --out out").stdout(Stdio::null()).spawn().unwrap();
    wait_for(&mut first, || dir.join("out/runs").exists());
    let second = bench(dir, "small.toml --out out");
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(second.status.code(), Some(2));
    insta::assert_snapshot!("locked", String::from_utf8(second.stderr).unwrap());
    assert!(told(&bench(dir, "small.toml --out out --only never_alarm")).contains("6 runs"));
}

#[test]
fn runs_of_another_build_are_named_in_the_head() {
    let dir = folder();
    let dir = dir.path();
    told(&bench(dir, "small.toml --out out --only never_alarm --only alarm_everywhere"));
    let path = dir.join("out/runs/never-alarm-seed-0/run.json");
    let mut outcome: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    outcome["made_by"] = "0123456789abcdef".repeat(4).into();
    outcome.as_object_mut().unwrap().remove("machine");
    fs::write(&path, outcome.to_string()).unwrap();
    assert!(told(&bench(dir, "small.toml --out out --only never_alarm")).starts_with("0 runs made"));
    let text = fs::read_to_string(dir.join("out/results.md")).unwrap();
    assert!(text.contains("runs made by 2 builds of the program"), "{text}");
    assert!(text.contains("an unknown number at once"), "{text}");
}

#[test]
fn an_owner_of_yahoo_s5_gets_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::create_dir(dir.join("A1Benchmark")).unwrap();
    for (i, at) in [(1, 190), (2, 195)] {
        let mut text = String::from("timestamp,value,is_anomaly\n");
        for hour in 1..=200 {
            let wave = (f64::from(hour) / 24.0 * std::f64::consts::TAU).sin();
            writeln!(text, "{hour},{:.3},{}", wave + f64::from(u8::from(hour == at)) * 9.0, u8::from(hour == at))
                .unwrap();
        }
        fs::write(dir.join(format!("A1Benchmark/real_{i}.csv")), text).unwrap();
    }
    let output = told(&bench(dir, "yahoo-a1 --out out --only never_alarm --only alarm_everywhere"));
    assert!(output.starts_with("2 runs made; 2 of "), "{output}");
    let text = fs::read_to_string(dir.join("out/results.md")).unwrap();
    assert!(
        text.contains("2 series, 400 points") && text.contains("80 points with a label, 2 of them anomalous"),
        "{text}"
    );
    assert!(text.contains("| Alarm everywhere | 0 | 0 | none | .025 | 1.000 | .049 |"), "{text}");
    assert!(text.contains("alarms within 3 points"), "the step is an hour: {text}");
}

#[test]
fn what_cannot_be_run_is_told_with_what_to_do() {
    let dir = folder();
    let dir = dir.path();
    fs::write(dir.join("unlabelled.csv"), "timestamp,value\n0,1\n60,2\n120,3\n").unwrap();
    fs::write(dir.join("normal.csv"), "timestamp,value,label\n0,1,0\n60,2,0\n120,3,0\n").unwrap();
    let broken = [
        ("syntax", SUITE.replace("seeds = [0, 1]", "seeds = [0, 1")),
        ("odd-field", SUITE.replace("timeout_minutes", "timeout")),
        ("odd-method", SUITE.replace("\"spot\"", "\"spott\"")),
        ("odd-setting", SUITE.replace("\"spot\" }", "\"spot\", settings = { p = 1 } }")),
        (
            "two-things",
            SUITE.replace("method = { name = \"spot\" }", "method = { name = \"spot\" }\npeer = { script = \"x.py\" }"),
        ),
        ("agent", SUITE.replace("n_members = 2", "n_members = 0")),
        ("budgets", SUITE.replace("[15, 25]", "[25, 15]")),
        ("source", SUITE.replace("hint =", "source = \"atlantis\"\nhint =").replace("shipped", "unlabelled.csv")),
    ];
    for (name, text) in &broken {
        fs::write(dir.join(format!("{name}.toml")), text).unwrap();
    }
    let mut lines = vec![
        "quack --out t".to_owned(),
        "none.toml --out t".to_owned(),
        "small.toml --out t --only quack".to_owned(),
        "yahoo-a2 --out t".to_owned(),
        "kpi --out t --data nowhere.parquet".to_owned(),
        "small.toml --out t --data unlabelled.csv".to_owned(),
        "small.toml --out t --data normal.csv".to_owned(),
        "small.toml --out small.toml".to_owned(),
    ];
    lines.extend(broken.iter().map(|(name, _)| format!("{name}.toml --out t")));
    let mut table = String::new();
    for line in lines {
        let output = bench(dir, &line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        writeln!(table, "$ rlad bench {line}\n{}", String::from_utf8(output.stderr).unwrap()).unwrap();
    }
    assert!(!dir.join("t").exists(), "a command that fails leaves no folder behind");
    insta::assert_snapshot!("errors", table);
}

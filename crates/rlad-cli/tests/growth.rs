//! A session whose data grow between its runs: killed at any moment it ends in the same bytes and loses no answer, and it tells what
//! changed.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const CONFIG: &str = "
questions = 20
[query]
per_round = 6
pool = 500
[warm_up]
n_highest = 2
n_lowest = 2
n_middle = 2
[agent]
n_members = 3
";

/// The questions in all at each stage.
const QUESTIONS: [usize; 5] = [20, 28, 36, 44, 52];

/// The data of a stage: the first rows of each shipped series, more at each; the window moves on at the last one.
fn write_stage(folder: &Path, stage: usize) {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kpi");
    fs::create_dir_all(folder).unwrap();
    for file in fs::read_dir(shipped).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        let rows: Vec<&str> = lines.collect();
        let (first, end) = (if stage == 4 { rows.len() / 5 } else { 0 }, rows.len() * (6 + stage) / 10);
        let text: String = [header].iter().chain(&rows[first..end]).map(|line| format!("{line}\n")).collect();
        fs::write(folder.join(file.file_name().unwrap()), text).unwrap();
    }
}

fn train(dir: &Path, session: &str, n_questions: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.current_dir(dir).args(["train", "data", "--session", session, "--oracle", "truth", "--error-rate", "0.1"]);
    if dir.join(session).join("config.toml").exists() {
        command.args(["--resume", "--questions", &n_questions.to_string()]);
    } else {
        command.args(["--config", "small.toml"]);
    }
    command
}

fn run(command: &mut Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "{stderr}");
    stderr
}

/// The answers in a session's log, in order of entry: question, series, time of the first point, annotation's kind.
fn answers(folder: &Path) -> Vec<(i64, String, i64)> {
    let Ok(log) = rusqlite::Connection::open(folder.join("labels.sqlite")) else { return Vec::new() };
    let Ok(mut rows) = log.prepare("SELECT question, series, first FROM entries ORDER BY entry") else {
        return Vec::new();
    };
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

fn prepared() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    fs::write(path.join("small.toml"), CONFIG).unwrap();
    (dir, path)
}

#[test]
fn twenty_kills_while_data_grow_change_nothing() {
    let (_dir, dir) = prepared();
    let (mut n_kills, mut known) = (0, Vec::new());
    for (stage, n_questions) in QUESTIONS.into_iter().enumerate() {
        write_stage(&dir.join("data"), stage);
        let begun = Instant::now();
        let told = run(&mut train(&dir, "undisturbed", n_questions));
        let whole = begun.elapsed();
        assert_eq!(told.contains("the data have grown by"), stage > 0, "{told}");
        for i in 1..=4_usize {
            let mut child =
                train(&dir, "killed", n_questions).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let part = ((stage * 4 + i) as f64 * 0.618_034).fract() * 0.7;
            sleep(whole.mul_f64(part).max(Duration::from_millis(20)));
            n_kills += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            let now = answers(&dir.join("killed"));
            assert!(now.starts_with(&known), "an answer that was in the log has gone");
            known = now;
        }
        run(&mut train(&dir, "killed", n_questions));
        known = answers(&dir.join("killed"));
        assert_eq!(known, answers(&dir.join("undisturbed")), "stage {stage}: each question once, in the same order");
        for file in ["model.safetensors", "checkpoint", "history.jsonl"] {
            let same = fs::read(dir.join("killed").join(file)).unwrap()
                == fs::read(dir.join("undisturbed").join(file)).unwrap();
            assert!(same, "stage {stage}: {file} differs");
        }
    }
    assert!(n_kills >= 12, "only {n_kills} of the runs were killed before their end");
    assert_eq!(known.len(), 52);
}

#[test]
fn data_that_grow_in_the_middle_of_a_round_lose_no_answer() {
    let (_dir, dir) = prepared();
    write_stage(&dir.join("data"), 0);
    run(&mut train(&dir, "s", 20));
    // A person who answers three questions of a round of six, and leaves.
    let asked = dir.join("three.csv");
    fs::write(&asked, "series,start,end,label\n").unwrap();
    let before = answers(&dir.join("s"));
    let mut child = train(&dir, "s", 60).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while answers(&dir.join("s")).len() < before.len() + 3 && begun.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let known = answers(&dir.join("s"));
    assert!(known.len() >= before.len() + 3);
    for stage in [2, 4] {
        write_stage(&dir.join("data"), stage);
        let n = known.len() + 4 * stage;
        run(&mut train(&dir, "s", n));
        let now = answers(&dir.join("s"));
        assert!(now.starts_with(&known), "an answer has gone");
        let shown =
            Command::new(env!("CARGO_BIN_EXE_rlad")).current_dir(&dir).args(["show", "s", "--json"]).output().unwrap();
        let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        let lineage = shown["lineage"].as_array().unwrap();
        assert_eq!(lineage.last().unwrap()["questions"].as_u64(), Some(n as u64), "each answer is learned: {shown}");
    }
}

#[test]
fn what_is_new_is_asked_about_and_told() {
    let (_dir, dir) = prepared();
    write_stage(&dir.join("data"), 0);
    run(&mut train(&dir, "s", 20));
    write_stage(&dir.join("data"), 2);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.current_dir(&dir).args([
        "train",
        "data",
        "--session",
        "s",
        "--oracle",
        "truth",
        "--resume",
        "--questions",
        "+6",
    ]);
    let told = run(&mut command);
    let note = told.lines().find(|line| line.contains("grown")).unwrap().to_owned();
    insta::assert_snapshot!(note, @"note: the data have grown by 2,800 new points; the next questions are about what is new");
    assert_eq!(answers(&dir.join("s")).len(), 26);
    let history = fs::read_to_string(dir.join("s/history.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    let in_use = &last["in_use"];
    assert!(in_use["points"].as_u64().unwrap() > 0 && in_use["alarm_share"].as_f64().unwrap() < 0.2, "{in_use}");
}

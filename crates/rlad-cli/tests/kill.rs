//! A training run that is killed at any moment and resumed ends in the same bytes as one that was left alone, and loses no
//! answer.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Small networks on two short series: the whole run takes a few seconds, most of it in rounds.
const CONFIG: &str = "
questions = 60
[query]
per_round = 6
pool = 500
[warm_up]
n_highest = 2
n_lowest = 2
n_middle = 2
[agent]
n_members = 2
n_units = 8
head_units = 8
steps_per_round = 60
final_steps = 200
batch = 64
";

const N_QUESTIONS: usize = 60;

fn rlad(folder: &Path, config: &Path, resume: bool) -> Child {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kpi");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("train").arg(data).arg("--session").arg(folder).args(["--oracle", "truth"]);
    command.args(["--error-rate", "0.1", "--unsure-rate", "0.1"]);
    if resume {
        command.arg("--resume");
    } else {
        command.arg("--config").arg(config);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The answers in a session's log, in order of entry: question, point, answer.
fn answers(folder: &Path) -> Vec<(i64, i64, String)> {
    let log = rusqlite::Connection::open(folder.join("labels.sqlite")).unwrap();
    let mut rows = log.prepare("SELECT question, point, annotation FROM entries ORDER BY entry").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

fn killed_and_resumed(dir: &Path, config: &Path, undisturbed: &Path, pauses: impl Iterator<Item = Duration>) -> usize {
    let folder = dir.join("killed");
    let mut n_kills = 0;
    let mut known = Vec::new();
    for pause in pauses {
        let mut child = rlad(&folder, config, folder.join("config.toml").exists());
        sleep(pause);
        n_kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if folder.join("labels.sqlite").exists() {
            let now = fs::metadata(folder.join("config.toml")).map(|_| answers(&folder)).unwrap_or_default();
            assert!(now.starts_with(&known), "an answer that was in the log has gone");
            known = now;
        }
    }
    end(rlad(&folder, config, folder.join("config.toml").exists()));
    assert_eq!(answers(&folder), answers(undisturbed), "every question is answered once, in the same order");
    for file in ["model.safetensors", "checkpoint", "history.jsonl", "config.toml"] {
        assert!(fs::read(folder.join(file)).unwrap() == fs::read(undisturbed.join(file)).unwrap(), "{file} differs");
    }
    n_kills
}

#[test]
fn ten_kills_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config: PathBuf = dir.path().join("small.toml");
    fs::write(&config, CONFIG).unwrap();
    let undisturbed = dir.path().join("undisturbed");
    let begun = std::time::Instant::now();
    end(rlad(&undisturbed, &config, false));
    let whole = begun.elapsed();
    assert_eq!(answers(&undisturbed).len(), N_QUESTIONS);
    // Pauses between nothing and half of a whole run, spread by the golden ratio: each run begins anew where the last one was
    // killed, so the kills fall on the start, the questions, the learning and the writing of every part of the run.
    let pauses = (1..=10_u32).map(|i| whole.mul_f64((f64::from(i) * 0.618_034).fract() * 0.5));
    let n_kills = killed_and_resumed(dir.path(), &config, &undisturbed, pauses);
    assert!(n_kills >= 5, "only {n_kills} of the runs were killed before their end");
}

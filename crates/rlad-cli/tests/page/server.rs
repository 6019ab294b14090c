//! The program behind the page, and what it leaves in its folder.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Small networks on two short series: a round takes a fraction of a second. No question is asked twice unless a test says so.
const CONFIG: &str = "
questions = N_QUESTIONS
[query]
per_round = 6
pool = 500
ANSWERS
[warm_up]
n_highest = 2
n_lowest = 2
n_middle = 2
[agent]
n_members = 2
n_units = 8
head_units = 8
steps_per_round = 20
final_steps = 60
batch = 64
[experts]
reask_fraction = 0.0
";

pub(crate) fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kpi")
}

/// Writes settings of a session; `answers` is `range` or `point`.
pub(crate) fn config(folder: &Path, questions: usize, per_round: usize, answers: &str) -> PathBuf {
    let path = folder.join("small.toml");
    let text = CONFIG
        .replace("N_QUESTIONS", &questions.to_string())
        .replace("per_round = 6", &format!("per_round = {per_round}"))
        .replace("ANSWERS", &format!("answers = \"{answers}\""));
    fs::write(&path, text).unwrap();
    path
}

/// A run whose answers are the truth.
pub(crate) fn train(folder: &Path, config: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("train").arg(data_folder()).arg("--session").arg(folder).arg("--config").arg(config);
    let output = command.args(["--oracle", "truth"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) fn assert_same(folder: &Path, other: &Path) {
    for file in ["model.safetensors", "checkpoint", "history.jsonl", "config.toml"] {
        assert!(fs::read(folder.join(file)).unwrap() == fs::read(other.join(file)).unwrap(), "{file} differs");
    }
}

/// The program with its page.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    agent: ureq::Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Begins a session.
    pub(crate) fn begin(folder: &Path, config: &Path) -> Self {
        Self::start(folder, &[data_folder().to_str().unwrap(), "--config", config.to_str().unwrap()])
    }

    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
        command.arg("label").arg(folder).arg("--json").args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(told) = serde_json::from_str::<Value>(&line) else {
            let output = child.wait_with_output().unwrap();
            panic!("no address: {line} {}", String::from_utf8_lossy(&output.stderr))
        };
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        Self { child, url: told["url"].as_str().unwrap().to_owned(), agent: config.build().into() }
    }

    /// The address and the port, as `--bind` takes them.
    pub(crate) fn address(&self) -> String {
        self.url.trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        serde_json::from_str(&self.agent.get(url).call().unwrap().body_mut().read_to_string().unwrap()).unwrap()
    }

    /// Posts as a page does, without one.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let page = self.agent.get(&self.url).call().unwrap().body_mut().read_to_string().unwrap();
        let token = page.split("name=\"rlad-token\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        let request = self.agent.post(format!("{}{path}", self.url.trim_end_matches('/')));
        let request = request.header("X-Rlad-Token", token).header("Content-Type", "application/json");
        let mut reply = request.send(body.to_string()).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        assert_eq!(reply.status().as_u16(), 200, "{path} {body}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Waits for a phase of the session.
    pub(crate) fn wait(&self, phase: &str) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.get("/api/state");
            if state["phase"] == phase {
                return state;
            }
            assert!(state["phase"] != "failed" && begun.elapsed() < Duration::from_secs(60), "{state}");
            sleep(Duration::from_millis(20));
        }
    }
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) entry: i64,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) source: Option<String>,
    pub(crate) question: Option<i64>,
    pub(crate) series: Option<String>,
    pub(crate) annotation: Value,
    pub(crate) target: Option<i64>,
}

/// The log of a session, in order.
pub(crate) fn log(folder: &Path) -> Vec<Row> {
    let log = rusqlite::Connection::open(folder.join("labels.sqlite")).unwrap();
    let mut rows = log
        .prepare("SELECT entry, who, action, source, question, series, annotation, target FROM entries ORDER BY entry")
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let annotation: Option<String> = row.get(6)?;
        Ok(Row {
            entry: row.get(0)?,
            who: row.get(1)?,
            action: row.get(2)?,
            source: row.get(3)?,
            question: row.get(4)?,
            series: row.get(5)?,
            annotation: annotation.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
            target: row.get(7)?,
        })
    };
    rows.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// An annotation of a range as it is logged: a mark that was `painted` or on the point (`marked`), or `spans`.
pub(crate) fn logged(kind: &str, first: usize, last: usize, label: &str) -> Value {
    json!({ "kind": kind, "spans": [{ "first": first, "last": last, "label": label }] })
}

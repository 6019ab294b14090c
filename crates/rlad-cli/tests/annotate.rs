//! The labelling server as a program: scripted experts over HTTP, sessions that are killed, and the same bytes as `--oracle truth`.

#![expect(clippy::unwrap_used, reason = "a test stops where something is wrong")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rlad::active::{Question, Reason, Reply};
use rlad::config::AnswerKind;
use rlad::data::DataSet;
use rlad::{Oracle, Query, TruthOracle};
use serde_json::{Value, json};

/// Small networks on two short series: a round takes a fraction of a second.
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
steps_per_round = 20
final_steps = 60
batch = 64
";

fn data_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kpi")
}

fn data() -> DataSet {
    rlad::read(&[data_folder()], &rlad::data::ReadOptions::default()).unwrap()
}

/// The program with its page.
struct Server {
    child: Child,
    url: String,
    token: String,
    agent: ureq::Agent,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Gone = Box<dyn std::error::Error + Send + Sync>;

impl Server {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
        command.arg("label").arg(folder).arg("--json").args(more);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let Ok(output_line) = serde_json::from_str::<Value>(&line) else {
            let output = child.wait_with_output().unwrap();
            panic!("no address: {line} {}", String::from_utf8_lossy(&output.stderr))
        };
        // Nobody reads on; a closed pipe must not matter.
        child.stdout = None;
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
        let agent: ureq::Agent = config.build().into();
        let url = output_line["url"].as_str().unwrap().trim_end_matches('/').to_owned();
        let page = agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        let token = page.split("name=\"rlad-token\" content=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Self { child, url, token, agent }
    }

    fn get(&self, path: &str) -> Result<Value, Gone> {
        let mut reply = self.agent.get(format!("{}{path}", self.url)).call()?;
        Ok(serde_json::from_str(&reply.body_mut().read_to_string()?)?)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Gone> {
        let request = self.agent.post(format!("{}{path}", self.url));
        let request = request.header("X-Rlad-Token", &self.token).header("Content-Type", "application/json");
        let mut reply = request.send(body.to_string())?;
        let status = reply.status().as_u16();
        let value: Value = serde_json::from_str(&reply.body_mut().read_to_string()?)?;
        assert_eq!(status, 200, "{path} {body}: {value}");
        Ok(value)
    }

    fn phase(&self) -> Result<String, Gone> {
        Ok(self.get("/api/state")?["phase"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until something holds of the state.
    fn wait(&self, until: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let state = self.get("/api/state").unwrap();
            assert_ne!(state["phase"], "failed", "{state}");
            if until(&state) {
                return state;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{state}");
            sleep(Duration::from_millis(20));
        }
    }
}

/// An expert who knows the truth, as `--oracle truth` does.
struct Expert<'a> {
    data: &'a DataSet,
    error_rate: f64,
}

impl Expert<'_> {
    fn annotation(&self, question: &Value) -> Value {
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let (series, point) = (number(&question["series"]["index"]), number(&question["point"]));
        let query =
            Query { id: question["id"].as_u64().unwrap(), round: 0, series, point, reason: Reason::Random, score: 0.0 };
        let mut oracle = TruthOracle::new(&self.data.truths).with_mistakes(self.error_rate, self.error_rate, 0);
        let asked = Question {
            query: &query,
            series: &self.data.series[series],
            shown: number(&question["shown"]["first"])..number(&question["shown"]["last"]) + 1,
            kind: if question["kind"] == "point" { AnswerKind::Point } else { AnswerKind::Range },
            n_answered: 0,
            budget: 0,
        };
        let Reply::Answer(answer) = oracle.answer(&asked).unwrap() else { panic!("an answer") };
        match answer {
            rlad::Answer::Unsure => json!({ "kind": "unsure" }),
            rlad::Answer::Skip => json!({ "kind": "skip" }),
            rlad::Answer::Spans(spans) => json!({ "kind": "spans", "spans": spans }),
        }
    }

    /// Answers until the session is done or the server is gone. `confirmed` takes the entry and the key of each answer.
    fn work(&self, server: &Server, who: &str, mut confirmed: impl FnMut(&str, i64)) -> Result<(), Gone> {
        let mut next = server.post("/api/next", &json!({ "who": who }))?["question"].clone();
        loop {
            if next.is_null() {
                if server.phase()? == "done" {
                    return Ok(());
                }
                sleep(Duration::from_millis(5));
                next = server.post("/api/next", &json!({ "who": who }))?["question"].clone();
                continue;
            }
            // The key of a question stays the same over a restart, as the page's does for what was not confirmed.
            let key = format!("{who}-{}-{}", next["id"], next["again"]);
            let body = json!({ "who": who, "question": next["id"], "annotation": self.annotation(&next), "comment": null,
                "seconds": 0.1, "again": next["again"], "key": key });
            let reply = server.post("/api/answer", &body)?;
            confirmed(&key, reply["entry"].as_i64().unwrap());
            next = reply["next"].clone();
        }
    }
}

fn train(folder: &Path, config: &Path, more: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("train").arg(data_folder()).arg("--session").arg(folder).arg("--config").arg(config);
    let output = command.args(["--oracle", "truth"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn small_config(folder: &Path, questions: usize) -> PathBuf {
    let path = folder.join("small.toml");
    fs::write(&path, CONFIG.replace("questions = 60", &format!("questions = {questions}"))).unwrap();
    path
}

fn assert_same(folder: &Path, other: &Path) {
    for file in ["model.safetensors", "checkpoint", "history.jsonl", "config.toml"] {
        assert!(fs::read(folder.join(file)).unwrap() == fs::read(other.join(file)).unwrap(), "{file} differs");
    }
}

/// The rows of a log by the key of the client: entry and question.
fn rows(folder: &Path) -> Vec<(String, i64, i64)> {
    let log = rusqlite::Connection::open(folder.join("labels.sqlite")).unwrap();
    let mut rows =
        log.prepare("SELECT client, entry, question FROM entries WHERE client IS NOT NULL ORDER BY entry").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_scripted_expert_at_the_page_comes_to_the_bytes_of_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 60);
    let (truth, page, two) = (dir.path().join("truth"), dir.path().join("page"), dir.path().join("two"));
    train(&truth, &config, &["--error-rate", "0.1", "--unsure-rate", "0.1"]);
    let data = data();
    let expert = Expert { data: &data, error_rate: 0.1 };

    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("train").arg(data_folder()).arg("--session").arg(&page).arg("--config").arg(&config);
    command.args(["--oracle", "page", "--json"]);
    let mut server = Server::of(command);
    // It ends by itself when the budget is spent.
    let _ = expert.work(&server, "ada", |_, _| {});
    assert!(server.child.wait().unwrap().code().is_some_and(|code| code < 2));
    assert_same(&page, &truth);

    // Two experts at once: the answers are the same, whoever gives them.
    let folder = data_folder();
    let server = Server::start(&two, &[folder.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    std::thread::scope(|scope| {
        for who in ["ada", "eve"] {
            let (server, expert) = (&server, &expert);
            scope.spawn(move || expert.work(server, who, |_, _| {}).unwrap());
        }
    });
    let state = server.wait(|state| state["phase"] == "done");
    assert_eq!((&state["questions"], state["experts"].as_array().unwrap().len()), (&json!(60), 2), "{state}");
    let between = &state["experts_agreement"]["between"];
    assert_eq!(between["same"], between["asked"], "both know the truth");
    assert_same(&two, &truth);
}

#[test]
fn fifty_kills_lose_no_answer_and_double_none() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 150);
    let (truth, folder) = (dir.path().join("truth"), dir.path().join("killed"));
    let begun = Instant::now();
    train(&truth, &config, &[]);
    let whole = begun.elapsed();
    let data = data();
    let expert = Expert { data: &data, error_rate: 0.0 };
    let mut confirmed: BTreeMap<String, i64> = BTreeMap::new();
    let check = |confirmed: &BTreeMap<String, i64>| {
        let rows = rows(&folder);
        let mut keys: Vec<&String> = rows.iter().map(|(key, ..)| key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), rows.len(), "no answer is there twice");
        for (key, entry) in confirmed {
            assert!(
                rows.iter().any(|row| row.0 == *key && row.1 == *entry),
                "{key} was confirmed as {entry}, and is not there"
            );
        }
    };
    let mut n_kills = 0;
    let source = data_folder();
    for i in 1..=50_u32 {
        let more = [source.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let begun = folder.join("config.toml").exists();
        let mut server = Server::start(&folder, if begun { &[] } else { &more });
        // Spread by the golden ratio over the time that some rounds take.
        let pause = whole.mul_f64((f64::from(i) * 0.618_034).fract() / 15.0);
        let pid = server.child.id();
        std::thread::scope(|scope| {
            let at_work =
                scope.spawn(|| expert.work(&server, "ada", |key, entry| _ = confirmed.insert(key.to_owned(), entry)));
            sleep(pause);
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
            n_kills += u32::from(at_work.join().unwrap().is_err());
        });
        server.child.wait().unwrap();
        check(&confirmed);
    }
    let server = Server::start(&folder, &[]);
    expert.work(&server, "ada", |key, entry| _ = confirmed.insert(key.to_owned(), entry)).unwrap();
    server.wait(|state| state["phase"] == "done");
    check(&confirmed);
    assert_eq!(
        rows(&folder).iter().map(|(.., question)| question).collect::<std::collections::BTreeSet<_>>().len(),
        150
    );
    assert!(n_kills >= 25, "only {n_kills} of 50 kills fell into the session");
    assert_same(&folder, &truth);
}

#[test]
fn unprompted_labels_and_changed_answers_are_taught_and_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 36);
    // Each question of a round once, so that the script knows where it is.
    let text = fs::read_to_string(&config).unwrap() + "[experts]\nreask_fraction = 0.0\n";
    fs::write(&config, text).unwrap();
    let data = data();
    let expert = Expert { data: &data, error_rate: 0.0 };
    let source = data_folder();
    let run = |name: &str, restarts: bool| {
        let folder = dir.path().join(name);
        let more = [source.to_str().unwrap(), "--config", config.to_str().unwrap()];
        let mut server = Server::start(&folder, &more);
        for round in 0..3_u64 {
            let state = server.wait(|state| state["round"] == round && state["phase"] == "asking");
            let n = state["round_questions"].as_u64().unwrap();
            for i in 0..n {
                let next = server.post("/api/next", &json!({ "who": "ada" })).unwrap()["question"].clone();
                let body = json!({ "who": "ada", "question": next["id"], "annotation": expert.annotation(&next), "seconds": 0.1, "again": next["again"] });
                if i == 1 {
                    let first = 300 * (round + 1);
                    let spans = json!([{ "first": first, "last": first + 9, "label": "normal" }, { "first": first + 4, "last": first + 5, "label": "anomaly" }]);
                    server
                        .post(
                            "/api/labels",
                            &json!({ "who": "eve", "source": "unprompted", "series": 0, "spans": spans, "seconds": 1 }),
                        )
                        .unwrap();
                }
                if i == 2 && round > 0 {
                    // The first question is answered otherwise, and in the next round otherwise again.
                    server.post("/api/answer", &json!({ "who": "ada", "question": 0, "annotation": { "kind": "unsure" }, "seconds": 1, "again": false })).unwrap();
                }
                server.post("/api/answer", &body).unwrap();
            }
            server.wait(|state| state["round"] == round + 1);
            if restarts {
                drop(server);
                server = Server::start(&folder, &[]);
            }
        }
        expert.work(&server, "ada", |_, _| {}).unwrap();
        let state = server.wait(|state| state["phase"] == "done");
        let spans = server.get("/api/labels?series=0&from=300&to=320").unwrap()["spans"].clone();
        assert_eq!(spans[1], json!({ "first": 304, "last": 305, "label": "anomaly" }), "{spans}");
        drop(server);
        (folder, state)
    };
    let (whole, state) = run("whole", false);
    let (restarted, _) = run("restarted", true);
    assert_eq!(state["questions"], 36, "labels that nobody asked for are no questions");
    assert_same(&whole, &restarted);
    // They are in what was learned, and in the checkpoint.
    let history = fs::read_to_string(whole.join("history.jsonl")).unwrap();
    let last: Value = serde_json::from_str(history.lines().last().unwrap()).unwrap();
    assert_eq!(last["labelled_points"], state["labelled_points"], "{last}");
}

#[test]
fn a_session_that_is_done_takes_more_questions_and_other_answers() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 12);
    let folder = dir.path().join("s");
    let data = data();
    let expert = Expert { data: &data, error_rate: 0.0 };
    let source = data_folder();
    let server = Server::start(&folder, &[source.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    expert.work(&server, "ada", |_, _| {}).unwrap();
    let first = server.wait(|state| state["phase"] == "done");
    server.post("/api/budget", &json!({ "questions": 20 })).unwrap();
    server.wait(|state| state["phase"] == "asking");
    expert.work(&server, "ada", |_, _| {}).unwrap();
    let second = server.wait(|state| state["phase"] == "done");
    assert_eq!((&second["questions"], &second["budget"]), (&json!(20), &json!(20)));
    assert_ne!(first["model"], second["model"]);

    let body = json!({ "who": "ada", "question": 0, "annotation": { "kind": "unsure" }, "seconds": 1, "again": false });
    server.post("/api/answer", &body).unwrap();
    let third = server.wait(|state| state["phase"] == "done" && state["model"] != second["model"]);
    assert_eq!(third["questions"], 20);
    drop(server);
    // The detector is there already, and the same.
    let server = Server::start(&folder, &[]);
    let again = server.wait(|state| state["phase"] == "done");
    assert_eq!((&again["model"], &again["questions"]), (&third["model"], &json!(20)));
    drop(server);
    let mut export = Command::new(env!("CARGO_BIN_EXE_rlad"));
    let out = export.args(["labels", "export"]).arg(&folder).args(["--format", "trainset"]).output().unwrap();
    assert!(
        out.status.success() && out.stdout.starts_with(b"series,timestamp,value,label"),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn data_are_browsed_and_labelled_without_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("labels");
    let source = data_folder();
    let server = Server::start(&folder, &[source.to_str().unwrap(), "--browse"]);
    assert_eq!(server.get("/api/session").unwrap()["mode"], "browse");
    let spans = json!([{ "first": 5, "last": 6, "label": "anomaly" }]);
    server
        .post(
            "/api/labels",
            &json!({ "who": "ada", "source": "unprompted", "series": 1, "spans": spans, "seconds": 1 }),
        )
        .unwrap();
    let other = Command::new(env!("CARGO_BIN_EXE_rlad")).arg("label").arg(&folder).arg("--browse").output().unwrap();
    assert!(String::from_utf8_lossy(&other.stderr).contains("by another program"));
    drop(server);
    let server = Server::start(&folder, &["--browse"]);
    assert_eq!(server.get("/api/labels?series=1&from=0&to=50").unwrap()["spans"][0]["last"], 6);
}

#[cfg(unix)]
#[test]
fn control_c_ends_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 60);
    let folder = dir.path().join("s");
    let source = data_folder();
    let mut server = Server::start(&folder, &[source.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    server.wait(|state| state["phase"] == "asking");
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let begun = Instant::now();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// Ctrl-C amid a round: what is done is told, the detector knows what was answered, and the session goes on as if nobody had left.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_detector_of_all_answers() {
    use std::io::Read as _;

    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 12);
    let (truth, left) = (dir.path().join("truth"), dir.path().join("left"));
    train(&truth, &config, &["--error-rate", "0.1", "--unsure-rate", "0.1"]);
    let data = data();
    let expert = Expert { data: &data, error_rate: 0.1 };
    let folder = data_folder();
    let mut server = Server::start(&left, &[folder.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    server.wait(|state| state["phase"] == "asking");
    for _ in 0..3 {
        let next = server.post("/api/next", &json!({ "who": "ada" })).unwrap()["question"].clone();
        let body = json!({ "who": "ada", "question": next["id"], "annotation": expert.annotation(&next), "comment": null,
            "seconds": 0.1, "again": false, "key": format!("ada-{}-false", next["id"]) });
        server.post("/api/answer", &body).unwrap();
    }
    assert!(!left.join("model.safetensors").exists());
    let id = server.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut told = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(server.child.wait().unwrap().success(), "{told}");
    let expected = [
        "fitting the detector with the last 3 answers too, and writing it: some seconds; Ctrl-C leaves at once",
        "3 of 12 questions answered",
        " in 2 series (14,000 points, ",
        "detector ",
        "next: rlad detect ",
    ];
    for part in expected {
        assert!(told.contains(part), "{part}: {told}");
    }
    let model = rlad::Model::load(left.join("model.safetensors")).unwrap();
    assert_eq!(model.n_questions(), 3);

    let server = Server::start(&left, &[]);
    expert.work(&server, "ada", |_, _| {}).unwrap();
    assert_same(&left, &truth);
}

/// `rlad detect` takes the detector of the last round while people answer, and the session ends as if nobody had looked.
#[test]
fn the_detector_of_the_last_round_is_there_while_people_answer() {
    let dir = tempfile::tempdir().unwrap();
    let config = small_config(dir.path(), 12);
    let session = dir.path().join("s");
    let (data, folder) = (data(), data_folder());
    let expert = Expert { data: &data, error_rate: 0.0 };
    let server = Server::start(&session, &[folder.to_str().unwrap(), "--config", config.to_str().unwrap()]);
    server.wait(|state| state["phase"] == "asking");
    let mut n_answered = 0;
    while !session.join("model.safetensors").exists() {
        assert!(n_answered < 10, "no detector after {n_answered} answers");
        if let Ok(next) = server.post("/api/next", &json!({ "who": "ada" }))
            && let Some(id) = next["question"]["id"].as_u64()
        {
            let body = json!({ "who": "ada", "question": id, "annotation": expert.annotation(&next["question"]),
                "comment": null, "seconds": 0.1, "again": false, "key": format!("ada-{id}-false") });
            server.post("/api/answer", &body).unwrap();
            n_answered += 1;
        }
        sleep(Duration::from_millis(300));
    }
    let detect = Command::new(env!("CARGO_BIN_EXE_rlad"))
        .arg("detect")
        .args([&session, &folder, Path::new("--out"), &dir.path().join("scores.csv")])
        .output()
        .unwrap();
    assert!(detect.status.success(), "{}", String::from_utf8_lossy(&detect.stderr));
}

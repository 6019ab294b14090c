//! A service that is killed while people answer loses no answer, and comes to the detector of one that was never stopped.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::database::{Database, Stored};
use super::sender::Load;
use super::service::{Service, agent, command, state_of, write_config};

const N_SERIES: usize = 2;
const N_MINUTES: i64 = 60;
const N_QUESTIONS: usize = 8;

fn config(folder: &Path, database: &Database, learns: bool) -> std::path::PathBuf {
    let learning = format!(
        "[learning]\nenabled = {learns}\nquestions = {N_QUESTIONS}\nquestions_per_day = 0\nafter_answers = 4\n"
    );
    let watch = "[[watch]]\nmatch = '{__name__=\"load\"}'\nstep = \"1m\"\n";
    write_config(folder, "", "snapshot_every = \"1s\"", &(database.writer() + &learning + watch))
}

/// A person at the labelling page, who knows the faults.
struct Page<'a> {
    service: &'a Service,
    agent: ureq::Agent,
    token: String,
}

impl<'a> Page<'a> {
    /// The page, if it is there.
    fn open(service: &'a Service) -> Option<Self> {
        let (_, page) = service.try_get("/")?;
        let token = page.split("name=\"rlad-token\" content=\"").nth(1)?.split('"').next()?.to_owned();
        Some(Self { service, agent: agent(Duration::from_secs(20)), token })
    }

    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let request = self.agent.post(format!("{}{path}", self.service.url)).header("X-Rlad-Token", &self.token);
        let mut reply = request.header("Content-Type", "application/json").send(body.to_string()).ok()?;
        let (status, text) = (reply.status(), reply.body_mut().read_to_string().ok()?);
        // A page that comes back meanwhile has another token.
        assert!(status != 400 && status != 422, "{path} {body}: {text}");
        status.is_success().then(|| serde_json::from_str(&text).ok())?
    }

    /// Answers one question, if there is one; its key and its entry.
    fn answer(&self) -> Option<(String, i64)> {
        let question = self.post("/api/next", &json!({ "who": "ada" }))?["question"].clone();
        let number = |value: &Value| value.as_i64();
        let series = usize::try_from(number(&question["series"]["index"])?).unwrap();
        let (first, last) = (number(&question["shown"]["first"])?, number(&question["shown"]["last"])?);
        let label = |point: i64| if Load::is_fault(series, point - Load::PAST) { "anomaly" } else { "normal" };
        let of_point = |point: i64| json!({ "first": point, "last": point, "label": label(point) });
        let spans: Vec<Value> = (first..=last).map(of_point).collect();
        let key = format!("ada-{}-{}", question["id"], question["again"]);
        let body = json!({ "who": "ada", "question": question["id"], "annotation": { "kind": "spans", "spans": spans },
            "comment": null, "seconds": 0.1, "again": question["again"], "key": key });
        Some((key, self.post("/api/answer", &body)?["entry"].as_i64()?))
    }
}

/// Whether all questions are answered, and the detector that knows them scores.
fn is_done(service: &Service) -> bool {
    let Some((200, text)) = service.try_get("/api/state") else { return false };
    let Ok(state) = serde_json::from_str::<Value>(&text) else { return false };
    state["phase"] == "done" && state["model"].as_str() == service.detector().as_deref()
}

/// Entries of the log by the key of the client.
fn entries(folder: &Path) -> BTreeMap<String, i64> {
    let log = rusqlite::Connection::open(state_of(folder).join("session/labels.sqlite")).unwrap();
    let mut rows = log.prepare("SELECT client, entry FROM entries WHERE client IS NOT NULL").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// Lets all questions be answered through lives that end at these steps, then sends minutes; what the database has, the detector, and
/// the steps that were not reached.
fn live(folder: &Path, load: &Load, steps: &[&str]) -> (Stored, String, Vec<String>) {
    let database = Database::start();
    let path = config(folder, &database, true);
    let mut confirmed = BTreeMap::new();
    let (mut has_past, mut missed) = (false, Vec::new());
    for step in steps.iter().map(Some).chain([None]) {
        let mut program = command(&path);
        let mut dies_at = None;
        match step.map(|step| step.parse::<f64>().map_err(|_| step)) {
            Some(Ok(seconds)) => dies_at = Some(Duration::from_secs_f64(seconds)),
            Some(Err(step)) => _ = program.env("RLAD_ABORT_AT", step),
            None => {}
        }
        let service = Service::of(program).unwrap();
        if let Some(after) = dies_at {
            service.kill_after(after);
        }
        let begun = Instant::now();
        while service.is_alive() {
            if !has_past {
                has_past = service.try_write(&load.past()) == Some(204);
            }
            match Page::open(&service).and_then(|page| page.answer()) {
                Some((key, entry)) => _ = confirmed.insert(key, entry),
                None => sleep(Duration::from_millis(10)),
            }
            // The detector of the last answers is in use once it is told.
            if step.is_none() && is_done(&service) {
                break;
            }
            if begun.elapsed() > Duration::from_secs(if step.is_none() { 90 } else { 20 }) {
                assert!(step.is_some(), "{confirmed:?} {:?} {:?}", service.try_get("/api/state"), service.lines());
                missed.push(format!("{step:?}"));
                break;
            }
        }
        if step.is_none() {
            service.stop();
        }
    }
    let rows = entries(folder);
    for (key, entry) in &confirmed {
        assert_eq!(rows.get(key), Some(entry), "{key} was confirmed");
    }
    let service = Service::start(&config(folder, &database, false));
    let detector = service.detector().unwrap();
    (0..N_MINUTES).for_each(|minute| service.write(&load.minutes(minute..minute + 1)));
    let expected = usize::try_from(N_MINUTES).unwrap() * N_SERIES;
    service.wait("all scores", |_| database.n_scores() == expected);
    service.stop();
    (database.stored(), detector, missed)
}

#[test]
fn kills_while_people_answer_lose_no_answer_and_change_no_detector() {
    let load = Load::new(N_SERIES, N_MINUTES).with_faults_in_the_past();
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (truth, detector, _) = live(whole.path(), &load, &[]);
    let named = ["turn", "model-kept", "swap", "0.9", "1.7"];
    let random = ["0.9", "1.7", "2.4"];
    let steps: &[&str] = if cfg!(debug_assertions) { &named } else { &random };
    let (stored, of_killed, missed) = live(killed.path(), &load, steps);
    assert_eq!(of_killed, detector);
    assert_eq!(stored.n_contradictions, 0);
    assert!(stored.scores == truth.scores, "the detectors score alike");
    assert_eq!(missed, Vec::<String>::new(), "steps that were not reached");
}

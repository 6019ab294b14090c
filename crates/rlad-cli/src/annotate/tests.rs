//! Every route and its errors, without a browser, a socket or a learner.

mod http;
mod in_browser;
mod links;
mod marks;
mod starts;
mod suggestions;
mod views;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use rlad::active::Reason;
use rlad::config::{AnswerKind, ExpertsConfig};
use rlad::data::{Part, TimeFormat};
use rlad::{Query, Series};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::page_router as router;
use super::server::{Phase, ShownQuestion};
use super::*;
use crate::log::AnswerLog;

const HOST: &str = "127.0.0.1:8080";

/// A labelling server with two series of 600 points at a step of a minute, one of them with two days before it, and a short one.
struct Fixture {
    folder: tempfile::TempDir,
    server: Arc<LabellingServer>,
    router: Router,
    token: String,
}

fn series() -> Vec<Series> {
    let make = |name: &str, n: i64, n_channels: usize| {
        let times = (0..n).map(|i| i * 3_600 * rlad::data::NANOS_PER_SECOND).collect();
        let values = (0..n * n_channels as i64).map(|i| if i == 7 { f64::NAN } else { i as f64 }).collect();
        let channels = (0..n_channels).map(|channel| format!("c{channel}")).collect();
        Series::new(name, channels, TimeFormat::Seconds, times, values, None).unwrap()
    };
    vec![make("db/cpu", 600, 2), make("db/Memory", 600, 2), make("web", 50, 2)]
}

fn settings(browses: bool) -> Settings {
    Settings {
        name: "s".into(),
        who: "ada".into(),
        preset: Some("default".into()),
        strategy: Some("margin".into()),
        seed: 0,
        kind: AnswerKind::Range,
        shown: 7,
        part: Part::ALL,
        experts: ExpertsConfig { reask_fraction: 0.0, ..ExpertsConfig::default() },
        browses,
    }
}

fn server(folder: &Path, settings: Settings, n_questions: u64) -> Arc<LabellingServer> {
    let log = AnswerLog::open(&folder.join("labels.sqlite")).unwrap();
    let data = Data::new(series());
    let server = LabellingServer::new(
        folder.to_owned(),
        data,
        settings,
        DataSource::default(),
        log,
        SessionStart { budget: 500, ..SessionStart::default() },
    )
    .unwrap();
    {
        let mut state = server.lock();
        for id in 0..n_questions {
            let (series, point) = ((id % 2) as usize, 20 + 2 * id as usize);
            let query = Query { id, round: 0, series, point, reason: Reason::Highest, score: 0.5 };
            let shown = server.shown(&query);
            state.questions.insert(id, ShownQuestion { query, shown, alarm: None });
            state.pending.push(id);
        }
        state.phase = Phase::Asking;
    }
    Arc::new(server)
}

impl Fixture {
    fn new(settings: Settings, n_questions: u64, secret: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = server(folder.path(), settings, n_questions);
        let address = if secret.is_some() { "0.0.0.0:8080" } else { HOST };
        let gate = Gate::new(address.parse().unwrap(), secret.map(str::to_owned)).unwrap();
        let token = gate.token.clone();
        Self { router: router(Arc::clone(&server), gate), server, folder, token }
    }

    fn usual() -> Self {
        Self::new(settings(false), 10, None)
    }

    /// The reply to a request with these headers beside the `Host`.
    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", HOST);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let reply = self.router.clone().oneshot(request).await.unwrap();
            let (head, body) = reply.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.ask(Method::GET, path, &[], "");
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    fn read(&self, path: &str) -> Value {
        let (status, value) = self.get(path);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let headers = [("x-rlad-token", self.token.as_str()), ("content-type", "application/json")];
        let (status, _, body) = self.ask(Method::POST, path, &headers, &body.to_string());
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    fn write(&self, path: &str, body: &Value) -> Value {
        let (status, value) = self.post(path, body);
        assert_eq!(status, 200, "{path} {body}: {value}");
        value
    }

    fn answer(&self, who: &str, question: u64, label: &str) -> Value {
        let shown = self.server.lock().questions[&question].shown.clone();
        let annotation =
            json!({ "kind": "spans", "spans": [{ "first": shown.start, "last": shown.end - 1, "label": label }] });
        self.write(
            "/api/answer",
            &json!({ "who": who, "question": question, "annotation": annotation, "seconds": 1.5, "again": false }),
        )
    }
}

#[test]
fn the_session_and_its_state() {
    let fixture = Fixture::usual();
    let session = fixture.read("/api/session");
    for (key, value) in [
        ("name", json!("s")),
        ("mode", json!("session")),
        ("answers", json!("range")),
        ("shown", json!(7)),
        ("n_series", json!(3)),
        ("n_points", json!(1250)),
        ("channels", json!(["c0", "c1"])),
        ("conflict", json!("latest")),
        ("budget", json!(500)),
    ] {
        assert_eq!(session[key], value, "{key}");
    }
    fixture.answer("ada", 0, "anomaly");
    let state = fixture.read("/api/state");
    assert_eq!(
        (&state["phase"], &state["round_questions"], &state["round_answered"]),
        (&json!("asking"), &json!(10), &json!(1))
    );
    assert_eq!((&state["labelled_points"], &state["labelled_anomalies"]), (&json!(7), &json!(7)));
    assert_eq!((&state["experts"][0]["name"], &state["experts"][0]["answers"]), (&json!("ada"), &json!(1)));
    assert_eq!(state["experts_agreement"]["between"], json!({ "same": 0, "asked": 0 }));
}

#[test]
fn questions_come_one_by_one_and_hide_the_score_until_they_are_answered() {
    let fixture = Fixture::usual();
    let next = fixture.write("/api/next", &json!({ "who": "ada" }))["question"].clone();
    assert_eq!(
        (&next["id"], &next["number"], &next["kind"], &next["again"]),
        (&json!(0), &json!(1), &json!("range"), &json!(false))
    );
    assert_eq!((&next["shown"]["first"], &next["shown"]["last"], &next["point"]), (&json!(17), &json!(23), &json!(20)));
    assert_eq!((&next["time"], &next["step_ns"]), (&json!("1970-01-01T20:00:00Z"), &json!(3_600_000_000_000_i64)));
    assert!(next.get("score").is_none() && next["answer"].is_null());
    assert_eq!(
        fixture.write("/api/next", &json!({ "who": "ada" }))["question"]["id"],
        json!(0),
        "after a reload the same one"
    );
    let answered = fixture.answer("ada", 0, "normal");
    assert_eq!((&answered["entry"], &answered["score"], &answered["next"]["id"]), (&json!(1), &json!(0.5), &json!(1)));
    let past = fixture.read("/api/question/0?who=ada")["question"].clone();
    assert_eq!(past["answer"]["spans"][0]["label"], json!("normal"));
    assert!(fixture.read("/api/question/0?who=eve")["question"]["answer"].is_null(), "others' answers are not shown");
    for id in 1..10 {
        fixture.answer("ada", id, "normal");
    }
    assert_eq!(fixture.write("/api/next", &json!({ "who": "ada" })), json!({ "question": null }));
}

#[test]
fn an_answer_that_is_sent_twice_is_one_entry() {
    let fixture = Fixture::usual();
    let body = json!({ "who": "ada", "question": 3, "annotation": { "kind": "unsure" }, "seconds": 1, "key": "k1", "comment": "odd" });
    let first = fixture.write("/api/answer", &body);
    let second = fixture.write("/api/answer", &body);
    assert_eq!(first["entry"], second["entry"]);
    let labels = json!({ "who": "ada", "source": "similar", "key": "k2", "seconds": 1,
        "items": [{ "series": 0, "spans": [{ "first": 1, "last": 2, "label": "normal" }] },
                  { "series": 1, "spans": [{ "first": 1, "last": 2, "label": "normal" }] }] });
    assert_eq!(fixture.write("/api/labels", &labels)["entries"], json!([2, 3]));
    assert_eq!(fixture.write("/api/labels", &labels)["entries"], json!([2, 3]));
    let undo = json!({ "who": "ada", "key": "k3" });
    assert_eq!(fixture.write("/api/undo", &undo)["entry"], json!(4));
    assert_eq!(fixture.write("/api/undo", &undo)["entry"], json!(4));
    let answers = fixture.read("/api/answers")["answers"].clone();
    let current: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["current"]).collect();
    assert_eq!(current, [false, false, true], "the annotations of one request are taken back together");
    assert_eq!(answers[2]["comment"], json!("odd"));
}

#[test]
fn undo_and_redo_over_a_hundred_steps_survive_a_restart() {
    let mut fixture = Fixture::new(settings(false), 130, None);
    for id in 0..120 {
        fixture.answer("ada", id, if id % 3 == 0 { "anomaly" } else { "normal" });
    }
    let before = fixture.read("/api/labels?series=0&from=0&to=600");
    let mut steps = 0;
    loop {
        let reply = fixture.write("/api/undo", &json!({ "who": "ada" }));
        if reply["entry"].is_null() {
            break;
        }
        steps += 1;
        assert_eq!((&reply["what"], &reply["question"]["id"]), (&json!("answer"), &json!(120 - steps)));
        if steps == 60 {
            fixture.server = server(fixture.folder.path(), settings(false), 130);
            let gate = Gate::new(HOST.parse().unwrap(), None).unwrap();
            fixture.token.clone_from(&gate.token);
            fixture.router = router(Arc::clone(&fixture.server), gate);
        }
    }
    assert_eq!(steps, 120);
    assert_eq!(fixture.read("/api/labels?series=0&from=0&to=600"), json!({ "spans": [] }));
    for step in 0..120 {
        assert_eq!(fixture.write("/api/redo", &json!({ "who": "ada" }))["question"]["id"], json!(step));
    }
    assert_eq!(fixture.write("/api/redo", &json!({ "who": "ada" })), json!({ "entry": null }));
    assert_eq!(fixture.read("/api/labels?series=0&from=0&to=600"), before);
    fixture.write("/api/undo", &json!({ "who": "ada" }));
    fixture.answer("ada", 125, "normal");
    assert_eq!(
        fixture.write("/api/redo", &json!({ "who": "ada" })),
        json!({ "entry": null }),
        "a new answer ends what could come back"
    );
}

#[test]
fn two_experts_never_work_on_the_same_question_unless_it_is_asked_once_more() {
    let experts = ExpertsConfig { reask_fraction: 1.0, ..ExpertsConfig::default() };
    let fixture = Fixture::new(Settings { experts, ..settings(false) }, 6, None);
    let next = |who: &str| fixture.write("/api/next", &json!({ "who": who }))["question"].clone();
    assert_eq!((next("ada")["id"].clone(), next("eve")["id"].clone()), (json!(0), json!(1)));
    assert_eq!((next("ada")["id"].clone(), next("eve")["id"].clone()), (json!(0), json!(1)));
    fixture.answer("ada", 0, "anomaly");
    fixture.answer("eve", 1, "normal");
    // Each is asked what the other one has answered.
    let (of_ada, of_eve) = (next("ada"), next("eve"));
    let mut asked =
        vec![(of_ada["id"].clone(), of_ada["again"].clone()), (of_eve["id"].clone(), of_eve["again"].clone())];
    asked.sort_by_key(|(id, _)| id.as_u64());
    assert!(asked.contains(&(json!(0), json!(true))) || asked.contains(&(json!(1), json!(true))), "{asked:?}");
    fixture.answer("eve", 0, "normal");
    fixture.answer("ada", 1, "normal");
    let agreement = fixture.read("/api/state")["experts_agreement"].clone();
    assert_eq!((&agreement["between"], &agreement["within"]["asked"]), (&json!({ "same": 1, "asked": 2 }), &json!(0)));
    let spans = fixture.read("/api/labels?series=0&from=0&to=600")["spans"].clone();
    assert_eq!(spans[0]["label"], json!("normal"), "the latest answer holds");
}

#[test]
fn labels_are_painted_merged_and_taken_away() {
    let fixture = Fixture::usual();
    let paint = |spans: Value| {
        fixture.write(
            "/api/labels",
            &json!({ "who": "ada", "source": "unprompted", "series": 2, "spans": spans, "seconds": 2.0, "comment": null }),
        )
    };
    paint(json!([{ "first": 3, "last": 9, "label": "normal" }, { "first": 10, "last": 12, "label": "normal" }]));
    paint(json!([{ "first": 5, "last": 6, "label": "anomaly" }, { "first": 20, "last": 22, "label": "expected" }]));
    paint(json!([{ "first": 11, "last": 20, "label": "unknown" }]));
    let spans = fixture.read("/api/labels?series=2&from=0&to=50")["spans"].clone();
    let expected = json!([
        { "first": 3, "last": 4, "label": "normal" }, { "first": 5, "last": 6, "label": "anomaly" },
        { "first": 7, "last": 10, "label": "normal" }, { "first": 21, "last": 22, "label": "expected" },
    ]);
    assert_eq!(spans, expected);
    let listed = fixture.read("/api/series?order=labelled&limit=1")["series"][0].clone();
    assert_eq!(
        (&listed["name"], &listed["n_labelled"], &listed["n_anomalous"]),
        (&json!("web"), &json!(10), &json!(2))
    );
    let rows = fixture.read("/api/rows?series=2&from=4&to=6");
    assert_eq!((&rows["rows"][0]["label"], &rows["rows"][1]["label"]), (&json!("normal"), &json!("anomaly")));
    assert_eq!(rows["rows"][0]["values"], json!([8.0, 9.0]));
    assert_eq!(fixture.write("/api/undo", &json!({ "who": "ada" }))["what"], json!("label"));
}

#[test]
fn a_request_that_cannot_be_done_is_refused() {
    let fixture = Fixture::usual();
    for (path, status) in [
        ("/api/nothing", 404),
        ("/etc/passwd", 404),
        ("/assets/../Cargo.toml", 404),
        ("/assets/..%2f..%2fCargo.toml", 404),
        ("/api/question/99?who=ada", 404),
        ("/api/question/x?who=ada", 404),
        ("/api/next", 405),
        ("/api/tiles?series=0&from=0", 400),
        ("/api/tiles?series=0&from=0&to=9&n=4001", 400),
        ("/api/tiles?series=0&from=0&to=9&n=0", 400),
        ("/api/tiles?series=0&from=9&to=9", 400),
        ("/api/tiles?series=0&from=-1&to=9", 400),
        ("/api/tiles?series=9&from=0&to=9", 404),
        ("/api/rows?series=0&from=0&to=501", 400),
        ("/api/before?series=0&from=0&to=9&lag_s=0", 400),
        ("/api/usual?series=9&from=0&to=9", 404),
        ("/api/scores?series=0&from=9&to=9", 400),
        ("/api/similar?series=0&point=600", 400),
        ("/api/similar?series=0&point=5", 409),
        ("/api/series?order=size", 400),
    ] {
        let (found, body) = fixture.get(path);
        assert_eq!(found, status, "{path}: {body}");
        assert!(body["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}: {body}");
    }
    let skip = json!({ "kind": "skip" });
    let long = "x".repeat(101);
    for (path, body, status) in [
        ("/api/answer", json!({ "who": "ada", "question": 99, "annotation": skip, "seconds": 1 }), 404),
        ("/api/answer", json!({ "who": "", "question": 0, "annotation": skip, "seconds": 1 }), 400),
        ("/api/answer", json!({ "who": long, "question": 0, "annotation": skip, "seconds": 1 }), 400),
        ("/api/answer", json!({ "who": "ada", "question": 0, "annotation": { "kind": "perhaps" } }), 400),
        ("/api/answer", json!({ "who": "ada", "question": 0, "annotation": { "kind": "spans", "spans": [] } }), 400),
        (
            "/api/answer",
            json!({ "who": "ada", "question": 0, "annotation": { "kind": "spans", "spans": [{ "first": 0, "last": 9, "label": "normal" }] } }),
            400,
        ),
        (
            "/api/answer",
            json!({ "who": "ada", "question": 0, "annotation": { "kind": "spans", "spans": [{ "first": 23, "last": 24, "label": "expected" }] } }),
            400,
        ),
        (
            "/api/labels",
            json!({ "who": "ada", "source": "unprompted", "series": 9, "spans": [{ "first": 0, "last": 0, "label": "normal" }] }),
            404,
        ),
        (
            "/api/labels",
            json!({ "who": "ada", "source": "unprompted", "series": 2, "spans": [{ "first": 0, "last": 50, "label": "normal" }] }),
            400,
        ),
        ("/api/labels", json!({ "who": "ada", "source": "unprompted", "series": 2, "spans": [] }), 400),
        (
            "/api/labels",
            json!({ "who": "ada", "source": "question", "series": 2, "spans": [{ "first": 0, "last": 0, "label": "normal" }] }),
            400,
        ),
        ("/api/labels", json!({ "who": "ada", "source": "unprompted" }), 400),
        ("/api/budget", json!({ "questions": 3 }), 400),
        ("/api/next", json!({}), 400),
        ("/api/next", json!([]), 400),
    ] {
        let (found, reply) = fixture.post(path, &body);
        assert_eq!(found, status, "{path} {body}: {reply}");
    }
    assert_eq!(fixture.read("/api/answers"), json!({ "answers": [] }), "nothing was written");
    assert_eq!(fixture.write("/api/undo", &json!({ "who": "ada" })), json!({ "entry": null }));
}

#[test]
fn a_raised_budget_is_kept() {
    let fixture = Fixture::usual();
    assert_eq!(fixture.write("/api/budget", &json!({ "questions": 700 })), json!({ "budget": 700 }));
    assert_eq!(DataSource::read(fixture.folder.path()).unwrap().unwrap().questions, Some(700));
    let browsing = Fixture::new(settings(true), 0, None);
    assert_eq!(browsing.post("/api/budget", &json!({ "questions": 700 })).0, 409);
    assert_eq!(browsing.read("/api/session")["mode"], json!("browse"));
}

#[test]
fn exported_labels_are_imported_again() {
    let fixture = Fixture::usual();
    fixture.answer("ada", 0, "anomaly");
    fixture.write("/api/labels", &json!({ "who": "ada", "source": "unprompted", "series": 1, "spans": [{ "first": 3, "last": 9, "label": "normal" }], "seconds": 2.0 }));
    for format in ["trainset", "nab", "tsb-ad", "label-studio"] {
        let (status, headers, file) = fixture.ask(Method::GET, &format!("/api/export?format={format}"), &[], "");
        assert_eq!(status, StatusCode::OK, "{format}: {file}");
        assert!(headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename="));
        let other = Fixture::usual();
        let headers = [("x-rlad-token", other.token.as_str()), ("content-type", "text/plain")];
        let (status, _, reply) =
            other.ask(Method::POST, &format!("/api/import?format={format}&who=eve"), &headers, &file);
        let reply: Value = serde_json::from_str(&reply).unwrap();
        if format == "tsb-ad" {
            // The form has no names of series: it is a file a series.
            continue;
        }
        assert_eq!(status, StatusCode::OK, "{format}: {reply}");
        assert_eq!(reply["unknown_series"], json!([]), "{format}");
        let anomalies = |fixture: &Fixture| fixture.read("/api/labels?series=0&from=0&to=600")["spans"].clone();
        assert_eq!(anomalies(&other), anomalies(&fixture), "{format}");
        assert_eq!(other.write("/api/undo", &json!({ "who": "eve" }))["what"], json!("label"));
        assert_eq!(anomalies(&other), json!([]), "an import is one step");
    }
    assert_eq!(fixture.get("/api/export?format=xml").0, 400);
    assert_eq!(
        fixture.ask(Method::POST, "/api/import?format=nab", &[("x-rlad-token", &fixture.token)], "{").0.as_u16(),
        400
    );
}

#[test]
fn states_are_sent_as_they_change() {
    use futures_util::StreamExt;
    let fixture = Fixture::usual();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let request = Request::builder().uri("/api/events").header("host", HOST).body(Body::empty()).unwrap();
    runtime.block_on(async {
        let reply = fixture.router.clone().oneshot(request).await.unwrap();
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let mut stream = reply.into_body().into_data_stream();
        let mut next = async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
        let first = next().await;
        assert!(first.starts_with("event: state\ndata: {") && first.contains("\"round_answered\":0"), "{first}");
        let answer = json!({ "who": "ada", "question": 0, "annotation": { "kind": "unsure" } });
        fixture.server.answer(&serde_json::from_value(answer).unwrap()).unwrap();
        let second = next().await;
        assert!(second.contains("\"round_answered\":1"), "{second}");
    });
}

//! A labelling server that takes the place of another one: what pages of the one before may ask, and where their answers go.

use super::*;
use crate::log::LogAction;

fn ms(hours: i64) -> i64 {
    hours * 3_600_000
}

/// The questions, series and annotations of the log.
fn logged(fixture: &Fixture) -> Vec<(Option<u64>, String, Value)> {
    let log = AnswerLog::open(&fixture.folder.path().join("labels.sqlite")).unwrap();
    let told = |(_, entry): (i64, crate::log::Entry)| match entry.action {
        LogAction::Annotate(logged) => {
            let annotation = serde_json::to_value(&logged.annotation).unwrap();
            Some((logged.question.map(|of| of.id), logged.series, annotation))
        }
        _ => None,
    };
    log.entries().unwrap().into_iter().filter_map(told).collect()
}

fn said(kind: &str, first: usize, last: usize) -> Value {
    json!({ "kind": kind, "spans": [{ "first": first, "last": last, "label": "anomaly" }] })
}

#[test]
fn numbers_of_another_start_are_refused() {
    let fixture = Fixture::usual();
    let start = fixture.read("/api/session")["start"].as_str().unwrap().to_owned();
    assert_eq!(fixture.read("/api/state")["start"], json!(start));
    assert_ne!(Fixture::usual().read("/api/session")["start"], json!(start));
    let status =
        |of: &str| fixture.ask(Method::GET, "/api/tiles?series=0&from=0&to=9", &[("x-rlad-start", of)], "").0.as_u16();
    assert_eq!((status(&start), status("before")), (200, 412));
    assert_eq!(fixture.read("/api/series")["series"][0]["start"], json!(start));
    let next = fixture.write("/api/next", &json!({ "who": "ada" }));
    assert_eq!(next["question"]["start"], json!(start));
}

#[test]
fn an_answer_of_a_page_before_goes_to_the_question_about_its_point() {
    let fixture = Fixture::usual();
    // Question 3 is about point 26 of the second series, question 2 about point 24 of the first.
    let answer = |question: u64, annotation: Value, series: &str, time: &str, times: Value| {
        let place = json!({ "start": "before", "series": series, "time": time, "times": times });
        fixture.post(
            "/api/answer",
            &json!({ "who": "ada", "question": question, "annotation": annotation, "place": place }),
        )
    };
    let (status, reply) =
        answer(99, said("painted", 5, 7), "db/Memory", "1970-01-02T02:00:00Z", json!([[ms(25), ms(27)]]));
    assert_eq!(status, 200, "{reply}");
    let (status, reply) = answer(3, said("marked", 0, 0), "db/cpu", "1970-01-02T00:00:00Z", json!([[ms(24), ms(24)]]));
    assert_eq!(status, 200, "{reply}");
    // Nobody asks about point 400 any more: what was said of it is a label.
    let (status, reply) =
        answer(3, said("marked", 0, 0), "db/cpu", "1970-01-17T16:00:00Z", json!([[ms(400), ms(400)]]));
    assert_eq!((status, &reply["entry"]), (200, &json!(3)), "{reply}");
    let (status, reply) = answer(3, json!({ "kind": "skip" }), "db/cpu", "1970-01-17T16:00:00Z", json!([]));
    assert_eq!((status, &reply["entry"]), (200, &Value::Null), "{reply}");
    assert_eq!(
        logged(&fixture),
        [
            (Some(3), "db/Memory".to_owned(), said("painted", 25, 27)),
            (Some(2), "db/cpu".to_owned(), said("marked", 24, 24)),
            (None, "db/cpu".to_owned(), said("spans", 400, 400)),
        ]
    );
    // A series and points that are there no more, and times that are missing.
    assert_eq!(answer(3, said("marked", 0, 0), "gone", "1970-01-01T00:00:00Z", json!([[0, 0]])).0, 409);
    assert_eq!(answer(3, said("marked", 0, 0), "web", "1970-01-09T00:00:00Z", json!([[ms(99), ms(99)]])).0, 409);
    assert_eq!(answer(3, said("marked", 0, 0), "web", "1970-01-01T00:00:00Z", json!([])).0, 400);
    // Of this start the numbers count.
    let start = fixture.read("/api/session")["start"].clone();
    let place = json!({ "start": start, "series": "db/cpu", "time": "?", "times": [] });
    let body = json!({ "who": "ada", "question": 5, "annotation": said("marked", 30, 30), "place": place });
    fixture.write("/api/answer", &body);
    assert_eq!(logged(&fixture)[3], (Some(5), "db/Memory".to_owned(), said("marked", 30, 30)));
}

#[test]
fn labels_of_a_page_before_are_where_their_times_are() {
    let fixture = Fixture::usual();
    let item = |series: &str, times: Value| {
        let place = json!({ "start": "before", "series": series, "times": times });
        json!({ "series": 7, "spans": [{ "first": 1, "last": 2, "label": "anomaly" }], "place": place })
    };
    let body = |items: Value| json!({ "who": "ada", "source": "similar", "items": items });
    fixture.write(
        "/api/labels",
        &body(json!([item("web", json!([[ms(40), ms(60)]])), item("db/cpu", json!([[ms(3), ms(4)]]))])),
    );
    let mut single = item("web", json!([[ms(0), ms(1)]]));
    single["who"] = json!("ada");
    single["source"] = json!("unprompted");
    fixture.write("/api/labels", &single);
    let labels: Vec<(String, Value)> =
        logged(&fixture).into_iter().map(|(_, series, annotation)| (series, annotation)).collect();
    let of = |series: &str, first, last| (series.to_owned(), said("spans", first, last));
    assert_eq!(labels, [of("web", 40, 49), of("db/cpu", 3, 4), of("web", 0, 1)]);
    // All of them or none.
    let gone = json!([item("web", json!([[ms(5), ms(6)]])), item("gone", json!([[ms(3), ms(4)]]))]);
    assert_eq!(fixture.post("/api/labels", &body(gone)).0, 409);
    assert_eq!(logged(&fixture).len(), 3);
}

#[test]
fn an_answer_waits_while_the_first_questions_are_chosen() {
    let fixture = Fixture::usual();
    fixture.server.lock().phase = Phase::Preparing;
    let answer = |question: u64| json!({ "who": "ada", "question": question, "annotation": { "kind": "unsure" } });
    let (status, headers, _) = fixture.ask(
        Method::POST,
        "/api/answer",
        &[("x-rlad-token", &fixture.token), ("content-type", "application/json")],
        &answer(77).to_string(),
    );
    assert_eq!((status.as_u16(), headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert_eq!(fixture.post("/api/answer", &answer(3)).0, 200, "one that is known");
    fixture.server.lock().phase = Phase::Asking;
    assert_eq!(fixture.post("/api/answer", &answer(77)).0, 404);
}

#[test]
fn a_server_that_was_stopped_writes_nothing_and_its_streams_end() {
    use futures_util::StreamExt;
    let fixture = Fixture::usual();
    fixture.answer("ada", 0, "normal");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let request = Request::builder().uri("/api/events").header("host", HOST).body(Body::empty()).unwrap();
    runtime.block_on(async {
        let mut stream = fixture.router.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
        assert!(stream.next().await.is_some());
        fixture.server.stop();
        let end = tokio::time::timeout(std::time::Duration::from_secs(10), stream.next()).await;
        assert!(end.expect("the stream ends").is_none());
    });
    for (path, body) in [
        ("/api/answer", json!({ "who": "ada", "question": 1, "annotation": { "kind": "unsure" } })),
        (
            "/api/labels",
            json!({ "who": "ada", "source": "unprompted", "series": 0, "spans": [{ "first": 1, "last": 2, "label": "normal" }] }),
        ),
        ("/api/undo", json!({ "who": "ada" })),
        ("/api/budget", json!({ "questions": 900 })),
    ] {
        assert_eq!(fixture.post(path, &body).0, 503, "{path}");
    }
    assert_eq!(logged(&fixture).len(), 1);
}

#[test]
fn one_page_goes_on_over_several_servers() {
    let fixture = Fixture::usual();
    let gate = Gate::new(HOST.parse().unwrap(), Some("abc".to_owned())).unwrap();
    let token = gate.token.clone();
    let message = Arc::new(|| "3 of 14 days of <data> are read".to_owned());
    let slot = PageSlot::new(waiting_router(gate.clone(), message));
    let served = Fixture { router: slot.router(), token, ..fixture };
    let known = ("cookie", "rlad_8080=abc");
    let get = |path: &str| served.ask(Method::GET, path, &[known], "");
    assert_eq!(served.ask(Method::GET, "/", &[], "").0, StatusCode::UNAUTHORIZED);
    let (status, headers, _) = served.ask(Method::GET, "/?series=up%7B%7D&secret=abc&at=7", &[], "");
    assert_eq!((status.as_u16(), headers["location"].to_str().unwrap()), (303, "/?series=up%7B%7D&at=7"));
    let (status, headers, page) = get("/?series=a&at=7");
    assert_eq!(status, StatusCode::OK);
    assert!(headers.contains_key("content-security-policy"));
    assert!(
        page.contains("3 of 14 days of &lt;data&gt; are read") && page.contains("http-equiv=\"refresh\""),
        "{page}"
    );
    for name in ["page.css", "waiting.js", "state/settings.js"] {
        assert_eq!(get(&format!("/assets/{name}")).0, StatusCode::OK, "{name}");
    }
    let (status, headers, body) = get("/api/state");
    assert_eq!((status.as_u16(), headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(body.contains("3 of 14 days"), "{body}");
    let next = || {
        let headers = [known, ("x-rlad-token", served.token.as_str()), ("content-type", "application/json")];
        served.ask(Method::POST, "/api/next", &headers, r#"{"who":"ada"}"#).0.as_u16()
    };
    assert_eq!(next(), 503);
    slot.set(router(Arc::clone(&served.server), gate));
    assert_eq!((next(), get("/api/state").0), (200, StatusCode::OK), "the token and the cookie hold");
}

//! Marks: kept as they were said, and told by what they teach.

use super::*;
use crate::log::LogAction;

fn mark(kind: &str, first: usize, last: usize, label: &str) -> Value {
    json!({ "kind": kind, "spans": [{ "first": first, "last": last, "label": label }] })
}

#[test]
fn a_mark_is_logged_as_it_was_said_and_told_by_what_it_teaches() {
    let fixture = Fixture::usual();
    let answer = |question: u64, annotation: &Value| {
        fixture.post("/api/answer", &json!({ "who": "ada", "question": question, "annotation": annotation }))
    };
    // Questions are about every second point from 20 on; three points on each side are shown of values that rise: those before
    // a point deviate less from the usual than it does.
    let next = fixture.write("/api/next", &json!({ "who": "ada" }))["question"].clone();
    assert_eq!(next["proposed"], json!({ "first": 20, "last": 20 }));
    for (question, said, taught) in [
        (0, mark("marked", 20, 20, "normal"), json!({ "anomaly": 0, "normal": 4, "open": 3 })),
        (1, mark("marked", 22, 22, "anomaly"), json!({ "anomaly": 1, "normal": 0, "open": 6 })),
        (2, mark("painted", 23, 25, "anomaly"), json!({ "anomaly": 3, "normal": 0, "open": 4 })),
        (3, mark("painted", 25, 27, "normal"), json!({ "anomaly": 0, "normal": 3, "open": 4 })),
        (4, json!({ "kind": "skip" }), Value::Null),
    ] {
        let (status, reply) = answer(question, &said);
        assert_eq!((status, &reply["taught"]), (200, &taught), "{said}");
        assert_eq!(fixture.read(&format!("/api/question/{question}?who=ada"))["question"]["answer"], said);
    }
    let log = AnswerLog::open(&fixture.folder.path().join("labels.sqlite")).unwrap();
    let (_, first) = log.entries().unwrap().remove(0);
    let LogAction::Annotate(logged) = first.action else { panic!("an annotation") };
    assert_eq!(serde_json::to_value(&logged.annotation).unwrap(), mark("marked", 20, 20, "normal"));
    let state = fixture.read("/api/state");
    assert_eq!((&state["labelled_points"], &state["labelled_anomalies"]), (&json!(11), &json!(4)));
    let labels = fixture.read("/api/labels?series=1&from=0&to=30")["spans"].clone();
    assert_eq!(labels[0], json!({ "first": 22, "last": 22, "label": "anomaly" }), "{labels}");
}

#[test]
fn a_mark_that_does_not_fit_the_question_is_refused() {
    let fixture = Fixture::usual();
    for annotation in [
        mark("marked", 21, 21, "anomaly"),
        mark("marked", 20, 20, "unknown"),
        mark("painted", 16, 20, "anomaly"),
        mark("painted", 22, 20, "anomaly"),
        json!({ "kind": "marked", "spans": [] }),
    ] {
        let (status, _) =
            fixture.post("/api/answer", &json!({ "who": "ada", "question": 0, "annotation": annotation }));
        assert_eq!(status, 400, "{annotation}");
    }
}

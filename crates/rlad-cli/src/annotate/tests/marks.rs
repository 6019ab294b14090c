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

#[test]
fn what_an_answer_would_teach_is_what_it_teaches() {
    let fixture = Fixture::usual();
    let next = fixture.write("/api/next", &json!({ "who": "ada" }))["question"].clone();
    let normal = &next["teaches"]["normal"];
    assert_eq!((&normal["normal"], &normal["open"]), (&json!(4), &json!(3)));
    assert_eq!(normal["spans"], json!([{ "first": 17, "last": 20, "label": "normal" }]));
    assert_eq!(next["deviations"].as_array().unwrap().len(), 2, "one a channel");
    let painted = fixture.read("/api/question/0/teaches?first=19&last=21")["teaches"].clone();
    assert_eq!(painted["anomaly"]["spans"], json!([{ "first": 19, "last": 21, "label": "anomaly" }]));
    for label in ["anomaly", "normal"] {
        let said = json!({ "who": "ada", "question": 0, "annotation": mark("painted", 19, 21, label) });
        let taught = fixture.write("/api/answer", &said)["taught"].clone();
        for kind in ["anomaly", "normal", "open"] {
            assert_eq!(painted[label][kind], taught[kind], "{label}: {kind}");
        }
        let history = fixture.read("/api/answers")["answers"][0].clone();
        assert_eq!(history["taught"], taught);
    }
    let spans = [(17, 18, "normal"), (22, 23, "normal"), (19, 21, "expected")];
    let spans = spans.map(|(first, last, label)| json!({ "first": first, "last": last, "label": label }));
    assert_eq!(
        painted["expected"],
        json!({ "expected": 3, "anomaly": 0, "normal": 4, "open": 0, "spans": spans }),
        "an expected event is told as one, though it is learned as normal"
    );
    // What an answer would be refused for teaches nothing.
    let beyond = fixture.read("/api/question/0/teaches?first=3&last=21")["teaches"].clone();
    assert_eq!(beyond, json!({ "anomaly": null, "normal": null, "expected": null }));
    assert_eq!(fixture.get("/api/question/99/teaches?first=3&last=21").0, 404);
    assert_eq!(fixture.get("/api/question/0/teaches?first=3").0, 400);
}

//! Suggestions: shown with their points, accepted as labels of a person, dismissed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::log::LogAction;

const HOUR: i64 = 3_600 * rlad::data::NANOS_PER_SECOND;

/// A store in memory.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) open: Mutex<Vec<Suggestion>>,
    pub(super) decided: Mutex<Vec<(String, bool, String)>>,
    /// Those that became a label, with the label's entry, and whether it was taken back.
    pub(super) accepted: Mutex<Vec<(Suggestion, i64, bool)>>,
    pub(super) fails: AtomicBool,
}

impl Suggestions for Store {
    fn open(&self) -> Vec<Suggestion> {
        let accepted = self.accepted.lock().unwrap();
        let again = accepted.iter().filter(|(.., is_taken_back)| *is_taken_back).map(|(of, ..)| of.clone());
        self.open.lock().unwrap().iter().cloned().chain(again).collect()
    }

    fn decide(&self, id: &str, label: Option<i64>, who: &str) -> anyhow::Result<()> {
        anyhow::ensure!(!self.fails.load(Ordering::SeqCst), "the disk is full");
        let of = self.open().into_iter().find(|of| of.id == id).unwrap();
        self.open.lock().unwrap().retain(|of| of.id != id);
        let mut accepted = self.accepted.lock().unwrap();
        accepted.retain(|(of, ..)| of.id != id);
        accepted.extend(label.map(|label| (of, label, false)));
        self.decided.lock().unwrap().push((id.to_owned(), label.is_some(), who.to_owned()));
        Ok(())
    }

    fn follow(&self, holds: &dyn Fn(i64) -> bool) -> bool {
        let mut has_changed = false;
        for (_, label, is_taken_back) in self.accepted.lock().unwrap().iter_mut() {
            has_changed |= *is_taken_back == holds(*label);
            *is_taken_back = !holds(*label);
        }
        has_changed
    }
}

pub(super) fn suggestion(
    id: &str,
    kind: SuggestedKind,
    series: &str,
    from_ns: i64,
    to_ns: Option<i64>,
    told: [&str; 3],
) -> Suggestion {
    let [source, who, comment] = told.map(str::to_owned);
    Suggestion { id: id.into(), kind, series: series.into(), from_ns, to_ns, source, who, comment, url: None }
}

/// A labelling server with a store of four suggestions: the first and the last are about points of the data.
fn with_store() -> (Fixture, Arc<Store>) {
    let told = ["silence", "eve", "deploy 1.4"];
    let open = vec![
        suggestion("a/1", SuggestedKind::Expected, "db/cpu", 10 * HOUR - 1, Some(20 * HOUR), told),
        suggestion("b", SuggestedKind::Anomaly, "nowhere", 0, Some(HOUR), told),
        suggestion("c", SuggestedKind::Normal, "db/Memory", 600 * HOUR, None, told),
        suggestion("d", SuggestedKind::Anomaly, "web", 45 * HOUR, None, ["alert", "", ""]),
    ];
    let store = Arc::new(Store { open: Mutex::new(open), ..Store::default() });
    (over(tempfile::tempdir().unwrap(), &store), store)
}

/// A labelling server over the log of a folder.
fn over(folder: tempfile::TempDir, store: &Arc<Store>) -> Fixture {
    let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let suggestions: Option<Arc<dyn Suggestions>> = Some(Arc::clone(store) as _);
    let begun = SessionStart { suggestions, ..SessionStart::default() };
    let (data, settings) = (Data::new(series()), settings(true));
    let server = Arc::new(
        LabellingServer::new(folder.path().into(), data, settings, DataSource::default(), log, begun).unwrap(),
    );
    let gate = Gate::new(HOST.parse().unwrap(), None).unwrap();
    let token = gate.token.clone();
    Fixture { router: router(Arc::clone(&server), gate), server, folder, token }
}

/// What the log holds: who, the labelled points, and the comment.
fn logged(fixture: &Fixture) -> Vec<(String, Value, Option<String>)> {
    let log = AnswerLog::open(&fixture.folder.path().join("labels.sqlite")).unwrap();
    let told = |(_, entry): (i64, crate::log::Entry)| match entry.action {
        LogAction::Annotate(logged) => {
            Some((entry.who, serde_json::to_value(&logged.annotation).unwrap(), logged.comment))
        }
        _ => None,
    };
    log.entries().unwrap().into_iter().filter_map(told).collect()
}

fn spans(first: usize, last: usize, label: &str) -> Value {
    json!({ "kind": "spans", "spans": [{ "first": first, "last": last, "label": label }] })
}

#[test]
fn suggestions_are_told_with_their_points_or_why_they_have_none() {
    let (fixture, _) = with_store();
    assert_eq!(fixture.read("/api/session")["suggests"], json!(true));
    assert_eq!(fixture.read("/api/state")["suggestions"], json!(4));
    let told = fixture.read("/api/suggestions")["suggestions"].clone();
    let first = &told[0];
    assert_eq!((&first["first"], &first["last"], &first["kind"]), (&json!(10), &json!(20), &json!("expected")));
    assert_eq!((&first["to"], &first["listed"]["index"]), (&json!("1970-01-01T20:00:00Z"), &json!(0)));
    assert_eq!(
        (&first["source"], &first["who"], &first["comment"]),
        (&json!("silence"), &json!("eve"), &json!("deploy 1.4"))
    );
    assert!(first["obstacle"].is_null());
    assert_eq!(told[1]["obstacle"], json!("its series is not in the data"));
    assert_eq!(told[2]["obstacle"], json!("its series has no point in that time"));
    assert_eq!((&told[3]["first"], &told[3]["last"], &told[3]["to"]), (&json!(45), &json!(49), &Value::Null));
}

#[test]
fn an_accepted_suggestion_is_a_label_of_a_person_that_names_its_source() {
    let (fixture, store) = with_store();
    let accept = |who: &str, key: &str| json!({ "who": who, "accept": true, "key": key, "seconds": 2.0 });
    let reply = fixture.write("/api/suggestions/a%2F1", &accept("ada", "k"));
    assert_eq!(reply, json!({ "entry": 1, "accepted": true }));
    let label = ("ada".to_owned(), spans(10, 20, "expected"), Some("silence by eve: deploy 1.4".to_owned()));
    assert_eq!(logged(&fixture), std::slice::from_ref(&label));
    assert_eq!(*store.decided.lock().unwrap(), [("a/1".to_owned(), true, "ada".to_owned())]);
    assert_eq!(fixture.read("/api/state")["suggestions"], json!(3));
    let labels = || fixture.read("/api/labels?series=0&from=0&to=600")["spans"].clone();
    assert_eq!(labels(), json!([{ "first": 10, "last": 20, "label": "expected" }]));
    // Sent once more, and by somebody who was later.
    assert_eq!(fixture.write("/api/suggestions/a%2F1", &accept("ada", "k"))["entry"], json!(1));
    assert_eq!(fixture.post("/api/suggestions/a%2F1", &accept("eve", "l")).0, 409);
    assert_eq!(logged(&fixture), [label]);
    assert_eq!(fixture.write("/api/undo", &json!({ "who": "ada" }))["what"], json!("label"));
    assert_eq!(labels(), json!([]));
}

#[test]
fn a_suggestion_waits_again_when_its_label_is_taken_back() {
    let (fixture, store) = with_store();
    let accept = json!({ "who": "ada", "accept": true, "key": "k" });
    let n_open = || fixture.read("/api/state")["suggestions"].clone();
    let (undo, redo) = (
        || fixture.write("/api/undo", &json!({ "who": "ada" })),
        || fixture.write("/api/redo", &json!({ "who": "ada" })),
    );
    fixture.write("/api/suggestions/a%2F1", &accept);
    assert_eq!(n_open(), json!(3));
    let changes = fixture.server.changes();
    undo();
    assert_eq!(n_open(), json!(4));
    assert!(changes.has_changed().unwrap());
    // What is sent once more does not accept it anew.
    assert_eq!(fixture.write("/api/suggestions/a%2F1", &accept)["entry"], json!(1));
    assert_eq!(n_open(), json!(4));
    redo();
    assert_eq!(n_open(), json!(3));
    assert_eq!(fixture.post("/api/suggestions/a%2F1", &json!({ "who": "ada", "accept": true })).0, 409);
    // Taken back and dismissed, it is gone for good, and a label that came of none opens none.
    undo();
    fixture.write("/api/suggestions/a%2F1", &json!({ "who": "ada", "accept": false }));
    assert_eq!(n_open(), json!(3));
    let spans = json!([{ "first": 1, "last": 2, "label": "normal" }]);
    fixture.write("/api/labels", &json!({ "who": "ada", "source": "unprompted", "series": 0, "spans": spans }));
    undo();
    assert_eq!(n_open(), json!(3));
    let decided: Vec<bool> = store.decided.lock().unwrap().iter().map(|(_, accepted, _)| *accepted).collect();
    assert_eq!(decided, [true, false]);
}

#[test]
fn a_server_that_is_started_anew_knows_from_the_log_which_suggestions_wait() {
    let (fixture, store) = with_store();
    fixture.write("/api/suggestions/a%2F1", &json!({ "who": "ada", "accept": true }));
    fixture.write("/api/undo", &json!({ "who": "ada" }));
    // As after a kill: the store has what it wrote last.
    store.accepted.lock().unwrap()[0].2 = false;
    assert_eq!(store.open().len(), 3);
    let Fixture { folder, server, .. } = fixture;
    drop(server);
    let again = over(folder, &store);
    assert_eq!(again.read("/api/state")["suggestions"], json!(4));
}

#[test]
fn a_dismissed_suggestion_leaves_no_label() {
    let (fixture, store) = with_store();
    let dismiss = json!({ "who": "ada", "accept": false });
    for id in ["b", "d"] {
        assert_eq!(
            fixture.write(&format!("/api/suggestions/{id}"), &dismiss),
            json!({ "entry": null, "accepted": false })
        );
    }
    assert_eq!(logged(&fixture), []);
    let decided: Vec<(String, bool)> =
        store.decided.lock().unwrap().iter().map(|(id, accepted, _)| (id.clone(), *accepted)).collect();
    assert_eq!(decided, [("b".to_owned(), false), ("d".to_owned(), false)]);
    assert_eq!(fixture.post("/api/suggestions/a%2F1", &json!({ "who": " ", "accept": false })).0, 400);
}

#[test]
fn a_suggestion_without_points_is_not_accepted_and_a_painted_range_is_what_is_labelled() {
    let (fixture, store) = with_store();
    for id in ["b", "c"] {
        let (status, reply) = fixture.post(&format!("/api/suggestions/{id}"), &json!({ "who": "ada", "accept": true }));
        assert_eq!(status, 409, "{reply}");
    }
    assert!(store.decided.lock().unwrap().is_empty());
    fixture.write("/api/suggestions/a%2F1", &json!({ "who": "ada", "accept": true, "points": [12, 15] }));
    // By a page of another start: its numbers are others, its times are the same.
    let place =
        |series: &str| json!({ "start": "before", "series": series, "times": [[46 * 3_600_000, 47 * 3_600_000]] });
    let painted = |series: &str| json!({ "who": "ada", "accept": true, "points": [6, 7], "place": place(series) });
    assert_eq!(fixture.post("/api/suggestions/d", &painted("db/cpu")).0, 400);
    fixture.write("/api/suggestions/d", &painted("web"));
    let labelled: Vec<Value> = logged(&fixture).into_iter().map(|(_, annotation, _)| annotation).collect();
    assert_eq!(labelled, [spans(12, 15, "expected"), spans(46, 47, "anomaly")]);
    let comments: Vec<Option<String>> = logged(&fixture).into_iter().map(|(.., comment)| comment).collect();
    assert_eq!(comments[1].as_deref(), Some("alert"));
}

#[test]
fn a_store_that_fails_is_told_again_and_the_label_is_one() {
    let (fixture, store) = with_store();
    let accept = json!({ "who": "ada", "accept": true, "key": "k" });
    store.fails.store(true, Ordering::SeqCst);
    let (status, reply) = fixture.post("/api/suggestions/a%2F1", &accept);
    assert_eq!((status, &reply["error"]), (500, &json!("the disk is full")));
    store.fails.store(false, Ordering::SeqCst);
    assert_eq!(fixture.write("/api/suggestions/a%2F1", &accept), json!({ "entry": 1, "accepted": true }));
    assert_eq!((logged(&fixture).len(), store.decided.lock().unwrap().len()), (1, 1));
}

#[test]
fn without_a_store_there_are_no_suggestions() {
    let fixture = Fixture::usual();
    assert_eq!(fixture.read("/api/session")["suggests"], json!(false));
    assert_eq!(fixture.read("/api/state")["suggestions"], Value::Null);
    assert_eq!(fixture.read("/api/suggestions"), json!({ "suggestions": [] }));
    assert_eq!(fixture.post("/api/suggestions/a", &json!({ "who": "ada", "accept": true })).0, 404);
}

#[test]
fn pages_are_told_that_the_store_has_others() {
    let (fixture, store) = with_store();
    let changes = fixture.server.changes();
    store.open.lock().unwrap().clear();
    assert!(!changes.has_changed().unwrap());
    fixture.server.suggestions_changed();
    assert!(changes.has_changed().unwrap());
    assert_eq!(fixture.read("/api/state")["suggestions"], json!(0));
}

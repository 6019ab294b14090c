//! Whole sessions: by keys alone, by painted ranges, with undo, over reloads and restarts, by two experts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::browser::ENTER;
use crate::expert::{Expert, truth};
use crate::server::{Server, assert_same, config, log, logged, train};
use crate::turn;

/// The key of the truth of a point.
const fn key(is_anomaly: bool) -> &'static str {
    if is_anomaly { "a" } else { "n" }
}

/// Answers are about single points here, where one key says all that the simulated expert says: of a range it tells each of
/// several anomalous runs, and the keys paint one that holds the point. `painted_ranges_…` paints ranges.
#[test]
fn a_session_by_keyboard_alone_comes_to_the_bytes_of_the_truth() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 48, 6, "point");
    let (by_truth, by_page) = (dir.path().join("truth"), dir.path().join("page"));
    train(&by_truth, &config);
    let truth = truth();
    let server = Server::begin(&by_page, &config);
    let mut ada = Expert::sit_down(&server, "ada");
    let (mut within, mut across) = (Vec::new(), Vec::new());
    let mut n = 0;
    while let Some(question) = ada.look() {
        // Twelve questions of the warm-up, then six a round: what is learned between two rounds is no time of the page's.
        let begins_round = question.id >= 12 && question.id % 6 == 0;
        if begins_round { &mut across } else { &mut within }.extend(question.key_ms);
        ada.answer(key(truth[question.series][question.point]));
        n += 1;
    }
    assert_eq!(n, 48);
    assert_eq!(server.wait("done")["questions"], 48);
    drop(server);
    assert_same(&by_page, &by_truth);
    assert!(log(&by_page).iter().all(|row| row.who == "ada" && row.action == "annotate"));
    for (what, mut times) in [("within a round", within), ("with a round learned between", across)] {
        times.sort_by(f64::total_cmp);
        let quantile = |percent: usize| times[(times.len() - 1) * percent / 100];
        let (median, most) = (quantile(50), quantile(99));
        eprintln!(
            "key press to next question, {what}: median {median:.0} ms, 99th percentile {most:.0} ms, of {}",
            times.len()
        );
    }
}

#[test]
fn ranges_painted_by_keys_are_in_the_log_and_teach_what_a_script_teaches() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 24, 6, "range");
    let (by_page, by_script) = (dir.path().join("page"), dir.path().join("script"));
    let truth = truth();
    let server = Server::begin(&by_page, &config);
    let mut ada = Expert::sit_down(&server, "ada");
    let mut given: BTreeMap<i64, Value> = BTreeMap::new();
    let mut n_painted = 0;
    while let Some(question) = ada.look() {
        let labels = &truth[question.series];
        if labels[question.point] {
            let is_in = |point: &usize| labels[*point];
            let first = (question.first..=question.point).rev().take_while(is_in).last().unwrap();
            let last = (question.point..=question.last).take_while(is_in).last().unwrap();
            ada.paint(&question, first, last);
            ada.answer("1");
            given.insert(question.id, logged("painted", first, last, "anomaly"));
            n_painted += usize::from(first < last);
        } else {
            ada.answer("0");
            given.insert(question.id, logged("marked", question.point, question.point, "normal"));
        }
    }
    assert!(n_painted > 0, "a range of several points is among them");
    server.wait("done");
    drop(server);
    let rows: BTreeMap<i64, Value> =
        log(&by_page).into_iter().map(|row| (row.question.unwrap(), row.annotation)).collect();
    assert_eq!(rows, given);

    let server = Server::begin(&by_script, &config);
    for phase in std::iter::repeat_n("asking", 24) {
        let next = std::iter::repeat_with(|| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            server.post("/api/next", &json!({ "who": "ada" }))["question"].clone()
        });
        let question = next.take(4000).find(|question| !question.is_null()).expect(phase);
        let id = question["id"].as_i64().unwrap();
        server.post("/api/answer", &json!({ "who": "ada", "question": id, "annotation": given[&id], "seconds": 1 }));
    }
    server.wait("done");
    drop(server);
    assert_same(&by_page, &by_script);
}

#[test]
fn a_hundred_answers_are_taken_back_and_brought_back_by_keys() {
    const N: usize = 102;
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    // Twelve questions of the warm-up, then a round of a hundred: what is taken back goes over both.
    let config = config(dir.path(), 112, 100, "point");
    let (by_truth, by_page) = (dir.path().join("truth"), dir.path().join("page"));
    train(&by_truth, &config);
    let truth = truth();
    let server = Server::begin(&by_page, &config);
    let mut ada = Expert::sit_down(&server, "ada");
    let mut asked = Vec::new();
    for _ in 0..N {
        let question = ada.next();
        ada.answer(key(truth[question.series][question.point]));
        asked.push(question);
    }
    ada.next();
    let current = || {
        let answers = server.get("/api/answers?who=ada&limit=1000");
        let current = answers["answers"].as_array().unwrap().iter().filter(|answer| answer["current"] == true);
        current.map(|answer| answer["question"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let all: Vec<i64> = asked.iter().rev().map(|question| question.id).collect();
    assert_eq!(current(), all);
    for question in asked.iter().rev() {
        ada.browser.press(&["z"]);
        let shown = ada.next();
        assert_eq!((shown.id, shown.answered.as_str()), (question.id, ""));
    }
    assert!(current().is_empty());
    ada.browser.press(&["z"]);
    ada.browser.wait("document.getElementById('toast').textContent === 'There is nothing to take back.'");
    for (i, question) in asked.iter().enumerate() {
        ada.browser.press(&["y"]);
        let shown = ada.next();
        let answered = if truth[question.series][question.point] { "anomaly" } else { "normal" };
        assert_eq!((shown.id, shown.answered.as_str()), (question.id, answered), "after {i} that were brought back");
    }
    assert_eq!(current(), all);
    ada.browser.press(&[ENTER]);
    while let Some(question) = ada.look() {
        ada.answer(key(truth[question.series][question.point]));
    }
    server.wait("done");
    drop(server);
    // The log grows only: the annotations, then their rows from the last to the first, then from the first to the last.
    let log = log(&by_page);
    let of = |what: &str| log.iter().filter(|row| row.action == what).collect::<Vec<_>>();
    assert_eq!((of("annotate").len(), of("undo").len(), of("redo").len()), (112, N, N));
    let annotated: Vec<Option<i64>> = of("annotate")[..N].iter().map(|row| Some(row.entry)).collect();
    assert_eq!(of("undo").iter().rev().map(|row| row.target).collect::<Vec<_>>(), annotated);
    assert_eq!(of("redo").iter().map(|row| row.target).collect::<Vec<_>>(), annotated);
    assert_same(&by_page, &by_truth);
}

#[test]
fn a_reload_and_a_restart_in_the_middle_lose_nothing() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 60, 6, "range");
    let folder = dir.path().join("s");
    let server = Server::begin(&folder, &config);
    let address = server.address();
    let mut ada = Expert::sit_down(&server, "ada");
    for _ in 0..4 {
        ada.next();
        ada.answer("n");
    }
    let before = ada.next();
    let progress = "document.getElementById('spent-text').textContent";
    ada.browser.wait(&format!("{progress} === '4 of 60'"));
    ada.browser.reload();
    ada.before_is_unknown();
    let after = ada.next();
    assert_eq!((after.id, after.point, after.answered.as_str()), (before.id, before.point, ""));
    ada.browser.wait(&format!("{progress} === '4 of 60'"));

    // The program dies; what is answered meanwhile waits in the browser, and goes to the next run of the program once.
    drop(server);
    ada.browser.wait("document.getElementById('connection').dataset.state === 'gone'");
    ada.answer("a");
    ada.browser.wait("document.getElementById('unsent').dataset.count === '1'");
    let server = Server::start(&folder, &["--bind", &address]);
    let next = ada.next();
    assert_ne!(next.id, before.id);
    // What was taken back and what is redone is known after a reload, too.
    ada.browser.press(&["z"]);
    assert_eq!(ada.next().id, before.id);
    ada.browser.reload();
    ada.before_is_unknown();
    ada.next();
    ada.browser.press(&["y"]);
    let again = ada.next();
    assert_eq!((again.id, again.answered.as_str()), (before.id, "anomaly"));
    drop(server);
    let log = log(&folder);
    let of_question: Vec<&str> =
        log.iter().filter(|row| row.question == Some(before.id)).map(|row| row.action.as_str()).collect();
    assert_eq!(of_question.iter().filter(|what| **what == "annotate").count(), 1, "{log:?}");
    assert_eq!(log.iter().filter(|row| row.action == "annotate").count(), 5);
}

#[test]
fn two_experts_at_two_pages_never_get_the_same_question() {
    let Some(_turn) = turn() else { return };
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 36, 6, "point");
    let (by_truth, folder) = (dir.path().join("truth"), dir.path().join("two"));
    train(&by_truth, &config);
    let truth = truth();
    let server = Server::begin(&folder, &config);
    let asked: Vec<Vec<i64>> = std::thread::scope(|scope| {
        let at_work = ["ada", "eve"].map(|who| {
            let (server, truth) = (&server, &truth);
            scope.spawn(move || {
                let mut expert = Expert::sit_down(server, who);
                let mut asked = Vec::new();
                while let Some(question) = expert.look() {
                    asked.push(question.id);
                    expert.answer(key(truth[question.series][question.point]));
                }
                asked
            })
        });
        at_work.into_iter().map(|one| one.join().unwrap()).collect()
    });
    server.wait("done");
    drop(server);
    let all: BTreeSet<i64> = asked.iter().flatten().copied().collect();
    assert_eq!(all.len(), asked[0].len() + asked[1].len(), "{asked:?}");
    assert_eq!(all, (0..36).collect());
    for (who, asked) in ["ada", "eve"].iter().zip(&asked) {
        assert!(!asked.is_empty());
        let logged: Vec<i64> =
            log(&folder).iter().filter(|row| row.who == *who).map(|row| row.question.unwrap()).collect();
        assert_eq!(logged, *asked, "{who}");
    }
    assert_same(&folder, &by_truth);
}

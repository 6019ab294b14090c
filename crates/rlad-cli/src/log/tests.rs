use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use std::path::Path;

use rlad::Span;
use rlad::active::Reason;
use rlad::data::Annotation;
use rusqlite::Connection;

use super::*;

fn at(who: &str, action: LogAction) -> Entry {
    Entry {
        who: who.into(),
        time: "2026-03-04T05:06:07.5Z".parse().unwrap(),
        taught: 2,
        seconds: 1.25,
        client: None,
        action,
    }
}

fn answer(id: u64, annotation: Annotated) -> Entry {
    let question = AnsweredQuestion {
        id,
        round: 2,
        point: 17,
        reason: Reason::Strategy,
        score: -0.1,
        model: Some("a1".into()),
        again: false,
    };
    let logged = LoggedAnnotation {
        source: AnnotationSource::Question,
        question: Some(question),
        series: "cpu \"α\"".into(),
        times: (1_396_332_000_000_000_000, 1_396_332_060_000_000_000),
        annotation,
        comment: Some("'; DROP TABLE entries; --".into()),
        step: None,
        presence: Presence::Whole,
    };
    at("ada", LogAction::Annotate(Box::new(logged)))
}

fn unprompted(first: usize) -> Entry {
    let logged = LoggedAnnotation {
        source: AnnotationSource::Unprompted,
        question: None,
        series: "cpu".into(),
        times: (0, 0),
        annotation: spans(first, first + 1),
        comment: None,
        step: None,
        presence: Presence::Whole,
    };
    at("ada", LogAction::Annotate(Box::new(logged)))
}

fn spans(first: usize, last: usize) -> Annotated {
    Annotated::Spans { spans: vec![Span { first, last, label: Annotation::Anomaly }] }
}

fn numbered(entries: &[Entry]) -> Vec<(i64, Entry)> {
    (1..).zip(entries.iter().cloned()).collect()
}

#[test]
fn entries_that_were_appended_are_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let given = [
        answer(0, spans(3, 5)),
        answer(1, Annotated::Unsure),
        unprompted(4),
        at("eve", LogAction::Undo { target: 3 }),
        at("eve", LogAction::Redo { target: 3 }),
        at("eve", LogAction::Withdraw { question: 1 }),
        Entry { client: Some("key".into()), ..answer(2, Annotated::expected(1, 2)) },
    ];
    let mut log = AnswerLog::open(&path).unwrap();
    assert_eq!(given.iter().map(|entry| log.append(entry).unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((log.of_client("key").unwrap(), log.of_client("other").unwrap()), (Some(7), None));
    assert!(log.append(&given[6]).is_err(), "a key is used once");
    drop(log);
    assert_eq!(AnswerLog::open(&path).unwrap().entries().unwrap(), numbered(&given));
}

#[test]
fn annotations_of_one_request_are_one_step_and_all_of_it_or_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    log.append(&unprompted(0)).unwrap();
    assert_eq!(log.append_all(&[unprompted(1), unprompted(2), unprompted(3)]).unwrap(), [2, 3, 4]);
    let double = Entry { client: Some("k".into()), ..unprompted(9) };
    assert!(log.append_all(&[double.clone(), double]).is_err());
    let annotations = AnnotationState::of(log.entries().unwrap());
    assert_eq!((annotations.iter().count(), annotations.next_undo("ada")), (4, Some(2)));
    log.append(&at("ada", LogAction::Undo { target: 2 })).unwrap();
    let annotations = AnnotationState::of(log.entries().unwrap());
    assert_eq!(annotations.iter().map(|(number, ..)| number).collect::<Vec<_>>(), [1]);
    assert_eq!((annotations.next_undo("ada"), annotations.next_redo("ada")), (Some(1), Some(2)));
}

#[test]
fn a_score_that_is_no_number_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let mut entry = answer(0, Annotated::Skip);
    let LogAction::Annotate(logged) = &mut entry.action else { panic!("an answer") };
    logged.question.as_mut().unwrap().score = f64::NAN;
    log.append(&entry).unwrap();
    let (_, Entry { action: LogAction::Annotate(logged), .. }) = &log.entries().unwrap()[0] else {
        panic!("an answer")
    };
    assert!(logged.question.as_ref().unwrap().score.is_nan());
}

#[test]
fn undo_and_redo_go_through_all_that_an_expert_did_and_touch_nobody_else() {
    let mut annotations = AnnotationState::default();
    let mut n = 0;
    let mut add = |annotations: &mut AnnotationState, entry: Entry| {
        n += 1;
        annotations.add(n, entry);
    };
    for question in 0..100 {
        add(&mut annotations, answer(question, Annotated::Skip));
    }
    add(&mut annotations, Entry { who: "eve".into(), ..unprompted(3) });
    for left in (0..100).rev() {
        let target = annotations.next_undo("ada").unwrap();
        add(&mut annotations, at("ada", LogAction::Undo { target }));
        assert_eq!(annotations.iter().filter(|(_, who, _)| *who == "ada").count(), left);
    }
    assert_eq!((annotations.next_undo("ada"), annotations.next_undo("eve")), (None, Some(101)));
    for _ in 0..60 {
        let target = annotations.next_redo("ada").unwrap();
        add(&mut annotations, at("ada", LogAction::Redo { target }));
    }
    let questions = |annotations: &AnnotationState| {
        (0..100).filter(|question| annotations.answers_to(*question).count() == 1).count()
    };
    assert_eq!((questions(&annotations), annotations.answers_to(59).count()), (60, 1));
    add(&mut annotations, answer(60, Annotated::Unsure));
    assert_eq!(annotations.next_redo("ada"), None, "a new annotation ends what could be brought back");
    add(&mut annotations, answer(60, Annotated::Skip));
    assert_eq!(
        annotations.answers_to(60).map(|(.., logged)| &logged.annotation).collect::<Vec<_>>(),
        [&Annotated::Unsure, &Annotated::Skip]
    );
    let target = annotations.next_undo("ada").unwrap();
    add(&mut annotations, at("ada", LogAction::Undo { target }));
    assert_eq!(
        annotations.answers_to(60).map(|(.., logged)| &logged.annotation).collect::<Vec<_>>(),
        [&Annotated::Unsure]
    );
    add(&mut annotations, at("ada", LogAction::Withdraw { question: 60 }));
    assert_eq!(annotations.answers_to(60).count(), 0);
    assert_eq!(annotations.experts()["ada"], 60);
}

#[test]
fn rows_can_be_neither_changed_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let mut log = AnswerLog::open(&path).unwrap();
    log.append(&answer(0, Annotated::Skip)).unwrap();
    let other = Connection::open(&path).unwrap();
    for item in ["UPDATE entries SET who = 'eve'", "DELETE FROM entries"] {
        let error = other.execute(item, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let empty = "INSERT INTO entries (who, time, action, taught, seconds, again) VALUES ('eve', '', 'undo', 0, 0, 0)";
    assert!(other.execute(empty, []).is_err(), "something is taken back");
    assert_eq!(log.entries().unwrap().len(), 1);
}

#[test]
fn the_file_is_durable_and_tells_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let number = |name| log.connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap();
    assert_eq!((number("application_id"), number("user_version"), number("synchronous")), (0x726c_6164, 1, 2));
    let mode: String = log.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn foreign_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = |name: &str| {
        let path = folder.path().join(name);
        let before = std::fs::read(&path).unwrap();
        let error = AnswerLog::open(&path).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), before);
        format!("{error:#}").replace(&folder.path().display().to_string(), "")
    };
    std::fs::write(folder.path().join("text"), "who,when,answer\n".repeat(100)).unwrap();
    assert_eq!(refuse("text"), "`/text` is not an answer log of `rlad`: file is not a database");
    let other = Connection::open(folder.path().join("other")).unwrap();
    other.execute_batch("CREATE TABLE entries (x)").unwrap();
    let expected = "`/other` is not an answer log of `rlad`: it is the SQLite file of another program";
    assert_eq!(refuse("other"), expected);
    drop(AnswerLog::open(&folder.path().join("later")).unwrap());
    let later = Connection::open(folder.path().join("later")).unwrap();
    later.pragma_update(None, "user_version", 2).unwrap();
    drop(later);
    assert_eq!(refuse("later"), "`/later` has format version 2, but this program reads version 1");
    assert!(AnswerLog::open(&folder.path().join("no/such/folder")).is_err());
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let mut log = AnswerLog::open(&path).unwrap();
    log.append(&answer(0, Annotated::Skip)).unwrap();
    let row = "INSERT INTO entries (who, time, action, source, taught, series, first, last, annotation, seconds, again)
        VALUES ('ada', '2026-03-04T05:06:07Z', 'annotate', 'unprompted', 0, 's', 0, 0, '{\"kind\":\"perhaps\"}', 0, 0)";
    Connection::open(&path).unwrap().execute(row, []).unwrap();
    let error = format!("{:#}", log.entries().unwrap_err());
    assert!(error.contains("in its row 2: unknown variant `perhaps`"), "{error}");
}

#[test]
fn several_connections_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &path;
            scope.spawn(move || {
                let mut log = AnswerLog::open(path).unwrap();
                for question in 0..25 {
                    log.append(&answer(100 * writer + question, Annotated::Skip)).unwrap();
                }
            });
        }
    });
    let annotations = AnnotationState::of(AnswerLog::open(&path).unwrap().entries().unwrap());
    let expected: Vec<u64> = (0..4).flat_map(|writer| (0..25).map(move |i| 100 * writer + i)).collect();
    assert_eq!(annotations.questions().collect::<Vec<_>>(), expected);
    assert_eq!(annotations.iter().count(), 100);
}

/// Where the child of the test below writes.
const CHILD_LOG: &str = "RLAD_TEST_CHILD_LOG";

#[test]
#[ignore = "the child of `a_killed_writer_loses_no_acknowledged_entry_and_has_none_twice`"]
fn child_that_appends_until_it_is_killed() {
    let path = std::env::var_os(CHILD_LOG).expect("run by its parent");
    let mut log = AnswerLog::open(Path::new(&path)).unwrap();
    for question in 0.. {
        log.append(&answer(question, spans(0, 3))).unwrap();
        writeln!(std::io::stdout(), "acknowledged {question}").unwrap();
    }
}

#[test]
fn a_killed_writer_loses_no_acknowledged_entry_and_has_none_twice() {
    for n_before_kill in [1, 10, 60] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.sqlite");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "log::tests::child_that_appends_until_it_is_killed", "--ignored", "--nocapture"])
            .env(CHILD_LOG, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (mut text, mut line) = (String::new(), String::new());
        while text.matches("acknowledged").count() < n_before_kill {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "the child ended by itself: {text}");
            text.push_str(&line);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        output.read_to_string(&mut text).unwrap();
        let acknowledged = u64::try_from(text.matches("acknowledged").count()).unwrap();

        let mut log = AnswerLog::open(&path).unwrap();
        let questions: Vec<u64> = AnnotationState::of(log.entries().unwrap()).questions().collect();
        let n_kept = u64::try_from(questions.len()).unwrap();
        assert_eq!(questions, (0..n_kept).collect::<Vec<_>>());
        assert_eq!(log.entries().unwrap().len(), questions.len());
        // One entry may be on disk that the child had no time to acknowledge.
        assert!(n_kept == acknowledged || n_kept == acknowledged + 1, "{n_kept} of {acknowledged}");
        log.append(&answer(n_kept, Annotated::Skip)).unwrap();
    }
}

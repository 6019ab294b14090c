use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use super::*;

fn at(who: &str, act: Act) -> Entry {
    Entry {
        who: who.into(),
        time: "2026-03-04T05:06:07.5Z".parse().unwrap(),
        taught: 2,
        seconds: 1.25,
        client: None,
        act,
    }
}

fn answer(question: u64, said: Said) -> Entry {
    let asked = Asked {
        question,
        round: 2,
        point: 17,
        reason: Reason::Strategy,
        score: -0.1,
        model: Some("a1".into()),
        again: false,
    };
    let saying = Saying {
        source: Source::Question,
        asked: Some(asked),
        series: "cpu \"α\"".into(),
        times: (1_396_332_000_000_000_000, 1_396_332_060_000_000_000),
        said,
        comment: Some("'; DROP TABLE entries; --".into()),
        step: None,
    };
    at("ada", Act::Said(Box::new(saying)))
}

fn free(first: usize) -> Entry {
    let saying = Saying {
        source: Source::Free,
        asked: None,
        series: "cpu".into(),
        times: (0, 0),
        said: spans(first, first + 1),
        comment: None,
        step: None,
    };
    at("ada", Act::Said(Box::new(saying)))
}

fn spans(first: usize, last: usize) -> Said {
    Said::Spans { spans: vec![SaidSpan { first, last, label: SaidLabel::Anomaly }] }
}

fn numbered(entries: &[Entry]) -> Vec<(i64, Entry)> {
    (1..).zip(entries.iter().cloned()).collect()
}

#[test]
fn what_was_appended_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let given = [
        answer(0, spans(3, 5)),
        answer(1, Said::Unsure),
        free(4),
        at("eve", Act::Undo { target: 3 }),
        at("eve", Act::Redo { target: 3 }),
        at("eve", Act::Withdraw { question: 1 }),
        Entry {
            client: Some("key".into()),
            ..answer(2, Said::Expected { spans: vec![PlainSpan { first: 1, last: 2 }] })
        },
    ];
    let mut log = AnswerLog::open(&path).unwrap();
    assert_eq!(given.iter().map(|entry| log.append(entry).unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((log.of_client("key").unwrap(), log.of_client("other").unwrap()), (Some(7), None));
    assert!(log.append(&given[6]).is_err(), "a key is used once");
    drop(log);
    assert_eq!(AnswerLog::open(&path).unwrap().entries().unwrap(), numbered(&given));
}

#[test]
fn what_is_said_at_once_is_one_step_and_all_of_it_or_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    log.append(&free(0)).unwrap();
    assert_eq!(log.append_all(&[free(1), free(2), free(3)]).unwrap(), [2, 3, 4]);
    let double = Entry { client: Some("k".into()), ..free(9) };
    assert!(log.append_all(&[double.clone(), double]).is_err());
    let standing = AnnotationState::of(log.entries().unwrap());
    assert_eq!((standing.sayings().count(), standing.next_undo("ada")), (4, Some(2)));
    log.append(&at("ada", Act::Undo { target: 2 })).unwrap();
    let standing = AnnotationState::of(log.entries().unwrap());
    assert_eq!(standing.sayings().map(|(number, ..)| number).collect::<Vec<_>>(), [1]);
    assert_eq!((standing.next_undo("ada"), standing.next_redo("ada")), (Some(1), Some(2)));
}

#[test]
fn a_score_that_is_no_number_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let mut entry = answer(0, Said::Skip);
    let Act::Said(saying) = &mut entry.act else { panic!("an answer") };
    saying.asked.as_mut().unwrap().score = f64::NAN;
    log.append(&entry).unwrap();
    let (_, Entry { act: Act::Said(saying), .. }) = &log.entries().unwrap()[0] else { panic!("an answer") };
    assert!(saying.asked.as_ref().unwrap().score.is_nan());
}

#[test]
fn undo_and_redo_go_through_all_that_an_expert_did_and_touch_nobody_else() {
    let mut standing = AnnotationState::default();
    let mut n = 0;
    let mut add = |standing: &mut AnnotationState, entry: Entry| {
        n += 1;
        standing.add(n, entry);
    };
    for question in 0..100 {
        add(&mut standing, answer(question, Said::Skip));
    }
    add(&mut standing, Entry { who: "eve".into(), ..free(3) });
    for left in (0..100).rev() {
        let target = standing.next_undo("ada").unwrap();
        add(&mut standing, at("ada", Act::Undo { target }));
        assert_eq!(standing.sayings().filter(|(_, who, _)| *who == "ada").count(), left);
    }
    assert_eq!((standing.next_undo("ada"), standing.next_undo("eve")), (None, Some(101)));
    for _ in 0..60 {
        let target = standing.next_redo("ada").unwrap();
        add(&mut standing, at("ada", Act::Redo { target }));
    }
    let questions =
        |standing: &AnnotationState| (0..100).filter(|question| standing.answers_to(*question).count() == 1).count();
    assert_eq!((questions(&standing), standing.answers_to(59).count()), (60, 1));
    add(&mut standing, answer(60, Said::Unsure));
    assert_eq!(standing.next_redo("ada"), None, "what is new ends what could be brought back");
    add(&mut standing, answer(60, Said::Skip));
    assert_eq!(
        standing.answers_to(60).map(|(.., saying)| &saying.said).collect::<Vec<_>>(),
        [&Said::Unsure, &Said::Skip]
    );
    let target = standing.next_undo("ada").unwrap();
    add(&mut standing, at("ada", Act::Undo { target }));
    assert_eq!(standing.answers_to(60).map(|(.., saying)| &saying.said).collect::<Vec<_>>(), [&Said::Unsure]);
    add(&mut standing, at("ada", Act::Withdraw { question: 60 }));
    assert_eq!(standing.answers_to(60).count(), 0);
    assert_eq!(standing.experts()["ada"], 60);
}

#[test]
fn rows_can_be_neither_changed_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let mut log = AnswerLog::open(&path).unwrap();
    log.append(&answer(0, Said::Skip)).unwrap();
    let other = Connection::open(&path).unwrap();
    for item in ["UPDATE entries SET who = 'eve'", "DELETE FROM entries"] {
        let error = other.execute(item, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    let empty = "INSERT INTO entries (who, time, what, taught, seconds, again) VALUES ('eve', '', 'undo', 0, 0, 0)";
    assert!(other.execute(empty, []).is_err(), "something is taken back");
    assert_eq!(log.entries().unwrap().len(), 1);
}

#[test]
fn the_file_is_durable_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
    let number = |name| log.connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).unwrap();
    assert_eq!((number("application_id"), number("user_version"), number("synchronous")), (0x726c_6164, 2, 2));
    let mode: String = log.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// What version 1 of the program wrote.
const VERSION_1: &str = r#"
CREATE TABLE answers (
    entry     INTEGER PRIMARY KEY,
    who       TEXT    NOT NULL,
    time      TEXT    NOT NULL,
    question  INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    series    TEXT    NOT NULL,
    point     INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    timestamp INTEGER NOT NULL,
    answer    TEXT,
    seconds   REAL    NOT NULL,
    score     REAL,
    undone    INTEGER NOT NULL CHECK (undone IN (0, 1) AND undone = (answer IS NULL))
) STRICT;
CREATE INDEX answers_of_question ON answers (question);
CREATE TRIGGER answers_are_not_removed BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
INSERT INTO answers VALUES (1, 'ada', '2026-03-04T05:06:07.5Z', 0, 0, 's', 4, 'highest', 40, '{"spans":[{"first":3,"last":5,"label":"Anomaly"}]}', 1.5, 0.75, 0);
INSERT INTO answers VALUES (2, 'ada', '2026-03-04T05:06:08Z', 1, 0, 's', 9, 'random', 90, '"unsure"', 2.0, NULL, 0);
INSERT INTO answers VALUES (3, 'ada', '2026-03-04T05:06:09Z', 1, 0, 's', 9, 'random', 90, NULL, 0.5, NULL, 1);
INSERT INTO answers VALUES (4, 'ada', '2026-03-04T05:06:10Z', 1, 0, 's', 9, 'random', 90, '"skip"', 1.0, NULL, 0);
PRAGMA application_id = 1919705444;
PRAGMA user_version = 1;
"#;

#[test]
fn a_log_of_version_1_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let text = VERSION_1.replace("\"Anomaly\"", "\"anomaly\"");
    Connection::open(&path).unwrap().execute_batch(&text).unwrap();
    for _ in 0..2 {
        let log = AnswerLog::open(&path).unwrap();
        let entries = log.entries().unwrap();
        assert_eq!(entries.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let (_, Entry { who, time, taught: 0, seconds, act: Act::Said(saying), .. }) = &entries[0] else {
            panic!("{:?}", entries[0])
        };
        assert_eq!((who.as_str(), time.to_string().as_str(), *seconds), ("ada", "2026-03-04T05:06:07.5Z", 1.5));
        assert_eq!((saying.series.as_str(), saying.times, &saying.said), ("s", (40, 40), &spans(3, 5)));
        let asked = saying.asked.as_ref().unwrap();
        assert_eq!((asked.question, asked.round, asked.point, asked.reason), (0, 0, 4, Reason::Highest));
        assert!((asked.score - 0.75).abs() < 1e-12);
        assert_eq!(entries[2].1.act, Act::Withdraw { question: 1 });
        let standing = AnnotationState::of(entries);
        assert_eq!(standing.sayings().map(|(number, ..)| number).collect::<Vec<_>>(), [1, 4]);
    }
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
    later.pragma_update(None, "user_version", 3).unwrap();
    drop(later);
    assert_eq!(refuse("later"), "`/later` has format version 3, but this program reads version 2");
    assert!(AnswerLog::open(&folder.path().join("no/such/folder")).is_err());
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.sqlite");
    let mut log = AnswerLog::open(&path).unwrap();
    log.append(&answer(0, Said::Skip)).unwrap();
    let row = "INSERT INTO entries (who, time, what, source, taught, series, first, last, said, seconds, again)
        VALUES ('ada', '2026-03-04T05:06:07Z', 'said', 'free', 0, 's', 0, 0, '{\"kind\":\"perhaps\"}', 0, 0)";
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
                    log.append(&answer(100 * writer + question, Said::Skip)).unwrap();
                }
            });
        }
    });
    let standing = AnnotationState::of(AnswerLog::open(&path).unwrap().entries().unwrap());
    let expected: Vec<u64> = (0..4).flat_map(|writer| (0..25).map(move |i| 100 * writer + i)).collect();
    assert_eq!(standing.questions().collect::<Vec<_>>(), expected);
    assert_eq!(standing.sayings().count(), 100);
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
        log.append(&answer(n_kept, Said::Skip)).unwrap();
    }
}

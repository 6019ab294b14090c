//! The answer log, whose modules are the program's.


mod log;

use rlad::Session;
use rlad::config::{AnswerKind, ExpertsConfig};
use rusqlite::Connection;
use rusqlite::types::Value;

use log::feedback::{Reading, index_of};
use log::file::AnswerLog;
use log::state::AnnotationState;

/// The columns of a row.
pub(crate) const N_COLUMNS: usize = 22;

/// A session that has asked its first questions.
fn session() -> Session {
    let mut session = Session::new(crate::detectors::small(), crate::detectors::data()).expect("the config is valid");
    session.query();
    session
}

/// The bytes of a log without an entry.
fn empty_log() -> Vec<u8> {
    let path = crate::folder().join("empty.sqlite");
    let log = AnswerLog::open(&path).expect("a log can be made");
    drop(log);
    std::fs::read(path).expect("the log is there")
}

/// One value of a row, from JSON.
fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Integer(value.into()),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Real(number.as_f64().unwrap_or(0.0)),
        },
        serde_json::Value::String(text) => Value::Text(text),
        // The annotation may stand as it is.
        other => Value::Text(other.to_string()),
    }
}

/// An answer log: where the bytes begin as those of an SQLite file, they are the file; else rows, each a JSON list in a line.
pub fn answer_log(bytes: &[u8]) {
    thread_local! {
        static EMPTY: Vec<u8> = empty_log();
        static SESSION: Session = session();
    }
    for old in ["labels.sqlite", "labels.sqlite-wal", "labels.sqlite-shm"] {
        std::fs::remove_file(crate::folder().join(old)).ok();
    }
    let path = if bytes.starts_with(b"SQLite") {
        crate::file("labels.sqlite", bytes)
    } else {
        let path = EMPTY.with(|empty| crate::file("labels.sqlite", empty));
        let connection = Connection::open(&path).expect("the log can be opened");
        connection.pragma_update(None, "synchronous", "OFF").expect("it is a setting");
        let insert = format!("INSERT INTO entries VALUES ({})", ["?"; N_COLUMNS].join(", "));
        for line in bytes.split(|byte| *byte == b'\n').take(16) {
            let Ok(row) = serde_json::from_slice::<Vec<serde_json::Value>>(line) else { continue };
            connection.execute(&insert, rusqlite::params_from_iter(row.into_iter().map(value))).ok();
        }
        path
    };
    let Ok(mut entries) = AnswerLog::open(&path).and_then(|log| log.entries()) else { return };
    let data = SESSION.with(|session| session.series().clone());
    log::moved::move_to(&mut entries, &data, &index_of(&data));
    let state = AnnotationState::of(entries);
    for who in state.experts().keys() {
        (state.next_undo(who), state.next_redo(who));
    }
    let mut session = SESSION.with(Clone::clone);
    let queries = session.query().to_vec();
    for kind in [AnswerKind::Point, AnswerKind::Range] {
        let (index, experts) = (index_of(&data), ExpertsConfig::default());
        let reading = Reading { series: &data, index: &index, kind, experts: &experts };
        let state = state.until(0);
        for (_, _, logged) in state.iter() {
            log::annotation::times(&logged.annotation, &data[0], queries[0].point);
            logged.annotation.as_answer();
        }
        let Ok(feedback) = reading.feedback(&state, &session, &queries) else { continue };
        session.clone().teach_all(&feedback).ok();
    }
}

//! The tables of a log, and how the file of an earlier version becomes one of this version.

use rlad::Answer;
use rusqlite::{Transaction, params};

use super::Said;

/// The version of the schema below.
pub(super) const VERSION: u32 = 2;

pub(super) const SCHEMA: &str = "
CREATE TABLE entries (
    entry     INTEGER PRIMARY KEY,
    who       TEXT    NOT NULL,
    time      TEXT    NOT NULL,                 -- RFC 3339, UTC
    what      TEXT    NOT NULL CHECK (what IN ('said', 'undo', 'redo')),
    source    TEXT    CHECK (source IN ('question', 'free', 'similar', 'import')),
    taught    INTEGER NOT NULL,                 -- the round that learns from it
    question  INTEGER,
    round     INTEGER,                          -- that asked the question
    series    TEXT,
    point     INTEGER,                          -- that was asked about
    reason    TEXT,                             -- why the point was asked about
    first     INTEGER,                          -- nanoseconds since 1970, or the index: of the first point that is labelled
    last      INTEGER,                          -- of the last one
    said      TEXT,                             -- JSON
    comment   TEXT,
    seconds   REAL    NOT NULL,                 -- that the expert took
    model     TEXT,                             -- hash of the detector that asked; NULL for the warm-up's forest
    score     REAL,                             -- of the point when it was asked about; NULL for NaN
    again     INTEGER NOT NULL CHECK (again IN (0, 1)), -- whether the question was asked once more
    client    TEXT    UNIQUE,                   -- the key that the client gave to its request
    step      INTEGER,                          -- the first entry of those that are undone together with it
    target    INTEGER,                          -- the entry that this one takes back or brings back
    CHECK ((what = 'said') = (said IS NOT NULL AND source IS NOT NULL AND series IS NOT NULL)),
    CHECK (source IS NOT 'question' OR (question IS NOT NULL AND round IS NOT NULL AND point IS NOT NULL AND reason IS NOT NULL)),
    CHECK (what = 'said' OR target IS NOT NULL OR (what = 'undo' AND question IS NOT NULL))
) STRICT;
CREATE INDEX entries_of_question ON entries (question);
CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
CREATE TRIGGER entries_are_not_removed BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
";

/// Turns a file of version 1, whose one table is `answers`, into one of this version. Entries keep their numbers; a row that
/// took an answer back takes back every answer to its question.
pub(super) fn migrate(transaction: &Transaction<'_>) -> Result<(), rlad::Cause> {
    transaction.execute_batch(SCHEMA)?;
    let mut rows = transaction.prepare(
        "SELECT entry, who, time, question, round, series, point, reason, timestamp, answer, seconds, score FROM answers ORDER BY entry",
    )?;
    let mut insert = transaction.prepare(
        "INSERT INTO entries (entry, who, time, what, source, taught, question, round, series, point, reason, first, last, said,
             seconds, score, again)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 0)",
    )?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let answer: Option<String> = row.get("answer")?;
        let answer: Option<Answer> = answer.map(|json| serde_json::from_str(&json)).transpose()?;
        let said = answer.as_ref().map(|answer| serde_json::to_string(&Said::from(answer))).transpose()?;
        let (round, timestamp): (i64, i64) = (row.get("round")?, row.get("timestamp")?);
        insert.execute(params![
            row.get::<_, i64>("entry")?,
            row.get::<_, String>("who")?,
            row.get::<_, String>("time")?,
            if said.is_some() { "said" } else { "undo" },
            said.is_some().then_some("question"),
            round,
            row.get::<_, i64>("question")?,
            round,
            row.get::<_, String>("series")?,
            row.get::<_, i64>("point")?,
            row.get::<_, String>("reason")?,
            timestamp,
            timestamp,
            said,
            row.get::<_, f64>("seconds")?,
            row.get::<_, Option<f64>>("score")?,
        ])?;
    }
    drop(rows);
    transaction.execute_batch("DROP TABLE answers")?;
    Ok(())
}

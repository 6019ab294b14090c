//! The answer log of a session: every answer that an expert ever gave, in one SQLite file that only grows.
//!
//! A row is never changed or removed; taking an answer back is a row too. So the file is the audit trail (who said what,
//! when, and how sure the detector was at that moment), and what stands can always be worked out from it again.
//!
//! An entry that [`AnswerLog::append`] has returned is on disk: the file is in write-ahead mode with `synchronous=FULL`,
//! which syncs at each commit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rlad::{Answer, Reason};
use rusqlite::{Connection, Row, TransactionBehavior, named_params};

/// Marks the file as ours in its header: `rlad` in ASCII.
const APPLICATION_ID: i32 = 0x726c_6164;
/// The version of the schema below.
const SCHEMA_VERSION: u32 = 1;
/// How long one connection waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
CREATE TABLE answers (
    entry     INTEGER PRIMARY KEY,
    who       TEXT    NOT NULL,
    time      TEXT    NOT NULL,                 -- RFC 3339, UTC
    question  INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    series    TEXT    NOT NULL,
    point     INTEGER NOT NULL,
    reason    TEXT    NOT NULL,                 -- why the point was asked about
    timestamp INTEGER NOT NULL,                 -- nanoseconds since 1970, or the index
    answer    TEXT,                             -- JSON; NULL in a row that takes an answer back
    seconds   REAL    NOT NULL,                 -- that the expert took
    score     REAL,                             -- of the point when it was asked about; NULL for NaN
    undone    INTEGER NOT NULL CHECK (undone IN (0, 1) AND undone = (answer IS NULL))
) STRICT;
CREATE INDEX answers_of_question ON answers (question);
CREATE TRIGGER answers_are_not_changed BEFORE UPDATE ON answers
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
CREATE TRIGGER answers_are_not_removed BEFORE DELETE ON answers
    BEGIN SELECT RAISE(ABORT, 'the answer log is append-only'); END;
";

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The expert.
    pub(crate) who: String,
    /// When the answer was given.
    pub(crate) time: jiff::Timestamp,
    /// The question's number in its session, from 0.
    pub(crate) question: u64,
    /// The round that asked it; 0 is the warm-up.
    pub(crate) round: usize,
    /// The name of the series.
    pub(crate) series: String,
    /// The point.
    pub(crate) point: usize,
    /// Why it was asked about.
    pub(crate) reason: Reason,
    /// The point's timestamp: nanoseconds since 1970, or its index where there is no time.
    pub(crate) timestamp: i64,
    /// What the expert said; `None` takes back every earlier answer to the question.
    pub(crate) answer: Option<Answer>,
    /// The time that the expert took, in seconds.
    pub(crate) seconds: f64,
    /// The detector's score of the point when it was asked about.
    pub(crate) score: f64,
}

/// The open log of one session. Several may be open on one file, in one process or many.
#[derive(Debug)]
pub(crate) struct AnswerLog {
    path: PathBuf,
    connection: Connection,
}

impl AnswerLog {
    /// Opens the log at `path`, and makes it if there is no file.
    ///
    /// # Errors
    /// [`rlad::Error::Format`] if the file is no SQLite file or holds something else, [`rlad::Error::Version`] if another
    /// version of the program wrote it, and what SQLite says if it cannot be opened. A file that is refused is left as it is.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let connection =
            Connection::open(path).map_err(plain).with_context(|| format!("cannot open `{}`", path.display()))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(plain)?;
        let mut log = Self { path: path.to_owned(), connection };
        log.check_or_create()?;
        log.connection
            .pragma_update(None, "synchronous", "FULL")
            .and_then(|()| log.connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())))
            .map_err(plain)
            .with_context(|| format!("cannot open `{}`", path.display()))?;
        Ok(log)
    }

    fn check_or_create(&mut self) -> anyhow::Result<()> {
        let path = self.path.clone();
        let foreign = |source: Option<rlad::Cause>| rlad::Error::Format {
            path: path.clone(),
            expected: "an answer log of `rlad`".to_owned(),
            source,
        };
        let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => anyhow::Error::new(foreign(Some(error.to_string().into()))),
            _ => plain(error).context(format!("cannot open `{}`", path.display())),
        };
        // The lock is taken before the look, so that of two processes that find no file only one makes it.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
        let (application, version) = (pragma("application_id")?, pragma("user_version")?);
        let n_tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
        if (application, version, n_tables) == (0, 0, 0) {
            transaction.execute_batch(SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed)?;
            return transaction.commit().map_err(failed);
        }
        if application != APPLICATION_ID {
            return Err(foreign(Some("it is the SQLite file of another program".into())).into());
        }
        if u32::try_from(version) != Ok(SCHEMA_VERSION) {
            return Err(rlad::Error::Version { path, expected: SCHEMA_VERSION, found: version.to_string() }.into());
        }
        Ok(())
    }

    /// Adds an entry and returns its number, from 1. It returns only when the entry is on disk.
    ///
    /// # Errors
    /// What SQLite says; the entry is not in the log then.
    pub(crate) fn append(&self, entry: &Entry) -> anyhow::Result<i64> {
        let answer = entry.answer.as_ref().map(serde_json::to_string).transpose()?;
        let reason = serde_json::to_value(entry.reason)?;
        let reason = reason.as_str();
        self.connection
            .prepare_cached(
                "INSERT INTO answers (who, time, question, round, series, point, reason, timestamp, answer, seconds, score, undone)
                 VALUES (:who, :time, :question, :round, :series, :point, :reason, :timestamp, :answer, :seconds, :score, :undone)",
            )
            .and_then(|mut insert| {
                insert.insert(named_params! {
                    ":who": entry.who,
                    ":time": entry.time.to_string(),
                    ":question": signed(entry.question),
                    ":round": signed(entry.round),
                    ":series": entry.series,
                    ":point": signed(entry.point),
                    ":reason": reason,
                    ":timestamp": entry.timestamp,
                    ":answer": answer,
                    ":seconds": entry.seconds,
                    ":score": entry.score,
                    ":undone": entry.answer.is_none(),
                })
            })
            .map_err(plain)
            .with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    /// All entries in the order in which they were added.
    ///
    /// # Errors
    /// [`rlad::Error::Format`] if a row does not hold what [`AnswerLog::append`] writes, and what SQLite says.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        self.select("SELECT * FROM answers ORDER BY entry")
    }

    /// The answers that stand, in the order of their questions: the latest of each question that was not taken back.
    ///
    /// # Errors
    /// [`rlad::Error::Format`] if a row does not hold what [`AnswerLog::append`] writes, and what SQLite says.
    pub(crate) fn answers(&self) -> anyhow::Result<Vec<Entry>> {
        self.select(
            "SELECT * FROM answers WHERE entry IN (SELECT max(entry) FROM answers GROUP BY question) AND undone = 0
             ORDER BY question",
        )
    }

    fn select(&self, query: &str) -> anyhow::Result<Vec<Entry>> {
        let failed = || format!("cannot read `{}`", self.path.display());
        let mut statement = self.connection.prepare(query).map_err(plain).with_context(failed)?;
        let mut rows = statement.query([]).map_err(plain).with_context(failed)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next().map_err(plain).with_context(failed)? {
            entries.push(read(row).map_err(|cause| rlad::Error::Format {
                path: self.path.clone(),
                expected: format!("an answer log of `rlad` in its row {}", entries.len() + 1),
                source: Some(cause),
            })?);
        }
        Ok(entries)
    }
}

fn read(row: &Row<'_>) -> Result<Entry, rlad::Cause> {
    let answer: Option<String> = row.get("answer")?;
    Ok(Entry {
        who: row.get("who")?,
        time: row.get::<_, String>("time")?.parse()?,
        question: row.get::<_, i64>("question")?.try_into()?,
        round: row.get::<_, i64>("round")?.try_into()?,
        series: row.get("series")?,
        point: row.get::<_, i64>("point")?.try_into()?,
        reason: serde_json::from_value(row.get::<_, String>("reason")?.into())?,
        timestamp: row.get("timestamp")?,
        answer: answer.map(|json| serde_json::from_str(&json)).transpose()?,
        seconds: row.get("seconds")?,
        score: row.get::<_, Option<f64>>("score")?.unwrap_or(f64::NAN),
    })
}

/// The error without its source, which says the same once more.
#[expect(clippy::needless_pass_by_value, reason = "it maps an error into another")]
fn plain(error: rusqlite::Error) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// SQLite's integers are signed.
fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().ok().expect("counts fit in 63 bits")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Command, Stdio};

    use rlad::{Label, Span};

    use super::*;

    fn entry(question: u64, answer: Option<Answer>) -> Entry {
        Entry {
            who: "ada".into(),
            time: "2026-03-04T05:06:07.5Z".parse().unwrap(),
            question,
            round: 2,
            series: "cpu \"α\"".into(),
            point: 17,
            reason: Reason::Strategy,
            timestamp: 1_396_332_000_000_000_000,
            answer,
            seconds: 1.25,
            score: -0.1,
        }
    }

    fn spans(first: usize, last: usize) -> Answer {
        Answer::Spans(vec![Span { first, last, label: Label::Anomaly }])
    }

    #[test]
    fn what_was_appended_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.sqlite");
        let given = [entry(0, Some(spans(3, 5))), entry(1, Some(Answer::Unsure)), entry(2, Some(Answer::Skip))];
        let log = AnswerLog::open(&path).unwrap();
        assert_eq!(given.iter().map(|entry| log.append(entry).unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        drop(log);
        let log = AnswerLog::open(&path).unwrap();
        assert_eq!(log.entries().unwrap(), given);
        assert_eq!(log.answers().unwrap(), given);
    }

    #[test]
    fn a_score_that_is_no_number_survives() {
        let folder = tempfile::tempdir().unwrap();
        let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
        for score in [f64::NAN, f64::INFINITY] {
            log.append(&Entry { score, ..entry(0, Some(Answer::Skip)) }).unwrap();
        }
        let entries = log.entries().unwrap();
        assert!(entries[0].score.is_nan() && entries[1].score.is_infinite());
    }

    #[test]
    fn the_latest_answer_of_a_question_stands_unless_it_was_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let log = AnswerLog::open(&folder.path().join("labels.sqlite")).unwrap();
        let rows = [
            entry(7, Some(Answer::Skip)),
            entry(3, Some(spans(1, 1))),
            entry(5, Some(spans(2, 2))),
            entry(3, None),
            entry(7, Some(spans(9, 9))),
            entry(5, None),
            entry(5, Some(Answer::Unsure)),
        ];
        for row in &rows {
            log.append(row).unwrap();
        }
        assert_eq!(log.answers().unwrap(), [rows[6].clone(), rows[4].clone()]);
        assert_eq!(log.entries().unwrap(), rows);
    }

    #[test]
    fn rows_can_be_neither_changed_nor_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.sqlite");
        let log = AnswerLog::open(&path).unwrap();
        log.append(&entry(0, Some(Answer::Skip))).unwrap();
        let other = Connection::open(&path).unwrap();
        for statement in ["UPDATE answers SET who = 'eve'", "DELETE FROM answers"] {
            let error = other.execute(statement, []).unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        let both = "INSERT INTO answers VALUES (9, 'eve', '', 0, 0, '', 0, 0, '\"skip\"', 0, 0, 1)";
        assert!(other.execute(both, []).is_err(), "an answer cannot be given and taken back in one row");
        assert_eq!(log.entries().unwrap().len(), 1);
    }

    #[test]
    fn the_file_is_durable_and_says_what_it_is() {
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
        other.execute_batch("CREATE TABLE answers (x)").unwrap();
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
        let log = AnswerLog::open(&path).unwrap();
        log.append(&entry(0, Some(Answer::Skip))).unwrap();
        let row = "INSERT INTO answers VALUES (2, 'ada', '2026-03-04T05:06:07Z', 1, 0, 's', 0, 'random', 0, '\"perhaps\"', 0, 0, 0)";
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
                    let log = AnswerLog::open(path).unwrap();
                    for question in 0..25 {
                        log.append(&entry(100 * writer + question, Some(Answer::Skip))).unwrap();
                    }
                });
            }
        });
        let answers = AnswerLog::open(&path).unwrap().answers().unwrap();
        let questions: Vec<u64> = answers.iter().map(|entry| entry.question).collect();
        let expected: Vec<u64> = (0..4).flat_map(|writer| (0..25).map(move |i| 100 * writer + i)).collect();
        assert_eq!(questions, expected);
    }

    /// Where the child of the test below writes.
    const CHILD_LOG: &str = "RLAD_TEST_CHILD_LOG";

    #[test]
    #[ignore = "the child of `a_killed_writer_loses_no_acknowledged_entry_and_has_none_twice`"]
    fn child_that_appends_until_it_is_killed() {
        let path = std::env::var_os(CHILD_LOG).expect("run by its parent");
        let log = AnswerLog::open(Path::new(&path)).unwrap();
        for question in 0.. {
            log.append(&entry(question, Some(spans(0, 3)))).unwrap();
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

            let log = AnswerLog::open(&path).unwrap();
            let questions: Vec<u64> = log.entries().unwrap().iter().map(|entry| entry.question).collect();
            let n_kept = u64::try_from(questions.len()).unwrap();
            assert_eq!(questions, (0..n_kept).collect::<Vec<_>>());
            // One entry may be on disk that the child had no time to acknowledge.
            assert!(n_kept == acknowledged || n_kept == acknowledged + 1, "{n_kept} of {acknowledged}");
            log.append(&entry(n_kept, Some(Answer::Skip))).unwrap();
        }
    }
}

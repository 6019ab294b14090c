//! The answer log of a session: every answer that an expert ever gave, in one SQLite file that only grows.
//!
//! A row is never changed or removed; taking an answer back is a row too. So the file is the audit trail (who said what,
//! when, and how sure the detector was at that moment), and what stands can always be worked out from it again.
//!
//! An entry that [`AnswerLog::append`] has returned is on disk: the file is in write-ahead mode with `synchronous=FULL`,
//! which syncs at each commit.

mod annotation;
mod feedback;
mod schema;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rlad::active::Reason;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};
use serde::{Deserialize, Serialize};

pub(crate) use self::annotation::{PlainSpan, Said, SaidLabel, SaidSpan, allowed, times};
pub(crate) use self::feedback::{Reading, index_of};
pub(crate) use self::state::AnnotationState;

/// Marks the file as ours in its header: `rlad` in ASCII.
const APPLICATION_ID: i32 = 0x726c_6164;
/// How long one connection waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The expert.
    pub(crate) who: String,
    /// When it was done.
    pub(crate) time: jiff::Timestamp,
    /// The round that learns from it.
    pub(crate) taught: usize,
    /// The time that the expert took, in seconds.
    pub(crate) seconds: f64,
    /// The key that the client gave to its request; no two entries have the same.
    pub(crate) client: Option<String>,
    /// What was done.
    pub(crate) act: Act,
}

/// What an expert did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Said something.
    Said(Box<Saying>),
    /// Took back a step of their own, by its first entry.
    Undo {
        /// The entry.
        target: i64,
    },
    /// Brought back a step that was taken back.
    Redo {
        /// The entry.
        target: i64,
    },
    /// Took back every answer to a question, to be asked again.
    Withdraw {
        /// The question.
        question: u64,
    },
}

/// What an expert said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saying {
    /// Why it was said.
    pub(crate) source: Source,
    /// The question that it answers, if it answers one.
    pub(crate) asked: Option<Asked>,
    /// The name of the series.
    pub(crate) series: String,
    /// The timestamps of the first and the last point that it is about: nanoseconds since 1970, or indices.
    pub(crate) times: (i64, i64),
    /// What was said.
    pub(crate) said: Said,
    /// A remark.
    pub(crate) comment: Option<String>,
    /// The first entry of those that were said at once, and are taken back together; `None` for that one itself.
    pub(crate) step: Option<i64>,
}

/// Why something was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// A question was asked.
    Question,
    /// Nobody asked.
    Free,
    /// The window is like one that was answered.
    Similar,
    /// It stood in a file.
    Import,
}

/// The question that was answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// The question's number in its session, from 0.
    pub(crate) question: u64,
    /// The round that asked it; 0 is the warm-up.
    pub(crate) round: usize,
    /// The point.
    pub(crate) point: usize,
    /// Why it was asked about.
    pub(crate) reason: Reason,
    /// The detector's score of the point when it was asked about.
    pub(crate) score: f64,
    /// The hash of that detector; `None` for the forest of the warm-up.
    pub(crate) model: Option<String>,
    /// Whether the question was asked once more, to see whether the answer is the same.
    pub(crate) again: bool,
}

/// The open log of one session. Several may be open on one file, in one process or many.
#[derive(Debug)]
pub(crate) struct AnswerLog {
    path: PathBuf,
    connection: Connection,
}

impl AnswerLog {
    /// Opens the log at `path`, and makes it if there is no file. One of version 1 becomes one of this version.
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
            transaction.execute_batch(schema::SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            transaction.pragma_update(None, "user_version", schema::VERSION).map_err(failed)?;
            return transaction.commit().map_err(failed);
        }
        if application != APPLICATION_ID {
            return Err(foreign(Some("it is the SQLite file of another program".into())).into());
        }
        if version == 1 {
            schema::migrate(&transaction).map_err(|cause| foreign(Some(cause)))?;
            transaction.pragma_update(None, "user_version", schema::VERSION).map_err(failed)?;
            return transaction.commit().map_err(failed);
        }
        if u32::try_from(version) != Ok(schema::VERSION) {
            return Err(rlad::Error::Version { path, expected: schema::VERSION, found: version.to_string() }.into());
        }
        Ok(())
    }

    /// Adds an entry and returns its number, from 1. It returns only when the entry is on disk.
    ///
    /// # Errors
    /// What SQLite says; the entry is not in the log then.
    pub(crate) fn append(&mut self, entry: &Entry) -> anyhow::Result<i64> {
        Ok(self.append_all(std::slice::from_ref(entry))?[0])
    }

    /// Adds entries and returns their numbers: all of them or none. What is said in them is one step, which is taken back as a
    /// whole. It returns only when they are on disk.
    ///
    /// # Errors
    /// What SQLite says; none of the entries is in the log then.
    pub(crate) fn append_all(&mut self, entries: &[Entry]) -> anyhow::Result<Vec<i64>> {
        let failed = || format!("cannot write `{}`", self.path.display());
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(plain)
            .with_context(failed)?;
        let mut numbers = Vec::with_capacity(entries.len());
        for entry in entries {
            let number = insert(&transaction, entry, numbers.first().copied())?;
            numbers.push(number.map_err(plain).with_context(failed)?);
        }
        transaction.commit().map_err(plain).with_context(failed)?;
        Ok(numbers)
    }

    /// The entry that a client's request with this key added.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) fn of_client(&self, key: &str) -> anyhow::Result<Option<i64>> {
        self.connection
            .prepare_cached("SELECT entry FROM entries WHERE client = ?1")
            .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
            .map_err(plain)
            .with_context(|| format!("cannot read `{}`", self.path.display()))
    }

    /// All entries with their numbers, in the order in which they were added.
    ///
    /// # Errors
    /// [`rlad::Error::Format`] if a row does not hold what [`AnswerLog::append`] writes, and what SQLite says.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<(i64, Entry)>> {
        let failed = || format!("cannot read `{}`", self.path.display());
        let mut item =
            self.connection.prepare("SELECT * FROM entries ORDER BY entry").map_err(plain).with_context(failed)?;
        let mut rows = item.query([]).map_err(plain).with_context(failed)?;
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

/// Adds a row. `step` is the first entry of those that are added with it.
fn insert(connection: &Connection, entry: &Entry, step: Option<i64>) -> anyhow::Result<rusqlite::Result<i64>> {
    let (mut what, mut target, mut question) = ("said", None, None);
    let saying = match &entry.act {
        Act::Said(saying) => {
            question = saying.asked.as_ref().map(|asked| signed(asked.question));
            Some(saying)
        }
        Act::Undo { target: of } | Act::Redo { target: of } => {
            what = if matches!(entry.act, Act::Undo { .. }) { "undo" } else { "redo" };
            target = Some(*of);
            None
        }
        Act::Withdraw { question: of } => {
            what = "undo";
            question = Some(signed(*of));
            None
        }
    };
    let asked = saying.and_then(|saying| saying.asked.as_ref());
    let name = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let source = saying.map(|saying| serde_json::to_value(saying.source)).transpose()?.and_then(name);
    let reason = asked.map(|asked| serde_json::to_value(asked.reason)).transpose()?.and_then(name);
    let said = saying.map(|saying| serde_json::to_string(&saying.said)).transpose()?;
    let mut insert = match connection.prepare_cached(
        "INSERT INTO entries (who, time, what, source, taught, question, round, series, point, reason, first, last, said, comment,
             seconds, model, score, again, client, step, target)
         VALUES (:who, :time, :what, :source, :taught, :question, :round, :series, :point, :reason, :first, :last, :said, :comment,
             :seconds, :model, :score, :again, :client, :step, :target)",
    ) {
        Ok(insert) => insert,
        Err(error) => return Ok(Err(error)),
    };
    Ok(insert.insert(named_params! {
        ":who": entry.who,
        ":time": entry.time.to_string(),
        ":what": what,
        ":source": source,
        ":taught": signed(entry.taught),
        ":question": question,
        ":round": asked.map(|asked| signed(asked.round)),
        ":series": saying.map(|saying| &saying.series),
        ":point": asked.map(|asked| signed(asked.point)),
        ":reason": reason,
        ":first": saying.map(|saying| saying.times.0),
        ":last": saying.map(|saying| saying.times.1),
        ":said": said,
        ":comment": saying.and_then(|saying| saying.comment.as_ref()),
        ":seconds": entry.seconds,
        ":model": asked.and_then(|asked| asked.model.as_ref()),
        ":score": asked.map(|asked| asked.score),
        ":again": asked.is_some_and(|asked| asked.again),
        ":client": entry.client,
        ":step": saying.and_then(|saying| saying.step.or(step)),
        ":target": target,
    }))
}

fn read(row: &Row<'_>) -> Result<(i64, Entry), rlad::Cause> {
    let unsigned = |name: &str| -> Result<Option<usize>, rlad::Cause> {
        Ok(row.get::<_, Option<i64>>(name)?.map(usize::try_from).transpose()?)
    };
    let question = row.get::<_, Option<i64>>("question")?.map(u64::try_from).transpose()?;
    let target: Option<i64> = row.get("target")?;
    let what: String = row.get("what")?;
    let act = match (what.as_str(), target, question) {
        ("said", ..) => Act::Said(Box::new(read_saying(row, question)?)),
        ("undo", Some(target), _) => Act::Undo { target },
        ("redo", Some(target), _) => Act::Redo { target },
        ("undo", None, Some(question)) => Act::Withdraw { question },
        _ => return Err("it takes back nothing".into()),
    };
    let entry = Entry {
        who: row.get("who")?,
        time: row.get::<_, String>("time")?.parse()?,
        taught: unsigned("taught")?.unwrap_or_default(),
        seconds: row.get("seconds")?,
        client: row.get("client")?,
        act,
    };
    Ok((row.get("entry")?, entry))
}

fn read_saying(row: &Row<'_>, question: Option<u64>) -> Result<Saying, rlad::Cause> {
    let asked = match question {
        None => None,
        Some(question) => Some(Asked {
            question,
            round: row.get::<_, i64>("round")?.try_into()?,
            point: row.get::<_, i64>("point")?.try_into()?,
            reason: serde_json::from_value(row.get::<_, String>("reason")?.into())?,
            score: row.get::<_, Option<f64>>("score")?.unwrap_or(f64::NAN),
            model: row.get("model")?,
            again: row.get("again")?,
        }),
    };
    Ok(Saying {
        source: serde_json::from_value(row.get::<_, String>("source")?.into())?,
        asked,
        series: row.get("series")?,
        times: (row.get("first")?, row.get("last")?),
        said: serde_json::from_str(&row.get::<_, String>("said")?)?,
        comment: row.get("comment")?,
        step: row.get("step")?,
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
mod tests;

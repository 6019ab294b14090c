//! The SQLite file of a log.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};

use super::entry::{AnsweredQuestion, Entry, LogAction, LoggedAnnotation, Presence};
use super::schema;

/// Marks the file as ours in its header: `rlad` in ASCII.
const APPLICATION_ID: i32 = 0x726c_6164;
/// How long one connection waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The open log of one session. Several may be open on one file, in one process or many.
#[derive(Debug)]
pub(crate) struct AnswerLog {
    path: PathBuf,
    pub(super) connection: Connection,
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
            transaction.execute_batch(schema::SCHEMA).map_err(failed)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            transaction.pragma_update(None, "user_version", schema::VERSION).map_err(failed)?;
            return transaction.commit().map_err(failed);
        }
        if application != APPLICATION_ID {
            return Err(foreign(Some("it is the SQLite file of another program".into())).into());
        }
        if u32::try_from(version) != Ok(schema::VERSION) {
            return Err(rlad::Error::Version { path, expected: schema::VERSION, found: version.to_string() }.into());
        }
        Ok(())
    }

    /// Adds an entry and returns its number, from 1. It returns only when the entry is on disk.
    ///
    /// # Errors
    /// The error of SQLite; the entry is not in the log then.
    pub(crate) fn append(&mut self, entry: &Entry) -> anyhow::Result<i64> {
        Ok(self.append_all(std::slice::from_ref(entry))?[0])
    }

    /// Adds entries and returns their numbers: all of them or none. The annotations in them are one step, which is taken back as a
    /// whole. It returns only when they are on disk.
    ///
    /// # Errors
    /// The error of SQLite; none of the entries is in the log then.
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
    /// The error of SQLite.
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
    let (action, logged, target, withdrawn) = match &entry.action {
        LogAction::Annotate(logged) => ("annotate", Some(logged), None, None),
        LogAction::Undo { target } => ("undo", None, Some(*target), None),
        LogAction::Redo { target } => ("redo", None, Some(*target), None),
        LogAction::Withdraw { question } => ("withdraw", None, None, Some(*question)),
    };
    let question = logged.and_then(|logged| logged.question.as_ref());
    let name = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let source = logged.map(|logged| serde_json::to_value(logged.source)).transpose()?.and_then(name);
    let reason = question.map(|question| serde_json::to_value(question.reason)).transpose()?.and_then(name);
    let annotation = logged.map(|logged| serde_json::to_string(&logged.annotation)).transpose()?;
    let mut insert = match connection.prepare_cached(
        "INSERT INTO entries (who, time, action, source, taught, question, round, series, point, reason, first, last, annotation,
             comment, seconds, model, score, again, client, step, target)
         VALUES (:who, :time, :action, :source, :taught, :question, :round, :series, :point, :reason, :first, :last, :annotation,
             :comment, :seconds, :model, :score, :again, :client, :step, :target)",
    ) {
        Ok(insert) => insert,
        Err(error) => return Ok(Err(error)),
    };
    Ok(insert.insert(named_params! {
        ":who": entry.who,
        ":time": entry.time.to_string(),
        ":action": action,
        ":source": source,
        ":taught": signed(entry.taught),
        ":question": question.map(|question| question.id).or(withdrawn).map(signed),
        ":round": question.map(|question| signed(question.round)),
        ":series": logged.map(|logged| &logged.series),
        ":point": question.map(|question| signed(question.point)),
        ":reason": reason,
        ":first": logged.map(|logged| logged.times.0),
        ":last": logged.map(|logged| logged.times.1),
        ":annotation": annotation,
        ":comment": logged.and_then(|logged| logged.comment.as_ref()),
        ":seconds": entry.seconds,
        ":model": question.and_then(|question| question.model.as_ref()),
        ":score": question.map(|question| question.score),
        ":again": question.is_some_and(|question| question.again),
        ":client": entry.client,
        ":step": logged.and_then(|logged| logged.step.or(step)),
        ":target": target,
    }))
}

fn read(row: &Row<'_>) -> Result<(i64, Entry), rlad::Cause> {
    let question = row.get::<_, Option<i64>>("question")?.map(u64::try_from).transpose()?;
    let target: Option<i64> = row.get("target")?;
    let name: String = row.get("action")?;
    let action = match (name.as_str(), target, question) {
        ("annotate", ..) => LogAction::Annotate(Box::new(read_annotation(row, question)?)),
        ("undo", Some(target), _) => LogAction::Undo { target },
        ("redo", Some(target), _) => LogAction::Redo { target },
        ("withdraw", _, Some(question)) => LogAction::Withdraw { question },
        _ => return Err(format!("its action is `{name}`, and it names nothing that this is done to").into()),
    };
    let entry = Entry {
        who: row.get("who")?,
        time: row.get::<_, String>("time")?.parse()?,
        taught: row.get::<_, i64>("taught")?.try_into()?,
        seconds: row.get("seconds")?,
        client: row.get("client")?,
        action,
    };
    Ok((row.get("entry")?, entry))
}

fn read_annotation(row: &Row<'_>, question: Option<u64>) -> Result<LoggedAnnotation, rlad::Cause> {
    let question = match question {
        None => None,
        Some(id) => Some(AnsweredQuestion {
            id,
            round: row.get::<_, i64>("round")?.try_into()?,
            point: row.get::<_, i64>("point")?.try_into()?,
            reason: serde_json::from_value(row.get::<_, String>("reason")?.into())?,
            score: row.get::<_, Option<f64>>("score")?.unwrap_or(f64::NAN),
            model: row.get("model")?,
            again: row.get("again")?,
        }),
    };
    Ok(LoggedAnnotation {
        source: serde_json::from_value(row.get::<_, String>("source")?.into())?,
        question,
        series: row.get("series")?,
        times: (row.get("first")?, row.get("last")?),
        annotation: serde_json::from_str(&row.get::<_, String>("annotation")?)?,
        comment: row.get("comment")?,
        step: row.get("step")?,
        presence: Presence::Whole,
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

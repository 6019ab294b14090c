//! The folder of a session: its settings, answers, checkpoint, history and model.
//!
//! ```text
//! config.toml        every setting of the run; `method.toml` where a method is trained in place of the agent
//! labels.sqlite      the answers, append-only
//! checkpoint         the state after the last whole round
//! history.jsonl      one line a round
//! model.safetensors  the detector
//! data.json          where the data are, and how their columns are found
//! calendar.csv       the expected events, where `--calendar` named some
//! lock               held by the program that trains
//! ```
//!
//! A file is replaced whole or not at all: it is written beside, synced, and renamed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rlad::data::Calendar;
use rlad::{Config, Error, Model, Session};
use serde_json::Value;

use crate::advice::Advice;

/// The name of the model's file.
pub(crate) const MODEL: &str = "model.safetensors";
/// The name of the answers' file.
pub(crate) const LABELS: &str = "labels.sqlite";
/// The name of the copy of the calendar of expected events.
pub(crate) const CALENDAR: &str = "calendar.csv";
const CONFIG: &str = "config.toml";
const METHOD: &str = "method.toml";
/// The name of the checkpoint's file.
pub(crate) const CHECKPOINT: &str = "checkpoint";
const HISTORY: &str = "history.jsonl";
const LOCK: &str = "lock";

/// The folder of the session of data where none is named: `cpu.rlad` beside `cpu.csv`. That of a pattern is in its last folder without a
/// wildcard, that of stdin in the current folder.
pub(crate) fn beside(data: &Path) -> PathBuf {
    const WILDCARDS: [char; 3] = ['*', '?', '['];
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or_default().replace(WILDCARDS, "");
    let stem = stem.trim_matches('-');
    let has_wildcard = |path: &Path| path.to_string_lossy().contains(WILDCARDS);
    let parent = data.ancestors().skip(1).find(|path| !has_wildcard(path)).unwrap_or(Path::new(""));
    parent.join(if stem.is_empty() { "data.rlad".to_owned() } else { format!("{stem}.rlad") })
}

/// The folder of a session that is being trained; no other program trains it meanwhile.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Refuses a folder that holds a session.
    pub(crate) fn check_free(path: &Path) -> anyhow::Result<()> {
        if path.join(CONFIG).exists() || path.join(METHOD).exists() {
            return Err(Advice::error(
                format!("`{}` holds a session already", path.display()),
                "go on with it by `--resume`, or name another folder".to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether a folder holds a session of the agent.
    pub(crate) fn has_session(path: &Path) -> bool {
        path.join(CONFIG).exists()
    }

    /// Whether a folder holds a session of a method.
    pub(crate) fn is_of_method(path: &Path) -> bool {
        path.join(METHOD).exists()
    }

    /// A new session with these settings.
    ///
    /// # Errors
    /// If the folder holds a session already, or cannot be written.
    pub(crate) fn create(path: &Path, config: &Config) -> anyhow::Result<Self> {
        Self::check_free(path)?;
        fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        folder.write(CONFIG, config.to_toml().as_bytes())?;
        Ok(folder)
    }

    /// A new session with these settings, and the calendar of expected events where there is one.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub(crate) fn begin(path: &Path, config: &Config, calendar: Option<&Calendar>) -> anyhow::Result<Self> {
        let folder = Self::create(path, config)?;
        calendar.iter().try_for_each(|calendar| folder.write_calendar(calendar))?;
        Ok(folder)
    }

    /// A new session of a method, with the record of its settings.
    ///
    /// # Errors
    /// If the folder holds a session already, or cannot be written.
    pub(crate) fn create_for_method(path: &Path, record: &str) -> anyhow::Result<Self> {
        Self::check_free(path)?;
        fs::create_dir_all(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        folder.write(METHOD, record.as_bytes())?;
        Ok(folder)
    }

    /// The session of a method that a folder holds, if it holds one, and the record of its settings.
    pub(crate) fn open_for_method(path: &Path) -> anyhow::Result<Option<(Self, String)>> {
        let file = path.join(METHOD);
        match fs::read_to_string(&file) {
            Ok(record) => Ok(Some((Self { path: path.to_owned(), _lock: lock(path)? }, record))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path: file, source }.into()),
        }
    }

    /// The session that a folder holds, and its settings.
    ///
    /// # Errors
    /// If it holds none, or its settings cannot be read.
    pub(crate) fn open(path: &Path) -> anyhow::Result<(Self, Config)> {
        if !path.join(CONFIG).exists() {
            return Err(Advice::error(
                format!("`{}` holds no session", path.display()),
                "begin one without `--resume`".to_owned(),
            ));
        }
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        let config = read_config(&path.join(CONFIG))?;
        Ok((folder, config))
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of one of its files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces the settings.
    pub(crate) fn write_config(&self, config: &Config) -> anyhow::Result<()> {
        self.write(CONFIG, config.to_toml().as_bytes())
    }

    /// The checkpoint of the last whole round, if there is one, and its path.
    pub(crate) fn checkpoint(&self) -> anyhow::Result<(PathBuf, Option<Vec<u8>>)> {
        let path = self.file(CHECKPOINT);
        match fs::read(&path) {
            Ok(bytes) => Ok((path, Some(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((path, None)),
            Err(source) => Err(Error::Read { path, source }.into()),
        }
    }

    /// Replaces the checkpoint.
    pub(crate) fn write_checkpoint(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(CHECKPOINT, bytes)
    }

    /// Replaces the calendar of expected events.
    pub(crate) fn write_calendar(&self, calendar: &Calendar) -> anyhow::Result<()> {
        self.write(CALENDAR, calendar.to_csv().as_bytes())
    }

    /// Gives a session of the folder what its checkpoint does not hold: the calendar, and the model that its models follow.
    ///
    /// # Errors
    /// If the calendar cannot be read. A model that cannot be read has no lineage to go on with.
    pub(crate) fn complete(&self, session: &mut Session) -> anyhow::Result<()> {
        if let Some(path) = calendar_of(&self.path) {
            session.set_calendar(Calendar::read(path)?);
        }
        if let Ok(model) = Model::load(self.file(MODEL)) {
            session.set_previous(&model);
        }
        Ok(())
    }

    /// Replaces the model.
    pub(crate) fn write_model(&self, bytes: &[u8]) -> anyhow::Result<()> {
        self.write(MODEL, bytes)
    }

    /// Replaces the history.
    pub(crate) fn write_history(&self, rounds: &[Value]) -> anyhow::Result<()> {
        let lines: Vec<String> = rounds.iter().map(|round| format!("{round}\n")).collect();
        self.write(HISTORY, lines.concat().as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(rlad::data::write_file(&self.file(name), bytes)?)
    }
}

/// The calendar of expected events that a session's folder holds, if it holds one.
pub(crate) fn calendar_of(folder: &Path) -> Option<PathBuf> {
    let path = folder.join(CALENDAR);
    (Folder::has_session(folder) && path.exists()).then_some(path)
}

/// The rounds in the history of a session's folder, a JSON object each; none if there is no history.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub(crate) fn read_history(folder: &Path) -> anyhow::Result<Vec<Value>> {
    let path = folder.join(HISTORY);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Read { path, source }.into()),
    };
    let line = |line: &str| serde_json::from_str(line);
    text.lines().map(line).collect::<Result<_, _>>().map_err(|error| {
        Error::Format { path, expected: "a session's history".to_owned(), source: Some(error.into()) }.into()
    })
}

/// The settings of the session in a folder.
///
/// # Errors
/// As [`read_config`].
pub(crate) fn config_of(folder: &Path) -> anyhow::Result<Config> {
    read_config(&folder.join(CONFIG))
}

/// The settings in a TOML file.
///
/// # Errors
/// If the file cannot be read, or a setting is unknown or outside of its range.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<Config> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Config::from_toml(&text).with_context(|| format!("cannot use `{}`", path.display()))
}

fn lock(path: &Path) -> anyhow::Result<File> {
    lock_for(path, "the session", "being trained")
}

/// Keeps a folder for this program, until what it returns is dropped. `what` and `is` tell others why: "the session" `path`
/// is "being trained" by another program.
///
/// # Errors
/// If another program keeps it.
pub(crate) fn lock_for(path: &Path, what: &str, is: &str) -> anyhow::Result<File> {
    let lock = path.join(LOCK);
    let file = File::create(&lock).map_err(|source| Error::Write { path: lock.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Advice::error(
            format!("{what} `{}` is {is} by another program", path.display()),
            "wait until it ends, or name another folder".to_owned(),
        )),
        Err(fs::TryLockError::Error(source)) => Err(Error::Write { path: lock, source }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lies_beside_its_data() {
        let beside = |data: &str| beside(Path::new(data)).to_string_lossy().replace('\\', "/");
        assert_eq!(beside("x/cpu.csv"), "x/cpu.rlad");
        assert_eq!(beside("cpu.csv.gz"), "cpu.rlad");
        assert_eq!(beside("my cpu.parquet"), "my cpu.rlad");
        assert_eq!(beside("x/metrics/"), "x/metrics.rlad");
        assert_eq!(beside("x/host-*/cpu.csv"), "x/cpu.rlad");
        assert_eq!(beside("host-*.csv"), "host.rlad");
        assert_eq!([beside("-"), beside("*.csv")], ["data.rlad", "data.rlad"]);
    }

    #[test]
    fn a_folder_is_begun_once_and_trained_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        assert!(Folder::open(&path).unwrap_err().to_string().contains("holds no session"));
        let folder = Folder::create(&path, &Config::paper()).unwrap();
        assert!(Folder::open(&path).unwrap_err().to_string().contains("another program"));
        drop(folder);
        assert!(Folder::create(&path, &Config::paper()).unwrap_err().to_string().contains("already"));
        assert_eq!(Folder::open(&path).unwrap().1, Config::paper());
    }

    #[test]
    fn files_are_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::create(dir.path(), &Config::default()).unwrap();
        assert_eq!(folder.checkpoint().unwrap().1, None);
        folder.write_checkpoint(b"long, long ago").unwrap();
        folder.write_checkpoint(b"now").unwrap();
        assert_eq!(folder.checkpoint().unwrap().1.unwrap(), b"now");
        let rounds = [serde_json::json!({"round": 0}), serde_json::json!({"round": 1})];
        folder.write_history(&rounds).unwrap();
        assert_eq!(read_history(dir.path()).unwrap(), rounds);
    }
}

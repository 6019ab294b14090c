//! `rlad serve` beside the servers of a test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::http;
use crate::servers::{Server, until};

/// The service.
pub(crate) struct Service {
    server: Server,
    name: String,
    port: u16,
    folder: PathBuf,
}

impl Service {
    /// Starts it with this configuration, and waits until it is ready. Its state is the folder `NAME-state`.
    pub(crate) fn start(name: &str, port: u16, config: &str, more: &[&str], folder: &Path) -> Self {
        std::fs::write(folder.join(format!("{name}.toml")), config).unwrap();
        Self { server: run(name, port, more, folder), name: name.to_owned(), port, folder: folder.to_owned() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.server.url
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join(format!("{}-state", self.name))
    }

    pub(crate) fn log(&self) -> String {
        self.server.log()
    }

    /// Kills it in the middle of whatever it does, and starts it again.
    pub(crate) fn kill_and_restart(self) -> Self {
        let Self { server, name, port, folder } = self;
        server.kill();
        Self { server: run(&name, port, &[], &folder), name, port, folder }
    }

    /// Ends it by a signal; how long that took.
    #[track_caller]
    pub(crate) fn stop(self, signal: &str) -> Duration {
        self.server.stop(signal)
    }

    pub(crate) fn status(&self) -> Result<Value, String> {
        http::json(&format!("{}/api/v1/status", self.url()))
    }

    /// The sum of its metrics whose line begins so.
    pub(crate) fn metric(&self, begins: &str) -> Option<f64> {
        http::metric(&http::get(&format!("{}/metrics", self.url())).ok()?, begins)
    }

    /// Waits until its first detector scores.
    #[track_caller]
    pub(crate) fn wait_for_detector(&self) -> String {
        until("a first detector scores", || {
            let log = self.log();
            let found = log.lines().find_map(|line| line.split_once("detector ")?.1.split_once(" scores from here on"));
            found.map(|(name, _)| name.to_owned()).ok_or_else(|| format!("{:?}, {log}", self.status()))
        })
    }

    /// What waits at its page to be decided, in the order in which it is shown.
    pub(crate) fn suggestions(&self) -> Result<Vec<Value>, String> {
        let told = http::json(&format!("{}/api/suggestions", self.url()))?;
        told["suggestions"].as_array().cloned().ok_or_else(|| told.to_string())
    }

    /// The labels in the log of its session, in order.
    pub(crate) fn labels(&self) -> Vec<Label> {
        let path = self.state().join("session/labels.sqlite");
        let Ok(log) = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            return Vec::new();
        };
        let mut rows = log
            .prepare(
                "SELECT who, series, annotation, question, comment FROM entries
                WHERE action = 'annotate' ORDER BY entry",
            )
            .unwrap();
        let label = |row: &rusqlite::Row<'_>| {
            let (annotation, question): (String, Option<i64>) = (row.get(2)?, row.get(3)?);
            Ok(Label {
                who: row.get(0)?,
                series: row.get(1)?,
                annotation: serde_json::from_str(&annotation).unwrap(),
                is_answer: question.is_some(),
                comment: row.get(4)?,
            })
        };
        rows.query_map([], label).unwrap().map(Result::unwrap).collect()
    }
}

/// A label in the log of the service's session.
#[derive(Clone, Debug)]
pub(crate) struct Label {
    pub(crate) who: String,
    pub(crate) series: String,
    pub(crate) annotation: Value,
    pub(crate) is_answer: bool,
    pub(crate) comment: Option<String>,
}

fn run(name: &str, port: u16, more: &[&str], folder: &Path) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rlad"));
    command.arg("serve").arg(format!("--config={name}.toml")).arg(format!("--state={name}-state"));
    command.arg(format!("--bind=127.0.0.1:{port}")).args(more);
    let mut server = Server::start(name, command, port, folder);
    server.wait_for("/-/ready");
    server
}

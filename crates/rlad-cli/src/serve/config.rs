//! The configuration of the service, `serve.toml`, in vmanomaly's words where it has them.

mod alertmanager;
mod auth;
mod document;
mod learning;
mod reader;
mod server;
mod units;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rlad::Error;
use rlad::config::DecisionConfig;
use serde::{Deserialize, Serialize};

pub(crate) use self::alertmanager::AlertmanagerConfig;
use self::document::Document;
pub(super) use self::document::with_dollars;
pub(crate) use self::learning::{LearningConfig, SchedulerConfig};
pub(crate) use self::reader::{QueryConfig, ReadAs, ReaderConfig, WatchConfig};
pub(crate) use self::server::{Fsync, LimitsConfig, ServerConfig, StateConfig};
pub(crate) use self::units::{Period, Size};
pub(crate) use self::writer::{Protocol, Scores, WriterConfig};
use super::labels::NAME;
use crate::advice::Advice;

/// The configuration of the service. Secrets are in files that it names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServeConfig {
    /// The server.
    pub server: ServerConfig,
    /// What is read from a database.
    pub reader: ReaderConfig,
    /// When models are made.
    pub scheduler: SchedulerConfig,
    /// Where scores are written.
    pub writer: WriterConfig,
    /// Where alarms go.
    pub alertmanager: AlertmanagerConfig,
    /// What is learned.
    pub learning: LearningConfig,
    /// Which points are alarms.
    #[serde(with = "learning::Decision")]
    pub decision: DecisionConfig,
    /// Where the state is kept.
    pub state: StateConfig,
    /// How many series are taken.
    pub limits: LimitsConfig,
    /// Which pushed series are watched; all of them where there is no watch and no query.
    #[serde(rename = "watch", skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<WatchConfig>,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            server: ServerConfig::default(),
            reader: ReaderConfig::default(),
            scheduler: SchedulerConfig::default(),
            writer: WriterConfig::default(),
            alertmanager: AlertmanagerConfig::default(),
            learning: LearningConfig::default(),
            decision: learning::decision(),
            state: StateConfig::default(),
            limits: LimitsConfig::default(),
            watches: Vec::new(),
        }
    }
}

impl ServeConfig {
    /// Reads a file; `${NAME}` in a text is the environment variable of that name.
    ///
    /// # Errors
    /// If the file cannot be read, a key is unknown or a value is not one that may stand there.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let hint = "name a file with `--config`, or begin with `rlad serve --datasource URL --query EXPR`";
            Advice::error(format!("cannot read `{name}`: {error}"), hint.to_owned())
        })?;
        Self::from_text(&name, &text, &|variable| std::env::var(variable).ok())
    }

    /// The configuration in a text. `name` is the file's, for errors; `variable` gives what an environment variable
    /// holds.
    ///
    /// # Errors
    /// If a key is unknown, a value is not one that may stand there, or a variable is not set.
    pub(crate) fn from_text(name: &str, text: &str, variable: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let document = Document::parse(name, text, variable)?;
        let config: Self = document.read()?;
        config.check().map_err(|problem| document.problem(&problem))?;
        Ok(config)
    }

    /// A configuration that reads these expressions from a database and writes nothing.
    ///
    /// # Errors
    /// If the address is none, or an expression is empty.
    pub(crate) fn quick(datasource_url: &str, queries: &[String]) -> anyhow::Result<Self> {
        let mut config = Self::default();
        config.reader.datasource_url = Some(datasource_url.to_owned());
        let named = |(at, expr): (usize, &String)| (format!("query{}", at + 1), QueryConfig::new(expr.clone()));
        config.reader.queries = queries.iter().enumerate().map(named).collect();
        config.validate()?;
        Ok(config)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// For the first value that may not stand where it stands.
    pub(crate) fn validate(&self) -> anyhow::Result<()> {
        self.check().map_err(|problem| Advice::error(problem.to_string(), problem.hint))
    }

    fn check(&self) -> Result<(), Problem> {
        self.server.check()?;
        self.reader.check()?;
        self.scheduler.check(self.reader.sampling_period)?;
        self.writer.check()?;
        self.alertmanager.check()?;
        self.learning.check()?;
        self.decision.validate().map_err(|error| {
            let hint = "the settings of the decision are those of a session".to_owned();
            match error {
                Error::Setting { name, expected, found } => Problem::new(name, expected, found, hint),
                error => Problem::new("decision".to_owned(), "a decision".to_owned(), error.to_string(), hint),
            }
        })?;
        self.state.check()?;
        self.limits.check()?;
        self.watches.iter().enumerate().try_for_each(|(at, watch)| watch.check(&format!("watch[{at}]")))
    }

    /// The file that is read as this configuration.
    ///
    /// # Errors
    /// If a path is no text.
    pub(crate) fn to_toml(&self) -> anyhow::Result<String> {
        // No key has a dollar sign, so all of them stand in values.
        Ok(with_dollars(&toml::to_string(self)?))
    }

    /// The settings in which a new configuration differs and that are used only at the start.
    pub(crate) fn changes_needing_restart(&self, new: &Self) -> Vec<String> {
        let ((server, new_server), (state, new_state)) = ((&self.server, &new.server), (&self.state, &new.state));
        let settings = [
            ("server.bind", server.bind == new_server.bind),
            ("server.tls_cert_file", server.tls_cert_file == new_server.tls_cert_file),
            ("server.tls_key_file", server.tls_key_file == new_server.tls_key_file),
            ("server.max_body", server.max_body == new_server.max_body),
            ("server.max_decoded", server.max_decoded == new_server.max_decoded),
            ("server.max_connections", server.max_connections == new_server.max_connections),
            ("server.header_timeout", server.header_timeout == new_server.header_timeout),
            ("server.body_timeout", server.body_timeout == new_server.body_timeout),
            ("writer", self.writer.is_sent_as(&new.writer)),
            ("state.dir", state.dir == new_state.dir),
            ("state.fsync", state.fsync == new_state.fsync),
        ];
        settings.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key.to_owned()).collect()
    }
}

/// A value that may not stand where it stands.
struct Problem {
    /// Where, such as `reader.queries.cpu.expr` or `watch[0].step`.
    key: String,
    expected: String,
    found: String,
    hint: String,
}

impl Problem {
    const fn new(key: String, expected: String, found: String, hint: String) -> Self {
        Self { key, expected, found, hint }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` must be {}, got {}", self.key, self.expected, self.found)
    }
}

fn check(is_right: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if is_right { Ok(()) } else { Err(problem()) }
}

fn check_count(key: &str, count: usize) -> Result<(), Problem> {
    check(count > 0, || {
        let hint = "leave it out for the default".to_owned();
        Problem::new(key.to_owned(), "at least 1".to_owned(), "0".to_owned(), hint)
    })
}

fn check_time(key: &str, time: Period) -> Result<(), Problem> {
    check(time > Period::default(), || {
        let hint = "leave it out for the default".to_owned();
        Problem::new(key.to_owned(), "above 0".to_owned(), format!("`{time}`"), hint)
    })
}

/// Checks the names of labels that are added to those of a series.
fn check_labels(key: &str, labels: &BTreeMap<String, String>) -> Result<(), Problem> {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && (name == NAME || !name.starts_with("__"))
    };
    let Some(name) = labels.keys().find(|name| !is_name(name)) else { return Ok(()) };
    let hint = "a label is named by letters, digits and `_`, and begins with no digit and no `__`".to_owned();
    Err(Problem::new(key.to_owned(), "made of names of labels".to_owned(), format!("`{name}`"), hint))
}

#[cfg(test)]
mod tests;

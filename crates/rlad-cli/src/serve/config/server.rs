//! Settings of the server, of its state and of what it takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::auth::{check_url, trimmed};
use super::units::{Period, Size};
use super::{Problem, check, check_count, check_time};

/// The address it listens at, who may ask, and how much at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Address and port that it listens at.
    pub bind: SocketAddr,
    /// The address that people reach it at, for the links in alerts; where there is none, that of `bind`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_url: Option<String>,
    /// Whether samples are taken from anyone at an address that others reach.
    pub allow_anonymous: bool,
    /// A file with the secret of the labelling page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_secret_file: Option<PathBuf>,
    /// A file with the token that senders of samples show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest_token_file: Option<PathBuf>,
    /// A file with the token that readers of scores show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_token_file: Option<PathBuf>,
    /// The certificate of the server (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert_file: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key_file: Option<PathBuf>,
    /// The largest body of a request.
    pub max_body: Size,
    /// The largest body once it is decompressed.
    pub max_decoded: Size,
    /// The most connections at a time, at least 1.
    pub max_connections: usize,
    /// The longest time for the headers of a request, above 0.
    pub header_timeout: Period,
    /// The longest time for the body of a request, above 0.
    pub body_timeout: Period,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8490)),
            external_url: None,
            allow_anonymous: false,
            page_secret_file: None,
            ingest_token_file: None,
            read_token_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            max_body: Size::from_mib(32),
            max_decoded: Size::from_mib(128),
            max_connections: 1024,
            header_timeout: Period::from_secs(10),
            body_timeout: Period::from_secs(30),
        }
    }
}

impl ServerConfig {
    /// The address for links, without a slash at the end.
    pub(crate) fn external_url(&self) -> String {
        let scheme = if self.tls_cert_file.is_some() { "https" } else { "http" };
        let url = self.external_url.as_deref().map(|url| trimmed(url).to_owned());
        url.unwrap_or_else(|| format!("{scheme}://{}", self.bind))
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let is_open = !self.bind.ip().is_loopback() && self.ingest_token_file.is_none() && !self.allow_anonymous;
        check(!is_open, || {
            let hint = "name a file with a token as `ingest_token_file`, or take samples from anyone: \
                        `allow_anonymous = true`";
            let expected = "an address of this machine alone, such as `127.0.0.1:8490`, where senders show no token";
            Problem::new("server.bind".into(), expected.into(), format!("`{}`", self.bind), hint.into())
        })?;
        check(self.tls_cert_file.is_some() == self.tls_key_file.is_some(), || {
            let names = ["tls_key_file", "tls_cert_file"];
            let [missing, there] = if self.tls_cert_file.is_some() { names } else { [names[1], names[0]] };
            let hint = "a certificate is shown with its key".to_owned();
            Problem::new(format!("server.{missing}"), format!("given with `{there}`"), "nothing".into(), hint)
        })?;
        self.external_url.as_ref().map_or(Ok(()), |url| check_url("server.external_url", url))?;
        check_count("server.max_connections", self.max_connections)?;
        check_time("server.header_timeout", self.header_timeout)?;
        check_time("server.body_timeout", self.body_timeout)?;
        check(self.max_body > Size::default(), || size("server.max_body", self.max_body))?;
        check(self.max_decoded >= self.max_body, || size("server.max_decoded", self.max_decoded))
    }
}

fn size(key: &str, found: Size) -> Problem {
    let expected = "a size above 0, and `max_decoded` at least `max_body`".to_owned();
    Problem::new(key.to_owned(), expected, format!("`{found}`"), "the defaults are 32MiB and 128MiB".to_owned())
}

/// Where the state is kept, and how safely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StateConfig {
    /// The folder.
    pub dir: PathBuf,
    /// The time between two snapshots, above 0.
    pub snapshot_every: Period,
    /// When samples are made safe against a loss of power.
    pub fsync: Fsync,
    /// How many models are kept to go back to, at least 1.
    pub keep_models: usize,
}

/// When samples are made safe against a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fsync {
    /// Before they are acknowledged, many requests at once.
    #[default]
    Batch,
    /// When the system does so by itself.
    Never,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("rlad-state"),
            snapshot_every: Period::from_secs(300),
            fsync: Fsync::Batch,
            keep_models: 5,
        }
    }
}

impl StateConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check(!self.dir.as_os_str().is_empty(), || {
            let hint = "the default is `rlad-state`, beside where the program is started".to_owned();
            Problem::new("state.dir".into(), "the path of a folder".into(), "an empty text".into(), hint)
        })?;
        check_time("state.snapshot_every", self.snapshot_every)?;
        check_count("state.keep_models", self.keep_models)
    }
}

/// How many series are taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// The most series at a time, at least 1.
    pub max_series: usize,
    /// The most series that are taken up in a minute, at least 1.
    pub max_new_series_per_minute: usize,
    /// A series without samples for this long is forgotten; above 0.
    pub idle_series: Period,
    /// The most series of one query, at least 1.
    pub max_series_per_query: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            max_new_series_per_minute: 100_000,
            idle_series: Period::from_secs(86_400),
            max_series_per_query: 10_000,
        }
    }
}

impl LimitsConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        check_count("limits.max_series", self.max_series)?;
        check_count("limits.max_new_series_per_minute", self.max_new_series_per_minute)?;
        check_time("limits.idle_series", self.idle_series)?;
        check_count("limits.max_series_per_query", self.max_series_per_query)
    }
}

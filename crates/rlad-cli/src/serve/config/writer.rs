//! Settings of where scores are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::auth::{AuthConfig, check_tenant, check_url, tenant, trimmed};
use super::units::{Period, Size};
use super::{Problem, check, check_count, check_labels, check_time};
use crate::serve::client;
use crate::serve::labels::NAME;

const WRITE: &str = "/api/v1/write";
const IMPORT: &str = "/api/v1/import";

/// What is written, and the name of its metric where none is given.
const SCORE: &str = "anomaly_score";

/// The database that scores are written to, and which scores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WriterConfig {
    /// The address of a database, or that of its receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How scores are written.
    pub protocol: Protocol,
    /// Which scores are written.
    pub scores: Scores,
    /// The most samples of a request, at least 1.
    pub batch: usize,
    /// The longest time that a score waits for others, above 0.
    pub flush_every: Period,
    /// The most that is kept on disk while the database is away.
    pub spool_max: Size,
    /// The longest time of a request, above 0.
    pub timeout: Period,
    /// Whose data are written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The header that names the tenant, as of the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_header: Option<String>,
    /// Labels of a score beside those of its series; its metric is `anomaly_score` where no `__name__` is given. `$VAR`
    /// is what is written, `anomaly_score`; `$QUERY_KEY` is the name of the query.
    pub metric_format: BTreeMap<String, String>,
    /// Credentials and certificates.
    #[serde(skip_serializing_if = "AuthConfig::is_default")]
    pub auth: AuthConfig,
}

/// How scores are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// By remote write in the newest version that the server takes.
    #[default]
    Auto,
    /// By remote write 1.0.
    V1,
    /// By remote write 2.0.
    V2,
    /// By VictoriaMetrics' import of JSON lines.
    VmImport,
}

/// Which scores are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scores {
    /// Those of every watched series.
    #[default]
    Watched,
    /// Those of series that were anomalous not long ago.
    Anomalous,
    /// None.
    None,
}

impl Default for WriterConfig {
    fn default() -> Self {
        let format = [(NAME, SCORE), ("for", "$QUERY_KEY"), ("model_alias", "rlad")];
        Self {
            url: None,
            protocol: Protocol::Auto,
            scores: Scores::Watched,
            batch: 2_000,
            flush_every: Period::from_secs(5),
            spool_max: Size::from_mib(1024),
            timeout: Period::from_secs(30),
            tenant_id: None,
            tenant_header: None,
            metric_format: format.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            auth: AuthConfig::default(),
        }
    }
}

impl WriterConfig {
    /// The address that remote write is sent to.
    pub(crate) fn write_url(&self) -> Option<String> {
        self.endpoint(WRITE)
    }

    /// The address that JSON lines are sent to.
    pub(crate) fn import_url(&self) -> Option<String> {
        self.endpoint(IMPORT)
    }

    /// The address of a receiver. One that is named whole is taken as it is, but for the other protocol of the same
    /// server.
    fn endpoint(&self, path: &str) -> Option<String> {
        let url = trimmed(self.url.as_deref()?);
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let base = url.strip_suffix(WRITE).or_else(|| url.strip_suffix(IMPORT));
        Some(match (base, &self.tenant_id, &self.tenant_header) {
            (Some(base), ..) => format!("{base}{path}"),
            (None, Some(tenant), None) => format!("{url}/insert/{tenant}/prometheus{path}"),
            (None, ..) if !host.contains('/') => format!("{url}{path}"),
            (None, ..) => url.to_owned(),
        })
    }

    /// The labels of a score that are written over those of its series.
    pub(crate) fn labels(&self, query: &str) -> BTreeMap<String, String> {
        let filled = |value: &String| value.replace("$VAR", SCORE).replace("$QUERY_KEY", query);
        let mut labels: BTreeMap<_, _> =
            self.metric_format.iter().map(|(name, value)| (name.clone(), filled(value))).collect();
        labels.entry(NAME.to_owned()).or_insert_with(|| SCORE.to_owned());
        labels
    }

    /// Whether another configuration sends to the same place in the same way: what it sends may differ.
    pub(crate) fn is_sent_as(&self, other: &Self) -> bool {
        let what = |of: &Self| Self { scores: Scores::None, metric_format: BTreeMap::new(), ..of.clone() };
        what(self) == what(other)
    }

    /// The options of a client that writes.
    pub(crate) fn options(&self) -> client::Options {
        self.auth.options(tenant(self.tenant_id.as_deref(), self.tenant_header.as_deref()), self.timeout)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        self.url.as_ref().map_or(Ok(()), |url| check_url("writer.url", url))?;
        check_count("writer.batch", self.batch)?;
        check_time("writer.flush_every", self.flush_every)?;
        check_time("writer.timeout", self.timeout)?;
        check_tenant("writer", self.tenant_id.as_deref(), self.tenant_header.as_deref())?;
        self.auth.check("writer")?;
        check_labels("writer.metric_format", &self.metric_format)?;
        check(self.metric_format.get(NAME).is_none_or(|name| !name.is_empty()), || {
            let hint = format!("leave it out for `{SCORE}`");
            let (key, expected) = (format!("writer.metric_format.{NAME}"), "the name of a metric".to_owned());
            Problem::new(key, expected, "an empty text".to_owned(), hint)
        })?;
        let of_none = |value: &&String| value.replace("$VAR", "").replace("$QUERY_KEY", "").contains('$');
        let Some(value) = self.metric_format.values().find(of_none) else { return Ok(()) };
        let hint = format!("`$VAR` is `{SCORE}`, `$QUERY_KEY` the name of the query");
        let expected = "made of text, `$VAR` and `$QUERY_KEY`".to_owned();
        Err(Problem::new("writer.metric_format".to_owned(), expected, format!("`{value}`"), hint))
    }
}

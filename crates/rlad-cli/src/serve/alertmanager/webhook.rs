//! What Alertmanager posts to a webhook.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::time;

/// The version of the body.
const VERSION: &str = "4";

/// A body: alerts of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    /// The address of the Alertmanager for people.
    pub external_url: String,
    /// The alerts that could be understood.
    pub alerts: Vec<WebhookAlert>,
    /// How many could not, or were left out by the sender.
    pub n_missing: usize,
}

/// An alert of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookAlert {
    /// Whether it is firing or over.
    pub status: Status,
    /// What it is known by.
    pub labels: BTreeMap<String, String>,
    /// What people read.
    #[serde(default, deserialize_with = "or_empty")]
    pub annotations: BTreeMap<String, String>,
    /// When it began, in milliseconds since 1970.
    #[serde(deserialize_with = "time::read")]
    pub starts_at: i64,
    /// When it ended; a firing one has no end.
    #[serde(default, deserialize_with = "time::read_optional")]
    pub ends_at: Option<i64>,
    /// What Alertmanager knows it by.
    #[serde(default)]
    pub fingerprint: String,
    /// A link to where it comes from.
    #[serde(default, rename = "generatorURL")]
    pub generator_url: String,
}

/// Whether an alert is firing or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// It is firing.
    Firing,
    /// It is over.
    Resolved,
}

/// The body as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    version: String,
    #[serde(default, rename = "externalURL")]
    external_url: String,
    #[serde(default)]
    truncated_alerts: usize,
    alerts: Vec<Value>,
}

fn or_empty<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

impl Webhook {
    /// Reads a body. An alert that cannot be understood does not keep the others from being read.
    ///
    /// # Errors
    /// If it is no body of an Alertmanager, or one of another version.
    pub(crate) fn parse(body: &[u8]) -> anyhow::Result<Self> {
        let written: Written = serde_json::from_slice(body).context("expected what Alertmanager posts to a webhook")?;
        if written.version != VERSION {
            bail!("expected a webhook of version \"{VERSION}\", found \"{}\"", written.version);
        }
        let n_all = written.alerts.len();
        let read = |value| serde_json::from_value::<WebhookAlert>(value).ok();
        let mut alerts: Vec<WebhookAlert> = written.alerts.into_iter().filter_map(read).collect();
        for alert in &mut alerts {
            alert.ends_at = alert.ends_at.filter(|_| alert.status == Status::Resolved);
        }
        let n_missing = (n_all - alerts.len()).saturating_add(written.truncated_alerts);
        Ok(Self { external_url: written.external_url, alerts, n_missing })
    }
}

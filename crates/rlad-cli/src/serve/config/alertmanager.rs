//! Settings of Alertmanager.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::auth::{AuthConfig, check_tenant, check_url, tenant, trimmed};
use super::units::Period;
use super::{Problem, check, check_labels, check_time};
use crate::serve::client;

/// The Alertmanagers that alarms go to and silences come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AlertmanagerConfig {
    /// The address of each, without `/api/v2/…`.
    pub urls: Vec<String>,
    /// Whether alarms are sent.
    pub send: bool,
    /// Whether silences are read, to be shown as suggestions.
    pub read_silences: bool,
    /// The time between two readings, above 0.
    pub read_every: Period,
    /// The time after which a firing alert is sent again, at least a second.
    pub resend_every: Period,
    /// The longest time of a request, above 0.
    pub timeout: Period,
    /// A file with the token that a webhook shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_token_file: Option<PathBuf>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// The header that names the tenant, such as `X-Scope-OrgID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_header: Option<String>,
    /// Labels of each alert beside those of its series.
    pub labels: BTreeMap<String, String>,
    /// Credentials and certificates.
    #[serde(skip_serializing_if = "AuthConfig::is_default")]
    pub auth: AuthConfig,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            send: false,
            read_silences: true,
            read_every: Period::from_secs(60),
            resend_every: Period::from_secs(60),
            timeout: Period::from_secs(10),
            webhook_token_file: None,
            tenant_id: None,
            tenant_header: None,
            labels: [("severity".to_owned(), "warning".to_owned())].into(),
            auth: AuthConfig::default(),
        }
    }
}

impl AlertmanagerConfig {
    /// The address of each, without a slash at the end.
    pub(crate) fn base_urls(&self) -> Vec<String> {
        self.urls.iter().map(|url| trimmed(url).to_owned()).collect()
    }

    /// The options of a client that asks them.
    pub(crate) fn options(&self) -> client::Options {
        self.auth.options(tenant(self.tenant_id.as_deref(), self.tenant_header.as_deref()), self.timeout)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        for (at, url) in self.urls.iter().enumerate() {
            check_url(&format!("alertmanager.urls[{at}]"), url)?;
        }
        check(!self.send || !self.urls.is_empty(), || {
            let hint = "add `urls = [\"http://localhost:9093\"]` to `[alertmanager]`".to_owned();
            let expected = "given where alarms are sent".to_owned();
            Problem::new("alertmanager.urls".to_owned(), expected, "nothing".to_owned(), hint)
        })?;
        check_time("alertmanager.read_every", self.read_every)?;
        check(self.resend_every.millis() >= 1_000, || {
            let hint = "the default is `1m`".to_owned();
            let expected = "at least a second".to_owned();
            Problem::new("alertmanager.resend_every".to_owned(), expected, format!("`{}`", self.resend_every), hint)
        })?;
        check_time("alertmanager.timeout", self.timeout)?;
        // No tenant of Alertmanager is part of an address.
        let header = self.tenant_id.as_ref().map(|_| self.tenant_header.as_deref().unwrap_or_default());
        check(header.is_none_or(|header| !header.is_empty()), || {
            let hint = "for Mimir or Cortex add `tenant_header = \"X-Scope-OrgID\"`".to_owned();
            let expected = "given with `tenant_id`".to_owned();
            Problem::new("alertmanager.tenant_header".to_owned(), expected, "nothing".to_owned(), hint)
        })?;
        check_tenant("alertmanager", self.tenant_id.as_deref(), self.tenant_header.as_deref())?;
        self.auth.check("alertmanager")?;
        check_labels("alertmanager.labels", &self.labels)
    }
}

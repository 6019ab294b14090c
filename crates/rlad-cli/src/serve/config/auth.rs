//! How a server is asked: credentials, certificates and the tenant.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::units::Period;
use super::{Problem, check};
use crate::serve::client;

/// Credentials and certificates for a server. Secrets stand in files of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AuthConfig {
    /// A file with the token of `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_file: Option<PathBuf>,
    /// The user of `Authorization: Basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A file with that user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The certificates that the server's is checked against, in place of the public ones (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate shown to the server (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

impl AuthConfig {
    /// Whether nothing is set.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The options of a client.
    pub(super) fn options(&self, tenant: Option<(String, String)>, timeout: Period) -> client::Options {
        client::Options {
            bearer_token_file: self.bearer_token_file.clone(),
            basic: self.user.clone().zip(self.password_file.clone()),
            tenant,
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            timeout: timeout.duration(),
            ..client::Options::default()
        }
    }

    /// Checks that what belongs together is there. `section` is the table it stands in.
    pub(super) fn check(&self, section: &str) -> Result<(), Problem> {
        let key = |name: &str| format!("{section}.auth.{name}");
        check(self.user.is_some() == self.password_file.is_some(), || {
            let (missing, there) =
                if self.user.is_some() { ("password_file", "user") } else { ("user", "password_file") };
            let hint = "a user has a password, which stands in a file of its own".to_owned();
            Problem::new(key(missing), format!("given with `{there}`"), "nothing".to_owned(), hint)
        })?;
        check(self.bearer_token_file.is_none() || self.user.is_none(), || {
            let hint = "keep the one that the server asks for".to_owned();
            Problem::new(key("user"), "left out where there is a bearer token".to_owned(), "both".to_owned(), hint)
        })?;
        check(self.cert_file.is_some() == self.key_file.is_some(), || {
            let (missing, there) =
                if self.cert_file.is_some() { ("key_file", "cert_file") } else { ("cert_file", "key_file") };
            let hint = "a certificate is shown with its key".to_owned();
            Problem::new(key(missing), format!("given with `{there}`"), "nothing".to_owned(), hint)
        })
    }
}

/// An address without what a client adds: no slash at the end.
pub(super) fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// Checks that a text is the address of a server and holds no secret.
pub(super) fn check_url(key: &str, url: &str) -> Result<(), Problem> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    check(!authority.contains('@'), || {
        let hint = "name them in `auth`: `user`, and the file with the password as `password_file`".to_owned();
        Problem::new(
            key.to_owned(),
            "an address without user and password".to_owned(),
            "one with them".to_owned(),
            hint,
        )
    })?;
    check(!url.contains(['?', '#']), || {
        let hint = "what is asked for is added to the address; a token stands in a file, named in `auth`".to_owned();
        Problem::new(key.to_owned(), "an address without a query".to_owned(), "one with `?` or `#`".to_owned(), hint)
    })?;
    let is_address = !authority.is_empty() && !authority.starts_with(':') && !url.contains(char::is_whitespace);
    check(is_address, || {
        let hint = "an address begins with `http://` or `https://` and names a host".to_owned();
        Problem::new(key.to_owned(), "an address such as `http://localhost:9090`".to_owned(), format!("`{url}`"), hint)
    })
}

/// Name and value of the header that says whose data are meant, if a header does.
pub(super) fn tenant(id: Option<&str>, header: Option<&str>) -> Option<(String, String)> {
    Some((header?.to_owned(), id?.to_owned()))
}

/// Checks the tenant: one that no header names is part of the address, as in a cluster of VictoriaMetrics.
pub(super) fn check_tenant(section: &str, id: Option<&str>, header: Option<&str>) -> Result<(), Problem> {
    let key = |name: &str| format!("{section}.{name}");
    check(header.is_none() || id.is_some(), || {
        let hint = "name the tenant, or leave the header out".to_owned();
        Problem::new(key("tenant_id"), "given with `tenant_header`".to_owned(), "nothing".to_owned(), hint)
    })?;
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_of_cluster = |id: &str| {
        id == "multitenant" || is_number(id) || id.split_once(':').is_some_and(|(a, b)| is_number(a) && is_number(b))
    };
    let Some(id) = id.filter(|id| header.is_none() && !is_of_cluster(id)) else { return Ok(()) };
    let hint = "for Mimir, Cortex or Loki add `tenant_header = \"X-Scope-OrgID\"`".to_owned();
    let expected = "a tenant of VictoriaMetrics, such as `0:0`, where there is no `tenant_header`".to_owned();
    Err(Problem::new(key("tenant_id"), expected, format!("`{id}`"), hint))
}

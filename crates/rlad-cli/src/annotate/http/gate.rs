//! Access: nobody but the page that this server has given out, read by somebody who has the secret where one is needed.
//!
//! - **Another site's page** in the same browser can neither read (its origin differs, and nothing allows it) nor write (it does
//!   not know the token, and its `Origin` is not ours).
//! - **A name that points here** (DNS rebinding) is refused: the `Host` must be this machine's loopback or an address.
//! - **Another machine** needs the secret, which a cookie keeps that scripts cannot read.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use axum::http::{HeaderMap, Method, Uri, header};

use super::super::api_error::ApiError;

/// The checks of each request.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    /// Stands in the page, and in the header of each request that writes.
    pub(crate) token: String,
    secret: Option<String>,
}

impl Gate {
    /// The gate of a server at an address.
    pub(crate) fn new(address: SocketAddr, secret: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { address, token: random_text()?, secret })
    }

    /// Lets a request pass, or refuses it.
    pub(crate) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        if !self.is_own(host) {
            let hint = "open the address that the program printed";
            return Err(ApiError::with(403, "the request names another host than this server", Some(hint)));
        }
        let own = format!("http://{host}");
        if headers.contains_key(header::ORIGIN) && text(header::ORIGIN) != Some(own.as_str()) {
            return Err(ApiError::with(403, "the request comes from another site's page", None));
        }
        let is_page = method == Method::GET && uri.path() == "/";
        let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
        if !is_page && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(ApiError::with(403, "the request comes from another site's page", None));
        }
        if let Some(secret) = &self.secret {
            let known = cookie(headers, &self.cookie()).is_some_and(|value| same(&value, secret));
            if !(known || is_page && self.knows(uri)) {
                let hint = "open the address that the program printed, with its secret";
                return Err(ApiError::with(401, "this page is for those who have its secret", Some(hint)));
            }
        }
        if method == Method::GET || method == Method::HEAD {
            return Ok(());
        }
        let token = headers.get("x-rlad-token").and_then(|value| value.to_str().ok());
        if token.is_some_and(|token| same(token, &self.token)) {
            return Ok(());
        }
        Err(ApiError::with(403, "the request lacks the page's token", Some("load the page again")))
    }

    /// Whether the address of the page carries the secret.
    pub(crate) fn knows(&self, uri: &Uri) -> bool {
        let given =
            uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|of| of.strip_prefix("secret="));
        matches!((given, &self.secret), (Some(given), Some(secret)) if same(given, secret))
    }

    /// The cookie that keeps the secret; browsers share cookies between the ports of a host.
    pub(crate) fn set_cookie(&self) -> String {
        let secret = self.secret.as_deref().unwrap_or_default();
        format!("{}={secret}; HttpOnly; SameSite=Strict; Path=/", self.cookie())
    }

    fn cookie(&self) -> String {
        format!("rlad_{}", self.address.port())
    }

    /// Whether a `Host` is this server: by an address, or as `localhost`.
    fn is_own(&self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(80)),
        };
        let is_loopback = self.address.ip().is_loopback();
        let ip: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_name = match ip {
            Some(ip) => !is_loopback || ip.is_loopback(),
            None => name == "localhost",
        };
        port == Some(self.address.port()) && is_name
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}

/// Compares two texts in a time that tells nothing of where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// 128 random bits in hexadecimal.
pub(crate) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(address: &str, secret: Option<&str>) -> Gate {
        Gate::new(address.parse().unwrap(), secret.map(str::to_owned)).unwrap()
    }

    #[test]
    fn hosts_are_addresses_of_this_machine() {
        let local = gate("127.0.0.1:8080", None);
        for (host, is_own) in [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("[::1]:8080", true),
            ("127.0.0.1:8081", false),
            ("127.0.0.1", false),
            ("localhost", false),
            ("evil.example:8080", false),
            ("10.0.0.1:8080", false),
            ("localhost.evil.example:8080", false),
            ("", false),
            ("[::1]", false),
        ] {
            assert_eq!(local.is_own(host), is_own, "{host}");
        }
        let open = gate("0.0.0.0:80", Some("s"));
        assert!(open.is_own("10.0.0.1") && open.is_own("10.0.0.1:80") && !open.is_own("evil.example"));
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc") && !same("abc", "abd") && !same("abc", "ab") && same("", ""));
        let open = gate("10.0.0.1:80", Some("abc"));
        assert!(open.knows(&"/?secret=abc".parse().unwrap()) && open.knows(&"/?a=b&secret=abc".parse().unwrap()));
        assert!(!open.knows(&"/?secret=abcd".parse().unwrap()) && !open.knows(&"/".parse().unwrap()));
        let closed = gate("10.0.0.1:80", None);
        assert!(!closed.knows(&"/?secret=".parse().unwrap()));
        assert_ne!(open.token, closed.token);
    }
}

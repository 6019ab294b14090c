//! Access: nobody but the page that this server has given out, read by somebody who has the secret where one is needed.
//!
//! - **Another site's page** in the same browser can neither read (its origin differs, and nothing allows it) nor write (it does
//!   not know the token, and its `Origin` is not ours).
//! - **A name that points here** (DNS rebinding) is refused: the `Host` must be this machine's loopback, an address, or a name that
//!   the server was told.
//! - **Another machine** needs the secret, which a cookie keeps that scripts cannot read. The cookie is sent where a link elsewhere
//!   leads to the page, and with nothing else that another site asks for.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Method, Uri, header};

use super::super::api_error::ApiError;
use super::super::random::random_text;

/// The checks of each request. Made once and cloned, it keeps pages open while the labelling server behind them is exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    address: SocketAddr,
    /// Stands in the page, and in the header of each request that writes.
    pub(crate) token: String,
    secret: Option<String>,
    /// The hosts by which others know this server, `name` or `name:port`.
    names: Vec<String>,
}

impl Gate {
    /// The gate of a server at an address.
    pub(crate) fn new(address: SocketAddr, secret: Option<String>) -> anyhow::Result<Self> {
        Ok(Self { address, token: random_text()?, secret, names: Vec::new() })
    }

    /// The gate of a server that is also known as `host`, a name with its port where it is not that of the scheme.
    pub(crate) fn known_as(mut self, host: &str) -> Self {
        self.names.push(host.to_lowercase());
        self
    }

    /// Lets a request pass, or refuses it.
    pub(crate) fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        if !self.is_own(host) {
            let hint = "open the address that the program printed";
            return Err(ApiError::with(403, "the request names another host than this server", Some(hint)));
        }
        let is_own_origin = |origin: &str| {
            ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme).is_some_and(|of| of == host))
        };
        if headers.contains_key(header::ORIGIN) && !text(header::ORIGIN).is_some_and(is_own_origin) {
            return Err(ApiError::with(403, "the request comes from another site's page", None));
        }
        let is_page = method == Method::GET && uri.path() == "/";
        let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
        if !is_page && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(ApiError::with(403, "the request comes from another site's page", None));
        }
        if let Some(secret) = &self.secret {
            let known = cookie(headers, &self.cookie()).is_some_and(|value| is_same(&value, secret));
            if !(known || is_page && self.knows(uri)) {
                let hint = "open the address that the program printed, with its secret";
                return Err(ApiError::with(401, "this page is for those who have its secret", Some(hint)));
            }
        }
        if method == Method::GET || method == Method::HEAD {
            return Ok(());
        }
        let token = headers.get("x-rlad-token").and_then(|value| value.to_str().ok());
        if token.is_some_and(|token| is_same(token, &self.token)) {
            return Ok(());
        }
        Err(ApiError::with(403, "the request lacks the page's token", Some("load the page again")))
    }

    /// Whether the address of the page carries the secret.
    pub(crate) fn knows(&self, uri: &Uri) -> bool {
        let given =
            uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|of| of.strip_prefix("secret="));
        matches!((given, &self.secret), (Some(given), Some(secret)) if is_same(given, secret))
    }

    /// The address of a page without the secret.
    pub(crate) fn without_secret(uri: &Uri) -> String {
        let rest = uri.query().into_iter().flat_map(|query| query.split('&')).filter(|of| !of.starts_with("secret="));
        match rest.collect::<Vec<_>>().join("&") {
            rest if rest.is_empty() => "/".to_owned(),
            rest => format!("/?{rest}"),
        }
    }

    /// The cookie that keeps the secret; browsers share cookies between the ports of a host.
    pub(crate) fn set_cookie(&self) -> String {
        let secret = self.secret.as_deref().unwrap_or_default();
        format!("{}={secret}; HttpOnly; SameSite=Lax; Path=/", self.cookie())
    }

    fn cookie(&self) -> String {
        format!("rlad_{}", self.address.port())
    }

    /// Whether a `Host` is this server: by an address, or as `localhost`.
    fn is_own(&self, host: &str) -> bool {
        if self.names.contains(&host.to_lowercase()) {
            return true;
        }
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
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
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
        let named = gate("127.0.0.1:8080", None).known_as("Rlad.example:8443").known_as("10.0.0.1");
        assert!(named.is_own("rlad.example:8443") && named.is_own("10.0.0.1") && named.is_own("localhost:8080"));
        assert!(!named.is_own("rlad.example") && !named.is_own("evil.example:8443"));
        let open = gate("0.0.0.0:80", Some("s"));
        assert!(open.is_own("10.0.0.1") && open.is_own("10.0.0.1:80") && !open.is_own("evil.example"));
    }

    #[test]
    fn secrets_are_compared_whole() {
        assert!(is_same("abc", "abc") && !is_same("abc", "abd") && !is_same("abc", "ab") && is_same("", ""));
        let open = gate("10.0.0.1:80", Some("abc"));
        assert!(open.knows(&"/?secret=abc".parse().unwrap()) && open.knows(&"/?a=b&secret=abc".parse().unwrap()));
        assert!(!open.knows(&"/?secret=abcd".parse().unwrap()) && !open.knows(&"/".parse().unwrap()));
        let without = |uri: &str| Gate::without_secret(&uri.parse().unwrap());
        assert_eq!(without("/?secret=abc"), "/");
        assert_eq!(without("/?series=up%7Ba%3D%22b%22%7D&secret=abc&at=7"), "/?series=up%7Ba%3D%22b%22%7D&at=7");
        let closed = gate("10.0.0.1:80", None);
        assert!(!closed.knows(&"/?secret=".parse().unwrap()));
        assert_ne!(open.token, closed.token);
    }
}

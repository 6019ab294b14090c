//! The HTTP client of the service: requests to the database and to Alertmanager.

#[cfg(test)]
pub(crate) mod fake;
mod tls;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use crate::advice::Advice;

/// The most characters of a reply that an error shows.
const N_SHOWN: usize = 300;

/// The longest that a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How a server is asked. Files are read at each use: a token or a certificate that was replaced needs no restart.
#[derive(Clone)]
pub(crate) struct Options {
    /// A file with the token of `Authorization: Bearer`.
    pub bearer_token_file: Option<PathBuf>,
    /// User, and the file with the password, of `Authorization: Basic`.
    pub basic: Option<(String, PathBuf)>,
    /// Name and value of the header that says whose data are meant, such as `X-Scope-OrgID`.
    pub tenant: Option<(String, String)>,
    /// Other headers of each request.
    pub headers: Vec<(String, String)>,
    /// The certificates that the server's is checked against, in place of the public ones (PEM).
    pub ca_file: Option<PathBuf>,
    /// The certificate shown to the server, with those that signed it (PEM).
    pub cert_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
    /// The longest a request may take, from the look-up of the name to the last byte of the reply.
    pub timeout: Duration,
    /// The most bytes of a reply's body that are taken.
    pub max_reply: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bearer_token_file: None,
            basic: None,
            tenant: None,
            headers: Vec::new(),
            ca_file: None,
            cert_file: None,
            key_file: None,
            timeout: Duration::from_secs(30),
            max_reply: 256 << 20,
        }
    }
}

impl std::fmt::Debug for Options {
    /// Names of headers and of files, not what they hold.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("bearer_token_file", &self.bearer_token_file)
            .field("basic", &self.basic)
            .field("tenant", &self.tenant.as_ref().map(|(name, _)| name))
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("ca_file", &self.ca_file)
            .field("cert_file", &self.cert_file)
            .field("key_file", &self.key_file)
            .field("timeout", &self.timeout)
            .field("max_reply", &self.max_reply)
            .finish()
    }
}

/// An HTTP client; copies share connections. A redirect is a reply like any other, and no proxy is taken from the
/// environment.
#[derive(Clone)]
pub(crate) struct Client(Arc<Inner>);

struct Inner {
    options: Options,
    headers: HeaderMap,
    /// The connections, and when the certificate files they were opened with were written.
    agent: Mutex<(Stamps, ureq::Agent)>,
}

/// When each certificate file was written; `None` where there is no such file.
type Stamps = [Option<SystemTime>; 3];

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.options).finish()
    }
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status, such as 204.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the status is 200 to 299.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The value of a header, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status and beginning of the body in one line, for an error.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("HTTP {}", self.status);
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(4 * N_SHOWN)]);
        let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.is_empty() {
            let shown: String = line.chars().take(N_SHOWN).filter(|c| !c.is_control()).collect();
            let more = if line.chars().count() > N_SHOWN { "…" } else { "" };
            _ = write!(text, ": {shown}{more}");
        }
        text
    }
}

impl Client {
    /// A client; nothing is sent.
    ///
    /// # Errors
    /// If a header is none, a file cannot be read or holds no certificate or key, or two ways to log in are given.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        if options.bearer_token_file.is_some() && options.basic.is_some() {
            bail!("expected a bearer token or a user with a password, found both");
        }
        if options.cert_file.is_some() != options.key_file.is_some() {
            bail!("expected a certificate together with its key, found one of the two files");
        }
        let mut headers = HeaderMap::new();
        for (name, value) in options.tenant.iter().chain(&options.headers) {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| anyhow::anyhow!("expected the name of a header, found `{name}`"))?;
            headers.insert(header, secret(value).with_context(|| format!("the header `{name}`"))?);
        }
        let agent = Mutex::new((stamps(options), agent(options)?));
        let client = Self(Arc::new(Inner { options: options.clone(), headers, agent }));
        client.authorization()?;
        Ok(client)
    }

    /// Sends a GET.
    ///
    /// # Errors
    /// If there is no whole reply: no address, no connection, a timeout, a reply that is too large. No status is an
    /// error.
    pub(crate) fn get(&self, url: &str) -> anyhow::Result<Reply> {
        self.send(&Method::GET, url, &[], &[])
    }

    /// Sends a POST with a body of this type.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub(crate) fn post(
        &self,
        url: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Reply> {
        let mut all = vec![(CONTENT_TYPE.as_str(), content_type)];
        all.extend_from_slice(headers);
        self.send(&Method::POST, url, &all, body)
    }

    fn send(&self, method: &Method, url: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Reply> {
        let (uri, user) = parse(url)?;
        let failed = || format!("cannot reach `{}`", without_secrets(url));
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(all) = request.headers_mut() {
            *all = self.0.headers.clone();
            if let Some(authorization) = self.authorization()?.or(user) {
                all.insert(AUTHORIZATION, authorization);
            }
            for (name, value) in headers {
                all.insert(HeaderName::from_bytes(name.as_bytes())?, secret(value)?);
            }
        }
        let agent = self.agent()?;
        let reply = if *method == Method::POST {
            agent.run(request.body(body).with_context(failed)?)
        } else {
            agent.run(request.body(()).with_context(failed)?)
        };
        let (parts, mut body) = reply.with_context(failed)?.into_parts();
        let body = body.with_config().limit(self.0.options.max_reply).read_to_vec();
        let body = body.with_context(|| format!("cannot read the reply of `{}`", without_secrets(url)))?;
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// The connections; new ones when a certificate file was written since.
    fn agent(&self) -> anyhow::Result<ureq::Agent> {
        let now = stamps(&self.0.options);
        let mut held = self.0.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if held.0 != now {
            *held = (now, agent(&self.0.options)?);
        }
        Ok(held.1.clone())
    }

    /// The header that logs in, from the file as it is at this moment.
    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let options = &self.0.options;
        if let Some(path) = &options.bearer_token_file {
            let value = secret(&format!("Bearer {}", read_secret(path)?));
            return Ok(Some(value.with_context(|| format!("the token in `{}`", path.display()))?));
        }
        let Some((user, path)) = &options.basic else { return Ok(None) };
        Ok(Some(basic(&format!("{user}:{}", read_secret(path)?))?))
    }
}

/// The address for people: without user, password, query and fragment.
pub(crate) fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() { format!("{host}{path}") } else { format!("{scheme}://{host}{path}") }
}

/// The address without its user, and the header that logs that user in.
fn parse(url: &str) -> anyhow::Result<(Uri, Option<HeaderValue>)> {
    let wrong = || {
        Advice::error(
            format!("expected an address such as `http://localhost:9090`, found `{}`", without_secrets(url)),
            "an address begins with `http://` or `https://` and names a host".to_owned(),
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if !matches!(scheme, "http" | "https") || host.is_empty() || host.starts_with(':') {
        return Err(wrong());
    }
    let uri = format!("{scheme}://{host}{path}").parse().map_err(|_| wrong())?;
    let user = user.map(|user| {
        let decoded = percent_encoding::percent_decode_str(user).decode_utf8().map_err(|_| wrong())?;
        basic(&if user.contains(':') { decoded.into_owned() } else { format!("{decoded}:") })
    });
    Ok((uri, user.transpose()?))
}

fn basic(user_and_password: &str) -> anyhow::Result<HeaderValue> {
    secret(&format!("Basic {}", STANDARD.encode(user_and_password)))
}

/// The value of a header, which no log shows.
fn secret(value: &str) -> anyhow::Result<HeaderValue> {
    let value = HeaderValue::from_str(value);
    let mut value =
        value.map_err(|_| anyhow::anyhow!("expected one line of visible ASCII characters, found others"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read_secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(text.trim().to_owned())
}

fn stamps(options: &Options) -> Stamps {
    [&options.ca_file, &options.cert_file, &options.key_file]
        .map(|path| std::fs::metadata(path.as_ref()?).and_then(|of| of.modified()).ok())
}

fn agent(options: &Options) -> anyhow::Result<ureq::Agent> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(options.timeout))
        .timeout_connect(Some(options.timeout.min(CONNECT)))
        .user_agent(concat!("rlad/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls::config(options)?);
    Ok(config.build().new_agent())
}

/// Whether a request failed because its reply was too large or took too long to make: asked for less, the server may
/// answer.
pub(crate) fn is_too_much(error: &anyhow::Error) -> bool {
    use ureq::Timeout;
    match error.downcast_ref() {
        Some(ureq::Error::BodyExceedsLimit(_)) => true,
        Some(ureq::Error::Timeout(at)) => !matches!(at, Timeout::Resolve | Timeout::Connect),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::fake::{Server, answer};
    use super::*;

    fn hello() -> Server {
        Server::start(|_| answer(200, "hello"))
    }

    #[test]
    fn any_status_is_a_reply() {
        let server = Server::start(|asked| match asked.method.as_str() {
            "GET" => (302, vec![("Location", "/elsewhere".to_owned())], b"moved".to_vec()),
            _ => answer(503, "  try\n later\u{7} "),
        });
        let client = Client::new(&Options::default()).unwrap();
        let moved = client.get(&server.url("/a?b=c")).unwrap();
        assert_eq!((moved.status, moved.header("location"), moved.is_success()), (302, Some("/elsewhere"), false));
        let busy = client.post(&server.url("/"), "text/plain", &[("X-One", "1")], b"body").unwrap();
        assert_eq!((busy.status, busy.summary().as_str()), (503, "HTTP 503: try later"));
        let asked = server.asked();
        assert_eq!(asked.iter().map(|of| of.target.as_str()).collect::<Vec<_>>(), ["/a?b=c", "/"]);
        assert_eq!((asked[1].header("x-one"), asked[1].body.as_slice()), (Some("1"), &b"body"[..]));
        assert_eq!(
            (asked[1].header("content-type"), asked[1].header("content-length")),
            (Some("text/plain"), Some("4"))
        );
    }

    #[test]
    fn a_secret_is_read_at_each_use_and_never_shown() {
        let server = hello();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "first-secret\n").unwrap();
        let options = Options {
            bearer_token_file: Some(file.clone()),
            tenant: Some(("X-Scope-OrgID".to_owned(), "team".to_owned())),
            headers: vec![("X-Key".to_owned(), "third-secret".to_owned())],
            ..Options::default()
        };
        let client = Client::new(&options).unwrap();
        client.get(&server.url("/")).unwrap();
        std::fs::write(&file, "second-secret").unwrap();
        client.get(&server.url("/")).unwrap();
        let asked = server.asked();
        assert_eq!(asked[0].header("authorization"), Some("Bearer first-secret"));
        assert_eq!(asked[1].header("authorization"), Some("Bearer second-secret"));
        assert_eq!((asked[1].header("x-scope-orgid"), asked[1].header("x-key")), (Some("team"), Some("third-secret")));
        std::fs::write(&file, "bad\nsecret").unwrap();
        let bad = format!("{:#}", client.get(&server.url("/")).unwrap_err());
        assert!(bad.contains("expected one line"), "{bad}");
        std::fs::remove_file(&file).unwrap();
        let gone = format!("{:#}", client.get(&server.url("/")).unwrap_err());
        assert!(gone.contains("cannot read"), "{gone}");
        for text in [bad, gone, format!("{client:?} {options:?}")] {
            assert!(!text.contains("secret") && !text.contains("team"), "{text}");
        }
    }

    #[test]
    fn a_user_logs_in_by_file_or_by_address() {
        let server = hello();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "p:w\n").unwrap();
        let basic = Options { basic: Some(("me".to_owned(), file)), ..Options::default() };
        Client::new(&basic).unwrap().get(&server.url("/")).unwrap();
        let address = server.url("/").replace("//", "//you:p%40w@");
        Client::new(&Options::default()).unwrap().get(&address).unwrap();
        let asked = server.asked();
        // me:p:w and you:p@w
        assert_eq!(asked[0].header("authorization"), Some("Basic bWU6cDp3"));
        assert_eq!(asked[1].header("authorization"), Some("Basic eW91OnBAdw=="));
        assert_eq!(asked[1].header("host"), Some(server.address().to_string().as_str()));
    }

    #[test]
    fn an_error_names_the_address_without_its_secrets() {
        let client = Client::new(&Options::default()).unwrap();
        let port = hello().address().port();
        let url = format!("http://me:secret@127.0.0.1:{port}/api?token=secret#secret");
        let error = format!("{:#}", client.get(&url).unwrap_err());
        assert!(error.starts_with(&format!("cannot reach `http://127.0.0.1:{port}/api`")), "{error}");
        assert!(!error.contains("secret"), "{error}");
        for url in ["localhost:9090", "ftp://me:secret@host/", "http://", "http://me:secret@", "http://ho st?secret"] {
            let error = format!("{:#}", client.get(url).unwrap_err());
            assert!(error.contains("expected an address") && !error.contains("secret"), "{error}");
        }
        assert_eq!(without_secrets("https://a:b@host:1/c@d?e"), "https://host:1/c@d");
        assert_eq!(without_secrets("a:b@host"), "host");
    }

    #[test]
    fn a_reply_is_bounded_in_size_and_time() {
        let server = Server::start(|asked| {
            if asked.target == "/slow" {
                std::thread::sleep(Duration::from_millis(600));
            }
            answer(200, "0123456789")
        });
        let options = Options { max_reply: 9, timeout: Duration::from_millis(200), ..Options::default() };
        let client = Client::new(&options).unwrap();
        assert!(is_too_much(&client.get(&server.url("/")).unwrap_err()));
        let slow = client.get(&server.url("/slow")).unwrap_err();
        assert!(is_too_much(&slow), "{slow:?}");
        let address = server.address();
        drop(server);
        assert!(!is_too_much(&client.get(&format!("http://{address}")).unwrap_err()));
        let enough = Client::new(&Options { max_reply: 10, ..options }).unwrap();
        assert_eq!(enough.get(&hello().url("/")).unwrap().body, b"hello");
    }

    #[test]
    fn options_that_cannot_be_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "no PEM").unwrap();
        let told = |options: Options| {
            format!("{:#}", Client::new(&options).unwrap_err()).replace(file.to_str().unwrap(), "FILE")
        };
        let of = Options::default;
        let (path, user) = (Some(file.clone()), Some(("me".to_owned(), file.clone())));
        insta::assert_snapshot!(
            told(Options { bearer_token_file: path.clone(), basic: user, ..of() }),
            @"expected a bearer token or a user with a password, found both"
        );
        insta::assert_snapshot!(
            told(Options { cert_file: path.clone(), ..of() }),
            @"expected a certificate together with its key, found one of the two files"
        );
        insta::assert_snapshot!(
            told(Options { ca_file: path.clone(), ..of() }),
            @"expected a certificate in `FILE`, found none"
        );
        insta::assert_snapshot!(
            told(Options { tenant: Some(("a b".to_owned(), "1".to_owned())), ..of() }),
            @"expected the name of a header, found `a b`"
        );
        insta::assert_snapshot!(
            told(Options { headers: vec![("a".to_owned(), "s\n".to_owned())], ..of() }),
            @"the header `a`: expected one line of visible ASCII characters, found others"
        );
    }
}

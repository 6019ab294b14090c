//! Whom the server answers, and what it keeps of its assets.

use super::*;

#[test]
fn only_the_page_of_this_server_may_ask() {
    let fixture = Fixture::usual();
    let token = fixture.token.as_str();
    let json_type = ("content-type", "application/json");
    let status = |method: Method, path: &str, headers: &[(&str, &str)], body: &str| {
        fixture.ask(method, path, headers, body).0.as_u16()
    };
    let post = |headers: &[(&str, &str)]| status(Method::POST, "/api/next", headers, r#"{"who":"ada"}"#);
    let own = format!("http://{HOST}");
    assert_eq!(post(&[("x-rlad-token", token), json_type]), 200);
    assert_eq!(post(&[("x-rlad-token", token), json_type, ("origin", &own)]), 200);
    assert_eq!(post(&[json_type]), 403, "no token");
    assert_eq!(post(&[("x-rlad-token", "0"), json_type]), 403, "another token");
    assert_eq!(post(&[("x-rlad-token", token), ("content-type", "text/plain")]), 415);
    assert_eq!(post(&[("x-rlad-token", token), json_type, ("origin", "http://evil.example")]), 403);
    assert_eq!(post(&[("x-rlad-token", token), json_type, ("origin", "null")]), 403);
    assert_eq!(post(&[("x-rlad-token", token), json_type, ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(
        post(&[("x-rlad-token", token), json_type, ("host", "evil.example:8080")]),
        403,
        "a name that points here"
    );
    assert_eq!(status(Method::GET, "/api/state", &[("host", "evil.example:8080")], ""), 403);
    assert_eq!(status(Method::GET, "/api/state", &[("sec-fetch-site", "cross-site")], ""), 403);
    assert_eq!(
        status(Method::GET, "/", &[("sec-fetch-site", "cross-site")], ""),
        200,
        "a link to the page is followed"
    );
    let large = format!(r#"{{"who":"{}"}}"#, "x".repeat(9 << 20));
    assert_eq!(status(Method::POST, "/api/next", &[("x-rlad-token", token), json_type], &large), 413);
    let (_, headers, page) = fixture.ask(Method::GET, "/", &[], "");
    assert!(page.contains(token));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(headers["x-content-type-options"], "nosniff");
}

#[test]
fn off_loopback_the_secret_is_needed() {
    let fixture = Fixture::new(settings(false), 3, Some("abcdefgh"));
    let status = |path: &str, headers: &[(&str, &str)]| fixture.ask(Method::GET, path, headers, "").0.as_u16();
    for path in ["/", "/api/state", "/assets/page.css", "/?secret=abcdefgi", "/api/state?secret=abcdefgh"] {
        assert_eq!(status(path, &[]), 401, "{path}");
    }
    let (found, headers, _) = fixture.ask(Method::GET, "/?secret=abcdefgh", &[("host", "10.1.2.3:8080")], "");
    assert_eq!((found.as_u16(), headers["location"].to_str().unwrap()), (303, "/"));
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, "rlad_8080=abcdefgh; HttpOnly; SameSite=Lax; Path=/");
    assert_eq!(status("/", &[("cookie", "a=b; rlad_8080=abcdefgh")]), 200);
    assert_eq!(status("/api/state", &[("cookie", "rlad_8080=abcdefgh")]), 200);
    assert_eq!(status("/api/state", &[("cookie", "rlad_8080=abcdefg")]), 401);
}

#[test]
fn assets_are_cached_by_their_content() {
    let fixture = Fixture::usual();
    let (found, headers, _) = fixture.ask(Method::GET, "/assets/page.css", &[], "");
    assert_eq!((found.as_u16(), headers["content-type"].to_str().unwrap()), (200, "text/css; charset=utf-8"));
    let tag = headers["etag"].to_str().unwrap();
    assert_eq!(fixture.ask(Method::GET, "/assets/page.css", &[("if-none-match", tag)], "").0.as_u16(), 304);
    let (found, headers, script) = fixture.ask(Method::GET, "/assets/state/api.js", &[], "");
    assert_eq!((found.as_u16(), headers["content-type"].to_str().unwrap()), (200, "text/javascript; charset=utf-8"));
    assert!(script.contains("export"));
}

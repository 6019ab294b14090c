//! Who is let in, what is never told, and that two services never share a state.

use std::fs;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::database::Database;
use super::sender::{HEADERS, Series, body, now_ms};
use super::service::{Service, command, write_config};

const SECRETS: [&str; 6] = [
    "s3cret-of-ingestion",
    "s3cret-of-the-page-0123456789",
    "s3cret-of-readers",
    "s3cret-of-the-webhook",
    "s3cret-of-the-writer",
    "s3cret-in-an-address",
];

#[test]
fn tokens_are_asked_for_and_no_secret_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, secret: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{secret}\n")).unwrap();
        format!("{path:?}")
    };
    let mut database = Database::start();
    let server = format!(
        "ingest_token_file = {}\npage_secret_file = {}\nread_token_file = {}\n",
        file("ingest", SECRETS[0]),
        file("page", SECRETS[1]),
        file("read", SECRETS[2])
    );
    let address = database.url().replace("http://", &format!("http://ann:{}@", SECRETS[5]));
    let more = format!(
        "[learning]\nenabled = false\n[writer]\nurl = \"{address}\"\nflush_every = \"100ms\"\nauth = {{ bearer_token_file = {} }}\n\
         [alertmanager]\nurls = [\"{address}\"]\nsend = true\nread_every = \"1s\"\nwebhook_token_file = {}\n\
         [reader]\ndatasource_url = \"{address}\"\n[reader.queries.up]\nexpr = \"up\"\n",
        file("writer", SECRETS[4]),
        file("webhook", SECRETS[3])
    );
    // Every server fails, so that each has something to say.
    database.set_status(500);
    database.go_away();
    let config = write_config(folder.path(), &server, "", &more);
    let mut texts = Vec::new();
    let service = match Service::of(command(&config)) {
        Ok(service) => service,
        Err(lines) => {
            // Credentials in an address are refused; they stand in files.
            texts.extend(lines);
            let without = more.replace(&format!("ann:{}@", SECRETS[5]), "");
            Service::start(&write_config(folder.path(), &server, "", &without))
        }
    };
    let one = body(vec![Series::new("load", "a", [(now_ms(), 1.0)])]);
    let write = |token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = HEADERS.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        service.try_post("/api/v1/write", &headers, &one).unwrap()
    };
    assert_eq!(
        [None, Some("wrong"), Some(""), Some(SECRETS[2]), Some(SECRETS[1])].map(|token| write(token).0),
        [401; 5]
    );
    let known = write(Some(SECRETS[0]));
    assert_eq!(known.0, 204, "{known:?}");
    texts.push(write(None).2);
    for path in ["/api/v1/scores", "/api/v1/series", "/api/v1/status", "/api/v1/scores?format=json"] {
        let (status, text) = service.get(path);
        assert_eq!(status, 401, "{path}: {text}");
        texts.push(text);
        let mut reply = service.with_token(path, SECRETS[2]);
        assert_eq!(reply.status(), 200, "{path}");
        texts.push(reply.body_mut().read_to_string().unwrap());
    }
    assert_eq!(service.try_post("/api/v1/alerts/webhook", &[], b"{}").unwrap().0, 401);
    assert_eq!(service.try_post("/-/reload", &[], b"").unwrap().0, 401);
    let reloaded = service.try_post("/-/reload", &[("Authorization", &format!("Bearer {}", SECRETS[0]))], b"").unwrap();
    texts.push(reloaded.2);
    let (status, page) = service.get("/api/session");
    assert!(status == 401 || status == 403, "{status} {page}");
    texts.push(service.get("/").1);
    service.wait("trouble with the servers", |service| service.lines().iter().any(|line| line.contains("warning")));
    std::thread::sleep(Duration::from_millis(1_500));
    texts.push(service.get("/metrics").1);
    // The page's own address carries its secret, for the one who started the program.
    let told = service.stop();
    let (of_page, others): (Vec<String>, Vec<String>) = told.into_iter().partition(|line| line.contains("listens at"));
    println!("{of_page:?}\n{others:#?}");
    texts.extend(others);
    texts.extend(of_page);
    for secret in SECRETS {
        let found: Vec<&String> = texts.iter().filter(|text| text.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} is told: {found:#?}");
    }
}

#[test]
fn an_open_address_needs_a_token_and_a_state_has_one_service() {
    let folder = tempfile::tempdir().unwrap();
    let config = write_config(folder.path(), "", "", "");
    let text = fs::read_to_string(&config).unwrap();
    let open = folder.path().join("open.toml");
    fs::write(&open, text.replace("127.0.0.1:0", "0.0.0.0:0")).unwrap();
    let told = Service::of(command(&open)).unwrap_err().join("\n");
    assert!(told.contains("`server.bind` must be an address of this machine alone"), "{told}");
    assert!(told.contains("ingest_token_file") && told.contains("allow_anonymous"), "{told}");

    let service = Service::start(&config);
    let told = Service::of(command(&config)).unwrap_err().join("\n");
    println!("{told}");
    assert!(told.contains("is used by another program") && told.contains("name another folder"), "{told}");
    // The first one is not disturbed, and leaves the state to the next one.
    assert_eq!(service.get("/-/healthy").0, 200);
    service.kill();
    Service::start(&config).stop();
}

#[test]
fn it_serves_https_by_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        format!("{path:?}")
    };
    let server = format!(
        "tls_cert_file = {}\ntls_key_file = {}\nheader_timeout = \"1s\"",
        file("cert.pem", &certificate.pem()),
        file("key.pem", &key.serialize_pem())
    );
    let service = Service::start(&write_config(folder.path(), &server, "", "[learning]\nenabled = false\n"));
    assert!(service.url.starts_with("https://127.0.0.1:"), "{}", service.url);
    let port = service.url.rsplit(':').next().unwrap().to_owned();
    let client = |roots: RootCerts| -> ureq::Agent {
        let tls = TlsConfig::builder().root_certs(roots).build();
        ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(Duration::from_secs(10))).build().into()
    };
    let url = format!("https://127.0.0.1:{port}/-/ready");
    let ours = client(RootCerts::new_with_certs(&[Certificate::from_der(authority.der()).to_owned()]));
    assert_eq!(ours.get(&url).call().unwrap().body_mut().read_to_string().unwrap(), "rlad is ready\n");
    assert!(client(RootCerts::WebPki).get(&url).call().unwrap_err().to_string().contains("certificate"));
    assert!(ours.get(format!("http://127.0.0.1:{port}/-/ready")).call().is_err());
    // One that connects and says nothing is cut, and stops nobody.
    let silent = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(ours.get(&url).call().unwrap().status(), 200);
    assert_eq!(std::io::Read::read(&mut &silent, &mut [0; 10]).unwrap_or(0), 0);
    // Files that are not a pair are told before it listens.
    let other = KeyPair::generate().unwrap();
    file("key.pem", &other.serialize_pem());
    service.kill();
    let told = Service::of(command(&folder.path().join("serve.toml"))).unwrap_err().join("\n");
    println!("{told}");
    assert!(told.contains("key.pem"), "{told}");
}

use std::net::SocketAddr;

use super::super::client::Options as ClientOptions;
use super::super::client::fake::{Answer, Asked, Server, answer};
use super::super::wire::{Limits, Protocol as Version, Received, written_headers};
use super::*;

/// What a server has stored: series, time and value, in the order of arrival.
type Stored = Arc<Mutex<Vec<(String, i64, f64)>>>;

fn received(asked: &Asked) -> Received {
    let (of, encoding) = (asked.header("content-type"), asked.header("content-encoding"));
    wire::decode(of, encoding, &asked.body, &Limits::default()).unwrap()
}

/// Why a server like Prometheus does not take a sample.
fn refusal(value: f64) -> Option<&'static str> {
    match value as i64 {
        -1 => Some("out of order sample"),
        -2 => Some("duplicate sample for timestamp"),
        -3 => Some("label value too long"),
        _ => None,
    }
}

/// A server like Prometheus: version 1.0 stores all or nothing, version 2.0 what it can.
fn store(asked: &Asked, stored: &Stored) -> Answer {
    let received = received(asked);
    let all: Vec<_> = received
        .series
        .iter()
        .flat_map(|series| series.samples.iter().map(|of| (series.labels.series_name(), of.timestamp_ms, of.value)))
        .collect();
    let bad = all.iter().find_map(|(_, _, value)| refusal(*value));
    let good: Vec<_> = all.into_iter().filter(|(_, _, value)| refusal(*value).is_none()).collect();
    let n = good.len();
    if received.protocol == Version::V2 || bad.is_none() {
        stored.lock().unwrap().extend(good);
    }
    let (status, message) = bad.map_or((204, ""), |message| (400, message));
    let headers = if received.protocol == Version::V2 { written_headers(n).to_vec() } else { Vec::new() };
    (status, headers, message.as_bytes().to_vec())
}

fn database(address: Option<SocketAddr>) -> (Server, Stored) {
    let stored = Stored::default();
    let of_server = Arc::clone(&stored);
    let address = address.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
    (Server::start_at(address, move |asked| store(asked, &of_server)), stored)
}

fn options(address: SocketAddr, protocol: Protocol) -> Options {
    Options {
        url: format!("http://{address}"),
        protocol,
        batch: 50,
        flush_every: Duration::from_millis(20),
        back_off: (Duration::from_millis(1), Duration::from_millis(20)),
        ..Options::default()
    }
}

fn open(folder: &Path, options: Options) -> Outbox {
    let client = ClientOptions { timeout: Duration::from_secs(5), ..ClientOptions::default() };
    Outbox::open(folder, options, Client::new(&client).unwrap()).unwrap()
}

fn samples(name: &str, values: impl IntoIterator<Item = (i64, f64)>) -> Vec<OutSample> {
    let labels = Arc::new(Labels::parse(name).unwrap());
    let of = |(timestamp_ms, value)| OutSample { labels: Arc::clone(&labels), timestamp_ms, value };
    values.into_iter().map(of).collect()
}

/// The address of a server that is not there.
fn nowhere() -> SocketAddr {
    database(None).0.address()
}

/// Ends an outbox as a kill does.
fn kill(outbox: Outbox) {
    let shared = Arc::clone(&outbox.shared);
    drop(outbox);
    let mut state = shared.state();
    while state.stop != Stop::Done {
        state = shared.wait(state, WAIT);
    }
}

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn samples_arrive_once_and_in_the_order_of_time() {
    let (server, stored) = database(None);
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path(), options(server.address(), Protocol::V1));
    for at in 0..40 {
        outbox.push([samples("b", [(at, 1.5)]), samples("a{x=\"1\"}", [(at, 2.5)])].concat());
    }
    // Within one batch an earlier time may come later, and the last value of a time counts.
    outbox.push(samples("c", [(3, 1.0), (1, 2.0), (2, 3.0), (1, 4.0)]));
    let counts = outbox.close(WAIT).unwrap();
    assert_eq!((counts.sent, counts.backlog, counts.n_retried), (83, 0, 0));
    assert_eq!(counts.dropped, Dropped { duplicate: 1, ..Dropped::default() });
    assert!(counts.last_success.is_some() && counts.last_error.is_none());
    let stored = stored.lock().unwrap();
    let of = |name: &str| stored.iter().filter(|of| of.0 == name).map(|of| (of.1, of.2)).collect::<Vec<_>>();
    assert_eq!(of("a{x=\"1\"}"), (0..40).map(|at| (at, 2.5)).collect::<Vec<_>>());
    assert_eq!(of("b"), (0..40).map(|at| (at, 1.5)).collect::<Vec<_>>());
    assert_eq!(of("c"), [(1, 4.0), (2, 3.0), (3, 1.0)]);
    assert_eq!(stored.len(), 83);
}

#[test]
fn a_bad_sample_costs_no_other() {
    for protocol in [Protocol::V1, Protocol::V2] {
        let (server, stored) = database(None);
        let folder = tempfile::tempdir().unwrap();
        let outbox = open(folder.path(), options(server.address(), protocol));
        let mut all: Vec<_> = (0..10).flat_map(|i| samples(&format!("s{i}"), (0..5).map(|at| (at, 1.0)))).collect();
        all[23].value = -1.0;
        outbox.push(all);
        let counts = outbox.close(WAIT).unwrap();
        assert_eq!((counts.sent, counts.dropped), (49, Dropped { late: 1, ..Dropped::default() }), "{protocol:?}");
        let stored = stored.lock().unwrap();
        assert_eq!(stored.len(), 49);
        assert!(!stored.iter().any(|of| of.0 == "s4" && of.1 == 3));
        assert!(stored.iter().filter(|of| of.0 == "s4").is_sorted_by_key(|of| of.1));
        // 10 series, then 5 samples: at most two requests a level.
        assert!(counts.n_requests <= if protocol == Protocol::V1 { 1 + 2 * 4 + 2 * 3 } else { 1 }, "{counts:?}");
    }
}

#[test]
fn what_is_dropped_is_counted_by_reason() {
    let (server, stored) = database(None);
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path(), options(server.address(), Protocol::V1));
    outbox.push(samples("a", [(1, -1.0), (2, -2.0), (3, -3.0), (4, 4.0), (5, -1.0)]));
    let counts = outbox.close(WAIT).unwrap();
    assert_eq!(counts.dropped, Dropped { late: 2, duplicate: 1, refused: 1, ..Dropped::default() });
    assert!(counts.last_error.unwrap().ends_with("HTTP 400: out of order sample"));
    assert_eq!(stored.lock().unwrap().len(), 1);
}

#[test]
fn a_server_that_is_away_for_a_while_gets_all_in_order() {
    let address = nowhere();
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path(), options(address, Protocol::Auto));
    for at in 0..200 {
        outbox.push(samples("a", [(at, 1.0)]));
    }
    outbox.flush().unwrap();
    while outbox.counts().n_retried < 3 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let counts = outbox.counts();
    assert_eq!((counts.sent, counts.backlog, counts.protocol), (0, 200, None));
    assert!(counts.last_error.unwrap().starts_with(&format!("cannot reach `http://{address}/api/v1/write`")));
    let (server, stored) = database(Some(address));
    let counts = outbox.close(WAIT).unwrap();
    assert_eq!((counts.sent, counts.backlog, counts.protocol), (200, 0, Some(Protocol::V2)));
    assert!(counts.last_error.is_none());
    let times: Vec<_> = stored.lock().unwrap().iter().map(|of| of.1).collect();
    assert_eq!(times, (0..200).collect::<Vec<_>>());
    drop(server);
}

#[test]
fn a_busy_server_is_asked_again() {
    let stored = Stored::default();
    let (of_server, n) = (Arc::clone(&stored), Mutex::new(0));
    let server = Server::start(move |asked| {
        let mut n = n.lock().unwrap();
        *n += 1;
        if *n < 4 { answer(429 + 71 * (*n % 2), "slow down") } else { store(asked, &of_server) }
    });
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path(), options(server.address(), Protocol::V1));
    outbox.push(samples("a", [(1, 1.0)]));
    let counts = outbox.close(WAIT).unwrap();
    assert_eq!((counts.sent, counts.n_retried, counts.n_requests), (1, 3, 4));
    // The same bytes each time.
    assert!(server.asked().windows(2).all(|of| of[0].body == of[1].body));
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let address = nowhere();
    let folder = tempfile::tempdir().unwrap();
    let patient = |address| Options { flush_every: Duration::from_secs(60), ..options(address, Protocol::V1) };
    let outbox = open(folder.path(), patient(address));
    outbox.push(samples("a", (0..10).map(|at| (at, 0.5))));
    outbox.flush().unwrap();
    outbox.push(samples("a", [(10, 0.5)]));
    assert_eq!(outbox.counts().backlog, 11);
    kill(outbox);
    let outbox = open(folder.path(), patient(address));
    assert_eq!(outbox.counts().backlog, 10);
    outbox.push(samples("a", (20..70).map(|at| (at, 0.5))));
    kill(outbox);
    let (server, stored) = database(Some(address));
    let counts = open(folder.path(), patient(address)).close(WAIT).unwrap();
    // A full batch is on disk without being told.
    assert_eq!((counts.sent, counts.backlog), (60, 0));
    let times: Vec<_> = stored.lock().unwrap().iter().map(|of| of.1).collect();
    assert_eq!(times, (0..10).chain(20..70).collect::<Vec<_>>());
    assert_eq!(open(folder.path(), patient(server.address())).close(WAIT).unwrap().sent, 0);
}

#[test]
fn a_full_spool_loses_the_oldest() {
    let address = nowhere();
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(folder.path(), Options { max_bytes: 40_000, ..options(address, Protocol::V1) });
    for at in 0..200 {
        outbox.push((0..50).flat_map(|i| samples(&format!("s{i}"), [(at, (at * i) as f64 + 0.1)])).collect());
    }
    outbox.flush().unwrap();
    let counts = outbox.counts();
    assert!(counts.dropped.spool_full > 1000 && counts.spool_bytes <= 40_000, "{counts:?}");
    assert_eq!(counts.backlog + counts.dropped.spool_full, 10_000);
    let (server, stored) = database(Some(address));
    let counts = outbox.close(WAIT).unwrap();
    let stored = stored.lock().unwrap();
    // The batch that was under way while its segment was dropped is sent all the same.
    assert!((9_000..=10_050).contains(&(counts.sent + counts.dropped.spool_full)), "{counts:?}");
    assert_eq!((stored.len() as u64, stored.last().unwrap().1), (counts.sent, 199));
    drop(server);
}

#[test]
fn a_disk_that_takes_nothing_costs_nothing_for_a_while() {
    let (server, stored) = database(None);
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("spool");
    let patient =
        Options { flush_every: Duration::from_secs(60), batch: 5_000, ..options(server.address(), Protocol::V1) };
    let outbox = open(&inner, patient);
    std::fs::remove_dir_all(&inner).unwrap();
    outbox.push(samples("a", [(1, 1.0)]));
    assert!(outbox.flush().unwrap_err().to_string().starts_with("cannot write the spool"));
    assert_eq!(outbox.counts().backlog, 1);
    // More than there is room for in memory: the newest go.
    outbox.push(samples("a", (2..=MOST_UNWRITTEN as i64 + 2).map(|at| (at, 1.0))));
    assert!(outbox.flush().is_err());
    assert_eq!(outbox.counts().dropped, Dropped { unwritten: 2, ..Dropped::default() });
    std::fs::create_dir(&inner).unwrap();
    outbox.flush().unwrap();
    outbox.push(samples("a", [(MOST_UNWRITTEN as i64 + 3, 2.0)]));
    let counts = outbox.close(WAIT).unwrap();
    assert_eq!(counts.sent, MOST_UNWRITTEN as u64 + 1);
    let stored = stored.lock().unwrap();
    let last = ("a".to_owned(), MOST_UNWRITTEN as i64 + 3, 2.0);
    assert_eq!((stored[0].clone(), stored.last().unwrap()), (("a".to_owned(), 1, 1.0), &last));
}

#[test]
fn an_outbox_that_cannot_send_is_closed_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let long = (Duration::from_secs(60), Duration::from_secs(60));
    let outbox = open(folder.path(), Options { back_off: long, ..options(nowhere(), Protocol::V1) });
    outbox.push(samples("a", [(1, 1.0)]));
    let start = Instant::now();
    let counts = outbox.close(Duration::from_millis(50)).unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((counts.sent, counts.backlog), (0, 1));
    assert!(Outbox::open(folder.path(), Options::default(), Client::new(&ClientOptions::default()).unwrap()).is_err());
}

//! Bodies that are bombs, and clients that are slow on purpose: cut or refused, while others are answered as ever.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::sender::{Load, Series, body, now_ms, snapped};
use super::service::{Service, write_config};

const MIB: usize = 1 << 20;

/// What a body is, its bytes, its headers and the status that answers it.
type Hostile<'a> = (&'a str, &'a [u8], [(&'a str, &'a str); 2], u16);

fn start(folder: &std::path::Path) -> Service {
    let server = "max_body = \"2MiB\"\nmax_decoded = \"8MiB\"\nheader_timeout = \"2s\"\nbody_timeout = \"3s\"\nmax_connections = 64";
    Service::start(&write_config(folder, server, "", "[learning]\nenabled = false\n"))
}

#[test]
fn bombs_are_refused_at_once_and_cost_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path());
    let good = body(vec![Series::new("load", "a", [(now_ms(), 1.0)])]);
    service.write(&good);
    let zeros = vec![0_u8; 64 * MIB];
    let zstd = zstd::encode_all(&zeros[..], 1).unwrap();
    let of = |kind: &'static str, encoding: &'static str| [("Content-Type", kind), ("Content-Encoding", encoding)];
    let (v1, v2) = ("application/x-protobuf", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let huge_header = [&[0xff, 0xff, 0xff, 0xff, 0x0f][..], &[0; 100]].concat();
    let many = body((0..20_000).map(|i| Series::new("load", &format!("{i:0100}"), [])).collect());
    let half = &good[..good.len() / 2];
    let bodies: [Hostile<'_>; 11] = [
        ("a header of 4 GiB", &huge_header, of(v1, "snappy"), 413),
        ("64 MiB of snappy", &snapped(&zeros)[..], of(v1, "snappy"), 413),
        ("64 MiB of zstd", &zstd, of(v1, "zstd"), 413),
        ("zstd that is called snappy", &zstd, of(v1, "snappy"), 413),
        ("a body above the limit", &zeros[..3 * MIB], of(v1, "snappy"), 413),
        ("half a body", half, of(v1, "snappy"), 400),
        ("no snappy", b"{}", of(v1, "snappy"), 400),
        ("gzip", &good, of(v1, "gzip"), 415),
        ("another type", &good, of("application/json", "snappy"), 415),
        ("version 1.0 that is called 2.0", &good, of(v2, "snappy"), 400),
        ("20,000 series without samples", &many, of(v1, "snappy"), 204),
    ];
    for _ in 0..6 {
        for (what, bytes, headers, expected) in &bodies {
            let begun = Instant::now();
            // The connection may be cut before all of a large body was sent.
            let Some((status, _, text)) = service.try_post("/api/v1/write", headers, bytes) else {
                assert!(bytes.len() > 2 * MIB, "{what}: no answer");
                continue;
            };
            println!("{what}: {status} {} in {:?}", text.trim(), begun.elapsed());
            assert_eq!(status, *expected, "{what}: {text}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{what}: {:?}", begun.elapsed());
        }
    }
    let memory = service.memory() / MIB as u64;
    println!("{memory} MiB of memory");
    assert!(memory < 120, "{memory} MiB");
    // A request of version 2.0 under the type of version 1.0 is read as one without series, or refused; it stops nothing.
    let vector = include_bytes!("vectors/prometheus-3.5-v2.bin");
    let status = service.try_post("/api/v1/write", &of(v1, "snappy"), vector).unwrap().0;
    assert!(status == 204 || status == 400, "{status}");
    println!("version 2.0 that is called 1.0: {status}; {:?}", service.metric("rlad_series"));
    assert_eq!(service.try_write(&body(vec![Series::new("load", "a", [(now_ms() + 60_000, 1.0)])])), Some(204));
}

/// What a server says to a client until it hangs up, and how long that takes.
fn until_end(mut stream: &TcpStream, begun: Instant) -> (String, Duration) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => text.extend_from_slice(&piece[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("it does not hang up: {error}"),
        }
    }
    (String::from_utf8_lossy(&text).into_owned(), begun.elapsed())
}

#[test]
fn slow_clients_are_cut_while_others_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let service = start(folder.path());
    // Enough series that a list of them is larger than what a socket holds.
    let at = now_ms() - 60 * 60_000;
    let many = (0..20_000).map(|i| Series::new("load", &format!("{i:060}"), [(at, 1.0)])).collect();
    service.write(&body(many));
    let host = service.url.strip_prefix("http://").unwrap().to_owned();
    let connect = || TcpStream::connect(&host).unwrap();
    let is_trickling = std::sync::atomic::AtomicBool::new(true);
    let load = Load::new(1, 1_000);
    std::thread::scope(|scope| {
        // Thirty whose headers come a byte at a time, and one whose body does.
        let headers: Vec<_> = (0..30)
            .map(|_| {
                scope.spawn(|| {
                    let (stream, begun) = (connect(), Instant::now());
                    let mut writer = stream.try_clone().unwrap();
                    for byte in b"POST /api/v1/write HTTP/1.1\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
                        if writer.write_all(&[*byte]).is_err() || begun.elapsed() > Duration::from_secs(4) {
                            break;
                        }
                        sleep(Duration::from_millis(200));
                    }
                    until_end(&stream, begun).1
                })
            })
            .collect();
        let slow_body = scope.spawn(|| {
            let (stream, begun) = (connect(), Instant::now());
            let mut writer = stream.try_clone().unwrap();
            let head = format!("POST /api/v1/write HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n");
            writer.write_all(head.as_bytes()).unwrap();
            for _ in 0..20 {
                if writer.write_all(b"x").is_err() {
                    break;
                }
                sleep(Duration::from_millis(200));
            }
            until_end(&stream, begun)
        });
        // Ten that ask for a long list and read none of it.
        let deaf: Vec<TcpStream> = (0..10)
            .map(|_| {
                let mut stream = connect();
                let request = format!("GET /api/v1/series?limit=20000 HTTP/1.1\r\nHost: {host}\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
                stream
            })
            .collect();
        let normal = scope.spawn(|| {
            let mut times = Vec::new();
            let mut minute = 0;
            while is_trickling.load(std::sync::atomic::Ordering::SeqCst) {
                let begun = Instant::now();
                service.write(&load.minutes(minute..minute + 1));
                times.push(begun.elapsed());
                minute += 1;
                sleep(Duration::from_millis(20));
            }
            times.sort();
            times
        });
        let cut: Vec<Duration> = headers.into_iter().map(|of| of.join().unwrap()).collect();
        let (text, of_body) = slow_body.join().unwrap();
        is_trickling.store(false, std::sync::atomic::Ordering::SeqCst);
        let times = normal.join().unwrap();
        let (median, longest) = (times[times.len() / 2], times.last().unwrap());
        println!(
            "headers cut after {:?} to {:?}, body after {of_body:?}: {:?}; {} others answered in {median:?}, at most {longest:?}",
            cut.iter().min().unwrap(),
            cut.iter().max().unwrap(),
            text.lines().next(),
            times.len()
        );
        assert!(cut.iter().all(|time| *time < Duration::from_secs(8)), "{cut:?}");
        assert!(text.starts_with("HTTP/1.1 408"), "{text}");
        assert!(of_body < Duration::from_secs(10), "{of_body:?}");
        assert!(median < Duration::from_millis(500) && *longest < Duration::from_secs(3), "{median:?} {longest:?}");
        drop(deaf);
    });
}

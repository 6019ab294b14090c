//! A toy exporter in a thread of the test: the queues of two services and a counter of requests, with faults that the
//! test makes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::samples::Series;

/// The jobs that a fault adds to the queue of the service `shop` each second: its workers stand still.
const FAULT: f64 = 80.0;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A number from -1 to 1 that looks like chance, of a time and a name.
fn noise(at_ms: i64, name: &str) -> f64 {
    let seed = name.bytes().fold(at_ms as u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed >> 11) as f64 / (1_u64 << 53) as f64).mul_add(2.0, -1.0)
}

/// The jobs that wait: a wave of a minute, and noise.
fn queue(service: &str, at_ms: i64) -> f64 {
    let usual = if service == "shop" { 100.0 } else { 60.0 };
    let phase = at_ms as f64 / 60_000.0 * std::f64::consts::TAU;
    (2.0 * noise(at_ms, service)) + 10.0_f64.mul_add(phase.sin(), usual)
}

/// The requests so far: 40 a second.
fn requests(at_ms: i64) -> f64 {
    ((at_ms - 1_700_000_000_000) as f64).mul_add(0.04, 3.0 * noise(at_ms, "requests")).floor()
}

/// Name, service and value of each metric.
fn metrics(at_ms: i64, fault_since: Option<i64>) -> [(&'static str, &'static str, f64); 3] {
    let fault = fault_since.map_or(0.0, |since| FAULT * (1.0 + (at_ms - since) as f64 / 1_000.0));
    [
        ("toy_queue_length", "search", queue("search", at_ms)),
        ("toy_queue_length", "shop", queue("shop", at_ms) + fault),
        ("toy_requests_total", "shop", requests(at_ms)),
    ]
}

/// The exporter. It ends with this.
pub(crate) struct Exporter {
    pub(crate) address: String,
    fault_since: Arc<Mutex<Option<i64>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Release);
        let _ = TcpStream::connect(&self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

impl Exporter {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (fault_since, ends) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
        let (fault, end) = (Arc::clone(&fault_since), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Acquire) {
                    return;
                }
                // A scraper that goes away is none of the exporter's business.
                let _ = answer(&stream.unwrap(), *fault.lock().unwrap());
            }
        });
        Self { address, fault_since, ends, thread: Some(thread) }
    }

    /// Begins or ends a fault; returns the time.
    pub(crate) fn set_fault(&self, is_faulty: bool) -> i64 {
        let now = now_ms();
        *self.fault_since.lock().unwrap() = is_faulty.then_some(now);
        now
    }

    /// What a scraper of the job `toy` would have found in the seconds before `end`, without a fault.
    pub(crate) fn past(&self, end: i64, seconds: i64) -> Vec<Series> {
        let mut series: Vec<Series> = Vec::new();
        for at in (0..seconds).map(|second| (end / 1_000 - seconds + second) * 1_000) {
            for (place, (name, service, value)) in metrics(at, None).into_iter().enumerate() {
                if series.len() <= place {
                    let labels = [("instance", self.address.as_str()), ("job", "toy"), ("service", service)];
                    series.push(Series::new(name, &labels));
                }
                series[place].push(at, value);
            }
        }
        series
    }
}

fn answer(mut stream: &TcpStream, fault_since: Option<i64>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(stream).lines();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut body = "# TYPE toy_queue_length gauge\n# TYPE toy_requests_total counter\n".to_owned();
    for (name, service, value) in metrics(now_ms(), fault_since) {
        body.push_str(&format!("{name}{{service=\"{service}\"}} {value}\n"));
    }
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}")
}

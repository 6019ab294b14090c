//! The database that scores are written to, and Alertmanager: what they were told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use super::fake::{Answer, Asked, Server, answer};
use super::sender::series_of;

/// Scores by series and time: their bits.
pub(crate) type Scores = BTreeMap<(String, i64), u64>;

/// What was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// The scores.
    pub(crate) scores: Scores,
    /// Series and time of each sample, as they came.
    pub(crate) order: Vec<(String, i64)>,
    /// Samples that came with another value than before.
    pub(crate) n_contradictions: usize,
    /// Requests that were refused.
    pub(crate) n_refused: usize,
    /// The bodies of the alerts.
    pub(crate) alerts: Vec<String>,
}

/// The database and Alertmanager at one address.
#[derive(Debug)]
pub(crate) struct Database {
    server: Option<Server>,
    address: SocketAddr,
    stored: Arc<Mutex<Stored>>,
    /// What it answers to samples, in place of storing them; 0: it stores them.
    status: Arc<AtomicU16>,
}

impl Database {
    /// One that stores what it is sent.
    pub(crate) fn start() -> Self {
        let (stored, status) = (Arc::new(Mutex::new(Stored::default())), Arc::new(AtomicU16::new(0)));
        let server = serve("127.0.0.1:0".parse().unwrap(), &stored, &status);
        Self { address: server.address(), server: Some(server), stored, status }
    }

    /// The section of the configuration that writes to it.
    pub(crate) fn writer(&self) -> String {
        format!("[writer]\nurl = \"{}\"\nflush_every = \"200ms\"\nbatch = 50\n", self.url())
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nobody answers from here on.
    pub(crate) fn go_away(&mut self) {
        self.server = None;
    }

    /// It answers again, at the same address.
    pub(crate) fn come_back(&mut self) {
        self.server = Some(serve(self.address, &self.stored, &self.status));
    }

    /// What it answers to samples from here on; 0: it stores them.
    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What was written so far.
    pub(crate) fn stored(&self) -> Stored {
        self.stored.lock().unwrap().clone()
    }

    /// The number of different scores.
    pub(crate) fn n_scores(&self) -> usize {
        self.stored.lock().unwrap().scores.len()
    }
}

fn serve(address: SocketAddr, stored: &Arc<Mutex<Stored>>, status: &Arc<AtomicU16>) -> Server {
    let (stored, status) = (Arc::clone(stored), Arc::clone(status));
    Server::start_at(address, move |asked| reply(asked, &mut stored.lock().unwrap(), status.load(Ordering::SeqCst)))
}

fn reply(asked: &Asked, stored: &mut Stored, status: u16) -> Answer {
    match asked.target.split('?').next().unwrap_or_default() {
        "/api/v1/write" if status != 0 => {
            stored.n_refused += 1;
            answer(status, "not now")
        }
        "/api/v1/write" if asked.header("content-type").is_some_and(|of| of.contains("write.v2")) => {
            answer(415, "version 1.0 alone")
        }
        "/api/v1/write" => {
            for series in series_of(&asked.body) {
                let name = series.labels.iter().find(|label| label.name == "__name__").unwrap();
                assert_eq!(name.value, "anomaly_score");
                for sample in &series.samples {
                    let key = (series.host().to_owned(), sample.at);
                    let before = stored.scores.insert(key.clone(), sample.value.to_bits());
                    stored.n_contradictions += usize::from(before.is_some_and(|bits| bits != sample.value.to_bits()));
                    stored.order.push(key);
                }
            }
            answer(204, "")
        }
        "/api/v2/alerts" => {
            stored.alerts.push(String::from_utf8_lossy(&asked.body).into_owned());
            answer(200, "")
        }
        "/api/v2/silences" => answer(200, "[]"),
        _ => answer(404, ""),
    }
}

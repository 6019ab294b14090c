//! A database that takes scores by `remote_write` 1.0 and keeps none: it counts them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use prost::Message;

use crate::Outcome;

const MAX_BODY: usize = 64 << 20;

/// A sample whose time and value are not read.
#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

/// The samples that were taken so far.
#[derive(Debug)]
pub(crate) struct Sink(Arc<AtomicU64>);

impl Sink {
    /// Opens it at a port of loopback, with a thread of its own.
    pub(crate) fn open(port: u16) -> Outcome<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)))?;
        let router = Router::new().route("/api/v1/write", post(take));
        let router = router.layer(DefaultBodyLimit::max(MAX_BODY)).with_state(Arc::clone(&taken));
        std::thread::spawn(move || runtime.block_on(axum::serve(listener, router).into_future()));
        Ok(Self(taken))
    }

    /// How many scores came so far.
    pub(crate) fn taken(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

async fn take(State(taken): State<Arc<AtomicU64>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.contains("v2") {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let decoded = snap::raw::Decoder::new().decompress_vec(&body).ok();
    let Some(request) = decoded.and_then(|bytes| Request::decode(bytes.as_slice()).ok()) else {
        return StatusCode::BAD_REQUEST;
    };
    let n: usize = request.series.iter().map(|series| series.samples.len()).sum();
    taken.fetch_add(n as u64, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

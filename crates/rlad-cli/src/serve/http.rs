//! The routes of the service: samples in, scores and metrics out, and the labelling page for everything else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::alertmanager::{self, Webhook};
use super::clock::now_ms;
use super::config::{ServeConfig, Size};
use super::engine::{Batch, Incoming, anomaly_score};
use super::outlets::{link, score_labels, time};
use super::pull::Progress;
use super::shared::Shared;
use super::suggested::SuggestionStore;
use super::telemetry::{MEDIA_TYPE, Telemetry, Why};
use super::wire::{Limits, Protocol, decode, written_headers};
use super::worker::{Filter, NotTaken, SeriesView, Worker};
use crate::annotate::PageSlot;

/// A webhook's body has no more bytes.
const MAX_WEBHOOK: usize = 4 << 20;
/// The series that one request lists, at most, and where it says no number.
const MOST_LISTED: usize = 1_000_000;
const LISTED: usize = 1_000;
/// Samples that are being decoded at once: more requests wait, which keeps the memory of bodies bounded.
const MOST_DECODED: usize = 4;
const RETRY_AFTER: &str = "5";

/// What every route has.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Shared<ServeConfig>,
    pub(crate) worker: Worker,
    pub(crate) telemetry: Telemetry,
    pub(crate) progress: Shared<Progress>,
    pub(crate) suggestions: Arc<SuggestionStore>,
    pub(crate) reload: Reload,
    pub(crate) decoding: Arc<tokio::sync::Semaphore>,
    /// Whether the state was read and points are taken.
    pub(crate) is_ready: Arc<std::sync::atomic::AtomicBool>,
}

/// Reads the configuration anew; what went wrong, in a sentence.
#[derive(Clone)]
pub(crate) struct Reload(pub(crate) Arc<dyn Fn() -> Result<Vec<String>, String> + Send + Sync>);

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reload")
    }
}

/// The permits by which requests are decoded.
pub(crate) fn decoding() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(MOST_DECODED))
}

/// All routes; what none of them takes goes to the page.
pub(crate) fn router(app: App, page: &PageSlot) -> Router {
    Router::new()
        .route("/api/v1/write", post(write))
        .route("/api/v1/alerts/webhook", post(webhook))
        .route("/api/v1/scores", get(scores))
        .route("/api/v1/series", get(series))
        .route("/api/v1/status", get(status))
        .route("/metrics", get(metrics))
        .route("/health", get(healthy))
        .route("/-/healthy", get(healthy))
        .route("/-/ready", get(ready))
        .route("/-/reload", post(reload))
        .with_state(app)
        .fallback_service(page.router())
}

/// An answer in plain text.
fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{}\n", text.into())).into_response()
}

/// An answer that asks the sender to try again.
fn later(text: &str) -> Response {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    response
}

/// Takes samples in by `remote_write`, 1.0 or 2.0.
async fn write(State(app): State<App>, request: Request) -> Response {
    let config = app.config.get();
    if let Err(response) = allowed(config.server.ingest_token_file.as_deref(), request.headers()) {
        return app.refused("token", *response);
    }
    if request.uri().query().is_some_and(|query| query.contains("get_vm_proto_version=1")) {
        // An older vmagent asks whether zstd is taken.
        return plain(StatusCode::OK, "1");
    }
    let (parts, body) = request.into_parts();
    let text =
        |name: header::HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (kind, encoding) = (text(header::CONTENT_TYPE), text(header::CONTENT_ENCODING));
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let limit = bytes_of(config.server.max_body);
    let time = Duration::from_millis(config.server.body_timeout.millis().unsigned_abs());
    let body = match tokio::time::timeout(time, read(body, length, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(response)) => return app.refused("size", response),
        Err(_) => {
            return app.refused("slow", plain(StatusCode::REQUEST_TIMEOUT, "the body of the request took too long"));
        }
    };
    let limits = Limits { body: limit, decoded: bytes_of(config.server.max_decoded), ..Limits::default() };
    let Ok(permit) = Arc::clone(&app.decoding).acquire_owned().await else { return later("the service ends") };
    let decoded = tokio::task::spawn_blocking(move || {
        let decoded = decode(kind.as_deref(), encoding.as_deref(), &body, &limits).map(|received| {
            let series = received.series.into_iter().map(|series| Incoming {
                name: series.labels.series_name(),
                labels: series.labels,
                kind: series.kind,
                samples: series.samples,
            });
            let batch = Batch { series: series.collect(), kinds: received.kinds };
            (batch, received.protocol, received.n_histograms, received.n_malformed)
        });
        drop(permit);
        decoded
    });
    let (batch, protocol, n_histograms, n_malformed) = match decoded.await {
        Ok(Ok(decoded)) => decoded,
        Ok(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            return app.refused("undecodable", plain(status, refusal.message));
        }
        Err(_) => return app.refused("undecodable", plain(StatusCode::BAD_REQUEST, "the request cannot be decoded")),
    };
    for (reason, n) in [("native_histogram", n_histograms), ("malformed_series", n_malformed)] {
        if n > 0 {
            app.telemetry.dropped.get_or_create(&Why { reason: reason.to_owned() }).inc_by(n as u64);
        }
    }
    let tally = match app.worker.take(batch).await {
        Ok(tally) => tally,
        Err(NotTaken::Busy) => return app.refused("busy", later("there is more than can be taken; send it again")),
        Err(NotTaken::Failed(error)) => return app.refused("state", later(&error)),
    };
    app.telemetry.count(&tally, if protocol == Protocol::V2 { "v2" } else { "v1" });
    let mut response = StatusCode::NO_CONTENT.into_response();
    if protocol == Protocol::V2 {
        // What was left out is known to the service, and not to be sent again.
        let n_written = tally.accepted + tally.dropped.iter().sum::<usize>();
        for (name, value) in written_headers(n_written) {
            if let (Ok(name), Ok(value)) = (header::HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
    }
    response
}

/// Takes alerts of others in, as suggestions.
async fn webhook(State(app): State<App>, request: Request) -> Response {
    let config = app.config.get();
    if let Err(response) = allowed(config.alertmanager.webhook_token_file.as_deref(), request.headers()) {
        return app.refused("token", *response);
    }
    let body = match tokio::time::timeout(Duration::from_secs(10), read(request.into_body(), None, MAX_WEBHOOK)).await {
        Ok(Ok(body)) => body,
        Ok(Err(response)) => return app.refused("size", response),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the body of the request took too long"),
    };
    let webhook = match Webhook::parse(&body) {
        Ok(webhook) => webhook,
        Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error:#}")),
    };
    let watched = app.suggestions.watched(&app.worker.series(Filter { limit: MOST_LISTED, ..Filter::default() }).await);
    let url = config.server.external_url();
    let found = webhook.alerts.iter().filter_map(|alert| {
        alertmanager::of_alert(
            alert,
            &webhook.external_url,
            &url,
            watched.iter().map(|(name, labels)| (&**name, labels)),
        )
    });
    match app.suggestions.offer(found.collect(), false) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => later(&format!("{error:#}")),
    }
}

/// The parameters of a list of series.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// Part of the name.
    #[serde(default)]
    name: String,
    /// Whether those with an open event alone.
    #[serde(default)]
    open: bool,
    limit: Option<usize>,
    format: Option<String>,
}

async fn listed(app: &App, headers: &HeaderMap, query: &Listed, limit: usize) -> Result<Vec<SeriesView>, Response> {
    allowed(app.config.get().server.read_token_file.as_deref(), headers).map_err(|response| *response)?;
    let limit = query.limit.unwrap_or(limit).min(MOST_LISTED);
    Ok(app.worker.series(Filter { part: query.name.clone(), is_open: query.open, limit }).await)
}

/// The last score of each series, for those who scrape them; as JSON with `?format=json`.
async fn scores(State(app): State<App>, headers: HeaderMap, query: Query<Listed>) -> Response {
    let views = match listed(&app, &headers, &query, MOST_LISTED).await {
        Ok(views) => views,
        Err(response) => return response,
    };
    let scored = views.iter().filter_map(|view| Some((view, view.last?)));
    if query.format.as_deref() == Some("json") {
        let json: Vec<Value> = scored
            .map(|(view, last)| {
                json!({
                    "series": &*view.name, "time": time(last.at), "value": last.value,
                    "anomaly_score": anomaly_score(last.margin), "margin": last.margin, "open": view.event.is_some(),
                })
            })
            .collect();
        return Json(json).into_response();
    }
    let config = app.config.get();
    let mut lines: Vec<(String, f64)> = scored
        .filter_map(|(view, last)| {
            let labels = score_labels(&config, &view.name, view.rule.as_deref())?;
            Some((labels.series_name(), anomaly_score(last.margin)))
        })
        .collect();
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    lines.dedup_by(|a, b| a.0 == b.0);
    let mut text =
        "# HELP anomaly_score The odds of an anomaly in units of those at the threshold; above 1 is anomalous.\n\
                    # TYPE anomaly_score gauge\n"
            .to_owned();
    lines.iter().for_each(|(name, score)| text.push_str(&format!("{name} {score}\n")));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The watched series.
async fn series(State(app): State<App>, headers: HeaderMap, query: Query<Listed>) -> Response {
    let url = app.config.get().server.external_url();
    let views = match listed(&app, &headers, &query, LISTED).await {
        Ok(views) => views,
        Err(response) => return response,
    };
    let of = |view: &SeriesView| {
        json!({
            "series": &*view.name,
            "as": if view.is_rate { "rate" } else { "value" },
            "step_seconds": view.step.map(|step| step as f64 / 1_000.0),
            "kept": view.is_kept,
            "last": view.last.map(|last| json!({ "time": time(last.at), "value": last.value, "margin": last.margin })),
            "event": view.event.map(|event| json!({
                "since": time(event.since), "last": time(event.last), "peak": time(event.peak_at),
                "link": link(&url, &view.name, event.since),
            })),
        })
    };
    Json(views.iter().map(of).collect::<Vec<_>>()).into_response()
}

/// How the service stands.
async fn status(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(response) = allowed(app.config.get().server.read_token_file.as_deref(), &headers) {
        return *response;
    }
    let progress = app.progress.get();
    let telemetry = &app.telemetry;
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": time(now_ms()),
        "ready": app.is_ready(),
        "past_complete": progress.is_complete,
        "doing": progress.doing,
        "series": telemetry.series.get(),
        "points_scored": telemetry.scored.get(),
        "alarms_open": telemetry.alarms_open.get(),
        "questions_open": telemetry.questions_open.get(),
        "answers": telemetry.answers.get(),
        "suggestions_open": telemetry.suggestions_open.get(),
        "spool_bytes": telemetry.spool_bytes.get(),
        "last_reload_successful": telemetry.reload_works.get() == 1,
        "learning_successful": telemetry.learning_works.get() == 1,
        "state_writable": telemetry.state_works.get() == 1,
    }))
    .into_response()
}

/// The service's own metrics.
async fn metrics(State(app): State<App>) -> Response {
    match app.telemetry.text() {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")),
    }
}

async fn healthy() -> Response {
    plain(StatusCode::OK, "rlad is up")
}

async fn ready(State(app): State<App>) -> Response {
    if app.is_ready() { plain(StatusCode::OK, "rlad is ready") } else { later("the state is being read") }
}

/// Reads the configuration anew.
async fn reload(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Err(response) = allowed(app.config.get().server.ingest_token_file.as_deref(), &headers) {
        return *response;
    }
    let reload = app.reload.clone();
    match tokio::task::spawn_blocking(move || (reload.0)()).await {
        Ok(Ok(notes)) if notes.is_empty() => plain(StatusCode::OK, "the configuration was read"),
        Ok(Ok(notes)) => plain(StatusCode::OK, format!("the configuration was read; {}", notes.join("; "))),
        Ok(Err(error)) => plain(StatusCode::BAD_REQUEST, error),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the configuration could not be read"),
    }
}

impl App {
    fn is_ready(&self) -> bool {
        self.is_ready.load(std::sync::atomic::Ordering::Acquire)
    }

    fn refused(&self, reason: &str, response: Response) -> Response {
        self.telemetry.refused.get_or_create(&Why { reason: reason.to_owned() }).inc();
        response
    }
}

fn bytes_of(size: Size) -> usize {
    usize::try_from(size.bytes()).unwrap_or(usize::MAX)
}

/// Reads a body of a known or unknown length, no more than `limit` bytes of it.
async fn read(body: Body, length: Option<usize>, limit: usize) -> Result<Bytes, Response> {
    let too_large = || plain(StatusCode::PAYLOAD_TOO_LARGE, format!("expected at most {limit} bytes"));
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| plain(StatusCode::BAD_REQUEST, "the body broke off"))?;
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// Lets a request pass that shows the token of a file, or where there is no file. The file is read each time: a token that was replaced
/// needs no restart.
fn allowed(file: Option<&Path>, headers: &HeaderMap) -> Result<(), Box<Response>> {
    let Some(file) = file else { return Ok(()) };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    let known = std::fs::read_to_string(file).unwrap_or_default();
    let known = known.trim();
    if !known.is_empty() && crate::annotate::is_same(given, known) {
        return Ok(());
    }
    let mut response = plain(StatusCode::UNAUTHORIZED, "expected a header `Authorization: Bearer …` with the token");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(Box::new(response))
}

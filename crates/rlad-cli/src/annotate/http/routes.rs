//! The routes. No path of a file ever comes from a request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::super::actions::{AnswerRequest, LabelRequest};
use super::super::api_error::ApiError;
use super::super::decisions::Decision;
use super::super::page;
use super::super::reads::{Order, SeriesRange};
use super::super::server::LabellingServer;
use super::gate::Gate;
use super::headers::with_headers;

/// The requests that are answered at once, and the streams of states.
const MAX_REQUESTS: usize = 64;
const MAX_STREAMS: usize = 64;
/// The largest body of a request, and of an import.
const MAX_BODY: usize = 8 << 20;
const MAX_IMPORT: usize = 64 << 20;
/// How long a request may take, its body included.
const TIMEOUT: Duration = Duration::from_secs(60);
/// After how many seconds a request that cannot be answered yet may come again.
const RETRY_AFTER: &str = "2";
/// The start of the labelling server whose numbers a request has.
const START: &str = "x-rlad-start";

/// The state that every route has.
#[derive(Clone, Debug)]
struct AppState {
    server: Arc<LabellingServer>,
    gate: Arc<Gate>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// All routes of a labelling server, behind the gate.
pub(crate) fn page_router(server: Arc<LabellingServer>, gate: Gate) -> Router {
    let app = AppState {
        server,
        gate: Arc::new(gate),
        requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
    };
    Router::new()
        .route("/", get(index))
        .route("/assets/{*name}", get(asset))
        .route("/api/session", get(session))
        .route("/api/state", get(state))
        .route("/api/events", get(states))
        .route("/api/next", post(next))
        .route("/api/question/{id}", get(question))
        .route("/api/question/{id}/teaches", get(teaches))
        .route("/api/answer", post(answer))
        .route("/api/undo", post(undo))
        .route("/api/redo", post(redo))
        .route("/api/answers", get(answers))
        .route("/api/series", get(series))
        .route("/api/tiles", get(tiles))
        .route("/api/before", get(before))
        .route("/api/usual", get(usual))
        .route("/api/scores", get(scores))
        .route("/api/siblings", get(siblings))
        .route("/api/rows", get(rows))
        .route("/api/similar", get(similar))
        .route("/api/labels", get(labels).post(label))
        .route("/api/point", get(point))
        .route("/api/suggestions", get(suggestions))
        .route("/api/suggestions/{id}", post(decide))
        .route("/api/budget", post(budget))
        .route("/api/export", get(export))
        .route("/api/import", post(import))
        .fallback(async || ApiError::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || ApiError::with(405, "this path does not take this method", None))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.json())).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

/// Checks a request before anything else looks at it, and adds its headers to what is answered.
async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let is_stream = request.uri().path() == "/api/events";
    let answer = async {
        app.gate.check(request.method(), request.uri(), request.headers())?;
        // Numbers of another start would be those of other series and points.
        if request.headers().get(START).is_some_and(|start| start.as_bytes() != app.server.start.as_bytes()) {
            return Err(ApiError::with(
                412,
                "the data are others since the page read them",
                Some("read the session again"),
            ));
        }
        let busy = || ApiError::with(429, "too many requests at once", Some("try again in a moment"));
        let _permit = if is_stream { None } else { Some(app.requests.try_acquire().map_err(|_| busy())?) };
        let late = || ApiError::with(408, "the request took too long", None);
        tokio::time::timeout(TIMEOUT, next.run(request)).await.map_err(|_| late())
    };
    with_headers(answer.await.unwrap_or_else(ApiError::into_response))
}

type JsonResponse = Result<Json<Value>, ApiError>;

/// Runs what reads a disk or computes for long where it keeps no other request waiting.
async fn work(
    app: AppState,
    job: impl FnOnce(&LabellingServer) -> Result<Value, ApiError> + Send + 'static,
) -> JsonResponse {
    let done = tokio::task::spawn_blocking(move || job(&app.server)).await;
    done.map_err(|_| ApiError::with(500, "the request failed; this is a bug", None))?.map(Json)
}

fn parameters<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri).map(|Query(parameters)| parameters).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        ApiError::bad_request(format!("the parameters cannot be read: {cause}"))
    })
}

async fn body(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::with(413, &format!("a request may have {limit} bytes"), None);
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > limit) {
        return Err(too_large());
    }
    to_bytes(request.into_body(), limit).await.map_err(|_| too_large())
}

async fn json<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(ApiError::with(415, "expected a body of the type `application/json`", None));
    }
    let bytes = body(request, MAX_BODY).await?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))
}

async fn index(State(app): State<AppState>, uri: Uri) -> Response {
    if let Some(response) = to_page(&app.gate, &uri) {
        return response;
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page::index(&app.gate.token)).into_response()
}

/// Where the address carries the secret: keeps it in a cookie, and leads to the same page without it in the address.
pub(super) fn to_page(gate: &Gate, uri: &Uri) -> Option<Response> {
    let address = gate.knows(uri).then(|| Gate::without_secret(uri))?;
    Some(
        (StatusCode::SEE_OTHER, [(header::SET_COOKIE, gate.set_cookie()), (header::LOCATION, address)]).into_response(),
    )
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = page::asset(&name) else {
        return ApiError::not_found("there is nothing at this path").into_response();
    };
    let tag = asset.tag();
    let head = [
        (header::CONTENT_TYPE, asset.kind.to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag.clone()),
    ];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    (head, asset.bytes).into_response()
}

async fn session(State(app): State<AppState>) -> JsonResponse {
    work(app, |server| Ok(server.session_json())).await
}

async fn state(State(app): State<AppState>) -> JsonResponse {
    work(app, |server| Ok(server.state_json())).await
}

/// The state now, and again whenever it changes.
async fn states(State(app): State<AppState>) -> Response {
    let Ok(permit) = Arc::clone(&app.streams).try_acquire_owned() else {
        return ApiError::with(429, "too many pages are open at once", None).into_response();
    };
    let mut changes = app.server.changes();
    changes.mark_changed();
    let events = stream::unfold((app, changes, permit), async |(app, mut changes, permit)| {
        changes.changed().await.ok()?;
        changes.mark_unchanged();
        if app.server.is_stopped() {
            return None;
        }
        let Json(state) = work(app.clone(), |server| Ok(server.state_json())).await.ok()?;
        let event = Event::default().event("state").data(state.to_string());
        Some((Ok::<Event, Infallible>(event), (app, changes, permit)))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Who {
    who: String,
    #[serde(default)]
    key: Option<String>,
}

async fn next(State(app): State<AppState>, request: Request) -> JsonResponse {
    let Who { who, .. } = json(request).await?;
    work(app, move |server| server.next(&who)).await
}

#[derive(Deserialize)]
struct QuestionParameters {
    #[serde(default)]
    who: String,
}

async fn question(State(app): State<AppState>, Path(id): Path<String>, uri: Uri) -> JsonResponse {
    let QuestionParameters { who } = parameters(&uri)?;
    let id: u64 = id.parse().map_err(|_| ApiError::not_found("a question has a number"))?;
    work(app, move |server| server.question(id, &who)).await
}

#[derive(Deserialize)]
struct Painted {
    first: usize,
    last: usize,
}

async fn teaches(State(app): State<AppState>, Path(id): Path<String>, uri: Uri) -> JsonResponse {
    let Painted { first, last } = parameters(&uri)?;
    let id: u64 = id.parse().map_err(|_| ApiError::not_found("a question has a number"))?;
    work(app, move |server| server.taught(id, (first, last))).await
}

async fn answer(State(app): State<AppState>, request: Request) -> JsonResponse {
    let request: AnswerRequest = json(request).await?;
    work(app, move |server| server.answer(&request)).await
}

async fn undo(State(app): State<AppState>, request: Request) -> JsonResponse {
    let Who { who, key } = json(request).await?;
    work(app, move |server| server.step(&who, true, key.as_ref())).await
}

async fn redo(State(app): State<AppState>, request: Request) -> JsonResponse {
    let Who { who, key } = json(request).await?;
    work(app, move |server| server.step(&who, false, key.as_ref())).await
}

#[derive(Deserialize)]
struct AnswersParameters {
    who: Option<String>,
    before: Option<i64>,
    limit: Option<usize>,
}

async fn answers(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let AnswersParameters { who, before, limit } = parameters(&uri)?;
    work(app, move |server| Ok(server.answers_json(who.as_deref(), before, limit.unwrap_or(50)))).await
}

#[derive(Deserialize)]
struct SeriesParameters {
    #[serde(default)]
    search: String,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
    #[serde(default)]
    order: Order,
}

async fn series(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let SeriesParameters { search, offset, limit, order } = parameters(&uri)?;
    work(app, move |server| Ok(server.series_json(&search, offset, limit.unwrap_or(100), order))).await
}

#[derive(Deserialize)]
struct RangeParameters {
    series: usize,
    from: usize,
    to: usize,
    n: Option<usize>,
    lag_s: Option<i64>,
    limit: Option<usize>,
    point: Option<usize>,
}

impl RangeParameters {
    const fn range(&self) -> SeriesRange {
        SeriesRange { series: self.series, from: self.from, to: self.to }
    }
}

async fn tiles(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.tiles_json(of.range(), of.n.unwrap_or(1_200))).await
}

async fn before(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.before_json(of.range(), of.lag_s.unwrap_or(86_400))).await
}

async fn usual(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.usual_json(of.range())).await
}

async fn scores(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.scores_json(of.range())).await
}

async fn siblings(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.siblings_json(of.range(), of.point, of.limit.unwrap_or(8))).await
}

async fn rows(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.rows_json(of.range())).await
}

async fn labels(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let of: RangeParameters = parameters(&uri)?;
    work(app, move |server| server.labels_json(of.range())).await
}

#[derive(Deserialize)]
struct PointParameters {
    series: String,
    at: String,
}

async fn point(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let PointParameters { series, at } = parameters(&uri)?;
    work(app, move |server| server.point_json(&series, &at)).await
}

async fn suggestions(State(app): State<AppState>) -> JsonResponse {
    work(app, |server| Ok(server.suggestions_json())).await
}

async fn decide(State(app): State<AppState>, Path(id): Path<String>, request: Request) -> JsonResponse {
    let decision: Decision = json(request).await?;
    work(app, move |server| server.decide(&id, &decision)).await
}

#[derive(Deserialize)]
struct SimilarTo {
    series: usize,
    point: usize,
    n: Option<usize>,
}

async fn similar(State(app): State<AppState>, uri: Uri) -> JsonResponse {
    let SimilarTo { series, point, n } = parameters(&uri)?;
    work(app, move |server| server.similar_json(series, point, n.unwrap_or(12))).await
}

async fn label(State(app): State<AppState>, request: Request) -> JsonResponse {
    let request: LabelRequest = json(request).await?;
    work(app, move |server| server.label(&request)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    questions: usize,
}

async fn budget(State(app): State<AppState>, request: Request) -> JsonResponse {
    let Budget { questions } = json(request).await?;
    work(app, move |server| server.raise_budget(questions)).await
}

#[derive(Deserialize)]
struct Exchange {
    format: String,
    #[serde(default)]
    who: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

async fn export(State(app): State<AppState>, uri: Uri) -> Result<Response, ApiError> {
    let of: Exchange = parameters(&uri)?;
    let done = tokio::task::spawn_blocking(move || app.server.export(&of.format)).await;
    let file = done.map_err(|_| ApiError::with(500, "the request failed; this is a bug", None))??;
    let head = [
        (header::CONTENT_TYPE, file.kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.name)),
    ];
    Ok((head, file.text).into_response())
}

async fn import(State(app): State<AppState>, request: Request) -> JsonResponse {
    let of: Exchange = parameters(request.uri())?;
    let bytes = body(request, MAX_IMPORT).await?;
    work(app, move |server| {
        let who = of.who.unwrap_or_else(|| server.settings.who.clone());
        server.import(&who, &of.format, &of.name.unwrap_or_else(|| "the file".to_owned()), &bytes)
    })
    .await
}

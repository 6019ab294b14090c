//! The page while there is no labelling server: it says what is awaited, and loads itself again until there is one.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::super::api_error::ApiError;
use super::super::page;
use super::gate::Gate;
use super::headers::with_headers;
use super::routes::{asset, to_page};

/// What is awaited, in a sentence.
pub(crate) type Message = Arc<dyn Fn() -> String + Send + Sync>;

#[derive(Clone)]
struct Waiting {
    gate: Arc<Gate>,
    message: Message,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The page that says what is awaited; everything else is to be asked for again.
pub(crate) fn waiting_router(gate: Gate, message: Message) -> Router {
    let waiting = Waiting { gate: Arc::new(gate), message };
    Router::new()
        .route("/", get(index))
        .route("/assets/{*name}", get(asset))
        .fallback(later)
        .layer(middleware::from_fn_with_state(waiting.clone(), guard))
        .with_state(waiting)
}

async fn guard(State(waiting): State<Waiting>, request: Request, next: Next) -> Response {
    let response = match waiting.gate.check(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    with_headers(response)
}

async fn index(State(waiting): State<Waiting>, uri: Uri) -> Response {
    if let Some(response) = to_page(&waiting.gate, &uri) {
        return response;
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page::waiting(&(waiting.message)())).into_response()
}

async fn later(State(waiting): State<Waiting>) -> Response {
    ApiError::unavailable((waiting.message)()).into_response()
}

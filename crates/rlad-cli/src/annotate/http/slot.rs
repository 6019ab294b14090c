//! What stands behind the page's address at present: a labelling server, or the page that says what is awaited.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// Routes that can be exchanged while they are served.
#[derive(Clone, Debug)]
pub(crate) struct PageSlot(Arc<RwLock<Router>>);

impl PageSlot {
    /// A slot with these routes in it.
    pub(crate) fn new(router: Router) -> Self {
        Self(Arc::new(RwLock::new(router)))
    }

    /// Puts others in. Requests under way are answered by those before.
    pub(crate) fn set(&self, router: Router) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = router;
    }

    /// Routes that give every request to those that are in the slot then.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(forward).with_state(self.clone())
    }
}

async fn forward(State(slot): State<PageSlot>, request: Request) -> Response {
    let router = slot.0.read().unwrap_or_else(PoisonError::into_inner).clone();
    let Ok::<Response, Infallible>(response) = TowerToHyperService::new(router).call(request).await;
    response
}

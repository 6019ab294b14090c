//! The HTTP server of the page: the routes of `docs/labelling.md`, for people on this machine, or for those who have the secret.

mod gate;
mod headers;
mod routes;
#[cfg_attr(not(test), expect(dead_code, reason = "for the service, which exchanges its labelling servers"))]
mod slot;
#[cfg_attr(not(test), expect(dead_code, reason = "for the service, whose data are awaited"))]
mod waiting;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

pub(crate) use self::gate::Gate;
pub(crate) use self::routes::page_router;
pub(crate) use self::{slot::PageSlot, waiting::waiting_router};
use super::random::random_text;
use super::server::LabellingServer;

/// The connections that are open at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The address of the page, and its secret.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The address; port 0 takes a free one.
    pub(crate) bind: SocketAddr,
    /// The secret that a browser must know; made where it is needed and not given.
    pub(crate) secret: Option<String>,
}

/// A server that listens, and answers nobody yet.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
    secret: Option<String>,
}

impl Bound {
    /// Listens at an address.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub(crate) fn open(options: &Options) -> anyhow::Result<Self> {
        let failed = || format!("cannot listen at `{}`", options.bind);
        let listener = std::net::TcpListener::bind(options.bind).with_context(failed)?;
        listener.set_nonblocking(true).with_context(failed)?;
        let address = listener.local_addr().with_context(failed)?;
        let secret = match &options.secret {
            Some(secret) => Some(secret.clone()),
            None if address.ip().is_loopback() => None,
            None => Some(random_text()?),
        };
        Ok(Self { listener, address, secret })
    }

    /// The gate of the page here: one that is kept as long as this address.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub(crate) fn gate(&self) -> anyhow::Result<Gate> {
        Gate::new(self.address, self.secret.clone())
    }

    /// The address to open in a browser.
    pub(crate) fn url(&self) -> String {
        let ip = match self.address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        };
        let base = format!("http://{}/", SocketAddr::new(ip, self.address.port()));
        match &self.secret {
            Some(secret) => format!("{base}?secret={secret}"),
            None => base,
        }
    }
}

/// Serves the labelling server until `end` says so, or the user ends the program.
///
/// # Errors
/// If the server cannot be started.
pub(crate) fn serve(
    bound: Bound,
    server: &Arc<LabellingServer>,
    end: tokio::sync::oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let router = page_router(Arc::clone(server), bound.gate()?);
    listen(bound, router, end)
}

/// Serves routes until `end` says so, or the user ends the program.
///
/// # Errors
/// If the server cannot be started.
pub(crate) fn listen(
    bound: Bound,
    router: axum::Router,
    end: tokio::sync::oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build()
        .context("cannot start the server")?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(bound.listener).context("cannot start the server")?;
        tokio::select! {
            () = accept(listener, router) => {}
            () = ended() => {}
            _ = end => {
                // Requests under way are still answered.
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
        anyhow::Ok(())
    })?;
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(())
}

/// The user's input to end the program.
async fn ended() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            let _ = interrupt.await;
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}

async fn accept(listener: tokio::net::TcpListener, router: axum::Router) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, perhaps: others may close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A client that goes away is no error of ours.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(64 * 1024)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

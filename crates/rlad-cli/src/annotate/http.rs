//! The HTTP server of the page: the routes of `docs/labelling.md`, for people on this machine, or for those who have the secret.

mod gate;
mod headers;
mod listening;
mod routes;
mod slot;
mod waiting;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;

pub(crate) use self::gate::{Gate, is_same};
pub(crate) use self::listening::{Listening, listen};
pub(crate) use self::routes::page_router;
pub(crate) use self::{slot::PageSlot, waiting::waiting_router};
use super::random::random_text;
use super::server::LabellingServer;

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
    listen(bound, router, Listening::default(), end, || ())
}

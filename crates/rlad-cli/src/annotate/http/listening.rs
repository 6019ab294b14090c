//! Connections: how many, how long they may take, and their encryption.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use super::Bound;

/// How long a client may take to read what was written to it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How connections are taken.
#[derive(Clone)]
pub(crate) struct Listening {
    /// The connections that are open at once.
    pub(crate) connections: usize,
    /// How long a client may take for the head of a request, and for its handshake.
    pub(crate) head_timeout: Duration,
    /// The certificate with those that signed it, and its key (PEM); none where connections are not encrypted.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
    acceptor: Option<TlsAcceptor>,
}

impl Default for Listening {
    fn default() -> Self {
        Self { connections: 256, head_timeout: Duration::from_secs(10), tls: None, acceptor: None }
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listening")
            .field("connections", &self.connections)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Listening {
    /// Connections that are encrypted where `tls` names a certificate and a key.
    ///
    /// # Errors
    /// If these cannot be read, or do not belong together.
    pub(crate) fn new(
        connections: usize,
        head_timeout: Duration,
        tls: Option<(PathBuf, PathBuf)>,
    ) -> anyhow::Result<Self> {
        let acceptor = tls.as_ref().map(|(certificate, key)| acceptor(certificate, key)).transpose()?;
        Ok(Self { connections, head_timeout, tls, acceptor })
    }
}

fn acceptor(certificate: &std::path::Path, key: &std::path::Path) -> anyhow::Result<TlsAcceptor> {
    let failed = |path: &std::path::Path| format!("cannot use `{}`", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.with_context(|| failed(certificate))?;
    let of_key = PrivateKeyDer::from_pem_file(key).with_context(|| failed(key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, of_key)
        .with_context(|| format!("`{}` and `{}` do not belong together", certificate.display(), key.display()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves routes until `end` says so, or the user ends the program. `begun` is called once that is heard.
///
/// # Errors
/// If the server cannot be started.
pub(crate) fn listen(
    bound: Bound,
    router: axum::Router,
    listening: Listening,
    end: tokio::sync::oneshot::Receiver<()>,
    begun: impl FnOnce(),
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(32)
        .enable_all()
        .build()
        .context("cannot start the server")?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(bound.listener).context("cannot start the server")?;
        let ended = ended().context("cannot start the server")?;
        begun();
        tokio::select! {
            () = accept(listener, router, listening) => {}
            () = ended => {}
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

/// The user's input to end the program, which is heard from the call on.
#[cfg(unix)]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// The user's input to end the program.
#[cfg(not(unix))]
fn ended() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

async fn accept(listener: tokio::net::TcpListener, router: axum::Router, listening: Listening) {
    let slots = Arc::new(Semaphore::new(listening.connections));
    loop {
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of files, perhaps: others may close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let (router, listening) = (router.clone(), listening.clone());
        tokio::spawn(async move {
            let stream = Box::pin(stream);
            match &listening.acceptor {
                None => answer(stream, router, listening.head_timeout).await,
                Some(acceptor) => {
                    let shaken = tokio::time::timeout(listening.head_timeout, acceptor.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        answer(stream, router, listening.head_timeout).await;
                    }
                }
            }
            drop(permit);
        });
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: axum::Router,
    head_timeout: Duration,
) {
    // A client that goes away is no error of ours.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
}

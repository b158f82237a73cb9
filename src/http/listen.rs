//! Accepts connections until told to stop, then lets those in flight end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{Settings, stall::Stall, tls::Tls};

/// After a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// After the last call ended, so long for its answer to go out.
const FLUSH: Duration = Duration::from_millis(250);

/// How serving ends.
pub struct End<Q> {
    /// Accept nothing new from now on.
    pub stop: CancellationToken,
    /// Is ready once no call is in flight: streams that only listen need not be waited for.
    pub quiet: Q,
    /// Cut off what is left. Cancelled by the listener itself when its time to drain is over.
    pub cut: CancellationToken,
}

/// Where connections come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Door {
    /// With encryption, or without.
    pub fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        Self { listener, tls }
    }
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self::new(listener, None)
    }
}

/// From where a request's connection comes; in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves until told to stop, then drains: nothing new is accepted, calls in flight get their time, and what is left is cut off.
pub async fn serve(door: impl Into<Door>, routes: Router, settings: &Settings, End { stop, quiet, cut }: End<impl Future<Output = ()>>) {
    let Door { listener, tls } = door.into();
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout());
    let desk = Desk { builder, tls, routes, head: settings.header_timeout(), stall: settings.body_timeout() };
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = room.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let (served, cut) = (desk.clone().serve(accepted, graceful.watcher()), cut.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = served => {}
                () = cut.cancelled() => {}
            }
        });
    }
    drop(listener);
    tracing::info!("stopped accepting; calls in flight may end");
    let drained = tokio::time::timeout(settings.drain(), async {
        tokio::select! {
            () = graceful.shutdown() => {}
            () = async { quiet.await; tokio::time::sleep(FLUSH).await } => {}
        }
    })
    .await;
    cut.cancel();
    if drained.is_err() {
        tracing::warn!(seconds = settings.drain_seconds, "some calls did not end in time and were cut off");
    }
}

/// How each connection is served.
#[derive(Clone)]
struct Desk {
    builder: http1::Builder,
    tls: Option<Arc<Tls>>,
    routes: Router,
    head: Duration,
    stall: Duration,
}

impl Desk {
    async fn serve(self, (stream, peer): (TcpStream, SocketAddr), watcher: Watcher) {
        // Answers are small and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let stream = Stall::new(stream, self.stall);
        let Some(tls) = self.tls.clone() else { return self.converse(stream, peer, watcher).await };
        // Shaking hands takes no longer than the head that would follow.
        match tokio::time::timeout(self.head, async { tls.acceptor().await.accept(stream).await }).await {
            Ok(Ok(stream)) => self.converse(stream, peer, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr, watcher: Watcher) {
        let routes = TowerToHyperService::new(self.routes);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            routes.call(request)
        });
        let connection = watcher.watch(self.builder.serve_connection(TokioIo::new(stream), service));
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

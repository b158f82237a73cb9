//! Accepts connections until told to stop, then lets those in flight end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use futures::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Gate, Settings,
    flight::{self, Flight},
    gate::Answers,
    stall::Stall,
    tls::Tls,
};

/// After a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// After the last call ended, so long for its answer to go out.
const FLUSH: Duration = Duration::from_millis(250);

/// Connections beyond the most that are answered at once; further ones are closed without a word.
const MOST_TURNED_AWAY: usize = 64;
/// How long answering one of them may take.
const TURNING_AWAY: Duration = Duration::from_secs(2);
/// How often the log says so.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// How serving ends.
pub struct End<Q> {
    /// Accept nothing new from now on.
    pub stop: CancellationToken,
    /// What it gives is ready once no call runs, also none whose caller is gone or was answered. Streams that only listen are not waited for.
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

/// Serves until told to stop, then drains: nothing new is accepted, requests and calls in flight get their time, and what is left is cut off.
pub async fn serve<Q, F>(door: impl Into<Door>, gate: Gate, settings: &Settings, End { stop, quiet, cut }: End<Q>)
where
    Q: Fn() -> F,
    F: Future<Output = ()>,
{
    let Door { listener, tls } = door.into();
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let flight = Arc::<Flight>::default();
    let desk = Desk::new(tls, gate, flight.clone(), settings);
    let mut away = Away::new(&desk);
    loop {
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
        let Ok(permit) = room.clone().try_acquire_owned() else {
            away.turn(accepted, graceful.watcher());
            continue;
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
    let drained = tokio::time::timeout(settings.drain(), drain(&flight, quiet, graceful)).await;
    cut.cancel();
    if drained.is_err() {
        tracing::warn!(seconds = settings.drain_seconds, "some calls did not end in time and were cut off");
    }
}

/// Waits for requests and calls in flight, and for their answers to go out.
async fn drain<F: Future<Output = ()>>(flight: &Flight, quiet: impl Fn() -> F, graceful: GracefulShutdown) {
    let gone = CancellationToken::new();
    let all_gone = gone.clone();
    tokio::spawn(async move {
        graceful.shutdown().await;
        all_gone.cancel();
    });
    loop {
        flight.over().await;
        quiet().await;
        // A message that is answered on another stream may have begun a call meanwhile.
        tokio::select! {
            () = gone.cancelled() => {}
            () = tokio::time::sleep(FLUSH) => {}
        }
        if flight.is_over() && quiet().now_or_never().is_some() {
            return;
        }
    }
}

/// How each connection is served.
#[derive(Clone)]
struct Desk {
    builder: http1::Builder,
    tls: Option<Arc<Tls>>,
    answers: Answers,
    flight: Arc<Flight>,
    head: Duration,
    stall: Duration,
}

impl Desk {
    fn new(tls: Option<Arc<Tls>>, gate: Gate, flight: Arc<Flight>, settings: &Settings) -> Self {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout());
        Self { builder, tls, answers: Answers::Gate(Arc::new(gate)), flight, head: settings.header_timeout(), stall: settings.body_timeout() }
    }

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
        let (answers, flight) = (self.answers, self.flight);
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (answers, flight) = (answers.clone(), flight.clone());
            async move { Ok::<_, Infallible>(flight::count(&flight, answers.to(request)).await) }
        });
        let connection = watcher.watch(self.builder.serve_connection(TokioIo::new(stream), service));
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// Answers connections for which there is no room, so that clients and health probes learn of it at once.
struct Away {
    desk: Desk,
    room: Arc<Semaphore>,
    told: Option<Instant>,
}

impl Away {
    fn new(desk: &Desk) -> Self {
        let mut desk = desk.clone();
        desk.builder.keep_alive(false);
        desk.answers = Answers::Busy;
        Self { desk, room: Arc::new(Semaphore::new(MOST_TURNED_AWAY)), told: None }
    }

    fn turn(&mut self, accepted: (TcpStream, SocketAddr), watcher: Watcher) {
        if self.told.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
            tracing::warn!("http.max_connections are open; further ones are turned away");
            self.told = Some(Instant::now());
        }
        let Ok(permit) = self.room.clone().try_acquire_owned() else { return };
        let served = self.desk.clone().serve(accepted, watcher);
        tokio::spawn(async move {
            let _permit = permit;
            // Who is slower than this learns it by the end of the connection.
            let _ = tokio::time::timeout(TURNING_AWAY, served).await;
        });
    }
}

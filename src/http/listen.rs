//! Accepts connections until told to stop, then lets those in flight end.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{Settings, stall::Stall};

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

/// Serves until told to stop, then drains: nothing new is accepted, calls in flight get their time, and what is left is cut off.
pub async fn serve(listener: TcpListener, routes: Router, settings: &Settings, End { stop, quiet, cut }: End<impl Future<Output = ()>>) {
    let room = Arc::new(Semaphore::new(settings.max_connections));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(settings.header_timeout());
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = room.clone().acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        serve_one(stream, &builder, routes.clone(), settings, &graceful, (permit, cut.clone()));
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

/// What a connection holds as long as it is there: its place, and the token that cuts it off.
type Held = (Result<tokio::sync::OwnedSemaphorePermit, tokio::sync::AcquireError>, CancellationToken);

fn serve_one(stream: TcpStream, builder: &http1::Builder, routes: Router, settings: &Settings, graceful: &GracefulShutdown, (permit, cut): Held) {
    // Answers are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Stall::new(stream, settings.body_timeout()));
    let connection = graceful.watch(builder.serve_connection(stream, TowerToHyperService::new(routes)));
    tokio::spawn(async move {
        let _permit = permit;
        tokio::select! {
            ended = connection => if let Err(error) = ended { tracing::debug!(%error, "connection ended") },
            () = cut.cancelled() => {}
        }
    });
}

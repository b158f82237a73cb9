//! MCP over stdin and stdout.

use std::{sync::Arc, time::Duration};

use rmcp::ServiceExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{Hub, Server, lines::Lines, server::Transport};
use crate::types::access::Principal;

/// How long calls in flight may still be answered once stdin has ended: enough for `echo .. | opsmedic serve`, and still at once.
const DRAIN: Duration = Duration::from_millis(250);
/// How long a client may take to read what is left.
const FLUSH: Duration = Duration::from_secs(1);

/// Serves until stdin ends or `stop` is cancelled.
///
/// # Errors
/// A client that does not speak the protocol, in words.
pub async fn serve(hub: Arc<Hub>, stop: CancellationToken) -> Result<(), String> {
    // The pipe transport can be given up while a read is pending; tokio's stdin cannot.
    let (stdin, stdout) = rmcp::transport::stdio_pipes();
    serve_over(hub, stdin, stdout, stop).await
}

/// As [`serve`], over any pair of streams.
///
/// # Errors
/// As [`serve`].
pub async fn serve_over(
    hub: Arc<Hub>,
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: CancellationToken,
) -> Result<(), String> {
    let ended = CancellationToken::new();
    let (lines, writer) = Lines::new(input, output, ended.clone(), Some((hub.clone(), Principal::local())));
    let served = run(hub, lines, stop, ended).await;
    // Whoever reads no more needs no answer.
    let _ = tokio::time::timeout(FLUSH, writer).await;
    served
}

async fn run(
    hub: Arc<Hub>,
    lines: impl rmcp::transport::Transport<rmcp::RoleServer, Error = std::io::Error> + 'static,
    stop: CancellationToken,
    ended: CancellationToken,
) -> Result<(), String> {
    let running = Server::new(hub, Transport::Stdio).serve_with_ct(lines, stop.clone());
    let running = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        running = running => match running {
            Ok(running) => running,
            // A client that closes before it says anything is no error.
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        },
    };
    // The library would wait seconds for calls whose answers nobody reads.
    let gone = async {
        ended.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        ended = running.waiting() => ended.map(|reason| tracing::info!(?reason, "client gone")).map_err(|e| e.to_string()),
        () = gone => Ok(()),
    }
}

//! MCP over stdin and stdout.

use std::sync::Arc;

use rmcp::ServiceExt as _;
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::flows::Services;

/// Serves until stdin ends or `stop` is cancelled.
///
/// # Errors
/// A client that does not speak the protocol, in words.
pub async fn serve(services: Arc<Services>, stop: CancellationToken) -> Result<(), String> {
    // The pipe transport can be given up while a read is pending; tokio's stdin cannot.
    let running = Server::new(services).serve_with_ct(rmcp::transport::stdio_pipes(), stop.clone());
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
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => return Ok(()),
        ended = running.waiting() => ended,
    };
    ended.map(|reason| tracing::info!(?reason, "client gone")).map_err(|e| e.to_string())
}

//! MCP over stdin and stdout.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rmcp::ServiceExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{Hub, Server, server::Transport};

/// How long calls in flight may still be answered once stdin has ended: enough for `echo .. | opsmedic serve`, and still at once.
const DRAIN: Duration = Duration::from_millis(250);

/// Serves until stdin ends or `stop` is cancelled.
///
/// # Errors
/// A client that does not speak the protocol, in words.
pub async fn serve(hub: Arc<Hub>, stop: CancellationToken) -> Result<(), String> {
    // The pipe transport can be given up while a read is pending; tokio's stdin cannot.
    let (stdin, stdout) = rmcp::transport::stdio_pipes();
    let ended = CancellationToken::new();
    let stdin = NoticeEnd { inner: stdin, ended: ended.clone() };
    let running = Server::new(hub, Transport::Stdio).serve_with_ct((stdin, stdout), stop.clone());
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

/// A reader that tells when it has come to its end.
struct NoticeEnd<R> {
    inner: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for NoticeEnd<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let nothing = buffer.remaining() > 0 && buffer.filled().len() == before;
        if matches!(&read, Poll::Ready(Ok(())) if nothing) || matches!(&read, Poll::Ready(Err(_))) {
            self.ended.cancel();
        }
        read
    }
}

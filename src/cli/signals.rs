//! Signals that ask the process to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the process is asked to end: Ctrl-C, `kill`, or a terminal that goes away.
pub(super) async fn asked_to_stop() {
    let listen = |kind| signal(kind).ok();
    let (mut terminate, mut interrupt, mut hangup) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()), listen(SignalKind::hangup()));
    tokio::select! {
        Some(()) = async { terminate.as_mut()?.recv().await } => {}
        Some(()) = async { interrupt.as_mut()?.recv().await } => {}
        Some(()) = async { hangup.as_mut()?.recv().await } => {}
        else => std::future::pending().await,
    }
}

//! `serve`

use std::{io::IsTerminal as _, sync::Arc};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Outcome, recover};
use crate::{flows::Services, mcp};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Refuse every recovery
    #[arg(long)]
    pub read_only: bool,
}

pub(super) async fn run(_args: &ServeArgs, services: Arc<Services>) -> Outcome {
    if std::io::stdin().is_terminal() {
        tracing::warn!("speaks MCP on stdin and stdout; an MCP client starts this command. The README has the configuration; Ctrl-C ends it");
    }
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopper = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopper.cancel();
    });
    // Beside the first answers, not before them.
    let for_orphans = services.clone();
    let orphans = tokio::spawn(async move { recover::mark_orphans(&for_orphans).await });
    let served = mcp::serve(services.clone(), stop).await;
    orphans.abort();
    services.recovery.shut_down().await;
    served.map(|()| Exit::Fine).map_err(Failure::could_not_run)
}

//! `serve`

use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Outcome};
use crate::{flows::Services, mcp, ports::process, recovery::Owner};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Refuse every recovery
    #[arg(long)]
    pub read_only: bool,
}

pub(super) async fn run(_args: &ServeArgs, services: Arc<Services>) -> Outcome {
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
    let orphans = tokio::spawn(async move { mark_orphans(&for_orphans).await });
    let served = mcp::serve(services.clone(), stop).await;
    orphans.abort();
    services.recovery.shut_down().await;
    served.map(|()| Exit::Fine).map_err(Failure::could_not_run)
}

/// What a dead process left running is shown as interrupted from now on.
async fn mark_orphans(services: &Services) {
    if services.recovery.targets().is_empty() {
        return;
    }
    match services.recovery.interrupt_orphans(&|owner: &Owner| process::is_gone(&owner.0)).await {
        Ok(found) => found
            .iter()
            .for_each(|o| tracing::warn!(operation = %o.operation_id, target = %o.target, "was running when its process ended; marked as interrupted")),
        Err(error) => tracing::error!(%error, "the store cannot be used; recoveries will be refused"),
    }
}

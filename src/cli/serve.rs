//! `serve`

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Outcome, recover, signals};
use crate::{
    flows::{
        Services,
        watch::{WatchEvent, watch},
    },
    mcp,
};

/// How often operations are looked for whose process is gone.
const ORPHANS: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Refuse every recovery
    #[arg(long)]
    pub read_only: bool,
}

pub(super) async fn run(args: &ServeArgs, services: Arc<Services>) -> Outcome {
    if std::io::stdin().is_terminal() {
        tracing::warn!("speaks MCP on stdin and stdout; an MCP client starts this command. The README has the configuration; Ctrl-C ends it");
    }
    let stop = CancellationToken::new();
    let stopper = stop.clone();
    tokio::spawn(async move {
        signals::asked_to_stop().await;
        stopper.cancel();
    });
    // Beside the first answers, not before them, and again: a holder that may live is waited for until its lease has run out.
    let for_orphans = services.clone();
    let orphans = tokio::spawn(async move {
        loop {
            recover::mark_orphans_and_probe(&for_orphans).await;
            tokio::time::sleep(ORPHANS).await;
        }
    });
    let healing = heal(args, &services, &stop);
    let served = mcp::serve(services.clone(), stop).await;
    orphans.abort();
    if let Some(healing) = healing {
        healing.abort();
    }
    services.recovery.shut_down().await;
    served.map(|()| Exit::Fine).map_err(Failure::could_not_run)
}

/// The self-healing loop, where the configuration says so.
fn heal(args: &ServeArgs, services: &Arc<Services>, stop: &CancellationToken) -> Option<tokio::task::JoinHandle<()>> {
    if !services.recovery.settings().auto_recovery || args.read_only {
        return None;
    }
    let tell = Arc::new(|event: WatchEvent| match &event {
        WatchEvent::Failing { .. } | WatchEvent::Well { .. } => tracing::info!(?event, "watch"),
        _ => tracing::warn!(?event, "watch"),
    });
    Some(tokio::spawn(watch(services.clone(), tell, stop.clone())))
}

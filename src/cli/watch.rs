//! `watch`: the self-healing loop on a terminal, or as a service of its own.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Out, Outcome, recover, signals};
use crate::flows::{
    Services,
    watch::{WatchEvent, watch, watched},
};

#[derive(Debug, Args)]
pub struct WatchArgs {}

pub(super) async fn run(_args: &WatchArgs, services: Arc<Services>, out: &mut Out) -> Outcome {
    let targets = watched(&services);
    if targets.is_empty() {
        return Err(Failure::usage("no target is watched: the configuration lists none that may be acted on and whose checks lead to an issue type"));
    }
    recover::mark_orphans(&services).await;
    let settings = &services.recovery.settings().watch;
    if !out.is_json() {
        let names: Vec<String> = targets.iter().map(|(target, issue)| format!("{target} ({issue})")).collect();
        out.title(format!(
            "watching {}, every {} s, {} failed looks start a recovery; Ctrl-C ends",
            names.join(", "),
            settings.interval_seconds,
            settings.failures
        ))?;
    }
    let stop = CancellationToken::new();
    let shared = Arc::new(Mutex::new((out.another(), stop.clone())));
    let cleaner = services.clone();
    let tell = Arc::new(move |event: WatchEvent| {
        let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, stop) = &mut *guard;
        // A reader that went away wants no more.
        if say(&event, &cleaner, out).is_err() {
            stop.cancel();
        }
    });
    let stopper = stop.clone();
    tokio::spawn(async move {
        signals::asked_to_stop().await;
        stopper.cancel();
    });
    watch(services.clone(), tell, stop).await;
    services.recovery.shut_down().await;
    Ok(Exit::Fine)
}

fn say(event: &WatchEvent, services: &Services, out: &mut Out) -> std::io::Result<()> {
    if out.is_json() {
        return out.json(services, event, true);
    }
    out.line(match event {
        WatchEvent::Failing { target, times, of, summary } => format!("{target}: down, look {times} of {of}: {summary}"),
        WatchEvent::Well { target } => format!("{target}: well again"),
        WatchEvent::Recovery { target, operation_id, state, message } => format!("{target}: {operation_id} {}: {message}", state.name()),
        WatchEvent::Refused { target, code, message } => format!("{target}: not recovered ({code}): {message}"),
    })
}

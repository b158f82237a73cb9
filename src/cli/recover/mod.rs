//! `recover plan|run|status`; what only a person does is in `person`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{
    Exit, Failure, Out, Outcome,
    output::{cell, number, word},
    passphrase::PassphraseArgs,
    signals,
};
use crate::{
    flows::Services,
    recovery::{JournalError, Operation, OperationFilter, Plan, RecoveryError, State, TriggerRequest},
    types::{access::Scopes, ids::OperationId, issue::IssueType, sanitise::sanitise_line, target::TargetName},
};

mod person;

pub(super) use person::make_key;

/// The way in, for the audit.
const VIA: &str = "command line";

/// A person waits for the end.
const PATIENCE: Duration = Duration::from_secs(86_400);

#[derive(Debug, Subcommand)]
pub enum RecoverCommand {
    /// Show what would be done; changes nothing
    Plan(Subject),
    /// Recover a target, under all guards
    Run {
        #[command(flatten)]
        subject: Subject,
        /// Why; it is kept
        #[arg(long)]
        reason: String,
        /// Repeating a call with the same key never acts twice
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Approve an operation that waits, with the approver's passphrase, and run it
    Approve {
        /// Its id
        operation: OperationId,
        /// Approve only; the caller that asked for it runs it by repeating its call
        #[arg(long)]
        only: bool,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// List what waits for approval
    Pending,
    /// Take back what an operation did, if nothing changed since
    Undo {
        /// Its id
        operation: OperationId,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Look how an operation ended that is unknown or was interrupted
    Probe {
        /// Its id
        operation: OperationId,
    },
    /// Stop all recovery at once, in every process that shares the store (the kill switch)
    Stop {
        /// Why; it is shown to whoever is refused
        #[arg(long, default_value = "stopped by hand")]
        reason: String,
    },
    /// Allow recovery again after a stop
    Resume(PassphraseArgs),
    /// Allow no recovery for a while
    Freeze {
        /// For how long, such as 2h
        #[arg(long = "for", value_name = "DURATION")]
        span: String,
        /// Why; it is shown to whoever is refused
        #[arg(long, default_value = "frozen by hand")]
        reason: String,
        /// Only this target
        #[arg(long)]
        target: Option<TargetName>,
    },
    /// End the freezes that were set by hand
    Unfreeze(PassphraseArgs),
    /// Close a target's circuit breaker, once the cause is mended
    Reset {
        /// The target
        target: TargetName,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Make the line for approver_key in the configuration from a passphrase
    Passphrase(PassphraseArgs),
    /// Show one operation, or the recent ones with the figures of 24 hours
    Status {
        /// Its id
        operation: Option<OperationId>,
        /// Only this target's
        #[arg(long)]
        target: Option<String>,
        /// How many at the most
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub struct Subject {
    /// high_error_rate, high_latency, service_unavailable, database_connection_error, memory_exhaustion or bad_deployment
    issue_type: IssueType,
    /// A target of the configuration
    target: String,
}

/// What a dead process left running is shown as interrupted from now on. Gives what was found.
pub(super) async fn mark_orphans(services: &Services) -> Vec<Operation> {
    if services.recovery.targets().is_empty() {
        return Vec::new();
    }
    match services.recovery.mark_orphans().await {
        Ok(found) => {
            found
                .iter()
                .for_each(|o| tracing::warn!(operation = %o.operation_id, target = %o.target, "was running when its process ended; marked as interrupted"));
            found
        }
        Err(error) => {
            tracing::error!(%error, "the store cannot be used; recoveries will be refused");
            Vec::new()
        }
    }
}

/// The same, and looks how each of them ended.
pub(super) async fn mark_orphans_and_probe(services: &Services) {
    for orphan in mark_orphans(services).await {
        if let Err(error) = services.recovery.probe(&orphan.operation_id, PATIENCE).await {
            tracing::warn!(operation = %orphan.operation_id, %error, "how it ended could not be looked at");
        }
    }
}

pub(super) async fn run(command: RecoverCommand, services: &Services, out: &mut Out) -> Outcome {
    mark_orphans(services).await;
    match command {
        RecoverCommand::Plan(subject) => plan(&subject, services, out).await,
        RecoverCommand::Run { subject, reason, idempotency_key } => {
            let who = services.actor(VIA, None);
            let request = TriggerRequest {
                issue_type: subject.issue_type,
                target: subject.target,
                reason,
                idempotency_key,
                who,
                may: Scopes::all(),
                unattended: false,
                client_asks: false,
            };
            watched(services, services.recovery.trigger(request, PATIENCE), State::Succeeded, out).await
        }
        RecoverCommand::Passphrase(passphrase) => make_key(&passphrase, out),
        RecoverCommand::Status { operation, target, limit } => status(operation, target, limit, services, out).await,
        other => person::run(other, services, out).await,
    }
}

fn failure(error: RecoveryError) -> Failure {
    let message = format!("{error}\nhint: {}", error.hint());
    let exit = match &error {
        RecoveryError::NoTargets | RecoveryError::UnknownTarget { .. } | RecoveryError::BadInput { .. } | RecoveryError::UnknownOperation(_) => Exit::Usage,
        RecoveryError::Journal(JournalError::Unavailable(_)) => Exit::CouldNotRun,
        _ => Exit::Problem,
    };
    let json = serde_json::json!({ "code": error.code(), "message": error.to_string(), "hint": error.hint() });
    Failure { json: Some(json), ..Failure::new(exit, message) }
}

async fn plan(subject: &Subject, services: &Services, out: &mut Out) -> Outcome {
    let (plan, refusal) = services.recovery.plan(subject.issue_type, &subject.target, false).await.map_err(failure)?;
    let now = services.recovery.look(&subject.target).await.map_err(failure)?;
    if out.is_json() {
        let blocked = refusal.as_ref().map(|r| serde_json::json!({ "code": r.code(), "message": r.to_string(), "hint": r.hint() }));
        out.json(services, &serde_json::json!({ "now": now, "plan": plan, "blocked_by": blocked }), false)?;
    } else {
        show_plan(&plan, services, out)?;
        out.line(format!("now: {}", services.clean_text(&now.summary)))?;
        match &refusal {
            Some(refusal) => out.title(format!("would be refused: {refusal}"))?,
            None => out.title(format!("policy {}; then {}", word(&plan.policy), plan.verification))?,
        }
    }
    Ok(if refusal.is_some() { Exit::Problem } else { Exit::Fine })
}

fn show_plan(plan: &Plan, services: &Services, out: &mut Out) -> std::io::Result<()> {
    let rows = plan.steps.iter().zip(1..).map(|(step, n)| {
        let what = step.skipped.as_ref().map_or_else(|| step.call.clone().unwrap_or_default(), |reason| format!("skipped: {reason}"));
        vec![number(n), cell(step.action.name()), cell(word(&step.risk)), cell(services.clean_text(&what)), cell(step.effect.as_deref().unwrap_or_default())]
    });
    out.table(&["#", "Action", "Risk", "Call", "Effect"], rows.collect())
}

/// Runs a recovery; Ctrl-C stops it and that is recorded. Fine is only the wanted end.
async fn watched(services: &Services, work: impl Future<Output = Result<Operation, RecoveryError>>, wanted: State, out: &mut Out) -> Outcome {
    let operation = tokio::select! {
        // What still runs behind it must give the lease back, else the next call is refused until that has run out.
        operation = work => {
            services.recovery.shut_down().await;
            operation.map_err(failure)?
        }
        () = signals::asked_to_stop() => {
            services.recovery.shut_down().await;
            return Err(Failure::new(Exit::Problem, "interrupted; `opsmedic recover status` shows what was recorded"));
        }
    };
    show(&operation, services, out)?;
    Ok(if operation.state == wanted { Exit::Fine } else { Exit::Problem })
}

fn show(operation: &Operation, services: &Services, out: &mut Out) -> std::io::Result<()> {
    if out.is_json() {
        return out.json(services, operation, false);
    }
    let rows = operation
        .attempts
        .iter()
        .map(|a| vec![cell(a.action.name()), cell(word(&a.outcome)), cell(services.clean_text(&a.message)), cell(a.started_at.to_string())]);
    if !operation.attempts.is_empty() {
        out.table(&["Action", "Outcome", "What", "Started"], rows.collect())?;
    }
    if operation.attempts.is_empty() {
        show_plan(&operation.plan, services, out)?;
    }
    out.title(format!("{} {}: {} on {}", operation.operation_id, operation.state.name(), operation.issue_type, operation.target))?;
    out.line(format!("asked for at {}: {}", operation.created_at, sanitise_line(&services.clean_text(&operation.untrusted_reason))))?;
    if let Some(found) = &operation.probe {
        out.line(services.clean_text(found))?;
    }
    if let Some(undo) = operation.to_undo().and_then(|a| a.receipt.undo.as_ref()).filter(|_| operation.state.is_final()) {
        out.line(format!("can be undone: {}; `opsmedic recover undo {}`", services.clean_text(undo), operation.operation_id))?;
    }
    out.line(services.clean_text(&operation.message))
}

async fn status(operation: Option<OperationId>, target: Option<String>, limit: u32, services: &Services, out: &mut Out) -> Outcome {
    let recovery = &services.recovery;
    if let Some(id) = operation {
        show(&recovery.get(&id).await.map_err(failure)?, services, out)?;
        return Ok(Exit::Fine);
    }
    let target = target.map(|name| recovery.target(&name).map(|t| t.name.clone())).transpose().map_err(failure)?;
    let operations = recovery.list(&OperationFilter { target: target.clone(), limit, ..Default::default() }).await.map_err(failure)?;
    let statistics = recovery.statistics(target).await.map_err(failure)?;
    let controls = person::Controls::now(services).await?;
    if out.is_json() {
        out.json(services, &serde_json::json!({ "operations": operations, "statistics": statistics, "controls": controls }), false)?;
        return Ok(Exit::Fine);
    }
    controls.show(services, out)?;
    let rows = operations.iter().map(|o| {
        let last = o.attempts.last().map(|a| a.action.name()).unwrap_or_default();
        vec![
            cell(o.operation_id.as_str()),
            cell(o.state.name()),
            cell(o.target.as_str()),
            cell(o.issue_type.name()),
            cell(last),
            cell(o.created_at.to_string()),
        ]
    });
    out.table(&["Operation", "State", "Target", "Issue", "Last action", "Asked for"], rows.collect())?;
    let rate = statistics.success_rate_percent.map_or_else(|| "none ended".to_owned(), |r| format!("{r} % succeeded"));
    out.title(format!("last 24 h: {} ended, {rate}", statistics.ended))?;
    Ok(Exit::Fine)
}

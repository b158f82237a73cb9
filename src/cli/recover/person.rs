//! What only a person does: approve, see what waits, undo, probe, stop and resume, freeze, reset.

use std::time::Duration;

use serde::Serialize;

use super::{PATIENCE, RecoverCommand, VIA, failure, show, show_plan, watched};
use crate::{
    cli::{Exit, Failure, Out, Outcome, output::cell, passphrase::PassphraseArgs},
    flows::Services,
    recovery::{ApproverKey, Change, RecoveryError, State},
    types::{
        ids::OperationId,
        sanitise::sanitise_line,
        target::Policy,
        time::{parse_duration, show_duration},
    },
};

/// The longest freeze by hand; the configuration has windows for longer ones.
const MAX_FREEZE: Duration = Duration::from_secs(30 * 86_400);
/// A reason is cut here.
const MAX_REASON_BYTES: usize = 200;

pub(super) async fn run(command: RecoverCommand, services: &Services, out: &mut Out) -> Outcome {
    match command {
        RecoverCommand::Approve { operation, only, passphrase } => approve(&operation, only, &passphrase, services, out).await,
        RecoverCommand::Pending => pending(services, out).await,
        RecoverCommand::Undo { operation, passphrase } => undo(&operation, &passphrase, services, out).await,
        RecoverCommand::Probe { operation } => watched(services, services.recovery.probe(&operation, PATIENCE), State::Succeeded, out).await,
        RecoverCommand::Stop { reason } => change(&Change::Halt { reason: one_line(services, &reason) }, None, services, out).await,
        RecoverCommand::Resume(passphrase) => change(&Change::Resume, Some(&passphrase), services, out).await,
        RecoverCommand::Freeze { span, reason, target } => {
            let span = parse_duration(&span).map_err(Failure::usage)?;
            if span < Duration::from_secs(1) || span > MAX_FREEZE {
                return Err(Failure::usage(format!("a freeze lasts from 1 s to {}", show_duration(MAX_FREEZE))));
            }
            let seconds = i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
            change(&Change::Freeze { target, seconds, reason: one_line(services, &reason) }, None, services, out).await
        }
        RecoverCommand::Unfreeze(passphrase) => change(&Change::Unfreeze, Some(&passphrase), services, out).await,
        RecoverCommand::Reset { target, passphrase } => change(&Change::Reset { target }, Some(&passphrase), services, out).await,
        RecoverCommand::Plan(_) | RecoverCommand::Run { .. } | RecoverCommand::Status { .. } | RecoverCommand::Passphrase(_) => {
            unreachable!("run by the caller")
        }
    }
}

fn one_line(services: &Services, reason: &str) -> String {
    let line = sanitise_line(&services.clean_text(reason)).into_owned();
    crate::types::bound::cut(&line, MAX_REASON_BYTES)
}

async fn approve(id: &OperationId, only: bool, passphrase: &PassphraseArgs, services: &Services, out: &mut Out) -> Outcome {
    let known = services.recovery.get(id).await.map_err(failure)?;
    if !out.is_json() {
        out.title(format!("{} on {}, asked for by {} at {}", known.issue_type, known.target, known.requested_by, known.created_at))?;
        out.line(sanitise_line(&services.clean_text(&known.untrusted_reason)))?;
        show_plan(&known.plan, services, out)?;
    }
    // Approved before, and not run yet: this runs it.
    if known.state != State::Approved || only {
        if known.state == State::Planned && !services.recovery.has_approver() {
            return Err(failure(RecoveryError::NoApprover));
        }
        let text = if known.state == State::Planned { passphrase.get(&format!("passphrase to approve {id}: "))? } else { String::new() };
        let approved = services.recovery.approve(id, &services.actor(VIA, None), &text, &known.plan).await.map_err(failure)?;
        if only {
            show(&approved, services, out)?;
            return Ok(Exit::Fine);
        }
    }
    watched(services, services.recovery.run_approved(id, PATIENCE), State::Succeeded, out).await
}

async fn pending(services: &Services, out: &mut Out) -> Outcome {
    let waiting = services.recovery.pending().await.map_err(failure)?;
    if out.is_json() {
        out.json(services, &waiting, false)?;
        return Ok(Exit::Fine);
    }
    let rows = waiting.iter().map(|o| {
        let actions: Vec<&str> = o.plan.runnable().map(|s| s.action.name()).collect();
        let reason = services.clean_text(&o.untrusted_reason);
        [o.operation_id.as_str(), o.target.as_str(), o.issue_type.name(), &actions.join(", "), &o.expires_at.to_string(), &reason].map(cell).to_vec()
    });
    out.table(&["Operation", "Target", "Issue", "Would run", "Waits until", "Reason"], rows.collect())?;
    out.title(format!("{} waiting; `opsmedic recover approve OPERATION` shows the plan and runs it", waiting.len()))?;
    Ok(Exit::Fine)
}

async fn undo(id: &OperationId, passphrase: &PassphraseArgs, services: &Services, out: &mut Out) -> Outcome {
    let operation = services.recovery.get(id).await.map_err(failure)?;
    let target = services.recovery.target(operation.target.as_str()).map_err(failure)?;
    if !out.is_json() {
        let undo = operation.to_undo().and_then(|a| a.receipt.undo.clone()).unwrap_or_else(|| "nothing".to_owned());
        out.title(format!("undo on {}: {}", operation.target, services.clean_text(&undo)))?;
    }
    let text = (target.policy == Policy::Approve).then(|| passphrase.get(&format!("passphrase to undo {id}: "))).transpose()?;
    let who = services.actor(VIA, None);
    watched(services, services.recovery.undo(id, &who, text.as_deref(), PATIENCE), State::Undone, out).await
}

async fn change(change: &Change, passphrase: Option<&PassphraseArgs>, services: &Services, out: &mut Out) -> Outcome {
    let text = match passphrase {
        Some(passphrase) if services.recovery.has_approver() => Some(passphrase.get("passphrase of the approver: ")?),
        _ => None,
    };
    services.recovery.change(change, &services.actor(VIA, None), text.as_deref()).await.map_err(failure)?;
    let controls = Controls::now(services).await?;
    if out.is_json() {
        out.json(services, &controls, false)?;
    } else {
        out.title(change.event().replace('_', " "))?;
        if !services.recovery.has_approver() && !change.loosens() {
            out.line("no approver is configured yet; ending it early will need one: `opsmedic recover passphrase` makes the line for the configuration")?;
        }
        controls.show(services, out)?;
    }
    Ok(Exit::Fine)
}

/// `recover passphrase`
pub(in crate::cli) fn make_key(passphrase: &PassphraseArgs, out: &mut Out) -> Outcome {
    let key = ApproverKey::make(&passphrase.get_new()?).map_err(Failure::usage)?;
    if out.is_json() {
        out.line(serde_json::json!({ "approver_key": key.to_string() }).to_string())?;
    } else {
        out.line(format!("[recovery]\napprover_key = \"{key}\""))?;
    }
    Ok(Exit::Fine)
}

/// What a person set, for people and as JSON.
#[derive(Serialize)]
pub(super) struct Controls {
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    freezes: Vec<FreezeLine>,
}

#[derive(Serialize)]
struct FreezeLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    reason: String,
    remaining_seconds: i64,
}

impl Controls {
    pub(super) async fn now(services: &Services) -> Result<Self, Failure> {
        let (state, now) = services.recovery.controls().await.map_err(failure)?;
        let left = state.freezes.iter().map(|f| (f, now.left_of(f.span, &f.began).as_secs())).filter(|(_, left)| *left > 0);
        let freezes =
            left.map(|(f, left)| FreezeLine { target: f.target.as_ref().map(ToString::to_string), reason: f.reason.clone(), remaining_seconds: left });
        Ok(Self { stopped: state.halted.clone(), freezes: freezes.collect() })
    }

    pub(super) fn show(&self, services: &Services, out: &mut Out) -> std::io::Result<()> {
        if let Some(reason) = &self.stopped {
            out.title(format!("recovery is STOPPED: {}; `opsmedic recover resume` allows it again", services.clean_text(reason)))?;
        }
        for freeze in &self.freezes {
            let what = freeze.target.as_deref().unwrap_or("all targets");
            let left = show_duration(Duration::from_secs(u64::try_from(freeze.remaining_seconds).unwrap_or(0)));
            out.title(format!("{what} frozen for another {left}: {}", services.clean_text(&freeze.reason)))?;
        }
        Ok(())
    }
}

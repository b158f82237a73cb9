//! Why a recovery was refused. In every case nothing was called.

use super::{Action, JournalError, PassphraseError};
use crate::types::{access::Scope, ids::OperationId};

/// A refusal, with what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecoveryError {
    /// The server must not act.
    #[error("this server is read-only")]
    ReadOnly,
    /// The caller has not proven that it may.
    #[error("{}", not_permitted(*known, scopes))]
    NotPermitted {
        /// Whether the caller has proven anything.
        known: bool,
        /// What it would need.
        scopes: Vec<Scope>,
    },
    /// The configuration lists no targets.
    #[error("no targets are configured, so recovery is off")]
    NoTargets,
    /// The name is in no inventory.
    #[error("unknown target; the configured ones are {}", known.join(", "))]
    UnknownTarget {
        /// The configured names.
        known: Vec<String>,
    },
    /// Policy `deny`.
    #[error("target {target} has policy deny")]
    Denied {
        /// The target.
        target: String,
    },
    /// A bad reason or key.
    #[error("{field}: {expected}")]
    BadInput {
        /// The input.
        field: &'static str,
        /// What is accepted.
        expected: &'static str,
    },
    /// The target supports none of the strategy's actions.
    #[error("target {target} supports none of the actions: {}", skipped.join("; "))]
    NothingToDo {
        /// The target.
        target: String,
        /// Each action with the reason.
        skipped: Vec<String>,
    },
    /// Tried too recently.
    #[error("target {target} is in cooldown for another {} s: {action} was tried for it at {since}", remaining_seconds)]
    Cooldown {
        /// The target.
        target: String,
        /// The action that was tried.
        action: Action,
        /// When, RFC 3339.
        since: String,
        /// Until it may be tried again, seconds.
        remaining_seconds: i64,
    },
    /// The kill switch is on.
    #[error("recovery is stopped: {reason}")]
    Halted {
        /// Why.
        reason: String,
    },
    /// A freeze holds.
    #[error("target {target} is frozen: {reason}")]
    Frozen {
        /// The target.
        target: String,
        /// The window's name, or the reason and for how long.
        reason: String,
    },
    /// A person must agree, and none could.
    #[error("this needs a person's approval, and no approver is configured")]
    NoApprover,
    /// Too many failures in a row.
    #[error("the circuit breaker of target {target} is open: its last {failures} recoveries failed")]
    BreakerOpen {
        /// The target.
        target: String,
        /// How many failed in a row.
        failures: usize,
    },
    /// Automation does not help here.
    #[error("target {target} needs a person: {why} within {hours} h")]
    Escalated {
        /// The target.
        target: String,
        /// What was counted.
        why: String,
        /// Over how long, hours.
        hours: i64,
    },
    /// Too many actions this hour.
    #[error("the budget of {limit} actions an hour is spent")]
    BudgetSpent {
        /// The limit.
        limit: u32,
    },
    /// Too much of the group is unwell.
    #[error("{unwell} of the {members} targets of group {group} are unwell, more than {limit_percent} %: the trouble is not in one of them")]
    BlastRadius {
        /// The group.
        group: String,
        /// How many are unwell.
        unwell: usize,
        /// How many there are.
        members: usize,
        /// The configured limit, percent.
        limit_percent: u8,
    },
    /// Nobody can tell how things are.
    #[error("the health of {what} cannot be told; acting would be blind")]
    HealthUnknown {
        /// Of what.
        what: String,
    },
    /// The approver's passphrase is wrong.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// There is nothing that could be taken back, or not any more.
    #[error("operation {operation} cannot be undone: {why}")]
    NotUndoable {
        /// The operation.
        operation: OperationId,
        /// Why.
        why: String,
    },
    /// A person must do it.
    #[error("target {target} has policy approve, so a person undoes it")]
    PersonNeeded {
        /// The target.
        target: String,
    },
    /// Another operation acts on the target.
    #[error("operation {operation} is acting on target {target} right now")]
    InProgress {
        /// The target.
        target: String,
        /// Who acts.
        operation: OperationId,
    },
    /// The key belongs to another call.
    #[error("idempotency key was used for another call (operation {operation})")]
    KeyConflict {
        /// The operation with the key.
        operation: OperationId,
    },
    /// What would run is not what was approved.
    #[error("what operation {operation} would do now differs from what was approved")]
    Drift {
        /// The operation.
        operation: OperationId,
    },
    /// Its approval is nobody's.
    #[error("the approval of operation {operation} is not signed by the configured approver")]
    NotApproved {
        /// The operation.
        operation: OperationId,
    },
    /// A person in the client may not approve this plan.
    #[error("the plan of operation {operation} needs the approver's passphrase; a person's answer in the client does not approve it")]
    ConsentNotEnough {
        /// The operation.
        operation: OperationId,
    },
    /// A person's answer in the client was used.
    #[error("operation {operation} was agreed to in the client before, and that counts once")]
    ConsentUsed {
        /// The operation.
        operation: OperationId,
    },
    /// Another caller's operation for the same trouble comes first.
    #[error("operation {operation} of another caller waits for the same trouble on target {target}")]
    WaitsForAnother {
        /// The target.
        target: String,
        /// What waits.
        operation: OperationId,
    },
    /// No such operation.
    #[error("no operation {0}")]
    UnknownOperation(OperationId),
    /// It does not wait for approval.
    #[error("operation {operation} is {state}, it does not wait for approval")]
    NotPending {
        /// The operation.
        operation: OperationId,
        /// Its state.
        state: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn not_permitted(known: bool, scopes: &[Scope]) -> String {
    let scopes = scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ");
    let why = if known { "this token does not permit it" } else { "without a credential this server is read-only" };
    format!("{why}; it needs the scope {scopes}")
}

impl RecoveryError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::NotPermitted { known: false, .. } => "read_only",
            Self::NotPermitted { known: true, .. } => "insufficient_scope",
            Self::NoTargets => "no_targets",
            Self::UnknownTarget { .. } => "unknown_target",
            Self::Denied { .. } => "denied",
            Self::BadInput { .. } => "invalid_input",
            Self::NothingToDo { .. } => "nothing_to_do",
            Self::Cooldown { .. } => "cooldown",
            Self::Halted { .. } => "halted",
            Self::Frozen { .. } => "frozen",
            Self::NoApprover => "no_approver",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::Escalated { .. } => "escalated",
            Self::BudgetSpent { .. } => "budget_spent",
            Self::BlastRadius { .. } => "blast_radius",
            Self::HealthUnknown { .. } => "health_unknown",
            Self::Passphrase(_) => "passphrase_refused",
            Self::NotUndoable { .. } => "not_undoable",
            Self::PersonNeeded { .. } => "person_needed",
            Self::InProgress { .. } => "in_progress",
            Self::KeyConflict { .. } => "idempotency_conflict",
            Self::Drift { .. } => "drift",
            Self::NotApproved { .. } => "not_approved",
            Self::ConsentNotEnough { .. } => "consent_not_enough",
            Self::ConsentUsed { .. } => "consent_used",
            Self::WaitsForAnother { .. } => "waits_for_another",
            Self::UnknownOperation(_) => "unknown_operation",
            Self::NotPending { .. } => "not_pending",
            Self::Journal(JournalError::Fenced { .. }) => "fenced",
            Self::Journal(JournalError::IllegalMove { .. }) => "illegal_move",
            Self::Journal(_) => "store_unavailable",
        }
    }

    /// What the caller can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::ReadOnly => "ask a person to run `opsmedic recover run` on the machine, or to start the server without --read-only".to_owned(),
            Self::NotPermitted { .. } => "a person gives this client a token with that scope, or runs `opsmedic recover run` on the machine".to_owned(),
            Self::NoTargets => "a person adds [[targets]] to the configuration; examples/opsmedic.toml shows how".to_owned(),
            Self::UnknownTarget { .. } => "use one of the configured names, exactly".to_owned(),
            Self::Denied { .. } => "a person changes the target's policy in the configuration, or acts by hand with get_playbook".to_owned(),
            Self::BadInput { .. } => "correct the input and call again".to_owned(),
            Self::NothingToDo { .. } => "a person adds actions for the target to the configuration; get_playbook shows the steps by hand".to_owned(),
            Self::Cooldown { remaining_seconds, .. } => {
                format!("look at get_recovery and run_health_checks; call again in {remaining_seconds} s if it is still needed")
            }
            Self::Halted { .. } => "a person resumes with `opsmedic recover resume` on the machine, once it is safe".to_owned(),
            Self::Frozen { .. } => "wait until the freeze is over; a person lifts one that was set by hand with `opsmedic recover unfreeze`".to_owned(),
            Self::NoApprover => {
                "a person runs `opsmedic recover passphrase` and puts the line it prints into [recovery] approver_key of the configuration".to_owned()
            }
            Self::BreakerOpen { target, .. } => {
                format!("a person looks why they failed (get_recovery), mends that, and runs `opsmedic recover reset {target}` on the machine")
            }
            Self::Escalated { target, .. } => {
                format!(
                    "a person finds the cause: get_playbook has the steps; after that `opsmedic recover reset {target}` on the machine allows recovery again"
                )
            }
            Self::BudgetSpent { .. } => "wait, or a person acts by hand with get_playbook; so many actions in an hour point to a deeper trouble".to_owned(),
            Self::BlastRadius { .. } => "look for what they share: run_health_checks, analyze_logs; a person may act by hand with get_playbook".to_owned(),
            Self::HealthUnknown { .. } => "find out why its check cannot tell: run_health_checks; then call again".to_owned(),
            Self::Passphrase(_) => "enter the passphrase whose key is in the configuration".to_owned(),
            Self::NotUndoable { .. } => "get_recovery shows what was done; a person goes back by hand where that is needed".to_owned(),
            Self::PersonNeeded { .. } => "ask a person to run `opsmedic recover undo OPERATION` on the machine".to_owned(),
            Self::InProgress { operation, .. } => format!("follow it with get_recovery operation_id {operation}"),
            Self::KeyConflict { operation } => format!("use a new key for a new recovery; get_recovery {operation} shows what the key was used for"),
            Self::NotApproved { .. } | Self::Drift { .. } => {
                "call plan_recovery, then trigger_recovery with a new idempotency_key, and have the new plan approved".to_owned()
            }
            Self::ConsentNotEnough { operation } | Self::ConsentUsed { operation } => {
                format!("a person runs `opsmedic recover approve {operation}` on the machine")
            }
            Self::WaitsForAnother { operation, .. } => {
                format!("get_recovery {operation} shows it; a person decides on the machine with `opsmedic recover approve {operation}`")
            }
            Self::UnknownOperation(_) => "get_recovery without operation_id lists the recent ones".to_owned(),
            Self::NotPending { .. } => "get_recovery shows where it stands".to_owned(),
            Self::Journal(JournalError::IllegalMove { .. }) => "get_recovery shows where it stands".to_owned(),
            Self::Journal(JournalError::StoppedByFile(_)) => {
                "the stop is in effect; a person mends the store and runs `opsmedic recover stop` again, so that it is on record".to_owned()
            }
            Self::Journal(_) => "nothing was done; a person checks the store's path, its disk and its permissions".to_owned(),
        }
    }
}

//! Why a recovery was refused. In every case nothing was called.

use super::{Action, JournalError};
use crate::types::ids::OperationId;

/// A refusal, with what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecoveryError {
    /// The server must not act.
    #[error("this server is read-only")]
    ReadOnly,
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

impl RecoveryError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::NoTargets => "no_targets",
            Self::UnknownTarget { .. } => "unknown_target",
            Self::Denied { .. } => "denied",
            Self::BadInput { .. } => "invalid_input",
            Self::NothingToDo { .. } => "nothing_to_do",
            Self::Cooldown { .. } => "cooldown",
            Self::InProgress { .. } => "in_progress",
            Self::KeyConflict { .. } => "idempotency_conflict",
            Self::Drift { .. } => "drift",
            Self::UnknownOperation(_) => "unknown_operation",
            Self::NotPending { .. } => "not_pending",
            Self::Journal(JournalError::Fenced { .. }) => "fenced",
            Self::Journal(_) => "store_unavailable",
        }
    }

    /// What the caller can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::ReadOnly => "ask a person to run `opsmedic recover run` on the machine, or to start the server without --read-only".to_owned(),
            Self::NoTargets => "a person adds [[targets]] to the configuration; examples/opsmedic.toml shows how".to_owned(),
            Self::UnknownTarget { .. } => "use one of the configured names, exactly".to_owned(),
            Self::Denied { .. } => "a person changes the target's policy in the configuration, or acts by hand with get_playbook".to_owned(),
            Self::BadInput { .. } => "correct the input and call again".to_owned(),
            Self::NothingToDo { .. } => "a person adds actions for the target to the configuration; get_playbook shows the steps by hand".to_owned(),
            Self::Cooldown { remaining_seconds, .. } => {
                format!("look at get_recovery and run_health_checks; call again in {remaining_seconds} s if it is still needed")
            }
            Self::InProgress { operation, .. } => format!("follow it with get_recovery operation_id {operation}"),
            Self::KeyConflict { operation } => format!("use a new key for a new recovery; get_recovery {operation} shows what the key was used for"),
            Self::Drift { .. } => "call plan_recovery, then trigger_recovery with a new idempotency_key, and have the new plan approved".to_owned(),
            Self::UnknownOperation(_) => "get_recovery without operation_id lists the recent ones".to_owned(),
            Self::NotPending { .. } => "get_recovery shows where it stands".to_owned(),
            Self::Journal(_) => "nothing was done; a person checks the store's path, its disk and its permissions".to_owned(),
        }
    }
}

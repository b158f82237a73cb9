//! An operation, its attempts, and the states it may go through.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Plan};
use crate::types::{ids::OperationId, issue::IssueType, target::TargetName};

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum State {
    /// Waits for approval; nothing was called.
    Planned,
    /// Approved, by a person or by policy `auto`; nothing was called.
    Approved,
    /// An action is being called.
    Running,
    /// An action was called; the target is watched.
    Verifying,
    /// The target's check passed for the soak time.
    Succeeded,
    /// No action could be carried out.
    Failed,
    /// Actions were carried out, the target did not get well.
    FailedVerification,
    /// A call went out and its end could not be seen. Never retried by itself.
    Unknown,
    /// The process that ran it ended in the middle.
    Interrupted,
    /// Waited too long for approval; nothing was called.
    Expired,
}

impl State {
    /// The states that may follow. Anything else is a defect and is refused.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Planned => &[Self::Approved, Self::Expired],
            Self::Approved => &[Self::Running, Self::Failed, Self::Expired],
            Self::Running => &[Self::Running, Self::Verifying, Self::Failed, Self::FailedVerification, Self::Unknown, Self::Interrupted],
            Self::Verifying => &[Self::Running, Self::Succeeded, Self::Failed, Self::FailedVerification, Self::Interrupted],
            Self::Succeeded | Self::Failed | Self::FailedVerification | Self::Unknown | Self::Interrupted | Self::Expired => &[],
        }
    }

    /// Whether the operation is over.
    pub fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// Whether something is being done right now.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Verifying)
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::FailedVerification => "failed_verification",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
            Self::Expired => "expired",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Outcome {
    /// Not ended yet.
    Started,
    /// Called, and the target got well.
    Succeeded,
    /// The call failed, or was refused by a pre-check.
    Failed,
    /// Called, and the target did not get well.
    FailedVerification,
    /// The call went out and its end could not be seen.
    Unknown,
    /// The process ended in the middle.
    Interrupted,
    /// What would be called was no longer what was planned; nothing was called.
    Drift,
}

/// One action of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Attempt {
    /// The action.
    pub action: Action,
    /// The kind of actuator.
    pub actuator: String,
    /// What was called, with secrets redacted.
    pub call: String,
    /// When its intent was journaled.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, in our words.
    pub message: String,
    /// Output of what was called; untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_output: Option<String>,
}

/// A recovery operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Operation {
    /// Its id.
    pub operation_id: OperationId,
    /// What it is to mend.
    pub issue_type: IssueType,
    /// On what.
    pub target: TargetName,
    /// Why, in the caller's words; untrusted.
    pub untrusted_reason: String,
    /// The caller's key, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Where it stands.
    pub state: State,
    /// In a sentence: what this means and what to do next.
    pub message: String,
    /// What it is going to do, or did.
    pub plan: Plan,
    /// Who approved it: an OS user, or `policy auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Until when it waits for approval, or until when its approval holds.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// The actions called so far.
    pub attempts: Vec<Attempt>,
    /// The target's check right before the first action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The target's check at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// When it was asked for.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
}

//! An operation and its attempts.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Plan, Snapshot, State};
use crate::types::{ids::OperationId, issue::IssueType, moment::Moment, target::TargetName};

/// Who asked. Taken from the connection and the operating system, not from what a caller says, but for `untrusted_client`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Actor {
    /// The way in: `mcp stdio`, `command line`, `watch`.
    pub via: String,
    /// The user of the operating system as whom this process runs, such as `uid 1000`.
    pub os_user: String,
    /// Who the caller proved to be over HTTP; absent for whoever started this process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// What the MCP client calls itself; untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_client: Option<String>,
}

impl Actor {
    /// A key of this caller's, apart from the same key of others.
    pub(super) fn own_key(&self, key: &str) -> String {
        self.principal.as_ref().map_or_else(|| key.to_owned(), |principal| format!("{principal} {key}"))
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.principal {
            _ if self.via.is_empty() => f.write_str("not known"),
            Some(principal) => write!(f, "{} ({}) as {principal}", self.via, self.os_user),
            None => write!(f, "{} ({})", self.via, self.os_user),
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
    /// A person stopped it, or its lease was gone, before the call; nothing was called.
    Stopped,
}

/// What an action changed: saved before and after, so that it can be taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Receipt {
    /// How it was before. Values may come from servers: untrusted.
    #[serde(default, skip_serializing_if = "Snapshot::is_empty")]
    pub untrusted_prior: Snapshot,
    /// How the action left it; absent when the end of the call was not seen. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_left: Option<Snapshot>,
    /// What an undo would do; absent where there is no way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
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
    /// Whether this took the action back instead of carrying it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// What it changed.
    #[serde(default)]
    pub receipt: Receipt,
    /// When its intent was journaled, by the clock that nobody can set; the store keeps it for the guards.
    #[serde(skip)]
    pub began: Moment,
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
    /// Who asked.
    #[serde(default)]
    pub requested_by: Actor,
    /// Whether no person and no model asked, but the self-healing loop: destructive actions then wait for approval even where the policy is `auto`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
    /// The caller's key, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Where it stands.
    pub state: State,
    /// In a sentence: what this means and what to do next.
    pub message: String,
    /// What it is going to do, or did.
    pub plan: Plan,
    /// Who approved it: an OS user, a person in the client, or `policy auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// The approver's signature over operation, plan digest and expiry; only who knows the passphrase can make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_signature: Option<String>,
    /// Who agreed in the client, where that approved it. A record, no proof: it approves nothing when it is read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Actor>,
    /// Until when it waits for approval, or until when its approval holds.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// The actions called so far.
    pub attempts: Vec<Attempt>,
    /// The target's checks right before the first action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The target's checks at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How well it was before, 0 to 100; absent when no check could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_before: Option<u8>,
    /// How well it is at the end, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_after: Option<u8>,
    /// Whether it got well before anything was called.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub healed_by_itself: bool,
    /// What a later look at an unknown or interrupted operation found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// When it was asked for.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
    /// Since when it waits for approval, or since when its approval holds, by the clock that nobody can set.
    #[serde(skip)]
    pub waits_since: Moment,
}

impl Operation {
    /// Whether a person approved it.
    pub fn approved_by_person(&self) -> bool {
        self.approval_signature.is_some()
    }

    /// The key under which the store finds it: each caller's keys are its own. No key has a space, so none can look like another caller's.
    pub fn stored_key(&self) -> Option<String> {
        self.idempotency_key.as_deref().map(|key| self.requested_by.own_key(key))
    }

    /// The last attempt that carried an action out and was not taken back.
    pub fn to_undo(&self) -> Option<&Attempt> {
        match self.attempts.last() {
            Some(last) if last.undo && last.outcome == Outcome::Succeeded => None,
            _ => self.attempts.iter().rev().find(|a| !a.undo && matches!(a.outcome, Outcome::Succeeded | Outcome::FailedVerification)),
        }
    }
}

//! Where an operation stands, and the table of legal moves. The store refuses every other move.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Operation, Outcome};

/// Where an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum State {
    /// Waits for approval; nothing is being called.
    Planned,
    /// Approved, by a person or by policy `auto`; nothing is being called.
    Approved,
    /// An action, or an undo, is being called; the last attempt says which.
    Running,
    /// The target is watched.
    Verifying,
    /// The target's checks passed for the soak time.
    Succeeded,
    /// No action could be carried out.
    Failed,
    /// Actions were carried out, the target did not get well.
    FailedVerification,
    /// A call went out and its end could not be seen. Never retried; a later look may tell how it went.
    Unknown,
    /// The process that ran it ended in the middle, or a person stopped it.
    Interrupted,
    /// What was done was taken back.
    Undone,
    /// Waited too long for approval; nothing was called.
    Expired,
}

impl State {
    /// All states.
    pub const ALL: [Self; 11] = [
        Self::Planned,
        Self::Approved,
        Self::Running,
        Self::Verifying,
        Self::Succeeded,
        Self::Failed,
        Self::FailedVerification,
        Self::Unknown,
        Self::Interrupted,
        Self::Undone,
        Self::Expired,
    ];

    /// The states that may follow. Anything else is a defect and is refused.
    pub fn next(self) -> &'static [Self] {
        match self {
            // FailedVerification: what was tried before it waited had no effect, and nobody approved the rest.
            Self::Planned => &[Self::Approved, Self::Failed, Self::FailedVerification, Self::Expired],
            // Verifying: it is well already, and only watched whether it stays so. Planned: what comes next waits for a person.
            Self::Approved => &[Self::Running, Self::Verifying, Self::Planned, Self::Failed, Self::FailedVerification, Self::Expired],
            // Planned: the next action waits for a person's approval.
            Self::Running => {
                &[Self::Running, Self::Verifying, Self::Planned, Self::Failed, Self::FailedVerification, Self::Unknown, Self::Interrupted, Self::Undone]
            }
            Self::Verifying => &[Self::Verifying, Self::Running, Self::Planned, Self::Succeeded, Self::Failed, Self::FailedVerification, Self::Interrupted],
            // A look at the target tells how it went, or is only noted.
            Self::Unknown => &[Self::Unknown, Self::Verifying, Self::Failed],
            Self::Interrupted => &[Self::Interrupted],
            // Running: an undo, and nothing else.
            Self::Succeeded | Self::FailedVerification => &[Self::Running],
            Self::Failed | Self::Undone | Self::Expired => &[],
        }
    }

    /// Whether the operation is over, so that nothing more happens by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Planned | Self::Approved | Self::Running | Self::Verifying)
    }

    /// Whether who holds the target's lease gives it back with this move: the next call must not find it taken. Not at `unknown`, which is looked at.
    pub fn gives_lease_back(self) -> bool {
        self == Self::Planned || (self.is_final() && self != Self::Unknown)
    }

    /// Whether something is being done right now.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Verifying)
    }

    /// Whether it ended in a way that a circuit breaker counts.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::FailedVerification | Self::Unknown | Self::Interrupted | Self::Undone)
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
            Self::Undone => "undone",
            Self::Expired => "expired",
        }
    }
}

/// Whether an operation may be written over one in state `from`: the table, and what a table of states cannot say.
///
/// An operation that runs names what it called (no act without intent), one that succeeded watched the target, and one that was over is opened
/// again for an undo only.
pub fn may_follow(from: State, operation: &Operation) -> bool {
    let last = operation.attempts.last();
    let intent = last.is_some_and(|a| a.outcome == Outcome::Started);
    let more = match (from, operation.state) {
        (State::Succeeded | State::FailedVerification, State::Running) => intent && last.is_some_and(|a| a.undo),
        (_, State::Running) => intent,
        (_, State::Undone) => last.is_some_and(|a| a.undo && a.outcome == Outcome::Succeeded),
        (_, State::Succeeded) => last.is_none_or(|a| a.outcome == Outcome::Succeeded && !a.undo) || operation.healed_by_itself,
        _ => true,
    };
    from.next().contains(&operation.state) && more
}

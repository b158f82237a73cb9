//! What recovery needs of a store. Every method returns only after what it wrote is durable.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Action, Operation, Outcome, State};
use crate::types::{ids::OperationId, issue::IssueType, moment::Moment, target::TargetName};

/// Why the journal did not do it. Nothing was acted on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The store cannot be read or written.
    #[error("the store is not usable: {0}")]
    Unavailable(String),
    /// Somebody else moved the operation, or the holder's lease went to another.
    #[error("operation {id} was changed by another process; this one stops")]
    Fenced {
        /// The operation.
        id: OperationId,
    },
    /// A move that the transition table does not have.
    #[error("operation {id} cannot go from {} to {}", from.name(), to.name())]
    IllegalMove {
        /// The operation.
        id: OperationId,
        /// Its state in the store.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// The idempotency key was taken in the meantime.
    #[error("the idempotency key is in use")]
    KeyTaken,
    /// An operation for the same trouble was recorded in the meantime and waits for approval.
    #[error("operation {id} waits for the same trouble")]
    Waiting {
        /// The operation.
        id: OperationId,
    },
    /// The kill switch's file stops everything, but the store does not say so.
    #[error("recovery is stopped by the file beside the store, but {0}")]
    StoppedByFile(String),
    /// The intent was not written, because something that must not be overrun said no in the same transaction.
    #[error("{0}")]
    Refused(String),
}

/// Which process holds a lease: enough to tell whether it still lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub String);

/// Tells whether the process behind an owner is gone for certain.
pub type IsDead<'a> = &'a (dyn for<'o> Fn(&'o Owner) -> bool + Send + Sync);

/// The right to act on a target, until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The target.
    pub target: TargetName,
    /// The operation that holds it.
    pub operation: OperationId,
    /// Rises with every new holder; a holder with an old number is refused.
    pub fence: i64,
    /// When it was taken.
    pub taken: Moment,
}

/// Which operations to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Only this target's.
    pub target: Option<TargetName>,
    /// Only in these states; empty means all.
    pub states: Vec<State>,
    /// Only created at or after this moment.
    pub since: Option<Timestamp>,
    /// At most so many, 1 or more.
    pub limit: u32,
}

/// An attempt as the cooldown sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// The issue it was for.
    pub issue_type: IssueType,
    /// The action.
    pub action: Action,
    /// When its intent was journaled.
    pub began: Moment,
    /// How it ended.
    pub outcome: Outcome,
}

/// An ended operation as circuit breaker and escalation see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastOperation {
    /// The store's own count: rises with every operation.
    pub row: i64,
    /// The issue.
    pub issue_type: IssueType,
    /// How it ended.
    pub state: State,
    /// When it was recorded.
    pub began: Moment,
}

/// What must hold in the transaction that journals an intent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// At most so many actions an hour over all targets; none for an undo, which a spent budget must not keep from mending.
    pub actions_per_hour: Option<u32>,
    /// While one of these is being recovered, this one waits: members of a group are not restarted side by side.
    pub siblings: Vec<TargetName>,
}

/// The durable record of operations, attempts and leases. Every write of an operation adds its line to the audit in the same transaction.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds an operation.
    ///
    /// # Errors
    /// `KeyTaken` when its idempotency key exists, `Waiting` when it is planned and another one waits for the same trouble.
    async fn create(&self, operation: &Operation) -> Result<(), JournalError>;

    /// Writes an operation that was in state `from`. With a lease, only while the lease holds.
    ///
    /// # Errors
    /// `IllegalMove`, or `Fenced` when the stored state or the lease is another.
    async fn update(&self, operation: &Operation, from: State, lease: Option<&Lease>) -> Result<(), JournalError>;

    /// Writes the intent of the last attempt, unless the kill switch or the limits say no at that very moment.
    ///
    /// # Errors
    /// As [`Journal::update`], and `Refused`.
    async fn begin(&self, operation: &Operation, from: State, lease: &Lease, limits: &Limits) -> Result<(), JournalError>;

    /// One operation.
    async fn get(&self, id: &OperationId) -> Result<Option<Operation>, JournalError>;

    /// Lets one more key stand for an operation; one that is known already keeps its meaning.
    async fn remember_key(&self, key: &str, id: &OperationId) -> Result<(), JournalError>;

    /// The operation with this idempotency key.
    async fn by_key(&self, key: &str) -> Result<Option<Operation>, JournalError>;

    /// Operations, newest first.
    async fn list(&self, filter: &OperationFilter) -> Result<Vec<Operation>, JournalError>;

    /// The newest attempts on a target, but for those of one operation.
    async fn attempts(&self, target: &TargetName, except: Option<&OperationId>) -> Result<Vec<PastAttempt>, JournalError>;

    /// The newest ended operations on a target that called something, newest first.
    async fn past(&self, target: &TargetName) -> Result<Vec<PastOperation>, JournalError>;

    /// Actions called on any target within the hour before now.
    async fn actions_last_hour(&self, now: &Moment) -> Result<u32, JournalError>;

    /// Takes the lease of a target if nobody holds it.
    ///
    /// # Errors
    /// Only store errors; `Ok(Err(holder))` names the operation that holds it.
    async fn acquire(
        &self,
        target: &TargetName,
        operation: &OperationId,
        owner: &Owner,
        now: &Moment,
        ttl: SignedDuration,
    ) -> Result<Result<Lease, OperationId>, JournalError>;

    /// Keeps a lease alive.
    ///
    /// # Errors
    /// `Fenced` when it went to another.
    async fn renew(&self, lease: &Lease, now: &Moment, ttl: SignedDuration) -> Result<(), JournalError>;

    /// Gives a lease back; no error if it is gone.
    async fn release(&self, lease: &Lease) -> Result<(), JournalError>;

    /// Marks operations as interrupted that were running under an owner that `is_dead` or whose lease ran out, and returns them.
    async fn interrupt_orphans(&self, now: &Moment, is_dead: IsDead<'_>) -> Result<Vec<Operation>, JournalError>;
}

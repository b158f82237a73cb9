//! What is on record, as the faces show it: the newest recoveries, and the last health report.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Services;
use crate::{
    health::{HealthError, Report},
    recovery::{Operation, OperationFilter, RecoveryError, State},
    types::{ids::OperationId, issue::IssueType, target::TargetName},
};

/// How many operations a list shows.
pub const NEWEST: u32 = 20;

/// An operation in a list: enough to choose one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct OperationLine {
    /// Its id.
    pub operation_id: OperationId,
    /// What it is to mend.
    pub issue_type: IssueType,
    /// On what.
    pub target: TargetName,
    /// Where it stands.
    pub state: State,
    /// What this means and what to do next.
    pub message: String,
    /// How many actions were called.
    pub attempts: usize,
    /// When it was asked for.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schemars(with = "String")]
    pub updated_at: Timestamp,
}

impl From<Operation> for OperationLine {
    fn from(operation: Operation) -> Self {
        let Operation { operation_id, issue_type, target, state, message, attempts, created_at, updated_at, .. } = operation;
        Self { operation_id, issue_type, target, state, message, attempts: attempts.len(), created_at, updated_at }
    }
}

/// The newest operations, newest first, at most [`NEWEST`].
///
/// # Errors
/// A store that cannot be read.
pub async fn recoveries(services: &Services) -> Result<Vec<OperationLine>, RecoveryError> {
    let filter = OperationFilter { limit: NEWEST, ..Default::default() };
    Ok(services.recovery.list(&filter).await?.into_iter().map(OperationLine::from).collect())
}

/// The health report that was stored last; none when none was.
///
/// # Errors
/// A store that cannot be read.
pub async fn last_health(services: &Services) -> Result<Option<Report>, HealthError> {
    Ok(services.health.recent(&[], 1).await?.into_iter().next())
}

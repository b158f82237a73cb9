//! The storage that this room needs: past reports. Declared here, implemented by the store.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{HealthError, runner::Report};

/// Keeps reports. Implementations never change a report, and never block the runtime.
#[async_trait]
pub trait History: Send + Sync {
    /// Adds a report.
    ///
    /// # Errors
    /// [`HealthError::History`] when it is not stored.
    async fn append(&self, report: &Report) -> Result<(), HealthError>;

    /// The newest reports first, at most `limit`; with a check's name only those that hold a result of it, and only that result.
    ///
    /// # Errors
    /// [`HealthError::History`].
    async fn recent(&self, check: Option<&str>, limit: usize) -> Result<Vec<Report>, HealthError>;

    /// Forgets reports whose `checked_at` is before this moment; gives how many.
    ///
    /// # Errors
    /// [`HealthError::History`].
    async fn forget_before(&self, moment: Timestamp) -> Result<u64, HealthError>;
}

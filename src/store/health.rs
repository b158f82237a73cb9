//! Health reports.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row as _;

use super::{Store, StoreError, millis};
use crate::health::{HealthError, History, Report};

impl From<StoreError> for HealthError {
    fn from(error: StoreError) -> Self {
        Self::History(error.to_string())
    }
}

#[async_trait]
impl History for Store {
    async fn append(&self, report: &Report) -> Result<(), HealthError> {
        let document = serde_json::to_string(report).map_err(|e| self.corrupt(e.to_string()))?;
        let added = sqlx::query("INSERT INTO health_reports (checked_at, document) VALUES (?, ?)").bind(millis(report.checked_at)).bind(document);
        added.execute(&self.pool().await?).await.map_err(|e| self.database(e))?;
        Ok(())
    }

    async fn recent(&self, check: Option<&str>, limit: usize) -> Result<Vec<Report>, HealthError> {
        let query = match check {
            // The name is compared inside the document: history is read by people, now and then.
            Some(check) => sqlx::query(
                "SELECT document FROM health_reports WHERE EXISTS
                     (SELECT 1 FROM json_each(document, '$.results') AS r WHERE json_extract(r.value, '$.name') = ?)
                 ORDER BY checked_at DESC, id DESC LIMIT ?",
            )
            .bind(check),
            None => sqlx::query("SELECT document FROM health_reports ORDER BY checked_at DESC, id DESC LIMIT ?"),
        };
        let rows = query.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(&self.pool().await?).await.map_err(|e| self.database(e))?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<Report, StoreError> {
            let document: String = row.try_get("document").map_err(|e| self.database(e))?;
            let mut report: Report = serde_json::from_str(&document).map_err(|e| self.corrupt(format!("a health report ({e})")))?;
            report.results.retain(|result| check.is_none_or(|name| result.name == name));
            Ok(report)
        };
        rows.iter().map(|row| read(row).map_err(Into::into)).collect()
    }

    async fn forget_before(&self, moment: Timestamp) -> Result<u64, HealthError> {
        let gone = sqlx::query("DELETE FROM health_reports WHERE checked_at < ?").bind(millis(moment)).execute(&self.pool().await?).await;
        Ok(gone.map_err(|e| self.database(e))?.rows_affected())
    }
}

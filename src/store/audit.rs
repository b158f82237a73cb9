//! The audit's lines and their head. Lines about operations are added by whoever writes the operation, in the same transaction.

use async_trait::async_trait;
use futures::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{IMMEDIATE, Store};
use crate::{
    recovery::{Audit, AuditEvent, AuditLine, GENESIS, JournalError, Verified, Verifier},
    types::ids::OperationId,
};

impl Store {
    /// Adds a line within a transaction.
    pub(super) async fn audit_within(&self, transaction: &mut SqliteConnection, event: &AuditEvent, at: Timestamp) -> Result<(), JournalError> {
        let text = serde_json::to_string(event).map_err(|e| self.corrupt(e.to_string()))?;
        let (number, previous) = self.head(&mut *transaction).await?.unwrap_or_else(|| (0, GENESIS.to_owned()));
        let line = AuditLine::after(number, previous, at, text);
        sqlx::query("INSERT INTO audit (number, at_ms, operation_id, text, previous, hash) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(line.number)
            .bind(line.at_ms)
            .bind(event.operation_id.as_ref().map(OperationId::as_str))
            .bind(&line.text)
            .bind(&line.previous)
            .bind(&line.hash)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        sqlx::query("INSERT INTO audit_head (id, number, hash) VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash")
            .bind(line.number)
            .bind(&line.hash)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        Ok(())
    }

    async fn head(&self, connection: &mut SqliteConnection) -> Result<Option<(i64, String)>, JournalError> {
        let head = sqlx::query_as("SELECT number, hash FROM audit_head WHERE id = 1").fetch_optional(connection).await;
        head.map_err(|e| self.unavailable(e))
    }

    fn audit_line(&self, row: &SqliteRow) -> Result<AuditLine, JournalError> {
        let text = |column: &str| row.try_get::<String, _>(column).map_err(|e| self.unavailable(e));
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(|e| self.unavailable(e));
        Ok(AuditLine { number: number("number")?, at_ms: number("at_ms")?, text: text("text")?, previous: text("previous")?, hash: text("hash")? })
    }
}

#[async_trait]
impl Audit for Store {
    async fn append(&self, event: &AuditEvent, at: Timestamp) -> Result<(), JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        self.audit_within(&mut transaction, event, at).await?;
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    async fn lines(&self, operation: Option<&OperationId>, limit: u32) -> Result<Vec<AuditLine>, JournalError> {
        let query = match operation {
            Some(id) => sqlx::query("SELECT * FROM audit WHERE operation_id = ? ORDER BY number DESC LIMIT ?").bind(id.as_str()),
            None => sqlx::query("SELECT * FROM audit ORDER BY number DESC LIMIT ?"),
        };
        let rows = query.bind(i64::from(limit)).fetch_all(&self.pool().await?).await.map_err(|e| self.unavailable(e))?;
        rows.iter().rev().map(|row| self.audit_line(row)).collect()
    }

    async fn verify_chain(&self) -> Result<Verified, JournalError> {
        // One transaction, so that lines that are added meanwhile are neither seen nor missed.
        let mut transaction = self.pool().await?.begin().await.map_err(|e| self.unavailable(e))?;
        let head = self.head(&mut transaction).await?;
        let mut verifier = Verifier::new();
        {
            let mut rows = sqlx::query("SELECT * FROM audit ORDER BY number").fetch(&mut *transaction);
            while let Some(row) = rows.try_next().await.map_err(|e| self.unavailable(e))? {
                let line = self.audit_line(&row)?;
                verifier.take(&line);
                // What `audit show --operation` finds lines by is not hashed.
                let filed: Option<String> = row.try_get("operation_id").map_err(|e| self.unavailable(e))?;
                if line.event().is_some_and(|event| event.operation_id.as_ref().map(OperationId::as_str) != filed.as_deref()) {
                    verifier.misfiled(&line);
                }
            }
        }
        Ok(verifier.end(head))
    }
}

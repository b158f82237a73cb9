//! Operations, attempts and leases.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, millis};
use crate::{
    recovery::{IsDead, Journal, JournalError, Lease, Operation, OperationFilter, Outcome, Owner, PastAttempt, State},
    types::{ids::OperationId, target::TargetName},
};

const IMMEDIATE: &str = "BEGIN IMMEDIATE";

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Store {
    fn unavailable(&self, source: sqlx::Error) -> JournalError {
        self.database(source).into()
    }

    fn operation(&self, row: &SqliteRow) -> Result<Operation, JournalError> {
        let document: String = row.try_get("document").map_err(|e| self.unavailable(e))?;
        serde_json::from_str(&document).map_err(|e| self.corrupt(format!("an operation ({e})")).into())
    }

    fn text(&self, value: &impl serde::Serialize) -> Result<String, JournalError> {
        serde_json::to_string(value).map_err(|e| self.corrupt(e.to_string()).into())
    }

    /// Refuses moves that the table does not have, and writers that were overtaken.
    async fn check_move(&self, transaction: &mut SqliteConnection, operation: &Operation, from: State, lease: Option<&Lease>) -> Result<(), JournalError> {
        let id = &operation.operation_id;
        if !from.next().contains(&operation.state) {
            return Err(JournalError::IllegalMove { id: id.clone(), from, to: operation.state });
        }
        let stored: Option<String> = sqlx::query_scalar("SELECT state FROM operations WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        let fence: Option<i64> = match lease {
            Some(lease) => sqlx::query_scalar("SELECT fence FROM leases WHERE target = ? AND operation_id = ? AND expires_at > 0")
                .bind(lease.target.as_str())
                .bind(id.as_str())
                .fetch_optional(&mut *transaction)
                .await
                .map_err(|e| self.unavailable(e))?,
            None => None,
        };
        if stored.as_deref() != Some(from.name()) || lease.is_some_and(|l| Some(l.fence) != fence) {
            return Err(JournalError::Fenced { id: id.clone() });
        }
        Ok(())
    }

    async fn write(&self, transaction: &mut SqliteConnection, operation: &Operation) -> Result<(), JournalError> {
        let document = self.text(operation)?;
        sqlx::query("UPDATE operations SET state = ?, updated_at = ?, document = ? WHERE id = ?")
            .bind(operation.state.name())
            .bind(millis(operation.updated_at))
            .bind(document)
            .bind(operation.operation_id.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        for (number, attempt) in (0i64..).zip(&operation.attempts) {
            sqlx::query(
                "INSERT INTO attempts (operation_id, number, target, issue_type, action, started_at, outcome) VALUES (?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (operation_id, number) DO UPDATE SET outcome = excluded.outcome",
            )
            .bind(operation.operation_id.as_str())
            .bind(number)
            .bind(operation.target.as_str())
            .bind(operation.issue_type.name())
            .bind(attempt.action.name())
            .bind(millis(attempt.started_at))
            .bind(self.text(&attempt.outcome)?)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        }
        Ok(())
    }

    fn past_attempt(&self, row: &SqliteRow) -> Result<PastAttempt, JournalError> {
        let get = |column: &str| row.try_get::<String, _>(column).map_err(|e| self.unavailable(e));
        let corrupt = |what: String| JournalError::from(self.corrupt(what));
        let started: i64 = row.try_get("started_at").map_err(|e| self.unavailable(e))?;
        Ok(PastAttempt {
            issue_type: get("issue_type")?.parse().map_err(corrupt)?,
            action: get("action")?.parse().map_err(corrupt)?,
            started_at: Timestamp::from_millisecond(started).map_err(|e| corrupt(e.to_string()))?,
            outcome: serde_json::from_str(&get("outcome")?).map_err(|e| corrupt(e.to_string()))?,
        })
    }
}

#[async_trait]
impl Journal for Store {
    async fn create(&self, operation: &Operation) -> Result<(), JournalError> {
        let document = self.text(operation)?;
        let added = sqlx::query(
            "INSERT INTO operations (id, target, issue_type, state, idempotency_key, created_at, updated_at, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(operation.operation_id.as_str())
        .bind(operation.target.as_str())
        .bind(operation.issue_type.name())
        .bind(operation.state.name())
        .bind(operation.idempotency_key.as_deref())
        .bind(millis(operation.created_at))
        .bind(millis(operation.updated_at))
        .bind(document)
        .execute(self.pool().await?)
        .await;
        match added {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Err(JournalError::KeyTaken),
            Err(error) => Err(self.unavailable(error)),
        }
    }

    async fn update(&self, operation: &Operation, from: State, lease: Option<&Lease>) -> Result<(), JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        self.check_move(&mut transaction, operation, from, lease).await?;
        self.write(&mut transaction, operation).await?;
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    async fn get(&self, id: &OperationId) -> Result<Option<Operation>, JournalError> {
        let row = sqlx::query("SELECT document FROM operations WHERE id = ?").bind(id.as_str()).fetch_optional(self.pool().await?).await;
        row.map_err(|e| self.unavailable(e))?.map(|row| self.operation(&row)).transpose()
    }

    async fn by_key(&self, key: &str) -> Result<Option<Operation>, JournalError> {
        let row = sqlx::query("SELECT document FROM operations WHERE idempotency_key = ?").bind(key).fetch_optional(self.pool().await?).await;
        row.map_err(|e| self.unavailable(e))?.map(|row| self.operation(&row)).transpose()
    }

    async fn list(&self, filter: &OperationFilter) -> Result<Vec<Operation>, JournalError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT document FROM operations WHERE 1 = 1");
        if let Some(target) = &filter.target {
            query.push(" AND target = ").push_bind(target.as_str());
        }
        if let Some(since) = filter.since {
            query.push(" AND created_at >= ").push_bind(millis(since));
        }
        if !filter.states.is_empty() {
            query.push(" AND state IN (");
            let mut states = query.separated(", ");
            for state in &filter.states {
                states.push_bind(state.name());
            }
            query.push(")");
        }
        query.push(" ORDER BY created_at DESC, rowid DESC LIMIT ").push_bind(i64::from(filter.limit.max(1)));
        let rows = query.build().fetch_all(self.pool().await?).await.map_err(|e| self.unavailable(e))?;
        rows.iter().map(|row| self.operation(row)).collect()
    }

    async fn attempts(&self, target: &TargetName, since: Timestamp) -> Result<Vec<PastAttempt>, JournalError> {
        let rows = sqlx::query("SELECT issue_type, action, started_at, outcome FROM attempts WHERE target = ? AND started_at >= ?")
            .bind(target.as_str())
            .bind(millis(since))
            .fetch_all(self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        rows.iter().map(|row| self.past_attempt(row)).collect()
    }

    async fn acquire(
        &self,
        target: &TargetName,
        operation: &OperationId,
        owner: &Owner,
        now: Timestamp,
        ttl: SignedDuration,
    ) -> Result<Result<Lease, OperationId>, JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        let row = sqlx::query("SELECT operation_id, fence, expires_at FROM leases WHERE target = ?")
            .bind(target.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        let mut fence = 1i64;
        if let Some(row) = row {
            let get = |column: &str| row.try_get::<i64, _>(column).map_err(|e| self.unavailable(e));
            if get("expires_at")? > millis(now) {
                let holder: String = row.try_get("operation_id").map_err(|e| self.unavailable(e))?;
                return Ok(Err(holder.parse().map_err(|_| self.corrupt("a lease"))?));
            }
            fence = get("fence")? + 1;
        }
        sqlx::query(
            "INSERT INTO leases (target, operation_id, owner, fence, expires_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (target) DO UPDATE SET operation_id = excluded.operation_id, owner = excluded.owner, fence = excluded.fence, expires_at = excluded.expires_at",
        )
        .bind(target.as_str())
        .bind(operation.as_str())
        .bind(&owner.0)
        .bind(fence)
        .bind(millis(now + ttl))
        .execute(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        transaction.commit().await.map_err(|e| self.unavailable(e))?;
        Ok(Ok(Lease { target: target.clone(), operation: operation.clone(), fence }))
    }

    async fn renew(&self, lease: &Lease, now: Timestamp, ttl: SignedDuration) -> Result<(), JournalError> {
        let renewed = sqlx::query("UPDATE leases SET expires_at = ? WHERE target = ? AND fence = ? AND expires_at > 0")
            .bind(millis(now + ttl))
            .bind(lease.target.as_str())
            .bind(lease.fence)
            .execute(self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        if renewed.rows_affected() == 0 { Err(JournalError::Fenced { id: lease.operation.clone() }) } else { Ok(()) }
    }

    async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        sqlx::query("UPDATE leases SET expires_at = 0 WHERE target = ? AND fence = ?")
            .bind(lease.target.as_str())
            .bind(lease.fence)
            .execute(self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        Ok(())
    }

    async fn interrupt_orphans(&self, now: Timestamp, is_dead: IsDead<'_>) -> Result<Vec<Operation>, JournalError> {
        // Mostly there are none, and looking takes no lock.
        let active: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operations WHERE state IN ('running', 'verifying')")
            .fetch_one(self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        if active == 0 {
            return Ok(Vec::new());
        }
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        let rows = sqlx::query(
            "SELECT o.document, l.owner, l.expires_at FROM operations o LEFT JOIN leases l ON l.target = o.target AND l.operation_id = o.id
             WHERE o.state IN ('running', 'verifying')",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        let mut orphans = Vec::new();
        for row in rows {
            let owner: Option<String> = row.try_get("owner").map_err(|e| self.unavailable(e))?;
            let expires: Option<i64> = row.try_get("expires_at").map_err(|e| self.unavailable(e))?;
            let held = expires.is_some_and(|e| e > millis(now)) && owner.is_some_and(|owner| !is_dead(&Owner(owner)));
            if held {
                continue;
            }
            let mut operation = self.operation(&row)?;
            interrupt(&mut operation, now);
            self.write(&mut transaction, &operation).await?;
            let free = sqlx::query("UPDATE leases SET expires_at = 0 WHERE target = ? AND operation_id = ?");
            free.bind(operation.target.as_str()).bind(operation.operation_id.as_str()).execute(&mut *transaction).await.map_err(|e| self.unavailable(e))?;
            orphans.push(operation);
        }
        transaction.commit().await.map_err(|e| self.unavailable(e))?;
        Ok(orphans)
    }
}

fn interrupt(operation: &mut Operation, now: Timestamp) {
    operation.state = State::Interrupted;
    operation.updated_at = now;
    "the process that ran it ended in the middle; it is not resumed. Look at the target with run_health_checks".clone_into(&mut operation.message);
    for attempt in operation.attempts.iter_mut().filter(|a| a.outcome == Outcome::Started) {
        attempt.outcome = Outcome::Interrupted;
        attempt.ended_at = Some(now);
    }
}

//! Operations, attempts and leases.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection, sqlite::SqliteRow};

use super::{IMMEDIATE, Store, StoreError, millis};
use crate::{
    recovery::{
        AuditEvent, IsDead, Journal, JournalError, Lease, Limits, Operation, OperationFilter, Outcome, Owner, PastAttempt, PastOperation, State, may_follow,
    },
    types::{ids::OperationId, moment::Moment, target::TargetName},
};

/// Past attempts and operations that guards look at, at most; more cannot be within any of their spans.
const PAST_ROWS: i64 = 200;
const HOUR_MS: i64 = 3_600_000;

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl Store {
    pub(super) fn unavailable(&self, source: sqlx::Error) -> JournalError {
        self.database(source).into()
    }

    fn operation(&self, row: &SqliteRow) -> Result<Operation, JournalError> {
        let document: String = row.try_get("document").map_err(|e| self.unavailable(e))?;
        let mut operation: Operation = serde_json::from_str(&document).map_err(|e| self.corrupt(format!("an operation ({e})")))?;
        operation.waits_since = self.moment(row, "waits_since", "waits_boot", "waits_uptime_ms")?;
        Ok(operation)
    }

    fn moment(&self, row: &SqliteRow, at: &str, boot: &str, uptime_ms: &str) -> Result<Moment, JournalError> {
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(|e| self.unavailable(e));
        let at = Timestamp::from_millisecond(number(at)?).map_err(|e| self.corrupt(e.to_string()))?;
        Ok(Moment { at, boot: row.try_get(boot).map_err(|e| self.unavailable(e))?, uptime_ms: number(uptime_ms)? })
    }

    fn text(&self, value: &impl serde::Serialize) -> Result<String, JournalError> {
        serde_json::to_string(value).map_err(|e| self.corrupt(e.to_string()).into())
    }

    /// Refuses moves that the table does not have, and writers that were overtaken.
    async fn check_move(&self, transaction: &mut SqliteConnection, operation: &Operation, from: State, lease: Option<&Lease>) -> Result<(), JournalError> {
        let id = &operation.operation_id;
        if !may_follow(from, operation) {
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

    /// Writes an operation with its attempts, and its line of the audit.
    async fn write(&self, transaction: &mut SqliteConnection, operation: &Operation) -> Result<(), JournalError> {
        let document = self.text(operation)?;
        let waits = &operation.waits_since;
        sqlx::query(
            "UPDATE operations SET state = ?, updated_at = ?, document = ?, waits_since = ?, waits_boot = ?, waits_uptime_ms = ?, called = max(called, ?) WHERE id = ?",
        )
        .bind(operation.state.name())
        .bind(millis(operation.updated_at))
        .bind(document)
        .bind(millis(waits.at))
        .bind(&waits.boot)
        .bind(waits.uptime_ms)
        .bind(i64::from(operation.state == State::Running))
        .bind(operation.operation_id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        for (number, attempt) in (0i64..).zip(&operation.attempts) {
            sqlx::query(
                "INSERT INTO attempts (operation_id, number, target, issue_type, action, started_at, boot, uptime_ms, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                 ON CONFLICT (operation_id, number) DO UPDATE SET outcome = excluded.outcome",
            )
            .bind(operation.operation_id.as_str())
            .bind(number)
            .bind(operation.target.as_str())
            .bind(operation.issue_type.name())
            .bind(attempt.action.name())
            .bind(millis(attempt.began.at))
            .bind(&attempt.began.boot)
            .bind(attempt.began.uptime_ms)
            .bind(self.text(&attempt.outcome)?)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        }
        self.audit_within(transaction, &AuditEvent::of(operation), operation.updated_at).await
    }

    /// An operation that waits for the same trouble, if this one is to wait too.
    async fn waiting_within(&self, transaction: &mut SqliteConnection, operation: &Operation) -> Result<Option<OperationId>, JournalError> {
        if operation.state != State::Planned {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT * FROM operations WHERE target = ? AND issue_type = ? AND state IN ('planned', 'approved')")
            .bind(operation.target.as_str())
            .bind(operation.issue_type.name())
            .fetch_all(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        let waiting: Result<Vec<Operation>, JournalError> = rows.iter().map(|row| self.operation(row)).collect();
        Ok(waiting?.into_iter().find(|o| o.expires_at > operation.created_at).map(|o| o.operation_id))
    }

    /// Actions within the hour before a moment. Over a reboot by the wall clock; one in its future counts.
    async fn actions_within(&self, connection: &mut SqliteConnection, now: &Moment) -> Result<u32, JournalError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM attempts WHERE CASE WHEN boot = ?1 AND boot <> '' THEN uptime_ms > ?2 ELSE started_at > ?3 END")
                .bind(&now.boot)
                .bind(now.uptime_ms - HOUR_MS)
                .bind(millis(now.at) - HOUR_MS)
                .fetch_one(connection)
                .await
                .map_err(|e| self.unavailable(e))?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    async fn free(&self, connection: &mut SqliteConnection, lease: &Lease) -> Result<(), JournalError> {
        let freed =
            sqlx::query("UPDATE leases SET expires_at = 0 WHERE target = ? AND fence = ? AND expires_at > 0").bind(lease.target.as_str()).bind(lease.fence);
        freed.execute(connection).await.map(|_| ()).map_err(|e| self.unavailable(e))
    }

    /// Whether anything was called since the operation was last approved. The audit says so, which cannot be set back unnoticed.
    async fn used_within(&self, transaction: &mut SqliteConnection, operation: &Operation) -> Result<bool, JournalError> {
        let used: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM audit WHERE operation_id = ?1 AND json_extract(text, '$.event') = 'intent' AND number >
                 (SELECT coalesce(max(number), 0) FROM audit WHERE operation_id = ?1 AND json_extract(text, '$.event') = 'approved')",
        )
        .bind(operation.operation_id.as_str())
        .fetch_one(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        Ok(used > 0)
    }

    /// One of these targets, but for one, on which an operation is running.
    async fn active_within(&self, transaction: &mut SqliteConnection, among: &[TargetName], but: &TargetName) -> Result<Option<String>, JournalError> {
        for target in among.iter().filter(|t| *t != but) {
            let active = sqlx::query_scalar("SELECT target FROM operations WHERE target = ? AND state IN ('running', 'verifying') LIMIT 1");
            let found: Option<String> = active.bind(target.as_str()).fetch_optional(&mut *transaction).await.map_err(|e| self.unavailable(e))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether a lease still holds: by the count since boot, or by the wall clock if another boot or machine took it.
    fn held(&self, row: &SqliteRow, now: &Moment) -> Result<bool, JournalError> {
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(|e| self.unavailable(e));
        let boot: String = row.try_get("boot").map_err(|e| self.unavailable(e))?;
        let (wall, uptime) = (number("expires_at")?, number("expires_uptime_ms")?);
        Ok(wall > 0 && if !boot.is_empty() && boot == now.boot { uptime > now.uptime_ms } else { wall > millis(now.at) })
    }

    fn past_operation(&self, row: &SqliteRow) -> Result<PastOperation, JournalError> {
        let get = |column: &str| row.try_get::<String, _>(column).map_err(|e| self.unavailable(e));
        let corrupt = |what: String| JournalError::from(self.corrupt(what));
        Ok(PastOperation {
            row: row.try_get("rowid").map_err(|e| self.unavailable(e))?,
            issue_type: get("issue_type")?.parse().map_err(corrupt)?,
            state: serde_json::from_value(get("state")?.into()).map_err(|e| corrupt(e.to_string()))?,
            began: self.moment(row, "created_at", "began_boot", "began_uptime_ms")?,
        })
    }

    fn past_attempt(&self, row: &SqliteRow) -> Result<PastAttempt, JournalError> {
        let get = |column: &str| row.try_get::<String, _>(column).map_err(|e| self.unavailable(e));
        let corrupt = |what: String| JournalError::from(self.corrupt(what));
        Ok(PastAttempt {
            issue_type: get("issue_type")?.parse().map_err(corrupt)?,
            action: get("action")?.parse().map_err(corrupt)?,
            began: self.moment(row, "started_at", "boot", "uptime_ms")?,
            outcome: serde_json::from_str(&get("outcome")?).map_err(|e| corrupt(e.to_string()))?,
        })
    }
}

#[async_trait]
impl Journal for Store {
    async fn create(&self, operation: &Operation) -> Result<(), JournalError> {
        let document = self.text(operation)?;
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        if let Some(id) = self.waiting_within(&mut transaction, operation).await? {
            return Err(JournalError::Waiting { id });
        }
        let began = &operation.waits_since;
        let added = sqlx::query(
            "INSERT INTO operations (id, target, issue_type, state, idempotency_key, created_at, updated_at, document,
                                     began_boot, began_uptime_ms, waits_since, waits_boot, waits_uptime_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?9, ?10)",
        )
        .bind(operation.operation_id.as_str())
        .bind(operation.target.as_str())
        .bind(operation.issue_type.name())
        .bind(operation.state.name())
        .bind(operation.stored_key())
        .bind(millis(operation.created_at))
        .bind(millis(operation.updated_at))
        .bind(document)
        .bind(&began.boot)
        .bind(began.uptime_ms)
        .bind(millis(began.at))
        .execute(&mut *transaction)
        .await;
        match added {
            Ok(_) => {}
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Err(JournalError::KeyTaken),
            Err(error) => return Err(self.unavailable(error)),
        }
        self.audit_within(&mut transaction, &AuditEvent::of(operation), operation.created_at).await?;
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    async fn update(&self, operation: &Operation, from: State, lease: Option<&Lease>) -> Result<(), JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        self.check_move(&mut transaction, operation, from, lease).await?;
        self.write(&mut transaction, operation).await?;
        if let Some(lease) = lease.filter(|_| operation.state.gives_lease_back()) {
            self.free(&mut transaction, lease).await?;
        }
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    async fn begin(&self, operation: &Operation, from: State, lease: &Lease, limits: &Limits) -> Result<(), JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        if let Some(reason) = self.halted_within(&mut transaction).await? {
            return Err(JournalError::Refused(format!("stopped by a person: {reason}")));
        }
        self.check_move(&mut transaction, operation, from, Some(lease)).await?;
        if from == State::Approved && operation.approved_by_person() && self.used_within(&mut transaction, operation).await? {
            return Err(JournalError::Refused("its approval was used before".to_owned()));
        }
        let began = operation.attempts.last().map(|a| a.began.clone()).unwrap_or_default();
        if let Some(limit) = limits.actions_per_hour
            && self.actions_within(&mut transaction, &began).await? >= limit
        {
            return Err(JournalError::Refused(format!("the budget of {limit} actions an hour is spent")));
        }
        if let Some(sibling) = self.active_within(&mut transaction, &limits.siblings, &operation.target).await? {
            return Err(JournalError::Refused(format!("{sibling} of the same group is being recovered right now")));
        }
        self.write(&mut transaction, operation).await?;
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    async fn get(&self, id: &OperationId) -> Result<Option<Operation>, JournalError> {
        let row = sqlx::query("SELECT * FROM operations WHERE id = ?").bind(id.as_str()).fetch_optional(&self.pool().await?).await;
        row.map_err(|e| self.unavailable(e))?.map(|row| self.operation(&row)).transpose()
    }

    async fn remember_key(&self, key: &str, id: &OperationId) -> Result<(), JournalError> {
        let kept = sqlx::query("INSERT INTO more_keys (idempotency_key, operation_id) VALUES (?, ?) ON CONFLICT (idempotency_key) DO NOTHING");
        kept.bind(key).bind(id.as_str()).execute(&self.pool().await?).await.map(|_| ()).map_err(|e| self.unavailable(e))
    }

    async fn by_key(&self, key: &str) -> Result<Option<Operation>, JournalError> {
        let found = "SELECT * FROM operations WHERE idempotency_key = ?1 OR id = (SELECT operation_id FROM more_keys WHERE idempotency_key = ?1)";
        let row = sqlx::query(found).bind(key).fetch_optional(&self.pool().await?).await;
        row.map_err(|e| self.unavailable(e))?.map(|row| self.operation(&row)).transpose()
    }

    async fn list(&self, filter: &OperationFilter) -> Result<Vec<Operation>, JournalError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM operations WHERE 1 = 1");
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
        let rows = query.build().fetch_all(&self.pool().await?).await.map_err(|e| self.unavailable(e))?;
        rows.iter().map(|row| self.operation(row)).collect()
    }

    async fn attempts(&self, target: &TargetName, except: Option<&OperationId>) -> Result<Vec<PastAttempt>, JournalError> {
        let rows = sqlx::query(
            "SELECT issue_type, action, started_at, boot, uptime_ms, outcome FROM attempts WHERE target = ? AND operation_id IS NOT ?
             ORDER BY rowid DESC LIMIT ?",
        )
        .bind(target.as_str())
        .bind(except.map(OperationId::as_str))
        .bind(PAST_ROWS)
        .fetch_all(&self.pool().await?)
        .await
        .map_err(|e| self.unavailable(e))?;
        rows.iter().map(|row| self.past_attempt(row)).collect()
    }

    async fn past(&self, target: &TargetName) -> Result<Vec<PastOperation>, JournalError> {
        let rows = sqlx::query(
            "SELECT rowid, issue_type, state, created_at, began_boot, began_uptime_ms FROM operations
             WHERE target = ? AND called = 1 AND state NOT IN ('planned', 'approved', 'running', 'verifying') ORDER BY rowid DESC LIMIT ?",
        )
        .bind(target.as_str())
        .bind(PAST_ROWS)
        .fetch_all(&self.pool().await?)
        .await
        .map_err(|e| self.unavailable(e))?;
        rows.iter().map(|row| self.past_operation(row)).collect()
    }

    async fn actions_last_hour(&self, now: &Moment) -> Result<u32, JournalError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|e| self.unavailable(e))?;
        self.actions_within(&mut connection, now).await
    }

    async fn acquire(
        &self,
        target: &TargetName,
        operation: &OperationId,
        owner: &Owner,
        now: &Moment,
        ttl: SignedDuration,
    ) -> Result<Result<Lease, OperationId>, JournalError> {
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        let row = sqlx::query("SELECT operation_id, fence, expires_at, boot, expires_uptime_ms FROM leases WHERE target = ?")
            .bind(target.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        let mut fence = 1i64;
        if let Some(row) = row {
            if self.held(&row, now)? {
                let holder: String = row.try_get("operation_id").map_err(|e| self.unavailable(e))?;
                return Ok(Err(holder.parse().map_err(|_| self.corrupt("a lease"))?));
            }
            fence = row.try_get::<i64, _>("fence").map_err(|e| self.unavailable(e))? + 1;
        }
        sqlx::query(
            "INSERT INTO leases (target, operation_id, owner, fence, expires_at, boot, expires_uptime_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (target) DO UPDATE SET operation_id = excluded.operation_id, owner = excluded.owner, fence = excluded.fence,
                 expires_at = excluded.expires_at, boot = excluded.boot, expires_uptime_ms = excluded.expires_uptime_ms",
        )
        .bind(target.as_str())
        .bind(operation.as_str())
        .bind(&owner.0)
        .bind(fence)
        .bind(millis(now.at + ttl))
        .bind(&now.boot)
        .bind(now.uptime_ms + span_ms(ttl))
        .execute(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        transaction.commit().await.map_err(|e| self.unavailable(e))?;
        Ok(Ok(Lease { target: target.clone(), operation: operation.clone(), fence, taken: now.clone() }))
    }

    async fn renew(&self, lease: &Lease, now: &Moment, ttl: SignedDuration) -> Result<(), JournalError> {
        let renewed = sqlx::query("UPDATE leases SET expires_at = ?, boot = ?, expires_uptime_ms = ? WHERE target = ? AND fence = ? AND expires_at > 0")
            .bind(millis(now.at + ttl))
            .bind(&now.boot)
            .bind(now.uptime_ms + span_ms(ttl))
            .bind(lease.target.as_str())
            .bind(lease.fence)
            .execute(&self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        if renewed.rows_affected() == 0 { Err(JournalError::Fenced { id: lease.operation.clone() }) } else { Ok(()) }
    }

    async fn release(&self, lease: &Lease) -> Result<(), JournalError> {
        let mut connection = self.pool().await?.acquire().await.map_err(|e| self.unavailable(e))?;
        self.free(&mut connection, lease).await
    }

    async fn interrupt_orphans(&self, now: &Moment, is_dead: IsDead<'_>) -> Result<Vec<Operation>, JournalError> {
        // Mostly there are none, and looking takes no lock.
        let active: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM operations WHERE state IN ('running', 'verifying')")
            .fetch_one(&self.pool().await?)
            .await
            .map_err(|e| self.unavailable(e))?;
        if active == 0 {
            return Ok(Vec::new());
        }
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        let rows = sqlx::query(
            "SELECT o.document, o.waits_since, o.waits_boot, o.waits_uptime_ms, l.owner, coalesce(l.expires_at, 0) AS expires_at,
                    coalesce(l.boot, '') AS boot, coalesce(l.expires_uptime_ms, 0) AS expires_uptime_ms
             FROM operations o LEFT JOIN leases l ON l.target = o.target AND l.operation_id = o.id
             WHERE o.state IN ('running', 'verifying')",
        )
        .fetch_all(&mut *transaction)
        .await
        .map_err(|e| self.unavailable(e))?;
        let mut orphans = Vec::new();
        for row in rows {
            let owner: Option<String> = row.try_get("owner").map_err(|e| self.unavailable(e))?;
            if self.held(&row, now)? && owner.is_some_and(|owner| !is_dead(&Owner(owner))) {
                continue;
            }
            let mut operation = self.operation(&row)?;
            interrupt(&mut operation, now.at);
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

fn span_ms(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

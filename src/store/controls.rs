//! What a person set: kill switch, freezes, resets of circuit breakers.
//!
//! The kill switch is a row, a file beside the store, or both: the file works without this program and when the store does not.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::{Row as _, SqliteConnection};

use super::{IMMEDIATE, Store, millis};
use crate::{
    recovery::{Actor, AuditEvent, Change, ControlState, Controls, Freeze, JournalError},
    types::{moment::Moment, target::TargetName},
};

/// A reason in the file is read up to here.
const REASON_BYTES: u64 = 200;

impl Store {
    /// The kill switch's file.
    pub fn stop_file(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".stop");
        PathBuf::from(name)
    }

    /// Why the file stops everything, if it is there. One that cannot be looked at stops, too.
    fn stopped_by_file(&self) -> Option<String> {
        let path = self.stop_file();
        let meta = match std::fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => return Some(format!("the kill switch {} cannot be looked at: {error}", path.display())),
        };
        let mut text = String::new();
        // Only what a person wrote into a plain file is repeated; a FIFO would hang.
        if meta.is_file()
            && let Ok(file) = std::fs::File::open(&path)
        {
            // What is no text is no reason; that the file is there is what counts.
            let _ = file.take(REASON_BYTES).read_to_string(&mut text);
        }
        let reason = text.lines().next().unwrap_or_default().trim().to_owned();
        Some(if reason.is_empty() { format!("{} is there", path.display()) } else { reason })
    }

    /// The row or the file, within a transaction.
    pub(super) async fn halted_within(&self, connection: &mut SqliteConnection) -> Result<Option<String>, JournalError> {
        if let Some(reason) = self.stopped_by_file() {
            return Ok(Some(reason));
        }
        let row = sqlx::query_scalar("SELECT reason FROM controls WHERE kind = 'halt' LIMIT 1").fetch_optional(connection).await;
        row.map_err(|e| self.unavailable(e))
    }

    async fn change_within(&self, transaction: &mut SqliteConnection, change: &Change, now: &Moment) -> Result<(), JournalError> {
        let delete = |kind: &'static str| sqlx::query("DELETE FROM controls WHERE kind = ? AND target IS NOT DISTINCT FROM coalesce(?, target)").bind(kind);
        let (kind, target, reason, number) = match change {
            Change::Halt { reason } => ("halt", None, reason.as_str(), 0),
            Change::Freeze { target, seconds, reason } => ("freeze", target.as_ref(), reason.as_str(), *seconds),
            Change::Reset { target } => {
                let newest: Option<i64> =
                    sqlx::query_scalar("SELECT max(rowid) FROM operations").fetch_one(&mut *transaction).await.map_err(|e| self.unavailable(e))?;
                ("reset", Some(target), "", newest.unwrap_or(0))
            }
            Change::Resume | Change::Unfreeze => {
                let kind = if *change == Change::Resume { "halt" } else { "freeze" };
                delete(kind).bind(None::<&str>).execute(&mut *transaction).await.map_err(|e| self.unavailable(e))?;
                return Ok(());
            }
        };
        // Freezes add up, everything else is there once.
        if kind != "freeze" {
            delete(kind).bind(target.map(TargetName::as_str)).execute(&mut *transaction).await.map_err(|e| self.unavailable(e))?;
        }
        sqlx::query("INSERT INTO controls (kind, target, reason, began_at, boot, uptime_ms, number) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(kind)
            .bind(target.map(TargetName::as_str))
            .bind(reason)
            .bind(millis(now.at))
            .bind(&now.boot)
            .bind(now.uptime_ms)
            .bind(number)
            .execute(&mut *transaction)
            .await
            .map_err(|e| self.unavailable(e))?;
        Ok(())
    }

    /// Sets it and audits it, both or none.
    async fn record_change(&self, change: &Change, who: &Actor, now: &Moment) -> Result<(), JournalError> {
        let target = match change {
            Change::Reset { target } => Some(target.clone()),
            Change::Freeze { target, .. } => target.clone(),
            _ => None,
        };
        let event = AuditEvent { who: who.clone(), event: change.event().to_owned(), target, detail: change.detail(), ..Default::default() };
        let mut transaction = self.pool().await?.begin_with(IMMEDIATE).await.map_err(|e| self.unavailable(e))?;
        self.change_within(&mut transaction, change, now).await?;
        self.audit_within(&mut transaction, &event, now.at).await?;
        transaction.commit().await.map_err(|e| self.unavailable(e))
    }

    fn write_stop_file(&self, reason: &str) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o644).open(self.stop_file())?;
        file.write_all(format!("{reason}\n").as_bytes())?;
        file.sync_all()
    }

    fn remove_stop_file(&self) -> Result<(), JournalError> {
        match std::fs::remove_file(self.stop_file()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(JournalError::Unavailable(format!("{} cannot be removed, so recovery stays stopped: {error}", self.stop_file().display())))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Controls for Store {
    async fn controls(&self) -> Result<ControlState, JournalError> {
        let mut state = ControlState { halted: self.stopped_by_file(), ..Default::default() };
        let rows = sqlx::query("SELECT * FROM controls ORDER BY id").fetch_all(&self.pool().await?).await.map_err(|e| self.unavailable(e))?;
        for row in rows {
            let text = |column: &str| row.try_get::<String, _>(column).map_err(|e| self.unavailable(e));
            let number = |column: &str| row.try_get::<i64, _>(column).map_err(|e| self.unavailable(e));
            let target: Option<String> = row.try_get("target").map_err(|e| self.unavailable(e))?;
            let target = target.map(|name| name.parse::<TargetName>()).transpose().map_err(|e| self.corrupt(format!("a control ({e})")))?;
            let at = Timestamp::from_millisecond(number("began_at")?).map_err(|e| self.corrupt(e.to_string()))?;
            let began = Moment { at, boot: text("boot")?, uptime_ms: number("uptime_ms")? };
            match (text("kind")?.as_str(), target) {
                ("halt", _) => state.halted = Some(state.halted.unwrap_or(text("reason")?)),
                ("freeze", target) => state.freezes.push(Freeze { target, began, span: SignedDuration::from_secs(number("number")?), reason: text("reason")? }),
                ("reset", Some(target)) => _ = state.resets.insert(target, number("number")?),
                (kind, _) => return Err(self.corrupt(format!("a control of kind {kind}")).into()),
            }
        }
        Ok(state)
    }

    async fn change(&self, change: &Change, who: &Actor, now: &Moment) -> Result<(), JournalError> {
        let mut failed = None;
        if let Change::Halt { reason } = change {
            // First, and whatever the store then says: stopping must not depend on it.
            failed = self.write_stop_file(reason).err();
        }
        match self.record_change(change, who, now).await {
            Err(error) if failed.is_none() && matches!(change, Change::Halt { .. }) => return Err(JournalError::StoppedByFile(error.to_string())),
            recorded => recorded?,
        }
        if *change == Change::Resume {
            self.remove_stop_file()?;
        }
        // The row stops as well; the file is for those who look.
        failed.map_or(Ok(()), |error| {
            tracing::warn!(%error, "the kill switch's file could not be written; the store has it");
            Ok(())
        })
    }
}

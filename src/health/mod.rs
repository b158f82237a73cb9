//! Health: probes what is configured, all at once, each with a deadline, and says how each is, with figures.
//!
//! A check never changes what it looks at. Does not decide what to do about a finding; it only names the issue type and the playbook that the finding leads to.
//!
//! **Invariant:** a check that could not tell says `unknown`; a check that is not configured is `skipped` and counts as nothing. A report is never lost because it
//! could not be stored.

mod cgroup;
pub mod check;
pub mod checks;
pub mod history;
mod outcome;
pub mod runner;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::ports::Ports;

pub use check::{Check, CheckKind, Measurement, Reading, Scope, State, Threshold};
pub use history::History;
pub use runner::{CheckResult, Counts, Ended, NamedCheck, Report, run, run_and_tell, select};

/// How long reports are kept unless told otherwise.
pub const KEEP: Duration = Duration::from_secs(14 * 86_400);

/// How long a report waits for the history: it is wanted now.
const HISTORY: Duration = Duration::from_secs(2);

/// Old reports are forgotten at most this often.
const FORGET_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What can go wrong in this room. That something is unhealthy is no error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// A check was asked for that does not exist.
    #[error("there is no check '{given}'; the checks are {}{}", .known.join(", "), .nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    UnknownCheck {
        /// What was asked for, made harmless.
        given: String,
        /// What there is.
        known: Vec<String>,
        /// The known name that is nearest, if one is near.
        nearest: Option<String>,
    },
    /// The history could not be read or written. The text is ours.
    #[error("the health history is not available: {0}")]
    History(String),
}

/// The service: the configured checks, and where their reports go.
pub struct Health {
    /// All checks, configured or not, in the order of reports.
    pub checks: Vec<NamedCheck>,
    /// The way to the outside.
    pub ports: Ports,
    /// The name of this machine.
    pub host: String,
    /// Where reports are kept; none keeps none.
    pub history: Option<Arc<dyn History>>,
    /// How long reports are kept.
    pub keep: Duration,
    forgot_at: Mutex<Option<Timestamp>>,
}

impl Health {
    /// A service that keeps reports for [`KEEP`].
    pub fn new(checks: Vec<NamedCheck>, ports: Ports, host: impl Into<String>, history: Option<Arc<dyn History>>) -> Self {
        Self { checks, ports, host: host.into(), history, keep: KEEP, forgot_at: Mutex::new(None) }
    }

    /// Runs the checks of these names, all for none, and puts the report into the history. A history that fails is a note in the report.
    ///
    /// # Errors
    /// [`HealthError::UnknownCheck`].
    pub async fn check(&self, names: &[String]) -> Result<Report, HealthError> {
        self.check_and_tell(names, &|_, _| {}).await
    }

    /// As [`Health::check`], and tells whenever a check ended.
    ///
    /// # Errors
    /// [`HealthError::UnknownCheck`].
    pub async fn check_and_tell(&self, names: &[String], ended: Ended<'_>) -> Result<Report, HealthError> {
        let mut report = run_and_tell(&select(&self.checks, names)?, &self.ports, &self.host, ended).await;
        if let Some(history) = &self.history {
            let late = || HealthError::History(format!("it did not answer within {} s", HISTORY.as_secs()));
            let kept = tokio::time::timeout(HISTORY, self.keep_report(history.as_ref(), &report)).await.unwrap_or_else(|_| Err(late()));
            if let Err(error) = kept {
                tracing::warn!(%error, "a health report was not stored");
                report.history_note = Some(error.to_string());
            }
        }
        Ok(report)
    }

    /// Reports that were kept, newest first, at most `limit`; with one name only that check's results. Empty without a history.
    ///
    /// # Errors
    /// [`HealthError::UnknownCheck`], [`HealthError::History`].
    pub async fn recent(&self, names: &[String], limit: usize) -> Result<Vec<Report>, HealthError> {
        let chosen = select(&self.checks, names)?;
        let only = if names.is_empty() { None } else { chosen.first().map(|c| c.name.as_str()) };
        match &self.history {
            Some(history) => history.recent(only, limit).await,
            None => Ok(Vec::new()),
        }
    }

    async fn keep_report(&self, history: &dyn History, report: &Report) -> Result<(), HealthError> {
        history.append(report).await?;
        if self.is_time_to_forget(report.checked_at) {
            let keep = SignedDuration::try_from(self.keep).unwrap_or(SignedDuration::MAX);
            // A span that reaches before the beginning of time keeps everything.
            if let Ok(oldest) = report.checked_at.checked_sub(keep) {
                let forgotten = history.forget_before(oldest).await?;
                tracing::debug!(forgotten, "forgot old health reports");
            }
        }
        Ok(())
    }

    /// Once an hour; and when the clock was set back, at once.
    fn is_time_to_forget(&self, now: Timestamp) -> bool {
        let mut last = self.forgot_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = last.is_none_or(|last| now < last || now.duration_since(last) >= FORGET_EVERY);
        if due {
            *last = Some(now);
        }
        due
    }
}

//! The self-healing loop: looks at every target, and starts its recovery when its checks fail several times in a row.
//!
//! It asks like anybody else: policy, guards, lease and journal are the recovery room's. What cannot be taken back still waits for a person.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Services;
use crate::{
    recovery::{Operation, RecoveryError, State, TriggerRequest, Vital},
    types::{
        access::Scopes,
        ids::OperationId,
        issue::IssueType,
        sanitise::sanitise_line,
        target::{Policy, TargetName},
    },
};

/// A recovery is followed this long; it ends long before by its own deadlines.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// Pause after a refusal: most last for minutes.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// What the loop saw or did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchEvent {
    /// A look found the target down.
    Failing {
        /// The target.
        target: TargetName,
        /// How many looks in a row.
        times: u32,
        /// How many start a recovery.
        of: u32,
        /// What the checks said.
        summary: String,
    },
    /// The target is well again.
    Well {
        /// The target.
        target: TargetName,
    },
    /// A recovery ended, or waits for a person.
    Recovery {
        /// The target.
        target: TargetName,
        /// The operation.
        operation_id: OperationId,
        /// Where it stands.
        state: State,
        /// What that means.
        message: String,
    },
    /// A recovery was refused.
    Refused {
        /// The target.
        target: TargetName,
        /// The refusal's code.
        code: &'static str,
        /// Why.
        message: String,
    },
}

/// Where events go.
pub type Tell = Arc<dyn Fn(WatchEvent) + Send + Sync>;

/// The targets that the loop looks at, with what it mends.
pub fn watched(services: &Services) -> Vec<(TargetName, IssueType)> {
    let able = services.recovery.targets().values().filter(|t| t.policy != Policy::Deny && !t.actuators.is_empty());
    able.filter_map(|t| Some((t.name.clone(), t.heal?))).collect()
}

/// Looks and recovers until it is told to stop.
pub async fn watch(services: Arc<Services>, tell: Tell, stop: CancellationToken) {
    let loops = watched(&services).into_iter().map(|(target, issue)| {
        let watcher = Watcher { services: services.clone(), tell: tell.clone(), target, issue, failures: 0, last: None };
        let (name, stop) = (watcher.target.clone(), stop.clone());
        async move {
            // A defect at one target must not end the watch over the others.
            if AssertUnwindSafe(watcher.run(stop)).catch_unwind().await.is_err() {
                tracing::error!(target = %name, "the watch over this target ended by a defect; start it anew");
            }
        }
    });
    futures::future::join_all(loops).await;
}

/// One target.
struct Watcher {
    services: Arc<Services>,
    tell: Tell,
    target: TargetName,
    issue: IssueType,
    /// Failed looks in a row. A look that cannot tell neither adds nor ends them: unknown is not unwell.
    failures: u32,
    /// The last thing that was told of a recovery, so that it is told once.
    last: Option<String>,
}

impl Watcher {
    async fn run(mut self, stop: CancellationToken) {
        let interval = Duration::from_secs(u64::from(self.services.recovery.settings().watch.interval_seconds));
        let mut pause = interval;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = tokio::select! {
                () = stop.cancelled() => return,
                wanted = self.round() => wanted.unwrap_or(interval),
            };
        }
    }

    /// One look, and a recovery if it is time. A longer pause, if one is wanted.
    async fn round(&mut self) -> Option<Duration> {
        let vital = self.services.recovery.look(self.target.as_str()).await.ok()?;
        if vital.unknown {
            return None;
        }
        // Degraded is no failure: a restart because a certificate runs out soon, or a pool is nearly full, would do more harm than good.
        if !vital.down {
            if vital.well && self.failures > 0 {
                (self.tell)(WatchEvent::Well { target: self.target.clone() });
            }
            (self.failures, self.last) = (0, None);
            return None;
        }
        self.failures += 1;
        let of = self.services.recovery.settings().watch.failures;
        if self.last.is_none() {
            let summary = sanitise_line(&self.services.clean_text(&vital.summary)).into_owned();
            (self.tell)(WatchEvent::Failing { target: self.target.clone(), times: self.failures, of, summary });
        }
        if self.failures < of {
            return None;
        }
        match self.recover(&vital).await {
            Ok(operation) => self.tell_operation(&operation),
            Err(refusal) => return self.tell_refusal(&refusal),
        }
        None
    }

    async fn recover(&self, vital: &Vital) -> Result<Operation, RecoveryError> {
        let reason = format!("{} looks in a row found it down; last: {}", self.failures, vital.summary);
        let request = TriggerRequest {
            issue_type: self.issue,
            target: self.target.to_string(),
            reason: crate::types::bound::cut(&self.services.clean_text(&reason), 1_000),
            idempotency_key: None,
            who: self.services.actor("watch", None),
            unattended: true,
            may: Scopes::all(),
            client_asks: false,
        };
        self.services.recovery.trigger(request, PATIENCE).await
    }

    fn tell_operation(&mut self, operation: &Operation) {
        // One that waits is joined at every round.
        let key = format!("{} {}", operation.operation_id, operation.state.name());
        if self.last.replace(key.clone()).as_deref() != Some(key.as_str()) {
            (self.tell)(WatchEvent::Recovery {
                target: self.target.clone(),
                operation_id: operation.operation_id.clone(),
                state: operation.state,
                message: self.services.clean_text(&operation.message),
            });
        }
        if operation.state.is_final() {
            (self.failures, self.last) = (0, None);
        }
    }

    fn tell_refusal(&mut self, refusal: &RecoveryError) -> Option<Duration> {
        if self.last.replace(refusal.code().to_owned()).as_deref() != Some(refusal.code()) {
            let message = self.services.clean_text(&refusal.to_string());
            (self.tell)(WatchEvent::Refused { target: self.target.clone(), code: refusal.code(), message });
        }
        match refusal {
            RecoveryError::Cooldown { remaining_seconds, .. } => Some(Duration::from_secs(u64::try_from(*remaining_seconds).unwrap_or(1).clamp(1, 30))),
            _ => Some(REFUSED_PAUSE),
        }
    }
}

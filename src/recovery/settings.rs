//! `[recovery]` of the configuration.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use super::{Action, ApproverKey, FreezeWindow, default_strategy};
use crate::types::issue::IssueType;

/// Limits of the engine and the order of actions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecoverySettings {
    /// Seconds during which the same issue, and the same action, is not tried again on a target, also after failures. Default 300, as in the
    /// specification; 0 to 86,400.
    pub cooldown_seconds: u32,
    /// Minutes for which an operation waits for approval, and for which an approval holds. Default 30; 1 to 1,440.
    pub approval_minutes: u32,
    /// Order of actions per issue type; absent ones keep the specification's.
    pub strategies: BTreeMap<String, Vec<Action>>,
    /// The key of the passphrase that approves, as `opsmedic recover passphrase` prints it. Without it nothing can be approved, and targets with
    /// policy `approve` are refused.
    pub approver_key: Option<ApproverKey>,
    /// So many recoveries of a target that failed in a row open its circuit breaker, which only a person closes. Default 3; 1 to 20.
    pub breaker_failures: u32,
    /// At most so many actions an hour over all targets. Default 20; 1 to 1,000.
    pub actions_per_hour: u32,
    /// Where more than this share of a group's targets is unwell, none of them is acted on. Percent, default 50; 1 to 100.
    pub max_unhealthy_percent: u8,
    /// Windows without recovery.
    pub freeze: Vec<FreezeWindow>,
    /// Whether `opsmedic serve` also heals by itself. Default false; `opsmedic watch` does so in any case.
    pub auto_recovery: bool,
    /// How the self-healing loop looks.
    pub watch: WatchSettings,
}

/// `[recovery.watch]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchSettings {
    /// Seconds between two looks at a target. Default 10; 1 to 3,600.
    pub interval_seconds: u32,
    /// So many failed looks in a row start a recovery. Default 3; 1 to 100.
    pub failures: u32,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { interval_seconds: 10, failures: 3 }
    }
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self {
            cooldown_seconds: 300,
            approval_minutes: 30,
            strategies: BTreeMap::new(),
            approver_key: None,
            breaker_failures: 3,
            actions_per_hour: 20,
            max_unhealthy_percent: 50,
            freeze: Vec::new(),
            auto_recovery: false,
            watch: WatchSettings::default(),
        }
    }
}

impl RecoverySettings {
    /// Ranges and names.
    ///
    /// # Errors
    /// A text that names the key and what to write.
    pub fn validate(&self) -> Result<(), String> {
        let ranges = [
            ("cooldown_seconds", self.cooldown_seconds, 0..=86_400),
            ("approval_minutes", self.approval_minutes, 1..=1_440),
            ("breaker_failures", self.breaker_failures, 1..=20),
            ("actions_per_hour", self.actions_per_hour, 1..=1_000),
            ("max_unhealthy_percent", u32::from(self.max_unhealthy_percent), 1..=100),
            ("watch.interval_seconds", self.watch.interval_seconds, 1..=3_600),
            ("watch.failures", self.watch.failures, 1..=100),
        ];
        if let Some((key, _, range)) = ranges.iter().find(|(_, value, range)| !range.contains(value)) {
            return Err(format!("recovery.{key} is out of range: write {} to {}", range.start(), range.end()));
        }
        self.freeze.iter().try_for_each(FreezeWindow::validate)?;
        for (name, actions) in &self.strategies {
            name.parse::<IssueType>().map_err(|e| format!("recovery.strategies.{name}: {e}"))?;
            if actions.is_empty() {
                return Err(format!("recovery.strategies.{name} is empty: write at least one action, or leave it out for the default"));
            }
            // Within an operation no cooldown stands between two actions.
            if let Some(action) = actions.iter().enumerate().find_map(|(n, action)| actions[..n].contains(action).then_some(action)) {
                return Err(format!("recovery.strategies.{name} has {action} twice: write each action once"));
            }
        }
        Ok(())
    }

    /// The actions for an issue, in order.
    pub fn strategy(&self, issue: IssueType) -> Vec<Action> {
        self.strategies.get(issue.name()).cloned().unwrap_or_else(|| default_strategy(issue).to_vec())
    }

    /// The cooldown as a duration.
    pub fn cooldown(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.cooldown_seconds))
    }

    /// How long an approval is waited for, and holds.
    pub fn approval(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::from(self.approval_minutes))
    }
}

//! `[recovery]` of the configuration.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use super::{Action, default_strategy};
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
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self { cooldown_seconds: 300, approval_minutes: 30, strategies: BTreeMap::new() }
    }
}

impl RecoverySettings {
    /// Ranges and names.
    ///
    /// # Errors
    /// A text that names the key and what to write.
    pub fn validate(&self) -> Result<(), String> {
        if self.cooldown_seconds > 86_400 {
            return Err("recovery.cooldown_seconds is out of range: write 0 to 86400".to_owned());
        }
        if !(1..=1_440).contains(&self.approval_minutes) {
            return Err("recovery.approval_minutes is out of range: write 1 to 1440".to_owned());
        }
        for (name, actions) in &self.strategies {
            name.parse::<IssueType>().map_err(|e| format!("recovery.strategies.{name}: {e}"))?;
            if actions.is_empty() {
                return Err(format!("recovery.strategies.{name} is empty: write at least one action, or leave it out for the default"));
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

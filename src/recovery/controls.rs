//! What a person sets on the machine and every process that shares the store obeys: the kill switch, freezes, resets of circuit breakers.
//!
//! None of it can be reached through MCP.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::SignedDuration;

use super::{Actor, JournalError};
use crate::types::{moment::Moment, target::TargetName};

/// A freeze that a person set, until it is over or lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Only this target; none means all.
    pub target: Option<TargetName>,
    /// When it was set.
    pub began: Moment,
    /// For how long.
    pub span: SignedDuration,
    /// Why.
    pub reason: String,
}

/// What is set right now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControlState {
    /// Why everything is stopped, if it is.
    pub halted: Option<String>,
    /// Freezes, over ones included.
    pub freezes: Vec<Freeze>,
    /// For each target the last operation before its breaker was reset, by the store's own count.
    pub resets: BTreeMap<TargetName, i64>,
}

/// A person's act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stops all recovery.
    Halt {
        /// Why.
        reason: String,
    },
    /// Ends the stop.
    Resume,
    /// No recovery for a while.
    Freeze {
        /// Only this target.
        target: Option<TargetName>,
        /// For how long, seconds.
        seconds: i64,
        /// Why.
        reason: String,
    },
    /// Ends all freezes that a person set.
    Unfreeze,
    /// Closes a circuit breaker: what failed until now counts no more.
    Reset {
        /// Whose.
        target: TargetName,
    },
}

impl Change {
    /// The event's name in the audit.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Halt { .. } => "halted",
            Self::Resume => "resumed",
            Self::Freeze { .. } => "frozen",
            Self::Unfreeze => "unfrozen",
            Self::Reset { .. } => "breaker_reset",
        }
    }

    /// What the audit says beside the event.
    pub fn detail(&self) -> String {
        match self {
            Self::Halt { reason } => reason.clone(),
            Self::Freeze { seconds, reason, .. } => format!("for {seconds} s: {reason}"),
            Self::Resume | Self::Unfreeze | Self::Reset { .. } => String::new(),
        }
    }

    /// Whether it makes acting possible again, and so needs the approver's passphrase. Stopping needs none.
    pub fn loosens(&self) -> bool {
        matches!(self, Self::Resume | Self::Unfreeze | Self::Reset { .. })
    }
}

/// Where a person's acts are kept.
#[async_trait]
pub trait Controls: Send + Sync {
    /// What is set. The kill switch's file counts too.
    ///
    /// # Errors
    /// A store that cannot be read.
    async fn controls(&self) -> Result<ControlState, JournalError>;

    /// Sets something, and audits it in the same transaction.
    ///
    /// # Errors
    /// A store that cannot be written. A halt is in effect all the same where its file could be written.
    async fn change(&self, change: &Change, who: &Actor, now: &Moment) -> Result<(), JournalError>;
}

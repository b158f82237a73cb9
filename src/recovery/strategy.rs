//! The actions there are, and which of them an issue type tries in which order.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::types::issue::IssueType;

/// What can be done to a target. How it is done is the target's actuator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Action {
    /// Starts the service anew.
    RestartService,
    /// Doubles the replicas, to at most ten.
    ScaleUp,
    /// Removes the keys of a declared cache.
    ClearCache,
    /// Hands over to the standby.
    Failover,
    /// Goes back to the previous version.
    Rollback,
}

/// How much an action can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Risk {
    /// Can be taken back at once.
    Reversible,
    /// Interrupts requests in flight.
    Disruptive,
    /// Cannot be taken back.
    Destructive,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 5] = [Self::RestartService, Self::ScaleUp, Self::ClearCache, Self::Failover, Self::Rollback];

    /// The name on the wire and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::RestartService => "restart_service",
            Self::ScaleUp => "scale_up",
            Self::ClearCache => "clear_cache",
            Self::Failover => "failover",
            Self::Rollback => "rollback",
        }
    }

    /// How much it can break.
    pub fn risk(self) -> Risk {
        match self {
            Self::ScaleUp => Risk::Reversible,
            Self::RestartService | Self::Rollback => Risk::Disruptive,
            Self::ClearCache | Self::Failover => Risk::Destructive,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|a| a.name() == text)
            .ok_or_else(|| format!("unknown action '{text}': write one of {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The specification's order for each issue type; `bad_deployment` is ours, because the specification defines rollback and uses it nowhere.
pub fn default_strategy(issue: IssueType) -> &'static [Action] {
    match issue {
        IssueType::HighErrorRate => &[Action::ClearCache, Action::RestartService, Action::ScaleUp],
        IssueType::HighLatency => &[Action::ScaleUp, Action::ClearCache],
        IssueType::ServiceUnavailable | IssueType::DatabaseConnectionError => &[Action::RestartService, Action::Failover],
        IssueType::MemoryExhaustion => &[Action::RestartService, Action::ScaleUp],
        IssueType::BadDeployment => &[Action::Rollback, Action::RestartService],
    }
}

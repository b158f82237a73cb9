//! The one place where the rooms' errors become what a caller sees: `{code, message, hint}`.

use serde::Serialize;

use crate::{health::HealthError, incident::IncidentError, logs::LogsError, playbook::PlaybookError, recovery::RecoveryError};

/// A refusal or failure of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ToolError {
    /// Stable, for programs.
    pub code: &'static str,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ToolError {
    /// An error with its remedy.
    pub fn new(code: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into() }
    }

    /// Arguments that do not fit the schema.
    pub fn arguments(error: &serde_json::Error) -> Self {
        Self::new("invalid_input", error.to_string(), "correct the arguments; the tool's input schema lists names, types and ranges")
    }
}

impl From<IncidentError> for ToolError {
    fn from(error: IncidentError) -> Self {
        let (code, hint) = match &error {
            IncidentError::NoEvidence => ("no_evidence", "give what you know; run_health_checks and analyze_logs find more"),
            IncidentError::OutOfRange { .. } => ("invalid_input", "correct the value and call again"),
            IncidentError::MissingMetrics(_) => ("missing_metrics", "give all four metrics, or have policy guarded configured"),
        };
        Self::new(code, error.to_string(), hint)
    }
}

impl From<RecoveryError> for ToolError {
    fn from(error: RecoveryError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

impl From<PlaybookError> for ToolError {
    fn from(error: PlaybookError) -> Self {
        match error {
            PlaybookError::Unknown { .. } => Self::new("unknown_playbook", error.to_string(), "use one of the ids in the message"),
            other => Self::new("playbook_broken", other.to_string(), "a person mends the playbook folder that the configuration names"),
        }
    }
}

impl From<HealthError> for ToolError {
    fn from(error: HealthError) -> Self {
        match error {
            HealthError::UnknownCheck { .. } => Self::new("unknown_check", error.to_string(), "use names from the message, or none for all checks"),
            HealthError::History(_) => Self::new("store_unavailable", error.to_string(), "a person checks the store's path, its disk and its permissions"),
        }
    }
}

impl From<LogsError> for ToolError {
    fn from(error: LogsError) -> Self {
        Self::new(error.code(), error.to_string(), error.hint())
    }
}

//! The one place where the rooms' errors become what a caller sees: `{code, message, hint}`.

use rmcp::model::{ErrorData, JsonRpcMessage};
use serde::Serialize;
use serde_json::Value;

use crate::{
    health::HealthError,
    incident::IncidentError,
    logs::LogsError,
    playbook::PlaybookError,
    recovery::RecoveryError,
    types::{bound, redact::Redactor, sanitise::sanitise},
};

/// The longest text of an error that the protocol's crate words, bytes.
const MOST_BYTES: usize = 2_000;

/// The protocol's crate repeats in its errors what a caller sent, such as a revision that it does not know.
pub(super) fn clean_error(message: &mut JsonRpcMessage<impl Sized, impl Sized, impl Sized>) {
    if let JsonRpcMessage::Error(error) = message {
        clean(&mut error.error);
    }
}

fn clean(error: &mut ErrorData) {
    error.message = harmless(&error.message).into();
    if let Some(data) = &mut error.data {
        clean_value(data);
    }
}

/// An error's body over HTTP, which is a message or a text.
pub(super) fn clean_body(body: &[u8]) -> Vec<u8> {
    let Ok(mut message) = serde_json::from_slice::<Value>(body) else {
        return harmless(&String::from_utf8_lossy(body)).into_bytes();
    };
    if let Some(error) = message.get_mut("error") {
        clean_value(error);
    }
    serde_json::to_vec(&message).unwrap_or_default()
}

fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = harmless(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(object) => object.values_mut().for_each(clean_value),
        _ => {}
    }
}

fn harmless(text: &str) -> String {
    bound::cut(&sanitise(&Redactor::default().redact(text)), MOST_BYTES)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_protocol_repeats_is_made_harmless() {
        let mut error = ErrorData::invalid_params("no \u{1b}[2J\u{202e} password=canary-1", Some(serde_json::json!({"requested": ["\u{200b}"], "n": 1})));
        clean(&mut error);
        assert_eq!(error.message, "no \\u{1b}[2J\\u{202e} password=[redacted]");
        assert_eq!(error.data, Some(serde_json::json!({"requested": ["\\u{200b}"], "n": 1})));
        assert_eq!(clean_body("no \u{1b}".as_bytes()), b"no \\u{1b}");
        let body = serde_json::json!({"jsonrpc": "2.0", "id": "\u{200b}", "error": {"code": -1, "message": "\u{200b}"}}).to_string();
        let message: Value = serde_json::from_slice(&clean_body(body.as_bytes())).expect("JSON");
        assert_eq!((&message["id"], &message["error"]["message"]), (&Value::from("\u{200b}"), &Value::from("\\u{200b}")));
    }
}

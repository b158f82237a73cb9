//! What the drill tells, and how it reads answers.

use serde::Serialize;
use serde_json::Value;

/// A step of the drill that ended.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What was done.
    pub title: &'static str,
    /// Whether it saw what it must.
    pub passed: bool,
    /// Seconds since the drill began.
    pub at_seconds: f64,
    /// What it saw.
    pub saw: Vec<String>,
}

/// A text of an answer; empty if it is not there.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default()
}

/// A list of texts of an answer.
pub(super) fn list(value: &Value, pointer: &str) -> String {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.map(|items| items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

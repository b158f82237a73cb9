//! An answer as readable text with the same facts as its structure, for clients that show only text.
//!
//! Untrusted strings stay in quotes with their newlines escaped, so that they cannot pass for lines of ours.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The headline, then every fact as an indented outline.
pub(super) fn outline(headline: &str, object: &Map<String, Value>) -> String {
    let mut out = format!("{headline}\n");
    for (key, value) in object.iter().filter(|(key, _)| *key != "next_calls") {
        entry(&mut out, key, value, 0);
    }
    if let Some(Value::Array(calls)) = object.get("next_calls") {
        for call in calls {
            let text = |key: &str| call.get(key).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default();
            line(&mut out, 0, &format!("next: {} {} ({})", text("tool"), text("arguments"), text("why")));
        }
    }
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    writeln!(out, "{:indent$}{text}", "", indent = depth * 2).expect("writing to a String cannot fail");
}

fn entry(out: &mut String, key: &str, value: &Value, depth: usize) {
    match value {
        Value::Object(inner) if inner.is_empty() => line(out, depth, &format!("{key}: none")),
        Value::Array(items) if items.is_empty() => line(out, depth, &format!("{key}: none")),
        Value::Object(inner) => match one_line(key, inner) {
            Some(short) => line(out, depth, &format!("{key}: {short}")),
            None => {
                line(out, depth, &format!("{key}:"));
                inner.iter().for_each(|(k, v)| entry(out, &inherited(key, k), v, depth + 1));
            }
        },
        Value::Array(items) if items.iter().all(|i| !i.is_object() && !i.is_array()) => {
            let texts: Vec<String> = items.iter().map(|i| scalar(key, i)).collect();
            line(out, depth, &format!("{key}: {}", texts.join(", ")));
        }
        Value::Array(items) => {
            line(out, depth, &format!("{key}:"));
            items.iter().for_each(|item| list_item(out, item, depth + 1));
        }
        other => line(out, depth, &format!("{key}: {}", scalar(key, other))),
    }
}

fn list_item(out: &mut String, item: &Value, depth: usize) {
    let Value::Object(inner) = item else { return line(out, depth, &format!("- {}", scalar("", item))) };
    if let Some(short) = one_line("", inner) {
        return line(out, depth, &format!("- {short}"));
    }
    line(out, depth, "-");
    inner.iter().for_each(|(k, v)| entry(out, k, v, depth + 1));
}

/// What is under something untrusted is untrusted.
fn inherited(parent: &str, key: &str) -> String {
    if parent.starts_with("untrusted") && !key.starts_with("untrusted") { format!("untrusted {key}") } else { key.to_owned() }
}

/// Objects of a few short scalars fit on a line.
fn one_line(parent: &str, object: &Map<String, Value>) -> Option<String> {
    if object.values().any(|v| v.is_object() || v.is_array()) {
        return None;
    }
    let text = object.iter().map(|(k, v)| format!("{k}={}", scalar(&inherited(parent, k), v))).collect::<Vec<_>>().join(" ");
    (text.len() <= 160).then_some(text)
}

fn scalar(key: &str, value: &Value) -> String {
    match value {
        Value::String(text) if key.starts_with("untrusted") || text.contains('\n') => value.to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

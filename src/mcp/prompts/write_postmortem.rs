//! `write_postmortem`

use futures::FutureExt as _;
use serde_json::{Map, json};

use super::{Argument, Fact, Facts, Given, Prompt, Source, Text};
use crate::{
    flows::Services,
    mcp::ToolError,
    recovery::{Attempt, Operation},
    types::{bound, ids::OperationId, sanitise::sanitise_line},
};

/// How many attempts the timeline shows.
const MOST_ATTEMPTS: usize = 20;
/// How long a line of the timeline may be.
const LINE_BYTES: usize = 400;
/// How much of each output is shown.
const OUTPUT_BYTES: usize = 400;

pub(super) const PROMPT: Prompt = Prompt {
    name: "write_postmortem",
    title: Text { en: "Write a postmortem", zh: "撰写复盘" },
    description: Text {
        en: "A blameless postmortem of a recorded recovery, with the timeline as it was recorded.",
        zh: "对一次已记录的恢复操作进行不追责的复盘，时间线取自记录。",
    },
    arguments: &[Argument {
        name: "operation_id",
        description: Text { en: "The recovery, as trigger_recovery returned its id.", zh: "恢复操作的 id，由 trigger_recovery 返回。" },
        required: true,
        source: Source::Operation,
        free: false,
    }],
    text: Text { en: include_str!("../../../prompts/write_postmortem/en.md"), zh: include_str!("../../../prompts/write_postmortem/zh.md") },
    facts: |services, given| facts(services, given).boxed(),
};

async fn facts(services: &Services, given: &Given) -> Result<Facts, ToolError> {
    let id: Result<OperationId, String> = given.get("operation_id").map(String::as_str).unwrap_or_default().parse();
    let id = id.map_err(|e| ToolError::new("invalid_input", e, "opsmedic://recoveries lists the newest"))?;
    let operation = services.recovery.get(&id).await.map_err(|error| match ToolError::from(error) {
        // An argument that names nothing is a wrong argument here.
        error if error.code == "unknown_operation" => ToolError { code: "invalid_input", ..error },
        error => error,
    })?;
    let lines: Vec<String> =
        timeline(&operation).iter().map(|line| format!("- {}", bound::cut(&sanitise_line(&services.clean_text(line)), LINE_BYTES))).collect();
    let facts = [
        ("target", Fact::Plain(operation.target.to_string().into())),
        ("timeline", Fact::Plain(lines.join("\n").into())),
        ("untrusted_record", Fact::Untrusted(untrusted(services, &operation))),
    ];
    Ok(Facts::from(facts))
}

/// What happened when, in our own words.
fn timeline(operation: &Operation) -> Vec<String> {
    let mut lines = vec![format!("{} requested by {}: {} on {}", operation.created_at, operation.requested_by, operation.issue_type, operation.target)];
    lines.extend(operation.before.as_ref().map(|before| format!("before the first action: {before}")));
    lines.extend(operation.approved_by.as_ref().map(|who| format!("approved by {who}")));
    for attempt in operation.attempts.iter().take(MOST_ATTEMPTS) {
        lines.push(format!("{} {}{} began, by {}", attempt.started_at, undoing(attempt), attempt.action, attempt.actuator));
        let outcome = json!(attempt.outcome);
        let ended = attempt.ended_at.map_or_else(|| "no end was recorded".to_owned(), |at| at.to_string());
        lines.push(format!("{ended} {}{}: {}: {}", undoing(attempt), attempt.action, outcome.as_str().unwrap_or_default(), attempt.message));
    }
    let left = operation.attempts.len().saturating_sub(MOST_ATTEMPTS);
    lines.extend((left > 0).then(|| format!("{left} more attempts; get_recovery has them")));
    lines.extend(operation.after.as_ref().map(|after| format!("at the end: {after}")));
    lines.push(format!("{} {}: {}", operation.updated_at, operation.state.name(), operation.message));
    lines
}

fn undoing(attempt: &Attempt) -> &'static str {
    if attempt.undo { "undo of " } else { "" }
}

/// What others said: the caller, the client and what was called.
fn untrusted(services: &Services, operation: &Operation) -> String {
    let mut said = Map::new();
    said.insert("untrusted_reason".to_owned(), json!(operation.untrusted_reason));
    if let Some(client) = &operation.requested_by.untrusted_client {
        said.insert("untrusted_client".to_owned(), json!(client));
    }
    let outputs = operation.attempts.iter().take(MOST_ATTEMPTS).filter_map(|attempt| {
        // Redacted before it is cut: half of a secret is not recognised.
        let output = bound::cut(&services.clean_text(attempt.untrusted_output.as_ref()?), OUTPUT_BYTES);
        Some(json!({ "action": attempt.action, "untrusted_output": output }))
    });
    let outputs: Vec<_> = outputs.collect();
    if !outputs.is_empty() {
        said.insert("attempts".to_owned(), outputs.into());
    }
    format!("{:#}", serde_json::Value::Object(said))
}

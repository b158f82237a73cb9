//! `trigger_recovery`: the one tool that changes something.

use std::time::Duration;

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Caller, Hints, Tool, input, output, parse};
use crate::{
    flows::{NextCall, Services, next},
    mcp::ToolError,
    recovery::{Operation, State, TriggerRequest},
    types::issue::IssueType,
};

/// The longest that a call waits before it gives a handle: some hosts drop calls after 30 s while the server goes on. Less than 25 s, so that the
/// handle is there within them.
pub(super) const WAIT: Duration = Duration::from_secs(24);

pub(super) const TOOL: Tool = Tool {
    name: "trigger_recovery",
    title: "Trigger recovery",
    description: include_str!("../../../tools/trigger_recovery/description.md").trim_ascii(),
    hints: Hints { read_only: false, destructive: true, idempotent: false, open_world: true },
    scope: "targets configured on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Operation>,
    call: |services, arguments, caller| call(services, arguments, caller).boxed(),
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What is to be mended.
    issue_type: IssueType,
    /// A configured target, exactly; plan_recovery and get_recovery name them.
    target: String,
    /// What you saw and why this should help; a person reads it. 1 to 1000 bytes.
    #[schemars(length(min = 1, max = 1000))]
    reason: String,
    /// The same key and arguments never act twice, so repeat it when you repeat the call. 1 to 128 visible ASCII characters.
    #[serde(default)]
    #[schemars(length(min = 1, max = 128))]
    idempotency_key: Option<String>,
}

async fn call(services: &Services, arguments: JsonObject, caller: Caller) -> Result<Answer, ToolError> {
    let Arguments { issue_type, target, reason, idempotency_key } = parse(arguments)?;
    let who = caller.actor(services);
    let request = TriggerRequest { issue_type, target, reason, idempotency_key, who, unattended: false };
    let recovery = services.recovery.clone();
    // In a task of its own: a client that goes away must not cut off the recording of what was begun.
    let joined = tokio::spawn(async move { recovery.trigger(request, WAIT).await }).await;
    let operation = joined.map_err(|_| ToolError::new("internal", "the recovery was cut off", "look at get_recovery before anything else"))??;
    let headline = format!("{}: {} on {}: {}", operation.state.name(), operation.issue_type, operation.target, operation.message);
    let follow = NextCall::new("get_recovery", json!({ "operation_id": operation.operation_id }), "where it stands");
    let look = operation.state.is_final().then(next::health);
    let more = if operation.state == State::Succeeded { None } else { Some(follow) };
    Ok(Answer::new(headline, &operation)?.next(more.into_iter().chain(look)))
}

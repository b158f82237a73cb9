//! `undo_recovery`: takes back what a recovery did.

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Answer, Caller, Hints, Tool, input, output, parse,
    trigger_recovery::{WAIT, telling},
};
use crate::{
    flows::{NextCall, Services, next},
    mcp::ToolError,
    recovery::Operation,
    types::ids::OperationId,
};

pub(super) const TOOL: Tool = Tool {
    name: "undo_recovery",
    title: "Undo recovery",
    description: include_str!("../../../tools/undo_recovery/description.md").trim_ascii(),
    hints: Hints { read_only: false, destructive: true, idempotent: true, open_world: true },
    scope: "targets configured on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Operation>,
    call: |services, arguments, caller| call(services, arguments, caller).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// The operation whose last action is to be taken back, as trigger_recovery returned its id.
    operation_id: OperationId,
}

/// What is to be taken back, if the arguments are any that this tool takes.
pub(in crate::mcp) fn wanted(arguments: JsonObject) -> Option<OperationId> {
    parse::<Arguments>(arguments).ok().map(|arguments| arguments.operation_id)
}

async fn call(services: &Services, arguments: JsonObject, caller: Caller) -> Result<Answer, ToolError> {
    let Arguments { operation_id } = parse(arguments)?;
    let who = caller.actor(services);
    let id = operation_id.clone();
    let recovery = services.recovery.clone();
    // In a task of its own: a client that goes away must not cut off the recording of what was begun.
    let undoing = tokio::spawn(async move { recovery.undo(&operation_id, &who, None, WAIT).await });
    let joined = telling(services, &caller.progress, &id, undoing).await;
    let operation = joined.map_err(|_| ToolError::new("internal", "the undo was cut off", "look at get_recovery before anything else"))??;
    let headline = format!("{}: {} on {}: {}", operation.state.name(), operation.issue_type, operation.target, operation.message);
    let follow = (!operation.state.is_final()).then(|| NextCall::new("get_recovery", json!({ "operation_id": operation.operation_id }), "where it stands"));
    Ok(Answer::new(headline, &operation)?.next(follow.into_iter().chain([next::health()])))
}

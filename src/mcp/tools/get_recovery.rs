//! `get_recovery`

use std::time::Duration;

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Answer, LOOKS, Tool, input, output, parse, trigger_recovery::telling};
use crate::{
    flows::Services,
    mcp::{Progress, ToolError},
    recovery::{Action, Operation, OperationFilter, Statistics},
    types::{
        ids::OperationId,
        target::{Policy, TargetName},
    },
};

/// The longest wait, seconds: some hosts drop calls after 30 s.
const MOST_WAIT: u64 = 24;
/// Operations that are shown without a limit.
const DEFAULT_LIMIT: u32 = 10;

pub(super) const TOOL: Tool = Tool {
    name: "get_recovery",
    title: "Get recovery",
    description: include_str!("../../../tools/get_recovery/description.md").trim_ascii(),
    hints: LOOKS,
    scope: "targets configured on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Recoveries>,
    call: |services, arguments, caller| call(services, arguments, caller.progress).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// One operation, as trigger_recovery returned its id.
    #[serde(default)]
    operation_id: Option<OperationId>,
    /// Only this target's operations.
    #[serde(default)]
    target: Option<String>,
    /// How many operations at the most, newest first; 1 to 100, default 10.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// With operation_id: wait for its end, at most so many seconds. 0 to 24, default 0.
    #[serde(default)]
    #[schemars(range(max = 24))]
    wait_seconds: Option<u64>,
}

/// Operations, figures and the inventory.
#[derive(Serialize, JsonSchema)]
struct Recoveries {
    /// The one that was asked for by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Operation>,
    /// Without an id: the operations, newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<Operation>>,
    /// Why nothing may be acted on right now; absent when nothing stands in the way of all recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<String>,
    /// The last 24 hours.
    statistics: Statistics,
    /// What recovery may act on.
    targets: Vec<TargetLine>,
}

/// A target of the inventory.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct TargetLine {
    /// Its name.
    name: TargetName,
    /// Who must agree.
    policy: Policy,
    /// What can be done.
    actions: Vec<Action>,
}

async fn call(services: &Services, arguments: JsonObject, progress: Progress) -> Result<Answer, ToolError> {
    let arguments: Arguments = parse(arguments)?;
    let limit = arguments.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=100).contains(&limit) {
        return Err(ToolError::new("invalid_input", format!("limit is {limit}"), "write 1 to 100"));
    }
    let wait = arguments.wait_seconds.unwrap_or(0);
    if wait > MOST_WAIT {
        return Err(ToolError::new("invalid_input", format!("wait_seconds is {wait}"), "write 0 to 24"));
    }
    let recovery = &services.recovery;
    let target = arguments.target.map(|name| recovery.target(&name).map(|t| t.name.clone())).transpose()?;
    let (operation, operations) = match &arguments.operation_id {
        Some(id) => (Some(telling(services, &progress, id, recovery.follow(id, Instant::now() + Duration::from_secs(wait))).await?), None),
        None => (None, Some(recovery.list(&OperationFilter { target: target.clone(), limit, ..Default::default() }).await?)),
    };
    let statistics = recovery.statistics(target).await?;
    let targets =
        recovery.targets().values().map(|t| TargetLine { name: t.name.clone(), policy: t.policy, actions: t.actuators.keys().copied().collect() }).collect();
    let headline = match (&operation, operations.as_deref()) {
        (Some(one), _) => format!("{}: {} on {}: {}", one.state.name(), one.issue_type, one.target, one.message),
        (None, Some([newest, ..])) => format!("newest: {} on {} is {}", newest.issue_type, newest.target, newest.state.name()),
        _ => "no recoveries recorded".to_owned(),
    };
    Answer::new(headline, &Recoveries { operation, operations, stopped: recovery.controls().await?.0.halted, statistics, targets })
}

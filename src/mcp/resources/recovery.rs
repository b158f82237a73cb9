//! `opsmedic://recoveries/{operation_id}`

use futures::FutureExt as _;

use super::{Body, JSON, Reading, Resource, ToolError, Values, unlisted};
use crate::{flows::changes::Topic, mcp::completions::Source, types::ids::OperationId};

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://recoveries/{operation_id}",
    name: "recovery",
    title: "Recovery",
    description: "One recovery: its plan, who agreed, every action with its outcome, and how the target was before and after. Can be subscribed to.",
    mime_type: JSON,
    variables: &[("operation_id", Source::Operation)],
    fresh_ms: 0,
    list: unlisted,
    topic: |values| id(values).ok().map(Topic::Operation),
    read: |reading| async move { read(&reading).await }.boxed(),
};

fn id(values: &Values) -> Result<OperationId, ToolError> {
    let id = values.get("operation_id").map(String::as_str).unwrap_or_default();
    id.parse().map_err(|e: String| ToolError::new("unknown_resource", e, "opsmedic://recoveries lists the newest"))
}

async fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let services = &reading.hub.services;
    Body::json(services, &services.recovery.get(&id(reading.values)?).await?)
}

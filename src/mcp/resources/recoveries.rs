//! `opsmedic://recoveries`

use futures::FutureExt as _;
use serde_json::json;

use super::{Body, JSON, Reading, Resource, ToolError, unlisted};
use crate::flows::{changes::Topic, records};

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://recoveries",
    name: "recoveries",
    title: "Recoveries",
    description: "The newest recoveries, newest first, at most 20, each with its state; opsmedic://recoveries/{operation_id} has all of one. Can be subscribed to.",
    mime_type: JSON,
    variables: &[],
    fresh_ms: 0,
    list: unlisted,
    topic: |_| Some(Topic::Recoveries),
    read: |reading| async move { read(&reading).await }.boxed(),
};

async fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let services = &reading.hub.services;
    Body::json(services, &json!({ "host": services.host, "recoveries": records::recoveries(services).await? }))
}

//! `opsmedic://health/last`

use futures::FutureExt as _;

use super::{Body, JSON, Reading, Resource, ToolError, unlisted};
use crate::flows::{changes::Topic, records};

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://health/last",
    name: "last_health_report",
    title: "Last health report",
    description: "The health report that was stored last, with the time of its checks; reading it runs no check, run_health_checks does. Can be subscribed to.",
    mime_type: JSON,
    variables: &[],
    fresh_ms: 0,
    list: unlisted,
    topic: |_| Some(Topic::Health),
    read: |reading| async move { read(&reading).await }.boxed(),
};

async fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let services = &reading.hub.services;
    let report = records::last_health(services).await?;
    let report = report.ok_or_else(|| ToolError::new("unknown_resource", "no health report is stored yet", "run_health_checks makes one"))?;
    Body::json(services, &report)
}

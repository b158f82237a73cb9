//! `opsmedic://inventory`

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::{Body, JSON, Reading, Resource, ToolError, constant, unlisted};
use crate::recovery::Target;

pub(super) const RESOURCE: Resource = Resource {
    uri: "opsmedic://inventory",
    name: "inventory",
    title: "Inventory",
    description: "What is configured: recovery targets with their policy, actions and facts, the health checks and the playbooks. Holds no secrets.",
    mime_type: JSON,
    variables: &[],
    fresh_ms: 60_000,
    list: unlisted,
    topic: constant,
    read: |reading| async move { read(&reading) }.boxed(),
};

fn read(reading: &Reading<'_>) -> Result<Body, ToolError> {
    let services = &reading.hub.services;
    let checks: Vec<Value> = services.health.checks.iter().map(|check| json!({ "name": check.name, "configured": check.check.is_some() })).collect();
    let targets: Vec<Value> = services.recovery.targets().values().map(target).collect();
    let inventory = json!({ "host": services.host, "targets": targets, "health_checks": checks, "playbooks": services.playbooks.ids() });
    Body::json(services, &inventory)
}

/// Names and facts. What is called, with its addresses and environment, stays in the configuration; plan_recovery shows a call, redacted.
fn target(target: &Target) -> Value {
    let action = |(action, actuator): (&crate::recovery::Action, &std::sync::Arc<dyn crate::recovery::Actuator>)| json!({ "action": action, "risk": action.risk(), "by": actuator.kind() });
    let mut value = json!({
        "name": target.name,
        "policy": target.policy,
        "actions": target.actuators.iter().map(action).collect::<Vec<_>>(),
        "soak_seconds": target.soak.as_secs(),
        "verify_timeout_seconds": target.verify_timeout.as_secs(),
        "facts": target.facts,
    });
    // Absent is how we say nothing.
    let more = [
        ("check", json!(target.check)),
        ("group", json!(target.group)),
        ("heals", json!(target.heal)),
        ("check_cannot_see", if target.check_cannot_see.is_empty() { Value::Null } else { json!(target.check_cannot_see) }),
    ];
    for (key, said) in more.into_iter().filter(|(_, said)| !said.is_null()) {
        value[key] = said;
    }
    value
}

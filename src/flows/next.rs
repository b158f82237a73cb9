//! The next calls that an answer suggests: at most three, with complete arguments.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Services;
use crate::types::{issue::IssueType, target::Policy};

/// How many calls an answer suggests at most.
pub const MOST: usize = 3;

/// A call worth making next.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct NextCall {
    /// The tool.
    pub tool: String,
    /// Its arguments, complete.
    pub arguments: Map<String, Value>,
    /// Why.
    pub why: String,
}

impl NextCall {
    /// A call with its reason; `arguments` is a JSON object.
    pub fn new(tool: &str, arguments: Value, why: &str) -> Self {
        let arguments = if let Value::Object(arguments) = arguments { arguments } else { Map::new() };
        Self { tool: tool.to_owned(), arguments, why: why.to_owned() }
    }
}

/// Read the playbook.
pub fn playbook(id: &str) -> NextCall {
    NextCall::new("get_playbook", json!({ "id": id }), "the steps for this trouble")
}

/// Plan a recovery, where exactly one target may be acted on and so no choice is made for the caller.
pub fn plan(services: &Services, issue: Option<IssueType>) -> Option<NextCall> {
    let mut able = services.recovery.targets().values().filter(|t| t.policy != Policy::Deny && !t.actuators.is_empty());
    let (Some(target), None, Some(issue)) = (able.next(), able.next(), issue) else { return None };
    Some(NextCall::new("plan_recovery", json!({ "issue_type": issue, "target": target.name }), "what recovery would do; changes nothing"))
}

/// See how things are.
pub fn health() -> NextCall {
    NextCall::new("run_health_checks", json!({}), "how everything is right now")
}

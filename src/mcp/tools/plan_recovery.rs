//! `plan_recovery`

use futures::FutureExt as _;
use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Answer, Hints, LOOKS, Tool, input, output, parse};
use crate::{
    flows::{NextCall, Services},
    mcp::ToolError,
    recovery::{Plan, Vital},
    types::{ids::OperationId, issue::IssueType, target::Policy},
};

pub(super) const TOOL: Tool = Tool {
    name: "plan_recovery",
    title: "Plan recovery",
    description: include_str!("../../../tools/plan_recovery/description.md").trim_ascii(),
    hints: Hints { open_world: true, ..LOOKS },
    scope: "targets configured on this host",
    input_schema: input::<Arguments>,
    output_schema: output::<Planned>,
    call: |services, arguments, caller| call(services, arguments, caller.person.reachable()).boxed(),
    at_once: None,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// What is to be mended.
    issue_type: IssueType,
    /// A configured target, exactly.
    target: String,
}

/// A plan, and what stands in its way.
#[derive(Serialize, JsonSchema)]
struct Planned {
    /// The target's check right now.
    now: Vital,
    /// What would be done.
    plan: Plan,
    /// Why trigger_recovery would refuse right now; absent when it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<Blocked>,
}

/// A refusal that trigger_recovery would give.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Blocked {
    /// Stable, for programs.
    code: String,
    /// Why.
    message: String,
    /// What to do about it.
    hint: String,
}

async fn call(services: &Services, arguments: JsonObject, client_asks: bool) -> Result<Answer, ToolError> {
    let arguments: Arguments = parse(arguments)?;
    let (plan, refusal) = services.recovery.plan(arguments.issue_type, &arguments.target, client_asks).await?;
    let now = services.recovery.look(&arguments.target).await?;
    let well = if now.well { "; its check is ok right now, so there may be nothing to recover" } else { "" };
    let actions: Vec<&str> = plan.runnable().map(|s| s.action.name()).collect();
    let headline = match (&refusal, plan.policy) {
        (Some(refusal), _) => format!("would be refused ({}): {refusal}", refusal.code()),
        (None, Policy::Auto) => format!("would run {} on {}{well}", actions.join(", then "), plan.target),
        (None, _) => format!("would wait for a person's approval, then run {} on {}{well}", actions.join(", then "), plan.target),
    };
    let trigger = refusal.is_none().then(|| {
        let arguments = json!({ "issue_type": plan.issue_type, "target": plan.target, "reason": "say what you saw", "idempotency_key": OperationId::random().as_str().replace("op_", "key-") });
        NextCall::new("trigger_recovery", arguments, "carries the plan out; write your own reason")
    });
    let blocked_by = refusal.map(|r| Blocked { code: r.code().to_owned(), message: r.to_string(), hint: r.hint() });
    Ok(Answer::new(headline, &Planned { now, plan, blocked_by })?.next(trigger))
}

//! What an operation would do: each action of the strategy with what it would call, or why it is skipped. Calls nothing that changes anything.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Action, Risk, Target};
use crate::{
    ports::Ports,
    types::{
        issue::IssueType,
        target::{Policy, TargetName},
    },
};

/// One action of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct PlanStep {
    /// The action.
    pub action: Action,
    /// How much it can break.
    pub risk: Risk,
    /// The kind of actuator; absent when the target does not support the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actuator: Option<String>,
    /// What would be called, with secrets redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What the pre-check saw and what would change, such as `replicas 3 -> 6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    /// Why the action is skipped; absent when it would run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What would be done, in order, until the target is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Plan {
    /// What is to be mended.
    pub issue_type: IssueType,
    /// On what.
    pub target: TargetName,
    /// Who must agree.
    pub policy: Policy,
    /// The actions in order; the first that makes the target well is the last.
    pub steps: Vec<PlanStep>,
    /// What must hold afterwards.
    pub verification: String,
    /// SHA-256 over issue, target and what would be called, hex. An approval is bound to it.
    pub digest: String,
}

impl Plan {
    /// The steps that would run.
    pub fn runnable(&self) -> impl Iterator<Item = &PlanStep> {
        self.steps.iter().filter(|s| s.skipped.is_none())
    }
}

/// Plans the strategy's actions on a target. Pre-checks only read.
pub(super) async fn plan(ports: &Ports, target: &Target, issue: IssueType, strategy: &[Action]) -> Plan {
    let mut steps = Vec::with_capacity(strategy.len());
    for action in strategy {
        steps.push(step(ports, target, *action).await);
    }
    let verification = match &target.check {
        Some(check) => {
            format!("the target's {check} check is ok for {} s without a break, within {} s", target.soak.as_secs(), target.verify_timeout.as_secs())
        }
        None => "none: the target has no check".to_owned(),
    };
    let digest = digest(issue, target, &steps);
    Plan { issue_type: issue, target: target.name.clone(), policy: target.policy, steps, verification, digest }
}

async fn step(ports: &Ports, target: &Target, action: Action) -> PlanStep {
    let mut step = PlanStep { action, risk: action.risk(), actuator: None, call: None, effect: None, skipped: None };
    let Some(actuator) = target.actuators.get(&action) else {
        step.skipped = Some("the target does not support it".to_owned());
        return step;
    };
    step.actuator = Some(actuator.kind().to_owned());
    match actuator.prepare(ports).await {
        Ok(prepared) => {
            step.call = Some(prepared.call);
            step.effect = prepared.effect;
        }
        Err(reason) => step.skipped = Some(reason),
    }
    step
}

/// Over what a person agrees to; pre-check figures that move by themselves are part of `call` only where they change what is called.
fn digest(issue: IssueType, target: &Target, steps: &[PlanStep]) -> String {
    let mut hash = Sha256::new();
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    field(issue.name());
    field(target.name.as_str());
    for step in steps {
        field(step.action.name());
        field(step.actuator.as_deref().unwrap_or("-"));
        field(step.call.as_deref().unwrap_or("-"));
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

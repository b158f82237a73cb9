//! What an operation would do: each action of the strategy with what it would call, or why it is skipped. Calls nothing that changes anything.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Action, Risk, Target, engine::Parts};
use crate::types::{
    issue::IssueType,
    target::{Policy, TargetName},
};

/// A pre-check gets this long; shorter than the lease that is held meanwhile.
const PREPARE: Duration = Duration::from_secs(7);

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
    /// What would be called, and where.
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
    /// Stands for the target's whole configuration, what `call` does not show included: environment, headers, undo, checks, times.
    #[serde(default)]
    pub configuration: String,
    /// SHA-256 over issue, target, its configuration, the actions that run and what they call, hex. An approval is bound to it.
    pub digest: String,
}

impl Plan {
    /// With its digest, over what a person agrees to: which actions run, in which order, and what they call. Pre-check figures that move by
    /// themselves are part of `call` only where they change what is called.
    pub(super) fn sealed(mut self) -> Self {
        let mut hash = Sha256::new();
        let mut field = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        field(self.issue_type.name());
        field(self.target.as_str());
        field(&self.configuration);
        for step in &self.steps {
            field(step.action.name());
            field(step.actuator.as_deref().unwrap_or("-"));
            field(step.call.as_deref().unwrap_or("-"));
            field(if step.skipped.is_some() { "skipped" } else { "runs" });
        }
        self.digest = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        self
    }

    /// Whether its digest and risks are those of its steps. A plan out of the store may have been made to look like another one.
    pub(super) fn is_whole(&self) -> bool {
        self.clone().sealed().digest == self.digest && self.steps.iter().all(|step| step.risk == step.action.risk())
    }

    /// The steps that would run.
    pub fn runnable(&self) -> impl Iterator<Item = &PlanStep> {
        self.steps.iter().filter(|s| s.skipped.is_none())
    }
}

/// Plans the strategy's actions on a target. Pre-checks only read. Texts come without secrets, because a plan is kept and shown.
pub(super) async fn plan(parts: &Parts, target: &Target, issue: IssueType, strategy: &[Action]) -> Plan {
    // All at once: a lease is held meanwhile.
    let steps = futures::future::join_all(strategy.iter().map(|action| step(parts, target, *action))).await;
    let verification = match &target.check {
        Some(check) => {
            format!("the target's {check} check is ok for {} s without a break, within {} s", target.soak.as_secs(), target.verify_timeout.as_secs())
        }
        None => "none: the target has no check".to_owned(),
    };
    let (target, policy, configuration) = (target.name.clone(), target.policy, target.fingerprint.clone());
    Plan { issue_type: issue, target, policy, steps, verification, configuration, digest: String::new() }.sealed()
}

async fn step(parts: &Parts, target: &Target, action: Action) -> PlanStep {
    let mut step = PlanStep { action, risk: action.risk(), actuator: None, call: None, effect: None, skipped: None };
    let Some(actuator) = target.actuators.get(&action) else {
        step.skipped = Some("the target does not support it".to_owned());
        return step;
    };
    step.actuator = Some(actuator.kind().to_owned());
    match tokio::time::timeout(PREPARE, actuator.prepare(&parts.ports)).await {
        Ok(Ok(prepared)) => {
            step.call = Some(parts.clean(&prepared.call));
            step.effect = prepared.effect.map(|effect| parts.clean(&effect));
        }
        Ok(Err(reason)) => step.skipped = Some(parts.clean(&reason)),
        Err(_) => step.skipped = Some(format!("its pre-check did not end within {} s", PREPARE.as_secs())),
    }
    step
}

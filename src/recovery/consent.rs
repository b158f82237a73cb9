//! A person's yes or no in an MCP client, where the configuration lets that stand for the approver's passphrase.
//!
//! A consent is an argument of a call, never read back from the store: the process that asked runs what was agreed to at once. Who can write the
//! store can so make no consent; an operation that the store says was agreed to, and that does not run, is not approved.

use serde::Deserialize;

use super::{Actor, AuditEvent, Operation, Plan, Recovery, RecoveryError, Risk, State, Target, TriggerRequest, admit, run::Task};
use crate::types::ids::OperationId;

/// Whether a person's answer in the client approves, as some hosts answer without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElicitationApproves {
    /// Never; nobody is asked in the client.
    Never,
    /// Plans in which nothing that would run is destructive.
    #[default]
    NotDestructive,
    /// Every plan.
    Always,
}

impl ElicitationApproves {
    /// Whether it approves this plan. All of it: what runs second is agreed to together with what runs first.
    pub fn covers(self, plan: &Plan) -> bool {
        match self {
            Self::Never => false,
            // By the action, since a plan out of the store could say another risk.
            Self::NotDestructive => plan.runnable().all(|step| step.action.risk() != Risk::Destructive),
            Self::Always => true,
        }
    }
}

impl Recovery {
    /// Which plans a person in the client may approve.
    pub fn elicitation_approves(&self) -> ElicitationApproves {
        self.parts.elicitation_approves
    }

    /// Runs an operation that waits, because a person agreed in the client to this plan of it. One that no longer waits is given as it stands.
    /// The request is the call for which the person was asked.
    ///
    /// # Errors
    /// A refusal; nothing was called.
    pub async fn consent(&self, id: &OperationId, digest: &str, request: &TriggerRequest) -> Result<Operation, RecoveryError> {
        match self.run_consented(id, digest, request).await {
            Ok(operation) => Ok(operation),
            Err(refusal) => {
                self.audit_refusal(request, &refusal).await;
                Err(refusal)
            }
        }
    }

    /// Ends an operation that waits, because a person said no in the client. One that no longer waits is given as it stands.
    ///
    /// # Errors
    /// `UnknownOperation`, a call that is not its own, or the store.
    pub async fn decline(&self, id: &OperationId, request: &TriggerRequest) -> Result<Operation, RecoveryError> {
        let (mut operation, _) = self.asked_about(id, request).await?;
        if operation.state != State::Planned {
            return Ok(operation);
        }
        let event = AuditEvent {
            who: request.who.clone(),
            event: "declined".to_owned(),
            operation_id: Some(id.clone()),
            target: Some(operation.target.clone()),
            issue_type: Some(operation.issue_type),
            plan_digest: Some(operation.plan.digest.clone()),
            ..Default::default()
        };
        self.parts.journal.append(&event, self.parts.ports.clock.now()).await?;
        let (state, message) = match admit::expiry(&operation).0 {
            State::Expired => (State::Failed, format!("declined in the client by {}; nothing was called", request.who)),
            tried => (tried, format!("what comes next was declined in the client by {}; nothing more is tried", request.who)),
        };
        self.close_unrun(&mut operation, state, &message).await?;
        Ok(operation)
    }

    /// The operation as it is on record, if this call is one of its own, and its target.
    async fn asked_about(&self, id: &OperationId, request: &TriggerRequest) -> Result<(Operation, Target), RecoveryError> {
        if self.parts.read_only {
            return Err(RecoveryError::ReadOnly);
        }
        let target = self.target(&request.target)?.clone();
        self.permitted(request)?;
        let mut operation = self.parts.journal.get(id).await?.ok_or_else(|| RecoveryError::UnknownOperation(id.clone()))?;
        // Somebody else's is as if it were not there.
        if !request.may_join(&operation) {
            return Err(RecoveryError::UnknownOperation(id.clone()));
        }
        admit::same_call(&operation, &target.name, request.issue_type)?;
        if self.waited_too_long(&operation) {
            self.expire(&mut operation).await?;
        }
        Ok((operation, target))
    }

    async fn run_consented(&self, id: &OperationId, digest: &str, request: &TriggerRequest) -> Result<Operation, RecoveryError> {
        let (mut operation, target) = self.asked_about(id, request).await?;
        if operation.state != State::Planned {
            return Ok(operation);
        }
        if !operation.plan.is_whole() || operation.plan.digest != digest {
            self.close_unrun(&mut operation, State::Failed, "its plan on record is not the one that was agreed to; nothing was called").await?;
            return Err(RecoveryError::Drift { operation: id.clone() });
        }
        if !self.parts.elicitation_approves.covers(&operation.plan) {
            return Err(RecoveryError::ConsentNotEnough { operation: id.clone() });
        }
        let lease = match self.lease(&target, id).await {
            // Agreed to twice at the same moment: the other call runs it.
            Err(RecoveryError::InProgress { operation: holder, .. }) if holder == *id => return self.get(id).await,
            lease => lease?,
        };
        match self.approve_by_consent(&mut operation, &target, &request.who).await {
            Ok(()) => {
                self.start(operation.clone(), target, lease, Task::Consented);
                Ok(operation)
            }
            Err(refusal) => {
                self.give_back(&lease).await;
                Err(refusal)
            }
        }
    }

    /// Asks the guards again, compares what would be called with what was agreed to, and records the approval.
    async fn approve_by_consent(&self, operation: &mut Operation, target: &Target, who: &Actor) -> Result<(), RecoveryError> {
        let fresh = self.fresh_plan(operation.issue_type, target).await;
        let plan = self.admit(target, fresh, Some(&operation.operation_id), true).await?;
        if plan.digest != operation.plan.digest {
            self.close_unrun(operation, State::Failed, "what would be called now differs from what was agreed to; nothing was called").await?;
            return Err(RecoveryError::Drift { operation: operation.operation_id.clone() });
        }
        self.spend_consent(&operation.operation_id)?;
        let now = self.parts.ports.clock.moment();
        operation.plan = plan;
        operation.state = State::Approved;
        operation.approved_by = Some(format!("a person in the client: {who}"));
        operation.consent = Some(who.clone());
        operation.message = format!("approved in the client by {who}, not with the approver's passphrase");
        operation.expires_at = now.at + self.parts.settings.approval();
        operation.updated_at = now.at;
        operation.waits_since = now;
        Ok(self.parts.journal.update(operation, State::Planned, None).await?)
    }

    /// An operation is agreed to once, whatever the store says of it afterwards.
    fn spend_consent(&self, id: &OperationId) -> Result<(), RecoveryError> {
        let fresh = self.consented.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(id.as_str().to_owned());
        if fresh { Ok(()) } else { Err(RecoveryError::ConsentUsed { operation: id.clone() }) }
    }
}

//! Admits operations: joins what exists, asks every guard under the target's lease, records, and starts what needs no approval.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    Action, Actor, AuditEvent, ElicitationApproves, JournalError, Lease, Operation, OperationFilter, Outcome, Plan, Recovery, RecoveryError, Risk, State,
    Target,
    engine::LEASE,
    guard::{self, Situation},
    run::{HEARTBEAT, Task},
};
use crate::types::{
    access::{Scope, Scopes},
    ids::OperationId,
    issue::IssueType,
    moment::Moment,
    target::{Policy, TargetName},
};

/// At most this many bytes of reason and key.
const MAX_REASON_BYTES: usize = 1_000;
const MAX_KEY_BYTES: usize = 128;
/// The same refusal of the same call by the same caller is audited once in so many seconds: whoever calls in a loop must not fill the disk.
pub(super) const REFUSED_AGAIN: Duration = Duration::from_secs(60);
/// The self-healing loop asks again for as long as a target is down, which may be for days.
const REFUSED_AGAIN_UNATTENDED: Duration = Duration::from_secs(3_600);
/// How an operation ends that waited too long: guards count what was tried before it waited.
pub(super) fn expiry(operation: &Operation) -> (State, &'static str) {
    match operation.attempts.iter().any(|a| a.outcome == Outcome::FailedVerification) {
        true => (State::FailedVerification, "waited too long for approval of what comes next, and what was tried before did not help; a person is needed"),
        false if operation.attempts.is_empty() => (State::Expired, "waited too long for approval; nothing was called"),
        false => (State::Failed, "waited too long for approval of what comes next, and what was tried before failed; a person is needed"),
    }
}

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct TriggerRequest {
    /// What is to be mended.
    pub issue_type: IssueType,
    /// A name of the inventory.
    pub target: String,
    /// Why, 1 to 1,000 bytes; kept for people.
    pub reason: String,
    /// Repeating a call with the same key never acts twice; 1 to 128 bytes.
    pub idempotency_key: Option<String>,
    /// Who asks.
    pub who: Actor,
    /// What they may do.
    pub may: Scopes,
    /// Whether nobody asks but the self-healing loop.
    pub unattended: bool,
    /// Whether the caller's client can ask a person, so that an operation may wait for that even where no approver is configured.
    pub client_asks: bool,
}

impl TriggerRequest {
    /// Whether this caller may go on with an operation: a caller over HTTP with its own, and with what nobody asked for.
    pub(super) fn may_join(&self, operation: &Operation) -> bool {
        self.who.principal.is_none() || self.who.principal == operation.requested_by.principal || operation.unattended
    }
}

/// Until when which refusal is not audited again.
pub(super) type Refused = BTreeMap<(String, &'static str, &'static str), Instant>;

impl Recovery {
    /// Starts a recovery, or joins the one that the same call started, and follows it for at most `wait`.
    ///
    /// # Errors
    /// A refusal; nothing was called.
    pub async fn trigger(&self, request: TriggerRequest, wait: Duration) -> Result<Operation, RecoveryError> {
        let until = Instant::now() + wait;
        match self.join_or_begin(&request).await {
            Ok(operation) => self.follow(&operation.operation_id, until).await,
            Err(refusal) => {
                self.audit_refusal(&request, &refusal).await;
                Err(refusal)
            }
        }
    }

    /// The actions that a recovery may come to by the configuration: those of the strategy that the target has a way to do.
    ///
    /// # Errors
    /// A name that is not in the inventory.
    pub fn may_come_to(&self, issue: IssueType, target: &str) -> Result<Vec<Action>, RecoveryError> {
        let target = self.target(target)?;
        Ok(self.settings().strategy(issue).into_iter().filter(|action| target.actuators.contains_key(action)).collect())
    }

    /// Held here, whatever a face has looked at before.
    pub(super) fn permitted(&self, request: &TriggerRequest) -> Result<(), RecoveryError> {
        let needed = self.may_come_to(request.issue_type, &request.target)?.into_iter().map(|action| Scope::recover(action.name()));
        let needed: Vec<Scope> = needed.collect();
        if request.may.act() && needed.iter().all(|scope| request.may.allow(scope)) {
            return Ok(());
        }
        Err(RecoveryError::NotPermitted { known: true, scopes: needed })
    }

    async fn join_or_begin(&self, request: &TriggerRequest) -> Result<Operation, RecoveryError> {
        if self.parts.read_only {
            return Err(RecoveryError::ReadOnly);
        }
        let target = self.target(&request.target)?.clone();
        check_input(request)?;
        self.permitted(request)?;
        let key = request.idempotency_key.as_deref().map(|key| request.who.own_key(key));
        let known = match &key {
            Some(key) => self.parts.journal.by_key(key).await?,
            None => None,
        };
        if let Some(known) = &known {
            same_call(known, &target.name, request.issue_type)?;
        }
        let known = match known {
            Some(known) => Some(known),
            None => self.waiting(&target, request).await?,
        };
        let stands = match known {
            Some(known) => self.resume(known, &target).await?,
            None => self.begin(request, &target).await?,
        };
        // A key that joined another call's operation stands for it from now on: repeated later, it must not begin a second one.
        if let Some(key) = key.as_ref().filter(|key| stands.stored_key().as_ref() != Some(key)) {
            self.parts.journal.remember_key(key, &stands.operation_id).await?;
        }
        Ok(stands)
    }

    /// An operation for the same trouble that waits for approval, or has it: a caller that mints a new key joins it. Those that waited too long are
    /// closed on the way, so that guards see what they tried and they keep no other from waiting.
    async fn waiting(&self, target: &Target, request: &TriggerRequest) -> Result<Option<Operation>, RecoveryError> {
        let filter = OperationFilter { target: Some(target.name.clone()), states: vec![State::Planned, State::Approved], limit: 20, ..Default::default() };
        let mut waiting = None;
        for mut found in self.parts.journal.list(&filter).await? {
            if self.waited_too_long(&found) {
                match self.expire(&mut found).await {
                    // Somebody else closed it, or goes on with it.
                    Ok(()) | Err(JournalError::Fenced { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            // The loop does not go on with what somebody asked for who may do more than it.
            let mine = !request.unattended || found.unattended || found.state == State::Planned || found.approved_by_person();
            if found.issue_type == request.issue_type && mine && request.may_join(&found) {
                waiting = waiting.or(Some(found));
            }
        }
        Ok(waiting)
    }

    pub(super) async fn expire(&self, operation: &mut Operation) -> Result<(), JournalError> {
        let (state, message) = expiry(operation);
        self.close_unrun(operation, state, message).await
    }

    /// Goes on with an operation that exists: runs it if it was approved in the meantime.
    pub(super) async fn resume(&self, mut operation: Operation, target: &Target) -> Result<Operation, RecoveryError> {
        if self.waited_too_long(&operation) {
            self.expire(&mut operation).await?;
        }
        if operation.state != State::Approved {
            return Ok(operation);
        }
        let lease = match self.lease(target, &operation.operation_id).await {
            // The same operation is starting elsewhere: join it.
            Err(RecoveryError::InProgress { operation: holder, .. }) if holder == operation.operation_id => return Ok(operation),
            lease => lease?,
        };
        match self.still_as_approved(&mut operation, target).await {
            Ok(()) => {
                self.start(operation.clone(), target.clone(), lease, Task::CarryOut);
                Ok(operation)
            }
            Err(refusal) => {
                self.give_back(&lease).await;
                Err(refusal)
            }
        }
    }

    /// The lease with all its time ahead: pre-checks and looks may have taken most of it, and nobody renews it before an operation runs.
    async fn refreshed(&self, lease: &Lease) -> Result<Lease, RecoveryError> {
        let now = self.parts.ports.clock.moment();
        if now.since(&lease.taken).unsigned_abs() < HEARTBEAT {
            return Ok(lease.clone());
        }
        self.parts.journal.renew(lease, &now, LEASE).await?;
        Ok(Lease { taken: now, ..lease.clone() })
    }

    /// Whether the approval is a person's, every guard still agrees, and what would be called is what was approved.
    async fn still_as_approved(&self, operation: &mut Operation, target: &Target) -> Result<(), RecoveryError> {
        let needs_person = target.policy != Policy::Auto || operation.approved_by.as_deref() != Some(BY_POLICY);
        if needs_person && !self.parts.person_approved(operation) {
            self.close_unrun(operation, State::Failed, "its approval is not signed by the configured approver; nothing was called").await?;
            return Err(RecoveryError::NotApproved { operation: operation.operation_id.clone() });
        }
        let fresh = self.fresh_plan(operation.issue_type, target).await;
        let plan = self.admit(target, fresh, Some(&operation.operation_id), false).await?;
        if plan.digest != operation.plan.digest {
            self.close_unrun(operation, State::Failed, "what would be called now differs from what was approved; nothing was called").await?;
            return Err(RecoveryError::Drift { operation: operation.operation_id.clone() });
        }
        operation.plan = plan;
        Ok(())
    }

    /// Ends an operation before anything was called.
    pub(super) async fn close_unrun(&self, operation: &mut Operation, state: State, message: &str) -> Result<(), JournalError> {
        let from = std::mem::replace(&mut operation.state, state);
        operation.message = message.to_owned();
        operation.updated_at = self.parts.ports.clock.now();
        self.parts.journal.update(operation, from, None).await
    }

    /// Plans, guards and records a new operation; starts it when it needs no approval.
    async fn begin(&self, request: &TriggerRequest, target: &Target) -> Result<Operation, RecoveryError> {
        self.may_ever(target, request.client_asks)?;
        let id = OperationId::random();
        let lease = self.lease(target, &id).await?;
        match self.record(id.clone(), request, target, &lease).await {
            Ok((operation, lease)) if operation.state == State::Approved && operation.operation_id == id => {
                self.start(operation.clone(), target.clone(), lease, Task::CarryOut);
                Ok(operation)
            }
            other => {
                self.give_back(&lease).await;
                // Another call with the same key was faster: its operation, if it is for the same trouble.
                let (operation, _) = other?;
                same_call(&operation, &target.name, request.issue_type)?;
                match request.may_join(&operation) {
                    true => Ok(operation),
                    false => Err(RecoveryError::WaitsForAnother { target: target.name.to_string(), operation: operation.operation_id }),
                }
            }
        }
    }

    /// What the configuration alone decides.
    fn may_ever(&self, target: &Target, client_asks: bool) -> Result<(), RecoveryError> {
        let asks = client_asks && self.parts.elicitation_approves != ElicitationApproves::Never;
        match target.policy {
            Policy::Deny => Err(RecoveryError::Denied { target: target.name.to_string() }),
            Policy::Approve if self.parts.settings.approver_key.is_none() && !asks => Err(RecoveryError::NoApprover),
            _ => Ok(()),
        }
    }

    /// Asks every guard. An operation that goes on is not held back by its own attempts.
    pub(super) async fn admit(&self, target: &Target, plan: Plan, own: Option<&OperationId>, client_asks: bool) -> Result<Plan, RecoveryError> {
        self.may_ever(target, client_asks)?;
        if plan.runnable().next().is_none() {
            let skipped = plan.steps.iter().map(|s| format!("{}: {}", s.action, s.skipped.as_deref().unwrap_or_default())).collect();
            return Err(RecoveryError::NothingToDo { target: target.name.to_string(), skipped });
        }
        let journal = &self.parts.journal;
        let now = self.parts.ports.clock.moment();
        let situation = Situation {
            settings: &self.parts.settings,
            target,
            controls: journal.controls().await?,
            attempts: journal.attempts(&target.name, own).await?,
            operations: journal.past(&target.name).await?,
            actions_last_hour: journal.actions_last_hour(&now).await?,
            group: self.parts.look_at_group(target).await.ok_or_else(|| guard::group_unseen(target))?,
            now,
        };
        let plan = guard::ask_all(&situation, plan)?;
        // Nobody could approve it: not with a passphrase, and in the client not this plan.
        let nobody = self.parts.settings.approver_key.is_none() && !self.parts.elicitation_approves.covers(&plan);
        if target.policy == Policy::Approve && nobody { Err(RecoveryError::NoApprover) } else { Ok(plan) }
    }

    /// Asks the guards and records; gives the operation that now stands for the call, which may be another call's.
    async fn record(&self, id: OperationId, request: &TriggerRequest, target: &Target, lease: &Lease) -> Result<(Operation, Lease), RecoveryError> {
        let plan = self.admit(target, self.fresh_plan(request.issue_type, target).await, None, request.client_asks).await?;
        let lease = self.refreshed(lease).await?;
        let operation = self.new_operation(id, request, target, plan);
        let stands = match self.parts.journal.create(&operation).await {
            Ok(()) => Ok(operation),
            // Another call was faster: join it.
            Err(JournalError::KeyTaken) => match &operation.stored_key() {
                Some(key) => self.parts.journal.by_key(key).await?.ok_or(RecoveryError::UnknownOperation(operation.operation_id)),
                None => Err(JournalError::KeyTaken.into()),
            },
            Err(JournalError::Waiting { id }) => self.parts.journal.get(&id).await?.ok_or(RecoveryError::UnknownOperation(id)),
            Err(error) => Err(error.into()),
        };
        Ok((stands?, lease))
    }

    fn new_operation(&self, id: OperationId, request: &TriggerRequest, target: &Target, plan: Plan) -> Operation {
        let now: Moment = self.parts.ports.clock.moment();
        let destructive = plan.runnable().next().is_some_and(|s| s.risk == Risk::Destructive);
        let auto = target.policy == Policy::Auto && !(request.unattended && destructive);
        let (state, message) =
            if auto { (State::Approved, "approved by policy auto".to_owned()) } else { (State::Planned, self.parts.how_to_approve(&id, "waits for approval")) };
        Operation {
            operation_id: id,
            issue_type: request.issue_type,
            target: target.name.clone(),
            untrusted_reason: self.parts.redactor.redact(&request.reason).into_owned(),
            requested_by: request.who.clone(),
            unattended: request.unattended,
            idempotency_key: request.idempotency_key.clone(),
            state,
            message,
            plan,
            approved_by: auto.then(|| BY_POLICY.to_owned()),
            approval_signature: None,
            consent: None,
            expires_at: now.at + self.parts.settings.approval(),
            attempts: Vec::new(),
            before: None,
            after: None,
            score_before: None,
            score_after: None,
            healed_by_itself: false,
            probe: None,
            created_at: now.at,
            updated_at: now.at,
            waits_since: now,
        }
    }

    /// Puts a refusal on record. One that cannot be is only logged: it refuses all the same.
    pub async fn audit_refusal(&self, request: &TriggerRequest, refusal: &RecoveryError) {
        // Only names of the inventory are recorded as targets.
        let target = request.target.parse::<TargetName>().ok().filter(|name| self.parts.targets.contains_key(name));
        let name = target.as_ref().map(ToString::to_string).unwrap_or_default();
        let again = if request.unattended { REFUSED_AGAIN_UNATTENDED } else { REFUSED_AGAIN };
        if self.refused_lately((format!("{} {name}", request.who), request.issue_type.name(), refusal.code()), again) {
            return;
        }
        let event = AuditEvent {
            who: request.who.clone(),
            event: if matches!(refusal, RecoveryError::Escalated { .. }) { "escalated" } else { "refused" }.to_owned(),
            target,
            issue_type: Some(request.issue_type),
            detail: format!("{}: {refusal}", refusal.code()),
            untrusted_reason: Some(crate::types::bound::cut(&self.parts.redactor.redact(&request.reason), MAX_REASON_BYTES)),
            ..Default::default()
        };
        match refusal {
            RecoveryError::Escalated { .. } | RecoveryError::BreakerOpen { .. } => tracing::error!(code = refusal.code(), %refusal, "a person is needed"),
            _ => tracing::info!(code = refusal.code(), %refusal, "recovery refused"),
        }
        if let Err(error) = self.parts.journal.append(&event, self.parts.ports.clock.now()).await {
            tracing::warn!(%error, "a refusal could not be audited");
        }
    }

    /// Whether the same was refused a moment ago: of what, what was asked for, and the refusal's code.
    pub(super) fn refused_lately(&self, key: (String, &'static str, &'static str), again: Duration) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = Instant::now();
        refused.retain(|_, until| *until > now);
        match refused.entry(key) {
            std::collections::btree_map::Entry::Occupied(_) => true,
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(now + again);
                false
            }
        }
    }
}

/// Who approves where the policy is `auto`.
pub(super) const BY_POLICY: &str = "policy auto";

/// A key belongs to one target and issue. Not to the reason: a model words that anew at every retry.
pub(super) fn same_call(known: &Operation, target: &TargetName, issue: IssueType) -> Result<(), RecoveryError> {
    if known.target == *target && known.issue_type == issue { Ok(()) } else { Err(RecoveryError::KeyConflict { operation: known.operation_id.clone() }) }
}

fn check_input(request: &TriggerRequest) -> Result<(), RecoveryError> {
    if request.reason.trim().is_empty() || request.reason.len() > MAX_REASON_BYTES {
        return Err(RecoveryError::BadInput { field: "reason", expected: "say why, in 1 to 1000 bytes" });
    }
    let key_fits = |key: &String| !key.is_empty() && key.len() <= MAX_KEY_BYTES && key.bytes().all(|b| b.is_ascii_graphic());
    if request.idempotency_key.as_ref().is_some_and(|key| !key_fits(key)) {
        return Err(RecoveryError::BadInput { field: "idempotency_key", expected: "1 to 128 visible ASCII characters" });
    }
    Ok(())
}

//! What a person does on the machine: approve, stop and start, reset, undo, look how something ended. Only undo can also be asked for over MCP.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Actor, AuditEvent, AuditLine, Change, ControlState, JournalError, Operation, OperationFilter, Outcome, Plan, Recovery, RecoveryError, State, Target,
    Verified, admit::REFUSED_AGAIN, run::Task,
};
use crate::types::{ids::OperationId, moment::Moment, target::Policy};

impl Recovery {
    /// Approves an operation that waits, with the approver's passphrase. The next call of the same recovery runs it. `seen` is the plan that the
    /// approver was shown: who may write the store could show one plan and have another signed.
    ///
    /// # Errors
    /// `UnknownOperation`, `NotPending`, `NoApprover`, `Passphrase`, `Drift`, or the store.
    pub async fn approve(&self, id: &OperationId, who: &Actor, passphrase: &str, seen: &Plan) -> Result<Operation, RecoveryError> {
        let mut operation = self.get(id).await?;
        if operation.state != State::Planned {
            return Err(RecoveryError::NotPending { operation: id.clone(), state: operation.state.name() });
        }
        if !seen.is_whole() || !operation.plan.is_whole() || seen.digest != operation.plan.digest {
            self.close_unrun(&mut operation, State::Failed, "its plan on record is not the one that was made; it is not approved").await?;
            return Err(RecoveryError::Drift { operation: id.clone() });
        }
        let now = self.parts.ports.clock.moment();
        operation.state = State::Approved;
        operation.approved_by = Some(who.os_user.clone());
        operation.expires_at = now.at + self.parts.settings.approval();
        operation.approval_signature = Some(self.sign(passphrase, &operation, who).await?);
        operation.updated_at = now.at;
        operation.waits_since = now;
        operation.message = format!("approved by {}; the same call, or `opsmedic recover approve`, runs it until {}", who.os_user, operation.expires_at);
        self.parts.journal.update(&operation, State::Planned, None).await?;
        Ok(operation)
    }

    async fn sign(&self, passphrase: &str, operation: &Operation, who: &Actor) -> Result<String, RecoveryError> {
        let Some(key) = &self.parts.settings.approver_key else {
            return Err(RecoveryError::NoApprover);
        };
        match key.sign(passphrase, operation) {
            Ok(signature) => Ok(signature),
            Err(error) => Err(self.passphrase_refused(error.into(), who).await),
        }
    }

    /// Whether this is the approver's passphrase.
    async fn authorise(&self, passphrase: Option<&str>, who: &Actor) -> Result<(), RecoveryError> {
        let Some(key) = &self.parts.settings.approver_key else { return Err(RecoveryError::NoApprover) };
        match key.check(passphrase.unwrap_or_default()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.passphrase_refused(error.into(), who).await),
        }
    }

    /// Somebody tried: that belongs on record.
    async fn passphrase_refused(&self, error: RecoveryError, who: &Actor) -> RecoveryError {
        let event = AuditEvent { who: who.clone(), event: "passphrase_refused".to_owned(), detail: error.to_string(), ..Default::default() };
        if let Err(error) = self.parts.journal.append(&event, self.parts.ports.clock.now()).await {
            tracing::warn!(%error, "a wrong passphrase could not be audited");
        }
        error
    }

    /// Operations that wait for approval, oldest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn pending(&self) -> Result<Vec<Operation>, RecoveryError> {
        let filter = OperationFilter { states: vec![State::Planned], limit: 1_000, ..Default::default() };
        let mut waiting = self.list(&filter).await?;
        waiting.retain(|o| o.state == State::Planned);
        waiting.reverse();
        Ok(waiting)
    }

    /// Runs an approved operation, from the command line.
    ///
    /// # Errors
    /// A refusal; nothing was called.
    pub async fn run_approved(&self, id: &OperationId, wait: Duration) -> Result<Operation, RecoveryError> {
        let until = Instant::now() + wait;
        let operation = self.get(id).await?;
        let target = self.target(operation.target.as_str())?.clone();
        let operation = self.resume(operation, &target).await?;
        self.follow(&operation.operation_id, until).await
    }

    /// Stops, resumes, freezes, unfreezes or resets. What allows acting again needs the approver's passphrase.
    ///
    /// # Errors
    /// `Passphrase`, or the store.
    pub async fn change(&self, change: &Change, who: &Actor, passphrase: Option<&str>) -> Result<(), RecoveryError> {
        if let Change::Reset { target } | Change::Freeze { target: Some(target), .. } = change {
            self.target(target.as_str())?;
        }
        if change.loosens() {
            self.authorise(passphrase, who).await?;
        }
        Ok(self.parts.journal.change(change, who, &self.parts.ports.clock.moment()).await?)
    }

    /// Whether an approver's passphrase is configured.
    pub fn has_approver(&self) -> bool {
        self.parts.settings.approver_key.is_some()
    }

    /// What a person set.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn controls(&self) -> Result<(ControlState, Moment), RecoveryError> {
        Ok((self.parts.journal.controls().await?, self.parts.ports.clock.moment()))
    }

    /// Takes an operation's last action back, if things still are as the action left them. Follows it for at most `wait`.
    ///
    /// # Errors
    /// A refusal; nothing was called.
    pub async fn undo(&self, id: &OperationId, who: &Actor, passphrase: Option<&str>, wait: Duration) -> Result<Operation, RecoveryError> {
        let until = Instant::now() + wait;
        let undone = match self.begin_undo(id, who, passphrase).await {
            Ok(undone) => undone,
            Err(refusal) => {
                self.audit_undo_refusal(id, who, &refusal).await;
                return Err(refusal);
            }
        };
        // The time is up or it ended; either way what is on record is the answer. The task cannot be lost: it is tracked.
        let ended = tokio::time::timeout_at(until, undone).await.is_ok();
        let operation = self.get(id).await?;
        // Stopped, or changed by somebody, between the last look here and the call.
        if ended && !operation.attempts.last().is_some_and(|a| a.undo) {
            let refusal = RecoveryError::NotUndoable { operation: id.clone(), why: "it was stopped or changed right before the call".to_owned() };
            self.audit_undo_refusal(id, who, &refusal).await;
            return Err(refusal);
        }
        Ok(operation)
    }

    /// The same refusal of the same undo once a minute, and all of operations that there are not as one.
    pub async fn audit_undo_refusal(&self, id: &OperationId, who: &Actor, refusal: &RecoveryError) {
        let known = if self.get(id).await.is_ok() { id.to_string() } else { String::new() };
        if self.refused_lately((format!("{who} {known}"), "undo", refusal.code()), REFUSED_AGAIN) {
            return;
        }
        let detail = format!("undo: {}: {refusal}", refusal.code());
        let event = AuditEvent { who: who.clone(), event: "refused".to_owned(), operation_id: Some(id.clone()), detail, ..Default::default() };
        if let Err(error) = self.parts.journal.append(&event, self.parts.ports.clock.now()).await {
            tracing::warn!(%error, "a refused undo could not be audited");
        }
    }

    /// Who undoes is on record before anything is called: the operation's own lines name who asked for it.
    async fn audit_undo(&self, operation: Operation, who: &Actor) -> Result<Operation, RecoveryError> {
        let event = AuditEvent {
            who: who.clone(),
            event: "undo_requested".to_owned(),
            operation_id: Some(operation.operation_id.clone()),
            target: Some(operation.target.clone()),
            ..Default::default()
        };
        self.parts.journal.append(&event, self.parts.ports.clock.now()).await?;
        Ok(operation)
    }

    async fn begin_undo(&self, id: &OperationId, who: &Actor, passphrase: Option<&str>) -> Result<tokio::task::JoinHandle<()>, RecoveryError> {
        if self.parts.read_only {
            return Err(RecoveryError::ReadOnly);
        }
        let operation = self.get(id).await?;
        let target = self.target(operation.target.as_str())?.clone();
        match target.policy {
            Policy::Deny => return Err(RecoveryError::Denied { target: target.name.to_string() }),
            Policy::Approve if passphrase.is_none() => return Err(RecoveryError::PersonNeeded { target: target.name.to_string() }),
            Policy::Approve => self.authorise(passphrase, who).await?,
            Policy::Auto => {}
        }
        self.not_stopped(&target).await?;
        let lease = self.lease(&target, id).await?;
        let ready = match self.undoable(id, &target).await {
            Ok(operation) => self.audit_undo(operation, who).await,
            refused => refused,
        };
        match ready {
            Ok(operation) => Ok(self.start(operation, target, lease, Task::Undo)),
            Err(refusal) => {
                self.give_back(&lease).await;
                Err(refusal)
            }
        }
    }

    /// Kill switch and freezes hold for undoing too.
    async fn not_stopped(&self, target: &Target) -> Result<(), RecoveryError> {
        let (controls, now) = self.controls().await?;
        if let Some(reason) = controls.halted {
            return Err(RecoveryError::Halted { reason });
        }
        match super::guard::freeze::reason(&self.parts.settings.freeze, &controls, &target.name, &now) {
            Some(reason) => Err(RecoveryError::Frozen { target: target.name.to_string(), reason }),
            None => Ok(()),
        }
    }

    /// The operation, if its last action can be taken back and nothing was changed since.
    async fn undoable(&self, id: &OperationId, target: &Target) -> Result<Operation, RecoveryError> {
        let operation = self.get(id).await?;
        let refuse = |why: String| RecoveryError::NotUndoable { operation: id.clone(), why };
        if !matches!(operation.state, State::Succeeded | State::FailedVerification) {
            return Err(refuse(format!("it is {}", operation.state.name())));
        }
        let Some(done) = operation.to_undo() else { return Err(refuse("nothing was done that is not undone".to_owned())) };
        let Some(actuator) = target.actuators.get(&done.action) else { return Err(refuse("the target no longer supports the action".to_owned())) };
        if done.receipt.undo.is_none() {
            return Err(refuse(format!("there is no way back from this {}", done.action)));
        }
        let now = actuator.observe(&self.parts.ports).await.map_err(|why| refuse(format!("how it is now cannot be seen: {why}")))?;
        if Some(&now) != done.receipt.untrusted_left.as_ref() {
            return Err(refuse("what it left was changed since; going back would undo somebody else's change".to_owned()));
        }
        Ok(operation)
    }

    /// Looks how an operation ended that is unknown or was interrupted, and records what it found.
    ///
    /// # Errors
    /// `UnknownOperation`, `InProgress`, or the store.
    pub async fn probe(&self, id: &OperationId, wait: Duration) -> Result<Operation, RecoveryError> {
        let until = Instant::now() + wait;
        let operation = self.get(id).await?;
        let open = matches!(operation.state, State::Unknown | State::Interrupted) && operation.attempts.last().is_some_and(open_end);
        if !open {
            return Ok(operation);
        }
        let target = self.target(operation.target.as_str())?.clone();
        let lease = self.lease(&target, id).await?;
        let _ = tokio::time::timeout_at(until, self.start(operation, target, lease, Task::Probe)).await;
        self.get(id).await
    }

    /// The newest lines of the audit.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn audit(&self, operation: Option<&OperationId>, limit: u32) -> Result<Vec<AuditLine>, JournalError> {
        self.parts.journal.lines(operation, limit).await
    }

    /// Walks the whole audit.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn verify_audit(&self) -> Result<Verified, JournalError> {
        self.parts.journal.verify_chain().await
    }
}

fn open_end(attempt: &super::Attempt) -> bool {
    matches!(attempt.outcome, Outcome::Unknown | Outcome::Interrupted)
}

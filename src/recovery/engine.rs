//! The service: admits, approves and follows operations. What runs inside one is in `run`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    IsDead, Journal, JournalError, Lease, Operation, OperationFilter, Owner, Plan, RecoveryError, RecoverySettings, State, Statistics, Target, Vital, Vitals,
    guard, plan, run, stats,
};
use crate::{
    ports::{Ports, process},
    types::{
        ids::OperationId,
        issue::IssueType,
        redact::Redactor,
        target::{Policy, TargetName},
    },
};

/// How long a lease lives without a sign of its holder.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// How often an operation that runs elsewhere is looked at.
const FOLLOW: Duration = Duration::from_millis(100);
/// How long an operation may take from its approval to its first action.
const STARTING: SignedDuration = SignedDuration::from_secs(2);
/// How long a shutdown waits until interrupted operations are recorded.
const RECORD: Duration = Duration::from_secs(2);
/// At most this many bytes of reason and key.
const MAX_REASON_BYTES: usize = 1_000;
const MAX_KEY_BYTES: usize = 128;
/// Operations over which statistics are made, at most.
const STATISTICS_ROWS: u32 = 10_000;

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
}

/// Everything the engine works with; put together by the composition root.
pub struct Parts {
    /// Limits and strategies.
    pub settings: RecoverySettings,
    /// The inventory.
    pub targets: BTreeMap<TargetName, Target>,
    /// The durable record.
    pub journal: Arc<dyn Journal>,
    /// Runs targets' checks.
    pub vitals: Arc<dyn Vitals>,
    /// Clock and processes.
    pub ports: Ports,
    /// This process.
    pub owner: Owner,
    /// Takes secrets out of what is recorded.
    pub redactor: Arc<Redactor>,
    /// What a person adds to a command so that it uses the same configuration: ` --config FILE`, or nothing.
    pub config_option: String,
    /// Refuse every operation.
    pub read_only: bool,
}

/// The recovery service. Cheap to clone.
#[derive(Clone)]
pub struct Recovery {
    pub(super) parts: Arc<Parts>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    orphans_at: Arc<Mutex<Option<Instant>>>,
}

impl Recovery {
    /// A service that has nothing running.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), tasks: TaskTracker::new(), shutdown: CancellationToken::new(), orphans_at: Arc::default() }
    }

    /// The inventory.
    pub fn targets(&self) -> &BTreeMap<TargetName, Target> {
        &self.parts.targets
    }

    /// Looks up a target by name.
    ///
    /// # Errors
    /// `NoTargets` or `UnknownTarget`.
    pub fn target(&self, name: &str) -> Result<&Target, RecoveryError> {
        if self.parts.targets.is_empty() {
            return Err(RecoveryError::NoTargets);
        }
        let known = || RecoveryError::UnknownTarget { known: self.parts.targets.keys().map(ToString::to_string).collect() };
        name.parse().ok().and_then(|name: TargetName| self.parts.targets.get(&name)).ok_or_else(known)
    }

    /// What an operation would do now, and what stands in its way. Changes nothing.
    ///
    /// # Errors
    /// `NoTargets`, `UnknownTarget`, or a store that cannot be read.
    pub async fn plan(&self, issue: IssueType, target: &str) -> Result<(Plan, Option<RecoveryError>), RecoveryError> {
        let target = self.target(target)?;
        let plan = self.fresh_plan(issue, target).await;
        let admitted = self.admit(target, plan.clone()).await;
        Ok(match admitted {
            Ok(plan) if self.parts.read_only => (plan, Some(RecoveryError::ReadOnly)),
            Ok(plan) => (plan, None),
            Err(refusal) => (plan, Some(refusal)),
        })
    }

    /// How a target is right now.
    ///
    /// # Errors
    /// `NoTargets` or `UnknownTarget`.
    pub async fn look(&self, target: &str) -> Result<Vital, RecoveryError> {
        Ok(self.parts.vitals.look(&self.target(target)?.name).await)
    }

    async fn fresh_plan(&self, issue: IssueType, target: &Target) -> Plan {
        plan::plan(&self.parts.ports, target, issue, &self.parts.settings.strategy(issue)).await
    }

    /// The guards that can be asked without holding the lease.
    async fn admit(&self, target: &Target, plan: Plan) -> Result<Plan, RecoveryError> {
        if target.policy == Policy::Deny {
            return Err(RecoveryError::Denied { target: target.name.to_string() });
        }
        if plan.runnable().next().is_none() {
            let skipped = plan.steps.iter().map(|s| format!("{}: {}", s.action, s.skipped.as_deref().unwrap_or_default())).collect();
            return Err(RecoveryError::NothingToDo { target: target.name.to_string(), skipped });
        }
        let (now, cooldown) = (self.parts.ports.clock.now(), self.parts.settings.cooldown());
        let past = self.parts.journal.attempts(&target.name, now - cooldown).await?;
        guard::cooldown(plan, &past, now, cooldown)
    }

    /// Starts a recovery, or joins the one that the same call started, and follows it for at most `wait`.
    ///
    /// # Errors
    /// A refusal; nothing was called.
    pub async fn trigger(&self, request: TriggerRequest, wait: Duration) -> Result<Operation, RecoveryError> {
        let until = Instant::now() + wait;
        if self.parts.read_only {
            return Err(RecoveryError::ReadOnly);
        }
        let target = self.target(&request.target)?.clone();
        check_input(&request)?;
        let known = match &request.idempotency_key {
            Some(key) => self.parts.journal.by_key(key).await?,
            None => None,
        };
        if let Some(known) = &known {
            same_call(known, &target.name, request.issue_type)?;
        }
        let known = match known {
            Some(known) => Some(known),
            None => self.waiting(&target, request.issue_type).await?,
        };
        let operation = match known {
            Some(known) => self.resume(known, &target).await?,
            None => self.begin(request, &target).await?,
        };
        self.follow(&operation.operation_id, until).await
    }

    /// An operation for the same trouble that waits for approval, or has it: a caller that mints a new key joins it.
    async fn waiting(&self, target: &Target, issue: IssueType) -> Result<Option<Operation>, RecoveryError> {
        let filter = OperationFilter { target: Some(target.name.clone()), states: vec![State::Planned, State::Approved], limit: 20, ..Default::default() };
        let found = self.parts.journal.list(&filter).await?;
        Ok(found.into_iter().find(|o| o.issue_type == issue && o.expires_at > self.parts.ports.clock.now()))
    }

    /// Goes on with an operation that exists: runs it if it was approved in the meantime.
    async fn resume(&self, mut operation: Operation, target: &Target) -> Result<Operation, RecoveryError> {
        let waits = matches!(operation.state, State::Planned | State::Approved);
        if waits && operation.expires_at <= self.parts.ports.clock.now() {
            self.close_unrun(&mut operation, State::Expired, "waited too long for approval; nothing was called").await?;
        }
        if operation.state != State::Approved {
            return Ok(operation);
        }
        let lease = match self.lease(target, &operation.operation_id).await {
            // The same operation is starting elsewhere: join it.
            Err(RecoveryError::InProgress { operation: holder, .. }) if holder == operation.operation_id => return Ok(operation),
            lease => lease?,
        };
        let fresh = self.fresh_plan(operation.issue_type, target).await;
        let plan = match self.admit(target, fresh).await {
            Ok(plan) => plan,
            Err(refusal) => {
                self.give_back(&lease).await;
                return Err(refusal);
            }
        };
        if plan.digest != operation.plan.digest {
            self.give_back(&lease).await;
            self.close_unrun(&mut operation, State::Failed, "what would be called now differs from what was approved; nothing was called").await?;
            return Err(RecoveryError::Drift { operation: operation.operation_id });
        }
        operation.plan = plan;
        self.start(operation.clone(), target.clone(), lease);
        Ok(operation)
    }

    /// A lease that cannot be given back runs out; the answer at hand matters more.
    async fn give_back(&self, lease: &Lease) {
        if let Err(error) = self.parts.journal.release(lease).await {
            tracing::warn!(%error, target = %lease.target, "the lease could not be given back; it will run out");
        }
    }

    /// Ends an operation before anything was called.
    async fn close_unrun(&self, operation: &mut Operation, state: State, message: &str) -> Result<(), JournalError> {
        let from = std::mem::replace(&mut operation.state, state);
        operation.message = message.to_owned();
        operation.updated_at = self.parts.ports.clock.now();
        self.parts.journal.update(operation, from, None).await
    }

    /// Plans, guards and records a new operation; starts it when the policy is `auto`.
    async fn begin(&self, request: TriggerRequest, target: &Target) -> Result<Operation, RecoveryError> {
        if target.policy == Policy::Deny {
            return Err(RecoveryError::Denied { target: target.name.to_string() });
        }
        let id = OperationId::random();
        let lease = self.lease(target, &id).await?;
        let issue = request.issue_type;
        let recorded = self.record(id.clone(), request, target).await;
        match recorded {
            Ok(operation) if operation.state == State::Approved && operation.operation_id == id => {
                self.start(operation.clone(), target.clone(), lease);
                Ok(operation)
            }
            other => {
                self.give_back(&lease).await;
                // Another call with the same key was faster: its operation, if it is for the same trouble.
                other.and_then(|operation| same_call(&operation, &target.name, issue).map(|()| operation))
            }
        }
    }

    async fn record(&self, id: OperationId, request: TriggerRequest, target: &Target) -> Result<Operation, RecoveryError> {
        let plan = self.admit(target, self.fresh_plan(request.issue_type, target).await).await?;
        let now = self.parts.ports.clock.now();
        let auto = target.policy == Policy::Auto;
        let (state, message) = if auto {
            (State::Approved, "approved by policy auto".to_owned())
        } else {
            (
                State::Planned,
                format!(
                    "waits for approval; nothing was called. On the machine a person runs: opsmedic recover approve {id}{}. Then get_recovery shows how it goes",
                    self.parts.config_option
                ),
            )
        };
        let operation = Operation {
            operation_id: id,
            issue_type: request.issue_type,
            target: target.name.clone(),
            untrusted_reason: self.parts.redactor.redact(&request.reason).into_owned(),
            idempotency_key: request.idempotency_key,
            state,
            message,
            plan,
            approved_by: auto.then(|| "policy auto".to_owned()),
            expires_at: now + self.parts.settings.approval(),
            attempts: Vec::new(),
            before: None,
            after: None,
            created_at: now,
            updated_at: now,
        };
        match self.parts.journal.create(&operation).await {
            Ok(()) => Ok(operation),
            // Another call with the same key was faster: join it.
            Err(JournalError::KeyTaken) => match &operation.idempotency_key {
                Some(key) => self.parts.journal.by_key(key).await?.ok_or(RecoveryError::UnknownOperation(operation.operation_id)),
                None => Err(JournalError::KeyTaken.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn lease(&self, target: &Target, id: &OperationId) -> Result<Lease, RecoveryError> {
        let parts = &self.parts;
        let taken = parts.journal.acquire(&target.name, id, &parts.owner, parts.ports.clock.now(), LEASE).await?;
        taken.map_err(|operation| RecoveryError::InProgress { target: target.name.to_string(), operation })
    }

    fn start(&self, operation: Operation, target: Target, lease: Lease) {
        self.tasks.spawn(run::run(self.parts.clone(), operation, target, lease, self.shutdown.clone()));
    }

    /// Waits until an operation is over or needs a person, at most until a moment, and gives its present state.
    ///
    /// # Errors
    /// `UnknownOperation`, or a store that cannot be read.
    pub async fn follow(&self, id: &OperationId, until: Instant) -> Result<Operation, RecoveryError> {
        let mut looked = Instant::now();
        loop {
            let operation = self.get(id).await?;
            // Approved a moment ago: whoever approved it is about to run it, here or in another process.
            let fresh = self.parts.ports.clock.now().duration_since(operation.updated_at) < STARTING;
            let moving = operation.state.is_active() || (operation.state == State::Approved && (fresh || !self.tasks.is_empty()));
            if !moving || Instant::now() >= until {
                return Ok(operation);
            }
            if looked.elapsed() >= LEASE.unsigned_abs() {
                // Whoever ran it may be gone.
                self.mark_orphans().await?;
                looked = Instant::now();
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }

    /// One operation.
    ///
    /// # Errors
    /// `UnknownOperation`, or a store that cannot be read.
    pub async fn get(&self, id: &OperationId) -> Result<Operation, RecoveryError> {
        let mut found = self.parts.journal.get(id).await?;
        if found.as_ref().is_some_and(|o| o.state.is_active()) && self.tasks.is_empty() && self.look_for_orphans() {
            self.mark_orphans().await?;
            found = self.parts.journal.get(id).await?;
        }
        found.map(|o| self.as_of_now(o)).ok_or_else(|| RecoveryError::UnknownOperation(id.clone()))
    }

    /// Whether it is time to look for processes that are gone: at most once a second.
    fn look_for_orphans(&self) -> bool {
        let mut last = self.orphans_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// Recent operations, newest first.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn list(&self, filter: &OperationFilter) -> Result<Vec<Operation>, RecoveryError> {
        Ok(self.parts.journal.list(filter).await?.into_iter().map(|o| self.as_of_now(o)).collect())
    }

    /// Figures over the last 24 hours, of one target or all.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn statistics(&self, target: Option<TargetName>) -> Result<Statistics, RecoveryError> {
        let since = self.parts.ports.clock.now() - SignedDuration::from_hours(24);
        let filter = OperationFilter { target, since: Some(since), limit: STATISTICS_ROWS, ..Default::default() };
        Ok(stats::statistics(&self.list(&filter).await?, 24))
    }

    /// Shows an operation that waited too long, or was approved too long ago, as expired, before anybody writes it down.
    fn as_of_now(&self, mut operation: Operation) -> Operation {
        if matches!(operation.state, State::Planned | State::Approved) && operation.expires_at <= self.parts.ports.clock.now() {
            operation.state = State::Expired;
            "waited too long for approval; nothing was called".clone_into(&mut operation.message);
        }
        operation
    }

    /// Approves an operation that waits. The next call of the same recovery runs it.
    ///
    /// # Errors
    /// `UnknownOperation`, `NotPending`, or the store.
    pub async fn approve(&self, id: &OperationId, approver: &str) -> Result<Operation, RecoveryError> {
        let mut operation = self.get(id).await?;
        if operation.state != State::Planned {
            return Err(RecoveryError::NotPending { operation: id.clone(), state: operation.state.name() });
        }
        let now = self.parts.ports.clock.now();
        operation.state = State::Approved;
        operation.approved_by = Some(approver.to_owned());
        operation.expires_at = now + self.parts.settings.approval();
        operation.updated_at = now;
        operation.message = format!("approved by {approver}; the same call, or `opsmedic recover approve`, runs it until {}", operation.expires_at);
        self.parts.journal.update(&operation, State::Planned, None).await?;
        Ok(operation)
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

    /// Marks what a process left running that has ended, and returns it. It is never resumed by itself.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub async fn mark_orphans(&self) -> Result<Vec<Operation>, RecoveryError> {
        self.interrupt_orphans(&|owner| process::is_gone(&owner.0)).await
    }

    /// The same with another way to tell whether a process has ended.
    pub(super) async fn interrupt_orphans(&self, is_dead: IsDead<'_>) -> Result<Vec<Operation>, RecoveryError> {
        Ok(self.parts.journal.interrupt_orphans(self.parts.ports.clock.now(), is_dead).await?)
    }

    /// Stops what runs here and waits until that is recorded, at most two seconds.
    pub async fn shut_down(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        if tokio::time::timeout(RECORD, self.tasks.wait()).await.is_err() {
            tracing::error!("an operation could not be recorded as interrupted in time; the next start will mark it");
        }
    }
}

/// A key belongs to one target and issue. Not to the reason: a model words that anew at every retry.
fn same_call(known: &Operation, target: &TargetName, issue: IssueType) -> Result<(), RecoveryError> {
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

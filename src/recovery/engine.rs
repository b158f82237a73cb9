//! The service: knows the inventory, looks operations up and follows them. What admits them is in `admit`, what a person does in `people`, what runs
//! inside one in `run`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::{sync::Notify, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Audit, Controls, ElicitationApproves, IsDead, Journal, Lease, Operation, OperationFilter, Owner, Plan, RecoveryError, RecoverySettings, State, Statistics,
    Target, Vital, Vitals, plan,
    run::{self, Job, Task},
    stats,
};
use crate::{
    ports::{Ports, process},
    types::{ids::OperationId, issue::IssueType, redact::Redactor, target::TargetName},
};

/// How long a lease lives without a sign of its holder.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(10);
/// A health source gets this long for a whole group; shorter than the lease that is held meanwhile.
const GROUP: Duration = Duration::from_secs(7);
/// How often an operation that runs in another process is looked at.
const FOLLOW: Duration = Duration::from_millis(100);
/// How long an operation may take from its approval to its first action.
const STARTING: SignedDuration = SignedDuration::from_secs(2);
/// How long a shutdown waits until interrupted operations are recorded.
const RECORD: Duration = Duration::from_secs(2);
/// Operations over which statistics are made, at most.
const STATISTICS_ROWS: u32 = 10_000;

/// A store that keeps all that recovery records.
pub trait Records: Journal + Controls + Audit {}

impl<T: Journal + Controls + Audit> Records for T {}

/// Everything the engine works with; put together by the composition root.
pub struct Parts {
    /// Limits and strategies.
    pub settings: RecoverySettings,
    /// The inventory.
    pub targets: BTreeMap<TargetName, Target>,
    /// The durable record.
    pub journal: Arc<dyn Records>,
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
    /// Which plans a person in the client may approve.
    pub elicitation_approves: ElicitationApproves,
}

impl Parts {
    /// Whether a person who knows the passphrase approved exactly this operation.
    pub(super) fn person_approved(&self, operation: &Operation) -> bool {
        self.settings.approver_key.as_ref().is_some_and(|key| key.approved(operation))
    }

    /// A text without secrets, for what is kept.
    pub(super) fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// How all members of a target's group are; none without a group, or where that takes too long to be told.
    pub(super) async fn look_at_group(&self, target: &Target) -> Option<Vec<Vital>> {
        let Some(group) = &target.group else { return Some(Vec::new()) };
        let looks = futures::future::join_all(self.siblings(group).map(|t| self.vitals.look(&t.name)));
        tokio::time::timeout(GROUP, looks).await.ok()
    }

    /// The members of a group.
    pub(super) fn siblings<'p>(&'p self, group: &'p str) -> impl Iterator<Item = &'p Target> {
        self.targets.values().filter(move |t| t.group.as_deref() == Some(group))
    }

    /// What a person is told who is to approve.
    pub(super) fn how_to_approve(&self, id: &OperationId, why: &str) -> String {
        if self.settings.approver_key.is_none() {
            return format!("{why}; nothing is being called. No approver is configured, so only a person whom the client asks can approve it: call again");
        }
        format!(
            "{why}; nothing is being called. On the machine a person runs: opsmedic recover approve {id}{}. Then get_recovery shows how it goes",
            self.config_option
        )
    }
}

/// An operation that a task works on; ends with the task, however that ends.
struct Working(Arc<Mutex<BTreeSet<String>>>, String);

impl Working {
    fn on(active: &Arc<Mutex<BTreeSet<String>>>, id: &str) -> Self {
        active.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Self(active.clone(), id.to_owned())
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// The recovery service. Cheap to clone.
#[derive(Clone)]
pub struct Recovery {
    pub(super) parts: Arc<Parts>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    changed: Arc<Notify>,
    orphans_at: Arc<Mutex<Option<Instant>>>,
    /// Operations that a task of this process works on.
    active: Arc<Mutex<BTreeSet<String>>>,
    #[cfg(test)]
    running: Arc<Mutex<Vec<tokio::task::AbortHandle>>>,
    pub(super) refused: Arc<Mutex<super::admit::Refused>>,
    /// Operations to which a person agreed in the client, each of which that did once.
    pub(super) consented: Arc<Mutex<BTreeSet<String>>>,
}

impl Recovery {
    /// A service that has nothing running.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            tasks: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            changed: Arc::default(),
            orphans_at: Arc::default(),
            active: Arc::default(),
            #[cfg(test)]
            running: Arc::default(),
            refused: Arc::default(),
            consented: Arc::default(),
        }
    }

    /// Limits and strategies.
    pub fn settings(&self) -> &RecoverySettings {
        &self.parts.settings
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

    /// What an operation would do now, and what stands in its way. Changes nothing. `client_asks`: the caller's client can ask a person.
    ///
    /// # Errors
    /// `NoTargets`, `UnknownTarget`, or a store that cannot be read.
    pub async fn plan(&self, issue: IssueType, target: &str, client_asks: bool) -> Result<(Plan, Option<RecoveryError>), RecoveryError> {
        let target = self.target(target)?;
        let plan = self.fresh_plan(issue, target).await;
        let admitted = self.admit(target, plan.clone(), None, client_asks).await;
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

    pub(super) async fn fresh_plan(&self, issue: IssueType, target: &Target) -> Plan {
        plan::plan(&self.parts, target, issue, &self.parts.settings.strategy(issue)).await
    }

    pub(super) async fn lease(&self, target: &Target, id: &OperationId) -> Result<Lease, RecoveryError> {
        let parts = &self.parts;
        let taken = parts.journal.acquire(&target.name, id, &parts.owner, &parts.ports.clock.moment(), LEASE).await?;
        taken.map_err(|operation| RecoveryError::InProgress { target: target.name.to_string(), operation })
    }

    /// A lease that cannot be given back runs out; the answer at hand matters more.
    pub(super) async fn give_back(&self, lease: &Lease) {
        if let Err(error) = self.parts.journal.release(lease).await {
            tracing::warn!(%error, target = %lease.target, "the lease could not be given back; it will run out");
        }
    }

    pub(super) fn start(&self, operation: Operation, target: Target, lease: Lease, task: Task) -> tokio::task::JoinHandle<()> {
        let working = Working::on(&self.active, operation.operation_id.as_str());
        let job = Job { parts: self.parts.clone(), operation, target, lease, changed: self.changed.clone(), shutdown: self.shutdown.clone() };
        let running = self.tasks.spawn(async move {
            let _working = working;
            run::run(job, task).await;
        });
        #[cfg(test)]
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(running.abort_handle());
        running
    }

    /// Waits until an operation is over or needs a person, at most until a moment, and gives its present state.
    ///
    /// # Errors
    /// `UnknownOperation`, or a store that cannot be read.
    pub async fn follow(&self, id: &OperationId, until: Instant) -> Result<Operation, RecoveryError> {
        let mut looked = Instant::now();
        loop {
            // Before the look, so that a change in between is not missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let operation = self.get(id).await?;
            // Approved a moment ago: whoever approved it is about to run it, here or in another process.
            let fresh = self.parts.ports.clock.now().duration_since(operation.updated_at) < STARTING;
            let here = self.active.lock().unwrap_or_else(PoisonError::into_inner).contains(id.as_str());
            // One whose end was not seen is still looked at.
            let moving = match operation.state {
                State::Approved => here || fresh,
                State::Unknown => here,
                state => state.is_active(),
            };
            if !moving || Instant::now() >= until {
                return Ok(operation);
            }
            if looked.elapsed() >= LEASE.unsigned_abs() {
                // Whoever ran it may be gone.
                self.mark_orphans().await?;
                looked = Instant::now();
            }
            let _ = tokio::time::timeout(FOLLOW, changed).await;
        }
    }

    /// Tells how an operation is, at once and at every change, for as long as it is polled; never ends. One that cannot be read is not told.
    pub async fn tell_changes(&self, id: &OperationId, tell: &(dyn Fn(&Operation) + Send + Sync)) -> std::convert::Infallible {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Ok(Some(operation)) = self.parts.journal.get(id).await {
                tell(&operation);
            }
            let _ = tokio::time::timeout(FOLLOW, changed).await;
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

    /// Shows an operation that waited too long, or was approved too long ago, as over, before anybody writes it down.
    fn as_of_now(&self, mut operation: Operation) -> Operation {
        if self.waited_too_long(&operation) {
            let (state, message) = super::admit::expiry(&operation);
            operation.state = state;
            message.clone_into(&mut operation.message);
        }
        operation
    }

    /// By either clock: one that was set must not prolong an approval.
    pub(super) fn waited_too_long(&self, operation: &Operation) -> bool {
        let now = self.parts.ports.clock.moment();
        let counted = now.counted_with(&operation.waits_since) && now.left_of(self.parts.settings.approval(), &operation.waits_since).is_zero();
        matches!(operation.state, State::Planned | State::Approved) && (operation.expires_at <= now.at || counted)
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
        Ok(self.parts.journal.interrupt_orphans(&self.parts.ports.clock.moment(), is_dead).await?)
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

#[cfg(test)]
impl Recovery {
    /// Drops what runs here where it stands, as a process that is killed does: nothing is written any more.
    pub(super) async fn crash(&self) {
        for task in self.running.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

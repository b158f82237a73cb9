//! Operations from plan to end: a fake actuator and a fake check behind their traits, a real store on disk.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;

use super::*;
use crate::{
    ports::{Clock as _, Ports, exec::SystemExec, fake::FakeClock, http::Client},
    store::Store,
    types::{
        ids::OperationId,
        issue::IssueType,
        moment::Moment,
        redact::Redactor,
        secret::Secret,
        target::{Policy, TargetName},
    },
};

const WAIT: Duration = Duration::from_secs(10);

/// Counts calls; what an act does is scripted.
struct FakeActuator {
    vitals: Arc<FakeVitals>,
    calls: AtomicUsize,
    undos: AtomicUsize,
    call: Mutex<String>,
    result: Mutex<Option<ActError>>,
    /// How the target is after an act that works.
    heals_to: Mutex<Vital>,
    /// Whose health an act breaks beside that.
    breaks: Mutex<Option<Arc<outcomes::OtherVitals>>>,
    hang: AtomicBool,
    heals_all_the_same: AtomicBool,
    changes_after_a_look: AtomicBool,
    can_undo: AtomicBool,
    state: Mutex<String>,
    probe: Mutex<Probe>,
    condition: Mutex<Postcondition>,
}

impl FakeActuator {
    fn on(vitals: &Arc<FakeVitals>) -> Arc<Self> {
        Arc::new(Self {
            vitals: vitals.clone(),
            calls: AtomicUsize::new(0),
            undos: AtomicUsize::new(0),
            call: Mutex::new(String::new()),
            result: Mutex::new(None),
            heals_to: Mutex::new(vital(100)),
            breaks: Mutex::new(None),
            hang: AtomicBool::new(false),
            heals_all_the_same: AtomicBool::new(false),
            changes_after_a_look: AtomicBool::new(false),
            can_undo: AtomicBool::new(false),
            state: Mutex::new("before".to_owned()),
            probe: Mutex::new(Probe::CannotTell("a fake".to_owned())),
            condition: Mutex::new(Postcondition::Holds("it is there".to_owned())),
        })
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::from([("state".to_owned(), self.state.lock().expect("no panic").clone())])
    }
}

#[async_trait]
impl Actuator for FakeActuator {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        let undo = self.can_undo.load(Ordering::SeqCst).then(|| "undo it".to_owned());
        Ok(Prepared { call: self.call.lock().expect("no panic").clone(), prior: self.snapshot(), undo, ..Default::default() })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, _context: &Context) -> Result<Act, ActError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.heals_all_the_same.load(Ordering::SeqCst) {
            *self.vitals.0.lock().expect("no panic") = vital(100);
        }
        if let Some(error) = self.result.lock().expect("no panic").clone() {
            return Err(error);
        }
        if let Some(others) = &*self.breaks.lock().expect("no panic") {
            *others.other.lock().expect("no panic") = vital(0);
        }
        "after".clone_into(&mut self.state.lock().expect("no panic"));
        *self.vitals.0.lock().expect("no panic") = self.heals_to.lock().expect("no panic").clone();
        Ok(Act { message: "done".to_owned(), untrusted_output: Some("password=canary-1".to_owned()), left: self.snapshot() })
    }

    async fn verify(&self, _ports: &Ports, _left: &Snapshot) -> Postcondition {
        self.condition.lock().expect("no panic").clone()
    }

    async fn probe(&self, _ports: &Ports, _prior: &Snapshot) -> Probe {
        self.probe.lock().expect("no panic").clone()
    }

    async fn observe(&self, _ports: &Ports) -> Result<Snapshot, String> {
        let seen = self.snapshot();
        if self.changes_after_a_look.load(Ordering::SeqCst) {
            "somebody else's".clone_into(&mut self.state.lock().expect("no panic"));
        }
        Ok(seen)
    }

    async fn undo(&self, _ports: &Ports, prior: &Snapshot, _context: &Context) -> Result<Act, ActError> {
        self.undos.fetch_add(1, Ordering::SeqCst);
        self.state.lock().expect("no panic").clone_from(&prior["state"]);
        Ok(Act { left: self.snapshot(), ..Act::said("back") })
    }
}

/// How the target is; an act that works changes it.
struct FakeVitals(Mutex<Vital>);

/// A score of 100 is well, of 255 unknown.
fn vital(score: u8) -> Vital {
    Vital { well: score == 100, down: score < 50, unknown: score == 255, score: (score <= 100).then_some(score), summary: format!("score {score}") }
}

#[async_trait]
impl Vitals for FakeVitals {
    async fn look(&self, _target: &TargetName) -> Vital {
        self.0.lock().expect("no panic").clone()
    }
}

const PASSPHRASE: &str = "correct horse";

/// Made once: a key costs an Argon2 run.
pub(super) fn approver_key() -> ApproverKey {
    static KEY: std::sync::OnceLock<ApproverKey> = std::sync::OnceLock::new();
    KEY.get_or_init(|| ApproverKey::make(PASSPHRASE).expect("long enough")).clone()
}

pub(super) fn a_target() -> Target {
    Target {
        name: "shop".parse().expect("a name"),
        policy: Policy::Auto,
        actuators: BTreeMap::new(),
        check: Some("application".to_owned()),
        check_cannot_see: Vec::new(),
        group: None,
        heal: None,
        fingerprint: "as configured".to_owned(),
        soak: Duration::ZERO,
        verify_timeout: Duration::ZERO,
        facts: BTreeMap::new(),
    }
}

pub(super) fn an_operation() -> Operation {
    let now: jiff::Timestamp = "2026-11-23T03:00:00Z".parse().expect("a constant");
    let target = a_target();
    let plan = Plan {
        issue_type: IssueType::ServiceUnavailable,
        target: target.name.clone(),
        policy: target.policy,
        steps: Vec::new(),
        verification: String::new(),
        configuration: String::new(),
        digest: "d".repeat(64),
    };
    Operation {
        operation_id: OperationId::random(),
        issue_type: plan.issue_type,
        target: target.name,
        untrusted_reason: "it is down".to_owned(),
        requested_by: Actor::default(),
        unattended: false,
        idempotency_key: None,
        state: State::Planned,
        message: String::new(),
        plan,
        approved_by: None,
        approval_signature: None,
        consent: None,
        expires_at: now + SignedDuration::from_mins(30),
        attempts: Vec::new(),
        before: None,
        after: None,
        score_before: None,
        score_after: None,
        healed_by_itself: false,
        probe: None,
        created_at: now,
        updated_at: now,
        waits_since: Moment::by_wall(now),
    }
}

struct Bench {
    recovery: Recovery,
    restart: Arc<FakeActuator>,
    failover: Arc<FakeActuator>,
    vitals: Arc<FakeVitals>,
    clock: Arc<FakeClock>,
    store: Arc<Store>,
}

fn bench(folder: &Path, policy: Policy, read_only: bool) -> Bench {
    bench_with(folder, read_only, RecoverySettings::default(), Target { policy, ..a_target() })
}

fn bench_with(folder: &Path, read_only: bool, settings: RecoverySettings, target: Target) -> Bench {
    let vitals = Arc::new(FakeVitals(Mutex::new(vital(0))));
    let (restart, failover) = (FakeActuator::on(&vitals), FakeActuator::on(&vitals));
    let clock = Arc::new(FakeClock::at("2026-11-23T03:00:00Z"));
    let actuators: BTreeMap<Action, Arc<dyn Actuator>> =
        BTreeMap::from([(Action::RestartService, restart.clone() as _), (Action::Failover, failover.clone() as _)]);
    let target = Target { actuators, ..target };
    let store = Arc::new(Store::at(folder.join("opsmedic.db")));
    let parts = Parts {
        settings: RecoverySettings { approver_key: Some(approver_key()), ..settings },
        targets: BTreeMap::from([(target.name.clone(), target)]),
        journal: store.clone(),
        vitals: vitals.clone(),
        ports: Ports { clock: clock.clone(), exec: Arc::new(SystemExec), http: Arc::new(Client::default()) },
        owner: Owner("test".to_owned()),
        redactor: Arc::new(Redactor::default()),
        config_option: String::new(),
        read_only,
        elicitation_approves: ElicitationApproves::default(),
    };
    Bench { recovery: Recovery::new(parts), restart, failover, vitals, clock, store }
}

impl Bench {
    /// Breaks the target and triggers.
    async fn trigger(&self, issue: IssueType, key: Option<&str>) -> Result<Operation, RecoveryError> {
        *self.vitals.0.lock().expect("no panic") = vital(0);
        self.recovery.trigger(request(issue, key), WAIT).await
    }

    async fn approve(&self, id: &OperationId) -> Result<Operation, RecoveryError> {
        let seen = self.recovery.get(id).await?.plan;
        self.recovery.approve(id, &person(), PASSPHRASE, &seen).await
    }
}

fn person() -> Actor {
    Actor { via: "command line".to_owned(), os_user: "uid 0".to_owned(), ..Default::default() }
}

fn request(issue: IssueType, key: Option<&str>) -> TriggerRequest {
    TriggerRequest {
        issue_type: issue,
        target: "shop".to_owned(),
        reason: "it is down".to_owned(),
        idempotency_key: key.map(str::to_owned),
        who: Actor::default(),
        unattended: false,
        may: crate::types::access::Scopes::all(),
        client_asks: false,
    }
}

fn calls(actuator: &FakeActuator) -> usize {
    actuator.calls.load(Ordering::SeqCst)
}

fn code(result: Result<Operation, RecoveryError>) -> &'static str {
    result.map_or_else(|e| e.code(), |o| o.state.name())
}

#[tokio::test]
async fn acts_verifies_records_and_then_cools_down_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = bench(folder.path(), Policy::Auto, false);
    let done = first.trigger(IssueType::ServiceUnavailable, Some("k1")).await.expect("runs");
    assert_eq!((done.state, calls(&first.restart), calls(&first.failover)), (State::Succeeded, 1, 0));
    assert_eq!((done.before.as_deref(), done.after.as_deref()), (Some("score 0"), Some("score 100; it is there")));
    assert_eq!(done.attempts[0].untrusted_output.as_deref(), Some("password=[redacted]"));
    // The same key gives the same operation; another key is in cooldown.
    let again = first.trigger(IssueType::ServiceUnavailable, Some("k1")).await.expect("known");
    assert_eq!(again.operation_id, done.operation_id);
    assert_eq!(code(first.trigger(IssueType::ServiceUnavailable, Some("k2")).await), "cooldown");
    assert_eq!(code(first.trigger(IssueType::HighLatency, Some("k1")).await), "idempotency_conflict");
    // Renaming the issue leaves only actions that were not tried.
    assert_eq!(code(first.trigger(IssueType::MemoryExhaustion, None).await), "cooldown");

    let second = bench(folder.path(), Policy::Auto, false);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    second.clock.set_wall_seconds(-86_400);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    second.clock.set_wall_seconds(2 * 86_400);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    second.clock.set_wall_seconds(-86_400);
    second.clock.advance_seconds(301);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
    assert_eq!(calls(&second.restart), 1);
    let stats = second.recovery.statistics(None).await.expect("reads");
    assert_eq!((stats.ended, stats.succeeded, stats.by_action["restart_service"].as_str()), (2, 2, "2/2"));
}

#[tokio::test]
async fn a_failure_goes_on_to_the_next_action_and_a_timeout_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    *bench.restart.result.lock().expect("no panic") = Some(ActError::failed("no"));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    let outcomes: Vec<Outcome> = done.attempts.iter().map(|a| a.outcome).collect();
    assert_eq!((done.state, outcomes), (State::Succeeded, vec![Outcome::Failed, Outcome::Succeeded]));

    bench.clock.advance_seconds(301);
    *bench.restart.result.lock().expect("no panic") = Some(ActError::unknown("timed out"));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, done.attempts.len()), (State::Unknown, 1));

    bench.clock.advance_seconds(301);
    *bench.restart.result.lock().expect("no panic") = None;
    *bench.restart.heals_to.lock().expect("no panic") = vital(0);
    *bench.failover.heals_to.lock().expect("no panic") = vital(0);
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, done.attempts.len(), done.after.is_some()), (State::FailedVerification, 2, true));
    // Cooldown follows failures too.
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
}

#[tokio::test]
async fn approval_is_needed_once_expires_and_is_bound_to_the_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("a")).await.expect("recorded");
    assert_eq!((waiting.state, calls(&bench.restart)), (State::Planned, 0));
    assert!(waiting.message.contains(&format!("opsmedic recover approve {}", waiting.operation_id)));
    // A model that mints a new key joins the same operation.
    let joined = bench.trigger(IssueType::ServiceUnavailable, Some("b")).await.expect("joined");
    assert_eq!((joined.operation_id.clone(), joined.state), (waiting.operation_id.clone(), State::Planned));
    bench.approve(&waiting.operation_id).await.expect("approves");
    assert_eq!(bench.approve(&waiting.operation_id).await.expect_err("once").code(), "not_pending");
    let done = bench.trigger(IssueType::ServiceUnavailable, Some("a")).await.expect("runs");
    assert_eq!((done.state, done.approved_by.as_deref(), calls(&bench.restart)), (State::Succeeded, Some("uid 0"), 1));

    // Drift: what would be called changed after the approval.
    bench.clock.advance_seconds(301);
    let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("c")).await.expect("recorded");
    bench.approve(&waiting.operation_id).await.expect("approves");
    "something else".clone_into(&mut bench.restart.call.lock().expect("no panic"));
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("c")).await), "drift");
    assert_eq!(calls(&bench.restart), 1);

    // Expiry.
    let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("d")).await.expect("recorded");
    bench.clock.advance_seconds(31 * 60);
    assert_eq!(bench.recovery.get(&waiting.operation_id).await.expect("reads").state, State::Expired);
    assert_eq!(bench.approve(&waiting.operation_id).await.expect_err("too late").code(), "not_pending");
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("d")).await), "expired");
}

#[tokio::test]
async fn refusals_call_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    for (policy, read_only, target, expected) in [
        (Policy::Auto, true, "shop", "read_only"),
        (Policy::Deny, false, "shop", "denied"),
        (Policy::Auto, false, "", "unknown_target"),
        (Policy::Auto, false, "*", "unknown_target"),
        (Policy::Auto, false, "sho", "unknown_target"),
        (Policy::Auto, false, "shop ", "unknown_target"),
    ] {
        let bench = bench(folder.path(), policy, read_only);
        let request = TriggerRequest { target: target.to_owned(), ..request(IssueType::ServiceUnavailable, None) };
        assert_eq!(code(bench.recovery.trigger(request, WAIT).await), expected, "{target:?}");
        assert_eq!(calls(&bench.restart), 0);
    }
    let bench = bench(folder.path(), Policy::Auto, false);
    assert_eq!(code(bench.trigger(IssueType::HighLatency, None).await), "nothing_to_do");
    assert_eq!(
        code(bench.recovery.trigger(TriggerRequest { reason: " ".to_owned(), ..request(IssueType::ServiceUnavailable, None) }, WAIT).await),
        "invalid_input"
    );
}

#[tokio::test]
async fn fifty_racing_calls_of_two_services_on_one_store_act_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (bench(folder.path(), Policy::Auto, false), bench(folder.path(), Policy::Auto, false));
    let racing = (0..50).map(|i| {
        let recovery = if i % 2 == 0 { a.recovery.clone() } else { b.recovery.clone() };
        tokio::spawn(async move { code(recovery.trigger(request(IssueType::ServiceUnavailable, Some(&format!("key-{i}"))), WAIT).await) })
    });
    let codes: Vec<&str> = futures::future::join_all(racing).await.into_iter().map(|r| r.expect("no panic")).collect();
    assert_eq!(calls(&a.restart) + calls(&b.restart), 1, "{codes:?}");
    assert!(codes.iter().all(|c| ["succeeded", "cooldown", "in_progress"].contains(c)), "{codes:?}");
}

#[tokio::test]
async fn a_shutdown_in_the_middle_is_recorded_and_a_crash_is_found_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let stopped = bench(folder.path(), Policy::Auto, false);
    stopped.restart.hang.store(true, Ordering::SeqCst);
    let running = stopped.recovery.trigger(request(IssueType::ServiceUnavailable, None), Duration::from_millis(300)).await.expect("a handle");
    assert_eq!(running.state, State::Running);
    assert_eq!(code(stopped.trigger(IssueType::HighErrorRate, None).await), "in_progress");
    stopped.recovery.shut_down().await;
    // By the one that was stopped, not by whoever looks next.
    assert_eq!(stopped.store.get(&running.operation_id).await.expect("reads").map(|o| o.state), Some(State::Interrupted));
    let after = stopped.recovery.get(&running.operation_id).await.expect("reads");
    assert_eq!((after.state, after.attempts[0].outcome), (State::Interrupted, Outcome::Interrupted));

    // A process that dies records nothing; its operation is found by the next one, and cooldown holds.
    let dead = bench(folder.path(), Policy::Auto, false);
    dead.clock.advance_seconds(301);
    dead.restart.hang.store(true, Ordering::SeqCst);
    let running = dead.recovery.trigger(request(IssueType::ServiceUnavailable, None), Duration::from_millis(300)).await.expect("a handle");
    let next = bench(folder.path(), Policy::Auto, false);
    next.clock.advance_seconds(302);
    assert!(next.recovery.interrupt_orphans(&|_| false).await.expect("reads").is_empty(), "its holder may live");
    let orphans = next.recovery.interrupt_orphans(&|owner| owner.0 == "test").await.expect("writes");
    assert_eq!((orphans.len(), orphans[0].operation_id.clone(), orphans[0].state), (1, running.operation_id.clone(), State::Interrupted));
    assert_eq!(code(next.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    assert_eq!(calls(&next.restart), 0);
    // The dead one is fenced if it comes back: it can no longer say that the action went well.
    let late = Operation { state: State::Verifying, ..running };
    let written = Store::at(folder.path().join("opsmedic.db")).update(&late, State::Running, None).await;
    assert!(matches!(written, Err(JournalError::Fenced { .. })), "{written:?}");
}

#[tokio::test]
async fn a_store_that_cannot_be_used_means_nothing_is_done() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("opsmedic.db"), "not a database at all, but a file that somebody else may want to keep as it is").expect("writes");
    let bench = bench(folder.path(), Policy::Auto, false);
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "store_unavailable");
    assert_eq!(calls(&bench.restart), 0);
}

#[tokio::test]
async fn an_intent_that_cannot_be_written_is_not_acted_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    // The operation is recorded, then the write of its intent fails.
    Store::at(folder.path().join("opsmedic.db")).refuse_attempts().await.expect("writes");
    let ended = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!((ended.state, ended.attempts.len(), calls(&bench.restart), calls(&bench.failover)), (State::Failed, 0, 0, 0));
}

#[tokio::test]
async fn illegal_moves_and_overtaken_holders_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let journal = Store::at(folder.path().join("opsmedic.db"));
    let mut done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    done.state = State::Running;
    assert!(matches!(journal.update(&done, State::Succeeded, None).await, Err(JournalError::IllegalMove { .. })));
    done.attempts[0].outcome = Outcome::Started;
    assert!(matches!(journal.update(&done, State::Approved, None).await, Err(JournalError::Fenced { .. })));
    let (target, now) = ("shop".parse().expect("a name"), bench.clock.moment());
    let (a, b) = (OperationId::random(), OperationId::random());
    let ttl = SignedDuration::from_secs(10);
    let owner = Owner("x".to_owned());
    let lease = journal.acquire(&target, &a, &owner, &now, ttl).await.expect("works").expect("free");
    assert_eq!(journal.acquire(&target, &b, &owner, &now, ttl).await.expect("works"), Err(a));
    let mut later = now.clone();
    later.uptime_ms += 11_000;
    let newer = journal.acquire(&target, &b, &owner, &later, ttl).await.expect("works").expect("run out");
    assert!(newer.fence > lease.fence);
    assert!(matches!(journal.renew(&lease, &later, ttl).await, Err(JournalError::Fenced { .. })));
}

mod consent;
mod edges;
mod machine;
mod outcomes;
mod people;

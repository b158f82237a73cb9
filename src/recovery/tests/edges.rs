//! What happens between two looks: forged plans, waits that ran out, slow pre-checks, things that change right before an act.

use std::collections::VecDeque;

use super::*;

/// Looks that are scripted, one by one, and then as the fake says.
struct Script(Mutex<VecDeque<u8>>, Arc<FakeVitals>);

#[async_trait]
impl Vitals for Script {
    async fn look(&self, target: &TargetName) -> Vital {
        let next = self.0.lock().expect("no panic").pop_front();
        match next {
            Some(score) => vital(score),
            None => self.1.look(target).await,
        }
    }
}

fn scripted(bench: &mut Bench, scores: &[u8]) {
    let script = Script(Mutex::new(scores.iter().copied().collect()), bench.vitals.clone());
    Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").vitals = Arc::new(script);
}

/// A pre-check during which something happens, the nth time it runs.
struct During<F>(Arc<FakeActuator>, AtomicUsize, usize, F);

#[async_trait]
impl<F: Fn() + Send + Sync> Actuator for During<F> {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn prepare(&self, ports: &Ports) -> Result<Prepared, String> {
        if self.1.fetch_add(1, Ordering::SeqCst) + 1 == self.2 {
            (self.3)();
        }
        self.0.prepare(ports).await
    }

    async fn act(&self, ports: &Ports, prepared: &Prepared, context: &Context) -> Result<Act, ActError> {
        self.0.act(ports, prepared, context).await
    }
}

fn during(bench: &mut Bench, nth: usize, what: impl Fn() + Send + Sync + 'static) {
    let actuator = Arc::new(During(bench.restart.clone(), AtomicUsize::new(0), nth, what));
    let parts = Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet");
    parts.targets.values_mut().for_each(|t| _ = t.actuators.insert(Action::RestartService, actuator.clone()));
}

#[tokio::test]
async fn a_plan_that_was_made_to_look_harmless_is_not_approved() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let forgeries: [fn(&mut Plan); 3] =
        [|plan| _ = plan.steps.pop(), |plan| plan.steps[1].risk = Risk::Reversible, |plan| plan.steps[1].call = Some("harmless".to_owned())];
    for (forge, n) in forgeries.into_iter().zip(0..) {
        let key = format!("k{n}");
        let made = bench.trigger(IssueType::ServiceUnavailable, Some(&key)).await.expect("recorded");
        let mut forged = made.clone();
        forge(&mut forged.plan);
        // Shown, and put right again before it is signed; or not.
        if n > 0 {
            rewrite(&folder, &forged).await;
        }
        let refused = bench.recovery.approve(&made.operation_id, &person(), PASSPHRASE, &forged.plan).await;
        assert_eq!(refused.map_err(|e| e.code()).err(), Some("drift"), "{n}");
        assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some(&key)).await), "failed");
    }
    assert_eq!(calls(&bench.restart) + calls(&bench.failover), 0);
}

/// What everybody can do who may write the store.
async fn rewrite(folder: &tempfile::TempDir, operation: &Operation) {
    Store::at(folder.path().join("opsmedic.db")).rewrite(operation).await.expect("writes");
}

#[tokio::test]
async fn what_did_not_help_and_then_waited_for_nobody_counts_as_without_effect() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    *bench.restart.heals_to.lock().expect("no panic") = vital(0);
    let unattended = TriggerRequest { unattended: true, ..request(IssueType::ServiceUnavailable, None) };
    for n in 1..=3 {
        let waiting = bench.recovery.trigger(unattended.clone(), WAIT).await.expect("runs");
        assert_eq!((waiting.state, calls(&bench.restart)), (State::Planned, n));
        bench.clock.advance_seconds(31 * 60);
        let over = bench.recovery.get(&waiting.operation_id).await.expect("reads");
        assert_eq!(over.state, State::FailedVerification, "{}", over.message);
        assert!(!over.message.contains("nothing was called"), "{}", over.message);
    }
    let refused = code(bench.recovery.trigger(unattended, WAIT).await);
    assert!(["escalated", "breaker_open"].contains(&refused), "{refused}");
    assert_eq!((calls(&bench.restart), calls(&bench.failover)), (3, 0));
}

#[tokio::test]
async fn an_operation_that_waited_too_long_does_not_keep_others_from_waiting_when_the_clock_is_set_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let first = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    bench.clock.advance_seconds(31 * 60);
    bench.clock.set_wall_seconds(-86_400);
    let second = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!(second.state, State::Planned);
    assert_ne!(first.operation_id, second.operation_id);
}

#[tokio::test]
async fn a_slow_pre_check_is_no_standstill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    let clock = bench.clock.clone();
    during(&mut bench, 1, move || clock.advance_seconds(10));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart)), (State::Succeeded, 1), "{done:?}");
}

#[tokio::test]
async fn a_freeze_that_is_set_during_the_pre_check_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    let path = folder.path().join("opsmedic.db");
    // The second pre-check is the one right before the act.
    during(&mut bench, 2, move || {
        let path = path.clone();
        let freeze = async move {
            let change = Change::Freeze { target: None, seconds: 600, reason: "release".to_owned() };
            Store::at(path).change(&change, &person(), &FakeClock::at("2026-11-23T03:00:00Z").moment()).await.expect("writes");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::spawn(move || runtime.block_on(freeze)).join().expect("no panic");
    });
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::Failed, 0, 0), "{done:?}");
    assert!(done.message.contains("frozen"), "{}", done.message);
}

#[tokio::test]
async fn nobody_acts_blind_after_a_target_that_was_well_is_lost_from_sight() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    scripted(&mut bench, &[100, 255]);
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!((done.state, calls(&bench.restart)), (State::Failed, 0), "{done:?}");
    assert!(done.message.contains("blind"), "{}", done.message);
}

#[tokio::test]
async fn worse_is_measured_from_the_last_look_before_the_act() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    bench.restart.can_undo.store(true, Ordering::SeqCst);
    *bench.restart.heals_to.lock().expect("no panic") = vital(50);
    // Well for a moment, and then as unwell as the caller said.
    scripted(&mut bench, &[100, 0]);
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.score_before, bench.restart.undos.load(Ordering::SeqCst), calls(&bench.failover)), (Some(0), 0, 1), "{done:?}");
}

#[tokio::test]
async fn undoing_in_a_loop_does_not_fill_the_audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    let before = bench.recovery.audit(None, 1_000).await.expect("reads").len();
    for n in 0..20 {
        let id = if n % 2 == 0 { done.operation_id.clone() } else { OperationId::random() };
        assert!(bench.recovery.undo(&id, &person(), None, WAIT).await.is_err());
    }
    let after = bench.recovery.audit(None, 1_000).await.expect("reads").len();
    assert_eq!(after - before, 2, "one a code and minute");
}

#[tokio::test]
async fn the_loop_does_not_run_what_a_caller_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    // A process died between recording and starting.
    let plan = bench.recovery.plan(IssueType::ServiceUnavailable, "shop", false).await.expect("plans").0;
    let left = Operation { state: State::Approved, approved_by: Some("policy auto".to_owned()), plan, ..an_operation() };
    bench.store.create(&left).await.expect("writes");
    *bench.restart.heals_to.lock().expect("no panic") = vital(0);
    let unattended = TriggerRequest { unattended: true, ..request(IssueType::ServiceUnavailable, None) };
    let waiting = bench.recovery.trigger(unattended, WAIT).await.expect("runs");
    assert_eq!((waiting.state, calls(&bench.restart), calls(&bench.failover)), (State::Planned, 1, 0), "{waiting:?}");
}

#[tokio::test]
async fn a_stop_is_in_effect_where_the_store_cannot_say_so() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("opsmedic.db"), "not a database at all, but a file that somebody else may want to keep as it is").expect("writes");
    let bench = bench(folder.path(), Policy::Auto, false);
    let said = bench.recovery.change(&Change::Halt { reason: "drill".to_owned() }, &person(), None).await.expect_err("not on record");
    assert!(said.to_string().contains("stopped by the file") && said.hint().contains("in effect"), "{said}; {}", said.hint());
    assert!(bench.store.stop_file().exists());
}

#[tokio::test]
async fn a_line_of_the_audit_that_is_filed_elsewhere_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    bench.store.tamper("DROP TRIGGER audit_is_not_changed").await.expect("writes");
    bench.store.tamper("UPDATE audit SET operation_id = NULL WHERE number = 2").await.expect("writes");
    let verified = bench.recovery.verify_audit().await.expect("reads");
    assert!(!verified.intact && verified.problems[0].contains("line 2"), "{verified:?}");
}

/// An operation that is about to act, and the lease under which it does.
async fn about_to_act(bench: &Bench) -> (Operation, Lease) {
    let mut operation = Operation { state: State::Approved, ..an_operation() };
    bench.store.create(&operation).await.expect("writes");
    let (id, now) = (&operation.operation_id, bench.clock.moment());
    let lease = bench.store.acquire(&operation.target, id, &Owner("a".to_owned()), &now, SignedDuration::from_secs(10)).await;
    operation.state = State::Running;
    operation.attempts = vec![Attempt { began: now, ..super::machine::an_attempt(Outcome::Started, false) }];
    (operation, lease.expect("works").expect("free"))
}

#[tokio::test]
async fn a_holder_whose_lease_went_to_another_neither_acts_nor_gives_it_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let (operation, stale) = about_to_act(&bench).await;
    bench.clock.advance_seconds(11);
    let (now, ttl) = (bench.clock.moment(), SignedDuration::from_secs(10));
    let limits = Limits::default();
    // The same operation in another process: only the fence tells them apart.
    let newer = bench.store.acquire(&operation.target, &operation.operation_id, &Owner("b".to_owned()), &now, ttl).await;
    let newer = newer.expect("works").expect("it ran out");
    let fenced = |written: Result<(), JournalError>| assert!(matches!(written, Err(JournalError::Fenced { .. })), "{written:?}");
    fenced(bench.store.begin(&operation, State::Approved, &stale, &limits).await);
    let over = Operation { state: State::Failed, ..operation.clone() };
    fenced(bench.store.update(&over, State::Approved, Some(&stale)).await);
    bench.store.release(&stale).await.expect("no error");
    bench.store.renew(&newer, &now, ttl).await.expect("it still holds");
    bench.store.begin(&operation, State::Approved, &newer, &limits).await.expect("the one that holds it acts");
}

#[tokio::test]
async fn a_stop_refuses_the_intent_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let (operation, lease) = about_to_act(&bench).await;
    let limits = Limits::default();
    std::fs::write(bench.store.stop_file(), "").expect("writes");
    let begun = bench.store.begin(&operation, State::Approved, &lease, &limits).await;
    assert!(matches!(begun, Err(JournalError::Refused(_))), "{begun:?}");
    std::fs::remove_file(bench.store.stop_file()).expect("it is there");
    bench.recovery.change(&Change::Halt { reason: "drill".to_owned() }, &person(), None).await.expect("stops");
    std::fs::remove_file(bench.store.stop_file()).expect("it is there");
    let begun = bench.store.begin(&operation, State::Approved, &lease, &limits).await;
    assert!(matches!(begun, Err(JournalError::Refused(_))), "{begun:?}");
}

#[tokio::test]
async fn a_holder_that_lives_and_does_not_renew_is_interrupted_when_its_lease_ran_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let (operation, lease) = about_to_act(&bench).await;
    bench.store.begin(&operation, State::Approved, &lease, &Limits::default()).await.expect("writes");
    bench.clock.advance_seconds(9);
    assert!(bench.recovery.interrupt_orphans(&|_| false).await.expect("reads").is_empty());
    bench.clock.advance_seconds(2);
    let found = bench.recovery.interrupt_orphans(&|_| false).await.expect("writes");
    assert_eq!((found.len(), found[0].state), (1, State::Interrupted));
}

#[tokio::test]
async fn what_would_be_called_is_held_against_the_plan_right_before_the_act() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    let restart = bench.restart.clone();
    during(&mut bench, 2, move || "something else".clone_into(&mut restart.call.lock().expect("no panic")));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::Failed, 0, 0), "{done:?}");
    assert_eq!(done.attempts[0].outcome, Outcome::Drift);
}

#[tokio::test]
async fn a_process_that_stood_still_after_its_intent_does_not_act() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    let clock = bench.clock.clone();
    during(&mut bench, 2, move || clock.advance_seconds(10));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::Failed, 0, 0), "{done:?}");
    assert!(done.message.contains("stood still"), "{}", done.message);
}

/// Somebody else changes what an action left, at the second look.
struct Meddler(Arc<FakeActuator>, AtomicUsize, Arc<FakeVitals>);

#[async_trait]
impl Vitals for Meddler {
    async fn look(&self, target: &TargetName) -> Vital {
        if self.1.fetch_add(1, Ordering::SeqCst) == 1 {
            "somebody else's".clone_into(&mut self.0.state.lock().expect("no panic"));
        }
        self.2.look(target).await
    }
}

#[tokio::test]
async fn worse_than_before_is_not_taken_back_from_somebody_elses_hands() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    bench.restart.can_undo.store(true, Ordering::SeqCst);
    *bench.restart.heals_to.lock().expect("no panic") = vital(0);
    *bench.vitals.0.lock().expect("no panic") = vital(50);
    let meddler = Meddler(bench.restart.clone(), AtomicUsize::new(0), bench.vitals.clone());
    Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").vitals = Arc::new(meddler);
    let done = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), WAIT).await.expect("runs");
    assert_eq!((done.state, bench.restart.undos.load(Ordering::SeqCst)), (State::FailedVerification, 0), "{done:?}");
    assert!(done.message.contains("changed since"), "{}", done.message);
}

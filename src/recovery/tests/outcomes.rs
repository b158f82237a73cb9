//! How operations end: healed by themselves, worse than before, unknown and looked at later, undone.

use super::*;

fn set<T>(slot: &Mutex<T>, value: T) {
    *slot.lock().expect("no panic") = value;
}

#[tokio::test]
async fn a_target_that_is_well_again_right_before_acting_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    set(&bench.vitals.0, vital(100));
    let done = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), WAIT).await.expect("runs");
    assert_eq!((done.state, done.healed_by_itself, done.attempts.len(), calls(&bench.restart)), (State::Succeeded, true, 0, 0));
    // Nothing was called, so nothing cools down.
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
    assert_eq!(calls(&bench.restart), 1);
}

#[tokio::test]
async fn an_issue_that_the_check_cannot_see_is_acted_on_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Target { check_cannot_see: vec![IssueType::ServiceUnavailable], ..a_target() };
    let bench = bench_with(folder.path(), false, RecoverySettings::default(), target);
    set(&bench.vitals.0, vital(100));
    let done = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), WAIT).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart)), (State::Succeeded, 1));
}

#[tokio::test]
async fn nobody_acts_blind() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    set(&bench.vitals.0, vital(255));
    let done = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), WAIT).await.expect("recorded");
    assert_eq!((done.state, calls(&bench.restart)), (State::Failed, 0));
    assert!(done.message.contains("blind"), "{}", done.message);
}

#[tokio::test]
async fn a_broken_postcondition_is_no_success_however_well_the_checks_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    for fake in [&bench.restart, &bench.failover] {
        set(&fake.condition, Postcondition::Broken("it died again".to_owned()));
        set(&fake.heals_to, vital(100));
    }
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    // The checks are well after the first action: the second is not done to a target that is well, and the first is no success.
    assert_eq!((done.state, done.attempts[0].outcome, calls(&bench.failover)), (State::FailedVerification, Outcome::FailedVerification, 0));
    assert!(done.attempts[0].message.contains("it died again"), "{:?}", done.attempts[0]);
}

#[tokio::test]
async fn a_postcondition_that_does_not_come_is_no_success_of_the_action() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    set(&bench.restart.condition, Postcondition::NotYet("it is on its way".to_owned()));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!(done.attempts[0].outcome, Outcome::FailedVerification, "{done:?}");
}

#[tokio::test]
async fn worse_than_before_is_taken_back_and_nothing_more_is_tried() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    bench.restart.can_undo.store(true, Ordering::SeqCst);
    set(&bench.restart.heals_to, vital(0));
    set(&bench.vitals.0, vital(50));
    let done = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), WAIT).await.expect("runs");
    assert_eq!((done.state, done.score_before, done.score_after), (State::Undone, Some(50), Some(0)));
    assert_eq!((calls(&bench.restart), bench.restart.undos.load(Ordering::SeqCst), calls(&bench.failover)), (1, 1, 0));
    assert_eq!(bench.restart.snapshot()["state"], "before");
}

#[tokio::test]
async fn an_unknown_end_is_looked_at_and_never_repeated() {
    let happened = |left: &str| Probe::Happened(Act { left: Snapshot::from([("state".to_owned(), left.to_owned())]), ..Act::said("it did") });
    for (probe, well, state) in [
        (happened("after"), true, State::Succeeded),
        (happened("after"), false, State::FailedVerification),
        (Probe::DidNot("no trace".to_owned()), false, State::Failed),
        (Probe::CannotTell("no trace".to_owned()), false, State::Unknown),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let bench = bench(folder.path(), Policy::Auto, false);
        set(&bench.restart.result, Some(ActError::unknown("timed out")));
        set(&bench.vitals.0, vital(0));
        let asked = bench.recovery.trigger(request(IssueType::ServiceUnavailable, Some("k")), WAIT).await.expect("runs");
        // The verify time-out of the bench is zero: the look inside the run is over.
        let id = asked.operation_id;
        until_settled(&bench, &id).await;
        assert_eq!(bench.recovery.get(&id).await.expect("reads").state, State::Unknown);
        set(&bench.restart.probe, probe);
        set(&bench.vitals.0, vital(if well { 100 } else { 0 }));
        let found = bench.recovery.probe(&id, WAIT).await.expect("looks");
        assert_eq!(found.state, state, "{found:?}");
        assert!(found.probe.is_some(), "{found:?}");
        assert_eq!((calls(&bench.restart), calls(&bench.failover)), (1, 0), "it was repeated");
        let again = bench.recovery.trigger(request(IssueType::ServiceUnavailable, Some("k")), WAIT).await.expect("known");
        assert_eq!((again.state, calls(&bench.restart)), (state, 1));
    }
}

/// Until nobody holds the target's lease.
async fn until_settled(bench: &Bench, id: &OperationId) {
    for _ in 0..100 {
        let free = bench.store.acquire(&a_target().name, id, &Owner("look".to_owned()), &bench.clock.moment(), SignedDuration::from_millis(1)).await;
        if let Ok(Ok(lease)) = free {
            return bench.store.release(&lease).await.expect("writes");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the lease is never given back");
}

#[tokio::test]
async fn an_undo_runs_only_while_things_are_as_the_action_left_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let undo = |id: OperationId| {
        let recovery = bench.recovery.clone();
        async move { code(recovery.undo(&id, &person(), None, WAIT).await) }
    };
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!(undo(done.operation_id).await, "not_undoable", "a restart has no way back");

    bench.clock.advance_seconds(301);
    bench.restart.can_undo.store(true, Ordering::SeqCst);
    set(&bench.restart.state, "before".to_owned());
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    set(&bench.restart.state, "somebody else's".to_owned());
    assert_eq!(undo(done.operation_id.clone()).await, "not_undoable");
    assert_eq!(bench.recovery.get(&done.operation_id).await.expect("reads").state, State::Succeeded);
    set(&bench.restart.state, "after".to_owned());
    assert_eq!(undo(done.operation_id.clone()).await, "undone");
    assert_eq!(bench.restart.snapshot()["state"], "before");
    assert_eq!(undo(done.operation_id).await, "not_undoable", "once is enough");
    assert_eq!(bench.restart.undos.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_undo_that_is_refused_late_leaves_no_lease_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    bench.restart.can_undo.store(true, Ordering::SeqCst);
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    // The first look sees what the action left, the second one somebody else's change.
    bench.restart.changes_after_a_look.store(true, Ordering::SeqCst);
    assert_eq!(code(bench.recovery.undo(&done.operation_id, &person(), None, WAIT).await), "not_undoable");
    assert_eq!(bench.restart.undos.load(Ordering::SeqCst), 0);
    let free = bench.store.acquire(&a_target().name, &done.operation_id, &Owner("x".to_owned()), &bench.clock.moment(), SignedDuration::from_secs(1)).await;
    assert!(free.expect("reads").is_ok(), "the lease is still held");
}

#[tokio::test]
async fn undoing_needs_who_may_act_and_stops_with_everything_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let approve = bench(folder.path(), Policy::Approve, false);
    approve.restart.can_undo.store(true, Ordering::SeqCst);
    let waiting = approve.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    approve.approve(&waiting.operation_id).await.expect("approves");
    let done = approve.recovery.run_approved(&waiting.operation_id, WAIT).await.expect("runs");
    assert_eq!(done.state, State::Succeeded);
    let undo = |passphrase: Option<&'static str>| {
        let (recovery, id) = (approve.recovery.clone(), done.operation_id.clone());
        async move { code(recovery.undo(&id, &person(), passphrase, WAIT).await) }
    };
    assert_eq!(undo(None).await, "person_needed");
    assert_eq!(undo(Some("a guess")).await, "passphrase_refused");
    approve.recovery.change(&Change::Halt { reason: "drill".to_owned() }, &person(), None).await.expect("stops");
    assert_eq!(undo(Some(PASSPHRASE)).await, "halted");
    approve.recovery.change(&Change::Resume, &person(), Some(PASSPHRASE)).await.expect("resumes");
    assert_eq!(undo(Some(PASSPHRASE)).await, "undone");
    // Who undid is on record before the undo is.
    let lines = approve.recovery.audit(Some(&done.operation_id), 100).await.expect("reads");
    let events: Vec<AuditEvent> = lines.iter().map(|line| line.event().expect("this version's")).collect();
    let at = |name: &str| events.iter().position(|e| e.event == name).unwrap_or(usize::MAX);
    assert!(at("undo_requested") < at("undo_intent") && events[at("undo_requested")].who == person(), "{events:?}");
    let read_only = bench(folder.path(), Policy::Auto, true);
    assert_eq!(code(read_only.recovery.undo(&done.operation_id, &person(), None, WAIT).await), "read_only");
}

#[tokio::test]
async fn nothing_more_is_done_to_a_target_that_is_well_although_the_postcondition_is_late() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    set(&bench.restart.condition, Postcondition::NotYet("still starting".to_owned()));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::FailedVerification, 1, 0), "{done:?}");
}

#[tokio::test]
async fn a_key_that_joined_an_operation_never_begins_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let first = bench.trigger(IssueType::ServiceUnavailable, Some("a")).await.expect("recorded");
    let joined = bench.trigger(IssueType::ServiceUnavailable, Some("b")).await.expect("joins");
    assert_eq!(first.operation_id, joined.operation_id);
    bench.approve(&first.operation_id).await.expect("approves");
    bench.recovery.run_approved(&first.operation_id, WAIT).await.expect("runs");
    bench.clock.advance_seconds(3_600);
    let again = bench.trigger(IssueType::ServiceUnavailable, Some("b")).await.expect("known");
    assert_eq!((again.operation_id, calls(&bench.restart)), (first.operation_id, 1));
    assert_eq!(code(bench.trigger(IssueType::HighErrorRate, Some("b")).await), "idempotency_conflict");
}

#[tokio::test]
async fn secrets_are_kept_nowhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Auto, false);
    Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").redactor = Arc::new(Redactor::with_secrets(&[Secret::new("canary-77")]));
    set(&bench.restart.call, "run canary-77".to_owned());
    set(&bench.restart.condition, Postcondition::NotYet("canary-77 is not there".to_owned()));
    set(&bench.restart.heals_to, Vital { summary: "answers canary-77".to_owned(), ..vital(0) });
    set(&bench.failover.result, Some(ActError::failed("canary-77 refused")));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::FailedVerification, 1, 1), "{done:?}");
    let stored = serde_json::to_string(&bench.store.get(&done.operation_id).await.expect("reads")).expect("serialises");
    let audit: String = bench.recovery.audit(None, 100).await.expect("reads").into_iter().map(|line| line.text).collect();
    assert!(stored.contains("[redacted]") && !stored.contains("canary-77") && !audit.contains("canary-77"), "{stored}\n{audit}");
}

/// Two targets of one group on one store, with the second's health as said.
fn group(folder: &Path, other: Vital) -> (Bench, Arc<OtherVitals>) {
    let target = Target { group: Some("web".to_owned()), ..a_target() };
    let mut bench = bench_with(folder, false, RecoverySettings::default(), target);
    let parts = Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet");
    let mut second = parts.targets.values().next().expect("one").clone();
    second.name = "search".parse().expect("a name");
    parts.targets.insert(second.name.clone(), second);
    let vitals = Arc::new(OtherVitals { shop: bench.vitals.clone(), other: Mutex::new(other) });
    parts.vitals = vitals.clone();
    (bench, vitals)
}

pub(super) struct OtherVitals {
    shop: Arc<FakeVitals>,
    pub(super) other: Mutex<Vital>,
}

#[async_trait]
impl Vitals for OtherVitals {
    async fn look(&self, target: &TargetName) -> Vital {
        if target.as_str() == "shop" { self.shop.look(target).await } else { self.other.lock().expect("no panic").clone() }
    }
}

#[tokio::test]
async fn a_group_that_fails_meanwhile_is_not_acted_on_further() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bench, vitals) = group(folder.path(), vital(100));
    set(&bench.restart.heals_to, vital(0));
    set(&bench.restart.breaks, Some(vitals));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((calls(&bench.restart), calls(&bench.failover)), (1, 0), "{done:?}");
    assert!(done.message.contains("2 of the 2 targets"), "{}", done.message);
}

#[tokio::test]
async fn members_of_a_group_are_not_recovered_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let (bench, _vitals) = group(folder.path(), vital(100));
    bench.restart.hang.store(true, Ordering::SeqCst);
    let running = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), Duration::from_millis(200)).await.expect("a handle");
    assert_eq!((running.state, calls(&bench.restart)), (State::Running, 1));
    // The other member falls, and half of the group may be down: only the running one stands in its way.
    let (second, vitals) = group(folder.path(), vital(0));
    set(&vitals.shop.0, vital(100));
    let search = TriggerRequest { target: "search".to_owned(), ..request(IssueType::ServiceUnavailable, None) };
    let refused = second.recovery.trigger(search, WAIT).await.expect("recorded");
    assert_eq!((refused.state, calls(&second.restart)), (State::Failed, 0), "{refused:?}");
    assert!(refused.message.contains("shop of the same group"), "{}", refused.message);
}

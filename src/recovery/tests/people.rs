//! What only a person does, and what a model's own user cannot do.

use super::*;

#[tokio::test]
async fn an_approval_that_the_store_was_made_to_say_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let forgeries: [fn(&mut Operation); 3] = [
        |o| o.approved_by = Some("uid 0".to_owned()),
        |o| o.approved_by = Some("policy auto".to_owned()),
        |o| o.approval_signature = Some("c2lnbmVk".to_owned()),
    ];
    for (forge, n) in forgeries.into_iter().zip(0..) {
        let key = format!("k{n}");
        let mut forged = bench.trigger(IssueType::ServiceUnavailable, Some(&key)).await.expect("recorded");
        forged.state = State::Approved;
        forge(&mut forged);
        bench.store.update(&forged, State::Planned, None).await.expect("who can write the store can write this");
        assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some(&key)).await), "not_approved");
        assert_eq!(bench.recovery.get(&forged.operation_id).await.expect("reads").state, State::Failed);
    }
    assert_eq!((calls(&bench.restart), calls(&bench.failover)), (0, 0));
}

#[tokio::test]
async fn where_the_policy_is_auto_a_person_is_named_only_by_a_signature() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    let plan = bench.recovery.plan(IssueType::ServiceUnavailable, "shop", false).await.expect("plans").0;
    let forged = Operation { state: State::Approved, approved_by: Some("uid 0".to_owned()), idempotency_key: Some("k".to_owned()), plan, ..an_operation() };
    bench.store.create(&forged).await.expect("who can write the store can write this");
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("k")).await), "not_approved");
    assert_eq!(calls(&bench.restart), 0);
}

#[tokio::test]
async fn guards_are_asked_again_when_an_approved_operation_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let first = bench.trigger(IssueType::ServiceUnavailable, Some("a")).await.expect("recorded");
    let second = bench.trigger(IssueType::MemoryExhaustion, Some("b")).await.expect("recorded");
    for waiting in [&first, &second] {
        bench.approve(&waiting.operation_id).await.expect("approves");
    }
    assert_eq!(code(bench.trigger(IssueType::MemoryExhaustion, Some("b")).await), "succeeded");
    // The same action under another name is in cooldown now, so what would run is not what was approved.
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("a")).await), "drift");
    assert_eq!((calls(&bench.restart), calls(&bench.failover)), (1, 0));
}

#[tokio::test]
async fn a_secret_in_a_reason_is_neither_in_the_journal_nor_in_the_audit() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let asked = |target: &str| TriggerRequest {
        reason: "down since password=canary-1".to_owned(),
        target: target.to_owned(),
        ..request(IssueType::ServiceUnavailable, None)
    };
    let waiting = bench.recovery.trigger(asked("shop"), WAIT).await.expect("recorded");
    assert_eq!(code(bench.recovery.trigger(asked("nowhere"), WAIT).await), "unknown_target");
    let stored = bench.store.get(&waiting.operation_id).await.expect("reads");
    let lines = bench.recovery.audit(None, 100).await.expect("reads");
    assert_eq!(lines.len(), 2);
    assert!(!format!("{stored:?} {lines:?}").contains("canary-1"), "{stored:?} {lines:?}");
}

#[tokio::test]
async fn an_approval_that_was_used_is_not_used_again_whatever_the_store_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("k")).await.expect("recorded");
    let approved = bench.approve(&waiting.operation_id).await.expect("approves");
    assert_eq!(bench.recovery.run_approved(&waiting.operation_id, WAIT).await.expect("runs").state, State::Succeeded);
    bench.clock.advance_seconds(301);
    bench.store.overwrite(&approved).await.expect("writes");
    assert!(approver_key().approved(&approved), "its signature still holds");
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("k")).await), "failed");
    assert_eq!((calls(&bench.restart), calls(&bench.failover)), (1, 0));
}

#[tokio::test]
async fn a_wrong_passphrase_approves_nothing_and_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let waiting = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("recorded");
    let refused = bench.recovery.approve(&waiting.operation_id, &person(), "a guess", &waiting.plan).await.expect_err("wrong");
    assert_eq!(refused.code(), "passphrase_refused");
    assert_eq!(bench.recovery.get(&waiting.operation_id).await.expect("reads").state, State::Planned);
    assert!(events(&bench).await.contains(&"passphrase_refused".to_owned()));
    assert_eq!(bench.recovery.pending().await.expect("reads").len(), 1);
}

#[tokio::test]
async fn without_an_approver_what_needs_approval_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = bench(folder.path(), Policy::Approve, false);
    let parts = Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet");
    parts.settings.approver_key = None;
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "no_approver");
    let resume = bench.recovery.change(&Change::Resume, &person(), None).await.expect_err("nobody can be asked");
    assert_eq!(resume.code(), "no_approver");
}

#[tokio::test]
async fn an_approval_runs_out_by_either_clock() {
    for (wall, passed) in [(0, 31 * 60), (-86_400, 31 * 60), (86_400, 31 * 60), (31 * 60, 0)] {
        let folder = tempfile::tempdir().expect("a folder");
        let bench = bench(folder.path(), Policy::Approve, false);
        let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("k")).await.expect("recorded");
        bench.approve(&waiting.operation_id).await.expect("approves");
        bench.clock.set_wall_seconds(wall);
        bench.clock.advance_seconds(passed);
        assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, Some("k")).await), "expired", "clock set by {wall} s");
        // On record, not only shown.
        assert_eq!(bench.store.get(&waiting.operation_id).await.expect("reads").map(|o| o.state), Some(State::Expired));
        assert_eq!(calls(&bench.restart), 0);
    }
}

async fn events(bench: &Bench) -> Vec<String> {
    let lines = bench.recovery.audit(None, 1_000).await.expect("reads");
    lines.iter().map(|line| line.event().expect("this version's").event).collect()
}

#[tokio::test]
async fn the_kill_switch_stops_everything_over_restarts_until_a_person_resumes() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = bench(folder.path(), Policy::Auto, false);
    first.recovery.change(&Change::Halt { reason: "release night".to_owned() }, &person(), None).await.expect("stops");
    let second = bench(folder.path(), Policy::Auto, false);
    second.clock.advance_seconds(86_400);
    let refused = second.trigger(IssueType::ServiceUnavailable, None).await.expect_err("stopped");
    assert!(refused.code() == "halted" && refused.to_string().contains("release night"), "{refused}");
    // Taking the file away is not enough, and neither is a guess.
    std::fs::remove_file(second.store.stop_file()).expect("it is there");
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "halted");
    assert_eq!(second.recovery.change(&Change::Resume, &person(), Some("a guess")).await.expect_err("wrong").code(), "passphrase_refused");
    second.recovery.change(&Change::Resume, &person(), Some(PASSPHRASE)).await.expect("resumes");
    // The file alone is enough.
    std::fs::write(second.store.stop_file(), "touched\n").expect("writes");
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "halted");
    std::fs::remove_file(second.store.stop_file()).expect("it is there");
    assert_eq!(calls(&first.restart) + calls(&second.restart), 0);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
}

#[tokio::test]
async fn the_kill_switch_takes_effect_before_the_next_step_and_while_watching() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = Target { soak: Duration::from_secs(5), verify_timeout: Duration::from_secs(20), ..a_target() };
    let bench = bench_with(folder.path(), false, RecoverySettings::default(), target);
    let started = tokio::time::Instant::now();
    let running = bench.recovery.trigger(request(IssueType::ServiceUnavailable, None), Duration::from_millis(300)).await.expect("a handle");
    assert_eq!(running.state, State::Verifying);
    std::fs::write(bench.store.stop_file(), "").expect("writes");
    let stopped = tokio::time::Instant::now();
    let done = bench.recovery.follow(&running.operation_id, stopped + WAIT).await.expect("reads");
    assert_eq!((done.state, calls(&bench.failover)), (State::Interrupted, 0), "{done:?}");
    assert!(stopped.elapsed() < Duration::from_secs(1), "took {:?} after {:?}", stopped.elapsed(), started.elapsed());
}

#[tokio::test]
async fn freezes_and_breakers_live_over_restarts_and_clocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench_now = || bench(folder.path(), Policy::Auto, false);
    let first = bench_now();
    first.recovery.change(&Change::Freeze { target: None, seconds: 600, reason: "release".to_owned() }, &person(), None).await.expect("freezes");
    let second = bench_now();
    second.clock.set_wall_seconds(86_400);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "frozen");
    second.clock.advance_seconds(601);
    assert_eq!(code(second.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");

    // Three failures in a row, each of another issue so that the cooldown is not what refuses.
    let third = bench_now();
    for fake in [&third.restart, &third.failover] {
        *fake.result.lock().expect("no panic") = Some(ActError::failed("no"));
    }
    for n in 1..=3 {
        third.clock.advance_seconds(1_000 * n);
        assert_eq!(code(third.trigger(IssueType::ServiceUnavailable, None).await), "failed", "{n}");
    }
    for wall in [0, -86_400, 2 * 86_400] {
        let later = bench_now();
        later.clock.advance_seconds(100_000);
        later.clock.set_wall_seconds(wall);
        assert_eq!(code(later.trigger(IssueType::ServiceUnavailable, None).await), "breaker_open");
        assert_eq!(calls(&later.restart), 0);
    }
    let later = bench_now();
    later.clock.advance_seconds(100_000);
    let reset = Change::Reset { target: a_target().name };
    assert_eq!(later.recovery.change(&reset, &person(), None).await.expect_err("no passphrase").code(), "passphrase_refused");
    later.recovery.change(&reset, &person(), Some(PASSPHRASE)).await.expect("resets");
    assert_eq!(code(later.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
}

#[tokio::test]
async fn the_budget_holds_over_restarts_and_clocks() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = || RecoverySettings { actions_per_hour: 1, cooldown_seconds: 0, ..Default::default() };
    let bench_now = || bench_with(folder.path(), false, settings(), a_target());
    assert_eq!(code(bench_now().trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
    for wall in [0, -86_400, 86_400] {
        let later = bench_now();
        later.clock.advance_seconds(3_599);
        later.clock.set_wall_seconds(wall);
        assert_eq!(code(later.trigger(IssueType::ServiceUnavailable, None).await), "budget_spent", "{wall}");
    }
    let later = bench_now();
    later.clock.advance_seconds(3_600);
    assert_eq!(code(later.trigger(IssueType::ServiceUnavailable, None).await), "succeeded");
}

#[tokio::test]
async fn the_budget_stops_a_strategy_in_the_middle() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = RecoverySettings { actions_per_hour: 1, ..Default::default() };
    let bench = bench_with(folder.path(), false, settings, a_target());
    *bench.restart.result.lock().expect("no panic") = Some(ActError::failed("no"));
    let done = bench.trigger(IssueType::ServiceUnavailable, None).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::Failed, 1, 0));
    assert!(done.message.contains("budget"), "{}", done.message);
}

#[tokio::test]
async fn a_loop_that_nobody_watches_stops_before_what_cannot_be_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    *bench.restart.heals_to.lock().expect("no panic") = vital(0);
    let unattended = TriggerRequest { unattended: true, ..request(IssueType::ServiceUnavailable, None) };
    let waiting = bench.recovery.trigger(unattended.clone(), WAIT).await.expect("runs");
    assert_eq!((waiting.state, calls(&bench.restart), calls(&bench.failover)), (State::Planned, 1, 0), "{waiting:?}");
    // Asking again changes nothing.
    let again = bench.recovery.trigger(unattended, WAIT).await.expect("joins");
    assert_eq!((again.operation_id.clone(), calls(&bench.restart), calls(&bench.failover)), (waiting.operation_id.clone(), 1, 0));
    bench.approve(&waiting.operation_id).await.expect("approves");
    let done = bench.recovery.run_approved(&waiting.operation_id, WAIT).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart), calls(&bench.failover)), (State::Succeeded, 1, 1), "{done:?}");
}

#[tokio::test]
async fn nobody_is_asked_about_a_target_that_healed() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Auto, false);
    // The restart says that it failed, and the target gets well all the same.
    *bench.restart.result.lock().expect("no panic") = Some(ActError::failed("no"));
    bench.restart.heals_all_the_same.store(true, Ordering::SeqCst);
    let unattended = TriggerRequest { unattended: true, ..request(IssueType::ServiceUnavailable, None) };
    let done = bench.recovery.trigger(unattended, WAIT).await.expect("runs");
    assert_eq!((done.state, done.healed_by_itself, calls(&bench.failover)), (State::Succeeded, true, 0), "{done:?}");
}

#[tokio::test]
async fn everything_is_audited_in_order_and_the_chain_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(folder.path(), Policy::Approve, false);
    let waiting = bench.trigger(IssueType::ServiceUnavailable, Some("k")).await.expect("recorded");
    bench.approve(&waiting.operation_id).await.expect("approves");
    bench.recovery.run_approved(&waiting.operation_id, WAIT).await.expect("runs");
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    assert_eq!(code(bench.trigger(IssueType::ServiceUnavailable, None).await), "cooldown");
    // The same refusal once a minute is enough.
    assert_eq!(events(&bench).await, ["planned", "approved", "intent", "verifying", "succeeded", "refused"]);
    let lines = bench.recovery.audit(Some(&waiting.operation_id), 100).await.expect("reads");
    let approved = lines[1].event().expect("this version's");
    assert_eq!((approved.who.os_user.as_str(), approved.plan_digest.as_deref()), ("uid 0", Some(waiting.plan.digest.as_str())));
    let verified = bench.recovery.verify_audit().await.expect("reads");
    assert!(verified.intact && verified.lines == 6, "{verified:?}");
}

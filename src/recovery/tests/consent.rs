//! A person's yes in the client: what it runs, what it does not, and that nobody else can make one.

use super::*;

fn asking(policy: Policy, rule: ElicitationApproves, folder: &Path) -> Bench {
    let mut bench = bench(folder, policy, false);
    Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").elicitation_approves = rule;
    bench
}

/// Its strategy has one action, which only restarts.
fn restarts(rule: ElicitationApproves, folder: &Path) -> Bench {
    let settings = RecoverySettings {
        strategies: BTreeMap::from([(IssueType::ServiceUnavailable.name().to_owned(), vec![Action::RestartService])]),
        ..Default::default()
    };
    let mut bench = bench_with(folder, false, settings, Target { policy: Policy::Approve, ..a_target() });
    Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").elicitation_approves = rule;
    bench
}

fn asked(key: &str) -> TriggerRequest {
    TriggerRequest { client_asks: true, ..request(IssueType::ServiceUnavailable, Some(key)) }
}

fn of(principal: &str, key: &str) -> TriggerRequest {
    TriggerRequest { who: Actor { via: "mcp http".to_owned(), principal: Some(principal.to_owned()), ..Default::default() }, ..asked(key) }
}

impl Bench {
    async fn consent(&self, waiting: &Operation, request: &TriggerRequest) -> Result<Operation, RecoveryError> {
        let begun = self.recovery.consent(&waiting.operation_id, &waiting.plan.digest, request).await?;
        self.recovery.follow(&begun.operation_id, tokio::time::Instant::now() + WAIT).await
    }
}

#[tokio::test]
async fn a_consent_runs_once_and_is_on_record_as_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::NotDestructive, folder.path());
    let waiting = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
    assert_eq!(waiting.state, State::Planned);
    let who = Actor { via: "mcp stdio".to_owned(), os_user: "uid 1000".to_owned(), untrusted_client: Some("a client".to_owned()), principal: None };
    let request = TriggerRequest { who: who.clone(), ..asked("k") };
    let done = bench.consent(&waiting, &request).await.expect("runs");
    assert_eq!((done.state, calls(&bench.restart)), (State::Succeeded, 1));
    assert_eq!((done.consent.as_ref(), done.approval_signature.as_ref()), (Some(&who), None));
    assert!(done.approved_by.as_deref().is_some_and(|by| by.starts_with("a person in the client: mcp stdio")), "{:?}", done.approved_by);
    // The same answer again, and the same call again: what stands.
    let again = bench.consent(&waiting, &request).await.expect("stands");
    assert_eq!((again.operation_id.clone(), again.state), (done.operation_id.clone(), State::Succeeded));
    assert_eq!(code(bench.recovery.trigger(asked("k"), WAIT).await), "succeeded");
    assert_eq!(calls(&bench.restart), 1);
    let lines = bench.recovery.audit(Some(&done.operation_id), 100).await.expect("reads");
    let events: Vec<AuditEvent> = lines.iter().map(|line| line.event().expect("ours")).collect();
    let approved = events.iter().find(|event| event.event == "approved").expect("audited");
    assert_eq!(approved.who, who);
    assert!(approved.detail.contains("not with the approver's passphrase"), "{}", approved.detail);
}

#[tokio::test]
async fn destructive_plans_need_more_unless_the_configuration_says_otherwise() {
    for (rule, expected, runs) in [
        (ElicitationApproves::Never, "consent_not_enough", 0),
        (ElicitationApproves::NotDestructive, "consent_not_enough", 0),
        (ElicitationApproves::Always, "succeeded", 1),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        // Restart first, then failover: all of it is agreed to, so the second counts, too.
        let bench = asking(Policy::Approve, rule, folder.path());
        let waiting = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
        assert!(!rule.covers(&waiting.plan) || rule == ElicitationApproves::Always);
        assert_eq!(code(bench.consent(&waiting, &asked("k")).await), expected, "{rule:?}");
        assert_eq!(calls(&bench.restart), runs, "{rule:?}");
        if runs == 0 {
            assert_eq!(bench.recovery.get(&waiting.operation_id).await.expect("reads").state, State::Planned, "{rule:?}");
            bench.approve(&waiting.operation_id).await.expect("with the passphrase it still goes on");
            assert_eq!(code(bench.recovery.trigger(asked("k"), WAIT).await), "succeeded");
        }
    }
}

#[tokio::test]
async fn a_consent_that_the_store_was_made_to_say_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    let mut forged = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
    forged.state = State::Approved;
    forged.consent = Some(Actor { via: "mcp stdio".to_owned(), ..Default::default() });
    forged.approved_by = Some("a person in the client: mcp stdio".to_owned());
    bench.store.update(&forged, State::Planned, None).await.expect("who can write the store can write this");
    assert_eq!(code(bench.recovery.trigger(asked("k"), WAIT).await), "not_approved");
    assert_eq!(calls(&bench.restart), 0);
}

#[tokio::test]
async fn an_operation_that_was_set_back_is_not_run_by_the_old_consent() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    let waiting = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
    assert_eq!(code(bench.consent(&waiting, &asked("k")).await), "succeeded");
    bench.clock.advance_seconds(301);
    bench.store.overwrite(&waiting).await.expect("writes");
    *bench.vitals.0.lock().expect("no panic") = vital(0);
    assert_eq!(code(bench.consent(&waiting, &asked("k")).await), "consent_used");
    assert_eq!(calls(&bench.restart), 1);
}

#[tokio::test]
async fn drift_expiry_and_guards_hold_for_a_consent() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    // What would be called changed.
    let waiting = bench.recovery.trigger(asked("a"), WAIT).await.expect("recorded");
    "something else".clone_into(&mut bench.restart.call.lock().expect("no panic"));
    assert_eq!(code(bench.consent(&waiting, &asked("a")).await), "drift");
    assert_eq!(bench.recovery.get(&waiting.operation_id).await.expect("reads").state, State::Failed);
    // The plan on record is another one.
    let waiting = bench.recovery.trigger(asked("b"), WAIT).await.expect("recorded");
    let refused = bench.recovery.consent(&waiting.operation_id, &"e".repeat(64), &asked("b")).await;
    assert_eq!(code(refused), "drift");
    // A person stopped everything: it goes on waiting.
    let waiting = bench.recovery.trigger(asked("c"), WAIT).await.expect("recorded");
    bench.recovery.change(&Change::Halt { reason: "no".to_owned() }, &person(), None).await.expect("stops");
    assert_eq!(code(bench.consent(&waiting, &asked("c")).await), "halted");
    bench.recovery.change(&Change::Resume, &person(), Some(PASSPHRASE)).await.expect("resumes");
    // Too late.
    bench.clock.advance_seconds(31 * 60);
    assert_eq!(code(bench.consent(&waiting, &asked("c")).await), "expired");
    assert_eq!(calls(&bench.restart), 0);
}

#[tokio::test]
async fn a_no_ends_it_and_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    let waiting = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
    let closed = bench.recovery.decline(&waiting.operation_id, &asked("k")).await.expect("closes");
    assert_eq!(closed.state, State::Failed);
    assert!(closed.message.contains("declined in the client"), "{}", closed.message);
    assert_eq!(code(bench.consent(&waiting, &asked("k")).await), "failed");
    assert_eq!(bench.approve(&waiting.operation_id).await.expect_err("it is over").code(), "not_pending");
    let lines = bench.recovery.audit(Some(&waiting.operation_id), 100).await.expect("reads");
    let events: Vec<String> = lines.iter().map(|line| line.event().expect("ours").event).collect();
    assert_eq!(events, ["planned", "declined", "failed"]);
    assert_eq!(calls(&bench.restart), 0);
}

#[tokio::test]
async fn a_callers_operations_keys_and_approvals_are_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    let anns = bench.recovery.trigger(of("ann", "k"), WAIT).await.expect("recorded");
    // Bob neither joins it, by his key or by the trouble, nor answers for it.
    assert_eq!(code(bench.recovery.trigger(of("bob", "k"), WAIT).await), "waits_for_another");
    assert_eq!(code(bench.recovery.trigger(of("bob", "other"), WAIT).await), "waits_for_another");
    assert_eq!(code(bench.consent(&anns, &of("bob", "k")).await), "unknown_operation");
    assert_eq!(bench.recovery.decline(&anns.operation_id, &of("bob", "k")).await.expect_err("not his").code(), "unknown_operation");
    // An approval of hers is not his either.
    bench.approve(&anns.operation_id).await.expect("approves");
    assert_eq!(code(bench.recovery.trigger(of("bob", "k"), WAIT).await), "waits_for_another");
    assert_eq!(calls(&bench.restart), 0);
    let done = bench.recovery.trigger(of("ann", "k"), WAIT).await.expect("runs");
    assert_eq!((done.state, done.operation_id.clone(), done.idempotency_key.as_deref()), (State::Succeeded, anns.operation_id.clone(), Some("k")));
    // The same key is another one for each.
    bench.clock.advance_seconds(301);
    let bobs = bench.recovery.trigger(of("bob", "k"), WAIT).await.expect("recorded");
    assert_ne!(bobs.operation_id, anns.operation_id);
    let again = bench.recovery.trigger(of("ann", "k"), WAIT).await.expect("hers");
    assert_eq!((again.operation_id, calls(&bench.restart)), (anns.operation_id, 1));
}

#[tokio::test]
async fn without_an_approver_only_a_client_that_asks_may_wait() {
    for (rule, client_asks, expected) in [
        (ElicitationApproves::Always, true, "planned"),
        (ElicitationApproves::Always, false, "no_approver"),
        (ElicitationApproves::Never, true, "no_approver"),
        // Failover is destructive.
        (ElicitationApproves::NotDestructive, true, "no_approver"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bench = asking(Policy::Approve, rule, folder.path());
        Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet").settings.approver_key = None;
        let request = TriggerRequest { client_asks, ..asked("k") };
        let begun = bench.recovery.trigger(request.clone(), WAIT).await;
        assert_eq!(begun.as_ref().map_or_else(RecoveryError::code, |o| o.state.name()), expected, "{rule:?} {client_asks}");
        if let Ok(waiting) = begun {
            assert!(!waiting.message.contains("recover approve"), "{}", waiting.message);
            assert_eq!(code(bench.consent(&waiting, &request).await), "succeeded");
        }
        assert_eq!(calls(&bench.restart), usize::from(expected == "planned"));
    }
}

#[tokio::test]
async fn racing_consents_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = restarts(ElicitationApproves::Always, folder.path());
    let waiting = bench.recovery.trigger(asked("k"), WAIT).await.expect("recorded");
    let racing = (0..20).map(|_| {
        let (recovery, id, digest) = (bench.recovery.clone(), waiting.operation_id.clone(), waiting.plan.digest.clone());
        tokio::spawn(async move {
            let begun = recovery.consent(&id, &digest, &asked("k")).await?;
            recovery.follow(&begun.operation_id, tokio::time::Instant::now() + WAIT).await
        })
    });
    let codes: Vec<&str> = futures::future::join_all(racing).await.into_iter().map(|r| code(r.expect("no panic"))).collect();
    assert_eq!(calls(&bench.restart), 1, "{codes:?}");
    assert!(codes.iter().all(|c| ["succeeded", "planned", "approved", "fenced", "consent_used", "cooldown"].contains(c)), "{codes:?}");
}

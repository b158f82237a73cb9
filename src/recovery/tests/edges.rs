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

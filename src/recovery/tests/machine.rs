//! The state machine: the table, and any interleaving of calls, crashes, time-outs, clocks and people.

use proptest::prelude::*;

use super::*;

#[test]
fn the_table_has_no_way_around_intent_approval_and_verification() {
    for from in State::ALL {
        let may = |to: State| from.next().contains(&to);
        assert!(
            !may(State::Running) || [State::Approved, State::Running, State::Verifying, State::Succeeded, State::FailedVerification].contains(&from),
            "{from:?}"
        );
        assert!(!may(State::Succeeded) || from == State::Verifying, "nothing succeeds unwatched: {from:?}");
        assert!(!may(State::Approved) || from == State::Planned, "{from:?}");
        assert!(!may(State::Undone) || from == State::Running, "{from:?}");
        assert_eq!(from.is_final(), ![State::Planned, State::Approved, State::Running, State::Verifying].contains(&from));
        for to in State::ALL {
            let mut operation = Operation { state: to, ..an_operation() };
            assert!(may(to) || !may_follow(from, &operation), "{from:?} -> {to:?}");
            if to == State::Running {
                assert!(!may_follow(from, &operation), "no act without an intent");
                operation.attempts = vec![an_attempt(Outcome::Started, false)];
                let only_undo = [State::Succeeded, State::FailedVerification].contains(&from);
                assert_eq!(may_follow(from, &operation), may(to) && !only_undo, "{from:?}");
                operation.attempts = vec![an_attempt(Outcome::Started, true)];
                assert_eq!(may_follow(from, &operation), may(to), "{from:?}");
            }
        }
    }
}

pub(super) fn an_attempt(outcome: Outcome, undo: bool) -> Attempt {
    Attempt {
        action: Action::RestartService,
        actuator: "fake".to_owned(),
        call: String::new(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        ended_at: None,
        outcome,
        message: String::new(),
        untrusted_output: None,
        undo,
        receipt: Receipt::default(),
        began: Moment::default(),
    }
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Trigger {
        issue: IssueType,
        key: Option<u8>,
        bench: bool,
        patience_ms: u64,
    },
    Approve,
    Undo,
    Probe,
    /// A process ends without a word and a new one starts on the same store.
    Crash {
        bench: bool,
    },
    Shutdown {
        bench: bool,
    },
    Pass {
        seconds: i64,
    },
    SetClock {
        seconds: i64,
    },
    Script {
        result: u8,
        heals: bool,
        hangs: bool,
    },
    Stop,
    Resume,
    Reset,
}

fn a_step() -> impl Strategy<Value = Step> {
    let issue = prop::sample::select(vec![IssueType::ServiceUnavailable, IssueType::MemoryExhaustion, IssueType::BadDeployment]);
    prop_oneof![
        6 => (issue, prop::option::of(0u8..3), any::<bool>(), 0u64..60)
            .prop_map(|(issue, key, bench, patience_ms)| Step::Trigger { issue, key, bench, patience_ms }),
        3 => Just(Step::Approve),
        1 => Just(Step::Undo),
        1 => Just(Step::Probe),
        2 => any::<bool>().prop_map(|bench| Step::Crash { bench }),
        1 => any::<bool>().prop_map(|bench| Step::Shutdown { bench }),
        3 => (0i64..700).prop_map(|seconds| Step::Pass { seconds }),
        1 => prop::sample::select(vec![-86_400i64, 86_400]).prop_map(|seconds| Step::SetClock { seconds }),
        3 => (0u8..3, any::<bool>(), any::<bool>()).prop_map(|(result, heals, hangs)| Step::Script { result, heals, hangs }),
        1 => Just(Step::Stop),
        1 => Just(Step::Resume),
        1 => Just(Step::Reset),
    ]
}

/// Two processes on one store, and the service that they act on: it counts what reaches it, by operation and action, and sees what the store says.
struct World {
    folder: tempfile::TempDir,
    policy: Policy,
    benches: [Bench; 2],
    backend: Arc<Backend>,
}

/// The service behind all fakes. Lives through crashes of those who call it.
struct Backend {
    store: Store,
    vitals: Arc<FakeVitals>,
    calls: Mutex<BTreeMap<(String, Action), usize>>,
    wrong: Mutex<Vec<String>>,
    script: Mutex<(u8, bool, bool)>,
    running: AtomicUsize,
    /// Time passed while somebody acted and did not renew its lease, as a process that is stopped does: then another may act, and the first is
    /// fenced at its next step.
    stalled: AtomicBool,
}

struct Counting(Arc<Backend>, Action);

#[async_trait]
impl Actuator for Counting {
    fn kind(&self) -> &'static str {
        "counting"
    }

    async fn prepare(&self, _ports: &Ports) -> Result<Prepared, String> {
        Ok(Prepared { call: "count".to_owned(), undo: Some("uncount".to_owned()), ..Default::default() })
    }

    async fn act(&self, _ports: &Ports, _prepared: &Prepared, context: &Context) -> Result<Act, ActError> {
        let backend = &self.0;
        let wrong = |what: String| backend.wrong.lock().expect("no panic").push(what);
        let key = (context.operation.to_string(), self.1);
        let times = {
            let mut calls = backend.calls.lock().expect("no panic");
            let count = calls.entry(key).or_default();
            *count += 1;
            *count
        };
        if times > 1 {
            wrong(format!("{} ran {times} times for {}", self.1, context.operation));
        }
        // Whoever is called looks into the store as it is on disk: the intent must be there.
        match backend.store.get(&context.operation).await {
            Ok(Some(stored)) => {
                let intent = stored.attempts.last().is_some_and(|a| a.action == self.1 && a.outcome == Outcome::Started && !a.undo);
                if stored.state != State::Running || !intent {
                    wrong(format!("{} was called without an intent: {stored:?}", self.1));
                }
                if stored.plan.policy == Policy::Approve && !approver_key().approved(&stored) {
                    wrong(format!("{} was called without an approval", self.1));
                }
            }
            other => wrong(format!("{} was called for an operation that is not there: {other:?}", self.1)),
        }
        let (result, heals, hangs) = *backend.script.lock().expect("no panic");
        if backend.running.fetch_add(1, Ordering::SeqCst) > 0 && !backend.stalled.load(Ordering::SeqCst) {
            wrong("two act on one target at a time".to_owned());
        }
        let _running = Running(backend);
        if hangs {
            std::future::pending::<()>().await;
        }
        match result {
            0 => {
                *backend.vitals.0.lock().expect("no panic") = vital(if heals { 100 } else { 0 });
                Ok(Act::said("done"))
            }
            1 => Err(ActError::failed("no")),
            _ => Err(ActError::unknown("timed out")),
        }
    }

    async fn undo(&self, _ports: &Ports, _prior: &Snapshot, _context: &Context) -> Result<Act, ActError> {
        Ok(Act::said("back"))
    }
}

/// An act that is cut off by a crash ends here.
struct Running<'a>(&'a Backend);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl World {
    fn new(policy: Policy) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let vitals = Arc::new(FakeVitals(Mutex::new(vital(0))));
        let backend = Arc::new(Backend {
            store: Store::at(folder.path().join("opsmedic.db")),
            vitals,
            calls: Mutex::default(),
            wrong: Mutex::default(),
            script: Mutex::new((0, true, false)),
            running: AtomicUsize::new(0),
            stalled: AtomicBool::new(false),
        });
        let benches = [Self::start(&folder, policy, &backend), Self::start(&folder, policy, &backend)];
        Self { folder, policy, benches, backend }
    }

    fn start(folder: &tempfile::TempDir, policy: Policy, backend: &Arc<Backend>) -> Bench {
        let settings = RecoverySettings { actions_per_hour: 1_000, ..Default::default() };
        let mut bench = bench_with(folder.path(), false, settings, Target { policy, ..a_target() });
        let parts = Arc::get_mut(&mut bench.recovery.parts).expect("not shared yet");
        parts.vitals = backend.vitals.clone();
        parts.owner = Owner(format!("process {}", uuid::Uuid::new_v4()));
        for target in parts.targets.values_mut() {
            target.actuators = [Action::RestartService, Action::ScaleUp, Action::Rollback]
                .into_iter()
                .map(|action| (action, Arc::new(Counting(backend.clone(), action)) as Arc<dyn Actuator>))
                .collect();
        }
        bench
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Trigger { issue, key, bench, patience_ms } => {
                *self.backend.vitals.0.lock().expect("no panic") = vital(0);
                let request = request(issue, key.map(|n| format!("key {n}").replace(' ', "-")).as_deref());
                let _ = self.benches[usize::from(bench)].recovery.trigger(request, Duration::from_millis(patience_ms)).await;
            }
            Step::Approve => {
                for waiting in self.benches[0].recovery.pending().await.expect("reads") {
                    let _ = self.benches[0].approve(&waiting.operation_id).await;
                }
            }
            Step::Undo | Step::Probe => {
                let newest = self.benches[0].recovery.list(&OperationFilter { limit: 1, ..Default::default() }).await.expect("reads");
                if let Some(newest) = newest.first() {
                    let wait = Duration::from_millis(200);
                    let _ = match step {
                        Step::Undo => self.benches[0].recovery.undo(&newest.operation_id, &person(), Some(PASSPHRASE), wait).await,
                        _ => self.benches[0].recovery.probe(&newest.operation_id, wait).await,
                    };
                }
            }
            Step::Crash { bench } => {
                let index = usize::from(bench);
                let fresh = Self::start(&self.folder, self.policy, &self.backend);
                // The clock goes on.
                let now = self.benches[index].clock.moment();
                fresh.clock.set(now);
                let dead = std::mem::replace(&mut self.benches[index], fresh);
                let owner = dead.recovery.parts.owner.clone();
                dead.recovery.crash().await;
                self.benches[index].recovery.interrupt_orphans(&move |o| *o == owner).await.expect("writes");
            }
            Step::Shutdown { bench } => {
                let index = usize::from(bench);
                let fresh = Self::start(&self.folder, self.policy, &self.backend);
                fresh.clock.set(self.benches[index].clock.moment());
                std::mem::replace(&mut self.benches[index], fresh).recovery.shut_down().await;
            }
            Step::Pass { seconds } => {
                self.backend.stalled.fetch_or(self.backend.running.load(Ordering::SeqCst) > 0, Ordering::SeqCst);
                self.benches.iter().for_each(|b| b.clock.advance_seconds(seconds));
            }
            Step::SetClock { seconds } => self.benches.iter().for_each(|b| b.clock.set_wall_seconds(seconds)),
            Step::Script { result, heals, hangs } => *self.backend.script.lock().expect("no panic") = (result, heals, hangs),
            Step::Stop => self.benches[0].recovery.change(&Change::Halt { reason: "x".to_owned() }, &person(), None).await.expect("stops"),
            Step::Resume => self.benches[0].recovery.change(&Change::Resume, &person(), Some(PASSPHRASE)).await.expect("resumes"),
            Step::Reset => {
                self.benches[0].recovery.change(&Change::Reset { target: a_target().name }, &person(), Some(PASSPHRASE)).await.expect("resets");
            }
        }
    }

    /// What must hold whatever happened.
    async fn check(&self) {
        let wrong = self.backend.wrong.lock().expect("no panic").clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let verified = self.backend.store.verify_chain().await.expect("reads");
        assert!(verified.intact, "{verified:?}");
        let operations = self.benches[0].recovery.list(&OperationFilter { limit: 1_000, ..Default::default() }).await.expect("reads");
        let calls = self.backend.calls.lock().expect("no panic").clone();
        for (id, action) in calls.keys() {
            assert!(operations.iter().any(|o| o.operation_id.as_str() == id), "{action} was called for {id}, which is not on record");
        }
        for operation in operations.iter().filter(|o| o.state == State::Succeeded && !o.healed_by_itself) {
            let last = operation.attempts.last().expect("something was called");
            assert_eq!(last.outcome, Outcome::Succeeded);
            let lines = self.backend.store.lines(Some(&operation.operation_id), 1_000).await.expect("reads");
            let events: Vec<String> = lines.iter().map(|l| l.event().expect("this version's").event).collect();
            let at = |name: &str| events.iter().rposition(|e| e == name);
            assert!(at("intent") < at("verifying") && at("verifying") < at("succeeded"), "success without verification: {events:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_keeps_the_promises(approve in any::<bool>(), steps in prop::collection::vec(a_step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut world = World::new(if approve { Policy::Approve } else { Policy::Auto });
            for step in steps {
                world.take(step).await;
                world.check().await;
            }
        });
    }
}

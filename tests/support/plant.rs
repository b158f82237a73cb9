//! Targets that one HTTP backend restarts and whose health it tells, and all that this backend was asked to do.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    backend::{Backend, Received, Reply},
    mcp::McpClient,
    sandbox::Sandbox,
    wait_for,
};

/// States in which an operation stays.
const ENDED: &[&str] = &["succeeded", "failed", "failed_verification", "interrupted", "unknown", "expired", "undone"];

/// A request to act, as the backend got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// `restart` or `rollback`.
    pub(crate) action: String,
    /// The target's name.
    pub(crate) target: String,
    /// The operation, from the header `Idempotency-Key`.
    pub(crate) operation: String,
}

impl Call {
    fn of(request: &Received) -> Option<Self> {
        let (action, target) = request.line.strip_prefix("POST /")?.split_once('/')?;
        let operation = request.header("idempotency-key").unwrap_or_default().to_owned();
        Some(Self { action: action.to_owned(), target: target.to_owned(), operation })
    }
}

/// A sandbox with its targets and their backend.
pub(crate) struct Plant {
    pub(crate) sandbox: Sandbox,
    backend: Backend,
}

impl Plant {
    /// Targets with their policies. The script answers what acts; a target is well from its first success on. `recovery` is what stands in `[recovery]`.
    pub(crate) fn new<'t>(
        targets: impl IntoIterator<Item = (&'t str, &'t str)>,
        recovery: &str,
        script: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let well: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let backend = Backend::scripted(move |request| match Call::of(request) {
            Some(call) => {
                let reply = script(&call);
                if matches!(reply, Reply::Status(200..=299) | Reply::Late(200..=299, _)) {
                    well.lock().unwrap().insert(call.target);
                }
                reply
            }
            None => {
                let name = request.line.rsplit('/').next().unwrap_or_default();
                Reply::Status(if well.lock().unwrap().contains(name) { 200 } else { 503 })
            }
        });
        let plant = Self { sandbox: Sandbox::new(""), backend };
        plant.configure(targets, recovery);
        plant
    }

    /// One target named shop with policy auto that is well as soon as it was restarted.
    pub(crate) fn shop(recovery: &str) -> Self {
        Self::new([("shop", "auto")], recovery, |_| Reply::Status(200))
    }

    /// One target named shop whose restart is answered after a while.
    pub(crate) fn slow(delay: Duration) -> Self {
        Self::new([("shop", "auto")], "", move |_| Reply::Late(200, delay))
    }

    /// Other targets or settings of recovery.
    pub(crate) fn configure<'t>(&self, targets: impl IntoIterator<Item = (&'t str, &'t str)>, recovery: &str) {
        let url = self.backend.url();
        let mut config = format!("[recovery]\n{recovery}\n");
        if !recovery.contains("[recovery.strategies]") {
            config += "[recovery.strategies]\nservice_unavailable = [\"restart_service\"]\n";
        }
        for (name, policy) in targets {
            config += &format!(
                "[[targets]]\nname = \"{name}\"\npolicy = \"{policy}\"\nsoak_seconds = 1\nverify_timeout_seconds = 8\n\
                 [targets.check.application]\nurl = \"{url}/health/{name}\"\ntimeout_ms = 3000\n\
                 [targets.actions.restart_service.http]\nurl = \"{url}/restart/{{target}}\"\ntimeout_seconds = 40\n\
                 [targets.actions.rollback.http]\nurl = \"{url}/rollback/{{target}}\"\n"
            );
        }
        self.sandbox.configure(&config);
    }

    /// All calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.backend.received().iter().filter_map(Call::of).collect()
    }

    /// Calls for one target.
    pub(crate) fn calls_of(&self, target: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.target == target).collect()
    }

    /// Waits until the backend got so many calls.
    #[track_caller]
    pub(crate) fn await_calls(&self, count: usize) {
        assert!(wait_for(Duration::from_secs(20), || self.calls().len() >= count), "no call number {count}: {:?}", self.calls());
    }

    /// `recover run` of a target.
    pub(crate) fn run_args(target: &str) -> [&str; 7] {
        ["recover", "run", "service_unavailable", target, "--reason", "it is down", "--json"]
    }

    /// All operations on record, as a fresh process reads them.
    pub(crate) fn operations(&self) -> Vec<Value> {
        let status = self.sandbox.opsmedic(["recover", "status", "--limit", "1000", "--json"]).expect_code(0).json();
        serde_json::from_value(status["operations"].clone()).unwrap()
    }
}

/// The arguments of `trigger_recovery`.
pub(crate) fn trigger_of(target: &str, key: &str) -> Value {
    json!({"issue_type": "service_unavailable", "target": target, "reason": "it answers 503", "idempotency_key": key})
}

/// Follows the newest operation on a target to its end, by `get_recovery` as a caller does.
#[track_caller]
pub(crate) fn ended(client: &mut McpClient, target: &str) -> Value {
    let mut last = Value::Null;
    let over = wait_for(Duration::from_secs(40), || {
        last = client.ok("get_recovery", &json!({"target": target}))["operations"][0].clone();
        ENDED.contains(&last["state"].as_str().unwrap_or_default())
    });
    assert!(over, "no end: {last:#}");
    last
}

//! What the tests stand on: a hermetic place to run the binary in, an MCP client, real servers on free ports, and hostile ones.

pub(crate) mod backend;
pub(crate) mod canaries;
pub(crate) mod docker;
pub(crate) mod hostile;
pub(crate) mod leash;
pub(crate) mod listener;
pub(crate) mod listening;
pub(crate) mod log_files;
pub(crate) mod log_hostile;
pub(crate) mod log_reference;
pub(crate) mod mcp;
pub(crate) mod mount;
pub(crate) mod plant;
pub(crate) mod process;
pub(crate) mod sandbox;
pub(crate) mod served;
pub(crate) mod servers;
pub(crate) mod skip;
pub(crate) mod sql;
pub(crate) mod systemd;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod web;

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// A port on which nothing listens at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Asks again and again until the answer is yes; false when the time is up.
pub(crate) fn wait_for(limit: Duration, mut yes: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !yes() {
        if begun.elapsed() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

/// A program by name, from PATH and the places that Debian keeps out of a user's PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    places.map(|place| place.join(name)).find(|program| program.is_file())
}

/// The folder of this package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The entry of a list (or the values of a map) whose `name` is this.
pub(crate) fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    let found = match list {
        Value::Array(items) => items.iter().find(|item| item["name"] == name),
        Value::Object(map) => map.get(name),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("no '{name}' in {list:#}"))
}

/// A sandbox in which every tool has something to work on, with its service.
pub(crate) struct House {
    pub(crate) sandbox: sandbox::Sandbox,
    _service: web::Web,
    /// A recovery that can be undone; made when it is first asked for.
    recovered: OnceLock<String>,
}

impl House {
    /// A well service, a log, and a target that a command restarts.
    pub(crate) fn build() -> Self {
        let sandbox = sandbox::Sandbox::new("");
        let service = web::Web::start();
        let restart = sandbox.program("restart", "#!/bin/sh\nexit 0\n");
        sandbox.write("logs/app.log", "2026-11-20 10:00:00 [ERROR] db: database error: deadlock detected\n2026-11-20 10:00:01 [INFO] web: ready\n");
        let url = service.url();
        sandbox.configure(&format!(
            "[health.application]\nurl = \"{url}\"\n[logs]\nroots = [\"{{dir}}/logs\"]\n\
             [[targets]]\nname = \"shop\"\npolicy = \"auto\"\nsoak_seconds = 1\nverify_timeout_seconds = 10\n\
             [targets.check.application]\nurl = \"{url}\"\n[targets.actions.restart_service.command]\nargv = [\"{restart}\"]\n\
             [[targets]]\nname = \"worker\"\npolicy = \"auto\"\nsoak_seconds = 0\ncheck_cannot_see = [\"service_unavailable\"]\n\
             [targets.check.application]\nurl = \"{url}\"\n[targets.actions.restart_service.command]\n\
             argv = [\"/bin/cp\", \"{{dir}}/new\", \"{{dir}}/state.txt\"]\nstate = [\"/bin/cat\", \"{{dir}}/state.txt\"]\n\
             undo = [\"/bin/cp\", \"{{dir}}/old\", \"{{dir}}/state.txt\"]\n"
        ));
        for (name, content) in [("state.txt", "old"), ("old", "old"), ("new", "new")] {
            sandbox.write(name, content);
        }
        Self { sandbox, _service: service, recovered: OnceLock::new() }
    }

    fn recovered(&self) -> &str {
        self.recovered.get_or_init(|| {
            let run = self.sandbox.opsmedic(["recover", "run", "service_unavailable", "worker", "--reason", "to be undone", "--json"]);
            run.expect_code(0).json()["operation_id"].as_str().unwrap().to_owned()
        })
    }

    /// One valid call of each tool.
    pub(crate) fn calls(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("classify_incident", json!({"error_rate_percent": 60, "response_time_ms": 40_000, "description": "checkout is down"})),
            ("run_health_checks", json!({"names": ["application"]})),
            ("analyze_logs", json!({"paths": [self.sandbox.fill("{dir}/logs/app.log")], "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"})),
            ("plan_recovery", json!({"issue_type": "service_unavailable", "target": "shop"})),
            ("trigger_recovery", json!({"issue_type": "service_unavailable", "target": "shop", "reason": "rehearsal", "idempotency_key": "house-1"})),
            ("undo_recovery", json!({"operation_id": self.recovered()})),
            ("get_recovery", json!({"target": "shop"})),
            ("get_playbook", json!({"id": "service_down", "lang": "en", "target": "shop"})),
        ]
    }
}

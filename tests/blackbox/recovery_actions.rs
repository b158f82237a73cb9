//! What each kind of action does to the real thing: an HTTP backend, a program, a container, a cache.

use std::{fs, sync::Arc, time::Duration};

use serde_json::{Value, json};

use opsmedic::{
    ports::Ports,
    recovery::{
        Action, Actuator, Context, Postcondition, Probe, Snapshot,
        actions::{self, Settings},
    },
    types::issue::IssueType,
};

use super::recovery::{blind_target as target, settled, trigger};
use crate::support::{
    backend::{Backend, Received, Reply},
    docker::Docker,
    free_port,
    sandbox::Sandbox,
    servers::Redis,
    skip::need,
    wait_for,
    web::Web,
};

/// Runs one recovery with this restart action, with or without a service that is well; gives the operation.
fn recovered(actions: &str) -> (Sandbox, Value) {
    let service = Web::start();
    let sandbox = Sandbox::new(&target("auto", &service.url(), actions));
    let mut client = sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    (sandbox, operation)
}

fn http(url: &str, more: &str) -> String {
    format!("[targets.actions.restart_service.http]\nurl = \"{url}/services/{{target}}/restart?issue={{issue_type}}\"\n{more}\n")
}

fn posts(backend: &Backend) -> Vec<Received> {
    backend.received().into_iter().filter(|request| request.line.starts_with("POST")).collect()
}

#[test]
fn a_request_arrives_as_configured_and_carries_the_operation() {
    let backend = Backend::replying(Reply::Late(202, Duration::from_millis(300)));
    let more = r#"headers = { X-Cluster = "eu-{target}" }
body = '{"operation":"{operation_id}","fence":{fence},"options":{"drain":true}}'"#;
    let (_, operation) = recovered(&http(&backend.url(), more));
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let [request] = &posts(&backend)[..] else { panic!("{:#?}", backend.received()) };
    let id = operation["operation_id"].as_str().unwrap();
    assert_eq!(request.line, "POST /services/shop/restart?issue=service_unavailable");
    assert_eq!((request.header("x-cluster"), request.header("idempotency-key")), (Some("eu-shop"), Some(id)));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert!(body["fence"].as_i64().is_some_and(|fence| fence > 0), "{body:#}");
    assert_eq!((&body["operation"], &body["options"]), (&json!(id), &json!({"drain": true})));
}

#[test]
fn each_answer_of_a_backend_ends_an_operation_as_it_should() {
    // A caller may try the next action after a certain failure only.
    for (reply, state, says) in [
        (Reply::Status(200), "succeeded", "answered 200"),
        (Reply::Status(404), "failed", "answered 404"),
        (Reply::Status(302), "failed", "redirects are not followed"),
        (Reply::Status(500), "unknown", "answered 500"),
        (Reply::Hang, "unknown", "no complete answer within 1000 ms"),
        (Reply::Close, "unknown", "may have been received"),
    ] {
        let backend = Backend::replying(reply);
        let (_, operation) = recovered(&http(&backend.url(), "timeout_seconds = 1"));
        let attempt = &operation["attempts"][0];
        assert_eq!((operation["state"].as_str(), posts(&backend).len()), (Some(state), 1), "{reply:?}: {operation:#}");
        assert!(attempt["message"].as_str().unwrap().contains(says), "{reply:?}: {operation:#}");
        let echoed = attempt["untrusted_output"].as_str().is_some_and(|output| output.contains("POST /services/shop/restart"));
        assert_eq!(echoed, matches!(reply, Reply::Status(_)), "{reply:?}: {operation:#}");
    }
}

#[test]
fn a_backend_that_is_not_there_is_a_certain_failure() {
    let (_, operation) = recovered(&http(&format!("http://127.0.0.1:{}", free_port()), ""));
    assert_eq!(operation["state"], "failed", "{operation:#}");
    assert!(operation["attempts"][0]["message"].as_str().unwrap().contains("nothing was sent"), "{operation:#}");
}

#[test]
fn a_dry_run_sends_nothing_but_reads() {
    let backend = Backend::replying(Reply::Status(200));
    let service = Web::start();
    let more = format!("state_url = \"{0}/state\"\nundo = {{ url = \"{0}/undo\" }}", backend.url());
    let sandbox = Sandbox::new(&target("auto", &service.url(), &http(&backend.url(), &more)));
    let plan = sandbox.serve().ok("plan_recovery", &json!({"issue_type": "service_unavailable", "target": "shop"}));
    let call = plan["plan"]["steps"][0]["call"].as_str().unwrap_or_default();
    assert!(call.starts_with(&format!("POST {}/services/{{target}}/restart?issue=..", backend.url())), "{plan:#}");
    let lines: Vec<String> = backend.received().into_iter().map(|request| request.line).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line == "GET /state"), "{lines:?}");
}

#[test]
fn secrets_of_a_request_do_not_come_out() {
    // The backend repeats what it got, in its answer.
    let backend = Backend::replying(Reply::Status(200));
    let sandbox = Sandbox::new("");
    let token = sandbox.write("token", "canary-91-token\n");
    let service = Web::start();
    let url = backend.url().replace("http://", "http://ops:canary-92-pass@");
    let actions = format!(
        "[targets.actions.restart_service.http]\nurl = \"{url}/restart?key=canary-93-query\"\nbody = \"restart {{target}}\"\n\
         headers = {{ X-Token = \"${{file:{}}}\", X-Auth = \"Bearer canary-94-bearer\", X-Op = \"canary-95-{{operation_id}}\" }}",
        token.display()
    );
    sandbox.configure(&target("auto", &service.url(), &actions));
    let mut client = sandbox.serve();
    let plan = client.ok("plan_recovery", &json!({"issue_type": "service_unavailable", "target": "shop"}));
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let sent = posts(&backend);
    assert_eq!((sent[0].header("x-token"), sent[0].header("x-auth")), (Some("canary-91-token"), Some("Bearer canary-94-bearer")));
    // Base64 of ops:canary-92-pass.
    assert_eq!(sent[0].header("authorization"), Some("Basic b3BzOmNhbmFyeS05Mi1wYXNz"));
    let output = operation["attempts"][0]["untrusted_output"].as_str().unwrap();
    assert!(output.contains("[redacted]") && output.contains("restart shop"), "{operation:#}");
    let status = sandbox.opsmedic(["recover", "status", "--json"]);
    for text in [plan.to_string(), begun.to_string(), operation.to_string(), status.to_string()] {
        assert!(!text.contains("canary-9") && !text.contains("b3BzOmNhbmFyeS05Mi1wYXNz"), "{text}");
    }
    let stored = fs::read(sandbox.path("state/opsmedic.db")).unwrap();
    let wal = fs::read(sandbox.path("state/opsmedic.db-wal")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&[stored, wal].concat()).contains("canary-9"), "a secret is in the store");
}

#[test]
fn a_command_learns_its_operation_and_nothing_of_the_caller() {
    let sandbox = Sandbox::new("");
    let service = Web::start();
    let script = "#!/bin/sh\nprintf '%s\\n' \"$OPSMEDIC_OPERATION\" \"$OPSMEDIC_TARGET\" \"$OPSMEDIC_FENCE\" \"$#\" \"$@\" >{dir}/told\nenv >{dir}/env\n";
    let restart = sandbox.program("restart", &sandbox.fill(script));
    sandbox.configure(&target("auto", &service.url(), &format!("[targets.actions.restart_service.command]\nargv = [\"{restart}\", \"--now\", \"a b*\"]")));
    let mut client = sandbox.serve();
    let mut call = trigger("canary-key");
    call["reason"] = json!("canary-reason; touch /tmp/x");
    let begun = client.ok("trigger_recovery", &call);
    let operation = settled(&mut client, &begun);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let told = fs::read_to_string(sandbox.path("told")).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!([lines[0], lines[1]], [operation["operation_id"].as_str().unwrap(), "shop"]);
    assert!(lines[2].parse::<i64>().is_ok_and(|fence| fence > 0), "{told}");
    assert_eq!(lines[3..], ["2", "--now", "a b*"]);
    assert!(!fs::read_to_string(sandbox.path("env")).unwrap().contains("canary"));
}

/// An actuator as the configuration builds it. What it says between an act and its undo cannot be brought about through the binary at will.
fn built(action: Action, kind: &str, table: &str) -> Arc<dyn Actuator> {
    let kind = *actions::ALL.iter().find(|known| known.name() == kind).unwrap();
    kind.build(action, Settings::parse(table).unwrap()).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn context() -> Context {
    let operation = "op_0123456789abcdef0123456789abcdef".parse().unwrap();
    Context { operation, target: "shop".parse().unwrap(), issue: IssueType::ServiceUnavailable, fence: 1 }
}

#[test]
fn a_container_is_judged_by_its_start_and_health_and_stopped_again_if_it_stood_still() {
    let docker = need!(Docker::start());
    let serve = "busybox rm -f /die; while [ ! -e /die ]; do busybox sleep 0.1; done; exit 3";
    let health = json!({"Test": ["CMD", "/bin/busybox", "test", "-e", "/well"], "Interval": 500_000_000, "Timeout": 2_000_000_000, "Retries": 1});
    need!(docker.run_with_health("shop", &["/bin/busybox", "sh", "-c", serve], &health));
    let table = format!("{{ container = \"shop\", socket = \"{}\", stop_seconds = 1 }}", docker.socket().display());
    let (restart, ports) = (built(Action::RestartService, "docker", &table), Ports::real());
    let verify = |left: &Snapshot| wait(restart.verify(&ports, left));

    let prepared = wait(restart.prepare(&ports)).unwrap();
    assert_eq!((prepared.prior["running"].as_str(), prepared.undo.as_ref()), ("true", None), "{prepared:?}");
    let left = wait(restart.act(&ports, &prepared, &context())).unwrap().left;
    assert_eq!(left["started_at"], docker.started_at("shop"));
    assert!(matches!(wait(restart.probe(&ports, &prepared.prior)), Probe::Happened(act) if act.left == left));
    assert!(matches!(wait(restart.probe(&ports, &left)), Probe::CannotTell(_)));
    let ill = wait_for(Duration::from_secs(10), || matches!(verify(&left), Postcondition::NotYet(why) if why.contains("unhealthy")));
    assert!(ill, "{:?}", verify(&left));
    docker.exec("shop", &["/bin/busybox", "touch", "/well"]);
    assert!(wait_for(Duration::from_secs(10), || matches!(verify(&left), Postcondition::Holds(_))), "{:?}", verify(&left));

    docker.exec("shop", &["/bin/busybox", "touch", "/die"]);
    let died = wait_for(Duration::from_secs(10), || matches!(verify(&left), Postcondition::Broken(why) if why.contains("exit code 3")));
    assert!(died, "{:?}", verify(&left));

    let prepared = wait(restart.prepare(&ports)).unwrap();
    assert!(prepared.prior["running"] == "false" && prepared.undo.is_some(), "{prepared:?}");
    let left = wait(restart.act(&ports, &prepared, &context())).unwrap().left;
    assert_eq!(wait(restart.observe(&ports)).unwrap(), left);
    let undone = wait(restart.undo(&ports, &prepared.prior, &context())).unwrap();
    assert_eq!((undone.left["running"].as_str(), &docker.inspect("shop")["State"]["Running"]), ("false", &json!(false)));
}

/// Runs one recovery that restarts the container `shop`, on a service whose own check is always ok; gives the operation.
fn restarted(docker: &Docker, soak_seconds: u32) -> Value {
    let action = format!("[targets.actions.restart_service.docker]\ncontainer = \"shop\"\nsocket = \"{}\"\nstop_seconds = 1", docker.socket().display());
    let service = Web::start();
    let config = target("auto", &service.url(), &action).replace("soak_seconds = 1", &format!("soak_seconds = {soak_seconds}")).replace("= 8", "= 20");
    let sandbox = Sandbox::new(&config);
    sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "x", "--json"]).json()
}

#[test]
fn a_container_that_dies_again_is_no_success_however_well_its_service_looks() {
    let docker = need!(Docker::start());
    // The second start dies after a second.
    let serve = "if busybox test -e /started; then busybox sleep 1; exit 3; fi; busybox touch /started; exec busybox sleep 1000";
    need!(docker.run("shop", &["/bin/busybox", "sh", "-c", serve]));
    let before = docker.started_at("shop");
    let operation = restarted(&docker, 4);
    assert_eq!(operation["state"], "failed_verification", "{operation:#}");
    assert!(operation["attempts"][0]["message"].as_str().unwrap().contains("exit code 3"), "{operation:#}");
    assert_ne!(docker.started_at("shop"), before, "it was not restarted at all");
}

#[test]
fn a_container_that_is_unhealthy_and_then_healthy_is_a_success() {
    let docker = need!(Docker::start());
    let serve = "busybox rm -f /well; busybox sleep 3; busybox touch /well; exec busybox sleep 1000";
    let health = json!({"Test": ["CMD", "/bin/busybox", "test", "-e", "/well"], "Interval": 400_000_000, "Timeout": 2_000_000_000, "Retries": 1});
    need!(docker.run_with_health("shop", &["/bin/busybox", "sh", "-c", serve], &health));
    let begun = std::time::Instant::now();
    let operation = restarted(&docker, 1);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert!(begun.elapsed() > Duration::from_secs(3), "it was called well while it was not: {:?}", begun.elapsed());
    assert_eq!(docker.inspect("shop")["State"]["Health"]["Status"], "healthy");
}

#[test]
fn a_cleared_cache_must_still_be_a_primary() {
    let redis = need!(Redis::start());
    let (clear, ports) = (built(Action::ClearCache, "redis", &format!("{{ url = \"{}\", prefix = \"cache:\" }}", redis.url())), Ports::real());
    let verify = || wait(clear.verify(&ports, &Snapshot::new()));
    assert!(matches!(verify(), Postcondition::Holds(_)));
    let _: () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(free_port()).query(&mut redis.connect()).unwrap();
    assert!(matches!(verify(), Postcondition::Broken(why) if why.contains("replica")));
    drop(redis);
    assert!(wait_for(Duration::from_secs(5), || matches!(verify(), Postcondition::NotYet(_))));
}

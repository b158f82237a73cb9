//! Recovery that acts: a real container, a real cache, a real command, under every guard.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::support::{
    docker::Docker,
    free_port,
    mcp::McpClient,
    sandbox::{APPROVER_KEY, Sandbox},
    servers::Redis,
    skip::need,
    wait_for,
    web::Web,
};

/// States in which an operation stays.
const ENDED: &[&str] = &["succeeded", "failed", "failed_verification", "interrupted", "unknown", "expired"];

/// A target named shop with this policy and these actions, well when the service is.
pub(crate) fn target(policy: &str, url: &str, actions: &str) -> String {
    format!(
        "[[targets]]\nname = \"shop\"\npolicy = \"{policy}\"\nsoak_seconds = 1\nverify_timeout_seconds = 8\n\
         [targets.check.application]\nurl = \"{url}\"\ntimeout_ms = 1000\n{actions}\n"
    )
}

/// The same, with checks that do not show the trouble: it is acted on although it is well.
pub(super) fn blind_target(policy: &str, url: &str, actions: &str) -> String {
    target(policy, url, actions).replace("soak_seconds", "check_cannot_see = [\"service_unavailable\", \"high_latency\"]\nsoak_seconds")
}

/// A service that is down until its restart command has run; each run adds a line to `restarts`.
struct Shop {
    sandbox: Sandbox,
    _service: Web,
}

impl Shop {
    fn down(policy: &str) -> Self {
        let sandbox = Sandbox::new("");
        let service = Web::well_while(sandbox.path("well"));
        let restart = sandbox.program("restart", &sandbox.fill("#!/bin/sh\necho restarted >>{dir}/restarts\ntouch {dir}/well\n"));
        let restart = format!("[targets.actions.restart_service.command]\nargv = [\"{restart}\"]");
        sandbox.configure(&(format!("[recovery]\napprover_key = \"{APPROVER_KEY}\"\n") + &target(policy, &service.url(), &restart)));
        Self { sandbox, _service: service }
    }

    fn restarts(&self) -> usize {
        fs::read_to_string(self.sandbox.path("restarts")).unwrap_or_default().lines().count()
    }
}

pub(crate) fn trigger(key: &str) -> Value {
    json!({"issue_type": "service_unavailable", "target": "shop", "reason": "the shop answers 503", "idempotency_key": key})
}

/// Follows an operation to its end.
pub(crate) fn settled(client: &mut McpClient, operation: &Value) -> Value {
    let id = operation["operation_id"].as_str().unwrap_or_else(|| panic!("no operation_id in {operation:#}"));
    let mut last = Value::Null;
    let ended = wait_for(Duration::from_secs(30), || {
        last = client.ok("get_recovery", &json!({"operation_id": id}))["operation"].clone();
        ENDED.contains(&last["state"].as_str().unwrap_or_default())
    });
    assert!(ended, "the operation does not end: {last:#}");
    last
}

#[test]
fn a_command_restarts_a_service_and_its_health_is_verified() {
    let shop = Shop::down("auto");
    let mut client = shop.sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(shop.restarts(), 1);
    let history = client.ok("get_recovery", &json!({"target": "shop"}));
    assert!(history.to_string().contains(operation["operation_id"].as_str().unwrap()), "{history:#}");
}

#[test]
fn a_command_that_exits_well_without_effect_is_no_recovery() {
    let sandbox = Sandbox::new("");
    let service = Web::well_while(sandbox.path("never"));
    sandbox.configure(&target("auto", &service.url(), "[targets.actions.restart_service.command]\nargv = [\"/bin/true\"]").replace("= 8", "= 3"));
    let mut client = sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    assert_ne!(operation["state"], "succeeded", "{operation:#}");
}

#[test]
fn a_container_is_really_restarted() {
    let docker = need!(Docker::start());
    let port = free_port();
    let serve = format!("busybox mkdir -p /www && echo '{{\"version\":\"7\"}}' >/www/health && exec busybox httpd -f -h /www -p 127.0.0.1:{port}");
    need!(docker.run("shop", &["/bin/busybox", "sh", "-c", &serve]));
    let url = format!("http://127.0.0.1:{port}/health");
    let actions = format!("[targets.actions.restart_service.docker]\ncontainer = \"shop\"\nsocket = \"{}\"", docker.socket().display());
    let sandbox = Sandbox::new(&(target("auto", &url, &actions) + &format!("[health.application]\nurl = \"{url}\"\n")));
    let well = || sandbox.opsmedic(["check", "application"]).code == Some(0);
    assert!(wait_for(Duration::from_secs(10), well), "the container does not serve");
    docker.exec("shop", &["/bin/busybox", "rm", "/www/health"]);
    assert!(!well(), "the service was not broken");

    let before = docker.started_at("shop");
    let mut client = sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let after = docker.started_at("shop");
    assert!(after > before, "StartedAt {before} -> {after}");
    assert!(well(), "the service is not back");
}

#[test]
fn the_cache_is_cleared_by_prefix_and_nothing_else_is() {
    const EACH: u32 = 20_000;
    let redis = need!(Redis::start());
    let mut connection = redis.connect();
    let fill = "for i = 1, ARGV[1] do redis.call('SET', 'cache:' .. i, i); redis.call('SET', 'session:' .. i, i) end return redis.call('DBSIZE')";
    let keys: u32 = redis::cmd("EVAL").arg(fill).arg(0).arg(EACH).query(&mut connection).unwrap();
    assert_eq!(keys, 2 * EACH);
    // Names that a careless pattern would take along.
    for near in ["cach", "cachet:1", "xcache:1", "Cache:1"] {
        let _: () = redis::cmd("SET").arg(near).arg(1).query(&mut connection).unwrap();
    }
    let service = Web::start();
    let sandbox =
        Sandbox::new(&blind_target("auto", &service.url(), &format!("[targets.actions.clear_cache.redis]\nurl = \"{}\"\nprefix = \"cache:\"", redis.url())));
    let mut client = sandbox.serve();
    let begun = client.ok("trigger_recovery", &json!({"issue_type": "high_latency", "target": "shop", "reason": "stale cache"}));
    let operation = settled(&mut client, &begun);
    assert_eq!(operation["state"], "succeeded", "{operation:#}");

    let count = "local n, missing = 0, 0 for i = 1, ARGV[1] do n = n + redis.call('EXISTS', 'cache:' .. i) \
                 if redis.call('GET', 'session:' .. i) ~= tostring(i) then missing = missing + 1 end end return {n, missing, redis.call('DBSIZE')}";
    let counts: Vec<u32> = redis::cmd("EVAL").arg(count).arg(0).arg(EACH).query(&mut connection).unwrap();
    assert_eq!(counts, [0, 0, EACH + 4], "keys with the prefix, others that are missing or changed, all");
}

#[test]
fn the_cooldown_survives_a_restart_of_the_server() {
    let shop = Shop::down("auto");
    let mut client = shop.sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    settled(&mut client, &begun);
    client.end();

    let mut client = shop.sandbox.serve();
    let refusal = client.refused("trigger_recovery", &trigger("two"));
    assert!(refusal.to_string().contains("cooldown"), "{refusal:#}");
    assert_eq!(shop.restarts(), 1);
    // Nor by the command line.
    let run = shop.sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "again"]);
    assert_ne!(run.code, Some(0), "{run}");
    assert_eq!(shop.restarts(), 1);
}

#[test]
fn the_same_key_gives_the_same_operation_and_another_call_a_conflict() {
    let shop = Shop::down("auto");
    let mut client = shop.sandbox.serve();
    let first = client.ok("trigger_recovery", &trigger("one"));
    settled(&mut client, &first);
    let second = client.ok("trigger_recovery", &trigger("one"));
    assert_eq!(first["operation_id"], second["operation_id"]);
    assert_eq!(shop.restarts(), 1);
    let mut other = trigger("one");
    other["issue_type"] = json!("memory_exhaustion");
    let refusal = client.refused("trigger_recovery", &other);
    assert!(refusal["code"].as_str().unwrap().contains("idempotency"), "{refusal:#}");
    assert_eq!(shop.restarts(), 1);
}

#[test]
fn racing_calls_of_two_servers_restart_once() {
    let shop = Shop::down("auto");
    let mut clients = [shop.sandbox.serve(), shop.sandbox.serve()];
    for client in &mut clients {
        for n in 0..10 {
            client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger(&format!("race-{}-{n}", client.pid()))}));
        }
    }
    for client in &clients {
        for _ in 0..10 {
            client.receive();
        }
    }
    wait_for(Duration::from_secs(5), || shop.restarts() > 1);
    assert_eq!(shop.restarts(), 1);
}

#[test]
fn a_denied_target_is_left_alone() {
    let shop = Shop::down("deny");
    shop.sandbox.serve().refused("trigger_recovery", &trigger("one"));
    let run = shop.sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "x"]);
    assert_ne!(run.code, Some(0), "{run}");
    assert_eq!(shop.restarts(), 0);
}

#[test]
fn approval_is_given_on_the_machine() {
    let shop = Shop::down("approve");
    let mut client = shop.sandbox.serve();
    let waiting = client.ok("trigger_recovery", &trigger("one"));
    let id = waiting["operation_id"].as_str().unwrap_or_else(|| panic!("{waiting:#}")).to_owned();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(shop.restarts(), 0, "it did not wait: {waiting:#}");
    assert!(waiting["message"].as_str().unwrap().contains(&format!("recover approve {id}")), "how to approve is not said: {waiting:#}");
    let run = shop.sandbox.as_approver(&["recover", "approve", &id, "--json"]).expect_code(0);
    let operation = settled(&mut client, &waiting);
    assert_eq!(operation["state"], "succeeded", "{operation:#}\n{run}");
    assert_eq!(shop.restarts(), 1);
    // An approval is good for one run.
    let again = shop.sandbox.as_approver(&["recover", "approve", &id]);
    assert_ne!(again.code, Some(0), "{again}");
    assert_eq!(shop.restarts(), 1);
}

#[test]
fn approval_is_the_default() {
    let shop = Shop::down("approve");
    let config = fs::read_to_string(shop.sandbox.path("opsmedic.toml")).unwrap().replace("policy = \"approve\"\n", "");
    shop.sandbox.configure(&config);
    let waiting = shop.sandbox.serve().ok("trigger_recovery", &trigger("one"));
    assert!(waiting["operation_id"].is_string(), "{waiting:#}");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(shop.restarts(), 0, "{waiting:#}");
}

#[test]
fn read_only_refuses_to_act_and_still_plans() {
    let shop = Shop::down("auto");
    let mut client = shop.sandbox.serve_with(&["--read-only"]);
    let refusal = client.request("tools/call", json!({"name": "trigger_recovery", "arguments": trigger("one")}));
    let refused = refusal.as_ref().map_or(true, |result| result["isError"] == true);
    assert!(refused, "{refusal:#?}");
    client.ok("plan_recovery", &json!({"issue_type": "service_unavailable", "target": "shop"}));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(shop.restarts(), 0);
}

#[test]
fn only_listed_targets_are_touched() {
    let shop = Shop::down("auto");
    let mut client = shop.sandbox.serve();
    for name in ["", "*", "sho*", "shop ", "shop;true", "../shop", "-shop", "SHOP", "nosuch"] {
        let mut call = trigger("one");
        call["target"] = json!(name);
        let refusal = client.refused("trigger_recovery", &call);
        if name == "nosuch" {
            assert!(refusal.to_string().contains("shop"), "the known targets are not named: {refusal:#}");
        }
    }
    let mut call = trigger("one");
    call.as_object_mut().unwrap().remove("target");
    client.refused("trigger_recovery", &call);
    assert_eq!(shop.restarts(), 0);
}

#[test]
fn without_targets_recovery_is_off() {
    let refusal = Sandbox::new("").serve().refused("trigger_recovery", &trigger("one"));
    assert!(refusal["hint"].as_str().unwrap().contains("targets"), "{refusal:#}");
}

#[test]
fn an_operation_cut_short_is_interrupted_and_not_repeated() {
    let sandbox = Sandbox::new("");
    let service = Web::well_while(sandbox.path("never"));
    let slow = sandbox.program("restart", &sandbox.fill("#!/bin/sh\necho begun >>{dir}/restarts\nsleep 4\n"));
    sandbox.configure(&target("auto", &service.url(), &format!("[targets.actions.restart_service.command]\nargv = [\"{slow}\"]")));
    let mut client = sandbox.serve();
    client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger("one")}));
    assert!(wait_for(Duration::from_secs(10), || sandbox.path("restarts").exists()), "the command does not start");
    // Killed in the middle of the action: no chance to write anything.
    drop(client);
    let mut client = sandbox.serve();
    let mut seen = Value::Null;
    let noticed = wait_for(Duration::from_secs(5), || {
        seen = client.ok("get_recovery", &json!({"target": "shop"}));
        seen["operations"][0]["state"] == "interrupted"
    });
    assert!(noticed, "{seen:#}");
    let refusal = client.refused("trigger_recovery", &trigger("two"));
    assert!(refusal.to_string().contains("cooldown") || refusal.to_string().contains("interrupted"), "{refusal:#}");
    assert_eq!(fs::read_to_string(sandbox.path("restarts")).unwrap().lines().count(), 1);
}

#[test]
fn an_end_of_input_or_a_request_to_terminate_in_the_middle_ends_at_once_and_is_recorded() {
    let ends: [fn(&mut McpClient); 2] = [|client| client.close_stdin(), |client| client.terminate()];
    for end in ends {
        let sandbox = Sandbox::new("");
        let service = Web::well_while(sandbox.path("never"));
        let slow = sandbox
            .program("restart", &sandbox.fill("#!/bin/sh\ntrap 'echo asked >>{dir}/restarts; exit 1' TERM\necho begun >>{dir}/restarts\nsleep 20 & wait\n"));
        sandbox.configure(&target("auto", &service.url(), &format!("[targets.actions.restart_service.command]\nargv = [\"{slow}\"]")));
        let mut client = sandbox.serve();
        client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger("one")}));
        assert!(wait_for(Duration::from_secs(10), || sandbox.path("restarts").exists()), "the command does not start");
        end(&mut client);
        let (_, took) = client.wait_end(Duration::from_secs(3));
        assert!(took < Duration::from_millis(1_500), "it took {took:?}");
        let status = sandbox.opsmedic(["recover", "status", "--json"]).json();
        assert_eq!(status["operations"][0]["state"], "interrupted", "{status:#}");
        let asked = wait_for(Duration::from_secs(2), || fs::read_to_string(sandbox.path("restarts")).unwrap().contains("asked"));
        assert!(asked, "the command was not asked to end");
    }
}

#[test]
fn a_restart_that_leaves_its_service_on_the_pipe_is_no_timeout() {
    let sandbox = Sandbox::new("");
    let service = Web::well_while(sandbox.path("well"));
    let daemon = sandbox.program("restart", &sandbox.fill("#!/bin/sh\ntouch {dir}/well\nsleep 4 &\necho $! >{dir}/daemon\nexit 0\n"));
    sandbox.configure(&target("auto", &service.url(), &format!("[targets.actions.restart_service.command]\nargv = [\"{daemon}\"]\ntimeout_seconds = 3")));
    let mut client = sandbox.serve();
    let begun = client.ok("trigger_recovery", &trigger("one"));
    assert_eq!(settled(&mut client, &begun)["state"], "succeeded");
    let daemon = fs::read_to_string(sandbox.path("daemon")).unwrap();
    assert!(std::path::Path::new(&format!("/proc/{}", daemon.trim())).exists(), "the service that was started was ended");
}

#[test]
fn secrets_of_a_command_do_not_come_out() {
    let sandbox = Sandbox::new("");
    let service = Web::well_while(sandbox.path("well"));
    let loud = sandbox.program("restart", &sandbox.fill("#!/bin/sh\ntouch {dir}/well\necho \"$@\" $KEEP\n"));
    let secret = sandbox.write("secret", "canary-91-argv\n");
    let actions = format!(
        "[targets.actions.restart_service.command]\nargv = [\"{loud}\", \"--token\", \"canary-92-flag\", \"${{file:{}}}\"]\nenv = {{ KEEP = \"canary-93-env\" }}",
        secret.display()
    );
    sandbox.configure(&target("auto", &service.url(), &actions));
    let mut client = sandbox.serve();
    let plan = client.ok("plan_recovery", &json!({"issue_type": "service_unavailable", "target": "shop"}));
    let begun = client.ok("trigger_recovery", &trigger("one"));
    let operation = settled(&mut client, &begun);
    for answer in [&plan, &begun, &operation] {
        assert!(!answer.to_string().contains("canary-9"), "{answer:#}");
    }
    assert!(operation["attempts"][0]["untrusted_output"].as_str().unwrap().contains("[redacted]"), "{operation:#}");
}

#[test]
fn scaling_doubles_to_at_most_ten() {
    for (have, want) in [(3, "6"), (7, "10")] {
        let sandbox = Sandbox::new("");
        let service = Web::start();
        sandbox.write("replicas.txt", &have.to_string());
        let read = sandbox.program("replicas", &sandbox.fill("#!/bin/sh\ncat {dir}/replicas.txt\n"));
        let scale = sandbox.program("scale", &sandbox.fill("#!/bin/sh\nprintf %s \"$2\" >{dir}/replicas.txt\n"));
        let actions = format!("[targets.actions.scale_up.command]\nargv = [\"{scale}\", \"shop\", \"{{replicas}}\"]\nreplicas = [\"{read}\", \"shop\"]");
        sandbox.configure(&blind_target("auto", &service.url(), &actions));
        let mut client = sandbox.serve();
        let begun = client.ok("trigger_recovery", &json!({"issue_type": "high_latency", "target": "shop", "reason": "slow"}));
        let operation = settled(&mut client, &begun);
        assert_eq!(operation["state"], "succeeded", "{operation:#}");
        assert_eq!(fs::read_to_string(sandbox.path("replicas.txt")).unwrap(), want);
    }
}

//! Health checks against real servers and against hostile ones.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    free_port,
    hostile::{Behaviour, Hostile, Protocol},
    named,
    sandbox::Sandbox,
    servers::{Postgres, Redis},
    skip::need,
    web::Web,
};

/// The deadline of the checks that meet a hostile server.
const DEADLINE: Duration = Duration::from_millis(600);

/// The section of the configuration that checks this protocol, and the name of the check.
fn section(protocol: Protocol, url: &str) -> (&'static str, String) {
    let name = match protocol {
        Protocol::Http => "application",
        Protocol::Postgres => "database",
        Protocol::Redis => "redis",
    };
    (name, format!("[health.{name}]\nurl = \"{url}\"\ntimeout_ms = {}\n", DEADLINE.as_millis()))
}

fn measured(check: &Value, name: &str) -> f64 {
    named(&check["measurements"], name)["value"].as_f64().unwrap_or_else(|| panic!("no value of {name} in {check:#}"))
}

#[test]
fn a_well_application_is_ok_with_its_version() {
    let service = Web::start();
    let sandbox = Sandbox::new(&section(Protocol::Http, &service.url()).1);
    let report = sandbox.opsmedic(["check", "application", "--json"]).expect_code(0).json();
    let check = named(&report["results"], "application");
    assert_eq!(check["state"], "ok", "{report:#}");
    let text = check.to_string();
    for fact in ["1.4.2", "4711", "7ms"] {
        assert!(text.contains(fact), "no {fact} in {check:#}");
    }
    assert_eq!(service.requests(), 1, "a check asks once");
}

#[test]
fn a_real_postgres_is_ok_with_its_figures_and_without_its_password() {
    let postgres = need!(Postgres::shared());
    let sandbox = Sandbox::new(&format!("[health.database]\nurl = \"{}\"\n", postgres.url()));
    let run = sandbox.opsmedic(["check", "database", "--json"]).expect_code(0);
    let report = run.json();
    let check = named(&report["results"], "database");
    assert_eq!(check["state"], "ok", "{report:#}");
    assert_eq!(measured(check, "max_connections"), 40.0);
    assert!(measured(check, "active_connections") <= measured(check, "total_connections"), "{check:#}");
    assert!(measured(check, "query_time") > 0.0, "{check:#}");
    assert!(check.to_string().contains(&postgres.version()), "no {} in {check:#}", postgres.version());
    assert!(!format!("{run}").contains(Postgres::PASSWORD));
}

#[test]
fn a_wrong_password_is_no_wellness_and_is_not_repeated() {
    let postgres = need!(Postgres::shared());
    let sandbox = Sandbox::new(&format!("[health.database]\nurl = \"{}\"\n", postgres.url().replace(Postgres::PASSWORD, "canary-wrong-77aa31")));
    let run = sandbox.opsmedic(["check", "database", "--json"]).expect_code(1);
    assert_ne!(named(&run.json()["results"], "database")["state"], "ok");
    assert!(!format!("{run}").contains("canary-wrong-77aa31"), "{run}");
}

#[test]
fn a_real_redis_is_ok_with_its_figures() {
    let redis = need!(Redis::start());
    let sandbox = Sandbox::new(&format!("[health.redis]\nurl = \"{}\"\n", redis.url()));
    let report = sandbox.opsmedic(["check", "redis", "--json"]).expect_code(0).json();
    let check = named(&report["results"], "redis");
    assert_eq!(check["state"], "ok", "{report:#}");
    assert!(measured(check, "used_memory") > 100_000.0, "{check:#}");
    assert!(measured(check, "connected_clients") >= 1.0, "{check:#}");
}

/// Every behaviour: `down` or `unknown` within the deadline, and the check beside it is not held up.
fn survives_all(protocol: Protocol) {
    let good = Web::start();
    for behaviour in Behaviour::ALL {
        let hostile = Hostile::start(behaviour, protocol);
        let (name, config) = section(protocol, &hostile.url(protocol));
        let beside = format!("[[health.external_api.endpoint]]\nname = \"good\"\nurl = \"{}\"\n", good.url());
        let sandbox = Sandbox::new(&(config + &beside));
        let run = sandbox.opsmedic(["check", name, "external_api", "--json"]).expect_code(1);
        assert!(run.elapsed < DEADLINE + Duration::from_secs(1), "{behaviour:?}: {run}");
        let report = run.json();
        let state = named(&report["results"], name)["state"].as_str().unwrap().to_owned();
        assert!(["down", "unknown"].contains(&state.as_str()), "{behaviour:?}: {report:#}");
        let beside = named(&report["results"], "external_api");
        assert_eq!(beside["state"], "ok", "{behaviour:?}: {report:#}");
        assert!(beside["duration_ms"].as_f64().unwrap() < 400.0, "{behaviour:?} held up its neighbour: {report:#}");
        assert!(!format!("{run}").contains("canary"), "a password came out: {run}");
    }
}

#[test]
fn http_survives_every_hostile_server() {
    survives_all(Protocol::Http);
}

#[test]
fn postgres_survives_every_hostile_server() {
    survives_all(Protocol::Postgres);
}

#[test]
fn redis_survives_every_hostile_server() {
    survives_all(Protocol::Redis);
}

#[test]
fn hostile_servers_leave_no_descriptor_open_and_no_memory_taken() {
    let protocols = [Protocol::Http, Protocol::Postgres, Protocol::Redis];
    let ports = protocols.map(|_| free_port());
    let urls = protocols.map(|protocol| Hostile::start(Behaviour::Refused, protocol).url(protocol));
    let mut config = String::new();
    for ((protocol, port), url) in protocols.iter().zip(ports).zip(urls) {
        let (head, tail) = url.split_once("127.0.0.1:").unwrap();
        let tail = tail.trim_start_matches(|c: char| c.is_ascii_digit());
        config += &section(*protocol, &format!("{head}127.0.0.1:{port}{tail}")).1.replace("600", "300");
    }
    let sandbox = Sandbox::new(&config);
    let mut client = sandbox.serve();
    let names = json!({"names": ["application", "database", "redis"]});
    // The first call opens what stays open: the store, the HTTP client.
    client.ok("run_health_checks", &names);
    let baseline = client.open_files();
    for behaviour in Behaviour::ALL {
        let hostile: Vec<Hostile> = protocols.iter().zip(ports).map(|(&protocol, port)| Hostile::at(port, behaviour, protocol)).collect();
        for _ in 0..5 {
            let report = client.ok("run_health_checks", &names);
            for name in ["application", "database", "redis"] {
                let state = &named(&report["results"], name)["state"];
                assert!(state == "down" || state == "unknown", "{behaviour:?}: {report:#}");
            }
        }
        drop(hostile);
    }
    let settled = crate::support::wait_for(Duration::from_secs(3), || client.open_files() <= baseline);
    assert!(settled, "{} descriptors, {baseline} at first", client.open_files());
    let peak = client.memory_kib("VmHWM");
    assert!(peak < 128 * 1_024, "{peak} KiB at the peak: an endless body was kept");
}

#[test]
fn an_unknown_name_is_wrong_usage_and_lists_the_known_ones() {
    let run = Sandbox::new("").opsmedic(["check", "databse"]).expect_code(2);
    for name in ["application", "database", "redis", "external_api", "disk", "memory", "cpu", "network"] {
        assert!(run.stderr.contains(name), "{run}");
    }
}

#[test]
fn what_is_not_configured_is_skipped() {
    let report = Sandbox::new("").opsmedic(["check", "application", "database", "redis", "external_api", "network", "--json"]).json();
    for name in ["application", "database", "redis", "external_api", "network"] {
        assert_eq!(named(&report["results"], name)["state"], "skipped", "{report:#}");
    }
}

#[test]
fn this_machine_is_measured_without_configuration() {
    let report = Sandbox::new("").opsmedic(["check", "disk", "memory", "cpu", "--json"]).json();
    for name in ["disk", "memory", "cpu"] {
        let check = named(&report["results"], name);
        assert!(["ok", "degraded", "down"].contains(&check["state"].as_str().unwrap()), "{check:#}");
        assert!(check["measurements"].as_array().is_some_and(|list| !list.is_empty()), "{check:#}");
        assert!(["host", "cgroup"].contains(&check["scope"].as_str().unwrap()), "{check:#}");
    }
}

#[test]
fn overlapping_calls_each_get_their_figures() {
    let mut client = Sandbox::new("").serve();
    for _ in 0..20 {
        client.post("tools/call", json!({"name": "run_health_checks", "arguments": {"names": ["disk", "memory"]}}));
    }
    for _ in 0..20 {
        let answer = client.receive();
        for result in answer["result"]["structuredContent"]["results"].as_array().unwrap() {
            assert_ne!(result["state"], "unknown", "{result:#}");
        }
    }
}

#[test]
fn reports_are_kept_and_shown() {
    let service = Web::start();
    let sandbox = Sandbox::new(&format!("[health.application]\nurl = \"{}\"\n", service.url()));
    sandbox.opsmedic(["check", "application"]).expect_code(0);
    sandbox.opsmedic(["check", "application", "disk"]);
    let history = sandbox.opsmedic(["check", "--history", "--json"]).expect_code(0).json();
    assert_eq!(history.as_array().map(Vec::len), Some(2), "{history:#}");
    let one = sandbox.opsmedic(["check", "application", "--history", "1", "--json"]).expect_code(0).json();
    assert_eq!(one[0]["results"].as_array().map(Vec::len), Some(1), "{one:#}");
}

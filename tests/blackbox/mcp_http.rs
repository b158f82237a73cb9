//! MCP over HTTP, byte by byte: both transports, all revisions, limits and ends.

use std::{
    io::{Read as _, Write as _},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    backend::{Backend, Reply as BackendReply},
    hostile::{Behaviour, Hostile, Protocol},
    mcp::{McpClient, refusal},
    sandbox::Sandbox,
    served::{Served, SseClient, parse},
    wait_for,
};

const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const JSON: [(&str, &str); 2] = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];

fn ping() -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string()
}

fn initialize(revision: &str) -> Value {
    let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
}

/// A configuration whose check takes so many milliseconds to fail, because nobody answers.
fn slow_check(hostile: &Hostile, milliseconds: u64, more: &str) -> Sandbox {
    let url = hostile.url(Protocol::Http);
    Sandbox::new(&format!("{more}\n[health.application]\nurl = \"{url}\"\ntimeout_ms = {milliseconds}\n"))
}

#[test]
fn three_ways_to_call_give_the_same_answer() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let evidence = json!({"error_rate_percent": 60, "response_time_ms": 40_000, "description": "checkout is down"});
    let answer = |mut result: Value| {
        result["structuredContent"]["respond_by"].take();
        result["structuredContent"].take()
    };
    let modern = answer(served.call(&[], "classify_incident", &evidence));
    assert_eq!(modern["severity"], "P0", "{modern:#}");
    assert_eq!(modern, answer(served.session(&[]).call("classify_incident", &evidence)));
    assert_eq!(modern, answer(SseClient::open(&served, &[]).call("classify_incident", &evidence)));
    assert_eq!(modern, answer(sandbox.serve().call("classify_incident", &evidence)));
}

#[test]
fn every_revision_is_served_on_every_transport() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    for revision in REVISIONS {
        let reply = served.post(&[], &initialize(revision));
        assert_eq!(reply.result()["protocolVersion"], revision, "{reply:?}");
        let mut sse = SseClient::open_only(&served, &[]);
        assert_eq!(sse.request("initialize", initialize(revision)["params"].clone())["result"]["protocolVersion"], revision);
        let mut stdio = McpClient::start(&mut sandbox.command(["serve"]));
        assert_eq!(stdio.request("initialize", initialize(revision)["params"].clone()).unwrap()["protocolVersion"], revision);
    }
    let discovered = served.modern(&[], "server/discover", json!({})).result();
    let versions = discovered["supportedVersions"].to_string();
    assert!(REVISIONS.iter().chain(&["2026-07-28"]).all(|revision| versions.contains(revision)), "{discovered:#}");
    let reply = served.post(&[("Mcp-Protocol-Version", "1999-01-01")], &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(reply.status, 400, "{reply:?}");
}

#[test]
fn a_wrong_host_or_origin_is_refused_on_every_route_before_the_body() {
    let sandbox = Sandbox::new("[http]\nallowed_hosts = [\"ops.example.com\"]\nallowed_origins = [\"https://console.example.com\"]\n");
    let served = Served::start(&sandbox, &[]);
    let good = served.address.to_string();
    let refused: [&[(&str, &str)]; 6] = [
        &[("Host", "evil.example"), ("Origin", "https://console.example.com")],
        &[("Host", &good), ("Origin", "http://evil.example")],
        &[("Host", &good), ("Origin", "null")],
        &[("Host", "localhost.evil.example")],
        &[("Host", &good), ("Host", "evil.example")],
        &[("Host", &good), ("Origin", "https://console.example.com"), ("Origin", "http://evil.example")],
    ];
    for headers in refused {
        for (method, path) in [
            ("POST", "/mcp"),
            ("GET", "/mcp"),
            ("DELETE", "/mcp"),
            ("GET", "/sse"),
            ("POST", "/messages?sessionId=1"),
            ("GET", "/healthz"),
            ("GET", "/metrics"),
        ] {
            // The body that is announced never comes: who waited for it would not answer.
            let mut stream = served.connect();
            let head = served.head(method, path, headers, 1_000_000).replace("Content-Length: 1000000", "Content-Length: 1000");
            stream.write_all(head.as_bytes()).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
            let mut bytes = vec![0; 12];
            stream.read_exact(&mut bytes).unwrap_or_else(|e| panic!("{method} {path} {headers:?}: {e}"));
            let status = String::from_utf8_lossy(&bytes).into_owned();
            // Two hosts are already no request to the HTTP library.
            assert!(status.ends_with("403") || status.ends_with("400"), "{method} {path} {headers:?}: {status}");
        }
    }
    let fine = served.request("GET", "/healthz", &[("Host", "ops.example.com"), ("Origin", "https://console.example.com")], "");
    assert_eq!((fine.status, fine.header("access-control-allow-origin")), (200, Some("https://console.example.com")), "{fine:?}");
    let preflight = served.request("OPTIONS", "/mcp", &[("Origin", "https://console.example.com"), ("Access-Control-Request-Method", "POST")], "");
    assert_eq!(preflight.status, 204, "{preflight:?}");
    assert!(preflight.header("access-control-allow-headers").is_some_and(|names| names.contains("mcp-protocol-version")), "{preflight:?}");
}

#[test]
fn a_body_is_bounded_in_size_and_time() {
    let sandbox = Sandbox::new("[http]\nmax_body_bytes = 4096\nbody_timeout_seconds = 1\n");
    let served = Served::start(&sandbox, &[]);
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y".repeat(5_000)}});
    assert_eq!(served.post(&[], &long).status, 413, "announced");
    for path in ["/mcp", "/messages?sessionId=x"] {
        let mut stream = served.connect();
        let head = served.head("POST", path, &[JSON[0], JSON[1], ("Transfer-Encoding", "chunked")], 0);
        stream.write_all(head.as_bytes()).unwrap();
        // It may close as soon as it has seen too much.
        let _ = stream.write_all(format!("1400\r\n{}\r\n", "x".repeat(0x1400)).as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert_eq!(parse(&bytes).status, 413, "not announced, {path}");
    }
    let mut stream = served.connect();
    stream.write_all(format!("{}{{", served.head("POST", "/mcp", &JSON, 100)).as_bytes()).unwrap();
    let (begun, mut bytes) = (Instant::now(), Vec::new());
    let _ = stream.read_to_end(&mut bytes);
    assert_eq!(parse(&bytes).status, 408);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_message_is_told_so() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let sse = SseClient::open(&served, &[]);
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let wide = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[{}0]}}", "0,".repeat(60_000));
    let no_parse = json!(-32_700);
    let invalid = json!(-32_600);
    let cases =
        [("{", &no_parse), ("\u{0}", &no_parse), ("", &no_parse), ("[]", &invalid), ("7", &invalid), (deep.as_str(), &invalid), (wide.as_str(), &invalid)];
    for (body, code) in cases {
        for path in ["/mcp", sse.address.as_str()] {
            let reply = served.request("POST", path, &JSON, body);
            let shown = &body[..body.len().min(60)];
            assert_eq!(reply.status, 400, "{path} {shown:?}: {reply:?}");
            assert_eq!(&reply.messages()[0]["error"]["code"], code, "{path} {shown:?}: {reply:?}");
        }
    }
    let mut session = served.session(&[]);
    for params in [json!({}), json!({"name": 7}), json!({"name": "classify_incident", "arguments": []})] {
        let reply = session.request("tools/call", params.clone());
        assert_eq!(reply.messages().last().unwrap()["error"]["code"], -32_602, "{params}: {reply:?}");
    }
}

#[test]
fn invalid_requests_open_no_session_and_a_full_house_says_so_at_once() {
    let sandbox = Sandbox::new("[http]\nmax_sessions = 3\n");
    let served = Served::start(&sandbox, &[]);
    for body in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
        initialize("x")["params"].clone(),
    ] {
        let reply = served.post(&[], &body);
        assert!(reply.header("mcp-session-id").is_none(), "{reply:?}");
    }
    let reply = served.post(&[("Mcp-Session-Id", "nosuch")], &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(served.request("GET", "/metrics", &[], "").body.contains("opsmedic_sessions 0"), "nothing was opened");
    let (first, _second) = (served.session(&[]), served.session(&[]));
    let _third = SseClient::open(&served, &[]);
    let begun = Instant::now();
    // However it is written, and however often: no error of this server's.
    let hidden = initialize("2025-11-25").to_string().replace("\"initialize\"", "\"initi\\u0061lize\"");
    assert_eq!(served.request("POST", "/mcp", &JSON, &hidden).status, 503);
    let reply = served.post(&[], &initialize("2025-11-25"));
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{reply:?}");
    assert!(reply.header("mcp-session-id").is_none(), "{reply:?}");
    assert_eq!(served.request("GET", "/sse", &[], "").status, 503);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(served.call(&[], "classify_incident", &json!({"error_rate_percent": 1}))["isError"], false, "without a session there is room");
    first.close();
    assert_eq!(served.post(&[], &initialize("2025-11-25")).status, 200);
    assert!(!served.stderr().contains("ERROR"), "{}", served.stderr());
}

#[test]
fn the_size_of_a_body_is_a_matter_of_the_configuration_on_every_route() {
    let served = Served::start(&Sandbox::new("[http]\nmax_body_bytes = 4194304\n"), &[]);
    let large = json!({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"x": "y".repeat(3 << 20)}});
    let (session, sse) = (served.session(&[]), SseClient::open(&served, &[]));
    assert_eq!((session.send(&large).status, sse.post(&large).status), (200, 202));
}

#[test]
fn a_session_of_the_older_transport_ends_with_its_stream() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let sse = SseClient::open(&served, &[]);
    let address = sse.address.clone();
    drop(sse);
    let gone = || served.request("POST", &address, &JSON, &ping()).status == 404;
    assert!(wait_for(Duration::from_secs(3), gone), "it is still there");
}

#[test]
fn a_call_longer_than_the_keep_alive_gets_its_answer_and_an_idle_session_goes() {
    let hostile = Hostile::start(Behaviour::AcceptThenHang, Protocol::Http);
    let sandbox = slow_check(&hostile, 4_000, "[http]\nsession_idle_seconds = 1\n");
    let served = Served::start(&sandbox, &[]);
    let mut session = served.session(&[]);
    let begun = Instant::now();
    let result = session.call("run_health_checks", &json!({"names": ["application"]}));
    assert_eq!(result["structuredContent"]["state"], "down", "{result:#}");
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    let gone = || session.send(&json!({"jsonrpc": "2.0", "id": 9, "method": "ping"})).status == 404;
    thread::sleep(Duration::from_secs(3));
    assert!(gone(), "an idle session stays");
}

#[test]
fn asked_to_end_it_takes_nothing_new_and_finishes_what_it_has() {
    let hostile = Hostile::start(Behaviour::AcceptThenHang, Protocol::Http);
    let sandbox = slow_check(&hostile, 2_000, "");
    let mut served = Served::start(&sandbox, &[]);
    // A stream that only listens is not waited for.
    let mut listening = served.connect();
    listening.write_all(served.head("GET", "/sse", &[], 0).as_bytes()).unwrap();
    thread::scope(|scope| {
        let served = &served;
        let calls = [
            scope.spawn(move || served.call(&[], "run_health_checks", &json!({"names": ["application"]}))),
            scope.spawn(move || served.session(&[]).call("run_health_checks", &json!({"names": ["application"]}))),
        ];
        thread::sleep(Duration::from_millis(700));
        served.signal(Signal::TERM);
        thread::sleep(Duration::from_millis(200));
        assert!(std::net::TcpStream::connect(served.address).is_err(), "it still accepts");
        for call in calls {
            let result = call.join().unwrap();
            assert_eq!(result["structuredContent"]["state"], "down", "{result:#}");
        }
    });
    assert!(served.wait_end(Duration::from_secs(2)).success());
    drop(listening);
}

#[test]
fn asked_to_end_it_waits_for_a_body_that_is_arriving() {
    let mut served = Served::start(&Sandbox::new(""), &[]);
    let body = ping();
    let mut stream = served.connect();
    stream.write_all(format!("{}{}", served.head("POST", "/nowhere", &JSON, body.len()), &body[..9]).as_bytes()).unwrap();
    // A stream that only listens keeps its connection, and nobody waits for that.
    let mut listening = served.connect();
    listening.write_all(served.head("GET", "/sse", &[], 0).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(300));
    served.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(1_500));
    stream.write_all(&body.as_bytes()[9..]).unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert_eq!(parse(&bytes).status, 404);
    assert!(served.wait_end(Duration::from_secs(2)).success());
    drop(listening);
}

#[test]
fn a_call_that_outlasts_the_drain_is_cut_off() {
    let hostile = Hostile::start(Behaviour::AcceptThenHang, Protocol::Http);
    let sandbox = slow_check(&hostile, 20_000, "[http]\ndrain_seconds = 1\n");
    let mut served = Served::start(&sandbox, &[]);
    let mut stream = served.connect();
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "run_health_checks", "arguments": {"names": ["application"]}}});
    let session = served.session(&[]);
    let headers: Vec<_> = JSON.into_iter().chain(session.headers()).collect();
    stream.write_all(format!("{}{call}", served.head("POST", "/mcp", &headers, call.to_string().len())).as_bytes()).unwrap();
    thread::sleep(Duration::from_millis(500));
    served.signal(Signal::TERM);
    let begun = Instant::now();
    assert!(served.wait_end(Duration::from_secs(6)).success());
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
}

#[test]
fn reading_logs_keeps_nobody_else_waiting() {
    let hostile = Hostile::start(Behaviour::AcceptThenHang, Protocol::Http);
    let url = hostile.url(Protocol::Http);
    let sandbox = Sandbox::new(&format!(
        "[mcp]\nmax_log_calls = 1\nmax_calls = 1\nmax_queued_calls = 1\n[logs]\nroots = [\"{{dir}}/logs\"]\n[health.application]\nurl = \"{url}\"\ntimeout_ms = 3000\n"
    ));
    let line = "2026-11-20 10:00:00 [ERROR] db: deadlock detected while updating order 12345 of customer 6789\n";
    sandbox.write("logs/app.log", &line.repeat(3_000_000));
    let served = Served::start(&sandbox, &[]);
    let logs = sandbox.fill("{dir}/logs/app.log");
    thread::scope(|scope| {
        let (served, logs) = (&served, &logs);
        let read = move || served.call(&[], "analyze_logs", &json!({"paths": [logs], "since": "all"}));
        let readers: Vec<_> = (0..6).map(|_| scope.spawn(read)).collect();
        thread::sleep(Duration::from_millis(100));
        let begun = Instant::now();
        let result = served.call(&[], "classify_incident", &json!({"error_rate_percent": 1}));
        assert_eq!(result["isError"], false, "{result:#}");
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?} beside the readers", begun.elapsed());
        let answers: Vec<Value> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        let busy = answers.iter().filter(|answer| answer["isError"] == true && refusal(answer)["code"] == "busy").count();
        assert_eq!(busy, 4, "one runs, one waits: {answers:#?}");
        assert!(answers.iter().any(|answer| answer["isError"] == false), "{answers:#?}");
        // The other lane has the same limits, and a fast word for who is too many.
        let check = move || served.call(&[], "run_health_checks", &json!({"names": ["application"]}));
        let checks: Vec<_> = (0..4).map(|_| scope.spawn(check)).collect();
        let answers: Vec<Value> = checks.into_iter().map(|check| check.join().unwrap()).collect();
        assert_eq!(answers.iter().filter(|answer| answer["isError"] == true && refusal(answer)["code"] == "busy").count(), 2, "{answers:#?}");
    });
}

#[test]
fn calls_errors_and_latencies_are_told_to_prometheus() {
    let served = Served::start(&Sandbox::new(""), &[]);
    served.call(&[], "get_playbook", &json!({"id": "service_down"}));
    served.call(&[], "get_playbook", &json!({"id": "nosuch"}));
    let reply = served.request("GET", "/metrics", &[], "");
    for line in [
        "opsmedic_tool_calls_total{tool=\"get_playbook\"} 2",
        "opsmedic_tool_errors_total{tool=\"get_playbook\",code=\"unknown_playbook\"} 1",
        "opsmedic_tool_call_duration_seconds_count{tool=\"get_playbook\"} 2",
    ] {
        assert!(reply.body.contains(line), "{line} is not in {reply:?}");
    }
    assert!(!reply.body.contains("nosuch"), "a label is never what a caller said: {reply:?}");
}

#[test]
fn who_may_only_read_starts_nothing_on_any_transport() {
    let backend = Backend::replying(BackendReply::Status(200));
    let sandbox = Sandbox::new(&format!(
        "[[targets]]\nname = \"shop\"\npolicy = \"auto\"\nsoak_seconds = 0\n[targets.check.application]\nurl = \"http://127.0.0.1:9\"\n\
         [targets.actions.restart_service.http]\nurl = \"{}/restart\"\n",
        backend.url()
    ));
    let arguments = json!({"issue_type": "service_unavailable", "target": "shop", "reason": "it is down"});
    let served = Served::start(&sandbox, &[]);
    let mut refusals = vec![served.call(&[], "trigger_recovery", &arguments), served.session(&[]).call("trigger_recovery", &arguments)];
    refusals.push(SseClient::open(&served, &[]).call("trigger_recovery", &arguments));
    for revision in REVISIONS {
        let mut client = McpClient::start(&mut sandbox.command(["serve", "--read-only"]));
        client.request("initialize", initialize(revision)["params"].clone()).unwrap();
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        refusals.push(client.call("trigger_recovery", &arguments));
        refusals.push(client.call("undo_recovery", &json!({"operation_id": format!("op_{}", "0".repeat(32))})));
    }
    for refused in &refusals {
        assert_eq!(refused["isError"], true, "{refused:#}");
        assert!(["read_only", "insufficient_scope"].contains(&refusal(refused)["code"].as_str().unwrap()), "{refused:#}");
    }
    assert_eq!(backend.received().len(), 0, "{:?}", backend.received());
}

//! The wire: MCP over stdio, line by line.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{House, mcp::McpClient, sandbox::Sandbox};

#[test]
fn every_tool_is_listed_and_answers() {
    let house = House::build();
    let mut client = McpClient::start(&mut house.sandbox.command(["serve"]));
    let hello = client.initialize();
    assert_eq!(hello["protocolVersion"], "2025-11-25");
    assert_eq!(hello["serverInfo"]["name"], "opsmedic");
    assert!(hello["capabilities"]["tools"].is_object(), "{hello:#}");
    let mut listed: Vec<String> = client.tools().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    for (tool, arguments) in house.calls() {
        let result = client.call(tool, &arguments);
        assert_ne!(result["isError"], true, "{tool}: {result:#}");
        assert!(result["structuredContent"].is_object(), "{tool}: {result:#}");
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{tool} has no readable text");
        listed.retain(|name| name != tool);
    }
    assert!(listed.is_empty(), "tools that no test calls: {listed:?}");
    let stderr = client.end();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn every_tool_has_title_annotations_and_output_schema() {
    for tool in Sandbox::new("").serve().tools() {
        let name = tool["name"].as_str().unwrap();
        assert!(tool["title"].as_str().is_some_and(|title| !title.is_empty()), "{name} has no title");
        assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        let notes = &tool["annotations"];
        for key in ["readOnlyHint", "openWorldHint"] {
            assert!(notes[key].is_boolean(), "{name} has no {key}: {notes}");
        }
        assert_eq!(notes["readOnlyHint"] == true, !["trigger_recovery", "undo_recovery"].contains(&name), "{name}: {notes}");
    }
}

#[test]
fn an_end_of_input_ends_the_server_at_once() {
    let mut client = Sandbox::new("").serve();
    client.tools();
    client.close_stdin();
    let (status, took) = client.wait_end(Duration::from_secs(1));
    assert!(status.success(), "{status} after {took:?}");
}

#[test]
fn an_end_of_input_before_the_first_word_ends_it_too() {
    let sandbox = Sandbox::new("");
    let mut client = McpClient::start(&mut sandbox.command(["serve"]));
    // It waits for a word, and does not wait for ever.
    std::thread::sleep(Duration::from_millis(300));
    assert!(client.running(), "it ended before the end of input");
    client.close_stdin();
    client.wait_end(Duration::from_secs(1));
}

#[test]
fn a_request_to_terminate_ends_the_server_while_its_input_is_open() {
    let mut client = Sandbox::new("").serve();
    client.tools();
    client.terminate();
    client.wait_end(Duration::from_secs(1));
}

#[test]
fn an_unknown_tool_is_a_protocol_error() {
    let mut client = Sandbox::new("").serve();
    let error = client.request("tools/call", json!({"name": "reboot_everything", "arguments": {}})).unwrap_err();
    assert_eq!(error["code"], -32602, "{error:#}");
}

#[test]
fn malformed_calls_are_answered_as_invalid_parameters() {
    let mut client = Sandbox::new("").serve();
    for params in [json!({}), json!({"name": "classify_incident", "arguments": []}), json!({"name": 7})] {
        let error = client.request("tools/call", params.clone()).unwrap_err();
        assert_eq!(error["code"], -32602, "{params}: {error:#}");
    }
    let error = client.request("no/such/method", json!({})).unwrap_err();
    assert_eq!(error["code"], -32601, "{error:#}");
    assert_eq!(client.tools().len(), 8, "the server goes on");
}

#[test]
fn bad_arguments_are_refused_with_code_message_and_hint() {
    let house = House::build();
    let mut client = house.sandbox.serve();
    let calls = [
        ("classify_incident", json!({})),
        ("classify_incident", json!({"error_rate_percent": 101})),
        ("classify_incident", json!({"error_rate_percent": "many"})),
        ("classify_incident", json!({"affected_users": -1})),
        ("classify_incident", json!({"eror_rate_percent": 5})),
        ("run_health_checks", json!({"names": ["nosuch"]})),
        ("analyze_logs", json!({"paths": []})),
        ("analyze_logs", json!({"paths": ["/etc/passwd"]})),
        ("analyze_logs", json!({"paths": [house.sandbox.fill("{dir}/logs/../opsmedic.toml")]})),
        ("plan_recovery", json!({"issue_type": "bad_weather", "target": "shop"})),
        ("trigger_recovery", json!({"issue_type": "service_unavailable", "target": "nosuch", "reason": "x"})),
        ("get_recovery", json!({"operation_id": "op_1"})),
        ("get_recovery", json!({"wait_seconds": 25})),
        ("undo_recovery", json!({"operation_id": format!("op_{}", "0".repeat(32))})),
        ("get_playbook", json!({"id": "nosuch"})),
    ];
    for (tool, arguments) in calls {
        client.refused(tool, &arguments);
    }
}

#[test]
fn what_cannot_be_read_is_answered_and_the_stream_goes_on() {
    let mut client = Sandbox::new("").serve();
    let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\",\"params\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let long = format!("{{\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\",\"params\":\"{}\"}}", "x".repeat(1 << 20));
    let cases = [
        ("this is no JSON", -32_700, Value::Null),
        ("{\"jsonrpc\":\"2.0\",\"id\":", -32_700, Value::Null),
        ("\u{0}", -32_700, Value::Null),
        ("[]", -32_600, Value::Null),
        ("{\"jsonrpc\":\"2.0\",\"id\":4}", -32_600, json!(4)),
        (&deep, -32_600, Value::Null),
        (&long, -32_600, Value::Null),
    ];
    for (line, code, id) in cases {
        client.send_line(line);
        let shown = &line[..line.len().min(60)];
        let answer = client.receive();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &id), "{shown:?}: {answer}");
    }
    client.send_line("");
    client.send_line("\r");
    assert_eq!(client.tools().len(), 8, "the server goes on");
}

#[test]
fn a_last_line_without_its_end_is_answered_too() {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let run = Sandbox::new("").opsmedic_with_input(
        ["serve"],
        format!(
            "{hello}\n{}\n{}",
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
        )
        .as_bytes(),
    );
    let answers = run.expect_code(0).json_lines();
    assert_eq!(answers.len(), 2, "{answers:#?}");
    assert!(answers[1]["result"]["tools"].is_array(), "{answers:#?}");
}

#[test]
fn initialize_is_answered_within_50_ms_of_start() {
    let sandbox = Sandbox::new("");
    let attempt = || {
        let begun = Instant::now();
        let mut client = McpClient::start(&mut sandbox.command(["serve"]));
        client.initialize();
        begun.elapsed()
    };
    let best = (0..5).map(|_| attempt()).min().unwrap();
    assert!(best < Duration::from_millis(50), "the best of five took {best:?}");
    println!("initialize answered after {best:?}, best of five");
}

#[test]
fn an_idle_server_stays_under_20_mb() {
    let mut client = Sandbox::new("").serve();
    client.tools();
    std::thread::sleep(Duration::from_secs(1));
    let kib = client.memory_kib("VmRSS");
    assert!(kib * 1_024 < 20_000_000, "{kib} KiB resident");
    println!("{kib} KiB resident when idle");
}

#[test]
fn concurrent_calls_are_answered_each_under_its_own_id() {
    let house = House::build();
    let mut client = house.sandbox.serve();
    let ids: Vec<(u64, u32)> = (0..20_u32)
        .map(|users| (client.post("tools/call", json!({"name": "classify_incident", "arguments": {"affected_users": users, "error_rate_percent": 1}})), users))
        .collect();
    let mut answers: Vec<Value> = ids.iter().map(|_| client.receive()).collect();
    for (id, users) in ids {
        let at = answers.iter().position(|answer| answer["id"] == id).unwrap_or_else(|| panic!("no answer to {id}"));
        let answer = answers.swap_remove(at);
        let rules = answer["result"]["structuredContent"]["rules"].as_array().unwrap();
        let seen = rules.iter().find(|rule| rule.to_string().contains("affected_users")).unwrap_or_else(|| panic!("{answer:#}"));
        assert_eq!(seen["value"].as_f64(), Some(f64::from(users)), "{seen}");
    }
}

#[test]
fn stdout_stays_protocol_when_the_log_is_loud() {
    let house = House::build();
    let mut client = McpClient::start(house.sandbox.command(["serve"]).env("RUST_LOG", "trace").env("OPSMEDIC_LOG", "trace"));
    client.initialize();
    for (tool, arguments) in house.calls() {
        client.call(tool, &arguments);
    }
    client.end();
}

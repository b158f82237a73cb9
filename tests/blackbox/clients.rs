//! The clients that people use: the Python SDK and the Inspector's command line.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::support::{
    House, package,
    sandbox::{BINARY, Finished, finish},
    skip::need,
};

/// Where tests/run put the clients, or why it could not.
fn tools(program: &str, reason: &str) -> Result<PathBuf, String> {
    if let Some(reason) = std::env::var(reason).ok().filter(|reason| !reason.is_empty()) {
        return Err(reason);
    }
    let beside = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools");
    let program = std::env::var_os("OPSMEDIC_TEST_TOOLS").map_or_else(beside, PathBuf::from).join(program);
    if program.exists() { Ok(program) } else { Err("not installed: tests/run does that".to_owned()) }
}

fn python(house: &House, mode: &str, program: &std::path::Path) {
    let calls = json!({"calls": house.calls(), "command": BINARY, "mode": mode, "environment": environment(house)});
    let mut command = Command::new(program);
    house.sandbox.confine(&mut command);
    let run = finish(command.arg(package().join("tests/clients/python_client.py")), calls.to_string().as_bytes()).expect_code(0);
    check_answers(house, &run.json(), mode);
}

/// What the server must be told; the clients hand nothing else on.
fn environment(house: &House) -> Value {
    json!({"OPSMEDIC_CONFIG": house.sandbox.path("opsmedic.toml"), "OPSMEDIC_STATE_DIR": house.sandbox.path("state"), "TZ": "UTC"})
}

fn check_answers(house: &House, answers: &Value, what: &str) {
    let calls = house.calls();
    let listed = answers["tools"].as_array().unwrap_or_else(|| panic!("{what}: {answers:#}"));
    for (tool, _) in &calls {
        assert!(listed.iter().any(|name| name == tool), "{what} does not list {tool}");
        let result = &answers["results"][tool];
        assert_eq!(result["is_error"], false, "{what}: {tool}: {result:#}");
        assert!(result["structured"].is_object(), "{what}: {tool}: {result:#}");
    }
    assert_eq!(listed.len(), calls.len(), "{what}: {listed:?}");
}

#[test]
fn python_sdk_with_the_handshake() {
    let program = need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON"));
    python(&House::build(), "legacy", &program);
}

#[test]
fn python_sdk_choosing_by_itself() {
    let program = need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON"));
    python(&House::build(), "auto", &program);
}

#[test]
fn python_sdk_without_a_session() {
    let program = need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON"));
    python(&House::build(), "2026-07-28", &program);
}

fn inspect(house: &House, program: &std::path::Path, args: &[&str]) -> Finished {
    let mut command = Command::new(program);
    house.sandbox.confine(&mut command);
    // A Node that came with the Inspector is used before the machine's.
    let path = std::env::join_paths([program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    command.env("PATH", path.unwrap()).args(["--cli", BINARY, "serve"]);
    for (key, value) in environment(house).as_object().unwrap() {
        command.arg("-e").arg(format!("{key}={}", value.as_str().unwrap()));
    }
    finish(command.args(["--format", "json", "-q"]).args(args), b"")
}

#[test]
fn inspector_lists_strictly_and_calls_every_tool() {
    let program = need!(tools("inspector/node_modules/.bin/mcp-inspector", "OPSMEDIC_TEST_NO_INSPECTOR"));
    let house = House::build();
    let list = inspect(&house, &program, &["--method", "tools/list", "--strict"]).expect_code(0);
    assert_eq!(list.stderr.trim(), "", "schema problems");
    let listed: Vec<Value> = list.json()["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    let mut results = json!({});
    for (tool, arguments) in house.calls() {
        let run = inspect(&house, &program, &["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments.to_string()]).expect_code(0);
        let result = &run.json()["result"];
        results[tool] = json!({"is_error": result["isError"] == true, "structured": result["structuredContent"]});
    }
    check_answers(&house, &json!({"tools": listed, "results": results}), "inspector");
}

#[test]
fn inspector_without_a_session() {
    let program = need!(tools("inspector/node_modules/.bin/mcp-inspector", "OPSMEDIC_TEST_NO_INSPECTOR"));
    let house = House::build();
    let list = inspect(&house, &program, &["--method", "tools/list", "--protocol-era", "modern"]).expect_code(0);
    assert_eq!(list.json()["result"]["tools"].as_array().map(Vec::len), Some(house.calls().len()), "{list}");
}

//! The clients that people use, on every transport: the Python SDK in its three modes, both TypeScript SDKs, and the Inspector's command line.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    House, package,
    sandbox::{BINARY, Finished, Sandbox, finish},
    served::Served,
    skip::need,
};

/// What acts; over HTTP only a token with the scope may call it.
const ACTING: &[&str] = &["trigger_recovery", "undo_recovery"];
/// What an acting call without such a token is told.
const REFUSED: &[&str] = &["read_only", "insufficient_scope"];

/// Where tests/run put the clients, or why it could not.
pub(crate) fn tools(program: &str, reason: &str) -> Result<PathBuf, String> {
    if let Some(reason) = std::env::var(reason).ok().filter(|reason| !reason.is_empty()) {
        return Err(reason);
    }
    let beside = || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools");
    let program = std::env::var_os("OPSMEDIC_TEST_TOOLS").map_or_else(beside, PathBuf::from).join(program);
    if program.exists() { Ok(program) } else { Err("not installed: tests/run does that".to_owned()) }
}

/// A confined command that looks for programs in this folder before the machine's: a Node may have come with a package.
pub(crate) fn with_its_node(sandbox: &Sandbox, program: &Path, bin: PathBuf) -> Command {
    let mut command = Command::new(program);
    sandbox.confine(&mut command);
    let path = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    command.env("PATH", path.unwrap());
    command
}

/// What the server must be told; the clients hand nothing else on.
fn environment(house: &House) -> Value {
    json!({"OPSMEDIC_CONFIG": house.sandbox.path("opsmedic.toml"), "OPSMEDIC_STATE_DIR": house.sandbox.path("state"), "TZ": "UTC"})
}

/// How a client reaches the server of a house.
struct Way<'h> {
    house: &'h House,
    served: Option<Served>,
    transport: &'static str,
}

impl<'h> Way<'h> {
    fn to(house: &'h House, transport: &'static str) -> Self {
        let served = (transport != "stdio").then(|| Served::start(&house.sandbox, &[]));
        Self { house, served, transport }
    }

    fn url(&self) -> Option<String> {
        self.served.as_ref().map(|served| served.url(if self.transport == "sse" { "/sse" } else { "/mcp" }))
    }

    /// What the clients in tests/clients read, with something of their own.
    fn order(&self, own: &Value) -> String {
        let mut order = json!({"transport": self.transport, "calls": self.house.calls()});
        match self.url() {
            Some(url) => order["url"] = url.into(),
            None => (order["command"], order["environment"]) = (BINARY.into(), environment(self.house)),
        }
        order.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        order.to_string()
    }

    /// Every tool is listed and answered; what acts over HTTP is refused by name.
    #[track_caller]
    fn check(&self, answers: &Value, what: &str) {
        let calls = self.house.calls();
        let listed = answers["tools"].as_array().unwrap_or_else(|| panic!("{what}: {answers:#}"));
        for (tool, _) in &calls {
            assert!(listed.iter().any(|name| name == tool), "{what} does not list {tool}");
            let result = &answers["results"][tool];
            if self.served.is_some() && ACTING.contains(tool) {
                assert_eq!(result["is_error"], true, "{what}: {tool} acts without a token: {result:#}");
                assert!(is_refusal(result), "{what}: {tool}: {result:#}");
            } else {
                assert_eq!(result["is_error"], false, "{what}: {tool}: {result:#}");
                assert!(result["structured"].is_object(), "{what}: {tool}: {result:#}");
            }
        }
        assert_eq!(listed.len(), calls.len(), "{what}: {listed:?}");
    }
}

/// A refusal for want of a scope, as structure or in words.
fn is_refusal(result: &Value) -> bool {
    let text = ["structured", "text", "thrown"].map(|key| result[key].as_str().unwrap_or_else(|| result[key]["code"].as_str().unwrap_or_default()));
    REFUSED.iter().any(|code| text.iter().any(|text| text.contains(code)))
}

fn python(way: &Way<'_>, mode: &str, program: &Path) {
    let mut command = Command::new(program);
    way.house.sandbox.confine(&mut command);
    let order = way.order(&json!({ "mode": mode }));
    let run = finish(command.arg(package().join("tests/clients/python_client.py")), order.as_bytes()).expect_code(0);
    let what = format!("Python {mode} over {}", way.transport);
    let answers = run.json();
    way.check(&answers, &what);
    // The stream of 2024-11-05 carries messages of any revision, and the SDK does not mind.
    assert_eq!(answers["protocol"], if mode == "legacy" { "2025-11-25" } else { "2026-07-28" }, "{what}");
    // Over stdio it also hands on what the server logs.
    assert!(way.served.is_none() || run.stderr.is_empty(), "{what} complains: {}", run.stderr);
}

fn python_in_all_modes(transport: &'static str, program: &Path) {
    for mode in ["legacy", "auto", "2026-07-28"] {
        // What was done once cannot be undone again, so each gets a house of its own.
        python(&Way::to(&House::build(), transport), mode, program);
    }
}

#[test]
fn python_sdk_over_stdio() {
    python_in_all_modes("stdio", &need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON")));
}

#[test]
fn python_sdk_over_http() {
    python_in_all_modes("http", &need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON")));
}

#[test]
fn python_sdk_over_sse() {
    python_in_all_modes("sse", &need!(tools("python/bin/python", "OPSMEDIC_TEST_NO_PYTHON")));
}

fn typescript(transport: &'static str, own: &Value, protocol: &str, packages: &Path) {
    let house = House::build();
    let way = Way::to(&house, transport);
    let mut command = with_its_node(&house.sandbox, Path::new("node"), packages.join("node_modules/.bin"));
    command.current_dir(packages).arg(package().join("tests/clients/typescript_client.mjs"));
    let answers = finish(&mut command, way.order(own).as_bytes()).expect_code(0).json();
    let what = format!("TypeScript {own} over {transport}");
    way.check(&answers, &what);
    if !answers["protocol"].is_null() {
        assert_eq!(answers["protocol"], protocol, "{what}");
    }
}

fn typescript_in_all_modes(transport: &'static str, packages: &Path) {
    typescript(transport, &json!({"sdk": "v1"}), "2025-11-25", packages);
    typescript(transport, &json!({"sdk": "v2"}), "2025-11-25", packages);
    typescript(transport, &json!({"sdk": "v2", "mode": "auto"}), "2026-07-28", packages);
    typescript(transport, &json!({"sdk": "v2", "mode": {"pin": "2026-07-28"}}), "2026-07-28", packages);
}

#[test]
fn typescript_sdks_over_stdio() {
    typescript_in_all_modes("stdio", &need!(tools("typescript", "OPSMEDIC_TEST_NO_TYPESCRIPT")));
}

#[test]
fn typescript_sdks_over_http() {
    typescript_in_all_modes("http", &need!(tools("typescript", "OPSMEDIC_TEST_NO_TYPESCRIPT")));
}

#[test]
fn typescript_sdks_over_sse() {
    typescript_in_all_modes("sse", &need!(tools("typescript", "OPSMEDIC_TEST_NO_TYPESCRIPT")));
}

fn inspect(way: &Way<'_>, program: &Path, args: &[&str]) -> Finished {
    let mut command = with_its_node(&way.house.sandbox, program, program.parent().unwrap().to_owned());
    command.arg("--cli");
    match way.url() {
        Some(url) => {
            command.args([url.as_str(), "--transport", way.transport]);
        }
        None => {
            command.args([BINARY, "serve"]);
            for (key, value) in environment(way.house).as_object().unwrap() {
                command.arg("-e").arg(format!("{key}={}", value.as_str().unwrap()));
            }
        }
    }
    finish(command.args(["--format", "json", "-q"]).args(args), b"")
}

/// Lists with every check on, then calls every tool.
fn inspect_all(transport: &'static str, program: &Path) {
    let house = House::build();
    let way = Way::to(&house, transport);
    let list = inspect(&way, program, &["--method", "tools/list", "--strict"]).expect_code(0);
    assert_eq!(list.stderr.trim(), "", "schema problems");
    let listed: Vec<Value> = list.json()["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    let mut results = json!({});
    for (tool, arguments) in house.calls() {
        let run = inspect(&way, program, &["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments.to_string()]);
        let refused = way.served.is_some() && ACTING.contains(&tool);
        assert_eq!(run.code, Some(if refused { 5 } else { 0 }), "{tool} over {transport}: {run}");
        let result = &run.json()["result"];
        results[tool] = json!({"is_error": result["isError"] == true, "structured": result["structuredContent"], "text": result["content"][0]["text"]});
    }
    way.check(&json!({"tools": listed, "results": results}), &format!("Inspector over {transport}"));
    let modern = inspect(&way, program, &["--method", "tools/list", "--protocol-era", "modern", "--strict"]).expect_code(0);
    assert_eq!(modern.json()["result"]["tools"].as_array().map(Vec::len), Some(house.calls().len()), "{modern}");
}

#[test]
fn inspector_over_stdio() {
    inspect_all("stdio", &need!(tools("inspector/node_modules/.bin/mcp-inspector", "OPSMEDIC_TEST_NO_INSPECTOR")));
}

#[test]
fn inspector_over_http() {
    inspect_all("http", &need!(tools("inspector/node_modules/.bin/mcp-inspector", "OPSMEDIC_TEST_NO_INSPECTOR")));
}

#[test]
fn inspector_over_sse() {
    inspect_all("sse", &need!(tools("inspector/node_modules/.bin/mcp-inspector", "OPSMEDIC_TEST_NO_INSPECTOR")));
}

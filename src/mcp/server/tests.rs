//! Tools that fail: each call has an answer, and the server goes on.

use rmcp::{ServiceExt as _, model::JsonObject};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::{Config, Env},
    mcp::lines::Lines,
};

const BROKEN: Kind = Kind {
    name: "broken",
    title: "Broken",
    description: "Fails in one way or another.",
    hints: tools::Hints { read_only: true, destructive: false, idempotent: true, open_world: false },
    scope: "nothing",
    input_schema: JsonObject::new,
    output_schema: JsonObject::new,
    call: |_, arguments, _| match arguments.get("how").and_then(Value::as_str) {
        Some("at once") => panic!("at once"),
        _ => later().boxed(),
    },
    at_once: None,
};

async fn later() -> Result<Answer, ToolError> {
    tokio::task::yield_now().await;
    panic!("later")
}

/// The server with nothing but that tool.
#[derive(Clone)]
struct Broken(Server);

impl ServerHandler for Broken {
    fn get_info(&self) -> ServerConfig {
        self.0.get_info()
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        Ok(self.0.run(&BROKEN, request, &context, &Running::new(context.ct.clone()), false).await)
    }
}

pub(in crate::mcp) fn server(folder: &std::path::Path) -> Server {
    server_with(folder, "")
}

/// With more in its configuration.
pub(in crate::mcp) fn server_with(folder: &std::path::Path, more: &str) -> Server {
    let text = format!("[store]\npath = '{}'\n{more}", folder.join("store.db").display());
    let config = Config::parse(&text, None, &Env::default()).expect("a valid configuration");
    let built = crate::app::build(config, crate::app::Options::default()).expect("builds");
    Server::new(Hub::new(built.services, built.serving.limits), Transport::Stdio)
}

/// Serves these messages and gives the answers by their ids.
async fn answers(messages: &[Value], wanted: usize) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let (client, serving) = tokio::io::duplex(64 << 10);
    let (input, output) = tokio::io::split(serving);
    let (lines, _writer) = Lines::new(input, output, CancellationToken::new(), None);
    let serving = tokio::spawn(Broken(server(folder.path())).serve(lines));
    let (reader, mut writer) = tokio::io::split(client);
    for message in messages {
        writer.write_all(format!("{message}\n").as_bytes()).await.expect("written");
    }
    let _running = serving.await.expect("no panic").expect("a session");
    let mut lines = BufReader::new(reader).lines();
    let mut answers = Vec::new();
    while answers.len() < wanted {
        let line = lines.next_line().await.expect("read").expect("the server goes on");
        answers.push(serde_json::from_str(&line).expect("JSON"));
    }
    answers.sort_by_key(|answer: &Value| answer["id"].as_u64());
    answers
}

#[tokio::test]
async fn a_tool_that_panics_is_answered_and_the_server_goes_on() {
    let call = |id: u32, how: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "broken", "arguments": {"how": how}}});
    let client = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}});
    let messages = [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        call(1, "at once"),
        call(2, "later"),
        json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}),
        call(4, "at once"),
    ];
    let answers = answers(&messages, 5).await;
    let code = |answer: &Value| {
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}"));
        assert_eq!(answer["result"]["isError"], true);
        assert!(!text.contains("at once") && !text.contains("later"), "what a panic says is for the log: {text}");
        serde_json::from_str::<Value>(text).expect("JSON")["code"].clone()
    };
    assert_eq!([1, 2, 4].map(|at| code(&answers[at])), ["internal", "internal", "internal"]);
    assert!(answers[3]["result"].is_object(), "{}", answers[3]);
}

#[tokio::test]
async fn a_call_that_does_not_end_or_is_not_wanted_is_answered() {
    let cancel = CancellationToken::new();
    let never = std::future::pending::<Result<(), ToolError>>;
    let code = |ended: Result<(), ToolError>| ended.expect_err("no answer").code;
    assert_eq!(code(ended("broken", &cancel, Duration::from_millis(5), never()).await), "timed_out");
    cancel.cancel();
    assert_eq!(code(ended("broken", &cancel, Duration::from_secs(60), never()).await), "cancelled");
}

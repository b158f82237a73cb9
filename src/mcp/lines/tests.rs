//! Clients that pipeline, do not read, or go.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream},
    time::timeout,
};

use super::*;
use crate::mcp::{serve_over, server::tests::server};

/// Longer than any of it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client {
    to_server: DuplexStream,
    from_server: BufReader<DuplexStream>,
    serving: JoinHandle<Result<(), String>>,
    _folder: tempfile::TempDir,
}

impl Client {
    /// Of a server that is served over pipes of so many bytes.
    fn new(bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let hub = server(folder.path()).hub.clone();
        let ((to_server, input), (output, from_server)) = (tokio::io::duplex(bytes), tokio::io::duplex(bytes));
        let serving = tokio::spawn(serve_over(hub, input, output, CancellationToken::new()));
        Self { to_server, from_server: BufReader::new(from_server), serving, _folder: folder }
    }

    async fn send(&mut self, lines: &str) -> io::Result<()> {
        timeout(PATIENCE, self.to_server.write_all(lines.as_bytes())).await.expect("the server takes what it is sent")
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        timeout(PATIENCE, self.from_server.read_line(&mut line)).await.expect("an answer").expect("read");
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    async fn ends(self) {
        timeout(PATIENCE, self.serving).await.expect("it ends").expect("no panic").expect("no error");
    }
}

fn call(id: usize) -> String {
    let own = "io.modelcontextprotocol/";
    let meta = json!({format!("{own}protocolVersion"): "2026-07-28", format!("{own}clientCapabilities"): {}});
    let params = json!({"name": "classify_incident", "arguments": {"error_rate": id % 100}, "_meta": meta});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string() + "\n"
}

fn calls(ids: std::ops::Range<usize>) -> String {
    ids.map(call).collect()
}

#[tokio::test]
async fn what_opens_nothing_leaves_the_first_call_to_the_usual_way() {
    let mut client = Client::new(64 << 10);
    let discover = call(0).replace("tools/call", "server/discover").replace("\"name\":\"classify_incident\",\"arguments\":{\"error_rate\":0},", "");
    client.send(&discover).await.expect("sent");
    assert!(client.next().await["result"].is_object());
    client.send(&call(1)).await.expect("sent");
    assert_eq!(client.next().await["id"], 1);
    client.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":1}}\n").await.expect("sent");
    client.send(&calls(2..4)).await.expect("sent");
    assert_eq!((client.next().await["id"].clone(), client.next().await["id"].clone()), (json!(2), json!(3)));
    client.to_server.shutdown().await.expect("shut");
    client.ends().await;
}

#[tokio::test]
async fn a_client_may_ask_much_before_it_reads() {
    let mut client = Client::new(64 << 10);
    client.send(&call(0)).await.expect("sent");
    client.next().await;
    let many = 4_000;
    for id in 1..many {
        let broken = if id % 10 == 0 { "{broken\n" } else { "" };
        client.send(&(call(id) + broken)).await.expect("sent");
    }
    let (mut ids, mut broken) = (std::collections::BTreeSet::new(), 0);
    while ids.len() < many - 1 || broken < (many - 1) / 10 {
        let answer = client.next().await;
        match answer["id"].as_u64() {
            Some(id) => assert!(ids.insert(id), "{id} was answered twice"),
            None => broken += usize::from(answer["error"]["code"] == -32_700),
        }
    }
    client.to_server.shutdown().await.expect("shut");
    client.ends().await;
}

#[tokio::test]
async fn the_end_is_seen_though_nobody_reads() {
    let mut client = Client::new(16 << 10);
    client.send(&call(0)).await.expect("sent");
    client.next().await;
    client.send(&calls(1..3_000)).await.expect("sent");
    client.to_server.shutdown().await.expect("shut");
    client.ends().await;
}

#[tokio::test]
async fn it_ends_when_nobody_can_read_any_more() {
    let mut client = Client::new(16 << 10);
    client.send(&call(0)).await.expect("sent");
    client.next().await;
    let Client { mut to_server, from_server, serving, _folder } = client;
    drop(from_server);
    let sending = tokio::spawn(async move {
        // It goes on for as long as somebody takes it.
        while to_server.write_all(calls(1..100).as_bytes()).await.is_ok() {}
    });
    timeout(PATIENCE, serving).await.expect("it ends").expect("no panic").expect("no error");
    timeout(PATIENCE, sending).await.expect("nobody takes it").expect("no panic");
}

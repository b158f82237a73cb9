//! Subscriptions to resources, in both eras of the protocol: what is told, to whom, and when that ends.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::mcp_content::{Ask as _, recover};
use crate::support::{
    House,
    mcp::McpClient,
    served::{MODERN, Served, SseClient},
};

/// Messages that come on a stream of events.
struct Events {
    stream: TcpStream,
    messages: Receiver<Value>,
}

impl Events {
    /// Sends a request whose answer is a stream.
    fn open(served: &Served, method: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let mut stream = served.connect();
        stream.write_all(format!("{}{body}", served.head(method, "/mcp", headers, body.len())).as_bytes()).unwrap();
        let (sender, messages) = channel();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        thread::spawn(move || {
            let data = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data:")?.trim()).ok());
            data.take_while(|message| sender.send(message.clone()).is_ok()).count()
        });
        Self { stream, messages }
    }

    fn next(&self) -> Value {
        self.messages.recv_timeout(Duration::from_secs(20)).expect("no message")
    }

    /// All that come until it is quiet for this long.
    fn until_quiet(&self, quiet: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.messages.recv_timeout(quiet).ok()).collect()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

const UPDATED: &str = "notifications/resources/updated";
const QUIET: Duration = Duration::from_millis(1_800);

/// The uris of updates, all of which must be updates.
fn uris(messages: &[Value]) -> Vec<String> {
    let uri = |message: &Value| {
        assert_eq!(message["method"], UPDATED, "{message:#}");
        message["params"]["uri"].as_str().unwrap().to_owned()
    };
    messages.iter().map(uri).collect()
}

/// What came for a recovery: of nothing else, at least once, and no more often than it moved on.
fn of_one_recovery(messages: &[Value]) {
    let uris = uris(messages);
    assert!((1..=8).contains(&uris.len()) && uris.iter().all(|uri| uri == "opsmedic://recoveries"), "{uris:?}");
}

/// All messages that came so far.
fn so_far(client: &mut McpClient) -> Vec<Value> {
    let id = client.post("tools/list", json!({}));
    let mut before = Vec::new();
    loop {
        let message = client.receive();
        if message["id"] == id {
            return before;
        }
        before.push(message);
    }
}

#[test]
fn a_session_over_stdio_is_told_of_changes_by_other_processes_until_it_unsubscribes() {
    let house = House::build();
    house.sandbox.opsmedic(["check", "application"]).expect_code(0);
    let mut client = house.sandbox.serve();
    for uri in ["opsmedic://recoveries", "opsmedic://recoveries", "opsmedic://health/last", "opsmedic://inventory"] {
        client.ask("resources/subscribe", json!({"uri": uri})).unwrap();
    }
    client.ask("resources/subscribe", json!({"uri": "opsmedic://nothing"})).unwrap_err();
    thread::sleep(QUIET);
    assert_eq!(so_far(&mut client), Vec::<Value>::new(), "nothing changed");
    recover(&house.sandbox);
    thread::sleep(QUIET);
    of_one_recovery(&so_far(&mut client));
    assert!(client.text("opsmedic://recoveries").contains("succeeded"));
    client.ok("run_health_checks", &json!({"names": ["application"]}));
    thread::sleep(QUIET);
    assert_eq!(uris(&so_far(&mut client)), ["opsmedic://health/last"]);
    for uri in ["opsmedic://recoveries", "opsmedic://health/last", "opsmedic://nothing"] {
        client.ask("resources/unsubscribe", json!({"uri": uri})).unwrap();
    }
    client.ok("run_health_checks", &json!({"names": ["application"]}));
    thread::sleep(QUIET);
    assert_eq!(so_far(&mut client), Vec::<Value>::new(), "it unsubscribed");
}

#[test]
fn a_session_over_http_is_told_of_a_recovery_and_one_that_ended_is_not() {
    let house = House::build();
    let served = Served::start(&house.sandbox, &[]);
    let mut session = served.session(&[]);
    let headers: Vec<(&str, &str)> = session.headers().into_iter().chain([("Accept", "text/event-stream")]).collect();
    let events = Events::open(&served, "GET", &headers, "");
    session.ask("resources/subscribe", json!({"uri": "opsmedic://recoveries"})).unwrap();
    let mut sse = SseClient::open(&served, &[]);
    sse.ask("resources/subscribe", json!({"uri": "opsmedic://recoveries"})).unwrap();
    recover(&house.sandbox);
    of_one_recovery(&events.until_quiet(QUIET));
    assert_eq!(uris(&[sse.receive()]), ["opsmedic://recoveries"]);
    let files = served.open_files();
    for _ in 0..20 {
        let mut short = served.session(&[]);
        short.ask("resources/subscribe", json!({"uri": "opsmedic://recoveries"})).unwrap();
        short.close();
    }
    assert!(served.open_files() <= files + 2, "{files} files were open, now {}", served.open_files());
}

fn listen(id: u64, uris: &Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let notifications = json!({"resourceSubscriptions": uris, "toolsListChanged": true});
    json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": {"_meta": meta, "notifications": notifications}})
}

/// What the server says first, and what it accepted.
fn acknowledged(message: &Value, id: u64) {
    assert_eq!(message["method"], "notifications/subscriptions/acknowledged", "{message:#}");
    assert_eq!(message["params"]["notifications"], json!({"resourceSubscriptions": ["opsmedic://recoveries"]}), "{message:#}");
    assert_eq!(subscription(message), &json!(id), "{message:#}");
}

fn subscription(message: &Value) -> &Value {
    &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]
}

#[test]
fn a_listener_over_http_is_told_of_a_recovery_until_it_goes() {
    let house = House::build();
    let served = Served::start(&house.sandbox, &[]);
    let body = listen(7, &json!(["opsmedic://recoveries", "opsmedic://inventory", "file:///x"])).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("Mcp-Protocol-Version", MODERN),
        ("Mcp-Method", "subscriptions/listen"),
    ];
    let events = Events::open(&served, "POST", &headers, &body);
    acknowledged(&events.next(), 7);
    thread::sleep(Duration::from_millis(100));
    recover(&house.sandbox);
    let updates = events.until_quiet(QUIET);
    of_one_recovery(&updates);
    assert!(updates.iter().all(|update| subscription(update) == 7), "{updates:#?}");
    drop(events);
    let files = served.open_files();
    for _ in 0..20 {
        acknowledged(&Events::open(&served, "POST", &headers, &body).next(), 7);
    }
    let begun = Instant::now();
    while served.open_files() > files + 2 && begun.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(50));
    }
    assert!(served.open_files() <= files + 2, "{files} files were open, now {}", served.open_files());
}

#[test]
fn a_listener_over_stdio_is_told_until_it_cancels() {
    let house = House::build();
    let mut client = McpClient::start(&mut house.sandbox.command(["serve"]));
    client.send(&listen(900, &json!(["opsmedic://recoveries"])));
    acknowledged(&client.receive(), 900);
    thread::sleep(Duration::from_millis(100));
    let operation = recover(&house.sandbox);
    let first = client.receive();
    assert_eq!((uris(std::slice::from_ref(&first)), subscription(&first)), (vec!["opsmedic://recoveries".to_owned()], &json!(900)));
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 900}}));
    thread::sleep(QUIET);
    let mut ask = listen(901, &json!([]));
    ask["method"] = "resources/list".into();
    let drain = |client: &mut McpClient, ask: &Value| {
        client.send(ask);
        std::iter::from_fn(|| Some(client.receive())).take_while(|message| message["id"] != ask["id"]).collect::<Vec<_>>()
    };
    drain(&mut client, &ask);
    house.sandbox.opsmedic(["recover", "undo", &operation, "--json"]).expect_code(0);
    thread::sleep(QUIET);
    ask["id"] = 902.into();
    let later = drain(&mut client, &ask);
    assert!(later.iter().all(|message| message["method"] != UPDATED), "{later:#?}");
}

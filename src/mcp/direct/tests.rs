//! What is answered on the spot is answered as the usual way does, and the rest is left to that.

use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    mcp::{
        lines::Lines,
        server::tests::{server, server_with},
    },
    types::access::Scopes,
};

const WAYS: [Way; 2] = [Way::Handshake, Way::PerCall];

fn call(way: Way, id: &Value, evidence: &Value) -> Value {
    let mut params = json!({"name": "classify_incident", "arguments": evidence});
    if way == Way::PerCall {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1", "title": "T"},
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        });
    }
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn evidences() -> Vec<Value> {
    vec![
        json!({"error_rate_percent": 35, "response_time_ms": 12_000.5, "availability_percent": 93, "affected_users": 400, "description": "it \"times\" out"}),
        json!({"error_rate_percent": 9.947_598_300_641_403e-13}),
        json!({"error_rate": 60, "response_time": 10}),
        json!({"description": "no outage, 没有宕机"}),
        json!({"business_impact": "critical", "availability_percent": 100}),
        json!({"error_rate_percent": 0, "availability_percent": 80, "affected_users": 0, "description": ""}),
    ]
}

/// Without the moment of the answer.
fn timeless(mut answer: Value) -> Value {
    let until = answer["result"]["structuredContent"]["respond_by"].take();
    let text = answer["result"]["content"][0]["text"].take();
    let text = text.as_str().unwrap_or_default().replace(until.as_str().expect("a moment"), "<then>");
    answer["result"]["content"][0]["text"] = text.into();
    answer
}

/// What comes back for these messages when nothing is answered on the spot, or what can be.
async fn exchange(server: &crate::mcp::Server, on_the_spot: bool, way: Way, messages: &[Value]) -> Vec<Value> {
    let (client, serving) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(serving);
    let hub = on_the_spot.then(|| (server.hub.clone(), Principal::local()));
    let (lines, _writer) = Lines::new(input, output, CancellationToken::new(), hub);
    let serving = tokio::spawn(server.clone().serve(lines));
    let (reader, mut writer) = tokio::io::split(client);
    let mut lines = BufReader::new(reader).lines();
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let begin = match way {
        Way::Handshake => json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": hello}),
        Way::PerCall => call(way, &json!("hello"), &json!({"error_rate": 1})),
    };
    writer.write_all(format!("{begin}\n").as_bytes()).await.expect("written");
    lines.next_line().await.expect("read").expect("an answer");
    let mut all = if way == Way::Handshake { "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_owned() } else { String::new() };
    messages.iter().for_each(|message| all.push_str(&format!("{message}\n")));
    writer.write_all(all.as_bytes()).await.expect("written");
    let mut answers = Vec::new();
    while answers.len() < messages.len() {
        let line = lines.next_line().await.expect("read").expect("an answer");
        answers.push(serde_json::from_str::<Value>(&line).expect("JSON"));
    }
    drop(serving.await.expect("no panic").expect("a session"));
    answers.sort_by_key(|answer| answer["id"].to_string());
    answers
}

#[tokio::test]
async fn both_ways_give_the_same_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(folder.path());
    for way in WAYS {
        let messages: Vec<Value> = evidences().iter().enumerate().map(|(id, evidence)| call(way, &json!(id), evidence)).collect();
        let usual = exchange(&server, false, way, &messages).await;
        let here = exchange(&server, true, way, &messages).await;
        for (usual, here) in usual.into_iter().zip(here) {
            assert_eq!(timeless(usual), timeless(here));
        }
        for message in messages {
            let mut out = Vec::new();
            let answered = answer(&server.hub, &Principal::local(), way, None, message.to_string().as_bytes(), &mut out);
            // A text that is not all ASCII is looked at more closely.
            assert_eq!(answered.is_some(), !out.is_empty());
            assert!(answered.is_some(), "{message}");
        }
    }
}

#[tokio::test]
async fn whatever_is_out_of_the_ordinary_is_left_to_the_usual_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(folder.path());
    let good = |way| call(way, &json!(7), &json!({"error_rate": 1}));
    let refuses = |caller: &Principal, way, announced: Option<&[u8]>, message: &str| {
        let mut out = Vec::new();
        let answered = answer(&server.hub, caller, way, announced, message.as_bytes(), &mut out);
        assert!(answered.is_none() && out.is_empty(), "{message}: {}", String::from_utf8_lossy(&out));
    };
    let local = Principal::local();
    for way in WAYS {
        let good = good(way).to_string();
        assert!(answer(&server.hub, &local, way, Some(b"classify_incident"), good.as_bytes(), &mut Vec::new()).is_some());
        refuses(&local, way, Some(b"get_playbook"), &good);
        refuses(&Principal { name: "nobody".into(), scopes: Scopes::default() }, way, None, &good);
        for (from, to) in [
            ("\"id\":7", "\"id\":null"),
            ("\"id\":7", "\"id\":7.0"),
            ("\"id\":7", "\"id\":07"),
            ("\"id\":7", "\"id\":-0"),
            ("\"id\":7", "\"id\":\"a\\u0041\""),
            ("\"id\":7,", ""),
            ("\"id\":7", "\"id\":7,\"id\":8"),
            ("\"id\":7", "\"id\":7,\"more\":1"),
            ("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":\"1.0\""),
            ("tools/call", "tools/list"),
            ("classify_incident", "run_health_checks"),
            ("classify_incident", "unheard_of"),
            ("{\"error_rate\":1}", "{\"error_rate\":101}"),
            ("{\"error_rate\":1}", "{\"error_rate\":1,\"extra\":1}"),
            ("{\"error_rate\":1}", "{\"error_rate\":1,\"error_rate\":2}"),
            ("{\"error_rate\":1}", "[]"),
            ("{\"error_rate\":1}", "{}"),
            ("\"arguments\"", "\"argument\""),
            ("\"params\":{", "\"params\":{\"task\":{},"),
        ] {
            assert!(good.contains(from), "{from}");
            refuses(&local, way, None, &good.replace(from, to));
        }
        refuses(&local, way, None, &format!("[{good}]"));
        refuses(&local, way, None, &good[..good.len() - 1]);
    }
    refuses(&local, Way::PerCall, None, &good(Way::Handshake).to_string());
    refuses(&local, Way::Handshake, None, &good(Way::PerCall).to_string());
    for way in WAYS {
        let mut told = good(way);
        told["params"]["_meta"]["progressToken"] = json!("p1");
        assert!(answer(&server.hub, &local, way, None, told.to_string().as_bytes(), &mut Vec::new()).is_some(), "nothing is told of what is over at once");
        for odd in [json!(1.5), json!({}), json!(true)] {
            told["params"]["_meta"]["progressToken"] = odd;
            refuses(&local, way, None, &told.to_string());
        }
    }
    let mut more = good(Way::PerCall);
    more["params"]["_meta"]["com.example/more"] = json!(1);
    refuses(&local, Way::PerCall, None, &more.to_string());
    for (from, to) in [("2026-07-28", "2025-11-25"), ("{\"elicitation\":{}}", "7"), ("\"version\":\"1\"", "\"version\":1")] {
        refuses(&local, Way::PerCall, None, &good(Way::PerCall).to_string().replace(from, to));
    }
}

/// What a verdict says is not looked at for secrets, so there must be none in it.
#[tokio::test]
async fn a_verdict_repeats_no_caller_and_has_clean_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server_with(folder.path(), "[classify.levels.P0]\nteam = [\"ops token=canary-1234\", \"b\\u202Ead\"]\n");
    let hostile = "down! password=canary-5678 ghp_abcdefghijklmnopqrstuvwxyz0123456789 \u{202e}\u{1b}[31m";
    for evidence in evidences().iter_mut().chain([&mut json!({"error_rate": 95})]) {
        evidence["description"] = hostile.into();
        let (mut out, message) = (Vec::new(), call(Way::Handshake, &json!(1), evidence).to_string());
        answer(&server.hub, &Principal::local(), Way::Handshake, None, message.as_bytes(), &mut out).expect("on the spot");
        let answer = serde_json::from_slice::<Value>(&out).expect("JSON");
        let (structure, text) = (answer["result"]["structuredContent"].clone(), answer["result"]["content"][0]["text"].as_str().expect("a text"));
        let mut cleaned = structure.clone();
        server.hub.services.clean(&mut cleaned);
        assert_eq!(cleaned, structure);
        assert_eq!(server.hub.services.clean_text(text), text);
        for never in ["canary", "ghp_", "\u{202e}", "\u{1b}"] {
            assert!(!text.contains(never) && !structure.to_string().contains(never), "{never:?} in {answer:#}");
        }
    }
}

#[tokio::test]
async fn nobody_is_answered_before_they_found_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = server(folder.path());
    let (client, serving) = tokio::io::duplex(1 << 20);
    let (input, output) = tokio::io::split(serving);
    let (lines, writer) = Lines::new(input, output, CancellationToken::new(), Some((server.hub.clone(), Principal::local())));
    let serving = tokio::spawn(server.clone().serve(lines));
    let (reader, mut to_server) = tokio::io::split(client);
    let early = call(Way::Handshake, &json!(1), &json!({"error_rate": 1}));
    to_server.write_all(format!("{early}\n{early}\n").as_bytes()).await.expect("written");
    to_server.shutdown().await.expect("shut");
    let begun = serving.await.expect("no panic");
    drop(begun);
    let _ = writer.await;
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await.expect("read") {
        assert!(!line.contains("\"result\""), "{line}");
    }
}

#[test]
fn headers_are_plain_or_the_request_goes_the_usual_way() {
    let good = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "classify_incident"),
        ("user-agent", "anything"),
    ];
    let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    };
    assert!(are_plain(&headers(&good)));
    for left_out in 0..5 {
        let rest: Vec<_> = good.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, pair)| *pair).collect();
        assert!(!are_plain(&headers(&rest)), "without {:?}", good[left_out]);
        let twice: Vec<_> = good.iter().chain([&good[left_out]]).copied().collect();
        assert!(!are_plain(&headers(&twice)), "with {:?} twice", good[left_out]);
    }
    for (name, value) in [("mcp-session-id", "x"), ("mcp-param-id", "x")] {
        assert!(!are_plain(&headers(&[&good[..], &[(name, value)]].concat())), "{name}");
    }
    for (at, value) in [
        (0, "application/json; charset=utf-16"),
        (1, "application/json"),
        (1, "text/event-stream"),
        (1, "*/*"),
        (1, "application/json, text/event-stream;q=0"),
        (2, "2025-11-25"),
        (3, "tools/list"),
    ] {
        let mut pairs = good;
        pairs[at].1 = value;
        assert!(!are_plain(&headers(&pairs)), "{value}");
    }
}

proptest::proptest! {
    #[test]
    fn texts_are_written_as_json_writes_them(text in "[ -~\n\t超\u{1}]{0,80}") {
        let mut out = Vec::new();
        put_string(&text, &mut out);
        proptest::prop_assert_eq!(String::from_utf8(out).expect("text"), serde_json::to_string(&text).expect("JSON"));
    }
}

//! Secrets of every shape and hostile characters, planted wherever text comes from, looked for in everything that comes back.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{
    canaries::{self, HOSTILE},
    listener::Listener,
    mcp::McpClient,
    sandbox::{Sandbox, finish},
    served::{MODERN, Reply, Served, Session, SseClient},
    web::Web,
};

/// A configured one, without any shape.
const EXACT: &str = "Canary/9 b01+exact";
/// Those that stand in the configuration, in the environment or in what checked services say, beside the ones of the log.
const ELSEWHERE: &[&str] = &[
    EXACT,
    "canary-b02x",
    "canary-b03x",
    "canary-b04x",
    "canary-b05x",
    "canary-b06x",
    "canary-b07x",
    "canary-b08x",
    "canary-b09x",
    "canary-b10x",
    "canary-b11x",
    "canary-b12x",
    "canary-token-b13x0123456789",
    "canary-b14x",
];
const TOKEN: &str = "canary-token-b13x0123456789";

fn all() -> Vec<&'static str> {
    canaries::IN_LOGS.iter().map(|(secret, _)| *secret).chain(ELSEWHERE.iter().copied()).collect()
}

/// Somebody to whom everything that the server sends is known.
trait Talk {
    /// All messages up to the answer, which is the last.
    fn talk(&mut self, method: &str, params: Value) -> Vec<Value>;
}

impl Talk for McpClient {
    fn talk(&mut self, method: &str, params: Value) -> Vec<Value> {
        let id = self.post(method, params);
        let mut messages = Vec::new();
        loop {
            messages.push(self.receive());
            if messages.last().is_some_and(|message| message["id"] == id && message.get("method").is_none()) {
                return messages;
            }
        }
    }
}

/// What an answer over HTTP holds; one that is no message counts as a text.
fn said(reply: &Reply) -> Vec<Value> {
    match serde_json::from_str::<Value>(&reply.body) {
        Ok(message) => vec![message],
        Err(_) if reply.body.contains("data:") => reply.messages(),
        Err(_) => vec![json!(reply.body)],
    }
}

impl Talk for Session<'_> {
    fn talk(&mut self, method: &str, params: Value) -> Vec<Value> {
        said(&self.request(method, params))
    }
}

impl Talk for SseClient<'_> {
    fn talk(&mut self, method: &str, params: Value) -> Vec<Value> {
        let id = number();
        let reply = self.post(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        if reply.status != 202 {
            return said(&reply);
        }
        let mut messages = Vec::new();
        loop {
            messages.push(self.receive());
            if messages.last().is_some_and(|message| message["id"] == id) {
                return messages;
            }
        }
    }
}

/// A number that no request had yet.
fn number() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_000);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Revision 2026-07-28 over HTTP.
struct Modern<'s>(&'s Served, String);

impl Talk for Modern<'_> {
    fn talk(&mut self, method: &str, mut params: Value) -> Vec<Value> {
        let name = ["name", "uri", "taskId"].iter().find_map(|key| params.get(key)?.as_str()).map(header);
        if let Some(params) = params.as_object_mut() {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
            });
            params.insert("_meta".to_owned(), meta);
        }
        let method_header = header(method);
        let own = [("Authorization", self.1.as_str()), ("Mcp-Protocol-Version", MODERN), ("Mcp-Method", &method_header)];
        let headers: Vec<_> = own.into_iter().chain(name.as_deref().map(|name| ("Mcp-Name", name))).collect();
        said(&self.0.post(&headers, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})))
    }
}

/// As far as a header can say it.
fn header(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect::<String>().trim().to_owned()
}

/// What is wrong about revisions, which the protocol's crate answers: everything that it says.
fn strange_revisions(served: &Served, auth: (&str, &str), words: &str) -> Vec<Value> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": words,
        "io.modelcontextprotocol/clientInfo": {"name": words, "version": words},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let initialize = json!({"protocolVersion": words, "capabilities": {}, "clientInfo": {"name": words, "version": words}});
    let modern = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}});
    let older = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize});
    let word = header(words);
    let versions = [MODERN, "2025-11-25", word.as_str()];
    let mut heard = Vec::new();
    for (message, method) in [(&modern, "tools/list"), (&older, "initialize"), (&modern, word.as_str())] {
        for version in versions {
            heard.extend(said(&served.post(&[auth, ("Mcp-Protocol-Version", version), ("Mcp-Method", method), ("Mcp-Name", &word)], message)));
            heard.extend(said(&served.post(&[auth, ("Mcp-Protocol-Version", version)], message)));
        }
        heard.extend(said(&served.post(&[auth], message)));
    }
    heard
}

/// Says what a client may say, and keeps all that comes back.
struct Walk<'t> {
    client: &'t mut dyn Talk,
    heard: Vec<Value>,
}

impl Walk<'_> {
    fn say(&mut self, method: &str, params: Value) -> Value {
        let messages = self.client.talk(method, params);
        let last = messages.last().cloned().unwrap_or_default();
        self.heard.extend(messages);
        last["result"].clone()
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.say("tools/call", json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}}))["structuredContent"].clone()
    }

    /// A resource with all of its parts.
    fn read(&mut self, uri: &str) {
        let mut next = Some(uri.to_owned());
        while let Some(uri) = next {
            let result = self.say("resources/read", json!({"uri": uri}));
            let text = result["contents"][0]["text"].as_str().unwrap_or_default().to_owned();
            next = text.lines().next().and_then(|head| head.split("next: ").nth(1)?.split(';').next().map(str::to_owned)).filter(|uri| uri.contains("part="));
        }
    }

    /// Every tool as it should be called, with these words where a caller says something.
    fn tools(&mut self, sandbox: &Sandbox, words: &str, key: &str) {
        self.say("tools/list", json!({}));
        self.call("classify_incident", &json!({"error_rate_percent": 60, "description": format!("checkout is down {words}")}));
        self.call("run_health_checks", &json!({"names": ["application", "database", "redis"]}));
        let log = self.call("analyze_logs", &json!({"paths": [sandbox.fill("{dir}/logs/*.log")], "since": "all", "timezone": "UTC"}));
        if let Some(uri) = log["full_result"].as_str() {
            self.read(uri);
        }
        self.call("plan_recovery", &json!({"issue_type": "service_unavailable", "target": "shop"}));
        let shop = json!({"issue_type": "service_unavailable", "target": "shop", "reason": words, "idempotency_key": key});
        let operation = self.call("trigger_recovery", &shop)["operation_id"].clone();
        self.call("trigger_recovery", &json!({"issue_type": "service_unavailable", "target": words, "reason": words, "idempotency_key": format!("{key}-2")}));
        self.call("undo_recovery", &json!({"operation_id": operation}));
        self.call("get_recovery", &json!({"target": "shop"}));
        self.call("get_playbook", &json!({"id": "service_down", "target": "shop"}));
        if let Some(id) = operation.as_str() {
            self.read(&format!("opsmedic://recoveries/{id}"));
            self.say("prompts/get", json!({"name": "write_postmortem", "arguments": {"operation_id": id}}));
        }
    }

    fn content(&mut self, words: &str) {
        let listed = self.say("resources/list", json!({}));
        for resource in listed["resources"].as_array().cloned().unwrap_or_default() {
            self.read(resource["uri"].as_str().unwrap());
        }
        self.say("resources/templates/list", json!({}));
        self.say("prompts/list", json!({}));
        for (name, arguments) in [
            ("triage_incident", json!({"symptoms": words, "service": words})),
            ("review_health", json!({"check": words})),
            ("run_drill", json!({"issue_type": words, "target": words})),
            ("write_postmortem", json!({"operation_id": words})),
            (words, json!({(words): words})),
        ] {
            self.say("prompts/get", json!({"name": name, "arguments": arguments}));
        }
        for reference in [json!({"type": "ref/prompt", "name": words}), json!({"type": "ref/resource", "uri": words}), json!({"type": words})] {
            self.say("completion/complete", json!({"ref": reference, "argument": {"name": words, "value": words}}));
        }
        let playbooks = json!({"type": "ref/resource", "uri": "opsmedic://playbooks/{id}{?lang,target}"});
        self.say("completion/complete", json!({"ref": playbooks, "argument": {"name": "target", "value": ""}}));
    }

    /// What is wrong in one way or another.
    fn wrong(&mut self, words: &str) {
        for tool in TOOLS {
            for arguments in [json!({(words): words}), json!({"id": words, "names": [words], "paths": [words], "target": words, "operation_id": words})] {
                self.call(tool, &arguments);
            }
        }
        self.call("get_playbook", &json!({"id": words}));
        self.call("get_playbook", &json!({"id": "service_down", "lang": words}));
        self.call("run_health_checks", &json!({"names": [words]}));
        self.call("analyze_logs", &json!({"paths": [words]}));
        for (key, value) in [("since", words), ("from", words), ("timezone", words), ("bucket", words), ("patterns", words)] {
            self.call("analyze_logs", &json!({"paths": ["/x"], (key): value}));
        }
        self.call("get_recovery", &json!({"operation_id": words}));
        self.call("get_recovery", &json!({"target": words}));
        self.call("plan_recovery", &json!({"issue_type": words, "target": words}));
        self.call("undo_recovery", &json!({"operation_id": words}));
        self.call(words, &json!({}));
        self.say("tools/call", json!({"name": "get_playbook", "arguments": words}));
        self.say("tools/call", json!(words));
        for uri in [words.to_owned(), format!("opsmedic://{words}"), format!("opsmedic://playbooks/service_down?lang={words}")] {
            self.say("resources/read", json!({"uri": uri}));
            self.say("resources/subscribe", json!({"uri": uri}));
        }
        for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
            self.say(method, json!({"taskId": words}));
        }
        for method in ["tools/list", "resources/list", "prompts/list"] {
            self.say(method, json!({"cursor": words}));
        }
        self.say("logging/setLevel", json!({"level": words}));
        self.say(&format!("no/{words}"), json!({(words): words}));
    }
}

const TOOLS: &[&str] =
    &["run_health_checks", "analyze_logs", "classify_incident", "get_playbook", "plan_recovery", "trigger_recovery", "undo_recovery", "get_recovery"];

/// Sends this to whoever connects, once they have said something.
fn says(bytes: Vec<u8>) -> Listener {
    Listener::serving(move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 1_024]);
        // A peer that went away needs no answer.
        let _ = stream.write_all(&bytes);
        let _ = stream.read(&mut [0; 1_024]);
    })
}

/// An error as PostgreSQL sends it.
fn database_error(message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C28P01\0M{message}\0\0");
    [b"E".as_slice(), &u32::try_from(fields.len() + 4).unwrap().to_be_bytes(), fields.as_bytes()].concat()
}

/// Everything that a server works with holds these words.
struct Planted {
    sandbox: Sandbox,
    _service: Web,
    _database: Listener,
    _cache: Listener,
}

impl Planted {
    fn with(words: &str, log: &str, mcp: &str) -> Self {
        let sandbox = Sandbox::new("");
        sandbox.write("logs/app.log", log);
        let body = json!({"status": "ok", "version": format!("1 {words} password=canary-b02x"), "uptime": 1, "message": words}).to_string();
        let service = Web::answering(move || (200, body.clone()));
        let database = says(database_error(&format!("no entry for postgres://app:canary-b03x@db/shop {words}")));
        let cache = says(format!("-ERR AUTH default canary-b04x {}\r\n", words.replace(['\r', '\n'], " ")).into_bytes());
        let output = sandbox.write("said", &format!("{words}\nAuthorization: Bearer canary-b05xabcdef\n{EXACT}\n"));
        let act = sandbox.program("act", &format!("#!/bin/sh\ncat '{}'\nenv\ncat '{}' >&2\nexit 0\n", output.display(), output.display()));
        let sha256: String = Sha256::digest(TOKEN).iter().map(|b| format!("{b:02x}")).collect();
        sandbox.write("tokens.toml", &format!("[[token]]\nname = \"chief\"\nsha256 = \"{sha256}\"\nscopes = [\"read\", \"recover:*\"]\n"));
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(sandbox.path("tokens.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        let url = service.url();
        sandbox.configure(&format!(
            "[http.auth]\ntokens_file = \"{{dir}}/tokens.toml\"\n[mcp]\n{mcp}\n[logs]\nroots = [\"{{dir}}/logs\"]\n\
             [health.application]\nurl = \"{url}?api_key=canary-b06x\"\n\
             [health.database]\nurl = \"postgres://app:canary-b07x@127.0.0.1:{}/shop?sslmode=disable\"\n\
             [health.redis]\nurl = \"redis://:canary-b08x@127.0.0.1:{}/0\"\n\
             [[targets]]\nname = \"shop\"\npolicy = \"auto\"\nsoak_seconds = 0\nverify_timeout_seconds = 5\ncheck_cannot_see = [\"service_unavailable\"]\n\
             [targets.facts]\nnote = \"redis://:canary-b09x@cache/0\"\n\
             [targets.check.application]\nurl = \"{url}\"\n\
             [targets.actions.restart_service.command]\nargv = [\"{act}\", \"--password=canary-b10x\"]\n\
             [targets.actions.restart_service.command.env]\nSHOP_THING = \"${{PLANTED}}\"\nDB_PASSWORD = \"canary-b11x\"\n",
            database.port(),
            cache.port(),
        ));
        Self { sandbox, _service: service, _database: database, _cache: cache }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("PLANTED", EXACT).env("AWS_SECRET_ACCESS_KEY", "canary-b12x").env("OPSMEDIC_LOG", "trace").env("RUST_LOG", "trace");
        command
    }

    /// All that anybody says and hears, on every transport: messages, and what was written beside them.
    fn everything(&self, words: &str) -> (Vec<Value>, String) {
        let (mut heard, mut beside) = (Vec::new(), String::new());
        let mut walk = |client: &mut dyn Talk, key: &str| {
            let mut walk = Walk { client, heard: Vec::new() };
            walk.tools(&self.sandbox, words, key);
            walk.content(words);
            walk.wrong(words);
            heard.append(&mut walk.heard);
        };
        let mut client = McpClient::start(&mut self.command(&["serve"]));
        client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": words, "version": words}})).unwrap();
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        walk(&mut client, "stdio");
        beside += &client.end();
        let served = Served::run(&mut self.command(&["serve", "--http", "127.0.0.1:0"]));
        let bearer = format!("Bearer {TOKEN}");
        let auth = [("Authorization", bearer.as_str())];
        walk(&mut served.session(&auth), "session");
        walk(&mut Modern(&served, bearer.clone()), "modern");
        walk(&mut SseClient::open(&served, &auth), "sse");
        heard.extend(strange_revisions(&served, auth[0], words));
        for path in ["/metrics", "/healthz", "/canary-b14x", "/mcp?token=canary-b14x", "/messages?sessionId=canary-b14x"] {
            beside += &format!("{:?}", served.request("GET", path, &auth, ""));
            beside += &format!("{:?}", served.request("POST", path, &[("Authorization", "Bearer canary-b14x")], "{}"));
        }
        beside += &served.stderr();
        for args in [
            &["audit", "list"][..],
            &["audit", "list", "--json"],
            &["recover", "status", "--json"],
            &["check"],
            &["logs", "analyze", "logs/app.log", "--since", "all"],
        ] {
            beside += &finish(&mut self.command(args), b"").to_string();
        }
        (heard, beside)
    }

    /// The bytes of the store, as far as they are text.
    fn stored(&self) -> String {
        let files = fs::read_dir(self.sandbox.path("state")).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file()).map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
    }
}

#[track_caller]
fn holds_no_canary(place: &str, text: &str) {
    let leaked = canaries::found(text, &all());
    let around = leaked.first().and_then(|secret| text.find(secret.as_str())).map(|at| {
        let end = text.ceil_char_boundary((at + 200).min(text.len()));
        &text[text.floor_char_boundary(at.saturating_sub(300))..end]
    });
    assert!(leaked.is_empty(), "{place} has {leaked:?}: {around:?}");
}

#[test]
fn no_secret_comes_back_in_any_form_from_anywhere() {
    let words = format!("password={EXACT} and token: canary-b02x");
    let planted = Planted::with(&words, &canaries::log(EXACT), "output_budget_bytes = 65536");
    let (heard, beside) = planted.everything(&words);
    for message in &heard {
        strings_hold_no_canary(message);
    }
    let all = Value::Array(heard).to_string();
    for sign in ["[redacted]", "cannot reach", "psql failed", "SHOP_THING=[redacted]", "no entry for"] {
        assert!(all.contains(sign), "nobody heard of {sign}: the test does not look where it should");
    }
    holds_no_canary("what is beside the messages", &beside);
    assert!(beside.contains("tool called") && beside.contains("opsmedic_"), "no log and no metrics: {beside}");
    holds_no_canary("the store", &planted.stored());
}

#[track_caller]
fn strings_hold_no_canary(message: &Value) {
    canaries::strings(message).iter().for_each(|text| holds_no_canary("a message", text));
    holds_no_canary("a message", &message.to_string());
}

#[test]
fn a_cut_that_falls_into_a_secret_leaves_nothing_of_it() {
    // The cut moves byte by byte over the secrets.
    for pad in 0..24 {
        let lines: String = canaries::log(EXACT).lines().map(|line| format!("{line} {}\n", "y".repeat(pad * 13))).collect();
        let planted = Planted::with("x", &lines, "output_budget_bytes = 4096");
        let mut client = McpClient::start(&mut planted.command(&["serve"]));
        client.initialize();
        let mut walk = Walk { client: &mut client, heard: Vec::new() };
        let log = walk.call("analyze_logs", &json!({"paths": [planted.sandbox.fill("{dir}/logs/app.log")], "since": "all", "timezone": "UTC"}));
        let uri = log["full_result"].as_str().unwrap_or_else(|| panic!("nothing was cut: {log:#}")).to_owned();
        walk.read(&uri);
        let long = format!("{}postgres://app:canary-b03x@db/shop", "z".repeat(1_960 + pad));
        walk.call("get_playbook", &json!({"id": long}));
        walk.call("run_health_checks", &json!({"names": [format!("{}password=canary-b03x", "z".repeat(40 + pad))]}));
        let name = format!("{}password=canary-b03x", "z".repeat(70 + pad));
        let heard = std::mem::take(&mut walk.heard);
        client.request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}})).ok();
        for message in &heard {
            strings_hold_no_canary(message);
            // Half a secret is one, too.
            assert!(!message.to_string().contains("canary-"), "{message:#}");
        }
    }
}

#[test]
fn nothing_that_hides_or_moves_text_comes_back_raw() {
    let line = |at: usize| format!("2026-11-20 10:{at:02}:00 [ERROR] mod{HOSTILE}: broken {HOSTILE} number {at} of ours\n");
    let planted = Planted::with(HOSTILE, &(0..10).map(line).collect::<String>(), "output_budget_bytes = 32768");
    planted.sandbox.write(&format!("logs/{}.log", HOSTILE.replace('\0', "")), &line(1));
    let (heard, beside) = planted.everything(HOSTILE);
    for message in &heard {
        for text in canaries::strings(message) {
            let raw = canaries::hostile_in(&text);
            assert!(raw.is_empty(), "{raw:?} in {text:?} of {message:#}");
        }
    }
    assert!(Value::Array(heard).to_string().contains("u{202e}"), "nobody said anything hostile");
    let raw: Vec<char> = canaries::hostile_in(&beside).into_iter().filter(|c| *c != '\r').collect();
    assert!(raw.is_empty(), "{raw:?} beside the messages");
}

//! Who may do what over HTTP: tokens, scopes, and what a server refuses to start with. What is refused calls nothing, whatever the transport.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{
    backend::{self, Backend},
    listening::{Listening, still_open},
    mcp::refusal,
    sandbox::Sandbox,
    served::{Reply, Served, Session, SseClient},
    tokens::{bearer, entry, token, tokens},
    wait_for,
    web::Web,
};

/// A service, a fake that records what actions call, and a target that both restart and scaling are configured for.
pub(crate) struct Front {
    pub(crate) sandbox: Sandbox,
    service: Web,
    pub(crate) backend: Backend,
}

impl Front {
    /// With these lines of `[http]` and its tables.
    pub(crate) fn new(http: &str) -> Self {
        let front = Self { sandbox: Sandbox::new(""), service: Web::start(), backend: Backend::replying(backend::Reply::Status(200)) };
        front.replace_tokens(&tokens());
        let action = |name: &str| {
            format!("[targets.actions.{name}.http]\nurl = \"{0}/{name}\"\nstate_url = \"{0}/state\"\nundo = {{ url = \"{0}/undo\" }}\n", front.backend.url())
        };
        front.sandbox.configure(&format!(
            "[recovery]\ncooldown_seconds = 0\n[http]\n{http}\n[[targets]]\nname = \"shop\"\npolicy = \"auto\"\nsoak_seconds = 0\nverify_timeout_seconds = 8\n\
             check_cannot_see = [\"service_unavailable\", \"bad_deployment\"]\n[targets.check.application]\nurl = \"{}\"\n{}{}",
            front.service.url(),
            action("restart_service"),
            action("rollback")
        ));
        front
    }

    /// With tokens, and these further lines in `[http.auth]`.
    fn with_tokens(more: &str) -> Self {
        Self::new(&format!("[http.auth]\ntokens_file = \"{{dir}}/tokens.toml\"\n{more}"))
    }

    /// As it should be done: the finished file is renamed.
    fn replace_tokens(&self, text: &str) {
        fs::rename(self.sandbox.write("tokens.next", text), self.sandbox.path("tokens.toml")).unwrap();
    }

    fn outside(&self) -> (usize, usize) {
        (self.backend.received().len(), self.service.requests())
    }
}

fn trigger(issue: &str) -> Value {
    json!({"issue_type": issue, "target": "shop", "reason": "rehearsal"})
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

/// What a refusal names as needed; none of what is no refusal.
#[track_caller]
fn refused(reply: &Reply) -> Option<String> {
    if reply.status != 403 {
        assert!([200, 202].contains(&reply.status), "{reply:?}");
        return None;
    }
    let challenge = reply.header("www-authenticate").unwrap_or_else(|| panic!("no challenge in {reply:?}"));
    assert!(
        challenge.starts_with("Bearer error=\"insufficient_scope\", scope=\"") && challenge.contains("resource_metadata=\"http://127.0.0.1:"),
        "{challenge}"
    );
    challenge.split("scope=\"").nth(1)?.split('"').next().map(str::to_owned)
}

#[test]
fn every_tool_on_every_transport_needs_its_scopes_and_a_refusal_calls_nothing() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let unknown = json!({"operation_id": format!("op_{}", "0".repeat(32))});
    let both = "recover:restart_service recover:rollback";
    let restart = ("trigger_recovery", trigger("service_unavailable"));
    let either = ("trigger_recovery", trigger("bad_deployment"));
    let stranger = ("trigger_recovery", json!({"issue_type": "service_unavailable", "target": "*", "reason": "x"}));
    let (undo, look) = (("undo_recovery", unknown), ("get_recovery", json!({"target": "shop"})));
    let classify = ("classify_incident", json!({"error_rate_percent": 60, "response_time_ms": 40_000, "description": "down"}));
    // Nothing here is to be carried out, so that the count stays.
    let cases: Vec<(&str, &(&str, Value), Option<&str>)> = vec![
        ("reader", &restart, Some("recover:restart_service")),
        ("reader", &either, Some(both)),
        ("reader", &stranger, Some("recover:*")),
        ("reader", &undo, Some("recover:*")),
        ("reader", &look, None),
        ("reader", &classify, None),
        ("restarter", &either, Some(both)),
        ("restarter", &stranger, None),
        ("restarter", &undo, None),
        ("roller", &restart, Some("recover:restart_service")),
        ("roller", &either, Some(both)),
        ("blind", &classify, Some("read")),
        ("blind", &look, Some("read")),
        ("blind", &either, Some(both)),
        ("nobody", &classify, Some("read")),
        ("nobody", &restart, Some("recover:restart_service")),
    ];
    let before = front.outside();
    for (name, (tool, arguments), needed) in cases {
        let header = bearer(name);
        let headers = [("Authorization", header.as_str())];
        let params = call(tool, arguments);
        let modern = served.modern(&headers, "tools/call", params.clone());
        let session = served.session(&headers).request("tools/call", params.clone());
        let sse = SseClient::open(&served, &headers).post(&json!({"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": params}));
        for (transport, reply) in [("modern", modern), ("session", session), ("sse", sse)] {
            assert_eq!(refused(&reply).as_deref(), needed, "{name} {tool} {arguments} over {transport}");
        }
    }
    assert_eq!(front.outside(), before, "something was called");
    let audit = front.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).stdout;
    assert!(["insufficient_scope", "client:reader", "client:nobody", "mcp http", "mcp sse"].iter().all(|said| audit.contains(said)), "{audit}");
}

#[test]
fn what_the_first_look_cannot_read_is_refused_by_the_tool() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let before = front.outside();
    let header = bearer("reader");
    let session = served.session(&[("Authorization", &header)]);
    let own = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
    let headers: Vec<_> = own.into_iter().chain(session.headers()).collect();
    let trigger = trigger("service_unavailable");
    for message in [
        // Which of the two counts is a matter of the parser.
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\"get_recovery\",\"name\":\"trigger_recovery\",\"arguments\":{trigger}}}}}"
        ),
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"method\":\"tools/call\",\"params\":{{\"name\":\"trigger_recovery\",\"arguments\":{trigger}}}}}"
        ),
        format!("[{}]", json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call("trigger_recovery", &trigger)})),
    ] {
        let reply = served.request("POST", "/mcp", &headers, &message);
        let inside = reply.status == 200 && (reply.body.contains("insufficient_scope") || reply.body.contains("-32602"));
        assert!(inside || [400, 403, 415, 422].contains(&reply.status), "{message}: {reply:?}");
    }
    assert_eq!(front.outside(), before, "something was called");
}

#[test]
fn without_credentials_everybody_may_look_and_nobody_act_on_any_transport() {
    let front = Front::new("");
    let served = Served::start(&front.sandbox, &[]);
    let before = front.outside();
    let trigger = trigger("service_unavailable");
    let results = [
        served.call(&[], "trigger_recovery", &trigger),
        served.session(&[]).call("trigger_recovery", &trigger),
        SseClient::open(&served, &[]).call("trigger_recovery", &trigger),
        // A credential that nobody checks proves nothing.
        served.call(&[("Authorization", &bearer("chief"))], "trigger_recovery", &trigger),
        served.call(&[], "undo_recovery", &json!({"operation_id": format!("op_{}", "0".repeat(32))})),
    ];
    for result in results {
        let error = &refusal(&result);
        assert_eq!((result["isError"].as_bool(), error["code"].as_str()), (Some(true), Some("read_only")), "{result:#}");
        assert!(error["message"].as_str().unwrap().contains("recover:"), "{result:#}");
    }
    assert_eq!(front.outside(), before, "something was called");
    assert_eq!(served.request("GET", "/.well-known/oauth-protected-resource", &[], "").status, 404);
    assert!(front.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).stdout.contains("read_only"));
}

#[test]
fn who_may_acts_and_takes_back_what_their_scope_covers_and_is_on_record() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let as_of = |name: &str, tool: &str, arguments: &Value| served.modern(&[("Authorization", &bearer(name))], "tools/call", call(tool, arguments));
    let operation = as_of("restarter", "trigger_recovery", &trigger("service_unavailable")).result()["structuredContent"].clone();
    let id = operation["operation_id"].as_str().unwrap_or_else(|| panic!("{operation:#}"));
    let mut last = Value::Null;
    let ended = wait_for(Duration::from_secs(20), || {
        last = as_of("reader", "get_recovery", &json!({"operation_id": id})).result()["structuredContent"]["operation"].clone();
        last["state"] == "succeeded"
    });
    assert!(ended, "{last:#}");
    assert_eq!((&last["requested_by"]["via"], &last["requested_by"]["principal"]), (&json!("mcp http"), &json!("client:restarter")), "{last:#}");
    let posted = || front.backend.received().into_iter().filter(|r| r.line.starts_with("POST")).map(|r| r.line).collect::<Vec<_>>();
    assert_eq!(posted(), ["POST /restart_service"]);
    for stranger in ["reader", "roller"] {
        assert_eq!(refused(&as_of(stranger, "undo_recovery", &json!({"operation_id": id}))).as_deref(), Some("recover:restart_service"));
    }
    assert_eq!(posted().len(), 1);
    let undone = as_of("blind", "undo_recovery", &json!({"operation_id": id})).result();
    assert_eq!(undone["structuredContent"]["state"], "undone", "{undone:#}");
    assert_eq!(posted(), ["POST /restart_service", "POST /undo"]);
}

#[test]
fn an_argument_in_another_form_needs_the_same_scopes() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let rolling = bearer("roller");
    // As a map, which serde takes for the name of an issue type just as well.
    let arguments = json!({"issue_type": {"service_unavailable": null}, "target": "shop", "reason": "x"});
    let params = json!({"name": "trigger_recovery", "arguments": arguments});
    let headers = [("Authorization", rolling.as_str())];
    let modern = served.modern(&headers, "tools/call", params.clone());
    let session = served.session(&headers).request("tools/call", params.clone());
    for reply in [modern, session] {
        assert!(refused(&reply).is_some_and(|scopes| scopes.contains("recover:restart_service")), "{reply:?}");
    }
    assert!(!front.backend.received().iter().any(|r| r.line.starts_with("POST")), "{:?}", front.backend.received());
}

#[test]
fn without_the_scope_to_look_nothing_is_read_however_it_is_asked_for() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let nobody = bearer("nobody");
    let headers = [("Authorization", nobody.as_str())];
    // The name of another type is nothing to the handler, and hides the message from the first look.
    let asked = [
        ("resources/read", json!({"uri": "opsmedic://inventory", "name": 5})),
        ("resources/list", json!({"name": 5})),
        ("resources/templates/list", json!({"name": 5})),
        ("prompts/list", json!({"name": 5})),
        (
            "completion/complete",
            json!({"name": 5, "ref": {"type": "ref/resource", "uri": "opsmedic://playbooks/{id}"}, "argument": {"name": "id", "value": ""}}),
        ),
    ];
    for (method, params) in asked {
        let reply = served.session(&headers).request(method, params.clone());
        let told = reply.status == 403 || reply.messages().pop().is_some_and(|message| message["error"]["data"]["code"] == "insufficient_scope");
        assert!(told, "{method}: {reply:?}");
        assert!(!reply.body.contains("shop"), "{method}: {reply:?}");
    }
}

#[test]
fn callers_whose_names_look_like_secrets_are_still_two() {
    let front = Front::with_tokens("");
    let names = ["AKIAIOSFODNN7EXAMPLA", "AKIAIOSFODNN7EXAMPLB"];
    front.replace_tokens(&names.map(|name| entry(name, &["read", "recover:*"])).concat());
    let served = Served::start(&front.sandbox, &[]);
    let act = |name: &str| {
        let header = bearer(name);
        let arguments = json!({"issue_type": "service_unavailable", "target": "shop", "reason": "x", "idempotency_key": "same"});
        served.call(&[("Authorization", &header)], "trigger_recovery", &arguments)["structuredContent"]["operation_id"].clone()
    };
    let (first, again, other) = (act(names[0]), act(names[0]), act(names[1]));
    assert!(first.is_string() && first == again, "{first} {again}");
    assert_ne!(first, other, "a key is its caller's own");
}

#[test]
fn made_up_operations_fill_no_record() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let reader = bearer("reader");
    for number in 0..30 {
        let id = format!("op_{number:032x}");
        served.modern(&[("Authorization", &reader)], "tools/call", json!({"name": "undo_recovery", "arguments": {"operation_id": id}}));
    }
    let lines = front.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).stdout;
    assert_eq!(lines.matches("\"refused\"").count(), 1, "{lines}");
}

#[test]
fn a_bad_credential_is_refused_with_a_challenge_before_the_body_is_there() {
    let front = Front::with_tokens("resource = \"https://ops.example.com/mcp\"\nmax_failures_per_minute = 1000");
    let served = Served::start(&front.sandbox, &[]);
    let metadata = "resource_metadata=\"https://ops.example.com/.well-known/oauth-protected-resource/mcp\"";
    let good = bearer("reader");
    let twice = [("Authorization", good.as_str()), ("Authorization", good.as_str())];
    let basic = [("Authorization", "Basic cmVhZGVyOnJlYWRlcg==")];
    let unknown = [("Authorization", "Bearer unknown-0123456789012345")];
    for (headers, error) in [(&[][..], false), (&twice, true), (&basic, true), (&unknown, true), (&[("Authorization", "Bearer")], true)] {
        for path in ["/mcp", "/sse", "/messages?sessionId=x", "/metrics", "/", "/mcp?access_token=reader-canary-token-0123456789"] {
            // The announced body never comes, and is not waited for.
            let mut stream = served.connect();
            stream.write_all(served.head("POST", path, headers, 1_000).as_bytes()).unwrap();
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            let reply = crate::support::served::parse(&bytes);
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            assert_eq!(reply.status, 401, "{path} {headers:?} {reply:?}");
            assert!(challenge.starts_with("Bearer ") && challenge.contains(metadata), "{challenge}");
            assert_eq!(challenge.contains("error=\"invalid_token\""), error, "{challenge}");
        }
    }
    assert_eq!(served.request("GET", "/healthz", &[], "").status, 200);
    for path in ["", "/mcp"] {
        let reply = served.request("GET", &format!("/.well-known/oauth-protected-resource{path}"), &[], "");
        let document: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, &document["resource"]), (200, &json!("https://ops.example.com/mcp")), "{document:#}");
        assert_eq!(document["bearer_methods_supported"], json!(["header"]));
        assert!(document["scopes_supported"].as_array().unwrap().contains(&json!("recover:restart_service")), "{document:#}");
    }
    let wrong_host = served.request("POST", "/mcp", &[("Host", "evil.example"), ("Authorization", &good)], "");
    let wrong_origin = served.request("POST", "/mcp", &[("Origin", "null"), ("Authorization", &good)], "");
    assert_eq!((wrong_host.status, wrong_origin.status), (403, 403));
    assert!(wrong_host.body.contains("wrong_host") && wrong_origin.body.contains("wrong_origin"));
    let metrics = served.request("GET", "/metrics", &[("Authorization", &bearer("blind"))], "");
    assert_eq!(refused_by(&metrics), (403, true), "{metrics:?}");
}

fn refused_by(reply: &Reply) -> (u16, bool) {
    (reply.status, reply.header("www-authenticate").is_some_and(|challenge| challenge.contains("scope=\"read\"")))
}

#[test]
fn tokens_are_rotated_while_the_server_runs() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let status = |name: &str| served.modern(&[("Authorization", &bearer(name))], "tools/list", json!({})).status;
    assert_eq!((status("reader"), status("fresh")), (200, 401));
    front.replace_tokens(&entry("fresh", &["read"]));
    assert_eq!(status("fresh"), 200, "a token that is not known is a reason to look at once");
    assert!(wait_for(Duration::from_secs(3), || status("reader") == 401));
    front.replace_tokens("[[token]]\nname = \"canary-in-a-broken-file\"\n");
    thread::sleep(Duration::from_millis(1_200));
    assert_eq!(status("fresh"), 200, "a broken file changes nothing");
    assert!(wait_for(Duration::from_secs(3), || served.stderr().contains("the new file of tokens is not used")));
    assert!(!served.stderr().contains("canary-in"), "{}", served.stderr());
    fs::remove_file(front.sandbox.path("tokens.toml")).unwrap();
    assert!(wait_for(Duration::from_secs(3), || status("fresh") == 401), "no file, no token");
    front.replace_tokens(&tokens());
    assert_eq!(status("reader"), 200);
}

#[test]
fn streams_that_listen_end_soon_after_their_token_does() {
    let front = Front::with_tokens("");
    let moment = jiff::Timestamp::now() + Duration::from_secs(6);
    let expiring = format!("{}expires = {moment:.0}\n", entry("expiring", &["read"]));
    let file = |more: &str| format!("{}{expiring}{more}", entry("stays", &["read"]));
    front.replace_tokens(&file(&(entry("removed", &["read"]) + &entry("narrowed", &["read"]))));
    let served = Served::start(&front.sandbox, &[]);
    let open = |name: &str| {
        let authorization = bearer(name);
        Listening::all(&served, &served.session(&[("Authorization", &authorization)]), &authorization)
    };
    let [stay, expire, removed, narrowed] = ["stays", "expiring", "removed", "narrowed"].map(open);
    assert!(jiff::Timestamp::now() < moment && [&stay, &expire, &removed, &narrowed].iter().all(|streams| streams.iter().all(Listening::is_open)));
    front.replace_tokens(&file(&entry("narrowed", &["recover:rollback"])));
    for (what, streams) in [("removed", &removed), ("narrowed", &narrowed), ("expiring", &expire)] {
        assert_eq!(still_open(streams, Duration::from_secs(if what == "expiring" { 10 } else { 4 })), [""; 0], "{what}");
        // Ended as a stream should be, not broken off.
        assert!(streams.iter().all(|stream| stream.text().ends_with("0\r\n\r\n")), "{what}: {:?}", streams.iter().map(Listening::text).collect::<Vec<_>>());
    }
    assert!(jiff::Timestamp::now() >= moment, "it ended before its time");
    assert_eq!(still_open(&stay, Duration::ZERO), stay.iter().map(|stream| stream.what).collect::<Vec<_>>(), "whose token is good stays");
    fs::remove_file(front.sandbox.path("tokens.toml")).unwrap();
    assert_eq!(still_open(&stay, Duration::from_secs(4)), [""; 0], "no file, no token");
}

#[test]
fn a_session_belongs_to_whom_it_was_opened_by() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let (a, b) = (bearer("reader"), bearer("chief"));
    let mut session: Session<'_> = served.session(&[("Authorization", &a)]);
    let id = session.id().to_owned();
    let list = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/list"});
    let stolen =
        [("Authorization", b.as_str()), ("Mcp-Session-Id", &id), ("Mcp-Protocol-Version", "2025-11-25"), ("Accept", "application/json, text/event-stream")];
    let statuses = [
        served.post(&stolen[..3], &list).status,
        served.request("GET", "/mcp", &stolen, "").status,
        served.request("DELETE", "/mcp", &stolen, "").status,
        served.post(&[("Authorization", &b), ("Mcp-Session-Id", "no-such-session")], &list).status,
    ];
    assert_eq!(statuses, [404; 4]);
    assert_eq!(session.request("tools/list", json!({})).status, 200, "it goes on");
    let mut sse = SseClient::open(&served, &[("Authorization", &a)]);
    let theirs = [("Authorization", b.as_str()), ("Content-Type", "application/json")];
    assert_eq!(served.request("POST", &sse.address, &theirs, &list.to_string()).status, 404);
    assert!(sse.request("tools/list", json!({}))["result"]["tools"].is_array());
}

#[test]
fn guessing_is_slowed_down_and_shuts_nobody_else_out() {
    let front = Front::with_tokens("max_failures_per_minute = 3");
    let served = Served::start(&front.sandbox, &[]);
    let guess = |n: usize| served.post(&[("Authorization", &format!("Bearer guess-{n}-0123456789012345"))], &json!({}));
    let replies: Vec<Reply> = (0..6).map(guess).collect();
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [401, 401, 401, 429, 429, 429]);
    let wait: u64 = replies[5].header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(served.modern(&[("Authorization", &bearer("reader"))], "tools/list", json!({})).status, 200, "a good token from the same address");
    assert_eq!(served.post(&[], &json!({})).status, 401, "no credential is no guess");
    let told = || served.stderr().matches("a wrong credential was refused").count();
    assert!(wait_for(Duration::from_secs(5), || told() == 2), "{}", served.stderr());
}

#[test]
fn no_credential_comes_out_even_at_trace_level() {
    let front = Front::with_tokens("");
    let plain = entry("plain", &["read"]);
    front.replace_tokens(&plain);
    fs::set_permissions(front.sandbox.path("tokens.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let served = Served::run(front.sandbox.command(["serve", "--http", "127.0.0.1:0"]).env("OPSMEDIC_LOG", "trace"));
    let mut said = String::new();
    for name in ["plain", "wrong"] {
        for path in ["/mcp", "/sse?x=1", "/messages", "/nowhere"] {
            said += &served.request("POST", path, &[("Authorization", &bearer(name))], "{}").body;
        }
    }
    let describe = json!({"description": format!("it said Bearer {}", token("plain")), "error_rate_percent": 1, "response_time_ms": 1});
    said += &served.call(&[("Authorization", &bearer("plain"))], "classify_incident", &describe).to_string();
    SseClient::open(&served, &[("Authorization", &bearer("plain"))]).request("tools/list", json!({}));
    front.replace_tokens(&plain.replace("read", "reed"));
    thread::sleep(Duration::from_millis(1_100));
    said += &served.request("POST", "/mcp", &[("Authorization", &bearer("plain"))], "{}").body;
    assert!(wait_for(Duration::from_secs(5), || served.stderr().contains("the new file of tokens is not used")), "{}", served.stderr());
    let stderr = served.stderr();
    assert!(!stderr.contains("canary"), "{stderr}");
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn what_others_can_reach_does_not_start_unprotected() {
    let auth = "[http.auth]\ntokens_file = \"{dir}/tokens.toml\"\n";
    for (http, address, says) in [
        ("", "0.0.0.0:0", "[http.auth]"),
        ("", "[::]:0", "[http.tls]"),
        ("behind_tls_proxy = true\n", "0.0.0.0:0", "[http.auth]"),
        (auth, "0.0.0.0:0", "behind_tls_proxy"),
        (auth, "192.0.2.1:0", "behind_tls_proxy"),
    ] {
        let front = Front::new(http);
        let ended = front.sandbox.opsmedic(["serve", "--http", address]).expect_code(2);
        assert!(ended.stderr.contains(says) && ended.stderr.contains("127.0.0.1"), "{http} {address}: {ended}");
    }
    let nameless = Front::new(&format!("behind_tls_proxy = true\n{auth}")).sandbox.opsmedic(["serve", "--http", "0.0.0.0:0"]).expect_code(2);
    assert!(nameless.stderr.contains("http.allowed_hosts") && !nameless.stderr.contains("behind_tls_proxy"), "{nameless}");
    let front = Front::new(&format!("behind_tls_proxy = true\nallowed_hosts = [\"ops.example.com\"]\n{auth}"));
    let served = Served::run(&mut front.sandbox.command(["serve", "--http", "0.0.0.0:0"]));
    let local = ("Host", "localhost");
    assert_eq!(served.request("GET", "/healthz", &[local], "").status, 200);
    assert_eq!(served.request("GET", "/healthz", &[("Host", "ops.example.com")], "").status, 200);
    assert_eq!(served.request("GET", "/mcp", &[local], "").status, 401);
    let token_itself = format!("[[token]]\nname = \"plain\"\ntoken = \"{}\"\nscopes = [\"read\"]\n", token("plain"));
    for (file, mode, says) in [
        (Some("[[token]]\n"), 0o600, "line 1"),
        (Some(&*token_itself), 0o600, "opsmedic token"),
        (Some(&*tokens()), 0o606, "chmod o-w"),
        (None, 0, "cannot be read"),
    ] {
        let front = Front::with_tokens("");
        match file {
            Some(text) => {
                front.replace_tokens(text);
                fs::set_permissions(front.sandbox.path("tokens.toml"), fs::Permissions::from_mode(mode)).unwrap();
            }
            None => fs::remove_file(front.sandbox.path("tokens.toml")).unwrap(),
        }
        let ended = front.sandbox.opsmedic(["serve", "--http", "127.0.0.1:0"]).expect_code(2);
        assert!(ended.stderr.contains(says) && !ended.stderr.contains("canary"), "{ended}");
    }
    let empty = Front::new("[http.auth]\n").sandbox.opsmedic(["serve", "--http", "127.0.0.1:0"]).expect_code(2);
    assert!(empty.stderr.contains("tokens_file") && empty.stderr.matches("http.auth").count() == 1, "{empty}");
    let name = Front::with_tokens("").sandbox.opsmedic(["serve", "--http", "ops.example.com:1"]).expect_code(2);
    assert!(name.stderr.contains("127.0.0.1:8642"), "{name}");
}

#[test]
fn a_made_token_is_good_with_the_lines_that_come_with_it() {
    let front = Front::with_tokens("");
    let served = Served::start(&front.sandbox, &[]);
    let made = front.sandbox.opsmedic(["token", "ci", "--scope", "read", "--scope", "recover:rollback", "--expires", "2099-01-01T00:00:00Z"]).expect_code(0);
    // Appended to what is there, as the help says.
    let file = tokens() + &made.stdout;
    assert!(!file.contains("opsmedic_") && !file.contains('#'), "{file}");
    front.replace_tokens(&file);
    let token = made.stderr.lines().find_map(|line| line.trim().strip_prefix("opsmedic_")).unwrap();
    let header = format!("Bearer opsmedic_{token}");
    assert_eq!(served.modern(&[("Authorization", &header)], "tools/list", json!({})).status, 200);
    let json = front.sandbox.opsmedic(["--json", "token", "ci"]).expect_code(0).json();
    assert_eq!(json["entry"]["scopes"], json!(["read"]), "{json:#}");
    assert_ne!(json["token"], json!(format!("opsmedic_{token}")));
    front.sandbox.opsmedic(["token", "ci", "--scope", "recover:everything"]).expect_code(2);
    front.sandbox.opsmedic(["token", "a b"]).expect_code(2);
    let help = |command: &str| front.sandbox.opsmedic([command, "--help"]).expect_code(0).stdout;
    assert!(["[http.auth]", "[http.tls]", "http.allowed_hosts"].iter().all(|word| help("serve").contains(word)), "{}", help("serve"));
    assert!(help("token").contains("http.auth.tokens_file"), "{}", help("token"));
}

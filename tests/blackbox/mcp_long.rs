//! Calls that take long: how far they are, how they are stopped, and how they become tasks.

use std::{
    fs::File,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    listener::Listener,
    mcp::{McpClient, refusal},
    plant::{Plant, trigger_of},
    sandbox::{APPROVER_KEY, Sandbox},
    served::{MODERN, Served},
    tokens::{AUTH, bearer, tokens},
    wait_for,
};

/// Two calls that come at once may be taken in either order.
const HEAD_START: Duration = Duration::from_millis(300);

/// Twenty gigabytes of nothing to read, for so many seconds at the most, one log call at a time.
fn endless(seconds: u64) -> Sandbox {
    let sandbox = Sandbox::new(&format!("[logs]\nroots = [\"{{dir}}\"]\nmax_seconds = {seconds}\n[mcp]\nmax_log_calls = 1\nmax_queued_calls = 0\n"));
    File::create(sandbox.path("hole.log")).unwrap().set_len(20 << 30).unwrap();
    sandbox.write("small.log", "2026-11-20T10:00:00Z ERROR nothing works\n");
    sandbox
}

fn analyze(sandbox: &Sandbox, name: &str) -> Value {
    json!({"paths": [sandbox.path(name)], "since": "all"})
}

fn call(tool: &str, arguments: &Value) -> Value {
    json!({"name": tool, "arguments": arguments})
}

fn with_token(tool: &str, arguments: &Value) -> Value {
    json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "how-far"}})
}

/// All notifications of progress before the answer, with when they came, and the answer's result. Fails if one comes behind it.
fn followed(client: &mut McpClient, params: Value) -> (Vec<(Duration, Value)>, Value) {
    let (begun, id) = (Instant::now(), client.post("tools/call", params));
    let mut told = Vec::new();
    loop {
        let message = client.receive();
        if message["id"] == id {
            thread::sleep(Duration::from_millis(500));
            let ping = client.post("ping", json!({}));
            assert_eq!(client.receive()["id"], ping, "something came behind the answer");
            return (told, message["result"].clone());
        }
        assert_eq!(message["method"], "notifications/progress", "{message:#}");
        assert_eq!(message["params"]["progressToken"], "how-far", "{message:#}");
        told.push((begun.elapsed(), message["params"].clone()));
    }
}

fn rises(told: &[(Duration, Value)]) {
    let figures: Vec<f64> = told.iter().map(|(_, params)| params["progress"].as_f64().unwrap()).collect();
    assert!(figures.windows(2).all(|two| two[0] < two[1]), "{told:#?}");
    let span = told.last().map_or(Duration::ZERO, |(at, _)| *at).as_secs_f64();
    assert!(told.len() as f64 <= span * 5.0 + 2.0, "more than five a second: {told:#?}");
}

fn messages(told: &[(Duration, Value)]) -> Vec<String> {
    told.iter().map(|(_, params)| params["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_log_analysis_tells_how_far_it_is() {
    let sandbox = endless(60);
    let mut log = File::create(sandbox.path("large.log")).unwrap();
    let lines: String = (0..10_000).map(|n| format!("2026-11-20T10:00:00Z ERROR worker {n}: cannot reach 10.0.{}.7: timed out\n", n % 250)).collect();
    (0..500).for_each(|_| log.write_all(lines.as_bytes()).unwrap());
    let total = log.metadata().unwrap().len();
    let mut client = sandbox.serve();
    let (told, result) = followed(&mut client, with_token("analyze_logs", &analyze(&sandbox, "large.log")));
    assert_eq!(result["structuredContent"]["error_count"], 5_000_000, "{result:#}");
    assert!(told.len() >= 3, "{told:#?}");
    rises(&told);
    assert!(told.iter().all(|(_, params)| params["total"].as_f64() == Some(total as f64)), "{told:#?}");
    assert!(messages(&told).iter().all(|message| message.ends_with(&format!("of {} MiB read", total >> 20))), "{told:#?}");
    // Who does not ask is not told.
    let (told, _) = followed(&mut client, call("analyze_logs", &analyze(&sandbox, "small.log")));
    assert_eq!(told, Vec::new());
}

#[test]
fn health_checks_tell_how_many_are_done() {
    let silent = Listener::serving(|stream| {
        thread::sleep(Duration::from_secs(3));
        drop(stream);
    });
    let sandbox = Sandbox::new(&format!("[health.application]\nurl = \"http://127.0.0.1:{}/\"\ntimeout_ms = 900\n", silent.port()));
    let mut client = sandbox.serve();
    let (told, result) = followed(&mut client, with_token("run_health_checks", &json!({})));
    let run = result["structuredContent"]["results"].as_array().unwrap().iter().filter(|check| check["state"] != "skipped").count();
    rises(&told);
    assert!(told.len() >= 2, "{told:#?}");
    assert!(told.iter().all(|(_, params)| params["total"].as_f64() == Some(run as f64)), "{run}: {told:#?}");
}

#[test]
fn a_recovery_tells_its_states_and_so_does_who_waits_for_it() {
    let plant = Plant::slow(Duration::from_millis(1_500));
    let mut client = plant.sandbox.serve();
    let (told, result) = followed(&mut client, with_token("trigger_recovery", &trigger_of("shop", "one")));
    assert_eq!(result["structuredContent"]["state"], "succeeded", "{result:#}");
    rises(&told);
    let said = messages(&told).join("\n");
    assert!(said.contains("running: running restart_service") && said.contains("verifying: "), "{said}");

    let plant = Plant::slow(Duration::from_millis(2_500));
    let (mut client, mut watching) = (plant.sandbox.serve(), plant.sandbox.serve());
    let id = client.post("tools/call", call("trigger_recovery", &trigger_of("shop", "one")));
    plant.await_calls(1);
    let waited = json!({"operation_id": plant.calls()[0].operation, "wait_seconds": 20});
    let (told, result) = followed(&mut watching, with_token("get_recovery", &waited));
    assert_eq!(result["structuredContent"]["operation"]["state"], "succeeded", "{result:#}");
    rises(&told);
    assert!(messages(&told).join("\n").contains("verifying: "), "{told:#?}");
    assert_eq!(client.receive()["id"], id);
}

#[test]
fn a_cancelled_log_analysis_frees_its_lane() {
    let sandbox = endless(60);
    let mut client = sandbox.serve();
    let id = client.post("tools/call", call("analyze_logs", &analyze(&sandbox, "hole.log")));
    thread::sleep(HEAD_START);
    assert!(wait_for(Duration::from_secs(5), || client_code(&client_call(&mut client, &sandbox)) == "busy"), "the lane is not full");
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    let begun = Instant::now();
    assert!(wait_for(Duration::from_secs(5), || client_code(&client_call(&mut client, &sandbox)).is_empty()), "the lane is not free");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

fn client_call(client: &mut McpClient, sandbox: &Sandbox) -> Value {
    client.call("analyze_logs", &analyze(sandbox, "small.log"))
}

fn client_code(result: &Value) -> String {
    refusal(result)["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn cancelled_health_checks_stop() {
    let silent = Listener::serving(|stream| {
        thread::sleep(Duration::from_secs(30));
        drop(stream);
    });
    let config =
        format!("[health.application]\nurl = \"http://127.0.0.1:{}/\"\ntimeout_ms = 20000\n[mcp]\nmax_calls = 1\nmax_queued_calls = 0\n", silent.port());
    let sandbox = Sandbox::new(&config);
    let mut client = sandbox.serve();
    let open = client.open_files();
    let id = client.post("tools/call", call("run_health_checks", &json!({"names": ["application"]})));
    let evidence = json!({"description": "checkout is down"});
    thread::sleep(HEAD_START);
    assert!(wait_for(Duration::from_secs(5), || client_code(&client.call("classify_incident", &evidence)) == "busy"), "the lane is not full");
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    assert!(wait_for(Duration::from_secs(2), || client_code(&client.call("classify_incident", &evidence)) != "busy"), "the lane is not free");
    assert!(wait_for(Duration::from_secs(2), || client.open_files() <= open), "its connection is still open");
}

#[test]
fn who_hangs_up_over_http_frees_the_lane() {
    let sandbox = endless(60);
    let served = Served::start(&sandbox, &[]);
    let small = || client_code(&served.call(&[], "analyze_logs", &analyze(&sandbox, "small.log")));
    let mut params = call("analyze_logs", &analyze(&sandbox, "hole.log"));
    params["_meta"] = meta(&json!({}));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("Mcp-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "analyze_logs"),
    ];
    let mut stream = served.connect();
    stream.write_all(format!("{}{body}", served.head("POST", "/mcp", &headers, body.len())).as_bytes()).unwrap();
    thread::sleep(HEAD_START);
    assert!(wait_for(Duration::from_secs(5), || small() == "busy"), "the lane is not full");
    drop(stream);
    assert!(wait_for(Duration::from_secs(5), || small().is_empty()), "the lane is not free");
}

fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

fn knows_tasks() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
}

/// A client of revision 2026-07-28 that knows tasks.
struct Tasked(McpClient);

impl Tasked {
    fn start(sandbox: &Sandbox) -> Self {
        Self(McpClient::start(&mut sandbox.command(["serve"])))
    }

    fn request(&mut self, method: &str, mut params: Value) -> Result<Value, Value> {
        params["_meta"] = meta(&knows_tasks());
        self.0.request(method, params)
    }

    fn get(&mut self, task: &Value) -> Value {
        self.request("tasks/get", json!({"taskId": task["taskId"]})).unwrap()
    }

    #[track_caller]
    fn settled(&mut self, task: &Value) -> Value {
        let mut last = Value::Null;
        let over = wait_for(Duration::from_secs(30), || {
            last = self.get(task);
            last["status"] != "working"
        });
        assert!(over, "{last:#}");
        last
    }
}

#[test]
fn a_long_call_becomes_a_task_and_a_short_one_does_not() {
    let sandbox = endless(4);
    let mut client = Tasked::start(&sandbox);
    let hello = client.request("server/discover", json!({})).unwrap();
    assert!(hello["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object(), "{hello:#}");
    let short = client.request("tools/call", call("analyze_logs", &analyze(&sandbox, "small.log"))).unwrap();
    assert!(short["structuredContent"]["error_count"] == 1 && short["resultType"] != "task", "{short:#}");
    let begun = Instant::now();
    let task = client.request("tools/call", call("analyze_logs", &analyze(&sandbox, "hole.log"))).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1_900) && begun.elapsed() < Duration::from_millis(3_500), "{:?}", begun.elapsed());
    assert!(task["resultType"] == "task" && task["status"] == "working" && task["ttlMs"] == 900_000, "{task:#}");
    // Its place is still taken, and it says how far it is.
    assert_eq!(client_code(&client.request("tools/call", call("analyze_logs", &analyze(&sandbox, "small.log"))).unwrap()), "busy");
    let shows = wait_for(Duration::from_secs(2), || client.get(&task)["statusMessage"].as_str().is_some_and(|message| message.ends_with("MiB read")));
    assert!(shows, "{:#}", client.get(&task));
    let ended = client.settled(&task);
    assert_eq!(ended["status"], "completed", "{ended:#}");
    assert!(ended["result"]["structuredContent"]["partial"].is_string() && ended["result"]["content"][0]["text"].is_string(), "{ended:#}");
}

#[test]
fn a_cancelled_task_gives_its_place_back() {
    let sandbox = endless(60);
    let mut client = Tasked::start(&sandbox);
    let task = client.request("tools/call", call("analyze_logs", &analyze(&sandbox, "hole.log"))).unwrap();
    assert_eq!(task["resultType"], "task", "{task:#}");
    client.request("tasks/cancel", json!({"taskId": task["taskId"]})).unwrap();
    assert_eq!(client.settled(&task)["status"], "cancelled");
    let small = client.request("tools/call", call("analyze_logs", &analyze(&sandbox, "small.log"))).unwrap();
    assert_eq!(small["structuredContent"]["error_count"], 1, "{small:#}");
    client.request("tasks/update", json!({"taskId": task["taskId"], "inputResponses": {}})).unwrap();
    for method in ["tasks/get", "tasks/cancel"] {
        let unknown = client.request(method, json!({"taskId": "\u{1b}[31mnobody's"})).unwrap_err();
        assert!(unknown["code"] == -32602 && !unknown.to_string().contains("nobody"), "{unknown:#}");
    }
    // Who does not say that it knows tasks has none.
    let without = client.0.request("tasks/get", json!({"taskId": task["taskId"], "_meta": meta(&json!({}))})).unwrap_err();
    assert_eq!(without["code"], -32021, "{without:#}");
}

#[test]
fn a_cancelled_recovery_task_goes_on_to_a_recorded_end() {
    let plant = Plant::slow(Duration::from_secs(4));
    let mut client = Tasked::start(&plant.sandbox);
    let task = client.request("tools/call", call("trigger_recovery", &trigger_of("shop", "one"))).unwrap();
    assert_eq!(task["resultType"], "task", "{task:#}");
    plant.await_calls(1);
    client.request("tasks/cancel", json!({"taskId": task["taskId"]})).unwrap();
    assert_eq!(client.settled(&task)["status"], "cancelled");
    let waited = call("get_recovery", &json!({"operation_id": plant.calls()[0].operation, "wait_seconds": 20}));
    let answer = client.request("tools/call", waited).unwrap();
    let ended = match answer["resultType"] == "task" {
        true => client.settled(&answer)["result"].clone(),
        false => answer,
    };
    assert_eq!(ended["structuredContent"]["operation"]["state"], "succeeded", "{ended:#}");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn a_session_that_knows_tasks_gets_one_and_a_person_is_asked_before() {
    let plant = Plant::slow(Duration::from_secs(4));
    plant.configure([("shop", "approve")], &format!("approver_key = \"{APPROVER_KEY}\""));
    let mut capabilities = knows_tasks();
    capabilities["elicitation"] = json!({"form": {}});
    let mut client = plant.sandbox.serve_as(&capabilities);
    let id = client.post("tools/call", call("trigger_recovery", &trigger_of("shop", "one")));
    let question = client.receive();
    assert_eq!(question["method"], "elicitation/create", "{question:#}");
    // The person thinks for longer than a call may take before it becomes a task.
    thread::sleep(Duration::from_secs(3));
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"approve": true}}}));
    let task = client.receive();
    assert!(task["id"] == id && task["result"]["taskId"].is_string(), "{task:#}");
    let mut last = Value::Null;
    let over = wait_for(Duration::from_secs(20), || {
        last = client.request("tasks/get", json!({"taskId": task["result"]["taskId"]})).unwrap();
        last["status"] == "completed"
    });
    assert!(over && last["result"]["structuredContent"]["state"] == "succeeded", "{last:#}");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn over_http_a_task_outlives_the_request_that_began_it() {
    let sandbox = endless(4);
    let served = Served::start(&sandbox, &[]);
    let task = served.modern_as(&knows_tasks(), &[], "tools/call", call("analyze_logs", &analyze(&sandbox, "hole.log"))).result();
    assert_eq!(task["resultType"], "task", "{task:#}");
    let mut last = Value::Null;
    let over = wait_for(Duration::from_secs(20), || {
        last = served.modern_as(&knows_tasks(), &[], "tasks/get", json!({"taskId": task["taskId"]})).result();
        last["status"] != "working"
    });
    assert!(over && last["status"] == "completed", "{last:#}");
    assert!(last["result"]["structuredContent"]["partial"].is_string(), "{last:#}");
}

#[test]
fn asked_to_end_it_waits_for_what_runs_as_a_task() {
    let plant = Plant::slow(Duration::from_secs(5));
    plant.sandbox.write("tokens.toml", &tokens());
    plant.configure([("shop", "auto")], AUTH);
    let mut served = Served::start(&plant.sandbox, &[]);
    let authorization = bearer("restarter");
    let begun = call("trigger_recovery", &trigger_of("shop", "one"));
    let task = served.modern_as(&knows_tasks(), &[("Authorization", &authorization)], "tools/call", begun).result();
    assert_eq!(task["resultType"], "task", "{task:#}");
    served.signal(Signal::TERM);
    assert!(served.wait_end(Duration::from_secs(15)).success());
    let operations = plant.operations();
    assert_eq!((operations.len(), &operations[0]["state"]), (1, &json!("succeeded")), "{operations:#?}");
}

#[test]
fn over_http_progress_comes_on_the_calls_own_stream() {
    let plant = Plant::slow(Duration::from_millis(1_500));
    let served = Served::start(&plant.sandbox, &[]);
    let token = json!({"progressToken": "how-far"});
    let begun = served.modern(&[], "tools/call", call("get_recovery", &json!({}))).result();
    assert!(begun["structuredContent"]["targets"][0]["name"] == "shop", "{begun:#}");
    let mut client = plant.sandbox.serve();
    let id = client.post("tools/call", call("trigger_recovery", &trigger_of("shop", "one")));
    plant.await_calls(1);
    let mut params = call("get_recovery", &json!({"operation_id": plant.calls()[0].operation, "wait_seconds": 20}));
    params["_meta"] = token;
    let (modern, session) = thread::scope(|scope| {
        let modern = scope.spawn(|| served.modern(&[], "tools/call", params.clone()).messages());
        let session = scope.spawn(|| served.session(&[]).request("tools/call", params.clone()).messages());
        (modern.join().unwrap(), session.join().unwrap())
    });
    for messages in [modern, session] {
        let (last, told) = messages.split_last().unwrap();
        assert_eq!(last["result"]["structuredContent"]["operation"]["state"], "succeeded", "{messages:#?}");
        let told: Vec<_> = told.iter().map(|message| (Duration::from_secs(60), message["params"].clone())).collect();
        assert!(told.len() >= 2 && told.iter().all(|(_, params)| params["progressToken"] == "how-far"), "{messages:#?}");
        rises(&told);
    }
    assert_eq!(client.receive()["id"], id);
}

#[test]
fn modern_a_person_is_asked_before_there_is_a_task() {
    let plant = Plant::slow(Duration::from_secs(4));
    plant.configure([("shop", "approve")], &format!("approver_key = \"{APPROVER_KEY}\""));
    let mut capabilities = knows_tasks();
    capabilities["elicitation"] = json!({"form": {}});
    let mut client = McpClient::start(&mut plant.sandbox.command(["serve"]));
    let mut params = call("trigger_recovery", &trigger_of("shop", "one"));
    params["_meta"] = meta(&capabilities);
    let asked = client.request("tools/call", params.clone()).unwrap();
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = json!({"approval": {"action": "accept", "content": {"approve": true}}});
    let task = client.request("tools/call", params).unwrap();
    assert_eq!(task["resultType"], "task", "{task:#}");
    let mut client = Tasked(client);
    let ended = client.settled(&task);
    assert_eq!(ended["result"]["structuredContent"]["state"], "succeeded", "{ended:#}");
    assert_eq!(plant.calls().len(), 1);
}

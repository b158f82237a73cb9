//! Approval by the person at the client, in both styles of the protocol: what a yes runs, and everything that is none.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    backend::Reply,
    mcp::{McpClient, refusal},
    plant::{Plant, trigger_of},
    sandbox::APPROVER_KEY,
    served::MODERN,
    skip::need,
    sql::Sql,
    wait_for,
};

const ACTS_ONCE: &str = "restart";

/// One target that needs approval, with an approver, and these keys in `[mcp]`.
fn plant(mcp: &str) -> Plant {
    with(&format!("approver_key = \"{APPROVER_KEY}\""), mcp)
}

fn with(recovery: &str, mcp: &str) -> Plant {
    let plant = Plant::new([("shop", "approve")], recovery, |_| Reply::Status(200));
    configure(&plant, recovery, mcp);
    plant
}

fn configure(plant: &Plant, recovery: &str, mcp: &str) {
    plant.configure([("shop", "approve")], recovery);
    let config = std::fs::read_to_string(plant.sandbox.path("opsmedic.toml")).unwrap();
    plant.sandbox.configure(&format!("{config}\n[mcp]\n{mcp}\n"));
}

/// With failover, which is destructive, behind the restart.
const DESTRUCTIVE: &str = "[recovery.strategies]\nservice_unavailable = [\"restart_service\", \"rollback\", \"failover\"]";

fn destructive(mcp: &str) -> Plant {
    let plant = plant(mcp);
    let recovery = format!("approver_key = \"{APPROVER_KEY}\"\n{DESTRUCTIVE}");
    configure(&plant, &recovery, mcp);
    let config = std::fs::read_to_string(plant.sandbox.path("opsmedic.toml")).unwrap();
    let (targets, mcp) = config.split_once("\n[mcp]").unwrap();
    let standby = "[targets.actions.failover.command]\nargv = [\"/bin/true\"]";
    plant.sandbox.configure(&format!("{targets}\n{standby}\n[mcp]{mcp}"));
    plant
}

fn forms() -> Value {
    json!({"elicitation": {"form": {}}})
}

/// Calls, and gives the call's id and the question that comes.
#[track_caller]
fn asked(client: &mut McpClient, arguments: &Value) -> (u64, Value) {
    let call = client.post("tools/call", json!({"name": "trigger_recovery", "arguments": arguments}));
    let question = client.receive();
    assert_eq!(question["method"], "elicitation/create", "{question:#}");
    (call, question)
}

fn answer(client: &mut McpClient, question: &Value, result: &Value) {
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
}

fn yes() -> Value {
    json!({"action": "accept", "content": {"approve": true}})
}

/// The structured content of the answer to a call.
#[track_caller]
fn answered(client: &McpClient, call: u64) -> Value {
    loop {
        let message = client.receive();
        if message["id"] == call && message.get("method").is_none() {
            let result = &message["result"];
            return if result["isError"] == true { refusal(result) } else { result["structuredContent"].clone() };
        }
    }
}

fn events(plant: &Plant) -> Vec<String> {
    let lines = plant.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).json_lines();
    lines.iter().map(|line| line["event"]["event"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_yes_in_the_client_runs_the_plan_once_and_says_on_record_whose_it_was() {
    let plant = plant("");
    let mut client = plant.sandbox.serve_as(&forms());
    let (call, question) = asked(&mut client, &trigger_of("shop", "one"));
    let params = &question["params"];
    assert_eq!(params["requestedSchema"]["properties"]["approve"]["type"], "boolean", "{question:#}");
    assert_eq!(params["requestedSchema"]["required"], json!(["approve"]));
    assert!(params["requestedSchema"]["properties"]["approve"].get("default").is_none(), "{question:#}");
    let message = params["message"].as_str().unwrap();
    let operation = plant.operations()[0].clone();
    let digest = &operation["plan"]["digest"].as_str().unwrap()[..12];
    for part in ["shop", "approve", "1. restart_service (disruptive)", digest, operation["operation_id"].as_str().unwrap(), "\"it answers 503\"", "Waits until"]
    {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert_eq!(plant.calls().len(), 0, "called before the answer");
    answer(&mut client, &question, &yes());
    let done = answered(&client, call);
    assert_eq!(done["state"], "succeeded", "{done:#}");
    assert_eq!(plant.calls().iter().map(|call| call.action.as_str()).collect::<Vec<_>>(), [ACTS_ONCE]);
    assert!(done["consent"]["untrusted_client"] == "opsmedic-tests 1" && done.get("approval_signature").is_none(), "{done:#}");
    // The same call again: nobody is asked, nothing runs.
    assert_eq!(client.ok("trigger_recovery", &trigger_of("shop", "one"))["operation_id"], done["operation_id"]);
    assert_eq!(plant.calls().len(), 1);
    assert_eq!(events(&plant), ["planned", "approved", "intent", "verifying", "succeeded"]);
    plant.sandbox.opsmedic(["audit", "verify"]).expect_code(0);
}

#[test]
fn a_no_ends_the_operation_and_nobody_is_asked_again_at_once() {
    for no in [json!({"action": "decline"}), json!({"action": "accept", "content": {"approve": false}})] {
        let plant = plant("");
        let mut client = plant.sandbox.serve_as(&forms());
        let (call, question) = asked(&mut client, &trigger_of("shop", "one"));
        answer(&mut client, &question, &no);
        let closed = answered(&client, call);
        assert!(closed["state"] == "failed" && closed["message"].as_str().unwrap().contains("declined"), "{closed:#}");
        assert_eq!(events(&plant), ["planned", "declined", "failed"]);
        // A model that tries again with a new key wears nobody down.
        let waiting = client.ok("trigger_recovery", &trigger_of("shop", "two"));
        assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("declined in the client a moment ago"), "{waiting:#}");
        assert_eq!(plant.calls().len(), 0);
    }
}

#[test]
fn no_answer_leaves_it_waiting_for_the_approver_and_the_same_call_goes_on() {
    let plant = plant("elicitation_timeout_seconds = 2");
    let mut client = plant.sandbox.serve_as(&forms());
    for (key, reply) in [("one", Some(json!({"action": "cancel"}))), ("two", Some(json!({"action": "accept"}))), ("three", None)] {
        let begun = Instant::now();
        let (call, question) = asked(&mut client, &trigger_of("shop", key));
        if let Some(reply) = &reply {
            answer(&mut client, &question, reply);
        }
        let waiting = answered(&client, call);
        let message = waiting["message"].as_str().unwrap_or_default();
        assert!(waiting["state"] == "planned" && message.contains("so it waits for approval") && message.contains("recover approve op_"), "{waiting:#}");
        if reply.is_none() {
            assert!(begun.elapsed() >= Duration::from_secs(2) && message.contains("did not answer in time"), "{waiting:#}");
            // Too late is too late.
            answer(&mut client, &question, &yes());
        }
    }
    assert_eq!(plant.calls().len(), 0);
    let id = plant.operations()[0]["operation_id"].as_str().unwrap().to_owned();
    assert_eq!(plant.operations().len(), 1, "each call joined it");
    plant.sandbox.as_approver(&["recover", "approve", "--only", &id]).expect_code(0);
    let done = client.ok("trigger_recovery", &trigger_of("shop", "three"));
    assert!(done["state"] == "succeeded" && done["operation_id"] == id.as_str(), "{done:#}");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn an_error_for_an_answer_is_none() {
    let plant = plant("");
    let mut client = plant.sandbox.serve_as(&forms());
    let (call, question) = asked(&mut client, &trigger_of("shop", "one"));
    client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32601, "message": "no such method"}}));
    let waiting = answered(&client, call);
    assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("did not ask"), "{waiting:#}");
    assert_eq!(plant.calls().len(), 0);
}

#[test]
fn who_is_not_asked_waits_out_of_band() {
    let named = [
        ("a client that cannot", plant(""), json!({})),
        ("a client that can only open addresses", plant(""), json!({"elicitation": {"url": {}}})),
        ("never", plant("elicitation_approves = \"never\""), forms()),
        ("a destructive plan", destructive(""), forms()),
    ];
    for (why, plant, capabilities) in named {
        let mut client = plant.sandbox.serve_as(&capabilities);
        let waiting = client.ok("trigger_recovery", &trigger_of("shop", "one"));
        assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("opsmedic recover approve op_"), "{why}: {waiting:#}");
        assert_eq!(plant.calls().len(), 0, "{why}");
    }
}

#[test]
fn always_means_destructive_plans_too() {
    let plant = destructive("elicitation_approves = \"always\"");
    let mut client = plant.sandbox.serve_as(&json!({"elicitation": {}}));
    let (call, question) = asked(&mut client, &trigger_of("shop", "one"));
    let message = question["params"]["message"].as_str().unwrap();
    assert!(message.contains("3. failover (destructive)"), "{message}");
    answer(&mut client, &question, &yes());
    assert_eq!(answered(&client, call)["state"], "succeeded");
}

#[test]
fn without_an_approver_only_a_client_that_asks_can_approve() {
    let plant = with("", "");
    assert_eq!(plant.sandbox.serve().refused("trigger_recovery", &trigger_of("shop", "one"))["code"], "no_approver");
    let mut client = plant.sandbox.serve_as(&forms());
    let (call, question) = asked(&mut client, &trigger_of("shop", "two"));
    answer(&mut client, &question, &yes());
    assert_eq!(answered(&client, call)["state"], "succeeded");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn a_hostile_reason_stays_one_quoted_line_behind_the_facts() {
    let plant = plant("");
    let mut client = plant.sandbox.serve_as(&forms());
    let reason = format!("x\"\nTarget: harmless (policy auto)\n\u{202e}\u{1b}[2J\u{200b} password=canary-7 approve this: \u{e0041} {}", "y".repeat(700));
    let mut arguments = trigger_of("shop", "one");
    arguments["reason"] = reason.into();
    let (call, question) = asked(&mut client, &arguments);
    let message = question["params"]["message"].as_str().unwrap();
    let last = message.lines().last().unwrap();
    assert!(last.starts_with("The caller's words, not checked: \"") && last.ends_with('"'), "{message}");
    assert_eq!(last.matches('"').count(), 2, "{last}");
    assert_eq!(message.lines().filter(|line| line.starts_with("Target: ")).collect::<Vec<_>>(), ["Target: shop (policy approve)"]);
    assert!(message.len() < 2_000 && !message.contains("canary-7"), "{message}");
    assert!(message.chars().all(|c| c == '\n' || !c.is_control()), "{message:?}");
    assert!(!message.contains(['\u{202e}', '\u{200b}', '\u{e0041}']), "{message:?}");
    answer(&mut client, &question, &json!({"action": "decline"}));
    answered(&client, call);
    assert_eq!(plant.calls().len(), 0);
}

#[test]
fn one_question_at_a_time_and_a_client_that_leaves_answers_none() {
    let plant = plant("");
    let mut client = plant.sandbox.serve_as(&forms());
    let (call, question) = asked(&mut client, &trigger_of("shop", "one"));
    let second = client.ok("trigger_recovery", &trigger_of("shop", "two"));
    assert!(second["message"].as_str().unwrap().contains("being asked about it in the client already"), "{second:#}");
    // The call is cancelled; a yes that comes afterwards runs nothing.
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call, "reason": "enough"}}));
    client.ok("get_recovery", &json!({}));
    answer(&mut client, &question, &yes());
    client.ok("get_recovery", &json!({}));
    // And one that hangs up in the middle.
    let (_, _) = asked(&mut client, &trigger_of("shop", "three"));
    client.end();
    assert_eq!(plant.operations()[0]["state"], "planned");
    assert_eq!(plant.calls().len(), 0);
    let id = plant.operations()[0]["operation_id"].as_str().unwrap().to_owned();
    plant.sandbox.as_approver(&["recover", "approve", &id]).expect_code(0);
    assert_eq!(plant.calls().len(), 1);
}

/// Revision 2026-07-28 over stdio: every request says who asks and what it can do.
fn modern(client: &mut McpClient, capabilities: &Value, mut params: Value) -> Result<Value, Value> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    client.request("tools/call", params)
}

fn call(arguments: &Value) -> Value {
    json!({"name": "trigger_recovery", "arguments": arguments})
}

fn reply(arguments: &Value, state: &Value, answer: &Value) -> Value {
    json!({"name": "trigger_recovery", "arguments": arguments, "requestState": state, "inputResponses": {"approval": answer}})
}

/// A server that has not been spoken to.
fn silent(plant: &Plant) -> McpClient {
    McpClient::start(&mut plant.sandbox.command(["serve"]))
}

#[track_caller]
fn input_required(client: &mut McpClient, arguments: &Value) -> Value {
    let asked = modern(client, &forms(), call(arguments)).unwrap();
    assert_eq!(asked["resultType"], "input_required", "{asked:#}");
    let question = &asked["inputRequests"]["approval"];
    assert_eq!(question["method"], "elicitation/create", "{asked:#}");
    assert!(question["params"]["message"].as_str().unwrap().contains("Target: shop"), "{asked:#}");
    asked["requestState"].clone()
}

#[track_caller]
fn refused(client: &mut McpClient, params: Value, code: &str) {
    let result = modern(client, &forms(), params).unwrap();
    assert!(result["isError"] == true && refusal(&result)["code"] == code, "{code}: {result:#}");
}

#[test]
fn modern_a_yes_runs_once_and_a_repeated_one_tells_what_stands() {
    let plant = plant("");
    let (mut client, arguments) = (silent(&plant), trigger_of("shop", "one"));
    let state = input_required(&mut client, &arguments);
    assert_eq!(plant.calls().len(), 0);
    let done = modern(&mut client, &forms(), reply(&arguments, &state, &yes())).unwrap();
    assert_eq!(done["structuredContent"]["state"], "succeeded", "{done:#}");
    for repeated in [yes(), json!({"action": "decline"})] {
        let again = modern(&mut client, &forms(), reply(&arguments, &state, &repeated)).unwrap();
        assert_eq!(again["structuredContent"]["operation_id"], done["structuredContent"]["operation_id"], "{again:#}");
        assert_eq!(again["structuredContent"]["state"], "succeeded", "{again:#}");
    }
    assert_eq!(plant.calls().len(), 1);
    assert_eq!(events(&plant), ["planned", "approved", "intent", "verifying", "succeeded"]);
}

#[test]
fn modern_no_cancel_and_nothing() {
    let plant = plant("");
    let (mut client, arguments) = (silent(&plant), trigger_of("shop", "one"));
    let state = input_required(&mut client, &arguments);
    let waiting = modern(&mut client, &forms(), reply(&arguments, &state, &json!({"action": "cancel"}))).unwrap()["structuredContent"].clone();
    assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("closed the question"), "{waiting:#}");
    let mut nothing = reply(&arguments, &state, &yes());
    nothing.as_object_mut().unwrap().remove("inputResponses");
    refused(&mut client, nothing, "approval_answer_missing");
    refused(
        &mut client,
        json!({"name": "trigger_recovery", "arguments": arguments, "requestState": state, "inputResponses": {"other": yes()}}),
        "approval_answer_missing",
    );
    let closed = modern(&mut client, &forms(), reply(&arguments, &state, &json!({"action": "decline"}))).unwrap()["structuredContent"].clone();
    assert!(closed["state"] == "failed" && closed["message"].as_str().unwrap().contains("declined"), "{closed:#}");
    let late = modern(&mut client, &forms(), reply(&arguments, &state, &yes())).unwrap()["structuredContent"].clone();
    assert_eq!(late["state"], "failed", "{late:#}");
    assert_eq!(plant.calls().len(), 0);
}

#[test]
fn modern_a_state_that_is_not_ours_or_not_of_this_call_runs_nothing() {
    let plant = plant("");
    let (mut client, arguments) = (silent(&plant), trigger_of("shop", "one"));
    let state = input_required(&mut client, &arguments);
    let text = state.as_str().unwrap();
    let mut changed = text.to_owned();
    let middle = text.len() / 2;
    changed.replace_range(middle..=middle, if &text[middle..=middle] == "A" { "B" } else { "A" });
    for wrong in [changed.as_str(), "", "rs1.AAAA.AAAA", &text[1..]] {
        refused(&mut client, reply(&arguments, &json!(wrong), &yes()), "approval_state_invalid");
    }
    // Another call's arguments.
    let mut other = arguments.clone();
    other["issue_type"] = "bad_deployment".into();
    refused(&mut client, reply(&other, &state, &yes()), "idempotency_conflict");
    // Another process has another key.
    let mut second = silent(&plant);
    refused(&mut second, reply(&arguments, &state, &yes()), "approval_state_invalid");
    // The input without a state is just a call: it asks.
    let bare = json!({"name": "trigger_recovery", "arguments": arguments, "inputResponses": {"approval": yes()}});
    assert_eq!(modern(&mut client, &forms(), bare).unwrap()["resultType"], "input_required");
    // A confirmation is no argument.
    let mut confirmed = arguments.clone();
    confirmed["confirm"] = true.into();
    refused(&mut client, call(&confirmed), "invalid_input");
    assert_eq!(plant.calls().len(), 0);
    assert_eq!(plant.operations().len(), 1);
}

#[test]
fn modern_too_late_and_drift() {
    let plant = plant("elicitation_timeout_seconds = 1");
    let (mut client, arguments) = (silent(&plant), trigger_of("shop", "one"));
    let state = input_required(&mut client, &arguments);
    std::thread::sleep(Duration::from_millis(1_200));
    refused(&mut client, reply(&arguments, &state, &yes()), "approval_expired");
    assert_eq!(plant.operations()[0]["state"], "planned");
    // A person on the machine has it approved meanwhile, with the passphrase: the answer in the client runs nothing more.
    let state = input_required(&mut client, &arguments);
    let id = plant.operations()[0]["operation_id"].as_str().unwrap().to_owned();
    plant.sandbox.as_approver(&["recover", "approve", &id]).expect_code(0);
    assert!(wait_for(Duration::from_secs(5), || plant.calls().len() == 1));
    let stands = modern(&mut client, &forms(), reply(&arguments, &state, &yes())).unwrap();
    let stands = if stands["isError"] == true { refusal(&stands)["code"].clone() } else { stands["structuredContent"]["state"].clone() };
    assert!(stands == "succeeded" || stands == "approval_expired", "{stands}");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn modern_without_the_capability_it_waits_out_of_band() {
    let plant = plant("");
    let mut client = silent(&plant);
    let waiting = modern(&mut client, &json!({}), call(&trigger_of("shop", "one"))).unwrap();
    let waiting = &waiting["structuredContent"];
    assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("recover approve op_"), "{waiting:#}");
    assert_eq!(plant.calls().len(), 0);
}

#[test]
fn a_plan_that_changed_while_the_person_thought_is_refused_as_drift() {
    let sql = need!(Sql::find());
    let plant = plant("");
    let mut client = plant.sandbox.serve_as(&forms());
    let (first, question) = asked(&mut client, &trigger_of("shop", "one"));
    let id = plant.operations()[0]["operation_id"].as_str().unwrap().to_owned();
    // Somebody who can write the store changes what is on record.
    let store = plant.sandbox.path("state/opsmedic.db");
    sql.run(&store, &format!("UPDATE operations SET document = json_set(document, '$.plan.steps[0].call', 'POST http://elsewhere/') WHERE id = '{id}'"));
    answer(&mut client, &question, &yes());
    let refusal = answered(&client, first);
    assert_eq!(refusal["code"], "drift", "{refusal:#}");
    assert_eq!(plant.operations()[0]["state"], "failed");
    assert_eq!(plant.calls().len(), 0);
}

/// Over HTTP, where only a caller whose scopes allow it may act: these headers are to prove one.
mod over_http {
    use super::*;
    use crate::support::{
        served::{Served, Session},
        tokens::{AUTH, bearer, tokens},
    };

    const MAY_ACT: &[(&str, &str)] = &[("Authorization", "Bearer chief-canary-token-0123456789")];

    /// One that knows the tokens of the tests.
    fn plant() -> Plant {
        let plant = super::plant(AUTH);
        plant.sandbox.write("tokens.toml", &tokens());
        plant
    }

    fn modern_call(served: &Served, capabilities: &Value, params: Value) -> Value {
        served.modern_as(capabilities, MAY_ACT, "tools/call", params).result()
    }

    #[test]
    fn stateless_asks_by_an_answer_and_the_repeated_call_runs_once() {
        let plant = plant();
        let served = Served::start(&plant.sandbox, &[]);
        let arguments = trigger_of("shop", "one");
        let asked = modern_call(&served, &forms(), call(&arguments));
        assert_eq!(asked["resultType"], "input_required", "{asked:#}");
        for _ in 0..2 {
            let done = modern_call(&served, &forms(), reply(&arguments, &asked["requestState"], &yes()));
            assert_eq!(done["structuredContent"]["state"], "succeeded", "{done:#}");
            // Whoever it is: over HTTP it is somebody.
            assert!(done["structuredContent"]["consent"]["principal"].is_string(), "{done:#}");
        }
        assert_eq!(plant.calls().len(), 1);
    }

    #[test]
    fn a_session_without_elicitation_waits_out_of_band_and_goes_on_after_the_passphrase() {
        let plant = plant();
        let served = Served::start(&plant.sandbox, &[]);
        let mut session = Session::open(&served, MAY_ACT, &json!({}));
        let waiting = session.call("trigger_recovery", &trigger_of("shop", "one"))["structuredContent"].clone();
        assert!(waiting["state"] == "planned" && waiting["message"].as_str().unwrap().contains("recover approve op_"), "{waiting:#}");
        plant.sandbox.as_approver(&["recover", "approve", "--only", waiting["operation_id"].as_str().unwrap()]).expect_code(0);
        let done = session.call("trigger_recovery", &trigger_of("shop", "one"))["structuredContent"].clone();
        assert!(done["state"] == "succeeded" && done["operation_id"] == waiting["operation_id"], "{done:#}");
        assert_eq!(plant.calls().len(), 1);
    }

    #[test]
    fn a_session_is_asked_within_its_call() {
        let plant = plant();
        let served = Served::start(&plant.sandbox, &[]);
        let session = Session::open(&served, MAY_ACT, &forms());
        let message = json!({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": call(&trigger_of("shop", "one"))});
        let messages = session.send_answering(&message, |question| {
            assert_eq!(question["method"], "elicitation/create", "{question:#}");
            assert_eq!(plant.calls().len(), 0);
            yes()
        });
        let last = messages.last().unwrap();
        assert!(last["id"] == 77 && last["result"]["structuredContent"]["state"] == "succeeded", "{messages:#?}");
        assert_eq!(plant.calls().len(), 1);
    }

    #[test]
    fn what_one_caller_was_asked_another_cannot_answer() {
        let plant = plant();
        let served = Served::start(&plant.sandbox, &[]);
        let arguments = trigger_of("shop", "one");
        let asked = modern_call(&served, &forms(), call(&arguments));
        let other = bearer("restarter");
        let by_other = |params| served.modern_as(&forms(), &[("Authorization", &other)], "tools/call", params).result();
        let answered = by_other(reply(&arguments, &asked["requestState"], &yes()));
        assert_eq!(refusal(&answered)["code"], "approval_state_invalid", "{answered:#}");
        // Nor does the same call, or the same key, join what waits for somebody else.
        let joined = by_other(call(&arguments));
        assert_eq!(refusal(&joined)["code"], "waits_for_another", "{joined:#}");
        assert_eq!(plant.calls().len(), 0);
        let done = modern_call(&served, &forms(), reply(&arguments, &asked["requestState"], &yes()));
        assert_eq!(done["structuredContent"]["state"], "succeeded", "{done:#}");
        assert_eq!(plant.calls().len(), 1);
    }
}

//! Recovery when processes die, race, stand still or are told to end: the backend counts what it was asked to do.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{
    backend::Reply,
    log_files::strace,
    mcp::McpClient,
    plant::{Call, Plant, ended, trigger_of},
    sandbox::{BINARY, finish},
    skip::need,
    wait_for,
};

/// How often a server is killed.
const CRASHES: usize = 200;
/// What the moments of the crashes are made from.
const SEED: u64 = 0x0051_EED5;
/// The latest moment of a crash behind the call, milliseconds.
const LATEST: u64 = 150;

/// Xorshift: the same moments at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// The name of a target says how its backend answers.
fn name(number: usize) -> String {
    let kind = ["waits", "fails", "quick", "late", "later", "latest"][number % 6];
    format!("{kind}-{number:03}")
}

fn reply(call: &Call) -> Reply {
    match call.target.split('-').next() {
        Some("fails") => Reply::Status(404),
        Some("late") => Reply::Late(200, Duration::from_millis(30)),
        Some("later") => Reply::Late(200, Duration::from_millis(80)),
        Some("latest") => Reply::Late(200, Duration::from_millis(140)),
        _ => Reply::Status(200),
    }
}

/// What crashes left behind.
#[derive(Default)]
struct Tally {
    /// Operations whose ids a caller was told.
    acknowledged: Vec<String>,
    /// Targets whose operation was approved and not begun.
    approved: Vec<String>,
    unrecorded: usize,
    called: usize,
    interrupted: usize,
    interrupted_verifying: usize,
    ended: usize,
    planned: usize,
}

fn passphrase_key(plant: &Plant) -> String {
    let file = plant.sandbox.write("passphrase", "correct horse battery\n");
    let made = plant.sandbox.opsmedic(["recover", "passphrase", "--json", "--passphrase-file", file.to_str().unwrap()]).expect_code(0).json();
    format!("approver_key = \"{}\"", made["approver_key"].as_str().unwrap())
}

#[test]
fn two_hundred_crashes_never_act_twice_and_lose_nothing() {
    let names: Vec<String> = (0..CRASHES).map(name).collect();
    let policies = || names.iter().map(|name| (name.as_str(), if name.starts_with("waits") { "approve" } else { "auto" }));
    let plant = Plant::new([], "", reply);
    let key = passphrase_key(&plant);
    plant.configure(policies(), &format!("actions_per_hour = 1000\ncooldown_seconds = 300\n{key}"));
    let (mut dice, mut tally) = (Dice(SEED), Tally::default());
    let mut client = plant.sandbox.serve();
    for target in &names {
        client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of(target, &format!("key-{target}"))}));
        thread::sleep(Duration::from_millis(dice.below(LATEST)));
        let told = client.kill().into_iter().find_map(|message| Some(message["result"]["structuredContent"]["operation_id"].as_str()?.to_owned()));
        client = plant.sandbox.serve();
        after_a_crash(&plant, &mut client, target, told, &mut tally);
    }
    go_on_with_what_was_only_approved(&plant, &mut client, &tally.approved);
    client.end();
    nothing_was_done_twice_or_lost(&plant, &tally);
    println!(
        "{CRASHES} crashes: {} not recorded, {} approved, {} planned, {} interrupted ({} of them while watching), {} ended; {} called, {} acknowledged",
        tally.unrecorded,
        tally.approved.len(),
        tally.planned,
        tally.interrupted,
        tally.interrupted_verifying,
        tally.ended,
        tally.called,
        tally.acknowledged.len()
    );
    // Else the crashes came at moments that show nothing.
    assert!(tally.interrupted - tally.interrupted_verifying > 10 && tally.interrupted_verifying > 10 && tally.acknowledged.len() > 10 && tally.called > 40);
}

/// What one crash left on record, and what the next calls say.
fn after_a_crash(plant: &Plant, client: &mut McpClient, target: &str, told: Option<String>, tally: &mut Tally) {
    let mut found = Value::Null;
    let settled = wait_for(Duration::from_secs(5), || {
        found = client.ok("get_recovery", &json!({"target": target}))["operations"][0].clone();
        match found["state"].as_str() {
            Some("running" | "verifying") => false,
            // The look at what was interrupted is part of the start.
            Some("interrupted") => found["probe"].is_string(),
            _ => true,
        }
    });
    assert!(settled, "{target} is not settled 5 s after the restart: {found:#}");
    let id = found["operation_id"].as_str();
    if let Some(told) = told {
        assert_eq!(Some(told.as_str()), id, "{target}: an acknowledged operation is lost");
        tally.acknowledged.push(told);
    }
    let calls = plant.calls_of(target);
    assert!(calls.len() <= 1, "{calls:?}");
    if let [call] = &calls[..] {
        tally.called += 1;
        assert_eq!(Some(call.operation.as_str()), id, "{target}: called without a record");
    }
    match found["state"].as_str() {
        None => tally.unrecorded += 1,
        Some("approved") => {
            assert!(calls.is_empty(), "called without an intent: {found:#}");
            tally.approved.push(target.to_owned());
        }
        Some(state) => {
            let watching = found["attempts"][0]["receipt"]["untrusted_left"].is_object();
            match state {
                "planned" => tally.planned += 1,
                "interrupted" => {
                    (tally.interrupted, tally.interrupted_verifying) = (tally.interrupted + 1, tally.interrupted_verifying + usize::from(watching))
                }
                _ => tally.ended += 1,
            }
            repeated_calls_do_nothing(client, target, &found);
        }
    }
}

fn repeated_calls_do_nothing(client: &mut McpClient, target: &str, found: &Value) {
    let again = client.ok("trigger_recovery", &trigger_of(target, &format!("key-{target}")));
    assert_eq!((&again["operation_id"], &again["state"]), (&found["operation_id"], &found["state"]), "{target}");
    let anew = trigger_of(target, &format!("new-key-{target}"));
    if found["state"] == "planned" {
        assert_eq!(client.ok("trigger_recovery", &anew)["operation_id"], found["operation_id"]);
    } else {
        let refusal = client.refused("trigger_recovery", &anew);
        assert_eq!(refusal["code"], "cooldown", "{refusal:#}\n{found:#}");
    }
}

/// An operation that was approved and not begun holds its target until the lease has run out; then the same call carries it out, once.
fn go_on_with_what_was_only_approved(plant: &Plant, client: &mut McpClient, targets: &[String]) {
    let mut left = targets.to_vec();
    let gone_on = wait_for(Duration::from_secs(20), || {
        for target in &left {
            client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of(target, &format!("key-{target}"))}));
        }
        let states: Vec<Value> = left.iter().map(|_| client.receive()["result"]["structuredContent"].clone()).collect();
        left = states.iter().filter(|o| o["state"] == "approved").map(|o| o["target"].as_str().unwrap().to_owned()).collect();
        left.is_empty()
    });
    assert!(gone_on, "still approved: {left:?}");
    for target in targets {
        assert_eq!(plant.calls_of(target).len(), 1, "{target}");
    }
}

fn nothing_was_done_twice_or_lost(plant: &Plant, tally: &Tally) {
    let operations = plant.operations();
    let recorded = |id: &str| operations.iter().find(|o| o["operation_id"] == id);
    let calls = plant.calls();
    for call in &calls {
        let again = calls.iter().filter(|c| c.target == call.target || c.operation == call.operation).count();
        assert_eq!(again, 1, "{call:?}");
        let operation = recorded(&call.operation).unwrap_or_else(|| panic!("not on record: {call:?}"));
        assert_eq!(operation["attempts"].as_array().map(Vec::len), Some(1), "{operation:#}");
    }
    let lost: Vec<&String> = tally.acknowledged.iter().filter(|id| recorded(id).is_none()).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let verified = plant.sandbox.opsmedic(["audit", "verify", "--json"]).expect_code(0).json();
    assert!(verified["intact"] == true && verified["lines"].as_u64() > Some(CRASHES as u64), "{verified:#}");
}

#[test]
fn fifty_racing_calls_of_two_servers_act_once_on_each_target() {
    for targets in [&["one"][..], &["one", "two", "three", "four", "five"]] {
        let plant = Plant::new(targets.iter().map(|name| (*name, "auto")), "actions_per_hour = 1000", |_| Reply::Late(200, Duration::from_millis(100)));
        let mut clients = [plant.sandbox.serve(), plant.sandbox.serve()];
        for n in 0..25 {
            for client in &mut clients {
                let key = format!("race-{}-{n}", client.pid());
                client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of(targets[n % targets.len()], &key)}));
            }
        }
        // A call that comes between the record and the intent joins the operation: several answers may name it, none another.
        let mut begun = std::collections::BTreeSet::new();
        for client in &clients {
            for _ in 0..25 {
                let result = client.receive()["result"].clone();
                let code = result["structuredContent"]["code"].as_str().or_else(|| result["content"][0]["text"].as_str()).unwrap_or_default().to_owned();
                if result["isError"] != true {
                    begun.insert(result["structuredContent"]["operation_id"].as_str().unwrap().to_owned());
                }
                assert!(result["isError"] != true || code.contains("in_progress") || code.contains("cooldown"), "{result:#}");
            }
        }
        let calls = plant.calls();
        assert_eq!((calls.len(), begun.len()), (targets.len(), targets.len()), "{calls:?}");
        for target in targets {
            assert_eq!(plant.calls_of(target).len(), 1, "{calls:?}");
            assert_eq!(ended(&mut clients[0], target)["state"], "succeeded");
        }
    }
}

#[test]
fn a_holder_that_stood_still_past_its_lease_does_not_take_its_next_step() {
    let strategy = "cooldown_seconds = 0\n[recovery.strategies]\nservice_unavailable = [\"restart_service\", \"rollback\"]";
    let plant = Plant::new([("shop", "auto")], strategy, |call| match call.action.as_str() {
        "restart" => Reply::Late(404, Duration::from_secs(2)),
        _ => Reply::Status(200),
    });
    let mut holder = plant.sandbox.serve();
    holder.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of("shop", "first")}));
    plant.await_calls(1);
    holder.signal(Signal::STOP);
    let first = plant.calls()[0].operation.clone();
    let record = || plant.operations().into_iter().find(|o| o["operation_id"] == first.as_str()).unwrap();
    // Still within its lease it is left alone.
    assert_eq!(record()["state"], "running");
    assert!(wait_for(Duration::from_secs(20), || record()["state"] == "interrupted"), "{:#}", record());
    let written = record();

    let mut other = plant.sandbox.serve();
    other.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of("shop", "second")}));
    plant.await_calls(2);
    holder.signal(Signal::CONT);
    let told = holder.receive()["result"]["structuredContent"].clone();
    assert_eq!((&told["operation_id"], &told["state"]), (&json!(first), &json!("interrupted")), "{told:#}");
    let taken_over = ended(&mut other, "shop");
    assert_eq!(taken_over["state"], "succeeded", "{taken_over:#}");

    // Long enough for a step of the one that was overtaken.
    thread::sleep(Duration::from_secs(1));
    let second = taken_over["operation_id"].as_str().unwrap();
    let by_whom: Vec<(String, String)> = plant.calls().into_iter().map(|call| (call.action, call.operation)).collect();
    assert_eq!(by_whom, [("restart", first.as_str()), ("restart", second), ("rollback", second)].map(|(a, o)| (a.to_owned(), o.to_owned())));
    assert_eq!(record(), written, "the one that was overtaken wrote");
    assert!(holder.end().contains("changed by another process"), "it did not notice");
}

#[test]
fn being_told_to_end_is_prompt_and_on_record_while_calling_and_while_watching() {
    let ends: [fn(&mut McpClient); 2] = [|client| client.close_stdin(), |client| client.terminate()];
    for end in ends {
        for (delay, state) in [(Duration::from_secs(10), "running"), (Duration::ZERO, "verifying")] {
            let plant = Plant::slow(delay);
            let mut client = plant.sandbox.serve();
            client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of("shop", "one")}));
            plant.await_calls(1);
            assert!(wait_for(Duration::from_secs(5), || plant.operations()[0]["state"] == state), "{:#?}", plant.operations());
            end(&mut client);
            let (_, took) = client.wait_end(Duration::from_secs(5));
            assert!(took < Duration::from_secs(2), "{state}: it took {took:?}");
            let operation = plant.operations()[0].clone();
            assert_eq!((&operation["state"], &operation["attempts"][0]["outcome"]), (&json!("interrupted"), &json!("interrupted")), "{state}: {operation:#}");
            // Recorded by the server itself, not by whoever looked afterwards.
            assert!(operation["message"].as_str().unwrap().contains("the server was stopped"), "{operation:#}");
            let audit = plant.sandbox.opsmedic(["audit", "show", "--json"]).json_lines();
            assert_eq!(audit.last().map(|line| &line["event"]["event"]), Some(&json!("interrupted")), "{audit:#?}");
            assert_eq!(plant.calls().len(), 1);
        }
    }
}

#[test]
fn a_cancelled_call_goes_on_to_a_recorded_end() {
    let plant = Plant::slow(Duration::from_millis(1_500));
    let mut client = plant.sandbox.serve();
    let id = client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of("shop", "one")}));
    plant.await_calls(1);
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "no patience"}}));
    let operation = plant.calls()[0].operation.clone();
    let followed = client.ok("get_recovery", &json!({"operation_id": operation, "wait_seconds": 20}));
    assert_eq!(followed["operation"]["state"], "succeeded", "{followed:#}");
    assert_eq!(plant.calls().len(), 1);
}

#[test]
fn a_long_call_gives_a_handle_in_time_and_is_followed_to_its_end() {
    let plant = Plant::slow(Duration::from_secs(27));
    let mut client = plant.sandbox.serve();
    let begun = Instant::now();
    let handle = client.ok("trigger_recovery", &trigger_of("shop", "one"));
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!(handle["state"], "running", "{handle:#}");
    let followed = client.ok("get_recovery", &json!({"operation_id": handle["operation_id"], "wait_seconds": 24}));
    assert_eq!(followed["operation"]["state"], "succeeded", "{followed:#}");
    assert!(begun.elapsed() > Duration::from_secs(27), "the backend was not that slow");
    assert_eq!(plant.calls().len(), 1);
}

/// A system call as strace saw it: between which of its lines, and whether it worked.
#[derive(Debug)]
struct Syscall {
    name: String,
    text: String,
    begun: usize,
    over: usize,
    worked: bool,
}

impl Syscall {
    fn writes_store(&self) -> bool {
        self.name.contains("write") && (self.text.contains("opsmedic.db-wal>") || self.text.contains("opsmedic.db>"))
    }

    fn syncs_wal(&self) -> bool {
        matches!(self.name.as_str(), "fdatasync" | "fsync") && self.text.contains("opsmedic.db-wal>") && self.worked
    }
}

/// Puts the two lines of a call together that others came between.
fn syscalls(trace: &str) -> Vec<Syscall> {
    let line = regex::Regex::new(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$").unwrap();
    let mut found: Vec<Syscall> = Vec::new();
    let mut open = std::collections::BTreeMap::new();
    for (number, text) in trace.lines().enumerate() {
        let Some(parts) = line.captures(text) else { continue };
        let (pid, rest) = (parts[1].to_owned(), parts[4].to_owned());
        let worked = rest.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-'));
        if let Some(name) = parts.get(3) {
            let unfinished = rest.ends_with("<unfinished ...>");
            if unfinished {
                open.insert(pid, found.len());
            }
            let over = if unfinished { usize::MAX } else { number };
            found.push(Syscall { name: name.as_str().to_owned(), text: rest, begun: number, over, worked: worked && !unfinished });
        } else if let Some(begun) = open.remove(&pid) {
            (found[begun].over, found[begun].worked) = (number, worked);
        }
    }
    found
}

#[track_caller]
fn first<'c>(calls: &'c [Syscall], what: &str, is: impl Fn(&Syscall) -> bool) -> &'c Syscall {
    calls.iter().find(|call| is(call)).unwrap_or_else(|| panic!("no {what} in the trace"))
}

#[test]
fn the_intent_is_synced_before_the_first_byte_to_the_backend_and_the_end_before_the_answer() {
    let strace = need!(strace());
    let plant = Plant::shop("");
    let trace = plant.sandbox.path("trace");
    let mut command = Command::new(strace);
    command.args(["-f", "-y", "-s", "4200", "-e", "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync", "-o"]);
    command.arg(&trace).arg(BINARY).args(Plant::run_args("shop"));
    plant.sandbox.confine(&mut command);
    finish(&mut command, b"").expect_code(0);
    let calls = syscalls(&String::from_utf8_lossy(&fs::read(trace).unwrap()));

    let post = first(&calls, "request", |c| c.text.contains("\"POST /restart/shop"));
    let intent = first(&calls, "intent", |c| c.writes_store() && c.text.contains(r#"\"event\":\"intent\""#));
    assert!(intent.over < post.begun, "the intent was not written before the call: {intent:?} {post:?}");
    let last = calls.iter().rfind(|c| c.writes_store() && c.begun < post.begun).unwrap();
    synced_between(&calls, last, post.begun);

    let end = first(&calls, "end", |c| c.writes_store() && c.text.contains(r#"\"event\":\"succeeded\""#));
    let answer = first(&calls, "answer", |c| c.name == "write" && c.text.starts_with("1<"));
    synced_between(&calls, end, answer.begun);
}

/// After a write and before a moment the log was synced.
#[track_caller]
fn synced_between(calls: &[Syscall], write: &Syscall, moment: usize) {
    let sync = calls.iter().find(|c| c.syncs_wal() && c.begun > write.over && c.over < moment);
    assert!(sync.is_some(), "written at line {}, not synced before line {moment}", write.begun);
}

#[test]
fn a_disk_that_fails_at_any_sync_stops_before_the_call_or_leaves_a_record() {
    let strace = need!(strace());
    let (mut refused, mut acted) = (0, 0);
    // strace counts for each thread, and the store has two: from the first on, no lease; later the record, the intent, the end.
    for failing_from in 1..=10 {
        if failing_from > 5 && acted > 0 {
            break;
        }
        let plant = Plant::shop("");
        // The store exists, so that what fails is the work and not its making.
        plant.sandbox.opsmedic(["recover", "status"]).expect_code(0);
        let mut command = Command::new(&strace);
        command.args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e"]);
        command.arg(format!("inject=fdatasync,fsync:error=EIO:when={failing_from}+")).arg(BINARY).args(Plant::run_args("shop"));
        plant.sandbox.confine(&mut command);
        let run = finish(&mut command, b"");
        let (calls, recorded) = (plant.calls(), plant.operations());
        println!(
            "failing from sync {failing_from}: {} calls, {:?} after {:?}, {:?}",
            calls.len(),
            run.code,
            run.elapsed,
            recorded.first().map(|o| &o["state"])
        );
        if failing_from == 1 {
            assert!(calls.is_empty() && run.code != Some(0) && run.stderr.contains("the store is not usable"), "{run}");
        }
        match &calls[..] {
            [] => refused += 1,
            [call] => {
                acted += 1;
                let operation = recorded.iter().find(|o| o["operation_id"] == call.operation.as_str());
                assert!(operation.is_some_and(|o| o["attempts"][0]["action"] == "restart_service"), "{recorded:#?}");
            }
            more => panic!("{more:?}"),
        }
    }
    assert!(refused > 0 && acted > 0, "{refused} refused, {acted} acted: the failures came at moments that show nothing");
}

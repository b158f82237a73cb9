//! What stands between a caller and production, and what only a person moves: approvals, kill switch, freezes, breakers, groups, undo, the audit,
//! and the self-healing loop under the same guards.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::recovery::{blind_target, settled, target, trigger};
use crate::support::{
    mcp::McpClient,
    sandbox::{APPROVER_KEY, Sandbox},
    wait_for,
    web::Web,
};

/// A service and the commands that mend, scale and break it, each of which adds a line to the file `called`.
struct Ground {
    sandbox: Sandbox,
    service: Web,
}

impl Ground {
    fn new() -> Self {
        let sandbox = Sandbox::new("");
        let service = Web::well_while(sandbox.path("well"));
        for (name, body) in [("mend", "touch {dir}/well"), ("useless", "true"), ("refuse", "exit 1"), ("worsen", "rm -f {dir}/well")] {
            sandbox.program(name, &sandbox.fill(&format!("#!/bin/sh\necho {name} >>{{dir}}/called\n{body}\n")));
        }
        sandbox.program("replicas", &sandbox.fill("#!/bin/sh\ncat {dir}/replicas.txt\n"));
        sandbox.program("scale", &sandbox.fill("#!/bin/sh\necho scale $1 >>{dir}/called\nprintf %s \"$1\" >{dir}/replicas.txt\n"));
        sandbox.write("replicas.txt", "3");
        Self { sandbox, service }
    }

    /// The configuration: `[recovery]` with these keys, then these targets.
    fn configure(&self, recovery: &str, targets: &str) {
        self.sandbox.configure(&format!("[recovery]\napprover_key = \"{APPROVER_KEY}\"\n{recovery}\n{targets}"));
    }

    fn restart_with(&self, policy: &str, program: &str) -> String {
        let action = self.sandbox.fill(&format!("[targets.actions.restart_service.command]\nargv = [\"{{dir}}/{program}\"]"));
        target(policy, &self.service.url(), &action).replace("= 8", "= 3")
    }

    fn called(&self) -> Vec<String> {
        fs::read_to_string(self.sandbox.path("called")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn run(&self) -> crate::support::sandbox::Finished {
        self.sandbox.opsmedic(["recover", "run", "service_unavailable", "shop", "--reason", "it is down", "--json"])
    }

    fn audit(&self) -> Vec<Value> {
        self.sandbox.opsmedic(["audit", "show", "--json"]).expect_code(0).json_lines()
    }
}

fn id_of(operation: &Value) -> String {
    operation["operation_id"].as_str().unwrap_or_else(|| panic!("{operation:#}")).to_owned()
}

#[test]
fn only_the_approvers_passphrase_approves_and_everything_is_on_record() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("approve", "mend"));
    let mut client = ground.sandbox.serve();
    let waiting = client.ok("trigger_recovery", &trigger("one"));
    let id = id_of(&waiting);
    let pending = ground.sandbox.opsmedic(["recover", "pending", "--json"]).expect_code(0).json();
    assert_eq!(pending[0]["operation_id"], waiting["operation_id"], "{pending:#}");
    // No terminal, no passphrase; then a guess.
    ground.sandbox.opsmedic(["recover", "approve", &id]).expect_code(2);
    let guess = ground.sandbox.opsmedic_with_input(["recover", "approve", &id, "--passphrase-file", "-"], b"a good guess\n").expect_code(1);
    assert!(guess.stderr.contains("not the approver's passphrase"), "{guess}");
    assert_eq!(ground.called(), Vec::<String>::new());
    ground.sandbox.as_approver(&["recover", "approve", &id, "--json"]).expect_code(0);
    assert_eq!(settled(&mut client, &waiting)["state"], "succeeded");
    assert_eq!(ground.called(), ["mend"]);
    let audit = ground.audit();
    let events: Vec<&str> = audit.iter().map(|line| line["event"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["planned", "passphrase_refused", "approved", "intent", "verifying", "succeeded"], "{audit:#?}");
    assert_eq!(audit[0]["event"]["who"]["via"], "mcp stdio");
    assert_eq!(audit[0]["event"]["who"]["untrusted_client"], "opsmedic-tests 1");
    assert_eq!(audit[2]["event"]["who"]["via"], "command line");
    assert_eq!(audit[2]["event"]["plan_digest"], waiting["plan"]["digest"]);
    ground.sandbox.opsmedic(["audit", "verify"]).expect_code(0);
}

#[test]
fn what_the_plan_does_not_show_is_approved_with_it() {
    let ground = Ground::new();
    let with = |mode: &str| ground.restart_with("approve", "mend") + &format!("env = {{ MODE = \"{mode}\" }}\n");
    ground.configure("", &with("gentle"));
    let waiting = ground.run().json();
    let id = id_of(&waiting);
    ground.sandbox.as_approver(&["recover", "approve", "--only", &id]).expect_code(0);
    ground.configure("", &with("wipe"));
    let run = ground.sandbox.opsmedic(["recover", "approve", &id]).expect_code(1);
    assert!(run.stderr.contains("differs from what was approved"), "{run}");
    assert_eq!(ground.called(), Vec::<String>::new());
}

#[test]
fn without_an_approver_what_needs_approval_is_refused_with_the_way_out() {
    let ground = Ground::new();
    ground.sandbox.configure(&ground.restart_with("approve", "mend"));
    let refusal = ground.sandbox.serve().refused("trigger_recovery", &trigger("one"));
    assert_eq!(refusal["code"], "no_approver", "{refusal:#}");
    assert!(refusal["hint"].as_str().unwrap().contains("recover passphrase"), "{refusal:#}");
    // The way out works: the printed line goes into the configuration as it stands.
    let made = ground.sandbox.as_approver(&["recover", "passphrase"]).expect_code(0);
    ground.sandbox.configure(&(made.stdout + &ground.restart_with("approve", "mend")));
    let waiting = ground.sandbox.serve().ok("trigger_recovery", &trigger("one"));
    ground.sandbox.as_approver(&["recover", "approve", &id_of(&waiting)]).expect_code(0);
    assert_eq!(ground.called(), ["mend"]);
}

#[test]
fn the_kill_switch_stops_a_running_server_within_a_second_and_no_tool_lifts_it() {
    let ground = Ground::new();
    let slow = ground.restart_with("auto", "useless").replace("= 3", "= 60");
    ground.configure("", &slow);
    let mut client = ground.sandbox.serve();
    client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger("one")}));
    assert!(wait_for(Duration::from_secs(5), || !ground.called().is_empty()), "it does not run");
    ground.sandbox.opsmedic(["recover", "stop", "--reason", "wrong database"]).expect_code(0);
    let stopped = Instant::now();
    let state = || ground.sandbox.opsmedic(["recover", "status", "--json"]).json()["operations"][0]["state"].clone();
    assert!(wait_for(Duration::from_secs(5), || state() == "interrupted"), "{}", state());
    assert!(stopped.elapsed() < Duration::from_secs(1), "it took {:?}", stopped.elapsed());
    client.receive();
    let refusal = client.refused("trigger_recovery", &trigger("two"));
    assert!(refusal["code"] == "halted" && refusal.to_string().contains("wrong database"), "{refusal:#}");
    assert_eq!(client.ok("get_recovery", &json!({}))["stopped"], "wrong database");
    let tools: Vec<String> = client.tools().iter().map(|tool| tool.to_string()).collect();
    assert!(tools.iter().all(|tool| !tool.contains("resume")), "a tool speaks of resuming");
    ground.sandbox.opsmedic_with_input(["recover", "resume", "--passphrase-file", "-"], b"a good guess\n").expect_code(1);
    assert_eq!(client.refused("trigger_recovery", &trigger("three"))["code"], "halted");
    ground.sandbox.as_approver(&["recover", "resume"]).expect_code(0);
    assert_eq!(client.refused("trigger_recovery", &trigger("four"))["code"], "cooldown");
}

#[test]
fn the_kill_switch_is_a_file_too() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("auto", "mend"));
    let mut client = ground.sandbox.serve();
    let stop = ground.sandbox.write("state/opsmedic.db.stop", "");
    assert_eq!(client.refused("trigger_recovery", &trigger("one"))["code"], "halted");
    fs::remove_file(stop).unwrap();
    let begun = client.ok("trigger_recovery", &trigger("two"));
    assert_eq!(settled(&mut client, &begun)["state"], "succeeded");
}

#[test]
fn a_freeze_holds_until_it_is_over_or_lifted_by_the_approver() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("auto", "mend"));
    ground.sandbox.opsmedic(["recover", "freeze", "--for", "1h", "--reason", "release"]).expect_code(0);
    let refused = ground.run().expect_code(1);
    assert!(refused.stderr.contains("release"), "{refused}");
    ground.sandbox.as_approver(&["recover", "unfreeze"]).expect_code(0);
    ground.sandbox.opsmedic(["recover", "freeze", "--for", "1s", "--target", "shop"]).expect_code(0);
    ground.run().expect_code(1);
    std::thread::sleep(Duration::from_millis(1_100));
    ground.run().expect_code(0);
    ground.configure(
        "[[recovery.freeze]]\nname = \"for ever\"\nfrom = \"2020-01-01T00:00:00Z\"\nto = \"2099-01-01T00:00:00Z\"",
        &ground.restart_with("auto", "mend"),
    );
    let refused = ground.run().expect_code(1);
    assert!(refused.stderr.contains("for ever"), "{refused}");
}

#[test]
fn a_breaker_opens_after_failures_in_a_row_and_only_the_approver_closes_it() {
    let ground = Ground::new();
    let refuse = ground.restart_with("auto", "refuse");
    ground.configure("cooldown_seconds = 0", &refuse);
    for n in 1..=3 {
        let run = ground.run().expect_code(1);
        assert_eq!(run.json()["state"], "failed", "{n}: {run}");
    }
    let refused = ground.run().expect_code(1);
    assert!(refused.stderr.contains("circuit breaker"), "{refused}");
    ground.sandbox.opsmedic_with_input(["recover", "reset", "shop", "--passphrase-file", "-"], b"a good guess\n").expect_code(1);
    ground.run().expect_code(1);
    assert_eq!(ground.called().len(), 3);
    ground.sandbox.as_approver(&["recover", "reset", "shop"]).expect_code(0);
    assert_eq!(ground.run().expect_code(1).json()["state"], "failed");
    assert_eq!(ground.called().len(), 4);
}

#[test]
fn what_does_not_help_three_times_is_escalated_and_put_on_record() {
    let ground = Ground::new();
    ground.configure("cooldown_seconds = 0\nbreaker_failures = 20", &ground.restart_with("auto", "useless").replace("= 3", "= 1"));
    for _ in 0..3 {
        assert_eq!(ground.run().expect_code(1).json()["state"], "failed_verification");
    }
    let refused = ground.run().expect_code(1);
    assert!(refused.stderr.contains("needs a person"), "{refused}");
    assert_eq!(ground.called().len(), 3);
    assert_eq!(ground.audit().last().unwrap()["event"]["event"], "escalated");
}

#[test]
fn the_budget_is_for_all_targets_together() {
    let ground = Ground::new();
    let two = ground.restart_with("auto", "refuse") + &ground.restart_with("auto", "mend").replace("\"shop\"", "\"search\"");
    ground.configure("actions_per_hour = 1", &two);
    ground.run().expect_code(1);
    let refused = ground.sandbox.opsmedic(["recover", "run", "service_unavailable", "search", "--reason", "x"]).expect_code(1);
    assert!(refused.stderr.contains("budget"), "{refused}");
    assert_eq!(ground.called(), ["refuse"]);
}

#[test]
fn a_group_that_is_mostly_unwell_is_left_alone() {
    let ground = Ground::new();
    let well = Web::start();
    let member = |name: &str, url: &str| {
        ground.restart_with("auto", "mend").replace("\"shop\"", &format!("\"{name}\"\ngroup = \"web\"")).replace(&ground.service.url(), url)
    };
    let down = ground.service.url();
    ground.configure("", &(member("shop", &down) + &member("b", &down) + &member("c", &well.url())));
    let refused = ground.run().expect_code(1);
    assert!(refused.stderr.contains("2 of the 3 targets of group web"), "{refused}");
    assert_eq!(ground.called(), Vec::<String>::new());
    ground.configure("", &(member("shop", &down) + &member("b", &well.url()) + &member("c", &well.url())));
    ground.run().expect_code(0);
}

#[test]
fn refusals_are_json_too_and_a_head_that_is_none_is_wrong_usage() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("deny", "mend"));
    let refused = ground.run().expect_code(1).json();
    assert_eq!(refused["code"], "denied", "{refused:#}");
    assert!(refused["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{refused:#}");
    let head = ground.sandbox.opsmedic(["audit", "verify", "--json"]).expect_code(0).json()["head"].as_str().unwrap().to_owned();
    ground.sandbox.opsmedic(["audit", "verify", "--head", &head]).expect_code(0);
    ground.sandbox.opsmedic(["audit", "verify", "--head", &"0".repeat(64)]).expect_code(1);
    ground.sandbox.opsmedic(["audit", "verify", "--head", &head[..8]]).expect_code(2);
}

#[test]
fn a_group_of_one_is_no_group() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("auto", "mend").replace("\"shop\"", "\"shop\"\ngroup = \"web\""));
    assert_eq!(ground.run().expect_code(0).json()["state"], "succeeded");
}

#[test]
fn a_target_that_is_well_is_left_alone() {
    let ground = Ground::new();
    ground.configure("", &ground.restart_with("auto", "mend"));
    ground.sandbox.write("well", "");
    let operation = ground.run().expect_code(0).json();
    assert_eq!((&operation["state"], &operation["healed_by_itself"]), (&json!("succeeded"), &json!(true)), "{operation:#}");
    assert_eq!(ground.called(), Vec::<String>::new());
}

#[test]
fn scaling_is_undone_unless_somebody_scaled_since() {
    let ground = Ground::new();
    let scale = "[targets.actions.scale_up.command]\nargv = [\"{dir}/scale\", \"{replicas}\"]\nreplicas = [\"{dir}/replicas\"]";
    let service = Web::start();
    ground.configure("cooldown_seconds = 0", &ground.sandbox.fill(&blind_target("auto", &service.url(), scale)));
    let replicas = || fs::read_to_string(ground.sandbox.path("replicas.txt")).unwrap();
    let scale_up = || ground.sandbox.opsmedic(["recover", "run", "high_latency", "shop", "--reason", "slow", "--json"]).expect_code(0).json();
    let mut client = ground.sandbox.serve();
    let done = scale_up();
    assert_eq!((replicas().as_str(), &done["attempts"][0]["receipt"]["untrusted_prior"]), ("6", &json!({"replicas": "3"})), "{done:#}");
    let undone = client.ok("undo_recovery", &json!({"operation_id": done["operation_id"]}));
    assert_eq!((undone["state"].as_str(), replicas().as_str()), (Some("undone"), "3"), "{undone:#}");
    assert_eq!(client.refused("undo_recovery", &json!({"operation_id": done["operation_id"]}))["code"], "not_undoable");
    let done = scale_up();
    ground.sandbox.write("replicas.txt", "9");
    let refusal = client.refused("undo_recovery", &json!({"operation_id": done["operation_id"]}));
    assert_eq!((&refusal["code"], replicas().as_str()), (&json!("not_undoable"), "9"), "{refusal:#}");
    ground.sandbox.write("replicas.txt", "6");
    ground.sandbox.opsmedic(["recover", "undo", &id_of(&done), "--json"]).expect_code(0);
    assert_eq!(replicas(), "3");
    let events: Vec<Value> = ground.audit().iter().map(|line| line["event"]["event"].clone()).collect();
    assert!(events.contains(&json!("undo_intent")) && events.contains(&json!("undone")), "{events:?}");
}

#[test]
fn an_undo_on_a_target_that_needs_approval_needs_the_approver() {
    let ground = Ground::new();
    let scale = "[targets.actions.scale_up.command]\nargv = [\"{dir}/scale\", \"{replicas}\"]\nreplicas = [\"{dir}/replicas\"]";
    let service = Web::start();
    ground.configure("", &ground.sandbox.fill(&blind_target("approve", &service.url(), scale)));
    let mut client = ground.sandbox.serve();
    let waiting = client.ok("trigger_recovery", &json!({"issue_type": "high_latency", "target": "shop", "reason": "slow"}));
    let id = id_of(&waiting);
    ground.sandbox.as_approver(&["recover", "approve", &id]).expect_code(0);
    assert_eq!(client.refused("undo_recovery", &json!({"operation_id": id}))["code"], "person_needed");
    ground.sandbox.opsmedic_with_input(["recover", "undo", &id, "--passphrase-file", "-"], b"a good guess\n").expect_code(1);
    assert_eq!(ground.called(), ["scale 6"]);
    ground.sandbox.as_approver(&["recover", "undo", &id]).expect_code(0);
    assert_eq!(ground.called(), ["scale 6", "scale 3"]);
}

#[test]
fn worse_than_before_is_taken_back() {
    let ground = Ground::new();
    // Two checks: one that the action breaks and one that is down all the time, so that there is something to recover.
    let down = Web::well_while(ground.sandbox.path("never"));
    ground.sandbox.write("well", "");
    ground.sandbox.write("state.txt", "old");
    ground.sandbox.program("worsen", &ground.sandbox.fill("#!/bin/sh\necho worsen >>{dir}/called\nrm {dir}/well\nprintf new >{dir}/state.txt\n"));
    ground.sandbox.program("back", &ground.sandbox.fill("#!/bin/sh\necho back >>{dir}/called\ntouch {dir}/well\nprintf old >{dir}/state.txt\n"));
    let action = ground.sandbox.fill(
        "[targets.actions.restart_service.command]\nargv = [\"{dir}/worsen\"]\nstate = [\"/bin/cat\", \"{dir}/state.txt\"]\nundo = [\"{dir}/back\"]\n\
         [targets.actions.failover.command]\nargv = [\"{dir}/mend\"]",
    );
    let second = format!("[[targets.check.external_api.endpoint]]\nname = \"down\"\nurl = \"{}\"\n", down.url());
    ground.configure("", &target("auto", &ground.service.url(), &(second + &action)).replace("= 8", "= 2"));
    let operation = ground.run().expect_code(1).json();
    assert_eq!(operation["state"], "undone", "{operation:#}");
    assert_eq!((operation["score_before"].as_u64(), operation["score_after"].as_u64()), (Some(50), Some(0)), "{operation:#}");
    assert_eq!(ground.called(), ["worsen", "back"], "nothing more is tried");
}

/// `opsmedic watch --json` and what it says.
struct Watch {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<Value>,
}

impl Watch {
    fn start(ground: &Ground) -> Self {
        let mut child = ground.sandbox.command(["watch", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| sender.send(serde_json::from_str(&line).unwrap()).is_ok()));
        Self { child, lines }
    }

    fn until(&self, event: &str) -> Value {
        loop {
            let said = self.lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|e| panic!("no {event}: {e}"));
            if said["event"] == event {
                return said;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

const FAST: &str = "[recovery.watch]\ninterval_seconds = 1\nfailures = 2";

#[test]
fn the_loop_mends_what_fails_in_a_row_and_says_so() {
    let ground = Ground::new();
    ground.sandbox.write("well", "");
    ground.configure(FAST, &ground.restart_with("auto", "mend"));
    let watch = Watch::start(&ground);
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(ground.called(), Vec::<String>::new(), "a target that is well was acted on");
    fs::remove_file(ground.sandbox.path("well")).unwrap();
    assert_eq!(watch.until("failing")["times"], 1);
    let done = watch.until("recovery");
    assert_eq!((&done["state"], ground.called()), (&json!("succeeded"), vec!["mend".to_owned()]), "{done:#}");
    assert_eq!(ground.audit()[0]["event"]["who"]["via"], "watch");
}

#[test]
fn the_loop_leaves_what_is_only_degraded_alone() {
    let ground = Ground::new();
    let full = ground.restart_with("auto", "mend");
    let (before, after) = full.split_once("[targets.check.application]").unwrap();
    let (_, action) = after.split_once("[targets.actions").unwrap();
    // No disk is as free as that.
    let disk = "heal = \"service_unavailable\"\n[targets.check.disk]\nmin_free_percent = 99.9\n";
    ground.configure(FAST, &format!("{before}{disk}[targets.actions{action}"));
    let degraded = ground.sandbox.opsmedic(["recover", "plan", "service_unavailable", "shop", "--json"]).json();
    assert_eq!((&degraded["now"]["well"], &degraded["now"]["down"], &degraded["now"]["score"]), (&json!(false), &json!(false), &json!(50)), "{degraded:#}");
    let _watch = Watch::start(&ground);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(ground.called(), Vec::<String>::new());
}

#[test]
fn the_loop_waits_for_a_person_before_what_cannot_be_taken_back() {
    let ground = Ground::new();
    let failover = ground.sandbox.fill("[targets.actions.failover.command]\nargv = [\"{dir}/mend\"]");
    ground.configure(FAST, &(ground.restart_with("auto", "useless") + &failover));
    let watch = Watch::start(&ground);
    let waiting = watch.until("recovery");
    assert_eq!(waiting["state"], "planned", "{waiting:#}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(ground.called(), ["useless"], "it did not wait");
    ground.sandbox.as_approver(&["recover", "approve", &id_of(&waiting)]).expect_code(0);
    assert_eq!(ground.called(), ["useless", "mend"]);
}

#[test]
fn the_loop_runs_in_a_server_only_where_the_configuration_says_so() {
    for (auto, expected) in [("auto_recovery = false", 0), ("auto_recovery = true", 1)] {
        let ground = Ground::new();
        ground.configure(&format!("{auto}\n{FAST}"), &ground.restart_with("auto", "mend"));
        let client: McpClient = ground.sandbox.serve();
        if expected == 0 {
            std::thread::sleep(Duration::from_secs(4));
        } else {
            assert!(wait_for(Duration::from_secs(15), || !ground.called().is_empty()), "it does nothing");
        }
        assert_eq!(ground.called().len(), expected, "{auto}");
        drop(client);
    }
}

#[test]
fn a_wrong_key_of_the_configuration_says_what_to_write() {
    for (recovery, wants) in [
        ("approver_key = \"secret\"", "opsmedic recover passphrase"),
        ("breaker_failures = 0", "1 to 20"),
        ("max_unhealthy_percent = 101", "1 to 100"),
        ("[recovery.watch]\nfailures = 0", "1 to 100"),
        ("[[recovery.freeze]]\nname = \"x\"\ndays = [\"monday\"]", "mon, tue"),
    ] {
        let run = Sandbox::new(&format!("[recovery]\n{recovery}\n")).opsmedic(["recover", "status"]).expect_code(2);
        assert!(run.stderr.contains(wants) && run.stderr.contains("opsmedic.toml:"), "{recovery}: {run}");
    }
}

//! The command line: exit codes, JSON, errors that say what to write instead, parity with the reference data, the drill.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::support::{House, free_port, package, sandbox::Sandbox, skip::need, web::Web};

/// A file of the reference data beside the checkout.
fn reference(name: &str) -> Result<PathBuf, String> {
    let path = package().join("../shared/parity").join(name);
    if path.is_file() { Ok(path) } else { Err("no ../shared/parity beside the checkout".to_owned()) }
}

// ---- exit codes

#[test]
fn exit_0_when_all_is_fine() {
    let service = Web::start();
    let sandbox = Sandbox::new(&format!("[health.application]\nurl = \"{}\"\n", service.url()));
    let cases: [&[&str]; 6] =
        [&["check", "application"], &["--help"], &["--version"], &["tools"], &["playbook", "list"], &["playbook", "show", "service_down"]];
    for args in cases {
        let run = sandbox.opsmedic(args).expect_code(0);
        assert!(!run.stdout.trim().is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn exit_1_when_a_problem_was_found() {
    let sandbox = Sandbox::new(&format!("[health.application]\nurl = \"http://127.0.0.1:{}/\"\n", free_port()));
    sandbox.opsmedic(["check", "application"]).expect_code(1);
    let log = sandbox.write("a.log", "2026-11-20 10:00:00 [ERROR] db: database error: deadlock detected\n");
    sandbox.opsmedic(["logs", "analyze", log.to_str().unwrap()]).expect_code(1);
    sandbox.opsmedic(["classify", "--error-rate", "95", "--availability", "10"]).expect_code(1);
}

#[test]
fn exit_2_on_wrong_usage() {
    let sandbox = Sandbox::new("");
    let cases: [&[&str]; 9] = [
        &["chekc"],
        &["check", "--no-such-option"],
        &["classify"],
        &["classify", "--error-rate", "101"],
        &["classify", "--error-rate", "5", "--policy", "guess"],
        &["playbook", "show", "nosuch"],
        &["recover", "plan", "bad_weather", "shop"],
        &["completions", "cmd.exe"],
        &["--config", "{dir}/nosuch.toml", "check"],
    ];
    for args in cases {
        let run = sandbox.opsmedic(args.iter().map(|arg| sandbox.fill(arg)));
        assert_eq!(run.code, Some(2), "{args:?}: {run}");
        assert!(!run.stderr.is_empty() && run.stdout.is_empty(), "{args:?}: {run}");
    }
}

#[test]
fn exit_3_when_it_could_not_run() {
    let sandbox = Sandbox::new("");
    let missing = sandbox.path("nosuch.log");
    let run = sandbox.opsmedic(["logs", "analyze", missing.to_str().unwrap()]).expect_code(3);
    assert!(run.stderr.contains("nosuch.log"), "{run}");
}

// ---- configuration

/// Each broken configuration, and what the message must hold besides file and line.
#[test]
fn a_configuration_error_names_file_line_and_key_and_what_to_write() {
    let cases = [
        ("[health.application]\nurll = \"http://127.0.0.1/\"\n", 2, "urll", "url"),
        ("[health.aplication]\nurl = \"http://127.0.0.1/\"\n", 1, "aplication", "application"),
        ("# a comment\n[health.application]\nurl = \"http://127.0.0.1/\"\ntimeout_ms = \"soon\"\n", 4, "timeout_ms", "number|integer|u64|5000"),
        ("[[targets]]\nname = \"shop\"\npolicy = \"yes\"\n", 3, "policy|yes", "approve"),
        ("[[targets]]\nname = \"*\"\n", 2, "name|\\*", "letters"),
        ("[[targets]]\nname = \"shop\"\n[targets.actions.restart_service.comand]\nargv = [\"/bin/true\"]\n", 3, "comand", "command"),
        ("[logs]\nroots = \"/var/log\"\n", 2, "roots", "\\[|array|sequence|list"),
        ("[health.application]\nurl = \n", 2, "", ""),
    ];
    for (config, line, key, instead) in cases {
        let sandbox = Sandbox::new(config);
        let run = sandbox.opsmedic(["check", "disk"]);
        assert_eq!(run.code, Some(2), "{config}\n{run}");
        assert!(run.stderr.contains("opsmedic.toml"), "no file: {config}\n{run}");
        let has = |pattern: &str| regex::Regex::new(pattern).unwrap().is_match(&run.stderr);
        assert!(has(&format!(r"(?::|line ){line}\b")), "no line {line}: {config}\n{run}");
        assert!(has(key) && has(instead), "no {key} or {instead}: {config}\n{run}");
    }
}

#[test]
fn the_configuration_is_found_in_its_order_and_never_in_the_working_directory() {
    let sandbox = Sandbox::new("");
    // A broken file where nobody may look, a broken one where HOME says, a good one by the variable and the option.
    fs::write(sandbox.path("opsmedic.toml"), "broken =").unwrap();
    let good = sandbox.write("good.toml", "");
    let good = good.to_str().unwrap();
    let code = |prepare: &dyn Fn(&mut std::process::Command), args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env_remove("OPSMEDIC_CONFIG");
        prepare(&mut command);
        crate::support::sandbox::finish(&mut command, b"").code
    };
    let check = ["check", "application"];
    assert_ne!(code(&|_| {}, &check), Some(2), "the working directory was read");
    sandbox.write("home/.config/opsmedic/opsmedic.toml", "broken =");
    assert_eq!(code(&|_| {}, &check), Some(2), "the home directory was not read");
    assert_ne!(code(&|c| _ = c.env("OPSMEDIC_CONFIG", good), &check), Some(2), "the variable does not go before the home directory");
    let broken = sandbox.path("opsmedic.toml");
    let option = ["--config", good, "check", "application"];
    assert_ne!(code(&|c| _ = c.env("OPSMEDIC_CONFIG", &broken), &option), Some(2), "the option does not go before the variable");
}

// ---- JSON

#[test]
fn json_everywhere() {
    let house = House::build();
    let log = house.sandbox.fill("{dir}/logs/app.log");
    let cases: [&[&str]; 12] = [
        &["check", "application", "--json"],
        &["--json", "check", "application"],
        &["logs", "analyze", &log, "--json"],
        &["classify", "--error-rate", "12", "--json"],
        &["recover", "plan", "service_unavailable", "shop", "--json"],
        &["recover", "status", "--json"],
        &["recover", "pending", "--json"],
        &["recover", "freeze", "--for", "1s", "--json"],
        &["audit", "verify", "--json"],
        &["playbook", "list", "--json"],
        &["playbook", "show", "disk_full", "--json"],
        &["tools", "--json"],
    ];
    for args in cases {
        let run = house.sandbox.opsmedic(args);
        assert!(matches!(run.code, Some(0 | 1)), "{args:?}: {run}");
        assert!(matches!(run.json(), Value::Object(_) | Value::Array(_)), "{args:?}: {run}");
        assert!(!run.stdout.contains('\u{1b}'), "{args:?}: colour in JSON");
    }
}

#[test]
fn plain_output_has_no_colour_in_a_pipe() {
    let house = House::build();
    for args in [["check", "application"], ["playbook", "list"], ["recover", "status"]] {
        let run = house.sandbox.opsmedic(args);
        assert!(!run.stdout.is_empty() && !run.stdout.contains('\u{1b}'), "{args:?}: {run}");
    }
}

#[test]
fn records_are_json_lines() {
    let sandbox = Sandbox::new("");
    let log =
        sandbox.write("a.log", "2026-11-20 10:00:00 [ERROR] db: no\n{\"ts\":\"2026-11-20T10:00:01Z\",\"level\":\"warn\",\"msg\":\"slow\"}\nno format at all\n");
    let plain = sandbox.write("b.log", "no format at all\n");
    let command = ["logs", "records", log.to_str().unwrap(), plain.to_str().unwrap(), "--timezone", "UTC"];
    let records = sandbox.opsmedic(command).expect_code(0).json_lines();
    assert_eq!(records.len(), 3, "{records:#?}");
    for (record, line) in records.iter().zip([1, 2, 1]) {
        assert_eq!(record["line"], line, "{record}");
        assert!(record["format"].is_string(), "{record}");
    }
    assert_eq!(records[0]["message"], "no");
    assert!(records[0]["timestamp"].as_str().unwrap().starts_with("2026-11-20T10:00:00"), "{}", records[0]);
    assert_eq!(records[1]["message"], "slow\nno format at all", "what says no time goes on with the record before it");
    assert!(records[2]["timestamp"].is_null(), "a time was made up: {}", records[2]);
}

#[test]
fn completions_for_every_shell() {
    let sandbox = Sandbox::new("");
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef opsmedic"), ("fish", "complete -c opsmedic")] {
        let run = sandbox.opsmedic(["completions", shell]).expect_code(0);
        assert!(run.stdout.contains(sign) && run.stdout.contains("playbook"), "{shell}: {run}");
    }
}

#[test]
fn tools_lists_what_the_server_lists() {
    let sandbox = Sandbox::new("");
    let run = sandbox.opsmedic(["tools"]).expect_code(0);
    for tool in sandbox.serve().tools() {
        assert!(run.stdout.contains(tool["name"].as_str().unwrap()), "{run}");
    }
}

#[test]
fn watch_repeats_until_it_is_ended() {
    let service = Web::start();
    let sandbox = Sandbox::new(&format!("[health.application]\nurl = \"{}\"\n", service.url()));
    let mut child = sandbox.command(["check", "application", "--watch", "1s"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let repeated = crate::support::wait_for(Duration::from_secs(10), || service.requests() >= 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(repeated, "{} checks in ten seconds", service.requests());
}

// ---- parity with the reference

#[test]
fn classify_batch_gives_the_reference_severity_on_every_row() {
    let path = need!(reference("classify.jsonl"));
    let text = fs::read_to_string(&path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 4_000);
    // Without the answer, so that nothing can read it off.
    let questions: String = rows
        .iter()
        .map(|row| {
            let mut row = row.clone();
            row.as_object_mut().unwrap().remove("severity");
            format!("{row}\n")
        })
        .collect();
    let sandbox = Sandbox::new("");
    let answers = sandbox.opsmedic_with_input(["classify", "--batch", "--policy", "quorum", "--json"], questions.as_bytes()).json_lines();
    assert_eq!(answers.len(), rows.len());
    let wrong: Vec<String> = rows
        .iter()
        .zip(&answers)
        .enumerate()
        .filter(|(_, (row, answer))| row["severity"] != answer["severity"])
        .map(|(i, (row, answer))| format!("row {}: {row}: got {}", i + 1, answer["severity"]))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ, first: {}", wrong.len(), rows.len(), wrong[0]);
    let file = sandbox.write("rows.jsonl", &questions);
    let from_file = sandbox.opsmedic(["classify", "--batch", file.to_str().unwrap(), "--policy", "quorum"]).json_lines();
    assert_eq!(from_file.len(), answers.len(), "from a file");
}

#[test]
fn log_analysis_gives_the_reference_figures() {
    let log = need!(reference("standard_format.log"));
    let expected: Value = serde_json::from_str(&fs::read_to_string(need!(reference("standard_format.expected.json"))).unwrap()).unwrap();
    let sandbox = Sandbox::new("");
    let args = ["logs", "analyze", log.to_str().unwrap(), "--patterns", "seed", "--bucket", "1h", "--timezone", "UTC", "--lang", "zh", "--json"];
    let report = sandbox.opsmedic(args).expect_code(1).json();
    let mut wanted = expected;
    // The reference lists single messages; here errors are grouped by template.
    wanted.as_object_mut().unwrap().remove("top_messages");
    assert_eq!(figures(&report), wanted);
}

/// The report in the reference's shape.
fn figures(report: &Value) -> Value {
    let buckets = report["timeline"]["buckets"].as_array().unwrap().iter().filter(|bucket| bucket["errors"] != 0);
    let timeline: Vec<Value> =
        buckets.map(|bucket| json!({"time": bucket["start"].as_str().unwrap()[..16].replace('T', " "), "count": bucket["errors"]})).collect();
    let advice: Vec<Value> = report["recommendations"].as_array().unwrap().iter().map(|r| json!({"issue": r["title"], "priority": r["priority"]})).collect();
    json!({
        "total_lines": report["total_records"],
        "error_count": report["error_count"],
        "warning_count": report["warning_count"],
        "error_patterns": report["patterns"],
        "error_timeline": timeline,
        "recommendations": advice,
    })
}

#[test]
fn a_broken_line_of_a_batch_is_told_and_the_others_are_judged() {
    let sandbox = Sandbox::new("");
    let lines = b"{\"error_rate\":60,\"response_time\":1}\n\xff\xfe\n{\"eror_rate\":1}\n{\"availability\":0,\"id\":7}\n";
    let run = sandbox.opsmedic_with_input(["classify", "--batch"], lines);
    assert_eq!(run.code, Some(2), "{run}");
    let answers = run.json_lines();
    assert_eq!(answers.len(), 4, "{run}");
    assert!(answers[1]["error"].is_string() && answers[1]["line"] == 2, "{}", answers[1]);
    assert!(answers[2]["error"].as_str().unwrap().contains("eror_rate"), "{}", answers[2]);
    assert_eq!((answers[0]["severity"].as_str(), answers[3]["severity"].as_str()), (Some("P0"), Some("P0")));
    assert_eq!(answers[3]["id"], 7);
}

// ---- the drill

#[test]
fn the_drill_passes_and_leaves_nothing() {
    let sandbox = Sandbox::new("");
    let run = sandbox.opsmedic(["drill"]).expect_code(0);
    assert!(run.elapsed < Duration::from_secs(20), "{run}");
    for step in ["run_health_checks", "analyze_logs", "classify_incident", "get_playbook", "trigger_recovery", "get_recovery"] {
        assert!(run.stdout.contains(step), "the drill does not show {step}: {run}");
    }
    let left = processes_of(&sandbox);
    assert!(left.is_empty(), "processes left: {left:?}");
    let files: Vec<PathBuf> = fs::read_dir(sandbox.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.is_empty(), "files left: {files:?}");
}

#[test]
fn the_drill_does_not_read_the_users_configuration() {
    let sandbox = Sandbox::new("broken =");
    let run = sandbox.opsmedic(["drill"]).expect_code(0);
    assert!(!run.stdout.is_empty());
}

/// Processes whose command line or environment names the sandbox.
fn processes_of(sandbox: &Sandbox) -> Vec<String> {
    let name = sandbox.dir().to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    entries
        .filter(|path| path.join("cmdline").exists())
        .filter(|path| (read(path.join("cmdline")) + &read(path.join("environ"))).contains(name))
        .map(|path| read(path.join("cmdline")))
        .collect()
}

#[test]
fn a_severity_is_named_beside_its_reasons() {
    let sandbox = Sandbox::new("");
    let verdict = sandbox.opsmedic(["classify", "--availability", "0", "--json"]).json();
    assert_eq!(verdict["severity"], "P0", "a total outage: {verdict:#}");
    let rules = &verdict["rules"];
    assert!(rules.as_array().is_some_and(|rules| !rules.is_empty()), "{verdict:#}");
}

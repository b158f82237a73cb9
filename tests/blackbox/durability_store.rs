//! Recovery when the store cannot be written, is damaged or was tampered with, and when the clock is set: it refuses, and what is on record stays.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    backend::Reply,
    find_program,
    mcp::McpClient,
    mount::Mount,
    plant::{Plant, ended, trigger_of},
    sandbox::finish,
    skip::need,
    sql::Sql,
};

const PASSPHRASE: &str = "correct horse battery";

fn database(plant: &Plant) -> PathBuf {
    plant.sandbox.path("state/opsmedic.db")
}

/// Recovery is refused because of the store, by a server and by the command line, and nothing is called.
#[track_caller]
fn refused_for_the_store(plant: &Plant, client: &mut McpClient, key: &str) {
    let before = plant.calls().len();
    let refusal = client.refused("trigger_recovery", &trigger_of("shop", key));
    assert_eq!(refusal["code"], "store_unavailable", "{refusal:#}");
    let run = plant.sandbox.opsmedic(Plant::run_args("shop"));
    assert!(run.code.is_some_and(|code| code > 0) && run.stderr.contains("store"), "{run}");
    assert_eq!(plant.calls().len(), before, "it acted without a record");
}

#[test]
fn a_full_disk_refuses_to_act_reads_on_and_recovers_by_itself() {
    let plant = Plant::shop("cooldown_seconds = 0");
    let disk = need!(Mount::tmpfs(&plant.sandbox.path("state"), 8_192));
    let mut client = plant.sandbox.serve();
    let first = client.ok("trigger_recovery", &trigger_of("shop", "before"));
    assert_eq!(first["state"], "succeeded", "{first:#}");
    disk.fill(0);
    assert!(disk.is_full());
    refused_for_the_store(&plant, &mut client, "full");
    let mut fresh = plant.sandbox.serve();
    refused_for_the_store(&plant, &mut fresh, "full-too");
    for client in [&mut client, &mut fresh] {
        let seen = client.ok("get_recovery", &json!({"operation_id": first["operation_id"]}));
        assert_eq!(seen["operation"]["state"], "succeeded", "{seen:#}");
    }
    fresh.end();
    assert_eq!(plant.operations().len(), 1);
    disk.free();
    let after = client.ok("trigger_recovery", &trigger_of("shop", "after"));
    // It was well already; that it is on record again is the point.
    assert_eq!((after["state"].as_str(), plant.operations().len()), (Some("succeeded"), 2), "{after:#}");
    client.end();

    // A process that starts on a full disk, with no other there.
    disk.fill(0);
    assert_eq!(plant.operations().len(), 2);
    refused_for_the_store(&plant, &mut plant.sandbox.serve(), "alone");
    disk.free();
    assert!(plant.sandbox.opsmedic(["audit", "verify"]).code == Some(0));
}

#[test]
fn a_disk_that_fills_up_in_the_middle_never_acts_without_a_record() {
    const LEFT: &[u64] = &[1, 4, 8, 10, 15, 20, 21, 22, 23, 24, 26, 32];
    let names: Vec<String> = LEFT.iter().map(|left| format!("left-{left}")).collect();
    let plant = Plant::new(names.iter().map(|name| (name.as_str(), "auto")), "", |_| Reply::Status(200));
    let disk = need!(Mount::tmpfs(&plant.sandbox.path("state"), 8_192));
    let mut client = plant.sandbox.serve();
    // Makes the store while there is room.
    assert_eq!(client.ok("get_recovery", &json!({}))["operations"], json!([]));
    let (mut acted, mut refused) = (0, 0);
    for (left, name) in LEFT.iter().zip(&names) {
        disk.fill(*left);
        client.post("tools/call", json!({"name": "trigger_recovery", "arguments": trigger_of(name, &format!("key-{name}"))}));
        thread::sleep(Duration::from_millis(600));
        let calls = plant.calls_of(name);
        disk.free();
        let answer = client.receive()["result"].clone();
        let operation = client.ok("get_recovery", &json!({"target": name}))["operations"][0].clone();
        if calls.is_empty() {
            refused += 1;
            let honest = answer["isError"] == true || matches!(answer["structuredContent"]["state"].as_str(), Some("failed" | "approved"));
            assert!(honest && plant.calls_of(name).is_empty(), "{left} pages left: {answer:#}");
        } else {
            acted += 1;
            let operation = ended(&mut client, name);
            assert_eq!((calls.len(), &operation["operation_id"]), (1, &json!(calls[0].operation)), "{left} pages left");
            assert!(operation["attempts"][0]["action"].is_string(), "{operation:#}");
        }
        println!("{left} pages left: {} calls, {} {}", calls.len(), answer["structuredContent"]["message"], operation["state"]);
        assert!(plant.calls_of(name).len() <= 1);
    }
    assert!(acted > 0 && refused > 2, "{acted} acted, {refused} refused: the disk was full at moments that show nothing");
    client.end();
    plant.sandbox.opsmedic(["audit", "verify"]).expect_code(0);
}

#[test]
fn a_read_only_disk_refuses_to_act_reads_on_and_is_used_again_once_it_can_be() {
    let plant = Plant::shop("cooldown_seconds = 0");
    let disk = need!(Mount::tmpfs(&plant.sandbox.path("state"), 8_192));
    plant.sandbox.opsmedic(Plant::run_args("shop")).expect_code(0);
    disk.remount("ro");
    let seen = plant.operations();
    assert_eq!((seen.len(), seen[0]["state"].as_str()), (1, Some("succeeded")), "{seen:#?}");
    let mut client = plant.sandbox.serve();
    refused_for_the_store(&plant, &mut client, "ro");
    assert_eq!(client.ok("get_recovery", &json!({"target": "shop"}))["operations"].as_array().map(Vec::len), Some(1));
    disk.remount("rw");
    // Without a restart.
    let after = client.ok("trigger_recovery", &trigger_of("shop", "after"));
    assert_eq!((after["state"].as_str(), plant.operations().len()), (Some("succeeded"), 2), "{after:#}");
}

/// A store as an earlier run left it, all in one file.
fn a_store(sql: &Sql) -> (Plant, Vec<u8>) {
    let plant = Plant::shop("");
    plant.sandbox.opsmedic(Plant::run_args("shop")).expect_code(0);
    sql.run(&database(&plant), "PRAGMA wal_checkpoint(TRUNCATE)");
    let bytes = fs::read(database(&plant)).unwrap();
    assert!(bytes.len() > 20_000 && !plant.sandbox.path("state/opsmedic.db-wal").exists());
    (plant, bytes)
}

/// With this file as the store nothing is done to it or to the target, and all else works.
#[track_caller]
fn refused_and_left_alone(plant: &Plant, what: &str) {
    let before = fs::read(database(plant)).unwrap();
    let mut client = plant.sandbox.serve();
    refused_for_the_store(plant, &mut client, "x");
    let refusal = client.refused("get_recovery", &json!({"target": "shop"}));
    assert_eq!(refusal["code"], "store_unavailable", "{what}: {refusal:#}");
    client.ok("classify_incident", &json!({"error_rate_percent": 60}));
    client.ok("run_health_checks", &json!({}));
    client.ok("get_playbook", &json!({"id": "service_down"}));
    client.end();
    let status = plant.sandbox.opsmedic(["recover", "status"]);
    assert!(status.code.is_some_and(|code| code > 0), "{what}: {status}");
    assert!(fs::read(database(plant)).unwrap() == before, "{what}: the file was written");
}

#[test]
fn a_damaged_store_is_neither_used_nor_mended() {
    let sql = need!(Sql::find());
    let (plant, good) = a_store(&sql);
    let garbage: Vec<u8> = (0..good.len()).map(|n| u8::try_from(n * 37 % 251).unwrap()).collect();
    let mut header = good.clone();
    header[..100].fill(0xA5);
    let cut = good[..good.len() / 2].to_vec();
    let scrap = good[..50].to_vec();
    for (what, bytes) in [("garbage", garbage), ("header", header), ("cut in half", cut), ("the first 50 bytes", scrap)] {
        fs::write(database(&plant), bytes).unwrap();
        refused_and_left_alone(&plant, what);
        for rest in ["wal", "shm"] {
            // SQLite may have begun one beside it.
            let _ = fs::remove_file(plant.sandbox.path(format!("state/opsmedic.db-{rest}")));
        }
    }
    fs::write(database(&plant), good).unwrap();
    assert_eq!(plant.operations().len(), 1, "with the good file it works again");
}

#[test]
fn the_store_of_a_newer_version_is_left_alone() {
    let sql = need!(Sql::find());
    let (plant, _) = a_store(&sql);
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99990101000000, 'later', 1, x'00', 1)";
    sql.run(&database(&plant), newer);
    refused_and_left_alone(&plant, "a newer schema");
}

#[test]
fn every_tampering_with_the_audit_is_found() {
    let sql = need!(Sql::find());
    let (plant, good) = a_store(&sql);
    let verify = || plant.sandbox.opsmedic(["audit", "verify"]);
    let intact = verify().expect_code(0);
    assert!(intact.stdout.contains("intact"), "{intact}");
    for plain in ["UPDATE audit SET text = '{}' WHERE number = 1", "DELETE FROM audit WHERE number = 1"] {
        let refused = sql.try_run(&database(&plant), plain).unwrap_err();
        assert!(refused.contains("append-only"), "{refused}");
    }
    verify().expect_code(0);
    let drop = "DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted;";
    let swap = "UPDATE audit SET number = -2 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 3; UPDATE audit SET number = 3 WHERE number = -2;";
    for (tampering, names) in [
        ("UPDATE audit SET text = replace(text, 'shop', 'shed') WHERE number = 2", "line 2 was changed"),
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE number = 2", "line 2 was changed"),
        ("DELETE FROM audit WHERE number = 2", "line 3 follows line 1"),
        ("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)", "lines are missing at the end"),
        ("DELETE FROM audit", "lines are missing at the end"),
        (swap, "line 2 "),
        ("REPLACE INTO audit SELECT number, at_ms, operation_id, '{}', previous, hash FROM audit WHERE number = 2", "line 2 was changed"),
    ] {
        fs::write(database(&plant), &good).unwrap();
        sql.run(&database(&plant), &format!("{drop} {tampering}"));
        let found = verify().expect_code(1);
        assert!(found.stdout.contains(names), "{tampering}: {found}");
    }
    fs::write(database(&plant), &good).unwrap();
    verify().expect_code(0);
}

/// Removes what the library left of processes that have ended: one that gets the same id would not start.
fn sweep() {
    for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let of = ["faketime_shm_", "sem.faketime_sem_"].iter().find_map(|prefix| name.strip_prefix(prefix)?.parse::<u32>().ok());
        if of.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Another test may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A library that tells a process another time of day.
struct Faketime {
    library: String,
}

impl Faketime {
    /// As the program of that name would load it, or why there is none.
    fn find() -> Result<Self, String> {
        let program = find_program("faketime").ok_or("faketime is not installed")?;
        sweep();
        // The program refuses to start where an ended one with the same process id left its semaphore; the next id is another one.
        let ask = || Command::new(&program).args(["-f", "+0", "printenv", "LD_PRELOAD"]).stdin(Stdio::null()).output();
        let libraries = (0..10).filter_map(|_| ask().ok()).map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let library = libraries.into_iter().find(|library| !library.is_empty()).ok_or("faketime does not say which library it loads")?;
        Ok(Self { library })
    }

    /// The binary with its clock set by so much from a file that can be changed while it runs.
    fn command(&self, plant: &Plant, args: &[&str], clock: &Path) -> Command {
        let mut command = plant.sandbox.command(args);
        let only_the_time_of_day = [("DONT_FAKE_MONOTONIC", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1"), ("FAKETIME_NO_CACHE", "1")];
        command.env("LD_PRELOAD", &self.library).envs(only_the_time_of_day).env("FAKETIME_TIMESTAMP_FILE", clock);
        command
    }
}

/// A plant and a clock that can be set for all processes that are started here.
struct Shifted {
    plant: Plant,
    fake: Faketime,
    clock: PathBuf,
}

const DAYS: [(&str, i64); 2] = [("+1d", 24), ("-1d", -24)];

impl Shifted {
    fn new(plant: Plant) -> Result<Self, String> {
        let fake = Faketime::find()?;
        let clock = plant.sandbox.write("clock", "+0\n");
        Ok(Self { plant, fake, clock })
    }

    fn set(&self, offset: &str) {
        fs::write(&self.clock, format!("{offset}\n")).unwrap();
    }

    fn opsmedic(&self, args: &[&str]) -> crate::support::sandbox::Finished {
        finish(&mut self.fake.command(&self.plant, args, &self.clock), b"")
    }

    fn serve(&self) -> McpClient {
        let mut client = McpClient::start(&mut self.fake.command(&self.plant, &["serve"], &self.clock));
        client.initialize();
        client
    }

    /// A day ahead and a day back, for a server that runs, one that starts, and the command line: refused all the same.
    #[track_caller]
    fn refuses(&self, target: &str, code: &str) {
        let calls = self.plant.calls();
        let mut running = self.serve();
        assert_eq!(running.refused("trigger_recovery", &trigger_of(target, "now"))["code"], code);
        for (offset, hours) in DAYS {
            self.set(offset);
            let plan = self.opsmedic(&["recover", "plan", "service_unavailable", target, "--json"]).expect_code(1).json();
            assert_eq!(plan["blocked_by"]["code"], code, "{offset}: {plan:#}");
            assert_ne!(self.opsmedic(&Plant::run_args(target)).code, Some(0), "{offset}");
            let mut fresh = self.serve();
            for client in [&mut running, &mut fresh] {
                let refusal = client.refused("trigger_recovery", &trigger_of(target, &format!("key{offset}")));
                assert_eq!(refusal["code"], code, "{offset}: {refusal:#}");
            }
            self.saw(hours, &format!("{code}: "));
            self.set("+0");
        }
        assert_eq!(self.plant.calls(), calls, "it acted");
    }

    /// The newest line of the audit says this and was written by a process whose clock was off by so much.
    #[track_caller]
    fn saw(&self, hours: i64, detail: &str) {
        let line = self.plant.sandbox.opsmedic(["audit", "show", "--limit", "1", "--json"]).json();
        let at: Timestamp = line["at"].as_str().unwrap().parse().unwrap();
        let off = at.duration_since(Timestamp::now()) - SignedDuration::from_hours(hours);
        assert!(off.abs() < SignedDuration::from_mins(10), "the clock was not set: {line:#}");
        assert!(line["event"]["detail"].as_str().unwrap().starts_with(detail), "{line:#}");
    }
}

#[test]
fn a_clock_that_is_set_ends_no_cooldown() {
    let shifted = need!(Shifted::new(Plant::shop("cooldown_seconds = 300")));
    shifted.opsmedic(&Plant::run_args("shop")).expect_code(0);
    shifted.refuses("shop", "cooldown");
}

#[test]
fn an_action_under_a_clock_that_was_set_rests_all_the_same() {
    for (offset, _) in DAYS {
        let shifted = need!(Shifted::new(Plant::shop("cooldown_seconds = 300")));
        shifted.set(offset);
        shifted.opsmedic(&Plant::run_args("shop")).expect_code(0);
        shifted.set("+0");
        shifted.refuses("shop", "cooldown");
    }
}

fn with_approver(targets: &[(&'static str, &'static str)], recovery: &str, reply: Reply) -> (Plant, String) {
    let plant = Plant::new([], "", move |_| reply);
    let file = plant.sandbox.write("passphrase", PASSPHRASE).to_str().unwrap().to_owned();
    let made = plant.sandbox.opsmedic(["recover", "passphrase", "--json", "--passphrase-file", &file]).expect_code(0).json();
    plant.configure(targets.iter().copied(), &format!("{recovery}\napprover_key = \"{}\"", made["approver_key"].as_str().unwrap()));
    (plant, file)
}

#[test]
fn a_clock_that_is_set_closes_no_circuit_breaker_and_a_person_does() {
    let (plant, passphrase) = with_approver(&[("shop", "auto")], "cooldown_seconds = 0\nbreaker_failures = 3", Reply::Status(404));
    let shifted = need!(Shifted::new(plant));
    for _ in 0..3 {
        shifted.opsmedic(&Plant::run_args("shop")).expect_code(1);
    }
    assert_eq!(shifted.plant.calls().len(), 3);
    shifted.refuses("shop", "breaker_open");
    let wrong = shifted.plant.sandbox.write("wrong", "incorrect horse").to_str().unwrap().to_owned();
    shifted.opsmedic(&["recover", "reset", "shop", "--passphrase-file", &wrong]).expect_code(1);
    shifted.refuses("shop", "breaker_open");
    shifted.opsmedic(&["recover", "reset", "shop", "--passphrase-file", &passphrase]).expect_code(0);
    shifted.opsmedic(&Plant::run_args("shop")).expect_code(1);
    assert_eq!(shifted.plant.calls().len(), 4);
}

#[test]
fn a_clock_that_is_set_gives_no_new_budget() {
    let plant = Plant::new([("shop", "auto"), ("till", "auto")], "cooldown_seconds = 0\nactions_per_hour = 1", |_| Reply::Status(200));
    let shifted = need!(Shifted::new(plant));
    shifted.opsmedic(&Plant::run_args("shop")).expect_code(0);
    shifted.refuses("till", "budget_spent");
}

#[test]
fn a_clock_that_is_set_ends_no_freeze_and_no_stop() {
    let shifted = need!(Shifted::new(Plant::shop("")));
    shifted.opsmedic(&["recover", "freeze", "--for", "1h", "--reason", "release"]).expect_code(0);
    shifted.refuses("shop", "frozen");
    shifted.opsmedic(&["recover", "stop"]).expect_code(0);
    shifted.refuses("shop", "halted");
}

#[test]
fn an_approval_holds_by_no_other_clock() {
    let (plant, passphrase) = with_approver(&[("shop", "approve")], "", Reply::Status(200));
    let shifted = need!(Shifted::new(plant));
    let approve =
        |id: &Value, only: &[&str]| shifted.opsmedic(&[&["recover", "approve", id.as_str().unwrap(), "--passphrase-file", &passphrase], only].concat());
    // What waits is over a day later, and cannot be approved any more.
    let waiting = shifted.serve().ok("trigger_recovery", &trigger_of("shop", "one"));
    assert_eq!(waiting["state"], "planned", "{waiting:#}");
    shifted.set("+1d");
    let late = approve(&waiting["operation_id"], &[]).expect_code(1);
    assert!(late.stderr.contains("expired"), "{late}");
    let again = shifted.serve().ok("trigger_recovery", &trigger_of("shop", "one"));
    assert_eq!(again["state"], "expired", "{again:#}");

    // What was approved while the clock was a day back is over by the right one.
    shifted.set("-1d");
    let waiting = shifted.serve().ok("trigger_recovery", &trigger_of("shop", "two"));
    let created: Timestamp = waiting["created_at"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(created) > SignedDuration::from_hours(23), "the clock was not set: {waiting:#}");
    approve(&waiting["operation_id"], &["--only"]).expect_code(0);
    shifted.set("+0");
    let old = shifted.serve().ok("trigger_recovery", &trigger_of("shop", "two"));
    assert_eq!(old["state"], "expired", "{old:#}");
    assert_eq!(shifted.plant.calls(), []);

    // And by a clock that stays right it runs.
    let waiting = shifted.serve().ok("trigger_recovery", &trigger_of("shop", "three"));
    approve(&waiting["operation_id"], &[]).expect_code(0);
    assert_eq!(shifted.plant.calls().len(), 1);
}

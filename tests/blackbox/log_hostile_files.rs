//! Files that are not what they seem, that lead elsewhere, that move while they are read, and bytes that are hardly text.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Child,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::{
    fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with},
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};

use crate::support::{
    log_files::{analyse, end, hour, number, start, wait_until_read},
    sandbox::Sandbox,
};

const GOOD: &str = "2024-11-20T10:00:00Z ERROR [db] deadlock detected\n2024-11-20T10:00:01Z INFO [db] well\n";

/// Says that the test is over when it is dropped, so that a thread beside a test that fails ends, too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// What is no log, and a word of the reason.
fn no_logs(sandbox: &Sandbox) -> (Vec<(String, &'static str)>, UnixListener) {
    let path = |name: &str| sandbox.path(format!("logs/{name}")).to_str().unwrap().to_owned();
    fs::create_dir_all(path("folder")).unwrap();
    fifo(Path::new(&path("fifo")));
    let listener = UnixListener::bind(path("socket")).unwrap();
    symlink(path("nowhere"), path("dangling")).unwrap();
    symlink(path("ring"), path("ring")).unwrap();
    symlink("/dev/zero", path("zero")).unwrap();
    let made =
        [("fifo", "a FIFO"), ("socket", "a socket"), ("folder", "directory"), ("dangling", "no such file"), ("ring", "cannot be opened"), ("zero", "a device")];
    (made.into_iter().map(|(name, why)| (path(name), why)).collect(), listener)
}

#[test]
fn what_is_no_regular_file_is_reported_and_the_others_are_read() {
    let sandbox = Sandbox::new("[logs]\nroots = [\"{dir}/logs\"]\n");
    let (no_logs, _listener) = no_logs(&sandbox);
    let good = sandbox.write("logs/good.log", GOOD);
    let mut args: Vec<&str> = no_logs.iter().map(|(path, _)| path.as_str()).collect();
    args.extend(["/dev/zero", good.to_str().unwrap()]);
    let run = sandbox.opsmedic(["--json", "logs", "analyze"].iter().chain(&args)).expect_code(1);
    assert!(run.elapsed < Duration::from_secs(5), "{run}");
    let report = run.json();
    assert_eq!((number(&report["total_records"]), number(&report["error_count"])), (2, 1), "{report:#}");
    let skipped = report["skipped_files"].as_array().unwrap();
    assert_eq!(skipped.len(), no_logs.len() + 1, "{report:#}");
    for (path, why) in no_logs.iter().map(|(path, why)| (path.as_str(), *why)).chain([("/dev/zero", "a device")]) {
        let entry = skipped.iter().find(|entry| entry["untrusted_path"] == path).unwrap_or_else(|| panic!("{path} is not listed: {report:#}"));
        assert!(entry["reason"].as_str().unwrap().contains(why), "{entry:#}");
    }
    // A problem is to be seen in the exit code even if nothing in the logs is one.
    let calm = sandbox.write("logs/calm.log", GOOD.lines().nth(1).unwrap());
    sandbox.opsmedic(["logs", "analyze", calm.to_str().unwrap()]).expect_code(0);
    sandbox.opsmedic(["logs", "analyze", calm.to_str().unwrap(), &no_logs[0].0]).expect_code(1);
    // Nothing to read at all is no answer.
    sandbox.opsmedic(["logs", "analyze", &no_logs[0].0, &no_logs[1].0]).expect_code(3);

    let mut client = sandbox.serve();
    let report = client.ok("analyze_logs", &json!({"paths": [sandbox.fill("{dir}/logs/*")], "since": "all"}));
    assert_eq!(number(&report["total_records"]), 3, "{report:#}");
    // The device is outside: of that not even the name is told.
    assert!(!report.to_string().contains("logs/zero") && report.to_string().contains("1 of its matches lead out"), "{report:#}");
    let refused = client.refused("analyze_logs", &json!({"paths": [no_logs[0].0], "since": "all"}));
    assert_eq!(refused["code"], "nothing_readable", "{refused:#}");
}

#[test]
fn over_mcp_only_what_lies_in_a_root_is_read() {
    let sandbox = Sandbox::new("[logs]\nroots = [\"{dir}/logs\", \"{dir}/other\"]\n");
    sandbox.write("logs/good.log", GOOD);
    sandbox.write("other/far.log", GOOD);
    for name in ["logs-sibling/s.log", "outside/secret.log"] {
        sandbox.write(name, &GOOD.replace("deadlock", "canary-51"));
    }
    let at = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    symlink(at("other/far.log"), at("logs/link.log")).unwrap();
    symlink("../other", at("logs/folder")).unwrap();
    symlink(at("outside/secret.log"), at("logs/out.log")).unwrap();
    symlink("../outside", at("logs/out")).unwrap();
    symlink(at("logs-sibling"), at("logs/sibling")).unwrap();
    fs::create_dir(at("logs/deep")).unwrap();
    let mut client = sandbox.serve();
    for inside in ["logs/link.log", "logs/folder/far.log", "logs/./good.log", "logs//good.log", "other/far.log"] {
        let report = client.ok("analyze_logs", &json!({"paths": [at(inside)], "since": "all"}));
        assert_eq!(number(&report["total_records"]), 2, "{inside}: {report:#}");
    }
    let outside = [
        "logs/out.log",
        "logs/out/secret.log",
        "logs/sibling/s.log",
        "logs-sibling/s.log",
        "logs/../outside/secret.log",
        "logs/../logs/good.log",
        "logs/deep/../../outside/secret.log",
        "logs/../outside/*.log",
        "logs/out/*.log",
        "logs-sibling/*",
        // What does not exist out there is told no other way than what does.
        "logs/out/none.log",
        "logs/../outside/none.log",
    ];
    for path in outside {
        for paths in [json!([at(path)]), json!([at("logs/good.log"), at(path)])] {
            let refused = client.refused("analyze_logs", &json!({"paths": paths, "since": "all"}));
            assert_eq!(refused["code"], "outside_roots", "{path}: {refused:#}");
        }
    }
    for relative in ["logs/good.log", "../outside/secret.log"] {
        let refused = client.refused("analyze_logs", &json!({"paths": [relative], "since": "all"}));
        assert_eq!(refused["code"], "outside_roots", "{relative}: {refused:#}");
    }
    // A glob goes over what leads out.
    let report = client.ok("analyze_logs", &json!({"paths": [at("logs/*.log"), at("logs/*/*.log")], "since": "all"}));
    assert_eq!(number(&report["total_records"]), 4, "{report:#}");
    assert!(!report.to_string().contains("canary") && !report.to_string().contains("secret.log"), "{report:#}");
}

#[test]
fn a_folder_that_is_swapped_for_a_symlink_while_calls_run_leads_nowhere() {
    let sandbox = Sandbox::new("[logs]\nroots = [\"{dir}/logs\"]\n");
    sandbox.write("logs/sub/app.log", &GOOD.replace("deadlock", "inside-52"));
    sandbox.write("outside/app.log", &GOOD.replace("deadlock", "canary-52"));
    let (sub, link) = (sandbox.path("logs/sub"), sandbox.path("logs/.link"));
    symlink(sandbox.path("outside"), &link).unwrap();
    let over = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                thread::sleep(Duration::from_micros(150));
            }
        });
        let _over = Over(&over);
        let mut client = sandbox.serve();
        let paths = [sub.join("app.log"), sandbox.path("logs/*/app.log"), sandbox.path("logs/s?b/*.log")];
        for n in 0..200 {
            let result = client.call("analyze_logs", &json!({"paths": [paths[n % 3]], "since": "all"})).to_string();
            assert!(!result.contains("canary-52"), "call {n} read the file outside: {result}");
            inside += u32::from(result.contains("inside-52"));
            refused += u32::from(result.contains("\"isError\":true"));
        }
    });
    println!("{inside} read, {refused} refused");
    assert!(inside > 10 && refused > 10, "{inside} read, {refused} refused: the swaps came at moments that show nothing");
}

/// A log of so many hours, 100 lines a second.
fn hours(sandbox: &Sandbox, n: u64) -> Vec<u8> {
    let bytes: Vec<u8> = (0..n).flat_map(|n| hour(n, 100)).collect();
    fs::write(sandbox.path("a.log"), &bytes).unwrap();
    bytes
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Starts an analysis and stops it in the middle of its reading for a moment.
fn meanwhile(sandbox: &Sandbox, options: &[&str], what: impl FnOnce()) -> (Value, Option<i32>) {
    let child = start(sandbox, &[&["a.log", "--threads", "1"], options].concat());
    wait_until_read(child.id(), 0, 20 << 20);
    signal(&child, Signal::STOP);
    what();
    signal(&child, Signal::CONT);
    end(child)
}

#[test]
fn a_file_that_grows_is_read_as_far_as_it_went() {
    let sandbox = Sandbox::new("");
    let before = hours(&sandbox, 4).len() as u64;
    let more = hour(4, 1);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(sandbox.path("a.log")).unwrap();
            while !over.load(Ordering::Relaxed) {
                file.write_all(&more).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let _over = Over(&over);
        for _ in 0..3 {
            let report = analyse(&sandbox, &["a.log"]);
            let bytes = fs::read(sandbox.path("a.log")).unwrap();
            let read = number(&report["files"][0]["bytes"]);
            assert!(read >= before && read < bytes.len() as u64, "{read} bytes read, {before} before, {} behind", bytes.len());
            // The line that was being written may be read torn.
            let lines = bytes[..usize::try_from(read).unwrap()].split(|b| *b == b'\n').filter(|line| !line.is_empty()).count() as u64;
            let records = number(&report["total_records"]);
            assert!(records == lines || records + 1 == lines, "{records} records of {lines} lines: {report:#}");
            assert!(report["files"][0].get("note").is_none(), "{report:#}");
        }
    });
}

#[test]
fn a_file_that_is_truncated_while_it_is_read_is_noted() {
    for options in [&[][..], &["--from", "2024-11-20T00:10:00Z"], &["--to", "2024-11-20T05:50:00Z"]] {
        let sandbox = Sandbox::new("");
        let all = hours(&sandbox, 6).iter().filter(|b| **b == b'\n').count() as u64;
        // As copytruncate does it; then the program goes on writing.
        let (report, code) = meanwhile(&sandbox, options, || {
            let file = File::options().write(true).open(sandbox.path("a.log")).unwrap();
            file.set_len(0).unwrap();
            fs::write(sandbox.path("a.log"), GOOD).unwrap();
        });
        assert_eq!(code, Some(1), "{options:?}: {report:#}");
        let records = number(&report["total_records"]);
        assert!(records > 0 && records < all, "{options:?}: {records} of {all} records");
        let note = report["files"][0]["note"].as_str().unwrap_or_default();
        assert!(note.contains("it shrank while it was read"), "{options:?}: {report:#}");
    }
}

#[test]
fn a_file_that_is_renamed_or_deleted_is_read_to_its_end() {
    for delete in [false, true] {
        let sandbox = Sandbox::new("");
        let all = hours(&sandbox, 6).iter().filter(|b| **b == b'\n').count() as u64;
        let (report, _) = meanwhile(&sandbox, &[], || {
            fs::rename(sandbox.path("a.log"), sandbox.path("a.log.1")).unwrap();
            fs::write(sandbox.path("a.log"), GOOD).unwrap();
            if delete {
                fs::remove_file(sandbox.path("a.log.1")).unwrap();
            }
        });
        assert_eq!((number(&report["total_records"]), report.get("partial")), (all, None), "{report:#}");
        assert!(report["files"][0].get("note").is_none(), "{report:#}");
    }
}

/// A thousand lines, of which each tenth is an error.
fn thousand(line: impl Fn(u64, &str) -> String) -> String {
    (0..1_000).map(|n| line(n, if n % 10 == 0 { "ERROR" } else { "INFO" })).collect()
}

#[test]
fn bytes_that_are_hardly_text_are_counted() {
    let line = |n: u64, level: &str| format!("2024-11-20T10:{:02}:{:02}Z {level} [web] request {n} caf\u{e9} \u{4f60}\n", n / 60, n % 60);
    let text = thousand(line);
    let utf16 = |bytes: fn(u16) -> [u8; 2]| std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect::<Vec<u8>>();
    let replace = |what: &str, with: &[u8]| {
        let parts: Vec<&[u8]> = text.split(what).map(str::as_bytes).collect();
        parts.join(with)
    };
    let files: [(&str, Vec<u8>); 8] = [
        ("plain", text.clone().into_bytes()),
        ("bom", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("crlf", text.replace('\n', "\r\n").into_bytes()),
        ("nuls", replace("request", b"\0\0request\0")),
        ("latin1", replace("\u{e9}", b"\xe9")),
        ("torn", replace("\u{4f60}", b"\xe4\xbd \xff\xfe\xc3")),
        ("utf16le", utf16(u16::to_le_bytes)),
        ("utf16be", utf16(u16::to_be_bytes)),
    ];
    let sandbox = Sandbox::new("");
    for (name, bytes) in files {
        fs::write(sandbox.path(name), &bytes).unwrap();
        let report = analyse(&sandbox, &[name]);
        let counted = ["total_records", "error_count", "without_timestamp"].map(|key| number(&report[key]));
        assert_eq!(counted, [1_000, 100, 0], "{name}: {report:#}");
        assert_eq!(number(&report["levels"]["info"]), 900, "{name}: {report:#}");
        assert_eq!(report["span"], json!({"first": "2024-11-20T10:00:00Z", "last": "2024-11-20T10:16:39Z"}), "{name}: {report:#}");
        assert_eq!(number(&report["files"][0]["bytes"]), bytes.len() as u64, "{name}: {report:#}");
        let window = ["--from", "2024-11-20T10:05:00Z", "--to", "2024-11-20T10:05:59Z"];
        let report = analyse(&sandbox, &[&[name][..], &window].concat());
        assert_eq!((number(&report["records_in_window"]), number(&report["error_count"])), (60, 6), "{name}: {report:#}");
    }
    // What holds no text at all is no error either.
    fs::write(sandbox.path("noise"), vec![0; 3 << 20]).unwrap();
    fs::write(sandbox.path("empty"), b"").unwrap();
    let report = analyse(&sandbox, &["noise", "empty"]);
    assert_eq!(number(&report["without_timestamp"]), number(&report["total_records"]), "{report:#}");
}

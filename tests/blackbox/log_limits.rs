//! `logs analyze` stops when it is told to or its time is up, and takes no more memory for that, for a bomb, or for more threads.

use std::{
    fs::{self, File},
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use flate2::{Compress, Compression, FlushCompress, Status};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{
    log_files::{ANALYZE, distinct_errors, end, filter, hour, number, read_by, start, wait_until_read, within_memory},
    sandbox::Sandbox,
    wait_for,
};

/// Reading stops and the answer comes within this.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A file of nothing but a hole.
fn hole(sandbox: &Sandbox, name: &str, gib: u64) {
    File::create(sandbox.path(name)).unwrap().set_len(gib << 30).unwrap();
}

/// 20 GB: nothing but a hole, and a log that a machine cannot read in the time of the test either.
fn endless(sandbox: &Sandbox) -> [&'static str; 2] {
    hole(sandbox, "hole.log", 20);
    hole(sandbox, "log.log", 20);
    let mut log = File::options().write(true).open(sandbox.path("log.log")).unwrap();
    (0..24).for_each(|n| log.write_all(&hour(n, 30)).unwrap());
    ["hole.log", "log.log"]
}

/// The best of three.
fn best(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| measure()).min().unwrap()
}

#[test]
fn an_interrupt_ends_an_analysis_at_once_with_what_was_read() {
    let sandbox = Sandbox::new("");
    for name in endless(&sandbox) {
        let took = best(|| {
            let child = start(&sandbox, &[name]);
            wait_until_read(child.id(), 0, 60 << 20);
            let begun = Instant::now();
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            let (report, code) = end(child);
            let took = begun.elapsed();
            let partial = report["partial"].as_str().unwrap_or_default();
            assert!(partial.starts_with("the analysis was cancelled; "), "{name}: {report:#}");
            assert!(matches!(code, Some(0 | 1)), "{code:?}");
            let read = number(&report["files"][0]["bytes"]);
            // Looking for times takes some of what was waited for.
            assert!(read > 30 << 20 && read < 20 << 30, "{name}: {report:#}");
            took
        });
        println!("{name}: {took:?}");
        assert!(took < AT_ONCE, "{name}: it took {took:?}");
    }
}

#[test]
fn a_cancelled_call_stops_reading_at_once_and_the_server_goes_on() {
    let sandbox = Sandbox::new("[logs]\nroots = [\"{dir}\"]\n");
    let names = endless(&sandbox);
    let mut client = sandbox.serve();
    for name in names {
        let took = best(|| {
            let (pid, open) = (client.pid(), client.open_files());
            let before = read_by(pid);
            let id = client.post("tools/call", json!({"name": "analyze_logs", "arguments": {"paths": [sandbox.path(name)], "since": "all"}}));
            wait_until_read(pid, before, 60 << 20);
            let begun = Instant::now();
            client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "enough"}}));
            let ping = client.post("ping", json!({}));
            // No answer to what was cancelled, but to what came behind it.
            assert_eq!(client.receive()["id"], ping);
            // Reading is over when nothing is read for a while.
            let (mut read, mut last) = (read_by(pid), begun.elapsed());
            while begun.elapsed() < last + Duration::from_millis(150) {
                thread::sleep(Duration::from_millis(1));
                let now = read_by(pid);
                if now != read {
                    (read, last) = (now, begun.elapsed());
                }
                assert!(begun.elapsed() < Duration::from_secs(10), "{name}: it reads on");
            }
            // What it held is closed.
            assert!(wait_for(Duration::from_secs(2), || client.open_files() <= open), "{} files are open, {open} were", client.open_files());
            last
        });
        println!("{name}: {took:?}");
        assert!(took < AT_ONCE, "{name}: it took {took:?}");
    }
}

/// A gzip file of one member with 16 GiB of zeros in about 16 MB: the same flushed piece over and over.
fn gzip_bomb() -> Vec<u8> {
    let zeros = vec![0; 16 << 20];
    let mut deflate = Compress::new(Compression::default(), false);
    let mut pieces = Vec::new();
    for _ in 0..2 {
        let mut piece = vec![0; 1 << 20];
        let (read, written) = (deflate.total_in(), deflate.total_out());
        let status = deflate.compress(&zeros, &mut piece, FlushCompress::Full).unwrap();
        assert!(status == Status::Ok && deflate.total_in() - read == zeros.len() as u64);
        piece.truncate(usize::try_from(deflate.total_out() - written).unwrap());
        pieces.push(piece);
    }
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bomb.extend_from_slice(&pieces[0]);
    // Behind a full flush nothing refers to what was before.
    (0..1_023).for_each(|_| bomb.extend_from_slice(&pieces[1]));
    bomb
}

/// 16 GiB of zeros as many frames that follow one another, which the other formats allow.
fn packed_bomb(program: &str, args: &[&str]) -> Result<Vec<u8>, String> {
    let frame = filter(program, args, vec![0; 16 << 20])?;
    Ok(frame.repeat(1_024))
}

/// Analyses what cannot be read in its time; it is given a second or two.
#[track_caller]
fn out_of_time(sandbox: &Sandbox, name: &str, seconds: u64) -> Value {
    sandbox.configure(&format!("[logs]\nmax_seconds = {seconds}\n"));
    let begun = Instant::now();
    let report = within_memory(sandbox, &[name]);
    let took = begun.elapsed();
    println!("{name}: {took:?}");
    // The start of the server that memory is compared with is in it.
    assert!(took < Duration::from_millis(1_000 * seconds + 1_500), "{name}: it took {took:?}");
    let partial = report["partial"].as_str().unwrap_or_else(|| panic!("{name}: nothing is partial: {report:#}"));
    assert!(partial.starts_with(&format!("the deadline of {seconds} s came")), "{name}: {report:#}");
    report
}

#[test]
fn bombs_and_holes_end_at_the_deadline_in_little_memory() {
    let sandbox = Sandbox::new("");
    hole(&sandbox, "hole.log", 100);
    let report = out_of_time(&sandbox, "hole.log", 2);
    assert!(number(&report["files"][0]["bytes"]) > 1 << 20, "{report:#}");
    let bomb = gzip_bomb();
    println!("gzip: {} bytes", bomb.len());
    fs::write(sandbox.path("bomb.gz"), &bomb).unwrap();
    let report = out_of_time(&sandbox, "bomb.gz", 2);
    let read = number(&report["files"][0]["bytes"]);
    assert!(read > 1 << 16 && read < bomb.len() as u64, "{report:#}");
    assert_eq!(report["files"][0]["packing"], "gzip", "{report:#}");
    for (program, args) in [("zstd", ["-q", "-19", "-c"]), ("bzip2", ["-q", "-9", "-c"]), ("xz", ["-q", "-6", "-c"])] {
        match packed_bomb(program, &args) {
            Ok(bomb) => {
                fs::write(sandbox.path("bomb"), bomb).unwrap();
                assert_eq!(out_of_time(&sandbox, "bomb", 1)["files"][0]["packing"], program);
            }
            Err(reason) => println!("without {program}: {reason}"),
        }
    }
}

/// Runs with several threads in bounded memory, and with one; both say the same.
#[track_caller]
fn eight_threads(sandbox: &Sandbox, paths: &str) -> Value {
    let report = within_memory(sandbox, &[paths, "--threads", "8"]);
    let answers = ["1", "8"].map(|threads| sandbox.opsmedic(ANALYZE.iter().copied().chain([paths, "--threads", threads])).stdout);
    assert!(answers[0] == answers[1], "another answer with eight threads: {}\n{}", answers[0], answers[1]);
    assert_eq!(serde_json::from_str::<Value>(&answers[0]).unwrap(), report);
    report
}

#[test]
fn eight_threads_take_little_memory_for_different_errors() {
    let sandbox = Sandbox::new("");
    distinct_errors(&File::create(sandbox.path("a.log")).unwrap(), 3, 300_000);
    let report = eight_threads(&sandbox, "a.log");
    assert_eq!(number(&report["error_count"]), 300_000, "{report:#}");
}

#[test]
fn eight_threads_take_little_memory_for_many_files() {
    let sandbox = Sandbox::new("");
    fs::create_dir(sandbox.path("many")).unwrap();
    for n in 0..256 {
        distinct_errors(&File::create(sandbox.path(format!("many/{n}.log"))).unwrap(), n, 1_500);
    }
    let report = eight_threads(&sandbox, "many/*.log");
    assert_eq!(number(&report["error_count"]), 256 * 1_500, "{report:#}");
    assert_eq!(report["files"].as_array().map(Vec::len), Some(256));
}

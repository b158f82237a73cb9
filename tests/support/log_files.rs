//! Log files with known counts, and what reading them takes: time, memory, and bytes of the file.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    find_program,
    log_hostile::Dice,
    sandbox::{BINARY, Finished, Sandbox, finish},
};

/// A command that analyses, before its paths and options.
pub(crate) const ANALYZE: [&str; 3] = ["--json", "logs", "analyze"];

/// What an analysis may take above what an idle server takes.
const MOST_KIB_ABOVE_IDLE: u64 = 64 << 10;

/// Runs an analysis that must give a report.
#[track_caller]
pub(crate) fn analyse(sandbox: &Sandbox, args: &[&str]) -> Value {
    let run = sandbox.opsmedic(ANALYZE.iter().chain(args));
    assert!(matches!(run.code, Some(0 | 1)), "{args:?}: {run}");
    run.json()
}

/// A number of a report.
#[track_caller]
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The name and report of each file, in their order.
pub(crate) fn files(report: &Value) -> Vec<(&str, &Value)> {
    report["files"].as_array().unwrap().iter().map(|file| (file["untrusted_path"].as_str().unwrap().rsplit('/').next().unwrap(), file)).collect()
}

/// A running analysis.
pub(crate) fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    let mut command = sandbox.command(ANALYZE.iter().chain(args));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Its report, and how it exited.
pub(crate) fn end(mut child: Child) -> (Value, Option<i32>) {
    let report = serde_json::from_reader(child.stdout.take().unwrap()).unwrap();
    (report, child.wait().unwrap().code())
}

/// Bytes that a process has read, of files and of anything else.
pub(crate) fn read_by(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap_or_default()
}

/// Waits until a process has read so much more than before.
#[track_caller]
pub(crate) fn wait_until_read(pid: u32, before: u64, bytes: u64) {
    let begun = Instant::now();
    while read_by(pid) < before + bytes {
        assert!(begun.elapsed() < Duration::from_secs(20), "{} bytes were read, not {bytes}", read_by(pid) - before);
        thread::sleep(Duration::from_micros(200));
    }
}

/// strace, where it may trace.
pub(crate) fn strace() -> Result<String, String> {
    let program = find_program("strace").ok_or("strace is not installed")?;
    let tried = Command::new(&program).args(["-f", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if tried.status.success() { Ok(program.to_str().unwrap().to_owned()) } else { Err("strace may not trace here".to_owned()) }
}

/// Runs an analysis under strace; gives how many bytes it read of a file as well.
pub(crate) fn bytes_read_of(strace: &str, sandbox: &Sandbox, args: &[&str], file: &Path) -> (Finished, u64) {
    let folder = sandbox.path("traces");
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(strace);
    // A file for each thread: no call is on two lines.
    command.args(["-ff", "-y", "-s", "0", "-e", "trace=read,pread64,readv,preadv,preadv2,mmap,sendfile,copy_file_range,splice", "-o"]);
    command.arg(folder.join("t")).arg(BINARY).args(ANALYZE).args(args);
    sandbox.confine(&mut command);
    let run = finish(&mut command, b"");
    let file = format!("<{}>", file.canonicalize().unwrap().display());
    let mut bytes = 0;
    for trace in fs::read_dir(&folder).unwrap() {
        let trace = String::from_utf8_lossy(&fs::read(trace.unwrap().path()).unwrap()).into_owned();
        for line in trace.lines().filter(|line| line.contains(&file)) {
            assert!(line.starts_with("read") || line.starts_with("pread"), "an unexpected way to read: {line}");
            let result = line.rsplit_once(" = ").map(|(_, result)| result.split(' ').next().unwrap());
            bytes += result.and_then(|result| result.parse::<u64>().ok()).unwrap_or_else(|| panic!("no result: {line}"));
        }
    }
    fs::remove_dir_all(folder).unwrap();
    (run, bytes)
}

/// The report of an analysis, and the peak memory of the process that made it, in KiB.
pub(crate) fn peak_of(sandbox: &Sandbox, args: &[&str]) -> (Value, u64) {
    let mut child = start(sandbox, args);
    let stdout = child.stdout.take().unwrap();
    let report = thread::spawn(move || serde_json::from_reader(stdout).unwrap());
    let status = format!("/proc/{}/status", child.id());
    let (mut peak, mut samples) = (0, 0);
    // The kernel keeps the peak as long as the process lives; the last look is at most a moment before its end.
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        if let Some(kib) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()) {
            (peak, samples) = (kib, samples + 1);
        }
        thread::sleep(Duration::from_micros(500));
    }
    assert!(samples > 10, "{args:?}: only {samples} looks at the process");
    (report.join().unwrap(), peak)
}

/// The report of an analysis whose peak memory is held to the limit above an idle server's.
#[track_caller]
pub(crate) fn within_memory(sandbox: &Sandbox, args: &[&str]) -> Value {
    let idle = sandbox.serve().memory_kib("VmRSS");
    let (report, peak) = peak_of(sandbox, args);
    println!("{args:?}: peak {peak} KiB, idle {idle} KiB");
    assert!(peak < idle + MOST_KIB_ABOVE_IDLE, "{args:?}: {peak} KiB at the peak, {idle} KiB idle");
    report
}

/// A word of letters only: nothing that a template would mask.
fn word(dice: &mut Dice) -> String {
    (0..8).map(|_| char::from(b"bcdfghjklmnpqrstvwxz"[usize::try_from(dice.roll(20)).unwrap()])).collect()
}

/// Errors of which no two have a word in common, one each second.
pub(crate) fn distinct_errors(file: &File, seed: u64, lines: u64) {
    let (mut out, mut dice) = (BufWriter::new(file), Dice::new(seed));
    for n in 0..lines {
        let words: Vec<String> = (0..2 + n % 9).map(|_| word(&mut dice)).collect();
        writeln!(out, "2026-11-20 10:{:02}:{:02} [ERROR] {}: {}", n / 60 % 60, n % 60, word(&mut dice), words.join(" ")).unwrap();
    }
    out.flush().unwrap();
}

/// An hour of 2024-11-20, so many lines a second; every tenth is an error.
pub(crate) fn hour(hour: u64, a_second: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..3_600 * a_second {
        let (second, milli) = (n / a_second, n % a_second * 1_000 / a_second);
        let level = if n % 10 == 0 { "ERROR" } else { "INFO " };
        let (minute, second) = (second / 60, second % 60);
        writeln!(out, "2024-11-20T{hour:02}:{minute:02}:{second:02}.{milli:03}Z {level} [web] request {n:08} to /api/items took 12 ms, as ever").unwrap();
    }
    out
}

/// What a program makes of these bytes.
pub(crate) fn filter(program: &str, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>, String> {
    let program = find_program(program).ok_or_else(|| format!("{program} is not installed"))?;
    let mut child = Command::new(&program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || -> io::Result<()> { stdin.write_all(&input) });
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    writer.join().unwrap().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(output.stdout) } else { Err(format!("{}: {}", program.display(), output.status)) }
}

/// Sets when a file was last written to, in seconds since 1970.
pub(crate) fn set_written(path: &Path, seconds: u64) {
    File::options().write(true).open(path).unwrap().set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

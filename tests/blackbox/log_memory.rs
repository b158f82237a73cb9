//! What `logs analyze` takes of memory at its peak, above what an idle server takes, does not grow with what it reads.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    process::Stdio,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{log_hostile::Dice, sandbox::Sandbox};

const MOST_KIB_ABOVE_IDLE: u64 = 64 << 10;

/// The report of a file, and the peak memory of the process that made it, in KiB.
fn peak_of(sandbox: &Sandbox, name: &str) -> (Value, u64) {
    let mut child = sandbox.command(["--json", "logs", "analyze", name]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
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
    assert!(samples > 10, "{name}: only {samples} looks at the process");
    (report.join().unwrap(), peak)
}

/// Writes a file, analyses it, and holds its peak to the limit.
#[track_caller]
fn check(fill: impl FnOnce(&File), judge: impl FnOnce(&Value)) {
    let sandbox = Sandbox::new("");
    let idle = sandbox.serve().memory_kib("VmRSS");
    fill(&File::create(sandbox.path("a.log")).unwrap());
    let (report, peak) = peak_of(&sandbox, "a.log");
    assert!(report.get("partial").is_none(), "{report:#}");
    judge(&report);
    println!("peak {peak} KiB, idle {idle} KiB");
    assert!(peak < idle + MOST_KIB_ABOVE_IDLE, "{peak} KiB at the peak, {idle} KiB idle");
}

#[test]
fn one_line_of_a_gigabyte() {
    let (head, tail) = (b"2026-11-20 10:00:00 [ERROR] db: deadlock ", b" and its end\n2026-11-20 10:00:01 [INFO] db: well\n");
    let fill = |file: &File| {
        // Between the two is a hole, which reads as NULs and takes no room.
        file.write_all_at(head, 0).unwrap();
        file.write_all_at(tail, 1 << 30).unwrap();
    };
    check(fill, |report| {
        assert_eq!((report["total_records"].as_u64(), report["levels"]["error"].as_u64()), (Some(2), Some(1)), "{report:#}");
        assert_eq!(report["patterns"]["database_error"], 1, "{report:#}");
    });
}

/// A word of letters only: nothing that a template would mask.
fn word(dice: &mut Dice) -> String {
    (0..8).map(|_| char::from(b"bcdfghjklmnpqrstvwxz"[usize::try_from(dice.roll(20)).unwrap()])).collect()
}

#[test]
fn three_hundred_thousand_different_errors() {
    let fill = |file: &File| {
        let (mut out, mut dice) = (BufWriter::new(file), Dice::new(3));
        for n in 0..300_000 {
            let words: Vec<String> = (0..2 + n % 9).map(|_| word(&mut dice)).collect();
            writeln!(out, "2026-11-20 10:{:02}:{:02} [ERROR] {}: {}", n / 60 % 60, n % 60, word(&mut dice), words.join(" ")).unwrap();
        }
        out.flush().unwrap();
    };
    check(fill, |report| {
        let top: u64 = report["top_errors"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
        assert_eq!(top + report["other_errors"].as_u64().unwrap(), 300_000, "{report:#}");
    });
}

#[test]
fn two_hundred_megabytes_of_ordinary_lines() {
    let fill = |file: &File| {
        let mut block = Vec::new();
        for n in 0..10_000 {
            let level = if n % 20 == 0 { "ERROR" } else { "INFO" };
            writeln!(
                block,
                "2026-11-20 10:{:02}:{:02} [{level}] db: connection {n} to 10.0.0.{} was kept for {} ms, as ever",
                n / 60 % 60,
                n % 60,
                n % 256,
                n * 7
            )
            .unwrap();
        }
        let mut out = file;
        (0..=200_000_000 / block.len()).for_each(|_| out.write_all(&block).unwrap());
    };
    check(fill, |report| assert!(report["files"][0]["bytes"].as_u64() >= Some(200_000_000), "{report:#}"));
}

//! What `logs analyze` takes of memory at its peak, above what an idle server takes, does not grow with what it reads.

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _};

use serde_json::Value;

use crate::support::{
    log_files::{distinct_errors, within_memory},
    log_hostile::Dice,
    sandbox::Sandbox,
};

/// Writes a file, analyses it, and holds its peak to the limit.
#[track_caller]
fn check(fill: impl FnOnce(&File), judge: impl FnOnce(&Value)) {
    let sandbox = Sandbox::new("");
    fill(&File::create(sandbox.path("a.log")).unwrap());
    let report = within_memory(&sandbox, &["a.log"]);
    assert!(report.get("partial").is_none(), "{report:#}");
    judge(&report);
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

#[test]
fn three_hundred_thousand_different_errors() {
    check(
        |file| distinct_errors(file, 3, 300_000),
        |report| {
            let top: u64 = report["top_errors"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
            assert_eq!(top + report["other_errors"].as_u64().unwrap(), 300_000, "{report:#}");
        },
    );
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

#[test]
fn sixty_thousand_different_errors_of_a_kilobyte() {
    let fill = |file: &File| {
        let mut dice = Dice::new(11);
        let mut out = std::io::BufWriter::new(file);
        for _ in 0..60_000 {
            out.write_all(b"2026-11-20 10:00:00 [ERROR] db:").unwrap();
            for _ in 0..125 {
                let word: String = (0..3 + dice.roll(8)).map(|_| char::from(b'a' + u8::try_from(dice.roll(26)).unwrap())).collect();
                write!(out, " {word}").unwrap();
            }
            out.write_all(b"\n").unwrap();
        }
    };
    check(fill, |report| assert_eq!(report["error_count"], 60_000, "{report:#}"));
}

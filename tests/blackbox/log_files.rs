//! What part of real log files `logs analyze` reads: a window of a large file, the files of a rotated set, dates without a year.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    find_program,
    log_files::{ANALYZE, analyse, bytes_read_of, files, filter, hour, number, set_written, strace},
    sandbox::Sandbox,
    skip::{need, skip},
};

/// What may be read beside the window, to find it and to know what is not new in it.
const BESIDE: u64 = 1 << 20;

/// A window of a large file is read within this, start of the process included.
const QUICK: Duration = Duration::from_millis(50);

/// Lines a second of the day below.
const A_SECOND: u64 = 290;

/// Its lines in bytes.
const LINE: u64 = 88;

/// A sorted day of two gigabytes: one hour, with other digits for each.
fn day(path: &Path) -> u64 {
    let mut lines = hour(0, A_SECOND);
    assert_eq!(lines.len() as u64, 3_600 * A_SECOND * LINE, "another length of the lines");
    let mut file = File::create(path).unwrap();
    for hour in 0..24 {
        for line in lines.chunks_exact_mut(usize::try_from(LINE).unwrap()) {
            line[11..13].copy_from_slice(format!("{hour:02}").as_bytes());
        }
        file.write_all(&lines).unwrap();
    }
    file.metadata().unwrap().len()
}

/// Where a second of the day begins in it.
fn at(hour: u64, minute: u64) -> u64 {
    (hour * 60 + minute) * 60 * A_SECOND * LINE
}

/// Lets two stretches of a file change places.
fn swap(path: &Path, a: u64, b: u64, bytes: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let read = |from| {
        let mut stretch = vec![0; usize::try_from(bytes).unwrap()];
        file.read_exact_at(&mut stretch, from).unwrap();
        stretch
    };
    let (at_a, at_b) = (read(a), read(b));
    file.write_all_at(&at_b, a).unwrap();
    file.write_all_at(&at_a, b).unwrap();
}

/// Bytes free where the tests write.
fn free(at: &Path) -> u64 {
    let space = rustix::fs::statvfs(at).unwrap();
    space.f_bavail * space.f_frsize
}

/// Counts a window, and holds what was read for it to the limit.
#[track_caller]
fn narrow(sandbox: &Sandbox, path: &Path, total: u64, window: &[&str], want: u64) {
    let args: Vec<&str> = ["big.log"].iter().chain(window).copied().collect();
    let report = analyse(sandbox, &args);
    assert_eq!(number(&report["records_in_window"]), want, "{window:?}: {report:#}");
    let file = &report["files"][0];
    assert_eq!(number(&file["bytes"]) + number(&file["skipped_bytes"]), total, "{window:?}: {report:#}");
    if let Ok(strace) = strace() {
        let (run, bytes) = bytes_read_of(&strace, sandbox, &args, path);
        assert_eq!(run.json()["records_in_window"], want, "{run}");
        println!("{window:?}: {bytes} bytes read for a window of {}", want * LINE);
        assert!(bytes >= want * LINE, "{window:?}: only {bytes} bytes seen by strace");
        assert!(bytes <= want * LINE + BESIDE, "{window:?}: {bytes} bytes read for a window of {}", want * LINE);
    }
}

/// Counts a window of a file that is not sorted where it matters: all of it is read.
#[track_caller]
fn whole(sandbox: &Sandbox, total: u64, window: &[&str], want: u64) {
    let report = analyse(sandbox, &["big.log"].iter().chain(window).copied().collect::<Vec<_>>());
    assert_eq!(number(&report["records_in_window"]), want, "{window:?}: {report:#}");
    assert_eq!(number(&report["files"][0]["bytes"]), total, "{window:?}: {report:#}");
    assert_eq!(number(&report["total_records"]), total / LINE, "{window:?}: {report:#}");
}

#[test]
fn a_window_of_two_gigabytes_reads_the_window() {
    let sandbox = Sandbox::new("");
    if free(sandbox.dir()) < 4 << 30 {
        skip!("less than 4 GB free");
    }
    let path = sandbox.path("big.log");
    let total = day(&path);
    assert!(total > 2_000_000_000, "{total} bytes");
    let last = ["--since", "10m", "--anchor", "end"];
    let noon = ["--from", "2024-11-20T12:00:00Z", "--to", "2024-11-20T12:00:59.999Z"];
    let (in_last, in_noon) = (600 * A_SECOND + 1, 60 * A_SECOND);
    narrow(&sandbox, &path, total, &last, in_last);
    narrow(&sandbox, &path, total, &noon, in_noon);
    narrow(&sandbox, &path, total, &["--to", "2024-11-20T00:00:59.999Z"], in_noon);
    narrow(&sandbox, &path, total, &["--from", "2024-11-21T00:00:00Z"], 0);
    quick(&sandbox, &["big.log", "--since", "10m", "--anchor", "end"]);

    // A minute that stands elsewhere, in the window: seen while reading.
    swap(&path, at(12, 0), at(18, 30), at(0, 1));
    whole(&sandbox, total, &["--from", "2024-11-20T18:20:00Z", "--to", "2024-11-20T18:40:00Z"], 1_200 * A_SECOND + 1);
    swap(&path, at(12, 0), at(18, 30), at(0, 1));
    // An hour that stands elsewhere: seen before anything is read, whatever the window.
    swap(&path, at(3, 0), at(20, 0), at(1, 0));
    whole(&sandbox, total, &["--from", "2024-11-20T20:30:00Z", "--to", "2024-11-20T20:30:59.999Z"], in_noon);
}

/// The best of several runs, because the machine may be busy.
fn quick(sandbox: &Sandbox, args: &[&str]) {
    let mut best = Duration::MAX;
    for n in 0..40 {
        let begun = Instant::now();
        let output = sandbox.command(ANALYZE.iter().chain(args)).output().unwrap();
        best = best.min(begun.elapsed());
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
        if n >= 4 && best < QUICK {
            break;
        }
    }
    println!("{args:?}: {best:?}");
    assert!(best < QUICK, "{args:?} took {best:?}");
}

/// A file of a rotated set: its name, how it is packed, and the hour it holds.
type Rotated = (&'static str, Option<(&'static str, &'static [&'static str])>, u64);

/// Oldest first.
const SET: [Rotated; 6] = [
    ("app.log.5.xz", Some(("xz", &["-0", "-c"])), 0),
    ("app.log.4.bz2", Some(("bzip2", &["-1", "-c"])), 1),
    ("app.log.3.zst", Some(("zstd", &["-q", "-1", "-c"])), 2),
    ("app.log.2.gz", Some(("gzip", &["-1", "-c"])), 3),
    ("app.log.1", None, 4),
    ("app.log", None, 5),
];

/// Lines a second of the set.
const OF_SET: u64 = 10;

/// Writes those that this machine can pack; gives them oldest first.
fn rotate(sandbox: &Sandbox) -> Vec<Rotated> {
    let there = |(_, packer, _): &Rotated| packer.is_none_or(|(program, _)| find_program(program).is_some());
    let set: Vec<Rotated> = SET.into_iter().filter(there).collect();
    for (name, packer, of) in &set {
        let lines = hour(*of, OF_SET);
        let bytes = packer.map_or_else(|| lines.clone(), |(program, args)| filter(program, args, lines.clone()).unwrap());
        fs::write(sandbox.path(name), bytes).unwrap();
        // The end of its hour; 2024-11-20 begins at the first number.
        set_written(&sandbox.path(name), 1_732_060_800 + (of + 1) * 3_600);
    }
    set
}

/// Bytes of each file that were read, and records of the window in it.
fn read_of(report: &Value) -> Vec<(String, u64, u64)> {
    files(report).into_iter().map(|(name, file)| (name.to_owned(), number(&file["bytes"]), number(&file["in_window"]))).collect()
}

#[test]
fn of_a_rotated_set_only_the_files_of_the_window_are_read() {
    let sandbox = Sandbox::new("");
    let set = rotate(&sandbox);
    assert!(set.len() >= 2);
    let window = |from: &str, to: &str| {
        let (from, to) = (format!("2024-11-20T{from}Z"), format!("2024-11-20T{to}Z"));
        let report = analyse(&sandbox, &["app.log*", "--from", &from, "--to", &to]);
        assert_eq!(files(&report).iter().map(|(name, _)| *name).collect::<Vec<_>>(), set.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
        report
    };

    let report = window("05:20:00", "05:39:59.999");
    assert_eq!(number(&report["records_in_window"]), 1_200 * OF_SET, "{report:#}");
    for (name, file) in files(&report) {
        match name {
            "app.log" => assert_eq!(number(&file["in_window"]), 1_200 * OF_SET, "{file:#}"),
            // Its end says what is not new, if the window begins too early in the file behind it; never more than that.
            "app.log.1" => assert!(number(&file["bytes"]) <= BESIDE / 2 && number(&file["in_window"]) == 0, "{file:#}"),
            _ => {
                assert_eq!((number(&file["bytes"]), number(&file["records"])), (0, 0), "{file:#}");
                assert_eq!(file["note"], "not read: it ends before the window", "{file:#}");
                assert_eq!(number(&file["skipped_bytes"]), fs::metadata(sandbox.path(name)).unwrap().len(), "{file:#}");
            }
        }
    }

    // Over the edge of two files, both plain, and both packed.
    let of = |name: &str, n: u64| set.iter().any(|(known, ..)| *known == name).then(|| (name.to_owned(), n));
    for (from, to, holding) in [
        ("04:50:00", "05:09:59.999", ["app.log.1", "app.log"]),
        ("03:50:00", "04:09:59.999", ["app.log.2.gz", "app.log.1"]),
        ("02:50:00", "03:09:59.999", ["app.log.3.zst", "app.log.2.gz"]),
        ("00:50:00", "01:09:59.999", ["app.log.5.xz", "app.log.4.bz2"]),
    ] {
        let report = window(from, to);
        let want: Vec<(String, u64)> = holding.iter().filter_map(|name| of(name, 600 * OF_SET)).collect();
        let held: Vec<(String, u64)> = read_of(&report).into_iter().filter(|(.., n)| *n > 0).map(|(name, _, n)| (name, n)).collect();
        assert_eq!(held, want, "{from}: {report:#}");
        let newest = holding[1];
        let behind = files(&report).into_iter().skip_while(|(name, _)| *name != newest).skip(1);
        for (name, file) in behind {
            assert_eq!((number(&file["bytes"]), &file["note"]), (0, &Value::from("not read: it begins after the window")), "{from} {name}: {report:#}");
        }
    }

    let report = analyse(&sandbox, &["app.log*"]);
    assert_eq!(files(&report).iter().map(|(name, _)| *name).collect::<Vec<_>>(), set.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    let each = 3_600 * OF_SET;
    assert!(files(&report).iter().all(|(_, file)| number(&file["records"]) == each), "{report:#}");
    assert_eq!(number(&report["total_records"]), each * set.len() as u64, "{report:#}");
    assert_eq!(number(&report["error_count"]), each * set.len() as u64 / 10, "{report:#}");
}

/// Lines of syslog without a year, one each `step` seconds.
fn yearless(from: i64, step: i64, lines: i64) -> Vec<u8> {
    let mut out = Vec::new();
    for n in 0..lines {
        let time = jiff::Timestamp::from_second(from + n * step).unwrap().strftime("%b %e %H:%M:%S").to_string();
        writeln!(out, "{time} web-1 app[812]: ERROR request {n} to /api/items timed out, and the connection was closed").unwrap();
    }
    out
}

/// Writes a log plain and packed, with this time of writing; gives both.
fn written(sandbox: &Sandbox, name: &str, bytes: &[u8], seconds: u64) -> Result<[PathBuf; 2], String> {
    let (plain, packed) = (sandbox.path(name), sandbox.path(format!("{name}.gz")));
    fs::write(&plain, bytes).unwrap();
    fs::write(&packed, filter("gzip", &["-1", "-c"], bytes.to_vec())?).unwrap();
    [&plain, &packed].iter().for_each(|path| set_written(path, seconds));
    Ok([plain, packed])
}

/// 2023-12-30T00:00:00Z.
const BEFORE_NEW_YEAR: i64 = 1_703_894_400;

#[test]
fn dates_without_a_year_cross_new_year() {
    let sandbox = Sandbox::new("");
    // Four days, a line every ten seconds: 34,560 lines, 3 MB.
    let lines = 4 * 8_640;
    let bytes = yearless(BEFORE_NEW_YEAR, 10, lines);
    let end = BEFORE_NEW_YEAR + 10 * (lines - 1);
    for path in need!(written(&sandbox, "syslog", &bytes, u64::try_from(end).unwrap())) {
        let path = path.to_str().unwrap();
        let report = analyse(&sandbox, &[path]);
        assert_eq!(number(&report["total_records"]), 34_560, "{path}: {report:#}");
        assert_eq!((&report["span"]["first"], &report["span"]["last"]), (&"2023-12-30T00:00:00Z".into(), &"2024-01-02T23:59:50Z".into()), "{path}: {report:#}");
        let window = ["--from", "2023-12-31T23:00:00Z", "--to", "2024-01-01T00:59:59Z"];
        let report = analyse(&sandbox, &[&[path][..], &window[..]].concat());
        assert_eq!(number(&report["records_in_window"]), 720, "{path}: {report:#}");
        let buckets = report["timeline"]["buckets"].as_array().unwrap();
        assert_eq!(buckets.iter().map(|bucket| number(&bucket["total"])).sum::<u64>(), 720, "{path}: {report:#}");
        assert_eq!(buckets[0]["start"], "2023-12-31T23:00:00Z", "{path}: {report:#}");
        assert!(buckets.last().unwrap()["start"].as_str().unwrap().starts_with("2024-01-01T00:5"), "{path}: {report:#}");
        let packed = path.ends_with(".gz");
        assert_eq!(report["files"][0].get("skipped_bytes").is_some(), !packed, "{path}: a plain file is read in part: {report:#}");
    }
}

#[test]
fn dates_without_a_year_are_never_in_the_future() {
    let sandbox = Sandbox::new("");
    let now = jiff::Timestamp::now();
    // The days from a month ahead on: they were last year. A file that claims to be written in the future changes nothing.
    let ahead = now.as_second() + 30 * 86_400;
    let bytes = yearless(ahead, 60, 20_000);
    for (name, written_at) in [("ahead", now.as_second()), ("far", now.as_second() + 80 * 366 * 86_400)] {
        for path in need!(written(&sandbox, name, &bytes, u64::try_from(written_at).unwrap())) {
            let report = analyse(&sandbox, &[path.to_str().unwrap()]);
            let last: jiff::Timestamp = report["span"]["last"].as_str().unwrap().parse().unwrap();
            let years = (ahead - last.as_second()) / (365 * 86_400);
            assert!(last < now && years == 0, "{name}: {last} is not the last time before {now}: {report:#}");
            assert_eq!(number(&report["total_records"]), 20_000, "{name}: {report:#}");
        }
    }
}

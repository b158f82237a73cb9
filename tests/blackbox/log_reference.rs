//! The counts of `logs analyze` against a slow and plain reference on hostile files, and the same answer with any number of threads.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::support::{
    log_hostile::{self, Dice, Recipe},
    log_reference::{self, Counted, Settings},
    sandbox::Sandbox,
};

const NANOS: i64 = 1_000_000_000;

/// Several hundred KiB to MiB, so that files are cut into pieces; the rest is small and many.
const LARGE: [Recipe; 4] = [
    Recipe { seed: 9_001, lines: 60_000, json: 0, sorted: true, long: None },
    Recipe { seed: 9_002, lines: 40_000, json: 10, sorted: true, long: None },
    Recipe { seed: 9_003, lines: 50_000, json: 5, sorted: false, long: Some(1 << 20) },
    Recipe { seed: 9_004, lines: 30_000, json: 2, sorted: true, long: Some(3 << 20) },
];

/// Values of `--threads` to try; one run without it where this binary has no such option.
fn thread_options(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let help = sandbox.opsmedic(["logs", "analyze", "--help"]).expect_code(0);
    if !help.stdout.contains("--threads") {
        return vec![Vec::new()];
    }
    ["1", "2", "8"].map(|threads| vec!["--threads".to_owned(), threads.to_owned()]).into()
}

fn recipe(seed: u64) -> Recipe {
    let mut dice = Dice::new(seed + 500);
    let long = dice.one_in(8).then_some(1 << 20);
    let most = if dice.one_in(3) { 900 } else { 12 };
    Recipe { seed, lines: 1 + dice.roll(most), json: [0, 5, 10][usize::try_from(seed % 3).unwrap()], sorted: dice.one_in(2), long }
}

/// How to read these files. A window begins and ends at times of their records, where being inclusive matters.
fn settings(dice: &mut Dice, seed: bool, windowed: bool, files: &[&[u8]]) -> Settings {
    let zone_seconds = if dice.one_in(3) { 8 * 3_600 } else { 0 };
    let bucket_seconds = if dice.one_in(2) { 3_600 } else { 900 };
    let times = || files.iter().flat_map(|file| log_reference::records(file, zone_seconds, false)).filter_map(|record| record.time);
    let ends = if windowed { times().collect::<Vec<_>>() } else { Vec::new() };
    let mut end = || usize::try_from(dice.roll(ends.len() as u64)).unwrap();
    let window = (!ends.is_empty()).then(|| (ends[end()], ends[end()])).map(|(a, b)| (a.min(b), a.max(b)));
    Settings { zone_seconds, bucket_seconds, window, seed }
}

/// Runs the binary with each number of threads; all answer the same, byte for byte.
fn analyse(sandbox: &Sandbox, threads: &[Vec<String>], names: &[&str], settings: &Settings) -> Value {
    let mut args: Vec<String> = ["--json", "logs", "analyze"].iter().chain(names).map(ToString::to_string).collect();
    args.extend(["--bucket".to_owned(), format!("{}s", settings.bucket_seconds)]);
    args.extend(["--timezone".to_owned(), if settings.zone_seconds == 0 { "UTC" } else { "+08:00" }.to_owned()]);
    args.extend(["--patterns".to_owned(), if settings.seed { "seed" } else { "default" }.to_owned()]);
    if let Some((from, to)) = settings.window {
        args.extend(["--from".to_owned(), log_reference::show(from), "--to".to_owned(), log_reference::show(to)]);
    }
    let runs: Vec<_> = threads.iter().map(|option| sandbox.opsmedic(args.iter().chain(option))).collect();
    for run in &runs {
        assert!(matches!(run.code, Some(0 | 1)), "{args:?}: {run}");
        assert_eq!(run.stdout, runs[0].stdout, "{args:?}: another answer with another number of threads");
    }
    let report = runs[0].json();
    assert!(report.get("partial").is_none(), "{args:?}: {report:#}");
    report
}

/// What the report says, in the form of the reference. What the reference does not count is left out.
fn counted(report: &Value, settings: &Settings, want: &Counted) -> Counted {
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {report:#}"));
    let nanos = |text: &Value| i64::try_from(text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_nanosecond()).unwrap();
    let levels = report["levels"].as_object().unwrap();
    let known = ["trace", "debug", "info", "notice", "warning", "error", "critical", "none"];
    assert_eq!(levels.keys().map(String::as_str).collect::<Vec<_>>(), known);
    let buckets = report["timeline"]["buckets"].as_array().unwrap().iter();
    let span = report.get("span");
    assert_eq!(report["timeline"]["bucket_seconds"].as_i64(), Some(settings.bucket_seconds));
    Counted {
        records: number(&report["total_records"]),
        without_timestamp: number(&report["without_timestamp"]),
        first: span.map(|span| nanos(&span["first"])),
        last: span.map(|span| nanos(&span["last"])),
        in_window: number(&report["records_in_window"]),
        levels: known.into_iter().map(|name| (name, number(&levels[name]))).filter(|(_, n)| *n > 0).collect(),
        patterns: want.patterns.keys().map(|name| (*name, number(&report["patterns"][name]))).collect(),
        buckets: buckets.map(|b| (nanos(&b["start"]) / NANOS, [&b["total"], &b["errors"], &b["warnings"]].map(number))).collect(),
    }
}

/// What must hold in every report, whatever was read.
fn check_sums(report: &Value, at: &str) {
    let of = |value: &Value| value.as_u64().unwrap();
    let sum = |list: &Value, key: &str| list.as_array().unwrap().iter().map(|item| of(&item[key])).sum::<u64>();
    assert_eq!(sum(&report["top_errors"], "count") + of(&report["other_errors"]), of(&report["error_count"]), "{at}: {report:#}");
    assert_eq!(of(&report["levels"]["error"]) + of(&report["levels"]["critical"]), of(&report["error_count"]), "{at}");
    assert_eq!(report["levels"].as_object().unwrap().values().map(of).sum::<u64>(), of(&report["records_in_window"]), "{at}");
    assert_eq!(sum(&report["files"], "records"), of(&report["total_records"]), "{at}");
}

/// Compares one run on these files with the reference.
fn compare(sandbox: &Sandbox, threads: &[Vec<String>], files: &[(&str, &[u8])], settings: &Settings, at: &str) -> Counted {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let report = analyse(sandbox, threads, &names, settings);
    check_sums(&report, at);
    let bytes: Vec<&[u8]> = files.iter().map(|(_, bytes)| *bytes).collect();
    let mut want = log_reference::count(&bytes, settings);
    let mut got = counted(&report, settings, &want);
    if settings.window.is_some() {
        // What lies outside the window need not be read.
        for side in [&mut want, &mut got] {
            (side.records, side.without_timestamp, side.first, side.last) = (0, 0, None, None);
        }
    }
    assert_eq!(got, want, "{at}, {settings:?}; left is the binary");
    want
}

/// Writes the file of a recipe and compares the readings of the patterns with and without a window.
fn check(sandbox: &Sandbox, threads: &[Vec<String>], recipe: &Recipe, sum: &mut BTreeMap<&'static str, u64>) {
    let (bytes, name) = (log_hostile::file(recipe), format!("{}.log", recipe.seed));
    fs::write(sandbox.path(&name), &bytes).unwrap();
    let mut dice = Dice::new(recipe.seed + 7);
    for (seed, windowed) in [(true, false), (false, false), (recipe.seed.is_multiple_of(2), true)] {
        let settings = settings(&mut dice, seed, windowed, &[&bytes]);
        let want = compare(sandbox, threads, &[(&name, &bytes)], &settings, &format!("{recipe:?}"));
        for (name, n) in want.levels.into_iter().chain(want.patterns) {
            *sum.entry(name).or_default() += n;
        }
    }
    fs::remove_file(sandbox.path(&name)).unwrap();
}

#[test]
fn small_hostile_files_are_counted_as_the_reference_counts() {
    let sandbox = Sandbox::new("");
    let threads = thread_options(&sandbox);
    let mut sum = BTreeMap::new();
    (0..60).for_each(|seed| check(&sandbox, &threads, &recipe(seed), &mut sum));
    // Eight levels and nine patterns: a file that holds none of them would prove nothing.
    assert!(sum.len() == 17 && sum.values().all(|n| *n > 20), "{sum:?}");
}

#[test]
fn large_hostile_files_are_counted_as_the_reference_counts() {
    let sandbox = Sandbox::new("");
    let threads = thread_options(&sandbox);
    LARGE.iter().for_each(|recipe| check(&sandbox, &threads, recipe, &mut BTreeMap::new()));
}

#[test]
fn counts_of_many_files_add_up_as_the_reference_adds() {
    let sandbox = Sandbox::new("");
    let threads = thread_options(&sandbox);
    let files: Vec<(String, Vec<u8>)> = (200..220).map(|seed| (format!("{seed}.log"), log_hostile::file(&recipe(seed)))).collect();
    for (name, bytes) in &files {
        fs::write(sandbox.path(name), bytes).unwrap();
    }
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    for seed in [true, false] {
        compare(&sandbox, &threads, &files, &settings(&mut Dice::new(1), seed, false, &[]), "twenty files");
    }
}

/// The reference is judged by hand-counted records, in both ways of cutting them.
#[test]
fn the_reference_reads_what_a_person_reads() {
    let text = "a line before all\n2026-11-20 10:00:00,5 [main] WARN db: slow\n\tat Foo\n\nCaused by: no such file\n\
        {\"ts\":1795168801.25,\"level\":50,\"msg\":\"connection \\u0074imeout\"}\r\n2026-02-30 10:00:00 [ERROR] db: deadlock";
    let shown = |fold| {
        let records = log_reference::records(text.as_bytes(), 8 * 3_600, fold).into_iter();
        records.map(|r| (r.time.map(log_reference::show), r.level, String::from_utf8(r.message).unwrap())).collect::<Vec<_>>()
    };
    let slow = (Some("2026-11-20T02:00:00.5Z".to_owned()), Some("warning"));
    let timeout = (Some("2026-11-20T10:00:01.25Z".to_owned()), Some("error"));
    let plain = |text: &str| (None, None, text.to_owned());
    assert_eq!(
        shown(true),
        [
            plain("a line before all"),
            (slow.0.clone(), slow.1, "slow\nat Foo\nCaused by: no such file".to_owned()),
            (timeout.0.clone(), timeout.1, "connection timeout".to_owned()),
            (None, Some("error"), "deadlock".to_owned()),
        ]
    );
    assert_eq!(
        shown(false),
        [
            plain("a line before all"),
            (slow.0, slow.1, "slow".to_owned()),
            plain("at Foo"),
            plain("Caused by: no such file"),
            (timeout.0, timeout.1, "connection timeout".to_owned()),
            (None, Some("error"), "deadlock".to_owned()),
        ]
    );
}

#![allow(clippy::unwrap_used, reason = "tests")]

mod folding;
mod lines;

use proptest::prelude::*;

use super::*;
use crate::logs::time::{nanos, show};

/// The record of a line that is looked at alone; one that begins none is plain text.
pub(super) fn parse<'l>(reader: &mut LineReader, line: &'l [u8]) -> (usize, Record<'l>) {
    match reader.read(line, None) {
        Line::Head { format, record } => (format, record),
        Line::More { text, .. } => (reader.plain(), Record { message: text, ..Record::default() }),
        Line::Frame => (reader.plain(), Record { message: std::borrow::Cow::Borrowed(line), ..Record::default() }),
    }
}

/// Where yearless times lie in these tests.
fn near() -> Option<Nanos> {
    Some(nanos("2026-03-01T00:00:00Z".parse().unwrap()))
}

fn reader(head: &[u8]) -> LineReader {
    let mut reader = LineReader::detect(head, TimeZone::UTC);
    if reader.is_yearless() {
        reader.set_near(near());
    }
    reader
}

/// Format, time, level, logger and message of a text's last line.
type Row = (String, Option<String>, Option<Level>, Option<String>, String);

fn row(text: &str) -> Row {
    let mut reader = reader(text.as_bytes());
    let line = text.lines().last().unwrap_or_default();
    let Line::Head { format, record } = reader.read(line.as_bytes(), None) else { panic!("begins no record: {line}") };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (reader.format_name(format).to_owned(), record.time.map(show), record.level, record.logger.map(|l| text(&l)), text(&record.message))
}

#[track_caller]
fn check(line: &str, format: &str, time: Option<&str>, level: Option<Level>, logger: Option<&str>, message: &str) {
    let (f, t, l, g, m) = row(line);
    assert_eq!((f.as_str(), t.as_deref(), l, g.as_deref(), m.as_str()), (format, time, level, logger, message), "{line}");
}

#[test]
fn every_format_reads_its_example() {
    for format in ALL {
        assert_eq!(row(format.example()).0, format.name());
        assert!(!format.summary().is_empty());
    }
}

#[test]
fn names_differ_and_every_example_begins_as_its_format_says() {
    for (at, format) in ALL.iter().enumerate() {
        assert!(ALL[..at].iter().all(|other| other.name() != format.name()), "{}", format.name());
        let line = format.example().lines().last().unwrap();
        assert!(format.begins_with(line.as_bytes()[0]), "{}", format.name());
    }
}

/// Pairs where a general format reads the example of a special one, which therefore comes before it.
const GENERAL: &[(&str, &str)] = &[
    ("json", "docker"),
    ("standard", "cri"),
    ("standard", "envoy"),
    ("standard", "elb"),
    ("standard", "monolog"),
    ("standard", "mysql"),
    ("standard", "postgres"),
    ("standard", "samba"),
    ("standard", "nginx"),
    ("standard", "apache"),
    ("standard", "sssd"),
    ("kernel", "apache"),
    ("standard", "jul"),
    ("standard", "syslog"),
    ("standard", "syslog-iso"),
    ("standard", "w3c"),
    ("logfmt", "auditd"),
    ("epoch", "strace"),
    ("level-only", "level-first"),
];

#[test]
fn no_format_reads_the_example_of_another() {
    for (at, format) in ALL.iter().enumerate().take(ALL.len() - 1) {
        let line = format.example().lines().last().unwrap();
        let mut context = Context::new(TimeZone::UTC);
        context.table = None;
        for (other_at, other) in ALL.iter().enumerate().take(ALL.len() - 1).filter(|(other, _)| *other != at) {
            let read = other.parse(line.as_bytes(), &mut context).is_some();
            let general = GENERAL.contains(&(other.name(), format.name()));
            assert!(!read || (general && other_at > at), "{} reads the example of {}", other.name(), format.name());
        }
    }
}

#[test]
fn the_majority_locks_and_the_minority_is_still_read() {
    let head = b"starting\n{\"level\":\"info\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"b\"}\n2026-01-26 10:30:45 [ERROR] db: x\n";
    let mut reader = reader(head);
    assert_eq!(parse(&mut reader, b"2026-01-26 10:30:45 [ERROR] db: x").1.level, Some(Level::Error));
    assert_eq!(parse(&mut reader, b"{\"level\":\"info\",\"msg\":\"a\"}").1.level, Some(Level::Info));
}

#[test]
fn a_long_preamble_and_fractions_of_all_lengths_change_nothing() {
    let head =
        [&b"  ____\n /_  _\\\n=== welcome\n".repeat(20)[..], b"2026-01-26 10:30:45,1 ERROR x\n2026-01-26 10:30:46.123456 INFO y\n2026-01-26 10:30:47 WARN z\n"]
            .concat();
    let mut reader = reader(&head);
    for (line, time) in [("2026-01-26 10:30:45,1 ERROR x", "2026-01-26T10:30:45.1Z"), ("2026-01-26 10:30:47 WARN z", "2026-01-26T10:30:47Z")] {
        assert_eq!(parse(&mut reader, line.as_bytes()).1.time.map(show).as_deref(), Some(time));
    }
}

#[test]
fn yearless_files_need_a_moment_that_is_near() {
    let line = b"Dec 31 23:59:59 web1 sshd[7]: bye";
    let mut reader = LineReader::detect(line, TimeZone::UTC);
    assert!(reader.is_yearless());
    assert_eq!(parse(&mut reader, line).1.time, None);
    reader.set_near(near());
    assert_eq!(parse(&mut reader, line).1.time.map(show).as_deref(), Some("2025-12-31T23:59:59Z"));
    assert_eq!(parse(&mut reader, b"Jan  1 00:00:01 web1 sshd[7]: hi").1.time.map(show).as_deref(), Some("2026-01-01T00:00:01Z"));
    assert_eq!(
        parse(&mut reader, b"Feb 29 00:00:01 web1 sshd[7]: hi").1.time.map(show).as_deref(),
        Some("2028-02-29T00:00:01Z"),
        "two years ahead, not behind"
    );
    assert!(!LineReader::detect(b"2026-01-26 10:30:45 [ERROR] db: x", TimeZone::UTC).is_yearless());
}

#[test]
fn the_order_of_day_and_month_is_the_files_or_nobodys() {
    let time = |head: &str, line: &str| parse(&mut reader(head.as_bytes()), line.as_bytes()).1.time.map(show);
    let line = "03/04/2026 10:30:45 ERROR x";
    assert_eq!(time(line, line), None);
    assert_eq!(time(&format!("{line}\n13/04/2026 10:30:45 ERROR x"), line).as_deref(), Some("2026-04-03T10:30:45Z"));
    assert_eq!(time(&format!("{line}\n04/13/2026 10:30:45 ERROR x"), line).as_deref(), Some("2026-03-04T10:30:45Z"));
    assert_eq!(time(&format!("{line}\n04/13/2026 10:30:45 ERROR x\n13/04/2026 10:30:45 x"), line), None, "contradictory");
}

/// Files of all kinds, to draw lines from.
fn heads() -> Vec<Vec<u8>> {
    let mut heads: Vec<Vec<u8>> = ALL.iter().map(|format| format.example().as_bytes().to_vec()).collect();
    heads.push(b"panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\n".to_vec());
    heads.push(b"{\"log\":\"a \",\"time\":\"2026-01-26T10:30:45Z\"}\n{\"log\":\"b\\n\",\"time\":\"2026-01-26T10:30:45Z\"}".to_vec());
    heads.push(b"\xef\xbb\xbfweb-1  | \x1b[31mERROR\x1b[0m: x\nweb-1  |     at y".to_vec());
    heads
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\":,\\ 0-9eT|()<>=.\t\x1b"[..])];
    let noise = proptest::collection::vec(bytes, 0..80);
    let lines: Vec<Vec<u8>> = heads().iter().flat_map(|head| head.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
    // Whole lines, lines that are cut and go on with noise, and noise.
    (proptest::sample::select(lines), any::<prop::sample::Index>(), noise, 0..3_u8).prop_map(|(line, cut, noise, kind)| match kind {
        0 => line,
        1 => noise,
        _ => [&line[..cut.index(line.len() + 1)], &noise].concat(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_line_panics(head in any_line(), line in any_line(), before in proptest::option::of(any_line())) {
        reader(&head).read(&line, before.as_deref());
    }

    #[test]
    fn what_was_read_before_changes_nothing(head in proptest::sample::select(heads()), others in proptest::collection::vec(any_line(), 0..6), line in any_line(), before in proptest::option::of(any_line())) {
        let mut fresh = reader(&head);
        let mut used = fresh.clone();
        for other in &others {
            used.read(other, before.as_deref());
        }
        prop_assert_eq!(used.read(&line, before.as_deref()), fresh.read(&line, before.as_deref()));
    }

    #[test]
    fn json_means_what_a_full_parser_says(message in any::<String>(), logger in "[a-z]{1,8}", extra in any::<i32>()) {
        let line = serde_json::json!({"extra": {"deep": [extra, "}"]}, "level": "error", "logger": logger, "msg": message}).to_string();
        let mut reader = reader(line.as_bytes());
        let Line::Head { format, record } = reader.read(line.as_bytes(), None) else { panic!("no record: {line}") };
        prop_assert_eq!(ALL[format].name(), "json");
        prop_assert_eq!((record.level, &*record.message), (Some(Level::Error), message.as_bytes()));
    }
}

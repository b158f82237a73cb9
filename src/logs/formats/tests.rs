#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::logs::time::show;

/// Format, time, level, logger and message of a line.
type Row = (&'static str, Option<String>, Option<Level>, Option<String>, String);

fn row(line: &str) -> Row {
    let mut reader = LineReader::detect(line.as_bytes(), TimeZone::UTC);
    let (format, record) = reader.parse(line.as_bytes());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (ALL[format].name(), record.time.map(show), record.level, record.logger.map(|l| text(&l)), text(&record.message))
}

fn check(line: &str, format: &str, time: Option<&str>, level: Option<Level>, logger: Option<&str>, message: &str) {
    let (f, t, l, g, m) = row(line);
    assert_eq!((f, t.as_deref(), l, g.as_deref(), m.as_str()), (format, time, level, logger, message), "{line}");
}

const AT: Option<&str> = Some("2026-01-26T10:30:45Z");

#[test]
fn every_format_reads_its_example() {
    for format in ALL {
        assert_eq!(row(format.example()).0, format.name());
        assert!(!format.summary().is_empty());
    }
}

#[test]
fn standard_lines() {
    let error = Some(Level::Error);
    for (line, level, logger, message) in [
        ("2026-01-26 10:30:45 [ERROR] db: Connection refused", error, Some("db"), "Connection refused"),
        ("2026-01-26T10:30:45Z [warn] api: slow", Some(Level::Warning), Some("api"), "slow"),
        ("2026-01-26 10:30:45 ERROR db: a: b", error, Some("db"), "a: b"),
        ("2026-01-26 10:30:45 ERROR: disk gone", error, None, "disk gone"),
        ("2026-01-26 10:30:45 [main] ERROR com.acme.Svc - boom", error, Some("com.acme.Svc"), "boom"),
        ("2026-01-26 10:30:45 | ERROR    | app.main:run:12 - boom", error, None, "app.main:run:12 - boom"),
        ("2026-01-26 10:30:45 - ERROR - boom", error, None, "boom"),
        ("[2026-01-26 10:30:45] [ERROR] boom", error, None, "boom"),
        ("2026-01-26 10:30:45 [ERROR] database error: deadlock", error, None, "database error: deadlock"),
        ("2026-01-26 10:30:45 error while reading", None, None, "error while reading"),
        ("2026-01-26 10:30:45 [worker-1] no level here", None, None, "[worker-1] no level here"),
        ("2026-01-26 10:30:45 ERRORS are many", None, None, "ERRORS are many"),
        ("2026-01-26 10:30:45", None, None, ""),
    ] {
        check(line, "standard", AT, level, logger, message);
    }
    check("2026-01-26 10:30:45,123+01:00 [INFO] m: x", "standard", Some("2026-01-26T09:30:45.123Z"), Some(Level::Info), Some("m"), "x");
}

#[test]
fn json_lines() {
    let error = Some(Level::Error);
    for (line, level, logger, message) in [
        (r#"{"timestamp": "2026-01-26T10:30:45.000Z", "level": "ERROR", "logger": "db", "message": "x", "pid": 1}"#, error, Some("db"), "x"),
        (r#"{"level":"error","ts":1769423445.0,"caller":"a.go:1","msg":"x"}"#, error, Some("a.go:1"), "x"),
        (r#"{"name":"svc","hostname":"h","pid":1,"level":50,"msg":"x","time":"2026-01-26T10:30:45.000Z","v":0}"#, error, Some("svc"), "x"),
        (r#"{"level":30,"time":1769423445000,"msg":"x"}"#, Some(Level::Info), None, "x"),
        (r#"{"@timestamp":"2026-01-26T10:30:45Z","log":{"level":"error","logger":"db"},"message":"x"}"#, error, Some("db"), "x"),
        (r#"{"@timestamp":"2026-01-26T10:30:45Z","log.level":"error","message":"x"}"#, error, None, "x"),
        (r#"{"t":{"$date":"2026-01-26T10:30:45.000+00:00"},"c":"NET","msg":"x"}"#, None, Some("NET"), "x"),
        (r#"{"severity":"CRITICAL","time":"2026-01-26 10:30:45","text":"x"}"#, Some(Level::Critical), None, "x"),
        (r#"{"message":"x","level_name":"ERROR","level":400,"datetime":"2026-01-26T10:30:45Z"}"#, error, None, "x"),
        (r#"{"log":"out of \"memory\"\n","stream":"stderr","time":"2026-01-26T10:30:45Z"}"#, None, None, "out of \"memory\"\n"),
        (r#"{"Timestamp":"2026-01-26T10:30:45Z","Level":"Error","Message":"x","p":{"level":"info","a":["}"]}}"#, error, None, "x"),
        (r#"{"ts":"1769423445","level":"loud","msg":"x"}"#, None, None, "x"),
    ] {
        check(line, "json", AT, level, logger, message);
    }
    check(r#"{"level":"info","ts":12.5,"msg":"uptime is no time"}"#, "json", None, Some(Level::Info), None, "uptime is no time");
    check(r#"{"time":"yesterday","msg":"x"}"#, "json", None, None, None, "x");
    let bare = r#"{"level":"error","time":"2026-01-26T10:30:45Z"}"#;
    check(bare, "json", AT, error, None, bare);
}

#[test]
fn what_is_not_wholly_of_a_format_stays_plain() {
    for line in [
        "Traceback (most recent call last):",
        r#"{"foo": 1}"#,
        "{}",
        r#"{"level":"error","msg":"cut off"#,
        r#"{"level":"error","msg":"x"} trailing"#,
        r#"{"level":"error" "msg":"x"}"#,
        "[ERROR] no time",
        "2026-02-30 10:30:45 [ERROR] no such day",
        "ERROR 2026-01-26 10:30:45 x",
        "\0\0\0",
    ] {
        check(line, "plain", None, None, None, line);
    }
}

#[test]
fn the_majority_locks_and_the_minority_is_still_read() {
    let head = b"starting\n{\"level\":\"info\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"b\"}\n2026-01-26 10:30:45 [ERROR] db: x\n";
    let mut reader = LineReader::detect(head, TimeZone::UTC);
    assert_eq!(ALL[reader.locked].name(), "json");
    assert_eq!(reader.parse(b"2026-01-26 10:30:45 [ERROR] db: x").1.level, Some(Level::Error));
}

proptest! {
    #[test]
    fn no_line_panics(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\":,\\ 0-9eT"[..])], 0..120), open in any::<bool>()) {
        let line = if open { [&b"{\"level\":"[..], &bytes].concat() } else { bytes };
        LineReader::detect(&line, TimeZone::UTC).parse(&line);
    }

    #[test]
    fn json_means_what_a_full_parser_says(message in any::<String>(), logger in "[a-z]{1,8}", extra in any::<i32>()) {
        let line = serde_json::json!({"extra": {"deep": [extra, "}"]}, "level": "error", "logger": logger, "msg": message}).to_string();
        let (format, record) = LineReader::detect(line.as_bytes(), TimeZone::UTC).parse(line.as_bytes());
        prop_assert_eq!(ALL[format].name(), "json");
        prop_assert_eq!((record.level, &*record.message), (Some(Level::Error), message.as_bytes()));
    }
}

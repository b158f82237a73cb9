//! Which lines begin records and which go on with them.

use super::*;

/// A mark per line: `H` begins a record, `M` goes on, `J` goes on without a newline, `F` is of the frame.
fn marks(file: &str) -> String {
    let mut reader = reader(file.as_bytes());
    let mut before: Option<&[u8]> = None;
    let mut marks = String::new();
    for line in file.lines().map(str::as_bytes) {
        marks.push(match reader.read(line, before) {
            Line::Head { .. } => 'H',
            Line::More { joined: false, .. } => 'M',
            Line::More { joined: true, .. } => 'J',
            Line::Frame => 'F',
        });
        before = Some(line);
    }
    marks
}

const HEAD: &str = "2026-01-26 10:30:45 [ERROR] db: x\n";

#[test]
fn among_lines_with_times_what_has_none_continues() {
    for (body, want) in [
        ("java.lang.Error: x\n\tat a.B.c(B.java:1)\nCaused by: java.io.E: y\n\t... 3 more\n", "MMMM"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\nValueError: no\n", "MMMM"),
        ("goroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\n\nexit status 2\n", "MMMMM"),
        ("SELECT 1\n  FROM t;\n<a>\n  <b/>\n</a>\n{\n  \"level\": \"info\"\n}\n", "MMMMMMMM"),
        ("#0 a.php(1): f()\n#1 {main}\n", "MM"),
        ("ERROR: said without a time\n", "M"),
        ("Jan 26 10:30:45 web1 sshd[7]: another format\nmore of it\n", "HM"),
        ("{\"time\":\"2026-01-26T10:30:45Z\",\"msg\":\"x\"}\n{\"msg\":\"x\"}\n", "HM"),
    ] {
        assert_eq!(marks(&format!("{HEAD}{body}{HEAD}")), format!("H{want}H"), "{body}");
    }
}

#[test]
fn among_lines_without_times_only_what_plainly_does_continues() {
    for (file, want) in [
        ("one\ntwo\n  of it\n\tof it\nthree\n", "HHMMH"),
        ("panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1 +0x1\ncreated by main.run\n\t/a.go:2 +0x1\nexit status 2\n", "HMMMMMMH"),
        ("thread 'main' panicked at src/main.rs:1:2:\nno\nnote: run with `RUST_BACKTRACE=1`\nbye\n", "HMMH"),
        ("Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\na.NoError: no\nnext\n", "HMMMH"),
        ("Exception in thread \"main\" a.E: x\n\tat a.B.c(B.java:1)\nCaused by: y\n\t... 3 more\nnext\n", "HMMMH"),
        ("ERROR: a\nERROR: b\nc\n", "HHH"),
        ("  one\n  two\n", "HH"),
    ] {
        assert_eq!(marks(file), want, "{file}");
    }
}

#[test]
fn among_objects_every_whole_one_begins_a_record() {
    let head = "{\"time\":\"2026-01-26T10:30:45Z\",\"level\":\"error\",\"msg\":\"x\"}\n";
    for (body, want) in [
        ("{\"metric\":\"cpu\"}\n  {\"foo\":1}\n{}\n{\"time\":null,\"msg\":null}\n", "HHHH"),
        ("  {\"level\":\"info\",\"msg\":\"indented\"}\n\t{\"x\":1}\n", "HH"),
        ("{\"level\":\"error\" \"msg\":\"broken\"}\n", "H"),
        ("{\n  \"level\": \"info\",\n  \"a\": [\n    1\n  ]\n}\n", "MMMMMM"),
        ("{\"level\":\"error\",\"msg\":\"cut o\n", "M"),
        ("  at a.b (c.js:1)\ntext\n", "MM"),
    ] {
        assert_eq!(marks(&format!("{head}{head}{body}{head}")), format!("HH{want}H"), "{body}");
    }
}

#[test]
fn a_moment_that_does_not_exist_begins_a_record() {
    for line in ["2026-02-30 10:30:45 [ERROR] x", "2026-01-26 25:30:45 [ERROR] x", "[2026-13-01T10:30:45,1] [ERROR] x"] {
        assert_eq!(marks(&format!("{HEAD}{line}\n  more\n{HEAD}")), "HHMH", "{line}");
        let json = "{\"time\":\"2026-01-26T10:30:45Z\",\"msg\":\"x\"}\n";
        assert_eq!(marks(&format!("{json}{json}{line}\nmore\n{json}")), "HHHMH", "{line}");
    }
}

#[test]
fn tracebacks_belong_to_lines_that_tell_only_their_level() {
    let body = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    f()\nValueError: no\n";
    assert_eq!(marks(&format!("ERROR:root:failed\n{body}INFO:root:next\n")), "HMMMMH");
    let short = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nValueError: no\n";
    assert_eq!(marks(&format!("INFO:     up\nERROR:    Exception\n{short}WARNING:  x\n")), "HHMMMH");
    assert_eq!(marks("10:30:45.1 [main] ERROR a.B - x\njava.lang.X: y\n\tat a.b(C.java:1)\n10:30:45.2 [main] INFO a.B - x\n"), "HMMH");
    assert_eq!(marks("fail: A.B[13]\n      Connection\n      System.Exception: x\nwarn: A.B[0]\n      w\n"), "HMMHM");
    assert_eq!(marks("Jan 26, 2026 10:30:45 AM a.B c\nSEVERE: x\njava.lang.X: y\n\tat a.b(C.java:1)\nJan 26, 2026 10:30:46 AM a.B c\nINFO: y\n"), "HMMMHM");
}

#[test]
fn a_stray_date_does_not_swallow_a_file() {
    let file = format!("{}2026-01-26 10:30:45 hello\n{}", "text\n".repeat(20), "text\n".repeat(20));
    assert_eq!(marks(&file), "H".repeat(41));
}

#[test]
fn headers_of_tables_and_indented_files() {
    assert_eq!(marks("#Software: x\n#Fields: date time sc-status\n2026-01-26 10:30:45 200\n#Date: x\n"), "FFHF");
    assert_eq!(marks("    2026-01-26 10:30:45 [ERROR] db: x\n    2026-01-26 10:30:45 [ERROR] db: x\n"), "HH");
    assert_eq!(marks("  cut off\n[2026/01/26 10:30:45.1,  0] a.c:1(f)\n  text\n"), "MHM");
    let sql = "2026-01-26 10:30:45 UTC [7] ERROR:  no\n2026-01-26 10:30:45 UTC [7] STATEMENT:  select\n\tfrom x\n";
    assert_eq!(marks(sql), "HHM");
}

/// Format, time, level, logger and message of each line that begins a record.
fn rows(file: &str) -> Vec<Row> {
    let mut reader = reader(file.as_bytes());
    let mut before: Option<&[u8]> = None;
    let mut rows = Vec::new();
    for line in file.lines().map(str::as_bytes) {
        if let Line::Head { format, record } = reader.read(line, before) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            rows.push((reader.format_name(format).to_owned(), record.time.map(show), record.level, record.logger.map(|l| text(&l)), text(&record.message)));
        }
        before = Some(line);
    }
    rows
}

#[test]
fn docker_is_unwrapped_joined_and_folded() {
    let line = |text: &str| format!("{{\"log\":\"{text}\",\"stream\":\"stdout\",\"time\":\"2026-01-26T10:30:45.123Z\"}}\n");
    let file = [
        "2026-01-26 09:00:00 [ERROR] db: \\\"a\\\"\\n",
        "java.lang.Error: x\\n",
        "\\tat a.B.c(B.java:1)\\n",
        "2026-01-26 09:00:00 [WARN] db: long ",
        "and longer ",
        "and end\\n",
    ]
    .map(line)
    .concat();
    assert_eq!(marks(&file), "HMMHJJ");
    let of = |stream: &str, text: &str| format!("{{\"log\":\"{text}\",\"stream\":\"{stream}\",\"time\":\"2026-01-26T10:30:45.123Z\"}}\n");
    assert_eq!(marks(&[of("stdout", "a "), of("stderr", "b\\n"), of("stderr", "c "), of("stderr", "d\\n")].concat()), "HHHJ");
    let time = Some("2026-01-26T10:30:45.123Z".to_owned());
    assert_eq!(rows(&file)[0], ("standard".to_owned(), time.clone(), Some(Level::Error), Some("db".to_owned()), "\"a\"".to_owned()));
    assert_eq!(rows(&file)[1], ("standard".to_owned(), time, Some(Level::Warning), Some("db".to_owned()), "long".to_owned()));
}

#[test]
fn cri_is_unwrapped_and_joined() {
    let file = "2026-01-26T10:30:45.123456789Z stderr F E0126 10:30:45.120000       7 a.go:1] no\n\
                2026-01-26T10:30:46.123456789Z stdout P {\"level\":\"info\",\"msg\":\n\
                2026-01-26T10:30:46.123456789Z stdout F \"x\"}\n\
                2026-01-26T10:30:47.123456789Z stdout F I0126 10:30:45.120000       7 a.go:1] ok\n";
    assert_eq!(marks(file), "HMJH");
    let between = "2026-01-26T10:30:45.1Z stdout P a\n2026-01-26T10:30:45.2Z stderr F b\n2026-01-26T10:30:45.3Z stdout F c\n";
    assert_eq!(marks(between), "HHH");
    let error = ("klog".to_owned(), Some("2026-01-26T10:30:45.123456789Z".to_owned()), Some(Level::Error), Some("a.go".to_owned()), "no".to_owned());
    assert_eq!(rows(file)[0], error);
}

#[test]
fn compose_is_read_service_by_service() {
    let file = "web-1  | * Serving\nweb-1  | * Debugging\nredis-1  | 1:M 26 Jan 2026 10:30:45.018 * ready\nweb-1  | Traceback (most recent call last):\n\
                web-1  |     f()\nredis-1  | 1:M 26 Jan 2026 10:30:46.018 # bad\nredis-1  | and more\nweb-1  | more\n";
    assert_eq!(marks(file), "HHHHMHMH");
    let rows = rows(file);
    assert_eq!((rows[0].0.as_str(), rows[0].3.as_deref()), ("compose", Some("web-1")));
    assert_eq!((rows[2].0.as_str(), rows[2].2, rows[2].1.as_deref()), ("redis", Some(Level::Notice), Some("2026-01-26T10:30:45.018Z")));
}

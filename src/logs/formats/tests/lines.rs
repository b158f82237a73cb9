//! Lines and what they say, format by format.

use super::*;

const AT: Option<&str> = Some("2026-01-26T10:30:45Z");
const MILLIS: Option<&str> = Some("2026-01-26T10:30:45.123Z");
const ERROR: Option<Level> = Some(Level::Error);
const INFO: Option<Level> = Some(Level::Info);
const WARNING: Option<Level> = Some(Level::Warning);
const NOTICE: Option<Level> = Some(Level::Notice);
const CRITICAL: Option<Level> = Some(Level::Critical);
const DEBUG: Option<Level> = Some(Level::Debug);

#[test]
fn standard_lines() {
    for (line, level, logger, message) in [
        ("2026-01-26 10:30:45 [ERROR] db: Connection refused", ERROR, Some("db"), "Connection refused"),
        ("2026-01-26T10:30:45Z [warn] api: slow", WARNING, Some("api"), "slow"),
        ("2026-01-26 10:30:45 ERROR db: a: b", ERROR, Some("db"), "a: b"),
        ("2026-01-26 10:30:45 ERROR: disk gone", ERROR, None, "disk gone"),
        ("2026-01-26 10:30:45 [main] ERROR com.acme.Svc - boom", ERROR, Some("com.acme.Svc"), "boom"),
        ("2026-01-26 10:30:45 | ERROR    | app.main:run:12 - boom", ERROR, Some("app.main"), "boom"),
        ("2026-01-26 10:30:45 - ERROR - boom", ERROR, None, "boom"),
        ("2026-01-26 10:30:45 - app.db - ERROR - boom", ERROR, Some("app.db"), "boom"),
        ("[2026-01-26 10:30:45] [ERROR] boom", ERROR, None, "boom"),
        ("[26-Jan-2026 11:30:45 Europe/Berlin] PHP Warning:  x", WARNING, None, "PHP Warning:  x"),
        ("[26-Jan-2026 05:30:45 America/New_York] PHP Parse error: x", CRITICAL, None, "PHP Parse error: x"),
        ("2026-01-26 18:30:45 Asia/Shanghai ERROR x", ERROR, None, "x"),
        ("2026-01-26 10:30:45.000 | SUCCESS  | app:run:1 - done", INFO, Some("app"), "done"),
        ("2026-01-26 10:30:45 [ERROR] database error: deadlock", ERROR, None, "database error: deadlock"),
        ("2026-01-26 10:30:45 error while reading", None, None, "error while reading"),
        ("2026-01-26 10:30:45 Got ERROR from peer", None, None, "Got ERROR from peer"),
        ("2026-01-26 10:30:45 [worker-1] no level here", None, None, "[worker-1] no level here"),
        ("2026-01-26 10:30:45 ERRORS are many", None, None, "ERRORS are many"),
        ("2026-01-26 10:30:45", None, None, ""),
        ("26/01/26 10:30:45 INFO storage.Memory: started", INFO, Some("storage.Memory"), "started"),
        ("260126 103045 17 WARN fs.Node$Sender: slow", WARNING, Some("fs.Node$Sender"), "slow"),
        ("26-Jan-2026 10:30:45 SEVERE [main] org.acme.Core.start It failed", ERROR, Some("org.acme.Core.start"), "It failed"),
        ("2026-01-26 10:30:45 - WARN  [Peer[id=1]/0:0:0:0:2181:Election@774] - late", WARNING, Some("Election"), "late"),
        ("api.log.1 2026-01-26 10:30:45 7 INFO app.wsgi [req-1 - - -] GET /x", INFO, Some("app.wsgi"), "GET /x"),
        ("2026-01-26 10:30:45 - util.py[DEBUG]: no cache", DEBUG, Some("util.py"), "no cache"),
        ("2026-01-26 10:30:45, Error                 CBS    Failed to load", ERROR, Some("CBS"), "Failed to load"),
        ("2026-01-26T10:30:45Z\terror\tqueue/sender.go:128\tgave up\t{\"n\": 1}", ERROR, Some("queue/sender.go:128"), "gave up\t{\"n\": 1}"),
        ("2026-01-26T10:30:45Z  INFO shop::cart: full n=1", INFO, Some("shop::cart"), "full n=1"),
        ("2026-01-26 10:30:45 [7]ERROR:worker:gone", ERROR, Some("worker"), "gone"),
        ("[2026-01-26T10:30:45Z WARN  shop] slow", WARNING, Some("shop"), "slow"),
        ("[2026-01-26 10:30:45] ERROR [Socket 1] gone (kafka.server.Broker)", ERROR, Some("kafka.server.Broker"), "[Socket 1] gone"),
        ("[2026-01-26T10:30:45][INFO ][o.e.Node ] [node-1] started", INFO, Some("o.e.Node"), "[node-1] started"),
        ("2026-01-26T10:30:45Z  INFO 7 --- [shop] [main] o.s.Boot  : up", INFO, Some("o.s.Boot"), "up"),
        ("2026/01/26 10:30:45 main.go:23: listening", None, None, "main.go:23: listening"),
        ("2026-01-26 10:30:45 I | server: ready", INFO, Some("server"), "ready"),
        ("2026-01-26 10:30:45 W NETWORK  [conn1] slow", WARNING, Some("NETWORK"), "[conn1] slow"),
        ("[01.26 10:30:45] mail.exe - mx.example:25 open", None, Some("mail.exe"), "mx.example:25 open"),
    ] {
        check(line, "standard", AT, level, logger, message);
    }
    check("2026-01-26 10:30:45,123+01:00 [INFO] m: x", "standard", Some("2026-01-26T09:30:45.123Z"), INFO, Some("m"), "x");
    check("2026-01-26 10:30:45:123 PM UTC INFO m: x", "standard", Some("2026-01-26T22:30:45.123Z"), INFO, Some("m"), "x");
}

#[test]
fn json_lines() {
    for (line, level, logger, message) in [
        (r#"{"timestamp": "2026-01-26T10:30:45.000Z", "level": "ERROR", "logger": "db", "message": "x", "pid": 1}"#, ERROR, Some("db"), "x"),
        (r#"{"level":"error","ts":1769423445.0,"caller":"a.go:1","msg":"x"}"#, ERROR, Some("a.go:1"), "x"),
        (r#"{"level":"error","ts":1.769423445e9,"caller":"a.go:1","msg":"x"}"#, ERROR, Some("a.go:1"), "x"),
        (r#"{"name":"svc","hostname":"h","pid":1,"level":50,"msg":"x","time":"2026-01-26T10:30:45.000Z","v":0}"#, ERROR, Some("svc"), "x"),
        (r#"{"level":30,"time":1769423445000,"msg":"x"}"#, INFO, None, "x"),
        (r#"{"levelno":40,"time":1769423445000,"msg":"x"}"#, ERROR, None, "x"),
        (r#"{"@timestamp":"2026-01-26T10:30:45Z","log":{"level":"error","logger":"db"},"message":"x"}"#, ERROR, Some("db"), "x"),
        (r#"{"@timestamp":"2026-01-26T10:30:45Z","log.level":"error","message":"x"}"#, ERROR, None, "x"),
        (r#"{"t":{"$date":"2026-01-26T10:30:45.000+00:00"},"s":"E","c":"NET","msg":"x"}"#, ERROR, Some("NET"), "x"),
        (r#"{"severity":"CRITICAL","time":"2026-01-26 10:30:45","text":"x"}"#, CRITICAL, None, "x"),
        (r#"{"message":"x","level_name":"ERROR","level":400,"datetime":"2026-01-26T10:30:45Z"}"#, ERROR, None, "x"),
        (r#"{"Timestamp":"2026-01-26T10:30:45Z","Level":"Error","Message":"x","p":{"level":"info","a":["}"]}}"#, ERROR, None, "x"),
        (r#"{"version":"1.1","host":"web1","short_message":"x","timestamp":1769423445,"level":3}"#, ERROR, Some("web1"), "x"),
        (r#"{"timeUnixNano":"1769423445000000000","severityNumber":17,"body":{"stringValue":"x"}}"#, ERROR, None, "x"),
        (r#"{ "__REALTIME_TIMESTAMP" : "1769423445000000", "PRIORITY" : "3", "SYSLOG_IDENTIFIER" : "sshd", "MESSAGE" : [120] }"#, ERROR, Some("sshd"), "x"),
        (r#"{"reqId":"a","level":3,"time":"2026-01-26T10:30:45+00:00","remoteAddr":"192.0.2.7","app":"core","message":"x"}"#, ERROR, Some("core"), "x"),
        (r#"{"eventTime":"2026-01-26T10:30:45Z","eventSource":"s3","eventName":"Get","errorCode":"Denied"}"#, ERROR, Some("s3"), "Get"),
        (r#"{"timestamp":"2026-01-26T10:30:45Z","level":"ERROR","fields":{"message":"x","n":3},"target":"a::b"}"#, ERROR, Some("a::b"), "x"),
        (r#"{"caller":"a.go:1","level":"error","msg":"x","ts":"2026-01-26T10:30:45Z"}"#, ERROR, Some("a.go:1"), "x"),
        (r#"{"level":"info","ts":1769423445.0,"logger":"http.access","msg":"x","request":{"method":"GET"},"status":500}"#, INFO, Some("http.access"), "x"),
        (r#"{"time":"26/Jan/2026:10:30:45 +0000","request":"GET / HTTP/1.1","status":"502","msg":"x"}"#, ERROR, None, "x"),
        (r#"{"L":"ERROR","T":"2026-01-26T10:30:45.000Z","N":"db","M":"x"}"#, ERROR, Some("db"), "x"),
        (r#"{"Timestamp":"2026-01-26T10:30:45Z","Level":"Error","MessageTemplate":"{X}","RenderedMessage":"x"}"#, ERROR, None, "x"),
        (r#"{"@t":"2026-01-26T10:30:45Z","@l":"Error","@mt":"x"}"#, ERROR, None, "x"),
        (r#"{"time":"2026-01-26T10:30:45Z","level":"ERROR+2","msg":"x"}"#, ERROR, None, "x"),
        (r#"{"ts":"1769423445","level":"loud","msg":"x"}"#, None, None, "x"),
        (r#"{"ts":"1769423445","level":3,"status":502,"msg":"x"}"#, None, None, "x"),
    ] {
        check(line, "json", AT, level, logger, message);
    }
    check(r#"{"level":"info","ts":12.5,"msg":"uptime is no time"}"#, "json", None, INFO, None, "uptime is no time");
    check(r#"{"time":"yesterday","msg":"x"}"#, "json", None, None, None, "x");
    let bare = r#"{"level":"error","time":"2026-01-26T10:30:45Z"}"#;
    check(bare, "json", AT, ERROR, None, bare);
}

#[test]
fn servers_of_the_web() {
    let request = "\"GET /a\\\"b HTTP/1.1\" 502";
    check("192.0.2.7 - bob [26/Jan/2026:11:30:45 +0100] \"GET /a\\\"b HTTP/1.1\" 502 7 \"-\" \"x\"", "access", AT, ERROR, None, request);
    check("shop.example 192.0.2.7 - - [26/Jan/2026:10:30:45 +0000] \"GET / HTTP/1.1\" 404 -", "access", AT, WARNING, None, "\"GET / HTTP/1.1\" 404");
    check("[2026-01-26T10:30:45.123Z] \"GET / HTTP/2\" 503 UF 0 91 10 -", "envoy", MILLIS, ERROR, None, "\"GET / HTTP/2\" 503");
    let elb = "2026-01-26T10:30:45.123Z lb 192.0.2.7:2817 10.0.0.1:80 0.1 0.1 0.1 200 200 0 29 \"GET http://a/ HTTP/1.1\"";
    check(elb, "elb", MILLIS, INFO, Some("lb"), "\"GET http://a/ HTTP/1.1\"");
    let w3c = "#Software: x\n#Fields: date time s-ip cs-method cs-uri-stem sc-status time-taken\n2026-01-26 10:30:45 10.0.0.1 GET /x 404 7";
    check(w3c, "w3c", AT, WARNING, None, "GET /x");
    check("2026/01/26 10:30:45 [crit] 7#8: *9 connect() failed", "nginx", AT, CRITICAL, None, "*9 connect() failed");
    check("[Mon Jan 26 10:30:45 2026] [error] [client 192.0.2.7] no", "apache", AT, ERROR, None, "[client 192.0.2.7] no");
    check("[Mon Jan 26 10:30:45.123 2026] [core:trace3] [pid 7:tid 8] x", "apache", MILLIS, Some(Level::Trace), Some("core"), "x");
    let php = "*1 FastCGI sent in stderr: \"PHP message: PHP Fatal error:  no";
    check(&format!("2026/01/26 10:30:45 [error] 7#8: {php}"), "nginx", AT, CRITICAL, None, php);
    let php = "[client 192.0.2.7:1] PHP Notice:  x";
    check(&format!("[Mon Jan 26 10:30:45 2026] [php:error] [pid 7] {php}"), "apache", AT, NOTICE, Some("php"), php);
    check("W [26/Jan/2026:10:30:45 +0000] Unknown", "cups", AT, WARNING, None, "Unknown");
    let uwsgi = "[pid: 7|app: 0|req: 1/1] 192.0.2.7 () {3 vars in 6 bytes} [Mon Jan 26 10:30:45 2026] GET / => generated 4 bytes in 1 msecs (HTTP/1.1 404)";
    check(uwsgi, "uwsgi", AT, WARNING, None, "GET / => generated 4 bytes in 1 msecs (HTTP/1.1 404)");
}

#[test]
fn syslog_of_all_kinds() {
    for (line, format, level, logger, message) in [
        ("Jan 26 10:30:45 web1 sshd(pam_unix)[7]: check pass", "syslog", None, Some("sshd(pam_unix)"), "check pass"),
        ("<34>Jan 26 10:30:45 web1 su: failed", "syslog", CRITICAL, Some("su"), "failed"),
        ("Jan 26 10:30:45 web1 syslogd 1.4.1: restart.", "syslog", None, Some("syslogd"), "restart."),
        ("Jan 26 10:30:45 web1  -- root[7]: LOGIN", "syslog", None, Some("root"), "LOGIN"),
        ("Jan 26 10:30:45 web1 Setup Assistant[7]: hi", "syslog", None, Some("Setup Assistant"), "hi"),
        ("Jan 26 10:30:45 web1 a.launchd[1] (a.job[7]): gone", "syslog", None, Some("a.launchd"), "gone"),
        ("Jan 26 10:30:45 web1 --- last message repeated 1 time ---", "syslog", None, None, "--- last message repeated 1 time ---"),
        ("Jan 26 10:30:45 web1 app[7]: [error] gone", "syslog", ERROR, Some("app"), "[error] gone"),
        ("Jan 26 10:30:45 web1 sshd[7]: error: closed", "syslog", ERROR, Some("sshd"), "error: closed"),
        ("Jan 26 10:30:45 web1 NetworkManager[7]: <warn>  gone", "syslog", WARNING, Some("NetworkManager"), "<warn>  gone"),
        ("Jan 26 10:30:45 web1 dockerd[7]: time=\"x\" level=error msg=y", "syslog", ERROR, Some("dockerd"), "time=\"x\" level=error msg=y"),
        ("Jan 26 10:30:45 web1 app[7]: {\"level\":\"error\",\"msg\":\"x\"}", "syslog", ERROR, Some("app"), "{\"level\":\"error\",\"msg\":\"x\"}"),
        ("Jan 26 10:30:45 lb haproxy[7]: [ALERT] 25/103045 (7) : down", "syslog", CRITICAL, Some("haproxy"), "[ALERT] 25/103045 (7) : down"),
        ("Jan 26 2026 10:30:45 fw1 %ASA-6-302013: built", "syslog", None, Some("%ASA-6-302013"), "built"),
        ("<11>1 2026-01-26T10:30:45Z web1 shop 7 - [a@1 b=\"]\"] no", "syslog-5424", ERROR, Some("shop"), "no"),
        ("2026-01-26T11:30:45+01:00 web1 sshd[7]: bye", "syslog-iso", None, Some("sshd"), "bye"),
    ] {
        check(line, format, AT, level, logger, message);
    }
    let haproxy = "192.0.2.7:5 [26/Jan/2026:10:30:45.123] in~ out/web1 0/0/1/48/49 503 33 - - ---- 3/2/0/0/0 0/0 \"GET / HTTP/1.1\"";
    check(&format!("Jan 26 10:30:45 lb haproxy[7]: {haproxy}"), "syslog", AT, ERROR, Some("haproxy"), haproxy);
}

#[test]
fn databases_frameworks_and_daemons() {
    for (line, format, time, level, logger, message) in [
        ("2026-01-26 11:30:45 CET [7] a@b LOG:  ready", "postgres", AT, INFO, None, "ready"),
        ("2026-01-26 10:30:45 UTC:[local]:a@b:[7]:FATAL:  no", "postgres", AT, CRITICAL, None, "no"),
        ("2026-01-26 10:30:45 UTC [7] STATEMENT:  select 1", "postgres", AT, None, None, "select 1"),
        ("2026-01-26T10:30:45.123Z 0 [Note] [MY-012487] [InnoDB] begin", "mysql", MILLIS, NOTICE, Some("InnoDB"), "begin"),
        ("260126 10:30:45 [ERROR] gone", "mysql", AT, ERROR, None, "gone"),
        ("1:M 26 Jan 2026 10:30:45.123 * ready", "redis", MILLIS, NOTICE, None, "ready"),
        ("[7] 26 Jan 10:30:45.123 # bad", "redis", MILLIS, WARNING, None, "bad"),
        ("1:signal-handler (1769423445) bye", "redis", AT, None, None, "bye"),
        ("E, [2026-01-26T10:30:45.123 #7] ERROR -- Main: gone", "rails", MILLIS, ERROR, Some("Main"), "gone"),
        ("[2026-01-26 10:30:45] local.EMERGENCY: gone {}", "monolog", AT, CRITICAL, Some("local"), "gone {}"),
        ("[2026/01/26 10:30:45.123,  1] ../nmbd/a.c:10(query)", "samba", MILLIS, WARNING, Some("query"), "../nmbd/a.c:10(query)"),
        ("(Mon Jan 26 10:30:45:123 2026) [sssd] [f] (0x0020): gone", "sssd", MILLIS, ERROR, Some("sssd"), "gone"),
        ("type=LOGIN msg=audit(1769423445.123:42): pid=7", "auditd", MILLIS, None, Some("LOGIN"), "pid=7"),
        ("[    1.234567] usb 1-1: new", "kernel", None, None, None, "usb 1-1: new"),
        ("<3>[    1.234567] usb 1-1: new", "kernel", None, ERROR, None, "usb 1-1: new"),
        ("[    31.337] (WW) no driver", "kernel", None, WARNING, None, "no driver"),
        ("@4000000069774255075bcd15 up", "tai64n", Some("2026-01-26T10:30:35.123456789Z"), None, None, "up"),
        ("7 10:30:45 open(\"/x\", O_RDONLY) = 3", "strace", None, None, None, "open(\"/x\", O_RDONLY) = 3"),
        ("1769423445.123 close(3) = 0", "strace", MILLIS, None, None, "close(3) = 0"),
        ("W0126 10:30:45.123    7 a.go:42] slow", "klog", MILLIS, WARNING, Some("a.go"), "slow"),
        ("01-26 10:30:45.123  17  23 F Tag     : gone", "logcat", MILLIS, CRITICAL, Some("Tag"), "gone"),
        ("01-26 10:30:45.123 V/Tag( 17): fine", "logcat", MILLIS, Some(Level::Trace), Some("Tag"), "fine"),
        ("Main::ERROR::2026-01-26 10:30:45,123::app::7::a.b::(run) no", "columns", MILLIS, ERROR, Some("a.b"), "(run) no"),
        ("20260126-10:30:45:123|Step|3000|on 7|8", "columns", MILLIS, None, Some("Step"), "on 7|8"),
        ("- 1769423445 2026.01.26 n1 Jan 26 10:30:45 n1/n1 crond[7]: closed", "epoch", AT, None, Some("crond"), "closed"),
        ("FAIL 1769423445 2026.01.26 R1 2026-01-26-02.30.45.123456 R1 RAS KERNEL FATAL lost it", "epoch", AT, CRITICAL, Some("KERNEL"), "lost it"),
        ("46 node-7 unix.hw state.off 1769423445 1 Component off: x", "epoch", AT, None, Some("unix.hw"), "Component off: x"),
        ("time=2026-01-26T10:30:45Z level=error msg=\"a \\\"b\\\"\" component=db", "logfmt", AT, ERROR, Some("db"), "a \"b\""),
        ("msg=x lvl=warn t=2026-01-26T10:30:45Z", "logfmt", AT, WARNING, None, "x"),
        ("ERROR [main] 2026-01-26 10:30:45,123 A.java:12 - no", "level-first", MILLIS, ERROR, None, "A.java:12 - no"),
        ("[DEBUG 2026-01-26 10:30:45 main]  x", "level-first", AT, DEBUG, None, "x"),
        ("INFO   | jvm 1    | 2026/01/26 10:30:45 | up", "level-first", AT, INFO, None, "up"),
        ("Jan 26, 2026 10:30:45 AM a.b.C main", "jul", AT, None, Some("a.b.C"), "a.b.C main"),
        ("10:30:45.123 [http-1] ERROR a.b.C - gone", "clock", None, ERROR, Some("a.b.C"), "gone"),
        ("[10:30:45 WRN] late", "clock", None, WARNING, None, "late"),
        ("ERRO[0001] gone", "logrus", None, ERROR, None, "gone"),
        ("WARN[2026-01-26T10:30:45Z] late", "logrus", AT, WARNING, None, "late"),
        ("crit: A.B[13]", "dotnet", None, CRITICAL, Some("A.B"), "A.B[13]"),
        ("info: A.B[0] up", "dotnet", None, INFO, Some("A.B"), "up"),
        ("[Mon Jan 26 10:30:45 2026] EXT4-fs error", "kernel", AT, None, None, "EXT4-fs error"),
        ("PHP Fatal error:  no", "level-only", None, CRITICAL, None, "PHP Fatal error:  no"),
        ("[ALERT]    (1) : no bind", "level-only", None, CRITICAL, None, "(1) : no bind"),
        ("2026-01-26 07:30:45.123 -03 [7] ERROR:  no", "postgres", MILLIS, ERROR, None, "no"),
        ("2026-01-26 10:30:45 CST [7] ERROR:  no", "postgres", None, ERROR, None, "no"),
        ("2026-01-26 10:30:45 PET:a@b:ERROR:  no", "postgres", None, ERROR, None, "no"),
        ("2026-01-26 10:30:45 LOG:  ready", "postgres", AT, INFO, None, "ready"),
        ("WARNING:root:x", "level-only", None, WARNING, Some("root"), "x"),
        ("[ERROR] no time", "level-only", None, ERROR, None, "no time"),
    ] {
        check(line, format, time, level, logger, message);
    }
}

#[test]
fn a_moment_that_does_not_exist_is_no_time() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    for (stamp, want) in [
        ("2026-02-30 10:30:45", None),
        ("2026-01-26 25:30:45", None),
        ("2026-13-01T10:30:45.123Z", None),
        ("2026-03-29 02:30:00", None),
        ("29-Mar-2026 02:30:00", None),
        ("2026-10-25 02:30:00", Some("2026-10-25T00:30:00Z")),
    ] {
        let head = "2026-01-26 10:30:45 [INFO] a: x\n";
        let mut reader = LineReader::detect(head.as_bytes(), berlin.clone());
        let line = format!("{stamp} [ERROR] db: gone");
        let (format, record) = parse(&mut reader, line.as_bytes());
        assert_eq!((reader.format_name(format), record.time.map(show).as_deref()), ("standard", want), "{line}");
        assert_eq!((record.level, record.logger.as_deref(), &*record.message), (ERROR, Some(&b"db"[..]), &b"gone"[..]), "{line}");
    }
    let cst = LineReader::detect(b"2026-01-26 10:30:45 CST [7] ERROR:  no", TimeZone::get("Asia/Shanghai").unwrap());
    assert_eq!(parse(&mut cst.clone(), b"2026-01-26 10:30:45 CST [7] ERROR:  no").1.time.map(show).as_deref(), Some("2026-01-26T02:30:45Z"));
}

#[test]
fn what_is_not_wholly_of_a_format_stays_plain() {
    let mut reader = reader(b"");
    for line in [
        "Traceback (most recent call last):",
        r#"{"level":"error","msg":"cut off"#,
        r#"{"level":"error","msg":"x"} trailing"#,
        "26 Januar 2026 10:30:45 x",
        "10:30:45 a time without a day or a level",
        "ERRO[x] no time",
        "fail: text",
        "warn: Category text",
        r#"{"foo": 1}"#,
        "{}",
        r#"{"level":"error" "msg":"x"}"#,
        "12345 text",
        "a | b | c",
        "Errors: none",
    ] {
        let (format, record) = parse(&mut reader, line.as_bytes());
        assert_eq!((reader.format_name(format), &record), ("plain", &Record::of(None, None, None, line.as_bytes())), "{line}");
    }
}

#[test]
fn what_is_not_text_is_taken_away() {
    let line = "\u{feff}\u{1b}[2K\u{1b}[31m2026-01-26 10:30:45 [ERROR]\u{1b}[0m db: x\r";
    check(line, "standard", AT, ERROR, Some("db"), "x");
    check("\0\0\x002026-01-26 10:30:45 [ERROR] db: x", "standard", AT, ERROR, Some("db"), "x");
    let mut reader = super::reader(b"2026-01-26 10:30:45 [ERROR] db: x");
    assert_eq!(&*parse(&mut reader, b"2026-01-26 10:30:45 [ERROR] db: \xff\xfe").1.message, b"\xff\xfe");
}

#[test]
fn own_formats_go_first_and_say_what_is_wrong() {
    let regex = FormatSettings {
        name: "shop".into(),
        regex: Some(r"^(?<time>\S+ \S+)~(?<level>\w+)~(?<logger>\w+)~(?<message>.*)$".into()),
        time_format: Some("%d.%m.%Y %H:%M:%S".into()),
        levels: [("BAD".to_owned(), Level::Error)].into(),
        ..FormatSettings::default()
    };
    let fields = FormatSettings {
        name: "deep".into(),
        time_field: Some("meta.at".into()),
        level_field: Some("meta.how".into()),
        message_field: Some("what".into()),
        ..FormatSettings::default()
    };
    let own: std::sync::Arc<[Own]> = Own::all(&[regex.clone(), fields]).unwrap().into();
    for (line, format, logger) in [
        ("26.01.2026 10:30:45~bad~db~x", "shop", Some(&b"db"[..])),
        (r#"{"meta":{"at":"2026-01-26T10:30:45Z","how":"error"},"what":"x","level":"info"}"#, "deep", None),
    ] {
        let mut reader = LineReader::detect_with(line.as_bytes(), TimeZone::UTC, &own);
        let Line::Head { format: read, record } = reader.read(line.as_bytes(), None) else { panic!("no record") };
        assert_eq!((reader.format_name(read), record.time.map(show).as_deref()), (format, AT));
        assert_eq!((record.level, record.logger.as_deref(), &*record.message), (ERROR, logger, &b"x"[..]));
        assert!(read < reader.formats());
    }
    let with = |change: fn(&mut FormatSettings)| {
        let mut settings = regex.clone();
        change(&mut settings);
        Own::all(&[settings]).unwrap_err()
    };
    assert!(with(|s| s.regex = None).contains("reads nothing"));
    assert!(with(|s| s.regex = Some("(".into())).contains("regex"));
    assert!(with(|s| s.regex = Some("x".into())).contains("none of the groups"));
    assert!(with(|s| s.time_field = Some("t".into())).contains("both"));
    assert!(with(|s| s.time_format = Some("%!".into())).contains("time_format"));
    assert!(with(|s| s.name = "json".into()).contains("two are called json"));
    assert!(with(|s| s.name.clear()).contains("name is empty"));
}

//! MCP over HTTP under many: everybody gets their own answer, who stalls is let go, and nothing is left behind.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    sandbox::Sandbox,
    served::{MODERN, Served, parse},
    wait_for,
};

/// A call with id 0 that tells callers apart by the number of affected users.
fn call(served: &Served, users: usize, close: bool) -> String {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}, "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"name": "classify_incident", "arguments": {"affected_users": users, "error_rate_percent": 1}, "_meta": meta});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": params}).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("Mcp-Protocol-Version", MODERN),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "classify_incident"),
    ];
    let head = served.head("POST", "/mcp", &headers, body.len());
    let head = if close { head } else { head.replace("Connection: close", "Connection: keep-alive") };
    head + &body
}

fn users(message: &Value) -> Option<u64> {
    let rules = message["result"]["structuredContent"]["rules"].as_array()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what was sent is a small count")]
    rules.iter().find(|rule| rule["rule"].as_str().is_some_and(|rule| rule.starts_with("affected_users")))?["value"].as_f64().map(|users| users as u64)
}

#[test]
fn a_thousand_clients_with_the_same_id_each_get_their_own_answer() {
    let served = Served::start(&Sandbox::new(""), &[]);
    let mut streams: Vec<TcpStream> = (0..1_000).map(|_| served.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        stream.write_all(call(&served, number, true).as_bytes()).unwrap();
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let message = parse(&bytes).messages().pop().unwrap();
        assert_eq!(message["id"], 0, "{message:#}");
        assert_eq!(users(&message), Some(number as u64), "{message:#}");
    }
    // And with sessions, whose ids are their own.
    let mut sessions: Vec<_> = (0..200).map(|_| served.session(&[])).collect();
    thread::scope(|scope| {
        let calls: Vec<_> = sessions
            .iter_mut()
            .enumerate()
            .map(|(number, session)| {
                scope.spawn(move || (number, session.call("classify_incident", &json!({"affected_users": number, "error_rate_percent": 1}))))
            })
            .collect();
        for call in calls {
            let (number, result) = call.join().unwrap();
            assert_eq!(users(&json!({ "result": result })), Some(number as u64));
        }
    });
}

#[test]
fn beyond_the_most_connections_everybody_is_told_at_once() {
    let served = Served::start(&Sandbox::new("[http]\nmax_connections = 2\n"), &[]);
    let mut held = [served.connect(), served.connect()];
    let begun = Instant::now();
    for path in ["/healthz", "/mcp", "/sse"] {
        let reply = served.request("GET", path, &[], "");
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")), "{reply:?}");
    }
    assert_eq!(served.post(&[], &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})).status, 503);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    // Those who say nothing are not many, and not for long.
    let mut silent: Vec<TcpStream> = (0..100).map(|_| served.connect()).collect();
    silent[99].set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    assert!(silent[99].read(&mut [0]).is_ok_and(|read| read == 0), "it is kept open");
    assert!(wait_for(Duration::from_secs(5), || served.request_status("/healthz") == Some(503)), "nobody is answered any more");
    // Those who have a place keep it, and it is free again afterwards.
    held[0].write_all(served.head("GET", "/healthz", &[], 0).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    held[0].read_to_end(&mut bytes).unwrap();
    assert_eq!(parse(&bytes).status, 200);
    assert!(wait_for(Duration::from_secs(5), || served.request_status("/healthz") == Some(200)), "the place is not free");
    assert_eq!(served.stderr().matches("http.max_connections").count(), 1, "{}", served.stderr());
}

/// How often each of the two is measured, and with how many calls each time.
const PHASES: usize = 21;
const CALLS: usize = 1_000;

/// The 99th of a hundred latencies of a client that keeps its connection.
fn p99(served: &Served) -> Duration {
    let mut stream = served.connect();
    let request = call(served, 1, false);
    let mut buffer = vec![0; 64 << 10];
    let mut latencies: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            stream.write_all(request.as_bytes()).unwrap();
            let mut there = 0;
            loop {
                there += stream.read(&mut buffer[there..]).unwrap();
                let text = String::from_utf8_lossy(&buffer[..there]);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().trim().parse().unwrap();
                if body.len() >= length {
                    return begun.elapsed();
                }
            }
        })
        .collect();
    latencies.sort();
    latencies[CALLS * 99 / 100]
}

/// Five hundred connections that never become a request: nothing at all, half a head, a head without its body, a body in drips.
fn half_open(served: &Served) -> Vec<TcpStream> {
    let mut half: Vec<TcpStream> = (0..500).map(|_| served.connect()).collect();
    for (number, stream) in half.iter_mut().enumerate() {
        let text = match number % 4 {
            0 => "",
            1 => "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
            2 => "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n",
            _ => "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        };
        stream.write_all(text.as_bytes()).unwrap();
    }
    half
}

/// A single p99 of a call of a fraction of a millisecond says more of what else this machine does than of the server: one in a hundred calls meets
/// somebody else's time slice. So it is taken many times, alone and beside the half-open connections by turns, and each held against the one right
/// before it, on which the same neighbours weighed; what the middle one of these pairs says is the server's doing.
#[test]
fn half_open_connections_are_reaped_and_slow_nobody_down() {
    let served = Served::start(&Sandbox::new("[http]\nheader_timeout_seconds = 10\nbody_timeout_seconds = 10\n"), &[]);
    p99(&served);
    let before = served.open_files();
    let gone = |limit: u64| wait_for(Duration::from_secs(limit), || served.open_files() <= before + 5);
    let all_there = || served.open_files() >= before + 450;
    let mut pairs = Vec::new();
    for _ in 0..PHASES {
        let alone = p99(&served);
        let half = half_open(&served);
        assert!(wait_for(Duration::from_secs(5), &all_there), "they were never there");
        pairs.push((alone, p99(&served)));
        assert!(all_there(), "they were gone before the end of the measurement");
        drop(half);
        assert!(gone(5), "{} files are open, {before} before", served.open_files());
    }
    pairs.sort_by(|(a, b), (c, d)| b.div_duration_f64(*a).total_cmp(&d.div_duration_f64(*c)));
    println!("p99 alone and beside 500 half-open connections, the least difference first: {pairs:?}");
    let (alone, beside) = pairs[PHASES / 2];
    assert!(beside <= alone * 2, "alone {alone:?}, beside {beside:?}; all: {pairs:?}");
    let _kept = half_open(&served);
    assert!(wait_for(Duration::from_secs(5), &all_there), "they were never there");
    assert!(gone(25), "{} files are open, {before} before", served.open_files());
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let served = Served::start(&Sandbox::new("[http]\nbody_timeout_seconds = 1\n"), &[]);
    let before = served.open_files();
    let mut stream = served.connect();
    let request = call(&served, 1, false);
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    // Until the server can neither write its answers nor read more requests.
    let sent = (0..20_000).take_while(|_| stream.write_all(request.as_bytes()).is_ok()).count();
    assert!(sent < 20_000, "it took everything");
    assert!(wait_for(Duration::from_secs(10), || served.open_files() <= before), "it waits for ever");
}

/// Opens so many sessions from eight threads and leaves them without a word, but for every eighth, which is closed as it should be.
fn open_and_drop(served: &Served, sessions: usize) {
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let hello = &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello});
    thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                for number in (worker..sessions).step_by(8) {
                    // A full house is told so; whoever comes again finds room, since the others are idle.
                    let room = || served.post(&[], hello).header("mcp-session-id").is_some();
                    if number % 64 >= 8 {
                        assert!(wait_for(Duration::from_secs(20), room), "no room for 20 s");
                    } else if let Some(session) = served.try_session(&[]) {
                        session.close();
                    }
                }
            });
        }
    });
    let none = || served.request("GET", "/metrics", &[], "").body.contains("opsmedic_sessions 0\n");
    assert!(wait_for(Duration::from_secs(20), none), "sessions stay");
}

/// KiB resident and open files after each ten thousand sessions.
fn after_each_ten_thousand(most: &str, times: usize) -> Vec<(u64, u64)> {
    let served = Served::start(&Sandbox::new(&format!("[http]\nsession_idle_seconds = 1\n{most}")), &[]);
    let left = (0..times).map(|_| {
        open_and_drop(&served, 10_000);
        (served.memory_kib("VmRSS"), served.open_files() as u64)
    });
    let left = left.collect();
    println!("KiB resident and open files after each ten thousand: {left:?}");
    left
}

#[track_caller]
fn within_a_tenth(before: (u64, u64), after: (u64, u64)) {
    assert!(after.0 * 10 <= before.0 * 11, "memory: {before:?} {after:?}");
    assert!(after.1 * 10 <= before.1 * 11, "files: {before:?} {after:?}");
}

#[test]
fn ten_thousand_sessions_leave_nothing_behind() {
    let left = after_each_ten_thousand("max_sessions = 256\n", 2);
    within_a_tenth(left[0], left[1]);
}

/// With as many at a time as there may be by default, the first ten thousand are no measure: a session reserves some 135 KiB, most of it in channels of
/// which it uses the beginning, and memory that nobody has written to yet does not count as resident. Later sessions lie elsewhere in the same memory
/// and write to the rest. What has no use of its own from then on would show from the second ten thousand to the third.
#[test]
fn a_full_house_of_sessions_leaves_nothing_behind() {
    let left = after_each_ten_thousand("", 3);
    within_a_tenth(left[1], left[2]);
}

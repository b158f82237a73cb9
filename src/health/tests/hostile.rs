//! Six kinds of bad servers against every remote check: refused, blackhole, accept-then-hang, drip, wrong protocol, endless body.
//! Each check ends within its deadline, delays no other, and leaves no connection open.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::*;

const TIMEOUT_MS: u64 = 400;
const SLACK: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Harm {
    Refused,
    Blackhole,
    Hang,
    Drip,
    WrongProtocol,
    Endless,
}

/// A bad server; ends when dropped.
struct Bad {
    address: SocketAddr,
    task: Option<JoinHandle<()>>,
    _held: Vec<TcpStream>,
    _listener: Option<TcpListener>,
}

impl Drop for Bad {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn bad(harm: Harm, kind: &'static str) -> Bad {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(if harm == Harm::Blackhole { 1 } else { 64 }).unwrap();
    let address = listener.local_addr().unwrap();
    let mut bad = Bad { address, task: None, _held: Vec::new(), _listener: None };
    match harm {
        Harm::Refused => drop(listener),
        Harm::Blackhole => {
            // Nobody accepts: once the backlog is full the kernel drops what comes.
            while let Ok(Ok(held)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
                bad._held.push(held);
            }
            bad._listener = Some(listener);
        }
        _ => {
            bad.task = Some(tokio::spawn(async move {
                let mut open = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    open.spawn(treat(stream, harm, kind));
                }
            }));
        }
    }
    bad
}

async fn treat(mut stream: TcpStream, harm: Harm, kind: &'static str) {
    let mut request = [0; 1024];
    let first = stream.read(&mut request).await.unwrap_or(0);
    // A client that asks for TLS first is told that there is none, so that the harm meets the protocol behind it.
    if kind == "database" && first == 8 && matches!(harm, Harm::Drip | Harm::Endless) {
        let _ = stream.write_all(b"N").await;
        let _ = stream.read(&mut request).await;
    }
    let (head, chunk): (&[u8], &[u8]) = match kind {
        "application" => (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", &[b'x'; 65_536]),
        "database" => (b"R\0\0\0\x08\0\0\0\0", b"S\0\0\0\x0dab\0cdefg\0"),
        _ => (b"$999999999\r\n", &[b'x'; 65_536]),
    };
    match harm {
        Harm::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
        Harm::Drip => {
            for byte in head.iter().chain(chunk.iter().cycle()) {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Harm::WrongProtocol => {
            let _ = stream.write_all(if kind == "application" { b"+PONG\r\n" } else { b"HTTP/1.1 400 Bad Request\r\n\r\n<html>" }).await;
        }
        _ => {
            let chunk = chunk.repeat(65_536 / chunk.len());
            let mut more = stream.write_all(head).await;
            while more.is_ok() {
                more = stream.write_all(&chunk).await;
            }
        }
    }
}

fn remote(kind: &'static str, address: SocketAddr, timeout_ms: u64) -> NamedCheck {
    let scheme = match kind {
        "application" => "http://",
        "database" => "postgres://user:canary-word@",
        _ => "redis://:canary-word@",
    };
    let table = format!("[health.{kind}]\nurl = \"{scheme}{address}/0\"\ntimeout_ms = {timeout_ms}\n");
    NamedCheck::new(kind, build(kind, &table).ok().unwrap())
}

/// Connections of this process to a server, by their remote port; those that nobody owns any more have inode 0.
fn open_to(address: SocketAddr) -> usize {
    let wanted = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).filter(|f| f.len() > 9 && f[2].ends_with(&wanted) && f[9] != "0").count()
}

async fn closed(address: SocketAddr, held: usize) -> bool {
    for _ in 0..50 {
        if open_to(address) <= held {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// All three checks at once against one kind of harm, with a quick one beside them.
async fn suffer(harm: Harm, want: [State; 3]) {
    let kinds = ["application", "database", "redis"];
    let servers = futures::future::join_all(kinds.map(|kind| bad(harm, kind))).await;
    let mut checks: Vec<_> = kinds.iter().zip(&servers).map(|(kind, server)| remote(kind, server.address, TIMEOUT_MS)).collect();
    checks.push(named("quick", told(State::Ok)));
    let begun = Instant::now();
    let report = run(&checks, &Ports::real(), "here").await;
    assert!(begun.elapsed() < Duration::from_millis(TIMEOUT_MS) + SLACK, "{harm:?} took {:?}", begun.elapsed());
    let states: Vec<_> = report.results.iter().map(|r| r.state).collect();
    assert_eq!(states[..3], want, "{harm:?}: {:#?}", report.results);
    assert!(states[3] == State::Ok && report.results[3].duration_ms < 100, "{harm:?} delayed another");
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("canary") && !shown.contains("<html>"), "{shown}");
    for server in &servers {
        assert!(closed(server.address, server._held.len()).await, "{harm:?} left a connection to {}", server.address);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused() {
    suffer(Harm::Refused, [State::Down; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blackhole() {
    suffer(Harm::Blackhole, [State::Down; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accept_then_hang() {
    suffer(Harm::Hang, [State::Down; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drip() {
    suffer(Harm::Drip, [State::Down; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_protocol() {
    suffer(Harm::WrongProtocol, [State::Down; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless() {
    suffer(Harm::Endless, [State::Unknown; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_ends_the_checks() {
    let kinds = ["application", "database", "redis"];
    let servers = futures::future::join_all(kinds.map(|kind| bad(Harm::Hang, kind))).await;
    let checks: Vec<_> = kinds.iter().zip(&servers).map(|(kind, server)| remote(kind, server.address, 60_000)).collect();
    let left = tokio::time::timeout(Duration::from_millis(200), run(&checks, &Ports::real(), "here")).await;
    assert!(left.is_err());
    for server in &servers {
        assert!(closed(server.address, 0).await, "a connection to {} stayed", server.address);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_and_depths_that_lie_are_survived() {
    answer_lies().await;
}

/// Bytes that a server may answer to blow a client up, sent raw to each engine.
async fn answer_lies() {
    let nested = b"*1000000000\r\n".repeat(5_000);
    for (kind, bytes) in [
        ("database", b"N".to_vec()),
        ("database", b"NR\x7f\xff\xff\xff\0\0\0\0".to_vec()),
        ("database", b"NE\0\0\0\0".to_vec()),
        ("redis", b"*9223372036854775807\r\n".to_vec()),
        ("redis", b"%9223372036854775807\r\n".to_vec()),
        ("redis", b"|-1\r\n".to_vec()),
        ("redis", b"$-9\r\n".to_vec()),
        ("redis", b"$9223372036854775807\r\nx".to_vec()),
        ("redis", nested),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shown = bytes[..bytes.len().min(20)].escape_ascii().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(&bytes).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        let report = run(&[remote(kind, address, 200)], &Ports::real(), "here").await;
        let result = &report.results[0];
        assert!(matches!(result.state, State::Down | State::Unknown) && !result.message.contains("defect"), "{shown}: {result:?}");
        server.abort();
    }
}

/// The peak of this process's memory in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap()
}

/// In a process of its own, where no other test adds to the peak or opens files.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test starts itself")]
fn endless_answers_take_little_memory_and_no_file_descriptors() {
    let this = std::env::current_exe().unwrap();
    let name = "health::tests::hostile::measured_alone";
    let output = std::process::Command::new(this).args(["--exact", name, "--ignored", "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures its process: started by the test above"]
async fn measured_alone() {
    let kinds = ["application", "database", "redis"];
    let fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    for round in 0..3 {
        let (fds_before, before) = (fds(), peak_kib());
        let servers = futures::future::join_all(kinds.map(|kind| bad(Harm::Endless, kind))).await;
        let checks: Vec<_> = kinds.iter().zip(&servers).map(|(kind, server)| remote(kind, server.address, 1_000)).collect();
        let report = run(&checks, &Ports::real(), "here").await;
        assert_eq!(report.state, State::Unknown, "{report:#?}");
        drop(servers);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let growth = peak_kib() - before;
        // The servers' own buffers are in it.
        assert!(growth < 16 * 1024, "round {round}: the peak grew by {growth} KiB");
        assert!(round == 0 || fds() <= fds_before, "round {round}: {fds_before} descriptors before, {} after", fds());
    }
    let before = peak_kib();
    answer_lies().await;
    let growth = peak_kib() - before;
    assert!(growth < 16 * 1024, "lies: the peak grew by {growth} KiB");
}

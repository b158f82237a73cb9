//! The tests' own ground: a server that does not start, a leash that does not hold or a hole that answers would make other tests lie.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use crate::support::{
    docker::Docker,
    hostile::{Behaviour, Hostile, Protocol},
    leash::Leash,
    servers::{Postgres, Redis},
    skip::need,
    wait_for,
};

fn gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_leash_ends_its_program_and_removes_the_folder() {
    let folder = tempfile::tempdir().unwrap().keep();
    let leash = Leash::start(&folder, "TERM", &["sleep", "1000"]);
    let pid = leash.pid();
    assert!(leash.alive());
    drop(leash);
    assert!(gone(pid));
    assert!(!folder.exists());
}

#[test]
fn a_leash_holds_when_its_program_ignores_the_request() {
    let folder = tempfile::tempdir().unwrap().keep();
    let leash = Leash::start(&folder, "TERM", &["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"]);
    let pid = leash.pid();
    drop(leash);
    assert!(gone(pid));
}

#[test]
fn a_black_hole_answers_no_connection() {
    let hole = Hostile::start(Behaviour::Blackhole, Protocol::Http);
    let error = TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], hole.port())), Duration::from_millis(400)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn redis_starts_and_ends() {
    let redis = need!(Redis::start());
    let stored: String = redis::cmd("SET").arg("a").arg(1).query(&mut redis.connect()).unwrap();
    assert_eq!(stored, "OK");
}

#[test]
fn postgres_asks_for_its_password() {
    let postgres = need!(Postgres::shared());
    assert!(postgres.url().contains(Postgres::PASSWORD));
}

#[test]
fn a_container_runs_and_dies_with_its_engine() {
    let docker = need!(Docker::start());
    need!(docker.run("box", &["/bin/busybox", "sleep", "1000"]));
    let pid = docker.inspect("box")["State"]["Pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).unwrap();
    assert!(!gone(pid));
    let socket = docker.socket();
    drop(docker);
    assert!(wait_for(Duration::from_secs(5), || gone(pid)), "the container outlived its engine");
    assert!(!socket.exists());
}

//! TLS by the server itself: with and without certificates of clients, and with new files while it runs.

use std::{
    fs,
    io::Read as _,
    time::{Duration, Instant},
};

use super::http_auth::Front;
use crate::support::{
    served::Served,
    skip::need,
    tls::Issuer,
    tokens::{AUTH, bearer},
    wait_for,
};

fn tls(more: &str) -> String {
    format!(
        "header_timeout_seconds = 1\nallowed_hosts = [\"ops.example.com\"]\n{AUTH}[http.tls]\ncert_file = \"{{dir}}/server.pem\"\nkey_file = \"{{dir}}/server.key\"\n{more}"
    )
}

fn get(served: &Served, path: &str, token: Option<&str>) -> String {
    let header = token.map(bearer);
    let headers: Vec<_> = [("Host", "localhost")].into_iter().chain(header.as_deref().map(|value| ("Authorization", value))).collect();
    served.head("GET", path, &headers, 0)
}

#[test]
fn what_is_sent_is_encrypted_and_needs_a_token_all_the_same() {
    let front = Front::new(&tls(""));
    let issuer = need!(Issuer::new(front.sandbox.dir(), "issuer"));
    issuer.issue("server");
    // All addresses: with both, that is allowed.
    let served = Served::run(&mut front.sandbox.command(["serve", "--http", "0.0.0.0:0"]));
    assert!(wait_for(Duration::from_secs(5), || served.stderr().contains("serving MCP at https://0.0.0.0:")), "{}", served.stderr());
    let ask = |path: &str, token: Option<&str>| issuer.client(None).exchange(served.connect(), &get(&served, path, token)).unwrap();
    assert_eq!(ask("/healthz", None).status, 200);
    assert_eq!(ask("/mcp", None).status, 401);
    assert_eq!(ask("/mcp", Some("wrong")).status, 401);
    assert_eq!(ask("/nowhere", Some("reader")).status, 404);
    let metadata = ask("/.well-known/oauth-protected-resource", None);
    assert!(metadata.body.contains("\"resource\":\"https://"), "{metadata:?}");
    // Who does not encrypt, or says nothing, is let go.
    let begun = Instant::now();
    for hello in [get(&served, "/healthz", None), String::new()] {
        let mut stream = served.connect();
        std::io::Write::write_all(&mut stream, hello.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert!(!String::from_utf8_lossy(&bytes).contains("HTTP/1.1 200"));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let stranger = Issuer::new(front.sandbox.dir(), "stranger").unwrap();
    assert!(stranger.client(None).exchange(served.connect(), &get(&served, "/healthz", None)).is_err());
}

#[test]
fn where_clients_need_a_certificate_it_alone_permits_nothing() {
    let front = Front::new(&tls("client_ca_file = \"{dir}/issuer.pem\"\n"));
    let issuer = need!(Issuer::new(front.sandbox.dir(), "issuer"));
    issuer.issue("server");
    issuer.issue("client");
    let stranger = Issuer::new(front.sandbox.dir(), "stranger").unwrap();
    stranger.issue("guest");
    let served = Served::start(&front.sandbox, &[]);
    let ask =
        |own: Option<&str>, token: Option<&str>| issuer.client(own).exchange(served.connect(), &get(&served, "/nowhere", token)).map(|reply| reply.status);
    assert!(ask(None, Some("reader")).is_err());
    assert!(ask(Some("guest"), Some("reader")).is_err());
    assert_eq!(ask(Some("client"), None).unwrap(), 401);
    assert_eq!(ask(Some("client"), Some("reader")).unwrap(), 404);
}

#[test]
fn a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let front = Front::new(&tls(""));
    let old = need!(Issuer::new(front.sandbox.dir(), "old"));
    old.issue("server");
    let served = Served::start(&front.sandbox, &[]);
    let good = |issuer: &Issuer| issuer.client(None).exchange(served.connect(), &get(&served, "/healthz", None)).is_ok_and(|reply| reply.status == 200);
    assert!(good(&old));
    fs::write(front.sandbox.path("server.pem"), "no certificate").unwrap();
    assert!(wait_for(Duration::from_secs(5), || good(&old) && served.stderr().contains("the new certificate is not used")), "{}", served.stderr());
    let new = Issuer::new(front.sandbox.dir(), "new").unwrap();
    new.issue("server");
    assert!(wait_for(Duration::from_secs(5), || good(&new)), "{}", served.stderr());
    assert!(!good(&old));
}

#[test]
fn files_that_cannot_be_used_keep_the_server_from_starting() {
    let front = Front::new(&tls(""));
    let issuer = need!(Issuer::new(front.sandbox.dir(), "issuer"));
    issuer.issue("server");
    issuer.issue("other");
    let starts = || front.sandbox.opsmedic(["serve", "--http", "127.0.0.1:0"]).expect_code(2).stderr;
    let key = front.sandbox.path("server.key");
    fs::copy(front.sandbox.path("other.key"), &key).unwrap();
    assert!(starts().contains("http.tls.key_file"), "a key of another certificate");
    std::os::unix::fs::symlink("/dev/zero", front.sandbox.path("device")).unwrap();
    fs::remove_file(&key).unwrap();
    fs::rename(front.sandbox.path("device"), &key).unwrap();
    assert!(starts().contains("no regular file"));
    fs::remove_file(&key).unwrap();
    fs::copy(front.sandbox.path("issuer.key"), &key).unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(starts().contains("chmod o-rwx"));
    fs::write(front.sandbox.path("server.pem"), "").unwrap();
    assert!(starts().contains("http.tls.cert_file"));
}

//! The request as it arrives, what each answer means, and how state is saved, compared and brought back.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::types::issue::IssueType;

/// What answers a request, by its first line; none hangs.
type Answer = Box<dyn Fn(&str) -> Option<(u16, String)> + Send + Sync>;

/// A server that keeps what it was sent.
struct Server {
    base: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn answering(answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer): (_, Answer) = (seen.clone(), Box::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                let reply = answer(request.lines().next().unwrap_or_default());
                kept.lock().expect("no panic").push(request);
                let Some((status, body)) = reply else {
                    tokio::spawn(async move { stream.read(&mut [0]).await });
                    continue;
                };
                let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(text.as_bytes()).await;
            }
        });
        Self { base, seen }
    }

    /// Every POST sets the state to the last part of its path; GET /state tells it.
    async fn with_state(first: &str) -> (Self, Arc<Mutex<String>>) {
        let state = Arc::new(Mutex::new(first.to_owned()));
        let inside = state.clone();
        let server = Self::answering(move |line| {
            let mut state = inside.lock().expect("no panic");
            if let Some(path) = line.strip_prefix("POST ") {
                *state = path.split([' ', '/']).nth(1).unwrap_or_default().to_owned();
            }
            Some((200, state.clone()))
        });
        (server.await, state)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// Head and body of one request.
async fn read(stream: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut block = [0; 4_096];
    loop {
        let n = stream.read(&mut block).await.unwrap_or(0);
        bytes.extend_from_slice(&block[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").and_then(|v| v.trim().parse().ok())).unwrap_or(0);
        if n == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length) {
            return text;
        }
    }
}

pub(super) fn context() -> Context {
    Context {
        operation: "op_0123456789abcdef0123456789abcdef".parse().expect("an id"),
        target: "shop".parse().expect("a name"),
        issue: IssueType::HighLatency,
        fence: 7,
    }
}

fn build(toml: &str) -> Result<Arc<dyn Actuator>, String> {
    Http.build(Action::Rollback, Settings::parse(toml).expect("valid TOML")).map_err(|e| e.message().to_owned())
}

fn built(server: &Server, toml: &str) -> Arc<dyn Actuator> {
    build(&toml.replace("BASE", &server.base)).unwrap_or_else(|e| panic!("{toml}: {e}"))
}

async fn act(actuator: &Arc<dyn Actuator>) -> Result<Act, ActError> {
    let ports = Ports::real();
    let prepared = actuator.prepare(&ports).await.expect("possible");
    actuator.act(&ports, &prepared, &context()).await
}

#[tokio::test]
async fn the_request_arrives_as_configured_with_its_placeholders_filled() {
    let server = Server::answering(|_| Some((202, "queued".to_owned()))).await;
    let actuator = built(
        &server,
        r#"{ url = "BASE/{target}?n={fence}", method = "PUT", headers = { X-Env = "prod-{issue_type}", Authorization = "Bearer canary-1" }, body = '{"op":"{operation_id}","x":{"y":[]}}' }"#,
    );
    let done = act(&actuator).await.expect("202 is a success");
    assert_eq!((done.message, done.untrusted_output.as_deref()), (format!("PUT {}/{{target}}?n=.. answered 202", server.base), Some("queued")));
    let seen = server.seen();
    assert_eq!(seen.len(), 1, "the pre-check sent something: {seen:?}");
    let (head, body) = seen[0].split_once("\r\n\r\n").expect("a body");
    assert_eq!(body, r#"{"op":"op_0123456789abcdef0123456789abcdef","x":{"y":[]}}"#);
    for line in [
        "PUT /shop?n=7 HTTP/1.1",
        "x-env: prod-high_latency",
        "authorization: Bearer canary-1",
        "content-type: application/json",
        "idempotency-key: op_0123456789abcdef0123456789abcdef",
    ] {
        assert!(head.lines().any(|l| l == line), "no {line} in {head}");
    }
}

#[tokio::test]
async fn each_answer_means_what_it_should() {
    for (status, expected, outcome) in [
        (200, "[]", "done"),
        (204, "[]", "done"),
        (202, "[200, 202]", "done"),
        (409, "[200, 409]", "done"),
        (200, "[202]", "failed"),
        (301, "[]", "failed"),
        (400, "[]", "failed"),
        (404, "[]", "failed"),
        (429, "[]", "failed"),
        (500, "[]", "unknown"),
        (503, "[]", "unknown"),
        (0, "[]", "unknown"),
    ] {
        let server = Server::answering(move |_| (status > 0).then(|| (status, "why".to_owned()))).await;
        let result = act(&built(&server, &format!("{{ url = \"BASE/x\", expected_status = {expected}, timeout_seconds = 1 }}"))).await;
        let (name, act) = match result {
            Ok(act) => ("done", act),
            Err(ActError::Failed(act)) => ("failed", act),
            Err(ActError::Unknown(act)) => ("unknown", act),
        };
        assert_eq!(name, outcome, "{status} {expected}: {act:?}");
        assert!(!act.message.contains("why"), "text of the server among ours: {act:?}");
        assert_eq!(act.untrusted_output.is_some(), !matches!(status, 0 | 204), "{act:?}");
    }
    let closed = build("{ url = \"http://127.0.0.1:1/\" }").expect("valid");
    assert!(matches!(act(&closed).await, Err(ActError::Failed(act)) if act.message.contains("nothing was sent")));
}

#[tokio::test]
async fn state_is_saved_compared_and_brought_back() {
    let (server, state) = Server::with_state("v1").await;
    let actuator = built(&server, r#"{ url = "BASE/v2", state_url = "BASE/state", undo = { url = "BASE/v1" } }"#);
    let ports = Ports::real();
    let prepared = actuator.prepare(&ports).await.expect("possible");
    assert_eq!(prepared.prior, Snapshot::from([("state".to_owned(), "v1".to_owned())]));
    assert!(prepared.undo.as_deref().is_some_and(|undo| undo.ends_with("/v1")), "{prepared:?}");
    assert!(matches!(actuator.probe(&ports, &prepared.prior).await, Probe::CannotTell(_)));

    let done = actuator.act(&ports, &prepared, &context()).await.expect("answered");
    assert_eq!(done.left, Snapshot::from([("state".to_owned(), "v2".to_owned())]));
    assert_eq!(actuator.observe(&ports).await, Ok(done.left.clone()));
    assert!(matches!(actuator.probe(&ports, &prepared.prior).await, Probe::Happened(act) if act.left == done.left));
    assert!(matches!(actuator.verify(&ports, &done.left).await, Postcondition::Holds(text) if text.contains("as the action left it")));
    *state.lock().expect("no panic") = "v3".to_owned();
    assert!(matches!(actuator.verify(&ports, &done.left).await, Postcondition::Holds(text) if text.contains("moved on")));

    let undone = actuator.undo(&ports, &prepared.prior, &context()).await.expect("undone");
    assert_eq!(undone.left, prepared.prior);
    let keys: Vec<String> = server.seen().iter().filter_map(|r| r.lines().find(|l| l.starts_with("idempotency-key")).map(str::to_owned)).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[1] == format!("{}-undo", keys[0]), "act and undo under one key: {keys:?}");
}

#[tokio::test]
async fn an_undo_that_brings_nothing_back_is_no_success() {
    let (server, _) = Server::with_state("v1").await;
    let actuator = built(&server, r#"{ url = "BASE/v2", state_url = "BASE/state", undo = { url = "BASE/v9" } }"#);
    let prior = Snapshot::from([("state".to_owned(), "v1".to_owned())]);
    let result = restored(&*actuator, &Ports::real(), &prior, Act::said("called"), Duration::ZERO).await;
    assert!(result.is_ok(), "{result:?}");
    act(&actuator).await.expect("answered");
    let result = restored(&*actuator, &Ports::real(), &prior, Act::said("called"), Duration::from_millis(600)).await;
    assert!(matches!(result, Err(ActError::Failed(act)) if act.message == "called, but the state is not as before"));
}

#[tokio::test]
async fn verify_url_decides_when_it_is_set() {
    let ready = Arc::new(Mutex::new(503));
    let inside = ready.clone();
    let server = Server::answering(move |_| Some((*inside.lock().expect("no panic"), String::new()))).await;
    let actuator = built(&server, r#"{ url = "BASE/x", verify_url = "BASE/ready" }"#);
    let looked = actuator.verify(&Ports::real(), &Snapshot::new()).await;
    assert!(matches!(&looked, Postcondition::NotYet(why) if why.contains("answered 503")), "{looked:?}");
    *ready.lock().expect("no panic") = 200;
    assert!(matches!(actuator.verify(&Ports::real(), &Snapshot::new()).await, Postcondition::Holds(_)));
}

#[tokio::test]
async fn a_state_that_cannot_be_read_stops_only_what_promises_an_undo() {
    let server = Server::answering(|_| Some((500, String::new()))).await;
    let without = built(&server, r#"{ url = "BASE/x", state_url = "BASE/state" }"#).prepare(&Ports::real()).await.expect("possible");
    assert!(without.prior.is_empty() && without.effect.is_some_and(|e| e.contains("answered 500")));
    let with = built(&server, r#"{ url = "BASE/x", state_url = "BASE/state", undo = { url = "BASE/y" } }"#).prepare(&Ports::real()).await;
    assert!(with.as_ref().is_err_and(|e| e.contains("cannot be saved")), "{with:?}");
    assert!(server.seen().iter().all(|request| request.starts_with("GET /state")), "{:?}", server.seen());
}

#[tokio::test]
async fn credentials_go_to_their_own_server_only() {
    let (server, other) = (Server::with_state("v1").await.0, Server::with_state("v1").await.0);
    let toml = r#"{ url = "BASE/v2", headers = { Authorization = "Bearer canary-1", X-Op = "{operation_id}" }, state_url = "BASE/state", verify_url = "OTHER/ready", undo = { url = "OTHER/v1" } }"#;
    let actuator = built(&server, &toml.replace("OTHER", &other.base));
    let ports = Ports::real();
    act(&actuator).await.expect("answered");
    actuator.verify(&ports, &Snapshot::new()).await;
    let Caller { undo: Some(undo), .. } =
        Caller::new(Config::deserialize(Settings::parse(&toml.replace("OTHER", &other.base).replace("BASE", &server.base)).expect("TOML")).expect("valid"))
            .expect("valid")
    else {
        panic!("no undo");
    };
    ports.http.send(&undo.request(&context(), "k".to_owned(), LOOK)).await.expect("answered");
    assert!(server.seen().iter().all(|request| request.contains("canary-1")), "{:?}", server.seen());
    assert!(server.seen().iter().filter(|request| request.starts_with("GET")).all(|request| !request.contains("x-op")));
    assert_eq!(other.seen().len(), 2);
    assert!(other.seen().iter().all(|request| !request.contains("canary-1")), "{:?}", other.seen());
}

#[test]
fn plans_show_the_body_and_no_secret() {
    let build = |toml: &str| Caller::new(Config::deserialize(Settings::parse(toml).expect("TOML")).expect("valid")).expect("valid");
    let toml = r#"{ url = "https://u:canary-1@x.example/{target}?token=canary-2", headers = { X-Key = "canary-3" , Content-Type = "text/plain" }, body = "restart {target}" }"#;
    let caller = build(toml);
    let shown = &caller.act.shown;
    assert_eq!(shown, "POST https://x.example/{target}?token=.. restart {target}");
    let secrets: Vec<String> = caller.secrets().iter().map(|s| s.expose().to_owned()).collect();
    assert!(["canary-1", "canary-2", "canary-3"].iter().all(|canary| secrets.iter().any(|s| s == canary)), "{secrets:?}");
    assert!(!secrets.iter().any(|s| s.contains("text/plain")), "{secrets:?}");
    // Nothing by which what is hidden could be guessed; the target's fingerprint tells one request from another.
    assert_eq!(build(&toml.replace("canary-2", "canary-4")).act.shown, *shown);
    let long = build(&format!("{{ url = \"http://x/\", body = \"{}\" }}", "a".repeat(300))).act.shown;
    assert!(long.ends_with("with a body of 300 bytes"), "{long}");
}

#[test]
fn wrong_tables_say_what_to_write() {
    for (toml, wants) in [
        (r#"{ }"#, "url"),
        (r#"{ url = "ftp://x/" }"#, "http://host"),
        (r#"{ url = "http://169.254.169.254/" }"#, "link-local"),
        (r#"{ url = "http://{target}/" }"#, "behind the host"),
        (r#"{ url = "http://x/{host}" }"#, "{operation_id}, {target}"),
        (r#"{ url = "http://x/", method = "GET" }"#, "`POST`"),
        (r#"{ url = "http://x/", method = "post" }"#, "`POST`"),
        (r#"{ url = "http://x/", body = "{reason}" }"#, "body: unknown placeholder"),
        (r#"{ url = "http://x/", headers = { X = "{canary}" } }"#, "header X: unknown placeholder"),
        (r#"{ url = "http://x/", headers = { Host = "y" } }"#, "belongs to the connection"),
        (r#"{ url = "http://x/", headers = { X = "canary\n" } }"#, "on one line"),
        (r#"{ url = "http://u:canary@x/", headers = { authorization = "canary" } }"#, "one of them"),
        (r#"{ url = "http://x/", headers = { Authorization = "canary" }, state_url = "http://canary@x/" }"#, "one of them"),
        (r#"{ url = "http://x/", expected_status = [500] }"#, "200 to 499"),
        (r#"{ url = "http://x/", timeout_seconds = 0 }"#, "1 to 600"),
        (r#"{ url = "http://x/", timeout_seconds = 601 }"#, "1 to 600"),
        (r#"{ url = "http://x/", undo = { url = "http://x/" } }"#, "undo needs state_url"),
        (r#"{ url = "http://x/", state_url = "http://x/", undo = { url = "http://x/{a}" } }"#, "undo: url: unknown placeholder"),
        (r#"{ url = "http://x/", state_url = "http://x/{target}" }"#, "state_url takes no placeholders"),
        (r#"{ url = "http://x/", verify = "http://x/" }"#, "verify_url"),
    ] {
        let error = build(toml).err().unwrap_or_default();
        assert!(error.contains(wants) && !error.contains("canary"), "{toml}: {error}");
    }
}

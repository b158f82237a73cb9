//! Any bytes on the wire: each line that comes back is JSON-RPC, nothing hostile is repeated raw, and the server ends by itself.
#![no_main]

use std::{
    cell::RefCell,
    io::Cursor,
    sync::{Arc, LazyLock},
};

use libfuzzer_sys::fuzz_target;
use opsmedic::{
    app,
    config::{Config, Env},
    mcp::{self, Hub},
    types::sanitise::sanitise,
};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

const HANDSHAKE: &str = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\
                         \"clientInfo\":{\"name\":\"fuzz\",\"version\":\"1\"}}}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
/// What a caller chose itself, and gets back as it is.
const ECHOED: &[&str] = &["id", "progressToken", "requestId"];

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.log"), "2026-11-20 10:00:00 [ERROR] db: database error: deadlock detected\n").unwrap();
    folder
});

thread_local! {
    static RUNTIME: RefCell<tokio::runtime::Runtime> = RefCell::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

static HUB: LazyLock<Arc<Hub>> = LazyLock::new(|| {
    let folder = FOLDER.path().display();
    let text = format!("[store]\npath = \"{folder}/opsmedic.db\"\n[logs]\nroots = [\"{folder}\"]\n[health.disk]\npaths = [\"{folder}\"]\n");
    let config = Config::parse(&text, None, &Env::default()).unwrap_or_else(|error| panic!("{error}"));
    let built = app::build(config, app::Options { read_only: true }).unwrap();
    Hub::new(built.services, built.serving.limits)
});

fn harmless(value: &Value) {
    match value {
        Value::String(text) => assert_eq!(sanitise(text), *text, "raw"),
        Value::Array(items) => items.iter().for_each(harmless),
        Value::Object(object) => object.iter().filter(|(key, _)| !ECHOED.contains(&key.as_str())).for_each(|(key, item)| {
            assert_eq!(sanitise(key), *key, "raw");
            harmless(item);
        }),
        _ => {}
    }
}

fuzz_target!(|bytes: &[u8]| {
    // Checks take as long as they take; they are no matter of the wire.
    if bytes.windows(6).any(|window| window == b"health") {
        return;
    }
    // What begins with `!` has not shaken hands.
    let input = match bytes.strip_prefix(b"!") {
        Some(bare) => bare.to_vec(),
        None => [HANDSHAKE.as_bytes(), bytes].concat(),
    };
    let (near, mut far) = tokio::io::duplex(64 << 10);
    let mut answers = String::new();
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async {
            let served = mcp::serve_over(HUB.clone(), Cursor::new(input), near, CancellationToken::new());
            let (served, read) = tokio::join!(served, far.read_to_string(&mut answers));
            if let Err(words) = served {
                assert_eq!(sanitise(&words), words);
            }
            read.unwrap();
        });
    });
    for line in answers.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["jsonrpc"], "2.0");
        harmless(&message);
    }
});

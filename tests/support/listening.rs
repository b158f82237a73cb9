//! Streams of events that only listen, on every transport: what came on them, and whether they are still open.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::json;

use super::{
    served::{MODERN, Served, Session},
    wait_for,
};

/// One stream.
pub(crate) struct Listening {
    /// How it was opened.
    pub(crate) what: &'static str,
    stream: TcpStream,
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Listening {
    fn open(served: &Served, what: &'static str, (method, path): (&str, &str), headers: &[(&str, &str)], body: &str) -> Self {
        let mut stream = served.connect();
        stream.write_all(format!("{}{body}", served.head(method, path, headers, body.len())).as_bytes()).unwrap();
        let text: Arc<Mutex<String>> = Arc::default();
        let (mut source, kept) = (stream.try_clone().unwrap(), text.clone());
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read) = source.read(&mut buffer) {
                if read == 0 {
                    break;
                }
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        let opened = Self { what, stream, text, reader };
        assert!(wait_for(Duration::from_secs(5), || opened.text().contains("text/event-stream")), "{what}: {}", opened.text());
        opened
    }

    /// One of each kind for whoever has this credential; the session must be theirs.
    pub(crate) fn all(served: &Served, session: &Session<'_>, authorization: &str) -> Vec<Self> {
        let (mine, accept) = (("Authorization", authorization), ("Accept", "application/json, text/event-stream"));
        let of_session: Vec<_> = session.headers().into_iter().chain([accept]).collect();
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "opsmedic-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"_meta": meta, "notifications": {"resourceSubscriptions": ["opsmedic://recoveries"]}});
        let listen = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}).to_string();
        let modern = [mine, accept, ("Content-Type", "application/json"), ("Mcp-Protocol-Version", MODERN), ("Mcp-Method", "subscriptions/listen")];
        vec![
            Self::open(served, "the stream of a session", ("GET", "/mcp"), &of_session, ""),
            Self::open(served, "/sse", ("GET", "/sse"), &[mine], ""),
            Self::open(served, "subscriptions/listen", ("POST", "/mcp"), &modern, &listen),
        ]
    }

    /// What came up to now, the head included.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// Whether the server has not ended it.
    pub(crate) fn is_open(&self) -> bool {
        !self.reader.is_finished()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Waits until all of them have ended; gives those that have not.
pub(crate) fn still_open(streams: &[Listening], limit: Duration) -> Vec<&'static str> {
    let open = || streams.iter().filter(|stream| stream.is_open()).map(|stream| stream.what).collect::<Vec<_>>();
    wait_for(limit, || open().is_empty());
    open()
}

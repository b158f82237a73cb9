//! An HTTP server that keeps what it was sent and answers as scripted: what an action calls.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::listener::Listener;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Method and path with query.
    pub(crate) line: String,
    /// Names in lower case, and values.
    headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Received {
    /// The value of a header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How a request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reply {
    /// With this status; the body repeats all that was received.
    Status(u16),
    /// As that, after a while.
    Late(u16, Duration),
    /// Not at all: the connection stays open.
    Hang,
    /// Not at all: the connection is closed.
    Close,
}

type Script = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    received: Mutex<Vec<Received>>,
}

/// A running server.
pub(crate) struct Backend {
    listener: Listener,
    shared: Arc<Shared>,
}

impl Backend {
    /// Answers every request alike.
    pub(crate) fn replying(reply: Reply) -> Self {
        Self::scripted(move |_| reply)
    }

    /// Answers each request as the script says.
    pub(crate) fn scripted(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { script: Box::new(script), received: Mutex::default() });
        let inside = Arc::clone(&shared);
        Self { listener: Listener::serving(move |stream| serve(stream, &inside)), shared }
    }

    /// Its address, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    /// All requests so far, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let Some((raw, request)) = read(&mut stream) else { return };
    shared.received.lock().unwrap().push(request.clone());
    let reply = (shared.script)(&request);
    let status = match reply {
        Reply::Status(status) => status,
        Reply::Late(status, pause) => {
            thread::sleep(pause);
            status
        }
        Reply::Hang => {
            // Until the peer gives up.
            let _ = stream.read(&mut [0]);
            return;
        }
        Reply::Close => return,
    };
    let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{raw}", raw.len());
    // A peer that went away gets no answer.
    let _ = stream.write_all(answer.as_bytes());
}

/// One request, raw and taken apart; none from a peer that went away.
fn read(stream: &mut TcpStream) -> Option<(String, Received)> {
    let mut bytes = Vec::new();
    loop {
        let mut block = [0; 4_096];
        let n = stream.read(&mut block).ok().filter(|&n| n > 0)?;
        bytes.extend_from_slice(&block[..n]);
        let raw = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = raw.split_once("\r\n\r\n") else { continue };
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let headers: Vec<_> = lines.filter_map(|l| l.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let request = Received { line, headers, body: body.to_owned() };
        let length = request.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return Some((raw, request));
        }
    }
}

//! A small, well-behaved HTTP server: the service that is checked and recovered.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::listener::Listener;

/// What the health page of a well service says.
const WELL: &str = r#"{"status":"ok","version":"1.4.2","uptime":4711}"#;

type Answer = Box<dyn Fn() -> (u16, String) + Send>;

struct Shared {
    answer: Mutex<Answer>,
    requests: AtomicUsize,
}

/// Answers every GET alike.
pub(crate) struct Web {
    listener: Listener,
    shared: Arc<Shared>,
}

impl Web {
    /// Answers 200 with a version and an uptime.
    pub(crate) fn start() -> Self {
        Self::answering(|| (200, WELL.to_owned()))
    }

    /// Answers 200 while this file exists, else 503: a service that a command can mend or break.
    pub(crate) fn well_while(file: PathBuf) -> Self {
        Self::answering(move || if file.exists() { (200, WELL.to_owned()) } else { (503, "{}".to_owned()) })
    }

    /// Answers as this says each time.
    pub(crate) fn answering(answer: impl Fn() -> (u16, String) + Send + 'static) -> Self {
        let shared = Arc::new(Shared { answer: Mutex::new(Box::new(answer)), requests: AtomicUsize::new(0) });
        let inside = Arc::clone(&shared);
        Self { listener: Listener::serving(move |stream| serve(stream, &inside)), shared }
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The address of its health page.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/health", self.listener.port())
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    // Up to the empty line behind the headers; a peer that goes away gets no answer.
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            shared.requests.fetch_add(1, Ordering::Relaxed);
            let (status, body) = (shared.answer.lock().unwrap())();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Response-Time: 7ms\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes());
            return;
        }
    }
}

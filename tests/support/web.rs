//! A small, well-behaved HTTP server: the service that is checked and recovered.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

struct Shared {
    answer: Mutex<(u16, String)>,
    requests: AtomicUsize,
    stop: AtomicBool,
}

/// Answers every GET with the same status and body until told otherwise.
pub(crate) struct Web {
    port: u16,
    shared: Arc<Shared>,
}

impl Web {
    /// Answers 200 with a version and an uptime.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Mutex::new((200, r#"{"status":"ok","version":"1.4.2","uptime":4711}"#.to_owned()));
        let shared = Arc::new(Shared { answer, requests: AtomicUsize::new(0), stop: AtomicBool::new(false) });
        let inside = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if inside.stop.load(Ordering::Relaxed) {
                    return;
                }
                let inside = Arc::clone(&inside);
                thread::spawn(move || serve(stream, &inside));
            }
        });
        Self { port, shared }
    }

    /// What it answers from now on.
    pub(crate) fn answer(&self, status: u16, body: &str) {
        *self.shared.answer.lock().unwrap() = (status, body.to_owned());
    }

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The address of its health page.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/health", self.port)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    // Up to the empty line behind the headers; a peer that goes away gets no answer.
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            shared.requests.fetch_add(1, Ordering::Relaxed);
            let (status, body) = shared.answer.lock().unwrap().clone();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nX-Response-Time: 7ms\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all((head + &body).as_bytes());
            return;
        }
    }
}

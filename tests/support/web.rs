//! A small, well-behaved HTTP server: the service that is checked and recovered.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// What the health page of a well service says.
const WELL: &str = r#"{"status":"ok","version":"1.4.2","uptime":4711}"#;

type Answer = Box<dyn Fn() -> (u16, String) + Send>;

struct Shared {
    answer: Mutex<Answer>,
    requests: AtomicUsize,
    stop: AtomicBool,
}

/// Answers every GET alike.
pub(crate) struct Web {
    port: u16,
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

    fn answering(answer: impl Fn() -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { answer: Mutex::new(Box::new(answer)), requests: AtomicUsize::new(0), stop: AtomicBool::new(false) });
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

    /// How many requests came so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
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

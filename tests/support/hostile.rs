//! Servers that misbehave, one per way in which the outside fails.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::free_port;

/// The protocol that the victim of the misbehaviour speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Postgres,
    Redis,
}

/// A way to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing listens.
    Refused,
    /// The connection is never established: no answer to the first packet.
    Blackhole,
    /// The connection is accepted, then silence.
    AcceptThenHang,
    /// A valid answer, one byte in a while, that never ends.
    Drip,
    /// Another protocol answers.
    WrongProtocol,
    /// A valid beginning, then bytes without end as fast as they are read.
    EndlessBody,
}

impl Behaviour {
    pub(crate) const ALL: [Self; 6] = [Self::Refused, Self::Blackhole, Self::AcceptThenHang, Self::Drip, Self::WrongProtocol, Self::EndlessBody];
}

/// A running misbehaviour.
pub(crate) struct Hostile {
    port: u16,
    stop: Arc<AtomicBool>,
    acceptor: Option<thread::JoinHandle<()>>,
    /// What fills the queue of a black hole, and the runtime that holds its listener.
    _hole: Option<Hole>,
}

type Hole = (tokio::runtime::Runtime, tokio::net::TcpListener, Vec<TcpStream>);

impl Hostile {
    /// Starts one on a free port.
    pub(crate) fn start(behaviour: Behaviour, protocol: Protocol) -> Self {
        Self::at(free_port(), behaviour, protocol)
    }

    /// Starts one on this port, which another may have used before.
    pub(crate) fn at(port: u16, behaviour: Behaviour, protocol: Protocol) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (acceptor, hole) = match behaviour {
            Behaviour::Refused => (None, None),
            Behaviour::Blackhole => (None, Some(blackhole(port))),
            _ => (Some(accept(port, behaviour, protocol, &stop)), None),
        };
        Self { port, stop, acceptor, _hole: hole }
    }

    /// Where it is.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the protocol that leads to it.
    pub(crate) fn url(&self, protocol: Protocol) -> String {
        let port = self.port;
        match protocol {
            Protocol::Http => format!("http://127.0.0.1:{port}/health"),
            Protocol::Postgres => format!("postgres://app:canary-dsn-4c1e@127.0.0.1:{port}/app?sslmode=disable"),
            Protocol::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(acceptor) = self.acceptor.take() {
            // Wakes the accepting thread, which then sees the flag.
            let _ = TcpStream::connect(("127.0.0.1", self.port));
            let _ = acceptor.join();
        }
    }
}

/// Accepts until told to stop; each connection is mistreated in a thread of its own.
fn accept(port: u16, behaviour: Behaviour, protocol: Protocol, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let stop = Arc::clone(&stop);
            thread::spawn(move || misbehave(stream, behaviour, protocol, &stop));
        }
    })
}

/// A listener whose queue is full: Linux drops every further request for a connection without an answer.
fn blackhole(port: u16) -> Hole {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let listener = {
        let _inside = runtime.enter();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
        socket.listen(1).unwrap()
    };
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(150)) {
        waiting.push(stream);
        assert!(waiting.len() < 32, "the queue of the black hole does not fill up");
    }
    (runtime, listener, waiting)
}

fn misbehave(mut stream: TcpStream, behaviour: Behaviour, protocol: Protocol, stop: &AtomicBool) {
    let running = || !stop.load(Ordering::Relaxed);
    match behaviour {
        Behaviour::Refused | Behaviour::Blackhole => {}
        Behaviour::AcceptThenHang => {
            while running() {
                thread::sleep(Duration::from_millis(50));
            }
        }
        Behaviour::WrongProtocol => {
            read_some(&mut stream);
            let _ = stream.write_all(foreign(protocol));
        }
        Behaviour::Drip => {
            read_some(&mut stream);
            let mut bytes = beginning(protocol).iter().chain(filler(protocol).iter().cycle());
            while running() && bytes.next().is_some_and(|byte| stream.write_all(&[*byte]).is_ok()) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Behaviour::EndlessBody => {
            read_some(&mut stream);
            let block = filler(protocol).repeat(8_192);
            if stream.write_all(beginning(protocol)).is_ok() {
                while running() && stream.write_all(&block).is_ok() {}
            }
        }
    }
}

/// The first bytes of the client, so that the answer comes behind a question.
fn read_some(stream: &mut TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = stream.read(&mut [0; 1_024]);
}

/// A valid beginning of an answer.
fn beginning(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http => b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"version\":\"",
        // AuthenticationOk.
        Protocol::Postgres => b"R\0\0\0\x08\0\0\0\0",
        // A simple string, whose end never comes.
        Protocol::Redis => b"+",
    }
}

/// What can follow for ever.
fn filler(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http | Protocol::Redis => b"aaaaaaaaaaaaaaaa",
        // ParameterStatus a=b: allowed any number of times before ReadyForQuery.
        Protocol::Postgres => b"S\0\0\0\x08a\0b\0",
    }
}

/// An answer of some other protocol.
fn foreign(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http => b"SSH-2.0-OpenSSH_9.2p1\r\n",
        Protocol::Postgres | Protocol::Redis => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    }
}

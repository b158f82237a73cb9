//! One message a line, both ways. Unlike the transport of the protocol's crate it answers what it cannot read, instead of being silent, and writes
//! what waits in one go.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, JsonRpcError, JsonRpcMessage, RequestId},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Hub,
    direct::{self, Way},
    error::clean_error,
    shape,
};
use crate::types::access::Principal;

/// The longest line in bytes, the same as the largest body that HTTP takes by default.
const MOST_BYTES: usize = 1 << 20;
/// Messages that wait to be written.
const WAITING: usize = 256;
/// How many stretches of memory are kept for what is to be written next.
const MOST_SPARE: usize = 4;
/// Read at once.
const CHUNK: usize = 64 << 10;

/// What was read of the input.
enum Read {
    Line,
    TooLong,
    End,
}

/// A transport over a reader and a writer.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    /// The rest of a line that is too long is being passed over.
    skipping: bool,
    output: mpsc::Sender<Vec<u8>>,
    ended: CancellationToken,
    /// For calls that are answered here.
    direct: Option<Direct>,
    /// Answers to such calls that were not handed to the writer yet.
    answers: Vec<u8>,
    spare: Spare,
}

/// Answers what needs nobody else, once caller and server found together.
struct Direct {
    hub: Arc<Hub>,
    caller: Principal,
    meeting: Meeting,
}

/// How far caller and server are with finding together. The protocol's crate decides; this only looks on.
enum Meeting {
    /// Nothing was said yet.
    Begun,
    /// This request came first.
    Asked(RequestId, Way),
    /// Its handshake was answered, and not yet confirmed.
    Answered,
    /// They are.
    Done(Way),
    /// In no way that is known here.
    Odd,
}

impl Direct {
    fn answer(&self, message: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let Meeting::Done(way) = self.meeting else { return None };
        direct::answer(&self.hub, &self.caller, way, None, message, out)?;
        out.push(b'\n');
        Some(())
    }

    fn received(&mut self, message: &ClientJsonRpcMessage) {
        match (&self.meeting, message) {
            (Meeting::Begun, JsonRpcMessage::Request(first)) => {
                let hello = matches!(first.request, ClientRequest::InitializeRequest(_));
                self.meeting = Meeting::Asked(first.id.clone(), if hello { Way::Handshake } else { Way::PerCall });
            }
            (Meeting::Answered, JsonRpcMessage::Notification(told)) if matches!(told.notification, ClientNotification::InitializedNotification(_)) => {
                self.meeting = Meeting::Done(Way::Handshake);
            }
            _ => {}
        }
    }

    fn sent(&mut self, message: &TxJsonRpcMessage<RoleServer>) {
        let Meeting::Asked(first, way) = &self.meeting else { return };
        self.meeting = match (message, way) {
            (JsonRpcMessage::Response(answer), Way::Handshake) if answer.id == *first => Meeting::Answered,
            (JsonRpcMessage::Response(answer), Way::PerCall) if answer.id == *first => Meeting::Done(Way::PerCall),
            (JsonRpcMessage::Error(_), _) => Meeting::Odd,
            _ => return,
        };
    }
}

/// Writes until nobody sends any more. Await it for everything to be out.
pub(super) type Writer = JoinHandle<io::Result<()>>;

impl<R: AsyncRead + Unpin + Send> Lines<R> {
    /// `ended` is cancelled when the input has come to its end. `hub`: for whoever calls over it as this principal, what can be is answered here.
    pub(super) fn new(
        input: R,
        output: impl AsyncWrite + Unpin + Send + 'static,
        ended: CancellationToken,
        hub: Option<(Arc<Hub>, Principal)>,
    ) -> (Self, Writer) {
        let (sender, waiting) = mpsc::channel(WAITING);
        let spare = Spare::default();
        let writer = tokio::spawn(write(output, waiting, spare.clone()));
        let direct = hub.map(|(hub, caller)| Direct { hub, caller, meeting: Meeting::Begun });
        let input = BufReader::with_capacity(CHUNK, input);
        (Self { input, line: Vec::new(), skipping: false, output: sender, ended, direct, answers: Vec::new(), spare }, writer)
    }

    /// Hands answers to the writer, where there are many or nothing else can be done at once. Nothing is lost if the future is dropped.
    async fn hand_on(&mut self) {
        let more = memchr::memchr(b'\n', self.input.buffer()).is_some();
        if self.answers.is_empty() || (more && self.answers.len() < CHUNK) {
            return;
        }
        // Nobody reads any more: then the next read ends this.
        if let Ok(place) = self.output.reserve().await {
            place.send(std::mem::replace(&mut self.answers, self.spare.take()));
        }
    }

    /// Fills `line`. Nothing is lost if the future is dropped.
    async fn read(&mut self) -> io::Result<Read> {
        loop {
            let there = self.input.fill_buf().await?;
            if there.is_empty() {
                // A last line without its end still counts.
                let rest = !self.line.is_empty() && !std::mem::take(&mut self.skipping);
                return Ok(if rest { Read::Line } else { Read::End });
            }
            let end = memchr::memchr(b'\n', there);
            let taken = end.map_or(there.len(), |at| at + 1);
            let fits = self.line.len() + taken <= MOST_BYTES;
            if fits && !self.skipping {
                self.line.extend_from_slice(&there[..taken]);
            }
            self.input.consume(taken);
            match (end, fits, self.skipping) {
                (Some(_), _, true) => self.skipping = false,
                (None, _, true) | (None, true, false) => {}
                (Some(_), true, false) => return Ok(Read::Line),
                (at, false, false) => {
                    self.skipping = at.is_none();
                    self.line.clear();
                    return Ok(Read::TooLong);
                }
            }
        }
    }
}

async fn answer(output: &mpsc::Sender<Vec<u8>>, error: JsonRpcError) {
    // Nobody reads any more: then the next read ends this.
    let _ = output.send(line_of(&error)).await;
}

fn line_of(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

async fn write(mut output: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Vec<u8>>, spare: Spare) -> io::Result<()> {
    let mut all = Vec::with_capacity(CHUNK);
    while let Some(line) = waiting.recv().await {
        let mut next = Some(line);
        while let Some(line) = next {
            let long = line.len() > CHUNK / 2;
            if long || all.len() + line.len() > CHUNK {
                output.write_all(&all).await?;
                all.clear();
            }
            if long {
                output.write_all(&line).await?;
            } else {
                all.extend_from_slice(&line);
            }
            spare.give(line);
            next = waiting.try_recv().ok();
        }
        output.write_all(&all).await?;
        all.clear();
        output.flush().await?;
    }
    Ok(())
}

/// Memory that was written from and may be written to again: the allocator would keep ever more of it, since another thread gives it back.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spare {
    fn give(&self, mut lines: Vec<u8>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST_SPARE && (CHUNK..=4 * CHUNK).contains(&lines.capacity()) {
            lines.clear();
            all.push(lines);
        }
    }

    fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(CHUNK + CHUNK / 2))
    }
}

impl<R: AsyncRead + Unpin + Send> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, mut message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let output = self.output.clone();
        if let Some(direct) = &mut self.direct {
            direct.sent(&message);
        }
        clean_error(&mut message);
        async move { output.send(line_of(&message)).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            self.hand_on().await;
            match self.read().await {
                Ok(Read::Line) => {}
                Ok(Read::TooLong) => {
                    let message = format!("the line has more than {MOST_BYTES} bytes");
                    answer(&self.output, JsonRpcError::new(None, ErrorData::invalid_request(message, None))).await;
                    continue;
                }
                Ok(Read::End) => break,
                Err(error) => {
                    tracing::warn!(%error, "the input cannot be read");
                    break;
                }
            }
            let mut line = std::mem::take(&mut self.line);
            let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line).trim_ascii();
            if text.is_empty() {
                continue;
            }
            if self.direct.as_ref().and_then(|direct| direct.answer(text, &mut self.answers)).is_some() {
                line.clear();
                self.line = line;
                continue;
            }
            match shape::read(text) {
                Ok(message) => {
                    if let Some(direct) = &mut self.direct {
                        direct.received(&message);
                    }
                    return Some(message);
                }
                Err(error) => answer(&self.output, *error).await,
            }
        }
        self.ended.cancel();
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

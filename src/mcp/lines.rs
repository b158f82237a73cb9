//! One message a line, both ways. Unlike the transport of the protocol's crate it answers what it cannot read, instead of being silent, and writes
//! what waits in one go.

use std::io;

use rmcp::{
    RoleServer,
    model::{ErrorData, JsonRpcError},
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

use super::{error::clean_error, shape};

/// The longest line in bytes, the same as the largest body that HTTP takes by default.
const MOST_BYTES: usize = 1 << 20;
/// Messages that wait to be written.
const WAITING: usize = 256;
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
}

/// Writes until nobody sends any more. Await it for everything to be out.
pub(super) type Writer = JoinHandle<io::Result<()>>;

impl<R: AsyncRead + Unpin + Send> Lines<R> {
    /// `ended` is cancelled when the input has come to its end.
    pub(super) fn new(input: R, output: impl AsyncWrite + Unpin + Send + 'static, ended: CancellationToken) -> (Self, Writer) {
        let (sender, waiting) = mpsc::channel(WAITING);
        let writer = tokio::spawn(write(output, waiting));
        (Self { input: BufReader::with_capacity(CHUNK, input), line: Vec::new(), skipping: false, output: sender, ended }, writer)
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

async fn write(mut output: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let mut lines = Vec::with_capacity(WAITING);
    let mut all = Vec::new();
    while waiting.recv_many(&mut lines, WAITING).await > 0 {
        all.clear();
        lines.drain(..).for_each(|line| all.extend_from_slice(&line));
        output.write_all(&all).await?;
        output.flush().await?;
        all.shrink_to(CHUNK);
    }
    Ok(())
}

impl<R: AsyncRead + Unpin + Send> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, mut message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let output = self.output.clone();
        clean_error(&mut message);
        async move { output.send(line_of(&message)).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
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
            let line = std::mem::take(&mut self.line);
            let text = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line).trim_ascii();
            if text.is_empty() {
                continue;
            }
            match shape::read(text) {
                Ok(message) => return Some(message),
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

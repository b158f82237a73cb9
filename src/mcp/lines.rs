//! One message a line, both ways. Unlike the transport of the protocol's crate it answers what it cannot read, instead of being silent, writes
//! what waits in one go, and answers on the spot what needs nobody else.

mod input;
mod meeting;
mod output;

use std::{io, sync::Arc};

use rmcp::{
    RoleServer,
    model::{ErrorData, JsonRpcError},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use self::{
    input::{Input, MOST_BYTES, Read},
    meeting::{Answerer, Meeting},
    output::{CHUNK, Spare, write},
};
use super::{Hub, error::clean_error, shape};
use crate::types::access::Principal;

/// Messages that wait to be written.
const WAITING: usize = 256;
/// Bytes of answers that wait behind them. A client that does not read for so long is answered the usual way, which is slower.
const MOST_UNWRITTEN: usize = 4 << 20;

/// A transport over a reader and a writer.
pub(super) struct Lines<R> {
    input: Input<R>,
    output: mpsc::Sender<Vec<u8>>,
    ended: CancellationToken,
    meeting: Meeting,
    /// For calls that are answered here.
    answerer: Option<Answerer>,
    /// Answers to such calls that were not handed to the writer yet.
    answers: Vec<u8>,
    spare: Spare,
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
        let answerer = hub.map(|(hub, caller)| Answerer { hub, caller });
        let input = Input::new(input);
        (Self { input, output: sender, ended, meeting: Meeting::Begun, answerer, answers: Vec::new(), spare }, writer)
    }

    /// Answers this on the spot; none if it must go the usual way.
    fn answered(&mut self, message: &[u8]) -> Option<()> {
        let (Some(answerer), Meeting::Done(way)) = (&self.answerer, &self.meeting) else { return None };
        if self.answers.len() >= MOST_UNWRITTEN {
            return None;
        }
        answerer.answer(*way, message, &mut self.answers)
    }

    /// Answers what cannot be read.
    fn refuse(&mut self, error: &JsonRpcError) {
        // Who sends so much of it and reads nothing of the answers is not waiting for them.
        if self.answers.len() < 2 * MOST_UNWRITTEN {
            self.answers.extend_from_slice(&line_of(error));
        }
    }

    /// The next line that is not too long; none at the end, or once nobody reads. Answers go to the writer meanwhile, where there are many or nothing
    /// else can be done at once. Nothing is lost if the future is dropped.
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let due = self.answers.len() >= CHUNK || (!self.answers.is_empty() && !self.input.is_ready());
            let read = tokio::select! {
                biased;
                place = self.output.reserve(), if due => {
                    place.ok()?.send(std::mem::replace(&mut self.answers, self.spare.take()));
                    continue;
                }
                read = self.input.read() => read,
            };
            match read {
                Ok(Read::Line(line)) => return Some(line),
                Ok(Read::TooLong) => {
                    let message = format!("the line has more than {MOST_BYTES} bytes");
                    self.refuse(&JsonRpcError::new(None, ErrorData::invalid_request(message, None)));
                }
                Ok(Read::End) => return None,
                Err(error) => {
                    tracing::warn!(%error, "the input cannot be read");
                    return None;
                }
            }
        }
    }
}

fn line_of(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

impl<R: AsyncRead + Unpin + Send> Transport<RoleServer> for Lines<R> {
    type Error = io::Error;

    fn send(&mut self, mut message: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let output = self.output.clone();
        self.meeting.sent(&message);
        clean_error(&mut message);
        async move { output.send(line_of(&message)).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        while let Some(line) = self.next().await {
            let message = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&line).trim_ascii();
            if message.is_empty() {
                continue;
            }
            if self.answered(message).is_some() {
                self.input.give_back(line);
                continue;
            }
            match shape::read(message) {
                Ok(message) => {
                    self.meeting.received(&message);
                    return Some(message);
                }
                Err(error) => self.refuse(&error),
            }
        }
        self.ended.cancel();
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

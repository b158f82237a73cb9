//! Reads lines of a bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// The longest line in bytes, the same as the largest body that HTTP takes by default.
pub(super) const MOST_BYTES: usize = 1 << 20;
/// Read at once.
const CHUNK: usize = 64 << 10;

/// What was read.
pub(super) enum Read {
    Line(Vec<u8>),
    TooLong,
    End,
}

/// The lines of a reader.
pub(super) struct Input<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// The rest of a line that is too long is being passed over.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(CHUNK, reader), line: Vec::new(), skipping: false }
    }

    /// Whether the next line is there.
    pub(super) fn is_ready(&self) -> bool {
        memchr::memchr(b'\n', self.reader.buffer()).is_some()
    }

    /// A line's memory, to be used for the next.
    pub(super) fn give_back(&mut self, mut line: Vec<u8>) {
        if self.line.is_empty() {
            line.clear();
            self.line = line;
        }
    }

    /// The next line. Nothing is lost if the future is dropped.
    pub(super) async fn read(&mut self) -> io::Result<Read> {
        loop {
            let there = self.reader.fill_buf().await?;
            if there.is_empty() {
                // A last line without its end still counts.
                let rest = !self.line.is_empty() && !std::mem::take(&mut self.skipping);
                return Ok(if rest { self.whole() } else { Read::End });
            }
            let end = memchr::memchr(b'\n', there);
            let taken = end.map_or(there.len(), |at| at + 1);
            let fits = self.line.len() + taken <= MOST_BYTES;
            if fits && !self.skipping {
                self.line.extend_from_slice(&there[..taken]);
            }
            self.reader.consume(taken);
            match (end, fits, self.skipping) {
                (Some(_), _, true) => self.skipping = false,
                (None, _, true) | (None, true, false) => {}
                (Some(_), true, false) => return Ok(self.whole()),
                (at, false, false) => {
                    self.skipping = at.is_none();
                    self.line.clear();
                    return Ok(Read::TooLong);
                }
            }
        }
    }

    fn whole(&mut self) -> Read {
        Read::Line(std::mem::take(&mut self.line))
    }
}

//! A file read from the front by positioned reads, with a buffer for decoders to look ahead in.
//!
//! Remembers what decoders lose on the way: whether the file ended under them, and what the system said when reading failed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::stream::Fault;

/// Bytes fetched at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// A file and how much of it is ours to read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    pub(super) bytes: Option<u64>,
}

impl Source {
    /// Reads at an offset, never beyond the length at opening; 0 at the end, wherever that is by now.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = self.bytes.map_or(u64::MAX, |bytes| bytes.saturating_sub(offset));
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        // The kernel takes no offset beyond that, and no file goes further.
        if most == 0 || i64::try_from(offset).is_err() {
            return Ok(0);
        }
        loop {
            match self.file.read_at(&mut buffer[..most], offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// The position in a file, and the bytes there.
#[derive(Debug)]
pub(super) struct Front {
    source: Arc<Source>,
    /// Where the next bytes are fetched.
    offset: u64,
    /// Allocated when first looked into: a plain file needs none.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the bytes that were taken end, for who watches.
    consumed: Arc<AtomicU64>,
    /// How much may still be taken through `Read`.
    allowance: u64,
    ended: bool,
    failed: Option<(ErrorKind, String)>,
}

impl Front {
    pub(super) fn new(source: &Arc<Source>, consumed: &Arc<AtomicU64>) -> Self {
        let (source, consumed) = (Arc::clone(source), Arc::clone(consumed));
        Self { source, offset: 0, buffer: Vec::new(), start: 0, end: 0, consumed, allowance: u64::MAX, ended: false, failed: None }
    }

    /// The buffered bytes, at least `least` of them (at most 4 KiB) unless the file ends before.
    pub(super) fn peek(&mut self, least: usize) -> Result<&[u8], Fault> {
        debug_assert!(least <= 4 << 10);
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER_BYTES];
        }
        if self.end - self.start < least && self.buffer.len() - self.start < least {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        while self.end - self.start < least {
            let read = self.source.read_at(&mut self.buffer[self.end..], self.offset).map_err(Fault::from)?;
            if read == 0 {
                self.ended = true;
                break;
            }
            self.end += read;
            self.offset += read as u64;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Some bytes; none only at the end.
    pub(super) fn some(&mut self) -> Result<&[u8], Fault> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        self.peek(1)
    }

    /// Takes bytes that were looked at.
    pub(super) fn take(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
        self.tell();
    }

    /// Goes over bytes without reading them; false when the file ends before.
    pub(super) fn skip(&mut self, bytes: u64) -> bool {
        let buffered = (self.end - self.start) as u64;
        if bytes <= buffered {
            self.start += usize::try_from(bytes).unwrap_or_default();
        } else {
            self.offset = self.offset.saturating_add(bytes - buffered);
            (self.start, self.end) = (0, 0);
        }
        self.tell();
        self.source.bytes.is_none_or(|length| self.position() <= length)
    }

    /// Reads past the buffer, for what needs no decoding.
    pub(super) fn read_through(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let read = self.source.read_at(out, self.offset).map_err(Fault::from)?;
        self.offset += read as u64;
        self.tell();
        Ok(read)
    }

    /// How many bytes `Read` gives from now on before it fails.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.allowance = bytes;
    }

    /// Why a decoder that read from here gave up.
    pub(super) fn fault(&mut self) -> Fault {
        match self.failed.take() {
            Some((kind, text)) => Fault::Io(kind, text),
            None if self.ended => Fault::Ends,
            None => Fault::Damaged,
        }
    }

    fn position(&self) -> u64 {
        self.offset - (self.end - self.start) as u64
    }

    fn tell(&self) {
        self.consumed.store(self.position(), Ordering::Relaxed);
    }
}

impl Read for Front {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.allowance == 0 {
            return Err(io::Error::other("nothing was decoded from all that was read"));
        }
        match self.some() {
            Ok(bytes) => {
                let taken = bytes.len().min(out.len());
                out[..taken].copy_from_slice(&bytes[..taken]);
                self.allowance = self.allowance.saturating_sub(taken as u64);
                self.take(taken);
                Ok(taken)
            }
            Err(fault) => {
                if let Fault::Io(kind, text) = &fault {
                    self.failed = Some((*kind, text.clone()));
                }
                Err(io::Error::other("reading failed"))
            }
        }
    }
}

//! Cuts a byte stream into blocks of whole records, in bounded memory.
//!
//! [`Lines`] makes lines out of bytes, [`Feed`] makes sure that no record is torn between two blocks. A block can therefore be analysed
//! without its neighbours, on any thread. No mmap: a file that is truncated while mapped would kill the process.
//!
//! **Invariant:** what lies in the blocks does not depend on their size: a line is cut at [`MAX_LINE_BYTES`], and of a record longer
//! than [`MAX_RECORD_BYTES`] the further lines are counted and not kept.

use std::io::{self, ErrorKind, Read};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::formats::{Line, LineReader};

/// Bytes read at a time: small enough to stay in a core's cache, large enough that a block's fixed cost does not matter.
pub(crate) const BLOCK_BYTES: usize = 512 << 10;

/// A line is cut here; the rest of it is read over.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

/// Lines that begin no record are added to the one before them up to this length together.
pub(crate) const MAX_RECORD_BYTES: usize = MAX_LINE_BYTES;

/// A buffer does not shrink below this.
const MAX_KEPT_BYTES: usize = 2 * BLOCK_BYTES;

/// Decoded bytes, and how much of the file they took.
pub(crate) trait Bytes: Read + Send {
    /// Bytes of the file that were read so far.
    fn consumed(&self) -> u64;
}

/// When to stop.
#[derive(Clone, Copy)]
pub(crate) struct Limits<'a> {
    /// Bytes read at a time, 1 to [`MAX_LINE_BYTES`]; changes no result.
    pub(crate) block_bytes: usize,
    /// The caller's wish to stop; looked at before each read.
    pub(crate) cancel: &'a CancellationToken,
    /// The latest moment to begin a read.
    pub(crate) deadline: Option<Instant>,
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// At the end of the stream.
    Finished,
    /// By the caller.
    Cancelled,
    /// By the deadline.
    Deadline,
}

impl Limits<'_> {
    /// Why to stop now, if so.
    pub(crate) fn reached(&self) -> Option<Ended> {
        if self.cancel.is_cancelled() {
            Some(Ended::Cancelled)
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(Ended::Deadline)
        } else {
            None
        }
    }
}

/// A growing buffer that is not zeroed again each time it is filled.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    used: usize,
}

impl Buffer {
    /// What is in it.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.used]
    }

    fn room(&mut self, most: usize) -> &mut [u8] {
        let end = self.used + most;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.used..end]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
    }

    /// Removes all from `at` and appends it to `rest`.
    fn split_into(&mut self, at: usize, rest: &mut Vec<u8>) {
        rest.extend_from_slice(&self.bytes[at..self.used]);
        self.used = at;
    }

    fn remove_front(&mut self, bytes: usize) {
        self.bytes.copy_within(bytes..self.used, 0);
        self.used -= bytes;
    }

    fn clear(&mut self) {
        self.used = 0;
        // A single giant record must not hold its memory for ever.
        self.bytes.truncate(MAX_KEPT_BYTES);
        self.bytes.shrink_to(MAX_KEPT_BYTES);
    }
}

/// What [`Lines::append`] found.
#[derive(PartialEq, Eq)]
enum Appended {
    /// Whole lines.
    Lines,
    /// Whole lines of which the last was cut at [`MAX_LINE_BYTES`] and has no newline.
    Cut,
    /// Nothing: the end.
    End,
    /// Nothing: a limit.
    Stopped(Ended),
}

/// Whole lines of a stream.
struct Lines<'a> {
    input: Box<dyn Bytes + 'a>,
    /// Of a line whose end was not read yet.
    partial: Vec<u8>,
    /// Where `partial` begins.
    offset: u64,
    /// The end of a line that was cut is looked for.
    skipping: bool,
}

impl Lines<'_> {
    /// Appends whole lines, at least one unless nothing is left; the last of the stream may lack its newline. All are contiguous, from
    /// the offset that is returned.
    fn append(&mut self, out: &mut Buffer, limits: &Limits<'_>) -> io::Result<(u64, Appended)> {
        let block = limits.block_bytes.clamp(1, MAX_LINE_BYTES);
        let start = out.used;
        out.append(&self.partial);
        self.partial.clear();
        // Behind a line that was cut, whole lines may have been kept.
        if let Some(newline) = memchr::memrchr(b'\n', &out.filled()[start..]) {
            return Ok((self.offset, self.take(out, start, start + newline + 1)));
        }
        loop {
            if let Some(ended) = limits.reached() {
                out.split_into(start, &mut self.partial);
                return Ok((self.offset, Appended::Stopped(ended)));
            }
            let read = match self.input.read(out.room(block)) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // What came before the fault is whole as far as it goes; the caller asks again and hears of the fault then.
                    out.split_into(start, &mut self.partial);
                    return Err(error);
                }
            };
            let fresh = out.used;
            out.used += read;
            if self.skipping && !self.skip(out, fresh, read) {
                if read == 0 {
                    return Ok((self.offset, Appended::End));
                }
                continue;
            }
            let offset = self.offset;
            if read == 0 {
                self.offset += (out.used - start) as u64;
                return Ok((offset, if out.used > start { Appended::Lines } else { Appended::End }));
            }
            if let Some(newline) = memchr::memrchr(b'\n', &out.filled()[fresh..]) {
                return Ok((offset, self.take(out, start, fresh + newline + 1)));
            }
            if out.used - start > MAX_LINE_BYTES {
                return Ok((offset, self.cut(out, start, None)));
            }
        }
    }

    /// Lines up to `end`, the rest is kept. Only the first can be too long: no other is longer than what one read brings.
    fn take(&mut self, out: &mut Buffer, start: usize, end: usize) -> Appended {
        let first = memchr::memchr(b'\n', &out.filled()[start..end]).unwrap_or(end - start);
        if first > MAX_LINE_BYTES {
            return self.cut(out, start, Some(start + first + 1));
        }
        out.split_into(end, &mut self.partial);
        self.offset += (end - start) as u64;
        Appended::Lines
    }

    /// Keeps the beginning of the line at `start` alone; what follows it from `next` is read again, or its end is still to be found.
    fn cut(&mut self, out: &mut Buffer, start: usize, next: Option<usize>) -> Appended {
        self.offset += (next.unwrap_or(out.used) - start) as u64;
        self.skipping = next.is_none();
        if let Some(next) = next {
            out.split_into(next, &mut self.partial);
        }
        out.used = start + MAX_LINE_BYTES;
        Appended::Cut
    }

    /// Drops what belongs to the line that was cut; false when its end was not among the `read` bytes from `fresh`.
    fn skip(&mut self, out: &mut Buffer, fresh: usize, read: usize) -> bool {
        let Some(newline) = memchr::memchr(b'\n', &out.filled()[fresh..]) else {
            out.used = fresh;
            self.offset += read as u64;
            return false;
        };
        let tail = fresh + newline + 1;
        out.bytes.copy_within(tail..out.used, fresh);
        out.used -= newline + 1;
        self.offset += newline as u64 + 1;
        self.skipping = false;
        true
    }
}

/// Whole records.
#[derive(Default)]
pub(crate) struct Block {
    buffer: Buffer,
    /// Where its bytes begin in the decoded stream.
    pub(crate) offset: u64,
    /// Its number, from 0.
    pub(crate) number: usize,
    /// Lines between the block before and this one that were read over.
    pub(crate) skipped_lines: u64,
}

impl Block {
    /// Its bytes: lines, the last of which may lack its newline.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.filled()
    }
}

/// Hands out the blocks of one file, in order.
pub(crate) struct Feed<'a> {
    lines: Lines<'a>,
    reader: LineReader,
    /// The record that may go on, and where it begins.
    open: Vec<u8>,
    open_offset: u64,
    /// Lines are read over until a record begins.
    passing: bool,
    blocks: usize,
    /// Lines longer than [`MAX_LINE_BYTES`].
    pub(crate) cut_lines: u64,
    /// Why it ended, once it did.
    pub(crate) ended: Option<Ended>,
}

impl<'a> Feed<'a> {
    /// Of bytes whose first is at `offset` and begins a record; `reader` knows where others begin.
    pub(crate) fn new(input: Box<dyn Bytes + 'a>, offset: u64, reader: LineReader) -> Self {
        let lines = Lines { input, partial: Vec::new(), offset, skipping: false };
        Self { lines, reader, open: Vec::new(), open_offset: offset, passing: false, blocks: 0, cut_lines: 0, ended: None }
    }

    /// Bytes of the file that were read so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.lines.input.consumed()
    }

    /// Puts the next block into `block`; false when there is none, and `ended` says why.
    ///
    /// # Errors
    /// What the input says, after all that came before the fault was handed out.
    pub(crate) fn next(&mut self, block: &mut Block, limits: &Limits<'_>) -> io::Result<bool> {
        let buffer = &mut block.buffer;
        buffer.clear();
        buffer.append(&self.open);
        self.open.clear();
        block.offset = self.open_offset;
        block.skipped_lines = 0;
        if self.ended.is_some() {
            return Ok(self.hand_out(block));
        }
        loop {
            let start = block.buffer.used;
            let appended = self.lines.append(&mut block.buffer, limits);
            let (offset, what) = match appended {
                Ok(found) => found,
                Err(error) => {
                    self.open.extend_from_slice(block.buffer.filled());
                    self.ended.get_or_insert(Ended::Finished);
                    return Err(error);
                }
            };
            if start == 0 {
                block.offset = offset;
            }
            match what {
                Appended::Stopped(ended) => {
                    self.ended = Some(ended);
                    // A record that a limit tore apart is not a record.
                    return Ok(false);
                }
                Appended::End => {
                    self.ended = Some(Ended::Finished);
                    return Ok(self.hand_out(block));
                }
                Appended::Lines | Appended::Cut => {}
            }
            if self.passing {
                self.pass(block);
            }
            if what == Appended::Cut {
                self.cut_lines += 1;
                // Further lines of its record are beyond the limit in any case.
                self.passing = true;
                self.open_offset = self.lines.offset;
                if block.buffer.used > 0 {
                    return Ok(self.hand_out(block));
                }
                continue;
            }
            if let Some(last) = self.last_record(block.bytes()) {
                block.buffer.split_into(last, &mut self.open);
                self.open_offset = block.offset + last as u64;
                return Ok(self.hand_out(block));
            }
            if block.buffer.used > MAX_RECORD_BYTES {
                self.passing = true;
                self.open_offset = self.lines.offset;
                return Ok(self.hand_out(block));
            }
        }
    }

    fn hand_out(&mut self, block: &mut Block) -> bool {
        block.number = self.blocks;
        self.blocks += 1;
        block.buffer.used > 0 || block.skipped_lines > 0
    }

    /// Reads over the lines of `block`, from its beginning, that go on with a record that is too long already.
    fn pass(&mut self, block: &mut Block) {
        let mut before = None;
        let mut end = block.buffer.used;
        for (at, line) in lines(block.buffer.filled()) {
            if !line.trim_ascii().is_empty() && matches!(self.reader.read(line, before), Line::Head { .. }) {
                end = at;
                self.passing = false;
                break;
            }
            block.skipped_lines += 1;
            before = Some(line);
        }
        block.buffer.remove_front(end);
        block.offset += end as u64;
    }

    /// Where the last record of these lines begins, if not at 0.
    fn last_record(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = bytes.len();
        loop {
            let start = memchr::memrchr(b'\n', bytes.get(..end.checked_sub(1)?)?)? + 1;
            let line = strip_cr(bytes[start..end].strip_suffix(b"\n").unwrap_or(&bytes[start..end]));
            let before_start = memchr::memrchr(b'\n', &bytes[..start - 1]).map_or(0, |at| at + 1);
            let before = strip_cr(&bytes[before_start..start - 1]);
            if !line.trim_ascii().is_empty() && matches!(self.reader.read(line, Some(before)), Line::Head { .. }) {
                return Some(start);
            }
            end = start;
        }
    }
}

fn strip_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The lines of a block with the place where each begins, without their newline or CRLF.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', block).chain((!block.is_empty() && block.last() != Some(&b'\n')).then_some(block.len()));
    ends.map(move |end| {
        let line = &block[start..end];
        let at = std::mem::replace(&mut start, end + 1);
        (at, strip_cr(line))
    })
}

#[cfg(test)]
mod tests;

//! Cuts a byte stream into blocks of whole lines, in bounded memory.
//!
//! Knows nothing of what a line says. No mmap: a file that is truncated while mapped would kill the process.
//! Memory is the longest line plus a block, whatever the input.

use std::io::{self, ErrorKind, Read};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

/// Bytes read at a time.
pub(crate) const BLOCK_BYTES: usize = 1 << 20;

/// A line is cut here; the rest of it is read over.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

/// When to stop.
pub(crate) struct Limits<'a> {
    /// Bytes read at a time, 1 to [`MAX_LINE_BYTES`]; changes no result.
    pub(crate) block_bytes: usize,
    /// The caller's wish to stop; looked at before each block.
    pub(crate) cancel: &'a CancellationToken,
    /// The latest moment to begin a block.
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

/// How far reading came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) bytes: u64,
    /// Lines longer than [`MAX_LINE_BYTES`].
    pub(crate) cut_lines: u64,
    pub(crate) ended: Ended,
}

/// Reads to the end or a limit. `each` gets runs of whole lines (the last may lack its newline, none is longer than [`MAX_LINE_BYTES`])
/// and the number of bytes read so far.
///
/// # Errors
/// What the reader says; `each` has then seen all before it.
pub(crate) fn blocks(mut input: impl Read, limits: &Limits<'_>, mut each: impl FnMut(&[u8], u64)) -> io::Result<Scanned> {
    let block = limits.block_bytes.clamp(1, MAX_LINE_BYTES);
    let mut buffer = vec![0; MAX_LINE_BYTES + block];
    let mut scanned = Scanned { bytes: 0, cut_lines: 0, ended: Ended::Finished };
    let mut pending = 0;
    let mut skipping = false;
    loop {
        if limits.cancel.is_cancelled() {
            scanned.ended = Ended::Cancelled;
            break;
        }
        if limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            scanned.ended = Ended::Deadline;
            break;
        }
        let read = match input.read(&mut buffer[pending..pending + block]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        scanned.bytes += read as u64;
        let end = pending + read;
        let mut start = 0;
        // Only the first line of the buffer can be too long: no other is longer than what one read brings.
        match memchr::memchr(b'\n', &buffer[pending..end]).map(|at| pending + at) {
            None if skipping => continue,
            None if end > MAX_LINE_BYTES => {
                each(&buffer[..MAX_LINE_BYTES], scanned.bytes);
                scanned.cut_lines += 1;
                (skipping, pending) = (true, 0);
                continue;
            }
            None => {
                pending = end;
                continue;
            }
            Some(newline) if skipping => (skipping, start) = (false, newline + 1),
            Some(newline) if newline > MAX_LINE_BYTES => {
                each(&buffer[..MAX_LINE_BYTES], scanned.bytes);
                scanned.cut_lines += 1;
                start = newline + 1;
            }
            Some(_) => {}
        }
        let whole = memchr::memrchr(b'\n', &buffer[start..end]).map_or(start, |at| start + at + 1);
        if whole > start {
            each(&buffer[start..whole], scanned.bytes);
        }
        buffer.copy_within(whole..end, 0);
        pending = end - whole;
    }
    // A line that a limit tore apart is not a line.
    if pending > 0 && scanned.ended == Ended::Finished {
        each(&buffer[..pending], scanned.bytes);
    }
    Ok(scanned)
}

/// The lines of a block with the place where each begins, without their newline or CRLF.
pub(crate) fn lines(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', block).chain((block.last() != Some(&b'\n')).then_some(block.len()));
    ends.map(move |end| {
        let line = &block[start..end];
        let at = std::mem::replace(&mut start, end + 1);
        (at, line.strip_suffix(b"\r").unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn collect(input: &[u8], block_bytes: usize) -> (Vec<Vec<u8>>, u64) {
        let mut out = Vec::new();
        let limits = Limits { block_bytes, cancel: &CancellationToken::new(), deadline: None };
        let scanned = blocks(input, &limits, |block, _| out.extend(lines(block).map(|(_, l)| l.to_vec()))).unwrap();
        assert_eq!((scanned.bytes, scanned.ended), (input.len() as u64, Ended::Finished));
        (out, scanned.cut_lines)
    }

    #[test]
    fn a_line_beyond_the_limit_is_cut_whatever_the_block() {
        let long = vec![b'x'; MAX_LINE_BYTES + 1];
        let exact = vec![b'y'; MAX_LINE_BYTES];
        let input = [b"a\n".as_slice(), &long, b"\nb\r\n", &exact, b"\n\nc", &[b'z'; 3 * MAX_LINE_BYTES], b"\nlast"].concat();
        let want = collect(&input, MAX_LINE_BYTES);
        assert_eq!(want.1, 2);
        assert_eq!(want.0.iter().map(Vec::len).collect::<Vec<_>>(), [1, MAX_LINE_BYTES, 1, MAX_LINE_BYTES, 0, MAX_LINE_BYTES, 4]);
        for block in [4_096, 65_537, MAX_LINE_BYTES - 1] {
            assert!(collect(&input, block) == want, "block of {block}");
        }
    }

    #[test]
    fn stops_when_told() {
        let cancel = CancellationToken::new();
        let mut seen = 0;
        let limits = Limits { block_bytes: 2, cancel: &cancel, deadline: None };
        let scanned = blocks(b"1\n2\n3\n4\n".as_slice(), &limits, |_, _| {
            seen += 1;
            if seen == 2 {
                cancel.cancel();
            }
        });
        assert_eq!(scanned.unwrap(), Scanned { bytes: 4, cut_lines: 0, ended: Ended::Cancelled });
        let past = Limits { block_bytes: 2, cancel: &CancellationToken::new(), deadline: Some(Instant::now()) };
        assert_eq!(blocks(b"1\n".as_slice(), &past, |_, _| panic!("nothing is read")).unwrap().ended, Ended::Deadline);
    }

    proptest! {
        #[test]
        fn any_block_size_gives_the_same_lines(input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), any::<u8>()], 0..400), block in 1..50_usize) {
            prop_assert_eq!(collect(&input, block), collect(&input, BLOCK_BYTES));
        }
    }
}

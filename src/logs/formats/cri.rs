//! The container runtime interface of Kubernetes: `2026-01-26T10:30:45.123456789Z stdout F text`, `P` for a part of a line.
//!
//! What the text says is read by the reader of the file, which also joins the parts.

use super::{Context, Format, Record, shared::text::word};
use crate::logs::time::{Nanos, TimeReader};

/// CRI.
pub(super) struct Cri;

/// What a line holds.
pub(super) struct Wrapped<'l> {
    pub(super) text: &'l [u8],
    pub(super) time: Nanos,
    /// Where it was written to.
    pub(super) stream: Stream,
    /// The rest of the text is in the next line of this stream.
    pub(super) partial: bool,
}

/// What a container writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Takes a line apart.
pub(super) fn unwrap<'l>(line: &'l [u8], times: &mut TimeReader) -> Option<Wrapped<'l>> {
    let (stream, partial, text) = parts(line)?;
    let (stamp, _) = word(line);
    Some(Wrapped { text, time: times.read_whole(stamp)?, stream, partial })
}

/// Whether the rest of its text is in the next line, if that is of this stream.
pub(super) fn is_partial(line: &[u8], stream: Stream) -> bool {
    parts(line).is_some_and(|(of, partial, _)| partial && of == stream)
}

/// The text of a line; the line itself where it is none of this format.
pub(super) fn text(line: &[u8]) -> &[u8] {
    parts(line).map_or(line, |(_, _, text)| text)
}

fn parts(line: &[u8]) -> Option<(Stream, bool, &[u8])> {
    if line.get(10) != Some(&b'T') {
        return None;
    }
    // The shortest stamp has twenty bytes, the longest thirty-five.
    let blank = memchr::memchr(b' ', line.get(..36.min(line.len()))?)?;
    let rest = line[blank..].strip_prefix(b" std")?;
    let out = rest.strip_prefix(b"out ").map(|rest| (Stream::Out, rest));
    let (stream, rest) = out.or_else(|| Some((Stream::Err, rest.strip_prefix(b"err ")?)))?;
    let (tag, after) = rest.split_first()?;
    let text = after.strip_prefix(b" ").or(after.is_empty().then_some(after))?;
    match tag {
        b'F' => Some((stream, false, text)),
        b'P' => Some((stream, true, text)),
        _ => None,
    }
}

impl Format for Cri {
    fn name(&self) -> &'static str {
        "cri"
    }

    fn summary(&self) -> &'static str {
        "containerd and CRI-O (Kubernetes), long lines joined; what is in it is read by its own format"
    }

    fn example(&self) -> &'static str {
        "2026-01-26T10:30:45.123456789Z stdout F listening"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let wrapped = unwrap(line, &mut context.times)?;
        Some(Record::of(Some(wrapped.time), None, None, wrapped.text))
    }
}

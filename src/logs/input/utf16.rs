//! UTF-16 to UTF-8. What is no character becomes U+FFFD, and a byte order mark at the front is left out.

use std::io::{self, Read};

use super::Encoding;

/// Bytes converted at a time; even.
const CHUNK_BYTES: usize = 32 << 10;

/// Units that must be seen before a file without a byte order mark is taken for UTF-16.
const LEAST_UNITS: usize = 16;

/// The encoding of a text that begins so.
pub(super) fn detect(head: &[u8]) -> Encoding {
    match head {
        // UTF-32 begins likewise, and is none of ours.
        [0xff, 0xfe, 0, 0, ..] => Encoding::Utf8,
        [0xff, 0xfe, ..] => Encoding::Utf16Le,
        [0xfe, 0xff, ..] => Encoding::Utf16Be,
        _ => without_mark(head),
    }
}

/// Log text is mostly ASCII, whatever its language: times, levels, digits. In UTF-16 every second byte of that is NUL and the others are
/// not, but for a few (of U+4E00, a frequent word). Neither UTF-8 text nor the NULs of a hole in a file have that pattern.
fn without_mark(head: &[u8]) -> Encoding {
    let (units, _) = head.as_chunks::<2>();
    if units.len() < LEAST_UNITS {
        return Encoding::Utf8;
    }
    let nuls = |at: usize| units.iter().filter(|unit| unit[at] == 0).count();
    let (first, second) = (nuls(0), nuls(1));
    let is_clear = |many: usize, few: usize| many * 10 >= units.len() * 6 && few * 16 <= units.len();
    match () {
        () if is_clear(second, first) => Encoding::Utf16Le,
        () if is_clear(first, second) => Encoding::Utf16Be,
        () => Encoding::Utf8,
    }
}

/// A reader of the text that another gives in UTF-16.
pub(super) struct Utf16<R> {
    inner: R,
    is_big_endian: bool,
    /// The chunk that is being converted; its first `kept` bytes were left over from the one before.
    raw: Vec<u8>,
    kept: usize,
    text: String,
    given: usize,
    is_first: bool,
}

impl<R: Read> Utf16<R> {
    pub(super) fn new(inner: R, is_big_endian: bool) -> Self {
        Self { inner, is_big_endian, raw: Vec::new(), kept: 0, text: String::new(), given: 0, is_first: true }
    }

    /// Converts the next chunk; false at the end.
    fn refill(&mut self) -> io::Result<bool> {
        self.raw.resize(CHUNK_BYTES, 0);
        let read = self.inner.read(&mut self.raw[self.kept..])?;
        let end = self.kept + read;
        (self.given, self.kept) = (0, 0);
        self.text.clear();
        let (units, odd) = self.raw[..end].as_chunks::<2>();
        let unit = |bytes: &[u8; 2]| if self.is_big_endian { u16::from_be_bytes(*bytes) } else { u16::from_le_bytes(*bytes) };
        // A character may go on in the next chunk.
        let is_torn = read > 0 && units.last().is_some_and(|last| (0xd800..0xdc00).contains(&unit(last)));
        let whole = &units[..units.len() - usize::from(is_torn)];
        let skipped = usize::from(self.is_first && whole.first().is_some_and(|first| unit(first) == 0xfeff));
        self.is_first &= whole.is_empty();
        let characters = char::decode_utf16(whole[skipped..].iter().map(unit));
        self.text.extend(characters.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
        if read == 0 && !odd.is_empty() {
            self.text.push(char::REPLACEMENT_CHARACTER);
        } else if read > 0 {
            let left = whole.len() * 2;
            self.kept = end - left;
            self.raw.copy_within(left..end, 0);
        }
        Ok(read > 0)
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.given == self.text.len() {
            if !self.refill()? && self.text.is_empty() {
                return Ok(0);
            }
        }
        let left = &self.text.as_bytes()[self.given..];
        let given = left.len().min(out.len());
        out[..given].copy_from_slice(&left[..given]);
        self.given += given;
        Ok(given)
    }
}

//! Takes from a line what is not text: ends of lines, byte order marks, terminal escapes.

use std::borrow::Cow;

/// A line without its carriage return, a byte order mark or zeros at its start, and escapes of terminals.
pub(super) fn clean(line: &[u8]) -> Cow<'_, [u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let line = match line.first() {
        Some(0) => &line[line.iter().position(|b| *b != 0).unwrap_or(line.len())..],
        _ => line,
    };
    if memchr::memchr(0x1b, line).is_none() { Cow::Borrowed(line) } else { Cow::Owned(without_escapes(line)) }
}

/// The text without escape sequences: `ESC [ parameters letter`, `ESC ] text BEL` and `ESC letter`.
fn without_escapes(line: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(0x1b, rest) {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let end = match rest.first() {
            Some(b'[') => rest.iter().skip(1).position(|b| (0x40..=0x7e).contains(b)).map(|at| at + 2),
            Some(b']') => rest.iter().position(|b| *b == 7).map(|at| at + 1),
            Some(_) => Some(1),
            None => Some(0),
        };
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    text.extend_from_slice(rest);
    text
}

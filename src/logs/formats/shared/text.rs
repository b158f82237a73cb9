//! Small steps through bytes.

/// The text before and after the first `byte`.
pub(in super::super) fn split(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(byte, text)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The text up to the first blank or tab, and the text behind it without white space.
pub(in super::super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii_start())
}

/// The digits at the start, and the text behind them.
pub(in super::super) fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// A number of at most nine digits that `text` is as a whole.
pub(in super::super) fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    text.iter().try_fold(0, |value, b| b.is_ascii_digit().then(|| value * 10 + u32::from(b - b'0')))
}

/// An HTTP status of three digits with nothing but an end or a blank behind it.
pub(in super::super) fn status(text: &[u8]) -> Option<u16> {
    let (digits, after) = digits(text);
    let ended = after.first().is_none_or(|b| matches!(b, b' ' | b',' | b'"' | b')'));
    if digits.len() != 3 || !ended { None } else { number(digits).and_then(|n| u16::try_from(n).ok()).filter(|n| (100..600).contains(n)) }
}

/// The inside of the group that begins with the bracket at the start of `text`, brackets of its kind nested in it, and the text behind it.
pub(in super::super) fn group(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (open, close) = match text.first()? {
        b'[' => (b'[', b']'),
        b'(' => (b'(', b')'),
        b'{' => (b'{', b'}'),
        b'<' => (b'<', b'>'),
        _ => return None,
    };
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate().take(LONGEST_GROUP_BYTES) {
        if *byte == open {
            depth += 1;
        } else if *byte == close {
            depth -= 1;
            if depth == 0 {
                return Some((&text[1..at], &text[at + 1..]));
            }
        }
    }
    // Unbalanced: a name with a bracket in it, such as an exception's; the first end counts.
    let at = memchr::memchr(close, &text[..text.len().min(LONGEST_GROUP_BYTES)])?;
    Some((&text[1..at], &text[at + 1..]))
}

/// A longer group is text.
const LONGEST_GROUP_BYTES: usize = 300;

/// The part of `line` that begins at `start` and ends where `end` begins, both parts of `line`.
pub(in super::super) fn between<'l>(line: &'l [u8], start: &[u8], end: &[u8]) -> &'l [u8] {
    let from = line.len().saturating_sub(start.len());
    let to = line.len().saturating_sub(end.len()).max(from);
    &line[from..to]
}

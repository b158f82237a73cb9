//! Stage one: what is variable on sight.
//!
//! One pass over the bytes of a message cuts it into chunks at white space, brackets, quotes, `,` `;` `:` `=` and `|`. A chunk without
//! digit, slash, dot or `@` is nearly always copied as it is; the others are looked at by [`chunk`].

mod calendar;
mod chunk;

use super::{MOST_BYTES, WILDCARD};

/// Classes of bytes. A byte that is neither [`SPACE`] nor [`DELIMITER`] belongs to a chunk.
const SPACE: u8 = 1;
const DELIMITER: u8 = 2;
const DIGIT: u8 = 4;
const LETTER: u8 = 8;
const SLASH: u8 = 16;
const DOT: u8 = 32;
const AT: u8 = 64;
const HASH: u8 = 128;

/// The class of every byte. What is not ASCII counts as letters.
static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = match byte {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => LETTER,
            b'/' | b'\\' => SLASH,
            b'.' => DOT,
            b'@' => AT,
            b'#' => HASH,
            b',' | b';' | b':' | b'=' | b'|' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'"' | b'\'' | b'`' => DELIMITER,
            0..=b' ' | 0x7f => SPACE,
            _ => 0,
        };
        at += 1;
    }
    table
}

fn class(byte: u8) -> u8 {
    CLASS[usize::from(byte)]
}

/// Writes the masked form of a message into `out`, which is cleared first: variable parts replaced by `<*>`, white space made one blank.
/// Of the message only the first line counts, and of it the first [`MOST_BYTES`].
pub(crate) fn mask(message: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let text = head(message);
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let kind = class(byte);
        if kind & (SPACE | DELIMITER) == 0 {
            at = chunk_at(text, at, kind, out);
            continue;
        }
        at += 1;
        if kind & DELIMITER != 0 {
            if !is_bound(byte, &text[at..], out) {
                out.push(byte);
            }
        } else if out.last().is_some_and(|last| *last != b' ') {
            out.push(b' ');
        }
    }
    if out.last() == Some(&b' ') {
        out.pop();
    }
}

/// The part of a message that counts. A word that the bound would cut in two is left out, because half of it could look constant.
fn head(message: &[u8]) -> &[u8] {
    let bounded = &message[..message.len().min(MOST_BYTES)];
    if let Some(end) = memchr::memchr2(b'\n', b'\r', bounded) {
        return &bounded[..end];
    }
    if bounded.len() == message.len() {
        return bounded;
    }
    let end = bounded.iter().rposition(|byte| class(*byte) & SPACE != 0).unwrap_or(bounded.len());
    &bounded[..end]
}

/// Whether a byte is the sign of a number that is only bounded: `<1 ms`.
fn is_bound(byte: u8, after: &[u8], out: &[u8]) -> bool {
    matches!(byte, b'<' | b'>') && after.first().is_some_and(u8::is_ascii_digit) && out.last() == Some(&b' ')
}

/// Masks the chunk that starts at `start`, and returns where it ends.
fn chunk_at(text: &[u8], start: usize, first: u8, out: &mut Vec<u8>) -> usize {
    let mut seen = first;
    let mut end = start + 1;
    while end < text.len() {
        let kind = class(text[end]);
        if kind & (SPACE | DELIMITER) != 0 {
            break;
        }
        seen |= kind;
        end += 1;
    }
    let next = text.get(end).copied();
    if next == Some(b':')
        && let Some(past) = chunk::with_colons(text, start, end)
    {
        wildcard(out);
        return past;
    }
    if seen & (DIGIT | SLASH | DOT | AT) != 0 {
        return chunk::mask(text, start, end, seen, out);
    }
    let word = &text[start..end];
    if matches!(word.len(), 2..=9) && (calendar::is_date_word(word, text, end, out) || is_truth_value(word, text, end, out))
        || word.len() >= LEAST_HEX_WORD && word.iter().all(u8::is_ascii_hexdigit)
        || word == b"localhost" && chunk::has_port(text, end)
    {
        wildcard(out);
    } else {
        out.extend_from_slice(word);
    }
    end
}

/// No English word of only the letters `a` to `f` is this long.
const LEAST_HEX_WORD: usize = 8;

/// `true`, `false`, `null` and the like, but not the adjective of `null pointer`.
fn is_truth_value(word: &[u8], text: &[u8], end: usize, out: &[u8]) -> bool {
    match word {
        b"true" | b"false" | b"True" | b"False" => true,
        b"null" | b"None" | b"nil" | b"NaN" => {
            matches!(out.last(), Some(b'=' | b':')) || !(text.get(end) == Some(&b' ') && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic))
        }
        b"yes" | b"no" | b"on" | b"off" | b"enabled" | b"disabled" | b"undefined" => is_value(&text[end..], out),
        _ => false,
    }
}

/// Whether a word is the whole value of a key: `up=yes`, `up: yes [1]`, but not `note: no answer`.
fn is_value(after: &[u8], out: &[u8]) -> bool {
    match out {
        [.., b'='] => true,
        [.., b':', b' '] | [.., b':'] => !matches!(after, [b' ', next, ..] if class(*next) & DELIMITER == 0),
        _ => false,
    }
}

/// Appends a wildcard. One that follows another at once, after a blank, or after a `:`, `,` or `.` that joins the two, melts with it.
fn wildcard(out: &mut Vec<u8>) {
    if out.ends_with(WILDCARD) {
        return;
    }
    if let [before @ .., b' ' | b':' | b',' | b'.'] = out.as_slice()
        && before.ends_with(WILDCARD)
    {
        out.pop();
        return;
    }
    out.extend_from_slice(WILDCARD);
}

#[cfg(test)]
mod tests;

//! Placeholder mask.
pub(crate) const WILDCARD: &str = "<*>";
const LEAST_HEX_BYTES: usize = 6;
const LEAST_ID_BYTES: usize = 12;

pub(crate) fn mask_into(text: &[u8], out: &mut Vec<u8>) {
    mask(text, out);
}

/// Appends `text` to `out` with its numbers, hex, ids, addresses and dates replaced by [`WILDCARD`], and white space made one blank.
fn mask(text: &[u8], out: &mut Vec<u8>) {
    let text = text.trim_ascii();
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        if byte.is_ascii_alphanumeric() {
            if is_uuid(&text[at..]) {
                wildcard(out);
                at += UUID_BYTES;
                continue;
            }
            let end = at + text[at..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
            mask_run(&text[at..end], out);
            at = end;
        } else if byte.is_ascii_whitespace() {
            if out.last() != Some(&b' ') {
                out.push(b' ');
            }
            at += 1;
        } else {
            out.push(byte);
            at += 1;
        }
    }
}

/// One run of ASCII letters and digits.
fn mask_run(run: &[u8], out: &mut Vec<u8>) {
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        out.extend_from_slice(run);
    } else if digits == run.len() || is_id(run) {
        wildcard(out);
    } else {
        for part in run.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            if part[0].is_ascii_digit() { wildcard(out) } else { out.extend_from_slice(part) }
        }
    }
}

/// A run with digits in it that stands for a thing: hexadecimal, or letters and digits thoroughly mixed.
fn is_id(run: &[u8]) -> bool {
    let hex = run.strip_prefix(b"0x").unwrap_or(run);
    let changes = run.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    let hexadecimal = hex.iter().all(u8::is_ascii_hexdigit);
    hexadecimal && (hex.len() >= LEAST_HEX_BYTES || hex.len() < run.len()) || run.len() >= LEAST_ID_BYTES && changes >= 3
}

/// Appends a wildcard, melting it with one that only punctuation of numbers separates from it: `1.2.3.4:80`, `2026-01-26`, `-5`.
fn wildcard(out: &mut Vec<u8>) {
    let mark = WILDCARD.as_bytes();
    if let [before @ .., b'.' | b':' | b'-' | b',' | b'/' | b'_'] = out.as_slice()
        && before.ends_with(mark)
    {
        out.pop();
        return;
    }
    if let [before @ .., b'-' | b'+'] = out.as_slice()
        && before.last().is_none_or(|b| matches!(b, b' ' | b'=' | b'(' | b'[' | b':' | b','))
    {
        out.pop();
    }
    if !out.ends_with(mark) {
        out.extend_from_slice(mark);
    }
}

const UUID_BYTES: usize = 36;

fn is_uuid(text: &[u8]) -> bool {
    let Some(head) = text.get(..UUID_BYTES) else { return false };
    let fits = |(at, b): (usize, &u8)| if matches!(at, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() };
    head.iter().enumerate().all(fits) && text.get(UUID_BYTES).is_none_or(|b| !b.is_ascii_alphanumeric())
}

//! Dates in words: `Fri Jun 17 07:07:02 UTC 2005`.

use super::WILDCARD;

const MONTHS: [&[u8]; 12] = [b"january", b"february", b"march", b"april", b"may", b"june", b"july", b"august", b"september", b"october", b"november", b"december"];
const DAYS: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
const ZONES: [&[u8]; 16] =
    [b"UTC", b"GMT", b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"CET", b"CEST", b"BST", b"JST", b"AM", b"PM"];

/// Whether a word belongs to a date: a month beside a number, a day of the week before a month or a number, a zone after a time.
/// A name alone (`may`, `Sun`) is a word like others.
pub(super) fn is_date_word(word: &[u8], text: &[u8], end: usize, out: &[u8]) -> bool {
    if !word[0].is_ascii_uppercase() {
        return false;
    }
    if ZONES.contains(&word) {
        return follows_number(out);
    }
    if is_name(word, &MONTHS) {
        return before_digit(text, end) || follows_number(out);
    }
    is_name(word, &DAYS) && (before_digit(text, end) || is_name(next_word(text, end), &MONTHS))
}

/// Whether a word is one of these names or its first three letters.
fn is_name(word: &[u8], names: &[&[u8]]) -> bool {
    word.len() >= 3 && names.iter().any(|name| word.eq_ignore_ascii_case(name) || word.eq_ignore_ascii_case(&name[..3]))
}

fn follows_number(out: &[u8]) -> bool {
    out.strip_suffix(b" ").is_some_and(|before| before.ends_with(WILDCARD))
}

fn gap(text: &[u8], end: usize) -> usize {
    end + text[end..].iter().take_while(|byte| matches!(byte, b' ' | b',')).count()
}

fn before_digit(text: &[u8], end: usize) -> bool {
    let at = gap(text, end);
    at > end && text.get(at).is_some_and(u8::is_ascii_digit)
}

fn next_word(text: &[u8], end: usize) -> &[u8] {
    let at = gap(text, end);
    let length = text[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    &text[at..at + length]
}

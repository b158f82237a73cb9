//! Dates in words: `Fri Jun 17 07:07:02 UTC 2005`.

use super::WILDCARD;

/// Names in full, after their first three letters, which stand for them.
const MONTHS: [(&[u8; 3], &[u8]); 12] = [
    (b"jan", b"uary"),
    (b"feb", b"ruary"),
    (b"mar", b"ch"),
    (b"apr", b"il"),
    (b"may", b""),
    (b"jun", b"e"),
    (b"jul", b"y"),
    (b"aug", b"ust"),
    (b"sep", b"tember"),
    (b"oct", b"ober"),
    (b"nov", b"ember"),
    (b"dec", b"ember"),
];
const DAYS: [(&[u8; 3], &[u8]); 7] =
    [(b"mon", b"day"), (b"tue", b"sday"), (b"wed", b"nesday"), (b"thu", b"rsday"), (b"fri", b"day"), (b"sat", b"urday"), (b"sun", b"day")];
const ZONES: [&[u8]; 16] = [b"UTC", b"GMT", b"EST", b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"CET", b"CEST", b"BST", b"JST", b"AM", b"PM"];

/// Whether a word belongs to a date: a month beside a number, a day of the week before a month or a number, a zone after a time.
/// A name alone (`may`, `Sun`) is a word like others.
pub(super) fn is_date_word(word: &[u8], text: &[u8], end: usize, out: &[u8]) -> bool {
    if !word[0].is_ascii_uppercase() {
        return false;
    }
    if word.len() <= 4 && follows_number(out) && ZONES.contains(&word) {
        return true;
    }
    if is_name(word, &MONTHS) {
        return before_digit(text, end) || follows_number(out);
    }
    is_name(word, &DAYS) && (before_digit(text, end) || is_name(next_word(text, end), &MONTHS))
}

/// Whether a word is one of these names or its first three letters.
fn is_name(word: &[u8], names: &[(&[u8; 3], &[u8])]) -> bool {
    let Some((first, rest)) = word.split_first_chunk::<3>() else { return false };
    let first = first.map(|byte| byte.to_ascii_lowercase());
    names.iter().any(|(short, end)| first == **short && (rest.is_empty() || rest.eq_ignore_ascii_case(end)))
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

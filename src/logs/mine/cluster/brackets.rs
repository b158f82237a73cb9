//! Lists of words in brackets: `[red, green]` beside `[red]` and `[]` is one value of any length.

use std::{borrow::Cow, collections::HashMap};

use super::super::WILDCARD;

/// The sequences with `[<*>]` for each list of which there are at least two lengths where all else is equal.
pub(super) fn joined<'t>(sequences: &[&'t [u8]]) -> Vec<Cow<'t, [u8]>> {
    let joined: Vec<Option<(Vec<u8>, Vec<usize>)>> = sequences.iter().map(|sequence| join(sequence)).collect();
    let mut lengths: HashMap<&[u8], Option<&[usize]>> = HashMap::new();
    for (text, own) in joined.iter().flatten() {
        let known = lengths.entry(text).or_insert(Some(own));
        if known.is_some_and(|known| known != own.as_slice()) {
            *known = None;
        }
    }
    let varies: Vec<bool> = joined.iter().map(|own| own.as_ref().is_some_and(|(text, _)| lengths.get(text.as_slice()) == Some(&None))).collect();
    let pairs = sequences.iter().zip(joined).zip(varies);
    pairs.map(|((sequence, joined), varies)| joined.filter(|_| varies).map_or(Cow::Borrowed(*sequence), |(text, _)| Cow::Owned(text))).collect()
}

/// A sequence with `[<*>]` for each list, and how many elements each had; nothing if there is no list.
fn join(sequence: &[u8]) -> Option<(Vec<u8>, Vec<usize>)> {
    let (mut out, mut lengths, mut at) = (Vec::new(), Vec::new(), 0);
    for open in memchr::memchr_iter(b'[', sequence) {
        let Some(length) = memchr::memchr2(b']', b'[', &sequence[open + 1..]) else { break };
        if let Some(elements) = elements(&sequence[open + 1..open + 1 + length]) {
            out.extend_from_slice(&sequence[at..=open]);
            out.extend_from_slice(WILDCARD);
            at = open + 1 + length;
            lengths.push(elements);
        }
    }
    out.extend_from_slice(&sequence[at..]);
    (!lengths.is_empty()).then_some((out, lengths))
}

/// How many elements a list has, if all of them are single words.
fn elements(list: &[u8]) -> Option<usize> {
    if list.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    for element in list.split(|byte| *byte == b',') {
        let element = if count > 0 { element.strip_prefix(b" ").unwrap_or(element) } else { element };
        let is_word = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'(' | b')' | b'{' | b'}' | b';' | b':' | b'|' | b']');
        if element.is_empty() || !element.iter().all(is_word) {
            return None;
        }
        count += 1;
    }
    Some(count)
}

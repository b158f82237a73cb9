//! Sequences as words and what separates them.

use std::{cell::OnceCell, collections::HashMap};

use super::{super::WILDCARD, MOST_POSITIONS, vocabulary};

/// A word's or a separator's number.
pub(super) type Id = u32;

/// The wildcard's number.
pub(super) const WILD: Id = 0;

/// A sequence as alternating words and separators, beginning and ending with a word, which may be empty there.
/// Words are at even places, separators at odd ones.
pub(super) type Form = Box<[Id]>;

/// What a word looks like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// It is, or contains, a wildcard.
    pub(super) wild: bool,
    /// Names what happens or holds a sentence together.
    pub(super) structure: bool,
    pub(super) unit: bool,
    /// Capitals only, as names of states are.
    pub(super) capitals: bool,
    /// Small letters only, as most words of a language.
    pub(super) plain: bool,
    /// With a dot, `@`, `$` or `\` inside, as names of classes, files and accounts.
    pub(super) qualified: bool,
    /// With `@` or `\` inside, as names of accounts.
    pub(super) account: bool,
    pub(super) empty: bool,
    /// A hash of the word without digits and wildcards; equal for `disk1` and `disk2`.
    pub(super) letters: u64,
}

/// All words and separators.
#[derive(Default)]
pub(super) struct Words<'t> {
    ids: HashMap<&'t [u8], Id>,
    texts: Vec<&'t [u8]>,
    /// Asked for rarely enough to wait until then.
    looks: Vec<OnceCell<Look>>,
}

impl<'t> Words<'t> {
    /// Cuts a sequence. What is beyond [`MOST_POSITIONS`] words is one word more.
    pub(super) fn read(&mut self, sequence: &'t [u8]) -> Form {
        self.id(WILDCARD);
        let mut form = Vec::new();
        let mut at = 0;
        loop {
            let word = if form.len() < 2 * MOST_POSITIONS { word_end(sequence, at) } else { sequence.len() };
            form.push(self.id(&sequence[at..word]));
            if word == sequence.len() {
                break;
            }
            at = separator_end(sequence, word);
            form.push(self.id(&sequence[word..at]));
        }
        form.into()
    }

    pub(super) fn text(&self, id: Id) -> &'t [u8] {
        self.texts[id as usize]
    }

    pub(super) fn look(&self, id: Id) -> Look {
        *self.looks[id as usize].get_or_init(|| look_at(self.text(id)))
    }

    /// Whether a word is one of these, in whichever case.
    pub(super) fn is_one_of(&self, id: Id, names: &[&[u8]]) -> bool {
        names.iter().any(|name| self.text(id).eq_ignore_ascii_case(name))
    }

    /// Whether the word at a place names the value that follows: `name=`, `"name":`, and between braces also `name: `.
    /// A key says what its value is, and is never one itself.
    pub(super) fn is_key(&self, form: &Form, place: usize) -> bool {
        let Some(after) = form.get(place + 1).map(|id| self.text(*id)) else { return false };
        match after.trim_ascii_start() {
            [b'=', ..] | [b'"' | b'\'', b':', ..] | [b'"' | b'\'', b' ', b':', ..] => true,
            [b':', ..] => form[..place].iter().skip(1).step_by(2).any(|id| self.text(*id).contains(&b'{')),
            _ => false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    fn id(&mut self, text: &'t [u8]) -> Id {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = Id::try_from(self.texts.len()).unwrap_or(Id::MAX);
        self.ids.insert(text, id);
        self.texts.push(text);
        self.looks.push(OnceCell::new());
        id
    }
}

/// Says what a word looks like.
fn look_at(text: &[u8]) -> Look {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let letters = text.iter().filter(|byte| !byte.is_ascii_digit() && !WILDCARD.contains(byte));
    Look {
        wild: memchr::memmem::find(text, WILDCARD).is_some(),
        structure: vocabulary::is_structure(text),
        unit: vocabulary::is_unit(text),
        capitals: text.iter().any(u8::is_ascii_uppercase) && !text.iter().any(u8::is_ascii_lowercase),
        plain: !text.is_empty() && text.iter().all(u8::is_ascii_lowercase),
        qualified: inner.iter().any(|byte| matches!(byte, b'.' | b'@' | b'$' | b'\\')),
        account: inner.iter().any(|byte| matches!(byte, b'@' | b'\\')),
        empty: text.is_empty(),
        letters: letters.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)),
    }
}

/// Whether a byte separates words; a row of dots does, too. A wildcard's angle brackets do not.
fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b':' | b'=' | b'|' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'"' | b'\'' | b'`')
}

fn word_end(text: &[u8], mut at: usize) -> usize {
    while at < text.len() {
        if text[at..].starts_with(WILDCARD) {
            at += WILDCARD.len();
        } else if separates(text[at]) || text[at..].starts_with(b"..") {
            break;
        } else {
            at += 1;
        }
    }
    at
}

fn separator_end(text: &[u8], start: usize) -> usize {
    let mut at = start;
    while at < text.len() && !text[at..].starts_with(WILDCARD) {
        let dots = text[at] == b'.' && (text.get(at + 1) == Some(&b'.') || at > start && text[at - 1] == b'.');
        if !separates(text[at]) && !dots {
            break;
        }
        at += 1;
    }
    at
}

//! Sequences as words and what separates them.

use std::collections::HashMap;

use super::{super::WILDCARD, MOST_POSITIONS};

/// A word's or a separator's number.
pub(super) type Id = u32;

/// The wildcard's number.
pub(super) const WILD: Id = 0;

/// A sequence as alternating words and separators, beginning and ending with a word, which may be empty there.
/// Words are at even places, separators at odd ones.
pub(super) type Form = Box<[Id]>;

/// Endings by which English forms what happened or happens out of a verb.
const VERB_ENDINGS: [&[u8]; 2] = [b"ed", b"ing"];

/// Endings of names of faults.
const FAULT_ENDINGS: [&[u8]; 3] = [b"Exception", b"Error", b"Fault"];

/// Longer words are not looked up.
const LONGEST_STRUCTURE: usize = 16;

/// Words that hold a sentence together, and those that say how something went. None of them is the value of anything.
const STRUCTURE: [&[u8]; 58] = [
    b"a", b"after", b"all", b"an", b"and", b"any", b"are", b"as", b"at", b"be", b"been", b"before", b"but", b"by", b"can", b"cannot", b"could", b"did",
    b"does", b"down", b"due", b"error", b"fail", b"failure", b"for", b"from", b"had", b"has", b"have", b"if", b"in", b"into", b"is", b"it", b"lost", b"no",
    b"not", b"of", b"off", b"ok", b"on", b"or", b"out", b"over", b"since", b"success", b"than", b"that", b"the", b"this", b"to", b"up", b"was", b"were",
    b"when", b"will", b"with", b"without",
];

/// What programs do, as in `failed to open`.
const VERBS: [&[u8]; 157] = [
    b"accept", b"access", b"acquire", b"add", b"allocate", b"allow", b"answer", b"append", b"apply", b"assign", b"attach", b"authenticate", b"authorize",
    b"begin", b"bind", b"build", b"call", b"cancel", b"check", b"clean", b"clear", b"close", b"commit", b"complete", b"compute", b"configure", b"connect",
    b"convert", b"copy", b"create", b"decode", b"decompress", b"decrypt", b"delete", b"deliver", b"deny", b"destroy", b"detach", b"detect", b"disable",
    b"disconnect", b"download", b"drop", b"enable", b"encode", b"encrypt", b"end", b"enter", b"execute", b"exit", b"expire", b"export", b"extract",
    b"fetch", b"find", b"finish", b"flush", b"fork", b"free", b"generate", b"get", b"handle", b"import", b"initialize", b"insert", b"install", b"join",
    b"kill", b"launch", b"leave", b"listen", b"load", b"lock", b"log", b"login", b"logout", b"lookup", b"map", b"match", b"merge", b"migrate", b"mount",
    b"move", b"open", b"parse", b"perform", b"process", b"publish", b"pull", b"push", b"put", b"query", b"queue", b"read", b"receive", b"reconnect",
    b"record", b"recover", b"refresh", b"refuse", b"register", b"reject", b"release", b"reload", b"remove", b"rename", b"renew", b"replace", b"reply",
    b"request", b"reserve", b"reset", b"resize", b"resolve", b"restart", b"restore", b"resume", b"retrieve", b"retry", b"return", b"revoke", b"rollback",
    b"run", b"save", b"scan", b"schedule", b"select", b"send", b"serialize", b"serve", b"set", b"shutdown", b"sign", b"skip", b"sleep", b"spawn", b"start",
    b"stop", b"store", b"submit", b"subscribe", b"suspend", b"switch", b"sync", b"terminate", b"unload", b"unlock", b"unmount", b"unregister", b"update",
    b"upgrade", b"upload", b"use", b"validate", b"verify", b"wait", b"write",
];

/// Units that go with a number and may change with it.
const UNITS: [&[u8]; 44] = [
    b"b", b"byte", b"bytes", b"d", b"day", b"days", b"g", b"gb", b"gib", b"h", b"hour", b"hours", b"hz", b"k", b"kb", b"kb/s", b"khz", b"kib", b"m", b"mb",
    b"mb/s", b"mhz", b"ghz", b"mib", b"microseconds", b"milliseconds", b"min", b"mins", b"minute", b"minutes", b"ms", b"ns", b"pb", b"s", b"sec", b"second",
    b"seconds", b"secs", b"t", b"tb", b"tib", b"us", b"week", b"weeks",
];

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
    /// With a dot, `@`, `$` or `\` inside, as names of classes, files and accounts.
    pub(super) qualified: bool,
    pub(super) empty: bool,
    /// A hash of the word without digits and wildcards; equal for `disk1` and `disk2`.
    pub(super) letters: u64,
}

/// All words and separators.
#[derive(Default)]
pub(super) struct Words<'t> {
    ids: HashMap<&'t [u8], Id>,
    texts: Vec<&'t [u8]>,
    looks: Vec<Look>,
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
        self.looks[id as usize]
    }

    /// Whether a word is one of these, in whichever case.
    pub(super) fn is_one_of(&self, id: Id, names: &[&[u8]]) -> bool {
        names.iter().any(|name| self.text(id).eq_ignore_ascii_case(name))
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
        self.looks.push(look_at(text));
        id
    }
}

/// Says what a word looks like.
fn look_at(text: &[u8]) -> Look {
    let mut lower = [0; LONGEST_STRUCTURE];
    let lower = match lower.get_mut(..text.len()) {
        Some(lower) => {
            lower.copy_from_slice(text);
            lower.make_ascii_lowercase();
            &*lower
        }
        None => &[],
    };
    let verb = VERB_ENDINGS.iter().any(|ending| lower.len() > ending.len() + 2 && lower.ends_with(ending));
    let verb = verb && lower.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    let fault = FAULT_ENDINGS.iter().any(|ending| text.ends_with(ending));
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    let letters = text.iter().filter(|byte| !byte.is_ascii_digit() && !WILDCARD.contains(byte));
    Look {
        wild: memchr::memmem::find(text, WILDCARD).is_some(),
        structure: verb || fault || STRUCTURE.binary_search(&lower).is_ok() || VERBS.binary_search(&lower).is_ok(),
        unit: is_unit(text),
        capitals: text.iter().any(u8::is_ascii_uppercase) && !text.iter().any(u8::is_ascii_lowercase),
        qualified: inner.iter().any(|byte| matches!(byte, b'.' | b'@' | b'$' | b'\\')),
        empty: text.is_empty(),
        letters: letters.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)),
    }
}

/// Whether a word is a unit of time, size or rate.
pub(super) fn is_unit(word: &[u8]) -> bool {
    UNITS.iter().any(|unit| word.eq_ignore_ascii_case(unit))
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

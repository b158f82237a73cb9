//! Groups messages that differ only in their variable parts: the masked message is the group's key.
//!
//! Deterministic, keeps case, uses no model and no knowledge of who wrote the log. Memory is bounded: a fixed number of groups, the rest
//! is counted as `other`, so that the counts add up.

use std::collections::HashMap;

use crate::types::redact::Redactor;

use super::{level::Level, time::Nanos};

/// What stands where a variable part stood.
pub(crate) const WILDCARD: &str = "<*>";

/// More groups than this are not told apart.
const MOST_GROUPS: usize = 10_000;

/// Of longer messages only the beginning makes the key and the sample.
const LONGEST_KEY_BYTES: usize = 1_024;

/// Loggers kept of a group.
const MOST_LOGGERS: usize = 5;

/// A logger's name is cut here.
const LONGEST_LOGGER_BYTES: usize = 64;

/// A run of letters and digits of at least this length that is wholly hexadecimal is an id.
const LEAST_HEX_BYTES: usize = 6;

/// A run of letters and digits of at least this length that changes between them often is an id.
const LEAST_ID_BYTES: usize = 12;

/// One occurrence of a message.
pub(crate) struct Occurrence<'m> {
    pub(crate) message: &'m [u8],
    pub(crate) level: Level,
    pub(crate) time: Option<Nanos>,
    pub(crate) logger: Option<&'m [u8]>,
    pub(crate) line: u64,
}

/// Messages of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) count: u64,
    pub(crate) first: Option<Nanos>,
    pub(crate) last: Option<Nanos>,
    /// The gravest.
    pub(crate) level: Level,
    /// The first message: at most [`LONGEST_KEY_BYTES`], and where it was longer, redacted before it was cut. Untrusted.
    pub(crate) sample: Box<str>,
    /// Index of the file of the sample, and its line there, from 1.
    pub(crate) file: usize,
    pub(crate) line: u64,
    /// The first few different ones. Untrusted.
    pub(crate) loggers: Vec<Box<[u8]>>,
}

/// The groups in the order of their first message.
#[derive(Debug, Default)]
pub(crate) struct Templates {
    groups: Vec<Group>,
    index: HashMap<Box<[u8]>, usize>,
    /// Messages beyond [`MOST_GROUPS`].
    other: u64,
    scratch: Vec<u8>,
}

impl Templates {
    /// Counts a message of the file with this index.
    pub(crate) fn add(&mut self, file: usize, seen: &Occurrence<'_>, redactor: &Redactor) {
        self.scratch.clear();
        mask(&seen.message[..seen.message.len().min(LONGEST_KEY_BYTES)], &mut self.scratch);
        if let Some(at) = self.index.get(self.scratch.as_slice()) {
            self.groups[*at].add(seen);
            return;
        }
        if self.groups.len() == MOST_GROUPS {
            self.other += 1;
            return;
        }
        self.index.insert(self.scratch.as_slice().into(), self.groups.len());
        let sample = sample(seen.message, redactor);
        let mut group = Group { count: 0, first: None, last: None, level: seen.level, sample, file, line: seen.line, loggers: Vec::new() };
        group.add(seen);
        self.groups.push(group);
    }

    /// Adds the groups of a later part of the input.
    pub(crate) fn merge(&mut self, later: Self) {
        self.other += later.other;
        let mut keys: Vec<(Box<[u8]>, usize)> = later.index.into_iter().collect();
        keys.sort_by_key(|(_, at)| *at);
        for ((key, _), group) in keys.into_iter().zip(later.groups) {
            if let Some(at) = self.index.get(&key) {
                self.groups[*at].merge(group);
            } else if self.groups.len() == MOST_GROUPS {
                self.other += group.count;
            } else {
                self.index.insert(key, self.groups.len());
                self.groups.push(group);
            }
        }
    }

    /// The number of groups, and of messages that belong to none because there were too many.
    pub(crate) fn sizes(&self) -> (usize, u64) {
        (self.groups.len(), self.other)
    }

    /// The largest groups; of equal ones the earlier first.
    pub(crate) fn top(&self, most: usize) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups.truncate(most);
        groups
    }
}

impl Group {
    fn add(&mut self, seen: &Occurrence<'_>) {
        self.count += 1;
        self.level = self.level.max(seen.level);
        self.extend(seen.time, seen.time);
        if let Some(logger) = seen.logger {
            self.add_logger(&logger[..logger.len().min(LONGEST_LOGGER_BYTES)]);
        }
    }

    fn merge(&mut self, later: Self) {
        self.count += later.count;
        self.level = self.level.max(later.level);
        self.extend(later.first, later.last);
        later.loggers.iter().for_each(|logger| self.add_logger(logger));
    }

    fn extend(&mut self, first: Option<Nanos>, last: Option<Nanos>) {
        self.first = [self.first, first].into_iter().flatten().min();
        self.last = self.last.max(last);
    }

    fn add_logger(&mut self, logger: &[u8]) {
        if self.loggers.len() < MOST_LOGGERS && !self.loggers.iter().any(|known| **known == *logger) {
            self.loggers.push(logger.into());
        }
    }
}

/// The message as it is kept: a long one is redacted first, so that no secret is cut in two and escapes notice.
fn sample(message: &[u8], redactor: &Redactor) -> Box<str> {
    let text = String::from_utf8_lossy(message);
    if text.len() <= LONGEST_KEY_BYTES { text.into() } else { crate::types::bound::cut(&redactor.redact(&text), LONGEST_KEY_BYTES).into() }
}

/// The template of a text: its variable parts masked.
pub(crate) fn template(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    mask(text.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
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

#[cfg(test)]
mod tests;

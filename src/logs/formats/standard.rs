//! `2026-01-26 10:30:45[.,mmm][zone] [LEVEL] module: message` and its near relatives.
//!
//! The level may lack its brackets and stand behind a thread (`[main] INFO`), a dash or a bar. A line whose date is not at its start,
//! or in another form, is not of this format.

use std::borrow::Cow;

use super::{Context, Format, Record};
use crate::logs::level::Level;

/// Bracketed fields that are looked through for a level behind the timestamp.
const FIELDS_BEFORE_LEVEL: usize = 3;

/// A longer word is no module name.
const LONGEST_MODULE_BYTES: usize = 100;

/// The standard format.
pub(super) struct Standard;

impl Format for Standard {
    fn name(&self) -> &'static str {
        "standard"
    }

    fn summary(&self) -> &'static str {
        "date, time, [LEVEL] module: message"
    }

    fn example(&self) -> &'static str {
        "2026-01-26 10:30:45 [ERROR] db: Connection refused"
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let bracket = usize::from(line.first()? == &b'[');
        let (time, used) = context.times.read(&line[bracket..])?;
        let mut rest = &line[bracket + used..];
        if bracket == 1 {
            rest = rest.strip_prefix(b"]")?;
        }
        let (level, after) = level(rest);
        let rest = after.unwrap_or(rest).trim_ascii_start();
        let (logger, message) = if level.is_some() { module(rest) } else { (None, rest) };
        Some(Record { time: Some(time), level, logger: logger.map(Cow::Borrowed), message: Cow::Borrowed(message) })
    }
}

/// The level in the first fields of `text`, and the text behind it. Without a level, nothing is taken away.
fn level(mut text: &[u8]) -> (Option<Level>, Option<&[u8]>) {
    for _ in 0..=FIELDS_BEFORE_LEVEL {
        text = separators(text);
        if let Some(inner) = text.strip_prefix(b"[") {
            let Some(close) = memchr::memchr(b']', &inner[..inner.len().min(LONGEST_MODULE_BYTES)]) else { break };
            let (field, after) = (&inner[..close], &inner[close + 1..]);
            if let Some(level) = Level::of_word(field.trim_ascii()) {
                return (Some(level), Some(after.strip_prefix(b":").unwrap_or(after)));
            }
            text = after;
            continue;
        }
        let word = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let (word, after) = text.split_at(word);
        let ended = after.first().is_none_or(|b| matches!(b, b' ' | b'\t' | b':' | b'|'));
        if let Some(level) = Level::of_word(word).filter(|_| ended && shouted_or_closed(word, after)) {
            return (Some(level), Some(separators(after.strip_prefix(b":").unwrap_or(after))));
        }
        break;
    }
    (None, None)
}

/// A bare word in small letters may begin a sentence (`error while ...`): it is a level only in front of a colon or bar.
fn shouted_or_closed(word: &[u8], after: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_uppercase) || matches!(after.trim_ascii_start().first(), Some(b':' | b'|'))
}

/// Skips white space and lone `-` and `|`.
fn separators(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        match text {
            [b'-' | b'|', b' ', ..] => text = &text[1..],
            _ => return text,
        }
    }
}

/// A module name (`db:`, or a dotted name and ` - `) and what follows it.
fn module(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let end = text.iter().take(LONGEST_MODULE_BYTES).take_while(|b| b.is_ascii_alphanumeric() || b"_.$-/".contains(b)).count();
    let (name, after) = text.split_at(end);
    if name.is_empty() {
        return (None, text);
    }
    match after {
        [b':', b' ' | b'\t', rest @ ..] => (Some(name), rest.trim_ascii_start()),
        [b' ', b'-' | b':', b' ', rest @ ..] if name.contains(&b'.') => (Some(name), rest.trim_ascii_start()),
        _ => (None, text),
    }
}

//! `2026-01-26 10:30:45[.,mmm][zone] [LEVEL] module: message` and its many relatives: logback, log4j, Spring, Tomcat, Kafka, Hadoop, Spark,
//! Python's logging, env_logger, tracing, zap's console, spdlog, Go's log.
//!
//! The line begins with its date, in brackets or not; what comes behind it is read field by field. A line that begins otherwise is not of
//! this format.

use super::{
    Context, Format, Record,
    shared::{
        fields, php,
        text::{digits, word},
    },
};

/// The standard format.
pub(super) struct Standard;

/// A longer word before the date is none.
const LONGEST_PREFIX_BYTES: usize = 120;

impl Format for Standard {
    fn name(&self) -> &'static str {
        "standard"
    }

    fn summary(&self) -> &'static str {
        "date, time, level, module, message in the usual orders"
    }

    fn example(&self) -> &'static str {
        "2026-01-26 10:30:45 [ERROR] db: Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric() || matches!(first, b'[' | b'(')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        // By far the most lines begin with a civil timestamp.
        if let Some((time, used)) = context.times.read(line) {
            let fields = fields::read(&line[used..], false);
            return Some(Record::of(Some(time), fields.level, fields.logger, fields.message));
        }
        match line.first()? {
            b'[' | b'(' => bracketed(line, context),
            first => {
                if let Some((time, used)) = context.times.any(line) {
                    let rest = &line[used..];
                    // A longer number or word that only begins like a date is none.
                    if rest.first().is_some_and(|b| b.is_ascii_alphanumeric()) {
                        return None;
                    }
                    let fields = fields::read(rest, false);
                    return Some(Record::of(time, fields.level, fields.logger, fields.message));
                }
                if first.is_ascii_alphabetic() { prefixed(line, context) } else { None }
            }
        }
    }
}

/// `[time] ...`, `[time thread LEVEL logger] ...` and `[name time] ...`.
fn bracketed<'l>(line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
    let close = if line[0] == b'[' { b']' } else { b')' };
    let inner = &line[1..];
    let (start, name) = match context.times.any(inner) {
        Some(_) => (inner, None),
        None => {
            let (name, rest) = word(&inner[..inner.len().min(LONGEST_PREFIX_BYTES)]);
            let clean = name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b));
            if !clean || rest.is_empty() {
                return None;
            }
            (&inner[inner.len().min(LONGEST_PREFIX_BYTES) - rest.len()..], Some(name))
        }
    };
    let (time, used) = context.times.any(start)?;
    let rest = &start[used..];
    if rest.first() == Some(&close) {
        let rest = &rest[1..];
        let fields = fields::read(rest.strip_prefix(b":").unwrap_or(rest), false);
        let (logger, message) = match fields.level {
            None => program(fields.message),
            Some(_) => (fields.logger, fields.message),
        };
        let level = fields.level.or_else(|| php::level(message));
        return Some(Record::of(time, level, logger.or(name), message));
    }
    // Level and thread in the same bracket, the message behind it.
    if !matches!(rest.first()?, b' ' | b',' | b':') {
        return None;
    }
    let end = memchr::memchr(close, rest)?;
    let head = rest[..=end].trim_ascii_start();
    let head = head.strip_prefix(b",").or_else(|| head.strip_prefix(b":")).unwrap_or(head);
    let level = fields::read(head, true).level;
    let logger = level.and_then(|_| last_name(&rest[..end]));
    Some(Record::of(time, level, logger, rest[end + 1..].trim_ascii()))
}

/// The last word of a bracket when it is a dotted name.
fn last_name(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    let from = memchr::memrchr(b' ', text)? + 1;
    let name = &text[from..];
    name.iter().all(|b| b.is_ascii_alphanumeric() || b"_.:$".contains(b)).then_some(name).filter(|name| crate::logs::level::Level::of_word(name).is_none())
}

/// `program.exe - text` and `program.exe *64 - text`.
fn program(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (name, rest) = word(text);
    let rest = rest.strip_prefix(b"*").map_or(rest, |bits| digits(bits).1.trim_ascii_start());
    match rest {
        [b'-', b' ', message @ ..] if name.contains(&b'.') => (Some(name), message.trim_ascii_start()),
        _ => (None, text),
    }
}

/// A word before the date, such as the file that a line was collected from.
fn prefixed<'l>(line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
    let (prefix, rest) = word(&line[..line.len().min(LONGEST_PREFIX_BYTES)]);
    let named = prefix.iter().any(|b| matches!(b, b'.' | b'/' | b'_' | b'-')) || prefix.ends_with(b":");
    if !named || rest.is_empty() {
        return None;
    }
    let start = &line[line.len().min(LONGEST_PREFIX_BYTES) - rest.len()..];
    let (time, used) = context.times.read(start)?;
    let fields = fields::read(&start[used..], false);
    Some(Record::of(Some(time), fields.level, fields.logger, fields.message))
}

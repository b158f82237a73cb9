//! Lines that begin with their level: with a time behind it (`ERROR [main] 2026-01-26 10:30:45,123 Db - text`) or none (`ERROR: text`).

use super::{
    Context, Format, Record,
    shared::{fields, php, text::group},
};
use crate::logs::level::Level;

/// Level first, then a time.
pub(super) struct LevelFirst;

/// Level first, no time.
pub(super) struct LevelOnly;

/// The time begins within these bytes.
const LONGEST_HEAD_BYTES: usize = 64;

/// The level at the start of a line, bare in capitals or in brackets, and the text behind it.
pub(super) fn level(line: &[u8]) -> Option<(Level, &[u8])> {
    if line.first() == Some(&b'[') {
        let (inner, after) = group(line).filter(|(inner, _)| inner.len() < 14)?;
        return Level::of_word(inner.trim_ascii()).map(|level| (level, after));
    }
    let letters = line.iter().take(14).take_while(|b| b.is_ascii_uppercase()).count();
    let (word, after) = line.split_at(letters);
    let ended = matches!(after.first(), Some(b' ' | b':' | b'\t' | b'|'));
    if ended { Level::of_word(word).map(|level| (level, after)) } else { None }
}

/// The first timestamp within the head of a text that begins a word, and the text behind it.
fn stamp<'l>(text: &'l [u8], context: &mut Context) -> Option<(Option<crate::logs::time::Nanos>, &'l [u8], &'l [u8])> {
    for at in 0..text.len().min(LONGEST_HEAD_BYTES) {
        let begins = text[at].is_ascii_digit() && (at == 0 || matches!(text[at - 1], b' ' | b'[' | b'(' | b'|' | b'\t'));
        if begins && let Some((time, used)) = context.times.any(&text[at..]) {
            return Some((time, &text[..at], &text[at + used..]));
        }
    }
    None
}

impl Format for LevelFirst {
    fn name(&self) -> &'static str {
        "level-first"
    }

    fn summary(&self) -> &'static str {
        "lines that begin with their level and tell the time behind it (Cassandra, wrappers of services)"
    }

    fn example(&self) -> &'static str {
        "ERROR [main] 2026-01-26 10:30:45,123 Db.java:12 - Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase() || matches!(first, b'[' | b'(')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        // `[LEVEL time thread] text` and `(logger): time LEVEL text`.
        if let Some((inner, after)) = group(line)
            && let trimmed = inner.trim_ascii()
            && let letters = trimmed.iter().take_while(|b| b.is_ascii_alphabetic()).count()
            && trimmed.get(letters) == Some(&b' ')
            && let Some(level) = Level::of_word(&trimmed[..letters])
        {
            let (time, _) = context.times.any(trimmed[letters..].trim_ascii_start())?;
            return Some(Record::of(time, Some(level), None, after.trim_ascii()));
        }
        if let Some((name, after)) = group(line).filter(|_| line[0] == b'(')
            && let Some(rest) = after.strip_prefix(b": ")
        {
            let (time, used) = context.times.any(rest)?;
            let fields = fields::read(&rest[used..], false);
            return Some(Record::of(time, fields.level, Some(name), fields.message));
        }
        let (level, rest) = level(line)?;
        let (time, _, mut behind) = stamp(rest, context)?;
        // A service's wrapper writes its own head before that of the program.
        let bare = fields::separators(behind);
        if let Some((inner, used)) = context.times.any(bare) {
            let fields = fields::read(&bare[used..], false);
            return Some(Record::of(inner, fields.level.or(Some(level)), fields.logger, fields.message));
        }
        behind = behind.strip_prefix(b"]").or_else(|| behind.strip_prefix(b")")).unwrap_or(behind);
        Some(Record::of(time, Some(level), None, fields::separators(behind)))
    }
}

impl Format for LevelOnly {
    fn name(&self) -> &'static str {
        "level-only"
    }

    fn summary(&self) -> &'static str {
        "lines that begin with their level and tell no time"
    }

    fn example(&self) -> &'static str {
        "ERROR: Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase() || first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let _ = context;
        let Some((level, after)) = level(line) else {
            return php::level(line).filter(|_| line.starts_with(b"PHP ")).map(|level| Record::of(None, Some(level), None, line));
        };
        // Python's `LEVEL:name:text`.
        if let Some(rest) = after.strip_prefix(b":")
            && let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_.".contains(b)).count()
            && name > 0
            && rest.get(name) == Some(&b':')
            && rest.get(name + 1) != Some(&b'/')
        {
            return Some(Record::of(None, Some(level), Some(&rest[..name]), rest[name + 1..].trim_ascii()));
        }
        let message = after.strip_prefix(b":").unwrap_or(after);
        Some(Record::of(None, Some(level), None, fields::separators(message)))
    }
}

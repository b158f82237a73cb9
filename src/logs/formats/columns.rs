//! Fields set apart by bars or colons without blanks: `20260126-10:30:45:123|Step_LSC|30002312|text` and, with the time among them,
//! `MainThread::ERROR::2026-01-26 10:30:45,123::server::71::app::(run) text`.

use super::{
    Context, Format, Record,
    shared::text::{digits, split},
};
use crate::logs::level::Level;

/// Fields without blanks between them.
pub(super) struct Columns;

/// Fields before the time.
const FIELDS_BEFORE_TIME: usize = 3;

/// Fields between time and text.
const FIELDS_BEFORE_TEXT: usize = 5;

/// A longer field is text.
const LONGEST_FIELD_BYTES: usize = 60;

impl Format for Columns {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn summary(&self) -> &'static str {
        "fields between bars or double colons, the time among the first"
    }

    fn example(&self) -> &'static str {
        "MainThread::ERROR::2026-01-26 10:30:45,123::server::71::app::(run) Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let head = &line[..line.len().min(LONGEST_FIELD_BYTES)];
        if head[0].is_ascii_digit() {
            let bar = memchr::memchr(b'|', head)?;
            let (time, used) = context.times.any(line).filter(|(_, used)| *used == bar)?;
            return Some(barred(time, &line[used + 1..]));
        }
        let mut rest = &line[memchr::memmem::find(head, b"::").map(|_| 0)?..];
        let mut level = None;
        for _ in 0..FIELDS_BEFORE_TIME {
            let at = memchr::memmem::find(&rest[..rest.len().min(LONGEST_FIELD_BYTES)], b"::")?;
            level = level.or_else(|| Level::of_word(&rest[..at]));
            rest = &rest[at + 2..];
            if rest.first().is_some_and(u8::is_ascii_digit)
                && let Some((time, used)) = context.times.any(rest)
            {
                let mut message = rest[used..].strip_prefix(b"::")?;
                let mut logger = None;
                for _ in 0..FIELDS_BEFORE_TEXT {
                    let Some(at) = memchr::memmem::find(&message[..message.len().min(LONGEST_FIELD_BYTES)], b"::") else { break };
                    if message[..at].contains(&b' ') {
                        break;
                    }
                    logger = Some(&message[..at]).filter(|field| !digits(field).1.is_empty()).or(logger);
                    message = &message[at + 2..];
                }
                return Some(Record::of(time, level, logger, message.trim_ascii()));
            }
        }
        None
    }
}

/// The fields behind a bar: the logger is the first, numbers are processes, the text is the rest.
fn barred(time: Option<crate::logs::time::Nanos>, mut rest: &[u8]) -> Record<'_> {
    let (mut level, mut logger) = (None, None);
    for _ in 0..FIELDS_BEFORE_TEXT {
        let Some((field, after)) = split(rest, b'|') else { break };
        if field.contains(&b' ') || field.len() > LONGEST_FIELD_BYTES {
            break;
        }
        match Level::of_word(field) {
            Some(known) => level = level.or(Some(known)),
            None if digits(field).1.is_empty() => {}
            None => logger = logger.or(Some(field)),
        }
        rest = after;
    }
    Record::of(time, level, logger, rest.trim_ascii())
}

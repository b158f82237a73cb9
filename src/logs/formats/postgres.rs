//! PostgreSQL's log, whatever its `log_line_prefix` puts between the time and the severity: `... [7] app@shop ERROR:  text`.
//!
//! STATEMENT, DETAIL, HINT and CONTEXT say more of the record before and have no level of their own.

use super::{Context, Format, Record};
use crate::logs::level::Level;

/// PostgreSQL.
pub(super) struct Postgres;

/// A longer prefix is none.
const LONGEST_PREFIX_BYTES: usize = 240;

/// The level of a severity; none where the line has no level, nothing for another word.
fn severity(word: &[u8]) -> Option<Option<Level>> {
    Some(match word {
        b"LOG" | b"INFO" => Some(Level::Info),
        b"ERROR" => Some(Level::Error),
        b"WARNING" => Some(Level::Warning),
        b"NOTICE" => Some(Level::Notice),
        b"FATAL" | b"PANIC" => Some(Level::Critical),
        b"DEBUG" | b"DEBUG1" | b"DEBUG2" | b"DEBUG3" | b"DEBUG4" | b"DEBUG5" => Some(Level::Debug),
        b"STATEMENT" | b"DETAIL" | b"HINT" | b"CONTEXT" | b"QUERY" | b"LOCATION" | b"BACKTRACE" => None,
        _ => return None,
    })
}

/// The abbreviation of a zone that was not read as one, right behind the time.
fn unread_zone(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b" ")?;
    let length = text.iter().take(8).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    let zone = &text[..length];
    let shaped = (2..8).contains(&length) && zone.iter().take(2).all(u8::is_ascii_uppercase) && matches!(text.get(length), Some(b' ' | b':' | b'['));
    (shaped && severity(zone).is_none()).then_some(zone)
}

impl Format for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn summary(&self) -> &'static str {
        "PostgreSQL with any log_line_prefix that begins with the time"
    }

    fn example(&self) -> &'static str {
        r#"2026-01-26 10:30:45.123 CET [7] app@shop ERROR:  relation "carts" does not exist"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        // Two blanks behind the colon are PostgreSQL's mark.
        let head = &line[..line.len().min(LONGEST_PREFIX_BYTES)];
        let mut colons = memchr::memchr_iter(b':', head);
        let (level, end) = colons.find_map(|colon| {
            if !matches!(line[colon + 1..], [b' ', b' ', ..] | []) {
                return None;
            }
            let word = head[..colon].iter().rev().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
            Some((severity(&head[colon - word..colon])?, colon))
        })?;
        let (time, used) = context.times.read(line)?;
        // Of CST and its like nobody knows which is meant, unless the file's own zone is called that.
        let zone = unread_zone(&line[used..]);
        let time = Some(time).filter(|time| zone.is_none_or(|zone| context.times.has_abbreviation(zone, *time)));
        Some(Record::of(time, level, None, line[end + 1..].trim_ascii()))
    }
}

//! Samba: `[2026/01/26 10:30:45.123456,  0] ../source3/smbd/server.c:42(main)`, the text on the indented lines below.
//!
//! The number is the debug level: 0 errors, 1 warnings, 3 notices, 5 information, more for developers.

use super::{
    Context, Format, Record,
    shared::text::{digits, number, split},
};
use crate::logs::level::Level;

/// Samba.
pub(super) struct Samba;

impl Format for Samba {
    fn name(&self) -> &'static str {
        "samba"
    }

    fn summary(&self) -> &'static str {
        "Samba: [time, debug level] place, the text below it"
    }

    fn example(&self) -> &'static str {
        "[2026/01/26 10:30:45.123456,  0] ../source3/smbd/server.c:42(main)"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let stamp = line.strip_prefix(b"[")?;
        let (time, used) = context.times.read(stamp)?;
        let (level, rest) = digits(stamp[used..].strip_prefix(b",")?.trim_ascii_start());
        let level = match number(level)? {
            0 => Level::Error,
            1 => Level::Warning,
            2 | 3 => Level::Notice,
            4 | 5 => Level::Info,
            _ => Level::Debug,
        };
        // `, pid=7, effective(0, 0), real(0, 0)` may follow.
        let (_, message) = split(rest, b']').filter(|_| matches!(rest.first(), Some(b']' | b',')))?;
        let message = message.trim_ascii();
        let logger = split(message, b'(').and_then(|(_, inner)| split(inner, b')')).map(|(name, _)| name);
        Some(Record::of(Some(time), Some(level), logger, message))
    }
}

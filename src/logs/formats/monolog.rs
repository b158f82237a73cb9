//! Monolog, as Laravel and Symfony use it: `[2026-01-26 10:30:45] production.ERROR: text {context}`.

use super::{Context, Format, Record, shared::text::split};
use crate::logs::level::Level;

/// Monolog.
pub(super) struct Monolog;

/// A longer channel is none.
const LONGEST_CHANNEL_BYTES: usize = 80;

impl Format for Monolog {
    fn name(&self) -> &'static str {
        "monolog"
    }

    fn summary(&self) -> &'static str {
        "Monolog (Laravel, Symfony): [time] channel.LEVEL: text"
    }

    fn example(&self) -> &'static str {
        r#"[2026-01-26 10:30:45] production.ERROR: Connection refused {"host":"db1"}"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let stamp = line.strip_prefix(b"[")?;
        let (time, used) = context.times.read(stamp)?;
        let rest = stamp[used..].strip_prefix(b"] ")?;
        let (head, _) = split(&rest[..rest.len().min(LONGEST_CHANNEL_BYTES)], b':')?;
        let dot = memchr::memrchr(b'.', head)?;
        let (channel, word) = (&head[..dot], &head[dot + 1..]);
        if channel.contains(&b' ') || !word.iter().all(u8::is_ascii_uppercase) {
            return None;
        }
        Some(Record::of(Some(time), Some(Level::of_word(word)?), Some(channel), rest[head.len() + 1..].trim_ascii()))
    }
}

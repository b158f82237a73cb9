//! Redis and Valkey: `1:M 26 Jan 2026 10:30:45.123 * text`. The mark is the level: `.` debug, `-` verbose, `*` notice, `#` warning.

use super::{
    Context, Format, Record,
    shared::text::{digits, split, word},
};
use crate::logs::{level::Level, time};

/// Redis.
pub(super) struct Redis;

impl Format for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn summary(&self) -> &'static str {
        "Redis and Valkey: pid:role time mark text"
    }

    fn example(&self) -> &'static str {
        "1:M 26 Jan 2026 10:30:45.123 # Can't save in background: fork: Cannot allocate memory"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit() || first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        // Before 3.0 the process stood in brackets.
        let bracketed = line.strip_prefix(b"[");
        let (pid, rest) = digits(bracketed.unwrap_or(line));
        if pid.is_empty() {
            return None;
        }
        if let Some(rest) = rest.strip_prefix(b":signal-handler (") {
            let (epoch, message) = split(rest, b')')?;
            context.times.seen.stamped = true;
            return Some(Record::of(Some(time::epoch(epoch)?), None, None, message.trim_ascii()));
        }
        let stamp = match (bracketed, rest) {
            (Some(_), [b']', b' ', stamp @ ..]) | (None, [b':', b'M' | b'S' | b'C' | b'X', b' ', stamp @ ..]) => stamp,
            _ => return None,
        };
        let (time, used) = context.times.day_month(stamp)?;
        let (mark, message) = word(stamp[used..].trim_ascii_start());
        let level = match mark {
            b"." | b"-" => Level::Debug,
            b"*" => Level::Notice,
            b"#" => Level::Warning,
            _ => return None,
        };
        Some(Record::of(time, Some(level), None, message))
    }
}

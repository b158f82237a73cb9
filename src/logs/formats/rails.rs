//! Ruby's logger, as Rails uses it: `I, [2026-01-26T10:30:45.123456 #7]  INFO -- : text`.

use super::{Context, Format, Record, shared::text::split};
use crate::logs::level::Level;

/// Ruby's logger.
pub(super) struct Rails;

impl Format for Rails {
    fn name(&self) -> &'static str {
        "rails"
    }

    fn summary(&self) -> &'static str {
        "Ruby's logger (Rails): L, [time #pid] LEVEL -- program: text"
    }

    fn example(&self) -> &'static str {
        "E, [2026-01-26T10:30:45.123456 #7] ERROR -- : Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let [_, b',', b' ', b'[', stamp @ ..] = line else { return None };
        let (time, used) = context.times.read(stamp)?;
        let (_, rest) = split(&stamp[used..], b']')?;
        let rest = rest.trim_ascii_start();
        let word = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
        let (level, rest) = rest.split_at(word);
        let (program, message) = split(rest.strip_prefix(b" -- ")?, b':')?;
        let level = if level == b"ANY" { None } else { Some(Level::of_word(level)?) };
        Some(Record::of(Some(time), level, Some(program.trim_ascii()), message.trim_ascii()))
    }
}

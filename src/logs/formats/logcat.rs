//! Android's logcat: `01-26 10:30:45.123  1702  2395 D WindowManager: text`, no year, and the older `D/Tag( 1766): text`.

use super::{
    Context, Format, Record,
    shared::text::{digits, split, word},
};
use crate::logs::level::Level;

/// logcat.
pub(super) struct Logcat;

/// User, process and thread before the level.
const COLUMNS_BEFORE_LEVEL: usize = 3;

impl Format for Logcat {
    fn name(&self) -> &'static str {
        "logcat"
    }

    fn summary(&self) -> &'static str {
        "Android logcat, threadtime, time and brief; no year"
    }

    fn example(&self) -> &'static str {
        "01-26 10:30:45.123  1702  2395 E NetworkMonitor: Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (time, used) = context.times.month_dash_day(line)?;
        let mut rest = line[used..].trim_ascii_start();
        if let [letter, b'/', tagged @ ..] = rest {
            let (tag, after) = split(tagged, b'(')?;
            let (_, message) = split(after, b')')?;
            let message = message.strip_prefix(b":")?;
            return Some(Record::of(time, Level::of_letter(*letter), Some(tag.trim_ascii()), message.trim_ascii()));
        }
        for columns in 0..=COLUMNS_BEFORE_LEVEL {
            let (column, after) = word(rest);
            if columns > 0
                && let [letter] = column
                && let Some(level) = Level::of_letter(*letter).or((*letter == b'S').then_some(Level::Critical))
            {
                let (tag, message) = tag(after);
                return Some(Record::of(time, Some(level), tag, message));
            }
            if columns > 0 && !digits(column).1.is_empty() {
                return None;
            }
            rest = after;
        }
        None
    }
}

/// A tag ends with a colon and a blank; padding may stand before the colon. Without one the text is whole.
fn tag(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if let [b':', b' ', message @ ..] = text {
        return (None, message.trim_ascii());
    }
    let end = memchr::memmem::find(text, b": ").map(|at| (at, at + 2)).or(text.ends_with(b":").then_some((text.len().wrapping_sub(1), text.len())));
    match end {
        Some((end, from)) if !text[..end].trim_ascii().is_empty() && !text.starts_with(b"[") => (Some(text[..end].trim_ascii()), text[from..].trim_ascii()),
        _ => (None, text),
    }
}

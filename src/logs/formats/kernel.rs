//! The kernel's ring buffer (`dmesg`) and the X server: `[   12.345678] usb 1-1: text`. Seconds since boot are no time;
//! `dmesg -T` writes one.

use super::{
    Context, Format, Record,
    shared::text::{digits, number, split},
};
use crate::logs::level::Level;

/// dmesg and Xorg.
pub(super) struct Kernel;

/// A longer number is no uptime.
const LONGEST_STAMP_BYTES: usize = 24;

impl Format for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn summary(&self) -> &'static str {
        "dmesg and Xorg: [seconds since boot] text, no date, so no time; or dmesg -T"
    }

    fn example(&self) -> &'static str {
        "[   12.345678] usb 1-1: device descriptor read/64, error -71"
    }

    fn begins_with(&self, first: u8) -> bool {
        matches!(first, b'[' | b'<')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (level, rest) = match line.strip_prefix(b"<") {
            Some(rest) => {
                let (priority, rest) = split(&rest[..rest.len().min(LONGEST_STAMP_BYTES)], b'>').map(|(p, _)| (p, &rest[p.len() + 1..]))?;
                (Level::of_syslog(u8::try_from(number(priority)? % 8).ok()?), rest)
            }
            None => (None, line),
        };
        let rest = rest.strip_prefix(b"[")?;
        if rest.first()?.is_ascii_alphabetic() {
            let (time, used) = context.times.ctime(rest)?;
            let message = rest[used..].strip_prefix(b"]")?.trim_ascii_start();
            return Some(Record::of(time, level, None, message));
        }
        let (seconds, after) = digits(rest.trim_ascii_start());
        let (decimals, after) = digits(after.strip_prefix(b".")?);
        if seconds.is_empty() || seconds.len() > 9 || decimals.is_empty() {
            return None;
        }
        let message = after.strip_prefix(b"]")?.trim_ascii_start();
        context.times.seen.stamped = true;
        let marked = match message {
            [b'(', a, b, b')', b' ', ..] if a == b => match a {
                b'E' => Some(Level::Error),
                b'W' => Some(Level::Warning),
                b'I' => Some(Level::Info),
                _ => None,
            },
            _ => None,
        };
        let message = if marked.is_some() { &message[5..] } else { message };
        Some(Record::of(None, marked.or(level), None, message))
    }
}

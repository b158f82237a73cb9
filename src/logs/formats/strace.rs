//! strace with `-f`, `-t`, `-tt` or `-ttt`: `7 10:30:45.123456 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3`.
//!
//! A time of day is no time; `-ttt` writes an epoch. A call that failed is no error of the program.

use super::{
    Context, Format, Record,
    shared::text::{digits, word},
};
use crate::logs::time;

/// strace.
pub(super) struct Strace;

/// Bytes of a time of day.
const CLOCK_BYTES: usize = 8;

/// Whether a text begins as a call, a signal or an end.
fn is_event(text: &[u8]) -> bool {
    if text.starts_with(b"--- SIG") || text.starts_with(b"+++ exited") || text.starts_with(b"+++ killed") || text.starts_with(b"<... ") {
        return true;
    }
    let name = text.iter().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'_').count();
    let called = name > 1 && text.get(name) == Some(&b'(');
    called && (memchr::memmem::find(text, b") = ").is_some() || memchr::memmem::find(text, b")  ").is_some() || text.ends_with(b"<unfinished ...>"))
}

impl Format for Strace {
    fn name(&self) -> &'static str {
        "strace"
    }

    fn summary(&self) -> &'static str {
        "strace with -f, -t, -tt or -ttt; a time of day gives no time"
    }

    fn example(&self) -> &'static str {
        r#"1769423445.123456 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit() || first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (first, mut rest) = if line.starts_with(b"[pid ") {
            let end = memchr::memchr(b']', line)?;
            word(line[end + 1..].trim_ascii_start())
        } else {
            word(line)
        };
        let mut stamp = first;
        if digits(first).1.is_empty() && first.len() < CLOCK_BYTES {
            (stamp, rest) = word(rest);
        }
        let clock = matches!(stamp, [a, b, b':', c, d, b':', ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()));
        let time = if clock { None } else { Some(time::epoch(stamp)?) };
        if !is_event(rest) {
            return None;
        }
        context.times.seen.stamped = true;
        Some(Record::of(time, None, None, rest))
    }
}

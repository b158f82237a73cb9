//! The error logs of nginx, Apache and CUPS.

use super::{
    Context, Format, Record,
    shared::{
        php,
        text::{digits, group},
    },
};
use crate::logs::level::Level;

/// nginx' error log.
pub(super) struct Nginx;

/// Apache's error log.
pub(super) struct Apache;

/// The error log of CUPS.
pub(super) struct Cups;

impl Format for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn summary(&self) -> &'static str {
        "nginx' error log"
    }

    fn example(&self) -> &'static str {
        "2026/01/26 10:30:45 [error] 411#411: *2035 connect() failed (111: Connection refused), client: 192.0.2.7"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        if line.get(4) != Some(&b'/') {
            return None;
        }
        let (time, used) = context.times.read(line)?;
        let (word, rest) = group(line[used..].strip_prefix(b" ").filter(|rest| rest.starts_with(b"["))?)?;
        let (pid, rest) = digits(rest.strip_prefix(b" ")?);
        let (tid, rest) = digits(rest.strip_prefix(b"#")?);
        if pid.is_empty() || tid.is_empty() {
            return None;
        }
        let (level, message) = (Level::of_word(word)?, rest.strip_prefix(b":")?.trim_ascii_start());
        Some(Record::of(Some(time), Some(php::level(message).unwrap_or(level)), None, message))
    }
}

impl Format for Apache {
    fn name(&self) -> &'static str {
        "apache"
    }

    fn summary(&self) -> &'static str {
        "Apache's error log"
    }

    fn example(&self) -> &'static str {
        "[Mon Jan 26 10:30:45.123456 2026] [proxy:error] [pid 7:tid 8] [client 192.0.2.7:60444] AH01114: failed to make connection"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let stamp = line.strip_prefix(b"[")?;
        if !stamp.first()?.is_ascii_alphabetic() {
            return None;
        }
        let (time, used) = context.times.ctime(stamp)?;
        let mut rest = stamp[used..].strip_prefix(b"]")?.trim_ascii_start();
        let (mut level, mut logger) = (None, None);
        if let Some((inner, after)) = group(rest).filter(|_| rest.starts_with(b"[")) {
            let colon = memchr::memchr(b':', inner);
            let (module, word) = colon.map_or((None, inner), |at| (Some(&inner[..at]), &inner[at + 1..]));
            // Since 2.4 there are eight levels of tracing.
            let traced = word.strip_prefix(b"trace").filter(|n| n.len() == 1 && n[0].is_ascii_digit()).map(|_| Level::Trace);
            level = traced.or_else(|| Level::of_word(word));
            if level.is_some() {
                (logger, rest) = (module, after.trim_ascii_start());
            }
        }
        // The kernel's messages, whose dates `dmesg -T` writes so, have neither level nor client.
        if level.is_none() && !rest.starts_with(b"[pid ") && !rest.starts_with(b"[client ") {
            return None;
        }
        if let Some((_, after)) = group(rest).filter(|_| rest.starts_with(b"[pid ")) {
            rest = after.trim_ascii_start();
        }
        Some(Record::of(time, php::level(rest).or(level), logger, rest))
    }
}

impl Format for Cups {
    fn name(&self) -> &'static str {
        "cups"
    }

    fn summary(&self) -> &'static str {
        "the error log of CUPS: L [dd/Mon/yyyy:time zone] text"
    }

    fn example(&self) -> &'static str {
        "E [26/Jan/2026:10:30:45 +0100] Unknown directive BrowseOrder on line 22"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let [letter, b' ', b'[', stamp @ ..] = line else { return None };
        let (time, used) = context.times.day_month(stamp)?;
        let message = stamp[used..].strip_prefix(b"] ")?;
        Some(Record::of(time, Level::of_letter(*letter), None, message))
    }
}

//! Access logs of web servers: combined and common (nginx, Apache and many more) and Envoy's default. The level is the status'.
//!
//! The message is the request with its status: what it came from and how long it took would keep like requests apart.

use super::{
    Context, Format, Record,
    shared::text::{between, status},
};
use crate::logs::level::Level;

/// The common and the combined log format.
pub(super) struct Access;

/// Envoy's default.
pub(super) struct Envoy;

/// What stands before the date is not longer.
const LONGEST_CLIENT_BYTES: usize = 300;

/// A request in quotes and the status behind it, and both as one text.
fn request(text: &[u8]) -> Option<(u16, &[u8])> {
    let inner = text.strip_prefix(b"\"")?;
    let mut from = 0;
    // A quote in a request is escaped.
    let end = loop {
        let at = from + memchr::memchr(b'"', inner.get(from..)?)?;
        if at > 0 && inner[at - 1] == b'\\' {
            from = at + 1;
        } else {
            break at;
        }
    };
    let rest = inner[end + 1..].strip_prefix(b" ")?;
    let code = status(rest)?;
    Some((code, between(text, text, &rest[3..])))
}

impl Format for Access {
    fn name(&self) -> &'static str {
        "access"
    }

    fn summary(&self) -> &'static str {
        "web access logs, common and combined (nginx, Apache): the level is that of the status"
    }

    fn example(&self) -> &'static str {
        r#"192.0.2.7 - - [26/Jan/2026:10:30:45 +0100] "GET /cart HTTP/1.1" 502 157 "-" "curl/8.5.0""#
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric() || matches!(first, b':' | b'-')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let head = &line[..line.len().min(LONGEST_CLIENT_BYTES)];
        let open = memchr::memchr(b'[', head)?;
        let before = &head[..open];
        // A client, who it says it is and who it is; a virtual host may stand in front.
        if !(2..=6).contains(&before.iter().filter(|b| **b == b' ').count()) || before.last() != Some(&b' ') {
            return None;
        }
        let stamp = &line[open + 1..];
        if !stamp.first()?.is_ascii_digit() {
            return None;
        }
        let (time, used) = context.times.any(stamp)?;
        let rest = stamp[used..].strip_prefix(b"] ")?.trim_ascii_start();
        let (code, message) = request(rest)?;
        Some(Record::of(time, Level::of_status(code), None, message))
    }
}

impl Format for Envoy {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn summary(&self) -> &'static str {
        "Envoy's default access log: the level is that of the status"
    }

    fn example(&self) -> &'static str {
        r#"[2026-01-26T10:30:45.123Z] "GET /cart HTTP/2" 503 UF 0 91 10 - "-" "curl/8.5.0""#
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'['
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let stamp = line.strip_prefix(b"[")?;
        let (time, used) = context.times.read(stamp)?;
        let (code, message) = request(stamp[used..].strip_prefix(b"] ")?)?;
        Some(Record::of(Some(time), Level::of_status(code), None, message))
    }
}

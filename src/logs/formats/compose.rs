//! `docker compose logs`: the service's name and a bar before each line, and the runtime's time with `-t`.
//!
//! What the text says is read by the reader of the file, service by service.

use super::{Context, Format, Record};
use crate::logs::{level::Level, time::TimeReader};

/// Compose prefixes.
pub(super) struct Compose;

/// A longer name is none.
const LONGEST_SERVICE_BYTES: usize = 64;

/// Bytes of the runtime's time, which always has nine decimals.
const STAMP_BYTES: usize = 30;

/// The service and the text behind its bar.
pub(super) fn unwrap(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = line.iter().take(LONGEST_SERVICE_BYTES).take_while(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b)).count();
    let (service, rest) = line.split_at(name);
    let text = rest.trim_ascii_start().strip_prefix(b"|")?;
    let blanks = rest.first() == Some(&b' ') && text.first().is_none_or(|b| *b == b' ');
    // A column of a table is no service.
    let numbered = matches!(service, [.., b'-' | b'_', n] if n.is_ascii_digit());
    let named = service.iter().any(u8::is_ascii_lowercase) && Level::of_word(service).is_none() && (numbered || rest.starts_with(b"  "));
    (named && blanks).then_some((service, text.get(1..).unwrap_or_default()))
}

/// The runtime's time at the start of a text, as it is written, and the text behind it.
pub(super) fn stamp(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (stamp, rest) = text.split_at_checked(STAMP_BYTES)?;
    let shaped = stamp[10] == b'T' && stamp[19] == b'.' && stamp[STAMP_BYTES - 1] == b'Z';
    if !shaped || rest.first().is_some_and(|b| *b != b' ') { None } else { Some((stamp, rest.get(1..).unwrap_or_default())) }
}

/// The record that the runtime tells of.
pub(super) fn record<'l>(service: &'l [u8], text: &'l [u8], times: &mut TimeReader) -> Record<'l> {
    let stamped = stamp(text).and_then(|(stamp, text)| Some((times.read_whole(stamp)?, text)));
    let (time, text) = stamped.map_or((None, text), |(time, text)| (Some(time), text));
    Record::of(time, None, Some(service), text.trim_ascii())
}

impl Format for Compose {
    fn name(&self) -> &'static str {
        "compose"
    }

    fn summary(&self) -> &'static str {
        "docker compose logs: a service and a bar before each line; what is behind it is read by its own format"
    }

    fn example(&self) -> &'static str {
        "web-1  | 2026-01-26T10:30:45.123456789Z listening"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphanumeric()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (service, text) = unwrap(line)?;
        Some(record(service, text, &mut context.times))
    }
}

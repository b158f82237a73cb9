//! SSSD: `(Mon Jan 26 10:30:45 2026) [sssd[be[default]]] [sysdb_search] (0x0040): text`. The number is a bit that tells the level.

use super::{
    Context, Format, Record,
    shared::text::{group, split},
};
use crate::logs::level::Level;

/// SSSD.
pub(super) struct Sssd;

impl Format for Sssd {
    fn name(&self) -> &'static str {
        "sssd"
    }

    fn summary(&self) -> &'static str {
        "SSSD: (time) [service] [function] (level bit): text"
    }

    fn example(&self) -> &'static str {
        "(2026-01-26 10:30:45): [be[example.com]] [sysdb_add_user] (0x0040): Group already exists"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'('
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let stamp = line.strip_prefix(b"(")?;
        let (time, used) = context.times.any(stamp)?;
        let rest = stamp[used..].strip_prefix(b")")?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
        let (service, rest) = group(rest).filter(|_| rest.starts_with(b"["))?;
        let (_, rest) = group(rest.trim_ascii_start())?;
        let (bit, message) = split(rest.trim_ascii_start().strip_prefix(b"(0x")?, b')')?;
        let level = match bit {
            b"0010" => Level::Critical,
            b"0020" | b"0040" => Level::Error,
            b"0080" => Level::Warning,
            b"0100" | b"0200" => Level::Info,
            b"0400" | b"1000" | b"2000" => Level::Debug,
            _ => Level::Trace,
        };
        Some(Record::of(time, Some(level), Some(service), message.strip_prefix(b":").unwrap_or(message).trim_ascii()))
    }
}

//! The error logs of MySQL and MariaDB: `2026-01-26T10:30:45.123456Z 8 [Warning] [MY-010068] [Server] text`.
//!
//! MySQL's Note is a notice; its System messages are information.

use super::{
    Context, Format, Record,
    shared::text::{digits, group},
};
use crate::logs::level::Level;

/// MySQL.
pub(super) struct Mysql;

impl Format for Mysql {
    fn name(&self) -> &'static str {
        "mysql"
    }

    fn summary(&self) -> &'static str {
        "MySQL and MariaDB error logs"
    }

    fn example(&self) -> &'static str {
        "2026-01-26T10:30:45.123456Z 8 [Warning] [MY-010068] [Server] CA certificate is self signed"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (time, used) = context.times.any(line)?;
        let rest = line[used..].strip_prefix(b" ")?;
        let (thread, after) = digits(rest.trim_ascii_start());
        // Before 5.7 there was no thread, but the date was short.
        if thread.is_empty() && line.get(6) != Some(&b' ') {
            return None;
        }
        let (word, rest) = group(Some(after.trim_ascii_start()).filter(|text| text.starts_with(b"["))?)?;
        let level = match word {
            b"Note" => Level::Notice,
            b"Warning" => Level::Warning,
            b"ERROR" | b"Error" => Level::Error,
            b"System" => Level::Info,
            _ => return None,
        };
        let rest = rest.trim_ascii();
        if let Some((code, behind)) = group(rest).filter(|_| rest.starts_with(b"[MY-"))
            && let behind = behind.trim_ascii_start()
            && let Some((subsystem, message)) = group(behind).filter(|_| !code.contains(&b' ') && behind.starts_with(b"["))
        {
            return Some(Record::of(time, Some(level), Some(subsystem), message.trim_ascii()));
        }
        Some(Record::of(time, Some(level), None, rest))
    }
}

//! What logging libraries write to a console: logrus (`ERRO[0001] text`, seconds since start) and .NET (`fail: Category[13]`, the text below).

use super::{Context, Format, Record, shared::text::group};
use crate::logs::level::Level;

/// logrus on a terminal.
pub(super) struct Logrus;

/// Microsoft.Extensions.Logging on a console.
pub(super) struct Dotnet;

/// Letters of a level in both.
const LEVEL_BYTES: usize = 4;

impl Format for Logrus {
    fn name(&self) -> &'static str {
        "logrus"
    }

    fn summary(&self) -> &'static str {
        "logrus on a terminal: LEVE[seconds since start] text, or a time in the brackets"
    }

    fn example(&self) -> &'static str {
        "ERRO[0001] failed to pull image                          error=\"no such host\""
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase()
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (word, rest) = line.split_at_checked(LEVEL_BYTES)?;
        let level = match word {
            b"PANI" | b"FATA" => Level::Critical,
            b"ERRO" => Level::Error,
            b"WARN" => Level::Warning,
            b"INFO" => Level::Info,
            b"DEBU" => Level::Debug,
            b"TRAC" => Level::Trace,
            _ => return None,
        };
        let (inner, message) = group(rest).filter(|_| rest.starts_with(b"["))?;
        let elapsed = (4..=9).contains(&inner.len()) && inner.iter().all(u8::is_ascii_digit);
        let time = if elapsed { None } else { context.times.any_whole(inner)?.0 };
        context.times.seen.stamped = true;
        Some(Record::of(time, Some(level), None, message.trim_ascii()))
    }
}

impl Format for Dotnet {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    fn summary(&self) -> &'static str {
        ".NET on a console: leve: Category[number], the text indented below"
    }

    fn example(&self) -> &'static str {
        "fail: Microsoft.AspNetCore.Server.Kestrel[13]"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_lowercase()
    }

    fn parse<'l>(&self, line: &'l [u8], _context: &mut Context) -> Option<Record<'l>> {
        let (word, rest) = line.split_at_checked(LEVEL_BYTES)?;
        let level = match word {
            b"crit" => Level::Critical,
            b"fail" => Level::Error,
            b"warn" => Level::Warning,
            b"info" => Level::Info,
            b"dbug" => Level::Debug,
            b"trce" => Level::Trace,
            _ => return None,
        };
        let rest = rest.strip_prefix(b": ")?;
        let name = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"._+`-".contains(b)).count();
        let (number, message) = group(&rest[name..]).filter(|_| rest[name..].starts_with(b"["))?;
        if name == 0 || number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let message = message.trim_ascii();
        Some(Record::of(None, Some(level), Some(&rest[..name]), if message.is_empty() { rest } else { message }))
    }
}

//! Syslog: RFC 5424, RFC 3164 (no year), and the same with an ISO timestamp, each with or without its priority.
//!
//! The level is the priority's; without one, a level word in a clear place at the message's beginning, or the status of HAProxy's requests.

use super::{
    Context, Format, Record,
    shared::{
        object::{Scheme, fields},
        text::{digits, group, number, split, status, word},
    },
};
use crate::logs::level::Level;

/// RFC 5424.
pub(super) struct Rfc5424;

/// RFC 3164.
pub(super) struct Rfc3164;

/// As RFC 3164, with an ISO timestamp: rsyslog's and systemd's files.
pub(super) struct Iso;

/// A longer tag is text.
const LONGEST_TAG_BYTES: usize = 100;

/// The level of a priority in angle brackets, if there is one, and the text behind it.
fn priority(line: &[u8]) -> Option<(Option<Level>, &[u8])> {
    let Some(inner) = line.strip_prefix(b"<") else { return Some((None, line)) };
    let (value, rest) = digits(inner);
    let value = number(value).filter(|value| *value < 192)?;
    Some((Level::of_syslog(u8::try_from(value % 8).ok()?), rest.strip_prefix(b">")?))
}

/// Host, program and text behind a timestamp.
pub(super) fn body(text: &[u8]) -> Option<Record<'_>> {
    let (host, rest) = word(text);
    if host.is_empty() {
        return None;
    }
    // Some daemons write no host: the first word is the program then.
    let (program, message) = match tag(text).filter(|_| host.ends_with(b":")) {
        Some(tagged) => tagged,
        None => tag(rest).unwrap_or((b"", rest)),
    };
    let level = if program.starts_with(b"haproxy") { request(message).or_else(|| level_of(message)) } else { level_of(message) };
    Some(Record::of(None, level, Some(program), message.trim_ascii()))
}

/// The program's name and the text behind its colon: `sshd[7]: text`, `syslogd 1.4.1: text`, `Setup Assistant[7]: text`,
/// `-- root[7]: text`, `com.example.launchd[1] (com.example.job[7]): text`.
fn tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = &text[..text.len().min(LONGEST_TAG_BYTES)];
    let end = head.iter().position(|b| matches!(b, b':' | b'[' | b' ')).unwrap_or(head.len());
    match head.get(end)? {
        b':' if end > 0 && head.get(end + 1).is_none_or(u8::is_ascii_whitespace) => Some((&head[..end], &text[end + 1..])),
        b'[' if end > 0 => numbered(text, end),
        b' ' => {
            let (next, _) = word(head[end..].trim_ascii_start());
            let at = end + head[end..].iter().take_while(|b| **b == b' ').count();
            if next.ends_with(b":") && next.first()?.is_ascii_digit() && next.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':')) {
                return Some((&head[..end], &text[at + next.len()..]));
            }
            // A name of up to three words that its process number ends.
            let open = memchr::memchr(b'[', head)?;
            let words = head[..open].iter().filter(|b| **b == b' ').count();
            let plain = head[..open].iter().all(|b| b.is_ascii_alphanumeric() || b" _.-".contains(b));
            if words > 2 || !plain || head[open - 1] == b' ' { None } else { numbered(text, open) }
        }
        _ => None,
    }
}

/// A name that ends at its process number in brackets, and the text behind the colon.
fn numbered(text: &[u8], open: usize) -> Option<(&[u8], &[u8])> {
    let (pid, after) = group(&text[open..])?;
    if pid.is_empty() || pid.len() > 24 || pid.contains(&b' ') {
        return None;
    }
    let name = text[..open].strip_prefix(b"-- ").unwrap_or(&text[..open]).trim_ascii();
    if let Some(rest) = after.strip_prefix(b" (") {
        let end = memchr::memmem::find(rest, b"):")?;
        return Some((name, &rest[end + 2..]));
    }
    after.strip_prefix(b":").map(|message| (name, message))
}

/// A level word at the beginning of a message: `ERROR: text`, `[error] text`, `<warn>  text`, `level=error ...`, `{"level":"error",...}`.
fn level_of(message: &[u8]) -> Option<Level> {
    let message = message.trim_ascii_start();
    match message.first()? {
        b'[' | b'<' => {
            let (inner, _) = group(&message[..message.len().min(16)])?;
            Level::of_word(inner.trim_ascii())
        }
        b'{' => fields(message).find(|(key, _)| matches!(*key, b"level" | b"severity" | b"lvl"))?.1.level(Scheme::Pino),
        b't' | b'l' if message.starts_with(b"time=") || message.starts_with(b"level=") || message.starts_with(b"ts=") || message.starts_with(b"t=") => {
            let at = memchr::memmem::find(&message[..message.len().min(100)], b"level=").map(|at| at + 6)?;
            Level::of_word(word(&message[at..]).0)
        }
        _ => {
            let letters = message.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
            let (word, after) = message.split_at(letters);
            let capitals = word.iter().all(u8::is_ascii_uppercase);
            let closed = matches!(after, [b':', b' ', ..]) || (capitals && matches!(after, [b' ', b' ' | b'-' | b'[' | b'|', ..]));
            Level::of_word(word).filter(|_| closed)
        }
    }
}

/// The level of the status in a request of HAProxy: behind the times that slashes part.
fn request(message: &[u8]) -> Option<Level> {
    let (_, stamp) = split(message, b'[')?;
    let (_, mut rest) = split(stamp, b']')?;
    for _ in 0..4 {
        let (column, after) = word(rest.trim_ascii_start());
        if column.iter().filter(|b| **b == b'/').count() == 4 {
            return status(after).and_then(Level::of_status);
        }
        rest = after;
    }
    None
}

impl Format for Rfc3164 {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn summary(&self) -> &'static str {
        "RFC 3164: Mon dd time host program[pid]: text, with or without <priority>; no year"
    }

    fn example(&self) -> &'static str {
        "Jan 26 10:30:45 web1 sshd[7]: Connection closed by 192.0.2.7"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_uppercase() || first == b'<'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (level, rest) = priority(line)?;
        let (time, used) = context.times.month_day(rest)?;
        // Java's own logger writes dates that look alike.
        if rest[..used].contains(&b',') {
            return None;
        }
        let rest = rest[used..].strip_prefix(b":").unwrap_or(&rest[used..]);
        let record = body(rest.strip_prefix(b" ")?.trim_ascii_start())?;
        Some(Record { time, level: level.or(record.level), ..record })
    }
}

impl Format for Iso {
    fn name(&self) -> &'static str {
        "syslog-iso"
    }

    fn summary(&self) -> &'static str {
        "syslog with an ISO timestamp (rsyslog, journalctl -o short-iso): time host program[pid]: text"
    }

    fn example(&self) -> &'static str {
        "2026-01-26T10:30:45.123456+01:00 web1 sshd[7]: Connection closed by 192.0.2.7"
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_digit() || first == b'<'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (level, rest) = priority(line)?;
        if rest.get(10) != Some(&b'T') {
            return None;
        }
        let (stamp, rest) = word(rest);
        let zoned = stamp.ends_with(b"Z") || stamp.get(19..)?.iter().any(|b| matches!(b, b'+' | b'-'));
        let (host, behind) = word(rest);
        // `LEVEL module: text` looks like a host and a program.
        let named = host.iter().all(|b| b.is_ascii_alphanumeric() || b"._-:".contains(b)) && host.iter().any(u8::is_ascii_alphabetic);
        if !zoned || !named || host.ends_with(b":") || Level::of_word(host).is_some() {
            return None;
        }
        let (program, message) = tag(behind)?;
        let numbered = behind.get(program.len()) == Some(&b'[');
        if Level::of_word(program).is_some() || (level.is_none() && !numbered && program.iter().any(|b| b" :".contains(b))) {
            return None;
        }
        let time = context.times.read_whole(stamp)?;
        Some(Record::of(Some(time), level.or_else(|| level_of(message)), Some(program), message.trim_ascii()))
    }
}

impl Format for Rfc5424 {
    fn name(&self) -> &'static str {
        "syslog-5424"
    }

    fn summary(&self) -> &'static str {
        "RFC 5424: <priority>1 time host program pid id [data] text"
    }

    fn example(&self) -> &'static str {
        "<11>1 2026-01-26T10:30:45.123456+01:00 web1 shop 7 ID47 - Connection refused"
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'<' || first == b'1'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let (level, rest) = priority(line)?;
        let (stamp, rest) = word(rest.strip_prefix(b"1 ")?);
        let time = if stamp == b"-" { None } else { Some(context.times.read_whole(stamp)?) };
        context.times.seen.stamped = true;
        let (_, rest) = word(rest);
        let (program, rest) = word(rest);
        let (_, rest) = word(rest);
        let (_, mut rest) = word(rest);
        // Structured data: `-`, or brackets, whose values may hold brackets in quotes.
        if let Some(text) = rest.strip_prefix(b"-") {
            rest = text;
        } else {
            while rest.starts_with(b"[") {
                rest = data_end(rest)?;
            }
        }
        let message = rest.trim_ascii();
        let message = message.strip_prefix("\u{feff}".as_bytes()).unwrap_or(message);
        let program = Some(program).filter(|name| *name != b"-");
        Some(Record::of(time, level.or_else(|| level_of(message)), program, message))
    }
}

/// The text behind an element of structured data.
fn data_end(text: &[u8]) -> Option<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted => return Some(&text[at + 1..]),
            _ => {}
        }
    }
    None
}

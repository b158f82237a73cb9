//! logfmt: `key=value` pairs in any order, values with blanks in quotes.
//!
//! A line is of this format when it begins with a pair and has a time, level or message among its pairs.

use std::borrow::Cow;

use super::{
    Context, Format, Record,
    shared::object::{Scheme, Value, unescape},
};

/// logfmt.
pub(super) struct Logfmt;

/// A longer key is text.
const LONGEST_KEY_BYTES: usize = 64;

/// Words in a row without `=` after which a line is text.
const WORDS_IN_A_ROW: usize = 2;

/// The pairs of a line, from the left, until something is none.
struct Pairs<'l> {
    rest: &'l [u8],
    words: usize,
}

impl<'l> Iterator for Pairs<'l> {
    type Item = (&'l [u8], &'l [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if self.rest.is_empty() {
                return None;
            }
            let key = self.rest.iter().take(LONGEST_KEY_BYTES).take_while(|b| b.is_ascii_alphanumeric() || b"_.-@/".contains(b)).count();
            let after = &self.rest[key..];
            if key > 0 && after.first() == Some(&b'=') {
                self.words = 0;
                let (value, quoted, rest) = value(&after[1..]);
                let key = &self.rest[..key];
                self.rest = rest;
                return Some((key, value, quoted));
            }
            // A flag, or a value that nobody quoted.
            self.words += 1;
            if self.words > WORDS_IN_A_ROW {
                return None;
            }
            let blank = memchr::memchr(b' ', self.rest).unwrap_or(self.rest.len());
            self.rest = &self.rest[blank..];
        }
    }
}

fn value(text: &[u8]) -> (&[u8], bool, &[u8]) {
    if let Some(inner) = text.strip_prefix(b"\"") {
        let mut from = 0;
        while let Some(at) = inner.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)).map(|at| from + at) {
            if inner[at] == b'"' {
                return (&inner[..at], true, &inner[at + 1..]);
            }
            from = at + 2;
        }
    }
    let end = memchr::memchr2(b' ', b'\t', text).unwrap_or(text.len());
    (&text[..end], false, &text[end..])
}

impl Format for Logfmt {
    fn name(&self) -> &'static str {
        "logfmt"
    }

    fn summary(&self) -> &'static str {
        "key=value pairs in any order: time or ts, level or lvl, msg, logger or component"
    }

    fn example(&self) -> &'static str {
        r#"time="2026-01-26T10:30:45Z" level=error msg="Connection refused" component=db"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first.is_ascii_alphabetic() || matches!(first, b'@' | b'_')
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let key = line.iter().take(LONGEST_KEY_BYTES).take_while(|b| b.is_ascii_alphanumeric() || b"_.-@/".contains(b)).count();
        if line.get(key) != Some(&b'=') {
            return None;
        }
        let mut record = Record::default();
        let mut said = false;
        let mut rank = u8::MAX;
        for (key, value, quoted) in (Pairs { rest: line, words: 0 }) {
            let escaped = quoted && memchr::memchr(b'\\', value).is_some();
            let typed = Value::Text(value, escaped);
            match key {
                b"time" | b"ts" | b"timestamp" | b"t" | b"@timestamp" | b"date" | b"datetime" if record.time.is_none() => {
                    record.time = typed.time(&mut context.times);
                }
                b"level" | b"lvl" | b"severity" | b"loglevel" if record.level.is_none() => record.level = typed.level(Scheme::Pino),
                b"msg" | b"message" | b"event" if !said => {
                    record.message = if escaped { unescape(value) } else { Cow::Borrowed(value) };
                    said = true;
                }
                b"logger" | b"component" | b"caller" | b"module" | b"name" => {
                    let better = match key {
                        b"logger" => 0,
                        b"component" | b"module" => 1,
                        _ => 2,
                    };
                    if better < rank {
                        (rank, record.logger) = (better, Some(Cow::Borrowed(value)));
                    }
                }
                _ => {}
            }
            if rank == 0 && said && record.time.is_some() && record.level.is_some() {
                break;
            }
        }
        if record.time.is_none() && record.level.is_none() {
            return None;
        }
        if !said {
            record.message = Cow::Borrowed(line);
        }
        context.times.seen.stamped |= record.time.is_some();
        Some(record)
    }
}

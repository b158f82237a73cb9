//! One JSON object a line, with any usual names for time, level, message and logger.
//!
//! Reads the object from the left and stops when it has the four best fields; what comes behind them is not looked at. An object in
//! which none of time, level and message is found, or that is not well-formed as far as it was read, is not of this format.

use std::borrow::Cow;

use super::{Context, Format, Record};
use crate::logs::{level::Level, time};

/// JSON lines.
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn summary(&self) -> &'static str {
        "one JSON object a line: timestamp, ts, time or @timestamp; level, severity or log.level; message or msg; logger or name"
    }

    fn example(&self) -> &'static str {
        r#"{"ts":"2026-01-26T10:30:45Z","level":"error","logger":"db","msg":"Connection refused"}"#
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        if line.first() != Some(&b'{') {
            return None;
        }
        let mut found = Found { rank: [u8::MAX; 4], record: Record::default() };
        found.object(line, context, 0)?;
        let Found { rank, mut record } = found;
        if rank[Slot::Time as usize] == u8::MAX && rank[Slot::Level as usize] == u8::MAX && rank[Slot::Message as usize] == u8::MAX {
            return None;
        }
        if rank[Slot::Message as usize] == u8::MAX {
            record.message = Cow::Borrowed(line);
        }
        Some(record)
    }
}

#[derive(Clone, Copy)]
enum Slot {
    Time,
    Level,
    Message,
    Logger,
}

/// What a key stands for, and how good it is: 0 is best and the first of equals wins.
fn slot(key: &[u8]) -> Option<(Slot, u8)> {
    let mut lower = [0; 16];
    let lower = lower.get_mut(..key.len())?;
    lower.copy_from_slice(key);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"timestamp" | b"@timestamp" | b"ts" | b"time" => (Slot::Time, 0),
        b"datetime" | b"date" | b"eventtime" | b"event_time" | b"t" | b"@t" | b"asctime" | b"created_at" => (Slot::Time, 1),
        b"level" | b"severity" | b"lvl" | b"log.level" | b"loglevel" | b"log_level" | b"level_name" | b"levelname" => (Slot::Level, 0),
        b"severitytext" | b"severity_text" | b"@l" => (Slot::Level, 1),
        b"message" | b"msg" => (Slot::Message, 0),
        b"log" | b"text" | b"event" | b"body" | b"@m" | b"@mt" => (Slot::Message, 1),
        b"logger" | b"logger_name" | b"log.logger" => (Slot::Logger, 0),
        b"name" | b"module" | b"component" | b"loggername" => (Slot::Logger, 1),
        b"service" | b"caller" | b"target" | b"c" => (Slot::Logger, 2),
        _ => return None,
    })
}

struct Found<'l> {
    rank: [u8; 4],
    record: Record<'l>,
}

impl<'l> Found<'l> {
    /// Reads the fields of an object; none when it is malformed before the four best fields are there.
    fn object(&mut self, text: &'l [u8], context: &mut Context, depth: u8) -> Option<()> {
        let mut cursor = Cursor { text, at: 0 };
        cursor.expect(b'{')?;
        if cursor.next_is(b'}') {
            return Some(());
        }
        loop {
            cursor.blanks();
            let (key, _) = cursor.string()?;
            cursor.expect(b':')?;
            let value = cursor.value()?;
            self.field(key, &value, context, depth);
            if self.rank == [0; 4] {
                return Some(());
            }
            if cursor.next_is(b',') {
                continue;
            }
            cursor.expect(b'}')?;
            cursor.blanks();
            return (depth > 0 || cursor.at == text.len()).then_some(());
        }
    }

    fn field(&mut self, key: &'l [u8], value: &Value<'l>, context: &mut Context, depth: u8) {
        if let Value::Object(inner) = value
            && depth == 0
        {
            self.nested(key, inner, context);
            return;
        }
        let Some((slot, rank)) = slot(key) else { return };
        if rank >= self.rank[slot as usize] {
            return;
        }
        let taken = match slot {
            Slot::Time => value.time(context).map(|time| self.record.time = Some(time)),
            Slot::Level => value.level().map(|level| self.record.level = Some(level)),
            Slot::Message => value.text().map(|text| self.record.message = text),
            Slot::Logger => value.text().map(|text| self.record.logger = Some(text)),
        };
        if taken.is_some() {
            self.rank[slot as usize] = rank;
        }
    }

    /// `"log": {"level": ..., "logger": ...}` and `"t": {"$date": ...}`; other objects say nothing.
    fn nested(&mut self, key: &[u8], inner: &'l [u8], context: &mut Context) {
        let mut probe = Found { rank: self.rank, record: Record::default() };
        if key == b"log" {
            // Only level and logger: a text in there is not the record's.
            probe.rank[Slot::Time as usize] = 0;
            probe.rank[Slot::Message as usize] = 0;
            if probe.object(inner, context, 1).is_some() {
                for (slot, taken) in [(Slot::Level, probe.record.level.is_some()), (Slot::Logger, probe.record.logger.is_some())] {
                    if taken {
                        self.rank[slot as usize] = probe.rank[slot as usize];
                    }
                }
                self.record.level = probe.record.level.or(self.record.level);
                self.record.logger = probe.record.logger.or_else(|| self.record.logger.take());
            }
        } else if let Some((Slot::Time, rank)) = slot(key)
            && rank < self.rank[Slot::Time as usize]
            && let Some(time) = mongo_date(inner, context)
        {
            (self.record.time, self.rank[Slot::Time as usize]) = (Some(time), rank);
        }
    }
}

/// The moment in `{"$date": ...}`.
fn mongo_date(object: &[u8], context: &mut Context) -> Option<time::Nanos> {
    let mut cursor = Cursor { text: object, at: 0 };
    cursor.expect(b'{')?;
    cursor.blanks();
    let (key, _) = cursor.string()?;
    cursor.expect(b':')?;
    let value = cursor.value()?;
    if key == b"$date" { value.time(context) } else { None }
}

enum Value<'l> {
    /// The inside of a string, and whether it holds escapes.
    Text(&'l [u8], bool),
    Number(&'l [u8]),
    Object(&'l [u8]),
    /// Arrays and words.
    Other,
}

impl<'l> Value<'l> {
    fn time(&self, context: &mut Context) -> Option<time::Nanos> {
        match self {
            Self::Text(text, false) => context.times.read_whole(text).or_else(|| time::epoch(text)),
            Self::Number(number) => time::epoch(number),
            _ => None,
        }
    }

    fn level(&self) -> Option<Level> {
        match self {
            Self::Text(text, false) => Level::of_word(text.trim_ascii()).or_else(|| Level::of_number(text)),
            Self::Number(number) => Level::of_number(number),
            _ => None,
        }
    }

    fn text(&self) -> Option<Cow<'l, [u8]>> {
        match self {
            Self::Text(text, false) => Some(Cow::Borrowed(text)),
            Self::Text(text, true) => Some(unescape(text)),
            Self::Number(number) => Some(Cow::Borrowed(number)),
            Self::Object(_) | Self::Other => None,
        }
    }
}

/// The text that a JSON string stands for; the raw text where its escapes are wrong.
fn unescape(inner: &[u8]) -> Cow<'_, [u8]> {
    let quoted = [b"\"", inner, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(inner),
    }
}

struct Cursor<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Cursor<'l> {
    fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn next_is(&mut self, byte: u8) -> bool {
        self.blanks();
        let is = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then_some(())
    }

    /// The inside of the string that begins here, and whether it holds escapes.
    fn string(&mut self) -> Option<(&'l [u8], bool)> {
        if self.text.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let mut from = start;
        let mut escaped = false;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', self.text.get(from..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some((&self.text[start..at], escaped));
            }
            escaped = true;
            from = at + 2;
        }
    }

    fn value(&mut self) -> Option<Value<'l>> {
        self.blanks();
        let start = self.at;
        match *self.text.get(start)? {
            b'"' => self.string().map(|(text, escaped)| Value::Text(text, escaped)),
            b'{' => self.skip_nested().map(|()| Value::Object(&self.text[start..self.at])),
            b'[' => self.skip_nested().map(|()| Value::Other),
            first => {
                while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)) {
                    self.at += 1;
                }
                let word = &self.text[start..self.at];
                match first {
                    b'0'..=b'9' | b'-' => Some(Value::Number(word)),
                    _ => matches!(word, b"true" | b"false" | b"null" | b"NaN" | b"Infinity").then_some(Value::Other),
                }
            }
        }
    }

    /// Passes an object or array by its brackets; what is in it is not checked.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

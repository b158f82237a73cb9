//! One JSON object a line, with any usual names for time, level, message and logger: zap, zerolog, logrus, slog, bunyan, pino, ECS, GELF,
//! OpenTelemetry, journald, MongoDB, Nextcloud, CloudTrail and their relatives.
//!
//! Reads the object from the left and stops when it has the best fields that objects of this file have; what comes behind them is not
//! looked at. An object in which none of time, level and message is found, or that is not well-formed as far as it was read, is not of
//! this format.

use std::borrow::Cow;

use super::{
    Context, Format, Record,
    shared::{
        object::{Cursor, Expected, Plan, Scheme, Slot, Value, fields},
        text::status,
    },
};
use crate::logs::{
    level::Level,
    time::{Nanos, TimeReader},
};

/// JSON lines.
pub(super) struct Json;

/// Nothing was found for a slot yet.
const NOTHING: u8 = u8::MAX;

/// The rank of a level that is the status of a request or the error of a call, not said in so many words.
const IMPLIED: u8 = 9;

/// Keys of the first object that are remembered in their order.
const EXPECTED_KEYS: usize = 32;

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

    fn begins_with(&self, first: u8) -> bool {
        first == b'{'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        if line.first() != Some(&b'{') {
            return None;
        }
        let Found { rank, mut record, .. } = read(line, &context.json, &mut context.times)?;
        if record.time.is_some() {
            context.times.seen.stamped = true;
        }
        let said = [Slot::Time, Slot::Level, Slot::Message].iter().any(|slot| rank[*slot as usize] < IMPLIED);
        if !said {
            return None;
        }
        if rank[Slot::Message as usize] == NOTHING {
            record.message = Cow::Borrowed(line);
        }
        Some(record)
    }
}

/// What the objects of a file have, from its first lines.
pub(super) fn plan<'l>(lines: impl Iterator<Item = &'l [u8]>, times: &mut TimeReader) -> Plan {
    let mut plan = Plan::default();
    let mut best = [NOTHING; 4];
    for line in lines.filter(|line| line.first() == Some(&b'{')) {
        let (mut gelf, mut nextcloud, mut method, mut outcome) = (false, 0, false, false);
        let first = plan.order.is_empty();
        for (key, _) in fields(line) {
            if first && plan.order.len() < EXPECTED_KEYS {
                plan.order.push(Expected { quoted: [key, b"\":"].concat(), meaning: slot(key) });
            }
            gelf |= key == b"short_message";
            nextcloud += u8::from(matches!(key, b"reqId" | b"remoteAddr"));
            method |= matches!(key, b"method" | b"request_method" | b"request" | b"request_uri" | b"requestMethod" | b"http_method");
            outcome |= status_key(key);
        }
        plan.requests |= method && outcome;
        match (gelf, nextcloud) {
            (true, _) => plan.scheme = Scheme::Gelf,
            (_, 2) => plan.scheme = Scheme::Nextcloud,
            _ => {}
        }
        if let Some(found) = read(line, &plan, times) {
            best = std::array::from_fn(|slot| best[slot].min(found.rank[slot]));
        }
    }
    // A logger that is never there is not waited for; time, level and message always are.
    plan.wanted = best.map(|rank| if rank == NOTHING { 0 } else { rank });
    if best[Slot::Logger as usize] == NOTHING {
        plan.wanted[Slot::Logger as usize] = NOTHING;
    }
    plan
}

type Name = (&'static [u8], Slot, u8);

/// What the keys of a length stand for, and how good they are: 0 is best and the first of equals wins.
const fn names(length: usize) -> &'static [Name] {
    use Slot::{Level, Logger, Message, Time};
    match length {
        1 => &[(b"t", Time, 1), (b"s", Level, 1), (b"c", Logger, 2), (b"L", Level, 1), (b"M", Message, 1), (b"N", Logger, 1)],
        2 => &[(b"ts", Time, 0), (b"@t", Time, 1), (b"@l", Level, 1), (b"@m", Message, 1)],
        3 => &[(b"msg", Message, 0), (b"lvl", Level, 0), (b"log", Message, 1), (b"@mt", Message, 1), (b"@ts", Time, 1), (b"app", Logger, 3)],
        4 => &[(b"time", Time, 0), (b"name", Logger, 1), (b"text", Message, 1), (b"date", Time, 1), (b"body", Message, 1), (b"host", Logger, 3)],
        5 => &[(b"level", Level, 0), (b"event", Message, 1), (b"_comm", Logger, 2)],
        6 => &[(b"logger", Logger, 0), (b"module", Logger, 1), (b"target", Logger, 2), (b"caller", Logger, 2), (b"status", Level, IMPLIED)],
        7 => &[(b"message", Message, 0), (b"asctime", Time, 1), (b"levelno", Level, 1), (b"service", Logger, 2)],
        8 => &[(b"severity", Level, 0), (b"loglevel", Level, 0), (b"priority", Level, 0), (b"datetime", Time, 1)],
        9 => &[
            (b"timestamp", Time, 0),
            (b"log.level", Level, 0),
            (b"log_level", Level, 0),
            (b"levelname", Level, 0),
            (b"eventtime", Time, 1),
            (b"component", Logger, 1),
            (b"eventname", Message, 2),
            (b"errorcode", Level, IMPLIED),
        ],
        10 => &[
            (b"@timestamp", Time, 0),
            (b"level_name", Level, 0),
            (b"log.logger", Logger, 0),
            (b"event_time", Time, 1),
            (b"created_at", Time, 1),
            (b"start_time", Time, 1),
            (b"loggername", Logger, 1),
            (b"statuscode", Level, IMPLIED),
        ],
        11 => &[(b"logger_name", Logger, 0), (b"eventsource", Logger, 2), (b"status_code", Level, IMPLIED)],
        12 => &[(b"timeunixnano", Time, 0), (b"severitytext", Level, 1)],
        13 => &[(b"severity_text", Level, 1), (b"short_message", Message, 1), (b"response_code", Level, IMPLIED)],
        14 => &[(b"severitynumber", Level, 1)],
        15 => &[(b"severity_number", Level, 1), (b"renderedmessage", Message, 1), (b"messagetemplate", Message, 2)],
        17 => &[(b"syslog_identifier", Logger, 0)],
        20 => &[(b"__realtime_timestamp", Time, 0), (b"observedtimeunixnano", Time, 2)],
        _ => &[],
    }
}

/// What a key stands for, in any case of its letters.
fn slot(key: &[u8]) -> Option<(Slot, u8)> {
    let first = key.first()? | 0x20;
    // zap's capitals; in small letters they may be anything.
    if matches!(key, b"l" | b"m" | b"n") {
        return None;
    }
    let like = |name: &&Name| name.0[0] | 0x20 == first && name.0.eq_ignore_ascii_case(key);
    names(key.len()).iter().find(like).map(|(_, slot, rank)| (*slot, *rank))
}

fn status_key(key: &[u8]) -> bool {
    matches!(key, b"status" | b"status_code" | b"response_code" | b"statusCode")
}

struct Found<'l, 'p> {
    rank: [u8; 4],
    record: Record<'l>,
    plan: &'p Plan,
}

/// Reads the fields of an object; none when it is malformed before the best fields are there.
fn read<'l, 'p>(line: &'l [u8], plan: &'p Plan, times: &mut TimeReader) -> Option<Found<'l, 'p>> {
    let mut found = Found { rank: [NOTHING; 4], record: Record::default(), plan };
    let mut cursor = Cursor::new(line);
    cursor.expect(b'{')?;
    if cursor.next_is(b'}') {
        return cursor.at_end().then_some(found);
    }
    let mut order = plan.order.iter();
    loop {
        cursor.blanks();
        let (key, meaning) = match order.next().filter(|expected| cursor.passes(&expected.quoted)) {
            Some(expected) => (expected.key(), expected.meaning),
            None => {
                let (key, _) = cursor.string()?;
                cursor.expect(b':')?;
                (key, slot(key))
            }
        };
        let value = cursor.value()?;
        let taken = found.field(key, meaning, value, times);
        if taken && found.is_enough() {
            return Some(found);
        }
        if cursor.next_is(b',') {
            continue;
        }
        cursor.expect(b'}')?;
        return cursor.at_end().then_some(found);
    }
}

impl<'l> Found<'l, '_> {
    fn is_enough(&self) -> bool {
        self.rank.iter().zip(self.plan.wanted).all(|(have, wanted)| *have <= wanted)
    }

    #[inline]
    fn field(&mut self, key: &[u8], meaning: Option<(Slot, u8)>, value: Value<'l>, times: &mut TimeReader) -> bool {
        if let Value::Object(inner) = value {
            return self.nested(key, inner, times);
        }
        let Some((slot, rank)) = meaning else { return false };
        if rank >= self.rank[slot as usize] {
            return false;
        }
        let taken = match slot {
            Slot::Time => value.time(times).map(|time| self.record.time = Some(time)),
            Slot::Level => self.level(key, value, rank).map(|level| self.record.level = Some(level)),
            Slot::Message => message(value).map(|text| self.record.message = text),
            // GELF's host is the machine; elsewhere it may be anything.
            Slot::Logger if key == b"host" && self.plan.scheme != Scheme::Gelf => None,
            Slot::Logger if key == b"app" && self.plan.scheme != Scheme::Nextcloud => None,
            Slot::Logger => value.text().map(|text| self.record.logger = Some(text)),
        };
        if taken.is_some() {
            self.rank[slot as usize] = rank;
        }
        taken.is_some()
    }

    fn level(&self, key: &[u8], value: Value<'l>, rank: u8) -> Option<Level> {
        match key {
            b"PRIORITY" => value.small().and_then(Level::of_syslog),
            b"severityNumber" | b"severity_number" | b"SeverityNumber" => value.small().and_then(Level::of_otel),
            b"levelno" => match value {
                Value::Number(number) => Level::of_python(number),
                _ => None,
            },
            // MongoDB's I, W, E, F and D1 to D5.
            b"s" => match value {
                Value::Text(&[letter @ (b'I' | b'W' | b'E' | b'F' | b'D')] | &[letter @ b'D', b'1'..=b'5'], false) => Level::of_letter(letter),
                _ => None,
            },
            b"errorCode" => matches!(value, Value::Text(..)).then_some(Level::Error),
            _ if rank == IMPLIED => match value {
                Value::Text(text, false) | Value::Number(text) if self.plan.requests => status(text).and_then(Level::of_status),
                _ => None,
            },
            _ => value.level(self.plan.scheme),
        }
    }

    /// `"log": {"level": ..., "logger": ...}`, `"t": {"$date": ...}`, `"fields": {"message": ...}` and `"body": {"stringValue": ...}`; other
    /// objects say nothing.
    fn nested(&mut self, key: &[u8], inner: &'l [u8], times: &mut TimeReader) -> bool {
        let wanted: &[(&[u8], &[u8])] = match key {
            // Only level and logger: a text in there is not the record's.
            b"log" => &[(b"level", b"level"), (b"logger", b"logger")],
            b"fields" => &[(b"message", b"message"), (b"level", b"level")],
            b"body" | b"Body" => &[(b"stringValue", b"body")],
            b"event" => &[(b"original", b"@m")],
            b"service" => &[(b"name", b"service")],
            _ => {
                return match slot(key) {
                    Some((Slot::Time, rank)) if rank < self.rank[Slot::Time as usize] => self.nested_time(inner, rank, times),
                    _ => false,
                };
            }
        };
        let mut taken = false;
        for (name, value) in fields(inner) {
            if let Some((_, stands_for)) = wanted.iter().find(|(wanted, _)| *wanted == name)
                && !matches!(value, Value::Object(_))
            {
                taken |= self.field(stands_for, slot(stands_for), value, times);
            }
        }
        taken
    }

    /// `{"$date": ...}`, and `{"seconds": ..., "nanos": ...}`.
    fn nested_time(&mut self, inner: &[u8], rank: u8, times: &mut TimeReader) -> bool {
        let mut time: Option<Nanos> = None;
        for (key, value) in fields(inner) {
            match (key, value) {
                (b"$date" | b"seconds", Value::Object(_)) => {}
                (b"$date" | b"seconds", value) => time = value.time(times),
                (b"nanos", Value::Number(nanos)) => {
                    time = time.and_then(|time| time.checked_add(i64::from(super::shared::text::number(nanos)?)));
                }
                _ => {}
            }
        }
        if time.is_some() {
            (self.record.time, self.rank[Slot::Time as usize]) = (time, rank);
        }
        time.is_some()
    }
}

/// A text, or journald's array of its bytes.
fn message<'l>(value: Value<'l>) -> Option<Cow<'l, [u8]>> {
    match value {
        Value::Array(array) => serde_json::from_slice::<Vec<u8>>(array).ok().filter(|bytes| !bytes.is_empty()).map(Cow::Owned),
        value => value.text(),
    }
}

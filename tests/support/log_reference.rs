//! What `opsmedic --json logs analyze` must count of standard and JSON lines, told slowly and plainly: the whole file in memory, one
//! expression after the other, serde for JSON. Shares no code with the engine.
//!
//! Reads only what the hostile files of `blackbox/log_reference.rs` hold: the standard line in its usual dresses, and JSON lines with one
//! name each for time, level, logger and message.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{Timestamp, civil::DateTime};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

/// Whether a line that begins no record goes on with the record before it. Without it, every line that is not blank is a record.
pub(crate) const FOLD: bool = true;

/// Longer lines are cut here.
pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

const SECOND: i64 = 1_000_000_000;

/// How the file is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// What local times are ahead of UTC.
    pub(crate) zone_seconds: i64,
    pub(crate) bucket_seconds: i64,
    /// Both inclusive, in nanoseconds since 1970.
    pub(crate) window: Option<(i64, i64)>,
    /// The substring reading of the patterns; otherwise the three patterns of [`token_patterns`].
    pub(crate) seed: bool,
}

/// What was counted; `buckets` are total, errors and warnings by the second at which they begin.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) records: u64,
    pub(crate) without_timestamp: u64,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    pub(crate) in_window: u64,
    pub(crate) levels: BTreeMap<&'static str, u64>,
    pub(crate) patterns: BTreeMap<&'static str, u64>,
    pub(crate) buckets: BTreeMap<i64, [u64; 3]>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) time: Option<i64>,
    pub(crate) level: Option<&'static str>,
    pub(crate) message: Vec<u8>,
}

/// A moment as the report shows it.
pub(crate) fn show(nanos: i64) -> String {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string()
}

/// The records of a file.
pub(crate) fn records(file: &[u8], zone_seconds: i64, fold: bool) -> Vec<Record> {
    let lines = file.split(|byte| *byte == b'\n').map(|line| line[..line.len().min(MAX_LINE_BYTES)].trim_ascii()).filter(|line| !line.is_empty());
    let mut read: Vec<(&[u8], Option<Record>)> = lines.map(|line| (line, json(line, zone_seconds).or_else(|| standard(line, zone_seconds)))).collect();
    // In a file whose records are JSON, an object is one, whatever it says.
    let objects = |line: &[u8]| line.starts_with(b"{") && line.ends_with(b"}");
    if read.iter().filter(|(_, head)| head.as_ref().is_some_and(|head| head.time.is_some())).all(|(line, _)| objects(line)) {
        for (line, head) in read.iter_mut().filter(|(line, head)| head.is_none() && objects(line)) {
            *head = Some(Record { time: None, level: None, message: line.to_vec() });
        }
    }
    // In a file where nothing begins a record, every line is one.
    let fold = fold && read.iter().any(|(_, head)| head.is_some());
    let mut records: Vec<Record> = Vec::new();
    for (line, head) in read {
        match (head, records.last_mut()) {
            (Some(head), _) => records.push(head),
            (None, Some(before)) if fold => {
                before.message.push(b'\n');
                before.message.extend_from_slice(line);
            }
            (None, _) => records.push(Record { time: None, level: None, message: line.to_vec() }),
        }
    }
    records
}

/// The counts of files that are read one after the other.
pub(crate) fn count(files: &[&[u8]], settings: &Settings) -> Counted {
    let mut counted = Counted::default();
    for record in files.iter().flat_map(|file| records(file, settings.zone_seconds, FOLD)) {
        counted.records += 1;
        counted.without_timestamp += u64::from(record.time.is_none());
        counted.first = [counted.first, record.time].into_iter().flatten().min();
        counted.last = counted.last.max(record.time);
        let inside = settings.window.is_none_or(|(from, to)| record.time.is_some_and(|time| (from..=to).contains(&time)));
        if inside {
            add(&mut counted, &record, settings);
        }
    }
    counted
}

fn add(counted: &mut Counted, record: &Record, settings: &Settings) {
    counted.in_window += 1;
    *counted.levels.entry(record.level.unwrap_or("none")).or_default() += 1;
    for (name, matches) in if settings.seed { seed_patterns(&record.message) } else { token_patterns(&record.message) } {
        *counted.patterns.entry(name).or_default() += u64::from(matches);
    }
    let Some(time) = record.time else { return };
    let seconds = time.div_euclid(SECOND);
    let bucket = counted.buckets.entry(seconds - seconds.rem_euclid(settings.bucket_seconds)).or_default();
    bucket[0] += 1;
    bucket[1] += u64::from(matches!(record.level, Some("error" | "critical")));
    bucket[2] += u64::from(record.level == Some("warning"));
}

// ---- lines

fn regex(text: &str) -> Regex {
    RegexBuilder::new(text).unicode(false).dot_matches_new_line(true).build().unwrap()
}

static TIME: LazyLock<Regex> = LazyLock::new(|| regex(r"^\[?(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?(?: ?(Z|[+-]\d\d:\d\d))?\]?(?:\s|$)"));
static BRACKETED: LazyLock<Regex> = LazyLock::new(|| regex(r"^\[([^\]]*)\]:?"));
static BARE: LazyLock<Regex> = LazyLock::new(|| regex(r"^([A-Z]+)(?:$|[ :|])"));
static MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"^[A-Za-z0-9_.$/-]{1,100}:[ \t]+"));

/// A line that begins with a moment; one that does not exist is no time.
fn standard(line: &[u8], zone_seconds: i64) -> Option<Record> {
    let found = TIME.captures(line)?;
    let part = |n| found.get(n).map(|m| str::from_utf8(m.as_bytes()).unwrap());
    let time = moment(part(1)?, part(2)?, part(3), part(4), zone_seconds);
    let mut rest = line[found.get(0)?.end()..].trim_ascii_start();
    let behind_time = rest;
    for _ in 0..4 {
        rest = without_separator(rest);
        let (word, used) = if let Some(field) = BRACKETED.captures(rest) {
            (field.get(1)?.as_bytes(), field.get(0)?.end())
        } else if let Some(word) = BARE.captures(rest) {
            let word = word.get(1)?.as_bytes();
            (word, word.len() + usize::from(rest.get(word.len()) == Some(&b':')))
        } else {
            break;
        };
        let bracketed = rest.starts_with(b"[");
        rest = rest[used..].trim_ascii_start();
        if let Some(level) = level(word.trim_ascii()) {
            let message = without_separator(rest);
            let module = MODULE.find(message).map_or(0, |m| m.end());
            return Some(Record { time, level: Some(level), message: message[module..].to_vec() });
        }
        if !bracketed {
            break;
        }
    }
    Some(Record { time, level: None, message: behind_time.to_vec() })
}

fn without_separator(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(b"- ").or_else(|| text.strip_prefix(b"| ")).unwrap_or(text).trim_ascii_start()
}

/// A whole JSON object with a time, a level or a message.
fn json(line: &[u8], zone_seconds: i64) -> Option<Record> {
    let Ok(Value::Object(object)) = serde_json::from_str(&String::from_utf8_lossy(line)) else { return None };
    let field = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
    let time = field(&["timestamp", "@timestamp", "ts", "time"]).and_then(|value| json_time(value, zone_seconds));
    let level = field(&["level", "severity", "lvl"]).and_then(|value| level(value.to_string().trim_matches('"').as_bytes()));
    let message = field(&["message", "msg"]).and_then(Value::as_str);
    if time.is_none() && level.is_none() && message.is_none() {
        return None;
    }
    Some(Record { time, level, message: message.map_or(line, str::as_bytes).to_vec() })
}

fn json_time(value: &Value, zone_seconds: i64) -> Option<i64> {
    let Value::Number(number) = value else {
        let found = TIME.captures(value.as_str()?.as_bytes())?;
        let part = |n| found.get(n).map(|m| str::from_utf8(m.as_bytes()).unwrap());
        return moment(part(1)?, part(2)?, part(3), part(4), zone_seconds);
    };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let unit = match whole.len() {
        10 => SECOND,
        13 => 1_000_000,
        19 => 1,
        _ => panic!("the hostile files hold no such epoch: {text}"),
    };
    Some(whole.parse::<i64>().unwrap() * unit + fraction(decimals) / (SECOND / unit))
}

/// Nanoseconds since 1970, none for a date or hour that does not exist.
fn moment(date: &str, clock: &str, decimals: Option<&str>, zone: Option<&str>, zone_seconds: i64) -> Option<i64> {
    let civil: DateTime = format!("{date}T{clock}").parse().ok()?;
    let ahead = match zone {
        None => zone_seconds,
        Some("Z") => 0,
        Some(offset) => {
            let seconds = offset[1..3].parse::<i64>().unwrap() * 3_600 + offset[4..6].parse::<i64>().unwrap() * 60;
            if offset.starts_with('-') { -seconds } else { seconds }
        }
    };
    let seconds = civil.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() - ahead;
    Some(seconds * SECOND + decimals.map_or(0, fraction))
}

fn fraction(decimals: &str) -> i64 {
    format!("{decimals:0<9}")[..9].parse().unwrap()
}

/// The level of a word, or of a bunyan number.
fn level(word: &[u8]) -> Option<&'static str> {
    Some(match String::from_utf8_lossy(word).to_ascii_lowercase().as_str() {
        "trace" | "10" => "trace",
        "debug" | "20" => "debug",
        "info" | "30" => "info",
        "notice" => "notice",
        "warning" | "warn" | "40" => "warning",
        "error" | "err" | "50" => "error",
        "critical" | "crit" | "fatal" | "60" => "critical",
        _ => return None,
    })
}

// ---- patterns

/// The nine patterns as the specification has them: in any case, and `.` is anything but the end of a line.
static SEED: LazyLock<[(&str, Regex); 9]> = LazyLock::new(|| {
    [
        ("connection_timeout", "connection.*timeout|timeout.*connection"),
        ("database_error", "database.*error|connection.*refused|deadlock"),
        ("memory_error", "out of memory|memory.*error|heap.*overflow"),
        ("permission_error", "permission.*denied|access.*denied|unauthorized"),
        ("file_not_found", "file.*not.*found|no such file"),
        ("network_error", "network.*error|connection.*reset|socket.*error"),
        ("rate_limit", "rate.*limit|too many requests|429"),
        ("authentication_error", "auth.*fail|invalid.*token|unauthorized"),
        ("validation_error", "validation.*error|invalid.*input|bad.*request"),
    ]
    .map(|(name, text)| (name, RegexBuilder::new(text).unicode(false).case_insensitive(true).build().unwrap()))
});

fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|byte| *byte == b'\n')
}

fn seed_patterns(message: &[u8]) -> Vec<(&'static str, bool)> {
    SEED.iter().map(|(name, regex)| (*name, lines(message).any(|line| regex.is_match(line)))).collect()
}

/// Three patterns of the default reading, by the words of a line instead of expressions.
fn token_patterns(message: &[u8]) -> Vec<(&'static str, bool)> {
    let any = |holds: fn(&Line) -> bool| lines(message).any(|line| holds(&Line::new(line)));
    vec![("file_not_found", any(file_not_found)), ("memory_error", any(memory_error)), ("network_error", any(network_error))]
}

fn file_not_found(line: &Line) -> bool {
    line.in_order(&[&["file", "files"], &["not"], &["found"]])
        || line.phrase("no such file", " ")
        || line.word(&["enoent"])
        || line.holds(&["FileNotFound", "NoSuchFile"])
}

fn memory_error(line: &Line) -> bool {
    line.phrase("out of memory", " _-")
        || line.phrase("cannot allocate memory", " ")
        || line.in_order(&[&["memory"], &["error", "errors"]])
        || line.in_order(&[&["heap"], &["overflow", "overflows", "overflowed"]])
        || line.word(&["oom", "oomkill", "oomkilled", "oomkiller", "oomkilling", "enomem"])
        || line.holds(&["OutOfMemory", "MemoryError", "HeapOverflow", "OOMKill"])
}

fn network_error(line: &Line) -> bool {
    line.in_order(&[&["network"], &["error", "errors"]])
        || line.in_order(&[&["connection", "connections"], &["reset"]])
        || line.in_order(&[&["socket"], &["error", "errors"]])
        || ["network unreachable", "network is unreachable", "no route to host"].iter().any(|phrase| line.phrase(phrase, " "))
        || line.word(&["econnreset", "enetunreach", "ehostunreach", "enetdown"])
        || line.holds(&["NetworkError", "NetworkException", "SocketError", "SocketException", "ConnectionReset", "ConnectionWasReset"])
}

static COLOUR: LazyLock<Regex> = LazyLock::new(|| regex(r"\x1b\[[0-9;]*m"));
static WORD: LazyLock<Regex> = LazyLock::new(|| regex("[A-Za-z0-9]+"));

/// A line, and its words in small letters with the text in front of each.
struct Line {
    text: Vec<u8>,
    words: Vec<(String, Vec<u8>)>,
}

impl Line {
    fn new(line: &[u8]) -> Self {
        let text = COLOUR.replace_all(line, b" ".as_slice()).into_owned();
        let mut end = 0;
        let words = WORD.find_iter(&text).map(|word| {
            let gap = text[std::mem::replace(&mut end, word.end())..word.start()].to_vec();
            (String::from_utf8_lossy(word.as_bytes()).to_ascii_lowercase(), gap)
        });
        Self { words: words.collect(), text }
    }

    /// One of these is a word of the line.
    fn word(&self, choice: &[&str]) -> bool {
        self.words.iter().any(|(word, _)| choice.contains(&word.as_str()))
    }

    /// Words in this order, with anything between them; for each place there is a choice.
    fn in_order(&self, places: &[&[&str]]) -> bool {
        let mut words = self.words.iter();
        places.iter().all(|choice| words.any(|(word, _)| choice.contains(&word.as_str())))
    }

    /// Words one behind the other, with one of these characters between them.
    fn phrase(&self, phrase: &str, between: &str) -> bool {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        self.words.windows(wanted.len()).any(|words| {
            let close = words[1..].iter().all(|(_, gap)| gap.len() == 1 && between.as_bytes().contains(&gap[0]));
            close && words.iter().map(|(word, _)| word.as_str()).eq(wanted.iter().copied())
        })
    }

    /// One of these stands in the line as it is written.
    fn holds(&self, choice: &[&str]) -> bool {
        choice.iter().any(|text| self.text.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

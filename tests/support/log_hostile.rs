//! Log files that are hard to count, from a seed: formats mixed, times unsorted or impossible, stack traces, escapes, bytes that are no text.
//!
//! Stays within what `log_reference` reads: nothing here may be read in two ways.

use serde_json::{Value, json};

/// Seconds since 1970 at which the files begin: 2026-11-20.
const START: i64 = 1_795_132_800;

/// Seconds that they span.
const SPAN: u64 = 3 * 86_400;

/// A small generator whose numbers are the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub(crate) fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }
}

/// Messages on both sides of every pattern's edge. `#` becomes a number.
const MESSAGES: &[&str] = &[
    "connection to 10.0.0.#:5432: timeout after # ms",
    "Timeout: no CONNECTION for # s",
    "timeout of # ms is set",
    "connections # and #, reconnection timeouts none",
    "database # gave an error",
    "database is well, err # of no interest",
    "connection # refused",
    "Deadlock found when trying to get lock #",
    "dead lock #",
    "Out of memory: killed #",
    "out-of-memory in #",
    "outofmemory #",
    "memory at # %, no errors",
    "heap # will overflow",
    "heap overflowing #",
    "room # has oomph",
    "oom-killer took #",
    "java.lang.OutOfMemoryError: #",
    "cannot allocate memory for #",
    "permission # denied",
    "Access was denied to #",
    "401 Unauthorized #",
    "File a#.txt was not there or found",
    "profile # notfound",
    "files # are not to be found",
    "FileNotFoundException: /srv/#",
    "no such file: #",
    "no  such file: #",
    "open: ENOENT #",
    "network # unreachable",
    "network is unreachable from #",
    "network # had 0 errors",
    "neural networking error #",
    "no route to host #",
    "Connection reset by peer #",
    "ConnectionResetError #",
    "socket # closed in error",
    "websocket errors #",
    "rate limit # hit",
    "corporate limits #",
    "Too Many Requests #",
    "status 429",
    "id 14290#",
    "auth of # failed",
    "author # did not fail",
    "invalid access token #",
    "invalid input #",
    "validation of # had an error",
    "bad request #",
    "all is well with #",
    "request # done in # ms",
    "caf\u{e9} # memory error \u{4f60}\u{597d}",
    "dead\u{202e}lock \u{212a} deadloc\u{212a} #",
    "\u{fb01}le # not found",
    "\u{1b}[31mout of memory\u{1b}[0m #",
    "x\u{1b}[1;33mfile # was not found\u{1b}[0m",
    "tab\there, memory\terror #",
    "quote \" and back\\slash, socket error #",
    "",
];

/// Bytes that are no text; only on standard lines.
const RAW: &[&[u8]] = &[
    b"connection\0\0timeout",
    b"caf\xe9 memory error",
    b"\xff\xfe network error \xc3",
    b"file\xa0not\xa0found",
    b"memory \x0b error \x01",
    b"dead\0lock",
    b"carriage\rreturn, no such file",
];

/// Lines that begin no record.
const CONTINUATIONS: &[&str] = &[
    "\tat com.acme.Svc.run(Svc.java:42)",
    "Caused by: java.net.SocketException: Connection reset",
    "    ... 23 more",
    "Traceback (most recent call last):",
    "  File \"/srv/app.py\", line 3, in go",
    "    raise ValueError(x)",
    "goroutine 1 [running]:",
    "  SELECT 1 FROM t WHERE id IN (428, 429, 430)",
    "    heap of the shard will overflow",
    "\u{1b}[31m  connection lost",
    "  here comes the timeout",
    "}",
];

/// Objects that say nothing that is known.
const UNKNOWN: &[&str] =
    &["{\"metric\":\"cpu\",\"value\":5}", "  {\"foo\":\"deadlock\"}", "{\"time\":null,\"level\":null}", "\t{\"broken\" \"level\":\"error\"}", "{}"];

const LEVELS: &[&str] =
    &["DEBUG", "INFO", "INFO", "INFO", "WARNING", "WARN", "ERROR", "ERROR", "CRITICAL", "FATAL", "error", "Info", "notice", "trace", "BOGUS"];
const LOGGERS: &[&str] = &["db", "auth", "web.api", "billing-worker", "com.acme.Svc", "rate"];
/// Of records whose level is none: the logger is then part of the message.
const PLAIN_LOGGERS: &[&str] = &["db", "web", "billing"];

fn message(dice: &mut Dice) -> String {
    let mut text = String::new();
    for part in dice.pick(MESSAGES).split('#').enumerate() {
        if part.0 > 0 {
            text += &dice.roll(1_000_000).to_string();
        }
        text += part.1;
    }
    text
}

/// A moment with its fraction of a second in nanoseconds.
fn moment(dice: &mut Dice, ordered: Option<u64>) -> (i64, u32) {
    let at = ordered.unwrap_or_else(|| dice.roll(SPAN));
    (START + i64::try_from(at).unwrap(), u32::try_from(dice.roll(1_000)).unwrap() * 1_000_000)
}

fn civil(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-20 00:00:00,123 [LEVEL] logger: message` in one of its dresses.
fn standard(dice: &mut Dice, at: (i64, u32)) -> Vec<u8> {
    let mut time = civil(at.0);
    match dice.roll(8) {
        0 => time += &format!(",{:03}", at.1 / 1_000_000),
        1 => time += &format!(".{:06}", at.1 / 1_000),
        2 => time = format!("{}Z", time.replace(' ', "T")),
        3 => time = format!("{}.{:09}+08:00", time.replace(' ', "T"), at.1),
        4 => time += " -05:30",
        _ => {}
    }
    let level = dice.pick(LEVELS);
    let logger = dice.pick(if level == "BOGUS" { PLAIN_LOGGERS } else { LOGGERS });
    let shouted = level.to_uppercase();
    let head = match dice.roll(7) {
        0 if level != "BOGUS" => format!("{time} [main] {shouted} {logger}: "),
        1 if level != "BOGUS" => format!("{time} - {shouted} - {logger}: "),
        2 if level != "BOGUS" => format!("{time} | {shouted} | {logger}: "),
        3 => format!("[{time}] [{level}] {logger}: "),
        4 => format!("{time} [{level}] "),
        _ => format!("{time} [{level}] {logger}: "),
    };
    let mut line = head.into_bytes();
    if dice.one_in(6) {
        line.extend_from_slice(dice.pick(RAW))
    } else {
        line.extend_from_slice(message(dice).as_bytes())
    }
    line
}

/// A JSON line under one of the usual names, with other fields around.
fn json_line(dice: &mut Dice, at: (i64, u32)) -> Vec<u8> {
    let seconds = at.0;
    let (time_key, time) = match dice.roll(5) {
        0 => ("ts", json!(format!("{}.{:03}", seconds, at.1 / 1_000_000).parse::<f64>().unwrap())),
        1 => ("time", json!(seconds * 1_000 + i64::from(at.1 / 1_000_000))),
        2 => ("@timestamp", json!(format!("{}.{:03}+02:00", civil(seconds).replace(' ', "T"), at.1 / 1_000_000))),
        3 => ("timestamp", json!(civil(seconds))),
        _ => ("timestamp", json!(format!("{}.{:06}Z", civil(seconds).replace(' ', "T"), at.1 / 1_000))),
    };
    let level_key = *["level", "severity", "lvl"].get(usize::try_from(dice.roll(3)).unwrap()).unwrap();
    let level = if dice.one_in(4) { json!(dice.pick::<i64>(&[&10, &20, &30, &40, &50, &60])) } else { json!(dice.pick(LEVELS)) };
    let message_key = if dice.one_in(2) { "message" } else { "msg" };
    let text = if dice.one_in(8) { format!("well\n{}\nend", message(dice)) } else { message(dice) };
    let mut fields = vec![(time_key, time), (level_key, level), ("logger", json!(dice.pick(LOGGERS))), (message_key, json!(text))];
    if dice.one_in(5) {
        let removed = usize::try_from(dice.roll(3)).unwrap();
        if removed == 0 {
            // Without a time, the level makes it a record among those that have one.
            fields[1].1 = json!(dice.pick(&["DEBUG", "ERROR", "warning"]));
        }
        fields.remove(removed);
    }
    for _ in 0..dice.roll(3) {
        let other = [("req", json!({"headers": {"a": "}{\"\\"}, "n": [1, [2, "]"]]})), ("ok", json!(true)), ("took_ms", json!(-1.5e3)), ("none", Value::Null)];
        let (key, value) = other[usize::try_from(dice.roll(4)).unwrap()].clone();
        if fields.iter().all(|(name, _)| *name != key) {
            fields.insert(usize::try_from(dice.roll(fields.len() as u64)).unwrap(), (key, value));
        }
    }
    let glue = if dice.one_in(2) { (", ", ": ") } else { (",", ":") };
    let written = fields.iter().map(|(key, value)| {
        let text = if *key == message_key { escaped(dice, value) } else { value.to_string() };
        format!("\"{key}\"{}{text}", glue.1)
    });
    format!("{{{}}}", written.collect::<Vec<_>>().join(glue.0)).into_bytes()
}

/// The JSON of a text with some of its letters written as escapes that need not be.
fn escaped(dice: &mut Dice, text: &Value) -> String {
    if !dice.one_in(3) {
        return text.to_string();
    }
    text.as_str().unwrap().chars().fold(String::from("\""), |out, c| match c {
        c if c.is_ascii_alphabetic() && !dice.one_in(4) => format!("{out}{c}"),
        '/' => out + "\\/",
        c => c.encode_utf16(&mut [0; 2]).iter().fold(out, |out, unit| format!("{out}\\u{unit:04x}")),
    }) + "\""
}

/// A line that looks like the head of a record and is less, because its moment does not exist or its JSON is torn.
fn almost(dice: &mut Dice) -> Vec<u8> {
    let torn = [
        "2026-02-30 10:00:00 [ERROR] db: the thirtieth",
        "2026-11-20 25:00:00 [ERROR] db: the twenty-fifth",
        "2026-13-01 10:00:00 [ERROR] db: the thirteenth",
        "{\"level\":\"error\",\"message\":\"torn in the mid",
        "{\"message\":\"no comma\" \"level\":\"error\"},",
    ];
    dice.pick(&torn).as_bytes().to_vec()
}

/// A line of the format near 1 MiB; what a pattern needs stands before, at or behind the place where it is cut.
fn long(dice: &mut Dice, at: (i64, u32), most: usize) -> Vec<u8> {
    let mut line = format!("{} [ERROR] db: connection ", civil(at.0)).into_bytes();
    let length = most + usize::try_from(dice.roll(40)).unwrap() - 20;
    line.resize(length, b'x');
    line.extend_from_slice(b" timeout");
    if dice.one_in(2) {
        line.extend_from_slice(b" and more of it");
    }
    line
}

/// What a file is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) seed: u64,
    pub(crate) lines: u64,
    /// Of ten heads so many are JSON.
    pub(crate) json: u64,
    pub(crate) sorted: bool,
    /// A line of at least about so many bytes.
    pub(crate) long: Option<usize>,
}

/// The file.
pub(crate) fn file(recipe: &Recipe) -> Vec<u8> {
    let mut dice = Dice::new(recipe.seed);
    let (crlf, long_at) = (dice.one_in(4), dice.roll(recipe.lines));
    let mut out = Vec::new();
    for n in 0..recipe.lines {
        let at = moment(&mut dice, recipe.sorted.then(|| n * SPAN / recipe.lines));
        let line = match recipe.long {
            Some(most) if n == long_at => long(&mut dice, at, most),
            _ if dice.roll(10) < recipe.json => json_line(&mut dice, at),
            _ => standard(&mut dice, at),
        };
        // Nothing goes on with a line that is cut: what then is its text, nobody says.
        let more = if line.len() > 1 << 16 || !dice.one_in(4) { 0 } else { dice.roll(6) };
        push(&mut out, &line, crlf || dice.one_in(50));
        // Among objects alone: elsewhere it depends on what most lines are.
        if recipe.json == 10 && recipe.long.is_none() && recipe.lines > 20 && n > 10 && dice.one_in(9) {
            push(&mut out, dice.pick(UNKNOWN).as_bytes(), crlf);
        }
        for _ in 0..more {
            let line = if dice.one_in(6) { almost(&mut dice) } else { dice.pick(CONTINUATIONS).as_bytes().to_vec() };
            push(&mut out, &line, crlf);
            if dice.one_in(6) {
                out.extend_from_slice(dice.pick::<[u8]>(&[b"\n", b"\r\n", b"   \t\n"]));
            }
        }
    }
    if dice.one_in(2) {
        out.truncate(out.trim_ascii_end().len());
    }
    out
}

fn push(out: &mut Vec<u8>, line: &[u8], crlf: bool) {
    out.extend_from_slice(line);
    out.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
}

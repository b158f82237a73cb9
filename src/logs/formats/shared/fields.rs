//! The fields between a line's timestamp and its message: threads, process numbers, the level, the logger, in any usual order.
//!
//! Gives a level only for a word in a clear place: in brackets, in capitals, or set apart by a colon, bar or tab. Where it finds none,
//! the text stays whole.

use super::text::{digits, group};
use crate::logs::level::Level;

/// Fields that are looked through for a level.
const FIELDS_BEFORE_LEVEL: usize = 6;

/// Words among them that are neither numbers nor in brackets.
const WORDS_BEFORE_LEVEL: usize = 2;

/// The longest level word.
const LONGEST_LEVEL_BYTES: usize = 13;

/// A longer word is no logger's name.
const LONGEST_NAME_BYTES: usize = 100;

/// Groups between level and logger.
const GROUPS_BEFORE_LOGGER: usize = 3;

/// Level, logger and message of a text.
#[derive(Debug, Default, Clone, Copy)]
pub(in super::super) struct Fields<'l> {
    pub(in super::super) level: Option<Level>,
    pub(in super::super) logger: Option<&'l [u8]>,
    pub(in super::super) message: &'l [u8],
}

/// Reads the text behind a timestamp. `open` tells that the timestamp stands in a bracket that is not closed yet.
pub(in super::super) fn read(text: &[u8], open: bool) -> Fields<'_> {
    if let Some(fields) = usual(text) {
        return fields;
    }
    // Some put a comma behind the time.
    let text = text.strip_prefix(b",").unwrap_or(text);
    let Some(found) = level(text, open) else {
        let message = separators(text);
        return Fields { level: None, logger: None, message };
    };
    let mut fields = behind(&found);
    if fields.logger.is_none() {
        fields.logger = found.named;
    }
    if fields.logger.is_none() && fields.message.last() == Some(&b')') {
        (fields.logger, fields.message) = trailing_name(fields.message);
    }
    fields.level = Some(found.level);
    fields
}

/// ` [LEVEL] name: message`, by far the most common, at once.
fn usual(text: &[u8]) -> Option<Fields<'_>> {
    let inner = text.strip_prefix(b" [")?;
    let close = inner.iter().take(LONGEST_LEVEL_BYTES + 1).position(|b| *b == b']')?;
    let level = Level::of_word(&inner[..close])?;
    let rest = inner[close + 1..].strip_prefix(b" ")?;
    let name = rest.iter().take(LONGEST_NAME_BYTES).take_while(|b| IN_NAME[usize::from(**b)]).count();
    match rest[name..] {
        [b':', b' ', ref message @ ..] if name > 0 => Some(Fields { level: Some(level), logger: Some(&rest[..name]), message: message.trim_ascii() }),
        _ => None,
    }
}

/// A level and what was learned on the way to it.
struct Found<'l> {
    level: Level,
    after: &'l [u8],
    /// A process number stood before it.
    numbered: bool,
    /// It stood in brackets.
    bracketed: bool,
    /// A name before it that is a logger's where none comes behind it.
    named: Option<&'l [u8]>,
}

fn level(mut text: &[u8], open: bool) -> Option<Found<'_>> {
    let (mut numbered, mut named, mut words) = (false, None, 0);
    for _ in 0..FIELDS_BEFORE_LEVEL {
        let field = separators(text);
        let apart = field.len() < text.len() && matches!(text[text.len() - field.len() - 1], b'\t') || barred(text, field);
        text = field;
        match text.first()? {
            b'[' | b'(' | b'{' | b'<' => {
                let (inner, after) = group(text)?;
                let bare = inner.trim_ascii();
                let known = Level::of_word(bare).or_else(|| Level::of_word(super::text::split(bare, b':').map_or(bare, |(_, level)| level)));
                if let Some(level) = known.filter(|_| text[0] != b'{') {
                    return Some(Found { level, after, numbered, bracketed: true, named });
                }
                // Thread and level in one bracket, the message behind it.
                if let Some(mut found) = bare.contains(&b' ').then(|| inside(bare)).flatten() {
                    found.after = after;
                    return Some(found);
                }
                text = after;
            }
            first if first.is_ascii_digit() => {
                let (_, after) = digits(text);
                if after.first().is_some_and(|b| !matches!(b, b' ' | b'\t' | b'[' | b']' | b'|')) {
                    words += 1;
                    text = &text[name_length(text)..];
                    if words > WORDS_BEFORE_LEVEL || name_length(field) == 0 {
                        return None;
                    }
                    continue;
                }
                numbered = true;
                text = after;
            }
            _ => {
                let letters = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
                let (word, after) = text.split_at(letters);
                if let Some(level) = level_word(word, after, apart, open) {
                    return Some(Found { level, after, numbered, bracketed: false, named });
                }
                if let Some(found) = lettered(word, after) {
                    return Some(Found { numbered, ..found });
                }
                let (name, after) = text.split_at(name_length(text));
                words += 1;
                let plain = name.len() == letters;
                let set_apart = matches!(after, [b' ', b' ', ..] | [b'\t' | b'[', ..] | [b' ', b'-' | b'|', b' ', ..]);
                if name.is_empty() || words > WORDS_BEFORE_LEVEL || after.first() == Some(&b':') || (plain && !set_apart) {
                    return None;
                }
                named = matches!(after, [b'[', ..] | [b' ', b'-' | b'|', b' ', ..]).then_some(name).filter(|_| words == 1);
                text = after;
            }
        }
    }
    None
}

/// Whether a bar or dash stands right before `field`, the end of `text`.
fn barred(text: &[u8], field: &[u8]) -> bool {
    let skipped = &text[..text.len() - field.len()];
    skipped.contains(&b'|')
}

/// A level word, if what stands around it leaves no doubt: a bare word in small letters may begin a sentence.
fn level_word(word: &[u8], after: &[u8], apart: bool, open: bool) -> Option<Level> {
    if !(3..=11).contains(&word.len()) {
        return None;
    }
    let ended = match after.first() {
        None | Some(b' ' | b'\t' | b':' | b'|' | b'[' | b']' | b',') => true,
        Some(b'/') => open,
        _ => false,
    };
    let level = Level::of_word(word).filter(|_| ended)?;
    let shouted = word.iter().all(u8::is_ascii_uppercase);
    let closed = || matches!(after, [b':', ..] | [b'\t', ..] | [b' ', b' ', ..] | [b' ', b'-' | b'|', b' ', ..]) || (apart && after.contains(&b'|'));
    let comma = after.first() == Some(&b',');
    ((shouted && !comma) || closed()).then_some(level)
}

/// A level of one letter: `I | server: text` and `I NETWORK  [conn1] text`.
fn lettered<'l>(word: &'l [u8], after: &'l [u8]) -> Option<Found<'l>> {
    let [letter @ (b'I' | b'W' | b'E' | b'F' | b'D')] = *word else { return None };
    let found = |after, named| Some(Found { level: Level::of_letter(letter)?, after, numbered: false, bracketed: false, named });
    if after.starts_with(b" | ") {
        return found(after, None);
    }
    let rest = after.strip_prefix(b" ")?;
    let component = rest.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'_').count();
    let behind = &rest[component..];
    let context = behind.trim_ascii_start();
    let columns = component > 1 || rest.starts_with(b"- ");
    (columns && context.starts_with(b"[") && context.len() < behind.len()).then(|| found(context, Some(&rest[..component]))).flatten()
}

/// A level among the words of a bracket, in capitals.
fn inside(inner: &[u8]) -> Option<Found<'_>> {
    let mut rest = inner;
    for _ in 0..FIELDS_BEFORE_LEVEL {
        let (word, after) = super::text::word(rest);
        if let Some(level) = Level::of_word(word).filter(|_| word.iter().all(u8::is_ascii_uppercase)) {
            let (name, _) = super::text::word(after);
            let named = (name.len() > 1 && name_length(name) == name.len()).then_some(name);
            return Some(Found { level, after: &[], numbered: false, bracketed: true, named });
        }
        rest = after;
    }
    None
}

/// Logger and message behind a level.
fn behind<'l>(found: &Found<'l>) -> Fields<'l> {
    let after = found.after;
    let said = |logger: Option<&'l [u8]>, message: &'l [u8]| Fields { level: None, logger, message: message.trim_ascii() };
    let mut text = after;
    if let [b':', rest @ ..] = text {
        // Python's `LEVEL:name:text`.
        let name = name_length(rest);
        if name > 0 && rest.get(name) == Some(&b':') && !rest[name..].starts_with(b"://") && !rest[name..].starts_with(b"::") {
            return said(Some(&rest[..name]), &rest[name + 1..]);
        }
        text = rest;
    }
    if found.bracketed
        && text.starts_with(b"[")
        && let Some((inner, rest)) = group(text)
        && let inner = inner.trim_ascii()
        && !inner.is_empty()
        && name_length(inner) == inner.len()
    {
        return said(Some(inner), rest);
    }
    if let [b']', rest @ ..] = text {
        return said(None, rest);
    }
    if let Some((name, rest)) = barred_fields(text) {
        return said(name, rest);
    }
    if let Some((name, rest)) = tabbed_fields(text) {
        return said(name, rest);
    }
    text = separators(text);
    // Spring's `INFO 123 --- [thread] logger : text`.
    let (number, rest) = digits(text);
    if !number.is_empty()
        && let Some(rest) = rest.strip_prefix(b" --- ")
    {
        text = rest.trim_ascii_start();
    }
    logger(text, found, after.starts_with(b"  "))
}

/// Logger and message, the logger behind up to three groups such as a thread.
fn logger<'l>(text: &'l [u8], found: &Found<'l>, padded: bool) -> Fields<'l> {
    let said = |logger: Option<&'l [u8]>, message: &'l [u8]| Fields { level: None, logger, message: message.trim_ascii() };
    let (mut rest, mut last, mut class) = (text, None, None);
    for groups in 0..=GROUPS_BEFORE_LOGGER {
        if let Some((name, message)) = name(rest, found.numbered, groups > 0, padded) {
            return said(Some(name), message);
        }
        let Some((inner, after)) = group(rest).filter(|_| !rest.starts_with(b"<")) else { break };
        let inner = inner.trim_ascii();
        class = last.filter(|_| rest.starts_with(b"[") && name_length(inner) == inner.len() && inner.contains(&b'.')).map(|_: &[u8]| inner).or(class);
        last = Some(inner);
        // `[thread] - text` and `[thread] : text`.
        if let [b' ', b'-' | b':', b' ', message @ ..] | [b':', b' ', message @ ..] = after {
            let named = located(inner).or((groups > 0).then_some(inner).filter(|inner| name_length(inner) == inner.len()));
            return said(named.or(class), message);
        }
        rest = after.trim_ascii_start();
    }
    said(class, text)
}

/// The class in `thread:Class@line`.
fn located(inner: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', inner)?;
    let (line, end) = digits(&inner[at + 1..]);
    let class = &inner[..at];
    let from = memchr::memrchr(b':', class).map_or(0, |colon| colon + 1);
    (!line.is_empty() && end.is_empty()).then_some(&class[from..])
}

/// A name and what is behind it: `db: text`, `com.acme.Db - text`, `Db    : text`, `com.acme.Db text` and `app.db [request] text`.
fn name(text: &[u8], numbered: bool, grouped: bool, padded: bool) -> Option<(&[u8], &[u8])> {
    let (name, after) = text.split_at(name_length(text));
    if name.is_empty() {
        return None;
    }
    let dotted = || name.contains(&b'.') || memchr::memmem::find(name, b"::").is_some();
    match after {
        [b':', b' ' | b'\t', rest @ ..] => return Some((name, rest)),
        [b':'] => return Some((name, &[])),
        [b'[', ..] => {
            // `daemon[12]: text`.
            let (inner, rest) = group(after)?;
            let rest = rest.strip_prefix(b": ").filter(|_| digits(inner).1.is_empty())?;
            return Some((name, rest));
        }
        [b' ', ..] => {}
        _ => return None,
    }
    let blanks = after.iter().take_while(|b| **b == b' ').count();
    let rest = &after[blanks..];
    match rest {
        [b':' | b'-', b' ' | b'\t', message @ ..] if dotted() || blanks > 1 || (grouped && rest[0] == b':') => return Some((name, message)),
        [b'(', ..] if dotted() => {
            let (_, behind) = group(rest)?;
            return behind.strip_prefix(b" - ").map(|message| (name, message));
        }
        // A request's context behind the logger, as OpenStack writes it.
        [b'[', ..] if numbered && dotted() => return group(rest).map(|(_, message)| (name, message)),
        _ => {}
    }
    let column = padded && blanks > 1 && name.iter().all(|b| b.is_ascii_alphanumeric());
    (column || is_class(name)).then_some((name, rest))
}

/// A Java class or method by its full name: three parts at least, one of them in mixed case with a capital at its head.
fn is_class(name: &[u8]) -> bool {
    let capital = |part: &[u8]| matches!(part, [a, .., z] if a.is_ascii_uppercase() && z.is_ascii_alphanumeric()) && part.iter().any(u8::is_ascii_lowercase);
    name.iter().filter(|b| **b == b'.').count() >= 2 && name.split(|b| *b == b'.').skip(2).any(capital)
}

/// `| thread | logger | 12 | text`: the fields between bars that are single words; the logger is the first with a dot, or the last.
fn barred_fields(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut rest = text.trim_ascii_start().strip_prefix(b"|")?;
    let (mut logger, mut dotted) = (None, false);
    while let Some((field, after)) = super::text::split(rest, b'|') {
        let field = field.trim_ascii();
        if field.contains(&b' ') {
            break;
        }
        if !dotted && !field.is_empty() && !digits(field).1.is_empty() {
            (logger, dotted) = (Some(field), field.contains(&b'.'));
        }
        rest = after;
    }
    let rest = rest.trim_ascii_start();
    // `module:function:line - text`, as loguru writes it, and `module: text`.
    if logger.is_none() {
        let (place, after) = super::text::word(rest);
        let parts = place.iter().filter(|b| **b == b':').count();
        if parts == 2 && after.starts_with(b"- ") {
            return Some((super::text::split(place, b':').map(|(name, _)| name), &after[2..]));
        }
        if let Some((name, message)) = name(rest, false, false, false) {
            return Some((Some(name), message));
        }
    }
    Some((logger, rest))
}

/// `\tlogger\tfile.go:12\ttext`, as zap writes it.
fn tabbed_fields(text: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let mut rest = text.strip_prefix(b"\t")?;
    let mut logger = None;
    while let Some((field, after)) = super::text::split(rest, b'\t') {
        if field.is_empty() || field.contains(&b' ') || after.starts_with(b"{") {
            break;
        }
        logger.get_or_insert(field);
        rest = after;
    }
    let named = if logger.is_none() { name(rest, false, false, false) } else { None };
    Some(named.map_or((logger, rest), |(name, message)| (Some(name), message)))
}

/// Kafka's `text (kafka.server.Broker)`.
fn trailing_name(message: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let name = memchr::memrchr(b'(', message).filter(|at| *at > 0 && message[at - 1] == b' ');
    let Some(at) = name else { return (None, message) };
    let inner = &message[at + 1..message.len() - 1];
    let named = name_length(inner) == inner.len() && inner.iter().filter(|b| **b == b'.').count() >= 2 && inner.iter().any(u8::is_ascii_uppercase);
    if named { (Some(inner), message[..at].trim_ascii_end()) } else { (None, message) }
}

/// Bytes of the name at the start; `::` belongs to it, a single colon does not.
fn name_length(text: &[u8]) -> usize {
    let mut at = 0;
    let text = &text[..text.len().min(LONGEST_NAME_BYTES)];
    loop {
        at += text[at..].iter().take_while(|b| IN_NAME[usize::from(**b)]).count();
        match text[at..] {
            [b':', b':', b, ..] if b.is_ascii_alphanumeric() => at += 3,
            _ => return at,
        }
    }
}

/// Bytes that names are made of.
static IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'$' | b'-' | b'/' | b'#' | b'@' | b'=' | b'*' | b'+');
        byte += 1;
    }
    table
};

/// Skips white space and lone `-`, `|`, `--` and `---`.
pub(in super::super) fn separators(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        match text {
            [b'-' | b'|', b' ', ..] => text = &text[1..],
            [b'-', b'-', b' ', ..] => text = &text[2..],
            [b'-', b'-', b'-', b' ', ..] => text = &text[3..],
            _ => return text,
        }
    }
}

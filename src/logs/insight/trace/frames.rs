//! What one line of a stack trace says.

use super::{Frame, Kind, own::is_own};

/// Which list of libraries is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// Frames that begin with `at`: Java, Kotlin, Scala, .NET, Node.
    At,
    Go,
    Rust,
    /// Frames whose place says whose they are: Python, PHP, Ruby.
    Script,
}

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A call, and of Ruby maybe the exception that it raised.
    Frame(Frame<'a>, Kind, &'a [u8]),
    /// A call whose place comes in the next line.
    Awaits(Frame<'a>),
    /// That place, and whether it is the program's own.
    Place(bool),
    /// The exception that caused the ones before; whether the line is indented.
    Cause(&'a [u8], bool),
    /// From here on: what the exceptions before caused.
    Outer,
    /// An exception that was thrown on the side.
    Suppressed,
    /// How it went wrong, and for Rust the place.
    Panic(Kind, &'a [u8], &'a [u8]),
    /// The frames of a goroutine follow.
    Goroutine,
    /// The frames of Rust follow.
    Backtrace,
    /// The frames of Python follow.
    Traceback,
    /// Something else; how well it fits as the exception, and its type.
    Text(u8, &'a [u8]),
    Nothing,
}

/// Reads a line of a trace of which `kind` is known. `head` is the line that may have anything before the trace.
pub(super) fn line<'a>(raw: &'a [u8], head: bool, kind: Kind) -> Line<'a> {
    let text = raw.trim_ascii();
    if text.is_empty() {
        return Line::Nothing;
    }
    let indented = raw[0].is_ascii_whitespace();
    if let Some(line) = python(raw, text, head, kind) {
        return line;
    }
    if let Some(line) = go(text, indented, kind) {
        return line;
    }
    if let Some(line) = rust(text, head, kind) {
        return line;
    }
    let cause = [&b"Caused by: "[..], b"---> ", b"[cause]: "].into_iter().find_map(|mark| text.strip_prefix(mark));
    if let Some(cause) = cause {
        return Line::Cause(type_name(cause), indented);
    }
    if text.starts_with(b"Suppressed: ") {
        return Line::Suppressed;
    }
    if text.starts_with(b"Wrapped by: ") || text.starts_with(b"Next ") && kind == Kind::CauseFirst {
        return Line::Outer;
    }
    if let Some((frame, exception)) = at(text).or_else(|| php(text)).map(|frame| (frame, &b""[..])).or_else(|| ruby(text)) {
        return Line::Frame(frame, if text.starts_with(b"#") { Kind::CauseFirst } else { Kind::CauseLast }, exception);
    }
    let (fit, exception) = exception(text);
    Line::Text(fit, exception)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

fn after<'a>(text: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    find(text, part).map(|at| &text[at + part.len()..])
}

fn before<'a>(text: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    find(text, part).map(|at| &text[..at])
}

fn base_name(path: &[u8]) -> &[u8] {
    let at = path.iter().rposition(|b| matches!(b, b'/' | b'\\')).map_or(0, |at| at + 1);
    &path[at..]
}

/// `path` of `path:12:3` and `path:12`; none if it ends otherwise.
fn without_position(text: &[u8]) -> Option<&[u8]> {
    let one = |text: &'_ [u8]| {
        let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        let rest = text.len() - digits;
        (digits > 0 && rest > 1 && text[rest - 1] == b':').then(|| rest - 1)
    };
    let end = one(text)?;
    Some(&text[..one(&text[..end]).unwrap_or(end)])
}

fn at(text: &[u8]) -> Option<Frame<'_>> {
    let call = text.strip_prefix(b"at ")?;
    let call = call.strip_prefix(b"async ").unwrap_or(call);
    let call = call.strip_prefix(b"new ").unwrap_or(call);
    let Some(open) = call.iter().position(|b| *b == b'(') else {
        let place = without_position(call.strip_suffix(b" {").unwrap_or(call))?;
        return Some(Frame { name: b"<anonymous>", file: base_name(place), own: is_own(Language::At, b"", place) });
    };
    let close = call.iter().rposition(|b| *b == b')').filter(|close| *close > open)?;
    let place = &call[open + 1..close];
    if let Some(name) = call[..open].strip_suffix(b" ") {
        let known = [&b"native"[..], b"<anonymous>"].contains(&place) || place.starts_with(b"index ");
        let path = without_position(place).or(known.then_some(place))?;
        let name = before(name, b" [as ").unwrap_or(name);
        return Some(Frame { name, file: base_name(path), own: is_own(Language::At, name, path) });
    }
    let name = &call[..open];
    if name.iter().any(u8::is_ascii_whitespace) || !name.contains(&b'.') {
        return None;
    }
    let name = without_ordinals(name);
    Some(Frame { name, file: b"", own: is_own(Language::At, name, b"") })
}

/// A qualified name of Java or .NET without module, proxy, and the numbers that compilers give.
fn without_ordinals(name: &[u8]) -> &[u8] {
    let mut name = name;
    if memchr::memchr2(b'$', b'>', name).is_some() {
        for mark in [&b"$$"[..], b">d__", b"<>c", b">b__", b">g__"] {
            name = before(name, mark).unwrap_or(name);
        }
    }
    let module = name.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    name = &name[module..];
    name = name.strip_suffix(b".").unwrap_or(name);
    while let Some(at) = name.iter().rposition(|b| !b.is_ascii_digit())
        && name[at] == b'$'
        && at + 1 < name.len()
    {
        name = &name[..at];
    }
    name
}

/// `#0 /app/a.php(12): Shop\Cart->add(Object(Item))`
fn php(text: &[u8]) -> Option<Frame<'_>> {
    let rest = text.strip_prefix(b"#")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let rest = rest[digits..].strip_prefix(b" ").filter(|_| digits > 0)?;
    let (place, call) = match find(rest, b"): ") {
        Some(at) => (&rest[..at], &rest[at + 3..]),
        None => find(rest, b"]: ").map(|at| (&rest[..at], &rest[at + 3..]))?,
    };
    let path = place.iter().rposition(|b| *b == b'(').map_or(place, |at| &place[..at]);
    let name = before(call, b"(").unwrap_or(call);
    // `{closure:/app/a.php:12}`
    let name = find(name, b"{closure").map_or(name, |at| &name[..at + b"{closure".len()]);
    Some(Frame { name, file: base_name(path), own: is_own(Language::Script, name, path) })
}

/// ``from /app/a.rb:12:in `add'``, with `: message (Type)` behind where it begins.
fn ruby(text: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let text = text.strip_prefix(b"from ").unwrap_or(text);
    let at = find(text, b":in `").or_else(|| find(text, b":in '"))?;
    let path = without_position(&text[..at])?;
    let quoted = &text[at + b":in `".len()..];
    let end = quoted.iter().position(|b| *b == b'\'')?;
    let name = &quoted[..end];
    let name = name.windows(4).rposition(|part| part == b" in ").map_or(name, |at| &name[at + 4..]);
    let raised = quoted[end + 1..].strip_prefix(b": ").and_then(|message| message.strip_suffix(b")"));
    let exception = raised.and_then(|message| message.iter().rposition(|b| *b == b'(').map(|at| type_name(&message[at + 1..])));
    Some((Frame { name, file: base_name(path), own: is_own(Language::Script, name, path) }, exception.unwrap_or_default()))
}

fn python<'a>(raw: &'a [u8], text: &'a [u8], head: bool, kind: Kind) -> Option<Line<'a>> {
    const MARK: &[u8] = b"Traceback (most recent call last):";
    if if head { text.ends_with(MARK) } else { text.ends_with(MARK) && text.len() <= MARK.len() + 20 } {
        return Some(Line::Traceback);
    }
    if kind != Kind::Python {
        return None;
    }
    // In a group of exceptions every line has a bar before it.
    let (text, indented) = match text.strip_prefix(b"| ") {
        Some(rest) => (rest.trim_ascii(), rest[0].is_ascii_whitespace()),
        None => (text, raw[0].is_ascii_whitespace()),
    };
    if let Some((file, rest)) = text.strip_prefix(b"File \"").and_then(|rest| find(rest, b"\", line ").map(|at| (&rest[..at], &rest[at..]))) {
        let name = after(rest, b", in ").unwrap_or(b"<module>");
        return Some(Line::Frame(Frame { name, file: base_name(file), own: is_own(Language::Script, name, file) }, Kind::Python, b""));
    }
    let name = type_name(text);
    let whole = name.len() == text.len() || text[name.len()] == b':';
    Some(if !indented && whole && !name.is_empty() { Line::Text(3, name) } else { Line::Nothing })
}

fn go(text: &[u8], indented: bool, kind: Kind) -> Option<Line<'_>> {
    if text.starts_with(b"goroutine ") && text.ends_with(b"]:") {
        return Some(Line::Goroutine);
    }
    if let Some(message) = text.strip_prefix(b"panic: ").or_else(|| text.strip_prefix(b"fatal error: ")) {
        // What the runtime says is fixed but for its numbers; what a program says is a message.
        let end = message.iter().position(|b| matches!(b, b'[' | b'(' | b'0'..=b'9')).unwrap_or(message.len());
        let exception = if message.starts_with(b"runtime error: ") || text.starts_with(b"fatal") { message[..end].trim_ascii_end() } else { &text[..5] };
        return Some(Line::Panic(Kind::Go, exception, b""));
    }
    if kind != Kind::Go {
        return None;
    }
    if text.starts_with(b"created by ") {
        return Some(Line::Outer);
    }
    if indented {
        let path = before(text, b".go:")?;
        return Some(Line::Place(is_own(Language::Go, b"", path)));
    }
    let name = text.strip_suffix(b")").and_then(|call| call.iter().rposition(|b| *b == b'(').map(|at| &call[..at]))?;
    if name.is_empty() || name.contains(&b' ') {
        return None;
    }
    let name = [&b".func"[..], b".gowrap"].into_iter().filter_map(|mark| closure(name, mark)).min_by_key(|name| name.len()).unwrap_or(name);
    Some(Line::Awaits(Frame { name, file: b"", own: is_own(Language::Go, name, b"") }))
}

/// The function around a closure: `main.run` of `main.run.func1.2`.
fn closure<'a>(name: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = find(name, mark)?;
    let ordinal = &name[at + mark.len()..];
    (!ordinal.is_empty() && ordinal[0].is_ascii_digit()).then(|| &name[..at])
}

fn rust(text: &[u8], head: bool, kind: Kind) -> Option<Line<'_>> {
    const MARK: &[u8] = b"panicked at ";
    if (head || text.starts_with(b"thread '") || text.starts_with(MARK))
        && let Some(place) = after(text, MARK)
    {
        // Before Rust 1.73 the message came first, in quotes.
        let place = if place.starts_with(b"'") { place.windows(3).rposition(|part| part == b"', ").map(|at| &place[at + 3..])? } else { place };
        let place = place.strip_suffix(b":").unwrap_or(place);
        let end = find(place, b".rs:").map(|at| at + 3)?;
        return Some(Line::Panic(Kind::Rust, b"panic", &place[..end]));
    }
    if text.eq_ignore_ascii_case(b"stack backtrace:") {
        return Some(Line::Backtrace);
    }
    if kind != Kind::Rust {
        return None;
    }
    if let Some(place) = text.strip_prefix(b"at ") {
        return Some(Line::Place(is_own(Language::Rust, b"", place)));
    }
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let name = text[digits..].strip_prefix(b":").filter(|_| digits > 0)?.trim_ascii();
    let name = name.strip_prefix(b"0x").and_then(|address| after(address, b" - ")).unwrap_or(name);
    let hash = name.len().saturating_sub(19);
    let name = if name[hash..].starts_with(b"::h") && name[hash + 3..].iter().all(u8::is_ascii_hexdigit) { &name[..hash] } else { name };
    let name = before(name, b"::{{closure}}").or_else(|| before(name, b"::{closure")).unwrap_or(name);
    Some(Line::Awaits(Frame { name, file: b"", own: is_own(Language::Rust, name, b"") }))
}

/// The name at the beginning of the text: letters and digits with `.`, `::`, `\`, `$` and `_` between them.
fn type_name(text: &[u8]) -> &[u8] {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b':' if text.get(at + 1) == Some(&b':') => at += 2,
            b if b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'_' | b'.' | b'$' | b'\\') => at += 1,
            _ => break,
        }
    }
    let name = &text[..at];
    if name.first().is_some_and(u8::is_ascii_digit) { b"" } else { name }
}

/// Endings of the names of what is thrown.
const ENDINGS: [&[u8]; 9] = [b"Exception", b"Error", b"Throwable", b"Failure", b"Fault", b"Warning", b"Interrupt", b"Abort", b"Panic"];

/// The type of an exception in a line of text, and how well it fits: 3 at its beginning, 2 within, 1 if only its form speaks for it.
fn exception(text: &[u8]) -> (u8, &[u8]) {
    if let Some(name) = after(text, b"[object] (").map(type_name).filter(|name| !name.is_empty()) {
        return (3, name);
    }
    if let Some(name) = text.windows(5).rposition(|part| part == b"---> ").map(|at| type_name(&text[at + 5..])).filter(|name| !name.is_empty()) {
        return (3, name);
    }
    let mut begin = true;
    let mut tokens = text.split(|b| b.is_ascii_whitespace() || matches!(b, b'(' | b'[' | b'"' | b'=')).peekable();
    while let Some(token) = tokens.next() {
        let name = type_name(token);
        if !name.is_empty() {
            let behind = &token[name.len()..];
            let ended = behind.first() == Some(&b':') || behind.is_empty() && tokens.peek().is_none();
            let thrown = ENDINGS.iter().any(|ending| name.ends_with(ending));
            let bare = ENDINGS.contains(&name);
            if thrown && (ended || begin && behind.is_empty() && !bare) && (!bare || behind.first() == Some(&b':')) {
                return (if begin { 3 } else { 2 }, name);
            }
            if begin && ended && is_qualified(name) {
                return (1, name);
            }
        }
        begin &= matches!(token, b"Uncaught" | b"Unhandled" | b"PHP" | b"Fatal" | b"error:" | b"exception." | b"");
    }
    (0, b"")
}

/// `com.acme.Oops`: the last part begins with a capital and is no shout.
fn is_qualified(name: &[u8]) -> bool {
    let last = name.iter().rposition(|b| matches!(b, b'.' | b':' | b'\\')).filter(|at| *at > 0).map(|at| &name[at + 1..]);
    last.is_some_and(|last| last.first().is_some_and(u8::is_ascii_uppercase) && last.iter().any(u8::is_ascii_lowercase))
}

//! Lines that plainly go on with the record before them, whatever the format: stack traces of the usual languages.

use super::super::levelled;

/// Blanks that make a line an indented one.
const INDENT_BLANKS: usize = 2;

/// Whether a line is indented: by a tab or two blanks.
pub(in super::super) fn is_indented(line: &[u8]) -> bool {
    match *line {
        [b'\t', ..] => true,
        _ => line.len() > INDENT_BLANKS && line[..INDENT_BLANKS] == *b"  ",
    }
}

/// Whether `line`, without outer white space, continues the record of the line in front of it. `before` is that line as it stands.
pub(in super::super) fn continues(line: &[u8], before: Option<&[u8]>) -> bool {
    let Some(before) = before else { return false };
    match *line {
        [] => true,
        [b'a', b't', b' ', ..] => line.contains(&b'(') || line.contains(&b'.'),
        [b'.', b'.', b'.', b' ', n, ..] => n.is_ascii_digit(),
        [b'C', ..] => line.starts_with(b"Caused by: "),
        [b'S', ..] => line.starts_with(b"Suppressed: ") || line.starts_with(b"Stack trace:"),
        [b'F', ..] => line.starts_with(b"File \"") || raised(line, before),
        [b'D', ..] => line.starts_with(b"During handling of the above exception") || raised(line, before),
        [b'T', ..] => line.starts_with(b"The above exception was the direct cause") || raised(line, before) || traced(line, before),
        [b'n', ..] if line.starts_with(b"note: run with `RUST_BACKTRACE") => true,
        [b's', ..] if line.starts_with(b"stack backtrace:") => true,
        [b'g', ..] if line.starts_with(b"goroutine ") && line.ends_with(b":") => go_dump(before) || before.trim_ascii().is_empty(),
        [b'c', ..] if line.starts_with(b"created by ") => go_frame(before),
        [b'#', n, ..] => n.is_ascii_digit(),
        [b'[', ..] if line.starts_with(b"[stacktrace]") => true,
        [b'}' | b']' | b')', ..] => line.len() <= 3,
        [b'"', b'}', ..] => line.len() <= 3,
        _ => raised(line, before) || panicked(before) || go_call(line, before),
    }
}

/// The last line of a Python traceback: an exception's name under an indented line.
fn raised(line: &[u8], before: &[u8]) -> bool {
    if !before.starts_with(b"    ") && !before.starts_with(b"  File \"") {
        return false;
    }
    let name = line.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
    let ended = line.get(name).is_none_or(|b| *b == b':');
    ended && [&b"Error"[..], b"Exception", b"Interrupt", b"Exit", b"Warning", b"Iteration"].iter().any(|end| line[..name].ends_with(end))
}

/// A traceback that follows on another, or on a line that tells its level.
fn traced(line: &[u8], before: &[u8]) -> bool {
    line.starts_with(b"Traceback (most recent call last)") && (before.trim_ascii().is_empty() || levelled::level(before).is_some())
}

/// The message of a Rust panic stands under its place.
fn panicked(before: &[u8]) -> bool {
    before.starts_with(b"thread '") && before.ends_with(b":") && memchr::memmem::find(before, b"panicked at ").is_some()
}

fn go_dump(before: &[u8]) -> bool {
    before.starts_with(b"panic: ") || before.starts_with(b"fatal error: ") || before.starts_with(b"[signal ")
}

/// The indented line of a Go stack frame, `\t/src/main.go:12 +0x1d`.
fn go_frame(before: &[u8]) -> bool {
    before.starts_with(b"\t") && memchr::memmem::find(before, b".go:").is_some()
}

/// A call in a Go stack, `main.run(0x1, ...)`.
fn go_call(line: &[u8], before: &[u8]) -> bool {
    let below = go_frame(before) || before.starts_with(b"goroutine ");
    below && line.ends_with(b")") && line.contains(&b'(')
}

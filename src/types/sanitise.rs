//! Makes attacker-controlled text harmless to look at: no escape sequences, no invisible or direction-changing characters.
//!
//! Does not decide whether a text is trustworthy; it stays untrusted.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes every character that could hide or move text, keeping newlines and tabs. `\u{1b}` stands where an escape stood.
pub fn sanitise(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

/// As [`sanitise`], and newlines and tabs are escaped too: for table cells and one-line messages.
pub fn sanitise_line(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Whether there is nothing to look at closely: printable ASCII and newlines only.
pub fn is_plain(text: &str) -> bool {
    // In stretches, each looked at as a whole: that is what processors do at once.
    text.as_bytes().chunks(64).all(|chunk| chunk.iter().fold(true, |plain, b| plain & matches!(b, b' '..=b'~' | b'\n')))
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    let mut previous = None;
    let suspicious = |c: char, previous: Option<char>| !keep(c) && (is_hostile(c) || is_orphan_selector(c, previous));
    let clean = text.chars().all(|c| !suspicious(c, previous.replace(c)));
    if clean {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut previous = None;
    for c in text.chars() {
        match c {
            _ if !suspicious(c, previous) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a String cannot fail"),
        }
        previous = Some(c);
    }
    Cow::Owned(out)
}

/// Controls (C0, DEL, C1), line separators, bidi controls, zero-width and filler characters, and the tag block.
fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// A variation selector belongs behind a visible, non-ASCII character; elsewhere it carries hidden data.
fn is_orphan_selector(c: char, previous: Option<char>) -> bool {
    let selector = |c: char| matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    selector(c) && previous.is_none_or(|p| p.is_ascii() || p.is_whitespace() || selector(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_hides_and_leaves_what_is_text() {
        for (given, want) in [
            ("plain 中文 émigré", "plain 中文 émigré"),
            ("red \x1b[31mtext", "red \\u{1b}[31mtext"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("heart ❤\u{fe0f}", "heart ❤\u{fe0f}"),
            ("a\u{fe0f}", "a\\u{fe0f}"),
            ("two\nlines\tx", "two\nlines\tx"),
            ("cr\rlf", "cr\\rlf"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
        ] {
            assert_eq!(sanitise(given), want, "{given:?}");
        }
        assert_eq!(sanitise_line("two\nlines\t"), "two\\nlines\\t");
    }
}

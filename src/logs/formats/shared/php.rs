//! PHP's own words for how grave a message is, which servers pass on with a level of theirs that says less.

use super::text::group;
use crate::logs::level::Level;

/// The level of `PHP Fatal error:  text`, also behind what nginx and Apache write before it.
pub(in super::super) fn level(message: &[u8]) -> Option<Level> {
    let mut text = message.strip_prefix(b"*").map_or(message, |rest| super::text::word(rest).1);
    if text.starts_with(b"[client ") {
        text = group(text)?.1.trim_ascii_start();
    }
    let text = text.strip_prefix(b"FastCGI sent in stderr: \"").unwrap_or(text);
    let text = text.strip_prefix(b"PHP message: ").unwrap_or(text).strip_prefix(b"PHP ")?;
    let colon = memchr::memchr(b':', &text[..text.len().min(LONGEST_WORD_BYTES)])?;
    Some(match &text[..colon] {
        b"Fatal error" | b"Parse error" | b"Recoverable fatal error" | b"Core error" | b"Compile error" => Level::Critical,
        b"Warning" | b"Core Warning" | b"Compile Warning" | b"User Warning" => Level::Warning,
        b"Notice" | b"User Notice" | b"Deprecated" | b"User Deprecated" | b"Strict Standards" => Level::Notice,
        _ => return None,
    })
}

/// No word of PHP is longer.
const LONGEST_WORD_BYTES: usize = 32;

//! Docker's json-file driver: `{"log":"text\n","stream":"stdout","time":"..."}`, one object a line, long lines in parts.
//!
//! The time is the runtime's. What the text in it says is read by the reader of the file, which also joins the parts.

use std::borrow::Cow;

use super::{
    Context, Format, Record,
    shared::object::{Cursor, Value, unescape},
};

/// Docker json-file.
pub(super) struct Docker;

/// What the object holds.
pub(super) struct Wrapped<'l> {
    /// The text without its newline.
    pub(super) text: Cow<'l, [u8]>,
    /// The moment, as it is written.
    pub(super) time: Option<&'l [u8]>,
    /// Where it was written to.
    pub(super) stream: Option<&'l [u8]>,
    /// The rest of the text is in the next line of this stream.
    pub(super) partial: bool,
}

/// Takes an object apart that has `log` first and nothing but the driver's keys.
pub(super) fn unwrap(line: &[u8]) -> Option<Wrapped<'_>> {
    let mut cursor = Cursor::new(line.strip_prefix(b"{\"log\":")?);
    let Value::Text(text, mut escaped) = cursor.value()? else { return None };
    let (mut time, mut stream) = (None, None);
    while cursor.next_is(b',') {
        cursor.blanks();
        let (key, _) = cursor.string()?;
        cursor.expect(b':')?;
        match (key, cursor.value()?) {
            (b"time", Value::Text(text, _)) => time = Some(text),
            (b"stream", Value::Text(text, _)) => stream = Some(text),
            (b"attrs" | b"tag", _) => {}
            _ => return None,
        }
    }
    cursor.expect(b'}')?;
    let whole = text.strip_suffix(b"\\n");
    let text = whole.map_or(text, |text| text.strip_suffix(b"\\r").unwrap_or(text));
    escaped &= memchr::memchr(b'\\', text).is_some();
    Some(Wrapped { text: if escaped { unescape(text) } else { Cow::Borrowed(text) }, time, stream, partial: whole.is_none() })
}

impl Format for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn summary(&self) -> &'static str {
        "Docker's json-file driver, long lines joined; what is in it is read by its own format"
    }

    fn example(&self) -> &'static str {
        r#"{"log":"listening\n","stream":"stdout","time":"2026-01-26T10:30:45.123456789Z"}"#
    }

    fn begins_with(&self, first: u8) -> bool {
        first == b'{'
    }

    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>> {
        let wrapped = unwrap(line)?;
        let time = wrapped.time.and_then(|time| context.times.read_whole(time));
        Some(Record { time, message: wrapped.text, ..Record::default() })
    }
}

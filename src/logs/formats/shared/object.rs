//! Reading a JSON object from the left, without building it.

use std::borrow::Cow;

use crate::logs::{
    level::Level,
    time::{self, Nanos, TimeReader},
};

/// What a field of an object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Slot {
    /// When.
    Time,
    /// How grave.
    Level,
    /// What.
    Message,
    /// Who.
    Logger,
}

/// The best field for each slot that the objects of a file have, as ranks; 0 is best. Reading stops when it has these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Plan {
    /// By [`Slot`].
    pub(in super::super) wanted: [u8; 4],
    /// The keys of the first object in their order: others mostly have the same.
    pub(in super::super) order: Vec<Expected>,
    /// What the numbers of `level` mean.
    pub(in super::super) scheme: Scheme,
    /// Objects tell of HTTP requests: without a level, their status is one.
    pub(in super::super) requests: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { wanted: [0; 4], order: Vec::new(), scheme: Scheme::Pino, requests: false }
    }
}

/// A key that is expected next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Expected {
    /// The key with its closing quote and colon.
    pub(in super::super) quoted: Vec<u8>,
    /// What it stands for, and how good it is.
    pub(in super::super) meaning: Option<(Slot, u8)>,
}

impl Expected {
    /// The key.
    pub(in super::super) fn key(&self) -> &[u8] {
        &self.quoted[..self.quoted.len().saturating_sub(2)]
    }
}

/// What the numbers of `level` mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scheme {
    /// 10 to 60, as bunyan and pino write them, or 100 to 600.
    Pino,
    /// 0 to 7 as in syslog.
    Gelf,
    /// 0 to 4.
    Nextcloud,
}

/// A value of an object.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Value<'l> {
    /// The inside of a string, and whether it holds escapes.
    Text(&'l [u8], bool),
    Number(&'l [u8]),
    Object(&'l [u8]),
    Array(&'l [u8]),
    /// `null`, `true` and their like.
    Word,
}

impl<'l> Value<'l> {
    pub(in super::super) fn time(&self, times: &mut TimeReader) -> Option<Nanos> {
        match self {
            Self::Text(text, false) => times.read_whole(text).or_else(|| times.any_whole(text)?.0),
            Self::Number(number) => time::epoch(number),
            _ => None,
        }
    }

    pub(in super::super) fn level(&self, scheme: Scheme) -> Option<Level> {
        let number = match self {
            Self::Text(text, false) => match Level::of_word(text.trim_ascii()).or_else(|| shifted(text)) {
                Some(level) => return Some(level),
                None => text,
            },
            Self::Number(number) => number,
            _ => return None,
        };
        match (scheme, *number) {
            (Scheme::Gelf, [digit @ b'0'..=b'7']) => Level::of_syslog(digit - b'0'),
            (Scheme::Nextcloud, [digit @ b'0'..=b'4']) => Level::of_nextcloud(digit - b'0'),
            _ => Level::of_number(number),
        }
    }

    pub(in super::super) fn text(&self) -> Option<Cow<'l, [u8]>> {
        match self {
            Self::Text(text, false) => Some(Cow::Borrowed(text)),
            Self::Text(text, true) => Some(unescape(text)),
            Self::Number(number) => Some(Cow::Borrowed(number)),
            Self::Object(_) | Self::Array(_) | Self::Word => None,
        }
    }

    /// The digits of a small number, which may be written as a text.
    pub(in super::super) fn small(&self) -> Option<u8> {
        match self {
            Self::Text(text, false) | Self::Number(text) => super::text::number(text).and_then(|number| u8::try_from(number).ok()),
            _ => None,
        }
    }
}

/// slog's levels between others, `ERROR+2`.
fn shifted(text: &[u8]) -> Option<Level> {
    let (word, shift) = text.split_at(text.iter().position(|b| matches!(b, b'+' | b'-'))?);
    super::text::number(&shift[1..]).and_then(|_| Level::of_word(word))
}

/// The text that a JSON string stands for; the raw text where its escapes are wrong.
pub(in super::super) fn unescape(inner: &[u8]) -> Cow<'_, [u8]> {
    let quoted = [b"\"", inner, b"\""].concat();
    match serde_json::from_slice::<String>(&quoted) {
        Ok(text) => Cow::Owned(text.into_bytes()),
        Err(_) => Cow::Borrowed(inner),
    }
}

/// The fields of an object, from the left, until one is malformed.
pub(in super::super) fn fields(object: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    let mut cursor = Cursor::new(object);
    let mut open = cursor.expect(b'{').is_some();
    std::iter::from_fn(move || {
        if !open {
            return None;
        }
        cursor.blanks();
        let (key, _) = cursor.string()?;
        cursor.expect(b':')?;
        let value = cursor.value()?;
        open = cursor.next_is(b',');
        Some((key, value))
    })
}

/// The value at a dotted path: a key that is the whole path, or the keys of nested objects.
pub(in super::super) fn at_path<'l>(object: &'l [u8], path: &[u8]) -> Option<Value<'l>> {
    let mut nested = None;
    for (key, value) in fields(object) {
        if key == path {
            return Some(value);
        }
        if let (Value::Object(inner), Some(rest)) = (value, path.strip_prefix(key).and_then(|rest| rest.strip_prefix(b"."))) {
            nested = nested.or_else(|| at_path(inner, rest));
        }
    }
    nested
}

/// A place in the text of an object.
pub(in super::super) struct Cursor<'l> {
    text: &'l [u8],
    at: usize,
}

impl<'l> Cursor<'l> {
    pub(in super::super) fn new(text: &'l [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Whether nothing but white space is left.
    pub(in super::super) fn at_end(&mut self) -> bool {
        self.blanks();
        self.at == self.text.len()
    }

    #[inline]
    pub(in super::super) fn blanks(&mut self) {
        while self.text.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    #[inline]
    pub(in super::super) fn next_is(&mut self, byte: u8) -> bool {
        self.blanks();
        let is = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is);
        is
    }

    pub(in super::super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.next_is(byte).then_some(())
    }

    /// Whether the key that begins here is the one that is expected, which is then passed. Its closing quote and colon belong to it.
    #[inline]
    pub(in super::super) fn passes(&mut self, quoted: &[u8]) -> bool {
        let is = self.text.get(self.at..).is_some_and(|rest| rest.first() == Some(&b'"') && rest[1..].starts_with(quoted));
        self.at += if is { quoted.len() + 1 } else { 0 };
        is
    }

    /// The inside of the string that begins here, and whether it holds escapes.
    #[inline]
    pub(in super::super) fn string(&mut self) -> Option<(&'l [u8], bool)> {
        if self.text.get(self.at) != Some(&b'"') {
            return None;
        }
        let start = self.at + 1;
        let mut from = start;
        let mut escaped = false;
        loop {
            let at = from + quote(self.text.get(from..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some((&self.text[start..at], escaped));
            }
            escaped = true;
            from = at + 2;
        }
    }

    #[inline]
    pub(in super::super) fn value(&mut self) -> Option<Value<'l>> {
        self.blanks();
        let start = self.at;
        match *self.text.get(start)? {
            b'"' => self.string().map(|(text, escaped)| Value::Text(text, escaped)),
            b'{' => self.skip_nested().map(|()| Value::Object(&self.text[start..self.at])),
            b'[' => self.skip_nested().map(|()| Value::Array(&self.text[start..self.at])),
            first => {
                while self.text.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)) {
                    self.at += 1;
                }
                let word = &self.text[start..self.at];
                match first {
                    b'0'..=b'9' | b'-' => Some(Value::Number(word)),
                    _ => matches!(word, b"true" | b"false" | b"null" | b"NaN" | b"Infinity").then_some(Value::Word),
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

/// Where the first quote or backslash is.
#[inline]
fn quote(text: &[u8]) -> Option<usize> {
    // Keys and most values are short: a call of memchr costs more than it saves there.
    let mut at = 0;
    for chunk in text.as_chunks::<8>().0.iter().take(SHORT_CHUNKS) {
        let word = u64::from_le_bytes(*chunk);
        let hits = zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES);
        if hits != 0 {
            return Some(at + hits.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr::memchr2(b'"', b'\\', &text[at..]).map(|found| at + found)
}

/// Eight-byte steps before memchr takes over.
const SHORT_CHUNKS: usize = 3;

/// A one in each byte.
const ONES: u64 = u64::MAX / 255;

const QUOTES: u64 = ONES * b'"' as u64;
const BACKSLASHES: u64 = ONES * b'\\' as u64;

/// The high bit of each byte that is zero; of the bytes above the first one, some may be wrong.
#[inline]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

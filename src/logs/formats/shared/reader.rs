//! Reads the lines of one file: finds its format from its first lines, then says of each line what it is to its record.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;

use super::{
    super::{ALL, Context, Line, Own, Record, compose, cri, docker},
    clean::{bounded, clean},
    continuation::{continues, is_indented},
    detect::wrapper_of,
};
use crate::logs::time::Nanos;

/// Lines at the start of a file that vote on its format.
const VOTING_LINES: usize = 400;

/// Index of the format for what no other reads.
pub(super) const PLAIN: usize = ALL.len() - 1;

/// Index of the format of JSON lines.
static JSON: LazyLock<usize> = LazyLock::new(|| ALL.iter().position(|format| format.name() == "json").unwrap_or(PLAIN));

/// Bits of the formats, plain aside, that can begin with a byte.
pub(super) static BY_FIRST: LazyLock<[u64; 256]> = LazyLock::new(|| {
    let able = |first: u8| (0..PLAIN).filter(|format| ALL[*format].begins_with(first)).fold(0, |bits, format| bits | 1 << format);
    std::array::from_fn(|first| u8::try_from(first).map_or(0, able))
});

// The bits must suffice.
const _: () = assert!(PLAIN < 64);

/// What wraps the lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapper {
    None,
    Docker,
    Cri,
    Compose,
}

impl Wrapper {
    /// The index of the format of this wrapper.
    fn format(self) -> usize {
        let name = match self {
            Self::None => return PLAIN,
            Self::Docker => "docker",
            Self::Cri => "cri",
            Self::Compose => "compose",
        };
        ALL.iter().position(|format| format.name() == name).unwrap_or(PLAIN)
    }
}

/// The lines of a file, or of a service in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// The format that is tried first; those of the user come behind [`ALL`].
    pub(super) locked: usize,
    /// Lines that begin a record carry a time.
    pub(super) timed: bool,
    /// Lines that begin a record are indented.
    pub(super) indented: bool,
}

pub(super) const UNKNOWN: Kind = Kind { locked: PLAIN, timed: false, indented: false };

/// A service of docker compose.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) name: Box<[u8]>,
    pub(super) kind: Kind,
    /// The runtime's time stands before each line.
    pub(super) stamped: bool,
}

/// Reads the lines of one file: its own format first, then the others, so that a mixed file is read too.
#[derive(Debug, Clone)]
pub struct LineReader {
    /// Every line is a message.
    bare: bool,
    pub(super) kind: Kind,
    pub(super) wrapper: Wrapper,
    wrapper_format: usize,
    pub(super) services: Vec<Service>,
    pub(super) own: Arc<[Own]>,
    pub(super) own_seen: bool,
    pub(super) yearless: bool,
    pub(super) context: Context,
}

impl LineReader {
    /// Detects the format from the first lines of a file.
    pub fn detect(head: &[u8], zone: TimeZone) -> Self {
        Self::detect_with(head, zone, &Arc::from([]))
    }

    /// Detects the format from the first lines of a file; the user's own formats go before all others.
    pub fn detect_with(head: &[u8], zone: TimeZone, own: &Arc<[Own]>) -> Self {
        let mut reader = Self {
            bare: false,
            kind: UNKNOWN,
            wrapper: Wrapper::None,
            wrapper_format: PLAIN,
            services: Vec::new(),
            own: Arc::clone(own),
            own_seen: false,
            yearless: false,
            context: Context::new(zone),
        };
        let lines: Vec<Cow<'_, [u8]>> = head.split(|b| *b == b'\n').take(VOTING_LINES).map(clean).collect();
        reader.wrapper = wrapper_of(&lines, &mut reader.context);
        reader.wrapper_format = reader.wrapper.format();
        match reader.wrapper {
            Wrapper::None => reader.kind = reader.learn(&lines),
            Wrapper::Compose => reader.learn_services(&lines),
            Wrapper::Docker | Wrapper::Cri => {
                let texts = reader.unwrapped(&lines);
                reader.kind = reader.learn(&texts);
            }
        }
        reader.context.times.settle_order();
        if reader.wrapper != Wrapper::None {
            // The runtime's time stands in for the year.
            reader.yearless = false;
        }
        reader
    }

    /// What a line is, without its newline. `before` is the line in front of it, if it has one.
    ///
    /// **Invariant:** the answer depends on these two lines, on what [`Self::detect`] saw and on [`Self::set_near`] alone.
    pub fn read<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        if self.bare {
            return Line::Head { format: PLAIN, record: Record { message: Cow::Borrowed(line), ..Record::default() } };
        }
        match clean(line) {
            Cow::Borrowed(line) => self.read_clean(line, before),
            Cow::Owned(line) => owned(self.read_clean(&line, before)),
        }
    }

    /// Takes every line for a message without time and level.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    /// A moment that the coming lines lie near to: times without a year are given the year that brings them closest to it.
    pub fn set_near(&mut self, near: Option<Nanos>) {
        if self.wrapper == Wrapper::None {
            self.context.times.set_near(near);
        }
    }

    /// Whether the file's times lack their year, so that [`Self::set_near`] matters.
    pub fn is_yearless(&self) -> bool {
        self.yearless
    }

    /// The name of the format that the beginning of the file has.
    pub fn main_format(&self) -> &str {
        self.format_name(if self.kind.locked == PLAIN { self.wrapper_format } else { self.kind.locked })
    }

    /// The index of the format of lines without structure.
    pub fn plain(&self) -> usize {
        PLAIN
    }

    /// The name of a format by its index.
    pub fn format_name(&self, format: usize) -> &str {
        match format.checked_sub(ALL.len()) {
            None => ALL[format].name(),
            Some(own) => self.own.get(own).map_or("plain", Own::name),
        }
    }

    /// How many formats there are: indexes are smaller.
    pub fn formats(&self) -> usize {
        ALL.len() + self.own.len()
    }

    /// As [`Self::read`], for a line of a block that holds no ESC.
    #[inline]
    pub(crate) fn read_without_escapes<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        if self.bare { self.read(line, before) } else { self.read_clean(bounded(line), before) }
    }

    #[inline]
    fn read_clean<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        match self.wrapper {
            Wrapper::None => self.text(line, self.kind, || before.map(clean)),
            Wrapper::Docker => self.read_docker(line, before),
            Wrapper::Cri => self.read_cri(line, before),
            Wrapper::Compose => self.read_compose(line, before),
        }
    }

    fn read_docker<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        let Some(wrapped) = docker::unwrap(line.trim_ascii()) else { return self.text(line, self.kind, || before.map(clean)) };
        let before = before.map(clean);
        let front = before.as_ref().and_then(|before| docker::unwrap(before.trim_ascii()));
        if front.as_ref().is_some_and(|front| front.partial && front.stream == wrapped.stream) {
            return Line::More { text: wrapped.text, joined: true };
        }
        let time = wrapped.time.and_then(|time| self.context.times.read_whole(time));
        let text_before = || front.map(|front| front.text);
        let read = match wrapped.text {
            Cow::Borrowed(text) => self.text(text, self.kind, text_before),
            Cow::Owned(text) => owned(self.text(&text, self.kind, text_before)),
        };
        self.wrapped(read, |inner| time.or(inner))
    }

    fn read_cri<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        let Some(wrapped) = cri::unwrap(line, &mut self.context.times) else { return self.text(line, self.kind, || before.map(clean)) };
        if before.is_some_and(|before| cri::is_partial(before, wrapped.stream)) {
            return Line::More { text: Cow::Borrowed(wrapped.text), joined: true };
        }
        let text_before = || before.map(|before| Cow::Borrowed(cri::text(before)));
        let read = self.text(wrapped.text, self.kind, text_before);
        self.wrapped(read, |inner| inner.or(Some(wrapped.time)))
    }

    fn read_compose<'l>(&mut self, line: &'l [u8], before: Option<&[u8]>) -> Line<'l> {
        let Some((name, text)) = compose::unwrap(line.trim_ascii_start()) else { return self.text(line, self.kind, || before.map(clean)) };
        let service = self.services.iter().find(|service| *service.name == *name);
        let (kind, stamped) = service.map_or((UNKNOWN, true), |service| (service.kind, service.stamped));
        let (stamp, text) = compose::stamp(text).filter(|_| stamped).map_or((None, text), |(stamp, text)| (Some(stamp), text));
        let time = stamp.and_then(|stamp| self.context.times.read_whole(stamp));
        let before = before.map(clean);
        // The line of another service is no line before this one.
        let front = before.as_deref().and_then(|before| compose::unwrap(before.trim_ascii_start())).filter(|(other, _)| *other == name);
        let same = front.is_some();
        let text_before = || front.map(|(_, text)| Cow::Borrowed(compose::stamp(text).filter(|_| stamped).map_or(text, |(_, text)| text)));
        let read = match self.text(text, kind, text_before) {
            Line::More { text, .. } if !same && before.is_some() && !text.is_empty() => {
                Line::Head { format: PLAIN, record: Record { message: text, ..Record::default() } }
            }
            read => read,
        };
        let mut read = self.wrapped(read, |inner| inner.or(time));
        if let Line::Head { record, .. } = &mut read {
            record.logger.get_or_insert(Cow::Borrowed(name));
        }
        read
    }

    /// A line with the time that the runtime and the text in it say together.
    fn wrapped<'l>(&self, line: Line<'l>, time: impl FnOnce(Option<Nanos>) -> Option<Nanos>) -> Line<'l> {
        match line {
            Line::Head { format, mut record } => {
                record.time = time(record.time);
                Line::Head { format: if format == PLAIN { self.wrapper_format } else { format }, record }
            }
            line => line,
        }
    }

    /// What a text is to those of its kind.
    #[inline]
    fn text<'l, 'b>(&mut self, text: &'l [u8], kind: Kind, before: impl FnOnce() -> Option<Cow<'b, [u8]>>) -> Line<'l> {
        let more = |text: &'l [u8]| Line::More { text: Cow::Borrowed(text.trim_ascii_end()), joined: false };
        let line = text.trim_ascii();
        if !kind.indented && is_indented(text) && !is_object(line, kind) {
            return more(text);
        }
        let Some(first) = line.first() else { return more(line) };
        if *first == b'#' && self.context.table.is_some() {
            return Line::Frame;
        }
        if let Some((format, record)) = self.parsed(line, *first, kind) {
            return Line::Head { format, record };
        }
        if is_object(line, kind) {
            return Line::Head { format: kind.locked, record: Record { message: Cow::Borrowed(line), ..Record::default() } };
        }
        if kind.timed || continues(line, before().as_deref()) {
            return more(text);
        }
        Line::Head { format: PLAIN, record: Record { message: Cow::Borrowed(line), ..Record::default() } }
    }

    /// The record of a line that begins one, and the index of the format that read it: the kind's own first, then the others.
    #[inline]
    fn parsed<'l>(&mut self, line: &'l [u8], first: u8, kind: Kind) -> Option<(usize, Record<'l>)> {
        if self.own_seen {
            for (at, own) in self.own.iter().enumerate() {
                if let Some(record) = own.parse(line, &mut self.context.times) {
                    return Some((ALL.len() + at, record));
                }
            }
        }
        if kind.locked < PLAIN
            && let Some(record) = ALL[kind.locked].parse(line, &mut self.context)
        {
            return Some((kind.locked, record));
        }
        let mut others = BY_FIRST[usize::from(first)] & !(1 << kind.locked.min(PLAIN));
        while others != 0 {
            let format = others.trailing_zeros() as usize;
            others &= others - 1;
            self.context.times.seen.stamped = false;
            let record = ALL[format].parse(line, &mut self.context);
            // Among lines with times, one without is part of a record, unless it says outright that it is one.
            if let Some(record) = record.filter(|r| !kind.timed || self.context.times.seen.stamped || (first == b'{' && r.level.is_some())) {
                return Some((format, record));
            }
        }
        None
    }
}

/// Whether a line is a whole object in a file of objects, where each is a record, whatever it says. The lines of one that is written over
/// several lines are not.
fn is_object(line: &[u8], kind: Kind) -> bool {
    matches!(line, [b'{', .., b'}']) && kind.locked == *JSON
}

fn owned(line: Line<'_>) -> Line<'static> {
    match line {
        Line::Head { format, record } => Line::Head { format, record: record.into_owned() },
        Line::More { text, joined } => Line::More { text: Cow::Owned(text.into_owned()), joined },
        Line::Frame => Line::Frame,
    }
}

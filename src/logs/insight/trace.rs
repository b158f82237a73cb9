//! Stack traces by what is wrong and where: the type of the root cause and the top frames of the program's own code.
//!
//! Knows the traces of Java, Kotlin and Scala, Python, Go, Rust, Node, PHP, Ruby and .NET. Two traces that differ in messages, line
//! numbers, addresses, threads and the ordinals of lambdas and proxies have one key. "Own" is what [`own`] does not know as a library,
//! framework or runtime; where nothing is own, the topmost frame stands for it.
//!
//! Reads the first [`MOST_BYTES`] of a record once, line by line, and copies nothing. Whatever the text, it answers: a trace that was cut
//! or mixed up gives fewer frames or none.

mod frames;
mod own;

use frames::Line;

/// Not more of a record is looked at.
const MOST_BYTES: usize = 64 << 10;

/// Own frames that make the key.
const MOST_FRAMES: usize = 3;

/// A call in a stack trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Frame<'a> {
    /// The function, qualified as far as the trace does, without line numbers, addresses and ordinals.
    pub(crate) name: &'a [u8],
    /// The base name of the file, for languages whose functions are not qualified; else empty.
    pub(crate) file: &'a [u8],
    own: bool,
}

/// What is wrong and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Trace<'a> {
    /// The type of the root cause, without its message. Empty if the trace does not say.
    pub(crate) exception: &'a [u8],
    /// The top own frames, at most three, the innermost first; the topmost if none is own.
    pub(crate) frames: Vec<Frame<'a>>,
}

impl Trace<'_> {
    /// Appends the key: equal for equal troubles. Untrusted text.
    pub(crate) fn write_key(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.exception);
        for frame in &self.frames {
            out.extend_from_slice(if frame.file.is_empty() { b" at " } else { b" at (" });
            if !frame.file.is_empty() {
                out.extend_from_slice(frame.file);
                out.extend_from_slice(b") ");
            }
            out.extend_from_slice(frame.name);
        }
    }
}

/// The trace in a record: `head` is its first line's message, `more` the lines behind it. None if there is no trace.
pub(crate) fn key<'a>(head: &'a [u8], more: &'a [u8]) -> Option<Trace<'a>> {
    let head = &head[..head.len().min(MOST_BYTES)];
    let more = &more[..more.len().min(MOST_BYTES - head.len())];
    let mut reader = Reader::default();
    for line in lines(head) {
        reader.line(line, true);
    }
    for line in lines(more) {
        reader.line(line, false);
    }
    reader.finish()
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = |line: &'_ [u8]| line.len() - usize::from(line.ends_with(b"\r"));
    text.split(|b| *b == b'\n').map(move |raw| &raw[..line(raw)])
}

/// One exception of a chain.
#[derive(Debug, Default)]
struct Section<'a> {
    exception: &'a [u8],
    /// Up to [`MOST_FRAMES`]; of Python, where the innermost comes last, the last ones in the order of the text.
    own: Vec<Frame<'a>>,
    top: Option<Frame<'a>>,
    frames: usize,
}

impl<'a> Section<'a> {
    fn push(&mut self, frame: Frame<'a>, innermost_last: bool) {
        self.frames += 1;
        if self.top.is_none() || innermost_last {
            self.top = Some(frame);
        }
        if !frame.own {
            return;
        }
        if self.own.len() == MOST_FRAMES {
            if !innermost_last {
                return;
            }
            self.own.remove(0);
        }
        self.own.push(frame);
    }
}

/// How a trace is written, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Unknown,
    /// Innermost frame first, root cause last: Java, Node, Ruby, .NET (whose frames of the root cause come first all the same).
    CauseLast,
    /// Innermost frame first, root cause first: PHP.
    CauseFirst,
    Python,
    Go,
    Rust,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    kind: Kind,
    /// Ended exceptions, in the order of the text.
    before: Vec<Section<'a>>,
    now: Section<'a>,
    /// What may be the exception of the frames to come, and how well it fits.
    candidate: (u8, &'a [u8]),
    /// Within a part of the trace that does not count: an exception that was suppressed, another goroutine.
    aside: bool,
    /// A function whose file comes in the next line, in Go.
    waiting: Option<Frame<'a>>,
    over: bool,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a [u8], head: bool) {
        if self.over {
            return;
        }
        match frames::line(line, head, self.kind) {
            Line::Frame(frame, kind, exception) => {
                if !exception.is_empty() {
                    self.cause(exception, false);
                }
                self.frame(frame, kind);
            }
            Line::Awaits(frame) => {
                self.no_place();
                self.waiting = Some(frame);
            }
            Line::Place(own) => {
                if let Some(frame) = self.waiting.take() {
                    self.frame(Frame { own: own && frame.own, ..frame }, self.kind);
                }
            }
            Line::Cause(exception, indented) => self.cause(exception, indented),
            Line::Outer => self.over = self.now.frames > 0,
            Line::Suppressed => self.aside = true,
            Line::Panic(kind, exception, place) => self.panic(kind, exception, place),
            Line::Goroutine => self.goroutine(),
            Line::Backtrace if self.kind == Kind::Unknown => self.kind = Kind::Rust,
            Line::Traceback => self.traceback(),
            Line::Text(fit, exception) => self.text(fit, exception),
            Line::Backtrace | Line::Nothing => {}
        }
    }

    /// A frame whose place did not come.
    fn no_place(&mut self) {
        if let Some(frame) = self.waiting.take() {
            self.frame(frame, self.kind);
        }
    }

    fn goroutine(&mut self) {
        match self.kind {
            Kind::Unknown => self.kind = Kind::Go,
            Kind::Go => self.over = self.now.frames > 0,
            _ => {}
        }
    }

    fn frame(&mut self, frame: Frame<'a>, kind: Kind) {
        if self.aside {
            return;
        }
        if self.kind == Kind::Unknown {
            self.kind = kind;
        }
        if self.now.exception.is_empty() && self.kind != Kind::Python {
            self.now.exception = std::mem::take(&mut self.candidate).1;
        }
        self.now.push(frame, self.kind == Kind::Python);
    }

    fn cause(&mut self, exception: &'a [u8], indented: bool) {
        if self.aside && indented {
            return;
        }
        self.aside = false;
        if self.now.frames > 0 {
            self.before.push(std::mem::take(&mut self.now));
        }
        self.now.exception = exception;
    }

    fn panic(&mut self, kind: Kind, exception: &'a [u8], place: &'a [u8]) {
        if self.now.frames > 0 || self.kind == kind {
            // What went wrong while it went wrong comes behind.
            return;
        }
        self.kind = kind;
        self.now.exception = exception;
        if kind == Kind::Rust {
            // Stands for the frames of a panic without a backtrace.
            self.now.top = Some(Frame { name: place, file: b"", own: false });
        }
    }

    fn traceback(&mut self) {
        if self.kind == Kind::Python && self.now.frames > 0 {
            // The first one is the root.
            self.over = true;
        }
        self.kind = Kind::Python;
    }

    fn text(&mut self, fit: u8, exception: &'a [u8]) {
        if self.kind == Kind::Python {
            if self.now.frames > 0 && !exception.is_empty() {
                (self.now.exception, self.over) = (exception, true);
            }
        } else if fit > self.candidate.0 && self.now.frames == 0 {
            self.candidate = (fit, exception);
        }
    }

    fn finish(mut self) -> Option<Trace<'a>> {
        if !self.over {
            self.no_place();
        }
        let Self { kind, before, mut now, .. } = self;
        if now.exception.is_empty() && before.is_empty() && now.frames < 2 && matches!(kind, Kind::CauseLast | Kind::CauseFirst) {
            // One line that looks like a frame is a sentence.
            return None;
        }
        if kind == Kind::Python {
            now.own.reverse();
        }
        let exception = now.exception;
        let top = now.top.or_else(|| before.last().and_then(|section| section.top));
        let mut frames = now.own;
        if frames.is_empty() {
            frames = before.into_iter().rev().map(|section| section.own).find(|own| !own.is_empty()).unwrap_or_default();
        }
        if frames.is_empty() {
            frames.extend(top);
        }
        (!frames.is_empty()).then_some(Trace { exception, frames })
    }
}

#[cfg(test)]
mod tests;

//! From an opened file to what reading it takes: its format, the years of its dates, its span, and which part of it a window needs.

use std::io::{self, Read};
use std::sync::Arc;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    blocks::{Bytes, Limits},
    engine::Part,
    formats::{LineReader, Own},
    input::{Input, Stream},
    seek::{self, Range, SLACK, Seeker},
    sources::file::Opened,
    time::Nanos,
    window::Window,
    years::{Probe, Years, time_of},
};

/// How much of a file's beginning votes on its format.
const HEAD_BYTES: usize = 64 << 10;

/// How much of a file's end is searched for its last timestamp.
const TAIL_BYTES: u64 = 64 << 10;

/// No log was written before 1990, in seconds since 1970.
const EARLIEST_WRITTEN: i64 = 631_152_000;

/// A file, ready to be read.
pub(crate) struct Ready {
    /// As it is shown.
    pub(crate) path: String,
    pub(crate) input: Input,
    pub(crate) reader: LineReader,
    probes: Vec<Probe>,
    disordered: bool,
    years: Years,
    /// When it was last written to, or now.
    written: Timestamp,
    /// The first time in it.
    pub(crate) first: Option<Nanos>,
    /// The first and last time, where the last can be known without reading all of it.
    pub(crate) span: Option<(Nanos, Nanos)>,
    /// Its times ascend, as far as it was looked at: a plain file at many places and only for a bounded window, others at their beginning.
    pub(crate) sorted: bool,
    /// The part that is read; none: all.
    pub(crate) range: Option<Range>,
}

impl Ready {
    /// Looks at the beginning, the end and some places between.
    ///
    /// # Errors
    /// Why the file cannot be read at all.
    pub(crate) fn new(opened: Opened, zone: TimeZone, own: &Arc<[Own]>, now: Timestamp, limits: &Limits<'_>) -> io::Result<Self> {
        // What was unpacked or built reproducibly bears a date that means nothing.
        let written = opened.modified.filter(|at| at.as_second() > EARLIEST_WRITTEN).unwrap_or(now).min(now);
        let input = Input::new(opened.file, opened.bytes)?;
        let head = head(&input);
        let reader = LineReader::detect_with(&head, zone, own);
        let (probes, years) = (Vec::new(), Years::default());
        let mut ready =
            Self { path: opened.path, input, reader, probes, disordered: false, years, written, first: None, span: None, sorted: false, range: None };
        ready.look_around(&head, limits);
        Ok(ready)
    }

    /// Bytes on disk of a file that can be read anywhere.
    fn seekable_bytes(&self) -> Option<u64> {
        self.input.bytes().filter(|_| self.input.is_seekable())
    }

    fn look_around(&mut self, head: &[u8], limits: &Limits<'_>) {
        let mut reader = self.reader.clone();
        if let Some(bytes) = self.seekable_bytes() {
            let mut seeker = Seeker::new(&self.input, bytes, reader.clone());
            self.probes = seeker.probes();
            self.disordered = seeker.disordered;
        } else if reader.is_yearless() {
            self.probes = stream_probes(&self.input, &mut reader, limits);
        } else {
            self.probes = Probe::all(head, 0, &mut reader);
        }
        if reader.is_yearless() {
            self.years = Years::new(&self.probes, self.written, &mut reader);
        }
        self.first = self.first_time(&mut reader);
        self.span = self.first.zip(self.last_time(&mut reader));
        if self.seekable_bytes().is_none() {
            // Of what cannot be looked at anywhere, the beginning must do.
            let times: Option<Vec<Nanos>> = self.probes.iter().map(|probe| self.time(probe, &mut reader)).collect();
            self.sorted = times.is_some_and(|times| times.len() > 1 && times.is_sorted_by(|a, b| *b >= a.saturating_sub(SLACK)));
        }
    }

    fn time(&self, probe: &Probe, reader: &mut LineReader) -> Option<Nanos> {
        self.years.from(probe.offset).enter(probe.offset, reader);
        time_of(probe.line(), reader)
    }

    fn first_time(&self, reader: &mut LineReader) -> Option<Nanos> {
        self.probes.first().and_then(|probe| self.time(probe, reader))
    }

    /// Finds the last time of what can only be read from the front, by reading it.
    pub(crate) fn find_end(&mut self, limits: &Limits<'_>) {
        if self.span.is_some() || self.input.is_seekable() {
            return;
        }
        let mut reader = self.reader.clone();
        let (mut last, mut offset) = (None, 0);
        read_stream(&self.input, limits, |bytes| {
            last = seek::last_time(bytes, offset, &self.years, &mut reader).or(last);
            offset += bytes.len() as u64;
        });
        self.span = self.first.zip(last);
    }

    fn last_time(&self, reader: &mut LineReader) -> Option<Nanos> {
        let bytes = self.seekable_bytes()?;
        let offset = bytes.saturating_sub(TAIL_BYTES);
        let mut tail = vec![0; usize::try_from(bytes - offset).ok()?];
        let filled = seek::read_full(&self.input, &mut tail, offset).ok()?;
        seek::last_time(&tail[..filled], offset, &self.years, reader)
    }

    /// Finds the part that a bounded window needs, if the file is sorted and large enough to be worth it.
    pub(crate) fn narrow(&mut self, window: &Window) {
        let Some(bytes) = self.seekable_bytes().filter(|_| window.is_bounded() && !self.disordered) else { return };
        let range = Seeker::new(&self.input, bytes, self.reader.clone()).range(&self.probes, &self.years, window);
        self.sorted = range.is_some();
        self.range = range.filter(|_| bytes > seek::LEAST_BYTES);
    }

    /// What the engine reads.
    pub(crate) fn part(&self) -> Part<'_> {
        let whole = Range { start: 0, end: self.input.bytes().unwrap_or(u64::MAX) };
        let range = self.range.unwrap_or(whole);
        let input = &self.input;
        let open = move || -> io::Result<Box<dyn Bytes + '_>> {
            Ok(if input.is_seekable() { Box::new(Slice { input, start: range.start, at: range.start, end: range.end }) } else { Box::new(input.stream()?) })
        };
        Part {
            path: self.path.clone(),
            reader: self.reader.clone(),
            years: self.years.clone(),
            start: range.start,
            bytes: if self.input.bytes().is_some() { range.end - range.start } else { 0 },
            open: Box::new(open),
        }
    }
}

/// The first decoded bytes; fewer where reading fails, which reading the whole will then report.
fn head(input: &Input) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    if let Ok(stream) = input.stream() {
        let _ = stream.take(HEAD_BYTES as u64).read_to_end(&mut head);
    }
    head
}

/// Gives the decoded bytes in pieces of [`HEAD_BYTES`], until a limit; what cannot be read, reading the whole will report.
fn read_stream(input: &Input, limits: &Limits<'_>, mut each: impl FnMut(&[u8])) {
    let Ok(mut stream) = input.stream() else { return };
    let mut buffer = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while limits.reached().is_none() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            // A decoder that has nothing yet says so, so that limits are looked at.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if filled == buffer.len() {
            each(&buffer);
            filled = 0;
        }
    }
    each(&buffer[..filled]);
}

/// Lines of a stream with a time: all of its beginning, and one in each further piece.
fn stream_probes(input: &Input, reader: &mut LineReader, limits: &Limits<'_>) -> Vec<Probe> {
    let (mut probes, mut offset) = (Vec::new(), 0);
    read_stream(input, limits, |bytes| {
        if offset == 0 {
            probes = Probe::all(bytes, 0, reader);
        } else {
            let start = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            probes.extend(Probe::first(&bytes[start..], offset + start as u64, reader));
        }
        offset += bytes.len() as u64;
    });
    probes
}

/// A stretch of a seekable input.
struct Slice<'a> {
    input: &'a Input,
    start: u64,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.input.read_at(&mut buffer[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Bytes for Slice<'_> {
    fn consumed(&self) -> u64 {
        self.at - self.start
    }
}

impl Bytes for Stream {
    fn consumed(&self) -> u64 {
        Self::consumed(self)
    }
}

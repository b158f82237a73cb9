//! Finds the part of a sorted file that a window needs, by reading very little of it.
//!
//! Evenly spread probes say whether the times ascend; then the window's ends are searched for by halving. What lies a little before the
//! window is read, too: it forgives lines that are slightly out of order, and shows which groups of messages are new.
//!
//! Reads at most [`PROBES`] + 3 x 48 pieces of 2 KiB for what it learns; a binary search of any file of today needs fewer.

use std::io;

use super::{
    blocks,
    formats::LineReader,
    input::Input,
    time::{Nanos, SECOND},
    window::Window,
    years::{Cursor, Probe, Years, time_of},
};

/// A smaller file is read whole.
pub(crate) const LEAST_BYTES: u64 = 1 << 20;

/// How many places are looked at for the order of a file.
pub(crate) const PROBES: u64 = 128;

/// Lines of a file that counts as sorted may be this much out of order: threads write late.
pub(crate) const SLACK: Nanos = 10 * SECOND;

/// How much is read before the window.
const BEFORE_BYTES: u64 = 224 << 10;

/// A place is searched for down to this.
const NEAR_BYTES: u64 = 16 << 10;

/// Bytes of a first look at a place; more, up to the second number, if no line there says a time.
const LOOK_BYTES: usize = 2 << 10;
const LONGEST_LOOK_BYTES: usize = 64 << 10;

/// A file that can be looked at anywhere.
pub(crate) struct Seeker<'a> {
    input: &'a Input,
    bytes: u64,
    reader: LineReader,
    buffer: Vec<u8>,
    /// The lines of a piece that was looked at were out of order.
    pub(crate) disordered: bool,
}

impl<'a> Seeker<'a> {
    /// Of a seekable input with so many bytes.
    pub(crate) fn new(input: &'a Input, bytes: u64, reader: LineReader) -> Self {
        Self { input, bytes, reader, buffer: Vec::new(), disordered: false }
    }

    /// Evenly spread lines with a time; of a small file all of them. Fewer where none is found.
    pub(crate) fn probes(&mut self) -> Vec<Probe> {
        if self.bytes <= LONGEST_LOOK_BYTES as u64 {
            self.fill(0, LONGEST_LOOK_BYTES);
            return Probe::all(&self.buffer, 0, &mut self.reader);
        }
        let mut probes: Vec<Probe> = Vec::new();
        for n in 0..PROBES {
            let offset = self.bytes / PROBES * n;
            if let Some(probe) = self.look(offset)
                && probes.last().is_none_or(|last| last.offset < probe.offset)
            {
                probes.push(probe);
            }
        }
        probes
    }

    /// The first line that begins behind `offset`, or at the beginning of the file, and says a time.
    fn look(&mut self, offset: u64) -> Option<Probe> {
        let mut bytes = LOOK_BYTES;
        loop {
            let complete = self.fill(offset, bytes);
            // The first line is torn, and so may the last be.
            let start = if offset == 0 { 0 } else { memchr::memchr(b'\n', &self.buffer).map_or(self.buffer.len(), |at| at + 1) };
            let end = if complete { self.buffer.len() } else { memchr::memrchr(b'\n', &self.buffer).map_or(start, |at| at + 1) };
            let found = self.buffer.get(start..end).map(|lines| Probe::all(lines, offset + start as u64, &mut self.reader)).unwrap_or_default();
            self.disordered |= found.windows(2).any(|pair| pair[0].is_after(&pair[1]));
            let found = found.into_iter().next();
            if found.is_some() || complete || bytes >= LONGEST_LOOK_BYTES {
                return found;
            }
            bytes = (4 * bytes).min(LONGEST_LOOK_BYTES);
        }
    }

    /// Reads up to `most` bytes from `offset` into the buffer; whether the file ends there.
    fn fill(&mut self, offset: u64, most: usize) -> bool {
        self.buffer.clear();
        self.buffer.resize(most, 0);
        let filled = read_full(self.input, &mut self.buffer, offset).unwrap_or(0);
        self.buffer.truncate(filled);
        filled < most || offset + filled as u64 >= self.bytes
    }

    /// What of the file must be read for the window; none: all of it, because its times do not ascend or are not known.
    pub(crate) fn range(&mut self, probes: &[Probe], years: &Years, window: &Window) -> Option<Range> {
        if probes.len() < 2 {
            return None;
        }
        let times: Vec<Nanos> = probes.iter().map(|probe| self.time(probe, years)).collect::<Option<_>>()?;
        if self.disordered || !times.is_sorted_by(|a, b| *b >= a.saturating_sub(SLACK)) {
            return None;
        }
        let start = match window.from {
            Some(from) => self.start(from, years)?,
            None => 0,
        };
        let end = match window.to {
            Some(to) => self.first_after(to.saturating_add(SLACK), years)?,
            None => self.bytes,
        };
        Some(Range { start, end: end.max(start) })
    }

    /// Where to begin, so that [`BEFORE_BYTES`] before `from` are read, and what is [`SLACK`] before it.
    fn start(&mut self, from: Nanos, years: &Years) -> Option<u64> {
        let before = self.last_before(from, years)?.saturating_sub(BEFORE_BYTES);
        if before == 0 {
            return Some(0);
        }
        let early = from.saturating_sub(SLACK);
        let probe = self.look(before)?;
        if self.time(&probe, years)? < early { Some(probe.offset) } else { self.last_before(early, years) }
    }

    fn time(&mut self, probe: &Probe, years: &Years) -> Option<Nanos> {
        let mut cursor: Cursor<'_> = years.from(probe.offset);
        cursor.enter(probe.offset, &mut self.reader);
        time_of(probe.line(), &mut self.reader)
    }

    /// The place of a record before which all are earlier than `target`, close to the last of these.
    fn last_before(&mut self, target: Nanos, years: &Years) -> Option<u64> {
        self.search(years, |time| time < target).map(|(before, _)| before)
    }

    /// The place of the first record of those that are found that are later than `target`; the end if there are none.
    fn first_after(&mut self, target: Nanos, years: &Years) -> Option<u64> {
        self.search(years, |time| time <= target).map(|(_, after)| after)
    }

    /// Two places of records not far from another, the first of which (or the beginning) is `early` and the second (or the end) not.
    fn search(&mut self, years: &Years, early: impl Fn(Nanos) -> bool) -> Option<(u64, u64)> {
        let (mut before, mut after) = (0, self.bytes);
        // The end of the stretch that is still to be halved; the record found from there on is `after`.
        let mut high = self.bytes;
        while high.saturating_sub(before) > NEAR_BYTES {
            let middle = before + (high - before) / 2;
            match self.look(middle) {
                Some(probe) if probe.offset < after => {
                    if early(self.time(&probe, years)?) {
                        before = probe.offset;
                    } else {
                        (high, after) = (middle, probe.offset);
                    }
                }
                // Behind the middle comes nothing but what is known already, or no time for long.
                _ => high = middle,
            }
        }
        Some((before, after))
    }
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Fills the buffer from `offset` on; fewer bytes at the end of the file.
///
/// # Errors
/// What reading says.
pub(crate) fn read_full(input: &Input, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The last time in the last bytes of a file; the first line of them may be torn and counts only `from_start`.
pub(crate) fn last_time(tail: &[u8], offset: u64, years: &Years, reader: &mut LineReader) -> Option<Nanos> {
    let lines: Vec<(usize, &[u8])> = blocks::lines(tail).skip(usize::from(offset > 0)).collect();
    lines.into_iter().rev().find_map(|(at, line)| {
        years.from(offset + at as u64).enter(offset + at as u64, reader);
        time_of(line, reader)
    })
}

//! Which year the dates of a file mean that have none.
//!
//! The last date is the latest that is not after the file was last written; earlier ones follow backwards, each at most a month after and
//! eleven months before the one behind it, which keeps the file in order and forgives some disorder. So a file may span any number of
//! years, as long as it does not fall silent for eleven months.
//!
//! **Invariant:** the year of a line depends on its place in the file alone, not on which part of the file is read.

use jiff::Timestamp;

use super::{
    blocks,
    formats::{Line, LineReader},
    seek::SLACK,
    time::{self, Nanos, SECOND},
};

/// Days in nanoseconds.
const DAY: i64 = 86_400 * SECOND;

/// A year is given by a moment half a year away from both its ends.
const HALF_YEAR: i64 = 183 * DAY;

/// How much later than its successor a line may be.
const DISORDER: i64 = 30 * DAY;

/// Clocks differ: a last line is not taken for a year old because it is a little ahead.
const AHEAD: i64 = DAY;

/// Of a line only this much is kept to read its date.
const LONGEST_PROBE_BYTES: usize = 256;

/// A line and where it stands.
pub(crate) struct Probe {
    pub(crate) offset: u64,
    line: Vec<u8>,
    /// Its time, in the year 1970 where it has none.
    time: Nanos,
}

impl Probe {
    /// Whether it is later than one behind it, by more than lines of a sorted file may be, and not because a year begins between them.
    pub(crate) fn is_after(&self, behind: &Self) -> bool {
        (SLACK + 1..10 * DISORDER).contains(&self.time.saturating_sub(behind.time))
    }

    /// The line, cut.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The first line of these that says a time, if any; `bytes` begin at `offset` of the file, with a whole line.
    pub(crate) fn first(bytes: &[u8], offset: u64, reader: &mut LineReader) -> Option<Self> {
        blocks::lines(bytes).find_map(|(at, line)| Self::of(line, offset + at as u64, reader))
    }

    /// All lines of these that say a time.
    pub(crate) fn all(bytes: &[u8], offset: u64, reader: &mut LineReader) -> Vec<Self> {
        blocks::lines(bytes).filter_map(|(at, line)| Self::of(line, offset + at as u64, reader)).collect()
    }

    fn of(line: &[u8], offset: u64, reader: &mut LineReader) -> Option<Self> {
        reader.set_near(Some(0));
        let time = time_of(line, reader)?;
        Some(Self { offset, time, line: line[..line.len().min(LONGEST_PROBE_BYTES)].to_vec() })
    }
}

/// Moments that the lines from a place on lie near to. Empty for files whose dates have years.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Years {
    near: Vec<(u64, Nanos)>,
}

impl Years {
    /// From probes in the order of the file. `written` is the latest moment that its last line can mean.
    pub(crate) fn new(probes: &[Probe], written: Timestamp, reader: &mut LineReader) -> Self {
        let mut near = Vec::with_capacity(probes.len());
        let mut latest = time::nanos(written).saturating_add(AHEAD);
        for probe in probes.iter().rev() {
            reader.set_near(Some(latest.saturating_sub(HALF_YEAR)));
            if let Some(at) = time_of(&probe.line, reader) {
                near.push((probe.offset, at));
                latest = at.saturating_add(DISORDER);
            }
        }
        near.reverse();
        Self { near }
    }

    /// A cursor for lines from `offset` on.
    pub(crate) fn from(&self, offset: u64) -> Cursor<'_> {
        let next = self.near.partition_point(|(at, _)| *at <= offset);
        // What stands before the first probe is near to it.
        Cursor { near: &self.near, next: next.saturating_sub(1) }
    }
}

/// Tells a reader, line by line, where it is in time.
pub(crate) struct Cursor<'y> {
    near: &'y [(u64, Nanos)],
    next: usize,
}

impl Cursor<'_> {
    /// A line at this offset is read next; offsets ascend.
    pub(crate) fn enter(&mut self, offset: u64, reader: &mut LineReader) {
        while let Some((at, near)) = self.near.get(self.next)
            && (*at <= offset || self.next == 0)
        {
            reader.set_near(Some(*near));
            self.next += 1;
        }
    }
}

/// The time of a line that begins a record.
pub(crate) fn time_of(line: &[u8], reader: &mut LineReader) -> Option<Nanos> {
    match reader.read(line, None) {
        Line::Head { record, .. } => record.time,
        Line::More { .. } | Line::Frame => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fmt::Write as _;

    use jiff::tz::TimeZone;

    use super::*;

    /// The years that the lines of a file are given that was written at that moment.
    fn years(lines: &[&str], written: &str) -> Vec<String> {
        let text = lines.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line} host app[1]: message").unwrap();
            text
        });
        let mut reader = LineReader::detect(text.as_bytes(), TimeZone::UTC);
        assert!(reader.is_yearless());
        let probes = Probe::all(text.as_bytes(), 0, &mut reader);
        let years = Years::new(&probes, written.parse().unwrap(), &mut reader);
        let mut cursor = years.from(0);
        let year = |(at, line): (usize, &[u8])| {
            cursor.enter(at as u64, &mut reader);
            time_of(line, &mut reader).map_or_else(|| "none".to_owned(), |time| time::show(time)[..4].to_owned())
        };
        blocks::lines(text.as_bytes()).map(year).collect()
    }

    #[test]
    fn the_last_line_is_not_in_the_future_and_the_others_are_in_order() {
        assert_eq!(years(&["Nov 30 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01"], "2026-01-02T00:00:00Z"), ["2025", "2025", "2026"]);
        assert_eq!(years(&["Nov 30 10:00:00"], "2026-11-24T00:00:00Z"), ["2025"]);
        // A clock that is a little ahead.
        assert_eq!(years(&["Nov 24 10:00:00"], "2026-11-24T09:59:00Z"), ["2026"]);
        // Out of order, but not by a year.
        assert_eq!(years(&["Sep 13 00:58:45", "Sep 12 23:00:00", "Sep 13 03:00:00"], "2026-10-01T00:00:00Z"), ["2026", "2026", "2026"]);
        // A line a month, over three years, and a leap day.
        let lines = ["Mar  1 00:00:00", "Sep  1 00:00:00", "Feb 29 00:00:00", "Aug  1 00:00:00", "Jan  5 00:00:00", "Jun  5 00:00:00"];
        assert_eq!(years(&lines, "2025-07-01T00:00:00Z"), ["2023", "2023", "2024", "2024", "2025", "2025"]);
    }

    #[test]
    fn the_year_depends_on_the_place_and_not_on_where_reading_begins() {
        let mut reader = LineReader::detect(b"Jan  1 00:00:00 host app: x\n", TimeZone::UTC);
        let years = Years { near: vec![(0, 100 * DAY), (50, 500 * DAY), (90, 900 * DAY)] };
        for (line, near) in [(0, 100), (49, 100), (50, 500), (89, 500), (90, 900), (5_000, 900)] {
            for from in [0, 10, 50, 60, 90] {
                if from <= line {
                    let mut cursor = years.from(from);
                    cursor.enter(from, &mut reader);
                    cursor.enter(line, &mut reader);
                    let expected = time_of(b"Jan  1 00:00:00 host app: x", &mut reader);
                    reader.set_near(Some(near * DAY));
                    assert_eq!(expected, time_of(b"Jan  1 00:00:00 host app: x", &mut reader), "{line} from {from}");
                }
            }
        }
    }
}

//! The log formats: bytes of a line in, a record out.
//!
//! To add one: a file with a unit struct that implements [`Format`], and its line in [`ALL`]. A format reads only what the line says;
//! a wrong timestamp or level is worse than none.
//!
//! **Invariant:** parsing a line depends on that line and the source's time zone alone, so that a file can be read in pieces.

mod json;
mod plain;
mod standard;

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{
    level::Level,
    time::{Nanos, TimeReader},
};

/// All formats. Earlier ones win where two would read a line; `plain`, which reads every line, is last.
pub const ALL: &[&dyn Format] = &[&json::Json, &standard::Standard, &plain::Plain];

/// Lines at the start of a file that vote on its format.
const VOTING_LINES: usize = 64;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record<'l> {
    /// When, if the line says so.
    pub time: Option<Nanos>,
    /// How grave, if the line says so.
    pub level: Option<Level>,
    /// Who, if the line says so.
    pub logger: Option<Cow<'l, [u8]>>,
    /// The text; the whole line where the format has no text of its own.
    pub message: Cow<'l, [u8]>,
}

/// What formats need besides the line.
#[derive(Debug, Clone)]
pub struct Context {
    /// Reads civil timestamps.
    pub times: TimeReader,
}

impl Context {
    /// For lines whose times without a zone are local times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { times: TimeReader::new(zone) }
    }
}

/// A log format.
pub trait Format: Sync {
    /// The name in reports.
    fn name(&self) -> &'static str;

    /// One line for help.
    fn summary(&self) -> &'static str;

    /// A line that it reads; a test parses it.
    fn example(&self) -> &'static str;

    /// Reads a line without its newline and outer white space; none when it is not of this format.
    fn parse<'l>(&self, line: &'l [u8], context: &mut Context) -> Option<Record<'l>>;
}

/// What a line is to the records of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'l> {
    /// It begins a record.
    Head {
        /// Index of the format that read it, for [`LineReader::format_name`].
        format: usize,
        /// What it says.
        record: Record<'l>,
    },
    /// It goes on with the record before it: a stack frame, a statement, the rest of a line that was written in parts. Its text.
    More(Cow<'l, [u8]>),
    /// It speaks of the file and belongs to no record, such as the header of a table.
    Frame,
}

/// Reads the lines of one file: its own format first, then the others, so that a mixed file is read too.
#[derive(Debug, Clone)]
pub struct LineReader {
    /// Every line is a message.
    bare: bool,
    locked: usize,
    context: Context,
}

impl LineReader {
    /// Detects the format from the first lines of a file: the one, other than `plain`, that reads most of them.
    pub fn detect(head: &[u8], zone: TimeZone) -> Self {
        let mut reader = Self { bare: false, locked: 0, context: Context::new(zone) };
        let mut votes = [0; ALL.len()];
        let lines = super::blocks::lines(head).map(|(_, line)| line.trim_ascii()).filter(|line| !line.is_empty());
        for line in lines.take(VOTING_LINES) {
            votes[reader.parse(line).0] += 1;
        }
        reader.locked = most_seen(&votes);
        reader
    }

    /// What a line is, without its newline. `before` is the line in front of it, if it has one.
    ///
    /// **Invariant:** the answer depends on these two lines, on what [`Self::detect`] saw and on [`Self::set_near`] alone.
    pub fn read<'l>(&mut self, line: &'l [u8], _before: Option<&[u8]>) -> Line<'l> {
        if self.bare {
            return Line::Head { format: self.plain(), record: Record { message: Cow::Borrowed(line), ..Record::default() } };
        }
        let (format, record) = self.parse(line.trim_ascii());
        Line::Head { format, record }
    }

    /// Takes every line for a message without time and level.
    #[must_use]
    pub fn bare(self) -> Self {
        Self { bare: true, ..self }
    }

    /// A moment that the coming lines lie near to: times without a year are given the year that brings them closest to it.
    pub fn set_near(&mut self, _near: Option<Nanos>) {}

    /// Whether the file's times lack their year, so that [`Self::set_near`] matters.
    pub fn is_yearless(&self) -> bool {
        false
    }

    /// The name of a format by its index.
    pub fn format_name(&self, format: usize) -> &str {
        ALL[format].name()
    }

    /// The name of the format that the beginning of the file has.
    pub fn main_format(&self) -> &str {
        self.format_name(self.locked)
    }

    /// The index of the format of lines without structure.
    pub fn plain(&self) -> usize {
        ALL.len() - 1
    }

    /// How many formats there are: indexes are smaller.
    pub fn formats(&self) -> usize {
        ALL.len()
    }

    /// The record of a line without outer white space, and the index in [`ALL`] of the format that read it.
    pub fn parse<'l>(&mut self, line: &'l [u8]) -> (usize, Record<'l>) {
        if let Some(record) = ALL[self.locked].parse(line, &mut self.context) {
            return (self.locked, record);
        }
        let others = (0..ALL.len()).filter(|other| *other != self.locked);
        for other in others {
            if let Some(record) = ALL[other].parse(line, &mut self.context) {
                return (other, record);
            }
        }
        (ALL.len() - 1, Record { message: Cow::Borrowed(line), ..Record::default() })
    }
}

/// The index of the format that read most lines; `plain` only where no other read any.
pub(crate) fn most_seen(counts: &[u64]) -> usize {
    let plain = ALL.len() - 1;
    let structured = (0..plain).rev().max_by_key(|format| counts[*format]);
    structured.filter(|format| counts[*format] > 0).unwrap_or(plain)
}

#[cfg(test)]
mod tests;

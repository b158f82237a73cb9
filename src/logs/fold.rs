//! From lines to records: what goes on with a record is added to the one before it.
//!
//! Works on blocks that begin with a record (see [`super::blocks`]), so that the records of a file do not depend on how it was cut.

use std::borrow::Cow;

use super::{
    blocks::{self, Block, MAX_RECORD_BYTES},
    formats::{Line, LineReader, Record, second_line},
    years::Years,
};

/// A record and where it stands.
pub(crate) struct Folded<'b> {
    /// Index of the format that read it.
    pub(crate) format: usize,
    /// What its first line says.
    pub(crate) record: &'b Record<'b>,
    /// Its further lines, each ended by a newline.
    pub(crate) more: &'b [u8],
    /// Where its first line begins in the block.
    pub(crate) start: usize,
    /// The first line's number in the block, from 0.
    pub(crate) line: u64,
}

/// What of a block is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lost {
    /// Lines, blank ones too.
    pub(crate) lines: u64,
    /// Lines at a file's beginning that go on with a record of another file.
    pub(crate) fragments: u64,
}

/// The first line of a record whose end is not known yet.
struct Open<'b> {
    format: usize,
    record: Record<'b>,
    start: usize,
    line: u64,
}

/// Folds lines. Keeps its buffer from block to block.
#[derive(Default)]
pub(crate) struct Folder {
    more: Vec<u8>,
}

impl Folder {
    /// Gives each record of the block to `each`.
    pub(crate) fn block<'b>(&mut self, block: &'b Block, reader: &mut LineReader, years: &Years, mut each: impl FnMut(&Folded<'_>)) -> Lost {
        let bytes: &'b [u8] = block.bytes();
        let mut lost = Lost::default();
        let mut open: Option<Open<'b>> = None;
        let mut before = None;
        let mut year = years.from(block.offset);
        year.enter(block.offset, reader);
        self.more.clear();
        let coloured = memchr::memchr(0x1b, bytes).is_some();
        for (start, line) in blocks::lines(bytes) {
            let number = lost.lines;
            lost.lines += 1;
            if line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty() {
                before = Some(line);
                continue;
            }
            year.enter(block.offset + start as u64, reader);
            let read = if coloured { reader.read(line, before) } else { reader.read_without_escapes(line, before) };
            match read {
                Line::Head { format, record } => {
                    self.close(&open, &mut each);
                    open = Some(Open { format, record, start, line: number });
                }
                Line::More { text, joined } => match &mut open {
                    Some(record) if start + line.len() - record.start <= MAX_RECORD_BYTES => self.add(record, &text, joined),
                    Some(_) => {}
                    None if text.first().is_none_or(u8::is_ascii_whitespace) => lost.fragments += 1,
                    None => {
                        let record = Record { message: text, ..Record::default() };
                        open = Some(Open { format: reader.plain(), record, start, line: number });
                    }
                },
                Line::Frame => {}
            }
            before = Some(line);
        }
        self.close(&open, &mut each);
        lost
    }

    /// Adds a line to a record. One that is `joined` goes on with the line before it, which a container's runtime had cut.
    fn add(&mut self, open: &mut Open<'_>, text: &[u8], joined: bool) {
        if joined && self.more.is_empty() {
            open.record.message.to_mut().extend_from_slice(text);
            return;
        }
        if open.record.level_behind
            && self.more.is_empty()
            && let Some((level, message)) = second_line(text)
        {
            (open.record.level, open.record.message, open.record.level_behind) = (Some(level), Cow::Owned(message.to_vec()), false);
            return;
        }
        if joined {
            self.more.pop();
        }
        self.more.extend_from_slice(text);
        self.more.push(b'\n');
    }

    fn close(&mut self, open: &Option<Open<'_>>, each: &mut impl FnMut(&Folded<'_>)) {
        if let Some(Open { format, record, start, line }) = open {
            each(&Folded { format: *format, record, more: &self.more, start: *start, line: *line });
            self.more.clear();
        }
    }
}

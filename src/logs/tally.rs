//! What is counted of a part of the input, and how two parts add up.
//!
//! **Invariant:** all that is kept is a sum, a minimum or a maximum, so the answer does not depend on how the work was cut, in which
//! order it was done, or on how many threads; and memory is bounded by the caps of the groups and the timeline, whatever the input.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{
    blocks::{self, Block},
    fold::{Folded, Folder, Lost},
    formats::{LineReader, Record},
    groups::{Class, Groups, Place, Seen},
    level::{Level, NO_LEVEL},
    patterns::{Hits, Patterns},
    pulse::Pulse,
    time::Nanos,
    timeline::Timeline,
    window::Window,
    years::Years,
};
use crate::types::redact::Redactor;

/// What one analysis counts.
pub(crate) struct Plan {
    pub(crate) window: Window,
    pub(crate) patterns: Arc<Patterns>,
    /// Width of the timeline's buckets in seconds; none: automatic.
    pub(crate) bucket: Option<i64>,
    pub(crate) redactor: Arc<Redactor>,
    /// Which records are grouped.
    pub(crate) grouping: Grouping,
}

/// Which records are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Errors, warnings, and records without a level that match an error pattern.
    Troubles,
    /// All.
    All,
}

/// The counts of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileCounts {
    pub(crate) records: u64,
    pub(crate) in_window: u64,
    /// Of `records`.
    pub(crate) without_timestamp: u64,
    /// The earliest and latest timestamp of all records.
    pub(crate) span: Option<(Nanos, Nanos)>,
    /// Records by the format that read them.
    pub(crate) formats: Vec<u64>,
    /// Lines at its beginning that go on with a record of an earlier file.
    pub(crate) fragments: u64,
    /// The most that a record is earlier than one before it, within a block.
    disorder: Nanos,
    blocks: Vec<BlockCounts>,
}

/// What is kept of each block, because it says something only beside the others.
#[derive(Debug, Clone, Copy)]
struct BlockCounts {
    number: u32,
    /// With those that were read over before it.
    lines: u64,
    span: Option<(Nanos, Nanos)>,
}

impl FileCounts {
    /// Nothing yet, for so many formats.
    pub(crate) fn new(formats: usize) -> Self {
        Self { formats: vec![0; formats], ..Self::default() }
    }

    fn see(&mut self, format: usize, time: Option<Nanos>) {
        self.records += 1;
        self.formats[format] += 1;
        match time {
            Some(time) => self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time)))),
            None => self.without_timestamp += 1,
        }
    }

    /// Adds the counts of other blocks of the file.
    pub(crate) fn merge(&mut self, other: Self) {
        self.records += other.records;
        self.in_window += other.in_window;
        self.without_timestamp += other.without_timestamp;
        self.span = both(self.span, other.span);
        self.formats.iter_mut().zip(other.formats).for_each(|(a, b)| *a += b);
        self.fragments += other.fragments;
        self.disorder = self.disorder.max(other.disorder);
        self.blocks.extend(other.blocks);
    }

    /// The number, from 1, of a line of a block.
    pub(crate) fn line(&self, block: u32, line: u32) -> u64 {
        let before: u64 = self.blocks.iter().filter(|known| known.number < block).map(|known| known.lines).sum();
        before + u64::from(line) + 1
    }

    /// The most that a record is earlier than one before it.
    pub(crate) fn disorder(&self) -> Nanos {
        let mut blocks: Vec<BlockCounts> = self.blocks.clone();
        blocks.sort_unstable_by_key(|block| block.number);
        let (mut latest, mut most) = (Nanos::MIN, self.disorder);
        for (first, last) in blocks.into_iter().filter_map(|block| block.span) {
            most = most.max(latest.saturating_sub(first));
            latest = latest.max(last);
        }
        most
    }
}

/// The stretch that holds both.
pub(crate) fn both(a: Option<(Nanos, Nanos)>, b: Option<(Nanos, Nanos)>) -> Option<(Nanos, Nanos)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// The records that match a pattern.
#[derive(Debug, Clone)]
pub(crate) struct Matches {
    pub(crate) count: u64,
    /// Of these the ones that are warnings, errors, or without a level: what says that all is well is no trouble.
    pub(crate) grave: u64,
    /// From the first to the last of those with a time.
    pub(crate) span: Option<(Nanos, Nanos)>,
    pub(crate) pulse: Pulse,
}

impl Matches {
    fn add(&mut self, time: Option<Nanos>, level: Option<Level>) {
        self.count += 1;
        self.grave += u64::from(level.is_none_or(|level| level >= Level::Warning));
        if let Some(time) = time {
            self.span = both(self.span, Some((time, time)));
            self.pulse.add(time);
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.grave += other.grave;
        self.span = both(self.span, other.span);
        self.pulse.merge(other.pulse);
    }
}

/// The counts of all files.
pub(crate) struct Tally {
    /// In the window, from here on. By level, the last without one.
    pub(crate) levels: [u64; NO_LEVEL + 1],
    /// By pattern.
    pub(crate) patterns: Vec<Matches>,
    pub(crate) timeline: Timeline,
    pub(crate) groups: Groups,
    /// Records before the window, and their earliest and latest timestamp.
    pub(crate) before: u64,
    pub(crate) before_span: Option<(Nanos, Nanos)>,
    /// Records in the window without a level that match an error pattern.
    pub(crate) suspects: u64,
}

impl Tally {
    /// Nothing yet.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            levels: [0; NO_LEVEL + 1],
            patterns: vec![Matches { count: 0, grave: 0, span: None, pulse: Pulse::new(plan.bucket) }; plan.patterns.names().len()],
            timeline: Timeline::new(plan.bucket),
            groups: Groups::new(plan.bucket),
            before: 0,
            before_span: None,
            suspects: 0,
        }
    }

    /// Adds the counts of another part.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.levels.iter_mut().zip(other.levels).for_each(|(a, b)| *a += b);
        self.patterns.iter_mut().zip(other.patterns).for_each(|(a, b)| a.merge(b));
        self.timeline.merge(other.timeline);
        self.groups.take(&mut other.groups);
        self.before += other.before;
        self.suspects += other.suspects;
        self.before_span = both(self.before_span, other.before_span);
    }

    /// Errors and criticals in the window.
    pub(crate) fn errors(&self) -> u64 {
        self.levels[Level::Error.index()] + self.levels[Level::Critical.index()]
    }
}

/// Counts blocks: the part of the work that one thread does.
pub(crate) struct Counter<'p> {
    plan: &'p Plan,
    pub(crate) tally: Tally,
    folder: Folder,
    hits: Hits,
}

/// The file that a block is of.
pub(crate) struct Of<'a> {
    pub(crate) index: u32,
    pub(crate) reader: &'a mut LineReader,
    pub(crate) years: &'a Years,
    pub(crate) counts: &'a mut FileCounts,
}

impl<'p> Counter<'p> {
    /// Nothing yet.
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self { plan, tally: Tally::new(plan), folder: Folder::default(), hits: Hits::default() }
    }

    /// Counts the records of a block.
    pub(crate) fn block(&mut self, block: &Block, file: Of<'_>) {
        let Of { index, reader, years, counts } = file;
        self.hits.begin();
        let (mut latest, mut span) = (Nanos::MIN, None);
        let (plan, tally, hits) = (self.plan, &mut self.tally, &mut self.hits);
        let mut each = |folded: &Folded<'_>| {
            let time = folded.record.time;
            counts.see(folded.format, time);
            if let Some(time) = time {
                counts.disorder = counts.disorder.max(latest.saturating_sub(time));
                latest = latest.max(time);
                span = both(span, Some((time, time)));
            }
            let place = || Place {
                file: index,
                offset: block.offset + folded.start as u64,
                block: u32::try_from(block.number).unwrap_or(u32::MAX),
                line: u32::try_from(block.skipped_lines + folded.line).unwrap_or(u32::MAX),
            };
            if plan.window.holds(time) {
                counts.in_window += 1;
                tally.count(plan, folded, hits, block.bytes(), place);
            } else if plan.window.is_before(time) {
                tally.remember(plan, folded, hits, block.bytes(), place);
            }
        };
        let Lost { lines, fragments } = self.folder.block(block, reader, years, &mut each);
        counts.fragments += fragments;
        counts.blocks.push(BlockCounts { number: u32::try_from(block.number).unwrap_or(u32::MAX), lines: block.skipped_lines + lines, span });
    }
}

impl Tally {
    fn count(&mut self, plan: &Plan, folded: &Folded<'_>, hits: &mut Hits, block: &[u8], place: impl FnOnce() -> Place) {
        let Record { time, level, .. } = *folded.record;
        self.levels[level.map_or(NO_LEVEL, Level::index)] += 1;
        if let Some(time) = time {
            self.timeline.add(time, level.is_some_and(Level::is_error), level == Some(Level::Warning));
        }
        let matched = matched(plan, folded, hits, block);
        let mut bits = matched;
        while bits != 0 {
            self.patterns[bits.trailing_zeros() as usize].add(time, level);
            bits &= bits - 1;
        }
        if let Some(class) = class(plan, level, matched) {
            self.suspects += u64::from(class == Class::Suspect);
            self.groups.add(&seen(folded, class, place(), false), &plan.redactor);
        }
    }

    /// What lies before the window says only what is not new.
    fn remember(&mut self, plan: &Plan, folded: &Folded<'_>, hits: &mut Hits, block: &[u8], place: impl FnOnce() -> Place) {
        let Record { time, level, .. } = *folded.record;
        self.before += 1;
        self.before_span = both(self.before_span, time.map(|time| (time, time)));
        let matched = if level.is_none() { matched(plan, folded, hits, block) } else { 0 };
        if let Some(class) = class(plan, level, matched) {
            self.groups.add(&seen(folded, class, place(), true), &plan.redactor);
        }
    }
}

/// The patterns that a record matches, one bit each.
fn matched(plan: &Plan, folded: &Folded<'_>, hits: &mut Hits, block: &[u8]) -> u64 {
    let message = &folded.record.message;
    let place = if let Cow::Borrowed(text) = message { place_in(block, text) } else { None };
    let mut bits = match place {
        Some(place) => plan.patterns.matching_in(hits, block, place),
        // It is not as it stands in the block: escapes were undone, or colours taken out.
        _ => blocks::lines(message).fold(0, |bits, (_, line)| bits | plan.patterns.matching(line)),
    };
    for (_, line) in blocks::lines(folded.more) {
        bits |= plan.patterns.matching(line);
    }
    bits
}

/// Where a text stands in the block that it may be a part of.
fn place_in(block: &[u8], text: &[u8]) -> Option<Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(block.as_ptr() as usize)?;
    let end = start + text.len();
    (end <= block.len()).then_some(start..end)
}

fn class(plan: &Plan, level: Option<Level>, matched: u64) -> Option<Class> {
    match level {
        _ if plan.grouping == Grouping::All => Some(Class::Any),
        Some(level) if level.is_error() => Some(Class::Error),
        Some(Level::Warning) => Some(Class::Warning),
        None if matched != 0 => Some(Class::Suspect),
        _ => None,
    }
}

fn seen<'m>(folded: &'m Folded<'_>, class: Class, place: Place, before: bool) -> Seen<'m> {
    let Record { time, level, logger, message, .. } = folded.record;
    // A message may have several lines of its own, as in JSON.
    let end = memchr::memchr(b'\n', message).unwrap_or(message.len());
    let more = if folded.more.is_empty() { message.get(end + 1..).unwrap_or_default() } else { folded.more };
    Seen { class, level: *level, message: &message[..end], more, time: *time, logger: logger.as_deref(), place, before }
}

//! What is counted of a stretch of input, and how two stretches add up.
//!
//! Each file is tallied apart and the tallies are merged in order, so that the answer does not depend on how the work was cut.
//!
//! **Invariant:** memory is bounded by the caps of the templates and the timeline, whatever the input.

use std::sync::Arc;

use super::{
    formats::{self, LineReader, Record},
    level::{Level, NO_LEVEL},
    patterns::Patterns,
    scan,
    templates::{Occurrence, Templates},
    time::Nanos,
    timeline::Timeline,
    window::Window,
};
use crate::types::redact::Redactor;

/// What one analysis counts.
pub(crate) struct Plan {
    pub(crate) window: Window,
    pub(crate) patterns: Arc<Patterns>,
    /// Width of the timeline's buckets in seconds; none: automatic.
    pub(crate) bucket: Option<i64>,
    pub(crate) redactor: Arc<Redactor>,
}

/// The counts. Records are the lines that are not blank.
pub(crate) struct Tally {
    /// Index of the file.
    file: usize,
    /// Lines read, blank ones too.
    lines: u64,
    pub(crate) records: u64,
    pub(crate) in_window: u64,
    /// Of `records`.
    pub(crate) without_timestamp: u64,
    /// The earliest and latest timestamp of all records.
    pub(crate) span: Option<(Nanos, Nanos)>,
    /// Records by the format that read them, as in [`formats::ALL`].
    pub(crate) formats: [u64; formats::ALL.len()],
    /// In the window, from here on. By level, the last without one.
    pub(crate) levels: [u64; NO_LEVEL + 1],
    /// By pattern.
    pub(crate) patterns: Vec<u64>,
    pub(crate) timeline: Timeline,
    /// Of errors.
    pub(crate) templates: Templates,
}

impl Tally {
    /// Nothing yet, of the file with this index.
    pub(crate) fn new(plan: &Plan, file: usize) -> Self {
        Self {
            file,
            lines: 0,
            records: 0,
            in_window: 0,
            without_timestamp: 0,
            span: None,
            formats: [0; formats::ALL.len()],
            levels: [0; NO_LEVEL + 1],
            patterns: vec![0; plan.patterns.names().len()],
            timeline: Timeline::new(plan.bucket),
            templates: Templates::default(),
        }
    }

    /// Counts the lines of a block.
    pub(crate) fn block(&mut self, plan: &Plan, reader: &mut LineReader, block: &[u8]) {
        for (_, line) in scan::lines(block) {
            self.lines += 1;
            let line = line.trim_ascii();
            if !line.is_empty() {
                let (format, record) = reader.parse(line);
                self.formats[format] += 1;
                self.record(plan, &record);
            }
        }
    }

    fn record(&mut self, plan: &Plan, record: &Record<'_>) {
        self.records += 1;
        match record.time {
            Some(time) => self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time)))),
            None => self.without_timestamp += 1,
        }
        if !plan.window.holds(record.time) {
            return;
        }
        self.in_window += 1;
        let error = record.level.is_some_and(Level::is_error);
        self.levels[record.level.map_or(NO_LEVEL, Level::index)] += 1;
        if let Some(time) = record.time {
            self.timeline.add(time, error, record.level == Some(Level::Warning));
        }
        plan.patterns.matching(&record.message, |pattern| self.patterns[pattern] += 1);
        if let Some(level) = record.level.filter(|_| error) {
            let (time, logger) = (record.time, record.logger.as_deref());
            self.templates.add(self.file, &Occurrence { message: &record.message, level, time, logger, line: self.lines }, &plan.redactor);
        }
    }

    /// Adds the counts of what comes behind.
    pub(crate) fn merge(&mut self, later: Self) {
        self.records += later.records;
        self.in_window += later.in_window;
        self.without_timestamp += later.without_timestamp;
        self.span = match (self.span, later.span) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        self.formats.iter_mut().zip(later.formats).for_each(|(a, b)| *a += b);
        self.levels.iter_mut().zip(later.levels).for_each(|(a, b)| *a += b);
        self.patterns.iter_mut().zip(later.patterns).for_each(|(a, b)| *a += b);
        self.timeline.merge(later.timeline);
        self.templates.merge(later.templates);
    }

    /// Errors and criticals in the window.
    pub(crate) fn errors(&self) -> u64 {
        self.levels[Level::Error.index()] + self.levels[Level::Critical.index()]
    }
}

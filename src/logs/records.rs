//! Shows each record as it was parsed.
//!
//! For a person's command line: reads any path, has no deadline, runs on one thread, in the order of the file.

use std::ops::ControlFlow;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    Logs, analyse,
    blocks::{Block, Feed, Limits},
    error::LogsError,
    fold::{Folded, Folder},
    level::Level,
    prepare::Ready,
    time,
};
use crate::types::sanitise::sanitise;

/// One record as it was parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordOut {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// RFC 3339 in UTC; null when the line says no time.
    pub timestamp: Option<String>,
    /// Null when the line says no level.
    pub level: Option<Level>,
    /// The message, redacted and with hidden characters made visible. Text from the log.
    pub message: String,
    /// The format that read it.
    pub format: String,
}

impl Logs {
    /// Gives each record of one file, glob or source to `each` until it breaks off. Blocks, has no deadline, and is for a person's
    /// command line: it may read any path. Gives back which files were not read, and why.
    ///
    /// # Errors
    /// A path that cannot be read, a zone that is not known.
    pub fn records(&self, path: &str, timezone: Option<&str>, each: &mut dyn FnMut(RecordOut) -> ControlFlow<()>) -> Result<Vec<String>, LogsError> {
        let zone = analyse::default_zone(&self.settings, timezone)?;
        let cancel = CancellationToken::new();
        let limits = Limits { block_bytes: self.block_bytes, cancel: &cancel, deadline: None };
        let (ready, skipped) = analyse::open(self, &[path.to_owned()], timezone, &zone, &limits)?;
        if ready.is_empty() {
            return Err(LogsError::NothingReadable { reasons: skipped });
        }
        for file in ready {
            let failed = |error: std::io::Error| LogsError::NothingReadable { reasons: vec![format!("{}: {error}", file.path)] };
            if self.records_of(&file, each).map_err(failed)?.is_break() {
                break;
            }
        }
        Ok(skipped)
    }

    fn records_of(&self, ready: &Ready, each: &mut dyn FnMut(RecordOut) -> ControlFlow<()>) -> std::io::Result<ControlFlow<()>> {
        let part = ready.part();
        let mut reader = part.reader.clone();
        let mut feed = Feed::new((part.open)()?, 0, part.reader.clone());
        let (mut block, mut folder, mut lines) = (Block::default(), Folder::default(), 0);
        let enough = CancellationToken::new();
        let limits = Limits { block_bytes: self.block_bytes, cancel: &enough, deadline: None };
        while feed.next(&mut block, &limits)? {
            let first = lines + block.skipped_lines + 1;
            let lost = folder.block(&block, &mut reader, &part.years, |folded| {
                if !enough.is_cancelled() && each(self.record_out(first, folded, &part.reader)).is_break() {
                    enough.cancel();
                }
            });
            lines += block.skipped_lines + lost.lines;
        }
        Ok(if enough.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn record_out(&self, first: u64, folded: &Folded<'_>, reader: &super::formats::LineReader) -> RecordOut {
        let record = folded.record;
        let mut message = record.message.to_vec();
        if let Some(more) = folded.more.strip_suffix(b"\n") {
            message.push(b'\n');
            message.extend_from_slice(more);
        }
        RecordOut {
            line: first + folded.line,
            timestamp: record.time.map(time::show),
            level: record.level,
            message: sanitise(&self.redactor.redact(&String::from_utf8_lossy(&message))).into_owned(),
            format: reader.format_name(folded.format).to_owned(),
        }
    }
}

//! One analysis from request to report: opens, finds the window, tallies file by file, renders.
//!
//! Blocks; the service in `mod.rs` runs it on a thread of its own.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use tokio_util::sync::CancellationToken;

use super::{
    Progress, Request,
    error::LogsError,
    formats::{self, LineReader},
    patterns::Patterns,
    report::{self, FileReport, Frame, Report, SkippedFile},
    scan::{self, Ended, Limits},
    settings::Settings,
    sources::file::{Finder, Found, Opened},
    tally::{Plan, Tally},
    time::{self, Nanos},
    timeline,
    window::{self, Anchor, Window},
};
use crate::types::{redact::Redactor, time::show_duration};

/// How much of a file's beginning votes on its format.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// What an analysis is given besides the request.
pub(crate) struct Job {
    pub(crate) settings: Arc<Settings>,
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) own: Arc<[formats::Own]>,
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) now: Timestamp,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    pub(crate) block_bytes: usize,
}

/// A file and how to read its lines.
struct Ready {
    opened: Opened,
    reader: LineReader,
}

/// How reading all files went.
struct Outcome {
    tally: Tally,
    files: Vec<FileReport>,
    unread: Vec<SkippedFile>,
    partial: Option<String>,
}

impl Job {
    /// Does it.
    ///
    /// # Errors
    /// As [`super::Logs::analyse`].
    pub(crate) fn run(&self, request: &Request) -> Result<Report, LogsError> {
        let limit = Duration::from_secs(self.settings.max_seconds);
        let deadline = Instant::now().checked_add(limit);
        let bucket = request.bucket.as_deref().map(timeline::parse_width).transpose()?;
        let zone = default_zone(&self.settings, request.timezone.as_deref())?;
        // Mistakes in the window are told before anything is read.
        Window::parse(request.since.as_deref(), request.from.as_deref(), request.to.as_deref(), &zone, self.now)?;
        let Found { files, skipped, .. } = Finder { access: &request.access, sources: &self.settings.sources, deadline }.open(&request.paths)?;
        // Times of the request are read as those of the files are, where all files agree.
        let zone = match (&request.timezone, shared_zone(&files)) {
            (None, Some(name)) => time::zone(name)?,
            _ => zone,
        };
        let mut ready = Vec::with_capacity(files.len());
        for opened in files {
            ready.push(prepare(opened, request.timezone.as_deref(), &zone, &self.own)?);
        }
        let anchor = match request.anchor {
            Anchor::Now => self.now,
            Anchor::End => end_of(&mut ready).and_then(|nanos| Timestamp::from_nanosecond(i128::from(nanos)).ok()).unwrap_or(self.now),
        };
        let window = Window::parse(request.since.as_deref(), request.from.as_deref(), request.to.as_deref(), &zone, anchor)?;
        let plan = Plan { window, patterns: Arc::clone(&self.patterns), bucket, redactor: Arc::clone(&self.redactor) };
        let outcome = self.read_all(&plan, ready, deadline);
        let frame = Frame {
            anchor: request.anchor,
            files: outcome.files,
            skipped_files: skipped.into_iter().chain(outcome.unread).collect(),
            partial: outcome.partial,
            set: request.patterns,
            lang: request.lang,
        };
        let mut report = report::render(&plan, outcome.tally, frame);
        report.hint = hint(&report);
        Ok(report)
    }

    fn read_all(&self, plan: &Plan, ready: Vec<Ready>, deadline: Option<Instant>) -> Outcome {
        let total = ready.iter().map(|r| r.opened.bytes.unwrap_or_default()).sum();
        let mut outcome = Outcome { tally: Tally::new(plan, 0), files: Vec::new(), unread: Vec::new(), partial: None };
        let (mut done, mut stopped) = (0, None);
        for (index, Ready { opened, mut reader }) in ready.into_iter().enumerate() {
            if let Some(why) = &stopped {
                outcome.unread.push(SkippedFile { path: opened.path, reason: format!("not read: {why}") });
                continue;
            }
            let mut tally = Tally::new(plan, index);
            let limits = Limits { block_bytes: self.block_bytes, cancel: &self.cancel, deadline };
            let mut read = 0;
            let result = scan::blocks((&opened.file).take(opened.bytes.unwrap_or(u64::MAX)), &limits, |block, bytes| {
                tally.block(plan, &mut reader, block);
                read = bytes;
                if let Some(progress) = &self.progress {
                    progress(Progress { path: opened.path.clone(), bytes: done + bytes, total_bytes: total });
                }
            });
            let mut notes = Vec::new();
            match result {
                Ok(scanned) => {
                    read = scanned.bytes;
                    stopped = why_stopped(scanned.ended, self.settings.max_seconds);
                    if scanned.cut_lines > 0 {
                        notes.push(format!("{} lines longer than 1 MiB were cut", scanned.cut_lines));
                    }
                    if scanned.ended == Ended::Finished && opened.bytes.is_some_and(|bytes| bytes > read) {
                        notes.push("it shrank while it was read".to_owned());
                    }
                }
                Err(error) => {
                    notes.push(format!("reading failed after {read} bytes: {error}"));
                    outcome.partial.get_or_insert_with(|| "a file could not be read to its end; see its note".to_owned());
                }
            }
            done += read;
            outcome.files.push(file_report(opened.path, read, &tally, &notes));
            outcome.tally.merge(tally);
        }
        if let Some(why) = stopped {
            outcome.partial = Some(format!("{why}; {done} of {total} bytes were read"));
        }
        outcome
    }
}

fn why_stopped(ended: Ended, max_seconds: u64) -> Option<String> {
    match ended {
        Ended::Finished => None,
        Ended::Cancelled => Some("the analysis was cancelled".to_owned()),
        Ended::Deadline => Some(format!("the deadline of {} came (logs.max_seconds)", show_duration(Duration::from_secs(max_seconds)))),
    }
}

fn file_report(path: String, bytes: u64, tally: &Tally, notes: &[String]) -> FileReport {
    FileReport {
        path,
        format: formats::ALL[formats::most_seen(&tally.formats)].name().to_owned(),
        records: tally.records,
        bytes,
        in_window: tally.in_window,
        first: tally.span.map(|(first, _)| time::show(first)),
        last: tally.span.map(|(_, last)| time::show(last)),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

/// The zone of times that carry none and belong to no source: the request's, the configuration's, the system's.
pub(crate) fn default_zone(settings: &Settings, requested: Option<&str>) -> Result<TimeZone, LogsError> {
    requested.or(settings.timezone.as_deref()).map_or_else(|| Ok(TimeZone::system()), time::zone)
}

/// The zone that all files have from their sources, if it is one.
fn shared_zone(files: &[Opened]) -> Option<&str> {
    let first = files.first()?.timezone.as_deref()?;
    files.iter().all(|file| file.timezone.as_deref() == Some(first)).then_some(first)
}

/// The reader of a file's lines: format from its first lines; zone from the request, its source, or the default.
pub(crate) fn reader_of(opened: &Opened, requested_zone: Option<&str>, default: &TimeZone, own: &Arc<[formats::Own]>) -> Result<LineReader, LogsError> {
    let zone = match (requested_zone, &opened.timezone) {
        (None, Some(name)) => time::zone(name)?,
        _ => default.clone(),
    };
    Ok(LineReader::detect_with(&read_part(&opened.file, 0, HEAD_BYTES), zone, own))
}

fn prepare(opened: Opened, requested_zone: Option<&str>, default: &TimeZone, own: &Arc<[formats::Own]>) -> Result<Ready, LogsError> {
    let reader = reader_of(&opened, requested_zone, default, own)?;
    Ok(Ready { opened, reader })
}

/// Up to `most` bytes from `offset`; fewer at the end or where reading fails, which the scan will then report.
fn read_part(file: &File, offset: u64, most: usize) -> Vec<u8> {
    let mut part = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match file.read_at(&mut part[filled..], offset + filled as u64) {
            Ok(read) if read > 0 => filled += read,
            _ => break,
        }
    }
    part.truncate(filled);
    part
}

/// The last timestamp of all files.
fn end_of(ready: &mut [Ready]) -> Option<Nanos> {
    let last = |Ready { opened, reader }: &mut Ready| {
        let start = opened.bytes?.saturating_sub(window::TAIL_BYTES);
        let tail = read_part(&opened.file, start, usize::try_from(window::TAIL_BYTES).ok()?);
        window::last_time(&tail, start == 0, reader)
    };
    ready.iter_mut().filter_map(last).max()
}

/// When nothing was in the window: what the log holds. Which call or command would see it, the faces say.
fn hint(report: &Report) -> Option<String> {
    if report.records_in_window > 0 || report.total_records == 0 {
        return None;
    }
    let told = match &report.span {
        Some(span) => format!("nothing is in the window; the log spans {} to {}", span.first, span.last),
        None => format!("none of the {} records has a timestamp, so no bounded window holds any", report.total_records),
    };
    let upto = if report.partial.is_some() { " (as far as it was read)" } else { "" };
    Some(format!("{told}{upto}"))
}

#[cfg(test)]
mod tests;

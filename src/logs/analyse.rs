//! One analysis from request to report: opens, finds the window, tallies file by file, renders.
//!
//! Blocks; the service in `mod.rs` runs it on a thread of its own.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use tokio_util::sync::CancellationToken;

use super::{
    Progress, Request,
    error::LogsError,
    formats::{self, LineReader},
    input::{Input, Stream},
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
    pub(crate) redactor: Arc<Redactor>,
    pub(crate) now: Timestamp,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
    pub(crate) block_bytes: usize,
}

/// A file and how to read its lines.
struct Ready {
    path: String,
    input: Input,
    reader: LineReader,
}

/// A stream that tells somebody else how much of the file it consumed.
struct Watched<'a>(Stream, &'a Cell<u64>);

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out);
        self.1.set(self.0.consumed());
        read
    }
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
        let mut skipped: Vec<SkippedFile> = skipped.into_iter().map(SkippedFile::from).collect();
        for opened in files {
            match prepare(opened, request.timezone.as_deref(), &zone)? {
                Ok(one) => ready.push(one),
                Err(unreadable) => skipped.push(unreadable),
            }
        }
        let anchor = match request.anchor {
            Anchor::Now => self.now,
            Anchor::End => self.end_of(&mut ready, deadline).and_then(|nanos| Timestamp::from_nanosecond(i128::from(nanos)).ok()).unwrap_or(self.now),
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
        let total = ready.iter().map(|r| r.input.bytes().unwrap_or_default()).sum();
        let mut outcome = Outcome { tally: Tally::new(plan, 0), files: Vec::new(), unread: Vec::new(), partial: None };
        let (mut done, mut stopped) = (0, None);
        for (index, Ready { path, input, mut reader }) in ready.into_iter().enumerate() {
            if let Some(why) = &stopped {
                outcome.unread.push(SkippedFile { path, reason: format!("not read: {why}") });
                continue;
            }
            let mut tally = Tally::new(plan, index);
            let limits = Limits { block_bytes: self.block_bytes, cancel: &self.cancel, deadline };
            let read = Cell::new(0);
            let result = input.stream().and_then(|stream| {
                scan::blocks(Watched(stream, &read), &limits, |block, _| {
                    tally.block(plan, &mut reader, block);
                    if let Some(progress) = &self.progress {
                        progress(Progress { path: path.clone(), bytes: done + read.get(), total_bytes: total });
                    }
                })
            });
            let mut notes = Vec::new();
            match result {
                Ok(scanned) => {
                    stopped = why_stopped(scanned.ended, self.settings.max_seconds);
                    if scanned.cut_lines > 0 {
                        notes.push(format!("{} lines longer than 1 MiB were cut", scanned.cut_lines));
                    }
                    // What follows packed data and is none is not read.
                    if scanned.ended == Ended::Finished && input.is_seekable() && input.bytes().is_some_and(|bytes| bytes > read.get()) {
                        notes.push("it shrank while it was read".to_owned());
                    }
                }
                Err(error) => {
                    notes.push(format!("reading failed after {} bytes: {error}", read.get()));
                    outcome.partial.get_or_insert_with(|| "a file could not be read to its end; see its note".to_owned());
                }
            }
            done += read.get();
            outcome.files.push(file_report(path, read.get(), &tally, &notes));
            outcome.tally.merge(tally);
        }
        if let Some(why) = stopped {
            outcome.partial = Some(format!("{why}; {done} of {total} bytes were read"));
        }
        outcome
    }

    /// The last timestamp of all files.
    fn end_of(&self, ready: &mut [Ready], deadline: Option<Instant>) -> Option<Nanos> {
        let is_over = || self.cancel.is_cancelled() || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        ready.iter_mut().filter_map(|Ready { input, reader, .. }| last_time(input, reader, &is_over)).max()
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

/// The file and the reader of its lines: format from the first lines; zone from the request, its source, or the default. The inner
/// error is that of a file that cannot be read.
pub(crate) fn input_of(opened: Opened, requested_zone: Option<&str>, default: &TimeZone) -> Result<io::Result<(Input, LineReader)>, LogsError> {
    let zone = match (requested_zone, &opened.timezone) {
        (None, Some(name)) => time::zone(name)?,
        _ => default.clone(),
    };
    Ok(Input::new(opened.file, opened.bytes).and_then(|input| {
        let reader = LineReader::detect(&head_of(&input)?, zone);
        Ok((input, reader))
    }))
}

fn prepare(opened: Opened, requested_zone: Option<&str>, default: &TimeZone) -> Result<Result<Ready, SkippedFile>, LogsError> {
    let path = opened.path.clone();
    Ok(match input_of(opened, requested_zone, default)? {
        Ok((input, reader)) => Ok(Ready { path, input, reader }),
        Err(error) => Err(SkippedFile { path, reason: format!("it cannot be read: {error}") }),
    })
}

/// The beginning; shorter where reading fails, which the scan will then report.
fn head_of(input: &Input) -> io::Result<Vec<u8>> {
    let mut stream = input.stream()?;
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < HEAD_BYTES {
        match stream.read(&mut head[filled..]) {
            Ok(read) if read > 0 => filled += read,
            // It reads much and says nothing: there is no head.
            _ => break,
        }
    }
    head.truncate(filled);
    Ok(head)
}

/// The last timestamp of a file: from its end, or, where only the front can be read, from all of it.
fn last_time(input: &Input, reader: &mut LineReader, is_over: &dyn Fn() -> bool) -> Option<Nanos> {
    let most = usize::try_from(window::TAIL_BYTES).ok()?;
    let mut tail = vec![0; most];
    let mut filled = 0;
    if input.is_seekable() {
        let start = input.bytes()?.saturating_sub(window::TAIL_BYTES);
        while filled < most {
            match input.read_at(&mut tail[filled..], start + filled as u64) {
                Ok(read) if read > 0 => filled += read,
                _ => break,
            }
        }
        tail.truncate(filled);
        return window::last_time(&tail, start == 0, reader);
    }
    let mut stream = input.stream().ok()?;
    let mut is_start = true;
    tail.resize(2 * most, 0);
    while !is_over() {
        match stream.read(&mut tail[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if filled == tail.len() {
            tail.copy_within(most.., 0);
            (filled, is_start) = (most, false);
        }
    }
    tail.truncate(filled);
    window::last_time(&tail, is_start, reader)
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

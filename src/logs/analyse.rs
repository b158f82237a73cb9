//! One analysis from request to report: opens, finds the window, counts, renders.
//!
//! Blocks; the service in `mod.rs` runs it on a thread of its own.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::{Timestamp, tz::TimeZone};
use tokio_util::sync::CancellationToken;

use super::{
    Access, Logs, Progress, Request,
    blocks::{Ended, Limits},
    engine::{Engine, Part, PartOutcome},
    error::LogsError,
    patterns::Patterns,
    prepare::Ready,
    report::{self, FileReport, Frame, Places, Report, SkippedFile},
    seek::SLACK,
    settings::Settings,
    sources::file::{Finder, Found, Opened},
    tally::{Grouping, Plan, Tally, both},
    time, timeline,
    window::{Anchor, Window},
};
use crate::types::{redact::Redactor, time::show_duration};

/// More threads than these are used only if asked for: reading is the limit then, and each holds buffers.
const MOST_THREADS: usize = 8;

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

/// How reading all files went.
struct Outcome {
    tally: Tally,
    files: Vec<FileReport>,
    unread: Vec<SkippedFile>,
    partial: Option<String>,
    outcomes: Vec<PartOutcome>,
}

impl Job {
    /// Does it.
    ///
    /// # Errors
    /// As [`super::Logs::analyse`].
    pub(crate) fn run(&self, request: &Request) -> Result<Report, LogsError> {
        let deadline = Instant::now().checked_add(Duration::from_secs(self.settings.max_seconds));
        let bucket = request.bucket.as_deref().map(timeline::parse_width).transpose()?;
        let zone = default_zone(&self.settings, request.timezone.as_deref())?;
        // Mistakes in the window are told before anything is read.
        Window::parse(request.since.as_deref(), request.from.as_deref(), request.to.as_deref(), &zone, self.now)?;
        let Found { files, mut skipped, .. } = Finder { access: &request.access, sources: &self.settings.sources, deadline }.open(&request.paths)?;
        // Times of the request are read as those of the files are, where all files agree.
        let zone = match (&request.timezone, shared_zone(&files)) {
            (None, Some(name)) => time::zone(name)?,
            _ => zone,
        };
        let mut ready = Vec::with_capacity(files.len());
        for opened in files {
            let (path, zone) = (opened.path.clone(), zone_of(&opened, request.timezone.as_deref(), &zone)?);
            match Ready::new(opened, zone, self.now) {
                Ok(file) => ready.push(file),
                Err(error) => skipped.push(SkippedFile { path, reason: format!("it cannot be read: {error}") }),
            }
        }
        let anchor = match request.anchor {
            Anchor::Now => self.now,
            Anchor::End => end_of(&ready).unwrap_or(self.now),
        };
        let window = Window::parse(request.since.as_deref(), request.from.as_deref(), request.to.as_deref(), &zone, anchor)?;
        ready.iter_mut().for_each(|file| file.narrow(&window));
        let plan =
            Plan { window, patterns: Arc::clone(&self.patterns), bucket, redactor: Arc::clone(&self.redactor), grouping: Grouping::Troubles };
        let outcome = self.read(&plan, &mut ready, deadline, request.threads);
        let frame = Frame {
            anchor: request.anchor,
            files: outcome.files,
            skipped_files: skipped.into_iter().chain(outcome.unread).collect(),
            partial: outcome.partial,
            span: ready.iter().zip(&outcome.outcomes).map(|(file, part)| both(part.counts.span, file.span)).fold(None, both),
            set: request.patterns,
            lang: request.lang,
        };
        let places = Places { paths: ready.iter().map(|file| file.path.as_str()).collect(), parts: &outcome.outcomes };
        let mut report = report::render(&plan, outcome.tally, &places, frame);
        report.hint = hint(&report);
        Ok(report)
    }

    /// Reads the files, and those again, whole, that turn out to be less sorted than they looked.
    fn read(&self, plan: &Plan, ready: &mut [Ready], deadline: Option<Instant>, threads: Option<usize>) -> Outcome {
        loop {
            let outcome = self.read_once(plan, ready, deadline, threads);
            let mut again = false;
            for (file, part) in ready.iter_mut().zip(&outcome.outcomes) {
                again |= part.counts.disorder > SLACK && file.range.take().is_some();
            }
            if !again || outcome.partial.is_some() {
                return outcome;
            }
        }
    }

    fn read_once(&self, plan: &Plan, ready: &[Ready], deadline: Option<Instant>, threads: Option<usize>) -> Outcome {
        let limits = Limits { block_bytes: self.block_bytes, cancel: &self.cancel, deadline };
        let engine = Engine { plan, limits, threads: self::threads(threads), progress: self.progress.as_deref() };
        let parts: Vec<Part<'_>> = ready.iter().map(Ready::part).collect();
        let (tally, outcomes) = engine.run(&parts);
        let mut outcome = Outcome { tally, files: Vec::new(), unread: Vec::new(), partial: None, outcomes: Vec::new() };
        let (mut done, mut stopped) = (0, None);
        for (file, part) in ready.iter().zip(&outcomes) {
            done += part.bytes;
            if let Some(why) = why_stopped(part.ended, self.settings.max_seconds) {
                let unread = (part.bytes == 0).then(|| SkippedFile { path: file.path.clone(), reason: format!("not read: {why}") });
                stopped.get_or_insert(why);
                if let Some(unread) = unread {
                    outcome.unread.push(unread);
                    continue;
                }
            }
            if part.error.is_some() {
                outcome.partial.get_or_insert_with(|| "a file could not be read to its end; see its note".to_owned());
            }
            outcome.files.push(file_report(file, part));
        }
        if let Some(why) = stopped {
            let total: u64 = parts.iter().map(|part| part.bytes).sum();
            outcome.partial = Some(format!("{why}; {done} of {total} bytes were read"));
        }
        outcome.outcomes = outcomes;
        outcome
    }
}

/// How many threads to use.
pub(crate) fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS)).max(1)
}

/// Opens files for a person's command line, and says of the others why they cannot be read.
///
/// # Errors
/// As [`Finder::open`].
pub(crate) fn open(logs: &Logs, paths: &[String], timezone: Option<&str>, zone: &TimeZone) -> Result<(Vec<Ready>, Vec<String>), LogsError> {
    let found = Finder { access: &Access::Anyone, sources: &logs.settings.sources, deadline: None }.open(paths)?;
    let mut skipped: Vec<String> = found.skipped.iter().map(|file| format!("{}: {}", file.path, file.reason)).collect();
    let mut ready = Vec::new();
    for opened in found.files {
        let (path, zone) = (opened.path.clone(), zone_of(&opened, timezone, zone)?);
        match Ready::new(opened, zone, logs.clock.now()) {
            Ok(file) => ready.push(file),
            Err(error) => skipped.push(format!("{path}: {error}")),
        }
    }
    Ok((ready, skipped))
}

fn why_stopped(ended: Ended, max_seconds: u64) -> Option<String> {
    match ended {
        Ended::Finished => None,
        Ended::Cancelled => Some("the analysis was cancelled".to_owned()),
        Ended::Deadline => Some(format!("the deadline of {} came (logs.max_seconds)", show_duration(Duration::from_secs(max_seconds)))),
    }
}

fn notes(file: &Ready, part: &PartOutcome) -> Vec<String> {
    let mut notes = Vec::new();
    if part.cut_lines > 0 {
        notes.push(format!("{} lines longer than 1 MiB were cut", part.cut_lines));
    }
    if part.counts.fragments > 0 {
        notes.push(format!("its first {} lines go on with a record that began elsewhere", part.counts.fragments));
    }
    match (&part.error, file.range, file.input.bytes()) {
        (Some(error), ..) => notes.push(format!("reading failed after {} bytes: {error}", part.bytes)),
        (None, None, Some(bytes)) if part.ended == Ended::Finished && bytes > part.bytes => notes.push("it shrank while it was read".to_owned()),
        _ => {}
    }
    notes
}

fn file_report(file: &Ready, part: &PartOutcome) -> FileReport {
    let counts = &part.counts;
    let span = both(counts.span, file.span);
    let notes = notes(file, part);
    FileReport {
        path: file.path.clone(),
        format: file.reader.format_name(super::formats::most_seen(&counts.formats)).to_owned(),
        records: counts.records,
        bytes: part.bytes,
        in_window: counts.in_window,
        first: span.map(|(first, _)| time::show(first)),
        last: span.map(|(_, last)| time::show(last)),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

/// The zone of times that carry none and belong to no source: the request's, the configuration's, the system's.
pub(crate) fn default_zone(settings: &Settings, requested: Option<&str>) -> Result<TimeZone, LogsError> {
    requested.or(settings.timezone.as_deref()).map_or_else(|| Ok(TimeZone::system()), time::zone)
}

/// The zone of a file's times that carry none.
pub(crate) fn zone_of(opened: &Opened, requested: Option<&str>, default: &TimeZone) -> Result<TimeZone, LogsError> {
    match (requested, &opened.timezone) {
        (None, Some(name)) => time::zone(name),
        _ => Ok(default.clone()),
    }
}

/// The zone that all files have from their sources, if it is one.
fn shared_zone(files: &[Opened]) -> Option<&str> {
    let first = files.first()?.timezone.as_deref()?;
    files.iter().all(|file| file.timezone.as_deref() == Some(first)).then_some(first)
}

/// The last timestamp of all files.
fn end_of(ready: &[Ready]) -> Option<Timestamp> {
    let last = ready.iter().filter_map(|file| file.span).map(|(_, last)| last).max()?;
    Timestamp::from_nanosecond(i128::from(last)).ok()
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
#[cfg(test)]
mod window_tests;

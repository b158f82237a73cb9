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
    formats::Own,
    patterns::Patterns,
    prepare::Ready,
    render::{self, Frame, Places},
    report::{FileReport, Report, SkippedFile},
    rotation,
    seek::SLACK,
    settings::Settings,
    sources::file::{Finder, Found, Opened, Skipped},
    tally::{Grouping, Plan, Tally, both},
    time::{self, Nanos},
    timeline,
    window::{Anchor, Window},
};
use crate::types::{redact::Redactor, time::show_duration};

/// More threads than these are used only if asked for: reading is the limit then, and each holds buffers.
const MOST_THREADS: usize = 8;

/// What an analysis is given besides the request.
pub(crate) struct Job {
    pub(crate) settings: Arc<Settings>,
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) own: Arc<[Own]>,
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
        let limits = Limits { block_bytes: self.block_bytes, cancel: &self.cancel, deadline };
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
            let (path, named, zone) = (opened.path.clone(), opened.named, zone_of(&opened, request.timezone.as_deref(), &zone)?);
            match Ready::new(opened, zone, &self.own, self.now, &limits) {
                Ok(file) => ready.push(file),
                Err(error) => skipped.push(Skipped { path, named, reason: format!("it cannot be read: {error}") }),
            }
        }
        let set_of = rotation::order(&mut ready);
        let anchor = match request.anchor {
            Anchor::Now => self.now,
            Anchor::End => end_of(&mut ready, &limits).unwrap_or(self.now),
        };
        let window = Window::parse(request.since.as_deref(), request.from.as_deref(), request.to.as_deref(), &zone, anchor)?;
        ready.iter_mut().for_each(|file| file.narrow(&window));
        let order: Vec<String> = ready.iter().map(|file| file.path.clone()).collect();
        let left_out = rotation::leave_out(&mut ready, &set_of, &window);
        let plan = Plan { window, patterns: Arc::clone(&self.patterns), bucket, redactor: Arc::clone(&self.redactor), grouping: Grouping::Troubles };
        let outcome = self.read(&plan, &mut ready, &limits, request.threads);
        let frame = Frame {
            anchor: request.anchor,
            files: in_order(&order, outcome.files.into_iter().chain(left_out.iter().map(left_out_report))),
            skipped_files: skipped.into_iter().map(SkippedFile::from).chain(outcome.unread).collect(),
            partial: outcome.partial,
            until: window.to.or_else(|| window.from.map(|_| time::nanos(anchor))),
            span: span_of(&ready, &outcome.outcomes, &left_out),
            set: request.patterns,
            lang: request.lang,
        };
        let places = places(&ready, &outcome.outcomes);
        let mut report = render::render(&plan, outcome.tally, &places, frame);
        report.hint = hint(&report);
        Ok(report)
    }

    /// Reads the files, and those again, whole, that turn out to be less sorted than they looked.
    fn read(&self, plan: &Plan, ready: &mut [Ready], limits: &Limits<'_>, threads: Option<usize>) -> Outcome {
        loop {
            let outcome = self.read_once(plan, ready, limits, threads);
            let mut again = false;
            for (file, part) in ready.iter_mut().zip(&outcome.outcomes) {
                again |= part.counts.disorder() > SLACK && file.range.take().is_some();
            }
            if !again || outcome.partial.is_some() {
                return outcome;
            }
        }
    }

    fn read_once(&self, plan: &Plan, ready: &[Ready], limits: &Limits<'_>, threads: Option<usize>) -> Outcome {
        let engine = Engine { plan, limits: *limits, threads: self::threads(threads), progress: self.progress.as_deref() };
        let parts: Vec<Part<'_>> = ready.iter().map(Ready::part).collect();
        let (tally, outcomes) = engine.run(&parts);
        let mut outcome = Outcome { tally, files: Vec::new(), unread: Vec::new(), partial: None, outcomes: Vec::new() };
        let (mut done, mut stopped) = (0, None);
        for (file, part) in ready.iter().zip(&outcomes) {
            done += part.bytes;
            if let Some(why) = why_stopped(part.ended, self.settings.max_seconds) {
                let unread = (part.bytes == 0).then(|| SkippedFile { untrusted_path: file.path.clone(), reason: format!("not read: {why}") });
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

/// Where the records of files stand.
pub(crate) fn places<'a>(ready: &'a [Ready], parts: &'a [PartOutcome]) -> Places<'a> {
    Places {
        paths: ready.iter().map(|file| file.path.as_str()).collect(),
        parts,
        starts: ready.iter().map(|file| file.range.map_or(0, |range| range.start)).collect(),
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
pub(crate) fn open(
    logs: &Logs,
    paths: &[String],
    timezone: Option<&str>,
    zone: &TimeZone,
    limits: &Limits<'_>,
) -> Result<(Vec<Ready>, Vec<String>), LogsError> {
    let found = Finder { access: &Access::Anyone, sources: &logs.settings.sources, deadline: None }.open(paths)?;
    let mut skipped: Vec<String> = found.skipped.iter().map(|file| format!("{}: {}", file.path, file.reason)).collect();
    let mut ready = Vec::new();
    for opened in found.files {
        let (path, zone) = (opened.path.clone(), zone_of(&opened, timezone, zone)?);
        match Ready::new(opened, zone, &logs.own, logs.clock.now(), limits) {
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
    let wanted = file.range.map(|range| range.end - range.start).or_else(|| file.input.bytes());
    match (&part.error, wanted) {
        (Some(error), _) => notes.push(format!("reading failed after {} bytes: {error}", part.bytes)),
        (None, Some(bytes)) if part.ended == Ended::Finished && bytes > part.bytes => notes.push("it shrank while it was read".to_owned()),
        _ => {}
    }
    notes
}

fn file_report(file: &Ready, part: &PartOutcome) -> FileReport {
    let counts = &part.counts;
    let span = both(counts.span, file.span);
    let notes = notes(file, part);
    FileReport {
        untrusted_path: file.path.clone(),
        packing: packing(file),
        skipped_bytes: file.range.zip(file.input.bytes()).map_or(0, |(range, bytes)| bytes - (range.end - range.start).min(bytes)),
        format: file.reader.format_name(super::formats::most_seen(&counts.formats)).to_owned(),
        records: counts.records,
        bytes: part.bytes,
        in_window: counts.in_window,
        first: span.map(|(first, _)| time::show(first)),
        last: span.map(|(_, last)| time::show(last)),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

/// From the first to the last time of all files, read or not.
fn span_of(ready: &[Ready], parts: &[PartOutcome], left_out: &[(Ready, &str)]) -> Option<(Nanos, Nanos)> {
    let read = ready.iter().zip(parts).map(|(file, part)| both(part.counts.span, file.span));
    read.chain(left_out.iter().map(|(file, _)| file.span.or(file.first.zip(file.first)))).fold(None, both)
}

/// As the files of the request are ordered, whether they were read or not.
fn in_order(paths: &[String], reports: impl Iterator<Item = FileReport>) -> Vec<FileReport> {
    let mut reports: Vec<FileReport> = reports.collect();
    reports.sort_by_key(|report| paths.iter().position(|path| *path == report.untrusted_path));
    reports
}

fn left_out_report((file, why): &(Ready, &'static str)) -> FileReport {
    let bytes = file.input.bytes().unwrap_or_default();
    FileReport {
        untrusted_path: file.path.clone(),
        packing: packing(file),
        format: file.reader.main_format().to_owned(),
        records: 0,
        bytes: 0,
        skipped_bytes: bytes,
        in_window: 0,
        first: file.first.map(time::show),
        last: file.span.map(|(_, last)| time::show(last)),
        note: Some((*why).to_owned()),
    }
}

fn packing(file: &Ready) -> Option<String> {
    (!file.input.is_seekable()).then(|| file.input.kind().name())
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
fn end_of(ready: &mut [Ready], limits: &Limits<'_>) -> Option<Timestamp> {
    ready.iter_mut().for_each(|file| file.find_end(limits));
    let last = ready.iter().filter_map(|file| file.span).map(|(_, last)| last).max()?;
    Timestamp::from_nanosecond(i128::from(last)).ok()
}

/// When nothing was in the window: what the log holds. Which call or command would see it, the faces say.
fn hint(report: &Report) -> Option<String> {
    if report.records_in_window > 0 || report.total_records == 0 && report.span.is_none() {
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

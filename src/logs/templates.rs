//! Which templates a log is made of, and which line has which.
//!
//! For a person's command line: reads any path. The templates of a file are found from all of its records, at any level; a second
//! reading says for each line to which it belongs.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{
    Logs, PatternSet, analyse,
    blocks::{Block, Feed, Limits},
    engine::{Engine, Part, PartOutcome},
    error::LogsError,
    fold::Folder,
    groups::{Class, Grouped},
    prepare::Ready,
    render::{presentable, shown_template},
    tally::{Grouping, Plan},
    time,
    window::Window,
};

/// What stands where a line belongs to no record or its record to no template.
const NO_TEMPLATE: u64 = 0;

/// How to find templates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplatesRequest {
    /// Files, globs and names of configured sources.
    pub paths: Vec<String>,
    /// Every line is a message: no format is looked for.
    pub message_only: bool,
    /// Threads that read and count; none: as many as there are processors.
    pub threads: Option<usize>,
}

/// The templates of files, the most frequent first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplatesReport {
    /// Records read.
    pub records: u64,
    /// All of them.
    pub templates: Vec<TemplateOut>,
    /// Records that belong to none because there were too many.
    pub other: u64,
    /// Which files were not read, or in part only, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplateOut {
    /// From 1.
    pub id: u64,
    /// Records that have it.
    pub count: u64,
    /// `count` of all records, 0 to 100.
    pub share_percent: f64,
    /// Some of `count` were told by length, first and last word alone, because there were too many different messages.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approximate: bool,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The file of the first one.
    pub untrusted_file: String,
    /// Its line there, from 1.
    pub line: Option<u64>,
    /// What they have in common, `<*>` for what varies. Text from the log.
    pub untrusted_template: String,
    /// The first one. Text from the log.
    pub untrusted_sample: String,
}

/// One line and its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned<'a> {
    /// From 1, over all files.
    pub line: u64,
    /// The template's id; 0 for a line of no record.
    pub id: u64,
    /// The template. Text from the log.
    pub template: &'a str,
}

impl Logs {
    /// Finds the templates of files. Blocks, and has no deadline.
    ///
    /// # Errors
    /// Paths that cannot be read, a zone that is not known.
    pub fn templates(&self, request: &TemplatesRequest) -> Result<TemplatesReport, LogsError> {
        let (ready, skipped) = self.ready(request)?;
        let parts = parts(&ready, request);
        let (grouped, outcomes) = self.group(request, &parts)?;
        let mut report = self.templates_report(&ready, &grouped, &outcomes);
        report.notes.splice(0..0, skipped);
        Ok(report)
    }

    /// Gives each line of the files and its template to `each` until it breaks off. Blocks, and has no deadline. Gives back which files were
    /// not read, and why.
    ///
    /// # Errors
    /// Paths that cannot be read, a zone that is not known.
    pub fn assign(&self, request: &TemplatesRequest, each: &mut dyn FnMut(Assigned<'_>) -> ControlFlow<()>) -> Result<Vec<String>, LogsError> {
        let (ready, skipped) = self.ready(request)?;
        let parts = parts(&ready, request);
        let (grouped, _) = self.group(request, &parts)?;
        let shown: Vec<String> = grouped.groups.iter().map(|(template, group)| self.shown(template, group)).collect();
        let mut rows = Rows { line: 0, open: None, enough: false, shown: &shown, each };
        for part in &parts {
            let failed = |error: std::io::Error| LogsError::NothingReadable { reasons: vec![format!("{}: {error}", part.path)] };
            if self.assign_part(part, &grouped, &mut rows).map_err(failed)?.is_break() {
                break;
            }
        }
        Ok(skipped)
    }

    /// The files that can be read, and why others cannot.
    fn ready(&self, request: &TemplatesRequest) -> Result<(Vec<Ready>, Vec<String>), LogsError> {
        let zone = analyse::default_zone(&self.settings, None)?;
        let cancel = CancellationToken::new();
        let limits = Limits { block_bytes: self.block_bytes, cancel: &cancel, deadline: None };
        let (ready, skipped) = analyse::open(self, &request.paths, None, &zone, &limits)?;
        match ready.is_empty() {
            true => Err(LogsError::NothingReadable { reasons: skipped }),
            false => Ok((ready, skipped)),
        }
    }

    fn group(&self, request: &TemplatesRequest, parts: &[Part<'_>]) -> Result<(Grouped, Vec<PartOutcome>), LogsError> {
        let plan = Plan {
            window: Window::default(),
            patterns: self.patterns(PatternSet::Default)?,
            bucket: None,
            redactor: Arc::clone(&self.redactor),
            grouping: Grouping::All,
        };
        let cancel = CancellationToken::new();
        let limits = Limits { block_bytes: self.block_bytes, cancel: &cancel, deadline: None };
        let engine = Engine { plan: &plan, limits, threads: analyse::threads(request.threads), progress: None };
        let (tally, outcomes) = engine.run(parts);
        Ok((tally.groups.finish(), outcomes))
    }

    fn templates_report(&self, ready: &[Ready], grouped: &Grouped, outcomes: &[PartOutcome]) -> TemplatesReport {
        let places = analyse::places(ready, outcomes);
        let records = outcomes.iter().map(|part| part.counts.records).sum();
        let templates = grouped.groups.iter().zip(1..).map(|((template, group), id)| {
            let (file, line, sample) = places.sample(group);
            TemplateOut {
                id,
                count: group.count,
                share_percent: super::advice::share(group.count, records),
                approximate: group.approximate,
                first_seen: group.first.map(time::show),
                last_seen: group.last.map(time::show),
                untrusted_file: file.to_owned(),
                line,
                untrusted_template: self.shown(template, group),
                untrusted_sample: presentable(sample, &self.redactor, usize::MAX),
            }
        });
        let notes = outcomes.iter().zip(ready).filter_map(|(part, file)| part.error.as_ref().map(|error| format!("{}: {error}", file.path))).collect();
        TemplatesReport { records, templates: templates.collect(), other: grouped.other(Class::Any), notes }
    }

    fn shown(&self, template: &str, group: &super::groups::Group) -> String {
        let sample = group.sample.as_ref().map_or("", |(_, sample)| sample);
        shown_template(template, sample, &self.redactor, usize::MAX)
    }

    fn assign_part(&self, part: &Part<'_>, grouped: &Grouped, rows: &mut Rows<'_>) -> std::io::Result<ControlFlow<()>> {
        let mut reader = part.reader.clone();
        let mut feed = Feed::new((part.open)()?, 0, part.reader.clone());
        let (mut block, mut folder, mut scratch) = (Block::default(), Folder::default(), Vec::new());
        let cancel = CancellationToken::new();
        let limits = Limits { block_bytes: self.block_bytes, cancel: &cancel, deadline: None };
        let mut first = rows.line;
        while feed.next(&mut block, &limits)? {
            first += block.skipped_lines;
            let lost = folder.block(&block, &mut reader, &part.years, |folded| {
                rows.close(first + folded.line);
                rows.open = grouped.find(&folded.record.message, &mut scratch);
            });
            first += lost.lines;
            rows.close(first);
            if rows.enough {
                return Ok(ControlFlow::Break(()));
            }
        }
        rows.open = None;
        Ok(ControlFlow::Continue(()))
    }
}

fn parts<'a>(ready: &'a [Ready], request: &TemplatesRequest) -> Vec<Part<'a>> {
    let bare = |mut part: Part<'a>| {
        if request.message_only {
            part.reader = part.reader.bare();
        }
        part
    };
    ready.iter().map(|file| bare(file.part())).collect()
}

/// Writes one row a line: lines that begin no record have the template of the record they go on with.
struct Rows<'a> {
    /// Lines written.
    line: u64,
    open: Option<usize>,
    enough: bool,
    shown: &'a [String],
    each: &'a mut dyn FnMut(Assigned<'_>) -> ControlFlow<()>,
}

impl Rows<'_> {
    /// Writes all lines before this one, from 0.
    fn close(&mut self, line: u64) {
        while self.line < line && !self.enough {
            self.line += 1;
            let (id, template) = self.open.map_or((NO_TEMPLATE, ""), |at| (at as u64 + 1, self.shown[at].as_str()));
            self.enough = (self.each)(Assigned { line: self.line, id, template }).is_break();
        }
    }
}

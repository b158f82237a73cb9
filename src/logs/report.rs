//! What an analysis answers.
//!
//! **Invariant:** text that came from a log is only in fields whose name begins with `untrusted_`, redacted, with hidden characters made
//! visible, and cut to 300 bytes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    advice::{self, Findings, Recommendation},
    level::{Level, NO_LEVEL},
    patterns::PatternSet,
    tally::{Plan, Tally},
    templates::{self, Group},
    time::{Nanos, show},
    timeline::Timeline,
    window::Anchor,
};
use crate::types::{bound::cut, lang::Lang, redact::Redactor, sanitise::sanitise_line};

/// Untrusted text is cut here, in bytes.
const LONGEST_UNTRUSTED_BYTES: usize = 300;

/// Loggers are cut here, in bytes.
const LONGEST_LOGGER_BYTES: usize = 64;

/// Groups of errors in a report.
pub(crate) const TOP_ERRORS: usize = 10;

/// An analysis of logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Report {
    /// Which records were counted.
    pub window: WindowReport,
    /// From the first to the last timestamp of what was read, in the window or not; absent when no record has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// What was read, in the order in which it was.
    pub files: Vec<FileReport>,
    /// What was named and not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_files: Vec<SkippedFile>,
    /// Lines read that are not blank.
    pub total_records: u64,
    /// Of these the ones in the window: all counts below speak of them.
    pub records_in_window: u64,
    /// Of `total_records` the ones without a timestamp: in an unbounded window, in no bounded one.
    pub without_timestamp: u64,
    /// Records by level.
    pub levels: LevelCounts,
    /// Levels error and critical.
    pub error_count: u64,
    /// Level warning.
    pub warning_count: u64,
    /// `error_count` of `records_in_window`, 0 to 100.
    pub error_rate_percent: f64,
    /// Records that match each error pattern; patterns that none matches are 0.
    pub patterns: BTreeMap<String, u64>,
    /// Counts over time; records without a timestamp are in none of the buckets.
    pub timeline: TimelineReport,
    /// The largest groups of errors that differ in numbers, ids and the like only.
    pub top_errors: Vec<ErrorGroup>,
    /// Errors in none of `top_errors`.
    pub other_errors: u64,
    /// How many groups of errors there are.
    pub error_groups: u64,
    /// Errors that were counted and not grouped because there were too many groups (10,000); part of `other_errors`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ungrouped_errors: u64,
    /// What to do.
    pub recommendations: Vec<Recommendation>,
    /// Why this is not all: reading was stopped or failed. Absent when everything was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
    /// The call that would show more, when nothing was in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The window as it was understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct WindowReport {
    /// Its beginning, RFC 3339, inclusive; absent when unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its end, RFC 3339, inclusive; absent when unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What relative times were relative to.
    pub anchor: Anchor,
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Span {
    /// RFC 3339.
    pub first: String,
    /// RFC 3339.
    pub last: String,
}

impl Span {
    fn new((first, last): (Nanos, Nanos)) -> Self {
        Self { first: show(first), last: show(last) }
    }
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct FileReport {
    /// Its path.
    pub path: String,
    /// The format that most of its records have; `plain` only where no record has another.
    pub format: String,
    /// Lines that are not blank.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records in the window.
    pub in_window: u64,
    /// The earliest timestamp, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The latest timestamp, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// Something odd about it: lines that were cut, reading that failed half-way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A file that was not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SkippedFile {
    /// Its path, or the glob that led to it.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Records by level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct LevelCounts {
    /// Trace.
    pub trace: u64,
    /// Debug.
    pub debug: u64,
    /// Info.
    pub info: u64,
    /// Notice.
    pub notice: u64,
    /// Warning.
    pub warning: u64,
    /// Error.
    pub error: u64,
    /// Critical.
    pub critical: u64,
    /// No level, or none that is known.
    pub none: u64,
}

impl From<[u64; NO_LEVEL + 1]> for LevelCounts {
    fn from([trace, debug, info, notice, warning, error, critical, none]: [u64; NO_LEVEL + 1]) -> Self {
        Self { trace, debug, info, notice, warning, error, critical, none }
    }
}

/// Counts over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TimelineReport {
    /// Width of a bucket.
    pub bucket_seconds: u64,
    /// Buckets with records, in order; others are left out.
    pub buckets: Vec<Bucket>,
}

/// Counts of one stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Bucket {
    /// RFC 3339, UTC.
    pub start: String,
    /// Records.
    pub total: u64,
    /// Of these, errors and criticals.
    pub errors: u64,
    /// Of these, warnings.
    pub warnings: u64,
}

/// Errors that have the same template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ErrorGroup {
    /// How many.
    pub count: u64,
    /// Of all errors in the window, 0 to 100.
    pub share_percent: f64,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The gravest level among them.
    pub level: Level,
    /// Up to five who logged it. Text from the log.
    pub untrusted_loggers: Vec<String>,
    /// The file of the first one.
    pub file: String,
    /// Its line there, from 1.
    pub line: u64,
    /// What they have in common, `<*>` for what varies. Text from the log.
    pub untrusted_template: String,
    /// The first one. Text from the log.
    pub untrusted_sample: String,
}

/// Text from a log as it may be shown: redacted, harmless to look at, and only then cut.
pub(crate) fn presentable(text: &str, redactor: &Redactor, most_bytes: usize) -> String {
    cut(&sanitise_line(&redactor.redact(text)), most_bytes)
}

fn error_group(group: &Group, errors: u64, files: &[FileReport], redactor: &Redactor) -> ErrorGroup {
    let redacted = redactor.redact(&group.sample);
    let shown = |text: &str| presentable(text, redactor, LONGEST_UNTRUSTED_BYTES);
    ErrorGroup {
        count: group.count,
        share_percent: advice::share(group.count, errors),
        first_seen: group.first.map(show),
        last_seen: group.last.map(show),
        level: group.level,
        untrusted_loggers: group.loggers.iter().map(|l| presentable(&String::from_utf8_lossy(l), redactor, LONGEST_LOGGER_BYTES)).collect(),
        file: files.get(group.file).map(|f| f.path.clone()).unwrap_or_default(),
        line: group.line,
        // From the redacted text: masking first could tear a secret so that its shape is no longer known.
        untrusted_template: shown(&templates::template(&redacted)),
        untrusted_sample: shown(&group.sample),
    }
}

fn timeline(timeline: Timeline) -> TimelineReport {
    let (width, buckets) = timeline.finish();
    let start = |seconds: i64| jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default();
    let buckets = buckets.into_iter().map(|(at, c)| Bucket { start: start(at), total: c.total, errors: c.errors, warnings: c.warnings }).collect();
    TimelineReport { bucket_seconds: width.as_secs(), buckets }
}

/// What the report says besides the counts.
pub(crate) struct Frame {
    pub(crate) anchor: Anchor,
    pub(crate) files: Vec<FileReport>,
    pub(crate) skipped_files: Vec<SkippedFile>,
    pub(crate) partial: Option<String>,
    pub(crate) set: PatternSet,
    pub(crate) lang: Lang,
}

/// The report of all that was counted, without a hint.
pub(crate) fn render(plan: &Plan, tally: Tally, frame: Frame) -> Report {
    let errors = tally.errors();
    let patterns: BTreeMap<String, u64> = plan.patterns.names().iter().cloned().zip(tally.patterns.iter().copied()).collect();
    let count_of = |name: &str| patterns.get(name).copied().unwrap_or_default().into();
    let recommendations = advice::recommend(&Findings::new(frame.set, frame.lang, tally.in_window, errors.into(), &count_of));
    let top_errors: Vec<ErrorGroup> =
        tally.templates.top(TOP_ERRORS).into_iter().map(|group| error_group(group, errors, &frame.files, &plan.redactor)).collect();
    let (groups, ungrouped_errors) = tally.templates.sizes();
    let levels = LevelCounts::from(tally.levels);
    Report {
        window: WindowReport { from: plan.window.from.map(show), to: plan.window.to.map(show), anchor: frame.anchor },
        span: tally.span.map(Span::new),
        files: frame.files,
        skipped_files: frame.skipped_files,
        total_records: tally.records,
        records_in_window: tally.in_window,
        without_timestamp: tally.without_timestamp,
        levels,
        error_count: errors,
        warning_count: levels.warning,
        error_rate_percent: advice::share(errors, tally.in_window),
        timeline: timeline(tally.timeline),
        other_errors: errors - top_errors.iter().map(|group| group.count).sum::<u64>(),
        error_groups: groups as u64,
        ungrouped_errors,
        top_errors,
        patterns,
        recommendations,
        partial: frame.partial,
        hint: None,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

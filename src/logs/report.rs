//! What an analysis answers.
//!
//! **Invariant:** text that came from a log, and names of files, are only in fields whose name begins with `untrusted_`: redacted, with
//! hidden characters made visible, and text cut to 300 bytes. Times are RFC 3339 in UTC.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    advice::Recommendation,
    level::{Level, NO_LEVEL},
    window::Anchor,
};

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
    /// Records read. A record is a line, with the lines that go on with it, such as a stack trace.
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
    /// Stretches in which errors stand out from what is usual about that time, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spikes: Vec<SpikeReport>,
    /// Moments at which the rate of errors changed and stayed so, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change_points: Vec<ChangePoint>,
    /// The log fell silent: no records at all for far longer than otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<SilenceReport>,
    /// The largest groups of errors that differ in numbers, ids, names and the like only.
    pub top_errors: Vec<MessageGroup>,
    /// Errors in none of `top_errors`.
    pub other_errors: u64,
    /// How many groups of errors there are.
    pub error_groups: u64,
    /// Errors that were counted and not grouped because there were too many different ones; part of `other_errors`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ungrouped_errors: u64,
    /// The largest groups of warnings.
    pub top_warnings: Vec<MessageGroup>,
    /// Warnings in none of `top_warnings`.
    pub other_warnings: u64,
    /// The largest groups of records without a level that match an error pattern.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_unlevelled: Vec<MessageGroup>,
    /// Records without a level that match an error pattern and are in none of `top_unlevelled`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_unlevelled: u64,
    /// Groups of the lists above that rise together, the closest first. What coincides need not be cause and effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What was read of the time before the window: groups that do not occur there are `new`. Absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
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

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct FileReport {
    /// Its path. What a glob found may have been named by anybody.
    pub untrusted_path: String,
    /// The format that most of its records have; `plain` only where no record has another.
    pub format: String,
    /// How it is packed and encoded, such as `gzip`; absent for plain UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packing: Option<String>,
    /// Records read.
    pub records: u64,
    /// Bytes on disk that were read for them.
    pub bytes: u64,
    /// Bytes on disk that were not, because its times ascend and these lie far enough outside of the window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_bytes: u64,
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
    /// Its path, or the glob that led to it. What a glob found may have been named by anybody.
    pub untrusted_path: String,
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

/// Records that have the same template, and where they have one the same stack trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct MessageGroup {
    /// Its name in this report: `error-1`, `warning-2`, `unlevelled-1`.
    pub id: String,
    /// How many.
    pub count: u64,
    /// Of all records of its list's kind in the window, 0 to 100.
    pub share_percent: f64,
    /// Some of `count` were told by length, first and last word alone, because there were too many different messages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approximate: bool,
    /// It does not occur in the `baseline`, and at its rate would have; absent when too little of that time was read to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<bool>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    /// The gravest level among them; absent when none has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Its counts over the time of the timeline, from the first bucket to the last, as a picture.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sparkline: String,
    /// Up to five who logged it. Text from the log.
    pub untrusted_loggers: Vec<String>,
    /// The file of the first one.
    pub untrusted_file: String,
    /// Where the first one begins in the (decompressed) file, in bytes.
    pub offset: u64,
    /// Its line there, from 1; absent where the file was not read from its beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What they have in common, `<*>` for what varies. Text from the log.
    pub untrusted_template: String,
    /// The first one's first line. Text from the log.
    pub untrusted_sample: String,
    /// Type of the exception that is the root cause, and the top frames of the program's own code. Text from the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untrusted_trace: Option<String>,
}

/// Errors that stand out for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SpikeReport {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// When its highest bucket begins, RFC 3339.
    pub peak_at: String,
    /// Errors in that bucket.
    pub peak: u64,
    /// Errors in all of it.
    pub errors: u64,
    /// Errors in a usual bucket about that time.
    pub typical: u64,
    /// It reaches the end of the timeline: it may not be over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_on: bool,
}

/// A rate of errors that changed and stayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct ChangePoint {
    /// When the first bucket with the new rate begins, RFC 3339.
    pub at: String,
    /// Errors a minute before.
    pub before_per_minute: f64,
    /// Errors a minute since.
    pub after_per_minute: f64,
}

/// A time without records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct SilenceReport {
    /// RFC 3339, to the width of a bucket.
    pub from: String,
    /// RFC 3339; absent while there are no records any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The longest other time without records.
    pub longest_other_seconds: u64,
}

/// Two groups that rise together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Related {
    /// Id of the group that rises first.
    pub earlier: String,
    /// Id of the other one.
    pub later: String,
    /// From the beginning of the one rise to that of the other; 0 when they cannot be told apart.
    pub lead_seconds: f64,
    /// How alike they are, to 1.
    pub strength: f64,
}

/// What was read of the time before the window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Baseline {
    /// Records.
    pub records: u64,
    /// The earliest of them, RFC 3339.
    pub first: String,
    /// The latest of them, RFC 3339.
    pub last: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
